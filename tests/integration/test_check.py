"""`latchkey check`: its output, and its findings in the configuration, in the permissions and in the keys."""
import json
import os
import pwd
import subprocess

import pytest

from check_site import CERTIFICATE, EC_KEY, ED_KEY, LATCHKEY, RSA_KEY, WEAK_KEY, jwk, latchkeyd_block
from check_site import make_site, make_system  # fixtures


def test_a_sound_system_has_no_findings(system):
    assert system.check() == ([], 0)


def test_a_sound_set_up_has_no_findings(site):
    assert site.check() == ([], 0)
    assert site.run().stdout == "0 errors, 0 warnings\n"


# --- the configuration ---

@pytest.mark.parametrize("options, line, words", [
    ('  levee = 3\n', 5, "levee"),
    ('  leeway = 301\n', 5, "leeway"),
    ('  leeway = "x"\n', 5, "leeway"),
    ('  issuer = ""\n  audience = {}\n  tenant_claim = ""\n', 5, "issuer"),
])
def test_a_configuration_that_does_not_load_is_an_error_with_its_line(site, options, line, words):
    site.configure(options)
    site.expect("error", "latchkey.conf", line, words, status=2)


def test_a_missing_configuration_is_status_2(site):
    site.conf.unlink()
    site.expect("error", "latchkey.conf", None, "cannot be opened", status=2)


def test_a_loose_configuration_is_status_2(site):
    site.conf.chmod(0o664)
    site.expect("error", "latchkey.conf", None, "writable by group or others", status=2)


def test_the_text_output_names_file_and_line(site):
    site.configure('  levee = 3\n')
    result = site.run()
    assert result.returncode == 2
    assert result.stdout.splitlines()[0].startswith(f"error: {site.conf}:5: ")
    assert result.stdout.splitlines()[-1] == "1 errors, 0 warnings"


@pytest.mark.parametrize("arguments", [["--nonsense"], ["word"], ["--config"]])
def test_wrong_usage_is_status_2(site, arguments):
    result = site.run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr != ""


@pytest.mark.parametrize("options, line, words", [
    ('  issuer = ""\n', 5, "the issuer is not checked"),
    ('  audience = {}\n', 5, "the audience is not checked"),
    ('  leeway = 61\n', 5, "leeway = 61"),
])
def test_a_waived_check_is_a_warning(site, options, line, words):
    site.configure(options)
    site.expect("warning", "latchkey.conf", line, words)


def test_a_leeway_of_a_minute_is_not_large(site):
    site.configure("  leeway = 60\n")
    assert site.check() == ([], 0)


# --- permissions ---

@pytest.mark.parametrize("name", ["keys.json", "revoked"])
def test_a_loose_file_is_an_error(site, name):
    (site.root / name).chmod(0o666)
    found, status = site.check()
    assert status == 1
    assert [f[0] for f in found] == ["error"]
    assert "writable by group or others" in found[0][3]


@pytest.mark.parametrize("mode, is_error", [(0o755, False), (0o775, True), (0o757, True), (0o1777, False)])
def test_a_directory_above_is_loose_unless_sticky(site, mode, is_error):
    directory = site.root / "deeper"
    directory.mkdir()
    site.keys = site.keys.rename(directory / "keys.json")
    site.tenant = site.tenant.replace(f"{site.root}/keys.json", f"{directory}/keys.json")
    site.configure()
    directory.chmod(mode)
    found, status = site.check()
    assert status == is_error
    assert [(f[0], f[1]) for f in found] == ([("error", "deeper")] if is_error else [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize("owner, is_error", [("daemon", False), ("bin", True)])
def test_the_directory_of_key_sets_may_belong_to_latchkeyd_and_to_no_other_user(site, owner, is_error):
    directory = site.root / "keys"
    directory.mkdir()
    site.keys = site.keys.rename(directory / "keys.json")
    site.tenant = site.tenant.replace(f"{site.root}/keys.json", f"{directory}/keys.json")
    site.configure(blocks=site.blocks + latchkeyd_block(site))  # whose user is daemon
    os.chown(site.keys, pwd.getpwnam("daemon").pw_uid, -1)
    os.chown(directory, pwd.getpwnam(owner).pw_uid, -1)
    found, _ = site.check()
    assert [f[:2] for f in found] == ([("error", "keys")] if is_error else [])
    directory.chmod(0o775)
    site.expect("error", "keys", None, "is writable by group or others")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize("what", ["configuration", "revoked", "ca_file"])
def test_the_directory_of_another_file_may_not_belong_to_latchkeyd(site, what):
    directory = site.root / "deeper"
    directory.mkdir()
    if what == "ca_file":
        site.write(directory / "ca.pem", CERTIFICATE)
        site.configure(f'  ca_file = "{directory}/ca.pem"\n', blocks=site.blocks + latchkeyd_block(site))
    elif what == "revoked":
        site.revoked = site.revoked.rename(directory / "revoked")
        site.configure(blocks=site.blocks + latchkeyd_block(site))
    else:
        site.configure(blocks=site.blocks + latchkeyd_block(site))
        site.conf = site.conf.rename(directory / "latchkey.conf")
    assert site.check() == ([], 0)
    os.chown(directory, pwd.getpwnam("daemon").pw_uid, -1)
    site.expect("error", "deeper", None, "is owned by uid")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_above_that_somebody_else_owns_is_an_error(site):
    os.chown(site.pam, pwd.getpwnam("daemon").pw_uid, -1)
    site.expect("error", "pam.d", None, "is owned by uid")


def test_a_loose_directory_behind_a_symbolic_link_is_found(site):
    real = site.root / "real"
    real.mkdir()
    site.keys.rename(real / "keys.json")
    (site.root / "link").symlink_to(real)
    site.tenant = site.tenant.replace(f"{site.root}/keys.json", f"{site.root}/link/keys.json")
    site.configure()
    real.chmod(0o777)
    site.expect("error", "real", None, "writable")


def test_a_loose_pam_file_is_an_error_when_it_names_latchkey(site):
    (site.pam / "sshd").chmod(0o664)
    site.expect("error", "sshd", None, "writable by group or others")


def test_a_loose_pam_file_without_latchkey_is_none_of_our_business(site):
    site.stack("cron", "auth required pam_unix.so\n")
    (site.pam / "cron").chmod(0o666)
    assert site.check() == ([], 0)


# --- keys ---

def test_a_missing_key_set_is_an_error_at_its_option(site):
    site.keys.unlink()
    site.expect("error", "latchkey.conf", 4, "no key set or secret can be read")


BROKEN_KEY_SETS = {
    "an empty file": "",
    "no JSON": "keys",
    "only a weak key": json.dumps({"keys": [jwk(WEAK_KEY, "w")]}),
    "two keys of one kid": json.dumps({"keys": [jwk(RSA_KEY, "a"), jwk(RSA_KEY, "a")]}),
    "a private member": json.dumps({"keys": [jwk(RSA_KEY, "a") | {"d": "AQAB"}]}),
}


@pytest.mark.parametrize("name", BROKEN_KEY_SETS)
def test_a_broken_key_set_is_an_error(site, name):
    site.write(site.keys, BROKEN_KEY_SETS[name])
    site.expect("error", "latchkey.conf", 4, "the key set or the secret is not usable")


def test_a_withdrawn_key_set_is_an_error(site):
    site.write(site.keys, '{"keys":[]}')
    site.expect("error", "latchkey.conf", 4, "withdrawn")


def test_a_weak_key_beside_a_good_one_is_a_warning(site):
    site.write_keys(jwk(RSA_KEY, "a"), jwk(WEAK_KEY, "weak"))
    site.expect("warning", "keys.json", None, 'keys[1] (kid "weak"')


def test_one_kid_on_keys_of_different_types_is_a_warning(site):
    site.write_keys(jwk(RSA_KEY, "a"), jwk(EC_KEY, "a"))
    site.expect("warning", "keys.json", None, 'kid "a" is in the set twice')


def test_keys_that_fit_no_allowed_algorithm_are_an_error(site):
    site.write_keys(jwk(ED_KEY, "e"))
    site.expect("error", "keys.json", None, "no key is suitable for an algorithm")


def test_keys_that_fit_an_allowed_algorithm_are_none(site):
    site.write_keys(jwk(ED_KEY, "e"))
    site.configure('  algorithms = {"EdDSA"}\n')
    assert site.check() == ([], 0)


def use_secret(site, text, mode=0o600):
    secret = site.root / "hmac"
    site.write(secret, text, mode)
    site.tenant = site.tenant.replace(f'keys = "{site.keys}"', f'hmac_secret_file = "{secret}"')
    site.configure('  algorithms = {"HS256", "HS512"}\n')


def test_an_hmac_secret_as_long_as_the_longest_hash_is_silent(site):
    use_secret(site, "s" * 64)
    assert site.check() == ([], 0)


@pytest.mark.parametrize("text, mode, file, line, words", [
    ("s" * 63, 0o600, "hmac", None, "too short for HS512, which requires 64 bytes"),
    ("s" * 64, 0o640, "latchkey.conf", 4, "readable by group or others"),
    ("", 0o600, "latchkey.conf", 4, "the key set or the secret is not usable"),
])
def test_a_weak_or_loose_hmac_secret_is_an_error(site, text, mode, file, line, words):
    use_secret(site, text, mode)
    site.expect("error", file, line, words)


def test_a_configuration_by_a_relative_path_has_directories_above_it_too(site):
    def check():
        done = subprocess.run([LATCHKEY, "check", "--json", "--config", "latchkey.conf", "--pam-directory", site.pam],
                              capture_output=True, text=True, cwd=site.root, check=False)
        return [f["message"] for f in json.loads(done.stdout)["findings"] if f["severity"] == "error"]

    assert check() == []
    site.root.chmod(0o777)
    assert any("is writable by group or others" in message for message in check())


@pytest.mark.parametrize("text, mode, words", [
    (None, 0, "cannot be opened"),
    (CERTIFICATE, 0o666, "writable by group or others"),
    ("", 0o644, "no certificate in PEM"),
    ("MIIB", 0o644, "no certificate in PEM"),
])
def test_authorities_that_cannot_be_used_are_an_error(site, text, mode, words):
    authorities = site.root / "ca.pem"
    site.configure(f'  ca_file = "{authorities}"\n')
    site.write(authorities, CERTIFICATE)
    assert site.check() == ([], 0)
    if text is None:
        authorities.unlink()
    else:
        site.write(authorities, text, mode)
    site.expect("error", "ca.pem", None, words)
