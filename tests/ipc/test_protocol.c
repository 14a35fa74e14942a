#include "tests/support/protocol_texts.h"

/* The text is the question. */
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

/* The fault of the text; "" when it is a question. */
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
    { "an authentication of the user that the token names",
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

/* A text that blanks extend to the length. malloc'ed. */
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

        ROW(len == LATCHKEYD_MESSAGE_MAX ? "a question and an answer of 64 KiB" : "one byte more");
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
        cmocka_unit_test(the_asks_have_these_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
