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
    bool needs_user;    /* its message has no form without one */
    const char *answer; /* of a client to the error message; at most one byte */
    size_t answer_len;
};

extern const struct mechanism mechanisms[MECHANISM_COUNT];

/* The entry points; by the types of <sasl/saslplug.h>. */
sasl_server_plug_init_t sasl_server_plug_init;
sasl_client_plug_init_t sasl_client_plug_init;

/*
 * Room for a length that a callback of libsasl tells. Its type is unsigned, but libsasl's own callback for
 * SASL_CB_AUTHNAME writes a size_t there. Not read: a name and an option are C strings.
 */
union told_len {
    unsigned declared;
    size_t written;
};

/* Leave a sentence for the host, which tells it to a person, and give the code back. */
int plugin_fail(const sasl_utils_t *utils, int code, const char *sentence);
int plugin_fail_memory(const sasl_utils_t *utils); /* SASL_NOMEM */

/* An option of libsasl's configuration, or NULL. Lent by libsasl until the end of the process or of the connection. */
const char *plugin_option(const sasl_utils_t *utils, const char *name);

#endif
