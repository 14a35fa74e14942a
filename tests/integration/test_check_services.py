"""What `latchkey check` finds in service blocks and the stacks that ask for them."""
import pytest

from check_site import GOOD_STACK, add_block, latchkeyd_block
from check_site import make_site, make_system  # fixtures


@pytest.mark.parametrize("service, stem", [("su-l", "su"), ("sudo-i", "sudo")])
def test_a_login_service_does_not_follow_the_block_of_its_stem(site, service, stem):
    site.configure(blocks=site.blocks + f'service "{stem}" {{ max_age = 300 }}\n')
    site.stack(stem, GOOD_STACK)
    site.stack(service, GOOD_STACK)
    site.expect("warning", service, 1, f'not those of the block "{stem}"')
    site.stack(service, GOOD_STACK.replace("pam_latchkey.so", f"pam_latchkey.so service={stem}"))
    assert site.check() == ([], 0)


def test_a_service_block_that_no_stack_asks_for_is_a_warning(site):
    site.configure(blocks=site.blocks + 'service "*" { max_age = 600 }\nservice "ssh" { max_age = 300 }\n')
    site.expect("warning", "latchkey.conf", None, 'service "ssh"')
    site.stack("sshd", GOOD_STACK.replace("pam_latchkey.so", "pam_latchkey.so service=ssh"))
    assert site.check() == ([], 0)


@pytest.mark.parametrize("name", ["ldap", "smtp", "imap", "pop", "memcached", "svn", "libvirt", "http", "LDAP"])
def test_a_service_block_of_a_sasl_server_is_a_note_that_names_both_doors(system, name):
    add_block(system, name)
    found, status = system.check()
    [(severity, file, line, message)] = found
    assert (severity, file, line, status) == ("note", "latchkey.conf", None, 0)
    assert "liblatchkey.so (which is not in" in message and "saslauthd_socket (which is not set)" in message


@pytest.mark.parametrize("door", ["nothing", "saslauthd", "liblatchkey.so"])
def test_a_service_block_of_any_name_may_be_meant_for_sasl_where_that_is_set_up(system, door):
    more = latchkeyd_block(system, saslauthd_socket=f'{{"{system.root}/mux"}}') if door == "saslauthd" else ""
    if door == "liblatchkey.so":
        system.module("usr/lib/x86_64-linux-gnu/sasl2/liblatchkey.so")
    add_block(system, "kiosk", more)
    severity, words = {
        "nothing": ("warning", 'no line has service=kiosk: the block never applies'),
        "saslauthd": ("note", "saslauthd_socket (which is set)"),
        "liblatchkey.so": ("note", "liblatchkey.so (which is installed)"),
    }[door]
    system.expect(severity, "latchkey.conf", None, words)
    add_block(system, "ssh", more)
    system.expect("warning", "latchkey.conf", None, 'is "sshd" meant')
    add_block(system, "sch", more)
    assert not [f for f in system.check()[0] if "meant, which names" in f[3]]


def test_a_service_block_needs_a_stack_that_names_latchkey(system):
    system.stack("cron", "auth required pam_unix.so\naccount required pam_unix.so\n")
    add_block(system, "cron")
    system.expect("warning", "latchkey.conf", None, 'service "cron": no stack')
    system.stack("cron", GOOD_STACK)
    assert system.check() == ([], 0)
    add_block(system, "CRON")
    assert system.check() == ([], 0)
    system.stack("cron", GOOD_STACK.replace("pam_latchkey.so", "pam_latchkey.so service=jobs"))
    system.expect("warning", "latchkey.conf", None, 'service "CRON": no stack')


def test_a_service_without_a_file_has_the_stack_of_other(system):
    add_block(system, "kiosk")
    system.stack("other", "auth required pam_deny.so\naccount required pam_deny.so\n")
    system.expect("warning", "latchkey.conf", None, 'service "kiosk": no stack')
    system.stack("other", GOOD_STACK)
    assert system.check() == ([], 0)
    system.stack("kiosk", "auth required pam_unix.so\naccount required pam_unix.so\n")
    system.expect("warning", "latchkey.conf", None, 'service "kiosk": no stack')
