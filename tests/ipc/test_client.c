#include "tests/support/clock_double.h"
#include "tests/support/latchkeyd_double.h"
#include "tests/support/fixture.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/snapshot.h"
#include "ipc/client.h"

#define OTHER 12345 /* a uid of nobody */

/* In place of the C library's: who the kernel says is listening. */
static struct {
    bool is_set;
    uid_t uid;
    int failure; /* errno of SO_PEERCRED; 0: none */
} listener;

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    int result = (int)syscall(SYS_getsockopt, fd, level, name, value, len);

    if (level != SOL_SOCKET || name != SO_PEERCRED || !listener.is_set)
        return result;
    ((struct ucred *)value)->uid = listener.uid;
    errno = listener.failure;
    return listener.failure != 0 ? -1 : result;
}

/* In place of the C library's: a call of the asking thread that fails before it does its work, as often as the test
 * says. The thread of the double calls them, too. */
static struct {
    const char *call; /* NULL: none */
    int error;
    unsigned times, done;
    pthread_t thread;
} failing;

static bool fails(const char *call)
{
    if (failing.call == NULL || strcmp(failing.call, call) != 0 || !pthread_equal(failing.thread, pthread_self())
        || failing.done == failing.times)
        return false;
    failing.done++;
    errno = failing.error;
    return true;
}

/* What the asking thread has done, for the thread that answers it. */
static struct {
    atomic_uint polls, connects;
    bool is_in_vain; /* no answer comes before the deadline, and the test does not wait for it */
} asking;

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    const struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
    /* poll.h declares *fds write-only, and GCC warns where it sees the read. */
    const struct pollfd *volatile asked = fds;

    if (fails("poll"))
        return -1;
    atomic_fetch_add(&asking.polls, fds != NULL && asked->events == POLLIN);
    return asking.is_in_vain ? poll_in_no_time(fds, count, timeout_ms)
                             : (int)syscall(SYS_ppoll, fds, count, timeout_ms < 0 ? NULL : &timeout, NULL, 0);
}

int nanosleep(const struct timespec *pause, struct timespec *ret_left)
{
    if (!asking.is_in_vain)
        return (int)syscall(SYS_nanosleep, pause, ret_left);
    clock_advance_ms(pause->tv_sec * 1000 + pause->tv_nsec / 1000000);
    return 0;
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    atomic_fetch_add(&asking.connects, 1);
    return fails("connect") ? -1 : (int)syscall(SYS_connect, fd, address, len);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    return fails("send") ? -1 : syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
    return fails("recv") ? -1 : syscall(SYS_recvfrom, fd, bytes, len, flags, NULL, NULL);
}

static const struct latchkeyd_question exchange = { .ask = LATCHKEYD_EXCHANGE,
                                                    .tenant = { "t", 1 },
                                                    .subject = { "sub-1", 5 },
                                                    .secret = { "key-0123456789abcdef", 20 } },
                                       refresh = { .ask = LATCHKEYD_REFRESH, .tenant = { "t", 1 } };
#define TOKEN "{\"answer\":\"ok\",\"token\":\"a.b.c\"}"

#define TENANT "tenant \"t\" { url = \"https://auth.example.com\" }\n"

static struct verdict verdict;
static int64_t took_ms;

static unsigned open_descriptors(void)
{
    DIR *descriptors = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(descriptors);
    while (readdir(descriptors) != NULL)
        count++;
    closedir(descriptors);
    return count;
}

/* REASON_OK with the token a.b.c, or the reason of the refusal. */
static enum reason ask(const char *latchkeyd_block, const struct latchkeyd_question *question)
{
    CLEANUP(config_release) const struct config *config = NULL;
    struct latchkeyd_reply reply = { .json = NULL };
    int64_t begun = clock_ms();
    char *text;
    bool ok;

    assert_true(asprintf(&text, TENANT "%s\n", latchkeyd_block) > 0);
    config = config_of(text);
    free(text);
    verdict = VERDICT_INIT;
    ok = latchkeyd_ask(&verdict, config, question, &reply);
    took_ms = clock_ms() - begun;
    assert_int_equal(ok, verdict.reason == REASON_UNDECIDED);
    if (!ok) {
        assert_true(reply.json == NULL || reply.answer.reason == verdict.reason);
        latchkeyd_reply_clear(&reply);
        return verdict.reason;
    }
    assert_int_equal(reply.answer.reason, REASON_OK);
    if (question->ask == LATCHKEYD_EXCHANGE)
        assert_true(slice_equal_string(reply.answer.token, "a.b.c"));
    latchkeyd_reply_clear(&reply);
    assert_null(reply.json);
    assert_null(reply.text.bytes);
    latchkeyd_reply_clear(&reply); /* an empty one */
    return REASON_OK;
}

#define ONE_SOCKET "latchkeyd { socket = {\"~/latchkeyd\"} program = \"\" timeout = 1 }"
#define PATIENT    "latchkeyd { socket = {\"~/latchkeyd\"} program = \"\" timeout = 20 }"

/* Of a double that gives this answer; and nothing is left open. */
static enum reason ask_double(const struct latchkeyd_question *question, const char *answer, size_t answer_len)
{
    unsigned before = open_descriptors();
    struct latchkeyd_double latchkeyd;
    enum reason reason;

    latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
    latchkeyd.answer = answer;
    latchkeyd.answer_len = answer_len;
    reason = ask(ONE_SOCKET, question);
    latchkeyd_double_stop(&latchkeyd);
    assert_int_equal(latchkeyd.questions, 1);
    assert_int_equal(open_descriptors(), before);
    unlink(path_in_directory("latchkeyd"));
    return reason;
}

static void a_question_and_its_answer(void **state)
{
    struct latchkeyd_double latchkeyd;

    (void)state;
    latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
    latchkeyd.answer = TOKEN;
    ROW("an exchange");
    assert_int_equal(ask(ONE_SOCKET, &exchange), REASON_OK);
    assert_string_equal(latchkeyd.question,
                        "{\"ask\":\"exchange\",\"tenant\":\"t\",\"subject\":\"sub-1\","
                        "\"api_key\":\"key-0123456789abcdef\"}");
    ROW("a refresh");
    latchkeyd.answer = "{\"answer\":\"ok\"}";
    assert_int_equal(ask(ONE_SOCKET, &refresh), REASON_OK);
    assert_string_equal(latchkeyd.question, "{\"ask\":\"refresh\",\"tenant\":\"t\"}");
    latchkeyd_double_stop(&latchkeyd);
    unlink(path_in_directory("latchkeyd"));
}

/* A host has signal handlers, and a signal is no answer; what is passing is tried again, and what is not is told. */
static void rule_32_a_call_that_was_interrupted_is_made_again(void **state)
{
    static const struct {
        const char *name, *call;
        int error;
        unsigned times;
        enum reason want;
        const char *evidence;
    } cases[] = {
        { "a signal while it connects", "connect", EINTR, 3, REASON_OK, "" },
        { "a signal while it sends", "send", EINTR, 3, REASON_OK, "" },
        { "a signal while it waits", "poll", EINTR, 3, REASON_OK, "" },
        { "a signal while it receives", "recv", EINTR, 3, REASON_OK, "" },
        { "no room to connect", "connect", EAGAIN, 3, REASON_OK, "" },
        { "no room to send", "send", EAGAIN, 3, REASON_OK, "" },
        { "nothing to receive after all", "recv", EAGAIN, 3, REASON_OK, "" },
        { "hung up before the question was read, and with an answer", "recv", ECONNRESET, 1, REASON_OK, "" },
        { "it may not connect", "connect", EACCES, 1, REASON_LATCHKEYD_UNAVAILABLE, "/latchkeyd: Permission denied" },
        { "it cannot send", "send", EMSGSIZE, 1, REASON_LATCHKEYD_UNAVAILABLE, "send: Message too long" },
        { "without memory to send", "send", ENOBUFS, 1, REASON_OUT_OF_MEMORY, "send: " },
        { "it cannot wait", "poll", EINVAL, 1, REASON_LATCHKEYD_UNAVAILABLE, "poll: Invalid argument" },
        { "without memory to wait", "poll", ENOMEM, 1, REASON_OUT_OF_MEMORY, "poll: " },
        { "it cannot receive", "recv", EIO, 1, REASON_LATCHKEYD_UNAVAILABLE, "recv: Input/output error" },
        { "signals until the time is over", "connect", EINTR, UINT_MAX, REASON_LATCHKEYD_UNAVAILABLE, "/latchkeyd: " },
    };
    struct latchkeyd_double latchkeyd;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const unsigned before = open_descriptors();

        ROW(cases[i].name);
        latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
        latchkeyd.answer = TOKEN;
        failing.call = cases[i].call;
        failing.error = cases[i].error;
        failing.times = cases[i].times;
        failing.done = 0;
        failing.thread = pthread_self();
        asking.is_in_vain = cases[i].times == UINT_MAX;
        assert_int_equal(ask(ONE_SOCKET, &exchange), cases[i].want);
        asking.is_in_vain = false;
        failing.call = NULL;
        assert_in_range(failing.done, 1, cases[i].times);
        if (cases[i].want != REASON_OK)
            assert_non_null(strstr(verdict.evidence, cases[i].evidence));
        else
            assert_int_equal(failing.done, cases[i].times);
        latchkeyd_double_stop(&latchkeyd);
        assert_int_equal(open_descriptors(), before);
        unlink(path_in_directory("latchkeyd"));
    }
}

static void every_refusal_is_handed_on(void **state)
{
    char text[256];
    int reason;

    (void)state;
    for (reason = REASON_OK + 1; reason < REASON_COUNT; reason++) {
        ROW(reason_name((enum reason)reason));
        snprintf(text, sizeof text, "{\"answer\":\"%s\",\"detail\":\"why %d\\n\"}", reason_name((enum reason)reason),
                 reason);
        assert_int_equal(ask_double(&exchange, text, 0), reason);
        snprintf(text, sizeof text, "why %d?", reason);
        assert_string_equal(verdict.evidence, text);
    }
}

static void an_answer_to_a_question_that_was_not_read_counts(void **state)
{
    struct latchkeyd_double latchkeyd;

    (void)state;
    latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
    latchkeyd.answer = "{\"answer\":\"latchkeyd_unavailable\",\"detail\":\"latchkeyd denies uid 7\"}";
    latchkeyd.sends_away = true;
    assert_int_equal(ask(ONE_SOCKET, &exchange), REASON_LATCHKEYD_UNAVAILABLE);
    assert_string_equal(verdict.evidence, "latchkeyd denies uid 7");
    latchkeyd.answer = NULL;
    assert_int_equal(ask(ONE_SOCKET, &exchange), REASON_LATCHKEYD_UNAVAILABLE);
    assert_string_equal(verdict.evidence, "latchkeyd hung up without an answer");
    latchkeyd_double_stop(&latchkeyd);
    unlink(path_in_directory("latchkeyd"));
}

static const struct {
    const char *name, *answer, *evidence;
} broken[] = {
    { "it hangs up", NULL, "latchkeyd hung up without an answer" },
    { "no JSON", "ok", "the answer of latchkeyd: neither an object nor an array" },
    { "half an answer", "{\"answer\":\"ok\"", "the answer of latchkeyd: the text ends too early" },
    { "an unknown answer", "{\"answer\":\"maybe\"}", "the answer of latchkeyd: unknown answer" },
    { "a success without a token", "{\"answer\":\"ok\"}", "the answer of latchkeyd: token is missing or malformed" },
    { "a success with a broken token", "{\"answer\":\"ok\",\"token\":\"a b\"}",
      "the answer of latchkeyd: token is missing or malformed" },
    { "nobody's decision", "{\"answer\":\"undecided\"}", "the answer of latchkeyd: unknown answer" },
};

static void rule_32_a_broken_answer_is_none(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(broken); i++) {
        ROW(broken[i].name);
        assert_int_equal(ask_double(&exchange, broken[i].answer, 0), REASON_LATCHKEYD_UNAVAILABLE);
        assert_string_equal(verdict.evidence, broken[i].evidence);
    }
}

static void an_answer_has_a_limit(void **state)
{
    char *text = malloc(LATCHKEYD_MESSAGE_MAX + 2);
    size_t len;

    (void)state;
    assert_non_null(text);
    memset(text, ' ', LATCHKEYD_MESSAGE_MAX + 2); /* which JSON does not mind */
    memcpy(text, TOKEN, strlen(TOKEN));
    for (len = LATCHKEYD_MESSAGE_MAX; len <= LATCHKEYD_MESSAGE_MAX + 2; len++) {
        bool fits = len == LATCHKEYD_MESSAGE_MAX;

        ROW(fits ? "64 KiB" : "more, though what fits would be an answer");
        assert_int_equal(ask_double(&exchange, text, len), fits ? REASON_OK : REASON_LATCHKEYD_UNAVAILABLE);
        if (!fits)
            assert_string_equal(verdict.evidence, "the answer of latchkeyd: " LATCHKEYD_TOO_LONG);
    }
    free(text);
}

/* A socket file that nobody listens on any more. */
static void leave_stale(const char *path, int type)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

static void the_first_socket_that_answers_is_asked(void **state)
{
    static const struct {
        const char *name, *sockets;
    } cases[] = {
        { "the only one", "\"~/latchkeyd\"" },
        { "behind one that is not there", "\"~/absent\", \"~/latchkeyd\"" },
        { "behind one that nobody listens on any more", "\"~/stale\", \"~/latchkeyd\"" },
        { "behind one below a file", "\"~/file/socket\", \"~/latchkeyd\"" },
        { "behind one in a directory that is not there", "\"~/none/socket\", \"~/latchkeyd\"" },
        { "behind a regular file", "\"~/file\", \"~/latchkeyd\"" },
        { "behind several", "\"~/absent\", \"~/stale\", \"~/absent\", \"~/latchkeyd\"" },
        { "before another", "\"~/latchkeyd\", \"~/second\"" },
    };
    struct latchkeyd_double latchkeyd, second;
    unsigned before = open_descriptors();
    char block[256];
    size_t i;

    (void)state;
    leave_stale(path_in_directory("stale"), SOCK_SEQPACKET);
    write_file("file", "x");
    latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
    latchkeyd_double_start(&second, path_in_directory("second"));
    latchkeyd.answer = second.answer = TOKEN;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        snprintf(block, sizeof block, "latchkeyd { socket = {%s} program = \"\" timeout = 1 }", cases[i].sockets);
        assert_int_equal(ask(block, &exchange), REASON_OK);
        assert_int_equal(latchkeyd.questions, i + 1);
    }
    ROW("what the first refuses, or does not answer, is not taken to the next: it may have been done");
    latchkeyd.answer = "{\"answer\":\"credential_refused\"}";
    assert_int_equal(ask(block, &exchange), REASON_CREDENTIAL_REFUSED);
    latchkeyd.answer = NULL;
    assert_int_equal(ask(block, &exchange), REASON_LATCHKEYD_UNAVAILABLE);
    assert_int_equal(second.questions, 0);
    latchkeyd_double_stop(&latchkeyd);
    latchkeyd_double_stop(&second);
    assert_int_equal(open_descriptors(), before);
    unlink(path_in_directory("latchkeyd"));
    unlink(path_in_directory("second"));
}

static void where_nobody_listens(void **state)
{
    static const struct {
        const char *name, *block, *evidence;
        const struct latchkeyd_question *question;
    } cases[] = {
        { "an exchange, and no program", "latchkeyd { socket = {\"~/absent\"} program = \"\" }",
          "latchkeyd does not listen on ~/absent", &exchange },
        { "two sockets: the first is named", "latchkeyd { socket = {\"~/absent\", \"~/stale\"} program = \"\" }",
          "latchkeyd does not listen on ~/absent", &exchange },
        { "a program is started for no refresh", "latchkeyd { socket = {\"~/absent\"} program = \"~/program\" }",
          "latchkeyd does not listen on ~/absent", &refresh },
        { "no socket at all, and no program", "latchkeyd { socket = {} program = \"\" }",
          "latchkeyd does not listen on any socket", &exchange },
        { "no socket at all, for a refresh", "latchkeyd { socket = {} program = \"~/program\" }",
          "latchkeyd does not listen on any socket", &refresh },
        { "a program that is not there", "latchkeyd { socket = {\"~/absent\"} program = \"~/absent\" }",
          "~/absent: No such file or directory", &exchange },
        { "no socket at all, and a program that is not there", "latchkeyd { socket = {} program = \"~/absent\" }",
          "~/absent: No such file or directory", &exchange },
    };
    unsigned before = open_descriptors();
    char text[512];
    size_t i;

    (void)state;
    leave_stale(path_in_directory("stale"), SOCK_SEQPACKET);
    assert_int_equal(chmod(write_file("program", "#!/bin/sh\n: >\"$0.ran\"\n"), 0755),
                     0); /* which would show that it ran */
    for (i = 0; i < COUNT(cases); i++) {
        const char *tilde = strchr(cases[i].evidence, '~');

        ROW(cases[i].name);
        assert_int_equal(ask(cases[i].block, cases[i].question), REASON_LATCHKEYD_UNAVAILABLE);
        snprintf(text, sizeof text, "%.*s%s%s",
                 (int)(tilde != NULL ? tilde - cases[i].evidence : (ptrdiff_t)strlen(cases[i].evidence)),
                 cases[i].evidence, tilde != NULL ? directory : "", tilde != NULL ? tilde + 1 : "");
        assert_string_equal(verdict.evidence, text);
        assert_int_equal(access(path_in_directory("program.ran"), F_OK), -1);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    }
    assert_int_equal(open_descriptors(), before);
}

/* Something is there, and it is not what it should be: to go on to a program would hide it. */
static void a_socket_of_another_kind_is_refused(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path_in_directory("stream"));
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(ask("latchkeyd { socket = {\"~/stream\", \"~/absent\"} program = \"\" }", &exchange),
                     REASON_LATCHKEYD_UNAVAILABLE);
    assert_non_null(strstr(verdict.evidence, "/stream: Protocol wrong type for socket"));
    close(fd);
}

static void rule_26_only_root_and_ourselves_and_the_users_of_latchkeyd_are_told_the_key(void **state)
{
    const struct passwd *daemon = getpwnam("daemon");
    const struct {
        const char *name;
        uid_t uid;
        int failure;
        bool ok;
    } cases[] = {
        { "root", 0, 0, true },
        { "ourselves", geteuid(), 0, true },
        { "the configured user", daemon != NULL ? daemon->pw_uid : 0, 0, true },
        { "somebody", OTHER, 0, false },
        { "who has no uid here", (uid_t)-1, 0, false },
        { "who the kernel does not tell", 0, EINVAL, false },
    };
    size_t i;

    (void)state;
    assert_non_null(daemon);
    for (i = 0; i < COUNT(cases); i++) {
        struct latchkeyd_double latchkeyd;

        ROW(cases[i].name);
        latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
        latchkeyd.answer = TOKEN;
        listener.is_set = true;
        listener.uid = cases[i].uid;
        listener.failure = cases[i].failure;
        assert_int_equal(
            ask("latchkeyd { socket = {\"~/latchkeyd\"} program = \"\" timeout = 1 user = \"daemon\" }", &exchange),
            cases[i].ok ? REASON_OK : REASON_LATCHKEYD_UNAVAILABLE);
        listener.is_set = false;
        latchkeyd_double_stop(&latchkeyd);
        assert_int_equal(latchkeyd.questions, cases[i].ok ? 1 : 0);
        unlink(path_in_directory("latchkeyd"));
    }
    ROW("somebody, and the configured user does not exist");
    listener.is_set = true;
    listener.uid = OTHER;
    listener.failure = 0;
    {
        struct latchkeyd_double latchkeyd;

        latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
        assert_int_equal(
            ask("latchkeyd { socket = {\"~/latchkeyd\"} program = \"\" timeout = 1 user = \"no-such-user\" }",
                &exchange),
            REASON_LATCHKEYD_UNAVAILABLE);
        latchkeyd_double_stop(&latchkeyd);
        assert_string_equal(verdict.evidence, "uid 12345 listens on the socket; it must be root or no-such-user");
        assert_int_equal(latchkeyd.questions, 0);
        unlink(path_in_directory("latchkeyd"));
    }
    listener.is_set = false;
}

/* In a process of its own: listens as somebody else, and ends with what it was told: 0, nothing. */
static int listen_as(uid_t uid, const char *path, int ready)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct timeval patience = { .tv_sec = 10 };
    char question[LATCHKEYD_MESSAGE_MAX];
    int fd, client;

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (setresuid(uid, uid, uid) != 0 || (fd = socket(AF_UNIX, SOCK_SEQPACKET, 0)) < 0
        || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1) != 0
        || chmod(path, 0666) != 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0
        || write(ready, "", 1) != 1)
        return 100;
    client = accept(fd, NULL, NULL);
    if (client < 0)
        return 101;
    return recv(client, question, sizeof question, 0) > 0 ? 1 : 0;
}

static void rule_26_a_listener_of_a_foreign_uid_is_not_told_the_key(void **state)
{
    const struct passwd *daemon = getpwnam("daemon");
    uid_t uids[2] = { OTHER, 0 };
    char ready;
    size_t i;

    (void)state;
    if (geteuid() != 0)
        skip(); /* the kernel's word is played above */
    assert_non_null(daemon);
    uids[1] = daemon->pw_uid;
    assert_int_equal(chmod(directory, 0777), 0);
    for (i = 0; i < COUNT(uids); i++) {
        int told = uids[i] != OTHER, pipes[2], status;
        pid_t child;

        ROW(told ? "the configured user" : "somebody");
        assert_int_equal(pipe(pipes), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(listen_as(uids[i], path_in_directory("foreign"), pipes[1]));
        assert_int_equal(read(pipes[0], &ready, 1), 1);
        assert_int_equal(
            ask("latchkeyd { socket = {\"~/foreign\"} program = \"\" timeout = 1 user = \"daemon\" }", &exchange),
            REASON_LATCHKEYD_UNAVAILABLE);
        assert_string_equal(verdict.evidence,
                            told ? "latchkeyd hung up without an answer"
                                 : "uid 12345 listens on the socket; it must be root or daemon");
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), told);
        close(pipes[0]);
        close(pipes[1]);
        unlink(path_in_directory("foreign"));
    }
    assert_int_equal(chmod(directory, 0700), 0);
}

static sem_t given_up;

static void be_late(void)
{
    while (sem_wait(&given_up) != 0)
        assert_int_equal(errno, EINTR);
}

/* The answer comes some time after the client began to wait for it. */
static void be_slow(void)
{
    while (atomic_load(&asking.polls) == 0)
        sched_yield();
    clock_advance_ms(400);
}

static void rule_27_an_answer_is_waited_for_until_the_deadline_and_no_longer(void **state)
{
    static const struct {
        const char *name, *answer;
        void (*before)(void);
        const char *block;
        enum reason want;
        int64_t min_ms, max_ms;
    } cases[] = {
        { "never", "", NULL, ONE_SOCKET, REASON_LATCHKEYD_UNAVAILABLE, 1000, 1900 },
        { "after it", TOKEN, be_late, ONE_SOCKET, REASON_LATCHKEYD_UNAVAILABLE, 1000, 1900 },
        { "slow, but before it", TOKEN, be_slow, PATIENT, REASON_OK, 400, 19999 },
    };
    unsigned descriptors = open_descriptors();
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct latchkeyd_double latchkeyd;

        ROW(cases[i].name);
        assert_int_equal(sem_init(&given_up, 0, 0), 0);
        latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
        latchkeyd.answer = cases[i].answer;
        latchkeyd.before = cases[i].before;
        atomic_store(&asking.polls, 0);
        asking.is_in_vain = cases[i].want != REASON_OK;
        assert_int_equal(ask(cases[i].block, &exchange), cases[i].want);
        asking.is_in_vain = false;
        sem_post(&given_up);
        latchkeyd_double_stop(&latchkeyd);
        if (cases[i].want != REASON_OK)
            assert_string_equal(verdict.evidence, "latchkeyd did not answer in time");
        assert_true(took_ms >= cases[i].min_ms && took_ms <= cases[i].max_ms);
        unlink(path_in_directory("latchkeyd"));
    }
    assert_int_equal(open_descriptors(), descriptors);
}

#define BACKLOG 2

static struct {
    int fd, clients[16];
    size_t client_count;
} full;

/* A listener whose backlog has no room for one more. */
static void fill_backlog(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    full.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(full.fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(full.fd, BACKLOG), 0);
    for (full.client_count = 0; full.client_count < COUNT(full.clients); full.client_count++) {
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        full.clients[full.client_count] = fd;
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
            assert_int_equal(errno, EAGAIN);
            close(fd);
            break;
        }
    }
    assert_true(full.client_count < COUNT(full.clients));
}

#define TRIES 3

/* It takes the connections that wait when one more client has tried a few times, and answers each question. */
static void *make_room(void *unused)
{
    int client;

    (void)unused;
    while (atomic_load(&asking.connects) < TRIES)
        sched_yield();
    while ((client = accept(full.fd, NULL, NULL)) >= 0) {
        char question[LATCHKEYD_MESSAGE_MAX];

        if (recv(client, question, sizeof question, 0) > 0)
            send(client, TOKEN, strlen(TOKEN), MSG_NOSIGNAL);
        close(client);
    }
    return NULL;
}

static void rule_27_a_full_backlog_is_waited_for_until_the_deadline(void **state)
{
    unsigned descriptors = open_descriptors();
    pthread_t thread;

    (void)state;
    fill_backlog(path_in_directory("full"));
    ROW("no room comes");
    asking.is_in_vain = true;
    assert_int_equal(ask("latchkeyd { socket = {\"~/full\"} program = \"\" timeout = 1 }", &exchange),
                     REASON_LATCHKEYD_UNAVAILABLE);
    assert_non_null(strstr(verdict.evidence, "/full: Resource temporarily unavailable"));
    assert_true(took_ms >= 1000 && took_ms <= 1900);
    asking.is_in_vain = false;
    ROW("room comes before the deadline");
    while (full.client_count > 0)
        close(full.clients[--full.client_count]); /* which the listener has yet to take */
    atomic_store(&asking.connects, 0);
    assert_int_equal(pthread_create(&thread, NULL, make_room, NULL), 0);
    assert_int_equal(ask("latchkeyd { socket = {\"~/full\"} program = \"\" timeout = 1 }", &exchange), REASON_OK);
    assert_true(atomic_load(&asking.connects) >= TRIES && took_ms < 1000);
    shutdown(full.fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(full.fd);
    assert_int_equal(open_descriptors(), descriptors);
}

static void rule_32_a_process_without_a_free_descriptor(void **state)
{
    CLEANUP(config_release) const struct config *config = config_of(TENANT ONE_SOCKET);
    struct latchkeyd_reply reply = { .json = NULL };
    struct rlimit limit;

    (void)state;
    verdict = VERDICT_INIT;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 3, limit.rlim_max }), 0);
    assert_false(latchkeyd_ask(&verdict, config, &exchange, &reply));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ROW("is a fault of the process, and no absence of latchkeyd that a stack may pass over");
    assert_int_equal(verdict.reason, REASON_SYSTEM_ERROR);
}

/* slapd asks from many threads. */
static void *ask_often(void *config)
{
    uintptr_t good = 0;
    int i;

    for (i = 0; i < 50; i++) {
        struct latchkeyd_reply reply = { .json = NULL };
        struct verdict own = VERDICT_INIT;

        good += latchkeyd_ask(&own, config, &exchange, &reply);
        latchkeyd_reply_clear(&reply);
    }
    return (void *)good;
}

static void rule_31_many_threads_may_ask_at_once(void **state)
{
    CLEANUP(config_release)
    const struct config *config =
        config_of(TENANT "latchkeyd { socket = {\"~/latchkeyd\"} program = \"\" timeout = 10 }");
    unsigned descriptors = open_descriptors();
    struct latchkeyd_double latchkeyd;
    pthread_t threads[8];
    void *good;
    size_t i;

    (void)state;
    latchkeyd_double_start(&latchkeyd, path_in_directory("latchkeyd"));
    latchkeyd.answer = TOKEN;
    for (i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, (void *)config), 0);
    for (i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &good), 0);
        assert_int_equal((uintptr_t)good, 50);
    }
    latchkeyd_double_stop(&latchkeyd);
    assert_int_equal(open_descriptors(), descriptors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_and_its_answer),
        cmocka_unit_test(rule_32_a_call_that_was_interrupted_is_made_again),
        cmocka_unit_test(every_refusal_is_handed_on),
        cmocka_unit_test(an_answer_to_a_question_that_was_not_read_counts),
        cmocka_unit_test(rule_32_a_broken_answer_is_none),
        cmocka_unit_test(an_answer_has_a_limit),
        cmocka_unit_test(the_first_socket_that_answers_is_asked),
        cmocka_unit_test(where_nobody_listens),
        cmocka_unit_test(a_socket_of_another_kind_is_refused),
        cmocka_unit_test(rule_26_only_root_and_ourselves_and_the_users_of_latchkeyd_are_told_the_key),
        cmocka_unit_test(rule_26_a_listener_of_a_foreign_uid_is_not_told_the_key),
        cmocka_unit_test(rule_27_an_answer_is_waited_for_until_the_deadline_and_no_longer),
        cmocka_unit_test(rule_27_a_full_backlog_is_waited_for_until_the_deadline),
        cmocka_unit_test(rule_32_a_process_without_a_free_descriptor),
        cmocka_unit_test(rule_31_many_threads_may_ask_at_once),
    };

    return cmocka_run_group_tests(tests, directory_set_up, directory_tear_down);
}
