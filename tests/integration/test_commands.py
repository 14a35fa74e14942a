"""The sub-commands of latchkey that ask the tenant service, against a real one that fails on demand."""
import contextlib
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import jwt as pyjwt
import pytest

import tokens
from daemon import SOCKET, Daemon
from host import BUILD, COMMAND, PRIVATE, for_all_tenants, run, wait_until
from tenant import Tenant
from terminal import Terminal

PROGRAM = BUILD / "latchkey"
TYPES = ("primary", "secondary")
# Nobody who could be asked: a session of its own has no terminal.
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
    """Not pytest's directory, whose parents only root may pass."""
    with tempfile.TemporaryDirectory(prefix="latchkey-test.", dir="/tmp") as root:
        Path(root).chmod(0o755)
        yield Path(root)


@pytest.fixture(name="latchkey")
def make_latchkey(root):
    with Tenant(root, "--tenant", tokens.TENANT, "--alg", "ES256") as tenant:
        yield Latchkey(root, tenant)


@pytest.fixture(name="disk")
def make_disk(root):
    """A file system of its own with room for hardly anything, that a test may fill or close."""
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


# --- keys ---

def test_keys_fetch_replaces_a_key_set_and_leaves_an_unchanged_one_alone(latchkey):
    kid = latchkey.tenant.rotate(drop=True)
    done = latchkey.run("keys", "fetch")
    assert (done.returncode, done.stdout) == (0, f"{tokens.TENANT}: replaced\n"), done.stderr
    assert [key["kid"] for key in json.loads(latchkey.keys.read_text())["keys"]] == [kid]
    assert stat.S_IMODE(latchkey.keys.stat().st_mode) == 0o644
    before = latchkey.keys.stat()
    done = latchkey.run("keys", "fetch", "--tenant", tokens.TENANT)
    assert (done.returncode, done.stdout) == (0, f"{tokens.TENANT}: unchanged\n")
    assert (latchkey.keys.stat().st_ino, latchkey.keys.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_keys_fetch_makes_a_key_set_that_is_missing(latchkey):
    latchkey.keys.unlink()
    assert latchkey.run("keys", "fetch").stdout == f"{tokens.TENANT}: replaced\n"
    assert json.loads(latchkey.keys.read_text()) == latchkey.tenant.jwks()


@pytest.mark.parametrize("endpoint", ["discovery", "jwks"])
@pytest.mark.parametrize("fault, values, status, reason, words", FAULTS, ids=id_of)
def test_keys_fetch_keeps_the_old_set(latchkey, endpoint, fault, values, status, reason, words):
    latchkey.configure(timeout=1)
    latchkey.tenant.rotate()
    before = latchkey.keys.read_bytes()
    latchkey.tenant.fault(endpoint, fault, **values)
    if reason == "credential_refused":  # of whom, where nobody showed a credential?
        status, reason = 3, "tenant_unavailable"
    if endpoint == "jwks" and fault in ("broken-json", "empty"):
        reason, words = "jwks_invalid", ""
    done = latchkey.expect(status, reason, "keys", "fetch", also=words)
    assert "keeps the key set that it has" in done.stderr and done.stdout == ""
    assert latchkey.keys.read_bytes() == before


def test_keys_fetch_verifies_the_certificate(latchkey):
    latchkey.configure(ca=False)
    latchkey.expect(3, "tenant_unavailable", "keys", "fetch", also="certificate")
    assert latchkey.tenant.requests("discovery") == 0


def test_keys_fetch_of_a_tenant_that_is_down_does_not_keep_others_from_theirs(latchkey):
    latchkey.configure(timeout=1, more='tenant "dead" { url = "https://127.0.0.1:1"  keys = "{root}/keys/dead.jwks" }')
    latchkey.tenant.rotate()
    done = latchkey.expect(3, "tenant_unavailable", "keys", "fetch")
    assert done.stdout == f"{tokens.TENANT}: replaced\n" and "tenant dead keeps" in done.stderr


def test_keys_fetch_passes_over_a_tenant_with_a_secret_unless_it_is_named(latchkey):
    latchkey.configure(more=HMAC_TENANT)
    assert latchkey.run("keys", "fetch").stdout == f"{tokens.TENANT}: unchanged\n"
    latchkey.expect(2, "config_invalid", "keys", "fetch", "--tenant", "hmac", also="no key set")


def test_keys_fetch_writes_as_root_where_the_daemons_user_owns_the_directory(latchkey):
    daemon = pwd.getpwnam("daemon")
    os.chown(latchkey.keys.parent, daemon.pw_uid, daemon.pw_gid)
    os.chown(latchkey.keys, daemon.pw_uid, daemon.pw_gid)
    latchkey.conf.write_text(latchkey.conf.read_text().replace("latchkeyd {", 'latchkeyd { user = "daemon" '))
    latchkey.tenant.rotate()
    assert latchkey.run("keys", "fetch").stdout == f"{tokens.TENANT}: replaced\n"
    assert latchkey.run("keys", "list").returncode == 0
    latchkey.tenant.rotate()
    assert latchkey.run("keys", "fetch", user="daemon").stdout == f"{tokens.TENANT}: replaced\n"


def test_keys_fetch_says_that_it_cannot_write(latchkey):
    latchkey.tenant.rotate()
    done = latchkey.expect(3, "system_error", "keys", "fetch", user="daemon", also=f"{latchkey.keys}: ")
    assert "Permission denied" in done.stderr


def test_keys_list_shows_every_key_offline(latchkey):
    key = latchkey.tenant.jwks()["keys"][0]
    latchkey.write(latchkey.keys, json.dumps({"keys": [key, tokens.Key("RS256", "weak", bits=1024).jwk()]}))
    latchkey.configure(more=HMAC_TENANT)
    latchkey.tenant.stop()
    done = latchkey.run("keys", "list")
    assert done.returncode == 0
    assert re.search(rf"^  {key['kid']} +EC P-256 +ES256 +usable$", done.stdout, re.M), done.stdout
    assert re.search(r"^  weak +RSA 1024 +- +never used: ", done.stdout, re.M), done.stdout
    assert f"hmac ({latchkey.root}/hmac.key)" in done.stdout
    report = json.loads(latchkey.run("keys", "list", "--json", "--tenant", tokens.TENANT).stdout)
    [tenant] = report["tenants"]
    assert list(tenant) == ["tenant", "file", "failure", "keys"]
    assert (tenant["tenant"], tenant["file"], tenant["failure"]) == (tokens.TENANT, str(latchkey.keys), None)
    assert tenant["keys"][0] == {"kid": key["kid"], "type": "EC P-256", "alg": "ES256", "usable": True, "note": None}
    assert tenant["keys"][1]["usable"] is False and tenant["keys"][1]["note"]


# A sequence of a terminal, one of eight bits, an override of the direction, a separator of lines, a tag.
HOSTILE = "a\x9b31mb\x9dc\u202ed\u2028e\U000e0041f"


def test_rule_34_a_kid_sends_nothing_to_the_terminal(latchkey):
    keys = [latchkey.tenant.jwks()["keys"][0] | {"kid": HOSTILE}, tokens.Key("RS256", HOSTILE + "2", bits=1024).jwk()]
    latchkey.write(latchkey.keys, json.dumps({"keys": keys}))
    shown = latchkey.run("keys", "list").stdout
    report = latchkey.run("keys", "list", "--json").stdout
    for output in (shown, report, latchkey.run("check").stdout, latchkey.run("check", "--json").stdout):
        assert output and not set(output) & set(HOSTILE) - set("a31mbcdef"), repr(output)
    assert "a??31mb??c???d???e????f " in shown
    assert json.loads(report)["tenants"][0]["keys"][0]["kid"] == HOSTILE


def test_keys_list_says_why_a_set_is_of_no_use(latchkey):
    latchkey.write(latchkey.keys, "{}")
    latchkey.expect(3, "jwks_invalid", "keys", "list")
    done = latchkey.expect(3, "jwks_invalid", "keys", "list", "--json")
    assert json.loads(done.stdout)["tenants"][0]["failure"] == "jwks_invalid"


# --- exchange ---

def exchange(latchkey, *words, user="daemon", key=None, **options):
    return latchkey.run("exchange", "--user", user, *words, input=(key or latchkey.tenant.api_key) + "\n", **options)


def test_exchange_gives_a_token_that_opens_the_account(latchkey):
    done = exchange(latchkey)
    assert (done.returncode, done.stderr) == (0, "")
    assert pyjwt.decode(done.stdout.strip(), options={"verify_signature": False})["sub"] == tokens.BACKUP
    verified = latchkey.run("verify", "--user", "daemon", "--json", input=done.stdout)
    assert json.loads(verified.stdout)["verdict"] == "accept"


def test_exchange_leaves_the_token_where_askpass_finds_it(latchkey):
    output = latchkey.root / "token"
    done = exchange(latchkey, "--output", output)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    answer = run(PROGRAM, "askpass", "Access token: ", env={"LATCHKEY_TOKEN_FILE": str(output)}).stdout
    assert output.read_text().startswith(answer.strip())
    assert sorted(path.name for path in latchkey.root.iterdir() if "token" in path.name) == ["token"]


def test_exchange_reads_the_key_from_a_file(latchkey):
    assert latchkey.run("exchange", "--user", "daemon", "--api-key-file", latchkey.key_file()).returncode == 0
    loose = latchkey.write(latchkey.root / "loose", latchkey.tenant.api_key, 0o644)
    latchkey.expect(3, "system_error", "exchange", "--user", "daemon", "--api-key-file", loose, also="readable by")


@pytest.mark.parametrize("fault, values, status, reason, words", FAULTS + [
    ("other-user", {}, 1, "exchange_mismatch", f"instead of {tokens.BACKUP}"),
    ("other-tenant", {}, 1, "tenant_mismatch", ""),
    ("expired", {}, 1, "token_expired", ""),
    ("unsigned", {}, 1, "token_malformed", ""),
    ("unpublished-key", {}, 1, "key_unknown", ""),
    ("forged", {}, 1, "signature_invalid", ""),
    ("content-type", {}, 3, "tenant_unavailable", "text/html"),
    ("huge", {"bytes": 70000}, 3, "tenant_unavailable", "longer than 65536 bytes"),
    ("body", {"text": '{"token":"no\\u0020token"}'}, 3, "tenant_unavailable", '"token"'),
], ids=id_of)
def test_exchange_refuses(latchkey, fault, values, status, reason, words):
    latchkey.configure(timeout=1)
    output = latchkey.root / "token"
    latchkey.tenant.fault("exchange", fault, **values)
    done = latchkey.expect(status, reason, "exchange", "--user", "daemon", "--output", output, also=words,
                       input=latchkey.tenant.api_key)
    assert done.stdout == "" and not output.exists() and "eyJ" not in done.stderr


def test_exchange_tells_a_time_out_from_a_refusal(latchkey):
    latchkey.configure(timeout=1)
    latchkey.tenant.fault("exchange", "never")
    begin = time.monotonic()
    done = exchange(latchkey)
    assert 0.9 < time.monotonic() - begin < 4
    assert done.returncode == 3
    assert re.search(r"^latchkey exchange: tenant_unavailable: .*: .*timed out", done.stderr), done.stderr
    done = exchange(latchkey, key="k" * 40)
    assert done.returncode == 3
    latchkey.tenant.clear()
    latchkey.expect(1, "credential_refused", "exchange", "--user", "daemon", input="k" * 40, also="status 401")


def test_exchange_of_a_token_for_another_configured_tenant_is_a_mismatch(latchkey):
    """A token that verifies is not enough: it must be of the tenant that was asked."""
    other = "4a51de8b-27e2-425b-b26e-ca8269e42efa"
    latchkey.configure(more=f"""
        tenant "{other}" {{
            issuer = "https://other.example"  algorithms = {{"ES256"}}  keys = "{latchkey.root}/keys/other.jwks"
        }}""")
    key = tokens.Key("ES256", "o")
    latchkey.write(latchkey.root / "keys" / "other.jwks", tokens.key_set(key))
    foreign = key.sign(tokens.claims(tokens.BACKUP, iss="https://other.example", aud=other, tenant=other, groups=None))
    latchkey.tenant.fault("exchange", "body", text=json.dumps({"token": foreign}, separators=(",", ":")))
    latchkey.expect(1, "exchange_mismatch", "exchange", "--user", "daemon", input=latchkey.tenant.api_key,
                also=f"tenant {other} instead of {tokens.TENANT}")


@pytest.mark.parametrize("user", ["bin", "root", "nobody-knows"])
def test_exchange_is_only_for_accounts_that_are_marked(latchkey, user):
    latchkey.expect(1, "credential_not_allowed", "exchange", "--user", user, input=latchkey.tenant.api_key)
    assert latchkey.tenant.requests("exchange") == 0


@pytest.mark.parametrize("key", ["correct horse battery staple", "short", "k" * 600, "k" * 20 + "\r\nX-Other: 1"])
def test_what_cannot_be_an_api_key_is_sent_nowhere(latchkey, key):
    latchkey.expect(1, "credential_refused", "exchange", "--user", "daemon", input=key, also="not in the form")
    assert latchkey.tenant.requests("exchange") == 0


def test_exchange_without_a_key_says_so(latchkey):
    latchkey.expect(1, "credential_absent", "exchange", "--user", "daemon", input="\n")


def test_exchange_takes_nothing_from_the_environment_that_would_lead_it_astray(latchkey):
    log = latchkey.root / "keylog"
    nobody = "http://127.0.0.1:1"
    done = exchange(latchkey, env={"SSLKEYLOGFILE": str(log), "https_proxy": nobody, "ALL_PROXY": nobody})
    assert done.returncode == 0 and not log.exists()


@pytest.mark.parametrize("place", ["directory", "link", "nowhere/token", "fifo"])
def test_exchange_puts_a_token_only_where_a_file_belongs(latchkey, place):
    (latchkey.root / "directory").mkdir()
    (latchkey.root / "link").symlink_to("/dev/null")
    os.mkfifo(latchkey.root / "fifo")
    latchkey.expect(3, "system_error", "exchange", "--user", "daemon", "--output", latchkey.root / place,
                input=latchkey.tenant.api_key)
    assert latchkey.tenant.requests("exchange") == 0
    assert (latchkey.root / "link").is_symlink()


def test_exchange_writes_below_the_working_directory(latchkey):
    done = exchange(latchkey, "--output", "token", under=["env", "-C", latchkey.root])
    assert done.returncode == 0 and (latchkey.root / "token").read_text().startswith("eyJ")


# --- apikey ---

def masked(key):
    return f"{key[:4]}...{key[-4:]}"


def test_apikey_show_masks_unless_told_to_reveal(latchkey):
    key = latchkey.tenant.api_key
    done = latchkey.run("apikey", "show", input=key)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"primary    {masked(key)}\nsecondary  none\n" and latchkey.shows_no_key(done)
    assert latchkey.run("apikey", "show", "--reveal", input=key).stdout == f"primary    {key}\nsecondary  none\n"


def test_apikey_show_with_the_token_of_an_administrator(latchkey):
    done = latchkey.run("apikey", "show", "--token-file", latchkey.admin_file())
    assert done.stdout.startswith(f"primary    {masked(latchkey.tenant.api_key)}\n"), done.stderr
    file = latchkey.file("token", latchkey.tenant.token(tokens.ALICE))
    latchkey.expect(1, "credential_refused", "apikey", "show", "--token-file", file, also="status 403")


@pytest.mark.parametrize("fault, values, status, reason, words", FAULTS, ids=id_of)
def test_apikey_show_says_what_went_wrong(latchkey, fault, values, status, reason, words):
    latchkey.configure(timeout=1)
    latchkey.tenant.fault("apikeys", fault, **values)
    latchkey.expect(status, reason, "apikey", "show", also=words, input=latchkey.tenant.api_key)


@pytest.mark.parametrize("body", ["[]", "{}", '{"primaryApiKey":7,"tenantId":"%s"}',
                                  '{"primaryApiKey":"x","tenantId":"y"}',
                                  '{"primaryApiKey":"\\u001b[2J","tenantId":"%s"}'])
def test_apikey_show_believes_no_strange_answer(latchkey, body):
    latchkey.tenant.fault("apikeys", "body", text=body.replace("%s", tokens.TENANT))
    done = latchkey.expect(3, "tenant_unavailable", "apikey", "show", input=latchkey.tenant.api_key)
    assert done.stdout == "" and "\x1b" not in done.stderr


def test_apikey_show_wants_the_tenant_where_several_have_a_url(latchkey):
    latchkey.configure(more='tenant "second" { url = "https://other.example" }')
    done = latchkey.run("apikey", "show", input=latchkey.tenant.api_key)
    assert done.returncode == 2 and "--tenant says which is meant" in done.stderr
    assert latchkey.run("apikey", "show", "--tenant", tokens.TENANT, input=latchkey.tenant.api_key).returncode == 0
    done = latchkey.run("apikey", "show", "--tenant", "third", input=latchkey.tenant.api_key)
    assert done.returncode == 2 and 'no tenant "third"' in done.stderr


def test_apikey_create_of_a_first_secondary_asks_nobody(latchkey):
    output = latchkey.root / "new"
    done = latchkey.run("apikey", "create", "secondary", "--output", output, input=latchkey.tenant.api_key)
    key = latchkey.saved_keys()["secondary"]
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"secondary  {masked(key)}\n" and output.read_text() == key + "\n"
    assert latchkey.holds_working_key(output) and latchkey.works(latchkey.tenant.api_key)
    assert not list(latchkey.root.glob("*room*"))


def test_apikey_create_reveals_when_told_to(latchkey):
    done = latchkey.run("apikey", "create", "secondary", "--reveal", input=latchkey.tenant.api_key)
    assert done.stdout == f"secondary  {latchkey.saved_keys()['secondary']}\n"


def test_apikey_create_ends_a_key_only_with_consent(latchkey):
    before, output = latchkey.saved_keys(), latchkey.root / "new"
    done = latchkey.run("apikey", "create", "primary", "--output", output, input=latchkey.tenant.api_key)
    assert done.returncode == 2 and "--yes" in done.stderr and not output.exists()
    words = ("apikey", "create", "primary", "--api-key-file", latchkey.key_file(), "--output", output)
    for answer in ("no", "", "y", "yes please"):
        with latchkey.terminal(*words) as terminal:
            terminal.expect(rf"ends the primary key {re.escape(masked(before['primary']))}.*\s*.*Type yes to go on: ")
            terminal.type(answer)
            status, text = terminal.wait()
        assert status == 1 and "stays as it is" in text
    assert latchkey.saved_keys() == before and not output.exists()
    with latchkey.terminal(*words) as terminal:
        terminal.expect("Type yes to go on: ")
        terminal.type("yes")
        assert terminal.wait()[0] == 0
    assert not latchkey.works(before["primary"]) and latchkey.holds_working_key(output)


def test_apikey_create_with_yes_asks_nobody(latchkey):
    before, output = latchkey.saved_keys(), latchkey.root / "new"
    done = latchkey.run("apikey", "create", "primary", "--yes", "--output", output, input=before["primary"])
    assert done.returncode == 0 and latchkey.holds_working_key(output) and not latchkey.works(before["primary"])


def test_apikey_create_by_an_administrator(latchkey):
    output = latchkey.root / "new"
    done = latchkey.run("apikey", "create", "primary", "--yes", "--output", output,
                        "--token-file", latchkey.admin_file())
    assert done.returncode == 0 and latchkey.holds_working_key(output)


def unwritable_nowhere(latchkey, disk):
    return latchkey.root / "nowhere" / "new"


def unwritable_full(latchkey, disk):
    fill(disk)
    return disk / "new"


def unwritable_read_only(latchkey, disk):
    run("mount", "-o", "remount,ro", disk)
    return disk / "new"


def unwritable_directory(latchkey, disk):
    return disk


def unwritable_link(latchkey, disk):
    (disk / "new").symlink_to("/dev/stdout")
    return disk / "new"


UNWRITABLE = [unwritable_nowhere, unwritable_full, unwritable_read_only, unwritable_directory, unwritable_link]


@pytest.mark.parametrize("unwritable", UNWRITABLE)
@pytest.mark.parametrize("words", [("create", "primary"), ("rotate",)], ids=" ".join)
def test_no_key_ends_when_the_new_one_could_not_be_written(latchkey, disk, words, unwritable):
    before, key_file = latchkey.saved_keys(), latchkey.key_file()
    latchkey.expect(3, "system_error", "apikey", *words, "--yes", "--api-key-file", key_file, "--output",
                unwritable(latchkey, disk))
    assert latchkey.saved_keys() == before and latchkey.holds_working_key(key_file)


def test_a_file_that_others_own_the_directory_of_is_found_out_before_a_key_ends(latchkey):
    before = latchkey.saved_keys()
    latchkey.expect(3, "system_error", "apikey", "create", "primary", "--yes", "--output", "/etc/latchkey-test-key",
                input=before["primary"], user="daemon")
    assert latchkey.saved_keys() == before


def test_a_new_key_that_nobody_would_get_to_see_is_not_made(latchkey):
    before = latchkey.saved_keys()
    for words in (("create", "primary"), ("rotate",)):
        done = latchkey.run("apikey", *words, "--yes", input=before["primary"])
        assert done.returncode == 2 and "where does the new key go?" in done.stderr
    assert latchkey.saved_keys() == before


def test_a_key_that_cannot_be_written_after_all_is_not_lost(latchkey):
    """The directory goes away while the tenant service answers."""
    place = latchkey.root / "place"
    place.mkdir()
    words = ("apikey", "create", "primary", "--api-key-file", latchkey.key_file(), "--output", place / "new")
    with latchkey.terminal(*words) as terminal:
        terminal.expect("Type yes to go on: ")
        shutil.rmtree(place)
        terminal.type("yes")
        status, text = terminal.wait()
    assert status == 3 and "system_error" in text
    assert f"the new one would be lost: {latchkey.saved_keys()['primary']}" in text


@pytest.mark.parametrize("signal", ["INT", "TERM", "HUP"])
def test_nobody_interrupts_between_the_end_of_a_key_and_the_handing_over(latchkey, signal):
    output = latchkey.root / "new"
    latchkey.tenant.fault("apikeys", "slow-body", seconds=2, count=2)  # of the look before, and of the new key
    process = subprocess.Popen([*ALONE, *latchkey.argv("apikey", "create", "primary", "--yes", "--api-key-file",
                                                   latchkey.key_file(), "--output", output)])
    before = latchkey.tenant.api_key
    wait_until(lambda: latchkey.tenant.api_key != before, "the primary key ends")
    [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split() or [process.pid]
    run("kill", f"-{signal}", child)
    process.wait(20)
    assert latchkey.holds_working_key(output)


# rotate: whatever happens, somebody holds a key that works

def test_apikey_rotate_with_the_primary(latchkey):
    before = latchkey.saved_keys()
    key_file = latchkey.key_file()
    done = latchkey.run("apikey", "rotate", "--yes", "--api-key-file", key_file, "--output", key_file)
    after = latchkey.saved_keys()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"secondary  {masked(after['secondary'])}\nprimary    {masked(after['primary'])}\n"
    assert latchkey.shows_no_key(done)
    assert key_file.read_text() == after["primary"] + "\n" and latchkey.works(after["primary"])
    assert latchkey.works(after["secondary"]) and not latchkey.works(before["primary"])
    assert not list(latchkey.root.glob("*room*"))


def with_secondary(latchkey):
    latchkey.tenant.post("/api/APIKeys", {"type": "secondary"}, headers={"X-API-Key": latchkey.tenant.api_key})
    return latchkey.saved_keys()


def test_apikey_rotate_with_the_secondary_renews_the_primary_first(latchkey):
    before = with_secondary(latchkey)
    output = latchkey.root / "new"
    done = latchkey.run("apikey", "rotate", "--yes", "--output", output, input=before["secondary"])
    after = latchkey.saved_keys()
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["primary", "secondary"]
    assert output.read_text() == after["secondary"] + "\n"
    assert [latchkey.works(key) for key in (*before.values(), *after.values())] == [False, False, True, True]


def test_apikey_rotate_leaves_no_dead_key_in_a_file_that_held_the_other_one(latchkey):
    """Killed between the end of the other key and its handing over."""
    before = with_secondary(latchkey)
    output = latchkey.key_file(before["secondary"], "output")
    latchkey.tenant.fault("apikeys", "slow-body", seconds=2)
    process = subprocess.Popen([*latchkey.argv("apikey", "rotate", "--yes", "--api-key-file", latchkey.key_file(),
                                               "--output", output)])
    wait_until(lambda: latchkey.saved_keys()["secondary"] != before["secondary"], "the secondary key ends")
    process.kill()
    process.wait()
    assert output.read_text() == before["primary"] + "\n" and latchkey.holds_working_key(output)


def test_apikey_rotate_reveals_both(latchkey):
    done = latchkey.run("apikey", "rotate", "--yes", "--reveal", input=latchkey.tenant.api_key)
    after = latchkey.saved_keys()
    assert done.stdout == f"secondary  {after['secondary']}\nprimary    {after['primary']}\n"


def rotating(latchkey, output):
    return latchkey.terminal("apikey", "rotate", "--api-key-file", latchkey.key_file(), "--output", output)


def test_apikey_rotate_asks_before_each_end_of_a_key(latchkey):
    before = with_secondary(latchkey)
    output = latchkey.root / "new"
    with rotating(latchkey, output) as terminal:
        terminal.expect("ends the secondary key .*Type yes to go on: ".replace(".*", r"[^\0]*"))
        assert latchkey.saved_keys() == before
        terminal.type("yes")
        terminal.expect(r"ends the primary key [^\0]*Type yes to go on: ")
        assert latchkey.holds_working_key(output) and latchkey.works(before["primary"])
        terminal.type("no")
        status, text = terminal.wait()
    assert status == 1 and "the new secondary key works, and has been handed over" in text
    assert latchkey.saved_keys()["primary"] == before["primary"] and latchkey.holds_working_key(output)


def test_apikey_rotate_without_anybody_to_ask_does_nothing(latchkey):
    before = latchkey.saved_keys()
    done = latchkey.run("apikey", "rotate", "--output", latchkey.root / "new", input=before["primary"])
    assert done.returncode == 2 and "--yes" in done.stderr
    assert latchkey.saved_keys() == before and latchkey.tenant.requests("apikeys") == 0


def test_apikey_rotate_keeps_out_of_a_disk_that_fills_up_on_the_way(latchkey, disk):
    before, output = latchkey.saved_keys(), disk / "key"
    with rotating(latchkey, output) as terminal:
        terminal.expect(r"ends the primary key [^\0]*Type yes to go on: ")
        fill(disk)
        terminal.type("yes")
        status, text = terminal.wait()
    assert status == 3 and "system_error" in text and "works, and has been handed over" in text
    assert latchkey.saved_keys()["primary"] == before["primary"]
    assert latchkey.holds_working_key(output) and output.read_text().strip() == latchkey.saved_keys()["secondary"]


def test_apikey_rotate_on_a_disk_that_is_closed_on_the_way(latchkey, disk):
    before, output = latchkey.saved_keys(), disk / "key"
    with rotating(latchkey, output) as terminal:
        terminal.expect(r"ends the primary key [^\0]*Type yes to go on: ")
        run("mount", "-o", "remount,ro", disk)
        terminal.type("yes")
        assert terminal.wait()[0] == 3
    assert latchkey.saved_keys()["primary"] == before["primary"] and latchkey.holds_working_key(output)


@pytest.mark.parametrize("fault, values, status, reason, words", FAULTS, ids=id_of)
def test_apikey_rotate_that_fails_at_the_second_key_leaves_the_first(latchkey, fault, values, status, reason, words):
    latchkey.configure(timeout=1)
    output = latchkey.root / "new"
    with rotating(latchkey, output) as terminal:
        terminal.expect(r"ends the primary key [^\0]*Type yes to go on: ")
        latchkey.tenant.fault("apikeys", fault, **values)
        terminal.type("yes")
        got, text = terminal.wait()
    assert got == status and reason in text and words in text
    assert ("may have been renewed all the same" in text) == (status == 3)
    assert latchkey.holds_working_key(output)


@pytest.mark.parametrize("fault, values, status, reason, words", FAULTS, ids=id_of)
def test_apikey_rotate_that_fails_at_the_first_key_leaves_the_given_one(latchkey, fault, values, status, reason, words):
    latchkey.configure(timeout=1)
    before, output = with_secondary(latchkey), latchkey.root / "new"
    with rotating(latchkey, output) as terminal:
        terminal.expect(r"ends the secondary key [^\0]*Type yes to go on: ")
        latchkey.tenant.fault("apikeys", fault, **values)
        terminal.type("yes")
        got, text = terminal.wait()
    assert got == status and reason in text
    assert "the primary key, which was given, works as before" in text
    assert latchkey.works(before["primary"]) and output.read_text() == before["primary"] + "\n"


def test_apikey_rotate_of_a_dead_key_ends_none(latchkey):
    before = latchkey.saved_keys()
    latchkey.expect(1, "credential_refused", "apikey", "rotate", "--yes", "--output", latchkey.root / "new",
                    input="k" * 40)
    assert latchkey.saved_keys() == before


def test_apikey_rotate_of_a_key_that_the_service_does_not_name_ends_none(latchkey):
    latchkey.tenant.fault("apikeys", "body", text='{"primaryApiKey":"%s","secondaryApiKey":null,"tenantId":"%s"}'
                      % ("k" * 40, tokens.TENANT))
    latchkey.expect(3, "tenant_unavailable", "apikey", "rotate", "--yes", "--output", latchkey.root / "new",
                input=latchkey.tenant.api_key, also="neither the primary nor the secondary")


# --- whoami and users ---

def test_whoami_tells_whose_a_token_is(latchkey):
    file = latchkey.file("token", latchkey.tenant.token(tokens.ALICE))
    done = latchkey.run("whoami", "--token-file", file)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == [f"user    {tokens.ALICE}", "e-mail  alice@example.com"]
    assert done.stdout.splitlines()[-1] == f"tenant  {tokens.TENANT}"
    for options in ({"env": {"LATCHKEY_TOKEN_FILE": str(file)}}, {"input": file.read_text()}):
        report = json.loads(latchkey.run("whoami", "--json", **options).stdout)
        assert list(report) == ["userId", "email", "displayName", "userType", "enabled", "tenant"]
        assert (report["userId"], report["enabled"], report["tenant"]) == (tokens.ALICE, True, tokens.TENANT)


@pytest.mark.parametrize("fault, values, status, reason, words", FAULTS, ids=id_of)
@pytest.mark.parametrize("command", ["whoami", "users"])
def test_whoami_and_users_say_what_went_wrong(latchkey, command, fault, values, status, reason, words):
    latchkey.configure(timeout=1)
    file = latchkey.admin_file()
    latchkey.tenant.fault("users", fault, **values)
    latchkey.expect(status, reason, command, "--token-file", file, also=words)


def test_whoami_sends_no_api_key_as_a_token(latchkey):
    latchkey.expect(1, "token_malformed", "whoami", input=latchkey.tenant.api_key)
    assert latchkey.tenant.requests("users") == 0


def test_what_the_service_says_of_a_person_does_not_steer_the_terminal(latchkey):
    latchkey.tenant.fault("users", "body", text='{"userId":"u\\u001b[2J","displayName":"a\\nb"}')
    done = latchkey.run("whoami", input=latchkey.tenant.token(tokens.ALICE))
    assert done.stdout == f"user    u?[2J\nname    a?b\ntenant  {tokens.TENANT}\n"


def test_users_come_in_pages_or_all_together(latchkey):
    every = latchkey.tenant.users
    key = latchkey.tenant.api_key
    page = latchkey.run("users", "--page-size", 2, input=key)
    assert page.returncode == 0 and len(page.stdout.splitlines()) == 2
    assert f"2 of {len(every)}; --page 2 goes on" in page.stderr
    rest = latchkey.run("users", "--page-size", 2, "--page", 2, input=key)
    everybody = latchkey.run("users", "--page-size", 2, "--all", "--token-file", latchkey.admin_file())
    assert everybody.stderr == "" and everybody.stdout.startswith(page.stdout + rest.stdout)
    assert {line.split()[0] for line in everybody.stdout.splitlines()} == set(every.values())
    report = json.loads(latchkey.run("users", "--all", "--page-size", 3, "--json", input=key).stdout)
    assert report["totalRecords"] == len(every)
    assert {(user["email"], user["userId"]) for user in report["users"]} == set(every.items())


def test_users_ends_where_there_is_nobody_whatever_the_total_says(latchkey):
    latchkey.tenant.fault("users", "body", text='{"data":[],"totalRecords":1000}')
    done = latchkey.run("users", "--all", "--json", input=latchkey.tenant.api_key)
    assert json.loads(done.stdout) == {"users": [], "totalRecords": 1000}
    assert latchkey.tenant.requests("users") == 1


@pytest.mark.parametrize("body", ["{}", '{"data":{},"totalRecords":1}', '{"data":[{}],"totalRecords":1}',
                                  '{"data":[],"totalRecords":-1}', '{"data":[],"totalRecords":"1"}'])
def test_users_believes_no_strange_page(latchkey, body):
    latchkey.tenant.fault("users", "body", text=body)
    latchkey.expect(3, "tenant_unavailable", "users", input=latchkey.tenant.api_key)


# --- check, where latchkeyd answers ---

def check(host, *words, user=None):
    as_user = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if user else []
    done = run(*as_user, COMMAND, "check", "--json", "--pam-directory", PRIVATE / "home", *words, check=False)
    return [(found["severity"], found["message"]) for found in json.loads(done.stdout)["findings"]
            if found["file"] == str(SOCKET)]


def test_check_shows_how_latchkeyd_is(site, daemon):
    wait_until(lambda: daemon.status()["tenants"][0]["keys_looked_at"] is not None, "the key set was looked at")
    found = check(site.host)
    assert [severity for severity, _ in found] == ["note", "note"], found
    assert re.match(r"latchkeyd [0-9.]+ has served for \d+ s: asked 0 exchanges, 0 refreshes, 0 signatures, 0 logins, 0 "
                    r"passwords; turned away 0 by allow, 0 by rate, 0 in a crowd, 0 as guesses, 0 as broken; "
                    r"cache: 0 entries, 0 hits, 0 misses$", found[0][1])
    assert re.match(rf'tenant "{tokens.TENANT}": breaker closed; the key set was looked at \d+ s ago: '
                    r"(replaced|unchanged)$", found[1][1]), found


def test_check_warns_of_an_open_breaker_and_of_a_key_set_that_is_not_refreshed(site, tenant):
    for endpoint in ("exchange", "discovery"):
        tenant.fault(endpoint, "status", status=500)
    site.give_keys_to_daemon()
    with Daemon(site.host) as daemon:
        for _ in range(5):
            site.host.verify(tenant.api_key, "--user", "svc-backup")
        wait_until(lambda: daemon.status()["tenants"][0]["keys_failure"] is not None, "the refresh failed")
        warnings = [message for severity, message in check(site.host) if severity == "warning"]
    assert len(warnings) == 2
    assert "its service failed 5 times in a row, or asked to be spared" in warnings[0]
    assert "the key set could not be refreshed: " in warnings[1] and "status 500" in warnings[1]


def test_check_warns_of_a_configuration_that_latchkeyd_cannot_use(site, daemon):
    good = site.host.write("latchkey.conf", (site.host.etc / "latchkey.conf").read_text())
    assert not [found for found in check(site.host) if found[0] == "warning"]
    good.chmod(0o600)  # root reads it still
    [warning] = [message for severity, message in check(site.host) if severity == "warning"]
    assert "refuses every login" in warning and "Permission denied" in warning


def test_check_by_somebody_whom_latchkeyd_does_not_serve_is_a_note(site, daemon):
    for _ in range(20):  # it is sent away before, while or after it asks
        [found] = check(site.host, user="alice")
        assert found[0] == "note" and "latchkeyd denies uid 2001" in found[1], found


# --- usage ---

@pytest.mark.parametrize("words", [
    ("keys", "fetch", "word"), ("keys", "fetch", "--json"), ("keys", "fetch", "--tenant", "none"),
    ("keys", "list", "word"),
    ("exchange",), ("exchange", "--user", "daemon", "a-key"), ("exchange", "--api-key", "k"),
    ("apikey", "show", "a-key"), ("apikey", "show", "--output", "x"), ("apikey", "create", "--reveal"),
    ("apikey", "create", "tertiary", "--reveal"), ("apikey", "create", "primary", "a-key", "--reveal"),
    ("apikey", "rotate", "a-key", "--reveal"), ("apikey", "rotate", "--token-file", "x", "--reveal"),
    ("apikey", "show", "--token-file", "x", "--api-key-file", "y"),
    ("whoami", "a-token"), ("whoami", "--api-key-file", "x"), ("users", "word"), ("users", "--page", "0"),
    ("users", "--page-size", "1001"), ("users", "--page", "1x"),
], ids=" ".join)
def test_wrong_usage_is_status_2(latchkey, words):
    done = latchkey.run(*words, input="k" * 40)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr != ""


@pytest.mark.parametrize("words", [("keys",), ("keys", "steal"), ("apikey",)], ids=" ".join)
def test_half_a_command_is_none(words):
    done = run(PROGRAM, *words, check=False)
    assert done.returncode == 2 and "is no sub-command" in done.stderr


@pytest.mark.parametrize("words", [("keys", "fetch"), ("keys", "list"), ("exchange", "--user", "daemon"),
                                   ("apikey", "show"), ("whoami",), ("users",)], ids=" ".join)
def test_a_broken_configuration_is_status_2(latchkey, words):
    latchkey.conf.write_text("nonsense")
    latchkey.expect(2, "config_invalid", *words)


@pytest.mark.parametrize("words", [("apikey", "show"), ("users",), ("keys", "list")], ids=" ".join)
def test_what_nobody_could_read_was_not_said(latchkey, words):
    with open("/dev/full", "wb") as full:
        done = run(*ALONE, *latchkey.argv(*words), input=latchkey.tenant.api_key, check=False, capture_output=False,
                   stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3 and "standard output" in done.stderr


def test_a_key_that_is_typed_does_not_show(latchkey):
    key = latchkey.tenant.api_key
    with latchkey.terminal("apikey", "show") as terminal:
        terminal.expect("API key: ")
        terminal.type(key)
        status, text = terminal.wait()
    assert status == 0 and f"primary    {masked(key)}" in text and key not in text
