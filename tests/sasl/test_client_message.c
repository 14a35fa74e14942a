#include "tests/support/sasl_client_host.h"

static const struct {
    const char *name, *mechanism;
    struct known known;
    int code;
    const char *message;
    const char *authcid, *authzid;
} clients[] = {
    { "a token and nobody",
      OAUTH,
      { NULL, NULL, CLIENT_TOKEN },
      SASL_CONTINUE,
      "n,,\1" HOST_PAIR "auth=Bearer " CLIENT_TOKEN "\1\1",
      "token",
      "token" },
    { "a user",
      OAUTH,
      { "alice", NULL, CLIENT_TOKEN },
      SASL_CONTINUE,
      "n,a=alice,\1" HOST_PAIR "auth=Bearer " CLIENT_TOKEN "\1\1",
      "alice",
      "alice" },
    { "a user with a comma",
      OAUTH,
      { "a,b=c", NULL, CLIENT_TOKEN },
      SASL_CONTINUE,
      "n,a=a=2Cb=3Dc,\1" HOST_PAIR "auth=Bearer " CLIENT_TOKEN "\1\1",
      "a,b=c",
      "a,b=c" },
    { "an empty user",
      OAUTH,
      { "", NULL, CLIENT_TOKEN },
      SASL_CONTINUE,
      "n,,\1" HOST_PAIR "auth=Bearer " CLIENT_TOKEN "\1\1",
      "token",
      "token" },
    { "who one is, and nobody else",
      OAUTH,
      { NULL, "alice", CLIENT_TOKEN },
      SASL_CONTINUE,
      "n,a=alice,\1" HOST_PAIR "auth=Bearer " CLIENT_TOKEN "\1\1",
      "alice",
      "alice" },
    { "who one is, and whom one acts as",
      OAUTH,
      { "bob", "alice", CLIENT_TOKEN },
      SASL_CONTINUE,
      "n,a=bob,\1" HOST_PAIR "auth=Bearer " CLIENT_TOKEN "\1\1",
      "alice",
      "bob" },
    { "an API key, and who one is",
      OAUTH,
      { NULL, "alice", API_KEY },
      SASL_CONTINUE,
      "n,a=alice,\1" HOST_PAIR "auth=Bearer " API_KEY "\1\1",
      "alice",
      "alice" },
    { "an API key and nobody, which another server may take",
      OAUTH,
      { NULL, NULL, API_KEY },
      SASL_CONTINUE,
      "n,,\1" HOST_PAIR "auth=Bearer " API_KEY "\1\1",
      "token",
      "token" },
    { "whom one acts as is a question, and nobody to answer it",
      OAUTH,
      { "?", NULL, CLIENT_TOKEN },
      SASL_CONTINUE,
      "n,,\1" HOST_PAIR "auth=Bearer " CLIENT_TOKEN "\1\1",
      "token",
      "token" },
    { "a token with a line end",
      OAUTH,
      { NULL, NULL, CLIENT_TOKEN "\r\n" },
      SASL_CONTINUE,
      "n,,\1" HOST_PAIR "auth=Bearer " CLIENT_TOKEN "\1\1",
      "token",
      "token" },
    { "an empty token", OAUTH, { NULL, NULL, "" }, SASL_BADPARAM, NULL, NULL, NULL },
    { "a token with a blank", OAUTH, { NULL, NULL, "a b" }, SASL_BADPARAM, NULL, NULL, NULL },
    { "no token, which libsasl itself wants", OAUTH, { "alice", "alice", NULL }, SASL_NOMECH, NULL, NULL, NULL },
    { "XOAUTH2 for a user",
      XOAUTH,
      { "alice", NULL, CLIENT_TOKEN },
      SASL_CONTINUE,
      "user=alice\1auth=Bearer " CLIENT_TOKEN "\1\1",
      "alice",
      "alice" },
    { "XOAUTH2 for who one is",
      XOAUTH,
      { NULL, "alice", CLIENT_TOKEN },
      SASL_CONTINUE,
      "user=alice\1auth=Bearer " CLIENT_TOKEN "\1\1",
      "alice",
      "alice" },
    { "XOAUTH2 for whom one acts as",
      XOAUTH,
      { "bob", "alice", CLIENT_TOKEN },
      SASL_CONTINUE,
      "user=bob\1auth=Bearer " CLIENT_TOKEN "\1\1",
      "alice",
      "bob" },
    { "XOAUTH2 for nobody", XOAUTH, { NULL, NULL, CLIENT_TOKEN }, SASL_BADPARAM, NULL, NULL, NULL },
    { "XOAUTH2 without a token", XOAUTH, { "alice", NULL, NULL }, SASL_NOMECH, NULL, NULL, NULL },
};

static void a_client_sends_the_token_that_the_host_has(void **state)
{
    sasl_callback_t calls[4];
    sasl_conn_t *client;
    const char *out, *mechanism;
    unsigned len;
    size_t i;

    (void)state;
    start_client();
    for (i = 0; i < COUNT(clients); i++) {
        ROW(clients[i].name);
        out = NULL;
        len = 0;
        client = client_of(&clients[i].known, calls);
        assert_int_equal(sasl_client_start(client, clients[i].mechanism, NULL, &out, &len, &mechanism),
                         clients[i].code);
        if (clients[i].code == SASL_CONTINUE) {
            assert_string_equal(mechanism, clients[i].mechanism);
            assert_true(slice_equal_string((struct slice){ out, len }, clients[i].message));
            assert_string_equal(name_of(client, SASL_AUTHUSER), clients[i].authcid);
            assert_string_equal(name_of(client, SASL_USERNAME), clients[i].authzid);
        }
        assert_not_logged(CLIENT_TOKEN);
        sasl_dispose(&client);
    }
}

static void a_client_without_names_is_who_logged_in(void **state)
{
    const struct known known = { NULL, NULL, CLIENT_TOKEN };
    sasl_callback_t calls[4];
    sasl_conn_t *client;
    const char *out, *mechanism;
    unsigned len;

    (void)state;
    setenv("USER", "alice", 1);
    start_client();
    client = client_of(&known, calls);
    assert_int_equal(sasl_client_start(client, XOAUTH, NULL, &out, &len, &mechanism), SASL_CONTINUE);
    assert_true(slice_equal((struct slice){ out, len }, LITERAL("user=alice\1auth=Bearer " CLIENT_TOKEN "\1\1")));
    sasl_dispose(&client);
    ROW("which OAUTHBEARER need not say");
    client = client_of(&known, calls);
    assert_int_equal(sasl_client_start(client, OAUTH, NULL, &out, &len, &mechanism), SASL_CONTINUE);
    assert_true(slice_equal((struct slice){ out, len }, LITERAL("n,,\1" HOST_PAIR "auth=Bearer " CLIENT_TOKEN "\1\1")));
    assert_string_equal(name_of(client, SASL_AUTHUSER), "token");
    sasl_dispose(&client);
}

static void a_client_may_wait_for_the_empty_challenge(void **state)
{
    const struct known known = { NULL, NULL, CLIENT_TOKEN };
    sasl_callback_t calls[4];
    sasl_conn_t *client;
    const char *out, *mechanism;
    unsigned len;

    (void)state;
    start_client();
    client = client_of(&known, calls);
    assert_int_equal(sasl_client_start(client, OAUTH, NULL, NULL, NULL, &mechanism), SASL_CONTINUE);
    assert_int_equal(sasl_client_step(client, "", 0, NULL, &out, &len), SASL_CONTINUE);
    assert_true(len > 0);
    ROW("success comes with nothing, or with an empty challenge");
    assert_int_equal(sasl_client_step(client, "", 0, NULL, &out, &len), SASL_OK);
    assert_int_equal(len, 0);
    ROW("and nothing comes after that");
    assert_int_not_equal(sasl_client_step(client, "{}", 2, NULL, &out, &len), SASL_OK);
    sasl_dispose(&client);
}

static void a_client_answers_a_refusal_as_it_must(void **state)
{
    const struct known known = { "alice", NULL, CLIENT_TOKEN };
    sasl_callback_t calls[4];
    sasl_conn_t *client;
    const char *out, *mechanism;
    unsigned len;
    size_t m;

    (void)state;
    start_client();
    for (m = 0; m < COUNT(mechanisms); m++) {
        ROW(mechanisms[m]);
        client = client_of(&known, calls);
        assert_int_equal(sasl_client_start(client, mechanisms[m], NULL, &out, &len, &mechanism), SASL_CONTINUE);
        assert_int_equal(sasl_client_step(client, REFUSED, sizeof REFUSED - 1, NULL, &out, &len), SASL_CONTINUE);
        assert_non_null(out);
        assert_true(slice_equal((struct slice){ out, len }, last_of(mechanisms[m])));
        assert_non_null(strstr(sasl_errdetail(client), "does not accept the token"));
        ROW("once");
        assert_int_equal(sasl_client_step(client, REFUSED, sizeof REFUSED - 1, NULL, &out, &len), SASL_BADPROT);
        assert_non_null(strstr(sasl_errdetail(client), "continues after its refusal"));
        assert_not_logged(CLIENT_TOKEN);
        sasl_dispose(&client);
    }
}

/* What a callback may answer. */
static int answer_code(void *context, int id, const char **name, unsigned *len)
{
    (void)id, (void)len;
    *name = "not a name";
    return *(const int *)context;
}

static void a_callback_that_fails_ends_the_exchange(void **state)
{
    static const struct {
        const char *name;
        unsigned long id;
        int answer, code;
    } rows[] = {
        { "an authzid that the host cannot tell", SASL_CB_USER, SASL_FAIL, SASL_FAIL },
        { "an authcid that nobody knows", SASL_CB_AUTHNAME, SASL_FAIL, SASL_BADPARAM },
        { "no memory", SASL_CB_AUTHNAME, SASL_NOMEM, SASL_NOMEM },
        { "another failure", SASL_CB_AUTHNAME, SASL_BADVERS, SASL_BADVERS },
        { "no failure, and no success either", SASL_CB_AUTHNAME, SASL_INTERACT, SASL_BADPARAM },
    };
    const struct known known = { NULL, NULL, CLIENT_TOKEN };
    sasl_conn_t *client;
    const char *out, *mechanism;
    unsigned len;
    size_t i;

    (void)state;
    start_client();
    for (i = 0; i < COUNT(rows); i++) {
        const sasl_callback_t calls[] = {
            { rows[i].id, HOST_CALL(answer_code), (void *)&rows[i].answer },
            { SASL_CB_PASS, HOST_CALL(tell_pass), (void *)&known },
            { SASL_CB_LIST_END, NULL, NULL },
        };

        ROW(rows[i].name);
        client = NULL;
        assert_int_equal(sasl_client_new("imap", "mail.example.com", NULL, NULL, calls, 0, &client), SASL_OK);
        assert_int_equal(sasl_client_start(client, XOAUTH, NULL, &out, &len, &mechanism), rows[i].code);
        assert_non_null(strstr(sasl_errdetail(client), "latchkey: "));
        sasl_dispose(&client);
    }
}

static int refuse_name(sasl_conn_t *conn, void *context, const char *name, unsigned len, unsigned flags,
                       const char *realm, char *out, unsigned out_max, unsigned *out_len)
{
    (void)conn, (void)name, (void)len, (void)flags, (void)realm, (void)out, (void)out_max, (void)out_len;
    return *(const int *)context;
}

static void a_host_that_does_not_take_the_name_ends_the_exchange(void **state)
{
    static const struct {
        const char *name;
        int answer;
        const char *error;
    } rows[] = {
        { "a name that it does not like", SASL_BADPROT, "rejects the user's name" },
        { "no memory", SASL_NOMEM, "out of memory" },
    };
    const struct known known = { NULL, NULL, CLIENT_TOKEN };
    sasl_conn_t *client;
    const char *out, *mechanism;
    unsigned len;
    size_t i;

    (void)state;
    start_client();
    for (i = 0; i < COUNT(rows); i++) {
        const sasl_callback_t calls[] = {
            { SASL_CB_CANON_USER, HOST_CALL(refuse_name), (void *)&rows[i].answer },
            { SASL_CB_PASS, HOST_CALL(tell_pass), (void *)&known },
            { SASL_CB_LIST_END, NULL, NULL },
        };

        ROW(rows[i].name);
        client = NULL;
        assert_int_equal(sasl_client_new("imap", "mail.example.com", NULL, NULL, calls, 0, &client), SASL_OK);
        assert_int_equal(sasl_client_start(client, OAUTH, NULL, &out, &len, &mechanism), rows[i].answer);
        assert_non_null(strstr(sasl_errdetail(client), rows[i].error));
        sasl_dispose(&client);
    }
}

/* An API key without a name is refused in any case, and a JWT seldom for that. */
static void a_refusal_says_what_may_be_missing(void **state)
{
    static const struct {
        const char *name;
        struct known known;
        bool tells;
    } rows[] = {
        { "an API key and nobody", { NULL, NULL, API_KEY }, true },
        { "an API key of whom one acts as", { "alice", NULL, API_KEY }, false },
        { "an API key of who one is", { NULL, "alice", API_KEY }, false },
        { "a JWT and nobody", { NULL, NULL, CLIENT_TOKEN }, false },
    };
    sasl_callback_t calls[4];
    sasl_conn_t *client;
    const char *out, *mechanism;
    unsigned len;
    size_t i;

    (void)state;
    start_client();
    for (i = 0; i < COUNT(rows); i++) {
        ROW(rows[i].name);
        client = client_of(&rows[i].known, calls);
        assert_int_equal(sasl_client_start(client, OAUTH, NULL, &out, &len, &mechanism), SASL_CONTINUE);
        assert_int_equal(sasl_client_step(client, REFUSED, sizeof REFUSED - 1, NULL, &out, &len), SASL_CONTINUE);
        assert_int_equal(strstr(sasl_errdetail(client), "needs the name of its account") != NULL, rows[i].tells);
        sasl_dispose(&client);
    }
}

static sasl_secret_t *lent_secret;

static int lend_secret(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret)
{
    (void)conn, (void)id;
    *secret = lent_secret;
    return *(const int *)context;
}

static void a_secret_is_taken_by_its_length(void **state)
{
    static const struct {
        const char *name;
        size_t room, len; /* room 0: no secret at all */
        int answer, code;
        const char *error;
    } rows[] = {
        { "the longest", 65536, 65536, SASL_OK, SASL_BADPARAM, "too long" }, /* with what is around it */
        { "one that fits", 65536, 65536 - 100, SASL_OK, SASL_CONTINUE, NULL },
        { "a length that nobody believes", 8, 65536 + 1, SASL_OK, SASL_BADPARAM, "too long" },
        { "a login that was cancelled", 0, 0, SASL_OK, SASL_BADPARAM, "no token" },
        { "a failure", 0, 0, SASL_FAIL, SASL_FAIL, "no token" },
        { "no memory", 0, 0, SASL_NOMEM, SASL_NOMEM, "out of memory" },
    };
    sasl_conn_t *client;
    const char *out, *mechanism;
    unsigned len;
    size_t i;

    (void)state;
    start_client();
    for (i = 0; i < COUNT(rows); i++) {
        const sasl_callback_t calls[] = { { SASL_CB_PASS, HOST_CALL(lend_secret), (void *)&rows[i].answer },
                                          { SASL_CB_LIST_END, NULL, NULL } };

        ROW(rows[i].name);
        lent_secret = rows[i].room > 0 ? malloc(sizeof *lent_secret + rows[i].room) : NULL;
        if (lent_secret != NULL) {
            lent_secret->len = rows[i].len;
            memset(lent_secret->data, 'x', rows[i].room);
        }
        client = NULL;
        assert_int_equal(sasl_client_new("imap", "mail.example.com", NULL, NULL, calls, 0, &client), SASL_OK);
        assert_int_equal(sasl_client_start(client, OAUTH, NULL, &out, &len, &mechanism), rows[i].code);
        if (rows[i].error != NULL)
            assert_non_null(strstr(sasl_errdetail(client), rows[i].error));
        sasl_dispose(&client);
        free(lent_secret);
        lent_secret = NULL;
    }
}

/* libldap needs SASL_CONTINUE with the message, svn and Net::LDAP need SASL_OK: it depends on the service. */
static void the_result_of_the_message_is_what_the_service_needs(void **state)
{
    static const struct {
        const char *name, *service;
        bool takes_prompts;
        const char *option, *variable;
        int code;
    } rows[] = {
        { "libldap", "ldap", true, NULL, NULL, SASL_CONTINUE },
        { "Net::LDAP", "ldap", false, NULL, NULL, SASL_OK },
        { "svn", "svn", true, NULL, NULL, SASL_OK },
        { "svn without prompts", "svn", false, NULL, NULL, SASL_OK },
        { "any other service", "imap", true, NULL, NULL, SASL_CONTINUE },
        { "any other service without prompts", "smtp", false, NULL, NULL, SASL_CONTINUE },
        { "a service whose name begins alike", "ldaps", false, NULL, NULL, SASL_CONTINUE },
        { "the option overrules it", "svn", true, "continue", NULL, SASL_CONTINUE },
        { "in both directions", "imap", true, "done", NULL, SASL_OK },
        { "the environment overrules it", "imap", true, NULL, "done", SASL_OK },
        { "an empty variable is none", "svn", true, NULL, "", SASL_OK },
        { "the option counts before the environment", "imap", true, "continue", "done", SASL_CONTINUE },
        { "nothing else is understood", "imap", true, "ok", NULL, SASL_BADPARAM },
    };
    const struct known known = { "alice", NULL, CLIENT_TOKEN };
    sasl_interact_t *prompts = NULL;
    sasl_callback_t calls[4];
    sasl_conn_t *client;
    const char *out, *mechanism;
    unsigned len;
    size_t i, m;

    (void)state;
    start_client();
    for (i = 0; i < COUNT(rows); i++)
        for (m = 0; m < COUNT(mechanisms); m++) {
            ROW(rows[i].name);
            host_set(&client_host, "latchkey_client_result", rows[i].option);
            if (rows[i].variable != NULL)
                setenv("LATCHKEY_CLIENT_RESULT", rows[i].variable, 1);
            client = client_for(rows[i].service, &known, calls);
            assert_int_equal(sasl_client_start(client, mechanisms[m], rows[i].takes_prompts ? &prompts : NULL, &out,
                                               &len, &mechanism),
                             rows[i].code);
            if (rows[i].code == SASL_OK) { /* and nothing can follow, not as another mechanism's message either */
                assert_true(len > 0);
                assert_int_equal(sasl_client_step(client, REFUSED, sizeof REFUSED - 1, NULL, &out, &len), SASL_FAIL);
                assert_non_null(strstr(sasl_errdetail(client), "does not accept the token"));
            } else if (rows[i].code == SASL_CONTINUE) {
                assert_int_equal(sasl_client_step(client, NULL, 0, NULL, &out, &len), SASL_OK);
            } else {
                assert_non_null(strstr(sasl_errdetail(client), "latchkey_client_result"));
            }
            sasl_dispose(&client);
            unsetenv("LATCHKEY_CLIENT_RESULT");
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_sends_the_token_that_the_host_has),
        TEST(a_client_without_names_is_who_logged_in),
        TEST(a_client_may_wait_for_the_empty_challenge),
        TEST(a_client_answers_a_refusal_as_it_must),
        TEST(a_callback_that_fails_ends_the_exchange),
        TEST(a_host_that_does_not_take_the_name_ends_the_exchange),
        TEST(a_refusal_says_what_may_be_missing),
        TEST(a_secret_is_taken_by_its_length),
        TEST(the_result_of_the_message_is_what_the_service_needs),
    };

    return cmocka_run_group_tests(tests, set_up, client_tear_down);
}
