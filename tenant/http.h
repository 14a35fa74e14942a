/*
 * HTTPS to the tenant service: the only user of libcurl, which is never loaded into a host process. http.c sets these
 * limits, and no caller can change them:
 *   - only https, TLS 1.2 or later, certificate and name always verified
 *   - no redirect (it would carry a key to another host), no proxy, no netrc, no cookie, no compression
 *   - nothing from the environment: variables such as SSLKEYLOGFILE and *_PROXY are not read
 *   - HTTP/1.1: HTTP/2 would keep headers, and with them API keys, in the tables of a connection
 *   - a deadline for each request, and a bound on each reply
 *   - a new connection trusts the authorities of the request, or those that the system has now; a connection that was
 *     made with other authorities is not used again
 * Memory that libcurl frees is wiped, and so are OpenSSL's read buffers.
 *
 * One thread uses a struct http; several requests may be under way in it. Connections are kept alive.
 */
#ifndef LATCHKEY_HTTP_H
#define LATCHKEY_HTTP_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/secret.h"
#include "base/slice.h"

#define HTTP_URL_MAX    2048  /* bytes with the NUL */
#define HTTP_BODY_MAX   65536 /* bytes of a reply, unless the request has another limit */
#define HTTP_HEADER_MAX 256   /* bytes with the NUL of a header's value in a reply; a longer value is omitted */
#define HTTP_ERROR_MAX  192

#define HTTP_DESCRIPTORS_MAX 4096 /* descriptors of the caller that http_run() waits for */

/* http_start() copies everything. */
struct http_request {
    const char *method; /* "GET", or "POST" with a body */
    char url[HTTP_URL_MAX];
    struct slice ca;      /* PEM of the authorities to trust; empty: the system's */
    struct slice api_key; /* as X-API-Key; empty: none. Printable ASCII */
    struct slice bearer;  /* as Authorization: Bearer; empty: none. Printable ASCII */
    const char *content_type;
    struct slice body;
    const char *etag;          /* as If-None-Match; NULL: none */
    const char *last_modified; /* as If-Modified-Since; NULL: none */
    size_t body_max;           /* bytes of the reply; 0: HTTP_BODY_MAX */
    int timeout_ms;            /* of the whole request; connecting and TLS may take two thirds of it */
};

struct http_reply {
    bool arrived;               /* complete and in time, with any status */
    bool has_begun;             /* the request got a connection */
    char error[HTTP_ERROR_MAX]; /* why it did not arrive */
    int status;
    char content_type[HTTP_HEADER_MAX]; /* empty: none; so are the others */
    char etag[HTTP_HEADER_MAX];
    char last_modified[HTTP_HEADER_MAX];
    int retry_after; /* s; -1: absent, or a date */
    struct secret body;
};

void http_reply_clear(struct http_reply *reply); /* wipes; accepts a zero-initialised one */

struct http;

/* NULL when out of memory, or when libcurl does not start. At most `connections` to one host; further requests wait for
 * a connection until their deadline, and do not delay requests to other hosts. End with http_free(), which calls `done`
 * for each request under way, with a reply that did not arrive. */
struct http *http_new(unsigned connections);
void http_free(struct http **http); /* accepts NULL and a pointer to NULL; leaves NULL */

/* Called once for each request that was started, from within http_run(). The reply is lent; the callee may take the
 * body out of it, and owns it then. */
typedef void http_done(void *context, struct http_reply *reply);

/* False when out of memory, or when libcurl refuses a part of the request; `done` is not called then. */
bool http_start(struct http *http, const struct http_request *request, http_done *done, void *context);

/* Work on the requests until there is an event on one of them or on one of the caller's descriptors, or the time is
 * over. As poll(2), with at most HTTP_DESCRIPTORS_MAX descriptors. False with errno when waiting fails. */
bool http_run(struct http *http, struct pollfd *descriptors, size_t count, int timeout_ms);

/* Start a request and wait for the reply; no other request may be under way. End the reply with http_reply_clear(). */
void http_perform(struct http *http, const struct http_request *request, struct http_reply *ret_reply);

/* Percent-encode all but unreserved characters (RFC 3986 §2.3). False when it does not fit; size counts the NUL. */
bool http_escape(struct slice text, char *escaped, size_t size);

#endif
