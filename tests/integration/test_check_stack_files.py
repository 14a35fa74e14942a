"""Which files `latchkey check` reads as libpam does: Linux-PAM 1.5.2 of Debian 12. test_pam_files.py asks the real one."""
import os

import pytest

from check_site import ACCOUNT, AUTH, GOOD_STACK, LIBPAM, MODULES, UNIX, add_block, latchkeyd_block
from check_site import make_site, make_system  # fixtures


def test_a_folder_among_the_stacks_is_no_service(site):
    (site.pam / "folder").mkdir()
    assert site.check() == ([], 0)


def test_a_folder_of_the_vendor_that_cannot_be_read_is_an_error(system):
    system.vendor.rmdir()
    system.write(system.vendor, "")
    system.expect("error", "pam.d", None, "cannot be read: Not a directory")


def test_a_directory_of_stacks_with_too_long_a_name_is_an_error(site):
    site.pam = "/" + "x" * 4096
    found, status = site.check()
    assert status == 1 and any("File name too long" in f[3] for f in found)


@pytest.mark.parametrize("slashes", ["/", "//"])
def test_a_slash_at_the_end_of_the_directory_changes_nothing(system, slashes):
    system.vendor_stack("kiosk", f"auth sufficient pam_latchkey.so\nauth required pam_permit.so\n{ACCOUNT}")
    system.pam = f"{system.pam}{slashes}"
    system.expect("error", "kiosk", 1, "accepts every user")


def test_a_stack_of_the_vendor_is_judged(system):
    (system.pam / "sshd").unlink()
    system.vendor_stack("sshd", f"auth sufficient pam_latchkey.so\nauth required pam_permit.so\n{ACCOUNT}")
    system.expect("error", "sshd", 1, "accepts every user")
    system.stack("sshd", GOOD_STACK)
    assert system.check() == ([], 0)


def test_a_stack_of_the_vendor_is_one_that_a_service_block_may_name(system):
    add_block(system, "kiosk")
    system.vendor_stack("kiosk", GOOD_STACK)
    assert system.check() == ([], 0)


def test_a_system_without_a_folder_of_the_vendor_is_sound(system):
    system.vendor.rmdir()
    assert system.check() == ([], 0)


@pytest.mark.parametrize("how", ["@include common-auth\n", "auth include common-auth\n", "auth substack common-auth\n"])
def test_an_include_is_not_looked_for_in_the_folder_of_the_vendor(system, how):
    system.stack("common-auth", f"{AUTH}\n{UNIX}")
    system.vendor_stack("sshd", how + ACCOUNT)
    (system.pam / "sshd").unlink()
    assert system.check() == ([], 0)
    (system.pam / "common-auth").rename(system.vendor / "common-auth")
    system.expect("error", "sshd", 1, "is in /usr/lib/pam.d only")


def test_an_absolute_include_is_looked_for_in_the_same_system(system):
    system.stack("common-auth", f"{AUTH}\n{UNIX}")
    system.stack("sshd", "@include /etc/pam.d/common-auth\n" + ACCOUNT)
    assert system.check() == ([], 0)


@pytest.mark.parametrize("how", ["@include common-nothing\n", "-@include common-nothing\n"])
def test_a_missing_include_of_all_types_refuses_the_whole_service(system, how):
    system.stack("sshd", GOOD_STACK + how)
    system.expect("error", "sshd", 6, "included file cannot be read: libpam refuses the whole service")
    system.expect("error", "sshd", 4, "every token is refused: the account stack")


def test_a_missing_include_of_one_type_refuses_that_type(system):
    system.stack("sshd", f"{AUTH}\n{UNIX}{ACCOUNT}session include common-nothing\n")
    found, _ = system.check()
    assert [f[:3] for f in found] == [("error", "sshd", 5)]
    assert "refuses the whole service" not in found[0][3]


def test_an_include_with_a_dash_is_one(system):
    system.stack("common-auth", f"{AUTH}\n{UNIX}")
    system.stack("sshd", "-@include common-auth\n" + ACCOUNT)
    assert system.check() == ([], 0)


def test_what_stands_after_a_line_that_libpam_cannot_take_is_not_read(system):
    system.stack("sshd", f"{GOOD_STACK}auth required pam_permit.so {'x' * 1100}\nauth required pam_latchkey.so nonsense\n")
    found, _ = system.check()
    assert not [f for f in found if "nonsense" in f[3]]
    assert [f[3] for f in found if f[2] == 6] == ["the line is too long for libpam: libpam refuses the whole service"]


def test_a_file_of_other_that_libpam_cannot_read_refuses_every_service(system):
    system.stack("other", "auth required pam_deny.so \\")
    system.expect("error", "other", 1, "the file ends within the line: libpam refuses the whole service")
    system.expect("error", "sshd", 1, "every token is refused: the auth stack")
    system.stack("other", "auth required pam_deny.so\n")
    assert system.check() == ([], 0)


def test_the_lines_of_other_stand_in_for_a_type_that_a_service_has_none_of(system):
    system.stack("sshd", f"{AUTH}\n{UNIX}")
    system.stack("other", f"auth required pam_deny.so\n{ACCOUNT}")
    assert system.check() == ([], 0)
    system.stack("other", f"auth required pam_deny.so\n{ACCOUNT.replace('success=ok', 'success=die')}")
    found, _ = system.check()
    assert [f[:3] for f in found if "service sshd: every token is refused: the account stack" in f[3]] == [("error", "other", 2)]


def test_a_loose_file_of_other_is_an_error_where_its_lines_stand_in(system):
    system.stack("other", f"auth required pam_deny.so\n{UNIX.replace('auth', 'account')}")
    (system.pam / "other").chmod(0o666)
    assert system.check() == ([], 0)
    system.stack("sshd", f"{AUTH}\n{UNIX}")
    system.expect("error", "other", None, "is writable by group or others")


def test_a_service_with_upper_case_letters_is_never_asked_for(system):
    system.stack("Kiosk", GOOD_STACK)
    system.expect("warning", "Kiosk", 1, "in lower case")


@pytest.mark.parametrize("dash", ["", "-"])
def test_a_module_that_is_not_installed_is_an_error(system, dash):
    system.stack("sshd", GOOD_STACK.replace("auth    [", f"{dash}auth    ["))
    (system.root / LIBPAM / "pam_latchkey.so").rename(system.root / "pam_latchkey.so")
    system.expect("error", "sshd", 1, "pam_latchkey.so: No such file in libpam's folder")
    system.expect("error", "sshd", 4, "pam_latchkey.so: No such file in libpam's folder")


@pytest.mark.parametrize("path, is_found", [
    (f"/{LIBPAM}/pam_latchkey.so", True),
    ("/lib/security/pam_latchkey.so", False),
    ("/usr/local/lib/security/pam_latchkey.so", False),
    ("security/pam_latchkey.so", False),
    ("/lib/$ISA/security/pam_latchkey.so", True),  # what the variable stands for is not known
])
def test_a_module_by_its_path_is_looked_for_in_the_same_system(system, path, is_found):
    system.stack("sshd", GOOD_STACK.replace("pam_latchkey.so", path))
    found, _ = system.check()
    assert bool([f for f in found if "No such file" in f[3]]) is not is_found, found
    if not is_found and path[0] == "/":
        system.module(path[1:])
        assert system.check() == ([], 0)


@pytest.mark.parametrize("folder", ["lib/security", "usr/lib64/security", "usr/lib/x86_64-linux-gnu/security"])
def test_libpam_looks_in_its_own_folder_and_in_lib_security(system, folder):
    (system.root / LIBPAM / "pam_latchkey.so").unlink()
    system.module(f"{folder}/pam_latchkey.so")
    found, _ = system.check()
    assert (found == []) is (folder == "lib/security")
    system.module(f"{folder}/pam_permit.so")  # as libpam's own folder has it
    assert system.check() == ([], 0)


def test_nothing_is_said_of_modules_where_libpam_cannot_be_found(system):
    for module in MODULES:
        (system.root / LIBPAM / module).unlink()
    assert system.check() == ([], 0)


def test_another_module_that_is_not_there_answers_module_unknown(system):
    system.stack("sshd", GOOD_STACK + "account required pam_nothing.so\n")
    system.expect("warning", "sshd", 6, "pam_nothing.so: No such file in libpam's folder")
    system.expect("error", "sshd", 4, "every token is refused: the account stack")
    system.stack("sshd", GOOD_STACK + "-account [module_unknown=ignore default=bad] pam_nothing.so\n")
    assert system.check() == ([], 0)


@pytest.mark.parametrize("name", ["pam_latchky.so", "pam_latchkey", "pam_lacthkey.so", "latchkey.so", "pam-latchkey.so",
                                  "pam_Latchkey.so", "/lib/security/pam_latchky.so"])
def test_a_misspelt_module_is_an_error(system, name):
    (system.pam / "sshd").unlink()
    system.stack("login", GOOD_STACK.replace("pam_latchkey.so", name))
    system.expect("error", "login", 1, f"{name}: libpam finds no such module; if pam_latchkey.so is meant")
    assert not [f for f in system.check()[0] if "no stack names" in f[3]]


def test_a_module_of_a_similar_name_that_is_there_is_none_of_our_business(system):
    system.module(f"{LIBPAM}/pam_latchkeys.so")
    system.stack("login", GOOD_STACK.replace("pam_latchkey.so", "pam_latchkeys.so"))
    assert system.check() == ([], 0)


@pytest.mark.parametrize("name", ["pam_krb5.so", "pam_access.so", "pam_mktemp.so"])
def test_a_module_of_another_name_is_not_taken_for_a_misspelling(system, name):
    system.stack("login", f"auth required {name}\n")
    assert system.check() == ([], 0)


def test_no_stack_that_names_latchkey_is_a_warning_unless_sasl_servers_use_it(system):
    system.stack("sshd", "auth required pam_permit.so\naccount required pam_permit.so\n")
    system.expect("warning", "pam.d", None, "no stack names pam_latchkey.so: no PAM service takes tokens")
    system.configure(blocks=system.blocks + latchkeyd_block(system, saslauthd_socket=f'{{"{system.root}/mux"}}'))
    system.expect("note", "pam.d", None, "no stack names pam_latchkey.so")


def test_no_stack_that_names_latchkey_is_a_warning_though_the_configuration_does_not_load(system):
    system.stack("sshd", "auth required pam_unix.so\n")
    system.conf.unlink()
    system.expect("warning", "pam.d", None, "no stack names pam_latchkey.so", status=2)


@pytest.mark.parametrize("how", ["@include common-auth\n", "auth include common-auth\n", "auth substack common-auth\n",
                                 "auth include {directory}/common-auth\n"])
def test_an_included_stack_is_judged_in_its_service(site, how):
    site.stack("common-auth", "auth sufficient pam_latchkey.so\n")
    site.stack("sshd", how.format(directory=site.pam) + "auth required pam_permit.so\n" + ACCOUNT)
    found, status = site.check()
    assert status == 1
    assert [f[:3] for f in found] == [("error", "common-auth", 1)], found
    assert "service sshd: the auth stack accepts every user" in found[0][3]


def test_a_substack_ends_only_itself(site):
    site.stack("inner", "auth requisite pam_deny.so\n")
    site.stack("sshd", f"auth substack inner\n{AUTH}\n{UNIX}{ACCOUNT}")
    site.expect("warning", "sshd", 2, "locked out while Latchkey cannot decide")
    site.stack("inner", "auth sufficient pam_permit.so\nauth requisite pam_deny.so\n")
    site.stack("sshd", f"auth substack inner\n{AUTH.replace('default=die', 'default=bad')}\n{UNIX}{ACCOUNT}")
    assert site.check() == ([], 0)


def test_files_that_include_each_other_come_to_an_end(site):
    site.stack("sshd", f"{AUTH}\n{UNIX}@include other\n{ACCOUNT}")
    site.stack("other", "@include sshd\n")
    found, status = site.check()
    assert status == 1
    assert any("nested too deeply" in f[3] for f in found)


def test_includes_that_multiply_come_to_an_end(site):
    site.stack("sshd", f"{AUTH}\n@include sshd\n@include sshd\n")
    found, status = site.check()
    assert (status, found[0][:3]) == (1, ("error", "sshd", None))


@pytest.mark.parametrize("name", ["sshd~", "sshd.dpkg-old", ".sshd.swp", "sshd.bak"])
def test_left_over_files_are_not_services(site, name):
    site.stack(name, "auth required pam_latchkey.so nonsense\n")
    assert site.check() == ([], 0)


def test_a_fifo_in_the_directory_holds_nothing_up(site):
    os.mkfifo(site.pam / "fifo")
    site.expect("error", "fifo", None, "cannot be read: Invalid argument")


@pytest.mark.parametrize("size, is_error", [(2**20, False), (2**20 + 1, True)])
def test_a_stack_of_more_than_a_mebibyte_is_not_read(site, size, is_error):
    site.stack("kiosk", GOOD_STACK + "\n" * (size - len(GOOD_STACK)))
    if is_error:
        site.expect("error", "kiosk", None, "cannot be read: File too large")
    else:
        assert site.check() == ([], 0)


def test_a_line_too_long_for_libpam_is_an_error(site):
    site.stack("sshd", f"{AUTH} prompt={'x' * 1100}\n{AUTH}\n{UNIX}{ACCOUNT}")
    site.expect("error", "sshd", 1, "too long")


def test_a_missing_pam_directory_is_an_error(site):
    site.pam = site.root / "nowhere"
    site.expect("error", "nowhere", None, "cannot be read")
