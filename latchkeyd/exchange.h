/*
 * API keys become tokens here: by the cache, or by asking the tenant service.
 *
 * It is not asked while its breaker is open; while the account has used up its guesses (guesses.h); while as many
 * exchanges wait for it as a tenant's share (waiting.h), or half of that for one account; and while the process that
 * asks does so too often. Each of these is answered at once. Of a share, one user other than root has half at most, and
 * all such users together have three quarters. A key in the cache is answered whatever holds there.
 */
#ifndef LATCHKEY_EXCHANGE_H
#define LATCHKEY_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/model.h"
#include "ipc/protocol.h"
#include "tenant/http.h"
#include "latchkeyd/breaker.h"
#include "latchkeyd/cache.h"

/* The time that the tenant service gets: the configuration's timeout, less what the way to us and back may take. */
int exchange_timeout_ms(const struct config *config);

/* Told once. What the answer lends is gone after it. */
typedef void exchange_done(void *context, const struct latchkeyd_answer *answer);

struct exchange;

/* Whether a question of this uid may go to a tenant service now; asked once for each that would, after all else. */
typedef bool exchange_may_ask(void *context, uid_t uid);

/* NULL when out of memory or randomness. http outlives it. `may_ask` NULL: always. */
struct exchange *exchange_new(struct http *http, exchange_may_ask *may_ask, void *may_ask_context);
void exchange_free(struct exchange **exchange);

/*
 * Answer a question of kind LATCHKEYD_EXCHANGE of a process of this uid, at once or from within http_run(). The
 * question and the configuration are not needed any more when it returns. Answers: OK with a token, of which only a
 * cached one is verified; CREDENTIAL_REFUSED; TENANT_UNAVAILABLE, also when too many wait, or the account has no guess
 * left; LATCHKEYD_UNAVAILABLE when the uid asks too often; TENANT_UNKNOWN; CONFIG_INVALID; OUT_OF_MEMORY.
 */
void exchange_ask(struct exchange *exchange, const struct config *config, uid_t uid,
                  const struct latchkeyd_question *question, int timeout_ms, exchange_done *done, void *context);

/* Wipe what the cache should not hold any longer; now and then. */
void exchange_sweep(struct exchange *exchange);
/* Forget the cache, the breakers and the guesses. Of a change of the configuration exchange_ask() knows by itself: a
 * tenant with another url or ca_file begins anew, and so does the cache when tokens are to be kept for less time. */
void exchange_reset(struct exchange *exchange);

struct cache_counts exchange_cache_counts(const struct exchange *exchange);
struct exchange_counts {
    uint64_t crowded; /* answered at once, since too many waited */
    uint64_t guesses; /* answered at once, since too many keys were refused for the account */
};
struct exchange_counts exchange_counts(const struct exchange *exchange);
/* How many exchanges of a tenant are under way. */
size_t exchange_waiting(const struct exchange *exchange, const char *tenant_id);
/* Of a tenant; one that was never asked has a closed breaker. */
struct breaker exchange_breaker(const struct exchange *exchange, const char *tenant_id);

#endif
