"""`latchkey check` where latchkeyd answers, and what all sub-commands share: usage and output."""
import json
import re
import subprocess

import pytest

import tokens
from command_site import ALONE, PROGRAM, masked
from command_site import make_latchkey, make_root  # fixtures
from daemon import SOCKET, Daemon
from host import COMMAND, PRIVATE, run, wait_until


# --- check, where latchkeyd answers ---

def check(host, *words, user=None):
    as_user = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if user else []
    done = run(*as_user, COMMAND, "check", "--json", "--pam-directory", PRIVATE / "home", *words, check=False)
    return [(found["severity"], found["message"]) for found in json.loads(done.stdout)["findings"]
            if found["file"] == str(SOCKET)]


def test_check_shows_how_latchkeyd_is(site, daemon):
    wait_until(lambda: daemon.status()["tenants"][0]["keys_looked_at"] is not None, "the key set was looked at")
    found = check(site.host)
    assert [severity for severity, _ in found] == ["note", "note"], found
    assert re.match(r"latchkeyd [0-9.]+ has run for \d+ s: answered 0 exchanges, 0 refreshes, 0 signatures, 0 logins, 0 "
                    r"passwords; refused 0 by allow, 0 by rate, 0 as too many at once, 0 as guesses, 0 as broken; "
                    r"cache: 0 entries, 0 hits, 0 misses$", found[0][1])
    assert re.match(rf'tenant "{tokens.TENANT}": breaker closed; the last refresh of the key set was \d+ s ago: '
                    r"(replaced|unchanged)$", found[1][1]), found


def test_check_warns_of_an_open_breaker_and_of_a_key_set_that_is_not_refreshed(site, tenant):
    for endpoint in ("exchange", "discovery"):
        tenant.fault(endpoint, "status", status=500)
    site.give_keys_to_daemon()
    with Daemon(site.host) as daemon:
        for _ in range(5):
            site.host.verify(tenant.api_key, "--user", "svc-backup")
        wait_until(lambda: daemon.status()["tenants"][0]["keys_failure"] is not None, "the refresh failed")
        warnings = [message for severity, message in check(site.host) if severity == "warning"]
    assert len(warnings) == 2
    assert "its service failed 5 times in a row, or asked for a pause" in warnings[0]
    assert "the key set could not be refreshed: " in warnings[1] and "status 500" in warnings[1]


def test_check_warns_of_a_configuration_that_latchkeyd_cannot_use(site, daemon):
    good = site.host.write("latchkey.conf", (site.host.etc / "latchkey.conf").read_text())
    assert not [found for found in check(site.host) if found[0] == "warning"]
    good.chmod(0o600)  # root reads it still
    [warning] = [message for severity, message in check(site.host) if severity == "warning"]
    assert "refuses every login" in warning and "Permission denied" in warning


def test_check_by_somebody_whom_latchkeyd_does_not_serve_is_a_note(site, daemon):
    for _ in range(20):  # it is sent away before, while or after it asks
        [found] = check(site.host, user="alice")
        assert found[0] == "note" and "latchkeyd denies uid 2001" in found[1], found


# --- usage ---

@pytest.mark.parametrize("words", [
    ("keys", "fetch", "word"), ("keys", "fetch", "--json"), ("keys", "fetch", "--tenant", "none"),
    ("keys", "list", "word"),
    ("exchange",), ("exchange", "--user", "daemon", "a-key"), ("exchange", "--api-key", "k"),
    ("apikey", "show", "a-key"), ("apikey", "show", "--output", "x"), ("apikey", "create", "--reveal"),
    ("apikey", "create", "tertiary", "--reveal"), ("apikey", "create", "primary", "a-key", "--reveal"),
    ("apikey", "rotate", "a-key", "--reveal"), ("apikey", "rotate", "--token-file", "x", "--reveal"),
    ("apikey", "show", "--token-file", "x", "--api-key-file", "y"),
    ("whoami", "a-token"), ("whoami", "--api-key-file", "x"), ("users", "word"), ("users", "--page", "0"),
    ("users", "--page-size", "1001"), ("users", "--page", "1x"),
], ids=" ".join)
def test_wrong_usage_is_status_2(latchkey, words):
    done = latchkey.run(*words, input="k" * 40)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr != ""


@pytest.mark.parametrize("words", [("keys",), ("keys", "steal"), ("apikey",)], ids=" ".join)
def test_half_a_command_is_none(words):
    done = run(PROGRAM, *words, check=False)
    assert done.returncode == 2 and "is not a sub-command" in done.stderr


@pytest.mark.parametrize("words", [("keys", "fetch"), ("keys", "list"), ("exchange", "--user", "daemon"),
                                   ("apikey", "show"), ("whoami",), ("users",)], ids=" ".join)
def test_a_broken_configuration_is_status_2(latchkey, words):
    latchkey.conf.write_text("nonsense")
    latchkey.expect(2, "config_invalid", *words)


@pytest.mark.parametrize("words", [("apikey", "show"), ("users",), ("keys", "list")], ids=" ".join)
def test_what_nobody_could_read_was_not_said(latchkey, words):
    with open("/dev/full", "wb") as full:
        done = run(*ALONE, *latchkey.argv(*words), input=latchkey.tenant.api_key, check=False, capture_output=False,
                   stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3 and "standard output" in done.stderr


def test_a_key_that_is_typed_does_not_show(latchkey):
    key = latchkey.tenant.api_key
    with latchkey.terminal("apikey", "show") as terminal:
        terminal.expect("API key: ")
        terminal.type(key)
        status, text = terminal.wait()
    assert status == 0 and f"primary    {masked(key)}" in text and key not in text
