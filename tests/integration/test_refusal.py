"""Who is refused, what the person reads, and what the administrator reads."""
import hashlib
import hmac
import json
import re
import time

import pytest

import tokens
from host import PRIVATE

REFUSED = "Token not accepted."


def refuse(host, user, token, reason, told=REFUSED):
    """Refused through ssh, told so, logged so, and explained likewise by `latchkey verify`."""
    done = host.ssh(user, token)
    assert done.returncode == 255 and done.stdout == ""
    assert re.search(told, done.stderr), done.stderr
    if told != REFUSED:
        assert REFUSED not in done.stderr
    [verdict] = host.verdicts()
    assert (verdict["verdict"], verdict["reason"], verdict["user"]) == ("reject", reason, user)
    explained = host.verify(token, "--service", "sshd", "--user", user)
    assert (explained["verdict"], explained["reason"]) == ("reject", reason)
    assert explained["checks"][-1]["ok"] is False and all(check["ok"] for check in explained["checks"][:-1])
    return verdict


def test_rule_23_a_token_of_somebody_else_is_not_accepted(host):
    verdict = refuse(host, "bob", host.token(), "user_mismatch")
    assert verdict["mapped"] == "alice"


def test_rule_36_an_expired_token_of_the_person_tells_when_it_expired(host):
    token = host.token(iat=int(time.time()) - 8000, exp=int(time.time()) - 7300)
    refuse(host, "alice", token, "token_expired", r"The token expired 2 hours ago\.")


def test_rule_36_an_expired_token_of_somebody_else_tells_nothing(host):
    refuse(host, "bob", host.token(lifetime=-3600), "user_mismatch")


def test_rule_36_an_expired_token_with_a_forged_signature_tells_nothing(host):
    forged = tokens.Key("RS256", "key-RS256").sign(tokens.claims(lifetime=-3600))
    refuse(host, "alice", forged, "signature_invalid")


def test_a_token_that_is_not_valid_yet_says_so(host):
    refuse(host, "alice", host.token(nbf=int(time.time()) + 3600), "token_not_yet_valid", "The token is not valid yet.")


@pytest.mark.parametrize("line", ["sub {sub}", "jti the-one", "kid key-RS256", "issued-before {later}",
                                  "issued-before {later} sub {sub}"])
def test_rule_19_a_revoked_token_is_refused_while_sshd_runs(host, line):
    token = host.token(jti="the-one")
    assert host.ssh("alice", token).returncode == 0
    host.syslog.clear()
    host.revoke("# shut out", line.format(sub=tokens.ALICE, later=int(time.time()) + 1))
    refuse(host, "alice", token, "token_revoked")


@pytest.mark.parametrize("line", ["sub {other}", "jti another", "kid key-ES256", "issued-before {earlier}",
                                  "issued-before {later} sub {other}"])
def test_a_revocation_of_something_else_refuses_nobody(host, line):
    host.revoke(line.format(other=tokens.BOB, earlier=int(time.time()) - 60, later=int(time.time()) + 60))
    assert host.ssh("alice", host.token(jti="the-one")).returncode == 0


def test_without_a_required_group_a_good_token_does_not_open_the_service(host):
    host.write_config('service "sshd" { require_group = {"ops"} }')
    assert host.ssh("alice", host.token()).returncode == 0
    host.syslog.clear()
    refuse(host, "alice", host.token(groups=["another"]), "group_missing", "You are not in a group that may use this service.")


def test_a_rule_of_one_service_does_not_bind_another(host):
    host.write_config('service "sudo" { require_group = {"ops"} }')
    token = host.token(groups=[])
    assert host.ssh("alice", token).returncode == 0
    assert host.sudo("alice", token).returncode != 0
    assert host.reasons() == ["ok", "group_missing"]


@pytest.mark.parametrize("login", [False, True], ids=["su", "su -"])
def test_the_rules_of_su_bind_its_login_shell_too(host, login):
    host.write_config('service "su" { require_group = {"ops"} }')
    status, output = host.su("alice", host.token(), login=login)
    assert status == 0 and re.search(r"^alice\r?$", output, re.M), output
    status, output = host.su("alice", host.token(groups=[]), login=login)
    assert status != 0, output
    assert [(v["service"], v["reason"]) for v in host.verdicts()] == [("su", "ok"), ("su", "group_missing")]


@pytest.mark.parametrize("login", [False, True], ids=["sudo", "sudo -i"])
def test_the_rules_of_sudo_bind_its_login_shell_too(host, login):
    host.write_config('service "sudo" { require_group = {"ops"} }')
    done = host.sudo("alice", host.token(), login=login)
    assert (done.returncode, done.stdout) == (0, "root\n"), done.stderr
    assert host.sudo("alice", host.token(groups=[]), login=login).returncode != 0
    assert [(v["service"], v["reason"]) for v in host.verdicts()] == [("sudo", "ok"), ("sudo", "group_missing")]


def test_a_token_that_maps_to_no_user_is_not_accepted(host):
    refuse(host, "alice", host.token(sub=tokens.ADMIN), "user_unmapped")


@pytest.mark.parametrize("length", [1100, 1500, 4000])
def test_rule_37_over_ssh_a_bad_token_tells_nobody_who_exists(host, length):
    """sshd masks what is typed for an unknown user: it must not be taken for a password and go on to pam_unix."""
    bad = tokens.Key("RS256", "key-RS256").sign_to_length(tokens.claims(), length)
    known, unknown = host.ssh("alice", bad), host.ssh("nobody-of-this-name", bad)
    assert REFUSED in known.stderr
    assert known.stderr.replace("alice", "X") == unknown.stderr.replace("nobody-of-this-name", "X")
    assert [verdict["reason"] for verdict in host.verdicts()] == ["signature_invalid", "token_malformed"]


def test_rule_37_an_unknown_user_gets_the_answer_of_a_known_one(host):
    known = host.pamhost("-u", "bob", answers=[host.token()])
    unknown = host.pamhost("-u", "nobody-of-this-name", answers=[host.token()])
    assert known.error == unknown.error == [REFUSED]
    assert known.prompt == unknown.prompt and known.authenticate == unknown.authenticate
    assert host.reasons() == ["user_mismatch", "user_mismatch"]


def test_a_mapped_user_who_does_not_exist_is_not_accepted(host):
    result = host.pamhost("-u", "carol", answers=[host.token(sub=tokens.BOB, email="carol@example.com")])
    assert result.authenticate != ["0"] and result.error == [REFUSED]
    assert host.reasons() == ["user_unknown"]


def test_over_ssh_no_token_opens_a_user_who_does_not_exist(host):
    """sshd gives PAM a text of its own in place of what was typed for such a user."""
    assert host.ssh("carol", host.token(sub=tokens.BOB, email="carol@example.com")).returncode == 255
    assert [v["verdict"] for v in host.verdicts()] == ["reject"]


def test_a_pattern_does_not_reach_an_account_that_has_a_block(host):
    refuse(host, "svc-backup", host.token(sub=tokens.BOB, email="svc-backup@example.com"), "user_unmapped")


def test_rule_05_an_unsigned_token_is_not_accepted(host):
    header = tokens.b64(b'{"alg":"none"}')
    payload = host.token().split(".")[1]
    refuse(host, "alice", f"{header}.{payload}.{'A' * 342}", "algorithm_unsupported")


def test_rule_06_a_token_signed_with_the_public_key_as_hmac_secret_is_not_accepted(host):
    secret = json.dumps(host.keys["RS256"].jwk()).encode()
    signed = tokens.b64(b'{"alg":"HS256","kid":"key-RS256"}') + "." + host.token().split(".")[1]
    token = signed + "." + tokens.b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())
    refuse(host, "alice", token, "algorithm_not_allowed")


@pytest.mark.parametrize("claim, reason", [("tenant", "tenant_unknown"), ("iss", "issuer_untrusted"),
                                           ("aud", "audience_mismatch")])
def test_rule_16_a_token_for_another_party_is_not_accepted(host, claim, reason):
    refuse(host, "alice", host.token(**{claim: "somebody else's"}), reason)


@pytest.mark.parametrize("claim, reason", [("cnf", "proof_required"), ("events", "type_unsupported")])
def test_rule_42_a_token_that_is_no_login_is_not_accepted(host, claim, reason):
    verdict = refuse(host, "alice", host.token(**{claim: {}}), reason)
    assert verdict["sub"] == tokens.ALICE


def expired_token(host):
    return host.token(iat=int(time.time()) - 700, exp=int(time.time()) - 220)


def test_the_person_reads_at_su_that_the_token_expired(host):
    status, output = host.su("alice", expired_token(host))
    assert status != 0 and re.search(r"The token expired 3 minutes ago\.", output), output
    assert host.reasons() == ["token_expired"]


def test_rule_35_pam_silent_is_honoured_so_sudo_tells_nothing(host):
    """sudo passes PAM_SILENT."""
    done = host.sudo("alice", expired_token(host))
    assert done.returncode == 1 and "oken" not in done.stderr
    assert host.reasons() == ["token_expired"]


# Nothing of a refused token reaches the next module

RECORD = '#!/bin/sh\ncat >>"{record}"\n'


@pytest.fixture
def record(host):
    """A module behind Latchkey that writes down what it gets as a password, and accepts it."""
    path, script = PRIVATE / "recorded", PRIVATE / "record"
    path.unlink(missing_ok=True)
    script.write_text(RECORD.format(record=path))
    script.chmod(0o755)
    host.recorder = f"pam_exec.so expose_authtok quiet {script}"
    return path


def with_recorder(host):
    """The example stack, with the recorder in pam_unix's place."""
    path = host.example_stack("sudo", service="pamtester")
    text = path.read_text()
    changed = re.sub(r"pam_unix\.so nullok try_first_pass", host.recorder, text)
    assert changed != text
    path.write_text(changed)


def test_a_refused_token_ends_the_example_stack(host, record):
    with_recorder(host)
    result = host.pamhost("-u", "alice", answers=[host.token(sub=tokens.ADMIN), "another answer"])
    assert result.authenticate != ["0"] and result.error == [REFUSED]
    assert not record.exists()


def test_the_recorder_would_have_let_in_whoever_came_to_it(host, record):
    """Shows that the test above can fail: an empty answer goes on to the recorder, which accepts."""
    with_recorder(host)
    result = host.pamhost("-u", "alice", answers=["", "another answer"])
    assert result.authenticate == ["0"]
    assert record.read_bytes().rstrip(b"\0") == b"another answer"


def test_even_a_careless_stack_does_not_hand_on_a_refused_token(host, record):
    host.stack("pamtester", f"auth sufficient @MODULE@\nauth required {host.recorder}\n")
    result = host.pamhost("-u", "alice", answers=[host.token(sub=tokens.ADMIN), "asked anew"])
    assert len(result.prompt) == 2
    assert record.read_bytes().rstrip(b"\0") == b"asked anew"


def test_what_is_no_token_is_handed_on_as_the_password_that_it_is(host, record):
    host.stack("pamtester", f"auth sufficient @MODULE@\nauth required {host.recorder}\n")
    result = host.pamhost("-u", "alice", answers=["correct horse"])
    assert result.authenticate == ["0"] and len(result.prompt) == 1
    assert record.read_bytes().rstrip(b"\0") == b"correct horse"


@pytest.mark.parametrize("wrapped", ["Bearer {token}", "bearer {token}", " {token}", "\t{token}", '"{token}',
                                     '"{token}"'])
def test_a_token_that_is_pasted_with_something_before_it_is_refused_and_not_handed_on(host, record, wrapped):
    with_recorder(host)
    result = host.pamhost("-u", "alice", answers=[wrapped.format(token=host.token()), "another answer"])
    assert result.authenticate != ["0"] and len(result.prompt) == 1
    assert not record.exists()
    host.stack("pamtester", f"auth sufficient @MODULE@\nauth required {host.recorder}\n")
    host.pamhost("-u", "alice", answers=[wrapped.format(token=host.token()), "asked anew"])
    assert record.read_bytes().rstrip(b"\0") == b"asked anew"
