/*
 * The public documents of an OpenID provider: its metadata and its key set.
 */
#ifndef LATCHKEY_OIDC_H
#define LATCHKEY_OIDC_H

#include <stdbool.h>

#include "base/secret.h"
#include "verdict/verdict.h"
#include "config/model.h"
#include "tenant/http.h"
#include "tenant/tenant.h"

/* OpenID Connect Discovery 1.0 §4: GET the configuration's `discovery`. False as tenant_request_begin(), and with
 * CONFIG_INVALID when the tenant has no such address. */
bool oidc_discovery_request(struct verdict *verdict, const struct tenant *tenant, int timeout_ms,
                            struct tenant_request *ret_request);

/*
 * The address of the key set in the metadata: https, without user and fragment. The issuer in the metadata must be the
 * configured one (§4.3), unless the configuration waives it. False with CREDENTIAL_REFUSED, TENANT_UNAVAILABLE or
 * OUT_OF_MEMORY.
 */
bool oidc_discovery_read(struct verdict *verdict, const struct tenant *tenant, const struct http_reply *reply,
                         char ret_jwks_uri[HTTP_URL_MAX]);

/* GET the key set; with etag or last_modified (each may be NULL) the provider may answer "not modified". */
bool oidc_keys_request(struct verdict *verdict, const struct tenant *tenant, const char *jwks_uri, const char *etag,
                       const char *last_modified, int timeout_ms, struct tenant_request *ret_request);

/*
 * The text of a key set that may replace the old one: jwks_parse() accepts it, and it has a key for one of the tenant's
 * algorithms. Lent by the reply. *ret_is_withdrawn: it is the empty set, by which the provider withdraws its keys; only
 * with status 200. False with CREDENTIAL_REFUSED (of 401 and 403), TENANT_UNAVAILABLE,
 * JWKS_INVALID or OUT_OF_MEMORY.
 */
bool oidc_keys_read(struct verdict *verdict, const struct tenant *tenant, const struct http_reply *reply,
                    struct slice *ret_text, bool *ret_is_withdrawn);

#endif
