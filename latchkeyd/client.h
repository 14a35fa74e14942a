/*
 * A client: a connection to latchkeyd, and the protocol that it speaks. The loop (server.c) owns the clients; the two
 * protocols (questions.c, passwords.c) read requests and answer them.
 */
#ifndef LATCHKEY_CLIENT_H
#define LATCHKEY_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/secret.h"
#include "verdict/verdict.h"
#include "ipc/protocol.h"
#include "latchkeyd/saslauthd.h"
#include "latchkeyd/service.h"

struct client {
    struct service *service;
    const struct door *door;
    int fd; /* non-blocking */
    uid_t uid;
    bool has_asked;
    bool is_done; /* answered or refused; freed at the end of the round */
    int64_t deadline_ms;
    /* Its question, for the log. */
    int64_t asked_ms;
    enum latchkeyd_ask ask;
    const char *credential; /* "none", "jwt", "api_key"; static */
    char tenant[FACT_MAX];
    char subject[SUBJECT_MAX + 1];
    /* With saslauthd's protocol: what the client has sent so far; and, for the log, service and login name. */
    struct secret request;
    char service_name[SASLAUTHD_LOGIN_MAX + 1];
    char login[2 * SASLAUTHD_LOGIN_MAX + 2]; /* with "@" and the realm */
    struct client *next;
};

/* One of the two protocols. Each function answers at most once, and sets is_done then. */
struct door {
    void (*read)(struct client *client);                                           /* when the socket is readable */
    void (*refuse)(struct client *client, enum reason reason, const char *detail); /* before anything is read */
    bool asks_the_list; /* whether `allow` limits the clients; else the mode of the socket does */
};

#endif
