#include "latchkeyd/bucket.h"

double bucket_refill(struct bucket *bucket, double per_s, double full, int64_t now_ms)
{
    bucket->left = bucket->at_ms == 0 ? full : bucket->left + (double)(now_ms - bucket->at_ms) * per_s / 1000;
    if (bucket->left > full)
        bucket->left = full;
    bucket->at_ms = now_ms;
    return bucket->left;
}
