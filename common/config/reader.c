#include "config/reader.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <confuse.h>

#include "base/cleanup.h"
#include "base/fork_lock.h"
#include "base/text.h"

#define STRING_MAX       1024 /* bytes of any one string */
#define BLOCKS_MAX       8192 /* libConfuse looks through all titles for each new one, and spends 4 KiB on a block */
#define KEYS_MAX_AGE_MIN 60   /* s */
#define MAX_AGE_MAX      (10 * 366 * 86400L)
#define TENANT_ID_MAX    (FACT_MAX - 1)
#define LEEWAY           30 /* s */

/* RFC 3986 §2.3, and what base64 adds to it: no mark that a header or a JSON text would have to escape. */
#define API_KEY_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="
#define API_KEY_MIN        16  /* bytes */
#define API_KEY_MAX        512 /* bytes */

static const struct latchkeyd_options latchkeyd_defaults = {
    .saslauthd_mode = 0660,
    .timeout = 5,
    .peer_rate = 200,
    .rate = 400,
    .refresh = 3600,
};

#define TENANT_CLAIM_DEFAULT "https://agglestone.com/tenantId"

/*
 * Every option has one row: its block, its name, its type. The rows make libConfuse's tables, and latchkey.conf(5) is
 * held against them. Numbers and booleans are strings to libConfuse, which would take 010 for 8 and "" for 0.
 */
enum option_type { TYPE_STRING, TYPE_LIST };

/* clang-format off */
#define TOP_OPTIONS(X) \
    X("revocation_list",             TYPE_STRING)
#define BLOCK_OPTIONS(X) \
    X("tenant",  "url",              TYPE_STRING) \
    X("tenant",  "issuer",           TYPE_STRING) \
    X("tenant",  "audience",         TYPE_LIST) \
    X("tenant",  "keys",             TYPE_STRING) \
    X("tenant",  "discovery",        TYPE_STRING) \
    X("tenant",  "algorithms",       TYPE_LIST) \
    X("tenant",  "tenant_claim",     TYPE_STRING) \
    X("tenant",  "leeway",           TYPE_STRING) \
    X("tenant",  "keys_max_age",     TYPE_STRING) \
    X("tenant",  "hmac_secret_file", TYPE_STRING) \
    X("tenant",  "type",             TYPE_STRING) \
    X("tenant",  "azp",              TYPE_LIST) \
    X("tenant",  "scope",            TYPE_LIST) \
    X("tenant",  "subject_claim",    TYPE_STRING) \
    X("tenant",  "groups_claim",     TYPE_STRING) \
    X("tenant",  "ca_file",          TYPE_STRING) \
    X("tenant",  "api_key_characters", TYPE_STRING) \
    X("tenant",  "api_key_min",      TYPE_STRING) \
    X("tenant",  "api_key_max",      TYPE_STRING) \
    X("user",    "tenant",           TYPE_LIST) \
    X("user",    "sub",              TYPE_LIST) \
    X("user",    "api_key",          TYPE_STRING) \
    X("map",     "tenant",           TYPE_LIST) \
    X("map",     "claim",            TYPE_STRING) \
    X("map",     "pattern",          TYPE_STRING) \
    X("group",   "tenant",           TYPE_LIST) \
    X("group",   "claim",            TYPE_LIST) \
    X("group",   "session",          TYPE_STRING) \
    X("service", "credentials",      TYPE_LIST) \
    X("service", "require_group",    TYPE_LIST) \
    X("service", "max_age",          TYPE_STRING) \
    X("service", "realm",            TYPE_LIST) \
    X("service", "allow_authzid",    TYPE_LIST) \
    X("latchkeyd",  "socket",           TYPE_LIST) \
    X("latchkeyd",  "saslauthd_socket", TYPE_LIST) \
    X("latchkeyd",  "saslauthd_mode",   TYPE_STRING) \
    X("latchkeyd",  "saslauthd_group",  TYPE_STRING) \
    X("latchkeyd",  "program",          TYPE_STRING) \
    X("latchkeyd",  "user",             TYPE_STRING) \
    X("latchkeyd",  "allow",            TYPE_LIST) \
    X("latchkeyd",  "timeout",          TYPE_STRING) \
    X("latchkeyd",  "api_key_cache",    TYPE_STRING) \
    X("latchkeyd",  "peer_rate",        TYPE_STRING) \
    X("latchkeyd",  "rate",             TYPE_STRING) \
    X("latchkeyd",  "refresh",          TYPE_STRING)
#define BLOCKS(X) X("tenant") X("user") X("map") X("group") X("service") X("latchkeyd")

#define TOP(name, type)          { "", name, type },
#define IN_BLOCK(block, name, type) { block, name, type },
static const struct option_row {
    const char *block; /* "": outside of blocks */
    const char *name;
    enum option_type type;
} option_rows[] = { TOP_OPTIONS(TOP) BLOCK_OPTIONS(IN_BLOCK) };
#undef TOP
#undef IN_BLOCK

#define NAME(name) name,
static const char *const block_names[] = { BLOCKS(NAME) };
#define TOP(name, type)             name,
#define IN_BLOCK(block, name, type) block "." name,
static const char *const full_names[] = { TOP_OPTIONS(TOP) BLOCKS(NAME) BLOCK_OPTIONS(IN_BLOCK) NULL };
#undef TOP
#undef IN_BLOCK
#undef NAME
/* clang-format on */
#define OPTION_COUNT (sizeof option_rows / sizeof option_rows[0])
#define BLOCK_COUNT  (sizeof block_names / sizeof block_names[0])

const char *const *config_option_names(void)
{
    return full_names;
}

/*
 * The outline of a text: on which line each block and each option stands. It is what the messages of the checks after
 * the parse name, and where a second mention of an option shows.
 */
struct mention {
    struct slice block;  /* lent by the parse's text; empty outside of blocks */
    unsigned ordinal;    /* the how-manieth block of that name, from 0 */
    struct slice option; /* empty for the block itself */
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
    char *text; /* a copy, in which comments become blanks */
    size_t len;
    struct outline outline;
    size_t block_count;
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
        if (outline->mentions[i].ordinal == ordinal && slice_equal_string(outline->mentions[i].block, block)
            && slice_equal_string(outline->mentions[i].option, option))
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
    size_t at;
    int line;
    struct slice name; /* the first word since the last option or block ended: an option's or a block's name */
    int name_line;
    bool after_equals;
    bool in_list;
    struct slice block;
    unsigned ordinal;
    unsigned seen[BLOCK_COUNT];
};

/* Backwards from the end to where the block began: a file of ten thousand users is still read in no time. */
static bool is_mentioned(const struct scan *scan, struct slice option)
{
    size_t i;

    for (i = scan->parse->outline.count; i > 0; i--) {
        const struct mention *mention = &scan->parse->outline.mentions[i - 1];

        if (mention->ordinal != scan->ordinal || !slice_equal(mention->block, scan->block))
            continue;
        if (mention->option.len == 0)
            return false;
        if (slice_equal(mention->option, option))
            return true;
    }
    return false;
}

static bool add_mention(struct scan *scan, struct slice option, int line)
{
    struct outline *outline = &scan->parse->outline;
    struct mention *larger;

    if (option.len > 0 && is_mentioned(scan, option))
        return fail_at(scan->parse, line, "%.*s stands twice in one block", SLICE_ARG(option));
    larger = realloc(outline->mentions, (outline->count + 1) * sizeof *larger);
    if (larger == NULL)
        return out_of_memory(scan->parse);
    outline->mentions = larger;
    larger[outline->count++] = (struct mention){ scan->block, scan->ordinal, option, line };
    return true;
}

static char peek(const struct scan *scan, size_t ahead)
{
    return scan->at + ahead < scan->parse->len ? scan->parse->text[scan->at + ahead] : '\0';
}

/* A comment becomes blanks, line ends stay: libConfuse miscounts the lines of comments. */
static void blank(struct scan *scan)
{
    if (peek(scan, 0) == '\n')
        scan->line++;
    else
        scan->parse->text[scan->at] = ' ';
    scan->at++;
}

static void skip_line(struct scan *scan)
{
    while (scan->at < scan->parse->len && peek(scan, 0) != '\n')
        blank(scan);
}

static bool skip_block_comment(struct scan *scan)
{
    int begin = scan->line;

    blank(scan);
    for (blank(scan); scan->at < scan->parse->len; blank(scan)) {
        if (peek(scan, 0) != '*' || peek(scan, 1) != '/')
            continue;
        blank(scan);
        blank(scan);
        return true;
    }
    return fail_at(scan->parse, begin, "a comment has no end");
}

static bool refuse_expansion(struct scan *scan)
{
    return fail_at(scan->parse, scan->line, "\"${\" would be replaced from the environment, which is not trusted");
}

/* An option's value is complete: what follows is another option, or the end of the block. */
static void end_option(struct scan *scan)
{
    scan->after_equals = scan->in_list = false;
    scan->name = (struct slice){ NULL, 0 };
}

/* A string stands on one line, is UTF-8, holds no "${", and in double quotes no escape but \\ and \". */
static bool skip_string(struct scan *scan)
{
    char quote = peek(scan, 0);
    size_t begin = scan->at + 1;

    for (scan->at++; scan->at < scan->parse->len; scan->at++) {
        char c = peek(scan, 0), next = peek(scan, 1);

        if (c == '$' && next == '{')
            return refuse_expansion(scan);
        if (c == '\n')
            break;
        if (c == '\\' && quote == '"' && next != '\\' && next != '"')
            return fail_at(scan->parse, scan->line, "a backslash in double quotes is written \\\\");
        if (c == '\\' && (next == '\\' || next == quote)) {
            scan->at++;
        } else if (c == quote) {
            scan->at++;
            return text_is_utf8((struct slice){ scan->parse->text + begin, scan->at - 1 - begin })
                || fail_at(scan->parse, scan->line, "a string is not UTF-8");
        }
    }
    return fail_at(scan->parse, scan->line, "a string has no end on its line");
}

static bool scan_string(struct scan *scan)
{
    if (!skip_string(scan))
        return false;
    if (scan->in_list)
        return true;
    if (scan->after_equals)
        end_option(scan);
    else if (scan->name.len == 0)
        return fail_at(scan->parse, scan->line, "the name of an option or a block stands without quotes");
    return true;
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static void scan_word(struct scan *scan)
{
    struct slice word = { scan->parse->text + scan->at, 0 };

    while (is_word_char(peek(scan, 0)))
        scan->at++, word.len++;
    if (scan->in_list)
        return;
    if (scan->after_equals) {
        end_option(scan);
    } else if (scan->name.len == 0) {
        scan->name = word;
        scan->name_line = scan->line;
    }
}

static bool begin_block(struct scan *scan)
{
    size_t i;

    scan->block = scan->name;
    scan->ordinal = 0;
    for (i = 0; i < BLOCK_COUNT; i++)
        if (slice_equal_string(scan->block, block_names[i]))
            scan->ordinal = scan->seen[i]++;
    if (slice_equal_string(scan->block, "broker"))
        return fail_at(scan->parse, scan->name_line, "the block \"broker\" is now named \"latchkeyd\"");
    scan->name = (struct slice){ NULL, 0 };
    if (++scan->parse->block_count > BLOCKS_MAX)
        return fail_at(scan->parse, scan->line, "more than %d blocks", BLOCKS_MAX);
    return add_mention(scan, scan->name, scan->line);
}

static bool scan_mark(struct scan *scan, char c)
{
    scan->at++;
    switch (c) {
    case '\n':
        scan->line++;
        return true;
    case '=':
        scan->after_equals = true;
        return add_mention(scan, scan->name, scan->name_line);
    case '{':
        if (!scan->after_equals)
            return begin_block(scan);
        scan->in_list = true;
        return true;
    case '}':
        if (!scan->in_list) {
            scan->block = (struct slice){ NULL, 0 };
            scan->ordinal = 0;
        }
        end_option(scan);
        return true;
    default:
        return true;
    }
}

/* One step of the scan; a comment begins only where a token could. */
static bool scan_next(struct scan *scan)
{
    char c = peek(scan, 0);

    if (c == '$' && peek(scan, 1) == '{')
        return refuse_expansion(scan);
    if (c == '#' || (c == '/' && peek(scan, 1) == '/')) {
        skip_line(scan);
        return true;
    }
    if (c == '/' && peek(scan, 1) == '*')
        return skip_block_comment(scan);
    if (c == '"' || c == '\'')
        return scan_string(scan);
    if (is_word_char(c)) {
        scan_word(scan);
        return true;
    }
    /* Outside of strings nothing else has a meaning, and what libConfuse would make of it need not be known. */
    if (strchr(" \t\r\n={},", c) == NULL)
        return fail_at(scan->parse, scan->line, "the character '%c' stands outside of a string", c);
    return scan_mark(scan, c);
}

static bool scan_text(struct parse *parse)
{
    struct scan scan = { .parse = parse, .line = 1 };
    const char *nul = memchr(parse->text, '\0', parse->len);
    const char *at;

    /* Everything after this may be a C string. */
    if (nul != NULL) {
        for (at = parse->text; at < nul; at++)
            scan.line += *at == '\n';
        return fail_at(parse, scan.line, "a NUL byte");
    }
    while (scan.at < parse->len)
        if (!scan_next(&scan))
            return false;
    /* libConfuse takes the end of the text for the end of the blocks that are open. */
    if (scan.block.len > 0 || scan.in_list)
        return fail_at(parse, scan.line, "a block or a list has no end");
    return true;
}

/* libConfuse tells its errors to a function without a context; the lock makes the current parse a single one. */
static pthread_mutex_t confuse_lock = PTHREAD_MUTEX_INITIALIZER;
static struct parse *confuse_parse;

/* Inside the fork lock: a scanner that another thread had in hand would stay so for ever in a child, too. */
static void lock_confuse(void)
{
    fork_lock_enter();
    pthread_mutex_lock(&confuse_lock);
}

static void unlock_confuse(void)
{
    pthread_mutex_unlock(&confuse_lock);
    fork_lock_leave();
}

__attribute__((format(printf, 2, 0))) static void confuse_error(cfg_t *cfg, const char *format, va_list arguments)
{
    char message[EVIDENCE_MAX];

    vsnprintf(message, sizeof message, format, arguments);
    fail_at(confuse_parse, cfg->line, "%s", message);
}

static cfg_opt_t make_option(const struct option_row *row)
{
    return row->type == TYPE_LIST ? (cfg_opt_t)CFG_STR_LIST(row->name, NULL, CFGF_NODEFAULT)
                                  : (cfg_opt_t)CFG_STR(row->name, NULL, CFGF_NODEFAULT);
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

/*
 * libConfuse and its scanner abort() or exit() when memory is short. It is asked for beforehand, all at once: what a
 * block's tables, a few copies of the text and the scanner's buffers take.
 */
static bool memory_suffices(const struct parse *parse)
{
    void *room = malloc((parse->block_count + 1) * 8192 + parse->len * 32 + 131072);
    bool suffices = room != NULL;

    free(room);
    return suffices;
}

static bool run_confuse(struct parse *parse)
{
    /* The tables of the blocks one after the other, and last the one that lists the blocks. */
    cfg_opt_t rows[OPTION_COUNT + 2 * BLOCK_COUNT + 1], *tables[BLOCK_COUNT], *top, *next = rows;
    FILE *file;
    size_t i;
    bool ok;

    if (!memory_suffices(parse))
        return out_of_memory(parse);
    for (i = 0; i < BLOCK_COUNT; i++) {
        tables[i] = next;
        next += make_options(block_names[i], next);
        *next++ = (cfg_opt_t)CFG_END();
    }
    top = next;
    next += make_options("", next);
    for (i = 0; i < BLOCK_COUNT; i++) {
        bool has_title = strcmp(block_names[i], "map") != 0 && strcmp(block_names[i], "latchkeyd") != 0;
        cfg_flag_t title = has_title ? CFGF_TITLE | CFGF_NO_TITLE_DUPES : CFGF_NONE;

        *next++ = (cfg_opt_t)CFG_SEC(block_names[i], tables[i], CFGF_MULTI | title);
    }
    *next = (cfg_opt_t)CFG_END();
    parse->cfg = cfg_init(top, CFGF_NONE);
    if (parse->cfg == NULL)
        return out_of_memory(parse);
    if (parse->len == 0)
        return true; /* fmemopen(3): some refuse a size of 0 */
    file = fmemopen(parse->text, parse->len, "r");
    if (file == NULL)
        return out_of_memory(parse);
    cfg_set_error_function(parse->cfg, confuse_error);
    confuse_parse = parse;
    ok = cfg_parse_fp(parse->cfg, file) == CFG_SUCCESS;
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
    if (text_has_control(slice_of(text)))
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
    const char *text = is_set(block, option) ? cfg_getstr(block->cfg, option) : NULL;
    long value = 0;
    size_t i;

    if (text == NULL)
        return true;
    for (i = 0; text[i] >= '0' && text[i] <= '9' && value <= max; i++)
        value = value * 10 + (text[i] - '0');
    /* 010 is ten to some and eight to others. */
    if (i == 0 || (text[i] != '\0' && value <= max) || (text[0] == '0' && i > 1))
        return fail(block, option, "\"%.40s\" is no decimal number", text);
    if (value < min || value > max)
        return fail(block, option, "%.40s is not from %ld to %ld", text, min, max);
    *ret = value;
    return true;
}

static bool get_boolean(const struct block *block, const char *option, bool *ret)
{
    const char *text = is_set(block, option) ? cfg_getstr(block->cfg, option) : "false";

    *ret = strcmp(text, "true") == 0;
    return *ret || strcmp(text, "false") == 0 || fail(block, option, "\"%.40s\" is neither true nor false", text);
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

static bool set_default_list(const struct block *block, struct string_list *list, const char *item)
{
    if (list->count > 0)
        return true;
    list->items = calloc(1, sizeof *list->items);
    if (list->items == NULL || (list->items[0] = strdup(item)) == NULL)
        return out_of_memory(block->parse);
    list->count = 1;
    return true;
}

static void free_string(char **string)
{
    free(*string);
    *string = NULL;
}

/* "" stands for "do not check"; in struct config that is NULL. */
static bool empty_is_null(char **string)
{
    if (*string != NULL && (*string)[0] == '\0') {
        free_string(string);
        return true;
    }
    return false;
}

static bool check_path(const struct block *block, const char *option, const char *path)
{
    return path == NULL || path[0] == '/' || fail(block, option, "\"%s\" is no absolute path", path);
}

/* With a url, the id becomes part of addresses and of a file name. */
static bool is_plain_id(const char *id)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    return id[0] != '.' && id[strspn(id, plain)] == '\0';
}

static bool read_id(const struct block *block, struct tenant *tenant)
{
    const char *id = cfg_title(block->cfg);

    if (!check_string(block, "", id))
        return false;
    if (id[0] == '\0' || strlen(id) > TENANT_ID_MAX)
        return fail(block, "", "the id is not of 1 to %d bytes", TENANT_ID_MAX);
    if (is_set(block, "url") && !is_plain_id(id))
        return fail(block, "", "with url, the id is made of [A-Za-z0-9._-] and does not begin with a dot");
    tenant->id = strdup(id);
    tenant->claims.tenant_id = strdup(id);
    return (tenant->id != NULL && tenant->claims.tenant_id != NULL) || out_of_memory(block->parse);
}

/* https only: whoever owns the network would own the keys otherwise. */
static bool check_url(const struct block *block, const char *option, const char *url)
{
    static const char scheme[] = "https://";
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/[]%!$&'()*+,;=";

    if (url == NULL)
        return true;
    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return fail(block, option, "\"%s\" does not begin with https://", url);
    if (strchr("/:", url[sizeof scheme - 1]) != NULL) /* also the end of the string */
        return fail(block, option, "\"%s\" has no host", url);
    if (url[strspn(url, legal)] != '\0')
        return fail(block, option, "\"%s\" has a user, a query, a fragment or a character that no such address has",
                    url);
    return true;
}

static bool read_url(const struct block *block, struct tenant *tenant)
{
    size_t len;

    if (!get_string(block, "url", &tenant->url) || !check_url(block, "url", tenant->url))
        return false;
    for (len = tenant->url != NULL ? strlen(tenant->url) : 0; len > 0 && tenant->url[len - 1] == '/'; len--)
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
    if (audience_is_waived)
        return true;
    return set_default_list(block, &claims->audiences, tenant->id);
}

static bool get_name(const struct block *block, const char *option, char **ret, const char *fallback)
{
    if (!get_string(block, option, ret))
        return false;
    if (*ret != NULL && (*ret)[0] == '\0')
        return fail(block, option, "it is empty");
    return fallback == NULL || set_default(block, ret, "%s", fallback);
}

/* Printable ASCII without blanks: what a header carries as it is (RFC 9110 §5.5); and nothing that the message to
 * latchkeyd would have to escape, or no such key could ever be asked about. */
static bool read_api_key_format(const struct block *block, struct tenant *tenant)
{
    const char *at;

    tenant->api_key_min = API_KEY_MIN;
    tenant->api_key_max = API_KEY_MAX;
    if (!get_name(block, "api_key_characters", &tenant->api_key_characters, API_KEY_CHARACTERS)
        || !get_integer(block, "api_key_min", 1, CONFIG_API_KEY_MAX, &tenant->api_key_min)
        || !get_integer(block, "api_key_max", 1, CONFIG_API_KEY_MAX, &tenant->api_key_max))
        return false;
    for (at = tenant->api_key_characters; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~' || *at == '"' || *at == '\\')
            return fail(block, "api_key_characters", "it holds a quotation mark, a backslash, or no printable ASCII");
    return tenant->api_key_min <= tenant->api_key_max
        || fail(block, is_set(block, "api_key_min") ? "api_key_min" : "api_key_max",
                "api_key_min is above api_key_max");
}

/* A secret comes from no provider, and so is confirmed by none. */
static bool read_keys_max_age(const struct block *block, struct tenant *tenant)
{
    return get_integer(block, "keys_max_age", KEYS_MAX_AGE_MIN, MAX_AGE_MAX, &tenant->keys_max_age)
        && (tenant->keys_max_age == 0 || tenant->keys_path != NULL
            || fail(block, "keys_max_age", "it is for key sets, and this tenant has a secret"));
}

static bool read_tenant(const struct block *block, struct tenant *tenant)
{
    struct claims_policy *claims = &tenant->claims;

    claims->leeway = LEEWAY;
    return read_id(block, tenant) && read_url(block, tenant) && read_keys(block, tenant)
        && read_algorithms(block, tenant) && read_binding(block, tenant)
        && get_integer(block, "leeway", 0, CLAIMS_LEEWAY_MAX, &claims->leeway)
        && get_name(block, "type", &tenant->type, NULL) && get_list(block, "azp", &claims->parties)
        && get_list(block, "scope", &claims->scopes) && get_name(block, "subject_claim", &claims->subject_claim, "sub")
        && get_name(block, "groups_claim", &claims->groups_claim, "groups")
        && get_string(block, "ca_file", &tenant->ca_file) && check_path(block, "ca_file", tenant->ca_file)
        && read_api_key_format(block, tenant) && read_keys_max_age(block, tenant);
}

/* Is every token of one claimed by the other, too? Then there is no tenant that it meets. */
static bool tenants_overlap(const struct tenant *a, const struct tenant *b)
{
    if (a->claims.tenant_claim != NULL && b->claims.tenant_claim != NULL)
        return false; /* the ids differ: titles are unique */
    return a->claims.issuer != NULL && b->claims.issuer != NULL && strcmp(a->claims.issuer, b->claims.issuer) == 0;
}

static bool check_tenant(const struct block *block, size_t index)
{
    const struct config *config = block->parse->config;
    size_t i;

    for (i = 0; i < index; i++)
        if (tenants_overlap(&config->tenants[i], &config->tenants[index]))
            return fail(block, "issuer", "tenant \"%s\" has the same, and not both have a tenant_claim",
                        config->tenants[i].id);
    return true;
}

/* A token's subject is never longer (claims.h), so a longer one would be a line that silently does nothing. */
static bool check_subjects(const struct block *block, const struct string_list *subjects)
{
    size_t i;

    for (i = 0; i < subjects->count; i++)
        if (strlen(subjects->items[i]) > SUBJECT_MAX)
            return fail(block, "sub", "a subject is longer than %d bytes", SUBJECT_MAX);
    return true;
}

/*
 * The tenants of a user, map or group block: each is configured. With several tenants the block must name them: one of
 * them may give a subject, an address or a group's id to another person than the others.
 */
static bool get_tenants(const struct block *block, struct string_list *ret)
{
    const struct config *config = block->parse->config;
    size_t i, j;

    if (!get_list(block, "tenant", ret))
        return false;
    if (ret->count == 0 && config->tenant_count > 1)
        return fail(block, "tenant",
                    "with %zu tenants the block must name those whose tokens it is for: add tenant = "
                    "{\"%.64s\"}, or other ids",
                    config->tenant_count, config->tenants[0].id);
    for (i = 0; i < ret->count; i++) {
        for (j = 0; j < config->tenant_count && strcmp(config->tenants[j].id, ret->items[i]) != 0; j++)
            ;
        if (j == config->tenant_count)
            return fail(block, "tenant", "there is no block tenant \"%s\"", ret->items[i]);
    }
    return true;
}

/* An API key can become anybody of its tenant: it must be plain whom it becomes, and who gets to see it. */
static bool check_exchange(const struct block *block, const struct user_block *user)
{
    if (!user->api_key)
        return true;
    if (user->subjects.count != 1)
        return fail(block, "api_key", "it needs exactly one sub, whose token the key is exchanged for");
    return config_exchange_tenant(block->parse->config, user) != NULL
        || fail(block, "api_key", "it needs exactly one tenant with a url, see the option tenant");
}

static bool read_user(const struct block *block, struct user_block *user)
{
    const char *name = cfg_title(block->cfg);

    if (!identity_is_valid_name(slice_of(name)))
        return fail(block, "", "it is no valid user name");
    user->name = strdup(name);
    return (user->name != NULL || out_of_memory(block->parse)) && get_boolean(block, "api_key", &user->api_key)
        && get_tenants(block, &user->tenants) && get_list(block, "sub", &user->subjects)
        && check_subjects(block, &user->subjects) && check_exchange(block, user);
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

static bool compile_pattern(const struct block *block, struct map_block *map)
{
    CLEANUP(free_string) char *pattern = NULL;
    const char *error;

    if (!get_string(block, "pattern", &pattern))
        return false;
    if (!is_anchored(pattern))
        return fail(block, "pattern", "it does not begin with ^ and end with $");
    if (!pattern_compile(pattern, &map->compiled, &error))
        return strcmp(error, PATTERN_MEMORY_IS_SHORT) == 0 ? out_of_memory(block->parse)
                                                           : fail(block, "pattern", "%s", error);
    map->pattern = pattern; /* which tells that the compiled one is to be freed */
    pattern = NULL;
    return pattern_group_count(&map->compiled) > 0
        || fail(block, "pattern", "it has no group ( ) whose match is the user");
}

static bool read_map(const struct block *block, struct map_block *map)
{
    if (!is_set(block, "claim") || !is_set(block, "pattern"))
        return fail(block, "", "claim and pattern must be set");
    return get_tenants(block, &map->tenants) && get_name(block, "claim", &map->claim, NULL)
        && compile_pattern(block, map);
}

static bool read_group(const struct block *block, struct group_block *group)
{
    const char *name = cfg_title(block->cfg);

    if (!identity_is_valid_name(slice_of(name)))
        return fail(block, "", "it is no valid group name");
    group->name = strdup(name);
    if (group->name == NULL)
        return out_of_memory(block->parse);
    if (!get_boolean(block, "session", &group->session))
        return false;
    if (group->session && strcmp(name, "root") == 0)
        return fail(block, "session", "gid 0 is never given for a session");
    return get_tenants(block, &group->tenants) && get_list(block, "claim", &group->values);
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
    return true; /* {}: the service is closed to Latchkey */
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

/* The block's own list, or else the one of "*". */
static bool inherit_list(const struct block *block, const char *option, const struct string_list *base,
                         struct string_list *ret)
{
    return is_set(block, option) ? get_list(block, option, ret) : copy_list(block, base, ret);
}

/* "cyrus", or "cyrus:fred". */
static bool check_authzids(const struct block *block, const struct string_list *entries)
{
    size_t i;

    for (i = 0; i < entries->count; i++) {
        struct slice entry = slice_of(entries->items[i]), user = entry, authzid = { "x", 1 };

        slice_cut(entry, ':', &user, &authzid);
        if (!identity_is_valid_name(user) || authzid.len == 0)
            return fail(block, "allow_authzid", "\"%.80s\" is neither a user nor USER:AUTHZID", entries->items[i]);
    }
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
        && inherit_list(block, "require_group", &base->require_group, &service->require_group)
        && check_groups(block, &service->require_group) && inherit_list(block, "realm", &base->realms, &service->realms)
        && inherit_list(block, "allow_authzid", &base->allow_authzid, &service->allow_authzid)
        && check_authzids(block, &service->allow_authzid);
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
    const char *title;

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
        title = cfg_title(block.cfg);
        if (strcmp(title, "*") == 0)
            continue;
        if (config_service(config, title) != &config->default_service)
            return fail(&block, "", "another block has the same name but for its case");
        if (!read_service(&block, &config->default_service, &config->services[config->service_count++]))
            return false;
    }
    return true;
}

/* A path that fits into a socket's address (unix(7)). */
static bool check_sockets(const struct block *block, const char *option, const struct string_list *sockets)
{
    size_t i;

    if (sockets->count > CONFIG_SOCKETS_MAX)
        return fail(block, option, "more than %d sockets", CONFIG_SOCKETS_MAX);
    for (i = 0; i < sockets->count; i++)
        if (!check_path(block, option, sockets->items[i]))
            return false;
        else if (strlen(sockets->items[i]) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
            return fail(block, option, "\"%.40s...\" is too long for a socket", sockets->items[i]);
    return true;
}

static bool check_allowed(const struct block *block, const struct string_list *names)
{
    size_t i;

    for (i = 0; i < names->count; i++)
        if (!identity_is_valid_name(slice_of(names->items[i] + (names->items[i][0] == '@'))))
            return fail(block, "allow", "\"%.40s\" is no valid name of a user, nor of a group behind an @",
                        names->items[i]);
    return true;
}

/* Octal digits, as chmod(1) has them; nobody's permission to execute a socket means anything. */
static bool read_saslauthd_mode(const struct block *block, unsigned *ret)
{
    CLEANUP(free_string) char *text = NULL;
    unsigned mode = 0;
    size_t i;

    if (!get_string(block, "saslauthd_mode", &text))
        return false;
    if (text == NULL)
        return true;
    for (i = 0; i < 4 && text[i] >= '0' && text[i] <= '7'; i++)
        mode = mode * 8 + (unsigned)(text[i] - '0');
    if (i < 3 || text[i] != '\0' || (mode & ~0666U) != 0)
        return fail(block, "saslauthd_mode", "\"%.40s\" is no mode of a socket, such as 0660", text);
    *ret = mode;
    return true;
}

static bool read_latchkeyd_block(const struct block *block, struct latchkeyd_options *latchkeyd)
{
    return get_list(block, "socket", &latchkeyd->sockets) && check_sockets(block, "socket", &latchkeyd->sockets)
        && get_list(block, "saslauthd_socket", &latchkeyd->saslauthd_sockets)
        && check_sockets(block, "saslauthd_socket", &latchkeyd->saslauthd_sockets)
        && read_saslauthd_mode(block, &latchkeyd->saslauthd_mode)
        && get_name(block, "saslauthd_group", &latchkeyd->saslauthd_group, NULL)
        && get_string(block, "program", &latchkeyd->program)
        && (latchkeyd->program == NULL || latchkeyd->program[0] == '\0'
            || check_path(block, "program", latchkeyd->program))
        && get_name(block, "user", &latchkeyd->user, NULL) && get_list(block, "allow", &latchkeyd->allow)
        && check_allowed(block, &latchkeyd->allow) && get_integer(block, "timeout", 1, 60, &latchkeyd->timeout)
        && get_integer(block, "api_key_cache", 0, 3600, &latchkeyd->api_key_cache)
        && get_integer(block, "peer_rate", 1, 100000, &latchkeyd->peer_rate)
        && get_integer(block, "rate", 1, 100000, &latchkeyd->rate)
        && get_integer(block, "refresh", 60, 7 * 86400L, &latchkeyd->refresh);
}

static bool read_latchkeyd(struct parse *parse)
{
    struct latchkeyd_options *latchkeyd = &parse->config->latchkeyd;
    unsigned count = cfg_size(parse->cfg, "latchkeyd");
    struct block block = { parse, "latchkeyd", 0, NULL };

    *latchkeyd = latchkeyd_defaults;
    if (count > 1)
        return fail_at(parse, line_of(parse, "latchkeyd", 1, ""), "a second latchkeyd block");
    if (count == 1) {
        block = block_at(parse, "latchkeyd", 0);
        if (!read_latchkeyd_block(&block, latchkeyd))
            return false;
    }
    if ((count == 0 || !is_set(&block, "socket"))
        && !set_default_list(&block, &latchkeyd->sockets, CONFIG_SOCKET_DEFAULT))
        return false;
    if (!set_default(&block, &latchkeyd->program, "%s", CONFIG_LATCHKEYD_PROGRAM)
        || !set_default(&block, &latchkeyd->user, "%s", CONFIG_LATCHKEYD_USER))
        return false;
    empty_is_null(&latchkeyd->program);
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

static bool copy_text(struct parse *parse, struct slice text)
{
    parse->len = text.len;
    parse->text = malloc(text.len + 1);
    if (parse->text == NULL)
        return out_of_memory(parse);
    if (text.len > 0)
        memcpy(parse->text, text.bytes, text.len);
    return true;
}

static bool read_all(struct parse *parse)
{
    bool parsed;

    lock_confuse();
    parsed = run_confuse(parse);
    unlock_confuse();
    return parsed && read_latchkeyd(parse) && read_revocation_path(parse) && read_tenants(parse) && read_identity(parse)
        && read_services(parse);
}

static void parse_clear(struct parse *parse)
{
    /* cfg_free() also ends the scanner, which may be another thread's just now. */
    lock_confuse();
    cfg_free(parse->cfg);
    unlock_confuse();
    free(parse->outline.mentions);
    free(parse->text);
}

bool config_file_parse(struct verdict *verdict, const char *path, struct slice text, struct config *ret_config)
{
    CLEANUP(parse_clear) struct parse parse = { .verdict = verdict, .path = path, .config = ret_config };

    *ret_config = (struct config){ .path = strdup(path) };
    if (ret_config->path == NULL)
        out_of_memory(&parse);
    else if (copy_text(&parse, text) && scan_text(&parse) && read_all(&parse))
        return true;
    config_file_clear(ret_config);
    return false;
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
    free(tenant->ca_file);
    free(tenant->api_key_characters);
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
    list_clear(&service->realms);
    list_clear(&service->allow_authzid);
}

static void identity_clear(struct identity_rules *rules)
{
    size_t i;

    for (i = 0; i < rules->user_count; i++) {
        free(rules->users[i].name);
        list_clear(&rules->users[i].tenants);
        list_clear(&rules->users[i].subjects);
    }
    for (i = 0; i < rules->map_count; i++) {
        if (rules->maps[i].pattern != NULL)
            pattern_free(&rules->maps[i].compiled);
        free(rules->maps[i].pattern);
        free(rules->maps[i].claim);
        list_clear(&rules->maps[i].tenants);
    }
    for (i = 0; i < rules->group_count; i++) {
        free(rules->groups[i].name);
        list_clear(&rules->groups[i].tenants);
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
    list_clear(&config->latchkeyd.sockets);
    list_clear(&config->latchkeyd.saslauthd_sockets);
    free(config->latchkeyd.saslauthd_group);
    list_clear(&config->latchkeyd.allow);
    free(config->latchkeyd.program);
    free(config->latchkeyd.user);
    revocation_free(&config->revocation);
    free(config->tenants);
    free(config->services);
    free(config->revocation_path);
    free(config->path);
    *config = (struct config){ .path = NULL };
}
