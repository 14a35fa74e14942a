#include "latchkeyd/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "config/snapshot.h"
#include "tenant/http.h"
#include "latchkeyd/client.h"
#include "latchkeyd/log.h"
#include "latchkeyd/passwords.h"
#include "latchkeyd/questions.h"
#include "latchkeyd/service.h"
#include "latchkeyd/waiting.h"

/* Limits of the clients that have connected and not asked yet. A client that has asked is answered at once, or waits
 * for a tenant service (waiting.h). */
#define CLIENTS_MAX       1024
#define CLIENTS_OF_UID    256  /* of one uid other than root */
#define CLIENTS_OF_OTHERS 768  /* of all uids other than root: the rest is for sshd and sudo */
#define ASK_WITHIN_MS     2000 /* then a client without a question is disconnected */
#define ACCEPTS_PER_ROUND 16   /* of one listener, before other listeners and the questions are served */
#define CONNECTIONS_MAX \
    (WAITING_MAX + CONFIG_TENANTS_MAX) /* to one host: for all exchanges that may wait, and the key sets */
#define DESCRIPTORS     4096
#define LAST_ANSWERS_MS 10000
#define LAST_ACCEPTS    (CLIENTS_MAX / ACCEPTS_PER_ROUND) /* rounds, when latchkeyd ends */
#define ACCEPT_PAUSE_MS 100                               /* when there is no free descriptor */
#define DRAIN_TRIES     16
#define SWEEP_MS        1000

struct server {
    struct service service;
    struct listeners *listeners;
    int signals;
    struct http *http;
    struct client *clients;
    bool is_ending;
    int64_t end_ms;
    int64_t swept_ms;
    int64_t accept_from_ms; /* after a shortage of descriptors */
};

/* The clients that have connected and not asked yet. */
static struct crowd count_askers(const struct server *server, uid_t uid)
{
    const struct client *client;
    struct crowd crowd = { .of_all = 0 };

    for (client = server->clients; client != NULL; client = client->next)
        if (!client->has_asked)
            crowd_count(&crowd, client->uid, uid);
    return crowd;
}

static bool is_full(const struct server *server)
{
    return count_askers(server, 0).of_all >= CLIENTS_MAX || server->is_ending || clock_ms() < server->accept_from_ms;
}

/* Whether all places of this uid, or of all uids other than root, are taken. */
static bool has_too_many(const struct server *server, uid_t uid)
{
    const struct crowd askers = count_askers(server, uid);

    return uid != 0 && (askers.of_uid >= CLIENTS_OF_UID || askers.of_others >= CLIENTS_OF_OTHERS);
}

static void log_unknown_name(const char *name, enum account_answer answer)
{
    if (answer == ACCOUNT_CANNOT_TELL)
        log_event(LOG_OF_ERROR, "allow: %s cannot be looked up now; latchkeyd tries again", name);
    else
        log_event(LOG_OF_NOTICE, "allow: %s does not exist on this host", name);
}

static void log_trouble_of_tenant(const char *tenant_id, const struct verdict *verdict)
{
    struct verdict trouble = *verdict;

    trouble.credential = "none";
    text_copy_printable(trouble.tenant, sizeof trouble.tenant, slice_of(tenant_id));
    log_trouble("the key set stays unchanged", &trouble);
}

static void log_refresh(const char *tenant_id, enum key_refresh_result result, const struct verdict *verdict)
{
    if (result == KEY_REFRESH_REPLACED)
        log_event(LOG_OF_NOTICE, "the key set of tenant %s was replaced", tenant_id);
    if (result == KEY_REFRESH_WITHDRAWN)
        log_event(LOG_OF_ERROR, "tenant %s has withdrawn its keys: every token of it is refused", tenant_id);
    if (result == KEY_REFRESH_FAILED)
        log_trouble_of_tenant(tenant_id, verdict);
}

/* Closing a connection with unread data resets it, and the client loses the answer. Stop after DRAIN_TRIES reads. */
static void drain(int fd)
{
    char unread[4096];
    int tries;

    for (tries = 0; tries < DRAIN_TRIES && recv(fd, unread, sizeof unread, MSG_DONTWAIT) > 0; tries++)
        ;
    secret_wipe(unread, sizeof unread);
}

static void client_free(struct client *client)
{
    drain(client->fd);
    close(client->fd);
    secret_clear(&client->request);
    free(client);
}

/* Whether a new client is served; if not, it has been told the reason. */
static bool admit(struct server *server, struct client *client)
{
    char detail[96];

    if (!peers_allow(server->service.peers, client->fd, &client->uid) && client->door->asks_the_list) {
        server->service.refused_peers++;
        if (service_may_log(&server->service.peer_logged_ms))
            log_event(LOG_OF_NOTICE, "uid %ju denied: not in \"allow\"", (uintmax_t)client->uid);
        snprintf(detail, sizeof detail, "latchkeyd denies uid %ju: not in its option allow", (uintmax_t)client->uid);
        client->door->refuse(client, REASON_LATCHKEYD_UNAVAILABLE, detail);
        return false;
    }
    if (has_too_many(server, client->uid)) {
        server->service.refused_rate++;
        if (service_may_log(&server->service.full_logged_ms))
            log_event(LOG_OF_NOTICE, "uid %ju has too many connections without a question", (uintmax_t)client->uid);
        client->door->refuse(client, REASON_LATCHKEYD_UNAVAILABLE, "too many connections without a question");
        return false;
    }
    return true;
}

/* A client that is refused is closed at once and takes no place. */
static void add_client(struct server *server, int fd, const struct door *door)
{
    struct client *client = calloc(1, sizeof *client);

    if (client == NULL) {
        close(fd);
        return;
    }
    client->service = &server->service;
    client->door = door;
    client->fd = fd;
    client->deadline_ms = clock_ms() + ASK_WITHIN_MS;
    if (!admit(server, client)) {
        client_free(client);
        return;
    }
    client->next = server->clients;
    server->clients = client;
    server->service.client_count++;
}

/* Accept some of the clients of one listener. Returns how many. */
static int accept_clients(struct server *server, size_t index)
{
    const struct door *door = server->listeners->is_saslauthd[index] ? &passwords_door : &questions_door;
    const int listener = server->listeners->fds[index];
    int fd = 0, count = 0;

    service_read_config(&server->service); /* the option allow may have changed */
    while (count < ACCEPTS_PER_ROUND && !is_full(server)
           && (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        add_client(server, fd, door);
        count++;
    }
    /* The listener stays readable; without a pause the loop would spin. */
    if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        server->accept_from_ms = clock_ms() + ACCEPT_PAUSE_MS;
        if (service_may_log(&server->service.full_logged_ms))
            log_event(LOG_OF_ERROR, "cannot accept connections: %s", strerror(errno));
    }
    return count;
}

/* Clients that have connected already are served, since a restart must not refuse a login. In a flood that would not
 * end, so the rounds are limited. */
static void end(struct server *server)
{
    int count = 1, rounds;
    size_t i;

    for (rounds = 0; rounds < LAST_ACCEPTS && count > 0; rounds++)
        for (i = 0, count = 0; i < server->listeners->count; i++)
            count += accept_clients(server, i);
    server->is_ending = true;
    server->end_ms = clock_ms() + LAST_ANSWERS_MS;
    listeners_close(server->listeners);
}

static void read_signals(struct server *server)
{
    struct signalfd_siginfo signal;

    while (read(server->signals, &signal, sizeof signal) == (ssize_t)sizeof signal) {
        if (signal.ssi_signo == SIGHUP) {
            exchange_reset(server->service.exchange);
            service_read_config(&server->service);
            peers_configure(server->service.peers, &server->service.config->latchkeyd, log_unknown_name);
            log_event(LOG_OF_NOTICE, "SIGHUP: %s",
                      server->service.config_failure.reason != REASON_UNDECIDED ? "the configuration cannot be used"
                                                                                : "the configuration was read");
        } else if (!server->is_ending) {
            end(server);
        }
    }
}

/* Free the clients that have their answer, and those that did not ask in time. */
static void sweep_clients(struct server *server)
{
    struct client **place = &server->clients;
    int64_t now = clock_ms();

    while (*place != NULL) {
        struct client *client = *place;

        if (!client->is_done && (client->has_asked || now < client->deadline_ms)) {
            place = &client->next;
            continue;
        }
        *place = client->next;
        server->service.client_count--;
        client_free(client);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Wait for an event, and serve it. False when waiting fails. */
static bool serve_round(struct server *server)
{
    struct pollfd waiting[1 + LISTENERS_MAX + CLIENTS_MAX];
    struct client *asking[CLIENTS_MAX], *client;
    size_t listeners = is_full(server) ? 0 : server->listeners->count, count = 0, askers = 0, i;
    int64_t now = clock_ms(), wake_ms;

    if (keysets_needs_config(server->service.keysets, now))
        service_read_config(&server->service);
    wake_ms = now + keysets_run(server->service.keysets, server->service.config, now);

    sweep_clients(server); /* those that keysets_run() has answered: the next event may be far away */
    waiting[count++] = (struct pollfd){ .fd = server->signals, .events = POLLIN };
    for (i = 0; i < listeners; i++)
        waiting[count++] = (struct pollfd){ .fd = server->listeners->fds[i], .events = POLLIN };
    for (client = server->clients; client != NULL; client = client->next)
        if (!client->has_asked && !client->is_done) {
            asking[askers++] = client;
            waiting[count++] = (struct pollfd){ .fd = client->fd, .events = POLLIN };
            wake_ms = earlier(wake_ms, client->deadline_ms);
        }
    wake_ms = earlier(wake_ms,
                      server->swept_ms + (server->service.config->latchkeyd.api_key_cache > 0 ? SWEEP_MS : INT32_MAX));
    if (server->is_ending)
        wake_ms = earlier(wake_ms, server->end_ms);
    if (server->accept_from_ms > now)
        wake_ms = earlier(wake_ms, server->accept_from_ms);
    if (!http_run(server->http, waiting, count, wake_ms > now ? (int)(wake_ms - now) : 0))
        return false;
    if (waiting[0].revents != 0)
        read_signals(server);
    for (i = 0; i < askers; i++)
        if (waiting[1 + listeners + i].revents != 0)
            asking[i]->door->read(asking[i]);
    sweep_clients(server); /* first, to free places for new clients */
    for (i = 0; i < listeners && !server->is_ending; i++)
        if (waiting[1 + i].revents != 0)
            accept_clients(server, i);
    if (clock_ms() - server->swept_ms >= SWEEP_MS) {
        exchange_sweep(server->service.exchange);
        server->swept_ms = clock_ms();
    }
    secret_wipe_registers();
    return true;
}

static sigset_t signals_to_read(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    return signals;
}

/* Blocked in this thread, and so in the threads that libcurl makes to resolve names. They are read from a descriptor.
 */
void server_hold_signals(sigset_t *ret_before)
{
    sigset_t signals = signals_to_read();

    sigaddset(&signals, SIGPIPE); /* blocked, and never read */
    sigprocmask(SIG_BLOCK, &signals, ret_before);
}

void server_release_signals(const sigset_t *before)
{
    sigprocmask(SIG_SETMASK, before, NULL);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS)
        return;
    /* Fails in systemd's sandbox; the unit has set the limit. */
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* The newest configuration of the files. */
static const struct config *newest_config(void *context, struct verdict *verdict)
{
    struct service *service = context;

    service_read_config(service);
    return service_may_decide(service, verdict) ? service->config : NULL;
}

static bool may_exchange(void *context, uid_t uid)
{
    return service_may_ask(context, uid);
}

static bool server_open(struct server *server)
{
    const sigset_t signals = signals_to_read();

    raise_descriptor_limit();
    server->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    server->http = http_new(CONNECTIONS_MAX);
    if (server->signals < 0 || server->http == NULL)
        return false;
    server->service.exchange = exchange_new(server->http, may_exchange, &server->service);
    server->service.keysets = keysets_new(server->http, log_refresh);
    server->service.peers = peers_new();
    if (server->service.exchange == NULL || server->service.keysets == NULL || server->service.peers == NULL
        || !peers_configure(server->service.peers, &server->service.config->latchkeyd, log_unknown_name))
        return false;
    keysets_configure(server->service.keysets, server->service.config, clock_ms());
    service_read_config(&server->service); /* the files may have changed since the sockets were made */
    server->service.authenticator =
        (struct authenticator){ server->service.exchange, server->service.keysets, newest_config, &server->service };
    return true;
}

static void server_close(struct server *server)
{
    http_free(&server->http); /* answers the clients that still wait */
    while (server->clients != NULL) {
        server->clients->is_done = true;
        sweep_clients(server);
    }
    listeners_close(server->listeners);
    exchange_free(&server->service.exchange);
    keysets_free(&server->service.keysets);
    peers_free(&server->service.peers);
    config_release(&server->service.config);
    config_release(&server->service.config_at_start);
    if (server->signals >= 0)
        close(server->signals);
}

int server_run(const char *path, const struct config *config, struct listeners *listeners)
{
    struct server server = {
        .service = { .path = path,
                     .config = config_hold(config),
                     .config_at_start = config_hold(config),
                     .has_foreign_sockets = listeners->are_handed_over,
                     .config_failure = VERDICT_INIT,
                     .started_ms = clock_ms() },
        .listeners = listeners,
        .swept_ms = clock_ms(),
    };
    bool is_open, ok;

    log_open();
    ok = is_open = server_open(&server);
    if (is_open)
        log_event(LOG_OF_NOTICE, "version %s serves on %zu sockets as uid %ju", LATCHKEY_VERSION, listeners->count,
                  (uintmax_t)geteuid());
    else
        log_event(LOG_OF_ERROR, "cannot start: %s", strerror(errno));
    while (ok && !(server.is_ending && (server.clients == NULL || clock_ms() >= server.end_ms)))
        ok = serve_round(&server);
    if (is_open && !ok)
        log_event(LOG_OF_ERROR, "ended: cannot wait for questions: %s", strerror(errno));
    server_close(&server);
    if (ok)
        log_event(LOG_OF_NOTICE, "ended");
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
