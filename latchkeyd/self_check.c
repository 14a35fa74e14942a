#include "latchkeyd/self_check.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/account_lookup.h"
#include "base/cleanup.h"
#include "config/snapshot.h"
#include "tenant/tenant.h"
#include "latchkeyd/peers.h"

static int faults;

__attribute__((format(printf, 1, 2))) static void report(const char *format, ...)
{
    va_list arguments;

    faults++;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

static const char *not_found_text(enum account_answer answer)
{
    return answer == ACCOUNT_CANNOT_TELL ? "cannot be looked up now: NSS fails" : "does not exist on this host";
}

static void report_unknown_name(const char *name, enum account_answer answer)
{
    report("latchkeyd: allow: %s %s", name, not_found_text(answer));
}

/* Whether the user may create a file there, by the mode bits alone. */
static bool may_write(const struct account_entry *user, const char *directory)
{
    struct stat status;

    if (stat(directory, &status) != 0 || !S_ISDIR(status.st_mode))
        return false;
    return (status.st_uid == user->uid && (status.st_mode & S_IWUSR) != 0)
        || (status.st_gid == user->gid && (status.st_mode & S_IWGRP) != 0) || (status.st_mode & S_IWOTH) != 0;
}

/* A secret that only root may read serves the modules, and not latchkeyd. */
static void check_secret(const struct tenant *tenant, const struct account_entry *user)
{
    struct stat status;

    if (tenant->secret_path != NULL && stat(tenant->secret_path, &status) == 0
        && (status.st_uid != user->uid || (status.st_mode & S_IRUSR) == 0))
        report(
            "tenant \"%s\": hmac_secret_file: %s user %s cannot read it, so latchkeyd verifies no token of the tenant",
            tenant->id, tenant->secret_path, user->name);
}

static void check_tenant(const struct tenant *tenant, const struct account_entry *user)
{
    CLEANUP(tenant_request_clear) struct tenant_request request = { .ca = { NULL, 0 } };
    struct verdict verdict = VERDICT_INIT;
    char directory[4096];

    if (user != NULL)
        check_secret(tenant, user);
    if (tenant->url == NULL && tenant->discovery == NULL)
        return; /* latchkeyd sends no request to it */
    if (!tenant_request_begin(&verdict, tenant, 1000, &request, "https://localhost/"))
        report("tenant \"%s\": ca_file: %s", tenant->id, verdict.evidence);
    if (user == NULL || !config_publishes_keys(tenant))
        return;
    snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(tenant->keys_path, '/') + 1 - tenant->keys_path),
             tenant->keys_path);
    if (!may_write(user, directory))
        report("tenant \"%s\": keys: user %s cannot write to %s, so the key set is never refreshed", tenant->id,
               user->name, directory);
}

static void check_group(const struct config *config)
{
    const char *name = config->latchkeyd.saslauthd_group;
    struct account_entry group;
    const enum account_answer answer = name != NULL ? account_lookup_group(name, &group, NULL) : ACCOUNT_FOUND;

    if (answer != ACCOUNT_FOUND)
        report("latchkeyd: saslauthd_group: %s %s", name, not_found_text(answer));
}

static void check_user(const struct config *config, const struct account_entry *user, enum account_answer answer)
{
    if (answer != ACCOUNT_FOUND)
        report("latchkeyd: user: %s %s", config->latchkeyd.user, not_found_text(answer));
    else if (user->uid == 0)
        report("latchkeyd: user: %s is root; latchkeyd must not run as root", config->latchkeyd.user);
}

int self_check(const char *config_path)
{
    CLEANUP(config_release) const struct config *config = NULL;
    CLEANUP(peers_free) struct peers *peers = peers_new();
    struct verdict verdict = VERDICT_INIT;
    struct account_entry user;
    enum account_answer answer;
    size_t i;

    if (!config_acquire(&verdict, config_path, &config)) {
        report("%s", verdict.evidence);
        return 2;
    }
    answer = account_lookup_user(config->latchkeyd.user, &user, NULL);
    check_user(config, &user, answer);
    check_group(config);
    for (i = 0; i < config->tenant_count; i++)
        check_tenant(&config->tenants[i], answer == ACCOUNT_FOUND ? &user : NULL);
    if (peers == NULL || !peers_configure(peers, &config->latchkeyd, report_unknown_name))
        report("out of memory");
    if (faults == 0)
        printf("latchkeyd finds no fault in %s\n", config->path);
    return faults == 0 ? 0 : 2;
}
