#include "tests/support/unit.h"

#include <malloc.h>

#include <openssl/crypto.h>

#include "latchkeyd/cache.h"

#define T0      1000000
#define API_KEY "api-key-0123456789abcdef"

/* In place of libcrypto's: how often these bytes were wiped. */
static struct {
    struct slice bytes;
    unsigned count;
} wiped;

void OPENSSL_cleanse(void *ptr, size_t len)
{
    wiped.count +=
        wiped.bytes.len > 0 && len >= wiped.bytes.len && memcmp(ptr, wiped.bytes.bytes, wiped.bytes.len) == 0;
    explicit_bzero(ptr, len);
}

static struct cache_key key_of(const struct cache *cache, const char *tenant, const char *subject, const char *api_key)
{
    struct cache_key key;

    assert_true(cache_key_of(cache, slice_of(tenant), slice_of(subject), slice_of(api_key), &key));
    return key;
}

/* The token, or "" when there is none. */
static const char *found(struct cache *cache, const struct cache_key *key, int64_t now_ms)
{
    static char text[64];
    struct slice token;

    if (!cache_find(cache, key, now_ms, &token))
        return "";
    snprintf(text, sizeof text, "%.*s", SLICE_ARG(token));
    return text;
}

static void a_token_is_found_until_its_time(void **state)
{
    struct cache *cache = cache_new();
    struct cache_key key = key_of(cache, "t-1", "sub-1", API_KEY);

    (void)state;
    ROW("nothing is there in the beginning");
    assert_string_equal(found(cache, &key, T0), "");
    cache_put(cache, &key, LITERAL("a.b.c"), T0 + 5000);
    ROW("at once, and a moment before its time");
    assert_string_equal(found(cache, &key, T0), "a.b.c");
    assert_string_equal(found(cache, &key, T0 + 4999), "a.b.c");
    ROW("not at its time, nor later");
    assert_string_equal(found(cache, &key, T0 + 5000), "");
    assert_string_equal(found(cache, &key, INT64_MAX), "");
    ROW("a newer one takes its place, also with an earlier end");
    cache_put(cache, &key, LITERAL("d.e.f"), T0 + 2000);
    assert_string_equal(found(cache, &key, T0 + 1999), "d.e.f");
    assert_string_equal(found(cache, &key, T0 + 2000), "");
    assert_int_equal(cache_counts(cache).entries, 1);
    ROW("nothing, in the place of a token, is none");
    cache_put(cache, &key, LITERAL(""), T0 + 5000);
    assert_string_equal(found(cache, &key, T0), "");
    assert_int_equal(cache_counts(cache).entries, 0);
    ROW("until it is dropped");
    cache_put(cache, &key, LITERAL("a.b.c"), T0 + 5000);
    cache_drop(cache, &key);
    assert_string_equal(found(cache, &key, T0), "");
    assert_int_equal(cache_counts(cache).entries, 0);
    cache_drop(cache, &key);
    cache_free(&cache);
    assert_null(cache);
    cache_free(&cache);
    cache_free(NULL);
}

static const struct {
    const char *name, *tenant, *subject, *api_key;
    bool is_same;
} others[] = {
    { "the same again", "t-1", "sub-1", API_KEY, true },
    { "another key", "t-1", "sub-1", "api-key-0123456789abcdeF", false },
    { "a longer key", "t-1", "sub-1", API_KEY "0", false },
    { "another subject", "t-1", "sub-2", API_KEY, false },
    { "another tenant", "t-2", "sub-1", API_KEY, false },
    { "the border between tenant and subject elsewhere", "t-1s", "ub-1", API_KEY, false },
    { "the border between subject and key elsewhere", "t-1", "sub-1a", "pi-key-0123456789abcdef", false },
    { "tenant and subject exchanged", "sub-1", "t-1", API_KEY, false },
};

static void rule_26_another_key_or_subject_or_tenant_is_another_exchange(void **state)
{
    struct cache *cache = cache_new(), *other = cache_new();
    struct cache_key first = key_of(cache, "t-1", "sub-1", API_KEY), key;
    size_t i;

    (void)state;
    cache_put(cache, &first, LITERAL("a.b.c"), T0 + 5000);
    for (i = 0; i < COUNT(others); i++) {
        ROW(others[i].name);
        key = key_of(cache, others[i].tenant, others[i].subject, others[i].api_key);
        assert_string_equal(found(cache, &key, T0), others[i].is_same ? "a.b.c" : "");
    }
    ROW("rule 26: the hash is of a key that every cache has for itself");
    key = key_of(other, "t-1", "sub-1", API_KEY);
    assert_memory_not_equal(first.hash, key.hash, sizeof key.hash);
    assert_string_equal(found(cache, &key, T0), "");
    cache_free(&cache);
    cache_free(&other);
}

static void hits_and_misses_are_counted(void **state)
{
    struct cache *cache = cache_new();
    struct cache_key key = key_of(cache, "t-1", "sub-1", API_KEY);
    struct cache_counts counts;

    (void)state;
    found(cache, &key, T0);
    cache_put(cache, &key, LITERAL("a.b.c"), T0 + 1);
    found(cache, &key, T0);
    found(cache, &key, T0);
    found(cache, &key, T0 + 1);
    counts = cache_counts(cache);
    assert_int_equal(counts.entries, 1);
    assert_int_equal(counts.hits, 2);
    assert_int_equal(counts.misses, 2);
    cache_free(&cache);
}

/* Memory of the cache itself, not of the tokens. */
static bool holds_bytes(const struct cache *cache, const char *bytes)
{
    return memmem(cache, malloc_usable_size((void *)cache), bytes, strlen(bytes)) != NULL;
}

static void rule_26_nothing_of_the_key_is_kept(void **state)
{
    struct cache *cache = cache_new();
    struct cache_key key;
    char part[9] = "";
    size_t i;

    (void)state;
    assert_true(malloc_usable_size(cache) > CACHE_ENTRIES * sizeof key);
    wiped.bytes = LITERAL("t-1\0sub-1\0" API_KEY);
    wiped.count = 0;
    key = key_of(cache, "t-1", "sub-1", API_KEY);
    ROW("what was hashed is wiped");
    assert_int_equal(wiped.count, 1);
    wiped.bytes = LITERAL("a.b.c");
    cache_put(cache, &key, LITERAL("a.b.c"), T0 + 5000);
    ROW("the hash is there");
    assert_non_null(memmem(cache, malloc_usable_size(cache), key.hash, sizeof key.hash));
    ROW("no eight bytes of the key are, nor the subject");
    for (i = 0; i + 8 <= strlen(API_KEY); i++) {
        memcpy(part, &API_KEY[i], 8);
        assert_false(holds_bytes(cache, part));
        assert_null(memmem(&key, sizeof key, part, 8));
    }
    assert_false(holds_bytes(cache, "sub-1"));
    cache_free(&cache);
}

static void rule_33_a_token_that_is_let_go_of_is_wiped(void **state)
{
    struct cache *cache = cache_new();
    struct cache_key keys[3] = { key_of(cache, "t", "s", "k-0"), key_of(cache, "t", "s", "k-1"),
                                 key_of(cache, "t", "s", "k-2") };
    size_t i;

    (void)state;
    wiped.bytes = LITERAL("token-of-the-test");
    wiped.count = 0;
    for (i = 0; i < COUNT(keys); i++)
        cache_put(cache, &keys[i], LITERAL("token-of-the-test"), T0 + 1000 * (int64_t)i);
    assert_int_equal(cache_counts(cache).entries, 3);
    ROW("a sweep takes what has lived its time");
    cache_sweep(cache, T0 - 1);
    assert_int_equal(wiped.count, 0);
    cache_sweep(cache, T0);
    assert_int_equal(wiped.count, 1);
    assert_int_equal(cache_counts(cache).entries, 2);
    assert_false(memmem(cache, malloc_usable_size(cache), keys[0].hash, sizeof keys[0].hash) != NULL);
    ROW("so does a newer token in its place");
    cache_put(cache, &keys[1], LITERAL("another"), T0 + 9000);
    assert_int_equal(wiped.count, 2);
    ROW("so does a sweep of everything, whatever its time");
    cache_sweep(cache, INT64_MAX);
    assert_int_equal(wiped.count, 3);
    assert_int_equal(cache_counts(cache).entries, 0);
    ROW("so does the end");
    cache_put(cache, &keys[0], LITERAL("token-of-the-test"), INT64_MAX);
    cache_free(&cache);
    assert_int_equal(wiped.count, 4);
    wiped.bytes = (struct slice){ NULL, 0 };
}

static void a_full_cache_lets_go_of_what_would_live_shortest(void **state)
{
    struct cache *cache = cache_new();
    unsigned found_late = 0, found_early = 0, i;
    struct cache_key key;
    char name[32];

    (void)state;
    ROW("it never holds more than it has places for, and the last one that came is there");
    for (i = 0; i < 4 * CACHE_ENTRIES; i++) {
        snprintf(name, sizeof name, "short-%u", i);
        key = key_of(cache, "t", "s", name);
        cache_put(cache, &key, slice_of(name), T0 + 1000);
        assert_string_equal(found(cache, &key, T0), name);
    }
    assert_true(cache_counts(cache).entries <= CACHE_ENTRIES);
    assert_true(cache_counts(cache).entries > CACHE_ENTRIES / 2);
    ROW("those that live longer displace those that live shorter");
    for (i = 0; i < CACHE_ENTRIES / 4; i++) {
        snprintf(name, sizeof name, "long-%u", i);
        key = key_of(cache, "t", "s", name);
        cache_put(cache, &key, slice_of(name), T0 + 60000);
    }
    for (i = 0; i < CACHE_ENTRIES / 2; i++) {
        snprintf(name, sizeof name, "new-%u", i);
        key = key_of(cache, "t", "s", name);
        cache_put(cache, &key, slice_of(name), T0 + 2000);
    }
    for (i = 0; i < CACHE_ENTRIES / 4; i++) {
        snprintf(name, sizeof name, "long-%u", i);
        key = key_of(cache, "t", "s", name);
        found_late += strcmp(found(cache, &key, T0), name) == 0;
        snprintf(name, sizeof name, "short-%u", i);
        key = key_of(cache, "t", "s", name);
        found_early += strcmp(found(cache, &key, T0), name) == 0;
    }
    assert_true(found_late > CACHE_ENTRIES / 4 * 9 / 10); /* all but where one set of places got more than it has */
    assert_true(found_early < CACHE_ENTRIES / 16);
    cache_free(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_found_until_its_time),
        cmocka_unit_test(rule_26_another_key_or_subject_or_tenant_is_another_exchange),
        cmocka_unit_test(hits_and_misses_are_counted),
        cmocka_unit_test(rule_26_nothing_of_the_key_is_kept),
        cmocka_unit_test(rule_33_a_token_that_is_let_go_of_is_wiped),
        cmocka_unit_test(a_full_cache_lets_go_of_what_would_live_shortest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
