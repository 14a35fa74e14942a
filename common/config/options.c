#include "config/options.h"

#include "config/model.h"

#define MAX_AGE_MAX (10 * 366 * 86400L) /* s */
#define WEEK        (7 * 86400L)        /* s */

/* RFC 3986 §2.3, and what base64 adds to it: no mark that a header or a JSON text would have to escape. */
#define API_KEY_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

#define AT(type, member) .offset = offsetof(struct type, member)
#define DEFAULT(text)    .fallback = (text)
#define RANGE(low, high) .min = (low), .max = (high)
#define OR_EMPTY         .may_be_empty = true

/* clang-format off */
static const struct option_row top_options[] = {
    { "revocation_list",    OPTION_PATH,        AT(config, revocation_path),               DEFAULT(CONFIG_REVOCATION_DEFAULT) },
};

static const struct option_row tenant_options[] = {
    { "url",                OPTION_URL,         AT(tenant, url) },
    { "issuer",             OPTION_STRING,      AT(tenant, claims.issuer),                 OR_EMPTY },
    { "audience",           OPTION_LIST,        AT(tenant, claims.audiences) },
    { "keys",               OPTION_PATH,        AT(tenant, keys_path) },
    { "keys_max_age",       OPTION_NUMBER,      AT(tenant, keys_max_age),                  RANGE(60, MAX_AGE_MAX) },
    { "discovery",          OPTION_URL,         AT(tenant, discovery) },
    { "algorithms",         OPTION_ALGORITHMS,  AT(tenant, algorithms) },
    { "hmac_secret_file",   OPTION_PATH,        AT(tenant, secret_path) },
    { "tenant_claim",       OPTION_STRING,      AT(tenant, claims.tenant_claim),           DEFAULT("https://agglestone.com/tenantId"), OR_EMPTY },
    { "leeway",             OPTION_NUMBER,      AT(tenant, claims.leeway),                 DEFAULT("30"), RANGE(0, CLAIMS_LEEWAY_MAX) },
    { "type",               OPTION_STRING,      AT(tenant, type) },
    { "azp",                OPTION_LIST,        AT(tenant, claims.parties) },
    { "scope",              OPTION_LIST,        AT(tenant, claims.scopes) },
    { "subject_claim",      OPTION_STRING,      AT(tenant, claims.subject_claim),          DEFAULT("sub") },
    { "groups_claim",       OPTION_STRING,      AT(tenant, claims.groups_claim),           DEFAULT("groups") },
    { "ca_file",            OPTION_PATH,        AT(tenant, ca_file) },
    { "api_key_characters", OPTION_STRING,      AT(tenant, api_key_characters),            DEFAULT(API_KEY_CHARACTERS) },
    { "api_key_min",        OPTION_NUMBER,      AT(tenant, api_key_min),                   DEFAULT("16"), RANGE(1, CONFIG_API_KEY_MAX) },
    { "api_key_max",        OPTION_NUMBER,      AT(tenant, api_key_max),                   DEFAULT("512"), RANGE(1, CONFIG_API_KEY_MAX) },
};

static const struct option_row user_options[] = {
    { "tenant",             OPTION_LIST,        AT(user_block, tenants) },
    { "sub",                OPTION_LIST,        AT(user_block, subjects) },
    { "api_key",            OPTION_BOOLEAN,     AT(user_block, api_key) },
};

static const struct option_row map_options[] = {
    { "tenant",             OPTION_LIST,        AT(map_block, tenants) },
    { "claim",              OPTION_STRING,      AT(map_block, claim) },
    { "pattern",            OPTION_STRING,      AT(map_block, pattern) },
};

static const struct option_row group_options[] = {
    { "tenant",             OPTION_LIST,        AT(group_block, tenants) },
    { "claim",              OPTION_LIST,        AT(group_block, values) },
    { "session",            OPTION_BOOLEAN,     AT(group_block, session) },
};

static const struct option_row service_options[] = {
    { "credentials",        OPTION_CREDENTIALS, AT(service_rules, credentials),            DEFAULT("jwt") },
    { "require_group",      OPTION_LIST,        AT(service_rules, require_group) },
    { "max_age",            OPTION_NUMBER,      AT(service_rules, max_age),                RANGE(1, MAX_AGE_MAX) },
    { "realm",              OPTION_LIST,        AT(service_rules, realms) },
    { "allow_authzid",      OPTION_LIST,        AT(service_rules, allow_authzid) },
};

static const struct option_row latchkeyd_options[] = {
    { "socket",             OPTION_SOCKETS,     AT(latchkeyd_options, sockets),            DEFAULT(CONFIG_SOCKET_DEFAULT) },
    { "saslauthd_socket",   OPTION_SOCKETS,     AT(latchkeyd_options, saslauthd_sockets) },
    { "saslauthd_mode",     OPTION_MODE,        AT(latchkeyd_options, saslauthd_mode),     DEFAULT("0660") },
    { "saslauthd_group",    OPTION_STRING,      AT(latchkeyd_options, saslauthd_group) },
    { "program",            OPTION_PATH,        AT(latchkeyd_options, program),            DEFAULT(CONFIG_LATCHKEYD_PROGRAM), OR_EMPTY },
    { "user",               OPTION_STRING,      AT(latchkeyd_options, user),               DEFAULT(CONFIG_LATCHKEYD_USER) },
    { "allow",              OPTION_LIST,        AT(latchkeyd_options, allow) },
    { "timeout",            OPTION_NUMBER,      AT(latchkeyd_options, timeout),            DEFAULT("5"), RANGE(1, 60) },
    { "api_key_cache",      OPTION_NUMBER,      AT(latchkeyd_options, api_key_cache),      DEFAULT("0"), RANGE(0, 3600) },
    { "peer_rate",          OPTION_NUMBER,      AT(latchkeyd_options, peer_rate),          DEFAULT("200"), RANGE(1, 100000) },
    { "rate",               OPTION_NUMBER,      AT(latchkeyd_options, rate),               DEFAULT("400"), RANGE(1, 100000) },
    { "refresh",            OPTION_NUMBER,      AT(latchkeyd_options, refresh),            DEFAULT("3600"), RANGE(60, WEEK) },
};

#define OPTIONS(rows) rows, sizeof rows / sizeof rows[0]
static const struct block_row block_rows[BLOCK_KINDS] = {
    [BLOCK_TOP]       = { "",          false, 0,                   OPTIONS(top_options) },
    [BLOCK_TENANT]    = { "tenant",    true,  CONFIG_TENANTS_MAX,  OPTIONS(tenant_options) },
    [BLOCK_USER]      = { "user",      true,  0,                   OPTIONS(user_options) },
    [BLOCK_MAP]       = { "map",       false, CONFIG_MAPS_MAX,     OPTIONS(map_options) },
    [BLOCK_GROUP]     = { "group",     true,  IDENTITY_GROUPS_MAX, OPTIONS(group_options) },
    [BLOCK_SERVICE]   = { "service",   true,  0,                   OPTIONS(service_options) },
    [BLOCK_LATCHKEYD] = { "latchkeyd", false, 1,                   OPTIONS(latchkeyd_options) },
};
/* clang-format on */

const struct block_row *block_row(enum block_kind kind)
{
    return &block_rows[kind];
}

const struct option_row *option_find(enum block_kind kind, struct slice name)
{
    const struct block_row *block = &block_rows[kind];
    size_t i;

    for (i = 0; i < block->option_count; i++)
        if (slice_equal_string(name, block->options[i].name))
            return &block->options[i];
    return NULL;
}
