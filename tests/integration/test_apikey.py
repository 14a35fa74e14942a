"""`latchkey apikey`: show and create, and files that cannot be written."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import tokens
from command_site import ALONE, FAULTS, fill, id_of, masked
from command_site import make_disk, make_latchkey, make_root  # fixtures
from host import run, wait_until


def test_apikey_show_masks_unless_told_to_reveal(latchkey):
    key = latchkey.tenant.api_key
    done = latchkey.run("apikey", "show", input=key)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"primary    {masked(key)}\nsecondary  none\n" and latchkey.shows_no_key(done)
    assert latchkey.run("apikey", "show", "--reveal", input=key).stdout == f"primary    {key}\nsecondary  none\n"


def test_apikey_show_with_the_token_of_an_administrator(latchkey):
    done = latchkey.run("apikey", "show", "--token-file", latchkey.admin_file())
    assert done.stdout.startswith(f"primary    {masked(latchkey.tenant.api_key)}\n"), done.stderr
    file = latchkey.file("token", latchkey.tenant.token(tokens.ALICE))
    latchkey.expect(1, "credential_refused", "apikey", "show", "--token-file", file, also="status 403")


@pytest.mark.parametrize("fault, values, status, reason, words", FAULTS, ids=id_of)
def test_apikey_show_says_what_went_wrong(latchkey, fault, values, status, reason, words):
    latchkey.configure(timeout=1)
    latchkey.tenant.fault("apikeys", fault, **values)
    latchkey.expect(status, reason, "apikey", "show", also=words, input=latchkey.tenant.api_key)


@pytest.mark.parametrize("body", ["[]", "{}", '{"primaryApiKey":7,"tenantId":"%s"}',
                                  '{"primaryApiKey":"x","tenantId":"y"}',
                                  '{"primaryApiKey":"\\u001b[2J","tenantId":"%s"}'])
def test_apikey_show_believes_no_strange_answer(latchkey, body):
    latchkey.tenant.fault("apikeys", "body", text=body.replace("%s", tokens.TENANT))
    done = latchkey.expect(3, "tenant_unavailable", "apikey", "show", input=latchkey.tenant.api_key)
    assert done.stdout == "" and "\x1b" not in done.stderr


def test_apikey_show_wants_the_tenant_where_several_have_a_url(latchkey):
    latchkey.configure(more='tenant "second" { url = "https://other.example" }')
    done = latchkey.run("apikey", "show", input=latchkey.tenant.api_key)
    assert done.returncode == 2 and "select one with --tenant" in done.stderr
    assert latchkey.run("apikey", "show", "--tenant", tokens.TENANT, input=latchkey.tenant.api_key).returncode == 0
    done = latchkey.run("apikey", "show", "--tenant", "third", input=latchkey.tenant.api_key)
    assert done.returncode == 2 and 'no tenant "third"' in done.stderr


def test_apikey_create_of_a_first_secondary_asks_nobody(latchkey):
    output = latchkey.root / "new"
    done = latchkey.run("apikey", "create", "secondary", "--output", output, input=latchkey.tenant.api_key)
    key = latchkey.saved_keys()["secondary"]
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"secondary  {masked(key)}\n" and output.read_text() == key + "\n"
    assert latchkey.holds_working_key(output) and latchkey.works(latchkey.tenant.api_key)
    assert not list(latchkey.root.glob("*room*"))


def test_apikey_create_reveals_when_told_to(latchkey):
    done = latchkey.run("apikey", "create", "secondary", "--reveal", input=latchkey.tenant.api_key)
    assert done.stdout == f"secondary  {latchkey.saved_keys()['secondary']}\n"


def test_apikey_create_ends_a_key_only_with_consent(latchkey):
    before, output = latchkey.saved_keys(), latchkey.root / "new"
    done = latchkey.run("apikey", "create", "primary", "--output", output, input=latchkey.tenant.api_key)
    assert done.returncode == 2 and "--yes" in done.stderr and not output.exists()
    words = ("apikey", "create", "primary", "--api-key-file", latchkey.key_file(), "--output", output)
    for answer in ("no", "", "y", "yes please"):
        with latchkey.terminal(*words) as terminal:
            terminal.expect(rf"makes the primary key {re.escape(masked(before['primary']))}.*\s*.*Type yes to continue: ")
            terminal.type(answer)
            status, text = terminal.wait()
        assert status == 1 and "is unchanged" in text
    assert latchkey.saved_keys() == before and not output.exists()
    with latchkey.terminal(*words) as terminal:
        terminal.expect("Type yes to continue: ")
        terminal.type("yes")
        assert terminal.wait()[0] == 0
    assert not latchkey.works(before["primary"]) and latchkey.holds_working_key(output)


def test_apikey_create_with_yes_asks_nobody(latchkey):
    before, output = latchkey.saved_keys(), latchkey.root / "new"
    done = latchkey.run("apikey", "create", "primary", "--yes", "--output", output, input=before["primary"])
    assert done.returncode == 0 and latchkey.holds_working_key(output) and not latchkey.works(before["primary"])


def test_apikey_create_by_an_administrator(latchkey):
    output = latchkey.root / "new"
    done = latchkey.run("apikey", "create", "primary", "--yes", "--output", output,
                        "--token-file", latchkey.admin_file())
    assert done.returncode == 0 and latchkey.holds_working_key(output)


def unwritable_nowhere(latchkey, disk):
    return latchkey.root / "nowhere" / "new"


def unwritable_full(latchkey, disk):
    fill(disk)
    return disk / "new"


def unwritable_read_only(latchkey, disk):
    run("mount", "-o", "remount,ro", disk)
    return disk / "new"


def unwritable_directory(latchkey, disk):
    return disk


def unwritable_link(latchkey, disk):
    (disk / "new").symlink_to("/dev/stdout")
    return disk / "new"


UNWRITABLE = [unwritable_nowhere, unwritable_full, unwritable_read_only, unwritable_directory, unwritable_link]


@pytest.mark.parametrize("unwritable", UNWRITABLE)
@pytest.mark.parametrize("words", [("create", "primary"), ("rotate",)], ids=" ".join)
def test_no_key_ends_when_the_new_one_could_not_be_written(latchkey, disk, words, unwritable):
    before, key_file = latchkey.saved_keys(), latchkey.key_file()
    latchkey.expect(3, "system_error", "apikey", *words, "--yes", "--api-key-file", key_file, "--output",
                unwritable(latchkey, disk))
    assert latchkey.saved_keys() == before and latchkey.holds_working_key(key_file)


def test_a_file_that_others_own_the_directory_of_is_found_out_before_a_key_ends(latchkey):
    before = latchkey.saved_keys()
    latchkey.expect(3, "system_error", "apikey", "create", "primary", "--yes", "--output", "/etc/latchkey-test-key",
                input=before["primary"], user="daemon")
    assert latchkey.saved_keys() == before


def test_a_new_key_that_nobody_would_get_to_see_is_not_made(latchkey):
    before = latchkey.saved_keys()
    for words in (("create", "primary"), ("rotate",)):
        done = latchkey.run("apikey", *words, "--yes", input=before["primary"])
        assert done.returncode == 2 and "no output for the new key" in done.stderr
    assert latchkey.saved_keys() == before


def test_a_key_that_cannot_be_written_after_all_is_not_lost(latchkey):
    """The directory goes away while the tenant service answers."""
    place = latchkey.root / "place"
    place.mkdir()
    words = ("apikey", "create", "primary", "--api-key-file", latchkey.key_file(), "--output", place / "new")
    with latchkey.terminal(*words) as terminal:
        terminal.expect("Type yes to continue: ")
        shutil.rmtree(place)
        terminal.type("yes")
        status, text = terminal.wait()
    assert status == 3 and "system_error" in text
    assert f"the new key would be lost: {latchkey.saved_keys()['primary']}" in text


@pytest.mark.parametrize("signal", ["INT", "TERM", "HUP"])
def test_nobody_interrupts_between_the_end_of_a_key_and_the_handing_over(latchkey, signal):
    output = latchkey.root / "new"
    latchkey.tenant.fault("apikeys", "slow-body", seconds=2, count=2)  # of the look before, and of the new key
    process = subprocess.Popen([*ALONE, *latchkey.argv("apikey", "create", "primary", "--yes", "--api-key-file",
                                                   latchkey.key_file(), "--output", output)])
    before = latchkey.tenant.api_key
    wait_until(lambda: latchkey.tenant.api_key != before, "the primary key ends")
    [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split() or [process.pid]
    run("kill", f"-{signal}", child)
    process.wait(20)
    assert latchkey.holds_working_key(output)
