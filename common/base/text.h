/*
 * What bytes mean as text: the one decoder of UTF-8, and the tests of what a text from outside may hold.
 *
 *   visible    printable ASCII without the blank: what tokens, API keys and host names are made of
 *   line       UTF-8 without control characters of ASCII: what names and subjects are made of
 *   printable  UTF-8 without anything that a terminal or a log would obey or hide: what may be shown
 */
#ifndef LATCHKEY_TEXT_H
#define LATCHKEY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/*
 * The bytes of the character at `bytes` and its code point (RFC 3629: no overlong form, no surrogate, nothing beyond
 * U+10FFFF). 0, with *ret_code untouched, when none begins there or it is cut; len 0 is none.
 */
size_t text_decode(const char *bytes, size_t len, uint32_t *ret_code);

/*
 * Whether a reader sees the character as it is. Not shown are controls (C0, DEL, C1), line and paragraph separators,
 * bidirectional controls and the other format characters, what is invisible by definition (Default_Ignorable), tags,
 * private use, noncharacters, and the planes that have no characters. U+FFFD and all kinds of blanks are shown.
 */
bool text_code_is_printable(uint32_t code);

/* RFC 3629: no overlong form, no surrogate, nothing beyond U+10FFFF. */
bool text_is_utf8(struct slice text);

/* Holds a NUL, another control character of ASCII (0x00 … 0x1f), or DEL. */
bool text_has_control(struct slice text);

/* UTF-8 without control characters of ASCII. An empty text is a line. */
bool text_is_line(struct slice text);

/* RFC 5234: at least one byte, and each of them a VCHAR that is not in the string `without`. */
bool text_is_visible(struct slice text, const char *without);

/*
 * Copy a text from outside so that it may be shown, with a NUL: cut to `size` bytes between two characters. Each byte
 * of what is not printable, or is not UTF-8, becomes '?'.
 */
void text_copy_printable(char *copy, size_t size, struct slice text);

/* The description of an errno, in English. strerror(3) and %m translate, and a fork while gettext holds its lock would
 * leave a child waiting for it for ever. */
const char *text_of_errno(int error);

#endif
