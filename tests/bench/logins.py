#!/usr/bin/env python3
"""
Logins a second at real servers on loopback: slapd, and whoever listens on a saslauthd socket. Tokens beside passwords.

usage: BUILDDIR=… tests/bench/logins.py      as root; the servers are those of tests/integration
"""
import os
import socket
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

import tokens  # noqa: E402
from host import BUILD, PRIVATE, Host, run, wait_until  # noqa: E402
from servers import Broker, SaslSite, Slapd  # noqa: E402
from tenant import Tenant  # noqa: E402

CLIENTS = (1, 8)
ROUNDS = 5
PASSWORD = "a password of dora"
PEOPLE = "ou=people,dc=example,dc=com"
DORA = f"""\
dn: uid=dora,{PEOPLE}
objectClass: inetOrgPerson
uid: dora
cn: dora
sn: dora
userPassword: {PASSWORD}
"""


class SlapdWithPasswords(Slapd):
    """The example, which also takes the password that stands in an entry: by PLAIN, by SCRAM, and in a simple bind."""

    def set_up(self):
        super().set_up()
        for file, old, new in (
                (self.root / "slapd.conf", "|plain|", "|scram-sha-256|plain|"),
                (self.root / "slapd.conf", "by self read\n", "by self read\n    by anonymous auth\n"),
                (self.root / "sasl2/slapd.conf", " PLAIN", " PLAIN SCRAM-SHA-256"),
                (self.root / "sasl2/slapd.conf", "pwcheck_method: ", "auxprop_plugin: slapd\npwcheck_method: auxprop "),
        ):
            assert old in file.read_text()
            file.write_text(file.read_text().replace(old, new))
        run("slapadd", "-f", "/etc/ldap/slapd.conf", input=DORA)
        run("chown", "-R", f"{self.user}:{self.user}", "/var/lib/ldap")


class Saslauthd:
    """Cyrus SASL's own, with a sasldb and without its cache."""

    folder = Path("/run/stock")

    def __enter__(self):
        self.folder.mkdir()
        run("saslpasswd2", "-p", "-c", "-u", socket.gethostname(), "dora", input=PASSWORD)
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "saslauthd", "-d", "-a", "sasldb", "-m",
                                         self.folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until((self.folder / "mux").is_socket, "saslauthd listens")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def logins_a_second(clients, row):
    return float(run(BUILD / "bench_logins", clients, *row).stdout)


def show(title, rows):
    """Round by round, so that a machine that gets slower slows all rows alike."""
    measured = {(name, clients): [] for name in rows for clients in CLIENTS}
    for _ in range(ROUNDS):
        for name, clients in measured:
            measured[name, clients].append(logins_a_second(clients, rows[name]))
    width = max(map(len, rows))
    print(f"{title}\n  {'':{width}}" + "".join(f"{f'{n} client' + 's' * (n > 1):>11}" for n in CLIENTS))
    for name in rows:
        print(f"  {name:{width}}" + "".join(f"{statistics.median(measured[name, n]):11.0f}" for n in CLIENTS))


def file_with(name, text):
    path = PRIVATE / name
    path.write_text(text)
    return path


def main():
    host = Host()
    tenant = Tenant(PRIVATE, "--tenant", tokens.TENANT)
    site = SaslSite(host, tenant)
    token, password, nothing = file_with("token", site.token()), file_with("password", PASSWORD), file_with("none", "")
    with SlapdWithPasswords(host), Broker(host), Saslauthd():
        show("Logins a second at slapd over ldapi://, each with a connection of its own (median of 5 rounds)", {
            "nobody: an anonymous bind": ("ldap", "ldapi:///", "simple", "", nothing),
            "a simple bind, password": ("ldap", "ldapi:///", "simple", f"uid=dora,{PEOPLE}", password),
            "a simple bind, RS256 token by latchkeyd": ("ldap", "ldapi:///", "simple", f"uid=alice,{PEOPLE}", token),
            "OAUTHBEARER, RS256 token": ("ldap", "ldapi:///", "OAUTHBEARER", "alice", token),
            "PLAIN, RS256 token by latchkeyd": ("ldap", "ldapi:///", "PLAIN", "alice", token),
            "PLAIN, password": ("ldap", "ldapi:///", "PLAIN", "dora", password),
            "SCRAM-SHA-256, password": ("ldap", "ldapi:///", "SCRAM-SHA-256", "dora", password),
        })
        print()
        show("Logins a second at a saslauthd socket", {
            "latchkeyd, RS256 token": ("saslauthd", "/run/latchkey/saslauthd/mux", "smtp", "alice", token),
            "saslauthd -a sasldb, password": ("saslauthd", Saslauthd.folder / "mux", "smtp", "dora", password),
        })
    host.stop()


os.environ["LC_ALL"] = "C.UTF-8"
main()
