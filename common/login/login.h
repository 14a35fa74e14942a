/*
 * An accepted login: the verified token's facts and the local identity, for everything that follows the decision. It is
 * written and read as one JSON object without loss: in latchkeyd's answer to a host that cannot decide itself
 * (delegate.h), in `latchkey verify --json`, and wherever a login must be kept.
 *
 *     credential     "jwt", or "api_key": what was exchanged for the token
 *     tenant, subject, user, authzid      strings, never empty
 *     by_user_block  true: the user was mapped by a user block; absent: by a pattern
 *     groups         the local groups, an array of names
 *     jti, kid       strings; absent: none
 *     iat, auth_time numbers, s since 1970, 0 … 2^53, a fraction allowed; absent: not in the token
 *     expires        a number as iat: the token's exp
 */
#ifndef LATCHKEY_LOGIN_H
#define LATCHKEY_LOGIN_H

#include <stdbool.h>

#include "base/json.h"
#include "base/names.h"
#include "verdict/verdict.h"
#include "account/identity.h"

/* Owns its strings; copy it freely. */
struct login {
    const char *credential; /* "jwt", "api_key"; static; NULL: not known */
    char tenant[FACT_MAX];  /* the whole id */
    char subject[SUBJECT_MAX + 1];
    char jti[SUBJECT_MAX + 1]; /* empty: none */
    char kid[SUBJECT_MAX + 1]; /* of the key that verified the token; empty: none */
    bool has_issued_at;
    double issued_at; /* s since 1970 */
    bool has_auth_time;
    double auth_time; /* s since 1970: when the user proved the identity to the tenant (OpenID Connect Core §2) */
    bool has_expires; /* always, in a complete login */
    double expires;   /* s since 1970 */
    struct identity identity;
    char authzid[SUBJECT_MAX + 1]; /* the name that the user acts as; the user, unless another was asked for */
};

/* LOGIN_WHOLE: all members that the login has. LOGIN_REPORT: the members that `latchkey verify --json` publishes
 * (latchkey(1)), null where the login has none. */
enum login_members { LOGIN_WHOLE, LOGIN_REPORT };

/* Add the members to an object. False when out of memory; the object may have some of them then. */
bool login_write(const struct login *login, enum login_members members, struct json *object);

/*
 * Read untrusted JSON. Every member but jti, kid, iat, auth_time and by_user_block is required; names, lengths and
 * ranges are checked; strings hold no control characters; unknown members are ignored. False with *ret_member, the
 * static name of the first member that is missing or not valid; *ret_login is written on success only.
 */
bool login_read(const struct json *object, struct login *ret_login, const char **ret_member);

/* As far as a refused login got: what is missing or not valid is left out. */
void login_read_facts(const struct json *object, struct login *ret_login);

/* The facts of a verdict, from a login and to one. A fact is printable, and kid and jti are cut. */
void login_tell_facts(const struct login *login, struct verdict *verdict);
void login_take_facts(const struct verdict *verdict, struct login *ret_login);

#endif
