"""latchkeyd: the users that it serves, its limits, its signals and sockets, and its log."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tokens
from daemon import PROGRAM, SOCKET, USER, Daemon, ask, connect, exchange_question, timed
from host import PRIVATE, run, wait_until
from latchkeyd_clients import AS_BOB, as_user
from tenant import Tenant


# The process, and the users that it serves


def test_it_is_not_root_and_keeps_nothing_of_root(daemon):
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    assert re.search(r"^Uid:\t2101\t2101\t2101\t2101$", status, re.M) and re.search(r"^Groups:\t *$", status, re.M)
    assert re.search(r"^CapPrm:\t0+$", status, re.M) and re.search(r"^NoNewPrivs:\t1$", status, re.M)


def test_only_those_who_are_allowed_are_served(site):
    site.configure(latchkeyd_options='allow = {"bob", "@ops-group"}')
    with open("/etc/group", "a", encoding="utf-8") as group:
        group.write("ops-group:x:2999:alice\n")
    site.give_keys_to_daemon()
    before = site.tenant.requests("exchange")
    with Daemon(site.host):
        assert as_user("bob", {"ask": "status"})["answer"] == "ok"
        assert as_user("alice", {"ask": "status"})["answer"] == "ok"  # by a supplementary group
        refused = as_user("svc-backup", exchange_question(site))
        assert refused["answer"] == "latchkeyd_unavailable" and "uid 2003" in refused["detail"]
        assert Daemon.status()["refused"]["peer"] == 1
        assert site.tenant.requests("exchange") == before


def test_a_peer_is_limited_and_others_are_not(site):
    site.configure(latchkeyd_options='allow = {"bob"}  peer_rate = 2')
    site.give_keys_to_daemon()
    with Daemon(site.host) as daemon:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: ask(exchange_question(site))["answer"], range(12)))
        assert answers.count("latchkeyd_unavailable") >= 5
        assert daemon.status()["refused"]["rate"] >= 5
        assert as_user("bob", exchange_question(site))["answer"] == "ok"


def test_rule_27_junk_tokens_use_up_nobodys_rate(site):
    """Whoever sends them to a server from afar has it ask about each, and API keys come through the same server."""
    secret = site.host.write("shared.key", tokens.HMAC_SECRET, mode=0o600)
    run("chown", USER, secret)
    site.configure(latchkeyd_options="peer_rate = 1  rate = 2", more=f"""
        tenant "hmac" {{ issuer = "{tokens.HMAC_ISSUER}"  audience = {{"host"}}  tenant_claim = ""
                         algorithms = {{"HS256"}}  hmac_secret_file = "{secret}" }}""")
    site.give_keys_to_daemon()
    token = tokens.Key("HS256", None).sign(tokens.short_claims(tokens.HMAC_ISSUER))
    with Daemon(site.host):
        for _ in range(8):
            assert ask({"ask": "refresh", "tenant": site.tenant.tenant})["answer"] == "ok"
            assert ask({"ask": "signature", "tenant": "hmac", "token": token})["answer"] == "ok"
        assert ask(exchange_question(site))["answer"] == "ok"
        assert any(ask(exchange_question(site))["answer"] == "latchkeyd_unavailable" for _ in range(20))


@pytest.mark.parametrize("question", [
    b"", b"{", b"[]", b"null", b"{}", b'{"ask":"nothing"}', b'{"ask":1}', b'{"ask":"exchange"}', b"\0" * 100,
    b'{"ask":"exchange","tenant":"t","subject":"s","api_key":"a b"}',
    b'{"ask":"exchange","tenant":"t","subject":"s","api_key":"a\\r\\nX-Other: 1"}',
    b'{"ask":"exchange","ask":"status"}', b'{"ask":"status"} {"ask":"status"}', b"[" * 60000, b'"' * 65536,
])
def test_a_broken_question_gets_a_refusal_and_harms_nobody(daemon, question):
    if question:
        answer = ask(question)
        assert answer["answer"] in ("latchkeyd_unavailable", "tenant_unknown"), answer
    else:
        with connect():
            pass
    assert daemon.status()["uptime"] >= 0


def test_a_question_longer_than_any_is_refused(daemon):
    assert ask(b"x" * 65537)["answer"] == "latchkeyd_unavailable"


def test_an_unknown_tenant_is_refused(site, daemon):
    assert ask(exchange_question(site) | {"tenant": "other"})["answer"] == "tenant_unknown"
    assert ask({"ask": "refresh", "tenant": "other"})["answer"] == "tenant_unknown"


def test_those_who_say_nothing_hold_nobody_up(site, daemon):
    for _ in range(5):  # a busy machine is slow now and then; who is held up is held up each time
        with contextlib.ExitStack() as silent:
            for _ in range(600):
                silent.enter_context(connect())
            seconds, answer = timed(ask, exchange_question(site))
            assert answer["answer"] == "ok"
            wait_until(lambda: daemon.status()["clients"] == 1, "all but the one that asks are sent away")
        if seconds < 1:
            break
    assert seconds < 1


# Opens many connections that ask nothing. At a line of standard input it prints how many were refused, and the answers.
SILENT_CROWD = """
import json, select, socket, sys, time
begin, crowd = time.monotonic(), []
for _ in range(int(sys.argv[2])):
    crowd.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    crowd[-1].connect(sys.argv[1])
print("connected", flush=True)
sys.stdin.readline()
answers = [each.recv(1 << 16) for each in select.select(crowd, [], [], 0)[0]]
print(json.dumps({"seconds": time.monotonic() - begin, "refused": [answer.decode() for answer in answers if answer]}))
"""


def test_a_crowd_of_one_user_takes_no_place_of_roots(site):
    site.configure(latchkeyd_options='allow = {"bob"}')
    site.give_keys_to_daemon()
    with Daemon(site.host) as daemon:
        for _ in range(5):
            crowd = subprocess.Popen([*AS_BOB, "/usr/bin/python3", "-c", SILENT_CROWD, str(SOCKET), "300"],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert crowd.stdout.readline() == "connected\n"
            seconds, answer = timed(ask, exchange_question(site))  # which is taken after all of them
            refused = daemon.status()["refused"]["rate"]
            report = json.loads(crowd.communicate("now\n", timeout=20)[0])
            assert answer["answer"] == "ok" and seconds < 2
            assert all("too many connections without a question" in text for text in report["refused"])
            if report["seconds"] < 1.5:  # nobody was sent away because of silence
                break
        # It has 256 places.
        assert len(report["refused"]) == 44 and refused >= 44, report
        wait_until(lambda: daemon.status()["clients"] == 1, "they are gone")
        assert as_user("bob", exchange_question(site))["answer"] == "ok"


# Connects and hangs up, without end.
FLOOD = """
import socket, sys
while True:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(sys.argv[1])
"""


def test_rule_27_a_flood_on_one_socket_holds_up_no_other(site):
    """Of somebody whom it does not even serve."""
    other = PRIVATE / "chroot" / "socket"
    text = site.configure().read_text().replace(f'{{"{SOCKET}"}}', f'{{"{SOCKET}", "{other}"}}')
    site.host.write("latchkey.conf", text)
    site.give_keys_to_daemon()
    with Daemon(site.host), contextlib.ExitStack() as stack:
        for _ in range(8):
            flood = subprocess.Popen([*AS_BOB, "/usr/bin/python3", "-c", FLOOD, str(SOCKET)])
            stack.callback(flood.wait)
            stack.callback(flood.kill)
        wait_until(lambda: ask({"ask": "status"}, path=other)["status"]["refused"]["peer"] > 1000, "the flood runs")
        for _ in range(20):
            seconds, answer = timed(ask, exchange_question(site), path=other)
            assert answer["answer"] == "ok" and seconds < 1
            answer = ask({"ask": "status"}, path=other)
            assert answer["status"]["clients"] <= 64, "who is refused holds no place"
        # In the same queue a host waits for its turn.
        assert site.host.verify(site.tenant.api_key, "--user", "svc-backup")["reason"] == "ok"


def test_a_slow_tenant_holds_up_no_other_question(site, daemon):
    site.tenant.fault("exchange", "never", count=20)
    with ThreadPoolExecutor(20) as pool:
        slow = [pool.submit(ask, exchange_question(site)) for _ in range(20)]
        wait_until(lambda: daemon.status()["asked"]["exchange"] == 20, "all have asked")
        assert ask(exchange_question(site))["answer"] == "ok" and not any(future.done() for future in slow)
        assert {future.result()["answer"] for future in slow} == {"tenant_unavailable"}


def test_one_connection_to_the_tenant_serves_many(site, daemon):
    ask(exchange_question(site))
    before = site.tenant.stats()
    for _ in range(20):
        assert ask(exchange_question(site))["answer"] == "ok"
    assert site.tenant.stats()["connections"] == before["connections"]


# Signals, the configuration, sockets and the log


def test_sigterm_answers_what_is_under_way(site, daemon):
    site.tenant.fault("exchange", "slow-body", seconds=2, count=1)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, exchange_question(site))
        wait_until(lambda: daemon.status()["asked"]["exchange"] == 1, "it has asked")
        assert daemon.stop() == 0
        assert asked.result()["answer"] == "ok"


def test_sigterm_answers_those_whom_it_has_not_seen_yet(site, daemon):
    """As at a restart under load: they have connected and asked, and it is told to end before it takes them on."""
    wait_until(lambda: daemon.status()["tenants"][0]["keys"], "the first look is over")
    os.kill(daemon.pid, signal.SIGSTOP)
    wait_until(lambda: re.search(r"^State:\tT", Path(f"/proc/{daemon.pid}/status").read_text(), re.M), "it stands still")
    os.kill(daemon.pid, signal.SIGTERM)
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(connect()) for _ in range(20)]
        for each in waiting:
            each.send(json.dumps(exchange_question(site)).encode())
        os.kill(daemon.pid, signal.SIGCONT)
        assert {json.loads(each.recv(1 << 17))["answer"] for each in waiting} == {"ok"}
    assert daemon.stop() == 0


def test_sighup_reads_the_configuration(site, daemon):
    site.configure(latchkeyd_options="api_key_cache = 77")
    daemon.reload()
    assert daemon.status()["cache"]["seconds"] == 77
    site.host.write("latchkey.conf", "nonsense")
    daemon.reload()
    assert daemon.status()["cache"]["seconds"] == 77
    assert "latchkey.conf:1" in daemon.status()["configuration_fault"]


@pytest.mark.parametrize("call", ["umask", "bind", "setresuid"])  # in this order
def test_a_sighup_during_the_start_is_heeded_after_it(site, call):
    site.give_keys_to_daemon()
    under = ["strace", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=HUP:when=1"]
    with Daemon(site.host, under=under) as daemon:
        wait_until(lambda: any("SIGHUP" in line for line in daemon.lines()), "it reads the configuration")
        os.kill(daemon.pid, signal.SIGTERM)
        assert daemon.process.wait(10) == 0  # strace ends as its program does


def test_a_broken_configuration_lets_nobody_in(site):
    """As in every host process: by what was good before, nobody would see any more what is revoked since."""
    secret = site.host.write("shared.key", tokens.HMAC_SECRET, mode=0o600)
    run("chown", USER, secret)
    good = site.configure(latchkeyd_options="api_key_cache = 600", more=f"""
        tenant "hmac" {{ issuer = "{tokens.HMAC_ISSUER}"  audience = {{"host"}}  tenant_claim = ""
                         algorithms = {{"HS256"}}  hmac_secret_file = "{secret}" }}""").read_text()
    site.give_keys_to_daemon()
    of_hmac = tokens.Key("HS256", None).sign(tokens.short_claims(tokens.HMAC_ISSUER))
    questions = [exchange_question(site), {"ask": "signature", "tenant": "hmac", "token": of_hmac},
                 {"ask": "authenticate", "service": "imap", "credential": site.tenant.token(tokens.ALICE)},
                 {"ask": "authenticate", "user": "svc-backup", "credential": site.tenant.api_key}]
    with Daemon(site.host) as daemon:
        assert [ask(question)["answer"] for question in questions] == ["ok"] * 4
        site.host.write("latchkey.conf", good + "bogus = 1\n")
        site.host.revoke(f"sub {tokens.ALICE}")
        for _ in range(2):
            answers = [ask(question) for question in questions]
            assert [answer["answer"] for answer in answers] == ["config_invalid"] * 4
            assert all("bogus" in answer["detail"] for answer in answers)
        assert sum("every login is refused" in line for line in daemon.lines()) == 1
        assert ask({"ask": "refresh", "tenant": site.tenant.tenant})["answer"] == "ok"
        site.host.write("latchkey.conf", good)
        assert [ask(question)["answer"] for question in questions] == ["ok", "ok", "token_revoked", "ok"]


def test_a_socket_of_systemds_is_served(site):
    site.give_keys_to_daemon()
    SOCKET.parent.mkdir(exist_ok=True)
    SOCKET.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as handed_over:
        handed_over.bind(str(SOCKET))
        handed_over.listen()
        start = ["/bin/sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&0', "sh", "setpriv", "--reuid", USER,
                 "--regid", USER, "--clear-groups", PROGRAM, "--config", site.host.etc / "latchkey.conf"]
        process = subprocess.Popen(list(map(str, start)), stdin=handed_over)
        try:
            assert ask({"ask": "status"})["status"]["uid"] == 2101
            assert ask(exchange_question(site))["answer"] == "ok"
        finally:
            process.terminate()
            assert process.wait(10) == 0
    assert SOCKET.exists()  # it is systemd's


def test_a_socket_that_is_in_use_is_left_alone(site, daemon):
    done = run(PROGRAM, "--config", site.host.etc / "latchkey.conf", check=False)
    assert done.returncode == 2 and "in use" in done.stderr
    assert daemon.status()["uptime"] >= 0


def test_it_serves_several_sockets(site):
    other = PRIVATE / "chroot" / "socket"
    text = site.configure().read_text().replace(f'{{"{SOCKET}"}}', f'{{"{SOCKET}", "{other}"}}')
    site.host.write("latchkey.conf", text)
    site.give_keys_to_daemon()
    with Daemon(site.host):
        assert ask({"ask": "status"}, path=other)["answer"] == "ok"


def test_check_finds_what_would_keep_it_from_serving(site):
    def check():
        return run(PROGRAM, "--check", "--config", site.host.etc / "latchkey.conf", check=False)
    site.give_keys_to_daemon()
    assert check().returncode == 0, check().stdout
    os.chown(site.keys.parent, 0, 0)
    assert check().returncode == 2 and "never refreshed" in check().stdout
    site.configure(latchkeyd_options='user = "absent-user"  allow = {"absent-peer"}')
    assert "absent-user" in check().stdout and "absent-peer" in check().stdout
    site.ca.chmod(0o666)
    assert "ca_file" in check().stdout
    site.host.write("latchkey.conf", "nonsense")
    assert check().returncode == 2


@pytest.mark.parametrize("arguments", [["--nonsense"], ["argument"], ["--config"]])
def test_wrong_usage_is_told(arguments):
    done = run(PROGRAM, *arguments, check=False)
    assert done.returncode == 2 and "latchkeyd" in done.stderr


def test_it_never_becomes_root_by_configuration(site):
    site.configure(latchkeyd_options='user = "root"')
    done = run(PROGRAM, "--config", site.host.etc / "latchkey.conf", check=False)
    assert done.returncode == 2 and "must not run as root" in done.stderr


def test_every_answer_is_one_line_of_the_log(site, daemon):
    ask(exchange_question(site))
    ask(exchange_question(site, key="lk_wrong-wrong-wrong-wrong"))
    lines = [line for line in daemon.lines() if "asked=exchange" in line]
    assert len(lines) == 2
    assert "reason=ok" in lines[0] and "reason=credential_refused" in lines[1] and "uid=0" in lines[0]
    assert f"sub={tokens.BACKUP}" in lines[0]


def test_threads_of_one_host_may_ask_at_once(site, daemon):
    errors = []

    def work():
        for _ in range(20):
            answer = ask(exchange_question(site))
            if answer["answer"] != "ok":
                errors.append(answer)
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_it_leaves_no_descriptor_behind(site, daemon):
    def descriptors():
        return len(os.listdir(f"/proc/{daemon.pid}/fd"))
    ask(exchange_question(site))
    before = descriptors()
    for _ in range(50):
        ask(exchange_question(site))
        ask(b"{")
    assert descriptors() <= before + 2  # one that is being closed, a connection for the key set


def test_killed_in_the_middle_it_is_an_outage_for_who_waits(site, daemon):
    site.tenant.fault("exchange", "never", count=1)
    with ThreadPoolExecutor(1) as pool:
        verdict = pool.submit(site.host.verify, site.tenant.api_key, "--user", "svc-backup")
        wait_until(lambda: daemon.status()["asked"]["exchange"] == 1, "it has asked")
        daemon.stop(signal.SIGKILL)
        assert verdict.result()["reason"] == "latchkeyd_unavailable"


def test_a_name_server_that_does_not_answer_holds_up_its_own_question_alone(site):
    resolv = Path("/etc/resolv.conf")
    before = resolv.read_bytes() if resolv.exists() else None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.53", 53))
        resolv.unlink(missing_ok=True)
        resolv.write_text("nameserver 127.0.0.53\noptions timeout:20 attempts:1\n")
        try:
            site.configure(more='tenant "slow" { url = "https://nowhere.example"  keys = "/run/none" }')
            site.give_keys_to_daemon()
            with Daemon(site.host), ThreadPoolExecutor(2) as pool:
                slow = pool.submit(timed, ask, exchange_question(site) | {"tenant": "slow"})
                worst = 0
                while not slow.done():
                    seconds, answer = timed(ask, exchange_question(site))
                    worst = max(worst, seconds)
                    assert answer["answer"] == "ok"
                    time.sleep(0.02)
                seconds, answer = slow.result()
                assert answer["answer"] == "tenant_unavailable" and 2 < seconds < 10  # the resolver would wait for 20
                assert worst < seconds / 2  # who is held up waits as long as the slow one
        finally:
            resolv.unlink()
            if before is not None:
                resolv.write_bytes(before)


def test_a_slow_tenant_holds_up_no_other_tenant(site, tmp_path):
    with Tenant(tmp_path, "--alg", "ES256") as other:
        ca = site.host.write("other-ca.pem", other.ca.read_bytes())
        site.configure(more=f'tenant "{other.tenant}" {{ url = "{other.url}"  ca_file = "{ca}" }}')
        site.give_keys_to_daemon()
        site.tenant.fault("exchange", "never")
        question = exchange_question(site, key=other.api_key) | {"tenant": other.tenant}
        with Daemon(site.host) as daemon, ThreadPoolExecutor(100) as pool:
            slow = [pool.submit(ask, exchange_question(site)) for _ in range(100)]
            wait_until(lambda: daemon.status()["asked"]["exchange"] >= 100, "all have asked")
            assert ask(question)["answer"] == "ok"
            # Those beyond what one account may have waiting hear so at once.
            assert daemon.status()["tenants"][0]["waiting"] == 32 and daemon.status()["refused"]["crowded"] == 68
            wait_until(lambda: sum(future.done() for future in slow) == 68, "the others are answered")
            assert {future.result()["answer"] for future in slow} == {"tenant_unavailable"}


def test_rule_34_a_tenant_service_writes_no_line_of_its_own(site, daemon):
    site.tenant.fault("discovery", "content-type", text='x";verdict=accept;reason=ok')
    ask({"ask": "refresh", "tenant": site.tenant.tenant})
    lines = [line for line in daemon.lines() if "the key set stays unchanged" in line]
    assert lines and all('\\"' in line and not re.search(r'[^\\]";verdict', line) for line in lines)


def test_a_secret_of_roots_is_not_kept_when_root_is_given_up(site):
    secret = site.host.write("shared.key", tokens.HMAC_SECRET, mode=0o600)
    site.configure(more=f"""
        tenant "hmac" {{ issuer = "{tokens.HMAC_ISSUER}"  audience = {{"host"}}  tenant_claim = ""
                         algorithms = {{"HS256"}}  hmac_secret_file = "{secret}" }}""")
    site.give_keys_to_daemon()
    token = tokens.Key("HS256", None).sign(tokens.short_claims(tokens.HMAC_ISSUER))
    with Daemon(site.host):
        assert ask({"ask": "signature", "tenant": "hmac", "token": token})["answer"] == "jwks_unavailable"
    done = run(PROGRAM, "--check", "--config", site.host.etc / "latchkey.conf", check=False)
    assert done.returncode == 2 and "hmac_secret_file" in done.stdout
    run("chown", USER, secret)
    with Daemon(site.host):
        assert ask({"ask": "signature", "tenant": "hmac", "token": token})["answer"] == "ok"


@pytest.mark.parametrize("uids", ["0,2001,2001", "2001,0,0"])  # an exec takes the saved uid from the effective one
def test_a_latchkeyd_that_could_become_root_again_does_not_stay_so(site, uids):
    start = r"""
import os, sys, time
from socket import *
here, there = socketpair(AF_UNIX, SOCK_SEQPACKET)
child = os.fork()
if child == 0:
    os.dup2(there.fileno(), 0)
    os.setresuid(*map(int, sys.argv[1].split(',')))
    os.execv(sys.argv[2], [sys.argv[2], '--once', '--config', sys.argv[3]])
for _ in range(100):
    status = [line for line in open(f'/proc/{child}/status') if line.startswith(('Name', 'Uid', 'CapPrm'))]
    if 'latchkeyd' in status[0] and '2101\t2101\t2101\t2101' in status[1]:
        break
    time.sleep(0.05)
print(status)
"""
    done = run("/usr/bin/python3", "-c", start, uids, PROGRAM, site.host.etc / "latchkey.conf")
    assert r"Uid:\t2101\t2101\t2101\t2101" in done.stdout and r"CapPrm:\t0000000000000000" in done.stdout, done.stdout
