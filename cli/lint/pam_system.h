/*
 * Where libpam looks: for the files of services, and for modules. As Linux-PAM 1.5.2 of Debian does:
 *   - the file of a service is /etc/pam.d/NAME, else /usr/lib/pam.d/NAME, the vendor's
 *   - a file that a line includes by a bare name is in /etc/pam.d, and not looked for in the vendor's folder
 *   - a module with a bare name is in libpam's own folder, /lib/TRIPLET/security on Debian, or in /lib/security
 */
#ifndef LATCHKEY_PAM_SYSTEM_H
#define LATCHKEY_PAM_SYSTEM_H

#include <limits.h>
#include <stdbool.h>

struct pam_system {
    char directory[PATH_MAX]; /* of the services' files, without a final slash */
    char vendor[PATH_MAX];    /* where a service is looked for that `directory` does not have; "": nowhere */
    char root[PATH_MAX];      /* what stands before /etc/pam.d; "" on the host itself */
    bool is_known;            /* `directory` ends in /etc/pam.d, so that the rest of its system can be found */
};

/* The system around a directory of stacks. False when the path is too long. */
bool pam_system_of(const char *directory, struct pam_system *ret_system);

/* An absolute path of the system, as this host sees it. False when it is too long. */
bool pam_system_path(const struct pam_system *system, const char *path, char ret_path[PATH_MAX]);

/* MODULE_UNCLEAR: libpam's folder cannot be found, or the path names a variable. */
enum module_state { MODULE_FOUND, MODULE_MISSING, MODULE_UNCLEAR };

/* Whether libpam finds the file of a module, written as in a stack. Says nothing of what the file holds. */
enum module_state pam_system_module(const struct pam_system *system, const char *module);

#endif
