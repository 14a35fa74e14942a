#include "devel/tenantd/http.h"

#include <stddef.h>

#include "devel/tenantd/members.h"

void request_clear(struct request *request)
{
    fields_clear(&request->query);
    fields_clear(&request->headers);
    secret_clear(&request->body);
}

void reply_clear(struct reply *reply)
{
    fields_clear(&reply->headers);
    secret_clear(&reply->body);
    reply->status = 0;
}

void reply_header(struct reply *reply, const char *name, const char *value)
{
    if (!fields_add_text(&reply->headers, name, value))
        reply->status = 500;
}

void reply_text(struct reply *reply, unsigned status, const char *content_type, struct slice body)
{
    reply_clear(reply);
    reply->status = secret_copy(body, &reply->body) ? status : 500;
    if (content_type != NULL)
        reply_header(reply, "Content-Type", content_type);
}

void reply_json(struct reply *reply, unsigned status, struct json *body)
{
    const char *text = json_print(body, false);

    if (text != NULL)
        reply_text(reply, status, "application/json; charset=utf-8", slice_of(text));
    else
        reply_text(reply, 500, NULL, slice_of(NULL));
    json_free(&body);
}

void reply_error(struct reply *reply, unsigned status, const char *error, const char *description)
{
    struct json *body = json_new_object();

    if (body != NULL
        && (!json_add_text(body, "error", error) || !json_add_text(body, "error_description", description)))
        json_free(&body);
    reply_json(reply, status, body);
    reply_header(reply, "Cache-Control", "no-store");
}

bool request_has_type(const struct request *request, const char *type)
{
    struct slice value, rest;

    if (!fields_header(&request->headers, "Content-Type", &value))
        return false;
    slice_cut(value, ';', &value, &rest);
    while (value.len > 0 && value.bytes[value.len - 1] == ' ')
        value.len--;
    return slice_equal_nocase(value, type);
}
