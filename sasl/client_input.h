/*
 * What a client's message contains: the names and the token. They come from a file, from the callbacks of the program,
 * or from the user by the program's prompts. They are kept until the exchange ends, because prompts may take several
 * rounds.
 */
#ifndef LATCHKEY_CLIENT_INPUT_H
#define LATCHKEY_CLIENT_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "base/secret.h"
#include "base/slice.h"

enum input_item { INPUT_AUTHZID, INPUT_TOKEN, INPUT_AUTHCID, INPUT_ITEMS };
enum input_state { INPUT_UNKNOWN, INPUT_TO_ASK, INPUT_ASKED, INPUT_KNOWN };

#define INPUT_TEXT_MAX 64 /* bytes of a prompt's text, with its NUL */

/* Zero-initialise it; end it with input_clear(). */
struct client_input {
    struct {
        enum input_state state;
        struct secret value; /* empty: there is none */
        /* The texts that a prompt lends to the program. Programs write to them. */
        char challenge[INPUT_TEXT_MAX], prompt[INPUT_TEXT_MAX], preset[1];
    } items[INPUT_ITEMS];
};

/*
 * Get every item that is not known yet. The authzid is optional. The authcid comes from the program. The user is asked
 * for it only without an authzid, and only where the message needs a name: for XOAUTH2 (needs_user), or for an API key,
 * which needs the name of its account. It is required for XOAUTH2. It is optional for an API key, because the bearer
 * tokens of other servers may not be JWTs either.
 *
 * Each prompt is shown once, as with libsasl's own mechanisms. An optional item without an answer is empty; a required
 * one is SASL_BADPARAM. The answers in *prompt_need are copied and the list is freed. With SASL_INTERACT *prompt_need
 * is a new list. With every other code except SASL_OK a sentence was given to utils->seterror().
 */
int input_gather(struct client_input *input, const sasl_client_params_t *params, bool needs_user,
                 sasl_interact_t **prompt_need);

/* Lent by the input. The token is without its final line end. */
struct slice input_authzid(const struct client_input *input);
struct slice input_authcid(const struct client_input *input);
struct slice input_token(const struct client_input *input);

/* The token is an API key, or an opaque token of another server: neither a JWT nor a text with one in it. */
bool input_token_is_no_jwt(const struct client_input *input);

void input_clear(struct client_input *input);

#endif
