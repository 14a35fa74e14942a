/*
 * Files of a test, and the C library's calls on them with what may go wrong: files that change while they are read,
 * calls that fail or are interrupted, owners that are not those of the file system.
 */
#ifndef LATCHKEY_FILE_DOUBLE_H
#define LATCHKEY_FILE_DOUBLE_H

#include "tests/support/unit.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/trusted_file.h"
#include "tests/support/temporary.h"

#define FILE_DOUBLE __attribute__((unused)) static

#define NOBODY 65534
#define OTHER  12345

static char directory[TEMPORARY_SIZE];

/* In place of the C library's: what may befall a file while it is read. */
static struct {
    unsigned open_interruptions; /* EINTR that many times */
    int open_failure;            /* errno of the next open */
    unsigned interruptions;
    size_t at_most; /* bytes of one read; 0: no limit */
    int failure;    /* errno of the next read */
    void (*before_open)(void);
    void (*before_read)(void);
    void (*after_end)(void); /* when a read found the end */
    void (*before_every_read)(void);
    int look_failure; /* errno of lstat() */
    int nss_failure;  /* of getpwnam_r() */
    bool is_close_on_exec;
    int64_t stale_until_ms;    /* clock_ms(): so long fstat() shows times of long ago; 0: it does not */
    bool stale_until_hole;     /* or until a lseek() with SEEK_HOLE */
    void (*after_stale)(void); /* at the first fstat() behind it */
    bool has_owner;            /* whatever the file system says, it is this one's */
    uid_t owner;
    /* While a file is written. */
    unsigned write_interruptions;
    size_t write_at_most; /* bytes of one write; 0: no limit */
    int write_failure;    /* errno of what follows; 0: it works */
    int mode_failure;
    int sync_failure;
    int rename_failure;
    bool is_synced_before_rename;
    bool is_synced;
} fate;

ssize_t __read_chk(int fd, void *buffer, size_t len, size_t buffer_len);

FILE_DOUBLE void happen(void (**event)(void))
{
    void (*once)(void) = *event;

    *event = NULL;
    if (once != NULL)
        once();
}

int open(const char *path, int flags, ...)
{
    va_list mode;
    int fd;

    if (fate.open_interruptions > 0) {
        fate.open_interruptions--;
        errno = EINTR;
        return -1;
    }
    if (fate.open_failure != 0) {
        errno = fate.open_failure;
        return -1;
    }
    happen(&fate.before_open);
    va_start(mode, flags);
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, (flags & O_CREAT) != 0 ? va_arg(mode, mode_t) : 0);
    va_end(mode);
    return fd;
}

FILE_DOUBLE ssize_t fateful_read(int fd, void *buffer, size_t len)
{
    ssize_t got;

    fate.is_close_on_exec = (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
    if (fate.interruptions > 0) {
        fate.interruptions--;
        errno = EINTR;
        return -1;
    }
    if (fate.failure != 0) {
        errno = fate.failure;
        return -1;
    }
    happen(&fate.before_read);
    if (fate.before_every_read != NULL)
        fate.before_every_read();
    got = syscall(SYS_read, fd, buffer, fate.at_most != 0 && fate.at_most < len ? fate.at_most : len);
    if (got == 0)
        happen(&fate.after_end);
    return got;
}

ssize_t read(int fd, void *buffer, size_t len)
{
    return fateful_read(fd, buffer, len);
}

/* What read() becomes under _FORTIFY_SOURCE. */
ssize_t __read_chk(int fd, void *buffer, size_t len, size_t buffer_len)
{
    assert_true(len <= buffer_len);
    return fateful_read(fd, buffer, len);
}

off_t lseek(int fd, off_t offset, int whence)
{
    if (whence == SEEK_HOLE && fate.stale_until_hole)
        fate.stale_until_ms = 0;
    return (off_t)syscall(SYS_lseek, fd, offset, whence);
}

int fstat(int fd, struct stat *status)
{
    const bool is_stale = clock_ms() < fate.stale_until_ms;
    int result;

    if (!is_stale)
        happen(&fate.after_stale);
    result = (int)syscall(SYS_fstat, fd, status);
    if (is_stale) {
        status->st_mtim.tv_sec -= 3600;
        status->st_ctim.tv_sec -= 3600;
    }
    if (fate.has_owner)
        status->st_uid = fate.owner;
    return result;
}

/* -1 with errno where the fate has a failure. */
FILE_DOUBLE int failed(int failure)
{
    errno = failure;
    return failure != 0 ? -1 : 0;
}

int lstat(const char *path, struct stat *status)
{
    return failed(fate.look_failure) != 0 ? -1 : fstatat(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}

int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, struct passwd **ret)
{
    int (*real)(const char *, struct passwd *, char *, size_t, struct passwd **) =
        (int (*)(const char *, struct passwd *, char *, size_t, struct passwd **))dlsym(RTLD_NEXT, "getpwnam_r");

    *ret = NULL;
    return fate.nss_failure != 0 ? fate.nss_failure : real(name, entry, buffer, size, ret);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    if (fate.write_interruptions > 0) {
        fate.write_interruptions--;
        errno = EINTR;
        return -1;
    }
    if (failed(fate.write_failure) != 0)
        return -1;
    return syscall(SYS_write, fd, bytes,
                   fate.write_at_most != 0 && fate.write_at_most < len ? fate.write_at_most : len);
}

int fchmod(int fd, mode_t mode)
{
    return failed(fate.mode_failure) != 0 ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

int fsync(int fd)
{
    fate.is_synced = true;
    return failed(fate.sync_failure) != 0 ? -1 : (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
    fate.is_synced_before_rename = fate.is_synced;
    return failed(fate.rename_failure) != 0 ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

FILE_DOUBLE const char *path_of(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % COUNT(paths)];

    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

FILE_DOUBLE const char *write_file(const char *name, struct slice content, mode_t mode)
{
    const char *path = path_of(name);
    int fd;

    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.bytes, content.len), content.len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    return path;
}

FILE_DOUBLE unsigned open_descriptors(void)
{
    DIR *descriptors = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(descriptors);
    while (readdir(descriptors) != NULL)
        count++;
    closedir(descriptors);
    return count;
}

/* The error of a read that must fail without touching the content or leaving a descriptor open. */
FILE_DOUBLE const char *refusal(const char *path, enum trusted_file_kind kind, size_t max_len)
{
    static struct file_error error;
    struct secret content = { NULL, 4711 };
    struct file_stamp stamp;
    unsigned before = open_descriptors();

    error.text[0] = '\0';
    if (trusted_file_read(path, kind, NULL, max_len, &content, &stamp, &error)) {
        secret_clear(&content);
        return "is accepted";
    }
    assert_null(content.bytes);
    assert_int_equal(content.len, 4711);
    assert_int_equal(open_descriptors(), before);
    return error.text;
}

/* The passing cause of a refusal; 0: the file is at fault. */
FILE_DOUBLE int cause_of(const char *path, size_t max_len)
{
    struct secret content = { NULL, 0 };
    struct file_stamp stamp;
    struct file_error error;

    error.passing = ERANGE;
    assert_false(trusted_file_read(path, TRUSTED_PUBLIC, NULL, max_len, &content, &stamp, &error));
    return error.passing;
}

FILE_DOUBLE void assert_content(const char *path, enum trusted_file_kind kind, size_t max_len, struct slice want)
{
    struct secret content = { NULL, 0 };
    struct file_stamp stamp, now;
    struct file_error error;
    unsigned before = open_descriptors();

    if (!trusted_file_read(path, kind, NULL, max_len, &content, &stamp, &error))
        fail_msg("%s %s", path, error.text);
    assert_int_equal(content.len, want.len);
    assert_memory_equal(content.bytes, want.bytes, want.len);
    assert_int_equal(content.bytes[content.len], '\0');
    now = trusted_file_stamp(path);
    assert_true(file_stamp_equal(&stamp, &now));
    assert_int_equal(open_descriptors(), before);
    secret_clear(&content);
}

FILE_DOUBLE int make_directory(void **state)
{
    (void)state;
    return temporary_make(directory, "trusted") && chmod(directory, 0755) == 0 ? 0 : -1;
}

FILE_DOUBLE int remove_directory(void **state)
{
    DIR *entries = opendir(directory);
    struct dirent *entry;

    (void)state;
    if (entries == NULL)
        return -1;
    while ((entry = readdir(entries)) != NULL)
        unlinkat(dirfd(entries), entry->d_name, 0);
    closedir(entries);
    return rmdir(directory);
}

#endif
