#include "tests/support/latchkeyd_double.h"
#include "tests/support/fixture.h"
#include "tests/support/sasl_host.h"

#include <dlfcn.h>
#include <time.h>

#include "config/model.h"

#define LINES_MAX      4096
#define API_KEY        "lk_0123456789abcdefghij"
#define DISCOVERY      "https://auth.example.com/tenant/t-1/v2.0/Auth/.well-known/openid-configuration"
#define ONLY_DISCOVERY "https://auth.example.com/tenant/t-3/v2.0/Auth/.well-known/openid-configuration"
#define MANY           200
#define OAUTH          "OAUTHBEARER"
#define XOAUTH         "XOAUTH2"
#define REFUSED        "{\"status\":\"invalid_token\",\"openid-configuration\":\"" DISCOVERY "\"}"
#define REFUSED_X      "{\"status\":\"401\",\"schemes\":\"bearer\"}"

static const char *const mechanisms[] = { OAUTH, XOAUTH };

static struct signer *key, *next_key, *foreign_key;
static struct host server_host, client_host;
static struct latchkeyd_double latchkeyd;
static char folder[128], main_path[128];

static const char main_text[] =
    "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys.json\" algorithms = {\"ES256\"} }\n"
    "tenant \"t-2\" { url = \"https://auth.example.com\" keys = \"~/absent.json\" algorithms = {\"ES256\"} }\n"
    "tenant \"t-3\" { url = \"https://auth.example.com\" keys = \"~/keys.json\" algorithms = {\"ES256\"}\n"
    "  scope = {\"mail\", \"send\"} }\n"
    "user \"daemon\" { tenant = {\"t-1\", \"t-3\"} sub = {\"sub-daemon\"} }\n"
    "user \"bin\" { tenant = {\"t-1\"} sub = {\"sub-bin\"} api_key = true }\n"
    "user \"sys\" { tenant = {\"t-1\"} sub = {\"sub-two\"} }\n"
    "user \"games\" { tenant = {\"t-1\"} sub = {\"sub-two\"} }\n"
    "group \"ops\" { tenant = {\"t-1\", \"t-3\"} claim = {\"g-ops\"} }\n"
    "group \"dev\" { tenant = {\"t-1\", \"t-3\"} claim = {\"g-dev\"} }\n"
    "latchkeyd { socket = {\"~/latchkeyd\"} program = \"\" timeout = 1 }\n"
    "service \"imap\" { realm = {\"example.com\"} allow_authzid = {\"daemon\", \"bin:mail\"} }\n"
    "service \"smtp\" { credentials = {\"jwt\", \"api_key\"} realm = {\"example.com\"} }\n"
    "service \"ldap\" { require_group = {\"ops\"} allow_authzid = {\"daemon:dn:Mail\"} }\n"
    "service \"keys\" { credentials = {\"api_key\"} }\n"
    "service \"memcached\" { realm = {\"*\"} }\n"
    "revocation_list = \"~/revoked\"\n";

/* Rename the new one over the old one, as an administrator's tools do. `~` stands for the directory. */
static const char *put_file(const char *name, const char *text)
{
    static char path[sizeof directory + 64];
    char *written = NULL;
    size_t len;
    FILE *out = open_memstream(&written, &len);

    assert_non_null(out);
    for (; *text != '\0'; text++)
        fprintf(out, *text == '~' ? "%s" : "%.1s", *text == '~' ? directory : text);
    fclose(out);
    write_file("new", written);
    free(written);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    assert_int_equal(rename(path_in_directory("new"), path), 0);
    return path;
}

static void put_keys(const char *name, const struct signer *signer, const char *kid)
{
    struct json *set[] = { signer_jwk(signer, kid, NULL) };
    char *text = key_set_of(set, 1);

    put_file(name, text);
    free(text);
}

static char *token_by(const struct signer *signer, const char *kid, const char *tenant, const struct member *changes)
{
    const time_t now = time(NULL);
    char expires[32], issued[32], issuer[128], audience[64], header[128];
    const struct member claims[] = {
        { "iss", issuer },
        { "aud", audience },
        { "https://agglestone.com/tenantId", audience },
        { "sub", "\"sub-daemon\"" },
        { "exp", expires },
        { "iat", issued },
        { "jti", "\"j-1\"" },
        { "groups", "[\"g-ops\",\"g-dev\"]" },
    };
    char *payload, *token;

    snprintf(expires, sizeof expires, "%ld", (long)now + 300);
    snprintf(issued, sizeof issued, "%ld", (long)now);
    snprintf(issuer, sizeof issuer, "\"https://auth.example.com/tenant/%s/v2.0/Auth\"", tenant);
    snprintf(audience, sizeof audience, "\"%s\"", tenant);
    snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", kid);
    payload = object_text(claims, COUNT(claims), changes);
    token = signer_token(signer, "ES256", slice_of(header), slice_of(payload));
    assert_non_null(token);
    free(payload);
    return token;
}

static char *token_with(const char *claim, const char *value)
{
    const struct member changes[CHANGES_MAX] = { { claim, value } };

    return token_by(key, "k-1", "t-1", changes);
}

/* What the host was told. */
static struct {
    int level;
    char text[5000];
} lines[LINES_MAX];
static size_t line_count;

static int keep_line(void *context, int level, const char *message)
{
    (void)context;
    if (line_count < LINES_MAX) {
        lines[line_count].level = level;
        snprintf(lines[line_count].text, sizeof lines[line_count].text, "%s", message);
        line_count++;
    }
    return SASL_OK;
}

static size_t lines_with(const char *part, int level)
{
    size_t i, count = 0;

    for (i = 0; i < line_count; i++)
        count += (level == 0 || lines[i].level == level) && strstr(lines[i].text, part) != NULL;
    return count;
}

static void assert_one_verdict(const char *reason, int level)
{
    char part[128];

    snprintf(part, sizeof part, " reason=%s ", reason);
    assert_int_equal(lines_with("verdict=", 0), 1);
    if (lines_with(part, 0) != 1)
        fail_msg("not %s: %s", reason, lines[line_count - 1].text);
    assert_int_equal(lines_with(part, level), 1);
}

/* No 16 bytes of it. */
static void assert_not_logged(const char *secret)
{
    size_t i, len = strlen(secret);
    char part[17] = "";

    for (i = 0; i + 16 <= len; i++) {
        memcpy(part, secret + i, 16);
        assert_int_equal(lines_with(part, 0), 0);
    }
}

static struct {
    int code;
    unsigned calls;
    char user[256], authcid[256];
    char groups[256];
} policy;

static int decide_policy(sasl_conn_t *conn, void *context, const char *user, unsigned user_len, const char *authcid,
                         unsigned authcid_len, const char *realm, unsigned realm_len, struct propctx *properties)
{
    static const char *const names[] = { "*latchkeyGroups", NULL };
    struct propval found[2] = { { NULL, NULL, 0, 0 } };

    (void)conn, (void)context, (void)realm, (void)realm_len;
    policy.calls++;
    snprintf(policy.user, sizeof policy.user, "%.*s", (int)user_len, user);
    snprintf(policy.authcid, sizeof policy.authcid, "%.*s", (int)authcid_len, authcid);
    prop_getnames(properties, (const char **)names, found);
    snprintf(policy.groups, sizeof policy.groups, "%s", found[0].values != NULL ? found[0].values[0] : "");
    return policy.code;
}

static sasl_callback_t server_calls[] = {
    { SASL_CB_GETOPT, HOST_CALL(host_getopt), &server_host },
    { SASL_CB_GETPATH, HOST_CALL(host_getpath), &server_host },
    { SASL_CB_LOG, HOST_CALL(keep_line), NULL },
    { SASL_CB_PROXY_POLICY, HOST_CALL(decide_policy), NULL },
    { SASL_CB_LIST_END, NULL, NULL },
};
static const sasl_callback_t client_calls[] = {
    { SASL_CB_GETOPT, HOST_CALL(host_getopt), &client_host },
    { SASL_CB_GETPATH, HOST_CALL(host_getpath), &client_host },
    { SASL_CB_LOG, HOST_CALL(keep_line), NULL },
    { SASL_CB_LIST_END, NULL, NULL },
};

static void start_server(void)
{
    line_count = 0;
    assert_int_equal(sasl_server_init(server_calls, "latchkey-test"), SASL_OK);
}

static void start_client(void)
{
    assert_int_equal(sasl_client_init(client_calls), SASL_OK);
}

static sasl_conn_t *server_for(const char *service)
{
    sasl_conn_t *server = NULL;

    assert_int_equal(
        sasl_server_new(service, "mail.example.com", NULL, "192.0.2.1;143", "192.0.2.7;50122", NULL, 0, &server),
        SASL_OK);
    line_count = 0;
    policy.calls = 0;
    policy.code = SASL_OK;
    return server;
}

static const char *name_of(sasl_conn_t *conn, int property)
{
    const void *name = NULL;

    return sasl_getprop(conn, property, &name) == SASL_OK ? name : NULL;
}

/* The first message, with the command or behind an empty challenge. */
static int send_first(sasl_conn_t *server, const char *mechanism, bool initially, struct slice message,
                      struct slice *challenge)
{
    const char *out = NULL;
    unsigned len = 0;
    int code = sasl_server_start(server, mechanism, initially ? message.bytes : NULL,
                                 initially ? (unsigned)message.len : 0, &out, &len);

    if (!initially) {
        assert_int_equal(code, SASL_CONTINUE);
        assert_int_equal(len, 0);
        code = sasl_server_step(server, message.bytes, (unsigned)message.len, &out, &len);
    }
    *challenge = (struct slice){ out, len };
    return code;
}

static int send_next(sasl_conn_t *server, struct slice message)
{
    const char *out = NULL;
    unsigned len = 0;
    int code = sasl_server_step(server, message.bytes, (unsigned)message.len, &out, &len);

    assert_int_equal(len, 0);
    return code;
}

/* To the end of the exchange, with the right answer to a refusal. */
static int log_in(sasl_conn_t *server, const char *mechanism, bool initially, const char *user, const char *bearer,
                  struct slice *challenge)
{
    char *message = host_message(mechanism, user, bearer);
    int code = send_first(server, mechanism, initially, slice_of(message), challenge);

    free(message);
    return code;
}

static struct slice last_of(const char *mechanism)
{
    return strcmp(mechanism, OAUTH) == 0 ? LITERAL("\1") : (struct slice){ "", 0 };
}

static int log_in_whole(sasl_conn_t *server, const char *mechanism, const char *user, const char *bearer)
{
    struct slice challenge;
    int code = log_in(server, mechanism, true, user, bearer, &challenge);

    return code == SASL_CONTINUE ? send_next(server, last_of(mechanism)) : code;
}

static int log_in_once(const char *service, const char *mechanism, const char *bearer)
{
    sasl_conn_t *server = server_for(service);
    int code = log_in_whole(server, mechanism, NULL, bearer);

    sasl_dispose(&server);
    return code;
}

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

static const char *config_path(const char *name)
{
    static char path[sizeof directory + 64];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
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

/* What a client knows: a NULL of these has no callback at all; "?" is to be prompted for. */
struct known {
    const char *user, *authname, *pass;
};

static int tell_name(void *context, int id, const char **name, unsigned *len)
{
    const struct known *known = context;

    *name = id == SASL_CB_USER ? known->user : known->authname;
    if (len != NULL)
        *(size_t *)(void *)len = SIZE_MAX; /* libsasl's own callback writes a size_t; no length to go by */
    return SASL_OK;
}

static sasl_secret_t *told_secret;

static int tell_pass(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret)
{
    const struct known *known = context;
    size_t len = strlen(known->pass);

    (void)conn, (void)id;
    free(told_secret);
    told_secret = malloc(sizeof *told_secret + len);
    assert_non_null(told_secret);
    told_secret->len = len;
    memcpy(told_secret->data, known->pass, len);
    *secret = told_secret;
    return SASL_OK;
}

static void add_call(sasl_callback_t **at, unsigned long id, const char *what, sasl_callback_ft call,
                     const struct known *known)
{
    if (what == NULL)
        return;
    *(*at)++ = (sasl_callback_t){ id, strcmp(what, "?") == 0 ? NULL : call, (void *)known };
}

/* The callbacks stay the caller's as long as the connection. */
static sasl_conn_t *client_for(const char *service, const struct known *known, sasl_callback_t calls[4])
{
    sasl_conn_t *client = NULL;
    sasl_callback_t *at = calls;

    add_call(&at, SASL_CB_USER, known->user, HOST_CALL(tell_name), known);
    add_call(&at, SASL_CB_AUTHNAME, known->authname, HOST_CALL(tell_name), known);
    add_call(&at, SASL_CB_PASS, known->pass, HOST_CALL(tell_pass), known);
    *at = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
    assert_int_equal(sasl_client_new(service, "mail.example.com", NULL, NULL, calls, 0, &client), SASL_OK);
    line_count = 0;
    return client;
}

static sasl_conn_t *client_of(const struct known *known, sasl_callback_t calls[4])
{
    return client_for("imap", known, calls);
}

#define CLIENT_TOKEN "eyJhbGciOiJFUzI1NiJ9.e30.dGhlLXRva2Vu"
#define TYPED_TOKEN  "eyJhbGciOiJFUzI1NiJ9.e30.dHlwZWQtdG9rZW4"
#define HOST_PAIR    "host=mail.example.com\1"

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
        assert_non_null(strstr(sasl_errdetail(client), "goes on after its refusal"));
        assert_not_logged(CLIENT_TOKEN);
        sasl_dispose(&client);
    }
}

/* What a person types; NULL leaves the prompt unanswered. */
struct typed {
    const char *user, *authname, *pass;
};

/* The letters of what is asked for are added to `asked`. */
static void answer_prompts(sasl_interact_t *prompts, const struct typed *typed, bool with_length, char *asked)
{
    for (; prompts->id != SASL_CB_LIST_END; prompts++) {
        const char *answer = prompts->id == SASL_CB_USER ? typed->user
            : prompts->id == SASL_CB_AUTHNAME            ? typed->authname
                                                         : typed->pass;

        assert_true(strlen(prompts->prompt) > 0 && strlen(prompts->challenge) > 0);
        assert_null(strchr(prompts->prompt, ':'));                                 /* which hosts add */
        assert_int_equal(prompts->defresult != NULL, prompts->id == SASL_CB_USER); /* which may be left empty */
        strcat(asked, prompts->id == SASL_CB_USER ? "U" : prompts->id == SASL_CB_AUTHNAME ? "A" : "P");
        prompts->result = answer;
        prompts->len = answer != NULL && with_length ? (unsigned)strlen(answer) : 0;
    }
    strcat(asked, " ");
}

static const struct {
    const char *name, *mechanism;
    struct known known;
    struct typed typed;
    const char *asked; /* a word for each round: U the authzid, A the authcid, P the token */
    int code;
    const char *message; /* or the error */
} prompted[] = {
    { "the token",
      OAUTH,
      { NULL, NULL, "?" },
      { NULL, NULL, TYPED_TOKEN },
      "P ",
      SASL_CONTINUE,
      "n,,\1" HOST_PAIR "auth=Bearer " TYPED_TOKEN "\1\1" },
    { "the token, of a known user",
      OAUTH,
      { "alice", NULL, "?" },
      { NULL, NULL, TYPED_TOKEN },
      "P ",
      SASL_CONTINUE,
      "n,a=alice,\1" HOST_PAIR "auth=Bearer " TYPED_TOKEN "\1\1" },
    { "everything that is sent",
      OAUTH,
      { "?", "?", "?" },
      { "typed-user", "typed-name", TYPED_TOKEN },
      "UP ",
      SASL_CONTINUE,
      "n,a=typed-user,\1" HOST_PAIR "auth=Bearer " TYPED_TOKEN "\1\1" },
    { "an optional one without an answer",
      OAUTH,
      { "?", "?", "?" },
      { NULL, NULL, TYPED_TOKEN },
      "UP ",
      SASL_CONTINUE,
      "n,,\1" HOST_PAIR "auth=Bearer " TYPED_TOKEN "\1\1" },
    { "an optional one with an empty answer",
      OAUTH,
      { "?", "?", "?" },
      { "", NULL, TYPED_TOKEN },
      "UP ",
      SASL_CONTINUE,
      "n,,\1" HOST_PAIR "auth=Bearer " TYPED_TOKEN "\1\1" },
    { "a token with a line end",
      OAUTH,
      { NULL, NULL, "?" },
      { NULL, NULL, TYPED_TOKEN "\n" },
      "P ",
      SASL_CONTINUE,
      "n,,\1" HOST_PAIR "auth=Bearer " TYPED_TOKEN "\1\1" },
    { "an API key, and then whose it is",
      OAUTH,
      { "?", "?", "?" },
      { "", "typed-name", API_KEY },
      "UP A ",
      SASL_CONTINUE,
      "n,a=typed-name,\1" HOST_PAIR "auth=Bearer " API_KEY "\1\1" },
    { "an API key of whom one acts as",
      OAUTH,
      { "?", "?", "?" },
      { "typed-user", "typed-name", API_KEY },
      "UP ",
      SASL_CONTINUE,
      "n,a=typed-user,\1" HOST_PAIR "auth=Bearer " API_KEY "\1\1" },
    { "an API key without an answer whose it is",
      OAUTH,
      { NULL, "?", API_KEY },
      { NULL, NULL, NULL },
      "A ",
      SASL_CONTINUE,
      "n,,\1" HOST_PAIR "auth=Bearer " API_KEY "\1\1" },
    { "whom one acts as, for XOAUTH2",
      XOAUTH,
      { "?", "?", "?" },
      { "typed-user", "typed-name", TYPED_TOKEN },
      "UP ",
      SASL_CONTINUE,
      "user=typed-user\1auth=Bearer " TYPED_TOKEN "\1\1" },
    { "who one is, for XOAUTH2",
      XOAUTH,
      { "?", "?", "?" },
      { "", "typed-name", TYPED_TOKEN },
      "UP A ",
      SASL_CONTINUE,
      "user=typed-name\1auth=Bearer " TYPED_TOKEN "\1\1" },
    { "who one is alone",
      XOAUTH,
      { NULL, "?", CLIENT_TOKEN },
      { NULL, "typed-name", NULL },
      "A ",
      SASL_CONTINUE,
      "user=typed-name\1auth=Bearer " CLIENT_TOKEN "\1\1" },
    { "whom one acts as alone",
      OAUTH,
      { "?", NULL, CLIENT_TOKEN },
      { "typed-user", NULL, NULL },
      "U ",
      SASL_CONTINUE,
      "n,a=typed-user,\1" HOST_PAIR "auth=Bearer " CLIENT_TOKEN "\1\1" },
    { "no token", OAUTH, { "?", "?", "?" }, { "alice", "alice", NULL }, "UP ", SASL_BADPARAM, "no token" },
    { "an empty token", OAUTH, { NULL, NULL, "?" }, { NULL, NULL, "" }, "P ", SASL_BADPARAM, "holds nothing" },
    { "a token with words before it",
      OAUTH,
      { NULL, NULL, "?" },
      { NULL, NULL, "Bearer " TYPED_TOKEN },
      "P ",
      SASL_BADPARAM,
      "an authorization header" },
    { "no user, for XOAUTH2",
      XOAUTH,
      { "?", "?", "?" },
      { NULL, NULL, TYPED_TOKEN },
      "UP A ",
      SASL_BADPARAM,
      "XOAUTH2 needs the name of the user" },
    { "an empty user, for XOAUTH2",
      XOAUTH,
      { NULL, "?", "?" },
      { NULL, "", TYPED_TOKEN },
      "P A ",
      SASL_BADPARAM,
      "XOAUTH2 needs the name of the user" },
};

/* What a host tells its user that asks nobody. */
static const char *missing_for(const char *mechanism, const sasl_interact_t *prompts)
{
    bool has_token = false, has_authcid = false;

    for (; prompts->id != SASL_CB_LIST_END; prompts++) {
        has_token = has_token || prompts->id == SASL_CB_PASS;
        has_authcid = has_authcid || prompts->id == SASL_CB_AUTHNAME;
    }
    if (has_token)
        return "latchkey: no token";
    if (!has_authcid)
        return "latchkey: the program does not say whom to act as";
    return strcmp(mechanism, XOAUTH) == 0 ? "latchkey: XOAUTH2 needs" : "latchkey: an API key needs";
}

static void check_prompted(size_t i, bool with_length)
{
    sasl_callback_t calls[4];
    sasl_conn_t *client = client_of(&prompted[i].known, calls);
    sasl_interact_t *prompts = NULL;
    const char *out = NULL, *mechanism;
    char asked[64] = "";
    unsigned len = 0;
    int code;

    while ((code = sasl_client_start(client, prompted[i].mechanism, &prompts, &out, &len, &mechanism))
           == SASL_INTERACT) {
        assert_non_null(prompts);
        assert_true(strlen(asked) < 10); /* it ends */
        ROW(sasl_errdetail(client));
        assert_non_null(strstr(sasl_errdetail(client), missing_for(prompted[i].mechanism, prompts)));
        assert_null(strstr(sasl_errdetail(client), "successful"));
        answer_prompts(prompts, &prompted[i].typed, with_length, asked);
    }
    assert_null(prompts);
    assert_int_equal(code, prompted[i].code);
    assert_string_equal(asked, prompted[i].asked);
    if (code == SASL_CONTINUE)
        assert_true(slice_equal_string((struct slice){ out, len }, prompted[i].message));
    else
        assert_non_null(strstr(sasl_errdetail(client), prompted[i].message));
    assert_not_logged(TYPED_TOKEN);
    sasl_dispose(&client);
}

/* As libsasl's own mechanisms, no prompt is shown twice; PHP's LDAP would go on for ever. */
static void a_client_prompts_once_for_what_is_not_known(void **state)
{
    size_t i;

    (void)state;
    start_client();
    for (i = 0; i < COUNT(prompted); i++) {
        ROW(prompted[i].name);
        check_prompted(i, true);
        ROW("the same, from a host that tells no lengths");
        check_prompted(i, false);
    }
}

static void a_host_that_does_not_hand_back_its_prompts_has_no_answers(void **state)
{
    const struct known known = { "?", NULL, "?" };
    sasl_callback_t calls[4];
    sasl_conn_t *client;
    sasl_interact_t *prompts = NULL;
    const char *out, *mechanism;
    unsigned len;

    (void)state;
    start_client();
    client = client_of(&known, calls);
    assert_int_equal(sasl_client_start(client, OAUTH, &prompts, &out, &len, &mechanism), SASL_INTERACT);
    assert_int_equal(sasl_client_step(client, NULL, 0, NULL, &out, &len), SASL_BADPARAM);
    assert_non_null(strstr(sasl_errdetail(client), "no token"));
    sasl_dispose(&client);
    ROW("one that hands back others has none either");
    prompts->id = SASL_CB_LIST_END;
    client = client_of(&known, calls);
    {
        sasl_interact_t *first = NULL;

        assert_int_equal(sasl_client_start(client, OAUTH, &first, &out, &len, &mechanism), SASL_INTERACT);
        free(first);
    }
    assert_int_equal(sasl_client_start(client, OAUTH, &prompts, &out, &len, &mechanism), SASL_BADPARAM);
    assert_null(prompts);
    sasl_dispose(&client);
}

static void a_host_that_cannot_prompt_is_told_what_is_missing(void **state)
{
    static const struct {
        const char *name, *mechanism;
        struct known known;
        const char *error;
    } rows[] = {
        { "the token", OAUTH, { "alice", "alice", "?" }, "no token" },
        { "the user", XOAUTH, { NULL, "?", CLIENT_TOKEN }, "XOAUTH2 needs the name of the user" },
        { "the user, whom nobody asks for",
          XOAUTH,
          { NULL, NULL, CLIENT_TOKEN },
          "XOAUTH2 needs the name of the user" },
        { "the user, with an empty name", XOAUTH, { "", "", CLIENT_TOKEN }, "XOAUTH2 needs the name of the user" },
        { "a token that is empty", OAUTH, { NULL, NULL, "" }, "what the program passes on as the token holds nothing" },
        { "a token in quotes", OAUTH, { NULL, NULL, "'" CLIENT_TOKEN "'" }, "holds quotes around the token" },
        { "a user with a control character", OAUTH, { "a\1b", NULL, CLIENT_TOKEN }, "holds control characters" },
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
        assert_int_equal(sasl_client_start(client, rows[i].mechanism, NULL, &out, &len, &mechanism), SASL_BADPARAM);
        assert_non_null(strstr(sasl_errdetail(client), rows[i].error));
        assert_null(strstr(sasl_errdetail(client), "Unable to find a callback"));
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
        { "a name that it does not like", SASL_BADPROT, "does not take the user's name" },
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

static void a_file_with_the_token_wins(void **state)
{
    static const struct {
        const char *name, *option, *variable; /* files of the directory */
        mode_t mode;
        const char *content;
        struct known known;
        int code;
        const char *sent; /* or a part of the error */
    } rows[] = {
        { "that of the option, over prompting",
          "t-option",
          NULL,
          0600,
          "file-token\n",
          { NULL, NULL, "?" },
          SASL_CONTINUE,
          "file-token" },
        { "that of the option, over the host's password",
          "t-option",
          NULL,
          0400,
          "file-token",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_CONTINUE,
          "file-token" },
        { "that of the option, over everything that a person could be asked",
          "t-option",
          NULL,
          0600,
          "file-token\r\n",
          { NULL, "?", "?" },
          SASL_CONTINUE,
          "file-token" },
        { "that of the environment, over prompting",
          NULL,
          "t-env",
          0600,
          "env-token\n",
          { NULL, NULL, "?" },
          SASL_CONTINUE,
          "env-token" },
        { "that of the environment, over everything that a person could be asked",
          NULL,
          "t-env",
          0600,
          "env-token",
          { NULL, "?", "?" },
          SASL_CONTINUE,
          "env-token" },
        { "the option's over the environment's",
          "t-option",
          "t-absent",
          0600,
          "file-token",
          { NULL, "?", "?" },
          SASL_CONTINUE,
          "file-token" },
        { "one that others can read",
          "t-option",
          NULL,
          0640,
          "file-token",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_FAIL,
          NULL },
        { "one that others can write",
          "t-option",
          NULL,
          0622,
          "file-token",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_FAIL,
          NULL },
        { "one of the environment that others can read",
          NULL,
          "t-env",
          0604,
          "env-token",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_FAIL,
          NULL },
        { "one that is not there", "t-absent", NULL, 0600, NULL, { NULL, NULL, CLIENT_TOKEN }, SASL_FAIL, NULL },
        { "an empty one", "t-option", NULL, 0600, "", { NULL, NULL, CLIENT_TOKEN }, SASL_BADPARAM, "holds nothing" },
        { "a blank one",
          "t-option",
          NULL,
          0600,
          " \n",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_BADPARAM,
          "holds nothing but blanks" },
        { "one of two lines",
          "t-option",
          NULL,
          0600,
          "a\nb\n",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_BADPARAM,
          "holds several lines" },
        { "one with a second line end",
          "t-option",
          NULL,
          0600,
          "file-token\n\n",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_BADPARAM,
          "holds blanks or more than one line end" },
        { "a header",
          "t-env",
          NULL,
          0600,
          "Bearer file-token\n",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_BADPARAM,
          "holds an authorization header" },
        { "a reply",
          NULL,
          "t-env",
          0600,
          "{\"access_token\":\"file-token\"}\n",
          { NULL, "?", "?" },
          SASL_BADPARAM,
          "holds a JSON text" },
    };
    sasl_callback_t calls[4];
    sasl_conn_t *client;
    const char *out, *mechanism;
    char *want, *option = NULL, *variable = NULL;
    unsigned len;
    size_t i;

    (void)state;
    start_client();
    for (i = 0; i < COUNT(rows); i++) {
        const char *name = rows[i].option != NULL ? rows[i].option : rows[i].variable;

        ROW(rows[i].name);
        if (rows[i].content != NULL)
            assert_int_equal(chmod(write_file(name, rows[i].content), rows[i].mode), 0);
        if (rows[i].option != NULL)
            option = strdup(path_in_directory(rows[i].option));
        if (rows[i].variable != NULL) {
            variable = strdup(path_in_directory(rows[i].variable));
            setenv("LATCHKEY_TOKEN_FILE", variable, 1);
        }
        host_set(&client_host, "latchkey_token_file", option);
        if (rows[i].variable == NULL)
            setenv("LATCHKEY_TOKEN_FILE", "", 1); /* as good as none */
        client = client_of(&rows[i].known, calls);
        assert_int_equal(sasl_client_start(client, OAUTH, NULL, &out, &len, &mechanism), rows[i].code);
        if (rows[i].code == SASL_CONTINUE) {
            assert_true(asprintf(&want, "n,,\1" HOST_PAIR "auth=Bearer %s\1\1", rows[i].sent) > 0);
            assert_true(slice_equal_string((struct slice){ out, len }, want));
            free(want);
        } else {
            assert_non_null(strstr(sasl_errdetail(client), name));
            assert_non_null(strstr(sasl_errdetail(client), rows[i].sent != NULL ? rows[i].sent : "latchkey: "));
            assert_null(strstr(sasl_errdetail(client), "file-token"));
            assert_int_equal(strstr(sasl_errdetail(client), "the file /") != NULL, rows[i].code == SASL_BADPARAM);
        }
        assert_int_equal(lines_with("file-token", 0), 0);
        assert_int_equal(lines_with("env-token", 0), 0);
        sasl_dispose(&client);
        unsetenv("LATCHKEY_TOKEN_FILE");
        unlink(path_in_directory(name));
        free(option);
        free(variable);
        option = variable = NULL;
    }
}

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

/* The plug-in through its entry points, on memory that ends at some point. */
static struct {
    long left;        /* calls that still succeed; -1: all */
    long calls, live; /* blocks asked for, blocks not yet given back */
} heap;

static void *fail_malloc(size_t size)
{
    void *block;

    heap.calls++;
    if (heap.left == 0)
        return NULL;
    if (heap.left > 0)
        heap.left--;
    block = malloc(size);
    assert_non_null(block);
    heap.live++;
    return block;
}

static void count_free(void *block)
{
    heap.live -= block != NULL;
    free(block);
}

__attribute__((format(printf, 3, 4))) static void own_log(sasl_conn_t *conn, int level, const char *format, ...)
{
    char line[5000];
    va_list values;

    (void)conn;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    keep_line(NULL, level, line);
}

__attribute__((format(printf, 3, 4))) static void no_error(sasl_conn_t *conn, unsigned flags, const char *format, ...)
{
    (void)conn, (void)flags, (void)format;
}

static sasl_callback_t own_calls[4];

static int own_getcallback(sasl_conn_t *conn, unsigned long id, sasl_callback_ft *call, void **context)
{
    const sasl_callback_t *own;

    (void)conn;
    for (own = own_calls; own->id != SASL_CB_LIST_END; own++)
        if (own->id == id) {
            *call = own->proc;
            *context = own->context;
            return own->proc != NULL ? SASL_OK : SASL_INTERACT;
        }
    return SASL_FAIL;
}

/* A host writes in place to what it is lent, as XDR does that encodes it: nothing of it may be a constant. */
static void scribble(const char *lent, size_t len)
{
    volatile char *at = (volatile char *)(char *)lent;
    size_t i;

    for (i = 0; i < len; i++)
        at[i] = at[i];
}

static long names_left; /* calls of canon_user that still succeed; -1: all */

static int own_canon_user(sasl_conn_t *conn, const char *name, unsigned len, unsigned flags, sasl_out_params_t *out)
{
    (void)conn;
    scribble(name, len > 0 ? len : strlen(name));
    if (names_left == 0)
        return SASL_NOMEM;
    if (names_left > 0)
        names_left--;
    if ((flags & SASL_CU_AUTHID) != 0) {
        out->authid = name;
        out->alen = len > 0 ? len : (unsigned)strlen(name);
    }
    return SASL_OK;
}

/* Properties that hold nothing, in memory that is counted. */
static struct propctx *own_prop_new(unsigned size)
{
    (void)size;
    return fail_malloc(1);
}

static void own_prop_dispose(struct propctx **properties)
{
    count_free(*properties);
    *properties = NULL;
}

static void own_prop_erase(struct propctx *properties, const char *name)
{
    (void)properties, (void)name;
}

static int own_prop_set(struct propctx *properties, const char *name, const char *value, int len)
{
    (void)properties, (void)name, (void)value, (void)len;
    return SASL_OK;
}

static const sasl_utils_t own_utils = {
    .version = SASL_UTILS_VERSION,
    .getopt_context = &server_host,
    .getopt = host_getopt,
    .malloc = fail_malloc,
    .free = count_free,
    .getcallback = own_getcallback,
    .log = own_log,
    .seterror = no_error,
    .prop_new = own_prop_new,
    .prop_dispose = own_prop_dispose,
    .prop_erase = own_prop_erase,
    .prop_set = own_prop_set,
};

static void *plugin;

static sasl_server_plug_init_t *server_entry(void)
{
    sasl_server_plug_init_t *entry;

    *(void **)&entry = dlsym(plugin, "sasl_server_plug_init");
    assert_non_null(entry);
    return entry;
}

static sasl_client_plug_init_t *client_entry(void)
{
    sasl_client_plug_init_t *entry;

    *(void **)&entry = dlsym(plugin, "sasl_client_plug_init");
    assert_non_null(entry);
    return entry;
}

/* One exchange of the row, from initialisation to the end; SASL_OK only if all of it went well. */
static int serve_on_failing_heap(size_t row, struct slice message)
{
    static char properties;
    sasl_server_params_t params = { .service = "imap",
                                    .utils = &own_utils,
                                    .canon_user = own_canon_user,
                                    .ipremoteport = "192.0.2.7;50122",
                                    .propctx = (struct propctx *)&properties };
    sasl_out_params_t out_params = { .doneflag = 0 };
    sasl_server_plug_t *plugs = NULL;
    void *exchange = NULL;
    const char *out = NULL;
    unsigned len = 0;
    int version = 0, count = 0, i;
    int code = server_entry()(&own_utils, SASL_SERVER_PLUG_VERSION, &version, &plugs, &count);

    if (code != SASL_OK)
        return code;
    code = plugs[row].mech_avail(plugs[row].glob_context, &params, NULL);
    if (code == SASL_OK)
        code = plugs[row].mech_new(plugs[row].glob_context, &params, NULL, 0, &exchange);
    if (code == SASL_OK) {
        code = plugs[row].mech_step(exchange, &params, message.bytes, (unsigned)message.len, &out, &len, &out_params);
        if (code == SASL_CONTINUE) {
            assert_true(len > 0);
            code = plugs[row].mech_step(exchange, &params, "\1", 1, &out, &len, &out_params);
        }
        assert_int_equal(out_params.doneflag, code == SASL_OK);
        assert_ptr_equal(params.propctx, &properties);
        plugs[row].mech_dispose(exchange, &own_utils);
    }
    for (i = 0; i < count; i++) /* of which the last one ends them all */
        plugs[i].mech_free(plugs[i].glob_context, &own_utils);
    return code;
}

static void rule_41_a_server_without_memory_refuses_and_gives_everything_back(void **state)
{
    static const struct {
        const char *name, *claim, *value;
        int code;
    } rows[] = { { "a good token", NULL, NULL, SASL_OK }, { "an expired one", "exp", "1", SASL_BADAUTH } };
    size_t i, m;
    long n;

    (void)state;
    host_set(&server_host, "latchkey_service", "imap"); /* so that each option is copied */
    for (i = 0; i < COUNT(rows); i++)
        for (m = 0; m < COUNT(mechanisms); m++) {
            char *token = rows[i].claim != NULL ? token_with(rows[i].claim, rows[i].value) : token_with(NULL, NULL);
            char *message = host_message(mechanisms[m], "daemon", token);
            int code;

            ROW(rows[i].name);
            names_left = -1;
            for (n = 0; n < 100; n++) {
                heap.left = n;
                heap.calls = heap.live = 0;
                code = serve_on_failing_heap(m, slice_of(message));
                assert_int_equal(heap.live, 0);
                if (heap.calls <= n)
                    break; /* nothing failed */
                assert_int_equal(code, SASL_NOMEM);
            }
            assert_true(n >= 4 && n < 100);
            assert_int_equal(code, rows[i].code);
            ROW("libsasl has no memory for the names");
            heap.left = -1;
            for (names_left = 0; rows[i].code == SASL_OK && names_left < 2; /* the name that came, and the user's */) {
                const long had = names_left;

                assert_int_equal(serve_on_failing_heap(m, slice_of(message)), SASL_NOMEM);
                assert_int_equal(heap.live, 0);
                names_left = had + 1;
            }
            free(message);
            free(token);
        }
}

static int ask_on_failing_heap(size_t row, bool is_prompted)
{
    sasl_client_params_t params = {
        .service = "imap", .serverFQDN = "mail.example.com", .utils = &own_utils, .canon_user = own_canon_user
    };
    sasl_out_params_t out_params = { .doneflag = 0 };
    sasl_client_plug_t *plugs = NULL;
    static const struct typed typed = { "", "typed-name", TYPED_TOKEN }; /* the user of XOAUTH2 in a second round */
    sasl_interact_t *prompts = NULL;
    void *exchange = NULL;
    const char *out = NULL;
    char asked[64] = "";
    unsigned len = 0;
    int version = 0, count = 0, i;
    int code = client_entry()(&own_utils, SASL_CLIENT_PLUG_VERSION, &version, &plugs, &count);

    if (code != SASL_OK)
        return code;
    code = plugs[row].mech_new(plugs[row].glob_context, &params, &exchange);
    if (code == SASL_OK)
        code = plugs[row].mech_step(exchange, &params, NULL, 0, &prompts, &out, &len, &out_params);
    while (code == SASL_INTERACT) {
        assert_true(is_prompted && prompts != NULL);
        answer_prompts(prompts, &typed, true, asked);
        code = plugs[row].mech_step(exchange, &params, NULL, 0, &prompts, &out, &len, &out_params);
    }
    assert_null(prompts);
    assert_int_equal(code == SASL_CONTINUE, len > 0);
    if (code == SASL_CONTINUE)
        assert_int_equal(
            plugs[row].mech_step(exchange, &params, REFUSED, sizeof REFUSED - 1, NULL, &out, &len, &out_params),
            SASL_CONTINUE);
    plugs[row].mech_dispose(exchange, &own_utils);
    for (i = 0; i < count; i++) /* of which the last one ends them all */
        plugs[i].mech_free(plugs[i].glob_context, &own_utils);
    return code;
}

/* With the NUL that follows: those who treat it as a C string may write there, too. */
static void scribble_text(const char *lent, size_t len)
{
    assert_non_null(lent);
    scribble(lent, len + 1);
    assert_int_equal(lent[len], '\0');
}

static void check_success_data(const sasl_client_plug_t *client, sasl_client_params_t *params)
{
    static const struct known known = { NULL, NULL, CLIENT_TOKEN };
    sasl_out_params_t out_params = { .doneflag = 0 };
    sasl_callback_t *at = own_calls;
    void *exchange = NULL;
    const char *out = NULL;
    unsigned len = 0;

    add_call(&at, SASL_CB_PASS, known.pass, HOST_CALL(tell_pass), &known);
    *at = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
    assert_int_equal(client->mech_new(client->glob_context, params, &exchange), SASL_OK);
    assert_int_equal(client->mech_step(exchange, params, NULL, 0, NULL, &out, &len, &out_params), SASL_CONTINUE);
    assert_int_equal(out_params.doneflag, 0);
    assert_int_equal(client->mech_step(exchange, params, NULL, 0, NULL, &out, &len, &out_params), SASL_OK);
    assert_int_equal(out_params.doneflag, 1);
    assert_null(out);
    client->mech_dispose(exchange, &own_utils);
}

static void whatever_a_client_lends_may_be_written_to(void **state)
{
    static const struct typed typed = { "", "alice", CLIENT_TOKEN };
    static const struct known known = { "?", "?", "?" };
    sasl_client_params_t params = {
        .service = "imap", .serverFQDN = "mail.example.com", .utils = &own_utils, .canon_user = own_canon_user
    };
    sasl_out_params_t out_params = { .doneflag = 0 };
    sasl_client_plug_t *plugs;
    sasl_callback_t *at = own_calls;
    int version, count, accepted, i;

    (void)state;
    heap.left = names_left = -1;
    add_call(&at, SASL_CB_USER, known.user, HOST_CALL(tell_name), &known);
    add_call(&at, SASL_CB_AUTHNAME, known.authname, HOST_CALL(tell_name), &known);
    add_call(&at, SASL_CB_PASS, known.pass, HOST_CALL(tell_pass), &known);
    *at = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
    assert_int_equal(client_entry()(&own_utils, SASL_CLIENT_PLUG_VERSION, &version, &plugs, &count), SASL_OK);
    scribble((const char *)plugs, (size_t)count * sizeof *plugs);
    for (i = 0; i < count; i++)
        for (accepted = 0; accepted < 2; accepted++) {
            sasl_interact_t *prompts = NULL, *prompt;
            void *exchange = NULL;
            const char *out = NULL;
            char asked[64] = "";
            unsigned len = 0;
            int code;

            ROW(plugs[i].mech_name);
            scribble_text(plugs[i].mech_name, strlen(mechanisms[i]));
            assert_int_equal(plugs[i].mech_new(plugs[i].glob_context, &params, &exchange), SASL_OK);
            while ((code = plugs[i].mech_step(exchange, &params, NULL, 0, &prompts, &out, &len, &out_params))
                   == SASL_INTERACT) {
                for (prompt = prompts; prompt->id != SASL_CB_LIST_END; prompt++) {
                    scribble_text(prompt->prompt, strlen(prompt->prompt));
                    scribble_text(prompt->challenge, strlen(prompt->challenge));
                    if (prompt->defresult != NULL)
                        scribble_text(prompt->defresult, strlen(prompt->defresult));
                }
                answer_prompts(prompts, &typed, true, asked);
            }
            ROW("the message");
            assert_int_equal(code, SASL_CONTINUE);
            scribble_text(out, len);
            ROW(accepted ? "the last step after success" : "the answer to a refusal");
            code = plugs[i].mech_step(exchange, &params, accepted ? NULL : REFUSED, accepted ? 0 : sizeof REFUSED - 1,
                                      NULL, &out, &len, &out_params);
            assert_int_equal(code, accepted ? SASL_OK : SASL_CONTINUE);
            scribble_text(out, len);
            plugs[i].mech_dispose(exchange, &own_utils);
        }
    ROW("a host that may be sent data with success is not lent an empty answer");
    params.flags = SASL_SUCCESS_DATA;
    check_success_data(&plugs[0], &params);
    for (i = 0; i < count; i++)
        plugs[i].mech_free(plugs[i].glob_context, &own_utils);
}

static void whatever_a_server_lends_may_be_written_to(void **state)
{
    sasl_server_params_t params = {
        .service = "imap", .utils = &own_utils, .canon_user = own_canon_user, .ipremoteport = "192.0.2.7;50122"
    };
    sasl_out_params_t out_params = { .doneflag = 0 };
    sasl_server_plug_t *plugs;
    int version, count, i;

    (void)state;
    heap.left = names_left = -1;
    assert_int_equal(server_entry()(&own_utils, SASL_SERVER_PLUG_VERSION, &version, &plugs, &count), SASL_OK);
    scribble((const char *)plugs, (size_t)count * sizeof *plugs);
    for (i = 0; i < count; i++) {
        char *message = host_message(mechanisms[i], "daemon", "nonsense");
        void *exchange = NULL;
        const char *out = NULL;
        unsigned len = 0;

        ROW(plugs[i].mech_name);
        scribble_text(plugs[i].mech_name, strlen(mechanisms[i]));
        assert_int_equal(plugs[i].mech_new(plugs[i].glob_context, &params, NULL, 0, &exchange), SASL_OK);
        ROW("the empty challenge");
        assert_int_equal(plugs[i].mech_step(exchange, &params, NULL, 0, &out, &len, &out_params), SASL_CONTINUE);
        scribble_text(out, len);
        ROW("the error message");
        assert_int_equal(
            plugs[i].mech_step(exchange, &params, message, (unsigned)strlen(message), &out, &len, &out_params),
            SASL_CONTINUE);
        scribble_text(out, len);
        plugs[i].mech_dispose(exchange, &own_utils);
        free(message);
    }
    for (i = 0; i < count; i++)
        plugs[i].mech_free(plugs[i].glob_context, &own_utils);
}

static void rule_32_a_client_without_memory_refuses(void **state)
{
    static const struct known told = { "alice", "alice", CLIENT_TOKEN }, asked = { "?", "?", "?" };
    size_t m, way;
    long n;
    int code;

    (void)state;
    for (way = 0; way < 2; way++)
        for (m = 0; m < COUNT(mechanisms); m++) {
            const struct known *known = way == 0 ? &told : &asked;
            sasl_callback_t *at = own_calls;

            ROW(way == 0 ? "the host tells" : "the host prompts");
            add_call(&at, SASL_CB_USER, known->user, HOST_CALL(tell_name), known);
            add_call(&at, SASL_CB_AUTHNAME, known->authname, HOST_CALL(tell_name), known);
            add_call(&at, SASL_CB_PASS, known->pass, HOST_CALL(tell_pass), known);
            *at = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
            names_left = -1;
            for (n = 0; n < 100; n++) {
                heap.left = n;
                heap.calls = heap.live = 0;
                code = ask_on_failing_heap(m, way == 1);
                assert_int_equal(heap.live, 0);
                if (heap.calls <= n)
                    break;
                assert_int_equal(code, SASL_NOMEM);
            }
            assert_true(n >= 1 && n < 100);
            assert_int_equal(code, SASL_CONTINUE);
            ROW("libsasl has no memory for the names");
            heap.left = -1;
            for (n = 0; n < 2; n++) {
                names_left = n;
                assert_int_equal(ask_on_failing_heap(m, way == 1), SASL_NOMEM);
                assert_int_equal(heap.live, 0);
            }
        }
}

/* Before there is a connection libsasl writes to syslog(3) and not to the host. */
static void what_is_wrong_is_said_when_the_plug_in_is_loaded(void **state)
{
    static const struct {
        const char *name, *config; /* NULL: no option */
        size_t errors, notes;
    } rows[] = {
        { "nothing", "main.conf", 0, 0 },
        { "no configuration is not worth an error", NULL, 0, 1 },
        { "one that is not there is", "absent.conf", 1, 0 },
        { "one that is broken is", "broken.conf", 1, 0 },
    };
    sasl_server_plug_t *plugs;
    int version, count, i;
    size_t row;

    (void)state;
    heap.left = -1;
    put_file("broken.conf", "nonsense\n");
    for (row = 0; row < COUNT(rows); row++) {
        ROW(rows[row].name);
        host_set(&server_host, "latchkey_config", rows[row].config != NULL ? config_path(rows[row].config) : NULL);
        heap.live = 0;
        line_count = 0;
        assert_int_equal(server_entry()(&own_utils, SASL_SERVER_PLUG_VERSION, &version, &plugs, &count), SASL_OK);
        assert_int_equal(lines_with("nothing is offered", SASL_LOG_ERR), rows[row].errors);
        assert_int_equal(lines_with("nothing is offered", SASL_LOG_DEBUG), rows[row].notes);
        assert_int_equal(line_count, rows[row].errors + rows[row].notes);
        for (i = 0; i < count; i++)
            plugs[i].mech_free(plugs[i].glob_context, &own_utils);
        assert_int_equal(heap.live, 0);
    }
}

/* libsasl ends an exchange that failed, and some hosts go on all the same. */
static void a_step_without_an_exchange_is_refused(void **state)
{
    sasl_server_params_t params = { .service = "imap", .utils = &own_utils, .canon_user = own_canon_user };
    sasl_out_params_t out_params = { .doneflag = 0 };
    sasl_server_plug_t *plugs = NULL;
    const char *out = NULL;
    unsigned len = 0;
    int version = 0, count = 0, i;

    (void)state;
    heap.left = -1;
    assert_int_equal(server_entry()(&own_utils, SASL_SERVER_PLUG_VERSION, &version, &plugs, &count), SASL_OK);
    for (i = 0; i < count; i++)
        assert_int_equal(plugs[i].mech_step(NULL, &params, "\1", 1, &out, &len, &out_params), SASL_BADPROT);
    for (i = 0; i < count; i++)
        plugs[i].mech_free(plugs[i].glob_context, &own_utils);
}

static void an_older_libsasl_is_told_so(void **state)
{
    sasl_server_plug_t *server_plugs;
    sasl_client_plug_t *client_plugs;
    int version, count;

    (void)state;
    heap.left = -1;
    heap.live = 0;
    assert_int_equal(server_entry()(&own_utils, SASL_SERVER_PLUG_VERSION - 1, &version, &server_plugs, &count),
                     SASL_BADVERS);
    assert_int_equal(client_entry()(&own_utils, SASL_CLIENT_PLUG_VERSION - 1, &version, &client_plugs, &count),
                     SASL_BADVERS);
    assert_int_equal(heap.live, 0);
}

/* Whatever the test left behind. */
static int tidy_up(void **state)
{
    (void)state;
    sasl_done();
    put_file("main.conf", main_text);
    put_keys("keys.json", key, "k-1");
    memset(server_host.options, 0, sizeof server_host.options);
    memset(client_host.options, 0, sizeof client_host.options);
    host_set(&server_host, "latchkey_config", main_path);
    unsetenv("LATCHKEY_TOKEN_FILE");
    unsetenv("LATCHKEY_CLIENT_RESULT");
    unsetenv("USER"); /* which libsasl takes for a name where the host has no other */
    unsetenv("LOGNAME");
    return 0;
}

static int set_up(void **state)
{
    const char *path = getenv("PLUGIN");

    (void)state;
    key = signer_generate("ES256", 0);
    next_key = signer_generate("ES256", 0);
    foreign_key = signer_generate("ES256", 0);
    if (path == NULL || directory_make() != 0 || key == NULL || next_key == NULL || foreign_key == NULL)
        return -1;
    snprintf(folder, sizeof folder, "%s.plugins", directory);
    plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL || !host_plugin_folder(folder, path))
        return -1;
    write_file("revoked", "jti revoked\n");
    snprintf(main_path, sizeof main_path, "%s", path_in_directory("main.conf"));
    server_host.plugins = client_host.plugins = folder;
    return tidy_up(state);
}

static int tear_down(void **state)
{
    (void)state;
    signer_free(&key);
    signer_free(&next_key);
    signer_free(&foreign_key);
    free(told_secret);
    dlclose(plugin);
    host_plugin_folder_remove(folder);
    return directory_remove();
}

#define TEST(function) cmocka_unit_test_teardown(function, tidy_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rule_23_a_token_opens_who_it_names_and_whom_that_one_may_be),
        TEST(a_name_is_judged_in_the_servers_own_form),
        TEST(rule_36_a_bad_token_says_nothing_of_a_name_that_the_server_refuses),
        TEST(an_empty_initial_response_is_none),
        TEST(rule_39_a_refusal_tells_what_a_client_can_use),
        TEST(rule_36_a_refusal_says_no_more_than_it_should),
        TEST(rule_39_whatever_the_client_answers_the_refusal_stays),
        TEST(peer_an_exchange_judges_one_token),
        TEST(a_client_without_a_token_is_told_where_to_get_one),
        TEST(an_exchange_may_be_left_at_any_point),
        TEST(what_cannot_be_judged_fails_at_once_and_without_a_word),
        TEST(rule_40_it_is_offered_where_plain_is),
        TEST(an_unconfigured_plug_in_offers_nothing),
        TEST(what_is_wrong_is_said_when_the_plug_in_is_loaded),
        TEST(a_configuration_may_break_and_be_repaired),
        TEST(a_new_key_holds_without_a_restart),
        TEST(the_option_names_the_service),
        TEST(a_directory_is_known_by_its_host),
        TEST(rule_25_an_api_key_is_a_bearer_where_the_service_says_so),
        TEST(groups_are_a_property_for_hosts_that_ask),
        TEST(groups_that_somebody_else_told_are_gone),
        TEST(many_groups_are_all_offered),
        TEST(the_hosts_own_policy_is_still_asked),
        TEST(a_token_in_place_of_a_name_is_not_logged),
        TEST(a_client_sends_the_token_that_the_host_has),
        TEST(a_client_without_names_is_who_logged_in),
        TEST(a_client_may_wait_for_the_empty_challenge),
        TEST(a_client_answers_a_refusal_as_it_must),
        TEST(a_client_prompts_once_for_what_is_not_known),
        TEST(a_host_that_does_not_hand_back_its_prompts_has_no_answers),
        TEST(a_host_that_cannot_prompt_is_told_what_is_missing),
        TEST(a_callback_that_fails_ends_the_exchange),
        TEST(a_host_that_does_not_take_the_name_ends_the_exchange),
        TEST(a_refusal_says_what_may_be_missing),
        TEST(a_secret_is_taken_by_its_length),
        TEST(the_result_of_the_message_is_what_the_service_needs),
        TEST(a_file_with_the_token_wins),
        TEST(client_and_server_understand_each_other),
        TEST(rule_31_a_plug_in_comes_and_goes_many_times),
        TEST(two_users_of_libsasl_in_one_process_do_not_meet),
        TEST(rule_41_a_server_without_memory_refuses_and_gives_everything_back),
        TEST(whatever_a_client_lends_may_be_written_to),
        TEST(whatever_a_server_lends_may_be_written_to),
        TEST(rule_32_a_client_without_memory_refuses),
        TEST(a_step_without_an_exchange_is_refused),
        TEST(an_older_libsasl_is_told_so),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
