/*
 * latchkey check: the tenant blocks, their key sets and secrets.
 */
#ifndef LATCHKEY_CHECK_TENANTS_H
#define LATCHKEY_CHECK_TENANTS_H

#include "cli/lint/lint.h"

void check_tenants(const struct lint *lint);

#endif
