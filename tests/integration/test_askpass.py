"""latchkey askpass: which questions get the token, and which part of it."""
import pytest

import tokens
from host import ASKPASS, PRIVATE, run

TOKEN = "eyJ" + "".join(chr(ord("a") + i % 26) for i in range(1500))


def ask(host, question, prompt=None, kind=None, hosts=None):
    env = {"LATCHKEY_TOKEN_FILE": str(host.token_file(TOKEN))}
    if prompt is not None:
        env["LATCHKEY_PROMPT"] = prompt
    if kind is not None:
        env["SSH_ASKPASS_PROMPT"] = kind
    if hosts is not None:
        env["LATCHKEY_HOSTS"] = hosts
    return run(ASKPASS, question, env=env, check=False)


def expect_part(done, offset):
    assert (done.returncode, done.stdout) == (0, TOKEN[offset:offset + 511] + "\n"), done.stderr


def expect_nothing(done):
    assert (done.returncode, done.stdout) == (1, "") and "the prompt does not ask for a token" in done.stderr


@pytest.mark.parametrize("question, offset", [
    ("Access token: ", 0),
    ("Access token:", 0),
    ("(alice@host) Access token: ", 0),
    ("(alice@2001:db8::7) Access token: ", 0),
    ("(alice@corp.example@host) Access token: ", 0),
    ("Access token (continued, 511 so far): ", 511),
    ("(alice@host) Access token (continued, 1022 so far): ", 1022),
    ("Access token (continued, 1 so far): ", 1),
    ("Access token (at most 511 bytes at once): ", 0),
    ("[sudo: authenticate] Access token: ", 0),
    ("[sudo: authenticate] Access token (at most 511 bytes at once): ", 0),
    ("[sudo: authenticate] Access token (continued, 511 so far): ", 511),
    ("[su: authenticate] Access token: ", 0),
    ("(alice@host) Welcome to this host.\nAccess token: ", 0),
    ("(alice@host) Token not accepted.\nAccess token: ", 0),
    ("(alice@host) \n\n\nAccess token: ", 0),
    ("(alice@host) One\r\ntwo\r\nAccess token (continued, 1022 so far): ", 1022),
    ("(alice@host) Password: \nAccess token (continued, 511 so far): ", 511),
    ("(alice@host) Access token: \nAccess token (continued, 511 so far): ", 511),
    ("Welcome to this host.\nAccess token: ", 0),
])
def test_the_modules_own_question_gets_its_part(host, question, offset):
    expect_part(ask(host, question), offset)


@pytest.mark.parametrize("question", [
    "",
    "(",
    "()",
    "(a@b)",
    "Password: ",
    "Access token",
    "Access token ",
    "Access token:  ",
    "Access token: \n",
    "Access token? ",
    " Access token: ",
    "access token: ",
    "Access tokens: ",
    "Password for 'http://x-access-token@host': ",
    "Password for 'https://Access token: @host': ",
    "Username for 'https://token.example.com': ",
    "Enter passphrase for key '/home/alice/.ssh/deploy_token_key': ",
    "Enter passphrase for key 'Access token: ': ",
    "alice@token.example.com's password: ",
    "Enter PIN for authenticator token: ",
    "Are you sure you want to continue connecting to 'token.example.com' (yes/no/[fingerprint])? ",
    "(alice@host) Password: ",
    "(alice@host) (bob@host) Access token: ",
    "(alice@host)Access token: ",
    "(alice) Access token: ",
    "(@host) Access token: ",
    "(alice@) Access token: ",
    "(al ice@host) Access token: ",
    "(al(ice@host) Access token: ",
    "[alice@host] Access token: ",
    "Access token (continued, 511 so far):",
    "Access token (continued, 511 so far): x",
    "Access token (continued, 511 so far) : ",
    "Access token (continued,  511 so far): ",
    "Access token (continued, +511 so far): ",
    "Access token (continued, -1 so far): ",
    "Access token (continued, 0 so far): ",
    "Access token (continued, 0511 so far): ",
    "Access token (continued, 100000 so far): ",
    "Access token (continued, 18446744073709551617 so far): ",
    "Access token (continued, so far): ",
    "Access token (continued, 511 so far) (continued, 1022 so far): ",
    "Password (continued, 511 so far): ",
    "Access token (at most 511 bytes at once) (continued, 511 so far)",
    "Access token (at most 512 bytes at once): ",
    "[sudo: authenticate]Access token: ",
    "[sudo: authenticate] [sudo: authenticate] Access token: ",
    "[sudo: login] Access token: ",
    "(alice@host) [sudo: authenticate] Access token: ",
    "(alice@host) Access token: \nPassword: ",
    "(alice@host) Access token: \n",
    "(alice@host) Access token: \r",
    "(alice@host) Hello.\rAccess token: ",
    "(alice@host) Hello.\nAccess token: trust me",
    "(alice@host) Hello.\n Access token: ",
    "(alice@host) Hello.\n(alice@host) Access token: ",
    "(alice@evil) Hello.\n[sudo: authenticate] Access token: ",
    "(al ice@host) Hello.\nAccess token: ",
    "(Hello.\nAccess token: ",
    "Enter passphrase for key '/tmp/x\nAccess token: ': ",
])
def test_any_other_question_gets_nothing(host, question):
    expect_nothing(ask(host, question))


@pytest.mark.parametrize("prompt", ["Your 1st (corp) pass: ", "Your 1st (corp) pass:", "Your 1st (corp) pass"])
def test_the_administrators_prompt_is_answered_instead_of_the_usual_one(host, prompt):
    expect_part(ask(host, "Your 1st (corp) pass: ", prompt), 0)
    expect_part(ask(host, "(alice@host) Your 1st (corp) pass (continued, 511 so far): ", prompt), 511)
    expect_nothing(ask(host, "Access token: ", prompt))
    expect_nothing(ask(host, "Enter passphrase for key 'Your 1st (corp) pass': ", prompt))


@pytest.mark.parametrize("prompt", ["", ": ", " "])
def test_an_administrators_prompt_without_a_word_is_none(host, prompt):
    expect_part(ask(host, "Access token: ", prompt), 0)
    expect_nothing(ask(host, ": ", prompt))


@pytest.mark.parametrize("kind", ["confirm", "none"])
def test_a_question_that_wants_no_secret_gets_none(host, kind):
    expect_nothing(ask(host, "Access token: ", kind=kind))


@pytest.mark.parametrize("hosts, asker", [
    ("host.example.com", "alice@host.example.com"),
    ("host.example.com", "alice@HOST.example.com"),
    ("one,two,three", "alice@one"),
    ("one,two,three", "alice@two"),
    ("one, two, three", "alice@three"),
    (" ,one,, ", "alice@one"),
    ("2001:db8::7", "alice@2001:db8::7"),
    ("host", "alice@corp.example@host"),
])
def test_a_host_that_is_named_gets_the_token(host, hosts, asker):
    expect_part(ask(host, f"({asker}) Access token: ", hosts=hosts), 0)
    expect_part(ask(host, f"({asker}) Access token (continued, 511 so far): ", hosts=hosts), 511)


@pytest.mark.parametrize("hosts, asker", [
    ("", "alice@host"),
    (",", "alice@host"),
    ("hos", "alice@host"),
    ("host", "alice@host.evil.example"),
    ("host", "alice@evil.example.host"),
    ("host", "host@evil.example"),
    ("host", "alice@host@evil.example"),
    ("one,two", "alice@one,two"),
    ("alice@host", "alice@host"),
    ("*", "alice@host"),
])
def test_a_host_that_is_not_named_gets_nothing(host, hosts, asker):
    for question in ("Access token: ", "Access token (continued, 511 so far): "):
        done = ask(host, f"({asker}) {question}", hosts=hosts)
        assert (done.returncode, done.stdout) == (1, "") and "is not in LATCHKEY_HOSTS" in done.stderr


@pytest.mark.parametrize("hosts", ["", "host"])
def test_what_no_host_asks_is_answered_whatever_the_hosts_are(host, hosts):
    """sudo, which says of no host that it asks."""
    expect_part(ask(host, "Access token: ", hosts=hosts), 0)
    expect_nothing(ask(host, "(alice@evil.example) (alice@host) Access token: ", hosts=hosts))


def test_ssh_says_which_host_asks(host):
    for hosts, status in (("elsewhere.example.com", 255), ("elsewhere.example.com,127.0.0.1", 0)):
        done = host.ssh("alice", host.token(), hosts=hosts)
        assert done.returncode == status, done.stderr
        assert ("127.0.0.1 is not in LATCHKEY_HOSTS" in done.stderr) == (status != 0)


def test_an_empty_line_says_that_everything_was_sent(host):
    expect_part(ask(host, f"Access token (continued, {len(TOKEN) - 1} so far): "), len(TOKEN) - 1)
    done = ask(host, f"Access token (continued, {len(TOKEN)} so far): ")
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr


@pytest.mark.parametrize("hosts, asked", [
    ("good", "(alice@evil) Hello.\nAccess token: "),
    ("good", "(alice@evil) Hello.\nAccess token (continued, 511 so far): "),
    ("good", "(alice@evil) (alice@good) Hello.\nAccess token: "),
    ("good", "(alice@evil) Hello.\n(alice@good) \nAccess token: "),
    ("", "(alice@good) Hello.\nAccess token: "),
])
def test_what_a_host_puts_before_its_question_does_not_change_who_asks(host, hosts, asked):
    done = ask(host, asked, hosts=hosts)
    assert (done.returncode, done.stdout) == (1, "") and "is not in LATCHKEY_HOSTS" in done.stderr


def test_a_host_that_is_named_gets_the_token_behind_other_texts(host):
    expect_part(ask(host, "(alice@good) (alice@evil)\nAccess token: ", hosts="good"), 0)


def test_several_lines_that_name_no_host_get_nothing_where_hosts_are_named(host):
    expect_nothing(ask(host, "Hello.\nAccess token: ", hosts="good"))


@pytest.mark.parametrize("asked, quoted", [
    ("Password: ", '"Password: "'),
    ("(alice@host) Your\tpass\x1b[2J: ", '"(alice@host) Your?pass?[2J: "'),
    ("(alice@host) One\nPassword: ", '"(alice@host) One?Password: "'),
])
def test_a_refusal_quotes_what_was_asked(host, asked, quoted):
    assert quoted in ask(host, asked).stderr


def test_a_refusal_of_a_long_question_is_short(host):
    assert len(ask(host, "x" * 5000).stderr) < 700


TALKERS = {
    "pam_echo": "auth optional pam_echo.so Welcome to this host, %u. Access token: none\n",
    "pam_echo of a file": "auth optional pam_echo.so file={file}\n",
    "pam_exec": "auth optional pam_exec.so stdout {script}\n",
    "pam_warn": "auth optional pam_warn.so\n",
}


@pytest.mark.parametrize("line", TALKERS.values(), ids=TALKERS.keys())
def test_over_ssh_a_module_that_talks_keeps_nobody_out(host, line):
    """sshd puts before the question what the module says, a part of the token later nothing."""
    file = PRIVATE / "talk"
    file.write_text("One line,\nand (bob@elsewhere) another.\n")
    line = line.format(file=file, script=host.script("talk.sh", "echo It is; echo that time."))
    path = host.example_stack("sshd")
    path.write_text(line + path.read_text())
    done = host.ssh("alice", host.token(), hosts="127.0.0.1")
    assert (done.returncode, done.stdout) == (0, "alice\n"), done.stderr
    assert host.ssh("alice", host.token(), hosts="elsewhere").returncode == 255


def test_over_ssh_a_module_that_talks_between_the_parts_keeps_nobody_out(host):
    """The module's own line, then another one of ours: its refusal stands before the second one's question."""
    other = host.write("other.conf", (host.etc / "latchkey.conf").read_text().replace(tokens.ALICE, tokens.ADMIN))
    host.stack("sshd", "auth optional pam_echo.so Hello.\n"
                       f"auth sufficient @MODULE@ config={other}\nauth optional pam_echo.so Now the other one.\n"
                       "auth sufficient @MODULE@ try_first_pass\nauth required pam_deny.so\n"
                       "account required pam_permit.so\nsession required pam_permit.so\n")
    done = host.ssh("alice", host.token(), hosts="127.0.0.1")
    assert (done.returncode, done.stdout) == (0, "alice\n"), done.stderr
    assert host.reasons() == ["user_unmapped", "ok"]


def test_behind_the_end_of_the_token_there_is_nothing(host):
    done = ask(host, f"Access token (continued, {len(TOKEN) + 1} so far): ")
    assert (done.returncode, done.stdout) == (1, "") and "the token ends" in done.stderr


@pytest.mark.parametrize("content, what", [
    ("", "holds nothing"), ("   ", "nothing but blanks"), (f"Bearer {TOKEN}", "an authorization header"),
    ('{"access_token": "%s"}' % TOKEN, "a JSON text"), (f'"{TOKEN}"', "quotes around the token"),
    (f"{TOKEN}\n", "more than one line end"), (f" {TOKEN}", "blanks"), (f"TOKEN={TOKEN}", "other text around")],
    ids=["nothing", "blanks", "header", "JSON", "quotes", "line end", "blank", "assignment"])
def test_a_file_that_holds_something_else_is_not_sent(host, content, what):
    file = host.token_file(content)  # and a line end
    done = run(ASKPASS, "Access token: ", env={"LATCHKEY_TOKEN_FILE": str(file)}, check=False)
    assert (done.returncode, done.stdout) == (1, "") and what in done.stderr, done.stderr


def test_a_token_file_that_others_may_read_is_refused(host):
    file = host.token_file(TOKEN)
    file.chmod(0o644)
    done = run(ASKPASS, "Access token: ", env={"LATCHKEY_TOKEN_FILE": str(file)}, check=False)
    assert done.returncode == 3 and done.stdout == "" and "readable" in done.stderr
