/* clang-format off */
/*
 * The tenant service's own API: what is asked, and what an answer must look like. BASE is {url}/tenant/{id}.
 *
 *     POST BASE/api/Auth/token-exchange  {"userId":SUB}, header X-API-Key
 *          → {"token":JWT,"tokenType":"Bearer","expiresIn":S}
 *     GET  BASE/api/APIKeys
 *          → {"primaryApiKey","secondaryApiKey" or null,"tenantId"}
 *     POST BASE/api/APIKeys              {"type":"primary" or "secondary"}
 *          → {"apiKey"}; the former key of that type is dead
 *     GET  BASE/api/Users?pageNumber=&pageSize=
 *          → {"data":[…],"pageNumber","pageSize","totalRecords"}
 *     GET  BASE/api/Users/{userId}, BASE/api/Users/me
 *          → the user
 *
 * A request is made here, performed by http.h in whatever way suits the program, and its reply is read here. 401 and
 * 403 refuse the credential: CREDENTIAL_REFUSED. Whatever else is not the answer that was asked for (another status,
 * another Content-Type, broken JSON, no answer in time) says nothing about it: TENANT_UNAVAILABLE.
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

/* Who asks: one of the two, or both empty. Lent. Printable ASCII without blanks. */
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
 * Each fills a request in. False with CONFIG_INVALID (the tenant has no url, ca_file cannot be used),
 * TENANT_UNAVAILABLE (an address that is too long, or that of no user) or OUT_OF_MEMORY.
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
 * What every reply must be: there, with a good status, JSON. *ret_json is an object; end it with json_free(), which
 * wipes its strings. False with CREDENTIAL_REFUSED, TENANT_UNAVAILABLE or OUT_OF_MEMORY.
 */
bool tenant_reply_read(struct verdict *verdict, const struct http_reply *reply, struct json **ret_json);

/* The status alone: 200 … 299. For replies that are no object of the API. False with CREDENTIAL_REFUSED or
 * TENANT_UNAVAILABLE. */
bool tenant_reply_check(struct verdict *verdict, const struct http_reply *reply);

/* The token of an exchange, nothing of it verified: printable ASCII of at most JWT_MAX_LEN bytes, without `"` and `\`.
 * End it with secret_clear(). False as tenant_reply_read() is. */
bool tenant_exchange_read(struct verdict *verdict, const struct http_reply *reply, struct secret *ret_token);

/* The new key. End it with secret_clear(). False as tenant_reply_read() is. */
bool tenant_new_key_read(struct verdict *verdict, const struct http_reply *reply, struct secret *ret_api_key);

/* Begin any request to the tenant: the address is formatted, the tenant's authorities are read. For oidc.c. */
__attribute__((format(printf, 5, 6))) bool tenant_request_begin(struct verdict *verdict, const struct tenant *tenant,
                                                                int timeout_ms, struct tenant_request *ret_request,
                                                                const char *format, ...);

#endif
