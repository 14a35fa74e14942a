#include "latchkeyd/privileges.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/account_lookup.h"
#include "base/program.h"

void privileges_harden(void)
{
    program_protect();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static bool is_root_in_any_way(void)
{
    uid_t real, effective, saved;

    return getresuid(&real, &effective, &saved) != 0 || real == 0 || effective == 0 || saved == 0;
}

/* All three uids at once, so that none can be restored; setuid(0) must fail then. */
static bool become(const struct account_entry *user)
{
    if (geteuid() != 0 && seteuid(0) != 0)
        return false;
    return setgroups(0, NULL) == 0 && setresgid(user->gid, user->gid, user->gid) == 0
        && setresuid(user->uid, user->uid, user->uid) == 0 && setuid(0) != 0 && !is_root_in_any_way();
}

bool privileges_drop(const char *user, const char *fallback, char error[PRIVILEGES_ERROR_MAX])
{
    struct account_entry account;
    enum account_answer answer;
    int cause = 0;

    if (!is_root_in_any_way())
        return true;
    answer = account_lookup_user(user, &account, &cause);
    if (answer == ACCOUNT_ABSENT && fallback != NULL)
        answer = account_lookup_user(fallback, &account, &cause);
    if (answer == ACCOUNT_CANNOT_TELL) {
        snprintf(error, PRIVILEGES_ERROR_MAX, "user \"%.64s\" cannot be looked up now: %s", user, strerror(cause));
        return false;
    }
    if (answer == ACCOUNT_ABSENT || account.uid == 0) {
        snprintf(error, PRIVILEGES_ERROR_MAX, "user \"%.64s\" %s", user,
                 answer == ACCOUNT_ABSENT ? "does not exist" : "is root; latchkeyd must not run as root");
        return false;
    }
    if (become(&account)) {
        program_protect_again();
        return true;
    }
    snprintf(error, PRIVILEGES_ERROR_MAX, "cannot become user \"%.64s\": %s", account.name, strerror(errno));
    return false;
}
