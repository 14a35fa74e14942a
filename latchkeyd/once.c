#include "latchkeyd/once.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "config/snapshot.h"
#include "ipc/protocol.h"
#include "latchkeyd/exchange.h"
#include "latchkeyd/log.h"
#include "latchkeyd/privileges.h"

#define FALLBACK_USER "nobody" /* where the configured user does not exist */

static void send_answer(void *context, const struct latchkeyd_answer *answer)
{
    CLEANUP(secret_clear) struct secret text = { NULL, 0 };
    bool *is_answered = context;

    *is_answered = true;
    if (!latchkeyd_answer_write(LATCHKEYD_EXCHANGE, answer, &text)
        || send(STDIN_FILENO, text.bytes, text.len, MSG_NOSIGNAL) < 0)
        log_event(LOG_OF_ERROR, "cannot send the answer");
}

static void send_refusal(enum reason reason, const char *detail)
{
    const struct latchkeyd_answer answer = latchkeyd_answer_of(reason, detail);
    bool is_answered;

    send_answer(&is_answered, &answer);
}

/* False when the client hangs up without a question. */
static bool receive_question(struct secret *ret_text)
{
    struct secret text = { malloc(LATCHKEYD_MESSAGE_MAX), LATCHKEYD_MESSAGE_MAX };
    struct pollfd asking = { .fd = STDIN_FILENO, .events = POLLIN };
    ssize_t got;

    if (text.bytes == NULL)
        return false;
    while (poll(&asking, 1, -1) != 1 && errno == EINTR)
        ;
    got = recv(STDIN_FILENO, text.bytes, text.len, MSG_TRUNC);
    if (got > LATCHKEYD_MESSAGE_MAX) /* cut by recv(): the rest might still be a valid question */
        got = -1;
    else
        text.len = got > 0 ? (size_t)got : 0;
    if (got > 0)
        *ret_text = text;
    else
        secret_clear(&text);
    return got > 0;
}

/* Whether the client still waits. */
static bool client_waits(void)
{
    struct pollfd asking = { .fd = STDIN_FILENO };

    return poll(&asking, 1, 0) == 0 || (asking.revents & (POLLHUP | POLLERR)) == 0;
}

static void answer_question(const struct config *config, struct slice text)
{
    CLEANUP(exchange_free)
    struct exchange *exchange = NULL; /* ends after http, which reports abandoned requests to it */
    CLEANUP(http_free) struct http *http = NULL;
    CLEANUP(json_free) struct json *json = NULL;
    struct latchkeyd_question question;
    const char *error;
    bool is_answered = false;

    if (!latchkeyd_question_read(text, &json, &question, &error)) {
        send_refusal(REASON_LATCHKEYD_UNAVAILABLE, error);
        return;
    }
    if (!latchkeyd_ask_is_for_child(question.ask)) {
        send_refusal(REASON_LATCHKEYD_UNAVAILABLE, "only the daemon answers this question");
        return;
    }
    http = http_new(1);
    exchange = http != NULL ? exchange_new(http, NULL, NULL) : NULL;
    if (exchange == NULL) {
        send_refusal(REASON_OUT_OF_MEMORY, "latchkeyd");
        return;
    }
    exchange_ask(exchange, config, geteuid(), &question, exchange_timeout_ms(config), send_answer, &is_answered);
    while (!is_answered && client_waits() && http_run(http, &(struct pollfd){ .fd = STDIN_FILENO }, 1, 1000))
        ;
}

int once_run(const char *config_path)
{
    CLEANUP(config_release) const struct config *config = NULL;
    CLEANUP(secret_clear) struct secret text = { NULL, 0 };
    char error[PRIVILEGES_ERROR_MAX];
    struct verdict verdict = VERDICT_INIT;

    log_open();
    config_read_secrets(
        false); /* an exchange needs none, and the user that this process becomes must not have root's */
    if (!config_acquire(&verdict, config_path, &config)) {
        send_refusal(verdict.reason, verdict.evidence);
        return EXIT_FAILURE;
    }
    /* The last deadline, in case that a library hangs: the client does not wait longer. */
    alarm((unsigned)config->latchkeyd.timeout + 1);
    if (!privileges_drop(config->latchkeyd.user, FALLBACK_USER, error)) {
        send_refusal(REASON_LATCHKEYD_UNAVAILABLE, error);
        return EXIT_FAILURE;
    }
    if (!receive_question(&text))
        return EXIT_FAILURE;
    answer_question(config, (struct slice){ text.bytes, text.len });
    return EXIT_SUCCESS;
}
