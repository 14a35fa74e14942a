#include "cli/lint/check_rules.h"

#include <stdbool.h>
#include <string.h>

static const struct group_block *find_group(const struct identity_rules *rules, const char *name)
{
    size_t i;

    for (i = 0; i < rules->group_count; i++)
        if (strcmp(rules->groups[i].name, name) == 0)
            return &rules->groups[i];
    return NULL;
}

static bool any_group_has_values(const struct identity_rules *rules, const struct string_list *groups)
{
    size_t i;

    for (i = 0; i < groups->count; i++) {
        const struct group_block *group = find_group(rules, groups->items[i]);

        if (group != NULL && group->values.count > 0)
            return true;
    }
    return false;
}

static bool takes_any_realm(const struct service_rules *service)
{
    return string_list_has(&service->realms, slice_of(REALM_ANY));
}

static void check_rules_of_service(const struct lint *lint, const struct service_rules *service)
{
    /* For a block that inherits the realm, the finding about "*" is enough. */
    if (takes_any_realm(service)
        && (service == &lint->config->default_service || !takes_any_realm(&lint->config->default_service)))
        FOUND(lint, SEVERITY_NOTE, BLOCK_SERVICE, service->name, "realm",
              "service \"%s\": realm = {\"*\"}: alice of every realm is the local user alice; this is right for a "
              "server that adds a realm of its own, and wrong where alice@one and alice@two are different users",
              service->name);
    if (service->require_group.count > 0 && !any_group_has_values(&lint->config->identity, &service->require_group))
        FOUND(lint, SEVERITY_ERROR, BLOCK_SERVICE, service->name, "require_group",
              "service \"%s\": no value maps to any of the groups that it requires: every login is refused",
              service->name);
}

void check_rules(const struct lint *lint)
{
    size_t i;

    for (i = 0; i < lint->config->service_count; i++)
        check_rules_of_service(lint, &lint->config->services[i]);
    check_rules_of_service(lint, &lint->config->default_service);
}
