#include "tests/support/unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/account_lookup.h"

/* In place of the C library's: how NSS and the local file answer. */
static struct {
    int error;             /* 0: as NSS does */
    unsigned left;         /* that many times */
    size_t wanted;         /* ERANGE below this size */
    const char *long_name; /* instead of the one that NSS has */
    const char **members;  /* of each group, instead of those that NSS has */
    unsigned users_first;  /* `left` begins after so many look-ups */
    int open_error;
    unsigned open_interruptions;
} fate;

typedef int user_look_up(const char *, struct passwd *, char *, size_t, struct passwd **);
typedef int group_look_up(const char *, struct group *, char *, size_t, struct group **);

/* 0 when the real one is to be asked. */
static int fail_first(size_t size)
{
    if (size < fate.wanted)
        return ERANGE;
    if (fate.users_first > 0) {
        fate.users_first--;
        return 0;
    }
    if (fate.left == 0)
        return 0;
    fate.left--;
    return fate.error;
}

int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, struct passwd **ret)
{
    user_look_up *real = (user_look_up *)dlsym(RTLD_NEXT, "getpwnam_r");
    int error = fail_first(size);

    *ret = NULL;
    if (error == 0)
        error = real(name, entry, buffer, size, ret);
    if (fate.long_name != NULL)
        entry->pw_name = (char *)fate.long_name;
    return error;
}

int getgrnam_r(const char *name, struct group *entry, char *buffer, size_t size, struct group **ret)
{
    group_look_up *real = (group_look_up *)dlsym(RTLD_NEXT, "getgrnam_r");
    const int error = fail_first(size);

    *ret = NULL;
    if (error != 0)
        return error;
    if (fate.members != NULL) {
        *entry = (struct group){ .gr_name = (char *)name, .gr_gid = 4711, .gr_mem = (char **)fate.members };
        *ret = entry;
        return 0;
    }
    return real(name, entry, buffer, size, ret);
}

int open(const char *path, int flags, ...)
{
    if (fate.open_interruptions > 0) {
        fate.open_interruptions--;
        errno = EINTR;
        return -1;
    }
    errno = fate.open_error;
    return fate.open_error != 0 ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);
}

static void a_name_that_is_there(void **state)
{
    struct account_entry account;

    (void)state;
    ROW("a user");
    assert_int_equal(account_lookup_user("daemon", &account, NULL), ACCOUNT_FOUND);
    assert_string_equal(account.name, "daemon");
    assert_int_equal(account.uid, getpwnam("daemon")->pw_uid);
    assert_int_equal(account.gid, getpwnam("daemon")->pw_gid);
    ROW("a group");
    assert_int_equal(account_lookup_group("mail", &account, NULL), ACCOUNT_FOUND);
    assert_string_equal(account.name, "mail");
    assert_int_equal(account.gid, getgrnam("mail")->gr_gid);
    ROW("the longest name that Latchkey takes, and a longer one");
    fate.long_name = "a-name-of-thirty-two-bytes-in-al";
    assert_int_equal(account_lookup_user("daemon", &account, NULL), ACCOUNT_FOUND);
    assert_string_equal(account.name, fate.long_name);
    fate.long_name = "a-name-of-thirty-three-bytes-long";
    assert_int_equal(account_lookup_user("daemon", &account, NULL), ACCOUNT_FOUND);
    assert_string_equal(account.name, "");
    memset(&fate, 0, sizeof fate);
}

static void a_name_that_is_absent(void **state)
{
    struct account_entry account;
    int error = 4711;

    (void)state;
    ROW("a user, a group, and a user's name that is no group's");
    assert_int_equal(account_lookup_user("no-such-user-here", &account, &error), ACCOUNT_ABSENT);
    assert_int_equal(account_lookup_group("no-such-group-here", &account, &error), ACCOUNT_ABSENT);
    assert_int_equal(account_lookup_user("", &account, &error), ACCOUNT_ABSENT);
    assert_int_equal(error, 4711);
    ROW("the local file is opened in spite of a signal");
    fate.open_interruptions = 2;
    assert_int_equal(account_lookup_user("no-such-user-here", &account, &error), ACCOUNT_ABSENT);
    assert_int_equal(fate.open_interruptions, 0);
}

static const struct {
    const char *name;
    int error;
    unsigned times;
    size_t wanted;
    int want; /* 0: it is found; else the errno with which it cannot be told */
} answers[] = {
    { "interrupted", EINTR, 3, 0, 0 },
    { "an entry of 64 KiB", 0, 0, 65536, 0 },
    { "an entry as large as any", 0, 0, ACCOUNT_ENTRY_MAX, 0 },
    { "an entry beyond", 0, 0, ACCOUNT_ENTRY_MAX + 1, ERANGE },
    { "memory is exhausted", ENOMEM, 1, 0, ENOMEM },
    { "descriptors of the process", EMFILE, 1, 0, EMFILE },
    { "descriptors of the system", ENFILE, 1, 0, ENFILE },
    { "a broken directory service", EIO, 1, 0, EIO },
    { "one that is busy", EAGAIN, 1, 0, EAGAIN },
    { "one that is stopped", ECONNREFUSED, 1, 0, ECONNREFUSED },
    { "nslcd that is stopped", ENOENT, 1, 0, ENOENT },
    { "a confined process", EPERM, 1, 0, EPERM },
    { "a file that may not be read", EACCES, 1, 0, EACCES },
    { "no such process", ESRCH, 1, 0, ESRCH },
    { "a descriptor that another thread closed", EBADF, 1, 0, EBADF },
};

static void rule_32_a_failure_is_neither_yes_nor_no(void **state)
{
    struct account_entry account;
    size_t i;
    int error;

    (void)state;
    for (i = 0; i < COUNT(answers); i++) {
        const enum account_answer want = answers[i].want == 0 ? ACCOUNT_FOUND : ACCOUNT_CANNOT_TELL;

        ROW(answers[i].name);
        fate.error = answers[i].error;
        fate.wanted = answers[i].wanted;
        fate.left = answers[i].times;
        error = 0;
        assert_int_equal(account_lookup_user("daemon", &account, &error), want);
        assert_int_equal(error, answers[i].want);
        fate.left = answers[i].times;
        assert_int_equal(account_lookup_group("mail", &account, NULL), want);
        memset(&fate, 0, sizeof fate);
    }
    ROW("not found, while the local file cannot be opened");
    fate.open_error = EMFILE;
    assert_int_equal(account_lookup_user("no-such-user-here", &account, &error), ACCOUNT_CANNOT_TELL);
    assert_int_equal(error, EMFILE);
    assert_int_equal(account_lookup_group("no-such-group-here", &account, &error), ACCOUNT_CANNOT_TELL);
    memset(&fate, 0, sizeof fate);
}

static void membership_is_primary_or_listed(void **state)
{
    const char *members[] = { "bin", "daemon", NULL };

    (void)state;
    ROW("the primary group");
    assert_int_equal(account_lookup_member("mail", "mail", NULL), ACCOUNT_FOUND);
    ROW("another group");
    assert_int_equal(account_lookup_member("daemon", "mail", NULL), ACCOUNT_ABSENT);
    ROW("a user or a group that does not exist");
    assert_int_equal(account_lookup_member("no-such-user-here", "mail", NULL), ACCOUNT_ABSENT);
    assert_int_equal(account_lookup_member("daemon", "no-such-group-here", NULL), ACCOUNT_ABSENT);
    ROW("a group whose entry lists the user");
    fate.members = members;
    assert_int_equal(account_lookup_member("daemon", "mail", NULL), ACCOUNT_FOUND);
    assert_int_equal(account_lookup_member("mail", "daemon", NULL), ACCOUNT_ABSENT);
    memset(&fate, 0, sizeof fate);
}

static void rule_32_a_membership_that_nss_cannot_tell_is_not_absent(void **state)
{
    int error;

    (void)state;
    for (fate.users_first = 0; fate.users_first < 2;) {
        const unsigned next = fate.users_first + 1;

        ROW(next == 1 ? "NSS fails for the user" : "NSS fails for the group");
        fate.error = EIO;
        fate.left = 1;
        error = 0;
        assert_int_equal(account_lookup_member("mail", "mail", &error), ACCOUNT_CANNOT_TELL);
        assert_int_equal(error, EIO);
        fate.users_first = next;
    }
    memset(&fate, 0, sizeof fate);
}

/* In a process of its own, which has no descriptor left: 0 when nobody is taken for absent. */
static int status_without_descriptors(bool is_warm)
{
    struct account_entry account;
    int i;

    for (i = 0; is_warm && i < 2; i++) /* every source of nsswitch.conf is loaded */
        account_lookup_user(i == 0 ? "daemon" : "no-such-user-here", &account, NULL);
    if (setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 16, 16 }) != 0)
        return 1;
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
    if (account_lookup_user("daemon", &account, NULL) == ACCOUNT_ABSENT)
        return 2;
    if (account_lookup_group("mail", &account, NULL) == ACCOUNT_ABSENT)
        return 3;
    close(3);
    close(4);
    close(5);
    return account_lookup_user("daemon", &account, NULL) == ACCOUNT_FOUND ? 0 : 4;
}

static void rule_32_without_descriptors_nobody_is_absent(void **state)
{
    int warm, status;

    (void)state;
    for (warm = 0; warm < 2; warm++) {
        pid_t child = fork();

        ROW(warm ? "a process that has asked before" : "a process that asks for the first time");
        assert_true(child >= 0);
        if (child == 0)
            _exit(status_without_descriptors(warm));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_is_there),
        cmocka_unit_test(a_name_that_is_absent),
        cmocka_unit_test(rule_32_a_failure_is_neither_yes_nor_no),
        cmocka_unit_test(membership_is_primary_or_listed),
        cmocka_unit_test(rule_32_a_membership_that_nss_cannot_tell_is_not_absent),
        cmocka_unit_test(rule_32_without_descriptors_nobody_is_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
