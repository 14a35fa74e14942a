#include "base/trusted_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/account_lookup.h"
#include "base/clock.h"
#include "base/text.h"

bool file_refuse(struct file_error *error, const char *format, ...)
{
    va_list args;

    error->passing = 0;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return false;
}

/* Whether an errno describes the file or the path to it, until an administrator changes something there. Every other
 * errno passes: descriptors and memory become free, a file server answers again. */
static bool is_at_fault(int cause)
{
    switch (cause) {
    case ENOENT: /* nothing is there, */
    case ENOTDIR:
    case ELOOP: /* nor can be */
    case ENAMETOOLONG:
    case EACCES: /* its mode, or that of a folder above, for this user */
    case EPERM:
    case EISDIR: /* it is something else: a directory, */
    case ENXIO:  /* a socket, */
    case ENODEV: /* a device without a driver, */
    case EOPNOTSUPP:
    case EINVAL:    /* a file that cannot be read as a file */
    case EOVERFLOW: /* too large, */
    case EFBIG:     /* or becomes so */
    case EROFS:     /* where a new file is written */
    case ENOSPC:
    case EDQUOT:
        return true;
    default:
        return false;
    }
}

bool file_refuse_call(struct file_error *error, const char *what, int cause)
{
    file_refuse(error, "%.100s%s%s", what, what[0] != '\0' ? ": " : "", text_of_errno(cause));
    error->passing = is_at_fault(cause) ? 0 : cause;
    return false;
}

static struct file_stamp stamp_of(const struct stat *status)
{
    return (struct file_stamp){
        .device = status->st_dev,
        .inode = status->st_ino,
        .size = status->st_size,
        .modified = status->st_mtim,
        .changed = status->st_ctim,
        .owner = status->st_uid,
    };
}

/* The descriptor, or -1. */
static int open_file(const char *path, struct file_error *error)
{
    struct stat status;
    int fd, cause;

    /* O_NONBLOCK and O_NOCTTY: a FIFO in the file's place must not block the host, a terminal must not become its
     * controlling one. */
    do
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    cause = errno;
    if (fd < 0 && cause == ELOOP && lstat(path, &status) == 0 && S_ISLNK(status.st_mode))
        file_refuse(error, "is a symbolic link");
    else if (fd < 0)
        file_refuse_call(error, "cannot be opened", cause);
    return fd;
}

/* NSS is asked only when neither root nor the effective user owns the file, so that most logins do not wait for it. */
static bool check_owner(uid_t owner, const char *also_by, struct file_error *error)
{
    struct account_entry user;
    enum account_answer answer = ACCOUNT_ABSENT;
    char what[96];
    int cause = 0;

    if (owner == 0 || owner == geteuid())
        return true;
    if (also_by != NULL)
        answer = account_lookup_user(also_by, &user, &cause);
    if (answer == ACCOUNT_FOUND && user.uid == owner)
        return true;
    if (answer == ACCOUNT_CANNOT_TELL) {
        snprintf(what, sizeof what, "is owned by uid %ju, and NSS cannot look up user %.32s", (uintmax_t)owner,
                 also_by);
        file_refuse_call(error, what, cause);
        error->passing = cause;
        return false;
    }
    return file_refuse(error, "is owned by uid %ju, neither by root nor by the running user", (uintmax_t)owner);
}

static bool check_status(const struct stat *status, enum trusted_file_kind kind, const char *also_by, size_t max_len,
                         struct file_error *error)
{
    unsigned mode = status->st_mode & 07777;

    if (!S_ISREG(status->st_mode))
        return file_refuse(error, "is not a regular file");
    if (!check_owner(status->st_uid, also_by, error))
        return false;
    /* An access control list cannot give more than these bits tell: its mask is in the bits of the group (acl(5)). */
    if ((mode & (S_IWGRP | S_IWOTH)) != 0)
        return file_refuse(error, "is writable by group or others (mode %04o)", mode);
    if (kind == TRUSTED_SECRET && (mode & (S_IRGRP | S_IROTH)) != 0)
        return file_refuse(error, "is readable by group or others (mode %04o)", mode);
    if ((uintmax_t)status->st_size > max_len)
        return file_refuse(error, "is larger than %zu bytes", max_len);
    return true;
}

/* Until `room` is full or the file ends: the bytes read, or -1 with errno. */
static ssize_t read_fully(int fd, char *buffer, size_t room)
{
    size_t len = 0;
    ssize_t got;

    do {
        got = read(fd, buffer + len, room - len);
        if (got > 0)
            len += (size_t)got;
    } while (got > 0 ? len < room : got < 0 && errno == EINTR);
    return got < 0 ? -1 : (ssize_t)len;
}

static bool time_equal(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* What one try to read a file ended with. */
enum outcome { OUTCOME_FAILED, OUTCOME_READ, OUTCOME_AGAIN };

/*
 * Half an old file and half a new one is neither. A file that rename() replaced or unlink() removed while it was read
 * has a new time of change, and its content is still valid: a file without a name is not rewritten.
 */
static enum outcome check_unchanged(int fd, const struct stat *before, ssize_t len, struct file_error *error)
{
    struct stat after;

    if (fstat(fd, &after) != 0) {
        file_refuse_call(error, "cannot be examined", errno);
        return OUTCOME_FAILED;
    }
    return len == before->st_size && after.st_size == before->st_size && time_equal(after.st_mtim, before->st_mtim)
            && (after.st_nlink == 0 || time_equal(after.st_ctim, before->st_ctim))
        ? OUTCOME_READ
        : OUTCOME_AGAIN;
}

static enum outcome read_content(int fd, const struct stat *status, struct secret *ret_content,
                                 struct file_error *error)
{
    /* One byte more than the file had, for the NUL. The file has grown if the byte is used. */
    struct secret content = { NULL, (size_t)status->st_size + 1 };
    enum outcome outcome = OUTCOME_FAILED;
    ssize_t len;

    content.bytes = calloc(1, content.len);
    if (content.bytes == NULL) {
        file_refuse_call(error, "cannot be read", errno);
        return OUTCOME_FAILED;
    }
    len = lseek(fd, 0, SEEK_SET) == 0 ? read_fully(fd, content.bytes, content.len) : -1;
    if (len < 0)
        file_refuse_call(error, "cannot be read", errno);
    else
        outcome = check_unchanged(fd, status, len, error);
    if (outcome == OUTCOME_READ) {
        *ret_content = (struct secret){ content.bytes, (size_t)len };
        return OUTCOME_READ;
    }
    secret_clear(&content);
    return outcome;
}

/* One version of a file, and since when we have seen no other; ms of clock_ms(). */
struct watch {
    struct file_stamp stamp;
    int64_t since_ms;
};

static int64_t age_ms(struct timespec now, struct timespec then)
{
    return (int64_t)(now.tv_sec - then.tv_sec) * 1000 + (now.tv_nsec - then.tv_nsec) / 1000000;
}

/*
 * How long to wait until the file counts as settled; 0: it does. Its times are compared with the clock that the kernel
 * stamps files with. A file server has its own clock, and the host's clock may be set back. Then
 * the time for which this process has seen the same version counts.
 */
static int64_t unsettled_ms(struct watch *watch, const struct file_stamp *now)
{
    const int64_t wanted_ms = now->size == 0 ? TRUSTED_FILE_SETTLE_EMPTY_MS : TRUSTED_FILE_SETTLE_MS;
    int64_t modified_ms, changed_ms, quiet_ms, seen_ms, wait_ms;
    struct timespec clock;

    if (!file_stamp_equal(&watch->stamp, now))
        *watch = (struct watch){ *now, clock_ms() };
    seen_ms = clock_ms() - watch->since_ms;
    clock_gettime(CLOCK_REALTIME_COARSE, &clock);
    modified_ms = age_ms(clock, now->modified);
    changed_ms = age_ms(clock, now->changed);
    quiet_ms = modified_ms < changed_ms ? modified_ms : changed_ms;
    if (quiet_ms < seen_ms)
        quiet_ms = seen_ms;
    wait_ms = quiet_ms < wanted_ms ? wanted_ms - quiet_ms : 0;
    /* On other file systems than those that examine() knows, a truncation may still be under way. */
    if (now->size == 0 && wait_ms < TRUSTED_FILE_SETTLE_MS - seen_ms)
        wait_ms = TRUSTED_FILE_SETTLE_MS - seen_ms;
    return wait_ms;
}

static void pause_ms(int64_t ms)
{
    const struct timespec pause = { .tv_nsec = ms * 1000000 };

    if (ms > 0)
        nanosleep(&pause, NULL); /* a signal of the host ends it early, which costs one of the tries */
}

/* What the caller requires of the file. */
struct wish {
    enum trusted_file_kind kind;
    const char *also_by;
    size_t max_len;
};

/*
 * While the kernel truncates a file, fstat() shows the new size with the old times. SEEK_HOLE takes the lock of the
 * inode (ext4, btrfs, tmpfs), and so returns when the truncation has ended.
 */
static bool examine(int fd, struct stat *ret_status)
{
    if (fstat(fd, ret_status) != 0)
        return false;
    if (!S_ISREG(ret_status->st_mode) || ret_status->st_size > 0)
        return true;
    lseek(fd, 0, SEEK_HOLE); /* the result is not used: an empty file has no hole */
    return fstat(fd, ret_status) == 0;
}

/* Examine the open file, and read it if it has settled. OUTCOME_AGAIN: try again after *ret_wait_ms. */
static enum outcome try_to_read(int fd, const struct wish *wish, struct watch *watch, int64_t *ret_wait_ms,
                                struct secret *ret_content, struct file_stamp *ret_stamp, struct file_error *error)
{
    struct file_stamp stamp;
    struct stat status;

    if (!examine(fd, &status)) {
        file_refuse_call(error, "cannot be examined", errno);
        return OUTCOME_FAILED;
    }
    stamp = *ret_stamp = stamp_of(&status);
    if (!check_status(&status, wish->kind, wish->also_by, wish->max_len, error))
        return OUTCOME_FAILED;
    if (status.st_nlink == 0) /* the time when it lost its name says nothing about its content */
        stamp.changed = stamp.modified;
    *ret_wait_ms = unsettled_ms(watch, &stamp);
    return *ret_wait_ms > 0 ? OUTCOME_AGAIN : read_content(fd, &status, ret_content, error);
}

bool trusted_file_read(const char *path, enum trusted_file_kind kind, const char *also_by, size_t max_len,
                       struct secret *ret_content, struct file_stamp *ret_stamp, struct file_error *error)
{
    const struct wish wish = { kind, also_by, max_len };
    struct watch watch = { .stamp = { .size = TRUSTED_FILE_NOT_SEEN } };
    enum outcome outcome = OUTCOME_AGAIN;
    int64_t wait_ms = 0;
    int fd, tries;

    /* In case it cannot be opened. */
    *ret_stamp = trusted_file_stamp(path);
    fd = open_file(path, error);
    if (fd < 0)
        return false;
    /* Always this descriptor: a file that rename() puts in its place meanwhile is read by the next login. */
    for (tries = 0; outcome == OUTCOME_AGAIN && tries < TRUSTED_FILE_TRIES; tries++) {
        pause_ms(wait_ms);
        outcome = try_to_read(fd, &wish, &watch, &wait_ms, ret_content, ret_stamp, error);
    }
    if (outcome == OUTCOME_AGAIN) {
        file_refuse(error, "keeps changing while it is read");
        error->passing = EBUSY;
    }
    close(fd);
    return outcome == OUTCOME_READ;
}

struct file_stamp trusted_file_stamp(const char *path)
{
    struct stat status;

    /* Not stat(): a symbolic link is refused as such, whatever it points to. */
    if (lstat(path, &status) == 0)
        return stamp_of(&status);
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENAMETOOLONG)
        return (struct file_stamp){ 0 };
    return (struct file_stamp){ .size = TRUSTED_FILE_NOT_SEEN };
}

static bool is_seen(const struct file_stamp *stamp)
{
    return stamp->size != TRUSTED_FILE_NOT_SEEN;
}

bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
    const bool is_same_file = a->device == b->device && a->inode == b->inode && a->owner == b->owner;

    return is_seen(a) && is_same_file && a->size == b->size && time_equal(a->modified, b->modified)
        && time_equal(a->changed, b->changed);
}

/* The folder of a file; "." for a path without one. */
static struct file_stamp stamp_of_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];

    snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1, slash == NULL ? "." : path);
    return trusted_file_stamp(folder);
}

enum file_presence trusted_file_look(const char *path)
{
    struct watch watch = { .stamp = { .size = TRUSTED_FILE_NOT_SEEN } };
    const struct file_stamp none = { 0 };
    struct file_stamp folder, file;
    int64_t wait_ms = 0;
    int tries;

    for (tries = 0; tries < TRUSTED_FILE_TRIES; tries++) {
        pause_ms(wait_ms);
        folder =
            stamp_of_folder(path); /* before the file: a file that appears or disappears later changes this stamp */
        file = trusted_file_stamp(path);
        if (!is_seen(&file) || !is_seen(&folder))
            return FILE_CANNOT_TELL;
        if (!file_stamp_equal(&file, &none))
            return FILE_PRESENT;
        if (file_stamp_equal(&folder, &none))
            return FILE_ABSENT;
        wait_ms = unsettled_ms(&watch, &folder);
        if (wait_ms == 0)
            return FILE_ABSENT;
    }
    return FILE_ABSENT; /* in every try */
}

static bool write_fully(int fd, struct slice content)
{
    size_t len = 0;

    while (len < content.len) {
        ssize_t written = write(fd, content.bytes + len, content.len - len);

        if (written < 0 && errno != EINTR)
            return false;
        len += written > 0 ? (size_t)written : 0;
    }
    return true;
}

/* An unpredictable name in the directory of the file. False with errno. */
static bool name_beside(const char *path, char beside[PATH_MAX])
{
    const char *base = strrchr(path, '/') + 1;
    uint64_t number;

    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        return false;
    if (snprintf(beside, PATH_MAX, "%.*s.%s.%016jx", (int)(base - path), path, base, (uintmax_t)number) < PATH_MAX)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

/* The rename survives a crash once the directory is on the disk. A failure is ignored: the new file is in place. */
static void sync_directory(const char *path)
{
    char directory[PATH_MAX];
    int fd;

    snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(path, '/') + 1 - path), path);
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

bool trusted_file_replace(const char *path, enum trusted_file_kind kind, struct slice content, struct file_error *error)
{
    mode_t mode = kind == TRUSTED_SECRET ? 0600 : 0644;
    char beside[PATH_MAX];
    bool ok;
    int fd, cause;

    if (!name_beside(path, beside))
        return file_refuse_call(error, "cannot make a name for the new file", errno);
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return file_refuse_call(error, "cannot create a new one in its directory", errno);
    /* fchmod(): the umask is the host's. */
    ok = write_fully(fd, content) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    cause = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        cause = errno;
    }
    if (ok && rename(beside, path) == 0) {
        sync_directory(path);
        return true;
    }
    if (ok)
        cause = errno;
    unlink(beside);
    return file_refuse_call(error, "cannot be replaced", cause);
}
