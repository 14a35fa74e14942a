/*
 * A user of libsasl, as a mail server or a mail client is one: where the plug-in is, the options that it would have in
 * its configuration file, and the messages of both mechanisms, made by hand.
 */
#ifndef LATCHKEY_SASL_HOST_H
#define LATCHKEY_SASL_HOST_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#define HOST_OPTIONS_MAX    8
#define HOST_CALL(function) ((sasl_callback_ft)(void (*)(void))(function))

struct host {
    struct {
        const char *name, *value;
    } options[HOST_OPTIONS_MAX + 1]; /* a NULL value: not set */
    const char *plugins;             /* folders, with colons between them */
};

static inline void host_set(struct host *host, const char *name, const char *value)
{
    size_t i;

    for (i = 0; host->options[i].name != NULL && strcmp(host->options[i].name, name) != 0; i++)
        ;
    if (i < HOST_OPTIONS_MAX) {
        host->options[i].name = name;
        host->options[i].value = value;
    }
}

static inline int host_getopt(void *context, const char *plugin, const char *name, const char **value, unsigned *len)
{
    const struct host *host = context;
    size_t i;

    (void)plugin;
    for (i = 0; host->options[i].name != NULL; i++)
        if (strcmp(host->options[i].name, name) == 0 && host->options[i].value != NULL) {
            *value = host->options[i].value;
            if (len != NULL)
                *len = UINT_MAX; /* no length to go by: what is lent is a C string */
            return SASL_OK;
        }
    return SASL_FAIL;
}

static inline int host_getpath(void *context, const char **path)
{
    *path = ((const struct host *)context)->plugins;
    return SASL_OK;
}

/* A folder with a link to the plug-in and nothing else. */
static inline bool host_plugin_folder(const char *folder, const char *plugin)
{
    char link[4096];

    snprintf(link, sizeof link, "%s/liblatchkey.so", folder);
    return (mkdir(folder, 0755) == 0 || errno == EEXIST) && (symlink(plugin, link) == 0 || errno == EEXIST);
}

static inline void host_plugin_folder_remove(const char *folder)
{
    char link[4096];

    snprintf(link, sizeof link, "%s/liblatchkey.so", folder);
    unlink(link);
    rmdir(folder);
}

/* The first message of a client; user NULL: none, where there is such a form. malloc'ed. */
static inline char *host_message(const char *mechanism, const char *user, const char *bearer)
{
    char *message = NULL;

    if (strcmp(mechanism, "XOAUTH2") == 0) {
        if (asprintf(&message, "user=%s\1auth=Bearer %s\1\1", user != NULL ? user : "", bearer) < 0)
            return NULL;
    } else if (asprintf(&message, "n,%s%s,\1auth=Bearer %s\1\1", user != NULL ? "a=" : "", user != NULL ? user : "",
                        bearer)
               < 0) {
        return NULL;
    }
    return message;
}

#endif
