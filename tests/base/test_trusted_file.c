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
    bool has_owner; /* whatever the file system says, it is this one's */
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

static void happen(void (**event)(void))
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

static ssize_t fateful_read(int fd, void *buffer, size_t len)
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

int fstat(int fd, struct stat *status)
{
    int result = (int)syscall(SYS_fstat, fd, status);

    if (fate.has_owner)
        status->st_uid = fate.owner;
    return result;
}

/* -1 with errno where the fate has a failure. */
static int failed(int failure)
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

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % COUNT(paths)];

    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static const char *write_file(const char *name, struct slice content, mode_t mode)
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

static unsigned open_descriptors(void)
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
static const char *refusal(const char *path, enum trusted_file_kind kind, size_t max_len)
{
    static char error[TRUSTED_FILE_ERROR_MAX];
    struct secret content = { NULL, 4711 };
    struct file_stamp stamp;
    unsigned before = open_descriptors();

    error[0] = '\0';
    if (trusted_file_read(path, kind, NULL, max_len, &content, &stamp, error)) {
        secret_clear(&content);
        return "is accepted";
    }
    assert_null(content.bytes);
    assert_int_equal(content.len, 4711);
    assert_int_equal(open_descriptors(), before);
    return error;
}

/* The errno that a refusal leaves. */
static int cause_of(const char *path, size_t max_len)
{
    struct secret content = { NULL, 0 };
    struct file_stamp stamp;
    char error[TRUSTED_FILE_ERROR_MAX];

    errno = ERANGE;
    assert_false(trusted_file_read(path, TRUSTED_PUBLIC, NULL, max_len, &content, &stamp, error));
    return errno;
}

static void assert_content(const char *path, enum trusted_file_kind kind, size_t max_len, struct slice want)
{
    struct secret content = { NULL, 0 };
    struct file_stamp stamp, now;
    char error[TRUSTED_FILE_ERROR_MAX];
    unsigned before = open_descriptors();

    if (!trusted_file_read(path, kind, NULL, max_len, &content, &stamp, error))
        fail_msg("%s %s", path, error);
    assert_int_equal(content.len, want.len);
    assert_memory_equal(content.bytes, want.bytes, want.len);
    assert_int_equal(content.bytes[content.len], '\0');
    now = trusted_file_stamp(path);
    assert_true(file_stamp_equal(&stamp, &now));
    assert_int_equal(open_descriptors(), before);
    secret_clear(&content);
}

static void the_whole_file_is_read(void **state)
{
    (void)state;
    ROW("text");
    assert_content(write_file("text", LITERAL("key = 1\n"), 0644), TRUSTED_PUBLIC, 1000, LITERAL("key = 1\n"));
    ROW("bytes with NUL");
    assert_content(write_file("nul", LITERAL("a\0b\0"), 0600), TRUSTED_SECRET, 1000, LITERAL("a\0b\0"));
    ROW("an empty file");
    assert_content(write_file("empty", LITERAL(""), 0644), TRUSTED_PUBLIC, 1000, LITERAL(""));
    ROW("an empty file where nothing is allowed");
    assert_content(path_of("empty"), TRUSTED_PUBLIC, 0, LITERAL(""));
}

static void rule_29_a_read_is_bounded(void **state)
{
    const char *path = write_file("bounded", LITERAL("12345"), 0644);

    (void)state;
    ROW("exactly as long as allowed");
    assert_content(path, TRUSTED_PUBLIC, 5, LITERAL("12345"));
    ROW("one byte longer");
    assert_string_equal(refusal(path, TRUSTED_PUBLIC, 4), "is larger than 4 bytes");
    ROW("a huge file without blocks is not even tried");
    assert_int_equal(truncate(path, (off_t)1 << 40), 0);
    assert_string_equal(refusal(path, TRUSTED_PUBLIC, 1 << 20), "is larger than 1048576 bytes");
}

static const struct {
    const char *name;
    mode_t mode;
    enum trusted_file_kind kind;
    const char *error; /* NULL: accepted */
} modes[] = {
    { "a public file that all may read", 0644, TRUSTED_PUBLIC, NULL },
    { "a public file of root alone", 0600, TRUSTED_PUBLIC, NULL },
    { "a public file that nobody may write", 0444, TRUSTED_PUBLIC, NULL },
    { "a public file that may be executed", 0755, TRUSTED_PUBLIC, NULL },
    { "a public file that the group may write", 0664, TRUSTED_PUBLIC, "is writable by group or others (mode 0664)" },
    { "a public file that others may write", 0646, TRUSTED_PUBLIC, "is writable by group or others (mode 0646)" },
    { "a public file that others may write and not read", 0602, TRUSTED_PUBLIC,
      "is writable by group or others (mode 0602)" },
    { "the mode is shown in full", 01666, TRUSTED_PUBLIC, "is writable by group or others (mode 1666)" },
    { "a secret of its owner alone", 0600, TRUSTED_SECRET, NULL },
    { "a secret that its owner may only read", 0400, TRUSTED_SECRET, NULL },
    { "a secret that the group may read", 0640, TRUSTED_SECRET, "is readable by group or others (mode 0640)" },
    { "a secret that others may read", 0604, TRUSTED_SECRET, "is readable by group or others (mode 0604)" },
    { "a secret that the group may write", 0620, TRUSTED_SECRET, "is writable by group or others (mode 0620)" },
};

static void rule_30_not_writable_by_group_or_others_and_secrets_not_readable(void **state)
{
    const char *path;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(modes); i++) {
        ROW(modes[i].name);
        path = write_file("mode", LITERAL("x"), modes[i].mode);
        if (modes[i].error == NULL)
            assert_content(path, modes[i].kind, 10, LITERAL("x"));
        else
            assert_string_equal(refusal(path, modes[i].kind, 10), modes[i].error);
    }
}

static void rule_30_owned_by_root(void **state)
{
    const char *path = write_file("owner", LITERAL("x"), 0600);

    (void)state;
    if (geteuid() != 0)
        skip();
    ROW("root's file, read by root");
    assert_content(path, TRUSTED_PUBLIC, 10, LITERAL("x"));
    ROW("somebody's file, read by root");
    assert_int_equal(chown(path, OTHER, 0), 0);
    assert_string_equal(refusal(path, TRUSTED_PUBLIC, 10),
                        "is owned by uid 12345, neither by root nor by the running user");
    assert_string_equal(refusal(path, TRUSTED_SECRET, 10),
                        "is owned by uid 12345, neither by root nor by the running user");
    ROW("a group other than root's does not matter while it may not write");
    assert_int_equal(chown(path, 0, OTHER), 0);
    assert_content(path, TRUSTED_PUBLIC, 10, LITERAL("x"));
}

/* The reads of somebody who is not root, in a process of their own: 0, or the number of the one that went wrong. */
static int reads_of_nobody(void)
{
    struct secret content = { NULL, 0 };
    struct file_stamp stamp;
    char error[TRUSTED_FILE_ERROR_MAX];

    if (seteuid(NOBODY) != 0)
        return 1;
    if (!trusted_file_read(path_of("of-nobody"), TRUSTED_SECRET, NULL, 10, &content, &stamp, error))
        return 2;
    secret_clear(&content);
    if (!trusted_file_read(path_of("of-root"), TRUSTED_PUBLIC, NULL, 10, &content, &stamp, error))
        return 3;
    secret_clear(&content);
    if (trusted_file_read(path_of("of-other"), TRUSTED_PUBLIC, NULL, 10, &content, &stamp, error)
        || strcmp(error, "is owned by uid 12345, neither by root nor by the running user") != 0)
        return 4;
    if (trusted_file_read(path_of("of-root-alone"), TRUSTED_PUBLIC, NULL, 10, &content, &stamp, error)
        || strcmp(error, "cannot be opened: Permission denied") != 0 || stamp.inode == 0)
        return 5;
    return 0;
}

static void rule_29_a_file_is_opened_with_the_rights_of_the_effective_user(void **state)
{
    int status;
    pid_t child;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(write_file("of-nobody", LITERAL("x"), 0600), NOBODY, NOBODY), 0);
    assert_int_equal(chown(write_file("of-other", LITERAL("x"), 0644), OTHER, 0), 0);
    write_file("of-root", LITERAL("x"), 0644);
    write_file("of-root-alone", LITERAL("x"), 0600);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(reads_of_nobody());
    assert_int_equal(waitpid(child, &status, 0), child);
    ROW("its own file and root's are read; another's and an unreadable one are not");
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void bind_socket(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

static void rule_29_only_a_regular_file(void **state)
{
    const char *file = write_file("target", LITERAL("x"), 0644);

    (void)state;
    ROW("a directory");
    assert_string_equal(refusal(directory, TRUSTED_PUBLIC, 10), "is not a regular file");
    ROW("a FIFO, without waiting for a writer");
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    alarm(20);
    assert_string_equal(refusal(path_of("fifo"), TRUSTED_PUBLIC, 10), "is not a regular file");
    alarm(0);
    ROW("a device");
    assert_string_equal(refusal("/dev/zero", TRUSTED_PUBLIC, 10), "is not a regular file");
    ROW("a socket");
    bind_socket(path_of("socket"));
    assert_string_equal(refusal(path_of("socket"), TRUSTED_PUBLIC, 10), "cannot be opened: No such device or address");
    ROW("a symbolic link to a good file");
    assert_int_equal(symlink(file, path_of("link")), 0);
    assert_string_equal(refusal(path_of("link"), TRUSTED_PUBLIC, 10), "is a symbolic link");
    ROW("a symbolic link to nothing");
    assert_int_equal(symlink("nothing", path_of("dangling")), 0);
    assert_string_equal(refusal(path_of("dangling"), TRUSTED_PUBLIC, 10), "is a symbolic link");
    ROW("a directory on the way may be a symbolic link");
    assert_int_equal(symlink(directory, path_of("self")), 0);
    assert_content(path_of("self/target"), TRUSTED_PUBLIC, 10, LITERAL("x"));
}

static void what_cannot_be_opened_says_why(void **state)
{
    char long_path[5000];

    (void)state;
    ROW("nothing there");
    assert_string_equal(refusal(path_of("absent"), TRUSTED_PUBLIC, 10), "cannot be opened: No such file or directory");
    ROW("the empty path");
    assert_string_equal(refusal("", TRUSTED_PUBLIC, 10), "cannot be opened: No such file or directory");
    ROW("a file on the way");
    write_file("file", LITERAL("x"), 0644);
    assert_string_equal(refusal(path_of("file/below"), TRUSTED_PUBLIC, 10), "cannot be opened: Not a directory");
    ROW("a path beyond any length");
    memset(long_path, 'a', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    assert_string_equal(refusal(long_path, TRUSTED_PUBLIC, 10), "cannot be opened: File name too long");
}

static void rule_29_the_descriptor_is_closed_on_exec(void **state)
{
    (void)state;
    ROW("while it is open");
    fate.is_close_on_exec = false;
    assert_content(write_file("cloexec", LITERAL("x"), 0644), TRUSTED_PUBLIC, 10, LITERAL("x"));
    assert_true(fate.is_close_on_exec);
}

static void a_read_may_be_interrupted_and_short(void **state)
{
    const char *path = write_file("short", LITERAL("0123456789"), 0644);

    (void)state;
    ROW("interruptions of open() and read(), then one byte at a time");
    fate.open_interruptions = 2;
    fate.interruptions = 3;
    fate.at_most = 1;
    assert_content(path, TRUSTED_PUBLIC, 10, LITERAL("0123456789"));
    assert_int_equal(fate.open_interruptions, 0);
    assert_int_equal(fate.interruptions, 0);
    memset(&fate, 0, sizeof fate);
}

static void truncate_it(void)
{
    assert_int_equal(truncate(path_of("fate"), 3), 0);
}

static void append_to_it(void)
{
    int fd = open(path_of("fate"), O_WRONLY | O_APPEND);

    assert_int_equal(write(fd, "abc", 3), 3);
    close(fd);
}

/* The clock that stamps files ticks every few milliseconds. */
static void let_time_pass(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 30000000 }, NULL);
}

/* Within one tick of that clock, only the size tells. */
static void append_in_no_time(void)
{
    struct stat before;

    assert_int_equal(stat(path_of("fate"), &before), 0);
    append_to_it();
    assert_int_equal(utimensat(AT_FDCWD, path_of("fate"), (struct timespec[2]){ before.st_atim, before.st_mtim }, 0),
                     0);
}

static void overwrite_in_no_time(void)
{
    struct stat before;
    int fd = open(path_of("fate"), O_WRONLY);

    assert_int_equal(stat(path_of("fate"), &before), 0);
    assert_int_equal(write(fd, "abc", 3), 3);
    close(fd);
    assert_int_equal(utimensat(AT_FDCWD, path_of("fate"), (struct timespec[2]){ before.st_atim, before.st_mtim }, 0),
                     0);
}

static void overwrite_it(void)
{
    int fd = open(path_of("fate"), O_WRONLY);

    let_time_pass();
    assert_int_equal(write(fd, "abc", 3), 3);
    close(fd);
}

static void replace_it(void)
{
    let_time_pass();
    assert_int_equal(rename(write_file("successor", LITERAL("another file"), 0644), path_of("fate")), 0);
}

static const struct {
    const char *name;
    void (*before_read)(void);
    void (*after_end)(void);
    size_t at_most;
    const char *want; /* what is read in the end */
} fates[] = {
    { "it is truncated before the read", truncate_it, NULL, 0, "012" },
    { "it grows before the read", append_to_it, NULL, 0, "0123456789abc" },
    { "it grows after a part was read", append_to_it, NULL, 4, "0123456789abc" },
    { "it is overwritten, as long as before", overwrite_it, NULL, 0, "abc3456789" },
    { "it grows after its end was read", NULL, append_in_no_time, 0, "0123456789abc" },
    { "it is overwritten after its end was read, and its time of modification put back", NULL, overwrite_in_no_time, 0,
      "abc3456789" },
};

static const struct {
    const char *name;
    int failure;
    bool is_fault_of_file;
} causes[] = {
    { "it is not there", ENOENT, true },
    { "a file on the way", ENOTDIR, true },
    { "links without end", ELOOP, true },
    { "a name beyond any", ENAMETOOLONG, true },
    { "it may not be opened", EACCES, true },
    { "it may not be opened by anybody", EPERM, true },
    { "it is a directory", EISDIR, true },
    { "it is a socket", ENXIO, true },
    { "it is a device without a driver", ENODEV, true },
    { "it cannot be opened at all", EOPNOTSUPP, true },
    { "it is not to be read", EINVAL, true },
    { "it is too large for any", EOVERFLOW, true },
    { "memory is exhausted", ENOMEM, false },
    { "the process has too many files open", EMFILE, false },
    { "the system has too many files open", ENFILE, false },
    { "the disk fails", EIO, false },
    { "the file server has another file by now", ESTALE, false },
    { "the file server does not answer", ETIMEDOUT, false },
    { "the file server is away", EHOSTDOWN, false },
    { "the program behind the file system has died", ENOTCONN, false },
    { "another process holds a lease on it", EWOULDBLOCK, false },
    { "it is busy", EBUSY, false },
    { "a key of the file system is missing", ENOKEY, false },
    { "an errno of which nothing is known", 4000, false },
};

static void rule_32_what_passes_is_not_the_fault_of_the_file(void **state)
{
    const char *path = write_file("file", LITERAL("0123456789"), 0644);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(causes); i++) {
        const int want = causes[i].is_fault_of_file ? 0 : causes[i].failure;

        ROW(causes[i].name);
        fate.open_failure = causes[i].failure;
        assert_int_equal(cause_of(path, 1000), want);
        memset(&fate, 0, sizeof fate);
        fate.failure = causes[i].failure;
        assert_int_equal(cause_of(path, 1000), want);
        memset(&fate, 0, sizeof fate);
    }
    ROW("it is too large");
    assert_int_equal(cause_of(path, 9), 0);
    ROW("it is absent");
    assert_int_equal(cause_of(path_of("absent"), 9), 0);
}

static void a_file_that_changes_while_it_is_read_is_read_again(void **state)
{
    const char *path;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(fates); i++) {
        ROW(fates[i].name);
        path = write_file("fate", LITERAL("0123456789"), 0644);
        fate.before_read = fates[i].before_read;
        fate.after_end = fates[i].after_end;
        fate.at_most = fates[i].at_most;
        assert_content(path, TRUSTED_PUBLIC, 1000, (struct slice){ fates[i].want, strlen(fates[i].want) });
        assert_null(fate.before_read);
        assert_null(fate.after_end);
        memset(&fate, 0, sizeof fate);
    }
}

static void rule_32_a_file_that_never_stays_the_same_is_refused(void **state)
{
    const char *path = write_file("fate", LITERAL("0123456789"), 0644);
    int64_t begun_ms = clock_ms();

    (void)state;
    ROW("it is overwritten during each read: a failure that passes");
    fate.before_every_read = overwrite_it;
    assert_string_equal(refusal(path, TRUSTED_PUBLIC, 1000), "changes again and again while it is read");
    assert_int_equal(cause_of(path, 1000), EBUSY);
    memset(&fate, 0, sizeof fate);
    ROW("a login waits for a bounded time");
    assert_true(clock_ms() - begun_ms < 2 * TRUSTED_FILE_TRIES * (TRUSTED_FILE_SETTLE_MS + 100));
    assert_content(path, TRUSTED_PUBLIC, 1000, LITERAL("abc3456789"));
    ROW("a file whose size tells less than it holds");
    assert_string_equal(refusal("/proc/self/status", TRUSTED_PUBLIC, 1 << 20),
                        "changes again and again while it is read");
}

/* How long one read takes; the file is as it is. */
static int64_t read_ms(const char *path)
{
    const int64_t begun_ms = clock_ms();
    struct secret content = { NULL, 0 };
    struct file_stamp stamp;
    char error[TRUSTED_FILE_ERROR_MAX];

    assert_true(trusted_file_read(path, TRUSTED_PUBLIC, NULL, 1000, &content, &stamp, error));
    secret_clear(&content);
    return clock_ms() - begun_ms;
}

static void put_times_ahead(const char *path)
{
    struct timespec ahead[2];

    clock_gettime(CLOCK_REALTIME, &ahead[0]);
    ahead[0].tv_sec += 3600;
    ahead[1] = ahead[0];
    assert_int_equal(utimensat(AT_FDCWD, path, ahead, 0), 0);
}

static void a_file_that_has_just_changed_is_read_when_it_has_settled(void **state)
{
    const char *path;

    (void)state;
    ROW("not at once");
    assert_true(read_ms(write_file("settles", LITERAL("x"), 0644)) >= TRUSTED_FILE_SETTLE_MS - 5);
    ROW("an empty one later");
    assert_true(read_ms(write_file("settles", LITERAL(""), 0644)) >= TRUSTED_FILE_SETTLE_EMPTY_MS - 5);
    ROW("also when only its mode, its owner or its name has changed");
    path = write_file("settles", LITERAL("x"), 0644);
    assert_true(read_ms(path) >= TRUSTED_FILE_SETTLE_MS - 5);
    assert_int_equal(chmod(path, 0600), 0);
    assert_true(read_ms(path) >= TRUSTED_FILE_SETTLE_MS - 5);
    ROW("a file of a server whose clock is ahead settles, too");
    put_times_ahead(path);
    let_time_pass();
    assert_true(read_ms(path) >= TRUSTED_FILE_SETTLE_MS - 5);
}

/* Two versions, written in place by turns; the same line is in both. */
static const char *const versions[] = { "# first\nsub everywhere\n", "# the second is longer\n\n\nsub everywhere\n" };

static void rewrite_in_place(const char *path, unsigned round)
{
    const char *text = versions[round % 2];
    const size_t half = strlen(text) / 2;
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

    if (write(fd, text, half) < 0 || write(fd, text + half, strlen(text) - half) < 0)
        _exit(1);
    close(fd);
}

static _Atomic int64_t *longest_ms; /* that one rewriting took; shared with the process that writes */

_Noreturn static void rewrite_for_ever(const char *path)
{
    unsigned round;

    for (round = 0;; round++) {
        const int64_t begun_ms = clock_ms();

        rewrite_in_place(path, round);
        if (clock_ms() - begun_ms > *longest_ms)
            *longest_ms = clock_ms() - begun_ms;
        nanosleep(&(struct timespec){ .tv_nsec = round % 8 * 5000000 }, NULL);
    }
}

/* Looks while the file is rewritten, and counts those that miss what is in every version. */
static unsigned misses_while_rewritten(const char *path, unsigned looks, unsigned *ret_seen)
{
    pid_t writer = fork();
    unsigned missed = 0, i;

    assert_true(writer >= 0);
    if (writer == 0)
        rewrite_for_ever(path);
    *ret_seen = 0;
    for (i = 0; i < looks; i++) {
        struct secret content = { NULL, 0 };
        struct file_stamp stamp;
        char error[TRUSTED_FILE_ERROR_MAX];

        if (!trusted_file_read(path, TRUSTED_PUBLIC, NULL, 1000, &content, &stamp, error))
            continue;
        (*ret_seen)++;
        missed += strstr(content.bytes, "sub everywhere\n") == NULL;
        secret_clear(&content);
    }
    assert_int_equal(kill(writer, SIGKILL), 0);
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    return missed;
}

static void rule_19_a_list_that_is_rewritten_in_place_misses_nothing_that_is_in_every_version(void **state)
{
    const char *path = write_file("list", LITERAL("sub everywhere\n"), 0644);
    unsigned missed, seen, rounds = 0;

    (void)state;
    longest_ms = mmap(NULL, sizeof *longest_ms, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(longest_ms != MAP_FAILED);
    /* A writer that was stopped for long by a busy host, between truncating and writing, proves nothing. */
    do {
        *longest_ms = 0;
        missed = misses_while_rewritten(path, 100, &seen);
    } while (*longest_ms >= TRUSTED_FILE_SETTLE_MS / 2 && missed > 0 && ++rounds < 10);
    assert_int_equal(missed, 0);
    assert_true(seen > 10);
    munmap(longest_ms, sizeof *longest_ms);
}

static void take_it_away(void)
{
    assert_int_equal(unlink(path_of("gap")), 0);
}

/* In a process of its own: what is gone comes back within the time that a folder takes to settle. */
_Noreturn static void bring_back_later(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = TRUSTED_FILE_SETTLE_MS / 4 * 1000000 }, NULL);
    write_file("gap", LITERAL("x"), 0644);
    _exit(0);
}

static void what_is_absent_is_told_from_what_cannot_be_told(void **state)
{
    static const int passing[] = { EIO, ENOMEM, ESTALE, EACCES };
    const char *path = write_file("gap", LITERAL("x"), 0644);
    pid_t child;
    size_t i;

    (void)state;
    ROW("there");
    assert_int_equal(trusted_file_look(path), FILE_PRESENT);
    ROW("not there, in a folder, under a file, and without any folder");
    assert_int_equal(trusted_file_look(path_of("absent")), FILE_ABSENT);
    assert_int_equal(trusted_file_look(path_of("gap/below")), FILE_ABSENT);
    assert_int_equal(trusted_file_look(path_of("none/absent")), FILE_ABSENT);
    for (i = 0; i < COUNT(passing); i++) {
        ROW("it cannot be told");
        fate.look_failure = passing[i];
        assert_int_equal(trusted_file_look(path_of("absent")), FILE_CANNOT_TELL);
        assert_int_equal(trusted_file_stamp(path_of("absent")).size, TRUSTED_FILE_NOT_SEEN);
        memset(&fate, 0, sizeof fate);
    }
    ROW("an editor that removes the file and writes it anew");
    take_it_away();
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        bring_back_later();
    assert_int_equal(trusted_file_look(path), FILE_PRESENT);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void a_file_that_is_replaced_while_it_is_read_is_as_good_as_before(void **state)
{
    struct secret content = { NULL, 0 };
    struct file_stamp stamp, now;
    char error[TRUSTED_FILE_ERROR_MAX];
    const char *path = write_file("fate", LITERAL("0123456789"), 0644);

    (void)state;
    fate.before_read = replace_it;
    ROW("the old content");
    assert_true(trusted_file_read(path, TRUSTED_PUBLIC, NULL, 1000, &content, &stamp, error));
    assert_int_equal(content.len, 10);
    assert_memory_equal(content.bytes, "0123456789", 10);
    secret_clear(&content);
    ROW("the old stamp, so that the new file is noticed");
    now = trusted_file_stamp(path);
    assert_false(file_stamp_equal(&stamp, &now));
    assert_content(path, TRUSTED_PUBLIC, 1000, LITERAL("another file"));
}

static void a_stamp_is_that_of_the_file_that_was_read(void **state)
{
    const char *path = write_file("fate", LITERAL("0123456789"), 0644);

    (void)state;
    ROW("also of a file that was put there at the last moment");
    fate.before_open = replace_it;
    assert_content(path, TRUSTED_PUBLIC, 1000, LITERAL("another file"));
    assert_null(fate.before_open);
}

/* What changes the stamp of a file. */
static void same_again(const char *path)
{
    (void)path;
}
static void change_mode(const char *path)
{
    assert_int_equal(chmod(path, 0600), 0);
}
static void change_size(const char *path)
{
    assert_int_equal(truncate(path, 2), 0);
}
static void change_content(const char *path)
{
    int fd = open(path, O_WRONLY);

    assert_int_equal(write(fd, "y", 1), 1);
    close(fd);
}
static void change_content_and_put_the_time_back(const char *path)
{
    struct stat before;

    assert_int_equal(stat(path, &before), 0);
    change_content(path);
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){ before.st_atim, before.st_mtim }, 0), 0);
}
static void replace_by_the_same_content(const char *path)
{
    assert_int_equal(rename(write_file("copy", LITERAL("x"), 0644), path), 0);
}
static void remove_file(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static const struct {
    const char *name;
    void (*change)(const char *path);
    bool is_same;
} changes[] = {
    { "nothing", same_again, true },
    { "its mode", change_mode, false },
    { "its size", change_size, false },
    { "its content", change_content, false },
    { "its content, the time of modification put back", change_content_and_put_the_time_back, false },
    { "the file, for one with the same content", replace_by_the_same_content, false },
    { "it is removed", remove_file, false },
};

static void a_stamp_tells_versions_apart(void **state)
{
    struct file_stamp before, after;
    const char *path;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(changes); i++) {
        ROW(changes[i].name);
        path = write_file("stamped", LITERAL("x"), 0644);
        before = trusted_file_stamp(path);
        let_time_pass();
        changes[i].change(path);
        after = trusted_file_stamp(path);
        assert_int_equal(file_stamp_equal(&before, &after), changes[i].is_same);
    }
}

static void every_part_of_a_stamp_counts(void **state)
{
    const struct file_stamp base = { 1, 2, 3, { 4, 5 }, { 6, 7 }, 8 };
    const struct {
        const char *name;
        struct file_stamp stamp;
    } others[] = {
        { "the device", { 9, 2, 3, { 4, 5 }, { 6, 7 }, 8 } },
        { "the inode", { 1, 9, 3, { 4, 5 }, { 6, 7 }, 8 } },
        { "the size", { 1, 2, 9, { 4, 5 }, { 6, 7 }, 8 } },
        { "the seconds of modification", { 1, 2, 3, { 9, 5 }, { 6, 7 }, 8 } },
        { "the nanoseconds of modification", { 1, 2, 3, { 4, 9 }, { 6, 7 }, 8 } },
        { "the seconds of change", { 1, 2, 3, { 4, 5 }, { 9, 7 }, 8 } },
        { "the nanoseconds of change", { 1, 2, 3, { 4, 5 }, { 6, 9 }, 8 } },
        { "the owner", { 1, 2, 3, { 4, 5 }, { 6, 7 }, 9 } },
    };
    struct file_stamp same = base;
    size_t i;

    (void)state;
    ROW("the same");
    assert_true(file_stamp_equal(&base, &same));
    for (i = 0; i < COUNT(others); i++) {
        ROW(others[i].name);
        assert_false(file_stamp_equal(&base, &others[i].stamp));
    }
    ROW("a stamp of what was not seen equals nothing, not even itself");
    same.size = TRUSTED_FILE_NOT_SEEN;
    assert_false(file_stamp_equal(&same, &same));
    assert_false(file_stamp_equal(&base, &same));
}

static struct file_stamp stamp_of_refused(const char *path)
{
    struct secret content = { NULL, 0 };
    struct file_stamp stamp;
    char error[TRUSTED_FILE_ERROR_MAX];

    memset(&stamp, 0xff, sizeof stamp);
    assert_false(trusted_file_read(path, TRUSTED_PUBLIC, NULL, 10, &content, &stamp, error));
    return stamp;
}

static void a_refused_file_has_a_stamp_too(void **state)
{
    const struct file_stamp none = { 0 };
    struct file_stamp refused, now;
    const char *path;

    (void)state;
    ROW("no file: all zero");
    refused = stamp_of_refused(path_of("absent"));
    assert_true(file_stamp_equal(&refused, &none));
    now = trusted_file_stamp(path_of("absent"));
    assert_true(file_stamp_equal(&now, &none));
    ROW("loose permissions: the stamp changes when they are repaired");
    path = write_file("repaired", LITERAL("x"), 0666);
    refused = stamp_of_refused(path);
    now = trusted_file_stamp(path);
    assert_true(file_stamp_equal(&refused, &now));
    let_time_pass();
    change_mode(path);
    now = trusted_file_stamp(path);
    assert_false(file_stamp_equal(&refused, &now));
    ROW("a symbolic link: that of the link, so that a file in its place is noticed");
    assert_int_equal(symlink(path, path_of("link-to-repaired")), 0);
    refused = stamp_of_refused(path_of("link-to-repaired"));
    assert_false(file_stamp_equal(&refused, &none));
    assert_false(file_stamp_equal(&refused, &now));
}

static const struct {
    const char *name;
    uid_t owner;
    const char *also_by;
    mode_t mode;
    enum trusted_file_kind kind;
    const char *error; /* NULL: accepted */
} owners[] = {
    { "root's", 0, NULL, 0644, TRUSTED_PUBLIC, NULL },
    { "root's, where another is trusted too", 0, "daemon", 0600, TRUSTED_SECRET, NULL },
    { "the other's", 1, "daemon", 0644, TRUSTED_PUBLIC, NULL },
    { "a secret of the other's", 1, "daemon", 0600, TRUSTED_SECRET, NULL },
    { "the other's, where nobody else is trusted", 1, NULL, 0644, TRUSTED_PUBLIC,
      "is owned by uid 1, neither by root nor by the running user" },
    { "somebody's, where another is trusted", OTHER, "daemon", 0644, TRUSTED_PUBLIC,
      "is owned by uid 12345, neither by root nor by the running user" },
    { "the other's, where one is trusted who does not exist", 1, "no-such-user", 0644, TRUSTED_PUBLIC,
      "is owned by uid 1, neither by root nor by the running user" },
    { "a number is no name", 1, "1", 0644, TRUSTED_PUBLIC,
      "is owned by uid 1, neither by root nor by the running user" },
    { "nor is nothing", 1, "", 0644, TRUSTED_PUBLIC, "is owned by uid 1, neither by root nor by the running user" },
    { "the other's, writable by the group", 1, "daemon", 0664, TRUSTED_PUBLIC,
      "is writable by group or others (mode 0664)" },
    { "a secret of the other's, readable by others", 1, "daemon", 0604, TRUSTED_SECRET,
      "is readable by group or others (mode 0604)" },
};

static void rule_30_one_more_user_may_own_a_file(void **state)
{
    const struct passwd *daemon = getpwnam("daemon");
    struct secret content = { NULL, 0 };
    char error[TRUSTED_FILE_ERROR_MAX];
    struct file_stamp stamp;
    size_t i;
    bool ok;

    (void)state;
    assert_true(daemon != NULL && daemon->pw_uid == 1);
    for (i = 0; i < COUNT(owners); i++) {
        const char *path = write_file("owned", LITERAL("x"), owners[i].mode);

        ROW(owners[i].name);
        if (geteuid() == 0) {
            assert_int_equal(chown(path, owners[i].owner, 0), 0);
        } else {
            fate.has_owner = true;
            fate.owner = owners[i].owner;
        }
        ok = trusted_file_read(path, owners[i].kind, owners[i].also_by, 10, &content, &stamp, error);
        assert_string_equal(ok ? "" : error, owners[i].error != NULL ? owners[i].error : "");
        secret_clear(&content);
        memset(&fate, 0, sizeof fate);
    }
}

static void rule_32_an_owner_whom_nss_cannot_tell_now_is_not_refused_for_good(void **state)
{
    static const int failures[] = { EMFILE, ENFILE, ENOMEM, EIO, EAGAIN, ECONNREFUSED, ENOENT, ETIMEDOUT };
    const char *path = write_file("owned", LITERAL("x"), 0644);
    struct secret content = { NULL, 0 };
    char error[TRUSTED_FILE_ERROR_MAX];
    struct file_stamp stamp;
    size_t i;
    int cause;
    bool ok;

    (void)state;
    for (i = 0; i < COUNT(failures); i++) {
        ROW(strerror(failures[i]));
        fate.has_owner = true;
        fate.owner = 1;
        fate.nss_failure = failures[i];
        errno = ERANGE;
        ok = trusted_file_read(path, TRUSTED_PUBLIC, "daemon", 10, &content, &stamp, error);
        cause = errno;
        assert_false(ok);
        assert_int_equal(cause, failures[i]);
        assert_non_null(strstr(error, "is owned by uid 1, and NSS cannot tell now who daemon is: "));
        ROW("where no other user is trusted, nothing is asked");
        ok = trusted_file_read(path, TRUSTED_PUBLIC, NULL, 10, &content, &stamp, error);
        cause = errno;
        assert_false(ok);
        assert_int_equal(cause, 0);
        ROW("nor for a file of root's");
        fate.owner = 0;
        assert_true(trusted_file_read(path, TRUSTED_PUBLIC, "daemon", 10, &content, &stamp, error));
        secret_clear(&content);
        memset(&fate, 0, sizeof fate);
    }
}

/* How many entries the directory has, "." and ".." among them. */
static unsigned entries_of(const char *path)
{
    DIR *entries = opendir(path);
    unsigned count = 0;

    assert_non_null(entries);
    while (readdir(entries) != NULL)
        count++;
    closedir(entries);
    return count;
}

static void assert_replaced(const char *path, enum trusted_file_kind kind, struct slice content)
{
    char error[TRUSTED_FILE_ERROR_MAX];
    unsigned before = open_descriptors();
    struct stat status;

    if (!trusted_file_replace(path, kind, content, error))
        fail_msg("%s %s", path, error);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISREG(status.st_mode));
    assert_int_equal(status.st_mode & 07777, kind == TRUSTED_SECRET ? 0600 : 0644);
    assert_content(path, kind, 2000000, content);
}

static void a_file_is_replaced(void **state)
{
    static const mode_t masks[] = { 0, 022, 077, 0777 };
    const char *path = path_of("replaced"), *target = write_file("target-of-link", LITERAL("untouched"), 0644);
    mode_t umask_before = umask(022);
    unsigned before;
    char *large = malloc(1 << 20);
    char old[4] = "";
    size_t i;
    int fd;

    (void)state;
    assert_non_null(large);
    memset(large, 'x', 1 << 20);
    ROW("where there was none");
    before = entries_of(directory);
    assert_replaced(path, TRUSTED_PUBLIC, LITERAL("one"));
    assert_int_equal(entries_of(directory), before + 1);
    ROW("whoever has the old one open reads the old one");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_replaced(path, TRUSTED_PUBLIC, LITERAL("two, and longer"));
    assert_int_equal(pread(fd, old, 3, 0), 3);
    assert_string_equal(old, "one");
    close(fd);
    ROW("bytes with NUL, nothing, a mebibyte");
    assert_replaced(path, TRUSTED_PUBLIC, LITERAL("a\0b"));
    assert_replaced(path, TRUSTED_PUBLIC, LITERAL(""));
    assert_replaced(path, TRUSTED_PUBLIC, (struct slice){ large, 1 << 20 });
    for (i = 0; i < COUNT(masks); i++) {
        ROW("whatever the umask, and the mode of the old one");
        umask(masks[i]);
        assert_int_equal(chmod(path, i % 2 == 0 ? 0666 : 0400), 0);
        assert_replaced(path, TRUSTED_PUBLIC, LITERAL("public"));
        assert_replaced(path, TRUSTED_SECRET, LITERAL("secret"));
    }
    umask(umask_before);
    ROW("a symbolic link, and not what it leads to");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(target, path), 0);
    assert_replaced(path, TRUSTED_PUBLIC, LITERAL("new"));
    assert_content(target, TRUSTED_PUBLIC, 100, LITERAL("untouched"));
    ROW("and nothing is left beside it");
    assert_int_equal(entries_of(directory), before + 1);
    free(large);
}

static void rule_21_the_new_file_is_on_the_disk_before_it_takes_the_place(void **state)
{
    char error[TRUSTED_FILE_ERROR_MAX];

    (void)state;
    fate.write_interruptions = 3;
    fate.write_at_most = 1;
    ROW("interruptions, then one byte at a time, then fsync(), then rename()");
    assert_true(trusted_file_replace(path_of("synced"), TRUSTED_PUBLIC, LITERAL("0123456789"), error));
    assert_true(fate.is_synced_before_rename);
    memset(&fate, 0, sizeof fate);
    assert_content(path_of("synced"), TRUSTED_PUBLIC, 10, LITERAL("0123456789"));
}

static const struct {
    const char *name;
    int write_failure, mode_failure, sync_failure, rename_failure;
    const char *error;
    int cause;
} failures[] = {
    { "the disk is full", ENOSPC, 0, 0, 0, "cannot be written anew: No space left on device", 0 },
    { "the quota is used up", EDQUOT, 0, 0, 0, "cannot be written anew: Disk quota exceeded", 0 },
    { "the disk fails", EIO, 0, 0, 0, "cannot be written anew: Input/output error", EIO },
    { "the mode cannot be set", 0, EPERM, 0, 0, "cannot be written anew: Operation not permitted", 0 },
    { "the disk fails when all is written", 0, 0, EIO, 0, "cannot be written anew: Input/output error", EIO },
    { "it may not be renamed", 0, 0, 0, EACCES, "cannot be written anew: Permission denied", 0 },
    { "memory is short", 0, 0, 0, ENOMEM, "cannot be written anew: Cannot allocate memory", ENOMEM },
};

static void rule_21_whatever_fails_the_old_file_stays(void **state)
{
    const char *path = write_file("stays", LITERAL("the old one"), 0644);
    char error[TRUSTED_FILE_ERROR_MAX];
    unsigned entries = entries_of(directory), descriptors = open_descriptors();
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(failures); i++) {
        bool ok;

        ROW(failures[i].name);
        fate.write_failure = failures[i].write_failure;
        fate.mode_failure = failures[i].mode_failure;
        fate.sync_failure = failures[i].sync_failure;
        fate.rename_failure = failures[i].rename_failure;
        errno = ERANGE;
        ok = trusted_file_replace(path, TRUSTED_PUBLIC, LITERAL("a new one"), error);
        if (errno != failures[i].cause) /* which a print would change */
            fail_msg("errno is %d", errno);
        memset(&fate, 0, sizeof fate);
        assert_false(ok);
        assert_string_equal(error, failures[i].error);
        assert_content(path, TRUSTED_PUBLIC, 100, LITERAL("the old one"));
        assert_int_equal(entries_of(directory), entries);
        assert_int_equal(open_descriptors(), descriptors);
    }
}

/* In a process of its own: 0 when the old file stays. */
static int status_beyond_the_largest_file(const char *path)
{
    char error[TRUSTED_FILE_ERROR_MAX];

    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 4, 4 }) != 0)
        return 1;
    if (trusted_file_replace(path, TRUSTED_PUBLIC, LITERAL("more than four bytes"), error))
        return 2;
    return strcmp(error, "cannot be written anew: File too large") == 0 ? 0 : 3;
}

static void rule_21_half_a_file_never_takes_the_place(void **state)
{
    const char *path = write_file("half", LITERAL("the old one"), 0644);
    unsigned entries = entries_of(directory);
    pid_t child = fork();
    int status;

    (void)state;
    assert_true(child >= 0);
    if (child == 0)
        _exit(status_beyond_the_largest_file(path));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_content(path, TRUSTED_PUBLIC, 100, LITERAL("the old one"));
    assert_int_equal(entries_of(directory), entries);
}

/* A file name of `len` bytes in the directory. malloc'ed. */
static char *long_path(size_t len)
{
    char *path = malloc(strlen(directory) + len + 2), *name;

    assert_non_null(path);
    name = stpcpy(stpcpy(path, directory), "/");
    memset(name, 'n', len);
    name[len] = '\0';
    return path;
}

static void a_place_that_cannot_be_taken(void **state)
{
    const struct {
        const char *name, *error;
        char *path;
    } cases[] = {
        { "a directory that is not there", "cannot create a new one in its directory: No such file or directory",
          strdup(path_of("none/file")) },
        { "a file in the place of the directory", "cannot create a new one in its directory: Not a directory",
          strdup(path_of("plain/file")) },
        { "a directory in its place", "cannot be written anew: Is a directory", strdup(path_of("taken")) },
        { "a name that leaves no room for another beside it",
          "cannot create a new one in its directory: File name too long", long_path(NAME_MAX) },
        { "a path beyond any", "cannot be given a name beside it: File name too long", long_path(PATH_MAX) },
    };
    char error[TRUSTED_FILE_ERROR_MAX], *path;
    unsigned entries, descriptors = open_descriptors();
    size_t i;

    (void)state;
    write_file("plain", LITERAL("x"), 0644);
    assert_int_equal(mkdir(path_of("taken"), 0755), 0);
    entries = entries_of(directory);
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_non_null(cases[i].path);
        assert_false(trusted_file_replace(cases[i].path, TRUSTED_PUBLIC, LITERAL("x"), error));
        assert_string_equal(error, cases[i].error);
        assert_int_equal(entries_of(directory), entries);
        assert_int_equal(open_descriptors(), descriptors);
        free(cases[i].path);
    }
    assert_int_equal(rmdir(path_of("taken")), 0);
    ROW("the longest name that can be replaced: 18 bytes go in front of it and behind it");
    path = long_path(NAME_MAX - 18);
    assert_true(trusted_file_replace(path, TRUSTED_PUBLIC, LITERAL("x"), error));
    free(path);
}

/* In a process of its own, as somebody who may not write there: 0 when it is refused. */
static int status_in_a_directory_of_another(const char *path)
{
    char error[TRUSTED_FILE_ERROR_MAX];

    if (geteuid() == 0 && (setegid(NOBODY) != 0 || seteuid(NOBODY) != 0))
        return 1;
    if (trusted_file_replace(path, TRUSTED_PUBLIC, LITERAL("x"), error))
        return 2;
    return strcmp(error, "cannot create a new one in its directory: Permission denied") == 0 ? 0 : 3;
}

static void a_directory_that_may_not_be_written(void **state)
{
    const char *path;
    int status;
    pid_t child;

    (void)state;
    assert_int_equal(mkdir(path_of("closed"), 0755), 0);
    path = write_file("closed/file", LITERAL("the old one"), 0644);
    assert_int_equal(chmod(path_of("closed"), 0555), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(status_in_a_directory_of_another(path));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_content(path, TRUSTED_PUBLIC, 100, LITERAL("the old one"));
    assert_int_equal(entries_of(path_of("closed")), 3);
    assert_int_equal(chmod(path_of("closed"), 0755), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(path_of("closed")), 0);
}

static int make_directory(void **state)
{
    (void)state;
    return temporary_make(directory, "trusted") && chmod(directory, 0755) == 0 ? 0 : -1;
}

static int remove_directory(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_file_is_read),
        cmocka_unit_test(rule_29_a_read_is_bounded),
        cmocka_unit_test(rule_30_not_writable_by_group_or_others_and_secrets_not_readable),
        cmocka_unit_test(rule_30_owned_by_root),
        cmocka_unit_test(rule_29_a_file_is_opened_with_the_rights_of_the_effective_user),
        cmocka_unit_test(rule_29_only_a_regular_file),
        cmocka_unit_test(what_cannot_be_opened_says_why),
        cmocka_unit_test(rule_29_the_descriptor_is_closed_on_exec),
        cmocka_unit_test(a_read_may_be_interrupted_and_short),
        cmocka_unit_test(a_file_that_changes_while_it_is_read_is_read_again),
        cmocka_unit_test(rule_32_a_file_that_never_stays_the_same_is_refused),
        cmocka_unit_test(rule_32_what_passes_is_not_the_fault_of_the_file),
        cmocka_unit_test(a_file_that_has_just_changed_is_read_when_it_has_settled),
        cmocka_unit_test(rule_19_a_list_that_is_rewritten_in_place_misses_nothing_that_is_in_every_version),
        cmocka_unit_test(what_is_absent_is_told_from_what_cannot_be_told),
        cmocka_unit_test(a_file_that_is_replaced_while_it_is_read_is_as_good_as_before),
        cmocka_unit_test(a_stamp_is_that_of_the_file_that_was_read),
        cmocka_unit_test(a_stamp_tells_versions_apart),
        cmocka_unit_test(every_part_of_a_stamp_counts),
        cmocka_unit_test(a_refused_file_has_a_stamp_too),
        cmocka_unit_test(rule_30_one_more_user_may_own_a_file),
        cmocka_unit_test(rule_32_an_owner_whom_nss_cannot_tell_now_is_not_refused_for_good),
        cmocka_unit_test(a_file_is_replaced),
        cmocka_unit_test(rule_21_the_new_file_is_on_the_disk_before_it_takes_the_place),
        cmocka_unit_test(rule_21_whatever_fails_the_old_file_stays),
        cmocka_unit_test(rule_21_half_a_file_never_takes_the_place),
        cmocka_unit_test(a_place_that_cannot_be_taken),
        cmocka_unit_test(a_directory_that_may_not_be_written),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
