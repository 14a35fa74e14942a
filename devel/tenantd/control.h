/*
 * The control socket: a unix socket in the state directory (mode 0600). The user who may read the state may use it; a
 * client that reaches only the public port may not.
 *
 * A connection carries one command, a line of words, and one reply, a line of JSON: {"ok":true, …} or
 * {"ok":false,"error":"…"}. `tenantd --help` lists commands, endpoints and faults; `tenantd --tell` speaks this
 * protocol.
 */
#ifndef LATCHKEY_TENANTD_CONTROL_H
#define LATCHKEY_TENANTD_CONTROL_H

#include <stdbool.h>
#include <stdio.h>

#include "devel/tenantd/service.h"

/* A listening socket at the path, in place of one that a former process left. -1 with errno set. */
int control_open(const char *path);

/* Answer one client. It has a second for its command; no other client is accepted meanwhile. */
void control_serve(int listening, struct service *service);

/* The other side: send a command, print its reply on standard output. False when it failed, which standard error
 * tells. */
bool control_tell(const char *path, const char *const *words);

/* The commands, the endpoints and the faults. */
void control_print_help(FILE *out);

#endif
