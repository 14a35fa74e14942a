"""The account phase: also for those who come by public key."""
import pytest

import tokens
from host import PASSWORDS, PRIVATE

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
