#include "sasl/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define KVSEP 0x01

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool malformed(const char **ret_error, const char *error)
{
    *ret_error = error;
    return false;
}

static bool check_frame(struct slice message, const char **ret_error)
{
    if (message.len > MESSAGE_MAX)
        return malformed(ret_error, "longer than 64 KiB");
    if (message.len > 0 && memchr(message.bytes, '\0', message.len) != NULL)
        return malformed(ret_error, "a NUL byte");
    return true;
}

/* A name is UTF-8 without control bytes: the log, the mapping and the host process use it. */
static bool keep_user(struct slice user, struct bearer_message *message, const char **ret_error)
{
    if (user.len == 0 || user.len > AUTHZID_MAX)
        return malformed(ret_error, "the authzid is empty or too long");
    if (!text_is_line(user))
        return malformed(ret_error, "the authzid is not text");
    memcpy(message->user, user.bytes, user.len);
    message->user[user.len] = '\0';
    message->has_user = true;
    return true;
}

/* RFC 5801 §4: saslname = 1*(UTF8-char-safe / "=2C" / "=3D"); UTF8-char-safe excludes "," and "=". */
static bool decode_saslname(struct slice name, struct bearer_message *message, const char **ret_error)
{
    char decoded[3 * AUTHZID_MAX]; /* the longest name, with every byte escaped */
    size_t i, len = 0;

    if (name.len > sizeof decoded)
        return malformed(ret_error, "the authzid is empty or too long");
    for (i = 0; i < name.len; i++) {
        struct slice rest = { name.bytes + i, name.len - i < 3 ? name.len - i : 3 };

        if (name.bytes[i] != '=') {
            decoded[len++] = name.bytes[i];
            continue;
        }
        if (!slice_equal_nocase(rest, "=2C") && !slice_equal_nocase(rest, "=3D"))
            return malformed(ret_error, "\"=\" in the authzid is not followed by 2C or 3D");
        decoded[len++] = rest.bytes[1] == '2' ? ',' : '=';
        i += 2;
    }
    return keep_user((struct slice){ decoded, len }, message, ret_error);
}

/* RFC 5801 §4: gs2-cb-flag = ("p=" cb-name) / "n" / "y". These mechanisms bind no channel (RFC 7628 §3),
 * so the flags have one meaning. gs2-nonstd-flag ("F,") is for GSS-API mechanisms only. */
static bool is_cb_flag(struct slice flag)
{
    size_t i;

    if (slice_equal_string(flag, "n") || slice_equal_string(flag, "y"))
        return true;
    if (flag.len < 3 || flag.bytes[0] != 'p' || flag.bytes[1] != '=')
        return false;
    for (i = 2; i < flag.len; i++)
        if (!is_alpha(flag.bytes[i]) && !is_digit(flag.bytes[i]) && flag.bytes[i] != '.' && flag.bytes[i] != '-')
            return false;
    return true;
}

/* gs2-header = gs2-cb-flag "," [ "a=" saslname ] ","; *in is then the rest of the message. */
static bool read_gs2_header(struct slice *in, struct bearer_message *message, const char **ret_error)
{
    struct slice flag, authzid, rest;

    if (!slice_cut(*in, ',', &flag, in) || !is_cb_flag(flag))
        return malformed(ret_error, "no gs2 header");
    if (!slice_cut(*in, ',', &authzid, &rest))
        return malformed(ret_error, "the gs2 header has no end");
    *in = rest;
    if (authzid.len == 0)
        return true;
    if (authzid.len < 2 || authzid.bytes[0] != 'a' || authzid.bytes[1] != '=')
        return malformed(ret_error, "the gs2 header has something other than an authzid");
    return decode_saslname((struct slice){ authzid.bytes + 2, authzid.len - 2 }, message, ret_error);
}

/* RFC 7628 §3.1: key = 1*(ALPHA); value = *(VCHAR / SP / HTAB / CR / LF). */
static bool is_kvpair(struct slice key, struct slice value)
{
    size_t i;

    for (i = 0; i < key.len; i++)
        if (!is_alpha(key.bytes[i]))
            return false;
    for (i = 0; i < value.len; i++)
        if ((value.bytes[i] < ' ' || value.bytes[i] > '~') && strchr("\t\r\n", value.bytes[i]) == NULL)
            return false;
    return key.len > 0;
}

/* RFC 6750 §2.1: "Bearer" 1*SP b64token; the scheme in any case (RFC 9110 §11.1). */
static bool read_auth(struct slice value, struct bearer_message *message, const char **ret_error)
{
    struct slice scheme, bearer;

    if (!slice_cut(value, ' ', &scheme, &bearer) || !slice_equal_nocase(scheme, "Bearer"))
        return malformed(ret_error, "the scheme is not Bearer");
    while (bearer.len > 0 && bearer.bytes[0] == ' ')
        bearer = (struct slice){ bearer.bytes + 1, bearer.len - 1 };
    if (!text_is_visible(bearer, ""))
        return malformed(ret_error, "the token is empty or has blanks");
    message->bearer = bearer;
    return true;
}

/*
 * *(kvpair) kvsep, and nothing after it. host, port and unknown keys are ignored, in any order (§3.1). With an empty
 * value of auth the client asks where to get a token (§4.3).
 */
static bool read_kvpairs(struct slice in, struct bearer_message *message, const char **ret_error)
{
    struct slice pair, key, value;
    bool has_auth = false;

    for (;;) {
        if (!slice_cut(in, KVSEP, &pair, &in))
            return malformed(ret_error, "the key=value pairs have no end");
        if (pair.len == 0)
            break;
        if (!slice_cut(pair, '=', &key, &value) || !is_kvpair(key, value))
            return malformed(ret_error, "a part that is not key=value");
        if (!slice_equal_string(key, "auth"))
            continue;
        if (has_auth)
            return malformed(ret_error, "auth is given twice");
        has_auth = true;
        if (value.len > 0 && !read_auth(value, message, ret_error))
            return false;
    }
    if (in.len > 0)
        return malformed(ret_error, "bytes after the end of the message");
    return has_auth || malformed(ret_error, "auth is missing");
}

bool oauthbearer_read(struct slice message, struct bearer_message *ret, const char **ret_error)
{
    *ret = (struct bearer_message){ .has_user = false };
    if (!check_frame(message, ret_error) || !read_gs2_header(&message, ret, ret_error))
        return false;
    if (message.len == 0 || message.bytes[0] != KVSEP)
        return malformed(ret_error, "only a gs2 header");
    return read_kvpairs((struct slice){ message.bytes + 1, message.len - 1 }, ret, ret_error);
}

bool xoauth2_read(struct slice message, struct bearer_message *ret, const char **ret_error)
{
    static const char prefix[] = "user=";
    const size_t len = sizeof prefix - 1;
    struct slice user;

    *ret = (struct bearer_message){ .has_user = false };
    if (!check_frame(message, ret_error))
        return false;
    if (message.len < len || memcmp(message.bytes, prefix, len) != 0
        || !slice_cut((struct slice){ message.bytes + len, message.len - len }, KVSEP, &user, &message))
        return malformed(ret_error, "the message does not begin with user=");
    return keep_user(user, ret, ret_error) && read_kvpairs(message, ret, ret_error);
}

/* The caller has counted the bytes. */
static void append_part(char **at, struct slice bytes)
{
    if (bytes.len > 0)
        memcpy(*at, bytes.bytes, bytes.len);
    *at += bytes.len;
}

static enum message_written join_parts(const struct slice *parts, size_t count, struct secret *ret)
{
    struct secret text = { NULL, 0 };
    char *at;
    size_t i;

    for (i = 0; i < count; i++)
        text.len += parts[i].len;
    if (text.len > MESSAGE_MAX)
        return MESSAGE_TOO_LONG;
    text.bytes = at = malloc(text.len + 1);
    if (text.bytes == NULL)
        return MESSAGE_NO_MEMORY;
    for (i = 0; i < count; i++)
        append_part(&at, parts[i]);
    *at = '\0';
    *ret = text;
    return MESSAGE_WRITTEN;
}

/* The inverse of decode_saslname(). `encoded` has room for three bytes for each byte of the name. */
static size_t encode_saslname(struct slice name, char *encoded)
{
    size_t i, len = 0;

    for (i = 0; i < name.len; i++)
        if (name.bytes[i] == ',' || name.bytes[i] == '=') {
            memcpy(encoded + len, name.bytes[i] == ',' ? "=2C" : "=3D", 3);
            len += 3;
        } else {
            encoded[len++] = name.bytes[i];
        }
    return len;
}

static bool is_user(struct slice user)
{
    return user.len <= AUTHZID_MAX && text_is_line(user);
}

enum message_written oauthbearer_write(struct slice user, const char *host, struct slice bearer, struct secret *ret)
{
    char encoded[3 * AUTHZID_MAX];
    const struct slice kvsep = { "\1", 1 }, none = { NULL, 0 };
    const bool has_host = host != NULL && text_is_visible(slice_of(host), "");

    if (!is_user(user))
        return MESSAGE_USER_UNFIT;
    if (!text_is_visible(bearer, ""))
        return MESSAGE_BEARER_UNFIT;
    const struct slice parts[] = {
        slice_of("n,"),
        user.len > 0 ? slice_of("a=") : none,
        { encoded, encode_saslname(user, encoded) },
        slice_of(","),
        kvsep,
        has_host ? slice_of("host=") : none,
        has_host ? slice_of(host) : none,
        has_host ? kvsep : none,
        slice_of("auth=Bearer "),
        bearer,
        kvsep,
        kvsep,
    };

    return join_parts(parts, sizeof parts / sizeof parts[0], ret);
}

enum message_written xoauth2_write(struct slice user, struct slice bearer, struct secret *ret)
{
    const struct slice kvsep = { "\1", 1 };
    const struct slice parts[] = { slice_of("user="), user, kvsep, slice_of("auth=Bearer "), bearer, kvsep, kvsep };

    if (user.len == 0 || !is_user(user))
        return MESSAGE_USER_UNFIT;
    return text_is_visible(bearer, "") ? join_parts(parts, sizeof parts / sizeof parts[0], ret) : MESSAGE_BEARER_UNFIT;
}

/* Text that a JSON string holds without escapes. Scopes and URLs have no other characters. */
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
            return false;
    return true;
}

/* Append `,"name":"value"`, unless the value is absent or there is no room for it and the closing brace. */
static size_t add_error_member(char *text, size_t len, size_t size, const char *name, const char *value)
{
    int added;

    if (value == NULL || value[0] == '\0' || !is_plain(value))
        return len;
    added = snprintf(text + len, size - len, "%s\"%s\":\"%s\"", len > 1 ? "," : "", name, value);
    if (added < 0 || (size_t)added + 2 > size - len) {
        text[len] = '\0';
        return len;
    }
    return len + (size_t)added;
}

static size_t end_error(char *text, size_t len)
{
    text[len++] = '}';
    text[len] = '\0';
    return len;
}

size_t oauthbearer_error(const char *status, const char *scope, const char *discovery, char *text, size_t size)
{
    size_t len = 1;

    text[0] = '{';
    len = add_error_member(text, len, size, "status", status);
    len = add_error_member(text, len, size, "scope", scope);
    len = add_error_member(text, len, size, "openid-configuration", discovery);
    return end_error(text, len);
}

/* Clients of XOAUTH2 expect the status of HTTP that RFC 6750 §3.1 gives to each error. */
static const char *http_status(const char *status)
{
    static const struct {
        const char *status, *code;
    } codes[] = { { "insufficient_scope", "403" }, { "invalid_request", "400" } };
    size_t i;

    for (i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(status, codes[i].status) == 0)
            return codes[i].code;
    return "401";
}

size_t xoauth2_error(const char *status, const char *scope, const char *discovery, char *text, size_t size)
{
    size_t len = 1;

    (void)discovery;
    text[0] = '{';
    len = add_error_member(text, len, size, "status", http_status(status));
    len = add_error_member(text, len, size, "schemes", "bearer");
    len = add_error_member(text, len, size, "scope", scope);
    return end_error(text, len);
}
