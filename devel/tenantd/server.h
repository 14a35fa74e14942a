/*
 * HTTPS, the only user of libmicrohttpd: carries requests to the endpoints and replies back, and produces the faults of
 * replies on the wire.
 *
 * One thread per connection: a slow or endless reply is a thread that waits, and delays no other connection. A tenant
 * service for tests has few connections.
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
