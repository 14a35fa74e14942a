#include "tests/support/clock_double.h"
#include "tests/support/fixture.h"

#include <poll.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#include "verdict/log_line.h"
#include "token/algorithm.h"
#include "config/snapshot.h"
#include "login/verify.h"

#define NOW 1000000 /* the leeway is 30 unless said */

/* Whoever is not the tenant signs with these. */
static struct {
    struct signer *rsa, *other_rsa, *weak_rsa, *p256, *p384, *p521, *ed25519, *secret;
} keys;

static const struct {
    const char *alg;
    struct signer **signer;
    const char *kid;
} signing[ALGORITHM_ROWS] = {
    { "RS256", &keys.rsa, "\"k-rsa\"" },     { "RS384", &keys.rsa, "\"k-rsa\"" },
    { "RS512", &keys.rsa, "\"k-rsa\"" },     { "PS256", &keys.rsa, "\"k-rsa\"" },
    { "PS384", &keys.rsa, "\"k-rsa\"" },     { "PS512", &keys.rsa, "\"k-rsa\"" },
    { "ES256", &keys.p256, "\"k-p256\"" },   { "ES384", &keys.p384, "\"k-p384\"" },
    { "ES512", &keys.p521, "\"k-p521\"" },   { "EdDSA", &keys.ed25519, "\"k-ed\"" },
    { "HS256", &keys.secret, "\"k-hmac\"" }, { "HS384", &keys.secret, "\"k-hmac\"" },
    { "HS512", &keys.secret, "\"k-hmac\"" },
};

static const char main_text[] = "tenant \"t-1\" {\n"
                                "  url = \"https://auth.example.com\"\n"
                                "  keys = \"~/keys.json\"\n"
                                "  algorithms = {\"RS256\", \"RS384\", \"RS512\", \"PS256\", \"PS384\", \"PS512\",\n"
                                "                \"ES256\", \"ES384\", \"ES512\", \"EdDSA\"}\n"
                                "}\n"
                                "user \"alice\" { sub = {\"sub-alice\"} }\n"
                                "user \"root\" { sub = {\"sub-root\"} }\n"
                                "user \"svc-a\" { sub = {\"sub-two\"} }\n"
                                "user \"svc-b\" { sub = {\"sub-two\"} }\n"
                                "user \"daemon\" { sub = {\"sub-daemon\"} }\n"
                                "user \"no-such-user-here\" { sub = {\"sub-ghost\"} }\n"
                                "map { claim = \"email\"  pattern = \"^([a-z][a-z0-9_-]*)@example\\\\.com$\" }\n"
                                "group \"ops\" { claim = {\"g-ops\"} }\n"
                                "group \"devs\" { claim = {\"g-devs\", \"g-more\"} }\n"
                                "service \"sudo\" { max_age = 300 }\n"
                                "service \"ops-only\" { require_group = {\"ops\"} }\n"
                                "service \"any-of-two\" { require_group = {\"devs\", \"ops\"} }\n"
                                "revocation_list = \"~/empty\"\n";
static const struct config *main_config;

static const struct member valid_header[] = {
    { "alg", "\"RS256\"" },
    { "typ", "\"JWT\"" },
    { "kid", "\"k-rsa\"" },
};

#define TENANT_CLAIM "https://agglestone.com/tenantId"
static const struct member valid_claims[] = {
    { "sub", "\"sub-alice\"" },
    { "exp", "1000300" },
    { "iat", "999990" },
    { "iss", "\"https://auth.example.com/tenant/t-1/v2.0/Auth\"" },
    { "aud", "\"t-1\"" },
    { TENANT_CLAIM, "\"t-1\"" },
    { "email", "\"carol@example.com\"" },
    { "groups", "[\"g-ops\",\"g-unknown\"]" },
    { "jti", "\"j-1\"" },
};

struct outcome {
    struct verdict verdict;
    struct explanation explanation;
    struct login login;
};

struct question {
    const struct config *config; /* NULL: main_config */
    const char *service;         /* NULL: "*" */
    const char *user;
    bool ask_for_account;
    bool has_now;
    int64_t now;
};

/* What holds of every explanation: in the order of the checks, all passed but the one that refused, which is the last.
 */
static void assert_explained(const struct outcome *outcome, bool accepted)
{
    const struct explanation *made = &outcome->explanation;
    size_t i;

    for (i = 0; i < made->count; i++) {
        assert_true(i == 0 || made->made[i - 1].check < made->made[i].check);
        assert_int_equal(made->made[i].ok, accepted || i + 1 < made->count);
    }
    assert_true(made->count > 0);
    assert_int_equal(accepted, made->made[made->count - 1].check == CHECK_SERVICE && made->made[made->count - 1].ok);
}

/* No log line and no detail holds a piece of the token that could help to guess the rest. */
static void assert_nothing_leaked(const struct outcome *outcome, struct slice token)
{
    char line[LOG_LINE_MAX], piece[25];
    size_t i, j;

    verdict_log_line(&outcome->verdict, &(struct attempt){ .service = "sshd", .user = "alice", .rhost = "192.0.2.7" },
                     line);
    for (i = 0; i + sizeof piece <= token.len; i++) {
        memcpy(piece, token.bytes + i, sizeof piece - 1);
        piece[sizeof piece - 1] = '\0';
        if (strlen(piece) < sizeof piece - 1)
            continue;
        assert_null(strstr(line, piece));
        for (j = 0; j < outcome->explanation.count; j++)
            assert_null(strstr(outcome->explanation.made[j].detail, piece));
    }
}

static enum reason judge(const struct question *question, struct slice token, struct outcome *ret_outcome)
{
    static struct outcome unheard;
    struct outcome *outcome = ret_outcome != NULL ? ret_outcome : &unheard;
    const struct config *config = question->config != NULL ? question->config : main_config;
    const struct attempt attempt = {
        .service = question->service,
        .user = question->user,
        .now = question->has_now ? question->now : NOW,
    };
    const struct verify_request request = { .attempt = &attempt, .skip_account = !question->ask_for_account };
    bool accepted;

    outcome->verdict = VERDICT_INIT;
    outcome->explanation.count = 0;
    outcome->verdict.explanation = &outcome->explanation;
    accepted = verify_token(&outcome->verdict, config, &request, token, &outcome->login);
    assert_int_equal(accepted, outcome->verdict.reason == REASON_OK);
    assert_int_not_equal(outcome->verdict.reason, REASON_UNDECIDED);
    assert_explained(outcome, accepted);
    assert_nothing_leaked(outcome, token);
    if (accepted && question->user != NULL)
        assert_string_equal(outcome->login.identity.user, question->user);
    return outcome->verdict.reason;
}

static char *sign_texts(const struct signer *signer, const char *alg, const char *header, const char *payload)
{
    char *token = signer_token(signer, alg, slice_of(header), slice_of(payload));

    assert_non_null(token);
    return token;
}

/* A valid token with changes, signed by the tenant's RSA key unless said. malloc'ed. */
static char *token_with(const struct signer *signer, const struct member *header_changes,
                        const struct member *claim_changes)
{
    char *header = object_text(valid_header, COUNT(valid_header), header_changes);
    char *payload = object_text(valid_claims, COUNT(valid_claims), claim_changes);
    char *token = sign_texts(signer != NULL ? signer : keys.rsa, "RS256", header, payload);

    free(header);
    free(payload);
    return token;
}

static enum reason judge_free(const struct question *question, char *token, struct outcome *outcome)
{
    enum reason reason = judge(question, slice_of(token), outcome);

    free(token);
    return reason;
}

struct claim_row {
    const char *name;
    struct member changes[CHANGES_MAX];
    enum reason want;
};

static void run_claims(const struct question *question, const struct claim_row *rows, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        ROW(rows[i].name);
        assert_int_equal(judge_free(question, token_with(NULL, NULL, rows[i].changes), NULL), rows[i].want);
    }
}

struct header_row {
    const char *name;
    struct member changes[CHANGES_MAX];
    enum reason want;
};

static void run_headers(const struct question *question, const struct header_row *rows, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        ROW(rows[i].name);
        assert_int_equal(judge_free(question, token_with(NULL, rows[i].changes, NULL), NULL), rows[i].want);
    }
}

static const struct question plain = { .config = NULL };

static void a_valid_token_is_accepted(void **state)
{
    static struct outcome outcome;
    static const struct member claims[CHANGES_MAX] = { { "auth_time", "999000.5" } };
    char line[LOG_LINE_MAX];

    (void)state;
    assert_int_equal(judge_free(&plain, token_with(NULL, NULL, claims), &outcome), REASON_OK);
    ROW("the login is complete");
    assert_string_equal(outcome.login.tenant, "t-1");
    assert_string_equal(outcome.login.subject, "sub-alice");
    assert_string_equal(outcome.login.jti, "j-1");
    assert_string_equal(outcome.login.kid, "k-rsa");
    assert_true(outcome.login.has_issued_at);
    assert_true(outcome.login.issued_at == 999990.0);
    assert_true(outcome.login.has_auth_time);
    assert_true(outcome.login.auth_time == 999000.5);
    assert_true(outcome.login.has_expires);
    assert_true(outcome.login.expires == 1000300.0);
    assert_string_equal(outcome.login.identity.user, "alice");
    assert_true(outcome.login.identity.user_is_explicit);
    assert_int_equal(outcome.login.identity.group_count, 1);
    assert_string_equal(outcome.login.identity.groups[0], "ops");
    ROW("and so is the line");
    verdict_log_line(&outcome.verdict, &(struct attempt){ .service = "sshd", .user = "alice", .rhost = "192.0.2.7" },
                     line);
    assert_string_equal(line,
                        "verdict=accept reason=ok service=sshd user=alice rhost=192.0.2.7 credential=none tenant=t-1"
                        " sub=sub-alice mapped=alice kid=k-rsa jti=j-1 exp=1000300");
    ROW("the person is told nothing");
    verdict_told(&outcome.verdict, line);
    assert_string_equal(line, "");
}

static void what_is_absent_leaves_the_login_empty(void **state)
{
    static struct outcome outcome;
    const struct member header[CHANGES_MAX] = { { "kid", NULL } };
    const struct member claims[CHANGES_MAX] = { { "jti", NULL }, { "iat", NULL }, { "groups", NULL } };

    (void)state;
    memset(&outcome, 'x', sizeof outcome);
    assert_int_equal(judge_free(&plain, token_with(NULL, header, claims), &outcome), REASON_OK);
    assert_string_equal(outcome.login.jti, "");
    assert_false(outcome.login.has_issued_at);
    assert_false(outcome.login.has_auth_time);
    assert_int_equal(outcome.login.identity.group_count, 0);
}

/* The checks of an accepted token; a refused one ends among them. */
static const char *const checks[] = { "format",  "tenant",     "header", "key",     "signature", "claims",
                                      "binding", "revocation", "user",   "account", "time",      "service" };

static const struct {
    const char *name;
    struct member header[CHANGES_MAX], claims[CHANGES_MAX];
    const char *service, *last, *detail;
} explanations[] = {
    { "accepted", { { NULL, NULL } }, { { NULL, NULL } }, NULL, "service", "" },
    { "format", { { "crit", "[]" } }, { { NULL, NULL } }, NULL, "format", "crit" },
    { "header", { { "alg", "\"none\"" } }, { { NULL, NULL } }, NULL, "header", "alg=none" },
    { "key", { { "kid", "\"k-x\"" } }, { { NULL, NULL } }, NULL, "key", "kid=k-x is not among 5 keys" },
    { "claims", { { NULL, NULL } }, { { "exp", NULL } }, NULL, "claims", "exp" },
    { "binding", { { NULL, NULL } }, { { "aud", "\"x\"" } }, NULL, "binding", "aud=x" },
    { "user", { { NULL, NULL } }, { { "sub", "\"sub-two\"" } }, NULL, "user", "2 user blocks list the subject" },
    { "account", { { NULL, NULL } }, { { "sub", "\"sub-ghost\"" } }, NULL, "account", "no-such-user-here" },
    { "time", { { NULL, NULL } }, { { "exp", "1" }, { "sub", "\"sub-daemon\"" } }, NULL, "time", "exp=1 now=1000000" },
    { "service", { { NULL, NULL } }, { { "groups", "[]" } }, "ops-only", "service", "service ops-only requires ops" },
};

static void the_explanation_lists_the_checks_up_to_the_refusal(void **state)
{
    static struct outcome outcome;
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(explanations); i++) {
        const struct question question = { .service = explanations[i].service,
                                           .ask_for_account = strcmp(explanations[i].name, "account") == 0 };

        ROW(explanations[i].name);
        judge_free(&question, token_with(NULL, explanations[i].header, explanations[i].claims), &outcome);
        for (j = 0; j < outcome.explanation.count; j++)
            assert_string_equal(check_name(outcome.explanation.made[j].check), checks[j]);
        assert_string_equal(checks[j - 1], explanations[i].last);
        assert_string_equal(outcome.explanation.made[j - 1].detail, explanations[i].detail);
    }
}

static void the_details_say_what_was_found(void **state)
{
    static struct outcome outcome;

    (void)state;
    judge_free(&plain, token_with(NULL, NULL, NULL), &outcome);
    assert_string_equal(outcome.explanation.made[1].detail, "t-1");
    assert_string_equal(outcome.explanation.made[2].detail, "alg=RS256");
    assert_string_equal(outcome.explanation.made[3].detail, "kid=k-rsa");
    assert_string_equal(outcome.explanation.made[8].detail, "alice by a user block");
}

static void an_explanation_changes_no_verdict(void **state)
{
    const struct attempt attempt = { .now = NOW };
    const struct verify_request request = { .attempt = &attempt, .skip_account = true };
    struct verdict verdict = VERDICT_INIT;
    struct login login;
    char *token = token_with(NULL, NULL, NULL);

    (void)state;
    ROW("accepted without");
    assert_true(verify_token(&verdict, main_config, &request, slice_of(token), &login));
    ROW("a verdict that is refused already stays so");
    verdict = VERDICT_INIT;
    verdict_reject(&verdict, REASON_SYSTEM_ERROR, "before");
    assert_false(verify_token(&verdict, main_config, &request, slice_of(token), &login));
    assert_int_equal(verdict.reason, REASON_SYSTEM_ERROR);
    free(token);
}

/* A configuration in which HS* is allowed; everything else is as in the main one. */
static const struct config *hmac_config(const char *algorithms, const char *secret)
{
    char text[512];

    write_file("secret", secret);
    snprintf(text, sizeof text,
             "tenant \"t-1\" { url = \"https://auth.example.com\" hmac_secret_file = \"~/secret\" algorithms = {%s} }\n"
             "user \"alice\" { sub = {\"sub-alice\"} }\n"
             "revocation_list = \"~/empty\"\n",
             algorithms);
    return config_of(text);
}

#define SECRET_64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char *token_of_algorithm(size_t row)
{
    char alg[16], *header, *payload, *token;
    const struct member changes[CHANGES_MAX] = { { "alg", alg }, { "kid", signing[row].kid } };

    snprintf(alg, sizeof alg, "\"%s\"", signing[row].alg);
    header = object_text(valid_header, COUNT(valid_header), changes);
    payload = object_text(valid_claims, COUNT(valid_claims), NULL);
    token = sign_texts(*signing[row].signer, signing[row].alg, header, payload);
    free(header);
    free(payload);
    return token;
}

/* Another character of the alphabet, such that base64url stays strict: only the topmost bits of it change. */
static void spoil(char *character)
{
    *character = *character == 'A' ? 'g' : 'A';
}

static void every_algorithm_signs_and_verifies(void **state)
{
    const struct config *hmac = hmac_config("\"HS256\", \"HS384\", \"HS512\"", SECRET_64);
    size_t row;

    (void)state;
    for (row = 0; row < ALGORITHM_ROWS; row++) {
        const struct question question = { .config = strncmp(signing[row].alg, "HS", 2) == 0 ? hmac : main_config };
        char *token = token_of_algorithm(row), *first = strchr(token, '.') + 1, *second = strchr(first, '.') + 1;

        ROW(signing[row].alg);
        assert_string_equal(algorithm_at(row)->name, signing[row].alg);
        assert_int_equal(judge(&question, slice_of(token), NULL), REASON_OK);
        /* Once more: a context that waited with the key verifies as a new one does. */
        spoil(second + 20);
        assert_int_equal(judge(&question, slice_of(token), NULL), REASON_SIGNATURE_INVALID);
        free(token);
        token = token_of_algorithm(row);
        assert_int_equal(judge_free(&question, token, NULL), REASON_OK);
    }
    config_release(&hmac);
}

static const struct {
    const char *name, *before, *behind;
    enum reason want;
} wrappings[] = {
    { "nothing around it", "", "", REASON_OK },
    { "a fourth part", "", ".AAAA", REASON_TOKEN_MALFORMED },
    { "a dot behind", "", ".", REASON_TOKEN_MALFORMED },
    { "a dot before", ".", "", REASON_TOKEN_MALFORMED },
    { "a line end behind", "", "\n", REASON_TOKEN_MALFORMED },
    { "a blank before", " ", "", REASON_TOKEN_MALFORMED },
    { "its scheme before", "Bearer ", "", REASON_TOKEN_MALFORMED },
    { "in quotes", "\"", "\"", REASON_TOKEN_MALFORMED },
    { "twice", "eyJhbGciOiJub25lIn0.e30.", "", REASON_TOKEN_MALFORMED },
};

static void rule_01_compact_serialization_only(void **state)
{
    char *token = token_with(NULL, NULL, NULL), *wrapped, *dot;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(wrappings); i++) {
        ROW(wrappings[i].name);
        assert_true(asprintf(&wrapped, "%s%s%s", wrappings[i].before, token, wrappings[i].behind) > 0);
        assert_int_equal(judge_free(&plain, wrapped, NULL), wrappings[i].want);
    }
    ROW("a NUL and something behind it");
    assert_int_equal(judge(&plain, (struct slice){ token, strlen(token) + 1 }, NULL), REASON_TOKEN_MALFORMED);
    ROW("without the signature");
    dot = strrchr(token, '.');
    assert_int_equal(judge(&plain, (struct slice){ token, (size_t)(dot - token) + 1 }, NULL), REASON_TOKEN_MALFORMED);
    ROW("without the signature and its dot");
    assert_int_equal(judge(&plain, (struct slice){ token, (size_t)(dot - token) }, NULL), REASON_TOKEN_MALFORMED);
    ROW("nothing at all");
    assert_int_equal(judge(&plain, (struct slice){ NULL, 0 }, NULL), REASON_TOKEN_MALFORMED);
    free(token);
}

/* Blanks behind the header and in a claim make any length. */
static char *token_of_length(size_t len)
{
    size_t blanks, more;

    for (more = 0; more < 3; more++)
        for (blanks = (len - 900) / 4 * 3; blanks < len; blanks++) {
            char filler[JWT_MAX_LEN], kid[32], *token;
            const struct member header[CHANGES_MAX] = { { "x", kid } };
            const struct member claims[CHANGES_MAX] = { { "filler", filler } };

            snprintf(filler, sizeof filler, "\"%*s\"", (int)blanks, "");
            snprintf(kid, sizeof kid, "\"%*s\"", (int)more, "");
            token = token_with(NULL, header, claims);
            if (strlen(token) == len)
                return token;
            if (strlen(token) > len)
                blanks = len;
            free(token);
        }
    fail_msg("no token of %zu bytes", len);
    return NULL;
}

static void rule_01_at_most_16_kib(void **state)
{
    (void)state;
    ROW("16,384 bytes");
    assert_int_equal(judge_free(&plain, token_of_length(16384), NULL), REASON_OK);
    ROW("16,385 bytes");
    assert_int_equal(judge_free(&plain, token_of_length(16385), NULL), REASON_TOKEN_TOO_LONG);
}

/* One bit that is left over, set. */
static void set_leftover_bit(char *last)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *at = strchr(alphabet, *last);

    assert_int_equal((at - alphabet) % 2, 0);
    *last = at[1];
}

static void rule_02_base64url_is_strict(void **state)
{
    char *header_text = object_text(valid_header, COUNT(valid_header), NULL);
    char *payload_text = object_text(valid_claims, COUNT(valid_claims), NULL);
    char *padded_header, *padded_payload, *header, *payload, *token, *text;

    (void)state;
    /* Blanks until two bytes are over, which leaves two bits. */
    assert_true(asprintf(&padded_header, "%s%*s", header_text, (int)(3 - (strlen(header_text) + 1) % 3), "") > 0);
    assert_true(asprintf(&padded_payload, "%s%*s", payload_text, (int)(3 - (strlen(payload_text) + 1) % 3), "") > 0);
    header = encoded(slice_of(padded_header));
    payload = encoded(slice_of(padded_payload));
    ROW("signed over strict parts");
    assert_int_equal(judge_free(&plain, token_of_parts(keys.rsa, "RS256", header, payload), NULL), REASON_OK);
    ROW("padding, though it is signed");
    assert_true(asprintf(&text, "%s=", payload) > 0);
    assert_int_equal(judge_free(&plain, token_of_parts(keys.rsa, "RS256", header, text), NULL), REASON_TOKEN_MALFORMED);
    free(text);
    assert_true(asprintf(&text, "%s=", header) > 0);
    assert_int_equal(judge_free(&plain, token_of_parts(keys.rsa, "RS256", text, payload), NULL),
                     REASON_TOKEN_MALFORMED);
    free(text);
    ROW("a line end, though it is signed");
    assert_true(asprintf(&text, "%.8s\n%s", payload, payload + 8) > 0);
    assert_int_equal(judge_free(&plain, token_of_parts(keys.rsa, "RS256", header, text), NULL), REASON_TOKEN_MALFORMED);
    free(text);
    ROW("bits left over in the payload, though they are signed");
    set_leftover_bit(payload + strlen(payload) - 1);
    assert_int_equal(judge_free(&plain, token_of_parts(keys.rsa, "RS256", header, payload), NULL),
                     REASON_TOKEN_MALFORMED);
    ROW("bits left over in the signature: 256 bytes leave four");
    token = token_with(NULL, NULL, NULL);
    set_leftover_bit(token + strlen(token) - 1);
    assert_int_equal(judge_free(&plain, token, NULL), REASON_TOKEN_MALFORMED);
    ROW("padding behind the signature");
    token = token_with(NULL, NULL, NULL);
    assert_true(asprintf(&text, "%s==", token) > 0);
    assert_int_equal(judge_free(&plain, text, NULL), REASON_TOKEN_MALFORMED);
    free(token);
    free(header);
    free(payload);
    free(padded_header);
    free(padded_payload);
    free(header_text);
    free(payload_text);
}

static const struct {
    const char *name, *before, *behind;
    enum reason want;
} texts[] = {
    { "as it is", "", "", REASON_OK },
    { "blanks around", " \t\r\n", "\n ", REASON_OK },
    { "in an array", "[", "]", REASON_TOKEN_MALFORMED },
    { "something behind the closing brace", "", "x", REASON_TOKEN_MALFORMED },
    { "another object behind it", "", "{}", REASON_TOKEN_MALFORMED },
    { "a comma behind it", "", ",", REASON_TOKEN_MALFORMED },
    { "a comment behind it", "", "/**/", REASON_TOKEN_MALFORMED },
    { "a byte order mark", "\xef\xbb\xbf", "", REASON_TOKEN_MALFORMED },
};

static void rule_03_header_and_payload_are_json_objects(void **state)
{
    char *header = object_text(valid_header, COUNT(valid_header), NULL);
    char *payload = object_text(valid_claims, COUNT(valid_claims), NULL), *text;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(texts); i++) {
        ROW(texts[i].name);
        assert_true(asprintf(&text, "%s%s%s", texts[i].before, header, texts[i].behind) > 0);
        assert_int_equal(judge_free(&plain, sign_texts(keys.rsa, "RS256", text, payload), NULL), texts[i].want);
        free(text);
        assert_true(asprintf(&text, "%s%s%s", texts[i].before, payload, texts[i].behind) > 0);
        assert_int_equal(judge_free(&plain, sign_texts(keys.rsa, "RS256", header, text), NULL), texts[i].want);
        free(text);
    }
    free(header);
    free(payload);
}

/* In the header and in the payload alike. */
static const struct {
    const char *name;
    struct member change;
    enum reason want;
} values[] = {
    { "16 levels", { "x", "[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]" }, REASON_OK },
    { "17 levels", { "x", "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]" }, REASON_TOKEN_MALFORMED },
    { "a name twice", { "x", "1,\"x\":1" }, REASON_TOKEN_MALFORMED },
    { "a name twice, once escaped", { "x", "1,\"\\u0078\":1" }, REASON_TOKEN_MALFORMED },
    { "a name twice, below", { "x", "{\"y\":1,\"y\":1}" }, REASON_TOKEN_MALFORMED },
    { "a name twice, in an array below", { "x", "[{\"y\":1,\"y\":1}]" }, REASON_TOKEN_MALFORMED },
    { "a name twice at different places", { "x", "{\"alg\":1,\"sub\":{\"sub\":1}}" }, REASON_OK },
    { "alg twice, the second none", { "x", "1,\"alg\":\"none\",\"alg\":\"none\"" }, REASON_TOKEN_MALFORMED },
    { "UTF-8", { "x", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91\"" }, REASON_OK },
    { "an overlong form", { "x", "\"\xc0\xaf\"" }, REASON_TOKEN_MALFORMED },
    { "a surrogate in UTF-8", { "x", "\"\xed\xa0\x80\"" }, REASON_TOKEN_MALFORMED },
    { "a pair of surrogates, escaped", { "x", "\"\\ud83d\\udd11\"" }, REASON_OK },
    { "a lone surrogate, escaped", { "x", "\"\\ud83d\"" }, REASON_TOKEN_MALFORMED },
    { "a pair in the wrong order", { "x", "\"\\udd11\\ud83d\"" }, REASON_TOKEN_MALFORMED },
    { "Latin-1", { "x", "\"\xe4\"" }, REASON_TOKEN_MALFORMED },
    { "NaN", { "x", "NaN" }, REASON_TOKEN_MALFORMED },
    { "single quotes", { "x", "'y'" }, REASON_TOKEN_MALFORMED },
    { "a line end in a string", { "x", "\"\n\"" }, REASON_TOKEN_MALFORMED },
    { "a number with nothing behind its dot", { "x", "1." }, REASON_TOKEN_MALFORMED },
    { "a NUL in a name", { "exp\\u0000", "1" }, REASON_TOKEN_MALFORMED },
};

static void rule_03_json_is_strict(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(values); i++) {
        const struct member changes[CHANGES_MAX] = { values[i].change };

        ROW(values[i].name);
        assert_int_equal(judge_free(&plain, token_with(NULL, changes, NULL), NULL), values[i].want);
        assert_int_equal(judge_free(&plain, token_with(NULL, NULL, changes), NULL), values[i].want);
    }
}

static const struct claim_row nul_claims[] = {
    { "sub", { { "sub", "\"sub-alice\\u0000\"" } }, REASON_CLAIM_INVALID },
    { "sub, where strcmp() would see root's", { { "sub", "\"sub-root\\u0000x\"" } }, REASON_CLAIM_INVALID },
    { "tenant claim", { { TENANT_CLAIM, "\"t-1\\u0000\"" } }, REASON_CLAIM_INVALID },
    { "iss", { { "iss", "\"https://auth.example.com/tenant/t-1/v2.0/Auth\\u0000\"" } }, REASON_ISSUER_UNTRUSTED },
    { "aud", { { "aud", "\"t-1\\u0000\"" } }, REASON_AUDIENCE_MISMATCH },
    { "jti", { { "jti", "\"j-1\\u0000\"" } }, REASON_CLAIM_INVALID },
    { "a group", { { "groups", "[\"g-ops\\u0000\"]" } }, REASON_CLAIM_INVALID },
    { "the claim of a map",
      { { "sub", "\"new\"" }, { "email", "\"carol@example.com\\u0000\"" } },
      REASON_CLAIM_INVALID },
    { "a claim that nobody reads", { { "name", "\"\\u0000\"" } }, REASON_OK },
};
static const struct header_row nul_headers[] = {
    { "kid", { { "kid", "\"k-rsa\\u0000\"" } }, REASON_TOKEN_MALFORMED },
    { "alg", { { "alg", "\"RS256\\u0000\"" } }, REASON_ALGORITHM_UNSUPPORTED },
    { "typ", { { "typ", "\"JWT\\u0000\"" } }, REASON_TYPE_UNSUPPORTED },
};

static void rule_04_a_nul_ends_no_value(void **state)
{
    (void)state;
    run_claims(&plain, nul_claims, COUNT(nul_claims));
    run_headers(&plain, nul_headers, COUNT(nul_headers));
}

static const struct header_row algs[] = {
    { "RS256", { { "alg", "\"RS256\"" } }, REASON_OK },
    { "known and not allowed", { { "alg", "\"RS384\"" } }, REASON_ALGORITHM_NOT_ALLOWED },
    { "another family, not allowed", { { "alg", "\"PS256\"" } }, REASON_ALGORITHM_NOT_ALLOWED },
    { "HS256, not allowed", { { "alg", "\"HS256\"" } }, REASON_ALGORITHM_NOT_ALLOWED },
    { "none", { { "alg", "\"none\"" } }, REASON_ALGORITHM_UNSUPPORTED },
    { "None", { { "alg", "\"None\"" } }, REASON_ALGORITHM_UNSUPPORTED },
    { "nOnE", { { "alg", "\"nOnE\"" } }, REASON_ALGORITHM_UNSUPPORTED },
    { "rs256", { { "alg", "\"rs256\"" } }, REASON_ALGORITHM_UNSUPPORTED },
    { "a blank behind", { { "alg", "\"RS256 \"" } }, REASON_ALGORITHM_UNSUPPORTED },
    { "only the beginning", { { "alg", "\"RS25\"" } }, REASON_ALGORITHM_UNSUPPORTED },
    { "ES256K", { { "alg", "\"ES256K\"" } }, REASON_ALGORITHM_UNSUPPORTED },
    { "Ed448, which EdDSA names elsewhere", { { "alg", "\"Ed448\"" } }, REASON_ALGORITHM_UNSUPPORTED },
    { "RSA-OAEP, of JWE", { { "alg", "\"RSA-OAEP\"" } }, REASON_ALGORITHM_UNSUPPORTED },
    { "dir, of JWE", { { "alg", "\"dir\"" } }, REASON_ALGORITHM_UNSUPPORTED },
    { "empty", { { "alg", "\"\"" } }, REASON_TOKEN_MALFORMED },
    { "absent", { { "alg", NULL } }, REASON_TOKEN_MALFORMED },
    { "null", { { "alg", "null" } }, REASON_TOKEN_MALFORMED },
    { "an array", { { "alg", "[\"RS256\"]" } }, REASON_TOKEN_MALFORMED },
};

static void rule_05_alg_has_a_row_and_is_allowed(void **state)
{
    const struct config *config =
        config_of("tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys.json\" }\n"
                  "user \"alice\" { sub = {\"sub-alice\"} }\n"
                  "revocation_list = \"~/empty\"\n");
    const struct question question = { .config = config };
    size_t row;

    (void)state;
    run_headers(&question, algs, COUNT(algs));
    for (row = 0; row < ALGORITHM_ROWS; row++) {
        ROW(signing[row].alg);
        assert_int_equal(judge_free(&question, token_of_algorithm(row), NULL),
                         strcmp(signing[row].alg, "RS256") == 0 || strcmp(signing[row].alg, "ES256") == 0
                             ? REASON_OK
                             : REASON_ALGORITHM_NOT_ALLOWED);
    }
    ROW("none without a signature is no compact serialization either");
    assert_int_equal(judge(&question, LITERAL("eyJhbGciOiJub25lIn0.eyJzdWIiOiJzdWItYWxpY2UifQ."), NULL),
                     REASON_TOKEN_MALFORMED);
    config_release(&config);
}

/* The secret is what everybody has: the public key, in each form in which it is handed around. */
static enum reason judge_confusion(const struct config *config, struct slice secret)
{
    static const struct member header[CHANGES_MAX] = { { "alg", "\"HS256\"" } };
    struct signer *forger = signer_from_secret(secret);
    const struct question question = { .config = config };
    char *header_text = object_text(valid_header, COUNT(valid_header), header);
    char *payload = object_text(valid_claims, COUNT(valid_claims), NULL);
    enum reason reason;

    assert_non_null(forger);
    reason = judge_free(&question, sign_texts(forger, "HS256", header_text, payload), NULL);
    free(header_text);
    free(payload);
    signer_free(&forger);
    return reason;
}

static void rule_06_no_key_of_a_key_set_verifies_hs256(void **state)
{
    struct json *jwk = signer_jwk(keys.rsa, "k-rsa", NULL);
    struct slice text = slice_of(json_print(jwk, false)), modulus;
    struct config lax = *main_config;
    struct tenant tenant = main_config->tenants[0];

    (void)state;
    assert_true(json_string(json_member(jwk, "n"), &modulus));
    ROW("the key's JSON text as the secret");
    assert_int_equal(judge_confusion(main_config, text), REASON_ALGORITHM_NOT_ALLOWED);
    ROW("the modulus as the secret");
    assert_int_equal(judge_confusion(main_config, modulus), REASON_ALGORITHM_NOT_ALLOWED);
    ROW("were HS256 allowed by mistake, still no public key fits it");
    tenant.algorithms[algorithm_row(algorithm_find(LITERAL("HS256")))] = true;
    lax.tenants = &tenant;
    assert_int_equal(judge_confusion(&lax, text), REASON_KEY_UNSUITABLE);
    json_free(&jwk);
}

static enum reason judge_hmac(const struct config *config, const char *alg, const char *secret)
{
    struct signer *signer = signer_from_secret(slice_of(secret));
    const struct question question = { .config = config };
    char quoted[16], *header, *payload;
    const struct member changes[CHANGES_MAX] = { { "alg", quoted }, { "kid", NULL } };
    enum reason reason;

    snprintf(quoted, sizeof quoted, "\"%s\"", alg);
    header = object_text(valid_header, COUNT(valid_header), changes);
    payload = object_text(valid_claims, COUNT(valid_claims), NULL);
    reason = judge_free(&question, sign_texts(signer, alg, header, payload), NULL);
    free(header);
    free(payload);
    signer_free(&signer);
    return reason;
}

static void rule_06_hs256_only_with_the_tenants_secret(void **state)
{
    static const char secret_32[] = "0123456789abcdef0123456789abcdef";
    const struct config *config = hmac_config("\"HS256\", \"HS384\"", secret_32);

    (void)state;
    ROW("the tenant's secret");
    assert_int_equal(judge_hmac(config, "HS256", secret_32), REASON_OK);
    ROW("another one");
    assert_int_equal(judge_hmac(config, "HS256", "0123456789abcdef0123456789abcdeg"), REASON_SIGNATURE_INVALID);
    ROW("shorter than the hash of HS384");
    assert_int_equal(judge_hmac(config, "HS384", secret_32), REASON_KEY_UNSUITABLE);
    ROW("HS512 is not allowed");
    assert_int_equal(judge_hmac(config, "HS512", secret_32), REASON_ALGORITHM_NOT_ALLOWED);
    ROW("a public key's algorithm");
    assert_int_equal(judge_free(&(struct question){ .config = config }, token_with(NULL, NULL, NULL), NULL),
                     REASON_ALGORITHM_NOT_ALLOWED);
    config_release(&config);
    ROW("31 bytes are too few for HS256: the tenant has no key");
    config = hmac_config("\"HS256\"", "0123456789abcdef0123456789abcde");
    assert_int_equal(judge_hmac(config, "HS256", "0123456789abcdef0123456789abcde"), REASON_JWKS_INVALID);
    config_release(&config);
}

/* One key of the set, and the token that it might verify by the mathematics alone. */
static const struct {
    const char *name, *kid, *alg;
    struct signer **signer;
    enum reason want;
} agreements[] = {
    { "a key for anything", "k-any", "RS256", &keys.rsa, REASON_OK },
    { "a key for RS256", "k-rs256", "RS256", &keys.rsa, REASON_OK },
    { "a key for RS256 and PS256", "k-rs256", "PS256", &keys.rsa, REASON_KEY_UNSUITABLE },
    { "a key for PS256 and RS256", "k-ps256", "RS256", &keys.rsa, REASON_KEY_UNSUITABLE },
    { "a key for encryption", "k-enc", "RS256", &keys.rsa, REASON_KEY_UNSUITABLE },
    { "a key that may only sign", "k-sign", "RS256", &keys.rsa, REASON_KEY_UNSUITABLE },
    { "a key that may sign and verify", "k-verify", "RS256", &keys.rsa, REASON_OK },
    { "ES256 and a key on P-256", "k-p256", "ES256", &keys.p256, REASON_OK },
    { "ES384 and a key on P-256", "k-p256", "ES384", &keys.p384, REASON_KEY_UNSUITABLE },
    { "ES256 and a key on P-384", "k-p384", "ES256", &keys.p256, REASON_KEY_UNSUITABLE },
    { "ES256 and an RSA key", "k-any", "ES256", &keys.p256, REASON_KEY_UNSUITABLE },
    { "RS256 and a key on P-256", "k-p256", "RS256", &keys.rsa, REASON_KEY_UNSUITABLE },
    { "EdDSA and a key on P-256", "k-p256", "EdDSA", &keys.ed25519, REASON_KEY_UNSUITABLE },
};

static struct json *jwk_with(struct json *jwk, const char *name, const char *value)
{
    assert_true(json_add(jwk, name, json_new_string(slice_of(value))));
    return jwk;
}

static struct json *jwk_with_operations(struct json *jwk, const char *one, const char *two)
{
    struct json *operations = json_new_array();

    assert_true(json_append(operations, json_new_string(slice_of(one))));
    assert_true(two == NULL || json_append(operations, json_new_string(slice_of(two))));
    assert_true(json_add(jwk, "key_ops", operations));
    return jwk;
}

static void rule_07_algorithm_and_key_agree(void **state)
{
    struct json *set[] = {
        signer_jwk(keys.rsa, "k-any", NULL),
        signer_jwk(keys.rsa, "k-rs256", "RS256"),
        signer_jwk(keys.rsa, "k-ps256", "PS256"),
        jwk_with(signer_jwk(keys.rsa, "k-enc", NULL), "use", "enc"),
        jwk_with_operations(signer_jwk(keys.rsa, "k-sign", NULL), "sign", NULL),
        jwk_with_operations(signer_jwk(keys.rsa, "k-verify", NULL), "sign", "verify"),
        signer_jwk(keys.p256, "k-p256", NULL),
        signer_jwk(keys.p384, "k-p384", NULL),
    };
    const struct config *config;
    size_t i;

    (void)state;
    write_key_set("mixed.json", set, COUNT(set));
    config = config_of("tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/mixed.json\"\n"
                       "  algorithms = {\"RS256\", \"PS256\", \"ES256\", \"ES384\", \"EdDSA\"} }\n"
                       "user \"alice\" { sub = {\"sub-alice\"} }\n"
                       "revocation_list = \"~/empty\"\n");
    for (i = 0; i < COUNT(agreements); i++) {
        const struct question question = { .config = config };
        char alg[16], kid[16], *header, *payload = object_text(valid_claims, COUNT(valid_claims), NULL);
        const struct member changes[CHANGES_MAX] = { { "alg", alg }, { "kid", kid } };

        ROW(agreements[i].name);
        snprintf(alg, sizeof alg, "\"%s\"", agreements[i].alg);
        snprintf(kid, sizeof kid, "\"%s\"", agreements[i].kid);
        header = object_text(valid_header, COUNT(valid_header), changes);
        assert_int_equal(
            judge_free(&question, sign_texts(*agreements[i].signer, agreements[i].alg, header, payload), NULL),
            agreements[i].want);
        free(header);
        free(payload);
    }
    config_release(&config);
}

static void rule_08_weak_rsa_keys_verify_nothing(void **state)
{
    static const struct member weak[CHANGES_MAX] = { { "kid", "\"k-weak\"" } };
    struct json *set[] = { signer_jwk(keys.weak_rsa, "k-weak", NULL), signer_jwk(keys.rsa, "k-rsa", NULL) };
    const struct config *config;
    struct question question = { .config = NULL };

    (void)state;
    write_key_set("weak.json", set, COUNT(set));
    config = config_of("tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/weak.json\" }\n"
                       "user \"alice\" { sub = {\"sub-alice\"} }\n"
                       "revocation_list = \"~/empty\"\n");
    question.config = config;
    ROW("2048 bits");
    assert_int_equal(judge_free(&question, token_with(NULL, NULL, NULL), NULL), REASON_OK);
    ROW("2047 bits");
    assert_int_equal(judge_free(&question, token_with(keys.weak_rsa, weak, NULL), NULL), REASON_KEY_UNSUITABLE);
    config_release(&config);
}

/* A token whose signature was replaced. */
static char *resigned(const char *token, struct slice signature)
{
    char *text = encoded(signature), *ret;

    assert_true(asprintf(&ret, "%.*s.%s", (int)(strrchr(token, '.') - token), token, text) > 0);
    free(text);
    return ret;
}

static void rule_09_signatures_have_the_exact_width(void **state)
{
    char *token = token_of_algorithm(6), raw[SIGNER_SIGNATURE_MAX] = { 0 };
    struct slice input = { token, (size_t)(strrchr(token, '.') - token) };
    size_t len;

    (void)state;
    assert_true(signer_sign(keys.p256, "ES256", input, raw + 1, &len));
    assert_int_equal(len, 64);
    ROW("ES256: R and S of 32 bytes each");
    assert_int_equal(judge_free(&plain, resigned(token, (struct slice){ raw + 1, 64 }), NULL), REASON_OK);
    ROW("a zero byte before");
    assert_int_equal(judge_free(&plain, resigned(token, (struct slice){ raw, 65 }), NULL), REASON_SIGNATURE_INVALID);
    ROW("a zero byte behind");
    assert_int_equal(judge_free(&plain, resigned(token, (struct slice){ raw + 1, 65 }), NULL),
                     REASON_SIGNATURE_INVALID);
    ROW("one byte less");
    assert_int_equal(judge_free(&plain, resigned(token, (struct slice){ raw + 1, 63 }), NULL),
                     REASON_SIGNATURE_INVALID);
    ROW("all zero (CVE-2022-21449)");
    memset(raw, 0, sizeof raw);
    assert_int_equal(judge_free(&plain, resigned(token, (struct slice){ raw, 64 }), NULL), REASON_SIGNATURE_INVALID);
    free(token);
    ROW("RS256: a zero byte before the signature");
    token = token_of_algorithm(0);
    input = (struct slice){ token, (size_t)(strrchr(token, '.') - token) };
    assert_true(signer_sign(keys.rsa, "RS256", input, raw + 1, &len));
    assert_int_equal(judge_free(&plain, resigned(token, (struct slice){ raw, len + 1 }), NULL),
                     REASON_SIGNATURE_INVALID);
    ROW("PS256's signature is none of RS256");
    assert_true(signer_sign(keys.rsa, "PS256", input, raw, &len));
    assert_int_equal(judge_free(&plain, resigned(token, (struct slice){ raw, len }), NULL), REASON_SIGNATURE_INVALID);
    free(token);
}

static const struct header_row extensions[] = {
    { "crit", { { "crit", "[\"exp\"]" } }, REASON_HEADER_UNSUPPORTED },
    { "crit, empty", { { "crit", "[]" } }, REASON_HEADER_UNSUPPORTED },
    { "crit, null", { { "crit", "null" } }, REASON_HEADER_UNSUPPORTED },
    { "b64 false", { { "b64", "false" } }, REASON_HEADER_UNSUPPORTED },
    { "b64 true", { { "b64", "true" } }, REASON_HEADER_UNSUPPORTED },
    { "b64, critical", { { "b64", "false" }, { "crit", "[\"b64\"]" } }, REASON_HEADER_UNSUPPORTED },
    { "an unknown one that is not critical", { { "x", "[\"exp\"]" } }, REASON_OK },
};

static void rule_10_no_extension_is_implemented(void **state)
{
    (void)state;
    run_headers(&plain, extensions, COUNT(extensions));
}

static void rule_11_keys_in_a_header_are_not_trusted(void **state)
{
    struct json *jwk = signer_jwk(keys.other_rsa, "k-rsa", NULL);
    const struct member own_key[CHANGES_MAX] = { { "jwk", json_print(jwk, false) } };
    const struct member own_key_only[CHANGES_MAX] = { { "jwk", json_print(jwk, false) }, { "kid", NULL } };
    const struct member odd[CHANGES_MAX] = { { "jku", "1" }, { "x5c", "{}" }, { "x5u", "[]" } };

    (void)state;
    ROW("a forger's own key, under a known kid");
    assert_int_equal(judge_free(&plain, token_with(keys.other_rsa, own_key, NULL), NULL), REASON_SIGNATURE_INVALID);
    ROW("a forger's own key, without kid");
    assert_int_equal(judge_free(&plain, token_with(keys.other_rsa, own_key_only, NULL), NULL),
                     REASON_SIGNATURE_INVALID);
    ROW("a stray key in a good token");
    assert_int_equal(judge_free(&plain, token_with(NULL, own_key, NULL), NULL), REASON_OK);
    ROW("other types than the standard's");
    assert_int_equal(judge_free(&plain, token_with(NULL, odd, NULL), NULL), REASON_OK);
    json_free(&jwk);
}

/* crudeoauth fetched a forged token's jku and x5u before it looked at the signature. */
static void peer_crudeoauth_a_forged_jku_is_never_fetched(void **state)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof address;
    struct pollfd waiting = { .fd = listener, .events = POLLIN };
    char url[64];
    const struct member header[CHANGES_MAX] = { { "jku", url }, { "x5u", url } };

    (void)state;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    snprintf(url, sizeof url, "\"http://127.0.0.1:%u/keys\"", ntohs(address.sin_port));
    assert_int_equal(judge_free(&plain, token_with(keys.other_rsa, header, NULL), NULL), REASON_SIGNATURE_INVALID);
    assert_int_equal(judge_free(&plain, token_with(NULL, header, NULL), NULL), REASON_OK);
    assert_int_equal(poll(&waiting, 1, 0), 0);
    close(listener);
}

static const struct header_row kids[] = {
    { "of the signer", { { "kid", "\"k-rsa\"" } }, REASON_OK },
    { "of another RSA key", { { "kid", "\"k-other\"" } }, REASON_SIGNATURE_INVALID },
    { "of a key of another type", { { "kid", "\"k-p256\"" } }, REASON_KEY_UNSUITABLE },
    { "unknown", { { "kid", "\"k-unknown\"" } }, REASON_KEY_UNKNOWN },
    { "in other case", { { "kid", "\"K-RSA\"" } }, REASON_KEY_UNKNOWN },
    { "only the beginning", { { "kid", "\"k-rs\"" } }, REASON_KEY_UNKNOWN },
    { "empty", { { "kid", "\"\"" } }, REASON_KEY_UNKNOWN },
    { "absent, and two keys fit", { { "kid", NULL } }, REASON_KEY_AMBIGUOUS },
    { "a number", { { "kid", "1" } }, REASON_TOKEN_MALFORMED },
    { "a path", { { "kid", "\"../../../dev/null\"" } }, REASON_KEY_UNKNOWN },
};

static void rule_12_a_kid_picks_one_key(void **state)
{
    static const struct member no_kid[CHANGES_MAX] = { { "kid", NULL } };
    struct json *set[] = {
        signer_jwk(keys.rsa, "k-rsa", NULL),
        signer_jwk(keys.other_rsa, "k-other", NULL),
        signer_jwk(keys.p256, "k-p256", NULL),
    };
    const struct config *config;

    (void)state;
    write_key_set("two.json", set, COUNT(set));
    config = config_of("tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/two.json\" }\n"
                       "user \"alice\" { sub = {\"sub-alice\"} }\n"
                       "revocation_list = \"~/empty\"\n");
    run_headers(&(struct question){ .config = config }, kids, COUNT(kids));
    config_release(&config);
    ROW("absent, and one key fits");
    assert_int_equal(judge_free(&plain, token_with(NULL, no_kid, NULL), NULL), REASON_OK);
    ROW("absent, and the one that fits is not the signer's");
    assert_int_equal(judge_free(&plain, token_with(keys.other_rsa, no_kid, NULL), NULL), REASON_SIGNATURE_INVALID);
}

static const struct header_row types[] = {
    { "JWT", { { "typ", "\"JWT\"" } }, REASON_OK },
    { "jwt", { { "typ", "\"jwt\"" } }, REASON_OK },
    { "absent", { { "typ", NULL } }, REASON_OK },
    { "at+jwt", { { "typ", "\"at+jwt\"" } }, REASON_OK },
    { "AT+JWT", { { "typ", "\"AT+JWT\"" } }, REASON_OK },
    { "application/at+jwt", { { "typ", "\"application/at+jwt\"" } }, REASON_OK },
    { "Application/At+Jwt", { { "typ", "\"Application/At+Jwt\"" } }, REASON_OK },
    { "empty is not absent", { { "typ", "\"\"" } }, REASON_TYPE_UNSUPPORTED },
    { "a logout token", { { "typ", "\"logout+jwt\"" } }, REASON_TYPE_UNSUPPORTED },
    { "a security event", { { "typ", "\"secevent+jwt\"" } }, REASON_TYPE_UNSUPPORTED },
    { "a proof of possession", { { "typ", "\"dpop+jwt\"" } }, REASON_TYPE_UNSUPPORTED },
    { "only the prefix", { { "typ", "\"application/\"" } }, REASON_TYPE_UNSUPPORTED },
    { "a blank behind", { { "typ", "\"JWT \"" } }, REASON_TYPE_UNSUPPORTED },
    { "a number", { { "typ", "1" } }, REASON_TOKEN_MALFORMED },
    { "cty JWT, a nested token", { { "cty", "\"JWT\"" } }, REASON_HEADER_UNSUPPORTED },
    { "cty jwt", { { "cty", "\"jwt\"" } }, REASON_HEADER_UNSUPPORTED },
    { "cty json", { { "cty", "\"json\"" } }, REASON_OK },
};
static const struct header_row one_type[] = {
    { "at+jwt, as demanded", { { "typ", "\"at+jwt\"" } }, REASON_OK },
    { "AT+jwt", { { "typ", "\"AT+jwt\"" } }, REASON_OK },
    { "application/at+jwt", { { "typ", "\"application/at+jwt\"" } }, REASON_OK },
    { "JWT is not what is demanded", { { "typ", "\"JWT\"" } }, REASON_TYPE_UNSUPPORTED },
    { "nor is none", { { "typ", NULL } }, REASON_TYPE_UNSUPPORTED },
    { "nor is an empty one", { { "typ", "\"\"" } }, REASON_TYPE_UNSUPPORTED },
};

static void rule_13_typ_is_that_of_an_access_token(void **state)
{
    static struct outcome outcome;
    const struct config *config =
        config_of("tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys.json\"\n"
                  "  type = \"at+jwt\" }\n"
                  "user \"alice\" { sub = {\"sub-alice\"} }\n"
                  "revocation_list = \"~/empty\"\n");

    (void)state;
    run_headers(&plain, types, COUNT(types));
    ROW("a tenant that demands at+jwt");
    run_headers(&(struct question){ .config = config }, one_type, COUNT(one_type));
    ROW("and says so");
    judge_free(&(struct question){ .config = config }, token_with(NULL, NULL, NULL), &outcome);
    assert_string_equal(outcome.verdict.evidence, "typ=JWT wanted at+jwt");
    config_release(&config);
}

/* keys_max_age is 3600; the file is as old as that. */
static const struct {
    const char *name;
    int64_t age;
    enum reason want;
} key_ages[] = {
    { "just confirmed", 0, REASON_OK },
    { "as old as allowed", 3600, REASON_OK },
    { "a second older", 3601, REASON_JWKS_UNAVAILABLE },
    { "very old", 999999, REASON_JWKS_UNAVAILABLE },
    { "ahead of our clock", -3600, REASON_OK },
    { "so far ahead that it confirms nothing", -3601, REASON_JWKS_UNAVAILABLE },
};

static void rule_21_a_key_set_that_was_not_confirmed_for_long_verifies_nothing(void **state)
{
    static struct outcome outcome;
    static const char text[] = "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/aged.json\"%s }\n"
                               "user \"alice\" { sub = {\"sub-alice\"} }\nrevocation_list = \"~/empty\"\n";
    struct json *set[] = { signer_jwk(keys.rsa, "k-rsa", NULL) };
    const struct timespec confirmed[2] = { { .tv_sec = NOW }, { .tv_sec = NOW } };
    const struct config *limited, *unlimited;
    char written[512];
    size_t i;

    (void)state;
    write_key_set("aged.json", set, 1);
    assert_int_equal(utimensat(AT_FDCWD, path_in_directory("aged.json"), confirmed, 0), 0);
    snprintf(written, sizeof written, text, " keys_max_age = 3600");
    limited = config_of(written);
    snprintf(written, sizeof written, text, "");
    unlimited = config_of(written);
    for (i = 0; i < COUNT(key_ages); i++) {
        const int64_t now = NOW + key_ages[i].age;
        char exp[32], iat[32];
        const struct member changes[CHANGES_MAX] = { { "exp", exp }, { "iat", iat } };

        ROW(key_ages[i].name);
        snprintf(exp, sizeof exp, "%jd", (intmax_t)now + 300);
        snprintf(iat, sizeof iat, "%jd", (intmax_t)now);
        assert_int_equal(judge_free(&(struct question){ .config = limited, .has_now = true, .now = now },
                                    token_with(NULL, NULL, changes), &outcome),
                         key_ages[i].want);
        assert_int_equal(judge_free(&(struct question){ .config = unlimited, .has_now = true, .now = now },
                                    token_with(NULL, NULL, changes), NULL),
                         REASON_OK);
        if (key_ages[i].age == 3601) /* the sentence names the age */
            assert_non_null(
                strstr(outcome.verdict.evidence, "aged.json: last confirmed 3601 s ago, and keys_max_age is 3600"));
    }
    config_release(&limited);
    config_release(&unlimited);
}

/* Each value of JSON, since what is malformed must not read as absent. */
static const struct claim_row bound[] = {
    { "cnf, by a thumbprint",
      { { "cnf", "{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}" } },
      REASON_PROOF_REQUIRED },
    { "cnf, by a certificate",
      { { "cnf", "{\"x5t#S256\":\"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2\"}" } },
      REASON_PROOF_REQUIRED },
    { "cnf, by a key", { { "cnf", "{\"jwk\":{}}" } }, REASON_PROOF_REQUIRED },
    { "cnf, by a method that nobody knows", { { "cnf", "{\"x\":1}" } }, REASON_PROOF_REQUIRED },
    { "cnf empty", { { "cnf", "{}" } }, REASON_PROOF_REQUIRED },
    { "cnf null", { { "cnf", "null" } }, REASON_PROOF_REQUIRED },
    { "cnf false", { { "cnf", "false" } }, REASON_PROOF_REQUIRED },
    { "cnf a string", { { "cnf", "\"\"" } }, REASON_PROOF_REQUIRED },
    { "cnf an array", { { "cnf", "[]" } }, REASON_PROOF_REQUIRED },
    { "cnf a number", { { "cnf", "0" } }, REASON_PROOF_REQUIRED },
    { "cnf written with an escape", { { "\\u0063nf", "{}" } }, REASON_PROOF_REQUIRED },
    { "cnf before a claim that is wrong", { { "cnf", "{}" }, { "exp", NULL } }, REASON_PROOF_REQUIRED },
    { "cnf in another case", { { "Cnf", "{}" } }, REASON_OK },
    { "cnf inside another claim", { { "act", "{\"cnf\":{}}" } }, REASON_OK },
};

static void rule_42_a_token_that_is_bound_to_a_key_is_refused(void **state)
{
    static const struct member header[CHANGES_MAX] = { { "typ", "\"at+jwt\"" } };
    static const struct member claims[CHANGES_MAX] = { { "cnf", "{}" } };
    static struct outcome outcome;
    char told[TOLD_MAX];

    (void)state;
    run_claims(&plain, bound, COUNT(bound));
    ROW("whatever its typ");
    assert_int_equal(judge_free(&plain, token_with(NULL, header, claims), &outcome), REASON_PROOF_REQUIRED);
    ROW("the line says whose it is, the person reads nothing of it");
    assert_string_equal(outcome.verdict.subject, "sub-alice");
    assert_string_equal(outcome.explanation.made[outcome.explanation.count - 1].detail, "cnf");
    verdict_told(&outcome.verdict, told);
    assert_string_equal(told, TOLD_REFUSED);
    ROW("before the signature holds it is not believed");
    assert_int_equal(judge_free(&plain, token_with(keys.other_rsa, NULL, claims), NULL), REASON_SIGNATURE_INVALID);
}

static const struct claim_row other_kinds[] = {
    { "a security event", { { "events", "{\"https://schemas.example/x\":{}}" } }, REASON_TYPE_UNSUPPORTED },
    { "a logout token",
      { { "events", "{\"http://schemas.openid.net/event/backchannel-logout\":{}}" }, { "sid", "\"s\"" } },
      REASON_TYPE_UNSUPPORTED },
    { "a logout token without sub", { { "events", "{}" }, { "sub", NULL } }, REASON_TYPE_UNSUPPORTED },
    { "a security event without exp", { { "events", "{}" }, { "exp", NULL } }, REASON_TYPE_UNSUPPORTED },
    { "events null", { { "events", "null" } }, REASON_TYPE_UNSUPPORTED },
    { "events a string", { { "events", "\"\"" } }, REASON_TYPE_UNSUPPORTED },
    { "an answer of introspection", { { "token_introspection", "{\"active\":true}" } }, REASON_TYPE_UNSUPPORTED },
    { "a proof of possession", { { "htm", "\"POST\"" }, { "htu", "\"https://x\"" } }, REASON_TYPE_UNSUPPORTED },
    { "a proof of possession, by htm", { { "htm", "\"POST\"" } }, REASON_TYPE_UNSUPPORTED },
    { "a proof of possession, by htu", { { "htu", "\"https://x\"" } }, REASON_TYPE_UNSUPPORTED },
    { "an authorization request", { { "response_type", "\"code\"" } }, REASON_TYPE_UNSUPPORTED },
    { "a software statement", { { "redirect_uris", "[]" } }, REASON_TYPE_UNSUPPORTED },
    { "an entity statement", { { "jwks", "{\"keys\":[]}" } }, REASON_TYPE_UNSUPPORTED },
    { "an entity configuration", { { "authority_hints", "[]" } }, REASON_TYPE_UNSUPPORTED },
    { "a list of states", { { "status_list", "{\"bits\":1}" } }, REASON_TYPE_UNSUPPORTED },
    { "a credential", { { "vc", "{}" } }, REASON_TYPE_UNSUPPORTED },
    { "a presentation", { { "vp", "{}" } }, REASON_TYPE_UNSUPPORTED },
    { "a credential of the second version", { { "credentialSubject", "{}" } }, REASON_TYPE_UNSUPPORTED },
    { "a presentation of the second version", { { "verifiableCredential", "[]" } }, REASON_TYPE_UNSUPPORTED },
    { "an SD-JWT, by its digests", { { "_sd", "[]" } }, REASON_TYPE_UNSUPPORTED },
    { "an SD-JWT, by its hash", { { "_sd_alg", "\"sha-256\"" } }, REASON_TYPE_UNSUPPORTED },
    { "an SD-JWT's proof", { { "sd_hash", "\"x\"" } }, REASON_TYPE_UNSUPPORTED },
    { "an SD-JWT credential", { { "vct", "\"https://x\"" } }, REASON_TYPE_UNSUPPORTED },
    { "a refresh token, by typ", { { "typ", "\"Refresh\"" } }, REASON_TYPE_UNSUPPORTED },
    { "an offline token, by typ", { { "typ", "\"Offline\"" } }, REASON_TYPE_UNSUPPORTED },
    { "a refresh token, by token_type", { { "token_type", "\"refresh\"" } }, REASON_TYPE_UNSUPPORTED },
    { "a refresh token, by token_use", { { "token_use", "\"REFRESH\"" } }, REASON_TYPE_UNSUPPORTED },
    { "a refresh token, by type", { { "type", "\"refresh\"" } }, REASON_TYPE_UNSUPPORTED },
    { "what another check keeps out: a response of authorization",
      { { "code", "\"c\"" }, { "state", "\"s\"" }, { "sub", NULL } },
      REASON_CLAIM_MISSING },
    { "a client's assertion",
      { { "iss", "\"client\"" }, { "sub", "\"client\"" }, { "aud", "\"https://auth.example.com/token\"" } },
      REASON_ISSUER_UNTRUSTED },
};

/* Claims of the access tokens and ID tokens of well-known providers. */
static const struct claim_row logins[] = {
    { "Keycloak: an access token", { { "typ", "\"Bearer\"" }, { "realm_access", "{\"roles\":[]}" } }, REASON_OK },
    { "Keycloak: an ID token", { { "typ", "\"ID\"" }, { "at_hash", "\"x\"" }, { "acr", "\"1\"" } }, REASON_OK },
    { "Cognito", { { "token_use", "\"access\"" }, { "origin_jti", "\"x\"" }, { "event_id", "\"x\"" } }, REASON_OK },
    { "Entra", { { "ver", "\"2.0\"" }, { "uti", "\"x\"" }, { "xms_st", "{}" } }, REASON_OK },
    { "token_type Bearer", { { "token_type", "\"Bearer\"" } }, REASON_OK },
    { "a type of the application's own", { { "type", "\"user\"" }, { "typ", "[\"Refresh\"]" } }, REASON_OK },
    { "an actor", { { "act", "{\"sub\":\"x\"}" }, { "may_act", "{}" } }, REASON_OK },
    { "verified claims", { { "verified_claims", "{}" }, { "txn", "\"x\"" } }, REASON_OK },
    { "a state in a list", { { "status", "{\"status_list\":{}}" } }, REASON_OK },
    { "a nonce and a session", { { "nonce", "\"n\"" }, { "sid", "\"s\"" }, { "auth_time", "1" } }, REASON_OK },
    { "a client", { { "client_id", "\"c\"" }, { "scope", "\"openid\"" }, { "azp", "\"c\"" } }, REASON_OK },
};

static void rule_42_what_is_no_login_is_refused_by_its_claims(void **state)
{
    static const char *const names[] = { "JWT", "at+jwt", "application/at+jwt" };
    static const struct member claims[CHANGES_MAX] = { { "events", "{}" } };
    static struct outcome outcome;
    char quoted[32];
    size_t i;

    (void)state;
    run_claims(&plain, other_kinds, COUNT(other_kinds));
    for (i = 0; i < COUNT(names); i++) {
        const struct member header[CHANGES_MAX] = { { "typ", quoted } };

        ROW(names[i]);
        snprintf(quoted, sizeof quoted, "\"%s\"", names[i]);
        assert_int_equal(judge_free(&plain, token_with(NULL, header, claims), &outcome), REASON_TYPE_UNSUPPORTED);
    }
    assert_string_equal(outcome.verdict.evidence, "events: a security event token, such as a logout token");
    ROW("access tokens and ID tokens go on to log in");
    run_claims(&plain, logins, COUNT(logins));
}

/* What IANA's registry and drafts name, beside the access token. */
static void rule_42_what_is_no_login_is_refused_by_its_typ(void **state)
{
    static const char *const names[] = {
        "logout+jwt",
        "secevent+jwt",
        "token-introspection+jwt",
        "oauth-authz-req+jwt",
        "dpop+jwt",
        "jwk-set+jwt",
        "entity-statement+jwt",
        "trust-mark+jwt",
        "resolve-response+jwt",
        "explicit-registration-response+jwt",
        "oauth-client-attestation+jwt",
        "oauth-client-attestation-pop+jwt",
        "txntoken+jwt",
        "statuslist+jwt",
        "dc+sd-jwt",
        "vc+sd-jwt",
        "vc+jwt",
        "vp+jwt",
        "kb+jwt",
        "example+sd-jwt",
        "openid4vci-proof+jwt",
        "client-authentication+jwt",
        "passport",
        "JOSE",
        "JOSE+JSON",
        "at+jwt2",
        "x-at+jwt",
        "jwt+at",
    };
    char quoted[96];
    const struct member header[CHANGES_MAX] = { { "typ", quoted } };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(names); i++) {
        ROW(names[i]);
        snprintf(quoted, sizeof quoted, "\"%s\"", names[i]);
        assert_int_equal(judge_free(&plain, token_with(NULL, header, NULL), NULL), REASON_TYPE_UNSUPPORTED);
        snprintf(quoted, sizeof quoted, "\"Application/%s\"", names[i]);
        assert_int_equal(judge_free(&plain, token_with(NULL, header, NULL), NULL), REASON_TYPE_UNSUPPORTED);
    }
}

static void rule_14_no_claim_is_believed_before_the_signature_holds(void **state)
{
    static struct outcome outcome;
    /* Each of these would be told, mapped or logged, were it believed. */
    const struct member claims[CHANGES_MAX] = { { "exp", "1" }, { "sub", "\"sub-root\"" }, { "groups", "7" } };

    (void)state;
    assert_int_equal(judge_free(&plain, token_with(keys.other_rsa, NULL, claims), &outcome), REASON_SIGNATURE_INVALID);
    assert_string_equal(outcome.verdict.subject, "");
    assert_string_equal(outcome.verdict.user, "");
    assert_false(outcome.verdict.has_expiry);
    assert_int_equal(outcome.verdict.expired_for, 0);
    assert_int_equal(outcome.explanation.made[outcome.explanation.count - 1].check, CHECK_SIGNATURE);
}

/* stefb69 decoded the payload of a token that did not verify, and took it; SSSD ignored a bad signature. */
static void peer_stefb69_a_bad_signature_is_the_end(void **state)
{
    char *token = token_with(NULL, NULL, NULL), *dot = strrchr(token, '.');
    size_t i, last = strlen(dot + 1);

    (void)state;
    for (i = 1; i < last; i += 37) {
        char kept = dot[i];

        spoil(dot + i);
        assert_int_equal(judge(&plain, slice_of(token), NULL), REASON_SIGNATURE_INVALID);
        dot[i] = kept;
    }
    assert_int_equal(judge(&plain, slice_of(token), NULL), REASON_OK);
    free(token);
}

static void every_bit_of_what_is_signed_counts(void **state)
{
    char *token = token_with(NULL, NULL, NULL), *dot = strrchr(token, '.');
    size_t i;

    (void)state;
    for (i = 0; i < (size_t)(dot - token); i++) {
        char kept = token[i];

        if (kept == '.')
            continue;
        token[i] = kept == 'A' ? 'B' : 'A';
        assert_int_not_equal(judge(&plain, slice_of(token), NULL), REASON_OK);
        token[i] = kept;
    }
    free(token);
}

static const struct claim_row expiries[] = {
    { "far in the future", { { "exp", "1000300" } }, REASON_OK },
    { "exp is now", { { "exp", "1000000" } }, REASON_OK },
    { "exp one second inside the leeway", { { "exp", "999971" } }, REASON_OK },
    { "exp at the end of the leeway", { { "exp", "999970" } }, REASON_TOKEN_EXPIRED },
    { "exp one second beyond the leeway", { { "exp", "999969" } }, REASON_TOKEN_EXPIRED },
    { "a fraction inside the leeway", { { "exp", "999970.5" } }, REASON_OK },
    { "a fraction beyond the leeway", { { "exp", "999969.5" } }, REASON_TOKEN_EXPIRED },
    { "with an exponent", { { "exp", "1.0003e6" } }, REASON_OK },
    { "zero", { { "exp", "0" } }, REASON_TOKEN_EXPIRED },
    { "minus zero is zero", { { "exp", "-0" } }, REASON_TOKEN_EXPIRED },
    { "2^53", { { "exp", "9007199254740992" } }, REASON_OK },
    { "2^53 + 2", { { "exp", "9007199254740994" } }, REASON_CLAIM_INVALID },
    { "2^63", { { "exp", "9223372036854775808" } }, REASON_CLAIM_INVALID },
    { "2^64 + 1000300, which wraps", { { "exp", "18446744073710551916" } }, REASON_CLAIM_INVALID },
    { "1e400", { { "exp", "1e400" } }, REASON_CLAIM_INVALID },
    { "-1", { { "exp", "-1" } }, REASON_CLAIM_INVALID },
    { "a small negative fraction", { { "exp", "-0.5" } }, REASON_CLAIM_INVALID },
    { "-1e400", { { "exp", "-1e400" } }, REASON_CLAIM_INVALID },
    { "a string", { { "exp", "\"1000300\"" } }, REASON_CLAIM_INVALID },
    { "null", { { "exp", "null" } }, REASON_CLAIM_INVALID },
    { "true", { { "exp", "true" } }, REASON_CLAIM_INVALID },
    { "an array", { { "exp", "[1000300]" } }, REASON_CLAIM_INVALID },
    { "an object", { { "exp", "{}" } }, REASON_CLAIM_INVALID },
    { "absent is not 'for ever'", { { "exp", NULL } }, REASON_CLAIM_MISSING },
    { "in other letters", { { "exp", NULL }, { "Exp", "1000300" } }, REASON_CLAIM_MISSING },
};

/* For nbf and iat alike; what they refuse is another reason. */
static const struct {
    const char *name, *value;
    enum { PAST, FUTURE, INVALID } want;
} beginnings[] = {
    { "absent", NULL, PAST },
    { "zero", "0", PAST },
    { "now", "1000000", PAST },
    { "one second inside the leeway", "1000029", PAST },
    { "at the end of the leeway", "1000030", PAST },
    { "one second beyond the leeway", "1000031", FUTURE },
    { "a fraction inside the leeway", "1000029.5", PAST },
    { "a fraction beyond the leeway", "1000030.5", FUTURE },
    { "2^53", "9007199254740992", FUTURE },
    { "2^53 + 2", "9007199254740994", INVALID },
    { "1e400", "1e400", INVALID },
    { "-1", "-1", INVALID },
    { "a string", "\"999990\"", INVALID },
    { "null", "null", INVALID },
    { "true", "true", INVALID },
    { "false", "false", INVALID },
    { "an array", "[]", INVALID },
};

static void rule_15_dates_are_numbers_and_fit_the_clock(void **state)
{
    size_t i;

    (void)state;
    ROW("exp");
    run_claims(&plain, expiries, COUNT(expiries));
    for (i = 0; i < COUNT(beginnings); i++) {
        const struct member nbf[CHANGES_MAX] = { { "nbf", beginnings[i].value } };
        const struct member iat[CHANGES_MAX] = { { "iat", beginnings[i].value } };
        const enum reason of_nbf[] = { REASON_OK, REASON_TOKEN_NOT_YET_VALID, REASON_CLAIM_INVALID };
        const enum reason of_iat[] = { REASON_OK, REASON_TOKEN_FROM_FUTURE, REASON_CLAIM_INVALID };

        ROW(beginnings[i].name);
        assert_int_equal(judge_free(&plain, token_with(NULL, NULL, nbf), NULL), of_nbf[beginnings[i].want]);
        assert_int_equal(judge_free(&plain, token_with(NULL, NULL, iat), NULL), of_iat[beginnings[i].want]);
    }
}

static const struct claim_row ages[] = {
    { "issued now", { { "iat", "1000000" } }, REASON_OK },
    { "as old as max_age and the leeway", { { "iat", "999670" } }, REASON_OK },
    { "one second older", { { "iat", "999669" } }, REASON_TOKEN_TOO_OLD },
    { "a fraction younger", { { "iat", "999670.5" } }, REASON_OK },
    { "a fraction older", { { "iat", "999669.5" } }, REASON_TOKEN_TOO_OLD },
    { "issued at the beginning of time", { { "iat", "0" } }, REASON_TOKEN_TOO_OLD },
    { "absent", { { "iat", NULL } }, REASON_CLAIM_MISSING },
    { "in the future", { { "iat", "1000031" } }, REASON_TOKEN_FROM_FUTURE },
};

static void rule_15_max_age_needs_iat(void **state)
{
    (void)state;
    run_claims(&(struct question){ .service = "sudo" }, ages, COUNT(ages));
}

static void rule_15_no_clock_overflows(void **state)
{
    static const int64_t clocks[] = { 0, INT64_C(9007199254740992), INT64_MAX, INT64_MIN };
    static const enum reason want[] = { REASON_TOKEN_FROM_FUTURE, REASON_TOKEN_EXPIRED, REASON_TOKEN_EXPIRED,
                                        REASON_TOKEN_FROM_FUTURE };
    const struct service_rules endless = { .name = (char[]){ "x" },
                                           .credentials = CREDENTIALS_JWT,
                                           .max_age = INT64_MAX };
    const struct claims_policy *policy = &main_config->tenants[0].claims;
    struct login login = { .has_issued_at = true, .issued_at = 0 };
    struct verdict verdict = VERDICT_INIT;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(clocks); i++)
        assert_int_equal(judge_free(&(struct question){ .service = "sudo", .has_now = true, .now = clocks[i] },
                                    token_with(NULL, NULL, NULL), NULL),
                         want[i]);
    ROW("a max_age that no clock reaches");
    assert_true(verify_service_rules(&verdict, &endless, &login, policy, 0));
    assert_true(verify_service_rules(&verdict, &endless, &login, policy, INT64_MIN));
    assert_true(verify_service_rules(&verdict, &endless, &login, policy, INT64_MAX));
}

static const struct claim_row bindings[] = {
    { "iss absent", { { "iss", NULL } }, REASON_CLAIM_MISSING },
    { "iss with a slash behind",
      { { "iss", "\"https://auth.example.com/tenant/t-1/v2.0/Auth/\"" } },
      REASON_ISSUER_UNTRUSTED },
    { "iss in other case",
      { { "iss", "\"https://auth.example.com/tenant/t-1/v2.0/auth\"" } },
      REASON_ISSUER_UNTRUSTED },
    { "iss of another tenant",
      { { "iss", "\"https://auth.example.com/tenant/t-2/v2.0/Auth\"" } },
      REASON_ISSUER_UNTRUSTED },
    { "iss by http", { { "iss", "\"http://auth.example.com/tenant/t-1/v2.0/Auth\"" } }, REASON_ISSUER_UNTRUSTED },
    { "iss percent-encoded",
      { { "iss", "\"https://auth.example.com/tenant/%74-1/v2.0/Auth\"" } },
      REASON_ISSUER_UNTRUSTED },
    { "iss with its slashes escaped in JSON",
      { { "iss", "\"https:\\/\\/auth.example.com\\/tenant\\/t-1\\/v2.0\\/Auth\"" } },
      REASON_OK },
    { "iss null", { { "iss", "null" } }, REASON_CLAIM_INVALID },
    { "aud absent", { { "aud", NULL } }, REASON_CLAIM_MISSING },
    { "aud another", { { "aud", "\"t-2\"" } }, REASON_AUDIENCE_MISMATCH },
    { "aud in other case", { { "aud", "\"T-1\"" } }, REASON_AUDIENCE_MISMATCH },
    { "aud an array", { { "aud", "[\"x\",\"t-1\"]" } }, REASON_OK },
    { "aud an empty array", { { "aud", "[]" } }, REASON_AUDIENCE_MISMATCH },
    { "aud an array with null behind", { { "aud", "[\"t-1\",null]" } }, REASON_CLAIM_INVALID },
    { "aud an array with a number before", { { "aud", "[1,\"t-1\"]" } }, REASON_CLAIM_INVALID },
    { "aud two in one string", { { "aud", "\"t-1 x\"" } }, REASON_AUDIENCE_MISMATCH },
    { "aud an object", { { "aud", "{\"t-1\":true}" } }, REASON_CLAIM_INVALID },
    { "aud empty", { { "aud", "\"\"" } }, REASON_AUDIENCE_MISMATCH },
};
static const struct claim_row parties[] = {
    { "azp and scope as demanded", { { "azp", "\"cli\"" }, { "scope", "\"openid login\"" } }, REASON_OK },
    { "scope among others", { { "azp", "\"web\"" }, { "scope", "\"a openid b login\"" } }, REASON_OK },
    { "one scope of two", { { "azp", "\"cli\"" }, { "scope", "\"openid\"" } }, REASON_SCOPE_MISSING },
    { "one that holds the other", { { "azp", "\"cli\"" }, { "scope", "\"openid loginx\"" } }, REASON_SCOPE_MISSING },
    { "scope absent", { { "azp", "\"cli\"" } }, REASON_CLAIM_MISSING },
    { "scope an array", { { "azp", "\"cli\"" }, { "scope", "[\"openid\",\"login\"]" } }, REASON_CLAIM_INVALID },
    { "azp absent", { { "scope", "\"openid login\"" } }, REASON_CLAIM_MISSING },
    { "azp another", { { "azp", "\"x\"" }, { "scope", "\"openid login\"" } }, REASON_PARTY_UNTRUSTED },
    { "azp a number", { { "azp", "1" }, { "scope", "\"openid login\"" } }, REASON_CLAIM_INVALID },
};
static const struct claim_row waived[] = {
    { "no iss, no aud", { { "iss", NULL }, { "aud", NULL } }, REASON_OK },
    { "any iss, any aud", { { "iss", "\"x\"" }, { "aud", "[\"y\"]" } }, REASON_OK },
    { "but the tenant claim binds", { { "iss", NULL }, { TENANT_CLAIM, "\"t-2\"" } }, REASON_TENANT_MISMATCH },
    { "and is required", { { "iss", NULL }, { TENANT_CLAIM, NULL } }, REASON_CLAIM_MISSING },
};

static void rule_16_iss_and_aud_are_required_unless_waived(void **state)
{
    const struct config *config = config_of(
        "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys.json\" issuer = \"\" audience = {} }\n"
        "user \"alice\" { sub = {\"sub-alice\"} }\n"
        "revocation_list = \"~/empty\"\n");

    (void)state;
    run_claims(&plain, bindings, COUNT(bindings));
    ROW("waived");
    run_claims(&(struct question){ .config = config }, waived, COUNT(waived));
    config_release(&config);
}

/* crudeoauth let a token without azp pass though parties were set, and compared scope as one string. */
static void peer_crudeoauth_azp_and_scope_are_required(void **state)
{
    const struct config *config =
        config_of("tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys.json\"\n"
                  "  azp = {\"cli\", \"web\"} scope = {\"openid\", \"login\"} }\n"
                  "user \"alice\" { sub = {\"sub-alice\"} }\n"
                  "revocation_list = \"~/empty\"\n");

    (void)state;
    run_claims(&(struct question){ .config = config }, parties, COUNT(parties));
    config_release(&config);
}

/* crudeoauth without an audience option took every audience, and open-bastion never looks. */
static void peer_crudeoauth_no_audience_option_is_not_any_audience(void **state)
{
    const struct member claims[CHANGES_MAX] = { { "aud", "\"another-service\"" } };

    (void)state;
    assert_int_equal(judge_free(&plain, token_with(NULL, NULL, claims), NULL), REASON_AUDIENCE_MISMATCH);
}

static const struct claim_row tenants_of_one[] = {
    { "absent", { { TENANT_CLAIM, NULL } }, REASON_CLAIM_MISSING },
    { "another", { { TENANT_CLAIM, "\"t-2\"" } }, REASON_TENANT_MISMATCH },
    { "in other case", { { TENANT_CLAIM, "\"T-1\"" } }, REASON_TENANT_MISMATCH },
    { "one that begins so", { { TENANT_CLAIM, "\"t-10\"" } }, REASON_TENANT_MISMATCH },
    { "empty", { { TENANT_CLAIM, "\"\"" } }, REASON_CLAIM_INVALID },
    { "an array", { { TENANT_CLAIM, "[\"t-1\"]" } }, REASON_CLAIM_INVALID },
    { "null", { { TENANT_CLAIM, "null" } }, REASON_CLAIM_INVALID },
};

static const char several_text[] =
    "tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/k1.json\" }\n"
    "tenant \"t-2\" { url = \"https://auth.example.com\" keys = \"~/k2.json\" }\n"
    "tenant \"broken\" { url = \"https://auth.example.com\" keys = \"~/absent.json\" }\n"
    "tenant \"plain\" { issuer = \"https://op.example\" audience = {\"latchkey\"} keys = \"~/k2.json\" tenant_claim = \"\" }\n"
    "user \"alice\" { tenant = {\"t-1\", \"t-2\", \"broken\", \"plain\"} sub = {\"sub-alice\"} }\n"
    "revocation_list = \"~/empty\"\n";

#define ISS_1 "\"https://auth.example.com/tenant/t-1/v2.0/Auth\""
#define ISS_2 "\"https://auth.example.com/tenant/t-2/v2.0/Auth\""
#define ISS_B "\"https://auth.example.com/tenant/broken/v2.0/Auth\""

/* All key sets name their key "k-rsa": nothing but the choice of the tenant tells them apart. */
static const struct {
    const char *name, *tenant, *iss, *aud;
    struct signer **signer;
    enum reason want;
    const char *chosen;
} choices[] = {
    { "the first tenant's", "\"t-1\"", ISS_1, "\"t-1\"", &keys.rsa, REASON_OK, "t-1" },
    { "the second tenant's", "\"t-2\"", ISS_2, "\"t-2\"", &keys.other_rsa, REASON_OK, "t-2" },
    { "the first one's key, the second one's claims", "\"t-2\"", ISS_2, "\"t-2\"", &keys.rsa, REASON_SIGNATURE_INVALID,
      "t-2" },
    { "the first one's tenant claim, else the second's", "\"t-1\"", ISS_2, "\"t-2\"", &keys.rsa,
      REASON_ISSUER_UNTRUSTED, "t-1" },
    { "a plain issuer's", NULL, "\"https://op.example\"", "\"latchkey\"", &keys.other_rsa, REASON_OK, "plain" },
    { "a plain issuer's, by the first one's key", NULL, "\"https://op.example\"", "\"latchkey\"", &keys.rsa,
      REASON_SIGNATURE_INVALID, "plain" },
    { "an unknown tenant claim beside a plain issuer", "\"t-9\"", "\"https://op.example\"", "\"latchkey\"",
      &keys.other_rsa, REASON_OK, "plain" },
    { "claimed by two", "\"t-2\"", "\"https://op.example\"", "\"latchkey\"", &keys.other_rsa, REASON_TENANT_UNKNOWN,
      "" },
    { "claimed by none", "\"t-9\"", "\"https://x.example\"", "\"t-1\"", &keys.rsa, REASON_TENANT_UNKNOWN, "" },
    { "neither tenant claim nor iss", NULL, NULL, "\"t-1\"", &keys.rsa, REASON_TENANT_UNKNOWN, "" },
    { "iss of a tenant that wants its claim", NULL, ISS_1, "\"t-1\"", &keys.rsa, REASON_TENANT_UNKNOWN, "" },
    { "a NUL behind the tenant", "\"t-1\\u0000\"", ISS_1, "\"t-1\"", &keys.rsa, REASON_TENANT_UNKNOWN, "" },
    { "a tenant in an array", "[\"t-1\"]", ISS_1, "\"t-1\"", &keys.rsa, REASON_TENANT_UNKNOWN, "" },
    { "a tenant in other case", "\"T-1\"", ISS_1, "\"t-1\"", &keys.rsa, REASON_TENANT_UNKNOWN, "" },
    { "a tenant without keys", "\"broken\"", ISS_B, "\"broken\"", &keys.rsa, REASON_JWKS_UNAVAILABLE, "broken" },
};

static void rule_17_a_token_meets_exactly_the_tenant_it_claims(void **state)
{
    static struct outcome outcome;
    struct json *first[] = { signer_jwk(keys.rsa, "k-rsa", NULL) };
    struct json *second[] = { signer_jwk(keys.other_rsa, "k-rsa", NULL) };
    const struct config *config;
    size_t i;

    (void)state;
    run_claims(&plain, tenants_of_one, COUNT(tenants_of_one));
    write_key_set("k1.json", first, 1);
    write_key_set("k2.json", second, 1);
    config = config_of(several_text);
    for (i = 0; i < COUNT(choices); i++) {
        const struct member changes[CHANGES_MAX] = { { TENANT_CLAIM, choices[i].tenant },
                                                     { "iss", choices[i].iss },
                                                     { "aud", choices[i].aud } };

        ROW(choices[i].name);
        assert_int_equal(
            judge_free(&(struct question){ .config = config }, token_with(*choices[i].signer, NULL, changes), &outcome),
            choices[i].want);
        assert_string_equal(outcome.verdict.tenant, choices[i].chosen);
    }
    config_release(&config);
}

static const struct claim_row subjects[] = {
    { "absent", { { "sub", NULL } }, REASON_CLAIM_MISSING },
    { "empty", { { "sub", "\"\"" } }, REASON_CLAIM_INVALID },
    { "a number", { { "sub", "7" } }, REASON_CLAIM_INVALID },
    { "null", { { "sub", "null" } }, REASON_CLAIM_INVALID },
    { "an array", { { "sub", "[\"sub-alice\"]" } }, REASON_CLAIM_INVALID },
    { "a line end", { { "sub", "\"sub-alice\\n\"" } }, REASON_CLAIM_INVALID },
    { "ESC", { { "sub", "\"\\u001bsub-alice\"" } }, REASON_CLAIM_INVALID },
    { "DEL", { { "sub", "\"sub-alice\\u007f\"" } }, REASON_CLAIM_INVALID },
    { "a blank is no control character", { { "sub", "\"sub alice\"" }, { "email", NULL } }, REASON_USER_UNMAPPED },
};

static void rule_18_sub_is_a_string_of_1_to_256_bytes(void **state)
{
    char text[300];
    const struct member changes[CHANGES_MAX] = { { "sub", text } };

    (void)state;
    run_claims(&plain, subjects, COUNT(subjects));
    ROW("256 bytes, mapped by its e-mail address");
    snprintf(text, sizeof text, "\"%0256d\"", 1);
    assert_int_equal(judge_free(&plain, token_with(NULL, NULL, changes), NULL), REASON_OK);
    ROW("257 bytes");
    snprintf(text, sizeof text, "\"%0257d\"", 1);
    assert_int_equal(judge_free(&plain, token_with(NULL, NULL, changes), NULL), REASON_CLAIM_INVALID);
}

/* What opens the service "ops-only". */
static const struct claim_row groups[] = {
    { "absent is no group", { { "groups", NULL } }, REASON_GROUP_MISSING },
    { "an empty array", { { "groups", "[]" } }, REASON_GROUP_MISSING },
    { "one in an array", { { "groups", "[\"g-ops\"]" } }, REASON_OK },
    { "a string is one group", { { "groups", "\"g-ops\"" } }, REASON_OK },
    { "another string", { { "groups", "\"g-devs\"" } }, REASON_GROUP_MISSING },
    { "the last of several", { { "groups", "[\"a\",\"b\",\"g-ops\"]" } }, REASON_OK },
    { "a display name", { { "groups", "[\"ops\"]" } }, REASON_GROUP_MISSING },
    { "two in one string", { { "groups", "\"a g-ops\"" } }, REASON_GROUP_MISSING },
    { "null", { { "groups", "null" } }, REASON_CLAIM_INVALID },
    { "a number", { { "groups", "5" } }, REASON_CLAIM_INVALID },
    { "true", { { "groups", "true" } }, REASON_CLAIM_INVALID },
    { "an object", { { "groups", "{\"g-ops\":true}" } }, REASON_CLAIM_INVALID },
    { "a number behind", { { "groups", "[\"g-ops\",5]" } }, REASON_CLAIM_INVALID },
    { "null in it", { { "groups", "[null,\"g-ops\"]" } }, REASON_CLAIM_INVALID },
    { "an array in it", { { "groups", "[[\"g-ops\"]]" } }, REASON_CLAIM_INVALID },
    { "a line end in one", { { "groups", "[\"g-ops\",\"x\\n\"]" } }, REASON_CLAIM_INVALID },
};

static char *many_groups(size_t count)
{
    char *text = NULL;
    size_t len, i;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    fputc('[', out);
    for (i = 1; i < count; i++)
        fputs("\"g\",", out);
    fputs("\"g-ops\"]", out);
    fclose(out);
    return text;
}

static void rule_18_groups_are_strings_and_at_most_1000(void **state)
{
    static const struct {
        const char *name;
        size_t count;
        enum reason want;
    } counts[] = { { "1,000, the last of which fits", 1000, REASON_OK }, { "1,001", 1001, REASON_CLAIM_INVALID } };
    const struct question question = { .service = "ops-only" };
    size_t i;

    (void)state;
    run_claims(&question, groups, COUNT(groups));
    for (i = 0; i < COUNT(counts); i++) {
        char *text = many_groups(counts[i].count);
        const struct member changes[CHANGES_MAX] = { { "groups", text } };

        ROW(counts[i].name);
        assert_int_equal(judge_free(&question, token_with(NULL, NULL, changes), NULL), counts[i].want);
        free(text);
    }
}

static const struct {
    const char *name, *list;
    enum reason want;
} revocations[] = {
    { "an empty list", "", REASON_OK },
    { "somebody else", "sub sub-bob\njti j-2\nkid k-other\nissued-before 1\n", REASON_OK },
    { "its sub", "sub sub-alice\n", REASON_TOKEN_REVOKED },
    { "its jti", "jti j-1\n", REASON_TOKEN_REVOKED },
    { "its kid", "kid k-rsa\n", REASON_TOKEN_REVOKED },
    { "issued in the second", "issued-before 999990\n", REASON_OK },
    { "issued the second before", "issued-before 999991\n", REASON_TOKEN_REVOKED },
    { "issued to this sub in the second", "issued-before 999990 sub sub-alice\n", REASON_OK },
    { "issued to this sub the second before", "issued-before 999991 sub sub-alice\n", REASON_TOKEN_REVOKED },
    { "issued to another sub", "issued-before 999991 sub sub-bob\n", REASON_OK },
    { "an unreadable line", "sub sub-bob\nwhat is this\n", REASON_REVOCATION_UNAVAILABLE },
};

static const struct config *config_with_list(const char *list)
{
    if (list != NULL)
        write_file("revoked", list);
    else
        unlink(path_in_directory("revoked"));
    return config_of("tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys.json\" }\n"
                     "user \"alice\" { sub = {\"sub-alice\"} }\n"
                     "revocation_list = \"~/revoked\"\n");
}

static void rule_19_what_is_revoked_is_refused(void **state)
{
    const struct config *config;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(revocations); i++) {
        ROW(revocations[i].name);
        config = config_with_list(revocations[i].list);
        assert_int_equal(judge_free(&(struct question){ .config = config }, token_with(NULL, NULL, NULL), NULL),
                         revocations[i].want);
        config_release(&config);
    }
    ROW("the configured list is not there");
    config = config_with_list(NULL);
    assert_int_equal(judge_free(&(struct question){ .config = config }, token_with(NULL, NULL, NULL), NULL),
                     REASON_REVOCATION_UNAVAILABLE);
    config_release(&config);
}

/* Whoever stole a key chooses what the header says of it. */
static void rule_19_a_revoked_key_is_not_saved_by_leaving_out_kid(void **state)
{
    static struct outcome outcome;
    static const struct member no_kid[CHANGES_MAX] = { { "kid", NULL } };
    const struct config *config = config_with_list("kid k-rsa\n");

    (void)state;
    assert_int_equal(judge_free(&(struct question){ .config = config }, token_with(NULL, no_kid, NULL), NULL),
                     REASON_TOKEN_REVOKED);
    config_release(&config);
    ROW("and the login remembers the key that verified it");
    assert_int_equal(judge_free(&plain, token_with(NULL, no_kid, NULL), &outcome), REASON_OK);
    assert_string_equal(outcome.login.kid, "k-rsa");
    assert_string_equal(outcome.verdict.kid, "k-rsa");
}

/* A secret has no kid of its own; what the header says of it can only shut out. */
static void rule_19_the_kid_of_a_secret_is_that_of_the_header(void **state)
{
    static struct outcome outcome;
    const struct config *config = hmac_config("\"HS256\"", SECRET_64);

    (void)state;
    assert_string_equal(signing[10].alg, "HS256");
    assert_int_equal(judge_free(&(struct question){ .config = config }, token_of_algorithm(10), &outcome), REASON_OK);
    assert_string_equal(outcome.login.kid, "k-hmac");
    config_release(&config);
}

static void rule_19_a_token_without_iat_may_be_issued_any_time(void **state)
{
    static const struct member no_iat[CHANGES_MAX] = { { "iat", NULL } };
    const struct config *config = config_with_list("issued-before 1\n");

    (void)state;
    assert_int_equal(judge_free(&(struct question){ .config = config }, token_with(NULL, NULL, no_iat), NULL),
                     REASON_TOKEN_REVOKED);
    config_release(&config);
}

static const struct {
    const char *name;
    struct member changes[CHANGES_MAX];
    const char *wanted;
    enum reason want;
    const char *user;
} users[] = {
    { "by a user block", { { "sub", "\"sub-alice\"" } }, NULL, REASON_OK, "alice" },
    { "by a pattern", { { "sub", "\"new\"" } }, NULL, REASON_OK, "carol" },
    { "by nothing", { { "sub", "\"new\"" }, { "email", NULL } }, NULL, REASON_USER_UNMAPPED, "" },
    { "the claim is not taken as it is",
      { { "sub", "\"daemon\"" }, { "email", NULL } },
      "daemon",
      REASON_USER_UNMAPPED,
      "" },
    { "a pattern does not reach a name with a block",
      { { "sub", "\"new\"" }, { "email", "\"alice@example.com\"" } },
      "alice",
      REASON_USER_UNMAPPED,
      "alice" },
    { "nor root", { { "sub", "\"new\"" }, { "email", "\"root@example.com\"" } }, "root", REASON_USER_UNMAPPED, "root" },
    { "two blocks", { { "sub", "\"sub-two\"" } }, NULL, REASON_USER_AMBIGUOUS, "" },
    { "two blocks and one wanted", { { "sub", "\"sub-two\"" } }, "svc-b", REASON_OK, "svc-b" },
};

static void rule_22_the_user_comes_from_a_block_or_a_pattern(void **state)
{
    static struct outcome outcome;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(users); i++) {
        ROW(users[i].name);
        assert_int_equal(judge_free(&(struct question){ .user = users[i].wanted },
                                    token_with(NULL, NULL, users[i].changes), &outcome),
                         users[i].want);
        assert_string_equal(outcome.verdict.user, users[i].user);
    }
}

static void rule_22_the_user_exists_and_uid_0_is_explicit(void **state)
{
    const struct config *config =
        config_of("tenant \"t-1\" { url = \"https://auth.example.com\" keys = \"~/keys.json\" }\n"
                  "map { claim = \"email\"  pattern = \"^([a-z-]+)@example\\\\.com$\" }\n"
                  "revocation_list = \"~/empty\"\n");
    const struct question main_question = { .ask_for_account = true };
    const struct question question = { .config = config, .ask_for_account = true };
    static const struct claim_row by_block[] = {
        { "a block names one that exists", { { "sub", "\"sub-daemon\"" } }, REASON_OK },
        { "a block names root", { { "sub", "\"sub-root\"" } }, REASON_OK },
        { "a block names nobody", { { "sub", "\"sub-ghost\"" } }, REASON_USER_UNKNOWN },
    };
    static const struct claim_row by_pattern[] = {
        { "a pattern gives one that exists", { { "email", "\"daemon@example.com\"" } }, REASON_OK },
        { "a pattern gives root", { { "email", "\"root@example.com\"" } }, REASON_USER_FORBIDDEN },
        { "a pattern gives nobody", { { "email", "\"no-such-user-here@example.com\"" } }, REASON_USER_UNKNOWN },
    };

    (void)state;
    run_claims(&main_question, by_block, COUNT(by_block));
    run_claims(&question, by_pattern, COUNT(by_pattern));
    config_release(&config);
}

static const struct {
    const char *name, *wanted;
    enum reason want;
} wanted_users[] = {
    { "nobody in particular", NULL, REASON_OK },
    { "whose it is", "alice", REASON_OK },
    { "another one", "svc-a", REASON_USER_MISMATCH },
    { "root", "root", REASON_USER_MISMATCH },
    { "one that does not exist", "no-such-user", REASON_USER_MISMATCH },
    { "in other case", "ALICE", REASON_USER_MISMATCH },
    { "with a blank", "alice ", REASON_USER_MISMATCH },
    { "an empty name", "", REASON_USER_MISMATCH },
};

static void rule_23_a_token_of_someone_else_is_refused_and_logged(void **state)
{
    static struct outcome outcome;
    char line[LOG_LINE_MAX];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(wanted_users); i++) {
        ROW(wanted_users[i].name);
        assert_int_equal(
            judge_free(&(struct question){ .user = wanted_users[i].wanted }, token_with(NULL, NULL, NULL), &outcome),
            wanted_users[i].want);
    }
    ROW("the line says whose it is");
    judge_free(&(struct question){ .user = "root" }, token_with(NULL, NULL, NULL), &outcome);
    verdict_log_line(&outcome.verdict, &(struct attempt){ .service = "su", .user = "root" }, line);
    assert_string_equal(
        line,
        "verdict=reject reason=user_mismatch service=su user=root credential=none tenant=t-1"
        " sub=sub-alice mapped=alice kid=k-rsa jti=j-1 exp=1000300 detail=\"token maps to user alice\"");
}

static const struct {
    const char *name, *service, *groups;
    enum reason want;
} requirements[] = {
    { "none required, none there", NULL, "[]", REASON_OK },
    { "one required and there", "ops-only", "[\"g-ops\"]", REASON_OK },
    { "one required, another there", "ops-only", "[\"g-devs\"]", REASON_GROUP_MISSING },
    { "one of two, the first", "any-of-two", "[\"g-more\"]", REASON_OK },
    { "one of two, the second", "any-of-two", "[\"g-ops\"]", REASON_OK },
    { "one of two, neither", "any-of-two", "[\"g-x\"]", REASON_GROUP_MISSING },
};

static void rule_24_require_group_wants_the_stable_value(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(requirements); i++) {
        const struct member changes[CHANGES_MAX] = { { "groups", requirements[i].groups } };

        ROW(requirements[i].name);
        assert_int_equal(
            judge_free(&(struct question){ .service = requirements[i].service }, token_with(NULL, NULL, changes), NULL),
            requirements[i].want);
    }
}

/* Expired in each of these, and something else is wrong as well. */
static const struct {
    const char *name;
    struct member header[CHANGES_MAX], claims[CHANGES_MAX];
    const char *user;
    bool by_a_forger;
    const char *told;
} told_cases[] = {
    { "nothing else wrong",
      { { NULL, NULL } },
      { { "exp", "999820" } },
      NULL,
      false,
      "The token expired 3 minutes ago." },
    { "forged", { { NULL, NULL } }, { { "exp", "999820" } }, NULL, true, "Token not accepted." },
    { "of an unknown key", { { "kid", "\"x\"" } }, { { "exp", "999820" } }, NULL, false, "Token not accepted." },
    { "of another issuer",
      { { NULL, NULL } },
      { { "exp", "999820" }, { "iss", "\"x\"" } },
      NULL,
      false,
      "Token not accepted." },
    { "for another audience",
      { { NULL, NULL } },
      { { "exp", "999820" }, { "aud", "\"x\"" } },
      NULL,
      false,
      "Token not accepted." },
    { "of somebody unmapped",
      { { NULL, NULL } },
      { { "exp", "999820" }, { "sub", "\"sub-two\"" } },
      NULL,
      false,
      "Token not accepted." },
    { "of somebody else", { { NULL, NULL } }, { { "exp", "999820" } }, "root", false, "Token not accepted." },
    { "not valid yet", { { NULL, NULL } }, { { "nbf", "1000100" } }, NULL, false, "The token is not valid yet." },
    { "not valid yet, of somebody else",
      { { NULL, NULL } },
      { { "nbf", "1000100" } },
      "root",
      false,
      "Token not accepted." },
};

static void rule_36_only_whose_token_was_good_reads_that_it_expired(void **state)
{
    static struct outcome outcome;
    char told[TOLD_MAX];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(told_cases); i++) {
        ROW(told_cases[i].name);
        judge_free(
            &(struct question){ .user = told_cases[i].user },
            token_with(told_cases[i].by_a_forger ? keys.other_rsa : NULL, told_cases[i].header, told_cases[i].claims),
            &outcome);
        verdict_told(&outcome.verdict, told);
        assert_string_equal(told, told_cases[i].told);
    }
}

static void rule_37_an_unknown_user_costs_and_reads_the_same(void **state)
{
    static const struct {
        const char *name;
        bool by_a_forger;
    } attempts[] = { { "a forged token", true }, { "a good token of alice", false } };
    static struct outcome of_known, of_unknown;
    char told_known[TOLD_MAX], told_unknown[TOLD_MAX];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(attempts); i++) {
        struct signer *signer = attempts[i].by_a_forger ? keys.other_rsa : NULL;

        ROW(attempts[i].name);
        judge_free(&(struct question){ .user = "daemon", .ask_for_account = true }, token_with(signer, NULL, NULL),
                   &of_known);
        judge_free(&(struct question){ .user = "no-such-user-here", .ask_for_account = true },
                   token_with(signer, NULL, NULL), &of_unknown);
        assert_int_equal(of_known.verdict.reason, of_unknown.verdict.reason);
        assert_int_equal(of_known.explanation.count, of_unknown.explanation.count);
        verdict_told(&of_known.verdict, told_known);
        verdict_told(&of_unknown.verdict, told_unknown);
        assert_string_equal(told_known, told_unknown);
    }
}

/* crudeoauth checked exp, nbf and iat only when they were JSON integers. */
static void peer_crudeoauth_dates_are_checked_whatever_their_type(void **state)
{
    static const struct claim_row rows[] = {
        { "exp a fraction in the past", { { "exp", "999000.5" } }, REASON_TOKEN_EXPIRED },
        { "exp a string in the past", { { "exp", "\"999000\"" } }, REASON_CLAIM_INVALID },
        { "no exp", { { "exp", NULL } }, REASON_CLAIM_MISSING },
        { "nbf a fraction in the future", { { "nbf", "1000100.5" } }, REASON_TOKEN_NOT_YET_VALID },
        { "nbf a string in the future", { { "nbf", "\"1000100\"" } }, REASON_CLAIM_INVALID },
    };

    (void)state;
    run_claims(&plain, rows, COUNT(rows));
}

/* oauth-ssh kept exp in 32 bits and had no clock skew. */
static void peer_oauth_ssh_exp_is_wider_than_32_bits(void **state)
{
    static const struct claim_row rows[] = {
        { "2^31, negative in 32 bits", { { "exp", "2147483648" } }, REASON_OK },
        { "2^32, zero in 32 bits", { { "exp", "4294967296" } }, REASON_OK },
        { "a clock that is ten seconds late", { { "iat", "1000010" }, { "nbf", "1000010" } }, REASON_OK },
    };

    (void)state;
    run_claims(&plain, rows, COUNT(rows));
}

static void peer_dovecot_alg_is_not_made_upper_case(void **state)
{
    const struct member header[CHANGES_MAX] = { { "alg", "\"rs256\"" } };

    (void)state;
    assert_int_equal(judge_free(&plain, token_with(NULL, header, NULL), NULL), REASON_ALGORITHM_UNSUPPORTED);
}

/* The stolen token of a login that works elsewhere: nothing of it is in a line, whatever the verdict (see judge()). */
static void peer_oauth_ssh_no_line_holds_a_piece_of_the_token(void **state)
{
    static struct outcome outcome;
    char *token = token_with(NULL, NULL, (const struct member[CHANGES_MAX]){ { "exp", "1" } });

    (void)state;
    assert_int_equal(judge(&plain, slice_of(token), &outcome), REASON_TOKEN_EXPIRED);
    ROW("nor when it stands where something else should");
    assert_int_equal(
        judge_free(&plain, token_with(NULL, (const struct member[CHANGES_MAX]){ { "crit", "[]" } }, NULL), &outcome),
        REASON_HEADER_UNSUPPORTED);
    free(token);
}

static void a_configuration_without_a_tenant_refuses(void **state)
{
    struct config empty = *main_config;

    (void)state;
    empty.tenants = NULL;
    empty.tenant_count = 0;
    assert_int_equal(judge_free(&(struct question){ .config = &empty }, token_with(NULL, NULL, NULL), NULL),
                     REASON_TENANT_UNKNOWN);
}

static int set_up(void **state)
{
    struct json *set[5];

    (void)state;
    keys.rsa = signer_generate("RS256", 2048);
    keys.other_rsa = signer_generate("RS256", 2048);
    keys.weak_rsa = signer_generate("RS256", 2047);
    keys.p256 = signer_generate("ES256", 0);
    keys.p384 = signer_generate("ES384", 0);
    keys.p521 = signer_generate("ES512", 0);
    keys.ed25519 = signer_generate("EdDSA", 0);
    keys.secret = signer_from_secret(LITERAL(SECRET_64));
    if (directory_make() != 0 || keys.rsa == NULL || keys.other_rsa == NULL || keys.weak_rsa == NULL
        || keys.p256 == NULL || keys.p384 == NULL || keys.p521 == NULL || keys.ed25519 == NULL || keys.secret == NULL)
        return -1;
    set[0] = signer_jwk(keys.rsa, "k-rsa", NULL);
    set[1] = signer_jwk(keys.p256, "k-p256", NULL);
    set[2] = signer_jwk(keys.p384, "k-p384", NULL);
    set[3] = signer_jwk(keys.p521, "k-p521", NULL);
    set[4] = signer_jwk(keys.ed25519, "k-ed", NULL);
    write_key_set("keys.json", set, COUNT(set));
    write_file("empty", "");
    main_config = config_of(main_text);
    return 0;
}

static int tear_down(void **state)
{
    struct signer **signers[] = { &keys.rsa,  &keys.other_rsa, &keys.weak_rsa, &keys.p256,
                                  &keys.p384, &keys.p521,      &keys.ed25519,  &keys.secret };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(signers); i++)
        signer_free(signers[i]);
    config_release(&main_config);
    return directory_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_token_is_accepted),
        cmocka_unit_test(what_is_absent_leaves_the_login_empty),
        cmocka_unit_test(the_explanation_lists_the_checks_up_to_the_refusal),
        cmocka_unit_test(the_details_say_what_was_found),
        cmocka_unit_test(an_explanation_changes_no_verdict),
        cmocka_unit_test(every_algorithm_signs_and_verifies),
        cmocka_unit_test(rule_01_compact_serialization_only),
        cmocka_unit_test(rule_01_at_most_16_kib),
        cmocka_unit_test(rule_02_base64url_is_strict),
        cmocka_unit_test(rule_03_header_and_payload_are_json_objects),
        cmocka_unit_test(rule_03_json_is_strict),
        cmocka_unit_test(rule_04_a_nul_ends_no_value),
        cmocka_unit_test(rule_05_alg_has_a_row_and_is_allowed),
        cmocka_unit_test(rule_06_no_key_of_a_key_set_verifies_hs256),
        cmocka_unit_test(rule_06_hs256_only_with_the_tenants_secret),
        cmocka_unit_test(rule_07_algorithm_and_key_agree),
        cmocka_unit_test(rule_08_weak_rsa_keys_verify_nothing),
        cmocka_unit_test(rule_09_signatures_have_the_exact_width),
        cmocka_unit_test(rule_10_no_extension_is_implemented),
        cmocka_unit_test(rule_11_keys_in_a_header_are_not_trusted),
        cmocka_unit_test(peer_crudeoauth_a_forged_jku_is_never_fetched),
        cmocka_unit_test(rule_12_a_kid_picks_one_key),
        cmocka_unit_test(rule_13_typ_is_that_of_an_access_token),
        cmocka_unit_test(rule_21_a_key_set_that_was_not_confirmed_for_long_verifies_nothing),
        cmocka_unit_test(rule_42_a_token_that_is_bound_to_a_key_is_refused),
        cmocka_unit_test(rule_42_what_is_no_login_is_refused_by_its_claims),
        cmocka_unit_test(rule_42_what_is_no_login_is_refused_by_its_typ),
        cmocka_unit_test(rule_14_no_claim_is_believed_before_the_signature_holds),
        cmocka_unit_test(peer_stefb69_a_bad_signature_is_the_end),
        cmocka_unit_test(every_bit_of_what_is_signed_counts),
        cmocka_unit_test(rule_15_dates_are_numbers_and_fit_the_clock),
        cmocka_unit_test(rule_15_max_age_needs_iat),
        cmocka_unit_test(rule_15_no_clock_overflows),
        cmocka_unit_test(rule_16_iss_and_aud_are_required_unless_waived),
        cmocka_unit_test(peer_crudeoauth_azp_and_scope_are_required),
        cmocka_unit_test(peer_crudeoauth_no_audience_option_is_not_any_audience),
        cmocka_unit_test(rule_17_a_token_meets_exactly_the_tenant_it_claims),
        cmocka_unit_test(rule_18_sub_is_a_string_of_1_to_256_bytes),
        cmocka_unit_test(rule_18_groups_are_strings_and_at_most_1000),
        cmocka_unit_test(rule_19_what_is_revoked_is_refused),
        cmocka_unit_test(rule_19_a_revoked_key_is_not_saved_by_leaving_out_kid),
        cmocka_unit_test(rule_19_the_kid_of_a_secret_is_that_of_the_header),
        cmocka_unit_test(rule_19_a_token_without_iat_may_be_issued_any_time),
        cmocka_unit_test(rule_22_the_user_comes_from_a_block_or_a_pattern),
        cmocka_unit_test(rule_22_the_user_exists_and_uid_0_is_explicit),
        cmocka_unit_test(rule_23_a_token_of_someone_else_is_refused_and_logged),
        cmocka_unit_test(rule_24_require_group_wants_the_stable_value),
        cmocka_unit_test(rule_36_only_whose_token_was_good_reads_that_it_expired),
        cmocka_unit_test(rule_37_an_unknown_user_costs_and_reads_the_same),
        cmocka_unit_test(peer_crudeoauth_dates_are_checked_whatever_their_type),
        cmocka_unit_test(peer_oauth_ssh_exp_is_wider_than_32_bits),
        cmocka_unit_test(peer_dovecot_alg_is_not_made_upper_case),
        cmocka_unit_test(peer_oauth_ssh_no_line_holds_a_piece_of_the_token),
        cmocka_unit_test(a_configuration_without_a_tenant_refuses),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
