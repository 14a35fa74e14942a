#include "cli/lint/check_callers.h"

#include <string.h>
#include <sys/stat.h>

#include "base/account_lookup.h"
#include "base/cleanup.h"
#include "config/snapshot.h"
#include "cli/lint/check_latchkeyd.h"

/* ACCOUNT_FOUND: the caller's user owns the file, so it may read it. */
static enum account_answer owns(const struct pam_caller *caller, const char *path)
{
    struct account_entry user;
    enum account_answer answer = account_lookup_user(caller->user, &user, NULL);
    struct stat status;

    if (answer == ACCOUNT_FOUND && (stat(path, &status) != 0 || status.st_uid != user.uid))
        answer = ACCOUNT_ABSENT;
    return answer;
}

static void tell_cannot_tell(const struct pam_lint *lint, const struct pam_service *service,
                             const struct pam_line *line)
{
    lint->findings->is_incomplete = true;
    pam_lint_add(lint->findings, SEVERITY_WARNING, service, line,
                 "the system cannot tell now what the user %s may read and whether latchkeyd answers this user",
                 service->caller->user);
}

static void check_secrets(const struct pam_lint *lint, const struct pam_service *service, const struct pam_line *line,
                          const struct config *config)
{
    size_t i;

    for (i = 0; i < config->tenant_count; i++) {
        const struct tenant *tenant = &config->tenants[i];
        const enum account_answer answer =
            tenant->secret_path != NULL ? owns(service->caller, tenant->secret_path) : ACCOUNT_FOUND;

        if (answer == ACCOUNT_CANNOT_TELL)
            tell_cannot_tell(lint, service, line);
        else if (answer == ACCOUNT_ABSENT)
            pam_lint_add(lint->findings, SEVERITY_WARNING, service, line,
                         "tokens of tenant \"%s\" are refused: the user %s may not read hmac_secret_file, and "
                         "latchkeyd does not answer this user (allow)",
                         tenant->id, service->caller->user);
    }
}

void check_caller(const struct pam_lint *lint, const struct pam_service *service)
{
    const struct pam_caller *caller = service->caller;
    const struct pam_line *line = caller != NULL ? find_latchkey(&service->stack, STACK_AUTH) : NULL;
    CLEANUP(config_release) const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;
    struct pam_options options;
    enum account_answer answer;

    if (line == NULL || !read_latchkey(line, &options)
        || !config_acquire(&verdict, config_of(line, lint->config), &config))
        return;
    answer = pam_caller_may_ask(caller, &config->latchkeyd);
    if (answer == ACCOUNT_CANNOT_TELL || pam_caller_reads_shadow(caller) == ACCOUNT_CANNOT_TELL)
        tell_cannot_tell(lint, service, line);
    if (answer != ACCOUNT_ABSENT)
        return;
    check_secrets(lint, service, line, config);
    if (latchkeyd_find_socket(&config->latchkeyd) == NULL)
        return;
    if ((config_service(config, options.service != NULL ? options.service : service->name)->credentials
         & CREDENTIALS_API_KEY)
        != 0)
        pam_lint_add(lint->findings, SEVERITY_WARNING, service, line,
                     "API keys are refused: latchkeyd does not answer the user %s (allow)", caller->user);
    pam_lint_add(lint->findings, SEVERITY_NOTE, service, line,
                 "%s does not ask for a newer key set when a token comes with a new key: latchkeyd does not answer the "
                 "user %s (allow)",
                 caller->program, caller->user);
}
