#include "config/reader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "config/syntax.h"

#define TENANT_ID_MAX (FACT_MAX - 1)

/* The reading of one text. */
struct reading {
    struct verdict *verdict;
    struct config *config;
};

static bool out_of_memory(const struct reading *reading)
{
    return verdict_reject(reading->verdict, REASON_OUT_OF_MEMORY, "%s", reading->config->path);
}

#define REFUSE(reading, block, option, ...) \
    syntax_refuse((reading)->verdict, (reading)->config->path, (block), (option), __VA_ARGS__)

static bool is_set(const struct block *block, const char *option)
{
    return syntax_find(block, option) != NULL;
}

static const struct block *blocks_of(const struct reading *reading, enum block_kind kind)
{
    return reading->config->text->blocks[kind];
}

/* Allocate one element for each block of the kind in the text. */
static bool make_room(const struct reading *reading, enum block_kind kind, size_t size, void *ret)
{
    void *room = arena_alloc(&reading->config->arena, reading->config->text->counts[kind], size);

    if (room == NULL)
        return out_of_memory(reading);
    memcpy(ret, &room, sizeof room);
    return true;
}

__attribute__((format(printf, 3, 4))) static bool set_text(const struct reading *reading, char **ret,
                                                           const char *format, ...)
{
    va_list arguments;
    char *text;
    int len;

    va_start(arguments, format);
    len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    text = len >= 0 ? arena_alloc(&reading->config->arena, (size_t)len + 1, 1) : NULL;
    if (text == NULL)
        return out_of_memory(reading);
    va_start(arguments, format);
    vsnprintf(text, (size_t)len + 1, format, arguments);
    va_end(arguments);
    *ret = text;
    return true;
}

/*
 * The kinds of options. Each function sets the field, or refuses the value with a message.
 */

static bool set_string(const struct reading *reading, const struct block *block, const struct option_row *option,
                       char *value, char **field)
{
    if (value[0] == '\0' && !option->may_be_empty)
        return REFUSE(reading, block, option->name, "it is empty");
    *field = value[0] != '\0' ? value : NULL;
    return true;
}

static bool check_path(const struct reading *reading, const struct block *block, const char *option, const char *path)
{
    return path[0] == '/' || REFUSE(reading, block, option, "\"%s\" is not an absolute path", path);
}

/* https only: an attacker who controls the network must not control the keys. */
static bool check_url(const struct reading *reading, const struct block *block, const char *option, const char *url)
{
    static const char scheme[] = "https://";
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/[]%!$&'()*+,;=";

    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return REFUSE(reading, block, option, "\"%s\" does not begin with https://", url);
    if (strchr("/:", url[sizeof scheme - 1]) != NULL) /* also the end of the string */
        return REFUSE(reading, block, option, "\"%s\" has no host", url);
    if (url[strspn(url, legal)] != '\0')
        return REFUSE(reading, block, option,
                      "\"%s\" has a user, a query, a fragment or a character that is not allowed in a URL", url);
    return true;
}

static bool set_list(const struct reading *reading, const struct block *block, const struct setting *setting,
                     struct string_list *field)
{
    size_t i;

    for (i = 0; i < setting->count; i++)
        if (setting->values[i][0] == '\0')
            return REFUSE(reading, block, setting->option->name, "an empty string in the list");
    *field = (struct string_list){ setting->values, setting->count };
    return true;
}

/* Paths that fit into the address of a socket (unix(7)). */
static bool set_sockets(const struct reading *reading, const struct block *block, const struct setting *setting,
                        struct string_list *field)
{
    const char *option = setting->option->name;
    size_t i;

    if (setting->count > CONFIG_SOCKETS_MAX)
        return REFUSE(reading, block, option, "more than %d sockets", CONFIG_SOCKETS_MAX);
    if (!set_list(reading, block, setting, field))
        return false;
    for (i = 0; i < field->count; i++)
        if (!check_path(reading, block, option, field->items[i]))
            return false;
        else if (strlen(field->items[i]) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
            return REFUSE(reading, block, option, "\"%.40s...\" is too long for a socket", field->items[i]);
    return true;
}

static bool set_number(const struct reading *reading, const struct block *block, const struct option_row *option,
                       const char *value, int64_t *field)
{
    int64_t number = 0;
    size_t i;

    for (i = 0; value[i] >= '0' && value[i] <= '9' && number <= option->max; i++)
        number = number * 10 + (value[i] - '0');
    /* Some programs read 010 as ten, others as eight. */
    if (i == 0 || (value[i] != '\0' && number <= option->max) || (value[0] == '0' && i > 1))
        return REFUSE(reading, block, option->name, "\"%.40s\" is not a decimal number", value);
    if (number < option->min || number > option->max)
        return REFUSE(reading, block, option->name, "%.40s is not from %" PRId64 " to %" PRId64, value, option->min,
                      option->max);
    *field = number;
    return true;
}

static bool set_boolean(const struct reading *reading, const struct block *block, const struct option_row *option,
                        const char *value, bool *field)
{
    *field = strcmp(value, "true") == 0;
    return *field || strcmp(value, "false") == 0
        || REFUSE(reading, block, option->name, "\"%.40s\" is neither true nor false", value);
}

/* Octal digits, as for chmod(1). Permission to execute has no effect on a socket. */
static bool set_mode(const struct reading *reading, const struct block *block, const struct option_row *option,
                     const char *value, unsigned *field)
{
    unsigned mode = 0;
    size_t i;

    for (i = 0; i < 4 && value[i] >= '0' && value[i] <= '7'; i++)
        mode = mode * 8 + (unsigned)(value[i] - '0');
    if (i < 3 || value[i] != '\0' || (mode & ~0666U) != 0)
        return REFUSE(reading, block, option->name, "\"%.40s\" is not a mode of a socket, such as 0660", value);
    *field = mode;
    return true;
}

static bool set_algorithms(const struct reading *reading, const struct block *block, const struct setting *setting,
                           bool field[ALGORITHM_ROWS])
{
    size_t i;

    if (setting->count == 0)
        return REFUSE(reading, block, setting->option->name, "the list is empty, so that no token could be accepted");
    for (i = 0; i < setting->count; i++) {
        const struct algorithm *algorithm = algorithm_find(slice_of(setting->values[i]));

        if (algorithm == NULL)
            return REFUSE(reading, block, setting->option->name, "\"%s\" is not an algorithm", setting->values[i]);
        field[algorithm_row(algorithm)] = true;
    }
    return true;
}

static bool set_credentials(const struct reading *reading, const struct block *block, const struct setting *setting,
                            unsigned *field)
{
    size_t i;

    *field = 0;
    for (i = 0; i < setting->count; i++)
        if (strcmp(setting->values[i], "jwt") == 0)
            *field |= CREDENTIALS_JWT;
        else if (strcmp(setting->values[i], "api_key") == 0)
            *field |= CREDENTIALS_API_KEY;
        else
            return REFUSE(reading, block, setting->option->name, "\"%s\" is neither jwt nor api_key",
                          setting->values[i]);
    return true;
}

static bool set_field(const struct reading *reading, const struct block *block, const struct setting *setting,
                      void *base)
{
    const struct option_row *option = setting->option;
    void *field = (char *)base + option->offset;
    char *value = setting->count > 0 ? setting->values[0] : NULL; /* NULL: an empty list */

    switch (option->kind) {
    case OPTION_STRING:
        return set_string(reading, block, option, value, field);
    case OPTION_PATH:
        return set_string(reading, block, option, value, field)
            && (value[0] == '\0' || check_path(reading, block, option->name, value));
    case OPTION_URL:
        return set_string(reading, block, option, value, field) && check_url(reading, block, option->name, value);
    case OPTION_LIST:
        return set_list(reading, block, setting, field);
    case OPTION_SOCKETS:
        return set_sockets(reading, block, setting, field);
    case OPTION_NUMBER:
        return set_number(reading, block, option, value, field);
    case OPTION_BOOLEAN:
        return set_boolean(reading, block, option, value, field);
    case OPTION_MODE:
        return set_mode(reading, block, option, value, field);
    case OPTION_ALGORITHMS:
        return set_algorithms(reading, block, setting, field);
    case OPTION_CREDENTIALS:
        return set_credentials(reading, block, setting, field);
    }
    return false;
}

static bool set_fallbacks(const struct reading *reading, enum block_kind kind, void *base)
{
    const struct block_row *row = block_row(kind);
    const struct block block = { .kind = kind };
    size_t i;

    for (i = 0; i < row->option_count; i++) {
        struct setting fallback = { .option = &row->options[i], .count = 1 };

        if (row->options[i].fallback == NULL)
            continue;
        fallback.values = arena_alloc(&reading->config->arena, 1, sizeof *fallback.values);
        if (fallback.values == NULL)
            return out_of_memory(reading);
        fallback.values[0] = (char *)row->options[i].fallback;
        if (!set_field(reading, &block, &fallback, base))
            return false;
    }
    return true;
}

static bool set_fields(const struct reading *reading, const struct block *block, void *base)
{
    const struct setting *setting;

    for (setting = block->settings; setting != NULL; setting = setting->next)
        if (!set_field(reading, block, setting, base))
            return false;
    return true;
}

/*
 * tenant
 */

/* With a url, the id is a part of addresses and of a file name. */
static bool is_plain_id(const char *id)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    return id[0] != '.' && id[strspn(id, plain)] == '\0';
}

static bool check_id(const struct reading *reading, const struct block *block, const struct tenant *tenant)
{
    if (tenant->id[0] == '\0' || strlen(tenant->id) > TENANT_ID_MAX)
        return REFUSE(reading, block, NULL, "the id is not of 1 to %d bytes", TENANT_ID_MAX);
    return tenant->url == NULL || is_plain_id(tenant->id)
        || REFUSE(reading, block, NULL, "with url, the id is made of [A-Za-z0-9._-] and does not begin with a dot");
}

static bool derive_discovery(const struct reading *reading, struct tenant *tenant)
{
    size_t len;

    if (tenant->url == NULL)
        return true;
    for (len = strlen(tenant->url); tenant->url[len - 1] == '/'; len--) /* the host ends the loop */
        tenant->url[len - 1] = '\0';
    return tenant->discovery != NULL
        || set_text(reading, &tenant->discovery, "%s/tenant/%s/v2.0/Auth/.well-known/openid-configuration", tenant->url,
                    tenant->id);
}

static bool derive_keys(const struct reading *reading, const struct block *block, struct tenant *tenant)
{
    if (tenant->keys_path != NULL && tenant->secret_path != NULL)
        return REFUSE(reading, block, "hmac_secret_file",
                      "a tenant has either a secret or public keys, and keys is set too");
    if (tenant->secret_path == NULL && tenant->keys_path == NULL && tenant->url == NULL)
        return REFUSE(reading, block, NULL, "without url, keys or hmac_secret_file must be set");
    /* A provider confirms key sets, not secrets. */
    if (tenant->secret_path != NULL && tenant->keys_max_age != 0)
        return REFUSE(reading, block, "keys_max_age", "it is for key sets, and this tenant has a secret");
    return tenant->secret_path != NULL || tenant->keys_path != NULL
        || set_text(reading, &tenant->keys_path, CONFIG_KEYS_DIRECTORY "/%s.jwks", tenant->id);
}

static bool derive_algorithms(const struct reading *reading, const struct block *block, struct tenant *tenant)
{
    const bool has_secret = tenant->secret_path != NULL;
    size_t row;

    if (!is_set(block, "algorithms") && has_secret) {
        tenant->algorithms[algorithm_row(algorithm_find(slice_of("HS256")))] = true;
    } else if (!is_set(block, "algorithms")) {
        tenant->algorithms[algorithm_row(algorithm_find(slice_of("RS256")))] = true;
        tenant->algorithms[algorithm_row(algorithm_find(slice_of("ES256")))] = true;
    }
    for (row = 0; row < ALGORITHM_ROWS; row++)
        if (tenant->algorithms[row] && (algorithm_at(row)->key_type == KEY_OCT) != has_secret)
            return REFUSE(reading, block, "algorithms",
                          has_secret ? "\"%s\" needs public keys, and the tenant has a secret"
                                     : "\"%s\" needs hmac_secret_file",
                          algorithm_at(row)->name);
    return true;
}

static bool derive_binding(const struct reading *reading, const struct block *block, struct tenant *tenant)
{
    static const char waived[] = "can be waived only while a tenant_claim binds the token";
    struct claims_policy *claims = &tenant->claims;
    const bool issuer_is_waived = claims->issuer == NULL && is_set(block, "issuer");
    const bool audience_is_waived = claims->audiences.count == 0 && is_set(block, "audience");

    if (claims->tenant_claim == NULL && issuer_is_waived)
        return REFUSE(reading, block, "issuer", "%s", waived);
    if (claims->tenant_claim == NULL && audience_is_waived)
        return REFUSE(reading, block, "audience", "%s", waived);
    if (claims->issuer == NULL && !issuer_is_waived && tenant->url == NULL)
        return REFUSE(reading, block, "issuer", "without url, it must be set");
    if (claims->audiences.count == 0 && !audience_is_waived)
        claims->audiences = (struct string_list){ &claims->tenant_id, 1 };
    return claims->issuer != NULL || issuer_is_waived
        || set_text(reading, &claims->issuer, "%s/tenant/%s/v2.0/Auth", tenant->url, tenant->id);
}

/* Printable ASCII without blanks, which a header carries unchanged (RFC 9110 §5.5). The characters that the message to
 * latchkeyd would have to escape are not allowed. */
static bool check_api_keys(const struct reading *reading, const struct block *block, const struct tenant *tenant)
{
    const char *at;

    for (at = tenant->api_key_characters; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~' || *at == '"' || *at == '\\')
            return REFUSE(reading, block, "api_key_characters",
                          "it holds a quotation mark, a backslash, or a character that is not printable ASCII");
    return tenant->api_key_min <= tenant->api_key_max
        || REFUSE(reading, block, is_set(block, "api_key_min") ? "api_key_min" : "api_key_max",
                  "api_key_min is above api_key_max");
}

/* Whether each token of one tenant also claims the other. Such tokens would be refused. */
static bool tenants_overlap(const struct tenant *a, const struct tenant *b)
{
    if (a->claims.tenant_claim != NULL && b->claims.tenant_claim != NULL)
        return false; /* the ids differ: titles are unique */
    return a->claims.issuer != NULL && b->claims.issuer != NULL && strcmp(a->claims.issuer, b->claims.issuer) == 0;
}

static bool check_other_tenants(const struct reading *reading, const struct block *block, const struct tenant *tenant)
{
    const struct tenant *other;

    for (other = reading->config->tenants; other < tenant; other++)
        if (strcmp(other->id, tenant->id) == 0)
            return REFUSE(reading, block, NULL, "a second block of this name");
        else if (tenants_overlap(other, tenant))
            return REFUSE(reading, block, "issuer", "tenant \"%s\" has the same, and not both have a tenant_claim",
                          other->id);
    return true;
}

static bool read_tenant(const struct reading *reading, const struct block *block, struct tenant *tenant)
{
    tenant->id = tenant->claims.tenant_id = block->title;
    if (!set_fallbacks(reading, BLOCK_TENANT, tenant) || !set_fields(reading, block, tenant))
        return false;
    if (!check_id(reading, block, tenant) || !check_api_keys(reading, block, tenant))
        return false;
    return derive_discovery(reading, tenant) && derive_keys(reading, block, tenant)
        && derive_algorithms(reading, block, tenant) && derive_binding(reading, block, tenant)
        && check_other_tenants(reading, block, tenant);
}

static bool read_tenants(const struct reading *reading)
{
    struct config *config = reading->config;
    const struct block *block;

    if (!make_room(reading, BLOCK_TENANT, sizeof *config->tenants, &config->tenants))
        return false;
    for (block = blocks_of(reading, BLOCK_TENANT); block != NULL; block = block->next)
        if (!read_tenant(reading, block, &config->tenants[config->tenant_count++]))
            return false;
    return config->tenant_count > 0
        || REFUSE(reading, blocks_of(reading, BLOCK_TOP), NULL,
                  "there is no tenant block, so that no token could be accepted");
}

/*
 * user, map, group
 */

/* The subject of a token is never longer (claims.h). A longer value would have no effect. */
static bool check_subjects(const struct reading *reading, const struct block *block, const struct user_block *user)
{
    size_t i;

    for (i = 0; i < user->subjects.count; i++)
        if (strlen(user->subjects.items[i]) > SUBJECT_MAX)
            return REFUSE(reading, block, "sub", "a subject is longer than %d bytes", SUBJECT_MAX);
    return true;
}

/*
 * Check the tenants of a user, map or group block: each is configured. When there are several tenants, the block must
 * name its own: the same subject, address or group may be another user's at another tenant.
 */
static bool check_tenants(const struct reading *reading, const struct block *block, const struct string_list *tenants)
{
    const struct config *config = reading->config;
    size_t i;

    if (tenants->count == 0 && config->tenant_count > 1)
        return REFUSE(reading, block, "tenant",
                      "with %zu tenants the block must name those whose tokens it is for: add tenant = "
                      "{\"%.64s\"}, or other ids",
                      config->tenant_count, config->tenants[0].id);
    for (i = 0; i < tenants->count; i++)
        if (config_tenant(config, slice_of(tenants->items[i])) == NULL)
            return REFUSE(reading, block, "tenant", "there is no block tenant \"%s\"", tenants->items[i]);
    return true;
}

/* An API key names neither its user nor its tenant. The block must say which subject it is for, and which tenant
 * service gets the key. */
static bool check_exchange(const struct reading *reading, const struct block *block, const struct user_block *user)
{
    if (!user->api_key)
        return true;
    if (user->subjects.count != 1)
        return REFUSE(reading, block, "api_key", "it needs exactly one sub, whose token the key is exchanged for");
    return config_exchange_tenant(reading->config, user) != NULL
        || REFUSE(reading, block, "api_key", "it needs exactly one tenant with a url, see the option tenant");
}

static bool read_user(const struct reading *reading, const struct block *block, struct user_block *user)
{
    user->name = block->title;
    if (!identity_is_valid_name(slice_of(user->name)))
        return REFUSE(reading, block, NULL, "it is not a valid user name");
    return set_fields(reading, block, user) && check_tenants(reading, block, &user->tenants)
        && check_subjects(reading, block, user) && check_exchange(reading, block, user);
}

/* The last character is the anchor, not "\\$", a literal dollar. */
static bool is_anchored(const char *pattern)
{
    size_t len = strlen(pattern), backslashes = 0;

    if (len < 2 || pattern[0] != '^' || pattern[len - 1] != '$')
        return false;
    while (pattern[len - 2 - backslashes] == '\\') /* the ^ ends it */
        backslashes++;
    return backslashes % 2 == 0;
}

static bool compile_pattern(const struct reading *reading, const struct block *block, struct map_block *map)
{
    int error;

    if (!is_anchored(map->pattern))
        return REFUSE(reading, block, "pattern", "it does not begin with ^ and end with $");
    error = pattern_compile(map->pattern, &map->compiled);
    if (error == PATTERN_OUT_OF_MEMORY)
        return out_of_memory(reading);
    if (error != 0)
        return REFUSE(reading, block, "pattern", "%s", pattern_error_text(error));
    reading->config->identity.map_count++; /* config_file_clear() frees the patterns that were counted */
    return pattern_group_count(&map->compiled) > 0
        || REFUSE(reading, block, "pattern", "it has no group ( ) whose match is the user");
}

static bool read_map(const struct reading *reading, const struct block *block, struct map_block *map)
{
    if (!is_set(block, "claim") || !is_set(block, "pattern"))
        return REFUSE(reading, block, NULL, "claim and pattern must be set");
    return set_fields(reading, block, map) && check_tenants(reading, block, &map->tenants)
        && compile_pattern(reading, block, map);
}

static bool read_group(const struct reading *reading, const struct block *block, struct group_block *group)
{
    group->name = block->title;
    if (!identity_is_valid_name(slice_of(group->name)))
        return REFUSE(reading, block, NULL, "it is not a valid group name");
    if (!set_fields(reading, block, group) || !check_tenants(reading, block, &group->tenants))
        return false;
    return !group->session || strcmp(group->name, "root") != 0
        || REFUSE(reading, block, "session", "gid 0 is never given for a session");
}

static bool is_default_service(const struct block *block)
{
    return block->kind == BLOCK_SERVICE && strcmp(block->title, "*") == 0;
}

/* No two names are the same. They are those of the blocks in their order, without the service "*". */
static bool check_names(const struct reading *reading, enum block_kind kind, const struct text_index *names,
                        size_t count)
{
    const struct block *block;
    uint32_t second = UINT32_MAX, at = 1;
    size_t i;

    for (i = 0; i < count; i++)
        if (names->entries[i].next != 0 && names->entries[i].next < second)
            second = names->entries[i].next;
    if (second == UINT32_MAX)
        return true;
    for (block = blocks_of(reading, kind); at < second || is_default_service(block); block = block->next)
        at += !is_default_service(block);
    return REFUSE(reading, block, NULL, "a second block of this name");
}

static bool read_users(const struct reading *reading)
{
    struct identity_rules *rules = &reading->config->identity;
    const struct block *block;

    if (!make_room(reading, BLOCK_USER, sizeof *rules->users, &rules->users))
        return false;
    for (block = blocks_of(reading, BLOCK_USER); block != NULL; block = block->next)
        if (!read_user(reading, block, &rules->users[rules->user_count++]))
            return false;
    if (!identity_index(rules, &reading->config->arena))
        return out_of_memory(reading);
    return check_names(reading, BLOCK_USER, &rules->names, rules->user_count);
}

static bool read_maps(const struct reading *reading)
{
    struct identity_rules *rules = &reading->config->identity;
    const struct block *block;

    if (!make_room(reading, BLOCK_MAP, sizeof *rules->maps, &rules->maps))
        return false;
    for (block = blocks_of(reading, BLOCK_MAP); block != NULL; block = block->next)
        if (!read_map(reading, block, &rules->maps[rules->map_count]))
            return false;
    return true;
}

static bool read_groups(const struct reading *reading)
{
    struct identity_rules *rules = &reading->config->identity;
    const struct block *block;
    struct group_block *group;

    if (!make_room(reading, BLOCK_GROUP, sizeof *rules->groups, &rules->groups))
        return false;
    for (block = blocks_of(reading, BLOCK_GROUP); block != NULL; block = block->next) {
        if (identity_group_block(rules, slice_of(block->title)) != NULL)
            return REFUSE(reading, block, NULL, "a second block of this name");
        group = &rules->groups[rules->group_count++];
        if (!read_group(reading, block, group))
            return false;
    }
    return true;
}

/*
 * service
 */

static bool check_groups(const struct reading *reading, const struct block *block, const struct service_rules *service)
{
    const struct string_list *names = &service->require_group;
    size_t i;

    for (i = 0; i < names->count; i++)
        if (identity_group_block(&reading->config->identity, slice_of(names->items[i])) == NULL)
            return REFUSE(reading, block, "require_group", "there is no block group \"%s\"", names->items[i]);
    return true;
}

/* "cyrus", or "cyrus:fred". */
static bool check_authzids(const struct reading *reading, const struct block *block,
                           const struct service_rules *service)
{
    size_t i;

    for (i = 0; i < service->allow_authzid.count; i++) {
        const char *item = service->allow_authzid.items[i];
        struct slice user = slice_of(item), authzid = { "x", 1 };

        slice_cut(user, ':', &user, &authzid);
        if (!identity_is_valid_name(user) || authzid.len == 0)
            return REFUSE(reading, block, "allow_authzid", "\"%.80s\" is neither a user nor USER:AUTHZID", item);
    }
    return true;
}

/* Options that the block does not set are unchanged. */
static bool read_service(const struct reading *reading, const struct block *block, struct service_rules *service)
{
    if (block->title[0] == '\0')
        return REFUSE(reading, block, NULL, "it has no name");
    service->name = block->title;
    return set_fields(reading, block, service) && check_groups(reading, block, service)
        && check_authzids(reading, block, service);
}

/* The block "*" is read first, since the others inherit from it. */
static bool read_default_service(const struct reading *reading)
{
    struct service_rules *service = &reading->config->default_service;
    const struct block *block, *found = NULL;

    service->name = (char *)"*";
    if (!set_fallbacks(reading, BLOCK_SERVICE, service))
        return false;
    for (block = blocks_of(reading, BLOCK_SERVICE); block != NULL; block = block->next) {
        if (!is_default_service(block))
            continue;
        if (found != NULL)
            return REFUSE(reading, block, NULL, "a second block of this name");
        found = block;
    }
    return found == NULL || read_service(reading, found, service);
}

/* In lower case, as libpam converts the names of services. */
static bool index_service_names(const struct reading *reading)
{
    struct config *config = reading->config;
    struct text_entry *names = arena_alloc(&config->arena, config->service_count, sizeof *names);
    size_t i;

    if (names == NULL)
        return out_of_memory(reading);
    text_index_init(&config->service_names);
    for (i = 0; i < config->service_count; i++) {
        const struct slice name = slice_of(config->services[i].name);
        char *lower = arena_copy(&config->arena, name);

        if (lower == NULL)
            return out_of_memory(reading);
        slice_lower(name, lower);
        names[i] = text_index_entry(&config->service_names, (struct slice){ lower, name.len });
    }
    return text_index_build(&config->service_names, names, config->service_count, &config->arena)
        || out_of_memory(reading);
}

static bool read_services(const struct reading *reading)
{
    struct config *config = reading->config;
    const struct block *block;
    struct service_rules *service;

    if (!make_room(reading, BLOCK_SERVICE, sizeof *config->services, &config->services)
        || !read_default_service(reading))
        return false;
    for (block = blocks_of(reading, BLOCK_SERVICE); block != NULL; block = block->next) {
        if (is_default_service(block))
            continue;
        service = &config->services[config->service_count++];
        *service = config->default_service;
        if (!read_service(reading, block, service))
            return false;
    }
    return index_service_names(reading)
        && check_names(reading, BLOCK_SERVICE, &config->service_names, config->service_count);
}

/*
 * latchkeyd, and what is outside of blocks
 */

static bool check_allowed(const struct reading *reading, const struct block *block, const struct string_list *names)
{
    size_t i;

    for (i = 0; i < names->count; i++)
        if (!identity_is_valid_name(slice_of(names->items[i] + (names->items[i][0] == '@'))))
            return REFUSE(reading, block, "allow",
                          "\"%.40s\" is neither the name of a user nor that of a group behind an @", names->items[i]);
    return true;
}

static bool read_latchkeyd(const struct reading *reading)
{
    struct latchkeyd_options *latchkeyd = &reading->config->latchkeyd;
    const struct block *block = blocks_of(reading, BLOCK_LATCHKEYD);

    if (!set_fallbacks(reading, BLOCK_LATCHKEYD, latchkeyd))
        return false;
    return block == NULL || (set_fields(reading, block, latchkeyd) && check_allowed(reading, block, &latchkeyd->allow));
}

static bool read_top(const struct reading *reading)
{
    const struct block *block = blocks_of(reading, BLOCK_TOP);
    struct config *config = reading->config;

    config->revocation_is_required = is_set(block, "revocation_list");
    return set_fallbacks(reading, BLOCK_TOP, config) && set_fields(reading, block, config);
}

static bool read_blocks(const struct reading *reading)
{
    return read_tenants(reading) && read_users(reading) && read_maps(reading) && read_groups(reading)
        && read_services(reading);
}

bool config_file_parse(struct verdict *verdict, const char *path, struct slice text, struct config *ret_config)
{
    const struct reading reading = { verdict, ret_config };

    *ret_config = (struct config){ .path = NULL };
    ret_config->path = arena_copy(&ret_config->arena, slice_of(path));
    ret_config->text = arena_alloc(&ret_config->arena, 1, sizeof *ret_config->text);
    if (ret_config->path == NULL || ret_config->text == NULL)
        verdict_reject(verdict, REASON_OUT_OF_MEMORY, "%s", path);
    else if (syntax_read(verdict, path, text, &ret_config->arena, ret_config->text) && read_latchkeyd(&reading)
             && read_top(&reading) && read_blocks(&reading))
        return true;
    config_file_clear(ret_config);
    return false;
}

void config_file_clear(struct config *config)
{
    size_t i;

    for (i = 0; i < config->identity.map_count; i++)
        pattern_free(&config->identity.maps[i].compiled);
    arena_free(&config->arena);
    *config = (struct config){ .path = NULL };
}

size_t config_line(const struct config *config, enum block_kind kind, const char *title, const char *option)
{
    const struct block *block = config->text->blocks[kind];

    while (block != NULL && title != NULL && strcmp(block->title, title) != 0)
        block = block->next;
    return block != NULL ? (size_t)syntax_line(block, option) : 0;
}
