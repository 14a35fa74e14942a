/*
 * What a login costs: pam_start(), pam_authenticate(), pam_end() with one module in the stack.
 *
 *   bench_login fresh CONFDIR USER SERVICE:FILE…   each login in a process of its own, which does nothing else: wall
 *                                                  time from spawning it to its end
 *   bench_login pamtester CONFDIR USER SERVICE:FILE…   the same in pamtester(1) at a terminal, which looks in
 *                                                  /etc/pam.d and loads a C++ runtime
 *   bench_login same CONFDIR USER SERVICE:FILE…    one login after the other in one process
 *   bench_login memory CONFDIR USER SERVICE:FILE   resident memory over 10,000 logins in one process
 *   bench_login once CONFDIR USER SERVICE:FILE     what `fresh` starts
 *
 * FILE holds what is typed at the service's prompts. The first service is the floor that the others are compared with,
 * round by round, since a machine gets slower and faster. A login may fail: a wrong password costs as much as a right
 * one.
 */
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <security/pam_appl.h>

#include "tests/bench/bench.h"

#define FRESH_ROUNDS  150
#define SAME_ROUNDS   300
#define SLOW_US       20000.0 /* a row slower than this gets fewer rounds: pam_unix hashes for a tenth of a second */
#define MEMORY_LOGINS 10000
#define SERVICES_MAX  8
#define TYPED_MAX     4094 /* bytes of one line that a terminal takes */

extern char **environ;

static const char *confdir, *user;

static struct service {
    const char *name;
    char *argument; /* SERVICE:FILE */
    char answer[16400];
    double us[BENCH_ROUNDS_MAX]; /* by round; 0: left out */
} services[SERVICES_MAX];
static int service_count;

static void die(const char *what)
{
    fprintf(stderr, "bench_login: %s\n", what);
    exit(1);
}

/* Answers every prompt in one piece, as a program without a limit would. */
static int converse(int count, const struct pam_message **messages, struct pam_response **ret, void *data)
{
    struct pam_response *responses = calloc((size_t)count, sizeof *responses);
    int i;

    if (responses == NULL)
        return PAM_BUF_ERR;
    for (i = 0; i < count; i++)
        if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
            responses[i].resp = strdup(data);
    *ret = responses;
    return PAM_SUCCESS;
}

/* pam_unix asks for two seconds after a failure; they are not what a login costs. */
static void no_delay(int status, unsigned microseconds, void *data)
{
    (void)status;
    (void)microseconds;
    (void)data;
}

static int log_in(struct service *service)
{
    const struct pam_conv conversation = { converse, service->answer };
    pam_handle_t *pamh;
    int result;

    if (pam_start_confdir(service->name, user, &conversation, confdir, &pamh) != PAM_SUCCESS)
        die("pam_start_confdir");
    pam_set_item(pamh, PAM_FAIL_DELAY, (const void *)no_delay);
    result = pam_authenticate(pamh, 0);
    pam_end(pamh, result);
    return result;
}

/* A pseudo-terminal: the end at which a person types and reads, and the end that a fresh process has. */
static int person = -1, terminal = -1;

static void open_terminal(void)
{
    person = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (person < 0 || grantpt(person) != 0 || unlockpt(person) != 0)
        die("a pseudo-terminal");
    /* Held open here too: the end of one process is not the end of the terminal. */
    terminal = open(ptsname(person), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0)
        die(ptsname(person));
}

/*
 * misc_conv(3) takes a line from a terminal at once, but from a file or a pipe byte by byte: 850 system calls for a
 * token, a tenth of the login, which nobody who pastes one waits for. It throws away what was typed before it asks.
 * `end` hangs up when the process ends.
 */
static void answer_prompts(const struct service *service, int end)
{
    struct pollfd fds[] = { { .fd = person, .events = POLLIN }, { .fd = end, .events = 0 } };
    char text[1024];
    ssize_t len;

    if (strlen(service->answer) > TYPED_MAX)
        die("the answer is too long for a terminal");
    for (;;) {
        if (poll(fds, 2, -1) < 0)
            die("poll");
        if ((fds[0].revents & POLLIN) != 0) {
            len = read(person, text, sizeof text);
            if (len > 0 && text[len - 1] == ' ' /* a prompt; messages end with their line */
                && (write(person, service->answer, strlen(service->answer)) < 0 || write(person, "\n", 1) < 0))
                die("the terminal");
        } else if (fds[1].revents != 0) {
            return;
        }
    }
}

static void log_in_pamtester(struct service *service)
{
    char *arguments[] = { (char *)"pamtester", (char *)service->name, (char *)user, (char *)"authenticate", NULL };
    posix_spawn_file_actions_t actions;
    int status, output[2];
    pid_t child;

    if (pipe2(output, O_CLOEXEC) != 0)
        die("pipe2");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, terminal, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, terminal, STDERR_FILENO);
    if (posix_spawnp(&child, arguments[0], &actions, NULL, arguments, environ) != 0)
        die("a login in a fresh process");
    close(output[1]);
    answer_prompts(service, output[0]);
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
        die("a login in a fresh process");
    close(output[0]);
    posix_spawn_file_actions_destroy(&actions);
}

static void print_row(const struct service *service, int rounds)
{
    static struct bench_row us, ratio, above;
    int round;

    us.rounds = ratio.rounds = above.rounds = 0;
    for (round = 1; round < rounds; round++) { /* the first one reads the files from the disk */
        if (service->us[round] == 0)
            continue;
        bench_add(&us, service->us[round]);
        bench_add(&ratio, service->us[round] / services[0].us[round]);
        bench_add(&above, service->us[round] - services[0].us[round]);
    }
    printf("  %-14s %10.1f us  %7.2f x  %+10.1f us\n", service->name, bench_median(&us), bench_median(&ratio),
           bench_median(&above));
}

/* A host without anything of its own: libpam, and what the module brings. */
static void log_in_fresh(struct service *service)
{
    char *arguments[] = { (char *)"/proc/self/exe", (char *)"once",
                          (char *)confdir,          (char *)user,
                          service->argument,        NULL };
    int status;
    pid_t child;

    if (posix_spawn(&child, arguments[0], NULL, NULL, arguments, environ) != 0 || waitpid(child, &status, 0) != child
        || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
        die("a login in a fresh process");
}

static void log_in_here(struct service *service)
{
    log_in(service);
}

static void compare(int rounds, void (*log_in_by)(struct service *service))
{
    int round, i;

    for (round = 0; round < rounds; round++)
        for (i = 0; i < service_count; i++) {
            struct service *service = &services[i];
            double start = bench_now_us();

            if (round > 1 && service->us[1] > SLOW_US && round % 15 != 0)
                continue;
            log_in_by(service);
            service->us[round] = bench_now_us() - start;
        }
    printf("  %-14s %13s  %9s  %13s\n", "service", "median", "to floor", "above floor");
    for (i = 0; i < service_count; i++)
        print_row(&services[i], rounds);
}

static long resident_kib(void)
{
    long size, resident;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL || fscanf(file, "%ld %ld", &size, &resident) != 2)
        die("/proc/self/statm");
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void watch_memory(struct service *service)
{
    long first = 0;
    int i;

    for (i = 1; i <= MEMORY_LOGINS; i++) {
        if (log_in(service) != PAM_SUCCESS)
            die("a login failed");
        if (i == 100)
            first = resident_kib();
    }
    printf("  resident after 100 logins %ld KiB, after %d logins %ld KiB: %+ld KiB\n", first, MEMORY_LOGINS,
           resident_kib(), resident_kib() - first);
}

/* SERVICE:FILE, and what is in the file. */
static void add_service(char *argument)
{
    struct service *service = &services[service_count++];
    char *colon = strchr(argument, ':');
    const char *path = colon != NULL ? colon + 1 : NULL;
    ssize_t len;
    int fd;

    if (colon == NULL)
        die("a service is SERVICE:FILE");
    service->argument = strdup(argument);
    if (service->argument == NULL)
        die("memory is short");
    *colon = '\0';
    service->name = argument;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    len = fd < 0 ? -1 : read(fd, service->answer, sizeof service->answer - 1);
    if (len < 0)
        die(path);
    close(fd);
    service->answer[strcspn(service->answer, "\n")] = '\0';
}

int main(int argc, char **argv)
{
    int i;

    if (argc < 5 || argc - 4 > SERVICES_MAX)
        die("usage: bench_login fresh|pamtester|same|memory|once CONFDIR USER SERVICE:FILE...");
    confdir = argv[2];
    user = argv[3];
    for (i = 4; i < argc; i++)
        add_service(argv[i]);
    if (strcmp(argv[1], "fresh") == 0) {
        compare(FRESH_ROUNDS, log_in_fresh);
    } else if (strcmp(argv[1], "pamtester") == 0) {
        open_terminal();
        compare(FRESH_ROUNDS, log_in_pamtester);
    } else if (strcmp(argv[1], "same") == 0) {
        compare(SAME_ROUNDS, log_in_here);
    } else if (strcmp(argv[1], "once") == 0) {
        return log_in(&services[0]) == PAM_SUCCESS ? 0 : 1;
    } else if (strcmp(argv[1], "memory") == 0) {
        watch_memory(&services[0]);
    } else {
        die("fresh, pamtester, same, memory or once");
    }
    return 0;
}
