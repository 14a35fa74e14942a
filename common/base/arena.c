#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE 16384

struct arena_chunk {
    struct arena_chunk *older;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

static bool has_room(const struct arena_chunk *chunk, size_t len, size_t alignment, size_t *ret_at)
{
    if (chunk == NULL)
        return false;
    *ret_at = (chunk->used + alignment - 1) & ~(alignment - 1);
    return *ret_at <= chunk->size && len <= chunk->size - *ret_at;
}

static void *take(struct arena *arena, size_t len, size_t alignment)
{
    const size_t size = len > CHUNK_SIZE ? len : CHUNK_SIZE;
    struct arena_chunk *chunk = arena->newest;
    size_t at = 0;

    if (!has_room(chunk, len, alignment, &at)) {
        if (size > SIZE_MAX - sizeof *chunk)
            return NULL;
        chunk = calloc(1, sizeof *chunk + size);
        if (chunk == NULL)
            return NULL;
        chunk->size = size;
        chunk->older = arena->newest;
        arena->newest = chunk;
        at = 0;
    }
    chunk->used = at + len;
    return chunk->bytes + at;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
    return size != 0 && count > SIZE_MAX / size ? NULL : take(arena, count * size, _Alignof(max_align_t));
}

char *arena_copy(struct arena *arena, struct slice text)
{
    char *copy = take(arena, text.len + 1, 1);

    if (copy != NULL && text.len > 0)
        memcpy(copy, text.bytes, text.len);
    return copy;
}

void arena_free(struct arena *arena)
{
    struct arena_chunk *chunk = arena->newest;

    while (chunk != NULL) {
        struct arena_chunk *older = chunk->older;

        free(chunk);
        chunk = older;
    }
    arena->newest = NULL;
}
