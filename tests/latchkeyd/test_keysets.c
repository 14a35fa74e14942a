#include "tests/support/keysets_double.h"

static void a_missing_key_set_is_fetched_at_once_and_others_soon(void **state)
{
    int64_t now;
    size_t i;
    bool differ = false;
    int first = 0;

    (void)state;
    ROW("a missing key set: at once");
    begin(config);
    now = clock_ms();
    assert_in_range(begun_at(config, now), 1, 2); /* t-1 may be due as well, by chance */
    assert_string_equal(refreshes[refresh_count - 1].tenant, "t-2");
    assert_int_equal(refreshes[0].timeout_ms, 10000);
    ROW("a good key set: within two seconds");
    begun_at(config, now + 2000);
    assert_int_equal(refresh_count, 2);
    ROW("each has its own validators, and no other tenant is refreshed");
    assert_ptr_not_equal(refreshes[0].source, refreshes[1].source);
    assert_int_equal(begun_at(config, now + DAY_MS), 0); /* both are under way */
    end_refresh(0, KEY_REFRESH_UNCHANGED, REASON_OK, "");
    end_refresh(1, KEY_REFRESH_REPLACED, REASON_OK, "");
    assert_int_equal(begun_at(config, now + DAY_MS), 2);
    ROW("hosts that boot together refresh at different times");
    for (i = 0; i < 50; i++) {
        int wait;

        begin(only_t_1);
        wait = keysets_run(keysets, only_t_1, clock_ms());
        if (refresh_count == 1)
            continue;
        assert_in_range(wait, 1, 2000);
        differ |= first != 0 && wait != first;
        first = wait;
    }
    assert_true(differ);
}

static void each_key_set_is_refreshed_at_its_time(void **state)
{
    static const struct {
        const char *name;
        enum key_refresh_result result;
    } cases[] = {
        { "unchanged", KEY_REFRESH_UNCHANGED },
        { "replaced", KEY_REFRESH_REPLACED },
        { "and again", KEY_REFRESH_UNCHANGED },
    };
    int shortest = INT32_MAX, longest = 0;
    size_t i;

    (void)state;
    begin_after_first_refresh(only_t_1);
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_due_in(only_t_1, 200);
        end_last(cases[i].result);
    }
    ROW("hosts that were set up together refresh at different times");
    for (i = 0; i < 50; i++) {
        int wait = keysets_run(keysets, only_t_1, clock_ms());

        shortest = wait < shortest ? wait : shortest;
        longest = wait > longest ? wait : longest;
        assert_int_equal(begun_at(only_t_1, clock_ms() + 220000), 1);
        end_last(KEY_REFRESH_UNCHANGED);
    }
    assert_true(longest - shortest > 10000);
    ROW("without a refresh to begin it waits for an hour");
    begin(only_t_1);
    assert_int_equal(begun_at(only_t_1, clock_ms() + 2000), 1);
    assert_int_equal(keysets_run(keysets, only_t_1, clock_ms()), 3600000);
}

static void each_failure_doubles_the_pause(void **state)
{
    static const struct {
        const char *name;
        enum key_refresh_result result;
        int64_t pause_s; /* after it */
    } cases[] = {
        { "the first", KEY_REFRESH_FAILED, 30 },
        { "the second", KEY_REFRESH_FAILED, 60 },
        { "the third", KEY_REFRESH_FAILED, 120 },
        { "no longer than the interval", KEY_REFRESH_FAILED, 200 },
        { "however often", KEY_REFRESH_FAILED, 200 },
        { "a success", KEY_REFRESH_REPLACED, 200 },
        { "begins anew", KEY_REFRESH_FAILED, 30 },
        { "and again", KEY_REFRESH_FAILED, 60 },
        { "nothing new is a success", KEY_REFRESH_UNCHANGED, 200 },
        { "and begins anew as well", KEY_REFRESH_FAILED, 30 },
    };
    size_t i;

    (void)state;
    begin(only_t_1);
    assert_int_equal(begun_at(only_t_1, clock_ms() + 2000), 1);
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        end_last(cases[i].result);
        assert_due_in(only_t_1, cases[i].pause_s);
    }
    ROW("a refresh that cannot begin is a failure, and is not repeated at once");
    end_last(KEY_REFRESH_UNCHANGED);
    is_short_of_memory = true;
    logged.count = 0;
    assert_int_equal(begun_at(only_t_1, clock_ms() + DAY_MS), 0);
    assert_int_equal(logged.count, 1);
    assert_int_equal(logged.reason, REASON_OUT_OF_MEMORY);
    is_short_of_memory = false;
    assert_due_in(only_t_1, 30);
}

static void a_tenant_without_a_key_set_of_its_own_is_not_refreshed(void **state)
{
    static const struct {
        const char *name, *tenant;
    } cases[] = {
        { "not configured", "t-9" },        { "no address", "p" }, { "a secret", "h" },
        { "a secret and an address", "d" }, { "none", "" },
    };
    struct asker asker;
    size_t i;

    (void)state;
    begin(config);
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        ask(cases[i].tenant, clock_ms(), &asker);
        assert_int_equal(asker.answers, 1);
        assert_int_equal(asker.reason, REASON_TENANT_UNKNOWN);
        assert_string_equal(asker.detail, "latchkeyd does not refresh a key set of this tenant");
    }
    assert_int_equal(refresh_count, 0);
}

static void the_status_tells_the_last_refresh(void **state)
{
    struct keyset_status status;

    (void)state;
    begin(only_t_1);
    ROW("never");
    assert_true(keysets_status(keysets, 0, &status));
    assert_string_equal(status.tenant_id, "t-1");
    assert_int_equal(status.refreshed_at, 0);
    assert_string_equal(status.failure, "");
    assert_false(keysets_status(keysets, 1, &status));
    ROW("failed");
    begun_at(only_t_1, clock_ms() + 2000);
    end_last(KEY_REFRESH_FAILED);
    assert_true(keysets_status(keysets, 0, &status));
    assert_in_range(time(NULL) - status.refreshed_at, 0, 5);
    assert_int_equal(status.result, KEY_REFRESH_FAILED);
    assert_string_equal(status.failure, "status 500");
    ROW("replaced: the failure is no longer shown");
    begun_at(only_t_1, clock_ms() + DAY_MS);
    end_last(KEY_REFRESH_REPLACED);
    assert_true(keysets_status(keysets, 0, &status));
    assert_int_equal(status.result, KEY_REFRESH_REPLACED);
    assert_string_equal(status.failure, "");
    ROW("one for each tenant that is refreshed");
    begin(config);
    assert_true(keysets_status(keysets, 1, &status));
    assert_string_equal(status.tenant_id, "t-2");
    assert_false(keysets_status(keysets, 2, &status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_key_set_is_fetched_at_once_and_others_soon),
        cmocka_unit_test(each_key_set_is_refreshed_at_its_time),
        cmocka_unit_test(each_failure_doubles_the_pause),
        cmocka_unit_test(a_tenant_without_a_key_set_of_its_own_is_not_refreshed),
        cmocka_unit_test(the_status_tells_the_last_refresh),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
