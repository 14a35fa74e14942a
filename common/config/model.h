/*
 * The configuration with the key sets, secrets and revocation list that it names, and its look-ups. latchkey.conf(5) is
 * its manual.
 */
#ifndef LATCHKEY_MODEL_H
#define LATCHKEY_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text_index.h"
#include "verdict/verdict.h"
#include "token/algorithm.h"
#include "token/claims.h"
#include "token/jwks.h"
#include "account/identity.h"
#include "account/revocation.h"

#define CONFIG_MAX_LEN            (1U << 20) /* bytes */
#define CONFIG_STRING_MAX         1024       /* bytes of any one string */
#define CONFIG_PATH_DEFAULT       LATCHKEY_SYSCONFDIR "/latchkey/latchkey.conf"
#define CONFIG_REVOCATION_DEFAULT LATCHKEY_SYSCONFDIR "/latchkey/revoked"
#define CONFIG_KEYS_DIRECTORY     LATCHKEY_LOCALSTATEDIR "/lib/latchkey"
#define CONFIG_TENANTS_MAX        64
#define CONFIG_MAPS_MAX           8192
#define CONFIG_SOCKET_DEFAULT     "/run/latchkey/latchkeyd.sock"
#define CONFIG_LATCHKEYD_PROGRAM  LATCHKEY_SBINDIR "/latchkeyd"
#define CONFIG_LATCHKEYD_USER     "latchkey"
#define CONFIG_SOCKETS_MAX        16
#define CONFIG_API_KEY_MAX        1024 /* bytes */

struct config_text;

enum credential_set { CREDENTIALS_JWT = 1, CREDENTIALS_API_KEY = 2 };

struct tenant {
    char *id;
    char *url;                       /* NULL: no API keys */
    char *discovery;                 /* NULL when neither it nor url is set */
    char *keys_path;                 /* NULL with a secret */
    char *secret_path;               /* NULL with public keys */
    char *type;                      /* the only `typ` that is accepted (case-insensitive); NULL: those of a JWT */
    bool algorithms[ALGORITHM_ROWS]; /* by algorithm_row() */
    struct claims_policy claims;
    char *ca_file;            /* certificate authorities for the tenant service; NULL: those of the system */
    char *api_key_characters; /* that an API key may have: printable ASCII without blanks, `"` and `\` */
    int64_t api_key_min;      /* bytes of an API key: 1 … CONFIG_API_KEY_MAX */
    int64_t api_key_max;
    int64_t keys_max_age;    /* s since the key set was confirmed; 0: no limit */
    int64_t keys_confirmed;  /* s since 1970: when the provider was last seen to serve this set, the file's mtime */
    bool keys_are_withdrawn; /* the key set is the empty one, by which the provider withdraws its keys */
    /* NULL: keys_failure says why. Then only the tokens of this tenant are refused. */
    struct jwks *jwks;
    struct verdict keys_failure;
};

#define REALM_ANY "*" /* as an item of `realms`: every realm */

struct service_rules {
    char *name;                       /* "sshd", or "*" */
    unsigned credentials;             /* of enum credential_set */
    struct string_list require_group; /* one of them; empty: none required */
    int64_t max_age;                  /* s; 0: no limit */
    struct string_list realms;        /* that are removed from user@realm; in any case of the letters */
    struct string_list allow_authzid; /* "cyrus": cyrus may act as every user but root; "a:b": a as b */
};

/* How latchkeyd(8) is reached, which processes it serves, and its limits. */
struct latchkeyd_options {
    struct string_list sockets; /* at most CONFIG_SOCKETS_MAX absolute paths: latchkeyd listens on all, a client
                                   uses the first one that accepts a connection */
    struct string_list saslauthd_sockets; /* with the protocol of saslauthd; empty: none */
    unsigned saslauthd_mode;              /* of these sockets: a process that may write to one may try passwords */
    char *saslauthd_group;                /* of these sockets; NULL: root's group */
    char *program;                        /* started for one question when no socket accepts; NULL: never */
    char *user;                           /* latchkeyd runs as this user; it may own key sets and secrets */
    struct string_list allow;             /* the clients: users, and groups behind an @; root and `user` always are */
    int64_t timeout;                      /* s, 1 … 60: connect, TLS and reply of the tenant service together */
    int64_t api_key_cache;                /* s; 0: nothing is cached */
    int64_t peer_rate; /* API keys per second of one uid: exchanges, and logins that are judged there */
    int64_t rate;      /* the same, of all */
    int64_t refresh;   /* s between two fetches of a key set */
};

struct config {
    struct arena arena;       /* of the text; jwks and revocation are not in it */
    struct config_text *text; /* for the lines: syntax.h */
    char *path;
    struct latchkeyd_options latchkeyd;
    struct tenant *tenants;
    size_t tenant_count;
    struct identity_rules identity;
    struct service_rules *services; /* options that a block leaves out have the values of "*" */
    size_t service_count;
    struct text_index service_names;      /* in lower case; the place of an entry is that of the service */
    struct service_rules default_service; /* "*", or the built-in: JWTs, no further rule */
    char *revocation_path;
    bool revocation_is_required;       /* the option is set: a missing file is an error then */
    struct revocation *revocation;     /* NULL: empty, or revocation_failure says why it cannot be used */
    struct verdict revocation_failure; /* REASON_UNDECIDED: none */
};

/* By its id; NULL when it is not configured. Lent. */
const struct tenant *config_tenant(const struct config *config, struct slice id);

/* Whether the tenant has keys that were confirmed within keys_max_age (now: s since 1970). A time of confirmation that
 * lies more than keys_max_age in the future does not count. False with the keys_failure, or JWKS_UNAVAILABLE. */
bool config_check_keys(struct verdict *verdict, const struct tenant *tenant, int64_t now);

/* Whether latchkeyd refreshes the tenant's key set from its discovery document. NULL: no. */
bool config_publishes_keys(const struct tenant *tenant);

/* The tenant whose service exchanges API keys for an account: the only one with a url among the tenants that the block
 * names (all, when it names none). Lent. NULL: none has a url, or several have. */
const struct tenant *config_exchange_tenant(const struct config *config, const struct user_block *block);

/* Whether the credential has the length and the characters of the tenant's API keys. */
bool config_is_api_key(const struct tenant *tenant, struct slice credential);

/* The rules of a service: those of its block (the case of the name is ignored), else the default. Lent; never NULL. */
const struct service_rules *config_service(const struct config *config, const char *service);

#endif
