#include "tests/support/unit.h"

#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

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

static bool random_is_refused;

/* In place of the C library's: a seccomp filter of a host may refuse the call. */
ssize_t getrandom(void *bytes, size_t len, unsigned flags)
{
    return random_is_refused ? -1 : syscall(SYS_getrandom, bytes, len, flags);
}

/* Each entry is found by its text: in the order of the array, and among no others. Returns how many there are. */
static size_t count_found(const struct text_index *index, const struct text_entry *wanted)
{
    const struct text_entry *last = NULL, *entry = text_index_find(index, text_entry_slice(wanted));
    bool is_found = false;
    size_t count = 0;

    for (; entry != NULL; entry = text_index_next(index, entry)) {
        assert_true(last == NULL || last < entry);
        assert_true(slice_equal(text_entry_slice(entry), text_entry_slice(wanted)));
        is_found = is_found || entry == wanted;
        last = entry;
        count++;
    }
    assert_true(is_found);
    return count;
}

static void every_text_is_found(void **state)
{
    static const struct {
        const char *name;
        make *make;
    } cases[] = {
        { "numbers", make_numbers },        { "one long beginning", make_one_beginning },
        { "one text", make_one_text },      { "each the beginning of the next", make_beginnings },
        { "bytes above 0x7f", make_bytes },
    };
    static const size_t counts[] = { 0, 1, 2, 20, 21, 300, MANY };
    size_t i, j, k, m, equal;

    (void)state;
    for (i = 0; i < COUNT(cases); i++)
        for (j = 0; j < COUNT(counts); j++) {
            struct text_entry *entries = calloc(counts[j] + 1, sizeof *entries);
            struct arena arena = { NULL };
            struct text_index index;
            char text[512];

            ROW(cases[i].name);
            assert_non_null(entries);
            text_index_init(&index);
            for (k = 0; k < counts[j]; k++) {
                const size_t len = cases[i].make(k, text);

                entries[k] =
                    text_index_entry(&index, (struct slice){ arena_copy(&arena, (struct slice){ text, len }), len });
            }
            assert_true(text_index_build(&index, entries, counts[j], &arena));
            for (k = 0; k < counts[j]; k += 97) {
                for (m = 0, equal = 0; m < counts[j]; m++)
                    equal += slice_equal(text_entry_slice(&entries[m]), text_entry_slice(&entries[k]));
                assert_int_equal(count_found(&index, &entries[k]), equal);
                assert_int_equal(text_index_place(&index, &entries[k]), k);
            }
            assert_null(text_index_find(&index, LITERAL("none of them")));
            free(entries);
            arena_free(&arena);
        }
}

static void an_index_of_zeros_is_empty(void **state)
{
    static const struct text_index index;

    (void)state;
    assert_null(text_index_find(&index, LITERAL("")));
}

/* Else a user could choose texts that meet in one place. */
static void each_index_has_a_key_of_its_own(void **state)
{
    struct text_index a, b;

    (void)state;
    text_index_init(&a);
    text_index_init(&b);
    assert_memory_not_equal(a.key, b.key, sizeof a.key);
    assert_int_not_equal(text_index_entry(&a, LITERAL("subject")).next, text_index_entry(&b, LITERAL("subject")).next);
}

static void texts_are_found_without_random_bytes(void **state)
{
    (void)state;
    random_is_refused = true;
    each_index_has_a_key_of_its_own(NULL);
    every_text_is_found(NULL);
    random_is_refused = false;
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
        cmocka_unit_test(every_text_is_found),
        cmocka_unit_test(an_index_of_zeros_is_empty),
        cmocka_unit_test(each_index_has_a_key_of_its_own),
        cmocka_unit_test(texts_are_found_without_random_bytes),
        cmocka_unit_test(an_arena_gives_what_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
