"""Cyrus IMAP with the examples of examples/sasl/cyrus; curl, mbsync and imaplib as its clients."""
import os
import smtplib
from functools import partial

import pytest

import tokens
from host import PRIVATE, run
from mail_clients import (LOGIN_DENIED, answers_to_an_error, curl_imap, curl_password, example, imap, imap_login, oauthbearer,
                          shortest_message)
from servers import CLIENTS, MAIL, TOKEN_4K, TOKEN_8K, Cyrus

AES_128 = "ECDHE-RSA-AES128-GCM-SHA256"
INBOX = '"/" INBOX'


@pytest.fixture(scope="module")
def cyrus(session_host):
    with Cyrus(session_host) as cyrus:
        yield cyrus


@pytest.fixture
def site(sasl_site, cyrus):
    return sasl_site


def check_refused(site, exchange, reason, status="invalid_token"):
    assert not exchange.ok and "authentication failure" in exchange.text or "authorization" in exchange.text
    if exchange.error is not None and status is not None:
        assert exchange.error == {"status": status, "openid-configuration": site.discovery}
    assert site.last() == ("reject", reason)


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_whatever_a_client_answers_the_refusal_stays(site, mechanism):
    expired = site.token(lifetime=-600)
    for answer in answers_to_an_error(expired).values():
        exchange = imap_login(expired, mechanism, last=answer)
        check_refused(site, exchange, "token_expired", "invalid_token" if mechanism == "OAUTHBEARER" else None)
        assert "authentication failure" in exchange.text


def no_group(text):
    return text.replace('require_group = {"ops"}', "")


# Who gets in


@pytest.mark.parametrize("scheme", ["imap", "imaps"])
@pytest.mark.parametrize("initial", [True, False], ids=["at once", "when asked"])
@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_a_good_token_of_curl(site, mechanism, initial, scheme):
    token = site.token()
    done = curl_imap("alice", token, mechanism=mechanism, initial=initial, scheme=scheme)
    assert done.returncode == 0 and INBOX in done.stdout, done.stderr
    assert site.last() == site.verify(token, "imap") == ("accept", "ok")


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_a_good_token_of_imaplib(site, mechanism):
    assert imap_login(site.token(), mechanism).ok
    assert site.last() == ("accept", "ok")


def test_the_example_of_the_client(site):
    done = example(site, "curl-imap", site.token(), "alice")
    assert INBOX in done.stdout, done.stderr


@pytest.mark.parametrize("initial", [True, False], ids=["at once", "when asked"])
@pytest.mark.parametrize("length", [TOKEN_4K, TOKEN_8K, 16000])
def test_a_long_token(site, length, initial):
    done = curl_imap("alice", site.token(length=length), initial=initial)
    assert done.returncode == 0 and INBOX in done.stdout, done.stderr


def test_the_longest_token(site):
    assert imap_login(None, message=shortest_message(site.token(length=16365))).ok
    assert not imap_login(None, message=shortest_message(site.token(length=16366))).ok


class TestMbsync:
    @pytest.fixture
    def home(self):
        home = PRIVATE / "mbsync"
        (home / "Mail").mkdir(parents=True)
        yield home
        run("rm", "-r", home)

    def sync(self, home, **environment):
        env = {"PATH": os.environ["PATH"], "HOME": str(home), **environment}
        return run("mbsync", "-c", CLIENTS / "mbsyncrc", "mail", env=env, check=False)

    def test_asks_a_command_for_the_token(self, site, home):
        (home / ".token").write_text(site.token())
        done = self.sync(home)
        assert done.returncode == 0 and (home / "Mail" / "INBOX" / "cur").is_dir(), done.stderr

    def test_leaves_the_token_to_the_plug_in(self, site, home):
        assert self.sync(home, LATCHKEY_TOKEN_FILE=str(site.host.token_file(site.token()))).returncode == 0
        assert site.last() == ("accept", "ok")

    def test_says_that_an_expired_token_failed(self, site, home):
        done = self.sync(home, LATCHKEY_TOKEN_FILE=str(site.host.token_file(site.token(lifetime=-600))))
        assert done.returncode != 0 and "NO authentication failure" in done.stderr
        assert site.last() == ("reject", "token_expired")


# Who does not


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_an_expired_token(site, mechanism):
    token = site.token(lifetime=-600)
    exchange = imap_login(token, mechanism)
    check_refused(site, exchange, "token_expired", "invalid_token" if mechanism == "OAUTHBEARER" else None)
    assert exchange.error is not None
    assert site.verify(token, "imap") == site.last()


def test_curl_says_that_an_expired_token_is_denied(site):
    done = curl_imap("alice", site.token(lifetime=-600))
    assert done.returncode == LOGIN_DENIED and "Login denied" in done.stderr


def test_a_token_without_the_group(site):
    token = site.token(groups=[])
    check_refused(site, imap_login(token), "group_missing", "insufficient_scope")
    assert site.verify(token, "imap") == site.last()


# Acting as somebody


@pytest.mark.parametrize("authzid", ["alice", "alice@example.com"])
def test_somebody_acts_as_itself(site, authzid):
    assert imap_login(site.token(), authzid=authzid).ok


def test_somebody_acts_as_nobody_else(site):
    check_refused(site, imap_login(site.token(), authzid="bob"), "authzid_not_allowed", "insufficient_scope")
    check_refused(site, imap_login(site.token(), authzid="alice@example.org"), "realm_unknown")


def test_who_is_allowed_acts_as_somebody_else(site):
    assert curl_imap("alice", site.token(tokens.BACKUP)).returncode == 0
    assert site.last() == ("accept", "ok")
    assert site.logged("login: localhost [127.0.0.1] alice OAUTHBEARER+TLS")


def test_cyrus_has_a_say_in_it(site):
    """alice is none of Cyrus' proxyservers."""
    site.configure(lambda text: text.replace('{"svc-backup"}', '{"svc-backup", "alice"}'))
    assert not imap_login(site.token(), authzid="bob").ok
    assert site.last() == ("accept", "ok")


# API keys


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_an_api_key(site, latchkeyd, mechanism):
    site.configure(no_group)
    done = curl_imap("svc-backup", site.tenant.api_key, mechanism=mechanism)
    assert done.returncode == 0, done.stderr
    assert site.last() == ("accept", "ok")


def test_an_api_key_of_nobody(site, latchkeyd):
    check_refused(site, imap_login("lk_not-a-key-of-anybody-0123456789abcdefghijk", authzid="svc-backup"),
                  "credential_refused")
    check_refused(site, imap_login(site.tenant.api_key, authzid="alice"), "credential_not_allowed")


# Where it is offered


def test_nothing_is_offered_in_clear_text(site):
    with imap() as client:
        assert {"AUTH=OAUTHBEARER", "AUTH=XOAUTH2", "AUTH=PLAIN", "SASL-IR"} <= set(client.capabilities)
    with imap(tls=False) as client:
        assert not any(capability.startswith("AUTH=") for capability in client.capabilities)


def test_aes_128_is_protected(site):
    assert imap_login(site.token(), ciphers=AES_128).ok
    assert site.logged("AES128-GCM-SHA256 (128/128 bits")


# While it runs


def test_keys_are_rotated_without_a_restart(site):
    new = tokens.Key("RS256", "next")
    assert not imap_login(site.token(key=new)).ok
    site.write_keys(new)
    assert imap_login(site.token(key=new)).ok
    check_refused(site, imap_login(site.token()), "key_unknown")


def test_without_a_configuration_the_others_work(site, cyrus):
    site.unconfigure()
    cyrus.restart()
    with imap() as client:
        assert [name for name in client.capabilities if name.startswith("AUTH=")] == ["AUTH=PLAIN"]
    assert not imap_login(site.token()).ok
    site.configure()
    assert imap_login(site.token()).ok


# Tokens as passwords


def imap_password(user, password):
    with imap() as client:
        try:
            client.login(user, password)
            return True
        except client.error:
            return False


def test_a_token_as_the_password(site, latchkeyd):
    assert imap_password("alice", site.token())
    assert not imap_password("bob", site.token())
    assert not imap_password("alice", site.token(groups=[]))
    assert site.last() == ("reject", "group_missing")


def test_an_api_key_as_the_password(site, latchkeyd):
    site.configure(no_group)
    assert imap_password("svc-backup", site.tenant.api_key)


# With a password: the mailboxes that somebody sees, or None for who is not let in


def mailboxes_of_curl(scheme, user, password):
    done = curl_password(f"{scheme}://{MAIL}/", user, password)
    assert done.returncode in (0, LOGIN_DENIED), done.stderr
    return done.stdout if done.returncode == 0 else None


def mailboxes_of_imaplib(by_plain, user, password):
    with imap() as client:
        try:
            if by_plain:
                client.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
            else:
                client.login(user, password)
        except client.error:
            return None
        return b"\n".join(filter(None, client.list()[1])).decode()


MAILBOXES = {
    "curl, imap": partial(mailboxes_of_curl, "imap"),
    "curl, imaps": partial(mailboxes_of_curl, "imaps"),
    "imaplib, PLAIN": partial(mailboxes_of_imaplib, True),
    "imaplib, LOGIN": partial(mailboxes_of_imaplib, False),
}


@pytest.mark.parametrize("mailboxes", MAILBOXES.values(), ids=MAILBOXES)
class TestANameWithARealm:
    """alice@example.com is alice by the realm of service "imap", and has her mailbox."""

    @pytest.mark.parametrize("realm", ["", "@example.com", "@EXAMPLE.COM"])
    def test_opens_its_mailbox(self, site, latchkeyd, mailboxes, realm):
        site.configure(no_group)
        assert INBOX in (mailboxes(f"alice{realm}", site.token()) or "")
        assert site.logged("login: localhost [127.0.0.1] alice ")
        assert mailboxes(f"svc-backup{realm}", site.tenant.api_key) is not None  # Cyrus gives a proxy no mailbox
        assert site.logged("login: localhost [127.0.0.1] svc-backup ")

    def test_opens_nobody_elses(self, site, latchkeyd, mailboxes):
        assert mailboxes("bob@example.com", site.token()) is None
        assert site.last() == ("reject", "user_mismatch")

    @pytest.mark.parametrize("name", ["alice@example.org", "alice@example.org@example.com", "alice%example.org"])
    def test_is_nobody_by_another_realm(self, site, latchkeyd, mailboxes, name):
        assert mailboxes(name, site.token()) is None
        assert site.last() == ("reject", "realm_unknown")


@pytest.mark.parametrize("domain", ["", "@example.com", "@Example.COM", "@mail.example.com"])
def test_mail_needs_no_domain(site, cyrus, domain):
    assert imap_login(site.token()).ok  # makes the mailbox
    with smtplib.LMTP("/run/cyrus/socket/lmtp") as client:
        mail = f"Subject: to alice{domain}\r\n\r\nHello.\r\n"
        assert client.sendmail("bob@example.com", f"alice{domain}", mail) == {}
    with imap() as client:
        client.authenticate("OAUTHBEARER", lambda challenge: oauthbearer(site.token()))
        client.select("INBOX")
        assert client.search(None, "SUBJECT", f'"to alice{domain}"')[1] != [b""]
