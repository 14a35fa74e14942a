"""The module in a PAM application of our own: options, stacks, hostile conversations, resources."""
import signal
import time

import pytest

import tokens
from host import MODULE, PASSWORDS, PRIVATE

# security/_pam_types.h
SUCCESS, PERM_DENIED, AUTH_ERR, CRED_INSUFFICIENT, AUTHINFO_UNAVAIL, USER_UNKNOWN, CONV_ERR = (
    "0", "6", "7", "8", "9", "10", "19")

ONE_LINE = "auth required @MODULE@ {options}\naccount required @MODULE@ {options}\n"
FIRST_PASS = "auth optional pam_exec.so expose_authtok quiet /bin/true\n"


def with_options(host, options, before=""):
    host.stack("pamtester", before + ONE_LINE.format(options=options))


def test_an_unset_user_is_set_by_the_mapping(host):
    with_options(host, "")
    result = host.pamhost("-c", "authenticate,account,setcred", answers=[host.token()])
    assert (result.authenticate, result.account, result.setcred) == ([SUCCESS], [SUCCESS], [SUCCESS])
    assert result.user == ["alice"] and f"LATCHKEY_SUBJECT={tokens.ALICE}" in result.env


def test_rule_34_a_subject_puts_nothing_into_the_session_that_a_terminal_obeys(host):
    with_options(host, "")
    subject = "a\x9b31mb\u202ec"
    host.write_config(f'user "daemon" {{ sub = {{"{subject}"}} }}\n')
    result = host.pamhost("-c", "authenticate,account,setcred", answers=[host.token(sub=subject)])
    assert (result.authenticate, result.user) == ([SUCCESS], ["daemon"])
    assert [line for line in result.env if line.startswith("LATCHKEY_SUBJECT")] == ["LATCHKEY_SUBJECT=a??31mb???c"]


def test_an_unset_user_stays_unset_when_the_token_is_refused(host):
    with_options(host, "")
    result = host.pamhost(answers=[host.token(sub=tokens.ADMIN)])
    assert result.authenticate == [AUTH_ERR] and result.user == [""] and result.env == []


def test_the_log_line_names_the_remote_host(host):
    with_options(host, "")
    host.pamhost("-u", "alice", "-r", "2001:db8::7", answers=[host.token()])
    assert host.verdicts()[0]["rhost"] == "2001:db8::7"


def test_rule_34_a_remote_host_cannot_forge_a_log_line(host):
    with_options(host, "")
    host.pamhost("-u", "alice", "-r", 'x"\nlatchkey: verdict=accept', answers=["eyJ.eyJ.eyJ"])
    assert [v["verdict"] for v in host.verdicts()] == ["reject"]
    assert host.verdicts()[0]["rhost"] == 'x"?latchkey: verdict=accept'


# The reason table's PAM column, seen from outside

@pytest.mark.parametrize("change, code, reason", [
    ({}, SUCCESS, "ok"),
    ({"lifetime": -100}, AUTH_ERR, "token_expired"),
    ({"sub": tokens.ADMIN}, AUTH_ERR, "user_unmapped"),
    ({"jti": "revoked"}, PERM_DENIED, "token_revoked"),
    ({"sub": tokens.BOB, "email": "root@example.com"}, PERM_DENIED, "user_forbidden"),
    ({"sub": tokens.BOB, "email": "carol@example.com"}, USER_UNKNOWN, "user_unknown"),
])
def test_each_kind_of_refusal_has_its_return_code(host, change, code, reason):
    with_options(host, "")
    host.revoke("jti revoked")
    result = host.pamhost(answers=[host.token(**change)])
    assert (result.authenticate, host.reasons()) == ([code], [reason])


# Options

@pytest.mark.parametrize("options", ["nonsense", "Debug", "debug=1", "debug debug", "config=", "config=relative.conf",
                                     "service", "prompt=", "use_first_pass try_first_pass"])
def test_a_wrong_option_refuses_every_login(host, options):
    with_options(host, options)
    result = host.pamhost("-u", "alice", "-c", "authenticate,account", answers=[host.token()])
    assert (result.authenticate, result.account) == ([AUTHINFO_UNAVAIL], [AUTHINFO_UNAVAIL])
    assert result.prompt == [] and host.reasons() == ["option_invalid", "option_invalid"]


def test_use_first_pass_takes_what_an_earlier_module_asked_for(host):
    with_options(host, "use_first_pass", FIRST_PASS)
    result = host.pamhost("-u", "alice", answers=[host.token()])
    assert result.authenticate == [SUCCESS] and len(result.prompt) == 1 and "token" not in result.prompt[0]


def test_use_first_pass_never_asks(host):
    with_options(host, "use_first_pass")
    result = host.pamhost("-u", "alice", answers=[host.token()])
    assert result.authenticate == [CRED_INSUFFICIENT] and result.prompt == []
    assert host.reasons() == ["credential_absent"]


def test_use_first_pass_does_not_complete_a_part(host):
    with_options(host, "use_first_pass", FIRST_PASS)
    result = host.pamhost("-u", "alice", answers=[host.token()[:500], host.token()[500:]])
    assert result.authenticate == [AUTH_ERR] and len(result.prompt) == 1
    assert host.reasons() == ["token_malformed"]


def test_try_first_pass_asks_when_there_is_nothing(host):
    with_options(host, "try_first_pass")
    result = host.pamhost("-u", "alice", answers=[host.token()])
    assert (result.authenticate, result.prompt) == ([SUCCESS], ["Access token: "])


def test_try_first_pass_asks_when_there_is_a_password(host):
    with_options(host, "try_first_pass", FIRST_PASS)
    result = host.pamhost("-u", "alice", answers=["a password", host.token()])
    assert result.authenticate == [SUCCESS] and result.prompt[1:] == ["Access token: "]


def test_try_first_pass_completes_a_part(host):
    token = host.token()
    with_options(host, "try_first_pass", FIRST_PASS)
    result = host.pamhost("-u", "alice", answers=[token[:500], token[500:]])
    assert result.authenticate == [SUCCESS]
    assert result.prompt[1:] == ["Access token (continued, 500 so far): "]


def test_try_first_pass_does_not_ask_again_after_a_bad_token(host):
    with_options(host, "try_first_pass", FIRST_PASS)
    result = host.pamhost("-u", "alice", answers=[host.token(sub=tokens.ADMIN), host.token()])
    assert result.authenticate == [AUTH_ERR] and len(result.prompt) == 1


def test_without_an_option_an_earlier_password_is_not_looked_at(host):
    with_options(host, "", FIRST_PASS)
    result = host.pamhost("-u", "alice", answers=[host.token(), host.token()])
    assert result.authenticate == [SUCCESS] and len(result.prompt) == 2


def test_the_prompt_is_the_administrators_in_every_part(host):
    token = host.token()
    host.stack("pamtester", "auth required @MODULE@ [prompt=Your %s pass: ]\n")
    result = host.pamhost("-u", "alice", answers=[token[:500], token[500:]])
    assert result.authenticate == [SUCCESS]
    assert result.prompt == ["Your %s pass: ", "Your %s pass (continued, 500 so far): "]


def test_service_picks_the_rules(host):
    host.write_config('service "strict" { require_group = {"ops"} }')
    token = host.token(groups=[])
    with_options(host, "service=strict")
    assert host.pamhost("-u", "alice", answers=[token]).authenticate == [PERM_DENIED]
    with_options(host, "")
    assert host.pamhost("-u", "alice", answers=[token]).authenticate == [SUCCESS]
    assert [(v["service"], v["reason"]) for v in host.verdicts()] == [("strict", "group_missing"), ("pamtester", "ok")]


def test_pam_silent_tells_nothing(host):
    with_options(host, "")
    bad = host.token(sub=tokens.ADMIN)
    assert host.pamhost("-u", "alice", answers=[bad]).error == ["Token not accepted."]
    assert host.pamhost("-u", "alice", "-s", answers=[bad]).error == []


def test_a_line_end_of_the_answer_is_no_part_of_the_token(host):
    with_options(host, "")
    assert host.pamhost("-u", "alice", answers=[host.token() + "\r"]).authenticate == [SUCCESS]


def test_an_api_key_is_not_taken_where_only_tokens_are(host):
    with_options(host, "")
    result = host.pamhost("-u", "alice", answers=["ak_0123456789"])
    assert result.authenticate == [CRED_INSUFFICIENT] and host.reasons() == ["credential_not_allowed"]


# Stacked lines

TENANTS = """
tenant "{name}" {{ issuer = "https://{name}.example.org"  audience = {{"host"}}  tenant_claim = ""  keys = "{keys}" }}
user "alice" {{ sub = {{"{sub}"}} }}
revocation_list = "{etc}/{name}.revoked"
"""


@pytest.fixture
def two_lines(host):
    """Two lines of one stack that differ in config=, each with a tenant, a key and a list of its own."""
    for name in ("north", "south"):
        key = tokens.Key("ES256", f"key-{name}")
        host.keys[name] = key
        keys = host.write(f"{name}.jwks", tokens.key_set(key))
        host.write(f"{name}.revoked", "")
        host.write(f"{name}.conf", TENANTS.format(name=name, keys=keys, sub=f"alice-of-{name}", etc=host.etc))
    lines = [f"@MODULE@ try_first_pass config={host.etc}/{name}.conf" for name in ("north", "south")]
    host.stack("pamtester", f"auth [success=1 default=ignore] {lines[0]}\nauth requisite {lines[1]}\n"
                            "auth required pam_permit.so\n"
                            f"account required {lines[0]}\naccount required {lines[1]}\n")
    yield host
    for name in ("north", "south"):
        del host.keys[name]


def regional_token(host, name):
    claims = tokens.short_claims(f"https://{name}.example.org", f"alice-of-{name}")
    return host.keys[name].sign(claims)


def test_peer_stacked_lines_do_not_share_a_configuration(two_lines):
    north, south = regional_token(two_lines, "north"), regional_token(two_lines, "south")
    by_first = two_lines.pamhost("-u", "alice", "-c", "authenticate,account", answers=[north])
    assert (by_first.authenticate, by_first.account) == ([SUCCESS], [SUCCESS])
    by_second = two_lines.pamhost("-u", "alice", "-c", "authenticate,account", answers=[south, south])
    assert (by_second.authenticate, by_second.account) == ([SUCCESS], [SUCCESS])
    assert two_lines.reasons()[0] == "ok" and two_lines.reasons()[2] == "ok"
    assert two_lines.reasons()[1] in ("key_unknown", "issuer_untrusted")


def test_each_line_keeps_its_own_revocation_list(two_lines):
    two_lines.write("south.revoked", "kid key-south\nkid key-north\n")
    north, south = regional_token(two_lines, "north"), regional_token(two_lines, "south")
    assert two_lines.pamhost("-u", "alice", answers=[north]).authenticate == [SUCCESS]
    assert two_lines.pamhost("-u", "alice", answers=[south, south]).authenticate == [PERM_DENIED]


# Hostile conversations

def test_a_conversation_without_a_reply_is_no_credential(host):
    with_options(host, "")
    result = host.pamhost("-u", "alice", "-m", "null", answers=["x"])
    assert result.authenticate == [CRED_INSUFFICIENT] and host.reasons() == ["credential_absent"]


def test_a_reply_without_a_text_is_no_credential(host):
    with_options(host, "")
    result = host.pamhost("-u", "alice", "-m", "empty", answers=["x"])
    assert result.authenticate == [CRED_INSUFFICIENT] and host.reasons() == ["credential_absent"]


def test_a_conversation_that_fails_is_refused(host):
    with_options(host, "")
    result = host.pamhost("-u", "alice", "-m", "refuse", answers=["x"])
    assert result.authenticate == [CONV_ERR] and host.reasons() == ["conversation_failed"]


def test_a_conversation_that_fails_between_the_parts_is_refused(host):
    with_options(host, "")
    result = host.pamhost("-u", "alice", answers=[host.token()[:300]])
    assert result.authenticate == [CONV_ERR] and len(result.prompt) == 2
    assert host.reasons() == ["conversation_failed"]


def test_an_empty_answer_ends_the_parts(host):
    with_options(host, "")
    result = host.pamhost("-u", "alice", answers=[host.token()[:300], "", host.token()[300:]])
    assert result.authenticate == [AUTH_ERR] and len(result.prompt) == 2
    assert host.reasons() == ["token_malformed"]


def test_parts_of_one_byte_do_not_go_on_for_ever(host):
    with_options(host, "")
    result = host.pamhost("-u", "alice", "-m", "drip", answers=["eyJhbGciOiJSUzI1NiJ9"])
    assert result.authenticate == [AUTH_ERR] and len(result.prompt) == 64
    assert host.reasons() == ["token_malformed"]


def test_full_parts_do_not_go_on_for_ever(host):
    with_options(host, "")
    result = host.pamhost("-u", "alice", answers=["eyJ" + "A" * 4092] + [letter * 4095 for letter in "BCDE"])
    assert result.authenticate == [AUTH_ERR] and len(result.prompt) == 5
    assert host.reasons() == ["token_too_long"]


@pytest.mark.parametrize("start", ["", "eyJ", "eyJhbGciOiJSUzI1NiJ9.", "."])
def test_a_reply_of_a_mebibyte_is_too_long(host, start):
    with_options(host, "")
    result = host.pamhost("-u", "alice", answers=[start + "A" * (1 << 20)])
    assert result.authenticate == [AUTH_ERR] and len(result.prompt) == 1
    assert host.reasons() == ["token_too_long"]


def test_an_empty_answer_is_no_credential(host):
    with_options(host, "")
    result = host.pamhost("-u", "alice", answers=[""])
    assert result.authenticate == [CRED_INSUFFICIENT] and host.reasons() == ["credential_absent"]


# A conversation in which something happens

def test_rule_19_a_revocation_written_while_the_prompt_waits_refuses(host):
    with_options(host, "")
    script = host.script("revoke", f"echo 'jti this-one' >{host.etc}/revoked")
    result = host.pamhost("-u", "alice", "-m", "wait", "-x", script, answers=[host.token(jti="this-one")])
    assert (result.authenticate, host.reasons()) == ([PERM_DENIED], ["token_revoked"])


@pytest.mark.parametrize("before, after", [("alice", "bob"), ("bob", "alice")])
def test_rule_23_a_conversation_that_changes_the_user_is_refused(host, before, after):
    with_options(host, "")
    result = host.pamhost("-u", before, "-U", after, "-c", "authenticate,account", answers=[host.token()],
                          under=["valgrind", "-q", "--error-exitcode=99"])
    assert result.authenticate == [AUTH_ERR] and result.account != [SUCCESS] and result.env == []
    assert host.reasons() == ["user_mismatch"]


# A second attempt with one handle

def test_a_second_attempt_that_is_refused_leaves_nothing_of_the_first(host):
    with_options(host, "")
    result = host.pamhost("-u", "alice", "-c", "authenticate,authenticate,account,setcred",
                          answers=[host.token(), host.token(sub=tokens.ADMIN)])
    assert result.authenticate == [SUCCESS, AUTH_ERR] and result.env == []
    assert result.account != [SUCCESS] and result.setcred != [SUCCESS]


def test_a_second_attempt_that_cannot_be_judged_leaves_nothing_of_the_first(host):
    """The configuration breaks before the second attempt and is whole again when the account is asked for."""
    with_options(host, "")
    script = host.script("toggle", f"cd {host.etc} && if [ -e away ]; then mv away latchkey.conf; "
                                   "else mv latchkey.conf away; fi")
    result = host.pamhost("-u", "alice", "-x", script, "-c", "authenticate,run,authenticate,run,account,setcred",
                          answers=[host.token(), host.token()])
    assert result.authenticate == [SUCCESS, AUTHINFO_UNAVAIL] and result.env == []
    assert result.account != [SUCCESS] and result.setcred != [SUCCESS]


# PAM_DISALLOW_NULL_AUTHTOK

def test_rule_35_with_pam_disallow_null_authtok_a_token_opens_and_nothing_does_not(host):
    with_options(host, "")
    assert host.pamhost("-d", "-u", "alice", answers=[host.token()]).authenticate == [SUCCESS]
    assert host.pamhost("-d", "-u", "alice", answers=[""]).authenticate == [CRED_INSUFFICIENT]


def test_rule_35_an_empty_local_password_opens_only_without_pam_disallow_null_authtok(host):
    host.set_password("alice", "")
    try:
        assert host.pamhost("-u", "alice", answers=["", ""]).authenticate == [SUCCESS]
        assert host.pamhost("-d", "-u", "alice", answers=["", ""]).authenticate != [SUCCESS]
    finally:
        host.set_password("alice", PASSWORDS["alice"])


# Resources

@pytest.mark.parametrize("kind, code", [("good", SUCCESS), ("refused", AUTH_ERR), ("none", CRED_INSUFFICIENT)])
def test_rule_31_two_thousand_logins_of_one_process_leak_nothing(host, kind, code):
    """Each cycle loads the module and unloads it. 64 bytes a login would be 128,000."""
    with_options(host, "")
    answer = {"good": host.token(), "refused": host.token(sub=tokens.ADMIN), "none": ""}[kind]
    result = host.pamhost("-u", "alice", "-n", "2500", "-w", "500", "-c", "authenticate,account,setcred",
                          answers=[answer])
    assert result.authenticate == [code] * 2500
    assert result.warm_descriptors == result.end_descriptors
    assert int(result.end_heap[0]) - int(result.warm_heap[0]) < 65536


def test_a_changed_configuration_between_logins_of_one_process_leaks_no_descriptor(host):
    with_options(host, "")
    script = PRIVATE / "touch"
    script.write_text(f"#!/bin/sh\ncd {host.etc} && cp keys.jwks .new && mv .new keys.jwks\n")
    script.chmod(0o755)
    host.stack("pamtester", f"auth required pam_exec.so {script}\nauth required @MODULE@\n")
    result = host.pamhost("-u", "alice", "-n", "60", answers=[host.token()])
    assert result.authenticate == [SUCCESS] * 60
    assert result.warm_descriptors == result.end_descriptors
    assert int(result.end_heap[0]) - int(result.warm_heap[0]) < 65536


def test_a_login_opens_no_network_socket(host):
    trace = PRIVATE / "trace"
    with host.terminal("strace", "-f", "-e", "trace=socket,connect,openat", "-o", trace, "pamtester", "pamtester",
                       "alice", "authenticate", "acct_mgmt") as terminal:
        terminal.type_token(host.token(), 4095)
        status, output = terminal.wait()
    assert status == 0, output
    text = trace.read_text()
    assert "latchkey.conf" in text and "socket(AF_UNIX" in text  # it did see the module at work
    assert "AF_INET" not in text


@pytest.mark.parametrize("scheme", ["https", "file"])
def test_rule_11_nothing_in_a_header_causes_a_network_request_or_opens_a_file(host, scheme):
    trace = PRIVATE / "trace"
    url = "https://127.0.0.1:1"
    if scheme == "file":
        url = f"file://{PRIVATE}"
    for name in ("followed-keys", "followed-chain"):
        (PRIVATE / name).write_text(tokens.key_set(host.keys["ES256"]))
    header = {"jku": f"{url}/followed-keys", "x5u": f"{url}/followed-chain", "jwk": host.keys["ES256"].jwk()}
    token = host.keys["ES256"].sign(tokens.claims(), header)
    with host.terminal("strace", "-f", "-e", "trace=network,file", "-o", trace, "pamtester", "pamtester", "alice",
                       "authenticate") as terminal:
        terminal.type_token(token, 4095)
        status, output = terminal.wait()
    assert status == 0 and host.reasons() == ["ok"], output
    text = trace.read_text()
    assert MODULE.name in text and "keys.jwks" in text and "socket(AF_UNIX" in text  # it did see the module at work
    assert "AF_INET" not in text and "followed" not in text


def test_a_login_leaves_the_hosts_process_as_it_was(host):
    """umask, dispositions of signals, environment, locale, ids, directory, threads."""
    with_options(host, "")
    for answer, code in ((host.token(), SUCCESS), (host.token(sub=tokens.ADMIN), AUTH_ERR), ("", CRED_INSUFFICIENT)):
        result = host.pamhost("-i", "-u", "alice", "-c", "authenticate,account,setcred", answers=[answer])
        assert result.authenticate == [code]
        assert "Umask:\t0123" in result.begin_process and "Threads:\t1" in result.begin_process
        [ignored] = [line for line in result.begin_process if line.startswith("SigIgn:")]
        assert int(ignored.split()[1], 16) >> (signal.SIGCHLD - 1) & 1
        assert result.begin_process == result.end_process


# Secrets

def test_peer_nothing_of_a_token_is_logged(host):
    """No 20 bytes of it: accepted, refused or broken, with debug, also by sshd's own debug lines."""
    for service in ("sshd", "sudo", "pamtester"):
        path = host.example_stack("sudo" if service == "pamtester" else service, service=service)
        path.write_text(path.read_text().replace("pam_latchkey.so", "pam_latchkey.so debug"))
    good, expired = host.token(), host.token(lifetime=-300)
    forged = tokens.Key("RS256", "key-RS256").sign(tokens.claims())
    used = [good, expired, forged, good[:-40], good[:200] + "!" + good[201:], "." + good, good.replace(".", ",")]
    for token in used:
        host.ssh("alice", token)
        host.pamhost("-u", "alice", answers=[token, ""])
    host.sudo("alice", good)
    host.sudo("alice", forged)
    assert len(host.verdicts()) >= 2 * len(used)
    text = "\n".join(host.log_lines())
    for token in used:
        assert not [token[i:i + 20] for i in range(len(token) - 19) if token[i:i + 20] in text]


def test_a_password_typed_at_the_token_prompt_is_not_logged(host):
    host.ssh("alice", typed="a long password that nobody should see")
    assert host.verdicts() and "nobody should see" not in "\n".join(host.log_lines())


def test_a_token_pasted_as_the_user_name_is_not_logged(host):
    with_options(host, "")
    token = host.token()
    host.pamhost("-u", token, "-c", "authenticate,account", answers=[token])
    assert host.verdicts()[0]["verdict"] == "reject"
    text = "\n".join(host.log_lines())
    assert not [token[i:i + 20] for i in range(len(token) - 19) if token[i:i + 20] in text]


def test_no_message_and_no_pam_variable_holds_the_token(host):
    with_options(host, "")
    token = host.token()
    result = host.pamhost("-u", "alice", "-c", "authenticate,account,setcred", answers=[token])
    assert token not in result.output and token.split(".")[2] not in result.output


# Time

def test_a_refusal_is_answered_at_once(host):
    with_options(host, "")
    start = time.monotonic()
    host.pamhost("-u", "alice", answers=[host.token(sub=tokens.ADMIN)])
    assert time.monotonic() - start < 5
