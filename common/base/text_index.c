#include "base/text_index.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

/* The halves multiplied crosswise: each bit of the result depends on most bits of both. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    const uint64_t a_high = a >> 32, a_low = (uint32_t)a, b_high = b >> 32, b_low = (uint32_t)b;
    const uint64_t crossed = (a_high * b_low) ^ (a_low * b_high);

    return (a_high * b_high) ^ (a_low * b_low) ^ (crossed << 32 | crossed >> 32);
}

static uint64_t load(const char *bytes, size_t len)
{
    uint64_t word = 0;

    memcpy(&word, bytes, len);
    return word;
}

/* As wyhash works (Wang Yi, 2019): 16 bytes a step, under a key that is secret. The last steps may read bytes twice. */
static uint32_t hash(const uint64_t key[2], struct slice text)
{
    const char *bytes = text.bytes, *end = bytes + text.len;
    uint64_t sum = key[0] ^ text.len, first = 0, last = 0;

    for (; end - bytes > 16; bytes += 16)
        sum = mix(load(bytes, 8) ^ key[1], load(bytes + 8, 8) ^ sum);
    if (end - bytes >= 8) {
        first = load(bytes, 8);
        last = load(end - 8, 8);
    } else if (end - bytes >= 4) {
        first = load(bytes, 4);
        last = load(end - 4, 4);
    } else if (end > bytes) {
        first = load(bytes, 1) << 8 | load(bytes + (end - bytes) / 2, 1);
        last = load(end - 1, 1);
    }
    sum = mix(first ^ key[1], last ^ sum);
    return (uint32_t)mix(sum ^ key[0], key[1]);
}

/*
 * The slot of the text, or the free slot where it belongs. A slot is the number of an entry, counted from 1, in the
 * bits of the mask, and above them a part of the hash (the tag), which spares most comparisons of different texts.
 */
static uint32_t *find_slot(const struct text_index *index, struct slice text, uint32_t hash)
{
    const uint32_t mask = index->mask, tag = hash & ~mask;
    uint32_t at = hash & mask;

    for (; index->slots[at] != 0; at = (at + 1) & mask)
        if ((index->slots[at] & ~mask) == tag
            && slice_equal(text_entry_slice(&index->entries[(index->slots[at] & mask) - 1]), text))
            break;
    return &index->slots[at];
}

void text_index_init(struct text_index *index)
{
    struct timespec now;

    *index = (struct text_index){ 0 };
    if (getrandom(index->key, sizeof index->key, GRND_NONBLOCK) == (ssize_t)sizeof index->key)
        return;
    /* A seccomp filter may refuse the call. The login goes on with a key that is not hard to guess. */
    clock_gettime(CLOCK_MONOTONIC, &now);
    index->key[0] = mix((uint64_t)now.tv_nsec, (uintptr_t)index);
    index->key[1] = ~index->key[0];
}

struct text_entry text_index_entry(const struct text_index *index, struct slice text)
{
    return (struct text_entry){ .bytes = text.bytes, .len = (uint32_t)text.len, .next = hash(index->key, text) };
}

bool text_index_build(struct text_index *index, struct text_entry *entries, size_t count, struct arena *arena)
{
    size_t size = 4, i;

    while (size < count + count / 2)
        size *= 2;
    index->entries = entries;
    index->mask = (uint32_t)size - 1;
    index->slots = count > 0 ? arena_alloc(arena, size, sizeof *index->slots) : NULL;
    if (index->slots == NULL)
        return count == 0;
    memset(index->slots, 0, size * sizeof *index->slots); /* a page that is read before it is written faults twice */
    for (i = count; i > 0; i--) {                         /* backwards: each entry goes before its equals */
        struct text_entry *entry = &entries[i - 1];
        uint32_t *slot = find_slot(index, text_entry_slice(entry), entry->next);
        const uint32_t former = *slot & index->mask;

        *slot = (entry->next & ~index->mask) | (uint32_t)i;
        entry->next = former;
    }
    return true;
}

const struct text_entry *text_index_find(const struct text_index *index, struct slice text)
{
    uint32_t slot;

    if (index->slots == NULL)
        return NULL;
    slot = *find_slot(index, text, hash(index->key, text));
    return slot != 0 ? &index->entries[(slot & index->mask) - 1] : NULL;
}

const struct text_entry *text_index_next(const struct text_index *index, const struct text_entry *entry)
{
    return entry->next != 0 ? &index->entries[entry->next - 1] : NULL;
}
