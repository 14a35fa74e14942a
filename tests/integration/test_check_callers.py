"""What `latchkey check` finds in the stacks of programs that run PAM as a user other than root."""
import os
import pwd
import re
import socket

import pytest

from check_site import EXAMPLES, GOOD_STACK, TENANT
from check_site import make_site  # fixtures

# These programs do not run as root, and log in accounts other than their own: pam_unix answers authinfo_unavail.
TOKENS_ONLY = "auth required pam_latchkey.so\n"
TABLE = EXAMPLES.parent / "cli" / "lint" / "pam_callers.c"
CALLERS = re.findall(r'^    \{ "([a-z0-9-]+)", "', TABLE.read_text(), re.M)
assert "postgresql" in CALLERS


@pytest.mark.parametrize("service", CALLERS)
def test_a_stack_for_root_opens_to_no_token_where_pam_runs_as_another_user(site, service):
    site.stack(service, GOOD_STACK)
    site.expect("error", service, 5, "the account stack cannot end in success, because pam_unix answers authinfo_unavail")


@pytest.mark.parametrize("control, line", [("required", "pam_unix.so"), ("requisite", "pam_unix.so no_pass_expiry"),
                                           ("sufficient", "pam_unix.so\naccount required pam_deny.so")])
def test_an_account_line_of_pam_unix_that_decides_shuts_tokens_out(site, control, line):
    site.stack("nginx", f"{TOKENS_ONLY}account requisite pam_latchkey.so\naccount {control} {line}\n")
    found, status = site.check()
    assert status == 1 and [(f[0], f[1]) for f in found] == [("error", "nginx")], found


def test_a_service_by_another_name_is_known_by_its_rules(site):
    site.stack("intranet", GOOD_STACK.replace("pam_latchkey.so", "pam_latchkey.so service=apache2"))
    site.expect("error", "intranet", 5, "Apache runs PAM as the user www-data")


ACCOUNTS_OF_CALLERS = {
    "the example's": "account requisite pam_latchkey.so\n"
                     "account [success=ok authinfo_unavail=ignore default=die] pam_unix.so no_pass_expiry\n",
    "without pam_unix": "account required pam_latchkey.so\n",
    "broken_shadow": "account required pam_latchkey.so\naccount required pam_unix.so broken_shadow\n",
    "a success that skips pam_unix": "account [success=done default=die] pam_latchkey.so\n"
                                       "account required pam_unix.so\n",
}


@pytest.mark.parametrize("service", ["postgresql", "apache2", "nginx"])
@pytest.mark.parametrize("account", ACCOUNTS_OF_CALLERS)
def test_silent_about_a_stack_that_opens_where_pam_runs_as_another_user(site, service, account):
    site.stack(service, TOKENS_ONLY + ACCOUNTS_OF_CALLERS[account])
    assert site.check() == ([], 0)


@pytest.mark.parametrize("name, text, words", [
    ("a module that could ask", "auth [default=die] pam_latchkey.so\nauth required pam_sss.so\n"
     "account requisite pam_latchkey.so\n", "locked out while Latchkey cannot decide"),
    ("another module's account", f"{TOKENS_ONLY}account sufficient pam_latchkey.so\naccount required pam_sss.so\n",
     "whose account has expired can log in"),
    ("no account line", TOKENS_ONLY + "account required pam_permit.so\n", "no account line names pam_latchkey.so"),
    ("a refusal that is ignored", f"{TOKENS_ONLY}account optional pam_latchkey.so\naccount required pam_permit.so\n",
     "revoked users can log in"),
])
def test_a_program_that_is_not_root_is_judged_as_any_other(site, name, text, words):
    site.stack("nginx", text)
    found, _ = site.check()
    assert any(f[0] == "warning" and words in f[3] for f in found), found


@pytest.mark.parametrize("service", ["i3lock", "swaylock", "vlock"])
def test_a_locker_runs_as_the_account_that_it_judges(site, service):
    site.stack(service, GOOD_STACK)
    assert site.check() == ([], 0)


def hmac_tenant(site, latchkeyd=""):
    secret = site.root / "hmac.key"
    site.write(secret, "0123456789abcdef0123456789abcdef", mode=0o600)
    os.chown(secret, 0, 0)
    site.configure(blocks=site.blocks.replace("{ sub", f'{{ tenant = "{TENANT}"  sub') + f"""
        tenant "h" {{
            issuer = "https://h.example.com"
            audience = {{"h"}}
            tenant_claim = ""
            hmac_secret_file = "{secret}"
            algorithms = {{"HS256"}}
        }}
        {latchkeyd}""")
    site.stack("apache2", TOKENS_ONLY + ACCOUNTS_OF_CALLERS["the example's"])


def test_a_secret_that_the_program_may_not_read_needs_a_place_in_allow(site):
    hmac_tenant(site)
    site.expect("warning", "apache2", 1, 'tokens of tenant "h" are refused: the user www-data may not read')
    hmac_tenant(site, 'latchkeyd { user = "daemon"  allow = {"www-data"} }')
    assert site.check() == ([], 0)
    hmac_tenant(site, 'latchkeyd { user = "daemon"  allow = {"@www-data"} }')
    assert site.check() == ([], 0)
    hmac_tenant(site, 'latchkeyd { user = "daemon"  allow = {"@daemon", "daemon"} }')
    site.expect("warning", "apache2", 1, "are refused")


def test_a_secret_of_the_programs_own_user_is_readable(site):
    hmac_tenant(site)
    os.chown(site.root / "hmac.key", pwd.getpwnam("www-data").pw_uid, -1)
    assert [f for f in site.check()[0] if f[1] == "apache2"] == []


def test_a_program_that_may_not_ask_latchkeyd_is_told_what_it_loses(site):
    path = site.root / "latchkeyd.sock"
    site.stack("apache2", TOKENS_ONLY + ACCOUNTS_OF_CALLERS["the example's"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        blocks = site.blocks.rstrip("\n").rstrip("}") + "  api_key = true }\n" + f'latchkeyd {{ socket = {{"{path}"}} %s }}\n'
        asked = 'service "apache2" { credentials = {"jwt", "api_key"} }\n'
        site.configure(blocks=blocks % "" + asked)
        site.expect("warning", "apache2", 1, "API keys are refused")
        site.expect("note", "apache2", 1, "does not ask for a newer key set")
        site.configure(blocks=blocks % 'allow = {"www-data"}' + asked)
        assert [f for f in site.check()[0] if f[1] == "apache2"] == []
