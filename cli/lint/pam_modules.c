#include "cli/lint/pam_modules.h"

#include <stddef.h>

#define ABSTAINS  RETURNS(RETURN_IGNORE)
#define NEVER_YES (ANY_RETURN & ~SUCCEEDS)

/*
 * Modules with a known role, and what they can return as auth: to a user who proves nothing, and to any user. A module
 * that asks for proof fails without it, and may return anything with it. A module without a row may ask for nothing:
 * pam_succeed_if, pam_listfile and pam_exec succeed for the users that their arguments select.
 */
static const struct known_module {
    const char *name;
    return_set without_proof, to_any;
    const char *argument; /* the row is for lines with it, and precedes the module's other row; NULL: for all lines */
} known_modules[] = {
    { "pam_permit.so", SUCCEEDS, SUCCEEDS, NULL },
    { "pam_deny.so", FAILS, FAILS, NULL },
    { "pam_access.so", SUCCEEDS | FAILS, ANY_RETURN, NULL },
    { "pam_faillock.so", SUCCEEDS | FAILS, ANY_RETURN, NULL },
    { "pam_lastlog.so", SUCCEEDS | FAILS, ANY_RETURN, NULL },
    { "pam_localuser.so", SUCCEEDS | FAILS, ANY_RETURN, NULL },
    { "pam_securetty.so", SUCCEEDS | FAILS, ANY_RETURN, NULL },
    { "pam_shells.so", SUCCEEDS | FAILS, ANY_RETURN, NULL },
    { "pam_echo.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_env.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_faildelay.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_group.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_issue.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_keyinit.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_mail.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_nologin.so", SUCCEEDS | FAILS, ANY_RETURN, "successok" },
    { "pam_nologin.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_warn.so", ABSTAINS, NEVER_YES, NULL },
    { "pam_usertype.so", SUCCEEDS | FAILS, ANY_RETURN, NULL },
    { "pam_unix.so", FAILS, ANY_RETURN, NULL },
    { "pam_sss.so", FAILS, ANY_RETURN, NULL },
    { "pam_ldap.so", FAILS, ANY_RETURN, NULL },
    { "pam_krb5.so", FAILS, ANY_RETURN, NULL },
    { "pam_winbind.so", FAILS, ANY_RETURN, NULL },
    { "pam_u2f.so", SUCCEEDS | FAILS, ANY_RETURN, "nouserok" },
    { "pam_u2f.so", FAILS, ANY_RETURN, NULL },
    { "pam_google_authenticator.so", SUCCEEDS | FAILS, ANY_RETURN, "nullok" },
    { "pam_google_authenticator.so", FAILS, ANY_RETURN, NULL },
    { "pam_oath.so", FAILS, ANY_RETURN, NULL },
    { "pam_yubico.so", FAILS, ANY_RETURN, NULL },
    { "pam_radius_auth.so", FAILS, ANY_RETURN, NULL },
    { "pam_userdb.so", FAILS, ANY_RETURN, NULL },
    { "pam_rootok.so", FAILS, ANY_RETURN, NULL }, /* the proof: being root already */
};

static const struct known_module *find_known(const struct pam_line *line)
{
    size_t i;

    for (i = 0; i < sizeof known_modules / sizeof known_modules[0]; i++)
        if (pam_line_is(line, known_modules[i].name)
            && (known_modules[i].argument == NULL || pam_line_has(line, known_modules[i].argument)))
            return &known_modules[i];
    return NULL;
}

return_set pam_module_without_proof(const struct pam_line *line, return_set unknown)
{
    const struct known_module *known = find_known(line);

    return known != NULL ? known->without_proof : unknown;
}

return_set pam_module_to_any(const struct pam_line *line)
{
    const struct known_module *known = line->type == STACK_AUTH ? find_known(line) : NULL;

    if (known != NULL)
        return known->to_any;
    return pam_line_is(line, "pam_deny.so") ? FAILS : ANY_RETURN;
}

static bool tells_accounts_apart(const struct pam_line *line)
{
    static const char *const others[] = { "pam_latchkey.so", "pam_unix.so", "pam_permit.so", "pam_deny.so",
                                          "pam_nologin.so" };
    const struct known_module *known = find_known(line);
    size_t i;

    if (line->module == NULL || (known != NULL && (known->to_any & SUCCEEDS) == 0))
        return false;
    for (i = 0; i < sizeof others / sizeof others[0]; i++)
        if (pam_line_is(line, others[i]))
            return false;
    return true;
}

bool pam_modules_tell_accounts_apart(const struct pam_stack *stack, enum stack_type type)
{
    size_t i;

    for (i = 0; i < stack->count; i++)
        if (stack->lines[i].type == type && tells_accounts_apart(&stack->lines[i]))
            return true;
    return false;
}
