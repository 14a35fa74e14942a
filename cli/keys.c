/*
 * latchkey keys: fetch the key sets that the tenants publish, and list their keys. The JSON member names are an
 * interface.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "tenant/key_refresh.h"
#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/remote.h"

#define UNNAMED "-" /* for a column without a value */

/* Without --tenant, every tenant is selected. */
static bool is_selected(const struct remote *remote, const struct tenant *tenant)
{
    return remote->tenant == NULL || remote->tenant == tenant;
}

/* One tenant's refresh. */
struct fetch {
    const struct tenant *tenant;
    struct key_source source;
    enum key_refresh_result result;
    struct verdict verdict;
    bool is_done;
};

static void fetched(void *context, enum key_refresh_result result, const struct verdict *verdict)
{
    struct fetch *fetch = context;

    fetch->result = result;
    fetch->verdict = *verdict;
    fetch->is_done = true;
}

static bool all_are_done(const struct fetch *fetches, size_t count)
{
    size_t i;

    for (i = 0; i < count && fetches[i].is_done; i++)
        ;
    return i == count;
}

/* A tenant that publishes no key set is skipped, unless --tenant names it. */
static bool is_to_fetch(const struct remote *remote, const struct tenant *tenant)
{
    return is_selected(remote, tenant) && (remote->tenant != NULL || config_publishes_keys(tenant));
}

/* All at the same time: a tenant that does not answer delays no other. Returns the number of fetches. */
static size_t fetch_all(struct remote *remote, struct fetch fetches[CONFIG_TENANTS_MAX])
{
    const struct config *config = remote->config;
    const int timeout_ms = remote_timeout_ms(remote);
    size_t count = 0, i;

    for (i = 0; i < config->tenant_count; i++) {
        struct fetch *fetch = &fetches[count];

        if (!is_to_fetch(remote, &config->tenants[i]))
            continue;
        count++;
        *fetch = (struct fetch){ .tenant = &config->tenants[i], .verdict = VERDICT_INIT };
        fetch->is_done = !key_refresh_start(&fetch->verdict, remote->http, config, fetch->tenant, &fetch->source,
                                            timeout_ms, fetched, fetch);
    }
    while (!all_are_done(fetches, count) && http_run(remote->http, NULL, 0, timeout_ms))
        ;
    http_free(&remote->http); /* calls fetched() for those that still wait after http_run() failed */
    return count;
}

static bool tell(struct remote *remote, const struct fetch *fetch)
{
    static const char *const results[] = {
        [KEY_REFRESH_UNCHANGED] = "unchanged",
        [KEY_REFRESH_REPLACED] = "replaced",
        [KEY_REFRESH_WITHDRAWN] = "withdrawn",
    };

    if (fetch->result != KEY_REFRESH_FAILED) {
        printf("%s: %s\n", fetch->tenant->id, results[fetch->result]);
        return true;
    }
    fprintf(stderr, "latchkey keys fetch: tenant %s keeps its present key set:\n", fetch->tenant->id);
    return remote_refuse(remote, &fetch->verdict);
}

static bool fetch(struct remote *remote)
{
    struct fetch fetches[CONFIG_TENANTS_MAX];
    const size_t count = fetch_all(remote, fetches);
    bool ok = count > 0;
    size_t i;

    if (count == 0)
        remote->status = usage_error(remote->command, "no tenant of %s publishes a key set", remote->config->path);
    for (i = 0; i < count; i++)
        ok = tell(remote, &fetches[i]) && ok;
    return ok;
}

int command_keys_fetch(int argc, char **argv)
{
    const char *config = NULL, *tenant = NULL;
    const struct known_option fetch_options[] = {
        { "config", .text = &config },
        { "tenant", .text = &tenant },
        { NULL },
    };
    CLEANUP(remote_close) struct remote remote = { .command = "keys fetch" };

    if (!arguments_read(remote.command, argc, argv, fetch_options, ARGUMENTS_NONE))
        return STATUS_USAGE;
    if (remote_open(&remote, config) && (tenant == NULL || remote_choose_tenant(&remote, tenant)) && fetch(&remote))
        return flush_output(remote.command);
    return remote.status;
}

/* The tenant's key set, or its secret. */
static const char *file_of(const struct tenant *tenant)
{
    return tenant->keys_path != NULL ? tenant->keys_path : tenant->secret_path;
}

static void print_tenant(const struct tenant *tenant)
{
    size_t i;

    printf("%s (%s)\n", tenant->id, file_of(tenant));
    if (tenant->keys_are_withdrawn)
        printf("  withdrawn: the tenant publishes a set without keys\n");
    if (tenant->jwks != NULL && tenant->keys_max_age > 0)
        printf("  confirmed %" PRId64 " s ago, of at most %" PRId64 "\n", (int64_t)time(NULL) - tenant->keys_confirmed,
               tenant->keys_max_age);
    for (i = 0; tenant->jwks != NULL && i < jwks_count(tenant->jwks); i++) {
        const struct slice kid = jwks_kid(tenant->jwks, i);
        char shown[SUBJECT_MAX + 1];
        const char *alg = jwks_alg(tenant->jwks, i), *note = jwks_note(tenant->jwks, i);

        text_copy_printable(shown, sizeof shown, kid.len > 0 ? kid : slice_of(UNNAMED));
        printf("  %-36s %-10s %-6s %s%s\n", shown, jwks_type(tenant->jwks, i), alg != NULL ? alg : UNNAMED,
               note != NULL ? "never used: " : "usable", note != NULL ? note : "");
    }
}

static struct json *key_json(const struct jwks *jwks, size_t index)
{
    return JSON_OBJECT({ "kid", json_new_text(jwks_kid(jwks, index)) },
                       { "type", json_new_string(slice_of(jwks_type(jwks, index))) },
                       { "alg", json_new_text(slice_of(jwks_alg(jwks, index))) },
                       { "usable", json_new_boolean(jwks_note(jwks, index) == NULL) },
                       { "note", json_new_text(slice_of(jwks_note(jwks, index))) });
}

static struct json *keys_json(const struct jwks *jwks)
{
    struct json *keys = json_new_array();
    size_t i;

    for (i = 0; jwks != NULL && i < jwks_count(jwks) && keys != NULL; i++)
        if (!json_append(keys, key_json(jwks, i)))
            json_free(&keys);
    return keys;
}

static struct json *tenant_json(const struct tenant *tenant)
{
    struct verdict verdict = VERDICT_INIT;
    const char *failure = config_check_keys(&verdict, tenant, time(NULL)) ? NULL : reason_name(verdict.reason);

    return JSON_OBJECT({ "tenant", json_new_string(slice_of(tenant->id)) },
                       { "file", json_new_string(slice_of(file_of(tenant))) },
                       { "failure", json_new_text(slice_of(failure)) }, { "keys", keys_json(tenant->jwks) });
}

static bool print_json(const struct remote *remote)
{
    CLEANUP(json_free) struct json *object = NULL;
    struct json *tenants = json_new_array();
    size_t i;

    for (i = 0; i < remote->config->tenant_count && tenants != NULL; i++)
        if (is_selected(remote, &remote->config->tenants[i])
            && !json_append(tenants, tenant_json(&remote->config->tenants[i])))
            json_free(&tenants);
    object = JSON_OBJECT({ "tenants", tenants });
    return print_object(object);
}

static bool list(struct remote *remote, bool json)
{
    bool ok = true;
    size_t i;

    if (json && !print_json(remote)) {
        remote->status = STATUS_UNAVAILABLE;
        return false;
    }
    for (i = 0; i < remote->config->tenant_count; i++) {
        const struct tenant *tenant = &remote->config->tenants[i];
        struct verdict verdict = VERDICT_INIT;

        if (!is_selected(remote, tenant))
            continue;
        if (!json)
            print_tenant(tenant);
        if (!config_check_keys(&verdict, tenant, time(NULL)))
            ok = remote_refuse(remote, &verdict);
    }
    return ok;
}

int command_keys_list(int argc, char **argv)
{
    const char *config = NULL, *tenant = NULL;
    bool json = false;
    const struct known_option list_options[] = {
        { "config", .text = &config },
        { "tenant", .text = &tenant },
        { "json", .flag = &json },
        { NULL },
    };
    CLEANUP(remote_close) struct remote remote = { .command = "keys list" };

    if (!arguments_read(remote.command, argc, argv, list_options, ARGUMENTS_NONE))
        return STATUS_USAGE;
    if (remote_load(&remote, config) && (tenant == NULL || remote_choose_tenant(&remote, tenant))
        && list(&remote, json))
        return flush_output(remote.command);
    return remote.status;
}
