/*
 * The protocol of saslauthd(8), which every Cyrus SASL server, Exim and slapd speak for passwords in plain text. A
 * request is counted strings on a stream: login, password, service, realm, each two bytes of length in network order
 * and so many bytes; newer clients add their peer's address. The reply is one counted string that begins with OK or NO.
 */
#ifndef LATCHKEY_SASLAUTHD_H
#define LATCHKEY_SASLAUTHD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/secret.h"
#include "base/slice.h"

#define SASLAUTHD_LOGIN_MAX    256   /* bytes; also of service and realm */
#define SASLAUTHD_PASSWORD_MAX 16384 /* bytes: as long as any token; libsasl itself sends about 8,190 in all */
#define SASLAUTHD_REQUEST_MAX  (4 * 2 + 3 * SASLAUTHD_LOGIN_MAX + SASLAUTHD_PASSWORD_MAX)

struct saslauthd_request { /* lent by what was read */
    struct slice login;    /* 1 … bytes without control bytes; so is service. UTF-8 */
    struct slice password; /* 1 … bytes without NUL */
    struct slice service;
    struct slice realm; /* may be empty */
};

/* What has come so far: a whole request (what follows it is ignored), its beginning, or nothing that could become one.
 */
enum saslauthd_extent { SASLAUTHD_PART, SASLAUTHD_WHOLE, SASLAUTHD_BROKEN };
enum saslauthd_extent saslauthd_read(struct slice text, struct saslauthd_request *ret_request);

/* The whole reply, its count included; static. */
struct slice saslauthd_reply(bool is_accepted);

#endif
