#include "tests/support/file_double.h"

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
    struct file_error error;
    unsigned before = open_descriptors();
    struct stat status;

    if (!trusted_file_replace(path, kind, content, &error))
        fail_msg("%s %s", path, error.text);
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
    struct file_error error;

    (void)state;
    fate.write_interruptions = 3;
    fate.write_at_most = 1;
    ROW("interruptions, then one byte at a time, then fsync(), then rename()");
    assert_true(trusted_file_replace(path_of("synced"), TRUSTED_PUBLIC, LITERAL("0123456789"), &error));
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
    { "the disk is full", ENOSPC, 0, 0, 0, "cannot be replaced: No space left on device", 0 },
    { "the quota is used up", EDQUOT, 0, 0, 0, "cannot be replaced: Disk quota exceeded", 0 },
    { "the disk fails", EIO, 0, 0, 0, "cannot be replaced: Input/output error", EIO },
    { "the mode cannot be set", 0, EPERM, 0, 0, "cannot be replaced: Operation not permitted", 0 },
    { "the disk fails when all is written", 0, 0, EIO, 0, "cannot be replaced: Input/output error", EIO },
    { "it may not be renamed", 0, 0, 0, EACCES, "cannot be replaced: Permission denied", 0 },
    { "out of memory", 0, 0, 0, ENOMEM, "cannot be replaced: Cannot allocate memory", ENOMEM },
};

static void rule_21_whatever_fails_the_old_file_stays(void **state)
{
    const char *path = write_file("stays", LITERAL("the old one"), 0644);
    struct file_error error;
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
        ok = trusted_file_replace(path, TRUSTED_PUBLIC, LITERAL("a new one"), &error);
        memset(&fate, 0, sizeof fate);
        assert_false(ok);
        assert_string_equal(error.text, failures[i].error);
        assert_int_equal(error.passing, failures[i].cause);
        assert_content(path, TRUSTED_PUBLIC, 100, LITERAL("the old one"));
        assert_int_equal(entries_of(directory), entries);
        assert_int_equal(open_descriptors(), descriptors);
    }
}

/* In a process of its own: 0 when the old file stays. */
static int status_beyond_the_largest_file(const char *path)
{
    struct file_error error;

    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 4, 4 }) != 0)
        return 1;
    if (trusted_file_replace(path, TRUSTED_PUBLIC, LITERAL("more than four bytes"), &error))
        return 2;
    return strcmp(error.text, "cannot be replaced: File too large") == 0 ? 0 : 3;
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
        { "a directory in its place", "cannot be replaced: Is a directory", strdup(path_of("taken")) },
        { "a name that leaves no room for another beside it",
          "cannot create a new one in its directory: File name too long", long_path(NAME_MAX) },
        { "a path beyond any", "cannot make a name for the new file: File name too long", long_path(PATH_MAX) },
    };
    struct file_error error;
    char *path;
    unsigned entries, descriptors = open_descriptors();
    size_t i;

    (void)state;
    write_file("plain", LITERAL("x"), 0644);
    assert_int_equal(mkdir(path_of("taken"), 0755), 0);
    entries = entries_of(directory);
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_non_null(cases[i].path);
        assert_false(trusted_file_replace(cases[i].path, TRUSTED_PUBLIC, LITERAL("x"), &error));
        assert_string_equal(error.text, cases[i].error);
        assert_int_equal(entries_of(directory), entries);
        assert_int_equal(open_descriptors(), descriptors);
        free(cases[i].path);
    }
    assert_int_equal(rmdir(path_of("taken")), 0);
    ROW("the longest name that can be replaced: 18 bytes go in front of it and behind it");
    path = long_path(NAME_MAX - 18);
    assert_true(trusted_file_replace(path, TRUSTED_PUBLIC, LITERAL("x"), &error));
    free(path);
}

/* In a process of its own, as somebody who may not write there: 0 when it is refused. */
static int status_in_a_directory_of_another(const char *path)
{
    struct file_error error;

    if (geteuid() == 0 && (setegid(NOBODY) != 0 || seteuid(NOBODY) != 0))
        return 1;
    if (trusted_file_replace(path, TRUSTED_PUBLIC, LITERAL("x"), &error))
        return 2;
    return strcmp(error.text, "cannot create a new one in its directory: Permission denied") == 0 ? 0 : 3;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_replaced),
        cmocka_unit_test(rule_21_the_new_file_is_on_the_disk_before_it_takes_the_place),
        cmocka_unit_test(rule_21_whatever_fails_the_old_file_stays),
        cmocka_unit_test(rule_21_half_a_file_never_takes_the_place),
        cmocka_unit_test(a_place_that_cannot_be_taken),
        cmocka_unit_test(a_directory_that_may_not_be_written),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
