"""Rule 37 where the host hides what was typed for a user whom it does not know: sshd, and what it does in small."""
import os
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import paramiko
import pytest

import tokens
from host import PRIVATE, run

SUCCESS, AUTH_ERR, CRED_INSUFFICIENT = "0", "7", "8"
REFUSED = "Token not accepted."
MIN = 100  # JWT_MIN_LEN
UNKNOWN = "zelda"  # as long as alice

ONE_LINE = "auth required @MODULE@\n"

# The n-th question is answered with the n-th line of ANSWERS, and with nothing behind the last one.
BY_TURNS = """#!/bin/sh
printf '%s\\0' "$1" >>"$PROMPTS"
sed -n "$(tr -cd '\\0' <"$PROMPTS" | wc -c)p" "$ANSWERS"
"""


@pytest.fixture(scope="module")
def by_turns(session_host):
    path = PRIVATE / "by-turns"
    path.write_text(BY_TURNS)
    path.chmod(0o755)
    return path


@pytest.fixture
def quick(host):
    """pam_unix without its delay of two seconds, which is random."""
    path = host.example_stack("sshd")
    path.write_text(path.read_text().replace("pam_unix.so nullok", "pam_unix.so nodelay nullok"))
    return host


def transcript(host, by_turns, user, answers, name):
    """What a client sees: its prompts, what it prints, its status. The user's name is the only difference allowed."""
    files = {kind: PRIVATE / f"{kind}.{name}" for kind in ("prompts", "answers")}
    files["prompts"].write_text("")
    files["answers"].write_text("".join(f"{answer}\n" for answer in answers))
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "SSH_ASKPASS": str(by_turns),
           "SSH_ASKPASS_REQUIRE": "force", "PROMPTS": str(files["prompts"]), "ANSWERS": str(files["answers"])}
    done = run("setsid", *host.ssh_arguments(user, "keyboard-interactive", "true"), env=env, stdin=subprocess.DEVNULL,
               check=False)
    prompts = files["prompts"].read_text().split("\0")[:-1]
    return [p.replace(user, "USER") for p in prompts], done.stdout, done.stderr.replace(user, "USER"), done.returncode


def pieces(text, lengths):
    parts, begin = [], 0
    for length in lengths:
        parts.append(text[begin:begin + length])
        begin += length
    return parts


def contents(host, lengths):
    """Answers of those lengths, each with a name: what a person or an attacker types for a user who exists."""
    total = sum(lengths)
    long = host.keys["EdDSA"].sign_to_length(tokens.claims(), 21000)
    made = {"x's": "x" * total, "the beginning of a token": long[:total], "dots": "." * total,
            "a token from its middle on": long[700:700 + total], "quoted": '"' + long[:total - 1] if total else "",
            "words": ("correct horse " * total)[:total]}
    if total >= 511:
        mine, bobs = (tokens.short_claims(tokens.OIDC_ISSUER, sub) for sub in (tokens.ALICE, tokens.BOB))
        made["a whole forged token"] = tokens.Key("EdDSA", "key-EdDSA").sign_to_length(mine, total)
        made["a whole token of an unknown key"] = tokens.Key("EdDSA", "other").sign_to_length(mine, total)
        made["a whole token of bob"] = host.keys["EdDSA"].sign_to_length(bobs | {"email": "bob@example.com"}, total)
    return {name: pieces(text, lengths) for name, text in made.items()}


LENGTHS = [[1], [99], [100], [127], [128], [200], [256], [511], [512], [700], [1023], [511, 400, 1],
           [200, 50, 300, 1023], [99, 511]]


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_rule_37_over_ssh_only_the_lengths_of_the_answers_decide_what_is_seen(quick, by_turns, lengths):
    rows = contents(quick, lengths)
    rows = {name: rows[name] for name in rows if name == "x's" or "token" in name}  # the others are pamhost's
    with ThreadPoolExecutor(2) as pool:
        unknown = pool.submit(transcript, quick, by_turns, UNKNOWN, ["x" * length for length in lengths], "unknown")
        known = [pool.submit(transcript, quick, by_turns, "alice", row, i) for i, row in enumerate(rows.values())]
        for name, future in zip(rows, known):
            assert future.result() == unknown.result(), name
    prompts, _, error, status = unknown.result()
    assert status == 255
    if lengths[0] >= MIN:
        assert REFUSED in error and len(prompts) == len(lengths) + 1
    else:
        assert REFUSED not in error and len(prompts) == 1


def test_over_ssh_a_token_pasted_in_parts_of_any_size_is_accepted(quick, by_turns):
    for sizes in ([100, 1, 1, 500, 1023], [511, 511, 511], [1023, 1023], [200] * 8):
        token = quick.keys["RS256"].sign_to_length(tokens.claims(), 1400)
        prompts, _, error, status = transcript(quick, by_turns, "alice", pieces(token, sizes), "parts")
        assert status == 0, (sizes, prompts, error)
        assert "so far" not in prompts[0]


def test_over_ssh_the_persons_own_expired_token_is_told_without_another_question(quick, by_turns):
    prompts, _, error, status = transcript(quick, by_turns, "alice", [quick.token("ES256", lifetime=-300)], "expired")
    assert status == 255 and "The token expired 5 minutes ago." in error and len(prompts) == 1


def test_over_ssh_a_refused_token_of_askpass_is_asked_on_once_and_ends(host):
    done = host.ssh("alice", host.token(sub=tokens.ADMIN), password="not asked for")
    assert done.returncode == 255 and REFUSED in done.stderr
    assert len([p for p in host.prompts() if "oken" in p]) == len(host.prompts()) and "so far" in host.prompts()[-1]
    assert host.reasons() == ["user_unmapped"]


# The same in small: every length, and what the next module gets

def hidden(host, user, answers, *arguments, mode="lines", **options):
    result = host.pamhost("-t", "ssh", "-u", user, "-m", mode, *arguments, answers=answers, **options)
    return result.prompt, result.error, result.info, result.authenticate


@pytest.fixture
def received(host):
    """A module behind Latchkey that writes down what it gets as a password."""
    path = PRIVATE / "received"
    script = host.script("receive", f"cat >{path}")
    host.receiver = f"auth required pam_exec.so expose_authtok quiet {script}\n"
    host.stack("pamtester", "auth [success=done cred_insufficient=ignore default=die] @MODULE@\n" + host.receiver)
    path.unlink(missing_ok=True)
    yield path


SMALL = [[n] for n in [0, 1, 2, 3, 12, 13, 14, 15, 16, 27, 28, 29, 98, 99, 100, 101, 105, 106, 107, 126, 127, 128, 129,
                       200, 510, 511, 512, 1023, 4095, 16383, 16384, 16385, 20000]]
SMALL += [[100, 1], [100, 2], [100, 3], [119, 2, 3], [200, 200], [106, 107, 119], [511, 511, 511], [8192, 8192],
          [8192, 8193], [99, 100], [2, 511], [101] * 70]


@pytest.mark.parametrize("credentials", ["jwt", "jwt, api_key", "api_key"])
def test_rule_37_in_a_host_that_hides_users_the_lengths_alone_decide(host, received, credentials):
    quoted = ", ".join(f'"{c}"' for c in credentials.split(", "))
    host.write_config('service "pamtester" { credentials = {%s} }\nlatchkeyd { socket = {} program = "" }' % quoted)
    with ThreadPoolExecutor(4) as pool:
        for lengths in SMALL if credentials == "jwt" else SMALL[1::3]:
            texts = contents(host, lengths) | {"carriage returns": ["\r" * length for length in lengths]}
            unknown = pool.submit(hidden, host, UNKNOWN, texts["x's"] + [""], mode="hide")
            known = [pool.submit(hidden, host, "alice", answers + [""]) for answers in texts.values()]
            for name, seen in zip(texts, known):
                assert seen.result() == unknown.result(), (lengths, name)


@pytest.mark.parametrize("option", ["try_first_pass", "use_first_pass"])
def test_rule_37_what_an_earlier_module_asked_for_is_judged_by_its_length_too(host, option):
    host.stack("pamtester", "auth optional pam_exec.so expose_authtok quiet /bin/true\n"
                            f"auth [success=done cred_insufficient=ignore default=die] @MODULE@ {option}\n"
                            "auth required pam_deny.so\n")
    for length in (1, 13, 15, 99, 100, 200, 511, 700):
        unknown = hidden(host, UNKNOWN, ["x" * length, "", ""], mode="hide")
        if option == "use_first_pass":
            assert len(unknown[0]) == 1  # the other module's
        for name, [answer] in contents(host, [length]).items():
            assert hidden(host, "alice", [answer, "", ""]) == unknown, (length, name)


@pytest.mark.parametrize("first, code", [("x" * 99, CRED_INSUFFICIENT), ("x" * 100, AUTH_ERR)])
def test_the_least_length_of_a_token_is_where_a_password_ends(host, first, code):
    host.stack("pamtester", ONE_LINE)
    for user, mode in (("alice", "lines"), (UNKNOWN, "hide")):
        prompts, errors, _, codes = hidden(host, user, [first, ""], mode=mode)
        assert (codes, len(prompts), errors) == ([code], 1 + (code == AUTH_ERR), [REFUSED] * (code == AUTH_ERR))


@pytest.mark.parametrize("service, arguments", [("pamtester", ("-t", "ssh")), ("sshd", ()), ("sshd-admin", ())])
def test_a_host_that_hides_users_is_known_by_its_terminal_or_its_name(host, service, arguments):
    host.stack(service, ONE_LINE)
    result = host.pamhost("-u", "alice", *arguments, service=service, answers=["x" * 200, ""])
    assert (result.authenticate, len(result.prompt)) == ([AUTH_ERR], 2)


@pytest.mark.parametrize("service, arguments", [("pamtester", ()), ("pamtester", ("-t", "/dev/pts/0"))])
def test_elsewhere_what_is_no_token_is_not_asked_on(host, service, arguments):
    host.stack(service, ONE_LINE)
    result = host.pamhost("-u", "alice", *arguments, service=service, answers=["correct horse " * 20, ""])
    assert (result.authenticate, len(result.prompt)) == ([CRED_INSUFFICIENT], 1)


def test_a_short_piece_of_a_token_is_handed_on_as_other_bytes(host, received):
    token = host.token()
    for text in (token[:99], token[:5], f"Bearer {token[:60]}"):
        hidden(host, "alice", [text])
        assert len(received.read_bytes().rstrip(b"\0")) == len(text)
        assert not received.read_bytes().startswith(text[:5].encode())


def test_a_local_password_is_handed_on_as_it_is(host, received):
    hidden(host, "alice", ["correct horse"])
    assert received.read_bytes().rstrip(b"\0") == b"correct horse"


def test_from_the_least_length_on_nothing_is_handed_on(host, received):
    host.stack("pamtester", "auth optional @MODULE@\n" + host.receiver)
    for answer in ("x" * 100, "correct horse " * 20, host.token(sub=tokens.ADMIN)):
        hidden(host, "alice", [answer, "", "asked anew"])
        assert received.read_bytes().rstrip(b"\0") == b"asked anew"


def test_more_than_a_token_may_have_is_refused_at_once(host):
    host.stack("pamtester", ONE_LINE)
    for lengths, prompts in (([16384], 2), ([16385], 1), ([16284, 100], 3), ([16284, 101], 2)):
        for user, mode in (("alice", "lines"), (UNKNOWN, "hide")):
            seen = hidden(host, user, ["x" * length for length in lengths] + [""], mode=mode)
            assert (len(seen[0]), seen[3]) == (prompts, [AUTH_ERR]), lengths


@pytest.mark.parametrize("user, mode", [("alice", "lines"), (UNKNOWN, "hide")])
def test_no_more_than_64_parts_are_asked_for(host, user, mode):
    host.stack("pamtester", ONE_LINE)
    prompts, errors, _, codes = hidden(host, user, ["x" * (100 + i % 3) for i in range(70)], mode=mode)
    assert (len(prompts), errors, codes) == (64, [REFUSED], [AUTH_ERR])


@pytest.mark.parametrize("answer", ["x" * 99, "x" * 200])
def test_pam_silent_tells_nothing_there_either(host, answer):
    host.stack("pamtester", ONE_LINE)
    assert hidden(host, "alice", [answer, ""], "-s")[1] == []


@pytest.mark.parametrize("user, mode", [("alice", "lines"), (UNKNOWN, "hide")])
def test_a_client_that_hangs_up_between_the_parts_is_told_nothing(host, user, mode):
    host.stack("pamtester", ONE_LINE)
    _, errors, _, codes = hidden(host, user, ["x" * 200], mode=mode)
    assert (errors, codes, host.reasons()) == ([], ["19"], ["conversation_failed"])


@pytest.mark.parametrize("user, mode", [("alice", "lines"), (UNKNOWN, "hide")])
def test_rule_37_a_configuration_that_breaks_while_the_prompt_waits_refuses_alike(host, user, mode):
    host.stack("pamtester", ONE_LINE)
    script = host.script("break", f"echo broken >{host.etc}/latchkey.conf")
    host.stack("pamtester", f"auth optional pam_exec.so {script}\n" + ONE_LINE)
    assert hidden(host, user, ["x" * 200], mode=mode)[3] == ["9"]  # before the first prompt: for everybody
    host.write_config()
    host.stack("pamtester", ONE_LINE)
    result = host.pamhost("-t", "ssh", "-u", "alice", "-m", "wait", "-x", script, answers=[host.token(), ""])
    assert (result.authenticate, result.error) == ([AUTH_ERR], [REFUSED])
    assert host.reasons()[-1] == "config_invalid"


@pytest.mark.parametrize("option, prompts", [("use_first_pass", 1), ("try_first_pass", 1)])
def test_a_token_of_an_earlier_module_is_accepted_there_too(host, option, prompts):
    host.stack("pamtester", "auth optional pam_exec.so expose_authtok quiet /bin/true\n"
                            f"auth required @MODULE@ {option}\n")
    asked, _, _, codes = hidden(host, "alice", [host.token()])
    assert (codes, len(asked)) == ([SUCCESS], prompts)


def test_a_part_of_an_earlier_module_is_completed_there_too(host):
    host.stack("pamtester", "auth optional pam_exec.so expose_authtok quiet /bin/true\n"
                            "auth required @MODULE@ try_first_pass\n")
    token = host.token()
    asked, _, _, codes = hidden(host, "alice", [token[:500], token[500:]])
    assert (codes, asked[1:]) == ([SUCCESS], ["Access token (continued, 500 so far): "])


def test_a_short_password_of_an_earlier_module_is_not_taken_for_the_token(host):
    host.stack("pamtester", "auth optional pam_exec.so expose_authtok quiet /bin/true\n"
                            "auth required @MODULE@ try_first_pass\n")
    asked, _, _, codes = hidden(host, "alice", ["x" * 99, host.token()])
    assert (codes, asked[1:]) == ([SUCCESS], ["Access token: "])


@pytest.mark.parametrize("user, mode, answer", [("alice", "lines", "x" * 200), (UNKNOWN, "hide", "x" * 200),
                                                ("alice", "lines", "eyJhbGciOiJSUzI1NiJ9" * 10)])
def test_rule_37_a_refusal_takes_whole_steps_of_time(host, user, mode, answer):
    """Twenty milliseconds before the second prompt, and twenty behind it, whatever the work was."""
    host.stack("pamtester", ONE_LINE)
    start = time.monotonic()
    hidden(host, user, [answer, ""], "-n", "20", mode=mode)
    assert time.monotonic() - start >= 20 * 2 * 0.020


def test_a_token_that_is_accepted_does_not_wait(host):
    host.stack("pamtester", ONE_LINE)
    result = host.pamhost("-t", "ssh", "-u", "alice", "-n", "60", answers=[host.token("ES256")])
    best = time.monotonic()
    result = host.pamhost("-t", "ssh", "-u", "alice", "-n", "60", answers=[host.token("ES256")])
    assert result.authenticate == [SUCCESS] * 60 and time.monotonic() - best < 60 * 0.020


def least_waits(host, user, answer):
    """Of several attempts, the shortest time until the second question, and from there to what is told."""
    waits = [60.0, 60.0]
    with socket.create_connection(("127.0.0.1", host.sshd.port)) as connection:
        transport = paramiko.Transport(connection)
        transport.start_client(timeout=10)
        for _ in range(8):
            times = []

            def reply(_title, _instructions, prompts):
                """The third time without a prompt: sshd hands over what the module said."""
                times.append(time.monotonic())
                return [answer if len(times) == 1 else "" for _ in prompts]

            with pytest.raises(paramiko.AuthenticationException):
                transport.auth_interactive(user, reply)
            assert len(times) == 3
            waits = [min(least, end - begin) for least, begin, end in zip(waits, times, times[1:])]
        transport.close()
    return waits


def test_rule_37_over_ssh_the_time_tells_nobody_who_exists(quick):
    bad = tokens.Key("EdDSA", "key-EdDSA").sign_to_length(tokens.claims(), 900)
    tries = [("alice", bad), ("alice", "x" * 900), ("alice", bad[:800]), (UNKNOWN, bad)]
    for waits in zip(*(least_waits(quick, user, answer) for user, answer in tries)):
        assert min(waits) >= 0.019 and max(waits) - min(waits) < 0.015, waits
