/*
 * libpam's dispatcher: how a stack ends when each of its lines returns one of several codes.
 */
#ifndef LATCHKEY_PAM_DISPATCH_H
#define LATCHKEY_PAM_DISPATCH_H

#include <stdbool.h>

#include "cli/lint/pam_stack.h"

/*
 * Whether the stack of a type can end in success when each line returns one of the codes that `returns` gives for it.
 * False for a stack without a line of the type, and for one that is refused. `returns` is not called for a line that is
 * broken or whose module is missing.
 */
bool pam_dispatch_can_succeed(const struct pam_stack *stack, enum stack_type type,
                              return_set (*returns)(const struct pam_line *line, const void *context),
                              const void *context);

#endif
