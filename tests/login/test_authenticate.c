#include "tests/support/latchkeyd_double.h"
#include "tests/support/fixture.h"
#include "tests/support/poll_double.h"

#include <dlfcn.h>
#include <errno.h>
#include <pwd.h>
#include <sys/wait.h>

#include "verdict/log_line.h"
#include "token/algorithm.h"
#include "config/snapshot.h"
#include "login/authenticate.h"
#include "login/realm.h"

#define NOW 1000000

static struct {
    struct signer *rsa_2048, *rsa_3072, *rsa_4096, *p256, *p384, *p521, *ed25519, *secret;
} keys;
static const struct config *config;

/* In place of the C library's: a directory that does not mind how a name is written, and fails for one. */
int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, struct passwd **ret)
{
    int (*real)(const char *, struct passwd *, char *, size_t, struct passwd **) =
        (int (*)(const char *, struct passwd *, char *, size_t, struct passwd **))dlsym(RTLD_NEXT, "getpwnam_r");

    *ret = NULL;
    if (strcmp(name, "unknowable") == 0)
        return EIO;
    return real(strcmp(name, "DAEMON") == 0 ? "daemon" : name, entry, buffer, size, ret);
}

#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char main_text[] =
    "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys.json\"\n"
    "  algorithms = {\"RS256\", \"RS384\", \"RS512\", \"PS256\", \"PS384\", \"PS512\", \"ES256\", \"ES384\", \"ES512\",\n"
    "                \"EdDSA\"} }\n"
    "tenant \"t-2\" { url = \"https://auth.example.com\" hmac_secret_file = \"~/secret\"\n"
    "  algorithms = {\"HS256\", \"HS384\", \"HS512\"} }\n"
    "user \"daemon\" { tenant = {\"t-1\", \"t-2\"} sub = {\"sub-daemon\", \"sub-second\"} }\n"
    "user \"root\" { tenant = {\"t-1\"} sub = {\"sub-root\"} }\n"
    "user \"nobody\" { tenant = {\"t-1\"} }\n"
    "user \"bin\" { sub = {\"sub-bin\"} tenant = {\"t-1\"} api_key = true }\n"
    "user \"sys\" { sub = {\"sub-sys\"} tenant = {\"t-1\"} }\n"
    "latchkeyd { socket = {\"~/latchkeyd\"} program = \"\" timeout = 1 }\n"
    "group \"ops\" { tenant = {\"t-1\", \"t-2\"} claim = {\"g-ops\"} }\n"
    "service \"both\" { credentials = {\"jwt\", \"api_key\"} }\n"
    "service \"keys-only\" { credentials = {\"api_key\"} }\n"
    "service \"sudo\" { require_group = {\"ops\"} max_age = 300 }\n"
    "service \"ldap\" { allow_authzid = {\"daemon:dn:uid=alice@example.com\", \"daemon:dn:uid=bob\"}\n"
    "  realm = {\"example.com\"} }\n"
    "service \"any\" { realm = {\"*\"} }\n"
    "service \"two\" { realm = {\"example.com\", \"*\"} }\n"
    "service \"proxy\" { allow_authzid = {\"daemon\"} realm = {\"example.com\"} }\n"
    "revocation_list = \"~/revoked\"\n";

/* Each kind of signature, and the key that makes it. */
static const struct {
    const char *alg, *kid;
    struct signer **signer;
} signatures[] = {
    { "RS256", "k-2048", &keys.rsa_2048 }, { "RS384", "k-2048", &keys.rsa_2048 }, { "RS512", "k-2048", &keys.rsa_2048 },
    { "PS256", "k-2048", &keys.rsa_2048 }, { "PS384", "k-2048", &keys.rsa_2048 }, { "PS512", "k-2048", &keys.rsa_2048 },
    { "RS256", "k-3072", &keys.rsa_3072 }, { "PS256", "k-3072", &keys.rsa_3072 }, { "RS256", "k-4096", &keys.rsa_4096 },
    { "PS512", "k-4096", &keys.rsa_4096 }, { "ES256", "k-p256", &keys.p256 },     { "ES384", "k-p384", &keys.p384 },
    { "ES512", "k-p521", &keys.p521 },     { "EdDSA", "k-ed", &keys.ed25519 },    { "HS256", "k", &keys.secret },
    { "HS384", "k", &keys.secret },        { "HS512", "k", &keys.secret },
};

static const struct member valid_claims[] = {
    { "sub", "\"sub-daemon\"" }, { "exp", "1000300" }, { "iat", "999990" },
    { "groups", "[\"g-ops\"]" }, { "jti", "\"j-1\"" },
};

/* A valid token of the tenant that the algorithm belongs to. malloc'ed. */
static char *token_of(const struct signer *signer, const char *alg, const char *kid, const struct member *changes)
{
    const char *tenant = strncmp(alg, "HS", 2) == 0 ? "t-2" : "t-1";
    char *header, *claims, *payload, *token;

    assert_true(asprintf(&header, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}", alg, kid) > 0);
    claims = object_text(valid_claims, COUNT(valid_claims), changes);
    assert_true(asprintf(&payload,
                         "{\"iss\":\"https://auth.example.com/tenant/%s/v2.0/Auth\",\"aud\":\"%s\","
                         "\"https://agglestone.com/tenantId\":\"%s\",%s",
                         tenant, tenant, tenant, claims + 1)
                > 0);
    token = signer_token(signer, alg, slice_of(header), slice_of(payload));
    assert_non_null(token);
    free(header);
    free(claims);
    free(payload);
    return token;
}

static char *valid_token(const struct member *changes)
{
    return token_of(keys.p256, "ES256", "k-p256", changes);
}

struct outcome {
    struct verdict verdict;
    struct explanation explanation;
    struct login login;
};

static enum reason judge(const struct config *by, const char *service, const char *user, struct slice credential,
                         struct outcome *outcome)
{
    const struct attempt attempt = { .service = service, .user = user, .now = NOW };
    const struct credential whole = credential_whole(credential);
    bool accepted;

    outcome->verdict = VERDICT_INIT;
    outcome->explanation.count = 0;
    outcome->verdict.explanation = &outcome->explanation;
    accepted = authenticate(&outcome->verdict, by, &attempt, &whole, &outcome->login);
    assert_int_equal(accepted, outcome->verdict.reason == REASON_OK);
    assert_int_not_equal(outcome->verdict.reason, REASON_UNDECIDED);
    return outcome->verdict.reason;
}

static struct outcome outcome;

static void every_beginning_of_a_token_asks_for_more(void **state)
{
    size_t i, len, whole;

    (void)state;
    for (i = 0; i < COUNT(signatures); i++) {
        char *token = token_of(*signatures[i].signer, signatures[i].alg, signatures[i].kid, NULL);

        ROW(signatures[i].alg);
        whole = strlen(token);
        for (len = 4; len < whole; len++)
            assert_int_equal(credential_so_far(config, (struct slice){ token, len }).kind, CREDENTIAL_JWT_PART);
        assert_int_equal(credential_so_far(config, (struct slice){ token, whole }).kind, CREDENTIAL_JWT);
        assert_int_equal(judge(config, NULL, NULL, (struct slice){ token, whole }, &outcome), REASON_OK);
        /* What is judged too early is refused, not accepted. */
        assert_int_not_equal(judge(config, NULL, NULL, (struct slice){ token, whole - 1 }, &outcome), REASON_OK);
        free(token);
    }
}

/* Without a known kid nobody knows how long the signature will be. Where the set has no RSA key, 2048 bits are the
 * least. */
static void an_unknown_rsa_key_counts_as_the_least(void **state)
{
    struct json *none[] = { signer_jwk(keys.p256, "k", NULL) };
    const struct config *other;
    char *token = token_of(keys.rsa_2048, "RS256", "k-unknown", NULL);

    (void)state;
    write_key_set("none.json", none, 1);
    other = config_of("tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/none.json\" }\n"
                      "revocation_list = \"~/revoked\"\n");
    assert_int_equal(credential_so_far(other, (struct slice){ token, strlen(token) - 1 }).kind, CREDENTIAL_JWT_PART);
    assert_int_equal(credential_so_far(other, slice_of(token)).kind, CREDENTIAL_JWT);
    free(token);
    config_release(&other);
}

/* Its kid is not in the set yet; a look for a newer set helps only a token that came whole. */
static void a_token_of_the_newest_key_is_asked_for_to_its_end(void **state)
{
    struct json *old[] = { signer_jwk(keys.rsa_2048, "k", NULL), signer_jwk(keys.rsa_4096, "k-old", NULL) };
    const struct config *rotating;
    char *token = token_of(keys.rsa_4096, "RS256", "k-new", NULL), *other = token_of(keys.p256, "ES256", "k-new", NULL);
    size_t len = strlen(token), cut;

    (void)state;
    write_key_set("old.json", old, 2);
    rotating = config_of("tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/old.json\" }\n"
                         "user \"daemon\" { sub = {\"sub-daemon\"} }\n"
                         "revocation_list = \"~/revoked\"\n");
    for (cut = 1; cut < BASE64URL_ENCODED_LEN(512); cut += 7)
        assert_int_equal(credential_so_far(rotating, (struct slice){ token, len - cut }).kind, CREDENTIAL_JWT_PART);
    assert_int_equal(credential_so_far(rotating, slice_of(token)).kind, CREDENTIAL_JWT);
    ROW("an algorithm of one length needs no key");
    assert_int_equal(credential_so_far(rotating, slice_of(other)).kind, CREDENTIAL_JWT);
    free(token);
    free(other);
    config_release(&rotating);
}

/* A token of t-1 and one of t-2 begin alike: the longer key decides when to stop asking. */
static void of_two_tenants_the_longer_key_counts(void **state)
{
    struct json *small[] = { signer_jwk(keys.rsa_2048, "k", NULL) },
                *large[] = { signer_jwk(keys.rsa_4096, "k", NULL) };
    const struct config *two;
    char *token_of_small, *token_of_large;

    (void)state;
    write_key_set("small.json", small, 1);
    write_key_set("large.json", large, 1);
    two = config_of("tenant \"t-0\" { url = \"https://auth.example.com\" keys = \"~/absent.json\" }\n"
                    "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/small.json\" }\n"
                    "tenant \"t-3\" { url = \"https://auth.example.com\" keys = \"~/large.json\" }\n"
                    "user \"daemon\" { tenant = {\"t-1\", \"t-3\"} sub = {\"sub-daemon\"} }\n"
                    "revocation_list = \"~/revoked\"\n");
    token_of_small = token_of(keys.rsa_2048, "RS256", "k", NULL);
    token_of_large = token_of(keys.rsa_4096, "RS256", "k", NULL);
    assert_int_equal(credential_so_far(two, (struct slice){ token_of_large, strlen(token_of_large) - 1 }).kind,
                     CREDENTIAL_JWT_PART);
    assert_int_equal(credential_so_far(two, slice_of(token_of_large)).kind, CREDENTIAL_JWT);
    ROW("the shorter one is asked for more, and is good without");
    assert_int_equal(credential_so_far(two, slice_of(token_of_small)).kind, CREDENTIAL_JWT_PART);
    assert_int_equal(judge(two, NULL, "daemon", slice_of(token_of_small), &outcome), REASON_OK);
    free(token_of_small);
    free(token_of_large);
    config_release(&two);
}

static const struct {
    const char *name;
    struct slice credential;
    const char *service;
    enum credential_kind kind;
    enum reason want;
    const char *logged;
} kinds[] = {
    { "nothing", { NULL, 0 }, NULL, CREDENTIAL_ABSENT, REASON_CREDENTIAL_ABSENT, "none" },
    { "an empty string", { "", 0 }, "both", CREDENTIAL_ABSENT, REASON_CREDENTIAL_ABSENT, "none" },
    { "a password", { "correct horse", 13 }, NULL, CREDENTIAL_OTHER, REASON_CREDENTIAL_NOT_ALLOWED, "api_key" },
    { "an API key where none is allowed",
      { "ak_live_01", 10 },
      NULL,
      CREDENTIAL_OTHER,
      REASON_CREDENTIAL_NOT_ALLOWED,
      "api_key" },
    { "an API key where one is allowed",
      { "ak_live_01", 10 },
      "both",
      CREDENTIAL_OTHER,
      REASON_CREDENTIAL_NOT_ALLOWED, /* nobody is named */
      "api_key" },
    { "an API key where nothing else is",
      { "ak_live_01", 10 },
      "keys-only",
      CREDENTIAL_OTHER,
      REASON_CREDENTIAL_NOT_ALLOWED,
      "api_key" },
    { "a JWT where none is allowed",
      { "eyJhbGciOiJub25lIn0.e30.AAAA", 28 },
      "keys-only",
      CREDENTIAL_JWT,
      REASON_CREDENTIAL_NOT_ALLOWED,
      "jwt" },
    { "the beginning of a JWT where none is allowed",
      { "eyJhbGciOiJub", 13 },
      "keys-only",
      CREDENTIAL_JWT_PART,
      REASON_CREDENTIAL_NOT_ALLOWED,
      "jwt" },
    { "the beginning of a JWT and no more",
      { "eyJhbGciOiJub", 13 },
      NULL,
      CREDENTIAL_JWT_PART,
      REASON_TOKEN_MALFORMED,
      "jwt" },
    { "a broken JWT", { "eyJhbGciOiJub25lIn0.e30.AA A", 28 }, NULL, CREDENTIAL_JWT, REASON_TOKEN_MALFORMED, "jwt" },
    { "a token behind its scheme",
      { "Bearer eyJhbGciOiJFUzI1NiJ9.e30.AAAA", 36 },
      NULL,
      CREDENTIAL_JWT,
      REASON_TOKEN_MALFORMED,
      "jwt" },
    { "a token in quotes",
      { "\"eyJhbGciOiJFUzI1NiJ9.e30.AAAA\"", 31 },
      NULL,
      CREDENTIAL_JWT,
      REASON_TOKEN_MALFORMED,
      "jwt" },
    { "a NUL", { "\0", 1 }, NULL, CREDENTIAL_OTHER, REASON_CREDENTIAL_NOT_ALLOWED, "api_key" },
};

static void a_service_takes_the_kinds_that_it_lists(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(kinds); i++) {
        ROW(kinds[i].name);
        assert_int_equal(credential_so_far(config, kinds[i].credential).kind, kinds[i].kind);
        assert_int_equal(judge(config, kinds[i].service, NULL, kinds[i].credential, &outcome), kinds[i].want);
        assert_string_equal(outcome.verdict.credential, kinds[i].logged);
    }
}

/* What sshd hands on for a user who does not exist: this, as long as what was typed (auth-pam.c). */
#define JUNK "\b\n\r\177INCORRECT"

static void rule_37_junk_as_long_as_a_token_is_judged_like_one(void **state)
{
    static const struct {
        const char *name;
        size_t len;
        enum credential_kind kind;
        enum reason want;
    } rows[] = {
        { "as long as a password", 99, CREDENTIAL_OTHER, REASON_CREDENTIAL_NOT_ALLOWED },
        { "as long as a token", 100, CREDENTIAL_JWT, REASON_TOKEN_MALFORMED },
        { "as long as the longest", CREDENTIAL_MAX_LEN, CREDENTIAL_JWT, REASON_TOKEN_MALFORMED },
    };
    static char junk[CREDENTIAL_MAX_LEN];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof junk; i++)
        junk[i] = JUNK[i % (sizeof JUNK - 1)];
    for (i = 0; i < COUNT(rows); i++) {
        ROW(rows[i].name);
        assert_int_equal(credential_so_far(config, (struct slice){ junk, rows[i].len }).kind, rows[i].kind);
        assert_int_equal(judge(config, NULL, NULL, (struct slice){ junk, rows[i].len }, &outcome), rows[i].want);
        if (rows[i].want == REASON_TOKEN_MALFORMED)
            assert_non_null(strstr(outcome.verdict.evidence, "the host hides what was typed"));
    }
    ROW("a password of that length without control characters is one");
    memset(junk, 'x', sizeof junk);
    assert_int_equal(credential_so_far(config, (struct slice){ junk, 100 }).kind, CREDENTIAL_OTHER);
}

/* What people paste instead of a token: the fault that was found first, and what it is. */
static void what_was_pasted_instead_of_a_token_is_named(void **state)
{
    static const struct {
        const char *name, *before, *behind, *want;
    } rows[] = {
        { "a JSON reply", "{\"access_token\":\"", "\",\"token_type\":\"Bearer\"}", "; what came is a JSON text, " },
        { "a header", "Bearer ", "", "; what came is an authorization header, " },
        { "quotes", "\"", "\"", "; what came is quotes around the token, " },
        { "a blank before it", " ", "", "; what came is blanks or more than one line end around the token" },
        { "a second line end", "", "\n\n", "; what came is blanks or more than one line end around the token" },
        { "an assignment", "TOKEN=", "", "; what came is other text around the token" },
    };
    char *token = valid_token(NULL), *text;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        ROW(rows[i].name);
        assert_true(asprintf(&text, "%s%s%s", rows[i].before, token, rows[i].behind) > 0);
        assert_int_equal(judge(config, NULL, NULL, slice_of(text), &outcome), REASON_TOKEN_MALFORMED);
        assert_non_null(strstr(outcome.verdict.evidence, rows[i].want));
        free(text);
    }
    ROW("a token that is only cut");
    assert_int_equal(judge(config, NULL, NULL, (struct slice){ token, 60 }, &outcome), REASON_TOKEN_MALFORMED);
    assert_null(strstr(outcome.verdict.evidence, "what came is"));
    free(token);
}

/* A password may have been typed, or an API key pasted, at the wrong prompt. */
static void nothing_of_a_credential_is_logged(void **state)
{
    static const char secret[] = "my-very-secret-password";
    static const char *const services[] = { NULL, "both", "keys-only" };
    char line[LOG_LINE_MAX];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(services); i++) {
        judge(config, services[i], NULL, slice_of(secret), &outcome);
        verdict_log_line(&outcome.verdict, &(struct attempt){ .service = services[i], .user = "alice" }, line);
        assert_null(strstr(line, "secret"));
        assert_null(strstr(line, "password"));
    }
}

static void a_token_is_too_long_whatever_it_holds(void **state)
{
    char *text = malloc(CREDENTIAL_MAX_LEN + 1);

    (void)state;
    assert_non_null(text);
    memset(text, 'A', CREDENTIAL_MAX_LEN + 1);
    memcpy(text, "eyJh", 4);
    ROW("16,384 bytes of no token");
    assert_int_equal(judge(config, NULL, NULL, (struct slice){ text, CREDENTIAL_MAX_LEN }, &outcome),
                     REASON_TOKEN_MALFORMED);
    ROW("16,385 bytes");
    assert_int_equal(judge(config, NULL, NULL, (struct slice){ text, CREDENTIAL_MAX_LEN + 1 }, &outcome),
                     REASON_TOKEN_TOO_LONG);
    free(text);
}

static void the_checks_begin_with_the_configuration_and_the_credential(void **state)
{
    char *token = valid_token(NULL);

    (void)state;
    assert_int_equal(judge(config, "sudo", "daemon", slice_of(token), &outcome), REASON_OK);
    assert_int_equal(outcome.explanation.count, CHECK_COUNT - 1); /* nothing is exchanged */
    assert_string_equal(check_name(outcome.explanation.made[0].check), "configuration");
    assert_string_equal(check_name(outcome.explanation.made[1].check), "credential");
    assert_string_equal(check_name(outcome.explanation.made[2].check), "format");
    assert_string_equal(check_name(outcome.explanation.made[CHECK_COUNT - 2].check), "service");
    assert_string_equal(outcome.verdict.credential, "jwt");
    free(token);
    ROW("a credential of the wrong kind ends there");
    judge(config, NULL, NULL, LITERAL("password"), &outcome);
    assert_int_equal(outcome.explanation.count, 2);
    assert_true(outcome.explanation.made[0].ok);
    assert_false(outcome.explanation.made[1].ok);
}

static const struct {
    const char *name, *service, *user;
    struct member changes[CHANGES_MAX];
    enum reason want;
} requests[] = {
    { "the mapped user, a service without a block", "sshd", "daemon", { { NULL, NULL } }, REASON_OK },
    { "no service", NULL, "daemon", { { NULL, NULL } }, REASON_OK },
    { "no user", "sshd", NULL, { { NULL, NULL } }, REASON_OK },
    { "another user", "sshd", "root", { { NULL, NULL } }, REASON_USER_MISMATCH },
    { "a service with rules that hold", "sudo", "daemon", { { NULL, NULL } }, REASON_OK },
    { "a service whose group is missing", "sudo", "daemon", { { "groups", NULL } }, REASON_GROUP_MISSING },
    { "a service that wants a recent token", "sudo", "daemon", { { "iat", "999000" } }, REASON_TOKEN_TOO_OLD },
    { "the same for another service", "sshd", "daemon", { { "iat", "999000" } }, REASON_OK },
    { "a service's name is not a pattern", "sud", "daemon", { { "groups", NULL } }, REASON_OK },
    { "the user is looked up: root by a block", "sshd", "root", { { "sub", "\"sub-root\"" } }, REASON_OK },
};

static void the_request_picks_the_rules(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(requests); i++) {
        char *token = valid_token(requests[i].changes);

        ROW(requests[i].name);
        assert_int_equal(judge(config, requests[i].service, requests[i].user, slice_of(token), &outcome),
                         requests[i].want);
        free(token);
    }
}

/* A file that somebody else could have written. */
static void loosen(const char *name)
{
    assert_int_equal(chmod(path_in_directory(name), 0666), 0);
}

static const struct config *config_for_failures(const char *services)
{
    char text[1024];

    snprintf(text, sizeof text,
             "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/own-keys.json\" }\n"
             "tenant \"t-2\" { url = \"https://auth.example.com\" keys = \"~/other-keys.json\" }\n"
             "user \"daemon\" { tenant = {\"t-1\", \"t-2\"} sub = {\"sub-daemon\"} }\n"
             "revocation_list = \"~/own-revoked\"\n%s",
             services);
    return config_of(text);
}

static void write_own_keys(const char *name)
{
    struct json *set[] = { signer_jwk(keys.p256, "k-p256", NULL) };

    write_key_set(name, set, 1);
}

static const struct {
    const char *name, *service;
    bool list_is_loose, keys_are_loose, other_keys_are_loose;
    enum reason possible, verdict;
} failures[] = {
    { "all is well", NULL, false, false, false, REASON_UNDECIDED, REASON_OK },
    { "another tenant has no keys", NULL, false, false, true, REASON_UNDECIDED, REASON_OK },
    { "the token's tenant has no keys", NULL, false, true, false, REASON_UNDECIDED, REASON_JWKS_UNAVAILABLE },
    { "no tenant has keys", NULL, false, true, true, REASON_JWKS_UNAVAILABLE, REASON_JWKS_UNAVAILABLE },
    { "the revocation list is loose", NULL, true, false, false, REASON_REVOCATION_UNAVAILABLE,
      REASON_REVOCATION_UNAVAILABLE },
    { "the service takes API keys only", "keys-only", false, false, false, REASON_UNDECIDED,
      REASON_CREDENTIAL_NOT_ALLOWED },
};

static void it_is_known_beforehand_whether_a_login_is_possible(void **state)
{
    const struct config *failing;
    char *token = valid_token(NULL);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(failures); i++) {
        struct verdict verdict = VERDICT_INIT;

        ROW(failures[i].name);
        write_own_keys("own-keys.json");
        write_own_keys("other-keys.json");
        write_file("own-revoked", "");
        if (failures[i].keys_are_loose)
            loosen("own-keys.json");
        if (failures[i].other_keys_are_loose)
            loosen("other-keys.json");
        if (failures[i].list_is_loose)
            loosen("own-revoked");
        failing = config_for_failures("service \"keys-only\" { credentials = {\"api_key\"} }\n");
        assert_int_equal(authenticate_is_possible(&verdict, failing, failures[i].service),
                         failures[i].possible == REASON_UNDECIDED);
        assert_int_equal(verdict.reason, failures[i].possible);
        assert_int_equal(judge(failing, failures[i].service, "daemon", slice_of(token), &outcome), failures[i].verdict);
        config_release(&failing);
    }
    free(token);
}

static void a_service_that_takes_nothing_is_not_possible(void **state)
{
    struct config none = *config;
    struct verdict verdict = VERDICT_INIT;

    (void)state;
    none.default_service.credentials = 0;
    assert_false(authenticate_is_possible(&verdict, &none, "sshd"));
    assert_int_equal(verdict.reason, REASON_CREDENTIAL_NOT_ALLOWED);
    ROW("nor is one without a tenant");
    none = *config;
    none.tenant_count = 0;
    verdict = VERDICT_INIT;
    assert_false(authenticate_is_possible(&verdict, &none, "sshd"));
    assert_int_equal(verdict.reason, REASON_CONFIG_INVALID);
    ROW("nor one for API keys without a tenant service");
    none = *config;
    none.tenant_count = 0;
    none.default_service.credentials = CREDENTIALS_API_KEY;
    verdict = VERDICT_INIT;
    assert_false(authenticate_is_possible(&verdict, &none, "sshd"));
    assert_int_equal(verdict.reason, REASON_CONFIG_INVALID);
}

#define API_KEY "lk_0123456789abcdefghij"

static struct latchkeyd_double latchkeyd;
static struct signer *newest; /* whose key is in the set only after a refresh */

/* What the double answers to an exchange. */
static void answer_token(const char *token)
{
    static char answer[LATCHKEYD_MESSAGE_MAX];

    snprintf(answer, sizeof answer, "{\"answer\":\"ok\",\"token\":\"%s\"}", token);
    latchkeyd.answer = answer;
}

static enum reason exchange_for(const char *service, const char *user, const char *api_key)
{
    return judge(config, service, user, slice_of(api_key), &outcome);
}

/* A token of the account's subject, for which the service gives the key away. */
static char *exchanged_token(const char *claim, const char *value)
{
    const struct member changes[CHANGES_MAX] = { { "sub", "\"sub-bin\"" }, { claim, value } };

    return valid_token(changes);
}

static void who_may_act_as_anybody_is_root_by_no_spelling(void **state)
{
    static const struct {
        const char *name, *authzid;
        enum reason want;
    } rows[] = {
        { "somebody", "alice", REASON_OK },
        { "a mailbox that is no account", "shared.box", REASON_OK },
        { "a blank within a name", "a b", REASON_AUTHZID_NOT_ALLOWED },
        { "root", "root", REASON_AUTHZID_NOT_ALLOWED },
        { "root in another case", "Root", REASON_AUTHZID_NOT_ALLOWED },
        { "root as LDAP writes it", "u:root", REASON_AUTHZID_NOT_ALLOWED },
        { "a name of a directory, for a service that has none", "dn:cn=alice", REASON_AUTHZID_NOT_ALLOWED },
        { "root in two realms", "root@example.com@example.com", REASON_REALM_UNKNOWN },
        { "root in an empty realm", "root@@example.com", REASON_REALM_UNKNOWN },
        { "root, and a blank that the host drops", "root ", REASON_AUTHZID_NOT_ALLOWED },
        { "a blank before it", " root", REASON_AUTHZID_NOT_ALLOWED },
        { "a blank before a realm that is dropped", "root @example.com", REASON_AUTHZID_NOT_ALLOWED },
        { "only a blank", " ", REASON_AUTHZID_NOT_ALLOWED },
        { "oneself and a blank", "daemon ", REASON_AUTHZID_NOT_ALLOWED },
    };
    char *token = valid_token(NULL);
    const struct credential credential = credential_whole(slice_of(token));
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        const struct attempt attempt = { .service = "proxy", .authzid = rows[i].authzid, .now = NOW };

        ROW(rows[i].name);
        outcome.verdict = VERDICT_INIT;
        assert_int_equal(authenticate(&outcome.verdict, config, &attempt, &credential, &outcome.login),
                         rows[i].want == REASON_OK);
        assert_int_equal(outcome.verdict.reason, rows[i].want);
    }
    free(token);
}

static void a_realm_is_dropped_where_the_service_lists_it(void **state)
{
    static const struct {
        const char *name, *service, *sent;
        const char *want; /* NULL: refused */
    } rows[] = {
        { "none", "proxy", "alice", "alice" },
        { "none, where none is listed", "both", "alice", "alice" },
        { "a listed one", "proxy", "alice@example.com", "alice" },
        { "in any case", "proxy", "alice@EXAMPLE.com", "alice" },
        { "the name keeps its case", "proxy", "Alice@example.com", "Alice" },
        { "another one", "proxy", "alice@example.org", NULL },
        { "a longer one", "proxy", "alice@example.com.org", NULL },
        { "one below it", "proxy", "alice@mail.example.com", NULL },
        { "one, where none is listed", "both", "alice@example.com", NULL },
        { "one of any", "any", "alice@host.example.net", "alice" },
        { "one of any, beside a listed one", "two", "alice@host.example.net", "alice" },
        { "the asterisk itself, where it does not stand", "proxy", "alice@*", NULL },
        { "two", "proxy", "alice@example.com@example.com", NULL },
        { "two of any", "any", "alice@one@two", NULL },
        { "an empty one", "both", "alice@", "alice" },
        { "empty ones", "both", "alice@@@", "alice" },
        { "an empty one behind a listed one", "proxy", "alice@example.com@", "alice" },
        { "an empty one behind another", "proxy", "alice@example.org@", NULL },
        { "an empty one before a listed one", "proxy", "alice@@example.com", NULL },
        { "an empty one before any", "any", "alice@@example.com", NULL },
        { "nothing before it", "proxy", "@example.com", "" },
        { "nothing around it", "any", "@", "" },
        { "nothing", "any", "", "" },
    };
    struct slice got;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        struct verdict verdict = VERDICT_INIT;

        ROW(rows[i].name);
        assert_int_equal(realm_drop(&verdict, config_service(config, rows[i].service), rows[i].sent, &got),
                         rows[i].want != NULL);
        if (rows[i].want != NULL)
            assert_true(slice_equal_string(got, rows[i].want));
        else
            assert_int_equal(verdict.reason, REASON_REALM_UNKNOWN);
    }
}

static void a_name_of_a_directory_has_no_realm(void **state)
{
    static const struct {
        const char *name, *service;
        bool is_directory;
        const char *authzid;
        enum reason want;
    } rows[] = {
        { "one that ends like a realm", "ldap", true, "dn:uid=alice@example.com", REASON_OK },
        { "without that end it is another one", "ldap", true, "dn:uid=alice", REASON_AUTHZID_NOT_ALLOWED },
        { "nor does another one become it", "ldap", true, "dn:uid=bob@example.com", REASON_AUTHZID_NOT_ALLOWED },
        { "the rules of another service", "proxy", true, "dn:uid=alice@example.com", REASON_OK },
        { "a prefix in capitals", "proxy", true, "DN:uid=alice", REASON_OK },
        { "a prefix and nothing behind it", "proxy", true, "dn:", REASON_AUTHZID_NOT_ALLOWED },
        { "a host that is not a directory", "proxy", false, "dn:uid=alice@example.com", REASON_AUTHZID_NOT_ALLOWED },
        { "and the rules of one", "ldap", false, "dn:uid=alice@example.com", REASON_AUTHZID_NOT_ALLOWED },
    };
    char *token = valid_token(NULL);
    const struct credential credential = credential_whole(slice_of(token));
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        const struct attempt attempt = {
            .service = rows[i].service, .authzid = rows[i].authzid, .is_directory = rows[i].is_directory, .now = NOW
        };

        ROW(rows[i].name);
        outcome.verdict = VERDICT_INIT;
        assert_int_equal(authenticate(&outcome.verdict, config, &attempt, &credential, &outcome.login),
                         rows[i].want == REASON_OK);
        assert_int_equal(outcome.verdict.reason, rows[i].want);
        if (rows[i].want == REASON_OK)
            assert_string_equal(outcome.login.authzid, rows[i].authzid);
    }
    free(token);
}

/* The reason for a process that has entered a chroot, in which nothing but latchkeyd's socket is. */
static enum reason reason_in_chroot(const struct attempt *attempt, struct slice credential)
{
    const struct credential whole = credential_whole(credential);
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        alarm(20);
        if (chroot(path_in_directory("jail")) != 0 || chdir("/") != 0)
            _exit(255);
        outcome.verdict = VERDICT_INIT;
        authenticate(&outcome.verdict, config, attempt, &whole, &outcome.login);
        _exit((int)outcome.verdict.reason);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return (enum reason)WEXITSTATUS(status);
}

/* What cannot be asked is refused as latchkeyd would have refused it, and not as if none answered. */
static void a_host_in_a_chroot_asks_only_what_can_be_asked(void **state)
{
    static char longest[JWT_MAX_LEN + 1];
    const struct {
        const char *name, *user, *authzid;
        struct slice credential;
        enum reason want;
    } rows[] = {
        { "a credential", "bin", "bin", LITERAL("x"), REASON_USER_UNMAPPED },
        { "nobody is named", NULL, NULL, LITERAL("x"), REASON_USER_UNMAPPED },
        { "a user without a name", "", NULL, LITERAL("x"), REASON_USER_MISMATCH },
        { "nobody to act as", NULL, "", LITERAL("x"), REASON_AUTHZID_NOT_ALLOWED },
        { "no credential", "bin", NULL, { "", 0 }, REASON_CREDENTIAL_ABSENT },
        { "the longest", "bin", NULL, { longest, JWT_MAX_LEN }, REASON_USER_UNMAPPED },
        { "a longer one", "bin", NULL, { longest, JWT_MAX_LEN + 1 }, REASON_TOKEN_TOO_LONG },
        { "the first and the last that are plain", "bin", NULL, LITERAL("!~"), REASON_USER_UNMAPPED },
        { "a blank", "bin", NULL, LITERAL("a b"), REASON_TOKEN_MALFORMED },
        { "DEL", "bin", NULL, LITERAL("a\x7f"), REASON_TOKEN_MALFORMED },
        { "NUL", "bin", NULL, LITERAL("a\0"), REASON_TOKEN_MALFORMED },
        { "a quotation mark", "bin", NULL, LITERAL("\"a"), REASON_TOKEN_MALFORMED },
        { "a backslash", "bin", NULL, LITERAL("a\\"), REASON_TOKEN_MALFORMED },
        { "a letter beyond ASCII", "bin", NULL, LITERAL("\xc3\xa7"), REASON_TOKEN_MALFORMED },
    };
    char command[512], socket_path[160];
    size_t i;

    (void)state;
    memset(longest, 'x', sizeof longest);
    snprintf(command, sizeof command, "mkdir -p %s/jail%s", directory, directory);
    assert_int_equal(system(command), 0);
    snprintf(socket_path, sizeof socket_path, "%s/jail%s/latchkeyd", directory, directory);
    latchkeyd_double_start(&latchkeyd, socket_path);
    for (i = 0; i < COUNT(rows); i++) {
        const struct attempt attempt = { .service = "both", .user = rows[i].user, .authzid = rows[i].authzid };
        const unsigned asked = latchkeyd.questions;

        ROW(rows[i].name);
        latchkeyd.answer = "{\"answer\":\"user_unmapped\"}";
        assert_int_equal(reason_in_chroot(&attempt, rows[i].credential), rows[i].want);
        assert_int_equal(latchkeyd.questions - asked, rows[i].want == REASON_USER_UNMAPPED);
    }
    latchkeyd_double_stop(&latchkeyd);
    snprintf(command, sizeof command, "rm -r %s/jail", directory);
    assert_int_equal(system(command), 0);
}

static void rule_25_an_api_key_opens_the_account_of_its_subject(void **state)
{
    char *token = exchanged_token(NULL, NULL);

    (void)state;
    latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
    answer_token(token);
    assert_int_equal(exchange_for("both", "bin", API_KEY), REASON_OK);
    assert_string_equal(
        latchkeyd.question,
        "{\"ask\":\"exchange\",\"tenant\":\"t-1\",\"subject\":\"sub-bin\",\"url\":\"https://auth.example.com\","
        "\"api_key\":\"" API_KEY "\"}");
    assert_string_equal(outcome.verdict.credential, "api_key");
    assert_string_equal(outcome.verdict.user, "bin");
    assert_string_equal(outcome.login.credential, "api_key");
    assert_int_equal(outcome.explanation.count, CHECK_COUNT);
    assert_string_equal(check_name(outcome.explanation.made[2].check), "exchange");
    latchkeyd_double_stop(&latchkeyd);
    free(token);
}

/* In place of the C library's: a host whose clock the test sets forward. */
static _Atomic int64_t clock_ahead;

time_t time(time_t *ret)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += clock_ahead;
    if (ret != NULL)
        *ret = now.tv_sec;
    return now.tv_sec;
}

static void let_a_second_pass(void)
{
    clock_ahead++;
}

static void a_token_that_was_made_meanwhile_is_not_of_the_future(void **state)
{
    char *token = exchanged_token("iat", "1000031"); /* now 1000000, leeway 30 */

    (void)state;
    latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
    answer_token(token);
    latchkeyd.before = let_a_second_pass;
    assert_int_equal(exchange_for("both", "bin", API_KEY), REASON_OK);
    latchkeyd_double_stop(&latchkeyd);
    free(token);
}

static void rule_25_an_api_key_leaves_the_host_only_for_marked_accounts(void **state)
{
    static const struct {
        const char *name, *service, *user, *credential;
    } cases[] = {
        { "an account without the mark", "both", "sys", API_KEY },
        { "an account with several subjects", "both", "daemon", API_KEY },
        { "root, which is not named for it", "both", "root", API_KEY },
        { "an account without a block", "both", "games", API_KEY },
        { "nobody in particular", "both", NULL, API_KEY },
        { "a service without api_key", NULL, "bin", API_KEY },
        { "a password that is too short for a key", "both", "bin", "correct-horse" },
        { "a password with a blank", "both", "bin", "correct horse battery staple" },
        { "a password with a mark that no key has", "both", "bin", "correct-horse!battery" },
        { "a key with a line in it", "both", "bin", API_KEY "\r\nX-Other: 1" },
        { "a token behind its scheme", "both", "bin", "Bearer eyJhbGciOiJFUzI1NiJ9.e30.AAAA" },
    };
    size_t i;

    (void)state;
    latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
    answer_token("eyJhbGciOiJub25lIn0.e30.AAAA");
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_int_not_equal(exchange_for(cases[i].service, cases[i].user, cases[i].credential), REASON_OK);
        assert_int_equal(latchkeyd.questions, 0);
    }
    latchkeyd_double_stop(&latchkeyd);
}

static void rule_25_the_exchanged_token_must_verify_and_be_the_accounts(void **state)
{
    static const struct {
        const char *name, *claim, *value;
        enum reason want;
    } cases[] = {
        { "expired", "exp", "999000", REASON_TOKEN_EXPIRED },
        { "without exp", "exp", NULL, REASON_CLAIM_MISSING },
    };
    static const struct {
        const char *name, *subject;
    } others[] = {
        { "of another user", "\"sub-daemon\"" },
        { "of root", "\"sub-root\"" },
        { "of nobody here", "\"sub-stranger\"" },
    };
    const struct member same_subject[CHANGES_MAX] = { { "sub", "\"sub-bin\"" } };
    char *token;
    size_t i;

    (void)state;
    latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        token = exchanged_token(cases[i].claim, cases[i].value);
        answer_token(token);
        assert_int_equal(exchange_for("both", "bin", API_KEY), cases[i].want);
        free(token);
    }
    for (i = 0; i < COUNT(others); i++) {
        const struct member changes[CHANGES_MAX] = { { "sub", others[i].subject } };

        ROW(others[i].name);
        token = valid_token(changes);
        answer_token(token);
        assert_int_equal(exchange_for("both", "bin", API_KEY), REASON_EXCHANGE_MISMATCH);
        free(token);
    }
    ROW("of another tenant of the configuration");
    token = token_of(keys.secret, "HS256", "k", same_subject);
    answer_token(token);
    assert_int_equal(exchange_for("both", "bin", API_KEY), REASON_EXCHANGE_MISMATCH);
    free(token);
    ROW("unsigned");
    answer_token("eyJhbGciOiJub25lIn0.e30.AAAA");
    assert_int_equal(exchange_for("both", "bin", API_KEY), REASON_TENANT_UNKNOWN);
    ROW("no token at all");
    answer_token("lk_another_api_key_0123456789");
    assert_int_equal(exchange_for("both", "bin", API_KEY), REASON_TOKEN_MALFORMED);
    latchkeyd_double_stop(&latchkeyd);
}

static void what_latchkeyd_refuses_is_refused_for_its_reason(void **state)
{
    static const struct {
        const char *name, *answer;
        enum reason want;
    } cases[] = {
        { "a wrong key", "{\"answer\":\"credential_refused\",\"detail\":\"status 401\"}", REASON_CREDENTIAL_REFUSED },
        { "no answer of the service", "{\"answer\":\"tenant_unavailable\"}", REASON_TENANT_UNAVAILABLE },
        { "a success without a token", "{\"answer\":\"ok\"}", REASON_LATCHKEYD_UNAVAILABLE },
        { "a reason that nobody knows", "{\"answer\":\"perhaps\"}", REASON_LATCHKEYD_UNAVAILABLE },
        { "undecided", "{\"answer\":\"undecided\"}", REASON_LATCHKEYD_UNAVAILABLE },
        { "broken JSON", "{\"answer\":\"ok\"", REASON_LATCHKEYD_UNAVAILABLE },
        { "hanging up", NULL, REASON_LATCHKEYD_UNAVAILABLE },
        { "silence", "", REASON_LATCHKEYD_UNAVAILABLE },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
        latchkeyd.answer = cases[i].answer;
        poll_is_in_vain = cases[i].answer != NULL && cases[i].answer[0] == '\0';
        assert_int_equal(exchange_for("both", "bin", API_KEY), cases[i].want);
        poll_is_in_vain = false;
        assert_int_equal(latchkeyd.questions, 1);
        latchkeyd_double_stop(&latchkeyd);
    }
    ROW("nobody listens, and nobody is started");
    unlink(path_in_directory("latchkeyd"));
    assert_int_equal(exchange_for("both", "bin", API_KEY), REASON_LATCHKEYD_UNAVAILABLE);
}

/* In the double's thread, where cmocka's asserts do not reach. */
static void put_newest_key(void)
{
    struct json *set[] = { signer_jwk(newest, "k-newest", NULL) };
    char *text = key_set_of(set, 1);
    int file = open(path_in_directory("rotating.json"), O_WRONLY | O_TRUNC | O_CREAT, 0644);

    if (file < 0 || write(file, text, strlen(text)) < 0 || close(file) != 0)
        abort();
    free(text);
}

static void rule_21_a_key_that_is_not_in_the_set_is_looked_for_once(void **state)
{
    const struct config *rotating;
    struct json *set[] = { signer_jwk(keys.p256, "k-p256", NULL) };
    char *token;

    (void)state;
    newest = signer_generate("ES256", 0);
    token = token_of(newest, "ES256", "k-newest", NULL);
    write_key_set("rotating.json", set, 1);
    rotating = config_of("tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/rotating.json\" }\n"
                         "user \"daemon\" { sub = {\"sub-daemon\"} }\n"
                         "revocation_list = \"~/revoked\"\n"
                         "latchkeyd { socket = {\"~/latchkeyd\"} program = \"\" timeout = 1 }\n");
    latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
    latchkeyd.answer = "{\"answer\":\"ok\"}";
    ROW("the set stays as it was");
    assert_int_equal(judge(rotating, NULL, NULL, slice_of(token), &outcome), REASON_KEY_UNKNOWN);
    assert_string_equal(latchkeyd.question, "{\"ask\":\"refresh\",\"tenant\":\"t-1\"}");
    assert_int_equal(latchkeyd.questions, 1);
    ROW("latchkeyd puts a new one in its place");
    latchkeyd.before = put_newest_key;
    assert_int_equal(judge(rotating, NULL, NULL, slice_of(token), &outcome), REASON_OK);
    assert_int_equal(latchkeyd.questions, 2);
    assert_int_equal(outcome.explanation.count, CHECK_COUNT - 1);
    latchkeyd_double_stop(&latchkeyd);
    config_release(&rotating);
    signer_free(&newest);
    free(token);
}

#define DOES_NOT_SERVE "latchkeyd denies uid 7: not in its option allow"

/* Whether a login is possible, and the login itself, of a host that lacks the token's key. */
static const struct {
    const char *name;
    const char *file;   /* the text of the key set; NULL: no file */
    const char *answer; /* of latchkeyd; NULL: nothing listens */
    bool puts_key;      /* latchkeyd fetches a key set before it answers */
    enum reason possible, want;
    const char *evidence; /* what the evidence of the login holds */
} wanting[] = {
    { "no file, and latchkeyd fetches it", NULL, "{\"answer\":\"ok\"}", true, REASON_UNDECIDED, REASON_OK, "" },
    { "a broken file, and latchkeyd fetches another", "{", "{\"answer\":\"ok\"}", true, REASON_UNDECIDED, REASON_OK,
      "" },
    { "no file, and latchkeyd has looked in vain", NULL, "{\"answer\":\"ok\"}", false, REASON_JWKS_UNAVAILABLE,
      REASON_JWKS_UNAVAILABLE, "No such file" },
    { "no file, and the tenant service is down", NULL, "{\"answer\":\"tenant_unavailable\",\"detail\":\"status 500\"}",
      false, REASON_JWKS_UNAVAILABLE, REASON_JWKS_UNAVAILABLE, "no newer key set: status 500" },
    { "a broken file, and the tenant service is down", "{",
      "{\"answer\":\"tenant_unavailable\",\"detail\":\"status 500\"}", false, REASON_JWKS_INVALID, REASON_JWKS_INVALID,
      "no newer key set: status 500" },
    { "no file, and this process may not ask", NULL,
      "{\"answer\":\"latchkeyd_unavailable\",\"detail\":\"" DOES_NOT_SERVE "\"}", false, REASON_LATCHKEYD_UNAVAILABLE,
      REASON_LATCHKEYD_UNAVAILABLE, DOES_NOT_SERVE "; jwks_unavailable: " },
    { "another key, and this process may not ask", "other",
      "{\"answer\":\"latchkeyd_unavailable\",\"detail\":\"" DOES_NOT_SERVE "\"}", false, REASON_UNDECIDED,
      REASON_LATCHKEYD_UNAVAILABLE, DOES_NOT_SERVE "; key_unknown: " },
    { "no file, and no latchkeyd", NULL, NULL, false, REASON_JWKS_UNAVAILABLE, REASON_JWKS_UNAVAILABLE,
      "no newer key set: latchkeyd does not listen on " },
    { "another key, and no latchkeyd", "other", NULL, false, REASON_UNDECIDED, REASON_KEY_UNKNOWN,
      "no newer key set: latchkeyd does not listen on " },
};

static void prepare_wanting(size_t row)
{
    struct json *set[] = { signer_jwk(keys.p256, "k-p256", NULL) };

    write_key_set("rotating.json", set, 1);
    if (wanting[row].file == NULL)
        unlink(path_in_directory("rotating.json"));
    else if (strcmp(wanting[row].file, "other") != 0)
        write_file("rotating.json", wanting[row].file);
}

static const struct config *config_wanting(void)
{
    return config_of("tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/rotating.json\" }\n"
                     "user \"daemon\" { sub = {\"sub-daemon\"} }\n"
                     "revocation_list = \"~/revoked\"\n"
                     "latchkeyd { socket = {\"~/latchkeyd\"} program = \"\" timeout = 1 }\n");
}

static void rule_21_a_key_set_that_is_missing_is_looked_for(void **state)
{
    char *token;
    size_t i;

    (void)state;
    newest = signer_generate("ES256", 0);
    token = token_of(newest, "ES256", "k-newest", NULL);
    unlink(path_in_directory("latchkeyd"));
    for (i = 0; i < COUNT(wanting); i++) {
        struct verdict possible = VERDICT_INIT;
        const struct config *by;

        ROW(wanting[i].name);
        if (wanting[i].answer != NULL)
            latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
        latchkeyd.answer = wanting[i].answer;
        latchkeyd.before = wanting[i].puts_key ? put_newest_key : NULL;
        prepare_wanting(i);
        by = config_wanting();
        assert_int_equal(authenticate_is_possible(&possible, by, NULL), wanting[i].possible == REASON_UNDECIDED);
        assert_int_equal(possible.reason, wanting[i].possible);
        ROW("and a login by it");
        prepare_wanting(i);
        config_release(&by);
        by = config_wanting();
        assert_int_equal(judge(by, NULL, NULL, slice_of(token), &outcome), wanting[i].want);
        assert_non_null(strstr(outcome.verdict.evidence, wanting[i].evidence));
        config_release(&by);
        if (wanting[i].answer != NULL) {
            assert_string_equal(latchkeyd.question, "{\"ask\":\"refresh\",\"tenant\":\"t-1\"}");
            latchkeyd_double_stop(&latchkeyd);
            unlink(path_in_directory("latchkeyd"));
        }
    }
    signer_free(&newest);
    free(token);
}

static void a_secret_that_is_kept_from_us_is_asked_for(void **state)
{
    const struct config *kept;
    char *token = token_of(keys.secret, "HS256", "k", NULL);

    (void)state;
    kept = config_of("tenant \"t-2\" { url = \"https://auth.example.com\" hmac_secret_file = \"~/kept-secret\" }\n"
                     "user \"daemon\" { sub = {\"sub-daemon\"} }\n"
                     "revocation_list = \"~/revoked\"\n"
                     "latchkeyd { socket = {\"~/latchkeyd\"} program = \"\" timeout = 1 }\n");
    ROW("nobody is there to ask");
    unlink(path_in_directory("latchkeyd"));
    assert_int_equal(judge(kept, NULL, NULL, slice_of(token), &outcome), REASON_JWKS_UNAVAILABLE);
    latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
    ROW("latchkeyd says that the signature holds");
    latchkeyd.answer = "{\"answer\":\"ok\"}";
    assert_int_equal(judge(kept, NULL, NULL, slice_of(token), &outcome), REASON_OK);
    assert_string_equal(outcome.verdict.user, "daemon");
    ROW("all else is checked here");
    assert_int_equal(judge(kept, NULL, "root", slice_of(token), &outcome), REASON_USER_MISMATCH);
    ROW("latchkeyd says that it does not");
    latchkeyd.answer = "{\"answer\":\"signature_invalid\",\"detail\":\"alg=HS256\"}";
    assert_int_equal(judge(kept, NULL, NULL, slice_of(token), &outcome), REASON_SIGNATURE_INVALID);
    ROW("latchkeyd does not serve this process");
    latchkeyd.answer = "{\"answer\":\"latchkeyd_unavailable\",\"detail\":\"" DOES_NOT_SERVE "\"}";
    assert_int_equal(judge(kept, NULL, NULL, slice_of(token), &outcome), REASON_LATCHKEYD_UNAVAILABLE);
    assert_string_equal(outcome.verdict.evidence, DOES_NOT_SERVE);
    latchkeyd_double_stop(&latchkeyd);
    config_release(&kept);
    free(token);
}

static const struct config *config_with_list(const char *list, const char *tenant)
{
    char text[1024];

    write_file("account-revoked", list);
    snprintf(text, sizeof text,
             "tenant \"%s\" { url = \"https://auth.example.com\" keys = \"~/keys.json\" }\n"
             "user \"daemon\" { sub = {\"sub-daemon\", \"sub-second\"} }\n"
             "user \"nobody\" { }\n"
             "group \"ops\" { claim = {\"g-ops\"} }\n"
             "service \"sudo\" { require_group = {\"ops\"} max_age = 300 }\n"
             "revocation_list = \"~/account-revoked\"\n",
             tenant);
    return config_of(text);
}

static enum reason judge_account(const struct config *by, const char *service, const char *user,
                                 const struct login *login, int64_t now)
{
    const struct attempt attempt = { .service = service, .user = user, .now = now };
    struct verdict verdict = VERDICT_INIT;
    bool accepted = authenticate_account(&verdict, by, &attempt, login);

    assert_int_equal(accepted, verdict.reason == REASON_OK);
    assert_int_not_equal(verdict.reason, REASON_UNDECIDED);
    if (login != NULL) {
        assert_string_equal(verdict.credential, "jwt");
        assert_string_equal(verdict.subject, login->subject);
    }
    return verdict.reason;
}

static const struct {
    const char *name, *list, *service, *user, *tenant;
    int64_t now;
    enum reason want;
} accounts[] = {
    { "nothing changed", "", "sshd", "daemon", "t-1", NOW, REASON_OK },
    { "the session begins after the token's end", "", "sshd", "daemon", "t-1", NOW + 86400, REASON_OK },
    { "another user", "", "sshd", "root", "t-1", NOW, REASON_USER_MISMATCH },
    { "no user", "", "sshd", NULL, "t-1", NOW, REASON_USER_MISMATCH },
    { "the tenant is gone", "", "sshd", "daemon", "t-9", NOW, REASON_TENANT_UNKNOWN },
    { "its sub is revoked", "sub sub-daemon\n", "sshd", "daemon", "t-1", NOW, REASON_TOKEN_REVOKED },
    { "the other sub of the block is", "sub sub-second\n", "sshd", "daemon", "t-1", NOW, REASON_OK },
    { "its jti is revoked", "jti j-1\n", "sshd", "daemon", "t-1", NOW, REASON_TOKEN_REVOKED },
    { "its kid is revoked", "kid k-p256\n", "sshd", "daemon", "t-1", NOW, REASON_TOKEN_REVOKED },
    { "it was issued before", "issued-before 999991\n", "sshd", "daemon", "t-1", NOW, REASON_TOKEN_REVOKED },
    { "it was issued then", "issued-before 999990\n", "sshd", "daemon", "t-1", NOW, REASON_OK },
    { "the list is broken", "x\n", "sshd", "daemon", "t-1", NOW, REASON_REVOCATION_UNAVAILABLE },
    { "the service's rules hold", "", "sudo", "daemon", "t-1", NOW, REASON_OK },
    { "the token is too old for the service", "", "sudo", "daemon", "t-1", NOW + 321, REASON_TOKEN_TOO_OLD },
    { "one second less", "", "sudo", "daemon", "t-1", NOW + 320, REASON_OK },
};

static void the_account_of_a_login_is_checked_again(void **state)
{
    static struct login login;
    const struct config *later;
    char *token = valid_token(NULL);
    size_t i;

    (void)state;
    assert_int_equal(judge(config, "sshd", "daemon", slice_of(token), &outcome), REASON_OK);
    login = outcome.login;
    for (i = 0; i < COUNT(accounts); i++) {
        ROW(accounts[i].name);
        later = config_with_list(accounts[i].list, accounts[i].tenant);
        assert_int_equal(judge_account(later, accounts[i].service, accounts[i].user, &login, accounts[i].now),
                         accounts[i].want);
        config_release(&later);
    }
    ROW("the login had not the group that the service wants");
    login.identity.group_count = 0;
    assert_int_equal(judge_account(config, "sudo", "daemon", &login, NOW), REASON_GROUP_MISSING);
    ROW("the service wants max_age, and the token did not say when it was issued");
    login = outcome.login;
    login.has_issued_at = false;
    assert_int_equal(judge_account(config, "sudo", "daemon", &login, NOW), REASON_CLAIM_MISSING);
    free(token);
}

static const struct {
    const char *name, *list, *user;
    enum reason want;
} others[] = {
    { "nothing is revoked", "", "daemon", REASON_OK },
    { "the first of two subjects is", "sub sub-daemon\n", "daemon", REASON_OK },
    { "the last of two subjects is", "sub sub-second\n", "daemon", REASON_OK },
    { "both subjects are", "sub sub-daemon\nsub sub-second\n", "daemon", REASON_TOKEN_REVOKED },
    { "somebody else is", "sub sub-other\n", "daemon", REASON_OK },
    { "only tokens are", "jti j-1\nkid k-p256\nissued-before 9007199254740992\n", "daemon", REASON_OK },
    { "a block without subjects", "sub sub-daemon\n", "nobody", REASON_OK },
    { "no block", "sub sub-daemon\n", "root", REASON_OK },
    { "another spelling of an account that is", "sub sub-daemon\nsub sub-second\n", "DAEMON", REASON_TOKEN_REVOKED },
    { "another spelling of one that is not", "sub sub-daemon\n", "DAEMON", REASON_OK },
    { "NSS cannot tell whose account it is", "sub sub-daemon\n", "unknowable", REASON_SYSTEM_ERROR },
    { "nor need it where nobody is revoked", "", "unknowable", REASON_OK },
    { "no user", "sub sub-daemon\n", NULL, REASON_OK },
    { "the service's rules are for tokens", "", "daemon", REASON_OK },
    { "the list is broken", "x\n", "root", REASON_REVOCATION_UNAVAILABLE },
};

static void whoever_came_by_public_key_is_shut_out_when_revoked(void **state)
{
    const struct config *later;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(others); i++) {
        ROW(others[i].name);
        later = config_with_list(others[i].list, "t-1");
        assert_int_equal(judge_account(later, "sudo", others[i].user, NULL, NOW), others[i].want);
        config_release(&later);
    }
}

static int set_up(void **state)
{
    struct json *set[7];

    (void)state;
    keys.rsa_2048 = signer_generate("RS256", 2048);
    keys.rsa_3072 = signer_generate("RS256", 3072);
    keys.rsa_4096 = signer_generate("RS256", 4096);
    keys.p256 = signer_generate("ES256", 0);
    keys.p384 = signer_generate("ES384", 0);
    keys.p521 = signer_generate("ES512", 0);
    keys.ed25519 = signer_generate("EdDSA", 0);
    keys.secret = signer_from_secret(LITERAL(SECRET));
    if (directory_make() != 0 || keys.rsa_2048 == NULL || keys.rsa_3072 == NULL || keys.rsa_4096 == NULL
        || keys.p256 == NULL || keys.p384 == NULL || keys.p521 == NULL || keys.ed25519 == NULL || keys.secret == NULL)
        return -1;
    set[0] = signer_jwk(keys.rsa_2048, "k-2048", NULL);
    set[1] = signer_jwk(keys.rsa_3072, "k-3072", NULL);
    set[2] = signer_jwk(keys.rsa_4096, "k-4096", NULL);
    set[3] = signer_jwk(keys.p256, "k-p256", NULL);
    set[4] = signer_jwk(keys.p384, "k-p384", NULL);
    set[5] = signer_jwk(keys.p521, "k-p521", NULL);
    set[6] = signer_jwk(keys.ed25519, "k-ed", NULL);
    write_key_set("keys.json", set, COUNT(set));
    write_file("secret", SECRET);
    write_file("revoked", "");
    config = config_of(main_text);
    return 0;
}

static int tear_down(void **state)
{
    struct signer **signers[] = { &keys.rsa_2048, &keys.rsa_3072, &keys.rsa_4096, &keys.p256,
                                  &keys.p384,     &keys.p521,     &keys.ed25519,  &keys.secret };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(signers); i++)
        signer_free(signers[i]);
    config_release(&config);
    return directory_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_beginning_of_a_token_asks_for_more),
        cmocka_unit_test(an_unknown_rsa_key_counts_as_the_least),
        cmocka_unit_test(of_two_tenants_the_longer_key_counts),
        cmocka_unit_test(a_token_of_the_newest_key_is_asked_for_to_its_end),
        cmocka_unit_test(a_service_takes_the_kinds_that_it_lists),
        cmocka_unit_test(rule_37_junk_as_long_as_a_token_is_judged_like_one),
        cmocka_unit_test(what_was_pasted_instead_of_a_token_is_named),
        cmocka_unit_test(nothing_of_a_credential_is_logged),
        cmocka_unit_test(a_token_is_too_long_whatever_it_holds),
        cmocka_unit_test(the_checks_begin_with_the_configuration_and_the_credential),
        cmocka_unit_test(the_request_picks_the_rules),
        cmocka_unit_test(it_is_known_beforehand_whether_a_login_is_possible),
        cmocka_unit_test(a_service_that_takes_nothing_is_not_possible),
        cmocka_unit_test(who_may_act_as_anybody_is_root_by_no_spelling),
        cmocka_unit_test(a_realm_is_dropped_where_the_service_lists_it),
        cmocka_unit_test(a_name_of_a_directory_has_no_realm),
        cmocka_unit_test(a_host_in_a_chroot_asks_only_what_can_be_asked),
        cmocka_unit_test(rule_25_an_api_key_opens_the_account_of_its_subject),
        cmocka_unit_test(a_token_that_was_made_meanwhile_is_not_of_the_future),
        cmocka_unit_test(rule_25_an_api_key_leaves_the_host_only_for_marked_accounts),
        cmocka_unit_test(rule_25_the_exchanged_token_must_verify_and_be_the_accounts),
        cmocka_unit_test(what_latchkeyd_refuses_is_refused_for_its_reason),
        cmocka_unit_test(rule_21_a_key_that_is_not_in_the_set_is_looked_for_once),
        cmocka_unit_test(rule_21_a_key_set_that_is_missing_is_looked_for),
        cmocka_unit_test(a_secret_that_is_kept_from_us_is_asked_for),
        cmocka_unit_test(the_account_of_a_login_is_checked_again),
        cmocka_unit_test(whoever_came_by_public_key_is_shut_out_when_revoked),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
