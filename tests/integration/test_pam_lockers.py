"""i3lock under Xvfb, where xdotool types, and vlock at a terminal, as alice, with the stacks of examples/pam.d."""
import os
import re
import subprocess

import pytest
from Xlib import X, display

import tokens
from host import PASSWORDS, run, wait_until
from pam_servers import longest_token
from servers import processes


PASSED_ON = {"ok", "credential_not_allowed"}  # verdicts after which i3lock ends, in these tests


@pytest.fixture(scope="module")
def screen():
    """The DISPLAY of an X server."""
    read, write = os.pipe()
    server = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "Xvfb", "-displayfd", str(write), "-ac", "-screen",
                               "0", "64x64x8", "-nolisten", "tcp"], pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as number:
        yield f":{number.readline().strip()}"
    server.terminate()
    server.wait()


def keyboard_is_taken(screen):
    connection = display.Display(screen)
    try:
        answer = connection.screen().root.grab_keyboard(False, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime)
        return answer == X.AlreadyGrabbed
    finally:
        connection.close()  # which gives the keyboard back


@pytest.fixture
def i3lock(host, screen):
    host.example_stack("i3lock")
    env = {"DISPLAY": screen, "PATH": os.environ["PATH"], "HOME": "/tmp"}
    wait_until(lambda: not keyboard_is_taken(screen), "the X server has noticed the end of an earlier i3lock")
    locker = subprocess.Popen([*host.as_user("alice"), "i3lock", "-n", "-c", "000000"], env=env,
                              stderr=subprocess.DEVNULL)
    wait_until(lambda: keyboard_is_taken(screen), "i3lock has the keyboard")

    def unlocks(text):
        """Whether the session is open after the text and a return."""
        for _ in range(3):  # on a busy machine the X server may lose keys that are typed at once
            run("xdotool", "key", "Escape", env=env)
            run("xdotool", "type", "--delay", "3", "--file", "-", env=env, input=text)
            run("xdotool", "key", "Return", env=env)
            if has_decided():
                return locker.poll() is not None
        raise AssertionError("i3lock has not decided")

    def has_decided():
        try:
            wait_until(lambda: locker.poll() is not None or set(host.reasons()) - PASSED_ON, "i3lock has decided", 10)
        except AssertionError:
            return False
        return True
    yield unlocks
    locker.kill()
    locker.wait()


def short_token(host, length=None, **changes):
    claims = tokens.short_claims(tokens.OIDC_ISSUER) | changes
    key = host.keys["EdDSA"]
    return key.sign_to_length(claims, length) if length else key.sign(claims)


def test_a_short_token_unlocks_i3lock(host, i3lock):
    assert i3lock(short_token(host))
    assert host.verdicts()[0]["service"] == "i3lock"


def test_the_longest_token_that_i3lock_takes(host, i3lock):
    assert not i3lock(short_token(host, longest_token("i3lock") + 1))
    host.syslog.clear()
    assert i3lock(short_token(host, longest_token("i3lock")))


@pytest.mark.parametrize("revoked", [False, True], ids=["expired", "revoked"])
def test_a_refused_token_leaves_i3lock_locked(host, i3lock, revoked):
    if revoked:
        host.revoke(f"sub {tokens.ALICE}")
    assert not i3lock(short_token(host, **({} if revoked else {"exp": 1_000_000})))
    assert host.reasons() == ["token_revoked" if revoked else "token_expired"]


# vlock


class Vlock:
    def __init__(self, host):
        host.example_stack("vlock")
        self.host = host

    def type_all(self, *parts):
        """The exit status when vlock has ended, and all that it said; None while it is locked and asks anew."""
        with self.host.terminal("vlock", "-c", user="alice") as terminal:
            terminal.expect("ENTER")
            wait_until(lambda: processes("vlock-main"), "vlock has begun")
            [pid] = processes("vlock-main")
            terminal.wait_until_asleep(pid)
            terminal.type("")
            for i, part in enumerate(parts):
                terminal.expect("alice's Access token: " if i == 0 else re.escape(f"{511 * i} so far): "))
                terminal.wait_until_asleep(pid)
                terminal.type(part)
            wait_until(lambda: pid not in processes("vlock-main") or self.refused(terminal), "vlock has decided")
            return None if pid in processes("vlock-main") else terminal.wait()[0]

    @staticmethod
    def refused(terminal):
        terminal.read(0.05)
        return b"root's" in terminal.seen

    def unlocks(self, token):
        return self.type_all(*(token[i:i + 511] for i in range(0, len(token), 511))) == 0


@pytest.fixture
def vlock(host):
    return Vlock(host)


@pytest.mark.parametrize("length", [None, 4000, "longest"])
def test_a_token_unlocks_vlock(host, vlock, length):
    length = longest_token("vlock") if length == "longest" else length
    token = host.keys["ES256"].sign_to_length(tokens.claims(), length) if length else host.token()
    assert vlock.unlocks(token)
    assert host.reasons() == ["ok"]


def test_a_local_password_unlocks_vlock(vlock):
    assert vlock.type_all(PASSWORDS["alice"]) == 0


@pytest.mark.parametrize("revoked", [False, True], ids=["expired", "revoked"])
def test_a_refused_token_leaves_vlock_locked(host, vlock, revoked):
    if revoked:
        host.revoke(f"sub {tokens.ALICE}")
    assert not vlock.unlocks(host.token(lifetime=600 if revoked else -600))
    assert host.reasons() == ["token_revoked" if revoked else "token_expired"]


def test_lockers_ask_for_no_account_so_a_revoked_person_unlocks_by_local_password(host, vlock, i3lock):
    host.revoke(f"sub {tokens.ALICE}")
    assert vlock.type_all(PASSWORDS["alice"]) == 0
    host.syslog.clear()
    assert i3lock(PASSWORDS["alice"])
    assert "token_revoked" not in host.reasons()
