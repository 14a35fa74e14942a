#include "base/slice.h"

#include <string.h>

struct slice slice_of(const char *string)
{
    return (struct slice){ string, string != NULL ? strlen(string) : 0 };
}

bool slice_equal(struct slice a, struct slice b)
{
    /* memcmp() requires real pointers even for no bytes (C11 §7.24.1), and an empty slice may have none. */
    return a.len == b.len && (a.len == 0 || memcmp(a.bytes, b.bytes, a.len) == 0);
}

bool slice_equal_string(struct slice a, const char *string)
{
    return slice_equal(a, slice_of(string));
}

/* tolower() asks the locale: in a Turkish one, I and i are different letters. */
static unsigned char ascii_lower(char c)
{
    unsigned char byte = (unsigned char)c;

    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + ('a' - 'A')) : byte;
}

bool slice_equal_nocase(struct slice a, const char *string)
{
    struct slice b = slice_of(string);
    size_t i;

    if (a.len != b.len)
        return false;
    for (i = 0; i < a.len; i++)
        if (ascii_lower(a.bytes[i]) != ascii_lower(b.bytes[i]))
            return false;
    return true;
}

void slice_lower(struct slice in, char *out)
{
    size_t i;

    for (i = 0; i < in.len; i++)
        out[i] = (char)ascii_lower(in.bytes[i]);
}

bool slice_cut(struct slice in, char separator, struct slice *ret_before, struct slice *ret_after)
{
    const char *found = in.len != 0 ? memchr(in.bytes, separator, in.len) : NULL;
    size_t before_len;

    if (found == NULL)
        return false;
    before_len = (size_t)(found - in.bytes);
    *ret_before = (struct slice){ in.bytes, before_len };
    *ret_after = (struct slice){ found + 1, in.len - before_len - 1 };
    return true;
}

bool slice_next_line(struct slice *rest, struct slice *ret_line)
{
    if (rest->len == 0)
        return false;
    if (!slice_cut(*rest, '\n', ret_line, rest)) {
        *ret_line = *rest;
        *rest = (struct slice){ NULL, 0 };
    }
    return true;
}
