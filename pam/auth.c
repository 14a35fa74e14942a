/*
 * pam_sm_authenticate(), pam_sm_setcred() and pam_sm_chauthtok(). The core decides about a token
 * (login/authenticate.h); the module translates the verdict to PAM's code, one log line and a text for the user.
 */
#include <security/pam_ext.h>
#include <security/pam_modules.h>

#include "base/cleanup.h"
#include "verdict/reason.h"
#include "pam/call.h"
#include "pam/judge.h"
#include "pam/prompt.h"
#include "pam/subject.h"

/*
 * Leave a refused answer in PAM_AUTHTOK where it is a password for the next module. A token is never left there,
 * refused or not, nor a text that holds a token, nor what may be the rest of a token. Where the host process hides
 * users every short answer is left there; otherwise the prompt of the next module would show what the answer was. A
 * piece of a token, or a refused API key, is replaced by as many other bytes.
 */
static void pass_on_password(const struct pam_call *call, struct prompted *credential)
{
    const bool is_password = call->verdict.reason == REASON_CREDENTIAL_NOT_ALLOWED && credential->len > 0
        && !prompt_token_was_typed(call->pamh);

    if (!credential->was_asked || credential->heard == 0 || call_item(call, PAM_AUTHTOK) != NULL)
        return;
    if (credential->is_counted_raw && !prompted_is_short(credential))
        return;
    if (is_password)
        credential->bytes[credential->len] = '\0';
    else if (credential->is_counted_raw)
        prompt_mask(credential->bytes, credential->heard);
    else
        return;
    pam_set_item(call->pamh, PAM_AUTHTOK, credential->bytes);
}

/*
 * Where the host process hides users, the code and the text of a refusal depend on the length of the answer only. The
 * reason is in the log.
 */
static bool is_answered_by_length(const struct pam_call *call, const struct prompted *credential)
{
    const enum reason reason = call->verdict.reason;

    if (!credential->is_counted_raw || credential->heard == 0)
        return false;
    return reason != REASON_OK && reason != REASON_CONVERSATION_FAILED && !reason_proves_own_token(reason);
}

/* A short answer is for another module; a longer one is "not accepted". */
static int answer_by_length(const struct pam_call *call, const struct prompted *credential, int flags)
{
    if (prompted_is_short(credential))
        return PAM_CRED_INSUFFICIENT;
    if ((flags & PAM_SILENT) == 0 && credential->was_asked)
        pam_error(call->pamh, "%s", TOLD_REFUSED);
    return PAM_AUTH_ERR;
}

/* What the user pasted instead of a token. The text is the same for every user and reveals nothing about an account. */
static void tell_form(const struct pam_call *call, int flags)
{
    const char *sentence = credential_form_sentence(call->form);

    if ((flags & PAM_SILENT) == 0 && call->verdict.reason == REASON_TOKEN_MALFORMED && sentence != NULL)
        pam_error(call->pamh, "What was entered is %s.", sentence);
}

PAM_ENTRY int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    CLEANUP(call_end) struct pam_call call;
    CLEANUP(prompted_clear) struct prompted credential = { .len = 0 };
    int code;

    if (call_begin(&call, pamh, argc, argv) && !judge_login(&call, &credential))
        pass_on_password(&call, &credential);
    code = call_code(&call);
    if (is_answered_by_length(&call, &credential))
        code = answer_by_length(&call, &credential, flags);
    else if (credential.was_asked && call.verdict.reason != REASON_OK) {
        call_tell(&call, flags);
        tell_form(&call, flags);
    }
    subject_settle(pamh);
    call_log(&call);
    if (credential.is_counted_raw && call.verdict.reason != REASON_OK)
        prompt_wait(&credential);
    return code;
}

/* There is no credential to establish. A stack with this line alone needs a success for a login by token. */
PAM_ENTRY int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)flags;
    (void)argc;
    (void)argv;
    subject_settle_session(pamh);
    return subject_is_kept(pamh) ? PAM_SUCCESS : PAM_IGNORE;
}

/* Latchkey changes no passwords. */
PAM_ENTRY int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh;
    (void)flags;
    (void)argc;
    (void)argv;
    return PAM_IGNORE;
}
