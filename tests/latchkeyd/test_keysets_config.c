#include "tests/support/keysets_double.h"

#define T_1(more) "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys\" " more " }\n"

static void a_change_of_the_configuration_begins_a_refresh(void **state)
{
    static const struct {
        const char *name, *text;
        bool refreshes;
    } cases[] = {
        { "nothing that concerns it", T_1("leeway = 7"), false },
        { "another address", "tenant \"t-1\" { url = \"https://other.example.com\" keys = \"~/keys\" }\n", true },
        { "another file, which is missing",
          "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/no-keys\" }\n", true },
        { "other authorities", T_1("ca_file = \"~/ca.pem\""), true },
    };
    enum key_refresh_result results[] = { KEY_REFRESH_UNCHANGED, KEY_REFRESH_FAILED };
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(cases); i++)
        for (j = 0; j < COUNT(results); j++) {
            const struct config *changed = config_of(cases[i].text);

            ROW(cases[i].name);
            begin_after_first_refresh(only_t_1);
            assert_int_equal(begun_at(only_t_1, clock_ms() + 220000), 1);
            end_last(results[j]);
            assert_int_equal(begun_at(only_t_1, clock_ms()), 0);
            keysets_configure(keysets, changed, clock_ms());
            assert_int_equal(begun_at(changed, clock_ms()), cases[i].refreshes);
            ROW("once");
            if (cases[i].refreshes)
                end_last(KEY_REFRESH_FAILED);
            keysets_configure(keysets, changed, clock_ms());
            assert_int_equal(begun_at(changed, clock_ms()), 0);
            keysets_free(&keysets);
            config_release(&changed);
        }
}

/* The refresh under way asks the former address. */
static void a_change_during_a_refresh_begins_another_one(void **state)
{
    static const struct {
        const char *name, *text;
        size_t refreshes;
    } cases[] = {
        { "nothing that concerns it", T_1("leeway = 7"), 0 },
        { "another address", "tenant \"t-1\" { url = \"https://other.example.com\" keys = \"~/keys\" }\n", 1 },
        { "other authorities", T_1("ca_file = \"~/ca.pem\""), 1 },
    };
    enum key_refresh_result results[] = { KEY_REFRESH_UNCHANGED, KEY_REFRESH_REPLACED, KEY_REFRESH_FAILED };
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(cases); i++)
        for (j = 0; j < COUNT(results); j++) {
            const struct config *changed = config_of(cases[i].text);

            ROW(cases[i].name);
            begin(only_t_1);
            assert_int_equal(begun_at(only_t_1, clock_ms() + 2000), 1);
            keysets_configure(keysets, changed, clock_ms());
            ROW("not before the refresh under way has ended");
            assert_int_equal(begun_at(changed, clock_ms()), 0);
            end_last(results[j]);
            ROW(cases[i].name);
            assert_int_equal(begun_at(changed, clock_ms()), cases[i].refreshes);
            ROW("once");
            if (cases[i].refreshes > 0)
                end_last(KEY_REFRESH_UNCHANGED);
            assert_int_equal(begun_at(changed, clock_ms()), 0);
            keysets_free(&keysets);
            config_release(&changed);
        }
}

static void a_key_set_that_is_removed_is_fetched(void **state)
{
    const struct config *there, *gone;
    const char *text = "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/going\" }\n";
    struct signer *signer = signer_generate("ES256", 0);
    struct json *jwk = signer_jwk(signer, "k", "ES256");

    (void)state;
    signer_free(&signer);
    write_key_set("going", &jwk, 1);
    there = config_of(text);
    begin_after_first_refresh(there);
    unlink(path_in_directory("going"));
    gone = config_of(text);
    keysets_configure(keysets, gone, clock_ms());
    assert_int_equal(begun_at(gone, clock_ms()), 1);
    end_last(KEY_REFRESH_FAILED);
    ROW("again only at its time");
    keysets_configure(keysets, gone, clock_ms());
    assert_int_equal(begun_at(gone, clock_ms()), 0);
    keysets_free(&keysets);
    config_release(&there);
    config_release(&gone);
}

static void after_a_failure_the_authorities_are_watched(void **state)
{
    const struct config *by;
    const struct config *renamed;
    int64_t now;

    (void)state;
    write_file("ca.pem", "one");
    by = config_of(T_1("ca_file = \"~/ca.pem\""));
    begin(by);
    ROW("nothing is watched before, nor after a success");
    begun_at(by, clock_ms() + 2000);
    end_last(KEY_REFRESH_UNCHANGED);
    assert_false(keysets_needs_config(keysets, clock_ms() + 6000));
    assert_true(keysets_needs_config(keysets, clock_ms() + DAY_MS)); /* a refresh is due */
    assert_int_equal(begun_at(by, clock_ms() + DAY_MS), 1);
    assert_false(keysets_needs_config(keysets, clock_ms() + 2 * (int64_t)DAY_MS)); /* it is under way */
    end_last(KEY_REFRESH_FAILED);
    ROW("after a failure: every five seconds");
    now = clock_ms();
    assert_in_range(keysets_run(keysets, by, now), 4900, 5000);
    assert_false(keysets_needs_config(keysets, now + 4900));
    assert_true(keysets_needs_config(keysets, now + 5000));
    assert_int_equal(begun_at(by, now + 5000), 0);
    assert_false(keysets_needs_config(keysets, now + 9999));
    assert_true(keysets_needs_config(keysets, now + 10000));
    ROW("a changed file begins a refresh at once");
    write_file("ca.pem", "the other");
    assert_int_equal(begun_at(by, now + 10000), 1);
    ROW("no file is watched during the refresh");
    assert_false(keysets_needs_config(keysets, now + DAY_MS));
    write_file("ca.pem", "a third one");
    assert_int_equal(begun_at(by, now + 20000), 0);
    end_last(KEY_REFRESH_FAILED);
    assert_int_equal(begun_at(by, clock_ms() + 5000), 1);
    end_last(KEY_REFRESH_FAILED);
    ROW("a changed path begins one, too");
    write_file("ca-2.pem", "a third one");
    renamed = config_of(T_1("ca_file = \"~/ca-2.pem\""));
    keysets_configure(keysets, renamed, clock_ms());
    assert_int_equal(begun_at(renamed, clock_ms()), 1);
    end_last(KEY_REFRESH_FAILED);
    assert_int_equal(begun_at(renamed, clock_ms() + 10000), 0);
    keysets_free(&keysets);
    config_release(&renamed);
    config_release(&by);
}

static const struct config *config_of_many(const char *prefix)
{
    const struct config *many;
    char *text = NULL;
    size_t len, i;
    FILE *out = open_memstream(&text, &len);

    for (i = 0; i < CONFIG_TENANTS_MAX; i++)
        fprintf(out, "tenant \"%s-%zu\" { url = \"https://auth.example.com\" keys = \"~/keys\" }\n", prefix, i);
    fclose(out);
    many = config_of(text);
    free(text);
    return many;
}

static void tenants_beyond_the_limit_are_added_later(void **state)
{
    const struct config *former = config_of_many("a"), *later = config_of_many("b");
    struct keyset_status status;
    size_t i;

    (void)state;
    begin(former);
    assert_int_equal(begun_at(former, clock_ms() + 2000), CONFIG_TENANTS_MAX);
    ROW("tenants with a refresh under way keep their places");
    keysets_configure(keysets, later, clock_ms());
    assert_true(keysets_status(keysets, CONFIG_TENANTS_MAX - 1, &status));
    assert_false(keysets_status(keysets, CONFIG_TENANTS_MAX, &status));
    assert_string_equal(status.tenant_id, "a-63");
    ROW("until the refreshes end");
    for (i = 0; i < CONFIG_TENANTS_MAX; i++)
        end_refresh(i, KEY_REFRESH_UNCHANGED, REASON_OK, "");
    keysets_configure(keysets, later, clock_ms());
    assert_true(keysets_status(keysets, CONFIG_TENANTS_MAX - 1, &status));
    assert_string_equal(status.tenant_id, "b-63");
    keysets_free(&keysets);
    config_release(&former);
    config_release(&later);
}

static void what_is_known_of_tenants_that_stay_is_kept(void **state)
{
    const struct config *same = config_of(TENANTS "latchkeyd { refresh = 200 }\n");
    const struct key_source *source;
    struct keyset_status status;
    struct asker asker;
    int64_t now = clock_ms();

    (void)state;
    begin_after_first_refresh(only_t_1);
    source = refreshes[0].source;
    ask("t-1", now, &asker);
    end_last(KEY_REFRESH_FAILED);
    ROW("a new tenant is refreshed at once, the former one at its time");
    keysets_configure(keysets, same, clock_ms());
    assert_int_equal(begun_at(same, clock_ms()), 1);
    assert_string_equal(refreshes[refresh_count - 1].tenant, "t-2");
    end_last(KEY_REFRESH_REPLACED);
    ROW("its status, its pause and its validators");
    assert_true(keysets_status(keysets, 0, &status));
    assert_string_equal(status.failure, "status 500");
    ask("t-1", now + 29999, &asker);
    assert_int_equal(asker.answers, 1);
    assert_due_in(same, 30);
    assert_string_equal(refreshes[refresh_count - 1].tenant, "t-1");
    assert_ptr_equal(refreshes[refresh_count - 1].source, source);
    config_release(&same);
}

static void a_tenant_that_is_removed_is_forgotten(void **state)
{
    const struct config *none = config_of("tenant \"p\" { issuer = \"https://op.example\" keys = \"~/keys\" }\n");
    struct keyset_status status;
    struct asker asker;
    unsigned before;

    (void)state;
    ROW("at once, without a refresh under way");
    begin_after_first_refresh(only_t_1);
    keysets_configure(keysets, none, clock_ms());
    assert_false(keysets_status(keysets, 0, &status));
    ask("t-1", clock_ms(), &asker);
    assert_int_equal(asker.reason, REASON_TENANT_UNKNOWN);
    assert_int_equal(begun_at(none, clock_ms() + DAY_MS), 0);
    ROW("a tenant that comes back is as a new one");
    keysets_configure(keysets, only_t_1, clock_ms());
    assert_true(keysets_status(keysets, 0, &status));
    assert_int_equal(status.refreshed_at, 0);
    assert_int_equal(begun_at(only_t_1, clock_ms() + 2000), 1);
    ROW("during a refresh: the waiting client is answered");
    ask("t-1", clock_ms(), &asker);
    keysets_configure(keysets, none, clock_ms());
    end_last(KEY_REFRESH_REPLACED);
    assert_int_equal(asker.answers, 1);
    assert_int_equal(asker.reason, REASON_OK);
    ROW("then no refresh begins, and no failure is logged");
    before = logged.count;
    assert_int_equal(begun_at(none, clock_ms() + DAY_MS), 0);
    assert_int_equal(logged.count, before);
    assert_false(keysets_status(keysets, 0, &status));
    keysets_ask(keysets, none, 0, slice_of("t-1"), clock_ms(), INT64_MAX, keep_answer, &asker);
    assert_int_equal(asker.reason, REASON_TENANT_UNKNOWN);
    ROW("a tenant that comes back during the refresh is the same one");
    keysets_configure(keysets, only_t_1, clock_ms());
    assert_int_equal(begun_at(only_t_1, clock_ms() + 2000), 1);
    keysets_configure(keysets, none, clock_ms());
    assert_int_equal(begun_at(none, clock_ms() + 2000), 0);
    keysets_configure(keysets, only_t_1, clock_ms());
    assert_int_equal(begun_at(only_t_1, clock_ms() + 2000), 0);
    end_last(KEY_REFRESH_REPLACED);
    assert_due_in(only_t_1, 200);
    config_release(&none);
}

static void a_new_interval_holds_at_once(void **state)
{
    const struct config *seldom = config_of(ONLY_T_1 "latchkeyd { refresh = 604800 }\n"),
                        *often = config_of(ONLY_T_1 "latchkeyd { refresh = 60 }\n");
    size_t i;

    (void)state;
    ROW("a shorter one, though the last refresh was long ago");
    begin_after_first_refresh(seldom);
    assert_int_equal(begun_at(seldom, clock_ms() + DAY_MS), 0);
    keysets_configure(keysets, often, clock_ms());
    assert_due_in(often, 60);
    end_last(KEY_REFRESH_UNCHANGED);
    ROW("a new configuration does not restart it");
    for (i = 0; i < 10; i++)
        keysets_configure(keysets, often, clock_ms() + 50000);
    assert_due_in(often, 60);
    ROW("a longer one, from the next refresh on");
    end_last(KEY_REFRESH_UNCHANGED);
    keysets_configure(keysets, seldom, clock_ms());
    assert_due_in(seldom, 60);
    end_last(KEY_REFRESH_UNCHANGED);
    assert_due_in(seldom, 604800);
    ROW("the pause after a failure is at most the interval");
    for (i = 0; i < 8; i++) {
        end_last(KEY_REFRESH_FAILED);
        assert_int_equal(begun_at(seldom, clock_ms() + 2 * DAY_MS), 1);
    }
    keysets_configure(keysets, often, clock_ms());
    end_last(KEY_REFRESH_FAILED);
    assert_due_in(often, 60);
    config_release(&seldom);
    config_release(&often);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_of_the_configuration_begins_a_refresh),
        cmocka_unit_test(a_change_during_a_refresh_begins_another_one),
        cmocka_unit_test(a_key_set_that_is_removed_is_fetched),
        cmocka_unit_test(after_a_failure_the_authorities_are_watched),
        cmocka_unit_test(tenants_beyond_the_limit_are_added_later),
        cmocka_unit_test(what_is_known_of_tenants_that_stay_is_kept),
        cmocka_unit_test(a_tenant_that_is_removed_is_forgotten),
        cmocka_unit_test(a_new_interval_holds_at_once),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
