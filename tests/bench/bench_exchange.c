/*
 * What a login with an API key costs, beside curl(1) that makes the same request to the same tenant service.
 *
 *   bench_exchange compare CONFDIR USER KEYFILE SERVICE… -- COMMAND…
 *       a login through each PAM service in this process, and COMMAND in one of its own, round by round
 *   bench_exchange throughput CONFIG KEYFILE
 *       questions a second to a latchkeyd that stays
 *   bench_exchange memory CONFIG KEYFILE PID
 *       what it holds after 1,000 and after 100,000 of them
 *
 * The questions are asked as the core asks them (latchkeyd_client.h), without a login around them.
 */
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <security/pam_appl.h>

#include "config/snapshot.h"
#include "ipc/client.h"
#include "tests/bench/bench.h"

#define ROUNDS         60
#define SERVICES_MAX   8
#define CLIENTS_MAX    64
#define SECONDS        3
#define FEW_QUESTIONS  1000
#define MANY_QUESTIONS 100000
#define ASKERS         8

extern char **environ;

static char api_key[CONFIG_API_KEY_MAX + 2];

static void die(const char *what)
{
    fprintf(stderr, "bench_exchange: %s\n", what);
    exit(1);
}

static void read_key(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, api_key, sizeof api_key - 1);

    if (len <= 0)
        die(path);
    close(fd);
    api_key[strcspn(api_key, "\n")] = '\0';
}

static int converse(int count, const struct pam_message **messages, struct pam_response **ret, void *data)
{
    struct pam_response *responses = calloc((size_t)count, sizeof *responses);
    int i;

    (void)data;
    if (responses == NULL)
        return PAM_BUF_ERR;
    for (i = 0; i < count; i++)
        if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
            responses[i].resp = strdup(api_key);
    *ret = responses;
    return PAM_SUCCESS;
}

static double log_in(const char *confdir, const char *service, const char *user)
{
    const struct pam_conv conversation = { converse, NULL };
    double start = bench_now_us();
    pam_handle_t *pamh;
    int result;

    if (pam_start_confdir(service, user, &conversation, confdir, &pamh) != PAM_SUCCESS)
        die("pam_start_confdir");
    result = pam_authenticate(pamh, 0);
    pam_end(pamh, result);
    if (result != PAM_SUCCESS)
        die(service);
    return bench_now_us() - start;
}

static double run_command(char **arguments)
{
    double start = bench_now_us();
    posix_spawn_file_actions_t actions;
    int status;
    pid_t child;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&child, arguments[0], &actions, NULL, arguments, environ) != 0
        || waitpid(child, &status, 0) != child || status != 0)
        die(arguments[0]);
    posix_spawn_file_actions_destroy(&actions);
    return bench_now_us() - start;
}

static void compare(const char *confdir, const char *user, char **services, int count, char **command)
{
    static struct bench_row us[SERVICES_MAX], ratio[SERVICES_MAX], floor;
    int round, i;

    for (round = 0; round < ROUNDS; round++) {
        double of_command = run_command(command);

        for (i = 0; i < count; i++) {
            double of_login = log_in(confdir, services[i], user);

            if (round == 0) /* it opens connections and fills the cache */
                continue;
            bench_add(&us[i], of_login);
            bench_add(&ratio[i], of_login / of_command);
        }
        if (round > 0)
            bench_add(&floor, of_command);
    }
    printf("  %-14s %13s  %9s\n", "way", "median", "to curl");
    printf("  %-14s %10.1f us  %7.2f x\n", command[0], bench_median(&floor), 1.0);
    for (i = 0; i < count; i++)
        printf("  %-14s %10.1f us  %7.2f x\n", services[i], bench_median(&us[i]), bench_median(&ratio[i]));
}

static const struct config *config;
static atomic_long asked, to_ask;
static atomic_bool is_over;

static void ask(void)
{
    const struct latchkeyd_question question = {
        .ask = LATCHKEYD_EXCHANGE,
        .tenant = slice_of(config->tenants[0].id),
        .subject = slice_of(config->identity.users[0].subjects.items[0]),
        .secret = slice_of(api_key),
    };
    struct latchkeyd_reply reply = { .json = NULL };
    struct verdict verdict = VERDICT_INIT;

    if (!latchkeyd_ask(&verdict, config, &question, &reply))
        die(verdict.evidence);
    latchkeyd_reply_clear(&reply);
    atomic_fetch_add(&asked, 1);
}

static void *ask_until_over(void *context)
{
    (void)context;
    while (!atomic_load(&is_over) && atomic_fetch_sub(&to_ask, 1) > 0)
        ask();
    return NULL;
}

static void read_config(const char *path)
{
    struct verdict verdict = VERDICT_INIT;

    if (!config_acquire(&verdict, path, &config))
        die(verdict.evidence);
}

static void start_askers(pthread_t *threads, int count)
{
    int i;

    for (i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, ask_until_over, NULL) != 0)
            die("pthread_create");
}

static void wait_for_askers(pthread_t *threads, int count)
{
    int i;

    for (i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void measure_throughput(void)
{
    static const int clients[] = { 1, 8, 64 };
    pthread_t threads[CLIENTS_MAX];
    size_t i;

    for (i = 0; i < sizeof clients / sizeof clients[0]; i++) {
        double start = bench_now_us();

        atomic_store(&asked, 0);
        atomic_store(&to_ask, 1L << 30);
        atomic_store(&is_over, false);
        start_askers(threads, clients[i]);
        sleep(SECONDS);
        atomic_store(&is_over, true);
        wait_for_askers(threads, clients[i]);
        printf("  %2d clients %10.0f a second\n", clients[i],
               (double)atomic_load(&asked) * 1e6 / (bench_now_us() - start));
    }
}

static long resident_kib(const char *pid)
{
    char path[64];
    long size, resident;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%s/statm", pid);
    file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%ld %ld", &size, &resident) != 2)
        die(path);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void ask_many(long count)
{
    pthread_t threads[ASKERS];

    atomic_store(&to_ask, count);
    start_askers(threads, ASKERS);
    wait_for_askers(threads, ASKERS);
}

static void watch_memory(const char *pid)
{
    long few;

    ask_many(FEW_QUESTIONS);
    few = resident_kib(pid);
    ask_many(MANY_QUESTIONS - FEW_QUESTIONS);
    printf("  resident after %d questions %ld KiB, after %d questions %ld KiB: %+ld KiB\n", FEW_QUESTIONS, few,
           MANY_QUESTIONS, resident_kib(pid), resident_kib(pid) - few);
}

int main(int argc, char **argv)
{
    int i;

    if (argc >= 4 && strcmp(argv[1], "compare") != 0) {
        read_config(argv[2]);
        read_key(argv[3]);
        if (strcmp(argv[1], "throughput") == 0)
            measure_throughput();
        else if (argc == 5)
            watch_memory(argv[4]);
        config_release(&config);
        return 0;
    }
    for (i = 5; i < argc && strcmp(argv[i], "--") != 0; i++)
        ;
    if (argc < 7 || i + 1 >= argc || i - 5 > SERVICES_MAX)
        die("usage: see the head of its source");
    read_key(argv[4]);
    compare(argv[2], argv[3], argv + 5, i - 5, argv + i + 1);
    return 0;
}
