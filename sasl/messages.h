/*
 * The messages of OAUTHBEARER (RFC 7628) and XOAUTH2, read and written. Nothing here verifies a token.
 *
 *     OAUTHBEARER   client  gs2-header %x01 *(key "=" value %x01) %x01          RFC 7628 §3.1, RFC 5801 §4
 *                   server  {"status":…,"scope":…,"openid-configuration":…}     on refusal, RFC 7628 §3.2.2
 *                   client  %x01                                                answer to the error, §3.2.3
 *     XOAUTH2       client  "user=" user %x01 "auth=Bearer " token %x01 %x01
 *                   server  {"status":"401","schemes":"bearer","scope":…}       on refusal
 *                   client  an empty message
 */
#ifndef LATCHKEY_MESSAGES_H
#define LATCHKEY_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/secret.h"
#include "base/slice.h"

#define MESSAGE_MAX 65536 /* bytes */
#define AUTHZID_MAX 255   /* bytes of an authzid, decoded */

/* What a client's first message says. */
struct bearer_message {
    /* Lent by the message; visible ASCII. Empty: the client has no token, and asks where to get one (§4.3). */
    struct slice bearer;
    bool has_user;
    char user[AUTHZID_MAX + 1]; /* the authzid, decoded, or the user of XOAUTH2; UTF-8 without control bytes */
};

/* False with a static text for the log. */
typedef bool message_read(struct slice message, struct bearer_message *ret, const char **ret_error);
message_read oauthbearer_read;
message_read xoauth2_read;

enum message_written {
    MESSAGE_WRITTEN,
    MESSAGE_USER_UNFIT,   /* not UTF-8, has control bytes, longer than AUTHZID_MAX, or empty for XOAUTH2 */
    MESSAGE_BEARER_UNFIT, /* empty, or has other bytes than visible ASCII */
    MESSAGE_TOO_LONG,     /* more than MESSAGE_MAX bytes in all */
    MESSAGE_NO_MEMORY
};

/*
 * Write a client's first message.
 *   in   user  empty for none, which XOAUTH2 does not allow
 *   in   host  NULL for none; left out where it does not fit the grammar. The port is always left out. Only tokens with
 *              keyed digests need them (RFC 7628 §3.1).
 *   out  ret   set on MESSAGE_WRITTEN only; a NUL that is not part of the message follows its bytes. End it with
 *              secret_clear().
 */
enum message_written oauthbearer_write(struct slice user, const char *host, struct slice bearer, struct secret *ret);
enum message_written xoauth2_write(struct slice user, struct slice bearer, struct secret *ret);

/* The server's error message, at most size bytes with a NUL that is not sent. scope and discovery may be empty or NULL.
 * A member without a value, or one that does not fit, is left out. Returns the length. */
size_t oauthbearer_error(const char *status, const char *scope, const char *discovery, char *text, size_t size);
size_t xoauth2_error(const char *status, const char *scope, const char *discovery, char *text, size_t size);

#endif
