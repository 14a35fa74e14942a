/*
 * In place of the C library's poll(): a wait for what cannot come takes no time.
 */
#ifndef LATCHKEY_POLL_DOUBLE_H
#define LATCHKEY_POLL_DOUBLE_H

#include <stdbool.h>

#include "tests/support/clock_double.h"

static bool poll_is_in_vain; /* the test says so, of its own thread's next calls */

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    const struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

    return poll_is_in_vain ? poll_in_no_time(fds, count, timeout_ms)
                           : (int)syscall(SYS_ppoll, fds, count, timeout_ms < 0 ? NULL : &timeout, NULL, 0);
}

#endif
