"""Service accounts log in with an API key of a real tenant service, through real programs."""
import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

import tokens
from daemon import PAM_SUCCESS, PROGRAM, Daemon, Site, ask, exchange_question, log_in, timed
from host import COMMAND, PASSWORDS, PRIVATE, Sshd, run, wait_until
from tenant import Tenant

DEADLINE = 5  # s, the default of the option timeout
WRONG_KEY = "lk_not-a-key-of-anybody-0123456789abcdefghijk"


@pytest.fixture(params=["spawned", "daemon"])
def way(request, site):
    """Both ways to latchkeyd: one that is started for the question, and one that stays."""
    if request.param == "spawned":
        yield request.param
    else:
        site.give_keys_to_daemon()
        with Daemon(site.host):
            yield request.param


@pytest.mark.parametrize("mode, program_mode, owner, is_started", [
    (0o755, 0o755, 0, True), (0o777, 0o755, 0, False), (0o775, 0o755, 0, False), (0o1777, 0o755, 0, True),
    (0o755, 0o775, 0, False), (0o755, 0o755, 2002, False)])
def test_rule_30_a_program_that_others_could_replace_is_not_started(site, tmp_path, mode, program_mode, owner, is_started):
    folder, trace = PRIVATE / "programs", tmp_path / "trace"
    folder.mkdir(exist_ok=True)
    program = folder / "latchkeyd"
    program.write_text(f'#!/bin/sh\n: >{trace}\nexec {PROGRAM} "$@"\n')
    program.chmod(program_mode)
    os.chown(program, owner, owner)
    folder.chmod(mode)
    text = (site.host.etc / "latchkey.conf").read_text()
    conf = site.host.write("latchkey.conf", text.replace(f'program = "{PROGRAM}"', f'program = "{program}"'))
    accepted = log_in(site) == PAM_SUCCESS
    assert (accepted, trace.exists()) == (is_started, is_started)
    assert site.host.reasons() == ["ok" if is_started else "latchkeyd_unavailable"]
    found = run(COMMAND, "check", "--config", conf, check=False).stdout
    assert ("is not started" in found) == (not is_started), found
    shutil.rmtree(folder)


# The good paths


def test_a_service_account_logs_in_over_ssh(site, way):
    done = site.host.ssh("svc-backup", site.tenant.api_key)
    assert done.stdout == "svc-backup\n", done.stderr
    verdict = site.host.verdicts()[0]
    assert verdict["verdict"] == "accept" and verdict["credential"] == "api_key"
    assert verdict["user"] == "svc-backup" and verdict["sub"] == tokens.BACKUP


def test_sshds_password_method_takes_an_api_key(site, way):
    sshd = Sshd("Match all\nPasswordAuthentication yes\nKbdInteractiveAuthentication no")
    try:
        arguments = site.host.ssh_arguments("svc-backup", "password", "id -un", sshd)
        env = site.host.environment("root", None, site.tenant.api_key, site.tenant.api_key)
        env |= {"SSH_ASKPASS": env.pop("ASKPASS"), "SSH_ASKPASS_REQUIRE": "force"}
        done = run("setsid", *arguments, env=env, stdin=subprocess.DEVNULL, check=False)
        assert done.stdout == "svc-backup\n", done.stderr
    finally:
        sshd.stop()


@pytest.mark.parametrize("length, code", [(99, "8"), (100, "7")])
def test_rule_37_over_ssh_a_refused_api_key_is_answered_by_its_length(site, length, code):
    """PAM_CRED_INSUFFICIENT or PAM_AUTH_ERR, as of a user who does not exist; and it is exchanged once."""
    site.host.stack("pamtester", "auth required @MODULE@\n")
    seen, before = [], site.tenant.requests("exchange")
    for user, mode in (("svc-backup", "lines"), ("nobody-of-us", "hide")):
        result = site.host.pamhost("-t", "ssh", "-u", user, "-m", mode, answers=["k" * length, "kkk", ""])
        seen.append((result.prompt, result.error, result.authenticate))
    assert seen[0] == seen[1] and seen[0][2] == [code]
    assert site.tenant.requests("exchange") == before + 1
    assert site.host.reasons()[0] == "credential_refused"


def test_sudo_takes_an_api_key(site, way):
    done = site.host.sudo("svc-backup", site.tenant.api_key)
    assert done.stdout == "root\n", done.stderr


def test_pamtester_takes_an_api_key(site, way):
    assert site.host.pamtester("svc-backup", site.tenant.api_key)[0] == 0


def test_verify_explains_an_api_key_check_by_check(site, way):
    verdict = site.host.verify(site.tenant.api_key, "--user", "svc-backup")
    assert verdict["verdict"] == "accept" and verdict["user"] == "svc-backup"
    assert [check["check"] for check in verdict["checks"]][:4] == ["configuration", "credential", "exchange", "format"]


def test_the_secondary_key_works_as_well(site, way):
    reply = site.tenant.post("/api/APIKeys", {"type": "secondary"}, headers={"X-API-Key": site.tenant.api_key})
    assert log_in(site, reply.json()["apiKey"]) == PAM_SUCCESS


@pytest.mark.parametrize("service, reason", [
    ("login", "ok"), ("sshd", "ok"), ("sudo", "group_missing"), ("su", "credential_not_allowed"),
])
def test_the_rules_of_the_service_hold_for_an_api_key(site, way, service, reason):
    site.configure(more=f"""
        group "svc" {{ claim = {{"{tokens.SVC}"}} }}
        service "login" {{ require_group = {{"svc"}}  credentials = {{"api_key"}} }}
        service "sudo"  {{ require_group = {{"ops"}}  credentials = {{"api_key"}} }}
        service "su"    {{ credentials = {{"jwt"}} }}""")
    verdict = site.host.verify(site.tenant.api_key, "--user", "svc-backup", "--service", service)
    assert verdict["reason"] == reason, verdict


def test_a_revoked_subject_is_shut_out_with_an_api_key_too(site, way):
    site.host.revoke(f"sub {tokens.BACKUP}")
    assert log_in(site) != PAM_SUCCESS
    assert set(site.host.reasons()) == {"token_revoked"}


# Rule 25: what is typed leaves the host only where it must


@pytest.mark.parametrize("user", ["alice", "root", "bob"])
def test_rule_25_a_key_opens_only_the_accounts_that_are_marked(site, way, user):
    before = site.tenant.requests("exchange")
    verdict = site.host.verify(site.tenant.api_key, "--user", user)
    assert verdict["reason"] == "credential_not_allowed"
    assert site.tenant.requests("exchange") == before


def test_a_local_password_goes_to_the_next_module_and_nowhere_else(site, way):
    before = site.tenant.requests("exchange")
    done = site.host.ssh("alice", typed="local password of alice", password="local password of alice")
    assert done.stdout == "alice\n", done.stderr
    assert site.tenant.requests("exchange") == before


def test_a_wrong_key_is_refused_and_not_tried_as_a_password(site, way):
    site.host.set_password("svc-backup", WRONG_KEY)
    try:
        done = site.host.ssh("svc-backup", WRONG_KEY)
    finally:
        site.host.set_password("svc-backup", PASSWORDS["svc-backup"])
    assert done.returncode != 0
    assert site.host.reasons() == ["credential_refused"]
    assert site.host.verify(WRONG_KEY, "--user", "svc-backup")["reason"] == "credential_refused"


def test_a_disabled_user_gets_no_token(site, way):
    site.tenant.disable(tokens.BACKUP)
    try:
        assert log_in(site) != PAM_SUCCESS
    finally:
        site.tenant.enable(tokens.BACKUP)
    assert log_in(site) == PAM_SUCCESS


# Everything that may go wrong at the tenant service

FAULTS = [
    # what, fault, its values, reason
    ("401", "status", {"status": 401}, "credential_refused"),
    ("403", "status", {"status": 403}, "credential_refused"),
    ("404", "status", {"status": 404}, "tenant_unavailable"),
    ("429 with Retry-After", "status", {"status": 429, "retry_after": 1}, "tenant_unavailable"),
    ("500", "status", {"status": 500}, "tenant_unavailable"),
    ("503", "status", {"status": 503}, "tenant_unavailable"),
    ("a redirect", "redirect", {"text": "https://127.0.0.1:1/"}, "tenant_unavailable"),
    ("a huge body", "huge", {"bytes": 100000}, "tenant_unavailable"),
    ("a body without end", "huge", {"bytes": 0}, "tenant_unavailable"),
    ("another Content-Type", "content-type", {}, "tenant_unavailable"),
    ("broken JSON", "broken-json", {}, "tenant_unavailable"),
    ("an empty body", "empty", {}, "tenant_unavailable"),
    ("JSON without a token", "body", {"text": "{}"}, "tenant_unavailable"),
    ("JSON that is no object", "body", {"text": "[1]"}, "tenant_unavailable"),
    ("a token that is no string", "body", {"text": '{"token":1}'}, "tenant_unavailable"),
    ("a token that is none", "body", {"text": '{"token":"abc"}'}, "token_malformed"),
    ("two tokens", "body", {"text": '{"token":"abc","token":"abd"}'}, "tenant_unavailable"),
    ("a reset", "reset", {}, "tenant_unavailable"),
    ("a reset in the middle", "reset-midway", {}, "tenant_unavailable"),
    ("no answer", "never", {}, "tenant_unavailable"),
    ("a body that dribbles", "slow-body", {"seconds": 30}, "tenant_unavailable"),
    ("a token of another user", "other-user", {}, "exchange_mismatch"),
    ("a token of another tenant", "other-tenant", {}, "tenant_mismatch"),
    ("an expired token", "expired", {}, "token_expired"),
    ("an unsigned token", "unsigned", {}, "token_malformed"),
    ("a token of a key that nobody published", "unpublished-key", {}, "key_unknown"),
    ("a token with another's kid", "forged", {}, "signature_invalid"),
]
CONNECTION_FAULTS = [("TLS that begins too late", "slow-connect", {"seconds": 30}), ("no TLS", "no-tls", {}),
                     ("a reset of the connection", "reset", {})]


@pytest.fixture
def check_fault(site, record_property):
    """The reason, within the deadline; nobody is let in. What it took is a row of the table that ends the run."""
    def check(what, way, reason, at=site):
        seconds, verdict = timed(at.host.verify, at.tenant.api_key, "--user", "svc-backup")
        record_property("fault", (what, way, verdict["reason"], seconds))
        assert verdict["reason"] == reason, verdict
        assert seconds < DEADLINE + 0.5
    return check


@pytest.mark.parametrize("what, fault, values, reason", FAULTS, ids=[row[0] for row in FAULTS])
def test_a_fault_of_the_exchange_has_its_reason_within_the_deadline(site, way, check_fault, what, fault, values, reason):
    site.tenant.fault("exchange", fault, **values)
    check_fault(what, way, reason)


@pytest.mark.parametrize("what, fault, values", CONNECTION_FAULTS, ids=[row[0] for row in CONNECTION_FAULTS])
def test_a_fault_of_the_connection_is_an_outage_within_the_deadline(site, check_fault, what, fault, values):
    site.tenant.fault("connection", fault, **values)
    check_fault(what, "spawned", "tenant_unavailable")
    site.give_keys_to_daemon()
    with Daemon(site.host):  # which has no connection yet that it could use again
        check_fault(what, "daemon", "tenant_unavailable")


@pytest.mark.parametrize("certificate", ["untrusted", "expired", "wrong-name"])
def test_rule_27_a_bad_certificate_gets_no_key(host, tmp_path, check_fault, certificate):
    with Tenant(tmp_path, "--tenant", tokens.TENANT, "--certificate", certificate) as tenant:
        site = Site(host, tenant)
        message = host.verify(tenant.api_key, "--user", "svc-backup")["message"]
        assert "certificate" in message or "name" in message
        check_fault(f"a certificate: {certificate}", "spawned", "tenant_unavailable", at=site)
        assert tenant.requests("exchange") == 0


def test_rule_27_a_redirect_is_not_followed(site, way, check_fault):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        other.settimeout(0.5)
        site.tenant.fault("exchange", "redirect", status=307, text=f"https://127.0.0.1:{other.getsockname()[1]}/")
        check_fault("a redirect to a listener", way, "tenant_unavailable")
        with pytest.raises(TimeoutError):
            other.accept()


def test_the_system_authorities_do_not_vouch_for_the_tenants_own_ca(site, check_fault):
    text = site.configure().read_text()
    site.host.write("latchkey.conf", re.sub(r"ca_file = .*", "", text))
    check_fault("the system's authorities", "spawned", "tenant_unavailable")


def test_an_outage_goes_on_to_local_passwords_and_a_refusal_does_not(site, way):
    answers = [site.tenant.api_key, PASSWORDS["svc-backup"]]
    site.tenant.fault("exchange", "status", status=503)
    assert site.host.pamhost("-u", "svc-backup", answers=answers).authenticate == ["0"]
    site.tenant.clear()
    site.tenant.fault("exchange", "status", status=401)
    assert site.host.pamhost("-u", "svc-backup", answers=answers).authenticate != ["0"]
    assert site.host.reasons() == ["tenant_unavailable", "credential_refused"]


# Keys that change while people log in


def new_key(site, kind, key):
    return site.tenant.post("/api/APIKeys", {"type": kind}, headers={"X-API-Key": key}).json()["apiKey"]


class Logins:
    """
    Threads that log in, one after the other, until the end of the block; none of them may fail.

        with Logins(site, [lambda: ("alice", credential), …]) as logins:
            change something
            logins.wait_for_round()
    """

    def __init__(self, site, workers):
        self.site, self.workers = site, workers
        self.begun = [None] * len(workers)  # the credential of the login that is under way
        self.done = [0] * len(workers)
        self.failures = []
        self.stop = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(len(workers))

    def work(self, number):
        while not self.stop.is_set():
            user, credential = self.workers[number]()
            self.begun[number] = credential
            result = log_in(self.site, credential, user=user)
            if result != PAM_SUCCESS:
                self.failures.append((user, result))
            self.done[number] += 1

    def __enter__(self):
        self.futures = [self.pool.submit(self.work, number) for number in range(len(self.workers))]
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.pool.shutdown()
        for future in self.futures:
            future.result()
        assert not self.failures, (self.failures, [v for v in self.site.host.verdicts() if v["verdict"] != "accept"])

    def wait_for(self, condition, what):
        wait_until(lambda: condition() or any(future.done() for future in self.futures), what, timeout=60)

    def wait_for_round(self):
        """Each has ended a login that was begun since."""
        before = list(self.done)
        self.wait_for(lambda: all(now >= then + 2 for now, then in zip(self.done, before)), "each has logged in")


def test_no_login_fails_while_keys_are_rotated_by_primary_and_secondary(site, daemon):
    """The service account uses one key while the other one is renewed, as `latchkey apikey rotate` does it."""
    current = [new_key(site, "secondary", site.tenant.api_key)]
    with Logins(site, [lambda: ("svc-backup", current[0])] * 4) as logins:
        logins.wait_for_round()
        for _ in range(3):
            for kind in ("primary", "secondary"):  # the one that nobody uses dies
                current[0] = new_key(site, kind, current[0])
                logins.wait_for(lambda: set(logins.begun) == {current[0]}, "nobody uses the old key any more")
        logins.wait_for_round()


def test_the_tenant_rotates_its_signing_key_and_no_login_fails(site):
    """
    Tokens and API keys, while the tenant begins to sign with a new key twice. It publishes the old one until the next
    time. latchkeyd looks out of turn once in 30 s (rule 21), so that the second rotation meets another latchkeyd, which
    is restarted before it; its first look is over then, and the rotation is news to it.
    """
    def somebody_with_a_token():
        return "alice", site.tenant.token(tokens.ALICE)

    def somebody_with_a_key():
        return "svc-backup", site.tenant.api_key

    def key_ids():
        return {key["kid"] for key in json.loads(site.keys.read_text())["keys"]}

    site.give_keys_to_daemon()
    with Logins(site, [somebody_with_a_token, somebody_with_a_key] * 2) as logins:
        for _ in range(2):
            with Daemon(site.host) as daemon:
                wait_until(lambda: daemon.status()["tenants"][0]["keys"], "the first look is over")
                logins.wait_for_round()
                known, kid = key_ids(), site.tenant.rotate()
                assert kid not in known
                logins.wait_for_round()
                assert kid in key_ids() and daemon.status()["asked"]["refresh"] > 0
                assert daemon.stop() == 0
            logins.wait_for_round()


def test_two_hundred_log_in_at_once(site, daemon):
    assert log_in(site) == PAM_SUCCESS
    host = [PRIVATE / "pamhost", "-u", "svc-backup", "pamtester"]
    processes = [subprocess.Popen(list(map(str, host)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                 for _ in range(200)]
    for process in processes:
        process.stdin.write(site.tenant.api_key + "\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert sum("authenticate=0" in output for output in outputs) == 200
    # All of them were answered by the one that stays, not by 200 children.
    assert daemon.status()["asked"]["exchange"] == 201


def test_the_daemon_is_killed_restarted_and_absent(site):
    site.give_keys_to_daemon()
    with Daemon(site.host) as first:
        assert log_in(site) == PAM_SUCCESS
        first.stop(9)
    # Its socket is still there, and nobody behind it: one is started for the question.
    assert log_in(site) == PAM_SUCCESS
    with Daemon(site.host) as second:
        assert log_in(site) == PAM_SUCCESS
        assert second.status()["asked"]["exchange"] == 1


def test_without_latchkeyd_an_api_key_is_an_outage_and_a_token_is_not(site):
    site.host.write("latchkey.conf", site.configure().read_text().replace(str(PROGRAM), str(PRIVATE / "absent")))
    assert site.host.verify(site.tenant.api_key, "--user", "svc-backup")["reason"] == "latchkeyd_unavailable"
    assert site.host.verify(site.tenant.token(tokens.ALICE), "--user", "alice")["reason"] == "ok"


# Hosts that are not as others


def test_a_host_that_ignores_its_children(site):
    """SIGCHLD at SIG_IGN, SIGALRM ignored, another umask and time zone: nothing of it is changed, and it works."""
    result = site.host.pamhost("-i", "-u", "svc-backup", answers=[site.tenant.api_key])
    assert result.authenticate == ["0"]
    assert result.begin_process == result.end_process


def test_a_host_with_thousands_of_descriptors_and_no_environment(site):
    opened = ("import os, sys\nimport resource\n"
              "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
              "resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))\n"
              "fds = [os.dup(0) for _ in range(3000)]\n"
              "[os.set_inheritable(fd, True) for fd in fds]\n"
              "os.execve(sys.argv[1], sys.argv[1:], {})\n")
    result = site.host.pamhost("-u", "svc-backup", answers=[site.tenant.api_key],
                               under=["/usr/bin/python3", "-c", opened])
    assert result.authenticate == ["0"]


def test_rule_31_no_descriptor_no_child_and_no_memory_is_left(site):
    result = site.host.pamhost("-u", "svc-backup", "-m", "repeat", "-n", "200", "-w", "150",
                               answers=[site.tenant.api_key])
    assert set(result.authenticate) == {"0"}
    assert result.warm_descriptors == result.end_descriptors
    assert int(result.end_heap[0]) - int(result.warm_heap[0]) < 4096


HOSTILE = {
    "SSLKEYLOGFILE": "{spoils}/keylog", "HTTPS_PROXY": "http://127.0.0.1:{port}", "https_proxy": "http://127.0.0.1:{port}",
    "http_proxy": "http://127.0.0.1:{port}", "ALL_PROXY": "socks5://127.0.0.1:{port}", "NO_PROXY": "",
    "SSL_CERT_FILE": "{spoils}/ca.pem", "SSL_CERT_DIR": "{spoils}", "CURL_CA_BUNDLE": "{spoils}/ca.pem",
    "CURL_HOME": "{spoils}", "HOME": "{spoils}", "OPENSSL_CONF": "{spoils}/openssl.cnf",
    "OPENSSL_MODULES": "{spoils}", "LD_PRELOAD": "{spoils}/evil.so", "LD_LIBRARY_PATH": "{spoils}",
    "LD_AUDIT": "{spoils}/evil.so", "LISTEN_FDS": "1", "LISTEN_PID": "1", "NOTIFY_SOCKET": "{spoils}/notify",
    "GCONV_PATH": "{spoils}", "RES_OPTIONS": "debug", "HOSTALIASES": "{spoils}/hosts", "TMPDIR": "{spoils}",
    "LATCHKEY_TOKEN_FILE": "{spoils}/token", "CURL_SSL_BACKEND": "gnutls",
}


def test_rule_29_whoever_runs_a_setuid_host_has_no_say_in_it(site):
    spoils = PRIVATE / "spoils"
    shutil.rmtree(spoils, ignore_errors=True)
    spoils.mkdir()
    shutil.chown(spoils, "bob")
    (spoils / ".curlrc").write_text("proxy = 127.0.0.1:9\n")
    (spoils / ".netrc").write_text("default login x password y\n")
    setuid = PRIVATE / "pamhost-setuid"
    shutil.copy(PRIVATE / "pamhost", setuid)
    setuid.chmod(0o4755)
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        proxy.settimeout(0.2)
        env = {name: value.format(spoils=spoils, port=proxy.getsockname()[1]) for name, value in HOSTILE.items()}
        trace = PRIVATE / "trace"
        before = sorted(file.name for file in spoils.iterdir())
        # As root strace may follow a setuid program: -u runs it as bob with what setuid gives.
        done = run("strace", "-f", "-o", trace, "-u", "bob", "-e", "trace=%file,connect",
                   *(f"-E{name}={value}" for name, value in env.items()), setuid, "-u", "svc-backup", "pamtester",
                   input=site.tenant.api_key + "\n", check=False)
        assert "authenticate=0" in done.stdout, done.stdout + done.stderr
        with pytest.raises(TimeoutError):
            proxy.accept()
    assert sorted(file.name for file in spoils.iterdir()) == before
    touched = [line for line in trace.read_text().splitlines() if str(spoils) in line and "execve(" not in line]
    assert not touched, touched


# Which process does what


def test_rule_28_no_host_process_ever_maps_libcurl_or_opens_a_network_socket(site, way):
    trace = PRIVATE / "trace"
    done = run("strace", "-f", "-ff", "-o", trace, "-e", "trace=execve,openat,socket", PRIVATE / "pamhost", "-u",
               "svc-backup", "pamtester", input=site.tenant.api_key + "\n", check=False)
    assert "authenticate=0" in done.stdout, done.stdout + done.stderr
    seen_curl = False
    for file in PRIVATE.glob("trace.*"):
        text = file.read_text()
        file.unlink()
        if str(PROGRAM) in text.split("\n", 1)[0] or f'execve("{PROGRAM}"' in text:
            seen_curl |= "libcurl" in text
            continue
        assert "libcurl" not in text and "AF_INET" not in text, text
    assert seen_curl == (way == "spawned")


def test_a_token_login_opens_no_network_socket(site, way):
    trace = PRIVATE / "trace"
    done = run("strace", "-f", "-o", trace, "-e", "trace=socket,execve", PRIVATE / "pamhost", "-u", "alice",
               "pamtester", input=site.tenant.token(tokens.ALICE) + "\n", check=False)
    assert "authenticate=0" in done.stdout
    assert "AF_INET" not in trace.read_text() and str(PROGRAM) not in trace.read_text()


def test_latchkeyd_gives_up_root_before_it_reads_a_question(site):
    trace = PRIVATE / "trace"
    run("strace", "-f", "-o", trace, "-e", "trace=setresuid,setresgid,setgroups,recvfrom,execve", PRIVATE / "pamhost",
        "-u", "svc-backup", "pamtester", input=site.tenant.api_key + "\n")
    child = trace.read_text().split(f'execve("{PROGRAM}"', 1)[1]
    assert re.search(r"setgroups\(0, NULL\) += 0.*setresgid\((\d+), \1, \1\) += 0.*setresuid\(2101, 2101, 2101\) += 0"
                     r".*recvfrom\(0,", child, re.DOTALL)


# Rule 26: where the key is not


def secrets_in(text, key):
    return key.encode() in text or key[3:20].encode() in text


def files_below(*directories):
    for directory in directories:
        for path in Path(directory).rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield path


def test_rule_26_the_key_is_in_no_log_no_file_no_argv_and_no_environment(site, way):
    key = new_key(site, "secondary", site.tenant.api_key)
    site.tenant.fault("exchange", "slow-body", seconds=2)
    seen, programs, before = [], set(), site.tenant.requests("exchange")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        login = pool.submit(log_in, site, key)
        wait_until(lambda: site.tenant.requests("exchange") > before or login.done(), "the exchange begins")
        for process in Path("/proc").glob("[0-9]*"):
            try:
                for name in ("cmdline", "environ"):
                    if secrets_in((process / name).read_bytes(), key):
                        seen.append((process / name, (process / "comm").read_text()))
                programs.add(os.readlink(process / "exe"))
            except OSError:
                pass
        assert not login.done()  # else they were not looked at while they had the key
        assert login.result() == PAM_SUCCESS
    assert not seen and {str(PRIVATE / "pamhost"), str(PROGRAM)} <= programs
    assert not secrets_in("\n".join(site.host.log_lines()).encode(), key)
    state = Path(site.tenant.state).parent
    for path in files_below("/run", "/etc", "/var/lib/latchkey", "/var/log", "/tmp"):
        with contextlib.suppress(FileNotFoundError):  # another program's, which has ended
            if not path.is_relative_to(state) and path.stat().st_size < 1 << 24:
                assert not secrets_in(path.read_bytes(), key), path


def memory_of(pid):
    """All that a debugger would find in it."""
    core = PRIVATE / "core"
    run("gcore", "-a", "-o", core, pid, timeout=120)
    file = Path(f"{core}.{pid}")
    data = file.read_bytes()
    file.unlink()
    return data


@pytest.mark.parametrize("cache", [0, 60])
def test_rule_26_after_the_answer_the_key_is_not_in_the_daemons_memory(site, cache):
    site.configure(latchkeyd_options=f"api_key_cache = {cache}")
    site.give_keys_to_daemon()
    key = new_key(site, "secondary", site.tenant.api_key)
    with Daemon(site.host) as daemon:
        for _ in range(5):
            assert log_in(site, key) == PAM_SUCCESS
        assert log_in(site, WRONG_KEY) != PAM_SUCCESS
        token = ask(exchange_question(site, key=key))["token"]
        assert daemon.status()["cache"]["entries"] == (1 if cache else 0)
        data = memory_of(daemon.pid)
    # What it does keep is found, so that a dump in which nothing is found proves something.
    assert site.tenant.tenant.encode() in data
    assert (token.encode() in data) == (cache > 0)
    assert not secrets_in(data, key) and not secrets_in(data, WRONG_KEY)


def test_rule_33_after_the_answer_the_key_is_not_in_the_hosts_memory(site, way):
    """The host is one that wipes its own copies; pamhost runs the debugger when all is over."""
    key = new_key(site, "secondary", site.tenant.api_key)
    core = PRIVATE / "host-core"
    script = site.host.script("dump", f"exec gcore -a -o {core} $PPID >/dev/null 2>&1")
    result = site.host.pamhost("-u", "svc-backup", "-c", "authenticate,run", "-x", script, "-w", "1", "-m", "forget",
                               answers=[key])
    assert result.authenticate == ["0"]
    files = list(PRIVATE.glob("host-core.*"))
    assert len(files) == 1
    data = files[0].read_bytes()
    files[0].unlink()
    assert site.tenant.tenant.encode() in data  # of the configuration, which it keeps
    assert not secrets_in(data, key)


def test_the_command_prints_nothing_of_a_key(site, way):
    done = run(COMMAND, "verify", "--user", "svc-backup", input=site.tenant.api_key, check=False)
    assert not secrets_in((done.stdout + done.stderr).encode(), site.tenant.api_key)


def test_two_keys_of_one_account_are_told_apart_by_the_cache(site):
    site.configure(latchkeyd_options="api_key_cache = 60")
    site.give_keys_to_daemon()
    with Daemon(site.host):
        assert ask(exchange_question(site))["answer"] == "ok"
        assert ask(exchange_question(site, key=WRONG_KEY))["answer"] == "credential_refused"
        assert ask(exchange_question(site, subject=tokens.ALICE))["answer"] == "ok"
        before = site.tenant.requests("exchange")
        assert ask(exchange_question(site))["answer"] == "ok"
        assert site.tenant.requests("exchange") == before
        token = ask(exchange_question(site, subject=tokens.ALICE))["token"]
        assert os.fsencode(token) and site.host.verify(token, "--user", "alice")["reason"] == "ok"
