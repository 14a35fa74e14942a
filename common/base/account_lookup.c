#include "base/account_lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_SIZE 2048

/* What is asked, and where the answer goes. */
struct question {
    const char *name;
    struct account_entry *ret_account;
    const char *member; /* for a group: the user whose membership is asked; may be NULL */
    bool has_member;    /* whether the entry of the group lists that user */
};

/* Users and groups differ in the call, in the entry and in the local file. */
struct account_database {
    int (*ask)(struct question *question, char *buffer, size_t size, bool *ret_found);
    const char *file; /* of the source "files" of nsswitch.conf(5) */
};

static void set_name(struct account_entry *account, const char *name)
{
    const size_t len = strlen(name);

    if (len <= USER_MAX)
        memcpy(account->name, name, len + 1);
}

static int ask_user(struct question *question, char *buffer, size_t size, bool *ret_found)
{
    struct passwd entry, *found = NULL;
    const int error = getpwnam_r(question->name, &entry, buffer, size, &found);

    *ret_found = error == 0 && found != NULL;
    if (*ret_found) {
        *question->ret_account = (struct account_entry){ .uid = found->pw_uid, .gid = found->pw_gid };
        set_name(question->ret_account, found->pw_name);
    }
    return error;
}

static bool has_member(const struct group *group, const char *user)
{
    size_t i;

    for (i = 0; group->gr_mem[i] != NULL; i++)
        if (strcmp(group->gr_mem[i], user) == 0)
            return true;
    return false;
}

static int ask_group(struct question *question, char *buffer, size_t size, bool *ret_found)
{
    struct group entry, *found = NULL;
    const int error = getgrnam_r(question->name, &entry, buffer, size, &found);

    *ret_found = error == 0 && found != NULL;
    if (*ret_found) {
        *question->ret_account = (struct account_entry){ .uid = (uid_t)-1, .gid = found->gr_gid };
        set_name(question->ret_account, found->gr_name);
        question->has_member = question->member != NULL && has_member(found, question->member);
    }
    return error;
}

static const struct account_database users = { ask_user, "/etc/passwd" };
static const struct account_database groups = { ask_group, "/etc/group" };

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

static enum account_answer look_up(const struct account_database *source, struct question *question, int *ret_error)
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
            error = source->ask(question, buffer, size, &found);
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
    struct question question = { .name = name, .ret_account = ret_account };

    return look_up(&users, &question, ret_error);
}

enum account_answer account_lookup_group(const char *name, struct account_entry *ret_account, int *ret_error)
{
    struct question question = { .name = name, .ret_account = ret_account };

    return look_up(&groups, &question, ret_error);
}

enum account_answer account_lookup_member(const char *user, const char *group, int *ret_error)
{
    struct account_entry account, entry;
    struct question question = { .name = group, .ret_account = &entry, .member = user };
    enum account_answer answer = account_lookup_user(user, &account, ret_error);

    if (answer == ACCOUNT_FOUND)
        answer = look_up(&groups, &question, ret_error);
    if (answer == ACCOUNT_FOUND && !question.has_member && entry.gid != account.gid)
        answer = ACCOUNT_ABSENT;
    return answer;
}
