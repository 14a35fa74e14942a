/*
 * A list of C strings, as the configuration holds many.
 */
#ifndef LATCHKEY_STRING_LIST_H
#define LATCHKEY_STRING_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* The strings are owned by the owner of the list. */
struct string_list {
    char **items;
    size_t count;
};

/* Byte for byte. */
bool string_list_has(const struct string_list *list, struct slice value);

#endif
