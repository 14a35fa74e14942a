#include "latchkeyd/cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"

#define WAYS 8 /* places for one key */

struct entry {
    struct cache_key key;
    struct secret token; /* in pages of its own; empty: a free place */
    int64_t until_ms;
};

struct cache {
    unsigned char *hash_key; /* SECRET_HASH_LEN bytes, in pages of their own */
    struct entry entries[CACHE_ENTRIES];
    struct cache_counts counts;
};

struct cache *cache_new(void)
{
    struct cache *cache = calloc(1, sizeof *cache);

    if (cache == NULL)
        return NULL;
    cache->hash_key = secret_pages_new(SECRET_HASH_LEN);
    if (cache->hash_key == NULL || getrandom(cache->hash_key, SECRET_HASH_LEN, 0) != SECRET_HASH_LEN)
        cache_free(&cache);
    return cache;
}

void cache_free(struct cache **cache)
{
    if (cache == NULL || *cache == NULL)
        return;
    cache_sweep(*cache, INT64_MAX);
    secret_pages_free((*cache)->hash_key, SECRET_HASH_LEN);
    free(*cache);
    *cache = NULL;
}

/* Each part ends with a NUL, which no part contains: so two different exchanges never hash the same text. */
bool cache_key_of(const struct cache *cache, struct slice tenant, struct slice subject, struct slice api_key,
                  struct cache_key *ret_key)
{
    const struct slice parts[] = { tenant, subject, api_key };
    CLEANUP(secret_clear) struct secret all = { NULL, tenant.len + subject.len + api_key.len + 3 };
    size_t at = 0, i;

    all.bytes = calloc(1, all.len);
    if (all.bytes == NULL) {
        all.len = 0;
        return false;
    }
    for (i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        memcpy(all.bytes + at, parts[i].bytes, parts[i].len);
        at += parts[i].len + 1;
    }
    return secret_keyed_hash(cache->hash_key, (struct slice){ all.bytes, all.len }, ret_key->hash);
}

static struct entry *places_of(struct cache *cache, const struct cache_key *key)
{
    size_t set;

    memcpy(&set, key->hash, sizeof set);
    return &cache->entries[set % (CACHE_ENTRIES / WAYS) * WAYS];
}

static bool is_same_key(const struct cache_key *a, const struct cache_key *b)
{
    return secret_equal((struct slice){ (const char *)a->hash, SECRET_HASH_LEN },
                        (struct slice){ (const char *)b->hash, SECRET_HASH_LEN });
}

static struct entry *find_entry(struct cache *cache, const struct cache_key *key)
{
    struct entry *place = places_of(cache, key);
    size_t i;

    for (i = 0; i < WAYS; i++)
        if (place[i].token.len > 0 && is_same_key(&place[i].key, key))
            return &place[i];
    return NULL;
}

bool cache_find(struct cache *cache, const struct cache_key *key, int64_t now_ms, struct slice *ret_token)
{
    const struct entry *entry = find_entry(cache, key);

    if (entry == NULL || entry->until_ms <= now_ms) {
        cache->counts.misses++;
        return false;
    }
    cache->counts.hits++;
    *ret_token = (struct slice){ entry->token.bytes, entry->token.len };
    return true;
}

static void entry_clear(struct entry *entry)
{
    secret_clear_pages(&entry->token);
    *entry = (struct entry){ .until_ms = 0 };
}

void cache_drop(struct cache *cache, const struct cache_key *key)
{
    struct entry *entry = find_entry(cache, key);

    if (entry != NULL)
        entry_clear(entry);
}

void cache_put(struct cache *cache, const struct cache_key *key, struct slice token, int64_t until_ms)
{
    struct entry *entry = find_entry(cache, key), *place = places_of(cache, key);
    size_t i;

    if (entry == NULL) {
        entry = place;
        for (i = 1; i < WAYS; i++)
            if (place[i].until_ms < entry->until_ms)
                entry = &place[i];
    }
    entry_clear(entry);
    if (token.len > 0 && secret_copy_to_pages(token, &entry->token)) {
        entry->key = *key;
        entry->until_ms = until_ms;
    }
}

void cache_sweep(struct cache *cache, int64_t now_ms)
{
    size_t i;

    for (i = 0; i < CACHE_ENTRIES; i++)
        if (cache->entries[i].token.len > 0 && cache->entries[i].until_ms <= now_ms)
            entry_clear(&cache->entries[i]);
}

struct cache_counts cache_counts(const struct cache *cache)
{
    struct cache_counts counts = cache->counts;
    size_t i;

    counts.entries = 0;
    for (i = 0; i < CACHE_ENTRIES; i++)
        counts.entries += cache->entries[i].token.len > 0;
    return counts;
}
