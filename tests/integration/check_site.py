"""A configuration and PAM stacks in a directory of their own, on which `latchkey check` and `latchkey verify` run.

Needs nothing but the built command (BUILDDIR).
"""
import base64
import json
import os
import subprocess
from pathlib import Path

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
        self.write(self.revoked, "# nothing is revoked\n")
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


GROUP = 'group "daemon" { claim = {"501b38ea-16af-4cd2-9f20-35675d2c001e"} }\n'


def latchkeyd_block(site, **options):
    options = {"socket": '{"%s"}' % (site.root / "latchkeyd.sock")} | options
    return "latchkeyd {\n" + "".join(f"  {name} = {value}\n" for name, value in options.items()) + '  user = "daemon"\n}\n'


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


ACCOUNT = ("account [success=ok ignore=ignore authinfo_unavail=ignore default=die] pam_latchkey.so\n"
           "account required pam_unix.so\n")
AUTH = "auth [success=done cred_insufficient=ignore authinfo_unavail=ignore ignore=ignore default=die] pam_latchkey.so"
UNIX = "auth required pam_unix.so\n"


def add_block(site, name, more=""):
    site.configure(blocks=site.blocks + f'service "{name}" {{ max_age = 300 }}\n' + more)
