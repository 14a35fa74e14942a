#!/usr/bin/python3
"""
What a login costs as the configuration grows: whole runs of `latchkey verify` in fresh processes. Each table has three
sizes of one thing, measured in turns within one run, so that its ratios hold on any machine.

usage: BUILDDIR=… tests/bench/growth.py
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

BUILD = Path(os.environ["BUILDDIR"]).resolve()
LATCHKEY = BUILD / "latchkey"
ROUNDS = 61
AIM = 2.0  # times the smallest size
SUBJECT = "f3e89bb2-5827-4e4b-8b33-823b48327ec7"
TENANT = "3f40cd7a-16d1-414a-b15d-b97158d31de9"
URL = "https://auth.example.com"


def identifiers(kind, count):
    """Without an order, as those of a tenant are, and the same in each run."""
    return [str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{i}")) for i in range(count)]


class Site:
    def __init__(self, folder):
        self.folder = folder
        self.keys = folder / "keys.json"
        self.mint("key", "--alg", "RS256", "--out", folder / "key.pem", "--kid", "bench", "--jwks", self.keys)
        claims = {"iss": f"{URL}/tenant/{TENANT}/v2.0/Auth", "aud": TENANT, "sub": SUBJECT,
                  "https://agglestone.com/tenantId": TENANT, "groups": identifiers("group", 1)}
        self.token = self.write("token", self.mint("token", "--key", folder / "key.pem", "--alg", "RS256", "--kid",
                                                   "bench", "--lifetime", "3600", "--claims", json.dumps(claims)))
        self.revoked = self.write("revoked-none", "# nothing is revoked\n")

    @staticmethod
    def mint(*arguments):
        return subprocess.run([BUILD / "mint", *map(str, arguments)], check=True, capture_output=True, text=True).stdout

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def config(self, name, *, users=1, groups=0, tenants=1, revoked=0, keys=1):
        """The account of the token is the last one, its tenant too."""
        lists = self.revoked
        if revoked:
            lists = self.write(f"{name}.revoked", "".join(f"sub {i}\n" for i in identifiers("revoked", revoked)))
        key_set = self.keys
        if keys > 1:
            document = json.loads(self.keys.read_text())
            document["keys"] = [self.other_key(i) for i in range(keys - 1)] + document["keys"]
            key_set = self.write(f"{name}.keys", json.dumps(document))
        others = identifiers("tenant", tenants - 1)
        named = f'tenant = {{"{TENANT}"}}  ' if others else ""
        lines = [f'revocation_list = "{lists}"']
        lines += [f'tenant "{i}" {{ url = "{URL}"  keys = "{self.keys}" }}' for i in others]
        lines += [f'tenant "{TENANT}" {{ url = "{URL}"  keys = "{key_set}" }}']
        lines += [f'user "user-{n}" {{ {named}sub = {{"{i}"}} }}' for n, i in enumerate(identifiers("user", users - 1))]
        lines += [f'user "nobody" {{ {named}sub = {{"{SUBJECT}"}} }}']
        lines += [f'group "group-{n}" {{ {named}claim = {{"{i}"}} }}'
                  for n, i in enumerate(identifiers("group", groups))]
        return self.write(name, "\n".join(lines) + "\n")

    def other_key(self, number):
        """The same key under another kid costs as much as another key."""
        return dict(json.loads(self.keys.read_text())["keys"][0], kid=f"other-{number}")


def milliseconds(config, token):
    began = time.perf_counter()
    child = os.posix_spawn(LATCHKEY, [str(LATCHKEY), "verify", "--config", str(config)], os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 0, str(token), os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    status = os.waitpid(child, 0)[1]
    took = (time.perf_counter() - began) * 1000
    if status != 0:
        sys.exit(f"growth: latchkey verify with {config} ended with status {os.waitstatus_to_exitcode(status)}")
    return took


def show(site, title, option, sizes):
    configs = {size: site.config(f"{option}-{size}", **{option: size}) for size in sizes}
    time.sleep(0.1)  # a file that has just changed is read only when it has settled
    took = {size: [] for size in sizes}
    for _ in range(ROUNDS):
        for size, config in configs.items():
            took[size].append(milliseconds(config, site.token))
    median = {size: statistics.median(values) for size, values in took.items()}
    for size in sizes:
        print(f"  {title:22}{size:9,}{median[size]:10.2f} ms{median[size] / median[sizes[0]]:8.2f} x")


def main():
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        print(f"latchkey verify in a fresh process as the configuration grows (aim: the largest at most {AIM} x the first;"
              f"\nmedian of {ROUNDS})")
        show(site, "user blocks", "users", (1, 1000, 8000))
        show(site, "group blocks", "groups", (1, 16, 256))
        show(site, "revoked subjects", "revoked", (1, 10000, 100000))
        show(site, "keys of a set", "keys", (1, 10, 100))
        show(site, "tenants", "tenants", (1, 8, 64))


main()
