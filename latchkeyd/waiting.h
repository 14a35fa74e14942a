/*
 * How many may wait for a tenant service. Each tenant has a share of its own, so that the logins of one whose service
 * is slow take no place of another's. Of a share, one uid other than root has at most half, and all uids other than
 * root together have at most three quarters: sshd and sudo, which ask as root, always find a place.
 */
#ifndef LATCHKEY_WAITING_H
#define LATCHKEY_WAITING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define WAITING_MAX       768 /* of all tenants together: that many for exchanges, and that many for key sets */
#define WAITING_OF_TENANT 64

/* The share of one tenant of so many: at most WAITING_OF_TENANT, at least 12 with CONFIG_TENANTS_MAX of them. */
static inline size_t waiting_share(size_t tenants)
{
    return tenants > WAITING_MAX / WAITING_OF_TENANT ? WAITING_MAX / tenants : WAITING_OF_TENANT;
}

/* How many places are taken. */
struct crowd {
    size_t of_all;
    size_t of_uid;    /* by processes of one uid */
    size_t of_others; /* by processes of all uids but root's */
};

/* Count one more place: `holder` has it, and `uid` is the one that of_uid is about. */
static inline void crowd_count(struct crowd *crowd, uid_t holder, uid_t uid)
{
    crowd->of_all++;
    crowd->of_uid += holder == uid;
    crowd->of_others += holder != 0;
}

/* Whether `share` places leave none for one more question of the uid that was counted. */
static inline bool crowd_is_full(const struct crowd *crowd, size_t share, uid_t uid)
{
    if (crowd->of_all >= share)
        return true;
    return uid != 0 && (crowd->of_uid >= share / 2 || crowd->of_others >= share - share / 4);
}

#endif
