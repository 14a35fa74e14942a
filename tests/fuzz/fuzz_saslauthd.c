/*
 * A request of saslauthd's protocol: what its header promises of a whole one, and that its end is found no earlier and
 * no later when it comes in pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "latchkeyd/saslauthd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void check_request(const struct saslauthd_request *request)
{
    demand(request->login.len > 0 && request->login.len <= SASLAUTHD_LOGIN_MAX && text_is_utf8(request->login)
           && !text_has_control(request->login));
    demand(request->service.len > 0 && request->service.len <= SASLAUTHD_LOGIN_MAX && text_is_utf8(request->service)
           && !text_has_control(request->service));
    demand(request->realm.len <= SASLAUTHD_LOGIN_MAX && !text_has_control(request->realm));
    demand(request->password.len > 0 && request->password.len <= SASLAUTHD_PASSWORD_MAX
           && memchr(request->password.bytes, '\0', request->password.len) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct saslauthd_request request;
    enum saslauthd_extent whole = saslauthd_read((struct slice){ text, size }, &request), part;
    size_t len;

    if (whole == SASLAUTHD_WHOLE)
        check_request(&request);
    for (len = 0; len < size; len++) {
        part = saslauthd_read((struct slice){ text, len }, &request);
        demand(part == SASLAUTHD_PART || part == whole);
        if (part != SASLAUTHD_PART)
            break;
    }
    return 0;
}
