#include "cli/lint/pam_system.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SERVICES "/etc/pam.d"
#define VENDOR   "/usr/lib/pam.d"

/* Linux-PAM installs this module with libpam, so a folder that has it is libpam's. */
#define WITNESS "pam_permit.so"

bool pam_system_of(const char *directory, struct pam_system *ret_system)
{
    size_t len = strlen(directory), root_len = 0;
    bool is_known;

    *ret_system = (struct pam_system){ .is_known = false };
    while (len > 1 && directory[len - 1] == '/')
        len--;
    if (len >= sizeof ret_system->directory)
        return false;
    memcpy(ret_system->directory, directory, len);
    is_known = len >= strlen(SERVICES) && strcmp(ret_system->directory + len - strlen(SERVICES), SERVICES) == 0;
    if (!is_known)
        return true;
    root_len = len - strlen(SERVICES);
    if (root_len + sizeof VENDOR > sizeof ret_system->vendor)
        return false;
    ret_system->is_known = true;
    memcpy(ret_system->root, directory, root_len);
    return pam_system_path(ret_system, VENDOR, ret_system->vendor);
}

bool pam_system_path(const struct pam_system *system, const char *path, char ret_path[PATH_MAX])
{
    int len = snprintf(ret_path, PATH_MAX, "%s%s", system->root, path);

    return len >= 0 && len < PATH_MAX;
}

static bool is_there(const struct pam_system *system, const char *path)
{
    char real[PATH_MAX];

    return pam_system_path(system, path, real) && access(real, F_OK) == 0;
}

/* Folders that can be libpam's: those of each architecture, and those of distributions without multiarch. */
static const char *const folders[] = {
    "/lib/*/security",     "/usr/lib/*/security", "/lib64/security",
    "/usr/lib64/security", "/lib/security",       "/usr/lib/security",
};

/* Search the folders that match a pattern and are libpam's. *ret_any: there is such a folder. */
static bool is_in_folders(const struct pam_system *system, const char *folder, const char *module, bool *ret_any)
{
    char pattern[PATH_MAX], path[PATH_MAX + NAME_MAX];
    glob_t witnesses = { .gl_pathc = 0 };
    bool found = false;
    size_t i;
    int len = snprintf(pattern, sizeof pattern, "%s%s/" WITNESS, system->root, folder);

    if (len < 0 || (size_t)len >= sizeof pattern)
        return false;
    if (glob(pattern, GLOB_NOSORT, NULL, &witnesses) == 0)
        for (i = 0; i < witnesses.gl_pathc && !found; i++) {
            const char *witness = witnesses.gl_pathv[i];

            *ret_any = true;
            len = snprintf(path, sizeof path, "%.*s%s", (int)(strlen(witness) - strlen(WITNESS)), witness, module);
            found = len >= 0 && (size_t)len < sizeof path && access(path, F_OK) == 0;
        }
    globfree(&witnesses);
    return found;
}

enum module_state pam_system_module(const struct pam_system *system, const char *module)
{
    char second[PATH_MAX];
    bool any = false;
    size_t i;
    int len;

    if (strchr(module, '$') != NULL)
        return MODULE_UNCLEAR;
    if (module[0] == '/')
        return is_there(system, module) ? MODULE_FOUND : MODULE_MISSING;
    if (!system->is_known)
        return MODULE_UNCLEAR;
    for (i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (is_in_folders(system, folders[i], module, &any))
            return MODULE_FOUND;
    len = snprintf(second, sizeof second, "/lib/security/%s", module);
    if (!any || len < 0 || (size_t)len >= sizeof second)
        return MODULE_UNCLEAR;
    return is_there(system, second) ? MODULE_FOUND : MODULE_MISSING;
}
