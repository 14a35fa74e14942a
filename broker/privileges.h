/*
 * What latchkeyd gives up before it talks to anybody.
 */
#ifndef LATCHKEY_PRIVILEGES_H
#define LATCHKEY_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>

#define PRIVILEGES_ERROR_MAX 160

/* No core dump, no debugger of the same user, no new privileges by exec: API keys pass through this memory. */
void privileges_harden(void);

/*
 * For good: groups, gid and uid of `user`. A process that is not root keeps what it has. `fallback` is taken when there
 * is no such user; NULL: that is an error. False with a sentence.
 */
bool privileges_drop(const char *user, const char *fallback, char error[PRIVILEGES_ERROR_MAX]);

#endif
