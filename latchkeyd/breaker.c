#include "latchkeyd/breaker.h"

bool breaker_passes(struct breaker *breaker, int64_t now_ms)
{
    if (!breaker->is_open)
        return true;
    if (now_ms < breaker->try_from_ms || breaker->is_probing)
        return false;
    breaker->is_probing = true;
    return true;
}

void breaker_forget(struct breaker *breaker)
{
    breaker->is_probing = false;
}

void breaker_tell(struct breaker *breaker, bool is_up, int retry_after, bool is_closed_for_all, int64_t now_ms)
{
    int64_t pause_ms = BREAKER_OPEN_MS;

    if (is_up) {
        *breaker = (struct breaker){ .failures = 0 };
        return;
    }
    breaker->is_probing = false;
    breaker->failures++;
    if (retry_after > 0)
        pause_ms = (int64_t)retry_after * 1000 < BREAKER_MAX_MS ? (int64_t)retry_after * 1000 : BREAKER_MAX_MS;
    if (breaker->failures < BREAKER_FAILURES && !(is_closed_for_all && retry_after > 0))
        return;
    breaker->is_open = true;
    if (breaker->try_from_ms < now_ms + pause_ms)
        breaker->try_from_ms = now_ms + pause_ms;
}
