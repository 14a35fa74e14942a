/*
 * The tokens that API keys were exchanged for, for a short while. Of an API key it holds only a hash, under a random
 * key that never leaves this process.
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

/* The hash over tenant, subject and API key of one exchange. */
struct cache_key {
    unsigned char hash[SECRET_HASH_LEN];
};

struct cache *cache_new(void); /* NULL when out of memory or randomness */
void cache_free(struct cache **cache);

/* False when out of memory, or when OpenSSL fails. */
bool cache_key_of(const struct cache *cache, struct slice tenant, struct slice subject, struct slice api_key,
                  struct cache_key *ret_key);

/* The token, lent until the next call; false when there is none, or when its time is over. Counts hits and misses. */
bool cache_find(struct cache *cache, const struct cache_key *key, int64_t now_ms, struct slice *ret_token);

/* Wipe the token of a key, if there is one. */
void cache_drop(struct cache *cache, const struct cache_key *key);

/* Keep a copy until then, in place of the token whose time ends first. When out of memory nothing is kept. */
void cache_put(struct cache *cache, const struct cache_key *key, struct slice token, int64_t until_ms);

/* Wipe the tokens whose time is over; all with INT64_MAX. */
void cache_sweep(struct cache *cache, int64_t now_ms);

struct cache_counts {
    size_t entries;
    uint64_t hits;
    uint64_t misses;
};
struct cache_counts cache_counts(const struct cache *cache);

#endif
