#include "login/credential_form.h"

#include <stdbool.h>
#include <string.h>

#include "token/jwt.h"

static const char *const sentences[] = {
    [CREDENTIAL_FORM_BARE] = NULL,
    [CREDENTIAL_FORM_EMPTY] = "nothing",
    [CREDENTIAL_FORM_BLANK] = "nothing but blanks and line ends",
    [CREDENTIAL_FORM_JSON] = "a JSON text, of which only the token in it is needed (the value of access_token, without "
                             "quotes)",
    [CREDENTIAL_FORM_SCHEME] = "an authorization header, of which only the token after \"Bearer\" is needed",
    [CREDENTIAL_FORM_QUOTED] = "quotes around the token, which must be left out",
    [CREDENTIAL_FORM_NOT_ASCII] = "control characters or characters outside of ASCII, which no token has",
    [CREDENTIAL_FORM_LINES] = "several lines, of which a token has only one",
    [CREDENTIAL_FORM_BLANKS_AROUND] = "blanks or more than one line end around the token, which must be left out",
    [CREDENTIAL_FORM_BLANKS_WITHIN] = "words with blanks between them, and no token has blanks",
    [CREDENTIAL_FORM_IN_TEXT] = "other text around the token, which must be left out",
};

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || is_line_end(c);
}

static bool is_visible(char c)
{
    return c > ' ' && c <= '~';
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'' || c == '`';
}

static struct slice without_spaces_around(struct slice text)
{
    while (text.len > 0 && is_space(text.bytes[0]))
        text = (struct slice){ text.bytes + 1, text.len - 1 };
    while (text.len > 0 && is_space(text.bytes[text.len - 1]))
        text.len--;
    return text;
}

static bool has_one(struct slice text, bool (*is_one)(char))
{
    size_t i = 0;

    while (i < text.len && !is_one(text.bytes[i]))
        i++;
    return i < text.len;
}

static bool is_of_no_token(char c)
{
    return !is_visible(c) && !is_space(c);
}

/* RFC 9110 §11.1: a scheme has any case. "Authorization:" has a colon and may have blanks behind it. */
static bool has_scheme(struct slice text)
{
    static const char header[] = "Authorization:", scheme[] = "Bearer";
    const size_t header_len = sizeof header - 1, scheme_len = sizeof scheme - 1;

    if (text.len > header_len && slice_equal_nocase((struct slice){ text.bytes, header_len }, header))
        text = without_spaces_around((struct slice){ text.bytes + header_len, text.len - header_len });
    if (text.len < scheme_len || !slice_equal_nocase((struct slice){ text.bytes, scheme_len }, scheme))
        return false;
    return text.len == scheme_len || is_space(text.bytes[scheme_len]);
}

enum credential_form credential_form(struct slice text)
{
    const struct slice core = without_spaces_around(text);

    if (text.len == 0)
        return CREDENTIAL_FORM_EMPTY;
    if (core.len == 0)
        return CREDENTIAL_FORM_BLANK;
    if (core.bytes[0] == '{')
        return CREDENTIAL_FORM_JSON;
    if (has_scheme(core))
        return CREDENTIAL_FORM_SCHEME;
    if (is_quote(core.bytes[0]) || is_quote(core.bytes[core.len - 1]))
        return CREDENTIAL_FORM_QUOTED;
    if (has_one(core, is_of_no_token))
        return CREDENTIAL_FORM_NOT_ASCII;
    if (has_one(core, is_line_end))
        return CREDENTIAL_FORM_LINES;
    if (has_one(core, is_space))
        return CREDENTIAL_FORM_BLANKS_WITHIN;
    if (core.len < text.len)
        return CREDENTIAL_FORM_BLANKS_AROUND;
    return !jwt_begins(core) && jwt_stands_in(core) ? CREDENTIAL_FORM_IN_TEXT : CREDENTIAL_FORM_BARE;
}

const char *credential_form_sentence(enum credential_form form)
{
    return sentences[form];
}
