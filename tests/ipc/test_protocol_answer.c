#include "tests/support/protocol_texts.h"

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

/* The fault of the text; "" when it is an answer, which is then in *ret_answer and *ret_json. */
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

/* Loops over the table, so that it includes each new reason. */
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

        ROW(fits ? "a token that makes 64 KiB" : "one byte more");
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

        ROW(fits ? "a status that makes 64 KiB" : "one byte more");
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
    ROW("the longest detail");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
