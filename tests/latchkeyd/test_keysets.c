#include "tests/support/clock_double.h"
#include "tests/support/fixture.h"

#include "base/clock.h"
#include "config/snapshot.h"
#include "latchkeyd/keysets.h"
#include "latchkeyd/waiting.h"

#define DAY_MS 86400000

/*
 * In place of key_refresh.c: the looks that were begun, which the test ends as it likes. None of key_refresh.c and
 * http.c is linked.
 */
static struct look {
    char tenant[32];
    const struct key_source *source;
    int timeout_ms;
    key_refresh_done *done;
    void *context;
} looks[64];
static size_t look_count;
static bool is_short_of_memory;

bool key_refresh_start(struct verdict *verdict, struct http *http, const struct config *config,
                       const struct tenant *tenant, struct key_source *source, int timeout_ms, key_refresh_done *done,
                       void *context)
{
    struct look *look = &looks[look_count];

    (void)http, (void)config;
    if (is_short_of_memory)
        return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "a refresh of the key set");
    assert_true(look_count < COUNT(looks));
    *look = (struct look){ .source = source, .timeout_ms = timeout_ms, .done = done, .context = context };
    snprintf(look->tenant, sizeof look->tenant, "%s", tenant->id);
    look_count++;
    return true;
}

static const struct config *config; /* of TENANTS: t-1 has a key set, t-2 has none yet; looked for every 200 s */
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

static void keep_log(const char *tenant_id, enum key_refresh_result result, const struct verdict *verdict)
{
    snprintf(logged.tenant, sizeof logged.tenant, "%s", tenant_id);
    logged.result = result;
    logged.reason = verdict->reason;
    logged.count++;
}

/* Somebody who asks. */
struct asker {
    enum reason reason;
    char detail[EVIDENCE_MAX];
    unsigned answers;
};

static void keep_answer(void *context, const struct latchkeyd_answer *answer)
{
    struct asker *asker = context;

    asker->reason = answer->reason;
    snprintf(asker->detail, sizeof asker->detail, "%s", answer->detail);
    asker->answers++;
}

/* As latchkeyd is when it has just started. */
static void begin(const struct config *by)
{
    keysets_free(&keysets);
    keysets = keysets_new(NULL, keep_log);
    assert_non_null(keysets);
    look_count = 0;
    is_short_of_memory = false;
    keysets_configure(keysets, by, clock_ms());
}

/* What was begun last, or the one before. */
static void end_look(size_t index, enum key_refresh_result result, enum reason reason, const char *evidence)
{
    struct verdict verdict = VERDICT_INIT;
    unsigned before = logged.count;

    assert_true(index < look_count);
    if (result == KEY_REFRESH_FAILED)
        verdict_reject(&verdict, reason, "%s", evidence);
    looks[index].done(looks[index].context, result, &verdict);
    assert_int_equal(logged.count, before + 1);
    assert_string_equal(logged.tenant, looks[index].tenant);
    assert_int_equal(logged.result, result);
}

static void end_last(enum key_refresh_result result)
{
    end_look(look_count - 1, result, REASON_TENANT_UNAVAILABLE, "status 500");
}

/* How many looks begin at that time. */
static size_t begun_at(const struct config *by, int64_t now_ms)
{
    size_t before = look_count;

    keysets_run(keysets, by, now_ms);
    return look_count - before;
}

static void ask_as(uid_t uid, const char *tenant, int64_t now_ms, int64_t until_ms, struct asker *asker)
{
    *asker = (struct asker){ .reason = REASON_SYSTEM_ERROR };
    keysets_ask(keysets, config, uid, slice_of(tenant), now_ms, until_ms, keep_answer, asker);
}

static void ask_until(const char *tenant, int64_t now_ms, int64_t until_ms, struct asker *asker)
{
    ask_as(0, tenant, now_ms, until_ms, asker);
}

static void ask(const char *tenant, int64_t now_ms, struct asker *asker)
{
    ask_until(tenant, now_ms, INT64_MAX, asker);
}

/* t-1 alone, after its first look. */
static void begin_after_first_look(const struct config *by)
{
    begin(by);
    assert_int_equal(begun_at(by, clock_ms() + 2000), 1);
    end_last(KEY_REFRESH_UNCHANGED);
}

/*
 * The next look is due in so many seconds, give or take a tenth: none before, one after. The pause began when the last
 * look ended, by the real clock; a second is for a machine that was busy meanwhile.
 */
static void assert_due_in(const struct config *by, int64_t seconds)
{
    int64_t now = clock_ms(), wait;

    assert_int_equal(begun_at(by, now + seconds * 900 - 1000), 0);
    wait = keysets_run(keysets, by, now);
    assert_in_range(wait, 1, seconds * 1100);
    assert_int_equal(begun_at(by, now + seconds * 1100), 1);
}

static void who_has_no_key_set_is_looked_for_at_once_and_others_soon(void **state)
{
    int64_t now;
    size_t i;
    bool differ = false;
    int first = 0;

    (void)state;
    ROW("none: at once");
    begin(config);
    now = clock_ms();
    assert_in_range(begun_at(config, now), 1, 2); /* t-1 may be due as well, by chance */
    assert_string_equal(looks[look_count - 1].tenant, "t-2");
    assert_int_equal(looks[0].timeout_ms, 10000);
    ROW("one that is good: within two seconds");
    begun_at(config, now + 2000);
    assert_int_equal(look_count, 2);
    ROW("each has its own validators, and no other tenant is looked for");
    assert_ptr_not_equal(looks[0].source, looks[1].source);
    assert_int_equal(begun_at(config, now + DAY_MS), 0); /* both are under way */
    end_look(0, KEY_REFRESH_UNCHANGED, REASON_OK, "");
    end_look(1, KEY_REFRESH_REPLACED, REASON_OK, "");
    assert_int_equal(begun_at(config, now + DAY_MS), 2);
    ROW("hosts that boot together do not come together");
    for (i = 0; i < 50; i++) {
        int wait;

        begin(only_t_1);
        wait = keysets_run(keysets, only_t_1, clock_ms());
        if (look_count == 1)
            continue;
        assert_in_range(wait, 1, 2000);
        differ |= first != 0 && wait != first;
        first = wait;
    }
    assert_true(differ);
}

static void each_is_looked_for_at_its_time(void **state)
{
    static const struct {
        const char *name;
        enum key_refresh_result result;
    } cases[] = {
        { "unchanged", KEY_REFRESH_UNCHANGED },
        { "replaced", KEY_REFRESH_REPLACED },
        { "and again", KEY_REFRESH_UNCHANGED },
    };
    int shortest = INT32_MAX, longest = 0;
    size_t i;

    (void)state;
    begin_after_first_look(only_t_1);
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_due_in(only_t_1, 200);
        end_last(cases[i].result);
    }
    ROW("hosts that were set up together drift apart");
    for (i = 0; i < 50; i++) {
        int wait = keysets_run(keysets, only_t_1, clock_ms());

        shortest = wait < shortest ? wait : shortest;
        longest = wait > longest ? wait : longest;
        assert_int_equal(begun_at(only_t_1, clock_ms() + 220000), 1);
        end_last(KEY_REFRESH_UNCHANGED);
    }
    assert_true(longest - shortest > 10000);
    ROW("with nothing to do it sleeps for an hour");
    begin(only_t_1);
    assert_int_equal(begun_at(only_t_1, clock_ms() + 2000), 1);
    assert_int_equal(keysets_run(keysets, only_t_1, clock_ms()), 3600000);
}

static void after_failures_it_waits_twice_as_long_each_time(void **state)
{
    static const struct {
        const char *name;
        enum key_refresh_result result;
        int64_t pause_s; /* after it */
    } cases[] = {
        { "the first", KEY_REFRESH_FAILED, 30 },
        { "the second", KEY_REFRESH_FAILED, 60 },
        { "the third", KEY_REFRESH_FAILED, 120 },
        { "no longer than the interval", KEY_REFRESH_FAILED, 200 },
        { "however often", KEY_REFRESH_FAILED, 200 },
        { "a success", KEY_REFRESH_REPLACED, 200 },
        { "begins anew", KEY_REFRESH_FAILED, 30 },
        { "and again", KEY_REFRESH_FAILED, 60 },
        { "nothing new is a success", KEY_REFRESH_UNCHANGED, 200 },
        { "and begins anew as well", KEY_REFRESH_FAILED, 30 },
    };
    size_t i;

    (void)state;
    begin(only_t_1);
    assert_int_equal(begun_at(only_t_1, clock_ms() + 2000), 1);
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        end_last(cases[i].result);
        assert_due_in(only_t_1, cases[i].pause_s);
    }
    ROW("one that cannot even begin is a failure, and does not spin");
    end_last(KEY_REFRESH_UNCHANGED);
    is_short_of_memory = true;
    logged.count = 0;
    assert_int_equal(begun_at(only_t_1, clock_ms() + DAY_MS), 0);
    assert_int_equal(logged.count, 1);
    assert_int_equal(logged.reason, REASON_OUT_OF_MEMORY);
    is_short_of_memory = false;
    assert_due_in(only_t_1, 30);
}

static void rule_21_unknown_keys_make_it_look_once_in_thirty_seconds(void **state)
{
    int64_t now = clock_ms();
    struct asker asker, other;

    (void)state;
    begin(config);
    begun_at(config, now + 2000);
    end_look(0, KEY_REFRESH_UNCHANGED, REASON_OK, "");
    end_look(1, KEY_REFRESH_UNCHANGED, REASON_OK, "");
    ROW("the first question has it look at once");
    ask("t-1", now, &asker);
    assert_int_equal(look_count, 3);
    assert_string_equal(looks[2].tenant, "t-1");
    assert_int_equal(asker.answers, 0);
    end_last(KEY_REFRESH_REPLACED);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(asker.reason, REASON_OK);
    ROW("for 30 s from then on nobody does");
    ask("t-1", now, &asker);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(asker.reason, REASON_OK);
    assert_string_equal(asker.detail, "");
    ask("t-1", now + 29999, &asker);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(look_count, 3);
    ROW("for another tenant it looks");
    ask("t-2", now + 29999, &other);
    assert_int_equal(look_count, 4);
    assert_string_equal(looks[3].tenant, "t-2");
    end_last(KEY_REFRESH_UNCHANGED);
    assert_int_equal(other.answers, 1);
    assert_int_equal(other.reason, REASON_OK);
    ROW("after 30 s it looks again; a failure is told");
    ask("t-1", now + 30000, &asker);
    assert_int_equal(look_count, 5);
    end_last(KEY_REFRESH_FAILED);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(asker.reason, REASON_TENANT_UNAVAILABLE);
    assert_string_equal(asker.detail, "status 500");
    ROW("nor does a failure have it look sooner");
    ask("t-1", now + 59999, &asker);
    assert_int_equal(look_count, 5);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(asker.reason, REASON_OK);
    ROW("one that cannot begin answers at once, and counts");
    is_short_of_memory = true;
    ask("t-1", now + 60000, &asker);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(asker.reason, REASON_OUT_OF_MEMORY);
    is_short_of_memory = false;
    ask("t-1", now + 60001, &asker);
    assert_int_equal(look_count, 5);
    assert_int_equal(asker.reason, REASON_OK);
    ROW("a look out of turn begins the interval anew");
    ask("t-1", now + 90000, &asker);
    assert_int_equal(look_count, 6);
    end_last(KEY_REFRESH_UNCHANGED);
    assert_int_equal(begun_at(only_t_1, clock_ms() + 179000), 0);
}

static void rule_21_without_a_key_set_a_login_may_ask_after_a_failure(void **state)
{
    int64_t now = clock_ms();
    struct asker asker;
    size_t i;

    (void)state;
    begin(config);
    begun_at(config, now + 2000);
    for (i = 0; i < 2; i++)
        end_look(i, KEY_REFRESH_FAILED, REASON_TENANT_UNAVAILABLE, "status 500");
    ROW("there is one: it waits for 30 s after the failure");
    ask("t-1", clock_ms(), &asker);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(look_count, 2);
    ROW("there is none: one login has it look");
    now = clock_ms();
    ask("t-2", now, &asker);
    assert_int_equal(asker.answers, 0);
    assert_int_equal(look_count, 3);
    assert_string_equal(looks[2].tenant, "t-2");
    end_last(KEY_REFRESH_FAILED);
    ROW("once in 30 s");
    ask("t-2", now + 29999, &asker);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(look_count, 3);
    ask("t-2", now + 30000, &asker);
    assert_int_equal(look_count, 4);
    end_last(KEY_REFRESH_REPLACED);
    assert_int_equal(asker.reason, REASON_OK);
}

#define T_1(more) "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys\" " more " }\n"

static void a_change_of_the_configuration_has_it_look(void **state)
{
    static const struct {
        const char *name, *text;
        bool looks;
    } cases[] = {
        { "nothing that concerns it", T_1("leeway = 7"), false },
        { "another address", "tenant \"t-1\" { url = \"https://other.example.com\" keys = \"~/keys\" }\n", true },
        { "another file, which is missing",
          "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/no-keys\" }\n", true },
        { "other authorities", T_1("ca_file = \"~/ca.pem\""), true },
    };
    enum key_refresh_result results[] = { KEY_REFRESH_UNCHANGED, KEY_REFRESH_FAILED };
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(cases); i++)
        for (j = 0; j < COUNT(results); j++) {
            const struct config *changed = config_of(cases[i].text);

            ROW(cases[i].name);
            begin_after_first_look(only_t_1);
            assert_int_equal(begun_at(only_t_1, clock_ms() + 220000), 1);
            end_last(results[j]);
            assert_int_equal(begun_at(only_t_1, clock_ms()), 0);
            keysets_configure(keysets, changed, clock_ms());
            assert_int_equal(begun_at(changed, clock_ms()), cases[i].looks);
            ROW("once");
            if (cases[i].looks)
                end_last(KEY_REFRESH_FAILED);
            keysets_configure(keysets, changed, clock_ms());
            assert_int_equal(begun_at(changed, clock_ms()), 0);
            keysets_free(&keysets);
            config_release(&changed);
        }
}

/* What the look under way brings is of the former address. */
static void a_change_during_a_look_has_it_look_again(void **state)
{
    static const struct {
        const char *name, *text;
        size_t looks;
    } cases[] = {
        { "nothing that concerns it", T_1("leeway = 7"), 0 },
        { "another address", "tenant \"t-1\" { url = \"https://other.example.com\" keys = \"~/keys\" }\n", 1 },
        { "other authorities", T_1("ca_file = \"~/ca.pem\""), 1 },
    };
    enum key_refresh_result results[] = { KEY_REFRESH_UNCHANGED, KEY_REFRESH_REPLACED, KEY_REFRESH_FAILED };
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(cases); i++)
        for (j = 0; j < COUNT(results); j++) {
            const struct config *changed = config_of(cases[i].text);

            ROW(cases[i].name);
            begin(only_t_1);
            assert_int_equal(begun_at(only_t_1, clock_ms() + 2000), 1);
            keysets_configure(keysets, changed, clock_ms());
            ROW("not before the look under way has ended");
            assert_int_equal(begun_at(changed, clock_ms()), 0);
            end_last(results[j]);
            ROW(cases[i].name);
            assert_int_equal(begun_at(changed, clock_ms()), cases[i].looks);
            ROW("once");
            if (cases[i].looks > 0)
                end_last(KEY_REFRESH_UNCHANGED);
            assert_int_equal(begun_at(changed, clock_ms()), 0);
            keysets_free(&keysets);
            config_release(&changed);
        }
}

static void a_key_set_that_is_gone_is_looked_for(void **state)
{
    const struct config *there, *gone;
    const char *text = "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/going\" }\n";
    struct signer *signer = signer_generate("ES256", 0);
    struct json *jwk = signer_jwk(signer, "k", "ES256");

    (void)state;
    signer_free(&signer);
    write_key_set("going", &jwk, 1);
    there = config_of(text);
    begin_after_first_look(there);
    unlink(path_in_directory("going"));
    gone = config_of(text);
    keysets_configure(keysets, gone, clock_ms());
    assert_int_equal(begun_at(gone, clock_ms()), 1);
    end_last(KEY_REFRESH_FAILED);
    ROW("again only in its time");
    keysets_configure(keysets, gone, clock_ms());
    assert_int_equal(begun_at(gone, clock_ms()), 0);
    keysets_free(&keysets);
    config_release(&there);
    config_release(&gone);
}

static void after_a_failure_the_authorities_are_watched(void **state)
{
    const struct config *by;
    const struct config *renamed;
    int64_t now;

    (void)state;
    write_file("ca.pem", "one");
    by = config_of(T_1("ca_file = \"~/ca.pem\""));
    begin(by);
    ROW("nothing is watched before, nor after a success");
    begun_at(by, clock_ms() + 2000);
    end_last(KEY_REFRESH_UNCHANGED);
    assert_false(keysets_needs_config(keysets, clock_ms() + 6000));
    assert_true(keysets_needs_config(keysets, clock_ms() + DAY_MS)); /* a look is due */
    assert_int_equal(begun_at(by, clock_ms() + DAY_MS), 1);
    assert_false(keysets_needs_config(keysets, clock_ms() + 2 * (int64_t)DAY_MS)); /* it is under way */
    end_last(KEY_REFRESH_FAILED);
    ROW("after a failure: every five seconds");
    now = clock_ms();
    assert_in_range(keysets_run(keysets, by, now), 4900, 5000);
    assert_false(keysets_needs_config(keysets, now + 4900));
    assert_true(keysets_needs_config(keysets, now + 5000));
    assert_int_equal(begun_at(by, now + 5000), 0);
    assert_false(keysets_needs_config(keysets, now + 9999));
    assert_true(keysets_needs_config(keysets, now + 10000));
    ROW("another file is tried at once");
    write_file("ca.pem", "the other");
    assert_int_equal(begun_at(by, now + 10000), 1);
    ROW("and nothing is watched while it is");
    assert_false(keysets_needs_config(keysets, now + DAY_MS));
    write_file("ca.pem", "a third one");
    assert_int_equal(begun_at(by, now + 20000), 0);
    end_last(KEY_REFRESH_FAILED);
    assert_int_equal(begun_at(by, clock_ms() + 5000), 1);
    end_last(KEY_REFRESH_FAILED);
    ROW("so is another name of the file");
    write_file("ca-2.pem", "a third one");
    renamed = config_of(T_1("ca_file = \"~/ca-2.pem\""));
    keysets_configure(keysets, renamed, clock_ms());
    assert_int_equal(begun_at(renamed, clock_ms()), 1);
    end_last(KEY_REFRESH_FAILED);
    assert_int_equal(begun_at(renamed, clock_ms() + 10000), 0);
    keysets_free(&keysets);
    config_release(&renamed);
    config_release(&by);
}

static const struct config *config_of_many(const char *prefix)
{
    const struct config *many;
    char *text = NULL;
    size_t len, i;
    FILE *out = open_memstream(&text, &len);

    for (i = 0; i < CONFIG_TENANTS_MAX; i++)
        fprintf(out, "tenant \"%s-%zu\" { url = \"https://auth.example.com\" keys = \"~/keys\" }\n", prefix, i);
    fclose(out);
    many = config_of(text);
    free(text);
    return many;
}

static void tenants_that_do_not_fit_any_more_come_later(void **state)
{
    const struct config *former = config_of_many("a"), *later = config_of_many("b");
    struct keyset_status status;
    size_t i;

    (void)state;
    begin(former);
    assert_int_equal(begun_at(former, clock_ms() + 2000), CONFIG_TENANTS_MAX);
    ROW("those that are under way keep their places");
    keysets_configure(keysets, later, clock_ms());
    assert_true(keysets_status(keysets, CONFIG_TENANTS_MAX - 1, &status));
    assert_false(keysets_status(keysets, CONFIG_TENANTS_MAX, &status));
    assert_string_equal(status.tenant_id, "a-63");
    ROW("until they are answered");
    for (i = 0; i < CONFIG_TENANTS_MAX; i++)
        end_look(i, KEY_REFRESH_UNCHANGED, REASON_OK, "");
    keysets_configure(keysets, later, clock_ms());
    assert_true(keysets_status(keysets, CONFIG_TENANTS_MAX - 1, &status));
    assert_string_equal(status.tenant_id, "b-63");
    keysets_free(&keysets);
    config_release(&former);
    config_release(&later);
}

static void who_asks_while_it_looks_waits_for_that_look(void **state)
{
    struct asker askers[5];
    int64_t now = clock_ms();
    size_t i;

    (void)state;
    ROW("one that was due");
    begin(only_t_1);
    begun_at(only_t_1, now + 2000);
    for (i = 0; i < 2; i++)
        ask("t-1", now, &askers[i]);
    assert_int_equal(look_count, 1);
    end_look(0, KEY_REFRESH_FAILED, REASON_JWKS_INVALID, "the key set at https://a/k: is empty");
    for (i = 0; i < 2; i++) {
        assert_int_equal(askers[i].answers, 1);
        assert_int_equal(askers[i].reason, REASON_JWKS_INVALID);
        assert_string_equal(askers[i].detail, "the key set at https://a/k: is empty");
    }
    ROW("it failed, so that the next question has none");
    ask("t-1", now, &askers[0]);
    assert_int_equal(look_count, 1);
    assert_int_equal(askers[0].answers, 1);
    assert_int_equal(askers[0].reason, REASON_OK);
    ROW("one that did not fail was not out of turn, so that the next question has one");
    begin_after_first_look(only_t_1);
    ask("t-1", now, &askers[0]);
    assert_int_equal(look_count, 2);
    ROW("one out of turn, also beyond its 30 s; and none begins beside it");
    ask("t-1", now + 1, &askers[1]);
    ask("t-1", now + 31000, &askers[2]);
    assert_int_equal(begun_at(only_t_1, now + DAY_MS), 0);
    assert_int_equal(look_count, 2);
    end_last(KEY_REFRESH_REPLACED);
    for (i = 0; i < 3; i++) {
        assert_int_equal(askers[i].answers, 1);
        assert_int_equal(askers[i].reason, REASON_OK);
        assert_string_equal(askers[i].detail, "");
    }
    ROW("nobody is answered a second time");
    ask("t-1", now + 62000, &askers[3]);
    end_last(KEY_REFRESH_FAILED);
    for (i = 0; i < 4; i++)
        assert_int_equal(askers[i].answers, 1);
}

/* As a login that asks again as soon as it is answered. */
static void ask_again(void *context, const struct latchkeyd_answer *answer)
{
    keep_answer(context, answer);
    keysets_ask(keysets, only_t_1, 0, slice_of("t-1"), clock_ms(), INT64_MAX, keep_answer, context);
}

static void who_asks_again_from_within_the_answer_is_answered_twice(void **state)
{
    struct asker askers[3] = { { .answers = 0 }, { .answers = 0 }, { .answers = 0 } };
    size_t i;

    (void)state;
    begin(only_t_1);
    begun_at(only_t_1, clock_ms() + 2000);
    for (i = 0; i < COUNT(askers); i++)
        keysets_ask(keysets, only_t_1, 0, slice_of("t-1"), clock_ms(), INT64_MAX, ask_again, &askers[i]);
    end_last(KEY_REFRESH_UNCHANGED);
    for (i = 0; i < COUNT(askers); i++)
        assert_int_equal(askers[i].answers, 1);
    assert_int_equal(look_count, 2);
    end_last(KEY_REFRESH_UNCHANGED);
    for (i = 0; i < COUNT(askers); i++)
        assert_int_equal(askers[i].answers, 2);
}

#define OTHER \
    "tenant \"h\" { issuer = \"https://h.example\" hmac_secret_file = \"~/secret\" algorithms = {\"HS256\"} }\n"
static const struct config *other;

/* As a login that reads the newest configuration once it is answered. */
static void configure_none(void *context, const struct latchkeyd_answer *answer)
{
    keep_answer(context, answer);
    keysets_configure(keysets, other, clock_ms());
}

static void who_waits_is_answered_though_another_answer_forgets_the_tenant(void **state)
{
    struct asker askers[3] = { { .answers = 0 }, { .answers = 0 }, { .answers = 0 } };
    struct keyset_status status;
    size_t i;

    (void)state;
    other = config_of(OTHER);
    begin(only_t_1);
    begun_at(only_t_1, clock_ms() + 2000);
    for (i = 0; i < COUNT(askers); i++)
        keysets_ask(keysets, only_t_1, 0, slice_of("t-1"), clock_ms(), INT64_MAX, configure_none, &askers[i]);
    end_last(KEY_REFRESH_REPLACED);
    for (i = 0; i < COUNT(askers); i++)
        assert_int_equal(askers[i].answers, 1);
    ROW("and then it is forgotten");
    keysets_configure(keysets, other, clock_ms());
    assert_false(keysets_status(keysets, 0, &status));
    config_release(&other);
}

static void more_than_can_wait_are_refused(void **state)
{
    static struct asker askers[65];
    int64_t now = clock_ms();
    size_t i;

    (void)state;
    begin(only_t_1);
    for (i = 0; i < COUNT(askers); i++)
        ask("t-1", now, &askers[i]);
    ROW("the last one, at once");
    assert_int_equal(askers[64].answers, 1);
    assert_int_equal(askers[64].reason, REASON_TENANT_UNAVAILABLE);
    assert_string_equal(askers[64].detail, "the refresh of the key set is not finished");
    ROW("all others are answered");
    assert_int_equal(look_count, 1);
    assert_int_equal(askers[63].answers, 0);
    end_last(KEY_REFRESH_REPLACED);
    for (i = 0; i < 64; i++) {
        assert_int_equal(askers[i].answers, 1);
        assert_int_equal(askers[i].reason, REASON_OK);
    }
}

static void a_tenant_among_many_has_a_smaller_share(void **state)
{
    static const struct {
        const char *name;
        size_t tenants, share;
    } cases[] = {
        { "one alone", 1, 64 },
        { "twelve", 12, 64 },
        { "one more", 13, 768 / 13 },
        { "all that it may have", 64, 12 },
    };
    static struct asker askers[65];
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const struct config *many;
        char *text = NULL;
        size_t len, waiting = 0;
        FILE *out = open_memstream(&text, &len);

        ROW(cases[i].name);
        for (j = 0; j < cases[i].tenants; j++)
            fprintf(out, "tenant \"t-%zu\" { url = \"https://auth.example.com\" keys = \"~/keys\" }\n", j);
        fclose(out);
        many = config_of(text);
        begin(many);
        for (j = 0; j < COUNT(askers); j++) {
            askers[j] = (struct asker){ .answers = 0 };
            keysets_ask(keysets, many, 0, LITERAL("t-0"), clock_ms(), INT64_MAX, keep_answer, &askers[j]);
        }
        for (j = 0; j < COUNT(askers); j++)
            waiting += askers[j].answers == 0;
        assert_int_equal(waiting, cases[i].share);
        keysets_free(&keysets);
        config_release(&many);
        free(text);
    }
}

static void assert_not_yet(const struct asker *asker)
{
    assert_int_equal(asker->answers, 1);
    assert_int_equal(asker->reason, REASON_TENANT_UNAVAILABLE);
    assert_string_equal(asker->detail, "the refresh of the key set is not finished");
}

static void rule_21_few_wait_for_a_service_that_takes_its_time(void **state)
{
    struct asker askers[16], late;
    int64_t now = clock_ms();
    size_t i;

    (void)state;
    begin_after_first_look(only_t_1);
    for (i = 0; i < COUNT(askers); i++)
        ask_until("t-1", now + (int64_t)i, now + 4750, &askers[i]);
    assert_int_equal(look_count, 2);
    ROW("for half a second all do");
    assert_int_equal(keysets_run(keysets, only_t_1, now + 499), 1);
    for (i = 0; i < COUNT(askers); i++)
        assert_int_equal(askers[i].answers, 0);
    ROW("then four");
    assert_int_equal(keysets_run(keysets, only_t_1, now + 500), 4250);
    for (i = 4; i < COUNT(askers); i++)
        assert_not_yet(&askers[i]);
    ROW("who comes later does not wait");
    ask_until("t-1", now + 500, now + 5250, &late);
    assert_not_yet(&late);
    ROW("the four wait as long as they can");
    assert_int_equal(keysets_run(keysets, only_t_1, now + 4749), 1);
    for (i = 0; i < 4; i++)
        assert_int_equal(askers[i].answers, 0);
    assert_int_equal(keysets_run(keysets, only_t_1, now + 4750), 3600000);
    for (i = 0; i < 4; i++)
        assert_not_yet(&askers[i]);
    ROW("another one may take their place, and is told how it ended");
    ask_until("t-1", now + 5000, now + 9750, &late);
    assert_int_equal(late.answers, 0);
    end_last(KEY_REFRESH_FAILED);
    assert_string_equal(late.detail, "status 500");
    ROW("nobody is answered a second time, nor waits after the failure");
    ask_until("t-1", now + 29000, now + 33750, &late);
    assert_int_equal(late.answers, 1);
    assert_int_equal(late.reason, REASON_OK);
    for (i = 0; i < COUNT(askers); i++)
        assert_int_equal(askers[i].answers, 1);
    ROW("whoever has no time left does not wait, and has it look all the same");
    begin_after_first_look(only_t_1);
    ask_until("t-1", now, now, &late);
    assert_not_yet(&late);
    assert_int_equal(look_count, 2);
}

/* What the processes of one uid ask, and how many of the questions wait. */
struct waiting_row {
    uid_t uid;
    size_t asks, waiting;
};

/* The processes of several uids ask one after the other. So many of each wait at that time after the first question. */
static void assert_waiting(const struct waiting_row *rows, size_t count, int64_t after_ms)
{
    static struct asker askers[4][WAITING_OF_TENANT + 1];
    const int64_t now = clock_ms();
    size_t i, j;

    begin_after_first_look(only_t_1);
    for (i = 0; i < count; i++)
        for (j = 0; j < rows[i].asks; j++)
            ask_as(rows[i].uid, "t-1", now, now + 4750, &askers[i][j]);
    keysets_run(keysets, only_t_1, now + after_ms);
    for (i = 0; i < count; i++) {
        size_t waiting = 0;

        for (j = 0; j < rows[i].asks; j++)
            waiting += askers[i][j].answers == 0;
        assert_int_equal(waiting, rows[i].waiting);
    }
    end_last(KEY_REFRESH_REPLACED);
}

static void rule_21_no_uid_takes_all_places_of_a_look(void **state)
{
    static const struct {
        const char *name;
        int64_t after_ms;
        struct waiting_row rows[4];
    } cases[] = {
        { "root may take all", 0, { { 0, 65, 64 } } },
        { "another uid half of them", 0, { { 1000, 65, 32 } } },
        { "two such uids together three quarters", 0, { { 1000, 32, 32 }, { 1001, 32, 16 }, { 0, 64, 16 } } },
        { "of those that wait for a slow service root may take all", 500, { { 0, 8, 4 } } },
        { "another uid two", 500, { { 1000, 8, 2 }, { 0, 8, 2 } } },
        { "other uids together three", 500, { { 1000, 2, 2 }, { 1001, 2, 1 }, { 1002, 2, 0 }, { 0, 2, 1 } } },
        { "a uid that comes late has a place", 500, { { 1000, 8, 2 }, { 1001, 1, 1 } } },
    };
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        size_t count = 0;

        ROW(cases[i].name);
        for (j = 0; j < COUNT(cases[i].rows); j++)
            count += cases[i].rows[j].asks > 0;
        assert_waiting(cases[i].rows, count, cases[i].after_ms);
    }
}

static void a_tenant_without_a_key_set_of_its_own_is_not_looked_for(void **state)
{
    static const struct {
        const char *name, *tenant;
    } cases[] = {
        { "not configured", "t-9" },        { "no address", "p" }, { "a secret", "h" },
        { "a secret and an address", "d" }, { "none", "" },
    };
    struct asker asker;
    size_t i;

    (void)state;
    begin(config);
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        ask(cases[i].tenant, clock_ms(), &asker);
        assert_int_equal(asker.answers, 1);
        assert_int_equal(asker.reason, REASON_TENANT_UNKNOWN);
        assert_string_equal(asker.detail, "latchkeyd does not refresh a key set of this tenant");
    }
    assert_int_equal(look_count, 0);
}

static void what_is_known_of_tenants_that_stay_is_kept(void **state)
{
    const struct config *same = config_of(TENANTS "latchkeyd { refresh = 200 }\n");
    const struct key_source *source;
    struct keyset_status status;
    struct asker asker;
    int64_t now = clock_ms();

    (void)state;
    begin_after_first_look(only_t_1);
    source = looks[0].source;
    ask("t-1", now, &asker);
    end_last(KEY_REFRESH_FAILED);
    ROW("a new tenant is looked for at once, the old one at its time");
    keysets_configure(keysets, same, clock_ms());
    assert_int_equal(begun_at(same, clock_ms()), 1);
    assert_string_equal(looks[look_count - 1].tenant, "t-2");
    end_last(KEY_REFRESH_REPLACED);
    ROW("its status, its pause and its validators");
    assert_true(keysets_status(keysets, 0, &status));
    assert_string_equal(status.failure, "status 500");
    ask("t-1", now + 29999, &asker);
    assert_int_equal(asker.answers, 1);
    assert_due_in(same, 30);
    assert_string_equal(looks[look_count - 1].tenant, "t-1");
    assert_ptr_equal(looks[look_count - 1].source, source);
    config_release(&same);
}

static void a_tenant_that_is_gone_is_forgotten(void **state)
{
    const struct config *none = config_of("tenant \"p\" { issuer = \"https://op.example\" keys = \"~/keys\" }\n");
    struct keyset_status status;
    struct asker asker;
    unsigned before;

    (void)state;
    ROW("at once, when nobody looks for it");
    begin_after_first_look(only_t_1);
    keysets_configure(keysets, none, clock_ms());
    assert_false(keysets_status(keysets, 0, &status));
    ask("t-1", clock_ms(), &asker);
    assert_int_equal(asker.reason, REASON_TENANT_UNKNOWN);
    assert_int_equal(begun_at(none, clock_ms() + DAY_MS), 0);
    ROW("one that comes back is as any new one");
    keysets_configure(keysets, only_t_1, clock_ms());
    assert_true(keysets_status(keysets, 0, &status));
    assert_int_equal(status.refreshed_at, 0);
    assert_int_equal(begun_at(only_t_1, clock_ms() + 2000), 1);
    ROW("while it is under way: who waits is answered");
    ask("t-1", clock_ms(), &asker);
    keysets_configure(keysets, none, clock_ms());
    end_last(KEY_REFRESH_REPLACED);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(asker.reason, REASON_OK);
    ROW("and then nobody looks, nor complains that it is gone");
    before = logged.count;
    assert_int_equal(begun_at(none, clock_ms() + DAY_MS), 0);
    assert_int_equal(logged.count, before);
    assert_false(keysets_status(keysets, 0, &status));
    keysets_ask(keysets, none, 0, slice_of("t-1"), clock_ms(), INT64_MAX, keep_answer, &asker);
    assert_int_equal(asker.reason, REASON_TENANT_UNKNOWN);
    ROW("one that comes back while it is under way is the same");
    keysets_configure(keysets, only_t_1, clock_ms());
    assert_int_equal(begun_at(only_t_1, clock_ms() + 2000), 1);
    keysets_configure(keysets, none, clock_ms());
    assert_int_equal(begun_at(none, clock_ms() + 2000), 0);
    keysets_configure(keysets, only_t_1, clock_ms());
    assert_int_equal(begun_at(only_t_1, clock_ms() + 2000), 0);
    end_last(KEY_REFRESH_REPLACED);
    assert_due_in(only_t_1, 200);
    config_release(&none);
}

static void a_new_interval_holds_at_once(void **state)
{
    const struct config *seldom = config_of(ONLY_T_1 "latchkeyd { refresh = 604800 }\n"),
                        *often = config_of(ONLY_T_1 "latchkeyd { refresh = 60 }\n");
    size_t i;

    (void)state;
    ROW("a shorter one, though the last look was long ago");
    begin_after_first_look(seldom);
    assert_int_equal(begun_at(seldom, clock_ms() + DAY_MS), 0);
    keysets_configure(keysets, often, clock_ms());
    assert_due_in(often, 60);
    end_last(KEY_REFRESH_UNCHANGED);
    ROW("it is not put off by each new configuration");
    for (i = 0; i < 10; i++)
        keysets_configure(keysets, often, clock_ms() + 50000);
    assert_due_in(often, 60);
    ROW("a longer one, from the next look on");
    end_last(KEY_REFRESH_UNCHANGED);
    keysets_configure(keysets, seldom, clock_ms());
    assert_due_in(seldom, 60);
    end_last(KEY_REFRESH_UNCHANGED);
    assert_due_in(seldom, 604800);
    ROW("no pause after a failure is longer than it");
    for (i = 0; i < 8; i++) {
        end_last(KEY_REFRESH_FAILED);
        assert_int_equal(begun_at(seldom, clock_ms() + 2 * DAY_MS), 1);
    }
    keysets_configure(keysets, often, clock_ms());
    end_last(KEY_REFRESH_FAILED);
    assert_due_in(often, 60);
    config_release(&seldom);
    config_release(&often);
}

static void the_status_tells_of_the_last_look(void **state)
{
    struct keyset_status status;

    (void)state;
    begin(only_t_1);
    ROW("never");
    assert_true(keysets_status(keysets, 0, &status));
    assert_string_equal(status.tenant_id, "t-1");
    assert_int_equal(status.refreshed_at, 0);
    assert_string_equal(status.failure, "");
    assert_false(keysets_status(keysets, 1, &status));
    ROW("failed");
    begun_at(only_t_1, clock_ms() + 2000);
    end_last(KEY_REFRESH_FAILED);
    assert_true(keysets_status(keysets, 0, &status));
    assert_in_range(time(NULL) - status.refreshed_at, 0, 5);
    assert_int_equal(status.result, KEY_REFRESH_FAILED);
    assert_string_equal(status.failure, "status 500");
    ROW("replaced, and the failure is past");
    begun_at(only_t_1, clock_ms() + DAY_MS);
    end_last(KEY_REFRESH_REPLACED);
    assert_true(keysets_status(keysets, 0, &status));
    assert_int_equal(status.result, KEY_REFRESH_REPLACED);
    assert_string_equal(status.failure, "");
    ROW("one for each tenant that is looked for");
    begin(config);
    assert_true(keysets_status(keysets, 1, &status));
    assert_string_equal(status.tenant_id, "t-2");
    assert_false(keysets_status(keysets, 2, &status));
}

static int set_up(void **state)
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

static int tear_down(void **state)
{
    (void)state;
    keysets_free(&keysets);
    keysets_free(&keysets);
    config_release(&config);
    config_release(&only_t_1);
    return directory_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_no_key_set_is_looked_for_at_once_and_others_soon),
        cmocka_unit_test(each_is_looked_for_at_its_time),
        cmocka_unit_test(after_failures_it_waits_twice_as_long_each_time),
        cmocka_unit_test(who_waits_is_answered_though_another_answer_forgets_the_tenant),
        cmocka_unit_test(rule_21_unknown_keys_make_it_look_once_in_thirty_seconds),
        cmocka_unit_test(rule_21_without_a_key_set_a_login_may_ask_after_a_failure),
        cmocka_unit_test(a_change_of_the_configuration_has_it_look),
        cmocka_unit_test(a_change_during_a_look_has_it_look_again),
        cmocka_unit_test(a_key_set_that_is_gone_is_looked_for),
        cmocka_unit_test(after_a_failure_the_authorities_are_watched),
        cmocka_unit_test(tenants_that_do_not_fit_any_more_come_later),
        cmocka_unit_test(who_asks_while_it_looks_waits_for_that_look),
        cmocka_unit_test(who_asks_again_from_within_the_answer_is_answered_twice),
        cmocka_unit_test(more_than_can_wait_are_refused),
        cmocka_unit_test(a_tenant_among_many_has_a_smaller_share),
        cmocka_unit_test(rule_21_few_wait_for_a_service_that_takes_its_time),
        cmocka_unit_test(rule_21_no_uid_takes_all_places_of_a_look),
        cmocka_unit_test(a_tenant_without_a_key_set_of_its_own_is_not_looked_for),
        cmocka_unit_test(what_is_known_of_tenants_that_stay_is_kept),
        cmocka_unit_test(a_tenant_that_is_gone_is_forgotten),
        cmocka_unit_test(a_new_interval_holds_at_once),
        cmocka_unit_test(the_status_tells_of_the_last_look),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
