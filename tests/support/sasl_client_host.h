/*
 * A host of the client side: what it knows of its user, and what the user types at its prompts.
 */
#ifndef LATCHKEY_SASL_CLIENT_HOST_H
#define LATCHKEY_SASL_CLIENT_HOST_H

#include "tests/support/sasl_plug_in.h"

#define CLIENT_TOKEN "eyJhbGciOiJFUzI1NiJ9.e30.dGhlLXRva2Vu"
#define TYPED_TOKEN  "eyJhbGciOiJFUzI1NiJ9.e30.dHlwZWQtdG9rZW4"
#define HOST_PAIR    "host=mail.example.com\1"

/* What a client knows: a NULL of these has no callback at all; "?" is to be prompted for. */
struct known {
    const char *user, *authname, *pass;
};

FIXTURE int tell_name(void *context, int id, const char **name, unsigned *len)
{
    const struct known *known = context;

    *name = id == SASL_CB_USER ? known->user : known->authname;
    if (len != NULL)
        *(size_t *)(void *)len = SIZE_MAX; /* libsasl's own callback writes a size_t; no length to go by */
    return SASL_OK;
}

static sasl_secret_t *told_secret;

FIXTURE int tell_pass(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret)
{
    const struct known *known = context;
    size_t len = strlen(known->pass);

    (void)conn, (void)id;
    free(told_secret);
    told_secret = malloc(sizeof *told_secret + len);
    assert_non_null(told_secret);
    told_secret->len = len;
    memcpy(told_secret->data, known->pass, len);
    *secret = told_secret;
    return SASL_OK;
}

FIXTURE void add_call(sasl_callback_t **at, unsigned long id, const char *what, sasl_callback_ft call,
                      const struct known *known)
{
    if (what == NULL)
        return;
    *(*at)++ = (sasl_callback_t){ id, strcmp(what, "?") == 0 ? NULL : call, (void *)known };
}

/* The callbacks stay the caller's as long as the connection. */
FIXTURE sasl_conn_t *client_for(const char *service, const struct known *known, sasl_callback_t calls[4])
{
    sasl_conn_t *client = NULL;
    sasl_callback_t *at = calls;

    add_call(&at, SASL_CB_USER, known->user, HOST_CALL(tell_name), known);
    add_call(&at, SASL_CB_AUTHNAME, known->authname, HOST_CALL(tell_name), known);
    add_call(&at, SASL_CB_PASS, known->pass, HOST_CALL(tell_pass), known);
    *at = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
    assert_int_equal(sasl_client_new(service, "mail.example.com", NULL, NULL, calls, 0, &client), SASL_OK);
    line_count = 0;
    return client;
}

FIXTURE sasl_conn_t *client_of(const struct known *known, sasl_callback_t calls[4])
{
    return client_for("imap", known, calls);
}

/* What a person types; NULL leaves the prompt unanswered. */
struct typed {
    const char *user, *authname, *pass;
};

/* A word of this round is added to `asked`, which holds ASKED_SIZE bytes: U the authzid, A the authcid, P the token. */
#define ASKED_SIZE 64
FIXTURE void answer_prompts(sasl_interact_t *prompts, const struct typed *typed, bool with_length, char *asked)
{
    size_t len = strlen(asked);

    for (; prompts->id != SASL_CB_LIST_END; prompts++) {
        const char *answer = prompts->id == SASL_CB_USER ? typed->user
            : prompts->id == SASL_CB_AUTHNAME            ? typed->authname
                                                         : typed->pass;

        assert_true(strlen(prompts->prompt) > 0 && strlen(prompts->challenge) > 0);
        assert_null(strchr(prompts->prompt, ':'));                                 /* which hosts add */
        assert_int_equal(prompts->defresult != NULL, prompts->id == SASL_CB_USER); /* which may be left empty */
        assert_true(len + 2 < ASKED_SIZE);
        asked[len++] = prompts->id == SASL_CB_USER ? 'U' : prompts->id == SASL_CB_AUTHNAME ? 'A' : 'P';
        prompts->result = answer;
        prompts->len = answer != NULL && with_length ? (unsigned)strlen(answer) : 0;
    }
    asked[len++] = ' ';
    asked[len] = '\0';
}

FIXTURE int client_tear_down(void **state)
{
    free(told_secret);
    told_secret = NULL;
    return tear_down(state);
}

#endif
