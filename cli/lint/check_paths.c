#include "cli/lint/check_paths.h"

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "base/account_lookup.h"
#include "base/path.h"

/* Whether the file belongs to this user. When NSS cannot tell now, the file is not at fault, and the result is
 * incomplete. */
static bool is_owned_by(struct findings *findings, const char *path, uid_t uid, const char *user)
{
    struct account_entry account;

    if (user == NULL)
        return false;
    switch (account_lookup_user(user, &account, NULL)) {
    case ACCOUNT_FOUND:
        return account.uid == uid;
    case ACCOUNT_ABSENT:
        return false;
    default:
        findings->is_incomplete = true;
        findings_add(findings, SEVERITY_WARNING, path, 0,
                     "is owned by uid %ju, and the system cannot tell now whether that is user \"%s\"", (uintmax_t)uid,
                     user);
        return true;
    }
}

void check_owner_and_mode(struct findings *findings, const char *path, const struct stat *status, const char *also_by)
{
    unsigned mode = status->st_mode & 07777;

    if (status->st_uid != 0 && status->st_uid != geteuid() && !is_owned_by(findings, path, status->st_uid, also_by))
        findings_add(findings, SEVERITY_ERROR, path, 0, "is owned by uid %ju, not by root or the running user",
                     (uintmax_t)status->st_uid);
    /* In a directory with the sticky bit, a user can replace only entries of its own. */
    if ((mode & (S_IWGRP | S_IWOTH)) != 0 && !(S_ISDIR(status->st_mode) && (mode & S_ISVTX) != 0))
        findings_add(findings, SEVERITY_ERROR, path, 0, "is writable by group or others (mode %04o)", mode);
}

void check_directories_above(struct findings *findings, const char *path, const char *also_by)
{
    struct path_walk walk;
    struct stat status;
    enum path_step step;

    if (!path_walk_begin(&walk, path))
        return;
    do {
        step = path_walk_next(&walk);
        if (step != PATH_STEP_END && stat(path_walk_folder(&walk), &status) == 0)
            check_owner_and_mode(findings, path_walk_folder(&walk), &status, also_by);
    } while (step == PATH_STEP_ENTRY);
}
