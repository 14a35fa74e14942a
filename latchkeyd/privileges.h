/*
 * What latchkeyd gives up before it talks to anybody.
 */
#ifndef LATCHKEY_PRIVILEGES_H
#define LATCHKEY_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>

#define PRIVILEGES_ERROR_MAX 160

/* program_protect(), and no new privileges by exec. */
void privileges_harden(void);

/*
 * For good: groups, gid and uid of `user`. A process none of whose uids is root's keeps what it has; one that could
 * become root again, as a host does that took another effective uid for a while, becomes `user` as well. `fallback` is
 * taken when there is no such user; NULL: that is an error. It is not taken while NSS cannot tell whether there is one:
 * that is always an error. False with a sentence.
 */
bool privileges_drop(const char *user, const char *fallback, char error[PRIVILEGES_ERROR_MAX]);

#endif
