/*
 * latchkey check: how the stack of one service ends when Latchkey accepts, refuses, ignores or cannot decide.
 */
#ifndef LATCHKEY_CHECK_STACK_H
#define LATCHKEY_CHECK_STACK_H

#include "cli/lint/pam_lint.h"

/* The service's stack names Latchkey, and is not a part that other services include. */
void check_stack(struct findings *findings, const struct pam_service *service);

#endif
