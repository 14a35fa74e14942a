#include "sasl/client_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/trusted_file.h"
#include "login/credential.h"
#include "sasl/messages.h"
#include "sasl/plugin.h"

#define NO_TOKEN     "latchkey: no token: the program has none, and LATCHKEY_TOKEN_FILE is not set"
#define NO_USER      "latchkey: XOAUTH2 needs the name of the user"
#define NO_ACCOUNT   "latchkey: an API key needs the name of its account"
#define NO_AUTHZID   "latchkey: the program does not name the user to act as"
#define NO_CALLBACK  0x7fffffffUL /* an id that no callback has */
#define SECRET_MAX   ((unsigned long)MESSAGE_MAX)
#define TEXT_OF_FILE "the file "
#define TEXT_OF_HOST "what the program gives as the token"

static const struct {
    unsigned long id;
    const char *challenge, *prompt; /* without a colon: libldap and others add their own */
} prompts_of[INPUT_ITEMS] = {
    [INPUT_AUTHZID] = { SASL_CB_USER, "Authorization Name", "User to act as (empty for yourself)" },
    [INPUT_TOKEN] = { SASL_CB_PASS, "Password", "Access token" },
    [INPUT_AUTHCID] = { SASL_CB_AUTHNAME, "Authentication Name", "User name" },
};

static struct slice item_value(const struct client_input *input, enum input_item item)
{
    return (struct slice){ input->items[item].value.bytes, input->items[item].value.len };
}

struct slice input_authzid(const struct client_input *input)
{
    return item_value(input, INPUT_AUTHZID);
}

struct slice input_authcid(const struct client_input *input)
{
    return item_value(input, INPUT_AUTHCID);
}

struct slice input_token(const struct client_input *input)
{
    return credential_trim(item_value(input, INPUT_TOKEN));
}

bool input_token_is_no_jwt(const struct client_input *input)
{
    return credential_whole(input_token(input)).kind != CREDENTIAL_JWT;
}

void input_clear(struct client_input *input)
{
    size_t i;

    for (i = 0; i < INPUT_ITEMS; i++)
        secret_clear(&input->items[i].value);
}

static bool set_value(struct client_input *input, enum input_item item, struct slice value)
{
    secret_clear(&input->items[item].value);
    if (!secret_copy(value, &input->items[item].value))
        return false;
    input->items[item].state = INPUT_KNOWN;
    return true;
}

static void set_absent(struct client_input *input, enum input_item item)
{
    input->items[item].state = INPUT_KNOWN;
}

/* The answers of the last round. Where the program sets no length the answer is a C string. */
static bool take_answers(struct client_input *input, const sasl_interact_t *prompts)
{
    size_t i;

    for (i = 0; i < INPUT_ITEMS; i++) {
        const sasl_interact_t *prompt = prompts;

        if (input->items[i].state != INPUT_ASKED)
            continue;
        while (prompt != NULL && prompt->id != SASL_CB_LIST_END && prompt->id != prompts_of[i].id)
            prompt++;
        if (prompt == NULL || prompt->id == SASL_CB_LIST_END || prompt->result == NULL)
            set_absent(input, (enum input_item)i);
        else if (!set_value(input, (enum input_item)i,
                            (struct slice){ prompt->result, prompt->len > 0 ? prompt->len : strlen(prompt->result) }))
            return false;
    }
    return true;
}

/* A name from the program's callback. SASL_INTERACT where the program asks the user instead. */
static int ask_callback(const sasl_client_params_t *params, unsigned long id, bool may_guess, const char **ret_name)
{
    union told_len len = { .written = 0 };
    sasl_callback_ft call = NULL;
    void *context = NULL;
    int result = params->utils->getcallback(params->utils->conn, id, &call, &context);
    /* Where the program has no callback for SASL_CB_AUTHNAME, libsasl's own one returns $USER. */
    const bool is_guess = context == params->utils->conn;

    *ret_name = NULL;
    if (result == SASL_INTERACT)
        return result;
    if (result != SASL_OK || call == NULL || (is_guess && !may_guess))
        return SASL_OK;
    result = ((sasl_getsimple_t *)(void (*)(void))call)(context, (int)id, ret_name, &len.declared);
    if (result == SASL_FAIL && id == SASL_CB_AUTHNAME) { /* there is no name */
        *ret_name = NULL;
        return SASL_OK;
    }
    return result <= SASL_OK ? result : SASL_BADPARAM;
}

static int fetch_name(struct client_input *input, const sasl_client_params_t *params, enum input_item item,
                      bool may_ask, bool may_guess)
{
    const char *name = NULL;
    int result;

    if (input->items[item].state != INPUT_UNKNOWN)
        return SASL_OK;
    result = ask_callback(params, prompts_of[item].id, may_guess, &name);
    if (result == SASL_INTERACT) {
        input->items[item].state = may_ask ? INPUT_TO_ASK : INPUT_KNOWN;
        return SASL_OK;
    }
    if (result != SASL_OK)
        return plugin_fail(params->utils, result, "latchkey: the program failed to name the user");
    return set_value(input, item, slice_of(name)) ? SASL_OK : plugin_fail_memory(params->utils);
}

/* The file that the option names, else the one of the environment; a setuid program ignores the environment. */
static const char *token_file(const sasl_utils_t *utils)
{
    const char *path = plugin_option(utils, "latchkey_token_file");

    if (path == NULL)
        path = secure_getenv("LATCHKEY_TOKEN_FILE");
    return path != NULL && path[0] != '\0' ? path : NULL;
}

/* Report what no server can accept before it is sent: the user can correct it. path: the file of the token, or NULL. */
static int check_token(const struct client_input *input, const sasl_client_params_t *params, const char *path)
{
    const enum credential_form form = credential_whole(input_token(input)).form;

    if (form == CREDENTIAL_FORM_BARE || form == CREDENTIAL_FORM_IN_TEXT) /* an opaque token may have any form */
        return SASL_OK;
    params->utils->seterror(params->utils->conn, 0, "latchkey: %s%s holds %s", path != NULL ? TEXT_OF_FILE : "",
                            path != NULL ? path : TEXT_OF_HOST, credential_form_sentence(form));
    return SASL_BADPARAM;
}

static int read_token_file(struct client_input *input, const sasl_client_params_t *params, const char *path)
{
    CLEANUP(secret_clear) struct secret content = { NULL, 0 };
    struct file_error error;
    struct file_stamp stamp;

    if (!trusted_file_read(path, TRUSTED_SECRET, NULL, CREDENTIAL_MAX_LEN + 2, &content, &stamp, &error)) {
        params->utils->seterror(params->utils->conn, 0, "latchkey: %s: %s", path, error.text);
        return SASL_FAIL;
    }
    if (!set_value(input, INPUT_TOKEN, (struct slice){ content.bytes, content.len }))
        return plugin_fail_memory(params->utils);
    return check_token(input, params, path);
}

/* The token from the file, if one is named, else from the program, which may ask the user. */
static int fetch_token(struct client_input *input, const sasl_client_params_t *params)
{
    const char *path = token_file(params->utils);
    sasl_callback_ft call = NULL;
    sasl_secret_t *secret = NULL;
    void *context = NULL;
    int result;

    if (input->items[INPUT_TOKEN].state != INPUT_UNKNOWN)
        return SASL_OK;
    if (path != NULL)
        return read_token_file(input, params, path);
    result = params->utils->getcallback(params->utils->conn, SASL_CB_PASS, &call, &context);
    if (result == SASL_INTERACT) {
        input->items[INPUT_TOKEN].state = INPUT_TO_ASK;
        return SASL_OK;
    }
    if (result == SASL_OK && call != NULL)
        result = ((sasl_getsecret_t *)(void (*)(void))call)(params->utils->conn, context, SASL_CB_PASS, &secret);
    if (result == SASL_NOMEM)
        return plugin_fail_memory(params->utils);
    if (result != SASL_OK || secret == NULL)
        return plugin_fail(params->utils, result < SASL_OK ? result : SASL_BADPARAM, NO_TOKEN);
    if (secret->len > SECRET_MAX)
        return plugin_fail(params->utils, SASL_BADPARAM, "latchkey: the token is too long");
    if (!set_value(input, INPUT_TOKEN, (struct slice){ (const char *)secret->data, secret->len }))
        return plugin_fail_memory(params->utils);
    return check_token(input, params, NULL);
}

/* Take the answers of the last round, and check the form of the token among them. */
static int end_round(struct client_input *input, const sasl_client_params_t *params, sasl_interact_t **prompt_need)
{
    const bool was_asked_for_token = input->items[INPUT_TOKEN].state == INPUT_ASKED;
    const bool has_memory = take_answers(input, prompt_need != NULL ? *prompt_need : NULL);

    if (prompt_need != NULL && *prompt_need != NULL) {
        params->utils->free(*prompt_need);
        *prompt_need = NULL;
    }
    if (!has_memory)
        return plugin_fail_memory(params->utils);
    return was_asked_for_token && input->items[INPUT_TOKEN].value.bytes != NULL ? check_token(input, params, NULL)
                                                                                : SASL_OK;
}

/*
 * libsasl shows the code of the last error beside this sentence, and SASL_INTERACT sets none: a program without prompts
 * would show "successful result". A request for a callback that does not exist sets SASL_FAIL.
 */
static void explain(const sasl_client_params_t *params, const char *sentence)
{
    sasl_callback_ft call;
    void *context;

    (void)params->utils->getcallback(params->utils->conn, NO_CALLBACK, &call, &context);
    params->utils->seterror(params->utils->conn, SASL_NOLOG, "%s", sentence);
}

/* The list that the program fills in before it calls again. The program does not free it: see end_round(). */
static int ask_host(struct client_input *input, const sasl_client_params_t *params, sasl_interact_t **prompt_need)
{
    sasl_interact_t *prompts = params->utils->malloc((INPUT_ITEMS + 1) * sizeof *prompts), *at = prompts;
    size_t i;

    if (prompts == NULL)
        return plugin_fail_memory(params->utils);
    memset(prompts, 0, (INPUT_ITEMS + 1) * sizeof *prompts);
    for (i = 0; i < INPUT_ITEMS; i++) {
        if (input->items[i].state != INPUT_TO_ASK)
            continue;
        snprintf(input->items[i].challenge, INPUT_TEXT_MAX, "%s", prompts_of[i].challenge);
        snprintf(input->items[i].prompt, INPUT_TEXT_MAX, "%s", prompts_of[i].prompt);
        input->items[i].preset[0] = '\0';
        input->items[i].state = INPUT_ASKED;
        *at++ = (sasl_interact_t){ .id = prompts_of[i].id,
                                   .challenge = input->items[i].challenge,
                                   .prompt = input->items[i].prompt,
                                   .defresult = i == INPUT_AUTHZID ? input->items[i].preset : NULL };
    }
    at->id = SASL_CB_LIST_END;
    *prompt_need = prompts;
    return SASL_INTERACT;
}

static bool is_to_ask(const struct client_input *input)
{
    size_t i = 0;

    while (i < INPUT_ITEMS && input->items[i].state != INPUT_TO_ASK)
        i++;
    return i < INPUT_ITEMS;
}

/* The user to act as, and the token; the user is asked for both at once. A program without prompts cannot answer. */
static int gather_token(struct client_input *input, const sasl_client_params_t *params, sasl_interact_t **prompt_need)
{
    int result = fetch_name(input, params, INPUT_AUTHZID, true, false);

    if (result == SASL_OK)
        result = fetch_token(input, params);
    if (result != SASL_OK)
        return result;
    if (is_to_ask(input) && prompt_need != NULL) {
        explain(params, input->items[INPUT_TOKEN].state == INPUT_TO_ASK ? NO_TOKEN : NO_AUTHZID);
        return ask_host(input, params, prompt_need);
    }
    return input->items[INPUT_TOKEN].value.bytes != NULL ? SASL_OK
                                                         : plugin_fail(params->utils, SASL_BADPARAM, NO_TOKEN);
}

/* The user's own name, where the message needs one. */
static int gather_authcid(struct client_input *input, const sasl_client_params_t *params, bool needs_user,
                          sasl_interact_t **prompt_need)
{
    const bool is_unnamed = input_authzid(input).len == 0;
    int result = fetch_name(input, params, INPUT_AUTHCID, is_unnamed && (needs_user || input_token_is_no_jwt(input)),
                            is_unnamed && needs_user);

    if (result != SASL_OK)
        return result;
    if (is_to_ask(input) && prompt_need != NULL) {
        explain(params, needs_user ? NO_USER : NO_ACCOUNT);
        return ask_host(input, params, prompt_need);
    }
    return !needs_user || !is_unnamed || input_authcid(input).len > 0
        ? SASL_OK
        : plugin_fail(params->utils, SASL_BADPARAM, NO_USER);
}

int input_gather(struct client_input *input, const sasl_client_params_t *params, bool needs_user,
                 sasl_interact_t **prompt_need)
{
    int result = end_round(input, params, prompt_need);

    if (result == SASL_OK)
        result = gather_token(input, params, prompt_need);
    if (result == SASL_OK)
        result = gather_authcid(input, params, needs_user, prompt_need);
    return result;
}
