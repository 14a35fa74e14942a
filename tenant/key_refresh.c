#include "tenant/key_refresh.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "token/jwks.h"
#include "config/snapshot.h"
#include "tenant/oidc.h"

struct key_refresh {
    struct http *http;
    const struct config *config;
    const struct tenant *tenant; /* lent by config */
    struct key_source *source;
    char jwks_uri[HTTP_URL_MAX];
    bool has_validator; /* else the status "not modified" is an error */
    int64_t deadline_ms;
    struct verdict verdict;
    key_refresh_done *done;
    void *context;
};

static void refresh_free(struct key_refresh *refresh)
{
    config_release(&refresh->config);
    free(refresh);
}

static void finish(struct key_refresh *refresh, enum key_refresh_result result)
{
    refresh->done(refresh->context, result, &refresh->verdict);
    refresh_free(refresh);
}

/*
 * Name the request that failed, and its address. The request had no credential, so its refusal is not
 * CREDENTIAL_REFUSED.
 */
static void fail_at(struct key_refresh *refresh, const char *what, const char *address)
{
    const struct verdict cause = refresh->verdict;
    enum reason reason = cause.reason != REASON_CREDENTIAL_REFUSED ? cause.reason : REASON_TENANT_UNAVAILABLE;

    refresh->verdict = VERDICT_INIT;
    verdict_reject(&refresh->verdict, reason, "%s at %.120s: %s", what, address, cause.evidence);
    finish(refresh, KEY_REFRESH_FAILED);
}

static bool has_text(const char *path, const char *also_by, struct slice text)
{
    CLEANUP(secret_clear) struct secret old = { NULL, 0 };
    struct file_error error;
    struct file_stamp stamp;

    return trusted_file_read(path, TRUSTED_PUBLIC, also_by, JWKS_MAX_LEN, &old, &stamp, &error)
        && slice_equal((struct slice){ old.bytes, old.len }, text);
}

/*
 * Confirm that the provider serves the set of the file, by the file's mtime. Only with keys_max_age, since every
 * process reads a file with a new mtime again. False when this user may not set the time of the file.
 */
static bool confirm(const struct tenant *tenant)
{
    return tenant->keys_max_age == 0 || utimensat(AT_FDCWD, tenant->keys_path, NULL, AT_SYMLINK_NOFOLLOW) == 0;
}

/* An equal file is not replaced: every process would read it again. */
static enum key_refresh_result store(struct key_refresh *refresh, struct slice text)
{
    const char *path = refresh->tenant->keys_path;
    struct file_error error;

    if (has_text(path, refresh->config->latchkeyd.user, text) && confirm(refresh->tenant))
        return KEY_REFRESH_UNCHANGED;
    if (trusted_file_replace(path, TRUSTED_PUBLIC, text, &error))
        return KEY_REFRESH_REPLACED;
    verdict_reject(&refresh->verdict, REASON_SYSTEM_ERROR, "%s: %s", path, error.text);
    return KEY_REFRESH_FAILED;
}

/* "Not modified" confirms the file of which the request had the validators, not a file that replaced it meanwhile. */
static void not_modified(struct key_refresh *refresh)
{
    struct key_source *source = refresh->source;
    const char *path = refresh->tenant->keys_path;
    const struct file_stamp now = trusted_file_stamp(path);

    if (file_stamp_equal(&now, &source->stamp)) {
        if (confirm(refresh->tenant))
            source->stamp = trusted_file_stamp(path);
        else
            *source =
                (struct key_source){ .jwks_uri =
                                         "" }; /* the next refresh requests the whole set, and replaces the file */
    }
    finish(refresh, source->is_withdrawn ? KEY_REFRESH_WITHDRAWN : KEY_REFRESH_UNCHANGED);
}

static void keys_arrived(void *context, struct http_reply *reply)
{
    struct key_refresh *refresh = context;
    struct key_source *source = refresh->source;
    enum key_refresh_result result;
    struct slice text;
    bool is_withdrawn;

    if (reply->arrived && reply->status == 304 && refresh->has_validator) {
        not_modified(refresh);
        return;
    }
    if (!oidc_keys_read(&refresh->verdict, refresh->tenant, reply, &text, &is_withdrawn)) {
        fail_at(refresh, "the key set", refresh->jwks_uri);
        return;
    }
    result = store(refresh, text);
    if (result != KEY_REFRESH_FAILED) {
        memcpy(source->jwks_uri, refresh->jwks_uri, sizeof source->jwks_uri);
        memcpy(source->etag, reply->etag, sizeof source->etag);
        memcpy(source->last_modified, reply->last_modified, sizeof source->last_modified);
        source->stamp = trusted_file_stamp(refresh->tenant->keys_path);
        source->is_withdrawn = is_withdrawn;
        if (is_withdrawn)
            result = KEY_REFRESH_WITHDRAWN;
    }
    finish(refresh, result);
}

/* The validators are sent only while address and file are unchanged: at another address "not modified" may mean another
 * set. */
static const char *validator(const struct key_refresh *refresh, const char *value)
{
    const struct key_source *source = refresh->source;
    struct file_stamp now = trusted_file_stamp(refresh->tenant->keys_path);

    return value[0] != '\0' && strcmp(refresh->jwks_uri, source->jwks_uri) == 0
            && file_stamp_equal(&now, &source->stamp)
        ? value
        : NULL;
}

static void metadata_arrived(void *context, struct http_reply *reply)
{
    struct key_refresh *refresh = context;
    CLEANUP(tenant_request_clear) struct tenant_request request = { .ca = { NULL, 0 } };
    int64_t left = refresh->deadline_ms - clock_ms();

    if (!oidc_discovery_read(&refresh->verdict, refresh->tenant, reply, refresh->jwks_uri)) {
        fail_at(refresh, "the metadata", refresh->tenant->discovery);
        return;
    }
    if (!oidc_keys_request(&refresh->verdict, refresh->tenant, refresh->jwks_uri,
                           validator(refresh, refresh->source->etag),
                           validator(refresh, refresh->source->last_modified), left > 1 ? (int)left : 1, &request)) {
        finish(refresh, KEY_REFRESH_FAILED);
        return;
    }
    refresh->has_validator = request.http.etag != NULL || request.http.last_modified != NULL;
    if (http_start(refresh->http, &request.http, keys_arrived, refresh))
        return;
    verdict_reject(&refresh->verdict, REASON_OUT_OF_MEMORY, "a request to the tenant service");
    finish(refresh, KEY_REFRESH_FAILED);
}

bool key_refresh_start(struct verdict *verdict, struct http *http, const struct config *config,
                       const struct tenant *tenant, struct key_source *source, int timeout_ms, key_refresh_done *done,
                       void *context)
{
    CLEANUP(tenant_request_clear) struct tenant_request request = { .ca = { NULL, 0 } };
    struct key_refresh *refresh;

    if (tenant->keys_path == NULL)
        return verdict_reject(verdict, REASON_CONFIG_INVALID, "tenant %s has a secret and no key set", tenant->id);
    if (!oidc_discovery_request(verdict, tenant, timeout_ms, &request))
        return false;
    refresh = malloc(sizeof *refresh);
    if (refresh == NULL)
        return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "a refresh of the key set");
    *refresh = (struct key_refresh){
        .http = http,
        .config = config_hold(config),
        .tenant = tenant,
        .source = source,
        .deadline_ms = clock_ms() + timeout_ms,
        .done = done,
        .context = context,
    };
    refresh->verdict = VERDICT_INIT;
    if (http_start(http, &request.http, metadata_arrived, refresh))
        return true;
    refresh_free(refresh);
    return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "a request to the tenant service");
}
