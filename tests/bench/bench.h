/*
 * Timing for the benchmarks: many short rounds of everything that is compared, one after the other, and the median of
 * each. A machine that gets slower for a while then slows all rows alike.
 */
#ifndef LATCHKEY_BENCH_H
#define LATCHKEY_BENCH_H

#include <stdlib.h>
#include <time.h>

#define BENCH_ROUNDS_MAX 4096

struct bench_row {
    double us[BENCH_ROUNDS_MAX]; /* microseconds of one operation, by round */
    size_t rounds;
};

static inline double bench_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static inline int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static inline void bench_add(struct bench_row *row, double us)
{
    if (row->rounds < BENCH_ROUNDS_MAX)
        row->us[row->rounds++] = us;
}

static inline double bench_median(struct bench_row *row)
{
    qsort(row->us, row->rounds, sizeof row->us[0], bench_compare);
    return row->us[row->rounds / 2];
}

#endif
