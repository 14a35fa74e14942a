"""`latchkey exchange`."""
import json
import os
import re
import stat
import time

import jwt as pyjwt
import pytest

import tokens
from command_site import FAULTS, PROGRAM, exchange, id_of
from command_site import make_latchkey, make_root  # fixtures
from host import run


def test_exchange_gives_a_token_that_opens_the_account(latchkey):
    done = exchange(latchkey)
    assert (done.returncode, done.stderr) == (0, "")
    assert pyjwt.decode(done.stdout.strip(), options={"verify_signature": False})["sub"] == tokens.BACKUP
    verified = latchkey.run("verify", "--user", "daemon", "--json", input=done.stdout)
    assert json.loads(verified.stdout)["verdict"] == "accept"


def test_exchange_leaves_the_token_where_askpass_finds_it(latchkey):
    output = latchkey.root / "token"
    done = exchange(latchkey, "--output", output)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    answer = run(PROGRAM, "askpass", "Access token: ", env={"LATCHKEY_TOKEN_FILE": str(output)}).stdout
    assert output.read_text().startswith(answer.strip())
    assert sorted(path.name for path in latchkey.root.iterdir() if "token" in path.name) == ["token"]


def test_exchange_reads_the_key_from_a_file(latchkey):
    assert latchkey.run("exchange", "--user", "daemon", "--api-key-file", latchkey.key_file()).returncode == 0
    loose = latchkey.write(latchkey.root / "loose", latchkey.tenant.api_key, 0o644)
    latchkey.expect(3, "system_error", "exchange", "--user", "daemon", "--api-key-file", loose, also="readable by")


@pytest.mark.parametrize("fault, values, status, reason, words", FAULTS + [
    ("other-user", {}, 1, "exchange_mismatch", f"instead of {tokens.BACKUP}"),
    ("other-tenant", {}, 1, "tenant_mismatch", ""),
    ("expired", {}, 1, "token_expired", ""),
    ("unsigned", {}, 1, "token_malformed", ""),
    ("unpublished-key", {}, 1, "key_unknown", ""),
    ("forged", {}, 1, "signature_invalid", ""),
    ("content-type", {}, 3, "tenant_unavailable", "text/html"),
    ("huge", {"bytes": 70000}, 3, "tenant_unavailable", "longer than 65536 bytes"),
    ("body", {"text": '{"token":"no\\u0020token"}'}, 3, "tenant_unavailable", '"token"'),
], ids=id_of)
def test_exchange_refuses(latchkey, fault, values, status, reason, words):
    latchkey.configure(timeout=1)
    output = latchkey.root / "token"
    latchkey.tenant.fault("exchange", fault, **values)
    done = latchkey.expect(status, reason, "exchange", "--user", "daemon", "--output", output, also=words,
                       input=latchkey.tenant.api_key)
    assert done.stdout == "" and not output.exists() and "eyJ" not in done.stderr


def test_exchange_tells_a_time_out_from_a_refusal(latchkey):
    latchkey.configure(timeout=1)
    latchkey.tenant.fault("exchange", "never")
    begin = time.monotonic()
    done = exchange(latchkey)
    assert 0.9 < time.monotonic() - begin < 4
    assert done.returncode == 3
    assert re.search(r"^latchkey exchange: tenant_unavailable: .*: .*timed out", done.stderr), done.stderr
    done = exchange(latchkey, key="k" * 40)
    assert done.returncode == 3
    latchkey.tenant.clear()
    latchkey.expect(1, "credential_refused", "exchange", "--user", "daemon", input="k" * 40, also="status 401")


def test_exchange_of_a_token_for_another_configured_tenant_is_a_mismatch(latchkey):
    """A token that verifies is not enough: it must be of the tenant that was asked."""
    other = "4a51de8b-27e2-425b-b26e-ca8269e42efa"
    latchkey.configure(more=f"""
        tenant "{other}" {{
            issuer = "https://other.example"  algorithms = {{"ES256"}}  keys = "{latchkey.root}/keys/other.jwks"
        }}""")
    key = tokens.Key("ES256", "o")
    latchkey.write(latchkey.root / "keys" / "other.jwks", tokens.key_set(key))
    foreign = key.sign(tokens.claims(tokens.BACKUP, iss="https://other.example", aud=other, tenant=other, groups=None))
    latchkey.tenant.fault("exchange", "body", text=json.dumps({"token": foreign}, separators=(",", ":")))
    latchkey.expect(1, "exchange_mismatch", "exchange", "--user", "daemon", input=latchkey.tenant.api_key,
                also=f"tenant {other} instead of {tokens.TENANT}")


@pytest.mark.parametrize("user", ["bin", "root", "nobody-knows"])
def test_exchange_is_only_for_accounts_that_are_marked(latchkey, user):
    latchkey.expect(1, "credential_not_allowed", "exchange", "--user", user, input=latchkey.tenant.api_key)
    assert latchkey.tenant.requests("exchange") == 0


@pytest.mark.parametrize("key", ["correct horse battery staple", "short", "k" * 600, "k" * 20 + "\r\nX-Other: 1"])
def test_what_cannot_be_an_api_key_is_sent_nowhere(latchkey, key):
    latchkey.expect(1, "credential_refused", "exchange", "--user", "daemon", input=key, also="not in the form")
    assert latchkey.tenant.requests("exchange") == 0


def test_exchange_without_a_key_says_so(latchkey):
    latchkey.expect(1, "credential_absent", "exchange", "--user", "daemon", input="\n")


def test_exchange_takes_nothing_from_the_environment_that_would_lead_it_astray(latchkey):
    log = latchkey.root / "keylog"
    nobody = "http://127.0.0.1:1"
    done = exchange(latchkey, env={"SSLKEYLOGFILE": str(log), "https_proxy": nobody, "ALL_PROXY": nobody})
    assert done.returncode == 0 and not log.exists()


@pytest.mark.parametrize("place", ["directory", "link", "nowhere/token", "fifo"])
def test_exchange_puts_a_token_only_where_a_file_belongs(latchkey, place):
    (latchkey.root / "directory").mkdir()
    (latchkey.root / "link").symlink_to("/dev/null")
    os.mkfifo(latchkey.root / "fifo")
    latchkey.expect(3, "system_error", "exchange", "--user", "daemon", "--output", latchkey.root / place,
                input=latchkey.tenant.api_key)
    assert latchkey.tenant.requests("exchange") == 0
    assert (latchkey.root / "link").is_symlink()


def test_exchange_writes_below_the_working_directory(latchkey):
    done = exchange(latchkey, "--output", "token", under=["env", "-C", latchkey.root])
    assert done.returncode == 0 and (latchkey.root / "token").read_text().startswith("eyJ")
