"""The table of pam_latchkey(8), PROGRAMS: the rows that no other test measures, and that no row is left out."""
import re

import paramiko
import pytest

import tokens
from host import SOURCE, Sshd
from pam_servers import longest_token

MEASURED_ELSEWHERE = {  # test_pam_services, test_pam_lockers, test_polkit, test_openvpn
    "postgresql", "apache2", "nginx", "dovecot", "dovecot, command LOGIN", "proftpd", "openvpn", "cockpit",
    "polkit-1", "vlock", "i3lock"}


def token_of(host, row, more=0):
    return host.keys["ES256"].sign_to_length(tokens.claims(), longest_token(row) + more)


def test_each_row_is_measured():
    rows = re.findall(r"^\.It .* Ta ([^\n]*) Ta \d+ Ta ", (SOURCE / "pam" / "pam_latchkey.8").read_text(), re.M)
    assert set(rows) == MEASURED_ELSEWHERE | {"sshd", "sshd, password", "sudo", "su"}
    assert len(rows) == len(set(rows))


def test_sshd(host):
    assert host.ssh("alice", token_of(host, "sshd")).stdout == "alice\n"


def test_sudo(host):
    assert host.sudo("alice", token_of(host, "sudo")).stdout == "root\n"


def test_su(host):
    assert host.su("alice", token_of(host, "su"))[0] == 0


@pytest.fixture
def sshd_of_passwords(host):
    sshd = Sshd("Match all\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n")
    yield sshd
    sshd.stop()


def test_sshd_method_password(host, sshd_of_passwords):
    def opens(token):
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        try:
            client.connect("127.0.0.1", sshd_of_passwords.port, "alice", token, allow_agent=False, look_for_keys=False)
        except paramiko.AuthenticationException:
            return False
        finally:
            client.close()
        return True
    assert opens(token_of(host, "sshd, password"))
    assert not opens(token_of(host, "sshd, password", +1))
