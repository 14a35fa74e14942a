/*
 * LATCHKEY_SUBJECT, which tells a session by whose token it was opened: the variable is what a login of ours set, and
 * nothing else.
 *
 * What decides is kept in the PAM handle (pam_set_data), which only modules reach. The PAM environment is not trusted:
 * pam_env fills it from files, with user_readenv from one of the user's. But OpenSSH runs keyboard-interactive
 * authentication in a child, from which only the PAM environment comes back. So a second variable, LATCHKEY_PROOF,
 * travels with the first: a keyed hash of the handle, the user and the subject. Its key is the random bytes that the
 * kernel gave the process at its execve(2) (AT_RANDOM), which a forked child shares and nobody else sees. It is taken
 * out of the PAM environment before the session gets that.
 */
#ifndef LATCHKEY_PAM_SUBJECT_H
#define LATCHKEY_PAM_SUBJECT_H

#include <stdbool.h>

#include <security/pam_modules.h>

/* A login of ours as the item PAM_USER: kept in the handle, and told in the PAM environment. False when out of memory;
 * nothing is kept then. */
bool subject_keep(pam_handle_t *pamh, const char *of_login);

/* There is no login of ours in this handle any more. */
void subject_forget(pam_handle_t *pamh);

/* Whether there is one: kept in this process, or by a child that can prove it. */
bool subject_is_kept(pam_handle_t *pamh);

/*
 * Make LATCHKEY_SUBJECT what the login of ours set. Without one it is taken out of the PAM environment; where the host
 * process has such a variable from its caller, as su has, the PAM environment gets an empty one, which replaces it in
 * the session: PAM knows no other way.
 */
void subject_settle(pam_handle_t *pamh);

/* As subject_settle(), and take the proof out: for the calls after which the host makes the session's environment. */
void subject_settle_session(pam_handle_t *pamh);

#endif
