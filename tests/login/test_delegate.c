#include "tests/support/unit.h"

#include "base/cleanup.h"
#include "login/delegate.h"

/* A verdict and a login as latchkeyd has them, the answer that it makes of them, and what the host reads in it. */

static struct {
    struct verdict verdict;
    struct login login;
} sent, got;

static void set_sent(void)
{
    sent.verdict = VERDICT_INIT;
    verdict_accept(&sent.verdict);
    sent.login = (struct login){
        .credential = "api_key",
        .tenant = "t-1",
        .subject = "sub-1",
        .jti = "j-1",
        .kid = "k-1",
        .has_issued_at = true,
        .issued_at = 1000000.5,
        .has_auth_time = true,
        .auth_time = 999000,
        .has_expires = true,
        .expires = 1000300,
        .identity = { .user = "alice", .user_is_explicit = true, .group_count = 2, .groups = { "ops", "mail" } },
        .authzid = "bob",
    };
    login_tell_facts(&sent.login, &sent.verdict);
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

static void assert_same_facts(void)
{
    assert_string_equal(got.verdict.credential, sent.verdict.credential);
    assert_string_equal(got.verdict.tenant, sent.verdict.tenant);
    assert_string_equal(got.verdict.subject, sent.verdict.subject);
    assert_string_equal(got.verdict.kid, sent.verdict.kid);
    assert_string_equal(got.verdict.jti, sent.verdict.jti);
    assert_string_equal(got.verdict.user, sent.verdict.user);
    assert_int_equal(got.verdict.has_expiry, sent.verdict.has_expiry);
    assert_int_equal(got.verdict.expiry, sent.verdict.expiry);
}

static void a_login_travels_whole(void **state)
{
    (void)state;
    set_sent();
    assert_int_equal(travel(true), REASON_OK);
    assert_same_facts();
    assert_string_equal(got.login.jti, "j-1");
    assert_string_equal(got.login.kid, "k-1");
    assert_true(got.login.has_issued_at && got.login.issued_at == 1000000.5);
    assert_true(got.login.has_auth_time && got.login.auth_time == 999000);
    assert_true(got.login.expires == 1000300);
    assert_true(got.login.identity.user_is_explicit);
    assert_string_equal(got.login.authzid, "bob");
    assert_int_equal(got.login.identity.group_count, 2);
    assert_string_equal(got.login.identity.groups[1], "mail");
}

static void a_refusal_travels_as_far_as_it_got(void **state)
{
    (void)state;
    set_sent();
    sent.verdict.reason = REASON_TOKEN_EXPIRED;
    sent.verdict.user[0] = '\0';
    assert_int_equal(travel(false), REASON_TOKEN_EXPIRED);
    assert_same_facts();
    ROW("which may be nowhere");
    sent.verdict = VERDICT_INIT;
    verdict_reject(&sent.verdict, REASON_TOKEN_MALFORMED, "not three parts");
    assert_int_equal(travel(false), REASON_TOKEN_MALFORMED);
    assert_same_facts();
    assert_string_equal(got.verdict.credential, "none");
}

#define LOGIN(user)                                                    \
    "{\"credential\":\"jwt\",\"tenant\":\"t\",\"subject\":\"s\"," user \
    "\"groups\":[],\"authzid\":\"alice\",\"expires\":1}"

static void rule_23_nobody_opens_another_account_whoever_decides(void **state)
{
    static const struct {
        const char *name, *user, *login;
        enum reason want;
    } cases[] = {
        { "the user that was named", "alice", LOGIN("\"user\":\"alice\","), REASON_OK },
        { "any user, when none was named", NULL, LOGIN("\"user\":\"alice\","), REASON_OK },
        { "another user", "alice", LOGIN("\"user\":\"root\","), REASON_USER_MISMATCH },
        { "the beginning of its name", "alice", LOGIN("\"user\":\"alic\","), REASON_USER_MISMATCH },
        { "more than its name", "alice", LOGIN("\"user\":\"alice2\","), REASON_USER_MISMATCH },
        { "no user", "alice", LOGIN(""), REASON_LATCHKEYD_UNAVAILABLE },
        { "no user, and none was named", NULL, LOGIN(""), REASON_LATCHKEYD_UNAVAILABLE },
        { "a user that no host has", NULL, LOGIN("\"user\":\"a b\","), REASON_LATCHKEYD_UNAVAILABLE },
        { "a login that lacks all", NULL, "{}", REASON_LATCHKEYD_UNAVAILABLE },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_int_equal(hear(cases[i].user, "ok", cases[i].login), cases[i].want);
    }
    assert_string_equal(got.verdict.evidence,
                        "the answer of latchkeyd: the login's \"credential\" is missing or not valid");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_login_travels_whole),
        cmocka_unit_test(a_refusal_travels_as_far_as_it_got),
        cmocka_unit_test(rule_23_nobody_opens_another_account_whoever_decides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
