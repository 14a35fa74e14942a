/*
 * Request and reply as the endpoints see them; server.c carries them over the wire.
 */
#ifndef LATCHKEY_TENANTD_HTTP_H
#define LATCHKEY_TENANTD_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/secret.h"
#include "base/slice.h"
#include "devel/tenantd/faults.h"
#include "devel/tenantd/fields.h"

#define REQUEST_BODY_MAX 65536 /* bytes */

struct request {
    const char *method;
    const char *rest; /* of the path, where the route ends in a star */
    struct fields query, headers;
    struct secret body;
    enum fault_kind spoil; /* of the token that this request makes; FAULT_NONE: a good one */
    int64_t now;           /* s since 1970 */
};

/* Zero-initialise it; end it with reply_clear(). Status 0: no reply yet. */
struct reply {
    unsigned status;
    struct fields headers;
    struct secret body;
};

void request_clear(struct request *request);
void reply_clear(struct reply *reply);

/* Each sets the whole reply, in place of the former one. When out of memory it is a 500 without a body. */
void reply_json(struct reply *reply, unsigned status, struct json *body); /* takes the body; NULL: out of memory */
void reply_text(struct reply *reply, unsigned status, const char *content_type, struct slice body);
/* {"error": …, "error_description": …}, the form of RFC 6749 §5.2, for every endpoint. */
void reply_error(struct reply *reply, unsigned status, const char *error, const char *description);
/* Adds a header; the text is copied. */
void reply_header(struct reply *reply, const char *name, const char *value);

/* Whether the request's Content-Type is this one, parameters aside. */
bool request_has_type(const struct request *request, const char *type);

#endif
