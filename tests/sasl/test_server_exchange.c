#include "tests/support/sasl_plug_in.h"

#include "tests/support/latchkeyd_double.h"

static struct latchkeyd_double latchkeyd;

static void an_empty_initial_response_is_none(void **state)
{
    sasl_conn_t *server;
    const char *out;
    unsigned len;
    char *token = token_with(NULL, NULL), *message = host_message(OAUTH, "daemon", token);

    (void)state;
    start_server();
    server = server_for("imap");
    assert_int_equal(sasl_server_start(server, OAUTH, "", 0, &out, &len), SASL_CONTINUE);
    assert_int_equal(len, 0);
    assert_int_equal(sasl_server_step(server, message, (unsigned)strlen(message), &out, &len), SASL_OK);
    sasl_dispose(&server);
    ROW("an empty message behind the empty challenge is one, and malformed");
    server = server_for("imap");
    assert_int_equal(sasl_server_start(server, OAUTH, "", 0, &out, &len), SASL_CONTINUE);
    assert_int_equal(sasl_server_step(server, "", 0, &out, &len), SASL_CONTINUE);
    assert_true(len > 0);
    assert_int_equal(send_next(server, LITERAL("\1")), SASL_BADPROT);
    assert_one_verdict("message_malformed", SASL_LOG_ERR);
    sasl_dispose(&server);
    free(message);
    free(token);
}

static void peer_an_exchange_judges_one_token(void **state)
{
    char *bad = token_with("exp", "1"), *good = token_with(NULL, NULL);
    sasl_conn_t *server;
    struct slice challenge;
    size_t m;

    (void)state;
    start_server();
    for (m = 0; m < COUNT(mechanisms); m++) {
        char *message = host_message(mechanisms[m], "daemon", good);

        ROW(mechanisms[m]);
        server = server_for("imap");
        assert_int_equal(log_in(server, mechanisms[m], true, "daemon", bad, &challenge), SASL_CONTINUE);
        assert_int_equal(send_next(server, slice_of(message)), SASL_BADAUTH);
        ROW("nor one after that, whatever a host does");
        assert_int_not_equal(send_next(server, slice_of(message)), SASL_OK);
        assert_int_not_equal(send_next(server, slice_of(message)), SASL_OK);
        assert_one_verdict("token_expired", SASL_LOG_ERR);
        assert_null(name_of(server, SASL_USERNAME));
        ROW("a new exchange of the same connection does");
        line_count = 0;
        assert_int_equal(log_in(server, mechanisms[m], true, "daemon", good, &challenge), SASL_OK);
        assert_one_verdict("ok", SASL_LOG_NOTE);
        ROW("and nothing comes after a success");
        assert_int_not_equal(send_next(server, slice_of(message)), SASL_CONTINUE);
        assert_one_verdict("ok", SASL_LOG_NOTE);
        sasl_dispose(&server);
        free(message);
    }
    free(bad);
    free(good);
}

static void an_exchange_may_be_left_at_any_point(void **state)
{
    char *bad = token_with("exp", "1"), *good = token_with(NULL, NULL);
    sasl_conn_t *server;
    struct slice challenge;
    const char *out;
    unsigned len;

    (void)state;
    start_server();
    server = server_for("imap");
    sasl_dispose(&server);
    server = server_for("imap");
    assert_int_equal(sasl_server_start(server, OAUTH, NULL, 0, &out, &len), SASL_CONTINUE);
    sasl_dispose(&server);
    server = server_for("imap");
    assert_int_equal(log_in(server, OAUTH, true, NULL, bad, &challenge), SASL_CONTINUE);
    sasl_dispose(&server);
    ROW("and begun anew, with the other mechanism");
    server = server_for("imap");
    assert_int_equal(log_in(server, OAUTH, true, NULL, bad, &challenge), SASL_CONTINUE);
    assert_int_equal(log_in(server, XOAUTH, false, "daemon", good, &challenge), SASL_OK);
    sasl_dispose(&server);
    free(bad);
    free(good);
}

static void what_cannot_be_judged_fails_at_once_and_without_a_word(void **state)
{
    char *token = token_by(key, "k-1", "t-2", NULL), *good = token_with(NULL, NULL);
    char *message = host_message(OAUTH, NULL, good);
    sasl_conn_t *server;
    struct slice challenge;
    const char *out = NULL;
    unsigned len = 0;

    (void)state;
    start_server();
    ROW("a tenant without keys");
    server = server_for("imap");
    assert_int_equal(log_in(server, OAUTH, true, NULL, token, &challenge), SASL_UNAVAIL);
    assert_int_equal(challenge.len, 0);
    assert_one_verdict("jwks_unavailable", SASL_LOG_ERR);
    assert_not_logged(token);
    assert_int_not_equal(send_next(server, slice_of(message)), SASL_OK);
    sasl_dispose(&server);
    ROW("a configuration that breaks in the middle of the exchange");
    server = server_for("imap");
    assert_int_equal(sasl_server_start(server, OAUTH, NULL, 0, &out, &len), SASL_CONTINUE);
    put_file("main.conf", "nonsense\n");
    assert_int_equal(sasl_server_step(server, message, (unsigned)strlen(message), &out, &len), SASL_UNAVAIL);
    assert_int_equal(len, 0);
    assert_one_verdict("config_invalid", SASL_LOG_ERR);
    sasl_dispose(&server);
    free(message);
    free(token);
    free(good);
}

static void rule_25_an_api_key_is_a_bearer_where_the_service_says_so(void **state)
{
    static const struct {
        const char *name, *service, *mechanism, *user;
        int code;
        const char *reason;
        unsigned questions;
    } rows[] = {
        { "the authzid's", "smtp", OAUTH, "bin", SASL_OK, "ok", 1 },
        { "XOAUTH2's user's", "smtp", XOAUTH, "bin", SASL_OK, "ok", 1 },
        { "in a realm", "smtp", OAUTH, "bin@example.com", SASL_OK, "ok", 1 },
        { "where nothing else is taken", "keys", OAUTH, "bin", SASL_OK, "ok", 1 },
        { "nobody's", "smtp", OAUTH, NULL, SASL_BADAUTH, "credential_not_allowed", 0 },
        { "of an account that has none", "smtp", OAUTH, "daemon", SASL_BADAUTH, "credential_not_allowed", 0 },
        { "of nobody here", "smtp", XOAUTH, "stranger", SASL_BADAUTH, "credential_not_allowed", 0 },
        { "in an unknown realm", "smtp", XOAUTH, "bin@example.org", SASL_BADAUTH, "realm_unknown", 0 },
        { "where only tokens are taken", "imap", OAUTH, "bin", SASL_BADAUTH, "credential_not_allowed", 0 },
    };
    const struct member changes[CHANGES_MAX] = { { "sub", "\"sub-bin\"" } };
    char *token = token_by(key, "k-1", "t-1", changes), answer[4096];
    sasl_conn_t *server;
    size_t i;

    (void)state;
    start_server();
    for (i = 0; i < COUNT(rows); i++) {
        ROW(rows[i].name);
        latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
        snprintf(answer, sizeof answer, "{\"answer\":\"ok\",\"token\":\"%s\"}", token);
        latchkeyd.answer = answer;
        server = server_for(rows[i].service);
        assert_int_equal(log_in_whole(server, rows[i].mechanism, rows[i].user, API_KEY), rows[i].code);
        assert_one_verdict(rows[i].reason, rows[i].code == SASL_OK ? SASL_LOG_NOTE : SASL_LOG_ERR);
        assert_int_equal(latchkeyd.questions, rows[i].questions);
        if (rows[i].code == SASL_OK) {
            assert_string_equal(name_of(server, SASL_AUTHUSER), "bin");
            assert_string_equal(name_of(server, SASL_USERNAME), "bin");
            assert_int_equal(lines_with("credential=api_key ", 0), 1);
        }
        assert_not_logged(API_KEY);
        assert_not_logged(token);
        sasl_dispose(&server);
        latchkeyd_double_stop(&latchkeyd);
    }
    ROW("a refusal by the tenant service");
    latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
    latchkeyd.answer = "{\"answer\":\"credential_refused\"}";
    server = server_for("smtp");
    assert_int_equal(log_in_whole(server, OAUTH, "bin", API_KEY), SASL_BADAUTH);
    sasl_dispose(&server);
    ROW("no answer of it");
    latchkeyd.answer = "{\"answer\":\"tenant_unavailable\"}";
    server = server_for("smtp");
    assert_int_equal(log_in_whole(server, OAUTH, "bin", API_KEY), SASL_UNAVAIL);
    sasl_dispose(&server);
    latchkeyd_double_stop(&latchkeyd);
    ROW("nobody to ask");
    unlink(path_in_directory("latchkeyd"));
    server = server_for("smtp");
    assert_int_equal(log_in_whole(server, OAUTH, "bin", API_KEY), SASL_UNAVAIL);
    sasl_dispose(&server);
    free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_initial_response_is_none),
        TEST(peer_an_exchange_judges_one_token),
        TEST(an_exchange_may_be_left_at_any_point),
        TEST(what_cannot_be_judged_fails_at_once_and_without_a_word),
        TEST(rule_25_an_api_key_is_a_bearer_where_the_service_says_so),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
