/*
 * latchkey check: the revocation list.
 */
#ifndef LATCHKEY_CHECK_REVOCATION_H
#define LATCHKEY_CHECK_REVOCATION_H

#include <stdbool.h>

#include "cli/lint/lint.h"

void check_revocation_list(const struct lint *lint);

/* Revoked subjects without a user block, where a map can give them an account. */
void check_revoked_and_mapped(const struct lint *lint);

/* Revoked subjects that a user block still lists. `is_root`: the block's account is uid 0. */
void check_revoked_subjects(const struct lint *lint, const struct user_block *block, bool is_root);

#endif
