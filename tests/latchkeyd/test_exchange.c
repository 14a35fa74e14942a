#include "tests/support/clock_double.h"
#include "tests/support/fixture.h"
#include "tests/support/http_double.h"

#include <limits.h>
#include <time.h>

#include "config/snapshot.h"
#include "latchkeyd/exchange.h"

#define API_KEY "api-key-0123456789abcdef"
#define BASE    "https://auth.example.com/tenant/t-1/api/Auth/token-exchange"

static struct signer *signer;
static struct exchange *exchange;
static const struct config *config; /* tenants: t-1 and t-2 with a url, p without; nothing is cached */

static struct {
    enum reason reason;
    char token[1024], detail[EVIDENCE_MAX];
    unsigned count;
} answer;

static void keep_answer(void *context, const struct latchkeyd_answer *got)
{
    assert_ptr_equal(context, &answer);
    answer.reason = got->reason;
    snprintf(answer.token, sizeof answer.token, "%.*s", SLICE_ARG(got->token));
    snprintf(answer.detail, sizeof answer.detail, "%s", got->detail);
    answer.count++;
}

/* What latchkeyd's rates say. */
static bool may_ask;

static uid_t asker = 4711;

static bool may_ask_now(void *context, uid_t uid)
{
    assert_ptr_equal(context, &may_ask);
    assert_int_equal(uid, asker);
    return may_ask;
}

/* Whether the tenant service is asked; else the answer is there already. */
static bool ask(const struct config *by, const char *tenant, const char *subject, const char *api_key)
{
    const struct latchkeyd_question question = {
        .ask = LATCHKEYD_EXCHANGE, .tenant = slice_of(tenant), .subject = slice_of(subject), .secret = slice_of(api_key)
    };
    unsigned requests = sent.requests, answers = answer.count;

    exchange_ask(exchange, by, asker, &question, 4711, keep_answer, &answer);
    assert_int_equal((sent.requests - requests) + (answer.count - answers), 1);
    return sent.requests > requests;
}

#define NOT_BEGUN (-1) /* as status: the request waited for a connection in vain */

/* The reply of the tenant service to what was sent last; status 0: none in time. */
static void reply(int status, int retry_after, const char *body)
{
    struct http_reply got = { .arrived = status > 0,
                              .has_begun = status >= 0,
                              .error = "Connection timed out",
                              .status = status,
                              .content_type = "application/json",
                              .retry_after = retry_after };
    unsigned answers = answer.count;

    http_double_reply(&got, body);
    assert_int_equal(answer.count, answers + 1);
}

static void an_exchange_is_asked_and_answered(void **state)
{
    (void)state;
    ROW("what is sent");
    assert_true(ask(config, "t-1", "sub-1", API_KEY));
    assert_string_equal(sent.url, BASE);
    assert_string_equal(sent.api_key, API_KEY);
    assert_string_equal(sent.body, "{\"userId\":\"sub-1\"}");
    assert_int_equal(sent.timeout_ms, 4711);
    ROW("what is answered, though the token may not verify");
    reply(200, -1, "{\"token\":\"a.b.c\"}");
    assert_int_equal(answer.reason, REASON_OK);
    assert_string_equal(answer.token, "a.b.c");
}

static const struct {
    const char *name;
    int status, retry_after;
    const char *body;
    enum reason want;
    const char *detail;
} refusals[] = {
    { "401", 401, -1, "{}", REASON_CREDENTIAL_REFUSED, "status 401" },
    { "403", 403, -1, "{}", REASON_CREDENTIAL_REFUSED, "status 403" },
    { "404", 404, -1, "{}", REASON_TENANT_UNAVAILABLE, "status 404" },
    { "500", 500, -1, "{}", REASON_TENANT_UNAVAILABLE, "status 500" },
    { "no token", 200, -1, "{}", REASON_TENANT_UNAVAILABLE, "\"token\" in the reply is missing or malformed" },
    { "a token that the answer cannot carry", 200, -1, "{\"token\":\"a\\\"b\"}", REASON_TENANT_UNAVAILABLE,
      "\"token\" in the reply is missing or malformed" },
    { "nothing in time", 0, -1, "", REASON_TENANT_UNAVAILABLE, "Connection timed out" },
    { "Retry-After", 503, 7, "{}", REASON_TENANT_UNAVAILABLE, "status 503, retry after 7 s" },
};

static void what_the_service_refuses_is_handed_on(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(refusals); i++) {
        ROW(refusals[i].name);
        exchange_reset(exchange);
        assert_true(ask(config, "t-1", "sub-1", API_KEY));
        reply(refusals[i].status, refusals[i].retry_after, refusals[i].body);
        assert_int_equal(answer.reason, refusals[i].want);
        assert_string_equal(answer.detail, refusals[i].detail);
        assert_string_equal(answer.token, "");
    }
}

static void rule_25_only_what_could_be_a_key_leaves_the_host(void **state)
{
    static const struct {
        const char *name, *tenant, *api_key;
        enum reason want;
    } cases[] = {
        { "a tenant that is not configured", "t-9", API_KEY, REASON_TENANT_UNKNOWN },
        { "a tenant without a url", "p", API_KEY, REASON_CONFIG_INVALID },
        { "a password", "t-1", "correct!horse!battery!staple", REASON_CREDENTIAL_REFUSED },
        { "too short", "t-1", "0123456789abcde", REASON_CREDENTIAL_REFUSED },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_false(ask(config, cases[i].tenant, "sub-1", cases[i].api_key));
        assert_int_equal(answer.reason, cases[i].want);
    }
}

static void rule_25_a_key_goes_to_the_address_that_who_asks_knows(void **state)
{
    static const struct {
        const char *name, *tenant, *url;
        enum reason want; /* REASON_OK: it goes */
    } cases[] = {
        { "none is said", "t-1", "", REASON_OK },
        { "the same", "t-1", "https://auth.example.com", REASON_OK },
        { "another one", "t-1", "https://auth.example.org", REASON_TENANT_UNKNOWN },
        { "the beginning of it", "t-1", "https://auth.example", REASON_TENANT_UNKNOWN },
        { "of a tenant that has none here", "p", "https://auth.example.com", REASON_TENANT_UNKNOWN },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const struct latchkeyd_question question = { .ask = LATCHKEYD_EXCHANGE,
                                                     .tenant = slice_of(cases[i].tenant),
                                                     .subject = LITERAL("sub-1"),
                                                     .url = slice_of(cases[i].url),
                                                     .secret = LITERAL(API_KEY) };
        const unsigned before = sent.requests;

        ROW(cases[i].name);
        exchange_reset(exchange);
        exchange_ask(exchange, config, 4711, &question, 4711, keep_answer, &answer);
        assert_int_equal(sent.requests - before, cases[i].want == REASON_OK);
        if (cases[i].want == REASON_OK)
            reply(200, -1, "{\"token\":\"a.b.c\"}");
        assert_int_equal(answer.reason, cases[i].want);
    }
}

static void rule_32_short_memory_is_answered(void **state)
{
    (void)state;
    exchange_reset(exchange);
    sent.memory_for = 0;
    assert_false(ask(config, "t-1", "sub-1", API_KEY));
    assert_int_equal(answer.reason, REASON_OUT_OF_MEMORY);
    sent.memory_for = UINT_MAX;
}

static void rule_27_a_service_that_is_down_is_left_alone(void **state)
{
    static const struct {
        const char *name;
        int status, retry_after;
        const char *body;
        unsigned times; /* until it is not asked any more; 0: it always is */
    } cases[] = {
        { "nothing in time", 0, -1, "", 5 },
        { "no connection free in time", NOT_BEGUN, -1, "", 0 },
        { "500", 500, -1, "{}", 5 },
        { "503", 503, -1, "{}", 5 },
        { "429 is an answer", 429, -1, "{}", 0 },
        { "503 with Retry-After", 503, 60, "{}", 1 },
        { "429 with Retry-After is an answer", 429, 60, "{}", 0 },
        { "401 is an answer", 401, -1, "{}", 0 },
        { "403 with Retry-After is an answer", 403, 60, "{}", 0 },
        { "404 is an answer", 404, -1, "{}", 0 },
        { "nonsense is an answer", 200, -1, "{}", 0 },
        { "a token is an answer", 200, -1, "{\"token\":\"a.b.c\"}", 0 },
    };
    size_t i;
    unsigned j;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct breaker breaker;
        char subject[16];

        ROW(cases[i].name);
        exchange_reset(exchange);
        for (j = 0; j < (cases[i].times > 0 ? cases[i].times : 20); j++) {
            snprintf(subject, sizeof subject, "sub-%u", j); /* so that nothing is a guess */
            assert_true(ask(config, "t-1", subject, API_KEY));
            reply(cases[i].status, cases[i].retry_after, cases[i].body);
        }
        breaker = exchange_breaker(exchange, "t-1");
        assert_int_equal(breaker.is_open, cases[i].times > 0);
        if (cases[i].times > 0) {
            assert_false(ask(config, "t-1", "sub-1", API_KEY));
            assert_int_equal(answer.reason, REASON_TENANT_UNAVAILABLE);
            assert_memory_equal(answer.detail, "not asked for another ", strlen("not asked for another "));
        }
        ROW("and another tenant's is asked");
        breaker = exchange_breaker(exchange, "t-2");
        assert_false(breaker.is_open);
        assert_true(ask(config, "t-2", "sub-1", API_KEY));
        reply(401, -1, "{}");
    }
    ROW("a success in between begins anew");
    exchange_reset(exchange);
    for (j = 0; j < 20; j++) {
        assert_true(ask(config, "t-1", "sub-1", API_KEY));
        reply(j % 5 == 4 ? 401 : 500, -1, "{}");
    }
    ROW("a new configuration begins anew, also for what was under way");
    exchange_reset(exchange);
    for (j = 0; j < 5; j++) {
        assert_true(ask(config, "t-1", "sub-1", API_KEY));
        if (j == 4)
            exchange_reset(exchange);
        reply(500, -1, "{}");
    }
    assert_int_equal(exchange_breaker(exchange, "t-1").failures, 1);
}

/* One that waits for the tenant service. */
struct waiting {
    http_done *done;
    void *context;
};

static bool ask_and_wait(const struct config *by, const char *tenant, const char *subject, struct waiting *ret_waiting)
{
    if (!ask(by, tenant, subject, API_KEY))
        return false;
    *ret_waiting = (struct waiting){ sent.done, sent.context };
    return true;
}

static void reply_to(const struct waiting *waiting, int status)
{
    sent.done = waiting->done;
    sent.context = waiting->context;
    reply(status, -1, "{}");
}

static const struct config *config_of_tenants(size_t count)
{
    const struct config *many;
    char *text = NULL;
    size_t len, i;
    FILE *out = open_memstream(&text, &len);

    for (i = 1; i <= count; i++)
        fprintf(out, "tenant \"t-%zu\" { url = \"https://auth.example.com\" keys = \"~/keys\" }\n", i);
    fclose(out);
    many = config_of(text);
    free(text);
    return many;
}

static void rule_27_as_many_wait_as_a_tenants_share(void **state)
{
    static const struct {
        const char *name;
        size_t tenants, of_account, of_tenant;
    } cases[] = {
        { "two tenants", 2, 32, 64 },
        { "twelve", 12, 32, 64 },
        { "as many as there may be", 64, 6, 12 },
    };
    struct waiting waiting[64];
    size_t i, count, first;

    (void)state;
    asker = 0;
    for (i = 0; i < COUNT(cases); i++) {
        const struct config *many = config_of_tenants(cases[i].tenants);
        const struct exchange_counts before = exchange_counts(exchange);

        ROW(cases[i].name);
        exchange_reset(exchange);
        ROW("of one account");
        for (count = 0; ask_and_wait(many, "t-1", "sub-1", &waiting[count]);)
            assert_true(++count < COUNT(waiting));
        assert_int_equal(count, cases[i].of_account);
        assert_int_equal(answer.reason, REASON_TENANT_UNAVAILABLE);
        assert_non_null(strstr(answer.detail, "too many API keys wait for it"));
        ROW("of the tenant");
        first = count;
        while (count < cases[i].of_tenant && ask_and_wait(many, "t-1", count % 2 ? "sub-2" : "sub-3", &waiting[count]))
            count++;
        assert_int_equal(count, cases[i].of_tenant);
        assert_true(first < count);
        assert_false(ask(many, "t-1", "sub-4", API_KEY));
        assert_int_equal(answer.reason, REASON_TENANT_UNAVAILABLE);
        assert_int_equal(exchange_waiting(exchange, "t-1"), cases[i].of_tenant);
        assert_int_equal(exchange_counts(exchange).crowded, before.crowded + 2);
        ROW("another tenant's account of the same subject is asked about");
        assert_true(ask(many, "t-2", "sub-1", API_KEY));
        reply(401, -1, "{}");
        ROW("one answer makes one place");
        reply_to(&waiting[0], 200);
        assert_true(ask_and_wait(many, "t-1", "sub-1", &waiting[0]));
        assert_false(ask(many, "t-1", "sub-1", API_KEY));
        while (count-- > 0)
            reply_to(&waiting[count], 200);
        assert_int_equal(exchange_waiting(exchange, "t-1"), 0);
        config_release(&many);
    }
    asker = 4711;
}

/* How many questions of this user wait then, each for another account; the next one is refused. */
static size_t wait_as(uid_t uid, const struct config *by, struct waiting *waiting, size_t *count)
{
    const size_t before = *count;
    char subject[16];

    asker = uid;
    do
        snprintf(subject, sizeof subject, "sub-%zu", *count);
    while (ask_and_wait(by, "t-1", subject, &waiting[*count]) && ++*count < 64);
    return *count - before;
}

static void rule_27_others_leave_places_for_root(void **state)
{
    static const struct {
        const char *name;
        size_t tenants, of_one, of_another, of_root;
    } cases[] = {
        { "two tenants", 2, 32, 16, 16 },
        { "as many as there may be", 64, 6, 3, 3 },
    };
    struct waiting waiting[64];
    size_t i, count;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const struct config *many = config_of_tenants(cases[i].tenants);

        ROW(cases[i].name);
        exchange_reset(exchange);
        count = 0;
        ROW("of one user other than root");
        assert_int_equal(wait_as(4711, many, waiting, &count), cases[i].of_one);
        assert_int_equal(answer.reason, REASON_TENANT_UNAVAILABLE);
        assert_non_null(strstr(answer.detail, "of the same user"));
        ROW("of another one");
        assert_int_equal(wait_as(4712, many, waiting, &count), cases[i].of_another);
        ROW("of a third one");
        assert_int_equal(wait_as(4713, many, waiting, &count), 0);
        ROW("of root");
        assert_int_equal(wait_as(0, many, waiting, &count), cases[i].of_root);
        ROW("another tenant has places of its own");
        asker = 4711;
        assert_true(ask(many, "t-2", "sub-1", API_KEY));
        reply(200, -1, "{}");
        while (count-- > 0)
            reply_to(&waiting[count], 200);
        config_release(&many);
    }
    asker = 4711;
}

static void rule_27_guesses_are_counted_for_the_account(void **state)
{
    const uint64_t before = exchange_counts(exchange).guesses;
    struct waiting waiting[16];
    size_t i;

    (void)state;
    exchange_reset(exchange);
    ROW("what is no refusal is no guess");
    for (i = 0; i < 40; i++) {
        assert_true(ask(config, "t-1", "sub-1", API_KEY));
        reply(200, -1, i % 2 ? "{\"token\":\"a.b.c\"}" : "{}");
    }
    for (i = 0; i < 4; i++) {
        assert_true(ask(config, "t-1", "sub-1", API_KEY));
        reply(i % 2 ? 500 : 399, -1, "{}");
    }
    ROW("as many refusals as there are guesses; a service that is asked too often answers 429");
    for (i = 0; i < 32; i++) {
        assert_true(ask(config, "t-1", "sub-1", API_KEY));
        reply(i % 4 == 0 ? 401 : i % 4 == 1 ? 429 : i % 4 == 2 ? 400 : 499, -1, "{}");
    }
    assert_false(ask(config, "t-1", "sub-1", API_KEY));
    assert_int_equal(answer.reason, REASON_TENANT_UNAVAILABLE);
    assert_string_equal(answer.detail, "not asked: it refused too many API keys for this account");
    assert_int_equal(exchange_counts(exchange).guesses, before + 1);
    ROW("neither another account nor the same of another tenant is concerned");
    assert_true(ask(config, "t-1", "sub-2", API_KEY));
    reply(200, -1, "{\"token\":\"a.b.c\"}");
    assert_true(ask(config, "t-2", "sub-1", API_KEY));
    reply(200, -1, "{\"token\":\"a.b.c\"}");
    ROW("a new configuration begins anew");
    exchange_reset(exchange);
    ROW("a key that is under way may be one");
    for (i = 0; i < 32 - COUNT(waiting); i++) {
        assert_true(ask(config, "t-1", "sub-1", API_KEY));
        reply(403, -1, "{}");
    }
    for (i = 0; i < COUNT(waiting); i++)
        assert_true(ask_and_wait(config, "t-1", "sub-1", &waiting[i]));
    assert_false(ask(config, "t-1", "sub-1", API_KEY));
    assert_int_equal(answer.reason, REASON_TENANT_UNAVAILABLE);
    reply_to(&waiting[0], 500);
    assert_true(ask_and_wait(config, "t-1", "sub-1", &waiting[0]));
    for (i = 0; i < COUNT(waiting); i++)
        reply_to(&waiting[i], 401);
    assert_false(ask(config, "t-1", "sub-1", API_KEY));
    exchange_reset(exchange);
}

static void rule_27_only_what_is_asked_costs_a_rate(void **state)
{
    (void)state;
    exchange_reset(exchange);
    may_ask = false;
    assert_false(ask(config, "t-1", "sub-1", API_KEY));
    assert_int_equal(answer.reason, REASON_LATCHKEYD_UNAVAILABLE);
    assert_string_equal(answer.detail, "too many questions a second");
    assert_int_equal(exchange_waiting(exchange, "t-1"), 0);
    ROW("nor is it the question by which a breaker tries again");
    may_ask = true;
    assert_true(ask(config, "t-1", "sub-1", API_KEY));
    reply(503, 1, "{}");
    assert_true(exchange_breaker(exchange, "t-1").is_open);
    clock_advance_ms(1050);
    may_ask = false;
    assert_false(ask(config, "t-1", "sub-1", API_KEY));
    assert_string_equal(answer.detail, "too many questions a second");
    may_ask = true;
    assert_true(ask(config, "t-1", "sub-1", API_KEY));
    reply(401, -1, "{}");
    assert_false(exchange_breaker(exchange, "t-1").is_open);
}

/* The reply with a token of these claims, beside valid ones. Lent until the next call. */
static const char *token_reply(const char *tenant, const char *subject, int lifetime)
{
    static char body[2048];
    char *payload, *token;

    assert_true(asprintf(&payload,
                         "{\"iss\":\"https://auth.example.com/tenant/%s/v2.0/Auth\",\"aud\":\"%s\",\"sub\":\"%s\","
                         "\"https://agglestone.com/tenantId\":\"%s\",\"exp\":%lld}",
                         tenant, tenant, subject, tenant, (long long)time(NULL) + lifetime)
                > 0);
    token = signer_token(signer, "ES256", LITERAL("{\"alg\":\"ES256\",\"kid\":\"k\"}"), slice_of(payload));
    assert_non_null(token);
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", token);
    free(payload);
    free(token);
    return body;
}

#define TENANTS                                                                 \
    "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys\" }\n" \
    "tenant \"t-2\" { url = \"https://auth.example.com\" keys = \"~/keys\" }\n" \
    "tenant \"p\" { issuer = \"https://op.example\" keys = \"~/keys\" }\n"

static void rule_26_only_what_verifies_is_cached(void **state)
{
    static const struct {
        const char *name, *tenant, *subject;
        int lifetime;
        const char *body; /* NULL: the token of the row */
        bool is_cached;
    } cases[] = {
        { "the token of the subject", "t-1", "sub-1", 300, NULL, true },
        { "one of another subject", "t-1", "sub-2", 300, NULL, false },
        { "one of another tenant", "t-2", "sub-1", 300, NULL, false },
        { "one that has expired, though not by the leeway", "t-1", "sub-1", -10, NULL, false },
        { "one that has expired", "t-1", "sub-1", -3600, NULL, false },
        { "one that nobody signed", "t-1", "sub-1", 0, "{\"token\":\"a.b.c\"}", false },
        { "a refusal", "t-1", "sub-1", 0, "{}", false },
    };
    const struct config *caching = config_of(TENANTS "latchkeyd { api_key_cache = 60 }\n");
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        char token[1024];

        ROW(cases[i].name);
        exchange_reset(exchange);
        assert_true(ask(caching, "t-1", "sub-1", API_KEY));
        reply(200, -1,
              cases[i].body != NULL ? cases[i].body
                                    : token_reply(cases[i].tenant, cases[i].subject, cases[i].lifetime));
        strcpy(token, answer.token);
        assert_int_equal(exchange_cache_counts(exchange).entries, cases[i].is_cached);
        assert_int_equal(ask(caching, "t-1", "sub-1", API_KEY), !cases[i].is_cached);
        if (cases[i].is_cached)
            assert_string_equal(answer.token, token);
        else
            reply(401, -1, "{}");
    }
    config_release(&caching);
}

static void rule_26_the_cache_answers_the_same_question_for_a_while(void **state)
{
    const struct config *caching = config_of(TENANTS "latchkeyd { api_key_cache = 2 }\n"), *not_caching = config;
    struct cache_counts before;

    (void)state;
    exchange_reset(exchange);
    assert_true(ask(caching, "t-1", "sub-1", API_KEY));
    reply(200, -1, token_reply("t-1", "sub-1", 300));
    before = exchange_cache_counts(exchange);
    ROW("the same");
    assert_false(ask(caching, "t-1", "sub-1", API_KEY));
    assert_int_equal(answer.reason, REASON_OK);
    assert_int_equal(exchange_cache_counts(exchange).hits, before.hits + 1);
    ROW("another key, another subject, another tenant");
    assert_true(ask(caching, "t-1", "sub-1", API_KEY "0"));
    reply(401, -1, "{}");
    assert_true(ask(caching, "t-1", "sub-2", API_KEY));
    reply(401, -1, "{}");
    assert_true(ask(caching, "t-2", "sub-1", API_KEY));
    reply(401, -1, "{}");
    ROW("what has no form of a key is not looked for");
    assert_false(ask(caching, "t-1", "sub-1", "short"));
    assert_int_equal(answer.reason, REASON_CREDENTIAL_REFUSED);
    ROW("a configuration that does not cache neither takes from the cache nor keeps it");
    assert_true(ask(not_caching, "t-1", "sub-1", API_KEY));
    reply(401, -1, "{}");
    assert_int_equal(exchange_cache_counts(exchange).entries, 0);
    assert_true(ask(caching, "t-1", "sub-1", API_KEY));
    reply(200, -1, token_reply("t-1", "sub-1", 300));
    ROW("it answers while the service is down");
    assert_true(ask(caching, "t-1", "sub-2", API_KEY));
    reply(503, 60, "{}");
    assert_false(ask(caching, "t-1", "sub-1", API_KEY));
    assert_int_equal(answer.reason, REASON_OK);
    ROW("and whatever the rates and the guesses are");
    may_ask = false;
    assert_false(ask(caching, "t-1", "sub-1", API_KEY));
    assert_int_equal(answer.reason, REASON_OK);
    may_ask = true;
    ROW("no longer than api_key_cache, though the token lives on");
    clock_advance_ms(2050);
    exchange_sweep(exchange);
    assert_int_equal(exchange_cache_counts(exchange).entries, 0);
    assert_false(ask(caching, "t-1", "sub-1", API_KEY));
    assert_int_equal(answer.reason, REASON_TENANT_UNAVAILABLE);
    ROW("nor longer than until the next configuration");
    exchange_reset(exchange);
    assert_true(ask(caching, "t-1", "sub-1", API_KEY));
    reply(200, -1, token_reply("t-1", "sub-1", 300));
    exchange_reset(exchange);
    assert_true(ask(caching, "t-1", "sub-1", API_KEY));
    reply(401, -1, "{}");
    config_release(&caching);
}

/* As when the administrator edits it: no signal says so. */
static void a_change_of_the_configuration_is_followed(void **state)
{
#define CACHING TENANTS "latchkeyd { api_key_cache = 60 }\n"
#define OTHER_SERVICE(url, more)                                       \
    "tenant \"t-1\" { url = \"" url "\" keys = \"~/keys\"\n" more      \
    "  issuer = \"https://auth.example.com/tenant/t-1/v2.0/Auth\" }\n" \
    "latchkeyd { api_key_cache = 60 }\n"
    static const struct {
        const char *name, *text;
        bool is_forgotten;
    } cases[] = {
        { "the same", CACHING, false },
        { "tokens are kept for less time", TENANTS "latchkeyd { api_key_cache = 5 }\n", true },
        { "a service takes younger tokens only", CACHING "service \"a\" { credentials = {\"api_key\"} max_age = 7 }\n",
          true },
        { "the second service does",
          CACHING
          "service \"a\" { credentials = {\"api_key\"} }\nservice \"b\" { credentials = {\"api_key\"} max_age = 7 }\n",
          true },
        { "a service without API keys does", CACHING "service \"a\" { max_age = 7 }\n", false },
        { "a service takes older ones", CACHING "service \"a\" { credentials = {\"api_key\"} max_age = 600 }\n",
          false },
        { "a service takes tokens of any age", CACHING "service \"a\" { credentials = {\"api_key\"} }\n", false },
        { "the tenant has another address", OTHER_SERVICE("https://other.example.com", ""), true },
        { "the tenant has other authorities", OTHER_SERVICE("https://auth.example.com", "ca_file = \"~/ca.pem\"\n"),
          true },
    };
    const struct config *longer = config_of(CACHING),
                        *elsewhere = config_of(OTHER_SERVICE("https://other.example.com", ""));
    size_t i;
    unsigned j;

    (void)state;
    write_file("ca.pem", "authorities");
    for (i = 0; i < COUNT(cases); i++) {
        const struct config *changed = config_of(cases[i].text);

        ROW(cases[i].name);
        exchange_reset(exchange);
        assert_true(ask(longer, "t-1", "sub-1", API_KEY));
        reply(200, -1, token_reply("t-1", "sub-1", 300));
        assert_int_equal(ask(changed, "t-1", "sub-1", API_KEY), cases[i].is_forgotten);
        if (cases[i].is_forgotten)
            reply(401, -1, "{}");
        ROW("and does not change again");
        assert_int_equal(exchange_cache_counts(exchange).entries, !cases[i].is_forgotten);
        config_release(&changed);
    }
    ROW("the tenants of many configurations are not remembered");
    exchange_reset(exchange);
    for (i = 0; i < 130; i++) {
        char text[256], id[16];
        const struct config *one;

        snprintf(id, sizeof id, "m-%zu", i);
        snprintf(text, sizeof text, "tenant \"%s\" { url = \"https://auth.example.com\" keys = \"~/keys\" }\n", id);
        one = config_of(text);
        assert_true(ask(one, id, "sub-1", API_KEY));
        reply(500, -1, "{}");
        assert_int_equal(exchange_breaker(exchange, id).failures, 1);
        config_release(&one);
    }
    ROW("a breaker is about one service");
    exchange_reset(exchange);
    for (j = 0; j < 5; j++) {
        assert_true(ask(longer, "t-1", "sub-1", API_KEY));
        reply(500, -1, "{}");
    }
    assert_false(ask(longer, "t-1", "sub-1", API_KEY));
    assert_true(ask(elsewhere, "t-1", "sub-1", API_KEY));
    assert_memory_equal(sent.url, "https://other.example.com/", strlen("https://other.example.com/"));
    reply(500, -1, "{}");
    ROW("a late answer of the former one says nothing of it");
    {
        struct waiting late = { NULL, NULL };

        exchange_reset(exchange);
        assert_true(ask_and_wait(longer, "t-1", "sub-1", &late));
        assert_true(ask(elsewhere, "t-1", "sub-1", API_KEY));
        reply(401, -1, "{}");
        reply_to(&late, 500);
        assert_int_equal(exchange_breaker(exchange, "t-1").failures, 0);
    }
    config_release(&longer);
    config_release(&elsewhere);
}

/* A question outlives the configuration that it was asked by, and the buffers that it came in. */
static void a_question_under_way_needs_nothing_of_who_asked(void **state)
{
    const struct config *passing = config_of(TENANTS "latchkeyd { api_key_cache = 60 }\n");
    char *tenant = strdup("t-1"), *subject = strdup("sub-1"), *api_key = strdup(API_KEY);
    unsigned i;

    (void)state;
    exchange_reset(exchange);
    assert_true(ask(passing, tenant, subject, api_key));
    free(tenant);
    free(subject);
    free(api_key);
    config_release(&passing);
    for (i = 0; i < 10; i++) { /* which push it out of the process's snapshots */
        const struct config *other = config_of(TENANTS);

        config_release(&other);
    }
    reply(200, -1, token_reply("t-1", "sub-1", 300));
    assert_int_equal(answer.reason, REASON_OK);
    assert_int_equal(exchange_cache_counts(exchange).entries, 1);
}

static int set_up(void **state)
{
    struct json *jwk;

    (void)state;
    signer = signer_generate("ES256", 0);
    if (signer == NULL || directory_make() != 0)
        return -1;
    jwk = signer_jwk(signer, "k", "ES256");
    write_key_set("keys", &jwk, 1);
    config = config_of(TENANTS);
    may_ask = true;
    exchange = exchange_new(NULL, may_ask_now, &may_ask);
    sent.memory_for = UINT_MAX;
    return exchange != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    exchange_free(&exchange);
    exchange_free(&exchange);
    config_release(&config);
    signer_free(&signer);
    return directory_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exchange_is_asked_and_answered),
        cmocka_unit_test(what_the_service_refuses_is_handed_on),
        cmocka_unit_test(rule_25_only_what_could_be_a_key_leaves_the_host),
        cmocka_unit_test(rule_25_a_key_goes_to_the_address_that_who_asks_knows),
        cmocka_unit_test(rule_32_short_memory_is_answered),
        cmocka_unit_test(rule_27_a_service_that_is_down_is_left_alone),
        cmocka_unit_test(rule_27_as_many_wait_as_a_tenants_share),
        cmocka_unit_test(rule_27_others_leave_places_for_root),
        cmocka_unit_test(rule_27_guesses_are_counted_for_the_account),
        cmocka_unit_test(rule_27_only_what_is_asked_costs_a_rate),
        cmocka_unit_test(rule_26_only_what_verifies_is_cached),
        cmocka_unit_test(rule_26_the_cache_answers_the_same_question_for_a_while),
        cmocka_unit_test(a_change_of_the_configuration_is_followed),
        cmocka_unit_test(a_question_under_way_needs_nothing_of_who_asked),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
