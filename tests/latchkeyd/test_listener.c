#include "tests/support/fixture.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "latchkeyd/listener.h"

static char error[LISTENER_ERROR_MAX];

static unsigned open_descriptors(void)
{
    DIR *descriptors = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(descriptors);
    while (readdir(descriptors) != NULL)
        count++;
    closedir(descriptors);
    return count;
}

/* The names in the directory of the test as paths. The list is lent until the next call. */
static const struct string_list *paths_of(const char *const *names, size_t count)
{
    static char paths[LISTENERS_MAX + 1][128], *items[LISTENERS_MAX + 1];
    static struct string_list list;
    size_t i;

    assert_true(count <= COUNT(items));
    for (i = 0; i < count; i++) {
        snprintf(paths[i], sizeof paths[i], "%s", path_in_directory(names[i]));
        items[i] = paths[i];
    }
    list = (struct string_list){ items, count };
    return &list;
}

/* The configuration's sockets are these paths. */
static bool open_paths(const struct string_list *paths, struct listeners *ret, char said[LISTENER_ERROR_MAX])
{
    const struct latchkeyd_options latchkeyd = { .sockets = *paths, .saslauthd_mode = 0660 };

    return listeners_open(&latchkeyd, ret, said);
}

static bool open_one(const char *name, struct listeners *ret_listeners)
{
    error[0] = '\0';
    return open_paths(paths_of(&name, 1), ret_listeners, error);
}

/* 0, or why not. */
static int connect_error(const char *name, int type)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), cause;

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path_in_directory(name));
    cause = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
    close(fd);
    return cause;
}

static void sockets_are_made(void **state)
{
    static const char *const names[] = { "first", "second" };
    struct listeners listeners = { .count = 0 };
    unsigned before = open_descriptors();
    struct stat status;
    mode_t mask = umask(077);
    size_t i;

    (void)state;
    assert_true(open_paths(paths_of(names, 2), &listeners, error));
    assert_int_equal(listeners.count, 2);
    umask(mask);
    for (i = 0; i < 2; i++) {
        int client, type = 0;
        socklen_t len = sizeof type;

        ROW("everybody may connect, whatever the umask");
        assert_int_equal(lstat(path_in_directory(names[i]), &status), 0);
        assert_true(S_ISSOCK(status.st_mode));
        assert_int_equal(status.st_mode & 07777, 0666);
        assert_int_equal(connect_error(names[i], SOCK_SEQPACKET), 0);
        ROW("it keeps its messages apart, does not block, and goes to no child");
        assert_int_equal(getsockopt(listeners.fds[i], SOL_SOCKET, SO_TYPE, &type, &len), 0);
        assert_int_equal(type, SOCK_SEQPACKET);
        assert_int_equal(fcntl(listeners.fds[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        client = accept(listeners.fds[i], NULL, NULL);
        assert_true(client >= 0);
        close(client);
        assert_int_equal(accept(listeners.fds[i], NULL, NULL), -1);
        assert_int_equal(errno, EAGAIN);
    }
    listeners_close(&listeners);
    assert_int_equal(listeners.count, 0);
    listeners_close(&listeners);
    assert_int_equal(open_descriptors(), before);
    ROW("none where there is no path");
    assert_false(open_paths(paths_of(NULL, 0), &listeners, error));
    assert_non_null(strstr(error, "no socket"));
}

static void a_missing_directory_is_made(void **state)
{
    struct listeners listeners = { .count = 0 };
    struct stat status;

    (void)state;
    ROW("with those that it lies in, as in a chroot that is still empty");
    assert_true(open_one("made/two/socket", &listeners));
    assert_int_equal(stat(path_in_directory("made"), &status), 0);
    assert_int_equal(status.st_mode & 022, 0);
    assert_int_equal(stat(path_in_directory("made/two"), &status), 0);
    assert_int_equal(status.st_mode & 022, 0);
    listeners_close(&listeners);
    unlink(path_in_directory("made/two/socket"));
    ROW("the last one");
    assert_int_equal(rmdir(path_in_directory("made/two")), 0);
    assert_true(open_one("made/socket", &listeners));
    listeners_close(&listeners);
    unlink(path_in_directory("made/socket"));
    assert_int_equal(rmdir(path_in_directory("made")), 0);
    ROW("but not in the place of a file");
    write_file("plain", "x");
    assert_false(open_one("plain/socket", &listeners));
    assert_non_null(strstr(error, "Not a directory"));
}

/* A socket in the directory: listening, bound only, or left behind by who is gone. */
enum tenancy { LISTENS, BOUND, GONE };

static int put_socket(const char *name, int type, enum tenancy tenancy)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path_in_directory(name));
    unlink(address.sun_path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    if (tenancy == LISTENS)
        assert_int_equal(listen(fd, 1), 0);
    if (tenancy != GONE)
        return fd;
    close(fd);
    return -1;
}

static void a_socket_is_replaced_only_when_nobody_has_it_any_more(void **state)
{
    static const struct {
        const char *name;
        int type;
        enum tenancy tenancy;
        bool is_replaced;
    } cases[] = {
        { "one that a former latchkeyd left behind", SOCK_SEQPACKET, GONE, true },
        { "one of another kind that was left behind", SOCK_STREAM, GONE, true },
        { "one that another latchkeyd listens on", SOCK_SEQPACKET, LISTENS, false },
        { "a stream that another program listens on", SOCK_STREAM, LISTENS, false },
        { "a socket for datagrams that another program reads", SOCK_DGRAM, BOUND, false },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct listeners listeners = { .count = 0 };
        int former = put_socket("taken", cases[i].type, cases[i].tenancy);
        unsigned before = open_descriptors();
        bool ok = open_one("taken", &listeners);

        ROW(cases[i].name);
        assert_int_equal(ok, cases[i].is_replaced);
        if (ok) {
            assert_int_equal(connect_error("taken", SOCK_SEQPACKET), 0);
        } else {
            assert_non_null(strstr(error, "/taken is in use, perhaps by another latchkeyd"));
            assert_int_equal(connect_error("taken", cases[i].type), 0);
        }
        listeners_close(&listeners);
        assert_int_equal(open_descriptors(), before);
        if (former >= 0)
            close(former);
    }
    ROW("one whose backlog is full");
    {
        struct listeners listeners = { .count = 0 };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int former = put_socket("taken", SOCK_SEQPACKET, LISTENS), clients[8];
        size_t count;

        snprintf(address.sun_path, sizeof address.sun_path, "%s", path_in_directory("taken"));
        for (count = 0; count < COUNT(clients); count++) {
            clients[count] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            if (connect(clients[count], (const struct sockaddr *)&address, sizeof address) != 0)
                break;
        }
        assert_true(count < COUNT(clients));
        assert_false(open_one("taken", &listeners));
        assert_non_null(strstr(error, "is in use"));
        for (count++; count > 0; count--)
            close(clients[count - 1]);
        close(former);
        unlink(path_in_directory("taken"));
    }
}

static void put_file(const char *path)
{
    (void)path;
    write_file("taken", "precious");
}
static void put_directory(const char *path)
{
    assert_int_equal(mkdir(path, 0755), 0);
}
static void put_fifo(const char *path)
{
    assert_int_equal(mkfifo(path, 0600), 0);
}
static void put_link(const char *path)
{
    put_socket("target", SOCK_SEQPACKET, GONE);
    assert_int_equal(symlink(path_in_directory("target"), path), 0);
}
static void put_dangling_link(const char *path)
{
    assert_int_equal(symlink("nothing", path), 0);
}

static void only_a_socket_is_ever_removed(void **state)
{
    static const struct {
        const char *name;
        void (*put)(const char *path);
    } cases[] = {
        { "a regular file", put_file },
        { "a directory", put_directory },
        { "a FIFO", put_fifo },
        { "a symbolic link to a socket", put_link },
        { "a symbolic link to nothing", put_dangling_link },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        struct listeners listeners = { .count = 0 };
        struct stat before, after;
        char path[128];

        ROW(cases[i].name);
        snprintf(path, sizeof path, "%s", path_in_directory("taken"));
        cases[i].put(path);
        assert_int_equal(lstat(path, &before), 0);
        assert_false(open_one("taken", &listeners));
        assert_non_null(strstr(error, "/taken exists and is not a socket"));
        assert_int_equal(lstat(path, &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        assert_int_equal(before.st_size, after.st_size);
        assert_int_equal(remove(path), 0);
    }
}

static void all_sockets_or_none(void **state)
{
    static const char *const names[] = { "s0", "s1", "s2",  "s3",  "s4",  "s5",  "s6",  "s7",
                                         "s8", "s9", "s10", "s11", "s12", "s13", "s14", "s15" },
                             *const broken[] = { "s0", "s1", "taken" };
    struct listeners listeners = { .count = 4711 };
    unsigned before = open_descriptors();
    size_t i;

    (void)state;
    ROW("16");
    assert_true(open_paths(paths_of(names, CONFIG_SOCKETS_MAX), &listeners, error));
    assert_int_equal(listeners.count, CONFIG_SOCKETS_MAX);
    listeners_close(&listeners);
    listeners.count = 4711;
    ROW("one that cannot be had");
    write_file("taken", "precious");
    assert_false(open_paths(paths_of(broken, 3), &listeners, error));
    assert_int_equal(listeners.count, 4711);
    assert_int_equal(open_descriptors(), before);
    for (i = 0; i < COUNT(names); i++)
        unlink(path_in_directory(names[i]));
    unlink(path_in_directory("taken"));
}

/* A listening SOCK_STREAM in the directory, with this mode. */
static int made_stream(const char *name, mode_t mode)
{
    int fd = put_socket(name, SOCK_STREAM, LISTENS);

    return chmod(path_in_directory(name), mode) == 0 ? fd : -1;
}

/* What systemd hands over: 'q' a listening SOCK_SEQPACKET, 's' a listening SOCK_STREAM of mode 0660, 'o' of 0600, 'w'
 * of 0666, 'u' one whose path is gone, 'a' one without a path, 'c' a connected SOCK_SEQPACKET, 'b' one that is bound
 * only, 'i' a listening one of IP, 'f' a file, '-' nothing. */
static int made_of(char kind)
{
    int fd, pair[2];

    switch (kind) {
    case 's':
        return made_stream("stream", 0660);
    case 'o':
        return made_stream("stream", 0600);
    case 'w':
        return made_stream("stream", 0666);
    case 'u':
        fd = made_stream("stream", 0660);
        return unlink(path_in_directory("stream")) == 0 ? fd : -1;
    case 'q':
    case 'a':
        fd = socket(AF_UNIX, kind == 'q' ? SOCK_SEQPACKET : SOCK_STREAM, 0);
        return bind(fd, (const struct sockaddr *)&(struct sockaddr_un){ .sun_family = AF_UNIX }, sizeof(sa_family_t))
                    == 0
                && listen(fd, 1) == 0
            ? fd
            : -1;
    case 'c':
        return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0 ? pair[0] : -1;
    case 'b':
        fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        return bind(fd, (const struct sockaddr *)&(struct sockaddr_un){ .sun_family = AF_UNIX }, sizeof(sa_family_t))
                == 0
            ? fd
            : -1;
    case 'i':
        fd = socket(AF_INET, SOCK_STREAM, 0);
        return listen(fd, 1) == 0 ? fd : -1;
    default:
        return open("/dev/null", O_RDWR);
    }
}

static const struct {
    const char *name, *kinds, *count;
    bool is_for_another;
    int want;          /* how many are taken over; -1: refused; -2: not looked at, the path is opened */
    const char *error; /* of a refusal */
} handed_over[] = {
    { "one", "q", "1", false, 1, "" },
    { "three", "qqq", "3", false, 3, "" },
    { "as many as there is room for", "qqqqqqqqqqqqqqqqssssssssssssssss", "32", false, 32, "" },
    { "more", "q", "33", false, -1, "LISTEN_FDS is 33, and at most 32 sockets are accepted" },
    { "less than none", "q", "-1", false, -1, "LISTEN_FDS is -1, and at most 32 sockets are accepted" },
    { "none", "", "0", false, -2, "" },
    { "no number", "q", "many", false, -2, "" },
    { "for another process", "q", "1", true, -2, "" },
    { "a stream, for saslauthd's protocol", "s", "1", false, 1, "" },
    { "one of each", "qs", "2", false, 2, "" },
    { "a stream that fewer may write to than the configuration allows", "o", "1", false, 1, "" },
    { "a stream that everybody may write to", "qw", "2", false, -1,
      "descriptor 4: its mode 0666 is looser than saslauthd_mode 0660" },
    { "a stream without a path, so without a mode", "a", "1", false, -1,
      "descriptor 3 has no path, so every user may write to it" },
    { "a stream whose path is gone", "u", "1", false, -1, "descriptor 3: No such file or directory" },
    { "one that is connected", "c", "1", false, -1,
      "descriptor 3 is not a unix socket of ListenSequentialPacket= or ListenStream=" },
    { "one that does not listen", "b", "1", false, -1,
      "descriptor 3 is not a unix socket of ListenSequentialPacket= or ListenStream=" },
    { "one of the internet", "i", "1", false, -1,
      "descriptor 3 is not a unix socket of ListenSequentialPacket= or ListenStream=" },
    { "a file", "f", "1", false, -1, "descriptor 3 is not a unix socket of ListenSequentialPacket= or ListenStream=" },
    { "less than was said", "q-", "2", false, -1,
      "descriptor 4 is not a unix socket of ListenSequentialPacket= or ListenStream=" },
};

/* In a process of its own: 0, or the number of what went wrong. */
static int status_of_handed_over(size_t row)
{
    static char path[128], *item = path;
    const struct string_list own = { &item, 1 };
    struct listeners listeners = { .count = 0 };
    const char *kinds = handed_over[row].kinds;
    int fds[LISTENERS_MAX + 1], i, count = (int)strlen(kinds);
    char pid[32], complaint[LISTENER_ERROR_MAX] = "";
    bool ok;

    snprintf(path, sizeof path, "%s", path_in_directory("own"));
    for (i = 0; i < count; i++)
        if ((fds[i] = fcntl(made_of(kinds[i]), F_DUPFD, 100)) < 0) /* out of the way */
            return 1;
    for (i = 3; i < 100; i++)
        close(i);
    for (i = 0; i < count; i++)
        if (kinds[i] != '-' && dup2(fds[i], 3 + i) < 0)
            return 2;
    snprintf(pid, sizeof pid, "%ld", (long)getpid() + handed_over[row].is_for_another);
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", handed_over[row].count, 1);
    setenv("LISTEN_FDNAMES", "latchkeyd", 1);
    ok = open_paths(&own, &listeners, complaint);
    if (ok != (handed_over[row].want != -1) || strcmp(complaint, handed_over[row].error) != 0)
        return 3;
    if (handed_over[row].want == -2)
        return listeners.count == 1 && access(path, F_OK) == 0 && unlink(path) == 0 && !listeners.are_handed_over ? 0
                                                                                                                  : 4;
    unlink(path_in_directory("stream"));
    if (access(path, F_OK) == 0)
        return 5;
    if (!ok)
        return listeners.count == 0 ? 0 : 6;
    if (listeners.count != (size_t)handed_over[row].want || getenv("LISTEN_PID") != NULL || getenv("LISTEN_FDS") != NULL
        || getenv("LISTEN_FDNAMES") != NULL)
        return 7;
    for (i = 0; i < count; i++)
        if (listeners.fds[i] != 3 + i || (fcntl(3 + i, F_GETFD) & FD_CLOEXEC) == 0
            || (fcntl(3 + i, F_GETFL) & O_NONBLOCK) == 0
            || listeners.is_saslauthd[i] != (kinds[i] == 's' || kinds[i] == 'o'))
            return 8;
    if (!listeners.are_handed_over)
        return 9;
    return 0;
}

static void what_systemd_hands_over_is_looked_at(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(handed_over); i++) {
        pid_t child = fork();
        int status;

        ROW(handed_over[i].name);
        assert_true(child >= 0);
        if (child == 0)
            _exit(status_of_handed_over(i));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_are_made),
        cmocka_unit_test(a_missing_directory_is_made),
        cmocka_unit_test(a_socket_is_replaced_only_when_nobody_has_it_any_more),
        cmocka_unit_test(only_a_socket_is_ever_removed),
        cmocka_unit_test(all_sockets_or_none),
        cmocka_unit_test(what_systemd_hands_over_is_looked_at),
    };

    return cmocka_run_group_tests(tests, directory_set_up, directory_tear_down);
}
