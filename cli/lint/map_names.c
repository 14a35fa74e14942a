#include "cli/lint/map_names.h"

#include <stdio.h>
#include <string.h>

#include "base/slice.h"

#define PATTERN_MAX 1024 /* bytes of a map's pattern */

/* The end of the bracket expression that begins at `at` (regex(7)): "]" is literal right after "[" or "[^". */
static const char *skip_brackets(const char *at)
{
    at++;
    if (*at == '^')
        at++;
    if (*at == ']')
        at++;
    while (*at != '\0' && *at != ']') {
        const char closing[] = { at[1], ']', '\0' };

        if (at[0] == '[' && at[1] != '\0' && strchr(".:=", at[1]) != NULL && strstr(at + 2, closing) != NULL)
            at = strstr(at + 2, closing) + 1;
        at++;
    }
    return *at == ']' ? at + 1 : at;
}

/* The text of the first parentheses. False when there are none. */
static bool find_capture(const char *pattern, struct slice *ret_capture)
{
    const char *start = NULL, *at = pattern;
    unsigned depth = 0;

    while (*at != '\0') {
        const char *next = *at == '[' ? skip_brackets(at) : *at == '\\' && at[1] != '\0' ? at + 2 : at + 1;

        if (*at == '(' && depth++ == 0)
            start = next;
        if (*at == ')' && depth > 0 && --depth == 0) {
            *ret_capture = (struct slice){ start, (size_t)(at - start) };
            return true;
        }
        at = next;
    }
    return false;
}

bool map_names_compile(const struct map_block *map, struct pattern *ret_names)
{
    char anchored[PATTERN_MAX + 5];
    struct slice capture;

    if (!find_capture(map->pattern, &capture) || capture.len > PATTERN_MAX)
        return false;
    snprintf(anchored, sizeof anchored, "^(%.*s)$", SLICE_ARG(capture));
    return pattern_compile(anchored, ret_names) == 0;
}

bool map_names_have(const struct pattern *names, const char *name)
{
    struct slice capture;
    bool matches;

    return pattern_match(names, slice_of(name), &matches, &capture) && matches;
}
