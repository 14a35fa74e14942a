/*
 * A token bucket: it holds `full` tokens, and gets `per_s` back each second.
 */
#ifndef LATCHKEY_BUCKET_H
#define LATCHKEY_BUCKET_H

#include <stdint.h>

/* Zero-initialise: full. */
struct bucket {
    double left;
    int64_t at_ms; /* when `left` was right; 0: never */
};

/* Refill, and return what is left at this time of clock_ms(): at most `full`. */
double bucket_refill(struct bucket *bucket, double per_s, double full, int64_t now_ms);

#endif
