/*
 * latchkey check: what a program that is not root loses because latchkeyd does not answer its user.
 */
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "config/snapshot.h"
#include "pam/options.h"
#include "cli/lint/check.h"
#include "cli/lint/check_pam.h"
#include "cli/lint/pam_callers.h"

const struct pam_caller *find_caller(const struct service *service)
{
    const struct pam_caller *caller = pam_caller_find(service->name);
    struct pam_options options;
    char error[PAM_OPTIONS_ERROR_MAX];
    size_t i;

    for (i = 0; caller == NULL && i < service->stack.count; i++) {
        const struct pam_line *line = &service->stack.lines[i];

        if (pam_line_is(line, MODULE) && pam_options_parse(line->argc, (const char *const *)line->argv, &options, error)
            && options.service != NULL)
            caller = pam_caller_find(options.service);
    }
    return caller;
}

static bool may_read_secret(const struct tenant *tenant, const struct pam_caller *caller)
{
    const struct passwd *user = getpwnam(caller->user);
    struct stat status;

    return user != NULL && stat(tenant->secret_path, &status) == 0 && status.st_uid == user->pw_uid;
}

void check_caller(const struct audit *audit, const struct service *service)
{
    const struct pam_line *line = service->caller != NULL ? find_latchkey(&service->stack, STACK_AUTH) : NULL;
    const struct pam_caller *caller = service->caller;
    CLEANUP(config_release) const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;
    struct pam_options options;
    char error[PAM_OPTIONS_ERROR_MAX];
    size_t i;

    if (line == NULL || !pam_options_parse(line->argc, (const char *const *)line->argv, &options, error)
        || !config_acquire(&verdict, config_of(line, audit->config), &config)
        || pam_caller_may_ask(caller, &config->latchkeyd))
        return;
    for (i = 0; i < config->tenant_count; i++)
        if (config->tenants[i].secret_path != NULL && !may_read_secret(&config->tenants[i], caller))
            findings_add(audit->findings, SEVERITY_WARNING, line->file, line->number,
                         "service %s: tokens of tenant \"%s\" are refused: the user %s may not read hmac_secret_file, "
                         "and latchkeyd does not answer that user (allow)",
                         service->name, config->tenants[i].id, caller->user);
    if (check_find_socket(&config->latchkeyd) == NULL)
        return;
    if ((config_service(config, options.service != NULL ? options.service : service->name)->credentials
         & CREDENTIALS_API_KEY)
        != 0)
        findings_add(audit->findings, SEVERITY_WARNING, line->file, line->number,
                     "service %s: API keys are refused: latchkeyd does not answer the user %s (allow)", service->name,
                     caller->user);
    findings_add(
        audit->findings, SEVERITY_NOTE, line->file, line->number,
        "service %s: %s asks for no newer key set when a token comes with a new key: latchkeyd does not answer "
        "the user %s (allow)",
        service->name, caller->program, caller->user);
}
