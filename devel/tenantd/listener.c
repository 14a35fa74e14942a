#include "devel/tenantd/listener.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 128

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool tell_port(int fd, uint16_t *ret_port)
{
    struct sockaddr_storage address = { 0 };
    socklen_t len = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return false;
    *ret_port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                    : ((struct sockaddr_in *)&address)->sin_port);
    return true;
}

static int open_at(const struct addrinfo *at)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1;

    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0
        && bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

bool listener_open(struct listener *listener, const char *address, uint16_t port, uint16_t *ret_port)
{
    const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                    .ai_socktype = SOCK_STREAM };
    struct addrinfo *at;
    char service[8];

    snprintf(service, sizeof service, "%u", port);
    listener->fd = -1;
    if (getaddrinfo(address, service, &hints, &at) != 0) {
        errno = EINVAL;
        return false;
    }
    listener->fd = open_at(at);
    freeaddrinfo(at);
    if (listener->fd >= 0 && tell_port(listener->fd, ret_port))
        return true;
    listener_close(listener);
    return false;
}

static void forget(struct listener *listener, size_t index)
{
    listener->held_count--;
    memmove(&listener->held[index], &listener->held[index + 1],
            (listener->held_count - index) * sizeof listener->held[0]);
}

void listener_close(struct listener *listener)
{
    while (listener->held_count > 0) {
        close(listener->held[0].fd);
        forget(listener, 0);
    }
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
}

static struct fault count_connection(struct service *service)
{
    struct fault fault;

    pthread_mutex_lock(&service->lock);
    service->counters.connections++;
    fault = faults_take(&service->faults, ENDPOINT_CONNECTION);
    pthread_mutex_unlock(&service->lock);
    return fault;
}

static void hold(struct listener *listener, int fd, int64_t due, const struct sockaddr_storage *address, socklen_t len)
{
    if (listener->held_count == HELD_MAX) {
        close(listener->held[0].fd);
        forget(listener, 0);
    }
    listener->held[listener->held_count].fd = fd;
    listener->held[listener->held_count].due = due;
    listener->held[listener->held_count].address = *address;
    listener->held[listener->held_count].address_len = len;
    listener->held_count++;
}

void listener_accept(struct listener *listener)
{
    static const char plain[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    struct sockaddr_storage address = { 0 };
    socklen_t len = sizeof address;
    struct fault fault;
    int fd;

    while ((fd = accept4(listener->fd, (struct sockaddr *)&address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        fault = count_connection(listener->service);
        switch (fault.kind) {
        case FAULT_SLOW_CONNECT:
            hold(listener, fd, now_ms() + fault.seconds * 1000, &address, len);
            break;
        case FAULT_NEVER:
            hold(listener, fd, INT64_MAX, &address, len);
            break;
        case FAULT_RESET:
            reset_connection(fd);
            close(fd);
            break;
        case FAULT_NO_TLS:
            send(fd, plain, sizeof plain - 1, MSG_NOSIGNAL);
            close(fd);
            break;
        default:
            server_serve(listener->server, fd, (struct sockaddr *)&address, len);
        }
        len = sizeof address;
    }
}

int listener_release(struct listener *listener)
{
    int64_t now = now_ms(), next = INT64_MAX;
    size_t i = 0;

    while (i < listener->held_count) {
        if (listener->held[i].due > now) {
            next = listener->held[i].due < next ? listener->held[i].due : next;
            i++;
            continue;
        }
        server_serve(listener->server, listener->held[i].fd, (struct sockaddr *)&listener->held[i].address,
                     listener->held[i].address_len);
        forget(listener, i);
    }
    if (next == INT64_MAX)
        return -1;
    return next - now < INT_MAX ? (int)(next - now) : INT_MAX;
}
