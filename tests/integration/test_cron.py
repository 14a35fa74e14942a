"""cron runs jobs with the stack examples/pam.d/cron: not those of a person whom the revocation list shuts out."""
import shutil
import subprocess
from pathlib import Path

import pytest

import tokens
from host import PRIVATE, wait_until
from servers import private_copy

CRONTABS = Path("/var/spool/cron/crontabs")
USERS = ("alice", "bob")


def trace(user):
    return PRIVATE / "home" / user / "job"


@pytest.fixture
def cron(host):
    """Starts cron, whose jobs run at its start; the users whose job has run once all have been looked at."""
    host.example_stack("cron")
    private_copy("/var/spool/cron")
    for table in CRONTABS.iterdir():
        table.unlink()
    for user in USERS:
        table = CRONTABS / user
        table.write_text(f"@reboot echo ran >{trace(user)}\n")
        table.chmod(0o600)
        shutil.chown(table, user, "crontab")
        trace(user).unlink(missing_ok=True)
    started = []

    def run_jobs():
        Path("/run/crond.reboot").unlink(missing_ok=True)
        started.append(subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "cron", "-f", "-L", "3"],
                                        stderr=subprocess.DEVNULL))
        # cron logs for each job either its end or that PAM does not let it run.
        wait_until(lambda: ended(host) + len(refused(host)) == len(USERS), "cron has looked at each table")
        return [user for user in USERS if trace(user).exists()]
    yield run_jobs
    for process in started:
        process.kill()
        process.wait()


def ended(host):
    return sum(") END (" in line for line in host.log_lines())


def refused(host):
    return [line for line in host.log_lines() if "CRON[" in line and "Permission denied" in line]


def test_the_jobs_of_all_run_while_no_person_is_revoked(host, cron):
    assert cron() == ["alice", "bob"]
    assert host.verdicts() == []


def test_a_job_of_a_revoked_person_does_not_run(host, cron):
    host.revoke(f"sub {tokens.ALICE}")
    assert cron() == ["bob"]
    [verdict] = host.verdicts()
    assert (verdict["reason"], verdict["service"], verdict["user"]) == ("token_revoked", "cron", "alice")


def test_while_the_list_is_broken_jobs_run(host, cron):
    host.revoke("nonsense")
    assert cron() == ["alice", "bob"]
    assert set(host.reasons()) == {"revocation_unavailable"}
