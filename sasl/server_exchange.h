/*
 * One exchange of a server: the client's message, the verdict of the core, and libsasl's code. On a refusal the server
 * sends an error message and reads one answer (RFC 7628 §3.2.2, §3.2.3).
 */
#ifndef LATCHKEY_SERVER_EXCHANGE_H
#define LATCHKEY_SERVER_EXCHANGE_H

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "sasl/plugin.h"

/* The service whose rules hold: latchkey_service, or the name that the host process gives. Lent by either. */
const char *server_service(const struct plugin *plugin, const sasl_server_params_t *params);

/* The members of sasl_server_plug_t; the parameters are those of <sasl/saslplug.h>. */
int server_mech_new(void *glob_context, sasl_server_params_t *params, const char *challenge, unsigned challenge_len,
                    void **conn_context);
int server_mech_step(void *conn_context, sasl_server_params_t *params, const char *clientin, unsigned clientinlen,
                     const char **serverout, unsigned *serveroutlen, sasl_out_params_t *out);
void server_mech_dispose(void *conn_context, const sasl_utils_t *utils);

#endif
