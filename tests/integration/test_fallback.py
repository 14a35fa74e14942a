"""A broken Latchkey lets nobody in by token, and locks nobody out of a local password."""
import os

import pytest

import tokens
from host import PASSWORDS, run


def break_config(host):
    host.write("latchkey.conf", "tenant {{{ nonsense\n")


def unknown_option(host):
    path = host.write_config("")
    host.write("latchkey.conf", path.read_text() + "allow_everybody = true\n")


def lose(name):
    return lambda host: (host.etc / name).unlink()


def loosen(name):
    def change(host):
        path = host.etc / name
        if not path.exists():
            host.write(name, "")
        path.chmod(0o666)
    return change


def give_away(name):
    def change(host):
        os.chown(host.etc / name, 2002, 2002)
    return change


def replace(name, content):
    return lambda host: host.write(name, content)


def demand_list(host):
    host.write_config(f'revocation_list = "{host.etc}/shut-out"', other_tenants=False)


BREAKAGES = [
    ("a missing configuration", lose("latchkey.conf"), "config_invalid"),
    ("a configuration that everybody may write", loosen("latchkey.conf"), "config_invalid"),
    ("a configuration of another owner", give_away("latchkey.conf"), "config_invalid"),
    ("a broken configuration", break_config, "config_invalid"),
    ("an unknown option", unknown_option, "config_invalid"),
    ("an empty configuration", replace("latchkey.conf", ""), "config_invalid"),
    ("a missing key set", lose("keys.jwks"), "jwks_unavailable"),
    ("a key set that everybody may write", loosen("keys.jwks"), "jwks_unavailable"),
    ("a key set that is no JSON", replace("keys.jwks", '{"keys": ['), "jwks_invalid"),
    ("a key set that was withdrawn", replace("keys.jwks", '{"keys": []}'), "jwks_invalid"),
    ("a key set without a usable key", replace("keys.jwks", '{"keys": [{"kty": "oct"}]}'), "jwks_invalid"),
    ("a revocation list that everybody may write", loosen("revoked"), "revocation_unavailable"),
    ("a revocation list that is not understood", replace("revoked", "everybody\n"), "revocation_unavailable"),
    ("a revocation list that is configured and missing", demand_list, "revocation_unavailable"),
]


@pytest.mark.parametrize("breakage, reason", [row[1:] for row in BREAKAGES], ids=[row[0] for row in BREAKAGES])
def test_rule_30_and_32_with_it_no_token_logs_in_and_a_local_password_does(host, breakage, reason):
    host.write_config(other_tenants=False)
    token = host.token()
    assert host.ssh("alice", token).returncode == 0
    host.syslog.clear()
    breakage(host)
    assert host.ssh("alice", token).returncode == 255
    assert set(host.reasons()) == {reason}
    done = host.ssh("alice", typed="", password=PASSWORDS["alice"])
    assert (done.returncode, done.stdout) == (0, "alice\n"), done.stderr
    assert set(host.reasons()) == {reason}
    assert host.verify(token)["reason"] == reason


def test_a_repaired_configuration_works_again_without_a_restart(host):
    token = host.token()
    break_config(host)
    assert host.ssh("alice", token).returncode == 255
    host.write_config()
    assert host.ssh("alice", token).returncode == 0


def test_a_key_set_of_one_tenant_that_is_gone_leaves_the_other_tenant_alone(host):
    (host.etc / "keys.jwks").unlink()
    mine = host.keys["HS256"].sign(tokens.short_claims(tokens.HMAC_ISSUER))
    assert host.ssh("alice", mine).returncode == 0
    assert host.ssh("alice", host.token()).returncode == 255
    assert host.ssh("alice", typed="", password=PASSWORDS["alice"]).returncode == 0
    assert host.reasons() == ["ok", "jwks_unavailable", "credential_absent"]


def test_a_loose_hmac_secret_verifies_nothing(host):
    mine = host.keys["HS256"].sign(tokens.short_claims(tokens.HMAC_ISSUER))
    (host.etc / "hmac.key").chmod(0o644)
    assert host.ssh("alice", mine).returncode == 255
    assert host.reasons()[0] == "jwks_unavailable"


def test_a_module_that_cannot_be_loaded_locks_nobody_out(host):
    host.example_stack("sshd", module="/nonexistent/pam_latchkey.so")
    done = host.ssh("alice", password=PASSWORDS["alice"])
    assert (done.returncode, done.stdout) == (0, "alice\n"), done.stderr
    assert host.ssh("alice", password="wrong").returncode == 255
    assert host.ssh("alice", host.token()).returncode == 255


def su_with_password(host, caller, *limits):
    command = "; ".join([*limits, "exec su alice -c 'id -un'"])
    return run(*host.as_user(caller), "/bin/sh", "-c", command, input=f"{PASSWORDS['alice']}\n", check=False)


def test_no_limit_of_a_caller_switches_the_revocation_list_off(host):
    """su keeps the limits of whoever runs it, and libpam does not load a module for which memory is short."""
    host.revoke(f"sub {tokens.ALICE}")
    for limit in (6000, 7000, 8000, 8500, 9000, 9068, 9500, 10000, 12000):
        done = su_with_password(host, "bob", f"ulimit -Sv {limit}")
        assert "alice" not in done.stdout, limit


def test_root_needs_no_module_in_su(host):
    host.example_stack("su", module="/nonexistent/pam_latchkey.so")
    assert run("su", "alice", "-c", "id -un").stdout == "alice\n"


@pytest.mark.parametrize("client", ["ssh", "sudo"])
def test_a_local_password_typed_at_the_token_prompt_is_asked_for_once(host, client):
    done = getattr(host, client)("alice", typed=PASSWORDS["alice"])
    assert done.returncode == 0, done.stderr
    owner = "root" if client == "ssh" else "alice"
    assert len(host.prompts(owner)) == 1
    assert host.reasons() == ["credential_not_allowed"]


@pytest.mark.parametrize("password", ["correct.horse.battery", "correct.horse.battery.staple", "a.b.c"])
def test_a_local_password_of_dotted_words_is_no_token(host, password):
    host.set_password("alice", password)
    try:
        done = host.ssh("alice", typed=password)
        assert (done.returncode, done.stdout) == (0, "alice\n"), done.stderr
        assert len(host.prompts()) == 1 and host.reasons() == ["credential_not_allowed"]
        assert host.ssh("alice", typed="", password=password).returncode == 0
    finally:
        host.set_password("alice", PASSWORDS["alice"])


def test_a_wrong_local_password_typed_at_the_token_prompt_is_refused(host):
    assert host.ssh("alice", typed="not the password").returncode == 255


@pytest.mark.parametrize("client", ["ssh", "sudo"])
def test_an_empty_answer_goes_on_to_the_local_password(host, client):
    done = getattr(host, client)("alice", typed="", password=PASSWORDS["alice"])
    assert done.returncode == 0, done.stderr
    owner = "root" if client == "ssh" else "alice"
    assert [p for p in host.prompts(owner) if "assword" in p] and len(host.prompts(owner)) == 2
    assert host.reasons() == ["credential_absent"]


def test_a_refused_token_is_not_followed_by_a_question_for_a_password(host):
    done = host.ssh("alice", host.token(sub=tokens.ADMIN), password=PASSWORDS["alice"])
    assert done.returncode == 255
    assert not [p for p in host.prompts() if "assword" in p]


def test_the_example_of_login_takes_a_token_and_a_local_password(host):
    text = (host.example_stack("login")).read_text()
    host.stack("pamtester", text.replace("pam_faildelay.so delay=3000000", "pam_permit.so"))
    good = host.pamhost("-u", "alice", "-c", "authenticate,account,setcred", answers=[host.token()])
    assert (good.authenticate, good.account, good.setcred) == (["0"], ["0"], ["0"])
    local = host.pamhost("-u", "alice", "-c", "authenticate,account,setcred", answers=[PASSWORDS["alice"]])
    assert (local.authenticate, local.account, local.setcred) == (["0"], ["0"], ["0"])
