/*
 * Memory for many small things that end together, such as the strings of a configuration.
 */
#ifndef LATCHKEY_ARENA_H
#define LATCHKEY_ARENA_H

#include <stddef.h>

#include "base/slice.h"

struct arena_chunk;

/* All zero: empty. */
struct arena {
    struct arena_chunk *newest;
};

/* Zeroed memory, aligned for every type, that lives until arena_free(). NULL: out of memory. */
void *arena_alloc(struct arena *arena, size_t count, size_t size);

/* A copy of the bytes with a NUL after them. NULL: out of memory. */
char *arena_copy(struct arena *arena, struct slice text);

void arena_free(struct arena *arena);

#endif
