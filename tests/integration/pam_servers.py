"""
Programs of Debian's packages with the stacks of examples/pam.d and the files of examples/services, and their clients.

Each program is a Door: it is started once for a module, and a person tries tokens at it. The test host has its own
/etc, /run and network, so the examples are installed as they stand.
"""
import imaplib
import os
import re
import shutil
import ssl
import time
from pathlib import Path

import pytest

import tokens
from host import BUILD, PRIVATE, SOURCE, run, wait_until
from servers import CA_BUNDLE, MAIL, WEB, Server, install, listens, prepare, private_copy, private_mail

SERVICES = SOURCE / "examples" / "services"

class Door(Server):
    """A program that asks PAM by the stack `service`, as the user `user`."""

    service, user = None, "root"

    def __init__(self, host):
        self.host = host
        prepare(host)
        host.example_stack(self.service)
        self.set_up()
        self.start()

    def opens(self, token, user="alice"):
        """Whether a client gets in with the token as the password."""
        raise NotImplementedError

    def token(self, length=None, lifetime=600, **changes):
        """A token that the program can carry."""
        claims, key = tokens.claims(lifetime=lifetime, **changes), self.host.keys["ES256"]
        return key.sign_to_length(claims, length) if length else key.sign(claims)

    @property
    def ways(self):
        """The rows of pam_latchkey(8) that hold here, and what opens() is told for each."""
        return {self.service: {}}

    def example(self, file, target, **options):
        install(SERVICES / self.directory / file, Path(target), **options)

    def install_certificate(self, certificate="/etc/ssl/www.example.com.pem",
                            key="/etc/ssl/private/www.example.com.key", owner=None):
        for data, path, mode in zip(self.host.certificates[WEB], (certificate, key), (0o644, 0o400)):
            install(data, Path(path), owner, mode)


def longest_token(row):
    """The length of the longest token as the table of pam_latchkey(8) has it."""
    manual = (SOURCE / "pam" / "pam_latchkey.8").read_text()
    return int(re.search(rf"^\.It .* Ta {row} Ta (\d+)", manual, re.M)[1])


EXPIRED, PASSWORD_TOO_OLD = "20000:0:99999:7::20001:", "10000:0:90:7:::"  # what shadow(5) has behind the password


def age_account(user, fields):
    path = Path("/etc/shadow")
    path.write_text(re.sub(rf"^({user}:[^:]*):.*$", rf"\1:{fields}", path.read_text(), flags=re.M))


@pytest.fixture
def account_files():
    """The test may change them."""
    files = {path: path.read_text() for path in (Path("/etc/shadow"), Path("/etc/group"))}
    yield
    for path, text in files.items():
        path.write_text(text)


def curl(*arguments, user="alice", token="", **options):
    """curl, which reads name and password from its standard input."""
    config = f'user = "{user}:{token}"\n'
    return run("curl", "-sS", "-K", "-", "--cacert", CA_BUNDLE, *arguments, input=config,
               check=False, **options)


class Postgresql(Door):
    service, directory, user = "postgresql", "postgresql", "postgres"
    data = PRIVATE / "postgresql"

    def set_up(self):
        self.programs = max(Path("/usr/lib/postgresql").iterdir()) / "bin"
        self.data.mkdir(mode=0o700)
        shutil.chown(self.data, self.user, self.user)
        run(*self.host.as_user(self.user), self.programs / "initdb", "--no-sync", "--locale=C", "-D", self.data,
            cwd="/")
        self.example("pg_hba.conf", self.data / "pg_hba.conf", owner=self.user)
        self.install_certificate(self.data / "server.crt", self.data / "server.key", self.user)

    def start(self):
        self.spawn(*self.host.as_user(self.user), self.programs / "postgres", "-D", self.data, "-c", "ssl=on",
                   "-c", "unix_socket_directories=/tmp", "-c", "fsync=off", "-c", "listen_addresses=127.0.0.1",
                   "-c", "log_destination=stderr", cwd="/")
        self.wait_for_port(5432)
        for role in ("alice", "bob", "svc_backup"):
            self.ask_as_owner(f"CREATE ROLE {role} LOGIN")

    def ask_as_owner(self, statement):
        wait_until(lambda: run(*self.host.as_user(self.user), "psql", "-h", "/tmp", "-c", "SELECT 1", "postgres",
                               check=False, cwd="/").returncode == 0, "PostgreSQL answers")
        return run(*self.host.as_user(self.user), "psql", "-h", "/tmp", "-c", statement, "postgres", cwd="/")

    def opens(self, token, user="alice"):
        done = run("psql", "-h", "127.0.0.1", "-U", user, "-w", "-Atc", "SELECT current_user", "postgres", check=False,
                   env={"PATH": os.environ["PATH"], "PGPASSWORD": token, "PGSSLMODE": "require"}, cwd="/")
        assert done.returncode == 0 or "authentication failed" in done.stderr or "too long" in done.stderr, done.stderr
        return done.stdout == f"{user}\n"


class Web(Door):
    """A web server that shows a page to who comes with a token."""

    user = "www-data"

    def opens(self, token, user="alice"):
        done = curl("-o", "/dev/null", "-w", "%{http_code}", f"https://{WEB}/",
                    user=user, token=token)
        assert done.returncode == 0, done.stderr
        return done.stdout == "200"

    def install_page(self):
        self.install_certificate()
        private_copy("/var/www")
        install(b"page\n", Path("/var/www/html/index.html"))


class Apache(Web):
    service, directory = "apache2", "apache2"

    def set_up(self):
        self.install_page()
        private_copy("/var/lib/apache2")
        for directory in ("/run/apache2", "/run/lock/apache2", "/var/log/apache2"):
            Path(directory).mkdir(exist_ok=True)
        self.example("latchkey.conf", "/etc/apache2/sites-available/latchkey.conf")
        for command in (["a2enmod", "ssl", "authnz_pam"], ["a2dissite", "000-default"], ["a2ensite", "latchkey"]):
            run(*command)

    def start(self):
        self.spawn("sh", "-c", ". /etc/apache2/envvars && exec apache2 -DFOREGROUND")
        self.wait_for_port(443)


class Nginx(Web):
    service, directory = "nginx", "nginx"

    def set_up(self):
        self.install_page()
        private_copy("/var/lib/nginx")
        Path("/var/log/nginx").mkdir(exist_ok=True)
        Path("/etc/nginx/sites-enabled/default").unlink()
        self.example("latchkey", "/etc/nginx/sites-available/latchkey")
        Path("/etc/nginx/sites-enabled/latchkey").symlink_to("../sites-available/latchkey")

    def start(self):
        self.spawn("nginx", "-g", "daemon off;")
        self.wait_for_port(443)


class Dovecot(Door):
    service, directory = "dovecot", "dovecot"
    ways = {"dovecot": {}, "dovecot, command LOGIN": {"by_command": True}}
    def set_up(self):
        unpacked = BUILD / "dovecot"
        assert (unpacked / "usr/lib/dovecot/imap").exists(), "run tests/integration/unpack_dovecot"
        for directory in ("/usr/lib/dovecot", "/usr/share/dovecot", "/etc/dovecot"):
            private_copy(directory)
        for part in ("usr/lib/dovecot", "usr/share/dovecot"):
            shutil.copytree(unpacked / part, Path("/") / part, dirs_exist_ok=True)
        # As the package's postinst does.
        install(b"protocols = $protocols imap\n", Path("/usr/share/dovecot/protocols.d/imapd.protocol"))
        private_copy("/var/lib/dovecot")
        private_mail()
        self.example("local.conf", "/etc/dovecot/local.conf")
        with open("/etc/dovecot/local.conf", "a") as file:  # the tests need not wait after each refusal
            file.write("auth_failure_delay = 0\nservice anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n"
                       "  }\n}\n")
        certificate, key = self.host.certificates[MAIL]
        install(certificate, Path("/etc/dovecot/private/dovecot.pem"))
        install(key, Path("/etc/dovecot/private/dovecot.key"), mode=0o400)

    def start(self):
        self.spawn("dovecot", "-F")
        self.wait_for_port(993)

    def opens(self, token, user="alice", by_command=False):
        """By curl and PLAIN, or by Python's imaplib and the command LOGIN."""
        if not by_command:
            return curl("--login-options", "AUTH=PLAIN", f"imaps://{MAIL}/", user=user, token=token).returncode == 0
        client = imaplib.IMAP4_SSL(MAIL, ssl_context=ssl.create_default_context(cafile=CA_BUNDLE))
        try:
            return client.login(user, token)[0] == "OK"
        except imaplib.IMAP4.error:
            return False
        finally:
            client.shutdown()


class Proftpd(Door):
    service, directory = "proftpd", "proftpd"

    def set_up(self):
        self.install_certificate("/etc/ssl/ftp.example.com.pem", "/etc/ssl/private/ftp.example.com.key")
        Path("/var/log/proftpd").mkdir(exist_ok=True)
        self.example("latchkey.conf", "/etc/proftpd/conf.d/latchkey.conf")

    def start(self):
        self.spawn("proftpd", "-n")
        self.wait_for_port(21)

    def token(self, length=None, lifetime=600, **changes):
        claims = tokens.short_claims(tokens.OIDC_ISSUER) | {"exp": int(time.time()) + lifetime} | changes
        key = self.host.keys["EdDSA"]
        return key.sign_to_length(claims, length) if length else key.sign(claims)

    def opens(self, token, user="alice"):
        return curl("--ssl-reqd", f"ftp://{WEB}/", user=user, token=token).returncode == 0


class Cockpit(Door):
    """Without TLS, as behind a web server on the same host."""

    service = "cockpit"

    def set_up(self):
        pass  # the stack is all that differs from what the package has

    def start(self):
        self.spawn("/usr/lib/cockpit/cockpit-ws", "--no-tls", "--address=127.0.0.1", "--port=9090")
        self.wait_for_port(9090)

    def opens(self, token, user="alice"):
        done = curl("-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:9090/cockpit/login", user=user,
                    token=token)
        return done.stdout == "200"
