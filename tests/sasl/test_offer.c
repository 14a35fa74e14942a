#include "tests/support/sasl_plug_in.h"

/* Whether both mechanisms are in the list of a new connection; they stand or fall together. */
static bool is_offered(const char *service, unsigned flags, unsigned external, unsigned least)
{
    const sasl_security_properties_t wanted = {
        .min_ssf = least, .max_ssf = 256, .maxbufsize = 65536, .security_flags = flags
    };
    const sasl_ssf_t ssf = external;
    sasl_conn_t *server = server_for(service);
    const char *list = NULL;
    bool offered;

    assert_int_equal(sasl_setprop(server, SASL_SSF_EXTERNAL, &ssf), SASL_OK);
    assert_int_equal(sasl_setprop(server, SASL_SEC_PROPS, &wanted), SASL_OK);
    if (sasl_listmech(server, NULL, "", " ", "", &list, NULL, NULL) != SASL_OK)
        list = "";
    offered = strstr(list, OAUTH) != NULL;
    assert_int_equal(offered, strstr(list, XOAUTH) != NULL);
    sasl_dispose(&server);
    return offered;
}

static void rule_40_it_is_offered_where_plain_is(void **state)
{
    static const struct {
        const char *name;
        unsigned flags, external, least;
        bool offered;
    } rows[] = {
        { "no protection, and none wanted", 0, 0, 0, true },
        { "no plain text, no protection", SASL_SEC_NOPLAINTEXT, 0, 0, false },
        { "no plain text, only integrity", SASL_SEC_NOPLAINTEXT, 1, 0, false },
        { "no plain text, 56 bits", SASL_SEC_NOPLAINTEXT, 56, 0, true },
        { "no plain text, AES-128", SASL_SEC_NOPLAINTEXT, 128, 0, true },
        { "no plain text, AES-256", SASL_SEC_NOPLAINTEXT, 256, 0, true },
        { "no plain text, ldapi", SASL_SEC_NOPLAINTEXT | SASL_SEC_NOANONYMOUS, 71, 0, true },
        { "56 bits are wanted, none are there", 0, 0, 56, false },
        { "56 bits are wanted and there", 0, 56, 56, true },
        { "128 bits are wanted and there", SASL_SEC_NOPLAINTEXT, 128, 128, true },
        { "128 bits are wanted, 56 are there", SASL_SEC_NOPLAINTEXT, 56, 128, false },
        { "nobody anonymous", SASL_SEC_NOANONYMOUS, 0, 0, true },
        { "credentials are passed", SASL_SEC_PASS_CREDENTIALS, 0, 0, true },
        { "forward secrecy", SASL_SEC_FORWARD_SECRECY, 0, 0, false },
        { "mutual authentication", SASL_SEC_MUTUAL_AUTH, 0, 0, false },
        { "no active attacks", SASL_SEC_NOACTIVE, 0, 0, false },
    };
    size_t i;

    (void)state;
    start_server();
    for (i = 0; i < COUNT(rows); i++) {
        ROW(rows[i].name);
        assert_int_equal(is_offered("imap", rows[i].flags, rows[i].external, rows[i].least), rows[i].offered);
    }
}

static bool is_listed(const char *service)
{
    return is_offered(service, 0, 256, 0);
}

static int log_in_once(const char *service, const char *mechanism, const char *bearer)
{
    sasl_conn_t *server = server_for(service);
    int code = log_in_whole(server, mechanism, NULL, bearer);

    sasl_dispose(&server);
    return code;
}

static void an_unconfigured_plug_in_offers_nothing(void **state)
{
    sasl_conn_t *server;
    struct slice challenge;

    (void)state;
    host_set(&server_host, "latchkey_config", NULL);
    start_server();
    assert_false(is_listed("imap"));
    assert_int_equal(lines_with("latchkey", 0), lines_with("latchkey", SASL_LOG_DEBUG));
    server = server_for("imap");
    assert_int_equal(log_in(server, OAUTH, true, NULL, "x", &challenge), SASL_NOMECH);
    sasl_dispose(&server);
}

static void a_configuration_may_break_and_be_repaired(void **state)
{
    static const struct {
        const char *name, *text, *service;
        bool offered;
    } changes[] = {
        { "it is not there", NULL, "imap", false },
        { "it is broken", "tenant {\n", "imap", false },
        { "it is repaired", main_text, "imap", true },
        { "it is broken again", "tenant \"t-1\" { }\n", "imap", false },
        { "the keys are missing",
          "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/absent.json\" }\n"
          "user \"daemon\" { sub = {\"sub-daemon\"} }\nrevocation_list = \"~/revoked\"\n",
          "imap", false },
        { "the revocation list is missing",
          "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys.json\" }\n"
          "user \"daemon\" { sub = {\"sub-daemon\"} }\nrevocation_list = \"~/absent\"\n",
          "imap", false },
        { "the keys are missing, and API keys need none",
          "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/absent.json\" }\n"
          "user \"bin\" { sub = {\"sub-bin\"} api_key = true }\n"
          "service \"keys\" { credentials = {\"api_key\"} }\nrevocation_list = \"~/revoked\"\n",
          "keys", true },
        { "it is repaired for good", main_text, "imap", true },
    };
    char *token = token_with(NULL, NULL);
    sasl_conn_t *server;
    size_t i;

    (void)state;
    unlink(config_path("changing.conf"));
    host_set(&server_host, "latchkey_config", config_path("changing.conf"));
    start_server();
    for (i = 0; i < COUNT(changes); i++) {
        ROW(changes[i].name);
        if (changes[i].text != NULL)
            put_file("changing.conf", changes[i].text);
        assert_int_equal(is_listed(changes[i].service), changes[i].offered);
    }
    server = server_for("imap");
    assert_int_equal(log_in_whole(server, OAUTH, NULL, token), SASL_OK);
    sasl_dispose(&server);
    free(token);
}

static void a_new_key_holds_without_a_restart(void **state)
{
    char *old = token_with(NULL, NULL), *new = token_by(next_key, "k-2", "t-1", NULL);
    sasl_conn_t *early;

    (void)state;
    start_server();
    early = server_for("imap");
    assert_int_equal(log_in_once("imap", OAUTH, old), SASL_OK);
    assert_int_equal(log_in_once("imap", OAUTH, new), SASL_BADAUTH);
    put_keys("keys.json", next_key, "k-2");
    assert_int_equal(log_in_once("imap", OAUTH, new), SASL_OK);
    assert_int_equal(log_in_once("imap", OAUTH, old), SASL_BADAUTH);
    ROW("also for a connection that was there before");
    assert_int_equal(log_in_whole(early, OAUTH, NULL, new), SASL_OK);
    sasl_dispose(&early);
    free(old);
    free(new);
}

static void the_option_names_the_service(void **state)
{
    char *token = token_with("groups", "[]");
    sasl_conn_t *server;

    (void)state;
    host_set(&server_host, "latchkey_service", "ldap");
    start_server();
    host_set(&server_host, "latchkey_service", "gone"); /* what it lent then may be gone now */
    server = server_for("imap");
    assert_int_equal(log_in_whole(server, OAUTH, NULL, token), SASL_NOAUTHZ);
    assert_one_verdict("group_missing", SASL_LOG_ERR);
    assert_int_equal(lines_with("service=ldap ", 0), 1);
    sasl_dispose(&server);
    free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rule_40_it_is_offered_where_plain_is),
        TEST(an_unconfigured_plug_in_offers_nothing),
        TEST(a_configuration_may_break_and_be_repaired),
        TEST(a_new_key_holds_without_a_restart),
        TEST(the_option_names_the_service),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
