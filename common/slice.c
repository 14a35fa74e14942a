#include "slice.h"

#include <string.h>

struct slice slice_of(const char *string)
{
    return (struct slice){ string, string != NULL ? strlen(string) : 0 };
}

bool slice_equal(struct slice a, struct slice b)
{
    /* memcmp() wants real pointers even for no bytes (C11 §7.24.1), and an empty slice may have none. */
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

bool slice_has_control(struct slice s)
{
    size_t i;

    for (i = 0; i < s.len; i++)
        if ((unsigned char)s.bytes[i] < 0x20 || s.bytes[i] == 0x7f)
            return true;
    return false;
}

/* Bytes of the character at `s`, or 0. RFC 3629 §4: only the second byte has ranges of its own. */
static size_t utf8_len(const unsigned char *s, size_t available)
{
    static const struct {
        unsigned char first_min, first_max, second_min, second_max;
        size_t len;
    } rows[] = {
        { 0x00, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    size_t row = 0, i;

    while (row < sizeof rows / sizeof rows[0] && (s[0] < rows[row].first_min || s[0] > rows[row].first_max))
        row++;
    if (row == sizeof rows / sizeof rows[0] || rows[row].len > available)
        return 0;
    if (rows[row].len > 1 && (s[1] < rows[row].second_min || s[1] > rows[row].second_max))
        return 0;
    for (i = 2; i < rows[row].len; i++)
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    return rows[row].len;
}

bool slice_is_utf8(struct slice s)
{
    size_t at = 0, len;

    while (at < s.len) {
        len = utf8_len((const unsigned char *)s.bytes + at, s.len - at);
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}
