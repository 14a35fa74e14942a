"""What `latchkey check` says of local accounts: shadow(5), shells(5), and the stacks that heed them."""
import re
import shutil
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

import tokens
from check_site import ACCOUNT, AUTH, EXAMPLES, TENANT, UNIX, Site
from host import COMMAND, PRIVATE, run

TODAY = int(time.time()) // 86400
HEEDS = f"{AUTH}\n{UNIX}{ACCOUNT}"
DROPS = HEEDS.replace("account required pam_unix.so", "account required pam_unix.so no_pass_expiry")
DEBIAN = (f"{AUTH}\n{UNIX}account [success=ok ignore=ignore authinfo_unavail=ignore default=die] pam_latchkey.so\n"
          "account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so\naccount requisite pam_deny.so\n"
          "account required pam_permit.so\n")
BLOCK = f'user "alice" {{ sub = {{"{tokens.ALICE}"}} }}\n'
MAP = 'map { claim = "upn"  pattern = "^(alice|bob)@x$" }\n'


@pytest.fixture(name="site")
def make_site(host, tmp_path):
    """A site in which alice's account is open, on a host whose accounts are put back after the test."""
    kept = {path: path.read_text() for path in (Path("/etc/shadow"), Path("/etc/passwd"), Path("/etc/shells"))}
    site = Site(tmp_path)
    site.set_shadow = host.set_shadow
    site.blocks = BLOCK
    site.configure()
    site.stack("sshd", HEEDS)
    assert site.check() == ([], 0)
    yield site
    for path, text in kept.items():
        path.write_text(text)


AGED = {
    "older than its maximum": ({"oldest": 90}, True),
    "one day older than its maximum": ({"changed": TODAY - 91, "oldest": 90}, True),
    "as old as its maximum": ({"changed": TODAY - 90, "oldest": 90}, False),
    "inactive": ({"oldest": 90, "inactive": 30}, True),
    "of a future day": ({"changed": TODAY + 5, "oldest": 90}, False),
    "to be changed at the first login": ({"changed": 0}, True),
    "without a day of its change, and a maximum": ({"changed": "", "oldest": 90}, True),
    "without a day of its change": ({"changed": ""}, False),
    "without a maximum": ({}, False),
}


@pytest.mark.parametrize("age", AGED)
def test_an_aged_password_that_shuts_a_token_out_is_a_warning(site, age):
    fields, is_aged = AGED[age]
    site.set_shadow("alice", **fields)
    for stack in (HEEDS, DEBIAN):
        site.stack("sshd", stack)
        told = [f for f in site.check()[0] if "local password is too old, which" in f[3]]
        assert len(told) == is_aged, told
        assert all(f[:3] == ("warning", "sshd", 3) and "service sshd: every token is refused for alice:" in f[3] for f in told)
    site.stack("sshd", DROPS)
    assert site.check() == ([], 0)


@pytest.mark.parametrize("inactive, is_told", [(TODAY - 20000 - 91, True), (TODAY - 20000 - 90, False)])
def test_a_stack_may_take_a_password_to_be_changed_and_refuse_one_that_is_inactive(site, inactive, is_told):
    site.stack("sshd", HEEDS.replace("account required pam_unix.so",
                                     "account [success=ok new_authtok_reqd=ignore default=bad] pam_unix.so\n"
                                     "account required pam_permit.so"))
    site.set_shadow("alice", oldest=90, inactive=inactive)
    assert bool([f for f in site.check()[0] if "local password is too old, which" in f[3]]) is is_told


@pytest.mark.parametrize("name", sorted(file.name for file in (EXAMPLES / "pam.d").iterdir()))
def test_no_example_stack_heeds_the_age_of_a_password(site, name):
    for part in ("auth", "account", "password", "session", "session-noninteractive"):
        site.stack(f"common-{part}", Path(f"/etc/pam.d/common-{part}").read_text())
    (site.pam / "sshd").unlink()
    site.stack(name, (EXAMPLES / "pam.d" / name).read_text())
    for fields in ({"oldest": 90}, {"oldest": 90, "inactive": 30}):
        site.set_shadow("alice", **fields)
        assert not [f for f in site.check()[0] if "password is too old" in f[3]]


@pytest.mark.parametrize("days, is_told", [(366, True), (367, False)])
def test_a_password_that_will_age_within_a_year_is_a_note(site, days, is_told):
    site.set_shadow("alice", changed=TODAY - 10, oldest=days + 9)
    day = (date.today() + timedelta(days=days)).isoformat()
    found, _ = site.check()
    assert [f[:3] for f in found] == ([("note", "sshd", 3)] if is_told else [])
    assert not is_told or f"every token for alice will be refused from {day} on" in found[0][3]
    site.stack("sshd", DROPS)
    assert site.check() == ([], 0)


def test_the_account_that_will_be_shut_next_is_named(site):
    site.configure(blocks=MAP)
    site.set_shadow("alice", changed=TODAY, oldest=60)
    site.set_shadow("bob", changed=TODAY, oldest=30)
    site.expect("note", "sshd", 3, "every token for bob will be refused from")


@pytest.mark.parametrize("expires, is_told", [(1, True), (TODAY, True), (TODAY + 1, False), ("", False)])
def test_an_account_that_has_expired_is_a_note(site, expires, is_told):
    site.set_shadow("alice", expires=expires)
    found, _ = site.check()
    assert [f[:3] for f in found] == ([("note", "latchkey.conf", 6)] if is_told else [])
    assert not is_told or 'user "alice": the account has expired on ' in found[0][3]
    assert not is_told or expires != 1 or "1970-01-02" in found[0][3]


def test_of_an_expired_account_nothing_else_is_said(site):
    site.set_shadow("alice", password="!", oldest=90, expires=1)
    assert len(site.check()[0]) == 1


@pytest.mark.parametrize("password, is_told", [
    ("!$6$salt$hash", True), ("!$y$j9T$x", True), ("!_J9..rasm", True), ("!abJnggxhB/yWI", True),
    ("!", False), ("!!", False), ("*", False), ("!*", False), ("!abJnggxhB/yW", False), ("!abJnggxhB:yWI"[:10], False),
    ("$6$salt$hash", False), ("", False),
])
def test_a_locked_password_is_a_note_that_says_what_stops_tokens(site, password, is_told):
    shadow = Path("/etc/shadow")
    shadow.write_text(re.sub("^alice:[^:]*:", lambda _: f"alice:{password}:", shadow.read_text(), flags=re.M))
    found, _ = site.check()
    assert [f[:3] for f in found] == ([("note", "latchkey.conf", 6)] if is_told else [])
    assert not is_told or "does not stop tokens; usermod -e 1 does" in found[0][3]


def test_what_usermod_locks_and_expires_is_seen(site):
    run("usermod", "-L", "alice")
    site.expect("note", "latchkey.conf", 6, "is locked")
    run("usermod", "-U", "alice")
    assert site.check() == ([], 0)
    run("usermod", "-e", "1", "alice")
    site.expect("note", "latchkey.conf", 6, "has expired on 1970-01-02")


def test_accounts_that_a_map_can_give_are_judged_too(site):
    site.configure(blocks=MAP)
    site.set_shadow("alice", oldest=90)
    site.set_shadow("bob", oldest=90)
    site.expect("warning", "sshd", 3, "every token is refused for alice, bob:")
    site.set_shadow("alice", expires=1)
    site.set_shadow("bob", expires=1)
    site.expect("note", "latchkey.conf", None, "so that every login is refused: alice, bob")
    site.set_shadow("alice", password="!")
    site.set_shadow("bob")
    site.expect("note", "latchkey.conf", None, "usermod -e 1 does: alice")


def test_an_account_that_no_map_can_give_is_not_judged(site):
    site.configure(blocks=MAP.replace("|bob", ""))
    site.set_shadow("bob", oldest=90, expires=1)
    assert site.check() == ([], 0)


def test_a_name_with_a_block_is_judged_once(site):
    site.configure(blocks=BLOCK + MAP.replace("|bob", ""))
    site.set_shadow("alice", oldest=90)
    site.expect("warning", "sshd", 3, "every token is refused for alice:")


def test_many_accounts_are_counted(site):
    names = [f"person{i}" for i in range(6)]
    site.configure(blocks='map { claim = "upn"  pattern = "^(person[0-9])@x$" }\n')
    with open("/etc/passwd", "a") as passwd, open("/etc/shadow", "a") as shadow:
        for i, name in enumerate(names):
            passwd.write(f"{name}:x:{3000 + i}:100::/:/bin/sh\n")
            shadow.write(f"{name}:x:20000:0:90:7:::\n")
    site.expect("warning", "sshd", 3, "every token is refused for person0, person1, person2, person3, person4 and 1 more:")
    passwd = Path("/etc/passwd")
    passwd.write_text(passwd.read_text().replace("person5:x:3005:100::/:/bin/sh", "person5:x:3005:100::/:/usr/sbin/nologin"))
    site.expect("warning", "sshd", 3, "person3, person4: the local password")


@pytest.mark.parametrize("line", ["auth required pam_shells.so\n", "account required pam_shells.so\n"])
@pytest.mark.parametrize("shell, listed, mode, is_told", [
    ("/bin/sh", "# shells\n/bin/sh\n", 0o644, False),
    ("/bin/sh", "/bin/sh", 0o644, False),
    ("", "/bin/sh\n", 0o644, False),
    ("/bin/bash", "/bin/sh\n/bin/bash2\n#/bin/bash\n", 0o644, True),
    ("/bin/sh", "/bin/sh\n", 0o646, True),
    ("/bin/sh", None, 0, True),
])
def test_a_shell_that_pam_shells_does_not_find_is_a_warning(site, line, shell, listed, mode, is_told):
    passwd, shells = Path("/etc/passwd"), Path("/etc/shells")
    passwd.write_text(re.sub("^(alice:.*):.*$", lambda found: f"{found[1]}:{shell}", passwd.read_text(), flags=re.M))
    shells.unlink()
    if listed is not None:
        shells.write_text(listed)
        shells.chmod(mode)
    assert site.check() == ([], 0)
    site.stack("sshd", line + HEEDS)
    found, _ = site.check()
    assert [f[:3] for f in found] == ([("warning", "sshd", 4)] if is_told else []), found
    assert not is_told or "every token is refused for alice: the shell is not in /etc/shells" in found[0][3]
    shells.unlink(missing_ok=True)
    shells.touch(0o644)


def test_the_line_of_the_auth_part_is_named_where_there_is_no_account_line(site):
    site.set_shadow("alice", oldest=90)
    site.stack("sshd", f"{AUTH}\n{UNIX}account required pam_unix.so\n")
    site.expect("warning", "sshd", 1, "every token is refused for alice:")


def test_each_configuration_that_a_line_names_has_its_own_accounts(site):
    other = site.root / "other.conf"
    site.write(other, site.conf.read_text().replace('"alice"', '"bob"'))
    site.set_shadow("bob", oldest=90)
    for name, config in (("kiosk", other), ("login", site.conf), ("sshd", other)):
        site.stack(name, HEEDS.replace("pam_latchkey.so", f"pam_latchkey.so config={config}"))
    found, _ = site.check()
    assert [f[1] for f in found if "every token is refused for bob:" in f[3]] == ["kiosk", "sshd"]


def test_a_part_of_a_stack_is_not_judged_by_itself(site):
    site.set_shadow("alice", oldest=90)
    site.stack("common-latchkey", f"{AUTH}\n{UNIX}")
    site.stack("sshd", f"@include common-latchkey\n{DROPS.partition(UNIX)[2]}")
    assert site.check() == ([], 0)


def test_a_user_who_may_not_read_shadow_is_told_nothing_of_it(site):
    site.set_shadow("alice", oldest=90, expires=1)
    copy = PRIVATE / "site"  # pytest's folders are closed to others
    shutil.copytree(site.root, copy)
    copy.chmod(0o755)
    config = copy / site.conf.name
    config.write_text(config.read_text().replace(str(site.root), str(copy)))
    command = [COMMAND, "check", "--config", config, "--pam-directory", copy / "pam.d"]
    by_root = run(*command, check=False).stdout
    by_bob = run("setpriv", "--reuid", "bob", "--regid", "bob", "--clear-groups", *command, check=False).stdout
    shutil.rmtree(copy)
    assert "alice" in by_root
    assert by_bob == "0 errors, 0 warnings\n"


@pytest.fixture(name="no_passwd")
def hide_passwd():
    """NSS cannot tell anything of users: the file of accounts is away."""
    passwd, away = Path("/etc/passwd"), Path("/etc/passwd.away")

    def hide():
        passwd.rename(away)

    yield hide
    if away.exists():
        away.rename(passwd)


def test_rule_32_what_nss_cannot_tell_now_is_neither_a_fault_nor_a_clean_result(site, no_passwd):
    directory = site.root / "keys"
    directory.mkdir()
    site.keys = site.keys.rename(directory / "keys.json")
    site.tenant = site.tenant.replace(f"{site.root}/keys.json", f"{directory}/keys.json")
    site.configure(blocks=BLOCK + 'latchkeyd { user = "latchkey" }\n')
    shutil.chown(directory, "latchkey")
    shutil.chown(site.keys, "latchkey")
    no_passwd()
    found, status = site.check()
    assert status == 3
    assert not [f for f in found if "not by root" in f[3]], found
    assert [f[:2] for f in found if 'cannot tell now whether that is user "latchkey"' in f[3]] == [("warning", "keys")]


HMAC_TENANT = """
tenant "h" {{
    issuer = "https://h.example"  audience = {{"host"}}  tenant_claim = ""
    algorithms = {{"HS256"}}  hmac_secret_file = "{}"
}}
"""


def test_rule_32_a_caller_that_nss_cannot_tell_now_is_not_taken_for_one_that_is_refused(site, no_passwd):
    """Whether the user postgres is in a group of `allow`, owns the secret and may read /etc/shadow is not known."""
    site.write(site.root / "hmac.key", "s" * 64, mode=0o600)
    site.stack("postgresql", "auth required pam_latchkey.so\naccount requisite pam_latchkey.so\n"
                             "account required pam_unix.so\n")
    block = BLOCK.replace("{ sub", f'{{ tenant = "{TENANT}"  sub')
    site.configure(blocks=block + 'latchkeyd { allow = {"@mail"} }\n' + HMAC_TENANT.format(site.root / "hmac.key"))
    refusals = ["every token is refused", 'tokens of tenant "h" are refused: the user postgres']
    told = [f[3] for f in site.check()[0] if f[1] == "postgresql"]
    assert all(any(words in message for message in told) for words in refusals), told
    no_passwd()
    found, status = site.check()
    told = [f for f in found if f[1] == "postgresql"]
    assert status == 3 and not [f for f in told if any(words in f[3] for words in refusals)], told
    assert [f[0] for f in told if "cannot tell now what the user postgres may read" in f[3]] == ["warning"]
