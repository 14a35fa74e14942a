/* clang-format off */
/*
 * The questions of the core to latchkeyd, and the answers: one JSON object each, on a unix SOCK_SEQPACKET socket. A
 * connection carries one question and one answer.
 *
 *     {"ask":"exchange","tenant":ID,"subject":SUB,"url":URL,"api_key":KEY} → {"answer":"ok","token":JWT}
 *     {"ask":"refresh","tenant":ID}                                        → {"answer":"ok"}
 *     {"ask":"signature","tenant":ID,"token":JWT}                          → {"answer":"ok"}
 *     {"ask":"authenticate","config":PATH,"service":S,"user":U,"authzid":A,"directory":true,"credential":C}
 *                                                                          → {"answer":"ok","login":{…}}
 *     {"ask":"status"}                                                     → {"answer":"ok","status":{…}}
 *
 * Any other answer is the name of a reason (reason.h), with a "detail" for the log; a refused authentication may carry
 * its "login", too. Unknown members are ignored. API keys and tokens consist of bytes that JSON does not escape, so that
 * they are written without a copy in memory that is not wiped.
 *
 * A new question is a row of asks[] in protocol.c, with rows of members[] for what it brings, and a row of asks[] in
 * latchkeyd/questions.c, which answers it.
 */
/* clang-format on */
#ifndef LATCHKEY_LATCHKEYD_PROTOCOL_H
#define LATCHKEY_LATCHKEYD_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/secret.h"
#include "base/slice.h"
#include "verdict/verdict.h"

#define LATCHKEYD_MESSAGE_MAX 65536 /* bytes */
#define LATCHKEYD_TOO_LONG    "longer than 65536 bytes"

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

/* Whether a latchkeyd that the core starts for one question (spawn.h) answers it. */
bool latchkeyd_ask_is_for_child(enum latchkeyd_ask ask);

/* What a question does not need is neither written nor checked. */
struct latchkeyd_question {
    enum latchkeyd_ask ask;
    struct slice tenant;  /* exchange, refresh, signature: 1 … FACT_MAX - 1 bytes */
    struct slice subject; /* exchange: 1 … SUBJECT_MAX bytes */
    /* exchange: the tenant's url in the configuration of the client; empty: not given. A latchkeyd whose configuration
     * has another url must not send the API key there. */
    struct slice url;
    /* authenticate: the path of the client's configuration; empty: not given. A latchkeyd with another configuration
     * must not decide. */
    struct slice config;
    /* authenticate, as in struct attempt; empty: none. */
    struct slice service;
    struct slice user;
    struct slice authzid;
    bool is_directory;   /* authenticate, as in struct attempt */
    struct slice secret; /* exchange: the API key; signature: the token; authenticate: the credential. See below. */
};

/* Whether a question can carry the credential: not empty, printable ASCII without blanks, `"` and `\`. */
bool latchkeyd_is_plain(struct slice credential);

/* The text of a question. False when out of memory, when a value is not as above, or when the text would be longer than
 * LATCHKEYD_MESSAGE_MAX. End it with secret_clear(). */
bool latchkeyd_question_write(const struct latchkeyd_question *question, struct secret *ret_text);

/* Read the text of a question. The slices are lent by *ret_json; end that with json_free(), which wipes them. False
 * with a static sentence. */
bool latchkeyd_question_read(struct slice text, struct json **ret_json, struct latchkeyd_question *ret_question,
                             const char **ret_error);

struct latchkeyd_answer {
    enum reason reason;        /* REASON_OK, or why the question is refused */
    char detail[EVIDENCE_MAX]; /* of a refusal; printable */
    struct slice token;        /* of an exchange; bytes as in latchkeyd_is_plain() */
    const struct json *status; /* of a question for the status; an object */
    const struct json *login;  /* of an authentication; an object, NULL when a refusal has none */
};

/* An answer that is a reason and no more. The detail is cut, and made printable: an answer that is not UTF-8 could not
 * be written. */
struct latchkeyd_answer latchkeyd_answer_of(enum reason reason, const char *detail);

/* The text of an answer to such a question. False as for questions, and when a success lacks what the question asks
 * for. End it with secret_clear(). */
bool latchkeyd_answer_write(enum latchkeyd_ask ask, const struct latchkeyd_answer *answer, struct secret *ret_text);

/*
 * Read the text of an answer to such a question. The token, the status and the login are lent by *ret_json. An answer
 * with an unknown name, or a success without what the question asks for, is malformed. False with a static sentence.
 */
bool latchkeyd_answer_read(enum latchkeyd_ask ask, struct slice text, struct json **ret_json,
                           struct latchkeyd_answer *ret_answer, const char **ret_error);

#endif
