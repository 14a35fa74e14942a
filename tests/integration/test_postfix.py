"""Postfix with the examples of examples/sasl/postfix, smtpd in its chroot; curl, swaks and smtplib as its clients."""
import json
import os
import pwd
import shutil
import signal
import socket
from pathlib import Path

import pytest

import tokens
from host import wait_until
from mail_clients import (LOGIN_DENIED, SENDERS, answers_to_an_error, b64, curl_smtp, example, msmtp, send_by_smtplib,
                          shortest_message, smtp, smtp_login, smtplib_auth, swaks)
from servers import TOKEN_4K, TOKEN_8K, Postfix, add_to_service, demand_group, mailbox, processes

CHROOT = Path("/var/spool/postfix")
AES_128 = "ECDHE-RSA-AES128-GCM-SHA256"
BARE = {"401", "invalid_request"}  # XOAUTH2, and messages that do not say whose token they bring
# Bytes of a token, with and without an initial response: by Postfix' own limits, and by those of the example.
OWN_AT_ONCE, OWN_WHEN_ASKED = 1503, 9195
LONGEST_LOGIN, LONGEST_PLAIN = 1024, 8150  # of libsasl's LOGIN, and of its side of the saslauthd protocol
OTHER_PORT = 2587


@pytest.fixture(scope="module")
def postfix(session_host):
    with Postfix(session_host) as postfix:
        yield postfix


@pytest.fixture
def site(sasl_site, postfix, latchkeyd):
    """smtpd reads the configuration before it enters its chroot, and asks latchkeyd from then on."""
    postfix.renew()
    return sasl_site


def check_refused(site, exchange, reason, status="invalid_token"):
    assert not exchange.ok and exchange.text.startswith("535 "), exchange.text
    if exchange.error is not None:
        assert exchange.error["status"] == status
        assert exchange.error.get("openid-configuration") == (None if status in BARE else site.discovery)
    assert site.last() == ("reject", reason)


# Who gets in


@pytest.mark.parametrize("initial", [True, False], ids=["at once", "when asked"])
@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
class TestAGoodToken:
    def test_of_curl(self, site, mechanism, initial):
        done = curl_smtp("alice", site.token(), mechanism=mechanism, initial=initial)
        assert done.returncode == 0, done.stderr
        assert site.logged("sasl_username=alice")

    def test_of_smtplib(self, site, mechanism, initial):
        assert smtplib_auth(site.token(), mechanism, initial) is None
        assert site.verify(site.token(), "smtp") == ("accept", "ok")


def test_the_example_of_the_client_sends_mail(site):
    mail = "Subject: by token\n\nHello.\n"
    done = example(site, "curl-smtp", site.token(), "alice", "alice@example.com", "alice@example.com", input=mail)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: "Subject: by token" in mailbox("alice"), "the mail")
    assert "(Authenticated sender: alice)" in mailbox("alice")


def test_the_user_sends_as_itself_alone(site):
    done = curl_smtp("alice", site.token(), sender="bob@example.com")
    assert done.returncode != 0 and "553" in done.stderr, done.stderr


@pytest.mark.parametrize("initial", [True, False], ids=["at once", "when asked"])
@pytest.mark.parametrize("length", [OWN_AT_ONCE + 1, TOKEN_4K, OWN_WHEN_ASKED + 1, 16000])
def test_a_long_token(site, length, initial):
    assert smtp_login(site.token(length=length), initial=initial).ok


def test_the_longest_token_of_the_example(site):
    for initial in (True, False):
        assert smtp_login(None, initial=initial, message=shortest_message(site.token(length=16384))).ok
        assert not smtp_login(None, initial=initial, message=shortest_message(site.token(length=16385))).ok


def test_the_longest_token_by_the_limits_of_postfix(site, postfix):
    """It answers 535, and the connection goes on."""
    with postfix.another_port(OTHER_PORT, "smtpd_tls_security_level=encrypt", mechanisms="OAUTHBEARER XOAUTH2 PLAIN"):
        for length, initial, ok in ((OWN_AT_ONCE, True, True), (OWN_AT_ONCE + 1, True, False),
                                    (OWN_WHEN_ASKED, False, True)):
            exchange = smtp_login(None, initial=initial, message=shortest_message(site.token(length=length)),
                                  port=OTHER_PORT)
            assert exchange.ok == ok, (length, initial, exchange.text)
        # Postfix logs the first 30 bytes of a line that is too long, so the names stand first here.
        assert not smtp_login(site.token(length=OWN_WHEN_ASKED), initial=False, authzid="alice", port=OTHER_PORT).ok
        with smtp(OTHER_PORT) as client:
            message = b64(shortest_message(site.token(length=TOKEN_4K)))
            code, text = client.docmd("AUTH", f"OAUTHBEARER {message}")
            assert code == 535, text
            assert client.docmd("AUTH", f"OAUTHBEARER {b64(shortest_message(site.token()))}")[0] == 235


# Who does not


@pytest.mark.parametrize("initial", [True, False], ids=["at once", "when asked"])
@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_an_expired_token(site, mechanism, initial):
    token = site.token(lifetime=-600)
    exchange = smtp_login(token, mechanism, initial)
    check_refused(site, exchange, "token_expired", "invalid_token" if mechanism == "OAUTHBEARER" else "401")
    assert exchange.error is not None
    assert site.verify(token, "smtp") == site.last()


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_whatever_a_client_answers_the_refusal_stays(site, mechanism):
    expired, good = site.token(lifetime=-600), site.token()
    for answer in (answers_to_an_error(expired) | {"a good token": shortest_message(good)}).values():
        exchange = smtp_login(expired, mechanism, last=answer)
        check_refused(site, exchange, "token_expired", "invalid_token" if mechanism == "OAUTHBEARER" else "401")
        assert "authentication failure" in exchange.text


@pytest.mark.parametrize("mechanism", ["oauthbearer", "xoauth2"])
def test_msmtp(site, mechanism):
    done = msmtp("alice", site.password_file(site.token()), mechanism)
    assert done.returncode == 0, done.stderr
    done = msmtp("alice", site.password_file(site.token(lifetime=-600)), mechanism)
    assert done.returncode != 0 and "535" in done.stderr and "authentication failure" in done.stderr
    assert site.last() == ("reject", "token_expired")


def test_a_client_without_a_token_is_told_where_to_get_one(site):
    """RFC 7628 §4.3; nothing was tried, so there is no verdict among the errors that smtpd logs."""
    exchange = smtp_login(None, message="n,a=alice,\1host=mail.example.com\1port=587\1auth=\1\1")
    assert not exchange.ok and exchange.text.startswith("535 ")
    assert exchange.error == {"status": "invalid_token", "openid-configuration": site.discovery}
    assert site.host.verdicts() == []


def test_curl_says_that_an_expired_token_is_denied(site):
    done = curl_smtp("alice", site.token(lifetime=-600))
    assert done.returncode == LOGIN_DENIED and "Login denied" in done.stderr


def test_a_token_without_the_group(site, postfix):
    site.configure(demand_group("smtp"))
    postfix.renew()
    token = site.token(groups=[])
    check_refused(site, smtp_login(token), "group_missing", "insufficient_scope")
    assert site.verify(token, "smtp") == site.last()
    assert smtp_login(site.token()).ok


def test_a_broken_message(site):
    check_refused(site, smtp_login(None, message="n,,\1auth=Basic abc\1\1"), "message_malformed", "invalid_request")


# Acting as somebody


@pytest.mark.parametrize("authzid", ["alice", "alice@example.com", "alice@EXAMPLE.COM"])
def test_somebody_acts_as_itself(site, authzid):
    assert smtp_login(site.token(), authzid=authzid).ok


def test_somebody_acts_as_nobody_else(site):
    check_refused(site, smtp_login(site.token(), authzid="bob"), "authzid_not_allowed", "insufficient_scope")
    check_refused(site, smtp_login(site.token(), authzid="alice@example.org"), "realm_unknown")


def test_allow_authzid_is_not_enough_in_postfix(site, postfix):
    """libsasl asks the host, too, and Postfix leaves it at libsasl's own rule: everybody is itself."""
    site.configure(add_to_service("smtp", 'allow_authzid = {"svc-backup"}'))
    exchange = smtp_login(site.token(tokens.BACKUP), authzid="bob")
    assert not exchange.ok and exchange.error is None
    assert site.logged("Requested identity not authenticated identity")


# API keys


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_an_api_key(site, mechanism):
    done = curl_smtp("svc-backup", site.tenant.api_key, mechanism=mechanism)
    assert done.returncode == 0, done.stderr
    assert site.logged("sasl_username=svc-backup")


def test_an_api_key_of_nobody(site):
    key = "lk_not-a-key-of-anybody-0123456789abcdefghijk"
    check_refused(site, smtp_login(key, authzid="svc-backup"), "credential_refused")
    check_refused(site, smtp_login(site.tenant.api_key), "credential_not_allowed")
    check_refused(site, smtp_login(site.tenant.api_key, authzid="alice"), "credential_not_allowed")


# Where it is offered


def test_nothing_is_offered_in_clear_text(site):
    with smtp(tls=False) as client:
        assert "auth" not in client.esmtp_features
    with smtp() as client:
        assert {"OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"} == set(client.esmtp_features["auth"].split())


def test_aes_128_is_protected(site):
    assert smtp_login(site.token(), ciphers=AES_128).ok


def test_plain_text_is_forbidden_without_tls_alone(site, postfix):
    """A port without smtpd_tls_auth_only: libsasl itself leaves the plug-in out where plain text is forbidden."""
    with postfix.another_port(2587, "smtpd_tls_security_level=may", "smtpd_tls_auth_only=no",
                              mechanisms="OAUTHBEARER XOAUTH2 PLAIN SCRAM-SHA-256"):
        with smtp(2587, tls=False) as client:
            assert client.esmtp_features["auth"].split() == ["SCRAM-SHA-256"]
        with smtp(2587) as client:
            assert {"OAUTHBEARER", "XOAUTH2", "PLAIN", "SCRAM-SHA-256"} == set(client.esmtp_features["auth"].split())


# While it runs


def test_keys_are_rotated_without_a_restart(site):
    new = tokens.Key("RS256", "next")
    assert not smtp_login(site.token(key=new)).ok
    site.write_keys(new)
    assert smtp_login(site.token(key=new)).ok
    check_refused(site, smtp_login(site.token()), "key_unknown")


def test_a_revocation_holds_at_once(site):
    assert smtp_login(site.token()).ok
    site.host.revoke(f"sub {tokens.ALICE}")
    check_refused(site, smtp_login(site.token()), "token_revoked")


def test_without_latchkeyd_nobody_is_let_in(site, latchkeyd):
    """In the chroot there is nobody else to ask; the token may be a good one, so there is no error message."""
    latchkeyd.stop()
    exchange = smtp_login(site.token())
    assert not exchange.ok and exchange.error is None
    assert site.last() == ("reject", "latchkeyd_unavailable")


def test_a_configuration_that_appears_in_the_chroot_is_not_looked_at(site):
    """Whoever owns a chroot could write there that a key of its own is the tenant's."""
    assert smtp_login(site.token()).ok
    smtpd = processes("smtpd")
    file = CHROOT / str(site.host.etc / "latchkey.conf").lstrip("/")
    made = next(path for path in reversed(file.parents) if not path.exists())
    file.parent.mkdir(parents=True)
    try:
        file.write_text("tenant {")
        shutil.chown(file, "postfix")
        assert smtp_login(site.token()).ok
        check_refused(site, smtp_login(site.token(lifetime=-600)), "token_expired")
        assert smtpd & processes("smtpd"), "another smtpd than the one that had read the configuration"
    finally:
        shutil.rmtree(made)


def test_latchkeyd_does_not_judge_by_another_configuration_than_is_asked_for(site, postfix):
    smtpd = postfix.root / "sasl" / "smtpd.conf"
    text, other = smtpd.read_text(), site.host.etc / "mail.conf"
    site.configure(demand_group("smtp")).rename(other)
    site.configure()
    smtpd.write_text(f"{text}latchkey_config: {other}\n")
    try:
        postfix.renew()
        assert not smtp_login(site.token(groups=[])).ok
        assert site.last() == ("reject", "config_invalid")
    finally:
        smtpd.write_text(text)
        postfix.renew()
    assert smtp_login(site.token(groups=[])).ok


def answer_as(user, path):
    """Forks a process of `user` that listens there and says to everybody that root is logged in."""
    path.unlink(missing_ok=True)
    ears = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ears.bind(str(path))
    path.chmod(0o666)
    ready, is_ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setuid(pwd.getpwnam(user).pw_uid)
            ears.listen()
            os.write(is_ready, b"x")
            while True:
                caller, _ = ears.accept()
                caller.recv(65536)
                caller.send(json.dumps({"answer": "ok", "login": {
                    "credential": "jwt", "tenant": "t", "subject": "s", "user": "root", "authzid": "root", "groups": [],
                    "expires": 2**40}}).encode())
        finally:
            os._exit(1)
    os.read(ready, 1)
    for end in (ready, is_ready):
        os.close(end)
    ears.close()
    return pid


@pytest.mark.parametrize("user, is_believed", [("postfix", False), ("nobody", False), ("root", True)])
def test_in_the_chroot_latchkeyd_is_a_process_that_began_as_root(site, latchkeyd, user, is_believed):
    """smtpd is no proof of itself: one that is broken into would log in everybody in all others."""
    latchkeyd.stop()
    path = CHROOT / "run/latchkey/latchkeyd.sock"
    pid = answer_as(user, path)
    try:
        exchange = smtp_login(site.token())
        assert exchange.ok == is_believed
        assert is_believed or site.last() == ("reject", "latchkeyd_unavailable")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        path.unlink()


def test_a_token_that_no_question_can_hold_is_refused_as_what_it_is(site):
    check_refused(site, smtp_login(site.token() + '"'), "token_malformed")


def test_without_a_configuration_the_others_work(site, postfix):
    site.unconfigure()
    postfix.renew()
    with smtp() as client:
        assert {"PLAIN", "LOGIN"} == set(client.esmtp_features["auth"].split())
    assert not smtp_login(site.token()).ok


# Tokens as passwords


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
class TestATokenAsThePassword:
    def test_of_swaks(self, site, mechanism):
        done = swaks("alice", site.token(), mechanism)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_an_api_key(self, site, mechanism):
        assert swaks("svc-backup", site.tenant.api_key, mechanism).returncode == 0

    def test_an_expired_one(self, site, mechanism):
        assert swaks("alice", site.token(lifetime=-600), mechanism).returncode != 0
        assert site.last() == ("reject", "token_expired")

    def test_a_long_one(self, site, mechanism):
        longest, too_long = {"PLAIN": (LONGEST_PLAIN, TOKEN_8K), "LOGIN": (LONGEST_LOGIN, LONGEST_LOGIN + 1)}[mechanism]
        assert send_by_smtplib("alice", site.token(length=longest), "alice@example.com", mechanism) == ""
        assert send_by_smtplib("alice", site.token(length=too_long), "alice@example.com", mechanism) != ""

    def test_of_somebody_else(self, site, mechanism):
        assert swaks("bob", site.token(), mechanism).returncode != 0


@pytest.mark.parametrize("send", SENDERS.values(), ids=SENDERS)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
class TestANameWithARealm:
    """alice@example.com is alice by the realm of service "smtp". Postfix keeps the name as it came."""

    @pytest.mark.parametrize("realm", ["", "@example.com", "@EXAMPLE.COM"])
    def test_sends_as_itself(self, site, send, mechanism, realm):
        assert send(f"alice{realm}", site.token(), "alice@example.com", mechanism) == ""
        assert site.logged(f"sasl_username=alice{realm}")
        assert send(f"svc-backup{realm}", site.tenant.api_key, "svc-backup@example.com", mechanism) == ""

    @pytest.mark.parametrize("realm", ["", "@example.com"])
    def test_sends_as_nobody_else(self, site, send, mechanism, realm):
        for sender in ("bob@example.com", "alice@example.org"):
            assert "553" in send(f"alice{realm}", site.token(), sender, mechanism)

    def test_is_nobody_by_another_realm(self, site, send, mechanism):
        assert "535" in send("alice@example.org", site.token(), "alice@example.com", mechanism)
        assert site.last() == ("reject", "realm_unknown")
