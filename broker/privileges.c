#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

void privileges_harden(void)
{
    const struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static bool is_root_in_any_way(void)
{
    uid_t real, effective, saved;

    return getresuid(&real, &effective, &saved) != 0 || real == 0 || effective == 0 || saved == 0;
}

/* All three uids at once, so that none can be taken back; that is tried. */
static bool become(const struct passwd *user)
{
    if (geteuid() != 0 && seteuid(0) != 0)
        return false;
    return setgroups(0, NULL) == 0 && setresgid(user->pw_gid, user->pw_gid, user->pw_gid) == 0
        && setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == 0 && setuid(0) != 0 && !is_root_in_any_way();
}

bool privileges_drop(const char *user, const char *fallback, char error[PRIVILEGES_ERROR_MAX])
{
    const struct passwd *found;

    if (!is_root_in_any_way())
        return true;
    found = getpwnam(user);
    if (found == NULL && fallback != NULL)
        found = getpwnam(fallback);
    if (found == NULL || found->pw_uid == 0) {
        snprintf(error, PRIVILEGES_ERROR_MAX, "user \"%.64s\" %s", user,
                 found == NULL ? "does not exist" : "is root, and latchkeyd must not be");
        return false;
    }
    if (become(found)) {
        prctl(PR_SET_DUMPABLE, 0); /* which a change of uid may have undone */
        return true;
    }
    snprintf(error, PRIVILEGES_ERROR_MAX, "cannot become user \"%.64s\": %s", found->pw_name, strerror(errno));
    return false;
}
