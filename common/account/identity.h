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

/* The blocks of the configuration, owned by it. */
struct user_block { /* user "alice" { sub = {…} api_key = … } */
    char *name;
    struct string_list tenants; /* whose subjects; empty: those of the only tenant */
    struct string_list subjects;
    bool api_key;
};
struct map_block { /* map { claim = …  pattern = … }: capture 1 of a match of the whole value is the user */
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
 * The local user: of a user block that lists the subject, else of the first map whose claim is there and whose pattern
 * matches all of it; a claim that is there and no text (claims_text()) refuses. A name with a user block is never
 * reached by a pattern: the block says who may have it. `wanted` is the account that the host asks for, or NULL; with
 * several blocks for one subject it picks one; without, `hint` may (or is NULL), and means nothing else. The groups:
 * each group block that lists a value of the groups claim. A block that names tenants is for tokens of these alone. A
 * map over a claim C refuses a token that says C_verified (OpenID Connect Core §5.1) and does not say true. Asks
 * nothing of the system. False with USER_UNMAPPED, USER_AMBIGUOUS (several blocks, none wanted and none hinted at),
 * USER_NAME_INVALID, USER_MISMATCH, CLAIM_INVALID or OUT_OF_MEMORY.
 */
bool identity_map(struct verdict *verdict, const struct identity_rules *rules, const struct claims *claims,
                  const struct claims_policy *policy, const char *wanted, const char *hint,
                  struct identity *ret_identity);

/* The mapped user exists on this host, and is not uid 0 unless named by a user block. Asks NSS.
 * False with USER_UNKNOWN, USER_FORBIDDEN, SYSTEM_ERROR or OUT_OF_MEMORY. */
bool identity_check_account(struct verdict *verdict, const struct identity *identity);

/* Whether a host could take the name for root's: in any case of its letters, or an account with uid 0, or one that NSS
 * cannot tell now. For valid names. */
bool identity_may_be_root(struct slice name);

/* By the local name of a group block. */
bool identity_has_group(const struct identity *identity, const char *group);

/* The block of a local user, and of a local group; NULL: there is none. Lent. */
const struct user_block *identity_user_block(const struct identity_rules *rules, const char *user);
const struct group_block *identity_group_block(const struct identity_rules *rules, struct slice group);

/*
 * The block of the account that a name opens, in whatever spelling: some directories answer for ALICE or alice@domain
 * with alice. *ret_block is NULL when it has none. Asks NSS when no block has the name itself. False with SYSTEM_ERROR
 * or OUT_OF_MEMORY.
 */
bool identity_account_block(struct verdict *verdict, const struct identity_rules *rules, const char *user,
                            const struct user_block **ret_block);

/* What useradd(8) would take: [A-Za-z_][A-Za-z0-9_.-]*[$]?, at most USER_MAX bytes. */
bool identity_is_valid_name(struct slice name);

#endif
