#include "tests/support/keysets_double.h"

static void rule_21_unknown_keys_begin_one_refresh_in_thirty_seconds(void **state)
{
    int64_t now = clock_ms();
    struct asker asker, other;

    (void)state;
    begin(config);
    begun_at(config, now + 2000);
    end_refresh(0, KEY_REFRESH_UNCHANGED, REASON_OK, "");
    end_refresh(1, KEY_REFRESH_UNCHANGED, REASON_OK, "");
    ROW("the first question begins a refresh");
    ask("t-1", now, &asker);
    assert_int_equal(refresh_count, 3);
    assert_string_equal(refreshes[2].tenant, "t-1");
    assert_int_equal(asker.answers, 0);
    end_last(KEY_REFRESH_REPLACED);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(asker.reason, REASON_OK);
    ROW("for the next 30 s no question begins one");
    ask("t-1", now, &asker);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(asker.reason, REASON_OK);
    assert_string_equal(asker.detail, "");
    ask("t-1", now + 29999, &asker);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(refresh_count, 3);
    ROW("a question about another tenant begins one");
    ask("t-2", now + 29999, &other);
    assert_int_equal(refresh_count, 4);
    assert_string_equal(refreshes[3].tenant, "t-2");
    end_last(KEY_REFRESH_UNCHANGED);
    assert_int_equal(other.answers, 1);
    assert_int_equal(other.reason, REASON_OK);
    ROW("after 30 s a question begins one again; the client is told its failure");
    ask("t-1", now + 30000, &asker);
    assert_int_equal(refresh_count, 5);
    end_last(KEY_REFRESH_FAILED);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(asker.reason, REASON_TENANT_UNAVAILABLE);
    assert_string_equal(asker.detail, "status 500");
    ROW("a failure does not shorten the 30 s");
    ask("t-1", now + 59999, &asker);
    assert_int_equal(refresh_count, 5);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(asker.reason, REASON_OK);
    ROW("a refresh that cannot begin is answered at once, and counts");
    is_short_of_memory = true;
    ask("t-1", now + 60000, &asker);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(asker.reason, REASON_OUT_OF_MEMORY);
    is_short_of_memory = false;
    ask("t-1", now + 60001, &asker);
    assert_int_equal(refresh_count, 5);
    assert_int_equal(asker.reason, REASON_OK);
    ROW("an unscheduled refresh restarts the interval");
    ask("t-1", now + 90000, &asker);
    assert_int_equal(refresh_count, 6);
    end_last(KEY_REFRESH_UNCHANGED);
    assert_int_equal(begun_at(only_t_1, clock_ms() + 179000), 0);
}

static void rule_21_without_a_key_set_a_login_may_ask_after_a_failure(void **state)
{
    int64_t now = clock_ms();
    struct asker asker;
    size_t i;

    (void)state;
    begin(config);
    begun_at(config, now + 2000);
    for (i = 0; i < 2; i++)
        end_refresh(i, KEY_REFRESH_FAILED, REASON_TENANT_UNAVAILABLE, "status 500");
    ROW("with a key set: no refresh for 30 s after the failure");
    ask("t-1", clock_ms(), &asker);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(refresh_count, 2);
    ROW("without a key set: one login begins a refresh");
    now = clock_ms();
    ask("t-2", now, &asker);
    assert_int_equal(asker.answers, 0);
    assert_int_equal(refresh_count, 3);
    assert_string_equal(refreshes[2].tenant, "t-2");
    end_last(KEY_REFRESH_FAILED);
    ROW("once in 30 s");
    ask("t-2", now + 29999, &asker);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(refresh_count, 3);
    ask("t-2", now + 30000, &asker);
    assert_int_equal(refresh_count, 4);
    end_last(KEY_REFRESH_REPLACED);
    assert_int_equal(asker.reason, REASON_OK);
}

static void a_question_during_a_refresh_waits_for_that_refresh(void **state)
{
    struct asker askers[5];
    int64_t now = clock_ms();
    size_t i;

    (void)state;
    ROW("a scheduled refresh");
    begin(only_t_1);
    begun_at(only_t_1, now + 2000);
    for (i = 0; i < 2; i++)
        ask("t-1", now, &askers[i]);
    assert_int_equal(refresh_count, 1);
    end_refresh(0, KEY_REFRESH_FAILED, REASON_JWKS_INVALID, "the key set at https://a/k: is empty");
    for (i = 0; i < 2; i++) {
        assert_int_equal(askers[i].answers, 1);
        assert_int_equal(askers[i].reason, REASON_JWKS_INVALID);
        assert_string_equal(askers[i].detail, "the key set at https://a/k: is empty");
    }
    ROW("after its failure the next question begins none");
    ask("t-1", now, &askers[0]);
    assert_int_equal(refresh_count, 1);
    assert_int_equal(askers[0].answers, 1);
    assert_int_equal(askers[0].reason, REASON_OK);
    ROW("after a scheduled refresh without failure the next question begins one");
    begin_after_first_refresh(only_t_1);
    ask("t-1", now, &askers[0]);
    assert_int_equal(refresh_count, 2);
    ROW("an unscheduled refresh, also after its 30 s; none begins beside it");
    ask("t-1", now + 1, &askers[1]);
    ask("t-1", now + 31000, &askers[2]);
    assert_int_equal(begun_at(only_t_1, now + DAY_MS), 0);
    assert_int_equal(refresh_count, 2);
    end_last(KEY_REFRESH_REPLACED);
    for (i = 0; i < 3; i++) {
        assert_int_equal(askers[i].answers, 1);
        assert_int_equal(askers[i].reason, REASON_OK);
        assert_string_equal(askers[i].detail, "");
    }
    ROW("no client is answered twice");
    ask("t-1", now + 62000, &askers[3]);
    end_last(KEY_REFRESH_FAILED);
    for (i = 0; i < 4; i++)
        assert_int_equal(askers[i].answers, 1);
}

/* A login asks again as soon as it is answered. */
static void ask_again(void *context, const struct latchkeyd_answer *answer)
{
    keep_answer(context, answer);
    keysets_ask(keysets, only_t_1, 0, slice_of("t-1"), clock_ms(), INT64_MAX, keep_answer, context);
}

static void a_client_that_asks_again_from_within_the_answer_is_answered_twice(void **state)
{
    struct asker askers[3] = { { .answers = 0 }, { .answers = 0 }, { .answers = 0 } };
    size_t i;

    (void)state;
    begin(only_t_1);
    begun_at(only_t_1, clock_ms() + 2000);
    for (i = 0; i < COUNT(askers); i++)
        keysets_ask(keysets, only_t_1, 0, slice_of("t-1"), clock_ms(), INT64_MAX, ask_again, &askers[i]);
    end_last(KEY_REFRESH_UNCHANGED);
    for (i = 0; i < COUNT(askers); i++)
        assert_int_equal(askers[i].answers, 1);
    assert_int_equal(refresh_count, 2);
    end_last(KEY_REFRESH_UNCHANGED);
    for (i = 0; i < COUNT(askers); i++)
        assert_int_equal(askers[i].answers, 2);
}

#define OTHER \
    "tenant \"h\" { issuer = \"https://h.example\" hmac_secret_file = \"~/secret\" algorithms = {\"HS256\"} }\n"
static const struct config *other;

/* A login reads the newest configuration once it is answered. */
static void configure_none(void *context, const struct latchkeyd_answer *answer)
{
    keep_answer(context, answer);
    keysets_configure(keysets, other, clock_ms());
}

static void a_waiting_client_is_answered_though_another_answer_forgets_the_tenant(void **state)
{
    struct asker askers[3] = { { .answers = 0 }, { .answers = 0 }, { .answers = 0 } };
    struct keyset_status status;
    size_t i;

    (void)state;
    other = config_of(OTHER);
    begin(only_t_1);
    begun_at(only_t_1, clock_ms() + 2000);
    for (i = 0; i < COUNT(askers); i++)
        keysets_ask(keysets, only_t_1, 0, slice_of("t-1"), clock_ms(), INT64_MAX, configure_none, &askers[i]);
    end_last(KEY_REFRESH_REPLACED);
    for (i = 0; i < COUNT(askers); i++)
        assert_int_equal(askers[i].answers, 1);
    ROW("then it is forgotten");
    keysets_configure(keysets, other, clock_ms());
    assert_false(keysets_status(keysets, 0, &status));
    config_release(&other);
}

static void more_than_can_wait_are_refused(void **state)
{
    static struct asker askers[65];
    int64_t now = clock_ms();
    size_t i;

    (void)state;
    begin(only_t_1);
    for (i = 0; i < COUNT(askers); i++)
        ask("t-1", now, &askers[i]);
    ROW("the last client, at once");
    assert_int_equal(askers[64].answers, 1);
    assert_int_equal(askers[64].reason, REASON_TENANT_UNAVAILABLE);
    assert_string_equal(askers[64].detail, "the refresh of the key set is not finished");
    ROW("all others are answered after the refresh");
    assert_int_equal(refresh_count, 1);
    assert_int_equal(askers[63].answers, 0);
    end_last(KEY_REFRESH_REPLACED);
    for (i = 0; i < 64; i++) {
        assert_int_equal(askers[i].answers, 1);
        assert_int_equal(askers[i].reason, REASON_OK);
    }
}

static void a_tenant_among_many_has_a_smaller_share(void **state)
{
    static const struct {
        const char *name;
        size_t tenants, share;
    } cases[] = {
        { "one tenant", 1, 64 },
        { "twelve", 12, 64 },
        { "thirteen", 13, 768 / 13 },
        { "the most tenants", 64, 12 },
    };
    static struct asker askers[65];
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const struct config *many;
        char *text = NULL;
        size_t len, waiting = 0;
        FILE *out = open_memstream(&text, &len);

        ROW(cases[i].name);
        for (j = 0; j < cases[i].tenants; j++)
            fprintf(out, "tenant \"t-%zu\" { url = \"https://auth.example.com\" keys = \"~/keys\" }\n", j);
        fclose(out);
        many = config_of(text);
        begin(many);
        for (j = 0; j < COUNT(askers); j++) {
            askers[j] = (struct asker){ .answers = 0 };
            keysets_ask(keysets, many, 0, LITERAL("t-0"), clock_ms(), INT64_MAX, keep_answer, &askers[j]);
        }
        for (j = 0; j < COUNT(askers); j++)
            waiting += askers[j].answers == 0;
        assert_int_equal(waiting, cases[i].share);
        keysets_free(&keysets);
        config_release(&many);
        free(text);
    }
}

static void assert_not_yet(const struct asker *asker)
{
    assert_int_equal(asker->answers, 1);
    assert_int_equal(asker->reason, REASON_TENANT_UNAVAILABLE);
    assert_string_equal(asker->detail, "the refresh of the key set is not finished");
}

static void rule_21_few_wait_for_a_service_that_takes_its_time(void **state)
{
    struct asker askers[16], late;
    int64_t now = clock_ms();
    size_t i;

    (void)state;
    begin_after_first_refresh(only_t_1);
    for (i = 0; i < COUNT(askers); i++)
        ask_until("t-1", now + (int64_t)i, now + 4750, &askers[i]);
    assert_int_equal(refresh_count, 2);
    ROW("for half a second all wait");
    assert_int_equal(keysets_run(keysets, only_t_1, now + 499), 1);
    for (i = 0; i < COUNT(askers); i++)
        assert_int_equal(askers[i].answers, 0);
    ROW("then four wait");
    assert_int_equal(keysets_run(keysets, only_t_1, now + 500), 4250);
    for (i = 4; i < COUNT(askers); i++)
        assert_not_yet(&askers[i]);
    ROW("a later client does not wait");
    ask_until("t-1", now + 500, now + 5250, &late);
    assert_not_yet(&late);
    ROW("the four wait as long as they can");
    assert_int_equal(keysets_run(keysets, only_t_1, now + 4749), 1);
    for (i = 0; i < 4; i++)
        assert_int_equal(askers[i].answers, 0);
    assert_int_equal(keysets_run(keysets, only_t_1, now + 4750), 3600000);
    for (i = 0; i < 4; i++)
        assert_not_yet(&askers[i]);
    ROW("another client may take their place, and is told how the refresh ended");
    ask_until("t-1", now + 5000, now + 9750, &late);
    assert_int_equal(late.answers, 0);
    end_last(KEY_REFRESH_FAILED);
    assert_string_equal(late.detail, "status 500");
    ROW("no client is answered twice, or waits after the failure");
    ask_until("t-1", now + 29000, now + 33750, &late);
    assert_int_equal(late.answers, 1);
    assert_int_equal(late.reason, REASON_OK);
    for (i = 0; i < COUNT(askers); i++)
        assert_int_equal(askers[i].answers, 1);
    ROW("a client without time left does not wait, and begins a refresh all the same");
    begin_after_first_refresh(only_t_1);
    ask_until("t-1", now, now, &late);
    assert_not_yet(&late);
    assert_int_equal(refresh_count, 2);
}

/* How many questions the processes of one uid ask, and how many of them wait. */
struct waiting_row {
    uid_t uid;
    size_t asks, waiting;
};

/* The processes of several uids ask one after the other. So many of each wait at that time after the first question. */
static void assert_waiting(const struct waiting_row *rows, size_t count, int64_t after_ms)
{
    static struct asker askers[4][WAITING_OF_TENANT + 1];
    const int64_t now = clock_ms();
    size_t i, j;

    begin_after_first_refresh(only_t_1);
    for (i = 0; i < count; i++)
        for (j = 0; j < rows[i].asks; j++)
            ask_as(rows[i].uid, "t-1", now, now + 4750, &askers[i][j]);
    keysets_run(keysets, only_t_1, now + after_ms);
    for (i = 0; i < count; i++) {
        size_t waiting = 0;

        for (j = 0; j < rows[i].asks; j++)
            waiting += askers[i][j].answers == 0;
        assert_int_equal(waiting, rows[i].waiting);
    }
    end_last(KEY_REFRESH_REPLACED);
}

static void rule_21_no_uid_takes_all_places_of_a_refresh(void **state)
{
    static const struct {
        const char *name;
        int64_t after_ms;
        struct waiting_row rows[4];
    } cases[] = {
        { "root may take all", 0, { { 0, 65, 64 } } },
        { "another uid half of the places", 0, { { 1000, 65, 32 } } },
        { "two such uids together three quarters", 0, { { 1000, 32, 32 }, { 1001, 32, 16 }, { 0, 64, 16 } } },
        { "for a slow service: root may take all four places", 500, { { 0, 8, 4 } } },
        { "another uid two", 500, { { 1000, 8, 2 }, { 0, 8, 2 } } },
        { "other uids together three", 500, { { 1000, 2, 2 }, { 1001, 2, 1 }, { 1002, 2, 0 }, { 0, 2, 1 } } },
        { "a later uid has a place", 500, { { 1000, 8, 2 }, { 1001, 1, 1 } } },
    };
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        size_t count = 0;

        ROW(cases[i].name);
        for (j = 0; j < COUNT(cases[i].rows); j++)
            count += cases[i].rows[j].asks > 0;
        assert_waiting(cases[i].rows, count, cases[i].after_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_21_unknown_keys_begin_one_refresh_in_thirty_seconds),
        cmocka_unit_test(rule_21_without_a_key_set_a_login_may_ask_after_a_failure),
        cmocka_unit_test(a_question_during_a_refresh_waits_for_that_refresh),
        cmocka_unit_test(a_client_that_asks_again_from_within_the_answer_is_answered_twice),
        cmocka_unit_test(a_waiting_client_is_answered_though_another_answer_forgets_the_tenant),
        cmocka_unit_test(more_than_can_wait_are_refused),
        cmocka_unit_test(a_tenant_among_many_has_a_smaller_share),
        cmocka_unit_test(rule_21_few_wait_for_a_service_that_takes_its_time),
        cmocka_unit_test(rule_21_no_uid_takes_all_places_of_a_refresh),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
