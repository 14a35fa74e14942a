/*
 * The accounts of this host that a configuration opens, and what shadow(5) and shells(5) say of them today.
 */
#ifndef LATCHKEY_ACCOUNTS_H
#define LATCHKEY_ACCOUNTS_H

#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/model.h"

#define DAY_NEVER INT64_MAX

/* The answer of pam_unix's account part for a local password. */
enum password_age {
    AGE_GOOD,
    AGE_CHANGE,  /* new_authtok_reqd: the user must change it */
    AGE_EXPIRED, /* authtok_expired: the user can no longer change it */
};

/* Days count from 1970. For a caller that may not read shadow(5): AGE_GOOD, DAY_NEVER and false. */
struct account {
    char *name;
    bool has_block; /* a user block names it; else a pattern can give it */
    enum password_age age;
    int64_t ages_on;    /* the first day on which the user must change the password */
    int64_t expires_on; /* from this day on the account refuses every login */
    bool is_expired;
    bool is_locked; /* by usermod -L: "!" precedes a hash; false for a password that was never set */
    bool has_listed_shell;
};

struct accounts {
    struct account *items;
    size_t count;
};

/*
 * The accounts of the user blocks that exist on this host, in the order of the blocks. Then the accounts of NSS that a
 * map can give and that have a login shell, without uid 0, which no map gives. False when out of memory, or when NSS
 * cannot tell now whether the account of a block exists. End it with accounts_clear() in either case.
 */
bool accounts_read(const struct config *config, struct accounts *ret_accounts);
void accounts_clear(struct accounts *accounts);

/* Not nologin, false and their like. */
bool account_has_login_shell(const struct passwd *account);

int64_t accounts_today(void);

/* "2026-11-30"; lent until the next call. */
const char *accounts_date(int64_t day);

#endif
