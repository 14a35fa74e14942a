/*
 * tenantd: a small, real tenant service, to try Latchkey out with and to test it against: HTTPS, OpenID Connect, API
 * keys, and faults on demand. Its passwords, keys and tokens are worth nothing elsewhere.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/program.h"
#include "devel/tenantd/certificates.h"
#include "devel/tenantd/control.h"
#include "devel/tenantd/files.h"
#include "devel/tenantd/listener.h"
#include "devel/tenantd/members.h"
#include "devel/tenantd/server.h"
#include "devel/tenantd/service.h"

#define LIFETIME_MAX (10L * 365 * 24 * 60 * 60) /* s */

struct options {
    const char *state;
    const char *tenant; /* NULL: random */
    const char *alg;    /* NULL: that of the state, or RS256 */
    const char *bind;
    const char *url; /* NULL: where it listens */
    int64_t port;
    enum certificate_kind certificate;
    struct settings settings;
    bool tell, help;
};

/* Everything that must be ended, in the order of its making. */
struct process {
    struct service service;
    struct server *server;
    struct listener listener;
    int control;
    char *control_path;
    char url[URL_SIZE];
};

__attribute__((format(printf, 1, 2))) static bool fail(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "tenantd: ");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    return false;
}

/* Options */

static void print_usage(FILE *out)
{
    size_t i;

    fprintf(out,
            "tenantd --state DIR [--bind ADDRESS] [--port PORT] [--url URL] [--tenant UUID] [--alg ALG]\n"
            "        [--certificate KIND] [--access-lifetime S] [--exchange-lifetime S] [--refresh-lifetime S]\n"
            "        [--omit-issuer] [--omit-audience]\n"
            "      a tenant service; one line of JSON on standard output says where, once it serves.\n"
            "      The state (users, keys) lies in DIR, which is made. PORT 0, the default, takes a free one.\n"
            "      At first it holds alice, bob, svc-backup and admin @example.com; the password of each is\n"
            "      \"NAME's password\".\n"
            "      ALG is RS256, ES256, EdDSA, HS256 or another of the core's.\n"
            "tenantd --tell --state DIR COMMAND …\n"
            "      a command to the running one; its reply on standard output\n\n"
            "Certificates:\n");
    for (i = 0; i < CERTIFICATE_COUNT; i++)
        fprintf(out, "  %-16s %s\n", certificate_name((enum certificate_kind)i),
                certificate_meaning((enum certificate_kind)i));
    control_print_help(out);
}

static bool parse_number(const char *text, int64_t max, int64_t *ret)
{
    char *end;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 0 || value > max)
        return fail("\"%s\" is not a number of 0 … %lld", text, (long long)max);
    *ret = value;
    return true;
}

static bool set_option(struct options *options, int letter)
{
    switch (letter) {
    case 's':
        options->state = optarg;
        return true;
    case 't':
        options->tenant = optarg;
        return is_uuid(slice_of(optarg)) || fail("\"%s\" is not a UUID in lower case", optarg);
    case 'a':
        options->alg = optarg;
        return true;
    case 'b':
        options->bind = optarg;
        return true;
    case 'u':
        options->url = optarg;
        return strlen(optarg) < URL_SIZE / 2 || fail("the URL is too long");
    case 'p':
        return parse_number(optarg, UINT16_MAX, &options->port);
    case 'c':
        return certificate_kind_find(slice_of(optarg), &options->certificate)
            || fail("\"%s\" is not a kind of certificate", optarg);
    case 'A':
        return parse_number(optarg, LIFETIME_MAX, &options->settings.access_lifetime);
    case 'X':
        return parse_number(optarg, LIFETIME_MAX, &options->settings.exchange_lifetime);
    case 'R':
        return parse_number(optarg, LIFETIME_MAX, &options->settings.refresh_lifetime);
    case 'I':
        options->settings.omit_issuer = true;
        return true;
    case 'D':
        options->settings.omit_audience = true;
        return true;
    case 'T':
        options->tell = true;
        return true;
    case 'h':
        options->help = true;
        return true;
    default:
        return false; /* getopt_long() has complained */
    }
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        { "state", required_argument, NULL, 's' },
        { "tenant", required_argument, NULL, 't' },
        { "alg", required_argument, NULL, 'a' },
        { "bind", required_argument, NULL, 'b' },
        { "url", required_argument, NULL, 'u' },
        { "port", required_argument, NULL, 'p' },
        { "certificate", required_argument, NULL, 'c' },
        { "access-lifetime", required_argument, NULL, 'A' },
        { "exchange-lifetime", required_argument, NULL, 'X' },
        { "refresh-lifetime", required_argument, NULL, 'R' },
        { "omit-issuer", no_argument, NULL, 'I' },
        { "omit-audience", no_argument, NULL, 'D' },
        { "tell", no_argument, NULL, 'T' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int letter;

    *options = (struct options){
        .bind = "127.0.0.1",
        .settings = { .access_lifetime = 900, .exchange_lifetime = 180, .refresh_lifetime = 30L * 24 * 60 * 60 }
    };
    /* "+": what follows the first word of a command is the command's. */
    while ((letter = getopt_long(argc, argv, "+", known, NULL)) != -1)
        if (!set_option(options, letter))
            return false;
    if (options->help)
        return true;
    if (options->state == NULL)
        return fail("--state is missing; --help tells more");
    return (optind == argc) != options->tell
        || fail(options->tell ? "--tell needs a command" : "\"%s\" is not an option", argv[optind]);
}

/* The ready line */

static struct json *users_json(const struct state *state)
{
    struct json *users = json_new_object();
    size_t i;

    for (i = 0; users != NULL && i < state->user_count; i++)
        if (!json_add_text(users, state->users[i].email, state->users[i].id))
            json_free(&users);
    return users;
}

static bool add_path(struct json *object, const char *name, const char *directory, const char *file)
{
    CLEANUP(text_free) char *path = path_in(directory, file);

    return path != NULL && json_add_text(object, name, path);
}

/* Paths are absolute: the reader of the line may have another working directory. */
static bool print_ready_line(const struct process *process, const char *directory)
{
    CLEANUP(json_free) struct json *line = json_new_object();
    const struct state *state = process->service.state;
    const char *text = NULL;
    bool ok = true;

    ok &= json_add_text(line, "url", process->url);
    ok &= json_add_text(line, "tenant", state->tenant);
    ok &= json_add_text(line, "base", process->service.base);
    ok &= json_add_text(line, "issuer", process->service.issuer);
    ok &= json_add_text(line, "alg", state->keyring.current.alg);
    ok &= add_path(line, "ca", directory, "ca.pem");
    ok &= add_path(line, "state", directory, "state.json");
    ok &= add_path(line, "control", directory, "control");
    if (strncmp(state->keyring.current.alg, "HS", 2) == 0)
        ok &= add_path(line, "hmacSecret", directory, "hmac.key");
    ok &= json_add(line, "users", users_json(state));
    if (ok)
        text = json_print(line, false);
    if (text == NULL)
        return fail("out of memory");
    return (puts(text) >= 0 && fflush(stdout) == 0) || fail("standard output: %s", strerror(errno));
}

/* Life */

static bool open_state(struct process *process, const struct options *options, const char *directory)
{
    char error[STATE_ERROR_MAX];
    struct service *service = &process->service;
    int64_t now = (int64_t)time(NULL);

    service->settings = options->settings;
    service->started = now;
    service->state = state_open(directory, options->tenant, options->alg, now, error);
    return service->state != NULL || fail("%s", error);
}

static bool open_listener(struct process *process, const struct options *options)
{
    struct service *service = &process->service;
    bool is_ipv6 = strchr(options->bind, ':') != NULL;
    uint16_t port;

    if (!listener_open(&process->listener, options->bind, (uint16_t)options->port, &port))
        return fail("%s port %lld: %s", options->bind, (long long)options->port, strerror(errno));
    if (options->url != NULL)
        snprintf(process->url, sizeof process->url, "%s", options->url);
    else
        snprintf(process->url, sizeof process->url, is_ipv6 ? "https://[%s]:%u" : "https://%s:%u", options->bind, port);
    snprintf(service->base, sizeof service->base, "%.*s/tenant/%s", URL_SIZE / 2, process->url, service->state->tenant);
    snprintf(service->issuer, sizeof service->issuer, "%.*s/v2.0/Auth", URL_SIZE - 16, service->base);
    return true;
}

static bool start_server(struct process *process, const struct options *options, const char *directory)
{
    CLEANUP(text_free) char *certificate = NULL;
    CLEANUP(text_free) char *key = NULL;

    if (!certificates_make(directory, options->certificate, &certificate, &key))
        return fail("%s: no certificate: %s", directory, errno != 0 ? strerror(errno) : "OpenSSL failed");
    process->server = server_start(&process->service, certificate, key);
    if (process->server == NULL)
        return fail("the HTTPS server does not start");
    process->listener.server = process->server;
    process->listener.service = &process->service;
    return true;
}

static bool open_control(struct process *process, const char *directory)
{
    process->control_path = path_in(directory, "control");
    process->control = process->control_path != NULL ? control_open(process->control_path) : -1;
    return process->control >= 0 || fail("%s/control: %s", directory, strerror(errno));
}

static bool serve(struct process *process, int signals)
{
    for (;;) {
        struct pollfd polled[] = {
            { .fd = signals, .events = POLLIN },
            { .fd = process->control, .events = POLLIN },
            { .fd = process->listener.fd, .events = POLLIN },
        };
        int wait_ms = listener_release(&process->listener);

        if (poll(polled, sizeof polled / sizeof polled[0], wait_ms) < 0) {
            if (errno != EINTR)
                return fail("poll: %s", strerror(errno));
            continue;
        }
        if (polled[0].revents != 0)
            return true;
        if (polled[1].revents != 0)
            control_serve(process->control, &process->service);
        if (polled[2].revents != 0)
            listener_accept(&process->listener);
    }
}

static void end(struct process *process)
{
    size_t i;

    listener_close(&process->listener);
    server_stop(&process->server);
    if (process->control >= 0) {
        close(process->control);
        unlink(process->control_path);
    }
    free(process->control_path);
    for (i = 0; i < ENDPOINT_COUNT; i++)
        json_free(&process->service.counters.last[i]);
    state_free(&process->service.state);
    pthread_mutex_destroy(&process->service.lock);
}

/* Before the first thread, which inherits the mask: the signals that end us arrive at the descriptor only. */
static int open_signals(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN); /* clients hang up as they like */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static bool start(struct process *process, const struct options *options, const char *directory)
{
    return open_state(process, options, directory) && open_listener(process, options)
        && start_server(process, options, directory) && open_control(process, directory)
        && print_ready_line(process, directory);
}

static bool run(const struct options *options)
{
    CLEANUP(text_free) char *directory = NULL;
    struct process process = { .listener = { .fd = -1 }, .control = -1 };
    int signals = open_signals();
    bool ok;

    pthread_mutex_init(&process.service.lock, NULL);
    if (signals < 0)
        return fail("signals: %s", strerror(errno));
    if ((mkdir(options->state, 0700) != 0 && errno != EEXIST) || (directory = realpath(options->state, NULL)) == NULL)
        ok = fail("%s: %s", options->state, strerror(errno));
    else
        ok = start(&process, options, directory) && serve(&process, signals);
    end(&process);
    close(signals);
    return ok;
}

static bool tell(const struct options *options, const char *const *words)
{
    CLEANUP(text_free) char *path = path_in(options->state, "control");

    return path != NULL && control_tell(path, words);
}

int main(int argc, char **argv)
{
    struct options options;
    bool ok;

    program_protect();
    if (!parse_options(argc, argv, &options))
        return 2;
    if (options.help) {
        print_usage(stdout);
        return EXIT_SUCCESS;
    }
    ok = options.tell ? tell(&options, (const char *const *)argv + optind) : run(&options);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
