"""What `latchkey check` finds in the lines of a PAM stack."""
import re

import pytest

from check_site import ACCOUNT, AUTH, EXAMPLES, GOOD_STACK, UNIX
from check_site import make_site  # fixtures

STACKS = {
    "an unknown option":
        (f"{AUTH} nonsense\n{UNIX}{ACCOUNT}", "error", 1, '"nonsense" is not an option of pam_latchkey'),
    "an unknown option in a continued line":
        (f"# c\n{AUTH} \\\n# between\n  nonsense\n{UNIX}{ACCOUNT}", "error", 2, '"nonsense"'),
    "an unknown option in brackets":
        (f"{AUTH} [prompt=Your token: ] [non sense]\n{UNIX}{ACCOUNT}", "error", 1, '"non sense"'),
    "a bracket in brackets":
        (f"{AUTH} [prompt=Token [a\\]: ] [non\\]sense]\n{UNIX}{ACCOUNT}", "error", 1, '"non]sense"'),
    "a backslash in brackets":
        (f"{AUTH} [non\\sense]\n{UNIX}{ACCOUNT}", "error", 1, '"non\\sense"'),
    "an unknown option of an optional module":
        (f"-{AUTH} nonsense\n{UNIX}{ACCOUNT}", "error", 1, '"nonsense"'),
    "a module by its path":
        (f"{AUTH.replace('pam_latchkey.so', '/nonexistent/pam_latchkey.so')}\n{UNIX}{ACCOUNT}", "error", 1,
         "No such file"),
    "both first-pass options":
        (f"{UNIX}{AUTH} use_first_pass try_first_pass\n{ACCOUNT}", "error", 2, "cannot be used together"),
    "a configuration that is not there":
        (f"{AUTH} config=/nonexistent/latchkey.conf\n{UNIX}{ACCOUNT}", "error", 1, "does not load"),
    "a session line with an unknown option":
        (f"{AUTH}\n{UNIX}{ACCOUNT}session optional pam_latchkey.so nonsense\n", "error", 5, '"nonsense"'),
    "a control that libpam does not understand":
        (f"auth [success=dome default=die] pam_latchkey.so\n{UNIX}{ACCOUNT}", "error", 1, "control is not understood"),
    "an include that is not there":
        (f"{AUTH}\n{UNIX}@include common-nothing\n{ACCOUNT}", "error", 3, "included file cannot be read"),
    "required alone":
        (f"auth required pam_latchkey.so\n{ACCOUNT}", "warning", 1, "locked out while Latchkey cannot decide"),
    "required before local passwords":
        (f"auth required pam_latchkey.so\n{UNIX}{ACCOUNT}", "warning", 1, "locked out while Latchkey cannot decide"),
    "default=die, with authinfo_unavail forgotten":
        (f"auth [success=done ignore=ignore default=die] pam_latchkey.so\n{UNIX}{ACCOUNT}", "warning", 1,
         "locked out while Latchkey cannot decide"),
    "sufficient, and then only modules that never succeed":
        (f"auth sufficient pam_latchkey.so\nauth required pam_env.so\nauth required pam_deny.so\n{ACCOUNT}", "warning", 1,
         "locked out while Latchkey cannot decide"),
    "sufficient, and then only a module that never succeeds":
        (f"auth sufficient pam_latchkey.so\nauth required pam_env.so\n{ACCOUNT}", "warning", 1,
         "locked out while Latchkey cannot decide"),
    "default=bad, with ignore forgotten":
        (f"auth [success=done authinfo_unavail=ignore default=bad] pam_latchkey.so\n{UNIX}{ACCOUNT}", "warning", 1,
         "without ignore=ignore"),
    "default=die, with ignore forgotten":
        (f"auth [success=done authinfo_unavail=ignore default=die] pam_latchkey.so\n{UNIX}{ACCOUNT}", "warning", 1,
         "without ignore=ignore"),
    "no account line":
        (f"{AUTH}\n{UNIX}account required pam_unix.so\n", "warning", 1, "no account line names pam_latchkey.so"),
    "account required":
        (f"{AUTH}\n{UNIX}account required pam_latchkey.so\naccount required pam_unix.so\n", "warning", 3,
         "the account stack does not ignore it"),
    "account alone":
        (f"{AUTH}\n{UNIX}account [success=ok ignore=ignore default=die] pam_latchkey.so\n", "warning", 3,
         "Latchkey answers ignore for them"),
    "account with ignore forgotten":
        (f"{AUTH}\n{UNIX}account [success=ok authinfo_unavail=ignore default=die] pam_latchkey.so\n"
         "account required pam_unix.so\n", "warning", 3, "Latchkey answers ignore for them"),
    "account optional":
        (f"{AUTH}\n{UNIX}account optional pam_latchkey.so\naccount required pam_unix.so\n", "warning", 3,
         "revoked users can log in"),
    "account after a sufficient module":
        (f"{AUTH}\n{UNIX}account sufficient pam_localuser.so\n{ACCOUNT}", "warning", 4, "revoked users can log in"),
    "sufficient, then pam_permit":
        (f"auth sufficient pam_latchkey.so\nauth required pam_permit.so\n{ACCOUNT}", "error", 1,
         "accepts every user, without any proof"),
    "optional beside pam_permit":
        (f"auth required pam_permit.so\nauth optional pam_latchkey.so\n{ACCOUNT}", "error", 2, "accepts every user"),
    "a refusal that is ignored before pam_permit":
        (f"auth [success=ok default=ignore] pam_latchkey.so\nauth required pam_permit.so\n{ACCOUNT}", "error", 1,
         "auth_err"),
    "only an outage that is ignored before pam_permit":
        (f"auth [success=done authinfo_unavail=ignore ignore=ignore default=die] pam_latchkey.so\n"
         f"auth required pam_permit.so\n{ACCOUNT}", "error", 1, "when Latchkey answers authinfo_unavail"),
    "a jump over pam_deny":
        (f"auth [success=1 auth_err=1 default=ignore] pam_latchkey.so\nauth requisite pam_deny.so\n"
         f"auth required pam_permit.so\n{ACCOUNT}", "error", 1, "when Latchkey answers auth_err"),
    "an earlier sufficient pam_permit":
        (f"auth sufficient pam_permit.so\n{AUTH}\n{UNIX}{ACCOUNT}", "error", 2, "accepts every user"),
    "a module that grants without asking":
        (f"{AUTH}\nauth sufficient pam_localuser.so\n{UNIX}{ACCOUNT}", "error", 1, "accepts every user"),
    "a pam_nologin that agrees where nobody has been asked":
        ("auth [success=done cred_insufficient=ignore authinfo_unavail=ignore ignore=ignore default=die] "
         f"pam_latchkey.so\nauth required pam_nologin.so successok\n{ACCOUNT}", "error", 1, "accepts every user"),
    "a pam_u2f that agrees where nobody has a key":
        (f"auth optional pam_latchkey.so\nauth required pam_u2f.so cue nouserok\n{ACCOUNT}", "error", 1,
         "accepts every user"),
    "a jump that is one too short":
        ("auth [success=1 default=ignore] pam_latchkey.so\nauth [success=1 default=ignore] pam_unix.so\n"
         f"auth requisite pam_deny.so\nauth required pam_permit.so\n{ACCOUNT}", "error", 1,
         "every token is refused: the auth stack"),
    "a jump over a line that has come since":
        ("auth [success=2 default=ignore] pam_latchkey.so\nauth [success=1 default=ignore] pam_unix.so\n"
         f"auth required pam_faillock.so authfail\nauth requisite pam_deny.so\nauth required pam_permit.so\n{ACCOUNT}",
         "error", 1, "every token is refused: the auth stack"),
    "an account line that refuses what is good":
        (f"{AUTH}\n{UNIX}account [success=die default=ignore] pam_latchkey.so\naccount required pam_unix.so\n", "error", 3,
         "every token is refused: the account stack"),
    "a module that cannot be loaded, and a jump":
        ("auth [success=2 module_unknown=2 default=ignore] pam_latchkey.so\nauth [success=1 default=ignore] pam_unix.so\n"
         f"auth requisite pam_deny.so\nauth required pam_permit.so\n{ACCOUNT}", "error", 1,
         "when Latchkey answers module_unknown"),
    "optional, then pam_exec":
        (f"auth optional pam_latchkey.so\nauth required pam_exec.so /bin/true\n{ACCOUNT}", "warning", 1,
         "not known to ask for proof"),
    "optional, then pam_succeed_if":
        (f"auth optional pam_latchkey.so\nauth required pam_succeed_if.so uid >= 0\n{ACCOUNT}", "warning", 1,
         "can make the auth stack accept users without proof"),
    "optional, then pam_listfile":
        (f"auth optional pam_latchkey.so\nauth required pam_listfile.so file=/x onerr=succeed\n{ACCOUNT}", "warning", 1,
         "can make the auth stack accept users without proof"),
    "account sufficient":
        (f"{AUTH}\n{UNIX}account sufficient pam_latchkey.so\naccount required pam_unix.so\n", "warning", 3,
         "whose account has expired can log in"),
    "a jump over pam_unix's account check":
        (f"{AUTH}\n{UNIX}account [success=1 ignore=ignore authinfo_unavail=ignore default=die] pam_latchkey.so\n"
         "account required pam_unix.so\naccount required pam_permit.so\n", "warning", 3, "whose account has expired can log in"),
    "an account line of another configuration":
        (f"{AUTH}\n{UNIX}{ACCOUNT.replace('pam_latchkey.so', 'pam_latchkey.so config=/nonexistent/x')}", "warning", 3,
         "different configurations"),
    "use_first_pass before anybody asked":
        (f"{AUTH} use_first_pass\n{UNIX}{ACCOUNT}", "warning", 1, "finds nothing"),
}


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_with(site, name):
    text, severity, line, words = STACKS[name]
    site.stack("sshd", text)
    site.expect(severity, "sshd", line, words)


SILENT = {
    "an account part whose only other module never succeeds in an auth part":
        f"{AUTH}\n{UNIX}account [success=ok ignore=ignore authinfo_unavail=ignore default=die] pam_latchkey.so\n"
        "account required pam_unix.so\naccount required pam_nologin.so\n",
    "another module that is in the set twice": f"{AUTH}\n{UNIX}{UNIX}{ACCOUNT}",
    "sufficient, then local passwords": f"auth sufficient pam_latchkey.so\n{UNIX}{ACCOUNT}",
    "a jump as Debian writes it":
        "auth [success=2 default=ignore] pam_latchkey.so\nauth [success=1 default=ignore] pam_unix.so\n"
        f"auth requisite pam_deny.so\nauth required pam_permit.so\n{ACCOUNT}",
    "a comment after an option": f"{AUTH} debug # nonsense\n{UNIX}{ACCOUNT}",
    "spaces in a control": f"{AUTH.replace('=', ' = ')}\n{UNIX}{ACCOUNT}",
    "upper case": f"{AUTH.replace('auth', 'AUTH', 1)}\n{UNIX}{ACCOUNT}",
    "another module's strange option": f"{AUTH}\nauth required pam_unix.so nonsense\n{ACCOUNT}",
    "local passwords first": f"auth sufficient pam_unix.so\n"
                             f"{AUTH.replace('default=die', 'default=bad')} try_first_pass\n"
                             f"auth required pam_deny.so\n{ACCOUNT}",
    "a condition before local passwords":
        f"auth required pam_succeed_if.so uid >= 0\n{AUTH}\n{UNIX}{ACCOUNT}",
    "a password line": f"{AUTH}\n{UNIX}{ACCOUNT}password optional pam_latchkey.so\n",
}


@pytest.mark.parametrize("service, account, is_told", [
    ("su", ACCOUNT.replace("ignore=ignore", "ignore=ignore module_unknown=ignore"), True),
    ("su-l", ACCOUNT.replace("ignore=ignore", "ignore=ignore module_unknown=ignore"), True),
    ("polkit-1", ACCOUNT.replace("ignore=ignore", "ignore=ignore module_unknown=ignore"), True),
    ("polkit-1", ACCOUNT, False),
    ("su", ACCOUNT, False),
    ("sshd", ACCOUNT.replace("ignore=ignore", "ignore=ignore module_unknown=ignore"), False),
])
def test_a_module_that_a_caller_of_su_keeps_from_loading(site, service, account, is_told):
    site.stack(service, f"{AUTH}\n{UNIX}{account}")
    if is_told:
        site.expect("warning", service, 3, "with ulimit -v: revoked users")
    else:
        assert site.check() == ([], 0)


def test_an_account_part_may_hold_a_module_that_never_succeeds_in_an_auth_part(site):
    """What is known of pam_nologin is known of its auth part alone."""
    site.stack("sshd", f"{AUTH}\n{UNIX}{ACCOUNT.replace('pam_unix.so', 'pam_nologin.so')}")
    assert site.check() == ([], 0)


@pytest.mark.parametrize("options, words", [("use_first_pass nonsense", "finds nothing"),
                                            ("config=relative nonsense", "different configurations")])
def test_of_options_that_are_refused_nothing_else_is_said(site, options, words):
    site.stack("sshd", f"{AUTH} {options}\n{UNIX}{ACCOUNT}")
    found, _ = site.check()
    assert [f[:3] for f in found] == [("error", "sshd", 1)] and words not in found[0][3]


@pytest.mark.parametrize("name", SILENT)
def test_silent_about(site, name):
    site.stack("sshd", SILENT[name])
    assert site.check() == ([], 0)


COMMON_ACCOUNT = """\
account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so
account requisite pam_deny.so
account required pam_permit.so
account sufficient pam_localuser.so
account [default=bad success=ok user_unknown=ignore] pam_sss.so
"""
JUMPS = """\
account [success=2 ignore=ignore authinfo_unavail=ignore default=die] pam_latchkey.so
account substack common-account
account [default=1] pam_permit.so
account required pam_unix.so no_pass_expiry
"""


@pytest.mark.parametrize("account, words", [
    (JUMPS, "Latchkey's success skips pam_sss.so"),
    (JUMPS.replace("pam_unix.so no_pass_expiry", "pam_nologin.so"), "Latchkey's success skips pam_unix.so"),
    (ACCOUNT.replace("success=ok", "success=1") + "account required pam_time.so\n", "Latchkey's success skips pam_unix.so"),
    (ACCOUNT.replace("pam_unix.so", "@ROOT@/pam_unix.so").replace("success=ok", "success=1")
     + "account required pam_time.so\n", "/pam_unix.so: a token is accepted for accounts that this module refuses to"),
])
def test_a_module_that_a_login_by_token_skips_is_a_warning(site, account, words):
    site.write(site.root / "pam_unix.so", "")
    site.stack("common-account", COMMON_ACCOUNT)
    site.stack("sshd", f"{AUTH}\n{UNIX}{account}".replace("@ROOT@", str(site.root)))
    assert len([f for f in site.check()[0] if f[0] == "warning" and words in f[3]]) == 1, site.check()


def test_a_module_that_judges_logins_by_token_too_is_not_skipped(site):
    site.stack("common-account", COMMON_ACCOUNT)
    site.stack("sshd", f"{AUTH}\n{UNIX}{JUMPS}account [default=bad success=ok user_unknown=ignore] pam_sss.so\n")
    assert site.check() == ([], 0)
    site.stack("sshd", f"{AUTH}\n{UNIX}{JUMPS}")
    site.stack("common-account", COMMON_ACCOUNT.replace("pam_sss.so", "pam_unix.so"))
    assert site.check() == ([], 0)


def test_modules_of_common_account_that_a_stack_of_its_own_leaves_out_are_a_warning(site):
    site.stack("common-account", COMMON_ACCOUNT.replace("account sufficient pam_localuser.so\n", ""))
    site.expect("warning", "sshd", 1, "service sshd: no account line names pam_sss.so, which common-account has")
    site.write(site.root / "pam_sss.so", "")
    site.stack("sshd", GOOD_STACK + f"account required {site.root}/pam_sss.so\n")
    assert site.check() == ([], 0)
    site.stack("sshd", f"{AUTH}\n{UNIX}{ACCOUNT.replace('account required pam_unix.so', '@include common-account')}")
    assert site.check() == ([], 0)
    site.stack("sshd", GOOD_STACK)
    site.stack("common-account", COMMON_ACCOUNT.partition("account sufficient")[0] + "session required pam_sss.so\n")
    assert site.check() == ([], 0)


@pytest.mark.parametrize("second, is_told", [
    ("auth sufficient pam_latchkey.so debug\n", True),
    ("auth sufficient @ROOT@/pam_latchkey.so debug\n", True),
    ("auth sufficient pam_latchkey.so debug try_first_pass\n", False),
    ("auth sufficient pam_latchkey.so\n", False),
    ("auth sufficient pam_latchkey.so try_first_pass\n", False),
    ("password optional pam_latchkey.so debug\n", False),
])
def test_a_line_that_stands_twice_is_a_warning(site, second, is_told):
    site.write(site.root / "pam_latchkey.so", "")
    site.stack("common-auth", second.replace("@ROOT@", str(site.root)))
    site.stack("sshd", f"{AUTH} debug\n@include common-auth\n{UNIX}{ACCOUNT}")
    found, _ = site.check()
    assert [f[:3] for f in found] == ([("warning", "common-auth", 1)] if is_told else [])
    assert not is_told or f"a second time with the same arguments (first in {site.pam}/sshd:1)" in found[0][3]


def test_control_bytes_never_reach_the_terminal(site):
    site.stack("sshd", f"{AUTH} \x1b[31m\u202enonsense\n{UNIX}{ACCOUNT}".replace("[31m", "(31m"))
    output = site.run().stdout
    assert "nonsense" in output and "\x1b" not in output and "\u202e" not in output


def test_another_configuration_that_a_line_names_is_checked_too(site):
    other = site.root / "other.conf"
    site.write(other, site.conf.read_text().replace("daemon", "no-such-user"))
    site.stack("sshd", f"{AUTH} config={other}\n{UNIX}{ACCOUNT}")
    site.expect("warning", "other.conf", 6, "no-such-user")


@pytest.mark.parametrize("name", sorted(file.name for file in (EXAMPLES / "pam.d").iterdir()))
def test_the_example_stacks_have_no_findings(site, name):
    (site.pam / "sshd").unlink()
    for part, text in {
        "auth": "auth [success=1 default=ignore] pam_unix.so nullok\nauth requisite pam_deny.so\n"
                "auth required pam_permit.so\n",
        "account": "account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so\n"
                   "account requisite pam_deny.so\naccount required pam_permit.so\n",
        "password": "password required pam_unix.so\n",
        "session": "session required pam_unix.so\n",
        "session-noninteractive": "session required pam_unix.so\n",
    }.items():
        site.stack(f"common-{part}", text)
    site.stack(name, (EXAMPLES / "pam.d" / name).read_text())
    assert site.check() == ([], 0)


def stacks_of_manual():
    """The stacks of pam_latchkey(8) that lead on to local passwords, or take tokens only."""
    text = (EXAMPLES.parent / "pam" / "pam_latchkey.8").read_text().partition(".Sh STACKS")[2].partition("\n.Sh ")[0]
    stacks = re.findall(r"^\.Bd -literal\n(.*?)^\.Ed", text, re.M | re.S)
    return [stack.replace("\\e\n", "\\\n") for stack in stacks if "account" in stack]


def test_the_stacks_of_the_manual_do_what_it_says(site):
    site.stack("common-account", "account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so\n"
                                 "account requisite pam_deny.so\naccount required pam_permit.so\n")
    passwords_second, tokens_only = stacks_of_manual()
    site.stack("sshd", passwords_second)
    assert site.check() == ([], 0)
    site.stack("sshd", tokens_only)
    assert all("every user is locked out while Latchkey cannot decide" in f[3] or "logins by other means" in f[3]
               for f in site.check()[0]), site.check()
