/*
 * What a text is that stands where a credential should stand: typed at a prompt, pasted, or saved in a file. A token or
 * an API key consists of visible ASCII characters alone; people save a whole reply, a header or a quoted string. The
 * doors say so instead of refusing what no server could accept.
 */
#ifndef LATCHKEY_CREDENTIAL_FORM_H
#define LATCHKEY_CREDENTIAL_FORM_H

#include "base/slice.h"

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

/*
 * The caller drops one final line end before (credential_trim()). Blanks are the space and the tab. Where several forms
 * hold, the first one of the enumeration is told, blanks around not counted: ` "eyJ…" ` is QUOTED.
 * The text may be any bytes, and a part of a longer one. Verifies nothing.
 */
enum credential_form credential_form(struct slice text);

/*
 * What it is, to stand after "the file holds "; a static string that quotes nothing of the text.
 * NULL for CREDENTIAL_FORM_BARE.
 */
const char *credential_form_sentence(enum credential_form form);

#endif
