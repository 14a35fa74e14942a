#include "devel/tenantd/handlers.h"

#include <string.h>

#include "base/cleanup.h"
#include "devel/tenantd/files.h"
#include "devel/tenantd/members.h"
#include "devel/tenantd/tokens.h"

#define PAGE_NUMBER_MAX   1000000
#define PAGE_SIZE_MAX     1000
#define PAGE_SIZE_DEFAULT 100

/* The body as a JSON object; answers with 4xx itself when it is none. */
static bool read_body(const struct request *request, struct reply *reply, struct json **ret_body)
{
    enum json_error error;

    if (!request_has_type(request, "application/json")) {
        reply_error(reply, 415, "invalid_request", "the body must be application/json");
        return false;
    }
    if (!json_parse((struct slice){ request->body.bytes, request->body.len }, ret_body, &error)
        || json_type_of(*ret_body) != JSON_OBJECT) {
        reply_error(reply, 400, "invalid_request", "the body must be a JSON object");
        return false;
    }
    return true;
}

/* API key → JWT of one user */

static struct json *exchange_json(const char *token, int64_t lifetime)
{
    struct json *body = json_new_object();

    if (body != NULL
        && (!json_add_text(body, "token", token) || !json_add_text(body, "tokenType", "Bearer")
            || !json_add(body, "expiresIn", json_new_integer(lifetime))))
        json_free(&body);
    return body;
}

void handle_exchange(struct service *service, const struct request *request, struct reply *reply)
{
    CLEANUP(json_free) struct json *body = NULL;
    CLEANUP(text_free) char *token = NULL;
    int64_t lifetime = service->settings.exchange_lifetime;
    const struct user *user;
    struct slice id;

    if (!authorise_api_key(service, request, reply) || !read_body(request, reply, &body))
        return;
    if (!json_string(json_member(body, "userId"), &id)) {
        reply_error(reply, 400, "invalid_request", "userId is missing");
        return;
    }
    user = state_user(service->state, id);
    if (user == NULL || !user->enabled) {
        reply_error(reply, 404, "not_found", "there is no such user");
        return;
    }
    token = token_issue(service, user, lifetime, request->now, slice_of(NULL), request->spoil);
    reply_json(reply, 200, token != NULL ? exchange_json(token, lifetime) : NULL);
    reply_header(reply, "Cache-Control", "no-store");
}

/* API keys */

void handle_create_api_key(struct service *service, const struct request *request, struct reply *reply)
{
    CLEANUP(json_free) struct json *body = NULL;
    char former[SECRET_SIZE];
    struct json *answer;
    struct slice name;
    enum api_key_type type;

    if (!authorise_management(service, request, reply) || !read_body(request, reply, &body))
        return;
    if (!json_string(json_member(body, "type"), &name) || !api_key_type_find(name, &type)) {
        reply_error(reply, 400, "invalid_request", "type must be primary or secondary");
        return;
    }
    memcpy(former, service->state->api_keys[type], sizeof former);
    state_new_api_key(service->state, type);
    if (!state_save(service->state)) { /* a key that is not on the disk would end with this process */
        memcpy(service->state->api_keys[type], former, sizeof former);
        reply_error(reply, 500, "server_error", "the state cannot be written");
        return;
    }
    answer = json_new_object();
    if (answer != NULL && !json_add_text(answer, "apiKey", service->state->api_keys[type]))
        json_free(&answer);
    reply_json(reply, 200, answer);
    reply_header(reply, "Cache-Control", "no-store");
}

void handle_read_api_keys(struct service *service, const struct request *request, struct reply *reply)
{
    static const char *const names[API_KEY_TYPES] = { "primaryApiKey", "secondaryApiKey" };
    struct json *answer;
    bool ok;
    size_t i;

    if (!authorise_management(service, request, reply))
        return;
    answer = json_new_object();
    ok = answer != NULL && json_add_text(answer, "tenantId", service->state->tenant);
    for (i = 0; ok && i < API_KEY_TYPES; i++) {
        const char *key = service->state->api_keys[i];

        ok = json_add(answer, names[i], key[0] != '\0' ? json_new_string(slice_of(key)) : json_new_null());
    }
    if (!ok)
        json_free(&answer);
    reply_json(reply, 200, answer);
    reply_header(reply, "Cache-Control", "no-store");
}

/* Users */

static struct json *user_json(const struct service *service, const struct user *user)
{
    struct json *object = json_new_object(), *groups = json_new_array();
    bool ok = object != NULL;
    size_t i;

    for (i = 0; i < user->group_count; i++)
        ok &= json_append(groups, json_new_string(slice_of(user->groups[i])));
    ok &= json_add(object, "groups", groups);
    ok &= json_add_text(object, "userId", user->id);
    ok &= json_add_text(object, "email", user->email);
    ok &= json_add_text(object, "displayName", user->name);
    ok &= json_add_text(object, "userType", user->type);
    ok &= json_add_text(object, "tenantId", service->state->tenant);
    ok &= json_add(object, "enabled", json_new_boolean(user->enabled));
    if (!ok)
        json_free(&object);
    return object;
}

void handle_me(struct service *service, const struct request *request, struct reply *reply)
{
    const struct user *user = authorise_user(service, request, reply);

    if (user != NULL)
        reply_json(reply, 200, user_json(service, user));
}

void handle_user(struct service *service, const struct request *request, struct reply *reply)
{
    const struct user *user;

    if (!authorise_management(service, request, reply))
        return;
    user = state_user(service->state, slice_of(request->rest));
    if (user != NULL)
        reply_json(reply, 200, user_json(service, user));
    else
        reply_error(reply, 404, "not_found", "there is no such user");
}

/* A query parameter of 1 … max; the default when it is absent. */
static bool read_count(const struct request *request, const char *name, size_t max, size_t *number)
{
    struct slice text;
    size_t i, value = 0;

    if (!fields_find(&request->query, name, &text))
        return true;
    for (i = 0; i < text.len && text.bytes[i] >= '0' && text.bytes[i] <= '9' && value <= max; i++)
        value = value * 10 + (size_t)(text.bytes[i] - '0');
    *number = value;
    return i == text.len && value >= 1 && value <= max;
}

void handle_users(struct service *service, const struct request *request, struct reply *reply)
{
    const struct state *state = service->state;
    size_t page = 1, size = PAGE_SIZE_DEFAULT, i;
    struct json *answer, *data;
    bool ok;

    if (!authorise_management(service, request, reply))
        return;
    if (!read_count(request, "pageNumber", PAGE_NUMBER_MAX, &page)
        || !read_count(request, "pageSize", PAGE_SIZE_MAX, &size)) {
        reply_error(reply, 400, "invalid_request",
                    "pageNumber and pageSize are numbers from 1 on, pageSize up to 1000");
        return;
    }
    answer = json_new_object();
    data = json_new_array();
    ok = answer != NULL && data != NULL;
    for (i = (page - 1) * size; ok && i < state->user_count && i < page * size; i++)
        ok = json_append(data, user_json(service, &state->users[i]));
    ok = json_add(answer, "data", data) && ok && json_add(answer, "pageNumber", json_new_integer((int64_t)page))
        && json_add(answer, "pageSize", json_new_integer((int64_t)size))
        && json_add(answer, "totalRecords", json_new_integer((int64_t)state->user_count));
    if (!ok)
        json_free(&answer);
    reply_json(reply, 200, answer);
}
