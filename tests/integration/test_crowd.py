"""latchkeyd under a crowd: who guesses, and who waits for a slow tenant service, keeps nobody else out."""
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

import tokens
from daemon import SOCKET, Daemon, ask, exchange_question
from host import PRIVATE, run, wait_until
from tenant import Tenant

PASSWORDS = PRIVATE / "sockets" / "passwords"
AS_BOB = ["setpriv", "--reuid", "bob", "--regid", "bob", "--init-groups", "/usr/bin/python3", "-c"]

# What one server sends: so many attempts a second for so many seconds, none of which waits for another. One line with
# how many were begun once it is under way, then one with what was answered, by the answer.
FLOOD = r"""
import collections, json, select, socket, struct, sys, time
door, path, rate, seconds, credential, user = sys.argv[1:7]
def part(text): return struct.pack(">H", len(text)) + text.encode()
if door == "questions":
    kind = socket.SOCK_SEQPACKET
    text = json.dumps({"ask": "authenticate", "user": user, "credential": credential}).encode()
else:
    kind, text = socket.SOCK_STREAM, part(user) + part(credential) + part("imap") + part("")
poll, waiting, answers = select.poll(), {}, collections.Counter()
start, begun, told = time.monotonic(), 0, False
while True:
    now = time.monotonic() - start
    while now < float(seconds) and begun < now * int(rate):
        begun += 1
        one = socket.socket(socket.AF_UNIX, kind)
        one.setblocking(False)
        try:
            one.connect(path)
            one.send(text)
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                answers[type(error).__name__] += 1
                continue
        waiting[one.fileno()] = one
        poll.register(one, select.POLLIN)
    if not told and now > 1:
        print(begun, flush=True)
        told = True
    if now >= float(seconds) and (not waiting or now > float(seconds) + 6):
        break
    for fd, _ in poll.poll(5):
        one = waiting.pop(fd)
        poll.unregister(fd)
        try:
            answer = one.recv(1 << 17)
        except ConnectionResetError:
            try:
                answer = one.recv(1 << 17)
            except OSError:
                answer = b""
        one.close()
        if door == "questions":
            answers[json.loads(answer)["answer"] if answer else "hung up"] += 1
        else:
            answers[answer[2:4].decode() or "hung up"] += 1
print(json.dumps(answers), flush=True)
"""

# Another attempt through the same server, a few a second: the answers, one a line.
TRY = r"""
import json, socket, struct, sys, time
door, path, count, credential, user = sys.argv[1:6]
def part(text): return struct.pack(">H", len(text)) + text.encode()
for _ in range(int(count)):
    one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET if door == "questions" else socket.SOCK_STREAM)
    one.settimeout(10)
    try:
        one.connect(path)
        one.send(json.dumps({"ask": "authenticate", "user": user, "credential": credential}).encode()
                 if door == "questions" else part(user) + part(credential) + part("imap") + part(""))
    except BrokenPipeError:
        pass
    try:
        answer = one.recv(1 << 17)
    except ConnectionResetError:
        answer = one.recv(1 << 17)
    print(json.loads(answer)["answer"] if door == "questions" else answer[2:4].decode())
    time.sleep(0.05)
"""

CONFIG = """
tenant "{first.tenant}"  {{ url = "{first.url}"  keys = "{keys}"  ca_file = "{ca}" }}
tenant "{second.tenant}" {{ url = "{second.url}"  keys = "{second_keys}"  ca_file = "{second_ca}" }}
user "alice"      {{ sub = {{"{alice}"}}  tenant = {{"{second.tenant}"}} }}
user "bob"        {{ sub = {{"{bob}"}}  tenant = {{"{second.tenant}"}}  api_key = true }}
user "svc-backup" {{ sub = {{"{backup}"}}  tenant = {{"{first.tenant}"}}  api_key = true }}
service "*"       {{ credentials = {{"jwt", "api_key"}} }}
latchkeyd {{
    socket = {{"{socket}"}}  saslauthd_socket = {{"{passwords}"}}  saslauthd_mode = "0666"
    allow = {{"bob"}}  api_key_cache = {cache}
}}
"""


class Flood:
    """Wrong API keys for svc-backup that one server, which runs as bob, sends on and on."""

    def __init__(self, door, credential, rate=400, seconds=4):
        path = SOCKET if door == "questions" else PASSWORDS
        self.process = subprocess.Popen([*AS_BOB, FLOOD, door, path, str(rate), str(seconds), credential, "svc-backup"],
                                        stdout=subprocess.PIPE, text=True)
        assert int(self.process.stdout.readline()) > 0.8 * rate  # else it is no flood

    def answers(self):
        output, _ = self.process.communicate(timeout=30)
        return json.loads(output)


@pytest.fixture
def second(site, tmp_path, request):
    """Another tenant beside the site's. The parameter is the time that tokens of API keys are cached."""
    with Tenant(tmp_path, "--alg", "ES256") as second:
        site.host.write("latchkey.conf", CONFIG.format(
            first=site.tenant, second=second, keys=site.keys, ca=site.ca, alice=second.users["alice@example.com"],
            bob=second.users["bob@example.com"], backup=tokens.BACKUP, socket=SOCKET, passwords=PASSWORDS,
            second_keys=site.keys.with_name("second.jwks"), second_ca=site.host.write("second-ca.pem", second.ca.read_bytes()),
            cache=getattr(request, "param", 0)))
        site.give_keys_to_daemon()
        yield second


@pytest.mark.parametrize("door", ["questions", "passwords"])
def test_rule_27_a_slow_tenant_shuts_no_other_out_of_a_server(site, second, door):
    path = SOCKET if door == "questions" else PASSWORDS
    token = second.token(second.users["alice@example.com"])
    site.tenant.fault("exchange", "slow-body", seconds=2)
    with Daemon(site.host) as daemon:
        wait_until(lambda: daemon.status()["tenants"][1]["keys"], "latchkeyd has looked for the key set")
        flood = Flood(door, site.tenant.api_key[:-4] + "aaaa")
        answers = run(*AS_BOB, TRY, door, path, "25", token, "alice").stdout.split()
        key = run(*AS_BOB, TRY, door, path, "3", second.api_key, "bob").stdout.split()
        assert flood.process.poll() is None  # else they came when it was over
        refused = flood.answers()
    good = "ok" if door == "questions" else "OK"
    assert answers == [good] * 25 and key == [good] * 3
    if door == "questions":
        assert set(refused) == {"credential_refused", "tenant_unavailable"}


# Asks so many times, each time for another invented account. Prints how many of the questions are not answered at once.
MANY = """
import json, signal, socket, sys
path, count, question, waiting = sys.argv[1], int(sys.argv[2]), json.load(sys.stdin), []
for number in range(count):
    waiting.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    waiting[-1].connect(path)
    waiting[-1].send(json.dumps(question | {"subject": f"invented-{number}"}).encode())
    waiting[-1].settimeout(0.05)
answered = 0
for each in waiting:
    try:
        answered += len(each.recv(1 << 16)) > 0
    except TimeoutError:
        pass
print(count - answered, flush=True)
signal.pause()
"""


@contextmanager
def questions_of_bob(question, count):
    """bob asks this many times and leaves the connections open. Yields how many of the questions wait for an answer."""
    crowd = subprocess.Popen([*AS_BOB, MANY, str(SOCKET), str(count)], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    crowd.stdin.write(json.dumps(question))
    crowd.stdin.close()
    yield int(crowd.stdout.readline())
    crowd.kill()
    crowd.wait()
    crowd.stdout.close()


def test_rule_27_one_user_leaves_places_of_a_slow_tenant_for_root(site):
    site.configure(latchkeyd_options='allow = {"bob"}  timeout = 20')
    site.give_keys_to_daemon()
    site.tenant.fault("exchange", "never", count=32)  # as many as may wait for one user other than root
    with Daemon(site.host) as daemon:
        wait_until(lambda: daemon.status()["tenants"][0]["keys"], "latchkeyd has looked for the key set")
        with questions_of_bob(exchange_question(site), 40) as waiting:
            answer = ask(exchange_question(site))
    assert waiting == 32 and answer["answer"] == "ok"


def test_rule_21_one_user_leaves_places_of_a_slow_refresh_for_root(site):
    site.configure(latchkeyd_options='allow = {"bob"}')
    site.give_keys_to_daemon()
    question = {"ask": "refresh", "tenant": site.tenant.tenant}
    with Daemon(site.host) as daemon:
        wait_until(lambda: daemon.status()["tenants"][0]["keys"], "latchkeyd has looked for the key set")
        site.tenant.fault("discovery", "slow-body", seconds=2)
        with questions_of_bob(question, 8) as waiting:
            answer = ask(question)
    assert waiting == 8 and answer["answer"] == "ok"


def guess(site, until):
    """The answers to wrong keys that somebody tries through su(1), which asks as root, as fast as they come."""
    answers = []
    while time.monotonic() < until:
        answers.append(ask(exchange_question(site, key=f"{site.guessed:032d}"))["answer"])
        site.guessed += 1
    return answers


@pytest.mark.parametrize("second", [60], indirect=True)
def test_rule_27_guesses_for_one_account_are_few_and_cost_no_other_account(site, second):
    site.guessed = 10**9
    right, others = exchange_question(site), exchange_question(site, key=second.api_key) | {
        "tenant": second.tenant, "subject": second.users["bob@example.com"]}
    with Daemon(site.host) as daemon, ThreadPoolExecutor(4) as pool:
        wait_until(lambda: daemon.status()["tenants"][0]["keys"], "latchkeyd has looked for the key set")
        assert ask(others)["answer"] == "ok"
        before, start = site.tenant.requests("exchange"), time.monotonic()
        guessing = [pool.submit(guess, site, start + 3) for _ in range(4)]
        wait_until(lambda: daemon.status()["refused"]["guesses"] > 0, "the guesses are used up")
        # A right key that is not in the cache is one of many now; that is what the manual says.
        for _ in range(10):
            assert ask(others | {"subject": second.users["alice@example.com"]})["answer"] == "ok"
        answers = [answer for one in guessing for answer in one.result()]
        took = time.monotonic() - start
        assert len(answers) > 100 and set(answers) == {"credential_refused", "tenant_unavailable"}
        assert site.tenant.requests("exchange") - before <= 32 + took + 1
        assert daemon.status()["refused"]["rate"] == 0
        wait_until(lambda: ask(right)["answer"] == "ok", "the account has a guess again", 3)
        guess(site, time.monotonic() + 0.5)
        assert ask(right)["answer"] == "ok"  # by the cache, whatever others guess
