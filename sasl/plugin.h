/*
 * What the parts of liblatchkey.so share: the mechanisms as rows, and the options that libsasl's configuration gives.
 *
 * Nothing is kept in variables of the library: two users of libsasl in one process, a slapd that is also a client say,
 * each get their own.
 */
#ifndef LATCHKEY_PLUGIN_H
#define LATCHKEY_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "messages.h"
#include "secret.h"
#include "slice.h"

#define MECHANISM_COUNT 2

struct mechanism {
    const char *name;
    message_read *read;
    size_t (*error)(const char *status, const char *scope, const char *discovery, char *text, size_t size);
    bool (*write)(struct slice user, const char *host, struct slice bearer, struct secret *ret);
    bool needs_user;    /* its message has no form without one */
    const char *answer; /* of a client to the error message */
    size_t answer_len;
};

extern const struct mechanism mechanisms[MECHANISM_COUNT];

/* The entry points; by the types of <sasl/saslplug.h>. */
sasl_server_plug_init_t sasl_server_plug_init;
sasl_client_plug_init_t sasl_client_plug_init;

/* An option of libsasl's configuration, or NULL. Lent by libsasl until the end of the process or of the connection. */
const char *plugin_option(const sasl_utils_t *utils, const char *name);

#endif
