#include "latchkeyd/saslauthd.h"

#include <string.h>

#include "base/text.h"

static bool take_string(struct slice *rest, size_t max, struct slice *ret, enum saslauthd_extent *ret_extent)
{
    const unsigned char *count = (const unsigned char *)rest->bytes;
    size_t len;

    *ret_extent = SASLAUTHD_PART;
    if (rest->len < 2)
        return false;
    len = (size_t)count[0] << 8 | count[1];
    if (len > max) {
        *ret_extent = SASLAUTHD_BROKEN;
        return false;
    }
    if (rest->len - 2 < len)
        return false;
    *ret = (struct slice){ rest->bytes + 2, len };
    *rest = (struct slice){ rest->bytes + 2 + len, rest->len - 2 - len };
    return true;
}

static bool is_name(struct slice text)
{
    return text_is_line(text);
}

enum saslauthd_extent saslauthd_read(struct slice text, struct saslauthd_request *ret_request)
{
    struct saslauthd_request request = { .login = { NULL, 0 } };
    enum saslauthd_extent extent;

    if (!take_string(&text, SASLAUTHD_LOGIN_MAX, &request.login, &extent)
        || !take_string(&text, SASLAUTHD_PASSWORD_MAX, &request.password, &extent)
        || !take_string(&text, SASLAUTHD_LOGIN_MAX, &request.service, &extent)
        || !take_string(&text, SASLAUTHD_LOGIN_MAX, &request.realm, &extent))
        return extent;
    if (request.login.len == 0 || request.service.len == 0 || request.password.len == 0)
        return SASLAUTHD_BROKEN;
    if (!is_name(request.login) || !is_name(request.service) || !is_name(request.realm)
        || memchr(request.password.bytes, '\0', request.password.len) != NULL)
        return SASLAUTHD_BROKEN;
    *ret_request = request;
    return SASLAUTHD_WHOLE;
}

struct slice saslauthd_reply(bool is_accepted)
{
    return (struct slice){ is_accepted ? "\0\2OK" : "\0\2NO", 4 };
}
