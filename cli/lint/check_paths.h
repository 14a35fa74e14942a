/*
 * latchkey check: which users can change a file.
 */
#ifndef LATCHKEY_CHECK_PATHS_H
#define LATCHKEY_CHECK_PATHS_H

#include <sys/stat.h>

#include "cli/lint/findings.h"

/* The file is owned by root, by the effective user or by the user `also_by` (NULL: none), and others may not write. */
void check_owner_and_mode(struct findings *findings, const char *path, const struct stat *status, const char *also_by);

/* The same of each directory above the file. `also_by` is as in trusted_file_read(). */
void check_directories_above(struct findings *findings, const char *path, const char *also_by);

#endif
