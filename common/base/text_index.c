#include "base/text_index.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define KEY_LEN 8  /* bytes that are compared at once */
#define FEW     48 /* entries that insertion sorts faster than counting does */

/* The bytes from `depth` on as a number, which is in their order; zeros, which no text holds, behind its end. */
static uint64_t key_at(const struct text_entry *entry, size_t depth)
{
    const size_t rest = entry->len > depth ? entry->len - depth : 0;
    uint64_t key = 0;

    if (rest >= KEY_LEN)
        memcpy(&key, entry->bytes + depth, KEY_LEN);
    else if (rest > 0)
        memcpy(&key, entry->bytes + depth, rest);
    return be64toh(key);
}

static unsigned char key_byte(const struct text_entry *entry, size_t depth)
{
    return (unsigned char)(entry->key >> (8 * (KEY_LEN - 1 - depth % KEY_LEN)));
}

static int compare_slices(struct slice a, struct slice b)
{
    const size_t shorter = a.len < b.len ? a.len : b.len;
    const int order = shorter > 0 ? memcmp(a.bytes, b.bytes, shorter) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool is_before(const struct text_entry *a, const struct text_entry *b)
{
    int order;

    if (a->key != b->key)
        return a->key < b->key;
    order = compare_slices(text_entry_slice(a), text_entry_slice(b));
    return order != 0 ? order < 0 : a->value < b->value;
}

static void insertion_sort(struct text_entry *entries, size_t count)
{
    size_t i, j;

    for (i = 1; i < count; i++) {
        const struct text_entry entry = entries[i];

        for (j = i; j > 0 && is_before(&entry, &entries[j - 1]); j--)
            entries[j] = entries[j - 1];
        entries[j] = entry;
    }
}

static int compare_values(const void *a, const void *b)
{
    const uint32_t left = ((const struct text_entry *)a)->value, right = ((const struct text_entry *)b)->value;

    return (left > right) - (left < right);
}

/* Returns the byte that most entries have. Those of a byte go from begin[byte] up to begin[byte + 1]. */
static unsigned count_bytes(const struct text_entry *entries, uint32_t count, size_t depth, uint32_t begin[257])
{
    unsigned byte, most = 0;
    uint32_t i;

    memset(begin, 0, 257 * sizeof *begin);
    for (i = 0; i < count; i++)
        begin[key_byte(&entries[i], depth) + 1]++;
    for (byte = 0; byte < 256; byte++)
        most = begin[byte + 1] > begin[most + 1] ? byte : most;
    for (byte = 0; byte < 256; byte++)
        begin[byte + 1] += begin[byte];
    return most;
}

static void distribute(struct text_entry *entries, size_t depth, const uint32_t begin[257])
{
    uint32_t next[256], byte;

    memcpy(next, begin, sizeof next);
    for (byte = 0; byte < 256; byte++)
        while (next[byte] < begin[byte + 1]) {
            struct text_entry entry = entries[next[byte]];
            unsigned char its = key_byte(&entry, depth);

            while (its != byte) {
                const struct text_entry other = entries[next[its]];

                entries[next[its]++] = entry;
                entry = other;
                its = key_byte(&entry, depth);
            }
            entries[next[byte]++] = entry;
        }
}

/*
 * A radix sort in place, from the first byte on (McIlroy, Bostic and McIlroy, "Engineering Radix Sort", 1993), of
 * entries whose first `depth` bytes are equal. The loop sorts the largest part, and a call each other one, which has at
 * most half of the entries: so the calls are at most 32 deep, and the stack stays small.
 */
static void sort_from(struct text_entry *entries, uint32_t count, size_t depth)
{
    uint32_t begin[257], i;
    unsigned byte, most;

    for (; count > FEW; depth++) {
        for (i = 0; depth % KEY_LEN == 0 && i < count; i++)
            entries[i].key = key_at(&entries[i], depth);
        most = count_bytes(entries, count, depth, begin);
        if (most == 0 && begin[1] == count) { /* all have ended: they are the same text */
            qsort(entries, count, sizeof *entries, compare_values);
            return;
        }
        if (begin[most + 1] - begin[most] < count)
            distribute(entries, depth, begin);
        for (byte = 0; byte < 256; byte++)
            if (byte != most && begin[byte + 1] - begin[byte] > 1)
                sort_from(entries + begin[byte], begin[byte + 1] - begin[byte], depth + 1);
        entries += begin[most];
        count = begin[most + 1] - begin[most];
    }
    insertion_sort(entries, count);
}

void text_index_sort(struct text_entry *entries, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        entries[i].key = key_at(&entries[i], 0);
    sort_from(entries, (uint32_t)count, 0);
}

bool text_index_is_same(const struct text_entry *a, const struct text_entry *b)
{
    return a->key == b->key && slice_equal(text_entry_slice(a), text_entry_slice(b));
}

/* The first entry that is not before the text, or behind it. */
static size_t lower_bound(const struct text_entry *entries, size_t count, struct slice text)
{
    size_t begin = 0, end = count, middle;

    while (begin < end) {
        middle = begin + (end - begin) / 2;
        if (compare_slices(text_entry_slice(&entries[middle]), text) < 0)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

const struct text_entry *text_index_find(const struct text_entry *entries, size_t count, struct slice text,
                                         size_t *ret_count)
{
    const size_t begin = lower_bound(entries, count, text);
    size_t end = begin;

    while (end < count && slice_equal(text_entry_slice(&entries[end]), text))
        end++;
    *ret_count = end - begin;
    return end > begin ? &entries[begin] : NULL;
}
