/* clang-format off */
/*
 * The status of a running latchkeyd, in the answer to LATCHKEYD_STATUS:
 *
 *     {"version": "0.1.0", "pid": 12, "uid": 998,
 *      "uptime": 3600,                                        s
 *      "clients": 1,                                          connections that are open
 *      "asked": {"exchange": 7, "refresh": 0, …},             questions since the start, by latchkeyd_ask_name()
 *      "passwords": 0,                                        requests of saslauthd's protocol
 *      "refused": {"peer": 0, "rate": 0, "broken": 0,         denied uids; over the rate; malformed
 *                  "crowded": 0, "guesses": 0},               API keys: too many waited; no guess left
 *      "cache": {"seconds": 0, "entries": 0, "hits": 0, "misses": 0},
 *      "tenants": [{"id": "…",
 *                   "breaker": "closed" or "open", "failures": 0,   in a row
 *                   "waiting": 0,                             exchanges under way
 *                   "keys_looked_at": 1764000000 or null,     s since 1970
 *                   "keys": "replaced", "unchanged", "failed" or null, "keys_failure": why, or null}, …],
 *      "configuration_fault": why the configuration is invalid, or null}
 */
/* clang-format on */
#ifndef LATCHKEY_STATUS_H
#define LATCHKEY_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "config/model.h"
#include "latchkeyd/exchange.h"
#include "latchkeyd/keysets.h"

/* All lent. */
struct status_facts {
    const struct config *config;
    const char *config_fault; /* empty: none */
    const struct exchange *exchange;
    const struct keysets *keysets;
    int64_t uptime_s;
    size_t clients;
    const uint64_t *asked; /* by enum latchkeyd_ask */
    uint64_t passwords;
    uint64_t refused_peers, refused_rate, refused_broken;
};

/* NULL when out of memory. End it with json_free(). */
struct json *status_json(const struct status_facts *facts);

#endif
