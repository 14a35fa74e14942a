/*
 * A hash table of texts. Equal texts are entries of their own.
 *
 * Users may choose some of the texts (the subjects of a revocation list). The hash has a random key, so a user cannot
 * choose texts that meet in one place of the table. Building takes linear time, also for many equal texts.
 */
#ifndef LATCHKEY_TEXT_INDEX_H
#define LATCHKEY_TEXT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

struct text_entry {
    const char *bytes; /* lent */
    uint32_t len;
    /* First the text's hash. text_index_build() puts the next entry with the same text here, counted from 1; 0: none.
     */
    uint32_t next;
};

/* All zero: no entries. */
struct text_index {
    const struct text_entry *entries; /* lent */
    uint32_t *slots;
    uint32_t mask; /* slots - 1; the slots are a power of two */
    uint64_t key[2];
};

/* Choose the key. Before the entries are made. */
void text_index_init(struct text_index *index);
struct text_entry text_index_entry(const struct text_index *index, struct slice text);

/* Index fewer than 2^30 entries, which live as long as the index. The slots are in the arena. False: out of memory. */
bool text_index_build(struct text_index *index, struct text_entry *entries, size_t count, struct arena *arena);

/* The first of the entries with this text, and the one after it. NULL: there is none. Lent. */
const struct text_entry *text_index_find(const struct text_index *index, struct slice text);
const struct text_entry *text_index_next(const struct text_index *index, const struct text_entry *entry);

/* The place of an entry in the array of entries. */
static inline size_t text_index_place(const struct text_index *index, const struct text_entry *entry)
{
    return (size_t)(entry - index->entries);
}

static inline struct slice text_entry_slice(const struct text_entry *entry)
{
    return (struct slice){ entry->bytes, entry->len };
}

#endif
