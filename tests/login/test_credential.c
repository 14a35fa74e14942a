#include "tests/support/unit.h"

#include "login/credential.h"

#define TOKEN "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
#define KEY   "lk_0123456789abcdefghij"
#define BYTES(text)              \
    {                            \
        (text), sizeof(text) - 1 \
    }

static const struct {
    const char *name;
    struct slice text;
    enum credential_form form;
} rows[] = {
    { "a token", BYTES(TOKEN), CREDENTIAL_FORM_BARE },
    { "the beginning of a token", BYTES("eyJhbGciOiJFUzI1NiJ9.eyJz"), CREDENTIAL_FORM_BARE },
    { "the end of a token", BYTES("iOiJhbGljZSJ9.c2lnbmF0dXJl"), CREDENTIAL_FORM_BARE },
    { "an API key", BYTES(KEY), CREDENTIAL_FORM_BARE },
    { "an API key with every punctuation that is no quote", BYTES("!#$%&()*+,-./:;<=>?@[]^_{|}~"),
      CREDENTIAL_FORM_BARE },
    { "one byte", BYTES("x"), CREDENTIAL_FORM_BARE },
    { "no bytes", BYTES(""), CREDENTIAL_FORM_EMPTY },
    { "no bytes at no address", { NULL, 0 }, CREDENTIAL_FORM_EMPTY },
    { "a blank", BYTES(" "), CREDENTIAL_FORM_BLANK },
    { "a line end", BYTES("\n"), CREDENTIAL_FORM_BLANK },
    { "blanks, tabs and line ends", BYTES(" \t\r\n\n"), CREDENTIAL_FORM_BLANK },
    { "the reply of a token endpoint", BYTES("{\"access_token\":\"" TOKEN "\",\"expires_in\":900}"),
      CREDENTIAL_FORM_JSON },
    { "the reply on several lines", BYTES("\n{\n  \"token\": \"" TOKEN "\"\n}\n"), CREDENTIAL_FORM_JSON },
    { "the first part of a reply", BYTES("{\"access_tok"), CREDENTIAL_FORM_JSON },
    { "a brace alone", BYTES("{"), CREDENTIAL_FORM_JSON },
    { "a scheme and a token", BYTES("Bearer " TOKEN), CREDENTIAL_FORM_SCHEME },
    { "a scheme in another case and an API key", BYTES("bEARER\t" KEY), CREDENTIAL_FORM_SCHEME },
    { "a scheme alone", BYTES("Bearer"), CREDENTIAL_FORM_SCHEME },
    { "a header", BYTES("Authorization: Bearer " TOKEN), CREDENTIAL_FORM_SCHEME },
    { "a header in another case, without a blank", BYTES("authorization:bearer " TOKEN), CREDENTIAL_FORM_SCHEME },
    { "blanks around a header", BYTES(" Authorization:  Bearer " TOKEN " \n"), CREDENTIAL_FORM_SCHEME },
    { "the header of another scheme", BYTES("Authorization: Basic YWxpY2U6eA=="), CREDENTIAL_FORM_BLANKS_WITHIN },
    { "a header without anything", BYTES("Authorization:"), CREDENTIAL_FORM_BARE },
    { "a key that begins like the scheme", BYTES("Bearer_0123456789"), CREDENTIAL_FORM_BARE },
    { "a key that is shorter than the scheme", BYTES("Beare"), CREDENTIAL_FORM_BARE },
    { "quotes around a token", BYTES("\"" TOKEN "\""), CREDENTIAL_FORM_QUOTED },
    { "single quotes around an API key", BYTES("'" KEY "'"), CREDENTIAL_FORM_QUOTED },
    { "the mark of a code block", BYTES("`" TOKEN "`"), CREDENTIAL_FORM_QUOTED },
    { "a quote before it alone", BYTES("\"" TOKEN), CREDENTIAL_FORM_QUOTED },
    { "a quote after it alone", BYTES(TOKEN "\""), CREDENTIAL_FORM_QUOTED },
    { "blanks around quotes", BYTES(" \"" TOKEN "\"\n"), CREDENTIAL_FORM_QUOTED },
    { "a byte order mark", BYTES("\xef\xbb\xbf" TOKEN), CREDENTIAL_FORM_NOT_ASCII },
    { "UTF-16",
      BYTES("\xff\xfe"
            "e\0y\0J\0"),
      CREDENTIAL_FORM_NOT_ASCII },
    { "a NUL", BYTES("e\0yJ"), CREDENTIAL_FORM_NOT_ASCII },
    { "DEL", BYTES("e\x7f"), CREDENTIAL_FORM_NOT_ASCII },
    { "what a terminal sends for an arrow", BYTES("\x1b[A" TOKEN), CREDENTIAL_FORM_NOT_ASCII },
    { "a no-break space", BYTES(TOKEN "\xc2\xa0"), CREDENTIAL_FORM_NOT_ASCII },
    { "two tokens, one a line", BYTES(TOKEN "\n" TOKEN), CREDENTIAL_FORM_LINES },
    { "a token that was broken into lines", BYTES("eyJhbGciOiJF\r\nUzI1NiJ9.eyJz"), CREDENTIAL_FORM_LINES },
    { "a blank before a token", BYTES(" " TOKEN), CREDENTIAL_FORM_BLANKS_AROUND },
    { "a tab after a token", BYTES(TOKEN "\t"), CREDENTIAL_FORM_BLANKS_AROUND },
    { "a second line end", BYTES(TOKEN "\n"), CREDENTIAL_FORM_BLANKS_AROUND },
    { "a line end before a token", BYTES("\r\n" TOKEN), CREDENTIAL_FORM_BLANKS_AROUND },
    { "a blank within", BYTES("eyJhbGciOiJFUzI1NiJ9. eyJz"), CREDENTIAL_FORM_BLANKS_WITHIN },
    { "words", BYTES("correct horse battery staple"), CREDENTIAL_FORM_BLANKS_WITHIN },
    { "an assignment", BYTES("TOKEN=" TOKEN), CREDENTIAL_FORM_IN_TEXT },
    { "brackets around a token", BYTES("<" TOKEN ">"), CREDENTIAL_FORM_IN_TEXT },
    { "a comma after a token, which is malformed and nothing else", BYTES(TOKEN ","), CREDENTIAL_FORM_BARE },
};

static void a_text_is_told_for_what_it_is(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        ROW(rows[i].name);
        assert_int_equal(credential_whole(rows[i].text).form, rows[i].form);
    }
}

static void every_form_but_a_bare_one_has_a_sentence(void **state)
{
    int form;

    (void)state;
    assert_null(credential_form_sentence(CREDENTIAL_FORM_BARE));
    for (form = CREDENTIAL_FORM_BARE + 1; form <= CREDENTIAL_FORM_IN_TEXT; form++)
        assert_true(strlen(credential_form_sentence((enum credential_form)form)) > 0);
}

/* The kind of a text of which nothing more is to come. */
static void a_text_has_one_kind(void **state)
{
    static const struct {
        const char *name;
        struct slice text;
        enum credential_kind kind;
    } whole[] = {
        { "no bytes", BYTES(""), CREDENTIAL_ABSENT },
        { "a token", BYTES(TOKEN), CREDENTIAL_JWT },
        { "the beginning of a token", BYTES("eyJhbGciOiJFUzI1NiJ9.eyJz"), CREDENTIAL_JWT },
        { "a token whose header begins with a blank", BYTES("IHsiYWxnIjoiRVMyNTYifQ.e30.AAAA"), CREDENTIAL_JWT },
        { "a token behind its scheme", BYTES("Bearer " TOKEN), CREDENTIAL_JWT },
        { "an assignment", BYTES("TOKEN=" TOKEN), CREDENTIAL_JWT },
        { "an API key", BYTES(KEY), CREDENTIAL_OTHER },
        { "a password", BYTES("correct horse"), CREDENTIAL_OTHER },
        { "a NUL", BYTES("\0"), CREDENTIAL_OTHER },
        { "an API key behind a scheme", BYTES("Bearer " KEY), CREDENTIAL_OTHER },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(whole); i++) {
        ROW(whole[i].name);
        assert_int_equal(credential_whole(whole[i].text).kind, whole[i].kind);
        assert_ptr_equal(credential_whole(whole[i].text).text.bytes, whole[i].text.bytes);
    }
}

/* sshd writes these bytes, as many as were typed, for a user who does not exist (auth-pam.c). */
static void control_characters_in_a_long_text_are_a_mask(void **state)
{
    static const struct {
        const char *name;
        size_t len; /* 'x' but for one byte */
        char byte;
        bool want;
    } masks[] = {
        { "99 bytes", 99, '\b', false },    { "100 bytes", 100, '\b', true }, { "DEL", 100, '\x7f', true },
        { "a NUL", 100, '\0', true },       { "a tab", 100, '\t', false },    { "LF", 100, '\n', false },
        { "CR", 100, '\r', false },         { "a blank", 100, ' ', false },   { "no ASCII", 100, '\xff', false },
        { "another 'x'", 100, 'x', false },
    };
    char text[100];
    size_t i, at;

    (void)state;
    for (i = 0; i < COUNT(masks); i++)
        for (at = 0; at < masks[i].len; at += masks[i].len / 2) {
            struct credential credential;

            ROW(masks[i].name);
            memset(text, 'x', sizeof text);
            text[at] = masks[i].byte;
            credential = credential_whole((struct slice){ text, masks[i].len });
            assert_int_equal(credential.is_masked, masks[i].want);
            assert_int_equal(credential.kind, masks[i].want ? CREDENTIAL_JWT : CREDENTIAL_OTHER);
        }
}

static const struct {
    const char *name;
    struct slice text;
    size_t len;
} trimmed[] = {
    { "nothing behind", { "abc", 3 }, 3 },
    { "LF", { "abc\n", 4 }, 3 },
    { "CR LF", { "abc\r\n", 5 }, 3 },
    { "CR", { "abc\r", 4 }, 3 },
    { "only one of two", { "abc\n\n", 5 }, 4 },
    { "LF CR is none", { "abc\n\r", 5 }, 4 },
    { "a blank stays", { "abc ", 4 }, 4 },
    { "a NUL stays", { "abc\0", 4 }, 4 },
    { "only LF", { "\n", 1 }, 0 },
    { "only CR LF", { "\r\n", 2 }, 0 },
    { "nothing", { NULL, 0 }, 0 },
};

static void a_line_end_is_no_part_of_a_credential(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(trimmed); i++) {
        struct slice text = credential_trim(trimmed[i].text);

        ROW(trimmed[i].name);
        assert_int_equal(text.len, trimmed[i].len);
        assert_ptr_equal(text.bytes, trimmed[i].text.bytes);
    }
}

#define TEN     "AbCdEfGh-_"
#define NINETY  TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define HEADER  "eyJhbGciOiJSUzI1NiJ9"
#define NO_NAME "{\"error\":\"invalid_grant\",\"error_description\":\"" NINETY "\"}"

static const struct {
    const char *name;
    struct slice text;
    bool want;
} passed_on[] = {
    { "nothing", { NULL, 0 }, false },
    { "a password", LITERAL("correct horse battery staple"), false },
    { "a password of dotted words", LITERAL("correct.horse.battery.staple"), false },
    { "the beginning of a token", LITERAL("eyJh"), true },
    { "one behind a word", LITERAL("Bearer " HEADER), true },
    { "one in a JSON text", LITERAL("{\"access_token\":\"" HEADER "." HEADER "\"}"), true },
    { "99 characters of its alphabet", LITERAL(NINETY "123456789"), false },
    { "100 characters of its alphabet", LITERAL(NINETY "123456789."), true },
    { "100 characters, the first of another alphabet", LITERAL("+" NINETY "123456789"), false },
    { "100 characters, the last of another alphabet", LITERAL(NINETY "123456789 "), false },
    { "a NUL is of another alphabet", LITERAL(NINETY "123456789\0"), false },
    { "a long JSON text", LITERAL(NO_NAME), true },
    { "a password that begins like a JSON text", LITERAL("{correct horse}"), false },
    { "a long header", LITERAL("Authorization: Bearer " NINETY "+"), true },
    { "a password that begins like a header", LITERAL("Bearer of bad news"), false },
};

static void rule_43_what_may_be_of_a_token_is_no_password(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(passed_on); i++) {
        ROW(passed_on[i].name);
        assert_int_equal(credential_whole(passed_on[i].text).may_hold_token, passed_on[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_told_for_what_it_is),
        cmocka_unit_test(every_form_but_a_bare_one_has_a_sentence),
        cmocka_unit_test(rule_43_what_may_be_of_a_token_is_no_password),
        cmocka_unit_test(a_line_end_is_no_part_of_a_credential),
        cmocka_unit_test(control_characters_in_a_long_text_are_a_mask),
        cmocka_unit_test(a_text_has_one_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
