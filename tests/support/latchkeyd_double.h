/*
 * A latchkeyd for unit tests: a thread that listens where the configuration says, keeps the last question, and gives
 * the answer that the test wrote, whatever was asked.
 */
#ifndef LATCHKEY_LATCHKEYD_DOUBLE_H
#define LATCHKEY_LATCHKEYD_DOUBLE_H

#include "tests/support/unit.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ipc/protocol.h"

struct latchkeyd_double {
    int listener;
    pthread_t thread;
    char question[LATCHKEYD_MESSAGE_MAX + 1]; /* the last one, as text */
    unsigned questions;
    const char *answer;   /* NULL: hang up without one; "": never answer */
    size_t answer_len;    /* 0: that of the C string */
    void (*before)(void); /* done when a question has come, before it is answered; NULL: nothing */
    bool sends_away;      /* answer without reading the question, as to a uid that is not allowed */
    int silent;           /* the connection that gets no answer, or -1 */
};

static void *latchkeyd_double_serve(void *context)
{
    struct latchkeyd_double *latchkeyd = context;
    int client;

    while ((client = accept(latchkeyd->listener, NULL, NULL)) >= 0) {
        ssize_t got =
            recv(client, latchkeyd->question, sizeof latchkeyd->question - 1, latchkeyd->sends_away ? MSG_PEEK : 0);

        if (got > 0) {
            latchkeyd->question[got] = '\0';
            latchkeyd->questions++;
            if (latchkeyd->before != NULL)
                latchkeyd->before();
        }
        if (got > 0 && latchkeyd->answer != NULL && latchkeyd->answer[0] == '\0') {
            latchkeyd->silent = client;
            continue;
        }
        if (got > 0 && latchkeyd->answer != NULL)
            send(client, latchkeyd->answer,
                 latchkeyd->answer_len > 0 ? latchkeyd->answer_len : strlen(latchkeyd->answer), MSG_NOSIGNAL);
        close(client);
    }
    return NULL;
}

static void latchkeyd_double_start(struct latchkeyd_double *latchkeyd, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    *latchkeyd = (struct latchkeyd_double){ .silent = -1 };
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    latchkeyd->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(latchkeyd->listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(latchkeyd->listener, 16), 0);
    assert_int_equal(pthread_create(&latchkeyd->thread, NULL, latchkeyd_double_serve, latchkeyd), 0);
}

static void latchkeyd_double_stop(struct latchkeyd_double *latchkeyd)
{
    shutdown(latchkeyd->listener, SHUT_RDWR); /* which ends accept() */
    pthread_join(latchkeyd->thread, NULL);
    close(latchkeyd->listener);
    if (latchkeyd->silent >= 0)
        close(latchkeyd->silent);
}

#endif
