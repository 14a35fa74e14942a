#include "ipc/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/account_lookup.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "config/snapshot.h"
#include "ipc/spawn.h"

#define RETRY_MS 10 /* between two attempts to connect while the backlog is full */

static bool refuse_errno(struct verdict *verdict, const char *what)
{
    enum reason reason = errno == ENOMEM || errno == ENOBUFS ? REASON_OUT_OF_MEMORY : REASON_LATCHKEYD_UNAVAILABLE;

    if (errno == EMFILE || errno == ENFILE)
        reason = REASON_SYSTEM_ERROR;
    return verdict_reject(verdict, reason, "%s: %s", what, text_of_errno(errno));
}

/* Wait until the socket is ready. False with the refusal, also after the deadline. */
static bool wait_for(struct verdict *verdict, int socket, short events, int64_t deadline_ms)
{
    struct pollfd wanted = { .fd = socket, .events = events };
    int ready;

    do {
        int64_t left = deadline_ms - clock_ms();

        ready = poll(&wanted, 1, left > 0 ? (int)left : 0);
    } while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return refuse_errno(verdict, "poll");
    return ready > 0 || verdict_reject(verdict, REASON_LATCHKEYD_UNAVAILABLE, "latchkeyd did not answer in time");
}

/*
 * Check the uid that called listen(). For a socket that systemd made, or that latchkeyd made before it gave up root,
 * that is root. In a chroot it must be root: the service may own the directories and the user names of its chroot, and
 * the answer decides there about logins.
 */
static bool check_listener(struct verdict *verdict, const struct config *config, int socket)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    struct account_entry user;
    enum account_answer answer;

    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return refuse_errno(verdict, "SO_PEERCRED");
    if (peer.uid == 0)
        return true;
    if (config_is_out_of_sight())
        return verdict_reject(verdict, REASON_LATCHKEYD_UNAVAILABLE,
                              "uid %ju listens on the socket; in a chroot it must be root", (uintmax_t)peer.uid);
    if (peer.uid == geteuid())
        return true;
    answer = account_lookup_user(config->latchkeyd.user, &user, &errno);
    if (answer == ACCOUNT_FOUND && user.uid == peer.uid)
        return true;
    if (answer == ACCOUNT_CANNOT_TELL)
        return refuse_errno(verdict, "cannot look up the user of latchkeyd");
    return verdict_reject(verdict, REASON_LATCHKEYD_UNAVAILABLE, "uid %ju listens on the socket; it must be root or %s",
                          (uintmax_t)peer.uid, config->latchkeyd.user);
}

/* *ret_socket is -1 when no process listens there. False with the refusal. */
static bool connect_to(struct verdict *verdict, const struct config *config, const char *path, int64_t deadline_ms,
                       int *ret_socket)
{
    const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000L };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;
    bool ok;

    if (fd < 0)
        return refuse_errno(verdict, "socket");
    memcpy(address.sun_path, path, strlen(path)); /* fits: checked by the configuration */
    /* EAGAIN: the backlog is full. poll(2) does not tell when there is room again. */
    while ((error = connect(fd, (const struct sockaddr *)&address, sizeof address)) != 0
           && (errno == EAGAIN || errno == EINTR) && clock_ms() < deadline_ms)
        nanosleep(&pause, NULL);
    if (error == 0 && check_listener(verdict, config, fd)) {
        *ret_socket = fd;
        return true;
    }
    ok = error != 0 && (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR);
    if (error != 0 && !ok)
        refuse_errno(verdict, path);
    close(fd);
    *ret_socket = -1;
    return ok;
}

static bool send_question(struct verdict *verdict, int socket, struct slice text, int64_t deadline_ms)
{
    for (;;) {
        if (send(socket, text.bytes, text.len, MSG_NOSIGNAL) == (ssize_t)text.len)
            return true;
        if (errno == EPIPE) /* latchkeyd hung up before the question: the reason may be there to read */
            return true;
        if (errno != EAGAIN && errno != EINTR)
            return refuse_errno(verdict, "send");
        if (!wait_for(verdict, socket, POLLOUT, deadline_ms))
            return false;
    }
}

static bool receive_answer(struct verdict *verdict, int socket, struct secret *ret_text, int64_t deadline_ms)
{
    struct secret text = { malloc(LATCHKEYD_MESSAGE_MAX), LATCHKEYD_MESSAGE_MAX };
    ssize_t got = -1;

    if (text.bytes == NULL)
        return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "the answer of latchkeyd");
    while (wait_for(verdict, socket, POLLIN, deadline_ms)) {
        got = recv(socket, text.bytes, text.len, MSG_TRUNC); /* the length also of a message that is cut */
        /* ECONNRESET comes once: latchkeyd hung up with the question unread. Its answer comes next. */
        if (got >= 0 || (errno != EAGAIN && errno != EINTR && errno != ECONNRESET))
            break;
    }
    if (got > 0 && got <= LATCHKEYD_MESSAGE_MAX) {
        text.len = (size_t)got;
        *ret_text = text;
        return true;
    }
    text.len = got > 0 ? LATCHKEYD_MESSAGE_MAX : 0;
    secret_clear(&text);
    if (got > 0)
        return verdict_reject(verdict, REASON_LATCHKEYD_UNAVAILABLE, "the answer of latchkeyd: " LATCHKEYD_TOO_LONG);
    if (got == 0)
        return verdict_reject(verdict, REASON_LATCHKEYD_UNAVAILABLE, "latchkeyd hung up without an answer");
    return verdict->reason != REASON_UNDECIDED ? false : refuse_errno(verdict, "recv");
}

void latchkeyd_reply_clear(struct latchkeyd_reply *reply)
{
    json_free(&reply->json);
    secret_clear(&reply->text);
    reply->answer = (struct latchkeyd_answer){ .reason = REASON_UNDECIDED };
}

/* One question and one answer on a connected socket. */
static bool exchange_messages(struct verdict *verdict, int socket, const struct latchkeyd_question *question,
                              struct slice text, int64_t deadline_ms, struct latchkeyd_reply *ret_reply)
{
    CLEANUP(latchkeyd_reply_clear) struct latchkeyd_reply reply = { .json = NULL };
    const char *error;

    if (!send_question(verdict, socket, text, deadline_ms)
        || !receive_answer(verdict, socket, &reply.text, deadline_ms))
        return false;
    if (!latchkeyd_answer_read(question->ask, (struct slice){ reply.text.bytes, reply.text.len }, &reply.json,
                               &reply.answer, &error))
        return verdict_reject(verdict, REASON_LATCHKEYD_UNAVAILABLE, "the answer of latchkeyd: %s", error);
    *ret_reply = reply;
    reply = (struct latchkeyd_reply){ .json = NULL };
    return ret_reply->answer.reason == REASON_OK
        || verdict_reject(verdict, ret_reply->answer.reason, "%s", ret_reply->answer.detail);
}

static bool ask_child(struct verdict *verdict, const struct config *config, const struct latchkeyd_question *question,
                      struct slice text, int64_t deadline_ms, struct latchkeyd_reply *ret_reply)
{
    struct latchkeyd_child child;
    bool ok;

    if (!latchkeyd_ask_is_for_child(question->ask) || config->latchkeyd.program == NULL)
        return verdict_reject(verdict, REASON_LATCHKEYD_UNAVAILABLE, "latchkeyd does not listen on %s",
                              config->latchkeyd.sockets.count > 0 ? config->latchkeyd.sockets.items[0] : "any socket");
    if (!latchkeyd_spawn(verdict, config->latchkeyd.program, config->path, &child))
        return false;
    ok = exchange_messages(verdict, child.socket, question, text, deadline_ms, ret_reply);
    latchkeyd_spawn_end(&child);
    return ok;
}

bool latchkeyd_ask(struct verdict *verdict, const struct config *config, const struct latchkeyd_question *question,
                   struct latchkeyd_reply *ret_reply)
{
    const int64_t deadline_ms = clock_ms() + config->latchkeyd.timeout * 1000;
    CLEANUP(secret_clear) struct secret text = { NULL, 0 };
    size_t i;
    bool ok;

    if (!latchkeyd_question_write(question, &text))
        return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "the question to latchkeyd");
    for (i = 0; i < config->latchkeyd.sockets.count; i++) {
        int fd = -1;

        if (!connect_to(verdict, config, config->latchkeyd.sockets.items[i], deadline_ms, &fd))
            return false;
        if (fd < 0)
            continue;
        ok = exchange_messages(verdict, fd, question, (struct slice){ text.bytes, text.len }, deadline_ms, ret_reply);
        close(fd);
        return ok;
    }
    return ask_child(verdict, config, question, (struct slice){ text.bytes, text.len }, deadline_ms, ret_reply);
}
