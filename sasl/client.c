/*
 * The client side: the entry point and the exchange. The client sends one message with the token; if the server refuses
 * it, the client answers the error message (RFC 7628 §3.2.3).
 */
#include <stdlib.h>
#include <string.h>

#include "sasl/client_input.h"
#include "sasl/plugin.h"

#define EXPORT          __attribute__((visibility("default")))
#define RESULT_OPTION   "latchkey_client_result"
#define NOT_ACCEPTED    "the server does not accept the token"
#define NAME_IF_UNNAMED "token" /* libsasl requires a name even where the message has none */

enum client_state { HAS_NOTHING_SENT, HAS_SENT_MESSAGE, HAS_SENT_ANSWER };

/* What libsasl and the host process borrow is in this struct or on the heap, because libvirt's XDR writes to what it
 * sends. */
struct client_exchange {
    const struct mechanism *mechanism;
    enum client_state state;
    struct client_input input;
    struct secret message;
    struct secret name;
    char answer[2]; /* to the server's error message, and a NUL */
};

static int client_mech_new(void *glob_context, sasl_client_params_t *params, void **conn_context)
{
    const struct plugin_mechanism *of = glob_context;
    struct client_exchange *exchange = params->utils->malloc(sizeof *exchange);

    if (exchange == NULL)
        return SASL_NOMEM;
    memset(exchange, 0, sizeof *exchange);
    exchange->mechanism = of->mechanism;
    *conn_context = exchange;
    return SASL_OK;
}

static void client_mech_dispose(void *conn_context, const sasl_utils_t *utils)
{
    struct client_exchange *exchange = conn_context;

    if (exchange == NULL)
        return;
    input_clear(&exchange->input);
    secret_clear(&exchange->message);
    secret_clear(&exchange->name);
    utils->free(exchange);
}

/*
 * The code that the program gets with the message. Only the server's refusal and the answer to it can follow (RFC 7628
 * §3.2.3). SASL_CONTINUE is correct, and most programs then act on the server's reply. These programs differ:
 *   - libldap with SASL_OK never answers the refusal, and shows another error than the server's.
 *   - Net::LDAP with SASL_CONTINUE keeps waiting after the server's success. Its service is "ldap", too, but unlike
 *     libldap it supports no prompts.
 *   - svn with SASL_CONTINUE expects data with the server's success.
 */
static const struct {
    const char *service;
    int with_prompts, without_prompts;
} results[] = {
    { "ldap", SASL_CONTINUE, SASL_OK },
    { "svn", SASL_OK, SASL_OK },
};

static const struct {
    const char *text;
    int code;
} result_names[] = { { "continue", SASL_CONTINUE }, { "done", SASL_OK } };

static bool find_chosen_result(const char *chosen, int *ret)
{
    size_t i;

    for (i = 0; i < sizeof result_names / sizeof result_names[0]; i++)
        if (strcmp(chosen, result_names[i].text) == 0) {
            *ret = result_names[i].code;
            return true;
        }
    return false;
}

static int result_for_service(const char *service, bool has_prompts)
{
    size_t i;

    for (i = 0; service != NULL && i < sizeof results / sizeof results[0]; i++)
        if (strcmp(service, results[i].service) == 0)
            return has_prompts ? results[i].with_prompts : results[i].without_prompts;
    return SASL_CONTINUE;
}

/* False when the option has another value. */
static bool find_result(const sasl_client_params_t *params, bool has_prompts, int *ret)
{
    const char *chosen = plugin_option(params->utils, RESULT_OPTION);

    if (chosen == NULL)
        chosen = secure_getenv("LATCHKEY_CLIENT_RESULT");
    if (chosen != NULL && chosen[0] != '\0')
        return find_chosen_result(chosen, ret);
    *ret = result_for_service(params->service, has_prompts);
    return true;
}

static int tell_name(struct client_exchange *exchange, const sasl_client_params_t *params, struct slice name,
                     unsigned flags, sasl_out_params_t *out)
{
    int result;

    secret_clear(&exchange->name);
    if (!secret_copy(name, &exchange->name))
        return plugin_fail_memory(params->utils);
    result = params->canon_user(params->utils->conn, exchange->name.bytes, (unsigned)exchange->name.len, flags, out);
    if (result == SASL_NOMEM)
        return plugin_fail_memory(params->utils);
    return result == SASL_OK ? result
                             : plugin_fail(params->utils, result, "latchkey: the program rejects the user's name");
}

/* libsasl requires an authcid and an authzid. Where the program has neither, the token names the user. */
static int tell_names(struct client_exchange *exchange, const sasl_client_params_t *params, sasl_out_params_t *out)
{
    const struct slice authcid = input_authcid(&exchange->input), authzid = input_authzid(&exchange->input);
    const struct slice named = authcid.len > 0 ? authcid : authzid;
    const struct slice name = named.len > 0 ? named : slice_of(NAME_IF_UNNAMED);
    int result = tell_name(exchange, params, name, SASL_CU_AUTHID, out);

    return result == SASL_OK ? tell_name(exchange, params, authzid.len > 0 ? authzid : name, SASL_CU_AUTHZID, out)
                             : result;
}

static int write_message(struct client_exchange *exchange, const sasl_client_params_t *params)
{
    const struct slice authcid = input_authcid(&exchange->input), authzid = input_authzid(&exchange->input);
    /* A program without an authzid (a Postfix that relays) acts as its authcid. An API key and some servers need it. */
    const struct slice user = authzid.len > 0 ? authzid : authcid;

    secret_clear(&exchange->message);
    switch (exchange->mechanism->write(user, params->serverFQDN, input_token(&exchange->input), &exchange->message)) {
    case MESSAGE_WRITTEN:
        return SASL_OK;
    case MESSAGE_USER_UNFIT:
        return plugin_fail(params->utils, SASL_BADPARAM,
                           "latchkey: the user's name is too long or contains control characters");
    case MESSAGE_TOO_LONG:
        return plugin_fail(params->utils, SASL_BADPARAM, "latchkey: the token is too long");
    case MESSAGE_NO_MEMORY:
        return plugin_fail_memory(params->utils);
    default:
        return plugin_fail(params->utils, SASL_BADPARAM,
                           "latchkey: the token contains characters that are not allowed in a token");
    }
}

static int send_message(struct client_exchange *exchange, const sasl_client_params_t *params,
                        sasl_interact_t **prompt_need, const char **clientout, unsigned *clientoutlen,
                        sasl_out_params_t *out)
{
    int last, result = input_gather(&exchange->input, params, exchange->mechanism->needs_user, prompt_need);

    if (result != SASL_OK)
        return result;
    if (!find_result(params, prompt_need != NULL, &last))
        return plugin_fail(params->utils, SASL_BADPARAM,
                           "latchkey: " RESULT_OPTION " is neither \"continue\" nor \"done\"");
    result = write_message(exchange, params);
    if (result == SASL_OK)
        result = tell_names(exchange, params, out);
    if (result != SASL_OK)
        return result;
    exchange->state = HAS_SENT_MESSAGE;
    *clientout = exchange->message.bytes;
    *clientoutlen = (unsigned)exchange->message.len;
    if (last == SASL_OK) {
        plugin_end_exchange(out);
        /* If the program steps once more, libsasl fails without a text of its own. */
        params->utils->seterror(params->utils->conn, SASL_NOLOG, "%s", NOT_ACCEPTED);
    }
    return last;
}

static int answer_error(struct client_exchange *exchange, const sasl_client_params_t *params, const char **clientout,
                        unsigned *clientoutlen)
{
    const bool is_unnamed = input_authzid(&exchange->input).len == 0 && input_authcid(&exchange->input).len == 0;

    params->utils->seterror(params->utils->conn, 0, NOT_ACCEPTED "%s",
                            is_unnamed && input_token_is_no_jwt(&exchange->input)
                                ? ", which is not a JWT; an API key needs the name of its account"
                                : "");
    exchange->state = HAS_SENT_ANSWER;
    memcpy(exchange->answer, exchange->mechanism->answer, exchange->mechanism->answer_len);
    exchange->answer[exchange->mechanism->answer_len] = '\0';
    *clientout = exchange->answer;
    *clientoutlen = (unsigned)exchange->mechanism->answer_len;
    return SASL_CONTINUE;
}

static int client_mech_step(void *conn_context, sasl_client_params_t *params, const char *serverin,
                            unsigned serverinlen, sasl_interact_t **prompt_need, const char **clientout,
                            unsigned *clientoutlen, sasl_out_params_t *out)
{
    struct client_exchange *exchange = conn_context;

    *clientout = NULL;
    *clientoutlen = 0;
    switch (exchange->state) {
    case HAS_NOTHING_SENT:
        return send_message(exchange, params, prompt_need, clientout, clientoutlen, out);
    case HAS_SENT_MESSAGE:
        if (serverin != NULL && serverinlen > 0)
            return answer_error(exchange, params, clientout, clientoutlen);
        /* The server has accepted. With NULL here libsasl would lend a string constant of its own. */
        if ((params->flags & SASL_SUCCESS_DATA) == 0)
            *clientout = exchange->answer;
        plugin_end_exchange(out);
        return SASL_OK;
    default:
        return plugin_fail(params->utils, SASL_BADPROT, "latchkey: the server continues after its refusal");
    }
}

static const sasl_client_plug_t client_plug = {
    .security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS,
    .features = SASL_FEAT_WANT_CLIENT_FIRST | SASL_FEAT_ALLOWS_PROXY,
    .mech_new = client_mech_new,
    .mech_step = client_mech_step,
    .mech_dispose = client_mech_dispose,
    .mech_free = plugin_mech_free,
};

EXPORT int sasl_client_plug_init(const sasl_utils_t *utils, int max_version, int *out_version,
                                 sasl_client_plug_t **pluglist, int *plugcount)
{
    struct plugin *plugin;
    size_t i;

    if (max_version < SASL_CLIENT_PLUG_VERSION)
        return SASL_BADVERS;
    plugin = plugin_new(utils);
    if (plugin == NULL)
        return SASL_NOMEM;
    for (i = 0; i < MECHANISM_COUNT; i++) {
        plugin->plugs.client[i] = client_plug;
        plugin->plugs.client[i].mech_name = plugin->mechanisms[i].name;
        plugin->plugs.client[i].glob_context = &plugin->mechanisms[i];
    }
    *out_version = SASL_CLIENT_PLUG_VERSION;
    *pluglist = plugin->plugs.client;
    *plugcount = MECHANISM_COUNT;
    return SASL_OK;
}
