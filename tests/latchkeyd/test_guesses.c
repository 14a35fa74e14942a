#include "tests/support/unit.h"

#include "latchkeyd/guesses.h"

#define T0 1000000

static struct guesses *guesses;

static void count(const char *tenant, const char *subject, int64_t now_ms, unsigned times)
{
    while (times-- > 0)
        guesses_count(guesses, tenant, subject, now_ms);
}

static void rule_27_an_account_has_so_many_guesses(void **state)
{
    (void)state;
    ROW("of which none was made");
    assert_int_equal(guesses_left(guesses, "t", "s", T0), 32);
    ROW("one");
    count("t", "s", T0, 1);
    assert_int_equal(guesses_left(guesses, "t", "s", T0), 31);
    ROW("all");
    count("t", "s", T0, 31);
    assert_int_equal(guesses_left(guesses, "t", "s", T0), 0);
    ROW("more than all, of keys that were under way together");
    count("t", "s", T0, 5);
    assert_int_equal(guesses_left(guesses, "t", "s", T0), 0);
    ROW("one comes back each second");
    assert_int_equal(guesses_left(guesses, "t", "s", T0 + 999), 0);
    assert_int_equal(guesses_left(guesses, "t", "s", T0 + 1000), 1);
    assert_int_equal(guesses_left(guesses, "t", "s", T0 + 31999), 31);
    assert_int_equal(guesses_left(guesses, "t", "s", T0 + 32000), 32);
    assert_int_equal(guesses_left(guesses, "t", "s", T0 + 3600000), 32);
}

static void accounts_are_told_apart_by_tenant_and_subject(void **state)
{
    (void)state;
    count("t", "s", T0, 32);
    assert_int_equal(guesses_left(guesses, "t", "s", T0), 0);
    assert_int_equal(guesses_left(guesses, "t", "s2", T0), 32);
    assert_int_equal(guesses_left(guesses, "t2", "s", T0), 32);
    ROW("until all begin anew");
    guesses_reset(guesses);
    assert_int_equal(guesses_left(guesses, "t", "s", T0), 32);
}

static void the_account_of_which_least_is_known_makes_room(void **state)
{
    char subject[16];
    unsigned i;

    (void)state;
    for (i = 0; i < 256; i++) {
        snprintf(subject, sizeof subject, "%u", i);
        count("t", subject, T0, i == 77 ? 1 : 2);
    }
    for (i = 0; i < 256; i++) {
        snprintf(subject, sizeof subject, "%u", i);
        assert_int_equal(guesses_left(guesses, "t", subject, T0), i == 77 ? 31 : 30);
    }
    count("t", "one more", T0, 1);
    assert_int_equal(guesses_left(guesses, "t", "one more", T0), 31);
    for (i = 0; i < 256; i++) {
        snprintf(subject, sizeof subject, "%u", i);
        assert_int_equal(guesses_left(guesses, "t", subject, T0), i == 77 ? 32 : 30);
    }
}

static void what_an_account_had_long_ago_does_not_keep_its_place(void **state)
{
    char subject[16];
    unsigned i;

    (void)state;
    count("t", "0", T0, 32);
    for (i = 1; i < 256; i++) {
        snprintf(subject, sizeof subject, "%u", i);
        count("t", subject, T0 + 60000, 2);
    }
    count("t", "one more", T0 + 60000, 1);
    for (i = 0; i < 256; i++) {
        snprintf(subject, sizeof subject, "%u", i);
        assert_int_equal(guesses_left(guesses, "t", subject, T0 + 60000), i == 0 ? 32 : 30);
    }
}

static int set_up(void **state)
{
    (void)state;
    guesses = guesses_new();
    return guesses != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    guesses_free(&guesses);
    guesses_free(&guesses);
    guesses_free(NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rule_27_an_account_has_so_many_guesses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(accounts_are_told_apart_by_tenant_and_subject, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_account_of_which_least_is_known_makes_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_an_account_had_long_ago_does_not_keep_its_place, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
