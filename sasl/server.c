/*
 * The server side as libsasl loads it: the entry point, the options, and where the mechanisms are offered. What an
 * exchange does is in server_exchange.c.
 */
#include <string.h>

#include "base/cleanup.h"
#include "verdict/reason.h"
#include "verdict/verdict.h"
#include "config/snapshot.h"
#include "login/authenticate.h"
#include "sasl/plugin.h"
#include "sasl/server_exchange.h"

#define EXPORT __attribute__((visibility("default")))

/*
 * A mechanism is offered where a token could be accepted. Whether the connection protects a plain-text password is
 * decided by libsasl: from our security flags it treats these mechanisms as it treats PLAIN.
 */
static int server_mech_avail(void *glob_context, sasl_server_params_t *params, void **conn_context)
{
    const struct plugin_mechanism *of = glob_context;
    CLEANUP(config_release) const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;

    (void)conn_context;
    if (config_acquire(&verdict, of->plugin->config, &config)
        && authenticate_is_possible(&verdict, config, server_service(of->plugin, params)))
        return SASL_OK;
    params->utils->log(params->utils->conn, SASL_LOG_DEBUG, "latchkey: %s is not offered: %s: %s", of->mechanism->name,
                       reason_name(verdict.reason), verdict.evidence);
    return SASL_NOMECH;
}

/* A copy in libsasl's memory: the host process may free its configuration, and with it what getopt lends. */
static bool keep_option(const sasl_utils_t *utils, const char *name, char **ret)
{
    const char *value = plugin_option(utils, name);
    size_t size = value != NULL ? strlen(value) + 1 : 0;

    *ret = NULL;
    if (value == NULL)
        return true;
    *ret = utils->malloc(size);
    if (*ret != NULL)
        memcpy(*ret, value, size);
    return *ret != NULL;
}

/* Read the configuration before the host process enters a chroot, and log an error in it once. */
static void preload_config(const sasl_utils_t *utils, const struct plugin *plugin)
{
    CLEANUP(config_release) const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;

    if (!config_acquire(&verdict, plugin->config, &config))
        utils->log(NULL, plugin->config != NULL ? SASL_LOG_ERR : SASL_LOG_DEBUG, "latchkey: nothing is offered: %s",
                   verdict.evidence);
}

static const sasl_server_plug_t server_plug = {
    .max_ssf = 0,
    /* No SASL_SEC_NOPLAINTEXT: anyone who reads a bearer token can use it, so libsasl must treat it as a password. */
    .security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS,
    .features = SASL_FEAT_WANT_CLIENT_FIRST | SASL_FEAT_ALLOWS_PROXY,
    .mech_new = server_mech_new,
    .mech_step = server_mech_step,
    .mech_dispose = server_mech_dispose,
    .mech_free = plugin_mech_free,
    .mech_avail = server_mech_avail,
};

EXPORT int sasl_server_plug_init(const sasl_utils_t *utils, int max_version, int *out_version,
                                 sasl_server_plug_t **pluglist, int *plugcount)
{
    struct plugin *plugin;
    size_t i;

    if (max_version < SASL_SERVER_PLUG_VERSION)
        return SASL_BADVERS;
    plugin = plugin_new(utils);
    if (plugin == NULL)
        return SASL_NOMEM;
    if (!keep_option(utils, "latchkey_config", &plugin->config)
        || !keep_option(utils, "latchkey_service", &plugin->service)) {
        plugin_free(plugin, utils);
        return SASL_NOMEM;
    }
    for (i = 0; i < MECHANISM_COUNT; i++) {
        plugin->plugs.server[i] = server_plug;
        plugin->plugs.server[i].mech_name = plugin->mechanisms[i].name;
        plugin->plugs.server[i].glob_context = &plugin->mechanisms[i];
    }
    preload_config(utils, plugin);
    *out_version = SASL_SERVER_PLUG_VERSION;
    *pluglist = plugin->plugs.server;
    *plugcount = MECHANISM_COUNT;
    return SASL_OK;
}
