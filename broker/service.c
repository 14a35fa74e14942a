#include "service.h"

#include <string.h>

#include "clock.h"
#include "log.h"

#define LOG_PAUSE_MS 10000

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
