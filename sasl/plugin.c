#include "sasl/plugin.h"

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

const char *plugin_option(const sasl_utils_t *utils, const char *name)
{
    const char *value = NULL;
    union told_len len = { .written = 0 };

    if (utils->getopt == NULL
        || utils->getopt(utils->getopt_context, "latchkey", name, &value, &len.declared) != SASL_OK || value == NULL
        || value[0] == '\0')
        return NULL;
    return value;
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
