#include "login/credential.h"

#include <string.h>

#include "token/jwks.h"

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

/* The bytes that no token has, by kind; a text is the union of its bytes. */
enum { HAS_LINE_END = 1, HAS_BLANK = 2, HAS_CONTROL = 4, HAS_NON_ASCII = 8 };

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || is_line_end(c);
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'' || c == '`';
}

static unsigned kind_of_byte(char c)
{
    if (is_line_end(c))
        return HAS_LINE_END;
    if (is_space(c))
        return HAS_BLANK;
    return (unsigned char)c < 0x80 ? HAS_CONTROL : HAS_NON_ASCII;
}

/* The one pass over all bytes: nearly every byte is a visible ASCII character, and passes the first test. */
static unsigned kinds_of_bytes(struct slice text)
{
    unsigned kinds = 0;
    size_t i;

    for (i = 0; i < text.len; i++)
        if (text.bytes[i] <= ' ' || text.bytes[i] > '~')
            kinds |= kind_of_byte(text.bytes[i]);
    return kinds;
}

/* What may be a piece from the middle or the end of a token, or a reply or header that is cut before its token. */
static bool may_be_piece(struct slice text, enum credential_form form)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    size_t i = 0;

    if (text.len < JWT_MIN_LEN)
        return false;
    if (form == CREDENTIAL_FORM_JSON || form == CREDENTIAL_FORM_SCHEME)
        return true;
    while (i < text.len && memchr(alphabet, text.bytes[i], sizeof alphabet - 1) != NULL)
        i++;
    return i == text.len;
}

struct slice credential_trim(struct slice text)
{
    if (text.len > 0 && text.bytes[text.len - 1] == '\n')
        text.len--;
    if (text.len > 0 && text.bytes[text.len - 1] == '\r')
        text.len--;
    return text;
}

static struct slice without_spaces_around(struct slice text)
{
    while (text.len > 0 && is_space(text.bytes[0]))
        text = (struct slice){ text.bytes + 1, text.len - 1 };
    while (text.len > 0 && is_space(text.bytes[text.len - 1]))
        text.len--;
    return text;
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

/* `bytes` are the kinds of bytes of the text without the blanks and line ends around it. */
static enum credential_form find_form(struct slice text, struct slice core, unsigned bytes, bool is_in_text)
{

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
    if ((bytes & (HAS_CONTROL | HAS_NON_ASCII)) != 0)
        return CREDENTIAL_FORM_NOT_ASCII;
    if ((bytes & HAS_LINE_END) != 0)
        return CREDENTIAL_FORM_LINES;
    if ((bytes & HAS_BLANK) != 0)
        return CREDENTIAL_FORM_BLANKS_WITHIN;
    if (core.len < text.len)
        return CREDENTIAL_FORM_BLANKS_AROUND;
    return is_in_text ? CREDENTIAL_FORM_IN_TEXT : CREDENTIAL_FORM_BARE;
}

/*
 * How long an RSA signature will be while its tenant is unknown: as long as that of the longest key that may have made
 * it, so that a prompt asks once too often rather than once too little.
 */
static size_t longest_rsa_signature(const void *context, const struct jwt_header *header)
{
    const struct config *config = context;
    const struct algorithm *algorithm = algorithm_find(header->alg);
    size_t longest = 0, i;

    for (i = 0; i < config->tenant_count; i++) {
        const struct jwks *jwks = config->tenants[i].jwks;
        struct verdict unheard = VERDICT_INIT;
        const struct jwk *key;
        size_t len = 0;

        if (jwks != NULL && jwks_find(&unheard, jwks, algorithm, header, &key))
            len = jwk_rsa_signature_len(key);
        else if (jwks != NULL && unheard.reason == REASON_KEY_UNKNOWN && algorithm->key_type == KEY_RSA)
            len = jwks_longest_rsa_signature(jwks); /* the tenant's newest key, which is mostly like its others */
        if (len > longest)
            longest = len;
    }
    return longest;
}

/* `config` NULL: nothing more is to come, and how much of a JWT the text is makes no difference. */
static enum credential_kind find_kind(const struct credential *credential, bool begins_as_token, bool has_token,
                                      const struct config *config)
{
    if (credential->text.len == 0)
        return CREDENTIAL_ABSENT;
    if (!has_token && !credential->is_masked)
        return CREDENTIAL_OTHER;
    if (config == NULL || credential->is_masked || !begins_as_token)
        return CREDENTIAL_JWT;
    return jwt_extent(credential->text, longest_rsa_signature, config) == JWT_PART ? CREDENTIAL_JWT_PART
                                                                                   : CREDENTIAL_JWT;
}

static struct credential classify(struct slice text, const struct config *config)
{
    const bool begins_as_token = jwt_begins(text);
    const bool has_token = begins_as_token || jwt_stands_in(text);
    const struct slice core = without_spaces_around(text);
    const unsigned bytes = kinds_of_bytes(core);
    struct credential credential = { .text = text };

    credential.is_masked = text.len >= JWT_MIN_LEN && (bytes & HAS_CONTROL) != 0;
    credential.form = find_form(text, core, bytes, has_token && !begins_as_token);
    credential.kind = find_kind(&credential, begins_as_token, has_token, config);
    credential.may_hold_token = has_token || may_be_piece(text, credential.form);
    return credential;
}

struct credential credential_whole(struct slice text)
{
    return classify(text, NULL);
}

struct credential credential_so_far(const struct config *config, struct slice text)
{
    return classify(text, config);
}

const char *credential_form_sentence(enum credential_form form)
{
    return sentences[form];
}

const char *credential_user_for_log(const char *user)
{
    return user != NULL && jwt_stands_in(slice_of(user)) ? "(a token)" : user;
}
