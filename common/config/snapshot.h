/*
 * The configuration that is in force.
 *
 * A configuration is an immutable snapshot. The process keeps the last snapshot of each path. Every login checks
 * whether a file has changed (device, inode, size, mtime and ctime with nanoseconds). So a new key or a revocation
 * takes effect at the next login, without a restart.
 */
#ifndef LATCHKEY_SNAPSHOT_H
#define LATCHKEY_SNAPSHOT_H

#include <stdbool.h>

#include "verdict/verdict.h"
#include "config/model.h"

/*
 * The snapshot of a path (NULL: CONFIG_PATH_DEFAULT), read or re-read when needed. Thread-safe.
 * False with CONFIG_INVALID ("FILE:LINE: what is wrong"; or nothing was read before the process changed its root),
 * OUT_OF_MEMORY or SYSTEM_ERROR. A snapshot may contain a tenant without keys, or a revocation list that cannot be
 * used: see keys_failure and revocation_failure. End with config_release(), which accepts NULL and a pointer to NULL.
 * The last release frees the snapshot.
 */
bool config_acquire(struct verdict *verdict, const char *path, const struct config **ret_config);
void config_release(const struct config **config);

/* Forget the snapshots that the process keeps. Those that are held stay valid. For a process that has changed its user
 * and may no longer read the same files. */
void config_forget(void);

/* Whether the process reads hmac_secret_file; true by default. With false, a tenant with a secret has no keys
 * (JWKS_UNAVAILABLE) in each snapshot that is read afterwards. Call it before the first thread starts. For a process
 * that starts as root and becomes another user. */
void config_read_secrets(bool reads);

/* Add a reference to a snapshot that is held already. It needs a config_release() of its own. Returns the snapshot. */
const struct config *config_hold(const struct config *config);

/* Whether the process can no longer read the files of its configurations: it has changed its root directory since its
 * first config_acquire(), or this cannot be found out now. The former snapshot stays in force; latchkeyd has the
 * current files. */
bool config_is_out_of_sight(void);

#endif
