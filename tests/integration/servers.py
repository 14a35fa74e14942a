"""
Servers with Cyrus SASL of Debian's packages with the examples of examples/sasl, and their clients.

The test host has its own /etc, /run and network, so every file lies where it would on a real host and every server has
its real port: the examples are installed as they stand.
"""
import base64
import contextlib
import datetime
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import tokens
from daemon import Daemon
from host import BUILD, PRIVATE, SOURCE, run, wait_until

EXAMPLES = SOURCE / "examples" / "sasl"
CLIENTS = EXAMPLES / "clients"
LDAP, MAIL, WEB = "ldap.example.com", "mail.example.com", "www.example.com"
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
TOKEN_4K, TOKEN_8K = 4096, 8192

CONFIG = """
tenant "{tenant}" {{
    url        = "{url}"
    keys       = "{keys}"
    ca_file    = "{ca}"
    algorithms = {{"RS256", "ES256", "EdDSA"}}
}}
user "alice"      {{ sub = {{"{alice}"}} }}
user "svc-backup" {{ sub = {{"{backup}"}}  api_key = true }}
map {{ claim = "email"  pattern = "^([a-z][a-z0-9_-]*)@example\\\\.com$" }}
group "ops"       {{ claim = {{"{ops}"}} }}
"""


def plugin_directory():
    """libsasl's, by where its own plug-ins lie."""
    return next(Path("/usr/lib").glob("*/sasl2/libplain.so")).parent


def private_copy(directory):
    """The directory, as it is, on the test host's own /run; once."""
    copy = Path("/run/copies") / str(directory).strip("/").replace("/", "-")
    if copy.exists():
        return
    copy.parent.mkdir(exist_ok=True)
    run("cp", "-a", directory, copy)
    run("mount", "--bind", copy, directory)


class Authority:
    """An authority that the test host trusts, and the certificates of its servers."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of the tests")])
        self.certificate = self.sign(self.name, self.key, x509.BasicConstraints(ca=True, path_length=None))
        with CA_BUNDLE.open("ab") as bundle:
            bundle.write(self.certificate)

    def sign(self, subject, key, *extensions):
        now = datetime.datetime.utcnow()
        builder = x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number(),
                                          now - datetime.timedelta(days=1), now + datetime.timedelta(days=30))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue(self, name):
        """(certificate, key) in PEM. An RSA key: its cipher suites are those that every client knows."""
        key = tokens.Key("RS256", name).private
        names = [x509.DNSName(name), x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = self.sign(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key,
                                x509.SubjectAlternativeName(names))
        return certificate, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                              serialization.NoEncryption())


def prepare(host):
    """Once in a session: the plug-in beside libsasl's own, names, certificates, an account for Exim."""
    if hasattr(host, "certificates"):
        return
    private_copy(plugin_directory())
    shutil.copy(BUILD / ".libs" / "liblatchkey.so", plugin_directory())
    with open("/etc/hosts", "a") as hosts:
        hosts.write(f"127.0.0.1 {LDAP} {MAIL} {WEB}\n")
    authority = Authority()
    host.authority = authority.certificate
    host.certificates = {name: authority.issue(name) for name in (LDAP, MAIL, WEB)}
    for user, uid in (("Debian-exim", 2201), ("svn", 2202), ("smmta", 2203), ("smmsp", 2204)):
        for file, line in (("/etc/passwd", f"{user}:x:{uid}:{uid}::/run/{user}:/usr/sbin/nologin\n"),
                           ("/etc/group", f"{user}:x:{uid}:\n")):
            with open(file, "a") as database:
                database.write(line)
    for user in ("openldap", "postfix", "cyrus", "Debian-exim", "svn"):
        join_group(user, "sasl")


def join_group(user, group):
    file = Path("/etc/group")
    line = re.search(rf"^{group}:.*$", file.read_text(), re.M)[0]
    if user not in re.split("[:,]", line):
        file.write_text(file.read_text().replace(line, line + ("" if line.endswith(":") else ",") + user))


def install(source, target, owner=None, mode=0o644):
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
    target.chmod(mode)
    if owner is not None:
        shutil.chown(target, owner)


class SaslSite:
    """A host of the tenant service `tenant` with the blocks of examples/sasl/latchkey.conf."""

    def __init__(self, host, tenant):
        self.host, self.tenant = host, tenant
        private_copy("/var/spool/postfix")  # where the example has sockets
        self.ca = PRIVATE / "ca.pem"
        self.ca.write_bytes(tenant.ca.read_bytes())
        self.ca.chmod(0o644)
        self.write_keys()
        self.configure()

    def configure(self, change=None):
        """change: a function from text to text."""
        text = CONFIG.format(tenant=self.tenant.tenant, url=self.tenant.url, keys=self.host.etc / "keys.jwks",
                             ca=self.ca, alice=tokens.ALICE, backup=tokens.BACKUP, ops=tokens.OPS)
        text += (EXAMPLES / "latchkey.conf").read_text()
        return self.host.write("latchkey.conf", change(text) if change is not None else text)

    def unconfigure(self):
        (self.host.etc / "latchkey.conf").unlink()

    def write_keys(self, *keys):
        """Those of the tests (or the given ones), and of the tenant service."""
        ours = keys or [self.host.keys[alg] for alg in ("RS256", "ES256", "EdDSA")]
        documents = [key.jwk() for key in ours] + self.tenant.jwks()["keys"]
        self.host.write("keys.jwks", json.dumps({"keys": documents}))

    # Credentials

    def token(self, sub=tokens.ALICE, key=None, length=None, **changes):
        claims = tokens.claims(sub, iss=self.tenant.issuer, **changes)
        key = key or self.host.keys["RS256"]
        return key.sign_to_length(claims, length) if length else key.sign(claims)

    def password_file(self, password):
        """Without an end of line, which the clients of OpenLDAP would take for a part of it."""
        path = self.host.token_file("")
        path.write_text(password)
        return path

    def bobs_token(self, **changes):
        return self.token(tokens.BOB, email="bob@example.com", **changes)

    def verify(self, token, service, *arguments):
        """The (verdict, reason) that the command gives."""
        verdict = self.host.verify(token, "--service", service, *arguments)
        return verdict["verdict"], verdict["reason"]

    def check_logs(self):
        """Neither a token (they begin with "eyJ") nor an API key, nor the base64 of one."""
        self.check_lines(self.host.log_lines())

    def check_lines(self, lines):
        encoded = [base64.b64encode(before + b"eyJhbG" + b"x")[4:8].decode() for before in (b"...", b"..", b".")]
        traces = ["eyJ", *encoded, self.tenant.api_key]
        assert [line for line in lines if any(trace in line for trace in traces)] == []

    @property
    def discovery(self):
        return f"{self.tenant.base}/v2.0/Auth/.well-known/openid-configuration"

    def logged(self, text):
        return any(text in line for line in self.host.log_lines())

    def last(self):
        """The (verdict, reason) of the last line that a server logged, which must come: some log a little later."""
        wait_until(self.host.verdicts, "a verdict in the log")
        verdict = self.host.verdicts()[-1]
        return verdict["verdict"], verdict["reason"]


def add_to_service(service, option):
    """A change of the configuration, for SaslSite.configure()."""
    begin = f'service "{service}" {{\n'

    def change(text):
        assert begin in text
        return text.replace(begin, f"{begin}    {option}\n")
    return change


def demand_group(service):
    return add_to_service(service, 'require_group = {"ops"}')


class Server:
    """A daemon with files of its own; started once for a module, and never restarted by what the tests change."""

    root = user = None

    def __init__(self, host):
        self.host = host
        prepare(host)
        self.set_up()
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def spawn(self, *argv, **options):
        command = ["setpriv", "--pdeathsig", "KILL", *map(str, argv)]
        options.setdefault("stdout", subprocess.PIPE)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, **options)

    def install_examples(self, directory, *files):
        for file in files:
            install(EXAMPLES / directory / file, self.root / file)

    def restart(self):
        self.stop()
        self.start()

    def wait_for_port(self, port):
        wait_until(lambda: listens(port) or self.process.poll() is not None, f"{type(self).__name__} listens")
        assert self.process.poll() is None, self.process.stdout.read().decode()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def processes(name):
    """The ids of the processes of a name in our namespace."""
    ours, found = os.readlink("/proc/self/ns/mnt"), set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if (entry / "comm").read_text().strip() == name and os.readlink(entry / "ns/mnt") == ours:
                found.add(int(entry.name))
    return found


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Broker(Daemon):
    """latchkeyd as the example has it."""

    @staticmethod
    def answers():
        """On the last of its sockets."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex("/run/saslauthd/mux") == 0


# slapd


DIRECTORY = """\
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: cn=ops,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: ops
member: uid=alice,ou=people,dc=example,dc=com

"""
PERSON = """\
dn: uid={name},ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: {name}
cn: {name}
sn: {name}
userPassword: {{SASL}}{name}
{more}
"""


class Slapd(Server):
    root, user = Path("/etc/ldap"), "openldap"

    def set_up(self):
        private_copy("/var/lib/ldap")
        for file in Path("/var/lib/ldap").iterdir():
            file.unlink()
        Path("/run/slapd").mkdir(exist_ok=True)
        shutil.chown("/run/slapd", self.user)
        self.install_examples("slapd", "slapd.conf", "sasl2/slapd.conf")
        certificate, key = self.host.certificates[LDAP]
        install(certificate, self.root / f"{LDAP}.pem")
        install(key, self.root / f"{LDAP}.key", self.user, 0o400)
        people = {"alice": "", "bob": "", "svc-backup": "authzTo: dn:uid=alice,ou=people,dc=example,dc=com\n"}
        entries = DIRECTORY + "".join(PERSON.format(name=name, more=more) for name, more in people.items())
        run("slapadd", "-f", "/etc/ldap/slapd.conf", input=entries)
        run("chown", "-R", f"{self.user}:{self.user}", "/var/lib/ldap")

    def start(self, descriptors=1024):
        self.descriptors = descriptors
        self.spawn("prlimit", f"--nofile={descriptors}", "/usr/sbin/slapd", "-d", "0", "-h", "ldap:/// ldapi:///", "-g", self.user, "-u", self.user, "-f",
                   "/etc/ldap/slapd.conf")
        self.wait_for_port(389)


# Postfix


class Postfix(Server):
    """The submission server, in Debian's chroot."""

    root, user = Path("/etc/postfix"), "postfix"
    port = 587

    def set_up(self):
        private_copy("/var/spool/postfix")
        private_copy("/var/lib/postfix")
        private_mail()
        self.install_examples("postfix", "main.cf", "master.cf", "sasl/smtpd.conf")
        install(b"".join(reversed(self.host.certificates[MAIL])), self.root / f"{MAIL}.pem", mode=0o600)
        install(b"", Path("/etc/aliases"))
        run("newaliases")

    def start(self):
        run("/usr/lib/postfix/configure-instance.sh", "-")  # as Debian's unit does
        run("postfix", "start")
        wait_until(lambda: listens(self.port), "Postfix listens")

    def stop(self):
        run("postfix", "stop", check=False)

    def renew(self):
        """The next connection meets a new smtpd, which reads everything anew: as `postfix reload`, but at once."""
        old = processes("smtpd")
        os.kill(int(Path("/var/spool/postfix/pid/master.pid").read_text()), signal.SIGHUP)
        wait_until(lambda: not old & processes("smtpd"), "the old smtpd is gone")

    @contextlib.contextmanager
    def another_port(self, port, *settings, mechanisms):
        """A second submission service while a test lasts."""
        master, smtpd = self.root / "master.cf", self.root / "sasl" / "smtpd.conf"
        before = {file: file.read_text() for file in (master, smtpd)}
        options = "".join(f"  -o {setting}\n" for setting in ("smtpd_sasl_auth_enable=yes", *settings))
        master.write_text(f"{before[master]}{port} inet n - y - - smtpd\n{options}")
        smtpd.write_text(re.sub("^mech_list:.*", f"mech_list: {mechanisms}", before[smtpd], flags=re.M))
        try:
            self.renew()
            wait_until(lambda: listens(port), "the other port")
            yield
        finally:
            for file, text in before.items():
                file.write_text(text)
            self.renew()


class Relay(Postfix):
    """A host that sends through a submission server."""

    def set_up(self):
        private_copy("/var/spool/postfix")
        private_copy("/var/lib/postfix")
        self.install_examples("postfix-relay", "main.cf", "sasl_passwd")
        install(Path("/usr/share/postfix/master.cf.dist"), self.root / "master.cf")
        (self.root / "sasl_passwd").chmod(0o600)

        with open(self.root / "main.cf", "a") as file:  # the network of the tests has no DNS
            file.write("smtp_host_lookup = native\n")

    def start(self):
        run("/usr/lib/postfix/configure-instance.sh", "-")
        run("postfix", "start")


    def set_credential(self, credential, *environment):
        """What the example has a mark for, and what its comment says of a token in a file."""
        install((EXAMPLES / "postfix-relay" / "sasl_passwd").read_text().replace("API-KEY", credential).encode(),
                self.root / "sasl_passwd", mode=0o600)
        example = (EXAMPLES / "postfix-relay" / "main.cf").read_text()
        imported = re.search(r"import_environment = (.*) LATCHKEY_TOKEN_FILE", example)[1]
        run("postconf", "-e", f"import_environment = {' '.join([imported, *environment])}")
        run("postfix", "stop")
        run("postfix", "start")

    def token_file(self, token):
        path = "/run/latchkey/relay.token"
        install(token.encode(), Path(f"/var/spool/postfix{path}"), self.user, 0o600)
        return path


def private_mail():
    """Mailboxes of the test host alone, and none of the last server's, whose mode the next may not like."""
    mail = Path("/run/copies/var-mail")
    if not mail.exists():
        mail.mkdir(parents=True)
        mail.chmod(0o1777)
        run("mount", "--bind", mail, "/var/mail")
    for file in mail.iterdir():
        file.unlink()


def mailbox(user):
    path = Path("/var/mail", user)
    return path.read_text() if path.exists() else ""


# Cyrus IMAP


class Cyrus(Server):
    root, user = Path("/etc"), "cyrus"
    port = 993

    def set_up(self):
        for directory in ("/var/lib/cyrus", "/var/spool/cyrus", "/var/spool/sieve"):
            private_copy(directory)
        for directory in ("proc", "lock", "socket"):
            Path("/run/cyrus", directory).mkdir(parents=True, exist_ok=True)
        run("chown", "-R", "cyrus:mail", "/run/cyrus")
        self.install_examples("cyrus", "imapd.conf", "cyrus.conf")
        with open(self.root / "imapd.conf", "a") as file:  # the tests need not wait 3 seconds after each refusal
            file.write("failedloginpause: 0\n")
        certificate, key = self.host.certificates[MAIL]
        install(certificate, self.root / "ssl" / "cyrus" / f"{MAIL}.pem")
        install(key, self.root / "ssl" / "cyrus" / f"{MAIL}.key", self.user, 0o400)

    def start(self):
        self.spawn("/usr/sbin/cyrmaster", "-D")
        self.wait_for_port(self.port)


# memcached, svnserve, libvirtd


def install_sasl2(example, name):
    """Options of libsasl for a server that has them where libsasl looks by itself: their path."""
    options = Path("/etc/sasl2") / f"{name}.conf"
    install(EXAMPLES / example / "sasl2" / f"{name}.conf", options)
    return options


class Memcached(Server):
    root, user = Path("/etc"), "memcache"
    port = 11211

    def set_up(self):
        self.install_examples("memcached", "memcached.conf")
        self.options = install_sasl2("memcached", "memcached")

    def start(self):
        self.spawn("/usr/share/memcached/scripts/systemd-memcached-wrapper", "/etc/memcached.conf")
        self.wait_for_port(self.port)


class Svnserve(Server):
    """One repository, whose URL is that of the server with "/project"."""

    root, user = Path("/run/svn"), "svn"
    port = 3690

    def set_up(self):
        repository = self.root / "project"
        shutil.rmtree(self.root, ignore_errors=True)  # of a module before
        self.root.mkdir()
        run("svnadmin", "create", repository)
        install(EXAMPLES / "svnserve" / "svnserve.conf", repository / "conf" / "svnserve.conf")
        run("chown", "-R", self.user, self.root)
        self.options = install_sasl2("svnserve", "svn")

    def start(self):
        self.spawn("setpriv", "--reuid", self.user, "--regid", self.user, "--init-groups", "svnserve", "--daemon",
                   "--foreground", "--root", self.root, "--listen-host", "127.0.0.1")
        self.wait_for_port(self.port)


class Libvirtd(Server):
    root, socket = Path("/etc/libvirt"), Path("/run/libvirt/libvirt-sock")

    def set_up(self):
        for directory in ("/var/lib/libvirt", "/var/cache/libvirt"):
            private_copy(directory)
        self.install_examples("libvirt", "libvirtd.conf")
        self.options = install_sasl2("libvirt", "libvirt")

    def start(self):
        self.log = open(PRIVATE / "libvirtd.log", "w+")
        self.spawn("/usr/sbin/libvirtd", "--config", self.root / "libvirtd.conf", stdout=self.log)
        wait_until(lambda: self.answers() or self.process.poll() is not None, "libvirtd listens")

    def answers(self):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


# sendmail


SENDMAIL_SCRIPT = Path(__file__).with_name("unpack_sendmail")


class Sendmail(Server):
    """Unpacked beside the build, as Exim is."""

    root = Path("/etc/mail")
    port = 587

    def set_up(self):
        unpacked = BUILD / "sendmail"
        self.program = unpacked / "usr/libexec/sendmail/sendmail"
        assert self.program.exists(), f"run {SENDMAIL_SCRIPT} {unpacked}"
        libraries = unpacked / "usr/lib" / plugin_directory().parent.name
        queue = Path("/run/mqueue")
        queue.mkdir(mode=0o700)
        Path("/var/spool/mqueue").mkdir(exist_ok=True)
        run("mount", "--bind", queue, "/var/spool/mqueue")
        # All but where the files of m4 lie is the example's.
        text = (EXAMPLES / "sendmail" / "sendmail.mc").read_text()
        text = text.replace("/usr/share/sendmail", str(unpacked / "usr/share/sendmail"))
        made = run("m4", f"-D_CF_DIR_={unpacked}/usr/share/sendmail/cf/", "-", input=text)
        assert made.stderr == ""
        install(made.stdout.encode(), self.root / "sendmail.cf")
        for name in ("local-host-names", "trusted-users", "relay-domains", "access", "helpfile"):
            install(b"", self.root / name)
        certificate, key = self.host.certificates[MAIL]
        install(certificate, self.root / "tls" / f"{MAIL}.pem")
        install(key, self.root / "tls" / f"{MAIL}.key", mode=0o600)
        install(b"", Path("/etc/aliases"))
        install_sasl2("sendmail", "Sendmail")
        # The network of the tests has no DNS, and sendmail waits a minute for a host name with a dot in it.
        install(b"hosts files\naliases files\n", self.root / "service.switch")
        hosts = Path("/etc/hosts")
        hosts.write_text(f"127.0.0.1 {MAIL} {socket.gethostname()}\n{hosts.read_text()}")
        self.environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(libraries)}
        run(self.program, "-bi", env=self.environment)

    def start(self):
        self.spawn(self.program, "-bD", env=self.environment)
        self.wait_for_port(self.port)


# Exim


def unpacked_exim():
    """Postfix and Exim exclude each other as packages, so Exim is unpacked beside the build."""
    directory = BUILD / "exim"
    assert (directory / "usr/sbin/exim4").exists(), f"run {EXIM_SCRIPT} {directory}"
    return directory


EXIM_SCRIPT = Path(__file__).with_name("unpack_exim")


class Exim(Server):
    root, user = Path("/etc/exim4"), "Debian-exim"
    port = 587

    def set_up(self):
        exim = unpacked_exim()
        libraries = [exim / "usr/lib", exim / "usr/lib" / plugin_directory().parent.name]
        install("".join(f"{path}\n" for path in libraries).encode(), Path("/etc/ld.so.conf.d/exim.conf"))
        run("ldconfig")
        self.program = PRIVATE / "exim4"
        shutil.copy(exim / "usr/sbin/exim4", self.program)
        self.program.chmod(0o4755)
        private_mail()
        for directory in ("/var/spool/exim4", "/var/log/exim4"):
            Path(directory).mkdir(parents=True, exist_ok=True)
            shutil.chown(directory, self.user, self.user)
        self.install_examples("exim", "exim4.conf")
        with open(self.root / "exim4.conf", "r+") as file:  # all but where the program lies is the example's
            text = file.read()
            file.seek(0)
            file.write(f"exim_path = {self.program}\n{text}")
        certificate, key = self.host.certificates[MAIL]
        install(certificate, self.root / f"{MAIL}.pem")
        install(key, self.root / f"{MAIL}.key", self.user, 0o400)

    def start(self):
        self.spawn(self.program, "-bdf")
        self.wait_for_port(self.port)

    @staticmethod
    def log_lines():
        return [line for file in Path("/var/log/exim4").iterdir() for line in file.read_text().splitlines()]
