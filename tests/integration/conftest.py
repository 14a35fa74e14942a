"""Fixtures of the tests that run real programs."""
import pytest

from host import Host


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
