/*
 * The sockets on which latchkeyd listens: made by systemd, or by latchkeyd itself.
 */
#ifndef LATCHKEY_LISTENER_H
#define LATCHKEY_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "config/model.h"

#define LISTENERS_MAX      (2 * CONFIG_SOCKETS_MAX)
#define LISTENER_ERROR_MAX 256

struct listeners {
    int fds[LISTENERS_MAX];           /* non-blocking, close-on-exec */
    bool is_saslauthd[LISTENERS_MAX]; /* SOCK_STREAM, for saslauthd's protocol; else SOCK_SEQPACKET, for questions */
    size_t count;
    bool are_handed_over; /* by systemd */
};

/*
 * With LISTEN_PID and LISTEN_FDS in the environment (sd_listen_fds(3)) take the sockets from descriptor 3 on, and check
 * each. Otherwise make each socket of the configuration, and its missing directories; a socket on which no process
 * listens is replaced. Every process may connect to the sockets for questions, since the kernel tells its uid. The
 * configuration has the mode and the group of the sockets for saslauthd's protocol; a socket of systemd keeps its own,
 * and is refused when its mode is looser. Call this before privileges are dropped and before threads exist.
 * False with a sentence, and no socket is open.
 */
bool listeners_open(const struct latchkeyd_options *latchkeyd, struct listeners *ret_listeners,
                    char error[LISTENER_ERROR_MAX]);
void listeners_close(struct listeners *listeners);

#endif
