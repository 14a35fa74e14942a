/*
 * The daemon: one thread, one loop. It waits in http_run() alone, for all tenant services and all clients, so a slow
 * one delays no other, and nothing needs a lock. The work between two waits takes microseconds, so a pool of threads
 * would gain nothing.
 */
#ifndef LATCHKEY_SERVER_H
#define LATCHKEY_SERVER_H

#include <signal.h>
#include <stdbool.h>

#include "config/snapshot.h"
#include "latchkeyd/listener.h"

/* Block the signals that server_run() reads. First in main(): a SIGHUP that the service manager sends at once would end
 * the process. A process that does not call server_run() restores the former mask. */
void server_hold_signals(sigset_t *ret_before);
void server_release_signals(const sigset_t *before);

/*
 * Serve until SIGTERM or SIGINT, then answer the questions under way and return an exit status. SIGHUP reads the
 * configuration again and forgets cache, breakers and guesses. While the configuration is invalid every login is
 * refused (service.h). Closes the listeners. The signals are blocked already. `config` is what config_acquire()
 * returned for `path` (NULL: the default) when the listeners were opened; later changes are read from the files.
 */
int server_run(const char *path, const struct config *config, struct listeners *listeners);

#endif
