/*
 * A stack of /etc/pam.d as libpam reads it. No module is loaded or run.
 */
#ifndef LATCHKEY_PAM_STACK_H
#define LATCHKEY_PAM_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/secret.h"
#include "cli/lint/pam_system.h"

#define PAM_FILE_MAX (1U << 20) /* bytes */

enum stack_type { STACK_AUTH, STACK_ACCOUNT, STACK_SESSION, STACK_PASSWORD, STACK_TYPE_COUNT };

/* Linux-PAM's return codes by the names that pam.conf(5) gives them. */
enum {
    RETURN_SUCCESS,
    RETURN_AUTH_ERR,
    RETURN_AUTHINFO_UNAVAIL,
    RETURN_IGNORE,
    RETURN_MODULE_UNKNOWN,
    RETURN_NEW_AUTHTOK_REQD,
    RETURN_PERM_DENIED,
    RETURN_COUNT = 32
};
typedef uint32_t return_set; /* bit 1 << RETURN_… */
#define RETURNS(code) ((return_set)1 << (code))

/* The code of a name without "PAM_", in upper or lower case; RETURN_COUNT: there is none. */
size_t return_code(const char *name);
const char *return_name(size_t code);

enum { ACTION_IGNORE = 0, ACTION_OK = -1, ACTION_DONE = -2, ACTION_BAD = -3, ACTION_DIE = -4, ACTION_RESET = -5 };

/* Owned by the stack. */
struct pam_line {
    char *file;
    size_t number;
    enum stack_type type;
    unsigned level;            /* of substacks */
    int actions[RETURN_COUNT]; /* above 0: a jump over this number of lines */
    char *module;              /* as written; NULL: the head of a substack */
    bool is_silent;            /* "-auth": libpam does not log that it cannot load the module, but still refuses */
    bool is_missing;           /* libpam does not find the module's file, and takes it for module_unknown */
    int argc;
    char **argv;
    const char *broken; /* NULL, or why libpam refuses the line; static */
    bool is_fatal;      /* libpam also refuses the whole service, in all its types */
};

struct pam_stack {
    struct pam_line *lines;
    size_t count;
    bool is_refused; /* a line is fatal */
    char *unread;    /* the text after the line where libpam stops reading a file, or NULL */
    char **files;    /* all that were read, the service's own first, those of `other` last */
    size_t file_count;
};

#define PAM_SERVICE_OTHER "other"

/*
 * Read a service's file with its includes, and the file `other`, whose lines are used for each type that the service
 * has no line of. A line that is fatal in `other` is fatal to every service. False with errno when out of memory, when
 * the service's own file cannot be read, or when the includes give too many lines. An include that fails is a broken
 * line. End it with pam_stack_free() in either case.
 */
bool pam_stack_read(const struct pam_system *system, const char *service, struct pam_stack *ret_stack);
void pam_stack_free(struct pam_stack *stack);

/* The last part of a line's module is this file name. */
bool pam_line_is(const struct pam_line *line, const char *module);

bool pam_line_has(const struct pam_line *line, const char *argument);

/* Read a regular file of at most PAM_FILE_MAX bytes, of any owner. False with errno. */
bool pam_file_read(const char *path, struct secret *ret_content, struct stat *ret_status);

#endif
