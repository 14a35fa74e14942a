#include "config/model.h"

#include <inttypes.h>
#include <string.h>

const struct service_rules *config_service(const struct config *config, const char *service)
{
    const struct slice name = slice_of(service);
    const struct text_entry *entry;
    char lower[CONFIG_STRING_MAX];

    if (name.len == 0 || name.len > sizeof lower)
        return &config->default_service;
    slice_lower(name, lower);
    entry = text_index_find(&config->service_names, (struct slice){ lower, name.len });
    return entry != NULL ? &config->services[text_index_place(&config->service_names, entry)]
                         : &config->default_service;
}

const struct tenant *config_tenant(const struct config *config, struct slice id)
{
    size_t i;

    for (i = 0; i < config->tenant_count; i++)
        if (slice_equal_string(id, config->tenants[i].id))
            return &config->tenants[i];
    return NULL;
}

bool config_check_keys(struct verdict *verdict, const struct tenant *tenant, int64_t now)
{
    const int64_t age = now - tenant->keys_confirmed;

    if (tenant->jwks == NULL)
        return verdict_reject(verdict, tenant->keys_failure.reason, "%s", tenant->keys_failure.evidence);
    if (tenant->keys_max_age == 0 || (age <= tenant->keys_max_age && age >= -tenant->keys_max_age))
        return true;
    return verdict_reject(verdict, REASON_JWKS_UNAVAILABLE,
                          "%s: last confirmed %" PRId64 " s ago, and keys_max_age is %" PRId64, tenant->keys_path, age,
                          tenant->keys_max_age);
}

bool config_publishes_keys(const struct tenant *tenant)
{
    return tenant != NULL && tenant->keys_path != NULL && tenant->discovery != NULL;
}

const struct tenant *config_exchange_tenant(const struct config *config, const struct user_block *block)
{
    const struct tenant *found = NULL;
    size_t i;

    for (i = 0; i < config->tenant_count; i++) {
        const struct tenant *tenant = &config->tenants[i];

        if (tenant->url == NULL
            || (block->tenants.count > 0 && !string_list_has(&block->tenants, slice_of(tenant->id))))
            continue;
        if (found != NULL)
            return NULL;
        found = tenant;
    }
    return found;
}

bool config_is_api_key(const struct tenant *tenant, struct slice credential)
{
    size_t i;

    if (credential.len < (size_t)tenant->api_key_min || credential.len > (size_t)tenant->api_key_max)
        return false;
    for (i = 0; i < credential.len; i++)
        if (credential.bytes[i] == '\0' || strchr(tenant->api_key_characters, credential.bytes[i]) == NULL)
            return false;
    return true;
}
