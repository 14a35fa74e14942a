/*
 * Starts latchkeyd for one question: a child of the host process that answers on a socket pair and ends.
 *
 * The host process may be sshd, a setuid sudo or a threaded slapd, so the child inherits nothing: it has no
 * environment, no descriptor but its end of the pair (as standard input; 1 and 2 are /dev/null), default signal
 * dispositions and a session of its own. The result is the answer on the socket alone: the host process may ignore
 * SIGCHLD or take the exit status. The child ends when the other end is closed, and at its own deadline.
 */
#ifndef LATCHKEY_LATCHKEYD_SPAWN_H
#define LATCHKEY_LATCHKEYD_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "verdict/verdict.h"

struct latchkeyd_child {
    pid_t pid;
    int socket; /* SOCK_SEQPACKET, close-on-exec, non-blocking */
};

/* Start `program --once --config config_path`, if trusted_program_check() accepts the program. False with
 * LATCHKEYD_UNAVAILABLE, OUT_OF_MEMORY or SYSTEM_ERROR. */
bool latchkeyd_spawn(struct verdict *verdict, const char *program, const char *config_path,
                     struct latchkeyd_child *ret_child);

/* Close the socket, which ends the child, and reap it. A child that does not end within 0.2 s is killed. */
void latchkeyd_spawn_end(struct latchkeyd_child *child);

#endif
