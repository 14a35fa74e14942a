#include "sasl/plugin.h"

#include <string.h>

static enum message_written xoauth2_message(struct slice user, const char *host, struct slice bearer,
                                            struct secret *ret)
{
    (void)host;
    return xoauth2_write(user, bearer, ret);
}

const struct mechanism mechanisms[MECHANISM_COUNT] = {
    { "OAUTHBEARER", oauthbearer_read, oauthbearer_error, oauthbearer_write, false, "\1", 1 },
    { "XOAUTH2", xoauth2_read, xoauth2_error, xoauth2_message, true, "", 0 },
};

struct plugin *plugin_new(const sasl_utils_t *utils)
{
    struct plugin *plugin = utils->malloc(sizeof *plugin);
    size_t i;

    if (plugin == NULL)
        return NULL;
    *plugin = (struct plugin){ .in_use = MECHANISM_COUNT };
    for (i = 0; i < MECHANISM_COUNT; i++) {
        plugin->mechanisms[i].plugin = plugin;
        plugin->mechanisms[i].mechanism = &mechanisms[i];
        memcpy(plugin->mechanisms[i].name, mechanisms[i].name, strlen(mechanisms[i].name) + 1);
    }
    return plugin;
}

void plugin_free(struct plugin *plugin, const sasl_utils_t *utils)
{
    if (plugin->config != NULL)
        utils->free(plugin->config);
    if (plugin->service != NULL)
        utils->free(plugin->service);
    utils->free(plugin);
}

void plugin_mech_free(void *glob_context, const sasl_utils_t *utils)
{
    struct plugin *plugin = ((struct plugin_mechanism *)glob_context)->plugin;

    if (--plugin->in_use == 0)
        plugin_free(plugin, utils);
}

void plugin_end_exchange(sasl_out_params_t *out)
{
    out->doneflag = 1;
    out->mech_ssf = 0;
    out->maxoutbuf = 0;
    out->encode_context = out->decode_context = NULL;
    out->encode = NULL;
    out->decode = NULL;
    out->param_version = 0;
}

const char *plugin_option(const sasl_utils_t *utils, const char *name)
{
    const char *value = NULL;
    union told_len len = { .written = 0 };

    if (utils->getopt == NULL)
        return NULL;
    if (utils->getopt(utils->getopt_context, "latchkey", name, &value, &len.declared) != SASL_OK)
        return NULL;
    return value != NULL && value[0] != '\0' ? value : NULL;
}

int plugin_fail(const sasl_utils_t *utils, int code, const char *sentence)
{
    utils->seterror(utils->conn, 0, "%s", sentence);
    return code;
}

int plugin_fail_memory(const sasl_utils_t *utils)
{
    return plugin_fail(utils, SASL_NOMEM, "latchkey: out of memory");
}
