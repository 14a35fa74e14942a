/*
 * In place of http.c: it keeps the requests, and the test makes up their replies. http.c is not linked.
 */
#ifndef LATCHKEY_HTTP_DOUBLE_H
#define LATCHKEY_HTTP_DOUBLE_H

#include "tests/support/unit.h"

#include "base/secret.h"
#include "tenant/http.h"

static struct {
    char url[HTTP_URL_MAX];
    char api_key[64], body[256];
    char etag[HTTP_HEADER_MAX], last_modified[HTTP_HEADER_MAX]; /* empty: none */
    bool is_bare;                                               /* a GET without a credential and without a body */
    int timeout_ms;
    http_done *done;
    void *context;
    unsigned requests;
    unsigned memory_for; /* so many more requests; the test says it */
} sent;

bool http_start(struct http *http, const struct http_request *request, http_done *done, void *context)
{
    (void)http;
    if (sent.memory_for == 0)
        return false;
    sent.memory_for--;
    snprintf(sent.url, sizeof sent.url, "%s", request->url);
    snprintf(sent.api_key, sizeof sent.api_key, "%.*s", SLICE_ARG(request->api_key));
    snprintf(sent.body, sizeof sent.body, "%.*s", SLICE_ARG(request->body));
    snprintf(sent.etag, sizeof sent.etag, "%s", request->etag != NULL ? request->etag : "");
    snprintf(sent.last_modified, sizeof sent.last_modified, "%s",
             request->last_modified != NULL ? request->last_modified : "");
    sent.is_bare =
        strcmp(request->method, "GET") == 0 && request->api_key.len + request->bearer.len + request->body.len == 0;
    sent.timeout_ms = request->timeout_ms;
    sent.done = done;
    sent.context = context;
    sent.requests++;
    return true;
}

bool http_escape(struct slice text, char *escaped, size_t size)
{
    (void)text, (void)escaped, (void)size;
    fail();
    return false;
}

/* To the sender of the last request. */
static inline void http_double_reply(struct http_reply *reply, const char *body)
{
    assert_true(secret_copy(slice_of(body), &reply->body));
    sent.done(sent.context, reply);
    secret_clear(&reply->body);
}

#endif
