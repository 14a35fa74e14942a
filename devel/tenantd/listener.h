/*
 * The public port: accepts TCP connections and passes them to the server, at once or after the delay of a fault.
 */
#ifndef LATCHKEY_TENANTD_LISTENER_H
#define LATCHKEY_TENANTD_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "devel/tenantd/server.h"
#include "devel/tenantd/service.h"

#define HELD_MAX 64 /* connections that wait before TLS; for a further one the oldest is dropped */

struct listener {
    int fd;
    struct service *service; /* borrowed */
    struct server *server;   /* borrowed */
    struct {
        int fd;
        int64_t due; /* ms of CLOCK_MONOTONIC; INT64_MAX: never */
        struct sockaddr_storage address;
        socklen_t address_len;
    } held[HELD_MAX];
    size_t held_count;
};

/* Listen on a numeric address; port 0: a free one, which *ret_port tells. False with errno set, EINVAL for what is no
 * numeric address. `listener` then holds nothing. */
bool listener_open(struct listener *listener, const char *address, uint16_t port, uint16_t *ret_port);
void listener_close(struct listener *listener);

/* Accept what waits. */
void listener_accept(struct listener *listener);
/* Pass on the held connections whose delay is over. Returns the ms until the next one, or -1, for poll(2). */
int listener_release(struct listener *listener);

#endif
