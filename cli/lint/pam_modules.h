/*
 * What modules other than Latchkey can return: the rows of well-known ones, and what is assumed of the rest.
 */
#ifndef LATCHKEY_PAM_MODULES_H
#define LATCHKEY_PAM_MODULES_H

#include <stdbool.h>

#include "cli/lint/pam_stack.h"

#define ANY_RETURN (~(return_set)0)
#define SUCCEEDS   RETURNS(RETURN_SUCCESS)
#define FAILS      RETURNS(RETURN_AUTH_ERR)

/* What the module of an auth line can return to a user who proves nothing; `unknown` for a module without a row. */
return_set pam_module_without_proof(const struct pam_line *line, return_set unknown);

/* What the module of a line can return to any user. */
return_set pam_module_to_any(const struct pam_line *line);

/* Whether a line of the type may answer differently from one account to the next, apart from the lines of Latchkey, of
 * pam_unix and of pam_nologin. */
bool pam_modules_tell_accounts_apart(const struct pam_stack *stack, enum stack_type type);

#endif
