#include "base/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as many as the kernel follows */

const char *path_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

bool path_make_absolute(const char *path, char ret_absolute[PATH_MAX])
{
    char directory[PATH_MAX] = "";
    int len;

    if (path[0] != '/' && getcwd(directory, sizeof directory) == NULL)
        return false;
    len = snprintf(ret_absolute, PATH_MAX, "%s%s%s", directory, path[0] != '/' ? "/" : "", path);
    if (len > 0 && len < PATH_MAX)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

static enum path_step fail(struct path_walk *walk, const char *path, int cause)
{
    walk->failed = path;
    errno = cause;
    return PATH_STEP_FAILED;
}

bool path_walk_begin(struct path_walk *walk, const char *path)
{
    *walk = (struct path_walk){ .path = path, .failed = path };
    return path_make_absolute(path, walk->rest);
}

const char *path_walk_folder(const struct path_walk *walk)
{
    return walk->folder[0] != '\0' ? walk->folder : "/";
}

/* The target of the link takes the place of the link's name. */
static enum path_step follow_link(struct path_walk *walk)
{
    char target[PATH_MAX], rest[sizeof walk->rest];
    const ssize_t len = readlink(walk->entry, target, sizeof target);

    if (len < 0)
        return fail(walk, walk->entry, errno);
    if (++walk->links > LINKS_MAX)
        return fail(walk, walk->entry, ELOOP);
    if ((size_t)len == sizeof target
        || snprintf(rest, sizeof rest, "%.*s/%s", (int)len, target, walk->rest) >= (int)sizeof rest)
        return fail(walk, walk->entry, ENAMETOOLONG);
    if (len > 0 && target[0] == '/')
        walk->folder[0] = '\0';
    memcpy(walk->rest, rest, strlen(rest) + 1);
    return PATH_STEP_ENTRY;
}

/* What the last entry leads to. */
static enum path_step enter(struct path_walk *walk)
{
    if (S_ISLNK(walk->status.st_mode))
        return follow_link(walk);
    if (S_ISDIR(walk->status.st_mode))
        memcpy(walk->folder, walk->entry, strlen(walk->entry) + 1);
    else if (walk->entry[0] != '\0' && strspn(walk->rest, "/") != strlen(walk->rest))
        return fail(walk, walk->entry, ENOTDIR);
    return PATH_STEP_ENTRY;
}

/* Take a component off the rest. Its length; 0 when there is none, above NAME_MAX when it is too long. */
static size_t take_name(struct path_walk *walk, char ret_name[NAME_MAX + 1])
{
    const size_t slashes = strspn(walk->rest, "/"), len = strcspn(walk->rest + slashes, "/");

    if (len > NAME_MAX)
        return len;
    memcpy(ret_name, walk->rest + slashes, len);
    ret_name[len] = '\0';
    memmove(walk->rest, walk->rest + slashes + len, strlen(walk->rest + slashes + len) + 1);
    return len;
}

/* The next component that names an entry: "." and ".." only move. PATH_STEP_END when there is none. */
static enum path_step next_name(struct path_walk *walk, char ret_name[NAME_MAX + 1])
{
    char *slash;

    for (;;) {
        const size_t len = take_name(walk, ret_name);

        if (len == 0)
            return PATH_STEP_END;
        if (len > NAME_MAX)
            return fail(walk, walk->path, ENAMETOOLONG);
        slash = strrchr(walk->folder, '/');
        if (strcmp(ret_name, "..") == 0 && slash != NULL)
            *slash = '\0';
        else if (strcmp(ret_name, ".") != 0 && strcmp(ret_name, "..") != 0)
            return PATH_STEP_ENTRY;
    }
}

enum path_step path_walk_next(struct path_walk *walk)
{
    char name[NAME_MAX + 1], entry[sizeof walk->entry];
    enum path_step step = enter(walk);

    if (step == PATH_STEP_ENTRY)
        step = next_name(walk, name);
    if (step != PATH_STEP_ENTRY)
        return step;
    if (snprintf(entry, sizeof entry, "%s/%s", walk->folder, name) >= (int)sizeof entry)
        return fail(walk, walk->path, ENAMETOOLONG);
    memcpy(walk->entry, entry, strlen(entry) + 1);
    if (lstat(walk->entry, &walk->status) != 0)
        return fail(walk, walk->entry, errno);
    return PATH_STEP_ENTRY;
}
