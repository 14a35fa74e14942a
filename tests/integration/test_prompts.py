"""What programs and people answer at the prompt: the same thing twice, too much at once, something else; and what the
next module and the session get of it."""
import os
import re
from pathlib import Path

import pytest

import tokens
from host import ASKPASS, PASSWORDS, PRIVATE, run

# security/_pam_types.h
SUCCESS, PERM_DENIED, AUTH_ERR, CONV_ERR = "0", "6", "7", "19"


@pytest.fixture(autouse=True)
def one_line(host):
    host.stack("pamtester", "auth required @MODULE@\naccount required @MODULE@\nsession required @MODULE@\n")


# A program that gives every prompt the same answer

def test_a_program_that_repeats_its_answer_is_told_so(host):
    result = host.pamhost("-u", "alice", "-m", "repeat", answers=[host.token()[:127]])
    assert result.authenticate == [CONV_ERR] and len(result.prompt) == 2
    assert result.error == ["This program gives every prompt the same answer, and the token is too long for one."]
    [verdict] = host.verdicts()
    assert verdict["reason"] == "answer_repeated" and "the same 127 bytes" in verdict["detail"]


def test_parts_of_a_token_that_are_equal_behind_the_first_one_are_no_repetition(host):
    token = host.keys["ES256"].sign(tokens.claims(letters="UUU" * 400))
    begin = token.index("VVVV" * 100)
    parts = [token[:begin], *[token[begin + i:begin + i + 100] for i in range(0, 400, 100)], token[begin + 400:]]
    assert parts[1] == parts[2] == parts[3] == parts[4]
    assert host.pamhost("-u", "alice", answers=parts).authenticate == [SUCCESS]


def test_a_later_part_that_equals_the_first_one_is_no_repetition(host):
    claims = tokens.claims()
    token = host.keys["ES256"].sign({"aud": claims["aud"]} | claims)
    payload = token.index(".") + 1
    parts = [token[:4], token[4:payload], token[payload:payload + 4], token[payload + 4:]]
    assert parts[0] == parts[2] == "eyJh"
    assert host.pamhost("-u", "alice", answers=parts).authenticate == [SUCCESS]


def test_sshds_password_method_repeats_and_is_named_in_the_log(host):
    result = host.pamhost("-t", "ssh", "-u", "alice", "-m", "repeat", answers=[host.token()[:300]])
    assert (result.authenticate, result.error) == ([AUTH_ERR], ["Token not accepted."])
    [verdict] = host.verdicts()
    assert verdict["reason"] == "answer_repeated" and "the same 300 bytes" in verdict["detail"]


def test_what_was_wrong_with_a_repeated_token_stays_its_reason(host):
    host.pamhost("-t", "ssh", "-u", "alice", "-m", "repeat", answers=[host.token(sub=tokens.ADMIN)])
    [verdict] = host.verdicts()
    assert verdict["reason"] == "user_unmapped" and "the program repeated the same" in verdict["detail"]


# polkit-agent-helper-1 reads 511 bytes of a line, and gives the next prompt what is left: its line end

@pytest.mark.parametrize("parts", [[511, 511, 511], [2000], [511, 100, 1000], [510, 511, 512, 511]], ids=str)
def test_a_line_end_that_is_left_behind_does_not_end_the_parts(host, parts):
    token = host.keys["ES256"].sign_to_length(tokens.claims(), 1500)
    ends = [sum(parts[:i]) for i in range(len(parts) + 1)]
    answers = [token[begin:end] for begin, end in zip(ends, ends[1:]) if token[begin:end]]
    result = host.pamhost("-u", "alice", "-m", "polkit", answers=answers)
    assert result.authenticate == [SUCCESS], result.prompt


@pytest.mark.parametrize("length, prompts", [(510, 2), (511, 3), (512, 2)])
def test_only_behind_511_bytes_an_empty_answer_is_not_the_end(host, length, prompts):
    result = host.pamhost("-u", "alice", answers=[host.token()[:length], "", ""])
    assert result.authenticate == [AUTH_ERR] and len(result.prompt) == prompts


# What people paste instead of a token

@pytest.mark.parametrize("wrapped, what", [
    ("Bearer {token}", "an authorization header"), ('{{"access_token":"{token}","expires_in":900}}', "a JSON text"),
    ('"{token}"', "quotes around the token"), (" {token}", "blanks"), ("{token} ", "blanks"),
    ("TOKEN={token}", "other text around the token")], ids=["header", "JSON", "quotes", "before", "behind", "name"])
def test_what_was_pasted_instead_of_a_token_is_named(host, wrapped, what):
    text = wrapped.format(token=host.token())
    for user in ("alice", "nobody-of-this-name"):
        result = host.pamhost("-u", user, answers=[text])
        assert result.authenticate == [AUTH_ERR] and result.error[0] == "Token not accepted."
        assert what in result.error[1] and what in host.verdicts()[-1]["detail"]
        assert host.pamhost("-s", "-u", user, answers=[text]).error == []


# What the next module gets

@pytest.fixture
def received(host):
    path = PRIVATE / "received"
    path.unlink(missing_ok=True)
    script = host.script("receive", f"cat >{path}")
    host.stack("pamtester", "auth [success=done default=ignore] @MODULE@\n"
                            f"auth [default=ignore] pam_exec.so expose_authtok quiet {script}\nauth required pam_deny.so\n")
    yield lambda: path.read_bytes().rstrip(b"\0").decode()


def test_rule_43_after_the_beginning_of_a_token_nothing_of_the_attempt_is_handed_on(host, received):
    """The beginning, then an empty answer; then its rest in a second try, which looks like a password."""
    token = host.token()
    host.pamhost("-u", "alice", "-c", "authenticate,authenticate",
                 answers=[token[:300], "", "asked anew", token[-40:], "asked once more"])
    assert received() == "asked once more"


def test_rule_43_after_a_failed_conversation_nothing_of_the_attempt_is_handed_on(host, received):
    """As with sudo-rs: two conversations fail, since too much was pasted, and the third one gets the tail."""
    tail = host.token()[-40:]
    host.pamhost("-u", "alice", "-m", "fail", "-c", "authenticate,authenticate,authenticate",
                 answers=["!", "!", "!", "!", tail, "asked anew"])
    assert received() == "asked anew"
    host.pamhost("-u", "alice", answers=[tail])
    assert received() == tail  # which is why the two tests above can fail


@pytest.mark.parametrize("length, handed_on", [(99, True), (100, False)])
def test_rule_43_a_long_text_in_the_alphabet_of_tokens_is_not_handed_on(host, received, length, handed_on):
    text = host.token()[-length:]
    host.pamhost("-u", "alice", answers=[text, "asked anew"])
    assert received() == (text if handed_on else "asked anew")


def test_rule_43_a_json_reply_is_not_handed_on(host, received):
    host.pamhost("-u", "alice", answers=['{"refresh_token":"%s","token_type":"Bearer"}' % ("r=" * 40), "asked anew"])
    assert received() == "asked anew"


def test_what_an_earlier_module_left_as_password_stays(host, received):
    path = host.stack("pamtester", "auth optional pam_exec.so expose_authtok quiet /bin/true\n"
                      + Path("/etc/pam.d/pamtester").read_text())
    assert path.read_text().count("pam_exec.so") == 2
    host.pamhost("-u", "alice", answers=["the first module's", "typed at ours"])
    assert received() == "the first module's"


@pytest.mark.parametrize("tty", [(), ("-t", "ssh")], ids=["shown", "hidden"])
@pytest.mark.parametrize("length, reason", [(16384, "token_malformed"), (16385, "token_too_long")])
def test_the_longest_answer_is_as_long_as_the_longest_token(host, tty, length, reason):
    result = host.pamhost("-u", "alice", *tty, answers=["eyJ" + "A" * (length - 3), ""])
    assert (result.authenticate, host.reasons()) == ([AUTH_ERR], [reason])
    host.syslog.clear()
    host.pamhost("-u", "alice", *tty, answers=["eyJ" + "A" * 97, "A" * (length - 100), ""])
    assert host.reasons() == [reason]


# sudo fails the conversation when too much is pasted at once

AT_MOST = "Access token (at most 511 bytes at once): "


def test_at_sudo_too_much_at_once_is_asked_for_once_more_in_parts(host):
    token = host.token()
    assert len(token) > 511
    with host.terminal("sudo", "-k", "id", "-un", user="alice") as terminal:
        terminal.expect("Access token: ")
        terminal.type(token)
        terminal.type_token(token, 511, first=AT_MOST)
        status, output = terminal.wait()
    assert status == 0 and re.search(r"^root\r?$", output, re.M), output
    assert host.reasons() == ["ok"]


@pytest.mark.parametrize("length", [512, 655, 911, 1500])
def test_at_sudo_the_log_says_what_to_do(host, length):
    text = ("eyJhbGciOiJSUzI1NiJ9" + "A" * 1500)[:length]
    with host.terminal("sudo", "-k", "id", "-un", user="alice") as terminal:
        terminal.expect("Access token: ")
        terminal.type(text)
        terminal.expect(re.escape(AT_MOST))
        terminal.type(text)
        status, output = terminal.wait()
    assert status != 0, output
    [verdict] = host.verdicts()
    assert verdict["reason"] == "conversation_failed"
    assert "511 bytes an answer" in verdict["detail"] and "sudo -A" in verdict["detail"]


def test_at_sudo_who_gives_up_is_not_asked_again(host):
    with host.terminal("sudo", "-k", "id", "-un", user="alice") as terminal:
        terminal.expect("Access token: ")
        terminal.wait_until_hidden()
        is_open = True
        while is_open:  # sudo can miss one that comes just before it reads
            os.write(terminal.fd, b"\x03")
            is_open = terminal.read(0.3) and terminal.read(0.3)
        status, output = terminal.wait()
    assert status != 0 and "at most" not in output


def test_sudos_second_question_is_known_to_askpass(host):
    helper = host.script("too-much-first", 'case $1 in "Access token: ") cat "$LATCHKEY_TOKEN_FILE" ;; '
                                           f'*) exec {ASKPASS} "$1" ;; esac')
    env = {"PATH": "/usr/bin:/bin", "SUDO_ASKPASS": str(helper),
           "LATCHKEY_TOKEN_FILE": str(host.token_file(host.token(), "alice"))}
    done = run(*host.as_user("alice"), "sudo", "-k", "-A", "id", "-un", env=env, check=False)
    assert (done.returncode, done.stdout) == (0, "root\n"), done.stderr


def test_the_administrators_prompt_names_the_limit_too(host):
    host.stack("sudo", "auth required @MODULE@ [prompt=Your pass: ]\n")
    result = host.pamhost("-u", "alice", "-m", "fail", service="sudo", answers=["!", host.token()[:511], "", ""])
    assert result.prompt[:2] == ["Your pass: ", "Your pass (at most 511 bytes at once): "]


@pytest.mark.parametrize("service, prompts", [("sudo", 2), ("sudo-i", 2), ("su", 1)])
def test_only_sudo_is_asked_once_more(host, service, prompts):
    host.stack(service, "auth required @MODULE@\n")
    result = host.pamhost("-u", "alice", "-m", "refuse", service=service, answers=["x"])
    assert result.authenticate == [CONV_ERR] and len(result.prompt) == prompts
    assert ("511" in host.verdicts()[0]["detail"]) == (prompts == 2)


# LATCHKEY_SUBJECT is what a login of ours set

FORGED = "LATCHKEY_SUBJECT=forged"


@pytest.mark.parametrize("call", ["setcred", "account", "open", "close"])
def test_a_subject_that_came_from_elsewhere_is_no_login(host, call):
    """PAM_IGNORE of the only line reads PAM_PERM_DENIED."""
    result = host.pamhost("-u", "alice", "-e", FORGED, "-c", f"putenv,authenticate,putenv,{call}", answers=[""])
    assert result.values[call] == [PERM_DENIED]
    assert result.env == ([] if call != "close" else [FORGED])


def test_a_subject_that_came_from_elsewhere_does_not_turn_a_broken_configuration_into_a_refusal(host):
    host.write("latchkey.conf", "broken")
    host.stack("pamtester", "account [success=ok authinfo_unavail=ignore ignore=ignore default=die] @MODULE@\n"
                            "account required pam_permit.so\n")
    assert host.pamhost("-u", "alice", "-e", FORGED, "-c", "putenv,account").account == [SUCCESS]


@pytest.mark.parametrize("variable", [FORGED, "LATCHKEY_SUBJECT=", "LATCHKEY_SUBJECT"], ids=["set", "emptied", "unset"])
def test_a_login_keeps_its_own_subject(host, variable):
    result = host.pamhost("-u", "alice", "-e", variable, "-c", "authenticate,putenv,account,putenv,setcred,putenv,open",
                          answers=[host.token()])
    assert (result.account, result.setcred, result.open) == ([SUCCESS], [SUCCESS], [SUCCESS])
    assert result.env == [f"LATCHKEY_SUBJECT={tokens.ALICE}"]


def test_a_login_in_a_child_is_known_in_its_parent(host):
    result = host.pamhost("-u", "alice", "-c", "fork,setcred,open,close", answers=[host.token()])
    assert (result.authenticate, result.setcred, result.open, result.close) == ([SUCCESS],) * 4
    assert result.env == [f"LATCHKEY_SUBJECT={tokens.ALICE}"]
    refused = host.pamhost("-u", "alice", "-c", "fork,setcred", answers=[host.token(sub=tokens.ADMIN)])
    assert refused.setcred == [PERM_DENIED] and refused.env == []


@pytest.mark.parametrize("spoiled", ["LATCHKEY_SUBJECT=forged", "LATCHKEY_PROOF=" + "0" * 64, "LATCHKEY_PROOF=",
                                     "LATCHKEY_PROOF"])
def test_a_proof_is_of_one_subject(host, spoiled):
    result = host.pamhost("-u", "alice", "-e", spoiled, "-c", "fork,putenv,setcred", answers=[host.token()])
    assert (result.authenticate, result.setcred, result.env) == ([SUCCESS], [PERM_DENIED], [])


def test_a_second_attempt_that_is_refused_takes_the_subject_away(host):
    result = host.pamhost("-u", "alice", "-c", "authenticate,authenticate,setcred",
                          answers=[host.token(), host.token(sub=tokens.ADMIN)])
    assert (result.authenticate, result.setcred, result.env) == ([SUCCESS, AUTH_ERR], [PERM_DENIED], [])


def test_a_proof_is_of_one_handle(host):
    result = host.pamhost("-u", "alice", "-c", "authenticate,carry,setcred", answers=[host.token()])
    assert (result.authenticate, result.setcred, result.env) == ([SUCCESS], [PERM_DENIED], [])


def test_a_proof_is_of_one_user(host):
    result = host.pamhost("-u", "alice", "-c", "fork,rename,setcred", answers=[host.token()])
    assert (result.authenticate, result.setcred, result.env) == ([SUCCESS], [PERM_DENIED], [])


def test_a_wrong_option_of_the_session_line_is_an_error(host):
    host.stack("pamtester", "auth required @MODULE@\nsession required @MODULE@ nonsense\n")
    result = host.pamhost("-u", "alice", "-c", "authenticate,open", answers=[host.token()])
    assert result.open == ["9"] and host.reasons() == ["ok", "option_invalid"]


@pytest.mark.parametrize("way", ["token", "password"])
def test_the_callers_subject_does_not_stay_in_a_session_of_su(host, way):
    """su keeps the environment of its caller, in which PAM cannot unset: an empty variable stands there then."""
    with host.terminal("env", FORGED, "su", "alice", "-c", 'echo "<$LATCHKEY_SUBJECT> <$LATCHKEY_PROOF>"',
                       user="bob") as terminal:
        terminal.expect("Access token: ")
        terminal.type(host.token() if way == "token" else PASSWORDS["alice"])
        status, output = terminal.wait()
    assert status == 0 and f"<{tokens.ALICE if way == 'token' else ''}> <>" in output, output


def test_roots_subject_does_not_stay_in_a_session_of_su(host):
    done = run("env", FORGED, "su", "alice", "-c", 'echo "<$LATCHKEY_SUBJECT>"', check=False)
    assert done.stdout == "<>\n", done.stderr


def test_a_session_of_su_without_such_a_variable_gets_none(host):
    done = run("su", "alice", "-c", "env", check=False)
    assert "LATCHKEY" not in done.stdout and "HOME=" in done.stdout


@pytest.mark.parametrize("way", ["token", "password", "public key"])
def test_the_persons_own_pam_environment_names_no_subject(host, way):
    file = PRIVATE / "home" / "alice" / ".pam_environment"
    file.write_text("LATCHKEY_SUBJECT DEFAULT=forged\nANOTHER DEFAULT=seen\n")
    try:
        how = {"token": {"token": host.token()}, "public key": {"public_key": True},
               "password": {"typed": "", "password": PASSWORDS["alice"]}}[way]
        done = host.ssh("alice", command="env", **how)
    finally:
        file.unlink()
    assert done.returncode == 0 and "ANOTHER=seen\n" in done.stdout, done.stdout + done.stderr
    assert re.findall("^LATCHKEY.*$", done.stdout, re.M) == [f"LATCHKEY_SUBJECT={tokens.ALICE}"] * (way == "token")
