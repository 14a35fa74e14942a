#include "cli/lint/check_pam.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "pam/options.h"
#include "cli/lint/check_callers.h"
#include "cli/lint/check_configuration.h"
#include "cli/lint/check_paths.h"
#include "cli/lint/check_service_accounts.h"
#include "cli/lint/check_services.h"
#include "cli/lint/check_stack.h"
#include "cli/lint/pam_lint.h"

static void check_options(struct findings *findings, const struct pam_line *line)
{
    struct pam_options options;
    char error[PAM_OPTIONS_ERROR_MAX];

    if (!pam_options_parse(line->argc, (const char *const *)line->argv, &options, error))
        findings_add(findings, SEVERITY_ERROR, line->file, line->number, "%s", error);
    else if (options.config != NULL && !check_configuration(findings, options.config))
        findings_add(findings, SEVERITY_ERROR, line->file, line->number, "config=%s does not load", options.config);
}

/* libpam takes a line without its module for module_unknown, whatever else the line says. */
static void check_module(struct findings *findings, const struct pam_system *system, const struct pam_line *line)
{
    const char *where;

    if (line->module == NULL || pam_system_module(system, line->module) != MODULE_MISSING)
        return;
    where = line->module[0] == '/' ? "" : " in libpam's folder";
    if (pam_line_is(line, MODULE))
        findings_add(findings, SEVERITY_ERROR, line->file, line->number,
                     "%s: No such file%s: libpam cannot load Latchkey, and the service refuses every token",
                     line->module, where);
    else if (!line->is_silent)
        findings_add(findings, SEVERITY_WARNING, line->file, line->number,
                     "%s: No such file%s: libpam takes the line for module_unknown", line->module, where);
}

static void check_line(struct findings *findings, const struct pam_system *system, const struct pam_line *line)
{
    if (line->broken != NULL)
        findings_add(findings, SEVERITY_ERROR, line->file, line->number, "%s%s", line->broken,
                     line->is_fatal ? ": libpam refuses the whole service" : "");
    check_module(findings, system, line);
    if (pam_line_is(line, MODULE))
        check_options(findings, line);
}

static void check_files(struct findings *findings, const struct pam_stack *stack)
{
    struct stat status;
    size_t i;

    for (i = 0; i < stack->file_count; i++) {
        if (stat(stack->files[i], &status) == 0)
            check_owner_and_mode(findings, stack->files[i], &status, NULL);
        check_directories_above(findings, stack->files[i], NULL);
    }
}

static void check_service(const struct pam_lint *lint, const struct pam_service *service)
{
    size_t i;

    if (!names_latchkey(&service->stack))
        return;
    check_files(lint->findings, &service->stack);
    for (i = 0; i < service->stack.count; i++)
        check_line(lint->findings, lint->system, &service->stack.lines[i]);
    if (!service->is_part)
        check_stack(lint->findings, service);
}

void check_pam(struct findings *findings, const char *directory, const char *config)
{
    struct pam_system system;
    CLEANUP(pam_lint_clear) struct pam_lint lint = { .findings = findings, .system = &system, .config = config };
    size_t i;

    if (!pam_system_of(directory, &system)) {
        findings_add(findings, SEVERITY_ERROR, directory, 0, "%s", strerror(ENAMETOOLONG));
        return;
    }
    if (!pam_lint_read(&lint))
        return;
    for (i = 0; i < lint.count; i++) {
        check_service(&lint, &lint.services[i]);
        check_caller(&lint, &lint.services[i]);
    }
    check_service_accounts(&lint);
    check_services(&lint);
}
