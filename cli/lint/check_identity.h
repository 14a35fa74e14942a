/*
 * latchkey check: the user, map and group blocks.
 */
#ifndef LATCHKEY_CHECK_IDENTITY_H
#define LATCHKEY_CHECK_IDENTITY_H

#include "cli/lint/lint.h"

void check_users(const struct lint *lint);
void check_maps(const struct lint *lint);
void check_groups(const struct lint *lint);

#endif
