/*
 * pam_sm_acct_mgmt(): a login by token is judged again. Another login (public key, local password) is refused where the
 * revocation list names every subject of the account, and is ignored otherwise.
 */
#include <time.h>

#include <security/pam_modules.h>

#include "base/cleanup.h"
#include "verdict/reason.h"
#include "login/authenticate.h"
#include "pam/call.h"
#include "pam/kept_login.h"
#include "pam/subject.h"

PAM_ENTRY int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    CLEANUP(call_end) struct pam_call call;
    const struct login *login = NULL;
    bool ok = call_begin(&call, pamh, argc, argv) && call_config(&call);

    subject_settle(pamh);
    login = kept_login_find(&call);
    call_debug(&call, "account: %s", login != NULL ? "a login of Latchkey is checked again" : "no login of Latchkey");
    if (ok) {
        call.attempt.now = time(NULL);
        ok = authenticate_account(&call.verdict, call.config, &call.attempt, login);
    }
    if (ok)
        return login != NULL ? PAM_SUCCESS : PAM_IGNORE;
    call_log(&call);
    /* A stack with authinfo_unavail=ignore must refuse a login by token while Latchkey cannot decide. The kept subject
     * tells that there was one, also where the line's options or the configuration cannot be read. */
    if (subject_is_kept(pamh) && reason_exit_status(call.verdict.reason) > 1)
        return PAM_PERM_DENIED;
    if (login != NULL)
        call_tell(&call, flags);
    return call_code(&call);
}
