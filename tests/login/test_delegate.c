#include "tests/support/fixture.h"

#include "base/cleanup.h"
#include "config/snapshot.h"
#include "login/delegate.h"

/* A verdict and a login as latchkeyd has them, the answer that it makes of them, and what the host reads in it. */

static struct {
    struct verdict verdict;
    struct login login;
} sent, got;

static void set_sent(void)
{
    sent.verdict = VERDICT_INIT;
    sent.verdict.credential = "jwt";
    sent.verdict.reason = REASON_OK;
    strcpy(sent.verdict.tenant, "t-1");
    strcpy(sent.verdict.subject, "sub-1");
    strcpy(sent.verdict.kid, "k-1");
    strcpy(sent.verdict.jti, "j-1");
    strcpy(sent.verdict.user, "alice");
    sent.verdict.has_expiry = true;
    sent.verdict.expiry = 1000300;
    sent.login = (struct login){ .credential = "jwt", .authzid = "bob" };
    strcpy(sent.login.identity.user, "alice");
    strcpy(sent.login.identity.groups[0], "ops");
    strcpy(sent.login.identity.groups[1], "mail");
    sent.login.identity.group_count = 2;
}

/* What the host makes of an answer with this reason and this text of a login. */
static enum reason hear(const char *user, const char *reason, const char *login)
{
    const struct attempt attempt = { .user = user };
    CLEANUP(json_free) struct json *json = NULL;
    struct latchkeyd_answer answer;
    const char *error;
    char *text;

    assert_true(asprintf(&text, "{\"answer\":\"%s\",\"login\":%s}", reason, login) > 0);
    if (!latchkeyd_answer_read(LATCHKEYD_AUTHENTICATE, slice_of(text), &json, &answer, &error))
        fail_msg("%s", error);
    free(text);
    got.verdict = VERDICT_INIT;
    memset(&got.login, 0, sizeof got.login);
    delegate_take(&got.verdict, &answer, &attempt, &got.login);
    return got.verdict.reason;
}

static enum reason travel(bool is_accepted)
{
    CLEANUP(json_free) struct json *facts = delegate_login(&sent.verdict, is_accepted ? &sent.login : NULL);

    assert_non_null(facts);
    return hear("alice", reason_name(sent.verdict.reason), json_print(facts, false));
}

static void a_login_travels_whole(void **state)
{
    (void)state;
    set_sent();
    assert_int_equal(travel(true), REASON_OK);
    assert_string_equal(got.verdict.credential, "jwt");
    assert_string_equal(got.verdict.tenant, "t-1");
    assert_string_equal(got.verdict.subject, "sub-1");
    assert_string_equal(got.verdict.kid, "k-1");
    assert_string_equal(got.verdict.jti, "j-1");
    assert_string_equal(got.verdict.user, "alice");
    assert_true(got.verdict.has_expiry);
    assert_int_equal(got.verdict.expiry, 1000300);
    assert_string_equal(got.login.credential, "jwt");
    assert_string_equal(got.login.tenant, "t-1");
    assert_string_equal(got.login.subject, "sub-1");
    assert_string_equal(got.login.identity.user, "alice");
    assert_string_equal(got.login.authzid, "bob");
    assert_int_equal(got.login.identity.group_count, 2);
    assert_string_equal(got.login.identity.groups[0], "ops");
    assert_string_equal(got.login.identity.groups[1], "mail");
    ROW("one by an API key, without groups, of a token without an end and without names");
    set_sent();
    sent.verdict.credential = "api_key";
    sent.verdict.has_expiry = false;
    sent.verdict.jti[0] = sent.verdict.kid[0] = '\0';
    sent.login.identity.group_count = 0;
    assert_int_equal(travel(true), REASON_OK);
    assert_string_equal(got.verdict.credential, "api_key");
    assert_string_equal(got.verdict.jti, "");
    assert_string_equal(got.verdict.kid, "");
    assert_false(got.verdict.has_expiry);
    assert_int_equal(got.login.identity.group_count, 0);
}

static void a_refusal_travels_as_far_as_it_got(void **state)
{
    (void)state;
    set_sent();
    sent.verdict.reason = REASON_TOKEN_EXPIRED;
    sent.verdict.user[0] = '\0';
    assert_int_equal(travel(false), REASON_TOKEN_EXPIRED);
    assert_string_equal(got.verdict.tenant, "t-1");
    assert_string_equal(got.verdict.subject, "sub-1");
    assert_string_equal(got.verdict.user, "");
    assert_int_equal(got.verdict.expiry, 1000300);
}

static void as_many_groups_travel_as_a_configuration_has(void **state)
{
    size_t i;

    (void)state;
    set_sent();
    for (i = 0; i < IDENTITY_GROUPS_MAX; i++)
        snprintf(sent.login.identity.groups[i], sizeof sent.login.identity.groups[i], "g%zu", i);
    sent.login.identity.group_count = IDENTITY_GROUPS_MAX;
    assert_int_equal(travel(true), REASON_OK);
    assert_int_equal(got.login.identity.group_count, IDENTITY_GROUPS_MAX);
    assert_string_equal(got.login.identity.groups[IDENTITY_GROUPS_MAX - 1], "g255");
}

static void more_groups_are_none(void **state)
{
    char text[8192];
    size_t len, i;

    (void)state;
    len = (size_t)snprintf(text, sizeof text, "{\"user\":\"alice\",\"authzid\":\"alice\",\"groups\":[\"g\"");
    for (i = 0; i < IDENTITY_GROUPS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, ",\"g\"");
    snprintf(text + len, sizeof text - len, "]}");
    assert_int_equal(hear("alice", "ok", text), REASON_LATCHKEYD_UNAVAILABLE);
}

static void rule_23_a_login_that_could_be_none_is_none(void **state)
{
    static const struct {
        const char *name, *user, *login;
        enum reason want;
    } cases[] = {
        { "the least", "alice", "{\"user\":\"alice\",\"authzid\":\"alice\"}", REASON_OK },
        { "of any user, when none was named", NULL, "{\"user\":\"alice\",\"authzid\":\"alice\"}", REASON_OK },
        { "of another user", "alice", "{\"user\":\"bob\",\"authzid\":\"alice\"}", REASON_USER_MISMATCH },
        { "of a user whose name is longer", "alice", "{\"user\":\"alice2\",\"authzid\":\"alice\"}",
          REASON_USER_MISMATCH },
        { "of the beginning of its name", "alice", "{\"user\":\"alic\",\"authzid\":\"alice\"}", REASON_USER_MISMATCH },
        { "of no user", NULL, "{\"authzid\":\"alice\"}", REASON_LATCHKEYD_UNAVAILABLE },
        { "of a user that no host has", NULL, "{\"user\":\"a b\",\"authzid\":\"alice\"}",
          REASON_LATCHKEYD_UNAVAILABLE },
        { "without an authzid", "alice", "{\"user\":\"alice\"}", REASON_LATCHKEYD_UNAVAILABLE },
        { "with an empty one", "alice", "{\"user\":\"alice\",\"authzid\":\"\"}", REASON_LATCHKEYD_UNAVAILABLE },
        { "with one of control characters", "alice", "{\"user\":\"alice\",\"authzid\":\"a\\nb\"}",
          REASON_LATCHKEYD_UNAVAILABLE },
        { "with a group that is no name", "alice",
          "{\"user\":\"alice\",\"authzid\":\"alice\",\"groups\":[\"ops\",\"a b\"]}", REASON_LATCHKEYD_UNAVAILABLE },
        { "with a group that is no string", "alice", "{\"user\":\"alice\",\"authzid\":\"alice\",\"groups\":[7]}",
          REASON_LATCHKEYD_UNAVAILABLE },
    };
    char authzid[SUBJECT_MAX + 2], text[512];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_int_equal(hear(cases[i].user, "ok", cases[i].login), cases[i].want);
    }
    for (i = SUBJECT_MAX; i <= SUBJECT_MAX + 1; i++) {
        ROW(i == SUBJECT_MAX ? "with the longest authzid" : "with one byte more");
        memset(authzid, 'a', i);
        authzid[i] = '\0';
        snprintf(text, sizeof text, "{\"user\":\"alice\",\"authzid\":\"%s\"}", authzid);
        assert_int_equal(hear("alice", "ok", text), i == SUBJECT_MAX ? REASON_OK : REASON_LATCHKEYD_UNAVAILABLE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_login_travels_whole),
        cmocka_unit_test(a_refusal_travels_as_far_as_it_got),
        cmocka_unit_test(as_many_groups_travel_as_a_configuration_has),
        cmocka_unit_test(more_groups_are_none),
        cmocka_unit_test(rule_23_a_login_that_could_be_none_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
