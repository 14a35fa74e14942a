#include "login/authenticate.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/snapshot.h"
#include "ipc/client.h"
#include "login/decision.h"

/* API keys need a tenant service that exchanges them; JWTs need keys, here or in latchkeyd. */
static bool tenant_is_usable(const struct tenant *tenant, unsigned credentials)
{
    return ((credentials & CREDENTIALS_API_KEY) != 0 && tenant->url != NULL)
        || ((credentials & CREDENTIALS_JWT) != 0 && (tenant->jwks != NULL || tenant->secret_path != NULL));
}

static bool any_tenant_is_usable(const struct config *config, const char *service)
{
    const unsigned credentials = config_service(config, service)->credentials;
    size_t i;

    for (i = 0; i < config->tenant_count; i++)
        if (tenant_is_usable(&config->tenants[i], credentials))
            return true;
    return false;
}

/* Ask latchkeyd and wait. *ret_reply holds what the answer lends; the caller initialises and clears it. Where no answer
 * comes, *ret_answer is the reason why, and false is returned. */
static bool hear(const struct config *config, const struct latchkeyd_question *question,
                 struct latchkeyd_reply *ret_reply, struct latchkeyd_answer *ret_answer)
{
    struct verdict asked = VERDICT_INIT;

    latchkeyd_ask(&asked, config, question, ret_reply);
    if (ret_reply->answer.reason != REASON_UNDECIDED) {
        *ret_answer = ret_reply->answer;
        return true;
    }
    *ret_answer = latchkeyd_answer_of(asked.reason, asked.evidence);
    return false;
}

/* Have latchkeyd fetch a newer key set of a tenant. False when it did not; the refusal then says why. */
static bool refresh_keys(struct verdict *refusal, const struct config *config, const struct tenant *tenant)
{
    CLEANUP(latchkeyd_reply_clear) struct latchkeyd_reply reply = { .json = NULL };
    const struct latchkeyd_question question = { .ask = LATCHKEYD_REFRESH, .tenant = slice_of(tenant->id) };
    struct latchkeyd_answer answer;
    bool was_heard;

    if (!config_publishes_keys(tenant))
        return false;
    was_heard = hear(config, &question, &reply, &answer);
    if (answer.reason == REASON_OK)
        return true;
    decision_note_no_keys(refusal, &answer, was_heard);
    return false;
}

/* Without a key set nothing can be judged, unless latchkeyd fetches one now. All tenants together are asked about for
 * little more than the configuration's timeout. */
static bool can_be_fetched(struct verdict *refusal, const struct config *config, const char *service)
{
    const int64_t until_ms = clock_ms() + config->latchkeyd.timeout * 1000;
    size_t i;

    for (i = 0; i < config->tenant_count && clock_ms() < until_ms; i++) {
        CLEANUP(config_release) const struct config *newer = NULL;

        if (!refresh_keys(refusal, config, &config->tenants[i]))
            continue;
        if (config_is_out_of_sight()) /* where latchkeyd judges */
            return true;
        if (config_acquire(refusal, config->path, &newer) && any_tenant_is_usable(newer, service))
            return true;
    }
    return false;
}

bool authenticate_is_possible(struct verdict *verdict, const struct config *config, const char *service)
{
    const unsigned credentials = config_service(config, service)->credentials;
    struct verdict refusal;

    if (!verify_has_revocation_list(verdict, config))
        return false;
    if (credentials == 0)
        return verdict_reject(verdict, REASON_CREDENTIAL_NOT_ALLOWED, "the service takes nothing");
    if (any_tenant_is_usable(config, service))
        return true;
    if (credentials == CREDENTIALS_API_KEY)
        return verdict_reject(verdict, REASON_CONFIG_INVALID, "no tenant has a url to exchange API keys at");
    if (config->tenant_count == 0)
        return verdict_reject(verdict, REASON_CONFIG_INVALID, "no tenant");
    refusal = config->tenants[config->tenant_count - 1].keys_failure;
    if (can_be_fetched(&refusal, config, service))
        return true;
    return verdict_reject(verdict, refusal.reason, "%s", refusal.evidence);
}

/* What people paste instead of a token is named, behind the first fault that was found in it. */
static void add_form(struct verdict *verdict, const struct credential *credential)
{
    const char *sentence = credential_form_sentence(credential->form);

    if (verdict->reason == REASON_TOKEN_MALFORMED && sentence != NULL && !credential->is_masked)
        verdict_add(verdict, "what came is %s", sentence);
}

static bool acquire_newest(void *context, struct verdict *verdict, const struct config **ret_config)
{
    const struct config *const *config = context;

    return config_acquire(verdict, (*config)->path, ret_config);
}

bool authenticate(struct verdict *verdict, const struct config *config, const struct attempt *attempt,
                  const struct credential *credential, struct login *ret_login)
{
    const struct decision_driver driver = { .is_host = true, .acquire = acquire_newest, .context = &config };
    CLEANUP(decision_end) struct decision decision;
    const struct latchkeyd_question *question =
        decision_begin(&decision, &driver, config, attempt, credential, verdict, ret_login);

    while (question != NULL) {
        CLEANUP(latchkeyd_reply_clear) struct latchkeyd_reply reply = { .json = NULL };
        struct latchkeyd_answer answer;
        const bool was_heard = hear(decision.config, question, &reply, &answer);

        question = decision_answer(&decision, &answer, was_heard);
    }
    add_form(verdict, credential);
    return verdict->reason == REASON_OK;
}

static bool check_login(struct verdict *verdict, const struct config *config, const struct attempt *attempt,
                        const struct login *login)
{
    const struct tenant *tenant = config_tenant(config, slice_of(login->tenant));
    const struct revocable token = {
        .subject = slice_of(login->subject),
        .jti = slice_of(login->jti),
        .kid = slice_of(login->kid),
        .has_issued_at = login->has_issued_at,
        .issued_at = login->issued_at,
    };

    if (attempt->user == NULL || strcmp(attempt->user, login->identity.user) != 0)
        return verdict_reject(verdict, REASON_USER_MISMATCH, "the login was for %s", login->identity.user);
    if (tenant == NULL)
        return verdict_reject(verdict, REASON_TENANT_UNKNOWN, "%s is no longer configured", login->tenant);
    return revocation_check(verdict, config->revocation, &token)
        && verify_service_rules(verdict, config_service(config, attempt->service), login, &tenant->claims,
                                attempt->now);
}

/*
 * Without a token it is not known which subject of the block logged in. While one of several subjects is revoked the
 * others must not be locked out: it may be root's account, and their last way in.
 */
static bool check_block(struct verdict *verdict, const struct config *config, const char *user)
{
    const struct user_block *block = NULL;
    struct verdict revoked = VERDICT_INIT;
    size_t i;

    if (user == NULL || revocation_count(config->revocation) == 0) /* no entry, so NSS is not asked */
        return true;
    if (!identity_account_block(verdict, &config->identity, user, &block))
        return false;
    if (block == NULL || block->subjects.count == 0)
        return true;
    for (i = 0; i < block->subjects.count; i++) {
        revoked = VERDICT_INIT;
        if (revocation_check_subject(&revoked, config->revocation, slice_of(block->subjects.items[i])))
            return true;
    }
    return verdict_reject(verdict, revoked.reason, "%s", revoked.evidence);
}

bool authenticate_account(struct verdict *verdict, const struct config *config, const struct attempt *attempt,
                          const struct login *login)
{
    if (login != NULL)
        login_tell_facts(login, verdict); /* for the log line */
    return verify_has_revocation_list(verdict, config)
        && (login != NULL ? check_login(verdict, config, attempt, login) : check_block(verdict, config, attempt->user))
        && verdict_accept(verdict);
}
