#include "tests/support/fixture.h"

#include "config/snapshot.h"
#include "tenant/oidc.h"

#define TIMEOUT_MS 4711
#define JSON_TYPE  "application/json"
#define ISSUER     "https://auth.example.com/tenant/t-1/v2.0/Auth"

static const struct config *config; /* tenants: t-1 with a url, w with a waived issuer, s with a secret and no url */
static const struct tenant *tenant, *waived, *secret;
static struct signer *es256, *ed25519;
static struct verdict verdict;

static struct http_reply reply_of(int status, const char *content_type, struct slice body)
{
    struct http_reply reply = { .arrived = true, .status = status, .retry_after = -1 };

    snprintf(reply.content_type, sizeof reply.content_type, "%s", content_type);
    reply.body = (struct secret){ (char *)body.bytes, body.len };
    return reply;
}

static void requests_go_to_these_addresses(void **state)
{
    struct tenant_request request = { .ca = { NULL, 0 } };

    (void)state;
    verdict = VERDICT_INIT;
    ROW("the metadata, without a credential");
    assert_true(oidc_discovery_request(&verdict, tenant, TIMEOUT_MS, &request));
    assert_string_equal(request.http.method, "GET");
    assert_string_equal(request.http.url, ISSUER "/.well-known/openid-configuration");
    assert_int_equal(request.http.timeout_ms, TIMEOUT_MS);
    assert_int_equal(request.http.api_key.len + request.http.bearer.len + request.http.body.len, 0);
    tenant_request_clear(&request);
    ROW("the keys, which no percent sign turns into something else");
    assert_true(
        oidc_keys_request(&verdict, tenant, "https://op.example/%s%n?x=1", "\"v1\"", NULL, TIMEOUT_MS, &request));
    assert_string_equal(request.http.url, "https://op.example/%s%n?x=1");
    assert_string_equal(request.http.etag, "\"v1\"");
    assert_null(request.http.last_modified);
    assert_int_equal(request.http.body_max, JWKS_MAX_LEN);
    assert_int_equal(request.http.api_key.len + request.http.bearer.len + request.http.body.len, 0);
    tenant_request_clear(&request);
    assert_true(
        oidc_keys_request(&verdict, tenant, "https://op.example/k", NULL, "Tue, 24 Nov 2026", TIMEOUT_MS, &request));
    assert_null(request.http.etag);
    assert_string_equal(request.http.last_modified, "Tue, 24 Nov 2026");
    tenant_request_clear(&request);
    ROW("a tenant without an address for them");
    assert_false(oidc_discovery_request(&verdict, secret, TIMEOUT_MS, &request));
    assert_int_equal(verdict.reason, REASON_CONFIG_INVALID);
    assert_string_equal(verdict.evidence, "tenant s has neither url nor discovery");
    tenant_request_clear(&request);
}

#define GOOD_ISSUER "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":"
#define NO_ISSUER   "the issuer in the metadata is not " ISSUER
#define NO_ADDRESS  "the metadata has no jwks_uri with https"

static const struct {
    const char *name;
    int status;
    const char *type, *body, *address, *evidence; /* address NULL: refused */
    bool is_waived;
} discoveries[] = {
    { "good ones", 200, JSON_TYPE, GOOD_ISSUER "\"https://op.example/keys\",\"token_endpoint\":\"http://x\"}",
      "https://op.example/keys", "", false },
    { "a port, a path and a query", 200, JSON_TYPE, GOOD_ISSUER "\"https://op.example:8443/a/b?c=d&e=%20\"}",
      "https://op.example:8443/a/b?c=d&e=%20", "", false },
    { "an address of IPv6", 200, JSON_TYPE, GOOD_ISSUER "\"https://[2001:db8::1]/k\"}", "https://[2001:db8::1]/k", "",
      false },
    { "another issuer", 200, JSON_TYPE, "{\"issuer\":\"https://evil.example\",\"jwks_uri\":\"https://a/k\"}", NULL,
      NO_ISSUER, false },
    { "the issuer with a slash behind it", 200, JSON_TYPE, "{\"issuer\":\"" ISSUER "/\",\"jwks_uri\":\"https://a/k\"}",
      NULL, NO_ISSUER, false },
    { "the issuer in another case", 200, JSON_TYPE,
      "{\"issuer\":\"https://AUTH.example.com/tenant/t-1/v2.0/Auth\",\"jwks_uri\":\"https://a/k\"}", NULL, NO_ISSUER,
      false },
    { "the issuer with a NUL behind it", 200, JSON_TYPE,
      "{\"issuer\":\"" ISSUER "\\u0000\",\"jwks_uri\":\"https://a/k\"}", NULL, NO_ISSUER, false },
    { "no issuer", 200, JSON_TYPE, "{\"jwks_uri\":\"https://a/k\"}", NULL, NO_ISSUER, false },
    { "an issuer that is null", 200, JSON_TYPE, "{\"issuer\":null,\"jwks_uri\":\"https://a/k\"}", NULL, NO_ISSUER,
      false },
    { "a list of issuers", 200, JSON_TYPE, "{\"issuer\":[\"" ISSUER "\"],\"jwks_uri\":\"https://a/k\"}", NULL,
      NO_ISSUER, false },
    { "a waived issuer may be any", 200, JSON_TYPE, "{\"issuer\":\"https://x.example\",\"jwks_uri\":\"https://a/k\"}",
      "https://a/k", "", true },
    { "a waived issuer may be missing", 200, JSON_TYPE, "{\"jwks_uri\":\"https://a/k\"}", "https://a/k", "", true },
    { "no address", 200, JSON_TYPE, "{\"issuer\":\"" ISSUER "\"}", NULL, NO_ADDRESS, false },
    { "an empty address", 200, JSON_TYPE, GOOD_ISSUER "\"\"}", NULL, NO_ADDRESS, false },
    { "an address that is null", 200, JSON_TYPE, GOOD_ISSUER "null}", NULL, NO_ADDRESS, false },
    { "an address that is a list", 200, JSON_TYPE, GOOD_ISSUER "[\"https://a/k\"]}", NULL, NO_ADDRESS, false },
    { "http", 200, JSON_TYPE, GOOD_ISSUER "\"http://a/k\"}", NULL, NO_ADDRESS, false },
    { "file", 200, JSON_TYPE, GOOD_ISSUER "\"file:///etc/passwd\"}", NULL, NO_ADDRESS, false },
    { "https in capitals", 200, JSON_TYPE, GOOD_ISSUER "\"HTTPS://a/k\"}", NULL, NO_ADDRESS, false },
    { "no host", 200, JSON_TYPE, GOOD_ISSUER "\"https://\"}", NULL, NO_ADDRESS, false },
    { "a relative one", 200, JSON_TYPE, GOOD_ISSUER "\"/keys\"}", NULL, NO_ADDRESS, false },
    { "a user", 200, JSON_TYPE, GOOD_ISSUER "\"https://op.example@evil.example/k\"}", NULL, NO_ADDRESS, false },
    { "a fragment", 200, JSON_TYPE, GOOD_ISSUER "\"https://a/k#x\"}", NULL, NO_ADDRESS, false },
    { "a blank", 200, JSON_TYPE, GOOD_ISSUER "\"https://a/ k\"}", NULL, NO_ADDRESS, false },
    { "a line end", 200, JSON_TYPE, GOOD_ISSUER "\"https://a/k\\r\\nX: y\"}", NULL, NO_ADDRESS, false },
    { "a NUL", 200, JSON_TYPE, GOOD_ISSUER "\"https://a/k\\u0000\"}", NULL, NO_ADDRESS, false },
    { "a backslash, which some take for a slash", 200, JSON_TYPE, GOOD_ISSUER "\"https://a\\\\@b/k\"}", NULL,
      NO_ADDRESS, false },
    { "beyond ASCII", 200, JSON_TYPE, GOOD_ISSUER "\"https://\xc3\xa4/k\"}", NULL, NO_ADDRESS, false },
    { "a page", 200, "text/html", "<html>", NULL, "the reply is not JSON, but \"text/html\"", false },
    { "a list", 200, JSON_TYPE, "[]", NULL, "the reply is not a JSON object", false },
    { "404", 404, JSON_TYPE, GOOD_ISSUER "\"https://a/k\"}", NULL, "status 404", false },
    { "304, though nothing was said to be there", 304, JSON_TYPE, GOOD_ISSUER "\"https://a/k\"}", NULL, "status 304",
      false },
};

static void the_metadata_name_the_keys_of_the_configured_issuer(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(discoveries); i++) {
        struct http_reply reply = reply_of(discoveries[i].status, discoveries[i].type, slice_of(discoveries[i].body));
        char address[HTTP_URL_MAX] = "";
        bool ok;

        ROW(discoveries[i].name);
        verdict = VERDICT_INIT;
        ok = oidc_discovery_read(&verdict, discoveries[i].is_waived ? waived : tenant, &reply, address);
        assert_string_equal(verdict.evidence, discoveries[i].evidence);
        assert_int_equal(ok, discoveries[i].address != NULL);
        assert_int_equal(verdict.reason, ok ? REASON_UNDECIDED : REASON_TENANT_UNAVAILABLE);
        assert_string_equal(address, ok ? discoveries[i].address : "");
    }
}

static void an_address_of_keys_has_a_limit(void **state)
{
    size_t len;

    (void)state;
    for (len = HTTP_URL_MAX - 1; len <= HTTP_URL_MAX; len++) {
        char *url = malloc(len + 1), *body, address[HTTP_URL_MAX];
        struct http_reply reply;

        ROW(len < HTTP_URL_MAX ? "2047 bytes" : "2048 bytes");
        assert_non_null(url);
        memset(url, 'u', len);
        url[len] = '\0';
        memcpy(url, "https://", 8);
        assert_true(asprintf(&body, GOOD_ISSUER "\"%s\"}", url) > 0);
        reply = reply_of(200, JSON_TYPE, slice_of(body));
        verdict = VERDICT_INIT;
        assert_int_equal(oidc_discovery_read(&verdict, tenant, &reply, address), len < HTTP_URL_MAX);
        if (len < HTTP_URL_MAX)
            assert_string_equal(address, url);
        free(body);
        free(url);
    }
}

/* A set of one key, or of two. malloc'ed. */
static char *set_of(const struct signer *first, const char *kid, const char *alg, const struct signer *second)
{
    struct json *keys[2] = { signer_jwk(first, kid, alg), NULL };

    if (second != NULL)
        keys[1] = signer_jwk(second, "k-2", NULL);
    return key_set_of(keys, second != NULL ? 2 : 1);
}

static bool is_withdrawn; /* by what was read last */

static enum reason read_keys(int status, const char *type, struct slice body)
{
    struct http_reply reply = reply_of(status, type, body);
    struct slice text = { NULL, 0 };
    bool ok;

    is_withdrawn = false;
    verdict = VERDICT_INIT;
    ok = oidc_keys_read(&verdict, tenant, &reply, &text, &is_withdrawn);
    assert_int_equal(ok, verdict.reason == REASON_UNDECIDED);
    assert_ptr_equal(text.bytes, ok ? body.bytes : NULL);
    assert_int_equal(text.len, ok ? body.len : 0);
    return verdict.reason;
}

static void rule_21_only_a_set_that_fits_the_tenant_replaces_another(void **state)
{
    char *good = set_of(es256, "k-1", "ES256", NULL), *both = set_of(ed25519, "k-1", NULL, es256),
         *twins = set_of(es256, "k-1", NULL, es256), *foreign = set_of(ed25519, "k-1", "EdDSA", NULL),
         *nameless = set_of(es256, NULL, NULL, NULL), *private, *kty;
    const struct {
        const char *name;
        int status;
        const char *type;
        struct slice body;
        enum reason want;
        const char *evidence;
    } cases[] = {
        { "a good one", 200, JSON_TYPE, slice_of(good), REASON_UNDECIDED, "" },
        { "as a plain file", 200, "application/octet-stream", slice_of(good), REASON_UNDECIDED, "" },
        { "without a type", 200, "", slice_of(good), REASON_UNDECIDED, "" },
        { "a good key beside one of another algorithm", 200, JSON_TYPE, slice_of(both), REASON_UNDECIDED, "" },
        { "two keys of one algorithm", 200, JSON_TYPE, slice_of(twins), REASON_UNDECIDED, "" },
        { "a key without a name", 200, JSON_TYPE, slice_of(nameless), REASON_UNDECIDED, "" },
        { "keys of other algorithms only", 200, JSON_TYPE, slice_of(foreign), REASON_JWKS_INVALID,
          "no key for any of the tenant's algorithms" },
        { "no keys with another status", 203, JSON_TYPE, LITERAL("{\"keys\":[]}"), REASON_JWKS_INVALID, NULL },
        { "no usable key", 200, JSON_TYPE, LITERAL("{\"keys\":[{}]}"), REASON_JWKS_INVALID, NULL },
        { "keys that are no array", 200, JSON_TYPE, LITERAL("{\"keys\":{}}"), REASON_JWKS_INVALID, NULL },
        { "keys that are null", 200, JSON_TYPE, LITERAL("{\"keys\":null}"), REASON_JWKS_INVALID, NULL },
        { "no keys, and something behind", 200, JSON_TYPE, LITERAL("{\"keys\":[]}x"), REASON_JWKS_INVALID, NULL },
        { "no set", 200, JSON_TYPE, LITERAL("{}"), REASON_JWKS_INVALID, NULL },
        { "a page", 200, "text/html", LITERAL("<html>"), REASON_JWKS_INVALID, NULL },
        { "nothing", 200, JSON_TYPE, { NULL, 0 }, REASON_JWKS_INVALID, NULL },
        { "half of it", 200, JSON_TYPE, { good, strlen(good) - 1 }, REASON_JWKS_INVALID, NULL },
        { "a secret", 200, JSON_TYPE,
          LITERAL("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}"),
          REASON_JWKS_INVALID, NULL },
        { "204", 204, "", { NULL, 0 }, REASON_JWKS_INVALID, NULL },
        { "304", 304, JSON_TYPE, slice_of(good), REASON_TENANT_UNAVAILABLE, "status 304" },
        { "a redirect", 301, JSON_TYPE, slice_of(good), REASON_TENANT_UNAVAILABLE, "status 301" },
        { "404", 404, JSON_TYPE, slice_of(good), REASON_TENANT_UNAVAILABLE, "status 404" },
        { "500", 500, JSON_TYPE, slice_of(good), REASON_TENANT_UNAVAILABLE, "status 500" },
        { "403", 403, JSON_TYPE, slice_of(good), REASON_CREDENTIAL_REFUSED, "status 403" },
    };
    struct http_reply absent = { .arrived = false, .error = "Could not resolve host: auth.example.com" };
    struct slice text = { NULL, 0 };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_int_equal(read_keys(cases[i].status, cases[i].type, cases[i].body), cases[i].want);
        if (cases[i].evidence != NULL)
            assert_string_equal(verdict.evidence, cases[i].evidence);
        assert_false(is_withdrawn);
    }
    ROW("the empty set withdraws the keys");
    assert_int_equal(read_keys(200, JSON_TYPE, LITERAL("{\"keys\":[]}")), REASON_UNDECIDED);
    assert_true(is_withdrawn);
    ROW("rule 20: a private member beside a good key");
    kty = strstr(good, "\"kty\"");
    assert_non_null(kty);
    assert_true(asprintf(&private, "%.*s\"d\":\"AAAA\",%s", (int)(kty - good), good, kty) > 0);
    assert_int_equal(read_keys(200, JSON_TYPE, slice_of(private)), REASON_JWKS_INVALID);
    ROW("what did not arrive");
    verdict = VERDICT_INIT;
    assert_false(oidc_keys_read(&verdict, tenant, &absent, &text, &is_withdrawn));
    assert_int_equal(verdict.reason, REASON_TENANT_UNAVAILABLE);
    assert_string_equal(verdict.evidence, "Could not resolve host: auth.example.com");
    free(good);
    free(both);
    free(twins);
    free(foreign);
    free(nameless);
    free(private);
}

static int set_up(void **state)
{
    (void)state;
    es256 = signer_generate("ES256", 0);
    ed25519 = signer_generate("EdDSA", 0);
    if (es256 == NULL || ed25519 == NULL || directory_make() != 0)
        return -1;
    write_file("secret", "0123456789abcdef0123456789abcdef");
    config = config_of("tenant \"t-1\" { url = \"https://auth.example.com\" }\n"
                       "tenant \"w\" { url = \"https://auth.example.com\" issuer = \"\" }\n"
                       "tenant \"s\" { issuer = \"i\" hmac_secret_file = \"~/secret\" algorithms = {\"HS256\"} }\n");
    tenant = &config->tenants[0];
    waived = &config->tenants[1];
    secret = &config->tenants[2];
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    config_release(&config);
    signer_free(&es256);
    signer_free(&ed25519);
    return directory_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_go_to_these_addresses),
        cmocka_unit_test(the_metadata_name_the_keys_of_the_configured_issuer),
        cmocka_unit_test(an_address_of_keys_has_a_limit),
        cmocka_unit_test(rule_21_only_a_set_that_fits_the_tenant_replaces_another),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
