"""
Programs that use libsasl with our client plug-in, and mail clients that know the mechanisms themselves. The plug-in is
that of the build with sanitizers: what it does wrong to memory ends the program. Whatever a program does with a token
that is refused, with a name that is missing or with a question that is not answered: it comes to an end, and is not
logged in as nobody.
"""
import contextlib
import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from host import BUILD, PRIVATE, SOURCE, run
from servers import CLIENTS, LDAP, MAIL, Cyrus, Libvirtd, Memcached, Postfix, Slapd, Svnserve, install, prepare

ALICE = "dn:uid=alice,ou=people,dc=example,dc=com"
EXPIRED = "The token expired 10 minutes ago."
LONGEST = 16384
NODE_MODULES = BUILD / "npm" / "node_modules"
NODE_CLIENTS = Path(__file__).with_name("npm")
SANITIZED = SOURCE / "build-sanitize" / ".libs" / "liblatchkey.so"
SANITIZER_EXIT = 99
CRASHES = [-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT, -signal.SIGILL, -signal.SIGFPE, -signal.SIGTRAP]
MECHANISMS = pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])

PHP = """
[$_, $host, $mechanism, $user] = $argv;
$token = stream_get_contents(STDIN);
$ldap = ldap_connect("ldap://$host");
ldap_set_option($ldap, LDAP_OPT_PROTOCOL_VERSION, 3);
ldap_start_tls($ldap) || exit(3);
if (!@ldap_sasl_bind($ldap, null, $token === "" ? null : $token, $mechanism, null, $user === "" ? null : $user)) {
    ldap_get_option($ldap, LDAP_OPT_DIAGNOSTIC_MESSAGE, $detail);
    echo ldap_error($ldap), ": ", $detail, "\\n";
    exit(1);
}
echo ldap_exop_whoami($ldap), "\\n";
"""
NET_LDAP = """
use strict;
use warnings;
use Authen::SASL qw(Cyrus);
use Net::LDAP;
use Net::LDAP::Extension::WhoAmI;
my ($host, $mechanism, $user) = @ARGV;
my $token = do { local $/; <STDIN> } // "";
my %callback = ($token ne "" ? (pass => $token) : (), $user ne "" ? (authname => $user) : ());
my $ldap = Net::LDAP->new($host) or die $@;
$ldap->start_tls(verify => "require", cafile => "/etc/ssl/certs/ca-certificates.crt")->code and die "no TLS";
my $bind = $ldap->bind("", sasl => Authen::SASL->new(mechanism => $mechanism, callback => \\%callback));
if ($bind->code) {
    print $bind->error, "\\n";
    exit 1;
}
print $ldap->who_am_i->response, "\\n";
"""
PYTHON_LDAP = """
import ldap, ldap.sasl, sys
host, mechanism, user = sys.argv[1:]
token = sys.stdin.read()
connection = ldap.initialize(f"ldap://{host}")
connection.start_tls_s()
callbacks = {ldap.sasl.CB_USER: "", ldap.sasl.CB_AUTHNAME: user, ldap.sasl.CB_PASS: token}
try:
    connection.sasl_interactive_bind_s("", ldap.sasl.sasl(callbacks, mechanism))
except ldap.LDAPError as error:
    sys.exit(str(error))
print(connection.whoami_s())
"""
PYLIBMC = """
import pylibmc, sys
client = pylibmc.Client(["127.0.0.1"], binary=True, username="alice", password=sys.stdin.read())
client.set("key", "value")
print(client.get("key"))
"""


def sanitizer():
    """What is loaded before the program's own libraries."""
    assert SANITIZED.exists(), f"{SANITIZED} is not built"
    library = PRIVATE / "sanitized_host.so"
    run("cc", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library,
        Path(__file__).with_name("sanitized_host.c"))
    return f"{library} {os.path.realpath(run('cc', '-print-file-name=libasan.so').stdout.strip())}"


@pytest.fixture(scope="module")
def client_env(session_host):
    """Of a program that finds our plug-in alone, and of a person of whom nothing else is known."""
    prepare(session_host)
    plugins = PRIVATE / "sanitized"
    plugins.mkdir()
    shutil.copy(SANITIZED, plugins)
    home = PRIVATE / "client"
    home.mkdir()
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "LD_PRELOAD": sanitizer(),
            "SASL_PATH": str(plugins), "ASAN_OPTIONS": f"verify_asan_link_order=0:detect_leaks=0:exitcode={SANITIZER_EXIT}"}


def client(*argv, env, token="", **options):
    """The program gets the token on its standard input. A program that goes on for ever runs into the time limit."""
    done = run(*argv, env=env, input=token, check=False, timeout=20, **options)
    assert done.returncode != SANITIZER_EXIT and "Sanitizer" not in done.stderr, done.stderr
    assert done.returncode not in CRASHES, f"signal {-done.returncode}"
    return done


def check_failed(done, *told):
    """It says one of these."""
    output = done.stdout + done.stderr
    assert done.returncode != 0, output
    assert any(text in output for text in told), output
    assert "Unable to find a callback" not in output and "successful" not in output, output


# LDAP


@pytest.fixture(scope="module")
def slapd(session_host):
    with Slapd(session_host) as slapd:
        install(CLIENTS / "ldap.conf", slapd.root / "ldap.conf")
        yield slapd


@pytest.fixture
def ldap(sasl_site, slapd):
    yield sasl_site
    lines = sasl_site.host.log_lines()
    assert [line for line in lines if " BIND " in line and "method=128" in line] == []  # a simple bind: anonymous here


def ldapwhoami(env, token, mechanism, user):
    password = PRIVATE / "password"
    password.write_text(token)
    password.chmod(0o600)
    return client("ldapwhoami", "-Q", "-ZZ", "-Y", mechanism, *(["-y", password] if token else []),
                  *(["-U", user] if user else []), env=env)


def php(env, token, mechanism, user):
    return client("php", "-r", PHP, "--", LDAP, mechanism, user, env=env, token=token)


def net_ldap(env, token, mechanism, user):
    return client("perl", "-e", NET_LDAP, LDAP, mechanism, user, env=env, token=token)


def python_ldap(env, token, mechanism, user):
    return client(sys.executable, "-c", PYTHON_LDAP, LDAP, mechanism, user, env=env, token=token)


LDAP_CLIENTS = pytest.mark.parametrize("program", [ldapwhoami, php, net_ldap, python_ldap])


@LDAP_CLIENTS
@MECHANISMS
class TestLdap:
    def test_a_good_token(self, ldap, client_env, program, mechanism):
        for length in (None, LONGEST):
            done = program(client_env, ldap.token(length=length), mechanism, "alice")
            assert done.returncode == 0 and done.stdout.strip() == ALICE, done.stdout + done.stderr

    def test_a_refused_token(self, ldap, client_env, program, mechanism):
        check_failed(program(client_env, ldap.token(lifetime=-600), mechanism, "alice"), EXPIRED)
        assert ldap.last() == ("reject", "token_expired")

    def test_no_token(self, ldap, client_env, program, mechanism):
        check_failed(program(client_env, "", mechanism, "alice"), "no token", "holds nothing", "no mechanism available")
        assert ldap.host.verdicts() == []

    def test_no_name(self, ldap, client_env, program, mechanism):
        done = program(client_env, ldap.token(), mechanism, "")
        if mechanism == "OAUTHBEARER":
            assert done.stdout.strip() == ALICE, done.stdout + done.stderr
        else:
            # Net::LDAP keeps the sentence to itself.
            check_failed(done, "XOAUTH2 needs the name of the user", "invalid parameter supplied")


@LDAP_CLIENTS
def test_an_api_key_needs_the_name_of_its_account(ldap, latchkeyd, client_env, program):
    done = program(client_env, ldap.tenant.api_key, "OAUTHBEARER", "svc-backup")
    assert done.stdout.strip() == ALICE.replace("alice", "svc-backup"), done.stdout + done.stderr
    check_failed(program(client_env, ldap.tenant.api_key, "OAUTHBEARER", ""), "an API key needs the name of its account",
                 "authentication failure")


def test_libldap_that_is_told_to_be_done_binds_as_nobody_either(ldap, client_env):
    env = client_env | {"LATCHKEY_CLIENT_RESULT": "done"}
    assert ldapwhoami(env, ldap.token(), "XOAUTH2", "alice").stdout.strip() == ALICE
    check_failed(ldapwhoami(env, ldap.token(lifetime=-600), "XOAUTH2", "alice"), "the server does not accept the token")


# Subversion, libvirt, memcached: their servers read what they offer when they start


BOTH = pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"], scope="module")


@contextlib.contextmanager
def offering(server, mechanism):
    text = server.options.read_text()
    server.options.write_text(re.sub("^mech_list:.*", f"mech_list: {mechanism}", text, flags=re.M))
    server.restart()
    yield server
    server.options.write_text(text)


@pytest.fixture(scope="module")
def svnserve(session_host):
    with Svnserve(session_host) as server:
        yield server


@pytest.fixture(scope="module")
def libvirtd(session_host):
    with Libvirtd(session_host) as server:
        yield server


@pytest.fixture(scope="module")
def memcached(session_host):
    with Memcached(session_host) as server:
        yield server


@BOTH
class TestSvn:
    @pytest.fixture(scope="class")
    def server(self, svnserve, mechanism):
        with offering(svnserve, mechanism) as server:
            yield server

    @pytest.fixture
    def svn(self, sasl_site, server, client_env):
        def svn(token, *options):
            return client("svn", "info", "--non-interactive", "--no-auth-cache", "--username", "alice", *options,
                          "svn://127.0.0.1/project", env=client_env, token=token)
        return svn

    def test_a_good_token(self, sasl_site, svn):
        for length in (None, LONGEST):
            done = svn(sasl_site.token(length=length), "--password-from-stdin")
            assert done.returncode == 0 and "Repository Root" in done.stdout, done.stderr

    def test_a_refused_token(self, sasl_site, svn):
        done = svn(sasl_site.token(lifetime=-600), "--password-from-stdin")
        check_failed(done, "Unexpected server response to authentication")
        assert sasl_site.last() == ("reject", "token_expired")

    def test_no_token(self, sasl_site, svn):
        check_failed(svn(""), "E170001", "E215004", "E230001")
        assert sasl_site.host.verdicts() == []


@BOTH
class TestVirsh:
    @pytest.fixture(scope="class")
    def server(self, libvirtd, mechanism):
        with offering(libvirtd, mechanism) as server:
            yield server

    @pytest.fixture
    def virsh(self, sasl_site, server, client_env):
        def virsh(token, user="alice"):
            file = PRIVATE / "auth.conf"
            names = f"username={user}\nauthname={user}\n" if user else ""
            password = f"password={token}\n" if token else ""
            file.write_text(f"[credentials-test]\n{names}{password}[auth-libvirt-localhost]\ncredentials=test\n")
            file.chmod(0o600)
            return client("virsh", "-c", "test+unix:///default", "list", "--name",
                          env=client_env | {"LIBVIRT_AUTH_FILE": str(file)})
        return virsh

    def test_a_good_token(self, sasl_site, virsh):
        for length in (None, LONGEST):
            done = virsh(sasl_site.token(length=length))
            assert done.returncode == 0 and done.stdout.strip() == "test", done.stderr

    def test_a_refused_token(self, sasl_site, virsh):
        check_failed(virsh(sasl_site.token(lifetime=-600)), "authentication failed")
        assert sasl_site.last() == ("reject", "token_expired")

    def test_no_token(self, sasl_site, virsh):
        check_failed(virsh(""), "no token", "holds nothing")
        assert sasl_site.host.verdicts() == []

    def test_no_name(self, sasl_site, virsh, mechanism):
        done = virsh(sasl_site.token(), user="")
        if mechanism == "OAUTHBEARER":
            assert done.stdout.strip() == "test", done.stderr
        else:
            check_failed(done, "XOAUTH2 needs the name of the user")


@BOTH
class TestPylibmc:
    """libmemcached, from Python."""

    @pytest.fixture(scope="class")
    def server(self, memcached, mechanism):
        with offering(memcached, mechanism) as server:
            yield server

    def test_a_good_token(self, sasl_site, server, client_env):
        for length in (None, LONGEST):
            done = client(sys.executable, "-c", PYLIBMC, env=client_env, token=sasl_site.token(length=length))
            assert done.stdout == "value\n", done.stderr

    def test_a_refused_token(self, sasl_site, server, client_env):
        check_failed(client(sys.executable, "-c", PYLIBMC, env=client_env, token=sasl_site.token(lifetime=-600)), "Error")


# Mail


@pytest.fixture(scope="module")
def postfix(session_host):
    with Postfix(session_host) as postfix:
        yield postfix


@pytest.fixture(scope="module")
def cyrus(session_host):
    with Cyrus(session_host) as cyrus:
        yield cyrus


@pytest.fixture
def submission(sasl_site, postfix, latchkeyd):
    postfix.renew()
    return sasl_site


@pytest.fixture
def mailboxes(sasl_site, cyrus):
    return sasl_site


@MECHANISMS
class TestImtest:
    """Cyrus' own client, on libsasl."""

    @staticmethod
    def imtest(site, env, token, mechanism, *names):
        env = env | {"LATCHKEY_TOKEN_FILE": str(site.host.token_file(token))}
        return client("/usr/lib/cyrus/bin/imtest", "-s", "-m", mechanism, *names, MAIL, env=env, token="Q LOGOUT\r\n")

    def test_a_good_token(self, mailboxes, client_env, mechanism):
        done = self.imtest(mailboxes, client_env, mailboxes.token(length=1400), mechanism, "-u", "alice", "-a", "alice")
        assert "Authenticated." in done.stdout, done.stdout + done.stderr

    def test_a_refused_token(self, mailboxes, client_env, mechanism):
        done = self.imtest(mailboxes, client_env, mailboxes.token(lifetime=-600), mechanism, "-u", "alice", "-a", "alice")
        assert "Authentication failed" in done.stdout, done.stdout
        assert mailboxes.last() == ("reject", "token_expired")


class TestMbsync:
    @staticmethod
    def mbsync(site, env, token):
        (Path(env["HOME"]) / "Mail").mkdir(exist_ok=True)
        env = env | {"LATCHKEY_TOKEN_FILE": str(site.host.token_file(token))}
        return client("mbsync", "-c", CLIENTS / "mbsyncrc", "mail", env=env)

    def test_a_good_token(self, mailboxes, client_env):
        for length in (None, LONGEST):
            done = self.mbsync(mailboxes, client_env, mailboxes.token(length=length))
            assert done.returncode == 0, done.stdout + done.stderr

    def test_a_refused_token(self, mailboxes, client_env):
        check_failed(self.mbsync(mailboxes, client_env, mailboxes.token(lifetime=-600)), "authentication failure")
        assert mailboxes.last() == ("reject", "token_expired")


# Mail clients that know the mechanisms themselves


def mutt(site, token, mechanism):
    """Debian's is built with libgsasl, and has the two mechanisms of its own. It sends a mail."""
    rc = PRIVATE / "muttrc"
    rc.write_text(f'set smtp_url="smtp://alice@{MAIL}:587"\nset smtp_authenticators="{mechanism.lower()}"\n'
                  f'set smtp_oauth_refresh_command="cat {site.host.token_file(token)}"\nset ssl_force_tls=yes\n'
                  'set ssl_ca_certificates_file="/etc/ssl/certs/ca-certificates.crt"\n'
                  'set from="alice@example.com"\nset copy=no\n')
    return run("mutt", "-n", "-F", rc, "-s", "a test", "alice@example.com", input="text\n", check=False,
               env={"PATH": os.environ["PATH"], "HOME": str(PRIVATE), "LC_ALL": "C"})


@MECHANISMS
def test_mutt(submission, mechanism):
    done = mutt(submission, submission.token(), mechanism)
    assert done.returncode == 0, done.stdout + done.stderr
    assert submission.logged("sasl_username=alice")
    done = mutt(submission, submission.token(lifetime=-600), mechanism)
    assert done.returncode != 0 and "authentication failed" in done.stdout + done.stderr
    assert submission.last() == ("reject", "token_expired")


def node(program, token):
    return run("node", NODE_CLIENTS / program, NODE_MODULES, MAIL, "alice", input=token, check=False)


def test_nodemailer(submission):
    done = node("smtp.js", submission.token())
    assert done.stdout.strip() == "logged in", done.stderr
    done = node("smtp.js", submission.token(lifetime=-600))
    assert done.returncode == 1 and done.stderr.startswith("refused: true"), done.stderr
    assert submission.last() == ("reject", "token_expired")


def test_imapflow(mailboxes):
    for length in (None, LONGEST):
        done = node("imap.js", mailboxes.token(length=length))
        assert done.stdout.strip() == "opened INBOX", done.stderr
    done = node("imap.js", mailboxes.token(lifetime=-600))
    assert done.returncode == 1 and done.stderr.startswith("refused: true"), done.stderr
    assert mailboxes.last() == ("reject", "token_expired")
