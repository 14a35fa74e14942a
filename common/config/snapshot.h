/*
 * The configuration that is in force.
 *
 * A configuration is an immutable snapshot. The process keeps the last snapshot of each path and every login looks
 * whether a file changed (device, inode, size, mtime and ctime with nanoseconds), so a rotated key or a revocation
 * holds from the next login on, without a restart.
 */
#ifndef LATCHKEY_SNAPSHOT_H
#define LATCHKEY_SNAPSHOT_H

#include <stdbool.h>

#include "verdict/verdict.h"
#include "config/model.h"

/*
 * The snapshot of a path (NULL: CONFIG_PATH_DEFAULT), read or re-read when needed. Thread-safe.
 * False with CONFIG_INVALID ("FILE:LINE: what is wrong"; or nothing was read before the process changed its root),
 * OUT_OF_MEMORY or SYSTEM_ERROR. A snapshot may still hold a tenant without keys or a revocation list that cannot be
 * used: see the failures in it.
 * End with config_release(), which accepts NULL and a pointer to NULL; the snapshot lives while anybody holds it.
 */
bool config_acquire(struct verdict *verdict, const char *path, const struct config **ret_config);
void config_release(const struct config **config);

/* Forget the snapshots that the process remembers; whoever holds one keeps it. For a process that has become another
 * user, and may not read any more what it read before. */
void config_forget(void);

/* Whether the process reads hmac_secret_file (it does, unless told otherwise): with false a tenant that has one has no
 * keys, JWKS_UNAVAILABLE, in each snapshot that is read from then on. Before there are threads. For a process that is
 * root and will be another user. */
void config_read_secrets(bool reads);

/* Hold a snapshot that somebody else holds already: the same, with one more config_release() due. */
const struct config *config_hold(const struct config *config);

/* Whether the files of configurations can no longer be seen: the process has changed its root since it first acquired
 * one, or this cannot be told now. What is in force is then what was read before; latchkeyd knows better. */
bool config_is_out_of_sight(void);

#endif
