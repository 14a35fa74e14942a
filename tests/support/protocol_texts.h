/*
 * Texts of questions and answers, in tables and in memory of their own.
 */
#ifndef LATCHKEY_PROTOCOL_TEXTS_H
#define LATCHKEY_PROTOCOL_TEXTS_H

#include "tests/support/unit.h"

#include "ipc/protocol.h"

#define DUPLICATE "duplicate member name"

/* A literal as a slice, in a table. */
#define TEXT(text)               \
    {                            \
        (text), sizeof(text) - 1 \
    }
#define NONE    \
    {           \
        NULL, 0 \
    }

/* `len` times the same byte; malloc'ed. */
static inline char *filled(size_t len, char byte)
{
    char *text = malloc(len + 1);

    assert_non_null(text);
    memset(text, byte, len);
    text[len] = '\0';
    return text;
}

/* Memory of exactly the text's size, so that a sanitizer sees one byte too many. malloc'ed. */
static inline struct slice exactly(struct slice text)
{
    char *copy = malloc(text.len > 0 ? text.len : 1);

    assert_non_null(copy);
    if (text.len > 0)
        memcpy(copy, text.bytes, text.len);
    return (struct slice){ copy, text.len };
}

static inline void assert_slice(struct slice got, struct slice want)
{
    assert_int_equal(got.len, want.len);
    if (want.len > 0)
        assert_memory_equal(got.bytes, want.bytes, want.len);
}

#endif
