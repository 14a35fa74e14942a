/*
 * latchkey check: the PAM stacks that name pam_latchkey.so.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "verdict/reason.h"
#include "config/model.h"
#include "pam/options.h"
#include "cli/lint/check.h"
#include "cli/lint/check_pam.h"
#include "cli/lint/pam_callers.h"
#include "cli/lint/pam_stack.h"

#define CODES_MAX 160 /* bytes of a list of return codes in a finding */

/* What a PAM answer of Latchkey's reason table looks like in pam.conf(5): PAM_AUTH_ERR is auth_err. */
#define X(id, name, pam, sasl, status, exit, told, sentence) #pam,
static const char *const answers[] = { REASONS(X) };
#undef X
#define ANSWER_COUNT (sizeof answers / sizeof answers[0])

static size_t answer_code(size_t row)
{
    return return_code(answers[row] + strlen("PAM_"));
}

#define ANY       (~(return_set)0)
#define SUCCEEDS  RETURNS(RETURN_SUCCESS)
#define FAILS     RETURNS(RETURN_AUTH_ERR)
#define ABSTAINS  RETURNS(RETURN_IGNORE)
#define NEVER_YES (ANY & ~SUCCEEDS)

/*
 * Modules whose part in a stack is known: what they can return as auth to somebody who proves nothing, and to anybody
 * at all. A module that asks for proof fails without, and may return anything with it. One without a row may ask for
 * nothing: pam_succeed_if, pam_listfile and pam_exec succeed for whomever their arguments say.
 */
static const struct known_module {
    const char *name;
    return_set without_proof, at_best;
    const char *argument; /* the row is for lines with it, and stands before the module's other row; NULL: for all */
} known_modules[] = {
    { "pam_permit.so", SUCCEEDS, SUCCEEDS, NULL },
    { "pam_deny.so", FAILS, FAILS, NULL },
    { "pam_access.so", SUCCEEDS | FAILS, ANY, NULL },
    { "pam_faillock.so", SUCCEEDS | FAILS, ANY, NULL },
    { "pam_lastlog.so", SUCCEEDS | FAILS, ANY, NULL },
    { "pam_localuser.so", SUCCEEDS | FAILS, ANY, NULL },
    { "pam_securetty.so", SUCCEEDS | FAILS, ANY, NULL },
    { "pam_shells.so", SUCCEEDS | FAILS, ANY, NULL },
    { "pam_echo.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_env.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_faildelay.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_group.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_issue.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_keyinit.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_mail.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_nologin.so", SUCCEEDS | FAILS, ANY, "successok" },
    { "pam_nologin.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_warn.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_usertype.so", SUCCEEDS | FAILS, ANY, NULL },
    { "pam_unix.so", FAILS, ANY, NULL },
    { "pam_sss.so", FAILS, ANY, NULL },
    { "pam_ldap.so", FAILS, ANY, NULL },
    { "pam_krb5.so", FAILS, ANY, NULL },
    { "pam_winbind.so", FAILS, ANY, NULL },
    { "pam_u2f.so", SUCCEEDS | FAILS, ANY, "nouserok" },
    { "pam_u2f.so", FAILS, ANY, NULL },
    { "pam_google_authenticator.so", SUCCEEDS | FAILS, ANY, "nullok" },
    { "pam_google_authenticator.so", FAILS, ANY, NULL },
    { "pam_oath.so", FAILS, ANY, NULL },
    { "pam_yubico.so", FAILS, ANY, NULL },
    { "pam_radius_auth.so", FAILS, ANY, NULL },
    { "pam_userdb.so", FAILS, ANY, NULL },
    { "pam_rootok.so", FAILS, ANY, NULL }, /* the proof: being root already */
};

bool has_argument(const struct pam_line *line, const char *argument)
{
    int i;

    for (i = 0; i < line->argc; i++)
        if (strcmp(line->argv[i], argument) == 0)
            return true;
    return false;
}

static const struct known_module *find_known(const struct pam_line *line)
{
    size_t i;

    for (i = 0; i < sizeof known_modules / sizeof known_modules[0]; i++)
        if (pam_line_is(line, known_modules[i].name)
            && (known_modules[i].argument == NULL || has_argument(line, known_modules[i].argument)))
            return &known_modules[i];
    return NULL;
}

/* What a walk through a stack supposes: Latchkey answers one code throughout. Here modules without a row fail. */
static return_set nothing_is_proven(const struct pam_line *line, const void *latchkey_code)
{
    const struct known_module *known = find_known(line);

    if (pam_line_is(line, MODULE))
        return RETURNS(*(const size_t *)latchkey_code);
    return known != NULL ? known->without_proof : FAILS;
}

static return_set unknown_ones_may_agree(const struct pam_line *line, const void *latchkey_code)
{
    return pam_line_is(line, MODULE) || find_known(line) != NULL ? nothing_is_proven(line, latchkey_code)
                                                                 : SUCCEEDS | FAILS;
}

return_set anything_is_possible(const struct pam_line *line, const void *latchkey_code)
{
    const struct known_module *known = find_known(line);

    if (pam_line_is(line, MODULE))
        return RETURNS(*(const size_t *)latchkey_code);
    return known != NULL && line->type == STACK_AUTH ? known->at_best : pam_line_is(line, "pam_deny.so") ? FAILS : ANY;
}

/* pam_unix's account part: the account has expired. */
static return_set others_refuse(const struct pam_line *line, const void *latchkey_code)
{
    if (pam_line_is(line, MODULE))
        return RETURNS(*(const size_t *)latchkey_code);
    return pam_line_is(line, "pam_permit.so") ? SUCCEEDS : RETURNS(return_code("acct_expired"));
}

static return_set others_agree(const struct pam_line *line, const void *latchkey_code)
{
    if (pam_line_is(line, MODULE))
        return RETURNS(*(const size_t *)latchkey_code);
    return pam_line_is(line, "pam_deny.so") || pam_line_is(line, "pam_rootok.so") ? FAILS : SUCCEEDS;
}

const struct pam_line *find_latchkey(const struct pam_stack *stack, enum stack_type type)
{
    size_t i;

    for (i = 0; i < stack->count; i++)
        if (stack->lines[i].type == type && pam_line_is(&stack->lines[i], MODULE))
            return &stack->lines[i];
    return NULL;
}

/* pam_unix's account part where it may not read /etc/shadow. */
static return_set pam_unix_cannot_know(const struct pam_line *line, const void *latchkey_code)
{
    if (line->type == STACK_ACCOUNT && pam_line_is(line, "pam_unix.so"))
        return has_argument(line, "broken_shadow") ? SUCCEEDS : RETURNS(RETURN_AUTHINFO_UNAVAIL);
    return anything_is_possible(line, latchkey_code);
}

/* A line of the type whose answer could differ from one account to the next where pam_unix has none. */
static bool has_another_judge(const struct pam_stack *stack, enum stack_type type)
{
    static const char *const others[] = { MODULE, "pam_unix.so", "pam_permit.so", "pam_deny.so", "pam_nologin.so" };
    size_t i, k;

    for (i = 0; i < stack->count; i++) {
        const struct pam_line *line = &stack->lines[i];
        const struct known_module *known = find_known(line);

        if (line->type != type || line->module == NULL || (known != NULL && (known->at_best & SUCCEEDS) == 0))
            continue;
        for (k = 0; k < sizeof others / sizeof others[0] && !pam_line_is(line, others[k]); k++)
            ;
        if (k == sizeof others / sizeof others[0])
            return true;
    }
    return false;
}

/* No login by other means exists that a mistake of the stack could shut out. */
static bool takes_tokens_only(const struct service *service)
{
    return service->caller != NULL && !has_another_judge(&service->stack, STACK_AUTH);
}

bool names_latchkey(const struct pam_stack *stack)
{
    enum stack_type type;

    for (type = STACK_AUTH; type < STACK_TYPE_COUNT; type++)
        if (find_latchkey(stack, type) != NULL)
            return true;
    return stack->unread != NULL && strstr(stack->unread, MODULE) != NULL;
}

/* The answers of Latchkey's, other than success, with which whoever proves nothing passes; "": none. */
static void list_answers_that_let_in(const struct pam_stack *stack,
                                     return_set (*returns)(const struct pam_line *line, const void *context),
                                     char codes[CODES_MAX])
{
    return_set seen = SUCCEEDS;
    size_t row, code, len = 0;

    codes[0] = '\0';
    for (row = 0; row <= ANSWER_COUNT; row++) {
        code = row < ANSWER_COUNT ? answer_code(row)
                                  : (size_t)RETURN_MODULE_UNKNOWN; /* libpam's, for one it cannot load */
        if ((seen & RETURNS(code)) != 0)
            continue;
        seen |= RETURNS(code);
        if (!pam_stack_can_succeed(stack, STACK_AUTH, returns, &code))
            continue;
        len += (size_t)snprintf(codes + len, CODES_MAX - len, "%s%s", len > 0 ? ", " : "", return_name(code));
        if (len >= CODES_MAX)
            break;
    }
}

static void check_lets_in(struct findings *findings, const struct service *service)
{
    const struct pam_line *line = find_latchkey(&service->stack, STACK_AUTH);
    char certain[CODES_MAX], possible[CODES_MAX];

    if (line == NULL)
        return;
    list_answers_that_let_in(&service->stack, nothing_is_proven, certain);
    list_answers_that_let_in(&service->stack, unknown_ones_may_agree, possible);
    if (certain[0] != '\0')
        findings_add(findings, SEVERITY_ERROR, line->file, line->number,
                     "service %s: the auth stack lets everybody in, without any proof, when Latchkey answers %s",
                     service->name, certain);
    if (strcmp(certain, possible) != 0)
        findings_add(findings, SEVERITY_WARNING, line->file, line->number,
                     "service %s: a module that is not known to ask for proof can let people in without any when "
                     "Latchkey answers %s",
                     service->name, possible);
}

/* A jump that is one too short, or too long, refuses every good token; who tries a wrong one sees no difference. */
static void check_opens(struct findings *findings, const struct service *service)
{
    static const enum stack_type types[] = { STACK_AUTH, STACK_ACCOUNT };
    static const char *const names[] = { "auth", "account" };
    const size_t code = RETURN_SUCCESS;
    size_t i;

    for (i = 0; i < sizeof types / sizeof types[0]; i++) {
        const struct pam_line *line = find_latchkey(&service->stack, types[i]);

        if (line != NULL && !pam_stack_can_succeed(&service->stack, types[i], anything_is_possible, &code))
            findings_add(findings, SEVERITY_ERROR, line->file, line->number,
                         "service %s: no token opens it: the %s stack cannot end in success when Latchkey's does",
                         service->name, names[i]);
    }
}

/* The stack of a program that is root refuses every token where the program is not: pam_unix cannot know the account.
 */
static void check_opens_to_caller(struct findings *findings, const struct service *service)
{
    const struct pam_stack *stack = &service->stack;
    const size_t code = RETURN_SUCCESS;
    const struct pam_line *line = find_latchkey(stack, STACK_ACCOUNT);
    size_t i;

    if (service->caller == NULL || line == NULL || pam_caller_reads_shadow(service->caller)
        || pam_stack_can_succeed(stack, STACK_ACCOUNT, pam_unix_cannot_know, &code)
        || !pam_stack_can_succeed(stack, STACK_ACCOUNT, anything_is_possible, &code))
        return;
    for (i = 0; i < stack->count && !pam_line_is(line, "pam_unix.so"); i++)
        if (stack->lines[i].type == STACK_ACCOUNT && pam_line_is(&stack->lines[i], "pam_unix.so"))
            line = &stack->lines[i];
    findings_add(findings, SEVERITY_ERROR, line->file, line->number,
                 "service %s: no token opens it: %s runs PAM as the user %s, and the account stack cannot end in "
                 "success, because pam_unix answers authinfo_unavail to a program that may not read /etc/shadow; see "
                 "pam_latchkey(8), PROGRAMS THAT ARE NOT ROOT",
                 service->name, service->caller->program, service->caller->user);
}

/* Setuid programs that keep the limits of their caller, who by ulimit -v keeps libpam from loading the module. */
static bool keeps_callers_limits(const char *service)
{
    static const char *const services[] = { "su", "su-l", "polkit-1", "chfn", "chsh" };
    size_t i;

    for (i = 0; i < sizeof services / sizeof services[0]; i++)
        if (strcmp(services[i], service) == 0)
            return true;
    return false;
}

static void check_unloadable(struct findings *findings, const struct service *service)
{
    const struct pam_line *account = find_latchkey(&service->stack, STACK_ACCOUNT);
    const size_t code = RETURN_MODULE_UNKNOWN;

    if (account != NULL && keeps_callers_limits(service->name)
        && pam_stack_can_succeed(&service->stack, STACK_ACCOUNT, others_agree, &code))
        findings_add(
            findings, SEVERITY_WARNING, account->file, account->number,
            "service %s: the account stack succeeds when Latchkey cannot be loaded (module_unknown), which the "
            "caller of the program can bring about by ulimit -v: revoked people with a local password get in",
            service->name);
}

static void check_locks_out(struct findings *findings, const struct service *service)
{
    const struct pam_line *auth = find_latchkey(&service->stack, STACK_AUTH);
    const struct pam_line *account = find_latchkey(&service->stack, STACK_ACCOUNT);
    const size_t code = RETURN_AUTHINFO_UNAVAIL;

    if (takes_tokens_only(service))
        return;
    if (auth != NULL && !pam_stack_can_succeed(&service->stack, STACK_AUTH, anything_is_possible, &code))
        findings_add(findings, SEVERITY_WARNING, auth->file, auth->number,
                     "service %s: everybody is locked out while Latchkey cannot decide (authinfo_unavail): no other "
                     "module of the auth stack can let anybody in then",
                     service->name);
    if (account != NULL && !pam_stack_can_succeed(&service->stack, STACK_ACCOUNT, anything_is_possible, &code))
        findings_add(findings, SEVERITY_WARNING, account->file, account->number,
                     "service %s: everybody is locked out while Latchkey cannot decide (authinfo_unavail): the account "
                     "stack does not ignore it",
                     service->name);
}

/* Latchkey ignores what is not its business: pam_setcred() and the account of other logins. */
static void check_ignore(struct findings *findings, const struct service *service)
{
    const struct pam_line *account = find_latchkey(&service->stack, STACK_ACCOUNT);
    const size_t code = RETURN_IGNORE;
    size_t i;

    for (i = 0; i < service->stack.count; i++) {
        const struct pam_line *line = &service->stack.lines[i];
        int action = line->actions[RETURN_IGNORE];

        if (line->type == STACK_AUTH && pam_line_is(line, MODULE) && (action == ACTION_BAD || action == ACTION_DIE))
            findings_add(
                findings, SEVERITY_WARNING, line->file, line->number,
                "service %s: without ignore=ignore, logins by other means (a local password) fail in pam_setcred()",
                service->name);
    }
    if (account != NULL && !takes_tokens_only(service)
        && !pam_stack_can_succeed(&service->stack, STACK_ACCOUNT, anything_is_possible, &code))
        findings_add(findings, SEVERITY_WARNING, account->file, account->number,
                     "service %s: logins by other means (a public key, a password) are refused: Latchkey ignores them, "
                     "and the account stack then cannot succeed",
                     service->name);
}

static void check_revocation_holds(struct findings *findings, const struct service *service)
{
    const struct pam_line *auth = find_latchkey(&service->stack, STACK_AUTH);
    const struct pam_line *account = find_latchkey(&service->stack, STACK_ACCOUNT);
    const size_t code = RETURN_PERM_DENIED;

    if (account == NULL && auth != NULL)
        findings_add(findings, SEVERITY_WARNING, auth->file, auth->number,
                     "service %s: no account line names " MODULE
                     ": the revocation list does not shut out logins by public key",
                     service->name);
    if (account != NULL && pam_stack_can_succeed(&service->stack, STACK_ACCOUNT, others_agree, &code))
        findings_add(findings, SEVERITY_WARNING, account->file, account->number,
                     "service %s: the account stack succeeds though Latchkey refuses (perm_denied): revoked people "
                     "get in",
                     service->name);
}

static void check_account_of_others(struct findings *findings, const struct service *service)
{
    const struct pam_line *account = find_latchkey(&service->stack, STACK_ACCOUNT);
    const size_t code = RETURN_SUCCESS;

    if (service->caller != NULL && !has_another_judge(&service->stack, STACK_ACCOUNT))
        return; /* no module of it knows whether the account has expired */
    if (account != NULL && pam_stack_can_succeed(&service->stack, STACK_ACCOUNT, others_refuse, &code))
        findings_add(findings, SEVERITY_WARNING, account->file, account->number,
                     "service %s: Latchkey's success skips the account checks of the other modules: expired accounts "
                     "get in",
                     service->name);
}

const char *config_of(const struct pam_line *line, const char *otherwise)
{
    struct pam_options options;
    char error[PAM_OPTIONS_ERROR_MAX];

    return pam_options_parse(line->argc, (const char *const *)line->argv, &options, error) && options.config != NULL
        ? options.config
        : otherwise;
}

/* An account of a directory: modules that only look whether an account is local, or root's, do not vouch for it. */
struct refusal {
    size_t latchkey_code;
    const char *module; /* which refuses; the others agree */
};

static return_set one_refuses(const struct pam_line *line, const void *context)
{
    static const char *const of_others[] = { "pam_deny.so", "pam_localuser.so", "pam_rootok.so", "pam_succeed_if.so" };
    const struct refusal *refusal = context;
    size_t i;

    if (pam_line_is(line, MODULE))
        return RETURNS(refusal->latchkey_code);
    if (pam_line_is(line, refusal->module))
        return RETURNS(RETURN_PERM_DENIED);
    for (i = 0; i < sizeof of_others / sizeof of_others[0]; i++)
        if (pam_line_is(line, of_others[i]))
            return FAILS;
    return SUCCEEDS;
}

static const char *file_name(const char *module)
{
    const char *slash = strrchr(module, '/');

    return slash != NULL ? slash + 1 : module;
}

/* A module that refuses other logins, and that a jump or an end of the stack on Latchkey's success leaves out. */
static void check_left_out(struct findings *findings, const struct service *service)
{
    const struct pam_line *account = find_latchkey(&service->stack, STACK_ACCOUNT);
    const size_t code = RETURN_SUCCESS;
    size_t i;

    if (account == NULL || pam_stack_can_succeed(&service->stack, STACK_ACCOUNT, others_refuse, &code))
        return; /* nothing at all is asked: check_account_of_others() tells it */
    for (i = 0; i < service->stack.count; i++) {
        const struct pam_line *line = &service->stack.lines[i];
        struct refusal by_token = { RETURN_SUCCESS, NULL }, otherwise = { RETURN_IGNORE, NULL };

        if (line->type != STACK_ACCOUNT || line->module == NULL || pam_line_is(line, MODULE)
            || pam_line_is(line, "pam_permit.so"))
            continue;
        by_token.module = otherwise.module = file_name(line->module);
        if (pam_stack_can_succeed(&service->stack, STACK_ACCOUNT, one_refuses, &by_token)
            && !pam_stack_can_succeed(&service->stack, STACK_ACCOUNT, one_refuses, &otherwise))
            findings_add(
                findings, SEVERITY_WARNING, line->file, line->number,
                "service %s: Latchkey's success skips %s: an account that it refuses to others opens to a token",
                service->name, line->module);
    }
}

static bool same_arguments(const struct pam_line *a, const struct pam_line *b)
{
    int i;

    for (i = 0; i < a->argc && i < b->argc && strcmp(a->argv[i], b->argv[i]) == 0; i++)
        ;
    return i == a->argc && i == b->argc;
}

/* By an include beside a line of the stack's own, most likely. */
static void check_twice(struct findings *findings, const struct service *service)
{
    const struct pam_stack *stack = &service->stack;
    size_t i, k;

    for (i = 0; i < stack->count; i++)
        for (k = 0; k < i; k++)
            if (stack->lines[i].type == stack->lines[k].type && pam_line_is(&stack->lines[i], MODULE)
                && pam_line_is(&stack->lines[k], MODULE) && same_arguments(&stack->lines[i], &stack->lines[k]))
                findings_add(findings, SEVERITY_WARNING, stack->lines[i].file, stack->lines[i].number,
                             "service %s: " MODULE " stands a second time with the same arguments (first in %s:%zu)",
                             service->name, stack->lines[k].file, stack->lines[k].number);
}

static void check_same_config(struct findings *findings, const struct service *service)
{
    const struct pam_line *auth = find_latchkey(&service->stack, STACK_AUTH);
    const struct pam_line *account = find_latchkey(&service->stack, STACK_ACCOUNT);

    if (auth != NULL && account != NULL
        && strcmp(config_of(auth, CONFIG_PATH_DEFAULT), config_of(account, CONFIG_PATH_DEFAULT)) != 0)
        findings_add(findings, SEVERITY_WARNING, account->file, account->number,
                     "service %s: the auth and the account line have different configurations: %s and %s",
                     service->name, config_of(auth, CONFIG_PATH_DEFAULT), config_of(account, CONFIG_PATH_DEFAULT));
}

static void check_first_pass(struct findings *findings, const struct service *service)
{
    struct pam_options options;
    char error[PAM_OPTIONS_ERROR_MAX];
    const struct pam_line *line = NULL;
    size_t i;

    for (i = 0; line == NULL && i < service->stack.count; i++)
        if (service->stack.lines[i].type == STACK_AUTH && service->stack.lines[i].module != NULL)
            line = &service->stack.lines[i];
    if (line != NULL && pam_line_is(line, MODULE)
        && pam_options_parse(line->argc, (const char *const *)line->argv, &options, error) && options.use_first_pass)
        findings_add(findings, SEVERITY_WARNING, line->file, line->number,
                     "service %s: use_first_pass in the first line finds nothing: no module before it has asked",
                     service->name);
}

/* What is asked of a whole stack, not of a part that others include. */
static void (*const stack_checks[])(struct findings *findings, const struct service *service) = {
    check_lets_in,   check_opens,  check_opens_to_caller,  check_unloadable,
    check_locks_out, check_ignore, check_revocation_holds, check_account_of_others,
    check_left_out,  check_twice,  check_same_config,      check_first_pass,
};

static void check_options(struct findings *findings, const struct pam_line *line)
{
    struct pam_options options;
    char error[PAM_OPTIONS_ERROR_MAX];

    if (!pam_options_parse(line->argc, (const char *const *)line->argv, &options, error))
        findings_add(findings, SEVERITY_ERROR, line->file, line->number, "%s", error);
    else if (options.config != NULL && !check_configuration(findings, options.config))
        findings_add(findings, SEVERITY_ERROR, line->file, line->number, "config=%s does not load", options.config);
}

/* A line without its module answers module_unknown, whatever else it says. */
static void check_module(struct findings *findings, const struct pam_system *system, const struct pam_line *line)
{
    const bool is_ours = pam_line_is(line, MODULE);

    if (line->module == NULL || pam_system_module(system, line->module) != MODULE_MISSING)
        return;
    if (is_ours)
        findings_add(findings, SEVERITY_ERROR, line->file, line->number,
                     "%s: No such file%s: libpam cannot load Latchkey, and no token opens the service", line->module,
                     line->module[0] == '/' ? "" : " in libpam's folder");
    else if (!line->is_silent)
        findings_add(findings, SEVERITY_WARNING, line->file, line->number,
                     "%s: No such file%s: libpam takes the line for module_unknown", line->module,
                     line->module[0] == '/' ? "" : " in libpam's folder");
}

static void check_line(struct findings *findings, const struct pam_system *system, const struct pam_line *line)
{
    if (line->broken != NULL)
        findings_add(findings, SEVERITY_ERROR, line->file, line->number, "%s%s", line->broken,
                     line->is_fatal ? ": libpam refuses the whole service" : "");
    check_module(findings, system, line);
    if (!pam_line_is(line, MODULE))
        return;
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

static void check_service(const struct audit *audit, const struct service *service)
{
    size_t i;

    if (!names_latchkey(&service->stack))
        return;
    check_files(audit->findings, &service->stack);
    for (i = 0; i < service->stack.count; i++)
        check_line(audit->findings, audit->system, &service->stack.lines[i]);
    for (i = 0; !service->is_part && i < sizeof stack_checks / sizeof stack_checks[0]; i++)
        stack_checks[i](audit->findings, service);
}

/* Left behind by editors and packages; nothing has a service of such a name. */
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

static int is_service(const struct dirent *entry)
{
    return !is_leftover(entry->d_name) && entry->d_type != DT_DIR;
}

/* What libpam will not find is known before a stack is judged. Latchkey's own lines are judged as if it were there. */
static void mark_missing(const struct pam_system *system, struct pam_stack *stack)
{
    size_t i;

    for (i = 0; i < stack->count; i++) {
        struct pam_line *line = &stack->lines[i];

        line->is_missing = line->module != NULL && !pam_line_is(line, MODULE)
            && pam_system_module(system, line->module) == MODULE_MISSING;
    }
}

static void read_service(struct audit *audit, const char *directory, const char *name)
{
    struct service *service = &audit->services[audit->count];
    char path[PATH_MAX + NAME_MAX + 2];

    service->name = strdup(name);
    if (service->name == NULL) {
        audit->findings->is_incomplete = true;
        return;
    }
    audit->count++;
    if (pam_stack_read(audit->system, name, &service->stack)) {
        mark_missing(audit->system, &service->stack);
        return;
    }
    snprintf(path, sizeof path, "%s/%s", directory, name);
    findings_add(audit->findings, SEVERITY_ERROR, path, 0, "cannot be read: %s", strerror(errno));
}

static bool includes(const struct pam_stack *stack, const char *path)
{
    size_t i;

    for (i = 1; i < stack->file_count; i++)
        if (strcmp(stack->files[i], path) == 0)
            return true;
    return false;
}

static void mark_parts(struct audit *audit)
{
    size_t i, k;

    for (i = 0; i < audit->count; i++)
        for (k = 0; k < audit->count && audit->services[i].stack.file_count > 0; k++)
            if (k != i && includes(&audit->services[k].stack, audit->services[i].stack.files[0]))
                audit->services[i].is_part = strcmp(audit->services[i].name, PAM_SERVICE_OTHER) != 0;
}

static void audit_clear(struct audit *audit)
{
    size_t i;

    for (i = 0; i < audit->count; i++) {
        pam_stack_free(&audit->services[i].stack);
        free(audit->services[i].name);
    }
    free(audit->services);
}

const struct service *find_service(const struct audit *audit, const char *name)
{
    size_t i;

    for (i = 0; i < audit->count; i++)
        if (strcmp(audit->services[i].name, name) == 0)
            return &audit->services[i];
    return NULL;
}

/* The services of a directory that none before it has. False when it cannot be read. */
static bool read_services(struct audit *audit, const char *directory)
{
    struct dirent **entries = NULL;
    struct service *larger;
    int count = scandir(directory, &entries, is_service, alphasort), i;

    if (count < 0)
        return false;
    larger = reallocarray(audit->services, audit->count + (size_t)count + 1, sizeof *larger);
    if (larger == NULL)
        audit->findings->is_incomplete = true;
    else
        audit->services = larger;
    for (i = 0; i < count; i++) {
        if (larger != NULL && find_service(audit, entries[i]->d_name) == NULL) {
            audit->services[audit->count] = (struct service){ .name = NULL };
            read_service(audit, directory, entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
    return true;
}

void check_pam(struct findings *findings, const char *directory, const char *config)
{
    struct pam_system system;
    CLEANUP(audit_clear) struct audit audit = { .findings = findings, .system = &system, .config = config };
    size_t i;

    if (!pam_system_of(directory, &system)) {
        findings_add(findings, SEVERITY_ERROR, directory, 0, "%s", strerror(ENAMETOOLONG));
        return;
    }
    if (!read_services(&audit, system.directory)) {
        findings_add(findings, SEVERITY_ERROR, system.directory, 0, "cannot be read: %s", strerror(errno));
        return;
    }
    if (system.vendor[0] != '\0' && !read_services(&audit, system.vendor) && errno != ENOENT)
        findings_add(findings, SEVERITY_ERROR, system.vendor, 0, "cannot be read: %s", strerror(errno));
    mark_parts(&audit);
    for (i = 0; i < audit.count; i++) {
        audit.services[i].caller = find_caller(&audit.services[i]);
        check_service(&audit, &audit.services[i]);
        check_caller(&audit, &audit.services[i]);
    }
    check_accounts_of_services(&audit);
    check_services(&audit);
}
