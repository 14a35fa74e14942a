/*
 * pam_latchkey.so: PAM items and a conversation in, a return code and one log line out. What is decided is decided in
 * common/; this file translates.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include <security/pam_ext.h>
#include <security/pam_modules.h>

#include "authenticate.h"
#include "cleanup.h"
#include "config.h"
#include "options.h"
#include "prompt.h"
#include "reason.h"
#include "verdict.h"

#define EXPORT __attribute__((visibility("default")))

/* Says, also in a parent that did not see authenticate() run (sshd's keyboard-interactive), that Latchkey let in. */
#define LOGIN_VARIABLE "LATCHKEY_SUBJECT"

#define X(id, name, pam, sasl, status, exit, told, sentence) [id] = pam,
static const int pam_code[] = { REASONS(X) };
#undef X

#define LOGIN_NAME_MAX_LEN (PATH_MAX + 16) /* of the name under which pam_set_data() keeps a login */

/* One call of an entry point. */
struct call {
    pam_handle_t *pamh;
    struct pam_options options;
    const struct config *config; /* held until call_end() */
    /* Copies: what libpam lends is freed when somebody sets the item anew, which a conversation may do. */
    char *service, *user, *rhost;
    struct attempt attempt; /* lends them, but for a service= of the options */
    struct verdict verdict;
};

static const char *item(pam_handle_t *pamh, int type)
{
    const void *value = NULL;

    return pam_get_item(pamh, type, &value) == PAM_SUCCESS ? value : NULL;
}

/* Steps for whoever sets a stack up. Lengths and names, never a byte of a credential. */
__attribute__((format(printf, 2, 3))) static void debug(const struct call *call, const char *format, ...)
{
    va_list arguments;

    if (!call->options.debug)
        return;
    va_start(arguments, format);
    pam_vsyslog(call->pamh, LOG_DEBUG, format, arguments);
    va_end(arguments);
}

static bool copy_item(struct call *call, int type, char **ret, const char **ret_lent)
{
    const char *value = item(call->pamh, type);

    *ret = value != NULL ? strdup(value) : NULL;
    *ret_lent = *ret;
    return value == NULL || *ret != NULL || verdict_reject(&call->verdict, REASON_OUT_OF_MEMORY, "a PAM item");
}

/* The options and the host's items. False with the verdict filled in; call_end() is due in either case. */
static bool call_begin(struct call *call, pam_handle_t *pamh, int argc, const char **argv)
{
    char error[PAM_OPTIONS_ERROR_MAX];

    *call = (struct call){ .pamh = pamh, .verdict = VERDICT_INIT };
    if (!copy_item(call, PAM_SERVICE, &call->service, &call->attempt.service)
        || !copy_item(call, PAM_USER, &call->user, &call->attempt.user)
        || !copy_item(call, PAM_RHOST, &call->rhost, &call->attempt.rhost))
        return false;
    if (!pam_options_parse(argc, argv, &call->options, error))
        return verdict_reject(&call->verdict, REASON_OPTION_INVALID, "%s", error);
    if (call->options.service != NULL)
        call->attempt.service = call->options.service;
    debug(call, "configuration %s, rules of service %s, PAM_USER %s",
          call->options.config != NULL ? call->options.config : CONFIG_PATH_DEFAULT,
          call->attempt.service != NULL ? call->attempt.service : "*",
          call->attempt.user != NULL ? "is set" : "is not set");
    return true;
}

static bool call_config(struct call *call)
{
    return config_acquire(&call->verdict, call->options.config, &call->config);
}

static void call_end(struct call *call)
{
    config_release(&call->config);
    free(call->service);
    free(call->user);
    free(call->rhost);
}

static struct auth_request request_of(const struct call *call)
{
    return (struct auth_request){
        .service = call->attempt.service,
        .user = call->attempt.user,
        .now = time(NULL),
    };
}

/*
 * The prefix is the same through every door, so that one filter finds them all; pam_syslog() would put another one
 * before it.
 */
static void log_verdict(const struct call *call)
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

static void tell(const struct call *call, int flags)
{
    char told[TOLD_MAX];

    verdict_told(&call->verdict, told);
    if ((flags & PAM_SILENT) == 0 && told[0] != '\0')
        pam_error(call->pamh, "%s", told);
}

/*
 * What authenticate() leaves for the later calls is kept under the configuration's path: lines of one stack that name
 * different configurations do not take each other's logins for their own.
 */
static void login_name(const struct call *call, char *name, size_t size)
{
    snprintf(name, size, "latchkey:%s", call->options.config != NULL ? call->options.config : "");
}

static void free_login(pam_handle_t *pamh, void *login, int status)
{
    (void)pamh;
    (void)status;
    free(login);
}

static const struct login *find_login(const struct call *call)
{
    char name[LOGIN_NAME_MAX_LEN];
    const void *login = NULL;

    login_name(call, name, sizeof name);
    return pam_get_data(call->pamh, name, &login) == PAM_SUCCESS ? login : NULL;
}

/* An application may authenticate twice with one handle: what an earlier success left says nothing of this attempt. */
static void forget_login(const struct call *call)
{
    char name[LOGIN_NAME_MAX_LEN];

    if (find_login(call) == NULL)
        return;
    login_name(call, name, sizeof name);
    pam_set_data(call->pamh, name, NULL, NULL);
    pam_putenv(call->pamh, LOGIN_VARIABLE);
}

static bool remember_login(const struct call *call, const struct login *login)
{
    char name[LOGIN_NAME_MAX_LEN], variable[sizeof LOGIN_VARIABLE "=" + SUBJECT_MAX];
    struct login *copy = malloc(sizeof *copy);

    if (copy == NULL)
        return false;
    *copy = *login;
    login_name(call, name, sizeof name);
    if (pam_set_data(call->pamh, name, copy, free_login) != PAM_SUCCESS) {
        free(copy);
        return false;
    }
    snprintf(variable, sizeof variable, LOGIN_VARIABLE "=%s", login->subject);
    if (pam_putenv(call->pamh, variable) == PAM_SUCCESS
        && (call->attempt.user != NULL || pam_set_item(call->pamh, PAM_USER, login->identity.user) == PAM_SUCCESS))
        return true;
    forget_login(call);
    return false;
}

/*
 * What came is no token and not for Latchkey: the next module may want it as the password that it is. A token is never
 * left there, refused or not, nor anything with a token in it.
 */
static void pass_on_password(const struct call *call, struct credential *credential)
{
    struct slice typed = { credential->bytes, credential->len };

    if (call->verdict.reason != REASON_CREDENTIAL_NOT_ALLOWED || !credential->was_asked
        || item(call->pamh, PAM_AUTHTOK) != NULL || credential_kind(call->config, typed) != CREDENTIAL_OTHER)
        return;
    credential->bytes[credential->len] = '\0';
    pam_set_item(call->pamh, PAM_AUTHTOK, credential->bytes);
}

/* The conversation belongs to the host, and may have set PAM_USER: then it is not clear who wants in. */
static bool check_same_user(struct call *call)
{
    const char *now = item(call->pamh, PAM_USER);

    if (now == NULL ? call->user == NULL : call->user != NULL && strcmp(now, call->user) == 0)
        return true;
    return verdict_reject(&call->verdict, REASON_USER_MISMATCH, "PAM_USER changed during the conversation");
}

static bool judge(struct call *call, struct credential *credential)
{
    struct auth_request request;
    struct login login;

    forget_login(call);
    if (!call_config(call) || !authenticate_is_possible(&call->verdict, call->config, call->attempt.service)
        || !credential_get(&call->verdict, call->pamh, &call->options, call->config, call->attempt.service, credential)
        || !check_same_user(call))
        return false;
    debug(call, "%zu bytes of credential %s", credential->len,
          credential->was_asked ? "by prompt" : "from an earlier module");
    /* Somebody may have taken minutes to answer: a revocation of the meantime holds. */
    config_release(&call->config);
    if (!call_config(call))
        return false;
    request = request_of(call);
    if (!authenticate(&call->verdict, call->config, &request, (struct slice){ credential->bytes, credential->len },
                      &login))
        return false;
    if (remember_login(call, &login))
        return true;
    call->verdict.reason = REASON_UNDECIDED;
    return verdict_reject(&call->verdict, REASON_OUT_OF_MEMORY, "the login cannot be remembered");
}

EXPORT int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    CLEANUP(call_end) struct call call;
    CLEANUP(credential_clear) struct credential credential = { .len = 0 };

    if (call_begin(&call, pamh, argc, argv) && !judge(&call, &credential)) {
        pass_on_password(&call, &credential);
        if (credential.was_asked)
            tell(&call, flags);
    }
    log_verdict(&call);
    return pam_code[call.verdict.reason];
}

/* Nothing to establish; but a stack that holds only this line must hear that the login was its own. */
EXPORT int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)flags;
    (void)argc;
    (void)argv;
    return pam_getenv(pamh, LOGIN_VARIABLE) != NULL ? PAM_SUCCESS : PAM_IGNORE;
}

/*
 * A login of Latchkey is judged again. Another one (public key, local password) is refused when the revocation list
 * shuts its person out, and otherwise none of our business.
 */
EXPORT int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    CLEANUP(call_end) struct call call;
    const struct login *login = NULL;
    struct auth_request request;
    bool ok = call_begin(&call, pamh, argc, argv) && call_config(&call);

    login = find_login(&call);
    debug(&call, "account: %s", login != NULL ? "a login of Latchkey is checked again" : "no login of Latchkey");
    if (ok) {
        request = request_of(&call);
        ok = authenticate_account(&call.verdict, call.config, &request, login);
    }
    if (ok)
        return login != NULL ? PAM_SUCCESS : PAM_IGNORE;
    log_verdict(&call);
    /* A stack that goes on when Latchkey is out of order does so for the others, never for a token's login; and with a
     * broken line or configuration the variable alone tells that there was one. */
    if (pam_getenv(pamh, LOGIN_VARIABLE) != NULL && reason_exit_status(call.verdict.reason) > 1)
        return PAM_PERM_DENIED;
    if (login != NULL)
        tell(&call, flags);
    return pam_code[call.verdict.reason];
}

EXPORT int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh;
    (void)flags;
    (void)argc;
    (void)argv;
    return PAM_IGNORE;
}
