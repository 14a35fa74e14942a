#include "tests/support/unit.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "latchkeyd/privileges.h"

/* In a process of its own, since nothing of it can be taken back: 0, or the number of what went wrong. */
static int in_a_child(int (*check)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0)
        _exit(check());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int harden(void)
{
    struct rlimit limit;

    privileges_harden();
    if (getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_cur != 0 || limit.rlim_max != 0)
        return 1;
    if (prctl(PR_GET_DUMPABLE) != 0)
        return 2;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 3;
}

static void rule_33_no_core_dump_and_no_debugger(void **state)
{
    (void)state;
    assert_int_equal(in_a_child(harden), 0);
}

/* Is this process that user, for good? */
static int become(const char *user, const char *fallback, const char *want)
{
    char error[PRIVILEGES_ERROR_MAX];
    const struct passwd *found = getpwnam(want);
    uid_t real_uid, uid, saved_uid;
    gid_t real_gid, gid, saved_gid;

    if (!privileges_drop(user, fallback, error))
        return 1;
    if (found == NULL || getresuid(&real_uid, &uid, &saved_uid) != 0 || getresgid(&real_gid, &gid, &saved_gid) != 0)
        return 2;
    if (real_uid != found->pw_uid || uid != found->pw_uid || saved_uid != found->pw_uid)
        return 3;
    if (real_gid != found->pw_gid || gid != found->pw_gid || saved_gid != found->pw_gid)
        return 4;
    if (getgroups(0, NULL) != 0)
        return 5;
    if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 || setgroups(1, &gid) == 0)
        return 6;
    return prctl(PR_GET_DUMPABLE) == 0 ? 0 : 7;
}

static int become_daemon(void)
{
    const gid_t groups[] = { 0, 4, 12345 };

    if (setgroups(COUNT(groups), groups) != 0)
        return 8;
    return become("daemon", NULL, "daemon");
}

static int become_fallback(void)
{
    return become("no-such-user", "nobody", "nobody");
}

static int become_daemon_though_there_is_a_fallback(void)
{
    return become("daemon", "nobody", "daemon");
}

/* Root stays root, and says so. */
static int refused(const char *user, const char *fallback, const char *want)
{
    char error[PRIVILEGES_ERROR_MAX] = "";

    if (privileges_drop(user, fallback, error))
        return 1;
    return strcmp(error, want) == 0 && geteuid() == 0 ? 0 : 2;
}

static int become_nobody_known(void)
{
    return refused("no-such-user", NULL, "user \"no-such-user\" does not exist");
}

static int become_no_fallback(void)
{
    return refused("no-such-user", "nor-this-one", "user \"no-such-user\" does not exist");
}

static int become_root(void)
{
    return refused("root", "nobody", "user \"root\" is root; latchkeyd must not run as root");
}

static int become_root_by_fallback(void)
{
    return refused("no-such-user", "root", "user \"no-such-user\" is root; latchkeyd must not run as root");
}

static const struct {
    const char *name;
    int (*check)(void);
} cases[] = {
    { "the user, all three uids and gids, and none of root's groups", become_daemon },
    { "the fallback, where there is no such user", become_fallback },
    { "the user, though there is a fallback", become_daemon_though_there_is_a_fallback },
    { "no such user", become_nobody_known },
    { "no such user and no such fallback", become_no_fallback },
    { "root is no user to become", become_root },
    { "nor by the fallback", become_root_by_fallback },
};

static void root_is_given_up_for_good(void **state)
{
    size_t i;

    (void)state;
    if (geteuid() != 0)
        skip();
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_int_equal(in_a_child(cases[i].check), 0);
    }
}

static int stay(void)
{
    char error[PRIVILEGES_ERROR_MAX];
    uid_t uid;

    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        return 1;
    uid = geteuid();
    if (!privileges_drop("no-such-user", NULL, error) || !privileges_drop("root", NULL, error))
        return 2;
    return geteuid() == uid && getuid() == uid ? 0 : 3;
}

static void who_is_not_root_stays_who_they_are(void **state)
{
    (void)state;
    assert_int_equal(in_a_child(stay), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_33_no_core_dump_and_no_debugger),
        cmocka_unit_test(root_is_given_up_for_good),
        cmocka_unit_test(who_is_not_root_stays_who_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
