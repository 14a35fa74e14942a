/*
 * Spares a tenant service that is down: after several failures in a row questions are answered "unavailable" at once
 * for a while. Then one question tests whether the service works again.
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
    int64_t try_from_ms; /* while open: when the next question may pass */
    bool is_probing;     /* that question waits for the service */
};

/* Whether a question may pass now. After true the caller must call breaker_tell() or breaker_forget(). */
bool breaker_passes(struct breaker *breaker, int64_t now_ms);

/* The outcome of a question. retry_after: the seconds of Retry-After, for which an open breaker stays open;
 * 0 or less: not sent. With `is_closed_for_all` (status 503) it opens the breaker at once. */
void breaker_tell(struct breaker *breaker, bool is_up, int retry_after, bool is_closed_for_all, int64_t now_ms);

/* A question that passed was not sent. */
void breaker_forget(struct breaker *breaker);

#endif
