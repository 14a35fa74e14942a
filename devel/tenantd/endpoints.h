/*
 * What can be asked, counted and made to fail apart from the rest. One row each; the names are those of the control
 * protocol (control.h).
 */
#ifndef LATCHKEY_TENANTD_ENDPOINTS_H
#define LATCHKEY_TENANTD_ENDPOINTS_H

/* clang-format off */
#define ENDPOINTS(X) \
  X(ENDPOINT_CONNECTION, "connection", "the TCP connection, before TLS") \
  X(ENDPOINT_DISCOVERY,  "discovery",  "the OpenID configuration") \
  X(ENDPOINT_JWKS,       "jwks",       "the key set") \
  X(ENDPOINT_AUTHORIZE,  "authorize",  "the login page") \
  X(ENDPOINT_TOKEN,      "token",      "authorization code or refresh token for tokens") \
  X(ENDPOINT_EXCHANGE,   "exchange",   "API key for a user's token") \
  X(ENDPOINT_APIKEYS,    "apikeys",    "create and read API keys") \
  X(ENDPOINT_USERS,      "users",      "users, one user, the caller") \
  X(ENDPOINT_UNKNOWN,    "unknown",    "every other path")
/* clang-format on */

#define X(id, name, meaning) id,
enum endpoint { ENDPOINTS(X) ENDPOINT_COUNT };
#undef X

#endif
