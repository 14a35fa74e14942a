#include "latchkeyd/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/snapshot.h"
#include "login/verify.h"
#include "tenant/tenant.h"
#include "latchkeyd/guesses.h"
#include "latchkeyd/waiting.h"

#define RESERVE_MS 250 /* for the client: connecting, sending and reading */

struct tenant_state {
    char id[FACT_MAX];
    char *service; /* service_name_of() the tenant whose breaker this is; NULL: none yet */
    struct breaker breaker;
};

struct exchange {
    struct http *http;
    exchange_may_ask *may_ask;
    void *may_ask_context;
    struct cache *cache;
    struct guesses *guesses;
    struct exchange_counts counts;
    double kept_s;    /* the longest time that a token in the cache is kept */
    struct job *jobs; /* those that wait for a tenant service */
    struct tenant_state tenants[CONFIG_TENANTS_MAX];
    size_t tenant_count;
};

/* An exchange. Of the API key it holds only the hash of the cache. */
struct job {
    struct exchange *exchange;
    const struct config *config; /* held */
    const struct tenant *tenant; /* lent by it */
    char subject[SUBJECT_MAX + 1];
    uid_t uid; /* of the process that asks */
    bool is_cacheable;
    struct cache_key key;
    exchange_done *done;
    void *context;
    struct job *next, **previous; /* in the list of those that wait; previous NULL: not in the list */
};

int exchange_timeout_ms(const struct config *config)
{
    return (int)config->latchkeyd.timeout * 1000 - RESERVE_MS;
}

struct exchange *exchange_new(struct http *http, exchange_may_ask *may_ask, void *may_ask_context)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);

    if (exchange == NULL)
        return NULL;
    exchange->http = http;
    exchange->may_ask = may_ask;
    exchange->may_ask_context = may_ask_context;
    exchange->cache = cache_new();
    exchange->guesses = guesses_new();
    if (exchange->cache == NULL || exchange->guesses == NULL)
        exchange_free(&exchange);
    return exchange;
}

static void forget_tenants(struct exchange *exchange)
{
    while (exchange->tenant_count > 0)
        free(exchange->tenants[--exchange->tenant_count].service);
}

void exchange_free(struct exchange **exchange)
{
    if (exchange == NULL || *exchange == NULL)
        return;
    forget_tenants(*exchange);
    cache_free(&(*exchange)->cache);
    guesses_free(&(*exchange)->guesses);
    free(*exchange);
    *exchange = NULL;
}

/* Never NULL. There is room for all tenants of one configuration: when former tenants fill it, all are forgotten. */
static struct tenant_state *state_of(struct exchange *exchange, const char *tenant_id)
{
    size_t i;

    for (i = 0; i < exchange->tenant_count; i++)
        if (strcmp(exchange->tenants[i].id, tenant_id) == 0)
            return &exchange->tenants[i];
    if (exchange->tenant_count == CONFIG_TENANTS_MAX)
        forget_tenants(exchange);
    exchange->tenants[exchange->tenant_count] = (struct tenant_state){ .service = NULL };
    snprintf(exchange->tenants[exchange->tenant_count].id, FACT_MAX, "%s", tenant_id);
    return &exchange->tenants[exchange->tenant_count++];
}

/* The address and the ca_file; malloc'ed. NULL when out of memory. */
static char *service_name_of(const struct tenant *tenant)
{
    char *service;

    if (asprintf(&service, "%s %s", tenant->url != NULL ? tenant->url : "",
                 tenant->ca_file != NULL ? tenant->ca_file : "")
        < 0)
        return NULL;
    return service;
}

/* Whether the state belongs to the service that the tenant's configuration names. */
static bool is_state_of(const struct tenant_state *state, const struct tenant *tenant)
{
    char *service = service_name_of(tenant);
    const bool is_same = service != NULL && state->service != NULL && strcmp(service, state->service) == 0;

    free(service);
    return is_same;
}

/* The tenant has another service now: forget the breaker and the tokens of the former one. */
static void begin_anew(struct exchange *exchange, struct tenant_state *state, const struct tenant *tenant)
{
    if (state->service != NULL)
        cache_sweep(exchange->cache, INT64_MAX);
    free(state->service);
    state->service = service_name_of(tenant);
    state->breaker = (struct breaker){ .failures = 0 };
}

static void answer_refusal(exchange_done *done, void *context, const struct verdict *verdict)
{
    const struct latchkeyd_answer answer = latchkeyd_answer_of(verdict->reason, verdict->evidence);

    done(context, &answer);
}

static void answer_token(exchange_done *done, void *context, struct slice token)
{
    const struct latchkeyd_answer answer = { .reason = REASON_OK, .token = token };

    done(context, &answer);
}

/* Whether the token verifies now, for the account, by the current keys and revocation list. */
static bool token_is_good(const struct job *job, struct slice token, double *ret_expires)
{
    struct verdict verdict = VERDICT_INIT;

    return verify_exchanged(&verdict, job->config, job->tenant, job->subject, token, time(NULL), ret_expires);
}

/* A token must not be cached longer than max_age of a service: it would be refused there although a new one is
 * accepted. */
static double shortest_max_age(const struct config *config, double lifetime)
{
    const struct service_rules *rules = &config->default_service;
    size_t i;

    for (i = 0; i <= config->service_count; i++) {
        if ((rules->credentials & CREDENTIALS_API_KEY) != 0 && rules->max_age > 0 && (double)rules->max_age < lifetime)
            lifetime = (double)rules->max_age;
        rules = i < config->service_count ? &config->services[i] : NULL;
    }
    return lifetime;
}

/* Clear the cache when tokens must be kept for a shorter time than before, or when the tenant has another service. */
static void forget_outdated(struct exchange *exchange, const struct config *config, const struct tenant *tenant)
{
    const double kept_s = shortest_max_age(config, (double)config->latchkeyd.api_key_cache);
    struct tenant_state *state = state_of(exchange, tenant->id);

    if (kept_s < exchange->kept_s)
        cache_sweep(exchange->cache, INT64_MAX);
    exchange->kept_s = kept_s;
    if (!is_state_of(state, tenant))
        begin_anew(exchange, state, tenant);
}

/* Only a token that verifies is cached, until it expires at the latest. */
static void keep_in_cache(struct job *job, struct slice token)
{
    double expires, lifetime;

    if (!job->is_cacheable || !token_is_good(job, token, &expires))
        return;
    lifetime = expires - (double)time(NULL); /* without leeway: it is for clocks that differ */
    if (lifetime > (double)job->config->latchkeyd.api_key_cache)
        lifetime = (double)job->config->latchkeyd.api_key_cache;
    lifetime = shortest_max_age(job->config, lifetime);
    if (lifetime > 0)
        cache_put(job->exchange->cache, &job->key, token, clock_ms() + (int64_t)(lifetime * 1000));
}

static void job_wait(struct job *job)
{
    job->next = job->exchange->jobs;
    job->previous = &job->exchange->jobs;
    if (job->next != NULL)
        job->next->previous = &job->next;
    job->exchange->jobs = job;
}

static void job_free(struct job *job)
{
    if (job->previous != NULL) {
        *job->previous = job->next;
        if (job->next != NULL)
            job->next->previous = job->previous;
    }
    config_release(&job->config);
    free(job);
}

/* A service that answers 404 is up. So is one that answers 429: one user alone may cause it, and must not shut out
 * other users. */
static bool is_up(const struct http_reply *reply)
{
    return reply->arrived && reply->status < 500;
}

/* A request that never got a connection, or that went to the former service of the tenant, shows nothing about the
 * service. */
static void tell_breaker(const struct job *job, const struct http_reply *reply)
{
    struct tenant_state *state = state_of(job->exchange, job->tenant->id);
    struct breaker *breaker = &state->breaker;

    if (state->service == NULL) /* forgotten since */
        begin_anew(job->exchange, state, job->tenant);
    if (!is_state_of(state, job->tenant))
        return;
    if (!reply->arrived && !reply->has_begun)
        breaker_forget(breaker);
    else
        breaker_tell(breaker, is_up(reply), reply->retry_after, reply->status == 503, clock_ms());
}

/* Status 4xx blames the request: 401 and 403 a wrong key, 429 too many attempts. It costs the account a guess, so that
 * guesses for one account do not use up the rate of other accounts. */
static bool is_refusal(const struct http_reply *reply)
{
    return reply->arrived && reply->status >= 400 && reply->status <= 499;
}

static void reply_arrived(void *context, struct http_reply *reply)
{
    struct job *job = context;
    CLEANUP(secret_clear) struct secret token = { NULL, 0 };
    struct verdict verdict = VERDICT_INIT;

    tell_breaker(job, reply);
    if (tenant_exchange_read(&verdict, reply, &token)) {
        keep_in_cache(job, (struct slice){ token.bytes, token.len });
        answer_token(job->done, job->context, (struct slice){ token.bytes, token.len });
    } else {
        if (is_refusal(reply))
            guesses_count(job->exchange->guesses, job->tenant->id, job->subject, clock_ms());
        answer_refusal(job->done, job->context, &verdict);
    }
    job_free(job);
}

static struct job *job_new(struct exchange *exchange, const struct config *config, const struct tenant *tenant,
                           uid_t uid, const struct latchkeyd_question *question, exchange_done *done, void *context)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return NULL;
    job->exchange = exchange;
    job->config = config_hold(config);
    job->tenant = tenant;
    job->uid = uid;
    snprintf(job->subject, sizeof job->subject, "%.*s", SLICE_ARG(question->subject));
    job->done = done;
    job->context = context;
    return job;
}

/* The tenant of a question. The client is not trusted: nothing that cannot be an API key of the tenant is sent to it.
 */
static const struct tenant *tenant_of_question(struct verdict *verdict, const struct config *config,
                                               const struct latchkeyd_question *question)
{
    const struct tenant *tenant = config_tenant(config, question->tenant);

    if (tenant == NULL)
        verdict_reject(verdict, REASON_TENANT_UNKNOWN, "the configuration of latchkeyd does not have this tenant");
    else if (question->url.len > 0 && (tenant->url == NULL || !slice_equal_string(question->url, tenant->url)))
        verdict_reject(verdict, REASON_TENANT_UNKNOWN,
                       "the configuration of latchkeyd has another url for this tenant");
    else if (!config_is_api_key(tenant, question->secret))
        verdict_reject(verdict, REASON_CREDENTIAL_REFUSED, "not in the form of an API key");
    else
        return tenant;
    return NULL;
}

/* The exchanges that wait for the service of a tenant. *ret_of_account: those of one account. */
static struct crowd count_waiting(const struct exchange *exchange, const char *tenant_id, const char *subject,
                                  uid_t uid, size_t *ret_of_account)
{
    struct crowd crowd = { .of_all = 0 };
    const struct job *job;

    *ret_of_account = 0;
    for (job = exchange->jobs; job != NULL; job = job->next)
        if (strcmp(job->tenant->id, tenant_id) == 0) {
            crowd_count(&crowd, job->uid, uid);
            *ret_of_account += strcmp(job->subject, subject) == 0;
        }
    return crowd;
}

/* An exchange that waits holds a place here and in the client's process, so places are shared (waiting.h). Each key
 * that waits may turn out to be a wrong guess. */
static bool has_place(struct verdict *verdict, const struct job *job)
{
    struct exchange *exchange = job->exchange;
    const size_t share = waiting_share(job->config->tenant_count);
    size_t of_account;
    const struct crowd crowd = count_waiting(exchange, job->tenant->id, job->subject, job->uid, &of_account);

    if (crowd_is_full(&crowd, share, job->uid) || of_account >= share / 2) {
        exchange->counts.crowded++;
        return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE,
                              "too many API keys wait for it: %zu, %zu for the account, %zu of the same user",
                              crowd.of_all, of_account, crowd.of_uid);
    }
    if (guesses_left(exchange->guesses, job->tenant->id, job->subject, clock_ms()) <= of_account) {
        exchange->counts.guesses++;
        return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE,
                              "not asked: it refused too many API keys for this account");
    }
    return true;
}

/* The last check: a question that does not go to a tenant service does not count against the rate. */
static bool is_within_rate(struct verdict *verdict, const struct exchange *exchange, uid_t uid)
{
    return exchange->may_ask == NULL || exchange->may_ask(exchange->may_ask_context, uid)
        || verdict_reject(verdict, REASON_LATCHKEYD_UNAVAILABLE, "too many questions a second");
}

static bool start_request(struct verdict *verdict, struct job *job, const struct latchkeyd_question *question,
                          int timeout_ms)
{
    CLEANUP(tenant_request_clear) struct tenant_request request = { .ca = { NULL, 0 } };
    struct breaker *breaker = &state_of(job->exchange, job->tenant->id)->breaker;

    if (!has_place(verdict, job)
        || !tenant_exchange_request(verdict, job->tenant, question->subject, question->secret, timeout_ms, &request))
        return false;
    if (!breaker_passes(breaker, clock_ms()))
        return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE, "not asked for another %lld s: it failed %u times",
                              (long long)(breaker->try_from_ms - clock_ms()) / 1000 + 1, breaker->failures);
    if (is_within_rate(verdict, job->exchange, job->uid)) {
        if (http_start(job->exchange->http, &request.http, reply_arrived, job)) {
            job_wait(job);
            return true;
        }
        verdict_reject(verdict, REASON_OUT_OF_MEMORY, "a request to the tenant service");
    }
    breaker_forget(breaker);
    return false;
}

void exchange_ask(struct exchange *exchange, const struct config *config, uid_t uid,
                  const struct latchkeyd_question *question, int timeout_ms, exchange_done *done, void *context)
{
    struct verdict verdict = VERDICT_INIT;
    const struct tenant *tenant = tenant_of_question(&verdict, config, question);
    struct job *job = tenant != NULL ? job_new(exchange, config, tenant, uid, question, done, context) : NULL;
    struct slice token;

    if (tenant != NULL && job == NULL)
        verdict_reject(&verdict, REASON_OUT_OF_MEMORY, "a question to the tenant service");
    if (job != NULL)
        forget_outdated(exchange, config, tenant);
    if (job != NULL && config->latchkeyd.api_key_cache > 0)
        job->is_cacheable =
            cache_key_of(exchange->cache, question->tenant, question->subject, question->secret, &job->key);
    if (job != NULL && job->is_cacheable && cache_find(exchange->cache, &job->key, clock_ms(), &token)) {
        double expires;

        if (token_is_good(job, token, &expires)) {
            answer_token(done, context, token);
            job_free(job);
            return;
        }
        cache_drop(exchange->cache, &job->key); /* revoked, key withdrawn or clock changed: ask for a new token */
    }
    if (job != NULL && start_request(&verdict, job, question, timeout_ms))
        return;
    answer_refusal(done, context, &verdict);
    if (job != NULL)
        job_free(job);
}

void exchange_sweep(struct exchange *exchange)
{
    cache_sweep(exchange->cache, clock_ms());
}

void exchange_reset(struct exchange *exchange)
{
    cache_sweep(exchange->cache, INT64_MAX);
    guesses_reset(exchange->guesses);
    forget_tenants(exchange);
}

struct exchange_counts exchange_counts(const struct exchange *exchange)
{
    return exchange->counts;
}

size_t exchange_waiting(const struct exchange *exchange, const char *tenant_id)
{
    size_t of_account;

    return count_waiting(exchange, tenant_id, "", 0, &of_account).of_all;
}

struct cache_counts exchange_cache_counts(const struct exchange *exchange)
{
    return cache_counts(exchange->cache);
}

struct breaker exchange_breaker(const struct exchange *exchange, const char *tenant_id)
{
    size_t i;

    for (i = 0; i < exchange->tenant_count; i++)
        if (strcmp(exchange->tenants[i].id, tenant_id) == 0)
            return exchange->tenants[i].breaker;
    return (struct breaker){ .failures = 0 };
}
