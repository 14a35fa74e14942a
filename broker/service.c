#include "service.h"

#include <string.h>

#include "clock.h"
#include "log.h"

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

/* The first option that latchkeyd takes over when it starts and that differs; NULL: none does. Where systemd has made
 * the sockets it is systemd that knows about them. */
static const char *find_change(const struct service *service, const struct broker *a, const struct broker *b)
{
    if (!is_same_text(a->user, b->user))
        return "user";
    if (service->has_foreign_sockets)
        return NULL;
    if (!is_same_list(&a->sockets, &b->sockets))
        return "socket";
    if (!is_same_list(&a->saslauthd_sockets, &b->saslauthd_sockets))
        return "saslauthd_socket";
    if (a->saslauthd_mode != b->saslauthd_mode)
        return "saslauthd_mode";
    return is_same_text(a->saslauthd_group, b->saslauthd_group) ? NULL : "saslauthd_group";
}

/* Once for each change, until the option is as it was at the start. */
static void tell_restart(const struct service *service, const struct broker *before, const struct broker *now)
{
    const char *option = find_change(service, &service->config_at_start->broker, now);

    if (option != NULL && find_change(service, before, now) != NULL)
        log_event(LOG_OF_ERROR, "the option %s has changed: it takes effect when latchkeyd is started again", option);
}

void service_look_at_config(struct service *service)
{
    struct verdict verdict = VERDICT_INIT;
    const struct config *newest = NULL;

    if (!config_acquire(&verdict, service->path, &newest)) {
        if (strcmp(service->config_failure.evidence, verdict.evidence) != 0)
            log_trouble("no login is served until the configuration can be used", &verdict);
        service->config_failure = verdict;
        return;
    }
    if (service->config_failure.reason != REASON_UNDECIDED)
        log_event(LOG_OF_NOTICE, "the configuration can be used, and logins are served again");
    service->config_failure = VERDICT_INIT;
    if (newest == service->config) {
        config_release(&newest);
        return;
    }
    tell_restart(service, &service->config->broker, &newest->broker);
    config_release(&service->config);
    service->config = newest;
    keysets_configure(service->keysets, newest, clock_ms());
    if (!peers_configure(service->peers, &newest->broker, NULL))
        log_event(LOG_OF_ERROR, "memory is short: the option allow stays as it was");
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
