/*
 * What the fuzz targets of both mechanisms share. An input is taken three ways: as a client's message, as what a client
 * has to say in one, and as what a server's refusal names.
 */
#ifndef LATCHKEY_FUZZ_MESSAGE_H
#define LATCHKEY_FUZZ_MESSAGE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "sasl/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void demand(bool holds)
{
    if (!holds)
        abort();
}

/* What the header promises of a message that is read. */
static inline bool read_message(message_read *read, struct slice text, struct bearer_message *ret)
{
    const char *error = NULL;
    size_t i;

    if (!read(text, ret, &error)) {
        demand(error != NULL && error[0] != '\0');
        return false;
    }
    demand(text.len <= MESSAGE_MAX && memchr(text.bytes, '\0', text.len) == NULL);
    /* No bytes: the client asks where to get a token. */
    demand(ret->bearer.len == 0
           || (ret->bearer.bytes > text.bytes && ret->bearer.bytes + ret->bearer.len < text.bytes + text.len));
    for (i = 0; i < ret->bearer.len; i++)
        demand(ret->bearer.bytes[i] > ' ' && ret->bearer.bytes[i] <= '~');
    demand(ret->has_user == (ret->user[0] != '\0'));
    demand(text_is_line(slice_of(ret->user)));
    return true;
}

/* A C string of at most size - 1 bytes; the rest of the input is left in *in. */
static inline void take_line(struct slice *in, char *text, size_t size)
{
    struct slice line = *in;

    if (!slice_cut(*in, '\n', &line, in))
        *in = (struct slice){ NULL, 0 };
    snprintf(text, size, "%.*s", SLICE_ARG(line));
}

/* An object of the member `status` and, of the others, those that are told in full. */
static inline void check_error(const char *text, size_t len, const char *status)
{
    struct json *json = NULL;
    enum json_error error;
    struct slice value;

    demand(strlen(text) == len);
    demand(json_parse((struct slice){ text, len }, &json, &error));
    demand(json_string(json_member(json, "status"), &value) && slice_equal_string(value, status));
    json_free(&json);
}

#endif
