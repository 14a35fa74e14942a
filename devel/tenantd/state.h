/*
 * What the tenant knows and keeps in DIRECTORY/state.json: users, groups, API keys, refresh tokens, signing keys. The
 * file is of mode 0600 and replaced after every change; it may be edited while tenantd is stopped. Beside it lies
 * hmac.key (0600) when the tenant signs with HS*: the secret for its relying parties.
 *
 * These functions do not lock: the caller holds the lock of the service (service.h).
 */
#ifndef LATCHKEY_TENANTD_STATE_H
#define LATCHKEY_TENANTD_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/slice.h"
#include "devel/tenantd/identifiers.h"
#include "devel/tenantd/keyring.h"

#define TEXT_SIZE          128 /* bytes with the NUL: names, addresses, passwords */
#define USER_GROUPS_MAX    16
#define USERS_MAX          1000
#define GROUPS_MAX         64
#define REFRESH_TOKENS_MAX 256 /* the oldest gives way */

/* Its members may manage the tenant. */
#define ADMIN_GROUP "5a0c1f0e-2f43-4c37-9d4e-9d0b7c9a0001"

struct user {
    char id[UUID_SIZE];
    char email[TEXT_SIZE];
    char name[TEXT_SIZE];
    char type[TEXT_SIZE]; /* "User", "Admin", "Service" */
    char password[TEXT_SIZE];
    bool enabled;
    char groups[USER_GROUPS_MAX][UUID_SIZE];
    size_t group_count;
};

struct group {
    char id[UUID_SIZE];
    char name[TEXT_SIZE];
};

struct refresh_token {
    char token[SECRET_SIZE];
    char user_id[UUID_SIZE];
    int64_t expires; /* s since 1970 */
};

enum api_key_type { API_KEY_PRIMARY, API_KEY_SECONDARY, API_KEY_TYPES };

struct state {
    char *path;
    char *hmac_path;
    char tenant[UUID_SIZE];
    struct user users[USERS_MAX];
    size_t user_count;
    struct group groups[GROUPS_MAX];
    size_t group_count;
    char api_keys[API_KEY_TYPES][SECRET_SIZE];               /* empty: there is none */
    struct refresh_token refresh_tokens[REFRESH_TOKENS_MAX]; /* from the oldest to the newest */
    size_t refresh_token_count;
    struct keyring keyring;
};

#define STATE_ERROR_MAX 256
/*
 * Read the state of a directory, or make one: the tenant (NULL: a random id), demo users, a primary API key, a signing
 * key. With `alg` not NULL, a state whose key is of another algorithm gets a new key. NULL with a sentence in `error`,
 * also when the state is of another tenant than `tenant`. End with state_free().
 */
struct state *state_open(const char *directory, const char *tenant, const char *alg, int64_t now,
                         char error[STATE_ERROR_MAX]);
void state_free(struct state **state);

/* False with errno set. */
bool state_save(const struct state *state);

/* NULL when there is none. Lent by the state. */
struct user *state_user(struct state *state, struct slice id);
struct user *state_user_by_email(struct state *state, struct slice email);
bool user_is_in(const struct user *user, const char *group);

/* The name of a type in the API: "primary", "secondary". False when it is neither. */
bool api_key_type_find(struct slice name, enum api_key_type *ret_type);
bool state_has_api_key(const struct state *state, struct slice key);
/* A new key in place of the former one. Lent. */
const char *state_new_api_key(struct state *state, enum api_key_type type);

/* Lent. */
const char *state_new_refresh_token(struct state *state, const struct user *user, int64_t expires);
/* Ends the token, valid or not. Returns its user, or NULL when the token is unknown or expired. */
struct user *state_take_refresh_token(struct state *state, struct slice token, int64_t now);

#endif
