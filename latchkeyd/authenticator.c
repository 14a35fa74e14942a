#include "latchkeyd/authenticator.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "config/snapshot.h"
#include "login/decision.h"

/* A decision under way. It stays where it is: `decision` points into it. */
struct judgement {
    const struct authenticator *authenticator;
    struct decision_driver driver;
    struct decision decision;
    char *service, *user, *authzid;
    struct attempt attempt;   /* lends them */
    uid_t uid;                /* of the process that asks */
    int64_t until_ms;         /* by when there is a verdict, before the client gives up */
    struct secret credential; /* until it is exchanged */
    struct verdict verdict;
    struct login login;
    authenticator_done *done;
    void *context;
};

static void judgement_free(struct judgement *judgement)
{
    secret_clear(&judgement->credential);
    free(judgement->service);
    free(judgement->user);
    free(judgement->authzid);
    free(judgement);
}

static void finish(struct judgement *judgement)
{
    judgement->done(judgement->context, &judgement->verdict,
                    judgement->verdict.reason == REASON_OK ? &judgement->login : NULL);
    decision_end(&judgement->decision);
    judgement_free(judgement);
}

static void carry_on(struct judgement *judgement, const struct latchkeyd_question *question);

static void hear(void *context, const struct latchkeyd_answer *answer)
{
    struct judgement *judgement = context;

    carry_on(judgement, decision_answer(&judgement->decision, answer, true));
}

/* The answer may come before exchange_ask() returns, and end the judgement. The API key is not needed after the call,
 * and is not kept while the tenant service is asked. */
static void ask_exchange(struct judgement *judgement, struct latchkeyd_question question)
{
    struct secret api_key = judgement->credential;
    const struct config *config = judgement->decision.config;

    judgement->credential = (struct secret){ NULL, 0 };
    exchange_ask(judgement->authenticator->exchange, config, judgement->uid, &question, exchange_timeout_ms(config),
                 hear, judgement);
    secret_clear(&api_key);
}

/* To the next question, or to the end. */
static void carry_on(struct judgement *judgement, const struct latchkeyd_question *question)
{
    if (question == NULL) {
        finish(judgement);
        return;
    }
    switch (question->ask) {
    case LATCHKEYD_EXCHANGE:
        ask_exchange(judgement, *question);
        break;
    case LATCHKEYD_REFRESH:
        keysets_ask(judgement->authenticator->keysets, judgement->decision.config, judgement->uid, question->tenant,
                    clock_ms(), judgement->until_ms, hear, judgement);
        break;
    default: /* a host's questions: decision.h */
        verdict_reject(&judgement->verdict, REASON_SYSTEM_ERROR, "latchkeyd cannot ask itself");
        finish(judgement);
    }
}

static bool acquire_newest(void *context, struct verdict *verdict, const struct config **ret_config)
{
    const struct authenticator *authenticator = ((struct judgement *)context)->authenticator;
    const struct config *newest = authenticator->config(authenticator->server, verdict);

    if (newest == NULL)
        return false;
    *ret_config = config_hold(newest);
    return true;
}

static bool copy_text(const char *text, char **ret, const char **ret_lent)
{
    *ret = text != NULL ? strdup(text) : NULL;
    *ret_lent = *ret;
    return text == NULL || *ret != NULL;
}

static struct judgement *judgement_new(const struct authenticator *authenticator, uid_t uid,
                                       const struct attempt *attempt, struct slice credential)
{
    struct judgement *judgement = calloc(1, sizeof *judgement);

    if (judgement == NULL)
        return NULL;
    judgement->authenticator = authenticator;
    judgement->driver = (struct decision_driver){ .acquire = acquire_newest, .context = judgement };
    judgement->uid = uid;
    judgement->verdict = VERDICT_INIT;
    judgement->attempt = *attempt;
    judgement->attempt.rhost = NULL;
    if (copy_text(attempt->service, &judgement->service, &judgement->attempt.service)
        && copy_text(attempt->user, &judgement->user, &judgement->attempt.user)
        && copy_text(attempt->authzid, &judgement->authzid, &judgement->attempt.authzid)
        && secret_copy(credential, &judgement->credential))
        return judgement;
    judgement_free(judgement);
    return NULL;
}

void authenticator_judge(const struct authenticator *authenticator, uid_t uid, const struct attempt *attempt,
                         struct slice credential, authenticator_done *done, void *context)
{
    struct verdict refusal = VERDICT_INIT;
    const struct config *config = authenticator->config(authenticator->server, &refusal);
    struct judgement *judgement = config != NULL ? judgement_new(authenticator, uid, attempt, credential) : NULL;
    struct credential whole;

    if (judgement == NULL) {
        verdict_reject(&refusal, REASON_OUT_OF_MEMORY, "latchkeyd"); /* unless it was the configuration */
        done(context, &refusal, NULL);
        return;
    }
    judgement->done = done;
    judgement->context = context;
    judgement->until_ms = clock_ms() + exchange_timeout_ms(config);
    whole = credential_whole((struct slice){ judgement->credential.bytes, judgement->credential.len });
    carry_on(judgement,
             decision_begin(&judgement->decision, &judgement->driver, config, &judgement->attempt, &whole,
                            &judgement->verdict, &judgement->login));
}
