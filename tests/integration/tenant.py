"""devel/tenantd for tests: a tenant service of its own in a directory, its control door, and a plain client."""
import dataclasses
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import urllib.parse
from pathlib import Path

from host import BUILD

PROGRAM = BUILD / "tenantd"
PASSWORDS = {name: f"{name}'s password" for name in ("alice", "bob", "svc-backup", "admin")}  # of NAME@example.com


@dataclasses.dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self):
        assert self.headers.get_content_type() == "application/json", self.headers
        return json.loads(self.body)


class Tenant:
    """
    A running tenantd. Its users are alice, bob, svc-backup and admin @example.com, whose subs are those of tokens.py.

        with Tenant(tmp_path, "--tenant", tokens.TENANT) as tenant:
            tenant.fault("exchange", "status", status=429, retry_after=7, count=1)
            ...
            assert tenant.requests("exchange") == 2

    url, tenant, base, issuer, alg, ca, state, control and users (e-mail: sub) are those of its ready line.
    """

    def __init__(self, directory, *options):
        self.directory = Path(directory) / "tenantd"
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        self.options = options
        self.start(*options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        ended_by_us = self.process.returncode is not None
        assert self.stop() == 0 or ended_by_us, self.messages()  # a leak, in a build with sanitizers, shows here

    def start(self, *options):
        self.log = open(f"{self.directory}.log", "a+", encoding="utf-8")
        command = ["setpriv", "--pdeathsig", "KILL", PROGRAM, "--state", self.directory, *map(str, options)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.process.stdout.close()
            raise AssertionError(f"tenantd does not start: {self.messages()}")
        self.ready = json.loads(line)
        for name in ("url", "tenant", "base", "issuer", "alg", "users"):
            setattr(self, name, self.ready[name])
        for name in ("ca", "state", "control"):
            setattr(self, name, Path(self.ready[name]))
        self.port = urllib.parse.urlsplit(self.url).port

    def stop(self, number=signal.SIGTERM):
        """Its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process.stdout.close()
            self.log.close()
        return self.process.returncode

    def restart(self, *options, same_port=False):
        """Over the same state, with the options of the beginning and further ones."""
        assert self.stop() == 0, self.messages()
        self.start(*self.options, *(("--port", self.port) if same_port else ()), *options)

    def messages(self):
        """Its standard error."""
        return Path(f"{self.directory}.log").read_text()

    # The control door

    def tell(self, *words):
        with socket.socket(socket.AF_UNIX) as door:
            # By a path through /proc, since sun_path is short and pytest's directories are not.
            parent = os.open(self.control.parent, os.O_PATH)
            try:
                door.connect(f"/proc/self/fd/{parent}/{self.control.name}")
            finally:
                os.close(parent)
            door.sendall(" ".join(map(str, words)).encode() + b"\n")
            with door.makefile("rb") as answer:
                reply = json.loads(answer.read())
        if not reply.pop("ok"):
            raise ValueError(reply["error"])
        return reply

    def fault(self, endpoint, kind, **values):
        """Endpoints and faults are listed by --help; values are count, seconds, status, retry_after, bytes, text."""
        self.tell("fault", endpoint, kind, *(f"{name.replace('_', '-')}={value}" for name, value in values.items()))

    def clear(self, endpoint=""):
        self.tell("clear", endpoint)

    def stats(self):
        return self.tell("stats")

    def requests(self, endpoint):
        return self.stats()["requests"][endpoint]

    def last(self, endpoint):
        """The last request: method, path, status, query, headers, body; None if there is none since the last call."""
        return self.tell("last", endpoint)["request"]

    def rotate(self, drop=False):
        """The new kid; the old key is published until the next time, unless dropped."""
        return self.tell("rotate", *(["drop"] if drop else []))["kid"]

    def disable(self, sub):
        self.tell("disable", sub)

    def enable(self, sub):
        self.tell("enable", sub)

    # The state

    def saved(self):
        return json.loads(self.state.read_text())

    @property
    def api_key(self):
        """The primary one, as it is now."""
        return self.saved()["apiKeys"]["primary"]

    # A client

    def context(self):
        return ssl.create_default_context(cafile=self.ca)

    def connect(self, timeout=10, host="127.0.0.1"):
        return http.client.HTTPSConnection(host, self.port, timeout=timeout, context=self.context())

    def request(self, method, path, body=None, headers=None, timeout=10):
        """A path below BASE, or a whole one when it begins with /tenant/. A dict as body is sent as JSON."""
        headers = dict(headers or {})
        if isinstance(body, dict):
            body, headers["Content-Type"] = json.dumps(body), "application/json"
        if not path.startswith("/tenant/"):
            path = f"/tenant/{self.tenant}{path}"
        connection = self.connect(timeout)
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return Reply(reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body, **options)

    def post_form(self, path, **fields):
        return self.post(path, urllib.parse.urlencode(fields),
                         headers={"Content-Type": "application/x-www-form-urlencoded"})

    def exchange(self, sub, key=None, **options):
        """The reply to an exchange of the primary API key, or another, for a user's token."""
        return self.post("/api/Auth/token-exchange", {"userId": sub}, headers={"X-API-Key": key or self.api_key},
                         **options)

    def token(self, sub):
        return self.exchange(sub).json()["token"]

    def jwks(self):
        return self.get("/v2.0/Auth/.well-known/jwks.json").json()
