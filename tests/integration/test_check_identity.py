"""What `latchkey check` finds in users, groups, maps, required groups and the revocation list."""
import json

import pytest

from check_site import GROUP, TENANT
from check_site import make_site  # fixtures


@pytest.mark.parametrize("severity, line, words, blocks", [
    ("warning", 6, 'user "no-such-user" does not exist', 'user "no-such-user" { sub = {"x"} }\n'),
    ("warning", 6, "sub is empty", 'user "daemon" { sub = {} }\n'),
    ("note", 6, 'user "root" is uid 0', 'user "root" { sub = {"x"} }\n'),
    ("note", 6, 'maps to both "daemon" and "bin"', 'user "daemon" { sub = {"x"} }\nuser "bin" { sub = {"x"} }\n'),
    ("warning", None, "no token maps to a user", ""),
    ("warning", 7, 'group "no-such-group" does not exist',
     'user "daemon" { sub = {"x"} }\ngroup "no-such-group" { claim = {"g"} }\n'),
    ("warning", 8, "claim is empty", 'user "daemon" { sub = {"x"} }\ngroup "daemon" {\n  claim = {}\n}\n'),
    ("error", 8, "no value maps to any of the groups",
     'user "daemon" { sub = {"x"} }\ngroup "daemon" { claim = {} }\nservice "sshd" { require_group = {"daemon"} }\n'),
    ("note", 7, 'user "daemon": api_key is set, but no service',
     'user "daemon" {\n  api_key = true  sub = {"x"}\n}\nservice "sshd" { credentials = {"jwt"} }\n'),
    ("warning", 7, 'service "sshd": every API key is refused',
     'user "daemon" { sub = {"x"} }\nservice "sshd" { credentials = {"api_key"} }\n'),
    ("warning", 7, 'service "*": every API key is refused',
     'user "daemon" { sub = {"x"} }\nservice "*" { credentials = {"api_key"} }\n'),
    ("note", 7, 'service "memcached": realm = {"*"}: alice of every realm is the local user alice',
     'user "daemon" { sub = {"x"} }\nservice "memcached" { realm = {"*"} }\n'),
    ("note", 7, 'service "*": realm = {"*"}',
     'user "daemon" { sub = {"x"} }\nservice "*" { realm = {"*"} }\nservice "memcached" { max_age = 9 }\n'),
    ("note", 7, "does not add groups to sessions",
     'user "daemon" { sub = {"x"} }\ngroup "daemon" { claim = {"g"} session = true }\n'),
    ("note", None, "must verify", 'map { claim = "email" pattern = "^(u[a-z]+)@example\\\\.com$" }\n'),
    ("note", 6, 'can give "daemon"',
     'user "daemon" { sub = {"x"} }\nmap { claim = "email" pattern = "^([a-z]+)@example\\\\.com$" }\n'),
])
def test_identity_findings(site, severity, line, words, blocks):
    site.configure(blocks=blocks)
    found, _ = site.check()
    assert sum(f[0] == severity and f[1] == "latchkey.conf" and f[2] == line and words in f[3] for f in found) == 1, found


@pytest.mark.parametrize("text, line", [
    ('user "no-such" { sub = {} }\n', 6),
    ('  user "no-such" { sub = {} }\n', 6),
    ('\tuser\t"no-such"\t{ sub = {} }\n', 6),
    ('user "no-such"{ sub = {} }\n', 6),
    ('user "no-such" {\n\n\tsub = {}\n}\n', 8),
    ('user "no-such" {\n  sub = {} }', 7),
    ('user "no-such-one" { sub = {"y"} }\nuser "no-such" { sub = {} }\n', 7),
    ('user "no" { sub = {"y"} }\nuser "no-such" { sub = {} }\n', 7),
    ('group "no-such" { claim = {"y"} }\nuser "no-such" { sub = {} }\n', 7),
    ('# user "no-such" {\nuser "no-such" { sub = {} }\n', 7),
    ('user "no-such" { sub = {} }\nuser "x" {\n  sub = {"y"}\n}\n', 6),
])
def test_a_finding_names_the_line_of_its_block_or_option(site, text, line):
    site.configure(blocks=text)
    found, _ = site.check()
    assert [f[2] for f in found if f[3].startswith('user "no-such": sub is empty')] == [line], found


@pytest.mark.parametrize("pattern", ["^(u[a-z]+)@example\\\\.com$", "^([^d][a-z]*)@x$", "^([]d]+)@x$", "^x(y)@(daemon)$"])
def test_a_map_that_cannot_give_a_users_name_is_silent(site, pattern):
    site.configure(blocks=f'user "daemon" {{ sub = {{"x"}} }}\nmap {{ claim = "email" pattern = "{pattern}" }}\n')
    found, _ = site.check()
    assert not [f for f in found if 'can give "daemon"' in f[3]]


def test_any_realm_is_said_once(site):
    site.configure(blocks='user "daemon" { sub = {"x"} }\nservice "*" { realm = {"*"} }\nservice "one" { max_age = 9 }\n')
    assert len([f for f in site.check()[0] if "realm = " in f[3]]) == 1
    site.configure(blocks='user "daemon" { sub = {"x"} }\nservice "one" { realm = {"example.com"} }\n')
    assert not [f for f in site.check()[0] if "realm = " in f[3]]


def test_a_required_group_without_a_block_is_an_error(site):
    site.configure(blocks=site.blocks + 'service "sshd" { require_group = {"ops"} }\n')
    site.expect("error", "latchkey.conf", 7, "ops", status=2)


def test_a_mapped_group_that_exists_is_silent(site):
    site.configure(blocks=site.blocks + GROUP + 'service "sshd" { require_group = {"daemon"} }\n')
    assert site.check() == ([], 0)


def test_a_revocation_list_that_is_configured_must_be_there(site):
    site.revoked.unlink()
    site.expect("error", "revoked", None, "the revocation list cannot be used")


def test_a_broken_revocation_list_is_an_error(site):
    site.write(site.revoked, "sub x\nnonsense y\n")
    site.expect("error", "revoked", None, "line 2")


@pytest.mark.parametrize("user, severity, words", [
    ("daemon", "note", 'sub "x" is revoked'),
    ("root", "warning", 'sub "x" is revoked'),
])
def test_a_revoked_subject_of_a_block_is_found(site, user, severity, words):
    site.write(site.revoked, "sub x\n")
    site.configure(blocks=f'user "{user}" {{ sub = {{"x", "y"}} }}\n')
    site.expect(severity, "latchkey.conf", 6, words)
    assert not [f for f in site.check()[0] if "closed" in f[3]]


def test_an_account_whose_subjects_are_all_revoked_is_closed(site):
    site.write(site.revoked, "sub x\nsub y\n")
    site.configure(blocks='user "daemon" { sub = {"x", "y"} }\n')
    site.expect("note", "latchkey.conf", 6, "no token maps to the user")


MAP = 'map { claim = "upn" pattern = "^(u[a-z]+)@x$" }\n'


@pytest.mark.parametrize("revoked, blocks, words", [
    ("sub x\n", MAP, 'sub "x" is in no user block'),
    ("sub y\nsub x\njti j\n", MAP, 'sub "y" and others of the list are in no user block'),
    ("sub y\nsub x\n", MAP + 'user "daemon" { sub = {"z", "x"} }\n', 'sub "y" is in no user block'),
])
def test_a_revoked_subject_that_only_a_map_could_name_is_a_warning(site, revoked, blocks, words):
    site.write(site.revoked, revoked)
    site.configure(blocks=blocks)
    site.expect("warning", "revoked", None, words)


@pytest.mark.parametrize("revoked, blocks", [
    ("sub x\n", 'user "daemon" { sub = {"z"} }\n'),
    ("sub x\n", MAP + 'user "daemon" { sub = {"x"} }\n'),
    ("jti x\nkid x\nissued-before 1000 sub x\nissued-before 1000\n", MAP),
    ("", MAP),
], ids=["there is no map", "a block has it", "tokens alone are revoked", "nothing is revoked"])
def test_a_revocation_that_holds_as_it_reads_is_silent(site, revoked, blocks):
    site.write(site.revoked, revoked)
    site.configure(blocks=blocks)
    assert not [f for f in site.check()[0] if "no user block" in f[3]]


OTHER = "4a51de8b-27e2-425b-b26e-ca8269e42efa"
BLOCKS_OF_TENANTS = {
    "user": ('user "daemon" {{ sub = {{"x"}} {} }}\n', 10),
    "map": ('user "daemon" {{ sub = {{}} tenant = {{"%s"}} }}\nmap {{ claim = "upn" pattern = "^(u[a-z]+)@x$" {} }}\n' % OTHER,
            11),
    "group": ('group "daemon" {{ claim = {{"g"}} {} }}\n', 10),
}


@pytest.mark.parametrize("kind", BLOCKS_OF_TENANTS)
def test_rule_17_a_block_that_names_no_tenant_of_several_is_an_error(site, kind):
    block, line = BLOCKS_OF_TENANTS[kind]
    second = site.tenant.replace(TENANT, OTHER) % ""
    site.configure(blocks=second + block.format(""))
    site.expect("error", "latchkey.conf", line, f'with 2 tenants the block must name those whose tokens it is for: '
                f'add tenant = {{"{TENANT}"}}, or other ids', status=2)
    assert json.loads(site.verify("no.to.ken", "--json", expect=2))["reason"] == "config_invalid"
    site.configure(blocks=second + block.format(f'tenant = {{"{OTHER}"}}'))
    assert not [f for f in site.check()[0] if f[0] == "error"]
    site.configure(blocks=block.format("").replace(OTHER, TENANT))
    assert not [f for f in site.check()[0] if f[0] == "error"]
