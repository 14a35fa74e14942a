#include "tests/support/json_texts.h"

#include <locale.h>
#include <math.h>

struct accepted {
    const char *name;
    struct slice text;
    const char *printed;
};
struct refused {
    const char *name;
    struct slice text;
    enum json_error error;
};

/* clang-format off */
#define TEXT(text) { (text), sizeof(text) - 1 }
/* clang-format on */

static void assert_accepted(const struct accepted *rows, size_t count)
{
    struct json *json;
    size_t i;

    for (i = 0; i < count; i++) {
        ROW(rows[i].name);
        json = parse_good(rows[i].text);
        assert_string_equal(json_print(json, false), rows[i].printed);
        json_free(&json);
        assert_null(json);
    }
}

static void assert_refused(const struct refused *rows, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        ROW(rows[i].name);
        assert_int_equal(error_of(rows[i].text), rows[i].error);
    }
}

static const struct accepted plain[] = {
    { "the empty object", TEXT("{}"), "{}" },
    { "the empty array", TEXT("[]"), "[]" },
    { "white space of all four kinds anywhere", TEXT(" \t\r\n{ \t\r\n\"a\" \t\r\n: \t\r\n[ \t\r\n1 \t\r\n, 2 ] \n} \n"),
      "{\"a\":[1,2]}" },
    { "every type", TEXT("[null,true,false,0,\"s\",[],{}]"), "[null,true,false,0,\"s\",[],{}]" },
    { "members keep their order", TEXT("{\"b\":1,\"a\":2}"), "{\"b\":1,\"a\":2}" },
    { "the empty name", TEXT("{\"\":1}"), "{\"\":1}" },
    { "the same name in two objects", TEXT("{\"a\":{\"a\":1}}"), "{\"a\":{\"a\":1}}" },
    { "the same name in neighbours", TEXT("[{\"a\":1},{\"a\":1}]"), "[{\"a\":1},{\"a\":1}]" },
    { "names that differ in case", TEXT("{\"a\":1,\"A\":2}"), "{\"a\":1,\"A\":2}" },
    { "a null member", TEXT("{\"a\":null}"), "{\"a\":null}" },
    { "RFC 7519 §3.1, the claims",
      TEXT("{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"),
      "{\"iss\":\"joe\",\"exp\":1300819380,\"http://example.com/is_root\":true}" },
};

static const struct refused not_json[] = {
    { "nothing", TEXT(""), JSON_NO_CONTAINER },
    { "white space alone", TEXT(" \n"), JSON_NO_CONTAINER },
    { "a string at the top", TEXT("\"a\""), JSON_NO_CONTAINER },
    { "a number at the top", TEXT("1"), JSON_NO_CONTAINER },
    { "null at the top", TEXT("null"), JSON_NO_CONTAINER },
    { "an object that does not end", TEXT("{"), JSON_TRUNCATED },
    { "an object that ends after a name", TEXT("{\"a\""), JSON_TRUNCATED },
    { "an object that ends after a comma", TEXT("{\"a\":1,"), JSON_TRUNCATED },
    { "an array that does not end", TEXT("[1"), JSON_TRUNCATED },
    { "an array that ends after a comma", TEXT("[1,"), JSON_TRUNCATED },
    { "a member without a value", TEXT("{\"a\":}"), JSON_NO_VALUE },
    { "a member that ends after the colon", TEXT("{\"a\":"), JSON_TRUNCATED },
    { "a member without a colon", TEXT("{\"a\" 1}"), JSON_NO_COLON },
    { "a member that is only a name", TEXT("{\"a\"}"), JSON_NO_COLON },
    { "a name without quotation marks", TEXT("{a:1}"), JSON_NO_NAME },
    { "a number as a name", TEXT("{1:1}"), JSON_NO_NAME },
    { "a name in single quotes", TEXT("{'a':1}"), JSON_NO_NAME },
    { "a string in single quotes", TEXT("['a']"), JSON_NO_VALUE },
    { "a comma before the closing brace", TEXT("{\"a\":1,}"), JSON_NO_NAME },
    { "a comma before the closing bracket", TEXT("[1,]"), JSON_NO_VALUE },
    { "a comma first", TEXT("[,1]"), JSON_NO_VALUE },
    { "two commas", TEXT("[1,,2]"), JSON_NO_VALUE },
    { "only a comma", TEXT("{,}"), JSON_NO_NAME },
    { "no comma between members", TEXT("{\"a\":1 \"b\":2}"), JSON_NO_COMMA },
    { "no comma between elements", TEXT("[1 2]"), JSON_NO_COMMA },
    { "an array closed as an object", TEXT("[1}"), JSON_NO_COMMA },
    { "an object closed as an array", TEXT("{\"a\":1]"), JSON_NO_COMMA },
    { "a name in an array", TEXT("[\"a\":1]"), JSON_NO_COMMA },
    { "a comment", TEXT("{/* */}"), JSON_NO_NAME },
    { "a comment behind a value", TEXT("[1 /* */]"), JSON_NO_COMMA },
    { "a comment to the end of the line", TEXT("[// x\n1]"), JSON_NO_VALUE },
    { "NaN", TEXT("[NaN]"), JSON_NO_VALUE },
    { "Infinity", TEXT("[Infinity]"), JSON_NO_VALUE },
    { "negative infinity", TEXT("[-Infinity]"), JSON_BAD_NUMBER },
    { "a word in capitals", TEXT("[TRUE]"), JSON_NO_VALUE },
    { "null in capitals, as json-c accepts it", TEXT("[NULL]"), JSON_NO_VALUE },
    { "a word cut short", TEXT("[tru]"), JSON_NO_VALUE },
    { "a word cut short by the end", TEXT("[nul"), JSON_NO_VALUE },
    { "a word that goes on", TEXT("[nulll]"), JSON_NO_COMMA },
    { "a vertical tab is not white space", TEXT("[\v1]"), JSON_NO_VALUE },
    { "a form feed is not white space", TEXT("{}\f"), JSON_TRAILING_TEXT },
    { "a no-break space is not white space",
      TEXT("[\xc2\xa0"
           "1]"),
      JSON_NO_VALUE },
    { "a NUL is not white space",
      TEXT("[\0"
           "1]"),
      JSON_NO_VALUE },
};

static void rule_03_the_grammar_is_that_of_rfc_8259(void **state)
{
    (void)state;
    assert_accepted(plain, COUNT(plain));
    assert_refused(not_json, COUNT(not_json));
    ROW("no bytes at all");
    assert_int_equal(error_of((struct slice){ NULL, 0 }), JSON_NO_CONTAINER);
}

static const struct refused trailing[] = {
    { "a second object", TEXT("{}{}"), JSON_TRAILING_TEXT },
    { "a second closing brace", TEXT("{}}"), JSON_TRAILING_TEXT },
    { "a comma", TEXT("[],"), JSON_TRAILING_TEXT },
    { "a NUL", TEXT("{}\0"), JSON_TRAILING_TEXT },
    { "a NUL and an object", TEXT("{}\0{}"), JSON_TRAILING_TEXT },
    { "a letter behind white space", TEXT("{} \n x"), JSON_TRAILING_TEXT },
};

static void rule_03_nothing_after_the_closing_brace(void **state)
{
    (void)state;
    assert_refused(trailing, COUNT(trailing));
}

static void repeat(char *text, size_t *len, const char *what, size_t times)
{
    size_t i;

    for (i = 0; i < times; i++)
        *len += (size_t)sprintf(text + *len, "%s", what);
}

/* `depth` levels, opened and closed so. */
static struct slice nested(const char *open, const char *close, size_t depth)
{
    static char text[100000 + 1];
    size_t len = 0;

    repeat(text, &len, open, depth);
    repeat(text, &len, close, depth);
    return (struct slice){ text, len };
}

static void rule_03_depth_is_at_most_16(void **state)
{
    struct json *json;

    (void)state;
    ROW("16 arrays");
    json = parse_good(nested("[", "]", 16));
    json_free(&json);
    ROW("17 arrays");
    assert_int_equal(error_of(nested("[", "]", 17)), JSON_TOO_DEEP);
    ROW("16 levels of both");
    json = parse_good(nested("{\"a\":[", "]}", 8));
    json_free(&json);
    ROW("18 levels of both");
    assert_int_equal(error_of(nested("{\"a\":[", "]}", 9)), JSON_TOO_DEEP);
    ROW("many brackets that are never closed do not use up the stack");
    assert_int_equal(error_of(nested("[", "", 100000)), JSON_TOO_DEEP);
    ROW("depth is what is open, not what was");
    json = parse_good(LITERAL("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[[]]]"));
    json_free(&json);
}

static const struct refused duplicates[] = {
    { "twice", TEXT("{\"exp\":1,\"exp\":2}"), JSON_DUPLICATE_NAME },
    { "with the same value", TEXT("{\"a\":1,\"a\":1}"), JSON_DUPLICATE_NAME },
    { "with another one between", TEXT("{\"a\":1,\"b\":2,\"a\":3}"), JSON_DUPLICATE_NAME },
    { "once escaped", TEXT("{\"exp\":1,\"\\u0065xp\":2}"), JSON_DUPLICATE_NAME },
    { "a solidus, once escaped", TEXT("{\"a/b\":1,\"a\\/b\":2}"), JSON_DUPLICATE_NAME },
    { "a surrogate pair and the character", TEXT("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}"),
      JSON_DUPLICATE_NAME },
    { "the empty name", TEXT("{\"\":1,\"\":2}"), JSON_DUPLICATE_NAME },
    { "null first", TEXT("{\"a\":null,\"a\":1}"), JSON_DUPLICATE_NAME },
    { "null last", TEXT("{\"a\":1,\"a\":null}"), JSON_DUPLICATE_NAME },
    { "null both times", TEXT("{\"a\":null,\"a\":null}"), JSON_DUPLICATE_NAME },
    { "in an inner object", TEXT("{\"a\":{\"b\":1,\"b\":2}}"), JSON_DUPLICATE_NAME },
    { "in an object of an array", TEXT("[[{}],[{\"b\":1,\"b\":2}]]"), JSON_DUPLICATE_NAME },
    { "inside what a duplicate would replace", TEXT("{\"a\":{\"b\":1,\"b\":2},\"a\":{}}"), JSON_DUPLICATE_NAME },
    { "objects that hold as many members as the others lack", TEXT("{\"a\":{\"x\":1},\"a\":{\"x\":1,\"y\":2}}"),
      JSON_DUPLICATE_NAME },
};

static void rule_03_no_duplicate_member_names_at_any_level(void **state)
{
    (void)state;
    assert_refused(duplicates, COUNT(duplicates));
}

static void rule_03_a_duplicate_among_many_is_found(void **state)
{
    static char text[100000];
    size_t len = 0, count = 2000, i;
    struct json *json;

    (void)state;
    text[len++] = '{';
    for (i = 0; i < count; i++)
        len += (size_t)sprintf(text + len, "\"name%zu\":%zu,", i, i);
    ROW("2000 names, none twice");
    text[len - 1] = '}';
    json = parse_good((struct slice){ text, len });
    json_free(&json);
    ROW("the first name once more");
    text[len - 1] = ',';
    len += (size_t)sprintf(text + len, "\"name0\":0}");
    assert_int_equal(error_of((struct slice){ text, len }), JSON_DUPLICATE_NAME);
}

static const struct accepted unicode[] = {
    { "the first and last of two bytes", TEXT("[\"\xc2\x80\xdf\xbf\"]"), "[\"\xc2\x80\xdf\xbf\"]" },
    { "the first of three bytes", TEXT("[\"\xe0\xa0\x80\"]"), "[\"\xe0\xa0\x80\"]" },
    { "the last before the surrogates", TEXT("[\"\xed\x9f\xbf\"]"), "[\"\xed\x9f\xbf\"]" },
    { "the first after the surrogates", TEXT("[\"\xee\x80\x80\"]"), "[\"\xee\x80\x80\"]" },
    { "the last of three bytes", TEXT("[\"\xef\xbf\xbf\"]"), "[\"\xef\xbf\xbf\"]" },
    { "the first of four bytes", TEXT("[\"\xf0\x90\x80\x80\"]"), "[\"\xf0\x90\x80\x80\"]" },
    { "the last code point", TEXT("[\"\xf4\x8f\xbf\xbf\"]"), "[\"\xf4\x8f\xbf\xbf\"]" },
    { "U+FEFF within a string is a character", TEXT("[\"\xef\xbb\xbf\"]"), "[\"\xef\xbb\xbf\"]" },
    { "DEL", TEXT("[\"\x7f\"]"), "[\"\x7f\"]" },
    { "in a name", TEXT("{\"\xc3\xa4\":1}"), "{\"\xc3\xa4\":1}" },
    { "escaped, of one byte", TEXT("[\"\\u0041\\u007f\"]"), "[\"A\x7f\"]" },
    { "escaped, the first and last of two bytes", TEXT("[\"\\u0080\\u07ff\"]"), "[\"\xc2\x80\xdf\xbf\"]" },
    { "escaped, the first and last of three bytes", TEXT("[\"\\u0800\\uffff\"]"), "[\"\xe0\xa0\x80\xef\xbf\xbf\"]" },
    { "escaped, next to the surrogates", TEXT("[\"\\ud7ff\\ue000\"]"), "[\"\xed\x9f\xbf\xee\x80\x80\"]" },
    { "escaped, the first pair", TEXT("[\"\\ud800\\udc00\"]"), "[\"\xf0\x90\x80\x80\"]" },
    { "escaped, the last pair", TEXT("[\"\\uDBFF\\uDFFF\"]"), "[\"\xf4\x8f\xbf\xbf\"]" },
    { "RFC 8259 §7, the G clef", TEXT("[\"\\uD834\\uDD1E\"]"), "[\"\xf0\x9d\x84\x9e\"]" },
    { "hexadecimal digits of both cases", TEXT("[\"\\u00eF\\u00Fe\"]"), "[\"\xc3\xaf\xc3\xbe\"]" },
    { "each end of the hexadecimal digits", TEXT("[\"\\u0009\\u000a\\u000A\\u000f\\u000F\\u0090\"]"),
      "[\"\\t\\n\\n\\u000f\\u000f\xc2\x90\"]" },
    { "every short escape", TEXT("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"), "[\"\\\"\\\\/\\b\\f\\n\\r\\t\"]" },
    { "an escaped backslash before a u", TEXT("[\"\\\\ud800\"]"), "[\"\\\\ud800\"]" },
};

static const struct refused not_unicode[] = {
    { "a byte order mark", TEXT("\xef\xbb\xbf{}"), JSON_NO_CONTAINER },
    { "UTF-16", TEXT("{\0}\0"), JSON_NO_NAME },
    { "a byte order mark of UTF-16", TEXT("\xff\xfe{\0}\0"), JSON_NO_CONTAINER },
    { "a tail without a head", TEXT("[\"\x80\"]"), JSON_NOT_UTF8 },
    { "overlong NUL", TEXT("[\"\xc0\x80\"]"), JSON_NOT_UTF8 },
    { "overlong, the highest of two bytes", TEXT("[\"\xc1\xbf\"]"), JSON_NOT_UTF8 },
    { "overlong, the highest of three bytes", TEXT("[\"\xe0\x9f\xbf\"]"), JSON_NOT_UTF8 },
    { "overlong, the highest of four bytes", TEXT("[\"\xf0\x8f\xbf\xbf\"]"), JSON_NOT_UTF8 },
    { "the first surrogate", TEXT("[\"\xed\xa0\x80\"]"), JSON_NOT_UTF8 },
    { "the last surrogate", TEXT("[\"\xed\xbf\xbf\"]"), JSON_NOT_UTF8 },
    { "beyond U+10FFFF", TEXT("[\"\xf4\x90\x80\x80\"]"), JSON_NOT_UTF8 },
    { "far beyond U+10FFFF", TEXT("[\"\xf5\x80\x80\x80\"]"), JSON_NOT_UTF8 },
    { "0xff", TEXT("[\"\xff\"]"), JSON_NOT_UTF8 },
    { "two bytes, cut by the quotation mark", TEXT("[\"\xc3\"]"), JSON_NOT_UTF8 },
    { "three bytes, cut by the quotation mark", TEXT("[\"\xe2\x82\"]"), JSON_NOT_UTF8 },
    { "four bytes, the last one wrong", TEXT("[\"\xf0\x9f\x98\x28\"]"), JSON_NOT_UTF8 },
    { "four bytes, cut by the end", TEXT("[\"\xf0\x9f\x98"), JSON_NOT_UTF8 },
    { "two bytes, cut by the end", TEXT("[\"\xc3"), JSON_NOT_UTF8 },
    { "in a name", TEXT("{\"\xc3\":1}"), JSON_NOT_UTF8 },
    { "outside of a string", TEXT("[\xc3\xa4]"), JSON_NO_VALUE },
    { "a lone high surrogate, escaped", TEXT("[\"\\ud800\"]"), JSON_LONE_SURROGATE },
    { "a lone low surrogate, escaped", TEXT("[\"\\udc00\"]"), JSON_LONE_SURROGATE },
    { "two high surrogates", TEXT("[\"\\ud800\\ud800\"]"), JSON_LONE_SURROGATE },
    { "two low surrogates", TEXT("[\"\\udc00\\udc00\"]"), JSON_LONE_SURROGATE },
    { "a high surrogate and the last one", TEXT("[\"\\ud800\\udbff\"]"), JSON_LONE_SURROGATE },
    { "a high surrogate and what follows the low ones", TEXT("[\"\\ud800\\ue000\"]"), JSON_LONE_SURROGATE },
    { "a high surrogate and the digits of a low one", TEXT("[\"\\ud834\\ndd1e\"]"), JSON_BAD_ESCAPE },
    { "the wrong order", TEXT("[\"\\udc00\\ud800\"]"), JSON_LONE_SURROGATE },
    { "a high surrogate and a letter", TEXT("[\"\\ud800a\"]"), JSON_LONE_SURROGATE },
    { "a high surrogate and a plain escape", TEXT("[\"\\ud800\\u0041\"]"), JSON_LONE_SURROGATE },
    { "a high surrogate and a short escape", TEXT("[\"\\ud800\\n\"]"), JSON_BAD_ESCAPE },
    { "a high surrogate and the end", TEXT("[\"\\ud800"), JSON_LONE_SURROGATE },
    { "the last high surrogate", TEXT("[\"\\udbff\"]"), JSON_LONE_SURROGATE },
    { "the last low surrogate", TEXT("[\"\\udfff\"]"), JSON_LONE_SURROGATE },
    { "a lone surrogate in a name", TEXT("{\"\\ud800\":1}"), JSON_LONE_SURROGATE },
};

static void rule_03_valid_utf8_only(void **state)
{
    (void)state;
    assert_accepted(unicode, COUNT(unicode));
    assert_refused(not_unicode, COUNT(not_unicode));
}

static const struct refused strings[] = {
    { "a string that does not end", TEXT("[\"a"), JSON_TRUNCATED },
    { "a string that ends in an escaped quotation mark", TEXT("[\"a\\\"]"), JSON_TRUNCATED },
    { "a line feed", TEXT("[\"a\nb\"]"), JSON_CONTROL_CHARACTER },
    { "a tab", TEXT("[\"\t\"]"), JSON_CONTROL_CHARACTER },
    { "a raw NUL", TEXT("[\"a\0b\"]"), JSON_CONTROL_CHARACTER },
    { "the last control character", TEXT("[\"\x1f\"]"), JSON_CONTROL_CHARACTER },
    { "a control character in a name", TEXT("{\"a\n\":1}"), JSON_CONTROL_CHARACTER },
    { "an unknown escape", TEXT("[\"\\x41\"]"), JSON_BAD_ESCAPE },
    { "an escape of JavaScript", TEXT("[\"\\'\"]"), JSON_BAD_ESCAPE },
    { "an escaped NUL byte", TEXT("[\"\\\0\"]"), JSON_BAD_ESCAPE },
    { "before 0", TEXT("[\"\\u00/0\"]"), JSON_BAD_ESCAPE },
    { "behind 9", TEXT("[\"\\u00:0\"]"), JSON_BAD_ESCAPE },
    { "before A", TEXT("[\"\\u00@0\"]"), JSON_BAD_ESCAPE },
    { "behind F", TEXT("[\"\\u00G0\"]"), JSON_BAD_ESCAPE },
    { "before a", TEXT("[\"\\u00`0\"]"), JSON_BAD_ESCAPE },
    { "behind f", TEXT("[\"\\u00g0\"]"), JSON_BAD_ESCAPE },
    { "a capital U", TEXT("[\"\\U0041\"]"), JSON_BAD_ESCAPE },
    { "three digits", TEXT("[\"\\u004\"]"), JSON_BAD_ESCAPE },
    { "a digit that is none", TEXT("[\"\\u004g\"]"), JSON_BAD_ESCAPE },
    { "a sign among the digits", TEXT("[\"\\u+041\"]"), JSON_BAD_ESCAPE },
    { "a backslash at the end", TEXT("[\"\\"), JSON_BAD_ESCAPE },
    { "an escape cut by the end", TEXT("[\"\\u00"), JSON_BAD_ESCAPE },
    { "a pair cut by the end", TEXT("[\"\\ud800\\u"), JSON_BAD_ESCAPE },
};

static void rule_03_strings_are_strict(void **state)
{
    (void)state;
    assert_refused(strings, COUNT(strings));
}

static void rule_04_strings_carry_their_length(void **state)
{
    struct json *json = parse_good(LITERAL("{\"sub\":\"root\\u0000x\",\"plain\":\"\"}"));
    struct slice string = { NULL, 4711 };

    (void)state;
    ROW("a NUL in a value is part of it");
    assert_true(json_string(json_member(json, "sub"), &string));
    assert_int_equal(string.len, 6);
    assert_memory_equal(string.bytes, "root\0x", 6);
    ROW("the empty string");
    assert_true(json_string(json_member(json, "plain"), &string));
    assert_int_equal(string.len, 0);
    ROW("it prints as it came");
    assert_string_equal(json_print(json, false), "{\"sub\":\"root\\u0000x\",\"plain\":\"\"}");
    json_free(&json);
    ROW("a NUL in a name would end it early");
    assert_int_equal(error_of(LITERAL("{\"exp\\u0000\":1}")), JSON_NUL_IN_NAME);
    assert_int_equal(error_of(LITERAL("{\"\\u0000\":1}")), JSON_NUL_IN_NAME);
}

static const struct {
    const char *name;
    struct slice text;
    double number;
    const char *printed;
} numbers[] = {
    { "zero", TEXT("[0]"), 0, "[0]" },
    { "minus zero", TEXT("[-0]"), 0, "[0]" },
    { "a time", TEXT("[1764000000]"), 1764000000, "[1764000000]" },
    { "beyond 32 bits", TEXT("[-4294967297]"), -4294967297, "[-4294967297]" },
    { "2^53", TEXT("[9007199254740992]"), 9007199254740992.0, "[9007199254740992]" },
    { "one more than 2^53 is not rounded onto it", TEXT("[9007199254740993]"), 9007199254740994.0,
      "[9007199254740993]" },
    { "nor one less than -2^53", TEXT("[-9007199254740993]"), -9007199254740994.0, "[-9007199254740993]" },
    { "nor with a fraction of nothing", TEXT("[9007199254740993.0]"), 9007199254740994.0, "[9007199254740993.0]" },
    { "nor with an exponent", TEXT("[-900719925474099.3e1]"), -9007199254740994.0, "[-900719925474099.3e1]" },
    { "2^53 with a fraction of nothing", TEXT("[9007199254740992.0]"), 9007199254740992.0, "[9007199254740992.0]" },
    { "the largest of 64 bits", TEXT("[9223372036854775807]"), 0x1p63, "[9223372036854775807]" },
    { "the smallest of 64 bits", TEXT("[-9223372036854775808]"), -0x1p63, "[-9223372036854775808]" },
    { "one more than the largest", TEXT("[9223372036854775808]"), 0x1p63, "[9223372036854775808]" },
    { "one less than the smallest", TEXT("[-9223372036854775809]"), -0x1p63, "[-9223372036854775809]" },
    { "beyond 63 bits", TEXT("[9223372036854777856]"), 9223372036854777856.0, "[9223372036854777856]" },
    { "beyond 64 bits it does not stay at the largest", TEXT("[18446744073709555712]"), 18446744073709555712.0,
      "[18446744073709555712]" },
    { "far beyond 64 bits", TEXT("[-100000000000000000000000000]"), -1e26, "[-100000000000000000000000000]" },
    { "a fraction", TEXT("[1764000000.5]"), 1764000000.5, "[1764000000.5]" },
    { "a fraction of nothing", TEXT("[-0.0]"), 0, "[-0.0]" },
    { "an exponent", TEXT("[1e3]"), 1000, "[1e3]" },
    { "a capital exponent with a sign", TEXT("[25E-1]"), 2.5, "[25E-1]" },
    { "an exponent with plus and zeros", TEXT("[1.5e+03]"), 1500, "[1.5e+03]" },
    { "the largest double", TEXT("[1.7976931348623157e308]"), 1.7976931348623157e308, "[1.7976931348623157e308]" },
    { "beyond it, infinity", TEXT("[1e400]"), INFINITY, "[1e400]" },
    { "below it, infinity", TEXT("[-1e400]"), -INFINITY, "[-1e400]" },
    { "too small, zero", TEXT("[1e-400]"), 0, "[1e-400]" },
    { "an exponent beyond any", TEXT("[1e99999999999999999999]"), INFINITY, "[1e99999999999999999999]" },
    { "zero with an exponent beyond any", TEXT("[0e99999999999999999999]"), 0, "[0e99999999999999999999]" },
};

static const struct refused not_numbers[] = {
    { "a leading zero", TEXT("[01]"), JSON_NO_COMMA },
    { "a leading zero behind a sign", TEXT("[-01]"), JSON_NO_COMMA },
    { "two zeros", TEXT("[00]"), JSON_NO_COMMA },
    { "hexadecimal", TEXT("[0x10]"), JSON_NO_COMMA },
    { "a plus sign", TEXT("[+1]"), JSON_NO_VALUE },
    { "a sign alone", TEXT("[-]"), JSON_BAD_NUMBER },
    { "two signs", TEXT("[--1]"), JSON_BAD_NUMBER },
    { "a point without a fraction", TEXT("[1.]"), JSON_BAD_NUMBER },
    { "a point without a fraction before an exponent", TEXT("[1.e5]"), JSON_BAD_NUMBER },
    { "a point first", TEXT("[.5]"), JSON_NO_VALUE },
    { "a point behind the sign", TEXT("[-.5]"), JSON_BAD_NUMBER },
    { "two points", TEXT("[1.2.3]"), JSON_NO_COMMA },
    { "a decimal comma makes two numbers with an open string", TEXT("[1,5\"]"), JSON_NO_COMMA },
    { "an exponent without digits", TEXT("[1e]"), JSON_BAD_NUMBER },
    { "an exponent with only a sign", TEXT("[1e+]"), JSON_BAD_NUMBER },
    { "an exponent with a fraction", TEXT("[1e1.5]"), JSON_NO_COMMA },
    { "a number cut by the end", TEXT("[1."), JSON_BAD_NUMBER },
    { "a digit of another script", TEXT("[\xd9\xa1]"), JSON_NO_VALUE },
    { "a separator of thousands", TEXT("[1_000]"), JSON_NO_COMMA },
};

static void assert_numbers(void)
{
    struct json *json;
    double number;
    size_t i;

    for (i = 0; i < COUNT(numbers); i++) {
        ROW(numbers[i].name);
        json = parse_good(numbers[i].text);
        assert_int_equal(json_type_of(json_at(json, 0)), JSON_NUMBER);
        assert_true(json_number(json_at(json, 0), &number));
        assert_true(number == numbers[i].number);
        assert_string_equal(json_print(json, false), numbers[i].printed);
        json_free(&json);
    }
}

static void rule_15_numbers_neither_saturate_nor_lose_their_size(void **state)
{
    (void)state;
    assert_numbers();
    assert_refused(not_numbers, COUNT(not_numbers));
}

static void rule_28_the_locale_of_the_host_neither_matters_nor_changes(void **state)
{
    static const char *const with_comma[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE" };
    const char *found = NULL;
    locale_t of_thread = uselocale((locale_t)0);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(with_comma) && found == NULL; i++)
        found = setlocale(LC_ALL, with_comma[i]);
    ROW(found != NULL ? "with a decimal comma" : "no locale with a decimal comma is installed: in the locale C");
    assert_numbers();
    assert_true(uselocale((locale_t)0) == of_thread);
    assert_string_equal(setlocale(LC_ALL, NULL), found != NULL ? found : "C");
    setlocale(LC_ALL, "C");
}

static void a_text_is_at_most_1_mib(void **state)
{
    const size_t limit = 1048576;
    char *text = malloc(limit + 1);
    struct json *json;
    struct slice string;

    (void)state;
    assert_non_null(text);
    memset(text, 'a', limit + 1);
    text[0] = '[';
    text[1] = '"';
    ROW("exactly 1 MiB, one string");
    text[limit - 2] = '"';
    text[limit - 1] = ']';
    json = parse_good((struct slice){ text, limit });
    assert_true(json_string(json_at(json, 0), &string));
    assert_int_equal(string.len, limit - 4);
    json_free(&json);
    ROW("one space more");
    text[limit] = ' ';
    assert_int_equal(error_of((struct slice){ text, limit + 1 }), JSON_TOO_LONG);
    free(text);
}

static void a_text_has_at_most_20000_values(void **state)
{
    /* The array around them is one more. */
    static const struct {
        const char *item;
        size_t fit; /* times */
    } rows[] = {
        { "{}", 19999 }, { "[]", 19999 }, { "0", 19999 }, { "null", 19999 }, { "\"\"", 19999 }, { "{\"\":[1]}", 6666 },
    };
    char *text = malloc(20000 * 10);
    size_t i, count, len;
    struct json *json;

    (void)state;
    assert_non_null(text);
    for (i = 0; i < COUNT(rows); i++) {
        ROW(rows[i].item);
        len = 0;
        for (count = 0; count < rows[i].fit; count++)
            len += (size_t)sprintf(text + len, "%c%s", count == 0 ? '[' : ',', rows[i].item);
        text[len] = ']';
        json = parse_good((struct slice){ text, len + 1 });
        assert_int_equal(json_length(json), rows[i].fit);
        json_free(&json);
        len += (size_t)sprintf(text + len, ",%s]", rows[i].item);
        assert_int_equal(error_of((struct slice){ text, len }), JSON_TOO_MANY_VALUES);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_03_the_grammar_is_that_of_rfc_8259),
        cmocka_unit_test(rule_03_nothing_after_the_closing_brace),
        cmocka_unit_test(rule_03_depth_is_at_most_16),
        cmocka_unit_test(rule_03_no_duplicate_member_names_at_any_level),
        cmocka_unit_test(rule_03_a_duplicate_among_many_is_found),
        cmocka_unit_test(rule_03_valid_utf8_only),
        cmocka_unit_test(rule_03_strings_are_strict),
        cmocka_unit_test(rule_04_strings_carry_their_length),
        cmocka_unit_test(rule_15_numbers_neither_saturate_nor_lose_their_size),
        cmocka_unit_test(rule_28_the_locale_of_the_host_neither_matters_nor_changes),
        cmocka_unit_test(a_text_is_at_most_1_mib),
        cmocka_unit_test(a_text_has_at_most_20000_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
