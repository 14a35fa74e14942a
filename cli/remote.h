/*
 * What the sub-commands that send requests to the tenant service share: the tenant, the credential, the requests and
 * the messages about failures. The command is not a host process, so it sends requests itself and not through
 * latchkeyd.
 *
 * A function that fails has printed a message on standard error, and has set the exit status.
 */
#ifndef LATCHKEY_REMOTE_H
#define LATCHKEY_REMOTE_H

#include <stdbool.h>

#include "base/json.h"
#include "base/secret.h"
#include "verdict/verdict.h"
#include "config/model.h"
#include "tenant/http.h"
#include "tenant/tenant.h"

/* Zero-initialise it but for the command; end it with remote_close(). */
struct remote {
    const char *command;                 /* "keys fetch": the beginning of its messages */
    int status;                          /* the exit status of the last failure */
    const struct config *config;         /* held */
    const struct tenant *tenant;         /* the receiver of the requests; lent by config */
    struct secret secret;                /* lends the credential */
    struct tenant_credential credential; /* of each request */
    struct http *http;
};

/* The options of the commands that take either kind of credential. */
struct remote_options {
    const char *config;       /* NULL: the default */
    const char *tenant;       /* NULL: the only one with a url */
    const char *api_key_file; /* NULL: standard input, unless there is a token_file */
    const char *token_file;
};

/* "latchkey keys fetch: tenant_unavailable: …: Connection timed out", and the exit status. Always false. */
bool remote_refuse(struct remote *remote, const struct verdict *verdict);

/* The same for a verdict of this reason and evidence. */
__attribute__((format(printf, 3, 4))) bool remote_reject(struct remote *remote, enum reason reason, const char *format,
                                                         ...);

bool remote_load(struct remote *remote, const char *config_path); /* the configuration alone: no requests */
bool remote_open(struct remote *remote, const char *config_path);
void remote_close(struct remote *remote); /* wipes */

/* The tenant of this id; of the only one that has a url, when `id` is NULL. */
bool remote_choose_tenant(struct remote *remote, const char *id);

/* Read the credential from a file that no other user can read, or from standard input (NULL). On a terminal the user is
 * asked for it without echo. Text that cannot be an API key of the tenant, or is not a JWT, is not sent. */
bool remote_use_api_key(struct remote *remote, const char *file);
bool remote_use_token(struct remote *remote, const char *file);

/* Continue with another API key, whose ownership passes to `remote`. */
void remote_take_api_key(struct remote *remote, struct secret *api_key);

/* Open, choose the tenant and read the credential. */
bool remote_begin(struct remote *remote, const struct remote_options *options);

/* The time limit of a request. */
int remote_timeout_ms(const struct remote *remote);

/* Perform a request. The reading of the reply reports a failure. */
void remote_perform(const struct remote *remote, const struct tenant_request *request, struct http_reply *ret_reply);

#endif
