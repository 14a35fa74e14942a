#include "cli/lint/check_service_accounts.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/snapshot.h"
#include "cli/lint/accounts.h"
#include "cli/lint/name_list.h"
#include "cli/lint/pam_dispatch.h"
#include "cli/lint/pam_modules.h"

#define DAYS_AHEAD 366 /* how far the lint looks for passwords that become too old */

/* What a walk through a stack assumes of an account: it has one fault and no other, and Latchkey accepts the token. */
struct account_fault {
    bool is_shell_unlisted;
    enum password_age age;
};

static return_set returns_with_fault(const struct pam_line *line, const void *context)
{
    const struct account_fault *fault = context;

    if (pam_line_is(line, MODULE))
        return RETURNS(RETURN_SUCCESS);
    if (pam_line_is(line, "pam_shells.so") && fault->is_shell_unlisted)
        return RETURNS(RETURN_AUTH_ERR);
    if (line->type != STACK_ACCOUNT || !pam_line_is(line, "pam_unix.so") || fault->age == AGE_GOOD)
        return pam_module_to_any(line);
    if (pam_line_has(line, "no_pass_expiry"))
        return RETURNS(RETURN_SUCCESS);
    return RETURNS(fault->age == AGE_CHANGE ? (size_t)RETURN_NEW_AUTHTOK_REQD : return_code("authtok_expired"));
}

/* Whether the stack accepts a token for an account with the fault. */
static bool accepts(const struct pam_service *service, const struct account_fault *fault)
{
    return pam_dispatch_can_succeed(&service->stack, STACK_AUTH, returns_with_fault, fault)
        && pam_dispatch_can_succeed(&service->stack, STACK_ACCOUNT, returns_with_fault, fault);
}

static void check_shells(const struct pam_lint *lint, const struct pam_service *service,
                         const struct accounts *accounts, const struct pam_line *line)
{
    const struct account_fault fault = { .is_shell_unlisted = true };
    struct name_list names = { .count = 0 };
    size_t i;

    for (i = 0; i < accounts->count; i++)
        if (!accounts->items[i].has_listed_shell)
            name_list_add(&names, accounts->items[i].name);
    if (names.count > 0 && !accepts(service, &fault))
        pam_lint_add(lint->findings, SEVERITY_WARNING, service, line,
                     "every token is refused for %s: the shell is not in /etc/shells, and the stack asks pam_shells.so",
                     names.text);
}

static void check_ages(const struct pam_lint *lint, const struct pam_service *service, const struct accounts *accounts,
                       const struct pam_line *line)
{
    static const enum password_age ages[] = { AGE_CHANGE, AGE_EXPIRED };
    struct name_list names = { .count = 0 };
    size_t i, k;

    for (i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        const struct account_fault fault = { .age = ages[i] };

        if (accepts(service, &fault))
            continue;
        for (k = 0; k < accounts->count; k++)
            if (accounts->items[k].age == ages[i] && !accounts->items[k].is_expired)
                name_list_add(&names, accounts->items[k].name);
    }
    if (names.count > 0)
        pam_lint_add(lint->findings, SEVERITY_WARNING, service, line,
                     "every token is refused for %s: the local password is too old, which pam_unix.so checks without "
                     "no_pass_expiry",
                     names.text);
}

/* The account whose password is the next to become too old for the stack. */
static void check_ages_ahead(const struct pam_lint *lint, const struct pam_service *service,
                             const struct accounts *accounts, const struct pam_line *line)
{
    const struct account_fault fault = { .age = AGE_CHANGE };
    const struct account *next = NULL;
    size_t i;

    for (i = 0; i < accounts->count; i++) {
        const struct account *account = &accounts->items[i];

        if (account->age == AGE_GOOD && account->ages_on <= accounts_today() + DAYS_AHEAD
            && (next == NULL || account->ages_on < next->ages_on))
            next = account;
    }
    if (next != NULL && !accepts(service, &fault))
        pam_lint_add(lint->findings, SEVERITY_NOTE, service, line,
                     "every token for %s will be refused from %s on, when the local password is too old: pam_unix.so "
                     "checks that without no_pass_expiry",
                     next->name, accounts_date(next->ages_on));
}

static void check_accounts_of_service(const struct pam_lint *lint, const struct pam_service *service,
                                      const struct accounts *accounts)
{
    const struct account_fault nothing = { .age = AGE_GOOD };
    const struct pam_line *auth = find_latchkey(&service->stack, STACK_AUTH);
    const struct pam_line *account = find_latchkey(&service->stack, STACK_ACCOUNT);
    const struct pam_line *line = account != NULL ? account : auth;

    if (auth == NULL || service->is_part || !accepts(service, &nothing))
        return;
    check_shells(lint, service, accounts, line);
    check_ages(lint, service, accounts, line);
    check_ages_ahead(lint, service, accounts, line);
}

void check_service_accounts(const struct pam_lint *lint)
{
    CLEANUP(accounts_clear) struct accounts accounts = { .count = 0 };
    const char *read = NULL; /* the configuration whose accounts were read */
    size_t i;

    for (i = 0; i < lint->count; i++) {
        const struct pam_line *line = find_latchkey(&lint->services[i].stack, STACK_AUTH);
        const char *path = line != NULL ? config_of(line, lint->config) : NULL;
        CLEANUP(config_release) const struct config *config = NULL;
        struct verdict verdict = VERDICT_INIT;

        if (path == NULL || !config_acquire(&verdict, path, &config))
            continue;
        if (read == NULL || strcmp(read, path) != 0) {
            accounts_clear(&accounts);
            if (!accounts_read(config, &accounts))
                lint->findings->is_incomplete = true;
            read = path;
        }
        check_accounts_of_service(lint, &lint->services[i], &accounts);
    }
}
