#include "tests/support/sasl_plug_in.h"

#define ONLY_DISCOVERY "https://auth.example.com/tenant/t-3/v2.0/Auth/.well-known/openid-configuration"

static const struct {
    const char *name;
    const char *user, *claim, *value;
    bool is_foreign;            /* signed by a key of nobody */
    const char *tenant;         /* NULL: t-1 */
    const char *message;        /* instead of one with a token */
    const char *oauth, *xoauth; /* the error message */
} refusals[] = {
    { "a forged token", "daemon", NULL, NULL, true, NULL, NULL, REFUSED, REFUSED_X },
    { "an expired token", "daemon", "exp", "1", false, NULL, NULL, REFUSED, REFUSED_X },
    { "somebody else's name", "root", NULL, NULL, false, NULL, NULL,
      "{\"status\":\"insufficient_scope\",\"openid-configuration\":\"" DISCOVERY "\"}",
      "{\"status\":\"403\",\"schemes\":\"bearer\"}" },
    { "a missing scope is named", "daemon", "scope", "\"mail\"", false, "t-3", NULL,
      "{\"status\":\"insufficient_scope\",\"scope\":\"mail send\",\"openid-configuration\":"
      "\"https://auth.example.com/tenant/t-3/v2.0/Auth/.well-known/openid-configuration\"}",
      "{\"status\":\"403\",\"schemes\":\"bearer\",\"scope\":\"mail send\"}" },
    { "of several tenants nobody knows which", NULL, NULL, NULL, false, NULL, "nonsense",
      "{\"status\":\"invalid_request\"}", "{\"status\":\"400\",\"schemes\":\"bearer\"}" },
};

static void rule_39_a_refusal_tells_what_a_client_can_use(void **state)
{
    sasl_conn_t *server;
    struct slice challenge;
    size_t i, m;

    (void)state;
    start_server();
    for (i = 0; i < COUNT(refusals); i++)
        for (m = 0; m < COUNT(mechanisms); m++) {
            const struct member changes[CHANGES_MAX] = { { refusals[i].claim, refusals[i].value } };
            const char *tenant = refusals[i].tenant != NULL ? refusals[i].tenant : "t-1";
            char *token = token_by(refusals[i].is_foreign ? foreign_key : key, "k-1", tenant,
                                   refusals[i].claim != NULL ? changes : NULL);
            char *message = refusals[i].message != NULL ? strdup(refusals[i].message)
                                                        : host_message(mechanisms[m], refusals[i].user, token);

            ROW(refusals[i].name);
            server = server_for("imap");
            assert_int_equal(send_first(server, mechanisms[m], true, slice_of(message), &challenge), SASL_CONTINUE);
            if (!slice_equal_string(challenge, m == 0 ? refusals[i].oauth : refusals[i].xoauth))
                fail_msg("%.*s", SLICE_ARG(challenge));
            sasl_dispose(&server);
            free(message);
            free(token);
        }
}

/* The token's end is told to whoever showed a token that was good otherwise, and nothing else to anybody. */
static void rule_36_a_refusal_says_no_more_than_it_should(void **state)
{
    static const struct {
        const char *name, *claim, *value, *told;
        bool tells;
    } rows[] = {
        { "expired", "exp", "1000000000", "The token expired", true },
        { "of nobody here", "sub", "\"sub-stranger\"", "Token not accepted.", true },
        { "of nobody here, and not a word of it", "sub", "\"sub-stranger\"", "sub-stranger", false },
    };
    sasl_conn_t *server;
    size_t i;

    (void)state;
    start_server();
    for (i = 0; i < COUNT(rows); i++) {
        char *token = token_with(rows[i].claim, rows[i].value);

        ROW(rows[i].name);
        server = server_for("imap");
        assert_int_equal(log_in_whole(server, OAUTH, NULL, token), SASL_BADAUTH);
        assert_int_equal(strstr(sasl_errdetail(server), rows[i].told) != NULL, rows[i].tells);
        sasl_dispose(&server);
        free(token);
    }
}

/* RFC 7628 §3.2.3 wants one %x01 here. Clients that send something else (msmtp, mpop and getmail an empty answer,
 * JavaMail the token again) were refused for the same reason, and hear of it. */
static void rule_39_whatever_the_client_answers_the_refusal_stays(void **state)
{
    static const struct {
        const char *name, *claim, *value, *user;
        int code;
        const char *reason, *told;
    } refused[] = {
        { "an expired token", "exp", "1000000000", "daemon", SASL_BADAUTH, "token_expired", "The token expired" },
        { "a revoked token", "jti", "\"revoked\"", "daemon", SASL_NOAUTHZ, "token_revoked", "Token not accepted." },
        { "another name", NULL, NULL, "root", SASL_NOAUTHZ, "authzid_not_allowed", "Token not accepted." },
    };
    static const struct {
        const char *name;
        struct slice answer;
    } answers[] = {
        { "%x01", { "\1", 1 } },         { "nothing", { "", 0 } },      { "no memory at all", { NULL, 0 } },
        { "a NUL", { "\0", 1 } },        { "an asterisk", { "*", 1 } }, { "%x01 twice", { "\1\1", 2 } },
        { "a line end", { "\r\n", 2 } },
    };
    sasl_conn_t *server;
    struct slice challenge;
    size_t i, m, a;

    (void)state;
    start_server();
    for (i = 0; i < COUNT(refused); i++)
        for (m = 0; m < COUNT(mechanisms); m++)
            for (a = 0; a < COUNT(answers); a++) {
                char *token = token_with(refused[i].claim, refused[i].value);

                ROW(answers[a].name);
                server = server_for("smtp");
                assert_int_equal(log_in(server, mechanisms[m], true, refused[i].user, token, &challenge),
                                 SASL_CONTINUE);
                assert_int_equal(send_next(server, answers[a].answer), refused[i].code);
                assert_non_null(strstr(sasl_errdetail(server), refused[i].told));
                assert_one_verdict(refused[i].reason, SASL_LOG_ERR);
                sasl_dispose(&server);
                free(token);
            }
}

/* RFC 7628 §4.3: a client without a token asks where to get one. That is no attempt which an administrator must see. */
static void a_client_without_a_token_is_told_where_to_get_one(void **state)
{
    static const struct {
        const char *mechanism, *message, *answer;
    } rows[] = {
        { OAUTH, "n,,\1auth=\1\1",
          "{\"status\":\"invalid_token\",\"scope\":\"mail send\",\"openid-configuration\":\"" ONLY_DISCOVERY "\"}" },
        { OAUTH, "n,a=nobody-here,\1host=mail.example.com\1port=143\1auth=\1\1",
          "{\"status\":\"invalid_token\",\"scope\":\"mail send\",\"openid-configuration\":\"" ONLY_DISCOVERY "\"}" },
        { XOAUTH, "user=daemon\1auth=\1\1", "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"mail send\"}" },
    };
    static const char *const answers[] = { "\1", "", "n,,\1auth=Bearer x\1\1" };
    struct slice challenge;
    sasl_conn_t *server;
    size_t i, a;

    (void)state;
    put_file("main.conf",
             "tenant \"t-3\" { url = \"https://auth.example.com\" keys = \"~/keys.json\""
             " algorithms = {\"ES256\"} scope = {\"mail\", \"send\"} }\n"
             "service \"keys\" { credentials = {\"api_key\"} }\n");
    start_server();
    for (i = 0; i < COUNT(rows); i++)
        for (a = 0; a < COUNT(answers); a++) {
            ROW(rows[i].message);
            server = server_for(a == 0 ? "imap" : "keys");
            assert_int_equal(send_first(server, rows[i].mechanism, a != 1, slice_of(rows[i].message), &challenge),
                             SASL_CONTINUE);
            if (!slice_equal_string(challenge, rows[i].answer))
                fail_msg("%.*s", SLICE_ARG(challenge));
            assert_int_equal(send_next(server, slice_of(answers[a])), SASL_BADAUTH);
            assert_one_verdict("credential_absent", SASL_LOG_NOTE);
            assert_int_equal(lines_with("", SASL_LOG_ERR), 0);
            assert_null(name_of(server, SASL_USERNAME));
            sasl_dispose(&server);
        }
}

static void a_token_in_place_of_a_name_is_not_logged(void **state)
{
    char *token = token_with("exp", "1"), *message;
    sasl_conn_t *server;
    struct slice challenge;

    (void)state;
    start_server();
    server = server_for("imap");
    token[200] = '\0';
    assert_true(asprintf(&message, "n,a=%s,\1auth=Bearer x\1\1", token) > 0);
    assert_int_equal(send_first(server, OAUTH, true, slice_of(message), &challenge), SASL_CONTINUE);
    assert_int_equal(lines_with("verdict=reject", SASL_LOG_ERR), 1);
    assert_not_logged(token);
    free(message);
    ROW("nor is one that the message ends in");
    line_count = 0;
    assert_true(asprintf(&message, "n,,\1auth=Bearer %s", token) > 0);
    assert_int_equal(send_first(server, OAUTH, true, slice_of(message), &challenge), SASL_CONTINUE);
    assert_not_logged(token);
    sasl_dispose(&server);
    free(message);
    free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rule_39_a_refusal_tells_what_a_client_can_use),
        TEST(rule_36_a_refusal_says_no_more_than_it_should),
        TEST(rule_39_whatever_the_client_answers_the_refusal_stays),
        TEST(a_client_without_a_token_is_told_where_to_get_one),
        TEST(a_token_in_place_of_a_name_is_not_logged),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
