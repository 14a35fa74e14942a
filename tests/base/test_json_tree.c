#include "tests/support/json_texts.h"

#include <pthread.h>

static void only_the_literal_true_is_true(void **state)
{
    static const struct {
        const char *text;
        bool is_true;
    } rows[] = { { "[true]", true },      { "[false]", false },  { "[1]", false },
                 { "[\"true\"]", false }, { "[[true]]", false }, { "[null]", false } };
    struct json *array;
    enum json_error error;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        ROW(rows[i].text);
        assert_true(json_parse(slice_of(rows[i].text), &array, &error));
        assert_int_equal(json_is_true(json_at(array, 0)), rows[i].is_true);
        json_free(&array);
    }
}

static void values_are_read_by_their_type(void **state)
{
    struct json *json =
        parse_good(LITERAL("{\"s\":\"1\",\"n\":1,\"d\":1.5,\"t\":true,\"z\":null,\"a\":[1,null],\"o\":{}}"));
    static const struct {
        const char *name;
        enum json_type type;
        bool is_string, is_number;
        size_t length;
    } rows[] = {
        { "s", JSON_STRING, true, false, 0 },  { "n", JSON_NUMBER, false, true, 0 },
        { "d", JSON_NUMBER, false, true, 0 },  { "t", JSON_BOOLEAN, false, false, 0 },
        { "z", JSON_NULL, false, false, 0 },   { "a", JSON_ARRAY, false, false, 2 },
        { "o", JSON_OBJECT, false, false, 0 },
    };
    const struct json *value;
    struct slice string;
    double number;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        ROW(rows[i].name);
        value = json_member(json, rows[i].name);
        assert_non_null(value);
        assert_int_equal(json_type_of(value), rows[i].type);
        assert_int_equal(json_string(value, &string), rows[i].is_string);
        assert_int_equal(json_number(value, &number), rows[i].is_number);
        assert_int_equal(json_length(value), rows[i].length);
        assert_null(json_member(value, "s"));
    }
    ROW("a null in an array is there");
    assert_non_null(json_at(json_member(json, "a"), 1));
    assert_int_equal(json_type_of(json_at(json_member(json, "a"), 1)), JSON_NULL);
    ROW("an absent member is not there");
    assert_null(json_member(json, "x"));
    assert_null(json_member(json, "S"));
    ROW("NULL has no value of any type");
    assert_null(json_member(NULL, "a"));
    assert_int_equal(json_type_of(NULL), JSON_NULL);
    assert_false(json_string(NULL, &string));
    assert_false(json_number(NULL, &number));
    assert_int_equal(json_length(NULL), 0);
    json_free(&json);
}

static void trees_are_built_and_printed(void **state)
{
    struct json *object = json_new_object(), *array = json_new_array(), *again;
    enum json_error error;
    struct slice text;

    (void)state;
    assert_true(json_append(array, json_new_integer(INT64_MIN)));
    assert_true(json_append(array, json_new_integer(INT64_MAX)));
    assert_true(json_append(array, json_new_null()));
    assert_true(json_append(array, json_new_text((struct slice){ NULL, 0 })));
    assert_true(json_append(array, json_new_text(LITERAL("text"))));
    assert_true(json_append(array, json_new_boolean(false)));
    assert_true(json_append(array, json_new_boolean(true)));
    assert_true(json_add(object, "s", json_new_string(LITERAL("a/\"\\\n\0\xc3\xa4"))));
    assert_true(json_add(object, "empty", json_new_string((struct slice){ NULL, 0 })));
    assert_true(json_add(object, "null", json_new_null()));
    assert_true(json_add(object, "array", array));
    ROW("on one line");
    assert_string_equal(json_print(object, false),
                        "{\"s\":\"a/\\\"\\\\\\n\\u0000\xc3\xa4\",\"empty\":\"\",\"null\":null,"
                        "\"array\":[-9223372036854775808,9223372036854775807,null,null,\"text\",false,true]}");
    ROW("a member that is added again replaces the first");
    assert_true(json_add(object, "s", json_new_integer(1)));
    array = json_new_array();
    assert_true(json_append(array, json_new_integer(1)));
    assert_true(json_add(object, "array", array));
    assert_string_equal(json_print(object, false), "{\"s\":1,\"empty\":\"\",\"null\":null,\"array\":[1]}");
    ROW("indented");
    assert_string_equal(json_print(object, true),
                        "{\n"
                        "  \"s\": 1,\n"
                        "  \"empty\": \"\",\n"
                        "  \"null\": null,\n"
                        "  \"array\": [\n"
                        "    1\n"
                        "  ]\n"
                        "}");
    json_free(&object);
    ROW("what no terminal should see, in a value and in a name");
    object = json_new_object();
    assert_true(
        json_add(object, "a\xc2\x9b", json_new_string(LITERAL("\x7f\xc2\x9f\xc2\xa0\xe2\x80\xae\xef\xbf\xbd"))));
    assert_true(json_add(object, "tag", json_new_string(LITERAL("\xf3\xa0\x80\x81\xf0\x9f\x98\x80\xef\xbf\xbe"))));
    assert_string_equal(json_print_printable(object, false),
                        "{\"a\\u009b\":\"\\u007f\\u009f\xc2\xa0\\u202e\xef\xbf\xbd\","
                        "\"tag\":\"\\udb40\\udc01\xf0\x9f\x98\x80\\ufffe\"}");
    assert_string_equal(json_print_printable(object, true),
                        "{\n  \"a\\u009b\": \"\\u007f\\u009f\xc2\xa0\\u202e\xef\xbf\xbd\",\n"
                        "  \"tag\": \"\\udb40\\udc01\xf0\x9f\x98\x80\\ufffe\"\n}");
    ROW("and reads as it was");
    assert_true(json_parse(slice_of(json_print_printable(object, false)), &again, &error));
    assert_true(json_string(json_member(again, "tag"), &text));
    assert_true(slice_equal(text, LITERAL("\xf3\xa0\x80\x81\xf0\x9f\x98\x80\xef\xbf\xbe")));
    json_free(&again);
    json_free(&object);
    ROW("a text alone");
    object = json_new_string(LITERAL("\xc2\x9d"));
    assert_string_equal(json_print_printable(object, false), "\"\\u009d\"");
    json_free(&object);
    ROW("null alone");
    object = json_new_null();
    assert_string_equal(json_print(object, false), "null");
    json_free(&object);
    assert_null(object);
    ROW("nothing");
    assert_null(json_print(NULL, false));
    assert_null(json_print_printable(NULL, false));
    json_free(&object);
    json_free(NULL);
}

static void values_that_cannot_be_added_are_freed(void **state)
{
    struct json *object = json_new_object(), *array = json_new_array();

    (void)state;
    ROW("NULL, from a constructor that failed");
    assert_false(json_add(object, "a", NULL));
    assert_false(json_append(array, NULL));
    ROW("to NULL");
    assert_false(json_add(NULL, "a", json_new_integer(1)));
    assert_false(json_append(NULL, json_new_integer(1)));
    ROW("to a value of another type");
    assert_false(json_add(array, "a", json_new_integer(1)));
    assert_false(json_append(object, json_new_null()));
    ROW("the trees are unchanged");
    assert_string_equal(json_print(object, false), "{}");
    assert_string_equal(json_print(array, false), "[]");
    json_free(&object);
    json_free(&array);
}

static void *parse_often(void *mistakes)
{
    struct json *json;
    enum json_error error;
    int i;

    for (i = 0; i < 2000; i++) {
        if (!json_parse(LITERAL("{\"a\":[1.5,\"\\u00e4\"],\"b\":{\"c\":2}}"), &json, &error)) {
            ++*(int *)mistakes;
            continue;
        }
        if (json_member(json_member(json, "b"), "c") == NULL)
            ++*(int *)mistakes;
        json_free(&json);
    }
    return NULL;
}

static void rule_31_many_threads_may_parse_at_once(void **state)
{
    pthread_t threads[4];
    int mistakes[COUNT(threads)] = { 0 };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, parse_often, &mistakes[i]), 0);
    for (i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(mistakes[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_literal_true_is_true),
        cmocka_unit_test(values_are_read_by_their_type),
        cmocka_unit_test(trees_are_built_and_printed),
        cmocka_unit_test(values_that_cannot_be_added_are_freed),
        cmocka_unit_test(rule_31_many_threads_may_parse_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
