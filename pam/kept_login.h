/*
 * The login that pam_sm_authenticate() keeps in the PAM handle, for pam_sm_acct_mgmt() and the session. It is kept
 * under the path of the configuration: lines of one stack that name different configurations each find their own login
 * only.
 */
#ifndef LATCHKEY_PAM_KEPT_LOGIN_H
#define LATCHKEY_PAM_KEPT_LOGIN_H

#include <stdbool.h>

#include "login/verify.h"
#include "pam/call.h"

/* Keep a copy of the login and its subject (subject.h), and set PAM_USER where the host process has not set it. False
 * when out of memory; nothing is kept then. */
bool kept_login_set(const struct pam_call *call, const struct login *login);

/* Lent by the PAM handle; NULL: none. */
const struct login *kept_login_find(const struct pam_call *call);

/* Drop the login of an earlier attempt. An application may authenticate several times with one handle. */
void kept_login_drop(const struct pam_call *call);

#endif
