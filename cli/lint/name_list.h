/*
 * The names of a finding: "alice, bob and 3 more".
 */
#ifndef LATCHKEY_NAME_LIST_H
#define LATCHKEY_NAME_LIST_H

#include <stddef.h>

#define NAME_LIST_MAX 240 /* bytes of the text with the NUL */

/* Zero-initialise it. */
struct name_list {
    char text[NAME_LIST_MAX];
    size_t len; /* of the names that the text shows */
    size_t shown, count;
};

/* The text is complete after each call. Names that do not fit are counted. */
void name_list_add(struct name_list *names, const char *name);

#endif
