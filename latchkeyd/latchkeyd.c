/*
 * latchkeyd: the process that talks to tenant services in place of the host processes. Its manual is latchkeyd(8).
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "config/snapshot.h"
#include "latchkeyd/listener.h"
#include "latchkeyd/once.h"
#include "latchkeyd/privileges.h"
#include "latchkeyd/self_check.h"
#include "latchkeyd/server.h"

enum { STATUS_OK = 0, STATUS_USAGE = 2 };

enum mode { MODE_SERVE, MODE_ONCE, MODE_CHECK };

static void print_usage(FILE *stream)
{
    fprintf(stream,
            "latchkeyd: asks tenant services for the services of this host; see latchkeyd(8)\n\n"
            "  latchkeyd [--config FILE]\n      serve on the configuration's sockets, or on systemd's\n"
            "  latchkeyd --check [--config FILE]\n      report what would keep it from serving\n"
            "  latchkeyd --once [--config FILE]\n      answer one question on standard input\n"
            "  latchkeyd --help | --version\n");
}

static int fail(const char *what)
{
    fprintf(stderr, "latchkeyd: %s\n", what);
    return STATUS_USAGE;
}

/* The sockets are made first, since their directories may be writable for root alone; then the process gives up root. A
 * secret that only root may read is never in this memory. */
static int serve(const char *path)
{
    CLEANUP(config_release) const struct config *at_start = NULL;
    CLEANUP(config_release) const struct config *config = NULL;
    char error[LISTENER_ERROR_MAX];
    struct verdict verdict = VERDICT_INIT;
    struct listeners listeners;

    config_read_secrets(false);
    if (!config_acquire(&verdict, path, &at_start))
        return fail(verdict.evidence);
    if (!listeners_open(&at_start->latchkeyd, &listeners, error))
        return fail(error);
    if (!privileges_drop(at_start->latchkeyd.user, NULL, error)) {
        listeners_close(&listeners);
        return fail(error);
    }
    config_forget();
    config_read_secrets(true);
    if (!config_acquire(&verdict, path, &config)) {
        listeners_close(&listeners);
        return fail(verdict.evidence);
    }
    return server_run(path, at_start, &listeners);
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        { "config", required_argument, NULL, 'c' }, { "once", no_argument, NULL, 'o' },
        { "check", no_argument, NULL, 'k' },        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'v' },      { NULL, 0, NULL, 0 },
    };
    const char *config = NULL;
    enum mode mode = MODE_SERVE;
    sigset_t before;
    int option;

    privileges_harden();
    server_hold_signals(&before);
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            config = optarg;
            break;
        case 'o':
            mode = MODE_ONCE;
            break;
        case 'k':
            mode = MODE_CHECK;
            break;
        case 'h':
            print_usage(stdout);
            return STATUS_OK;
        case 'v':
            printf("latchkeyd %s\n", LATCHKEY_VERSION);
            return STATUS_OK;
        default:
            print_usage(stderr);
            return STATUS_USAGE;
        }
    }
    if (optind < argc) {
        print_usage(stderr);
        return STATUS_USAGE;
    }
    umask(022);
    if (mode != MODE_SERVE)
        server_release_signals(&before);
    switch (mode) {
    case MODE_ONCE:
        return once_run(config);
    case MODE_CHECK:
        return self_check(config);
    default:
        return serve(config);
    }
}
