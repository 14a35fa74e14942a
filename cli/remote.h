/*
 * What the sub-commands that ask the tenant service share: whom they ask, with which credential, one request after the
 * other, and how they say what went wrong. The command is no host process, so it asks by itself and not through
 * latchkeyd.
 *
 * A function that fails has said why on standard error, and has set the exit status.
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
    const char *command;                 /* "keys fetch": what stands before its messages */
    int status;                          /* the exit status; of the last failure */
    const struct config *config;         /* held */
    const struct tenant *tenant;         /* whose service is asked; lent by config */
    struct secret secret;                /* what the credential is lent by */
    struct tenant_credential credential; /* of every request */
    struct http *http;
};

/* What the commands that take either kind of credential were told of it. */
struct remote_options {
    const char *config;       /* NULL: the default */
    const char *tenant;       /* NULL: the only one with a url */
    const char *api_key_file; /* NULL: standard input, unless there is a token_file */
    const char *token_file;
};

/* "latchkey keys fetch: tenant_unavailable: …: Connection timed out", and its exit status. Always false. */
bool remote_refuse(struct remote *remote, const struct verdict *verdict);

bool remote_load(struct remote *remote, const char *config_path); /* the configuration alone, for what is offline */
bool remote_open(struct remote *remote, const char *config_path);
void remote_close(struct remote *remote); /* wipes */

/* The tenant of this id; of the only one that has a url, when `id` is NULL. */
bool remote_choose_tenant(struct remote *remote, const char *id);

/* The credential, from a file that nobody else can read, or from standard input (NULL). A terminal is asked for it, and
 * does not show it. What cannot be an API key of the tenant, or no JWT, is sent nowhere. */
bool remote_use_api_key(struct remote *remote, const char *file);
bool remote_use_token(struct remote *remote, const char *file);

/* Go on with another API key, which is taken over. */
void remote_take_api_key(struct remote *remote, struct secret *api_key);

/* All of the above. */
bool remote_begin(struct remote *remote, const struct remote_options *options);

/* How long a request may take. */
int remote_timeout_ms(const struct remote *remote);

/* Perform a request. Always true, to stand in a chain between the making of a request and the reading of its reply. */
bool remote_perform(const struct remote *remote, const struct tenant_request *request, struct http_reply *ret_reply);

#endif
