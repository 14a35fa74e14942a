#include "cli/lint/accounts.h"

#include <shadow.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/account_lookup.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "base/secret.h"
#include "cli/lint/map_names.h"
#include "cli/lint/pam_stack.h"

#define SHELLS      "/etc/shells"
#define DAY_SECONDS 86400
#define DAYS_LARGE  1000000 /* a larger number in shadow(5) means never, and its sums could overflow */

int64_t accounts_today(void)
{
    return time(NULL) / DAY_SECONDS;
}

const char *accounts_date(int64_t day)
{
    static char text[sizeof "2026-11-30" + 20];
    time_t seconds = (time_t)(day * DAY_SECONDS);
    struct tm date;

    if (day > DAYS_LARGE || gmtime_r(&seconds, &date) == NULL || strftime(text, sizeof text, "%Y-%m-%d", &date) == 0)
        return "?";
    return text;
}

bool account_has_login_shell(const struct passwd *account)
{
    static const char *const closed[] = { "nologin", "false", "sync", "halt", "shutdown" };
    size_t i;

    for (i = 0; i < sizeof closed / sizeof closed[0]; i++)
        if (strcmp(path_name(account->pw_shell), closed[i]) == 0)
            return false;
    return true;
}

/* As pam_shells of Linux-PAM 1.5.2: a whole line of a regular file that is not world-writable. An empty shell is
 * /bin/sh. */
static bool is_listed_shell(const char *shell)
{
    CLEANUP(secret_clear) struct secret content = { NULL, 0 };
    struct stat status;
    struct slice rest, line;

    if (!pam_file_read(SHELLS, &content, &status) || (status.st_mode & S_IWOTH) != 0)
        return false;
    rest = (struct slice){ content.bytes, content.len };
    while (slice_next_line(&rest, &line))
        if (slice_equal_string(line, shell[0] != '\0' ? shell : "/bin/sh"))
            return true;
    return false;
}

/* As check_shadow_expiry() of pam_unix, Linux-PAM 1.5.2. -1 is an empty field, which sets no limit. */
static enum password_age age_of(const struct spwd *shadow, int64_t today)
{
    const int64_t days = today - shadow->sp_lstchg;

    if (shadow->sp_lstchg == 0)
        return AGE_CHANGE;
    if (days < 0 || shadow->sp_max == -1 || days <= shadow->sp_max)
        return AGE_GOOD;
    return shadow->sp_inact != -1 && days > shadow->sp_inact && days - shadow->sp_inact > shadow->sp_max ? AGE_EXPIRED
                                                                                                         : AGE_CHANGE;
}

static int64_t day_of_change(const struct spwd *shadow)
{
    if (shadow->sp_lstchg == 0)
        return 0;
    return shadow->sp_max == -1 || shadow->sp_max > DAYS_LARGE ? DAY_NEVER : shadow->sp_lstchg + shadow->sp_max + 1;
}

/* A hash of crypt(5): "$method$…", "_…" of BSDi, or the 13 letters of DES. */
static bool is_hash(const char *text)
{
    static const char letters[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    return text[0] == '$' || text[0] == '_' || (strlen(text) == 13 && strspn(text, letters) == 13);
}

/* Accounts that never had a password have "!", "*" or "!!" without a hash. */
static bool is_locked(const char *password)
{
    return password[0] == '!' && is_hash(password + 1);
}

static void read_shadow(struct account *account)
{
    const struct spwd *shadow = getspnam(account->name);
    const int64_t today = accounts_today();

    account->ages_on = account->expires_on = DAY_NEVER;
    if (shadow == NULL)
        return;
    account->age = age_of(shadow, today);
    account->ages_on = day_of_change(shadow);
    account->is_locked = shadow->sp_pwdp != NULL && is_locked(shadow->sp_pwdp);
    if (shadow->sp_expire == -1)
        return;
    account->expires_on = shadow->sp_expire;
    account->is_expired = today >= shadow->sp_expire;
}

static bool add(struct accounts *accounts, const struct passwd *found, bool has_block)
{
    struct account *larger = reallocarray(accounts->items, accounts->count + 1, sizeof *larger), *account;

    if (larger == NULL)
        return false;
    accounts->items = larger;
    account = &larger[accounts->count];
    *account = (struct account){
        .name = strdup(found->pw_name),
        .has_block = has_block,
        .has_listed_shell = is_listed_shell(found->pw_shell),
    };
    if (account->name == NULL)
        return false;
    accounts->count++;
    read_shadow(account);
    return true;
}

/* False also when NSS cannot tell now whether the account exists: the list would be incomplete. */
static bool add_block(struct accounts *accounts, const char *name)
{
    struct account_entry entry;
    const enum account_answer answer = account_lookup_user(name, &entry, NULL);
    const struct passwd *found = answer == ACCOUNT_FOUND ? getpwnam(name) : NULL;

    return answer == ACCOUNT_ABSENT || (found != NULL && add(accounts, found, true));
}

static bool any_map_gives(const struct pattern *names, size_t count, const char *name)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (map_names_have(&names[i], name))
            return true;
    return false;
}

static bool add_mapped(struct accounts *accounts, const struct identity_rules *rules, const struct pattern *names,
                       size_t count)
{
    const struct passwd *found;
    bool ok = true;

    setpwent();
    while (ok && (found = getpwent()) != NULL)
        if (found->pw_uid != 0 && account_has_login_shell(found) && identity_user_block(rules, found->pw_name) == NULL
            && any_map_gives(names, count, found->pw_name))
            ok = add(accounts, found, false);
    endpwent();
    return ok;
}

bool accounts_read(const struct config *config, struct accounts *ret_accounts)
{
    const struct identity_rules *rules = &config->identity;
    struct pattern *names = calloc(rules->map_count + 1, sizeof *names);
    size_t count = 0, i;
    bool ok = names != NULL;

    *ret_accounts = (struct accounts){ .count = 0 };
    for (i = 0; ok && i < rules->user_count; i++) {
        ok = add_block(ret_accounts, rules->users[i].name);
    }
    for (i = 0; ok && i < rules->map_count; i++)
        if (map_names_compile(&rules->maps[i], &names[count]))
            count++;
    if (ok && count > 0)
        ok = add_mapped(ret_accounts, rules, names, count);
    for (i = 0; i < count; i++)
        pattern_free(&names[i]);
    free(names);
    return ok;
}

void accounts_clear(struct accounts *accounts)
{
    size_t i;

    for (i = 0; i < accounts->count; i++)
        free(accounts->items[i].name);
    free(accounts->items);
    *accounts = (struct accounts){ .count = 0 };
}
