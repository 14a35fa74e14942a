/*
 * A host process that lives long and gets the same token again: the signature is verified once, and all else is judged
 * each time.
 */
#include "tests/support/unit.h"

#include <unistd.h>

#include "tests/support/sasl_site.h"
#include "tests/support/verification_count.h"

static struct site site;
static struct host host;
static long seconds_later; /* by time(): 10 s after the files were written, they are not read again at each login */
static char last_line[2048];

__attribute__((visibility("default"))) time_t time(time_t *ret)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += seconds_later;
    if (ret != NULL)
        *ret = now.tv_sec;
    return now.tv_sec;
}

static int keep_line(void *context, int level, const char *message)
{
    (void)context, (void)level;
    if (strstr(message, "verdict=") != NULL) /* libsasl has more to say */
        snprintf(last_line, sizeof last_line, "%s", message);
    return SASL_OK;
}

/* One exchange to its end. The reason that the host process logs; without a usable configuration and key set the
 * plug-in offers no mechanism. */
static const char *reason_of(const char *token)
{
    static char reason[64];
    sasl_conn_t *server = NULL;
    const char *out = NULL, *found;
    unsigned len = 0;
    char *message = host_message("OAUTHBEARER", NULL, token);
    int code;

    last_line[0] = '\0';
    assert_int_equal(sasl_server_new("imap", "mail.example.com", NULL, NULL, NULL, NULL, 0, &server), SASL_OK);
    code = sasl_server_start(server, "OAUTHBEARER", message, (unsigned)strlen(message), &out, &len);
    if (code == SASL_CONTINUE)
        code = sasl_server_step(server, "\1", 1, &out, &len);
    sasl_dispose(&server);
    free(message);
    if (code == SASL_NOMECH)
        return "not offered";
    found = strstr(last_line, " reason=");
    assert_non_null(found);
    assert_int_equal(sscanf(found, " reason=%63s", reason), 1);
    assert_int_equal(code == SASL_OK, strcmp(reason, "ok") == 0);
    return reason;
}

/* The reason, and whether OpenSSL verified a signature for it. */
static void assert_login(const char *reason, unsigned verifications)
{
    const unsigned before = atomic_load(&verification_count);

    assert_string_equal(reason_of(site.good), reason);
    assert_int_equal(atomic_load(&verification_count) - before, verifications);
}

/* The key set of the site, or the other key under the same kid. */
static void put_key(const struct signer *signer, const char *kid)
{
    struct json *set = json_new_object(), *keys = json_new_array();

    assert_true(json_append(keys, signer_jwk(signer, kid, NULL)) && json_add(set, "keys", keys));
    site_put(&site, "keys.json", json_print(set, false));
    json_free(&set);
}

/* The configuration of the site, with one part replaced. NULL, NULL: as it was. */
static void configure(const char *part, const char *by)
{
    char path[4096], *text, *whole = NULL;
    const char *found;
    size_t len;
    FILE *file;

    site_replace(&site, 0);
    if (part == NULL)
        return;
    snprintf(path, sizeof path, "%s", site.config);
    file = fopen(path, "r");
    assert_non_null(file);
    text = calloc(1, 4096);
    len = fread(text, 1, 4095, file);
    fclose(file);
    assert_true(len > 0);
    found = strstr(text, part);
    assert_non_null(found);
    assert_true(asprintf(&whole, "%.*s%s%s", (int)(found - text), text, by, found + strlen(part)) > 0);
    site_put(&site, "latchkey.conf", whole);
    free(whole);
    free(text);
}

/* A token that was accepted twice, the second time without a look at its signature. */
static int set_up(void **state)
{
    (void)state;
    seconds_later = 10;
    site_put(&site, "revoked", "jti another\n");
    configure(NULL, NULL);
    assert_login("ok", 1);
    assert_login("ok", 0);
    assert_login("ok", 0);
    return 0;
}

static void rule_14_a_revoked_token_is_refused_though_seen(void **state)
{
    (void)state;
    site_put(&site, "revoked", "sub " SITE_SUBJECT "\n");
    assert_string_equal(reason_of(site.good), "token_revoked");
    site_put(&site, "revoked", "jti another\n");
    assert_string_equal(reason_of(site.good), "ok");
}

static void rule_14_an_expired_token_is_refused_though_seen(void **state)
{
    (void)state;
    seconds_later = 3600 + 60;
    assert_login("token_expired", 0);
    seconds_later = 10;
    assert_login("ok", 0);
    seconds_later = -3600; /* before its time, as after a clock was set back */
    assert_string_equal(reason_of(site.good), "token_from_future");
}

static void rule_14_a_token_of_a_withdrawn_key_is_refused_though_seen(void **state)
{
    (void)state;
    put_key(site.other_key, "other");
    assert_login("key_unknown", 0);
    put_key(site.other_key, "one"); /* the same kid */
    assert_login("signature_invalid", 1);
    put_key(site.key, "one"); /* what the former key set remembered is gone */
    assert_login("ok", 1);
    assert_login("ok", 0);
    site_put(&site, "keys.json", "{\"keys\":[]}");
    assert_login("not offered", 0);
}

static void rule_14_a_changed_configuration_holds_for_a_seen_token(void **state)
{
    static const struct {
        const char *name, *part, *by, *reason;
    } cases[] = {
        { "the subject has another user", "user \"" SITE_USER "\" { sub = {\"" SITE_SUBJECT "\"} }",
          "user \"" SITE_USER "\" { sub = {\"another\"} }", "user_unmapped" },
        { "the service requires another group", "501b38ea-16af-4cd2-9f20-35675d2c001e", "another", "group_missing" },
        { "the tenant does not allow the algorithm",
          "url =", "algorithms = {\"PS256\"} url =", "algorithm_not_allowed" },
        { "the tenant has another audience", "url =", "audience = {\"another\"} url =", "audience_mismatch" },
        { "the tenant has another issuer", "auth.example.com", "login.example.com", "issuer_untrusted" },
        { "the service takes no tokens", "max_age = 86400", "credentials = {\"api_key\"}", "credential_not_allowed" },
        { "the configuration is broken", "max_age = 86400", "max_age = nonsense", "not offered" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        configure(cases[i].part, cases[i].by);
        assert_string_equal(reason_of(site.good), cases[i].reason);
        configure(NULL, NULL);
        assert_string_equal(reason_of(site.good), "ok");
    }
}

int main(void)
{
    const sasl_callback_t calls[] = {
        { SASL_CB_GETOPT, HOST_CALL(host_getopt), &host },
        { SASL_CB_GETPATH, HOST_CALL(host_getpath), &host },
        { SASL_CB_LOG, HOST_CALL(keep_line), NULL },
        { SASL_CB_LIST_END, NULL, NULL },
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rule_14_a_revoked_token_is_refused_though_seen, set_up),
        cmocka_unit_test_setup(rule_14_an_expired_token_is_refused_though_seen, set_up),
        cmocka_unit_test_setup(rule_14_a_token_of_a_withdrawn_key_is_refused_though_seen, set_up),
        cmocka_unit_test_setup(rule_14_a_changed_configuration_holds_for_a_seen_token, set_up),
    };
    const char *plugin = getenv("PLUGIN");
    int failed;

    unsetenv("LATCHKEY_TOKEN_FILE");
    site_make(&site, "RS256", plugin != NULL ? plugin : ".libs/liblatchkey.so");
    host.plugins = site.plugins;
    host_set(&host, "latchkey_config", site.config);
    if (sasl_server_init(calls, "latchkey-test") != SASL_OK)
        site_die("libsasl");
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    sasl_done();
    site_remove(&site);
    return failed;
}
