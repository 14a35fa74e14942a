"""
Exim with the example of examples/sasl/exim; curl, swaks and smtplib as its clients, and a Postfix that relays through
it with the plug-in's client side.
"""
import pytest

import tokens
from host import run, wait_until
from mail_clients import (LOGIN_DENIED, SENDERS, curl_smtp, example, shortest_message, smtp, smtp_login, smtplib_auth,
                          swaks)
from servers import TOKEN_4K, TOKEN_8K, Exim, Relay, add_to_service, demand_group, mailbox

AES_128 = "ECDHE-RSA-AES128-GCM-SHA256"


@pytest.fixture(scope="module")
def exim(session_host):
    with Exim(session_host) as exim:
        yield exim


@pytest.fixture
def site(sasl_site, exim):
    yield sasl_site
    sasl_site.check_lines(exim.log_lines())


def check_refused(site, exchange, reason, status="invalid_token"):
    assert not exchange.ok and exchange.text.startswith("535 "), exchange.text
    if exchange.error is not None and status is not None:
        assert exchange.error == {"status": status, "openid-configuration": site.discovery}
    assert site.last() == ("reject", reason)


# Who gets in


@pytest.mark.parametrize("initial", [True, False], ids=["at once", "when asked"])
@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
class TestAGoodToken:
    def test_of_curl(self, site, exim, mechanism, initial):
        done = curl_smtp("alice", site.token(), mechanism=mechanism, initial=initial)
        assert done.returncode == 0, done.stderr

    def test_of_smtplib(self, site, mechanism, initial):
        assert smtplib_auth(site.token(), mechanism, initial) is None


def test_the_example_of_the_client_sends_mail(site, exim):
    mail = "Subject: through Exim\n\nHello.\n"
    done = example(site, "curl-smtp", site.token(), "alice", "alice@example.com", "alice@example.com", input=mail)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: "Subject: through Exim" in mailbox("alice"), "the mail")
    assert any("A=oauthbearer:alice" in line for line in exim.log_lines())


def test_the_user_sends_as_itself_alone(site):
    done = curl_smtp("alice", site.token(), sender="bob@example.com")
    assert done.returncode != 0 and "550" in done.stderr, done.stderr


@pytest.mark.parametrize("initial, longest", [(True, 12255), (False, 12267)], ids=["at once", "when asked"])
def test_a_long_token(site, initial, longest):
    for length, accepted in ((TOKEN_4K, True), (TOKEN_8K, True), (longest, True), (longest + 1, False)):
        message = shortest_message(site.token(length=length))
        assert smtp_login(None, initial=initial, message=message).ok == accepted, length


# Who does not


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_an_expired_token(site, mechanism):
    token = site.token(lifetime=-600)
    exchange = smtp_login(token, mechanism)
    check_refused(site, exchange, "token_expired", "invalid_token" if mechanism == "OAUTHBEARER" else None)
    assert exchange.error is not None
    assert site.verify(token, "smtp") == site.last()


def test_curl_says_that_an_expired_token_is_denied(site):
    assert curl_smtp("alice", site.token(lifetime=-600)).returncode == LOGIN_DENIED


def test_a_token_without_the_group(site):
    site.configure(demand_group("smtp"))
    token = site.token(groups=[])
    check_refused(site, smtp_login(token), "group_missing", "insufficient_scope")
    assert site.verify(token, "smtp") == site.last()
    assert smtp_login(site.token()).ok


# Acting as somebody


@pytest.mark.parametrize("authzid", ["alice", "alice@example.com"])
def test_somebody_acts_as_itself(site, authzid):
    assert smtp_login(site.token(), authzid=authzid).ok


def test_somebody_acts_as_nobody_else(site):
    check_refused(site, smtp_login(site.token(), authzid="bob"), "authzid_not_allowed", "insufficient_scope")
    check_refused(site, smtp_login(site.token(), authzid="alice@example.org"), "realm_unknown")


def test_allow_authzid_is_not_enough_in_exim(site):
    """libsasl asks the host, too, and Exim leaves it at libsasl's own rule: everybody is itself."""
    site.configure(add_to_service("smtp", 'allow_authzid = {"svc-backup"}'))
    assert not smtp_login(site.token(tokens.BACKUP), authzid="bob").ok


# API keys


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_an_api_key(site, latchkeyd, mechanism):
    done = curl_smtp("svc-backup", site.tenant.api_key, mechanism=mechanism)
    assert done.returncode == 0, done.stderr


def test_an_api_key_of_nobody(site, latchkeyd):
    check_refused(site, smtp_login("lk_not-a-key-of-anybody-0123456789abcdefghijk", authzid="svc-backup"),
                  "credential_refused")
    check_refused(site, smtp_login(site.tenant.api_key, authzid="alice"), "credential_not_allowed")


# Where it is offered


def test_nothing_is_offered_in_clear_text(site):
    with smtp(tls=False) as client:
        assert "auth" not in client.esmtp_features
    with smtp() as client:
        assert {"OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"} == set(client.esmtp_features["auth"].split())


def test_aes_128_is_protected(site, exim):
    assert smtp_login(site.token(), ciphers=AES_128).ok


# While it runs


def test_keys_are_rotated_without_a_restart(site):
    new = tokens.Key("RS256", "next")
    assert not smtp_login(site.token(key=new)).ok
    site.write_keys(new)
    assert smtp_login(site.token(key=new)).ok
    check_refused(site, smtp_login(site.token()), "key_unknown")


def test_without_a_configuration_the_others_work(site, latchkeyd):
    site.unconfigure()
    assert not smtp_login(site.token()).ok
    with smtp() as client:
        assert {"PLAIN", "LOGIN"} <= set(client.esmtp_features["auth"].split())
    site.configure()
    assert smtp_login(site.token()).ok


# Tokens as passwords: Exim's condition saslauthd


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_token_as_the_password(site, latchkeyd, mechanism):
    done = swaks("alice", site.token(), mechanism)
    assert done.returncode == 0, done.stdout + done.stderr
    assert swaks("svc-backup", site.tenant.api_key, mechanism).returncode == 0
    assert swaks("bob", site.token(), mechanism).returncode != 0
    assert swaks("alice", site.token(lifetime=-600), mechanism).returncode != 0
    assert site.last() == ("reject", "token_expired")


@pytest.mark.parametrize("send", SENDERS.values(), ids=SENDERS)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
class TestANameWithARealm:
    """alice@example.com is alice by the realm of service "smtp", and so she is for Exim."""

    @pytest.mark.parametrize("realm", ["", "@example.com", "@EXAMPLE.COM"])
    def test_sends_as_itself(self, site, latchkeyd, send, mechanism, realm):
        assert send(f"alice{realm}", site.token(), "alice@example.com", mechanism) == ""
        assert send(f"svc-backup{realm}", site.tenant.api_key, "svc-backup@example.com", mechanism) == ""

    @pytest.mark.parametrize("realm", ["", "@example.com"])
    def test_sends_as_nobody_else(self, site, latchkeyd, send, mechanism, realm):
        for sender in ("bob@example.com", "alice@example.org"):
            refusal = send(f"alice{realm}", site.token(), sender, mechanism)
            assert "550" in refusal, refusal

    def test_is_nobody_by_another_realm(self, site, latchkeyd, send, mechanism):
        assert "535" in send("alice@example.org", site.token(), "alice@example.com", mechanism)
        assert site.last() == ("reject", "realm_unknown")


# A Postfix that sends through it


@pytest.fixture(scope="module")
def relay(session_host, exim):
    with Relay(session_host) as relay:
        yield relay


def send(relay, subject):
    mail = f"Subject: {subject}\nTo: alice@example.com\n\nHello.\n"
    run("sendmail", "-f", "svc-backup@example.com", "alice@example.com", input=mail)
    wait_until(lambda: f"Subject: {subject}" in mailbox("alice"), "the mail")


def test_a_relay_with_an_api_key(site, latchkeyd, relay):
    relay.set_credential(site.tenant.api_key)
    send(relay, "relayed with an API key")
    assert site.logged("relay=mail.example.com[127.0.0.1]:587")


def test_a_relay_with_a_token_in_a_file(site, relay):
    """The path is one in the chroot of smtp, and the file is postfix's."""
    path = relay.token_file(site.token(tokens.BACKUP))
    relay.set_credential("not-sent", f"LATCHKEY_TOKEN_FILE={path}")
    send(relay, "relayed with a token")
