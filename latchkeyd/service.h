/*
 * What all clients share: the configuration in force, and the parts that answer questions.
 */
#ifndef LATCHKEY_SERVICE_H
#define LATCHKEY_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/model.h"
#include "ipc/protocol.h"
#include "latchkeyd/authenticator.h"
#include "latchkeyd/exchange.h"
#include "latchkeyd/keysets.h"
#include "latchkeyd/peers.h"

struct service {
    const char *path;                     /* of the configuration; NULL: the default */
    const struct config *config;          /* held: the last good one */
    const struct config *config_at_start; /* held: its sockets and its user stay in use until latchkeyd ends */
    bool has_foreign_sockets;             /* made by systemd */
    struct verdict config_failure;        /* why the newest one is invalid; REASON_UNDECIDED: it is valid */
    struct exchange *exchange;
    struct keysets *keysets;
    struct peers *peers;
    struct authenticator authenticator;
    size_t client_count;
    int64_t started_ms;
    uint64_t asked[LATCHKEYD_ASK_COUNT]; /* by enum latchkeyd_ask */
    uint64_t passwords;
    uint64_t refused_peers, refused_rate, refused_broken;
    int64_t peer_logged_ms, full_logged_ms, broken_logged_ms; /* when service_may_log() was last true; 0: never */
};

/*
 * Read again what has changed: the configuration, a key set, a secret or the revocation list. When the newest one is
 * invalid the last valid one is kept, for the key sets and the sockets. Each fault is logged once. So is a change of an
 * option that takes effect only when latchkeyd is restarted.
 */
void service_read_config(struct service *service);

/* Whether logins may be decided. Not by the last valid configuration while the newest one is invalid: it does not have
 * the newest revocations. False with the reason of the newest one, as in every host process. */
bool service_may_decide(const struct service *service, struct verdict *verdict);

/* Count an API key of this uid that goes to a tenant service. False when the uid, or all uids together, exceed the
 * rates of the configuration. Local passwords, tokens, signatures and key refreshes are not counted: a remote user who
 * tries those would use up the rate of every user of the same server. */
bool service_may_ask(struct service *service, uid_t uid);

/* For log lines that any client can cause: at most one in ten seconds. The status has the counts. */
bool service_may_log(int64_t *last_ms);

#endif
