/*
 * Paths: their parts, and the way that the kernel takes to the file that a path names.
 */
#ifndef LATCHKEY_PATH_H
#define LATCHKEY_PATH_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

/* What follows the last slash; the whole path when it has none. Lent by `path`. */
const char *path_name(const char *path);

/* The path itself, or below the working directory when it is relative. False with errno, ENAMETOOLONG for example. */
bool path_make_absolute(const char *path, char ret_absolute[PATH_MAX]);

/*
 * The way to a file, entry by entry, as the kernel follows it: names are looked up in folders, and a symbolic link is
 * an entry whose target the way goes on to. The caller judges an entry, and the folder that holds it, before the next
 * step.
 */
struct path_walk {
    char folder[PATH_MAX]; /* free of symbolic links; path_walk_folder() */
    char entry[PATH_MAX];  /* below the folder; "" before the first step */
    struct stat status;    /* of the entry, of a link itself; all zero before the first step */
    const char *failed;    /* after PATH_STEP_FAILED: the entry, or the path of path_walk_begin() */
    const char *path;
    char rest[2 * PATH_MAX]; /* components that are still to go, separated by slashes */
    int links;
};

/* `path` is lent until the end of the walk. Nothing needs an end. False with errno, as path_make_absolute(). */
bool path_walk_begin(struct path_walk *walk, const char *path);

/* PATH_STEP_FAILED with errno of lstat(2) or readlink(2), ELOOP, ENOTDIR or ENAMETOOLONG. */
enum path_step { PATH_STEP_FAILED, PATH_STEP_ENTRY, PATH_STEP_END };
enum path_step path_walk_next(struct path_walk *walk);

/* The folder of the entry; "/" for the root directory. */
const char *path_walk_folder(const struct path_walk *walk);

#endif
