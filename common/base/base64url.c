#include "base/base64url.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* A character's value plus one. 0: the character is not in the alphabet. */
static const uint8_t value_plus_one[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64,
};

/* 0 … 63; all bits set for a character outside the alphabet, so that the values of many can be or-ed and tested once.
 */
static uint32_t value_of(char c)
{
    return value_plus_one[(unsigned char)c] - (uint32_t)1;
}

/* Two or three characters give one or two bytes; the bits that are left over must be zero (RFC 4648 §3.5). */
static bool decode_tail(struct slice tail, char *out)
{
    uint32_t a, b, c;

    if (tail.len == 0)
        return true;
    if (tail.len == 1)
        return false;
    a = value_of(tail.bytes[0]);
    b = value_of(tail.bytes[1]);
    c = tail.len == 3 ? value_of(tail.bytes[2]) : 0;
    out[0] = (char)(a << 2 | b >> 4);
    if (tail.len == 3)
        out[1] = (char)(b << 4 | c >> 2);
    return (a | b | c) <= 63 && (tail.len == 3 ? c & 0x03 : b & 0x0f) == 0;
}

bool base64url_decode(struct slice encoded, char *buffer, size_t *ret_len)
{
    uint32_t a, b, c, d, all = 0;
    const char *in = encoded.bytes;
    char *out = buffer;
    size_t quads;

    for (quads = encoded.len / 4; quads != 0; quads--, in += 4, out += 3) {
        a = value_of(in[0]);
        b = value_of(in[1]);
        c = value_of(in[2]);
        d = value_of(in[3]);
        all |= a | b | c | d;
        out[0] = (char)(a << 2 | b >> 4);
        out[1] = (char)(b << 4 | c >> 2);
        out[2] = (char)(c << 6 | d);
    }
    if (all > 63 || !decode_tail((struct slice){ in, encoded.len % 4 }, out))
        return false;
    *ret_len = BASE64URL_DECODED_LEN(encoded.len);
    return true;
}

void base64url_encode(struct slice bytes, char *buffer)
{
    const unsigned char *in = (const unsigned char *)bytes.bytes;
    size_t left = bytes.len;
    char *out = buffer;

    for (; left >= 3; left -= 3, in += 3) {
        *out++ = alphabet[in[0] >> 2];
        *out++ = alphabet[(in[0] & 0x03) << 4 | in[1] >> 4];
        *out++ = alphabet[(in[1] & 0x0f) << 2 | in[2] >> 6];
        *out++ = alphabet[in[2] & 0x3f];
    }
    if (left == 0)
        return;
    *out++ = alphabet[in[0] >> 2];
    *out++ = alphabet[(in[0] & 0x03) << 4 | (left == 2 ? in[1] >> 4 : 0)];
    if (left == 2)
        *out = alphabet[(in[1] & 0x0f) << 2];
}
