/*
 * A configuration that is accepted holds what its header promises, whatever the text was.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/model.h"
#include "config/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void check_tenant(const struct tenant *tenant)
{
    const struct claims_policy *claims = &tenant->claims;
    size_t row, allowed = 0;

    for (row = 0; row < ALGORITHM_ROWS; row++) {
        if (!tenant->algorithms[row])
            continue;
        allowed++;
        demand((algorithm_at(row)->key_type == KEY_OCT) == (tenant->secret_path != NULL));
    }
    demand(allowed > 0);
    demand((tenant->keys_path == NULL) != (tenant->secret_path == NULL));
    demand((tenant->keys_path != NULL ? tenant->keys_path : tenant->secret_path)[0] == '/');
    demand(strlen(tenant->id) > 0 && strlen(tenant->id) < FACT_MAX && strcmp(tenant->id, claims->tenant_id) == 0);
    demand(tenant->url == NULL || strncmp(tenant->url, "https://", 8) == 0);
    demand(claims->tenant_claim != NULL || (claims->issuer != NULL && claims->audiences.count > 0));
    demand(claims->leeway >= 0 && claims->leeway <= CLAIMS_LEEWAY_MAX);
    demand(claims->subject_claim[0] != '\0' && claims->groups_claim[0] != '\0');
}

static void check_config(const struct config *config)
{
    size_t i;

    demand(config->tenant_count > 0 && config->tenant_count <= CONFIG_TENANTS_MAX);
    for (i = 0; i < config->tenant_count; i++)
        check_tenant(&config->tenants[i]);
    for (i = 0; i < config->identity.user_count; i++)
        demand(identity_is_valid_name(slice_of(config->identity.users[i].name)));
    for (i = 0; i < config->identity.map_count; i++)
        demand(pattern_group_count(&config->identity.maps[i].compiled) > 0);
    demand(config->identity.group_count <= IDENTITY_GROUPS_MAX);
    for (i = 0; i < config->service_count; i++)
        demand(config_service(config, config->services[i].name) == &config->services[i]);
    demand(config_service(config, NULL)->credentials != 0);
}

/* glibc spends gigabytes on nested counts, "((a{999}){999}){999}": the administrator's own doing, and not our parser.
 */
static bool has_counts(const uint8_t *data, size_t size)
{
    size_t i;

    for (i = 1; i < size; i++)
        if (data[i - 1] == '{' && ((data[i] >= '0' && data[i] <= '9') || data[i] == ','))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct verdict verdict = VERDICT_INIT;
    struct config config;

    if (has_counts(data, size))
        return 0;
    if (config_file_parse(&verdict, "/etc/latchkey/latchkey.conf", (struct slice){ (const char *)data, size },
                          &config)) {
        check_config(&config);
        config_file_clear(&config);
    } else {
        demand(verdict.reason == REASON_CONFIG_INVALID);
        demand(strncmp(verdict.evidence, "/etc/latchkey/latchkey.conf:", 28) == 0);
        demand(config.path == NULL);
    }
    return 0;
}
