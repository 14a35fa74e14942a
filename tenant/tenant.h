/* clang-format off */
/*
 * The API of the tenant service: requests, and the checks of their replies. BASE is {url}/tenant/{id}.
 *
 *     POST BASE/api/Auth/token-exchange  {"userId":SUB}, header X-API-Key
 *          → {"token":JWT,"tokenType":"Bearer","expiresIn":S}
 *     GET  BASE/api/APIKeys
 *          → {"primaryApiKey","secondaryApiKey" or null,"tenantId"}
 *     POST BASE/api/APIKeys              {"type":"primary" or "secondary"}
 *          → {"apiKey"}; the former key of that type is invalid
 *     GET  BASE/api/Users?pageNumber=&pageSize=
 *          → {"data":[…],"pageNumber","pageSize","totalRecords"}
 *     GET  BASE/api/Users/{userId}, BASE/api/Users/me
 *          → the user
 *
 * These functions make a request and read its reply; http.h sends it. Status 401 and 403 refuse the credential:
 * CREDENTIAL_REFUSED. Every other failure (another status, another Content-Type, malformed JSON, no reply in time) shows
 * nothing about the credential: TENANT_UNAVAILABLE.
 */
/* clang-format on */
#ifndef LATCHKEY_TENANT_H
#define LATCHKEY_TENANT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/secret.h"
#include "base/slice.h"
#include "verdict/verdict.h"
#include "config/model.h"
#include "tenant/http.h"

/* The credential of the request: one of the two, or both empty. Lent. Printable ASCII without blanks. */
struct tenant_credential {
    struct slice api_key;
    struct slice bearer;
};

/* A request and what it lends; zero-initialise, and end with tenant_request_clear(). */
struct tenant_request {
    struct http_request http; /* lends the credential's bytes, too */
    struct secret ca;
    struct secret body;
};
void tenant_request_clear(struct tenant_request *request); /* wipes */

/*
 * Each makes a request. False with CONFIG_INVALID (the tenant has no url, ca_file cannot be read), TENANT_UNAVAILABLE
 * (the address is too long, or the user id is invalid) or OUT_OF_MEMORY.
 */
bool tenant_exchange_request(struct verdict *verdict, const struct tenant *tenant, struct slice subject,
                             struct slice api_key, int timeout_ms, struct tenant_request *ret_request);
bool tenant_keys_request(struct verdict *verdict, const struct tenant *tenant,
                         const struct tenant_credential *credential, int timeout_ms,
                         struct tenant_request *ret_request);
/* type: "primary" or "secondary". */
bool tenant_new_key_request(struct verdict *verdict, const struct tenant *tenant,
                            const struct tenant_credential *credential, const char *type, int timeout_ms,
                            struct tenant_request *ret_request);
bool tenant_users_request(struct verdict *verdict, const struct tenant *tenant,
                          const struct tenant_credential *credential, unsigned page, unsigned page_size, int timeout_ms,
                          struct tenant_request *ret_request);
/* user: a user id, or "me". */
bool tenant_user_request(struct verdict *verdict, const struct tenant *tenant,
                         const struct tenant_credential *credential, struct slice user, int timeout_ms,
                         struct tenant_request *ret_request);

/*
 * Check that a reply arrived, with a status of success, as a JSON object. *ret_json is an object; end it with
 * json_free(), which wipes its strings. False with CREDENTIAL_REFUSED, TENANT_UNAVAILABLE or OUT_OF_MEMORY.
 */
bool tenant_reply_read(struct verdict *verdict, const struct http_reply *reply, struct json **ret_json);

/* Check the status alone: 200 … 299. For replies that are not a JSON object. False with CREDENTIAL_REFUSED or
 * TENANT_UNAVAILABLE. */
bool tenant_reply_check(struct verdict *verdict, const struct http_reply *reply);

/* The token of an exchange, not verified: printable ASCII of at most JWT_MAX_LEN bytes, without `"` and `\`.
 * End it with secret_clear(). False as tenant_reply_read() is. */
bool tenant_exchange_read(struct verdict *verdict, const struct http_reply *reply, struct secret *ret_token);

/* The new key. End it with secret_clear(). False as tenant_reply_read() is. */
bool tenant_new_key_read(struct verdict *verdict, const struct http_reply *reply, struct secret *ret_api_key);

/* Begin a request: format the address, and read ca_file. For oidc.c. */
__attribute__((format(printf, 5, 6))) bool tenant_request_begin(struct verdict *verdict, const struct tenant *tenant,
                                                                int timeout_ms, struct tenant_request *ret_request,
                                                                const char *format, ...);

#endif
