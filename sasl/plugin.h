/*
 * What both sides of liblatchkey.so share: the mechanisms as rows, what libsasl is given when it loads the plug-in, and
 * the options of libsasl's configuration.
 *
 * The library has no variables. One process may use libsasl twice, as a slapd does that is also a client; each use gets
 * its own struct plugin.
 */
#ifndef LATCHKEY_PLUGIN_H
#define LATCHKEY_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "base/secret.h"
#include "base/slice.h"
#include "sasl/messages.h"

#define MECHANISM_COUNT    2
#define MECHANISM_NAME_MAX 21 /* bytes of its name, with its NUL (RFC 4422 §3.1) */

struct mechanism {
    const char *name;
    message_read *read;
    size_t (*error)(const char *status, const char *scope, const char *discovery, char *text, size_t size);
    enum message_written (*write)(struct slice user, const char *host, struct slice bearer, struct secret *ret);
    bool needs_user;    /* a message of this mechanism always names a user */
    const char *answer; /* the client's answer to the error message; at most one byte */
    size_t answer_len;
};

extern const struct mechanism mechanisms[MECHANISM_COUNT];

/* What one call of an entry point made. The memory is libsasl's. plugin_mech_free() frees it with the last mechanism.
 */
struct plugin {
    union {
        sasl_server_plug_t server[MECHANISM_COUNT];
        sasl_client_plug_t client[MECHANISM_COUNT];
    } plugs; /* the array that libsasl gets */
    /* The glob_context of each mechanism. */
    struct plugin_mechanism {
        struct plugin *plugin;
        const struct mechanism *mechanism;
        char name[MECHANISM_NAME_MAX]; /* a copy: libsasl lends it to host processes, and they may write to it */
    } mechanisms[MECHANISM_COUNT];
    unsigned in_use; /* mechanisms that libsasl has not freed */
    char *config;    /* server: latchkey_config; NULL: the default path */
    char *service;   /* server: latchkey_service; NULL: the name that the host process gives */
};

/* The entry points, with the types of <sasl/saslplug.h>. */
sasl_server_plug_init_t sasl_server_plug_init;
sasl_client_plug_init_t sasl_client_plug_init;

/* A struct plugin without plugs and options, or NULL when out of memory. */
struct plugin *plugin_new(const sasl_utils_t *utils);

/* Free it before libsasl has it; later plugin_mech_free() does. */
void plugin_free(struct plugin *plugin, const sasl_utils_t *utils);

/* mech_free of both sides: libsasl calls it once for each mechanism. */
void plugin_mech_free(void *glob_context, const sasl_utils_t *utils);

/* The exchange has succeeded. There is no security layer. */
void plugin_end_exchange(sasl_out_params_t *out);

/*
 * Room for a length that a callback of libsasl writes. Its type is unsigned, but libsasl's own callback for
 * SASL_CB_AUTHNAME writes a size_t there. The length is not read: a name and an option are C strings.
 */
union told_len {
    unsigned declared;
    size_t written;
};

/* Set a sentence that the host process shows to the user. Returns the code. */
int plugin_fail(const sasl_utils_t *utils, int code, const char *sentence);
int plugin_fail_memory(const sasl_utils_t *utils); /* SASL_NOMEM */

/* An option of libsasl's configuration, or NULL. libsasl lends it until the process or the connection ends. */
const char *plugin_option(const sasl_utils_t *utils, const char *name);

#endif
