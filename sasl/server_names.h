/*
 * The names of an exchange, as libsasl and the host process see them: the authzid before the verdict, and after it the
 * authcid, the authzid and the groups.
 */
#ifndef LATCHKEY_SERVER_NAMES_H
#define LATCHKEY_SERVER_NAMES_H

#include <stdbool.h>

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "verdict/attempt.h"
#include "verdict/verdict.h"
#include "login/verify.h"
#include "sasl/messages.h"

/*
 * The account that the client names, in the form that the server gives to names: PLAIN and LOGIN pass a name in this
 * form to the saslauthd protocol, so a name gets one verdict by all four mechanisms. Cyrus IMAP folds case; libsasl
 * drops blanks around the name and adds the server's realm.
 *   in   attempt         authzid as the client sent it, or NULL
 *   out  room            the memory of the canonical name
 *   out  ret_authzid     in `room`, or lent by the attempt; NULL where the client names no account
 *   out  ret_is_refused  the server refuses the name; *ret_authzid is then the name as the client sent it
 * False with AUTHZID_NOT_ALLOWED or OUT_OF_MEMORY.
 */
bool server_canonical_authzid(sasl_server_params_t *params, const struct attempt *attempt, struct verdict *verdict,
                              char room[AUTHZID_MAX + 1], const char **ret_authzid, bool *ret_is_refused);

/* The exchange has succeeded: tell libsasl the names and the groups of the login. Returns libsasl's code; canon_user of
 * the host process may still refuse a name. */
int server_establish(const sasl_server_params_t *params, const struct attempt *attempt, const struct login *login,
                     sasl_out_params_t *out);

#endif
