/*
 * A connection to latchkeyd, and the two doors it may have come through. For the loop (server.c), which owns the
 * clients, and for the doors, which read what they send and answer.
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
    bool is_done; /* answered, or sent away; freed at the end of the round */
    int64_t deadline_ms;
    /* Of its question, for the log. */
    int64_t asked_ms;
    enum latchkeyd_ask ask;
    const char *credential; /* "none", "jwt", "api_key"; static */
    char tenant[FACT_MAX];
    char subject[SUBJECT_MAX + 1];
    /* What a client of saslauthd's protocol has sent so far, and for the log who wants in where. */
    struct secret request;
    char service_name[SASLAUTHD_LOGIN_MAX + 1];
    char login[2 * SASLAUTHD_LOGIN_MAX + 2]; /* with the realm behind an @ */
    struct client *next;
};

/* What becomes of a client that came through it. Each answers once, and sets is_done. */
struct door {
    void (*read)(struct client *client);                                           /* something has come, or the end */
    void (*refuse)(struct client *client, enum reason reason, const char *detail); /* before anything was read */
    bool asks_the_list; /* whether `allow` says who may come; else the socket's mode does */
};

extern const struct door questions_door; /* latchkeyd_protocol.h, on SOCK_SEQPACKET */
extern const struct door passwords_door; /* saslauthd.h, on SOCK_STREAM */

#endif
