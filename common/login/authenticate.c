#include "login/authenticate.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/snapshot.h"
#include "ipc/client.h"
#include "login/delegate.h"

static bool check_revocation_list(struct verdict *verdict, const struct config *config)
{
    const struct verdict *failure = &config->revocation_failure;

    return failure->reason == REASON_UNDECIDED || verdict_reject(verdict, failure->reason, "%s", failure->evidence);
}

/* API keys need a tenant service to ask, and JWTs a key or somebody who has it. */
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

/* Have latchkeyd look for a newer key set of a tenant. False when it has not looked; the refusal then tells why. */
static bool look_for_keys(struct verdict *refusal, const struct config *config, const struct tenant *tenant)
{
    CLEANUP(latchkeyd_reply_clear) struct latchkeyd_reply reply = { .json = NULL };
    struct verdict asked = VERDICT_INIT;
    struct latchkeyd_question question;

    if (!config_publishes_keys(tenant))
        return false;
    question = (struct latchkeyd_question){ .ask = LATCHKEYD_REFRESH, .tenant = slice_of(tenant->id) };
    if (latchkeyd_ask(&asked, config, &question, &reply))
        return true;
    if (reply.answer.reason == REASON_LATCHKEYD_UNAVAILABLE) {
        /* One runs, and does not serve this process: the token may be a good one, and the administrator mends it. */
        const struct verdict cause = *refusal;

        refusal->reason = REASON_UNDECIDED;
        verdict_reject(refusal, REASON_LATCHKEYD_UNAVAILABLE, "%s; %s: %s", asked.evidence, reason_name(cause.reason),
                       cause.evidence);
    } else {
        verdict_add(refusal, "no newer key set: %s", asked.evidence);
    }
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

        if (!look_for_keys(refusal, config, &config->tenants[i]))
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
    struct verdict refusal = VERDICT_INIT;

    if (!check_revocation_list(verdict, config))
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
    return can_be_fetched(&refusal, config, service) || verdict_reject(verdict, refusal.reason, "%s", refusal.evidence);
}

/* Whether the service wants this kind of credential at all. */
static bool check_kind(struct verdict *verdict, const struct service_rules *service, enum credential_kind kind)
{
    switch (kind) {
    case CREDENTIAL_ABSENT:
        return verdict_reject(verdict, REASON_CREDENTIAL_ABSENT, "empty");
    case CREDENTIAL_OTHER:
        verdict->credential = "api_key";
        return (service->credentials & CREDENTIALS_API_KEY) != 0
            || verdict_reject(verdict, REASON_CREDENTIAL_NOT_ALLOWED,
                              "not the beginning of a JWT, and service %s takes no API keys", service->name);
    default:
        verdict->credential = "jwt";
        if ((service->credentials & CREDENTIALS_JWT) == 0)
            return verdict_reject(verdict, REASON_CREDENTIAL_NOT_ALLOWED, "service %s takes no JWTs", service->name);
        return true;
    }
}

/* A secret that this process may not read: does latchkeyd find that the signature holds? */
static bool ask_signature(struct verdict *verdict, const struct config *config, const struct tenant *tenant,
                          struct slice token)
{
    const struct latchkeyd_question question = { .ask = LATCHKEYD_SIGNATURE,
                                                 .tenant = slice_of(tenant->id),
                                                 .secret = token };
    CLEANUP(latchkeyd_reply_clear) struct latchkeyd_reply reply = { .json = NULL };
    struct verdict asked = VERDICT_INIT;

    if (latchkeyd_ask(&asked, config, &question, &reply))
        return true;
    /* Without latchkeyd it is the file that is to be mended; with one that does not serve this process, its `allow`. */
    if (asked.reason == REASON_LATCHKEYD_UNAVAILABLE && reply.answer.reason == REASON_UNDECIDED)
        return verdict_reject(verdict, tenant->keys_failure.reason, "%s (%s)", tenant->keys_failure.evidence,
                              asked.evidence);
    return verdict_reject(verdict, asked.reason, "%s", asked.evidence);
}

bool authenticate_wants_keys(enum reason reason)
{
    return reason == REASON_KEY_UNKNOWN || reason == REASON_JWKS_UNAVAILABLE || reason == REASON_JWKS_INVALID;
}

/*
 * A key that is not in the set may be the tenant's newest: latchkeyd looks, and does so seldom, however many such
 * tokens come. The newer configuration when there is one, else NULL; the refusal then tells why latchkeyd did not look.
 */
static const struct config *refreshed(struct verdict *refusal, const struct config *config, const char *tenant_id)
{
    struct verdict failure = VERDICT_INIT;
    const struct config *newer = NULL;

    if (!look_for_keys(refusal, config, config_tenant(config, slice_of(tenant_id))))
        return NULL;
    if (!config_acquire(&failure, config->path, &newer))
        verdict_add(refusal, "no newer key set: %s", failure.evidence);
    else if (newer == config)
        config_release(&newer);
    return newer;
}

static bool knows_realm(const struct service_rules *service, struct slice realm)
{
    size_t i;

    for (i = 0; i < service->realms.count; i++)
        if (strcmp(service->realms.items[i], REALM_ANY) == 0 || slice_equal_nocase(realm, service->realms.items[i]))
            return true;
    return false;
}

bool authenticate_name(struct verdict *verdict, const struct service_rules *service, const char *name,
                       struct slice *ret_name)
{
    struct slice bare = slice_of(name);
    const char *at;

    /* An @ with nothing behind it: libsasl passes "alice@" on to saslauthd's protocol as alice in no realm. */
    while (bare.len > 0 && bare.bytes[bare.len - 1] == '@')
        bare.len--;
    *ret_name = bare;
    at = bare.len > 0 ? memrchr(bare.bytes, '@', bare.len) : NULL;
    if (at == NULL)
        return true;
    ret_name->len = (size_t)(at - bare.bytes);
    bare = (struct slice){ at + 1, bare.len - ret_name->len - 1 };
    /* A second realm is left for none: who comes next may drop it, and open root's mailbox to "root@one@two". */
    return (knows_realm(service, bare) && memchr(name, '@', ret_name->len) == NULL)
        || verdict_reject(verdict, REASON_REALM_UNKNOWN, "%.*s", SLICE_ARG(bare));
}

/*
 * Whether what came may be forwarded as the API key of this account. It may as well be a local password, which is the
 * next module's business, and nobody else's: it leaves this host only where the administrator wants API keys and it
 * looks like one.
 */
static bool find_exchange(struct verdict *verdict, const struct config *config, const char *user,
                          const struct credential *credential, struct auth_plan *plan)
{
    const struct user_block *block = user != NULL ? identity_user_block(&config->identity, user) : NULL;

    if (user == NULL)
        return verdict_reject(verdict, REASON_CREDENTIAL_NOT_ALLOWED,
                              "not the beginning of a JWT, and no user is named");
    if (block == NULL || !block->api_key)
        return verdict_reject(verdict, REASON_CREDENTIAL_NOT_ALLOWED,
                              "not the beginning of a JWT, and the account takes no API keys");
    plan->attempt.user = block->name;
    plan->verify.exchange_tenant = config_exchange_tenant(config, block);
    plan->verify.exchange_subject = block->subjects.items[0]; /* the configuration has seen to both */
    return config_is_api_key(plan->verify.exchange_tenant, credential->text)
        || verdict_reject(verdict, REASON_CREDENTIAL_NOT_ALLOWED, "neither a JWT nor in the form of an API key");
}

/* Hosts drop blanks around a name, as libsasl does: "root " would be somebody whom the rules do not know, and then
 * root. */
static bool has_blanks_around(struct slice name)
{
    return name.len > 0 && (name.bytes[0] == ' ' || name.bytes[name.len - 1] == ' ');
}

/* Whom the authzid means; if it could be an account's name it is also a hint which of several is meant. */
static bool read_authzid(struct verdict *verdict, const struct service_rules *service, struct auth_plan *plan)
{
    const char *authzid = plan->attempt.authzid;

    if (authzid == NULL)
        return true;
    if (verify_is_directory_name(&plan->attempt, slice_of(authzid)))
        plan->verify.authzid = slice_of(authzid); /* which may end like a realm, and has none */
    else if (!authenticate_name(verdict, service, authzid, &plan->verify.authzid))
        return false;
    if (plan->verify.authzid.len == 0 || plan->verify.authzid.len > SUBJECT_MAX)
        return verdict_reject(verdict, REASON_AUTHZID_NOT_ALLOWED, "it has %zu bytes", plan->verify.authzid.len);
    if (has_blanks_around(plan->verify.authzid))
        return verdict_reject(verdict, REASON_AUTHZID_NOT_ALLOWED, "it begins or ends with a blank");
    if (identity_is_valid_name(plan->verify.authzid))
        snprintf(plan->hint, sizeof plan->hint, "%.*s", SLICE_ARG(plan->verify.authzid));
    return true;
}

/* sshd puts other bytes in the place of what was typed for a user whom it does not know, or lets in another way alone.
 * The token may be a good one, and whoever reads the log must not look for a fault in it. */
static bool check_seen(struct verdict *verdict, const struct credential *credential)
{
    return !credential->is_masked
        || verdict_reject(
            verdict, REASON_TOKEN_MALFORMED,
            "control characters: the host hides what was typed (no such user, or one that it does not let "
            "in this way), or it was damaged");
}

bool authenticate_plan(struct verdict *verdict, const struct config *config, const struct attempt *attempt,
                       const struct credential *credential, struct auth_plan *ret_plan)
{
    const struct service_rules *service = config_service(config, attempt->service);
    const char *user = attempt->user;

    *ret_plan = (struct auth_plan){ .attempt = *attempt, .ahead = attempt->now - time(NULL) };
    ret_plan->verify.attempt = &ret_plan->attempt;
    if (!verdict_check(verdict, CHECK_CONFIGURATION) || !check_revocation_list(verdict, config)
        || !verdict_check(verdict, CHECK_CREDENTIAL) || !check_kind(verdict, service, credential->kind)
        || !check_seen(verdict, credential) || !read_authzid(verdict, service, ret_plan))
        return false;
    if (user == NULL && ret_plan->hint[0] != '\0')
        user = ret_plan->verify.hint = ret_plan->hint;
    return credential->kind != CREDENTIAL_OTHER || find_exchange(verdict, config, user, credential, ret_plan);
}

void authenticate_catch_up(struct auth_plan *plan)
{
    plan->attempt.now = time(NULL) + plan->ahead;
}

/* Whether the account's key still stands for this subject of this tenant. */
static bool replan_exchange(struct verdict *verdict, const struct config *newer, struct auth_plan *plan)
{
    struct verify_request *verify = &plan->verify;
    const struct user_block *block = identity_user_block(&newer->identity, plan->attempt.user);
    const struct tenant *tenant = config_tenant(newer, slice_of(verify->exchange_tenant->id));

    if (tenant == NULL)
        return verdict_reject(verdict, REASON_TENANT_UNKNOWN, "%s is no longer configured",
                              verify->exchange_tenant->id);
    if (block == NULL || !block->api_key || !string_list_has(&block->subjects, slice_of(verify->exchange_subject)))
        return verdict_reject(verdict, REASON_CREDENTIAL_NOT_ALLOWED, "the account takes this API key no more");
    verify->exchange_tenant = tenant;
    return true;
}

bool authenticate_replan(struct verdict *verdict, const struct config *newer, const struct attempt *attempt,
                         const struct auth_plan *plan, struct auth_plan *ret_plan)
{
    const bool is_exchanged = plan->verify.exchange_subject != NULL;
    const struct service_rules *service = config_service(newer, attempt->service);

    *ret_plan = *plan;
    ret_plan->verify.attempt = &ret_plan->attempt;
    authenticate_catch_up(ret_plan);
    return check_kind(verdict, service, is_exchanged ? CREDENTIAL_OTHER : CREDENTIAL_JWT)
        && (!is_exchanged || replan_exchange(verdict, newer, ret_plan));
}

/* An API key becomes a JWT of the account's subject, which is then judged like any other. */
static bool exchange(struct verdict *verdict, const struct config *config, const struct verify_request *request,
                     struct slice api_key, struct latchkeyd_reply *ret_reply)
{
    const struct latchkeyd_question question = {
        .ask = LATCHKEYD_EXCHANGE,
        .tenant = slice_of(request->exchange_tenant->id),
        .subject = slice_of(request->exchange_subject),
        .url = slice_of(request->exchange_tenant->url),
        .secret = api_key,
    };

    verdict_check(verdict, CHECK_EXCHANGE);
    verdict_fact(verdict->tenant, sizeof verdict->tenant, slice_of(request->exchange_tenant->id));
    verdict_fact(verdict->subject, sizeof verdict->subject, slice_of(request->exchange_subject));
    if (!latchkeyd_ask(verdict, config, &question, ret_reply))
        return false;
    verdict_detail(verdict, "a token of subject %s", request->exchange_subject);
    return true;
}

/* Once, and once more with a newer key set when the token's key was not in the old one, or there was none. */
static bool judge_token(struct verdict *verdict, const struct config *config, const struct attempt *attempt,
                        const struct auth_plan *plan, struct slice token, struct login *ret_login)
{
    const struct verdict before = *verdict;
    const size_t checks_before = verdict->explanation != NULL ? verdict->explanation->count : 0;
    CLEANUP(config_release) const struct config *newer = NULL;
    struct auth_plan again;

    if (verify_token(verdict, config, &plan->verify, token, ret_login))
        return true;
    newer = authenticate_wants_keys(verdict->reason) ? refreshed(verdict, config, verdict->tenant) : NULL;
    if (newer == NULL)
        return false;
    *verdict = before;
    if (verdict->explanation != NULL)
        verdict->explanation->count = checks_before;
    return authenticate_replan(verdict, newer, attempt, plan, &again)
        && verify_token(verdict, newer, &again.verify, token, ret_login);
}

/* The configuration is out of sight: whoever can see it decides. */
static bool delegate(struct verdict *verdict, const struct config *config, const struct attempt *attempt,
                     const struct credential *credential, struct login *ret_login)
{
    const struct latchkeyd_question question = {
        .ask = LATCHKEYD_AUTHENTICATE,
        .config = slice_of(config->path),
        .service = slice_of(attempt->service),
        .user = slice_of(attempt->user),
        .authzid = slice_of(attempt->authzid),
        .is_directory = attempt->is_directory,
        .secret = credential->text,
    };

    verdict_check(verdict, CHECK_CONFIGURATION);
    /* What the question cannot say. An empty name would read there like none at all. */
    if (attempt->user != NULL && attempt->user[0] == '\0')
        return verdict_reject(verdict, REASON_USER_MISMATCH, "the user has no name");
    if (attempt->authzid != NULL && attempt->authzid[0] == '\0')
        return verdict_reject(verdict, REASON_AUTHZID_NOT_ALLOWED, "it has 0 bytes");
    if (credential->kind == CREDENTIAL_ABSENT)
        return verdict_reject(verdict, REASON_CREDENTIAL_ABSENT, "empty");
    if (credential->text.len > JWT_MAX_LEN)
        return verdict_reject(verdict, REASON_TOKEN_TOO_LONG, "%zu bytes", credential->text.len);
    if (!latchkeyd_is_plain(credential->text))
        return verdict_reject(verdict, REASON_TOKEN_MALFORMED, "bytes that stand in no credential");
    return delegate_authenticate(verdict, config, &question, ret_login);
}

/* What people paste instead of a token is told as what it is, behind the first fault that was found in it. */
static void add_form(struct verdict *verdict, const struct credential *credential)
{
    const char *sentence = credential_form_sentence(credential->form);

    if (verdict->reason == REASON_TOKEN_MALFORMED && sentence != NULL && !credential->is_masked)
        verdict_add(verdict, "what came is %s", sentence);
}

static bool judge(struct verdict *verdict, const struct config *config, const struct attempt *attempt,
                  const struct credential *credential, struct login *ret_login)
{
    CLEANUP(latchkeyd_reply_clear) struct latchkeyd_reply reply = { .json = NULL };
    struct slice token = credential->text;
    struct auth_plan plan;

    if (config_is_out_of_sight())
        return delegate(verdict, config, attempt, credential, ret_login);
    if (!authenticate_plan(verdict, config, attempt, credential, &plan))
        return false;
    plan.verify.elsewhere = ask_signature;
    if (plan.verify.exchange_subject != NULL) {
        if (!exchange(verdict, config, &plan.verify, token, &reply))
            return false;
        token = reply.answer.token;
        authenticate_catch_up(&plan);
    }
    return judge_token(verdict, config, attempt, &plan, token, ret_login);
}

bool authenticate(struct verdict *verdict, const struct config *config, const struct attempt *attempt,
                  const struct credential *credential, struct login *ret_login)
{
    if (judge(verdict, config, attempt, credential, ret_login))
        return true;
    add_form(verdict, credential);
    return false;
}

/* For the log line, whatever becomes of the login. */
static void set_facts(struct verdict *verdict, const struct login *login)
{
    verdict->credential = login->credential;
    verdict_fact(verdict->tenant, sizeof verdict->tenant, slice_of(login->tenant));
    verdict_fact(verdict->subject, sizeof verdict->subject, slice_of(login->subject));
    verdict_fact(verdict->jti, sizeof verdict->jti, slice_of(login->jti));
    verdict_fact(verdict->kid, sizeof verdict->kid, slice_of(login->kid));
    verdict_fact(verdict->user, sizeof verdict->user, slice_of(login->identity.user));
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
 * Nobody knows which of the block's people came. Where one of several is shut out the others must not be: it may be
 * root's account, and theirs the last way in.
 */
static bool check_block(struct verdict *verdict, const struct config *config, const char *user)
{
    const struct user_block *block = NULL;
    struct verdict revoked = VERDICT_INIT;
    size_t i;

    if (user == NULL || revocation_count(config->revocation) == 0) /* nobody is revoked, and NSS is not asked */
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
        set_facts(verdict, login);
    return check_revocation_list(verdict, config)
        && (login != NULL ? check_login(verdict, config, attempt, login) : check_block(verdict, config, attempt->user))
        && verdict_accept(verdict);
}
