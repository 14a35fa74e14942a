#include "base/text.h"

#include <string.h>

/* RFC 3629 §4: only the second byte has special ranges. They keep out overlong forms, surrogates and what lies
 * beyond U+10FFFF. */
static const struct sequence {
    unsigned char first_min, first_max, second_min, second_max;
    size_t len;
} sequences[] = {
    { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
    { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
    { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

static const struct sequence *find_sequence(unsigned char first)
{
    size_t i;

    for (i = 0; i < sizeof sequences / sizeof sequences[0]; i++)
        if (first >= sequences[i].first_min && first <= sequences[i].first_max)
            return &sequences[i];
    return NULL;
}

size_t text_decode(const char *bytes, size_t len, uint32_t *ret_code)
{
    const unsigned char *s = (const unsigned char *)bytes;
    const struct sequence *sequence;
    uint32_t code;
    size_t i;

    if (len > 0 && s[0] < 0x80) {
        *ret_code = s[0];
        return 1;
    }
    sequence = len > 0 ? find_sequence(s[0]) : NULL;
    if (sequence == NULL || len < sequence->len || s[1] < sequence->second_min || s[1] > sequence->second_max)
        return 0;
    code = s[0] & (0xffU >> (sequence->len + 1));
    for (i = 1; i < sequence->len; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    *ret_code = code;
    return sequence->len;
}

/* In their order. Unicode 15: General_Category Cc, Cf, Zl, Zp, Co, Cs; Default_Ignorable_Code_Point; noncharacters. */
static const struct {
    uint32_t first, last;
} hidden[] = {
    { 0x0000, 0x001f },   /* C0 */
    { 0x007f, 0x009f },   /* DEL, C1: U+009B begins a sequence of a terminal, U+009D an operating system command */
    { 0x00ad, 0x00ad },   /* soft hyphen */
    { 0x034f, 0x034f },   /* combining grapheme joiner */
    { 0x0600, 0x0605 },   /* Arabic number signs */
    { 0x061c, 0x061c },   /* Arabic letter mark: bidirectional */
    { 0x06dd, 0x06dd },   /* Arabic end of ayah */
    { 0x070f, 0x070f },   /* Syriac abbreviation mark */
    { 0x0890, 0x0891 },   /* Arabic pound and piastre marks */
    { 0x08e2, 0x08e2 },   /* Arabic disputed end of ayah */
    { 0x115f, 0x1160 },   /* Hangul fillers */
    { 0x17b4, 0x17b5 },   /* Khmer inherent vowels */
    { 0x180b, 0x180f },   /* Mongolian variation selectors, vowel separator */
    { 0x200b, 0x200f },   /* of no width; left-to-right and right-to-left marks */
    { 0x2028, 0x202e },   /* line and paragraph separators; bidirectional embeddings and overrides */
    { 0x2060, 0x206f },   /* word joiner, invisible operators, bidirectional isolates, deprecated controls */
    { 0x3164, 0x3164 },   /* Hangul filler */
    { 0xd800, 0xf8ff },   /* surrogates, private use */
    { 0xfdd0, 0xfdef },   /* noncharacters */
    { 0xfe00, 0xfe0f },   /* variation selectors */
    { 0xfeff, 0xfeff },   /* byte order mark */
    { 0xffa0, 0xffa0 },   /* Hangul filler */
    { 0xfff0, 0xfffb },   /* reserved for invisible ones; interlinear annotations */
    { 0xfffe, 0xffff },   /* noncharacters, as in the last two of each plane */
    { 0x110bd, 0x110bd }, /* Kaithi number signs */
    { 0x110cd, 0x110cd },    { 0x13430, 0x1343f }, /* Egyptian hieroglyph format controls */
    { 0x1bca0, 0x1bca3 },                          /* shorthand format controls */
    { 0x1d173, 0x1d17a },                          /* musical controls */
    { 0x1fffe, 0x1ffff },    { 0x2fffe, 0x2ffff },
    { 0x3fffe, UINT32_MAX }, /* planes without characters, tags, variation selectors, private use; beyond Unicode */
};

bool text_code_is_printable(uint32_t code)
{
    size_t i = 0;

    while (code > hidden[i].last) /* the last row has no end */
        i++;
    return code < hidden[i].first;
}

bool text_is_utf8(struct slice text)
{
    size_t at = 0, len;
    uint32_t code;

    while (at < text.len) {
        len = text_decode(text.bytes + at, text.len - at, &code);
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

bool text_has_control(struct slice text)
{
    size_t i;

    for (i = 0; i < text.len; i++)
        if ((unsigned char)text.bytes[i] < 0x20 || text.bytes[i] == 0x7f)
            return true;
    return false;
}

bool text_is_line(struct slice text)
{
    return !text_has_control(text) && text_is_utf8(text);
}

bool text_is_visible(struct slice text, const char *without)
{
    size_t i;

    for (i = 0; i < text.len; i++)
        if (text.bytes[i] <= ' ' || text.bytes[i] > '~' || strchr(without, text.bytes[i]) != NULL)
            return false;
    return text.len > 0;
}

/* Bytes of the printable character at the beginning; 0 when there is none. */
static size_t printable_len(const char *bytes, size_t len)
{
    uint32_t code;
    const size_t n = text_decode(bytes, len, &code);

    return n > 0 && text_code_is_printable(code) ? n : 0;
}

/* How many bytes are printable ASCII, which is nearly all of nearly every text. */
static size_t ascii_len(const char *bytes, size_t len)
{
    size_t i;

    for (i = 0; i < len && bytes[i] >= ' ' && bytes[i] <= '~'; i++)
        ;
    return i;
}

void text_copy_printable(char *copy, size_t size, struct slice text)
{
    const char *bytes = text.bytes;
    size_t in = ascii_len(bytes, text.len < size ? text.len : size - 1), out = in;

    if (in > 0)
        memcpy(copy, bytes, in);
    while (in < text.len) {
        const size_t n = printable_len(bytes + in, text.len - in);

        if (out + (n == 0 ? 1 : n) >= size)
            break;
        if (n == 0) {
            copy[out++] = '?';
            in++;
        } else {
            memcpy(copy + out, bytes + in, n);
            out += n;
            in += n;
        }
    }
    copy[out] = '\0';
}

const char *text_of_errno(int error)
{
    const char *description = strerrordesc_np(error);

    return description != NULL ? description : "unknown error";
}
