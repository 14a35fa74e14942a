"""latchkey askpass: which questions get the token, and which part of it."""
import pytest

from host import ASKPASS, run

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
    assert (done.returncode, done.stdout) == (1, "") and "this is no question for a token" in done.stderr


@pytest.mark.parametrize("question, offset", [
    ("Access token: ", 0),
    ("Access token:", 0),
    ("(alice@host) Access token: ", 0),
    ("(alice@2001:db8::7) Access token: ", 0),
    ("(alice@corp.example@host) Access token: ", 0),
    ("Access token (continued, 511 so far): ", 511),
    ("(alice@host) Access token (continued, 1022 so far): ", 1022),
    ("Access token (continued, 1 so far): ", 1),
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
        assert (done.returncode, done.stdout) == (1, "") and "is none of LATCHKEY_HOSTS" in done.stderr


@pytest.mark.parametrize("hosts", ["", "host"])
def test_what_no_host_asks_is_answered_whatever_the_hosts_are(host, hosts):
    """sudo, which says of no host that it asks."""
    expect_part(ask(host, "Access token: ", hosts=hosts), 0)
    expect_nothing(ask(host, "(alice@evil.example) (alice@host) Access token: ", hosts=hosts))


def test_ssh_says_which_host_asks(host):
    for hosts, status in (("elsewhere.example.com", 255), ("elsewhere.example.com,127.0.0.1", 0)):
        done = host.ssh("alice", host.token(), hosts=hosts)
        assert done.returncode == status, done.stderr
        assert ("127.0.0.1 is none of LATCHKEY_HOSTS" in done.stderr) == (status != 0)


def test_behind_the_end_of_the_token_there_is_nothing(host):
    done = ask(host, f"Access token (continued, {len(TOKEN)} so far): ")
    assert (done.returncode, done.stdout) == (1, "") and "the token ends" in done.stderr


def test_a_token_file_that_others_may_read_is_refused(host):
    file = host.token_file(TOKEN)
    file.chmod(0o644)
    done = run(ASKPASS, "Access token: ", env={"LATCHKEY_TOKEN_FILE": str(file)}, check=False)
    assert done.returncode == 3 and done.stdout == "" and "readable" in done.stderr
