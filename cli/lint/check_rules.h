/*
 * latchkey check: the service blocks by themselves. check_services.h compares them with the stacks of PAM.
 */
#ifndef LATCHKEY_CHECK_RULES_H
#define LATCHKEY_CHECK_RULES_H

#include "cli/lint/lint.h"

void check_rules(const struct lint *lint);

#endif
