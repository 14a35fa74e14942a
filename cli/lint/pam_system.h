/*
 * The places where libpam searches the files of services and modules, as Linux-PAM 1.5.2 of Debian does:
 *   - the file of a service is /etc/pam.d/NAME, else /usr/lib/pam.d/NAME, the vendor's directory
 *   - a file that a line includes by a bare name is in /etc/pam.d; libpam does not search it in the vendor's directory
 *   - a module with a bare name is in libpam's own folder, /lib/TRIPLET/security on Debian, or in /lib/security
 */
#ifndef LATCHKEY_PAM_SYSTEM_H
#define LATCHKEY_PAM_SYSTEM_H

#include <limits.h>
#include <stdbool.h>

struct pam_system {
    char directory[PATH_MAX]; /* of the services' files, without a final slash */
    char vendor[PATH_MAX];    /* searched for a service that `directory` does not have; "": there is none */
    char root[PATH_MAX];      /* the path before /etc/pam.d; "" on the host itself */
    bool is_known; /* `directory` ends in /etc/pam.d, so that the other directories of the system are known */
};

/* The system around a directory of stacks. False when the path is too long. */
bool pam_system_of(const char *directory, struct pam_system *ret_system);

/* A path on this host for an absolute path of the system. False when it is too long. */
bool pam_system_path(const struct pam_system *system, const char *path, char ret_path[PATH_MAX]);

/* MODULE_UNCLEAR: libpam's folder cannot be found, or the path names a variable. */
enum module_state { MODULE_FOUND, MODULE_MISSING, MODULE_UNCLEAR };

/* Whether libpam finds the file of a module, written as in a stack. The content of the file is not checked. */
enum module_state pam_system_module(const struct pam_system *system, const char *module);

#endif
