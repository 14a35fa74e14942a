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

/* An answer with what it lends. */
struct latchkeyd_reply {
    struct secret text;
    struct json *json;
    struct latchkeyd_answer answer;
};

void latchkeyd_reply_clear(struct latchkeyd_reply *reply); /* wipes; accepts a zero-initialised one */

/*
 * Ask at the first socket of the configuration where somebody listens; no other is tried after that. Where none exists,
 * an exchange is asked of a latchkeyd that is started for it; nothing else is, since a JWT needs no latchkeyd. The
 * answer is waited for no longer than the configuration's timeout, from the call on. Only who listens as root, as us,
 * or as the configuration's user of latchkeyd is told a key. *ret_reply is set when an answer came, a refusal too; the
 * caller initialises it, and clears it in any case. False with the reason of the answer, or LATCHKEYD_UNAVAILABLE,
 * OUT_OF_MEMORY, SYSTEM_ERROR.
 */
bool latchkeyd_ask(struct verdict *verdict, const struct config *config, const struct latchkeyd_question *question,
                   struct latchkeyd_reply *ret_reply);

#endif
