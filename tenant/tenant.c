#include "tenant/tenant.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/trusted_file.h"
#include "token/jwt.h"

#define CA_FILE_MAX    (1U << 20) /* bytes */
#define ESCAPED_ID_MAX (3 * SUBJECT_MAX + 1)

void tenant_request_clear(struct tenant_request *request)
{
    secret_clear(&request->ca);
    secret_clear(&request->body);
    request->http = (struct http_request){ .method = NULL };
}

static bool read_authorities(struct verdict *verdict, const struct tenant *tenant, struct tenant_request *request)
{
    struct file_error error;
    struct file_stamp stamp;

    if (tenant->ca_file == NULL)
        return true;
    if (!trusted_file_read(tenant->ca_file, TRUSTED_PUBLIC, NULL, CA_FILE_MAX, &request->ca, &stamp, &error))
        return verdict_reject(verdict, REASON_CONFIG_INVALID, "%s: %s", tenant->ca_file, error.text);
    /* An empty text would select the system's authorities. */
    if (request->ca.len == 0)
        return verdict_reject(verdict, REASON_CONFIG_INVALID, "%s: is empty", tenant->ca_file);
    request->http.ca = (struct slice){ request->ca.bytes, request->ca.len };
    return true;
}

bool tenant_request_begin(struct verdict *verdict, const struct tenant *tenant, int timeout_ms,
                          struct tenant_request *ret_request, const char *format, ...)
{
    va_list arguments;
    int len;

    *ret_request = (struct tenant_request){ .http = { .method = "GET", .timeout_ms = timeout_ms } };
    va_start(arguments, format);
    len = vsnprintf(ret_request->http.url, HTTP_URL_MAX, format, arguments);
    va_end(arguments);
    if (len < 0 || len >= HTTP_URL_MAX)
        return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE, "the address is longer than %d bytes",
                              HTTP_URL_MAX - 1);
    return read_authorities(verdict, tenant, ret_request);
}

/* A request to the API, for which the tenant needs a url. */
static bool begin_api(struct verdict *verdict, const struct tenant *tenant, const struct tenant_credential *credential,
                      int timeout_ms, const char *path, struct tenant_request *ret_request)
{
    if (tenant->url == NULL)
        return verdict_reject(verdict, REASON_CONFIG_INVALID, "tenant %s has no url", tenant->id);
    if (!tenant_request_begin(verdict, tenant, timeout_ms, ret_request, "%s/tenant/%s/api/%s", tenant->url, tenant->id,
                              path))
        return false;
    ret_request->http.api_key = credential->api_key;
    ret_request->http.bearer = credential->bearer;
    return true;
}

/* Make it a POST of {name: value}. */
static bool post_member(struct verdict *verdict, struct tenant_request *request, const char *name, struct slice value)
{
    CLEANUP(json_free) struct json *object = json_new_object();
    struct slice text = { NULL, 0 };

    if (object != NULL && json_add(object, name, json_new_string(value)))
        text = slice_of(json_print(object, false));
    if (text.len == 0 || !secret_copy(text, &request->body))
        return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "a request to the tenant service");
    request->http.method = "POST";
    request->http.content_type = "application/json";
    request->http.body = (struct slice){ request->body.bytes, request->body.len };
    return true;
}

bool tenant_exchange_request(struct verdict *verdict, const struct tenant *tenant, struct slice subject,
                             struct slice api_key, int timeout_ms, struct tenant_request *ret_request)
{
    const struct tenant_credential credential = { .api_key = api_key };

    return begin_api(verdict, tenant, &credential, timeout_ms, "Auth/token-exchange", ret_request)
        && post_member(verdict, ret_request, "userId", subject);
}

bool tenant_keys_request(struct verdict *verdict, const struct tenant *tenant,
                         const struct tenant_credential *credential, int timeout_ms, struct tenant_request *ret_request)
{
    return begin_api(verdict, tenant, credential, timeout_ms, "APIKeys", ret_request);
}

bool tenant_new_key_request(struct verdict *verdict, const struct tenant *tenant,
                            const struct tenant_credential *credential, const char *type, int timeout_ms,
                            struct tenant_request *ret_request)
{
    return begin_api(verdict, tenant, credential, timeout_ms, "APIKeys", ret_request)
        && post_member(verdict, ret_request, "type", slice_of(type));
}

bool tenant_users_request(struct verdict *verdict, const struct tenant *tenant,
                          const struct tenant_credential *credential, unsigned page, unsigned page_size, int timeout_ms,
                          struct tenant_request *ret_request)
{
    char path[64];

    snprintf(path, sizeof path, "Users?pageNumber=%u&pageSize=%u", page, page_size);
    return begin_api(verdict, tenant, credential, timeout_ms, path, ret_request);
}

/* Dot segments select another path (RFC 3986 §5.2.4), escaped or not. An empty id selects all users. */
static bool is_segment(struct slice id)
{
    return id.len > 0 && !slice_equal_string(id, ".") && !slice_equal_string(id, "..");
}

bool tenant_user_request(struct verdict *verdict, const struct tenant *tenant,
                         const struct tenant_credential *credential, struct slice user, int timeout_ms,
                         struct tenant_request *ret_request)
{
    char path[sizeof "Users/" + ESCAPED_ID_MAX] = "Users/";

    if (!is_segment(user))
        return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE, "invalid user id");
    if (!http_escape(user, path + strlen(path), ESCAPED_ID_MAX))
        return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE, "a user id of %zu bytes is too long", user.len);
    return begin_api(verdict, tenant, credential, timeout_ms, path, ret_request);
}

bool tenant_reply_check(struct verdict *verdict, const struct http_reply *reply)
{
    if (!reply->arrived)
        return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE, "%s", reply->error);
    if (reply->status == 401 || reply->status == 403)
        return verdict_reject(verdict, REASON_CREDENTIAL_REFUSED, "status %d", reply->status);
    if (reply->retry_after >= 0 && (reply->status == 429 || reply->status == 503))
        return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE, "status %d, retry after %d s", reply->status,
                              reply->retry_after);
    return (reply->status >= 200 && reply->status <= 299)
        || verdict_reject(verdict, REASON_TENANT_UNAVAILABLE, "status %d", reply->status);
}

/* RFC 8259 §11, RFC 6839 §3.1: application/json, or a type with the suffix +json; parameters may follow. */
static bool is_json_type(const char *content_type)
{
    static const char json[] = "application/json", suffix[] = "+json";
    struct slice type = { content_type, strcspn(content_type, "; \t") };

    if (slice_equal_nocase(type, json))
        return true;
    return type.len > sizeof suffix - 1
        && slice_equal_nocase((struct slice){ type.bytes + type.len - (sizeof suffix - 1), sizeof suffix - 1 }, suffix);
}

bool tenant_reply_read(struct verdict *verdict, const struct http_reply *reply, struct json **ret_json)
{
    enum json_error error;

    if (!tenant_reply_check(verdict, reply))
        return false;
    if (!is_json_type(reply->content_type))
        return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE, "the reply is not JSON, but \"%s\"",
                              reply->content_type);
    if (!json_parse((struct slice){ reply->body.bytes, reply->body.len }, ret_json, &error))
        return verdict_reject(verdict, error == JSON_OUT_OF_MEMORY ? REASON_OUT_OF_MEMORY : REASON_TENANT_UNAVAILABLE,
                              "the reply is malformed JSON: %s", json_error_text(error));
    if (json_type_of(*ret_json) == JSON_OBJECT)
        return true;
    json_free(ret_json);
    return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE, "the reply is not a JSON object");
}

/* A member that is a secret: printable ASCII of at most `max` bytes, without the bytes of `without`. */
static bool read_secret(struct verdict *verdict, const struct http_reply *reply, const char *name, size_t max,
                        const char *without, struct secret *ret_secret)
{
    CLEANUP(json_free) struct json *json = NULL;
    struct slice value;

    if (!tenant_reply_read(verdict, reply, &json))
        return false;
    if (!json_string(json_member(json, name), &value) || value.len > max || !text_is_visible(value, without))
        return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE, "\"%s\" in the reply is missing or malformed", name);
    return secret_copy(value, ret_secret) || verdict_reject(verdict, REASON_OUT_OF_MEMORY, "the reply");
}

bool tenant_exchange_read(struct verdict *verdict, const struct http_reply *reply, struct secret *ret_token)
{
    /* A JWT does not contain them, and the answer of latchkeyd would have to escape them (ipc/protocol.h). */
    return read_secret(verdict, reply, "token", JWT_MAX_LEN, "\"\\", ret_token);
}

bool tenant_new_key_read(struct verdict *verdict, const struct http_reply *reply, struct secret *ret_api_key)
{
    return read_secret(verdict, reply, "apiKey", CONFIG_API_KEY_MAX, "", ret_api_key);
}
