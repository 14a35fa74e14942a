/*
 * latchkey check: all services of a system together, and the service blocks that are written for them.
 */
#ifndef LATCHKEY_CHECK_SERVICES_H
#define LATCHKEY_CHECK_SERVICES_H

#include "cli/lint/pam_lint.h"

/* Whether any service takes tokens, misspelt modules, and service blocks that apply to no service. */
void check_services(const struct pam_lint *lint);

#endif
