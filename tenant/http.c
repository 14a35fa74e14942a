#include "tenant/http.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <curl/curl.h>
#include <openssl/ssl.h>

#include "base/text.h"

#define HEADER_LINE_MAX 20000 /* bytes: a bearer token of 16 KiB and its name */

/*
 * libcurl's memory contains headers with keys and tokens, and bodies, and libcurl does not wipe it. So all of it is
 * wiped when it is freed, also the old block of a realloc().
 */
static void wiping_free(void *memory)
{
    if (memory != NULL)
        secret_wipe(memory, malloc_usable_size(memory));
    free(memory);
}

static void *wiping_realloc(void *memory, size_t size)
{
    size_t old = memory != NULL ? malloc_usable_size(memory) : 0;
    void *larger;

    if (size <= old && size > 0)
        return memory;
    larger = malloc(size);
    if (larger == NULL)
        return NULL;
    if (old > 0)
        memcpy(larger, memory, old < size ? old : size);
    wiping_free(memory);
    return larger;
}

/* A request that is under way. */
struct transfer {
    struct http *http;
    struct transfer *next, **previous;
    CURL *easy;
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE]; /* libcurl's */
    char refusal[64];            /* why the write callback refused the body */
    size_t body_max;
    size_t room;
    struct http_reply reply;
    http_done *done;
    void *context;
};

struct http {
    CURLM *multi;
    struct transfer *transfers;
};

void http_reply_clear(struct http_reply *reply)
{
    secret_clear(&reply->body);
    *reply = (struct http_reply){ .arrived = false };
}

static bool start_libcurl(void)
{
    static bool is_started;

    /* It names a file for the secrets of all TLS connections. */
    unsetenv("SSLKEYLOGFILE");
    if (!is_started)
        is_started =
            curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiping_free, wiping_realloc, strdup, calloc) == CURLE_OK;
    return is_started;
}

static void transfer_free(struct transfer *transfer)
{
    if (transfer->previous != NULL) {
        *transfer->previous = transfer->next;
        if (transfer->next != NULL)
            transfer->next->previous = transfer->previous;
        curl_multi_remove_handle(transfer->http->multi, transfer->easy);
    }
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    http_reply_clear(&transfer->reply);
    free(transfer);
}

/* Grows by doubling, and wipes the old block. */
static bool make_room(struct transfer *transfer, size_t needed)
{
    struct secret *body = &transfer->reply.body;
    size_t room = transfer->room > 0 ? transfer->room : 4096;
    char *larger;

    while (room < needed)
        room *= 2;
    if (room == transfer->room)
        return true;
    larger = malloc(room);
    if (larger == NULL)
        return false;
    if (body->len > 0)
        memcpy(larger, body->bytes, body->len);
    secret_wipe(body->bytes, body->len);
    free(body->bytes);
    body->bytes = larger;
    transfer->room = room;
    return true;
}

/* libcurl's write callback: anything but `len` ends the transfer. */
static size_t take_body(char *bytes, size_t size, size_t len, void *context)
{
    struct transfer *transfer = context;
    struct secret *body = &transfer->reply.body;

    (void)size; /* always 1 */
    if (len > transfer->body_max - body->len) {
        snprintf(transfer->refusal, sizeof transfer->refusal, "the reply is longer than %zu bytes", transfer->body_max);
        return 0;
    }
    if (!make_room(transfer, body->len + len)) {
        snprintf(transfer->refusal, sizeof transfer->refusal, "out of memory");
        return 0;
    }
    memcpy(body->bytes + body->len, bytes, len);
    body->len += len;
    return len;
}

/* libcurl looks for an address, opens a socket, or sends the request on a connection that is open: it has begun. */
static int begin_lookup(void *resolver, void *reserved, void *context)
{
    struct transfer *transfer = context;

    (void)resolver;
    (void)reserved;
    transfer->reply.has_begun = true;
    return 0;
}

static curl_socket_t begin_connect(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = context;

    (void)purpose;
    transfer->reply.has_begun = true;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int begin_request(void *context, char *remote, char *local, int remote_port, int local_port)
{
    struct transfer *transfer = context;

    (void)remote;
    (void)local;
    (void)remote_port;
    (void)local_port;
    transfer->reply.has_begun = true;
    return CURL_PREREQFUNC_OK;
}

static void keep_header(CURL *easy, const char *name, char value[HTTP_HEADER_MAX])
{
    struct curl_header *header;

    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK
        && strlen(header->value) < HTTP_HEADER_MAX && !text_has_control(slice_of(header->value)))
        snprintf(value, HTTP_HEADER_MAX, "%s", header->value);
}

static void read_headers(struct transfer *transfer)
{
    struct http_reply *reply = &transfer->reply;
    char seconds[HTTP_HEADER_MAX] = "";
    char *end;
    long status = 0, value;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    reply->status = (int)status;
    keep_header(transfer->easy, "Content-Type", reply->content_type);
    keep_header(transfer->easy, "ETag", reply->etag);
    keep_header(transfer->easy, "Last-Modified", reply->last_modified);
    keep_header(transfer->easy, "Retry-After", seconds);
    value = strtol(seconds, &end, 10);
    if (seconds[0] >= '0' && seconds[0] <= '9' && *end == '\0')
        reply->retry_after = value < 86400 ? (int)value : 86400;
}

/* "X-API-Key: ", value. The line is wiped; libcurl has its copy. */
static bool add_header(struct transfer *transfer, const char *name, struct slice value)
{
    char line[HEADER_LINE_MAX];
    struct curl_slist *longer;
    int len;

    if (value.len == 0)
        return true;
    len = snprintf(line, sizeof line, "%s%.*s", name, SLICE_ARG(value));
    longer = len >= 0 && (size_t)len < sizeof line ? curl_slist_append(transfer->headers, line) : NULL;
    secret_wipe(line, len >= 0 && (size_t)len < sizeof line ? (size_t)len : sizeof line);
    if (longer == NULL)
        return false;
    transfer->headers = longer;
    return true;
}

static bool set_headers(struct transfer *transfer, const struct http_request *request)
{
    const struct {
        const char *name;
        struct slice value;
    } headers[] = {
        { "X-API-Key: ", request->api_key },
        { "Authorization: Bearer ", request->bearer },
        { "Content-Type: ", slice_of(request->content_type) },
        { "If-None-Match: ", slice_of(request->etag) },
        { "If-Modified-Since: ", slice_of(request->last_modified) },
        { "Accept: ", slice_of("application/json") },
    };
    size_t i;

    for (i = 0; i < sizeof headers / sizeof headers[0]; i++)
        if (!add_header(transfer, headers[i].name, headers[i].value))
            return false;
    return curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK;
}

/* The limits of http.h. */
static const struct {
    CURLoption option;
    long value;
} limits[] = {
    { CURLOPT_FOLLOWLOCATION, 0 }, /* a redirect would carry the key to another host */
    { CURLOPT_SSL_VERIFYPEER, 1 },
    { CURLOPT_SSL_VERIFYHOST, 2 },
    { CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
    { CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 }, /* HPACK would remember the key with the connection */
    { CURLOPT_NETRC, CURL_NETRC_IGNORED },
    { CURLOPT_NOSIGNAL, 1 },   /* signals belong to the program's loop */
    { CURLOPT_QUICK_EXIT, 1 }, /* a slow name server delays its own request alone */
    { CURLOPT_NOPROGRESS, 1 },
    { CURLOPT_TCP_KEEPALIVE, 1 },
    { CURLOPT_TCP_NODELAY, 1 },
#if LIBCURL_VERSION_NUM >= 0x075700
    { CURLOPT_CA_CACHE_TIMEOUT, 0 }, /* s; the default is a day, in which a removed authority would still be trusted */
#endif
};

static const struct {
    CURLoption option;
    const char *value;
} texts[] = {
    { CURLOPT_PROTOCOLS_STR, "https" },
    { CURLOPT_PROXY, "" }, /* none, also when the environment has one */
    { CURLOPT_NOPROXY, "*" },
    { CURLOPT_ACCEPT_ENCODING, NULL }, /* no compression: a small reply cannot become a large one */
    { CURLOPT_USERAGENT, "latchkey/" LATCHKEY_VERSION },
};

/* The read buffer of a connection that is kept would keep the last reply. */
static CURLcode forget_what_was_read(CURL *easy, void *ssl_context, void *context)
{
    (void)easy, (void)context;
    SSL_CTX_set_options(ssl_context, SSL_OP_CLEANSE_PLAINTEXT);
    return CURLE_OK;
}

static bool is_of_openssl(void)
{
    const char *name = curl_version_info(CURLVERSION_NOW)->ssl_version;

    return name != NULL && strncmp(name, "OpenSSL/", strlen("OpenSSL/")) == 0;
}

static bool set_limits(CURL *easy)
{
    size_t i;

    if (is_of_openssl() && curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, forget_what_was_read) != CURLE_OK)
        return false;
    for (i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (curl_easy_setopt(easy, limits[i].option, limits[i].value) != CURLE_OK)
            return false;
    for (i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (curl_easy_setopt(easy, texts[i].option, texts[i].value) != CURLE_OK)
            return false;
    return true;
}

static bool set_request(struct transfer *transfer, const struct http_request *request)
{
    struct curl_blob ca = { (void *)request->ca.bytes, request->ca.len, CURL_BLOB_COPY };
    CURL *easy = transfer->easy;

    if (curl_easy_setopt(easy, CURLOPT_URL, request->url) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms) != CURLE_OK
        || curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->timeout_ms * 2 / 3 + 1) != CURLE_OK)
        return false;
    if (request->ca.len > 0
        && (curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca) != CURLE_OK
            || curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) != CURLE_OK))
        return false;
    return strcmp(request->method, "POST") != 0
        || (curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)request->body.len) == CURLE_OK
            && curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body.len > 0 ? request->body.bytes : "")
                == CURLE_OK);
}

static bool set_callbacks(struct transfer *transfer)
{
    bool ok = true;

    ok &= curl_easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK;
    ok &= curl_easy_setopt(transfer->easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK;
    ok &= curl_easy_setopt(transfer->easy, CURLOPT_RESOLVER_START_FUNCTION, begin_lookup) == CURLE_OK;
    ok &= curl_easy_setopt(transfer->easy, CURLOPT_RESOLVER_START_DATA, transfer) == CURLE_OK;
    ok &= curl_easy_setopt(transfer->easy, CURLOPT_OPENSOCKETFUNCTION, begin_connect) == CURLE_OK;
    ok &= curl_easy_setopt(transfer->easy, CURLOPT_OPENSOCKETDATA, transfer) == CURLE_OK;
    ok &= curl_easy_setopt(transfer->easy, CURLOPT_PREREQFUNCTION, begin_request) == CURLE_OK;
    ok &= curl_easy_setopt(transfer->easy, CURLOPT_PREREQDATA, transfer) == CURLE_OK;
    ok &= curl_easy_setopt(transfer->easy, CURLOPT_ERRORBUFFER, transfer->error) == CURLE_OK;
    ok &= curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer) == CURLE_OK;
    return ok;
}

bool http_start(struct http *http, const struct http_request *request, http_done *done, void *context)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);

    if (transfer == NULL)
        return false;
    transfer->http = http;
    transfer->body_max = request->body_max > 0 ? request->body_max : HTTP_BODY_MAX;
    transfer->reply.retry_after = -1;
    transfer->done = done;
    transfer->context = context;
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL || !set_limits(transfer->easy) || !set_request(transfer, request)
        || !set_headers(transfer, request) || !set_callbacks(transfer)
        || curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK) {
        transfer_free(transfer);
        return false;
    }
    transfer->next = http->transfers;
    transfer->previous = &http->transfers;
    if (transfer->next != NULL)
        transfer->next->previous = &transfer->next;
    http->transfers = transfer;
    return true;
}

static void finish(struct transfer *transfer, CURLcode result)
{
    struct http_reply *reply = &transfer->reply;
    const char *error = transfer->refusal;

    if (error[0] == '\0')
        error = transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(result);
    reply->arrived = result == CURLE_OK;
    if (reply->arrived)
        read_headers(transfer);
    else
        snprintf(reply->error, sizeof reply->error, "%.180s", error);
    transfer->done(transfer->context, reply);
    transfer_free(transfer);
}

static void finish_all(struct http *http)
{
    struct transfer *transfer;
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(http->multi, &left)) != NULL)
        if (message->msg == CURLMSG_DONE
            && curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer) == CURLE_OK)
            finish(transfer, message->data.result);
}

/* Ends each request under way, with a reply that did not arrive. */
static void abandon_all(struct http *http)
{
    while (http->transfers != NULL)
        finish(http->transfers, CURLE_ABORTED_BY_CALLBACK);
}

void http_free(struct http **http)
{
    if (http == NULL || *http == NULL)
        return;
    abandon_all(*http);
    if ((*http)->multi != NULL)
        curl_multi_cleanup((*http)->multi);
    free(*http);
    *http = NULL;
}

struct http *http_new(unsigned connections)
{
    struct http *http = calloc(1, sizeof *http);

    if (http == NULL || !start_libcurl() || (http->multi = curl_multi_init()) == NULL
        || curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)connections) != CURLM_OK)
        http_free(&http);
    return http;
}

static bool wait_for(struct http *http, struct pollfd *descriptors, size_t count, int timeout_ms)
{
    struct curl_waitfd *waiting = count > 0 ? calloc(count, sizeof *waiting) : NULL;
    CURLMcode result;
    size_t i;

    if (count > 0 && waiting == NULL)
        return false;
    for (i = 0; i < count; i++) /* libcurl's constants are those of poll(2) */
        waiting[i] = (struct curl_waitfd){ .fd = descriptors[i].fd, .events = descriptors[i].events };
    result = curl_multi_poll(http->multi, waiting, (unsigned)count, timeout_ms, NULL);
    for (i = 0; i < count; i++)
        descriptors[i].revents = waiting[i].revents;
    free(waiting);
    if (result == CURLM_OK)
        return true;
    errno = result == CURLM_OUT_OF_MEMORY ? ENOMEM : EIO;
    return false;
}

bool http_run(struct http *http, struct pollfd *descriptors, size_t count, int timeout_ms)
{
    int running;

    if (count > HTTP_DESCRIPTORS_MAX) {
        errno = EINVAL;
        return false;
    }
    if (!wait_for(http, descriptors, count, timeout_ms))
        return false;
    if (curl_multi_perform(http->multi, &running) != CURLM_OK) {
        errno = EIO;
        return false;
    }
    finish_all(http);
    return true;
}

struct waiting_reply {
    struct http_reply reply;
    bool is_done;
};

static void keep_reply(void *context, struct http_reply *reply)
{
    struct waiting_reply *waiting = context;

    waiting->reply = *reply;
    reply->body = (struct secret){ NULL, 0 };
    waiting->is_done = true;
}

void http_perform(struct http *http, const struct http_request *request, struct http_reply *ret_reply)
{
    struct waiting_reply waiting = { .is_done = false };

    if (http_start(http, request, keep_reply, &waiting))
        while (!waiting.is_done && http_run(http, NULL, 0, request->timeout_ms))
            ;
    abandon_all(http); /* when waiting failed: `waiting` ends with this function */
    if (!waiting.is_done)
        snprintf(waiting.reply.error, sizeof waiting.reply.error, "cannot make the request");
    *ret_reply = waiting.reply;
}

bool http_escape(struct slice text, char *escaped, size_t size)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t i, len = 0;

    for (i = 0; i < text.len; i++) {
        bool is_plain = text.bytes[i] != '\0' && strchr(unreserved, text.bytes[i]) != NULL;

        if (len + (is_plain ? 1 : 3) >= size)
            return false;
        if (is_plain)
            escaped[len++] = text.bytes[i];
        else
            len += (size_t)snprintf(escaped + len, size - len, "%%%02X", (unsigned char)text.bytes[i]);
    }
    escaped[len] = '\0';
    return true;
}
