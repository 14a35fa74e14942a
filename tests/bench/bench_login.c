/*
 * What a login costs: pam_start(), pam_authenticate(), pam_end() with one module in the stack.
 *
 *   bench_login fresh CONFDIR USER TOKENFILE SERVICE…   each login in a process of its own, pamtester(1), which looks
 * in /etc/pam.d: wall time from spawning it to its end bench_login same CONFDIR USER TOKENFILE SERVICE…    one login
 * after the other in one process bench_login memory CONFDIR USER TOKENFILE SERVICE   resident memory over 10,000 logins
 * in one process
 *
 * The first SERVICE is the floor that the others are compared with. A service's login may fail: pam_unix refuses the
 * token as a password, at the cost of hashing it.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <security/pam_appl.h>

#include "bench.h"

#define FRESH_ROUNDS  150
#define SAME_ROUNDS   300
#define SLOW_US       20000.0 /* a row slower than this gets fewer rounds: pam_unix hashes for a tenth of a second */
#define MEMORY_LOGINS 10000
#define SERVICES_MAX  8

extern char **environ;

static const char *confdir, *user;
static char token[16400];

static void die(const char *what)
{
    fprintf(stderr, "bench_login: %s\n", what);
    exit(1);
}

/* Answers every prompt with the token, as a program without a limit would. */
static int converse(int count, const struct pam_message **messages, struct pam_response **ret, void *data)
{
    struct pam_response *responses = calloc((size_t)count, sizeof *responses);
    int i;

    (void)data;
    if (responses == NULL)
        return PAM_BUF_ERR;
    for (i = 0; i < count; i++)
        if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
            responses[i].resp = strdup(token);
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

static int log_in(const char *service)
{
    const struct pam_conv conversation = { converse, NULL };
    pam_handle_t *pamh;
    int result;

    if (pam_start_confdir(service, user, &conversation, confdir, &pamh) != PAM_SUCCESS)
        die("pam_start_confdir");
    pam_set_item(pamh, PAM_FAIL_DELAY, (const void *)no_delay);
    result = pam_authenticate(pamh, 0);
    pam_end(pamh, result);
    return result;
}

static void log_in_fresh(const char *token_file, const char *service)
{
    char *arguments[] = { (char *)"pamtester", (char *)service, (char *)user, (char *)"authenticate", NULL };
    posix_spawn_file_actions_t actions;
    int status;
    pid_t child;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, token_file, O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&child, arguments[0], &actions, NULL, arguments, environ) != 0
        || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
        die("a login in a fresh process");
    posix_spawn_file_actions_destroy(&actions);
}

static void print_row(const char *service, struct bench_row *row, double floor_us)
{
    double us = bench_median(row);

    printf("  %-14s %10.1f us  %7.2f x  %+10.1f us\n", service, us, us / floor_us, us - floor_us);
}

static void compare(const char *token_file, int services, char **names, int rounds, int fresh)
{
    static struct bench_row rows[SERVICES_MAX];
    int round, i;

    if (services > SERVICES_MAX)
        die("too many services");
    for (round = 0; round < rounds; round++)
        for (i = 0; i < services; i++) {
            double start = bench_now_us(), us;

            if (round > 10 && rows[i].us[0] > SLOW_US && round % 15 != 0)
                continue;
            if (fresh)
                log_in_fresh(token_file, names[i]);
            else
                log_in(names[i]);
            us = bench_now_us() - start;
            if (round > 0 || !fresh) /* the first of a fresh process reads the files from the disk */
                bench_add(&rows[i], us);
        }
    printf("  %-14s %13s  %9s  %13s\n", "service", "median", "to floor", "above floor");
    for (i = 0; i < services; i++)
        print_row(names[i], &rows[i], bench_median(&rows[0]));
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

static void watch_memory(const char *service)
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

static void read_token(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, token, sizeof token - 1);

    if (len < 0)
        die(path);
    close(fd);
    token[len] = '\0';
    token[strcspn(token, "\n")] = '\0';
}

int main(int argc, char **argv)
{
    if (argc < 6)
        die("usage: bench_login fresh|same|memory CONFDIR USER TOKENFILE SERVICE...");
    confdir = argv[2];
    user = argv[3];
    read_token(argv[4]);
    if (strcmp(argv[1], "fresh") == 0)
        compare(argv[4], argc - 5, argv + 5, FRESH_ROUNDS, 1);
    else if (strcmp(argv[1], "same") == 0)
        compare(argv[4], argc - 5, argv + 5, SAME_ROUNDS, 0);
    else if (strcmp(argv[1], "memory") == 0)
        watch_memory(argv[5]);
    else
        die("fresh, same or memory");
    return 0;
}
