#include "cli/lint/check_latchkeyd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/account_lookup.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/trusted_program.h"
#include "ipc/client.h"

#define SPAN_MAX 32 /* bytes of "3 h" */

static bool takes_api_keys(const struct service_rules *service)
{
    return (service->credentials & CREDENTIALS_API_KEY) != 0;
}

static bool any_service_takes_api_keys(const struct config *config)
{
    size_t i;

    for (i = 0; i < config->service_count; i++)
        if (takes_api_keys(&config->services[i]))
            return true;
    return takes_api_keys(&config->default_service);
}

static bool any_user_takes_api_keys(const struct identity_rules *rules)
{
    size_t i;

    for (i = 0; i < rules->user_count && !rules->users[i].api_key; i++)
        ;
    return i < rules->user_count;
}

/* An API key needs both a service and a user that take API keys. */
static void check_api_keys_are_used(const struct lint *lint)
{
    const struct config *config = lint->config;
    const struct identity_rules *rules = &config->identity;
    const bool is_taken = any_service_takes_api_keys(config);
    size_t i;

    for (i = 0; i < rules->user_count && !is_taken; i++)
        if (rules->users[i].api_key)
            FOUND(lint, SEVERITY_NOTE, BLOCK_USER, rules->users[i].name, "api_key",
                  "user \"%s\": api_key is set, but no service has api_key in its credentials", rules->users[i].name);
    if (!is_taken || any_user_takes_api_keys(rules))
        return;
    for (i = 0; i < config->service_count; i++)
        if (takes_api_keys(&config->services[i]))
            FOUND(lint, SEVERITY_WARNING, BLOCK_SERVICE, config->services[i].name, "credentials",
                  "service \"%s\": every API key is refused: no user has api_key = true", config->services[i].name);
    if (takes_api_keys(&config->default_service))
        FOUND(lint, SEVERITY_WARNING, BLOCK_SERVICE, config->default_service.name, "credentials",
              "service \"%s\": every API key is refused: no user has api_key = true", config->default_service.name);
}

const char *latchkeyd_find_socket(const struct latchkeyd_options *latchkeyd)
{
    struct stat status;
    size_t i;

    for (i = 0; i < latchkeyd->sockets.count; i++)
        if (lstat(latchkeyd->sockets.items[i], &status) == 0 && S_ISSOCK(status.st_mode))
            return latchkeyd->sockets.items[i];
    return NULL;
}

/* "40 s", "3 h": rounded down. */
static const char *span(int64_t seconds, char text[SPAN_MAX])
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
    size_t i = 0;

    while (i + 1 < sizeof units / sizeof units[0] && seconds < 2 * units[i].seconds)
        i++;
    snprintf(text, SPAN_MAX, "%" PRId64 " %s", seconds / units[i].seconds, units[i].name);
    return text;
}

/* 0 when the status has no such number. */
static int64_t number_of(const struct json *object, const char *member)
{
    double number = 0;

    json_number(json_member(object, member), &number);
    return number > 0 && number < (double)(INT64_C(1) << 53) ? (int64_t)number : 0;
}

static struct slice text_of(const struct json *object, const char *member)
{
    struct slice text = { NULL, 0 };

    json_string(json_member(object, member), &text);
    return text;
}

static void tell_process(const struct lint *lint, const char *socket, const struct json *status)
{
    const struct json *asked = json_member(status, "asked"), *refused = json_member(status, "refused");
    const struct json *cache = json_member(status, "cache");
    struct slice fault = text_of(status, "configuration_fault");
    char uptime[SPAN_MAX];

    findings_add(lint->findings, SEVERITY_NOTE, socket, 0,
                 "latchkeyd %.*s has run for %s: answered %" PRId64 " exchanges, %" PRId64 " refreshes, %" PRId64
                 " signatures, %" PRId64 " logins, %" PRId64 " passwords; refused %" PRId64 " by allow, %" PRId64
                 " by rate, %" PRId64 " as too many at once, %" PRId64 " as guesses, %" PRId64
                 " as broken; cache: %" PRId64 " entries, %" PRId64 " hits, %" PRId64 " misses",
                 SLICE_ARG(text_of(status, "version")), span(number_of(status, "uptime"), uptime),
                 number_of(asked, "exchange"), number_of(asked, "refresh"), number_of(asked, "signature"),
                 number_of(asked, "authenticate"), number_of(status, "passwords"), number_of(refused, "peer"),
                 number_of(refused, "rate"), number_of(refused, "crowded"), number_of(refused, "guesses"),
                 number_of(refused, "broken"), number_of(cache, "entries"), number_of(cache, "hits"),
                 number_of(cache, "misses"));
    if (fault.len > 0)
        findings_add(lint->findings, SEVERITY_WARNING, socket, 0,
                     "latchkeyd refuses every login, because it cannot use its configuration: %.*s", SLICE_ARG(fault));
}

static void tell_tenant(const struct lint *lint, const char *socket, const struct json *tenant)
{
    struct slice id = text_of(tenant, "id"), breaker = text_of(tenant, "breaker"), keys = text_of(tenant, "keys");
    struct slice failure = text_of(tenant, "keys_failure");
    const int64_t looked_at = number_of(tenant, "keys_looked_at"), now = time(NULL);
    char ago[SPAN_MAX];

    if (looked_at > 0)
        findings_add(lint->findings, SEVERITY_NOTE, socket, 0,
                     "tenant \"%.*s\": breaker %.*s; the last refresh of the key set was %s ago: %.*s", SLICE_ARG(id),
                     SLICE_ARG(breaker), span(now > looked_at ? now - looked_at : 0, ago), SLICE_ARG(keys));
    else
        findings_add(lint->findings, SEVERITY_NOTE, socket, 0, "tenant \"%.*s\": breaker %.*s; %s", SLICE_ARG(id),
                     SLICE_ARG(breaker),
                     config_publishes_keys(config_tenant(lint->config, id)) ? "the key set was not refreshed yet"
                                                                            : "no key set is refreshed");
    if (slice_equal_string(breaker, "open"))
        findings_add(lint->findings, SEVERITY_WARNING, socket, 0,
                     "tenant \"%.*s\": its service failed %" PRId64
                     " times in a row, or asked for a pause: latchkeyd refuses API keys for a while without a request",
                     SLICE_ARG(id), number_of(tenant, "failures"));
    if (slice_equal_string(keys, "withdrawn"))
        findings_add(lint->findings, SEVERITY_WARNING, socket, 0,
                     "tenant \"%.*s\": the keys are withdrawn: the tenant publishes a set without keys, and every "
                     "token of the tenant is refused",
                     SLICE_ARG(id));
    if (failure.len > 0)
        findings_add(lint->findings, SEVERITY_WARNING, socket, 0,
                     "tenant \"%.*s\": the key set could not be refreshed: %.*s", SLICE_ARG(id), SLICE_ARG(failure));
}

static void tell_status(const struct lint *lint, const char *socket, const struct json *status)
{
    const struct json *tenants = json_member(status, "tenants");
    size_t i;

    tell_process(lint, socket, status);
    for (i = 0; i < json_length(tenants); i++)
        tell_tenant(lint, socket, json_at(tenants, i));
}

/* latchkeyd tells its state only to users in `allow`. */
static void ask_status(const struct lint *lint, const char *socket)
{
    const struct latchkeyd_question question = { .ask = LATCHKEYD_STATUS };
    CLEANUP(latchkeyd_reply_clear) struct latchkeyd_reply reply = { .json = NULL };
    struct verdict verdict = VERDICT_INIT;

    if (latchkeyd_ask(&verdict, lint->config, &question, &reply))
        tell_status(lint, socket, reply.answer.status);
    else
        findings_add(lint->findings, geteuid() == 0 ? SEVERITY_WARNING : SEVERITY_NOTE, socket, 0,
                     "latchkeyd does not tell its state: %s: %s", reason_sentence(verdict.reason), verdict.evidence);
}

/* Without a listening latchkeyd and without a program to start, every API key is refused. */
static void check_api_keys_are_exchanged(const struct lint *lint)
{
    const struct latchkeyd_options *latchkeyd = &lint->config->latchkeyd;

    if (!any_service_takes_api_keys(lint->config)
        || (latchkeyd->program != NULL && access(latchkeyd->program, X_OK) == 0))
        return;
    FOUND(lint, SEVERITY_WARNING, BLOCK_LATCHKEYD, NULL, latchkeyd->program != NULL ? "program" : NULL,
          "every API key is refused: there is no socket %s, and %s%s", latchkeyd->sockets.items[0],
          latchkeyd->program != NULL ? latchkeyd->program : "no program is configured",
          latchkeyd->program != NULL ? " cannot be started" : "");
}

void check_latchkeyd(const struct lint *lint)
{
    const struct latchkeyd_options *latchkeyd = &lint->config->latchkeyd;
    const char *socket = latchkeyd_find_socket(latchkeyd);
    const size_t line = config_line(lint->config, BLOCK_LATCHKEYD, NULL, NULL);
    struct file_error error;
    enum account_answer answer;
    struct account_entry user;

    check_api_keys_are_used(lint);
    if (latchkeyd->program != NULL && access(latchkeyd->program, F_OK) == 0
        && !trusted_program_check(latchkeyd->program, &error))
        FOUND(lint, SEVERITY_ERROR, BLOCK_LATCHKEYD, NULL, "program", "program: %s is not started: %s",
              latchkeyd->program, error.text);
    if (socket != NULL)
        ask_status(lint, socket);
    else
        check_api_keys_are_exchanged(lint);
    if ((socket != NULL || line != 0) && (answer = account_lookup_user(latchkeyd->user, &user, NULL)) != ACCOUNT_FOUND)
        FOUND(lint, SEVERITY_NOTE, BLOCK_LATCHKEYD, NULL, "user", "latchkeyd runs as user \"%s\", which %s",
              latchkeyd->user,
              answer == ACCOUNT_ABSENT ? "does not exist on this host" : "cannot be looked up now: NSS fails");
}
