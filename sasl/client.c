/*
 * The client side of OAUTHBEARER and XOAUTH2: the token of a file or of the host's callback, in the mechanism's
 * message.
 */
#include <stdlib.h>
#include <string.h>

#include "authenticate.h"
#include "cleanup.h"
#include "plugin.h"
#include "trusted_file.h"

#define EXPORT     __attribute__((visibility("default")))
#define NEEDED_MAX 3

enum client_state { HAS_NOTHING_SENT, HAS_SENT_MESSAGE, HAS_SENT_ANSWER };

struct client {
    const struct mechanism *mechanism;
    enum client_state state;
    struct secret message; /* what clientout lends */
};

static int client_mech_new(void *glob_context, sasl_client_params_t *params, void **conn_context)
{
    struct client *client = params->utils->malloc(sizeof *client);

    if (client == NULL)
        return SASL_NOMEM;
    *client = (struct client){ .mechanism = glob_context };
    *conn_context = client;
    return SASL_OK;
}

static void client_mech_dispose(void *conn_context, const sasl_utils_t *utils)
{
    struct client *client = conn_context;

    secret_clear(&client->message);
    utils->free(client);
}

/* What the host answered to our prompts of the last call, or NULL. */
static const sasl_interact_t *find_answer(sasl_interact_t *const *prompt_need, unsigned long id)
{
    const sasl_interact_t *prompt = prompt_need != NULL ? *prompt_need : NULL;

    for (; prompt != NULL && prompt->id != SASL_CB_LIST_END; prompt++)
        if (prompt->id == id)
            return prompt->result != NULL ? prompt : NULL;
    return NULL;
}

/* What is still to be asked of a person. */
struct needed {
    unsigned long ids[NEEDED_MAX];
    size_t count;
};

/*
 * A name, by a prompt that was answered, or by the host's callback; empty when the host has none. A host that wants to
 * be prompted for it is, later. `needed` NULL: the message can do without it, so that it is not worth a prompt, nor a
 * guess of libsasl's, which has a callback (with the connection as its context) that tells $USER.
 */
static int get_name(sasl_client_params_t *params, sasl_interact_t *const *prompt_need, unsigned long id,
                    struct needed *needed, struct slice *ret)
{
    const sasl_interact_t *answer = find_answer(prompt_need, id);
    sasl_callback_ft call = NULL;
    void *context = NULL;
    const char *name = NULL;
    unsigned len = 0;
    int result;

    *ret = (struct slice){ NULL, 0 };
    if (answer != NULL) {
        *ret = (struct slice){ answer->result, answer->len };
        return SASL_OK;
    }
    result = params->utils->getcallback(params->utils->conn, id, &call, &context);
    if (result == SASL_INTERACT && needed != NULL)
        needed->ids[needed->count++] = id;
    if (result != SASL_OK || call == NULL || (needed == NULL && context == params->utils->conn))
        return SASL_OK;
    result = ((sasl_getsimple_t *)(void (*)(void))call)(context, (int)id, &name, &len);
    /* Where the host has no callback libsasl tells the login name, or this where nobody knows it. */
    if (result == SASL_FAIL && id == SASL_CB_AUTHNAME)
        return SASL_OK;
    if (result == SASL_OK && name != NULL)
        *ret = (struct slice){ name, len > 0 ? len : strlen(name) };
    return result;
}

/* The file of the option, or of the environment where nobody else has a say in that. NULL: none. */
static const char *token_file(const sasl_utils_t *utils)
{
    const char *path = plugin_option(utils, "latchkey_token_file");

    if (path == NULL)
        path = secure_getenv("LATCHKEY_TOKEN_FILE");
    return path != NULL && path[0] != '\0' ? path : NULL;
}

static int read_token_file(const sasl_utils_t *utils, const char *path, struct secret *ret)
{
    CLEANUP(secret_clear) struct secret content = { NULL, 0 };
    char error[TRUSTED_FILE_ERROR_MAX];
    struct file_stamp stamp;

    if (!trusted_file_read(path, TRUSTED_SECRET, NULL, CREDENTIAL_MAX_LEN + 2, &content, &stamp, error)) {
        utils->seterror(utils->conn, 0, "latchkey: %s: %s", path, error);
        return SASL_FAIL;
    }
    return secret_copy(credential_trim((struct slice){ content.bytes, content.len }), ret) ? SASL_OK : SASL_NOMEM;
}

/* The token: of a file if one is named, else of the host, which may want to be prompted. */
static int get_token(sasl_client_params_t *params, sasl_interact_t *const *prompt_need, struct needed *needed,
                     struct secret *ret)
{
    const sasl_interact_t *answer = find_answer(prompt_need, SASL_CB_PASS);
    const char *path = token_file(params->utils);
    sasl_callback_ft call = NULL;
    sasl_secret_t *secret = NULL;
    void *context = NULL;
    int result;

    if (answer != NULL)
        return secret_copy((struct slice){ answer->result, answer->len }, ret) ? SASL_OK : SASL_NOMEM;
    if (path != NULL)
        return read_token_file(params->utils, path, ret);
    result = params->utils->getcallback(params->utils->conn, SASL_CB_PASS, &call, &context);
    if (result == SASL_INTERACT) {
        needed->ids[needed->count++] = SASL_CB_PASS;
        return SASL_OK;
    }
    if (result != SASL_OK || call == NULL)
        return SASL_BADPARAM;
    result = ((sasl_getsecret_t *)(void (*)(void))call)(params->utils->conn, context, SASL_CB_PASS, &secret);
    if (result != SASL_OK || secret == NULL)
        return result != SASL_OK ? result : SASL_BADPARAM;
    return secret_copy((struct slice){ (const char *)secret->data, secret->len }, ret) ? SASL_OK : SASL_NOMEM;
}

static const char *prompt_of(unsigned long id)
{
    switch (id) {
    case SASL_CB_PASS:
        return "Access token: ";
    case SASL_CB_AUTHNAME:
        return "User name: ";
    default:
        return "User to act as (empty: yourself): ";
    }
}

/* The list that the host fills in before it calls again, in memory that it leaves to us. */
static int ask_host(const sasl_utils_t *utils, const struct needed *needed, sasl_interact_t **prompt_need)
{
    sasl_interact_t *prompts;
    size_t i;

    if (prompt_need == NULL)
        return SASL_BADPARAM;
    prompts = utils->malloc((NEEDED_MAX + 1) * sizeof *prompts);
    if (prompts == NULL)
        return SASL_NOMEM;
    memset(prompts, 0, (NEEDED_MAX + 1) * sizeof *prompts);
    for (i = 0; i < needed->count; i++) {
        prompts[i].id = needed->ids[i];
        prompts[i].prompt = prompt_of(needed->ids[i]);
        prompts[i].defresult = needed->ids[i] == SASL_CB_USER ? "" : NULL;
    }
    prompts[i].id = SASL_CB_LIST_END;
    utils->free(*prompt_need); /* the last ones, if some of them were left unanswered */
    *prompt_need = prompts;
    return SASL_INTERACT;
}

/* libsasl wants to hear who it is; without a name that is whoever the token names. */
static int set_names(sasl_client_params_t *params, struct slice authcid, struct slice authzid, sasl_out_params_t *out)
{
    const struct slice nobody = slice_of("token");
    struct slice who = authcid.len > 0 ? authcid : authzid.len > 0 ? authzid : nobody;
    int result = params->canon_user(params->utils->conn, who.bytes, (unsigned)who.len, SASL_CU_AUTHID, out);

    if (result == SASL_OK && authzid.len > 0)
        return params->canon_user(params->utils->conn, authzid.bytes, (unsigned)authzid.len, SASL_CU_AUTHZID, out);
    if (result == SASL_OK)
        result = params->canon_user(params->utils->conn, who.bytes, (unsigned)who.len, SASL_CU_AUTHZID, out);
    return result;
}

static int send_message(struct client *client, sasl_client_params_t *params, sasl_interact_t **prompt_need,
                        const char **clientout, unsigned *clientoutlen, sasl_out_params_t *out)
{
    CLEANUP(secret_clear) struct secret token = { NULL, 0 };
    struct needed needed = { .count = 0 };
    struct slice authcid, authzid, bearer;
    int result = get_name(params, prompt_need, SASL_CB_USER, &needed, &authzid);

    if (result == SASL_OK)
        result =
            get_name(params, prompt_need, SASL_CB_AUTHNAME, client->mechanism->needs_user ? &needed : NULL, &authcid);
    if (result == SASL_OK)
        result = get_token(params, prompt_need, &needed, &token);
    if (result != SASL_OK)
        return result;
    if (needed.count > 0)
        return ask_host(params->utils, &needed, prompt_need);
    bearer = credential_trim((struct slice){ token.bytes, token.len });
    /* Who only says who it is (a Postfix that relays) is meant to act as that; an API key and some servers need it. */
    if (authzid.len == 0)
        authzid = authcid;
    result = set_names(params, authcid, authzid, out);
    if (result == SASL_OK && !client->mechanism->write(authzid, params->serverFQDN, bearer, &client->message))
        result = SASL_BADPARAM;
    if (result != SASL_OK)
        return result;
    client->state = HAS_SENT_MESSAGE;
    *clientout = client->message.bytes;
    *clientoutlen = (unsigned)client->message.len;
    return SASL_CONTINUE;
}

/*
 * A server that refuses sends its reasons and waits for an answer (RFC 7628 §3.2.3), so the first message is not
 * SASL_OK: libldap, hearing that, forgets the mechanism, and sends the answer as the password of an anonymous simple
 * bind, which succeeds when it is empty. After success hosts step once more, or see for themselves that it is over.
 */
static int client_mech_step(void *conn_context, sasl_client_params_t *params, const char *serverin,
                            unsigned serverinlen, sasl_interact_t **prompt_need, const char **clientout,
                            unsigned *clientoutlen, sasl_out_params_t *out)
{
    struct client *client = conn_context;
    int result;

    *clientout = NULL;
    *clientoutlen = 0;
    switch (client->state) {
    case HAS_NOTHING_SENT:
        result = send_message(client, params, prompt_need, clientout, clientoutlen, out);
        if (result != SASL_INTERACT && prompt_need != NULL && *prompt_need != NULL) {
            params->utils->free(*prompt_need);
            *prompt_need = NULL;
        }
        return result;
    case HAS_SENT_MESSAGE:
        if (serverin == NULL || serverinlen == 0) { /* a host that steps once more after success */
            out->doneflag = 1;
            return SASL_OK;
        }
        params->utils->seterror(params->utils->conn, 0, "the server does not accept the token");
        client->state = HAS_SENT_ANSWER;
        *clientout = client->mechanism->answer;
        *clientoutlen = (unsigned)client->mechanism->answer_len;
        return SASL_CONTINUE;
    default:
        return SASL_BADPROT;
    }
}

static const sasl_client_plug_t plugs[MECHANISM_COUNT] = {
    {
        .mech_name = "OAUTHBEARER",
        .security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS,
        .features = SASL_FEAT_WANT_CLIENT_FIRST | SASL_FEAT_ALLOWS_PROXY,
        .glob_context = (void *)&mechanisms[0],
        .mech_new = client_mech_new,
        .mech_step = client_mech_step,
        .mech_dispose = client_mech_dispose,
    },
    {
        .mech_name = "XOAUTH2",
        .security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS,
        .features = SASL_FEAT_WANT_CLIENT_FIRST | SASL_FEAT_ALLOWS_PROXY,
        .glob_context = (void *)&mechanisms[1],
        .mech_new = client_mech_new,
        .mech_step = client_mech_step,
        .mech_dispose = client_mech_dispose,
    },
};

EXPORT int sasl_client_plug_init(const sasl_utils_t *utils, int max_version, int *out_version,
                                 sasl_client_plug_t **pluglist, int *plugcount)
{
    (void)utils;
    if (max_version < SASL_CLIENT_PLUG_VERSION)
        return SASL_BADVERS;
    *out_version = SASL_CLIENT_PLUG_VERSION;
    *pluglist = (sasl_client_plug_t *)plugs; /* libsasl only reads it */
    *plugcount = MECHANISM_COUNT;
    return SASL_OK;
}
