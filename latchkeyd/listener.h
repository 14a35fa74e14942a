/*
 * The sockets on which latchkeyd listens: handed over by systemd, or its own.
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
    bool is_saslauthd[LISTENERS_MAX]; /* a SOCK_STREAM of saslauthd's protocol; else a SOCK_SEQPACKET of ours */
    size_t count;
    bool are_handed_over; /* by systemd */
};

/*
 * With LISTEN_PID and LISTEN_FDS in the environment (sd_listen_fds(3)) the sockets from descriptor 3 on, each looked
 * at; else each path of the configuration: directories that are missing are made, and a socket that nobody listens on
 * any more is replaced. Everybody may connect to ours, since the kernel tells who it is. Of saslauthd's the
 * configuration says mode and group; one that is handed over has its own, and is refused when its mode is looser.
 * Ask before privileges are given up, and before there are threads.
 * False with a sentence; nothing is open then.
 */
bool listeners_open(const struct latchkeyd_options *latchkeyd, struct listeners *ret_listeners,
                    char error[LISTENER_ERROR_MAX]);
void listeners_close(struct listeners *listeners);

#endif
