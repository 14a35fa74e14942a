#include "latchkeyd/passwords.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "login/realm.h"
#include "latchkeyd/log.h"

/* OK or NO, and have done with the client. */
static void reply(struct client *client, bool is_accepted)
{
    struct slice reply = saslauthd_reply(is_accepted);

    client->is_done = true;
    if (send(client->fd, reply.bytes, reply.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE
        && errno != ECONNRESET)
        log_event(LOG_OF_ERROR, "a reply could not be sent: %s", strerror(errno));
}

static void refuse(struct client *client, enum reason reason, const char *detail)
{
    (void)reason;
    (void)detail; /* clients of this protocol show it to the user who tries to log in */
    reply(client, false);
}

static void answer_password(void *context, const struct verdict *verdict, const struct login *login)
{
    struct client *client = context;
    const struct attempt attempt = { .service = client->service_name, .user = credential_user_for_log(client->login) };

    log_attempt(verdict, &attempt);
    reply(client, login != NULL);
}

/* The account that is asked for: the login's name, with a realm that the service must list. */
static void take_password(struct client *client, const struct saslauthd_request *password)
{
    struct service *service = client->service;
    struct attempt attempt = { .service = client->service_name, .now = time(NULL) };
    struct verdict verdict = VERDICT_INIT;
    char user[sizeof client->login];
    struct slice name;

    service_read_config(service);
    client->has_asked = true;
    client->asked_ms = clock_ms();
    snprintf(client->service_name, sizeof client->service_name, "%.*s", SLICE_ARG(password->service));
    snprintf(client->login, sizeof client->login, "%.*s%s%.*s", SLICE_ARG(password->login),
             password->realm.len > 0 ? "@" : "", SLICE_ARG(password->realm));
    service->passwords++;
    if (!service_may_decide(service, &verdict)
        || !realm_drop(&verdict, config_service(service->config, client->service_name), client->login, &name)) {
        answer_password(client, &verdict, NULL);
        return;
    }
    snprintf(user, sizeof user, "%.*s", SLICE_ARG(name));
    attempt.user = user;
    authenticator_judge(&service->authenticator, client->uid, &attempt, password->password, answer_password, client);
}

static void read_client(struct client *client)
{
    struct saslauthd_request password;
    ssize_t got;

    if (client->request.bytes == NULL)
        client->request.bytes = malloc(SASLAUTHD_REQUEST_MAX);
    if (client->request.bytes == NULL) {
        reply(client, false);
        return;
    }
    got = recv(client->fd, client->request.bytes + client->request.len, SASLAUTHD_REQUEST_MAX - client->request.len,
               MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) { /* hung up */
        client->is_done = true;
        return;
    }
    client->request.len += (size_t)got;
    switch (saslauthd_read((struct slice){ client->request.bytes, client->request.len }, &password)) {
    case SASLAUTHD_PART: /* there is room for a whole one */
        return;
    case SASLAUTHD_WHOLE:
        take_password(client, &password);
        break;
    default:
        client->service->refused_broken++;
        if (service_may_log(&client->service->broken_logged_ms))
            log_event(LOG_OF_NOTICE, "a broken password request of uid %ju", (uintmax_t)client->uid);
        reply(client, false);
    }
    secret_clear(&client->request);
}

const struct door passwords_door = { read_client, refuse, false };
