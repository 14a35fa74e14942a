/*
 * The realm behind a user's name, as in alice@example.com.
 */
#ifndef LATCHKEY_REALM_H
#define LATCHKEY_REALM_H

#include <stdbool.h>

#include "base/slice.h"
#include "verdict/verdict.h"
#include "config/model.h"

/*
 * A name in the server's own form → a name of this host. The service lists the realms that may follow the @, and
 * REALM_ANY allows every realm; one realm is dropped, and the name itself is compared byte for byte. An @ with nothing
 * behind it names no realm. *ret_name lends from `name`, and may be empty. False with REALM_UNKNOWN: the realm is not
 * listed, or the name has two.
 */
bool realm_drop(struct verdict *verdict, const struct service_rules *service, const char *name, struct slice *ret_name);

#endif
