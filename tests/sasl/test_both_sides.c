#include "tests/support/sasl_client_host.h"

/* Both sides of the plug-in, to the end; the code of the server. */
static int talk(sasl_conn_t *client, sasl_conn_t *server, const char *mechanism, bool initially)
{
    const char *from_client = NULL, *from_server = NULL, *chosen;
    unsigned client_len = 0, server_len = 0;
    int client_code = sasl_client_start(client, mechanism, NULL, initially ? &from_client : NULL,
                                        initially ? &client_len : NULL, &chosen);
    int code = sasl_server_start(server, mechanism, from_client, client_len, &from_server, &server_len);

    assert_int_equal(client_code, SASL_CONTINUE);
    while (code == SASL_CONTINUE) {
        client_code = sasl_client_step(client, from_server != NULL ? from_server : "", server_len, NULL, &from_client,
                                       &client_len);
        assert_true(client_code == SASL_OK || client_code == SASL_CONTINUE);
        code = sasl_server_step(server, from_client, client_len, &from_server, &server_len);
    }
    return code;
}

static void client_and_server_understand_each_other(void **state)
{
    static const struct {
        const char *name, *user, *claim, *value;
        int code;
    } rows[] = {
        { "a good token", "daemon", NULL, NULL, SASL_OK },
        { "a good token of who acts as another", "bin", NULL, NULL, SASL_OK },
        { "an expired one", "daemon", "exp", "1", SASL_BADAUTH },
        { "one of nobody here", "daemon", "sub", "\"x\"", SASL_BADAUTH },
        { "somebody who may not", "root", NULL, NULL, SASL_NOAUTHZ },
    };
    sasl_conn_t *client, *server;
    sasl_callback_t calls[4];
    size_t i, m, way;

    (void)state;
    start_server();
    start_client();
    for (i = 0; i < COUNT(rows); i++)
        for (m = 0; m < COUNT(mechanisms); m++)
            for (way = 0; way < 2; way++) {
                char *token = rows[i].claim != NULL ? token_with(rows[i].claim, rows[i].value) : token_with(NULL, NULL);
                const struct known known = { rows[i].user, NULL, token };

                ROW(rows[i].name);
                server = server_for("imap");
                client = client_of(&known, calls);
                assert_int_equal(talk(client, server, mechanisms[m], way == 0), rows[i].code);
                if (rows[i].code == SASL_OK)
                    assert_string_equal(name_of(server, SASL_USERNAME), name_of(client, SASL_USERNAME));
                assert_not_logged(token);
                sasl_dispose(&client);
                sasl_dispose(&server);
                free(token);
            }
}

static unsigned open_descriptors(void)
{
    DIR *entries = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(entries);
    while (readdir(entries) != NULL)
        count++;
    closedir(entries);
    return count;
}

static void rule_31_a_plug_in_comes_and_goes_many_times(void **state)
{
    char *token = token_with(NULL, NULL);
    const struct known known = { NULL, NULL, token };
    sasl_conn_t *client, *server;
    sasl_callback_t calls[4];
    unsigned before = 0;
    int i;

    (void)state;
    for (i = 0; i < 100; i++) {
        start_server();
        start_client();
        server = server_for("imap");
        client = client_of(&known, calls);
        assert_int_equal(talk(client, server, OAUTH, true), SASL_OK);
        sasl_dispose(&client);
        sasl_dispose(&server);
        if (i % 3 == 0) { /* one after the other, in both orders */
            sasl_server_done();
            sasl_client_done();
        } else if (i % 3 == 1) {
            sasl_client_done();
            sasl_server_done();
        } else {
            sasl_done();
        }
        if (i == 10)
            before = open_descriptors();
    }
    assert_int_equal(open_descriptors(), before);
    free(token);
}

/* A slapd that is also a client, say: what one has in its options is nothing to the other. */
static void two_users_of_libsasl_in_one_process_do_not_meet(void **state)
{
    char *token = token_with(NULL, NULL), *written, *own;
    const struct known known = { NULL, NULL, "?" };
    sasl_conn_t *client, *server;
    sasl_callback_t calls[4];

    (void)state;
    assert_true(asprintf(&written, "%s\n", token) > 0);
    host_set(&client_host, "latchkey_config", "/nonexistent");
    host_set(&client_host, "latchkey_service", "ldap");
    own = strdup(write_file("t-own", written));
    host_set(&client_host, "latchkey_token_file", own);
    host_set(&server_host, "latchkey_token_file", "/nonexistent");
    start_client();
    ROW("the client alone");
    client = client_of(&known, calls);
    start_server();
    server = server_for("imap");
    ROW("the server beside it, which ends before it");
    assert_int_equal(talk(client, server, OAUTH, true), SASL_OK);
    sasl_dispose(&server);
    sasl_server_done();
    sasl_dispose(&client);
    client = client_of(&known, calls);
    start_server();
    server = server_for("imap");
    assert_int_equal(talk(client, server, OAUTH, true), SASL_OK);
    sasl_dispose(&client);
    sasl_client_done();
    ROW("the server alone");
    sasl_dispose(&server);
    server = server_for("imap");
    assert_int_equal(log_in_whole(server, OAUTH, NULL, token), SASL_OK);
    sasl_dispose(&server);
    sasl_server_done();
    free(own);
    free(written);
    free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(client_and_server_understand_each_other),
        TEST(rule_31_a_plug_in_comes_and_goes_many_times),
        TEST(two_users_of_libsasl_in_one_process_do_not_meet),
    };

    return cmocka_run_group_tests(tests, set_up, client_tear_down);
}
