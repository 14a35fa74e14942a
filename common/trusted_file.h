/*
 * A file that root vouches for: configuration, key set, revocation list, secret. It is opened once (O_NOFOLLOW,
 * O_CLOEXEC, O_NONBLOCK, O_NOCTTY) and everything is asked of the descriptor:
 *   - a regular file, not a symbolic link
 *   - owned by root, by the effective user, or by the one user that the caller trusts beside them
 *   - not writable by group or others; a secret is not readable by them either
 *   - at most max_len bytes; it may be empty
 */
#ifndef LATCHKEY_TRUSTED_FILE_H
#define LATCHKEY_TRUSTED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "secret.h"

enum trusted_file_kind { TRUSTED_PUBLIC, TRUSTED_SECRET };

/* What tells one version of a file from the next. All zero: there was no file. */
struct file_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
    struct timespec changed; /* so that chmod and chown count too */
};

#define TRUSTED_FILE_ERROR_MAX 160

/*
 * Read the whole file. `also_by` names a further user who may own it, or is NULL. *ret_content (which ends with a NUL
 * that is not counted in len) and *ret_stamp are set on success; the stamp also on failure, as far as the file could be
 * looked at, so that a repaired file is noticed. End the content with secret_clear(). False with a sentence in `error`,
 * without the path: "is writable by group or others (mode 0664)". errno is then 0 when the file is at fault, and else
 * the cause, which says nothing about the file: ENOMEM, EMFILE, ENFILE, EINTR or EIO.
 */
bool trusted_file_read(const char *path, enum trusted_file_kind kind, const char *also_by, size_t max_len,
                       struct secret *ret_content, struct file_stamp *ret_stamp, char error[TRUSTED_FILE_ERROR_MAX]);

/*
 * Put a new file of mode 0644, or 0600 for TRUSTED_SECRET, in the place of an old one in one step: written beside it,
 * synchronised, renamed. Whatever fails, the old one stays and nothing is left beside it. `path` is absolute.
 * False with a sentence in `error`, without the path.
 */
bool trusted_file_replace(const char *path, enum trusted_file_kind kind, struct slice content,
                          char error[TRUSTED_FILE_ERROR_MAX]);

/* The stamp of what lies at the path now, without opening it; all zero when nothing does. */
struct file_stamp trusted_file_stamp(const char *path);
bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b);

#endif
