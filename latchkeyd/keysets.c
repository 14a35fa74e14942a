#include "latchkeyd/keysets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "latchkeyd/waiting.h"

#define FIRST_RETRY_MS     30000 /* after a failure; doubled until it is the interval, or RETRY_MAX_MS */
#define RETRY_MAX_MS       300000
#define WATCH_MS           5000 /* after a failure: how often the configuration and ca_file are checked for changes */
#define FIRST_MS           2000 /* after the start, at most: spreads the requests of hosts that boot together */
#define REFRESH_TIMEOUT_MS 10000
#define IDLE_MS            3600000

struct waiter {
    keysets_done *done;
    void *context;
    uid_t uid; /* of the process that asks */
    int64_t until_ms;
    bool is_patient;
};

struct keyset {
    struct keysets *all;
    char tenant_id[FACT_MAX];
    struct key_source source;
    int64_t due_ms;
    int64_t retry_ms;       /* the pause after the next failure */
    int64_t unscheduled_ms; /* when the last unscheduled refresh began; 0: never */
    int64_t failed_ms;      /* when the last refresh failed; 0: it did not */
    int64_t begun_ms;       /* when the refresh under way, or else the last one, began; 0: never */
    int64_t watched_ms;     /* after a failure: when ca_file was last found unchanged */
    int64_t interval_ms;
    bool is_under_way;
    bool is_outdated;              /* the configuration has changed since the refresh under way began */
    bool is_missing;               /* the last configuration had no key set */
    struct file_stamp authorities; /* ca_file when the last refresh began */
    char *source_name;             /* source_name_of() the last configuration; NULL: unknown */
    unsigned answering;            /* calls of refreshed() that are on the stack */
    struct keyset_status status;
    struct waiter waiters[WAITING_OF_TENANT];
    size_t waiter_count;
};

struct keysets {
    struct http *http;
    keysets_log *log;
    struct keyset *sets[CONFIG_TENANTS_MAX]; /* each allocated, since a refresh under way points to it */
    size_t count;
};

struct keysets *keysets_new(struct http *http, keysets_log *log)
{
    struct keysets *keysets = calloc(1, sizeof *keysets);

    if (keysets != NULL)
        *keysets = (struct keysets){ .http = http, .log = log };
    return keysets;
}

static void keyset_free(struct keyset *set)
{
    free(set->source_name);
    free(set);
}

void keysets_free(struct keysets **keysets)
{
    size_t i;

    if (keysets == NULL || *keysets == NULL)
        return;
    for (i = 0; i < (*keysets)->count; i++)
        keyset_free((*keysets)->sets[i]);
    free(*keysets);
    *keysets = NULL;
}

/* 0 … max - 1. */
static int64_t random_below(int64_t max)
{
    uint32_t number = 0;

    /* Without randomness the hosts ask at the same time, which costs the tenant service alone. */
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number)
        number = 0;
    return max > 0 ? number % max : 0;
}

/* Spreads the requests of hosts that were set up together. */
static int64_t with_jitter(int64_t ms)
{
    return ms - ms / 10 + random_below(ms / 5 + 1);
}

static struct keyset *find_keyset(const struct keysets *keysets, struct slice tenant_id)
{
    size_t i;

    for (i = 0; i < keysets->count; i++)
        if (slice_equal_string(tenant_id, keysets->sets[i]->tenant_id))
            return keysets->sets[i];
    return NULL;
}

static void add_keyset(struct keysets *keysets, const struct tenant *tenant, int64_t now_ms)
{
    struct keyset *set = calloc(1, sizeof *set);

    if (set == NULL)
        return; /* the next configuration tries again */
    set->all = keysets;
    snprintf(set->tenant_id, sizeof set->tenant_id, "%s", tenant->id);
    set->status.tenant_id = set->tenant_id;
    set->retry_ms = FIRST_RETRY_MS;
    set->is_missing = tenant->jwks == NULL;
    set->due_ms = !set->is_missing ? now_ms + random_below(FIRST_MS) : now_ms;
    keysets->sets[keysets->count++] = set;
}

/* Forget the tenants that are no longer configured. A set whose refresh is under way stays until its waiters have an
 * answer. */
static void forget_gone(struct keysets *keysets, const struct config *config)
{
    size_t i, kept = 0;

    for (i = 0; i < keysets->count; i++) {
        struct keyset *set = keysets->sets[i];

        if (set->is_under_way || set->answering > 0
            || config_publishes_keys(config_tenant(config, slice_of(set->tenant_id))))
            keysets->sets[kept++] = set;
        else
            keyset_free(set);
    }
    keysets->count = kept;
}

/* A shorter interval takes effect at once. */
static void set_interval(struct keyset *set, int64_t interval_ms, int64_t now_ms)
{
    if (interval_ms < set->interval_ms && set->due_ms - now_ms > interval_ms)
        set->due_ms = now_ms + with_jitter(interval_ms);
    if (set->retry_ms > interval_ms)
        set->retry_ms = interval_ms;
    set->interval_ms = interval_ms;
}

/* What a refresh depends on: address, file and ca_file. malloc'ed. NULL when out of memory: then no change is noticed.
 */
static char *source_name_of(const struct tenant *tenant)
{
    char *source_name;

    if (asprintf(&source_name, "%s %s %s", tenant->discovery, tenant->keys_path,
                 tenant->ca_file != NULL ? tenant->ca_file : "")
        < 0)
        return NULL;
    return source_name;
}

static void keep_source_name(struct keyset *set, char *source_name)
{
    free(set->source_name);
    set->source_name = source_name;
}

/* A refresh under way uses the former configuration: another one begins when it ends. */
static void make_due(struct keyset *set, int64_t now_ms)
{
    set->due_ms = now_ms;
    set->is_outdated = set->is_under_way;
}

/* The key set is refreshed now when the configuration names another source or file, or when the file has disappeared.
 */
static void keyset_follow_config(struct keyset *set, const struct config *config, int64_t now_ms)
{
    const struct tenant *tenant = config_tenant(config, slice_of(set->tenant_id));
    bool is_missing;
    char *source_name;

    set_interval(set, config->latchkeyd.refresh * 1000, now_ms);
    if (!config_publishes_keys(tenant))
        return;
    is_missing = tenant->jwks == NULL;
    source_name = source_name_of(tenant);
    if ((is_missing && !set->is_missing)
        || (source_name != NULL && set->source_name != NULL && strcmp(source_name, set->source_name) != 0))
        make_due(set, now_ms);
    set->is_missing = is_missing;
    keep_source_name(set, source_name);
}

void keysets_configure(struct keysets *keysets, const struct config *config, int64_t now_ms)
{
    size_t i;

    forget_gone(keysets, config);
    for (i = 0; i < config->tenant_count && keysets->count < CONFIG_TENANTS_MAX; i++)
        if (config_publishes_keys(&config->tenants[i]) && find_keyset(keysets, slice_of(config->tenants[i].id)) == NULL)
            add_keyset(keysets, &config->tenants[i], now_ms);
    for (i = 0; i < keysets->count; i++)
        keyset_follow_config(keysets->sets[i], config, now_ms);
}

static void answer_waiter(keysets_done *done, void *context, enum reason reason, const char *detail)
{
    const struct latchkeyd_answer reply = latchkeyd_answer_of(reason, detail);

    done(context, &reply);
}

static void schedule_success(struct keyset *set)
{
    set->failed_ms = 0;
    set->retry_ms = FIRST_RETRY_MS;
    set->due_ms = clock_ms() + with_jitter(set->interval_ms);
}

static void schedule_failure(struct keyset *set)
{
    set->failed_ms = set->watched_ms = clock_ms();
    set->due_ms = clock_ms() + with_jitter(set->retry_ms);
    set->retry_ms *= 2;
    if (set->retry_ms > RETRY_MAX_MS)
        set->retry_ms = RETRY_MAX_MS;
    if (set->retry_ms > set->interval_ms)
        set->retry_ms = set->interval_ms;
}

static void schedule_next(struct keyset *set, enum key_refresh_result result)
{
    if (result == KEY_REFRESH_FAILED)
        schedule_failure(set);
    else
        schedule_success(set);
    if (set->is_outdated)
        set->due_ms = clock_ms();
}

static struct file_stamp authorities_of(const struct tenant *tenant)
{
    return tenant != NULL && tenant->ca_file != NULL ? trusted_file_stamp(tenant->ca_file) : (struct file_stamp){ 0 };
}

static bool is_to_be_watched(const struct keyset *set)
{
    return set->failed_ms != 0 && !set->is_under_way;
}

/* ca_file is read for each request and is not part of the configuration's snapshot, so its changes are noticed here. */
static void watch(struct keyset *set, const struct config *config, int64_t now_ms)
{
    const struct file_stamp now = authorities_of(config_tenant(config, slice_of(set->tenant_id)));

    if (!file_stamp_equal(&now, &set->authorities))
        set->due_ms = now_ms;
    set->watched_ms = now_ms;
}

bool keysets_needs_config(const struct keysets *keysets, int64_t now_ms)
{
    size_t i;

    for (i = 0; i < keysets->count; i++) {
        const struct keyset *set = keysets->sets[i];

        if ((!set->is_under_way && set->due_ms <= now_ms)
            || (is_to_be_watched(set) && now_ms - set->watched_ms >= WATCH_MS))
            return true;
    }
    return false;
}

static void refreshed(void *context, enum key_refresh_result result, const struct verdict *verdict)
{
    struct keyset *set = context;
    size_t count = set->waiter_count, i;

    set->is_under_way = false;
    set->waiter_count = 0;
    set->answering++; /* an answer may take a configuration without this tenant, which must not free the set */
    set->status.refreshed_at = time(NULL);
    set->status.result = result;
    snprintf(set->status.failure, sizeof set->status.failure, "%s", verdict->evidence);
    schedule_next(set, result);
    set->all->log(set->tenant_id, result, verdict);
    for (i = 0; i < count; i++)
        answer_waiter(set->waiters[i].done, set->waiters[i].context,
                      result == KEY_REFRESH_FAILED ? verdict->reason : REASON_OK, verdict->evidence);
    set->answering--;
}

static void refresh(struct keyset *set, const struct config *config, int64_t now_ms)
{
    const struct tenant *tenant = config_tenant(config, slice_of(set->tenant_id));
    struct verdict verdict = VERDICT_INIT;

    set->is_under_way = true;
    set->is_outdated = false;
    set->begun_ms = now_ms;
    set->authorities = authorities_of(tenant);
    if (!config_publishes_keys(tenant))
        verdict_reject(&verdict, REASON_TENANT_UNKNOWN, "no longer configured");
    else if (key_refresh_start(&verdict, set->all->http, config, tenant, &set->source, REFRESH_TIMEOUT_MS, refreshed,
                               set))
        return;
    refreshed(set, KEY_REFRESH_FAILED, &verdict);
}

static void answer_not_yet(keysets_done *done, void *context)
{
    answer_waiter(done, context, REASON_TENANT_UNAVAILABLE, "the refresh of the key set is not finished");
}

/* Answer the waiters whose time is over. Returns when the time of the next one is over. */
static int64_t dismiss(struct keyset *set, int64_t now_ms)
{
    struct waiter over[WAITING_OF_TENANT];
    size_t over_count = 0, kept = 0, i;
    int64_t next_ms = INT64_MAX;

    for (i = 0; i < set->waiter_count; i++)
        if (set->waiters[i].until_ms <= now_ms)
            over[over_count++] = set->waiters[i];
        else
            set->waiters[kept++] = set->waiters[i];
    set->waiter_count = kept;
    for (i = 0; i < over_count; i++)
        answer_not_yet(over[i].done, over[i].context);
    for (i = 0; i < set->waiter_count; i++)
        if (set->waiters[i].until_ms < next_ms)
            next_ms = set->waiters[i].until_ms;
    return next_ms;
}

int keysets_run(struct keysets *keysets, const struct config *config, int64_t now_ms)
{
    int64_t next_ms = now_ms + IDLE_MS, wake_ms;
    size_t i;

    forget_gone(keysets, config);
    for (i = 0; i < keysets->count; i++) {
        struct keyset *set = keysets->sets[i];

        if (is_to_be_watched(set) && now_ms - set->watched_ms >= WATCH_MS)
            watch(set, config, now_ms);
        if (!set->is_under_way && set->due_ms <= now_ms)
            refresh(set, config, now_ms);
        wake_ms = set->is_under_way ? dismiss(set, now_ms) : set->due_ms;
        if (is_to_be_watched(set) && set->watched_ms + WATCH_MS < wake_ms)
            wake_ms = set->watched_ms + WATCH_MS;
        if (wake_ms < next_ms)
            next_ms = wake_ms;
    }
    return next_ms > now_ms ? (int)(next_ms - now_ms) : 0;
}

/* Without any key set a login may cause a refresh although the last scheduled one has just failed: the outage may be
 * over. */
static bool is_within_pause(const struct keyset *set, bool is_missing, int64_t now_ms)
{
    return (set->unscheduled_ms != 0 && now_ms - set->unscheduled_ms < KEYSETS_PAUSE_MS)
        || (!is_missing && set->failed_ms != 0 && now_ms - set->failed_ms < KEYSETS_PAUSE_MS);
}

/* Wait for the refresh that began then. False when no place is left for the waiter, or when its time is over. */
static bool wait_for_refresh(struct keyset *set, int64_t begun_ms, int64_t now_ms, struct waiter waiter)
{
    struct crowd all = { .of_all = 0 }, patient = { .of_all = 0 };
    size_t i;

    for (i = 0; i < set->waiter_count; i++) {
        crowd_count(&all, set->waiters[i].uid, waiter.uid);
        if (set->waiters[i].is_patient)
            crowd_count(&patient, set->waiters[i].uid, waiter.uid);
    }
    waiter.is_patient = !crowd_is_full(&patient, KEYSETS_PATIENT, waiter.uid);
    if (!waiter.is_patient && waiter.until_ms > begun_ms + KEYSETS_BRIEF_MS)
        waiter.until_ms = begun_ms + KEYSETS_BRIEF_MS;
    if (crowd_is_full(&all, waiting_share(set->all->count), waiter.uid) || waiter.until_ms <= now_ms)
        return false;
    set->waiters[set->waiter_count++] = waiter;
    return true;
}

void keysets_ask(struct keysets *keysets, const struct config *config, uid_t uid, struct slice tenant_id,
                 int64_t now_ms, int64_t until_ms, keysets_done *done, void *context)
{
    const struct waiter waiter = { .done = done, .context = context, .uid = uid, .until_ms = until_ms };
    const struct tenant *tenant = config_tenant(config, tenant_id);
    struct keyset *set = find_keyset(keysets, tenant_id);
    bool waits;

    if (set == NULL) {
        answer_waiter(done, context, REASON_TENANT_UNKNOWN, "latchkeyd does not refresh a key set of this tenant");
        return;
    }
    if (!set->is_under_way && is_within_pause(set, tenant != NULL && tenant->jwks == NULL, now_ms)) {
        /* Not a refusal: the file may be newer than the one that the login has read. */
        answer_waiter(done, context, REASON_OK, "");
        return;
    }
    waits = wait_for_refresh(set, set->is_under_way ? set->begun_ms : now_ms, now_ms, waiter);
    if (!set->is_under_way) {
        set->unscheduled_ms = now_ms;
        refresh(set, config, now_ms);
    }
    if (!waits)
        answer_not_yet(done, context);
}

bool keysets_status(const struct keysets *keysets, size_t index, struct keyset_status *ret_status)
{
    if (index >= keysets->count)
        return false;
    *ret_status = keysets->sets[index]->status;
    return true;
}
