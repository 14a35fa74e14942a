"""A directory with a configuration, a tenant service that fails on demand, and the command latchkey."""
import contextlib
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

import tokens
from host import BUILD, for_all_tenants, run
from tenant import Tenant
from terminal import Terminal

PROGRAM = BUILD / "latchkey"
TYPES = ("primary", "secondary")
# In a session of its own the command has no terminal, so that it cannot ask the user.
ALONE = ["setsid", "--wait"]

CONFIG = """
latchkeyd {{ socket = {{"{root}/latchkeyd.sock"}} program = "" timeout = {timeout} }}
tenant "{tenant}" {{
    url        = "{url}"
    {ca}
    keys       = "{root}/keys/tenant.jwks"
    algorithms = {{"ES256"}}
}}
user "daemon" {{ sub = {{"{backup}"}} tenant = {{"{tenant}"}} api_key = true }}
user "bin"    {{ sub = {{"{alice}"}} tenant = {{"{tenant}"}} }}
service "*"   {{ credentials = {{"jwt", "api_key"}} }}
{more}
"""
HMAC_TENANT = """
tenant "hmac" {
    issuer = "https://hmac.example.org"  audience = {"host"}  tenant_claim = ""
    algorithms = {"HS256"}  hmac_secret_file = "{root}/hmac.key"
}
"""


class Latchkey:
    """A directory with a configuration, the keys of a running tenant service, and the command."""

    def __init__(self, root, tenant):
        self.root, self.tenant = root, tenant
        self.conf = root / "latchkey.conf"
        self.keys = root / "keys" / "tenant.jwks"
        self.keys.parent.mkdir()
        self.configure()
        self.write(self.keys, tenant.get("/v2.0/Auth/.well-known/jwks.json").body.decode())

    @staticmethod
    def write(path, text, mode=0o644):
        path.write_text(text)
        path.chmod(mode)
        return path

    def configure(self, more="", timeout=10, ca=True, url=None):
        self.write(self.root / "hmac.key", "s" * 32, 0o600)
        shutil.copy(self.tenant.ca, self.root / "ca.pem")
        self.write(self.conf, for_all_tenants(CONFIG.format(
            root=self.root, tenant=self.tenant.tenant, url=url or self.tenant.url, timeout=timeout,
            ca=f'ca_file = "{self.root}/ca.pem"' if ca else "", alice=tokens.ALICE, backup=tokens.BACKUP,
            more=more.replace("{root}", str(self.root)))))

    def file(self, name, text):
        return self.write(self.root / name, text + "\n", 0o600)

    def key_file(self, key=None, name="key"):
        return self.file(name, key or self.tenant.api_key)

    def admin_file(self):
        return self.file("admin.token", self.tenant.token(tokens.ADMIN))

    def argv(self, *words):
        """The command with the configuration behind its own words."""
        count = 2 if words[0] in ("keys", "apikey") else 1
        return [str(word) for word in (PROGRAM, *words[:count], "--config", self.conf, *words[count:])]

    def run(self, *words, input=None, under=(), env=None, user=None):
        as_user = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if user else []
        return run(*ALONE, *under, *as_user, *self.argv(*words), input=input or "", check=False,
                   env={"PATH": os.environ["PATH"]} | (env or {}))

    def expect(self, status, reason, *words, also="", **options):
        """A failure: its exit status, and the reason with its sentence on standard error."""
        done = self.run(*words, **options)
        assert done.returncode == status, done.stderr
        assert re.search(rf"^latchkey {re.escape(words[0])}[a-z ]*: {reason}: ", done.stderr, re.M), done.stderr
        assert also in done.stderr, done.stderr
        assert self.shows_no_key(done)
        return done

    def shows_no_key(self, done):
        """Neither a key nor its middle."""
        keys = [key for key in self.saved_keys().values() if key]
        return not any(key[4:-4] in done.stdout + done.stderr for key in keys)

    def terminal(self, *words):
        return Terminal(self.argv(*words), {"PATH": os.environ["PATH"], "TERM": "dumb"})

    def saved_keys(self):
        return {name: self.tenant.saved()["apiKeys"].get(name) for name in TYPES}

    def works(self, key):
        return self.tenant.exchange(tokens.BACKUP, key).status == 200

    def holds_working_key(self, path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        return self.works(path.read_text().strip())


@pytest.fixture(name="root")
def make_root():
    """Not pytest's directory: only root may pass its parents."""
    with tempfile.TemporaryDirectory(prefix="latchkey-test.", dir="/tmp") as root:
        Path(root).chmod(0o755)
        yield Path(root)


@pytest.fixture(name="latchkey")
def make_latchkey(root):
    with Tenant(root, "--tenant", tokens.TENANT, "--alg", "ES256") as tenant:
        yield Latchkey(root, tenant)


@pytest.fixture(name="disk")
def make_disk(root):
    """A small file system that a test may fill or unmount."""
    path = root / "disk"
    path.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", path)
    yield path
    run("umount", "-l", path)


def fill(disk):
    with open(disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(b"x" * 4096)


# What goes wrong on the way to the tenant service: the fault, what it is told as, and what is said of it.
REFUSALS = [
    ("status", {"status": 401}, 1, "credential_refused", "status 401"),
    ("status", {"status": 403}, 1, "credential_refused", "status 403"),
]
OUTAGES = [
    ("status", {"status": 503}, 3, "tenant_unavailable", "status 503"),
    ("status", {"status": 429, "retry_after": 7}, 3, "tenant_unavailable", "retry after 7 s"),
    ("redirect", {"text": "https://127.0.0.1/"}, 3, "tenant_unavailable", "status 302"),
    ("never", {}, 3, "tenant_unavailable", "timed out"),
    ("reset", {}, 3, "tenant_unavailable", ""),
    ("reset-midway", {}, 3, "tenant_unavailable", ""),  # what was asked for has been done
    ("broken-json", {}, 3, "tenant_unavailable", "malformed JSON"),
    ("empty", {}, 3, "tenant_unavailable", ""),
]
FAULTS = REFUSALS + OUTAGES


def id_of(value):
    return value if isinstance(value, str) and value != "" else None


def exchange(latchkey, *words, user="daemon", key=None, **options):
    return latchkey.run("exchange", "--user", user, *words, input=(key or latchkey.tenant.api_key) + "\n", **options)


def masked(key):
    return f"{key[:4]}...{key[-4:]}"
