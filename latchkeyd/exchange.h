/*
 * Exchanges API keys for tokens: from the cache, or by a request to the tenant service.
 *
 * No request is sent while the breaker of the tenant service is open; while the account has no guess left (guesses.h);
 * while the exchanges that wait have all the places of the tenant or of the uid (waiting.h), or half of the tenant's
 * places for one account; and while the uid asks too often. Then the answer is a refusal, at once. A key in the cache
 * is answered in each of these cases.
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

/* How long the tenant service may take: the configuration's timeout, less a reserve for the client's way to latchkeyd.
 */
int exchange_timeout_ms(const struct config *config);

/* Called once. What the answer lends ends with the call. */
typedef void exchange_done(void *context, const struct latchkeyd_answer *answer);

struct exchange;

/* Whether a question of this uid may go to a tenant service now; the last check before a request. */
typedef bool exchange_may_ask(void *context, uid_t uid);

/* NULL when out of memory or randomness. http outlives it. `may_ask` NULL: always. */
struct exchange *exchange_new(struct http *http, exchange_may_ask *may_ask, void *may_ask_context);
void exchange_free(struct exchange **exchange);

/*
 * Answer a question of kind LATCHKEYD_EXCHANGE of a process of this uid, at once or from within http_run(). The
 * question and the configuration may end when it returns. Answers: OK with a token, which is verified only when it
 * comes from the cache; CREDENTIAL_REFUSED; TENANT_UNAVAILABLE, also when too many exchanges wait or the account has no
 * guess left; LATCHKEYD_UNAVAILABLE when the uid asks too often; TENANT_UNKNOWN; CONFIG_INVALID; OUT_OF_MEMORY.
 */
void exchange_ask(struct exchange *exchange, const struct config *config, uid_t uid,
                  const struct latchkeyd_question *question, int timeout_ms, exchange_done *done, void *context);

/* Wipe the cached tokens whose time is over. */
void exchange_sweep(struct exchange *exchange);
/* Forget the cache, the breakers and the guesses. Not needed for a change of the configuration: exchange_ask() forgets
 * the state of a tenant with another url or ca_file, and the cache when tokens must be kept for a shorter time. */
void exchange_reset(struct exchange *exchange);

struct cache_counts exchange_cache_counts(const struct exchange *exchange);
struct exchange_counts {
    uint64_t crowded; /* refused since too many exchanges waited */
    uint64_t guesses; /* refused since the account had no guess left */
};
struct exchange_counts exchange_counts(const struct exchange *exchange);
/* How many exchanges of a tenant wait. */
size_t exchange_waiting(const struct exchange *exchange, const char *tenant_id);
/* The breaker of a tenant; a closed one if no request was ever sent. */
struct breaker exchange_breaker(const struct exchange *exchange, const char *tenant_id);

#endif
