/*
 * The entry point of the core: what every door calls.
 */
#ifndef LATCHKEY_AUTHENTICATE_H
#define LATCHKEY_AUTHENTICATE_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "slice.h"
#include "verdict.h"
#include "verify.h"

#define CREDENTIAL_MAX_LEN JWT_MAX_LEN /* bytes */

enum credential_kind {
    CREDENTIAL_ABSENT,   /* empty */
    CREDENTIAL_JWT,      /* a whole JWT, or a broken or masked one, or a text with one in it: nothing more is to come */
    CREDENTIAL_JWT_PART, /* the beginning of a JWT (jwt.h): ask for more */
    CREDENTIAL_OTHER     /* not the beginning of a JWT: an API key, or a password for somebody else */
};

/* A line end after the credential is not part of it, whatever typed it. */
struct slice credential_trim(struct slice text);

/*
 * A host that hides who exists, as sshd does, hands on what is typed for an unknown user as so many bytes of a text
 * with control characters. Where a token may have been typed, the answer must be the one that a known user's bad token
 * gets (it will be TOKEN_MALFORMED), and not that of a password.
 */
bool credential_is_masked(struct slice credential);

/* Whether a token, or the beginning of one, stands anywhere in the text: such a text is no user name that a log may
 * show. */
bool credential_holds_token(struct slice text);

/* What has arrived so far. Verifies nothing. */
enum credential_kind credential_kind(const struct config *config, struct slice credential);

struct auth_request {
    const char *service; /* picks the service rules; NULL: those of "*" */
    const char *user;    /* the account that is asked for; NULL: the mapping names it */
    int64_t now;         /* s since 1970 */
};

/* Whether any credential at all could be judged now: false with the reason that will refuse every one. */
bool authenticate_is_possible(struct verdict *verdict, const struct config *config, const char *service);

/* Decide about a credential. *ret_login is complete on success, and means nothing otherwise. False with any reason of
 * reason.h. */
bool authenticate(struct verdict *verdict, const struct config *config, const struct auth_request *request,
                  struct slice credential, struct login *ret_login);

/*
 * Once more before the session begins. With a login of Latchkey: the account is still the one that was logged in, the
 * token is not revoked, and the service's rules hold. Without (login NULL: public key, password): not all subjects of
 * the account's user block are revoked; an account without a block, or without subjects, passes.
 * False with the reason.
 */
bool authenticate_account(struct verdict *verdict, const struct config *config, const struct auth_request *request,
                          const struct login *login);

#endif
