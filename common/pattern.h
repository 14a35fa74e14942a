/*
 * Extended regular expressions (regex(7)) over bytes, which mean the same in every host. regcomp() and regexec() ask
 * the thread's locale what [a-z] is and where a character ends, and su(1), for one, has the locale of whoever runs it.
 * Here it is always that of "C"; the host's own is the thread's again before a function returns.
 */
#ifndef LATCHKEY_PATTERN_H
#define LATCHKEY_PATTERN_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

#include "slice.h"

#define PATTERN_VALUE_MAX       256 /* bytes of what is matched */
#define PATTERN_MEMORY_IS_SHORT "memory is short"

struct pattern {
    regex_t regex;
};

/* False with a static sentence; PATTERN_MEMORY_IS_SHORT says nothing about the text. End it with pattern_free(). */
bool pattern_compile(const char *text, struct pattern *ret_pattern, const char **ret_error);
void pattern_free(struct pattern *pattern);

/* How many groups ( ) it has. */
size_t pattern_group_count(const struct pattern *pattern);

/*
 * Whether the whole of the value matches: "^a|b$" is anchored to the eye and matches parts all the same. *ret_capture
 * is what the first group matched, lent by the value; without bytes when it matched nothing. The value has no NUL and
 * at most PATTERN_VALUE_MAX bytes. False when memory is too short to know.
 */
bool pattern_match(const struct pattern *pattern, struct slice value, bool *ret_matches, struct slice *ret_capture);

#endif
