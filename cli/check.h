/*
 * latchkey check: the two halves of the lint, and what they share.
 */
#ifndef LATCHKEY_CHECK_H
#define LATCHKEY_CHECK_H

#include <stdbool.h>
#include <sys/stat.h>

#include "findings.h"

/* A configuration and everything that it names. False when it does not load, which is an error among the findings. */
bool check_configuration(struct findings *findings, const char *path);

/*
 * The stacks of a directory like /etc/pam.d that name pam_latchkey.so, and the configurations that they name; `config`
 * is the one of lines that name none. The service blocks of a configuration that loads are compared with the stacks.
 */
void check_pam(struct findings *findings, const char *directory, const char *config);

/* Whoever may write to a directory on the way to a file decides what the file is. */
void check_directories_above(struct findings *findings, const char *path);

/* Owned by root or the running user, and not writable by others. */
void check_owner_and_mode(struct findings *findings, const char *path, const struct stat *status);

#endif
