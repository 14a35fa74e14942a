"""Fixtures of the tests that run real programs."""
import pytest

from daemon import Daemon, Site
from host import PRIVATE, Host
from servers import Broker, SaslSite
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


@pytest.fixture
def sasl_site(host, tenant):
    """A host with the examples of examples/sasl/latchkey.conf. Whatever a test does, no log shows a token or a key."""
    site = SaslSite(host, tenant)
    yield site
    site.check_logs()


@pytest.fixture
def latchkeyd(sasl_site):
    """latchkeyd as that configuration has it."""
    with Broker(sasl_site.host) as daemon:
        yield daemon


def pytest_terminal_summary(terminalreporter):
    """How long each fault of the tenant service held up who logged in."""
    rows = [value for reports in terminalreporter.stats.values() for report in reports
            for name, value in getattr(report, "user_properties", ()) if name == "fault" and report.when == "call"]
    if not rows:
        return
    width = max(len(row[0]) for row in rows)
    terminalreporter.write_sep("=", "faults of the tenant service")
    terminalreporter.write_line(f"{'fault':{width}}  {'way':7}  {'reason':18}  seconds")
    for what, way, reason, seconds in sorted(rows):
        terminalreporter.write_line(f"{what:{width}}  {way:7}  {reason:18}  {seconds:7.2f}")
