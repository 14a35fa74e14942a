"""
One table of names at slapd, Postfix and Cyrus IMAP: OAUTHBEARER, XOAUTH2, PLAIN and LOGIN give a name the same verdict at
the same server. What differs between servers is the form in which each has a name: latchkey_sasl(5), "Names".
"""
import contextlib
import imaplib
import re
import smtplib
from functools import partial

import pytest

import tokens
from host import run
from mail_clients import MESSAGES, RawLdap, imap, imap_login, smtp, smtp_login
from servers import Cyrus, Postfix, Slapd

MECHANISMS = ["OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"]
HOST_REALM = "host.example.net"  # none that a service of the examples lists
OTHER_PORT = 2587


@pytest.fixture(scope="module")
def slapd(session_host):
    with Slapd(session_host) as slapd:
        options = slapd.root / "sasl2" / "slapd.conf"
        options.write_text(options.read_text().replace(" PLAIN\n", " PLAIN LOGIN\n"))
        slapd.restart()
        yield slapd


@pytest.fixture(scope="module")
def postfix(session_host):
    with Postfix(session_host) as postfix:
        run("postconf", "-e", "smtpd_error_sleep_time = 0")  # a second after each refusal
        yield postfix


@pytest.fixture(scope="module")
def cyrus(session_host):
    with Cyrus(session_host) as cyrus:
        yield cyrus


def plain(name, token):
    return f"\0{name}\0{token}"


def first_message(mechanism, name, token):
    return plain(name, token) if mechanism == "PLAIN" else MESSAGES[mechanism](token, name)


# Each logs in by a mechanism and tells whether that went well. LOGIN is the mechanism, for Cyrus the command.


def of_slapd(mechanism, name, token):
    with RawLdap() as client:
        if mechanism == "LOGIN":
            for message in ("", name):
                assert client.bind("LOGIN", message)[0] == 14
            return client.bind("LOGIN", token)[0] == 0
        return client.bind(mechanism, first_message(mechanism, name, token))[0] == 0


def of_postfix(mechanism, name, token, port=587):
    with smtp(port) as client:
        if mechanism == "LOGIN":
            client.user, client.password = name, token
            with contextlib.suppress(smtplib.SMTPAuthenticationError):
                return client.auth("LOGIN", client.auth_login)[0] == 235
            return False
    return smtp_login(None, mechanism, initial=False, message=first_message(mechanism, name, token), port=port).ok


def of_cyrus(mechanism, name, token):
    with imap() as client, contextlib.suppress(imaplib.IMAP4.error):
        if mechanism == "LOGIN":
            client.login(name, token)
        else:
            messages = [first_message(mechanism, name, token).encode(), b"\1"]
            client.authenticate(mechanism, lambda _: messages.pop(0))
        return True
    return False


# What each server makes of a name. A realm is one that the service of the example lists, or not.

OF_ALL = {"alice": True, "bob": False, "alice@example.org": False, "alice@example.org@example.com": False, "alice@": True}
NAMES = {
    "slapd, which lists no realm": (of_slapd, {
        "Alice": False, "alice@example.com": False, "Alice@example.com": False, " alice ": True}),
    "Postfix": (of_postfix, {
        "Alice": False, "alice@example.com": True, "alice@EXAMPLE.COM": True, "Alice@example.com": False,
        "alice@example.com@example.com": False, " alice ": True}),
    "Cyrus, which folds letters": (of_cyrus, {
        "Alice": True, "alice@example.com": True, "Alice@EXAMPLE.com": True, "Alice@example.org": False, "Bob": False}),
}


def verdicts(login, names, token):
    """{name: whether it is let in}, by all mechanisms alike."""
    found = {name: {mechanism: login(mechanism, name, token) for mechanism in MECHANISMS} for name in names}
    assert [(name, by) for name, by in found.items() if len(set(by.values())) > 1] == []
    return {name: by["PLAIN"] for name, by in found.items()}


@pytest.fixture
def site(sasl_site, slapd, postfix, cyrus, latchkeyd):
    postfix.renew()
    return sasl_site


@pytest.mark.parametrize("login, of_server", NAMES.values(), ids=NAMES)
def test_a_name_gets_one_verdict_by_all_mechanisms(site, login, of_server):
    names = OF_ALL | of_server
    assert verdicts(login, names, site.token()) == names


# Servers with a realm of their own


def list_realm(service, realm):
    """A change of the example's configuration."""
    def change(text):
        return re.sub(rf'(service "{service}" {{\n)(.*\n)(    realm +=.*\n)?', rf'\1\2    realm = {{"{realm}"}}\n', text, 1)
    return change


@pytest.fixture
def slapd_of_a_realm(slapd):
    config = slapd.root / "slapd.conf"
    text = config.read_text()
    config.write_text(text.replace("sasl-host ldap.example.com\n", f"sasl-host ldap.example.com\nsasl-realm {HOST_REALM}\n"))
    slapd.restart()
    yield
    config.write_text(text)
    slapd.restart()


@pytest.mark.parametrize("listed, names", [
    ("example.com", {"alice": False, "alice@example.com": True}),
    (HOST_REALM.upper(), {"alice": True, f"alice@{HOST_REALM}": True, "alice@example.com": False}),
    ("*", {"alice": True, "alice@example.com": True, "alice@a@b": False, "bob": False}),
], ids=["another realm is listed", "its own realm is listed", "any realm"])
class TestARealmOfTheServer:
    def test_of_postfix(self, site, postfix, listed, names):
        site.configure(list_realm("smtp", listed))
        with postfix.another_port(OTHER_PORT, "smtpd_tls_security_level=encrypt",
                                  f"smtpd_sasl_local_domain={HOST_REALM}",
                                  mechanisms="OAUTHBEARER XOAUTH2 PLAIN LOGIN"):
            assert verdicts(partial(of_postfix, port=OTHER_PORT), names, site.token()) == names

    def test_of_slapd(self, site, slapd_of_a_realm, listed, names):
        site.configure(list_realm("ldap", listed))
        assert verdicts(of_slapd, names, site.token()) == names
        with RawLdap() as client:
            assert client.bind("OAUTHBEARER", MESSAGES["OAUTHBEARER"](site.token()))[0] == 0, "no name, no realm"


# PLAIN with an authzid: what allow_authzid cannot see


def test_plain_with_an_authzid_is_the_servers_affair_alone(site):
    """svc-backup may act as alice in slapd by allow_authzid and authzTo, and as bob by neither; and as anybody in Cyrus by
    proxyservers, whatever allow_authzid says."""
    site.configure(lambda text: re.sub(r"    allow_authzid.*\n", "", text).replace('require_group = {"ops"}', ""))
    token = site.token(tokens.BACKUP)
    for authzid, code in (("u:alice", 0), ("u:bob", 50)):
        with RawLdap() as client:
            assert client.bind("PLAIN", f"{authzid}\0svc-backup\0{token}")[0] == code
    with RawLdap() as client:
        assert client.bind("OAUTHBEARER", MESSAGES["OAUTHBEARER"](token, "u:alice"))[0] == 14
        assert site.last() == ("reject", "authzid_not_allowed")
    with imap() as client:
        client.authenticate("PLAIN", lambda _: f"alice\0svc-backup\0{token}".encode())
    assert not imap_login(token, authzid="alice").ok
    assert site.last() == ("reject", "authzid_not_allowed")
