"""People log in: ssh, sudo, su and pamtester, with the example stacks as they are."""
import re

import pytest

import tokens
from host import Sshd, run


def accepted(host, user, service):
    """The one log line of a login that was accepted by a token."""
    [verdict] = host.verdicts()
    assert verdict["verdict"] == "accept" and verdict["reason"] == "ok"
    assert (verdict["user"], verdict["service"], verdict["credential"]) == (user, service, "jwt")
    return verdict


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_a_token_logs_in_through_ssh(host, alg):
    done = host.ssh("alice", host.token(alg))
    assert (done.returncode, done.stdout) == (0, "alice\n"), done.stderr
    verdict = accepted(host, "alice", "sshd")
    assert verdict["rhost"] == "127.0.0.1"
    assert (verdict["sub"], verdict["tenant"], verdict["kid"]) == (tokens.ALICE, tokens.TENANT, f"key-{alg}")


def test_a_token_runs_a_command_through_sudo(host):
    done = host.sudo("alice", host.token())
    assert (done.returncode, done.stdout) == (0, "root\n"), done.stderr
    accepted(host, "alice", "sudo")


def test_a_service_account_logs_in_with_its_own_token(host):
    done = host.ssh("svc-backup", host.token(sub=tokens.BACKUP))
    assert (done.returncode, done.stdout) == (0, "svc-backup\n"), done.stderr


def test_a_pattern_over_a_claim_names_the_user(host):
    done = host.ssh("bob", host.token(sub=tokens.BOB, email="bob@example.com"))
    assert (done.returncode, done.stdout) == (0, "bob\n"), done.stderr
    assert accepted(host, "bob", "sshd")["sub"] == tokens.BOB


def test_sudo_reads_the_parts_of_a_token_from_its_standard_input(host):
    token = host.token()
    lines = "".join(f"{token[i:i + 511]}\n" for i in range(0, len(token), 511))
    done = run(*host.as_user("alice"), "sudo", "-k", "-S", "id", "-un", input=lines, check=False)
    assert (done.returncode, done.stdout) == (0, "root\n"), done.stderr


def test_a_person_types_the_parts_of_a_token_for_sudo_at_a_terminal(host):
    token = host.token()
    with host.terminal("sudo", "-k", "id", "-un", user="alice") as terminal:
        terminal.type_token(token, 511)
        status, output = terminal.wait()
    assert status == 0 and re.search(r"^root\r?$", output, re.M), output


def test_su_takes_the_token_of_the_account_that_it_changes_to(host):
    status, output = host.su("alice", host.token())
    assert status == 0 and re.search(r"^alice\r?$", output, re.M), output
    accepted(host, "alice", "su")


def test_su_by_root_asks_for_nothing(host):
    done = run("su", "alice", "-c", "id -un")
    assert done.stdout == "alice\n" and host.verdicts() == []


def test_pamtester_authenticates_and_passes_the_account_phase(host):
    status, output = host.pamtester("alice", host.token())
    assert status == 0 and "successfully authenticated" in output, output


def test_the_only_auth_line_opens_a_session_of_sshd(host):
    """setcred runs in sshd's parent, which did not see authenticate; it must not answer PAM_IGNORE there."""
    host.stack("sshd", "auth required @MODULE@\naccount required @MODULE@\nsession required pam_permit.so\n")
    server = Sshd("AuthenticationMethods keyboard-interactive")
    try:
        done = host.ssh("alice", host.token(), sshd=server)
        assert (done.returncode, done.stdout) == (0, "alice\n"), done.stderr
        refused = host.ssh("alice", host.token(sub=tokens.BOB), sshd=server)
        assert refused.returncode == 255
    finally:
        server.stop()


def test_peer_a_rotation_of_keys_needs_no_restart_of_sshd(host):
    old, new = host.keys["RS256"], tokens.Key("RS256", "key-of-tomorrow")
    by_old, by_new = old.sign(tokens.claims()), new.sign(tokens.claims())
    assert host.ssh("alice", by_old).returncode == 0
    assert host.ssh("alice", by_new).returncode == 255
    host.write_keys(old, new)
    assert host.ssh("alice", by_old).returncode == 0
    assert host.ssh("alice", by_new).returncode == 0
    host.write_keys(new)
    assert host.ssh("alice", by_old).returncode == 255
    assert host.ssh("alice", by_new).returncode == 0
    assert [v["reason"] for v in host.verdicts()] == ["ok", "key_unknown", "ok", "ok", "key_unknown", "ok"]


def test_a_change_of_the_configuration_holds_from_the_next_login_on(host):
    assert host.ssh("alice", host.token()).returncode == 0
    host.write_config('service "sshd" { max_age = 60 }')
    assert host.ssh("alice", host.token(iat=tokens.claims()["iat"] - 3600)).returncode == 255
    assert host.reasons() == ["ok", "token_too_old"]


# Root

def test_rule_22_root_is_opened_by_an_explicit_block(host):
    host.write_config('user "root" { sub = {"%s"} }' % tokens.ADMIN)
    done = host.ssh("root", host.token(sub=tokens.ADMIN))
    assert (done.returncode, done.stdout) == (0, "root\n"), done.stderr


def test_rule_22_root_is_never_opened_by_a_pattern(host):
    done = host.ssh("root", host.token(sub=tokens.ADMIN, email="root@example.com"))
    assert done.returncode == 255 and "Token not accepted." in done.stderr
    assert host.reasons() == ["user_forbidden"]


# Long tokens: askpass answers with what any program takes, 511 bytes; who types may give ssh 1023 and su 4095

LENGTHS = [("ES256", 400), ("EdDSA", 400), ("HS256", 400), ("RS256", 900), ("RS256", 1500), ("RS256", 4000),
           ("RS256", 12000)]


def token_of_length(host, alg, length):
    claims = tokens.claims(jti=None, groups=None)
    if alg != "RS256":
        claims = tokens.short_claims(tokens.HMAC_ISSUER if alg == "HS256" else tokens.OIDC_ISSUER)
    token = host.keys[alg].sign_to_length(claims, length)
    assert len(token) == length
    return token


@pytest.mark.parametrize("alg, length", LENGTHS)
def test_ssh_brings_a_token_typed_in_parts_of_1023_bytes(host, alg, length):
    with host.ssh_terminal("alice") as terminal:
        terminal.type_token(token_of_length(host, alg, length), 1023)
        status, output = terminal.wait()
    assert status == 0 and re.search(r"^alice\r?$", output, re.M), output
    accepted(host, "alice", "sshd")


@pytest.mark.parametrize("alg, length", LENGTHS)
def test_ssh_brings_a_token_of_askpass_in_parts_of_511_bytes(host, alg, length):
    done = host.ssh("alice", token_of_length(host, alg, length))
    assert (done.returncode, done.stdout) == (0, "alice\n"), done.stderr
    accepted(host, "alice", "sshd")


@pytest.mark.parametrize("alg, length", LENGTHS)
def test_sudo_brings_a_token_in_parts_of_511_bytes(host, alg, length):
    done = host.sudo("alice", token_of_length(host, alg, length))
    assert (done.returncode, done.stdout) == (0, "root\n"), done.stderr
    accepted(host, "alice", "sudo")


@pytest.mark.parametrize("alg, length", LENGTHS)
def test_su_brings_a_token_in_parts_of_4095_bytes(host, alg, length):
    status, output = host.su("alice", token_of_length(host, alg, length))
    assert status == 0 and re.search(r"^alice\r?$", output, re.M), output
    accepted(host, "alice", "su")


@pytest.mark.parametrize("alg, length", LENGTHS)
def test_pamtester_brings_a_token_in_parts_of_4095_bytes(host, alg, length):
    status, output = host.pamtester("alice", token_of_length(host, alg, length))
    assert status == 0 and "successfully authenticated" in output, output
    accepted(host, "alice", "pamtester")


@pytest.mark.parametrize("length, prompts", [(511, 1), (512, 2), (1022, 2), (1023, 3)])
def test_a_token_that_just_fits_the_parts_of_askpass_is_asked_for_no_more_often(host, length, prompts):
    token = token_of_length(host, "ES256", length)
    done = host.ssh("alice", token, password="not asked for")  # so that the questions are recorded
    assert done.returncode == 0, done.stderr
    wanted = ["Access token: "] + [f"Access token (continued, {511 * n} so far): " for n in range(1, prompts)]
    assert [re.sub(r"^\(.*?\) ", "", prompt).strip() for prompt in host.prompts()] == [w.strip() for w in wanted]


def test_a_token_of_16_kib_is_taken_and_a_longer_one_is_too_long(host):
    assert host.ssh("alice", token_of_length(host, "RS256", 16384)).returncode == 0
    assert host.ssh("alice", token_of_length(host, "RS256", 16385)).returncode == 255
    assert host.reasons() == ["ok", "token_too_long"]
