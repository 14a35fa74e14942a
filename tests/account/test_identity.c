#include "tests/support/fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <pwd.h>

#include "account/identity.h"

/* In place of the C library's: how the system's look-up ends. */
static struct {
    int error;       /* 0: as it does */
    unsigned left;   /* that many times */
    size_t wanted;   /* ERANGE below this size */
    bool makes_root; /* bin, in any spelling, has uid 0 */
} nss;

int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, struct passwd **ret)
{
    int (*real)(const char *, struct passwd *, char *, size_t, struct passwd **) =
        (int (*)(const char *, struct passwd *, char *, size_t, struct passwd **))dlsym(RTLD_NEXT, "getpwnam_r");

    *ret = NULL;
    if (size < nss.wanted)
        return ERANGE;
    if (nss.makes_root) {
        real("bin", entry, buffer, size, ret);
        entry->pw_uid = 0;
        return 0;
    }
    if (nss.left == 0)
        return real(name, entry, buffer, size, ret);
    nss.left--;
    return nss.error;
}

static char sub[] = "sub", groups[] = "groups", tenant_id[] = "t-1";
static const struct claims_policy policy = { .tenant_id = tenant_id, .subject_claim = sub, .groups_claim = groups };

#define LIST(...)                                                                     \
    {                                                                                 \
        (char *[]){ __VA_ARGS__ }, sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *) \
    }
#define TEXT(text) ((char[]){ text })
#define EVERY_TENANT \
    {                \
        NULL, 0      \
    }

static struct user_block users[] = {
    { TEXT("alice"), EVERY_TENANT, LIST(TEXT("s-alice"), TEXT("s-alice-2")), false },
    { TEXT("root"), EVERY_TENANT, LIST(TEXT("s-root")), false },
    { TEXT("svc-a"), EVERY_TENANT, LIST(TEXT("s-both")), true },
    { TEXT("svc-b"), EVERY_TENANT, LIST(TEXT("s-other"), TEXT("s-both")), true },
    { TEXT("closed"), EVERY_TENANT, { NULL, 0 }, false },
    { TEXT("here"), LIST(TEXT("t-1")), LIST(TEXT("s-here")), false },
    { TEXT("there"), LIST(TEXT("t-2"), TEXT("t-3")), LIST(TEXT("s-there")), false },
};
static struct map_block maps[] = {
    { .claim = TEXT("email"), .pattern = TEXT("^([a-z][a-z0-9_-]*)@example\\.com$") },
    { .claim = TEXT("nick"), .pattern = TEXT("^(.*)$") },
    { .claim = TEXT("half"), .pattern = TEXT("^(a)|(b)$") },
    { .claim = TEXT("late"), .pattern = TEXT("^late-(.+)$") },
    { .claim = TEXT("foreign"), .pattern = TEXT("^(.+)$"), .tenants = LIST(TEXT("t-2")) },
};
static struct group_block group_blocks[] = {
    { TEXT("ops"), EVERY_TENANT, LIST(TEXT("g-ops"), TEXT("g-ops-2")), true },
    { TEXT("devs"), EVERY_TENANT, LIST(TEXT("g-devs")), false },
    { TEXT("nobody-is-in"), EVERY_TENANT, { NULL, 0 }, false },
    { TEXT("theirs"), LIST(TEXT("t-2")), LIST(TEXT("g-ops")), false },
};
static struct identity_rules rules = {
    .users = users,
    .user_count = COUNT(users),
    .maps = maps,
    .map_count = COUNT(maps),
    .groups = group_blocks,
    .group_count = COUNT(group_blocks),
};
static struct arena arena;

static const struct member valid[] = {
    { "sub", "\"s-new\"" },
    { "exp", "1000300" },
};

static enum reason map(const struct identity_rules *by, const struct member *changes, const char *wanted,
                       struct identity *identity)
{
    char *text = object_text(valid, COUNT(valid), changes);
    struct verdict verdict = VERDICT_INIT;
    struct json *json = NULL;
    struct claims claims;
    enum json_error error;
    bool ok;

    if (!json_parse(slice_of(text), &json, &error))
        fail_msg("%s: %s", json_error_text(error), text);
    assert_true(claims_read(&verdict, json, &policy, &claims));
    ok = identity_map(&verdict, by, &claims, &policy, wanted, NULL, identity);
    assert_int_equal(ok, verdict.reason == REASON_UNDECIDED);
    if (ok)
        assert_string_equal(verdict.user, identity->user);
    json_free(&json);
    free(text);
    return verdict.reason;
}

#define A31 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *name;
    struct member changes[CHANGES_MAX];
    const char *wanted;
    enum reason want;
    const char *user;
    bool is_explicit;
} mappings[] = {
    { "a user block", { { "sub", "\"s-alice\"" } }, NULL, REASON_UNDECIDED, "alice", true },
    { "a user block of this tenant", { { "sub", "\"s-here\"" } }, NULL, REASON_UNDECIDED, "here", true },
    { "rule 17: a user block of other tenants",
      { { "sub", "\"s-there\"" } },
      "there",
      REASON_USER_UNMAPPED,
      NULL,
      false },
    { "rule 17: a map of another tenant", { { "foreign", "\"bob\"" } }, "bob", REASON_USER_UNMAPPED, NULL, false },
    { "an address that is verified",
      { { "email", "\"bob@example.com\"" }, { "email_verified", "true" } },
      NULL,
      REASON_UNDECIDED,
      "bob",
      false },
    { "an address that is not verified",
      { { "email", "\"bob@example.com\"" }, { "email_verified", "false" } },
      NULL,
      REASON_USER_UNMAPPED,
      NULL,
      false },
    { "an address that is verified in words",
      { { "email", "\"bob@example.com\"" }, { "email_verified", "\"true\"" } },
      NULL,
      REASON_USER_UNMAPPED,
      NULL,
      false },
    { "an address that is verified by null",
      { { "email", "\"bob@example.com\"" }, { "email_verified", "null" } },
      NULL,
      REASON_USER_UNMAPPED,
      NULL,
      false },
    { "a user block's second subject", { { "sub", "\"s-alice-2\"" } }, NULL, REASON_UNDECIDED, "alice", true },
    { "the wanted user", { { "sub", "\"s-alice\"" } }, "alice", REASON_UNDECIDED, "alice", true },
    { "another one is wanted", { { "sub", "\"s-alice\"" } }, "bob", REASON_USER_MISMATCH, NULL, false },
    { "root is wanted", { { "sub", "\"s-alice\"" } }, "root", REASON_USER_MISMATCH, NULL, false },
    { "nobody is wanted", { { "sub", "\"s-alice\"" } }, "", REASON_USER_MISMATCH, NULL, false },
    { "in other case", { { "sub", "\"s-alice\"" } }, "Alice", REASON_USER_MISMATCH, NULL, false },
    { "root by a block", { { "sub", "\"s-root\"" } }, "root", REASON_UNDECIDED, "root", true },
    { "a subject that only begins so", { { "sub", "\"s-alice-\"" } }, NULL, REASON_USER_UNMAPPED, NULL, false },
    { "a subject in other case", { { "sub", "\"S-ALICE\"" } }, NULL, REASON_USER_UNMAPPED, NULL, false },
    { "the name of the block is no subject", { { "sub", "\"alice\"" } }, "alice", REASON_USER_UNMAPPED, NULL, false },
    { "two blocks and none wanted", { { "sub", "\"s-both\"" } }, NULL, REASON_USER_AMBIGUOUS, NULL, false },
    { "two blocks and the first wanted", { { "sub", "\"s-both\"" } }, "svc-a", REASON_UNDECIDED, "svc-a", true },
    { "two blocks and the second wanted", { { "sub", "\"s-both\"" } }, "svc-b", REASON_UNDECIDED, "svc-b", true },
    { "two blocks and another wanted", { { "sub", "\"s-both\"" } }, "alice", REASON_USER_MISMATCH, NULL, false },
    { "a block goes before a map",
      { { "sub", "\"s-alice\"" }, { "email", "\"carol@example.com\"" } },
      NULL,
      REASON_UNDECIDED,
      "alice",
      true },
    { "and no map is tried behind it",
      { { "sub", "\"s-alice\"" }, { "email", "\"carol@example.com\"" } },
      "carol",
      REASON_USER_MISMATCH,
      NULL,
      false },
    { "a map", { { "email", "\"carol@example.com\"" } }, NULL, REASON_UNDECIDED, "carol", false },
    { "a map, the wanted user", { { "email", "\"carol@example.com\"" } }, "carol", REASON_UNDECIDED, "carol", false },
    { "a map, another one wanted",
      { { "email", "\"carol@example.com\"" } },
      "dave",
      REASON_USER_MISMATCH,
      NULL,
      false },
    { "a name with a block is not reached by a map",
      { { "email", "\"alice@example.com\"" } },
      "alice",
      REASON_USER_UNMAPPED,
      NULL,
      false },
    { "nor is root", { { "email", "\"root@example.com\"" } }, NULL, REASON_USER_UNMAPPED, NULL, false },
    { "nor one whose block lists nobody",
      { { "email", "\"closed@example.com\"" } },
      NULL,
      REASON_USER_UNMAPPED,
      NULL,
      false },
    { "no claim for any map", { { NULL, NULL } }, NULL, REASON_USER_UNMAPPED, NULL, false },
    { "something behind the pattern's end",
      { { "email", "\"carol@example.com.evil.org\"" } },
      NULL,
      REASON_USER_UNMAPPED,
      NULL,
      false },
    { "something before its beginning",
      { { "email", "\"x carol@example.com\"" } },
      NULL,
      REASON_USER_UNMAPPED,
      NULL,
      false },
    { "a dot is a dot", { { "email", "\"carol@exampleXcom\"" } }, NULL, REASON_USER_UNMAPPED, NULL, false },
    { "capitals do not fit", { { "email", "\"CAROL@example.com\"" } }, NULL, REASON_USER_UNMAPPED, NULL, false },
    { "the next map, when the first does not match",
      { { "email", "\"x\"" }, { "nick", "\"erin\"" } },
      NULL,
      REASON_UNDECIDED,
      "erin",
      false },
    { "the first map that matches decides",
      { { "email", "\"carol@example.com\"" }, { "nick", "\"erin\"" } },
      "erin",
      REASON_USER_MISMATCH,
      NULL,
      false },
    { "a pattern that is anchored to the eye only: matches all",
      { { "half", "\"a\"" } },
      NULL,
      REASON_UNDECIDED,
      "a",
      false },
    { "a pattern that is anchored to the eye only: a part",
      { { "half", "\"ab\"" } },
      NULL,
      REASON_USER_UNMAPPED,
      NULL,
      false },
    { "a group that took no part in the match", { { "half", "\"b\"" } }, NULL, REASON_USER_UNMAPPED, NULL, false },
    { "an empty capture", { { "nick", "\" \"" } }, NULL, REASON_USER_NAME_INVALID, NULL, false },
    { "32 bytes", { { "late", "\"late-" A31 "a\"" } }, NULL, REASON_UNDECIDED, A31 "a", false },
    { "33 bytes", { { "late", "\"late-" A31 "aa\"" } }, NULL, REASON_USER_NAME_INVALID, NULL, false },
    { "an option of a command", { { "nick", "\"-rf\"" } }, NULL, REASON_USER_NAME_INVALID, NULL, false },
    { "a path", { { "nick", "\"../etc\"" } }, NULL, REASON_USER_NAME_INVALID, NULL, false },
    { "a field of passwd(5)", { { "nick", "\"x:0:0\"" } }, NULL, REASON_USER_NAME_INVALID, NULL, false },
    { "a number", { { "nick", "\"0\"" } }, NULL, REASON_USER_NAME_INVALID, NULL, false },
    { "letters beyond ASCII", { { "nick", "\"r\u00f6ot\"" } }, NULL, REASON_USER_NAME_INVALID, NULL, false },
};

static void rule_22_the_user_comes_from_a_block_or_an_anchored_pattern(void **state)
{
    struct identity identity;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(mappings); i++) {
        ROW(mappings[i].name);
        assert_int_equal(map(&rules, mappings[i].changes, mappings[i].wanted, &identity), mappings[i].want);
        if (mappings[i].want != REASON_UNDECIDED)
            continue;
        assert_string_equal(identity.user, mappings[i].user);
        assert_int_equal(identity.user_is_explicit, mappings[i].is_explicit);
    }
}

static const struct {
    const char *name;
    struct member changes[CHANGES_MAX];
} broken_values[] = {
    { "a NUL", { { "email", "\"carol@example.com\\u0000.evil.org\"" } } },
    { "a NUL, though the next map would match", { { "email", "\"x\\u0000\"" }, { "nick", "\"erin\"" } } },
    { "a line end", { { "email", "\"carol@example.com\\n\"" } } },
    { "a number", { { "email", "1" }, { "nick", "\"erin\"" } } },
    { "null", { { "email", "null" }, { "nick", "\"erin\"" } } },
    { "empty", { { "email", "\"\"" }, { "nick", "\"erin\"" } } },
};

static void rule_04_a_broken_value_is_mapped_to_nobody(void **state)
{
    struct identity identity;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(broken_values); i++) {
        ROW(broken_values[i].name);
        assert_int_equal(map(&rules, broken_values[i].changes, NULL, &identity), REASON_CLAIM_INVALID);
    }
    ROW("a block does not look at it");
    assert_int_equal(
        map(&rules, (struct member[CHANGES_MAX]){ { "sub", "\"s-alice\"" }, { "email", "1" } }, NULL, &identity),
        REASON_UNDECIDED);
}

static const struct {
    const char *name, *value;
    const char *want[3];
} memberships[] = {
    { "no claim", NULL, { NULL } },
    { "one", "[\"g-ops\"]", { "ops" } },
    { "the second value of a block", "[\"g-ops-2\"]", { "ops" } },
    { "a string is one group", "\"g-devs\"", { "devs" } },
    { "both, in the order of the blocks", "[\"g-devs\",\"x\",\"g-ops\"]", { "ops", "devs" } },
    { "twice the same is once", "[\"g-ops\",\"g-ops-2\",\"g-ops\"]", { "ops" } },
    { "a display name is no value", "[\"ops\",\"devs\"]", { NULL } },
    { "another case", "[\"G-OPS\"]", { NULL } },
    { "only the beginning", "[\"g-op\",\"g-ops \"]", { NULL } },
    { "one string that names two", "\"g-ops g-devs\"", { NULL } },
    { "an empty string", "[\"\"]", { NULL } },
    { "an empty array", "[]", { NULL } },
};

static void rule_24_groups_are_matched_by_their_stable_value(void **state)
{
    struct identity identity;
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(memberships); i++) {
        const struct member changes[CHANGES_MAX] = { { "sub", "\"s-alice\"" }, { "groups", memberships[i].value } };

        ROW(memberships[i].name);
        assert_int_equal(map(&rules, changes, NULL, &identity), REASON_UNDECIDED);
        for (j = 0; memberships[i].want[j] != NULL; j++)
            assert_string_equal(identity.groups[j], memberships[i].want[j]);
        assert_int_equal(identity.group_count, j);
        assert_int_equal(identity_has_group(&identity, "ops"), j > 0 && strcmp(identity.groups[0], "ops") == 0);
        assert_false(identity_has_group(&identity, ""));
        assert_false(identity_has_group(&identity, "nobody-is-in"));
    }
}

static void no_rules_open_nothing(void **state)
{
    const struct identity_rules none = { .user_count = 0 };
    struct identity identity;

    (void)state;
    assert_int_equal(map(&none, (struct member[CHANGES_MAX]){ { "sub", "\"root\"" } }, "root", &identity),
                     REASON_USER_UNMAPPED);
}

static const struct {
    const char *name;
    struct slice value;
    bool is_valid;
} names[] = {
    { "a name", { "alice", 5 }, true },
    { "all that may be in it", { "_azAZ09.-$", 10 }, true },
    { "one letter", { "a", 1 }, true },
    { "an underscore", { "_", 1 }, true },
    { "32 bytes", { A31 "a", 32 }, true },
    { "33 bytes", { A31 "aa", 33 }, false },
    { "nothing", { NULL, 0 }, false },
    { "a digit first", { "0a", 2 }, false },
    { "a minus first", { "-a", 2 }, false },
    { "a dot first", { ".a", 2 }, false },
    { "a dollar first", { "$", 1 }, false },
    { "a dollar in the middle", { "a$b", 3 }, false },
    { "two dollars", { "a$$", 3 }, false },
    { "a blank", { "a b", 3 }, false },
    { "a slash", { "a/b", 3 }, false },
    { "a colon", { "a:b", 3 }, false },
    { "an at sign", { "a@b", 3 }, false },
    { "a backslash", { "a\\b", 3 }, false },
    { "a NUL behind", { "a\0", 2 }, false },
    { "a line end behind", { "a\n", 2 }, false },
    { "beyond ASCII", { "a\xc3\xa4", 3 }, false },
    { "neighbours of the letters: @ [ ` {", { "a@[`{", 5 }, false },
};

static void rule_22_names_are_those_of_the_system(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(names); i++) {
        ROW(names[i].name);
        assert_int_equal(identity_is_valid_name(names[i].value), names[i].is_valid);
    }
}

static const struct {
    const char *name, *user;
    bool is_explicit;
    enum reason want;
} accounts[] = {
    { "a user by a block", "daemon", true, REASON_UNDECIDED },
    { "a user by a pattern", "daemon", false, REASON_UNDECIDED },
    { "uid 0 by a block", "root", true, REASON_UNDECIDED },
    { "uid 0 by a pattern", "root", false, REASON_USER_FORBIDDEN },
    { "nobody has this name", "no-such-user-here", true, REASON_USER_UNKNOWN },
    { "nobody has this name, by a pattern", "no-such-user-here", false, REASON_USER_UNKNOWN },
};

static void rule_22_the_user_exists_and_uid_0_is_explicit(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(accounts); i++) {
        struct identity identity = { .user_is_explicit = accounts[i].is_explicit };
        struct verdict verdict = VERDICT_INIT;

        ROW(accounts[i].name);
        snprintf(identity.user, sizeof identity.user, "%s", accounts[i].user);
        assert_int_equal(identity_check_account(&verdict, &identity), accounts[i].want == REASON_UNDECIDED);
        assert_int_equal(verdict.reason, accounts[i].want);
    }
}

static const struct {
    const char *name;
    int error;
    unsigned times;
    size_t wanted;
    enum reason want;
} look_ups[] = {
    { "interrupted", EINTR, 3, 0, REASON_UNDECIDED },
    { "an entry of 64 KiB", 0, 0, 65536, REASON_UNDECIDED },
    { "an entry of 1 MiB", 0, 0, 1 << 20, REASON_UNDECIDED },
    { "an entry beyond 1 MiB", 0, 0, (1 << 20) + 1, REASON_SYSTEM_ERROR },
    { "a source that is away, for which glibc has ENOENT", ENOENT, 1, 0, REASON_SYSTEM_ERROR },
    { "memory is short", ENOMEM, 1, 0, REASON_OUT_OF_MEMORY },
    { "too many open files", EMFILE, 1, 0, REASON_SYSTEM_ERROR },
    { "a broken directory service", EIO, 1, 0, REASON_SYSTEM_ERROR },
};

static void rule_32_a_failed_look_up_refuses(void **state)
{
    const struct identity identity = { .user = "daemon", .user_is_explicit = true };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(look_ups); i++) {
        struct verdict verdict = VERDICT_INIT;

        ROW(look_ups[i].name);
        nss.error = look_ups[i].error;
        nss.left = look_ups[i].times;
        nss.wanted = look_ups[i].wanted;
        assert_int_equal(identity_check_account(&verdict, &identity), look_ups[i].want == REASON_UNDECIDED);
        assert_int_equal(verdict.reason, look_ups[i].want);
        assert_int_equal(nss.left, 0);
    }
    nss.wanted = 0;
}

static const struct {
    const char *name, *user;
    int error;
    bool want;
} roots[] = {
    { "root", "root", 0, true },
    { "in any case of its letters", "rOOt", 0, true },
    { "an account with another uid", "daemon", 0, false },
    { "a name that nobody has", "no-such-user-here", 0, false },
    { "an account that NSS cannot tell now", "daemon", EMFILE, true },
    { "another account with uid 0", "bin", -1, true },
    { "an account of uid 0 that a directory gives for another spelling", "BIN", -1, true },
};

static void rule_22_who_may_be_root(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(roots); i++) {
        ROW(roots[i].name);
        nss.makes_root = roots[i].error < 0;
        nss.error = roots[i].error;
        nss.left = roots[i].error > 0;
        assert_int_equal(identity_may_be_root(slice_of(roots[i].user)), roots[i].want);
        nss.makes_root = false;
    }
}

/* svc-a and svc-b both list s-both. */
static void a_hint_picks_one_of_several_blocks_and_means_nothing_else(void **state)
{
    static const struct {
        const char *name, *sub, *hint;
        enum reason want;
        const char *user;
    } cases[] = {
        { "none", "\"s-both\"", NULL, REASON_USER_AMBIGUOUS, NULL },
        { "the first", "\"s-both\"", "svc-a", REASON_UNDECIDED, "svc-a" },
        { "the second", "\"s-both\"", "svc-b", REASON_UNDECIDED, "svc-b" },
        { "another one", "\"s-both\"", "alice", REASON_USER_AMBIGUOUS, NULL },
        { "one where there is no choice", "\"s-alice\"", "svc-a", REASON_UNDECIDED, "alice" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const struct member changes[CHANGES_MAX] = { { "sub", cases[i].sub } };
        char *text = object_text(valid, COUNT(valid), changes);
        struct verdict verdict = VERDICT_INIT;
        struct identity identity;
        struct json *json = NULL;
        struct claims claims;
        enum json_error error;

        ROW(cases[i].name);
        assert_true(json_parse(slice_of(text), &json, &error));
        assert_true(claims_read(&verdict, json, &policy, &claims));
        assert_int_equal(identity_map(&verdict, &rules, &claims, &policy, NULL, cases[i].hint, &identity),
                         cases[i].user != NULL);
        assert_int_equal(verdict.reason, cases[i].want);
        if (cases[i].user != NULL)
            assert_string_equal(identity.user, cases[i].user);
        json_free(&json);
        free(text);
    }
}

static void the_block_of_an_account_in_whatever_spelling(void **state)
{
    struct user_block block = { TEXT("bin"), EVERY_TENANT, LIST(TEXT("s")), false };
    struct identity_rules one = { .users = &block, .user_count = 1 };
    const struct user_block *found = NULL;
    struct verdict verdict = VERDICT_INIT;
    struct identity identity = { .user = "BIN", .user_is_explicit = true };

    (void)state;
    assert_true(identity_index(&one, &arena));
    ROW("its own: NSS is not asked, and need not work");
    nss.error = EIO;
    nss.left = 1;
    assert_true(identity_account_block(&verdict, &one, "bin", &found));
    assert_ptr_equal(found, &block);
    ROW("another one, while NSS cannot tell");
    assert_false(identity_account_block(&verdict, &one, "BIN", &found));
    assert_int_equal(verdict.reason, REASON_SYSTEM_ERROR);
    assert_string_equal(verdict.evidence, "NSS cannot look up user BIN now: Input/output error");
    ROW("a name that nobody has");
    assert_true(identity_account_block(&verdict, &one, "no-such-user-here", &found));
    assert_null(found);
    ROW("another one, for which the directory has the account");
    nss.makes_root = true;
    assert_true(identity_account_block(&verdict, &one, "BIN", &found));
    assert_ptr_equal(found, &block);
    ROW("a token opens no account by another spelling");
    verdict = VERDICT_INIT;
    assert_false(identity_check_account(&verdict, &identity));
    assert_int_equal(verdict.reason, REASON_USER_UNKNOWN);
    nss.makes_root = false;
}

static void a_block_is_found_by_its_whole_name(void **state)
{
    (void)state;
    assert_ptr_equal(identity_user_block(&rules, "svc-b"), &users[3]);
    assert_null(identity_user_block(&rules, "svc-"));
    assert_null(identity_user_block(&rules, "SVC-B"));
    assert_null(identity_user_block(&rules, ""));
}

static int compile_patterns(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(maps); i++)
        if (pattern_compile(maps[i].pattern, &maps[i].compiled) != 0)
            return -1;
    return identity_index(&rules, &arena) ? 0 : -1;
}

static int free_patterns(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(maps); i++)
        pattern_free(&maps[i].compiled);
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_22_the_user_comes_from_a_block_or_an_anchored_pattern),
        cmocka_unit_test(rule_04_a_broken_value_is_mapped_to_nobody),
        cmocka_unit_test(rule_24_groups_are_matched_by_their_stable_value),
        cmocka_unit_test(no_rules_open_nothing),
        cmocka_unit_test(rule_22_names_are_those_of_the_system),
        cmocka_unit_test(rule_22_the_user_exists_and_uid_0_is_explicit),
        cmocka_unit_test(rule_32_a_failed_look_up_refuses),
        cmocka_unit_test(rule_22_who_may_be_root),
        cmocka_unit_test(a_hint_picks_one_of_several_blocks_and_means_nothing_else),
        cmocka_unit_test(the_block_of_an_account_in_whatever_spelling),
        cmocka_unit_test(a_block_is_found_by_its_whole_name),
    };

    return cmocka_run_group_tests(tests, compile_patterns, free_patterns);
}
