"""latchkeyd in saslauthd's place, asked by testsaslauthd, which is of Cyrus SASL."""
import os
import re
import socket
import stat
import time

import pytest

import tokens
from daemon import ask as ask_latchkeyd
from host import run, wait_until
from servers import EXAMPLES, TOKEN_4K, TOKEN_8K, prepare

SOCKET = "/run/latchkey/saslauthd/mux"
SOCKETS = [SOCKET, "/var/spool/postfix/run/latchkey/saslauthd/mux", "/run/saslauthd/mux"]


@pytest.fixture
def site(sasl_site, latchkeyd):
    prepare(sasl_site.host)
    return sasl_site


def ask(user, password, *arguments, service="smtp", path=SOCKET, caller=None):
    """Whether the answer was OK."""
    under = ["setpriv", "--reuid", caller, "--regid", caller, "--init-groups"] if caller is not None else []
    done = run(*under, "testsaslauthd", "-f", path, "-s", service, "-u", user, "-p", password, *arguments, check=False)
    assert (done.returncode == 0) == ("OK" in done.stdout)
    return done.returncode == 0


@pytest.mark.parametrize("path", SOCKETS)
def test_a_token_is_a_password(site, path):
    token = site.token()
    assert ask("alice", token, path=path)
    assert site.last() == site.verify(token, "smtp", "--user", "alice") == ("accept", "ok")
    assert not ask("bob", token, path=path)


def test_an_api_key_is_a_password(site):
    assert ask("svc-backup", site.tenant.api_key)
    assert not ask("alice", site.tenant.api_key)
    assert site.last() == ("reject", "credential_not_allowed")


@pytest.mark.parametrize("what, changes, reason", [
    ("an expired one", {"lifetime": -600}, "token_expired"),
    ("one without the group", {"groups": []}, "group_missing"),
    ("one of another audience", {"aud": "elsewhere"}, "audience_mismatch"),
    ("one that is bound to a key", {"cnf": {"jkt": "x"}}, "proof_required"),
    ("a security event", {"events": {}}, "type_unsupported"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_refused_is_refused_as_anywhere(site, what, changes, reason):
    token = site.token(**changes)
    assert not ask("alice", token, service="imap")
    assert site.last() == site.verify(token, "imap", "--user", "alice") == ("reject", reason)


def test_whoever_tries_passwords_uses_up_nobodys_rate(site):
    """Many come through one server: junk of one must not keep out the API keys of the others."""
    site.configure(lambda text: text.replace("latchkeyd {", "latchkeyd {\n    peer_rate = 1\n    rate = 2\n"))
    for _ in range(4):
        assert not ask("alice", site.token(lifetime=-600), caller="postfix")
        assert not ask("alice", "local password of alice", caller="postfix")
    assert ask("svc-backup", site.tenant.api_key, caller="postfix")
    assert any(not ask("svc-backup", site.tenant.api_key, caller="postfix") for _ in range(20))
    assert site.last() == ("reject", "latchkeyd_unavailable")


def test_a_local_password_is_not_for_us(site):
    assert not ask("alice", "local password of alice")
    assert site.last() == ("reject", "credential_not_allowed")


def test_the_name_of_the_service_picks_the_rules(site):
    token = site.token(groups=[])
    assert ask("alice", token, service="smtp")
    assert not ask("alice", token, service="imap")


@pytest.mark.parametrize("realm, known", [("example.com", True), ("EXAMPLE.COM", True), ("example.org", False)])
def test_a_realm_is_one_of_the_service(site, realm, known):
    assert ask("alice", site.token(), "-r", realm) == known
    if not known:
        assert site.last() == ("reject", "realm_unknown")
    assert not ask("alice", site.token(), "-r", realm, service="ldap")


@pytest.mark.parametrize("length", [TOKEN_4K, TOKEN_8K - 100])
def test_a_long_token(site, length):
    assert ask("alice", site.token(length=length))


def test_keys_are_rotated_without_a_restart(site):
    new = tokens.Key("RS256", "next")
    assert not ask("alice", site.token(key=new))
    site.write_keys(new)
    assert ask("alice", site.token(key=new))


def test_a_broken_configuration_lets_nobody_in(site):
    token = site.token()
    assert ask("alice", token)
    site.configure(lambda text: text + "bogus = 1\n")
    for password in (token, site.tenant.api_key):
        for user in ("alice", "svc-backup", "alice@example.org"):
            assert not ask(user, password)
            assert site.last() == ("reject", "config_invalid")
    site.configure()
    assert ask("alice", token)


@pytest.mark.parametrize("path", SOCKETS)
def test_the_group_of_the_socket_asks_and_nobody_else(site, path):
    status = os.stat(path)
    assert stat.S_IMODE(status.st_mode) == 0o660
    assert ask("alice", site.token(), path=path, caller="postfix")
    assert not ask("alice", site.token(), path=path, caller="bob")


def request(user, password, service="smtp", realm=""):
    """A question in saslauthd's protocol."""
    texts = [text.encode() for text in (user, password, service, realm)]
    return b"".join(len(text).to_bytes(2, "big") + text for text in texts)


def connect():
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(10)
    connection.connect(SOCKET)
    return connection


def status():
    return ask_latchkeyd({"ask": "status"}, path="/run/latchkey/latchkeyd.sock")["status"]


def test_a_question_may_come_in_parts(site):
    question = request("alice", site.token())
    with connect() as connection:
        for at in range(0, len(question), 100):
            connection.send(question[at:at + 100])
            status()  # latchkeyd has read the part
        assert connection.recv(99) == b"\0\2OK"
        assert connection.recv(99) == b""
    assert site.last() == ("accept", "ok")


@pytest.mark.parametrize("question", [
    request("", "password"), request("alice", ""), request("alice", "password", service=""),
    request("al\nice", "password"), request("alice", "pass\0word"), request("alice", "password", realm="\x1b[0m"),
    request("a" * 257, "password"), b"\xff\xff",
], ids=["no user", "no password", "no service", "control bytes in the user", "a NUL in the password",
        "control bytes in the realm", "a long user", "a length beyond any"])
def test_a_broken_question_is_refused_and_counted(site, question):
    before = status()["refused"]["broken"]
    with connect() as connection:
        connection.send(question)
        assert connection.recv(99) == b"\0\2NO"
        assert connection.recv(99) == b""
    assert status()["refused"]["broken"] == before + 1
    assert ask("alice", site.token())


@pytest.mark.parametrize("part", [b"", request("alice", "password")[:9]], ids=["nothing", "a part"])
def test_who_does_not_finish_the_question_is_sent_away(site, part):
    wait_until(lambda: status()["clients"] == 1, "only this question is there")
    begin = time.monotonic()
    with connect() as connection:
        connection.send(part)
        wait_until(lambda: status()["clients"] == 2, "it is there")
        assert connection.recv(99) == b""
    assert 1.5 < time.monotonic() - begin < 9
    with connect() as connection:  # and one that hangs up is gone at once
        connection.send(part)
        wait_until(lambda: status()["clients"] == 2, "it is there")
        begin = time.monotonic()
    wait_until(lambda: status()["clients"] == 1, "it is gone")
    assert time.monotonic() - begin < 1.5


def test_every_example_is_in_the_list_of_the_examples(host):
    text = (EXAMPLES / "README").read_text()
    files = {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if path.is_file()} - {"README"}
    listed = re.findall(r"^([a-z/.\d-]+)  +", text, re.M)
    assert all(any(file == name or (name.endswith("/") and file.startswith(name)) for name in listed) for file in files)
    assert all((EXAMPLES / name).exists() for name in listed)
