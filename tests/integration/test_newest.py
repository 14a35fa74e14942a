"""latchkeyd works by the newest configuration, and a login has it fetch a key set that is missing."""
import os
import re
import signal
from pathlib import Path

import pytest

import tokens
from daemon import PAM_SUCCESS, SOCKET, Daemon, ask, exchange_question, log_in
from host import COMMAND, run, wait_until
from tenant import Tenant

AS_BOB = ["setpriv", "--reuid", "bob", "--regid", "bob", "--init-groups"]
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def alice(site):
    return site.tenant.token(tokens.ALICE)


def verify(site, token, under=()):
    return run(*under, COMMAND, "verify", "--json", "--user", "alice", input=token, check=False).stdout


def told(daemon, option):
    return sum(f"the option {option} has changed" in line for line in daemon.lines())


def failed(daemon):
    wait_until(lambda: daemon.status()["tenants"][0]["keys"] == "failed", "the first look has failed")


@pytest.fixture
def without_keys(site):
    """latchkeyd may fetch the key set, and there is none."""
    site.forget_keys()
    site.give_keys_to_daemon()
    return site


# Nothing but the file of the configuration changes: no signal, no question


def test_a_mended_ca_file_is_used_by_the_next_look(without_keys, tmp_path):
    site = without_keys
    good = site.ca.read_bytes()
    with Tenant(tmp_path, "--alg", "ES256") as other:
        site.ca.write_bytes(other.ca.read_bytes())
    with Daemon(site.host) as daemon:
        failed(daemon)
        site.ca.write_bytes(good)
        wait_until(site.keys.exists, "the key set is fetched")


def test_another_ca_file_is_used_by_the_next_look(without_keys, tmp_path):
    site = without_keys
    text = site.configure().read_text()
    with Tenant(tmp_path, "--alg", "ES256") as other:
        other_ca = site.host.write("other-ca.pem", other.ca.read_bytes())
    site.host.write("latchkey.conf", text.replace(str(site.ca), str(other_ca)))
    with Daemon(site.host) as daemon:
        failed(daemon)
        site.host.write("latchkey.conf", text)
        wait_until(site.keys.exists, "the key set is fetched")


def test_allow_is_what_the_file_says_when_somebody_connects(site):
    site.give_keys_to_daemon()
    site.configure()
    with Daemon(site.host):
        unknown = tokens.Key("RS256", "nobody-knows-it").sign(tokens.claims(iss=site.tenant.issuer))
        refused = verify(site, unknown, AS_BOB)
        assert '"latchkeyd_unavailable"' in refused and "latchkeyd denies uid 2002: not in its option allow" in refused
        site.configure(latchkeyd_options='allow = {"bob"}')
        assert '"key_unknown"' in verify(site, unknown, AS_BOB)
        site.configure()
        assert '"latchkeyd_unavailable"' in verify(site, unknown, AS_BOB)


def test_what_takes_effect_at_the_start_is_told(site):
    site.give_keys_to_daemon()
    text = site.configure().read_text()
    with Daemon(site.host) as daemon:
        for option, more in [("saslauthd_socket", f'saslauthd_socket = {{"{SOCKET}-2"}}'), ("user", 'user = "bob"'),
                             ("saslauthd_mode", 'saslauthd_mode = "0600"'),
                             ("saslauthd_group", 'saslauthd_group = "bob"')]:
            site.configure(latchkeyd_options=more)
            for _ in range(3):
                daemon.status()
            assert told(daemon, option) == 1, daemon.lines()
            site.host.write("latchkey.conf", text)
            daemon.status()
        site.host.write("latchkey.conf", text.replace(f'"{SOCKET}"', f'"{SOCKET}", "{SOCKET}-3"'))
        daemon.status()
        assert told(daemon, "socket") == 1, daemon.lines()
    assert [told(daemon, option) for option in ("saslauthd_socket", "user", "saslauthd_mode", "saslauthd_group",
                                                "socket")] == [1] * 5


def test_each_option_that_takes_effect_at_the_start_is_told(site):
    """Also one that changes after another one."""
    site.give_keys_to_daemon()

    def told(option):
        return sum(f"the option {option} has changed; it takes effect when latchkeyd is restarted" in line
                   for line in daemon.lines())

    with Daemon(site.host) as daemon:
        site.configure(latchkeyd_options='user = "nobody"')
        daemon.status()
        assert (told("user"), told("saslauthd_mode"), told("saslauthd_group")) == (1, 0, 0)
        site.configure(latchkeyd_options='user = "nobody"  saslauthd_mode = "0600"  saslauthd_group = "users"')
        daemon.status()
        assert (told("user"), told("saslauthd_mode"), told("saslauthd_group")) == (1, 1, 1)


def test_what_changes_while_it_starts_is_told(site):
    """It has made its sockets, and looks at the configuration again as the user that it becomes."""
    site.give_keys_to_daemon()
    under = ["strace", "-o", "/dev/null", "-e", "trace=setresuid", "-e", "inject=setresuid:signal=STOP:when=1"]
    with Daemon(site.host, under=under) as daemon:
        wait_until(lambda: re.search(r"^State:\t[Tt]", Path(f"/proc/{daemon.pid}/status").read_text(), re.M), "it stops")
        site.configure(latchkeyd_options='saslauthd_mode = "0600"')
        pid = daemon.pid
        os.kill(pid, signal.SIGCONT)
        daemon.status()
        assert told(daemon, "saslauthd_mode") == 1
        os.kill(pid, signal.SIGTERM)  # strace ends as its program does
        daemon.process.wait(10)


def test_a_tenant_with_another_url_is_asked_at_once(site, tmp_path):
    site.give_keys_to_daemon()
    text = site.configure().read_text()
    site.host.write("latchkey.conf", text.replace(site.tenant.url, "https://127.0.0.1:9"))
    with Daemon(site.host) as daemon:
        for _ in range(6):
            assert ask(exchange_question(site))["answer"] == "tenant_unavailable"
        assert daemon.status()["tenants"][0]["breaker"] == "open"
        site.host.write("latchkey.conf", text)
        assert ask(exchange_question(site))["answer"] == "ok"


def test_an_authority_that_the_host_no_longer_trusts_is_not_trusted(site, tmp_path):
    """Without ca_file it is the system's authorities; some builds of libcurl would remember them for a day."""
    site.give_keys_to_daemon()
    text = site.configure().read_text().replace(f'ca_file = "{site.ca}"', "")
    site.host.write("latchkey.conf", text)
    run("mount", "--bind", site.ca, BUNDLE)
    try:
        with Daemon(site.host), Tenant(tmp_path, "--alg", "ES256") as other:
            assert ask(exchange_question(site))["answer"] == "ok"
            site.ca.write_bytes(other.ca.read_bytes())
            site.tenant.restart(same_port=True)  # which ends the connections that there are
            assert ask(exchange_question(site))["answer"] == "tenant_unavailable"
    finally:
        run("umount", BUNDLE)


# A key set that is missing


def test_a_key_set_that_is_gone_is_fetched_by_a_login(site, daemon):
    wait_until(lambda: daemon.status()["tenants"][0]["keys"], "the first look is over")
    site.keys.unlink()
    assert log_in(site, alice(site), user="alice") == PAM_SUCCESS
    assert site.keys.exists()


def test_a_key_set_that_is_broken_is_fetched_by_a_login(site, daemon):
    wait_until(lambda: daemon.status()["tenants"][0]["keys"], "the first look is over")
    site.keys.write_text("{")
    assert site.host.verify(alice(site), "--user", "alice")["reason"] == "ok"


@pytest.mark.parametrize("who", ["a token", "an API key", "a token that latchkeyd judges", "a service without API keys"])
def test_after_a_short_outage_a_login_fetches_the_key_set(without_keys, who):
    """It begins with the first look, and is over when somebody logs in: the next look is due in half a minute."""
    site = without_keys
    if who == "a service without API keys":  # which asks for no token while none could be judged
        site.configure(more='service "pamtester" { credentials = {"jwt"} }')
    site.tenant.fault("discovery", "status", status=503, count=1)
    with Daemon(site.host) as daemon:
        failed(daemon)
        if who == "an API key":
            assert log_in(site) == PAM_SUCCESS
        elif who == "a token that latchkeyd judges":
            assert ask({"ask": "authenticate", "user": "alice", "credential": alice(site)})["answer"] == "ok"
        else:
            assert log_in(site, alice(site), user="alice") == PAM_SUCCESS
        assert site.tenant.requests("discovery") > 0


def test_rule_21_logins_without_a_key_set_make_it_look_seldom(without_keys):
    site = without_keys
    site.tenant.fault("discovery", "status", status=503)
    with Daemon(site.host) as daemon:
        failed(daemon)
        before = site.tenant.requests("discovery")
        for _ in range(10):
            assert site.host.verify(alice(site), "--user", "alice")["reason"] == "jwks_unavailable"
        assert site.tenant.requests("discovery") == before + 1
