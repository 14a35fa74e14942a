/*
 * What a client's message is made of: whom it names and the token, from a file, from the host's callbacks, or from a
 * person by the host's prompts. All of it is kept until the exchange ends, since prompts may take several rounds.
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
        /* What a prompt lends: hosts write to what they are lent, in place. */
        char challenge[INPUT_TEXT_MAX], prompt[INPUT_TEXT_MAX], preset[1];
    } items[INPUT_ITEMS];
};

/*
 * Find out what is not known yet. The authzid is optional. The authcid is what the host tells; a person is asked for it
 * only where the message names nobody yet and must: needs_user (XOAUTH2), or the token is an API key, which needs the
 * name of its account. Then it is required for XOAUTH2, and optional for an API key, since the bearer tokens of other
 * servers are no JWTs either.
 *
 * As with libsasl's own mechanisms each prompt is shown once: an optional one without an answer is empty, a required
 * one SASL_BADPARAM. The answers in *prompt_need are taken and the list is freed. SASL_INTERACT: *prompt_need is a new
 * list. Each other code but SASL_OK comes with a sentence for utils->seterror().
 */
int input_gather(struct client_input *input, const sasl_client_params_t *params, bool needs_user,
                 sasl_interact_t **prompt_need);

/* Lent by the input. The token without a line end at its end. */
struct slice input_authzid(const struct client_input *input);
struct slice input_authcid(const struct client_input *input);
struct slice input_token(const struct client_input *input);

/* An API key of Latchkey, or an opaque token of another server: neither a JWT nor a text with one in it. */
bool input_token_is_no_jwt(const struct client_input *input);

void input_clear(struct client_input *input);

#endif
