#include "tests/support/sasl_plug_in.h"

/* Who may log in as whom. */
static const struct {
    const char *name, *service, *user;
    const char *claim, *value;
    int code;
    const char *authcid, *authzid; /* of a success */
    const char *reason;
} logins[] = {
    { "nobody in particular", "imap", NULL, NULL, NULL, SASL_OK, "daemon", "daemon", "ok" },
    { "oneself", "imap", "daemon", NULL, NULL, SASL_OK, "daemon", "daemon", "ok" },
    { "oneself, where nobody may be another", "pop", "daemon", NULL, NULL, SASL_OK, "daemon", "daemon", "ok" },
    { "another, where one may be anybody", "imap", "bin", NULL, NULL, SASL_OK, "daemon", "bin", "ok" },
    { "another who is no account", "imap", "user.shared", NULL, NULL, SASL_OK, "daemon", "user.shared", "ok" },
    { "root, where one may be anybody else", "imap", "root", NULL, NULL, SASL_NOAUTHZ, NULL, NULL,
      "authzid_not_allowed" },
    { "root with a blank behind it, which libsasl drops", "imap", "root ", NULL, NULL, SASL_NOAUTHZ, NULL, NULL,
      "authzid_not_allowed" },
    { "root in another case", "imap", "ROOT", NULL, NULL, SASL_NOAUTHZ, NULL, NULL, "authzid_not_allowed" },
    { "root as LDAP writes it", "imap", "u:root", NULL, NULL, SASL_NOAUTHZ, NULL, NULL, "authzid_not_allowed" },
    { "root in two realms", "imap", "root@example.com@example.com", NULL, NULL, SASL_BADAUTH, NULL, NULL,
      "realm_unknown" },
    { "a name that no account has", "imap", "u.plain:bin", NULL, NULL, SASL_NOAUTHZ, NULL, NULL,
      "authzid_not_allowed" },
    { "root with a blank before it", "imap", " root", NULL, NULL, SASL_NOAUTHZ, NULL, NULL, "authzid_not_allowed" },
    { "another, where nobody may", "pop", "bin", NULL, NULL, SASL_NOAUTHZ, NULL, NULL, "authzid_not_allowed" },
    { "the one who is listed", "imap", "mail", "sub", "\"sub-bin\"", SASL_OK, "bin", "mail", "ok" },
    { "one who is not", "imap", "daemon", "sub", "\"sub-bin\"", SASL_NOAUTHZ, NULL, NULL, "authzid_not_allowed" },
    { "oneself in another case", "pop", "Daemon", NULL, NULL, SASL_NOAUTHZ, NULL, NULL, "authzid_not_allowed" },
    { "oneself in a realm", "imap", "daemon@example.com", NULL, NULL, SASL_OK, "daemon", "daemon", "ok" },
    { "oneself in a realm in any case", "imap", "daemon@EXAMPLE.com", NULL, NULL, SASL_OK, "daemon", "daemon", "ok" },
    { "another in a realm", "imap", "bin@example.com", NULL, NULL, SASL_OK, "daemon", "bin", "ok" },
    { "root in a realm", "imap", "root@example.com", NULL, NULL, SASL_NOAUTHZ, NULL, NULL, "authzid_not_allowed" },
    { "root with a blank in a realm", "imap", "root @example.com", NULL, NULL, SASL_NOAUTHZ, NULL, NULL,
      "authzid_not_allowed" },
    { "oneself in an unknown realm", "imap", "daemon@example.org", NULL, NULL, SASL_BADAUTH, NULL, NULL,
      "realm_unknown" },
    { "oneself in a realm where there is none", "pop", "daemon@example.com", NULL, NULL, SASL_BADAUTH, NULL, NULL,
      "realm_unknown" },
    { "nothing but a realm", "imap", "@example.com", NULL, NULL, SASL_NOAUTHZ, NULL, NULL, "authzid_not_allowed" },
    { "one of a subject's two accounts", "imap", "games", "sub", "\"sub-two\"", SASL_OK, "games", "games", "ok" },
    { "the other one", "imap", "sys", "sub", "\"sub-two\"", SASL_OK, "sys", "sys", "ok" },
    { "a group that the service wants", "ldap", "daemon", NULL, NULL, SASL_OK, "daemon", "daemon", "ok" },
    { "no such group", "ldap", "daemon", "groups", "[\"g-dev\"]", SASL_NOAUTHZ, NULL, NULL, "group_missing" },
    { "expired", "imap", "daemon", "exp", "1", SASL_BADAUTH, NULL, NULL, "token_expired" },
    { "without exp", "imap", "daemon", "exp", NULL, SASL_BADAUTH, NULL, NULL, "claim_missing" },
    { "revoked", "imap", "daemon", "jti", "\"revoked\"", SASL_NOAUTHZ, NULL, NULL, "token_revoked" },
    { "of nobody here", "imap", NULL, "sub", "\"sub-stranger\"", SASL_BADAUTH, NULL, NULL, "user_unmapped" },
    { "for another service", "imap", "daemon", "aud", "\"t-9\"", SASL_BADAUTH, NULL, NULL, "audience_mismatch" },
};

static void check_login(size_t i, const char *mechanism, bool initially)
{
    sasl_conn_t *server = server_for(logins[i].service);
    char *token = logins[i].claim != NULL ? token_with(logins[i].claim, logins[i].value) : token_with(NULL, NULL);
    struct slice challenge;
    int code = log_in(server, mechanism, initially, logins[i].user, token, &challenge);

    if (logins[i].code == SASL_OK) {
        assert_int_equal(code, SASL_OK);
        assert_string_equal(name_of(server, SASL_AUTHUSER), logins[i].authcid);
        assert_string_equal(name_of(server, SASL_USERNAME), logins[i].authzid);
        assert_int_equal(policy.calls, 1);
        assert_string_equal(policy.user, logins[i].authzid);
        assert_string_equal(policy.authcid, logins[i].authcid);
    } else {
        assert_int_equal(code, SASL_CONTINUE);
        assert_true(challenge.len > 0 && challenge.bytes[0] == '{');
        assert_int_equal(send_next(server, last_of(mechanism)), logins[i].code);
        assert_null(name_of(server, SASL_USERNAME));
        assert_int_equal(policy.calls, 0);
    }
    assert_one_verdict(logins[i].reason, logins[i].code == SASL_OK ? SASL_LOG_NOTE : SASL_LOG_ERR);
    assert_int_equal(lines_with("rhost=192.0.2.7 ", 0), 1);
    assert_not_logged(token);
    free(token);
    sasl_dispose(&server);
}

static void rule_23_a_token_opens_who_it_names_and_whom_that_one_may_be(void **state)
{
    size_t i, m;

    (void)state;
    start_server();
    for (i = 0; i < COUNT(logins); i++) {
        ROW(logins[i].name);
        for (m = 0; m < COUNT(mechanisms); m++) {
            if (logins[i].user == NULL && strcmp(mechanisms[m], XOAUTH) == 0)
                continue; /* which always names somebody */
            check_login(i, mechanisms[m], true);
            check_login(i, mechanisms[m], false);
        }
    }
}

/* As Cyrus IMAP: letters become small, and a name may be no one of its own. As slapd: the connection remembers the
 * first name that it is asked about. */
static int fold_name(sasl_conn_t *conn, void *context, const char *in, unsigned in_len, unsigned flags,
                     const char *realm, char *out, unsigned out_max, unsigned *out_len)
{
    static const char *const names[] = { "*first", NULL };
    struct propval found[2] = { { NULL, NULL, 0, 0 } };
    struct propctx *properties = sasl_auxprop_getctx(conn);
    const bool *folds = context;
    unsigned i;

    (void)realm;
    assert_non_null(properties); /* a host may keep something there whenever it is asked */
    if (in_len >= out_max)
        return SASL_BUFOVER;
    if (memmem(in, in_len, "@refused", 8) != NULL)
        return SASL_BADAUTH;
    if (prop_getnames(properties, (const char **)names, found) < 1)
        prop_request(properties, (const char **)names);
    if ((flags & SASL_CU_AUTHID) != 0 && found[0].values == NULL)
        prop_set(properties, names[0], in, (int)in_len);
    for (i = 0; i < in_len; i++)
        out[i] = *folds && in[i] >= 'A' && in[i] <= 'Z' ? (char)(in[i] - 'A' + 'a') : in[i];
    out[in_len] = '\0';
    *out_len = in_len;
    return SASL_OK;
}

static const char *first_name(sasl_conn_t *server)
{
    static const char *const names[] = { "*first", NULL };
    struct propval found[2] = { { NULL, NULL, 0, 0 } };

    prop_getnames(sasl_auxprop_getctx(server), (const char **)names, found);
    return found[0].values != NULL ? found[0].values[0] : "";
}

static const struct {
    const char *name, *service;
    const char *realm; /* the server's own; NULL: none */
    bool folds;
    const char *user;
    int code;
    const char *authcid, *authzid, *reason;
} forms[] = {
    { "capitals, and a server that keeps them", "smtp", NULL, false, "Daemon", SASL_NOAUTHZ, NULL, NULL,
      "authzid_not_allowed" },
    { "capitals, and one that folds them", "smtp", NULL, true, "Daemon", SASL_OK, "daemon", "daemon", "ok" },
    { "the same with a realm", "smtp", NULL, true, "Daemon@Example.COM", SASL_OK, "daemon", "daemon", "ok" },
    { "folding makes no account of another", "smtp", NULL, true, "Bin", SASL_NOAUTHZ, NULL, NULL,
      "authzid_not_allowed" },
    { "another, in capitals, where one may be anybody", "imap", NULL, true, "Bin", SASL_OK, "daemon", "bin", "ok" },
    { "root is root in whatever letters", "imap", NULL, true, "ROOT", SASL_NOAUTHZ, NULL, NULL, "authzid_not_allowed" },
    { "blanks that libsasl drops", "imap", NULL, false, " daemon ", SASL_OK, "daemon", "daemon", "ok" },
    { "blanks around root", "imap", NULL, false, " root ", SASL_NOAUTHZ, NULL, NULL, "authzid_not_allowed" },
    { "nothing but blanks", "imap", NULL, false, "  ", SASL_NOAUTHZ, NULL, NULL, "authzid_not_allowed" },
    { "a name that the server refuses", "memcached", NULL, false, "daemon@refused", SASL_NOAUTHZ, NULL, NULL,
      "authzid_not_allowed" },
    { "a realm of the server that the service lists", "smtp", "Example.com", false, "daemon", SASL_OK,
      "daemon@Example.com", "daemon@Example.com", "ok" },
    { "one that it does not list", "pop", "example.com", false, "daemon", SASL_BADAUTH, NULL, NULL, "realm_unknown" },
    { "one of any, which the server adds", "memcached", "host.example.net", false, "daemon", SASL_OK,
      "daemon@host.example.net", "daemon@host.example.net", "ok" },
    { "one of any, which the client has", "memcached", "host.example.net", false, "daemon@example.org", SASL_OK,
      "daemon@host.example.net", "daemon@host.example.net", "ok" },
    { "any realm is one realm", "memcached", NULL, false, "root@example.org@example.com", SASL_BADAUTH, NULL, NULL,
      "realm_unknown" },
    { "any realm, and another account", "memcached", NULL, false, "bin@example.org", SASL_NOAUTHZ, NULL, NULL,
      "authzid_not_allowed" },
    { "an authzid of LDAP", "ldap", NULL, true, "u:Daemon", SASL_OK, "daemon", "daemon", "ok" },
    { "a name of the directory that the user may act as", "ldap", NULL, true, "dn:Mail", SASL_OK, "daemon", "dn:mail",
      "ok" },
    { "the same as a user's name, which is another one", "ldap", NULL, false, "u:dn:Mail", SASL_NOAUTHZ, NULL, NULL,
      "authzid_not_allowed" },
    { "and behind a capital", "ldap", NULL, false, "U:dn:Mail", SASL_NOAUTHZ, NULL, NULL, "authzid_not_allowed" },
    { "a name of the directory is not folded", "ldap", NULL, true, "dn:Daemon", SASL_NOAUTHZ, NULL, NULL,
      "authzid_not_allowed" },
};

static void a_name_is_judged_in_the_servers_own_form(void **state)
{
    char *token = token_with(NULL, NULL);
    struct slice challenge;
    sasl_conn_t *server;
    size_t i, m;

    (void)state;
    start_server();
    for (i = 0; i < COUNT(forms); i++)
        for (m = 0; m < COUNT(mechanisms); m++) {
            const sasl_callback_t calls[] = {
                { SASL_CB_CANON_USER, HOST_CALL(fold_name), (void *)&forms[i].folds },
                { SASL_CB_PROXY_POLICY, HOST_CALL(decide_policy), NULL },
                { SASL_CB_LIST_END, NULL, NULL },
            };
            int code;

            ROW(forms[i].name);
            assert_int_equal(
                sasl_server_new(forms[i].service, "mail.example.com", forms[i].realm, NULL, NULL, calls, 0, &server),
                SASL_OK);
            line_count = 0;
            policy.code = SASL_OK;
            code = log_in(server, mechanisms[m], true, forms[i].user, token, &challenge);
            if (code == SASL_CONTINUE)
                code = send_next(server, last_of(mechanisms[m]));
            assert_int_equal(code, forms[i].code);
            assert_one_verdict(forms[i].reason, code == SASL_OK ? SASL_LOG_NOTE : SASL_LOG_ERR);
            if (code == SASL_OK) {
                assert_string_equal(name_of(server, SASL_AUTHUSER), forms[i].authcid);
                assert_string_equal(name_of(server, SASL_USERNAME), forms[i].authzid);
            }
            ROW("the server remembers whom the token names, not whom the client named");
            assert_string_equal(first_name(server), code == SASL_OK ? "daemon" : "");
            sasl_dispose(&server);
        }
    free(token);
}

/* A directory behind a server may refuse the names of those whom it does not know. A client without a good token does
 * not hear which names those are. */
static void rule_36_a_bad_token_says_nothing_of_a_name_that_the_server_refuses(void **state)
{
    static const char *const names[] = { "daemon@example.org", "daemon@refused", "bin@refused" };
    char *token = token_with("sub", "\"sub-stranger\""), first[1024] = "";
    const bool folds = false;
    const sasl_callback_t calls[] = {
        { SASL_CB_CANON_USER, HOST_CALL(fold_name), (void *)&folds },
        { SASL_CB_LIST_END, NULL, NULL },
    };
    struct slice challenge;
    sasl_conn_t *server;
    size_t i, m;

    (void)state;
    start_server();
    for (m = 0; m < COUNT(mechanisms); m++)
        for (i = 0; i < COUNT(names); i++) {
            ROW(names[i]);
            assert_int_equal(sasl_server_new("memcached", "mail.example.com", NULL, NULL, NULL, calls, 0, &server),
                             SASL_OK);
            line_count = 0;
            assert_int_equal(log_in(server, mechanisms[m], true, names[i], token, &challenge), SASL_CONTINUE);
            if (i == 0)
                snprintf(first, sizeof first, "%.*s", SLICE_ARG(challenge));
            assert_true(slice_equal_string(challenge, first));
            assert_int_equal(send_next(server, last_of(mechanisms[m])), SASL_BADAUTH);
            assert_one_verdict("user_unmapped", SASL_LOG_ERR);
            sasl_dispose(&server);
        }
    free(token);
}

/* Whether a name "dn:…" is one of a directory depends on the host, not on the name of the block with the rules. */
static void a_directory_is_known_by_its_host(void **state)
{
    static const struct {
        const char *name, *block, *option, *service, *authzid;
        int code;
        const char *authzid_is; /* of a success */
    } rows[] = {
        { "slapd, its own block", "ldap", NULL, "ldap", "dn:Bin", SASL_OK, "dn:Bin" },
        { "a name that ends like a realm", "ldap", NULL, "ldap", "dn:Mail@example.com", SASL_OK,
          "dn:Mail@example.com" },
        { "slapd, a block in capitals", "LDAP", NULL, "ldap", "dn:Mail@example.com", SASL_OK, "dn:Mail@example.com" },
        { "slapd, the default block", "*", NULL, "ldap", "dn:Mail@example.com", SASL_OK, "dn:Mail@example.com" },
        { "slapd, the block of the option", "directory", "directory", "ldap", "dn:Bin", SASL_OK, "dn:Bin" },
        { "Cyrus IMAP, the default block", "*", NULL, "imap", "dn:Bin", SASL_NOAUTHZ, NULL },
        { "Cyrus IMAP, the block of slapd", "ldap", "ldap", "imap", "dn:Bin", SASL_NOAUTHZ, NULL },
    };
    char *token = token_with(NULL, NULL), text[512];
    sasl_conn_t *server;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        ROW(rows[i].name);
        snprintf(
            text, sizeof text,
            "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys.json\" algorithms = {\"ES256\"} }\n"
            "user \"daemon\" { sub = {\"sub-daemon\"} }\nrevocation_list = \"~/revoked\"\n"
            "service \"%s\" { allow_authzid = {\"daemon\"} }\n",
            rows[i].block);
        put_file("directory.conf", text);
        host_set(&server_host, "latchkey_config", config_path("directory.conf"));
        host_set(&server_host, "latchkey_service", rows[i].option);
        start_server();
        server = server_for(rows[i].service);
        assert_int_equal(log_in_whole(server, OAUTH, rows[i].authzid, token), rows[i].code);
        assert_one_verdict(rows[i].code == SASL_OK ? "ok" : "authzid_not_allowed",
                           rows[i].code == SASL_OK ? SASL_LOG_NOTE : SASL_LOG_ERR);
        if (rows[i].code == SASL_OK)
            assert_string_equal(name_of(server, SASL_USERNAME), rows[i].authzid_is);
        sasl_dispose(&server);
        sasl_done();
    }
    free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rule_23_a_token_opens_who_it_names_and_whom_that_one_may_be),
        TEST(a_name_is_judged_in_the_servers_own_form),
        TEST(rule_36_a_bad_token_says_nothing_of_a_name_that_the_server_refuses),
        TEST(a_directory_is_known_by_its_host),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
