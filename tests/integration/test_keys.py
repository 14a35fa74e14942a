"""`latchkey keys`: fetch and list."""
import json
import os
import pwd
import re
import stat

import pytest

import tokens
from command_site import FAULTS, HMAC_TENANT, id_of
from command_site import make_latchkey, make_root  # fixtures


def test_keys_fetch_replaces_a_key_set_and_leaves_an_unchanged_one_alone(latchkey):
    kid = latchkey.tenant.rotate(drop=True)
    done = latchkey.run("keys", "fetch")
    assert (done.returncode, done.stdout) == (0, f"{tokens.TENANT}: replaced\n"), done.stderr
    assert [key["kid"] for key in json.loads(latchkey.keys.read_text())["keys"]] == [kid]
    assert stat.S_IMODE(latchkey.keys.stat().st_mode) == 0o644
    before = latchkey.keys.stat()
    done = latchkey.run("keys", "fetch", "--tenant", tokens.TENANT)
    assert (done.returncode, done.stdout) == (0, f"{tokens.TENANT}: unchanged\n")
    assert (latchkey.keys.stat().st_ino, latchkey.keys.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_keys_fetch_makes_a_key_set_that_is_missing(latchkey):
    latchkey.keys.unlink()
    assert latchkey.run("keys", "fetch").stdout == f"{tokens.TENANT}: replaced\n"
    assert json.loads(latchkey.keys.read_text()) == latchkey.tenant.jwks()


@pytest.mark.parametrize("endpoint", ["discovery", "jwks"])
@pytest.mark.parametrize("fault, values, status, reason, words", FAULTS, ids=id_of)
def test_keys_fetch_keeps_the_old_set(latchkey, endpoint, fault, values, status, reason, words):
    latchkey.configure(timeout=1)
    latchkey.tenant.rotate()
    before = latchkey.keys.read_bytes()
    latchkey.tenant.fault(endpoint, fault, **values)
    if reason == "credential_refused":  # of whom, where nobody showed a credential?
        status, reason = 3, "tenant_unavailable"
    if endpoint == "jwks" and fault in ("broken-json", "empty"):
        reason, words = "jwks_invalid", ""
    done = latchkey.expect(status, reason, "keys", "fetch", also=words)
    assert "keeps its present key set" in done.stderr and done.stdout == ""
    assert latchkey.keys.read_bytes() == before


def test_keys_fetch_verifies_the_certificate(latchkey):
    latchkey.configure(ca=False)
    latchkey.expect(3, "tenant_unavailable", "keys", "fetch", also="certificate")
    assert latchkey.tenant.requests("discovery") == 0


def test_keys_fetch_of_a_tenant_that_is_down_does_not_keep_others_from_theirs(latchkey):
    latchkey.configure(timeout=1, more='tenant "dead" { url = "https://127.0.0.1:1"  keys = "{root}/keys/dead.jwks" }')
    latchkey.tenant.rotate()
    done = latchkey.expect(3, "tenant_unavailable", "keys", "fetch")
    assert done.stdout == f"{tokens.TENANT}: replaced\n" and "tenant dead keeps" in done.stderr


def test_keys_fetch_passes_over_a_tenant_with_a_secret_unless_it_is_named(latchkey):
    latchkey.configure(more=HMAC_TENANT)
    assert latchkey.run("keys", "fetch").stdout == f"{tokens.TENANT}: unchanged\n"
    latchkey.expect(2, "config_invalid", "keys", "fetch", "--tenant", "hmac", also="no key set")


def test_keys_fetch_writes_as_root_where_the_daemons_user_owns_the_directory(latchkey):
    daemon = pwd.getpwnam("daemon")
    os.chown(latchkey.keys.parent, daemon.pw_uid, daemon.pw_gid)
    os.chown(latchkey.keys, daemon.pw_uid, daemon.pw_gid)
    latchkey.conf.write_text(latchkey.conf.read_text().replace("latchkeyd {", 'latchkeyd { user = "daemon" '))
    latchkey.tenant.rotate()
    assert latchkey.run("keys", "fetch").stdout == f"{tokens.TENANT}: replaced\n"
    assert latchkey.run("keys", "list").returncode == 0
    latchkey.tenant.rotate()
    assert latchkey.run("keys", "fetch", user="daemon").stdout == f"{tokens.TENANT}: replaced\n"


def test_keys_fetch_says_that_it_cannot_write(latchkey):
    latchkey.tenant.rotate()
    done = latchkey.expect(3, "system_error", "keys", "fetch", user="daemon", also=f"{latchkey.keys}: ")
    assert "Permission denied" in done.stderr


def test_keys_list_shows_every_key_offline(latchkey):
    key = latchkey.tenant.jwks()["keys"][0]
    latchkey.write(latchkey.keys, json.dumps({"keys": [key, tokens.Key("RS256", "weak", bits=1024).jwk()]}))
    latchkey.configure(more=HMAC_TENANT)
    latchkey.tenant.stop()
    done = latchkey.run("keys", "list")
    assert done.returncode == 0
    assert re.search(rf"^  {key['kid']} +EC P-256 +ES256 +usable$", done.stdout, re.M), done.stdout
    assert re.search(r"^  weak +RSA 1024 +- +never used: ", done.stdout, re.M), done.stdout
    assert f"hmac ({latchkey.root}/hmac.key)" in done.stdout
    report = json.loads(latchkey.run("keys", "list", "--json", "--tenant", tokens.TENANT).stdout)
    [tenant] = report["tenants"]
    assert list(tenant) == ["tenant", "file", "failure", "keys"]
    assert (tenant["tenant"], tenant["file"], tenant["failure"]) == (tokens.TENANT, str(latchkey.keys), None)
    assert tenant["keys"][0] == {"kid": key["kid"], "type": "EC P-256", "alg": "ES256", "usable": True, "note": None}
    assert tenant["keys"][1]["usable"] is False and tenant["keys"][1]["note"]


# A sequence of a terminal, one of eight bits, an override of the direction, a separator of lines, a tag.
HOSTILE = "a\x9b31mb\x9dc\u202ed\u2028e\U000e0041f"


def test_rule_34_a_kid_sends_nothing_to_the_terminal(latchkey):
    keys = [latchkey.tenant.jwks()["keys"][0] | {"kid": HOSTILE}, tokens.Key("RS256", HOSTILE + "2", bits=1024).jwk()]
    latchkey.write(latchkey.keys, json.dumps({"keys": keys}))
    shown = latchkey.run("keys", "list").stdout
    report = latchkey.run("keys", "list", "--json").stdout
    for output in (shown, report, latchkey.run("check").stdout, latchkey.run("check", "--json").stdout):
        assert output and not set(output) & set(HOSTILE) - set("a31mbcdef"), repr(output)
    assert "a??31mb??c???d???e????f " in shown
    assert json.loads(report)["tenants"][0]["keys"][0]["kid"] == HOSTILE


def test_keys_list_says_why_a_set_is_of_no_use(latchkey):
    latchkey.write(latchkey.keys, "{}")
    latchkey.expect(3, "jwks_invalid", "keys", "list")
    done = latchkey.expect(3, "jwks_invalid", "keys", "list", "--json")
    assert json.loads(done.stdout)["tenants"][0]["failure"] == "jwks_invalid"
