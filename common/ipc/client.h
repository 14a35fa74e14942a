/*
 * One question to latchkeyd, and its answer.
 */
#ifndef LATCHKEY_LATCHKEYD_CLIENT_H
#define LATCHKEY_LATCHKEYD_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/secret.h"
#include "verdict/verdict.h"
#include "config/model.h"
#include "ipc/protocol.h"

/* An answer, and the memory that lends its parts. */
struct latchkeyd_reply {
    struct secret text;
    struct json *json;
    struct latchkeyd_answer answer;
};

void latchkeyd_reply_clear(struct latchkeyd_reply *reply); /* wipes; accepts a zero-initialised one */

/*
 * Send a question to the first socket of the configuration on which a process listens, and wait for the answer. When no
 * process listens on any of them, latchkeyd is started for the question if it answers such questions
 * (latchkeyd_ask_is_for_child()). The deadline is the configuration's timeout, from the call on. The question is sent
 * only to a process of root, of our own uid, or of the configuration's user of latchkeyd. *ret_reply is set by every
 * answer, also by a refusal; the caller initialises and clears it. False with the reason of the answer, or
 * LATCHKEYD_UNAVAILABLE, OUT_OF_MEMORY, SYSTEM_ERROR.
 */
bool latchkeyd_ask(struct verdict *verdict, const struct config *config, const struct latchkeyd_question *question,
                   struct latchkeyd_reply *ret_reply);

#endif
