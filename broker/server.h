/*
 * latchkeyd that stays: one thread, one loop. Every wait is in http_run(), for the tenant services and for all who ask,
 * so a slow one holds up nobody else, and nothing needs a lock. What it computes between two waits takes microseconds;
 * a pool of threads would buy nothing but races on the memory that keys pass through.
 */
#ifndef LATCHKEY_SERVER_H
#define LATCHKEY_SERVER_H

#include <stdbool.h>

#include "config.h"
#include "listener.h"

/*
 * Serve until SIGTERM or SIGINT, then answer what is under way and return an exit status. SIGHUP reads the
 * configuration anew and forgets cache and breakers. While it is broken no login is served (service.h). The listeners
 * are closed in the end. `config` is what config_acquire() gave for `path` (NULL: the default).
 */
int server_run(const char *path, const struct config *config, struct listeners *listeners);

#endif
