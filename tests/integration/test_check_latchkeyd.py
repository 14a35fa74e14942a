"""What `latchkey check` finds in API keys and latchkeyd, with a double in its place. test_commands.py asks the real one."""
import json
import socket
import tempfile
import threading

import pytest

from check_site import TENANT, latchkeyd_block
from check_site import make_site  # fixtures

API_KEYS = 'user "daemon" {{ sub = {{"x"}} api_key = true }}\nservice "sshd" {{ credentials = {{"api_key"}} }}\n{}'


def test_api_keys_that_nobody_exchanges_are_a_warning(site):
    for program, words in (("", "no program is configured"), (site.keys, f"{site.keys} cannot be started"),
                           (site.root / "nowhere", "cannot be started")):
        site.configure(blocks=API_KEYS.format(latchkeyd_block(site, program=f'"{program}"')))
        site.expect("warning", "latchkey.conf", 10 if program else 8, words)
    site.configure(blocks=API_KEYS.format(latchkeyd_block(site, program='"/bin/true"')))
    assert site.check() == ([], 0)


def test_nobody_to_exchange_api_keys_is_no_matter_where_none_is_taken(site):
    site.configure(blocks=site.blocks + latchkeyd_block(site, program='""'))
    assert site.check() == ([], 0)


def test_a_socket_on_which_nobody_listens_is_a_warning(site):
    with tempfile.TemporaryDirectory() as directory:  # pytest's path is too long for a socket's
        path = f"{directory}/left-over"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left_over:
            left_over.bind(path)
        site.configure(blocks=site.blocks + latchkeyd_block(site, socket='{"%s"}' % path))
        site.expect("warning", "left-over", None, f"no latchkeyd answers: latchkeyd does not listen on {path}")


def test_a_user_of_latchkeyd_that_is_missing_is_a_note_where_one_is_configured(site):
    site.configure(blocks=site.blocks + latchkeyd_block(site).replace('"daemon"', '"no-such-user"'))
    site.expect("note", "latchkey.conf", 9, 'latchkeyd runs as user "no-such-user", which does not exist')


class Latchkeyd(threading.Thread):
    """Answers one question for the status with what it is given; test_commands.py asks the real one."""

    def __init__(self, **status):
        super().__init__(daemon=True)
        self.answer = json.dumps({"answer": "ok", "status": status}).encode()
        self.directory = tempfile.TemporaryDirectory()  # pytest's path is too long for a socket's
        self.path = f"{self.directory.name}/socket"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        self.listener.listen()

    def run(self):
        client, _ = self.listener.accept()
        with client:
            client.recv(65536)
            client.send(self.answer)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.join(10)
        self.listener.close()
        self.directory.cleanup()


def status_findings(site, **status):
    with Latchkeyd(**status) as latchkeyd:
        site.configure(blocks=site.blocks + latchkeyd_block(site, socket='{"%s"}' % latchkeyd.path))
        found, _ = site.check()
    assert all(file == "socket" for _, file, _, _ in found), found
    return [(severity, message) for severity, _, _, message in found]


@pytest.mark.parametrize("seconds, words", [
    (0, "0 s"), (1, "1 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172799, "47 h"),
    (172800, "2 d"), (2**53 - 1, f"{(2**53 - 1) // 86400} d"), (2**53, "0 s"), (-1, "0 s"), ("1", "0 s"), (None, "0 s"),
])
def test_how_long_latchkeyd_has_served_is_told_in_one_unit(site, seconds, words):
    [(severity, message)] = status_findings(site, version="1.0", uptime=seconds)
    assert severity == "note" and f"latchkeyd 1.0 has run for {words}: " in message


def test_each_number_of_the_status_stands_in_its_place(site):
    names = ("exchange", "refresh", "signature", "authenticate")
    [(_, message)] = status_findings(
        site, asked={name: i + 1 for i, name in enumerate(names)}, passwords=5,
        refused={"peer": 6, "rate": 7, "crowded": 8, "guesses": 9, "broken": 10}, cache={"entries": 11, "hits": 12, "misses": 13})
    assert ("answered 1 exchanges, 2 refreshes, 3 signatures, 4 logins, 5 passwords; refused 6 by allow, 7 by rate, 8 as too "
            "many at once, 9 as guesses, 10 as broken; cache: 11 entries, 12 hits, 13 misses") in message


@pytest.mark.parametrize("fault, warnings", [("no such file", 1), ("", 0), (None, 0)])
def test_a_configuration_that_latchkeyd_cannot_use_is_a_warning(site, fault, warnings):
    told = [message for severity, message in status_findings(site, configuration_fault=fault) if severity == "warning"]
    assert len(told) == warnings and all("cannot use its configuration: no such file" in message for message in told)


@pytest.mark.parametrize("tenant, note, warning", [
    ({"breaker": "closed", "keys_looked_at": 2**52, "keys": "replaced"},
     "breaker closed; the last refresh of the key set was 0 s ago: replaced", None),
    ({"breaker": "closed", "keys_looked_at": None}, "breaker closed; the key set was not refreshed yet", None),
    ({"breaker": "open", "failures": 5, "keys_looked_at": None}, "breaker open", "its service failed 5 times in a row"),
    ({"breaker": "closed", "keys_failure": "time-out"}, "breaker closed", "could not be refreshed: time-out"),
    ({"breaker": "closed", "keys_failure": ""}, "breaker closed", None),
    ({"id": "another", "breaker": "closed"}, "breaker closed; no key set is refreshed", None),
])
def test_each_tenant_of_latchkeyd_is_told(site, tenant, note, warning):
    found = status_findings(site, tenants=[{"id": TENANT} | tenant])[1:]
    [said] = [message for severity, message in found if severity == "note"]
    assert note in said
    warned = [message for severity, message in found if severity == "warning"]
    assert len(warned) == (warning is not None) and all(warning in message for message in warned)
