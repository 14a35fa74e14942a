#include "fixture.h"

#include <locale.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "pattern.h"

static const struct {
    const char *name, *pattern, *value;
    bool matches;
    const char *capture; /* NULL: none */
} rows[] = {
    { "a name", "^([a-z]+)@corp$", "alice@corp", true, "alice" },
    { "every letter", "^([a-z]+)$", "abcdefghijklmnopqrstuvwxyz", true, "abcdefghijklmnopqrstuvwxyz" },
    { "every capital", "^([A-Z]+)$", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", true, "ABCDEFGHIJKLMNOPQRSTUVWXYZ" },
    { "a capital is no small letter", "^([a-z]+)$", "aLice", false, NULL },
    { "a letter beyond ASCII is none", "^([a-z]+)$",
      "ali\xc3\xa7"
      "e",
      false, NULL },
    { "nor one of the class", "^([[:alpha:]]+)$",
      "ali\xc3\xa7"
      "e",
      false, NULL },
    { "no byte swallows the next one", "^([a-z]+)([+][^@]*)?@corp$", "daemon+\xe2\x82\xac@evil@corp", false, NULL },
    { "two bytes are two characters", "^(a..b)$",
      "a\xc3\xa7"
      "b",
      true,
      "a\xc3\xa7"
      "b" },
    { "anchored to the eye alone", "^a|(b)$", "ab", false, NULL },
    { "a group that takes no part", "^a|(b)$", "a", true, NULL },
    { "an empty value", "^(.*)$", "", true, "" },
};

/* As long as the locale of the process is `locale`. */
static void check_rows(const char *locale)
{
    const locale_t of_thread = uselocale((locale_t)0);
    struct pattern pattern;
    struct slice capture;
    const char *error;
    bool matches;
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        print_message("           %s: %s\n", locale, rows[i].name);
        assert_true(pattern_compile(rows[i].pattern, &pattern, &error));
        assert_int_equal(pattern_group_count(&pattern) > 0, true);
        assert_true(pattern_match(&pattern, slice_of(rows[i].value), &matches, &capture));
        assert_int_equal(matches, rows[i].matches);
        assert_int_equal(capture.bytes != NULL, rows[i].capture != NULL);
        if (rows[i].capture != NULL)
            assert_true(slice_equal_string(capture, rows[i].capture));
        pattern_free(&pattern);
    }
    assert_true(uselocale((locale_t)0) == of_thread);
    assert_string_equal(setlocale(LC_ALL, NULL), locale);
}

static void a_value_matches_as_a_whole(void **state)
{
    (void)state;
    check_rows("C");
}

/* The Turkish [a-z] has no "i", and in GBK a byte above 0x80 takes the next one with it. */
static void rule_29_the_locale_of_a_caller_decides_nothing(void **state)
{
    static const struct {
        const char *name, *source, *charmap;
    } locales[] = {
        { "tr_TR.ISO-8859-9", "tr_TR", "ISO-8859-9" },
        { "tr_TR.UTF-8", "tr_TR", "UTF-8" },
        { "zh_CN.GBK", "zh_CN", "GBK" },
    };
    char command[512];
    size_t i;

    (void)state;
    setenv("LOCPATH", path_in_directory("."), 1);
    for (i = 0; i < COUNT(locales); i++) {
        snprintf(command, sizeof command, "localedef -c -i %s -f %s '%s' 2>/dev/null", locales[i].source,
                 locales[i].charmap, path_in_directory(locales[i].name));
        (void)!system(command); /* it warns by its status */
        assert_non_null(setlocale(LC_ALL, locales[i].name));
        check_rows(locales[i].name);
    }
    setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
    snprintf(command, sizeof command, "rm -r '%s'/*", path_in_directory("."));
    assert_int_equal(system(command), 0);
}

static void a_broken_pattern_is_told(void **state)
{
    static const struct {
        const char *pattern, *error;
    } broken[] = {
        { "^([a-z$", "[ without ]" },
        { "^(a$", "( or ) without the other" },
        { "^(a{1)$", "{ without }" },
        { "^(a{x})$", "something else than numbers in { }" },
        { "^([z-a])$", "a range in [ ] whose end comes before its beginning" },
        { "^([[:alpa:]])$", "an unknown character class" },
        { "^(a)\\", "a backslash at its end" },
        { "^(*)$", "a repetition of nothing" },
    };
    struct pattern pattern;
    const char *error;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(broken); i++) {
        ROW(broken[i].pattern);
        assert_false(pattern_compile(broken[i].pattern, &pattern, &error));
        assert_string_equal(error, broken[i].error);
    }
}

static void what_is_too_long_matches_nothing(void **state)
{
    char value[PATTERN_VALUE_MAX + 1];
    struct pattern pattern;
    struct slice capture;
    const char *error;
    bool matches;

    (void)state;
    memset(value, 'a', sizeof value);
    assert_true(pattern_compile("^(a*)$", &pattern, &error));
    assert_true(pattern_match(&pattern, (struct slice){ value, PATTERN_VALUE_MAX }, &matches, &capture));
    assert_true(matches && capture.len == PATTERN_VALUE_MAX);
    assert_true(pattern_match(&pattern, (struct slice){ value, PATTERN_VALUE_MAX + 1 }, &matches, &capture));
    assert_false(matches);
    pattern_free(&pattern);
}

#if !defined __SANITIZE_ADDRESS__ /* whose allocator may be locked for ever in such a child */
static atomic_bool is_over;

static void *match_until_over(void *context)
{
    struct slice capture;
    bool matches = true;

    while (!atomic_load(&is_over))
        if (!pattern_match(context, slice_of("alice.example.of.a.long.name@corp"), &matches, &capture) || !matches)
            abort();
    return NULL;
}

static void rule_31_a_child_of_a_host_whose_threads_match_does_not_hang(void **state)
{
    struct pattern pattern;
    pthread_t threads[3];
    const char *error;
    int n, status;
    size_t i;

    (void)state;
    assert_true(pattern_compile("^(([a-z]+[.]?)+)@corp$", &pattern, &error));
    for (i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, match_until_over, &pattern), 0);
    for (n = 0; n < 300; n++) {
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
            struct slice capture;
            bool matches;

            alarm(30);
            _exit(pattern_match(&pattern, slice_of("bob@corp"), &matches, &capture) && matches ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    atomic_store(&is_over, true);
    for (i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    pattern_free(&pattern);
}
#endif

static int set_up(void **state)
{
    (void)state;
    return directory_make();
}

static int tear_down(void **state)
{
    (void)state;
    return directory_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_matches_as_a_whole),
        cmocka_unit_test(rule_29_the_locale_of_a_caller_decides_nothing),
        cmocka_unit_test(a_broken_pattern_is_told),
        cmocka_unit_test(what_is_too_long_matches_nothing),
#if !defined __SANITIZE_ADDRESS__
        cmocka_unit_test(rule_31_a_child_of_a_host_whose_threads_match_does_not_hang),
#endif
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
