#include "cli/lint/pam_callers.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

static const struct pam_caller callers[] = {
    { "postgresql", "PostgreSQL", "postgres" }, /* pg_hba.conf: pamservice */
    { "pgbouncer", "PgBouncer", "postgres" },
    { "apache2", "Apache", "www-data" },
    { "httpd", "Apache", "www-data" },
    { "nginx", "nginx", "www-data" },
    { "squid", "Squid", "proxy" },
    { "exim", "Exim", "Debian-exim" },
    { "prosody", "Prosody", "prosody" },
    { "radiusd", "FreeRADIUS", "freerad" },
};

const struct pam_caller *pam_caller_find(const char *service)
{
    size_t i;

    for (i = 0; i < sizeof callers / sizeof callers[0]; i++)
        if (strcmp(callers[i].service, service) == 0)
            return &callers[i];
    return NULL;
}

static bool user_is_in_group(const char *user, const char *group)
{
    const struct group *entry = getgrnam(group);
    const struct passwd *account;
    gid_t gid;
    size_t i;

    if (entry == NULL)
        return false;
    for (i = 0; entry->gr_mem[i] != NULL; i++)
        if (strcmp(entry->gr_mem[i], user) == 0)
            return true;
    gid = entry->gr_gid;
    account = getpwnam(user);
    return account != NULL && account->pw_gid == gid;
}

bool pam_caller_reads_shadow(const struct pam_caller *caller)
{
    return user_is_in_group(caller->user, "shadow");
}

bool pam_caller_may_ask(const struct pam_caller *caller, const struct latchkeyd_options *latchkeyd)
{
    size_t i;

    for (i = 0; i < latchkeyd->allow.count; i++) {
        const char *name = latchkeyd->allow.items[i];

        if (name[0] == '@' ? user_is_in_group(caller->user, name + 1) : strcmp(name, caller->user) == 0)
            return true;
    }
    return strcmp(latchkeyd->user, caller->user) == 0;
}
