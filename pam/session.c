/*
 * pam_sm_open_session() and pam_sm_close_session(): LATCHKEY_SUBJECT for the session. The login was judged before.
 */
#include <security/pam_modules.h>

#include "base/cleanup.h"
#include "pam/call.h"
#include "pam/subject.h"

/* The administrator puts the line after those of other modules, so that none of them sets LATCHKEY_SUBJECT later. */
PAM_ENTRY int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    CLEANUP(call_end) struct pam_call call;
    const bool ok = call_begin(&call, pamh, argc, argv);

    (void)flags;
    subject_settle_session(pamh);
    if (ok)
        return subject_is_kept(pamh) ? PAM_SUCCESS : PAM_IGNORE;
    call_log(&call);
    return call_code(&call);
}

PAM_ENTRY int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)flags;
    (void)argc;
    (void)argv;
    return subject_is_kept(pamh) ? PAM_SUCCESS : PAM_IGNORE;
}
