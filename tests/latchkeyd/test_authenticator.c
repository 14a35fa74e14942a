#include "tests/support/clock_double.h"
#include "tests/support/fixture.h"

#include <time.h>

#include "base/clock.h"
#include "config/snapshot.h"
#include "latchkeyd/authenticator.h"

#define API_KEY "api-key-0123456789abcdef"

/*
 * In place of exchange.c and keysets.c: what is asked of them, and who waits for the answer that the test gives. None
 * of them is linked.
 */
static struct {
    char tenant[32], subject[32];
    exchange_done *done;
    void *context;
    int64_t until_ms;
    unsigned asked;
} exchanged, looked;

int exchange_timeout_ms(const struct config *by)
{
    return (int)by->latchkeyd.timeout * 1000 - 250;
}

void exchange_ask(struct exchange *exchange, const struct config *by, uid_t uid,
                  const struct latchkeyd_question *question, int timeout_ms, exchange_done *done, void *context)
{
    (void)exchange, (void)by;
    assert_int_equal(uid, 4711);
    exchanged.until_ms = clock_ms() + timeout_ms;
    snprintf(exchanged.tenant, sizeof exchanged.tenant, "%.*s", SLICE_ARG(question->tenant));
    snprintf(exchanged.subject, sizeof exchanged.subject, "%.*s", SLICE_ARG(question->subject));
    exchanged.done = done;
    exchanged.context = context;
    exchanged.asked++;
}

void keysets_ask(struct keysets *keysets, const struct config *by, uid_t uid, struct slice tenant_id, int64_t now_ms,
                 int64_t until_ms, keysets_done *done, void *context)
{
    (void)keysets, (void)by;
    assert_int_equal(uid, 4711);
    assert_in_range(clock_ms() - now_ms, 0, 1000);
    looked.until_ms = until_ms;
    snprintf(looked.tenant, sizeof looked.tenant, "%.*s", SLICE_ARG(tenant_id));
    looked.done = done;
    looked.context = context;
    looked.asked++;
}

/* In place of the C library's: a host whose clock the test sets forward. */
static int64_t clock_ahead;

time_t time(time_t *ret)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += clock_ahead;
    if (ret != NULL)
        *ret = now.tv_sec;
    return now.tv_sec;
}

static struct signer *known, *unknown; /* whose key is in the set, and whose is in that of `newer` alone */
static const struct config *config, *newer;

/* What the authenticator gets when it asks for the newest configuration; NULL: it cannot be used. */
static const struct config *newest;

static const struct config *newest_config(void *server, struct verdict *verdict)
{
    (void)server;
    if (newest == NULL)
        verdict_reject(verdict, REASON_CONFIG_INVALID, "latchkey.conf:7: no such option 'bogus'");
    return newest;
}

static const struct authenticator authenticator = { .config = newest_config };

static struct {
    enum reason reason;
    char evidence[EVIDENCE_MAX], user[USER_MAX + 1];
    unsigned count;
} outcome;

static void keep_outcome(void *context, const struct verdict *verdict, const struct login *login)
{
    assert_ptr_equal(context, &outcome);
    assert_int_equal(login != NULL, verdict->reason == REASON_OK);
    outcome.reason = verdict->reason;
    memcpy(outcome.evidence, verdict->evidence, sizeof outcome.evidence);
    snprintf(outcome.user, sizeof outcome.user, "%s", login != NULL ? login->identity.user : "");
    outcome.count++;
}

/* As latchkeyd does, whose clock is the host's. */
static void judge(const char *user, const char *credential)
{
    const struct attempt attempt = { .service = "imap", .user = user, .now = time(NULL) };

    outcome.count = exchanged.asked = looked.asked = 0;
    authenticator_judge(&authenticator, 4711, &attempt, slice_of(credential), keep_outcome, &outcome);
}

static void assert_outcome(enum reason reason)
{
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.reason, reason);
}

static void answer_exchange(const char *token)
{
    const struct latchkeyd_answer answer = { .reason = REASON_OK, .token = slice_of(token) };

    assert_int_equal(exchanged.asked, 1);
    exchanged.done(exchanged.context, &answer);
}

static void answer_look(enum reason reason, const char *detail)
{
    struct latchkeyd_answer answer = { .reason = reason };

    assert_int_equal(looked.asked, 1);
    snprintf(answer.detail, sizeof answer.detail, "%s", detail);
    looked.done(looked.context, &answer);
}

/* A token of bin's that is made, and lives, so many seconds from now. malloc'ed. */
static char *token_from(const struct signer *signer, const char *kid, int made_in, int lives)
{
    const long long now = (long long)time(NULL);
    char *header, *payload, *token;

    assert_true(asprintf(&header, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", kid) > 0);
    assert_true(asprintf(&payload,
                         "{\"iss\":\"https://auth.example.com/tenant/t-1/v2.0/Auth\",\"aud\":\"t-1\","
                         "\"sub\":\"sub-bin\",\"https://agglestone.com/tenantId\":\"t-1\",\"iat\":%lld,\"exp\":%lld}",
                         now + made_in, now + made_in + lives)
                > 0);
    token = signer_token(signer, "ES256", slice_of(header), slice_of(payload));
    assert_non_null(token);
    free(header);
    free(payload);
    return token;
}

#define CONFIG(keys)                                                                           \
    "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/" keys "\" leeway = 0 }\n" \
    "user \"bin\" { sub = {\"sub-bin\"} api_key = true }\n"                                    \
    "service \"imap\" { credentials = {\"jwt\", \"api_key\"} }\n"                              \
    "latchkeyd { timeout = 3 }\n"                                                              \
    "revocation_list = \"~/revoked\"\n"

static void rule_25_an_api_key_becomes_a_token_that_is_judged(void **state)
{
    char *token = token_from(known, "k", 0, 300);

    (void)state;
    judge("bin", API_KEY);
    assert_int_equal(outcome.count, 0);
    assert_string_equal(exchanged.tenant, "t-1");
    assert_string_equal(exchanged.subject, "sub-bin");
    answer_exchange(token);
    assert_outcome(REASON_OK);
    assert_string_equal(outcome.user, "bin");
    free(token);
}

static void rule_21_a_key_that_is_not_in_the_set_is_looked_for(void **state)
{
    char *token = token_from(unknown, "k-unknown", 0, 300);

    (void)state;
    ROW("in vain");
    judge("bin", token);
    assert_string_equal(looked.tenant, "t-1");
    assert_int_equal(outcome.count, 0);
    answer_look(REASON_OK, "");
    assert_outcome(REASON_KEY_UNKNOWN);
    ROW("nobody could look");
    judge("bin", token);
    answer_look(REASON_TENANT_UNAVAILABLE, "status 500");
    assert_outcome(REASON_KEY_UNKNOWN);
    assert_non_null(strstr(outcome.evidence, "no newer key set: status 500"));
    ROW("and is found");
    judge("bin", token);
    newest = newer;
    answer_look(REASON_OK, "");
    assert_outcome(REASON_OK);
    newest = config;
    free(token);
}

static void rule_21_a_key_set_that_is_missing_is_looked_for(void **state)
{
    static const struct {
        const char *name, *keys; /* the text of the file; NULL: none */
    } cases[] = { { "no file", NULL }, { "a broken one", "{" } };
    char *token = token_from(unknown, "k-unknown", 0, 300);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const struct config *without;

        ROW(cases[i].name);
        if (cases[i].keys != NULL)
            write_file("no-keys", cases[i].keys);
        without = config_of(CONFIG("no-keys"));
        newest = without;
        judge("bin", token);
        assert_string_equal(looked.tenant, "t-1");
        newest = newer;
        answer_look(REASON_OK, "");
        assert_outcome(REASON_OK);
        ROW("also after an exchange");
        newest = without;
        judge("bin", API_KEY);
        answer_exchange(token);
        newest = newer;
        answer_look(REASON_OK, "");
        assert_outcome(REASON_OK);
        config_release(&without);
    }
    ROW("a tenant that publishes none is not looked for");
    {
        const struct config *secret = config_of(
            "tenant \"t-1\" { issuer = \"https://auth.example.com/tenant/t-1/v2.0/Auth\" audience = {\"t-1\"}\n"
            "  keys = \"~/nothing\" leeway = 0 }\n"
            "user \"bin\" { sub = {\"sub-bin\"} }\nrevocation_list = \"~/revoked\"\n");

        newest = secret;
        judge("bin", token);
        assert_int_equal(looked.asked, 0);
        assert_outcome(REASON_JWKS_UNAVAILABLE);
        config_release(&secret);
    }
    newest = config;
    free(token);
}

static void rule_35_no_configuration_no_login(void **state)
{
    char *token = token_from(unknown, "k-unknown", 0, 300);

    (void)state;
    ROW("it cannot be used at first");
    newest = NULL;
    judge("bin", API_KEY);
    assert_int_equal(exchanged.asked, 0);
    assert_outcome(REASON_CONFIG_INVALID);
    assert_string_equal(outcome.evidence, "latchkey.conf:7: no such option 'bogus'");
    ROW("it cannot be used any more after a look for keys");
    newest = config;
    judge("bin", token);
    newest = NULL;
    answer_look(REASON_OK, "");
    assert_outcome(REASON_CONFIG_INVALID);
    newest = config;
    free(token);
}

/* The leeway is 0. */
static void a_wait_is_time_that_passes(void **state)
{
    char *token;

    (void)state;
    ROW("a token that was made during the exchange is not of the future");
    token = token_from(known, "k", 2, 300);
    judge("bin", API_KEY);
    clock_ahead += 2;
    answer_exchange(token);
    assert_outcome(REASON_OK);
    free(token);
    ROW("but one that will be made later is");
    token = token_from(known, "k", 30, 300);
    judge("bin", API_KEY);
    clock_ahead += 2;
    answer_exchange(token);
    assert_outcome(REASON_TOKEN_FROM_FUTURE);
    free(token);
    ROW("nor is one that became good during a look for its key");
    token = token_from(unknown, "k-unknown", 2, 300);
    judge("bin", token);
    clock_ahead += 2;
    newest = newer;
    answer_look(REASON_OK, "");
    assert_outcome(REASON_OK);
    newest = config;
    free(token);
    ROW("one that ended during it is refused");
    token = token_from(unknown, "k-unknown", 0, 20);
    judge("bin", token);
    clock_ahead += 20;
    newest = newer;
    answer_look(REASON_OK, "");
    assert_outcome(REASON_TOKEN_EXPIRED);
    newest = config;
    free(token);
}

static void rule_27_one_deadline_is_for_all_that_is_waited_for(void **state)
{
    char *token = token_from(unknown, "k-unknown", 0, 300);
    int64_t before = clock_ms(), after;

    (void)state;
    ROW("a look alone");
    judge("bin", token);
    assert_in_range(looked.until_ms, before + 2750, clock_ms() + 2750);
    answer_look(REASON_TENANT_UNAVAILABLE, "the refresh of the key set is not finished");
    assert_outcome(REASON_KEY_UNKNOWN);
    ROW("a look after an exchange gets what is left");
    before = clock_ms();
    judge("bin", API_KEY);
    after = clock_ms();
    assert_in_range(exchanged.until_ms, before + 2750, after + 2750);
    clock_advance_ms(50);
    answer_exchange(token);
    assert_in_range(looked.until_ms, before + 2750, after + 2750);
    answer_look(REASON_TENANT_UNAVAILABLE, "the refresh of the key set is not finished");
    assert_outcome(REASON_KEY_UNKNOWN);
    free(token);
}

static int set_up(void **state)
{
    struct json *jwks[2];

    (void)state;
    known = signer_generate("ES256", 0);
    unknown = signer_generate("ES256", 0);
    if (known == NULL || unknown == NULL || directory_make() != 0)
        return -1;
    jwks[0] = signer_jwk(known, "k", "ES256");
    write_key_set("keys", jwks, 1);
    jwks[0] = signer_jwk(known, "k", "ES256");
    jwks[1] = signer_jwk(unknown, "k-unknown", "ES256");
    write_key_set("newer-keys", jwks, 2);
    write_file("revoked", "");
    config = newest = config_of(CONFIG("keys"));
    newer = config_of(CONFIG("newer-keys"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    config_release(&config);
    config_release(&newer);
    signer_free(&known);
    signer_free(&unknown);
    return directory_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_25_an_api_key_becomes_a_token_that_is_judged),
        cmocka_unit_test(rule_21_a_key_that_is_not_in_the_set_is_looked_for),
        cmocka_unit_test(rule_21_a_key_set_that_is_missing_is_looked_for),
        cmocka_unit_test(rule_35_no_configuration_no_login),
        cmocka_unit_test(a_wait_is_time_that_passes),
        cmocka_unit_test(rule_27_one_deadline_is_for_all_that_is_waited_for),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
