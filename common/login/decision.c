#include "login/decision.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "config/snapshot.h"
#include "login/delegate.h"
#include "login/realm.h"

/* Back to the verdict of the beginning: what an earlier plan found must not be told as a finding of the next one. */
static void start_over(struct decision *decision)
{
    struct verdict *verdict = decision->verdict;
    struct explanation *explanation = verdict->explanation;

    *verdict = decision->before;
    if (explanation == NULL)
        return;
    explanation->count = decision->checks_before;
    if (verdict->check_is_open)
        explanation->made[explanation->count - 1].ok = false;
}

/* Whether the service accepts this kind of credential. */
static bool check_kind(struct verdict *verdict, const struct service_rules *service, enum credential_kind kind)
{
    switch (kind) {
    case CREDENTIAL_ABSENT:
        return verdict_reject(verdict, REASON_CREDENTIAL_ABSENT, "empty");
    case CREDENTIAL_OTHER:
        verdict->credential = "api_key";
        if ((service->credentials & CREDENTIALS_API_KEY) == 0)
            return verdict_reject(verdict, REASON_CREDENTIAL_NOT_ALLOWED,
                                  "not the beginning of a JWT, and service %s takes no API keys", service->name);
        return true;
    default:
        verdict->credential = "jwt";
        if ((service->credentials & CREDENTIALS_JWT) == 0)
            return verdict_reject(verdict, REASON_CREDENTIAL_NOT_ALLOWED, "service %s takes no JWTs", service->name);
        return true;
    }
}

/* The token may be a good one: an administrator who reads the log must not take it for a bad one. */
static bool check_unmasked(struct verdict *verdict, const struct credential *credential)
{
    if (!credential->is_masked)
        return true;
    return verdict_reject(verdict, REASON_TOKEN_MALFORMED,
                          "control characters: the host hides what was typed (no such user, or one that it does not "
                          "let in this way), or it was damaged");
}

/* Hosts drop blanks around a name, as libsasl does: "root " would pass the rules as another name, and then be root. */
static bool has_blanks_around(struct slice name)
{
    return name.len > 0 && (name.bytes[0] == ' ' || name.bytes[name.len - 1] == ' ');
}

/* The name to act as. If it may be an account's name it is also a hint which of several accounts is meant. */
static bool read_authzid(struct decision *decision, const struct service_rules *service)
{
    const char *name = decision->attempt.authzid;
    struct slice *authzid = &decision->request.authzid;

    decision->hint[0] = '\0';
    if (name == NULL)
        return true;
    if (verify_is_directory_name(&decision->attempt, slice_of(name)))
        *authzid = slice_of(name); /* which may end like a realm, and has none */
    else if (!realm_drop(decision->verdict, service, name, authzid))
        return false;
    if (authzid->len == 0 || authzid->len > SUBJECT_MAX)
        return verdict_reject(decision->verdict, REASON_AUTHZID_NOT_ALLOWED, "it has %zu bytes", authzid->len);
    if (has_blanks_around(*authzid))
        return verdict_reject(decision->verdict, REASON_AUTHZID_NOT_ALLOWED, "it begins or ends with a blank");
    if (identity_is_valid_name(*authzid))
        snprintf(decision->hint, sizeof decision->hint, "%.*s", SLICE_ARG(*authzid));
    return true;
}

/*
 * Whether the text may be forwarded as the API key of this account. It may as well be a local password, which is for
 * the next module alone: it leaves this host only where the administrator allows API keys and it looks like one.
 */
static bool find_exchange(struct decision *decision)
{
    const char *user = decision->attempt.user != NULL ? decision->attempt.user : decision->request.hint;
    const struct user_block *block = user != NULL ? identity_user_block(&decision->config->identity, user) : NULL;
    const struct tenant *tenant;

    if (user == NULL)
        return verdict_reject(decision->verdict, REASON_CREDENTIAL_NOT_ALLOWED,
                              "not the beginning of a JWT, and no user is named");
    if (block == NULL || !block->api_key)
        return verdict_reject(decision->verdict, REASON_CREDENTIAL_NOT_ALLOWED,
                              "not the beginning of a JWT, and the account takes no API keys");
    tenant = config_exchange_tenant(decision->config, block); /* the configuration has seen to it, and to one subject */
    if (!config_is_api_key(tenant, decision->credential.text))
        return verdict_reject(decision->verdict, REASON_CREDENTIAL_NOT_ALLOWED,
                              "neither a JWT nor in the form of an API key");
    snprintf(decision->account, sizeof decision->account, "%s", block->name);
    snprintf(decision->exchange_tenant, sizeof decision->exchange_tenant, "%s", tenant->id);
    snprintf(decision->subject, sizeof decision->subject, "%s", block->subjects.items[0]);
    decision->request.exchange_tenant = tenant;
    return true;
}

/* After the exchange: whether the account's API key still belongs to this subject of this tenant. */
static bool check_exchange(struct decision *decision)
{
    const struct user_block *block = identity_user_block(&decision->config->identity, decision->account);
    const struct tenant *tenant = config_tenant(decision->config, slice_of(decision->exchange_tenant));

    if (tenant == NULL)
        return verdict_reject(decision->verdict, REASON_TENANT_UNKNOWN, "%s is no longer configured",
                              decision->exchange_tenant);
    if (block == NULL || !block->api_key || !string_list_has(&block->subjects, slice_of(decision->subject)))
        return verdict_reject(decision->verdict, REASON_CREDENTIAL_NOT_ALLOWED,
                              "the account no longer takes this API key");
    decision->request.exchange_tenant = tenant;
    return true;
}

static bool was_exchanged(const struct decision *decision)
{
    return decision->exchanged.bytes != NULL;
}

static bool plan_exchange(struct decision *decision)
{
    if (!(was_exchanged(decision) ? check_exchange(decision) : find_exchange(decision)))
        return false;
    decision->attempt.user = decision->account;
    decision->request.exchange_subject = decision->subject;
    return true;
}

/* What is to be verified, by the configuration in force; and whether the credential may be used at all. */
static bool plan(struct decision *decision)
{
    const struct service_rules *service = config_service(decision->config, decision->attempt.service);
    struct verdict *verdict = decision->verdict;

    decision->request = (struct verify_request){ .attempt = &decision->attempt };
    verdict_check(verdict, CHECK_CONFIGURATION);
    if (!verify_has_revocation_list(verdict, decision->config))
        return false;
    verdict_check(verdict, CHECK_CREDENTIAL);
    if (!check_kind(verdict, service, decision->credential.kind))
        return false;
    if (!check_unmasked(verdict, &decision->credential))
        return false;
    if (!read_authzid(decision, service))
        return false;
    if (decision->attempt.user == NULL && decision->hint[0] != '\0')
        decision->request.hint = decision->hint;
    return decision->credential.kind != CREDENTIAL_OTHER || plan_exchange(decision);
}

static const struct latchkeyd_question *ask_exchange(struct decision *decision)
{
    decision->question = (struct latchkeyd_question){
        .ask = LATCHKEYD_EXCHANGE,
        .tenant = slice_of(decision->exchange_tenant),
        .subject = slice_of(decision->subject),
        .url = slice_of(decision->request.exchange_tenant->url),
        .secret = decision->credential.text,
    };
    return &decision->question;
}

static const struct latchkeyd_question *ask_signature(struct decision *decision, const struct tenant *tenant)
{
    decision->question = (struct latchkeyd_question){
        .ask = LATCHKEYD_SIGNATURE,
        .tenant = slice_of(tenant->id),
        .secret = decision->token,
    };
    return &decision->question;
}

static const struct latchkeyd_question *ask_refresh(struct decision *decision, const struct tenant *tenant)
{
    decision->question = (struct latchkeyd_question){ .ask = LATCHKEYD_REFRESH, .tenant = slice_of(tenant->id) };
    return &decision->question;
}

/* The configuration is out of sight: latchkeyd, which can see it, decides. NULL with a refusal where the question could
 * not say what is asked: an empty name would read like none at all. */
static const struct latchkeyd_question *ask_all(struct decision *decision)
{
    const struct attempt *attempt = &decision->attempt;
    const struct credential *credential = &decision->credential;
    struct verdict *verdict = decision->verdict;

    verdict_check(verdict, CHECK_CONFIGURATION);
    if (attempt->user != NULL && attempt->user[0] == '\0')
        verdict_reject(verdict, REASON_USER_MISMATCH, "the user has no name");
    else if (attempt->authzid != NULL && attempt->authzid[0] == '\0')
        verdict_reject(verdict, REASON_AUTHZID_NOT_ALLOWED, "it has 0 bytes");
    else if (credential->kind == CREDENTIAL_ABSENT)
        verdict_reject(verdict, REASON_CREDENTIAL_ABSENT, "empty");
    else if (credential->text.len > JWT_MAX_LEN)
        verdict_reject(verdict, REASON_TOKEN_TOO_LONG, "%zu bytes", credential->text.len);
    else if (!latchkeyd_is_plain(credential->text))
        verdict_reject(verdict, REASON_TOKEN_MALFORMED, "it has characters that no credential has");
    if (verdict->reason != REASON_UNDECIDED)
        return NULL;
    decision->question = (struct latchkeyd_question){
        .ask = LATCHKEYD_AUTHENTICATE,
        .config = slice_of(decision->config->path),
        .service = slice_of(attempt->service),
        .user = slice_of(attempt->user),
        .authzid = slice_of(attempt->authzid),
        .is_directory = attempt->is_directory,
        .secret = credential->text,
    };
    return &decision->question;
}

/* An API key is a token of the account's subject from now on. */
static void note_exchange(struct decision *decision)
{
    struct verdict *verdict = decision->verdict;

    verdict_check(verdict, CHECK_EXCHANGE);
    text_copy_printable(verdict->tenant, sizeof verdict->tenant, slice_of(decision->exchange_tenant));
    text_copy_printable(verdict->subject, sizeof verdict->subject, slice_of(decision->subject));
    if (was_exchanged(decision))
        verdict_detail(verdict, "a token of subject %s", decision->subject);
}

static const struct latchkeyd_question *verify(struct decision *decision)
{
    const struct tenant *tenant = NULL;

    decision->request.vouched = decision->vouched[0] != '\0' ? decision->vouched : NULL;
    decision->request.elsewhere = decision->driver->is_host && decision->vouched[0] == '\0' ? &tenant : NULL;
    if (verify_token(decision->verdict, decision->config, &decision->request, decision->token, decision->login))
        return NULL;
    if (decision->verdict->reason == REASON_UNDECIDED && tenant != NULL)
        return ask_signature(decision, tenant);
    if (decision->was_refreshed || !decision_lacks_keys(decision->verdict->reason))
        return NULL;
    tenant = config_tenant(decision->config, slice_of(decision->verdict->tenant));
    return config_publishes_keys(tenant) ? ask_refresh(decision, tenant) : NULL;
}

static const struct latchkeyd_question *proceed(struct decision *decision)
{
    if (!plan(decision))
        return NULL;
    if (decision->credential.kind != CREDENTIAL_OTHER)
        return verify(decision);
    note_exchange(decision);
    return was_exchanged(decision) ? verify(decision) : ask_exchange(decision);
}

const struct latchkeyd_question *decision_begin(struct decision *decision, const struct decision_driver *driver,
                                                const struct config *config, const struct attempt *attempt,
                                                const struct credential *credential, struct verdict *verdict,
                                                struct login *login)
{
    *decision = (struct decision){
        .driver = driver,
        .config = config_hold(config),
        .verdict = verdict,
        .login = login,
        .attempt = *attempt,
        .ahead = attempt->now - time(NULL),
        .credential = *credential,
        .token = credential->text,
        .before = *verdict,
        .checks_before = verdict->explanation != NULL ? verdict->explanation->count : 0,
    };
    if (driver->is_host && config_is_out_of_sight())
        return ask_all(decision);
    return proceed(decision);
}

void decision_end(struct decision *decision)
{
    config_release(&decision->config);
    secret_clear(&decision->exchanged);
}

bool decision_lacks_keys(enum reason reason)
{
    return reason == REASON_KEY_UNKNOWN || reason == REASON_JWKS_UNAVAILABLE || reason == REASON_JWKS_INVALID;
}

void decision_note_no_keys(struct verdict *refusal, const struct latchkeyd_answer *answer, bool was_heard)
{
    const struct verdict cause = *refusal;

    if (!was_heard || answer->reason != REASON_LATCHKEYD_UNAVAILABLE) {
        verdict_add(refusal, "no newer key set: %s", answer->detail);
        return;
    }
    refusal->reason = REASON_UNDECIDED;
    verdict_reject(refusal, REASON_LATCHKEYD_UNAVAILABLE, "%s; %s: %s", answer->detail, reason_name(cause.reason),
                   cause.evidence);
}

static bool take_token(struct decision *decision, const struct latchkeyd_answer *answer, bool was_heard)
{
    (void)was_heard;
    if (answer->reason != REASON_OK)
        return verdict_reject(decision->verdict, answer->reason, "%s", answer->detail);
    if (answer->token.len == 0)
        return verdict_reject(decision->verdict, REASON_LATCHKEYD_UNAVAILABLE, "no token in the answer");
    if (!secret_copy(answer->token, &decision->exchanged))
        return verdict_reject(decision->verdict, REASON_OUT_OF_MEMORY, "a token");
    decision->token = (struct slice){ decision->exchanged.bytes, decision->exchanged.len };
    return true;
}

static bool take_signature(struct decision *decision, const struct latchkeyd_answer *answer, bool was_heard)
{
    const struct slice id = decision->question.tenant;
    const struct tenant *tenant = config_tenant(decision->config, id);

    if (answer->reason == REASON_OK) {
        snprintf(decision->vouched, sizeof decision->vouched, "%.*s", SLICE_ARG(id));
        return true;
    }
    /* Without latchkeyd the administrator must mend the file; with one that does not serve this process, its `allow`.
     */
    if (answer->reason == REASON_LATCHKEYD_UNAVAILABLE && !was_heard)
        return verdict_reject(decision->verdict, tenant->keys_failure.reason, "%s (%s)", tenant->keys_failure.evidence,
                              answer->detail);
    return verdict_reject(decision->verdict, answer->reason, "%s", answer->detail);
}

static bool take_refresh(struct decision *decision, const struct latchkeyd_answer *answer, bool was_heard)
{
    decision->was_refreshed = true;
    if (answer->reason == REASON_OK)
        return true;
    decision_note_no_keys(decision->verdict, answer, was_heard);
    return false;
}

/* The whole decision: nothing is left to do here. */
static bool take_login(struct decision *decision, const struct latchkeyd_answer *answer, bool was_heard)
{
    (void)was_heard;
    delegate_take(decision->verdict, answer, &decision->attempt, decision->login);
    return false;
}

/* Whether the decision goes on after the answer; else the verdict is reached. */
typedef bool take_answer(struct decision *decision, const struct latchkeyd_answer *answer, bool was_heard);
static take_answer *const takers[LATCHKEYD_ASK_COUNT] = {
    [LATCHKEYD_EXCHANGE] = take_token,
    [LATCHKEYD_SIGNATURE] = take_signature,
    [LATCHKEYD_REFRESH] = take_refresh,
    [LATCHKEYD_AUTHENTICATE] = take_login,
};

/* After a wait: the time of now, and the configuration of now. A token that was made during the wait is not one of the
 * future. */
static bool catch_up(struct decision *decision)
{
    const struct decision_driver *driver = decision->driver;
    const char *credential = decision->verdict->credential;
    const struct config *newest = NULL;

    start_over(decision);
    decision->verdict->credential = credential;
    decision->attempt.now = time(NULL) + decision->ahead;
    verdict_check(decision->verdict, CHECK_CONFIGURATION);
    if (!driver->acquire(driver->context, decision->verdict, &newest))
        return false;
    config_release(&decision->config);
    decision->config = newest;
    return true;
}

const struct latchkeyd_question *decision_answer(struct decision *decision, const struct latchkeyd_answer *answer,
                                                 bool was_heard)
{
    if (!takers[decision->question.ask](decision, answer, was_heard))
        return NULL;
    return catch_up(decision) ? proceed(decision) : NULL;
}
