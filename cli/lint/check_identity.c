#include "cli/lint/check_identity.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/account_lookup.h"
#include "base/pattern.h"
#include "cli/lint/accounts.h"
#include "cli/lint/check_revocation.h"
#include "cli/lint/map_names.h"

#define SYSTEM_UID_MAX 999 /* login.defs(5), SYS_UID_MAX */

static const char *other_block(const struct identity_rules *rules, size_t index, struct slice subject)
{
    size_t i;

    for (i = index + 1; i < rules->user_count; i++)
        if (string_list_has(&rules->users[i].subjects, subject))
            return rules->users[i].name;
    return NULL;
}

/* A user or group is absent, or NSS cannot tell now. */
static void say_not_found(const struct lint *lint, enum block_kind block, const char *name, enum account_answer answer,
                          int error)
{
    const char *kind = block_row(block)->name;

    if (answer == ACCOUNT_CANNOT_TELL)
        FOUND(lint, SEVERITY_WARNING, block, name, NULL, "%s \"%s\" cannot be looked up now: %s", kind, name,
              strerror(error));
    else
        FOUND(lint, SEVERITY_WARNING, block, name, NULL, "%s \"%s\" does not exist on this host", kind, name);
}

static void check_user(const struct lint *lint, const struct identity_rules *rules, size_t index)
{
    const struct user_block *block = &rules->users[index];
    struct account_entry account;
    int error = 0;
    const enum account_answer answer = account_lookup_user(block->name, &account, &error);
    const bool is_root = answer == ACCOUNT_FOUND && account.uid == 0;
    size_t i;

    if (answer != ACCOUNT_FOUND)
        say_not_found(lint, BLOCK_USER, block->name, answer, error);
    if (is_root)
        FOUND(lint, SEVERITY_NOTE, BLOCK_USER, block->name, NULL, "user \"%s\" is uid 0", block->name);
    check_revoked_subjects(lint, block, is_root);
    if (block->subjects.count == 0)
        FOUND(lint, SEVERITY_WARNING, BLOCK_USER, block->name, "sub",
              "user \"%s\": sub is empty: no token maps to the user", block->name);
    for (i = 0; i < block->subjects.count; i++) {
        const char *other = other_block(rules, index, slice_of(block->subjects.items[i]));

        if (other != NULL)
            FOUND(lint, SEVERITY_NOTE, BLOCK_USER, block->name, NULL,
                  "sub \"%s\" maps to both \"%s\" and \"%s\": the login must name the user", block->subjects.items[i],
                  block->name, other);
    }
}

void check_users(const struct lint *lint)
{
    const struct identity_rules *rules = &lint->config->identity;
    size_t i;

    for (i = 0; i < rules->user_count; i++)
        check_user(lint, rules, i);
    if (rules->user_count == 0 && rules->map_count == 0)
        findings_add(lint->findings, SEVERITY_WARNING, lint->config->path, 0,
                     "there is no user block and no map block: no token maps to a user");
}

/* A person who can choose the value of the claim, such as an e-mail address, chooses the name. */
static void check_reached(const struct lint *lint, const struct map_block *map, const struct pattern *names)
{
    const struct identity_rules *rules = &lint->config->identity;
    const struct passwd *account;
    size_t i;

    for (i = 0; i < rules->user_count; i++)
        if (map_names_have(names, rules->users[i].name))
            FOUND(lint, SEVERITY_NOTE, BLOCK_USER, rules->users[i].name, NULL,
                  "the map of claim \"%s\" can give \"%s\": only its user block counts, so such a token is refused "
                  "unless the block lists its subject",
                  map->claim, rules->users[i].name);
    setpwent();
    while (errno = 0, (account = getpwent()) != NULL)
        if (account->pw_uid != 0 && account->pw_uid <= SYSTEM_UID_MAX && account_has_login_shell(account)
            && identity_user_block(rules, account->pw_name) == NULL && map_names_have(names, account->pw_name))
            findings_add(lint->findings, SEVERITY_WARNING, lint->config->path, 0,
                         "the map of claim \"%s\" can give the system account \"%s\" (uid %ju), which has a shell; a "
                         "user block with an empty sub prevents this",
                         map->claim, account->pw_name, (uintmax_t)account->pw_uid);
    if (errno != 0 && errno != ENOENT)
        findings_add(lint->findings, SEVERITY_WARNING, lint->config->path, 0,
                     "the list of accounts is incomplete now, and the map of claim \"%s\" may give accounts that "
                     "are not in it: %s",
                     map->claim, strerror(errno));
    endpwent();
}

void check_maps(const struct lint *lint)
{
    const struct identity_rules *rules = &lint->config->identity;
    size_t i;

    for (i = 0; i < rules->map_count; i++) {
        struct pattern names;

        if (strcmp(rules->maps[i].claim, "email") == 0)
            findings_add(lint->findings, SEVERITY_NOTE, lint->config->path, 0,
                         "the map of claim \"email\": the issuer must verify that the address belongs to the "
                         "person; "
                         "a token with email_verified false is refused");
        if (!map_names_compile(&rules->maps[i], &names))
            continue;
        check_reached(lint, &rules->maps[i], &names);
        pattern_free(&names);
    }
}

void check_groups(const struct lint *lint)
{
    const struct identity_rules *rules = &lint->config->identity;
    size_t i;

    for (i = 0; i < rules->group_count; i++) {
        const char *name = rules->groups[i].name;
        struct account_entry group;
        int error = 0;
        const enum account_answer answer = account_lookup_group(name, &group, &error);

        if (answer != ACCOUNT_FOUND)
            say_not_found(lint, BLOCK_GROUP, name, answer, error);
        if (rules->groups[i].session)
            FOUND(lint, SEVERITY_NOTE, BLOCK_GROUP, name, "session",
                  "group \"%s\": this version does not add groups to sessions; the group only limits logins", name);
        if (rules->groups[i].values.count == 0)
            FOUND(lint, SEVERITY_WARNING, BLOCK_GROUP, name, "claim",
                  "group \"%s\": claim is empty: no value maps to the group, so it has no members", name);
    }
}
