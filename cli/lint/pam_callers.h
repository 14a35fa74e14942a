/*
 * Programs that run PAM as a user other than root, and for accounts other than that user's. pam_unix has no answer for
 * them: the program may not read /etc/shadow, and unix_chkpwd(8) tells a caller about the caller's own account alone.
 * A screen locker is none of them: it runs as the account that it judges.
 */
#ifndef LATCHKEY_PAM_CALLERS_H
#define LATCHKEY_PAM_CALLERS_H

#include <stdbool.h>

#include "config/model.h"

struct pam_caller {
    const char *service; /* the PAM service that the program asks for unless it is configured otherwise */
    const char *program;
    const char *user; /* as which Debian's package runs it */
};

/* NULL: the service is not known to be such a program's. */
const struct pam_caller *pam_caller_find(const char *service);

/* The user is in the group shadow, so unix_chkpwd(8) reads /etc/shadow for the program, and pam_unix has an answer. */
bool pam_caller_reads_shadow(const struct pam_caller *caller);

/* latchkeyd answers the user: it is the daemon's own, or `allow` names it or a group of it. */
bool pam_caller_may_ask(const struct pam_caller *caller, const struct latchkeyd_options *latchkeyd);

#endif
