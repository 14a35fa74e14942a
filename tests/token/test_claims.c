#include "tests/support/fixture.h"

#include "token/claims.h"

#define NOW 1000000

static char tenant_id[] = "t-1", tenant_claim[] = "tenant", issuer[] = "https://op.example", sub[] = "sub",
            groups[] = "groups";
static char audience_one[] = "aud-1", audience_two[] = "aud-2", party[] = "cli", scope_one[] = "openid",
            scope_two[] = "login";
static char *audiences[] = { audience_one, audience_two }, *parties[] = { party }, *scopes[] = { scope_one, scope_two };

/* Everything that can be demanded is. */
static const struct claims_policy strict = {
    .tenant_id = tenant_id,
    .tenant_claim = tenant_claim,
    .issuer = issuer,
    .audiences = { audiences, 2 },
    .parties = { parties, 1 },
    .scopes = { scopes, 2 },
    .subject_claim = sub,
    .groups_claim = groups,
    .leeway = 30,
};
/* Nothing is. */
static const struct claims_policy waived = { .tenant_id = tenant_id, .subject_claim = sub, .groups_claim = groups };

static const struct member valid[] = {
    { "sub", "\"alice\"" },
    { "exp", "1000300" },
    { "iat", "999990" },
    { "nbf", "999990" },
    { "jti", "\"j-1\"" },
    { "tenant", "\"t-1\"" },
    { "iss", "\"https://op.example\"" },
    { "aud", "\"aud-1\"" },
    { "azp", "\"cli\"" },
    { "scope", "\"openid login\"" },
    { "groups", "[\"g-1\",\"g-2\"]" },
};

static struct json *payload_with(const struct member *changes)
{
    char *text = object_text(valid, COUNT(valid), changes);
    struct json *json = NULL;
    enum json_error error;

    if (!json_parse(slice_of(text), &json, &error))
        fail_msg("%s: %s", json_error_text(error), text);
    free(text);
    return json;
}

static enum reason all_checks(const struct claims_policy *policy, const struct member *changes, struct verdict *verdict)
{
    struct json *json = payload_with(changes);
    struct claims claims;
    bool ok;

    *verdict = VERDICT_INIT;
    ok = claims_read(verdict, json, policy, &claims) && claims_check_binding(verdict, &claims, policy)
        && claims_check_time(verdict, &claims, policy, NOW);
    assert_int_equal(ok, verdict->reason == REASON_UNDECIDED);
    json_free(&json);
    return verdict->reason;
}

struct row {
    const char *name;
    struct member changes[CHANGES_MAX];
    enum reason want;
    const char *evidence; /* how it begins */
};

static void run(const struct claims_policy *policy, const struct row *rows, size_t count)
{
    struct verdict verdict;
    size_t i;

    for (i = 0; i < count; i++) {
        ROW(rows[i].name);
        assert_int_equal(all_checks(policy, rows[i].changes, &verdict), rows[i].want);
        if (rows[i].evidence != NULL)
            assert_memory_equal(verdict.evidence, rows[i].evidence, strlen(rows[i].evidence));
    }
}

static void what_is_read_is_what_the_payload_says(void **state)
{
    const struct member changes[CHANGES_MAX] = { { "exp", "1000300.75" }, { "nbf", NULL } };
    struct json *json = payload_with(changes);
    struct verdict verdict = VERDICT_INIT;
    struct claims claims;

    (void)state;
    assert_true(claims_read(&verdict, json, &strict, &claims));
    assert_ptr_equal(claims.payload, json);
    assert_true(slice_equal_string(claims.subject, "alice"));
    assert_true(claims.has_jti);
    assert_true(slice_equal_string(claims.jti, "j-1"));
    assert_true(claims.expires == 1000300.75);
    assert_true(claims.has_issued_at);
    assert_true(claims.issued_at == 999990.0);
    assert_false(claims.has_not_before);
    assert_int_equal(claims.group_count, 2);
    assert_true(slice_equal_string(claims_group(&claims, &strict, 0), "g-1"));
    assert_true(slice_equal_string(claims_group(&claims, &strict, 1), "g-2"));
    ROW("the facts");
    assert_string_equal(verdict.subject, "alice");
    assert_string_equal(verdict.jti, "j-1");
    assert_true(verdict.has_expiry);
    assert_int_equal(verdict.expiry, 1000300);
    json_free(&json);
}

static void other_claims_may_be_the_subject_and_the_groups(void **state)
{
    char uid[] = "https://op.example/uid", roles[] = "roles";
    const struct claims_policy policy = { .tenant_id = tenant_id, .subject_claim = uid, .groups_claim = roles };
    const struct member changes[CHANGES_MAX] = { { "sub", "7" },
                                                 { "https://op.example/uid", "\"u-1\"" },
                                                 { "roles", "\"r-1\"" } };
    struct json *json = payload_with(changes);
    struct verdict verdict = VERDICT_INIT;
    struct claims claims;

    (void)state;
    assert_true(claims_read(&verdict, json, &policy, &claims));
    assert_true(slice_equal_string(claims.subject, "u-1"));
    assert_int_equal(claims.group_count, 1);
    assert_true(slice_equal_string(claims_group(&claims, &policy, 0), "r-1"));
    json_free(&json);
}

static const struct row bindings[] = {
    { "all that is demanded is there", { { NULL, NULL } }, REASON_UNDECIDED, NULL },
    { "tenant claim absent", { { "tenant", NULL } }, REASON_CLAIM_MISSING, "tenant" },
    { "tenant claim of another", { { "tenant", "\"t-2\"" } }, REASON_TENANT_MISMATCH, "tenant=t-2" },
    { "tenant claim that begins so", { { "tenant", "\"t-1 \"" } }, REASON_TENANT_MISMATCH, NULL },
    { "tenant claim a number", { { "tenant", "1" } }, REASON_CLAIM_INVALID, "tenant" },
    { "tenant claim an array", { { "tenant", "[\"t-1\"]" } }, REASON_CLAIM_INVALID, "tenant" },
    { "iss absent", { { "iss", NULL } }, REASON_CLAIM_MISSING, "iss" },
    { "iss with a slash behind",
      { { "iss", "\"https://op.example/\"" } },
      REASON_ISSUER_UNTRUSTED,
      "iss=https://op.ex" },
    { "iss in capitals", { { "iss", "\"HTTPS://op.example\"" } }, REASON_ISSUER_UNTRUSTED, NULL },
    { "iss that begins so", { { "iss", "\"https://op.example.evil.org\"" } }, REASON_ISSUER_UNTRUSTED, NULL },
    { "iss empty", { { "iss", "\"\"" } }, REASON_ISSUER_UNTRUSTED, NULL },
    { "iss an array", { { "iss", "[\"https://op.example\"]" } }, REASON_CLAIM_INVALID, "iss" },
    { "aud absent", { { "aud", NULL } }, REASON_CLAIM_MISSING, "aud" },
    { "aud the second of two", { { "aud", "\"aud-2\"" } }, REASON_UNDECIDED, NULL },
    { "aud of another", { { "aud", "\"aud-3\"" } }, REASON_AUDIENCE_MISMATCH, "aud=aud-3" },
    { "aud an array with one that fits", { { "aud", "[\"x\",\"aud-2\",\"y\"]" } }, REASON_UNDECIDED, NULL },
    { "aud an array with none that fits",
      { { "aud", "[\"x\",\"y\"]" } },
      REASON_AUDIENCE_MISMATCH,
      "aud=y and others" },
    { "aud an empty array", { { "aud", "[]" } }, REASON_AUDIENCE_MISMATCH, NULL },
    { "aud an array with a number behind one that fits", { { "aud", "[\"aud-1\",1]" } }, REASON_CLAIM_INVALID, "aud" },
    { "aud an array in an array", { { "aud", "[[\"aud-1\"]]" } }, REASON_CLAIM_INVALID, "aud" },
    { "aud an object", { { "aud", "{\"aud-1\":1}" } }, REASON_CLAIM_INVALID, "aud" },
    { "aud null", { { "aud", "null" } }, REASON_CLAIM_INVALID, "aud" },
    { "azp absent", { { "azp", NULL } }, REASON_CLAIM_MISSING, "azp" },
    { "azp of another", { { "azp", "\"web\"" } }, REASON_PARTY_UNTRUSTED, "azp=web" },
    { "azp an array", { { "azp", "[\"cli\"]" } }, REASON_CLAIM_INVALID, "azp" },
    { "scope absent", { { "scope", NULL } }, REASON_CLAIM_MISSING, "scope" },
    { "scope in another order, with others", { { "scope", "\"a login b openid c\"" } }, REASON_UNDECIDED, NULL },
    { "scope with one of two", { { "scope", "\"openid\"" } }, REASON_SCOPE_MISSING, "login" },
    { "scope that only begins so", { { "scope", "\"openid login2\"" } }, REASON_SCOPE_MISSING, "login" },
    { "scope that only ends so", { { "scope", "\"openid xlogin\"" } }, REASON_SCOPE_MISSING, "login" },
    { "scope in capitals", { { "scope", "\"openid LOGIN\"" } }, REASON_SCOPE_MISSING, "login" },
    { "scope separated by a tab", { { "scope", "\"openid\\tlogin\"" } }, REASON_SCOPE_MISSING, NULL },
    { "scope empty", { { "scope", "\"\"" } }, REASON_SCOPE_MISSING, "openid" },
    { "scope an array", { { "scope", "[\"openid\",\"login\"]" } }, REASON_CLAIM_INVALID, "scope" },
};

static void rule_16_17_what_is_configured_is_required(void **state)
{
    (void)state;
    run(&strict, bindings, COUNT(bindings));
}

static const struct row waivers[] = {
    { "another tenant, issuer and audience",
      { { "tenant", "\"t-2\"" }, { "iss", "\"x\"" }, { "aud", "[]" } },
      REASON_UNDECIDED,
      NULL },
    { "no tenant, issuer and audience",
      { { "tenant", NULL }, { "iss", NULL }, { "aud", NULL } },
      REASON_UNDECIDED,
      NULL },
    { "no azp and scope", { { "azp", NULL }, { "scope", NULL } }, REASON_UNDECIDED, NULL },
    { "azp and scope of any type", { { "azp", "1" }, { "scope", "{}" } }, REASON_UNDECIDED, NULL },
    { "but iss no string", { { "iss", "1" } }, REASON_CLAIM_INVALID, "iss" },
    { "but aud with a number", { { "aud", "[\"a\",1]" } }, REASON_CLAIM_INVALID, "aud" },
};

static void what_is_waived_is_not_compared(void **state)
{
    (void)state;
    run(&waived, waivers, COUNT(waivers));
}

static const struct row nul_bytes[] = {
    { "sub", { { "sub", "\"alice\\u0000x\"" } }, REASON_CLAIM_INVALID, "sub" },
    { "jti", { { "jti", "\"j-1\\u0000\"" } }, REASON_CLAIM_INVALID, "jti" },
    { "tenant claim", { { "tenant", "\"t-1\\u0000\"" } }, REASON_CLAIM_INVALID, "tenant" },
    { "iss", { { "iss", "\"https://op.example\\u0000.evil.org\"" } }, REASON_ISSUER_UNTRUSTED, NULL },
    { "aud", { { "aud", "\"aud-1\\u0000\"" } }, REASON_AUDIENCE_MISMATCH, NULL },
    { "azp", { { "azp", "\"cli\\u0000\"" } }, REASON_CLAIM_INVALID, "azp" },
    { "scope", { { "scope", "\"openid login\\u0000\"" } }, REASON_SCOPE_MISSING, "login" },
    { "groups", { { "groups", "[\"g-1\\u0000\"]" } }, REASON_CLAIM_INVALID, "groups[0]" },
    { "a claim that nobody reads", { { "name", "\"a\\u0000\"" } }, REASON_UNDECIDED, NULL },
};

static void rule_04_a_nul_ends_no_value(void **state)
{
    (void)state;
    run(&strict, nul_bytes, COUNT(nul_bytes));
}

static const struct row dates[] = {
    { "exp of 2^53", { { "exp", "9007199254740992" } }, REASON_UNDECIDED, NULL },
    { "exp one beyond 2^53", { { "exp", "9007199254740993" } }, REASON_CLAIM_INVALID, "exp" },
    { "exp one beyond 2^53, with a fraction", { { "exp", "9007199254740993.0" } }, REASON_CLAIM_INVALID, "exp" },
    { "exp two beyond 2^53", { { "exp", "9007199254740994" } }, REASON_CLAIM_INVALID, "exp" },
    { "iat one beyond 2^53", { { "iat", "9007199254740993" } }, REASON_CLAIM_INVALID, "iat" },
    { "auth_time of 2^53", { { "auth_time", "9007199254740992" } }, REASON_UNDECIDED, NULL },
    { "auth_time one beyond 2^53", { { "auth_time", "9007199254740993" } }, REASON_CLAIM_INVALID, "auth_time" },
    { "auth_time with a fraction", { { "auth_time", "999000.5" } }, REASON_UNDECIDED, NULL },
    { "auth_time a string", { { "auth_time", "\"999000\"" } }, REASON_CLAIM_INVALID, "auth_time" },
    { "auth_time null", { { "auth_time", "null" } }, REASON_CLAIM_INVALID, "auth_time" },
    { "nbf one beyond 2^53", { { "nbf", "9007199254740993" } }, REASON_CLAIM_INVALID, "nbf" },
};

static void rule_15_a_date_is_at_most_2_to_the_53(void **state)
{
    (void)state;
    run(&strict, dates, COUNT(dates));
}

static const struct {
    const char *name;
    int64_t leeway, now;
    const char *exp, *nbf;
    enum reason want;
} clocks[] = {
    { "no leeway: the last second before exp", 0, 1000, "1001", NULL, REASON_UNDECIDED },
    { "no leeway: exp itself", 0, 1000, "1000", NULL, REASON_TOKEN_EXPIRED },
    { "no leeway: nbf itself", 0, 1000, "2000", "1000", REASON_UNDECIDED },
    { "no leeway: the second before nbf", 0, 1000, "2000", "1001", REASON_TOKEN_NOT_YET_VALID },
    { "the largest leeway: inside", 300, 1000, "701", NULL, REASON_UNDECIDED },
    { "the largest leeway: outside", 300, 1000, "700", NULL, REASON_TOKEN_EXPIRED },
    { "the clock at the beginning of time", 30, 0, "0", NULL, REASON_UNDECIDED },
    { "the clock at the end of time", 30, INT64_C(9007199254740992), "9007199254740992", "9007199254740992",
      REASON_UNDECIDED },
    { "a clock that no number holds", 30, INT64_MAX, "9007199254740992", NULL, REASON_TOKEN_EXPIRED },
    { "a clock before all numbers", 30, INT64_MIN, "9007199254740992", "0", REASON_TOKEN_NOT_YET_VALID },
};

static void rule_15_the_clock_never_overflows(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(clocks); i++) {
        const struct member changes[CHANGES_MAX] = { { "exp", clocks[i].exp },
                                                     { "nbf", clocks[i].nbf },
                                                     { "iat", "0" } };
        struct claims_policy policy = waived;
        struct verdict verdict = VERDICT_INIT;
        struct json *json = payload_with(changes);
        struct claims claims;

        ROW(clocks[i].name);
        policy.leeway = clocks[i].leeway;
        assert_true(claims_read(&verdict, json, &policy, &claims));
        claims_check_time(&verdict, &claims, &policy, clocks[i].now);
        assert_int_equal(verdict.reason, clocks[i].want);
        json_free(&json);
    }
}

static const struct {
    const char *name, *exp;
    int64_t want;
} ages[] = {
    { "leeway is no age", "999970", 30 },
    { "an hour", "996400", 3600 },
    { "a fraction is rounded up", "999960.9", 40 },
    { "since the beginning of time", "0", NOW },
};

static void the_age_of_an_expired_token_is_counted_from_exp(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(ages); i++) {
        const struct member changes[CHANGES_MAX] = { { "exp", ages[i].exp } };
        struct verdict verdict;

        ROW(ages[i].name);
        assert_int_equal(all_checks(&strict, changes, &verdict), REASON_TOKEN_EXPIRED);
        assert_int_equal(verdict.expired_for, ages[i].want);
    }
}

static void rule_15_18_limits_have_two_sides(void **state)
{
#define A64  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A256 A64 A64 A64 A64
    static const struct row rows[] = {
        { "a subject of 256 bytes", { { "sub", "\"" A256 "\"" } }, REASON_UNDECIDED, NULL },
        { "a subject of 257 bytes", { { "sub", "\"" A256 "a\"" } }, REASON_CLAIM_INVALID, "sub is not a string of 1" },
        { "an empty subject", { { "sub", "\"\"" } }, REASON_CLAIM_INVALID, "sub is not a string of 1" },
        { "a subject that is a number", { { "sub", "1" } }, REASON_CLAIM_INVALID, "sub is not a string of 1" },
        { "exp -1", { { "exp", "-1" } }, REASON_CLAIM_INVALID, "exp is not a number from 0" },
        { "exp beyond all numbers", { { "exp", "1e400" } }, REASON_CLAIM_INVALID, "exp is not a number from 0" },
        { "exp a string", { { "exp", "\"1000300\"" } }, REASON_CLAIM_INVALID, "exp is not a number from 0" },
        { "exp 0", { { "exp", "0" } }, REASON_TOKEN_EXPIRED, "exp=0 now=1000000" },
        { "iat at the end of the leeway", { { "iat", "1000030" } }, REASON_UNDECIDED, NULL },
        { "iat behind it", { { "iat", "1000030.5" } }, REASON_TOKEN_FROM_FUTURE, "iat=1000030.5 now=1000000" },
        { "nbf at the end of the leeway", { { "nbf", "1000030" } }, REASON_UNDECIDED, NULL },
        { "nbf behind it", { { "nbf", "1000030.5" } }, REASON_TOKEN_NOT_YET_VALID, "nbf=1000030.5 now=1000000" },
    };
    static const struct {
        const char *value, *evidence;
    } audience[] = {
        { "\"x\"", "aud=x" },
        { "[\"x\"]", "aud=x" },
        { "[\"y\",\"x\"]", "aud=x and others" },
    };
    struct verdict verdict;
    size_t i;

    (void)state;
    run(&strict, rows, COUNT(rows));
    for (i = 0; i < COUNT(audience); i++) {
        const struct member changes[CHANGES_MAX] = { { "aud", audience[i].value } };

        ROW(audience[i].value);
        assert_int_equal(all_checks(&strict, changes, &verdict), REASON_AUDIENCE_MISMATCH);
        assert_string_equal(verdict.evidence, audience[i].evidence);
    }
}

static void rule_18_at_most_1000_groups(void **state)
{
    char text[8 * (CLAIMS_GROUPS_MAX + 1)] = "[\"g\"";
    const struct member changes[CHANGES_MAX] = { { "groups", text } };
    struct verdict verdict;
    int i;

    (void)state;
    for (i = 1; i < CLAIMS_GROUPS_MAX; i++)
        strcat(text, ",\"g\"");
    strcat(text, "]");
    assert_int_equal(all_checks(&strict, changes, &verdict), REASON_UNDECIDED);
    strcpy(text + strlen(text) - 1, ",\"g\"]");
    assert_int_equal(all_checks(&strict, changes, &verdict), REASON_CLAIM_INVALID);
    assert_string_equal(verdict.evidence, "groups has more than 1000 members");
}

static void rule_42_a_mark_is_a_claim_or_a_value_of_one(void **state)
{
    static const struct {
        const char *name, *value;
        enum reason want;
        const char *evidence;
    } rows[] = {
        { "cnf", "null", REASON_PROOF_REQUIRED, "cnf" },
        { "events", "0", REASON_TYPE_UNSUPPORTED, "events: a security event token, such as a logout token" },
        { "typ", "\"rEFRESH\"", REASON_TYPE_UNSUPPORTED, "typ: a refresh token" },
        { "typ", "\"Refreshed\"", REASON_UNDECIDED, "" },
        { "typ", "{}", REASON_UNDECIDED, "" },
        { "token_type", "\"access\"", REASON_UNDECIDED, "" },
    };
    struct verdict verdict;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        const struct member changes[CHANGES_MAX] = { { rows[i].name, rows[i].value } };

        ROW(rows[i].name);
        assert_int_equal(all_checks(&strict, changes, &verdict), rows[i].want);
        assert_string_equal(verdict.evidence, rows[i].evidence);
    }
    ROW("the line names the subject of a token that lacks all else");
    assert_int_equal(
        all_checks(&strict, (const struct member[CHANGES_MAX]){ { "cnf", "{}" }, { "exp", NULL } }, &verdict),
        REASON_PROOF_REQUIRED);
    assert_string_equal(verdict.subject, "alice");
}

static void evidence_of_a_claim_is_printable(void **state)
{
    const struct member changes[CHANGES_MAX] = { { "iss", "\"a\\nverdict=accept \\u202e\"" } };
    struct verdict verdict;

    (void)state;
    assert_int_equal(all_checks(&strict, changes, &verdict), REASON_ISSUER_UNTRUSTED);
    assert_string_equal(verdict.evidence, "iss=a?verdict=accept ???");
}

static void a_list_holds_whole_strings(void **state)
{
    const struct string_list list = { audiences, 2 }, none = { NULL, 0 };

    (void)state;
    assert_true(string_list_has(&list, LITERAL("aud-2")));
    assert_false(string_list_has(&list, LITERAL("aud-")));
    assert_false(string_list_has(&list, LITERAL("aud-1\0")));
    assert_false(string_list_has(&list, LITERAL("")));
    assert_false(string_list_has(&none, LITERAL("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_what_the_payload_says),
        cmocka_unit_test(other_claims_may_be_the_subject_and_the_groups),
        cmocka_unit_test(rule_16_17_what_is_configured_is_required),
        cmocka_unit_test(what_is_waived_is_not_compared),
        cmocka_unit_test(rule_04_a_nul_ends_no_value),
        cmocka_unit_test(rule_15_a_date_is_at_most_2_to_the_53),
        cmocka_unit_test(rule_15_the_clock_never_overflows),
        cmocka_unit_test(the_age_of_an_expired_token_is_counted_from_exp),
        cmocka_unit_test(rule_15_18_limits_have_two_sides),
        cmocka_unit_test(rule_18_at_most_1000_groups),
        cmocka_unit_test(rule_42_a_mark_is_a_claim_or_a_value_of_one),
        cmocka_unit_test(evidence_of_a_claim_is_printable),
        cmocka_unit_test(a_list_holds_whole_strings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
