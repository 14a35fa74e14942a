"""Fixtures of the tests that run real programs."""
import pytest

from broker import Daemon, Site
from host import PRIVATE, Host
from tenant import Tenant
import tokens


@pytest.fixture(scope="session")
def session_host():
    host = Host()
    yield host
    host.stop()


@pytest.fixture
def host(session_host):
    """The host as each test finds it: good configuration, keys, example stacks, nothing revoked, an empty log."""
    session_host.reset()
    return session_host


@pytest.fixture(scope="session")
def session_tenant(session_host):
    with Tenant(PRIVATE, "--tenant", tokens.TENANT) as tenant:
        yield tenant


@pytest.fixture
def tenant(session_tenant):
    """A tenant service without faults."""
    session_tenant.clear()
    return session_tenant


@pytest.fixture
def site(host, tenant):
    """A host whose service account svc-backup may log in with an API key of the tenant. No latchkeyd runs."""
    site = Site(host, tenant)
    site.fetch_keys()
    yield site
    tenant.clear()


@pytest.fixture
def daemon(site):
    """latchkeyd serves the site, and has looked for the key set."""
    site.give_keys_to_daemon()
    with Daemon(site.host) as daemon:
        yield daemon
