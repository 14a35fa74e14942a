/*
 * What all clients of a latchkeyd share: the configuration in force, and the parts that answer.
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
    const struct config *config_at_start; /* held: its sockets and its user are those of latchkeyd until it ends */
    bool has_foreign_sockets;             /* made by systemd */
    struct verdict config_failure; /* why the newest one cannot be used; REASON_UNDECIDED: it is the last good one */
    struct exchange *exchange;
    struct keysets *keysets;
    struct peers *peers;
    struct authenticator authenticator;
    size_t client_count;
    int64_t started_ms;
    uint64_t asked[LATCHKEYD_ASK_COUNT]; /* by enum latchkeyd_ask */
    uint64_t passwords;
    uint64_t refused_peers, refused_rate, refused_broken;
    int64_t peer_logged_ms, full_logged_ms, broken_logged_ms; /* when service_may_log() last said yes; 0: never */
};

/*
 * A key set, a secret, the revocation list or the configuration itself may have changed since the last question: take
 * what stands there now. When it cannot be used the last good one is kept, for the key sets and the sockets. The same
 * fault is logged once, and so is a change that takes effect only when latchkeyd is started again.
 */
void service_look_at_config(struct service *service);

/* Whether the configuration of the last look may decide about a login. The last good one must not: nobody sees any more
 * what was revoked since. False with the reason of the newest one, as in every process of a host. */
bool service_may_decide(const struct service *service, struct verdict *verdict);

/* One more API key of this uid that goes to a tenant service, against the rates of the configuration: false when it is
 * too many, which is counted. Nothing else counts, neither a local password nor a token, its signature and its key: a
 * remote user who tries those would use up the rate of all who come through the same server. */
bool service_may_ask(struct service *service, uid_t uid);

/* For lines that anybody can bring about: one now and then; the status has the numbers. */
bool service_may_log(int64_t *last_ms);

#endif
