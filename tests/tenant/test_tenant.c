#include "tests/support/fixture.h"

#include <limits.h>

#include "token/jwt.h"
#include "config/snapshot.h"
#include "tenant/tenant.h"

#define TIMEOUT_MS 4711

static const struct config *config; /* tenants: t-1 with a url, p without, ca with ~/ca.pem */
static const struct tenant *tenant, *plain, *private;
static const struct tenant_credential credential = { .api_key = { "the-key", 7 } },
                                      nobody = { { NULL, 0 }, { NULL, 0 } };
static struct verdict verdict;

static void assert_text(struct slice got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    if (got.len > 0)
        assert_memory_equal(got.bytes, want, got.len);
}

/* What every request is, whatever it asks. */
static void assert_request(const struct tenant_request *request, const char *method, const char *url, const char *body)
{
    assert_string_equal(request->http.method, method);
    assert_string_equal(request->http.url, url);
    assert_text(request->http.body, body);
    if (body[0] != '\0')
        assert_string_equal(request->http.content_type, "application/json");
    else
        assert_null(request->http.content_type);
    assert_int_equal(request->http.timeout_ms, TIMEOUT_MS);
    assert_int_equal(request->http.body_max, 0);
    assert_null(request->http.etag);
    assert_null(request->http.last_modified);
}

#define BASE "https://auth.example.com/base/tenant/t-1/api/"

static void requests_go_to_these_addresses(void **state)
{
    const struct tenant_credential bearer = { .bearer = { "a.b.c", 5 } };
    struct tenant_request request = { .ca = { NULL, 0 } };

    (void)state;
    verdict = VERDICT_INIT;
    ROW("an exchange");
    assert_true(tenant_exchange_request(&verdict, tenant, LITERAL("sub-1"), LITERAL("the-key"), TIMEOUT_MS, &request));
    assert_request(&request, "POST", BASE "Auth/token-exchange", "{\"userId\":\"sub-1\"}");
    assert_text(request.http.api_key, "the-key");
    assert_text(request.http.bearer, "");
    assert_int_equal(request.http.ca.len, 0);
    tenant_request_clear(&request);
    ROW("of a subject that JSON must escape");
    assert_true(
        tenant_exchange_request(&verdict, tenant, LITERAL("a\"b\\\xc3\xa4"), LITERAL("k"), TIMEOUT_MS, &request));
    assert_request(&request, "POST", BASE "Auth/token-exchange", "{\"userId\":\"a\\\"b\\\\\xc3\xa4\"}");
    tenant_request_clear(&request);
    ROW("the keys");
    assert_true(tenant_keys_request(&verdict, tenant, &credential, TIMEOUT_MS, &request));
    assert_request(&request, "GET", BASE "APIKeys", "");
    assert_text(request.http.api_key, "the-key");
    tenant_request_clear(&request);
    ROW("a new key, by token");
    assert_true(tenant_new_key_request(&verdict, tenant, &bearer, "secondary", TIMEOUT_MS, &request));
    assert_request(&request, "POST", BASE "APIKeys", "{\"type\":\"secondary\"}");
    assert_text(request.http.api_key, "");
    assert_text(request.http.bearer, "a.b.c");
    tenant_request_clear(&request);
    ROW("users");
    assert_true(tenant_users_request(&verdict, tenant, &credential, 3, 50, TIMEOUT_MS, &request));
    assert_request(&request, "GET", BASE "Users?pageNumber=3&pageSize=50", "");
    tenant_request_clear(&request);
    assert_true(tenant_users_request(&verdict, tenant, &credential, UINT_MAX, UINT_MAX, TIMEOUT_MS, &request));
    assert_request(&request, "GET", BASE "Users?pageNumber=4294967295&pageSize=4294967295", "");
    tenant_request_clear(&request);
    assert_null(request.http.method);
    assert_null(request.body.bytes);
    tenant_request_clear(&request); /* an empty one */
    assert_int_equal(verdict.reason, REASON_UNDECIDED);
}

static const struct {
    const char *name;
    struct slice user;
    const char *path; /* NULL: refused */
} users[] = {
    { "an id", { "3f1c-22", 7 }, "3f1c-22" },
    { "whoever asks", { "me", 2 }, "me" },
    { "every unreserved mark", { "aZ09-._~", 8 }, "aZ09-._~" },
    { "a slash stays in its segment", { "a/b", 3 }, "a%2Fb" },
    { "what would end the path", { "a?b#c", 5 }, "a%3Fb%23c" },
    { "a percent sign", { "a%2Fb", 5 }, "a%252Fb" },
    { "a blank and a line end", { "a \r\nb", 5 }, "a%20%0D%0Ab" },
    { "a NUL", { "a\0b", 3 }, "a%00b" },
    { "beyond ASCII, in capitals", { "\xc3\xa4\xff", 3 }, "%C3%A4%FF" },
    { "an address", { "mailto:a@b", 10 }, "mailto%3Aa%40b" },
    { "dots within it", { "a..b", 4 }, "a..b" },
    { "three dots", { "...", 3 }, "..." },
    { "nothing, which would name all", { NULL, 0 }, NULL },
    { "a dot, which would name all (RFC 3986 \302\2475.2.4)", { ".", 1 }, NULL },
    { "two dots, which would name the API", { "..", 2 }, NULL },
};

static void a_user_id_stays_in_its_segment(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(users); i++) {
        struct tenant_request request = { .ca = { NULL, 0 } };
        char url[256];
        bool ok;

        ROW(users[i].name);
        verdict = VERDICT_INIT;
        ok = tenant_user_request(&verdict, tenant, &credential, users[i].user, TIMEOUT_MS, &request);
        assert_int_equal(ok, users[i].path != NULL);
        if (ok) {
            snprintf(url, sizeof url, BASE "Users/%s", users[i].path);
            assert_request(&request, "GET", url, "");
        } else {
            assert_int_equal(verdict.reason, REASON_TENANT_UNAVAILABLE);
        }
        tenant_request_clear(&request);
    }
}

static void addresses_have_limits(void **state)
{
    char id[3 * SUBJECT_MAX + 2], url[HTTP_URL_MAX + 1];
    struct tenant_request request = { .ca = { NULL, 0 } };
    size_t len;

    (void)state;
    for (len = SUBJECT_MAX; len <= SUBJECT_MAX + 1; len++) {
        memset(id, '/', len);
        ROW(len == SUBJECT_MAX ? "256 bytes that are all escaped" : "and one more");
        verdict = VERDICT_INIT;
        assert_int_equal(
            tenant_user_request(&verdict, tenant, &credential, (struct slice){ id, len }, TIMEOUT_MS, &request),
            len == SUBJECT_MAX);
        assert_int_equal(verdict.reason, len == SUBJECT_MAX ? REASON_UNDECIDED : REASON_TENANT_UNAVAILABLE);
        tenant_request_clear(&request);
    }
    memset(url, 'u', sizeof url);
    for (len = HTTP_URL_MAX - 1; len <= HTTP_URL_MAX; len++) {
        ROW(len < HTTP_URL_MAX ? "an address of 2047 bytes" : "and of one more");
        url[len] = '\0';
        verdict = VERDICT_INIT;
        assert_int_equal(tenant_request_begin(&verdict, tenant, TIMEOUT_MS, &request, "%s", url), len < HTTP_URL_MAX);
        if (len < HTTP_URL_MAX)
            assert_string_equal(request.http.url, url);
        else
            assert_string_equal(verdict.evidence, "the address is longer than 2047 bytes");
        tenant_request_clear(&request);
        url[len] = 'u';
    }
}

static void http_escape_has_a_limit(void **state)
{
    char escaped[8];

    (void)state;
    ROW("as much as fits with its NUL");
    assert_true(http_escape(LITERAL("abcdefg"), escaped, sizeof escaped));
    assert_string_equal(escaped, "abcdefg");
    assert_true(http_escape(LITERAL("a//"), escaped, sizeof escaped));
    assert_string_equal(escaped, "a%2F%2F");
    ROW("one more");
    assert_false(http_escape(LITERAL("abcdefgh"), escaped, sizeof escaped));
    assert_false(http_escape(LITERAL("aa//"), escaped, sizeof escaped));
    ROW("nothing");
    assert_true(http_escape(LITERAL(""), escaped, 1));
    assert_string_equal(escaped, "");
}

static void an_api_needs_a_url(void **state)
{
    struct tenant_request requests[5] = { { .ca = { NULL, 0 } } };
    struct verdict verdicts[5];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(verdicts); i++)
        verdicts[i] = VERDICT_INIT;
    assert_false(tenant_exchange_request(&verdicts[0], plain, LITERAL("s"), LITERAL("k"), TIMEOUT_MS, &requests[0]));
    assert_false(tenant_keys_request(&verdicts[1], plain, &credential, TIMEOUT_MS, &requests[1]));
    assert_false(tenant_new_key_request(&verdicts[2], plain, &credential, "primary", TIMEOUT_MS, &requests[2]));
    assert_false(tenant_users_request(&verdicts[3], plain, &credential, 1, 10, TIMEOUT_MS, &requests[3]));
    assert_false(tenant_user_request(&verdicts[4], plain, &nobody, LITERAL("me"), TIMEOUT_MS, &requests[4]));
    for (i = 0; i < COUNT(verdicts); i++) {
        assert_int_equal(verdicts[i].reason, REASON_CONFIG_INVALID);
        assert_string_equal(verdicts[i].evidence, "tenant p has no url");
        tenant_request_clear(&requests[i]);
    }
}

static const struct {
    const char *name, *content;
    mode_t mode;
    const char *complaint; /* NULL: it is taken */
} authorities[] = {
    { "there", "-----BEGIN CERTIFICATE-----\n", 0644, NULL },
    { "absent", NULL, 0, "cannot be opened: No such file or directory" },
    { "empty, which libcurl would take for none", "", 0644, "is empty" },
    { "writable by the group", "x", 0664, "is writable by group or others (mode 0664)" },
    { "writable by others", "x", 0646, "is writable by group or others (mode 0646)" },
};

static void rule_27_private_authorities_replace_the_public_ones_or_nothing_is_sent(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(authorities); i++) {
        struct tenant_request request = { .ca = { NULL, 0 } };
        char want[256];
        bool ok;

        ROW(authorities[i].name);
        unlink(path_in_directory("ca.pem"));
        if (authorities[i].content != NULL)
            assert_int_equal(chmod(write_file("ca.pem", authorities[i].content), authorities[i].mode), 0);
        verdict = VERDICT_INIT;
        ok = tenant_exchange_request(&verdict, private, LITERAL("s"), LITERAL("k"), TIMEOUT_MS, &request);
        assert_int_equal(ok, authorities[i].complaint == NULL);
        if (ok) {
            assert_text(request.http.ca, authorities[i].content);
        } else {
            assert_int_equal(verdict.reason, REASON_CONFIG_INVALID);
            snprintf(want, sizeof want, "%s: %s", path_in_directory("ca.pem"), authorities[i].complaint);
            assert_string_equal(verdict.evidence, want);
        }
        tenant_request_clear(&request);
    }
    ROW("a directory");
    unlink(path_in_directory("ca.pem"));
    assert_int_equal(mkdir(path_in_directory("ca.pem"), 0755), 0);
    {
        struct tenant_request request = { .ca = { NULL, 0 } };

        verdict = VERDICT_INIT;
        assert_false(tenant_keys_request(&verdict, private, &credential, TIMEOUT_MS, &request));
        assert_int_equal(verdict.reason, REASON_CONFIG_INVALID);
        tenant_request_clear(&request);
    }
    assert_int_equal(rmdir(path_in_directory("ca.pem")), 0);
}

/* A reply that arrived. The body is lent. */
static struct http_reply reply_of(int status, const char *content_type, struct slice body, int retry_after)
{
    struct http_reply reply = { .arrived = true, .status = status, .retry_after = retry_after };

    snprintf(reply.content_type, sizeof reply.content_type, "%s", content_type);
    reply.body = (struct secret){ (char *)body.bytes, body.len };
    return reply;
}

#define JSON_TYPE   "application/json"
#define UNAVAILABLE REASON_TENANT_UNAVAILABLE

/* What befalls every reply, whatever was asked. */
static const struct {
    const char *name;
    int status, retry_after;
    const char *type;
    struct slice body;
    enum reason want; /* REASON_UNDECIDED: good */
    const char *evidence;
} replies[] = {
    { "200", 200, -1, JSON_TYPE, { "{}", 2 }, REASON_UNDECIDED, "" },
    { "201", 201, -1, JSON_TYPE, { "{}", 2 }, REASON_UNDECIDED, "" },
    { "299", 299, -1, JSON_TYPE, { "{}", 2 }, REASON_UNDECIDED, "" },
    { "199", 199, -1, JSON_TYPE, { "{}", 2 }, UNAVAILABLE, "status 199" },
    { "300", 300, -1, JSON_TYPE, { "{}", 2 }, UNAVAILABLE, "status 300" },
    { "no status", 0, -1, JSON_TYPE, { "{}", 2 }, UNAVAILABLE, "status 0" },
    { "204, and no body", 204, -1, "", { NULL, 0 }, UNAVAILABLE, "the reply is not JSON, but \"\"" },
    { "rule 27: a redirect", 302, -1, JSON_TYPE, { "{}", 2 }, UNAVAILABLE, "status 302" },
    { "not modified", 304, -1, JSON_TYPE, { "{}", 2 }, UNAVAILABLE, "status 304" },
    { "400", 400, -1, JSON_TYPE, { "{}", 2 }, UNAVAILABLE, "status 400" },
    { "401", 401, -1, JSON_TYPE, { "{}", 2 }, REASON_CREDENTIAL_REFUSED, "status 401" },
    { "401 of another type", 401, -1, "text/html", { "<p>", 3 }, REASON_CREDENTIAL_REFUSED, "status 401" },
    { "402", 402, -1, JSON_TYPE, { "{}", 2 }, UNAVAILABLE, "status 402" },
    { "403", 403, -1, JSON_TYPE, { "{}", 2 }, REASON_CREDENTIAL_REFUSED, "status 403" },
    { "403 with Retry-After", 403, 5, JSON_TYPE, { "{}", 2 }, REASON_CREDENTIAL_REFUSED, "status 403" },
    { "404", 404, -1, JSON_TYPE, { "{}", 2 }, UNAVAILABLE, "status 404" },
    { "429", 429, -1, JSON_TYPE, { "{}", 2 }, UNAVAILABLE, "status 429" },
    { "429 with Retry-After", 429, 17, JSON_TYPE, { "{}", 2 }, UNAVAILABLE, "status 429, retry after 17 s" },
    { "503 with Retry-After", 503, 0, JSON_TYPE, { "{}", 2 }, UNAVAILABLE, "status 503, retry after 0 s" },
    { "500 with Retry-After", 500, 9, JSON_TYPE, { "{}", 2 }, UNAVAILABLE, "status 500" },
    { "200 with Retry-After", 200, 9, JSON_TYPE, { "{}", 2 }, REASON_UNDECIDED, "" },
    { "500", 500, -1, JSON_TYPE, { "{}", 2 }, UNAVAILABLE, "status 500" },
    { "503", 503, -1, "text/html", { "", 0 }, UNAVAILABLE, "status 503" },
    { "a type with parameters", 200, -1, "application/json; charset=utf-8", { "{}", 2 }, REASON_UNDECIDED, "" },
    { "a type with parameters and no blank",
      200,
      -1,
      "application/json;charset=utf-8",
      { "{}", 2 },
      REASON_UNDECIDED,
      "" },
    { "a type in capitals", 200, -1, "Application/JSON", { "{}", 2 }, REASON_UNDECIDED, "" },
    { "a type with the suffix", 200, -1, "application/problem+json", { "{}", 2 }, REASON_UNDECIDED, "" },
    { "the suffix alone", 200, -1, "+json", { "{}", 2 }, UNAVAILABLE, "the reply is not JSON, but \"+json\"" },
    { "no type", 200, -1, "", { "{}", 2 }, UNAVAILABLE, "the reply is not JSON, but \"\"" },
    { "a page", 200, -1, "text/html", { "{}", 2 }, UNAVAILABLE, "the reply is not JSON, but \"text/html\"" },
    { "plain text",
      200,
      -1,
      "text/plain; x=application/json",
      { "{}", 2 },
      UNAVAILABLE,
      "the reply is not JSON, but \"text/plain; x=application/json\"" },
    { "more than the type",
      200,
      -1,
      "application/jsonp",
      { "{}", 2 },
      UNAVAILABLE,
      "the reply is not JSON, but \"application/jsonp\"" },
    { "lines of JSON",
      200,
      -1,
      "application/json-seq",
      { "{}", 2 },
      UNAVAILABLE,
      "the reply is not JSON, but \"application/json-seq\"" },
    { "an empty body",
      200,
      -1,
      JSON_TYPE,
      { NULL, 0 },
      UNAVAILABLE,
      "the reply is malformed JSON: neither an object nor an array" },
    { "half a body",
      200,
      -1,
      JSON_TYPE,
      { "{\"token\":", 9 },
      UNAVAILABLE,
      "the reply is malformed JSON: the text ends too early" },
    { "a list", 200, -1, JSON_TYPE, { "[{}]", 4 }, UNAVAILABLE, "the reply is not a JSON object" },
    { "a text",
      200,
      -1,
      JSON_TYPE,
      { "\"a.b.c\"", 7 },
      UNAVAILABLE,
      "the reply is malformed JSON: neither an object nor an array" },
    { "a member twice",
      200,
      -1,
      JSON_TYPE,
      { "{\"a\":1,\"a\":2}", 13 },
      UNAVAILABLE,
      "the reply is malformed JSON: duplicate member name" },
    { "a byte order mark",
      200,
      -1,
      JSON_TYPE,
      { "\xef\xbb\xbf{}", 5 },
      UNAVAILABLE,
      "the reply is malformed JSON: neither an object nor an array" },
};

static void rule_27_a_reply_is_json_of_a_good_status(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(replies); i++) {
        struct http_reply reply = reply_of(replies[i].status, replies[i].type, replies[i].body, replies[i].retry_after);
        struct json *json = NULL;

        ROW(replies[i].name);
        verdict = VERDICT_INIT;
        assert_int_equal(tenant_reply_read(&verdict, &reply, &json), replies[i].want == REASON_UNDECIDED);
        assert_int_equal(verdict.reason, replies[i].want);
        assert_string_equal(verdict.evidence, replies[i].evidence);
        assert_int_equal(json != NULL, replies[i].want == REASON_UNDECIDED);
        json_free(&json);
        ROW("and its status alone");
        verdict = VERDICT_INIT;
        assert_int_equal(tenant_reply_check(&verdict, &reply), reply.status >= 200 && reply.status <= 299);
    }
}

static void what_did_not_arrive_says_nothing_of_the_credential(void **state)
{
    struct http_reply reply = { .arrived = false, .error = "Connection timed out after 3000 milliseconds" };
    struct secret token = { NULL, 0 };

    (void)state;
    verdict = VERDICT_INIT;
    assert_false(tenant_exchange_read(&verdict, &reply, &token));
    assert_int_equal(verdict.reason, REASON_TENANT_UNAVAILABLE);
    assert_string_equal(verdict.evidence, "Connection timed out after 3000 milliseconds");
    ROW("though a status and a body came before it broke off");
    reply = reply_of(401, JSON_TYPE, LITERAL("{\"token\":\"a.b.c\"}"), -1);
    reply.arrived = false;
    snprintf(reply.error, sizeof reply.error, "the reply is longer than 65536 bytes");
    verdict = VERDICT_INIT;
    assert_false(tenant_exchange_read(&verdict, &reply, &token));
    assert_int_equal(verdict.reason, REASON_TENANT_UNAVAILABLE);
    assert_string_equal(verdict.evidence, "the reply is longer than 65536 bytes");
    ROW("rule 34: remote text never reaches a format string, nor the log as it is");
    snprintf(reply.error, sizeof reply.error, "%%n%%s\n\033[2J");
    verdict = VERDICT_INIT;
    assert_false(tenant_exchange_read(&verdict, &reply, &token));
    assert_string_equal(verdict.evidence, "%n%s??[2J");
    assert_null(token.bytes);
}

#define NO_TOKEN "\"token\" in the reply is missing or malformed"

static const struct {
    const char *name;
    const char *body;
    const char *token, *evidence; /* token NULL: refused */
} exchanges[] = {
    { "a token", "{\"token\":\"a.b.c\",\"tokenType\":\"Bearer\",\"expiresIn\":3600}", "a.b.c", "" },
    { "a token alone", "{\"token\":\"a.b.c\"}", "a.b.c", "" },
    { "no token", "{\"tokenType\":\"Bearer\"}", NULL, NO_TOKEN },
    { "another case", "{\"Token\":\"a.b.c\"}", NULL, NO_TOKEN },
    { "an empty token", "{\"token\":\"\"}", NULL, NO_TOKEN },
    { "null", "{\"token\":null}", NULL, NO_TOKEN },
    { "a number", "{\"token\":5}", NULL, NO_TOKEN },
    { "a list", "{\"token\":[\"a.b.c\"]}", NULL, NO_TOKEN },
    { "a blank in it", "{\"token\":\"a b\"}", NULL, NO_TOKEN },
    { "a line end behind it", "{\"token\":\"a.b.c\\n\"}", NULL, NO_TOKEN },
    { "a NUL behind it", "{\"token\":\"a.b.c\\u0000\"}", NULL, NO_TOKEN },
    { "DEL in it", "{\"token\":\"a\\u007fc\"}", NULL, NO_TOKEN },
    { "beyond ASCII", "{\"token\":\"\xc3\xa4\"}", NULL, NO_TOKEN },
    { "a quotation mark, which the answer to who asks could not carry", "{\"token\":\"a\\\"b\"}", NULL, NO_TOKEN },
    { "a backslash", "{\"token\":\"a\\\\b\"}", NULL, NO_TOKEN },
};

static void an_exchange_gives_a_token(void **state)
{
    size_t i, len;

    (void)state;
    for (i = 0; i < COUNT(exchanges); i++) {
        struct http_reply reply = reply_of(200, JSON_TYPE, slice_of(exchanges[i].body), -1);
        struct secret token = { NULL, 0 };

        ROW(exchanges[i].name);
        verdict = VERDICT_INIT;
        assert_int_equal(tenant_exchange_read(&verdict, &reply, &token), exchanges[i].token != NULL);
        assert_string_equal(verdict.evidence, exchanges[i].evidence);
        assert_int_equal(verdict.reason, exchanges[i].token != NULL ? REASON_UNDECIDED : REASON_TENANT_UNAVAILABLE);
        assert_text((struct slice){ token.bytes, token.len }, exchanges[i].token != NULL ? exchanges[i].token : "");
        secret_clear(&token);
    }
    for (len = JWT_MAX_LEN; len <= JWT_MAX_LEN + 1; len++) {
        char *body = malloc(len + 16);
        struct http_reply reply;
        struct secret token = { NULL, 0 };

        ROW(len == JWT_MAX_LEN ? "as long as a token can be" : "and one byte more");
        assert_non_null(body);
        memcpy(body, "{\"token\":\"", 10);
        memset(body + 10, 'a', len);
        memcpy(body + 10 + len, "\"}", 2);
        reply = reply_of(200, JSON_TYPE, (struct slice){ body, len + 12 }, -1);
        verdict = VERDICT_INIT;
        assert_int_equal(tenant_exchange_read(&verdict, &reply, &token), len == JWT_MAX_LEN);
        assert_int_equal(token.len, len == JWT_MAX_LEN ? len : 0);
        secret_clear(&token);
        free(body);
    }
}

static void a_new_key_is_given(void **state)
{
    static const struct {
        const char *name;
        const char *body;
        const char *key; /* NULL: refused */
    } cases[] = {
        { "a key", "{\"apiKey\":\"key-1\"}", "key-1" },
        { "no key", "{}", NULL },
        { "the token of something else", "{\"token\":\"key-1\"}", NULL },
        { "an empty key", "{\"apiKey\":\"\"}", NULL },
        { "a key that is a number", "{\"apiKey\":12345}", NULL },
        { "a key with a blank", "{\"apiKey\":\"k 1\"}", NULL },
        { "a key with a line end", "{\"apiKey\":\"k\\r\\n\"}", NULL },
    };
    size_t i, len;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct http_reply reply = reply_of(201, JSON_TYPE, slice_of(cases[i].body), -1);
        struct secret key = { NULL, 0 };

        ROW(cases[i].name);
        verdict = VERDICT_INIT;
        assert_int_equal(tenant_new_key_read(&verdict, &reply, &key), cases[i].key != NULL);
        assert_text((struct slice){ key.bytes, key.len }, cases[i].key != NULL ? cases[i].key : "");
        if (cases[i].key == NULL)
            assert_string_equal(verdict.evidence, "\"apiKey\" in the reply is missing or malformed");
        secret_clear(&key);
    }
    for (len = CONFIG_API_KEY_MAX; len <= CONFIG_API_KEY_MAX + 1; len++) {
        char body[CONFIG_API_KEY_MAX + 32] = "{\"apiKey\":\"";
        struct http_reply reply;
        struct secret key = { NULL, 0 };

        ROW(len == CONFIG_API_KEY_MAX ? "1024 bytes" : "1025 bytes");
        memset(body + 11, 'k', len);
        memcpy(body + 11 + len, "\"}", 3);
        reply = reply_of(200, JSON_TYPE, slice_of(body), -1);
        verdict = VERDICT_INIT;
        assert_int_equal(tenant_new_key_read(&verdict, &reply, &key), len == CONFIG_API_KEY_MAX);
        secret_clear(&key);
    }
    ROW("one that the service refuses to give");
    {
        struct http_reply reply = reply_of(403, JSON_TYPE, LITERAL("{\"apiKey\":\"key-1\"}"), -1);
        struct secret key = { NULL, 0 };

        verdict = VERDICT_INIT;
        assert_false(tenant_new_key_read(&verdict, &reply, &key));
        assert_int_equal(verdict.reason, REASON_CREDENTIAL_REFUSED);
        assert_null(key.bytes);
    }
}

static int set_up(void **state)
{
    (void)state;
    if (directory_make() != 0)
        return -1;
    config = config_of("tenant \"t-1\" { url = \"https://auth.example.com/base/\" }\n"
                       "tenant \"p\" { issuer = \"https://op.example\" keys = \"/k\" }\n"
                       "tenant \"ca\" { url = \"https://private.example\" ca_file = \"~/ca.pem\" }\n");
    tenant = &config->tenants[0];
    plain = &config->tenants[1];
    private = &config->tenants[2];
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    config_release(&config);
    return directory_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_go_to_these_addresses),
        cmocka_unit_test(a_user_id_stays_in_its_segment),
        cmocka_unit_test(addresses_have_limits),
        cmocka_unit_test(http_escape_has_a_limit),
        cmocka_unit_test(an_api_needs_a_url),
        cmocka_unit_test(rule_27_private_authorities_replace_the_public_ones_or_nothing_is_sent),
        cmocka_unit_test(rule_27_a_reply_is_json_of_a_good_status),
        cmocka_unit_test(what_did_not_arrive_says_nothing_of_the_credential),
        cmocka_unit_test(an_exchange_gives_a_token),
        cmocka_unit_test(a_new_key_is_given),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
