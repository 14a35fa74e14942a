/*
 * One refresh of a tenant's key set: request the metadata, request the key set, replace the file in one step. After any
 * failure the last valid file stays.
 */
#ifndef LATCHKEY_KEY_REFRESH_H
#define LATCHKEY_KEY_REFRESH_H

#include <stdbool.h>

#include "base/trusted_file.h"
#include "verdict/verdict.h"
#include "config/model.h"
#include "tenant/http.h"

/* What a refresh keeps for the next one, so that the provider need not send an unchanged set again. Zero-initialise. */
struct key_source {
    char jwks_uri[HTTP_URL_MAX];
    char etag[HTTP_HEADER_MAX];
    char last_modified[HTTP_HEADER_MAX];
    struct file_stamp stamp; /* of the file that the validators belong to */
    bool is_withdrawn;       /* the file has the empty set */
};

/* Withdrawn: the provider serves a set without keys, and the file has it now. This is the result of each later refresh,
 * too. With keys_max_age the mtime of the file is the time of the last refresh that did not fail. */
enum key_refresh_result { KEY_REFRESH_FAILED, KEY_REFRESH_UNCHANGED, KEY_REFRESH_REPLACED, KEY_REFRESH_WITHDRAWN };

/* Called once, from within http_run(). The verdict has the reason of a failure: any reason of oidc.h, or SYSTEM_ERROR
 * with the file's name. */
typedef void key_refresh_done(void *context, enum key_refresh_result result, const struct verdict *verdict);

/*
 * Start a refresh. The configuration is held until it ends; `source` must not end before. `timeout_ms` is for both
 * requests together. False with the reason; `done` is not called then.
 */
bool key_refresh_start(struct verdict *verdict, struct http *http, const struct config *config,
                       const struct tenant *tenant, struct key_source *source, int timeout_ms, key_refresh_done *done,
                       void *context);

#endif
