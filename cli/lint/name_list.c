#include "cli/lint/name_list.h"

#include <stdio.h>
#include <string.h>

#define NAMES_SHOWN 5
#define MORE_MAX    sizeof " and 18446744073709551615 more"

void name_list_add(struct name_list *names, const char *name)
{
    const char *separator = names->len > 0 ? ", " : "";
    char *end = names->text + names->len;
    const size_t room = sizeof names->text - names->len;

    names->count++;
    if (names->shown < NAMES_SHOWN && strlen(separator) + strlen(name) + MORE_MAX <= room) {
        names->shown++;
        names->len += (size_t)snprintf(end, room, "%s%s", separator, name);
    } else {
        snprintf(end, room, " and %zu more", names->count - names->shown);
    }
}
