#include "devel/tenantd/state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/trusted_file.h"
#include "devel/tenantd/files.h"
#include "devel/tenantd/members.h"

#define OPS_GROUP "501b38ea-16af-4cd2-9f20-35675d2c001e"
#define SVC_GROUP "7b1f4f0a-8f0e-4b53-8f0d-6b7c1f0a0002"

/* The users of the demonstrations. Edit state.json for others. */
static const struct group demo_groups[] = {
    { ADMIN_GROUP, "Admin" },
    { OPS_GROUP, "ops" },
    { SVC_GROUP, "svc" },
};
static const struct user demo_users[] = {
    { "f3e89bb2-5827-4e4b-8b33-823b48327ec7",
      "alice@example.com",
      "Alice",
      "User",
      "alice's password",
      true,
      { OPS_GROUP },
      1 },
    { "8c1d5a0e-6a54-4a63-9b1c-0a6f5f0a7d11", "bob@example.com", "Bob", "User", "bob's password", true, { "" }, 0 },
    { "0d6c6f2b-93bb-4f0e-a0cb-6f5a54f6a001",
      "svc-backup@example.com",
      "Backup",
      "Service",
      "svc-backup's password",
      true,
      { SVC_GROUP },
      1 },
    { "c0ffee00-1111-4222-8333-444455556666",
      "admin@example.com",
      "Administrator",
      "Admin",
      "admin's password",
      true,
      { ADMIN_GROUP, OPS_GROUP },
      2 },
};

static const char *const api_key_names[API_KEY_TYPES] = { "primary", "secondary" };

__attribute__((format(printf, 2, 3))) static bool refuse(char error[STATE_ERROR_MAX], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, STATE_ERROR_MAX, format, arguments);
    va_end(arguments);
    return false;
}

/* Writing */

static struct json *user_json(const struct user *user)
{
    struct json *object = json_new_object(), *groups = json_new_array();
    bool ok = object != NULL && groups != NULL;
    size_t i;

    for (i = 0; ok && i < user->group_count; i++)
        ok = json_append(groups, json_new_string(slice_of(user->groups[i])));
    ok &= json_add_text(object, "userId", user->id);
    ok &= json_add_text(object, "email", user->email);
    ok &= json_add_text(object, "displayName", user->name);
    ok &= json_add_text(object, "userType", user->type);
    ok &= json_add_text(object, "password", user->password);
    ok &= json_add(object, "enabled", json_new_boolean(user->enabled));
    if (!json_add(object, "groups", groups) || !ok)
        json_free(&object);
    return object;
}

static struct json *group_json(const struct group *group)
{
    struct json *object = json_new_object();

    if (object != NULL && (!json_add_text(object, "id", group->id) || !json_add_text(object, "name", group->name)))
        json_free(&object);
    return object;
}

static struct json *refresh_token_json(const struct refresh_token *token)
{
    struct json *object = json_new_object();

    if (object != NULL
        && (!json_add_text(object, "token", token->token) || !json_add_text(object, "userId", token->user_id)
            || !json_add(object, "expires", json_new_integer(token->expires))))
        json_free(&object);
    return object;
}

static struct json *api_keys_json(const struct state *state)
{
    struct json *object = json_new_object();
    size_t i;

    for (i = 0; i < API_KEY_TYPES && object != NULL; i++)
        if (state->api_keys[i][0] != '\0' && !json_add_text(object, api_key_names[i], state->api_keys[i]))
            json_free(&object);
    return object;
}

/* Appends in any case, so that nothing leaks; the whole is checked once, at its end. */
static struct json *state_json(const struct state *state)
{
    struct json *object = json_new_object(), *users = json_new_array(), *groups = json_new_array(),
                *tokens = json_new_array();
    bool ok = true;
    size_t i;

    for (i = 0; i < state->user_count; i++)
        ok &= json_append(users, user_json(&state->users[i]));
    for (i = 0; i < state->group_count; i++)
        ok &= json_append(groups, group_json(&state->groups[i]));
    for (i = 0; i < state->refresh_token_count; i++)
        ok &= json_append(tokens, refresh_token_json(&state->refresh_tokens[i]));
    ok &= json_add(object, "tenant", json_new_string(slice_of(state->tenant)));
    ok &= json_add(object, "users", users);
    ok &= json_add(object, "groups", groups);
    ok &= json_add(object, "apiKeys", api_keys_json(state));
    ok &= json_add(object, "refreshTokens", tokens);
    ok &= json_add(object, "keys", keyring_json(&state->keyring));
    if (!ok)
        json_free(&object);
    return object;
}

/* The secret as hmac_secret_file of latchkey.conf(5) takes it. */
static bool save_hmac_secret(const struct state *state)
{
    CLEANUP(text_free) char *secret = keyring_hmac_secret(&state->keyring);
    CLEANUP(text_free) char *text = NULL;

    if (secret == NULL)
        return true;
    if (asprintf(&text, "base64url:%s\n", secret) < 0) {
        text = NULL;
        return false;
    }
    return replace_file(state->hmac_path, 0600, slice_of(text));
}

bool state_save(const struct state *state)
{
    CLEANUP(json_free) struct json *object = state_json(state);
    const char *text = json_print(object, true);

    if (text == NULL) {
        errno = ENOMEM;
        return false;
    }
    return replace_file(state->path, 0600, slice_of(text)) && save_hmac_secret(state);
}

/* Reading */

static bool user_read(const struct json *object, struct user *user)
{
    const struct json *groups = json_member(object, "groups");
    struct slice id;
    size_t i;

    user->group_count = json_length(groups);
    if (user->group_count > USER_GROUPS_MAX || json_type_of(json_member(object, "enabled")) != JSON_BOOLEAN)
        return false;
    for (i = 0; i < user->group_count; i++) {
        if (!json_string(json_at(groups, i), &id) || !is_uuid(id))
            return false;
        memcpy(user->groups[i], id.bytes, id.len);
    }
    user->enabled = json_is_true(json_member(object, "enabled"));
    if (!json_copy_text(object, "userId", user->id, sizeof user->id) || !is_uuid(slice_of(user->id)))
        return false;
    return json_copy_text(object, "email", user->email, sizeof user->email)
        && json_copy_text(object, "displayName", user->name, sizeof user->name)
        && json_copy_text(object, "userType", user->type, sizeof user->type)
        && json_copy_text(object, "password", user->password, sizeof user->password);
}

static bool group_read(const struct json *object, struct group *group)
{
    return json_copy_text(object, "id", group->id, sizeof group->id) && is_uuid(slice_of(group->id))
        && json_copy_text(object, "name", group->name, sizeof group->name);
}

static bool refresh_token_read(const struct json *object, struct refresh_token *token)
{
    return json_copy_text(object, "token", token->token, sizeof token->token)
        && json_copy_text(object, "userId", token->user_id, sizeof token->user_id)
        && json_read_time(object, "expires", &token->expires);
}

static bool api_keys_read(const struct json *object, struct state *state)
{
    size_t i;

    for (i = 0; i < API_KEY_TYPES; i++)
        if (json_member(object, api_key_names[i]) != NULL
            && !json_copy_text(object, api_key_names[i], state->api_keys[i], sizeof state->api_keys[i]))
            return false;
    return json_type_of(object) == JSON_OBJECT;
}

static bool members_read(const struct json *object, struct state *state, char error[STATE_ERROR_MAX])
{
    const struct json *users = json_member(object, "users"), *groups = json_member(object, "groups"),
                      *tokens = json_member(object, "refreshTokens");
    size_t i;

    state->user_count = json_length(users);
    state->group_count = json_length(groups);
    state->refresh_token_count = json_length(tokens);
    if (!json_copy_text(object, "tenant", state->tenant, sizeof state->tenant) || !is_uuid(slice_of(state->tenant)))
        return refuse(error, "%s: tenant is not a UUID", state->path);
    if (state->user_count > USERS_MAX || state->group_count > GROUPS_MAX
        || state->refresh_token_count > REFRESH_TOKENS_MAX)
        return refuse(error, "%s: too many users, groups or refresh tokens", state->path);
    for (i = 0; i < state->user_count; i++)
        if (!user_read(json_at(users, i), &state->users[i]))
            return refuse(error, "%s: users[%zu] is not a user", state->path, i);
    for (i = 0; i < state->group_count; i++)
        if (!group_read(json_at(groups, i), &state->groups[i]))
            return refuse(error, "%s: groups[%zu] is not a group", state->path, i);
    for (i = 0; i < state->refresh_token_count; i++)
        if (!refresh_token_read(json_at(tokens, i), &state->refresh_tokens[i]))
            return refuse(error, "%s: refreshTokens[%zu] is not a refresh token", state->path, i);
    if (!api_keys_read(json_member(object, "apiKeys"), state))
        return refuse(error, "%s: apiKeys holds no API keys", state->path);
    return keyring_read(&state->keyring, json_member(object, "keys"))
        || refuse(error, "%s: keys holds no signing keys", state->path);
}

static bool read_file(struct state *state, char error[STATE_ERROR_MAX])
{
    CLEANUP(secret_clear) struct secret text = { NULL, 0 };
    CLEANUP(json_free) struct json *object = NULL;
    struct file_error file_error;
    struct file_stamp stamp;
    enum json_error json_error;

    if (!trusted_file_read(state->path, TRUSTED_SECRET, NULL, JSON_TEXT_MAX, &text, &stamp, &file_error))
        return refuse(error, "%s: %s", state->path, file_error.text);
    if (!json_parse((struct slice){ text.bytes, text.len }, &object, &json_error))
        return refuse(error, "%s: %s", state->path, json_error_text(json_error));
    return members_read(object, state, error);
}

/* The first start */

static bool make(struct state *state, const char *tenant, const char *alg, int64_t now, char error[STATE_ERROR_MAX])
{
    if (tenant != NULL)
        memcpy(state->tenant, tenant, sizeof state->tenant);
    else
        random_uuid(state->tenant);
    memcpy(state->users, demo_users, sizeof demo_users);
    state->user_count = sizeof demo_users / sizeof demo_users[0];
    memcpy(state->groups, demo_groups, sizeof demo_groups);
    state->group_count = sizeof demo_groups / sizeof demo_groups[0];
    state_new_api_key(state, API_KEY_PRIMARY);
    return keyring_rotate(&state->keyring, alg, false, now) || refuse(error, "\"%s\": no key for it can be made", alg);
}

static bool fill(struct state *state, const char *tenant, const char *alg, int64_t now, char error[STATE_ERROR_MAX])
{
    if (access(state->path, F_OK) != 0 && errno == ENOENT) {
        if (!make(state, tenant, alg != NULL ? alg : "RS256", now, error))
            return false;
    } else {
        if (!read_file(state, error))
            return false;
        if (tenant != NULL && strcmp(tenant, state->tenant) != 0)
            return refuse(error, "%s: is of tenant %s", state->path, state->tenant);
        /* A key of another algorithm is not a key of this tenant. */
        if (alg != NULL && strcmp(alg, state->keyring.current.alg) != 0
            && !keyring_rotate(&state->keyring, alg, false, now))
            return refuse(error, "\"%s\": no key for it can be made", alg);
    }
    return state_save(state) || refuse(error, "%s: %s", state->path, strerror(errno));
}

struct state *state_open(const char *directory, const char *tenant, const char *alg, int64_t now,
                         char error[STATE_ERROR_MAX])
{
    struct state *state = calloc(1, sizeof *state);
    bool ok = state != NULL && (state->path = path_in(directory, "state.json")) != NULL
        && (state->hmac_path = path_in(directory, "hmac.key")) != NULL;

    ok = ok ? fill(state, tenant, alg, now, error) : refuse(error, "out of memory");
    if (!ok)
        state_free(&state);
    return state;
}

void state_free(struct state **state)
{
    if (*state == NULL)
        return;
    keyring_clear(&(*state)->keyring);
    free((*state)->path);
    free((*state)->hmac_path);
    secret_wipe(*state, sizeof **state);
    free(*state);
    *state = NULL;
}

/* Users */

struct user *state_user(struct state *state, struct slice id)
{
    size_t i;

    for (i = 0; i < state->user_count; i++)
        if (slice_equal_string(id, state->users[i].id))
            return &state->users[i];
    return NULL;
}

struct user *state_user_by_email(struct state *state, struct slice email)
{
    size_t i;

    for (i = 0; i < state->user_count; i++)
        if (slice_equal_nocase(email, state->users[i].email))
            return &state->users[i];
    return NULL;
}

bool user_is_in(const struct user *user, const char *group)
{
    size_t i;

    for (i = 0; i < user->group_count; i++)
        if (strcmp(user->groups[i], group) == 0)
            return true;
    return false;
}

/* API keys */

bool api_key_type_find(struct slice name, enum api_key_type *ret_type)
{
    size_t i;

    for (i = 0; i < API_KEY_TYPES; i++)
        if (slice_equal_string(name, api_key_names[i])) {
            *ret_type = (enum api_key_type)i;
            return true;
        }
    return false;
}

bool state_has_api_key(const struct state *state, struct slice key)
{
    size_t i;

    for (i = 0; i < API_KEY_TYPES; i++)
        if (state->api_keys[i][0] != '\0' && secret_equal(key, slice_of(state->api_keys[i])))
            return true;
    return false;
}

const char *state_new_api_key(struct state *state, enum api_key_type type)
{
    random_secret("lk_", state->api_keys[type]);
    return state->api_keys[type];
}

/* Refresh tokens */

static void remove_refresh_token(struct state *state, size_t index)
{
    state->refresh_token_count--;
    memmove(&state->refresh_tokens[index], &state->refresh_tokens[index + 1],
            (state->refresh_token_count - index) * sizeof state->refresh_tokens[0]);
}

const char *state_new_refresh_token(struct state *state, const struct user *user, int64_t expires)
{
    struct refresh_token *token;

    if (state->refresh_token_count == REFRESH_TOKENS_MAX)
        remove_refresh_token(state, 0);
    token = &state->refresh_tokens[state->refresh_token_count++];
    random_secret("rt_", token->token);
    memcpy(token->user_id, user->id, sizeof token->user_id);
    token->expires = expires;
    return token->token;
}

struct user *state_take_refresh_token(struct state *state, struct slice token, int64_t now)
{
    struct user *user = NULL;
    size_t i;

    for (i = 0; i < state->refresh_token_count; i++)
        if (secret_equal(token, slice_of(state->refresh_tokens[i].token))) {
            if (now < state->refresh_tokens[i].expires)
                user = state_user(state, slice_of(state->refresh_tokens[i].user_id));
            remove_refresh_token(state, i);
            return user;
        }
    return NULL;
}
