#include "tests/support/sasl_plug_in.h"

#define MANY 200 /* more than libsasl has room for beforehand */

/* The values of a property, with commas; NULL: it was not asked for. Lent until the next call. */
static const char *values_of(sasl_conn_t *server, const char *name)
{
    static char text[16384];
    const char *names[] = { name, NULL };
    struct propval found[2];
    size_t i, len = 0;

    if (prop_getnames(sasl_auxprop_getctx(server), names, found) < 1)
        return NULL;
    text[0] = '\0';
    for (i = 0; found[0].values != NULL && found[0].values[i] != NULL; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i > 0 ? "," : "", found[0].values[i]);
    assert_int_equal(found[0].nvalues, i);
    return text;
}

static void assert_values(sasl_conn_t *server, const char *name, const char *want)
{
    const char *values = values_of(server, name);

    if (want == NULL)
        assert_null(values);
    else
        assert_string_equal(values != NULL ? values : "(not asked for)", want);
}

static void groups_are_a_property_for_hosts_that_ask(void **state)
{
    static const struct {
        const char *name;
        const char *asked[4];
        const char *user, *groups;
        const char *plain, *starred; /* NULL: not asked for */
    } rows[] = {
        { "nobody asks", { NULL }, NULL, "[\"g-ops\"]", NULL, NULL },
        { "somebody asks for something else", { "mail", NULL }, NULL, "[\"g-ops\"]", NULL, NULL },
        { "the authzid's", { "latchkeyGroups", NULL }, NULL, "[\"g-ops\",\"g-dev\"]", "ops,dev", NULL },
        { "the authcid's", { "*latchkeyGroups", NULL }, NULL, "[\"g-ops\",\"g-dev\"]", NULL, "ops,dev" },
        { "both, among others",
          { "mail", "*latchkeyGroups", "latchkeyGroups", NULL },
          NULL,
          "[\"g-dev\"]",
          "dev",
          "dev" },
        { "none of these here", { "*latchkeyGroups", "latchkeyGroups", NULL }, NULL, "[\"g-other\"]", "", "" },
        { "none at all", { "*latchkeyGroups", "latchkeyGroups", NULL }, NULL, "[]", "", "" },
        { "of who acts as another", { "*latchkeyGroups", "latchkeyGroups", NULL }, "bin", "[\"g-ops\"]", "", "ops" },
    };
    sasl_conn_t *server;
    size_t i, m;

    (void)state;
    start_server();
    for (i = 0; i < COUNT(rows); i++)
        for (m = 0; m < COUNT(mechanisms); m++) {
            char *token = token_with("groups", rows[i].groups);

            ROW(rows[i].name);
            server = server_for("imap");
            if (rows[i].asked[0] != NULL)
                assert_int_equal(sasl_auxprop_request(server, (const char **)rows[i].asked), SASL_OK);
            assert_int_equal(log_in_whole(server, mechanisms[m], rows[i].user != NULL ? rows[i].user : "daemon", token),
                             SASL_OK);
            assert_values(server, "latchkeyGroups", rows[i].plain);
            assert_values(server, "*latchkeyGroups", rows[i].starred);
            sasl_dispose(&server);
            free(token);
        }
}

static void groups_that_somebody_else_told_are_gone(void **state)
{
    static const char *const asked[] = { "*latchkeyGroups", "latchkeyGroups", NULL };
    static const char *const users[] = { "daemon", "bin" };
    char *token = token_with("groups", "[]");
    sasl_conn_t *server;
    size_t i, j;

    (void)state;
    start_server();
    for (i = 0; i < COUNT(users); i++) {
        ROW(users[i]);
        server = server_for("imap");
        assert_int_equal(sasl_auxprop_request(server, (const char **)asked), SASL_OK);
        for (j = 0; asked[j] != NULL; j++)
            assert_int_equal(prop_set(sasl_auxprop_getctx(server), asked[j], "wheel", 0), SASL_OK);
        assert_values(server, "latchkeyGroups", "wheel");
        assert_int_equal(log_in_whole(server, OAUTH, users[i], token), SASL_OK);
        assert_values(server, "latchkeyGroups", "");
        assert_values(server, "*latchkeyGroups", "");
        sasl_dispose(&server);
    }
    free(token);
}

/* More than libsasl has room for beforehand. */
static void many_groups_are_all_offered(void **state)
{
    static const char *const asked[] = { "*latchkeyGroups", "latchkeyGroups", NULL };
    char *text, *claim, *want, *token;
    size_t text_len, claim_len, want_len, i;
    FILE *config = open_memstream(&text, &text_len), *groups = open_memstream(&claim, &claim_len),
         *list = open_memstream(&want, &want_len);
    sasl_conn_t *server;

    (void)state;
    assert_true(config != NULL && groups != NULL && list != NULL);
    fprintf(config,
            "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys.json\" }\n"
            "user \"daemon\" { sub = {\"sub-daemon\"} }\nrevocation_list = \"~/revoked\"\n");
    fputc('[', groups);
    for (i = 0; i < MANY; i++) {
        fprintf(config, "group \"a-group-with-a-long-name-%03zu\" { claim = {\"%zu\"} }\n", i, i);
        fprintf(groups, "%s\"%zu\"", i > 0 ? "," : "", i);
        fprintf(list, "%sa-group-with-a-long-name-%03zu", i > 0 ? "," : "", i);
    }
    fputc(']', groups);
    fclose(config), fclose(groups), fclose(list);
    put_file("many.conf", text);
    host_set(&server_host, "latchkey_config", config_path("many.conf"));
    start_server();
    token = token_with("groups", claim);
    server = server_for("imap");
    assert_int_equal(sasl_auxprop_request(server, (const char **)asked), SASL_OK);
    assert_int_equal(log_in_whole(server, OAUTH, NULL, token), SASL_OK);
    assert_values(server, "latchkeyGroups", want);
    assert_values(server, "*latchkeyGroups", want);
    sasl_dispose(&server);
    free(text), free(claim), free(want), free(token);
}

static void the_hosts_own_policy_is_still_asked(void **state)
{
    static const char *const asked[] = { "*latchkeyGroups", NULL };
    char *token = token_with(NULL, NULL);
    sasl_conn_t *server;

    (void)state;
    start_server();
    server = server_for("imap");
    policy.code = SASL_NOAUTHZ;
    assert_int_equal(sasl_auxprop_request(server, (const char **)asked), SASL_OK);
    assert_int_equal(log_in_whole(server, OAUTH, "bin", token), SASL_NOAUTHZ);
    assert_int_equal(policy.calls, 1);
    assert_string_equal(policy.user, "bin");
    assert_string_equal(policy.authcid, "daemon");
    ROW("and knows the groups by then");
    assert_string_equal(policy.groups, "ops");
    sasl_dispose(&server);
    free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(groups_are_a_property_for_hosts_that_ask),
        TEST(groups_that_somebody_else_told_are_gone),
        TEST(many_groups_are_all_offered),
        TEST(the_hosts_own_policy_is_still_asked),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
