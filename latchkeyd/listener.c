#include "latchkeyd/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/account_lookup.h"

#define FIRST_HANDED_OVER 3 /* SD_LISTEN_FDS_START */
#define BACKLOG           512

__attribute__((format(printf, 2, 3))) static bool fail(char error[LISTENER_ERROR_MAX], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, LISTENER_ERROR_MAX, format, arguments);
    va_end(arguments);
    return false;
}

void listeners_close(struct listeners *listeners)
{
    while (listeners->count > 0)
        close(listeners->fds[--listeners->count]);
}

/* The number of sockets that systemd passes to this process; 0: none. */
static long count_handed_over(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

    if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != (long)getpid())
        return 0;
    return strtol(count, NULL, 10);
}

static bool is_listening_unix_socket(int fd, int *ret_type)
{
    int domain = 0, listens = 0;
    socklen_t len = sizeof(int);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0 || domain != AF_UNIX)
        return false;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, ret_type, &len) != 0
        || (*ret_type != SOCK_SEQPACKET && *ret_type != SOCK_STREAM))
        return false;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0;
}

/* Each protocol has its own type of socket, so the type tells the protocol. */
static void add_listener(struct listeners *listeners, int fd, int type)
{
    listeners->fds[listeners->count] = fd;
    listeners->is_saslauthd[listeners->count++] = type == SOCK_STREAM;
}

/* A user who may write to such a socket may try passwords. A unit that lists sockets of both kinds has one SocketMode=
 * for all of them, which is too loose for this kind. */
static bool is_tight(int fd, unsigned mode, char error[LISTENER_ERROR_MAX])
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    socklen_t len = sizeof address;
    struct stat status;

    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0 || address.sun_path[0] == '\0')
        return fail(error, "descriptor %d has no path, so every user may write to it", fd);
    if (stat(address.sun_path, &status) != 0)
        return fail(error, "descriptor %d: %s", fd, strerror(errno));
    return (status.st_mode & 0777 & ~mode) == 0
        || fail(error, "descriptor %d: its mode %04o is looser than saslauthd_mode %04o", fd, status.st_mode & 0777,
                mode);
}

static bool take_over(long count, unsigned saslauthd_mode, struct listeners *listeners, char error[LISTENER_ERROR_MAX])
{
    long i;

    if (count < 0 || count > LISTENERS_MAX)
        return fail(error, "LISTEN_FDS is %ld, and at most %d sockets are accepted", count, LISTENERS_MAX);
    for (i = 0; i < count; i++) {
        int fd = FIRST_HANDED_OVER + (int)i, type = 0;

        if (!is_listening_unix_socket(fd, &type))
            return fail(error, "descriptor %d is not a unix socket of ListenSequentialPacket= or ListenStream=", fd);
        if (type == SOCK_STREAM && !is_tight(fd, saslauthd_mode, error))
            return false;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
            return fail(error, "descriptor %d: %s", fd, strerror(errno));
        add_listener(listeners, fd, type);
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return true;
}

/* A socket of another process must not be removed while it is in use, whatever its type: only a refused connection
 * shows that no process listens on it. */
static bool is_in_use(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool in_use;

    if (fd < 0)
        return true;
    in_use = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno != ECONNREFUSED;
    close(fd);
    return in_use;
}

/* All missing directories of the path: a new chroot has no /run. */
static bool make_directories(const char *path, char error[LISTENER_ERROR_MAX])
{
    char directory[PATH_MAX];
    const char *slash;

    for (slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
        if (mkdir(directory, 0755) != 0 && errno != EEXIST)
            return fail(error, "%s: %s", directory, strerror(errno));
    }
    return true;
}

/* Removes nothing but a socket. */
static bool remove_stale(const struct sockaddr_un *address, char error[LISTENER_ERROR_MAX])
{
    struct stat status;

    if (lstat(address->sun_path, &status) != 0)
        return errno == ENOENT || fail(error, "%s: %s", address->sun_path, strerror(errno));
    if (!S_ISSOCK(status.st_mode))
        return fail(error, "%s exists and is not a socket", address->sun_path);
    if (is_in_use(address))
        return fail(error, "%s is in use, perhaps by another latchkeyd", address->sun_path);
    return unlink(address->sun_path) == 0 || fail(error, "%s: %s", address->sun_path, strerror(errno));
}

/* A socket that latchkeyd makes. */
struct making {
    int type;
    unsigned mode;
    gid_t group; /* (gid_t)-1: that of the process */
};

static bool open_own(const char *path, const struct making *making, struct listeners *listeners,
                     char error[LISTENER_ERROR_MAX])
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const gid_t group = getegid();
    mode_t mask;
    bool ok;
    int fd;

    memcpy(address.sun_path, path, strlen(path)); /* fits: the configuration measured it */
    if (!make_directories(path, error) || !remove_stale(&address, error))
        return false;
    fd = socket(AF_UNIX, making->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(error, "%s: %s", path, strerror(errno));
    add_listener(listeners, fd, making->type);
    /* The socket gets its mode and group as it is made: the owner of the directory could replace it before a chmod() or
     * a chown(). */
    mask = umask(0777 & ~making->mode);
    ok = (making->group == (gid_t)-1 || setegid(making->group) == 0)
        && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0;
    if (!ok)
        fail(error, "%s: %s", path, strerror(errno));
    umask(mask);
    if (making->group != (gid_t)-1 && setegid(group) != 0 && ok)
        ok = fail(error, "setegid: %s", strerror(errno));
    return ok;
}

static bool open_list(const struct string_list *paths, const struct making *making, struct listeners *listeners,
                      char error[LISTENER_ERROR_MAX])
{
    size_t i;

    for (i = 0; i < paths->count; i++)
        if (!open_own(paths->items[i], making, listeners, error))
            return false;
    return true;
}

static bool look_up_group(const char *name, gid_t *ret_gid, char error[LISTENER_ERROR_MAX])
{
    struct account_entry group;
    int cause = 0;

    switch (account_lookup_group(name, &group, &cause)) {
    case ACCOUNT_FOUND:
        *ret_gid = group.gid;
        return true;
    case ACCOUNT_ABSENT:
        return fail(error, "saslauthd_group: %s does not exist on this host", name);
    default:
        return fail(error, "saslauthd_group: %s cannot be looked up now: %s", name, strerror(cause));
    }
}

static bool open_all(const struct latchkeyd_options *latchkeyd, struct listeners *listeners,
                     char error[LISTENER_ERROR_MAX])
{
    const struct making ours = { SOCK_SEQPACKET, 0666, (gid_t)-1 };
    struct making saslauthd = { SOCK_STREAM, latchkeyd->saslauthd_mode, (gid_t)-1 };

    if (latchkeyd->sockets.count + latchkeyd->saslauthd_sockets.count == 0)
        return fail(error, "the configuration has no socket");
    if (latchkeyd->saslauthd_group != NULL && !look_up_group(latchkeyd->saslauthd_group, &saslauthd.group, error))
        return false;
    return open_list(&latchkeyd->sockets, &ours, listeners, error)
        && open_list(&latchkeyd->saslauthd_sockets, &saslauthd, listeners, error);
}

bool listeners_open(const struct latchkeyd_options *latchkeyd, struct listeners *ret_listeners,
                    char error[LISTENER_ERROR_MAX])
{
    long handed_over = count_handed_over();
    struct listeners listeners = { .are_handed_over = handed_over != 0 };
    bool ok = handed_over != 0 ? take_over(handed_over, latchkeyd->saslauthd_mode, &listeners, error)
                               : open_all(latchkeyd, &listeners, error);

    if (ok)
        *ret_listeners = listeners;
    else
        listeners_close(&listeners);
    return ok;
}
