/*
 * The plug-in in libsasl, for unit tests: a configuration and keys on disk, tokens, a server and a client host, and
 * what they were told. A test begins with start_server() or start_client(); tidy_up() restores the files and the
 * options.
 */
#ifndef LATCHKEY_SASL_PLUG_IN_H
#define LATCHKEY_SASL_PLUG_IN_H

#include "tests/support/fixture.h"
#include "tests/support/sasl_host.h"

#include <time.h>

#define LINES_MAX 4096
#define API_KEY   "lk_0123456789abcdefghij"
#define DISCOVERY "https://auth.example.com/tenant/t-1/v2.0/Auth/.well-known/openid-configuration"
#define OAUTH     "OAUTHBEARER"
#define XOAUTH    "XOAUTH2"
#define REFUSED   "{\"status\":\"invalid_token\",\"openid-configuration\":\"" DISCOVERY "\"}"
#define REFUSED_X "{\"status\":\"401\",\"schemes\":\"bearer\"}"

static const char *const mechanisms[] = { OAUTH, XOAUTH };

static struct signer *key, *next_key, *foreign_key;
static struct host server_host, client_host;
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
FIXTURE const char *put_file(const char *name, const char *text)
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

FIXTURE const char *config_path(const char *name)
{
    static char path[sizeof directory + 64];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

FIXTURE void put_keys(const char *name, const struct signer *signer, const char *kid)
{
    struct json *set[] = { signer_jwk(signer, kid, NULL) };
    char *text = key_set_of(set, 1);

    put_file(name, text);
    free(text);
}

FIXTURE char *token_by(const struct signer *signer, const char *kid, const char *tenant, const struct member *changes)
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

FIXTURE char *token_with(const char *claim, const char *value)
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

FIXTURE int keep_line(void *context, int level, const char *message)
{
    (void)context;
    if (line_count < LINES_MAX) {
        lines[line_count].level = level;
        snprintf(lines[line_count].text, sizeof lines[line_count].text, "%s", message);
        line_count++;
    }
    return SASL_OK;
}

FIXTURE size_t lines_with(const char *part, int level)
{
    size_t i, count = 0;

    for (i = 0; i < line_count; i++)
        count += (level == 0 || lines[i].level == level) && strstr(lines[i].text, part) != NULL;
    return count;
}

FIXTURE void assert_one_verdict(const char *reason, int level)
{
    char part[128];

    snprintf(part, sizeof part, " reason=%s ", reason);
    assert_int_equal(lines_with("verdict=", 0), 1);
    if (lines_with(part, 0) != 1)
        fail_msg("not %s: %s", reason, lines[line_count - 1].text);
    assert_int_equal(lines_with(part, level), 1);
}

/* No 16 bytes of it. */
FIXTURE void assert_not_logged(const char *secret)
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

FIXTURE int decide_policy(sasl_conn_t *conn, void *context, const char *user, unsigned user_len, const char *authcid,
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

FIXTURE void start_server(void)
{
    line_count = 0;
    assert_int_equal(sasl_server_init(server_calls, "latchkey-test"), SASL_OK);
}

FIXTURE void start_client(void)
{
    assert_int_equal(sasl_client_init(client_calls), SASL_OK);
}

FIXTURE sasl_conn_t *server_for(const char *service)
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

FIXTURE const char *name_of(sasl_conn_t *conn, int property)
{
    const void *name = NULL;

    return sasl_getprop(conn, property, &name) == SASL_OK ? name : NULL;
}

/* The first message, with the command or behind an empty challenge. */
FIXTURE int send_first(sasl_conn_t *server, const char *mechanism, bool initially, struct slice message,
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

FIXTURE int send_next(sasl_conn_t *server, struct slice message)
{
    const char *out = NULL;
    unsigned len = 0;
    int code = sasl_server_step(server, message.bytes, (unsigned)message.len, &out, &len);

    assert_int_equal(len, 0);
    return code;
}

/* To the end of the exchange, with the right answer to a refusal. */
FIXTURE int log_in(sasl_conn_t *server, const char *mechanism, bool initially, const char *user, const char *bearer,
                   struct slice *challenge)
{
    char *message = host_message(mechanism, user, bearer);
    int code = send_first(server, mechanism, initially, slice_of(message), challenge);

    free(message);
    return code;
}

FIXTURE struct slice last_of(const char *mechanism)
{
    return strcmp(mechanism, OAUTH) == 0 ? LITERAL("\1") : (struct slice){ "", 0 };
}

FIXTURE int log_in_whole(sasl_conn_t *server, const char *mechanism, const char *user, const char *bearer)
{
    struct slice challenge;
    int code = log_in(server, mechanism, true, user, bearer, &challenge);

    return code == SASL_CONTINUE ? send_next(server, last_of(mechanism)) : code;
}

/* Whatever the test left behind. */
FIXTURE int tidy_up(void **state)
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

FIXTURE int set_up(void **state)
{
    const char *path = getenv("PLUGIN");

    (void)state;
    key = signer_generate("ES256", 0);
    next_key = signer_generate("ES256", 0);
    foreign_key = signer_generate("ES256", 0);
    if (path == NULL || directory_make() != 0 || key == NULL || next_key == NULL || foreign_key == NULL)
        return -1;
    snprintf(folder, sizeof folder, "%s.plugins", directory);
    if (!host_plugin_folder(folder, path))
        return -1;
    write_file("revoked", "jti revoked\n");
    snprintf(main_path, sizeof main_path, "%s", path_in_directory("main.conf"));
    server_host.plugins = client_host.plugins = folder;
    return tidy_up(state);
}

FIXTURE int tear_down(void **state)
{
    (void)state;
    signer_free(&key);
    signer_free(&next_key);
    signer_free(&foreign_key);
    host_plugin_folder_remove(folder);
    return directory_remove();
}

#define TEST(function) cmocka_unit_test_teardown(function, tidy_up)

#endif
