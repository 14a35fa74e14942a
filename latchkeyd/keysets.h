/*
 * The key sets of all tenants, kept fresh: each is looked for at its time, and once more out of turn when a login met
 * a key that is not in it, or no key set that could be used.
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

#define KEYSETS_PAUSE_MS 30000 /* between two looks out of turn for one tenant, however many unknown keys come */
#define KEYSETS_PATIENT  4     /* questions that wait for a slow tenant service; each may block a thread of a server */
#define KEYSETS_BRIEF_MS 500   /* the other questions wait until so long after the refresh began; most end before */

struct keysets;

/* What a look for one tenant's key set brought; for the log. */
typedef void keysets_log(const char *tenant_id, enum key_refresh_result result, const struct verdict *verdict);

struct keysets *keysets_new(struct http *http, keysets_log *log); /* NULL when memory is short; http outlives it */
void keysets_free(struct keysets **keysets);                      /* with nothing under way in http */

/* Take over the tenants of a configuration; what is known of those that stay is kept. A tenant without a key set is
 * due at once, the others soon. One whose key set is gone is due at once, and so is one that has another address,
 * another file or another ca_file now; a look that is under way ends before. Times are those of clock_ms(). */
void keysets_configure(struct keysets *keysets, const struct config *config, int64_t now_ms);

/* Whether keysets_run() would act on the configuration now: the caller looks for the newest one before. That is when a
 * look is due, and every few seconds after one that failed, since what was wrong may have been mended. */
bool keysets_needs_config(const struct keysets *keysets, int64_t now_ms);

/* Start what is due, answer who has waited long enough, and tell when to call again: ms from now. */
int keysets_run(struct keysets *keysets, const struct config *config, int64_t now_ms);

/*
 * Answer a question of kind LATCHKEYD_REFRESH of a process of this uid, at once or from within http_run() or
 * keysets_run(), by `until_ms` at the latest. OK: somebody has just looked, or did so in vain, and the file is as new
 * as can be had. Else the reason why not: TENANT_UNKNOWN, any of key_refresh.h, or TENANT_UNAVAILABLE when the look
 * takes too long.
 */
typedef void keysets_done(void *context, const struct latchkeyd_answer *answer);
void keysets_ask(struct keysets *keysets, const struct config *config, uid_t uid, struct slice tenant_id,
                 int64_t now_ms, int64_t until_ms, keysets_done *done, void *context);

struct keyset_status {
    const char *tenant_id;
    time_t looked_at;               /* 0: never */
    enum key_refresh_result result; /* of that look */
    char failure[EVIDENCE_MAX];     /* why it failed; empty: it did not */
};
/* False beyond the last one. */
bool keysets_status(const struct keysets *keysets, size_t index, struct keyset_status *ret_status);

#endif
