"""`latchkey apikey rotate`."""
import subprocess

import pytest

import tokens
from command_site import FAULTS, fill, id_of, masked
from command_site import make_disk, make_latchkey, make_root  # fixtures
from host import run, wait_until


# rotate: whatever happens, somebody holds a key that works
def test_apikey_rotate_with_the_primary(latchkey):
    before = latchkey.saved_keys()
    key_file = latchkey.key_file()
    done = latchkey.run("apikey", "rotate", "--yes", "--api-key-file", key_file, "--output", key_file)
    after = latchkey.saved_keys()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"secondary  {masked(after['secondary'])}\nprimary    {masked(after['primary'])}\n"
    assert latchkey.shows_no_key(done)
    assert key_file.read_text() == after["primary"] + "\n" and latchkey.works(after["primary"])
    assert latchkey.works(after["secondary"]) and not latchkey.works(before["primary"])
    assert not list(latchkey.root.glob("*room*"))


def with_secondary(latchkey):
    latchkey.tenant.post("/api/APIKeys", {"type": "secondary"}, headers={"X-API-Key": latchkey.tenant.api_key})
    return latchkey.saved_keys()


def test_apikey_rotate_with_the_secondary_renews_the_primary_first(latchkey):
    before = with_secondary(latchkey)
    output = latchkey.root / "new"
    done = latchkey.run("apikey", "rotate", "--yes", "--output", output, input=before["secondary"])
    after = latchkey.saved_keys()
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["primary", "secondary"]
    assert output.read_text() == after["secondary"] + "\n"
    assert [latchkey.works(key) for key in (*before.values(), *after.values())] == [False, False, True, True]


def test_apikey_rotate_leaves_no_dead_key_in_a_file_that_held_the_other_one(latchkey):
    """Killed between the end of the other key and its handing over."""
    before = with_secondary(latchkey)
    output = latchkey.key_file(before["secondary"], "output")
    latchkey.tenant.fault("apikeys", "slow-body", seconds=2)
    process = subprocess.Popen([*latchkey.argv("apikey", "rotate", "--yes", "--api-key-file", latchkey.key_file(),
                                               "--output", output)])
    wait_until(lambda: latchkey.saved_keys()["secondary"] != before["secondary"], "the secondary key ends")
    process.kill()
    process.wait()
    assert output.read_text() == before["primary"] + "\n" and latchkey.holds_working_key(output)


def test_apikey_rotate_reveals_both(latchkey):
    done = latchkey.run("apikey", "rotate", "--yes", "--reveal", input=latchkey.tenant.api_key)
    after = latchkey.saved_keys()
    assert done.stdout == f"secondary  {after['secondary']}\nprimary    {after['primary']}\n"


def rotating(latchkey, output):
    return latchkey.terminal("apikey", "rotate", "--api-key-file", latchkey.key_file(), "--output", output)


def test_apikey_rotate_asks_before_each_end_of_a_key(latchkey):
    before = with_secondary(latchkey)
    output = latchkey.root / "new"
    with rotating(latchkey, output) as terminal:
        terminal.expect("makes the secondary key .*Type yes to continue: ".replace(".*", r"[^\0]*"))
        assert latchkey.saved_keys() == before
        terminal.type("yes")
        terminal.expect(r"makes the primary key [^\0]*Type yes to continue: ")
        assert latchkey.holds_working_key(output) and latchkey.works(before["primary"])
        terminal.type("no")
        status, text = terminal.wait()
    assert status == 1 and "the new secondary key is valid and stored" in text
    assert latchkey.saved_keys()["primary"] == before["primary"] and latchkey.holds_working_key(output)


def test_apikey_rotate_without_anybody_to_ask_does_nothing(latchkey):
    before = latchkey.saved_keys()
    done = latchkey.run("apikey", "rotate", "--output", latchkey.root / "new", input=before["primary"])
    assert done.returncode == 2 and "--yes" in done.stderr
    assert latchkey.saved_keys() == before and latchkey.tenant.requests("apikeys") == 0


def test_apikey_rotate_keeps_out_of_a_disk_that_fills_up_on_the_way(latchkey, disk):
    before, output = latchkey.saved_keys(), disk / "key"
    with rotating(latchkey, output) as terminal:
        terminal.expect(r"makes the primary key [^\0]*Type yes to continue: ")
        fill(disk)
        terminal.type("yes")
        status, text = terminal.wait()
    assert status == 3 and "system_error" in text and "is valid and stored" in text
    assert latchkey.saved_keys()["primary"] == before["primary"]
    assert latchkey.holds_working_key(output) and output.read_text().strip() == latchkey.saved_keys()["secondary"]


def test_apikey_rotate_on_a_disk_that_is_closed_on_the_way(latchkey, disk):
    before, output = latchkey.saved_keys(), disk / "key"
    with rotating(latchkey, output) as terminal:
        terminal.expect(r"makes the primary key [^\0]*Type yes to continue: ")
        run("mount", "-o", "remount,ro", disk)
        terminal.type("yes")
        assert terminal.wait()[0] == 3
    assert latchkey.saved_keys()["primary"] == before["primary"] and latchkey.holds_working_key(output)


@pytest.mark.parametrize("fault, values, status, reason, words", FAULTS, ids=id_of)
def test_apikey_rotate_that_fails_at_the_second_key_leaves_the_first(latchkey, fault, values, status, reason, words):
    latchkey.configure(timeout=1)
    output = latchkey.root / "new"
    with rotating(latchkey, output) as terminal:
        terminal.expect(r"makes the primary key [^\0]*Type yes to continue: ")
        latchkey.tenant.fault("apikeys", fault, **values)
        terminal.type("yes")
        got, text = terminal.wait()
    assert got == status and reason in text and words in text
    assert ("may have been renewed" in text) == (status == 3)
    assert latchkey.holds_working_key(output)


@pytest.mark.parametrize("fault, values, status, reason, words", FAULTS, ids=id_of)
def test_apikey_rotate_that_fails_at_the_first_key_leaves_the_given_one(latchkey, fault, values, status, reason, words):
    latchkey.configure(timeout=1)
    before, output = with_secondary(latchkey), latchkey.root / "new"
    with rotating(latchkey, output) as terminal:
        terminal.expect(r"makes the secondary key [^\0]*Type yes to continue: ")
        latchkey.tenant.fault("apikeys", fault, **values)
        terminal.type("yes")
        got, text = terminal.wait()
    assert got == status and reason in text
    assert "the given key (primary) is still valid" in text
    assert latchkey.works(before["primary"]) and output.read_text() == before["primary"] + "\n"


def test_apikey_rotate_of_a_dead_key_ends_none(latchkey):
    before = latchkey.saved_keys()
    latchkey.expect(1, "credential_refused", "apikey", "rotate", "--yes", "--output", latchkey.root / "new",
                    input="k" * 40)
    assert latchkey.saved_keys() == before


def test_apikey_rotate_of_a_key_that_the_service_does_not_name_ends_none(latchkey):
    latchkey.tenant.fault("apikeys", "body", text='{"primaryApiKey":"%s","secondaryApiKey":null,"tenantId":"%s"}'
                      % ("k" * 40, tokens.TENANT))
    latchkey.expect(3, "tenant_unavailable", "apikey", "rotate", "--yes", "--output", latchkey.root / "new",
                input=latchkey.tenant.api_key, also="neither the primary nor the secondary")
