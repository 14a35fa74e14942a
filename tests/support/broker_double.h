/*
 * A latchkeyd for unit tests: a thread that listens where the configuration says, keeps the last question, and gives
 * the answer that the test wrote, whatever was asked.
 */
#ifndef LATCHKEY_BROKER_DOUBLE_H
#define LATCHKEY_BROKER_DOUBLE_H

#include "tests/support/unit.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ipc/protocol.h"

struct broker_double {
    int listener;
    pthread_t thread;
    char question[BROKER_MESSAGE_MAX + 1]; /* the last one, as text */
    unsigned questions;
    const char *answer;   /* NULL: hang up without one; "": never answer */
    size_t answer_len;    /* 0: that of the C string */
    void (*before)(void); /* done when a question has come, before it is answered; NULL: nothing */
    bool sends_away;      /* answer without taking the question, as to somebody who may not ask */
    int silent;           /* the connection that gets no answer, or -1 */
};

static void *broker_double_serve(void *context)
{
    struct broker_double *broker = context;
    int client;

    while ((client = accept(broker->listener, NULL, NULL)) >= 0) {
        ssize_t got = recv(client, broker->question, sizeof broker->question - 1, broker->sends_away ? MSG_PEEK : 0);

        if (got > 0) {
            broker->question[got] = '\0';
            broker->questions++;
            if (broker->before != NULL)
                broker->before();
        }
        if (got > 0 && broker->answer != NULL && broker->answer[0] == '\0') {
            broker->silent = client;
            continue;
        }
        if (got > 0 && broker->answer != NULL)
            send(client, broker->answer, broker->answer_len > 0 ? broker->answer_len : strlen(broker->answer),
                 MSG_NOSIGNAL);
        close(client);
    }
    return NULL;
}

static void broker_double_start(struct broker_double *broker, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    *broker = (struct broker_double){ .silent = -1 };
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    broker->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(broker->listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(broker->listener, 16), 0);
    assert_int_equal(pthread_create(&broker->thread, NULL, broker_double_serve, broker), 0);
}

static void broker_double_stop(struct broker_double *broker)
{
    shutdown(broker->listener, SHUT_RDWR); /* which ends accept() */
    pthread_join(broker->thread, NULL);
    close(broker->listener);
    if (broker->silent >= 0)
        close(broker->silent);
}

#endif
