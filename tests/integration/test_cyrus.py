"""
Cyrus with the examples of examples/sasl/cyrus; as its clients curl, mbsync and imaplib (IMAP), curl, mpop and poplib (POP3),
smtplib (LMTP), and Cyrus' own test programs for POP3, sieve scripts, news and LMTP.
"""
import contextlib
import os
import poplib
import smtplib
from functools import partial

import pytest

import tokens
from host import PRIVATE, run
from mail_clients import (LAST, LOGIN_DENIED, MESSAGES, answers_to_an_error, b64, curl, curl_imap, curl_password,
                          cyrus_client, example, imap, imap_login, mpop, oauthbearer, shortest_message, trusting)
from servers import CLIENTS, MAIL, TOKEN_4K, TOKEN_8K, Cyrus

# Bytes of a token: with an initial response, and when asked for.
POP3_AT_ONCE, LMTP_AT_ONCE, LONGEST = 6111, 3039, 16365
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
    assert imap_login(None, message=shortest_message(site.token(length=LONGEST))).ok
    assert not imap_login(None, message=shortest_message(site.token(length=LONGEST + 1))).ok


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


# POP3


def pop3_answer(mechanism, message, last="\1", initial=False):
    """The server's last line, with `last` as the answer to its error. poplib knows no AUTH."""
    client = poplib.POP3(MAIL, timeout=20)
    try:
        client.stls(trusting())
        client._putcmd(f"AUTH {mechanism}" + (f" {b64(message)}" if initial else ""))
        line = client._getline()[0].decode()
        for answer in ([] if initial else [message]) + [last]:
            if line.startswith("+ "):
                client._putcmd(b64(answer))
                line = client._getline()[0].decode()
        return line
    finally:
        client.close()


@pytest.mark.parametrize("scheme", ["pop3", "pop3s"])
@pytest.mark.parametrize("initial", [True, False], ids=["at once", "when asked"])
def test_pop3_of_curl(site, scheme, initial):
    assert imap_login(site.token()).ok  # makes the mailbox
    token = site.token()
    done = curl(f"{scheme}://{MAIL}/", "alice", token, initial=initial)
    assert done.returncode == 0, done.stderr
    assert site.logged(f"cyrus/{scheme}[") and site.logged("alice OAUTHBEARER+TLS User logged in")
    assert site.verify(token, "pop") == ("accept", "ok")


def test_the_longest_token_of_pop3(site):
    assert imap_login(site.token()).ok
    for length, initial, ok in ((POP3_AT_ONCE, True, True), (POP3_AT_ONCE + 1, True, False), (LONGEST, False, True),
                                (LONGEST + 1, False, False)):
        answer = pop3_answer("OAUTHBEARER", shortest_message(site.token(length=length)), initial=initial)
        assert answer.startswith("+OK") == ok, answer


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
class TestPop3:
    @pytest.fixture(autouse=True)
    def mailbox(self, site):
        assert imap_login(site.token()).ok

    def test_of_mpop(self, site, mechanism, tmp_path):
        done = mpop(tmp_path, "alice", site.password_file(site.token()), mechanism.lower())
        assert done.returncode == 0, done.stderr
        done = mpop(tmp_path, "alice", site.password_file(site.token(lifetime=-600)), mechanism.lower())
        assert done.returncode != 0 and "authentication failure" in done.stderr, done.stderr
        assert site.last() == ("reject", "token_expired")

    def test_who_does_not_get_in(self, site, mechanism):
        for token, reason in ((site.token(lifetime=-600), "token_expired"), (site.token(groups=[]), "group_missing")):
            for answer in answers_to_an_error(token).values():
                line = pop3_answer(mechanism, MESSAGES[mechanism](token), answer)
                assert line.startswith("-ERR") and ("authentication failure" in line or "authorization" in line), line
                assert site.last() == ("reject", reason)


def test_pop3_with_a_token_as_the_password(site, latchkeyd):
    assert imap_login(site.token()).ok
    for password, ok in ((site.token(), True), (site.token(lifetime=-600), False)):
        done = curl_password(f"pop3s://{MAIL}/", "alice@example.com", password)
        assert (done.returncode == 0) == ok, done.stderr


# Sieve scripts, news, mail over LMTP


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
@pytest.mark.parametrize("program, port, last", [("pop3test", None, "QUIT"), ("sivtest", None, "LOGOUT"),
                                                 ("nntptest", None, "QUIT"), ("lmtptest", 24, "QUIT")])
def test_a_client_of_cyrus(site, program, port, last, mechanism):
    user, sub = ("svc-backup", tokens.BACKUP) if program == "lmtptest" else ("alice", tokens.ALICE)
    assert imap_login(site.token()).ok  # makes the mailbox
    done = cyrus_client(site, program, user, site.token(sub), mechanism, port, last)
    assert "Authenticated." in done.stdout, done.stdout
    done = cyrus_client(site, program, user, site.token(sub, lifetime=-600), mechanism, port, last)
    assert "Authentication failed." in done.stdout and "Authenticated." not in done.stdout, done.stdout
    assert site.last() == ("reject", "token_expired")


@contextlib.contextmanager
def lmtp():
    with contextlib.closing(smtplib.LMTP(MAIL, 24, timeout=20)) as client:
        client.ehlo()
        client.starttls(context=trusting())
        client.ehlo()
        yield client


def lmtp_login(client, mechanism, message, initial=True):
    """Whether that goes well. smtplib's auth() would take the error for a challenge."""
    code, text = client.docmd("AUTH", f"{mechanism} {b64(message)}" if initial else mechanism)
    for answer in ([] if initial else [message]) + [LAST[mechanism]]:
        if code == 334:
            code, text = client.docmd(b64(answer))
    assert code in (235, 501), text
    return code == 235


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_who_brings_mail_over_lmtp_logs_in(site, latchkeyd, mechanism):
    assert imap_login(site.token()).ok
    for user, credential, ok in (("svc-backup", site.tenant.api_key, True), ("svc-backup", site.token(tokens.BACKUP), True),
                                 ("svc-backup", site.token(tokens.BACKUP, lifetime=-600), False)):
        with lmtp() as client:
            assert lmtp_login(client, mechanism, MESSAGES[mechanism](credential, user)) == ok
            if ok:
                mail = f"Subject: by {mechanism}\r\n\r\nHello.\r\n"
                assert client.sendmail("bob@example.com", "alice", mail) == {}
    with lmtp() as client:  # who is none of lmtp_admins
        lmtp_login(client, mechanism, MESSAGES[mechanism](site.token(), "alice"))
        with pytest.raises(smtplib.SMTPException):
            client.sendmail("bob@example.com", "alice", "Subject: by alice\r\n\r\n")
    with imap() as client:
        client.authenticate("OAUTHBEARER", lambda challenge: oauthbearer(site.token()))
        client.select("INBOX")
        assert len(client.search(None, "SUBJECT", f'"by {mechanism}"')[1][0].split()) == 2
        assert client.search(None, "SUBJECT", '"by alice"')[1] == [b""]


def test_the_longest_token_of_lmtp(site):
    for length, initial, ok in ((LMTP_AT_ONCE, True, True), (LMTP_AT_ONCE + 1, True, False), (LONGEST, False, True),
                                (LONGEST + 1, False, False)):
        with lmtp() as client:
            message = shortest_message(site.token(tokens.BACKUP, length=length))
            assert lmtp_login(client, "OAUTHBEARER", message, initial) == ok
