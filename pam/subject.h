/*
 * LATCHKEY_SUBJECT, which names the subject of the token that opened a session. Its value comes from a login by token
 * and from nothing else.
 *
 * The subject is kept in the PAM handle (pam_set_data), which only modules reach. The PAM environment is not trusted:
 * pam_env fills it from files, with user_readenv from a file of the user. But OpenSSH runs keyboard-interactive
 * authentication in a child process, and only the PAM environment comes back from it. So a second variable,
 * LATCHKEY_PROOF, is set with the first: a keyed hash of the handle, the user and the subject. Its key is the random
 * bytes that the kernel gave the process at its execve(2) (AT_RANDOM); a forked child shares them, and no other process
 * sees them. The proof is removed from the PAM environment before the session gets it.
 */
#ifndef LATCHKEY_PAM_SUBJECT_H
#define LATCHKEY_PAM_SUBJECT_H

#include <stdbool.h>

#include <security/pam_modules.h>

/* Keep the subject of a login by token as PAM_USER: in the handle and in the PAM environment. False when out of memory;
 * nothing is kept then. */
bool subject_keep(pam_handle_t *pamh, const char *of_login);

/* Drop the subject that was kept. */
void subject_forget(pam_handle_t *pamh);

/* Whether a subject was kept, by this process or by a child with a valid proof. */
bool subject_is_kept(pam_handle_t *pamh);

/*
 * Set LATCHKEY_SUBJECT to the kept subject. Without one it is removed from the PAM environment. Where the host process
 * has such a variable from its caller, as su may, it is set to an empty value instead, which replaces the caller's in
 * the session: PAM cannot unset a variable of the host process.
 */
void subject_settle(pam_handle_t *pamh);

/* As subject_settle(), and remove the proof: for the calls before the host process makes the environment of the
 * session.
 */
void subject_settle_session(pam_handle_t *pamh);

#endif
