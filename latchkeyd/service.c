#include "latchkeyd/service.h"

#include <string.h>

#include "base/clock.h"
#include "config/snapshot.h"
#include "latchkeyd/log.h"

#define LOG_PAUSE_MS 10000

static bool is_same_list(const struct string_list *a, const struct string_list *b)
{
    size_t i;

    for (i = 0; i < a->count && i < b->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return a->count == b->count;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* The options that latchkeyd reads only when it starts. Options of the sockets have no effect where systemd made them.
 */
static const struct {
    const char *name;
    enum { IS_TEXT, IS_LIST, IS_MODE } type;
    size_t at;
    bool is_of_sockets;
} fixed[] = {
    { "user", IS_TEXT, offsetof(struct latchkeyd_options, user), false },
    { "socket", IS_LIST, offsetof(struct latchkeyd_options, sockets), true },
    { "saslauthd_socket", IS_LIST, offsetof(struct latchkeyd_options, saslauthd_sockets), true },
    { "saslauthd_mode", IS_MODE, offsetof(struct latchkeyd_options, saslauthd_mode), true },
    { "saslauthd_group", IS_TEXT, offsetof(struct latchkeyd_options, saslauthd_group), true },
};

static bool is_same_option(size_t option, const struct latchkeyd_options *a, const struct latchkeyd_options *b)
{
    const void *in_a = (const char *)a + fixed[option].at, *in_b = (const char *)b + fixed[option].at;

    switch (fixed[option].type) {
    case IS_TEXT:
        return is_same_text(*(const char *const *)in_a, *(const char *const *)in_b);
    case IS_LIST:
        return is_same_list(in_a, in_b);
    default:
        return *(const unsigned *)in_a == *(const unsigned *)in_b;
    }
}

/* Log each changed option once, unless it has the value of the start again. */
static void log_options_that_need_restart(const struct service *service, const struct latchkeyd_options *before,
                                          const struct latchkeyd_options *now)
{
    const struct latchkeyd_options *at_start = &service->config_at_start->latchkeyd;
    size_t i;

    for (i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (!(fixed[i].is_of_sockets && service->has_foreign_sockets) && !is_same_option(i, before, now)
            && !is_same_option(i, at_start, now))
            log_event(LOG_OF_ERROR, "the option %s has changed; it takes effect when latchkeyd is restarted",
                      fixed[i].name);
}

void service_read_config(struct service *service)
{
    struct verdict verdict = VERDICT_INIT;
    const struct config *newest = NULL;

    if (!config_acquire(&verdict, service->path, &newest)) {
        if (strcmp(service->config_failure.evidence, verdict.evidence) != 0)
            log_trouble("every login is refused until the configuration is valid", &verdict);
        service->config_failure = verdict;
        return;
    }
    if (service->config_failure.reason != REASON_UNDECIDED)
        log_event(LOG_OF_NOTICE, "the configuration is valid, and logins are served again");
    service->config_failure = VERDICT_INIT;
    if (newest == service->config) {
        config_release(&newest);
        return;
    }
    log_options_that_need_restart(service, &service->config->latchkeyd, &newest->latchkeyd);
    config_release(&service->config);
    service->config = newest;
    keysets_configure(service->keysets, newest, clock_ms());
    if (!peers_configure(service->peers, &newest->latchkeyd, NULL))
        log_event(LOG_OF_ERROR, "out of memory: \"allow\" stays unchanged");
}

bool service_may_decide(const struct service *service, struct verdict *verdict)
{
    const struct verdict *failure = &service->config_failure;

    return failure->reason == REASON_UNDECIDED || verdict_reject(verdict, failure->reason, "%s", failure->evidence);
}

bool service_may_ask(struct service *service, uid_t uid)
{
    if (peers_count(service->peers, uid, clock_ms()))
        return true;
    service->refused_rate++;
    return false;
}

bool service_may_log(int64_t *last_ms)
{
    if (*last_ms != 0 && clock_ms() - *last_ms < LOG_PAUSE_MS)
        return false;
    *last_ms = clock_ms();
    return true;
}
