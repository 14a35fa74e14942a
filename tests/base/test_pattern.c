#include "tests/support/fixture.h"

#include <locale.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "base/pattern.h"

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
    bool matches;
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        print_message("           %s: %s\n", locale, rows[i].name);
        assert_int_equal(pattern_compile(rows[i].pattern, &pattern), 0);
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
        { "^(a)\\1$", "a back-reference" },
        { "^(a**)$", "a repetition of a repetition" },
        { "^((a*)*)$", "a repetition of what may be empty" },
        { "^(a{258})$", "it repeats more than 256 characters" },
        { "^^(a)$", "^ or $ elsewhere than at an end of the pattern, or an anchor such as \\b" },
    };
    struct pattern pattern;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(broken); i++) {
        ROW(broken[i].pattern);
        assert_string_equal(pattern_error_text(pattern_compile(broken[i].pattern, &pattern)), broken[i].error);
    }
}

#define A16    "aaaaaaaaaaaaaaaa"
#define A256   A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16
#define A1020  A256 A256 A256 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 "aaaaaaaaaaaa"
#define OPEN8  "(((((((("
#define CLOSE8 "))))))))"

#define REFERENCE PATTERN_BACK_REFERENCE
#define STACKED   PATTERN_REPEATED_TWICE
#define OF_EMPTY  PATTERN_REPEATS_EMPTY
#define TOO_MANY  PATTERN_TOO_MANY_COPIES
#define TOO_DEEP  PATTERN_TOO_DEEP
#define ANCHORS   PATTERN_INNER_ANCHOR

static const struct {
    const char *pattern;
    int error; /* 0: it compiles */
} costs[] = {
    { "^(a*)\\1$", REFERENCE },
    { "^(a)(b)(c)(d)(e)(f)(g)(h)(i)\\9$", REFERENCE },
    { "^(a)\\0$", 0 }, /* no group has this number: it is the character */
    { "^(a)[\\1]$", 0 },
    { "^(a)\\\\1$", 0 },

    { "^(a**)$", STACKED },
    { "^(a+*)$", STACKED },
    { "^(a?+)$", STACKED },
    { "^(a*?)$", STACKED },
    { "^(a{2}{3})$", STACKED },
    { "^(a{2}*)$", STACKED },
    { "^([a]*{2})$", STACKED },
    { "^((a)*?)$", STACKED },
    { "^(\\**)$", 0 },
    { "^([*]*)$", 0 },
    { "^([]*]*)$", 0 },
    { "^([^]*]*)$", 0 },
    { "^([[:alpha:]*]*)$", 0 },
    { "^([[.*.]*]*)$", 0 },
    { "^([[:alpha:]*?]*)$", 0 }, /* the class has a bracket of its own */
    { "^([[.a.]*?]*)$", 0 },
    { "^([[=a=]*?]*)$", 0 },
    { "^([x:]**[y:]*)$", STACKED }, /* these are none */
    { "^([[x]**[:]]*)$", STACKED },
    { "^([[", REG_EBRACK },
    { "^([a[:", REG_EBRACK },
    { "^(a*b*)$", 0 },
    { "^((a+)+)$", 0 },

    { "^((a*)*)$", OF_EMPTY },
    { "^((a?)+)$", OF_EMPTY },
    { "^((a{0,2})+)$", OF_EMPTY },
    { "^((a{,2})+)$", OF_EMPTY },
    { "^((a*b*){2})$", OF_EMPTY },
    { "^((a|b*){0,2})$", OF_EMPTY },
    { "^((|a)*)$", OF_EMPTY },
    { "^((a|)*)$", OF_EMPTY },
    { "^(()*)$", OF_EMPTY },
    { "^(((a*))*)$", OF_EMPTY },
    { "^(([a]*)*)$", OF_EMPTY },
    { "^((a*|b)?)$", 0 }, /* goes in no circle */
    { "^((a*b)*)$", 0 },
    { "^((ab*)*)$", 0 },
    { "^((a|b)*)$", 0 },
    { "^((a+|b)*)$", 0 },
    { "^((a{1,2})*)$", 0 },
    { "^(((a*)b|c)+)$", 0 },
    { "^((\\.)*)$", 0 },
    { "^(([a])*)$", 0 },

    { "^(.?)\\b.?\\b$", ANCHORS },
    { "^(a)\\B$", ANCHORS },
    { "^(a)\\<$", ANCHORS },
    { "^(a)\\>$", ANCHORS },
    { "\\`(a)$", ANCHORS },
    { "^(a)\\'", ANCHORS },
    { "^(a|$)?$", ANCHORS },
    { "^(^|a)$", ANCHORS },
    { "(^a$)", ANCHORS },
    { "^(a)?^b$", ANCHORS },
    { "^^(a)$", ANCHORS },
    { "^(a)$$", ANCHORS },
    { "^(a)$?", ANCHORS },
    { "^(a)$b", ANCHORS },
    { "^(a)|b^$", ANCHORS },
    { "^(a)$|^(b)$", 0 },
    { "(a)|^b|c$|^$", 0 },
    { "^(a|b$|c)$", ANCHORS },
    { "^(a[$^]b[^^$])$", 0 },
    { "^(\\^\\$)$", 0 },
    { "^(\\\\|\\w\\W)$", 0 },

    { "^((a{1,255}){1,255}){1,255}$", TOO_MANY },
    { "^(a{1,258})$", TOO_MANY },
    { "^(a{1,257})$", 0 },
    { "^(a{258})$", TOO_MANY },
    { "^(a{257})$", 0 },
    { "^(a{257,})$", TOO_MANY }, /* and then a* */
    { "^(a{256,})$", 0 },
    { "^(a{2560})$", TOO_MANY },
    { "^(a{4294967297})$", TOO_MANY },
    { "^(a{18446744073709551617})$", TOO_MANY },
    { "^(a{1,18446744073709551617})$", TOO_MANY },
    { "^(" A256 ")+$", TOO_MANY }, /* a group and 256 characters once more */
    { "^(" A256 ")*$", 0 },
    { "^(a" A16 "){17}$", TOO_MANY },
    { "^(a" A16 "){2}([b]{240})$", TOO_MANY },
    { "^(a" A16 "){2}([b]{239,239})$", 0 },
    { "^(" A16 "){15}$", 0 },
    { "^(" A16 "){15}b{19}$", 0 },
    { "^(" A16 "){15}b{20}$", TOO_MANY },
    { "^((" A16 "){2}){8}$", TOO_MANY },
    { "^((" A16 "){2}){7}$", 0 },
    { "^((((((((((a+)+)+)+)+)+)+)+)+)+)$", TOO_MANY },
    { "^((a{1,200})|(b{1,60}))$", TOO_MANY },
    { "^((a{1,200})|(b{1,57}))$", 0 },
    { "^(a{0}b{300})$", TOO_MANY },

    { OPEN8 OPEN8 "a" CLOSE8 CLOSE8, 0 },
    { OPEN8 OPEN8 "(a)" CLOSE8 CLOSE8, TOO_DEEP },
    { "(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)(l)(m)(n)(o)(p)(q)(r)", 0 },

    { "(a)" A1020, 0 },
    { "(a)a" A1020, PATTERN_TOO_LONG },
};

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Values that keep many ways open as long as possible. */
static void match_hard_values(const struct pattern *pattern)
{
    static const char *const units[] = { "a", "ab", "b", "ba", "aab" };
    char value[PATTERN_VALUE_MAX];
    struct slice capture;
    bool matches;
    size_t i, j;

    for (i = 0; i < 2 * COUNT(units); i++) {
        for (j = 0; j < sizeof value; j++)
            value[j] = units[i / 2][j % strlen(units[i / 2])];
        if (i % 2 == 1)
            value[sizeof value - 1] = '!';
        assert_true(pattern_match(pattern, (struct slice){ value, sizeof value }, &matches, &capture));
    }
}

/* The refused ones of the first rows took 76 s or 4 GB. */
static void rule_11_no_pattern_makes_a_login_long(void **state)
{
    const double begun = cpu_seconds();
    struct pattern pattern;
    int error;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(costs); i++) {
        ROW(costs[i].pattern);
        error = pattern_compile(costs[i].pattern, &pattern);
        assert_int_equal(error, costs[i].error);
        if (error == 0) {
            match_hard_values(&pattern);
            pattern_free(&pattern);
        }
    }
    assert_true(cpu_seconds() - begun < 30);
}

/* A text as long as one may be, of one piece again and again. */
static void rule_11_the_dearest_patterns_match_in_time(void **state)
{
    static const char *const pieces[] = { ".?", "a?", "a*", "[ab]?", "(a|b)?", "(a|b)*", "(a|ab)", "a|", "(a?b)*" };
    struct pattern pattern;
    double begun;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(pieces); i++) {
        char text[PATTERN_TEXT_MAX + 1] = "^(";

        ROW(pieces[i]);
        while (strlen(text) + strlen(pieces[i]) + 3 < sizeof text)
            strcat(text, pieces[i]);
        strcat(text, "a)$");
        begun = cpu_seconds();
        assert_int_equal(pattern_compile(text, &pattern), 0);
        match_hard_values(&pattern);
        pattern_free(&pattern);
        assert_true(cpu_seconds() - begun < 30); /* ten matches, under sanitizers and valgrind, too */
    }
}

static void what_is_too_long_matches_nothing(void **state)
{
    char value[PATTERN_VALUE_MAX + 1];
    struct pattern pattern;
    struct slice capture;
    bool matches;

    (void)state;
    memset(value, 'a', sizeof value);
    assert_int_equal(pattern_compile("^(a*)$", &pattern), 0);
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
    int n, status;
    size_t i;

    (void)state;
    assert_int_equal(pattern_compile("^(([a-z]+[.]?)+)@corp$", &pattern), 0);
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
        cmocka_unit_test(rule_11_no_pattern_makes_a_login_long),
        cmocka_unit_test(rule_11_the_dearest_patterns_match_in_time),
        cmocka_unit_test(what_is_too_long_matches_nothing),
#if !defined __SANITIZE_ADDRESS__
        cmocka_unit_test(rule_31_a_child_of_a_host_whose_threads_match_does_not_hang),
#endif
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
