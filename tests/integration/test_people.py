"""`latchkey whoami` and `latchkey users`."""
import json

import pytest

import tokens
from command_site import FAULTS, id_of
from command_site import make_latchkey, make_root  # fixtures


def test_whoami_tells_whose_a_token_is(latchkey):
    file = latchkey.file("token", latchkey.tenant.token(tokens.ALICE))
    done = latchkey.run("whoami", "--token-file", file)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == [f"user    {tokens.ALICE}", "e-mail  alice@example.com"]
    assert done.stdout.splitlines()[-1] == f"tenant  {tokens.TENANT}"
    for options in ({"env": {"LATCHKEY_TOKEN_FILE": str(file)}}, {"input": file.read_text()}):
        report = json.loads(latchkey.run("whoami", "--json", **options).stdout)
        assert list(report) == ["userId", "email", "displayName", "userType", "enabled", "tenant"]
        assert (report["userId"], report["enabled"], report["tenant"]) == (tokens.ALICE, True, tokens.TENANT)


@pytest.mark.parametrize("fault, values, status, reason, words", FAULTS, ids=id_of)
@pytest.mark.parametrize("command", ["whoami", "users"])
def test_whoami_and_users_say_what_went_wrong(latchkey, command, fault, values, status, reason, words):
    latchkey.configure(timeout=1)
    file = latchkey.admin_file()
    latchkey.tenant.fault("users", fault, **values)
    latchkey.expect(status, reason, command, "--token-file", file, also=words)


def test_whoami_sends_no_api_key_as_a_token(latchkey):
    latchkey.expect(1, "token_malformed", "whoami", input=latchkey.tenant.api_key)
    assert latchkey.tenant.requests("users") == 0


def test_what_the_service_says_of_a_person_does_not_steer_the_terminal(latchkey):
    latchkey.tenant.fault("users", "body", text='{"userId":"u\\u001b[2J","displayName":"a\\nb"}')
    done = latchkey.run("whoami", input=latchkey.tenant.token(tokens.ALICE))
    assert done.stdout == f"user    u?[2J\nname    a?b\ntenant  {tokens.TENANT}\n"


def test_users_come_in_pages_or_all_together(latchkey):
    every = latchkey.tenant.users
    key = latchkey.tenant.api_key
    page = latchkey.run("users", "--page-size", 2, input=key)
    assert page.returncode == 0 and len(page.stdout.splitlines()) == 2
    assert f"2 of {len(every)}; --page 2 shows the next page" in page.stderr
    rest = latchkey.run("users", "--page-size", 2, "--page", 2, input=key)
    everybody = latchkey.run("users", "--page-size", 2, "--all", "--token-file", latchkey.admin_file())
    assert everybody.stderr == "" and everybody.stdout.startswith(page.stdout + rest.stdout)
    assert {line.split()[0] for line in everybody.stdout.splitlines()} == set(every.values())
    report = json.loads(latchkey.run("users", "--all", "--page-size", 3, "--json", input=key).stdout)
    assert report["totalRecords"] == len(every)
    assert {(user["email"], user["userId"]) for user in report["users"]} == set(every.items())


def test_users_ends_where_there_is_nobody_whatever_the_total_says(latchkey):
    latchkey.tenant.fault("users", "body", text='{"data":[],"totalRecords":1000}')
    done = latchkey.run("users", "--all", "--json", input=latchkey.tenant.api_key)
    assert json.loads(done.stdout) == {"users": [], "totalRecords": 1000}
    assert latchkey.tenant.requests("users") == 1


@pytest.mark.parametrize("body", ["{}", '{"data":{},"totalRecords":1}', '{"data":[{}],"totalRecords":1}',
                                  '{"data":[],"totalRecords":-1}', '{"data":[],"totalRecords":"1"}'])
def test_users_believes_no_strange_page(latchkey, body):
    latchkey.tenant.fault("users", "body", text=body)
    latchkey.expect(3, "tenant_unavailable", "users", input=latchkey.tenant.api_key)
