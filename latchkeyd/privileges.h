/*
 * The privileges that latchkeyd drops before it serves clients or talks to the network.
 */
#ifndef LATCHKEY_PRIVILEGES_H
#define LATCHKEY_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>

#define PRIVILEGES_ERROR_MAX 160

/* program_protect(), and no new privileges by exec. */
void privileges_harden(void);

/*
 * Take the groups, gid and uid of `user`, for good. A process that has no uid of root (real, effective or saved) keeps
 * its ids. `fallback` is taken when `user` does not exist; NULL: a missing user is an error. While NSS cannot tell
 * whether the user exists, that is an error in either case. False with a sentence.
 */
bool privileges_drop(const char *user, const char *fallback, char error[PRIVILEGES_ERROR_MAX]);

#endif
