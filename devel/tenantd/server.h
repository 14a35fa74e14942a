/*
 * HTTPS, the one user of libmicrohttpd: carries requests to the endpoints and replies back, and makes the faults of a
 * reply happen on the wire.
 *
 * A thread per connection, because a fault is a thread that waits: in a slow or endless reply nothing else stands
 * still, and the code of a fault reads as what it does. A tenant service for tests has few connections.
 */
#ifndef LATCHKEY_TENANTD_SERVER_H
#define LATCHKEY_TENANTD_SERVER_H

#include <stdbool.h>
#include <sys/socket.h>

#include "devel/tenantd/service.h"

struct server;

/* With a certificate and its key in PEM, both copied. The service is borrowed. NULL on failure. */
struct server *server_start(struct service *service, const char *certificate, const char *key);
/* Ends every connection and thread, the waiting ones too. */
void server_stop(struct server **server);

/* Takes over an accepted TCP connection, in every case. */
void server_serve(struct server *server, int fd, const struct sockaddr *address, socklen_t address_len);

/* Ends a TCP connection with a reset; the descriptor is still to be closed. */
void reset_connection(int fd);

#endif
