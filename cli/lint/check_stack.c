#include "cli/lint/check_stack.h"

#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "verdict/reason.h"
#include "config/model.h"
#include "cli/lint/pam_dispatch.h"
#include "cli/lint/pam_modules.h"

#define CODES_MAX 160 /* bytes of a list of return codes in a finding */

/* What a PAM answer of Latchkey's reason table looks like in pam.conf(5): PAM_AUTH_ERR is auth_err. */
#define X(id, name, pam, sasl, status, exit, told, sentence) #pam,
static const char *const answers[] = { REASONS(X) };
#undef X
#define ANSWER_COUNT (sizeof answers / sizeof answers[0])

/* One service under the checks below. */
struct subject {
    struct findings *findings;
    const struct pam_service *service;
    const struct pam_stack *stack;
    const struct pam_line *auth, *account; /* the first line of Latchkey; NULL: there is none */
    bool takes_tokens_only;                /* no other login exists that a mistake of the stack could refuse */
};

/* What a walk through a stack assumes: Latchkey answers one code throughout. */
struct assumption {
    size_t latchkey_code;
    return_set (*of_others)(const struct pam_line *line, const char *module);
    const char *module; /* of one_refuses() */
};

static return_set returns_of_line(const struct pam_line *line, const void *context)
{
    const struct assumption *assumption = context;

    return pam_line_is(line, MODULE) ? RETURNS(assumption->latchkey_code)
                                     : assumption->of_others(line, assumption->module);
}

static bool can_succeed(const struct subject *subject, enum stack_type type, size_t latchkey_code,
                        return_set (*of_others)(const struct pam_line *line, const char *module), const char *module)
{
    const struct assumption assumption = { latchkey_code, of_others, module };

    return pam_dispatch_can_succeed(subject->stack, type, returns_of_line, &assumption);
}

/* The user proves nothing, and modules without a row fail. */
static return_set nothing_is_proven(const struct pam_line *line, const char *module)
{
    (void)module;
    return pam_module_without_proof(line, FAILS);
}

static return_set unknown_ones_may_agree(const struct pam_line *line, const char *module)
{
    (void)module;
    return pam_module_without_proof(line, SUCCEEDS | FAILS);
}

static return_set anything_is_possible(const struct pam_line *line, const char *module)
{
    (void)module;
    return pam_module_to_any(line);
}

/* pam_unix's account part: the account has expired. */
static return_set others_refuse(const struct pam_line *line, const char *module)
{
    (void)module;
    return pam_line_is(line, "pam_permit.so") ? SUCCEEDS : RETURNS(return_code("acct_expired"));
}

static return_set others_agree(const struct pam_line *line, const char *module)
{
    (void)module;
    return pam_line_is(line, "pam_deny.so") || pam_line_is(line, "pam_rootok.so") ? FAILS : SUCCEEDS;
}

/* pam_unix's account part in a program that may not read /etc/shadow. */
static return_set pam_unix_cannot_know(const struct pam_line *line, const char *module)
{
    (void)module;
    if (line->type == STACK_ACCOUNT && pam_line_is(line, "pam_unix.so"))
        return pam_line_has(line, "broken_shadow") ? SUCCEEDS : RETURNS(RETURN_AUTHINFO_UNAVAIL);
    return pam_module_to_any(line);
}

/* The account is one of a directory, and `module` refuses it. The others agree, except modules that accept only local
 * accounts or root. */
static return_set one_refuses(const struct pam_line *line, const char *module)
{
    static const char *const of_others[] = { "pam_deny.so", "pam_localuser.so", "pam_rootok.so", "pam_succeed_if.so" };
    size_t i;

    if (pam_line_is(line, module))
        return RETURNS(RETURN_PERM_DENIED);
    for (i = 0; i < sizeof of_others / sizeof of_others[0]; i++)
        if (pam_line_is(line, of_others[i]))
            return FAILS;
    return SUCCEEDS;
}

/* The answers of Latchkey, other than success, with which the stack accepts a user who proves nothing; "": none. */
static void list_answers_that_let_in(const struct subject *subject,
                                     return_set (*of_others)(const struct pam_line *line, const char *module),
                                     char codes[CODES_MAX])
{
    return_set seen = SUCCEEDS;
    size_t row, len = 0;

    codes[0] = '\0';
    for (row = 0; row <= ANSWER_COUNT && len < CODES_MAX; row++) {
        /* After the rows: what libpam answers for a module that it cannot load. */
        const size_t code =
            row < ANSWER_COUNT ? return_code(answers[row] + strlen("PAM_")) : (size_t)RETURN_MODULE_UNKNOWN;

        if ((seen & RETURNS(code)) != 0)
            continue;
        seen |= RETURNS(code);
        if (can_succeed(subject, STACK_AUTH, code, of_others, NULL))
            len += (size_t)snprintf(codes + len, CODES_MAX - len, "%s%s", len > 0 ? ", " : "", return_name(code));
    }
}

static void check_lets_in(const struct subject *subject)
{
    char certain[CODES_MAX], possible[CODES_MAX];

    if (subject->auth == NULL)
        return;
    list_answers_that_let_in(subject, nothing_is_proven, certain);
    list_answers_that_let_in(subject, unknown_ones_may_agree, possible);
    if (certain[0] != '\0')
        pam_lint_add(subject->findings, SEVERITY_ERROR, subject->service, subject->auth,
                     "the auth stack accepts every user, without any proof, when Latchkey answers %s", certain);
    if (strcmp(certain, possible) != 0)
        pam_lint_add(subject->findings, SEVERITY_WARNING, subject->service, subject->auth,
                     "a module that is not known to ask for proof can make the auth stack accept users without proof "
                     "when Latchkey answers %s",
                     possible);
}

/* A jump that is one line too short or too long refuses every good token, and a test with a bad token does not show it.
 */
static void check_accepts_tokens(const struct subject *subject)
{
    if (subject->auth != NULL && !can_succeed(subject, STACK_AUTH, RETURN_SUCCESS, anything_is_possible, NULL))
        pam_lint_add(subject->findings, SEVERITY_ERROR, subject->service, subject->auth,
                     "every token is refused: the auth stack cannot end in success when Latchkey accepts");
    if (subject->account != NULL && !can_succeed(subject, STACK_ACCOUNT, RETURN_SUCCESS, anything_is_possible, NULL))
        pam_lint_add(subject->findings, SEVERITY_ERROR, subject->service, subject->account,
                     "every token is refused: the account stack cannot end in success when Latchkey accepts");
}

/* A stack that is right for a program of root may refuse every token in a program of another user. */
static void check_accepts_tokens_of_caller(const struct subject *subject)
{
    const struct pam_caller *caller = subject->service->caller;
    const struct pam_line *line = subject->account;
    size_t i;

    if (caller == NULL || line == NULL || pam_caller_reads_shadow(caller) != ACCOUNT_ABSENT)
        return;
    if (can_succeed(subject, STACK_ACCOUNT, RETURN_SUCCESS, pam_unix_cannot_know, NULL)
        || !can_succeed(subject, STACK_ACCOUNT, RETURN_SUCCESS, anything_is_possible, NULL))
        return;
    for (i = 0; i < subject->stack->count && !pam_line_is(line, "pam_unix.so"); i++)
        if (subject->stack->lines[i].type == STACK_ACCOUNT && pam_line_is(&subject->stack->lines[i], "pam_unix.so"))
            line = &subject->stack->lines[i];
    pam_lint_add(subject->findings, SEVERITY_ERROR, subject->service, line,
                 "every token is refused: %s runs PAM as the user %s, and the account stack cannot end in success, "
                 "because pam_unix answers authinfo_unavail to a program that may not read /etc/shadow; see "
                 "pam_latchkey(8), PROGRAMS THAT ARE NOT ROOT",
                 caller->program, caller->user);
}

/* Setuid programs that keep the resource limits of their caller: with ulimit -v the caller keeps libpam from loading
 * the module. */
static bool keeps_callers_limits(const char *service)
{
    static const char *const services[] = { "su", "su-l", "polkit-1", "chfn", "chsh" };
    size_t i;

    for (i = 0; i < sizeof services / sizeof services[0]; i++)
        if (strcmp(services[i], service) == 0)
            return true;
    return false;
}

static void check_unloadable(const struct subject *subject)
{
    if (subject->account != NULL && keeps_callers_limits(subject->service->name)
        && can_succeed(subject, STACK_ACCOUNT, RETURN_MODULE_UNKNOWN, others_agree, NULL))
        pam_lint_add(subject->findings, SEVERITY_WARNING, subject->service, subject->account,
                     "the account stack succeeds when libpam cannot load Latchkey (module_unknown), which the caller "
                     "of the program can cause with ulimit -v: revoked users with a local password can log in");
}

static void check_locks_out(const struct subject *subject)
{
    const size_t code = RETURN_AUTHINFO_UNAVAIL;

    if (subject->takes_tokens_only)
        return;
    if (subject->auth != NULL && !can_succeed(subject, STACK_AUTH, code, anything_is_possible, NULL))
        pam_lint_add(subject->findings, SEVERITY_WARNING, subject->service, subject->auth,
                     "every user is locked out while Latchkey cannot decide (authinfo_unavail): no other module of the "
                     "auth stack can then accept a user");
    if (subject->account != NULL && !can_succeed(subject, STACK_ACCOUNT, code, anything_is_possible, NULL))
        pam_lint_add(subject->findings, SEVERITY_WARNING, subject->service, subject->account,
                     "every user is locked out while Latchkey cannot decide (authinfo_unavail): the account stack does "
                     "not ignore it");
}

/* Latchkey answers "ignore" to pam_setcred(), and to the account part of logins by other means. */
static void check_ignore(const struct subject *subject)
{
    size_t i;

    for (i = 0; i < subject->stack->count; i++) {
        const struct pam_line *line = &subject->stack->lines[i];
        const int action = line->actions[RETURN_IGNORE];

        if (line->type == STACK_AUTH && pam_line_is(line, MODULE) && (action == ACTION_BAD || action == ACTION_DIE))
            pam_lint_add(subject->findings, SEVERITY_WARNING, subject->service, line,
                         "without ignore=ignore, logins by other means (a local password) fail in pam_setcred()");
    }
    if (subject->account != NULL && !subject->takes_tokens_only
        && !can_succeed(subject, STACK_ACCOUNT, RETURN_IGNORE, anything_is_possible, NULL))
        pam_lint_add(subject->findings, SEVERITY_WARNING, subject->service, subject->account,
                     "logins by other means (a public key, a password) are refused: Latchkey answers ignore for them, "
                     "and the account stack then cannot succeed");
}

static void check_revocation_holds(const struct subject *subject)
{
    if (subject->account == NULL && subject->auth != NULL)
        pam_lint_add(subject->findings, SEVERITY_WARNING, subject->service, subject->auth,
                     "no account line names " MODULE ": the revocation list does not refuse logins by public key");
    if (subject->account != NULL && can_succeed(subject, STACK_ACCOUNT, RETURN_PERM_DENIED, others_agree, NULL))
        pam_lint_add(subject->findings, SEVERITY_WARNING, subject->service, subject->account,
                     "the account stack succeeds although Latchkey refuses (perm_denied): revoked users can log in");
}

static void check_account_of_others(const struct subject *subject)
{
    if (subject->service->caller != NULL && !pam_modules_tell_accounts_apart(subject->stack, STACK_ACCOUNT))
        return; /* none of its modules knows whether the account has expired */
    if (subject->account != NULL && can_succeed(subject, STACK_ACCOUNT, RETURN_SUCCESS, others_refuse, NULL))
        pam_lint_add(subject->findings, SEVERITY_WARNING, subject->service, subject->account,
                     "Latchkey's success skips the account checks of the other modules: users whose account has "
                     "expired can log in");
}

/* A module that refuses other logins, and that Latchkey's success skips by a jump or by ending the stack. */
static void check_skipped(const struct subject *subject)
{
    size_t i;

    if (subject->account == NULL || can_succeed(subject, STACK_ACCOUNT, RETURN_SUCCESS, others_refuse, NULL))
        return; /* every module is skipped: check_account_of_others() reports it */
    for (i = 0; i < subject->stack->count; i++) {
        const struct pam_line *line = &subject->stack->lines[i];
        const char *module = line->module != NULL ? path_name(line->module) : NULL;

        if (line->type != STACK_ACCOUNT || module == NULL || pam_line_is(line, MODULE)
            || pam_line_is(line, "pam_permit.so"))
            continue;
        if (can_succeed(subject, STACK_ACCOUNT, RETURN_SUCCESS, one_refuses, module)
            && !can_succeed(subject, STACK_ACCOUNT, RETURN_IGNORE, one_refuses, module))
            pam_lint_add(subject->findings, SEVERITY_WARNING, subject->service, line,
                         "Latchkey's success skips %s: a token is accepted for accounts that this module refuses to "
                         "other logins",
                         line->module);
    }
}

static bool same_arguments(const struct pam_line *a, const struct pam_line *b)
{
    int i;

    if (a->argc != b->argc)
        return false;
    for (i = 0; i < a->argc; i++)
        if (strcmp(a->argv[i], b->argv[i]) != 0)
            return false;
    return true;
}

/* Most likely an include repeats a line that the file has itself. */
static void check_twice(const struct subject *subject)
{
    const struct pam_line *lines = subject->stack->lines;
    size_t i, k;

    for (i = 0; i < subject->stack->count; i++)
        for (k = 0; k < i; k++)
            if (lines[i].type == lines[k].type && pam_line_is(&lines[i], MODULE) && pam_line_is(&lines[k], MODULE)
                && same_arguments(&lines[i], &lines[k]))
                pam_lint_add(subject->findings, SEVERITY_WARNING, subject->service, &lines[i],
                             MODULE " is named a second time with the same arguments (first in %s:%zu)", lines[k].file,
                             lines[k].number);
}

static void check_same_config(const struct subject *subject)
{
    const char *auth = subject->auth != NULL ? config_of(subject->auth, CONFIG_PATH_DEFAULT) : NULL;
    const char *account = subject->account != NULL ? config_of(subject->account, CONFIG_PATH_DEFAULT) : NULL;

    if (auth != NULL && account != NULL && strcmp(auth, account) != 0)
        pam_lint_add(subject->findings, SEVERITY_WARNING, subject->service, subject->account,
                     "the auth line and the account line have different configurations: %s and %s", auth, account);
}

static void check_first_pass(const struct subject *subject)
{
    struct pam_options options;
    const struct pam_line *line = NULL;
    size_t i;

    for (i = 0; line == NULL && i < subject->stack->count; i++)
        if (subject->stack->lines[i].type == STACK_AUTH && subject->stack->lines[i].module != NULL)
            line = &subject->stack->lines[i];
    if (line != NULL && read_latchkey(line, &options) && options.use_first_pass)
        pam_lint_add(subject->findings, SEVERITY_WARNING, subject->service, line,
                     "use_first_pass in the first line finds nothing: no module before it has asked");
}

/* In the order of the findings. */
static void (*const stack_checks[])(const struct subject *subject) = {
    check_lets_in,     check_accepts_tokens,   check_accepts_tokens_of_caller, check_unloadable, check_locks_out,
    check_ignore,      check_revocation_holds, check_account_of_others,        check_skipped,    check_twice,
    check_same_config, check_first_pass,
};

void check_stack(struct findings *findings, const struct pam_service *service)
{
    const struct subject subject = {
        .findings = findings,
        .service = service,
        .stack = &service->stack,
        .auth = find_latchkey(&service->stack, STACK_AUTH),
        .account = find_latchkey(&service->stack, STACK_ACCOUNT),
        .takes_tokens_only = service->caller != NULL && !pam_modules_tell_accounts_apart(&service->stack, STACK_AUTH),
    };
    size_t i;

    for (i = 0; i < sizeof stack_checks / sizeof stack_checks[0]; i++)
        stack_checks[i](&subject);
}
