#include "pam/call.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <security/pam_ext.h>

#include "verdict/log_line.h"
#include "verdict/reason.h"
#include "config/snapshot.h"

#define X(id, name, pam, sasl, status, exit, told, sentence) [id] = pam,
static const int pam_codes[] = { REASONS(X) };
#undef X

const char *call_item(const struct pam_call *call, int type)
{
    const void *value = NULL;

    return pam_get_item(call->pamh, type, &value) == PAM_SUCCESS ? value : NULL;
}

void call_debug(const struct pam_call *call, const char *format, ...)
{
    va_list arguments;

    if (!call->options.debug)
        return;
    va_start(arguments, format);
    pam_vsyslog(call->pamh, LOG_DEBUG, format, arguments);
    va_end(arguments);
}

static bool copy_item(struct pam_call *call, int type, char **ret, const char **ret_lent)
{
    const char *value = call_item(call, type);

    *ret = value != NULL ? strdup(value) : NULL;
    *ret_lent = *ret;
    return value == NULL || *ret != NULL || verdict_reject(&call->verdict, REASON_OUT_OF_MEMORY, "a PAM item");
}

bool call_begin(struct pam_call *call, pam_handle_t *pamh, int argc, const char **argv)
{
    char error[PAM_OPTIONS_ERROR_MAX];

    *call = (struct pam_call){ .pamh = pamh, .verdict = VERDICT_INIT };
    if (!copy_item(call, PAM_SERVICE, &call->service, &call->attempt.service)
        || !copy_item(call, PAM_USER, &call->user, &call->attempt.user)
        || !copy_item(call, PAM_RHOST, &call->rhost, &call->attempt.rhost))
        return false;
    if (!pam_options_parse(argc, argv, &call->options, error))
        return verdict_reject(&call->verdict, REASON_OPTION_INVALID, "%s", error);
    if (call->options.service != NULL)
        call->attempt.service = call->options.service;
    call_debug(call, "configuration %s, rules of service %s, PAM_USER %s",
               call->options.config != NULL ? call->options.config : CONFIG_PATH_DEFAULT,
               call->attempt.service != NULL ? call->attempt.service : "*",
               call->attempt.user != NULL ? "is set" : "is not set");
    return true;
}

bool call_config(struct pam_call *call)
{
    return config_acquire(&call->verdict, call->options.config, &call->config);
}

void call_end(struct pam_call *call)
{
    config_release(&call->config);
    free(call->service);
    free(call->user);
    free(call->rhost);
}

int call_code(const struct pam_call *call)
{
    return pam_codes[call->verdict.reason];
}

/* syslog() and not pam_syslog(), which would add a prefix of its own: the prefix is the same in every program, so that
 * one filter finds all the lines. */
void call_log(const struct pam_call *call)
{
    struct attempt attempt = call->attempt;
    char line[LOG_LINE_MAX];
    int priority = LOG_NOTICE;

    attempt.user = credential_user_for_log(attempt.user);
    if (call->verdict.reason == REASON_OK)
        priority = LOG_INFO;
    else if (reason_exit_status(call->verdict.reason) > 1)
        priority = LOG_ERR;
    verdict_log_line(&call->verdict, &attempt, line);
    syslog(LOG_AUTHPRIV | priority, "latchkey: %s", line);
}

void call_tell(const struct pam_call *call, int flags)
{
    char told[TOLD_MAX];

    verdict_told(&call->verdict, told);
    if ((flags & PAM_SILENT) == 0 && told[0] != '\0')
        pam_error(call->pamh, "%s", told);
}
