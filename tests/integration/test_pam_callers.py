"""
What a program that is not root can have: an account's expiry through the group shadow, and through latchkeyd the
answers that its user cannot find itself. The stack is examples/pam.d/postgresql; pamhost runs it as the user postgres.
"""
import shutil

import pytest

import tokens
from daemon import Daemon
from host import COMMAND, run, wait_until
from pam_servers import EXPIRED, PASSWORD_TOO_OLD, account_files, age_account
from servers import join_group

SUCCESS, AUTHINFO_UNAVAIL, ACCT_EXPIRED = 0, 9, 13
ALLOW = 'allow = {"postgres"}'
HMAC = """
tenant "hmac" {{
    issuer           = "{issuer}"
    audience         = {{"host"}}
    tenant_claim     = ""
    algorithms       = {{"HS256"}}
    hmac_secret_file = "{secret}"
}}
"""


@pytest.fixture
def caller(host):
    """Runs the example's stack as PostgreSQL's user; the codes of authentication and account."""
    host.example_stack("postgresql")

    def log_in_as_caller(credential, user="alice"):
        done = host.pamhost("-u", user, "-c", "authenticate,account", service="postgresql", answers=[credential],
                            under=host.as_user("postgres"))
        return [int(code[0]) for code in (done.authenticate, done.account) if code]
    return log_in_as_caller


@pytest.mark.parametrize("reads_shadow", [False, True])
def test_an_account_that_has_expired_is_seen_by_members_of_the_group_shadow(host, caller, account_files, reads_shadow):
    if reads_shadow:
        join_group("postgres", "shadow")
    assert caller(host.token()) == [SUCCESS, SUCCESS]
    age_account("alice", EXPIRED)
    assert caller(host.token()) == [SUCCESS, ACCT_EXPIRED if reads_shadow else SUCCESS]


def test_the_age_of_a_local_password_does_not_count(host, caller, account_files):
    join_group("postgres", "shadow")
    age_account("alice", PASSWORD_TOO_OLD)
    assert caller(host.token()) == [SUCCESS, SUCCESS]


STACK_OF_ROOT = "auth required @MODULE@\naccount requisite @MODULE@\naccount required pam_unix.so no_pass_expiry\n"


@pytest.mark.parametrize("reads_shadow", [False, True])
def test_check_knows_whether_the_user_is_in_the_group_shadow(host, caller, account_files, reads_shadow):
    host.write_config(other_tenants=False)
    host.stack("postgresql", STACK_OF_ROOT)
    if reads_shadow:
        join_group("postgres", "shadow")
    assert caller(host.token()) == [SUCCESS, SUCCESS if reads_shadow else AUTHINFO_UNAVAIL]
    told = [line for line in run(COMMAND, "check", check=False).stdout.splitlines() if "/pam.d/postgresql:" in line]
    assert [line for line in told if "every token is refused" not in line] == []
    assert len(told) == (0 if reads_shadow else 1), told


@pytest.mark.parametrize("with_daemon, latchkeyd_options, accepted", [
    (True, ALLOW, True), (True, "", False), (False, "", True)],
    ids=["latchkeyd serves the user", "latchkeyd does not serve the user", "no latchkeyd runs"])
def test_an_api_key(site, caller, with_daemon, latchkeyd_options, accepted):
    site.configure(latchkeyd_options=latchkeyd_options)
    expected = [SUCCESS, SUCCESS] if accepted else [AUTHINFO_UNAVAIL]
    if not with_daemon:
        assert caller(site.tenant.api_key, "svc-backup") == expected
        return
    site.give_keys_to_daemon()
    with Daemon(site.host):
        assert caller(site.tenant.api_key, "svc-backup")[:len(expected)] == expected


@pytest.mark.parametrize("latchkeyd_options, accepted", [(ALLOW, True), ("", False)], ids=["may ask", "may not"])
def test_a_secret_that_the_user_may_not_read(site, caller, latchkeyd_options, accepted):
    secret = site.host.write("hmac.key", tokens.HMAC_SECRET, mode=0o600)
    site.configure(latchkeyd_options=latchkeyd_options, more=HMAC.format(issuer=tokens.HMAC_ISSUER, secret=secret))
    token = site.host.keys["HS256"].sign(tokens.short_claims(tokens.HMAC_ISSUER))
    assert caller(token)[0] == AUTHINFO_UNAVAIL  # no latchkeyd runs
    site.give_keys_to_daemon()
    shutil.chown(secret, "latchkey")
    with Daemon(site.host):
        assert caller(token)[0] == (SUCCESS if accepted else AUTHINFO_UNAVAIL)


@pytest.mark.parametrize("latchkeyd_options, accepted", [(ALLOW, True), ("", False)], ids=["may ask", "may not"])
def test_a_token_of_a_newer_key(site, caller, latchkeyd_options, accepted):
    site.configure(latchkeyd_options=latchkeyd_options)
    site.give_keys_to_daemon()
    with Daemon(site.host) as daemon:
        wait_until(lambda: daemon.status()["tenants"][0]["keys"], "latchkeyd has looked for the key set")
        site.tenant.rotate()
        codes = caller(site.tenant.token(tokens.ALICE))
        assert codes[0] == (SUCCESS if accepted else AUTHINFO_UNAVAIL), site.host.verdicts()
        # The administrator reads in the log what to change.
        assert accepted or "allow" in site.host.verdicts()[0]["detail"]
