#include "tests/support/unit.h"

#include "base/slice.h"

static void slice_of_measures_a_c_string(void **state)
{
    (void)state;
    ROW("a string without its NUL");
    assert_int_equal(slice_of("abc").len, 3);
    assert_memory_equal(slice_of("abc").bytes, "abc", 3);
    ROW("the empty string");
    assert_int_equal(slice_of("").len, 0);
    ROW("NULL is the empty slice");
    assert_int_equal(slice_of(NULL).len, 0);
}

static const struct slice no_bytes = { NULL, 0 };

static const struct {
    const char *name;
    struct slice a, b;
    bool equal;
} equal_cases[] = {
    { "the same bytes", { "alice", 5 }, { "alice", 5 }, true },
    { "another last byte", { "alice", 5 }, { "alicf", 5 }, false },
    { "a shorter one", { "alice", 5 }, { "alice", 4 }, false },
    { "case counts", { "alice", 5 }, { "Alice", 5 }, false },
    { "two empty ones", { "x", 0 }, { "y", 0 }, true },
    { "empty and without bytes", { "", 0 }, { NULL, 0 }, true },
    { "without bytes and not empty", { NULL, 0 }, { "x", 1 }, false },
    { "what follows a NUL counts", { "root\0x", 6 }, { "root\0y", 6 }, false },
    { "a NUL does not end it", { "root\0x", 6 }, { "root", 4 }, false },
    { "the same bytes with a NUL", { "root\0x", 6 }, { "root\0x", 6 }, true },
};

static void slices_are_equal_byte_for_byte(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(equal_cases); i++) {
        ROW(equal_cases[i].name);
        assert_int_equal(slice_equal(equal_cases[i].a, equal_cases[i].b), equal_cases[i].equal);
        assert_int_equal(slice_equal(equal_cases[i].b, equal_cases[i].a), equal_cases[i].equal);
    }
}

static void rule_04_a_nul_does_not_end_a_comparison(void **state)
{
    (void)state;
    ROW("root is root");
    assert_true(slice_equal_string(LITERAL("root"), "root"));
    ROW("root NUL x is not root");
    assert_false(slice_equal_string(LITERAL("root\0x"), "root"));
    ROW("root NUL is not root");
    assert_false(slice_equal_string(LITERAL("root\0"), "root"));
    assert_false(slice_equal_nocase(LITERAL("root\0"), "ROOT"));
    ROW("the empty string equals the empty slice");
    assert_true(slice_equal_string(no_bytes, ""));
}

static const struct {
    const char *name;
    struct slice a;
    const char *b;
    bool equal;
} nocase_cases[] = {
    { "another case", { "Bearer", 6 }, "bEARER", true },
    { "the first and the last letter", { "AZaz", 4 }, "azAZ", true },
    { "another letter", { "Bearer", 6 }, "Bearex", false },
    { "a longer one", { "Bearer ", 7 }, "Bearer", false },
    { "a shorter one", { "Beare", 5 }, "Bearer", false },
    { "@ and ` are no letters, though they differ by the bit of case", { "@", 1 }, "`", false },
    { "[ and { neither", { "[", 1 }, "{", false },
    { "bytes beyond ASCII are compared as they are", { "\xc3\x84", 2 }, "\xc3\xa4", false },
    { "the same bytes beyond ASCII", { "\xc3\x84", 2 }, "\xc3\x84", true },
    { "nothing and the empty string", { NULL, 0 }, "", true },
};

static void case_is_ignored_in_ascii_only(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(nocase_cases); i++) {
        ROW(nocase_cases[i].name);
        assert_int_equal(slice_equal_nocase(nocase_cases[i].a, nocase_cases[i].b), nocase_cases[i].equal);
    }
}

static const struct {
    const char *name;
    struct slice in;
    bool cut;
    struct slice before, after;
} cut_cases[] = {
    { "in the middle", { "a.b", 3 }, true, { "a", 1 }, { "b", 1 } },
    { "at the first of several", { "a.b.c", 5 }, true, { "a", 1 }, { "b.c", 3 } },
    { "at the beginning", { ".b", 2 }, true, { "", 0 }, { "b", 1 } },
    { "at the end", { "a.", 2 }, true, { "a", 1 }, { "", 0 } },
    { "only a separator", { ".", 1 }, true, { "", 0 }, { "", 0 } },
    { "behind a NUL", { "a\0.b", 4 }, true, { "a\0", 2 }, { "b", 1 } },
    { "no separator", { "ab", 2 }, false, { NULL, 0 }, { NULL, 0 } },
    { "a separator behind the end", { "ab.", 2 }, false, { NULL, 0 }, { NULL, 0 } },
    { "the empty slice", { "", 0 }, false, { NULL, 0 }, { NULL, 0 } },
    { "no bytes at all", { NULL, 0 }, false, { NULL, 0 }, { NULL, 0 } },
};

static void cut_at_the_first_separator(void **state)
{
    static const char untouched[] = "untouched";
    struct slice before, after;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cut_cases); i++) {
        ROW(cut_cases[i].name);
        before = after = LITERAL(untouched);
        assert_int_equal(slice_cut(cut_cases[i].in, '.', &before, &after), cut_cases[i].cut);
        if (cut_cases[i].cut) {
            assert_true(slice_equal(before, cut_cases[i].before));
            assert_true(slice_equal(after, cut_cases[i].after));
            assert_ptr_equal(before.bytes, cut_cases[i].in.bytes);
        } else {
            assert_ptr_equal(before.bytes, untouched);
            assert_ptr_equal(after.bytes, untouched);
        }
    }
}

static void lines_are_taken_one_by_one(void **state)
{
    struct slice rest = LITERAL("a\n\nlast"), line;

    (void)state;
    ROW("a line, without its end");
    assert_true(slice_next_line(&rest, &line));
    assert_true(slice_equal_string(line, "a"));
    ROW("an empty line");
    assert_true(slice_next_line(&rest, &line));
    assert_int_equal(line.len, 0);
    ROW("the last line may lack its end");
    assert_true(slice_next_line(&rest, &line));
    assert_true(slice_equal_string(line, "last"));
    assert_false(slice_next_line(&rest, &line));
    ROW("nothing follows a final line end");
    rest = LITERAL("a\n");
    assert_true(slice_next_line(&rest, &line));
    assert_false(slice_next_line(&rest, &line));
}

static void an_output_of_cut_may_be_its_input(void **state)
{
    struct slice rest = LITERAL("a b c"), word;

    (void)state;
    ROW("walking through a list");
    assert_true(slice_cut(rest, ' ', &word, &rest));
    assert_true(slice_cut(rest, ' ', &word, &rest));
    assert_true(slice_equal_string(word, "b"));
    assert_true(slice_equal_string(rest, "c"));
    assert_false(slice_cut(rest, ' ', &word, &rest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slice_of_measures_a_c_string),
        cmocka_unit_test(slices_are_equal_byte_for_byte),
        cmocka_unit_test(rule_04_a_nul_does_not_end_a_comparison),
        cmocka_unit_test(case_is_ignored_in_ascii_only),
        cmocka_unit_test(cut_at_the_first_separator),
        cmocka_unit_test(an_output_of_cut_may_be_its_input),
        cmocka_unit_test(lines_are_taken_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
