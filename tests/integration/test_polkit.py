"""pkexec, polkitd and pkttyagent, on a system bus of the test host, with the stack examples/pam.d/polkit-1."""
import re
import subprocess
from pathlib import Path

import pytest

import tokens
from host import PASSWORDS, run, wait_until
from pam_servers import longest_token
from servers import join_group

PART = 510  # bytes of an answer at pkttyagent: polkit-agent-helper-1 keeps the newline, and has room for 511


def start(*argv):
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def polkitd_answers():
    names = run("dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.DBus", "/",
                "org.freedesktop.DBus.ListNames", check=False).stdout
    return "org.freedesktop.PolicyKit1" in names


@pytest.fixture(scope="module")
def polkit(session_host):
    group = Path("/etc/group").read_text()
    join_group("alice", "sudo")  # Debian's rules: members of sudo are administrators
    Path("/run/dbus").mkdir(exist_ok=True)
    bus = start("dbus-daemon", "--system", "--nofork", "--nopidfile")
    wait_until(Path("/run/dbus/system_bus_socket").exists, "the bus")
    daemon = start("/usr/lib/polkit-1/polkitd")
    wait_until(polkitd_answers, "polkitd")
    yield
    for process in (daemon, bus):
        process.terminate()
        process.wait()
    Path("/etc/group").write_text(group)


@pytest.fixture
def pkexec(host, polkit):
    """Runs `id` as root by pkexec; what alice answers to the agent. The output, and what the agent said."""
    host.example_stack("polkit-1")

    def answer(*parts):
        script = "echo pid=$$.; read go; pkexec --disable-internal-agent id -un; echo status=$?."
        with host.terminal("sh", "-c", script, user="alice") as shell:
            pid = shell.expect(r"pid=(\d+)\.")[1].decode()
            with host.terminal("pkttyagent", "--process", pid, user="alice") as agent:
                wait_until(lambda: any("Registered Auth" in line for line in host.log_lines()), "the agent is there")
                shell.type("")
                for i, part in enumerate(parts):
                    agent.expect("Access token: " if i == 0 else re.escape(f"{len(parts[0]) * i} so far): ")
                                 if len(parts[0]) < 511 else r"so far\): ")
                    agent.wait_until_hidden()
                    agent.type(part)
                output = shell.wait()[1]
                agent.expect("AUTHENTICATION (COMPLETE|FAILED)")
                return "\r\nroot\r\nstatus=0." in output, agent.seen.decode()
    return answer


def parts_of(token):
    return (token[i:i + PART] for i in range(0, len(token), PART))


@pytest.mark.parametrize("length", [None, 4000, "longest"])
def test_a_token_makes_root(host, pkexec, length):
    length = longest_token("polkit-1") if length == "longest" else length
    token = host.keys["ES256"].sign_to_length(tokens.claims(), length) if length else host.token()
    assert pkexec(*parts_of(token))[0]
    verdict = host.verdicts()[0]
    assert (verdict["reason"], verdict["service"], verdict["user"]) == ("ok", "polkit-1", "alice")


def test_parts_of_511_bytes_do_as_well(host, pkexec):
    """The line end that the helper leaves behind is an empty answer: the agent asks once more for each, and at the end."""
    token = host.keys["ES256"].sign_to_length(tokens.claims(), 1500)
    assert pkexec(token[:511], token[511:1022], token[1022:], "", "")[0]
    assert host.reasons()[0] == "ok"


def test_an_expired_token_does_not_and_the_agent_says_why(host, pkexec):
    is_root, told = pkexec(*parts_of(host.token(lifetime=-600)))
    assert not is_root and "The token expired 10 minutes ago." in told


def test_a_revoked_person_gets_nothing_by_token_nor_by_local_password(host, pkexec):
    assert pkexec(PASSWORDS["alice"])[0]
    host.revoke(f"sub {tokens.ALICE}")
    for answers in (parts_of(host.token()), [PASSWORDS["alice"]]):
        host.syslog.clear()
        assert not pkexec(*answers)[0]
        assert "token_revoked" in host.reasons()
