#include "cli/handover.h"

#include "tests/support/temporary.h"
#include "tests/support/unit.h"

#include <sys/stat.h>
#include <unistd.h>

static char directory[TEMPORARY_SIZE];

static int make_directory(void **state)
{
    (void)state;
    return temporary_make(directory, "handover") ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static const char *in_directory(const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void test_mask(void **state)
{
    static const struct {
        const char *name;
        struct slice secret;
        const char *want;
    } rows[] = {
        { "sixteen bytes stay hidden", LITERAL("1234................5678"), "1234...5678" },
        { "with one byte less nothing is shown", LITERAL("1234...............5678"), "..." },
        { "of a longer one no more than the ends", LITERAL("abcdefghijklmnopqrstuvwxyz0123456789"), "abcd...6789" },
        { "one byte", LITERAL("x"), "..." },
    };
    char masked[HANDOVER_MASKED_MAX];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        ROW(rows[i].name);
        handover_mask(rows[i].secret, masked);
        assert_string_equal(masked, rows[i].want);
    }
}

static void test_room_is_held_until_the_secret_is_written(void **state)
{
    struct handover handover = { .path = "" };
    struct verdict verdict = VERDICT_INIT;
    const char *path = in_directory("key");
    char content[8] = "";
    struct stat status;
    FILE *file;

    (void)state;
    assert_true(handover_prepare(&verdict, &handover, path, 1000));
    assert_int_equal(stat(handover.path, &status), -1);
    assert_int_equal(stat(handover.room, &status), 0);
    assert_int_equal(status.st_size, 1001);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_true(handover_write(&verdict, &handover, LITERAL("secret")));
    assert_string_equal(handover.room, "");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(content, 1, sizeof content, file), 7);
    fclose(file);
    assert_memory_equal(content, "secret\n", 7);
    unlink(path);
}

static void test_an_end_without_a_secret_leaves_nothing_behind(void **state)
{
    struct handover handover = { .path = "" };
    struct verdict verdict = VERDICT_INIT;
    struct stat status;
    char room[PATH_MAX];

    (void)state;
    assert_true(handover_prepare(&verdict, &handover, in_directory("key"), 10));
    memcpy(room, handover.room, sizeof room);
    handover_end(&handover);
    assert_int_equal(stat(room, &status), -1);
    assert_int_equal(stat(handover.path, &status), -1);
    handover_end(&handover);
}

static void test_what_is_no_place_for_a_file(void **state)
{
    static const struct {
        const char *name, *path;
    } rows[] = {
        { "a directory", "/tmp" },
        { "a device", "/dev/null" },
        { "a link", "/proc/self/exe" },
        { "a directory that is not there", "/nonexistent/key" },
        { "a directory that takes no files", "/proc/key" },
        { "below a file", "/dev/null/key" },
    };
    char too_long[PATH_MAX + 2];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        struct handover handover = { .path = "" };
        struct verdict verdict = VERDICT_INIT;

        ROW(rows[i].name);
        assert_false(handover_prepare(&verdict, &handover, rows[i].path, 10));
        assert_int_equal(verdict.reason, REASON_SYSTEM_ERROR);
        assert_string_equal(handover.room, "");
        handover_end(&handover);
    }
    /* The path fits, and the name beside it does not; then the path does not. */
    for (i = 0; i < 2; i++) {
        struct handover handover = { .path = "" };
        struct verdict verdict = VERDICT_INIT;
        size_t len = i == 0 ? PATH_MAX - 2 : PATH_MAX + 1;

        memset(too_long, '/', len);
        too_long[len - 1] = 'x';
        too_long[len] = '\0';
        assert_false(handover_prepare(&verdict, &handover, too_long, 10));
        assert_int_equal(verdict.reason, REASON_SYSTEM_ERROR);
        assert_string_equal(handover.room, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_room_is_held_until_the_secret_is_written),
        cmocka_unit_test(test_an_end_without_a_secret_leaves_nothing_behind),
        cmocka_unit_test(test_what_is_no_place_for_a_file),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
