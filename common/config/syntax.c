#include "config/syntax.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/model.h"

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_MARK };

struct token {
    enum token_kind kind;
    struct slice text; /* without the quotes */
    int line;
    char mark; /* of a TOKEN_STRING its quote */
    bool has_escapes;
    bool has_controls;
};

/* The reading of one text. The token is the next one that is not used yet. */
struct syntax {
    struct verdict *verdict;
    const char *path;
    struct arena *arena;
    struct config_text *text;
    const char *at, *end;
    int line;
    struct token token;
    bool is_plain[256];               /* in a string: bytes that are what they are */
    struct block **ends[BLOCK_KINDS]; /* where the next block of the kind goes */
    char **values;                    /* of the list that is being read */
    size_t value_count, value_room;
};

__attribute__((format(printf, 3, 4))) static bool fail(struct syntax *syntax, int line, const char *format, ...)
{
    char message[EVIDENCE_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return verdict_reject(syntax->verdict, REASON_CONFIG_INVALID, "%s:%d: %s", syntax->path, line, message);
}

static bool out_of_memory(struct syntax *syntax)
{
    return verdict_reject(syntax->verdict, REASON_OUT_OF_MEMORY, "%s", syntax->path);
}

static char peek(const struct syntax *syntax, ptrdiff_t ahead)
{
    return syntax->end - syntax->at > ahead ? syntax->at[ahead] : '\0';
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static void set_plain(bool is_plain[256])
{
    const char *odd = "\\\"'$";
    int c;

    for (c = ' '; c < 0x7f; c++)
        is_plain[c] = true;
    for (; *odd != '\0'; odd++)
        is_plain[(unsigned char)*odd] = false;
}

static void skip_line(struct syntax *syntax)
{
    const char *end = memchr(syntax->at, '\n', (size_t)(syntax->end - syntax->at));

    syntax->at = end != NULL ? end : syntax->end;
}

static bool skip_block_comment(struct syntax *syntax)
{
    const int begin = syntax->line;

    for (syntax->at += 2; syntax->at < syntax->end; syntax->at++) {
        if (syntax->at[0] == '*' && peek(syntax, 1) == '/') {
            syntax->at += 2;
            return true;
        }
        syntax->line += syntax->at[0] == '\n';
    }
    return fail(syntax, begin, "a comment has no end");
}

/* Up to the next token. */
static bool skip_blanks(struct syntax *syntax)
{
    for (;;) {
        const char c = peek(syntax, 0);

        if (c == '#' || (c == '/' && peek(syntax, 1) == '/')) {
            skip_line(syntax);
        } else if (c == '/' && peek(syntax, 1) == '*') {
            if (!skip_block_comment(syntax))
                return false;
        } else if (c == '\n' || c == ' ' || c == '\t' || c == '\r') {
            syntax->line += c == '\n';
            syntax->at++;
        } else {
            return true;
        }
    }
}

/* One byte of a string that is not plain; an escape is two. */
static bool scan_odd(struct syntax *syntax, char quote, bool *has_high)
{
    const char c = syntax->at[0], next = peek(syntax, 1);

    if (c == '$' && next == '{')
        return fail(syntax, syntax->line, "\"${\" is not allowed in a string: nothing is expanded");
    if (c == '\\' && (next == '\\' || next == quote)) {
        syntax->token.has_escapes = true;
        syntax->at++;
    } else if (c == '\\' && quote == '"') {
        return fail(syntax, syntax->line, "a backslash in double quotes is written \\\\");
    } else if ((unsigned char)c < ' ' || c == 0x7f) {
        syntax->token.has_controls = true;
    } else if ((unsigned char)c > 0x7f) {
        *has_high = true;
    }
    return true;
}

/* A string ends on the line that it begins on, and is UTF-8. */
static bool scan_string(struct syntax *syntax)
{
    struct token *token = &syntax->token;
    const char quote = *syntax->at++;
    bool has_high = false;

    *token = (struct token){ .kind = TOKEN_STRING, .text = { syntax->at, 0 }, .line = syntax->line, .mark = quote };
    for (; syntax->at < syntax->end && *syntax->at != '\n'; syntax->at++) {
        if (syntax->is_plain[(unsigned char)*syntax->at])
            continue;
        if (*syntax->at == quote) {
            token->text.len = (size_t)(syntax->at++ - token->text.bytes);
            return !has_high || text_is_utf8(token->text) || fail(syntax, syntax->line, "a string is not UTF-8");
        }
        if (!scan_odd(syntax, quote, &has_high))
            return false;
    }
    return fail(syntax, syntax->line, "a string has no end on its line");
}

static bool next_token(struct syntax *syntax)
{
    const char *begin;

    if (!skip_blanks(syntax))
        return false;
    begin = syntax->at;
    syntax->token = (struct token){ .kind = TOKEN_END, .text = { begin, 0 }, .line = syntax->line };
    if (begin == syntax->end)
        return true;
    if (*begin == '"' || *begin == '\'')
        return scan_string(syntax);
    while (syntax->at < syntax->end && is_word_char(*syntax->at))
        syntax->at++;
    syntax->token.text.len = (size_t)(syntax->at - begin);
    syntax->token.kind = TOKEN_WORD;
    if (syntax->token.text.len > 0)
        return true;
    syntax->token.kind = TOKEN_MARK;
    syntax->token.mark = *syntax->at++;
    return strchr("={},", syntax->token.mark) != NULL
        || fail(syntax, syntax->line, "the character '%c' is outside of a string", syntax->token.mark);
}

static bool is_mark(const struct syntax *syntax, char mark)
{
    return syntax->token.kind == TOKEN_MARK && syntax->token.mark == mark;
}

static bool is_value(const struct syntax *syntax)
{
    return syntax->token.kind == TOKEN_WORD || syntax->token.kind == TOKEN_STRING;
}

static bool expected(struct syntax *syntax, const char *what)
{
    if (syntax->token.kind == TOKEN_END)
        return fail(syntax, syntax->line, "a block or a list has no end: expected %s", what);
    return fail(syntax, syntax->token.line, "expected %s", what);
}

/* Drop the backslash of each escape. */
static void unescape(char *text, char quote)
{
    char *out = text;

    for (; *text != '\0'; text++) {
        if (text[0] == '\\' && (text[1] == '\\' || text[1] == quote))
            text++;
        *out++ = *text;
    }
    *out = '\0';
}

/* Use the token, a value of the option, or with NULL the title of the block. */
static bool take_value(struct syntax *syntax, const struct block *block, const char *option, char **ret)
{
    const struct token token = syntax->token;
    char *text;

    if (!is_value(syntax))
        return expected(syntax, option != NULL ? "a value" : "the title of the block");
    if (token.has_controls)
        return syntax_refuse(syntax->verdict, syntax->path, block, option, "a string holds control characters");
    text = arena_copy(syntax->arena, token.text);
    if (text == NULL)
        return out_of_memory(syntax);
    if (token.has_escapes)
        unescape(text, token.mark);
    if (token.text.len > CONFIG_STRING_MAX && strlen(text) > CONFIG_STRING_MAX)
        return syntax_refuse(syntax->verdict, syntax->path, block, option, "a string is longer than %d bytes",
                             CONFIG_STRING_MAX);
    *ret = text;
    return next_token(syntax);
}

static bool take_list_value(struct syntax *syntax, const struct block *block, const char *option)
{
    const size_t room = syntax->value_room;
    char **larger;

    if (syntax->value_count == room) {
        larger = reallocarray(syntax->values, room == 0 ? 16 : room * 2, sizeof *larger);
        if (larger == NULL)
            return out_of_memory(syntax);
        syntax->values = larger;
        syntax->value_room = room == 0 ? 16 : room * 2;
    }
    return take_value(syntax, block, option, &syntax->values[syntax->value_count++]);
}

/* Behind the opening brace. */
static bool read_list(struct syntax *syntax, const struct block *block, const char *option)
{
    while (!is_mark(syntax, '}')) {
        if (!take_list_value(syntax, block, option))
            return false;
        if (is_mark(syntax, '}'))
            break;
        if (!is_mark(syntax, ','))
            return expected(syntax, ", or } in a list");
        if (!next_token(syntax))
            return false;
    }
    return next_token(syntax);
}

static bool is_list(const struct option_row *option)
{
    switch (option->kind) {
    case OPTION_LIST:
    case OPTION_SOCKETS:
    case OPTION_ALGORITHMS:
    case OPTION_CREDENTIALS:
        return true;
    default:
        return false;
    }
}

static bool read_values(struct syntax *syntax, const struct block *block, struct setting *setting)
{
    const struct option_row *option = setting->option;

    syntax->value_count = 0;
    if (!is_mark(syntax, '{')) {
        if (!take_list_value(syntax, block, option->name))
            return false;
    } else if (!is_list(option)) {
        return syntax_refuse(syntax->verdict, syntax->path, block, option->name, "takes one value, not a list");
    } else if (!next_token(syntax) || !read_list(syntax, block, option->name)) {
        return false;
    }
    setting->count = syntax->value_count;
    setting->values = arena_alloc(syntax->arena, setting->count, sizeof *setting->values);
    if (setting->values == NULL)
        return out_of_memory(syntax);
    if (setting->count > 0)
        memcpy(setting->values, syntax->values, setting->count * sizeof *setting->values);
    return true;
}

/* Behind its name. */
static bool read_setting(struct syntax *syntax, struct block *block, struct token name)
{
    const struct option_row *option = option_find(block->kind, name.text);
    struct setting *setting;
    uint32_t bit;

    if (option == NULL)
        return fail(syntax, name.line, "no such option '%.*s'", SLICE_ARG(name.text));
    if (!is_mark(syntax, '='))
        return expected(syntax, "=");
    bit = UINT32_C(1) << (option - block_row(block->kind)->options);
    if ((block->given & bit) != 0)
        return fail(syntax, name.line, "%s is set twice in one block", option->name);
    setting = arena_alloc(syntax->arena, 1, sizeof *setting);
    if (setting == NULL)
        return out_of_memory(syntax);
    *setting = (struct setting){ .option = option, .line = name.line };
    block->given |= bit;
    *block->end = setting;
    block->end = &setting->next;
    return next_token(syntax) && read_values(syntax, block, setting);
}

/* Use the token, a name, and get at what follows it. */
static bool take_name(struct syntax *syntax, struct token *ret_name)
{
    *ret_name = syntax->token;
    if (syntax->token.kind == TOKEN_STRING)
        return fail(syntax, syntax->token.line, "the name of an option or a block is written without quotes");
    if (syntax->token.kind != TOKEN_WORD)
        return expected(syntax, "the name of an option or a block, or }");
    return next_token(syntax);
}

static enum block_kind find_block(struct slice name)
{
    enum block_kind kind;

    for (kind = BLOCK_TOP + 1; kind < BLOCK_KINDS && !slice_equal_string(name, block_row(kind)->name); kind++)
        ;
    return kind;
}

/* NULL: out of memory. */
static struct block *begin_block(struct syntax *syntax, enum block_kind kind, int line)
{
    struct block *block = arena_alloc(syntax->arena, 1, sizeof *block);

    if (block == NULL) {
        out_of_memory(syntax);
        return NULL;
    }
    *block = (struct block){ .kind = kind, .line = line };
    block->end = &block->settings;
    *syntax->ends[kind] = block;
    syntax->ends[kind] = &block->next;
    syntax->text->counts[kind]++;
    return block;
}

static bool read_head(struct syntax *syntax, struct block *block)
{
    if (block_row(block->kind)->has_title && !take_value(syntax, block, NULL, &block->title))
        return false;
    return is_mark(syntax, '{') ? next_token(syntax) : expected(syntax, "{");
}

/* Behind its name. */
static bool read_block(struct syntax *syntax, struct token name)
{
    const enum block_kind kind = find_block(name.text);
    const struct block_row *row;
    struct token option;
    struct block *block;

    if (slice_equal_string(name.text, "broker"))
        return fail(syntax, name.line, "the block \"broker\" is now named \"latchkeyd\"");
    if (kind == BLOCK_KINDS)
        return fail(syntax, name.line, "no such block '%.*s'", SLICE_ARG(name.text));
    row = block_row(kind);
    if (row->max > 0 && syntax->text->counts[kind] == row->max)
        return fail(syntax, name.line, "more than %zu %s block%s", row->max, row->name, row->max > 1 ? "s" : "");
    block = begin_block(syntax, kind, name.line);
    if (block == NULL || !read_head(syntax, block))
        return false;
    while (!is_mark(syntax, '}'))
        if (!take_name(syntax, &option) || !read_setting(syntax, block, option))
            return false;
    return next_token(syntax);
}

static bool read_all(struct syntax *syntax)
{
    struct block *top = begin_block(syntax, BLOCK_TOP, 1);
    struct token name;

    if (top == NULL || !next_token(syntax))
        return false;
    while (syntax->token.kind != TOKEN_END) {
        if (!take_name(syntax, &name))
            return false;
        if (is_mark(syntax, '=') ? !read_setting(syntax, top, name) : !read_block(syntax, name))
            return false;
    }
    return true;
}

/* Everything after this may be a C string. */
static bool check_nul(struct syntax *syntax)
{
    const char *at = syntax->at, *nul = at != syntax->end ? memchr(at, '\0', (size_t)(syntax->end - at)) : NULL;
    int line = 1;

    if (nul == NULL)
        return true;
    for (; at < nul; at++)
        line += *at == '\n';
    return fail(syntax, line, "a NUL byte");
}

bool syntax_read(struct verdict *verdict, const char *path, struct slice text, struct arena *arena,
                 struct config_text *ret_text)
{
    struct syntax syntax = { .verdict = verdict, .path = path, .arena = arena, .text = ret_text, .line = 1 };
    enum block_kind kind;
    bool ok;

    *ret_text = (struct config_text){ .counts = { 0 } };
    for (kind = BLOCK_TOP; kind < BLOCK_KINDS; kind++)
        syntax.ends[kind] = &ret_text->blocks[kind];
    syntax.at = text.len > 0 ? text.bytes : "";
    syntax.end = syntax.at + text.len;
    set_plain(syntax.is_plain);
    ok = check_nul(&syntax) && read_all(&syntax);
    free(syntax.values);
    return ok;
}

const struct setting *syntax_find(const struct block *block, const char *option)
{
    const struct setting *setting = block->settings;

    while (setting != NULL && strcmp(setting->option->name, option) != 0)
        setting = setting->next;
    return setting;
}

int syntax_line(const struct block *block, const char *option)
{
    const struct setting *setting = option != NULL ? syntax_find(block, option) : NULL;

    return setting != NULL ? setting->line : block->line;
}

bool syntax_refuse(struct verdict *verdict, const char *path, const struct block *block, const char *option,
                   const char *format, ...)
{
    const char *name = block_row(block->kind)->name, *title = block->title;
    char message[EVIDENCE_MAX], place[EVIDENCE_MAX] = "";
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (title != NULL)
        snprintf(place, sizeof place, "%s \"%s\": ", name, title);
    else if (block->kind != BLOCK_TOP)
        snprintf(place, sizeof place, "%s: ", name);
    return verdict_reject(verdict, REASON_CONFIG_INVALID, "%s:%d: %s%s%s%s", path, syntax_line(block, option), place,
                          option != NULL ? option : "", option != NULL ? ": " : "", message);
}
