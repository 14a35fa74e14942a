/*
 * The configuration with everything it names: key sets, secrets, the revocation list. latchkey.conf(5) is its manual.
 *
 * A configuration is an immutable snapshot. The process keeps the last snapshot of each path and every login looks
 * whether a file changed (device, inode, size, mtime and ctime with nanoseconds), so a rotated key or a revocation
 * holds from the next login on, without a restart.
 */
#ifndef LATCHKEY_CONFIG_H
#define LATCHKEY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "algorithm.h"
#include "claims.h"
#include "identity.h"
#include "jwks.h"
#include "revocation.h"
#include "verdict.h"

#define CONFIG_MAX_LEN            (1U << 20) /* bytes */
#define CONFIG_PATH_DEFAULT       LATCHKEY_SYSCONFDIR "/latchkey/latchkey.conf"
#define CONFIG_REVOCATION_DEFAULT LATCHKEY_SYSCONFDIR "/latchkey/revoked"
#define CONFIG_KEYS_DIRECTORY     LATCHKEY_LOCALSTATEDIR "/lib/latchkey"
#define CONFIG_TENANTS_MAX        64

enum credential_set { CREDENTIALS_JWT = 1, CREDENTIALS_API_KEY = 2 };

struct tenant {
    char *id;
    char *url;                       /* NULL: no API keys */
    char *discovery;                 /* NULL when neither it nor url is set */
    char *keys_path;                 /* NULL with a secret */
    char *secret_path;               /* NULL with public keys */
    char *type;                      /* the one `typ` that is accepted (case-insensitive); NULL: the usual ones */
    bool algorithms[ALGORITHM_ROWS]; /* by algorithm_row() */
    struct claims_policy claims;
    /* The keys, or NULL: then keys_failure says why. A tenant without keys refuses its own tokens, nobody else's. */
    struct jwks *jwks;
    struct verdict keys_failure;
};

struct service_rules {
    char *name;                       /* "sshd", or "*" */
    unsigned credentials;             /* of enum credential_set */
    struct string_list require_group; /* one of them; empty: none required */
    int64_t max_age;                  /* s; 0: no limit */
};

struct config {
    char *path;
    struct tenant *tenants;
    size_t tenant_count;
    struct identity_rules identity;
    struct service_rules *services; /* what a block leaves out is already filled in from "*" */
    size_t service_count;
    struct service_rules default_service; /* "*", or the built-in: JWTs, no further rule */
    char *revocation_path;
    bool revocation_is_required;       /* the option is set: a missing file is an error then */
    struct revocation *revocation;     /* NULL: empty, or revocation_failure says why it cannot be used */
    struct verdict revocation_failure; /* REASON_UNDECIDED: none */
};

/*
 * The snapshot of a path (NULL: CONFIG_PATH_DEFAULT), read or re-read when needed. Thread-safe.
 * False with CONFIG_INVALID ("FILE:LINE: what is wrong"), OUT_OF_MEMORY or SYSTEM_ERROR. A snapshot may still hold a
 * tenant without keys or a revocation list that cannot be used: see the failures in it.
 * End with config_release(), which accepts NULL and a pointer to NULL; the snapshot lives while anybody holds it.
 */
bool config_acquire(struct verdict *verdict, const char *path, const struct config **ret_config);
void config_release(const struct config **config);

/* The rules of a service: of its own block, else the default. Lent; never NULL. */
const struct service_rules *config_service(const struct config *config, const char *service);

/* What config_acquire() may refuse, for the manual's test: every block and option, "tenant.leeway"; NULL ends it. */
const char *const *config_option_names(void);

#endif
