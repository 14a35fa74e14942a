/*
 * latchkeyd that stays: one thread, one loop. Every wait is in http_run(), for the tenant services and for all who ask,
 * so a slow one holds up nobody else, and nothing needs a lock. What it computes between two waits takes microseconds;
 * a pool of threads would buy nothing but races on the memory that keys pass through.
 */
#ifndef LATCHKEY_SERVER_H
#define LATCHKEY_SERVER_H

#include <signal.h>
#include <stdbool.h>

#include "config/snapshot.h"
#include "latchkeyd/listener.h"

/* Hold back the signals that server_run() reads, first thing in main(): whoever started latchkeyd may send a SIGHUP at
 * once, which would end it. A process that serves nobody goes back to the mask of before. */
void server_hold_signals(sigset_t *ret_before);
void server_release_signals(const sigset_t *before);

/*
 * Serve until SIGTERM or SIGINT, then answer what is under way and return an exit status. SIGHUP reads the
 * configuration anew and forgets cache and breakers. While it is broken no login is served (service.h). The listeners
 * are closed in the end. The signals have been held back. `config` is what config_acquire() gave for `path` (NULL: the
 * default) when the listeners were opened and the user was chosen; what is newer is taken from the files.
 */
int server_run(const char *path, const struct config *config, struct listeners *listeners);

#endif
