/*
 * latchkey check: local accounts that have expired or whose local password is locked.
 */
#ifndef LATCHKEY_CHECK_ACCOUNTS_H
#define LATCHKEY_CHECK_ACCOUNTS_H

#include "cli/lint/lint.h"

void check_accounts(const struct lint *lint);

#endif
