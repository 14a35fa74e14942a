/*
 * The whole verdict on a credential, in latchkeyd: for hosts that cannot see the configuration (delegate.h), and for
 * the saslauthd protocol. It drives the machine of decision.h and never waits: an exchange and a refresh of a key set
 * go on in http_run(), both together for exchange_timeout_ms() at most.
 */
#ifndef LATCHKEY_AUTHENTICATOR_H
#define LATCHKEY_AUTHENTICATOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/slice.h"
#include "verdict/verdict.h"
#include "config/model.h"
#include "login/authenticate.h"
#include "latchkeyd/exchange.h"
#include "latchkeyd/keysets.h"

/* Told once. login is NULL unless the verdict is REASON_OK. Both are gone after it. */
typedef void authenticator_done(void *context, const struct verdict *verdict, const struct login *login);

/* The newest configuration, at the beginning and after each wait. Lent until the next call; NULL with
 * the reason why it cannot be used: then every login is refused. */
typedef const struct config *authenticator_config(void *server, struct verdict *verdict);

struct authenticator {
    struct exchange *exchange;
    struct keysets *keysets;
    authenticator_config *config;
    void *server; /* its argument */
};

/*
 * Judge for a process of this uid, at once or from within http_run() or keysets_run(). The strings of the attempt and
 * the credential are not needed any more when it returns; the authenticator is, until `done`.
 */
void authenticator_judge(const struct authenticator *authenticator, uid_t uid, const struct attempt *attempt,
                         struct slice credential, authenticator_done *done, void *context);

#endif
