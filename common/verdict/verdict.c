#include "verdict/verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define X(id, name, meaning) { name, meaning },
static const struct {
    const char *name;
    const char *meaning;
} checks[] = { CHECKS(X) };
#undef X

#define X(id, name, pam, sasl, status, exit, told, sentence) told,
static const char *const told_sentences[] = { REASONS(X) };
#undef X

const char *check_name(enum check check)
{
    return checks[check].name;
}

const char *check_meaning(enum check check)
{
    return checks[check].meaning;
}

/* Evidence quotes what the sender wrote, so it goes through the same sieve as a fact. */
__attribute__((format(printf, 2, 0))) static void format_evidence(char evidence[EVIDENCE_MAX], const char *format,
                                                                  va_list arguments)
{
    char raw[EVIDENCE_MAX];
    int len = vsnprintf(raw, sizeof raw, format, arguments);

    if (len < 0)
        len = 0;
    if ((size_t)len >= sizeof raw)
        len = sizeof raw - 1;
    text_copy_printable(evidence, EVIDENCE_MAX, (struct slice){ raw, (size_t)len });
}

void verdict_check(struct verdict *verdict, enum check check)
{
    struct explanation *explanation = verdict->explanation;

    if (explanation == NULL || verdict->reason != REASON_UNDECIDED || explanation->count >= CHECK_MAX)
        return;
    if (verdict->check_is_open && explanation->made[explanation->count - 1].check == check)
        return;
    if (verdict->check_is_open)
        explanation->made[explanation->count - 1].ok = true;
    explanation->made[explanation->count].check = check;
    explanation->made[explanation->count].ok = false;
    explanation->made[explanation->count].detail[0] = '\0';
    explanation->count++;
    verdict->check_is_open = true;
}

void verdict_detail(struct verdict *verdict, const char *format, ...)
{
    va_list arguments;

    if (verdict->explanation == NULL || !verdict->check_is_open)
        return;
    va_start(arguments, format);
    format_evidence(verdict->explanation->made[verdict->explanation->count - 1].detail, format, arguments);
    va_end(arguments);
}

bool verdict_reject(struct verdict *verdict, enum reason reason, const char *format, ...)
{
    va_list arguments;

    if (verdict->reason != REASON_UNDECIDED)
        return false;
    verdict->reason = reason > REASON_OK && reason < REASON_COUNT ? reason : REASON_SYSTEM_ERROR;
    va_start(arguments, format);
    format_evidence(verdict->evidence, format, arguments);
    va_end(arguments);
    if (verdict->explanation != NULL && verdict->check_is_open) {
        memcpy(verdict->explanation->made[verdict->explanation->count - 1].detail, verdict->evidence, EVIDENCE_MAX);
        verdict->check_is_open = false;
    }
    return false;
}

void verdict_add(struct verdict *verdict, const char *format, ...)
{
    char more[EVIDENCE_MAX], all[2 * EVIDENCE_MAX];
    va_list arguments;

    va_start(arguments, format);
    format_evidence(more, format, arguments);
    va_end(arguments);
    snprintf(all, sizeof all, "%s; %.*s", verdict->evidence, EVIDENCE_MAX - 3, more);
    text_copy_printable(verdict->evidence, EVIDENCE_MAX, slice_of(all));
    if (verdict->explanation != NULL && verdict->explanation->count > 0)
        memcpy(verdict->explanation->made[verdict->explanation->count - 1].detail, verdict->evidence, EVIDENCE_MAX);
}

bool verdict_accept(struct verdict *verdict)
{
    if (verdict->reason != REASON_UNDECIDED)
        return false;
    verdict->reason = REASON_OK;
    if (verdict->explanation != NULL && verdict->check_is_open) {
        verdict->explanation->made[verdict->explanation->count - 1].ok = true;
        verdict->check_is_open = false;
    }
    return true;
}

static void format_duration(int64_t seconds, char *text, size_t size)
{
    static const struct {
        int64_t seconds;
        const char *unit;
    } units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
    size_t i = 0;

    while (i + 1 < sizeof units / sizeof units[0] && seconds < units[i].seconds)
        i++;
    snprintf(text, size, "%" PRId64 " %s%s", seconds / units[i].seconds, units[i].unit,
             seconds / units[i].seconds == 1 ? "" : "s");
}

void verdict_told(const struct verdict *verdict, char told[TOLD_MAX])
{
    enum reason reason = (unsigned)verdict->reason < REASON_COUNT ? verdict->reason : REASON_UNDECIDED;
    char duration[40];

    if (reason == REASON_TOKEN_EXPIRED) {
        format_duration(verdict->expired_for, duration, sizeof duration);
        snprintf(told, TOLD_MAX, TOLD_EXPIRED, duration);
    } else {
        snprintf(told, TOLD_MAX, "%s", told_sentences[reason]);
    }
}
