#include "trusted_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

__attribute__((format(printf, 2, 3))) static bool refuse(char error[TRUSTED_FILE_ERROR_MAX], const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error, TRUSTED_FILE_ERROR_MAX, format, args);
    va_end(args);
    errno = 0;
    return false;
}

/* A call failed. Its errno stays where it tells of the process or the system, which a local user can bring about with
 * ulimit(1) alone; otherwise it is the file's fault. */
static bool refuse_call(char error[TRUSTED_FILE_ERROR_MAX], const char *what)
{
    int cause = errno;

    /* Not %m, which translates: a fork while gettext holds its lock would leave a child waiting for it for ever. */
    refuse(error, "%s: %s", what, strerrordesc_np(cause) != NULL ? strerrordesc_np(cause) : "unknown error");
    if (cause == ENOMEM || cause == EMFILE || cause == ENFILE || cause == EINTR || cause == EIO)
        errno = cause;
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
    };
}

/* The descriptor, or -1. */
static int open_file(const char *path, char error[TRUSTED_FILE_ERROR_MAX])
{
    struct stat status;
    int fd;

    /* O_NONBLOCK and O_NOCTTY: a FIFO or a terminal in the file's place must neither hold up nor join the host. */
    do
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0 && errno == ELOOP && lstat(path, &status) == 0 && S_ISLNK(status.st_mode))
        refuse(error, "is a symbolic link");
    else if (fd < 0)
        refuse_call(error, "cannot be opened");
    return fd;
}

/* Asked of NSS only for a file that is neither root's nor ours, so that the usual login does not wait for it. */
static bool is_uid_of(uid_t uid, const char *user)
{
    struct passwd entry, *found = NULL;
    char room[16384];

    return user != NULL && getpwnam_r(user, &entry, room, sizeof room, &found) == 0 && found != NULL
        && found->pw_uid == uid;
}

static bool check_status(const struct stat *status, enum trusted_file_kind kind, const char *also_by, size_t max_len,
                         char error[TRUSTED_FILE_ERROR_MAX])
{
    unsigned mode = status->st_mode & 07777;

    if (!S_ISREG(status->st_mode))
        return refuse(error, "is not a regular file");
    if (status->st_uid != 0 && status->st_uid != geteuid() && !is_uid_of(status->st_uid, also_by))
        return refuse(error, "is owned by uid %ju, neither by root nor by the running user", (uintmax_t)status->st_uid);
    /* An access control list cannot give more than these bits tell: its mask stands in the group's (acl(5)). */
    if ((mode & (S_IWGRP | S_IWOTH)) != 0)
        return refuse(error, "is writable by group or others (mode %04o)", mode);
    if (kind == TRUSTED_SECRET && (mode & (S_IRGRP | S_IROTH)) != 0)
        return refuse(error, "is readable by group or others (mode %04o)", mode);
    if ((uintmax_t)status->st_size > max_len)
        return refuse(error, "is larger than %zu bytes", max_len);
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

/* Half an old file and half a new one is neither. The time of change is no sign: a file that is replaced by rename()
 * while it is read gets a new one, and is as good as before. */
static bool check_unchanged(int fd, const struct stat *before, ssize_t len, char error[TRUSTED_FILE_ERROR_MAX])
{
    struct stat after;

    if (len < before->st_size)
        return refuse(error, "was truncated while it was read");
    if (fstat(fd, &after) != 0)
        return refuse_call(error, "cannot be looked at");
    if (len > before->st_size || after.st_size != before->st_size || after.st_mtim.tv_sec != before->st_mtim.tv_sec
        || after.st_mtim.tv_nsec != before->st_mtim.tv_nsec)
        return refuse(error, "was changed while it was read");
    return true;
}

static bool read_content(int fd, const struct stat *status, struct secret *ret_content,
                         char error[TRUSTED_FILE_ERROR_MAX])
{
    /* One byte more than the file had: it stays free for the NUL, unless the file grew. */
    struct secret content = { NULL, (size_t)status->st_size + 1 };
    ssize_t len;

    content.bytes = calloc(1, content.len);
    if (content.bytes == NULL)
        return refuse_call(error, "cannot be read");
    len = read_fully(fd, content.bytes, content.len);
    if (len < 0)
        refuse_call(error, "cannot be read");
    if (len < 0 || !check_unchanged(fd, status, len, error)) {
        secret_clear(&content);
        return false;
    }
    *ret_content = (struct secret){ content.bytes, (size_t)len };
    return true;
}

bool trusted_file_read(const char *path, enum trusted_file_kind kind, const char *also_by, size_t max_len,
                       struct secret *ret_content, struct file_stamp *ret_stamp, char error[TRUSTED_FILE_ERROR_MAX])
{
    struct stat status;
    bool ok = false;
    int fd, cause;

    /* In case it cannot be opened. */
    *ret_stamp = trusted_file_stamp(path);
    fd = open_file(path, error);
    if (fd < 0)
        return false;
    if (fstat(fd, &status) != 0) {
        refuse_call(error, "cannot be looked at");
    } else {
        *ret_stamp = stamp_of(&status);
        ok = check_status(&status, kind, also_by, max_len, error) && read_content(fd, &status, ret_content, error);
    }
    cause = errno;
    close(fd);
    errno = cause;
    return ok;
}

struct file_stamp trusted_file_stamp(const char *path)
{
    struct stat status;

    /* Not stat(): a symbolic link is refused as such, whatever it points to. */
    return lstat(path, &status) == 0 ? stamp_of(&status) : (struct file_stamp){ 0 };
}

static bool time_equal(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && time_equal(a->modified, b->modified)
        && time_equal(a->changed, b->changed);
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

/* A name beside the file that nobody could have foreseen. False with errno. */
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

/* The rename counts when the directory is on the disk; where that cannot be had the new file is there all the same. */
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

bool trusted_file_replace(const char *path, enum trusted_file_kind kind, struct slice content,
                          char error[TRUSTED_FILE_ERROR_MAX])
{
    mode_t mode = kind == TRUSTED_SECRET ? 0600 : 0644;
    char beside[PATH_MAX];
    bool ok;
    int fd, cause;

    if (!name_beside(path, beside))
        return refuse_call(error, "cannot be given a name beside it");
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return refuse_call(error, "cannot create a new one in its directory");
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
    errno = ok ? errno : cause;
    refuse_call(error, "cannot be written anew");
    unlink(beside);
    return false;
}
