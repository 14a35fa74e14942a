/*
 * A file whose owner and mode are checked: configuration, key set, revocation list, secret. It is opened once
 * (O_NOFOLLOW, O_CLOEXEC, O_NONBLOCK, O_NOCTTY), and all checks use the descriptor:
 *   - a regular file, not a symbolic link
 *   - owned by root, by the effective user, or by one further user that the caller names
 *   - not writable by group or others; a secret is not readable by them either
 *   - at most max_len bytes; it may be empty
 */
#ifndef LATCHKEY_TRUSTED_FILE_H
#define LATCHKEY_TRUSTED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/secret.h"

enum trusted_file_kind { TRUSTED_PUBLIC, TRUSTED_SECRET };

/* Identifies one version of a file. All zero: there was no file. */
struct file_stamp {
    dev_t device;
    ino_t inode;
    off_t size; /* TRUSTED_FILE_NOT_SEEN: it is unknown whether there is a file */
    struct timespec modified;
    struct timespec changed; /* so that chmod and chown count too */
    uid_t owner;
};
#define TRUSTED_FILE_NOT_SEEN (-1)

#define FILE_ERROR_MAX 160

/* Why a file, or the path to it, is refused. */
struct file_error {
    /* 0: the file is at fault, until it changes. Else an errno that says nothing about the file and may be gone at the
     * next try: ENOMEM, EMFILE, ENFILE, EIO and the like, also of NSS when it cannot look up `also_by`; EBUSY when the
     * file keeps changing. */
    int passing;
    char text[FILE_ERROR_MAX]; /* without the path: "is writable by group or others (mode 0664)" */
};

/* Set the error; false, always. The file is at fault, or a call failed with the errno `cause`: "what: description",
 * only the description when `what` is empty. */
bool file_refuse(struct file_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool file_refuse_call(struct file_error *error, const char *what, int cause);

/*
 * A file that has just changed may be in the middle of being rewritten in place, and a second change within one tick of
 * the file system's clock leaves no trace. So a file is read only when it has not changed for that long, and once more
 * when it changed meanwhile. An empty file is more often truncated than meant to be empty, and its times may still be
 * those from before: it must be found empty twice, TRUSTED_FILE_SETTLE_MS apart.
 */
#define TRUSTED_FILE_SETTLE_MS       20
#define TRUSTED_FILE_SETTLE_EMPTY_MS 100
#define TRUSTED_FILE_TRIES           10

/*
 * Read the whole file. `also_by` names a further user who may own it, or is NULL. *ret_content (which ends with a NUL
 * that is not counted in len) and *ret_stamp are set on success; the stamp also on failure, as far as the file could be
 * examined, so that a repaired file is noticed. Free the content with secret_clear(). Waits at most
 * TRUSTED_FILE_TRIES times TRUSTED_FILE_SETTLE_MS or, for an empty file, TRUSTED_FILE_SETTLE_EMPTY_MS.
 * False with *ret_error set.
 */
bool trusted_file_read(const char *path, enum trusted_file_kind kind, const char *also_by, size_t max_len,
                       struct secret *ret_content, struct file_stamp *ret_stamp, struct file_error *ret_error);

/*
 * Put a new file of mode 0644, or 0600 for TRUSTED_SECRET, in the place of an old one in one step: written in the same
 * directory, synchronised, renamed. On failure the old one stays and no other file is left. `path` is absolute.
 * False with *ret_error set.
 */
bool trusted_file_replace(const char *path, enum trusted_file_kind kind, struct slice content,
                          struct file_error *ret_error);

/* The stamp of the file at the path, without opening it: all zero when there is none, and with TRUSTED_FILE_NOT_SEEN
 * when that is unknown. */
struct file_stamp trusted_file_stamp(const char *path);

/* Whether there is a file at the path. It counts as absent only when the folder has not changed for
 * TRUSTED_FILE_SETTLE_MS, or it was absent in TRUSTED_FILE_TRIES tries: some editors remove a file before they write it
 * again. */
enum file_presence { FILE_CANNOT_TELL, FILE_ABSENT, FILE_PRESENT };
enum file_presence trusted_file_look(const char *path);

/* Whether it is the same version. A stamp with TRUSTED_FILE_NOT_SEEN equals no stamp, not even itself. */
bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b);

#endif
