"""PostgreSQL, Apache, nginx, Dovecot, proftpd and Cockpit, with examples/pam.d and examples/services."""
import re
from pathlib import Path

import pytest

import tokens
from host import COMMAND, EXAMPLES, run
from pam_servers import (EXPIRED, Apache, Cockpit, Dovecot, Nginx, Postgresql, Proftpd, account_files, age_account,
                         longest_token)

TOKEN_MAX = 16384
NOLOGIN = Path("/etc/nologin")


@pytest.fixture(scope="module", params=[Postgresql, Apache, Nginx, Dovecot, Proftpd, Cockpit],
                ids=lambda door: door.service)
def started(request, session_host):
    session_host.reset()
    with request.param(session_host) as door:
        yield door


@pytest.fixture
def door(host, started):
    host.example_stack(started.service)
    yield started
    NOLOGIN.unlink(missing_ok=True)


def is_root(door):
    return door.user == "root"


# The door as it is in the examples


def test_a_token_opens(host, door):
    assert door.opens(door.token())
    verdict = host.verdicts()[-1]
    assert (verdict["reason"], verdict["service"], verdict["user"]) == ("ok", door.service, "alice")


def test_the_longest_token_is_as_long_as_the_manual_says(host, door):
    for row, options in door.ways.items():
        longest = longest_token(row)
        assert door.opens(door.token(longest), **options)
        if longest < TOKEN_MAX:
            assert not door.opens(door.token(longest * 105 // 100), **options)


@pytest.mark.parametrize("change, reason", [
    ({"lifetime": -600}, "token_expired"), ({"aud": "other"}, "audience_mismatch"),
    ({"sub": tokens.BOB, "email": "bob@example.com"}, "user_mismatch")])
def test_a_refused_token_does_not_open(host, door, change, reason):
    assert not door.opens(door.token(**change))
    assert host.reasons()[-1] == reason


def test_a_revoked_person_does_not_get_in(host, door):
    host.revoke(f"sub {tokens.ALICE}")
    assert not door.opens(door.token())
    assert host.reasons()[-1] == "token_revoked"


def test_a_rule_of_the_service_holds(host, door):
    host.write_config(f'service "{door.service}" {{ require_group = {{"ops"}} }}\n')
    assert door.opens(door.token(groups=[tokens.OPS]))
    assert not door.opens(door.token(groups=[]))
    assert host.reasons()[-1] == "group_missing"


def test_a_local_password_opens_where_the_program_is_root(host, door):
    assert door.opens("local password of alice") == is_root(door)


def test_without_a_configuration_no_token_opens(host, door):
    token = door.token()
    host.write("latchkey.conf", "nonsense\n")
    assert not door.opens(token)
    assert host.reasons()[-1] == "config_invalid"


# The account part


def test_nologin_holds_where_a_person_begins_a_session(host, door):
    NOLOGIN.touch()
    assert door.opens(door.token()) == (door.service in ("dovecot", "proftpd"))


@pytest.mark.parametrize("revoked", [True, False])
def test_the_account_part_shuts_out_revoked_people_by_itself(host, door, revoked):
    """Every proof is taken for good here. A login that no token proved passes only where pam_unix knows the account."""
    without_auth = re.sub(r"^auth(.*\\\n)*.*\n", "", (EXAMPLES / door.service).read_text(), flags=re.M)
    account = re.sub(r"(?<=\s)pam_latchkey\.so", "@MODULE@", without_auth)
    host.stack(door.service, f"auth required pam_permit.so\n{account}")
    if revoked:
        host.revoke(f"sub {tokens.ALICE}")
    assert door.opens("anything") == (is_root(door) and not revoked)
    assert host.reasons() == (["token_revoked"] if revoked else [])


def test_an_expired_account_is_shut_out_where_the_program_is_root(host, door, account_files):
    age_account("alice", EXPIRED)
    assert door.opens(door.token()) == (not is_root(door))


# The stack of a program that is root, where the program is not


GOOD_FOR_ROOT = """\
auth    [success=done cred_insufficient=ignore authinfo_unavail=ignore \\
         system_err=ignore buf_err=ignore module_unknown=ignore \\
         ignore=ignore default=die]  @MODULE@
auth    required                     pam_unix.so try_first_pass

account [success=ok new_authtok_reqd=ok ignore=ignore \\
         authinfo_unavail=ignore module_unknown=ignore \\
         default=die]  @MODULE@
account required       pam_unix.so
"""


def findings(host, service):
    """What `latchkey check` says of the stack alone."""
    output = run(COMMAND, "check", check=False).stdout
    return [line for line in output.splitlines() if f"/pam.d/{service}:" in line]


def test_the_verdict_is_accept_and_pam_unix_refuses_and_check_says_so(host, door):
    host.write_config(other_tenants=is_root(door))  # check also tells of an HMAC tenant whose secret root alone reads
    host.stack(door.service, GOOD_FOR_ROOT)
    assert door.opens(door.token()) == is_root(door)
    assert set(host.reasons()) == {"ok"}
    told = findings(host, door.service)
    if is_root(door):
        assert told == []
    else:
        assert len(told) == 1 and "every token is refused" in told[0] and f"as the user {door.user}" in told[0], told


def test_check_is_silent_about_the_example(host, door):
    host.write_config(other_tenants=is_root(door))
    assert findings(host, door.service) == []

