/*
 * The tenant's JWTs: how they are made, well or badly, and what one that is presented here is worth.
 */
#ifndef LATCHKEY_TENANTD_TOKENS_H
#define LATCHKEY_TENANTD_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "devel/tenantd/faults.h"
#include "devel/tenantd/http.h"
#include "devel/tenantd/service.h"
#include "devel/tenantd/state.h"

#define TENANT_CLAIM "https://agglestone.com/tenantId"

/* malloc'ed, wipe it; NULL when out of memory. `spoil` is a fault of STAGE_TOKEN, or FAULT_NONE. An empty nonce is
 * left out. */
char *token_issue(const struct service *service, const struct user *user, int64_t lifetime, int64_t now,
                  struct slice nonce, enum fault_kind spoil);

/* Access checks. Each answers the request with 401 or 403 when it returns NULL or false. */

/* The user of the token in `Authorization: Bearer`: signed by a published key, of this tenant, not expired, of
 * a user that is there and enabled. Lent by the state. */
const struct user *authorise_user(const struct service *service, const struct request *request, struct reply *reply);
/* An API key (X-API-Key), or the token of a user in the Admin group. */
bool authorise_management(const struct service *service, const struct request *request, struct reply *reply);
/* An API key and nothing else. */
bool authorise_api_key(const struct service *service, const struct request *request, struct reply *reply);

#endif
