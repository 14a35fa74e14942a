/*
 * What can be made to go wrong, on demand: one row a fault. A fault is planned for one endpoint, or for every one that
 * has none of its own, and for a number of requests or until it is cleared. The server carries out what concerns the
 * reply, tokens.c what concerns a token, the listener what concerns the connection.
 */
#ifndef LATCHKEY_TENANTD_FAULTS_H
#define LATCHKEY_TENANTD_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "devel/tenantd/endpoints.h"

/* Where a fault sets in: nothing else can carry it out. */
enum fault_stage {
    STAGE_NONE,
    STAGE_CONNECTION, /* before TLS; only `connection` takes these */
    STAGE_ANYWHERE,   /* before TLS, or in place of the reply */
    STAGE_INSTEAD,    /* the endpoint is not asked */
    STAGE_REPLY,      /* the endpoint answers, and its reply suffers */
    STAGE_TOKEN,      /* the token in it is not what it should be: `exchange` and `token` */
};

/* clang-format off */
#define FAULTS(X) \
  /* id                    name               stage             status if none is given, and what happens */ \
  X(FAULT_NONE,            "none",            STAGE_NONE,       0,   "nothing") \
  X(FAULT_SLOW_CONNECT,    "slow-connect",    STAGE_CONNECTION, 0,   "TCP connects, TLS begins only after seconds=") \
  X(FAULT_NO_TLS,          "no-tls",          STAGE_CONNECTION, 0,   "an answer in plain HTTP, where TLS should be") \
  X(FAULT_NEVER,           "never",           STAGE_ANYWHERE,   0,   "no answer, until the client hangs up") \
  X(FAULT_RESET,           "reset",           STAGE_ANYWHERE,   0,   "a TCP reset in place of an answer") \
  X(FAULT_STATUS,          "status",          STAGE_INSTEAD,    503, "status=, with Retry-After: if retry-after=") \
  X(FAULT_REDIRECT,        "redirect",        STAGE_INSTEAD,    302, "status= with Location: text=") \
  X(FAULT_BODY,            "body",            STAGE_INSTEAD,    200, "status= with the body text=, called JSON") \
  X(FAULT_HUGE,            "huge",            STAGE_INSTEAD,    200, "a JSON string of bytes=, without end if 0") \
  X(FAULT_SLOW_BODY,       "slow-body",       STAGE_REPLY,      0,   "the body dribbles over seconds=") \
  X(FAULT_RESET_MIDWAY,    "reset-midway",    STAGE_REPLY,      0,   "a TCP reset after half of the body") \
  X(FAULT_CONTENT_TYPE,    "content-type",    STAGE_REPLY,      0,   "the body is called text= (text/html)") \
  X(FAULT_BROKEN_JSON,     "broken-json",     STAGE_REPLY,      0,   "the body lacks its last byte") \
  X(FAULT_EMPTY,           "empty",           STAGE_REPLY,      0,   "the body is empty") \
  X(FAULT_HANG_UP,         "hang-up",         STAGE_REPLY,      0,   "a good reply, then the connection just ends") \
  X(FAULT_OTHER_USER,      "other-user",      STAGE_TOKEN,      0,   "the token is of another user") \
  X(FAULT_OTHER_TENANT,    "other-tenant",    STAGE_TOKEN,      0,   "the token is of another tenant: claim, iss, aud") \
  X(FAULT_EXPIRED,         "expired",         STAGE_TOKEN,      0,   "the token expired an hour ago") \
  X(FAULT_UNSIGNED,        "unsigned",        STAGE_TOKEN,      0,   "the token has alg none and no signature") \
  X(FAULT_UNPUBLISHED_KEY, "unpublished-key", STAGE_TOKEN,      0,   "the token's key is not in the key set") \
  X(FAULT_FORGED,          "forged",          STAGE_TOKEN,      0,   "the token has a published kid and another key")
/* clang-format on */

#define X(id, name, stage, status, meaning) id,
enum fault_kind { FAULTS(X) FAULT_COUNT };
#undef X

#define FAULT_TEXT_MAX    1024    /* bytes with the NUL */
#define FAULT_SECONDS_MAX 86400   /* s */
#define FAULT_COUNT_MAX   1000000 /* requests */

struct fault {
    enum fault_kind kind;
    int64_t count;             /* requests that it still meets; 0: until it is cleared */
    int64_t seconds;           /* how long it takes */
    int64_t status;            /* of a fault of STAGE_INSTEAD */
    int64_t retry_after;       /* s; -1: no such header */
    int64_t bytes;             /* of a huge body; 0: without end */
    char text[FAULT_TEXT_MAX]; /* empty: the fault's own */
};

/* Zero-initialise it. */
struct faults {
    struct fault planned[ENDPOINT_COUNT];
    struct fault for_any; /* endpoint but `connection` */
};

#define FAULTS_ERROR_MAX 160
/*
 * Plan a fault in words: "exchange status status=429 retry-after=7 count=2", "* never", "connection slow-connect
 * seconds=3". It takes the place of the one that was planned there. Values: count, seconds, status, retry-after, bytes,
 * and text, which cannot hold a blank. False with a sentence in `error`.
 */
bool faults_plan(struct faults *faults, struct slice words, char error[FAULTS_ERROR_MAX]);

/* End the faults of an endpoint, or of "*"; all of them when the name is empty. False for an unknown name. */
bool faults_clear(struct faults *faults, struct slice endpoint);

/* The fault that meets a request now, counted down; FAULT_NONE when there is none. */
struct fault faults_take(struct faults *faults, enum endpoint endpoint);

const char *fault_name(enum fault_kind kind);
const char *fault_meaning(enum fault_kind kind);
enum fault_stage fault_stage(enum fault_kind kind);
int fault_status(enum fault_kind kind); /* unless status= sets another one; 0: that of the endpoint, if it answers */

const char *endpoint_name(enum endpoint endpoint);
const char *endpoint_meaning(enum endpoint endpoint);
/* False when there is no such endpoint. */
bool endpoint_find(struct slice name, enum endpoint *ret_endpoint);

/* The next word of a line, and what follows it. False when there is none. */
bool next_word(struct slice *line, struct slice *ret_word);

#endif
