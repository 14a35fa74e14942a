#include "base/trusted_program.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"

/* The way to the program, and where a refusal is explained. */
struct way {
    struct path_walk walk;
    struct file_error *error;
};

static bool refuse_call(const struct way *way, const char *path, int cause)
{
    return file_refuse_call(way->error, strcmp(path, way->walk.path) == 0 ? "" : path, cause);
}

static bool is_trusted_owner(const struct stat *status)
{
    return status->st_uid == 0 || status->st_uid == geteuid();
}

static bool is_writable_by_others(const struct stat *status)
{
    return (status->st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

/* Whether no other user can replace this entry. */
static bool check_folder(const struct way *way)
{
    const char *path = path_walk_folder(&way->walk);
    struct stat folder;

    if (lstat(path, &folder) != 0)
        return refuse_call(way, path, errno);
    if (!is_trusted_owner(&folder))
        return file_refuse(way->error, "the folder %.60s is owned by uid %ju, neither by root nor by the running user",
                           path, (uintmax_t)folder.st_uid);
    if (is_writable_by_others(&folder) && ((folder.st_mode & S_ISVTX) == 0 || !is_trusted_owner(&way->walk.status)))
        return file_refuse(way->error, "the folder %.80s is writable by group or others (mode %04o)", path,
                           (unsigned)(folder.st_mode & 07777));
    return true;
}

static bool check_file(const struct way *way, const struct stat *status)
{
    if (!S_ISREG(status->st_mode))
        return file_refuse(way->error, "is not a regular file");
    if (!is_trusted_owner(status))
        return file_refuse(way->error, "is owned by uid %ju, neither by root nor by the running user",
                           (uintmax_t)status->st_uid);
    if (is_writable_by_others(status))
        return file_refuse(way->error, "is writable by group or others (mode %04o)",
                           (unsigned)(status->st_mode & 07777));
    return true;
}

bool trusted_program_check(const char *path, struct file_error *ret_error)
{
    struct way way = { .error = ret_error };
    enum path_step step;

    if (!path_walk_begin(&way.walk, path))
        return refuse_call(&way, path, errno);
    while ((step = path_walk_next(&way.walk)) == PATH_STEP_ENTRY)
        if (!check_folder(&way))
            return false;
    if (step == PATH_STEP_FAILED)
        return refuse_call(&way, way.walk.failed, errno);
    return check_file(&way, &way.walk.status);
}
