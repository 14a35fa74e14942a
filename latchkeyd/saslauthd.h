/*
 * The protocol of saslauthd(8), by which Cyrus SASL servers, Exim and slapd check plain-text passwords. A request is a
 * stream of counted strings: login, password, service and realm. Each has its length as two bytes in network order,
 * then its bytes. Newer clients add the address of their peer. The reply is one counted string that begins with OK or
 * NO.
 */
#ifndef LATCHKEY_SASLAUTHD_H
#define LATCHKEY_SASLAUTHD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/secret.h"
#include "base/slice.h"

#define SASLAUTHD_LOGIN_MAX    256   /* bytes; also of service and realm */
#define SASLAUTHD_PASSWORD_MAX 16384 /* bytes: JWT_MAX_LEN; libsasl sends about 8,190 bytes in all */
#define SASLAUTHD_REQUEST_MAX  (4 * 2 + 3 * SASLAUTHD_LOGIN_MAX + SASLAUTHD_PASSWORD_MAX)

struct saslauthd_request { /* lent by the text that was read */
    struct slice login;    /* not empty; UTF-8 without control bytes, as are service and realm */
    struct slice password; /* not empty; without NUL */
    struct slice service;
    struct slice realm; /* may be empty */
};

/* What the text is: the beginning of a request, a whole request (bytes after it are ignored), or not a request. */
enum saslauthd_extent { SASLAUTHD_PART, SASLAUTHD_WHOLE, SASLAUTHD_BROKEN };
enum saslauthd_extent saslauthd_read(struct slice text, struct saslauthd_request *ret_request);

/* The reply with its length; static. */
struct slice saslauthd_reply(bool is_accepted);

#endif
