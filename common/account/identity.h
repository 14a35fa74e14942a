/*
 * From claims to the local user and the local groups.
 */
#ifndef LATCHKEY_IDENTITY_H
#define LATCHKEY_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/pattern.h"
#include "base/text_index.h"
#include "verdict/verdict.h"
#include "token/claims.h"

#define IDENTITY_GROUPS_MAX 256 /* group blocks of a configuration */

/* Blocks of the configuration, which owns them. */
struct user_block { /* user "alice" { sub = {…} api_key = … } */
    char *name;
    struct string_list tenants; /* that issue the subjects; empty: the only tenant */
    struct string_list subjects;
    bool api_key;
};
struct map_block { /* map { claim = …  pattern = … }: the pattern matches the whole value; group 1 is the user */
    struct string_list tenants; /* as in user_block */
    char *claim;
    char *pattern;
    struct pattern compiled;
};
struct group_block { /* group "ops" { claim = {…} session = … } */
    char *name;
    struct string_list tenants; /* as in user_block */
    struct string_list values;
    bool session;
};

struct identity_rules {
    struct user_block *users;
    size_t user_count;
    struct text_index names;      /* the place of an entry is that of the user in `users` */
    struct text_index subjects;   /* of all users; a subject may be in several blocks */
    const uint32_t *subject_user; /* the place of an entry's user in `users` */
    struct map_block *maps;
    size_t map_count;
    struct group_block *groups;
    size_t group_count;
};

/* Owns its strings; the groups beyond group_count are not initialised. */
struct identity {
    char user[USER_MAX + 1];
    bool user_is_explicit; /* by a user block, not by a pattern */
    size_t group_count;
    char groups[IDENTITY_GROUPS_MAX][USER_MAX + 1]; /* in the order of the blocks */
};

/* Fill in `names`, `subjects` and `subject_user`, in the arena. False: out of memory. */
bool identity_index(struct identity_rules *rules, struct arena *arena);

/*
 * Map claims to a local user and local groups.
 *
 * The user is that of a user block that lists the subject. Without such a block, it is that of the first map whose
 * claim the token has and whose pattern matches the whole value. A claim of a map that is not a text (claims_text())
 * refuses the token. So does a claim C when the token has a claim C_verified (OpenID Connect Core §5.1) that is not
 * true. A map never yields a user that has a user block.
 *
 * `wanted` is the account that the host asks for, or NULL. It selects one of several blocks that list the subject; any
 * other user is refused. Without it, `hint` (or NULL) selects one of several blocks and has no other effect.
 *
 * The groups are those of each group block that lists a value of the groups claim. A block that names tenants is for
 * tokens of these tenants only. The function does not look up accounts.
 *
 * False with USER_UNMAPPED, USER_AMBIGUOUS (several blocks list the subject, and neither `wanted` nor `hint` selects
 * one), USER_NAME_INVALID, USER_MISMATCH, CLAIM_INVALID or OUT_OF_MEMORY.
 */
bool identity_map(struct verdict *verdict, const struct identity_rules *rules, const struct claims *claims,
                  const struct claims_policy *policy, const char *wanted, const char *hint,
                  struct identity *ret_identity);

/* Check that the mapped user exists on this host. Only a user block may map to uid 0. Asks NSS.
 * False with USER_UNKNOWN, USER_FORBIDDEN, SYSTEM_ERROR or OUT_OF_MEMORY. */
bool identity_check_account(struct verdict *verdict, const struct identity *identity);

/* Whether a host could take the name for root: it is "root" in upper or lower case, its account has uid 0, or NSS
 * cannot look it up now. For valid names. */
bool identity_may_be_root(struct slice name);

/* `group` is the local name of a group block. */
bool identity_has_group(const struct identity *identity, const char *group);

/* The block of a local user, and of a local group. NULL: it has no block. Lent. */
const struct user_block *identity_user_block(const struct identity_rules *rules, const char *user);
const struct group_block *identity_group_block(const struct identity_rules *rules, struct slice group);

/*
 * The block of the account that NSS finds for a name. Some directories find the account alice for ALICE and for
 * alice@domain. *ret_block is NULL when the account has no block. Asks NSS only when no block has the name itself.
 * False with SYSTEM_ERROR or OUT_OF_MEMORY.
 */
bool identity_account_block(struct verdict *verdict, const struct identity_rules *rules, const char *user,
                            const struct user_block **ret_block);

/* A name that useradd(8) accepts: [A-Za-z_][A-Za-z0-9_.-]*[$]?, at most USER_MAX bytes. */
bool identity_is_valid_name(struct slice name);

#endif
