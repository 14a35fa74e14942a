"""
memcached, svnserve and libvirtd with the examples of examples/sasl; pylibmc and memccat, svn and virsh as their clients, which
find the mechanisms in the plug-in's client side, or send the token as a password.
"""
import os
import sys

import pytest

from host import run
from servers import TOKEN_4K, Libvirtd, Memcached, Svnserve

# In a process of its own: libsasl loads its plug-ins once in a process.
PYLIBMC = """
import pylibmc, sys
client = pylibmc.Client(["127.0.0.1"], binary=True, username=sys.argv[1], password=sys.stdin.read())
client.set("key", "value")
print(client.get("key"))
"""


@pytest.fixture(scope="module")
def memcached(session_host):
    with Memcached(session_host) as memcached:
        yield memcached


@pytest.fixture(scope="module")
def svnserve(session_host):
    with Svnserve(session_host) as svnserve:
        yield svnserve


@pytest.fixture(scope="module")
def libvirtd(session_host):
    with Libvirtd(session_host) as libvirtd:
        yield libvirtd


@pytest.fixture
def site(sasl_site):
    return sasl_site


def environment(site, token):
    """HOME is a private one: svn and virsh keep their own files there."""
    return {"PATH": os.environ["PATH"], "HOME": "/run", "LC_ALL": "C.UTF-8",
            "LATCHKEY_TOKEN_FILE": str(site.host.token_file(token))}


# memcached, which adds the name of the host as a realm


def cache(token, user="alice"):
    return run(sys.executable, "-c", PYLIBMC, user, input=token, check=False, env={"PATH": os.environ["PATH"]})


class TestMemcached:
    @pytest.fixture
    def site(self, sasl_site, memcached):
        return sasl_site

    @pytest.mark.parametrize("length", [None, TOKEN_4K, 16000])
    def test_of_pylibmc(self, site, length):
        assert cache(site.token(length=length)).stdout == "value\n"

    def test_of_memccat(self, site):
        """libmemcached's own; the plug-in finds the token in a file."""
        cache(site.token())
        options = ["--binary", "--servers=127.0.0.1", "--username=alice", "--password=in-the-file", "key"]
        assert run("memccat", *options, env=environment(site, site.token())).stdout == "value\n"
        assert run("memccat", *options, env=environment(site, site.token(lifetime=-600)), check=False).stdout == ""

    @pytest.mark.parametrize("user, changes", [("alice", {"lifetime": -600}), ("bob", {}), ("Alice", {}),
                                               ("alice", {"aud": "elsewhere"})])
    def test_who_does_not_get_in(self, site, user, changes):
        done = cache(site.token(**changes), user)
        assert done.returncode != 0 and "Error" in done.stderr and "value" not in done.stdout

    def test_an_api_key(self, site, latchkeyd):
        assert cache(site.tenant.api_key, "svc-backup").stdout == "value\n"
        assert cache(site.tenant.api_key, "alice").returncode != 0

    def test_its_realm_must_be_known(self, site):
        site.configure(lambda text: text.replace('realm         = {"*"} ', 'realm         = {"example.com"} '))
        assert cache(site.token()).returncode != 0
        site.configure()
        assert cache(site.token()).returncode == 0


# svnserve, which adds the realm of svnserve.conf


def svn(site, *arguments, token="", password="", user="alice"):
    options = ["--non-interactive", "--no-auth-cache", "--username", user, "--password-from-stdin"]
    return run("svn", *options, *arguments, input=password, check=False, env=environment(site, token))


class TestSvnserve:
    URL = "svn://127.0.0.1/project"

    @pytest.fixture
    def site(self, sasl_site, svnserve, latchkeyd):
        return sasl_site

    @pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2", "PLAIN"])
    def test_the_author_is_the_user_of_the_token(self, site, offers, mechanism):
        offers(mechanism)
        name = f"{self.URL}/{mechanism}"
        credential = {"password": site.token()} if mechanism == "PLAIN" else {"token": site.token()}
        done = svn(site, "mkdir", "-m", "by token", name, **credential)
        assert done.returncode == 0, done.stderr
        credential = {"password": site.token(length=8100)} if mechanism == "PLAIN" else {"token": site.token(length=16000)}
        done = svn(site, "info", "--show-item", "last-changed-author", name, **credential)
        assert done.stdout.strip() == "alice", done.stderr

    @pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2", "PLAIN"])
    def test_who_does_not_get_in(self, site, offers, mechanism):
        offers(mechanism)
        for user, token in (("alice", site.token(lifetime=-600)), ("bob", site.token())):
            credential = {"password": token} if mechanism == "PLAIN" else {"token": token}
            done = svn(site, "info", self.URL, user=user, **credential)
            assert done.returncode != 0 and "E170001" in done.stderr, done.stderr

    @pytest.fixture
    def offers(self, svnserve):
        """svn takes the first mechanism that both sides know, so the server offers one alone while a test lasts."""
        file = svnserve.options
        text = file.read_text()

        def offer(mechanism):
            file.write_text(text.replace("OAUTHBEARER XOAUTH2 PLAIN", mechanism))
            svnserve.restart()
        yield offer
        file.write_text(text)


# libvirtd over its socket


def virsh(site, token, user="alice"):
    """The daemon's own test driver: no machine is needed. virsh asks for the names."""
    return run("virsh", "-c", "test+unix:///default", "list", "--all", "--name", input=f"{user}\n{user}\n", check=False,
               env=environment(site, token))


class TestLibvirtd:
    @pytest.fixture
    def site(self, sasl_site, libvirtd):
        return sasl_site

    @pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
    def test_of_virsh(self, site, libvirtd, mechanism):
        options = libvirtd.options
        text = options.read_text()
        options.write_text(text.replace("OAUTHBEARER XOAUTH2", mechanism))
        try:
            libvirtd.restart()
            for length in (None, 16000):
                done = virsh(site, site.token(length=length))
                assert "test" in done.stdout, done.stderr
            for token in (site.token(lifetime=-600), site.token(groups=[])):
                done = virsh(site, token)
                assert done.returncode != 0 and "authentication" in done.stderr, done.stderr
            done = virsh(site, site.bobs_token(), "bob")
            assert done.returncode != 0, "sasl_allowed_username_list"
        finally:
            options.write_text(text)
