/*
 * How long the names of users, groups, subjects, keys and tenants may be.
 */
#ifndef LATCHKEY_NAMES_H
#define LATCHKEY_NAMES_H

#define SUBJECT_MAX 256 /* bytes of a `sub`, of the user's identifier in general */
#define USER_MAX    32  /* bytes of a local user or group name (useradd(8)) */
#define FACT_MAX    128 /* bytes of kid, jti and the tenant's id that a line shows; more is cut */

#endif
