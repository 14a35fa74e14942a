/*
 * One refresh of a tenant's key set: discovery, key set, and the file replaced in one step. Whatever fails on the way,
 * the last good file stays.
 */
#ifndef LATCHKEY_KEY_REFRESH_H
#define LATCHKEY_KEY_REFRESH_H

#include <stdbool.h>

#include "base/trusted_file.h"
#include "verdict/verdict.h"
#include "config/model.h"
#include "tenant/http.h"

/* What one refresh leaves for the next one, so that an unchanged set is not sent again. Zero-initialise. */
struct key_source {
    char jwks_uri[HTTP_URL_MAX];
    char etag[HTTP_HEADER_MAX];
    char last_modified[HTTP_HEADER_MAX];
    struct file_stamp stamp; /* of the file that they belong to, as they do to the address */
    bool is_withdrawn;       /* it holds the empty set */
};

/* Withdrawn: the provider serves a set without keys, and so does the file from now on. It is told at each look. With
 * keys_max_age the mtime of the file is the time of the last look that was not a failure. */
enum key_refresh_result { KEY_REFRESH_FAILED, KEY_REFRESH_UNCHANGED, KEY_REFRESH_REPLACED, KEY_REFRESH_WITHDRAWN };

/* Called once, from within http_run(). The verdict says why a refresh failed: any reason of oidc.h, or SYSTEM_ERROR
 * with the file's name. */
typedef void key_refresh_done(void *context, enum key_refresh_result result, const struct verdict *verdict);

/*
 * Start it. The configuration is held until the end; `source` must last as long. `timeout_ms` is for both requests
 * together. False with the reason; `done` is not called then.
 */
bool key_refresh_start(struct verdict *verdict, struct http *http, const struct config *config,
                       const struct tenant *tenant, struct key_source *source, int timeout_ms, key_refresh_done *done,
                       void *context);

#endif
