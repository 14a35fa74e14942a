/*
 * latchkey check: the parts of the lint, and what they share.
 */
#ifndef LATCHKEY_CHECK_H
#define LATCHKEY_CHECK_H

#include <stdbool.h>
#include <sys/stat.h>

#include "config/reader.h"
#include "cli/lint/findings.h"

/* One configuration under the lint. */
struct lint {
    struct findings *findings;
    const struct config *config;
};

/* A finding about a block (its kind and title), or about an option of it (NULL: none), with its line. */
#define FOUND(lint, severity, kind, title, option, ...)              \
    findings_add((lint)->findings, (severity), (lint)->config->path, \
                 config_line((lint)->config, (kind), (title), (option)), __VA_ARGS__)

/* A configuration and everything that it names. False when it does not load, which is an error among the findings. */
bool check_configuration(struct findings *findings, const char *path);

/* API keys: who may use them, and whether there is anybody who exchanges them; and how latchkeyd is, when it answers.
 */
void check_latchkeyd(const struct lint *lint);

/* The first of the block's sockets that lies on the disk, whether or not a daemon listens there; NULL: none does. */
const char *check_find_socket(const struct latchkeyd_options *latchkeyd);

/* Local accounts that are opened, and have expired or have a locked password. */
void check_accounts(const struct lint *lint);

/*
 * The stacks of a directory like /etc/pam.d that name pam_latchkey.so, and the configurations that they name; `config`
 * is the one of lines that name none. The service blocks of a configuration that loads are compared with the stacks.
 */
void check_pam(struct findings *findings, const char *directory, const char *config);

/* Who may write to a directory on the way to a file decides what the file is. `also_by` is as in trusted_file_read().
 */
void check_directories_above(struct findings *findings, const char *path, const char *also_by);

/* Owned by root, by the running user, or by the user `also_by` (NULL: none), and not writable by others. */
void check_owner_and_mode(struct findings *findings, const char *path, const struct stat *status, const char *also_by);

#endif
