/*
 * latchkey check: local accounts whose logins a stack of PAM refuses although Latchkey accepts the token.
 */
#ifndef LATCHKEY_CHECK_SERVICE_ACCOUNTS_H
#define LATCHKEY_CHECK_SERVICE_ACCOUNTS_H

#include "cli/lint/pam_lint.h"

void check_service_accounts(const struct pam_lint *lint);

#endif
