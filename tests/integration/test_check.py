"""`latchkey check` and `latchkey verify --json`: every finding has its case, and the JSON is the documented interface.

Needs nothing but the built command (BUILDDIR) and a directory of its own.
"""
import base64
import json
import os
import pwd
import re
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LATCHKEY = Path(os.environ.get("BUILDDIR", "build")).resolve() / "latchkey"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TENANT = "3f40cd7a-16d1-414a-b15d-b97158d31de9"
ISSUER = f"https://auth.example.com/tenant/{TENANT}/v2.0/Auth"
CLAIM = "https://agglestone.com/tenantId"
SUB = "f3e89bb2-5827-4e4b-8b33-823b48327ec7"
NOW = 1_800_000_000

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(key, kid):
    """The public half as RFC 7517 writes it."""
    public = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        n = public.public_numbers()
        own = {"kty": "RSA", "n": b64(n.n.to_bytes(key.key_size // 8, "big")), "e": "AQAB"}
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        n = public.public_numbers()
        own = {"kty": "EC", "crv": "P-256", "x": b64(n.x.to_bytes(32, "big")), "y": b64(n.y.to_bytes(32, "big"))}
    else:
        own = {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes(Encoding.Raw, PublicFormat.Raw))}
    return own | {"kid": kid, "use": "sig"}


class Site:
    """A configuration in which nothing is to be found, and a pam.d with one good stack."""

    def __init__(self, root, pam="pam.d"):
        self.root = root
        self.conf = root / "latchkey.conf"
        self.keys = root / "keys.json"
        self.revoked = root / "revoked"
        self.pam = root / pam
        self.pam.mkdir(mode=0o755, parents=True)
        self.tenant = f'tenant "{TENANT}" {{\n  url = "https://auth.example.com"\n  keys = "{self.keys}"\n%s}}\n'
        self.blocks = f'user "daemon" {{ sub = {{"{SUB}"}} }}\n'
        self.write(self.revoked, "")
        self.write_keys(jwk(RSA_KEY, "a"))
        self.configure()
        self.stack("sshd", GOOD_STACK)

    @staticmethod
    def write(path, text, mode=0o644):
        data = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(data)
        path.chmod(mode)

    def write_keys(self, *keys):
        self.write(self.keys, json.dumps({"keys": list(keys)}))

    def configure(self, tenant_options="", blocks=None):
        text = f'revocation_list = "{self.revoked}"\n' + self.tenant % tenant_options
        self.write(self.conf, text + (self.blocks if blocks is None else blocks))

    def stack(self, service, text):
        self.write(self.pam / service, text)

    def run(self, *arguments):
        return subprocess.run([LATCHKEY, "check", "--config", self.conf, "--pam-directory", self.pam, *arguments],
                              capture_output=True, text=True, timeout=60, check=False)

    def check(self):
        """The findings as (severity, file name, line, message), and the exit status."""
        result = self.run("--json")
        report = json.loads(result.stdout)
        assert result.stderr == ""
        assert sorted(report) == ["errors", "findings", "warnings"]
        found = [(f["severity"], Path(f["file"]).name, f["line"], f["message"]) for f in report["findings"]]
        assert report["errors"] == sum(f[0] == "error" for f in found)
        assert report["warnings"] == sum(f[0] == "warning" for f in found)
        return found, result.returncode

    def expect(self, severity, name, line, words, status=None):
        found, code = self.check()
        matching = [f for f in found if f[0] == severity and f[1] == name and f[2] == line and words in f[3]]
        assert len(matching) == 1, f"wanted {severity} {name}:{line} {words!r} among {found}"
        if status is None:
            status = 1 if any(f[0] == "error" for f in found) else 0
        assert code == status

    def verify(self, credential, *arguments, expect=None):
        data = credential if isinstance(credential, bytes) else credential.encode()
        result = subprocess.run([LATCHKEY, "verify", "--config", self.conf, *arguments], input=data,
                                capture_output=True, timeout=60, check=False)
        if expect is not None:
            assert result.returncode == expect, result.stdout + result.stderr
        return result.stdout.decode()


GOOD_STACK = """\
auth    [success=done cred_insufficient=ignore authinfo_unavail=ignore system_err=ignore buf_err=ignore ignore=ignore \\
         default=die] pam_latchkey.so
auth    required pam_unix.so try_first_pass
account [success=ok ignore=ignore authinfo_unavail=ignore default=die] pam_latchkey.so
account required pam_unix.so
"""


@pytest.fixture(name="site")
def make_site(tmp_path):
    return Site(tmp_path)


MODULES = ["pam_deny.so", "pam_env.so", "pam_latchkey.so", "pam_permit.so", "pam_unix.so"]
LIBPAM = "lib/x86_64-linux-gnu/security"


class System(Site):
    """A site with what is around /etc/pam.d: modules in libpam's folder, and the vendor's stacks."""

    def __init__(self, root):
        super().__init__(root, "etc/pam.d")
        self.vendor = root / "usr/lib/pam.d"
        self.vendor.mkdir(mode=0o755, parents=True)
        for module in MODULES:
            self.module(f"{LIBPAM}/{module}")

    def module(self, path):
        file = self.root / path
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.write(file, "")
        return file

    def vendor_stack(self, service, text):
        self.write(self.vendor / service, text)


@pytest.fixture(name="system")
def make_system(tmp_path):
    return System(tmp_path)


def test_a_sound_system_has_no_findings(system):
    assert system.check() == ([], 0)


def test_a_sound_set_up_has_no_findings(site):
    assert site.check() == ([], 0)
    assert site.run().stdout == "0 errors, 0 warnings\n"


# --- the configuration ---

@pytest.mark.parametrize("options, line, words", [
    ('  levee = 3\n', 5, "levee"),
    ('  leeway = 301\n', 5, "leeway"),
    ('  leeway = "x"\n', 5, "leeway"),
    ('  issuer = ""\n  audience = {}\n  tenant_claim = ""\n', 5, "issuer"),
])
def test_a_configuration_that_does_not_load_is_an_error_with_its_line(site, options, line, words):
    site.configure(options)
    site.expect("error", "latchkey.conf", line, words, status=2)


def test_a_missing_configuration_is_status_2(site):
    site.conf.unlink()
    site.expect("error", "latchkey.conf", None, "cannot be opened", status=2)


def test_a_loose_configuration_is_status_2(site):
    site.conf.chmod(0o664)
    site.expect("error", "latchkey.conf", None, "writable by group or others", status=2)


def test_the_text_output_names_file_and_line(site):
    site.configure('  levee = 3\n')
    result = site.run()
    assert result.returncode == 2
    assert result.stdout.splitlines()[0].startswith(f"error: {site.conf}:5: ")
    assert result.stdout.splitlines()[-1] == "1 errors, 0 warnings"


@pytest.mark.parametrize("arguments", [["--nonsense"], ["word"], ["--config"]])
def test_wrong_usage_is_status_2(site, arguments):
    result = site.run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr != ""


@pytest.mark.parametrize("options, line, words", [
    ('  issuer = ""\n', 5, "the issuer is not checked"),
    ('  audience = {}\n', 5, "the audience is not checked"),
    ('  leeway = 61\n', 5, "leeway = 61"),
])
def test_a_waived_check_is_a_warning(site, options, line, words):
    site.configure(options)
    site.expect("warning", "latchkey.conf", line, words)


def test_a_leeway_of_a_minute_is_not_large(site):
    site.configure("  leeway = 60\n")
    assert site.check() == ([], 0)


# --- permissions ---

@pytest.mark.parametrize("name", ["keys.json", "revoked"])
def test_a_loose_file_is_an_error(site, name):
    (site.root / name).chmod(0o666)
    found, status = site.check()
    assert status == 1
    assert [f[0] for f in found] == ["error"]
    assert "writable by group or others" in found[0][3]


@pytest.mark.parametrize("mode, is_error", [(0o755, False), (0o775, True), (0o757, True), (0o1777, False)])
def test_a_directory_above_is_loose_unless_sticky(site, mode, is_error):
    directory = site.root / "deeper"
    directory.mkdir()
    site.keys = site.keys.rename(directory / "keys.json")
    site.tenant = site.tenant.replace(f"{site.root}/keys.json", f"{directory}/keys.json")
    site.configure()
    directory.chmod(mode)
    found, status = site.check()
    assert status == is_error
    assert [(f[0], f[1]) for f in found] == ([("error", "deeper")] if is_error else [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize("owner, is_error", [("daemon", False), ("bin", True)])
def test_the_directory_of_key_sets_may_belong_to_latchkeyd_and_to_no_other_user(site, owner, is_error):
    directory = site.root / "keys"
    directory.mkdir()
    site.keys = site.keys.rename(directory / "keys.json")
    site.tenant = site.tenant.replace(f"{site.root}/keys.json", f"{directory}/keys.json")
    site.configure(blocks=site.blocks + latchkeyd_block(site))  # whose user is daemon
    os.chown(site.keys, pwd.getpwnam("daemon").pw_uid, -1)
    os.chown(directory, pwd.getpwnam(owner).pw_uid, -1)
    found, _ = site.check()
    assert [f[:2] for f in found] == ([("error", "keys")] if is_error else [])
    directory.chmod(0o775)
    site.expect("error", "keys", None, "is writable by group or others")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize("what", ["configuration", "revoked", "ca_file"])
def test_the_directory_of_another_file_may_not_belong_to_latchkeyd(site, what):
    directory = site.root / "deeper"
    directory.mkdir()
    if what == "ca_file":
        site.write(directory / "ca.pem", CERTIFICATE)
        site.configure(f'  ca_file = "{directory}/ca.pem"\n', blocks=site.blocks + latchkeyd_block(site))
    elif what == "revoked":
        site.revoked = site.revoked.rename(directory / "revoked")
        site.configure(blocks=site.blocks + latchkeyd_block(site))
    else:
        site.configure(blocks=site.blocks + latchkeyd_block(site))
        site.conf = site.conf.rename(directory / "latchkey.conf")
    assert site.check() == ([], 0)
    os.chown(directory, pwd.getpwnam("daemon").pw_uid, -1)
    site.expect("error", "deeper", None, "is owned by uid")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_above_that_somebody_else_owns_is_an_error(site):
    os.chown(site.pam, pwd.getpwnam("daemon").pw_uid, -1)
    site.expect("error", "pam.d", None, "is owned by uid")


def test_a_loose_directory_behind_a_symbolic_link_is_found(site):
    real = site.root / "real"
    real.mkdir()
    site.keys.rename(real / "keys.json")
    (site.root / "link").symlink_to(real)
    site.tenant = site.tenant.replace(f"{site.root}/keys.json", f"{site.root}/link/keys.json")
    site.configure()
    real.chmod(0o777)
    site.expect("error", "real", None, "writable")


def test_a_loose_pam_file_is_an_error_when_it_names_latchkey(site):
    (site.pam / "sshd").chmod(0o664)
    site.expect("error", "sshd", None, "writable by group or others")


def test_a_loose_pam_file_without_latchkey_is_none_of_our_business(site):
    site.stack("cron", "auth required pam_unix.so\n")
    (site.pam / "cron").chmod(0o666)
    assert site.check() == ([], 0)


# --- keys ---

def test_a_missing_key_set_is_an_error_at_its_option(site):
    site.keys.unlink()
    site.expect("error", "latchkey.conf", 4, "no key set or secret can be read")


BROKEN_KEY_SETS = {
    "an empty file": "",
    "no JSON": "keys",
    "only a weak key": json.dumps({"keys": [jwk(WEAK_KEY, "w")]}),
    "two keys of one kid": json.dumps({"keys": [jwk(RSA_KEY, "a"), jwk(RSA_KEY, "a")]}),
    "a private member": json.dumps({"keys": [jwk(RSA_KEY, "a") | {"d": "AQAB"}]}),
}


@pytest.mark.parametrize("name", BROKEN_KEY_SETS)
def test_a_broken_key_set_is_an_error(site, name):
    site.write(site.keys, BROKEN_KEY_SETS[name])
    site.expect("error", "latchkey.conf", 4, "the key set or the secret is not usable")


def test_a_withdrawn_key_set_is_an_error(site):
    site.write(site.keys, '{"keys":[]}')
    site.expect("error", "latchkey.conf", 4, "withdrawn")


def test_a_weak_key_beside_a_good_one_is_a_warning(site):
    site.write_keys(jwk(RSA_KEY, "a"), jwk(WEAK_KEY, "weak"))
    site.expect("warning", "keys.json", None, 'keys[1] (kid "weak"')


def test_one_kid_on_keys_of_different_types_is_a_warning(site):
    site.write_keys(jwk(RSA_KEY, "a"), jwk(EC_KEY, "a"))
    site.expect("warning", "keys.json", None, 'kid "a" stands twice')


def test_keys_that_fit_no_allowed_algorithm_are_an_error(site):
    site.write_keys(jwk(ED_KEY, "e"))
    site.expect("error", "keys.json", None, "no key fits any of the algorithms")


def test_keys_that_fit_an_allowed_algorithm_are_none(site):
    site.write_keys(jwk(ED_KEY, "e"))
    site.configure('  algorithms = {"EdDSA"}\n')
    assert site.check() == ([], 0)


def use_secret(site, text, mode=0o600):
    secret = site.root / "hmac"
    site.write(secret, text, mode)
    site.tenant = site.tenant.replace(f'keys = "{site.keys}"', f'hmac_secret_file = "{secret}"')
    site.configure('  algorithms = {"HS256", "HS512"}\n')


def test_an_hmac_secret_as_long_as_the_longest_hash_is_silent(site):
    use_secret(site, "s" * 64)
    assert site.check() == ([], 0)


@pytest.mark.parametrize("text, mode, file, line, words", [
    ("s" * 63, 0o600, "hmac", None, "too short for HS512, which wants 64 bytes"),
    ("s" * 64, 0o640, "latchkey.conf", 4, "readable by group or others"),
    ("", 0o600, "latchkey.conf", 4, "the key set or the secret is not usable"),
])
def test_a_weak_or_loose_hmac_secret_is_an_error(site, text, mode, file, line, words):
    use_secret(site, text, mode)
    site.expect("error", file, line, words)


# --- users, groups, maps, services, the revocation list ---

GROUP = 'group "daemon" { claim = {"501b38ea-16af-4cd2-9f20-35675d2c001e"} }\n'


@pytest.mark.parametrize("severity, line, words, blocks", [
    ("warning", 6, 'user "no-such-user" does not exist', 'user "no-such-user" { sub = {"x"} }\n'),
    ("warning", 6, "sub is empty", 'user "daemon" { sub = {} }\n'),
    ("note", 6, 'user "root" is uid 0', 'user "root" { sub = {"x"} }\n'),
    ("note", 6, 'opens both "daemon" and "bin"', 'user "daemon" { sub = {"x"} }\nuser "bin" { sub = {"x"} }\n'),
    ("warning", None, "no token opens any account", ""),
    ("warning", 7, 'group "no-such-group" does not exist',
     'user "daemon" { sub = {"x"} }\ngroup "no-such-group" { claim = {"g"} }\n'),
    ("warning", 8, "claim is empty", 'user "daemon" { sub = {"x"} }\ngroup "daemon" {\n  claim = {}\n}\n'),
    ("error", 8, "no value maps to any of the groups",
     'user "daemon" { sub = {"x"} }\ngroup "daemon" { claim = {} }\nservice "sshd" { require_group = {"daemon"} }\n'),
    ("note", 7, 'user "daemon": api_key is set, and no service',
     'user "daemon" {\n  api_key = true  sub = {"x"}\n}\nservice "sshd" { credentials = {"jwt"} }\n'),
    ("warning", 7, 'service "sshd": API keys open nothing',
     'user "daemon" { sub = {"x"} }\nservice "sshd" { credentials = {"api_key"} }\n'),
    ("warning", 7, 'service "*": API keys open nothing',
     'user "daemon" { sub = {"x"} }\nservice "*" { credentials = {"api_key"} }\n'),
    ("note", 7, 'service "memcached": realm = {"*"}: alice in whatever realm is the local user alice',
     'user "daemon" { sub = {"x"} }\nservice "memcached" { realm = {"*"} }\n'),
    ("note", 7, 'service "*": realm = {"*"}',
     'user "daemon" { sub = {"x"} }\nservice "*" { realm = {"*"} }\nservice "memcached" { max_age = 9 }\n'),
    ("note", 7, "gives sessions no groups",
     'user "daemon" { sub = {"x"} }\ngroup "daemon" { claim = {"g"} session = true }\n'),
    ("note", None, "must vouch", 'map { claim = "email" pattern = "^(u[a-z]+)@example\\\\.com$" }\n'),
    ("note", 6, 'can give "daemon"',
     'user "daemon" { sub = {"x"} }\nmap { claim = "email" pattern = "^([a-z]+)@example\\\\.com$" }\n'),
])
def test_identity_findings(site, severity, line, words, blocks):
    site.configure(blocks=blocks)
    found, _ = site.check()
    assert sum(f[0] == severity and f[1] == "latchkey.conf" and f[2] == line and words in f[3] for f in found) == 1, found


@pytest.mark.parametrize("text, line", [
    ('user "no-such" { sub = {} }\n', 6),
    ('  user "no-such" { sub = {} }\n', 6),
    ('\tuser\t"no-such"\t{ sub = {} }\n', 6),
    ('user "no-such"{ sub = {} }\n', 6),
    ('user "no-such" {\n\n\tsub = {}\n}\n', 8),
    ('user "no-such" {\n  sub = {} }', 7),
    ('user "no-such-one" { sub = {"y"} }\nuser "no-such" { sub = {} }\n', 7),
    ('user "no" { sub = {"y"} }\nuser "no-such" { sub = {} }\n', 7),
    ('group "no-such" { claim = {"y"} }\nuser "no-such" { sub = {} }\n', 7),
    ('# user "no-such" {\nuser "no-such" { sub = {} }\n', 7),
    ('user "no-such" { sub = {} }\nuser "x" {\n  sub = {"y"}\n}\n', 6),
])
def test_a_finding_names_the_line_of_its_block_or_option(site, text, line):
    site.configure(blocks=text)
    found, _ = site.check()
    assert [f[2] for f in found if f[3].startswith('user "no-such": sub is empty')] == [line], found


def test_a_configuration_by_a_relative_path_has_directories_above_it_too(site):
    def check():
        done = subprocess.run([LATCHKEY, "check", "--json", "--config", "latchkey.conf", "--pam-directory", site.pam],
                              capture_output=True, text=True, cwd=site.root, check=False)
        return [f["message"] for f in json.loads(done.stdout)["findings"] if f["severity"] == "error"]

    assert check() == []
    site.root.chmod(0o777)
    assert any("is writable by group or others" in message for message in check())


@pytest.mark.parametrize("pattern", ["^(u[a-z]+)@example\\\\.com$", "^([^d][a-z]*)@x$", "^([]d]+)@x$", "^x(y)@(daemon)$"])
def test_a_map_that_cannot_give_a_users_name_is_silent(site, pattern):
    site.configure(blocks=f'user "daemon" {{ sub = {{"x"}} }}\nmap {{ claim = "email" pattern = "{pattern}" }}\n')
    found, _ = site.check()
    assert not [f for f in found if 'can give "daemon"' in f[3]]


def test_any_realm_is_said_once(site):
    site.configure(blocks='user "daemon" { sub = {"x"} }\nservice "*" { realm = {"*"} }\nservice "one" { max_age = 9 }\n')
    assert len([f for f in site.check()[0] if "realm = " in f[3]]) == 1
    site.configure(blocks='user "daemon" { sub = {"x"} }\nservice "one" { realm = {"example.com"} }\n')
    assert not [f for f in site.check()[0] if "realm = " in f[3]]


def test_a_required_group_without_a_block_is_an_error(site):
    site.configure(blocks=site.blocks + 'service "sshd" { require_group = {"ops"} }\n')
    site.expect("error", "latchkey.conf", 7, "ops", status=2)


def test_a_mapped_group_that_exists_is_silent(site):
    site.configure(blocks=site.blocks + GROUP + 'service "sshd" { require_group = {"daemon"} }\n')
    assert site.check() == ([], 0)


def test_a_revocation_list_that_is_configured_must_be_there(site):
    site.revoked.unlink()
    site.expect("error", "revoked", None, "the revocation list cannot be used")


def test_a_broken_revocation_list_is_an_error(site):
    site.write(site.revoked, "sub x\nnonsense y\n")
    site.expect("error", "revoked", None, "line 2")


@pytest.mark.parametrize("user, severity, words", [
    ("daemon", "note", 'sub "x" is revoked'),
    ("root", "warning", 'sub "x" is revoked'),
])
def test_a_revoked_subject_of_a_block_is_found(site, user, severity, words):
    site.write(site.revoked, "sub x\n")
    site.configure(blocks=f'user "{user}" {{ sub = {{"x", "y"}} }}\n')
    site.expect(severity, "latchkey.conf", 6, words)
    assert not [f for f in site.check()[0] if "closed" in f[3]]


def test_an_account_whose_subjects_are_all_revoked_is_closed(site):
    site.write(site.revoked, "sub x\nsub y\n")
    site.configure(blocks='user "daemon" { sub = {"x", "y"} }\n')
    site.expect("note", "latchkey.conf", 6, "the account is closed")


MAP = 'map { claim = "upn" pattern = "^(u[a-z]+)@x$" }\n'


@pytest.mark.parametrize("revoked, blocks, words", [
    ("sub x\n", MAP, 'sub "x" stands in no user block'),
    ("sub y\nsub x\njti j\n", MAP, 'sub "x" and others of the list stand in no user block'),
    ("sub y\nsub x\n", MAP + 'user "daemon" { sub = {"z", "x"} }\n', 'sub "y" stands in no user block'),
])
def test_a_revoked_subject_that_only_a_map_could_name_is_a_warning(site, revoked, blocks, words):
    site.write(site.revoked, revoked)
    site.configure(blocks=blocks)
    site.expect("warning", "revoked", None, words)


@pytest.mark.parametrize("revoked, blocks", [
    ("sub x\n", 'user "daemon" { sub = {"z"} }\n'),
    ("sub x\n", MAP + 'user "daemon" { sub = {"x"} }\n'),
    ("jti x\nkid x\nissued-before 1000 sub x\nissued-before 1000\n", MAP),
    ("", MAP),
], ids=["there is no map", "a block has it", "tokens alone are revoked", "nothing is revoked"])
def test_a_revocation_that_holds_as_it_reads_is_silent(site, revoked, blocks):
    site.write(site.revoked, revoked)
    site.configure(blocks=blocks)
    assert not [f for f in site.check()[0] if "no user block" in f[3]]


OTHER = "4a51de8b-27e2-425b-b26e-ca8269e42efa"
BLOCKS_OF_TENANTS = {
    "user": ('user "daemon" {{ sub = {{"x"}} {} }}\n', 10),
    "map": ('user "daemon" {{ sub = {{}} tenant = {{"%s"}} }}\nmap {{ claim = "upn" pattern = "^(u[a-z]+)@x$" {} }}\n' % OTHER,
            11),
    "group": ('group "daemon" {{ claim = {{"g"}} {} }}\n', 10),
}


@pytest.mark.parametrize("kind", BLOCKS_OF_TENANTS)
def test_rule_17_a_block_that_names_no_tenant_of_several_is_an_error(site, kind):
    block, line = BLOCKS_OF_TENANTS[kind]
    second = site.tenant.replace(TENANT, OTHER) % ""
    site.configure(blocks=second + block.format(""))
    site.expect("error", "latchkey.conf", line, f'with 2 tenants the block must name those whose tokens it is for: '
                f'add tenant = {{"{TENANT}"}}, or other ids', status=2)
    assert json.loads(site.verify("no.to.ken", "--json", expect=2))["reason"] == "config_invalid"
    site.configure(blocks=second + block.format(f'tenant = {{"{OTHER}"}}'))
    assert not [f for f in site.check()[0] if f[0] == "error"]
    site.configure(blocks=block.format("").replace(OTHER, TENANT))
    assert not [f for f in site.check()[0] if f[0] == "error"]


# --- API keys and latchkeyd, where none listens (test_commands.py has one that does) ---

API_KEYS = 'user "daemon" {{ sub = {{"x"}} api_key = true }}\nservice "sshd" {{ credentials = {{"api_key"}} }}\n{}'


def latchkeyd_block(site, **options):
    options = {"socket": '{"%s"}' % (site.root / "latchkeyd.sock")} | options
    return "latchkeyd {\n" + "".join(f"  {name} = {value}\n" for name, value in options.items()) + '  user = "daemon"\n}\n'


def test_api_keys_that_nobody_exchanges_are_a_warning(site):
    for program, words in (("", "no program to start"), (site.keys, f"{site.keys} cannot be started"),
                           (site.root / "nowhere", "cannot be started")):
        site.configure(blocks=API_KEYS.format(latchkeyd_block(site, program=f'"{program}"')))
        site.expect("warning", "latchkey.conf", 10 if program else 8, words)
    site.configure(blocks=API_KEYS.format(latchkeyd_block(site, program='"/bin/true"')))
    assert site.check() == ([], 0)


def test_nobody_to_exchange_api_keys_is_no_matter_where_none_is_taken(site):
    site.configure(blocks=site.blocks + latchkeyd_block(site, program='""'))
    assert site.check() == ([], 0)


def test_a_socket_on_which_nobody_listens_is_a_warning(site):
    with tempfile.TemporaryDirectory() as directory:  # pytest's path is too long for a socket's
        path = f"{directory}/left-over"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left_over:
            left_over.bind(path)
        site.configure(blocks=site.blocks + latchkeyd_block(site, socket='{"%s"}' % path))
        site.expect("warning", "left-over", None, f"no latchkeyd answers: latchkeyd does not listen on {path}")


def test_a_user_of_latchkeyd_that_is_missing_is_a_note_where_one_is_configured(site):
    site.configure(blocks=site.blocks + latchkeyd_block(site).replace('"daemon"', '"no-such-user"'))
    site.expect("note", "latchkey.conf", 9, 'user "no-such-user", as whom latchkeyd runs, does not exist')


class Latchkeyd(threading.Thread):
    """Answers one question for the status with what it is given; test_commands.py asks the real one."""

    def __init__(self, **status):
        super().__init__(daemon=True)
        self.answer = json.dumps({"answer": "ok", "status": status}).encode()
        self.directory = tempfile.TemporaryDirectory()  # pytest's path is too long for a socket's
        self.path = f"{self.directory.name}/socket"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        self.listener.listen()

    def run(self):
        client, _ = self.listener.accept()
        with client:
            client.recv(65536)
            client.send(self.answer)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.join(10)
        self.listener.close()
        self.directory.cleanup()


def status_findings(site, **status):
    with Latchkeyd(**status) as latchkeyd:
        site.configure(blocks=site.blocks + latchkeyd_block(site, socket='{"%s"}' % latchkeyd.path))
        found, _ = site.check()
    assert all(file == "socket" for _, file, _, _ in found), found
    return [(severity, message) for severity, _, _, message in found]


@pytest.mark.parametrize("seconds, words", [
    (0, "0 s"), (1, "1 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172799, "47 h"),
    (172800, "2 d"), (2**53 - 1, f"{(2**53 - 1) // 86400} d"), (2**53, "0 s"), (-1, "0 s"), ("1", "0 s"), (None, "0 s"),
])
def test_how_long_latchkeyd_has_served_is_told_in_one_unit(site, seconds, words):
    [(severity, message)] = status_findings(site, version="1.0", uptime=seconds)
    assert severity == "note" and f"latchkeyd 1.0 has served for {words}: " in message


def test_each_number_of_the_status_stands_in_its_place(site):
    names = ("exchange", "refresh", "signature", "authenticate")
    [(_, message)] = status_findings(
        site, asked={name: i + 1 for i, name in enumerate(names)}, passwords=5,
        refused={"peer": 6, "rate": 7, "crowded": 8, "guesses": 9, "broken": 10}, cache={"entries": 11, "hits": 12, "misses": 13})
    assert ("asked 1 exchanges, 2 refreshes, 3 signatures, 4 logins, 5 passwords; turned away 6 by allow, 7 by rate, 8 in a "
            "crowd, 9 as guesses, 10 as broken; cache: 11 entries, 12 hits, 13 misses") in message


@pytest.mark.parametrize("fault, warnings", [("no such file", 1), ("", 0), (None, 0)])
def test_a_configuration_that_latchkeyd_cannot_use_is_a_warning(site, fault, warnings):
    told = [message for severity, message in status_findings(site, configuration_fault=fault) if severity == "warning"]
    assert len(told) == warnings and all("cannot use its configuration: no such file" in message for message in told)


@pytest.mark.parametrize("tenant, note, warning", [
    ({"breaker": "closed", "keys_looked_at": 2**52, "keys": "replaced"},
     "breaker closed; the key set was looked at 0 s ago: replaced", None),
    ({"breaker": "closed", "keys_looked_at": None}, "breaker closed; the key set was not looked at yet", None),
    ({"breaker": "open", "failures": 5, "keys_looked_at": None}, "breaker open", "its service failed 5 times in a row"),
    ({"breaker": "closed", "keys_failure": "time-out"}, "breaker closed", "could not be refreshed: time-out"),
    ({"breaker": "closed", "keys_failure": ""}, "breaker closed", None),
    ({"id": "another", "breaker": "closed"}, "breaker closed; no key set is refreshed", None),
])
def test_each_tenant_of_latchkeyd_is_told(site, tenant, note, warning):
    found = status_findings(site, tenants=[{"id": TENANT} | tenant])[1:]
    [said] = [message for severity, message in found if severity == "note"]
    assert note in said
    warned = [message for severity, message in found if severity == "warning"]
    assert len(warned) == (warning is not None) and all(warning in message for message in warned)


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("text, mode, words", [
    (None, 0, "cannot be opened"),
    (CERTIFICATE, 0o666, "writable by group or others"),
    ("", 0o644, "no certificate in PEM"),
    ("MIIB", 0o644, "no certificate in PEM"),
])
def test_authorities_that_cannot_be_used_are_an_error(site, text, mode, words):
    authorities = site.root / "ca.pem"
    site.configure(f'  ca_file = "{authorities}"\n')
    site.write(authorities, CERTIFICATE)
    assert site.check() == ([], 0)
    if text is None:
        authorities.unlink()
    else:
        site.write(authorities, text, mode)
    site.expect("error", "ca.pem", None, words)


# --- pam.d ---

ACCOUNT = ("account [success=ok ignore=ignore authinfo_unavail=ignore default=die] pam_latchkey.so\n"
           "account required pam_unix.so\n")
AUTH = "auth [success=done cred_insufficient=ignore authinfo_unavail=ignore ignore=ignore default=die] pam_latchkey.so"
UNIX = "auth required pam_unix.so\n"

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
         "Latchkey ignores them"),
    "account with ignore forgotten":
        (f"{AUTH}\n{UNIX}account [success=ok authinfo_unavail=ignore default=die] pam_latchkey.so\n"
         "account required pam_unix.so\n", "warning", 3, "Latchkey ignores them"),
    "account optional":
        (f"{AUTH}\n{UNIX}account optional pam_latchkey.so\naccount required pam_unix.so\n", "warning", 3,
         "revoked people get in"),
    "account after a sufficient module":
        (f"{AUTH}\n{UNIX}account sufficient pam_localuser.so\n{ACCOUNT}", "warning", 4, "revoked people get in"),
    "sufficient, then pam_permit":
        (f"auth sufficient pam_latchkey.so\nauth required pam_permit.so\n{ACCOUNT}", "error", 1,
         "lets everybody in, without any proof"),
    "optional beside pam_permit":
        (f"auth required pam_permit.so\nauth optional pam_latchkey.so\n{ACCOUNT}", "error", 2, "lets everybody in"),
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
        (f"auth sufficient pam_permit.so\n{AUTH}\n{UNIX}{ACCOUNT}", "error", 2, "lets everybody in"),
    "a module that grants without asking":
        (f"{AUTH}\nauth sufficient pam_localuser.so\n{UNIX}{ACCOUNT}", "error", 1, "lets everybody in"),
    "a pam_nologin that agrees where nobody has been asked":
        ("auth [success=done cred_insufficient=ignore authinfo_unavail=ignore ignore=ignore default=die] "
         f"pam_latchkey.so\nauth required pam_nologin.so successok\n{ACCOUNT}", "error", 1, "lets everybody in"),
    "a pam_u2f that agrees where nobody has a key":
        (f"auth optional pam_latchkey.so\nauth required pam_u2f.so cue nouserok\n{ACCOUNT}", "error", 1,
         "lets everybody in"),
    "a jump that is one too short":
        ("auth [success=1 default=ignore] pam_latchkey.so\nauth [success=1 default=ignore] pam_unix.so\n"
         f"auth requisite pam_deny.so\nauth required pam_permit.so\n{ACCOUNT}", "error", 1,
         "no token opens it: the auth stack"),
    "a jump over a line that has come since":
        ("auth [success=2 default=ignore] pam_latchkey.so\nauth [success=1 default=ignore] pam_unix.so\n"
         f"auth required pam_faillock.so authfail\nauth requisite pam_deny.so\nauth required pam_permit.so\n{ACCOUNT}",
         "error", 1, "no token opens it: the auth stack"),
    "an account line that refuses what is good":
        (f"{AUTH}\n{UNIX}account [success=die default=ignore] pam_latchkey.so\naccount required pam_unix.so\n", "error", 3,
         "no token opens it: the account stack"),
    "a module that cannot be loaded, and a jump":
        ("auth [success=2 module_unknown=2 default=ignore] pam_latchkey.so\nauth [success=1 default=ignore] pam_unix.so\n"
         f"auth requisite pam_deny.so\nauth required pam_permit.so\n{ACCOUNT}", "error", 1,
         "when Latchkey answers module_unknown"),
    "optional, then pam_exec":
        (f"auth optional pam_latchkey.so\nauth required pam_exec.so /bin/true\n{ACCOUNT}", "warning", 1,
         "not known to ask for proof"),
    "optional, then pam_succeed_if":
        (f"auth optional pam_latchkey.so\nauth required pam_succeed_if.so uid >= 0\n{ACCOUNT}", "warning", 1,
         "can let people in without any"),
    "optional, then pam_listfile":
        (f"auth optional pam_latchkey.so\nauth required pam_listfile.so file=/x onerr=succeed\n{ACCOUNT}", "warning", 1,
         "can let people in without any"),
    "account sufficient":
        (f"{AUTH}\n{UNIX}account sufficient pam_latchkey.so\naccount required pam_unix.so\n", "warning", 3,
         "expired accounts get in"),
    "a jump over pam_unix's account check":
        (f"{AUTH}\n{UNIX}account [success=1 ignore=ignore authinfo_unavail=ignore default=die] pam_latchkey.so\n"
         "account required pam_unix.so\naccount required pam_permit.so\n", "warning", 3, "expired accounts get in"),
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


# Programs that run PAM without being root, and for accounts other than their own: pam_unix answers authinfo_unavail.
TOKENS_ONLY = "auth required pam_latchkey.so\n"
CALLERS = ["postgresql", "pgbouncer", "apache2", "httpd", "nginx", "squid", "exim", "prosody", "radiusd"]


@pytest.mark.parametrize("service", CALLERS)
def test_a_stack_for_root_opens_to_no_token_where_pam_runs_as_another_user(site, service):
    site.stack(service, GOOD_STACK)
    site.expect("error", service, 5, "the account stack cannot end in success, because pam_unix answers authinfo_unavail")


@pytest.mark.parametrize("control, line", [("required", "pam_unix.so"), ("requisite", "pam_unix.so no_pass_expiry"),
                                           ("sufficient", "pam_unix.so\naccount required pam_deny.so")])
def test_an_account_line_of_pam_unix_that_decides_shuts_tokens_out(site, control, line):
    site.stack("nginx", f"{TOKENS_ONLY}account requisite pam_latchkey.so\naccount {control} {line}\n")
    found, status = site.check()
    assert status == 1 and [(f[0], f[1]) for f in found] == [("error", "nginx")], found


def test_a_service_by_another_name_is_known_by_its_rules(site):
    site.stack("intranet", GOOD_STACK.replace("pam_latchkey.so", "pam_latchkey.so service=apache2"))
    site.expect("error", "intranet", 5, "Apache runs PAM as the user www-data")


ACCOUNTS_OF_CALLERS = {
    "the example's": "account requisite pam_latchkey.so\n"
                     "account [success=ok authinfo_unavail=ignore default=die] pam_unix.so no_pass_expiry\n",
    "without pam_unix": "account required pam_latchkey.so\n",
    "broken_shadow": "account required pam_latchkey.so\naccount required pam_unix.so broken_shadow\n",
    "a success that skips pam_unix": "account [success=done default=die] pam_latchkey.so\n"
                                       "account required pam_unix.so\n",
}


@pytest.mark.parametrize("service", ["postgresql", "apache2", "nginx"])
@pytest.mark.parametrize("account", ACCOUNTS_OF_CALLERS)
def test_silent_about_a_stack_that_opens_where_pam_runs_as_another_user(site, service, account):
    site.stack(service, TOKENS_ONLY + ACCOUNTS_OF_CALLERS[account])
    assert site.check() == ([], 0)


@pytest.mark.parametrize("name, text, words", [
    ("a module that could ask", "auth [default=die] pam_latchkey.so\nauth required pam_sss.so\n"
     "account requisite pam_latchkey.so\n", "locked out while Latchkey cannot decide"),
    ("another module's account", f"{TOKENS_ONLY}account sufficient pam_latchkey.so\naccount required pam_sss.so\n",
     "expired accounts get in"),
    ("no account line", TOKENS_ONLY + "account required pam_permit.so\n", "no account line names pam_latchkey.so"),
    ("a refusal that is ignored", f"{TOKENS_ONLY}account optional pam_latchkey.so\naccount required pam_permit.so\n",
     "revoked people get in"),
])
def test_a_program_that_is_not_root_is_judged_as_any_other(site, name, text, words):
    site.stack("nginx", text)
    found, _ = site.check()
    assert any(f[0] == "warning" and words in f[3] for f in found), found


@pytest.mark.parametrize("service", ["i3lock", "swaylock", "vlock"])
def test_a_locker_runs_as_the_account_that_it_judges(site, service):
    site.stack(service, GOOD_STACK)
    assert site.check() == ([], 0)


def hmac_tenant(site, latchkeyd=""):
    secret = site.root / "hmac.key"
    site.write(secret, "0123456789abcdef0123456789abcdef", mode=0o600)
    os.chown(secret, 0, 0)
    site.configure(blocks=site.blocks.replace("{ sub", f'{{ tenant = "{TENANT}"  sub') + f"""
        tenant "h" {{
            issuer = "https://h.example.com"
            audience = {{"h"}}
            tenant_claim = ""
            hmac_secret_file = "{secret}"
            algorithms = {{"HS256"}}
        }}
        {latchkeyd}""")
    site.stack("apache2", TOKENS_ONLY + ACCOUNTS_OF_CALLERS["the example's"])


def test_a_secret_that_the_program_may_not_read_needs_a_place_in_allow(site):
    hmac_tenant(site)
    site.expect("warning", "apache2", 1, 'tokens of tenant "h" are refused: the user www-data may not read')
    hmac_tenant(site, 'latchkeyd { user = "daemon"  allow = {"www-data"} }')
    assert site.check() == ([], 0)
    hmac_tenant(site, 'latchkeyd { user = "daemon"  allow = {"@www-data"} }')
    assert site.check() == ([], 0)
    hmac_tenant(site, 'latchkeyd { user = "daemon"  allow = {"@daemon", "daemon"} }')
    site.expect("warning", "apache2", 1, "are refused")


def test_a_secret_of_the_programs_own_user_is_readable(site):
    hmac_tenant(site)
    os.chown(site.root / "hmac.key", pwd.getpwnam("www-data").pw_uid, -1)
    assert [f for f in site.check()[0] if f[1] == "apache2"] == []


def test_a_program_that_may_not_ask_latchkeyd_is_told_what_it_loses(site):
    path = site.root / "latchkeyd.sock"
    site.stack("apache2", TOKENS_ONLY + ACCOUNTS_OF_CALLERS["the example's"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        blocks = site.blocks.rstrip("\n").rstrip("}") + "  api_key = true }\n" + f'latchkeyd {{ socket = {{"{path}"}} %s }}\n'
        asked = 'service "apache2" { credentials = {"jwt", "api_key"} }\n'
        site.configure(blocks=blocks % "" + asked)
        site.expect("warning", "apache2", 1, "API keys are refused")
        site.expect("note", "apache2", 1, "asks for no newer key set")
        site.configure(blocks=blocks % 'allow = {"www-data"}' + asked)
        assert [f for f in site.check()[0] if f[1] == "apache2"] == []


SILENT = {
    "an account part whose only other module never succeeds in an auth part":
        f"{AUTH}\n{UNIX}account [success=ok ignore=ignore authinfo_unavail=ignore default=die] pam_latchkey.so\n"
        "account required pam_unix.so\naccount required pam_nologin.so\n",
    "another module that stands twice": f"{AUTH}\n{UNIX}{UNIX}{ACCOUNT}",
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
        site.expect("warning", service, 3, "by ulimit -v: revoked people")
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
    system.expect("error", "kiosk", 1, "lets everybody in")


@pytest.mark.parametrize("name", SILENT)
def test_silent_about(site, name):
    site.stack("sshd", SILENT[name])
    assert site.check() == ([], 0)


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


def add_block(site, name, more=""):
    site.configure(blocks=site.blocks + f'service "{name}" {{ max_age = 300 }}\n' + more)


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
        "nothing": ("warning", 'no line says service=kiosk: the block never holds'),
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


# --- what a login by token leaves out of a stack ---

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
     + "account required pam_time.so\n", "/pam_unix.so: an account that it refuses to others opens to a token"),
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


# --- what libpam finds: Linux-PAM 1.5.2 of Debian 12; test_pam_files.py asks the real one ---

def test_a_stack_of_the_vendor_is_judged(system):
    (system.pam / "sshd").unlink()
    system.vendor_stack("sshd", f"auth sufficient pam_latchkey.so\nauth required pam_permit.so\n{ACCOUNT}")
    system.expect("error", "sshd", 1, "lets everybody in")
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
    system.expect("error", "sshd", 4, "no token opens it: the account stack")


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
    system.expect("error", "sshd", 1, "no token opens it: the auth stack")
    system.stack("other", "auth required pam_deny.so\n")
    assert system.check() == ([], 0)


def test_the_lines_of_other_stand_in_for_a_type_that_a_service_has_none_of(system):
    system.stack("sshd", f"{AUTH}\n{UNIX}")
    system.stack("other", f"auth required pam_deny.so\n{ACCOUNT}")
    assert system.check() == ([], 0)
    system.stack("other", f"auth required pam_deny.so\n{ACCOUNT.replace('success=ok', 'success=die')}")
    found, _ = system.check()
    assert [f[:3] for f in found if "service sshd: no token opens it: the account stack" in f[3]] == [("error", "other", 2)]


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
    system.expect("error", "sshd", 4, "no token opens it: the account stack")
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
    assert "service sshd: the auth stack lets everybody in" in found[0][3]


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


def test_control_bytes_never_reach_the_terminal(site):
    site.stack("sshd", f"{AUTH} \x1b[31m\u202enonsense\n{UNIX}{ACCOUNT}".replace("[31m", "(31m"))
    output = site.run().stdout
    assert "nonsense" in output and "\x1b" not in output and "\u202e" not in output


def test_a_line_too_long_for_libpam_is_an_error(site):
    site.stack("sshd", f"{AUTH} prompt={'x' * 1100}\n{AUTH}\n{UNIX}{ACCOUNT}")
    site.expect("error", "sshd", 1, "too long")


def test_another_configuration_that_a_line_names_is_checked_too(site):
    other = site.root / "other.conf"
    site.write(other, site.conf.read_text().replace("daemon", "no-such-user"))
    site.stack("sshd", f"{AUTH} config={other}\n{UNIX}{ACCOUNT}")
    site.expect("warning", "other.conf", 6, "no-such-user")


def test_a_missing_pam_directory_is_an_error(site):
    site.pam = site.root / "nowhere"
    site.expect("error", "nowhere", None, "cannot be read")


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
    assert all("everybody is locked out while Latchkey cannot decide" in f[3] or "logins by other means" in f[3]
               for f in site.check()[0]), site.check()


# --- verify --json ---

def make_token(key=RSA_KEY, kid="a", **changes):
    claims = {"iss": ISSUER, "aud": TENANT, "sub": SUB, CLAIM: TENANT, "iat": NOW - 10, "exp": NOW + 300, "jti": "j1"}
    claims.update(changes)
    return pyjwt.encode(claims, key, algorithm="RS256", headers={"kid": kid})


CHECKS = ["configuration", "credential", "format", "tenant", "header", "key", "signature", "claims", "binding",
          "revocation", "user", "account", "time", "service"]


def judged(site, token, status, *arguments):
    return json.loads(site.verify(token, "--json", "--at", str(NOW), *arguments, expect=status))


def test_verify_accepts_and_tells_the_whole_story(site):
    site.configure(blocks=site.blocks + GROUP)
    report = judged(site, make_token(groups=["501b38ea-16af-4cd2-9f20-35675d2c001e", "other"]) + "\n", 0)
    assert list(report) == ["verdict", "reason", "message", "tenant", "subject", "user", "groups", "expires", "checks"]
    message = report.pop("message")
    checks = report.pop("checks")
    assert report == {"verdict": "accept", "reason": "ok", "tenant": TENANT, "subject": SUB, "user": "daemon",
                      "groups": ["daemon"], "expires": NOW + 300}
    assert message == "accepted"
    assert [c["check"] for c in checks] == CHECKS
    assert all(sorted(c) == ["check", "detail", "ok"] and c["ok"] is True for c in checks)


@pytest.mark.parametrize("reason, check, change", [
    ("token_expired", "time", {"exp": NOW - 31}),
    ("token_not_yet_valid", "time", {"nbf": NOW + 31}),
    ("token_from_future", "time", {"iat": NOW + 31}),
    ("audience_mismatch", "binding", {"aud": "somebody"}),
    ("issuer_untrusted", "binding", {"iss": "https://elsewhere.example"}),
    ("tenant_mismatch", "binding", {CLAIM: "another"}),
    ("user_unmapped", "user", {"sub": "nobody-knows"}),
    ("claim_invalid", "claims", {"exp": "soon"}),
    ("proof_required", "claims", {"cnf": {"jkt": "x"}}),
    ("type_unsupported", "claims", {"events": {}}),
    ("key_unknown", "key", {"kid": "b"}),
    ("signature_invalid", "signature", {"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)}),
])
def test_verify_names_the_reason_and_the_check_that_refused(site, reason, check, change):
    report = judged(site, make_token(**change), 1)
    assert (report["verdict"], report["reason"]) == ("reject", reason)
    assert [c["check"] for c in report["checks"]] == CHECKS[:CHECKS.index(check) + 1]
    assert [c["ok"] for c in report["checks"]] == [True] * CHECKS.index(check) + [False]


@pytest.mark.parametrize("reason, status, prepare", [
    ("config_invalid", 2, lambda site: site.conf.unlink()),
    ("jwks_unavailable", 3, lambda site: site.keys.unlink()),
    ("jwks_invalid", 3, lambda site: site.write(site.keys, "{}")),
    ("revocation_unavailable", 3, lambda site: site.revoked.unlink()),
    ("token_revoked", 1, lambda site: site.write(site.revoked, f"sub {SUB}\n")),
])
def test_verify_tells_outages_from_refusals_by_its_status(site, reason, status, prepare):
    prepare(site)
    report = judged(site, make_token(), status)
    assert (report["verdict"], report["reason"]) == ("reject", reason)


def test_verify_obeys_user_and_service(site):
    site.configure(blocks=site.blocks + GROUP + 'service "sudo" { require_group = {"daemon"} }\n')
    assert judged(site, make_token(), 0, "--user", "daemon", "--service", "sshd")["user"] == "daemon"
    assert judged(site, make_token(), 1, "--user", "bin")["reason"] == "user_mismatch"
    assert judged(site, make_token(), 1, "--service", "sudo")["reason"] == "group_missing"


@pytest.mark.parametrize("name, credential, reason", [
    ("nothing", b"", "credential_absent"),
    ("an empty line", b"\n", "credential_absent"),
    ("a password", b"correct horse\n", "credential_not_allowed"),
    ("a hundred thousand bytes", b"eyJ" + b"A" * 100_000, "token_too_long"),
    ("NUL bytes", b"\0\0\0", "credential_not_allowed"),
])
def test_verify_refuses_what_is_no_token(site, name, credential, reason):
    report = json.loads(site.verify(credential, "--json", expect=1))
    assert report["reason"] == reason, name


@pytest.mark.parametrize("arguments", [["--at", "yesterday"], ["--at", "-1"], ["--nonsense"], ["a-token"]])
def test_verify_refuses_wrong_usage_with_status_2(site, arguments):
    assert site.verify(make_token(), *arguments, expect=2) == ""


def test_verify_never_prints_a_part_of_the_token(site):
    token = make_token()
    for arguments in ([], ["--json"]):
        output = site.verify(token, "--at", str(NOW), *arguments)
        assert not [token[i:i + 20] for i in range(len(token) - 20) if token[i:i + 20] in output]
