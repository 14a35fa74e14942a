#include "tests/support/file_double.h"

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
    assert_string_equal(refusal(path, TRUSTED_PUBLIC, 1000), "keeps changing while it is read");
    assert_int_equal(cause_of(path, 1000), EBUSY);
    memset(&fate, 0, sizeof fate);
    ROW("a login waits for a bounded time");
    assert_true(clock_ms() - begun_ms < 2 * TRUSTED_FILE_TRIES * (TRUSTED_FILE_SETTLE_MS + 100));
    assert_content(path, TRUSTED_PUBLIC, 1000, LITERAL("abc3456789"));
    ROW("a file whose size tells less than it holds");
    assert_string_equal(refusal("/proc/self/status", TRUSTED_PUBLIC, 1 << 20), "keeps changing while it is read");
}

/* How long one read takes; the file is as it is. */
static int64_t read_ms(const char *path)
{
    const int64_t begun_ms = clock_ms();
    struct secret content = { NULL, 0 };
    struct file_stamp stamp;
    struct file_error error;

    assert_true(trusted_file_read(path, TRUSTED_PUBLIC, NULL, 1000, &content, &stamp, &error));
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

static void rule_19_a_truncation_that_shows_before_its_times_is_not_an_empty_file(void **state)
{
    const char *path = write_file("fate", LITERAL("old"), 0644);

    (void)state;
    assert_int_equal(truncate(path, 0), 0);
    fate.stale_until_ms = clock_ms() + TRUSTED_FILE_SETTLE_MS / 2;
    fate.after_stale = append_to_it;
    assert_content(path, TRUSTED_PUBLIC, 1000, LITERAL("abc"));
    ROW("also when it takes long, where the file system lets a caller wait for its end");
    assert_int_equal(truncate(path, 0), 0);
    fate.stale_until_ms = clock_ms() + 3600000;
    fate.stale_until_hole = true;
    fate.after_stale = append_to_it;
    assert_content(path, TRUSTED_PUBLIC, 1000, LITERAL("abc"));
    memset(&fate, 0, sizeof fate);
}

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
        struct file_error error;

        if (!trusted_file_read(path, TRUSTED_PUBLIC, NULL, 1000, &content, &stamp, &error))
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
    struct file_error error;
    const char *path = write_file("fate", LITERAL("0123456789"), 0644);

    (void)state;
    fate.before_read = replace_it;
    ROW("the old content");
    assert_true(trusted_file_read(path, TRUSTED_PUBLIC, NULL, 1000, &content, &stamp, &error));
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
    struct file_error error;

    memset(&stamp, 0xff, sizeof stamp);
    assert_false(trusted_file_read(path, TRUSTED_PUBLIC, NULL, 10, &content, &stamp, &error));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_changes_while_it_is_read_is_read_again),
        cmocka_unit_test(rule_32_a_file_that_never_stays_the_same_is_refused),
        cmocka_unit_test(rule_32_what_passes_is_not_the_fault_of_the_file),
        cmocka_unit_test(a_file_that_has_just_changed_is_read_when_it_has_settled),
        cmocka_unit_test(rule_19_a_truncation_that_shows_before_its_times_is_not_an_empty_file),
        cmocka_unit_test(rule_19_a_list_that_is_rewritten_in_place_misses_nothing_that_is_in_every_version),
        cmocka_unit_test(what_is_absent_is_told_from_what_cannot_be_told),
        cmocka_unit_test(a_file_that_is_replaced_while_it_is_read_is_as_good_as_before),
        cmocka_unit_test(a_stamp_is_that_of_the_file_that_was_read),
        cmocka_unit_test(a_stamp_tells_versions_apart),
        cmocka_unit_test(every_part_of_a_stamp_counts),
        cmocka_unit_test(a_refused_file_has_a_stamp_too),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
