/*
 * In place of the C library's clock_gettime(), in programs that link the core: no file has changed just now, which
 * spares each read of a new file its wait (base/trusted_file.h), and the clock of deadlines and intervals is moved on
 * by the test in place of a sleep.
 */
#ifndef LATCHKEY_CLOCK_DOUBLE_H
#define LATCHKEY_CLOCK_DOUBLE_H

#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t clock_ahead_ms; /* of CLOCK_MONOTONIC */

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    const int64_t ahead_ms = atomic_load(&clock_ahead_ms);
    const int result = (int)syscall(SYS_clock_gettime, clock, ret);

    if (clock == CLOCK_REALTIME_COARSE)
        ret->tv_sec++;
    if (clock == CLOCK_MONOTONIC) {
        ret->tv_sec += ahead_ms / 1000;
        ret->tv_nsec += ahead_ms % 1000 * 1000000;
        if (ret->tv_nsec >= 1000000000) {
            ret->tv_sec++;
            ret->tv_nsec -= 1000000000;
        }
    }
    return result;
}

static inline void clock_advance_ms(int64_t ms)
{
    atomic_fetch_add(&clock_ahead_ms, ms);
}

#define POLL_QUIET_MS 20

/* A poll(2) in which nothing happens for POLL_QUIET_MS: the rest of its time passes at once, by the clock above. For
 * the poll() of a test in which nothing can happen later. */
static inline int poll_in_no_time(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    const int quiet_ms = timeout_ms < POLL_QUIET_MS ? timeout_ms : POLL_QUIET_MS;
    const struct timespec quiet = { .tv_nsec = quiet_ms * 1000000L };
    const int ready = (int)syscall(SYS_ppoll, fds, count, &quiet, NULL, 0);

    if (ready == 0)
        clock_advance_ms(timeout_ms - quiet_ms);
    return ready;
}

#endif
