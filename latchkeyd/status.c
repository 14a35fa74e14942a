#include "latchkeyd/status.h"

#include <string.h>
#include <unistd.h>

#include "ipc/protocol.h"

static struct json *asked_json(const struct status_facts *facts)
{
    struct json *asked = json_new_object();
    size_t i;

    for (i = 0; i < LATCHKEYD_ASK_COUNT && asked != NULL; i++)
        if (!json_add(asked, latchkeyd_ask_name((enum latchkeyd_ask)i), json_new_integer((int64_t)facts->asked[i])))
            json_free(&asked);
    return asked;
}

static struct json *refused_json(const struct status_facts *facts)
{
    struct json *refused = json_new_object();
    bool ok = true;

    ok &= json_add(refused, "peer", json_new_integer((int64_t)facts->refused_peers));
    ok &= json_add(refused, "rate", json_new_integer((int64_t)facts->refused_rate));
    ok &= json_add(refused, "crowded", json_new_integer((int64_t)exchange_counts(facts->exchange).crowded));
    ok &= json_add(refused, "guesses", json_new_integer((int64_t)exchange_counts(facts->exchange).guesses));
    ok &= json_add(refused, "broken", json_new_integer((int64_t)facts->refused_broken));
    if (!ok)
        json_free(&refused);
    return refused;
}

static struct json *cache_json(const struct status_facts *facts)
{
    struct cache_counts counts = exchange_cache_counts(facts->exchange);
    struct json *cache = json_new_object();
    bool ok = true;

    ok &= json_add(cache, "seconds", json_new_integer(facts->config->latchkeyd.api_key_cache));
    ok &= json_add(cache, "entries", json_new_integer((int64_t)counts.entries));
    ok &= json_add(cache, "hits", json_new_integer((int64_t)counts.hits));
    ok &= json_add(cache, "misses", json_new_integer((int64_t)counts.misses));
    if (!ok)
        json_free(&cache);
    return cache;
}

static struct json *tenant_json(const struct status_facts *facts, const struct tenant *tenant)
{
    static const char *const results[] = {
        [KEY_REFRESH_FAILED] = "failed",
        [KEY_REFRESH_UNCHANGED] = "unchanged",
        [KEY_REFRESH_REPLACED] = "replaced",
        [KEY_REFRESH_WITHDRAWN] = "withdrawn",
    };
    struct breaker breaker = exchange_breaker(facts->exchange, tenant->id);
    struct keyset_status status = { .refreshed_at = 0 };
    struct json *json = json_new_object();
    bool ok = true;
    size_t i;

    for (i = 0; keysets_status(facts->keysets, i, &status) && strcmp(status.tenant_id, tenant->id) != 0; i++)
        status = (struct keyset_status){ .refreshed_at = 0 };
    ok &= json_add(json, "id", json_new_string(slice_of(tenant->id)));
    ok &= json_add(json, "breaker", json_new_string(slice_of(breaker.is_open ? "open" : "closed")));
    ok &= json_add(json, "failures", json_new_integer(breaker.failures));
    ok &= json_add(json, "waiting", json_new_integer((int64_t)exchange_waiting(facts->exchange, tenant->id)));
    ok &= json_add(json, "keys_looked_at",
                   status.refreshed_at != 0 ? json_new_integer((int64_t)status.refreshed_at) : json_new_null());
    ok &= json_add(json, "keys", json_new_text(slice_of(status.refreshed_at != 0 ? results[status.result] : NULL)));
    ok &= json_add(json, "keys_failure", json_new_text(slice_of(status.failure)));
    if (!ok)
        json_free(&json);
    return json;
}

static struct json *tenants_json(const struct status_facts *facts)
{
    struct json *tenants = json_new_array();
    size_t i;

    for (i = 0; i < facts->config->tenant_count; i++)
        if (!json_append(tenants, tenant_json(facts, &facts->config->tenants[i])))
            json_free(&tenants);
    return tenants;
}

struct json *status_json(const struct status_facts *facts)
{
    struct json *status = json_new_object();
    bool ok = true;

    ok &= json_add(status, "version", json_new_string(slice_of(LATCHKEY_VERSION)));
    ok &= json_add(status, "pid", json_new_integer(getpid()));
    ok &= json_add(status, "uid", json_new_integer(geteuid()));
    ok &= json_add(status, "uptime", json_new_integer(facts->uptime_s));
    ok &= json_add(status, "clients", json_new_integer((int64_t)facts->clients));
    ok &= json_add(status, "asked", asked_json(facts));
    ok &= json_add(status, "passwords", json_new_integer((int64_t)facts->passwords));
    ok &= json_add(status, "refused", refused_json(facts));
    ok &= json_add(status, "cache", cache_json(facts));
    ok &= json_add(status, "tenants", tenants_json(facts));
    ok &= json_add(status, "configuration_fault", json_new_text(slice_of(facts->config_fault)));
    if (!ok)
        json_free(&status);
    return status;
}
