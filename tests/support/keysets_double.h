/*
 * latchkeyd's key sets, with a double in place of key_refresh.c: it keeps the refreshes that were begun, and the test
 * ends them. Neither key_refresh.c nor http.c is linked.
 */
#ifndef LATCHKEY_KEYSETS_DOUBLE_H
#define LATCHKEY_KEYSETS_DOUBLE_H

#include "tests/support/clock_double.h"
#include "tests/support/fixture.h"

#include "base/clock.h"
#include "config/snapshot.h"
#include "latchkeyd/keysets.h"
#include "latchkeyd/waiting.h"

#define DAY_MS 86400000

static struct refresh {
    char tenant[32];
    const struct key_source *source;
    int timeout_ms;
    key_refresh_done *done;
    void *context;
} refreshes[64];
static size_t refresh_count;
static bool is_short_of_memory;

bool key_refresh_start(struct verdict *verdict, struct http *http, const struct config *config,
                       const struct tenant *tenant, struct key_source *source, int timeout_ms, key_refresh_done *done,
                       void *context)
{
    struct refresh *refresh = &refreshes[refresh_count];

    (void)http, (void)config;
    if (is_short_of_memory)
        return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "a refresh of the key set");
    assert_true(refresh_count < COUNT(refreshes));
    *refresh = (struct refresh){ .source = source, .timeout_ms = timeout_ms, .done = done, .context = context };
    snprintf(refresh->tenant, sizeof refresh->tenant, "%s", tenant->id);
    refresh_count++;
    return true;
}

/* Of TENANTS: t-1 has a key set, t-2 has none yet; both are refreshed every 200 s. */
static const struct config *config;
static const struct config *only_t_1;
static struct keysets *keysets;

#define TENANTS                                                                                                  \
    "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys\" }\n"                                  \
    "tenant \"t-2\" { url = \"https://auth.example.com\" keys = \"~/missing\" }\n"                               \
    "tenant \"p\" { issuer = \"https://op.example\" keys = \"~/keys\" }\n"                                       \
    "tenant \"h\" { issuer = \"https://h.example\" hmac_secret_file = \"~/secret\" algorithms = {\"HS256\"} }\n" \
    "tenant \"d\" { issuer = \"https://d.example\" hmac_secret_file = \"~/secret\" algorithms = {\"HS256\"}\n"   \
    "               discovery = \"https://d.example/metadata\" }\n"
#define ONLY_T_1 "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys\" }\n"

static struct {
    char tenant[32];
    enum key_refresh_result result;
    enum reason reason;
    unsigned count;
} logged;

static inline void keep_log(const char *tenant_id, enum key_refresh_result result, const struct verdict *verdict)
{
    snprintf(logged.tenant, sizeof logged.tenant, "%s", tenant_id);
    logged.result = result;
    logged.reason = verdict->reason;
    logged.count++;
}

/* A client of keysets_ask(). */
struct asker {
    enum reason reason;
    char detail[EVIDENCE_MAX];
    unsigned answers;
};

static inline void keep_answer(void *context, const struct latchkeyd_answer *answer)
{
    struct asker *asker = context;

    asker->reason = answer->reason;
    snprintf(asker->detail, sizeof asker->detail, "%s", answer->detail);
    asker->answers++;
}

/* latchkeyd has just started. */
static inline void begin(const struct config *by)
{
    keysets_free(&keysets);
    keysets = keysets_new(NULL, keep_log);
    assert_non_null(keysets);
    refresh_count = 0;
    is_short_of_memory = false;
    keysets_configure(keysets, by, clock_ms());
}

/* End a refresh, by its place in refreshes. */
static inline void end_refresh(size_t index, enum key_refresh_result result, enum reason reason, const char *evidence)
{
    struct verdict verdict = VERDICT_INIT;
    unsigned before = logged.count;

    assert_true(index < refresh_count);
    if (result == KEY_REFRESH_FAILED)
        verdict_reject(&verdict, reason, "%s", evidence);
    refreshes[index].done(refreshes[index].context, result, &verdict);
    assert_int_equal(logged.count, before + 1);
    assert_string_equal(logged.tenant, refreshes[index].tenant);
    assert_int_equal(logged.result, result);
}

static inline void end_last(enum key_refresh_result result)
{
    end_refresh(refresh_count - 1, result, REASON_TENANT_UNAVAILABLE, "status 500");
}

/* How many refreshes begin at that time. */
static inline size_t begun_at(const struct config *by, int64_t now_ms)
{
    size_t before = refresh_count;

    keysets_run(keysets, by, now_ms);
    return refresh_count - before;
}

static inline void ask_as(uid_t uid, const char *tenant, int64_t now_ms, int64_t until_ms, struct asker *asker)
{
    *asker = (struct asker){ .reason = REASON_SYSTEM_ERROR };
    keysets_ask(keysets, config, uid, slice_of(tenant), now_ms, until_ms, keep_answer, asker);
}

static inline void ask_until(const char *tenant, int64_t now_ms, int64_t until_ms, struct asker *asker)
{
    ask_as(0, tenant, now_ms, until_ms, asker);
}

static inline void ask(const char *tenant, int64_t now_ms, struct asker *asker)
{
    ask_until(tenant, now_ms, INT64_MAX, asker);
}

/* t-1 alone, after its first refresh. */
static inline void begin_after_first_refresh(const struct config *by)
{
    begin(by);
    assert_int_equal(begun_at(by, clock_ms() + 2000), 1);
    end_last(KEY_REFRESH_UNCHANGED);
}

/*
 * The next refresh begins in that many seconds, plus or minus a tenth. The pause began when the last refresh ended, by
 * the real clock; one second is added for a busy machine.
 */
static inline void assert_due_in(const struct config *by, int64_t seconds)
{
    int64_t now = clock_ms(), wait;

    assert_int_equal(begun_at(by, now + seconds * 900 - 1000), 0);
    wait = keysets_run(keysets, by, now);
    assert_in_range(wait, 1, seconds * 1100);
    assert_int_equal(begun_at(by, now + seconds * 1100), 1);
}

static inline int set_up(void **state)
{
    struct signer *signer = signer_generate("ES256", 0);
    struct json *jwk;

    (void)state;
    if (signer == NULL || directory_make() != 0)
        return -1;
    jwk = signer_jwk(signer, "k", "ES256");
    write_key_set("keys", &jwk, 1);
    signer_free(&signer);
    write_file("secret", "0123456789abcdef0123456789abcdef");
    config = config_of(TENANTS "latchkeyd { refresh = 200 }\n");
    only_t_1 = config_of(ONLY_T_1 "latchkeyd { refresh = 200 }\n");
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    keysets_free(&keysets);
    keysets_free(&keysets);
    config_release(&config);
    config_release(&only_t_1);
    return directory_remove();
}

#endif
