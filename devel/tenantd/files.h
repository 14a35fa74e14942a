/*
 * Files of the state directory.
 */
#ifndef LATCHKEY_TENANTD_FILES_H
#define LATCHKEY_TENANTD_FILES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/slice.h"

/* "DIRECTORY/NAME"; malloc'ed, NULL when out of memory. */
char *path_in(const char *directory, const char *name);

/* By rename and fsync: a reader, also after a crash, sees the old file or the new one. False with errno
 * set. */
bool replace_file(const char *path, mode_t mode, struct slice text);

/* free() for CLEANUP, wiping a C string first: many of ours are secrets. */
void text_free(char **text);

#endif
