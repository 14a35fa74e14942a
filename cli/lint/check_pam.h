/*
 * latchkey check: the PAM stacks that name pam_latchkey.so.
 */
#ifndef LATCHKEY_CHECK_PAM_H
#define LATCHKEY_CHECK_PAM_H

#include "cli/lint/findings.h"

/*
 * The stacks of a directory like /etc/pam.d, and the configurations that they name; `config` is the one of lines that
 * name none. The service blocks of a configuration that loads are compared with the stacks.
 */
void check_pam(struct findings *findings, const char *directory, const char *config);

#endif
