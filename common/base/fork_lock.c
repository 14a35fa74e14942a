#include "base/fork_lock.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/single_threaded.h>

/* Threads inside hold it for reading, a fork for writing. The default kind prefers readers: under load there is always
 * one, and a fork would wait for ever. This kind does not let one thread in twice. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static bool is_taken; /* by the current fork; only the thread that holds the lock for writing reads it */

/* No other thread could be inside. This one may be: a signal handler of the host forks whenever it likes. */
static void before_fork(void)
{
    if (__libc_single_threaded)
        return;
    pthread_rwlock_wrlock(&lock);
    is_taken = true;
}

static void after_fork_in_parent(void)
{
    if (!is_taken)
        return;
    is_taken = false;
    pthread_rwlock_unlock(&lock);
}

/* glibc remembers the holder of the lock by the number of the thread, which is another one in the child: it could not
 * be unlocked there. */
static void after_fork_in_child(void)
{
    static const pthread_rwlock_t unlocked = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

    if (!is_taken)
        return;
    is_taken = false;
    lock = unlocked;
}

/* Without memory for the handlers only a fork at the wrong moment can hang. A login is not refused for that. */
static void guard_forks(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

#if defined __SANITIZE_ADDRESS__
/* A thread that enters twice waits for ever only when a fork comes between: the tests find it without one. */
static _Thread_local bool is_inside;

static void note(bool enters)
{
    if (is_inside == enters)
        __builtin_trap();
    is_inside = enters;
}
#else
static void note(bool enters)
{
    (void)enters;
}
#endif

void fork_lock_enter(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    note(true);
    pthread_once(&once, guard_forks);
    pthread_rwlock_rdlock(&lock);
}

void fork_lock_leave(void)
{
    note(false);
    pthread_rwlock_unlock(&lock);
}
