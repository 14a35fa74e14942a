#include "account/identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/account_lookup.h"
#include "base/text.h"

#define CLAIM_NAME_MAX 1024 /* bytes: the longest string of a configuration */

bool identity_is_valid_name(struct slice name)
{
    size_t i;

    if (name.len == 0 || name.len > USER_MAX)
        return false;
    for (i = 0; i < name.len; i++) {
        char c = name.bytes[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool is_inner = (c >= '0' && c <= '9') || c == '-' || c == '.';
        bool is_last_dollar = c == '$' && i > 0 && i + 1 == name.len; /* machine accounts of Samba */

        if (!is_letter && !(i > 0 && is_inner) && !is_last_dollar)
            return false;
    }
    return true;
}

bool identity_index(struct identity_rules *rules, struct arena *arena)
{
    struct text_entry *names, *subjects;
    uint32_t *users;
    size_t count = 0, i, j;

    for (i = 0; i < rules->user_count; i++)
        count += rules->users[i].subjects.count;
    names = arena_alloc(arena, rules->user_count, sizeof *names);
    subjects = arena_alloc(arena, count, sizeof *subjects);
    rules->subject_user = users = arena_alloc(arena, count, sizeof *users);
    if (names == NULL || subjects == NULL || users == NULL)
        return false;
    text_index_init(&rules->names);
    text_index_init(&rules->subjects);
    for (count = 0, i = 0; i < rules->user_count; i++) {
        names[i] = text_index_entry(&rules->names, slice_of(rules->users[i].name));
        for (j = 0; j < rules->users[i].subjects.count; j++, count++) {
            subjects[count] = text_index_entry(&rules->subjects, slice_of(rules->users[i].subjects.items[j]));
            users[count] = (uint32_t)i;
        }
    }
    return text_index_build(&rules->names, names, rules->user_count, arena)
        && text_index_build(&rules->subjects, subjects, count, arena);
}

const struct user_block *identity_user_block(const struct identity_rules *rules, const char *user)
{
    const struct text_entry *entry = text_index_find(&rules->names, slice_of(user));

    return entry != NULL ? &rules->users[text_index_place(&rules->names, entry)] : NULL;
}

const struct group_block *identity_group_block(const struct identity_rules *rules, struct slice group)
{
    size_t i;

    for (i = 0; i < rules->group_count; i++)
        if (slice_equal_string(group, rules->groups[i].name))
            return &rules->groups[i];
    return NULL;
}

bool identity_has_group(const struct identity *identity, const char *group)
{
    size_t i;

    for (i = 0; i < identity->group_count; i++)
        if (strcmp(identity->groups[i], group) == 0)
            return true;
    return false;
}

static bool set_user(struct verdict *verdict, struct identity *identity, struct slice name, const char *wanted)
{
    text_copy_printable(verdict->user, sizeof verdict->user, name);
    if (!identity_is_valid_name(name))
        return verdict_reject(verdict, REASON_USER_NAME_INVALID, "%.*s", SLICE_ARG(name));
    if (wanted != NULL && !slice_equal_string(name, wanted))
        return verdict_reject(verdict, REASON_USER_MISMATCH, "token maps to user %.*s", SLICE_ARG(name));
    memcpy(identity->user, name.bytes, name.len);
    identity->user[name.len] = '\0';
    return true;
}

/* A block that names no tenants is for tokens of every tenant. */
static bool is_for_tenant(const struct string_list *tenants, const struct claims_policy *policy)
{
    return tenants->count == 0 || string_list_has(tenants, slice_of(policy->tenant_id));
}

/* Of the blocks that list the subject: the wanted one, else the first one. NULL with *ret_count 0: no block lists it.
 */
static const struct user_block *find_block(const struct identity_rules *rules, const struct claims_policy *policy,
                                           struct slice subject, const char *wanted, size_t *ret_count)
{
    const struct user_block *found = NULL, *last = NULL;
    const struct text_entry *entry = text_index_find(&rules->subjects, subject);

    *ret_count = 0;
    for (; entry != NULL; entry = text_index_next(&rules->subjects, entry)) {
        const struct user_block *block = &rules->users[rules->subject_user[text_index_place(&rules->subjects, entry)]];

        /* A block may list a subject twice. */
        if (block == last || !is_for_tenant(&block->tenants, policy))
            continue;
        last = block;
        (*ret_count)++;
        if (found == NULL || (wanted != NULL && strcmp(block->name, wanted) == 0))
            found = block;
    }
    return found;
}

static bool map_by_block(struct verdict *verdict, const struct user_block *block, size_t count, const char *wanted,
                         const char *hint, struct identity *identity)
{
    if (wanted == NULL && count > 1 && (hint == NULL || strcmp(block->name, hint) != 0))
        return verdict_reject(verdict, REASON_USER_AMBIGUOUS, "%zu user blocks list the subject", count);
    identity->user_is_explicit = true;
    return set_user(verdict, identity, slice_of(block->name), wanted);
}

/* A claim that the provider has not verified is what the user typed: an e-mail address may be that of another person.
 */
static bool check_verified(struct verdict *verdict, const struct json *payload, const char *claim)
{
    static const char suffix[] = "_verified";
    char name[CLAIM_NAME_MAX + sizeof suffix];
    const struct json *verified;

    snprintf(name, sizeof name, "%s%s", claim, suffix);
    verified = json_member(payload, name);
    return verified == NULL || json_is_true(verified)
        || verdict_reject(verdict, REASON_USER_UNMAPPED, "%s is not true", name);
}

static bool map_by_pattern(struct verdict *verdict, const struct identity_rules *rules, const struct claims *claims,
                           const struct claims_policy *policy, const char *wanted, struct identity *identity)
{
    struct slice value, name;
    bool matches;
    size_t i;

    for (i = 0; i < rules->map_count; i++) {
        if (!is_for_tenant(&rules->maps[i].tenants, policy)
            || json_member(claims->payload, rules->maps[i].claim) == NULL)
            continue;
        /* An invalid value refuses the token. If it were skipped, another map could choose another user. */
        if (!claims_text(verdict, claims->payload, rules->maps[i].claim, &value))
            return false;
        if (!pattern_match(&rules->maps[i].compiled, value, &matches, &name))
            return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "map of %s", rules->maps[i].claim);
        if (!matches || name.bytes == NULL)
            continue;
        if (!check_verified(verdict, claims->payload, rules->maps[i].claim)
            || !set_user(verdict, identity, name, wanted))
            return false;
        /* The user block lists every subject of the account. A pattern does not add one. */
        if (identity_user_block(rules, identity->user) != NULL)
            return verdict_reject(verdict, REASON_USER_UNMAPPED, "%s has a user block, which does not list the subject",
                                  identity->user);
        identity->user_is_explicit = false;
        return true;
    }
    return verdict_reject(verdict, REASON_USER_UNMAPPED, "sub=%.*s", SLICE_ARG(claims->subject));
}

static bool block_has_any_group(const struct group_block *block, const struct claims *claims,
                                const struct claims_policy *policy)
{
    size_t i;

    for (i = 0; i < claims->group_count; i++)
        if (string_list_has(&block->values, claims_group(claims, policy, i)))
            return true;
    return false;
}

static void map_groups(const struct identity_rules *rules, const struct claims *claims,
                       const struct claims_policy *policy, struct identity *identity)
{
    size_t i;

    identity->group_count = 0;
    for (i = 0; i < rules->group_count && i < IDENTITY_GROUPS_MAX; i++) {
        if (!is_for_tenant(&rules->groups[i].tenants, policy)
            || !block_has_any_group(&rules->groups[i], claims, policy))
            continue;
        /* The reader has checked the names: they fit. */
        strncpy(identity->groups[identity->group_count], rules->groups[i].name, USER_MAX);
        identity->groups[identity->group_count++][USER_MAX] = '\0';
    }
}

bool identity_map(struct verdict *verdict, const struct identity_rules *rules, const struct claims *claims,
                  const struct claims_policy *policy, const char *wanted, const char *hint,
                  struct identity *ret_identity)
{
    size_t count;
    const struct user_block *block = find_block(rules, policy, claims->subject, wanted != NULL ? wanted : hint, &count);

    if (block != NULL ? !map_by_block(verdict, block, count, wanted, hint, ret_identity)
                      : !map_by_pattern(verdict, rules, claims, policy, wanted, ret_identity))
        return false;
    map_groups(rules, claims, policy, ret_identity);
    return true;
}

/* The account with exactly this name. Names are compared later, and another spelling would count as another user. */
static enum account_answer look_up_exactly(const char *name, struct account_entry *ret_account, int *ret_error)
{
    const enum account_answer answer = account_lookup_user(name, ret_account, ret_error);

    return answer == ACCOUNT_FOUND && strcmp(ret_account->name, name) != 0 ? ACCOUNT_ABSENT : answer;
}

static bool reject_look_up(struct verdict *verdict, const char *user, int error)
{
    return error == ENOMEM ? verdict_reject(verdict, REASON_OUT_OF_MEMORY, "user %s", user)
                           : verdict_reject(verdict, REASON_SYSTEM_ERROR, "NSS cannot look up user %s now: %s", user,
                                            text_of_errno(error));
}

bool identity_account_block(struct verdict *verdict, const struct identity_rules *rules, const char *user,
                            const struct user_block **ret_block)
{
    struct account_entry account;
    int error;

    *ret_block = identity_user_block(rules, user);
    if (*ret_block != NULL)
        return true;
    switch (account_lookup_user(user, &account, &error)) {
    case ACCOUNT_FOUND:
        *ret_block = identity_user_block(rules, account.name);
        return true;
    case ACCOUNT_ABSENT:
        return true;
    default:
        return reject_look_up(verdict, user, error);
    }
}

bool identity_may_be_root(struct slice name)
{
    char text[USER_MAX + 1];
    struct account_entry account;

    if (slice_equal_nocase(name, "root"))
        return true;
    snprintf(text, sizeof text, "%.*s", SLICE_ARG(name));
    switch (account_lookup_user(text, &account, NULL)) {
    case ACCOUNT_FOUND:
        return account.uid == 0;
    case ACCOUNT_ABSENT:
        return false;
    default:
        return true;
    }
}

bool identity_check_account(struct verdict *verdict, const struct identity *identity)
{
    struct account_entry account;
    int error;
    const enum account_answer answer = look_up_exactly(identity->user, &account, &error);

    if (answer == ACCOUNT_CANNOT_TELL)
        return reject_look_up(verdict, identity->user, error);
    if (answer == ACCOUNT_ABSENT)
        return verdict_reject(verdict, REASON_USER_UNKNOWN, "%s", identity->user);
    if (account.uid == 0 && !identity->user_is_explicit)
        return verdict_reject(verdict, REASON_USER_FORBIDDEN, "%s has uid 0", identity->user);
    return true;
}
