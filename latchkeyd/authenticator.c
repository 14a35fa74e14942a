#include "latchkeyd/authenticator.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/secret.h"
#include "config/snapshot.h"

/* A verdict on its way. It stays where it is: the plan points into it. */
struct judgement {
    const struct authenticator *authenticator;
    const struct config *config; /* held */
    char *service, *user, *authzid;
    struct attempt attempt; /* lends them */
    struct auth_plan plan;
    uid_t uid;           /* of the process that asks */
    int64_t until_ms;    /* by when there is a verdict, so that who asks has not gone */
    struct secret token; /* what is to be verified: the credential, or what it was exchanged for */
    struct verdict verdict;
    struct login login;
    authenticator_done *done;
    void *context;
};

static void judgement_free(struct judgement *judgement)
{
    config_release(&judgement->config);
    secret_clear(&judgement->token);
    free(judgement->service);
    free(judgement->user);
    free(judgement->authzid);
    free(judgement);
}

static void finish(struct judgement *judgement)
{
    judgement->done(judgement->context, &judgement->verdict,
                    judgement->verdict.reason == REASON_OK ? &judgement->login : NULL);
    judgement_free(judgement);
}

static struct slice token_of(const struct judgement *judgement)
{
    return (struct slice){ judgement->token.bytes, judgement->token.len };
}

/* The key set is as new as can be had: whatever comes out now is the verdict. */
static void verify_again(void *context, const struct latchkeyd_answer *answer)
{
    struct judgement *judgement = context;
    const struct authenticator *authenticator = judgement->authenticator;
    const struct config *newest;
    struct verdict again = VERDICT_INIT;
    struct auth_plan plan;

    if (answer->reason != REASON_OK) {
        verdict_add(&judgement->verdict, "no newer key set: %s", answer->detail);
        finish(judgement);
        return;
    }
    newest = authenticator->config(authenticator->server, &again);
    again.credential = judgement->verdict.credential;
    if (newest != NULL && authenticate_replan(&again, newest, &judgement->attempt, &judgement->plan, &plan))
        verify_token(&again, newest, &plan.verify, token_of(judgement), &judgement->login);
    judgement->verdict = again;
    finish(judgement);
}

static void verify(struct judgement *judgement)
{
    if (!verify_token(&judgement->verdict, judgement->config, &judgement->plan.verify, token_of(judgement),
                      &judgement->login)
        && authenticate_wants_keys(judgement->verdict.reason)
        && config_publishes_keys(config_tenant(judgement->config, slice_of(judgement->verdict.tenant))))
        keysets_ask(judgement->authenticator->keysets, judgement->config, judgement->uid,
                    slice_of(judgement->verdict.tenant), clock_ms(), judgement->until_ms, verify_again, judgement);
    else
        finish(judgement);
}

static void exchanged(void *context, const struct latchkeyd_answer *answer)
{
    struct judgement *judgement = context;
    struct secret token = { NULL, 0 };

    if (answer->reason != REASON_OK) {
        verdict_reject(&judgement->verdict, answer->reason, "%s", answer->detail);
    } else if (!secret_copy(answer->token, &token)) {
        verdict_reject(&judgement->verdict, REASON_OUT_OF_MEMORY, "a token");
    } else {
        secret_clear(&judgement->token);
        judgement->token = token;
        authenticate_catch_up(&judgement->plan);
        verify(judgement);
        return;
    }
    finish(judgement);
}

static void exchange(struct judgement *judgement)
{
    const struct verify_request *verify = &judgement->plan.verify;
    struct secret api_key =
        judgement->token; /* exchange_ask() needs it no longer than it runs; the answer replaces it */
    const struct latchkeyd_question question = {
        .ask = LATCHKEYD_EXCHANGE,
        .tenant = slice_of(verify->exchange_tenant->id),
        .subject = slice_of(verify->exchange_subject),
        .secret = { api_key.bytes, api_key.len },
    };

    verdict_fact(judgement->verdict.tenant, sizeof judgement->verdict.tenant, question.tenant);
    verdict_fact(judgement->verdict.subject, sizeof judgement->verdict.subject, question.subject);
    judgement->token = (struct secret){ NULL, 0 };
    exchange_ask(judgement->authenticator->exchange, judgement->config, judgement->uid, &question,
                 exchange_timeout_ms(judgement->config), exchanged, judgement);
    secret_clear(&api_key);
}

static bool copy_text(const char *text, char **ret, const char **ret_lent)
{
    *ret = text != NULL ? strdup(text) : NULL;
    *ret_lent = *ret;
    return text == NULL || *ret != NULL;
}

static struct judgement *judgement_new(const struct authenticator *authenticator, const struct config *config,
                                       uid_t uid, const struct attempt *attempt, struct slice credential,
                                       authenticator_done *done, void *context)
{
    struct judgement *judgement = calloc(1, sizeof *judgement);

    if (judgement == NULL)
        return NULL;
    judgement->authenticator = authenticator;
    judgement->config = config_hold(config);
    judgement->uid = uid;
    judgement->until_ms = clock_ms() + exchange_timeout_ms(config);
    judgement->verdict = VERDICT_INIT;
    judgement->attempt = *attempt;
    judgement->attempt.rhost = NULL;
    judgement->done = done;
    judgement->context = context;
    if (copy_text(attempt->service, &judgement->service, &judgement->attempt.service)
        && copy_text(attempt->user, &judgement->user, &judgement->attempt.user)
        && copy_text(attempt->authzid, &judgement->authzid, &judgement->attempt.authzid)
        && secret_copy(credential, &judgement->token))
        return judgement;
    judgement_free(judgement);
    return NULL;
}

void authenticator_judge(const struct authenticator *authenticator, uid_t uid, const struct attempt *attempt,
                         struct slice credential, authenticator_done *done, void *context)
{
    const struct credential whole = credential_whole(credential);
    struct verdict refusal = VERDICT_INIT;
    const struct config *config = authenticator->config(authenticator->server, &refusal);
    struct judgement *judgement =
        config != NULL ? judgement_new(authenticator, config, uid, attempt, credential, done, context) : NULL;

    if (judgement == NULL) {
        verdict_reject(&refusal, REASON_OUT_OF_MEMORY, "latchkeyd"); /* unless it was the configuration */
        done(context, &refusal, NULL);
    } else if (!authenticate_plan(&judgement->verdict, judgement->config, &judgement->attempt, &whole,
                                  &judgement->plan)) {
        finish(judgement);
    } else if (judgement->plan.verify.exchange_subject == NULL) {
        verify(judgement);
    } else {
        exchange(judgement);
    }
}
