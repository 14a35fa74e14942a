#include "tests/support/fixture.h"

#include "config/snapshot.h"
#include "login/decision.h"

/* The machine, driven by hand: each question is answered as the test says, by the configuration that the test says. */

#define NOW     1000000
#define API_KEY "lk_0123456789abcdefghij"
#define SECRET  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct signer *key, *secret;

static void assert_slice(struct slice got, struct slice want)
{
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.bytes, want.bytes, want.len);
}

static struct {
    const struct config *newest; /* NULL: it cannot be used */
    struct decision_driver driver;
    struct decision decision;
    struct verdict verdict;
    struct explanation explanation;
    struct login login;
} run;

static bool acquire(void *context, struct verdict *verdict, const struct config **ret_config)
{
    assert_ptr_equal(context, &run);
    if (run.newest == NULL)
        return verdict_reject(verdict, REASON_CONFIG_INVALID, "latchkey.conf:7: no such option 'bogus'");
    *ret_config = config_hold(run.newest);
    return true;
}

static const struct latchkeyd_question *begin(bool is_host, const struct config *config, const char *user,
                                              const char *credential)
{
    static struct attempt attempt;
    const struct credential whole = credential_whole(slice_of(credential));

    attempt = (struct attempt){ .service = "both", .user = user, .now = NOW };
    run.driver = (struct decision_driver){ is_host, acquire, &run };
    run.verdict = VERDICT_INIT;
    run.explanation.count = 0;
    run.verdict.explanation = &run.explanation;
    verdict_check(&run.verdict, CHECK_CONFIGURATION); /* as `latchkey verify`, which acquires it */
    return decision_begin(&run.decision, &run.driver, config, &attempt, &whole, &run.verdict, &run.login);
}

static const struct latchkeyd_question *answer(enum reason reason, const char *detail)
{
    const struct latchkeyd_answer text = latchkeyd_answer_of(reason, detail);

    return decision_answer(&run.decision, &text, true);
}

static const struct latchkeyd_question *answer_token(const char *token)
{
    const struct latchkeyd_answer text = { .reason = REASON_OK, .token = slice_of(token) };

    return decision_answer(&run.decision, &text, true);
}

static enum reason end(void)
{
    decision_end(&run.decision);
    return run.verdict.reason;
}

/* The checks that were made are told once each, and the last one is the one that refused. */
static void assert_explained(void)
{
    size_t i;

    assert_true(run.explanation.count > 0);
    for (i = 0; i < run.explanation.count; i++) {
        const bool is_last = i + 1 == run.explanation.count;

        if (i > 0)
            assert_true(run.explanation.made[i].check > run.explanation.made[i - 1].check);
        assert_int_equal(run.explanation.made[i].ok, !is_last || run.verdict.reason == REASON_OK);
    }
}

static char *token_by(const struct signer *signer, const char *alg)
{
    char *payload, *header, *token;

    assert_true(asprintf(&header, "{\"alg\":\"%s\",\"kid\":\"k\"}", alg) > 0);
    assert_true(
        asprintf(&payload,
                 "{\"iss\":\"https://auth.example.com/tenant/t-1/v2.0/Auth\",\"aud\":\"t-1\",\"sub\":\"sub-bin\","
                 "\"https://agglestone.com/tenantId\":\"t-1\",\"iat\":%d,\"exp\":%d}",
                 NOW, NOW + 300)
        > 0);
    token = signer_token(signer, alg, slice_of(header), slice_of(payload));
    assert_non_null(token);
    free(header);
    free(payload);
    return token;
}

#define TENANT(id, keys) "tenant \"" id "\" { url = \"https://auth.example.com\" " keys " }\n"
#define T_1              TENANT("t-1", "keys = \"~/keys.json\"") TENANT("t-3", "keys = \"~/keys.json\"")
#define BIN              "user \"bin\" { sub = {\"sub-bin\"} tenant = {\"t-1\"} api_key = true }\n"
#define BOTH             "service \"both\" { credentials = {\"jwt\", \"api_key\"} }\n"
#define NO_LIST          "revocation_list = \"~/revoked\"\n"
#define LIST             "revocation_list = \"~/revoked-bin\"\n"

static void a_newer_configuration_is_asked_again_what_may_be(void **state)
{
    static const struct {
        const char *name, *newer; /* NULL: it cannot be used */
        enum reason key, token;   /* of an API key after the exchange, and of a token after the refresh */
    } rows[] = {
        { "the same", T_1 BIN BOTH NO_LIST, REASON_OK, REASON_OK },
        { "it cannot be used", NULL, REASON_CONFIG_INVALID, REASON_CONFIG_INVALID },
        { "the account no longer takes keys",
          T_1 "user \"bin\" { sub = {\"sub-bin\"} tenant = {\"t-1\"} }\n" BOTH NO_LIST, REASON_CREDENTIAL_NOT_ALLOWED,
          REASON_OK },
        { "the account is gone", T_1 BOTH NO_LIST, REASON_CREDENTIAL_NOT_ALLOWED, REASON_USER_UNMAPPED },
        { "the account has another subject",
          T_1 "user \"bin\" { sub = {\"sub-new\"} tenant = {\"t-1\"} api_key = true }\n" BOTH NO_LIST,
          REASON_CREDENTIAL_NOT_ALLOWED, REASON_USER_UNMAPPED },
        { "the service no longer takes keys", T_1 BIN "service \"both\" { credentials = {\"jwt\"} }\n" NO_LIST,
          REASON_CREDENTIAL_NOT_ALLOWED, REASON_OK },
        { "the service no longer takes tokens", T_1 BIN "service \"both\" { credentials = {\"api_key\"} }\n" NO_LIST,
          REASON_OK, REASON_CREDENTIAL_NOT_ALLOWED },
        { "the service requires a group",
          T_1 BIN "group \"ops\" { tenant = {\"t-1\"} claim = {\"g-ops\"} }\n"
                  "service \"both\" { credentials = {\"jwt\", \"api_key\"} require_group = {\"ops\"} }\n" NO_LIST,
          REASON_GROUP_MISSING, REASON_GROUP_MISSING },
        { "the tenant is gone", TENANT("t-3", "keys = \"~/keys.json\"") BOTH NO_LIST, REASON_TENANT_UNKNOWN,
          REASON_TENANT_MISMATCH },
        { "the subject is revoked", T_1 BIN BOTH LIST, REASON_TOKEN_REVOKED, REASON_TOKEN_REVOKED },
    };
    const struct config *with_keys = config_of(T_1 BIN BOTH NO_LIST);
    const struct config *without_keys = config_of(TENANT("t-1", "keys = \"~/absent\"") BIN BOTH NO_LIST);
    char *token = token_by(key, "ES256");
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        const struct latchkeyd_question *question;

        run.newest = rows[i].newer != NULL ? config_of(rows[i].newer) : NULL;
        ROW(rows[i].name);
        question = begin(true, with_keys, "bin", API_KEY);
        assert_non_null(question);
        assert_int_equal(question->ask, LATCHKEYD_EXCHANGE);
        assert_null(answer_token(token));
        assert_int_equal(end(), rows[i].key);
        assert_string_equal(run.verdict.credential, "api_key");
        assert_explained();
        ROW("a token");
        question = begin(true, without_keys, "bin", token);
        assert_non_null(question);
        assert_int_equal(question->ask, LATCHKEYD_REFRESH);
        assert_null(answer(REASON_OK, ""));
        assert_int_equal(end(), rows[i].token);
        assert_string_equal(run.verdict.credential, "jwt");
        assert_explained();
        config_release(&run.newest);
    }
    config_release(&with_keys);
    config_release(&without_keys);
    free(token);
}

static void each_question_is_asked_at_most_once(void **state)
{
    const struct config *without_keys = config_of(TENANT("t-1", "keys = \"~/absent\"") BIN BOTH NO_LIST);
    const struct latchkeyd_question *question;
    char *token = token_by(key, "ES256");

    (void)state;
    run.newest = without_keys;
    question = begin(true, without_keys, "bin", API_KEY);
    assert_int_equal(question->ask, LATCHKEYD_EXCHANGE);
    assert_slice(question->tenant, LITERAL("t-1"));
    assert_slice(question->subject, LITERAL("sub-bin"));
    assert_slice(question->url, LITERAL("https://auth.example.com"));
    assert_slice(question->secret, LITERAL(API_KEY));
    question = answer_token(token);
    assert_non_null(question);
    assert_int_equal(question->ask, LATCHKEYD_REFRESH);
    assert_slice(question->tenant, LITERAL("t-1"));
    assert_null(answer(REASON_OK, ""));
    assert_int_equal(end(), REASON_JWKS_UNAVAILABLE);
    assert_explained();
    config_release(&without_keys);
    free(token);
}

static void a_refusal_says_why_no_newer_key_set_came(void **state)
{
    static const struct {
        const char *name;
        enum reason answer;
        bool was_heard;
        enum reason want;
        const char *evidence;
    } rows[] = {
        { "the tenant service is down", REASON_TENANT_UNAVAILABLE, true, REASON_JWKS_UNAVAILABLE,
          "no newer key set: it" },
        { "no latchkeyd runs", REASON_LATCHKEYD_UNAVAILABLE, false, REASON_JWKS_UNAVAILABLE, "no newer key set: it" },
        { "latchkeyd does not serve the process", REASON_LATCHKEYD_UNAVAILABLE, true, REASON_LATCHKEYD_UNAVAILABLE,
          "it; jwks_unavailable: " },
    };
    const struct config *without_keys = config_of(TENANT("t-1", "keys = \"~/absent\"") BIN BOTH NO_LIST);
    char *token = token_by(key, "ES256");
    size_t i;

    (void)state;
    run.newest = without_keys;
    for (i = 0; i < COUNT(rows); i++) {
        const struct latchkeyd_answer text = latchkeyd_answer_of(rows[i].answer, "it");

        ROW(rows[i].name);
        assert_non_null(begin(true, without_keys, "bin", token));
        assert_null(decision_answer(&run.decision, &text, rows[i].was_heard));
        assert_int_equal(end(), rows[i].want);
        assert_non_null(strstr(run.verdict.evidence, rows[i].evidence));
    }
    config_release(&without_keys);
    free(token);
}

#define HMAC(file) TENANT("t-1", "hmac_secret_file = \"~/" file "\" algorithms = {\"HS256\"}") BIN BOTH

static void a_signature_that_this_process_cannot_judge_is_asked_for(void **state)
{
    const struct config *kept = config_of(HMAC("absent") NO_LIST), *revoked = config_of(HMAC("absent") LIST);
    const struct config *other = config_of(TENANT(
        "t-2", "hmac_secret_file = \"~/absent\" algorithms = {\"HS256\"}") "user \"bin\" { sub = {\"sub-bin\"} }\n" BOTH
                                               NO_LIST);
    const struct latchkeyd_question *question;
    const struct latchkeyd_answer unheard = latchkeyd_answer_of(REASON_LATCHKEYD_UNAVAILABLE, "no socket");
    char *token = token_by(secret, "HS256");

    (void)state;
    ROW("it holds");
    run.newest = kept;
    question = begin(true, kept, "bin", token);
    assert_non_null(question);
    assert_int_equal(question->ask, LATCHKEYD_SIGNATURE);
    assert_slice(question->tenant, LITERAL("t-1"));
    assert_slice(question->secret, slice_of(token));
    assert_null(answer(REASON_OK, ""));
    assert_int_equal(end(), REASON_OK);
    assert_explained();
    ROW("it holds, and the subject was revoked meanwhile");
    run.newest = revoked;
    assert_non_null(begin(true, kept, "bin", token));
    assert_null(answer(REASON_OK, ""));
    assert_int_equal(end(), REASON_TOKEN_REVOKED);
    assert_explained();
    ROW("it holds by the secret of a tenant that is no longer configured");
    run.newest = other;
    assert_non_null(begin(true, kept, "bin", token));
    assert_null(answer(REASON_OK, ""));
    assert_int_equal(end(), REASON_JWKS_UNAVAILABLE);
    assert_explained();
    ROW("it does not hold");
    run.newest = kept;
    assert_non_null(begin(true, kept, "bin", token));
    assert_null(answer(REASON_SIGNATURE_INVALID, "alg=HS256"));
    assert_int_equal(end(), REASON_SIGNATURE_INVALID);
    assert_explained();
    ROW("latchkeyd does not serve the process");
    assert_non_null(begin(true, kept, "bin", token));
    assert_null(answer(REASON_LATCHKEYD_UNAVAILABLE, "uid 7"));
    assert_int_equal(end(), REASON_LATCHKEYD_UNAVAILABLE);
    ROW("no latchkeyd runs");
    assert_non_null(begin(true, kept, "bin", token));
    assert_null(decision_answer(&run.decision, &unheard, false));
    assert_int_equal(end(), REASON_JWKS_UNAVAILABLE);
    assert_non_null(strstr(run.verdict.evidence, " (no socket)"));
    ROW("latchkeyd has no other to ask");
    assert_null(begin(false, kept, "bin", token));
    assert_int_equal(end(), REASON_JWKS_UNAVAILABLE);
    config_release(&kept);
    config_release(&revoked);
    config_release(&other);
    free(token);
}

static int set_up(void **state)
{
    struct json *set[1];

    (void)state;
    key = signer_generate("ES256", 0);
    secret = signer_from_secret(LITERAL(SECRET));
    if (key == NULL || secret == NULL || directory_make() != 0)
        return -1;
    set[0] = signer_jwk(key, "k", NULL);
    write_key_set("keys.json", set, 1);
    write_file("revoked", "");
    write_file("revoked-bin", "sub sub-bin\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    signer_free(&key);
    signer_free(&secret);
    return directory_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_newer_configuration_is_asked_again_what_may_be),
        cmocka_unit_test(each_question_is_asked_at_most_once),
        cmocka_unit_test(a_refusal_says_why_no_newer_key_set_came),
        cmocka_unit_test(a_signature_that_this_process_cannot_judge_is_asked_for),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
