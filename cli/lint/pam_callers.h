/*
 * Programs that run PAM as a user other than root, and for accounts other than that user's. pam_unix cannot answer
 * them: the program may not read /etc/shadow, and unix_chkpwd(8) answers a caller only about the caller's own account.
 * Screen lockers are not among them: they run as the account that they ask about.
 */
#ifndef LATCHKEY_PAM_CALLERS_H
#define LATCHKEY_PAM_CALLERS_H

#include "base/account_lookup.h"
#include "config/model.h"

struct pam_caller {
    const char *service; /* the program's default PAM service */
    const char *program;
    const char *user; /* the user that runs the program of Debian's package */
};

/* NULL: no such program is known to use the service. */
const struct pam_caller *pam_caller_find(const char *service);

/* ACCOUNT_FOUND: the user is in the group shadow. unix_chkpwd(8) then reads /etc/shadow for the program, and pam_unix
 * has an answer. */
enum account_answer pam_caller_reads_shadow(const struct pam_caller *caller);

/* ACCOUNT_FOUND: latchkeyd answers the user, who is the daemon's own user, in `allow` or in a group of `allow`. */
enum account_answer pam_caller_may_ask(const struct pam_caller *caller, const struct latchkeyd_options *latchkeyd);

#endif
