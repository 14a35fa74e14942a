#include "tests/support/json_texts.h"

#include <dlfcn.h>

struct json_object;

/* In place of json-c's: the one that `allocations_left` counts down to fails, as when out of memory. -1: none. */
static int allocations_left = -1;
static bool printing_loses_something;

static bool is_short(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

#define SHORT_OF_MEMORY(type, failure, name, parameters, arguments)           \
    type name parameters;                                                     \
    type name parameters                                                      \
    {                                                                         \
        type(*real) parameters = (type(*) parameters)dlsym(RTLD_NEXT, #name); \
        return is_short() ? (failure) : real arguments;                       \
    }

SHORT_OF_MEMORY(struct json_object *, NULL, json_object_new_object, (void), ())
SHORT_OF_MEMORY(struct json_object *, NULL, json_object_new_array_ext, (int room), (room))
SHORT_OF_MEMORY(struct json_object *, NULL, json_object_new_boolean, (int value), (value))
SHORT_OF_MEMORY(struct json_object *, NULL, json_object_new_int64, (int64_t value), (value))
SHORT_OF_MEMORY(struct json_object *, NULL, json_object_new_double_s, (double value, const char *text), (value, text))
SHORT_OF_MEMORY(struct json_object *, NULL, json_object_new_string_len, (const char *bytes, int len), (bytes, len))
SHORT_OF_MEMORY(int, -1, json_object_array_add, (struct json_object * array, struct json_object *value), (array, value))
SHORT_OF_MEMORY(int, -1, json_object_object_add,
                (struct json_object * object, const char *name, struct json_object *value), (object, name, value))
SHORT_OF_MEMORY(int, -1, json_object_object_add_ex,
                (struct json_object * object, const char *name, struct json_object *value, unsigned options),
                (object, name, value, options))

const char *json_object_to_json_string_length(struct json_object *value, int flags, size_t *ret_len);
const char *json_object_to_json_string_length(struct json_object *value, int flags, size_t *ret_len)
{
    const char *(*real)(struct json_object *, int, size_t *) =
        (const char *(*)(struct json_object *, int, size_t *))dlsym(RTLD_NEXT, "json_object_to_json_string_length");

    if (!printing_loses_something)
        return real(value, flags, ret_len);
    *ret_len = 2;
    return "{}";
}

/* In place of json-c's: watched strings are read when a tree is released, before they are freed. */
static struct {
    struct slice strings[8];
    size_t count, wiped;
} watched;

static bool is_wiped(struct slice string)
{
    size_t i;

    for (i = 0; i < string.len; i++)
        if (string.bytes[i] != '\0')
            return false;
    return true;
}

int json_object_put(struct json_object *value);
int json_object_put(struct json_object *value)
{
    int (*real)(struct json_object *) = (int (*)(struct json_object *))dlsym(RTLD_NEXT, "json_object_put");
    size_t i;

    for (i = 0; i < watched.count; i++)
        watched.wiped += is_wiped(watched.strings[i]);
    watched.count = 0;
    return real(value);
}

/* How many secrets were wiped. */
static unsigned secrets_wiped;

static void wipe(void *bytes, size_t len)
{
    __asm__ volatile("" : "+r"(bytes) : : "memory"); /* which string.h calls write-only */
    secrets_wiped += len > 6 && memcmp(bytes, "SECRET", 6) == 0;
    memset(bytes, 0, len);
    __asm__ volatile("" : : "r"(bytes) : "memory");
}

/* In place of the C library's, with _FORTIFY_SOURCE and without. */
#undef explicit_bzero
void explicit_bzero(void *bytes, size_t len)
{
    wipe(bytes, len);
}

void __explicit_bzero_chk(void *bytes, size_t len, size_t room);
void __explicit_bzero_chk(void *bytes, size_t len, size_t room)
{
    (void)room;
    wipe(bytes, len);
}

static void rule_32_a_text_is_refused_when_memory_is_short(void **state)
{
    const struct slice text = LITERAL("{\"a\":[1,\"s\",[{}],true,1.5],\"b\":{\"c\":null},\"d\":\"e\"}");
    struct json *json = NULL;
    enum json_error error = NO_ERROR;
    int allocation, refusals = 0;

    (void)state;
    for (allocation = 0; json == NULL; allocation++) {
        allocations_left = allocation;
        json = parse(text, &error);
        if (json == NULL) {
            assert_int_equal(error, JSON_OUT_OF_MEMORY);
            refusals++;
        }
    }
    allocations_left = -1;
    ROW("at each of its 9 values that are not null, 4 members and 6 elements");
    assert_int_equal(refusals, 9 + 1 + 4 + 6);
    json_free(&json);
}

static void rule_32_a_tree_is_not_built_when_memory_is_short(void **state)
{
    struct json *object = json_new_object(), *array = json_new_array();

    (void)state;
    ROW("constructors");
    allocations_left = 0;
    assert_null(json_new_object());
    allocations_left = 0;
    assert_null(json_new_array());
    allocations_left = 0;
    assert_null(json_new_string(LITERAL("a")));
    allocations_left = 0;
    assert_null(json_new_integer(1));
    allocations_left = 0;
    assert_null(json_new_boolean(true));
    ROW("what cannot be added is freed");
    allocations_left = 1;
    assert_false(json_add(object, "a", json_new_integer(1)));
    allocations_left = 1;
    assert_false(json_append(array, json_new_integer(1)));
    allocations_left = -1;
    json_free(&object);
    json_free(&array);
}

static void rule_32_a_text_that_lost_something_is_not_printed(void **state)
{
    struct json *json = parse_good(LITERAL("{\"userId\":\"alice\"}"));

    (void)state;
    ROW("json-c left a member out and did not say so");
    printing_loses_something = true;
    assert_null(json_print(json, false));
    printing_loses_something = false;
    assert_non_null(json_print(json, false));
    json_free(&json);
    ROW("what is not UTF-8 could not be read back");
    json = json_new_array();
    assert_true(json_append(json, json_new_string(LITERAL("\xff"))));
    assert_null(json_print(json, false));
    json_free(&json);
}

static void watch(const struct json *json)
{
    struct slice string;

    assert_true(watched.count < COUNT(watched.strings));
    assert_true(json_string(json, &string));
    assert_false(is_wiped(string));
    watched.strings[watched.count++] = string;
}

static void rule_33_the_strings_of_a_tree_are_wiped_before_they_are_freed(void **state)
{
    struct json *json = NULL, *string;
    enum json_error error;

    (void)state;
    ROW("the strings of a text, at every depth, long and short, behind a NUL and with escapes");
    assert_true(json_parse(LITERAL("{\"token\":\"header.payload.signature-of-some-length-or-other\",\"short\":\"key\","
                                   "\"deep\":[1,{\"x\":[\"in\\u0000side\",null,true]},\"\\u00e4\\\"\"]}"),
                           &json, &error));
    watch(json_member(json, "token"));
    watch(json_member(json, "short"));
    watch(json_at(json_member(json_at(json_member(json, "deep"), 1), "x"), 0));
    watch(json_at(json_member(json, "deep"), 2));
    watched.wiped = 0;
    json_free(&json);
    assert_null(json);
    assert_int_equal(watched.wiped, 4);
    ROW("a string that the program made");
    json = json_new_array();
    string = json_new_string(slice_of("a key"));
    watch(string);
    assert_true(json_append(json, string));
    watched.wiped = 0;
    json_free(&json);
    assert_int_equal(watched.wiped, 1);
    ROW("a string that cannot be added");
    string = json_new_string(slice_of("a key"));
    watch(string);
    watched.wiped = 0;
    assert_false(json_append(NULL, string));
    assert_int_equal(watched.wiped, 1);
    ROW("the strings of a member that appears twice");
    secrets_wiped = 0;
    assert_false(json_parse(LITERAL("{\"apiKey\":\"SECRET-ONE\",\"apiKey\":\"SECRET-TWO\"}"), &json, &error));
    assert_int_equal(error, JSON_DUPLICATE_NAME);
    assert_int_equal(secrets_wiped, 2);
    ROW("nothing, twice");
    json_free(&json);
    json_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_32_a_text_is_refused_when_memory_is_short),
        cmocka_unit_test(rule_32_a_tree_is_not_built_when_memory_is_short),
        cmocka_unit_test(rule_32_a_text_that_lost_something_is_not_printed),
        cmocka_unit_test(rule_33_the_strings_of_a_tree_are_wiped_before_they_are_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
