#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/trusted_program.h"
#include "tests/support/temporary.h"

#define OTHER 12345

/*
 * Each case begins with DIRECTORY/sbin/program, all of it root's and sound, and spoils one thing. Who is not root owns
 * it all and cannot give it away: those cases are skipped.
 */
static char directory[TEMPORARY_SIZE];

/* In place of the C library's: what cannot be looked at, and why. */
static struct {
    const char *name;
    int cause;
} unseen;

int lstat(const char *path, struct stat *status)
{
    const char *slash = strrchr(path, '/');

    if (unseen.name != NULL && slash != NULL && strcmp(slash + 1, unseen.name) == 0) {
        errno = unseen.cause;
        return -1;
    }
    return fstatat(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}

static const char *path_of(const char *name)
{
    static char paths[4][2 * PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % COUNT(paths)];

    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    return ftw->level > 0 ? remove(path) : 0;
}

static void make_file(const char *name)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

    assert_true(fd >= 0);
    close(fd);
}

static void make_tree(void)
{
    assert_int_equal(nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    assert_int_equal(chmod(directory, 0755), 0);
    assert_int_equal(mkdir(path_of("sbin"), 0755), 0);
    make_file("sbin/program");
}

/* One step of a case: `a` is a name in the directory. */
static void set_mode(const char *a, const char *b, unsigned number)
{
    (void)b;
    assert_int_equal(chmod(path_of(a), number), 0);
}
static void give_away(const char *a, const char *b, unsigned number)
{
    (void)b;
    assert_int_equal(lchown(path_of(a), number, 0), 0);
}
static void link_to(const char *a, const char *b, unsigned number)
{
    (void)number;
    assert_int_equal(symlink(b, path_of(a)), 0);
}
static void link_into(const char *a, const char *b, unsigned number)
{
    (void)number;
    assert_int_equal(symlink(path_of(b), path_of(a)), 0);
}
static void make_directory(const char *a, const char *b, unsigned number)
{
    (void)b;
    assert_int_equal(mkdir(path_of(a), 0755), 0);
    set_mode(a, b, number);
}
static void move(const char *a, const char *b, unsigned number)
{
    (void)number;
    assert_int_equal(rename(path_of(a), path_of(b)), 0);
}

struct change {
    void (*make)(const char *a, const char *b, unsigned number);
    const char *a, *b;
    unsigned number;
};

static const struct {
    const char *name, *path;
    struct change changes[3];
    const char *want; /* a part of the error; NULL: it may be started */
} cases[] = {
    { "a sound one", "sbin/program", { { NULL } }, NULL },
    { "with slashes and points on the way", "/sbin/./../sbin//program", { { NULL } }, NULL },
    { "that its owner alone may write and execute",
      "sbin/program",
      { { set_mode, "sbin/program", NULL, 0700 } },
      NULL },
    { "that its group may write",
      "sbin/program",
      { { set_mode, "sbin/program", NULL, 0775 } },
      "is writable by group or others (mode 0775)" },
    { "that others may write",
      "sbin/program",
      { { set_mode, "sbin/program", NULL, 0757 } },
      "is writable by group or others (mode 0757)" },
    { "of another user's", "sbin/program", { { give_away, "sbin/program", NULL, OTHER } }, "is owned by uid 12345" },
    { "in a folder that its group may write",
      "sbin/program",
      { { set_mode, "sbin", NULL, 0775 } },
      "/sbin is writable by group or others (mode 0775)" },
    { "in a folder that others may write",
      "sbin/program",
      { { set_mode, "sbin", NULL, 0757 } },
      "/sbin is writable by group or others (mode 0757)" },
    { "in a folder of another user's",
      "sbin/program",
      { { give_away, "sbin", NULL, OTHER } },
      "/sbin is owned by uid 12345, neither by root" },
    { "in a sticky folder that others may write", "sbin/program", { { set_mode, "sbin", NULL, 01777 } }, NULL },
    { "of another user's in a sticky folder",
      "sbin/program",
      { { set_mode, "sbin", NULL, 01777 }, { give_away, "sbin/program", NULL, OTHER } },
      "/sbin is writable by group or others (mode 1777)" },
    { "below a folder that others may write",
      "sbin/program",
      { { set_mode, "", NULL, 0777 } },
      " is writable by group or others (mode 0777)" },
    { "by a link to it", "link", { { link_into, "link", "sbin/program", 0 } }, NULL },
    { "by a relative link to it", "sbin/link", { { link_to, "sbin/link", "../sbin/program", 0 } }, NULL },
    { "by a link to its folder", "link/program", { { link_to, "link", "sbin", 0 } }, NULL },
    { "by a link of another user's in a folder of root's, which root made so",
      "link",
      { { link_into, "link", "sbin/program", 0 }, { give_away, "link", NULL, OTHER } },
      NULL },
    { "by a link of another user's in a sticky folder",
      "open/link",
      { { make_directory, "open", NULL, 01777 },
        { link_into, "open/link", "sbin/program", 0 },
        { give_away, "open/link", NULL, OTHER } },
      "/open is writable by group or others (mode 1777)" },
    { "by a link in a folder that others may write",
      "open/link",
      { { make_directory, "open", NULL, 0777 }, { link_into, "open/link", "sbin/program", 0 } },
      "/open is writable by group or others (mode 0777)" },
    { "by a link into a folder that others may write",
      "link",
      { { make_directory, "open", NULL, 0777 },
        { move, "sbin/program", "open/program", 0 },
        { link_into, "link", "open/program", 0 } },
      "/open is writable by group or others (mode 0777)" },
    { "by two links, the second in a folder that others may write",
      "link",
      { { make_directory, "open", NULL, 0777 },
        { link_into, "open/link", "sbin/program", 0 },
        { link_into, "link", "open/link", 0 } },
      "/open is writable by group or others (mode 0777)" },
    { "by a way through a folder that others may write, and back",
      "open/../sbin/program",
      { { make_directory, "open", NULL, 0777 } },
      NULL },
    { "a link to itself", "loop", { { link_to, "loop", "loop", 0 } }, "Too many levels of symbolic links" },
    { "a link to nothing", "link", { { link_to, "link", "nothing", 0 } }, "No such file or directory" },
    { "none", "sbin/none", { { NULL } }, "No such file or directory" },
    { "below a file", "sbin/program/below", { { NULL } }, "Not a directory" },
    { "a folder", "sbin", { { NULL } }, "is not a regular file" },
    { "a link to a folder", "link", { { link_to, "link", "sbin", 0 } }, "is not a regular file" },
};

static bool gives_away(const struct change *changes)
{
    size_t i;

    for (i = 0; i < 3; i++)
        if (changes[i].make == give_away)
            return true;
    return false;
}

static void rule_30_a_program_that_another_could_replace_is_not_started(void **state)
{
    struct file_error error;
    size_t i, j;
    bool ok;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        if (geteuid() != 0 && gives_away(cases[i].changes))
            continue;
        ROW(cases[i].name);
        make_tree();
        for (j = 0; j < 3 && cases[i].changes[j].make != NULL; j++)
            cases[i].changes[j].make(cases[i].changes[j].a, cases[i].changes[j].b, cases[i].changes[j].number);
        error = (struct file_error){ .passing = ERANGE };
        ok = trusted_program_check(path_of(cases[i].path), &error);
        if (cases[i].want == NULL) {
            if (!ok)
                fail_msg("%s", error.text);
            continue;
        }
        assert_false(ok);
        assert_int_equal(error.passing, 0);
        if (strstr(error.text, cases[i].want) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", error.text, cases[i].want);
    }
}

static void as_many_links_as_the_kernel_follows(void **state)
{
    struct file_error error;
    char name[16], target[16];
    int i;

    (void)state;
    make_tree();
    for (i = 1; i <= 41; i++) {
        snprintf(name, sizeof name, "l%d", i);
        snprintf(target, sizeof target, i == 1 ? "sbin/program" : "l%d", i - 1);
        assert_int_equal(symlink(target, path_of(name)), 0);
    }
    ROW("40");
    assert_true(trusted_program_check(path_of("l40"), &error));
    ROW("one more");
    assert_false(trusted_program_check(path_of("l41"), &error));
    assert_non_null(strstr(error.text, "Too many levels of symbolic links"));
}

static void rule_32_what_cannot_be_looked_at_now_passes(void **state)
{
    static const struct {
        const char *name;
        int failure, cause;
    } failures[] = { { "program", EIO, EIO },
                     { "sbin", ENOMEM, ENOMEM },
                     { "program", ESTALE, ESTALE },
                     { "program", EACCES, 0 },
                     { "", EIO, EIO } /* the root directory */ };
    struct file_error error;
    size_t i;

    (void)state;
    make_tree();
    for (i = 0; i < COUNT(failures); i++) {
        bool ok;

        ROW(strerror(failures[i].failure));
        unseen.name = failures[i].name;
        unseen.cause = failures[i].failure;
        ok = trusted_program_check(path_of("sbin/program"), &error);
        unseen.name = NULL;
        assert_false(ok);
        assert_int_equal(error.passing, failures[i].cause);
    }
}

static void a_path_beyond_any_is_refused(void **state)
{
    struct file_error error;
    char path[PATH_MAX + 1];

    (void)state;
    memset(path, '/', sizeof path - 1);
    path[PATH_MAX] = '\0';
    ROW("a path of PATH_MAX bytes");
    assert_false(trusted_program_check(path, &error));
    assert_string_equal(error.text, "File name too long");
    ROW("a component beyond any");
    memset(path + 1, 'a', NAME_MAX + 1);
    path[NAME_MAX + 2] = '\0';
    assert_false(trusted_program_check(path, &error));
    assert_string_equal(error.text, "File name too long");
    ROW("the longest component is only absent");
    path[NAME_MAX + 1] = '\0';
    assert_false(trusted_program_check(path, &error));
    assert_string_equal(error.text, "No such file or directory");
}

static int set_up(void **state)
{
    (void)state;
    return temporary_make(directory, "program") ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0 ? rmdir(directory) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_30_a_program_that_another_could_replace_is_not_started),
        cmocka_unit_test(as_many_links_as_the_kernel_follows),
        cmocka_unit_test(rule_32_what_cannot_be_looked_at_now_passes),
        cmocka_unit_test(a_path_beyond_any_is_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
