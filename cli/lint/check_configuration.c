#include "cli/lint/check_configuration.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/snapshot.h"
#include "cli/lint/check_accounts.h"
#include "cli/lint/check_identity.h"
#include "cli/lint/check_latchkeyd.h"
#include "cli/lint/check_paths.h"
#include "cli/lint/check_revocation.h"
#include "cli/lint/check_rules.h"
#include "cli/lint/check_tenants.h"
#include "cli/lint/lint.h"

/* In the order of the findings. */
static void (*const config_checks[])(const struct lint *lint) = {
    check_tenants,  check_revocation_list, check_users, check_maps,      check_revoked_and_mapped,
    check_accounts, check_groups,          check_rules, check_latchkeyd,
};

/* Split "FILE:LINE: message". */
static void add_config_failure(struct findings *findings, const char *path, const struct verdict *verdict)
{
    const char *evidence = verdict->evidence;
    size_t len = strlen(path), line = 0;
    int used = 0;

    if (strncmp(evidence, path, len) == 0 && evidence[len] == ':') {
        evidence += len + 1;
        if (sscanf(evidence, "%9zu:%n", &line, &used) == 1 && used > 0)
            evidence += used;
        else
            line = 0;
        evidence += strspn(evidence, " ");
    }
    findings_add(findings, SEVERITY_ERROR, path, line, "%s",
                 evidence[0] != '\0' ? evidence : reason_sentence(verdict->reason));
}

bool check_configuration(struct findings *findings, const char *path)
{
    CLEANUP(config_release) const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;
    struct lint lint = { .findings = findings };
    size_t i;

    check_directories_above(findings, path, NULL);
    if (!config_acquire(&verdict, path, &config)) {
        add_config_failure(findings, path, &verdict);
        return false;
    }
    lint.config = config;
    for (i = 0; i < sizeof config_checks / sizeof config_checks[0]; i++)
        config_checks[i](&lint);
    return true;
}
