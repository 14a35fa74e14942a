/*
 * The key sets of all tenants. Each is refreshed on schedule. A login with a key that is not in the set, or a login
 * without a usable key set, causes an unscheduled refresh.
 */
#ifndef LATCHKEY_KEYSETS_H
#define LATCHKEY_KEYSETS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "config/model.h"
#include "ipc/protocol.h"
#include "tenant/http.h"
#include "tenant/key_refresh.h"

#define KEYSETS_PAUSE_MS 30000 /* between two unscheduled refreshes of one tenant, for any number of unknown keys */
#define KEYSETS_PATIENT  4     /* questions that wait for a slow tenant service; each may block a thread of a server */
#define KEYSETS_BRIEF_MS 500   /* the other questions wait until so long after the refresh began; most end before */

struct keysets;

/* The result of a refresh of one tenant's key set; for the log. */
typedef void keysets_log(const char *tenant_id, enum key_refresh_result result, const struct verdict *verdict);

struct keysets *keysets_new(struct http *http, keysets_log *log); /* NULL when out of memory; http outlives it */
void keysets_free(struct keysets **keysets);                      /* when no request is under way in http */

/* Take the tenants of a configuration; the state of tenants that stay is kept. A new tenant without a key set is due at
 * once, other new tenants within two seconds. A tenant is also due at once when its key set has disappeared, or when
 * its address, file or ca_file has changed; a refresh under way ends first. Times are those of clock_ms(). */
void keysets_configure(struct keysets *keysets, const struct config *config, int64_t now_ms);

/* Whether keysets_run() would use the configuration now, so that the caller reads the newest one first: when a refresh
 * is due, and every few seconds after a failed refresh, since the administrator may have corrected its cause. */
bool keysets_needs_config(const struct keysets *keysets, int64_t now_ms);

/* Start the refreshes that are due, answer the questions whose time is over, and return when to call again: ms from
 * now. */
int keysets_run(struct keysets *keysets, const struct config *config, int64_t now_ms);

/*
 * Answer a question of kind LATCHKEYD_REFRESH of a process of this uid, at once or from within http_run() or
 * keysets_run(), by `until_ms` at the latest. OK: a refresh has just ended, with or without success, and the file is as
 * new as possible. Otherwise the reason: TENANT_UNKNOWN, any of key_refresh.h, or TENANT_UNAVAILABLE when the refresh
 * takes too long or too many questions wait (waiting.h).
 */
typedef void keysets_done(void *context, const struct latchkeyd_answer *answer);
void keysets_ask(struct keysets *keysets, const struct config *config, uid_t uid, struct slice tenant_id,
                 int64_t now_ms, int64_t until_ms, keysets_done *done, void *context);

struct keyset_status {
    const char *tenant_id;
    time_t refreshed_at;            /* when the last refresh ended; 0: never */
    enum key_refresh_result result; /* of that refresh */
    char failure[EVIDENCE_MAX];     /* why it failed; empty: it did not */
};
/* False when there is no key set with that index. */
bool keysets_status(const struct keysets *keysets, size_t index, struct keyset_status *ret_status);

#endif
