/*
 * A directory of a test's or benchmark's own. Who made it empties and removes it.
 */
#ifndef LATCHKEY_TEMPORARY_H
#define LATCHKEY_TEMPORARY_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEMPORARY_SIZE   40 /* of its path, with the NUL */
#define TEMPORARY_RANDOM 6  /* letters that mkdtemp(3) chooses in the place of as many X */

/* /tmp/latchkey-NAME-…, of mode 0700. False with errno. */
static inline bool temporary_make(char path[TEMPORARY_SIZE], const char *name)
{
    size_t len = (size_t)snprintf(path, TEMPORARY_SIZE - TEMPORARY_RANDOM, "/tmp/latchkey-%.16s-", name);

    memset(path + len, 'X', TEMPORARY_RANDOM);
    path[len + TEMPORARY_RANDOM] = '\0';
    return mkdtemp(path) != NULL;
}

#endif
