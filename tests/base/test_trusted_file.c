#include "tests/support/file_double.h"

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
    struct file_error error;

    if (seteuid(NOBODY) != 0)
        return 1;
    if (!trusted_file_read(path_of("of-nobody"), TRUSTED_SECRET, NULL, 10, &content, &stamp, &error))
        return 2;
    secret_clear(&content);
    if (!trusted_file_read(path_of("of-root"), TRUSTED_PUBLIC, NULL, 10, &content, &stamp, &error))
        return 3;
    secret_clear(&content);
    if (trusted_file_read(path_of("of-other"), TRUSTED_PUBLIC, NULL, 10, &content, &stamp, &error)
        || strcmp(error.text, "is owned by uid 12345, neither by root nor by the running user") != 0)
        return 4;
    if (trusted_file_read(path_of("of-root-alone"), TRUSTED_PUBLIC, NULL, 10, &content, &stamp, &error)
        || strcmp(error.text, "cannot be opened: Permission denied") != 0 || stamp.inode == 0)
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
    struct file_error error;
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
        ok = trusted_file_read(path, owners[i].kind, owners[i].also_by, 10, &content, &stamp, &error);
        assert_string_equal(ok ? "" : error.text, owners[i].error != NULL ? owners[i].error : "");
        secret_clear(&content);
        memset(&fate, 0, sizeof fate);
    }
}

static void rule_32_an_owner_whom_nss_cannot_tell_now_is_not_refused_for_good(void **state)
{
    static const int failures[] = { EMFILE, ENFILE, ENOMEM, EIO, EAGAIN, ECONNREFUSED, ENOENT, ETIMEDOUT };
    const char *path = write_file("owned", LITERAL("x"), 0644);
    struct secret content = { NULL, 0 };
    struct file_error error;
    struct file_stamp stamp;
    size_t i;
    bool ok;

    (void)state;
    for (i = 0; i < COUNT(failures); i++) {
        ROW(strerror(failures[i]));
        fate.has_owner = true;
        fate.owner = 1;
        fate.nss_failure = failures[i];
        error.passing = ERANGE;
        ok = trusted_file_read(path, TRUSTED_PUBLIC, "daemon", 10, &content, &stamp, &error);
        assert_false(ok);
        assert_int_equal(error.passing, failures[i]);
        assert_non_null(strstr(error.text, "is owned by uid 1, and NSS cannot look up user daemon: "));
        ROW("where no other user is trusted, nothing is asked");
        ok = trusted_file_read(path, TRUSTED_PUBLIC, NULL, 10, &content, &stamp, &error);
        assert_false(ok);
        assert_int_equal(error.passing, 0);
        ROW("nor for a file of root's");
        fate.owner = 0;
        assert_true(trusted_file_read(path, TRUSTED_PUBLIC, "daemon", 10, &content, &stamp, &error));
        secret_clear(&content);
        memset(&fate, 0, sizeof fate);
    }
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
        cmocka_unit_test(rule_30_one_more_user_may_own_a_file),
        cmocka_unit_test(rule_32_an_owner_whom_nss_cannot_tell_now_is_not_refused_for_good),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
