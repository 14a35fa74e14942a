/*
 * Extended regular expressions (regex(7)) over bytes, which mean the same in every host. regcomp() and regexec() ask
 * the thread's locale what [a-z] is and where a character ends, and su(1), for one, has the locale of the user who runs
 * it. These functions always use "C", and restore the thread's locale before they return.
 */
#ifndef LATCHKEY_PATTERN_H
#define LATCHKEY_PATTERN_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

#define PATTERN_VALUE_MAX 256  /* bytes of what is matched */
#define PATTERN_TEXT_MAX  1023 /* bytes of a pattern */
#define PATTERN_DEPTH_MAX 16   /* groups inside each other */
/* Characters and groups that repetitions add: ([a-z]{9}[.]){3} adds 8, then 22. */
#define PATTERN_COPIES_MAX 256

struct pattern {
    regex_t regex;
};

enum pattern_error {
    PATTERN_OUT_OF_MEMORY = REG_ESPACE,
    PATTERN_TOO_LONG = 64, /* greater than all codes of regcomp(3) */
    PATTERN_TOO_DEEP,
    PATTERN_TOO_MANY_COPIES,
    PATTERN_INNER_ANCHOR,
    PATTERN_BACK_REFERENCE,
    PATTERN_REPEATED_TWICE,
    PATTERN_REPEATS_EMPTY,
};

/*
 * 0, or an error: a code of regcomp(3) or one of those above. Only PATTERN_OUT_OF_MEMORY may be gone at the next try.
 * Free the pattern with pattern_free(). Refused is also what could cost a login too much: back-references, a repetition
 * of a repetition ("a**") or of what may be empty ("(a*)*"; but "(a*)?" is let through), GNU's anchors such as \b, "^"
 * and "$" elsewhere than at the beginning and the end of the pattern or of a branch outside of all groups, and what
 * exceeds the limits above. What is left compiles within 20 ms and matches within 100 ms: the worst that was found, 500
 * times ".?". Usual patterns match within 0.05 ms.
 */
int pattern_compile(const char *text, struct pattern *ret_pattern);
const char *pattern_error_text(int error); /* static */
void pattern_free(struct pattern *pattern);

/* How many groups ( ) it has. */
size_t pattern_group_count(const struct pattern *pattern);

/*
 * Whether the whole of the value matches: "^a|b$" looks anchored and still matches parts of a value. *ret_capture
 * is what the first group matched, lent by the value; NULL bytes when it matched nothing. The value has no NUL and
 * at most PATTERN_VALUE_MAX bytes. False when out of memory. A fork of the host waits until it
 * returns (fork_lock.h); other threads match at the same time, unless they use the same pattern.
 */
bool pattern_match(const struct pattern *pattern, struct slice value, bool *ret_matches, struct slice *ret_capture);

#endif
