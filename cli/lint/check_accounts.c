#include "cli/lint/check_accounts.h"

#include "base/cleanup.h"
#include "cli/lint/accounts.h"
#include "cli/lint/name_list.h"

static void tell_expired(const struct lint *lint, const struct account *account)
{
    FOUND(lint, SEVERITY_NOTE, BLOCK_USER, account->name, NULL,
          "user \"%s\": the account has expired on %s (shadow(5)): every login is refused", account->name,
          accounts_date(account->expires_on));
}

static void tell_locked(const struct lint *lint, const struct account *account)
{
    FOUND(lint, SEVERITY_NOTE, BLOCK_USER, account->name, NULL,
          "user \"%s\": the local password is locked (usermod -L), which does not stop tokens; usermod -e 1 does",
          account->name);
}

void check_accounts(const struct lint *lint)
{
    CLEANUP(accounts_clear) struct accounts accounts = { .count = 0 };
    struct name_list expired = { .count = 0 }, locked = { .count = 0 };
    size_t i;

    if (!accounts_read(lint->config, &accounts))
        lint->findings->is_incomplete = true;
    for (i = 0; i < accounts.count; i++) {
        const struct account *account = &accounts.items[i];

        if (account->is_expired && account->has_block)
            tell_expired(lint, account);
        else if (account->is_expired)
            name_list_add(&expired, account->name);
        else if (account->is_locked && account->has_block)
            tell_locked(lint, account);
        else if (account->is_locked)
            name_list_add(&locked, account->name);
    }
    if (expired.count > 0)
        findings_add(
            lint->findings, SEVERITY_NOTE, lint->config->path, 0,
            "accounts that a map can give and that have expired (shadow(5)), so that every login is refused: %s",
            expired.text);
    if (locked.count > 0)
        findings_add(
            lint->findings, SEVERITY_NOTE, lint->config->path, 0,
            "accounts that a map can give and whose local password is locked (usermod -L), which does not stop "
            "tokens; usermod -e 1 does: %s",
            locked.text);
}
