/*
 * One call of an entry point of pam_latchkey.so: the line's options, the items of the PAM handle, the configuration and
 * the verdict; then PAM's code, the log line and the text for the user.
 */
#ifndef LATCHKEY_PAM_CALL_H
#define LATCHKEY_PAM_CALL_H

#include <stdbool.h>

#include <security/pam_modules.h>

#include "verdict/attempt.h"
#include "verdict/verdict.h"
#include "config/model.h"
#include "login/credential.h"
#include "pam/options.h"

#define PAM_ENTRY __attribute__((visibility("default"))) /* an entry point that libpam looks up */

struct pam_call {
    pam_handle_t *pamh;
    struct pam_options options;
    const struct config *config; /* held until call_end() */
    /* Copies: libpam frees an item when a module or the conversation sets it again. */
    char *service, *user, *rhost;
    struct attempt attempt; /* borrows the copies, and service= of the options; the time is that of the last decision */
    struct verdict verdict;
    enum credential_form form; /* of the last text that was decided about */
};

/* Read the options and the items. False with OPTION_INVALID or OUT_OF_MEMORY in the verdict. The caller ends the call
 * with call_end() in either case. */
bool call_begin(struct pam_call *call, pam_handle_t *pamh, int argc, const char **argv);

void call_end(struct pam_call *call);

/* Acquire the configuration; changed files are read again. False with the reason in the verdict. */
bool call_config(struct pam_call *call);

/* An item of the PAM handle as text; NULL where it is not set. libpam lends it until the item is set again. */
const char *call_item(const struct pam_call *call, int type);

/* PAM's code for the verdict. */
int call_code(const struct pam_call *call);

/* One line about the attempt to authpriv. */
void call_log(const struct pam_call *call);

/* Tell the user what the verdict allows to tell, unless the flags have PAM_SILENT. */
void call_tell(const struct pam_call *call, int flags);

/* With the option debug: a step, for the administrator who sets up a stack. Lengths and names only, never a byte of a
 * credential. */
__attribute__((format(printf, 2, 3))) void call_debug(const struct pam_call *call, const char *format, ...);

#endif
