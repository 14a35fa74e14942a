/*
 * The client side of OAUTHBEARER and XOAUTH2: the token of a file or of the host's callback, in the mechanism's
 * message.
 */
#include <stdlib.h>
#include <string.h>

#include "sasl/client_input.h"
#include "sasl/plugin.h"

#define EXPORT         __attribute__((visibility("default")))
#define RESULT_OPTION  "latchkey_client_result"
#define NOT_ACCEPTED   "the server does not accept the token"
#define NAME_OF_NOBODY "token" /* libsasl is told a name in any case */

/* What one call of sasl_client_plug_init() made. Memory of libsasl's, ended with the last mechanism. */
struct client_plugin {
    sasl_client_plug_t plugs[MECHANISM_COUNT];
    struct client_mechanism {
        struct client_plugin *plugin;
        const struct mechanism *mechanism;
        char name[MECHANISM_NAME_MAX]; /* hosts are lent it */
    } mechanisms[MECHANISM_COUNT];
    unsigned in_use;
};

enum client_state { HAS_NOTHING_SENT, HAS_SENT_MESSAGE, HAS_SENT_ANSWER };

/* Everything that libsasl and the host are lent lies here or on the heap: libvirt's XDR writes to what it sends. */
struct client {
    const struct mechanism *mechanism;
    enum client_state state;
    struct client_input input;
    struct secret message;
    struct secret name;
    char answer[2]; /* to the server's error message, and a NUL */
};

static int client_mech_new(void *glob_context, sasl_client_params_t *params, void **conn_context)
{
    const struct client_mechanism *of = glob_context;
    struct client *client = params->utils->malloc(sizeof *client);

    if (client == NULL)
        return SASL_NOMEM;
    memset(client, 0, sizeof *client);
    client->mechanism = of->mechanism;
    *conn_context = client;
    return SASL_OK;
}

static void client_mech_dispose(void *conn_context, const sasl_utils_t *utils)
{
    struct client *client = conn_context;

    if (client == NULL)
        return;
    input_clear(&client->input);
    secret_clear(&client->message);
    secret_clear(&client->name);
    utils->free(client);
}

/*
 * Whether libsasl's user is told SASL_OK or SASL_CONTINUE with the message, after which nothing comes but the server's
 * refusal and the answer to that (RFC 7628 §3.2.3). SASL_CONTINUE is right, and most programs go on by what the server
 * says, whatever it was. These do not:
 *   - libldap, told SASL_OK, never answers the refusal, and tells its user of another error than the server's.
 *   - Net::LDAP, told SASL_CONTINUE, goes on waiting after the server's success. It calls itself "ldap", too, but
 * unlike libldap takes no prompts.
 *   - svn, told SASL_CONTINUE, wants data with the server's success.
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

/* False for an option that names neither. */
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

/* No layer of security; libsasl lets nothing follow. */
static void end_exchange(sasl_out_params_t *out)
{
    out->doneflag = 1;
    out->mech_ssf = 0;
    out->maxoutbuf = 0;
    out->encode_context = out->decode_context = NULL;
    out->encode = NULL;
    out->decode = NULL;
    out->param_version = 0;
}

static int tell_name(struct client *client, const sasl_client_params_t *params, struct slice name, unsigned flags,
                     sasl_out_params_t *out)
{
    int result;

    secret_clear(&client->name);
    if (!secret_copy(name, &client->name))
        return plugin_fail_memory(params->utils);
    result = params->canon_user(params->utils->conn, client->name.bytes, (unsigned)client->name.len, flags, out);
    if (result == SASL_NOMEM)
        return plugin_fail_memory(params->utils);
    return result == SASL_OK
        ? result
        : plugin_fail(params->utils, result, "latchkey: the program does not take the user's name");
}

/* libsasl wants to hear who it is; without a name that is whoever the token names. */
static int tell_names(struct client *client, const sasl_client_params_t *params, sasl_out_params_t *out)
{
    const struct slice authcid = input_authcid(&client->input), authzid = input_authzid(&client->input);
    const struct slice named = authcid.len > 0 ? authcid : authzid;
    const struct slice who = named.len > 0 ? named : slice_of(NAME_OF_NOBODY);
    int result = tell_name(client, params, who, SASL_CU_AUTHID, out);

    return result == SASL_OK ? tell_name(client, params, authzid.len > 0 ? authzid : who, SASL_CU_AUTHZID, out)
                             : result;
}

static int write_message(struct client *client, const sasl_client_params_t *params)
{
    const struct slice authcid = input_authcid(&client->input), authzid = input_authzid(&client->input);
    /* Who only says who it is (a Postfix that relays) acts as that; an API key and some servers need it. */
    const struct slice user = authzid.len > 0 ? authzid : authcid;

    secret_clear(&client->message);
    switch (client->mechanism->write(user, params->serverFQDN, input_token(&client->input), &client->message)) {
    case MESSAGE_WRITTEN:
        return SASL_OK;
    case MESSAGE_USER_UNFIT:
        return plugin_fail(params->utils, SASL_BADPARAM,
                           "latchkey: the user's name is too long, or holds control characters");
    case MESSAGE_TOO_LONG:
        return plugin_fail(params->utils, SASL_BADPARAM, "latchkey: the token is too long");
    case MESSAGE_NO_MEMORY:
        return plugin_fail_memory(params->utils);
    default:
        return plugin_fail(params->utils, SASL_BADPARAM, "latchkey: the token holds characters that no token has");
    }
}

static int send_message(struct client *client, const sasl_client_params_t *params, sasl_interact_t **prompt_need,
                        const char **clientout, unsigned *clientoutlen, sasl_out_params_t *out)
{
    int last, result = input_gather(&client->input, params, client->mechanism->needs_user, prompt_need);

    if (result != SASL_OK)
        return result;
    if (!find_result(params, prompt_need != NULL, &last))
        return plugin_fail(params->utils, SASL_BADPARAM,
                           "latchkey: " RESULT_OPTION " is neither \"continue\" nor \"done\"");
    result = write_message(client, params);
    if (result == SASL_OK)
        result = tell_names(client, params, out);
    if (result != SASL_OK)
        return result;
    client->state = HAS_SENT_MESSAGE;
    *clientout = client->message.bytes;
    *clientoutlen = (unsigned)client->message.len;
    if (last == SASL_OK) {
        end_exchange(out);
        /* libsasl refuses a further step by itself, and has no sentence for it. */
        params->utils->seterror(params->utils->conn, SASL_NOLOG, "%s", NOT_ACCEPTED);
    }
    return last;
}

static int answer_refusal(struct client *client, const sasl_client_params_t *params, const char **clientout,
                          unsigned *clientoutlen)
{
    const bool is_unnamed = input_authzid(&client->input).len == 0 && input_authcid(&client->input).len == 0;

    params->utils->seterror(params->utils->conn, 0, NOT_ACCEPTED "%s",
                            is_unnamed && input_token_is_no_jwt(&client->input)
                                ? ", which is no JWT; an API key needs the name of its account"
                                : "");
    client->state = HAS_SENT_ANSWER;
    memcpy(client->answer, client->mechanism->answer, client->mechanism->answer_len);
    client->answer[client->mechanism->answer_len] = '\0';
    *clientout = client->answer;
    *clientoutlen = (unsigned)client->mechanism->answer_len;
    return SASL_CONTINUE;
}

static int client_mech_step(void *conn_context, sasl_client_params_t *params, const char *serverin,
                            unsigned serverinlen, sasl_interact_t **prompt_need, const char **clientout,
                            unsigned *clientoutlen, sasl_out_params_t *out)
{
    struct client *client = conn_context;

    *clientout = NULL;
    *clientoutlen = 0;
    switch (client->state) {
    case HAS_NOTHING_SENT:
        return send_message(client, params, prompt_need, clientout, clientoutlen, out);
    case HAS_SENT_MESSAGE:
        if (serverin != NULL && serverinlen > 0)
            return answer_refusal(client, params, clientout, clientoutlen);
        /* The server accepts. Without this libsasl lends a string constant of its own. */
        if ((params->flags & SASL_SUCCESS_DATA) == 0)
            *clientout = client->answer;
        end_exchange(out);
        return SASL_OK;
    default:
        return plugin_fail(params->utils, SASL_BADPROT, "latchkey: the server goes on after its refusal");
    }
}

static void client_mech_free(void *glob_context, const sasl_utils_t *utils)
{
    struct client_plugin *plugin = ((struct client_mechanism *)glob_context)->plugin;

    if (--plugin->in_use == 0)
        utils->free(plugin);
}

static const sasl_client_plug_t plug = {
    .security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS,
    .features = SASL_FEAT_WANT_CLIENT_FIRST | SASL_FEAT_ALLOWS_PROXY,
    .mech_new = client_mech_new,
    .mech_step = client_mech_step,
    .mech_dispose = client_mech_dispose,
    .mech_free = client_mech_free,
};

EXPORT int sasl_client_plug_init(const sasl_utils_t *utils, int max_version, int *out_version,
                                 sasl_client_plug_t **pluglist, int *plugcount)
{
    struct client_plugin *plugin;
    size_t i;

    if (max_version < SASL_CLIENT_PLUG_VERSION)
        return SASL_BADVERS;
    plugin = utils->malloc(sizeof *plugin);
    if (plugin == NULL)
        return SASL_NOMEM;
    memset(plugin, 0, sizeof *plugin);
    plugin->in_use = MECHANISM_COUNT;
    for (i = 0; i < MECHANISM_COUNT; i++) {
        struct client_mechanism *of = &plugin->mechanisms[i];

        of->plugin = plugin;
        of->mechanism = &mechanisms[i];
        memcpy(of->name, mechanisms[i].name, strlen(mechanisms[i].name) + 1);
        plugin->plugs[i] = plug;
        plugin->plugs[i].mech_name = of->name;
        plugin->plugs[i].glob_context = of;
    }
    *out_version = SASL_CLIENT_PLUG_VERSION;
    *pluglist = plugin->plugs;
    *plugcount = MECHANISM_COUNT;
    return SASL_OK;
}
