"""latchkeyd: API keys, its breaker, its cache, and the tokens of tenants with a secret."""
import json
import time

import tokens
from daemon import PAM_SUCCESS, USER, Daemon, Site, ask, exchange_question, log_in, timed
from host import PRIVATE, run, wait_until
from latchkeyd_clients import AS_BOB
from tenant import Tenant


def test_rule_27_a_tenant_that_is_down_is_soon_not_asked_any_more(site, daemon):
    site.tenant.fault("exchange", "status", status=500)
    for _ in range(5):
        assert ask(exchange_question(site))["answer"] == "tenant_unavailable"
    before = site.tenant.requests("exchange")
    for _ in range(10):
        seconds, answer = timed(ask, exchange_question(site))
        assert answer["answer"] == "tenant_unavailable" and seconds < 0.5
    assert site.tenant.requests("exchange") == before
    assert daemon.status()["tenants"][0]["breaker"] == "open"
    site.tenant.clear()
    wait_until(lambda: ask(exchange_question(site))["answer"] == "ok", "it is tried again", timeout=15)
    assert daemon.status()["tenants"][0]["breaker"] == "closed"


def test_a_wrong_key_does_not_open_the_breaker(site, daemon):
    for _ in range(8):
        assert ask(exchange_question(site, key="lk_wrong-wrong-wrong-wrong"))["answer"] == "credential_refused"
    assert ask(exchange_question(site))["answer"] == "ok"


def test_retry_after_is_heeded(site, daemon):
    site.tenant.fault("exchange", "status", status=503, retry_after=2, count=1)
    assert ask(exchange_question(site))["answer"] == "tenant_unavailable"
    before = site.tenant.requests("exchange")
    assert ask(exchange_question(site))["answer"] == "tenant_unavailable"
    assert site.tenant.requests("exchange") == before
    wait_until(lambda: ask(exchange_question(site))["answer"] == "ok", "the time is over", timeout=5)


def test_rule_26_what_is_cached_lives_no_longer_than_configured(site):
    site.configure(latchkeyd_options="api_key_cache = 2")
    site.give_keys_to_daemon()
    with Daemon(site.host) as daemon:
        token = ask(exchange_question(site))["token"]
        before = site.tenant.requests("exchange")
        assert ask(exchange_question(site))["token"] == token
        assert site.tenant.requests("exchange") == before and daemon.status()["cache"]["hits"] == 1
        time.sleep(3.1)
        assert daemon.status()["cache"]["entries"] == 0
        assert ask(exchange_question(site))["token"] != token


def test_rule_26_what_is_cached_lives_no_longer_than_the_token(host, tmp_path):
    with Tenant(tmp_path, "--tenant", tokens.TENANT, "--exchange-lifetime", 5) as tenant:
        site = Site(host, tenant)
        site.configure(latchkeyd_options="api_key_cache = 600", tenant_options="leeway = 0")
        site.fetch_keys()
        site.give_keys_to_daemon()
        with Daemon(host) as daemon:
            token = ask(exchange_question(site))["token"]
            before = tenant.requests("exchange")
            assert ask(exchange_question(site))["token"] == token
            assert tenant.requests("exchange") == before
            assert daemon.status()["cache"]["hits"] == 1 and daemon.status()["cache"]["entries"] == 1
            time.sleep(max(0, tokens.payload(token)["exp"] - time.time()) + 0.05)
            assert ask(exchange_question(site))["token"] != token
            assert tenant.requests("exchange") == before + 1


def test_what_does_not_verify_is_not_cached(site):
    site.configure(latchkeyd_options="api_key_cache = 60")
    site.give_keys_to_daemon()
    with Daemon(site.host) as daemon:
        for fault in ("forged", "expired", "other-user", "other-tenant", "unsigned"):
            site.tenant.fault("exchange", fault, count=1)
            ask(exchange_question(site))
        assert daemon.status()["cache"]["entries"] == 0


# A secret that the host process may not read


def test_an_hmac_tenants_token_is_verified_for_a_host_that_may_not_read_the_secret(site):
    secret = site.host.write("shared.key", tokens.HMAC_SECRET, mode=0o600)
    run("chown", USER, secret)
    site.configure(latchkeyd_options='allow = {"bob"}', more=f"""
        tenant "hmac" {{ issuer = "{tokens.HMAC_ISSUER}"  audience = {{"host"}}  tenant_claim = ""
                         algorithms = {{"HS256"}}  hmac_secret_file = "{secret}" }}""")
    token = tokens.Key("HS256", None).sign(tokens.short_claims(tokens.HMAC_ISSUER))
    forged = token[:-6] + ("AAAAAA" if not token.endswith("AAAAAA") else "BBBBBA")

    def verify(credential, user="alice"):
        done = run("setpriv", "--reuid", "bob", "--regid", "bob", "--clear-groups", PRIVATE / "latchkey", "verify",
                   "--json", "--user", user, input=credential, check=False)
        return json.loads(done.stdout)["reason"]

    assert verify(token) == "jwks_unavailable"
    site.give_keys_to_daemon()
    with Daemon(site.host):
        assert verify(token) == "ok"
        assert verify(forged) == "signature_invalid"
        assert verify(token, "svc-backup") == "user_mismatch"


def test_an_hmac_tenants_token_opens_a_host_process_that_may_not_read_the_secret(site):
    """Such as a screen lock: PAM's code, in a process of bob's."""
    secret = site.host.write("shared.key", tokens.HMAC_SECRET, mode=0o600)
    run("chown", USER, secret)
    site.configure(latchkeyd_options='allow = {"bob"}', more=f"""
        tenant "hmac" {{ issuer = "{tokens.HMAC_ISSUER}"  audience = {{"host"}}  tenant_claim = ""
                         algorithms = {{"HS256"}}  hmac_secret_file = "{secret}" }}""")
    token = tokens.Key("HS256", None).sign(tokens.short_claims(tokens.HMAC_ISSUER))
    forged = token[:-6] + ("AAAAAA" if not token.endswith("AAAAAA") else "BBBBBA")
    assert log_in(site, token, user="alice", under=AS_BOB) != PAM_SUCCESS
    site.give_keys_to_daemon()
    with Daemon(site.host) as daemon:
        assert log_in(site, token, user="alice", under=AS_BOB) == PAM_SUCCESS
        assert log_in(site, forged, user="alice", under=AS_BOB) != PAM_SUCCESS
        assert log_in(site, token, user="svc-backup", under=AS_BOB) != PAM_SUCCESS
        assert daemon.status()["asked"]["signature"] == 3
        assert sum("asked=signature" in line and "uid=2002" in line for line in daemon.lines()) == 3
    assert site.host.reasons() == ["jwks_unavailable", "ok", "signature_invalid", "user_mismatch"]


def test_rule_26_a_cached_token_is_judged_anew(site):
    site.configure(latchkeyd_options="api_key_cache = 600")
    site.give_keys_to_daemon()
    with Daemon(site.host) as daemon:
        first = ask(exchange_question(site))["token"]
        assert ask(exchange_question(site))["token"] == first and daemon.status()["cache"]["hits"] == 1
        time.sleep(1.1)
        site.host.revoke(f"issued-before {int(time.time())}")
        second = ask(exchange_question(site))["token"]
        assert second != first
        site.host.revoke()
        site.tenant.rotate(drop=True)
        site.fetch_keys()
        run("chown", USER, site.keys)
        assert ask(exchange_question(site))["token"] != second
        assert site.host.verify(site.tenant.api_key, "--user", "svc-backup")["reason"] == "ok"


def test_a_cached_token_is_never_too_old_for_a_service(site):
    site.configure(latchkeyd_options="api_key_cache = 600", tenant_options="leeway = 0",
                   more='service "sudo" { max_age = 2 }')
    site.give_keys_to_daemon()
    with Daemon(site.host):
        for _ in range(5):
            assert site.host.verify(site.tenant.api_key, "--user", "svc-backup", "--service", "sudo")["reason"] == "ok"
            time.sleep(0.9)
