/*
 * The person at the terminal, whatever standard input and output are.
 */
#ifndef LATCHKEY_TERMINAL_H
#define LATCHKEY_TERMINAL_H

#include <stdbool.h>

#include "base/secret.h"

/* Whether anybody can be asked: there is a controlling terminal, or standard input is one. */
bool terminal_is_there(void);

/* Ask a question, and take "yes" for yes. */
bool terminal_confirms(const char *question);

/* Ask for a line and do not show it. False with errno. End it with secret_clear(). */
bool terminal_read_secret(const char *what, struct secret *ret_secret);

#endif
