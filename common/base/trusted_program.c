#include "base/trusted_program.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as many as the kernel follows */

/* The way to the program: `done` is free of symbolic links, "" for the root directory. */
struct way {
    char done[PATH_MAX];
    char rest[2 * PATH_MAX]; /* components, separated by slashes */
    int links;
    const char *path; /* as it was given */
    struct file_error *error;
};

static bool refuse_call(const struct way *way, const char *path, int cause)
{
    return file_refuse_call(way->error, strcmp(path, way->path) == 0 ? "" : path, cause);
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
static bool check_folder(const struct way *way, const struct stat *entry)
{
    const char *path = way->done[0] != '\0' ? way->done : "/";
    struct stat folder;

    if (lstat(path, &folder) != 0)
        return refuse_call(way, path, errno);
    if (!is_trusted_owner(&folder))
        return file_refuse(way->error, "the folder %.60s is owned by uid %ju, neither by root nor by the running user",
                           path, (uintmax_t)folder.st_uid);
    if (is_writable_by_others(&folder) && ((folder.st_mode & S_ISVTX) == 0 || !is_trusted_owner(entry)))
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

/* Take the next component; "" when there is none. */
static bool next_component(struct way *way, char ret_name[NAME_MAX + 1])
{
    const size_t slashes = strspn(way->rest, "/"), len = strcspn(way->rest + slashes, "/");

    if (len > NAME_MAX)
        return refuse_call(way, way->path, ENAMETOOLONG);
    memcpy(ret_name, way->rest + slashes, len);
    ret_name[len] = '\0';
    memmove(way->rest, way->rest + slashes + len, strlen(way->rest + slashes + len) + 1);
    return true;
}

static bool follow(struct way *way, const char *link)
{
    char target[PATH_MAX], rest[sizeof way->rest];
    const ssize_t len = readlink(link, target, sizeof target);

    if (len < 0)
        return refuse_call(way, link, errno);
    if (++way->links > LINKS_MAX)
        return refuse_call(way, link, ELOOP);
    if ((size_t)len == sizeof target
        || snprintf(rest, sizeof rest, "%.*s/%s", (int)len, target, way->rest) >= (int)sizeof rest)
        return refuse_call(way, link, ENAMETOOLONG);
    if (len > 0 && target[0] == '/')
        way->done[0] = '\0';
    memcpy(way->rest, rest, strlen(rest) + 1);
    return true;
}

/* One step: `name` below the folder that was reached. *ret_is_there when it is the program. */
static bool step(struct way *way, const char *name, bool *ret_is_there)
{
    char entry[sizeof way->done];
    struct stat status;

    if (strcmp(name, "..") == 0) {
        char *slash = strrchr(way->done, '/');

        if (slash != NULL)
            *slash = '\0';
        return true;
    }
    if (snprintf(entry, sizeof entry, "%s/%s", way->done, name) >= (int)sizeof entry)
        return refuse_call(way, way->path, ENAMETOOLONG);
    if (lstat(entry, &status) != 0)
        return refuse_call(way, entry, errno);
    if (!check_folder(way, &status))
        return false;
    if (S_ISLNK(status.st_mode))
        return follow(way, entry);
    if (S_ISDIR(status.st_mode)) {
        memcpy(way->done, entry, strlen(entry) + 1);
        return true;
    }
    if (strspn(way->rest, "/") != strlen(way->rest))
        return refuse_call(way, entry, ENOTDIR);
    *ret_is_there = true;
    return check_file(way, &status);
}

bool trusted_program_check(const char *path, struct file_error *ret_error)
{
    struct way way = { .path = path, .error = ret_error };
    char name[NAME_MAX + 1];
    bool is_there = false;

    if (strlen(path) >= PATH_MAX)
        return refuse_call(&way, path, ENAMETOOLONG);
    memcpy(way.rest, path, strlen(path) + 1);
    while (!is_there) {
        if (!next_component(&way, name))
            return false;
        if (name[0] == '\0')
            return file_refuse(way.error, "is not a regular file");
        if (strcmp(name, ".") != 0 && !step(&way, name, &is_there))
            return false;
    }
    return true;
}
