/*
 * The local names that a map block can give: the matches of the first capture of its pattern.
 */
#ifndef LATCHKEY_MAP_NAMES_H
#define LATCHKEY_MAP_NAMES_H

#include <stdbool.h>

#include "base/pattern.h"
#include "account/identity.h"

/* A regular expression for the names. False when the pattern is too complex to derive it; else end it with
 * pattern_free(). */
bool map_names_compile(const struct map_block *map, struct pattern *ret_names);

/* False also when out of memory. */
bool map_names_have(const struct pattern *names, const char *name);

#endif
