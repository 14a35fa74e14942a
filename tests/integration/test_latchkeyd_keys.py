"""latchkeyd: it fetches, refreshes, keeps and withdraws key sets."""
import contextlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import tokens
from daemon import PAM_SUCCESS, USER, Daemon, Site, ask, log_in, timed
from host import COMMAND, PRIVATE, run, wait_until
from latchkeyd_clients import wait_for_keys


def test_a_missing_key_set_is_fetched(site):
    site.forget_keys()
    site.give_keys_to_daemon()
    with Daemon(site.host):
        wait_for_keys(site)
    assert json.loads(site.keys.read_text()) == site.tenant.jwks()
    assert site.keys.owner() == USER and site.keys.stat().st_mode & 0o777 == 0o644
    assert site.host.verify(site.tenant.token(tokens.ALICE), "--user", "alice")["reason"] == "ok"


def test_an_unchanged_key_set_is_not_sent_again_and_not_replaced(site):
    site.configure(latchkeyd_options="refresh = 60")
    site.give_keys_to_daemon()
    with Daemon(site.host) as daemon:
        wait_until(lambda: daemon.status()["tenants"][0]["keys"], "the first look is over")
        before = site.keys.stat().st_ino
        assert ask({"ask": "refresh", "tenant": site.tenant.tenant})["answer"] == "ok"
        assert site.keys.stat().st_ino == before
        assert "If-None-Match" in site.tenant.last("jwks")["headers"]


def test_rule_21_a_login_with_a_new_key_makes_it_look_at_once(site, daemon):
    wait_until(lambda: daemon.status()["tenants"][0]["keys"], "the first look is over")
    site.tenant.rotate(drop=True)
    verdict = site.host.verify(site.tenant.token(tokens.ALICE), "--user", "alice")
    assert verdict["reason"] == "ok", verdict
    assert [check["check"] for check in verdict["checks"]].count("key") == 1


def test_rule_21_unknown_keys_do_not_make_it_look_again_and_again(site, daemon):
    wait_until(lambda: daemon.status()["tenants"][0]["keys"], "the first look is over")
    stranger = tokens.Key("RS256", "nobody-knows-it")
    before = site.tenant.requests("jwks")
    for _ in range(30):
        assert site.host.verify(stranger.sign(tokens.claims(iss=site.tenant.issuer)), "--user",
                                "alice")["reason"] == "key_unknown"
    assert site.tenant.requests("jwks") == before + 1


def test_rule_21_unknown_keys_do_not_hold_up_a_server_while_the_tenant_hangs(site, daemon):
    """Sixteen are the threads of slapd."""
    wait_until(lambda: daemon.status()["tenants"][0]["keys"], "the first look is over")
    site.tenant.fault("discovery", "never")
    question = {"ask": "refresh", "tenant": site.tenant.tenant}
    with ThreadPoolExecutor(16) as pool:
        done = sorted(pool.map(lambda _: timed(ask, question), range(16)), key=lambda pair: pair[0])
    assert [answer["answer"] for _, answer in done] == ["tenant_unavailable"] * 16
    assert done[11][0] < 1.5 and 4 < done[12][0] and done[15][0] < 5, done
    wait_until(lambda: daemon.status()["tenants"][0]["keys"] == "failed", "the look has ended")
    seconds, answer = timed(ask, question)
    assert seconds < 0.5 and answer["answer"] == "ok"


def test_rule_27_a_login_that_is_judged_here_is_judged_within_the_timeout(site, daemon):
    """As a password and in a chroot: whoever asks has gone after that."""
    wait_until(lambda: daemon.status()["tenants"][0]["keys"], "the first look is over")
    site.tenant.rotate(drop=True)
    site.tenant.fault("exchange", "slow-body", seconds=3, count=1)
    site.tenant.fault("discovery", "never")
    seconds, answer = timed(ask, {"ask": "authenticate", "user": "svc-backup", "credential": site.tenant.api_key})
    assert answer["answer"] == "key_unknown" and "no newer key set" in answer["detail"]
    assert 4 < seconds < 5


BAD_KEY_SETS = {
    "broken JSON": "{", "no set": "{}", "keys that are null": '{"keys":null}', "a page of HTML": "<html></html>",
    "a set without a usable key": '{"keys":[{"kty":"oct","k":"AAAA"}]}',
    "only keys of another algorithm": json.dumps({"keys": [tokens.Key("EdDSA", "ed").jwk()]},
                                                 separators=(",", ":")),
}


@pytest.mark.parametrize("name", BAD_KEY_SETS)
def test_rule_21_an_implausible_key_set_does_not_replace_a_good_one(site, daemon, name):
    wait_until(lambda: daemon.status()["tenants"][0]["keys"], "the first look is over")
    good = site.keys.read_bytes()
    site.tenant.fault("jwks", "body", text=BAD_KEY_SETS[name])
    assert ask({"ask": "refresh", "tenant": site.tenant.tenant})["answer"] in ("jwks_invalid", "tenant_unavailable")
    assert site.keys.read_bytes() == good
    assert any("stays unchanged" in line for line in daemon.lines())
    assert daemon.status()["tenants"][0]["keys"] == "failed"


@pytest.mark.parametrize("endpoint, fault, values", [
    ("discovery", "status", {"status": 500}), ("discovery", "body", {"text": '{"issuer":"https://other.example"}'}),
    ("discovery", "broken-json", {}), ("jwks", "status", {"status": 404}), ("jwks", "reset", {}),
    ("jwks", "huge", {"bytes": 0}),
])
def test_rule_21_a_failed_refresh_keeps_the_last_good_set(site, daemon, endpoint, fault, values):
    wait_until(lambda: daemon.status()["tenants"][0]["keys"], "the first look is over")
    good = site.keys.read_bytes()
    site.tenant.fault(endpoint, fault, **values)
    assert ask({"ask": "refresh", "tenant": site.tenant.tenant})["answer"] != "ok"
    assert site.keys.read_bytes() == good
    assert [file.name for file in site.keys.parent.iterdir()] == [site.keys.name]


@pytest.fixture
def small_disk():
    directory = PRIVATE / "small-disk"
    directory.mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", directory)
    yield directory
    run("umount", directory)


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_rule_21_a_full_or_read_only_disk_keeps_the_last_good_set(host, tenant, small_disk, trouble):
    site = Site(host, tenant, keys_directory=small_disk)
    site.fetch_keys()
    site.give_keys_to_daemon()
    with Daemon(host) as daemon:
        wait_until(lambda: daemon.status()["tenants"][0]["keys"], "the first look is over")
        good = site.keys.read_bytes()
        if trouble == "full":
            with contextlib.suppress(OSError):
                (small_disk / "filler").write_bytes(b"x" * (1 << 20))
        else:
            run("mount", "-o", "remount,ro", small_disk)
        old = tenant.token(tokens.ALICE)
        tenant.rotate()
        new = tenant.token(tokens.ALICE)
        answer = ask({"ask": "refresh", "tenant": tenant.tenant})
        assert answer["answer"] == "system_error", answer
        assert site.keys.read_bytes() == good
        assert {file.name for file in small_disk.iterdir()} <= {site.keys.name, "filler"}
        assert daemon.status()["tenants"][0]["keys"] == "failed"
        # Who has a token of the old key logs in, who has one of the new key does not yet.
        assert log_in(site, old, user="alice") == PAM_SUCCESS
        assert log_in(site, new, user="alice") != PAM_SUCCESS
        assert site.host.reasons() == ["ok", "key_unknown"]
    if trouble == "full":
        (small_disk / "filler").unlink()
    else:
        run("mount", "-o", "remount,rw", small_disk)
    # With room again, another latchkeyd: the one that failed would look in half a minute.
    with Daemon(host):
        assert log_in(site, new, user="alice") == PAM_SUCCESS
        assert log_in(site, old, user="alice") == PAM_SUCCESS  # the tenant publishes its key until the next rotation
    assert site.keys.read_bytes() != good


EMPTY_SET = '{"keys":[]}'


def test_rule_21_an_empty_set_withdraws_the_keys(site, daemon):
    wait_until(lambda: daemon.status()["tenants"][0]["keys"], "the first look is over")
    token = site.tenant.token(tokens.ALICE)
    assert log_in(site, token, user="alice") == PAM_SUCCESS
    site.tenant.fault("jwks", "body", text=EMPTY_SET)
    assert ask({"ask": "refresh", "tenant": site.tenant.tenant})["answer"] == "ok"
    assert site.keys.read_text() == EMPTY_SET
    assert daemon.status()["tenants"][0]["keys"] == "withdrawn"
    assert any("has withdrawn its keys" in line for line in daemon.lines())
    assert log_in(site, token, user="alice") != PAM_SUCCESS
    assert site.host.reasons()[-1] == "jwks_invalid" and "withdrawn" in site.host.verdicts()[-1]["detail"]
    listed = run(COMMAND, "keys", "list", "--config", site.host.etc / "latchkey.conf", check=False)
    assert listed.returncode == 3 and "withdrawn" in listed.stdout and "withdrawn" in listed.stderr
    # What is implausible keeps what is there, and good keys end it.
    site.tenant.fault("jwks", "body", text='{"keys":[{}]}')
    failed = run(COMMAND, "keys", "fetch", "--config", site.host.etc / "latchkey.conf", check=False)
    assert failed.returncode != 0 and site.keys.read_text() == EMPTY_SET
    site.tenant.clear()
    fetched = run(COMMAND, "keys", "fetch", "--config", site.host.etc / "latchkey.conf")
    assert "replaced" in fetched.stdout
    assert log_in(site, token, user="alice") == PAM_SUCCESS


def age_keys(site, seconds):
    stamp = time.time() - seconds
    os.utime(site.keys, (stamp, stamp))


def test_rule_21_a_set_that_is_too_old_is_confirmed_by_latchkeyd(site):
    text = site.configure().read_text()
    site.host.write("latchkey.conf", text.replace("url ", "keys_max_age = 3600\n    url ", 1))
    site.fetch_keys()
    token = site.tenant.token(tokens.ALICE)
    age_keys(site, 3500)
    assert log_in(site, token, user="alice") == PAM_SUCCESS
    age_keys(site, 3700)
    assert log_in(site, token, user="alice") != PAM_SUCCESS
    assert site.host.reasons()[-1] == "jwks_unavailable"
    assert any("and keys_max_age is 3600" in line for line in site.host.log_lines())
    site.give_keys_to_daemon()
    age_keys(site, 3700)
    with Daemon(site.host):  # which the login asks to look
        assert log_in(site, token, user="alice") == PAM_SUCCESS
        assert time.time() - site.keys.stat().st_mtime < 60
