/*
 * What a text is that came as a credential: typed at a prompt, sent by a client, or saved in a file. It is looked
 * through once; whatever depends on its kind reads the struct. Nothing is verified.
 */
#ifndef LATCHKEY_CREDENTIAL_H
#define LATCHKEY_CREDENTIAL_H

#include <stdbool.h>

#include "base/slice.h"
#include "token/jwt.h"
#include "config/model.h"

#define CREDENTIAL_MAX_LEN JWT_MAX_LEN /* bytes */

enum credential_kind {
    CREDENTIAL_ABSENT,   /* empty */
    CREDENTIAL_JWT,      /* a JWT, a broken or masked one, or a text with one in it */
    CREDENTIAL_JWT_PART, /* the beginning of a JWT (jwt.h); only where more may come, credential_so_far() */
    CREDENTIAL_OTHER     /* not the beginning of a JWT: an API key, or a password that is not for Latchkey */
};

/*
 * A token or an API key consists of visible ASCII characters alone. People paste a whole reply, a header or a quoted
 * string; the doors name the form instead of refusing what no server could accept. Blanks are the space and the tab.
 * Where several forms hold, it is the first one of this list; blanks around are not counted: ` "eyJ…" ` is QUOTED.
 */
enum credential_form {
    CREDENTIAL_FORM_BARE,      /* may be a credential, or the beginning of one */
    CREDENTIAL_FORM_EMPTY,     /* no bytes */
    CREDENTIAL_FORM_BLANK,     /* blanks and line ends alone */
    CREDENTIAL_FORM_JSON,      /* begins with a brace: the reply of a token endpoint */
    CREDENTIAL_FORM_SCHEME,    /* "Bearer TOKEN", with or without "Authorization:" before it */
    CREDENTIAL_FORM_QUOTED,    /* begins or ends with ", ' or ` */
    CREDENTIAL_FORM_NOT_ASCII, /* control characters, or bytes of other alphabets, a byte order mark among them */
    CREDENTIAL_FORM_LINES,     /* several lines */
    CREDENTIAL_FORM_BLANKS_WITHIN,
    CREDENTIAL_FORM_BLANKS_AROUND, /* blanks or further line ends before or after it */
    CREDENTIAL_FORM_IN_TEXT        /* a JWT with other characters around it, as in TOKEN=eyJ… */
};

struct credential {
    struct slice text; /* lent by the caller */
    enum credential_kind kind;
    enum credential_form form;
    /*
     * A host that hides which users exist, as sshd does, replaces what is typed for an unknown user by as many bytes of
     * a text with control characters (others than tabs and line ends, which pasting adds). From JWT_MIN_LEN bytes on
     * the answer must be that to a known user's bad token (TOKEN_MALFORMED), not that to a password.
     */
    bool is_masked;
    /*
     * The text holds a token or the beginning of one, may be a piece from the middle or the end of one, or is the reply
     * or header that a token came in: no other module may get it as a password. A piece is known by its alphabet
     * (base64url and dots) and its length, JWT_MIN_LEN: shorter ones look like passwords.
     */
    bool may_hold_token;
};

/* One line end after a credential is not part of it. Drop it before one of the next two. */
struct slice credential_trim(struct slice text);

/* A text of which nothing more is to come. Any bytes. */
struct credential credential_whole(struct slice text);

/* A text of which more may come, as the next answer to a prompt. The keys of the configuration say how long a signature
 * will be. */
struct credential credential_so_far(const struct config *config, struct slice text);

/* What a form is, to follow "the file holds "; a static string that quotes nothing of the text. NULL for
 * CREDENTIAL_FORM_BARE. */
const char *credential_form_sentence(enum credential_form form);

/* A user's name for the log. People paste a token into the wrong field: then it is "(a token)". NULL stays NULL. */
const char *credential_user_for_log(const char *user);

#endif
