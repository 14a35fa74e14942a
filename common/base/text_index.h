/*
 * Texts in the order of their bytes, to be found by binary search.
 *
 * People may choose some of the texts (the subjects of a revocation list). So the time that sorting takes depends on
 * the bytes of the texts alone: it is linear in them, and no choice of texts makes it slower.
 */
#ifndef LATCHKEY_TEXT_INDEX_H
#define LATCHKEY_TEXT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct text_entry {
    uint64_t key;      /* of the sort: some bytes of the text, the same ones for equal texts */
    const char *bytes; /* lent; no NUL is among them */
    uint32_t len;
    uint32_t value; /* what the text stands for */
};

/* By text, and among equal texts by value. */
void text_index_sort(struct text_entry *entries, size_t count);

/* Whether two sorted entries have the same text. Cheaper than a comparison of the texts. */
bool text_index_is_same(const struct text_entry *a, const struct text_entry *b);

/* The first of the sorted entries that have this text, and how many have it. NULL with *ret_count 0: none has. Lent. */
const struct text_entry *text_index_find(const struct text_entry *entries, size_t count, struct slice text,
                                         size_t *ret_count);

static inline struct slice text_entry_slice(const struct text_entry *entry)
{
    return (struct slice){ entry->bytes, entry->len };
}

#endif
