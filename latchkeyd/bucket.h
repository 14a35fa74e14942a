/*
 * A token bucket: so many at once, and so many a second after that.
 */
#ifndef LATCHKEY_BUCKET_H
#define LATCHKEY_BUCKET_H

#include <stdint.h>

/* Zero-initialise: never used, and full. */
struct bucket {
    double left;
    int64_t at_ms; /* when `left` was right; 0: never */
};

/* What is left at a time of clock_ms(), at most `full`; `per_s` come back each second. */
double bucket_refill(struct bucket *bucket, double per_s, double full, int64_t now_ms);

#endif
