/*
 * latchkey check: mistakes in the configuration and in what it names. The exit statuses and the JSON member names are
 * an interface.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/account_lookup.h"
#include "base/cleanup.h"
#include "base/trusted_file.h"
#include "token/jwks.h"
#include "config/snapshot.h"
#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/lint/accounts.h"
#include "cli/lint/check.h"
#include "cli/lint/map_names.h"

#define PAM_DIRECTORY_DEFAULT "/etc/pam.d"
#define LEEWAY_LARGE          60         /* s: more than clocks drift that are kept at all */
#define SYSTEM_UID_MAX        999        /* login.defs(5), SYS_UID_MAX */
#define CA_FILE_MAX           (1U << 20) /* bytes */

/* Whether the file belongs to this user. NSS may be unable to tell now: that is neither a fault of the file nor a clean
 * result. */
static bool is_owned_by(struct findings *findings, const char *path, uid_t uid, const char *user)
{
    struct account_entry account;

    if (user == NULL)
        return false;
    switch (account_lookup_user(user, &account, NULL)) {
    case ACCOUNT_FOUND:
        return account.uid == uid;
    case ACCOUNT_ABSENT:
        return false;
    default:
        findings->is_incomplete = true;
        findings_add(findings, SEVERITY_WARNING, path, 0,
                     "is owned by uid %ju, and the system cannot tell now whether that is user \"%s\"", (uintmax_t)uid,
                     user);
        return true;
    }
}

void check_owner_and_mode(struct findings *findings, const char *path, const struct stat *status, const char *also_by)
{
    unsigned mode = status->st_mode & 07777;

    if (status->st_uid != 0 && status->st_uid != geteuid() && !is_owned_by(findings, path, status->st_uid, also_by))
        findings_add(findings, SEVERITY_ERROR, path, 0, "is owned by uid %ju, neither by root nor by the running user",
                     (uintmax_t)status->st_uid);
    /* In a directory with the sticky bit only its owner can replace what others put there. */
    if ((mode & (S_IWGRP | S_IWOTH)) != 0 && !(S_ISDIR(status->st_mode) && (mode & S_ISVTX) != 0))
        findings_add(findings, SEVERITY_ERROR, path, 0, "is writable by group or others (mode %04o)", mode);
}

static void check_each_directory(struct findings *findings, const char *path, const char *also_by)
{
    char directory[PATH_MAX];
    struct stat status;
    size_t i;

    for (i = 0; path[i] != '\0' && i < sizeof directory - 1; i++) {
        directory[i] = path[i];
        directory[i + 1] = '\0';
        if (path[i] != '/')
            continue;
        if (i > 0)
            directory[i] = '\0';
        if (stat(directory, &status) == 0)
            check_owner_and_mode(findings, directory, &status, also_by);
        directory[i] = '/';
    }
}

/* As it is written, and as it is without symbolic links: both must hold. */
void check_directories_above(struct findings *findings, const char *path, const char *also_by)
{
    const char *slash = strrchr(path, '/');
    char directory[PATH_MAX], real[PATH_MAX + 1];
    int len = slash != NULL ? snprintf(directory, sizeof directory, "%.*s", (int)(slash - path) + 1, path)
                            : snprintf(directory, sizeof directory, "./");
    size_t real_len;

    if (path[0] == '/')
        check_each_directory(findings, path, also_by);
    if (len < 0 || (size_t)len >= sizeof directory || realpath(directory, real) == NULL)
        return;
    real_len = strlen(real);
    real[real_len] = '/';
    real[real_len + 1] = '\0';
    check_each_directory(findings, real, also_by);
}

static void check_waived(const struct lint *lint, const struct tenant *tenant)
{
    if (tenant->claims.issuer == NULL)
        FOUND(lint, SEVERITY_WARNING, BLOCK_TENANT, tenant->id, "issuer",
              "tenant \"%s\": the issuer is not checked; only tenant_claim binds a token to the tenant", tenant->id);
    if (tenant->claims.audiences.count == 0)
        FOUND(lint, SEVERITY_WARNING, BLOCK_TENANT, tenant->id, "audience",
              "tenant \"%s\": the audience is not checked: a token for any application of the tenant is accepted",
              tenant->id);
    if (tenant->claims.leeway > LEEWAY_LARGE)
        FOUND(lint, SEVERITY_WARNING, BLOCK_TENANT, tenant->id, "leeway",
              "tenant \"%s\": leeway = %jd: an expired token is accepted for that many seconds more", tenant->id,
              (intmax_t)tenant->claims.leeway);
}

/* A key is asked for as a token would ask for it. NULL: none fits, or several do. */
static enum reason find_key(const struct tenant *tenant, const struct algorithm *algorithm, size_t index,
                            const struct jwk **ret_key)
{
    struct verdict verdict = VERDICT_INIT;
    const struct jwt_header header = {
        .alg = slice_of(algorithm->name),
        .kid = jwks_kid(tenant->jwks, index),
        .has_kid = jwks_kid(tenant->jwks, index).len > 0,
    };

    return jwks_find(&verdict, tenant->jwks, algorithm, &header, ret_key) ? REASON_OK : verdict.reason;
}

static void check_secret(const struct lint *lint, const struct tenant *tenant)
{
    const struct jwk *key = NULL;
    size_t row;

    for (row = 0; row < ALGORITHM_ROWS; row++) {
        const struct algorithm *algorithm = algorithm_at(row);

        if (!tenant->algorithms[row] || algorithm->scheme != SCHEME_HMAC)
            continue;
        if (find_key(tenant, algorithm, 0, &key) == REASON_OK && jwk_secret(key).len >= algorithm->digest_len)
            continue;
        findings_add(lint->findings, SEVERITY_ERROR, tenant->secret_path, 0,
                     "tenant \"%s\": the secret is too short for %s, which wants %zu bytes (RFC 7518 section 3.2)",
                     tenant->id, algorithm->name, algorithm->digest_len);
    }
}

/* Also true when several fit, which only tokens without a kid mind. */
static bool any_key_fits(const struct tenant *tenant)
{
    const struct jwk *key = NULL;
    size_t row, i;

    for (row = 0; row < ALGORITHM_ROWS; row++)
        for (i = 0; tenant->algorithms[row] && i < jwks_count(tenant->jwks); i++) {
            enum reason reason = find_key(tenant, algorithm_at(row), i, &key);

            if (reason == REASON_OK || reason == REASON_KEY_AMBIGUOUS)
                return true;
        }
    return false;
}

static void check_kids(const struct lint *lint, const struct tenant *tenant, size_t index)
{
    struct slice kid = jwks_kid(tenant->jwks, index);
    size_t i;

    for (i = 0; kid.len > 0 && i < index; i++)
        if (slice_equal(jwks_kid(tenant->jwks, i), kid)) {
            findings_add(lint->findings, SEVERITY_WARNING, tenant->keys_path, 0, "keys[%zu]: kid \"%.*s\" stands twice",
                         index, SLICE_ARG(kid));
            return;
        }
}

static void check_key_set(const struct lint *lint, const struct tenant *tenant)
{
    size_t i;

    for (i = 0; i < jwks_count(tenant->jwks); i++) {
        struct slice kid = jwks_kid(tenant->jwks, i);

        if (jwks_note(tenant->jwks, i) != NULL)
            findings_add(lint->findings, SEVERITY_WARNING, tenant->keys_path, 0,
                         "keys[%zu] (kid \"%.*s\", %s) is never used: %s", i, SLICE_ARG(kid),
                         jwks_type(tenant->jwks, i), jwks_note(tenant->jwks, i));
        check_kids(lint, tenant, i);
    }
    if (!any_key_fits(tenant))
        findings_add(lint->findings, SEVERITY_ERROR, tenant->keys_path, 0,
                     "tenant \"%s\": no key fits any of the algorithms that the tenant allows", tenant->id);
}

/* Whose certificates the tenant service may show: for API keys and for new key sets. */
static void check_authorities(const struct lint *lint, const struct tenant *tenant)
{
    static const char certificate[] = "-----BEGIN CERTIFICATE-----";
    CLEANUP(secret_clear) struct secret content = { NULL, 0 };
    struct file_error error;
    struct file_stamp stamp;

    if (tenant->ca_file == NULL)
        return;
    check_directories_above(lint->findings, tenant->ca_file, NULL);
    if (!trusted_file_read(tenant->ca_file, TRUSTED_PUBLIC, NULL, CA_FILE_MAX, &content, &stamp, &error))
        findings_add(lint->findings, SEVERITY_ERROR, tenant->ca_file, 0,
                     "tenant \"%s\": the tenant service cannot be asked: %s", tenant->id, error.text);
    else if (memmem(content.bytes, content.len, certificate, sizeof certificate - 1) == NULL)
        findings_add(lint->findings, SEVERITY_ERROR, tenant->ca_file, 0,
                     "tenant \"%s\": the tenant service cannot be asked: there is no certificate in PEM", tenant->id);
}

static void check_tenant(const struct lint *lint, const struct tenant *tenant)
{
    const char *file = tenant->secret_path != NULL ? tenant->secret_path : tenant->keys_path;
    struct verdict verdict = VERDICT_INIT;

    check_waived(lint, tenant);
    check_authorities(lint, tenant);
    check_directories_above(lint->findings, file, lint->config->latchkeyd.user); /* it refreshes the key set */
    if (tenant->keys_max_age != 0 && tenant->keys_max_age < 2 * lint->config->latchkeyd.refresh)
        FOUND(lint, SEVERITY_WARNING, BLOCK_TENANT, tenant->id, "keys_max_age",
              "tenant \"%s\": keys_max_age %" PRId64 " is less than two looks of latchkeyd (refresh %" PRId64
              "): one that fails refuses every token",
              tenant->id, tenant->keys_max_age, lint->config->latchkeyd.refresh);
    if (!config_check_keys(&verdict, tenant, time(NULL)))
        FOUND(lint, SEVERITY_ERROR, BLOCK_TENANT, tenant->id, tenant->secret_path != NULL ? "hmac_secret_file" : "keys",
              "tenant \"%s\": %s: %s", tenant->id, reason_sentence(verdict.reason), verdict.evidence);
    else if (tenant->secret_path != NULL)
        check_secret(lint, tenant);
    else
        check_key_set(lint, tenant);
}

static void check_tenants(const struct lint *lint)
{
    size_t i;

    for (i = 0; i < lint->config->tenant_count; i++)
        check_tenant(lint, &lint->config->tenants[i]);
}

static void check_revocation_list(const struct lint *lint)
{
    const struct config *config = lint->config;

    check_directories_above(lint->findings, config->revocation_path, NULL);
    if (config->revocation_failure.reason != REASON_UNDECIDED)
        findings_add(lint->findings, SEVERITY_ERROR, config->revocation_path, 0, "%s, so every login is refused: %s",
                     reason_sentence(config->revocation_failure.reason), config->revocation_failure.evidence);
}

/* Which account a map gave to a revoked subject is not known without its token, so that other logins of the account are
 * not refused. */
static void check_revoked_and_mapped(const struct lint *lint)
{
    const struct config *config = lint->config;
    struct slice first = { NULL, 0 };
    bool has_others = false;
    size_t i;

    for (i = 0; config->identity.map_count > 0 && i < revocation_subject_count(config->revocation); i++) {
        struct slice subject = revocation_subject(config->revocation, i);

        if (text_index_find(&config->identity.subjects, subject) != NULL)
            continue;
        if (first.bytes == NULL)
            first = subject;
        else if (!slice_equal(subject, first))
            has_others = true;
    }
    if (first.bytes != NULL)
        findings_add(
            lint->findings, SEVERITY_WARNING, config->revocation_path, 0,
            "sub \"%.*s\"%s no user block: its tokens are refused, but an account that a map gave to it stays "
            "open to public keys and local passwords; expire the account (usermod -e 1) or give it a user block",
            SLICE_ARG(first), has_others ? " and others of the list stand in" : " stands in");
}

static const char *other_block(const struct identity_rules *rules, size_t index, struct slice subject)
{
    size_t i;

    for (i = index + 1; i < rules->user_count; i++)
        if (string_list_has(&rules->users[i].subjects, subject))
            return rules->users[i].name;
    return NULL;
}

/* A subject that the revocation list names still looks, in its block, as if it opened the account. */
static void check_revoked_subjects(const struct lint *lint, const struct user_block *block, bool is_root)
{
    size_t i, revoked = 0;

    for (i = 0; i < block->subjects.count; i++) {
        struct verdict verdict = VERDICT_INIT;

        if (revocation_check_subject(&verdict, lint->config->revocation, slice_of(block->subjects.items[i])))
            continue;
        revoked++;
        FOUND(lint, is_root ? SEVERITY_WARNING : SEVERITY_NOTE, BLOCK_USER, block->name, NULL,
              "user \"%s\"%s: sub \"%s\" is revoked and still stands in the block", block->name,
              is_root ? " (uid 0)" : "", block->subjects.items[i]);
    }
    if (revoked > 0 && revoked == block->subjects.count)
        FOUND(lint, SEVERITY_NOTE, BLOCK_USER, block->name, NULL,
              "user \"%s\": every sub is revoked: the account is closed", block->name);
}

/* A user or a group that NSS does not have, or cannot tell now. */
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
        FOUND(lint, SEVERITY_WARNING, BLOCK_USER, block->name, "sub", "user \"%s\": sub is empty: no token opens it",
              block->name);
    for (i = 0; i < block->subjects.count; i++) {
        const char *other = other_block(rules, index, slice_of(block->subjects.items[i]));

        if (other != NULL)
            FOUND(lint, SEVERITY_NOTE, BLOCK_USER, block->name, NULL,
                  "sub \"%s\" opens both \"%s\" and \"%s\": the login must name the user", block->subjects.items[i],
                  block->name, other);
    }
}

static void check_users(const struct lint *lint)
{
    const struct identity_rules *rules = &lint->config->identity;
    size_t i;

    for (i = 0; i < rules->user_count; i++)
        check_user(lint, rules, i);
    if (rules->user_count == 0 && rules->map_count == 0)
        findings_add(lint->findings, SEVERITY_WARNING, lint->config->path, 0,
                     "there is no user and no map: no token opens any account");
}

/* Whoever can choose the claim's value, an e-mail address, chooses the name. */
static void check_reached(const struct lint *lint, const struct map_block *map, const struct pattern *names)
{
    const struct identity_rules *rules = &lint->config->identity;
    const struct passwd *account;
    size_t i;

    for (i = 0; i < rules->user_count; i++)
        if (map_names_have(names, rules->users[i].name))
            FOUND(lint, SEVERITY_NOTE, BLOCK_USER, rules->users[i].name, NULL,
                  "the map of claim \"%s\" can give \"%s\": its user block decides alone, so such a token is refused "
                  "unless the block lists its subject",
                  map->claim, rules->users[i].name);
    setpwent();
    while (errno = 0, (account = getpwent()) != NULL)
        if (account->pw_uid != 0 && account->pw_uid <= SYSTEM_UID_MAX && account_has_login_shell(account)
            && identity_user_block(rules, account->pw_name) == NULL && map_names_have(names, account->pw_name))
            findings_add(lint->findings, SEVERITY_WARNING, lint->config->path, 0,
                         "the map of claim \"%s\" can open the system account \"%s\" (uid %ju), which has a shell; a "
                         "user block with an empty sub closes it",
                         map->claim, account->pw_name, (uintmax_t)account->pw_uid);
    if (errno != 0 && errno != ENOENT)
        findings_add(
            lint->findings, SEVERITY_WARNING, lint->config->path, 0,
            "the accounts of this host cannot all be listed now, so that some may be reached unseen by the map "
            "of claim \"%s\": %s",
            map->claim, strerror(errno));
    endpwent();
}

static void check_maps(const struct lint *lint)
{
    const struct identity_rules *rules = &lint->config->identity;
    size_t i;

    for (i = 0; i < rules->map_count; i++) {
        struct pattern names;

        if (strcmp(rules->maps[i].claim, "email") == 0)
            findings_add(lint->findings, SEVERITY_NOTE, lint->config->path, 0,
                         "the map of claim \"email\": the issuer must vouch that the address is the person's; "
                         "a token with email_verified false is refused");
        if (!map_names_compile(&rules->maps[i], &names))
            continue;
        check_reached(lint, &rules->maps[i], &names);
        pattern_free(&names);
    }
}

static void check_groups(const struct lint *lint)
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
                  "group \"%s\": this version gives sessions no groups; the group only decides who may log in", name);
        if (rules->groups[i].values.count == 0)
            FOUND(lint, SEVERITY_WARNING, BLOCK_GROUP, name, "claim",
                  "group \"%s\": claim is empty: no value maps to the group, so nobody is ever in it", name);
    }
}

static const struct group_block *find_group(const struct identity_rules *rules, const char *name)
{
    size_t i;

    for (i = 0; i < rules->group_count; i++)
        if (strcmp(rules->groups[i].name, name) == 0)
            return &rules->groups[i];
    return NULL;
}

static bool anybody_is_in(const struct identity_rules *rules, const struct string_list *groups)
{
    size_t i;

    for (i = 0; i < groups->count; i++) {
        const struct group_block *group = find_group(rules, groups->items[i]);

        if (group != NULL && group->values.count > 0)
            return true;
    }
    return false;
}

static bool takes_any_realm(const struct service_rules *service)
{
    return string_list_has(&service->realms, slice_of(REALM_ANY));
}

static void check_rules_of_service(const struct lint *lint, const struct service_rules *service)
{
    /* A block that inherits it is covered by what is said about "*". */
    if (takes_any_realm(service)
        && (service == &lint->config->default_service || !takes_any_realm(&lint->config->default_service)))
        FOUND(lint, SEVERITY_NOTE, BLOCK_SERVICE, service->name, "realm",
              "service \"%s\": realm = {\"*\"}: alice in whatever realm is the local user alice; that is right for a "
              "server which adds a realm of its own, and wrong for one which tells alice@one from alice@two",
              service->name);
    if (service->require_group.count > 0 && !anybody_is_in(&lint->config->identity, &service->require_group))
        FOUND(lint, SEVERITY_ERROR, BLOCK_SERVICE, service->name, "require_group",
              "service \"%s\": no value maps to any of the groups that it requires: every login is refused",
              service->name);
}

static void check_services(const struct lint *lint)
{
    size_t i;

    for (i = 0; i < lint->config->service_count; i++)
        check_rules_of_service(lint, &lint->config->services[i]);
    check_rules_of_service(lint, &lint->config->default_service);
}

static void (*const config_checks[])(const struct lint *lint) = {
    check_tenants,  check_revocation_list, check_users,    check_maps,      check_revoked_and_mapped,
    check_accounts, check_groups,          check_services, check_latchkeyd,
};

/* "FILE:LINE: what is wrong", as config.h promises it, in its parts. */
static void add_config_failure(struct findings *findings, const char *path, const struct verdict *verdict)
{
    const char *evidence = verdict->evidence;
    size_t len = strlen(path), line = 0;
    int used = 0;

    if (strncmp(evidence, path, len) == 0 && evidence[len] == ':') {
        evidence += len + 1;
        if (sscanf(evidence, "%9zu:%n", &line, &used) == 1 && used > 0)
            evidence += used;
        else
            line = 0;
        evidence += strspn(evidence, " ");
    }
    findings_add(findings, SEVERITY_ERROR, path, line, "%s",
                 evidence[0] != '\0' ? evidence : reason_sentence(verdict->reason));
}

bool check_configuration(struct findings *findings, const char *path)
{
    CLEANUP(config_release) const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;
    struct lint lint = { .findings = findings };
    size_t i;

    check_directories_above(findings, path, NULL);
    if (!config_acquire(&verdict, path, &config)) {
        add_config_failure(findings, path, &verdict);
        return false;
    }
    lint.config = config;
    for (i = 0; i < sizeof config_checks / sizeof config_checks[0]; i++)
        config_checks[i](&lint);
    return true;
}

struct check_options {
    const char *config;
    const char *pam_directory;
    bool json;
};

static bool parse_options(int argc, char **argv, struct check_options *options)
{
    const struct known_option known[] = {
        { "config", .text = &options->config },
        { "pam-directory", .text = &options->pam_directory },
        { "json", .flag = &options->json },
        { NULL },
    };

    *options = (struct check_options){ .config = CONFIG_PATH_DEFAULT, .pam_directory = PAM_DIRECTORY_DEFAULT };
    return arguments_read("check", argc, argv, known, "wants no arguments");
}

int command_check(int argc, char **argv)
{
    CLEANUP(findings_clear) struct findings findings = { .count = 0 };
    struct check_options options;
    bool is_loaded, is_printed;

    if (!parse_options(argc, argv, &options))
        return STATUS_USAGE;
    is_loaded = check_configuration(&findings, options.config);
    check_pam(&findings, options.pam_directory, options.config);
    is_printed = options.json ? findings_print_json(&findings) : findings_print_text(&findings);
    if (!is_printed || findings.is_incomplete)
        return STATUS_UNAVAILABLE;
    if (!is_loaded)
        return STATUS_USAGE;
    return findings.of_severity[SEVERITY_ERROR] > 0 ? STATUS_REFUSED : STATUS_OK;
}
