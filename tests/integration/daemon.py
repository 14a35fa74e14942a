"""latchkeyd for tests, and a host on which a service account may log in with an API key of a real tenant service."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import tokens
from host import BUILD, PRIVATE, Syslog, run, wait_until

PROGRAM = PRIVATE / "latchkeyd"
SOCKET = PRIVATE / "sockets" / "latchkeyd.sock"
USER = "latchkey"

CONFIG = """
tenant "{tenant}" {{
    url     = "{url}"
    keys    = "{keys}"
    ca_file = "{ca}"
    {tenant_options}
}}
user "alice"      {{ sub = {{"{alice}"}} }}
user "svc-backup" {{ sub = {{"{backup}"}}  api_key = true  tenant = {{"{tenant}"}} }}
group "ops"       {{ claim = {{"{ops}"}} }}
service "*"       {{ credentials = {{"jwt", "api_key"}} }}
latchkeyd {{
    socket  = {{"{socket}"}}
    program = "{program}"
    {latchkeyd_options}
}}
{more}
"""


class Site:
    """The configuration of a host that trusts a tenantd (tenant.py). Its key set lies where latchkeyd may replace it."""

    def __init__(self, host, tenant, keys_directory=PRIVATE / "keys"):
        self.host, self.tenant = host, tenant
        self.keys = keys_directory / f"{tenant.tenant}.jwks"
        self.ca = PRIVATE / "ca.pem"
        keys_directory.mkdir(exist_ok=True)
        self.forget_keys()
        self.ca.write_bytes(tenant.ca.read_bytes())
        self.ca.chmod(0o644)
        self.configure()

    def configure(self, tenant_options="", latchkeyd_options="", more=""):
        return self.host.write("latchkey.conf", CONFIG.format(
            tenant=self.tenant.tenant, url=self.tenant.url, keys=self.keys, ca=self.ca, alice=tokens.ALICE,
            backup=tokens.BACKUP, ops=tokens.OPS, socket=SOCKET, program=PROGRAM, tenant_options=tenant_options,
            latchkeyd_options=latchkeyd_options, more=more))

    def fetch_keys(self):
        """As an administrator would by hand."""
        draft = self.keys.with_suffix(".new")
        draft.write_text(json.dumps(self.tenant.jwks()))
        draft.rename(self.keys)

    def forget_keys(self):
        for file in self.keys.parent.iterdir():
            file.unlink()
        os.chown(self.keys.parent, 0, 0)

    def give_keys_to_daemon(self):
        run("chown", USER, self.keys.parent)


def children_of(parent):
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and (entry / "stat").read_text().rpartition(")")[2].split()[1] == str(parent):
                yield int(entry.name)


class Daemon:
    """A latchkeyd that stays. `under` is a command that starts it, such as strace."""

    def __init__(self, host, under=(), environment=None, wait=True):
        self.host = host
        command = ["setpriv", "--pdeathsig", "KILL", *map(str, under), PROGRAM, "--config", host.etc / "latchkey.conf"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env=environment)
        if wait:
            wait_until(lambda: self.process.poll() is not None or self.answers(), "latchkeyd listens")
            assert self.process.poll() is None, self.process.stdout.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)

    @staticmethod
    def answers():
        with connect() as probe:
            return probe is not None

    @property
    def pid(self):
        """Its own, also under strace, which starts it as a child. Others may run tests of theirs beside us."""
        for pid in (self.process.pid, *children_of(self.process.pid)):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/exe") == str(PROGRAM):
                    return pid
        raise AssertionError("latchkeyd is gone")

    def stop(self, number=signal.SIGTERM):
        """Its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
            self.process.wait(20)
            self.process.stdout.close()
        return self.process.returncode

    def reload(self):
        before = sum("SIGHUP" in line for line in self.lines())
        os.kill(self.pid, signal.SIGHUP)
        wait_until(lambda: sum("SIGHUP" in line for line in self.lines()) > before, "latchkeyd has reloaded")

    def lines(self):
        return [line for line in self.host.log_lines() if " latchkeyd[" in line]

    @staticmethod
    def status():
        return ask({"ask": "status"})["status"]


class Nothing:
    """What connect() gives when nobody listens: it reads as None."""

    def __enter__(self):
        return None

    def __exit__(self, *_):
        pass


def connect(path=SOCKET, timeout=10):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(timeout)
    try:
        connection.connect(str(path))
        return connection
    except OSError:
        connection.close()
        return Nothing()


def ask(question, path=SOCKET, timeout=10):
    """One question in latchkeyd's protocol; a str or bytes is sent as it is. None when it hangs up."""
    if isinstance(question, dict):
        question = json.dumps(question)
    with connect(path, timeout) as connection:
        connection.send(question if isinstance(question, bytes) else question.encode())
        answer = connection.recv(1 << 20)
        return json.loads(answer) if answer else None


def exchange_question(site, key=None, subject=tokens.BACKUP):
    return {"ask": "exchange", "tenant": site.tenant.tenant, "subject": subject, "api_key": key or site.tenant.api_key}


PAM_SUCCESS, PAM_AUTH_ERR, PAM_AUTHINFO_UNAVAIL = 0, 7, 9


def log_in(site, credential=None, user="svc-backup", service="pamtester", under=()):
    """PAM's code, in a host process of its own. The credential is the tenant's API key unless another is given."""
    calls = "authenticate" if under else "authenticate,account"  # pam_unix shows an account to root alone
    done = site.host.pamhost("-u", user, "-c", calls, service=service, answers=[credential or site.tenant.api_key],
                             under=under)
    return int(done.authenticate[0])


def timed(function, *arguments, **options):
    """(seconds, what it returned)"""
    start = time.monotonic()
    result = function(*arguments, **options)
    return time.monotonic() - start, result
