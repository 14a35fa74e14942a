/*
 * Characters of UTF-8, and which of them may be shown: the one decoder, and the one test of what a foreign text must
 * not bring to a terminal, a log or an environment.
 */
#ifndef LATCHKEY_UTF8_H
#define LATCHKEY_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The bytes of the character at `bytes` and its code point (RFC 3629: no overlong form, no surrogate, nothing beyond
 * U+10FFFF). 0, with *ret_code untouched, when none begins there or it is cut; len 0 is none.
 */
size_t utf8_decode(const char *bytes, size_t len, uint32_t *ret_code);

/*
 * Whether a reader sees the character as it is. Not shown are controls (C0, DEL, C1), line and paragraph separators,
 * bidirectional controls and the other format characters, what is invisible by definition (Default_Ignorable), tags,
 * private use, noncharacters, and the planes that have no characters. U+FFFD and all kinds of blanks are shown.
 */
bool utf8_is_printable(uint32_t code);

#endif
