#include "base/account_lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_SIZE 2048

/* Users and groups differ in the call, in the entry and in the local file. */
struct source {
    int (*ask)(const char *name, char *buffer, size_t size, struct account_entry *ret_account, bool *ret_found);
    const char *file; /* of the source "files" of nsswitch.conf(5) */
};

static void set_name(struct account_entry *account, const char *name)
{
    const size_t len = strlen(name);

    if (len <= USER_MAX)
        memcpy(account->name, name, len + 1);
}

static int ask_user(const char *name, char *buffer, size_t size, struct account_entry *ret_account, bool *ret_found)
{
    struct passwd entry, *found = NULL;
    const int error = getpwnam_r(name, &entry, buffer, size, &found);

    *ret_found = error == 0 && found != NULL;
    if (*ret_found) {
        *ret_account = (struct account_entry){ .uid = found->pw_uid, .gid = found->pw_gid };
        set_name(ret_account, found->pw_name);
    }
    return error;
}

static int ask_group(const char *name, char *buffer, size_t size, struct account_entry *ret_account, bool *ret_found)
{
    struct group entry, *found = NULL;
    const int error = getgrnam_r(name, &entry, buffer, size, &found);

    *ret_found = error == 0 && found != NULL;
    if (*ret_found) {
        *ret_account = (struct account_entry){ .uid = (uid_t)-1, .gid = found->gr_gid };
        set_name(ret_account, found->gr_name);
    }
    return error;
}

static const struct source users = { ask_user, "/etc/passwd" };
static const struct source groups = { ask_group, "/etc/group" };

/* 0 or an errno: whether the first source of most hosts could have been asked. */
static int try_file(const char *path)
{
    int fd;

    do
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static enum account_answer look_up(const struct source *source, const char *name, struct account_entry *ret_account,
                                   int *ret_error)
{
    size_t size = FIRST_SIZE;
    char *buffer = NULL, *larger;
    bool found = false;
    int error;

    do {
        larger = realloc(buffer, size);
        if (larger == NULL) {
            error = ENOMEM;
            break;
        }
        buffer = larger;
        do
            error = source->ask(name, buffer, size, ret_account, &found);
        while (error == EINTR);
        size *= 2;
    } while (error == ERANGE && size <= ACCOUNT_ENTRY_MAX);
    free(buffer);
    if (error == 0 && !found)
        error = try_file(source->file);
    if (error != 0 && ret_error != NULL)
        *ret_error = error;
    if (error != 0)
        return ACCOUNT_CANNOT_TELL;
    return found ? ACCOUNT_FOUND : ACCOUNT_ABSENT;
}

enum account_answer account_lookup_user(const char *name, struct account_entry *ret_account, int *ret_error)
{
    return look_up(&users, name, ret_account, ret_error);
}

enum account_answer account_lookup_group(const char *name, struct account_entry *ret_account, int *ret_error)
{
    return look_up(&groups, name, ret_account, ret_error);
}
