#include "login/realm.h"

#include <string.h>

static bool is_listed(const struct service_rules *service, struct slice realm)
{
    size_t i;

    for (i = 0; i < service->realms.count; i++)
        if (strcmp(service->realms.items[i], REALM_ANY) == 0 || slice_equal_nocase(realm, service->realms.items[i]))
            return true;
    return false;
}

bool realm_drop(struct verdict *verdict, const struct service_rules *service, const char *name, struct slice *ret_name)
{
    struct slice bare = slice_of(name), realm;
    const char *at;

    /* An @ with nothing behind it: libsasl passes "alice@" on to saslauthd's protocol as alice in no realm. */
    while (bare.len > 0 && bare.bytes[bare.len - 1] == '@')
        bare.len--;
    *ret_name = bare;
    at = bare.len > 0 ? memrchr(bare.bytes, '@', bare.len) : NULL;
    if (at == NULL)
        return true;
    ret_name->len = (size_t)(at - bare.bytes);
    realm = (struct slice){ at + 1, bare.len - ret_name->len - 1 };
    /* The server may drop a second realm, too: "root@one@two" would open root's mailbox. */
    if (!is_listed(service, realm) || memchr(name, '@', ret_name->len) != NULL)
        return verdict_reject(verdict, REASON_REALM_UNKNOWN, "%.*s", SLICE_ARG(realm));
    return true;
}
