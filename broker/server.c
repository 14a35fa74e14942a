#include "server.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "broker_protocol.h"
#include "cleanup.h"
#include "clock.h"
#include "exchange.h"
#include "http.h"
#include "json.h"
#include "keysets.h"
#include "log.h"
#include "peers.h"
#include "status.h"
#include "verify.h"

#define CLIENTS_MAX       1024
#define CLIENTS_OF_UID    256  /* of one that is not root */
#define CLIENTS_OF_OTHERS 768  /* that are not root, together: sshd and sudo always find a way in */
#define ASK_WITHIN_MS     2000 /* whoever connects and asks nothing is sent away */
#define CONNECTIONS_MAX   32   /* to tenant services */
#define DESCRIPTORS       4096
#define LAST_ANSWERS_MS   10000
#define ACCEPT_PAUSE_MS   100   /* when descriptors are short */
#define LOG_PAUSE_MS      10000 /* between two lines of the same trouble */
#define DRAIN_TRIES       16
#define SWEEP_MS          1000

struct client {
    struct server *server;
    int fd;
    uid_t uid;
    bool has_asked;
    bool is_done; /* answered, or sent away; freed at the end of the round */
    int64_t deadline_ms;
    /* Of its question, for the log. */
    int64_t asked_ms;
    enum broker_ask ask;
    char tenant[FACT_MAX];
    char subject[SUBJECT_MAX + 1];
    struct client *next;
};

struct server {
    const char *path;
    const struct config *config;     /* held: the last good one */
    char config_fault[EVIDENCE_MAX]; /* of the newest one; empty: it is the last good one */
    struct listeners *listeners;
    int signals;
    struct http *http;
    struct exchange *exchange;
    struct keysets *keysets;
    struct peers *peers;
    struct client *clients;
    size_t client_count;
    bool is_ending;
    int64_t end_ms;
    int64_t swept_ms;
    int64_t started_ms;
    uint64_t asked[BROKER_STATUS + 1];
    int64_t peer_logged_ms, full_logged_ms, broken_logged_ms; /* 0: never */
    int64_t accept_from_ms;                                   /* after a shortage of descriptors */
    uint64_t refused_peers, refused_rate, refused_broken;
};

static bool is_full(const struct server *server)
{
    return server->client_count >= CLIENTS_MAX || server->is_ending || clock_ms() < server->accept_from_ms;
}

/* Whether a peer that is not root has all the places that it, or all such peers together, may have. */
static bool has_too_many(const struct server *server, uid_t uid)
{
    const struct client *client;
    size_t of_uid = 0, of_others = 0;

    for (client = server->clients; client != NULL; client = client->next) {
        of_uid += client->uid == uid;
        of_others += client->uid != 0;
    }
    return uid != 0 && (of_uid > CLIENTS_OF_UID || of_others > CLIENTS_OF_OTHERS);
}

/* Send what there is to say, and have done with the client. */
static void send_away(struct client *client, const struct broker_answer *answer, struct json *status)
{
    CLEANUP(secret_clear) struct secret text = { NULL, 0 };

    client->is_done = true;
    if (!broker_answer_write(answer, status, &text))
        log_event(LOG_OF_ERROR, "memory is short: a question goes without an answer");
    else if (send(client->fd, text.bytes, text.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE
             && errno != ECONNRESET)
        log_event(LOG_OF_ERROR, "an answer could not be sent: %s", strerror(errno));
}

static void refuse(struct client *client, enum reason reason, const char *detail)
{
    struct broker_answer answer = { .reason = reason };

    snprintf(answer.detail, sizeof answer.detail, "%s", detail);
    send_away(client, &answer, NULL);
}

static void log_of_client(const struct client *client, const struct broker_answer *answer)
{
    struct verdict verdict = VERDICT_INIT;

    if (client->ask == BROKER_EXCHANGE || client->ask == BROKER_SIGNATURE)
        verdict.credential = client->ask == BROKER_EXCHANGE ? "api_key" : "jwt";
    memcpy(verdict.tenant, client->tenant, sizeof verdict.tenant);
    memcpy(verdict.subject, client->subject, sizeof verdict.subject);
    if (answer->reason == REASON_OK)
        verdict_accept(&verdict);
    else
        verdict_reject(&verdict, answer->reason, "%s", answer->detail);
    log_answer(broker_ask_name(client->ask), client->uid, clock_ms() - client->asked_ms, &verdict);
}

static void answered(void *context, const struct broker_answer *answer)
{
    struct client *client = context;

    log_of_client(client, answer);
    send_away(client, answer, NULL);
}

static void ask_exchange(struct client *client, const struct broker_question *question)
{
    struct server *server = client->server;

    exchange_ask(server->exchange, server->config, question, exchange_timeout_ms(server->config), answered, client);
}

static void ask_refresh(struct client *client, const struct broker_question *question)
{
    keysets_ask(client->server->keysets, client->server->config, question->tenant, clock_ms(), answered, client);
}

/* A secret that the caller may not read. It learns whether the signature holds, and checks all else by itself. */
static void ask_signature(struct client *client, const struct broker_question *question)
{
    struct broker_answer answer = { .reason = REASON_OK };
    struct verdict verdict = VERDICT_INIT;
    const struct tenant *tenant = NULL;

    if (!verify_signature(&verdict, client->server->config, question->secret, &tenant)) {
        answer.reason = verdict.reason;
        snprintf(answer.detail, sizeof answer.detail, "%s", verdict.evidence);
    } else if (!slice_equal_string(question->tenant, tenant->id)) {
        answer.reason = REASON_TENANT_MISMATCH;
        snprintf(answer.detail, sizeof answer.detail, "latchkeyd takes it for a token of %.100s", tenant->id);
    }
    answered(client, &answer);
}

static void ask_status(struct client *client, const struct broker_question *question)
{
    const struct broker_answer ok = { .reason = REASON_OK };
    const struct server *server = client->server;
    const struct status_facts facts = {
        .config = server->config,
        .config_fault = server->config_fault,
        .exchange = server->exchange,
        .keysets = server->keysets,
        .uptime_s = (clock_ms() - server->started_ms) / 1000,
        .clients = server->client_count,
        .asked = server->asked,
        .refused_peers = server->refused_peers,
        .refused_rate = server->refused_rate,
        .refused_broken = server->refused_broken,
    };
    CLEANUP(json_free) struct json *status = status_json(&facts);

    (void)question;
    if (status == NULL)
        refuse(client, REASON_OUT_OF_MEMORY, "latchkeyd");
    else
        send_away(client, &ok, status);
}

static void (*const asks[])(struct client *client, const struct broker_question *question) = {
    [BROKER_EXCHANGE] = ask_exchange,
    [BROKER_REFRESH] = ask_refresh,
    [BROKER_SIGNATURE] = ask_signature,
    [BROKER_STATUS] = ask_status,
};

static void log_unknown_name(const char *name)
{
    log_event(LOG_OF_NOTICE, "the option allow names %s, who does not exist on this host", name);
}

static void log_trouble_of_tenant(const char *tenant_id, const struct verdict *verdict)
{
    struct verdict trouble = *verdict;

    trouble.credential = "none";
    verdict_fact(trouble.tenant, sizeof trouble.tenant, slice_of(tenant_id));
    log_trouble("the key set stays as it is", &trouble);
}

static void log_refresh(const char *tenant_id, enum key_refresh_result result, const struct verdict *verdict)
{
    if (result == KEY_REFRESH_REPLACED)
        log_event(LOG_OF_NOTICE, "the key set of tenant %s was replaced", tenant_id);
    if (result == KEY_REFRESH_FAILED)
        log_trouble_of_tenant(tenant_id, verdict);
}

/*
 * The newest configuration, or the last good one: a key set, a secret or the file itself may have changed since the
 * last question. The same fault is logged once.
 */
static void look_at_config(struct server *server)
{
    struct verdict verdict = VERDICT_INIT;
    const struct config *newest = NULL;

    if (!config_acquire(&verdict, server->path, &newest)) {
        if (strcmp(server->config_fault, verdict.evidence) != 0)
            log_trouble("the configuration stays as it was", &verdict);
        memcpy(server->config_fault, verdict.evidence, sizeof server->config_fault);
        return;
    }
    server->config_fault[0] = '\0';
    if (newest == server->config) {
        config_release(&newest);
        return;
    }
    config_release(&server->config);
    server->config = newest;
    keysets_configure(server->keysets, newest, clock_ms());
    if (!peers_configure(server->peers, &newest->broker, NULL))
        log_event(LOG_OF_ERROR, "memory is short: the option allow stays as it was");
}

/* Whoever it is must not fill the log: a line now and then; the status has the numbers. */
static bool may_log(int64_t *last_ms)
{
    if (*last_ms != 0 && clock_ms() - *last_ms < LOG_PAUSE_MS)
        return false;
    *last_ms = clock_ms();
    return true;
}

static void refuse_broken(struct client *client, const char *error)
{
    client->server->refused_broken++;
    if (may_log(&client->server->broken_logged_ms))
        log_event(LOG_OF_NOTICE, "a broken question of uid %ju: %s", (uintmax_t)client->uid, error);
    refuse(client, REASON_BROKER_UNAVAILABLE, error);
}

static void take_question(struct client *client, struct slice text)
{
    struct server *server = client->server;
    const struct broker_answer too_many = { .reason = REASON_BROKER_UNAVAILABLE,
                                            .detail = "too many questions a second" };
    CLEANUP(json_free) struct json *json = NULL;
    struct broker_question question;
    const char *error;

    if (!broker_question_read(text, &json, &question, &error)) {
        refuse_broken(client, error);
        return;
    }
    look_at_config(server);
    client->ask = question.ask;
    client->has_asked = true;
    client->asked_ms = clock_ms();
    verdict_fact(client->tenant, sizeof client->tenant, question.tenant);
    verdict_fact(client->subject, sizeof client->subject, question.subject);
    server->asked[question.ask]++;
    /* The status costs next to nothing, and is wanted most when there is a flood. */
    if (question.ask == BROKER_STATUS || peers_count(server->peers, client->uid, clock_ms())) {
        asks[question.ask](client, &question);
    } else {
        server->refused_rate++;
        answered(client, &too_many);
    }
}

static void read_client(struct client *client)
{
    char text[BROKER_MESSAGE_MAX];
    ssize_t got = recv(client->fd, text, sizeof text, MSG_DONTWAIT | MSG_TRUNC);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) /* hung up */
        client->is_done = true;
    else if ((size_t)got > sizeof text)
        refuse_broken(client, "longer than any message");
    else
        take_question(client, (struct slice){ text, (size_t)got });
    if (got > 0)
        secret_wipe(text, (size_t)got < sizeof text ? (size_t)got : sizeof text);
}

static void add_client(struct server *server, int fd)
{
    struct client *client = calloc(1, sizeof *client);

    if (client == NULL) {
        close(fd);
        return;
    }
    client->server = server;
    client->fd = fd;
    client->deadline_ms = clock_ms() + ASK_WITHIN_MS;
    client->next = server->clients;
    server->clients = client;
    server->client_count++;
    if (!peers_allow(server->peers, fd, &client->uid)) {
        char detail[64];

        server->refused_peers++;
        if (may_log(&server->peer_logged_ms))
            log_event(LOG_OF_NOTICE, "uid %ju may not ask: see the option allow", (uintmax_t)client->uid);
        snprintf(detail, sizeof detail, "latchkeyd does not serve uid %ju", (uintmax_t)client->uid);
        refuse(client, REASON_BROKER_UNAVAILABLE, detail);
    } else if (has_too_many(server, client->uid)) {
        server->refused_rate++;
        if (may_log(&server->full_logged_ms))
            log_event(LOG_OF_NOTICE, "uid %ju has too many questions at once", (uintmax_t)client->uid);
        refuse(client, REASON_BROKER_UNAVAILABLE, "too many questions at once");
    }
}

static void accept_clients(struct server *server, int listener)
{
    int fd = 0;

    while (!is_full(server) && (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
        add_client(server, fd);
    /* The listener stays readable; without a pause the loop would spin. */
    if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        server->accept_from_ms = clock_ms() + ACCEPT_PAUSE_MS;
        if (may_log(&server->full_logged_ms))
            log_event(LOG_OF_ERROR, "no connection can be taken: %s", strerror(errno));
    }
}

/* Whoever has connected already is served: a restart must not refuse a login. */
static void end(struct server *server)
{
    size_t i;

    for (i = 0; i < server->listeners->count; i++)
        accept_clients(server, server->listeners->fds[i]);
    server->is_ending = true;
    server->end_ms = clock_ms() + LAST_ANSWERS_MS;
    listeners_close(server->listeners);
}

static void read_signals(struct server *server)
{
    struct signalfd_siginfo signal;

    while (read(server->signals, &signal, sizeof signal) == (ssize_t)sizeof signal) {
        if (signal.ssi_signo == SIGHUP) {
            exchange_reset(server->exchange);
            look_at_config(server);
            peers_configure(server->peers, &server->config->broker, log_unknown_name);
            log_event(LOG_OF_NOTICE, "SIGHUP: %s",
                      server->config_fault[0] != '\0' ? "the configuration stays as it was"
                                                      : "the configuration was read");
        } else if (!server->is_ending) {
            end(server);
        }
    }
}

/* A question that nobody read would reset the connection, and take the answer with it. Who sends on and on has had it.
 */
static void drain(int fd)
{
    char unread[4096];
    int tries;

    for (tries = 0; tries < DRAIN_TRIES && recv(fd, unread, sizeof unread, MSG_DONTWAIT) > 0; tries++)
        ;
    secret_wipe(unread, sizeof unread);
}

/* Those who are done with, and those who ask nothing. */
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
        server->client_count--;
        drain(client->fd);
        close(client->fd);
        free(client);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Wait for something to do, and do it. False when waiting fails. */
static bool serve_round(struct server *server)
{
    struct pollfd waiting[1 + LISTENERS_MAX + CLIENTS_MAX];
    struct client *asking[CLIENTS_MAX], *client;
    size_t listeners = is_full(server) ? 0 : server->listeners->count, count = 0, askers = 0, i;
    int64_t now = clock_ms(), wake_ms = now + keysets_run(server->keysets, server->config, now);

    waiting[count++] = (struct pollfd){ .fd = server->signals, .events = POLLIN };
    for (i = 0; i < listeners; i++)
        waiting[count++] = (struct pollfd){ .fd = server->listeners->fds[i], .events = POLLIN };
    for (client = server->clients; client != NULL; client = client->next)
        if (!client->has_asked && !client->is_done) {
            asking[askers++] = client;
            waiting[count++] = (struct pollfd){ .fd = client->fd, .events = POLLIN };
            wake_ms = earlier(wake_ms, client->deadline_ms);
        }
    wake_ms = earlier(wake_ms, server->swept_ms + (server->config->broker.api_key_cache > 0 ? SWEEP_MS : INT32_MAX));
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
            read_client(asking[i]);
    for (i = 0; i < listeners && !server->is_ending; i++)
        if (waiting[1 + i].revents != 0)
            accept_clients(server, server->listeners->fds[i]);
    sweep_clients(server);
    if (clock_ms() - server->swept_ms >= SWEEP_MS) {
        exchange_sweep(server->exchange);
        server->swept_ms = clock_ms();
    }
    secret_wipe_registers();
    return true;
}

/* Signals come as descriptors, in this thread and those that libcurl makes for looking up names. */
static int open_signals(void)
{
    sigset_t wanted;

    sigemptyset(&wanted);
    sigaddset(&wanted, SIGHUP);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGPIPE);
    if (sigprocmask(SIG_BLOCK, &wanted, NULL) != 0)
        return -1;
    sigdelset(&wanted, SIGPIPE); /* blocked, and never looked at */
    return signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= DESCRIPTORS)
        return;
    /* systemd's sandbox forbids it, and has set a limit of its own. */
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static bool server_open(struct server *server)
{
    raise_descriptor_limit();
    server->signals = open_signals();
    server->http = http_new(CONNECTIONS_MAX);
    if (server->signals < 0 || server->http == NULL)
        return false;
    server->exchange = exchange_new(server->http);
    server->keysets = keysets_new(server->http, log_refresh);
    server->peers = peers_new();
    if (server->exchange == NULL || server->keysets == NULL || server->peers == NULL
        || !peers_configure(server->peers, &server->config->broker, log_unknown_name))
        return false;
    keysets_configure(server->keysets, server->config, clock_ms());
    return true;
}

static void server_close(struct server *server)
{
    http_free(&server->http); /* which gives those who still wait a last answer */
    while (server->clients != NULL) {
        server->clients->is_done = true;
        sweep_clients(server);
    }
    listeners_close(server->listeners);
    exchange_free(&server->exchange);
    keysets_free(&server->keysets);
    peers_free(&server->peers);
    config_release(&server->config);
    if (server->signals >= 0)
        close(server->signals);
}

int server_run(const char *path, const struct config *config, struct listeners *listeners)
{
    struct server server = {
        .path = path,
        .config = config_hold(config),
        .listeners = listeners,
        .started_ms = clock_ms(),
        .swept_ms = clock_ms(),
    };
    bool is_open, ok;

    log_open();
    ok = is_open = server_open(&server);
    if (is_open)
        log_event(LOG_OF_NOTICE, "version %s serves on %zu sockets as uid %ju", LATCHKEY_VERSION, listeners->count,
                  (uintmax_t)geteuid());
    else
        log_event(LOG_OF_ERROR, "it cannot begin to serve: %s", strerror(errno));
    while (ok && !(server.is_ending && (server.clients == NULL || clock_ms() >= server.end_ms)))
        ok = serve_round(&server);
    if (is_open && !ok)
        log_event(LOG_OF_ERROR, "ended: it cannot wait for questions: %s", strerror(errno));
    server_close(&server);
    if (ok)
        log_event(LOG_OF_NOTICE, "ended");
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
