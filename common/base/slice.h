/*
 * A slice borrows bytes: a pointer and a length, never a terminating NUL. Everything that
 * comes from outside travels as a slice, so that no byte value (NUL included) can truncate it.
 */
#ifndef LATCHKEY_SLICE_H
#define LATCHKEY_SLICE_H

#include <stdbool.h>
#include <stddef.h>

struct slice {
    const char *bytes; /* borrowed; may be NULL when len is 0 */
    size_t len;
};

/* printf("%.*s", SLICE_ARG(s)): only for slices of at most INT_MAX bytes, and only where the text is printable. */
#define SLICE_ARG(s) (int)(s).len, ((s).bytes != NULL ? (s).bytes : "")

/* The bytes of a C string, without its NUL. NULL gives the empty slice. */
struct slice slice_of(const char *string);

/* Byte for byte; not for secrets (secret_equal() is constant-time). */
bool slice_equal(struct slice a, struct slice b);
bool slice_equal_string(struct slice a, const char *string);
/* ASCII case only, in every locale. */
bool slice_equal_nocase(struct slice a, const char *string);
/* The bytes with the capital letters of ASCII made small, into `out`, which may be the bytes themselves. */
void slice_lower(struct slice in, char *out);

/*
 * Cut at the first separator: the bytes before it and the bytes after it; both borrow from `in`.
 * False, with the outputs untouched, when there is no separator.
 */
bool slice_cut(struct slice in, char separator, struct slice *ret_before, struct slice *ret_after);

/* Take the next line, without its '\n', off *rest; the last line may lack one. False when nothing is left. */
bool slice_next_line(struct slice *rest, struct slice *ret_line);

#endif
