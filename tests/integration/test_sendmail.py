"""sendmail with the examples of examples/sasl/sendmail; curl, swaks and smtplib as its clients."""
import pytest

from host import wait_until
from mail_clients import (LOGIN_DENIED, answers_to_an_error, b64, curl_smtp, send_by_smtplib, shortest_message, smtp,
                          smtp_login, smtplib_auth, swaks)
from servers import MAIL, TOKEN_4K, Sendmail

ALICE = f"alice@{MAIL}"  # the domain of a sender must exist, and the tests have no DNS
AT_ONCE, WHEN_ASKED, LOGIN = 9183, 9195, 1024  # bytes of the longest token
MECHANISMS = ["OAUTHBEARER", "XOAUTH2"]


@pytest.fixture(scope="module")
def sendmail(session_host):
    with Sendmail(session_host) as sendmail:
        yield sendmail


@pytest.fixture
def site(sasl_site, sendmail):
    return sasl_site


@pytest.mark.parametrize("initial", [True, False], ids=["at once", "when asked"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_good_token(site, mechanism, initial):
    assert smtplib_auth(site.token(), mechanism, initial) is None
    assert site.logged(f"authid=alice, mech={mechanism}")
    assert smtp_login(site.token(length=TOKEN_4K), mechanism, initial).ok


def test_curl_sends_mail(site):
    done = curl_smtp("alice", site.token(), sender=ALICE)
    assert done.returncode == 0, done.stderr
    assert curl_smtp("alice", site.token(lifetime=-600), sender=ALICE).returncode == LOGIN_DENIED
    assert site.last() == ("reject", "token_expired")


def test_nobody_sends_without_a_login(site):
    with smtp() as client:
        assert client.mail(ALICE)[0] == 530


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_whatever_a_client_answers_the_refusal_stays(site, mechanism):
    expired = site.token(lifetime=-600)
    for answer in answers_to_an_error(expired).values():
        exchange = smtp_login(expired, mechanism, last=answer)
        assert not exchange.ok and exchange.text.startswith("535 "), exchange.text
        assert site.last() == ("reject", "token_expired")
    assert not smtp_login(site.token(), mechanism, **{"user" if mechanism == "XOAUTH2" else "authzid": "bob"}).ok
    assert site.last() == ("reject", "authzid_not_allowed")


def test_nothing_is_offered_in_clear_text(site):
    with smtp(tls=False) as client:
        assert "auth" not in client.esmtp_features
    with smtp() as client:
        assert {*MECHANISMS, "PLAIN", "LOGIN"} == set(client.esmtp_features["auth"].split())


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_token_as_the_password(site, latchkeyd, mechanism):
    assert swaks("alice", site.token(), mechanism, ALICE).returncode == 0
    assert swaks("svc-backup", site.tenant.api_key, mechanism, ALICE).returncode == 0
    assert swaks("alice", site.token(lifetime=-600), mechanism, ALICE).returncode != 0
    assert site.last() == ("reject", "token_expired")


def test_the_longest_token(site, latchkeyd):
    for length, initial in ((AT_ONCE, True), (WHEN_ASKED, False)):
        assert smtp_login(None, initial=initial, message=shortest_message(site.token(length=length))).ok
    assert send_by_smtplib("alice", site.token(length=LOGIN), ALICE, "LOGIN") == ""
    assert "535" in send_by_smtplib("alice", site.token(length=LOGIN + 1), ALICE, "LOGIN")


def test_sendmail_logs_a_line_that_is_too_long(site):
    """With the token in it, as the manual warns."""
    message = shortest_message(site.token(length=AT_ONCE + 1))
    assert not smtp_login(None, message=message).ok
    wait_until(lambda: site.logged(b64(message)[:60]), "the line in the log")
    site.host.syslog.clear()
    exchange = smtp_login(None, initial=False, message=shortest_message(site.token(length=WHEN_ASKED + 1)))
    assert not exchange.ok and exchange.text.startswith("501 "), exchange.text
    site.host.syslog.clear()
