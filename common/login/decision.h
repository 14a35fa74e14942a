/*
 * The decision about one credential, as a machine that never waits. It returns the question that latchkeyd must answer
 * next; the driver has it answered and hands the answer in, until the verdict is reached:
 *
 *     plan → exchange the API key → verify → have the signature judged → have a newer key set fetched
 *
 * Each happens at most once, and only where it is needed. After each answer the clock catches up, the newest
 * configuration is acquired, and the plan and the verification are made again by it: what was revoked or forbidden
 * during a wait holds at once.
 *
 * There are two drivers. authenticate.c waits for each answer of latchkeyd (ipc/client.h), in the host process.
 * latchkeyd/authenticator.c has its own parts answer, and is called back by them.
 */
#ifndef LATCHKEY_DECISION_H
#define LATCHKEY_DECISION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/secret.h"
#include "base/slice.h"
#include "verdict/attempt.h"
#include "verdict/verdict.h"
#include "config/model.h"
#include "ipc/protocol.h"
#include "login/credential.h"
#include "login/verify.h"

struct decision_driver {
    /* A host process asks latchkeyd what it cannot see itself: a secret that only latchkeyd may read, and everything
     * once the configuration is out of sight (snapshot.h). Inside latchkeyd there is no other to ask. */
    bool is_host;
    /* The newest configuration, held. False with the reason why it cannot be used: then the credential is refused. */
    bool (*acquire)(void *context, struct verdict *verdict, const struct config **ret_config);
    void *context;
};

/* Private to decision.c, but for `config`: the configuration in force. It must stay where it is. */
struct decision {
    const struct decision_driver *driver;
    const struct config *config; /* held */
    struct verdict *verdict;     /* the caller's */
    struct login *login;         /* the caller's */
    struct attempt attempt;      /* the time moves on with each answer */
    int64_t ahead;               /* s of the attempt's clock before the host's: 0, but in tests */
    struct credential credential;
    struct slice token;                 /* to be verified: the credential, or what it was exchanged for */
    struct verify_request request;      /* of the plan in force */
    char hint[USER_MAX + 1];            /* the authzid, where it may be the name of an account */
    char account[USER_MAX + 1];         /* of an API key, */
    char exchange_tenant[FACT_MAX];     /* and the tenant */
    char subject[SUBJECT_MAX + 1];      /* and the subject that it was exchanged for */
    struct secret exchanged;            /* the token of the exchange */
    char vouched[FACT_MAX];             /* latchkeyd found that the signature holds, by the secret of this tenant */
    bool was_refreshed;                 /* the key set is as new as can be had */
    struct latchkeyd_question question; /* under way */
    struct verdict before;              /* the verdict and the checks as they were at the beginning */
    size_t checks_before;
};

/*
 * Begin. The configuration, the strings of the attempt, the driver, the verdict and the login are needed until the end;
 * the credential until an exchange was asked for. Returns the next question, lent until the next call, or NULL when
 * *verdict is reached; *login is complete if that is REASON_OK, and means nothing otherwise.
 */
const struct latchkeyd_question *decision_begin(struct decision *decision, const struct decision_driver *driver,
                                                const struct config *config, const struct attempt *attempt,
                                                const struct credential *credential, struct verdict *verdict,
                                                struct login *login);

/*
 * Go on with the answer to the question, or with the reason why none came (`was_heard` false). What the answer lends is
 * not needed after the call. Returns as decision_begin().
 */
const struct latchkeyd_question *decision_answer(struct decision *decision, const struct latchkeyd_answer *answer,
                                                 bool was_heard);

void decision_end(struct decision *decision); /* wipes the token; once, after decision_begin() */

/* Whether a refusal may be due to a key set that is missing, broken or older than the token's key. */
bool decision_lacks_keys(enum reason reason);

/* Note in such a refusal why no newer key set came. A latchkeyd that does not serve this process makes the refusal
 * LATCHKEYD_UNAVAILABLE: the token may be a good one, and the administrator must mend the option `allow`. */
void decision_note_no_keys(struct verdict *refusal, const struct latchkeyd_answer *answer, bool was_heard);

#endif
