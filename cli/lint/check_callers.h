/*
 * latchkey check: what a program that is not root loses when latchkeyd does not answer the program's user.
 */
#ifndef LATCHKEY_CHECK_CALLERS_H
#define LATCHKEY_CHECK_CALLERS_H

#include "cli/lint/pam_lint.h"

void check_caller(const struct pam_lint *lint, const struct pam_service *service);

#endif
