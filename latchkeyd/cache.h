/*
 * Tokens that API keys were exchanged for, for a short while. Of a key it holds only a hash under a random key that
 * this process made for itself and nobody else ever sees.
 */
#ifndef LATCHKEY_CACHE_H
#define LATCHKEY_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"
#include "base/slice.h"

#define CACHE_ENTRIES 1024

struct cache;

/* The hash of one exchange: of tenant, subject and API key together. */
struct cache_key {
    unsigned char hash[SECRET_HASH_LEN];
};

struct cache *cache_new(void); /* NULL when memory or randomness is short */
void cache_free(struct cache **cache);

/* False when memory is short or OpenSSL fails. */
bool cache_key_of(const struct cache *cache, struct slice tenant, struct slice subject, struct slice api_key,
                  struct cache_key *ret_key);

/* The token, lent until the next call; false when there is none that lives. Counts hits and misses. */
bool cache_find(struct cache *cache, const struct cache_key *key, int64_t now_ms, struct slice *ret_token);

/* Wipe what is kept for a key, if anything is. */
void cache_drop(struct cache *cache, const struct cache_key *key);

/* Keep a copy until then; what would live shortest makes room. Without memory nothing is kept. */
void cache_put(struct cache *cache, const struct cache_key *key, struct slice token, int64_t until_ms);

/* Wipe what has lived its time; all of it with INT64_MAX. */
void cache_sweep(struct cache *cache, int64_t now_ms);

struct cache_counts {
    size_t entries;
    uint64_t hits;
    uint64_t misses;
};
struct cache_counts cache_counts(const struct cache *cache);

#endif
