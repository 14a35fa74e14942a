"""OpenVPN's plugin auth-pam with the stack examples/pam.d/openvpn: API keys and local passwords, but no token fits."""
import re
import subprocess

import pytest

import tokens
from host import PASSWORDS, PRIVATE
from pam_servers import longest_token
from servers import WEB, install, prepare

PLUGIN = "/usr/lib/openvpn/openvpn-plugin-auth-pam.so"
DECIDED = re.compile("Username/Password authentication (succeeded)|TLS Auth Error")


def read_until(process, pattern):
    """The match in what the process prints."""
    seen = ""
    for line in process.stdout:
        seen += line
        found = pattern.search(line)
        if found:
            return found
    raise AssertionError(f"no {pattern.pattern} in {seen}")


@pytest.fixture
def opens(site):
    """Whether OpenVPN's server takes the password. It serves one client, and no device: that is enough for PAM."""
    host, files = site.host, PRIVATE / "openvpn"
    site.configure(more='service "openvpn" { credentials = {"api_key"} }')
    prepare(host)
    host.example_stack("openvpn")
    files.mkdir(exist_ok=True)
    for name, data in (("ca", host.authority), *zip(("certificate", "key"), host.certificates[WEB])):
        install(data, files / name, mode=0o600)
    common = ["openvpn", "--dev", "null", "--proto", "udp", "--verb", "3", "--ca", files / "ca",
              "--cert", files / "certificate", "--key", files / "key"]
    server = [*common, "--tls-server", "--dh", "none", "--local", "127.0.0.1", "--plugin", PLUGIN, "openvpn"]
    client = [*common, "--tls-client", "--pull", "--nobind", "--remote", "127.0.0.1", "--auth-user-pass",
              files / "password"]

    def start(argv, output):
        return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, argv)], stdin=subprocess.DEVNULL,
                                stdout=output, stderr=subprocess.DEVNULL, text=True)

    def log_in(user, password):
        (files / "password").write_text(f"{user}\n{password}\n")
        (files / "password").chmod(0o600)
        with start(server, subprocess.PIPE) as serving:
            read_until(serving, re.compile(r"link local \(bound\)"))
            with start(client, subprocess.DEVNULL) as asking:
                found = read_until(serving, DECIDED)
                asking.kill()
            serving.kill()
        return found[1] is not None
    return log_in


def test_an_api_key_opens(site, opens):
    assert len(site.tenant.api_key) <= longest_token("openvpn")
    assert opens("svc-backup", site.tenant.api_key)
    verdict = site.host.verdicts()[-1]
    assert (verdict["reason"], verdict["service"], verdict["credential"]) == ("ok", "openvpn", "api_key")
    site.host.revoke(f"sub {tokens.BACKUP}")
    assert not opens("svc-backup", site.tenant.api_key)


def test_a_wrong_api_key_does_not_open(site, opens):
    assert not opens("svc-backup", "x" * len(site.tenant.api_key))


def test_the_longest_password(site, opens):
    longest = longest_token("openvpn")
    try:
        for length in (longest, longest + 1):
            site.host.set_password("alice", "p" * length)
            assert opens("alice", "p" * length) == (length == longest)
    finally:
        site.host.set_password("alice", PASSWORDS["alice"])


def test_no_token_fits(site, opens):
    token = site.host.keys["EdDSA"].sign(tokens.short_claims(tokens.OIDC_ISSUER))
    assert len(token) > longest_token("openvpn")
    assert not opens("alice", token)
