#include "ipc/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "base/trusted_program.h"

#define REAP_PAUSE_NS     100000    /* the first pause: the child ends as soon as it has answered */
#define REAP_PAUSE_MAX_NS 100000000 /* all pauses together are at most twice that */

static bool refuse_errno(struct verdict *verdict, int error, const char *what)
{
    enum reason reason = error == ENOMEM ? REASON_OUT_OF_MEMORY : REASON_SYSTEM_ERROR;

    /* Not a system error: the program may be missing, or this user may not execute it. */
    if (error == ENOENT || error == EACCES || error == ENOTDIR || error == ENOEXEC)
        reason = REASON_LATCHKEYD_UNAVAILABLE;
    return verdict_reject(verdict, reason, "%s: %s", what, text_of_errno(error));
}

/* Default dispositions and an empty mask: the child would inherit SIG_IGN from the host process. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    int error;

    sigfillset(&all);
    sigemptyset(&none);
    error = posix_spawnattr_setsigdefault(attributes, &all);
    if (error == 0)
        error = posix_spawnattr_setsigmask(attributes, &none);
    if (error == 0) /* a session of its own: the terminal of the user sends it no signals */
        error =
            posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    return error;
}

static int set_descriptors(posix_spawn_file_actions_t *actions, int socket)
{
    int error = posix_spawn_file_actions_adddup2(actions, socket, STDIN_FILENO);

    if (error == 0)
        error = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_addopen(actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    return error;
}

static int spawn(const char *program, const char *config_path, int socket, pid_t *ret_pid)
{
    char *arguments[] = { (char *)program, (char *)"--once", (char *)"--config", (char *)config_path, NULL };
    char *environment[] = { NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error;

    error = posix_spawn_file_actions_init(&actions);
    if (error != 0)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (error == 0) {
        error = set_attributes(&attributes);
        if (error == 0)
            error = set_descriptors(&actions, socket);
        if (error == 0)
            error = posix_spawn(ret_pid, program, &actions, &attributes, arguments, environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

bool latchkeyd_spawn(struct verdict *verdict, const char *program, const char *config_path,
                     struct latchkeyd_child *ret_child)
{
    struct file_error complaint;
    int pair[2], error;
    pid_t pid;

    if (!trusted_program_check(program, &complaint))
        return complaint.passing != 0
            ? refuse_errno(verdict, complaint.passing, program)
            : verdict_reject(verdict, REASON_LATCHKEYD_UNAVAILABLE, "%s: %s", program, complaint.text);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return refuse_errno(verdict, errno, "socketpair");
    error = spawn(program, config_path, pair[1], &pid);
    close(pair[1]);
    if (error != 0) {
        close(pair[0]);
        return refuse_errno(verdict, error, program);
    }
    *ret_child = (struct latchkeyd_child){ .pid = pid, .socket = pair[0] };
    return true;
}

/*
 * Kill a child that does not end, perhaps since it was stopped: an API key is in its memory. By a pidfd, since the host
 * process may reap the child at any moment, and then the pid may belong to another process. While waitpid() finds the
 * child it is not reaped, so the pidfd is the child's.
 */
static void kill_child(pid_t pid)
{
    int fd = pidfd_open(pid, 0);

    if (fd < 0)
        return;
    if (waitpid(pid, NULL, WNOHANG) == 0 && pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0)
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    close(fd);
}

void latchkeyd_spawn_end(struct latchkeyd_child *child)
{
    struct timespec pause = { .tv_nsec = REAP_PAUSE_NS };
    pid_t reaped;

    close(child->socket);
    /* ECHILD: the host process ignores SIGCHLD, or has reaped the child. */
    while ((reaped = waitpid(child->pid, NULL, WNOHANG)) == 0 && pause.tv_nsec <= REAP_PAUSE_MAX_NS) {
        nanosleep(&pause, NULL);
        pause.tv_nsec *= 2;
    }
    if (reaped == 0)
        kill_child(child->pid);
    child->socket = -1;
}
