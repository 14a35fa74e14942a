#include "breaker.h"

bool breaker_is_open(const struct breaker *breaker)
{
    return breaker->failures >= BREAKER_FAILURES;
}

bool breaker_passes(struct breaker *breaker, int64_t now_ms)
{
    if (!breaker_is_open(breaker))
        return true;
    if (now_ms < breaker->closed_from_ms || breaker->is_tried)
        return false;
    breaker->is_tried = true;
    return true;
}

void breaker_tell(struct breaker *breaker, bool is_up, int retry_after, int64_t now_ms)
{
    int64_t pause_ms = BREAKER_OPEN_MS;

    breaker->is_tried = false;
    if (is_up) {
        breaker->failures = 0;
        return;
    }
    if (retry_after >= 0) { /* it says itself that it wants to be left alone */
        breaker->failures = BREAKER_FAILURES;
        pause_ms = (int64_t)retry_after * 1000 < BREAKER_MAX_MS ? (int64_t)retry_after * 1000 : BREAKER_MAX_MS;
    } else if (!breaker_is_open(breaker)) {
        breaker->failures++;
    }
    if (breaker_is_open(breaker) && breaker->closed_from_ms < now_ms + pause_ms)
        breaker->closed_from_ms = now_ms + pause_ms;
}
