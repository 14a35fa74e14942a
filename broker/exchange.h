/*
 * API keys become tokens here: by the cache, or by asking the tenant service, unless its breaker is open.
 */
#ifndef LATCHKEY_EXCHANGE_H
#define LATCHKEY_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "breaker.h"
#include "broker_protocol.h"
#include "cache.h"
#include "config.h"
#include "http.h"

/* The time that the tenant service gets: the configuration's timeout, less what the way to us and back may take. */
int exchange_timeout_ms(const struct config *config);

/* Told once. What the answer lends is gone after it. */
typedef void exchange_done(void *context, const struct broker_answer *answer);

struct exchange;

struct exchange *exchange_new(struct http *http); /* NULL when memory or randomness is short; http outlives it */
void exchange_free(struct exchange **exchange);

/*
 * Answer a question of kind BROKER_EXCHANGE, at once or from within http_run(). The question and the configuration are
 * not needed any more when it returns.
 * Answers: OK with a token, of which only a cached one is verified; CREDENTIAL_REFUSED; TENANT_UNAVAILABLE;
 * TENANT_UNKNOWN; CONFIG_INVALID; OUT_OF_MEMORY.
 */
void exchange_ask(struct exchange *exchange, const struct config *config, const struct broker_question *question,
                  int timeout_ms, exchange_done *done, void *context);

/* Wipe what the cache should not hold any longer; now and then. */
void exchange_sweep(struct exchange *exchange);
/* Forget the cache and the breakers: what they are about may be another service by now. */
void exchange_reset(struct exchange *exchange);

struct cache_counts exchange_cache_counts(const struct exchange *exchange);
/* Of a tenant; one that was never asked has a closed breaker. */
struct breaker exchange_breaker(const struct exchange *exchange, const char *tenant_id);

#endif
