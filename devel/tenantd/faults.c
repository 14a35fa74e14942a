#include "devel/tenantd/faults.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const struct {
    const char *name, *meaning;
    enum fault_stage stage;
    int status;
} kinds[] = {
#define X(id, name, stage, status, meaning) [id] = { name, meaning, stage, status },
    FAULTS(X)
#undef X
};

static const struct {
    const char *name, *meaning;
} endpoints[] = {
#define X(id, name, meaning) [id] = { name, meaning },
    ENDPOINTS(X)
#undef X
};

const char *fault_name(enum fault_kind kind)
{
    return kinds[kind].name;
}

const char *fault_meaning(enum fault_kind kind)
{
    return kinds[kind].meaning;
}

enum fault_stage fault_stage(enum fault_kind kind)
{
    return kinds[kind].stage;
}

int fault_status(enum fault_kind kind)
{
    return kinds[kind].status;
}

const char *endpoint_name(enum endpoint endpoint)
{
    return endpoints[endpoint].name;
}

const char *endpoint_meaning(enum endpoint endpoint)
{
    return endpoints[endpoint].meaning;
}

bool endpoint_find(struct slice name, enum endpoint *ret_endpoint)
{
    size_t i;

    for (i = 0; i < ENDPOINT_COUNT; i++)
        if (slice_equal_string(name, endpoints[i].name)) {
            *ret_endpoint = (enum endpoint)i;
            return true;
        }
    return false;
}

bool next_word(struct slice *line, struct slice *ret_word)
{
    while (line->len > 0 && line->bytes[0] == ' ')
        *line = (struct slice){ line->bytes + 1, line->len - 1 };
    if (line->len == 0)
        return false;
    if (!slice_cut(*line, ' ', ret_word, line)) {
        *ret_word = *line;
        *line = (struct slice){ NULL, 0 };
    }
    return true;
}

__attribute__((format(printf, 2, 3))) static bool refuse(char error[FAULTS_ERROR_MAX], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, FAULTS_ERROR_MAX, format, arguments);
    va_end(arguments);
    return false;
}

static bool parse_number(struct slice text, int64_t max, int64_t *ret_number)
{
    int64_t number = 0;
    size_t i;

    for (i = 0; i < text.len; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9' || number > max)
            return false;
        number = number * 10 + (text.bytes[i] - '0');
    }
    if (text.len == 0 || number > max)
        return false;
    *ret_number = number;
    return true;
}

static bool set_text(struct fault *fault, struct slice value, char error[FAULTS_ERROR_MAX])
{
    if (value.len >= sizeof fault->text || text_has_control(value))
        return refuse(error, "the text is too long or holds control bytes");
    memcpy(fault->text, value.bytes, value.len);
    fault->text[value.len] = '\0';
    return true;
}

/* One "name=value". */
static bool set_value(struct fault *fault, struct slice word, char error[FAULTS_ERROR_MAX])
{
    static const struct {
        const char *name;
        int64_t max;
        size_t offset;
    } numbers[] = {
        { "count", FAULT_COUNT_MAX, offsetof(struct fault, count) },
        { "seconds", FAULT_SECONDS_MAX, offsetof(struct fault, seconds) },
        { "retry-after", FAULT_SECONDS_MAX, offsetof(struct fault, retry_after) },
        { "bytes", INT64_C(1) << 40, offsetof(struct fault, bytes) },
        { "status", 599, offsetof(struct fault, status) },
    };
    struct slice name, value;
    size_t i;

    if (!slice_cut(word, '=', &name, &value))
        return refuse(error, "\"%.*s\" is not name=value", SLICE_ARG(word));
    if (slice_equal_string(name, "text"))
        return set_text(fault, value, error);
    for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (slice_equal_string(name, numbers[i].name))
            return parse_number(value, numbers[i].max, (int64_t *)((char *)fault + numbers[i].offset))
                || refuse(error, "%s takes a number of 0 … %lld", numbers[i].name, (long long)numbers[i].max);
    return refuse(error, "\"%.*s\" is not a value of a fault", SLICE_ARG(name));
}

static bool kind_find(struct slice name, enum fault_kind *ret_kind)
{
    size_t i;

    for (i = FAULT_NONE + 1; i < FAULT_COUNT; i++)
        if (slice_equal_string(name, kinds[i].name)) {
            *ret_kind = (enum fault_kind)i;
            return true;
        }
    return false;
}

static bool fits(enum endpoint endpoint, enum fault_stage stage)
{
    switch (stage) {
    case STAGE_CONNECTION:
        return endpoint == ENDPOINT_CONNECTION;
    case STAGE_ANYWHERE:
        return true;
    case STAGE_TOKEN:
        return endpoint == ENDPOINT_EXCHANGE || endpoint == ENDPOINT_TOKEN;
    default:
        return endpoint != ENDPOINT_CONNECTION;
    }
}

bool faults_plan(struct faults *faults, struct slice words, char error[FAULTS_ERROR_MAX])
{
    struct fault fault = { .retry_after = -1 };
    struct fault *place = &faults->for_any;
    enum endpoint endpoint = ENDPOINT_UNKNOWN; /* takes what any endpoint takes */
    struct slice endpoint_word, word;

    if (!next_word(&words, &endpoint_word) || !next_word(&words, &word))
        return refuse(error, "a fault has an endpoint and a kind");
    if (!slice_equal_string(endpoint_word, "*")) {
        if (!endpoint_find(endpoint_word, &endpoint))
            return refuse(error, "\"%.*s\" is not an endpoint", SLICE_ARG(endpoint_word));
        place = &faults->planned[endpoint];
    }
    if (!kind_find(word, &fault.kind))
        return refuse(error, "\"%.*s\" is not a fault", SLICE_ARG(word));
    if (!fits(endpoint, fault_stage(fault.kind)))
        return refuse(error, "%s is not a fault of \"%.*s\"", fault_name(fault.kind), SLICE_ARG(endpoint_word));
    fault.status = fault_status(fault.kind);
    while (next_word(&words, &word))
        if (!set_value(&fault, word, error))
            return false;
    if (fault_stage(fault.kind) == STAGE_INSTEAD && fault.status < 200)
        return refuse(error, "status is not a final status");
    if (fault.kind == FAULT_REDIRECT && fault.text[0] == '\0')
        return refuse(error, "redirect takes a text, the location");
    *place = fault;
    return true;
}

bool faults_clear(struct faults *faults, struct slice endpoint_word)
{
    enum endpoint endpoint;

    if (endpoint_word.len == 0)
        *faults = (struct faults){ 0 };
    else if (slice_equal_string(endpoint_word, "*"))
        faults->for_any = (struct fault){ 0 };
    else if (endpoint_find(endpoint_word, &endpoint))
        faults->planned[endpoint] = (struct fault){ 0 };
    else
        return false;
    return true;
}

struct fault faults_take(struct faults *faults, enum endpoint endpoint)
{
    struct fault *fault = &faults->planned[endpoint];
    struct fault taken;

    if (fault->kind == FAULT_NONE && endpoint != ENDPOINT_CONNECTION)
        fault = &faults->for_any;
    taken = *fault;
    if (fault->count > 0 && --fault->count == 0)
        *fault = (struct fault){ 0 };
    return taken;
}
