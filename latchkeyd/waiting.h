/*
 * How many may wait for a tenant service. Each tenant has a share of its own, so that the logins of one whose service
 * is slow take no place of another's.
 */
#ifndef LATCHKEY_WAITING_H
#define LATCHKEY_WAITING_H

#include <stddef.h>

#define WAITING_MAX       768 /* of all tenants together: that many for exchanges, and that many for key sets */
#define WAITING_OF_TENANT 64

/* The share of one tenant of so many: at most WAITING_OF_TENANT, at least 12 with CONFIG_TENANTS_MAX of them. */
static inline size_t waiting_share(size_t tenants)
{
    return tenants > WAITING_MAX / WAITING_OF_TENANT ? WAITING_MAX / tenants : WAITING_OF_TENANT;
}

#endif
