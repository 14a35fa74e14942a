"""What a core file, a debugger and the swap would show of the programs that hold secrets."""
import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
from pathlib import Path

import pytest

import tokens
from daemon import PROGRAM, USER, Daemon, ask, exchange_question
from host import ASKPASS, BUILD, COMMAND, PRIVATE, run, wait_until

ROOTS_SECRET = "a-secret-that-only-root-may-read-0123456789"
DAEMONS_SECRET = "a-secret-of-the-user-of-latchkeyd-0123456789"
HMAC = """
tenant "{name}" {{ issuer = "https://{name}.example"  audience = {{"host"}}  tenant_claim = ""
                   algorithms = {{"HS256"}}  hmac_secret_file = "{secret}" }}"""


def holds(data, text):
    return text.encode() in data


def memory_of(pid, *options):
    """What gcore writes; with -a also what a core file of the kernel's leaves out."""
    core = PRIVATE / "core"
    run("gcore", *options, "-o", core, pid, timeout=120)
    file = Path(f"{core}.{pid}")
    data = file.read_bytes()
    file.unlink()
    return data


@pytest.fixture
def secrets(site):
    """Two HMAC tenants, the secret of one of which only root may read."""
    text = ""
    for name, secret in (("roots", ROOTS_SECRET), ("daemons", DAEMONS_SECRET)):
        text += HMAC.format(name=name, secret=site.host.write(f"{name}.key", secret, mode=0o600))
    run("chown", USER, site.host.etc / "daemons.key")
    site.configure(latchkeyd_options="api_key_cache = 600", more=text)
    site.give_keys_to_daemon()
    return site


def uid_of(pid):
    return [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Uid:")][0]


@contextlib.contextmanager
def asked_once(site):
    """latchkeyd --once, which has given up root and waits for its question."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, subprocess.Popen([PROGRAM, "--once", "--config", site.host.etc / "latchkey.conf"], stdin=there) as once:
        there.close()
        wait_until(lambda: "2101" in uid_of(once.pid) and "poll" in Path(f"/proc/{once.pid}/wchan").read_text(),
                   "it waits for its question")
        try:
            yield here, once
        finally:
            once.kill()


def test_a_secret_of_roots_is_not_in_the_memory_of_once(secrets):
    with asked_once(secrets) as (_, once):
        data = memory_of(once.pid, "-a")
    assert holds(data, secrets.tenant.tenant)  # of the configuration: a dump in which nothing is found proves nothing
    assert not holds(data, ROOTS_SECRET) and not holds(data, DAEMONS_SECRET)


def test_a_secret_of_roots_is_not_in_the_memory_of_the_daemon(secrets):
    with Daemon(secrets.host) as daemon:
        data = memory_of(daemon.pid, "-a")
    assert holds(data, DAEMONS_SECRET) and not holds(data, ROOTS_SECRET)


def test_rule_33_what_lives_long_is_locked_and_in_no_core_file(secrets):
    with Daemon(secrets.host) as daemon:
        wait_until(lambda: daemon.status()["tenants"][0]["keys"], "the first look is over")
        token = ask(exchange_question(secrets))["token"]
        assert daemon.status()["cache"]["entries"] == 1
        everything, core = memory_of(daemon.pid, "-a"), memory_of(daemon.pid)
        locked = [line for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines() if "VmLck" in line]
    for secret in (token, DAEMONS_SECRET):
        assert holds(everything, secret) and not holds(core, secret)
    assert holds(core, secrets.tenant.tenant)
    assert int(locked[0].split()[1]) >= 3 * 4  # kB: the secret, the cache's key and the token


def unlimited():
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # a shell starts what runs in the background with it ignored
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def dumps_core(process, number=signal.SIGQUIT):
    process.send_signal(number)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == number
    return os.WCOREDUMP(status)


@contextlib.contextmanager
def start(command, directory):
    with subprocess.Popen(list(map(str, command)), cwd=directory, preexec_fn=unlimited, stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("program", ["latchkey", "latchkeyd", "latchkeyd --once", "tenantd"])
def test_a_signal_leaves_no_core_file(site, tmp_path, program):
    with start(["sleep", "60"], tmp_path) as other:
        wait_until(lambda: os.readlink(f"/proc/{other.pid}/exe").endswith("/sleep"), "it sleeps")
        assert dumps_core(other)  # else this host makes none at all
    site.give_keys_to_daemon()
    config = ["--config", site.host.etc / "latchkey.conf"]
    command = {
        "latchkey": [COMMAND, "verify"],
        "latchkeyd": [PROGRAM, *config],
        "latchkeyd --once": [PROGRAM, "--once", *config],
        "tenantd": [BUILD / "tenantd", "--state", tmp_path / "state"],
    }[program]
    with start(command, tmp_path) as process:
        limits = Path(f"/proc/{process.pid}/limits")
        wait_until(lambda: re.search("^Max core file size +0 +0 ", limits.read_text(), re.M), "it has no core files")
        assert not dumps_core(process, signal.SIGABRT)


@pytest.mark.parametrize("program", ["latchkey", "latchkey-askpass", "latchkeyd", "mint", "tenantd"])
def test_a_program_protects_itself_before_it_opens_a_file(site, tmp_path, program):
    command = {
        "latchkey": [COMMAND, "check"],
        "latchkey-askpass": [ASKPASS, "Access token: "],
        "latchkeyd": [PROGRAM, "--check", "--config", site.host.etc / "latchkey.conf"],
        "mint": [BUILD / "mint", "key", "--out", tmp_path / "key"],
        "tenantd": [BUILD / "tenantd", "--tell", "--state", tmp_path / "state", "stats"],
    }[program]
    trace = tmp_path / "trace"
    run("strace", "-o", trace, "-e", "trace=prctl,prlimit64,setrlimit,openat,open,connect,socket", *command,
        check=False)
    calls = trace.read_text().splitlines()
    protects = [at for at, call in enumerate(calls) if "RLIMIT_CORE, {rlim_cur=0, rlim_max=0}" in call
                or "PR_SET_DUMPABLE, SUID_DUMP_DISABLE" in call]
    assert len(protects) >= 2, calls
    early = [call for call in calls[:protects[1]] if re.match("open|openat|connect|socket", call)
             and not re.search(r"\.so[.\d]*\"|ld.so|/sys/|/proc/|openssl|/usr/lib|/lib/|/dev/|locale", call)]
    assert not early
