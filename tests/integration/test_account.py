"""The account phase: also for those who come by public key."""
import re
import time
from pathlib import Path

import pytest

import tokens
from host import PASSWORDS, PRIVATE, run

PLAIN = """
@include common-auth
account [success=ok ignore=ignore authinfo_unavail=ignore module_unknown=ignore default=die] @MODULE@
@include common-account
session required pam_permit.so
"""


@pytest.fixture(params=["the example stack", "the account line alone"])
def host_with_account_line(host, request):
    if request.param == "the account line alone":
        host.stack("sshd", PLAIN)
    return host


def test_a_public_key_opens_the_account_of_a_person_who_is_not_revoked(host_with_account_line):
    done = host_with_account_line.ssh("alice", public_key=True)
    assert (done.returncode, done.stdout) == (0, "alice\n"), done.stderr
    assert host_with_account_line.verdicts() == []


def test_a_public_key_does_not_open_the_account_of_a_revoked_person(host_with_account_line):
    host_with_account_line.revoke(f"sub {tokens.ALICE}")
    done = host_with_account_line.ssh("alice", public_key=True)
    assert done.returncode == 255 and done.stdout == ""
    [verdict] = host_with_account_line.verdicts()
    assert (verdict["reason"], verdict["user"], verdict["credential"]) == ("token_revoked", "alice", "none")
    assert host_with_account_line.ssh("bob", public_key=True).returncode == 0


def test_a_revoked_person_whom_a_pattern_maps_loses_the_token_and_keeps_the_public_key(host):
    """Who has the account is not known without a token: the manual promises nothing more."""
    host.revoke(f"sub {tokens.BOB}")
    assert host.ssh("bob", host.token(sub=tokens.BOB, email="bob@example.com")).returncode == 255
    assert host.reasons() == ["token_revoked"]
    assert host.ssh("bob", public_key=True).returncode == 0


def test_a_local_password_does_not_open_the_account_of_a_revoked_person(host):
    host.revoke(f"sub {tokens.ALICE}")
    assert host.ssh("alice", typed="", password=PASSWORDS["alice"]).returncode == 255
    assert host.reasons() == ["credential_absent", "token_revoked"]


def test_a_revocation_list_that_cannot_be_read_locks_no_public_key_out(host_with_account_line):
    host_with_account_line.revoke("everybody")
    assert host_with_account_line.ssh("alice", public_key=True).returncode == 0
    assert host_with_account_line.reasons() == ["revocation_unavailable"]


def test_rule_35_without_a_token_login_account_and_setcred_answer_ignore(host):
    """PAM_IGNORE of the only line reads PAM_PERM_DENIED (6); beside pam_permit it changes nothing."""
    host.stack("pamtester", "auth required @MODULE@\naccount required @MODULE@\n")
    alone = host.pamhost("-u", "alice", "-c", "account,setcred")
    assert (alone.account, alone.setcred) == (["6"], ["6"])
    host.stack("pamtester", "auth required @MODULE@\nauth required pam_permit.so\n"
                            "account required @MODULE@\naccount required pam_permit.so\n")
    beside = host.pamhost("-u", "alice", "-c", "account,setcred")
    assert (beside.account, beside.setcred) == (["0"], ["0"])


def test_rule_35_chauthtok_never_succeeds(host):
    host.stack("pamtester", "password required @MODULE@\n")
    assert host.pamhost("-u", "alice", "-c", "chauthtok").chauthtok != ["0"]


def test_peer_acct_mgmt_does_not_always_succeed_a_token_login_is_judged_again_in_the_account_phase(host):
    """Between the two phases a script, run by pam_exec, writes the revocation."""
    script = PRIVATE / "revoke"
    script.write_text(f"#!/bin/sh\necho 'jti this-one' >{host.etc}/revoked\n")
    script.chmod(0o755)
    host.stack("pamtester", f"auth required @MODULE@\nauth required pam_exec.so {script}\naccount required @MODULE@\n")
    result = host.pamhost("-u", "alice", "-c", "authenticate,account", answers=[host.token(jti="this-one")])
    assert (result.authenticate, result.account) == (["0"], ["6"])
    assert host.reasons() == ["ok", "token_revoked"]


def test_a_token_login_is_not_waved_through_when_latchkey_breaks_in_between(host):
    script = PRIVATE / "spoil"
    script.write_text(f"#!/bin/sh\necho nonsense >>{host.etc}/latchkey.conf\n")
    script.chmod(0o755)
    host.stack("pamtester", f"auth required @MODULE@\nauth required pam_exec.so {script}\n"
                            "account [success=ok ignore=ignore authinfo_unavail=ignore default=die] @MODULE@\n"
                            "account required pam_permit.so\n")
    result = host.pamhost("-u", "alice", "-c", "authenticate,account", answers=[host.token()])
    assert (result.authenticate, result.account) == (["0"], ["6"])


@pytest.mark.parametrize("config", ["", "config={etc}/latchkey.conf"], ids=["default", "config="])
def test_a_token_login_is_not_waved_through_by_an_account_line_with_a_wrong_option(host, config):
    config = config.format(etc=host.etc)
    host.stack("pamtester", f"auth required @MODULE@ {config}\n"
                            "account [success=ok ignore=ignore authinfo_unavail=ignore default=die] @MODULE@ nonsense\n"
                            "account required pam_permit.so\n")
    result = host.pamhost("-u", "alice", "-c", "authenticate,account", answers=[host.token()])
    assert (result.authenticate, result.account) == (["0"], ["6"])
    assert host.reasons() == ["ok", "option_invalid"]


# An account that several people share

def ways_into_root(host):
    """Which of them open: the password, the public key, the token of each of the two."""
    return [host.ssh("root", typed="", password=PASSWORDS["root"]).returncode == 0,
            host.ssh("root", public_key=True).returncode == 0,
            host.ssh("root", host.token(sub=tokens.ADMIN)).returncode == 0,
            host.ssh("root", host.token(sub=tokens.BOB)).returncode == 0]


@pytest.mark.parametrize("revoked, opened", [
    ([], [True, True, True, True]),
    ([tokens.ADMIN], [True, True, False, True]),
    ([tokens.BOB], [True, True, True, False]),
    ([tokens.ADMIN, tokens.BOB], [False, False, False, False]),
], ids=["nobody", "the first", "the second", "both"])
def test_root_of_two_people_is_shut_when_both_are_revoked(host, revoked, opened):
    host.write_config('user "root" { sub = {"%s", "%s"} }' % (tokens.ADMIN, tokens.BOB))
    host.revoke(*(f"sub {sub}" for sub in revoked))
    assert ways_into_root(host) == opened


# What shadow(5) says of the account: its own end holds for everybody, the age of its password for who typed it

TODAY = int(time.time()) // 86400
AGED = {
    "older than its maximum": {"oldest": 90},
    "older than its maximum and inactive": {"oldest": 90, "inactive": 30},
    "to be changed at the first login": {"changed": 0},
}


@pytest.fixture(name="shadow")
def keep_shadow(host):
    """A host whose /etc/shadow is put back after the test."""
    before = Path("/etc/shadow").read_text()
    yield host
    Path("/etc/shadow").write_text(before)


def by_ssh(host, token=None):
    """Whether alice gets in by ssh, with the token or with her password, and what she was told."""
    done = host.ssh("alice", token, **({} if token else {"typed": "", "password": PASSWORDS["alice"]}))
    return done.returncode == 0 and done.stdout == "alice\n", done.stderr


def by_sudo(host, token=None, login=False):
    done = host.sudo("alice", token, login=login, **({} if token else {"typed": "", "password": PASSWORDS["alice"]}))
    return done.returncode == 0 and done.stdout == "root\n", done.stderr


def at_terminal(host, token, *argv, user=None, prompts=()):
    """`prompts` are what comes between the token and the command, and what is typed there."""
    with host.terminal(*argv, user=user) as terminal:
        if token:
            terminal.type_token(token, 4095)
        else:
            terminal.expect("Access token: ")
            terminal.type("")
            terminal.expect("Password: ")
            terminal.type(PASSWORDS["alice"])
        for prompt, answer in prompts:
            terminal.expect(prompt)
            terminal.type(answer)
        status, output = terminal.wait()
    return status == 0 and re.search(r"^alice\r?$", output, re.M) is not None, output


CHANGE = [(r"Current password: ", "wrong")]  # passwd(1)'s question, which this person cannot answer


def by_su(host, token=None, changes=False):
    return at_terminal(host, token, "su", "alice", "-c", "id -un", user="bob", prompts=CHANGE if changes else ())


def by_login(host, token=None, changes=False):
    prompts = CHANGE if changes else [(r"\$ ", "id -un; exit")]
    return at_terminal(host, token, "login", "alice", prompts=prompts)


WAYS = {"ssh": by_ssh, "sudo": by_sudo, "sudo -i": lambda host, token=None: by_sudo(host, token, login=True), "su": by_su}


@pytest.mark.parametrize("age", AGED)
@pytest.mark.parametrize("way", WAYS)
def test_an_aged_password_keeps_no_token_out(shadow, way, age):
    shadow.set_shadow("alice", **AGED[age])
    let_in, told = WAYS[way](shadow, shadow.token())
    assert let_in and "required to change" not in told, told


def test_login_at_a_terminal_takes_a_token_when_the_password_is_aged(shadow):
    shadow.set_shadow("alice", oldest=90)
    let_in, told = by_login(shadow, shadow.token())
    assert let_in, told


@pytest.mark.parametrize("way", WAYS)
def test_an_aged_password_is_still_to_be_changed_by_who_types_it(shadow, way):
    assert WAYS[way](shadow)[0]
    shadow.set_shadow("alice", oldest=90)
    let_in, told = by_su(shadow, changes=True) if way == "su" else WAYS[way](shadow)
    asked = shadow.prompts("root" if way == "ssh" else "alice")
    assert not let_in and "Current password:" in told + "".join(asked), told
    shadow.set_shadow("alice", oldest=90, inactive=30)
    assert not WAYS[way](shadow)[0]


def test_login_at_a_terminal_still_asks_who_types_an_aged_password_to_change_it(shadow):
    assert by_login(shadow)[0]
    shadow.set_shadow("alice", oldest=90)
    let_in, told = by_login(shadow, changes=True)
    assert not let_in and "required to change your password" in told, told


def test_a_public_key_is_judged_as_without_latchkey_an_aged_password_is_to_be_changed(shadow):
    shadow.set_shadow("alice", oldest=90)
    done = shadow.ssh("alice", public_key=True)
    assert done.returncode != 0 and "required to change your password" in done.stderr
    shadow.set_shadow("alice", oldest=90, inactive=30)
    assert shadow.ssh("alice", public_key=True).returncode == 255


@pytest.mark.parametrize("way", WAYS)
def test_an_expired_account_lets_in_neither_a_token_nor_a_password(shadow, way):
    shadow.set_shadow("alice", expires=TODAY + 1)
    assert WAYS[way](shadow, shadow.token())[0] and WAYS[way](shadow)[0]
    shadow.set_shadow("alice", expires=TODAY)
    assert not WAYS[way](shadow, shadow.token())[0] and not WAYS[way](shadow)[0]


def test_usermod_expires_an_account_for_tokens_and_public_keys(shadow):
    run("usermod", "-e", "1", "alice")
    assert not by_ssh(shadow, shadow.token())[0]
    assert shadow.ssh("alice", public_key=True).returncode == 255


@pytest.mark.parametrize("way", WAYS)
def test_a_locked_password_stops_no_token(shadow, way):
    run("usermod", "-L", "alice")
    assert WAYS[way](shadow, shadow.token())[0]
    assert way != "ssh" or not by_ssh(shadow)[0]


def test_sudo_does_not_ask_for_a_new_password_while_it_remembers_a_token(shadow):
    """The second sudo authenticates nobody: only its account phase runs, in which Latchkey knows of no login."""
    shadow.set_shadow("alice", oldest=90)
    env = shadow.environment("alice", shadow.token(), None, None)
    env["SUDO_ASKPASS"] = env.pop("ASKPASS")
    done = run(*shadow.as_user("alice"), "sh", "-c", "sudo -k; sudo -A true && sudo -n id -un", env=env, check=False)
    assert (done.returncode, done.stdout) == (0, "root\n"), done.stderr
