/*
 * Forks of a host whose threads log people in (slapd, for one). A child has a copy of all memory and only the thread
 * that forked. A lock that another thread held, ours or a library's, stays locked in the child for ever.
 *
 * Threads that may hold such a lock do so between fork_lock_enter() and fork_lock_leave(), as many as there are at the
 * same time. A fork waits until no thread is between the two, and threads that come meanwhile wait for the fork. Held
 * inside are the locks of OpenSSL (jwks.c, signature.c, secret.c), of regexec() (pattern.c), and the mutex of
 * snapshot.c. json-c takes no locks. NSS is left out (account_lookup.c): a directory may take seconds to answer, and no
 * fork may wait for that.
 *
 *   - A mutex of ours is locked inside only. So this lock comes before each of them, and needs no order among them.
 *   - Never enter twice: a fork that waits between the two would wait for the thread, and the thread for the fork.
 *   - Stay inside for milliseconds at most, without a system call that may block: while a fork waits, all logins wait.
 *
 * Both together cost about 40 ns; verifying a signature takes 15,000 or more. A host that never forks pays nothing
 * else. A process with one thread may fork at any time, even in a signal handler that interrupts a thread inside.
 * posix_spawn(3) has nothing to do with it.
 */
#ifndef LATCHKEY_FORK_LOCK_H
#define LATCHKEY_FORK_LOCK_H

void fork_lock_enter(void);
void fork_lock_leave(void);

#endif
