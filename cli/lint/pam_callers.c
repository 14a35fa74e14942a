#include "cli/lint/pam_callers.h"

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

enum account_answer pam_caller_reads_shadow(const struct pam_caller *caller)
{
    return account_lookup_member(caller->user, "shadow", NULL);
}

enum account_answer pam_caller_may_ask(const struct pam_caller *caller, const struct latchkeyd_options *latchkeyd)
{
    enum account_answer answer = ACCOUNT_ABSENT, member;
    size_t i;

    if (strcmp(latchkeyd->user, caller->user) == 0)
        return ACCOUNT_FOUND;
    for (i = 0; i < latchkeyd->allow.count; i++) {
        const char *name = latchkeyd->allow.items[i];

        if (name[0] == '@')
            member = account_lookup_member(caller->user, name + 1, NULL);
        else
            member = strcmp(name, caller->user) == 0 ? ACCOUNT_FOUND : ACCOUNT_ABSENT;
        if (member == ACCOUNT_FOUND)
            return ACCOUNT_FOUND;
        if (member == ACCOUNT_CANNOT_TELL)
            answer = ACCOUNT_CANNOT_TELL;
    }
    return answer;
}
