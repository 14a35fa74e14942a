#include "tests/support/unit.h"

#include <dlfcn.h>

#include "account/revocation.h"

struct json_object;

/* In place of json-c's, which fails while memory is short. */
static bool memory_is_short;

struct json_object *json_object_new_string_len(const char *bytes, int len);
struct json_object *json_object_new_string_len(const char *bytes, int len)
{
    struct json_object *(*real)(const char *, int) =
        (struct json_object * (*)(const char *, int)) dlsym(RTLD_NEXT, "json_object_new_string_len");

    return memory_is_short ? NULL : real(bytes, len);
}

/* The list of `text`, which must be good. */
static struct revocation *list_of(const char *text)
{
    struct verdict verdict = VERDICT_INIT;
    struct revocation *list = NULL;

    assert_true(revocation_parse(&verdict, slice_of(text), &list));
    return list;
}

static bool passes(const struct revocation *list, const struct revocable *token)
{
    struct verdict verdict = VERDICT_INIT;
    bool ok = revocation_check(&verdict, list, token);

    assert_int_equal(verdict.reason, ok ? REASON_UNDECIDED : REASON_TOKEN_REVOKED);
    return ok;
}

static struct revocable token_of(const char *subject, const char *jti, const char *kid, double issued_at)
{
    /* A time that is not there must not be looked at, so here it is one that would pass. */
    return (struct revocable){ slice_of(subject), slice_of(jti), slice_of(kid), issued_at >= 0,
                               issued_at >= 0 ? issued_at : 1e12 };
}

#define NO_IAT (-1.0)

static void rule_19_what_the_list_names_is_revoked(void **state)
{
    static const struct {
        const char *name, *list;
        const char *subject, *jti, *kid;
        double issued_at;
        bool passes;
    } cases[] = {
        { "an empty list revokes nothing", "", "s", "j", "k", 1000, true },
        { "a comment revokes nothing", "# sub s\n", "s", "j", "k", 1000, true },
        { "a sub", "sub s\n", "s", "j", "k", 1000, false },
        { "a sub without a line end", "sub s", "s", "j", "k", 1000, false },
        { "a sub with a carriage return", "sub s\r\n", "s", "j", "k", 1000, false },
        { "blanks around the value", "  sub \t s  \n", "s", "j", "k", 1000, false },
        { "a sub with a blank in it", "sub a b\n", "a b", "j", "k", 1000, false },
        { "another sub", "sub t\n", "s", "j", "k", 1000, true },
        { "a longer sub", "sub ss\n", "s", "j", "k", 1000, true },
        { "a shorter sub", "sub s\n", "ss", "j", "k", 1000, true },
        { "case counts", "sub S\n", "s", "j", "k", 1000, true },
        { "a jti", "jti j\n", "s", "j", "k", 1000, false },
        { "a jti is no sub", "jti s\n", "s", "j", "k", 1000, true },
        { "no jti is not the empty one", "jti j\n", "s", NULL, "k", 1000, true },
        { "a kid", "kid k\n", "s", "j", "k", 1000, false },
        { "a token without kid", "kid k\n", "s", "j", NULL, 1000, true },
        { "the last of many", "sub a\nsub b\nsub c\nsub s\n", "s", "j", "k", 1000, false },
        { "one of many, out of order", "sub z\nsub s\nsub a\nsub m\nsub b\n", "s", "j", "k", 1000, false },
        { "twice the same", "sub s\nsub s\n", "s", "j", "k", 1000, false },
        { "issued just before", "issued-before 1000\n", "s", "j", "k", 999.5, false },
        { "issued at the time", "issued-before 1000\n", "s", "j", "k", 1000, true },
        { "issued later", "issued-before 1000\n", "s", "j", "k", 1001, true },
        { "without iat nobody knows", "issued-before 1000\n", "s", "j", "k", NO_IAT, false },
        { "the later time counts", "issued-before 1000\nissued-before 900\n", "s", "j", "k", 950, false },
        { "the later time counts, when it comes second", "issued-before 900\nissued-before 1000\n", "s", "j", "k", 950,
          false },
        { "lines of blanks are empty", " \n\t\n \t \r\nsub s\n \n", "s", "j", "k", 1000, false },
        { "one subject's tokens of before", "issued-before 1000 sub s\n", "s", "j", "k", 999, false },
        { "one subject's tokens of after", "issued-before 1000 sub s\n", "s", "j", "k", 1000, true },
        { "one subject's without iat", "issued-before 1000 sub s\n", "s", "j", "k", NO_IAT, false },
        { "another subject's tokens of before", "issued-before 1000 sub t\n", "s", "j", "k", 1, true },
        { "another subject's without iat", "issued-before 1000 sub t\n", "s", "j", "k", NO_IAT, true },
        { "the later time of one subject", "issued-before 1000 sub s\nissued-before 900 sub s\n", "s", "j", "k", 950,
          false },
        { "the earlier time first", "issued-before 900 sub s\nissued-before 1000 sub s\n", "s", "j", "k", 950, false },
        { "a JSON string", "sub \"s \\u00e9\"\n", "s \xc3\xa9", "j", "k", 1000, false },
        { "a JSON string keeps its blanks", "sub \" s \"\n", " s ", "j", "k", 1000, false },
        { "a hash inside of a word", "sub a#b\n", "a#b", "j", "k", 1000, false },
        { "a comma inside", "sub a,b;c\n", "a,b;c", "j", "k", 1000, false },
        { "a JSON string with a comment's mark", "sub \"a # b\"\n", "a # b", "j", "k", 1000, false },
        { "a JSON string with quotes", "sub \"o'a\\\"\"\n", "o'a\"", "j", "k", 1000, false },
        { "a JSON string with a final comma", "sub \"a,\"\n", "a,", "j", "k", 1000, false },
        { "2^53 is a time", "issued-before 9007199254740992\n", "s", "j", "k", 1000, false },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct revocation *list;
        struct revocable token = token_of(cases[i].subject, cases[i].jti, cases[i].kid, cases[i].issued_at);

        ROW(cases[i].name);
        list = list_of(cases[i].list);
        assert_int_equal(passes(list, &token), cases[i].passes);
        revocation_free(&list);
        assert_null(list);
    }
}

static void rule_19_a_list_that_is_not_understood_is_refused(void **state)
{
    static const struct {
        const char *name;
        struct slice text;
        const char *where;
    } cases[] = {
        { "an unknown word", LITERAL("user alice\n"), "line 1" },
        { "a word in upper case", LITERAL("SUB s\n"), "line 1" },
        { "a word that begins like one", LITERAL("subs s\n"), "line 1" },
        { "a missing value", LITERAL("sub a\nsub\n"), "line 2" },
        { "a missing value with blanks", LITERAL("sub   \n"), "line 1" },
        { "an empty JSON string", LITERAL("sub \"\"\n"), "line 1" },
        { "a missing time", LITERAL("issued-before\n"), "line 1" },
        { "a negative time", LITERAL("issued-before -1\n"), "line 1" },
        { "a time with a fraction", LITERAL("issued-before 1.5\n"), "line 1" },
        { "a date", LITERAL("issued-before 2026-01-01\n"), "line 1" },
        { "a time beyond 2^53", LITERAL("issued-before 9007199254740993\n"), "line 1" },
        { "a time of many digits", LITERAL("issued-before 00000000000001000\n"), "line 1" },
        { "something else after the time", LITERAL("issued-before 1000 jti j\n"), "line 1" },
        { "no subject after sub", LITERAL("# x\n\nissued-before 1000 sub\n"), "line 3" },
        { "a NUL", LITERAL("sub a\0b\n"), "line 1" },
        { "a NUL in a word", LITERAL("su\0b a\n"), "line 1" },
        { "a control character", LITERAL("sub a\x01\n"), "line 1" },
        { "a control character by escape", LITERAL("sub \"a\\u0001\"\n"), "line 1" },
        { "bytes that are not UTF-8", LITERAL("sub caf\xe9\n"), "line 1" },
        { "a broken JSON string", LITERAL("sub \"a\n"), "line 1" },
        { "two JSON strings", LITERAL("sub \"a\",\"b\"\n"), "line 1" },
        { "text after a JSON string", LITERAL("sub \"a\" b\n"), "line 1" },
        { "a comment behind the value", LITERAL("sub a\nsub s   # left in May\n"), "line 2" },
        { "a comment behind a tab", LITERAL("jti j\t#x\n"), "line 1" },
        { "a comment in the value's place", LITERAL("kid # k\n"), "line 1" },
        { "a final comma", LITERAL("sub s,\n"), "line 1" },
        { "a final semicolon and blanks", LITERAL("sub s; \r\n"), "line 1" },
        { "single quotes", LITERAL("sub 's'\n"), "line 1" },
        { "a quote inside", LITERAL("kid k\"\n"), "line 1" },
        { "a final comma after issued-before", LITERAL("issued-before 1000 sub s,\n"), "line 1" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct verdict verdict = VERDICT_INIT;
        struct revocation *list = NULL;

        ROW(cases[i].name);
        assert_false(revocation_parse(&verdict, cases[i].text, &list));
        assert_int_equal(verdict.reason, REASON_REVOCATION_UNAVAILABLE);
        assert_non_null(strstr(verdict.evidence, cases[i].where));
        assert_null(list);
    }
}

/* The list ends where its length says: what stands behind it in memory, `text` from `len` on, is not looked at. */
static void what_stands_behind_the_list_does_not_count(void **state)
{
    static const struct {
        const char *name, *text;
        size_t len;
        const char *error; /* a part of it; NULL: one entry, "x" */
    } cases[] = {
        { "a quote behind the value", "sub x\"", 5, NULL },
        { "a single quote", "sub x'", 5, NULL },
        { "more of the value", "sub xy", 5, NULL },
        { "a comma", "sub x,", 5, NULL },
        { "a blank, and a comment's mark", "sub x #", 6, NULL },
        { "a blank behind blanks", "sub x\n    ", 8, NULL },
        { "a quote in the place of the value", "sub\"x\"", 3, "the value is missing" },
        { "a value", "sub x", 4, "the value is missing" },
        { "a word that goes on", "sub", 2, "it begins with none of" },
        { "a digit behind the time", "issued-before 10x", 16, NULL },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct verdict verdict = VERDICT_INIT;
        struct revocation *list = NULL;
        bool ok;

        ROW(cases[i].name);
        ok = revocation_parse(&verdict, (struct slice){ cases[i].text, cases[i].len }, &list);
        assert_int_equal(ok, cases[i].error == NULL);
        if (ok)
            assert_int_equal(revocation_count(list), 1);
        else
            assert_non_null(strstr(verdict.evidence, cases[i].error));
        if (ok && cases[i].text[0] == 's')
            assert_false(passes(list, &(struct revocable){ .subject = LITERAL("x") }));
        revocation_free(&list);
    }
}

/* A JSON string of `len` bytes with its quotes, of more characters than a value may have. */
static const char *error_of_string(size_t len)
{
    static struct verdict verdict;
    char *text = malloc(len + 5);
    struct revocation *list = NULL;

    assert_non_null(text);
    memset(text, 'x', len + 4);
    memcpy(text, "sub \"", 5);
    text[len + 3] = '"';
    text[len + 4] = '\0';
    verdict = VERDICT_INIT;
    assert_false(revocation_parse(&verdict, slice_of(text), &list));
    free(text);
    return verdict.evidence;
}

static void lists_and_strings_have_limits(void **state)
{
    const size_t room = 6 * 256 + 8; /* each byte may be an escape; the brackets of an array are ours */
    struct verdict verdict = VERDICT_INIT;
    struct revocation *list = NULL;
    char *text = malloc(REVOCATION_MAX_LEN + 2);

    (void)state;
    assert_non_null(text);
    ROW("the longest JSON string that is looked at");
    assert_string_equal(error_of_string(room - 2), "line 1: the value is longer than 256 bytes");
    ROW("one byte more");
    assert_string_equal(error_of_string(room - 1), "line 1: the value is too long");
    ROW("the longest list");
    memset(text, '#', REVOCATION_MAX_LEN + 1);
    assert_true(revocation_parse(&verdict, (struct slice){ text, REVOCATION_MAX_LEN }, &list));
    revocation_free(&list);
    ROW("one byte more");
    assert_false(revocation_parse(&verdict, (struct slice){ text, REVOCATION_MAX_LEN + 1 }, &list));
    assert_int_equal(verdict.reason, REASON_REVOCATION_UNAVAILABLE);
    free(text);
}

static void rule_32_short_memory_is_no_fault_of_the_list(void **state)
{
    struct verdict verdict = VERDICT_INIT;
    struct revocation *list = NULL;

    (void)state;
    memory_is_short = true;
    assert_false(revocation_parse(&verdict, slice_of("sub \"s\"\n"), &list));
    memory_is_short = false;
    assert_int_equal(verdict.reason, REASON_OUT_OF_MEMORY);
    assert_null(list);
}

static void values_are_at_most_256_bytes(void **state)
{
    char text[300] = "sub ";
    struct verdict verdict = VERDICT_INIT;
    struct revocation *list;

    (void)state;
    memset(text + 4, 'x', 256);
    list = list_of(text);
    assert_int_equal(revocation_count(list), 1);
    revocation_free(&list);
    text[4 + 256] = 'x';
    assert_false(revocation_parse(&verdict, slice_of(text), &list));
}

/* Most values are tested eight bytes at a time. Here each byte is at each place of values of every length, before the
 * end of the text and before another line. */
static void no_byte_of_a_value_is_missed(void **state)
{
    char text[64];
    size_t len, at;
    int byte;

    (void)state;
    for (len = 1; len < 27; len++)
        for (at = 0; at < len; at++)
            for (byte = 0; byte < 256; byte++) {
                struct verdict verdict = VERDICT_INIT;
                struct revocation *list = NULL;
                const bool is_refused = byte < ' ' || byte > '~' || byte == '"' || byte == '\''
                    || (byte == '#' && at == 0) || ((byte == ',' || byte == ';') && at == len - 1);

                if (byte == '\n' || byte == ' ' || ((byte == '\t' || byte == '\r') && (at == 0 || at == len - 1)))
                    continue; /* around the value, or the end of the line */
                memcpy(text, "sub ", 4);
                memset(text + 4, 'x', len);
                text[4 + at] = (char)byte;
                assert_int_equal(revocation_parse(&verdict, (struct slice){ text, 4 + len }, &list), !is_refused);
                revocation_free(&list);
                memcpy(text + 4 + len, "\njti a", 6);
                assert_int_equal(revocation_parse(&verdict, (struct slice){ text, 4 + len + 6 }, &list), !is_refused);
                assert_int_equal(revocation_count(list), is_refused ? 0 : 2);
                revocation_free(&list);
            }
}

static void a_list_of_many_entries_finds_each(void **state)
{
    const size_t many = 5000;
    char *text = malloc(many * 16), name[16];
    struct revocation *list;
    size_t len = 0, i;

    (void)state;
    for (i = 0; i < many; i++)
        len += (size_t)sprintf(text + len, "sub s%zu\n", i * 7919 % many);
    list = list_of(text);
    assert_int_equal(revocation_count(list), many);
    for (i = 0; i < many; i++) {
        struct revocable token;

        snprintf(name, sizeof name, "s%zu", i);
        token = token_of(name, NULL, NULL, 1000);
        assert_false(passes(list, &token));
    }
    revocation_free(&list);
    free(text);
}

static void without_a_token_only_sub_lines_count(void **state)
{
    struct revocation *list = list_of("sub s\nissued-before 1000 sub t\nissued-before 1000\n");
    struct verdict verdict = VERDICT_INIT;

    (void)state;
    assert_true(revocation_check_subject(&verdict, list, slice_of("t")));
    assert_true(revocation_check_subject(&verdict, NULL, slice_of("s")));
    assert_false(revocation_check_subject(&verdict, list, slice_of("s")));
    assert_int_equal(verdict.reason, REASON_TOKEN_REVOKED);
    revocation_free(&list);
}

static void the_subjects_of_sub_lines_can_be_listed(void **state)
{
    struct revocation *list = list_of("sub t\njti j\nkid k\nsub s\nissued-before 1000 sub u\nsub t\n");

    (void)state;
    assert_int_equal(revocation_subject_count(NULL), 0);
    assert_int_equal(revocation_subject_count(list), 3);
    assert_true(slice_equal_string(revocation_subject(list, 0), "t"));
    assert_true(slice_equal_string(revocation_subject(list, 1), "s"));
    assert_true(slice_equal_string(revocation_subject(list, 2), "t"));
    revocation_free(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_19_what_the_list_names_is_revoked),
        cmocka_unit_test(rule_19_a_list_that_is_not_understood_is_refused),
        cmocka_unit_test(what_stands_behind_the_list_does_not_count),
        cmocka_unit_test(lists_and_strings_have_limits),
        cmocka_unit_test(rule_32_short_memory_is_no_fault_of_the_list),
        cmocka_unit_test(values_are_at_most_256_bytes),
        cmocka_unit_test(no_byte_of_a_value_is_missed),
        cmocka_unit_test(a_list_of_many_entries_finds_each),
        cmocka_unit_test(without_a_token_only_sub_lines_count),
        cmocka_unit_test(the_subjects_of_sub_lines_can_be_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
