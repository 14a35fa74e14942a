#include "tests/support/unit.h"

#include "login/credential_form.h"

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
        assert_int_equal(credential_form(rows[i].text), rows[i].form);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_told_for_what_it_is),
        cmocka_unit_test(every_form_but_a_bare_one_has_a_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
