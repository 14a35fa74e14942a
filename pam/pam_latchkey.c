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

#include "base/cleanup.h"
#include "verdict/log_line.h"
#include "verdict/reason.h"
#include "verdict/verdict.h"
#include "config/snapshot.h"
#include "login/authenticate.h"
#include "pam/options.h"
#include "pam/prompt.h"
#include "pam/subject.h"

#define EXPORT __attribute__((visibility("default")))

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
    struct attempt attempt; /* lends them, but for a service= of the options; the time is that of the last decision */
    struct verdict verdict;
    enum credential_form form; /* of the last text that was decided about */
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
    subject_forget(call->pamh);
}

static bool remember_login(const struct call *call, const struct login *login)
{
    char name[LOGIN_NAME_MAX_LEN];
    struct login *copy = malloc(sizeof *copy);

    if (copy == NULL)
        return false;
    *copy = *login;
    login_name(call, name, sizeof name);
    if (pam_set_data(call->pamh, name, copy, free_login) != PAM_SUCCESS) {
        free(copy);
        return false;
    }
    if ((call->attempt.user != NULL || pam_set_item(call->pamh, PAM_USER, login->identity.user) == PAM_SUCCESS)
        && subject_keep(call->pamh, login->subject))
        return true;
    forget_login(call);
    return false;
}

static struct slice typed(const struct prompted *credential)
{
    return (struct slice){ credential->bytes, credential->len };
}

/* Too few bytes for a token, by a count that a hidden answer has, too. */
static bool is_short(const struct prompted *credential)
{
    return credential->heard < JWT_MIN_LEN;
}

/*
 * What came is no token and not for Latchkey: the next module may want it as the password that it is. A token is never
 * left there, refused or not, nor anything with a token in it, nor what may be the rest of one.
 * Where the host hides users every short answer is left there, or else the next module's prompt would tell what it was;
 * in place of a piece of a token, or of a refused API key, as many other bytes.
 */
static void pass_on_password(const struct call *call, struct prompted *credential)
{
    const bool is_password = call->verdict.reason == REASON_CREDENTIAL_NOT_ALLOWED && credential->len > 0
        && !prompt_token_was_typed(call->pamh);

    if (!credential->was_asked || credential->heard == 0 || item(call->pamh, PAM_AUTHTOK) != NULL)
        return;
    if (credential->is_counted_raw && !is_short(credential))
        return;
    if (is_password)
        credential->bytes[credential->len] = '\0';
    else if (credential->is_counted_raw)
        prompt_mask(credential->bytes, credential->heard);
    else
        return;
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

/* What has come, by the configuration of now: the answer may have taken minutes, and a revocation of the meantime
 * holds. */
static bool decide(struct call *call, const struct prompted *prompted, const struct credential *credential)
{
    struct login login;

    debug(call, "%zu bytes of credential %s", prompted->len,
          prompted->was_asked ? "by prompt" : "from an earlier module");
    config_release(&call->config);
    if (!check_same_user(call) || !call_config(call))
        return false;
    call->attempt.now = time(NULL);
    call->form = credential->form;
    if (!authenticate(&call->verdict, call->config, &call->attempt, credential, &login))
        return false;
    if (remember_login(call, &login))
        return true;
    call->verdict.reason = REASON_UNDECIDED;
    return verdict_reject(&call->verdict, REASON_OUT_OF_MEMORY, "the login cannot be remembered");
}

static bool takes_api_keys(const struct call *call)
{
    return (config_service(call->config, call->attempt.service)->credentials & CREDENTIALS_API_KEY) != 0;
}

/* Whether there is something to decide: of a part, and of what an API key cannot be, everything is known. */
static bool is_worth_deciding(const struct call *call, const struct prompted *prompted, enum credential_kind kind)
{
    if (prompted->is_repeated)
        return false;
    return kind == CREDENTIAL_JWT || (kind == CREDENTIAL_OTHER && prompted->answers == 1 && takes_api_keys(call));
}

/* A short answer where the host hides users: an API key or nothing of Latchkey's. */
static bool judge_short(struct call *call, struct prompted *credential)
{
    const struct credential whole = credential_whole(typed(credential));

    if (whole.kind == CREDENTIAL_OTHER)
        return decide(call, credential, &whole);
    if (credential->heard == 0)
        return verdict_reject(&call->verdict, REASON_CREDENTIAL_ABSENT, "empty");
    return verdict_reject(&call->verdict, REASON_CREDENTIAL_NOT_ALLOWED, "%zu bytes are too few for a token",
                          credential->heard);
}

/*
 * Everything has come. What was decided last stays; a text of which nothing was decided yet is judged as a whole, and
 * may be a token that was shorter than expected.
 */
static bool judge_whole(struct call *call, struct prompted *credential)
{
    const struct credential so_far = credential_so_far(call->config, typed(credential));

    if (call->verdict.reason != REASON_UNDECIDED) {
        if (credential->is_repeated)
            verdict_add(&call->verdict, "the program repeated the same %zu bytes", credential->first_len);
        return false;
    }
    if (credential->is_repeated && so_far.kind == CREDENTIAL_JWT_PART)
        return verdict_reject(&call->verdict, REASON_ANSWER_REPEATED, "the program repeated the same %zu bytes",
                              credential->first_len);
    return decide(call, credential, &so_far);
}

/* One more part; false at the end. An earlier verdict stays, unless the asking itself failed: that a repeated answer is
 * too long in the end is no news. */
static bool ask_on(struct call *call, struct prompted *credential)
{
    struct verdict asking = VERDICT_INIT;

    if (prompt_ask(&asking, call->pamh, &call->options, credential))
        return credential->last_heard > 0;
    if (!credential->is_repeated || asking.reason != REASON_TOKEN_TOO_LONG)
        call->verdict = asking;
    return false;
}

/*
 * Where the host hides users. A short answer is for the next module. After a longer one everybody is asked on, until
 * the token is accepted, the answer is empty, or too much has come: a whole token that is refused, the beginning of
 * one, any other text and a hidden answer look alike. Only a refusal that proves the user's own good token ends it
 * earlier.
 */
static bool judge_by_length(struct call *call, struct prompted *credential)
{
    const struct verdict undecided = call->verdict;
    size_t parts;

    if (credential->heard == 0 && !prompt_ask(&call->verdict, call->pamh, &call->options, credential))
        return false;
    if (is_short(credential))
        return judge_short(call, credential);
    for (parts = 1;; parts++) {
        const struct credential so_far = credential_so_far(call->config, typed(credential));

        if (is_worth_deciding(call, credential, so_far.kind)) {
            call->verdict = undecided;
            if (decide(call, credential, &so_far) || reason_proves_own_token(call->verdict.reason))
                return call->verdict.reason == REASON_OK;
            if (call->config == NULL)
                return false;
        }
        if (call->options.use_first_pass || parts == PROMPT_PARTS_MAX)
            break;
        prompt_wait(credential);
        if (!ask_on(call, credential))
            break;
    }
    return judge_whole(call, credential);
}

static bool judge_by_content(struct call *call, struct prompted *credential)
{
    struct credential whole;

    if (!call->options.use_first_pass
        && !prompt_complete(&call->verdict, call->pamh, &call->options, call->config, credential))
        return false;
    whole = credential_whole(typed(credential));
    return decide(call, credential, &whole);
}

/* What an earlier module asked for. */
static bool take_first_pass(struct call *call, struct prompted *credential)
{
    if (!call->options.use_first_pass && !call->options.try_first_pass)
        return true;
    if (!prompt_first_pass(&call->verdict, call->pamh, credential))
        return false;
    if (call->options.use_first_pass)
        return credential->len > 0 || verdict_reject(&call->verdict, REASON_CREDENTIAL_ABSENT, "PAM_AUTHTOK is empty");
    /* A password for another module, which this one would refuse: the person may have a token as well. */
    if (!takes_api_keys(call)
        && (credential->is_counted_raw ? is_short(credential)
                                       : credential_whole(typed(credential)).kind == CREDENTIAL_OTHER)) {
        prompted_clear(credential);
        prompt_begin(call->pamh, credential);
    }
    return true;
}

static bool judge(struct call *call, struct prompted *credential)
{
    forget_login(call);
    prompt_begin(call->pamh, credential);
    if (!call_config(call) || !authenticate_is_possible(&call->verdict, call->config, call->attempt.service)
        || !take_first_pass(call, credential))
        return false;
    return credential->is_counted_raw ? judge_by_length(call, credential) : judge_by_content(call, credential);
}

/*
 * Where the host hides users the code and the text depend on the length alone: of a short answer "not for Latchkey", of
 * a longer one "not accepted", whatever the reason is, which stands in the log.
 */
static bool is_answered_by_length(const struct call *call, const struct prompted *credential)
{
    const enum reason reason = call->verdict.reason;

    return credential->is_counted_raw && credential->heard > 0 && reason != REASON_OK
        && reason != REASON_CONVERSATION_FAILED && !reason_proves_own_token(reason);
}

static int answer_by_length(const struct call *call, const struct prompted *credential, int flags)
{
    if (is_short(credential))
        return PAM_CRED_INSUFFICIENT;
    if ((flags & PAM_SILENT) == 0 && credential->was_asked)
        pam_error(call->pamh, "%s", TOLD_REFUSED);
    return PAM_AUTH_ERR;
}

/* What the person pasted instead of a token. It says nothing but what they know, and the same for every user. */
static void tell_form(const struct call *call, int flags)
{
    const char *sentence = credential_form_sentence(call->form);

    if ((flags & PAM_SILENT) == 0 && call->verdict.reason == REASON_TOKEN_MALFORMED && sentence != NULL)
        pam_error(call->pamh, "What was entered is %s.", sentence);
}

EXPORT int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    CLEANUP(call_end) struct call call;
    CLEANUP(prompted_clear) struct prompted credential = { .len = 0 };
    int code;

    if (call_begin(&call, pamh, argc, argv) && !judge(&call, &credential))
        pass_on_password(&call, &credential);
    code = pam_code[call.verdict.reason];
    if (is_answered_by_length(&call, &credential))
        code = answer_by_length(&call, &credential, flags);
    else if (credential.was_asked && call.verdict.reason != REASON_OK) {
        tell(&call, flags);
        tell_form(&call, flags);
    }
    subject_settle(pamh);
    log_verdict(&call);
    if (credential.is_counted_raw && call.verdict.reason != REASON_OK)
        prompt_wait(&credential);
    return code;
}

/* Nothing to establish; but a stack that holds only this line must hear that the login was its own. */
EXPORT int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)flags;
    (void)argc;
    (void)argv;
    subject_settle_session(pamh);
    return subject_is_kept(pamh) ? PAM_SUCCESS : PAM_IGNORE;
}

/*
 * A login of Latchkey is judged again. Another one (public key, local password) is refused when the revocation list
 * shuts its person out, and otherwise none of our business.
 */
EXPORT int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    CLEANUP(call_end) struct call call;
    const struct login *login = NULL;
    bool ok = call_begin(&call, pamh, argc, argv) && call_config(&call);

    subject_settle(pamh);
    login = find_login(&call);
    debug(&call, "account: %s", login != NULL ? "a login of Latchkey is checked again" : "no login of Latchkey");
    if (ok) {
        call.attempt.now = time(NULL);
        ok = authenticate_account(&call.verdict, call.config, &call.attempt, login);
    }
    if (ok)
        return login != NULL ? PAM_SUCCESS : PAM_IGNORE;
    log_verdict(&call);
    /* A stack that goes on when Latchkey is out of order does so for the others, never for a token's login; and with a
     * broken line or configuration the kept subject alone tells that there was one. */
    if (subject_is_kept(pamh) && reason_exit_status(call.verdict.reason) > 1)
        return PAM_PERM_DENIED;
    if (login != NULL)
        tell(&call, flags);
    return pam_code[call.verdict.reason];
}

/* Behind the modules that set variables for the session, so that none of them sets ours. The login was judged before.
 */
EXPORT int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    CLEANUP(call_end) struct call call;
    const bool ok = call_begin(&call, pamh, argc, argv);

    (void)flags;
    subject_settle_session(pamh);
    if (ok)
        return subject_is_kept(pamh) ? PAM_SUCCESS : PAM_IGNORE;
    log_verdict(&call);
    return pam_code[call.verdict.reason];
}

EXPORT int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)flags;
    (void)argc;
    (void)argv;
    return subject_is_kept(pamh) ? PAM_SUCCESS : PAM_IGNORE;
}

EXPORT int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh;
    (void)flags;
    (void)argc;
    (void)argv;
    return PAM_IGNORE;
}
