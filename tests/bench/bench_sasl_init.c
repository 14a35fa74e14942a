/*
 * What the plug-in adds to sasl_server_init(), in fresh processes that have loaded nothing else.
 *
 *   bench_sasl_init CONFIG WITHOUT WITH     two folders of plug-ins
 *   bench_sasl_init CONFIG FOLDER           once, in this process; prints microseconds
 */
#include <stdio.h>
#include <unistd.h>

#include "tests/support/sasl_host.h"
#include "tests/bench/bench.h"

#define ROUNDS 60

static void die(const char *what)
{
    fprintf(stderr, "bench_sasl_init: %s\n", what);
    exit(1);
}

static int once(const char *config, const char *folder)
{
    struct host host = { .plugins = folder };
    const sasl_callback_t calls[] = {
        { SASL_CB_GETOPT, HOST_CALL(host_getopt), &host },
        { SASL_CB_GETPATH, HOST_CALL(host_getpath), &host },
        { SASL_CB_LIST_END, NULL, NULL },
    };
    double start;

    host_set(&host, "latchkey_config", config);
    start = bench_now_us();
    if (sasl_server_init(calls, "latchkey-bench") != SASL_OK)
        die("sasl_server_init");
    printf("%.1f\n", bench_now_us() - start);
    sasl_done();
    return 0;
}

static double fresh(const char *program, const char *config, const char *folder)
{
    char command[4096];
    double us = 0;
    FILE *child;

    snprintf(command, sizeof command, "exec '%s' '%s' '%s'", program, config, folder);
    child = popen(command, "r");
    if (child == NULL || fscanf(child, "%lf", &us) != 1 || pclose(child) != 0)
        die(command);
    return us;
}

int main(int argc, char **argv)
{
    static struct bench_row without, with;
    int round;

    if (argc == 3)
        return once(argv[1], argv[2]);
    if (argc != 4)
        die("see the head of bench_sasl_init.c");
    for (round = 0; round < ROUNDS; round++) {
        bench_add(&without, fresh(argv[0], argv[1], argv[2]));
        bench_add(&with, fresh(argv[0], argv[1], argv[3]));
    }
    printf("  %.2f ms without the plug-in, %.2f ms with it: %.2f ms above (aim: at most 3)\n",
           bench_median(&without) / 1000, bench_median(&with) / 1000,
           (bench_median(&with) - bench_median(&without)) / 1000);
    return 0;
}
