#include "config_file.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <confuse.h>

#include "cleanup.h"

#define STRING_MAX       1024 /* bytes of any one string */
#define MAX_AGE_MAX      (10 * 366 * 86400L)
#define TENANT_ID_MAX    (FACT_MAX - 1)
#define OUTLINE_NAME_MAX 32

#define TENANT_CLAIM_DEFAULT "https://agglestone.com/tenantId"

/*
 * Every option has one row: its block ("" for none), its name, its type. The rows make libConfuse's tables, and
 * latchkey.conf(5) is held against them.
 */
enum option_type { TYPE_STRING, TYPE_LIST, TYPE_INTEGER, TYPE_BOOLEAN };

/* clang-format off */
static const struct option_row {
    const char *block, *name, *full_name;
    enum option_type type;
} option_rows[] = {
    { "",        "revocation_list",  "revocation_list",         TYPE_STRING },
    { "tenant",  "url",              "tenant.url",              TYPE_STRING },
    { "tenant",  "issuer",           "tenant.issuer",           TYPE_STRING },
    { "tenant",  "audience",         "tenant.audience",         TYPE_LIST },
    { "tenant",  "keys",             "tenant.keys",             TYPE_STRING },
    { "tenant",  "discovery",        "tenant.discovery",        TYPE_STRING },
    { "tenant",  "algorithms",       "tenant.algorithms",       TYPE_LIST },
    { "tenant",  "tenant_claim",     "tenant.tenant_claim",     TYPE_STRING },
    { "tenant",  "leeway",           "tenant.leeway",           TYPE_INTEGER },
    { "tenant",  "hmac_secret_file", "tenant.hmac_secret_file", TYPE_STRING },
    { "tenant",  "type",             "tenant.type",             TYPE_STRING },
    { "tenant",  "azp",              "tenant.azp",              TYPE_LIST },
    { "tenant",  "scope",            "tenant.scope",            TYPE_LIST },
    { "tenant",  "subject_claim",    "tenant.subject_claim",    TYPE_STRING },
    { "tenant",  "groups_claim",     "tenant.groups_claim",     TYPE_STRING },
    { "user",    "sub",              "user.sub",                TYPE_LIST },
    { "user",    "api_key",          "user.api_key",            TYPE_BOOLEAN },
    { "map",     "claim",            "map.claim",               TYPE_STRING },
    { "map",     "pattern",          "map.pattern",             TYPE_STRING },
    { "group",   "claim",            "group.claim",             TYPE_LIST },
    { "group",   "session",          "group.session",           TYPE_BOOLEAN },
    { "service", "credentials",      "service.credentials",     TYPE_LIST },
    { "service", "require_group",    "service.require_group",   TYPE_LIST },
    { "service", "max_age",          "service.max_age",         TYPE_INTEGER },
};
static const char *const block_names[] = { "tenant", "user", "map", "group", "service" };
/* clang-format on */
#define OPTION_COUNT (sizeof option_rows / sizeof option_rows[0])
#define BLOCK_COUNT  (sizeof block_names / sizeof block_names[0])

const char *const *config_option_names(void)
{
    static const char *names[OPTION_COUNT + 1];
    size_t i;

    for (i = 0; i < OPTION_COUNT; i++)
        names[i] = option_rows[i].full_name;
    return names;
}

/*
 * The outline of a text: on which line each block and each option stands. It is what the messages of the checks after
 * the parse name, and where a second mention of an option shows.
 */
struct mention {
    char block[OUTLINE_NAME_MAX];  /* "" outside of blocks */
    unsigned ordinal;              /* the how-manieth block of that name, from 0 */
    char option[OUTLINE_NAME_MAX]; /* "" for the block itself */
    int line;
};

struct outline {
    struct mention *mentions;
    size_t count;
};

/* The parse of one text. */
struct parse {
    struct verdict *verdict;
    const char *path;
    struct outline outline;
    cfg_t *cfg;
    struct config *config;
};

__attribute__((format(printf, 3, 4))) static bool fail_at(struct parse *parse, int line, const char *format, ...)
{
    char message[EVIDENCE_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return verdict_reject(parse->verdict, REASON_CONFIG_INVALID, "%s:%d: %s", parse->path, line, message);
}

static bool out_of_memory(struct parse *parse)
{
    return verdict_reject(parse->verdict, REASON_OUT_OF_MEMORY, "%s", parse->path);
}

static const struct mention *find_mention(const struct outline *outline, const char *block, unsigned ordinal,
                                          const char *option)
{
    size_t i;

    for (i = 0; i < outline->count; i++)
        if (outline->mentions[i].ordinal == ordinal && strcmp(outline->mentions[i].block, block) == 0
            && strcmp(outline->mentions[i].option, option) == 0)
            return &outline->mentions[i];
    return NULL;
}

/* The line of an option, else of its block, else 1. */
static int line_of(const struct parse *parse, const char *block, unsigned ordinal, const char *option)
{
    const struct mention *mention = find_mention(&parse->outline, block, ordinal, option);

    if (mention == NULL)
        mention = find_mention(&parse->outline, block, ordinal, "");
    return mention != NULL ? mention->line : 1;
}

/* The scan of the text before libConfuse reads it. */
struct scan {
    struct parse *parse;
    struct slice text;
    size_t at;
    int line;
    char word[OUTLINE_NAME_MAX]; /* the last word outside of strings: an option's or a block's name */
    int word_line;
    char block_word[OUTLINE_NAME_MAX]; /* the first word since the last block or option ended: a block's name */
    bool after_equals;
    bool in_list;
    char block[OUTLINE_NAME_MAX];
    unsigned ordinal;
    unsigned seen[BLOCK_COUNT];
};

/* Backwards from the end to where the block began: a file of ten thousand users is still read in no time. */
static bool is_mentioned(const struct scan *scan, const char *option)
{
    size_t i;

    for (i = scan->parse->outline.count; i > 0; i--) {
        const struct mention *mention = &scan->parse->outline.mentions[i - 1];

        if (mention->ordinal != scan->ordinal || strcmp(mention->block, scan->block) != 0)
            continue;
        if (mention->option[0] == '\0')
            return false;
        if (strcmp(mention->option, option) == 0)
            return true;
    }
    return false;
}

static bool add_mention(struct scan *scan, const char *option, int line)
{
    struct outline *outline = &scan->parse->outline;
    struct mention *larger;

    if (option[0] != '\0' && is_mentioned(scan, option))
        return fail_at(scan->parse, line, "%s stands twice in one block", option);
    larger = realloc(outline->mentions, (outline->count + 1) * sizeof *larger);
    if (larger == NULL)
        return out_of_memory(scan->parse);
    outline->mentions = larger;
    larger[outline->count] = (struct mention){ .ordinal = scan->ordinal, .line = line };
    memcpy(larger[outline->count].block, scan->block, sizeof scan->block);
    snprintf(larger[outline->count].option, sizeof larger[outline->count].option, "%s", option);
    outline->count++;
    return true;
}

static char peek(const struct scan *scan, size_t ahead)
{
    return scan->at + ahead < scan->text.len ? scan->text.bytes[scan->at + ahead] : '\0';
}

static void skip_line(struct scan *scan)
{
    while (scan->at < scan->text.len && peek(scan, 0) != '\n')
        scan->at++;
}

static bool skip_block_comment(struct scan *scan)
{
    int begin = scan->line;

    for (scan->at += 2; scan->at < scan->text.len; scan->at++) {
        if (peek(scan, 0) == '\n')
            scan->line++;
        if (peek(scan, 0) == '*' && peek(scan, 1) == '/') {
            scan->at += 2;
            return true;
        }
    }
    return fail_at(scan->parse, begin, "a comment has no end");
}

static bool refuse_expansion(struct scan *scan)
{
    return fail_at(scan->parse, scan->line, "\"${\" would be replaced from the environment, which is not trusted");
}

/* A string stands on one line, holds no "${", and in double quotes no escape but \\ and \". */
static bool skip_string(struct scan *scan)
{
    char quote = peek(scan, 0);

    for (scan->at++; scan->at < scan->text.len; scan->at++) {
        char c = peek(scan, 0), next = peek(scan, 1);

        if (c == '$' && next == '{')
            return refuse_expansion(scan);
        if (c == '\n')
            break;
        if (c == '\\' && quote == '"' && next != '\\' && next != '"')
            return fail_at(scan->parse, scan->line, "a backslash in double quotes is written \\\\");
        if (c == '\\' && (next == '\\' || next == quote))
            scan->at++;
        else if (c == quote) {
            scan->at++;
            return true;
        }
    }
    return fail_at(scan->parse, scan->line, "a string has no end on its line");
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static void scan_word(struct scan *scan)
{
    size_t begin = scan->at, len;

    while (scan->at < scan->text.len && is_word_char(peek(scan, 0)))
        scan->at++;
    len = scan->at - begin;
    if (len >= sizeof scan->word)
        len = sizeof scan->word - 1;
    memcpy(scan->word, scan->text.bytes + begin, len);
    scan->word[len] = '\0';
    scan->word_line = scan->line;
    if (scan->block_word[0] == '\0')
        memcpy(scan->block_word, scan->word, sizeof scan->block_word);
    /* The value of an option: what follows is a new mention. */
    if (scan->after_equals && !scan->in_list) {
        scan->after_equals = false;
        scan->block_word[0] = '\0';
    }
}

static bool begin_block(struct scan *scan)
{
    size_t i;

    memcpy(scan->block, scan->block_word, sizeof scan->block);
    scan->ordinal = 0;
    for (i = 0; i < BLOCK_COUNT; i++)
        if (strcmp(scan->block, block_names[i]) == 0)
            scan->ordinal = scan->seen[i]++;
    scan->block_word[0] = '\0';
    return add_mention(scan, "", scan->line);
}

static bool scan_mark(struct scan *scan, char c)
{
    scan->at++;
    switch (c) {
    case '=':
        scan->after_equals = true;
        return add_mention(scan, scan->word, scan->word_line);
    case '{':
        if (!scan->after_equals)
            return begin_block(scan);
        scan->in_list = true;
        return true;
    case '}':
        if (!scan->in_list)
            scan->block[0] = '\0', scan->ordinal = 0;
        scan->in_list = scan->after_equals = false;
        scan->block_word[0] = '\0';
        return true;
    default:
        return true;
    }
}

/* One step of the scan; a comment begins only where a token could. */
static bool scan_next(struct scan *scan)
{
    char c = peek(scan, 0);

    if (c == '\0')
        return fail_at(scan->parse, scan->line, "a NUL byte");
    if (c == '$' && peek(scan, 1) == '{')
        return refuse_expansion(scan);
    if (c == '#' || (c == '/' && peek(scan, 1) == '/')) {
        skip_line(scan);
        return true;
    }
    if (c == '/' && peek(scan, 1) == '*')
        return skip_block_comment(scan);
    if (c == '"' || c == '\'') {
        if (!skip_string(scan))
            return false;
        if (!scan->in_list && scan->after_equals) {
            scan->after_equals = false;
            scan->block_word[0] = '\0';
        }
        return true;
    }
    if (is_word_char(c)) {
        scan_word(scan);
        return true;
    }
    if (c == '\n')
        scan->line++;
    /* Outside of strings nothing else has a meaning, and what libConfuse would make of it need not be known. */
    if (strchr(" \t\r\n={},+", c) == NULL)
        return fail_at(scan->parse, scan->line, "the character '%c' stands outside of a string", c);
    return scan_mark(scan, c);
}

static bool scan_text(struct parse *parse, struct slice text)
{
    struct scan scan = { .parse = parse, .text = text, .line = 1 };

    while (scan.at < text.len)
        if (!scan_next(&scan))
            return false;
    return true;
}

/* libConfuse tells its errors to a function without a context; the lock makes the current parse a single one. */
static pthread_mutex_t confuse_lock = PTHREAD_MUTEX_INITIALIZER;
static struct parse *confuse_parse;

__attribute__((format(printf, 2, 0))) static void confuse_error(cfg_t *cfg, const char *format, va_list arguments)
{
    char message[EVIDENCE_MAX];

    vsnprintf(message, sizeof message, format, arguments);
    fail_at(confuse_parse, cfg->line, "%s", message);
}

static cfg_opt_t make_option(const struct option_row *row)
{
    switch (row->type) {
    case TYPE_STRING:
        return (cfg_opt_t)CFG_STR(row->name, NULL, CFGF_NODEFAULT);
    case TYPE_LIST:
        return (cfg_opt_t)CFG_STR_LIST(row->name, NULL, CFGF_NODEFAULT);
    case TYPE_INTEGER:
        return (cfg_opt_t)CFG_INT(row->name, 0, CFGF_NODEFAULT);
    default:
        return (cfg_opt_t)CFG_BOOL(row->name, cfg_false, CFGF_NODEFAULT);
    }
}

/* The rows of one block as libConfuse wants them; returns how many. */
static size_t make_options(const char *block, cfg_opt_t *options)
{
    size_t count = 0, i;

    for (i = 0; i < OPTION_COUNT; i++)
        if (strcmp(option_rows[i].block, block) == 0)
            options[count++] = make_option(&option_rows[i]);
    return count;
}

static bool run_confuse(struct parse *parse, struct slice text)
{
    cfg_opt_t blocks[BLOCK_COUNT][OPTION_COUNT + 1], top[BLOCK_COUNT + OPTION_COUNT + 1];
    size_t count = make_options("", top), i;
    FILE *file = fmemopen((void *)text.bytes, text.len > 0 ? text.len : 1, "r");
    bool ok;

    if (file == NULL)
        return out_of_memory(parse);
    for (i = 0; i < BLOCK_COUNT; i++) {
        cfg_flag_t title = strcmp(block_names[i], "map") == 0 ? CFGF_NONE : CFGF_TITLE | CFGF_NO_TITLE_DUPES;

        blocks[i][make_options(block_names[i], blocks[i])] = (cfg_opt_t)CFG_END();
        top[count++] = (cfg_opt_t)CFG_SEC(block_names[i], blocks[i], CFGF_MULTI | title);
    }
    top[count] = (cfg_opt_t)CFG_END();
    confuse_parse = parse;
    parse->cfg = cfg_init(top, CFGF_NONE);
    if (parse->cfg != NULL) {
        cfg_set_error_function(parse->cfg, confuse_error);
        free(parse->cfg->filename);
        parse->cfg->filename = strdup(parse->path);
    }
    ok = parse->cfg != NULL && parse->cfg->filename != NULL && cfg_parse_fp(parse->cfg, file) == CFG_SUCCESS;
    confuse_parse = NULL;
    fclose(file);
    /* A failure without a message can only be one of memory. */
    return ok || out_of_memory(parse);
}

/* Reading what libConfuse holds. A block on its way into struct config. */
struct block {
    struct parse *parse;
    const char *name;
    unsigned ordinal;
    cfg_t *cfg;
};

__attribute__((format(printf, 3, 4))) static bool fail(const struct block *block, const char *option,
                                                       const char *format, ...)
{
    char message[EVIDENCE_MAX];
    const char *title = block->cfg != NULL ? cfg_title(block->cfg) : NULL;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return fail_at(block->parse, line_of(block->parse, block->name, block->ordinal, option), "%s%s%s%s: %s%s%s",
                   block->name, title != NULL ? " \"" : "", title != NULL ? title : "", title != NULL ? "\"" : "",
                   option, option[0] != '\0' ? ": " : "", message);
}

static bool is_set(const struct block *block, const char *option)
{
    return (cfg_getopt(block->cfg, option)->flags & CFGF_MODIFIED) != 0;
}

static bool check_string(const struct block *block, const char *option, const char *text)
{
    if (strlen(text) > STRING_MAX)
        return fail(block, option, "a string is longer than %d bytes", STRING_MAX);
    if (slice_has_control(slice_of(text)))
        return fail(block, option, "a string holds control characters");
    return true;
}

/* A copy of the string, or NULL when the option is not set. */
static bool get_string(const struct block *block, const char *option, char **ret)
{
    const char *text = is_set(block, option) ? cfg_getstr(block->cfg, option) : NULL;

    if (text == NULL)
        return true;
    if (!check_string(block, option, text))
        return false;
    *ret = strdup(text);
    return *ret != NULL || out_of_memory(block->parse);
}

static bool get_list(const struct block *block, const char *option, struct string_list *ret)
{
    unsigned count = cfg_size(block->cfg, option), i;

    if (!is_set(block, option) || count == 0)
        return true;
    ret->items = calloc(count, sizeof *ret->items);
    if (ret->items == NULL)
        return out_of_memory(block->parse);
    for (i = 0; i < count; i++) {
        const char *text = cfg_getnstr(block->cfg, option, i);

        if (!check_string(block, option, text))
            return false;
        if (text[0] == '\0')
            return fail(block, option, "an empty string in the list");
        ret->items[i] = strdup(text);
        if (ret->items[i] == NULL)
            return out_of_memory(block->parse);
        ret->count++;
    }
    return true;
}

static bool get_integer(const struct block *block, const char *option, long min, long max, int64_t *ret)
{
    long value = is_set(block, option) ? cfg_getint(block->cfg, option) : (long)*ret;

    if (is_set(block, option) && (value < min || value > max))
        return fail(block, option, "%ld is not from %ld to %ld", value, min, max);
    *ret = value;
    return true;
}

__attribute__((format(printf, 3, 4))) static bool set_default(const struct block *block, char **string,
                                                              const char *format, ...)
{
    va_list arguments;
    int len;

    if (*string != NULL)
        return true;
    va_start(arguments, format);
    len = vasprintf(string, format, arguments);
    va_end(arguments);
    if (len < 0)
        *string = NULL;
    return len >= 0 || out_of_memory(block->parse);
}

/* "" stands for "do not check"; in struct config that is NULL. */
static bool empty_is_null(char **string)
{
    if (*string != NULL && (*string)[0] == '\0') {
        free(*string);
        *string = NULL;
        return true;
    }
    return false;
}

static bool check_path(const struct block *block, const char *option, const char *path)
{
    return path == NULL || path[0] == '/' || fail(block, option, "\"%s\" is no absolute path", path);
}

/* The id becomes part of addresses, of a file name and of a claim. */
static bool is_plain_id(const char *id)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    return id[0] != '\0' && id[0] != '.' && id[strspn(id, plain)] == '\0';
}

static bool read_id(const struct block *block, struct tenant *tenant)
{
    const char *id = cfg_title(block->cfg);

    if (!check_string(block, "", id))
        return false;
    if (!is_plain_id(id) || strlen(id) > TENANT_ID_MAX)
        return fail(block, "", "the id is not 1 to %d of [A-Za-z0-9._-], or begins with a dot", TENANT_ID_MAX);
    tenant->id = strdup(id);
    tenant->claims.tenant_id = strdup(id);
    return (tenant->id != NULL && tenant->claims.tenant_id != NULL) || out_of_memory(block->parse);
}

/* https only: whoever owns the network would own the keys otherwise. */
static bool check_url(const struct block *block, const char *option, const char *url)
{
    static const char scheme[] = "https://";

    if (url == NULL)
        return true;
    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return fail(block, option, "\"%s\" does not begin with https://", url);
    if (url[strcspn(url, "?#@ \\")] != '\0' || url[sizeof scheme - 1] == '/' || url[sizeof scheme - 1] == '\0')
        return fail(block, option, "\"%s\" has no host, or a user, query, fragment, blank or backslash", url);
    return true;
}

static bool read_url(const struct block *block, struct tenant *tenant)
{
    size_t len;

    if (!get_string(block, "url", &tenant->url) || !check_url(block, "url", tenant->url))
        return false;
    len = tenant->url != NULL ? strlen(tenant->url) : 0;
    if (len > 0 && tenant->url[len - 1] == '/')
        tenant->url[len - 1] = '\0';
    if (!get_string(block, "discovery", &tenant->discovery) || !check_url(block, "discovery", tenant->discovery))
        return false;
    return tenant->url == NULL
        || set_default(block, &tenant->discovery, "%s/tenant/%s/v2.0/Auth/.well-known/openid-configuration",
                       tenant->url, tenant->id);
}

static bool read_keys(const struct block *block, struct tenant *tenant)
{
    if (!get_string(block, "keys", &tenant->keys_path) || !check_path(block, "keys", tenant->keys_path)
        || !get_string(block, "hmac_secret_file", &tenant->secret_path)
        || !check_path(block, "hmac_secret_file", tenant->secret_path))
        return false;
    if (tenant->keys_path != NULL && tenant->secret_path != NULL)
        return fail(block, "hmac_secret_file", "a tenant has either a secret or public keys, and keys is set too");
    if (tenant->secret_path != NULL)
        return true;
    if (tenant->url == NULL && tenant->keys_path == NULL)
        return fail(block, "", "without url, keys or hmac_secret_file must be set");
    return set_default(block, &tenant->keys_path, CONFIG_KEYS_DIRECTORY "/%s.jwks", tenant->id);
}

static bool read_algorithms(const struct block *block, struct tenant *tenant)
{
    static const char *const public_defaults[] = { "RS256", "ES256" }, *const secret_defaults[] = { "HS256" };
    const bool has_secret = tenant->secret_path != NULL;
    const char *const *defaults = has_secret ? secret_defaults : public_defaults;
    unsigned count = is_set(block, "algorithms") ? cfg_size(block->cfg, "algorithms") : (has_secret ? 1 : 2), i;

    if (count == 0)
        return fail(block, "algorithms", "the list is empty, so that no token could be accepted");
    for (i = 0; i < count; i++) {
        const char *name = is_set(block, "algorithms") ? cfg_getnstr(block->cfg, "algorithms", i) : defaults[i];
        const struct algorithm *algorithm = algorithm_find(slice_of(name));

        if (algorithm == NULL)
            return fail(block, "algorithms", "\"%s\" is no algorithm", name);
        if ((algorithm->key_type == KEY_OCT) != has_secret)
            return fail(block, "algorithms",
                        has_secret ? "\"%s\" needs public keys, and the tenant has a secret"
                                   : "\"%s\" needs hmac_secret_file",
                        name);
        tenant->algorithms[algorithm_row(algorithm)] = true;
    }
    return true;
}

static bool read_binding(const struct block *block, struct tenant *tenant)
{
    struct claims_policy *claims = &tenant->claims;
    bool issuer_is_waived, audience_is_waived;

    if (!get_string(block, "tenant_claim", &claims->tenant_claim)
        || !set_default(block, &claims->tenant_claim, "%s", TENANT_CLAIM_DEFAULT)
        || !get_string(block, "issuer", &claims->issuer) || !get_list(block, "audience", &claims->audiences))
        return false;
    empty_is_null(&claims->tenant_claim);
    issuer_is_waived = empty_is_null(&claims->issuer);
    audience_is_waived = is_set(block, "audience") && claims->audiences.count == 0;
    if (claims->tenant_claim == NULL && issuer_is_waived)
        return fail(block, "issuer", "it can be waived only while a tenant_claim binds the token");
    if (claims->tenant_claim == NULL && audience_is_waived)
        return fail(block, "audience", "it can be waived only while a tenant_claim binds the token");
    if (claims->issuer == NULL && !issuer_is_waived && tenant->url == NULL)
        return fail(block, "issuer", "without url, it must be set");
    if (!issuer_is_waived && tenant->url != NULL
        && !set_default(block, &claims->issuer, "%s/tenant/%s/v2.0/Auth", tenant->url, tenant->id))
        return false;
    if (audience_is_waived || claims->audiences.count > 0)
        return true;
    claims->audiences.items = calloc(1, sizeof *claims->audiences.items);
    if (claims->audiences.items == NULL || (claims->audiences.items[0] = strdup(tenant->id)) == NULL)
        return out_of_memory(block->parse);
    claims->audiences.count = 1;
    return true;
}

/* A required list that is empty would be a check that silently is none. */
static bool get_demand(const struct block *block, const char *option, struct string_list *ret)
{
    if (is_set(block, option) && cfg_size(block->cfg, option) == 0)
        return fail(block, option, "the list is empty; leave the option out when nothing is demanded");
    return get_list(block, option, ret);
}

static bool get_name(const struct block *block, const char *option, char **ret, const char *fallback)
{
    if (!get_string(block, option, ret))
        return false;
    if (*ret != NULL && (*ret)[0] == '\0')
        return fail(block, option, "it is empty");
    return fallback == NULL || set_default(block, ret, "%s", fallback);
}

static bool read_tenant(const struct block *block, struct tenant *tenant)
{
    struct claims_policy *claims = &tenant->claims;

    claims->leeway = 30;
    return read_id(block, tenant) && read_url(block, tenant) && read_keys(block, tenant)
        && read_algorithms(block, tenant) && read_binding(block, tenant)
        && get_integer(block, "leeway", 0, CLAIMS_LEEWAY_MAX, &claims->leeway)
        && get_name(block, "type", &tenant->type, NULL) && get_demand(block, "azp", &claims->parties)
        && get_demand(block, "scope", &claims->scopes)
        && get_name(block, "subject_claim", &claims->subject_claim, "sub")
        && get_name(block, "groups_claim", &claims->groups_claim, "groups");
}

/* Could one token be claimed by both? Then neither is the tenant that it meets. */
static bool tenants_overlap(const struct tenant *a, const struct tenant *b)
{
    if (a->claims.tenant_claim != NULL || b->claims.tenant_claim != NULL)
        return false; /* the ids differ: titles are unique */
    return a->claims.issuer != NULL && b->claims.issuer != NULL && strcmp(a->claims.issuer, b->claims.issuer) == 0;
}

static bool check_tenant(const struct block *block, size_t index)
{
    const struct config *config = block->parse->config;
    size_t i;

    for (i = 0; i < index; i++)
        if (tenants_overlap(&config->tenants[i], &config->tenants[index]))
            return fail(block, "issuer", "tenant \"%s\" has the same, and neither has a tenant_claim",
                        config->tenants[i].id);
    return true;
}

static bool read_user(const struct block *block, struct user_block *user)
{
    const char *name = cfg_title(block->cfg);

    if (!identity_is_valid_name(slice_of(name)))
        return fail(block, "", "it is no valid user name");
    user->name = strdup(name);
    user->api_key = is_set(block, "api_key") && cfg_getbool(block->cfg, "api_key") == cfg_true;
    return (user->name != NULL || out_of_memory(block->parse)) && get_list(block, "sub", &user->subjects);
}

static bool read_map(const struct block *block, struct map_block *map)
{
    size_t len;
    int error;

    if (!is_set(block, "claim") || !is_set(block, "pattern"))
        return fail(block, "", "claim and pattern must be set");
    if (!get_name(block, "claim", &map->claim, NULL) || !get_string(block, "pattern", &map->pattern))
        return false;
    len = strlen(map->pattern);
    if (len < 2 || map->pattern[0] != '^' || map->pattern[len - 1] != '$' || map->pattern[len - 2] == '\\')
        return fail(block, "pattern", "it does not begin with ^ and end with $");
    error = regcomp(&map->regex, map->pattern, REG_EXTENDED);
    if (error != 0) {
        char message[EVIDENCE_MAX / 2];

        regerror(error, &map->regex, message, sizeof message);
        free(map->pattern); /* regcomp() failed: there is nothing for regfree() */
        map->pattern = NULL;
        return fail(block, "pattern", "%s", message);
    }
    return map->regex.re_nsub > 0 || fail(block, "pattern", "it has no group ( ) whose match is the user");
}

static bool read_group(const struct block *block, struct group_block *group)
{
    const char *name = cfg_title(block->cfg);

    if (!identity_is_valid_name(slice_of(name)))
        return fail(block, "", "it is no valid group name");
    group->name = strdup(name);
    group->session = is_set(block, "session") && cfg_getbool(block->cfg, "session") == cfg_true;
    if (group->name == NULL)
        return out_of_memory(block->parse);
    if (group->session && strcmp(name, "root") == 0)
        return fail(block, "session", "gid 0 is never given for a session");
    return get_list(block, "claim", &group->values);
}

static bool read_credentials(const struct block *block, unsigned *ret)
{
    unsigned i;

    if (!is_set(block, "credentials"))
        return true;
    *ret = 0;
    for (i = 0; i < cfg_size(block->cfg, "credentials"); i++) {
        const char *name = cfg_getnstr(block->cfg, "credentials", i);

        if (strcmp(name, "jwt") == 0)
            *ret |= CREDENTIALS_JWT;
        else if (strcmp(name, "api_key") == 0)
            *ret |= CREDENTIALS_API_KEY;
        else
            return fail(block, "credentials", "\"%s\" is neither jwt nor api_key", name);
    }
    return *ret != 0 || fail(block, "credentials", "the list is empty, so that no login could succeed");
}

static bool check_groups(const struct block *block, const struct string_list *names)
{
    const struct identity_rules *rules = &block->parse->config->identity;
    size_t i, j;

    for (i = 0; i < names->count; i++) {
        for (j = 0; j < rules->group_count && strcmp(rules->groups[j].name, names->items[i]) != 0; j++)
            ;
        if (j == rules->group_count)
            return fail(block, "require_group", "there is no block group \"%s\"", names->items[i]);
    }
    return true;
}

static bool copy_list(const struct block *block, const struct string_list *from, struct string_list *ret)
{
    ret->items = from->count > 0 ? calloc(from->count, sizeof *ret->items) : NULL;
    if (from->count > 0 && ret->items == NULL)
        return out_of_memory(block->parse);
    for (; ret->count < from->count; ret->count++)
        if ((ret->items[ret->count] = strdup(from->items[ret->count])) == NULL)
            return out_of_memory(block->parse);
    return true;
}

/* What the block leaves out comes from `base`. */
static bool read_service(const struct block *block, const struct service_rules *base, struct service_rules *service)
{
    const char *name = cfg_title(block->cfg);

    if (!check_string(block, "", name))
        return false;
    if (name[0] == '\0')
        return fail(block, "", "it has no name");
    service->name = strdup(name);
    if (service->name == NULL)
        return out_of_memory(block->parse);
    service->credentials = base->credentials;
    service->max_age = base->max_age;
    return read_credentials(block, &service->credentials)
        && get_integer(block, "max_age", 1, MAX_AGE_MAX, &service->max_age)
        && (is_set(block, "require_group") ? get_list(block, "require_group", &service->require_group)
                                           : copy_list(block, &base->require_group, &service->require_group))
        && check_groups(block, &service->require_group);
}

static struct block block_at(struct parse *parse, const char *name, unsigned ordinal)
{
    return (struct block){ parse, name, ordinal, cfg_getnsec(parse->cfg, name, ordinal) };
}

/* Room for as many as the text has; *ret_count counts up as they are read, so that a failure frees what there is. */
static bool make_room(struct parse *parse, const char *name, size_t size, unsigned max, unsigned *ret_count, void *ret)
{
    unsigned count = cfg_size(parse->cfg, name);
    void *room = calloc(count > 0 ? count : 1, size);

    if (room == NULL)
        return out_of_memory(parse);
    memcpy(ret, &room, sizeof room);
    if (count > max)
        return fail_at(parse, line_of(parse, name, max, ""), "more than %u %s blocks", max, name);
    *ret_count = count;
    return true;
}

static bool read_tenants(struct parse *parse)
{
    struct config *config = parse->config;
    unsigned count, i;

    if (!make_room(parse, "tenant", sizeof *config->tenants, CONFIG_TENANTS_MAX, &count, &config->tenants))
        return false;
    if (count == 0)
        return fail_at(parse, 1, "there is no tenant block, so that no token could be accepted");
    for (i = 0; i < count; i++) {
        struct block block = block_at(parse, "tenant", i);

        config->tenant_count++;
        if (!read_tenant(&block, &config->tenants[i]) || !check_tenant(&block, i))
            return false;
    }
    return true;
}

static bool read_identity(struct parse *parse)
{
    struct identity_rules *rules = &parse->config->identity;
    unsigned users, maps, groups, i;
    struct block block;

    if (!make_room(parse, "user", sizeof *rules->users, UINT32_MAX, &users, &rules->users)
        || !make_room(parse, "map", sizeof *rules->maps, UINT32_MAX, &maps, &rules->maps)
        || !make_room(parse, "group", sizeof *rules->groups, IDENTITY_GROUPS_MAX, &groups, &rules->groups))
        return false;
    for (i = 0; i < users; i++) {
        block = block_at(parse, "user", i);
        if (!read_user(&block, &rules->users[rules->user_count++]))
            return false;
    }
    for (i = 0; i < maps; i++) {
        block = block_at(parse, "map", i);
        if (!read_map(&block, &rules->maps[rules->map_count++]))
            return false;
    }
    for (i = 0; i < groups; i++) {
        block = block_at(parse, "group", i);
        if (!read_group(&block, &rules->groups[rules->group_count++]))
            return false;
    }
    return true;
}

/* First the block "*", since the others inherit from it wherever it stands. */
static bool read_services(struct parse *parse)
{
    const struct service_rules built_in = { .name = NULL, .credentials = CREDENTIALS_JWT };
    struct config *config = parse->config;
    struct block block;
    unsigned count, i;

    if (!make_room(parse, "service", sizeof *config->services, UINT32_MAX, &count, &config->services))
        return false;
    for (i = 0; i < count; i++) {
        block = block_at(parse, "service", i);
        if (strcmp(cfg_title(block.cfg), "*") == 0 && !read_service(&block, &built_in, &config->default_service))
            return false;
    }
    if (config->default_service.name == NULL) {
        config->default_service.credentials = built_in.credentials;
        config->default_service.name = strdup("*");
        if (config->default_service.name == NULL)
            return out_of_memory(parse);
    }
    for (i = 0; i < count; i++) {
        block = block_at(parse, "service", i);
        if (strcmp(cfg_title(block.cfg), "*") != 0
            && !read_service(&block, &config->default_service, &config->services[config->service_count++]))
            return false;
    }
    return true;
}

static bool read_revocation_path(struct parse *parse)
{
    const struct block top = { parse, "", 0, parse->cfg };
    struct config *config = parse->config;

    config->revocation_is_required = is_set(&top, "revocation_list");
    return get_string(&top, "revocation_list", &config->revocation_path)
        && set_default(&top, &config->revocation_path, "%s", CONFIG_REVOCATION_DEFAULT)
        && check_path(&top, "revocation_list", config->revocation_path);
}

static bool read_all(struct parse *parse, struct slice text)
{
    bool parsed;

    if (!scan_text(parse, text))
        return false;
    pthread_mutex_lock(&confuse_lock);
    parsed = run_confuse(parse, text);
    pthread_mutex_unlock(&confuse_lock);
    return parsed && read_revocation_path(parse) && read_tenants(parse) && read_identity(parse) && read_services(parse);
}

bool config_file_parse(struct verdict *verdict, const char *path, struct slice text, struct config *ret_config)
{
    struct parse parse = { .verdict = verdict, .path = path, .config = ret_config };
    bool ok;

    *ret_config = (struct config){ .path = strdup(path) };
    ok = ret_config->path != NULL ? read_all(&parse, text) : out_of_memory(&parse);
    cfg_free(parse.cfg);
    free(parse.outline.mentions);
    if (!ok)
        config_file_clear(ret_config);
    return ok;
}

static void list_clear(struct string_list *list)
{
    size_t i;

    for (i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
}

static void tenant_clear(struct tenant *tenant)
{
    struct claims_policy *claims = &tenant->claims;

    free(tenant->id);
    free(tenant->url);
    free(tenant->discovery);
    free(tenant->keys_path);
    free(tenant->secret_path);
    free(tenant->type);
    free(claims->tenant_id);
    free(claims->tenant_claim);
    free(claims->issuer);
    free(claims->subject_claim);
    free(claims->groups_claim);
    list_clear(&claims->audiences);
    list_clear(&claims->parties);
    list_clear(&claims->scopes);
    jwks_free(&tenant->jwks);
}

static void service_clear(struct service_rules *service)
{
    free(service->name);
    list_clear(&service->require_group);
}

static void identity_clear(struct identity_rules *rules)
{
    size_t i;

    for (i = 0; i < rules->user_count; i++) {
        free(rules->users[i].name);
        list_clear(&rules->users[i].subjects);
    }
    for (i = 0; i < rules->map_count; i++) {
        if (rules->maps[i].pattern != NULL)
            regfree(&rules->maps[i].regex);
        free(rules->maps[i].pattern);
        free(rules->maps[i].claim);
    }
    for (i = 0; i < rules->group_count; i++) {
        free(rules->groups[i].name);
        list_clear(&rules->groups[i].values);
    }
    free(rules->users);
    free(rules->maps);
    free(rules->groups);
}

void config_file_clear(struct config *config)
{
    size_t i;

    for (i = 0; i < config->tenant_count; i++)
        tenant_clear(&config->tenants[i]);
    for (i = 0; i < config->service_count; i++)
        service_clear(&config->services[i]);
    service_clear(&config->default_service);
    identity_clear(&config->identity);
    revocation_free(&config->revocation);
    free(config->tenants);
    free(config->services);
    free(config->revocation_path);
    free(config->path);
    *config = (struct config){ .path = NULL };
}
