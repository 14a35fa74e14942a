#include "tests/support/unit.h"

#include "ipc/protocol.h"

/* A literal as a slice, in a table. */
#define TEXT(text)               \
    {                            \
        (text), sizeof(text) - 1 \
    }
#define NONE    \
    {           \
        NULL, 0 \
    }

/* `len` times the same byte; malloc'ed. */
static char *filled(size_t len, char byte)
{
    char *text = malloc(len + 1);

    assert_non_null(text);
    memset(text, byte, len);
    text[len] = '\0';
    return text;
}

/* Memory of exactly the text's size, so that a sanitizer sees one byte too many. malloc'ed. */
static struct slice exactly(struct slice text)
{
    char *copy = malloc(text.len > 0 ? text.len : 1);

    assert_non_null(copy);
    if (text.len > 0)
        memcpy(copy, text.bytes, text.len);
    return (struct slice){ copy, text.len };
}

static void assert_slice(struct slice got, struct slice want)
{
    assert_int_equal(got.len, want.len);
    if (want.len > 0)
        assert_memory_equal(got.bytes, want.bytes, want.len);
}

/* The text must be the question, whatever else was tried. */
static void assert_question(struct slice text, const struct latchkeyd_question *want)
{
    struct slice copy = exactly(text);
    struct latchkeyd_question question;
    struct json *json = NULL;
    const char *error = NULL;

    if (!latchkeyd_question_read(copy, &json, &question, &error))
        fail_msg("\"%.200s\" is refused: %s", text.bytes, error);
    free((char *)copy.bytes); /* nothing is lent by the text */
    assert_int_equal(question.ask, want->ask);
    assert_slice(question.tenant, want->tenant);
    assert_slice(question.subject, want->subject);
    assert_slice(question.service, want->service);
    assert_slice(question.user, want->user);
    assert_slice(question.authzid, want->authzid);
    assert_int_equal(question.is_directory, want->is_directory);
    assert_slice(question.secret, want->secret);
    json_free(&json);
}

/* Why the text is no question; "" when it is one. */
static const char *question_fault(struct slice text)
{
    struct slice copy = exactly(text);
    struct latchkeyd_question question;
    struct json *json = NULL;
    const char *error = NULL;
    bool ok = latchkeyd_question_read(copy, &json, &question, &error);

    free((char *)copy.bytes);
    assert_int_equal(ok, json != NULL);
    json_free(&json);
    return ok ? "" : error;
}

/* ask, tenant, subject, secret; NULL: it is not written */
static const struct {
    const char *name;
    struct latchkeyd_question question;
    const char *text;
} questions[] = {
    { "an exchange",
      { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t-1"), .subject = TEXT("sub-1"), .secret = TEXT("key.0_1~2+3/4=") },
      "{\"ask\":\"exchange\",\"tenant\":\"t-1\",\"subject\":\"sub-1\",\"api_key\":\"key.0_1~2+3/4=\"}" },
    { "a refresh", { .ask = LATCHKEYD_REFRESH, .tenant = TEXT("t-1") }, "{\"ask\":\"refresh\",\"tenant\":\"t-1\"}" },
    { "a signature",
      { .ask = LATCHKEYD_SIGNATURE, .tenant = TEXT("t-1"), .secret = TEXT("a.b.c") },
      "{\"ask\":\"signature\",\"tenant\":\"t-1\",\"token\":\"a.b.c\"}" },
    { "the status", { .ask = LATCHKEYD_STATUS }, "{\"ask\":\"status\"}" },
    { "a subject that JSON must escape",
      { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t"), .subject = TEXT("a\"b\\c/d"), .secret = TEXT("k") },
      "{\"ask\":\"exchange\",\"tenant\":\"t\",\"subject\":\"a\\\"b\\\\c/d\",\"api_key\":\"k\"}" },
    { "a subject of another script, and a tenant with blanks",
      { .ask = LATCHKEYD_EXCHANGE,
        .tenant = TEXT("t 1"),
        .subject = TEXT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91"),
        .secret = TEXT("k") },
      "{\"ask\":\"exchange\",\"tenant\":\"t 1\",\"subject\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91\",\"api_key\":\"k\"}" },
    { "the outermost characters of a secret",
      { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t"), .subject = TEXT("s"), .secret = TEXT("!#[]~") },
      "{\"ask\":\"exchange\",\"tenant\":\"t\",\"subject\":\"s\",\"api_key\":\"!#[]~\"}" },
    { "no tenant for an exchange", { .ask = LATCHKEYD_EXCHANGE, .subject = TEXT("s"), .secret = TEXT("k") }, NULL },
    { "no tenant for a refresh", { .ask = LATCHKEYD_REFRESH }, NULL },
    { "no tenant for a signature", { .ask = LATCHKEYD_SIGNATURE, .secret = TEXT("a.b.c") }, NULL },
    { "no subject", { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t"), .secret = TEXT("k") }, NULL },
    { "no key", { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t"), .subject = TEXT("s") }, NULL },
    { "no token", { .ask = LATCHKEYD_SIGNATURE, .tenant = TEXT("t") }, NULL },
    { "a tenant with a line end", { .ask = LATCHKEYD_REFRESH, .tenant = TEXT("t\n") }, NULL },
    { "a tenant with a NUL", { .ask = LATCHKEYD_REFRESH, .tenant = TEXT("t\0u") }, NULL },
    { "a tenant that is not UTF-8", { .ask = LATCHKEYD_REFRESH, .tenant = TEXT("t\xff") }, NULL },
    { "a subject with a NUL",
      { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t"), .subject = TEXT("root\0x"), .secret = TEXT("k") },
      NULL },
    { "a subject with DEL",
      { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t"), .subject = TEXT("a\x7f"), .secret = TEXT("k") },
      NULL },
    { "a subject with an escape",
      { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t"), .subject = TEXT("\033[2J"), .secret = TEXT("k") },
      NULL },
    { "a subject that is not UTF-8",
      { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t"), .subject = TEXT("\xc0\xaf"), .secret = TEXT("k") },
      NULL },
    { "a key that ends its string",
      { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t"), .subject = TEXT("s"), .secret = TEXT("k\",\"tenant\":\"u") },
      NULL },
    { "a key that ends with a backslash",
      { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t"), .subject = TEXT("s"), .secret = TEXT("k\\") },
      NULL },
    { "a key with a blank",
      { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t"), .subject = TEXT("s"), .secret = TEXT("k k") },
      NULL },
    { "a key with a line end",
      { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t"), .subject = TEXT("s"), .secret = TEXT("k\r\n") },
      NULL },
    { "a key with a NUL",
      { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t"), .subject = TEXT("s"), .secret = TEXT("k\0k") },
      NULL },
    { "a key with DEL",
      { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t"), .subject = TEXT("s"), .secret = TEXT("k\x7f") },
      NULL },
    { "a key beyond ASCII",
      { .ask = LATCHKEYD_EXCHANGE, .tenant = TEXT("t"), .subject = TEXT("s"), .secret = TEXT("k\xc3\xa4") },
      NULL },
    { "an authentication",
      { .ask = LATCHKEYD_AUTHENTICATE,
        .config = TEXT("/etc/latchkey/latchkey.conf"),
        .service = TEXT("smtp"),
        .user = TEXT("alice"),
        .authzid = TEXT("fred@example.com"),
        .secret = TEXT("a.b.c") },
      "{\"ask\":\"authenticate\",\"config\":\"/etc/latchkey/latchkey.conf\",\"service\":\"smtp\","
      "\"user\":\"alice\",\"authzid\":\"fred@example.com\","
      "\"credential\":\"a.b.c\"}" },
    { "an authentication of whoever the token names",
      { .ask = LATCHKEYD_AUTHENTICATE, .secret = TEXT("a.b.c") },
      "{\"ask\":\"authenticate\",\"credential\":\"a.b.c\"}" },
    { "an authentication for a directory",
      { .ask = LATCHKEYD_AUTHENTICATE, .authzid = TEXT("dn:uid=a"), .is_directory = true, .secret = TEXT("a.b.c") },
      "{\"ask\":\"authenticate\",\"authzid\":\"dn:uid=a\",\"directory\":true,\"credential\":\"a.b.c\"}" },
    { "an authentication without a credential", { .ask = LATCHKEYD_AUTHENTICATE, .service = TEXT("smtp") }, NULL },
    { "a configuration with a line break in its path",
      { .ask = LATCHKEYD_AUTHENTICATE, .config = TEXT("/etc/latchkey\n"), .secret = TEXT("a.b.c") },
      NULL },
    { "an authzid with a NUL",
      { .ask = LATCHKEYD_AUTHENTICATE, .authzid = TEXT("root\0x"), .secret = TEXT("a.b.c") },
      NULL },
    { "a token that ends its string",
      { .ask = LATCHKEYD_SIGNATURE, .tenant = TEXT("t"), .secret = TEXT("a.b.c\"}") },
      NULL },
};

static void a_question_is_written_and_read_back(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(questions); i++) {
        struct secret text = { NULL, 0 };
        bool ok;

        ROW(questions[i].name);
        ok = latchkeyd_question_write(&questions[i].question, &text);
        assert_int_equal(ok, questions[i].text != NULL);
        if (ok) {
            assert_slice((struct slice){ text.bytes, text.len }, slice_of(questions[i].text));
            assert_question((struct slice){ text.bytes, text.len }, &questions[i].question);
        } else {
            assert_null(text.bytes);
        }
        secret_clear(&text);
    }
}

static void what_a_question_does_not_need_is_not_written(void **state)
{
    const struct latchkeyd_question status = {
        .ask = LATCHKEYD_STATUS, .tenant = TEXT("t"), .subject = TEXT("s"), .secret = TEXT("k")
    };
    const struct latchkeyd_question refresh = {
        .ask = LATCHKEYD_REFRESH, .tenant = TEXT("t"), .subject = TEXT("\xff"), .secret = TEXT("\"")
    };
    struct secret text = { NULL, 0 };

    (void)state;
    ROW("no tenant, no subject and no secret with the question for the status");
    assert_true(latchkeyd_question_write(&status, &text));
    assert_slice((struct slice){ text.bytes, text.len }, slice_of("{\"ask\":\"status\"}"));
    secret_clear(&text);
    ROW("and what it does not need it is not judged by");
    assert_true(latchkeyd_question_write(&refresh, &text));
    assert_slice((struct slice){ text.bytes, text.len }, slice_of("{\"ask\":\"refresh\",\"tenant\":\"t\"}"));
    secret_clear(&text);
}

#define NO_TENANT    "tenant is missing or malformed"
#define NO_SUBJECT   "subject is missing or malformed"
#define NO_SECRET    "api_key is missing or malformed"
#define NO_JWT       "token is missing or malformed"
#define NO_ASK       "unknown question"
#define DUPLICATE    "duplicate member name"
#define AUTHENTICATE "{\"ask\":\"authenticate\",\"credential\":\"k\","
#define ASK          "{\"ask\":\"exchange\",\"tenant\":\"t\",\"subject\":\"s\",\"api_key\":"

static const struct {
    const char *name;
    struct slice text;
    const char *fault; /* "": it is a question */
} received[] = {
    { "a good one", TEXT(ASK "\"k\"}"), "" },
    { "the members in another order",
      TEXT("{\"api_key\":\"k\",\"subject\":\"s\",\"tenant\":\"t\",\"ask\":\"exchange\"}"), "" },
    { "white space", TEXT(" {\n\"ask\" : \"status\"\t}\r\n"), "" },
    { "unknown members of any type", TEXT("{\"ask\":\"status\",\"x\":[1,{\"y\":null}],\"z\":true,\"\":\"\"}"), "" },
    { "what a status does not need may be anything", TEXT("{\"ask\":\"status\",\"tenant\":5,\"api_key\":\"\\u0000\"}"),
      "" },
    { "an escape for a harmless character", TEXT(ASK "\"\\u006b\"}"), "" },
    { "nothing", NONE, "neither an object nor an array" },
    { "no JSON", TEXT("exchange"), "neither an object nor an array" },
    { "an array", TEXT("[\"exchange\"]"), "not a JSON object" },
    { "something behind it", TEXT("{\"ask\":\"status\"}x"), "text after the end" },
    { "two questions", TEXT("{\"ask\":\"status\"}{\"ask\":\"status\"}"), "text after the end" },
    { "half a question", TEXT("{\"ask\":\"status\""), "the text ends too early" },
    { "no ask", TEXT("{\"tenant\":\"t\"}"), NO_ASK },
    { "an empty ask", TEXT("{\"ask\":\"\"}"), NO_ASK },
    { "an unknown ask", TEXT("{\"ask\":\"everything\"}"), NO_ASK },
    { "an ask in another case", TEXT("{\"ask\":\"Status\"}"), NO_ASK },
    { "an ask with a NUL behind it", TEXT("{\"ask\":\"status\\u0000\"}"), NO_ASK },
    { "the beginning of an ask", TEXT("{\"ask\":\"stat\"}"), NO_ASK },
    { "an ask that is a number", TEXT("{\"ask\":3}"), NO_ASK },
    { "an ask that is a list", TEXT("{\"ask\":[\"status\"]}"), NO_ASK },
    { "an ask that is null", TEXT("{\"ask\":null}"), NO_ASK },
    { "the ask twice", TEXT("{\"ask\":\"status\",\"ask\":\"status\"}"), DUPLICATE },
    { "the tenant twice", TEXT("{\"ask\":\"refresh\",\"tenant\":\"t\",\"tenant\":\"u\"}"), DUPLICATE },
    { "the tenant twice, once with an escape", TEXT("{\"ask\":\"refresh\",\"tenant\":\"t\",\"t\\u0065nant\":\"u\"}"),
      DUPLICATE },
    { "the key twice", TEXT(ASK "\"k\",\"api_key\":\"l\"}"), DUPLICATE },
    { "an unknown member twice", TEXT("{\"ask\":\"status\",\"x\":1,\"x\":1}"), DUPLICATE },
    { "no tenant", TEXT("{\"ask\":\"refresh\"}"), NO_TENANT },
    { "an empty tenant", TEXT("{\"ask\":\"refresh\",\"tenant\":\"\"}"), NO_TENANT },
    { "a tenant that is a number", TEXT("{\"ask\":\"refresh\",\"tenant\":1}"), NO_TENANT },
    { "a tenant that is null", TEXT("{\"ask\":\"refresh\",\"tenant\":null}"), NO_TENANT },
    { "a tenant with a line end", TEXT("{\"ask\":\"refresh\",\"tenant\":\"t\\n\"}"), NO_TENANT },
    { "rule 4: a tenant with a NUL", TEXT("{\"ask\":\"refresh\",\"tenant\":\"t\\u0000u\"}"), NO_TENANT },
    { "no subject", TEXT("{\"ask\":\"exchange\",\"tenant\":\"t\",\"api_key\":\"k\"}"), NO_SUBJECT },
    { "an empty subject", TEXT("{\"ask\":\"exchange\",\"tenant\":\"t\",\"subject\":\"\",\"api_key\":\"k\"}"),
      NO_SUBJECT },
    { "a subject that is an object", TEXT("{\"ask\":\"exchange\",\"tenant\":\"t\",\"subject\":{},\"api_key\":\"k\"}"),
      NO_SUBJECT },
    { "a subject with an escape",
      TEXT("{\"ask\":\"exchange\",\"tenant\":\"t\",\"subject\":\"\\u001b[2J\",\"api_key\":\"k\"}"), NO_SUBJECT },
    { "rule 4: a subject with a NUL",
      TEXT("{\"ask\":\"exchange\",\"tenant\":\"t\",\"subject\":\"root\\u0000x\",\"api_key\":\"k\"}"), NO_SUBJECT },
    { "no key", TEXT("{\"ask\":\"exchange\",\"tenant\":\"t\",\"subject\":\"s\"}"), NO_SECRET },
    { "a token in the place of the key",
      TEXT("{\"ask\":\"exchange\",\"tenant\":\"t\",\"subject\":\"s\",\"token\":\"k\"}"), NO_SECRET },
    { "an empty key", TEXT(ASK "\"\"}"), NO_SECRET },
    { "a key that is true", TEXT(ASK "true}"), NO_SECRET },
    { "a key that is a list", TEXT(ASK "[\"k\"]}"), NO_SECRET },
    { "a key with a quotation mark", TEXT(ASK "\"k\\\"\"}"), NO_SECRET },
    { "a key with a backslash", TEXT(ASK "\"k\\\\\"}"), NO_SECRET },
    { "a key with a blank", TEXT(ASK "\"k k\"}"), NO_SECRET },
    { "a key that would end its header", TEXT(ASK "\"k\\r\\nHost: x\"}"), NO_SECRET },
    { "a key with a NUL", TEXT(ASK "\"k\\u0000\"}"), NO_SECRET },
    { "a key beyond ASCII", TEXT(ASK "\"\xc3\xa4\"}"), NO_SECRET },
    { "no token", TEXT("{\"ask\":\"signature\",\"tenant\":\"t\"}"), NO_JWT },
    { "a key in the place of the token", TEXT("{\"ask\":\"signature\",\"tenant\":\"t\",\"api_key\":\"k\"}"), NO_JWT },
    { "no credential", TEXT("{\"ask\":\"authenticate\"}"), "credential is missing or malformed" },
    { "a url that is a number",
      TEXT("{\"ask\":\"exchange\",\"tenant\":\"t\",\"subject\":\"s\",\"url\":1,\"api_key\":\"k\"}"),
      "url is malformed" },
    { "a user that is empty", TEXT(AUTHENTICATE "\"user\":\"\"}"), "user is malformed" },
    { "a user that is null", TEXT(AUTHENTICATE "\"user\":null}"), "user is malformed" },
    { "a service that is a list", TEXT(AUTHENTICATE "\"service\":[]}"), "service is malformed" },
    { "an authzid with a NUL", TEXT(AUTHENTICATE "\"authzid\":\"root\\u0000x\"}"), "authzid is malformed" },
    { "a config with a line end", TEXT(AUTHENTICATE "\"config\":\"/a\\n\"}"), "config is malformed" },
    { "a directory", TEXT(AUTHENTICATE "\"directory\":true}"), "" },
    { "no directory", TEXT(AUTHENTICATE "\"directory\":false}"), "" },
    { "a directory that is text", TEXT(AUTHENTICATE "\"directory\":\"true\"}"), "directory is not a boolean" },
    { "a directory that is a number", TEXT(AUTHENTICATE "\"directory\":1}"), "directory is not a boolean" },
    { "bytes that are not UTF-8", TEXT(ASK "\"k\xff\"}"), "not UTF-8" },
    { "a control byte as it is", TEXT(ASK "\"k\001\"}"), "a control character in a string" },
};

static void a_question_is_read_strictly(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(received); i++) {
        ROW(received[i].name);
        assert_string_equal(question_fault(received[i].text), received[i].fault);
    }
}

/* A question of each kind whose one part is of the given length. malloc'ed. */
static struct latchkeyd_question long_question(enum latchkeyd_ask ask, size_t tenant_len, size_t subject_len,
                                               size_t secret_len)
{
    return (struct latchkeyd_question){
        .ask = ask,
        .tenant = { filled(tenant_len, 't'), tenant_len },
        .subject = { filled(subject_len, 's'), subject_len },
        .secret = { filled(secret_len, 'k'), secret_len },
    };
}

static void question_free(struct latchkeyd_question *question)
{
    free((char *)question->tenant.bytes);
    free((char *)question->subject.bytes);
    free((char *)question->secret.bytes);
}

#define SIGNATURE_FRAME (sizeof "{\"ask\":\"signature\",\"tenant\":\"t\",\"token\":\"\"}" - 1)

static void questions_have_limits(void **state)
{
    static const struct {
        const char *name;
        enum latchkeyd_ask ask;
        size_t tenant, subject, secret;
        bool ok;
    } cases[] = {
        { "a tenant of 127 bytes", LATCHKEYD_REFRESH, FACT_MAX - 1, 0, 0, true },
        { "a tenant of 128 bytes", LATCHKEYD_REFRESH, FACT_MAX, 0, 0, false },
        { "a subject of 256 bytes", LATCHKEYD_EXCHANGE, 1, SUBJECT_MAX, 1, true },
        { "a subject of 257 bytes", LATCHKEYD_EXCHANGE, 1, SUBJECT_MAX + 1, 1, false },
        { "a message of 64 KiB", LATCHKEYD_SIGNATURE, 1, 0, LATCHKEYD_MESSAGE_MAX - SIGNATURE_FRAME, true },
        { "a message of one byte more", LATCHKEYD_SIGNATURE, 1, 0, LATCHKEYD_MESSAGE_MAX - SIGNATURE_FRAME + 1, false },
        { "everything at its longest", LATCHKEYD_EXCHANGE, FACT_MAX - 1, SUBJECT_MAX, 1024, true },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct latchkeyd_question question =
            long_question(cases[i].ask, cases[i].tenant, cases[i].subject, cases[i].secret);
        struct secret text = { NULL, 0 };

        ROW(cases[i].name);
        assert_int_equal(latchkeyd_question_write(&question, &text), cases[i].ok);
        if (cases[i].ok)
            assert_question((struct slice){ text.bytes, text.len }, &question);
        secret_clear(&text);
        question_free(&question);
    }
}

/* A text that blanks make as long as wanted. malloc'ed. */
static char *padded(const char *text, size_t len)
{
    char *longer = filled(len, ' ');

    memcpy(longer, text, strlen(text));
    return longer;
}

static void what_is_received_has_limits(void **state)
{
    static const char name[] = "{\"ask\":\"refresh\",\"tenant\":\"", answer[] = "{\"answer\":\"ok\"}";
    char *text, *tenant;
    size_t len;

    (void)state;
    for (len = FACT_MAX - 1; len <= FACT_MAX; len++) {
        ROW(len < FACT_MAX ? "a tenant of 127 bytes" : "a tenant of 128 bytes");
        tenant = filled(len, 't');
        assert_true(asprintf(&text, "%s%s\"}", name, tenant) > 0);
        assert_string_equal(question_fault(slice_of(text)), len < FACT_MAX ? "" : NO_TENANT);
        free(text);
        free(tenant);
    }
    for (len = SUBJECT_MAX; len <= SUBJECT_MAX + 1; len++) {
        ROW(len == SUBJECT_MAX ? "a subject of 256 bytes" : "a subject of 257 bytes");
        tenant = filled(len, 's');
        assert_true(
            asprintf(&text, "{\"ask\":\"exchange\",\"tenant\":\"t\",\"subject\":\"%s\",\"api_key\":\"k\"}", tenant)
            > 0);
        assert_string_equal(question_fault(slice_of(text)), len == SUBJECT_MAX ? "" : NO_SUBJECT);
        free(text);
        free(tenant);
    }
    for (len = LATCHKEYD_MESSAGE_MAX; len <= LATCHKEYD_MESSAGE_MAX + 1; len++) {
        struct latchkeyd_answer got;
        struct json *json = NULL;
        const char *error = "";

        ROW(len == LATCHKEYD_MESSAGE_MAX ? "a question and an answer of 64 KiB" : "and of one byte more");
        text = padded("{\"ask\":\"status\"}", len);
        assert_string_equal(question_fault((struct slice){ text, len }),
                            len == LATCHKEYD_MESSAGE_MAX ? "" : LATCHKEYD_TOO_LONG);
        free(text);
        text = padded(answer, len);
        assert_int_equal(latchkeyd_answer_read(LATCHKEYD_REFRESH, (struct slice){ text, len }, &json, &got, &error),
                         len == LATCHKEYD_MESSAGE_MAX);
        assert_string_equal(error != NULL ? error : "", len == LATCHKEYD_MESSAGE_MAX ? "" : LATCHKEYD_TOO_LONG);
        json_free(&json);
        free(text);
    }
}

/* The text of an answer; NULL when it is not written. Lent until the next call. */
static const char *answer_text(enum latchkeyd_ask ask, const struct latchkeyd_answer *answer)
{
    static char copy[LATCHKEYD_MESSAGE_MAX + 1];
    struct secret text = { NULL, 0 };

    if (!latchkeyd_answer_write(ask, answer, &text)) {
        assert_null(text.bytes);
        return NULL;
    }
    memcpy(copy, text.bytes, text.len);
    copy[text.len] = '\0';
    assert_int_equal(strlen(copy), text.len);
    secret_clear(&text);
    return copy;
}

/* Why the text is no answer; "" when it is one, which is then in *ret_answer and *ret_json. */
static const char *answer_fault(enum latchkeyd_ask ask, struct slice text, struct json **ret_json,
                                struct latchkeyd_answer *ret_answer)
{
    struct slice copy = exactly(text);
    const char *error = NULL;
    bool ok = latchkeyd_answer_read(ask, copy, ret_json, ret_answer, &error);

    free((char *)copy.bytes);
    assert_int_equal(ok, *ret_json != NULL);
    return ok ? "" : error;
}

/* Loops over the table, so that a new reason cannot be one that does not travel. */
static void every_reason_travels(void **state)
{
    enum latchkeyd_ask ask;
    int reason;

    (void)state;
    for (reason = REASON_OK + 1; reason < REASON_COUNT; reason++) {
        struct latchkeyd_answer answer = { .reason = (enum reason)reason }, got;
        struct json *json = NULL;
        const char *text;

        ROW(reason_name(answer.reason));
        snprintf(answer.detail, sizeof answer.detail, "detail of \"%d\"", reason);
        for (ask = LATCHKEYD_EXCHANGE; ask < LATCHKEYD_ASK_COUNT; ask++) {
            text = answer_text(ask, &answer);
            assert_non_null(text);
            assert_string_equal(answer_fault(ask, slice_of(text), &json, &got), "");
            assert_int_equal(got.reason, reason);
            assert_string_equal(got.detail, answer.detail);
            assert_int_equal(got.token.len, 0);
            assert_null(got.status);
            json_free(&json);
        }
    }
    ROW("but to be undecided is no answer");
    {
        struct latchkeyd_answer answer = { .reason = REASON_UNDECIDED }, got;
        struct json *json = NULL;
        const char *text = answer_text(LATCHKEYD_REFRESH, &answer);

        if (text != NULL)
            assert_string_equal(answer_fault(LATCHKEYD_REFRESH, slice_of(text), &json, &got), "unknown answer");
    }
}

static void a_success_carries_what_was_asked_for(void **state)
{
    struct json *object = json_new_object(), *json = NULL;
    const struct latchkeyd_answer all = {
        .reason = REASON_OK, .token = TEXT("a.b.c"), .status = object, .login = object
    };
    static const struct {
        enum latchkeyd_ask ask;
        const char *text;
    } cases[] = {
        { LATCHKEYD_EXCHANGE, "{\"answer\":\"ok\",\"token\":\"a.b.c\"}" },
        { LATCHKEYD_REFRESH, "{\"answer\":\"ok\"}" },
        { LATCHKEYD_SIGNATURE, "{\"answer\":\"ok\"}" },
        { LATCHKEYD_AUTHENTICATE, "{\"answer\":\"ok\",\"login\":{\"pid\":4711}}" },
        { LATCHKEYD_STATUS, "{\"answer\":\"ok\",\"status\":{\"pid\":4711}}" },
    };
    struct latchkeyd_answer got;
    double pid;
    size_t i;

    (void)state;
    assert_int_equal(COUNT(cases), LATCHKEYD_ASK_COUNT);
    assert_true(json_add(object, "pid", json_new_integer(4711)));
    for (i = 0; i < COUNT(cases); i++) {
        ROW(latchkeyd_ask_name(cases[i].ask));
        assert_string_equal(answer_text(cases[i].ask, &all), cases[i].text);
        assert_string_equal(answer_fault(cases[i].ask, slice_of(cases[i].text), &json, &got), "");
        assert_int_equal(got.reason, REASON_OK);
        assert_int_equal(got.token.len > 0, cases[i].ask == LATCHKEYD_EXCHANGE);
        assert_int_equal(got.login != NULL, cases[i].ask == LATCHKEYD_AUTHENTICATE);
        assert_int_equal(got.status != NULL, cases[i].ask == LATCHKEYD_STATUS);
        if (got.token.len > 0)
            assert_slice(got.token, slice_of("a.b.c"));
        if (got.status != NULL)
            assert_true(json_number(json_member(got.status, "pid"), &pid) && pid == 4711);
        json_free(&json);
    }
    ROW("the object stays the caller's");
    assert_string_equal(json_print(object, false), "{\"pid\":4711}");
    json_free(&object);
}

static void a_success_without_what_was_asked_for_is_not_written(void **state)
{
    const struct latchkeyd_answer bare = { .reason = REASON_OK };
    enum latchkeyd_ask ask;

    (void)state;
    for (ask = LATCHKEYD_EXCHANGE; ask < LATCHKEYD_ASK_COUNT; ask++) {
        ROW(latchkeyd_ask_name(ask));
        assert_int_equal(answer_text(ask, &bare) != NULL, ask == LATCHKEYD_REFRESH || ask == LATCHKEYD_SIGNATURE);
    }
}

static void a_refused_authentication_may_have_a_login(void **state)
{
    struct json *object = json_new_object(), *json = NULL;
    struct latchkeyd_answer answer = { .reason = REASON_TOKEN_EXPIRED, .detail = "x", .login = object }, got;
    const char *text;

    (void)state;
    assert_true(json_add(object, "user", json_new_string(slice_of("alice"))));
    text = answer_text(LATCHKEYD_AUTHENTICATE, &answer);
    assert_string_equal(text, "{\"answer\":\"token_expired\",\"detail\":\"x\",\"login\":{\"user\":\"alice\"}}");
    assert_string_equal(answer_fault(LATCHKEYD_AUTHENTICATE, slice_of(text), &json, &got), "");
    assert_int_equal(got.reason, REASON_TOKEN_EXPIRED);
    assert_non_null(got.login);
    json_free(&json);
    ROW("or none");
    answer.login = NULL;
    text = answer_text(LATCHKEYD_AUTHENTICATE, &answer);
    assert_string_equal(text, "{\"answer\":\"token_expired\",\"detail\":\"x\"}");
    assert_string_equal(answer_fault(LATCHKEYD_AUTHENTICATE, slice_of(text), &json, &got), "");
    assert_null(got.login);
    json_free(&json);
    ROW("no other refusal has one");
    answer.login = object;
    assert_string_equal(answer_text(LATCHKEYD_STATUS, &answer), "{\"answer\":\"token_expired\",\"detail\":\"x\"}");
    json_free(&object);
}

/* What a client may ask of a latchkeyd that it starts for this question alone. */
static void only_an_exchange_is_for_a_child(void **state)
{
    enum latchkeyd_ask ask;

    (void)state;
    for (ask = LATCHKEYD_EXCHANGE; ask < LATCHKEYD_ASK_COUNT; ask++)
        assert_int_equal(latchkeyd_ask_is_for_child(ask), ask == LATCHKEYD_EXCHANGE);
}

static void what_must_not_be_spliced_is_no_token(void **state)
{
    static const struct {
        const char *name;
        struct slice token;
    } cases[] = {
        { "a quotation mark", TEXT("a\",\"x\":\"") },
        { "a backslash", TEXT("a\\") },
        { "a blank", TEXT("a b") },
        { "a line end", TEXT("a\n") },
        { "a NUL", TEXT("a\0b") },
        { "DEL", TEXT("a\x7f") },
        { "a byte beyond ASCII", TEXT("a\xe9") },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const struct latchkeyd_answer answer = { .reason = REASON_OK, .token = cases[i].token };

        ROW(cases[i].name);
        assert_null(answer_text(LATCHKEYD_EXCHANGE, &answer));
    }
}

#define TOKEN_FRAME  (sizeof "{\"answer\":\"ok\",\"token\":\"\"}" - 1)
#define STATUS_FRAME (sizeof "{\"answer\":\"ok\",\"status\":{\"x\":\"\"}}" - 1)

static void answers_have_limits(void **state)
{
    struct json *json = NULL, *status;
    struct latchkeyd_answer got;
    const char *text;
    size_t len;

    (void)state;
    for (len = LATCHKEYD_MESSAGE_MAX - TOKEN_FRAME; len <= LATCHKEYD_MESSAGE_MAX - TOKEN_FRAME + 1; len++) {
        char *token = filled(len, 'a');
        const struct latchkeyd_answer answer = { .reason = REASON_OK, .token = { token, len } };
        bool fits = len == LATCHKEYD_MESSAGE_MAX - TOKEN_FRAME;

        ROW(fits ? "a token that makes 64 KiB" : "and of one byte more");
        text = answer_text(LATCHKEYD_EXCHANGE, &answer);
        assert_int_equal(text != NULL, fits);
        if (fits) {
            assert_int_equal(strlen(text), LATCHKEYD_MESSAGE_MAX);
            assert_string_equal(answer_fault(LATCHKEYD_EXCHANGE, slice_of(text), &json, &got), "");
            assert_int_equal(got.token.len, len);
            json_free(&json);
        }
        free(token);
    }
    for (len = LATCHKEYD_MESSAGE_MAX - STATUS_FRAME; len <= LATCHKEYD_MESSAGE_MAX - STATUS_FRAME + 1; len++) {
        struct latchkeyd_answer answer = { .reason = REASON_OK };
        char *padding = filled(len, 'a');
        bool fits = len == LATCHKEYD_MESSAGE_MAX - STATUS_FRAME;

        ROW(fits ? "a status that makes 64 KiB" : "and of one byte more");
        status = json_new_object();
        assert_true(json_add(status, "x", json_new_string(slice_of(padding))));
        answer.status = status;
        assert_int_equal(answer_text(LATCHKEYD_STATUS, &answer) != NULL, fits);
        json_free(&status);
        free(padding);
    }
}

static void what_cannot_be_printed_is_not_written(void **state)
{
    struct latchkeyd_answer answer = { .reason = REASON_OK };
    struct json *status = json_new_object();

    (void)state;
    ROW("a status that is not UTF-8 does not leave a hole in the text");
    assert_true(json_add(status, "x", json_new_string(slice_of("\xff"))));
    answer.status = status;
    assert_null(answer_text(LATCHKEYD_STATUS, &answer));
    json_free(&status);
    ROW("a detail that is not UTF-8");
    answer.reason = REASON_SYSTEM_ERROR;
    strcpy(answer.detail, "\xff");
    assert_null(answer_text(LATCHKEYD_EXCHANGE, &answer));
}

#define NO_TOKEN  "token is missing or malformed"
#define NO_STATUS "status is missing or malformed"
#define NO_ANSWER "unknown answer"

static const struct {
    const char *name;
    enum latchkeyd_ask ask;
    struct slice text;
    const char *fault; /* "": it is an answer */
} answers[] = {
    { "a token", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"ok\",\"token\":\"a.b.c\"}"), "" },
    { "unknown members", LATCHKEYD_EXCHANGE, TEXT("{\"x\":{},\"token\":\"a.b.c\",\"answer\":\"ok\",\"y\":[null]}"),
      "" },
    { "no token", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"ok\"}"), NO_TOKEN },
    { "an empty token", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"ok\",\"token\":\"\"}"), NO_TOKEN },
    { "a token that is null", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"ok\",\"token\":null}"), NO_TOKEN },
    { "a token that is an object", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"ok\",\"token\":{\"token\":\"a\"}}"),
      NO_TOKEN },
    { "a token with a NUL", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"ok\",\"token\":\"a.b.c\\u0000\"}"), NO_TOKEN },
    { "a token with a quotation mark", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"ok\",\"token\":\"a\\\"\"}"), NO_TOKEN },
    { "a token with a backslash", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"ok\",\"token\":\"a\\\\\"}"), NO_TOKEN },
    { "a token with a blank", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"ok\",\"token\":\"a b\"}"), NO_TOKEN },
    { "a token with a line end", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"ok\",\"token\":\"a\\n\"}"), NO_TOKEN },
    { "a token beyond ASCII", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"ok\",\"token\":\"\xc3\xa4\"}"), NO_TOKEN },
    { "a token that is not UTF-8", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"ok\",\"token\":\"\xff\"}"), "not UTF-8" },
    { "the token twice", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"ok\",\"token\":\"a\",\"token\":\"b\"}"), DUPLICATE },
    { "a status for a token", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"ok\",\"status\":{}}"), NO_TOKEN },
    { "an empty status", LATCHKEYD_STATUS, TEXT("{\"answer\":\"ok\",\"status\":{}}"), "" },
    { "no status", LATCHKEYD_STATUS, TEXT("{\"answer\":\"ok\"}"), NO_STATUS },
    { "a token for a status", LATCHKEYD_STATUS, TEXT("{\"answer\":\"ok\",\"token\":\"a.b.c\"}"), NO_STATUS },
    { "a status that is a list", LATCHKEYD_STATUS, TEXT("{\"answer\":\"ok\",\"status\":[]}"), NO_STATUS },
    { "a status that is null", LATCHKEYD_STATUS, TEXT("{\"answer\":\"ok\",\"status\":null}"), NO_STATUS },
    { "a refresh needs no more than ok", LATCHKEYD_REFRESH, TEXT("{\"answer\":\"ok\"}"), "" },
    { "nor does a signature", LATCHKEYD_SIGNATURE, TEXT("{\"answer\":\"ok\"}"), "" },
    { "a refusal without a detail", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"credential_refused\"}"), "" },
    { "a refusal whose detail is no text", LATCHKEYD_EXCHANGE, TEXT("{\"answer\":\"credential_refused\",\"detail\":5}"),
      "" },
    { "no answer", LATCHKEYD_REFRESH, TEXT("{\"detail\":\"x\"}"), NO_ANSWER },
    { "an empty answer", LATCHKEYD_REFRESH, TEXT("{\"answer\":\"\"}"), NO_ANSWER },
    { "an unknown reason", LATCHKEYD_REFRESH, TEXT("{\"answer\":\"too_lazy\"}"), NO_ANSWER },
    { "a reason in another case", LATCHKEYD_REFRESH, TEXT("{\"answer\":\"OK\"}"), NO_ANSWER },
    { "the reason of nobody's decision", LATCHKEYD_REFRESH, TEXT("{\"answer\":\"undecided\"}"), NO_ANSWER },
    { "rule 4: a reason with a NUL behind it", LATCHKEYD_REFRESH, TEXT("{\"answer\":\"ok\\u0000no\"}"), NO_ANSWER },
    { "a reason that is true", LATCHKEYD_REFRESH, TEXT("{\"answer\":true}"), NO_ANSWER },
    { "a reason that is null", LATCHKEYD_REFRESH, TEXT("{\"answer\":null}"), NO_ANSWER },
    { "two reasons", LATCHKEYD_REFRESH, TEXT("{\"answer\":\"user_forbidden\",\"answer\":\"ok\"}"), DUPLICATE },
    { "a list", LATCHKEYD_REFRESH, TEXT("[{\"answer\":\"ok\"}]"), "not a JSON object" },
    { "a bare word", LATCHKEYD_REFRESH, TEXT("\"ok\""), "neither an object nor an array" },
    { "nothing", LATCHKEYD_REFRESH, NONE, "neither an object nor an array" },
    { "something behind it", LATCHKEYD_REFRESH, TEXT("{\"answer\":\"ok\"}\0"), "text after the end" },
    { "half an answer", LATCHKEYD_REFRESH, TEXT("{\"answer\":\"ok\""), "the text ends too early" },
};

static void an_answer_is_read_strictly(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(answers); i++) {
        struct latchkeyd_answer got;
        struct json *json = NULL;

        ROW(answers[i].name);
        assert_string_equal(answer_fault(answers[i].ask, answers[i].text, &json, &got), answers[i].fault);
        json_free(&json);
    }
}

static void only_what_was_asked_for_is_handed_on(void **state)
{
    static const char text[] = "{\"answer\":\"ok\",\"token\":\"a\\n\\\"b\",\"status\":[]}",
                      refusal[] = "{\"answer\":\"token_expired\",\"token\":\"a.b.c\",\"status\":{}}";
    struct latchkeyd_answer got;
    struct json *json = NULL;

    (void)state;
    ROW("a token that nobody asked for has been looked at by nobody");
    assert_string_equal(answer_fault(LATCHKEYD_REFRESH, slice_of(text), &json, &got), "");
    assert_int_equal(got.token.len, 0);
    assert_null(got.status);
    json_free(&json);
    ROW("a refusal has neither");
    assert_string_equal(answer_fault(LATCHKEYD_EXCHANGE, slice_of(refusal), &json, &got), "");
    assert_int_equal(got.token.len, 0);
    assert_null(got.status);
    json_free(&json);
}

static void rule_34_a_detail_is_printable(void **state)
{
    static const struct {
        const char *name, *detail, *want;
    } cases[] = {
        { "plain", "status 503", "status 503" },
        { "control bytes", "a\\nb\\u001b[2J\\u007f", "a?b?[2J?" },
        { "a NUL does not end it", "a\\u0000b", "a?b" },
        { "a mark that turns the line around", "a\\u202eb", "a???b" },
        { "quotation marks stay: the line escapes them", "say \\\"no\\\"", "say \"no\"" },
        { "another script", "\xc3\xa4", "\xc3\xa4" },
    };
    char *longest = filled(EVIDENCE_MAX - 1, 'd'), *longer = filled(EVIDENCE_MAX, 'd');
    struct latchkeyd_answer answer = { .reason = REASON_SYSTEM_ERROR }, got;
    struct json *json = NULL;
    char *text;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_true(asprintf(&text, "{\"answer\":\"system_error\",\"detail\":\"%s\"}", cases[i].detail) > 0);
        assert_string_equal(answer_fault(LATCHKEYD_STATUS, slice_of(text), &json, &got), "");
        assert_string_equal(got.detail, cases[i].want);
        json_free(&json);
        free(text);
    }
    ROW("as long as can be");
    strcpy(answer.detail, longest);
    assert_string_equal(answer_fault(LATCHKEYD_STATUS, slice_of(answer_text(LATCHKEYD_STATUS, &answer)), &json, &got),
                        "");
    assert_string_equal(got.detail, longest);
    json_free(&json);
    ROW("a longer one is cut");
    assert_true(asprintf(&text, "{\"answer\":\"system_error\",\"detail\":\"%s\"}", longer) > 0);
    assert_string_equal(answer_fault(LATCHKEYD_STATUS, slice_of(text), &json, &got), "");
    assert_string_equal(got.detail, longest);
    json_free(&json);
    free(text);
    ROW("before it is sent, too");
    answer = latchkeyd_answer_of(REASON_SYSTEM_ERROR, longer);
    assert_int_equal(answer.reason, REASON_SYSTEM_ERROR);
    assert_string_equal(answer.detail, longest);
    answer = latchkeyd_answer_of(REASON_SYSTEM_ERROR, "a character that was cut: \xc3");
    assert_string_equal(answer.detail, "a character that was cut: ?");
    assert_string_equal(answer_fault(LATCHKEYD_STATUS, slice_of(answer_text(LATCHKEYD_STATUS, &answer)), &json, &got),
                        "");
    json_free(&json);
    free(longest);
    free(longer);
}

static void the_asks_have_these_names(void **state)
{
    static const char *const names[] = { "exchange", "refresh", "signature", "authenticate", "status" };
    size_t i;

    (void)state;
    assert_int_equal(COUNT(names), LATCHKEYD_ASK_COUNT);
    for (i = 0; i < COUNT(names); i++)
        assert_string_equal(latchkeyd_ask_name((enum latchkeyd_ask)i), names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_written_and_read_back),
        cmocka_unit_test(what_a_question_does_not_need_is_not_written),
        cmocka_unit_test(a_question_is_read_strictly),
        cmocka_unit_test(questions_have_limits),
        cmocka_unit_test(what_is_received_has_limits),
        cmocka_unit_test(every_reason_travels),
        cmocka_unit_test(a_success_carries_what_was_asked_for),
        cmocka_unit_test(a_success_without_what_was_asked_for_is_not_written),
        cmocka_unit_test(a_refused_authentication_may_have_a_login),
        cmocka_unit_test(only_an_exchange_is_for_a_child),
        cmocka_unit_test(what_must_not_be_spliced_is_no_token),
        cmocka_unit_test(answers_have_limits),
        cmocka_unit_test(what_cannot_be_printed_is_not_written),
        cmocka_unit_test(an_answer_is_read_strictly),
        cmocka_unit_test(only_what_was_asked_for_is_handed_on),
        cmocka_unit_test(rule_34_a_detail_is_printable),
        cmocka_unit_test(the_asks_have_these_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
