/*
 * latchkeyd for one question: a child of the host process that answers on a socket pair and ends.
 *
 * The host may be sshd, a setuid sudo or a threaded slapd, so the child gets nothing of it: no environment, no
 * descriptor but its end of the pair (as standard input; 1 and 2 are /dev/null), default signal dispositions, a session
 * of its own. Nothing depends on SIGCHLD or on the exit status, which a host may ignore or take: what counts is the
 * answer on the socket. The child ends by itself when the other end is closed, and at its own deadline.
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

/* Start `program --once --config config_path`, if it is one that trusted_program_check() lets through. False with
 * LATCHKEYD_UNAVAILABLE, OUT_OF_MEMORY or SYSTEM_ERROR. */
bool latchkeyd_spawn(struct verdict *verdict, const char *program, const char *config_path,
                     struct latchkeyd_child *ret_child);

/* Close the socket, which ends the child, and take its exit status off the host's hands; waits for it a moment, and
 * then kills it.
 */
void latchkeyd_spawn_end(struct latchkeyd_child *child);

#endif
