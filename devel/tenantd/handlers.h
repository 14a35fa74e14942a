/*
 * The endpoints, one function each: request in, reply out. Called under the service's lock.
 */
#ifndef LATCHKEY_TENANTD_HANDLERS_H
#define LATCHKEY_TENANTD_HANDLERS_H

#include "devel/tenantd/http.h"
#include "devel/tenantd/service.h"

typedef void handler(struct service *service, const struct request *request, struct reply *reply);

/* metadata.c: what a relying party reads; the paths are those below BASE. */
#define DISCOVERY_PATH "/v2.0/Auth/.well-known/openid-configuration"
#define JWKS_PATH      "/v2.0/Auth/.well-known/jwks.json"
#define AUTHORIZE_PATH "/v2.0/Auth/authorize"
#define TOKEN_PATH     "/v2.0/Auth/token"
handler handle_discovery, handle_jwks;

/* oauth.c: how a person comes by tokens. */
handler handle_authorize_page, handle_authorize_form, handle_token, handle_refresh;

/* api.c: what applications ask. */
handler handle_exchange, handle_create_api_key, handle_read_api_keys, handle_me, handle_users, handle_user;

#endif
