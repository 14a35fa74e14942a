#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "tests/support/temporary.h"

/* Below the working directory: real/file, link → real, up → ../NAME/real, round → round. */
static char directory[TEMPORARY_SIZE];

static int make_tree(void **state)
{
    char up[2 * TEMPORARY_SIZE];
    int fd;

    (void)state;
    if (!temporary_make(directory, "path") || chdir(directory) != 0 || mkdir("real", 0755) != 0)
        return -1;
    snprintf(up, sizeof up, "..%s/real", strrchr(directory, '/'));
    fd = open("real/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || symlink("real", "link") != 0 || symlink(up, "up") != 0 || symlink("round", "round") != 0)
        return -1;
    return close(fd);
}

static int remove_tree(void **state)
{
    static const char *const names[] = { "real/file", "real", "link", "up", "round" };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(names); i++)
        if (remove(names[i]) != 0)
            return -1;
    return chdir("/") == 0 ? rmdir(directory) : -1;
}

static const struct {
    const char *name, *path;
    const char *entries; /* below the directory, each with a space before it */
    int error;           /* of the step that fails; 0: the way ends */
} ways[] = {
    { "a file", "real/file", " real real/file", 0 },
    { "slashes, points and parents", ".//real/../real/./file", " real real real/file", 0 },
    { "a link to a folder", "link/file", " link real real/file", 0 },
    { "a link that leads up", "up/file", " up real real/file", 0 },
    { "the last entry is a link", "link", " link real", 0 },
    { "a missing file", "real/none", " real real/none", ENOENT },
    { "a missing folder", "none/file", " none", ENOENT },
    { "a file in the place of a folder", "real/file/below", " real real/file", ENOTDIR },
    { "a link to itself", "round/file", NULL, ELOOP },
};

static void a_walk_follows_the_way_of_the_kernel(void **state)
{
    char absolute[PATH_MAX], entries[1024];
    struct path_walk walk;
    enum path_step step;
    size_t i, len;
    int relative;

    (void)state;
    for (i = 0; i < COUNT(ways); i++)
        for (relative = 0; relative < 2; relative++) {
            ROW(ways[i].name);
            snprintf(absolute, sizeof absolute, "%s/%s", directory, ways[i].path);
            assert_true(path_walk_begin(&walk, relative ? ways[i].path : absolute));
            entries[0] = '\0';
            do {
                errno = 0;
                step = path_walk_next(&walk);
                len = strlen(entries);
                if (step != PATH_STEP_END && len < sizeof entries - PATH_MAX / 8
                    && strncmp(walk.entry, directory, strlen(directory)) == 0 && walk.entry[strlen(directory)] == '/'
                    && (step == PATH_STEP_ENTRY || errno == ENOENT))
                    snprintf(entries + len, sizeof entries - len, " %s", walk.entry + strlen(directory) + 1);
            } while (step == PATH_STEP_ENTRY);
            assert_int_equal(step, ways[i].error != 0 ? PATH_STEP_FAILED : PATH_STEP_END);
            assert_int_equal(errno, ways[i].error);
            if (ways[i].entries != NULL)
                assert_string_equal(entries, ways[i].entries);
        }
}

static void each_entry_is_below_its_folder(void **state)
{
    struct path_walk walk;
    char folder[PATH_MAX];

    (void)state;
    assert_true(path_walk_begin(&walk, "/"));
    assert_int_equal(path_walk_next(&walk), PATH_STEP_END);
    assert_string_equal(path_walk_folder(&walk), "/");
    assert_true(path_walk_begin(&walk, "up/file"));
    while (path_walk_next(&walk) == PATH_STEP_ENTRY) {
        snprintf(folder, sizeof folder, "%s", walk.entry);
        *strrchr(folder, '/') = '\0';
        assert_string_equal(path_walk_folder(&walk), folder[0] != '\0' ? folder : "/");
    }
    assert_true(S_ISREG(walk.status.st_mode));
}

static void the_parts_of_a_path(void **state)
{
    char absolute[PATH_MAX], want[PATH_MAX], longest[PATH_MAX + 1];

    (void)state;
    ROW("the last name");
    assert_string_equal(path_name("/usr/bin/latchkey"), "latchkey");
    assert_string_equal(path_name("latchkey"), "latchkey");
    assert_string_equal(path_name("bin/"), "");
    ROW("an absolute path stays");
    assert_true(path_make_absolute("/a/../b", absolute));
    assert_string_equal(absolute, "/a/../b");
    ROW("a relative one begins at the working directory");
    assert_true(path_make_absolute("real/file", absolute));
    snprintf(want, sizeof want, "%s/real/file", directory);
    assert_string_equal(absolute, want);
    ROW("one that is too long");
    memset(longest, 'x', sizeof longest - 1);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    assert_false(path_make_absolute(longest, absolute));
    assert_int_equal(errno, ENAMETOOLONG);
    longest[sizeof longest - 2] = '\0';
    assert_true(path_make_absolute(longest, absolute));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_walk_follows_the_way_of_the_kernel),
        cmocka_unit_test(each_entry_is_below_its_folder),
        cmocka_unit_test(the_parts_of_a_path),
    };

    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
