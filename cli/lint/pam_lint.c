#include "cli/lint/pam_lint.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pam_lint_add(struct findings *findings, enum severity severity, const struct pam_service *service,
                  const struct pam_line *line, const char *format, ...)
{
    char message[FINDING_MESSAGE_MAX];
    va_list arguments;

    va_start(arguments, format);
    if (vsnprintf(message, sizeof message, format, arguments) < 0)
        message[0] = '\0';
    va_end(arguments);
    findings_add(findings, severity, line->file, line->number, "service %s: %s", service->name, message);
}

const struct pam_line *find_latchkey(const struct pam_stack *stack, enum stack_type type)
{
    size_t i;

    for (i = 0; i < stack->count; i++)
        if (stack->lines[i].type == type && pam_line_is(&stack->lines[i], MODULE))
            return &stack->lines[i];
    return NULL;
}

bool names_latchkey(const struct pam_stack *stack)
{
    enum stack_type type;

    for (type = STACK_AUTH; type < STACK_TYPE_COUNT; type++)
        if (find_latchkey(stack, type) != NULL)
            return true;
    return stack->unread != NULL && strstr(stack->unread, MODULE) != NULL;
}

bool read_latchkey(const struct pam_line *line, struct pam_options *ret_options)
{
    char error[PAM_OPTIONS_ERROR_MAX];

    return pam_line_is(line, MODULE)
        && pam_options_parse(line->argc, (const char *const *)line->argv, ret_options, error);
}

const char *config_of(const struct pam_line *line, const char *otherwise)
{
    struct pam_options options;

    return read_latchkey(line, &options) && options.config != NULL ? options.config : otherwise;
}

const struct pam_service *pam_lint_find(const struct pam_lint *lint, const char *name)
{
    size_t i;

    for (i = 0; i < lint->count; i++)
        if (strcmp(lint->services[i].name, name) == 0)
            return &lint->services[i];
    return NULL;
}

/* Files that editors and packages leave behind. No service has such a name. */
static bool is_leftover(const char *name)
{
    static const char *const endings[] = { "~",         ".bak",     ".orig",     ".dpkg-old", ".dpkg-new", ".dpkg-dist",
                                           ".dpkg-tmp", ".ucf-old", ".ucf-dist", ".rpmsave",  ".rpmnew" };
    size_t i, len = strlen(name);

    for (i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (len >= strlen(endings[i]) && strcmp(name + len - strlen(endings[i]), endings[i]) == 0)
            return true;
    return name[0] == '.';
}

static int may_be_service(const struct dirent *entry)
{
    return !is_leftover(entry->d_name) && entry->d_type != DT_DIR;
}

/* The stacks are judged as if Latchkey were installed: check_pam() reports its missing file. */
static void mark_missing(const struct pam_system *system, struct pam_stack *stack)
{
    size_t i;

    for (i = 0; i < stack->count; i++) {
        struct pam_line *line = &stack->lines[i];

        line->is_missing = line->module != NULL && !pam_line_is(line, MODULE)
            && pam_system_module(system, line->module) == MODULE_MISSING;
    }
}

static void add_service(struct pam_lint *lint, const char *directory, const char *name)
{
    struct pam_service *service = &lint->services[lint->count];
    char path[PATH_MAX + NAME_MAX + 2];

    *service = (struct pam_service){ .name = strdup(name) };
    if (service->name == NULL) {
        lint->findings->is_incomplete = true;
        return;
    }
    lint->count++;
    if (pam_stack_read(lint->system, name, &service->stack)) {
        mark_missing(lint->system, &service->stack);
        return;
    }
    snprintf(path, sizeof path, "%s/%s", directory, name);
    findings_add(lint->findings, SEVERITY_ERROR, path, 0, "cannot be read: %s", strerror(errno));
}

/* The services of a directory, except those that were added before. False with errno when it cannot be read. */
static bool add_services(struct pam_lint *lint, const char *directory)
{
    struct dirent **entries = NULL;
    struct pam_service *larger;
    int count = scandir(directory, &entries, may_be_service, alphasort), i;

    if (count < 0)
        return false;
    larger = reallocarray(lint->services, lint->count + (size_t)count + 1, sizeof *larger);
    if (larger == NULL)
        lint->findings->is_incomplete = true;
    else
        lint->services = larger;
    for (i = 0; i < count; i++) {
        if (larger != NULL && pam_lint_find(lint, entries[i]->d_name) == NULL)
            add_service(lint, directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return true;
}

static bool includes(const struct pam_stack *stack, const char *path)
{
    size_t i;

    for (i = 1; i < stack->file_count; i++)
        if (strcmp(stack->files[i], path) == 0)
            return true;
    return false;
}

static bool is_included(const struct pam_lint *lint, const struct pam_service *service)
{
    size_t i;

    if (strcmp(service->name, PAM_SERVICE_OTHER) == 0 || service->stack.file_count == 0)
        return false;
    for (i = 0; i < lint->count; i++)
        if (&lint->services[i] != service && includes(&lint->services[i].stack, service->stack.files[0]))
            return true;
    return false;
}

/* The program of a service, by the file's name or by the name that a line of Latchkey gives it; NULL: not known. */
static const struct pam_caller *find_caller(const struct pam_service *service)
{
    const struct pam_caller *caller = pam_caller_find(service->name);
    struct pam_options options;
    size_t i;

    for (i = 0; caller == NULL && i < service->stack.count; i++)
        if (read_latchkey(&service->stack.lines[i], &options) && options.service != NULL)
            caller = pam_caller_find(options.service);
    return caller;
}

bool pam_lint_read(struct pam_lint *lint)
{
    const struct pam_system *system = lint->system;
    size_t i;

    if (!add_services(lint, system->directory)) {
        findings_add(lint->findings, SEVERITY_ERROR, system->directory, 0, "cannot be read: %s", strerror(errno));
        return false;
    }
    if (system->vendor[0] != '\0' && !add_services(lint, system->vendor) && errno != ENOENT)
        findings_add(lint->findings, SEVERITY_ERROR, system->vendor, 0, "cannot be read: %s", strerror(errno));
    for (i = 0; i < lint->count; i++) {
        lint->services[i].is_part = is_included(lint, &lint->services[i]);
        lint->services[i].caller = find_caller(&lint->services[i]);
    }
    return true;
}

void pam_lint_clear(struct pam_lint *lint)
{
    size_t i;

    for (i = 0; i < lint->count; i++) {
        pam_stack_free(&lint->services[i].stack);
        free(lint->services[i].name);
    }
    free(lint->services);
    *lint = (struct pam_lint){ .count = 0 };
}
