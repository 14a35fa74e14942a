/*
 * A program that this process starts with its own rights, which may be root's. So everything that could put another
 * program in its place is checked, as for a trusted file:
 *   - a regular file, owned by root or by the effective user, not writable by group or others
 *   - each folder on the way to it is root's or the effective user's, and not writable by group or others; one with the
 *     sticky bit may be, while the entry below it belongs to one of the two: no other user can rename or replace that
 * one
 *   - the same holds for the target of a symbolic link, and the way to it
 */
#ifndef LATCHKEY_TRUSTED_PROGRAM_H
#define LATCHKEY_TRUSTED_PROGRAM_H

#include <stdbool.h>

#include "base/trusted_file.h"

/*
 * Whether the program at the absolute path may be started. The path stays good afterwards: only root and the effective
 * user can change what it leads to. False with *ret_error set, as by trusted_file_read(): what is at fault may be the
 * program or anything on the way to it.
 */
bool trusted_program_check(const char *path, struct file_error *ret_error);

#endif
