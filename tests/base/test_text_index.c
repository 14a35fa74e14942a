#include "tests/support/unit.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/text_index.h"

#define MANY 5000

/* A text that is made of the number, and a length. */
typedef size_t make(size_t number, char text[512]);

static size_t make_numbers(size_t number, char text[512])
{
    return (size_t)sprintf(text, "%zu", number * 7919 % MANY);
}

static size_t make_one_beginning(size_t number, char text[512])
{
    memset(text, 'x', 300);
    return 300 + (size_t)sprintf(text + 300, "%zu", number * 7919 % MANY);
}

static size_t make_one_text(size_t number, char text[512])
{
    (void)number;
    return (size_t)sprintf(text, "the same");
}

static size_t make_beginnings(size_t number, char text[512])
{
    memset(text, 'a', 400);
    return number % 400;
}

static size_t make_bytes(size_t number, char text[512])
{
    text[0] = (char)(number % 255 + 1);
    text[1] = (char)(number / 255 % 255 + 1);
    return 2;
}

static int compare(const struct text_entry *a, const struct text_entry *b)
{
    const int order = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);

    if (order != 0)
        return order;
    return a->len != b->len ? (a->len > b->len) - (a->len < b->len) : (a->value > b->value) - (a->value < b->value);
}

static void texts_are_sorted_and_found(void **state)
{
    static const struct {
        const char *name;
        make *make;
    } cases[] = {
        { "numbers", make_numbers },
        { "one long beginning", make_one_beginning },
        { "one text, told apart by the value", make_one_text },
        { "each the beginning of the next", make_beginnings },
        { "bytes above 0x7f", make_bytes },
    };
    static const size_t counts[] = { 0, 1, 2, 20, 21, 300, MANY };
    size_t i, j, k;

    (void)state;
    for (i = 0; i < COUNT(cases); i++)
        for (j = 0; j < COUNT(counts); j++) {
            struct text_entry *entries = calloc(counts[j] + 1, sizeof *entries);
            struct arena arena = { NULL };
            char text[512];

            ROW(cases[i].name);
            assert_non_null(entries);
            for (k = 0; k < counts[j]; k++) {
                const size_t len = cases[i].make(k, text);

                entries[k] = (struct text_entry){ .len = (uint32_t)len, .value = (uint32_t)k * 65537 % 100003 };
                entries[k].bytes = arena_copy(&arena, (struct slice){ text, len });
            }
            text_index_sort(entries, counts[j]);
            for (k = 1; k < counts[j]; k++)
                assert_true(compare(&entries[k - 1], &entries[k]) < 0);
            for (k = 0; k < counts[j]; k += 97) {
                size_t found;
                const struct text_entry *first =
                    text_index_find(entries, counts[j], text_entry_slice(&entries[k]), &found);

                assert_true(first != NULL && first <= &entries[k] && &entries[k] < first + found);
                assert_true(first == entries || compare(first - 1, first) < 0);
            }
            assert_null(text_index_find(entries, counts[j], LITERAL("none of them"), &k));
            assert_int_equal(k, 0);
            free(entries);
            arena_free(&arena);
        }
}

static void one_entry_many_times_ends(void **state)
{
    struct text_entry entries[100];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(entries); i++)
        entries[i] = (struct text_entry){ .bytes = "x", .len = 1, .value = 1 };
    text_index_sort(entries, COUNT(entries));
    assert_non_null(text_index_find(entries, COUNT(entries), LITERAL("x"), &i));
    assert_int_equal(i, COUNT(entries));
}

static void an_arena_gives_what_is_asked_for(void **state)
{
    struct arena arena = { NULL };
    size_t size;

    (void)state;
    for (size = 1; size < 100000; size = size * 3 + 1) {
        char *copy = arena_copy(&arena, LITERAL("text")), *bytes = arena_alloc(&arena, 1, size);
        size_t i;

        assert_non_null(bytes);
        assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
        for (i = 0; i < size && bytes[i] == '\0'; i++)
            ;
        assert_int_equal(i, size);
        memset(bytes, 'x', size);
        assert_string_equal(copy, "text");
    }
    ROW("more than there can be");
    assert_null(arena_alloc(&arena, SIZE_MAX / 2, 3));
    assert_null(arena_alloc(&arena, 1, SIZE_MAX - 8));
    arena_free(&arena);
    assert_null(arena.newest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_sorted_and_found),
        cmocka_unit_test(one_entry_many_times_ends),
        cmocka_unit_test(an_arena_gives_what_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
