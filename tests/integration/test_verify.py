"""`latchkey verify --json`: the documented interface."""
import json

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from check_site import CLAIM, GROUP, ISSUER, NOW, RSA_KEY, SUB, TENANT
from check_site import make_site  # fixtures


def make_token(key=RSA_KEY, kid="a", **changes):
    claims = {"iss": ISSUER, "aud": TENANT, "sub": SUB, CLAIM: TENANT, "iat": NOW - 10, "exp": NOW + 300, "jti": "j1"}
    claims.update(changes)
    return pyjwt.encode(claims, key, algorithm="RS256", headers={"kid": kid})


CHECKS = ["configuration", "credential", "format", "tenant", "header", "key", "signature", "claims", "binding",
          "revocation", "user", "account", "time", "service"]


def judged(site, token, status, *arguments):
    return json.loads(site.verify(token, "--json", "--at", str(NOW), *arguments, expect=status))


def test_verify_accepts_and_tells_the_whole_story(site):
    site.configure(blocks=site.blocks + GROUP)
    report = judged(site, make_token(groups=["501b38ea-16af-4cd2-9f20-35675d2c001e", "other"]) + "\n", 0)
    assert list(report) == ["verdict", "reason", "message", "tenant", "subject", "user", "groups", "expires", "checks"]
    message = report.pop("message")
    checks = report.pop("checks")
    assert report == {"verdict": "accept", "reason": "ok", "tenant": TENANT, "subject": SUB, "user": "daemon",
                      "groups": ["daemon"], "expires": NOW + 300}
    assert message == "accepted"
    assert [c["check"] for c in checks] == CHECKS
    assert all(sorted(c) == ["check", "detail", "ok"] and c["ok"] is True for c in checks)


@pytest.mark.parametrize("reason, check, change", [
    ("token_expired", "time", {"exp": NOW - 31}),
    ("token_not_yet_valid", "time", {"nbf": NOW + 31}),
    ("token_from_future", "time", {"iat": NOW + 31}),
    ("audience_mismatch", "binding", {"aud": "somebody"}),
    ("issuer_untrusted", "binding", {"iss": "https://elsewhere.example"}),
    ("tenant_mismatch", "binding", {CLAIM: "another"}),
    ("user_unmapped", "user", {"sub": "nobody-knows"}),
    ("claim_invalid", "claims", {"exp": "soon"}),
    ("proof_required", "claims", {"cnf": {"jkt": "x"}}),
    ("type_unsupported", "claims", {"events": {}}),
    ("key_unknown", "key", {"kid": "b"}),
    ("signature_invalid", "signature", {"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)}),
])
def test_verify_names_the_reason_and_the_check_that_refused(site, reason, check, change):
    report = judged(site, make_token(**change), 1)
    assert (report["verdict"], report["reason"]) == ("reject", reason)
    assert [c["check"] for c in report["checks"]] == CHECKS[:CHECKS.index(check) + 1]
    assert [c["ok"] for c in report["checks"]] == [True] * CHECKS.index(check) + [False]


@pytest.mark.parametrize("reason, status, prepare", [
    ("config_invalid", 2, lambda site: site.conf.unlink()),
    ("jwks_unavailable", 3, lambda site: site.keys.unlink()),
    ("jwks_invalid", 3, lambda site: site.write(site.keys, "{}")),
    ("revocation_unavailable", 3, lambda site: site.revoked.unlink()),
    ("token_revoked", 1, lambda site: site.write(site.revoked, f"sub {SUB}\n")),
])
def test_verify_tells_outages_from_refusals_by_its_status(site, reason, status, prepare):
    prepare(site)
    report = judged(site, make_token(), status)
    assert (report["verdict"], report["reason"]) == ("reject", reason)


def test_verify_obeys_user_and_service(site):
    site.configure(blocks=site.blocks + GROUP + 'service "sudo" { require_group = {"daemon"} }\n')
    assert judged(site, make_token(), 0, "--user", "daemon", "--service", "sshd")["user"] == "daemon"
    assert judged(site, make_token(), 1, "--user", "bin")["reason"] == "user_mismatch"
    assert judged(site, make_token(), 1, "--service", "sudo")["reason"] == "group_missing"


@pytest.mark.parametrize("name, credential, reason", [
    ("nothing", b"", "credential_absent"),
    ("an empty line", b"\n", "credential_absent"),
    ("a password", b"correct horse\n", "credential_not_allowed"),
    ("a hundred thousand bytes", b"eyJ" + b"A" * 100_000, "token_too_long"),
    ("NUL bytes", b"\0\0\0", "credential_not_allowed"),
])
def test_verify_refuses_what_is_no_token(site, name, credential, reason):
    report = json.loads(site.verify(credential, "--json", expect=1))
    assert report["reason"] == reason, name


@pytest.mark.parametrize("arguments", [["--at", "yesterday"], ["--at", "-1"], ["--nonsense"], ["a-token"]])
def test_verify_refuses_wrong_usage_with_status_2(site, arguments):
    assert site.verify(make_token(), *arguments, expect=2) == ""


def test_verify_never_prints_a_part_of_the_token(site):
    token = make_token()
    for arguments in ([], ["--json"]):
        output = site.verify(token, "--at", str(NOW), *arguments)
        assert not [token[i:i + 20] for i in range(len(token) - 20) if token[i:i + 20] in output]
