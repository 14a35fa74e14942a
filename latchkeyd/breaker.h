/*
 * A tenant service that is down is not asked by every login: after several failures in a row the answer is
 * "unavailable" at once for a while, then one question tries whether it is back.
 */
#ifndef LATCHKEY_BREAKER_H
#define LATCHKEY_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FAILURES 5     /* in a row */
#define BREAKER_OPEN_MS  10000 /* or as long as the service says in Retry-After */
#define BREAKER_MAX_MS   60000

/* Zero-initialise. Times are those of clock_ms(). */
struct breaker {
    unsigned failures; /* in a row */
    bool is_open;
    int64_t try_from_ms; /* while it is open: when the next question may pass */
    bool is_probing;     /* that question is under way */
};

/* Whether a question may pass now. If it may, breaker_tell() is due with its outcome. */
bool breaker_passes(struct breaker *breaker, int64_t now_ms);

/* What became of a question. retry_after: s that the service asks to be spared, once the breaker is open, or at once
 * when it is closed for everybody (503); 0 and less: it said nothing. */
void breaker_tell(struct breaker *breaker, bool is_up, int retry_after, bool is_closed_for_all, int64_t now_ms);

/* A question that passed was not asked after all. */
void breaker_forget(struct breaker *breaker);

#endif
