#include "devel/tenantd/server.h"

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/secret.h"
#include "base/text.h"
#include "devel/tenantd/http.h"
#include "devel/tenantd/members.h"
#include "devel/tenantd/routes.h"

#define IDLE_MAX       300         /* s that a connection may be kept without a request */
#define MEMORY_MAX     (128 << 10) /* bytes a connection: room for a header with the longest token */
#define BLOCK_SIZE     16384       /* bytes of a streamed body at once */
#define SLOW_STEPS     100         /* parts in which a slow body comes */
#define MIDWAY_WAIT_MS 50          /* so that the first half arrives before the reset, which overtakes what waits */

struct server {
    struct service *service;
    struct MHD_Daemon *daemon;
    int stop; /* eventfd: readable once the server stops */
};

/* One request while it comes in. */
struct arrival {
    struct request request;
    bool is_too_long;
    bool ends_the_connection; /* FAULT_HANG_UP */
};

/* Waiting and resetting */

static int descriptor_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* -1: without end. False when the client hung up or the server stops before the time is over. */
static bool wait_for(const struct server *server, int fd, int ms)
{
    struct pollfd polled[] = { { .fd = fd, .events = POLLRDHUP }, { .fd = server->stop, .events = POLLIN } };

    return poll(polled, 2, ms) == 0;
}

void reset_connection(int fd)
{
    const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

    /* connect(2) to AF_UNSPEC dissolves the association, with a reset and at once. SO_LINGER would do so only at
     * close(), which libmicrohttpd precedes with a shutdown(): the client would see an orderly end first. */
    connect(fd, &nobody, sizeof nobody);
}

/* Bodies that are made while they are sent */

struct stream {
    const struct server *server;
    int fd;
    struct fault fault;
    struct secret body;
};

static void stream_free(void *context)
{
    struct stream *stream = context;

    secret_clear(&stream->body);
    free(stream);
}

static ssize_t copy_part(const struct secret *body, uint64_t at, size_t len, char *buffer)
{
    if (len > body->len - at)
        len = body->len - (size_t)at;
    memcpy(buffer, body->bytes + at, len);
    return (ssize_t)len;
}

static ssize_t send_slowly(void *context, uint64_t at, char *buffer, size_t room)
{
    const struct stream *stream = context;
    size_t step = stream->body.len / SLOW_STEPS + 1;
    int64_t step_ms = stream->fault.seconds * 1000 * (int64_t)step / (int64_t)stream->body.len;

    if (!wait_for(stream->server, stream->fd, (int)step_ms))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    return copy_part(&stream->body, at, step < room ? step : room, buffer);
}

static ssize_t send_half(void *context, uint64_t at, char *buffer, size_t room)
{
    const struct stream *stream = context;
    size_t half = stream->body.len / 2;

    if (at < half)
        return copy_part(&stream->body, at, half - at < room ? half - (size_t)at : room, buffer);
    wait_for(stream->server, stream->fd, MIDWAY_WAIT_MS);
    reset_connection(stream->fd);
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* {"filler":"x…x"}, of as many bytes as the fault says, or without its end. */
static ssize_t send_filler(void *context, uint64_t at, char *buffer, size_t room)
{
    static const char start[] = "{\"filler\":\"", end[] = "\"}";
    const struct stream *stream = context;
    uint64_t total = stream->fault.bytes > 0 ? (uint64_t)stream->fault.bytes : UINT64_MAX;
    size_t i;

    for (i = 0; i < room && at < total; i++, at++)
        if (at < sizeof start - 1)
            buffer[i] = start[at];
        else
            buffer[i] = total - at <= sizeof end - 1 ? end[sizeof end - 1 - (total - at)] : 'x';
    return (ssize_t)i;
}

static struct MHD_Response *stream_response(const struct server *server, int fd, const struct fault *fault,
                                            struct reply *reply, uint64_t len, MHD_ContentReaderCallback reader)
{
    struct stream *stream = malloc(sizeof *stream);
    struct MHD_Response *response;

    if (stream == NULL)
        return NULL;
    *stream = (struct stream){ server, fd, *fault, reply->body };
    reply->body = (struct secret){ NULL, 0 };
    response = MHD_create_response_from_callback(len, BLOCK_SIZE, reader, stream, stream_free);
    if (response == NULL)
        stream_free(stream);
    return response;
}

/* Delivering */

static struct MHD_Response *make_response(const struct server *server, int fd, const struct fault *fault,
                                          struct reply *reply)
{
    size_t len = reply->body.len;

    if (fault->kind == FAULT_SLOW_BODY && len > 0)
        return stream_response(server, fd, fault, reply, len, send_slowly);
    if (fault->kind == FAULT_RESET_MIDWAY && len > 0)
        return stream_response(server, fd, fault, reply, len, send_half);
    if (fault->kind == FAULT_HUGE)
        return stream_response(server, fd, fault, reply, fault->bytes > 0 ? (uint64_t)fault->bytes : MHD_SIZE_UNKNOWN,
                               send_filler);
    if (fault->kind == FAULT_EMPTY)
        len = 0;
    if (fault->kind == FAULT_BROKEN_JSON && len > 0)
        len--;
    return MHD_create_response_from_buffer(len, reply->body.bytes, MHD_RESPMEM_MUST_COPY);
}

/* A field as C strings: what we say ourselves holds no NUL. */
static bool add_header(struct MHD_Response *response, const struct secret *name, const struct secret *value)
{
    char name_text[64], value_text[2048];

    if (name->len >= sizeof name_text || value->len >= sizeof value_text)
        return false;
    memcpy(name_text, name->bytes, name->len);
    name_text[name->len] = '\0';
    memcpy(value_text, value->bytes, value->len);
    value_text[value->len] = '\0';
    return MHD_add_response_header(response, name_text, value_text) == MHD_YES;
}

static enum MHD_Result deliver(const struct server *server, struct MHD_Connection *connection,
                               const struct fault *fault, struct reply *reply)
{
    int fd = descriptor_of(connection);
    struct MHD_Response *response;
    enum MHD_Result result = MHD_NO;
    bool ok;
    size_t i;

    if (fault->kind == FAULT_NEVER)
        wait_for(server, fd, -1);
    if (fault->kind == FAULT_RESET)
        reset_connection(fd);
    if (fault_stage(fault->kind) == STAGE_ANYWHERE)
        return MHD_NO; /* which closes the connection */
    response = make_response(server, fd, fault, reply);
    ok = response != NULL;
    for (i = 0; ok && i < reply->headers.count; i++)
        ok = add_header(response, &reply->headers.items[i].name, &reply->headers.items[i].value);
    if (ok)
        result = MHD_queue_response(connection, reply->status, response);
    if (response != NULL)
        MHD_destroy_response(response); /* our part of it */
    return result;
}

/* Working out the reply */

static void reply_fault(const struct fault *fault, struct reply *reply)
{
    unsigned status = (unsigned)fault->status;
    char text[32];

    switch (fault->kind) {
    case FAULT_REDIRECT:
        reply_text(reply, status, NULL, slice_of(NULL));
        reply_header(reply, "Location", fault->text);
        break;
    case FAULT_BODY:
        reply_text(reply, status, "application/json", slice_of(fault->text));
        break;
    case FAULT_HUGE:
        reply_text(reply, status, "application/json", slice_of(NULL));
        break;
    default:
        reply_error(reply, status, "fault", "as it was asked for");
        if (fault->retry_after >= 0) {
            snprintf(text, sizeof text, "%lld", (long long)fault->retry_after);
            reply_header(reply, "Retry-After", text);
        }
    }
}

static void replace_content_type(const struct fault *fault, struct reply *reply)
{
    struct secret body = reply->body;

    reply->body = (struct secret){ NULL, 0 };
    reply_text(reply, reply->status, fault->text[0] != '\0' ? fault->text : "text/html",
               (struct slice){ body.bytes, body.len });
    secret_clear(&body);
}

static void handle(struct service *service, const struct route *route, const struct arrival *arrival,
                   struct reply *reply)
{
    if (arrival->is_too_long) {
        reply_error(reply, 413, "invalid_request", "the request is too long");
    } else if (route->handle != NULL) {
        route->handle(service, &arrival->request, reply);
    } else if (route->allow[0] != '\0') {
        reply_error(reply, 405, "invalid_request", "the path has no such method");
        reply_header(reply, "Allow", route->allow);
    } else {
        reply_error(reply, 404, "not_found", "there is no such path");
    }
}

static void record(struct counters *counters, enum endpoint endpoint, const struct request *request, const char *path,
                   unsigned status)
{
    struct slice body = { request->body.bytes, request->body.len };
    struct json *last = json_new_object();

    json_free(&counters->last[endpoint]);
    if (last != NULL
        && (!json_add_text(last, "method", request->method)
            || !json_add(last, "path", text_is_utf8(slice_of(path)) ? json_new_string(slice_of(path)) : json_new_null())
            || !json_add(last, "status", status != 0 ? json_new_integer(status) : json_new_null())
            || !json_add(last, "query", fields_json(&request->query))
            || !json_add(last, "headers", fields_json(&request->headers))
            || !json_add(last, "body", text_is_utf8(body) ? json_new_string(body) : json_new_null())))
        json_free(&last);
    counters->last[endpoint] = last;
}

/* Neither the path nor a header: the log may be shown around, and they are the client's word. */
static void write_log(enum endpoint endpoint, unsigned status, enum fault_kind fault)
{
    if (fault == FAULT_NONE)
        fprintf(stderr, "tenantd: %s %u\n", endpoint_name(endpoint), status);
    else if (status != 0)
        fprintf(stderr, "tenantd: %s %u fault=%s\n", endpoint_name(endpoint), status, fault_name(fault));
    else
        fprintf(stderr, "tenantd: %s fault=%s\n", endpoint_name(endpoint), fault_name(fault));
}

/* Everything that is done under the lock. */
static struct fault work_out(struct service *service, const char *path, struct arrival *arrival, struct reply *reply)
{
    struct request *request = &arrival->request;
    struct route route;
    struct fault fault;

    pthread_mutex_lock(&service->lock);
    route = route_find(service, request->method, path);
    fault = faults_take(&service->faults, route.endpoint);
    service->counters.requests[route.endpoint]++;
    request->rest = route.rest;
    request->now = (int64_t)time(NULL);
    request->spoil = fault_stage(fault.kind) == STAGE_TOKEN ? fault.kind : FAULT_NONE;
    if (fault_stage(fault.kind) == STAGE_INSTEAD)
        reply_fault(&fault, reply);
    else if (fault_stage(fault.kind) != STAGE_ANYWHERE)
        handle(service, &route, arrival, reply);
    if (fault.kind == FAULT_CONTENT_TYPE)
        replace_content_type(&fault, reply);
    record(&service->counters, route.endpoint, request, path, reply->status);
    pthread_mutex_unlock(&service->lock);
    write_log(route.endpoint, reply->status, fault.kind);
    return fault;
}

/* libmicrohttpd's callbacks */

static enum MHD_Result gather_field(void *context, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                    const char *value, size_t value_len)
{
    (void)kind;
    return fields_add(context, (struct slice){ name, name_len }, (struct slice){ value, value_len }) ? MHD_YES : MHD_NO;
}

static bool gather(struct MHD_Connection *connection, enum MHD_ValueKind kind, struct fields *fields)
{
    MHD_get_connection_values_n(connection, kind, gather_field, fields);
    return (size_t)MHD_get_connection_values_n(connection, kind, NULL, NULL) == fields->count;
}

/* Header and query are there before the body. The first request of a connection shows that its TLS handshake is done.
 */
static struct arrival *begin(struct service *service, struct MHD_Connection *connection, const char *method)
{
    struct arrival *arrival = calloc(1, sizeof *arrival);
    bool *is_session = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;

    if (arrival == NULL)
        return NULL;
    arrival->request.method = method; /* lent by the connection until its request is over */
    arrival->is_too_long = !gather(connection, MHD_HEADER_KIND, &arrival->request.headers)
        || !gather(connection, MHD_GET_ARGUMENT_KIND, &arrival->request.query);
    if (is_session != NULL && !*is_session) {
        *is_session = true;
        pthread_mutex_lock(&service->lock);
        service->counters.sessions++;
        pthread_mutex_unlock(&service->lock);
    }
    return arrival;
}

static bool gather_body(struct arrival *arrival, struct slice part)
{
    struct secret longer = { NULL, arrival->request.body.len + part.len };

    if (arrival->is_too_long || longer.len > REQUEST_BODY_MAX) {
        arrival->is_too_long = true;
        return true;
    }
    longer.bytes = malloc(longer.len);
    if (longer.bytes == NULL)
        return false;
    if (arrival->request.body.len > 0)
        memcpy(longer.bytes, arrival->request.body.bytes, arrival->request.body.len);
    memcpy(longer.bytes + arrival->request.body.len, part.bytes, part.len);
    secret_clear(&arrival->request.body);
    arrival->request.body = longer;
    return true;
}

/* Called for the header, for each part of the body, and at its end. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data, size_t *data_len,
                                  void **arrival_place)
{
    struct server *server = context;
    struct arrival *arrival = *arrival_place;
    struct reply reply = { .status = 0 };
    struct fault fault;
    enum MHD_Result result;

    (void)version;
    if (arrival == NULL) {
        *arrival_place = begin(server->service, connection, method);
        return *arrival_place != NULL ? MHD_YES : MHD_NO;
    }
    if (*data_len > 0) {
        if (!gather_body(arrival, (struct slice){ data, *data_len }))
            return MHD_NO;
        *data_len = 0;
        return MHD_YES;
    }
    fault = work_out(server->service, path, arrival, &reply);
    arrival->ends_the_connection = fault.kind == FAULT_HANG_UP;
    result = deliver(server, connection, &fault, &reply);
    reply_clear(&reply);
    return result;
}

static void on_request_end(void *context, struct MHD_Connection *connection, void **arrival_place,
                           enum MHD_RequestTerminationCode code)
{
    struct arrival *arrival = *arrival_place;

    (void)context;
    (void)code;
    if (arrival == NULL)
        return;
    if (arrival->ends_the_connection)
        shutdown(descriptor_of(connection), SHUT_RDWR); /* no close_notify either */
    request_clear(&arrival->request);
    free(arrival);
    *arrival_place = NULL;
}

/* The memory of the connection shows whether a request has arrived on it. */
static void on_connection(void *context, struct MHD_Connection *connection, void **is_session,
                          enum MHD_ConnectionNotificationCode code)
{
    (void)context;
    (void)connection;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *is_session = calloc(1, sizeof(bool));
    } else {
        free(*is_session);
        *is_session = NULL;
    }
}

/* Life */

struct server *server_start(struct service *service, const char *certificate, const char *key)
{
    struct server *server = calloc(1, sizeof *server);

    if (server == NULL)
        return NULL;
    server->service = service;
    server->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    /* Without a listening socket: the listener decides when a connection begins. */
    if (server->stop >= 0)
        server->daemon = MHD_start_daemon(
            MHD_USE_TLS | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET
                | MHD_USE_ITC,
            0, NULL, NULL, on_request, server, MHD_OPTION_HTTPS_MEM_CERT, certificate, MHD_OPTION_HTTPS_MEM_KEY, key,
            MHD_OPTION_HTTPS_PRIORITIES, "NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3", MHD_OPTION_NOTIFY_COMPLETED,
            on_request_end, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL, MHD_OPTION_CONNECTION_TIMEOUT,
            (unsigned)IDLE_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_MAX, MHD_OPTION_END);
    if (server->daemon == NULL)
        server_stop(&server);
    return server;
}

void server_stop(struct server **server)
{
    if (*server == NULL)
        return;
    if ((*server)->daemon != NULL) {
        eventfd_write((*server)->stop, 1); /* those that wait would keep MHD_stop_daemon() waiting */
        MHD_stop_daemon((*server)->daemon);
    }
    if ((*server)->stop >= 0)
        close((*server)->stop);
    free(*server);
    *server = NULL;
}

void server_serve(struct server *server, int fd, const struct sockaddr *address, socklen_t address_len)
{
    MHD_add_connection(server->daemon, fd, address, address_len); /* closes it when it fails */
}
