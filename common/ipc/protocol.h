/*
 * What the core asks latchkeyd, and what latchkeyd answers: one JSON object each, on a unix SOCK_SEQPACKET socket. A
 * connection carries one question and one answer.
 *
 *     {"ask":"exchange","tenant":ID,"subject":SUB,"url":URL,"api_key":KEY} → {"answer":"ok","token":JWT}
 *     {"ask":"refresh","tenant":ID}                                → {"answer":"ok"}
 *     {"ask":"signature","tenant":ID,"token":JWT}                  → {"answer":"ok"}
 *     {"ask":"authenticate","service":S,"user":U,"authzid":A,"directory":true,"credential":C} →
 * {"answer":"ok","login":{…}}
 *     {"ask":"status"}                                             → {"answer":"ok","status":{…}}
 *
 * Any other answer is the name of a reason (reason.h), with a "detail" for the log. Unknown members are ignored. Keys
 * and tokens are of a kind that needs no escape in JSON, and are written without a copy that nobody would wipe.
 */
#ifndef LATCHKEY_LATCHKEYD_PROTOCOL_H
#define LATCHKEY_LATCHKEYD_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/secret.h"
#include "base/slice.h"
#include "verdict/verdict.h"

#define LATCHKEYD_MESSAGE_MAX 65536 /* bytes */

enum latchkeyd_ask {
    LATCHKEYD_EXCHANGE,
    LATCHKEYD_REFRESH,
    LATCHKEYD_SIGNATURE,
    LATCHKEYD_AUTHENTICATE,
    LATCHKEYD_STATUS,
    LATCHKEYD_ASK_COUNT
};

/* "exchange", …; static. */
const char *latchkeyd_ask_name(enum latchkeyd_ask ask);

struct latchkeyd_question {
    enum latchkeyd_ask ask;
    struct slice tenant;  /* 1 … FACT_MAX - 1 bytes; empty for LATCHKEYD_AUTHENTICATE and LATCHKEYD_STATUS */
    struct slice subject; /* 1 … SUBJECT_MAX bytes; LATCHKEYD_EXCHANGE only */
    /* Of LATCHKEYD_EXCHANGE: the url that the asker's configuration has for the tenant; empty: not said. A latchkeyd
     * whose configuration names another one must not send the key there. */
    struct slice url;
    /* Of LATCHKEYD_AUTHENTICATE: the path of the asker's configuration; empty: not said. A latchkeyd with another one
     * must not judge by it. */
    struct slice config;
    /* Of LATCHKEYD_AUTHENTICATE, as in struct attempt; empty: none. */
    struct slice service;
    struct slice user;
    struct slice authzid;
    bool is_directory;   /* of LATCHKEYD_AUTHENTICATE, as in struct attempt */
    struct slice secret; /* the API key, token or credential: printable ASCII without blanks, `"` and `\` */
};

/* Whether a credential can stand in a question: not empty, and of the bytes above. */
bool latchkeyd_is_plain(struct slice credential);

/* The text of a question. False when memory is short, when a value is not as above, or when the text would be longer
 * than LATCHKEYD_MESSAGE_MAX. End it with secret_clear(). */
bool latchkeyd_question_write(const struct latchkeyd_question *question, struct secret *ret_text);

/* The other way round. The slices are lent by *ret_json; end that with json_free(), which wipes them. False with a
 * static sentence. */
bool latchkeyd_question_read(struct slice text, struct json **ret_json, struct latchkeyd_question *ret_question,
                             const char **ret_error);

struct latchkeyd_answer {
    enum reason reason;        /* REASON_OK, or why not */
    char detail[EVIDENCE_MAX]; /* of a refusal; printable */
    struct slice token;        /* of an exchange; printable ASCII without blanks, `"` and `\` */
    const struct json *status; /* of LATCHKEYD_STATUS; an object */
    const struct json
        *login; /* of LATCHKEYD_AUTHENTICATE, as far as it got (delegate.h); an object, or NULL if refused */
};

/* An answer that is a reason and no more. The detail is cut, and made printable: an answer that is not UTF-8 could not
 * be written. */
struct latchkeyd_answer latchkeyd_answer_of(enum reason reason, const char *detail);

/* As for questions. What else is to be written ("status", "login") is `more`, not what stands in the answer; NULL:
 * nothing. It stays the caller's. */
bool latchkeyd_answer_write(const struct latchkeyd_answer *answer, const char *name, struct json *more,
                            struct secret *ret_text);

/*
 * The slices, the status and the login are lent by *ret_json. An answer of an unknown name, or a success without what
 * was asked for, is no answer. False with a static sentence.
 */
bool latchkeyd_answer_read(enum latchkeyd_ask ask, struct slice text, struct json **ret_json,
                           struct latchkeyd_answer *ret_answer, const char **ret_error);

#endif
