#include "tests/support/clock_double.h"
#include "tests/support/fixture.h"
#include "tests/support/http_double.h"

#include <time.h>

#include "config/snapshot.h"
#include "tenant/key_refresh.h"

#define METADATA   "https://auth.example.com/tenant/t-1/v2.0/Auth/.well-known/openid-configuration"
#define ISSUER     "https://auth.example.com/tenant/t-1/v2.0/Auth"
#define KEYS       "https://keys.example.com/t-1"
#define GOOD       "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"" KEYS "\"}"
#define MOVED      "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"https://keys.example.com/new/t-1\"}"
#define YESTERDAY  "Mon, 23 Nov 2026 10:00:00 GMT"
#define TIMEOUT_MS 4711

static const struct config *config; /* tenants: t-1 with a url; n, which cannot store; p without a url; h, a secret */
static char *keys, *other_keys;     /* two key sets */

static struct {
    enum key_refresh_result result;
    enum reason reason;
    char evidence[EVIDENCE_MAX];
    unsigned count;
} ended;

static void keep_end(void *context, enum key_refresh_result result, const struct verdict *verdict)
{
    assert_ptr_equal(context, &ended);
    ended.result = result;
    ended.reason = verdict->reason;
    snprintf(ended.evidence, sizeof ended.evidence, "%s", verdict->evidence);
    ended.count++;
}

static bool start(const struct config *by, const char *tenant, struct key_source *source, struct verdict *verdict)
{
    *verdict = VERDICT_INIT;
    return key_refresh_start(verdict, NULL, by, config_tenant(by, slice_of(tenant)), source, TIMEOUT_MS, keep_end,
                             &ended);
}

/* The reply to what was sent last; status 0: none in time. */
static void reply(int status, const char *body, const char *etag, const char *last_modified)
{
    struct http_reply got = { .arrived = status > 0,
                              .has_begun = true,
                              .error = "Connection timed out",
                              .status = status,
                              .content_type = "application/json",
                              .retry_after = -1 };

    snprintf(got.etag, sizeof got.etag, "%s", etag);
    snprintf(got.last_modified, sizeof got.last_modified, "%s", last_modified);
    assert_true(sent.is_bare);
    http_double_reply(&got, body);
}

/* Until the key set is asked for. */
static void begin(struct key_source *source, const char *metadata)
{
    struct verdict verdict;

    sent.memory_for = 2;
    assert_true(start(config, "t-1", source, &verdict));
    assert_string_equal(sent.url, METADATA);
    reply(200, metadata, "\"of the metadata\"", YESTERDAY);
}

/* The reply to the key set's request ends it. */
static enum key_refresh_result end_with(int status, const char *body, const char *etag, const char *last_modified)
{
    unsigned before = ended.count;

    reply(status, body, etag, last_modified);
    assert_int_equal(ended.count, before + 1);
    return ended.result;
}

static const char *keys_path(void)
{
    return path_in_directory("keys");
}

static void assert_file(const char *text)
{
    char content[4096];
    FILE *file = fopen(keys_path(), "r");
    size_t len;

    assert_non_null(file);
    len = fread(content, 1, sizeof content, file);
    fclose(file);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(content, text, len);
}

static struct file_stamp stamp_of_keys(void)
{
    return trusted_file_stamp(keys_path());
}

static void assert_untouched(const struct file_stamp *before)
{
    const struct file_stamp now = stamp_of_keys();

    assert_true(file_stamp_equal(&now, before));
}

static void the_metadata_lead_to_the_key_set(void **state)
{
    struct key_source source = { .etag = "" };
    struct stat facts;

    (void)state;
    unlink(keys_path());
    begin(&source, GOOD);
    assert_string_equal(sent.url, KEYS);
    ROW("a file that was not there");
    assert_int_equal(end_with(200, keys, "", ""), KEY_REFRESH_REPLACED);
    assert_string_equal(ended.evidence, "");
    assert_file(keys);
    assert_int_equal(stat(keys_path(), &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0644);
    ROW("other keys");
    begin(&source, GOOD);
    assert_int_equal(end_with(200, other_keys, "", ""), KEY_REFRESH_REPLACED);
    assert_file(other_keys);
}

static void the_same_bytes_leave_the_file_alone(void **state)
{
    struct key_source source = { .etag = "" };
    struct file_stamp before;

    (void)state;
    write_file("keys", keys);
    before = stamp_of_keys();
    ROW("sent again");
    begin(&source, GOOD);
    assert_int_equal(end_with(200, keys, "\"v1\"", ""), KEY_REFRESH_UNCHANGED);
    assert_untouched(&before);
    ROW("not sent again");
    begin(&source, GOOD);
    assert_string_equal(sent.etag, "\"v1\"");
    assert_int_equal(end_with(304, "", "", ""), KEY_REFRESH_UNCHANGED);
    assert_string_equal(ended.evidence, "");
    assert_untouched(&before);
    ROW("one byte more");
    begin(&source, GOOD);
    keys[strlen(keys)] = ' ';
    assert_int_equal(end_with(200, keys, "", ""), KEY_REFRESH_REPLACED);
    assert_file(keys);
    keys[strlen(keys) - 1] = '\0';
}

/* What happens to the file between two refreshes. */
static void nothing(void)
{
}
static void rewrite(void)
{
    write_file("keys", other_keys);
}
static void rewrite_the_same(void)
{
    char path[128];

    snprintf(path, sizeof path, "%s", keys_path());
    write_file("keys.new", keys);
    assert_int_equal(rename(path_in_directory("keys.new"), path), 0);
}
static void chmod_it(void)
{
    assert_int_equal(chmod(keys_path(), 0600), 0);
}
static void delete_it(void)
{
    assert_int_equal(unlink(keys_path()), 0);
}

static void validators_are_sent_while_the_file_is_the_one_that_they_came_with(void **state)
{
    static const struct {
        const char *name, *etag, *last_modified;
        void (*meanwhile)(void);
        const char *metadata; /* of the second refresh */
        bool are_sent;
    } cases[] = {
        { "an ETag", "\"v1\"", "", nothing, GOOD, true },
        { "a weak one", "W/\"v1\"", "", nothing, GOOD, true },
        { "Last-Modified", "", YESTERDAY, nothing, GOOD, true },
        { "both", "\"v1\"", YESTERDAY, nothing, GOOD, true },
        { "none", "", "", nothing, GOOD, false },
        { "the file was changed", "\"v1\"", YESTERDAY, rewrite, GOOD, false },
        { "the same bytes in another file", "\"v1\"", YESTERDAY, rewrite_the_same, GOOD, false },
        { "another mode", "\"v1\"", YESTERDAY, chmod_it, GOOD, false },
        { "the file is gone", "\"v1\"", YESTERDAY, delete_it, GOOD, false },
        { "the key set has moved", "\"v1\"", YESTERDAY, nothing, MOVED, false },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct key_source source = { .etag = "" };

        ROW(cases[i].name);
        begin(&source, GOOD);
        assert_string_equal(sent.etag, "");
        assert_string_equal(sent.last_modified, "");
        assert_int_not_equal(end_with(200, keys, cases[i].etag, cases[i].last_modified), KEY_REFRESH_FAILED);
        cases[i].meanwhile();
        begin(&source, cases[i].metadata);
        assert_string_equal(sent.etag, cases[i].are_sent ? cases[i].etag : "");
        assert_string_equal(sent.last_modified, cases[i].are_sent ? cases[i].last_modified : "");
        assert_int_equal(end_with(304, "", "", ""), cases[i].are_sent ? KEY_REFRESH_UNCHANGED : KEY_REFRESH_FAILED);
    }
}

static void validators_are_those_of_the_last_set_that_was_stored(void **state)
{
    struct key_source source = { .etag = "" };

    (void)state;
    begin(&source, GOOD);
    end_with(200, keys, "\"v1\"", YESTERDAY);
    ROW("a failure in between");
    begin(&source, GOOD);
    assert_int_equal(end_with(500, "", "\"v2\"", ""), KEY_REFRESH_FAILED);
    begin(&source, GOOD);
    assert_string_equal(sent.etag, "\"v1\"");
    ROW("a bad set");
    assert_int_equal(end_with(200, "{\"keys\":[{}]}", "\"v2\"", ""), KEY_REFRESH_FAILED);
    begin(&source, GOOD);
    assert_string_equal(sent.etag, "\"v1\"");
    assert_string_equal(sent.last_modified, YESTERDAY);
    ROW("\"not modified\" with another");
    assert_int_equal(end_with(304, "", "\"v2\"", ""), KEY_REFRESH_UNCHANGED);
    begin(&source, GOOD);
    assert_string_equal(sent.etag, "\"v1\"");
    ROW("the same bytes with another, and no date any more");
    assert_int_equal(end_with(200, keys, "\"v2\"", ""), KEY_REFRESH_UNCHANGED);
    begin(&source, GOOD);
    assert_string_equal(sent.etag, "\"v2\"");
    assert_string_equal(sent.last_modified, "");
    ROW("another set without any");
    assert_int_equal(end_with(200, other_keys, "", ""), KEY_REFRESH_REPLACED);
    begin(&source, GOOD);
    assert_string_equal(sent.etag, "");
    end_with(200, keys, "", "");
}

static const struct {
    const char *name;
    int metadata_status;
    const char *metadata; /* NULL: the key set is at fault */
    int status;
    const char *keys;
    enum reason reason;
    const char *evidence;
} failures[] = {
    { "401 for the metadata", 401, "{}", 0, NULL, REASON_TENANT_UNAVAILABLE,
      "the metadata at " METADATA ": status 401" },
    { "403 for the metadata", 403, "{}", 0, NULL, REASON_TENANT_UNAVAILABLE,
      "the metadata at " METADATA ": status 403" },
    { "500 for the metadata", 500, "{}", 0, NULL, REASON_TENANT_UNAVAILABLE,
      "the metadata at " METADATA ": status 500" },
    { "304 for the metadata", 304, GOOD, 0, NULL, REASON_TENANT_UNAVAILABLE,
      "the metadata at " METADATA ": status 304" },
    { "no metadata in time", 0, "", 0, NULL, REASON_TENANT_UNAVAILABLE,
      "the metadata at " METADATA ": Connection timed out" },
    { "another issuer's", 200, "{\"issuer\":\"https://a\",\"jwks_uri\":\"" KEYS "\"}", 0, NULL,
      REASON_TENANT_UNAVAILABLE, "the metadata at " METADATA ": the issuer in the metadata is not " ISSUER },
    { "401 for the key set", 0, NULL, 401, "{}", REASON_TENANT_UNAVAILABLE, "the key set at " KEYS ": status 401" },
    { "403 for the key set", 0, NULL, 403, "{}", REASON_TENANT_UNAVAILABLE, "the key set at " KEYS ": status 403" },
    { "404 for the key set", 0, NULL, 404, "{}", REASON_TENANT_UNAVAILABLE, "the key set at " KEYS ": status 404" },
    { "304, though nothing was said to be there", 0, NULL, 304, "", REASON_TENANT_UNAVAILABLE,
      "the key set at " KEYS ": status 304" },
    { "no key set in time", 0, NULL, 0, "", REASON_TENANT_UNAVAILABLE,
      "the key set at " KEYS ": Connection timed out" },
    { "no set", 0, NULL, 200, "{}", REASON_JWKS_INVALID, "the key set at " KEYS ": " },
    { "a set without a usable key", 0, NULL, 200, "{\"keys\":[{}]}", REASON_JWKS_INVALID, "the key set at " KEYS ": " },
    { "no JSON", 0, NULL, 200, "<html>", REASON_JWKS_INVALID, "the key set at " KEYS ": " },
};

static void rule_21_a_failure_names_request_and_address_and_keeps_the_file(void **state)
{
    struct file_stamp before;
    size_t i;

    (void)state;
    write_file("keys", keys);
    before = stamp_of_keys();
    for (i = 0; i < COUNT(failures); i++) {
        struct key_source source = { .etag = "" };
        unsigned ends = ended.count;
        struct verdict verdict;

        ROW(failures[i].name);
        sent.memory_for = 2;
        assert_true(start(config, "t-1", &source, &verdict));
        if (failures[i].metadata != NULL) {
            reply(failures[i].metadata_status, failures[i].metadata, "", "");
        } else {
            reply(200, GOOD, "", "");
            assert_int_equal(ended.count, ends);
            reply(failures[i].status, failures[i].keys, "", "");
        }
        assert_int_equal(ended.count, ends + 1);
        assert_int_equal(ended.result, KEY_REFRESH_FAILED);
        assert_int_equal(ended.reason, failures[i].reason);
        assert_memory_equal(ended.evidence, failures[i].evidence, strlen(failures[i].evidence));
        assert_untouched(&before);
    }
}

static void rule_21_an_empty_set_withdraws_the_keys(void **state)
{
    static const char empty[] = "{\"keys\":[]}";
    struct key_source source = { .etag = "" };

    (void)state;
    write_file("keys", keys);
    ROW("it takes the place of the last one");
    begin(&source, GOOD);
    assert_int_equal(end_with(200, empty, "\"v1\"", ""), KEY_REFRESH_WITHDRAWN);
    assert_file(empty);
    ROW("and is told at each look, sent again or not");
    begin(&source, GOOD);
    assert_int_equal(end_with(200, empty, "\"v1\"", ""), KEY_REFRESH_WITHDRAWN);
    begin(&source, GOOD);
    assert_string_equal(sent.etag, "\"v1\"");
    assert_int_equal(end_with(304, "", "", ""), KEY_REFRESH_WITHDRAWN);
    ROW("a failure says nothing about it");
    begin(&source, GOOD);
    assert_int_equal(end_with(500, "", "", ""), KEY_REFRESH_FAILED);
    assert_file(empty);
    ROW("until there are keys again");
    begin(&source, GOOD);
    assert_int_equal(end_with(200, keys, "\"v2\"", ""), KEY_REFRESH_REPLACED);
    begin(&source, GOOD);
    assert_int_equal(end_with(304, "", "", ""), KEY_REFRESH_UNCHANGED);
    assert_file(keys);
}

/* The mtime of the key set, which is put back by an hour. */
static void let_the_set_age(struct key_source *source)
{
    struct timespec times[2];

    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= 3600;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, keys_path(), times, 0), 0);
    source->stamp = stamp_of_keys(); /* nobody has touched it but time */
}

static time_t age_of_keys(void)
{
    return time(NULL) - stamp_of_keys().modified.tv_sec;
}

static void a_set_that_the_provider_still_serves_is_confirmed(void **state)
{
    const struct config *before = config;
    struct key_source source = { .etag = "" };

    (void)state;
    write_file("keys", keys);
    config = config_of("tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys\" keys_max_age = 7200 }\n");
    ROW("the same bytes");
    begin(&source, GOOD);
    let_the_set_age(&source);
    assert_int_equal(end_with(200, keys, "\"v1\"", ""), KEY_REFRESH_UNCHANGED);
    assert_true(age_of_keys() < 60);
    ROW("not modified, and the validators go on");
    let_the_set_age(&source);
    begin(&source, GOOD);
    assert_string_equal(sent.etag, "\"v1\"");
    assert_int_equal(end_with(304, "", "", ""), KEY_REFRESH_UNCHANGED);
    assert_true(age_of_keys() < 60);
    begin(&source, GOOD);
    assert_string_equal(sent.etag, "\"v1\"");
    end_with(304, "", "", "");
    ROW("a failure confirms nothing");
    let_the_set_age(&source);
    begin(&source, GOOD);
    assert_int_equal(end_with(500, "", "", ""), KEY_REFRESH_FAILED);
    assert_true(age_of_keys() >= 3600);
    ROW("nor does \"not modified\" of a file that somebody has put in its place meanwhile");
    begin(&source, GOOD);
    assert_string_equal(sent.etag, "\"v1\"");
    rewrite();
    let_the_set_age(&(struct key_source){ .etag = "" });
    assert_int_equal(end_with(304, "", "", ""), KEY_REFRESH_UNCHANGED);
    assert_true(age_of_keys() >= 3600);
    config_release(&config);
    config = before;
}

static void rule_21_a_set_that_cannot_be_stored_is_a_failure_of_the_host(void **state)
{
    struct key_source source = { .etag = "" };
    struct verdict verdict;

    (void)state;
    sent.memory_for = 2;
    assert_true(start(config, "n", &source, &verdict));
    reply(200, "{\"issuer\":\"https://n.example\",\"jwks_uri\":\"" KEYS "\"}", "", "");
    assert_int_equal(end_with(200, keys, "\"v1\"", YESTERDAY), KEY_REFRESH_FAILED);
    assert_int_equal(ended.reason, REASON_SYSTEM_ERROR);
    assert_non_null(strstr(ended.evidence, "/absent/keys: "));
    assert_string_equal(source.etag, "");
    assert_string_equal(source.last_modified, "");
}

static void two_requests_share_one_deadline(void **state)
{
    struct key_source source = { .etag = "" };
    struct verdict verdict;

    (void)state;
    sent.memory_for = 4;
    ROW("what the first one took is gone");
    assert_true(start(config, "t-1", &source, &verdict));
    assert_int_equal(sent.timeout_ms, TIMEOUT_MS);
    clock_advance_ms(200);
    reply(200, GOOD, "", "");
    assert_in_range(sent.timeout_ms, 1, TIMEOUT_MS - 199);
    end_with(200, keys, "", "");
    ROW("when nothing is left, the second one is over at once, and not without a limit");
    assert_true(key_refresh_start(&verdict, NULL, config, config_tenant(config, slice_of("t-1")), &source, 10, keep_end,
                                  &ended));
    clock_advance_ms(50);
    reply(200, GOOD, "", "");
    assert_int_equal(sent.timeout_ms, 1);
    end_with(0, "", "", "");
}

static void a_refresh_that_cannot_begin_says_why(void **state)
{
    static const struct {
        const char *name, *tenant;
        unsigned memory_for;
        enum reason reason;
        const char *evidence;
    } cases[] = {
        { "a secret", "h", 2, REASON_CONFIG_INVALID, "tenant h has a secret and no key set" },
        { "no address", "p", 2, REASON_CONFIG_INVALID, "tenant p has neither url nor discovery" },
        { "short memory", "t-1", 0, REASON_OUT_OF_MEMORY, "a request to the tenant service" },
    };
    unsigned before = ended.count;
    struct key_source source = { .etag = "" };
    struct verdict verdict;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        sent.memory_for = cases[i].memory_for;
        assert_false(start(config, cases[i].tenant, &source, &verdict));
        assert_int_equal(verdict.reason, cases[i].reason);
        assert_string_equal(verdict.evidence, cases[i].evidence);
        assert_int_equal(ended.count, before); /* nobody is told a second time */
    }
    ROW("rule 32: short memory on the way");
    sent.memory_for = 1;
    assert_true(start(config, "t-1", &source, &verdict));
    reply(200, GOOD, "", "");
    assert_int_equal(ended.count, before + 1);
    assert_int_equal(ended.result, KEY_REFRESH_FAILED);
    assert_int_equal(ended.reason, REASON_OUT_OF_MEMORY);
}

/* A refresh outlives the configuration that it was begun by. */
static void a_refresh_under_way_holds_its_configuration(void **state)
{
    const struct config *passing =
        config_of("tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys\" }\n");
    struct key_source source = { .etag = "" };
    struct verdict verdict;
    unsigned i;

    (void)state;
    sent.memory_for = 2;
    assert_true(start(passing, "t-1", &source, &verdict));
    config_release(&passing);
    for (i = 0; i < 10; i++) { /* which push it out of the process's snapshots */
        const struct config *other = config_of("tenant \"p\" { issuer = \"https://op.example\" keys = \"~/keys\" }\n");

        config_release(&other);
    }
    reply(200, GOOD, "", "");
    assert_int_not_equal(end_with(200, keys, "", ""), KEY_REFRESH_FAILED);
}

/* With room for one byte more. malloc'ed. */
static char *new_key_set(const char *kid)
{
    struct signer *signer = signer_generate("ES256", 0);
    struct json *jwk = signer_jwk(signer, kid, "ES256");
    char *text = key_set_of(&jwk, 1), *roomy = calloc(1, strlen(text) + 2);

    assert_non_null(roomy);
    memcpy(roomy, text, strlen(text));
    free(text);
    signer_free(&signer);
    return roomy;
}

static int set_up(void **state)
{
    (void)state;
    if (directory_make() != 0)
        return -1;
    keys = new_key_set("k1");
    other_keys = new_key_set("k2");
    write_file("keys", keys);
    write_file("secret", "0123456789abcdef0123456789abcdef");
    config = config_of(
        "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys\" }\n"
        "tenant \"n\" { issuer = \"https://n.example\" discovery = \"https://n.example/m\" keys = \"~/absent/keys\" }\n"
        "tenant \"p\" { issuer = \"https://op.example\" keys = \"~/keys\" }\n"
        "tenant \"h\" { issuer = \"https://h.example\" hmac_secret_file = \"~/secret\" algorithms = {\"HS256\"} }\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    config_release(&config);
    free(keys);
    free(other_keys);
    return directory_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_metadata_lead_to_the_key_set),
        cmocka_unit_test(the_same_bytes_leave_the_file_alone),
        cmocka_unit_test(validators_are_sent_while_the_file_is_the_one_that_they_came_with),
        cmocka_unit_test(validators_are_those_of_the_last_set_that_was_stored),
        cmocka_unit_test(rule_21_a_failure_names_request_and_address_and_keeps_the_file),
        cmocka_unit_test(rule_21_an_empty_set_withdraws_the_keys),
        cmocka_unit_test(a_set_that_the_provider_still_serves_is_confirmed),
        cmocka_unit_test(rule_21_a_set_that_cannot_be_stored_is_a_failure_of_the_host),
        cmocka_unit_test(two_requests_share_one_deadline),
        cmocka_unit_test(a_refresh_that_cannot_begin_says_why),
        cmocka_unit_test(a_refresh_under_way_holds_its_configuration),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
