#include "devel/tenantd/fields.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

static struct slice lend(const struct secret *secret)
{
    return (struct slice){ secret->bytes, secret->len };
}

bool fields_add(struct fields *fields, struct slice name, struct slice value)
{
    struct secret name_copy, value_copy;

    if (fields->count == FIELDS_MAX || !secret_copy(name, &name_copy))
        return false;
    if (!secret_copy(value, &value_copy)) {
        secret_clear(&name_copy);
        return false;
    }
    fields->items[fields->count].name = name_copy;
    fields->items[fields->count].value = value_copy;
    fields->count++;
    return true;
}

bool fields_add_text(struct fields *fields, const char *name, const char *value)
{
    return fields_add(fields, slice_of(name), slice_of(value));
}

void fields_clear(struct fields *fields)
{
    while (fields->count > 0) {
        fields->count--;
        secret_clear(&fields->items[fields->count].name);
        secret_clear(&fields->items[fields->count].value);
    }
}

static bool find(const struct fields *fields, bool (*is_equal)(struct slice, const char *), const char *name,
                 struct slice *ret_value)
{
    const struct secret *found = NULL;
    size_t i;

    for (i = 0; i < fields->count; i++) {
        if (!is_equal(lend(&fields->items[i].name), name))
            continue;
        if (found != NULL)
            return false;
        found = &fields->items[i].value;
    }
    if (found == NULL)
        return false;
    *ret_value = lend(found);
    return true;
}

bool fields_find(const struct fields *fields, const char *name, struct slice *ret_value)
{
    return find(fields, slice_equal_string, name, ret_value);
}

bool fields_header(const struct fields *fields, const char *name, struct slice *ret_value)
{
    return find(fields, slice_equal_nocase, name, ret_value);
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;

    return found != NULL ? (int)((found - digits) % 16) : -1;
}

/* `+` is a blank, %XX a byte (the form encoding of HTML). `buffer` has room for the encoded text. */
static bool decode(struct slice encoded, char *buffer, struct slice *ret_text)
{
    size_t at, len = 0;

    for (at = 0; at < encoded.len; at++) {
        char c = encoded.bytes[at];

        if (c == '%') {
            int high = encoded.len - at > 2 ? hex_digit(encoded.bytes[at + 1]) : -1;
            int low = encoded.len - at > 2 ? hex_digit(encoded.bytes[at + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            at += 2;
        }
        buffer[len++] = encoded.bytes[at] == '+' ? ' ' : c;
    }
    *ret_text = (struct slice){ buffer, len };
    return true;
}

static bool parse_pair(struct fields *fields, struct slice pair, char *buffer)
{
    struct slice encoded_name = pair, encoded_value = { NULL, 0 }, name, value;

    slice_cut(pair, '=', &encoded_name, &encoded_value);
    return decode(encoded_name, buffer, &name) && decode(encoded_value, buffer + name.len, &value)
        && fields_add(fields, name, value);
}

bool fields_parse_form(struct fields *fields, struct slice text)
{
    CLEANUP(secret_clear) struct secret buffer = { malloc(text.len + 1), text.len + 1 };
    struct slice pair;
    bool is_last = buffer.bytes == NULL;

    if (is_last) {
        buffer.len = 0;
        return false;
    }
    while (!is_last) {
        is_last = !slice_cut(text, '&', &pair, &text);
        if (is_last)
            pair = text;
        if (pair.len > 0 && !parse_pair(fields, pair, buffer.bytes))
            return false;
    }
    return true;
}

struct json *fields_json(const struct fields *fields)
{
    struct json *object = json_new_object();
    size_t i;

    for (i = 0; object != NULL && i < fields->count; i++) {
        struct slice value = lend(&fields->items[i].value);
        char name[256];
        size_t len = fields->items[i].name.len;

        if (len >= sizeof name || !text_is_utf8(lend(&fields->items[i].name)))
            continue;
        memcpy(name, fields->items[i].name.bytes, len);
        name[len] = '\0';
        if (!json_add(object, name, text_is_utf8(value) ? json_new_string(value) : json_new_null()))
            json_free(&object);
    }
    return object;
}
