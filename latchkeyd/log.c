#include "latchkeyd/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

static const int priorities[] = {
    [LOG_OF_ERROR] = LOG_AUTHPRIV | LOG_ERR,
    [LOG_OF_NOTICE] = LOG_AUTHPRIV | LOG_NOTICE,
    [LOG_OF_INFO] = LOG_AUTHPRIV | LOG_INFO,
};

void log_open(void)
{
    openlog("latchkeyd", LOG_PID, LOG_AUTHPRIV);
}

void log_event(enum log_level level, const char *format, ...)
{
    char line[LOG_LINE_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    syslog(priorities[level], "%s", line);
}

static enum log_level level_of(const struct verdict *verdict)
{
    if (reason_exit_status(verdict->reason) > 1) /* as pam_latchkey does: the administrator must act */
        return LOG_OF_ERROR;
    return verdict->reason == REASON_OK ? LOG_OF_INFO : LOG_OF_NOTICE;
}

void log_answer(const char *asked, uid_t uid, int64_t ms, const struct verdict *verdict)
{
    const struct attempt none = { .service = NULL }; /* latchkeyd knows the question alone */
    char line[LOG_LINE_MAX];

    verdict_log_line(verdict, &none, line);
    log_event(level_of(verdict), "asked=%s uid=%ju ms=%" PRId64 " %s", asked, (uintmax_t)uid, ms, line);
}

void log_attempt(const struct verdict *verdict, const struct attempt *attempt)
{
    char line[LOG_LINE_MAX];

    verdict_log_line(verdict, attempt, line);
    log_event(level_of(verdict), "latchkey: %s", line);
}

void log_trouble(const char *text, const struct verdict *verdict)
{
    const struct attempt none = { .service = NULL };
    char line[LOG_LINE_MAX];

    verdict_log_line(verdict, &none, line);
    log_event(LOG_OF_ERROR, "%s: %s", text, line);
}
