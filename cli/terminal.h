/*
 * Questions to the user at the terminal, also when standard input or output is redirected.
 */
#ifndef LATCHKEY_TERMINAL_H
#define LATCHKEY_TERMINAL_H

#include <stdbool.h>

#include "base/secret.h"

/* Whether there is a controlling terminal, or standard input is a terminal. */
bool terminal_is_there(void);

/* Ask a question. True for the answer "yes". */
bool terminal_confirms(const char *question);

/* Ask for a line without echo. False with errno. End it with secret_clear(). */
bool terminal_read_secret(const char *what, struct secret *ret_secret);

#endif
