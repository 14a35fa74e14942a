#include "tests/support/unit.h"

#include "base/text.h"

/* The first and the last code point of each length, and what begins next to them and is none. */
static const struct {
    const char *name, *bytes;
    size_t len; /* of the bytes */
    uint32_t code;
    size_t want; /* 0: none */
} sequences[] = {
#define GOOD(name, bytes, code)                               \
    {                                                         \
        name, bytes, sizeof bytes - 1, code, sizeof bytes - 1 \
    }
#define BAD(name, bytes)                    \
    {                                       \
        name, bytes, sizeof bytes - 1, 0, 0 \
    }
    GOOD("U+0000", "\0", 0),
    GOOD("U+007F", "\x7f", 0x7f),
    BAD("a tail alone", "\x80"),
    BAD("the last tail alone", "\xbf"),
    BAD("C0, overlong", "\xc0\x80"),
    BAD("C1, overlong", "\xc1\xbf"),
    GOOD("U+0080", "\xc2\x80", 0x80),
    GOOD("U+07FF", "\xdf\xbf", 0x7ff),
    BAD("two bytes, a tail too low", "\xc2\x7f"),
    BAD("two bytes, a tail too high", "\xc2\xc0"),
    BAD("two bytes, one there", "\xdf"),
    BAD("E0, overlong", "\xe0\x9f\xbf"),
    GOOD("U+0800", "\xe0\xa0\x80", 0x800),
    GOOD("U+0FFF", "\xe0\xbf\xbf", 0xfff),
    BAD("E0, a tail too high", "\xe0\xc0\x80"),
    GOOD("U+1000", "\xe1\x80\x80", 0x1000),
    BAD("E1, a tail too low", "\xe1\x7f\x80"),
    GOOD("U+CFFF", "\xec\xbf\xbf", 0xcfff),
    BAD("EC, a tail too high", "\xec\xc0\xbf"),
    GOOD("U+D000", "\xed\x80\x80", 0xd000),
    GOOD("U+D7FF", "\xed\x9f\xbf", 0xd7ff),
    BAD("U+D800, a surrogate", "\xed\xa0\x80"),
    BAD("U+DFFF, a surrogate", "\xed\xbf\xbf"),
    BAD("ED, a tail too low", "\xed\x7f\xbf"),
    GOOD("U+E000", "\xee\x80\x80", 0xe000),
    GOOD("U+FFFF", "\xef\xbf\xbf", 0xffff),
    BAD("three bytes, the last too low", "\xe1\x80\x7f"),
    BAD("three bytes, the last too high", "\xe1\x80\xc0"),
    BAD("three bytes, two there", "\xef\xbf"),
    BAD("F0, overlong", "\xf0\x8f\xbf\xbf"),
    GOOD("U+10000", "\xf0\x90\x80\x80", 0x10000),
    GOOD("U+3FFFF", "\xf0\xbf\xbf\xbf", 0x3ffff),
    GOOD("U+40000", "\xf1\x80\x80\x80", 0x40000),
    GOOD("U+FFFFF", "\xf3\xbf\xbf\xbf", 0xfffff),
    GOOD("U+100000", "\xf4\x80\x80\x80", 0x100000),
    GOOD("U+10FFFF", "\xf4\x8f\xbf\xbf", 0x10ffff),
    BAD("U+110000", "\xf4\x90\x80\x80"),
    BAD("F5", "\xf5\x80\x80\x80"),
    BAD("FF", "\xff\xbf\xbf\xbf"),
    BAD("four bytes, the third too low", "\xf1\x80\x7f\x80"),
    BAD("four bytes, the third too high", "\xf1\x80\xc0\x80"),
    BAD("four bytes, the last too low", "\xf1\x80\x80\x7f"),
    BAD("four bytes, the last too high", "\xf1\x80\x80\xc0"),
    BAD("four bytes, three there", "\xf4\x8f\xbf"),
    BAD("nothing", ""),
};

static void a_sequence_is_decoded_or_none(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(sequences); i++) {
        uint32_t code = 0xabcdef;
        char *exact = malloc(sequences[i].len + 1); /* so that a sanitizer sees one byte too many */

        ROW(sequences[i].name);
        assert_non_null(exact);
        memcpy(exact + 1, sequences[i].bytes, sequences[i].len);
        assert_int_equal(text_decode(exact + 1, sequences[i].len, &code), sequences[i].want);
        assert_int_equal(code, sequences[i].want > 0 ? sequences[i].code : 0xabcdef);
        free(exact);
    }
}

/* What is hidden, and its neighbours on both sides, which are not. */
static const struct {
    const char *name;
    uint32_t first, last;
} hidden[] = {
    { "DEL and C1", 0x7f, 0x9f },
    { "the soft hyphen", 0xad, 0xad },
    { "the grapheme joiner", 0x34f, 0x34f },
    { "Arabic number signs", 0x600, 0x605 },
    { "the Arabic letter mark", 0x61c, 0x61c },
    { "the end of ayah", 0x6dd, 0x6dd },
    { "the Syriac abbreviation", 0x70f, 0x70f },
    { "Arabic currency marks", 0x890, 0x891 },
    { "the disputed end of ayah", 0x8e2, 0x8e2 },
    { "Hangul fillers", 0x115f, 0x1160 },
    { "Khmer vowels", 0x17b4, 0x17b5 },
    { "Mongolian selectors", 0x180b, 0x180f },
    { "marks of no width", 0x200b, 0x200f },
    { "separators and bidirectional controls", 0x2028, 0x202e },
    { "isolates and invisible operators", 0x2060, 0x206f },
    { "the Hangul filler", 0x3164, 0x3164 },
    { "surrogates and private use", 0xd800, 0xf8ff },
    { "noncharacters of Arabic forms", 0xfdd0, 0xfdef },
    { "variation selectors", 0xfe00, 0xfe0f },
    { "the byte order mark", 0xfeff, 0xfeff },
    { "the narrow filler", 0xffa0, 0xffa0 },
    { "interlinear annotations", 0xfff0, 0xfffb },
    { "the last two of the first plane", 0xfffe, 0xffff },
    { "a Kaithi sign", 0x110bd, 0x110bd },
    { "another", 0x110cd, 0x110cd },
    { "hieroglyph controls", 0x13430, 0x1343f },
    { "shorthand controls", 0x1bca0, 0x1bca3 },
    { "musical controls", 0x1d173, 0x1d17a },
    { "the last two of the second plane", 0x1fffe, 0x1ffff },
    { "the last two of the third plane", 0x2fffe, 0x2ffff },
};

static void rule_34_what_could_deceive_a_reader_is_not_printable(void **state)
{
    static const uint32_t shown[] = { ' ', '~', 0xa0, 0xe7, 0x20ac, 0x3000, 0xfffc, 0xfffd, 0x1f600, 0x20000, 0x3fffd };
    static const uint32_t never[] = { 0,       0x1f,     '\n',     0x9b,     0x9d,      0x202e,  0x3fffe,
                                      0x40000, 0xdffff,  0xe0001,  0xe0041,  0xe007f,   0xe0100, 0xf0000,
                                      0xfffff, 0x100000, 0x10ffff, 0x110000, UINT32_MAX };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(hidden); i++) {
        ROW(hidden[i].name);
        assert_true(text_code_is_printable(hidden[i].first - 1));
        assert_false(text_code_is_printable(hidden[i].first));
        assert_false(text_code_is_printable(hidden[i].last));
        assert_true(text_code_is_printable(hidden[i].last + 1));
    }
    for (i = 0; i < COUNT(shown); i++)
        assert_true(text_code_is_printable(shown[i]));
    for (i = 0; i < COUNT(never); i++)
        assert_false(text_code_is_printable(never[i]));
}

static const struct {
    const char *name;
    struct slice in;
    bool has_control;
} control_cases[] = {
    { "printable ASCII", { " alice~", 7 }, false },
    { "UTF-8", { "\xc3\xa4\xe2\x82\xac", 5 }, false },
    { "the empty slice", { NULL, 0 }, false },
    { "NUL", { "a\0", 2 }, true },
    { "the last control character, 0x1f", { "a\x1f", 2 }, true },
    { "a line end first", { "\na", 2 }, true },
    { "DEL", { "a\x7f", 2 }, true },
    { "a control character behind the end", { "a\n", 1 }, false },
};

static void control_characters_are_found(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(control_cases); i++) {
        ROW(control_cases[i].name);
        assert_int_equal(text_has_control(control_cases[i].in), control_cases[i].has_control);
    }
}

static void utf8_is_told_from_what_only_looks_like_it(void **state)
{
    static const struct {
        const char *name;
        struct slice in;
        bool is_utf8;
    } cases[] = {
        /* RFC 3629 §4; the bounds of each row of its grammar */
        { "nothing", { NULL, 0 }, true },
        { "ASCII with a NUL", LITERAL("a\0b\x7f"), true },
        { "the first of two bytes", LITERAL("\xc2\x80"), true },
        { "the last of two bytes", LITERAL("\xdf\xbf"), true },
        { "the first of three bytes", LITERAL("\xe0\xa0\x80"), true },
        { "before the surrogates", LITERAL("\xed\x9f\xbf"), true },
        { "after the surrogates", LITERAL("\xee\x80\x80"), true },
        { "the last of three bytes", LITERAL("\xef\xbf\xbf"), true },
        { "the first of four bytes", LITERAL("\xf0\x90\x80\x80"), true },
        { "the last character", LITERAL("\xf4\x8f\xbf\xbf"), true },
        { "between other text", LITERAL("a\xc3\xa9z"), true },
        { "Latin-1", LITERAL("caf\xe9"), false },
        { "a byte that continues nothing", LITERAL("\x80"), false },
        { "two bytes for ASCII", LITERAL("\xc1\xbf"), false },
        { "three bytes for two", LITERAL("\xe0\x9f\xbf"), false },
        { "four bytes for three", LITERAL("\xf0\x8f\xbf\xbf"), false },
        { "the first surrogate", LITERAL("\xed\xa0\x80"), false },
        { "the last surrogate", LITERAL("\xed\xbf\xbf"), false },
        { "beyond the last character", LITERAL("\xf4\x90\x80\x80"), false },
        { "a byte that begins nothing", LITERAL("\xf5\x80\x80\x80"), false },
        { "one byte of two", LITERAL("a\xc3"), false },
        { "two bytes of three", LITERAL("\xe2\x82"), false },
        { "three bytes of four", LITERAL("\xf0\x9f\x98"), false },
        { "a wrong third byte", LITERAL("\xe2\x82\x28"), false },
        { "a wrong fourth byte", LITERAL("\xf0\x9f\x98\xc0"), false },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_int_equal(text_is_utf8(cases[i].in), cases[i].is_utf8);
    }
}

static void a_text_is_told_by_what_it_holds(void **state)
{
    static const struct {
        const char *name;
        struct slice in;
        bool is_line, is_visible;
    } cases[] = {
        { "nothing", { NULL, 0 }, true, false },
        { "the first visible character", LITERAL("!"), true, true },
        { "the last visible character", LITERAL("~"), true, true },
        { "a blank", LITERAL("a b"), true, false },
        { "a NUL", LITERAL("a\0b"), false, false },
        { "a line end", LITERAL("ab\n"), false, false },
        { "DEL", LITERAL("a\x7f"), false, false },
        { "UTF-8", LITERAL("\xc3\xa4"), true, false },
        { "Latin-1", LITERAL("\xe4"), false, false },
        { "one character that is left out", LITERAL("ab\"c"), true, false },
        { "another one", LITERAL("\\"), true, false },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_int_equal(text_is_line(cases[i].in), cases[i].is_line);
        assert_int_equal(text_is_visible(cases[i].in, "\"\\"), cases[i].is_visible);
    }
    assert_true(text_is_visible(LITERAL("\"\\"), ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sequence_is_decoded_or_none),
        cmocka_unit_test(a_text_is_told_by_what_it_holds),
        cmocka_unit_test(control_characters_are_found),
        cmocka_unit_test(utf8_is_told_from_what_only_looks_like_it),
        cmocka_unit_test(rule_34_what_could_deceive_a_reader_is_not_printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
