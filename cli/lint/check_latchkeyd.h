/*
 * latchkey check: API keys, and the state of latchkeyd. latchkeyd/status.c writes the status that latchkeyd answers.
 */
#ifndef LATCHKEY_CHECK_LATCHKEYD_H
#define LATCHKEY_CHECK_LATCHKEYD_H

#include "cli/lint/lint.h"

/* Whether API keys can be used at all, and what latchkeyd answers about its state. */
void check_latchkeyd(const struct lint *lint);

/* The first of latchkeyd's sockets that exists, whether or not a daemon listens there; NULL: none exists. */
const char *latchkeyd_find_socket(const struct latchkeyd_options *latchkeyd);

#endif
