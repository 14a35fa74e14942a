/*
 * Texts that a unit test has the JSON reader parse.
 */
#ifndef LATCHKEY_JSON_TEXTS_H
#define LATCHKEY_JSON_TEXTS_H

#include "tests/support/unit.h"

#include "base/json.h"

#define NO_ERROR ((enum json_error)99)

/* Parse from memory of exactly the text's size, so that a sanitizer sees one byte too many. NULL and *ret_error, or a
 * tree. */
static inline struct json *parse(struct slice text, enum json_error *ret_error)
{
    char *copy = malloc(text.len + 1);
    struct json *const untouched = (struct json *)copy;
    struct json *json = untouched;
    bool ok;

    assert_non_null(copy);
    if (text.len != 0)
        memcpy(copy + 1, text.bytes, text.len);
    *ret_error = NO_ERROR;
    ok = json_parse((struct slice){ copy + 1, text.len }, &json, ret_error);
    free(copy);
    if (ok)
        return json;
    assert_ptr_equal(json, untouched);
    assert_int_not_equal(*ret_error, NO_ERROR);
    return NULL;
}

static inline struct json *parse_good(struct slice text)
{
    enum json_error error;
    struct json *json = parse(text, &error);

    if (json == NULL)
        fail_msg("%.*s: %s", SLICE_ARG(text), json_error_text(error));
    return json;
}

static inline enum json_error error_of(struct slice text)
{
    enum json_error error;
    struct json *json = parse(text, &error);

    if (json == NULL)
        return error;
    json_free(&json);
    return NO_ERROR;
}

#endif
