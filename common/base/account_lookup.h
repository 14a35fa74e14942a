/*
 * Ask NSS about users and groups. Each answer is one of three: there is such an account, there is none, or NSS cannot
 * tell now. The third is never taken for the second: NSS fails when descriptors or memory are exhausted and when a
 * directory service is away, and all of these pass.
 *
 * A name is absent only where NSS answered without an error. getpwnam(3) lists ENOENT, ESRCH, EBADF and EPERM as what
 * some systems answer for an unknown name. The GNU C library answers 0 for an unknown name, and ENOENT where nslcd(8)
 * is stopped or the file is missing: here each of these errors means that NSS cannot tell.
 *
 * An error of one source is lost when the next source of nsswitch.conf(5) answers "not found" ("passwd: files systemd"
 * without a free descriptor). So "not found" counts only while the local file of accounts can be opened.
 */
#ifndef LATCHKEY_ACCOUNT_LOOKUP_H
#define LATCHKEY_ACCOUNT_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/names.h"

/* Zero is the answer that decides nothing. */
enum account_answer { ACCOUNT_CANNOT_TELL, ACCOUNT_ABSENT, ACCOUNT_FOUND };

struct account_entry {
    char name[USER_MAX + 1]; /* as NSS has it, which may be another spelling; empty: longer than USER_MAX */
    uid_t uid;
    gid_t gid; /* of a group: its own */
};

/*
 * The user, or the group, that NSS has for a name. *ret_account is set for ACCOUNT_FOUND, *ret_error (which may be
 * NULL) for ACCOUNT_CANNOT_TELL: an errno, ENOMEM when memory is exhausted, ERANGE when the entry is beyond
 * ACCOUNT_ENTRY_MAX. Thread-safe; may take as long as the directory service takes.
 */
#define ACCOUNT_ENTRY_MAX (1U << 20) /* bytes of an entry; a group may have many members */
enum account_answer account_lookup_user(const char *name, struct account_entry *ret_account, int *ret_error);
enum account_answer account_lookup_group(const char *name, struct account_entry *ret_account, int *ret_error);

/* Whether the user is in the group, as its primary group or as a member that the group's entry lists. ACCOUNT_ABSENT:
 * not so, or one of both does not exist. *ret_error as above. */
enum account_answer account_lookup_member(const char *user, const char *group, int *ret_error);

#endif
