#include "latchkeyd/questions.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "login/delegate.h"
#include "login/verify.h"
#include "latchkeyd/log.h"
#include "latchkeyd/status.h"

static void send_answer(struct client *client, const struct latchkeyd_answer *answer)
{
    CLEANUP(secret_clear) struct secret text = { NULL, 0 };

    client->is_done = true;
    if (!latchkeyd_answer_write(client->ask, answer, &text))
        log_event(LOG_OF_ERROR, "out of memory: a question is not answered");
    else if (send(client->fd, text.bytes, text.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE
             && errno != ECONNRESET)
        log_event(LOG_OF_ERROR, "cannot send an answer: %s", strerror(errno));
}

/* Also before the client has asked: client->ask is any kind then, and a refusal is the same for each. */
static void refuse_question(struct client *client, enum reason reason, const char *detail)
{
    const struct latchkeyd_answer answer = latchkeyd_answer_of(reason, detail);

    send_answer(client, &answer);
}

static void log_of_client(const struct client *client, const struct latchkeyd_answer *answer)
{
    struct verdict verdict = VERDICT_INIT;

    verdict.credential = client->credential;
    memcpy(verdict.tenant, client->tenant, sizeof verdict.tenant);
    memcpy(verdict.subject, client->subject, sizeof verdict.subject);
    if (answer->reason == REASON_OK)
        verdict_accept(&verdict);
    else
        verdict_reject(&verdict, answer->reason, "%s", answer->detail);
    log_answer(latchkeyd_ask_name(client->ask), client->uid, clock_ms() - client->asked_ms, &verdict);
}

static void answer_and_log(void *context, const struct latchkeyd_answer *answer)
{
    struct client *client = context;

    log_of_client(client, answer);
    send_answer(client, answer);
}

static void ask_exchange(struct client *client, const struct latchkeyd_question *question)
{
    struct service *service = client->service;

    exchange_ask(service->exchange, service->config, client->uid, question, exchange_timeout_ms(service->config),
                 answer_and_log, client);
}

static void ask_refresh(struct client *client, const struct latchkeyd_question *question)
{
    const struct config *config = client->service->config;
    const int64_t now_ms = clock_ms();

    keysets_ask(client->service->keysets, config, client->uid, question->tenant, now_ms,
                now_ms + exchange_timeout_ms(config), answer_and_log, client);
}

static bool check_signature(struct verdict *verdict, const struct config *config,
                            const struct latchkeyd_question *question)
{
    const struct tenant *tenant = NULL;

    if (!verify_signature(verdict, config, question->secret, &tenant))
        return false;
    return slice_equal_string(question->tenant, tenant->id)
        || verdict_reject(verdict, REASON_TENANT_MISMATCH, "latchkeyd finds a token of tenant %.100s", tenant->id);
}

/* For a client that may not read the HMAC secret. It learns only whether the signature verifies, and checks the rest.
 */
static void ask_signature(struct client *client, const struct latchkeyd_question *question)
{
    struct latchkeyd_answer answer = { .reason = REASON_OK };
    struct verdict verdict = VERDICT_INIT;

    if (!check_signature(&verdict, client->service->config, question))
        answer = latchkeyd_answer_of(verdict.reason, verdict.evidence);
    answer_and_log(client, &answer);
}

static void ask_status(struct client *client, const struct latchkeyd_question *question)
{
    const struct service *service = client->service;
    const struct status_facts facts = {
        .config = service->config,
        .config_fault = service->config_failure.evidence,
        .exchange = service->exchange,
        .keysets = service->keysets,
        .uptime_s = (clock_ms() - service->started_ms) / 1000,
        .clients = service->client_count,
        .asked = service->asked,
        .passwords = service->passwords,
        .refused_peers = service->refused_peers,
        .refused_rate = service->refused_rate,
        .refused_broken = service->refused_broken,
    };
    CLEANUP(json_free) struct json *status = status_json(&facts);
    const struct latchkeyd_answer ok = { .reason = REASON_OK, .status = status };

    (void)question;
    if (status == NULL)
        refuse_question(client, REASON_OUT_OF_MEMORY, "latchkeyd");
    else
        send_answer(client, &ok);
}

/* For a client that cannot read configuration and keys: the complete verdict, and the login. */
static void answer_login(void *context, const struct verdict *verdict, const struct login *login)
{
    struct client *client = context;
    CLEANUP(json_free) struct json *facts = delegate_login(verdict, login);
    struct latchkeyd_answer answer =
        latchkeyd_answer_of(facts != NULL ? verdict->reason : REASON_OUT_OF_MEMORY, verdict->evidence);

    answer.login = facts;
    log_answer(latchkeyd_ask_name(client->ask), client->uid, clock_ms() - client->asked_ms, verdict);
    send_answer(client, &answer);
}

static void ask_authenticate(struct client *client, const struct latchkeyd_question *question)
{
    const struct attempt attempt = {
        .service = question->service.bytes, /* json.c ends strings with a NUL, and these hold no other */
        .user = question->user.bytes,
        .authzid = question->authzid.bytes,
        .is_directory = question->is_directory,
        .now = time(NULL),
    };
    const struct latchkeyd_answer other = {
        .reason = REASON_CONFIG_INVALID,
        .detail = "latchkeyd has another configuration than the client",
    };

    if (question->config.len > 0 && !slice_equal_string(question->config, client->service->config->path))
        answer_and_log(client, &other);
    else
        authenticator_judge(&client->service->authenticator, client->uid, &attempt, question->secret, answer_login,
                            client);
}

/* Each kind of question, and the function that answers it. */
static const struct question_row {
    void (*answer)(struct client *client, const struct latchkeyd_question *question);
    const char
        *credential;  /* the kind of credential in the question, for the log; "none": unknown before the verdict */
    bool is_of_login; /* the answer decides about a login */
} asks[] = {
    [LATCHKEYD_EXCHANGE] = { ask_exchange, "api_key", true },
    [LATCHKEYD_REFRESH] = { ask_refresh, "none", false },
    [LATCHKEYD_SIGNATURE] = { ask_signature, "jwt", true },
    [LATCHKEYD_AUTHENTICATE] = { ask_authenticate, "none", true },
    [LATCHKEYD_STATUS] = { ask_status, "none", false },
};
_Static_assert(sizeof asks / sizeof asks[0] == LATCHKEYD_ASK_COUNT, "each kind of question has a row");

static void refuse_malformed(struct client *client, const char *error)
{
    client->service->refused_broken++;
    if (service_may_log(&client->service->broken_logged_ms))
        log_event(LOG_OF_NOTICE, "malformed question of uid %ju: %s", (uintmax_t)client->uid, error);
    refuse_question(client, REASON_LATCHKEYD_UNAVAILABLE, error);
}

static void take_question(struct client *client, struct slice text)
{
    struct service *service = client->service;
    CLEANUP(json_free) struct json *json = NULL;
    struct latchkeyd_question question;
    struct latchkeyd_answer refusal;
    struct verdict verdict = VERDICT_INIT;
    const struct question_row *row;
    const char *error;

    if (!latchkeyd_question_read(text, &json, &question, &error)) {
        refuse_malformed(client, error);
        return;
    }
    service_read_config(service);
    row = &asks[question.ask];
    client->ask = question.ask;
    client->credential = row->credential;
    client->has_asked = true;
    client->asked_ms = clock_ms();
    text_copy_printable(client->tenant, sizeof client->tenant, question.tenant);
    text_copy_printable(client->subject, sizeof client->subject, question.subject);
    service->asked[question.ask]++;
    if (!row->is_of_login || service_may_decide(service, &verdict)) {
        row->answer(client, &question);
    } else {
        refusal = latchkeyd_answer_of(verdict.reason, verdict.evidence);
        answer_and_log(client, &refusal);
    }
}

static void read_question(struct client *client)
{
    char text[LATCHKEYD_MESSAGE_MAX];
    ssize_t got = recv(client->fd, text, sizeof text, MSG_DONTWAIT | MSG_TRUNC);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) /* hung up */
        client->is_done = true;
    else if ((size_t)got > sizeof text)
        refuse_malformed(client, LATCHKEYD_TOO_LONG);
    else
        take_question(client, (struct slice){ text, (size_t)got });
    if (got > 0)
        secret_wipe(text, (size_t)got < sizeof text ? (size_t)got : sizeof text);
}

const struct door questions_door = { read_question, refuse_question, true };
