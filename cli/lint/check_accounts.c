/*
 * latchkey check: local accounts that tokens open, and what else keeps their people out.
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "config/snapshot.h"
#include "cli/lint/accounts.h"
#include "cli/lint/check.h"
#include "cli/lint/check_pam.h"

#define NAMES_SHOWN 5
#define NAMES_MAX   200 /* bytes of a list of names in a finding */
#define DAYS_AHEAD  366 /* of what will happen */

/* A list for a finding: "alice, bob and 3 more". */
struct names {
    char text[NAMES_MAX];
    size_t count;
};

static void add_name(struct names *names, const char *name)
{
    size_t len = strlen(names->text);

    if (names->count++ < NAMES_SHOWN)
        snprintf(names->text + len, sizeof names->text - len, "%s%s", len > 0 ? ", " : "", name);
}

/* What is not in the text. "" when all are. */
static const char *more_names(const struct names *names, char text[32])
{
    text[0] = '\0';
    if (names->count > NAMES_SHOWN)
        snprintf(text, 32, " and %zu more", names->count - NAMES_SHOWN);
    return text;
}

static void tell_expired(const struct lint *lint, const struct account *account)
{
    FOUND(lint, SEVERITY_NOTE, BLOCK_USER, account->name, NULL,
          "user \"%s\": the account has expired on %s (shadow(5)): no login opens it", account->name,
          accounts_date(account->expires_on));
}

static void tell_locked(const struct lint *lint, const struct account *account)
{
    FOUND(lint, SEVERITY_NOTE, BLOCK_USER, account->name, NULL,
          "user \"%s\": the local password is locked (usermod -L), which does not stop tokens; usermod -e 1 does",
          account->name);
}

void check_accounts(const struct lint *lint)
{
    CLEANUP(accounts_clear) struct accounts accounts = { .count = 0 };
    struct names expired = { .count = 0 }, locked = { .count = 0 };
    char more[32];
    size_t i;

    if (!accounts_read(lint->config, &accounts))
        lint->findings->is_incomplete = true;
    for (i = 0; i < accounts.count; i++) {
        const struct account *account = &accounts.items[i];

        if (account->is_expired && account->has_block)
            tell_expired(lint, account);
        else if (account->is_expired)
            add_name(&expired, account->name);
        else if (account->is_locked && account->has_block)
            tell_locked(lint, account);
        else if (account->is_locked)
            add_name(&locked, account->name);
    }
    if (expired.count > 0)
        findings_add(
            lint->findings, SEVERITY_NOTE, lint->config->path, 0,
            "accounts that a map can give and that have expired (shadow(5)), so that no login opens them: %s%s",
            expired.text, more_names(&expired, more));
    if (locked.count > 0)
        findings_add(
            lint->findings, SEVERITY_NOTE, lint->config->path, 0,
            "accounts that a map can give and whose local password is locked (usermod -L), which does not stop "
            "tokens; usermod -e 1 does: %s%s",
            locked.text, more_names(&locked, more));
}

/* What a walk through a stack assumes of an account: one fault, and nothing else is wrong with it. */
struct supposed {
    bool is_shell_unlisted;
    enum password_age age;
};

static return_set answers_for(const struct pam_line *line, const void *context)
{
    const struct supposed *supposed = context;
    const size_t accepted = RETURN_SUCCESS;

    if (line->type == STACK_ACCOUNT && pam_line_is(line, "pam_unix.so") && supposed->age != AGE_GOOD)
        return has_argument(line, "no_pass_expiry") ? RETURNS(RETURN_SUCCESS)
            : supposed->age == AGE_CHANGE           ? RETURNS(RETURN_NEW_AUTHTOK_REQD)
                                                    : RETURNS(return_code("authtok_expired"));
    if (pam_line_is(line, "pam_shells.so") && supposed->is_shell_unlisted)
        return RETURNS(RETURN_AUTH_ERR);
    return anything_is_possible(line, &accepted);
}

/* Whether a token, which Latchkey accepts, opens an account of which that is so. */
static bool opens(const struct service *service, const struct supposed *supposed)
{
    return pam_stack_can_succeed(&service->stack, STACK_AUTH, answers_for, supposed)
        && pam_stack_can_succeed(&service->stack, STACK_ACCOUNT, answers_for, supposed);
}

static void check_shells(const struct audit *audit, const struct service *service, const struct accounts *accounts,
                         const struct pam_line *line)
{
    const struct supposed supposed = { .is_shell_unlisted = true };
    struct names names = { .count = 0 };
    char more[32];
    size_t i;

    for (i = 0; i < accounts->count; i++)
        if (!accounts->items[i].has_listed_shell)
            add_name(&names, accounts->items[i].name);
    if (names.count > 0 && !opens(service, &supposed))
        findings_add(
            audit->findings, SEVERITY_WARNING, line->file, line->number,
            "service %s: no token opens %s%s: /etc/shells does not have the shell, and the stack asks pam_shells.so",
            service->name, names.text, more_names(&names, more));
}

static void check_ages(const struct audit *audit, const struct service *service, const struct accounts *accounts,
                       const struct pam_line *line)
{
    static const enum password_age ages[] = { AGE_CHANGE, AGE_EXPIRED };
    struct names names = { .count = 0 };
    char more[32];
    size_t i, k;

    for (i = 0; i < sizeof ages / sizeof ages[0]; i++) {
        const struct supposed supposed = { .age = ages[i] };

        if (opens(service, &supposed))
            continue;
        for (k = 0; k < accounts->count; k++)
            if (accounts->items[k].age == ages[i] && !accounts->items[k].is_expired)
                add_name(&names, accounts->items[k].name);
    }
    if (names.count > 0)
        findings_add(audit->findings, SEVERITY_WARNING, line->file, line->number,
                     "service %s: no token opens %s%s: the local password is aged, and pam_unix.so heeds that without "
                     "no_pass_expiry",
                     service->name, names.text, more_names(&names, more));
}

/* The next account that a stack will refuse when its password ages. */
static void check_ages_ahead(const struct audit *audit, const struct service *service, const struct accounts *accounts,
                             const struct pam_line *line)
{
    const struct supposed supposed = { .age = AGE_CHANGE };
    const struct account *next = NULL;
    size_t i;

    for (i = 0; i < accounts->count; i++) {
        const struct account *account = &accounts->items[i];

        if (account->age == AGE_GOOD && account->ages_on <= accounts_today() + DAYS_AHEAD
            && (next == NULL || account->ages_on < next->ages_on))
            next = account;
    }
    if (next != NULL && !opens(service, &supposed))
        findings_add(audit->findings, SEVERITY_NOTE, line->file, line->number,
                     "service %s: no token will open %s from %s on, when the local password is aged: pam_unix.so heeds "
                     "that without no_pass_expiry",
                     service->name, next->name, accounts_date(next->ages_on));
}

static void check_accounts_of_service(const struct audit *audit, const struct service *service,
                                      const struct accounts *accounts)
{
    const struct supposed nothing = { .age = AGE_GOOD };
    const struct pam_line *auth = find_latchkey(&service->stack, STACK_AUTH);
    const struct pam_line *account = find_latchkey(&service->stack, STACK_ACCOUNT);

    if (auth == NULL || service->is_part || !opens(service, &nothing))
        return;
    check_shells(audit, service, accounts, account != NULL ? account : auth);
    check_ages(audit, service, accounts, account != NULL ? account : auth);
    check_ages_ahead(audit, service, accounts, account != NULL ? account : auth);
}

void check_accounts_of_services(const struct audit *audit)
{
    CLEANUP(accounts_clear) struct accounts accounts = { .count = 0 };
    const char *read = NULL; /* of which configuration the accounts are */
    size_t i;

    for (i = 0; i < audit->count; i++) {
        const struct pam_line *line = find_latchkey(&audit->services[i].stack, STACK_AUTH);
        const char *path = line != NULL ? config_of(line, audit->config) : NULL;
        CLEANUP(config_release) const struct config *config = NULL;
        struct verdict verdict = VERDICT_INIT;

        if (path == NULL || !config_acquire(&verdict, path, &config))
            continue;
        if (read == NULL || strcmp(read, path) != 0) {
            accounts_clear(&accounts);
            if (!accounts_read(config, &accounts))
                audit->findings->is_incomplete = true;
            read = path;
        }
        check_accounts_of_service(audit, &audit->services[i], &accounts);
    }
}
