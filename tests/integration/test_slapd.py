"""slapd with the examples of examples/sasl/slapd, and ldapwhoami, ldapsearch and python3-ldap as its clients."""
import contextlib
import json
import os
import re
import shutil
import socket
import sys
import time
from pathlib import Path

import pytest

import tokens
from host import run, wait_until
from mail_clients import MESSAGES, RawLdap, answers_to_an_error
from servers import CLIENTS, LDAP, TOKEN_4K, TOKEN_8K, Slapd, demand_group, install

ALICE = "dn:uid=alice,ou=people,dc=example,dc=com"
INVALID_CREDENTIALS, INSUFFICIENT_ACCESS, NOT_SUPPORTED, BIND_IN_PROGRESS = 49, 50, 7, 14  # RFC 4511
# In a process of its own: libsasl loads its plug-ins once in a process, and pytest's began before ours was there.
PYTHON_LDAP = f"""
import ldap, ldap.sasl, sys
connection = ldap.initialize("ldap://{LDAP}")
connection.start_tls_s()
callbacks = {{ldap.sasl.CB_PASS: sys.stdin.read(), ldap.sasl.CB_USER: ""}}
connection.sasl_interactive_bind_s("", ldap.sasl.sasl(callbacks, "OAUTHBEARER"))
print(connection.whoami_s())
"""
LONGEST_PASSWORD = 8150  # bytes; libsasl's side of the saslauthd protocol sends 8 KiB with all names
AES_128 = "NORMAL:-CIPHER-ALL:+AES-128-GCM"


@pytest.fixture(scope="module")
def slapd(session_host):
    with Slapd(session_host) as slapd:
        install(CLIENTS / "ldap.conf", slapd.root / "ldap.conf")
        yield slapd


@pytest.fixture
def site(sasl_site, slapd):
    return sasl_site


def whoami(site, token, *arguments, mechanism="OAUTHBEARER", uri=f"ldap://{LDAP}", tls=True, ciphers=None):
    """ldapwhoami, which finds the token in a file."""
    env = {"LATCHKEY_TOKEN_FILE": str(site.host.token_file(token)), "LC_ALL": "C"}
    if ciphers is not None:
        env["LDAPTLS_CIPHER_SUITE"] = ciphers
    return run("ldapwhoami", "-Q", "-H", uri, *(["-ZZ"] if tls else []), "-Y", mechanism, *arguments, env=env,
               check=False)


def offered(*arguments):
    done = run("ldapsearch", "-x", "-LLL", "-b", "", "-s", "base", "supportedSASLMechanisms", *arguments)
    return set(re.findall("supportedSASLMechanisms: (.*)", done.stdout))


def check_refused(site, done, reason, status=INVALID_CREDENTIALS, told="Token not accepted."):
    assert done.returncode == status and told in done.stderr, done.stderr
    assert site.last() == ("reject", reason)


# Who gets in


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_a_good_token_is_the_entry_of_its_user(site, alg):
    token = site.token(key=site.host.keys[alg])
    assert whoami(site, token).stdout.strip() == ALICE
    assert site.verify(token, "ldap") == ("accept", "ok")


def test_xoauth2_takes_the_same_token(site):
    assert whoami(site, site.token(), "-U", "alice", mechanism="XOAUTH2").stdout.strip() == ALICE


@pytest.mark.parametrize("length", [TOKEN_4K, TOKEN_8K, 16384])
def test_a_long_token(site, length):
    assert whoami(site, site.token(length=length)).stdout.strip() == ALICE


def test_the_token_may_come_as_the_password(site):
    done = run("ldapwhoami", "-Q", "-ZZ", "-y", site.host.token_file(site.token()))
    assert done.stdout.strip() == ALICE


def test_the_examples_of_the_client(site):
    env = {"LATCHKEY_TOKEN_FILE": str(site.host.token_file(site.token()))}
    assert run(CLIENTS / "ldapsearch", "uid=bob", "cn", env=env).stdout == \
        "dn: uid=bob,ou=people,dc=example,dc=com\ncn: bob\n\n"


@pytest.mark.parametrize("env", [{}, {"LATCHKEY_TOKEN_FILE": ""}], ids=["unset", "empty"])
def test_the_example_of_the_client_says_that_it_has_no_token(site, env):
    done = run(CLIENTS / "ldapsearch", "uid=bob", "cn", env=env, check=False)
    assert done.returncode != 0 and done.stdout == "" and "LATCHKEY_TOKEN_FILE" in done.stderr, done.stderr


def test_python_ldap(site):
    for token, answer in ((site.token(), ALICE), (site.token(lifetime=-600), "The token expired 10 minutes ago.")):
        done = run(sys.executable, "-c", PYTHON_LDAP, input=token, check=False)
        assert answer in done.stdout + done.stderr


def test_the_group_of_the_directory_writes(site):
    entry = "dn: uid=bob,ou=people,dc=example,dc=com\nchangetype: modify\nreplace: description\ndescription: {}\n"
    for token, status in ((site.token(), 0), (site.bobs_token(), INSUFFICIENT_ACCESS)):
        env = {"LATCHKEY_TOKEN_FILE": str(site.host.token_file(token))}
        done = run("ldapmodify", "-Q", "-ZZ", "-Y", "OAUTHBEARER", env=env, input=entry.format("new"), check=False)
        assert done.returncode == status, done.stderr


# Who does not


def test_an_expired_token(site):
    token = site.token(lifetime=-600)
    check_refused(site, whoami(site, token), "token_expired", told="The token expired 10 minutes ago.")
    assert site.verify(token, "ldap") == site.last()


def test_an_expired_token_of_xoauth2_is_not_anonymous(site):
    done = whoami(site, site.token(lifetime=-600), "-U", "alice", mechanism="XOAUTH2")
    check_refused(site, done, "token_expired", told="The token expired 10 minutes ago.")


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_whatever_a_client_answers_the_refusal_stays(site, mechanism):
    expired, good = site.token(lifetime=-600), MESSAGES[mechanism](site.token())
    for answer in (*answers_to_an_error(expired).values(), good):
        with RawLdap() as client:
            code, error = client.bind(mechanism, MESSAGES[mechanism](expired))
            assert code == BIND_IN_PROGRESS and '"status":' in error
            assert client.bind(mechanism, answer)[0] == INVALID_CREDENTIALS
            assert site.last() == ("reject", "token_expired")
            assert client.bind(mechanism, good)[0] == 0  # a new exchange


def test_a_client_without_a_token_is_told_where_to_get_one(site):
    with RawLdap() as client:
        code, error = client.bind("OAUTHBEARER", "n,,\1auth=\1\1")
        assert (code, json.loads(error)) == (BIND_IN_PROGRESS, {"status": "invalid_token",
                                                               "openid-configuration": site.discovery})
        assert client.bind("OAUTHBEARER", "\1")[0] == INVALID_CREDENTIALS
    assert site.host.verdicts() == []


@pytest.mark.parametrize("claim, reason", [("cnf", "proof_required"), ("events", "type_unsupported")])
def test_rule_42_a_token_that_is_no_login(site, claim, reason):
    token = site.token(**{claim: {}})
    check_refused(site, whoami(site, token), reason)
    assert site.verify(token, "ldap") == site.last() == ("reject", reason)


def test_a_token_of_an_unknown_key(site):
    token = site.token(key=tokens.Key("RS256", "nobodys"))
    check_refused(site, whoami(site, token), "key_unknown")
    assert site.verify(token, "ldap") == site.last()


def test_a_token_without_the_group(site):
    site.configure(demand_group("ldap"))
    token = site.token(groups=[])
    check_refused(site, whoami(site, token), "group_missing", INSUFFICIENT_ACCESS, "You are not in a group that may use this")
    assert site.verify(token, "ldap") == site.last()
    assert whoami(site, site.token()).returncode == 0


# Acting as somebody


@pytest.mark.parametrize("authzid", ["alice", "u:alice"])
def test_somebody_acts_as_itself(site, authzid):
    assert whoami(site, site.token(), "-X", authzid).stdout.strip() == ALICE


@pytest.mark.parametrize("authzid", ["bob", "u:bob", "dn:uid=bob,ou=people,dc=example,dc=com"])
def test_somebody_acts_as_nobody_else(site, authzid):
    check_refused(site, whoami(site, site.token(), "-X", authzid), "authzid_not_allowed", INSUFFICIENT_ACCESS)


def test_who_is_allowed_acts_as_somebody_else(site):
    token = site.token(tokens.BACKUP)
    assert whoami(site, token, "-X", "u:alice").stdout.strip() == ALICE
    check_refused(site, whoami(site, token, "-X", "u:bob"), "authzid_not_allowed", INSUFFICIENT_ACCESS)


@pytest.mark.parametrize("block", ["ldap", "LDAP", "*"])
def test_the_name_of_an_entry_is_one_under_every_block(site, block):
    """allow_authzid lets svc-backup act as anybody but root; slapd lets it act as alice alone."""
    site.configure(lambda text: text.replace('service "ldap"', f'service "{block}"')
                   .replace('"svc-backup:alice"', '"svc-backup"'))
    token = site.token(tokens.BACKUP)
    assert whoami(site, token, "-X", ALICE).stdout.strip() == ALICE
    done = whoami(site, token, "-X", "dn:uid=bob,ou=people,dc=example,dc=com")
    assert done.returncode == INSUFFICIENT_ACCESS and "not authorized" in done.stderr


def test_the_directory_has_a_say_in_it(site):
    site.configure(lambda text: text.replace('"svc-backup:alice"', '"svc-backup"'))
    done = whoami(site, site.token(tokens.BACKUP), "-X", "u:bob")
    assert done.returncode == INSUFFICIENT_ACCESS and "not authorized" in done.stderr


# API keys


def test_an_api_key_needs_a_name(site, latchkeyd):
    done = whoami(site, site.tenant.api_key, "-X", "u:svc-backup")
    assert done.stdout.strip() == "dn:uid=svc-backup,ou=people,dc=example,dc=com", done.stderr
    done = whoami(site, site.tenant.api_key)
    assert done.returncode != 0 and "an API key needs the name of its account" in done.stderr, done.stderr
    assert "successful" not in done.stderr
    assert site.host.verdicts()[1:] == []  # nothing was sent


def test_a_wrong_api_key(site, latchkeyd):
    key = "lk_not-a-key-of-anybody-0123456789abcdefghijk"
    check_refused(site, whoami(site, key, "-X", "u:svc-backup"), "credential_refused")
    assert site.verify(key, "ldap", "--user", "svc-backup") == site.last()


# Where it is offered


def test_nothing_is_offered_in_clear_text(site):
    assert offered() == set()
    assert {"OAUTHBEARER", "XOAUTH2", "PLAIN"} <= offered("-ZZ")
    assert {"OAUTHBEARER", "XOAUTH2", "EXTERNAL"} <= offered("-H", "ldapi:///")
    done = whoami(site, site.token(), tls=False)
    assert done.returncode != 0


def test_a_local_socket_is_protected(site):
    assert whoami(site, site.token(), uri="ldapi:///", tls=False).stdout.strip() == ALICE


def test_aes_128_is_protected(site):
    assert whoami(site, site.token(), ciphers=AES_128).stdout.strip() == ALICE
    assert any("tls_ssf=128" in line for line in site.host.log_lines())


# While it runs


def test_keys_are_rotated_without_a_restart(site):
    new = tokens.Key("RS256", "next")
    assert whoami(site, site.token(key=new)).returncode == INVALID_CREDENTIALS
    site.write_keys(new)
    assert whoami(site, site.token(key=new)).stdout.strip() == ALICE
    check_refused(site, whoami(site, site.token()), "key_unknown")


def test_a_revocation_holds_at_once(site):
    assert whoami(site, site.token()).returncode == 0
    site.host.revoke(f"sub {tokens.ALICE}")
    check_refused(site, whoami(site, site.token()), "token_revoked", INSUFFICIENT_ACCESS)


# RFC 4511: what an anonymous client asks of the root DSE.
ROOT_DSE = bytes.fromhex("0400 0a0100 0a0100 020100 020100 010100 870b") + b"objectClass" + \
    bytes.fromhex("3019 0417") + b"supportedSASLMechanisms"
SETTLED_AFTER = 2  # seconds; a file that changed later than that is read again in any case


def search_root_dse(connection):
    request = bytes([0x02, 1, 1, 0x63, len(ROOT_DSE)]) + ROOT_DSE
    connection.sendall(bytes([0x30, len(request)]) + request)
    answer = b""
    while b"\x02\x01\x01\x65" not in answer:  # searchResDone
        answer += connection.recv(4096)


class Connections:
    """Idle connections, which use up the descriptors of a server."""

    def __init__(self, server):
        self.server, self.sockets, self.accepted = server, [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        while self.sockets:
            self.close_one()

    def _links(self):
        """What each descriptor of the server is, such as socket:[12345]."""
        links = []
        for descriptor in Path(f"/proc/{self.server.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since
                links.append(os.readlink(descriptor))
        return links

    def descriptors(self):
        return len(self._links())

    def open_one(self):
        # Counting is not enough: an earlier client's connection may be closed at the same time.
        known, connection = set(self._links()), socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect("/run/slapd/ldapi")
        self.sockets.append(connection)
        new = lambda: {link for link in self._links() if link.startswith("socket:")} - known
        wait_until(new, "slapd takes the connection")
        self.accepted.append(new().pop())

    def close_one(self):
        self.sockets.pop().close()
        accepted = self.accepted.pop()
        wait_until(lambda: accepted not in self._links(), "slapd closes the connection")


def test_rule_32_a_rotation_while_descriptors_are_exhausted_shuts_nobody_out(site, slapd):
    keys = site.host.etc / "keys.jwks"
    shutil.chown(keys, "latchkey")  # as latchkeyd leaves it
    slapd.stop()
    slapd.start(descriptors=64)
    assert whoami(site, site.token()).stdout.strip() == ALICE
    with Connections(slapd) as connections:
        while connections.descriptors() < slapd.descriptors:
            connections.open_one()
        site.write_keys()
        shutil.chown(keys, "latchkey")
        wait_until(lambda: time.time() - keys.stat().st_ctime > SETTLED_AFTER + 0.1, "the key set has settled")
        for left in range(6):  # descriptors; slapd lists its mechanisms once for each connection
            search_root_dse(connections.sockets[left])
            connections.close_one()
    done = whoami(site, site.token())
    assert done.stdout.strip() == ALICE, done.stderr
    slapd.restart()


def test_without_a_configuration_the_others_work(site, slapd):
    site.unconfigure()
    slapd.restart()
    assert offered("-ZZ") == {"PLAIN"}
    done = run("ldapwhoami", "-Q", "-H", "ldapi:///", "-Y", "EXTERNAL")
    assert done.stdout.strip() == "dn:gidNumber=0+uidNumber=0,cn=peercred,cn=external,cn=auth"
    assert whoami(site, site.token()).returncode == NOT_SUPPORTED
    lines = [line for line in site.host.log_lines() if "latchkey: " in line]
    assert len(lines) == 1 and "nothing is offered" in lines[0]
    site.configure()
    assert whoami(site, site.token()).stdout.strip() == ALICE


# Tokens as passwords


def simple_bind(site, user, password):
    return run("ldapwhoami", "-x", "-ZZ", "-D", f"uid={user},ou=people,dc=example,dc=com", "-y",
               site.password_file(password), check=False)


def test_a_simple_bind_is_passed_through(site, latchkeyd):
    assert simple_bind(site, "alice", site.token()).stdout.strip() == ALICE
    assert simple_bind(site, "svc-backup", site.tenant.api_key).returncode == 0
    assert simple_bind(site, "bob", site.token()).returncode == INVALID_CREDENTIALS
    assert site.last() == ("reject", "user_mismatch")


def test_a_simple_bind_with_an_expired_token(site, latchkeyd):
    token = site.token(lifetime=-600)
    assert simple_bind(site, "alice", token).returncode == INVALID_CREDENTIALS
    assert site.last() == site.verify(token, "ldap", "--user", "alice") == ("reject", "token_expired")


@pytest.mark.parametrize("length", [TOKEN_4K, LONGEST_PASSWORD])
def test_a_simple_bind_with_a_long_token(site, latchkeyd, length):
    assert simple_bind(site, "alice", site.token(length=length)).returncode == 0


def test_a_simple_bind_with_a_token_too_long_for_libsasl(site, latchkeyd):
    assert simple_bind(site, "alice", site.token(length=TOKEN_8K)).returncode == INVALID_CREDENTIALS


def test_plain(site, latchkeyd):
    done = run("ldapwhoami", "-Q", "-ZZ", "-Y", "PLAIN", "-U", "alice", "-y", site.password_file(site.token()))
    assert done.stdout.strip() == ALICE
