"""
A host of its own: a private mount namespace with users, PAM stacks, a syslog and an sshd that nobody else sees, and a
network of nothing but a loopback interface, where every port is free.
"""
import ctypes
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import tokens
from terminal import Terminal

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILDDIR", SOURCE / "build")).resolve()
PRIVATE = Path("/run/latchkey-test")  # on the namespace's own /run
MODULE = PRIVATE / "pam_latchkey.so"
COMMAND = PRIVATE / "latchkey"
ASKPASS = PRIVATE / "latchkey-askpass"
ANSWERER = PRIVATE / "answer"
EXAMPLES = SOURCE / "examples" / "pam.d"
PROGRAMS = ["cc", "mount", "openssl", "pamtester", "setpriv", "setsid", "ssh", "ssh-keygen", "sshd", "strace", "su",
            "sudo", "valgrind"]
PASSWORDS = {user: f"local password of {user}" for user in ("root", "alice", "bob", "svc-backup")}
UIDS = {"alice": 2001, "bob": 2002, "svc-backup": 2003, "latchkey": 2101}

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 1

CONFIG = """
tenant "{tenant}" {{
    url        = "{url}"
    keys       = "{etc}/keys.jwks"
    algorithms = {{"RS256", "PS256", "ES256", "EdDSA"}}
}}
{more_tenants}
user "alice"      {{ sub = {{"{alice}"}} }}
user "svc-backup" {{ sub = {{"{backup}"}} }}
map {{ claim = "email"  pattern = "^([a-z][a-z0-9_-]*)@example\\\\.com$" }}
group "ops"       {{ claim = {{"{ops}"}} }}
{more}
"""
OTHER_TENANTS = """
tenant "oidc" {{
    issuer       = "{oidc_issuer}"
    audience     = {{"host"}}
    tenant_claim = ""
    algorithms   = {{"ES256", "EdDSA"}}
    keys         = "{etc}/keys.jwks"
}}
tenant "hmac" {{
    issuer           = "{hmac_issuer}"
    audience         = {{"host"}}
    tenant_claim     = ""
    algorithms       = {{"HS256"}}
    hmac_secret_file = "{etc}/hmac.key"
}}
"""

SSHD_CONFIG = """
Port {port}
ListenAddress 127.0.0.1
HostKey {private}/hostkey
PidFile none
UsePAM yes
KbdInteractiveAuthentication yes
PasswordAuthentication no
PubkeyAuthentication yes
AuthorizedKeysFile {private}/authorized_keys/%u
PermitRootLogin yes
MaxAuthTries 20
PrintMotd no
LogLevel DEBUG1
{more}
"""

# Answers by the question: a token prompt with what stands in TYPED or, without that, with the token's parts; a password
# prompt with PASSWORD. Every question is recorded.
ANSWER = """#!/bin/sh
printf '%s\\n' "$1" >>"$PROMPTS"
case $1 in
*assword*) [ -n "${PASSWORD+x}" ] && printf '%s\\n' "$PASSWORD" ;;
*) if [ -n "${TYPED+x}" ]; then printf '%s\\n' "$TYPED"; else exec @ASKPASS@ "$1"; fi ;;
esac
"""


def end_of_block(text, start):
    """Behind the brace that closes the first one after `start`."""
    depth = 0
    for i in range(text.index("{", start), len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return i + 1
    raise ValueError("an open block")


def for_all_tenants(text):
    """With several tenants each user, map and group block names all of them, unless it says itself whose it is."""
    tenants = re.findall(r'^\s*tenant\s+"([^"]+)"', text, re.MULTILINE)
    if len(tenants) < 2:
        return text
    option = "tenant = {" + ", ".join(f'"{tenant}"' for tenant in tenants) + "} "
    for block in reversed(list(re.finditer(r'^\s*(user|group|map)\b[^{\n]*\{', text, re.MULTILINE))):
        if not re.search(r"\btenant\s*=", text[block.end():end_of_block(text, block.start())]):
            text = f"{text[:block.end()]} {option}{text[block.end():]}"
    return text


def run(*argv, check=True, **options):
    options.setdefault("capture_output", True)
    options.setdefault("text", True)
    options.setdefault("timeout", 60)
    done = subprocess.run([str(a) for a in argv], **options)
    assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done


def wait_until(condition, what, timeout=15):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout} s: {what}"
        time.sleep(0.01)


def enter_namespace():
    """This process and all its children from now on; what it mounts ends with them."""
    before = os.readlink("/proc/self/ns/mnt")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare: the integration tests need root and CAP_SYS_ADMIN")
    assert os.readlink("/proc/self/ns/mnt") != before
    run("mount", "--make-rprivate", "/")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def private_run():
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for directory in ("/run/sshd", "/run/lock", PRIVATE):
        os.mkdir(directory, 0o755)


def private_etc():
    copy = "/run/etc"
    run("cp", "-a", "/etc", copy)
    run("mount", "--bind", copy, "/etc")
    os.mkdir("/run/log", 0o755)
    run("mount", "--bind", "/run/log", "/var/log")


def private_dev():
    """The devices that logins need, and room for a /dev/log that is not the host's."""
    new = Path("/run/dev")
    new.mkdir()
    (new / "ptmx").symlink_to("pts/ptmx")  # a bind mount of /dev/ptmx would not find its pts
    (new / "fd").symlink_to("/proc/self/fd")
    for name in ("null", "zero", "full", "random", "urandom", "tty", "pts", "shm"):
        old = Path("/dev", name)
        (new / name).mkdir() if old.is_dir() else (new / name).touch()
        run("mount", "--rbind", old, new / name)
    run("mount", "--rbind", new, "/dev")


def add_users():
    with open("/etc/passwd", "a") as passwd, open("/etc/group", "a") as group:
        for user, uid in UIDS.items():
            home = PRIVATE / "home" / user
            home.mkdir(parents=True)
            os.chown(home, uid, uid)
            passwd.write(f"{user}:x:{uid}:{uid}:{user}:{home}:/bin/sh\n")
            group.write(f"{user}:x:{uid}:\n")
    shadow = Path("/etc/shadow")
    lines = [line for line in shadow.read_text().splitlines() if not line.startswith("root:")]
    for user, password in PASSWORDS.items():
        digest = run("openssl", "passwd", "-6", "-stdin", input=password).stdout.strip()
        lines.append(f"{user}:{digest}:20000:0:99999:7:::")
    shadow.write_text("\n".join(lines) + "\n")
    Path("/etc/nologin").unlink(missing_ok=True)


def remove_stale(path):
    """A socket on which no program listens any more: a latchkeyd of an earlier test has left it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


def build_variable(name):
    """A directory that the build was configured with."""
    values = dict(re.findall(r"^(prefix|exec_prefix|sysconfdir|localstatedir) = (.*)$",
                             (BUILD / "Makefile").read_text(), re.M))
    value = values[name]
    while "${" in value:
        value = re.sub(r"\$\{(\w+)\}", lambda found: values[found.group(1)], value)
    return Path(value)


class Syslog:
    """Stands in for syslogd on the namespace's /dev/log."""

    def __init__(self):
        self.lines, self.count = [], 0
        self.arrived = threading.Condition()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("/dev/log")
        os.chmod("/dev/log", 0o666)
        threading.Thread(target=self.receive, daemon=True).start()

    def receive(self):
        while True:
            line = self.socket.recv(65536).decode(errors="replace")
            with self.arrived:
                self.lines.append(line)
                self.arrived.notify_all()

    def read(self):
        """Everything that was logged up to now: a line of our own comes after all that was sent before."""
        self.count += 1
        mark = f"integration tests: line {self.count} of their own"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect("/dev/log")
            sender.send(mark.encode())
        with self.arrived:
            assert self.arrived.wait_for(lambda: mark in self.lines, 10), "the syslog does not answer"
            return [line for line in self.lines if "integration tests:" not in line]

    def clear(self):
        self.read()
        with self.arrived:
            self.lines.clear()


def parse_verdict(line):
    pairs = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', line.split("latchkey: ", 1)[1])
    return {name: re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value for name, value in pairs}


class Sshd:
    """A real sshd on loopback. PAM files, keys and lists may change while it runs; it is never restarted."""

    def __init__(self, more=""):
        for _ in range(5):  # somebody may take the port between our look and sshd's bind
            self.start(more)
            wait_until(lambda: self.answers() or self.process.poll() is not None, "sshd listens")
            if self.process.poll() is None:
                return
        raise AssertionError(f"sshd does not start: {self.process.stderr.read().decode()}")

    def start(self, more):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = PRIVATE / f"sshd_config.{self.port}"
        config.write_text(SSHD_CONFIG.format(port=self.port, private=PRIVATE, more=more))
        # An absolute path: sshd executes itself for each connection, and its PAM service is the name it was called by.
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", shutil.which("sshd"), "-D", "-f", config],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


class Host:
    def __init__(self):
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        assert not missing, f"the integration tests need {', '.join(missing)}"
        assert os.geteuid() == 0, "the integration tests need root"
        self.check_build()
        self.etc = build_variable("sysconfdir") / "latchkey"
        enter_namespace()
        private_run()
        private_etc()
        private_dev()
        if not self.etc.is_relative_to("/etc"):
            run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", self.etc.parent)
        self.etc.mkdir()
        add_users()
        self.install()
        self.syslog = Syslog()
        self.keys = {alg: tokens.Key(alg, f"key-{alg}") for alg in ("RS256", "ES256", "EdDSA")}
        self.keys["HS256"] = tokens.Key("HS256", None)
        self.sshd = Sshd()
        self.reset()

    @staticmethod
    def check_build():
        for made in (BUILD / "latchkey", BUILD / "latchkeyd" / "latchkeyd", BUILD / ".libs" / "pam_latchkey.so"):
            assert made.exists(), f"{made} is not built (BUILDDIR names the build directory)"

    def install(self):
        shutil.copy(BUILD / ".libs" / "pam_latchkey.so", MODULE)
        shutil.copy(BUILD / "latchkey", COMMAND)
        shutil.copy(BUILD / "latchkeyd" / "latchkeyd", PRIVATE / "latchkeyd")
        ASKPASS.symlink_to("latchkey")
        ANSWERER.write_text(ANSWER.replace("@ASKPASS@", str(ASKPASS)))
        ANSWERER.chmod(0o755)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", PRIVATE / "hostkey")
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", PRIVATE / "userkey")
        (PRIVATE / "authorized_keys").mkdir(mode=0o755)
        for user in ("alice", "bob", "root"):
            shutil.copy(PRIVATE / "userkey.pub", PRIVATE / "authorized_keys" / user)
        source = Path(__file__).with_name("pamhost.c")
        run("cc", "-Wall", "-Wextra", "-Werror", "-o", PRIVATE / "pamhost", source, "-lpam")

    def stop(self):
        """Every process that lives in our namespace, whoever its parent is by now."""
        ours = os.readlink("/proc/self/ns/mnt")
        self.sshd.stop()
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and int(entry.name) != os.getpid() and os.readlink(entry / "ns/mnt") == ours:
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:  # it has ended
                pass

    def reset(self):
        """What each test begins with."""
        for file in self.etc.iterdir():
            file.unlink()
        self.write_config()
        self.write_keys()
        self.write("hmac.key", tokens.HMAC_SECRET + b"\n", mode=0o600)
        self.write_sudoers()
        for service in ("sshd", "sudo", "sudo-i", "su", "login"):
            self.example_stack(service)
        self.example_stack("sshd", service="pamtester")
        for path in Path("/run/latchkey").glob("*.sock"):
            remove_stale(path)
        self.syslog.clear()

    # Files of Latchkey

    def write(self, name, content, mode=0o644):
        """In one step, as an administrator's tools would."""
        path = self.etc / name
        draft = self.etc / f".{name}.new"
        if name == "latchkey.conf" and isinstance(content, str):
            content = for_all_tenants(content)
        draft.write_bytes(content if isinstance(content, bytes) else content.encode())
        draft.chmod(mode)
        draft.rename(path)
        return path

    def write_config(self, more="", other_tenants=True):
        other = ""
        if other_tenants:
            other = OTHER_TENANTS.format(oidc_issuer=tokens.OIDC_ISSUER, hmac_issuer=tokens.HMAC_ISSUER, etc=self.etc)
        return self.write("latchkey.conf", CONFIG.format(
            tenant=tokens.TENANT, url=tokens.BASE_URL, etc=self.etc, more_tenants=other, more=more, alice=tokens.ALICE,
            backup=tokens.BACKUP, ops=tokens.OPS))

    def write_keys(self, *keys):
        return self.write("keys.jwks", tokens.key_set(*(keys or [self.keys[a] for a in ("RS256", "ES256", "EdDSA")])))

    def revoke(self, *lines):
        # An empty file is examined twice, which costs each process 20 ms.
        return self.write("revoked", "".join(f"{line}\n" for line in lines or ["# nothing is revoked"]))

    # Files of others

    @staticmethod
    def write_sudoers(defaults="passwd_tries=1, !lecture"):
        path = Path("/etc/sudoers")
        path.unlink(missing_ok=True)
        path.write_text(f"Defaults {defaults}\nroot, %alice, %bob, %svc-backup ALL=(ALL) ALL\n")
        path.chmod(0o440)

    def example_stack(self, name, service=None, module=MODULE):
        """The example as it stands; only where the module lies differs."""
        text = (EXAMPLES / name).read_text()
        changed = re.sub(r"(?<=\s)pam_latchkey\.so", str(module), text)
        assert changed != text
        return self.stack(service or name, changed)

    @staticmethod
    def set_password(user, password):
        """An empty one lets in whoever types nothing, where pam_unix has nullok."""
        digest = run("openssl", "passwd", "-6", "-stdin", input=password).stdout.strip() if password else ""
        shadow = Path("/etc/shadow")
        shadow.write_text(re.sub(rf"^{user}:[^:]*:", lambda _: f"{user}:{digest}:", shadow.read_text(), flags=re.M))

    @staticmethod
    def set_shadow(user, password=None, changed=20000, oldest="", inactive="", expires=""):
        """The fields of shadow(5), in days since 1970; `password` is what stands before the hash ("!" locks it)."""
        shadow = Path("/etc/shadow")
        lines = shadow.read_text().splitlines()
        for i, line in enumerate(lines):
            name, digest, *_ = line.split(":")
            if name == user:
                digest = (password or "") + digest
                lines[i] = f"{user}:{digest}:{changed}:0:{oldest}:7:{inactive}:{expires}:"
        shadow.write_text("\n".join(lines) + "\n")

    @staticmethod
    def script(name, text):
        path = PRIVATE / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def stack(self, service, text):
        path = Path("/etc/pam.d") / service
        path.write_text(text.replace("@MODULE@", str(MODULE)))
        return path

    # Tokens

    def token(self, alg="RS256", **changes):
        claims = tokens.claims(**changes)
        return self.keys[alg].sign(claims)

    def token_file(self, token, owner="root"):
        path = PRIVATE / f"token.{owner}"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(token + "\n")
        shutil.chown(path, owner)
        return path

    # Clients

    def environment(self, owner, token, typed, password):
        """What a person's shell has set, and the file in which the questions are recorded."""
        prompts = PRIVATE / f"prompts.{owner}"
        prompts.write_text("")
        shutil.chown(prompts, owner)
        plain = typed is None and password is None
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PROMPTS": str(prompts)}
        env["ASKPASS"] = str(ASKPASS if plain else ANSWERER)
        env["LATCHKEY_TOKEN_FILE"] = str(self.token_file(token or "", owner))
        if typed is not None:
            env["TYPED"] = typed
        if password is not None:
            env["PASSWORD"] = password
        return env

    def prompts(self, owner="root"):
        return (PRIVATE / f"prompts.{owner}").read_text().splitlines()

    def ssh(self, user, token=None, typed=None, password=None, public_key=False, command="id -un", sshd=None,
            hosts=None):
        """The OpenSSH client. The token goes through latchkey-askpass, in as many parts as it is asked for."""
        env = self.environment("root", token, typed, password)
        env |= {"SSH_ASKPASS": env.pop("ASKPASS"), "SSH_ASKPASS_REQUIRE": "force"}
        if hosts is not None:
            env["LATCHKEY_HOSTS"] = hosts
        method = "publickey" if public_key else "keyboard-interactive"
        return run("setsid", *self.ssh_arguments(user, method, command, sshd), env=env, stdin=subprocess.DEVNULL,
                   check=False)

    def ssh_terminal(self, user, command="id -un"):
        return self.terminal(*self.ssh_arguments(user, "keyboard-interactive", command))

    def ssh_arguments(self, user, method, command, sshd=None):
        return ["ssh", "-F", "none", "-p", (sshd or self.sshd).port, "-i", PRIVATE / "userkey",
                "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "NumberOfPasswordPrompts=1", "-o", f"PreferredAuthentications={method}",
                "-l", user, "127.0.0.1", command]

    @staticmethod
    def as_user(user):
        return ["setpriv", "--reuid", user, "--regid", user, "--init-groups"]

    def sudo(self, user, token=None, typed=None, password=None, command=("id", "-un"), login=False):
        """sudo -A, without a remembered earlier success."""
        env = self.environment(user, token, typed, password)
        env["SUDO_ASKPASS"] = env.pop("ASKPASS")
        shell = ["-i"] if login else []
        return run(*self.as_user(user), "sudo", "-k", "-A", *shell, *command, env=env, stdin=subprocess.DEVNULL,
                   check=False)

    def terminal(self, *argv, user=None):
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "dumb"}
        return Terminal([str(a) for a in ([*self.as_user(user), *argv] if user else argv)], env)

    def su(self, user, token, part=4095, caller="bob", login=False):
        """Typed at a terminal, a part at each prompt."""
        with self.terminal("su", *(["-"] if login else []), user, "-c", "id -un", user=caller) as terminal:
            terminal.type_token(token, part)
            return terminal.wait()

    def pamtester(self, user, token, service="pamtester", operations=("authenticate", "acct_mgmt"), part=4095):
        with self.terminal("pamtester", service, user, *operations) as terminal:
            terminal.type_token(token, part)
            return terminal.wait()

    def pamhost(self, *arguments, service="pamtester", answers=(), check=True, under=()):
        """The PAM application of pamhost.c; its standard input holds the answers, one a line."""
        done = run(*under, PRIVATE / "pamhost", *arguments, service, input="".join(f"{a}\n" for a in answers),
                   check=False, timeout=300)
        assert not check or done.returncode == 0, f"pamhost ended with {done.returncode}: {done.stderr}"
        return PamResult(done)

    def verify(self, token, *arguments):
        """What `latchkey verify` says of the same token."""
        return json.loads(run(COMMAND, "verify", "--json", *arguments, input=token, check=False).stdout)

    # The log

    def log_lines(self):
        return self.syslog.read()

    def verdicts(self):
        """The lines of Latchkey since the test began, as dictionaries."""
        return [parse_verdict(line) for line in self.log_lines() if "latchkey: verdict=" in line]

    def reasons(self):
        return [verdict["reason"] for verdict in self.verdicts()]


class PamResult:
    """What pamhost printed: one `name=value` a line; repeated names gather in lists."""

    def __init__(self, done):
        self.output = done.stdout
        self.values = {}
        for line in done.stdout.splitlines():
            name, _, value = line.partition("=")
            self.values.setdefault(name, []).append(value)

    def __getattr__(self, name):
        return self.values.get(name, [])
