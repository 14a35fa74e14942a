#include "tests/support/fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "latchkeyd/peers.h"

#define T0    1000000
#define OTHER 12345 /* a uid, and a gid, of nobody */

/* In place of the C library's: NSS that fails, and a clock that is moved on. */
static struct {
    int failure; /* 0: NSS answers */
    unsigned asked;
    long takes_s;
    long later_s;
} fate;

typedef int user_look_up(const char *, struct passwd *, char *, size_t, struct passwd **);
typedef int group_look_up(const char *, struct group *, char *, size_t, struct group **);

int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, struct passwd **ret)
{
    user_look_up *real = (user_look_up *)dlsym(RTLD_NEXT, "getpwnam_r");

    fate.asked++;
    fate.later_s += fate.takes_s;
    *ret = NULL;
    return fate.failure != 0 ? fate.failure : real(name, entry, buffer, size, ret);
}

int getgrnam_r(const char *name, struct group *entry, char *buffer, size_t size, struct group **ret)
{
    group_look_up *real = (group_look_up *)dlsym(RTLD_NEXT, "getgrnam_r");

    fate.asked++;
    *ret = NULL;
    return fate.failure != 0 ? fate.failure : real(name, entry, buffer, size, ret);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int (*real)(clockid_t, struct timespec *) =
        (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const int result = real(clock, ret);

    ret->tv_sec += fate.later_s;
    return result;
}

static char *allowed[] = { (char[]){ "bin" }, (char[]){ "@mail" }, (char[]){ "no-such-user" },
                           (char[]){ "@no-such-group" } };
static struct latchkeyd_options latchkeyd = {
    .user = (char[]){ "daemon" }, .allow = { allowed, COUNT(allowed) }, .peer_rate = 10, .rate = 20
};

static uid_t uid_of(const char *name)
{
    const struct passwd *found = getpwnam(name);

    assert_non_null(found);
    return found->pw_uid;
}

static gid_t gid_of(const char *name)
{
    const struct group *found = getgrnam(name);

    assert_non_null(found);
    return found->gr_gid;
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(chmod(path, 0666), 0);
    return fd;
}

/* In a process of its own: comes as that user, and waits until it is let go. */
static int come_as(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;
    char byte;

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (setgroups(group_count, groups) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
        return 1;
    fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return 2;
    return recv(fd, &byte, 1, 0) == 0 ? 0 : 3;
}

static void rule_25_who_may_ask(void **state)
{
    static gid_t many[5000];
    const gid_t mail = gid_of("mail"), foreign[3] = { OTHER, OTHER + 1, OTHER + 2 },
                with_mail[3] = { OTHER, mail, OTHER + 2 };
    const struct {
        const char *name;
        uid_t uid;
        gid_t gid;
        const gid_t *groups;
        size_t group_count;
        bool want;
    } cases[] = {
        { "root", 0, 0, NULL, 0, true },
        { "root of a foreign group", 0, OTHER, NULL, 0, true },
        { "the user of latchkeyd", uid_of("daemon"), OTHER, NULL, 0, true },
        { "a user who is listed", uid_of("bin"), OTHER, NULL, 0, true },
        { "whose primary group is listed", OTHER, mail, NULL, 0, true },
        { "who has a listed group beside others", OTHER, OTHER, with_mail, 3, true },
        { "somebody", OTHER, OTHER, NULL, 0, false },
        { "somebody with other groups", OTHER, OTHER, foreign, 3, false },
        { "a user who is not listed", uid_of("sys"), gid_of("sys"), NULL, 0, false },
        { "whose uid is the gid of a listed group", mail, OTHER, NULL, 0, false },
        { "whose gid is the uid of a listed user", OTHER, uid_of("bin"), NULL, 0, false },
        { "root's group alone", OTHER, 0, NULL, 0, false },
        { "more groups than anybody has", OTHER, OTHER, many, COUNT(many), false },
    };
    const char *path = path_in_directory("peers");
    struct peers *peers;
    int listener;
    size_t i;

    (void)state;
    if (geteuid() != 0)
        skip(); /* what can be known then is below */
    peers = peers_new();
    for (i = 0; i < COUNT(many); i++)
        many[i] = OTHER + (gid_t)i;
    assert_int_equal(chmod(directory, 0755), 0);
    listener = listen_at(path);
    assert_true(peers_configure(peers, &latchkeyd, NULL));
    for (i = 0; i < COUNT(cases); i++) {
        pid_t child = fork();
        int fd, status;
        uid_t uid = 4711;

        ROW(cases[i].name);
        assert_true(child >= 0);
        if (child == 0)
            _exit(come_as(cases[i].uid, cases[i].gid, cases[i].groups, cases[i].group_count, path));
        fd = accept(listener, NULL, NULL);
        assert_true(fd >= 0);
        assert_int_equal(peers_allow(peers, fd, &uid), cases[i].want);
        assert_int_equal(uid, cases[i].uid);
        close(fd);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    close(listener);
    peers_free(&peers);
    assert_null(peers);
    peers_free(&peers);
}

static void rule_25_our_own_user_may_ask(void **state)
{
    struct latchkeyd_options bare = { .user = (char[]){ "no-such-user" }, .peer_rate = 1, .rate = 1 };
    struct peers *peers = peers_new();
    uid_t uid = 4711;
    int pair[2], file;

    (void)state;
    assert_true(peers_configure(peers, &bare, NULL));
    ROW("though nobody is listed and the user of latchkeyd does not exist");
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_true(peers_allow(peers, pair[0], &uid));
    assert_int_equal(uid, geteuid());
    close(pair[0]);
    close(pair[1]);
    ROW("but not who the kernel does not tell");
    file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_false(peers_allow(peers, file, &uid));
    assert_int_equal(uid, (uid_t)-1);
    close(file);
    peers_free(&peers);
}

static char unknown[96];

static void note_unknown(const char *name, enum account_answer answer)
{
    strcat(strcat(unknown, name), answer == ACCOUNT_CANNOT_TELL ? "? " : " ");
}

static void a_name_that_does_not_exist_allows_nobody_and_is_told(void **state)
{
    struct peers *peers = peers_new();

    (void)state;
    unknown[0] = '\0';
    assert_true(peers_configure(peers, &latchkeyd, note_unknown));
    assert_string_equal(unknown, "no-such-user @no-such-group ");
    ROW("the user of latchkeyd need not exist");
    unknown[0] = '\0';
    assert_true(
        peers_configure(peers, &(struct latchkeyd_options){ .user = (char[]){ "no-such-user" } }, note_unknown));
    assert_string_equal(unknown, "");
    peers_free(&peers);
}

/* Whether a process of that uid and gid may ask; it has no other groups. */
static bool may_ask(struct peers *peers, uid_t uid, gid_t gid)
{
    const char *path = path_in_directory("peers");
    int listener = listen_at(path), fd, status;
    pid_t child = fork();
    uid_t got;
    bool may;

    assert_true(child >= 0);
    if (child == 0)
        _exit(come_as(uid, gid, NULL, 0, path));
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    may = peers_allow(peers, fd, &got);
    assert_int_equal(got, uid);
    close(fd);
    close(listener);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return may;
}

static void rule_32_names_that_nss_cannot_tell_now_are_looked_up_again(void **state)
{
    const uid_t bin = uid_of("bin"), daemon_uid = uid_of("daemon");
    const gid_t mail = gid_of("mail");
    struct peers *peers = peers_new();

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(directory, 0755), 0);
    ROW("at the start: they allow nobody yet, and this is told");
    unknown[0] = '\0';
    fate.failure = EMFILE;
    assert_true(peers_configure(peers, &latchkeyd, note_unknown));
    assert_string_equal(unknown, "bin? @mail? no-such-user? @no-such-group? ");
    assert_false(may_ask(peers, bin, OTHER));
    assert_false(may_ask(peers, daemon_uid, OTHER));
    ROW("root may ask all the same, and nothing is looked up for it");
    fate.asked = 0;
    fate.later_s += 10;
    assert_true(may_ask(peers, 0, 0));
    assert_int_equal(fate.asked, 0);
    ROW("with the next peer, but not more than once in a second");
    assert_false(may_ask(peers, bin, OTHER));
    assert_int_equal(fate.asked, 5);
    fate.failure = 0;
    assert_false(may_ask(peers, bin, OTHER));
    assert_int_equal(fate.asked, 5);
    fate.later_s++;
    assert_true(may_ask(peers, bin, OTHER));
    assert_true(may_ask(peers, OTHER, mail));
    assert_true(may_ask(peers, daemon_uid, OTHER));
    assert_false(may_ask(peers, OTHER, OTHER));
    ROW("and never again when all is known");
    fate.asked = 0;
    fate.later_s += 1000;
    assert_false(may_ask(peers, OTHER, OTHER));
    assert_int_equal(fate.asked, 0);
    peers_free(&peers);
}

static void rule_32_the_former_answer_holds_while_nss_cannot_tell(void **state)
{
    const uid_t bin = uid_of("bin"), sys = uid_of("sys");
    char *longer[] = { allowed[1], (char[]){ "sys" }, allowed[0] };
    const struct latchkeyd_options more = {
        .user = latchkeyd.user, .allow = { longer, COUNT(longer) }, .peer_rate = 1, .rate = 1
    };
    const struct latchkeyd_options fewer = { .user = latchkeyd.user, .peer_rate = 1, .rate = 1 };
    struct peers *peers = peers_new();

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(peers_configure(peers, &latchkeyd, NULL));
    ROW("another configuration, in which they stand in other places");
    fate.failure = EIO;
    assert_true(peers_configure(peers, &more, NULL));
    assert_true(may_ask(peers, bin, OTHER));
    assert_true(may_ask(peers, OTHER, gid_of("mail")));
    assert_true(may_ask(peers, uid_of("daemon"), OTHER));
    assert_false(may_ask(peers, sys, OTHER));
    ROW("a name that is no longer listed has no former answer");
    assert_true(peers_configure(peers, &fewer, NULL));
    assert_false(may_ask(peers, bin, OTHER));
    fate.failure = 0;
    peers_free(&peers);
}

static void a_slow_directory_service_does_not_keep_latchkeyd_busy(void **state)
{
    struct peers *peers = peers_new();

    (void)state;
    if (geteuid() != 0)
        skip();
    fate.failure = ETIMEDOUT;
    fate.takes_s = 5; /* each of three users */
    assert_true(peers_configure(peers, &latchkeyd, NULL));
    fate.asked = 0;
    ROW("nine times as long as the last try took nothing is asked");
    fate.later_s += 9 * 3 * 5 - 1;
    assert_false(may_ask(peers, OTHER, OTHER));
    assert_int_equal(fate.asked, 0);
    fate.later_s += 2;
    assert_false(may_ask(peers, OTHER, OTHER));
    assert_int_equal(fate.asked, 5);
    memset(&fate, 0, sizeof fate);
    peers_free(&peers);
}

/* How many of `tries` questions of a uid pass at a time. */
static unsigned passing(struct peers *peers, uid_t uid, int64_t now_ms, unsigned tries)
{
    unsigned passed = 0;

    while (tries-- > 0)
        passed += peers_count(peers, uid, now_ms);
    return passed;
}

/* peer_rate 10, rate 20, a quarter of it for root alone; a burst is what comes in two seconds */
static const struct {
    const char *name;
    struct {
        uid_t uid;
        int64_t at_ms;
        unsigned tries, passed;
    } steps[8];
} rates[] = {
    { "a burst of two seconds passes, and no more", { { 1, T0, 30, 20 }, { 1, T0, 1, 0 } } },
    { "then one for each tenth of a second",
      { { 1, T0, 30, 20 }, { 1, T0 + 99, 5, 0 }, { 1, T0 + 100, 5, 1 }, { 1, T0 + 300, 5, 2 } } },
    { "what is tried in vain costs nothing", { { 1, T0, 1000, 20 }, { 1, T0 + 1000, 100, 10 } } },
    { "silence does not save up more than a burst", { { 1, T0, 20, 20 }, { 1, T0 + 3600000, 100, 20 } } },
    { "a burst is full again after two seconds", { { 1, T0, 20, 20 }, { 1, T0 + 2000, 100, 20 } } },
    { "one uid does not use up what another has", { { 1, T0, 100, 20 }, { 2, T0, 10, 10 } } },
    { "but all together have a rate, too", { { 1, T0, 100, 20 }, { 2, T0, 100, 10 }, { 3, T0, 100, 0 } } },
    { "of which others leave a quarter to root",
      { { 1, T0, 100, 20 }, { 2, T0, 100, 10 }, { 3, T0, 100, 0 }, { 0, T0, 100, 10 } } },
    { "which is also counted for root", { { 0, T0, 100, 20 }, { 1, T0, 100, 10 }, { 0, T0, 1, 0 } } },
    { "who is refused for all does not pay for itself",
      { { 1, T0, 20, 20 }, { 2, T0, 10, 10 }, { 3, T0, 50, 0 }, { 3, T0 + 2000, 100, 20 } } },
};

static void rule_27_questions_have_a_rate(void **state)
{
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(rates); i++) {
        struct peers *peers = peers_new();

        ROW(rates[i].name);
        assert_true(peers_configure(peers, &latchkeyd, NULL));
        for (j = 0; j < COUNT(rates[i].steps) && rates[i].steps[j].at_ms != 0; j++)
            assert_int_equal(passing(peers, rates[i].steps[j].uid, rates[i].steps[j].at_ms, rates[i].steps[j].tries),
                             rates[i].steps[j].passed);
        peers_free(&peers);
    }
}

static void another_configuration_is_no_new_burst(void **state)
{
    struct latchkeyd_options faster = { .user = latchkeyd.user, .peer_rate = 20, .rate = 100000 };
    struct peers *peers = peers_new();

    (void)state;
    assert_true(peers_configure(peers, &latchkeyd, NULL));
    assert_int_equal(passing(peers, 1, T0, 100), 20);
    assert_true(peers_configure(peers, &latchkeyd, NULL));
    assert_int_equal(passing(peers, 1, T0, 100), 0);
    ROW("its rate counts from now on");
    assert_true(peers_configure(peers, &faster, NULL));
    assert_int_equal(passing(peers, 1, T0 + 1000, 100), 20);
    peers_free(&peers);
}

static void many_uids_do_not_make_room_for_more(void **state)
{
    struct latchkeyd_options wide = { .user = latchkeyd.user, .peer_rate = 1, .rate = 100000 };
    struct peers *peers = peers_new();
    uid_t uid;

    (void)state;
    assert_true(peers_configure(peers, &wide, NULL));
    ROW("256 are told apart");
    for (uid = 1; uid <= 256; uid++)
        assert_int_equal(passing(peers, uid, T0 + uid, 3), 2);
    for (uid = 1; uid <= 256; uid++)
        assert_int_equal(passing(peers, uid, T0 + 300 + uid, 1), 0);
    ROW("the next takes the place of who was silent longest, and of nobody else");
    assert_int_equal(passing(peers, 1000, T0 + 600, 3), 2);
    for (uid = 2; uid <= 256; uid++)
        assert_int_equal(passing(peers, uid, T0 + 601, 1), 0);
    assert_int_equal(passing(peers, 1000, T0 + 601, 1), 0);
    peers_free(&peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_25_who_may_ask),
        cmocka_unit_test(rule_25_our_own_user_may_ask),
        cmocka_unit_test(a_name_that_does_not_exist_allows_nobody_and_is_told),
        cmocka_unit_test(rule_32_names_that_nss_cannot_tell_now_are_looked_up_again),
        cmocka_unit_test(rule_32_the_former_answer_holds_while_nss_cannot_tell),
        cmocka_unit_test(a_slow_directory_service_does_not_keep_latchkeyd_busy),
        cmocka_unit_test(rule_27_questions_have_a_rate),
        cmocka_unit_test(another_configuration_is_no_new_burst),
        cmocka_unit_test(many_uids_do_not_make_room_for_more),
    };

    return cmocka_run_group_tests(tests, directory_set_up, directory_tear_down);
}
