#include "tests/support/fixture.h"
#include "tests/support/poll_double.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "config/snapshot.h"
#include "ipc/client.h"
#include "ipc/spawn.h"

/* tests/latchkeyd_child.c does what the name says that it is called by. */
static const char *const names[] = { "answers", "stays", "refuses", "babbles", "long", "killed", "silent", "exits" };

static const struct latchkeyd_question exchange = {
    .ask = LATCHKEYD_EXCHANGE, .tenant = { "t", 1 }, .subject = { "sub-1", 5 }, .secret = { "key-0123456789abcdef", 20 }
};
static const struct config *config; /* nobody listens on its socket; its program is of that name: program() */

static void program(const char *name)
{
    char text[512];

    config_release(&config);
    snprintf(text, sizeof text,
             "tenant \"t\" { url = \"https://auth.example.com\" }\n"
             "latchkeyd { socket = {\"~/absent\"} timeout = 1 program = \"~/%s\" }\n",
             name);
    config = config_of(text);
}

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

/* What the child found; malloc'ed, "" when it wrote nothing. */
static char *report_of(const char *name)
{
    char file[64], *text = calloc(1, 4096);
    FILE *report;

    assert_non_null(text);
    snprintf(file, sizeof file, "%s.report", name);
    report = fopen(path_in_directory(file), "r");
    if (report != NULL) {
        assert_true(fread(text, 1, 4095, report) > 0);
        fclose(report);
        unlink(path_in_directory(file));
    }
    return text;
}

static bool has_no_child(void)
{
    return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

/* The same for those who are about to end, and who must leave nothing to be reaped. */
static bool will_have_no_child(void)
{
    pid_t reaped = 0;
    int i;

    for (i = 0; i < 1000 && (reaped = waitpid(-1, NULL, WNOHANG)) == 0; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    return reaped < 0 && errno == ECHILD;
}

static struct verdict verdict;

/* One question to the child of that name: its answer's reason, without a descriptor or a process left. */
static enum reason ask(const char *name)
{
    struct latchkeyd_reply reply = { .json = NULL };
    unsigned before = open_descriptors();

    program(name);
    poll_is_in_vain = strcmp(name, "silent") == 0;
    verdict = VERDICT_INIT;
    if (latchkeyd_ask(&verdict, config, &exchange, &reply)) {
        assert_int_equal(verdict.reason, REASON_UNDECIDED);
        assert_int_equal(reply.answer.token.len, strlen("of.the.child"));
        assert_memory_equal(reply.answer.token.bytes, "of.the.child", strlen("of.the.child"));
        verdict.reason = REASON_OK;
    }
    poll_is_in_vain = false;
    latchkeyd_reply_clear(&reply);
    assert_null(reply.text.bytes);
    assert_null(reply.json);
    assert_int_equal(open_descriptors(), before);
    return verdict.reason;
}

static const struct {
    const char *name, *program;
    enum reason want;
    const char *evidence;
    int64_t min_ms, max_ms;
} children[] = {
    { "it answers", "answers", REASON_OK, "", 0, 900 },
    { "it refuses", "refuses", REASON_CREDENTIAL_REFUSED, "status 401", 0, 900 },
    { "it never answers", "silent", REASON_LATCHKEYD_UNAVAILABLE, "latchkeyd did not answer in time", 1000, 1900 },
    { "it exits at once", "exits", REASON_LATCHKEYD_UNAVAILABLE, NULL, 0, 900 },
    { "it is killed", "killed", REASON_LATCHKEYD_UNAVAILABLE, "latchkeyd hung up without an answer", 0, 900 },
    { "it says something else", "babbles", REASON_LATCHKEYD_UNAVAILABLE,
      "the answer of latchkeyd: neither an object nor an array", 0, 900 },
    { "its answer is longer than any", "long", REASON_LATCHKEYD_UNAVAILABLE,
      "the answer of latchkeyd: " LATCHKEYD_TOO_LONG, 0, 900 },
};

static void rule_32_whatever_becomes_of_the_child(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(children); i++) {
        int64_t begun = clock_ms(), took;

        ROW(children[i].name);
        assert_int_equal(ask(children[i].program), children[i].want);
        took = clock_ms() - begun;
        if (children[i].evidence != NULL)
            assert_string_equal(verdict.evidence, children[i].evidence);
        assert_true(took >= children[i].min_ms && took < children[i].max_ms);
        assert_true(has_no_child());
        free(report_of(children[i].program));
    }
}

static void what_cannot_be_started_is_unavailable(void **state)
{
    static const struct {
        const char *name, *program;
    } cases[] = {
        { "nothing is there", "none" },
        { "a file that may not be executed", "file" },
        { "a file that is no program", "text" },
        { "a directory", "." },
        { "a file on the way", "file/latchkeyd" },
    };
    size_t i;

    (void)state;
    write_file("file", "#!/bin/sh\n");
    assert_int_equal(chmod(write_file("text", "no program\n"), 0755), 0);
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_int_equal(ask(cases[i].program), REASON_LATCHKEYD_UNAVAILABLE);
        assert_non_null(strstr(verdict.evidence, directory)); /* it says which program */
        assert_true(has_no_child());
    }
}

static void rule_32_a_process_without_a_free_descriptor(void **state)
{
    struct latchkeyd_child child = { .socket = -1 };
    struct rlimit limit;

    (void)state;
    program("answers");
    verdict = VERDICT_INIT;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 3, limit.rlim_max }), 0);
    assert_false(latchkeyd_spawn(&verdict, config->latchkeyd.program, config->path, &child));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(verdict.reason, REASON_SYSTEM_ERROR);
    assert_int_equal(child.socket, -1);
}

/* What the child must find, whatever the host is. */
static void assert_bare(void)
{
    char *got = report_of("answers"), *want;

    assert_true(asprintf(&want,
                         "--once\n--config\n%s\nvariables 0\nsession own\nSigBlk:0\nSigIgn:0\n"
                         "0 socket\n1 /dev/null\n2 /dev/null\n",
                         config->path)
                > 0);
    assert_string_equal(got, want);
    free(got);
    free(want);
}

static void rule_28_the_child_gets_nothing_of_the_host(void **state)
{
    int fds[300], signals[] = { SIGPIPE, SIGCHLD, SIGTERM, SIGHUP, SIGALRM, SIGXFSZ, SIGUSR1 };
    struct sigaction before[COUNT(signals)];
    sigset_t all, old;
    size_t i;

    (void)state;
    ROW("a plain host");
    assert_int_equal(ask("answers"), REASON_OK);
    assert_bare();
    ROW("one with an environment that would change a program");
    setenv("LD_PRELOAD_NOT", "/tmp/evil.so", 1);
    setenv("SSLKEYLOGFILE", "/tmp/keys", 1);
    setenv("https_proxy", "http://evil.example", 1);
    assert_int_equal(ask("answers"), REASON_OK);
    assert_bare();
    unsetenv("LD_PRELOAD_NOT");
    unsetenv("SSLKEYLOGFILE");
    unsetenv("https_proxy");
    ROW("one with hundreds of descriptors that stay open on exec");
    for (i = 0; i < COUNT(fds); i++)
        assert_true((fds[i] = open("/dev/zero", O_RDWR)) >= 0);
    assert_int_equal(ask("answers"), REASON_OK);
    assert_bare();
    for (i = 0; i < COUNT(fds); i++)
        close(fds[i]);
    ROW("one that ignores signals");
    for (i = 0; i < COUNT(signals); i++)
        assert_int_equal(sigaction(signals[i], &(struct sigaction){ .sa_handler = SIG_IGN }, &before[i]), 0);
    assert_int_equal(ask("answers"), REASON_OK);
    assert_bare();
    for (i = 0; i < COUNT(signals); i++)
        assert_int_equal(sigaction(signals[i], &before[i], NULL), 0);
    ROW("one that blocks them all, and goes on to");
    sigfillset(&all);
    assert_int_equal(sigprocmask(SIG_BLOCK, &all, &old), 0);
    assert_int_equal(ask("answers"), REASON_OK);
    assert_int_equal(sigprocmask(SIG_SETMASK, &old, &all), 0);
    assert_int_equal(sigismember(&all, SIGTERM), 1);
    assert_bare();
}

/* In a process of its own: 0, or the number of what went wrong. */
static int status_without_standard_descriptors(int first_closed, int last_closed)
{
    struct latchkeyd_reply reply = { .json = NULL };
    struct verdict got = VERDICT_INIT;
    int fd;

    for (fd = first_closed; fd <= last_closed; fd++)
        close(fd);
    if (!latchkeyd_ask(&got, config, &exchange, &reply))
        return 1;
    for (fd = first_closed; fd <= last_closed; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            return 2;
    return 0;
}

static void a_host_may_have_closed_its_standard_descriptors(void **state)
{
    static const struct {
        const char *name;
        int first, last;
    } cases[] = {
        { "all", 0, 2 }, { "the input", 0, 0 }, { "the output", 1, 1 }, { "both outputs", 1, 2 }, { "the last", 2, 2 },
    };
    size_t i;

    (void)state;
    program("answers");
    for (i = 0; i < COUNT(cases); i++) {
        pid_t child = fork();
        int status;

        ROW(cases[i].name);
        assert_true(child >= 0);
        if (child == 0)
            _exit(status_without_standard_descriptors(cases[i].first, cases[i].last));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_bare();
    }
}

static volatile sig_atomic_t reaped;

static void reap_everything(int signal)
{
    int cause = errno;

    (void)signal;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        reaped++;
    errno = cause;
}

static void rule_28_nothing_depends_on_what_the_host_does_with_its_children(void **state)
{
    static const struct {
        const char *name;
        struct sigaction action;
    } hosts[] = {
        { "it ignores them", { .sa_handler = SIG_IGN } },
        { "it wants no zombies", { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT } },
        { "it reaps them all", { .sa_handler = reap_everything } },
        { "it reaps them all, and restarts", { .sa_handler = reap_everything, .sa_flags = SA_RESTART } },
    };
    struct sigaction before, after;
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(hosts); i++) {
        ROW(hosts[i].name);
        assert_int_equal(sigaction(SIGCHLD, &hosts[i].action, &before), 0);
        for (j = 0; j < COUNT(children); j++) {
            ROW(children[j].name);
            assert_int_equal(ask(children[j].program), children[j].want);
            free(report_of(children[j].program));
        }
        ROW("what it does stays as it was");
        assert_int_equal(sigaction(SIGCHLD, &before, &after), 0);
        assert_ptr_equal(after.sa_handler, hosts[i].action.sa_handler);
        assert_true(will_have_no_child());
    }
}

/* A host that waits for a child of its own must find it. */
static void a_child_of_the_host_is_left_to_it(void **state)
{
    pid_t own = fork();
    int status;

    (void)state;
    assert_true(own >= 0);
    if (own == 0)
        _exit(42);
    assert_int_equal(ask("answers"), REASON_OK);
    free(report_of("answers"));
    assert_int_equal(waitpid(own, &status, 0), own);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

static void a_child_that_does_not_end_is_killed(void **state)
{
    struct latchkeyd_child child;
    int64_t begun;
    char byte;

    (void)state;
    program("stays");
    verdict = VERDICT_INIT;
    assert_true(latchkeyd_spawn(&verdict, config->latchkeyd.program, config->path, &child));
    assert_int_equal(fcntl(child.socket, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(child.socket, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_true(recv(child.socket, &byte, 1, 0) < 0 && errno == EAGAIN);
    assert_int_equal(send(child.socket, "{}", 2, 0), 2);
    begun = clock_ms();
    ROW("after a moment");
    latchkeyd_spawn_end(&child);
    assert_true(clock_ms() - begun < 1000);
    assert_int_equal(child.socket, -1);
    assert_int_equal(waitpid(child.pid, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    free(report_of("stays"));
}

static int set_up(void **state)
{
    const char *helper = getenv("LATCHKEYD_CHILD");
    size_t i;

    (void)state;
    if (helper == NULL || directory_make() != 0)
        return -1;
    for (i = 0; i < COUNT(names); i++)
        if (symlink(helper, path_in_directory(names[i])) != 0)
            return -1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    config_release(&config);
    return directory_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_32_whatever_becomes_of_the_child),
        cmocka_unit_test(what_cannot_be_started_is_unavailable),
        cmocka_unit_test(rule_32_a_process_without_a_free_descriptor),
        cmocka_unit_test(rule_28_the_child_gets_nothing_of_the_host),
        cmocka_unit_test(a_host_may_have_closed_its_standard_descriptors),
        cmocka_unit_test(rule_28_nothing_depends_on_what_the_host_does_with_its_children),
        cmocka_unit_test(a_child_of_the_host_is_left_to_it),
        cmocka_unit_test(a_child_that_does_not_end_is_killed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
