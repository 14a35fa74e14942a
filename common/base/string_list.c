#include "base/string_list.h"

bool string_list_has(const struct string_list *list, struct slice value)
{
    size_t i;

    for (i = 0; i < list->count; i++)
        if (slice_equal_string(value, list->items[i]))
            return true;
    return false;
}
