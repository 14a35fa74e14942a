#include "base/pattern.h"

#include <locale.h>
#include <string.h>

#include "base/fork_lock.h"

/* regerror() translates, as strerror() does (base/text.h). */
static const char *const sentences[] = {
    [PATTERN_OUT_OF_MEMORY] = "out of memory",
    [REG_ECOLLATE] = "an unknown collating element",
    [REG_ECTYPE] = "an unknown character class",
    [REG_EESCAPE] = "a backslash at its end",
    [REG_EBRACK] = "[ without ]",
    [REG_EPAREN] = "( or ) without the other",
    [REG_EBRACE] = "{ without }",
    [REG_BADBR] = "something else than numbers in { }",
    [REG_ERANGE] = "a range in [ ] whose end comes before its beginning",
    [REG_BADRPT] = "a repetition of nothing",
    [PATTERN_TOO_LONG] = "more than 1023 bytes",
    [PATTERN_TOO_DEEP] = "more than 16 groups inside each other",
    [PATTERN_TOO_MANY_COPIES] = "it repeats more than 256 characters",
    [PATTERN_INNER_ANCHOR] = "^ or $ elsewhere than at an end of the pattern, or an anchor such as \\b",
    [PATTERN_BACK_REFERENCE] = "a back-reference",
    [PATTERN_REPEATED_TWICE] = "a repetition of a repetition",
    [PATTERN_REPEATS_EMPTY] = "a repetition of what may be empty",
};

const char *pattern_error_text(int error)
{
    const bool is_known = error > 0 && (size_t)error < sizeof sentences / sizeof sentences[0];

    return is_known && sentences[error] != NULL ? sentences[error] : "not an extended regular expression";
}

/* regexec() holds a lock of the compiled expression. */
static int match_guarded(const regex_t *regex, const char *text, regmatch_t match[2])
{
    int code;

    fork_lock_enter();
    code = regexec(regex, text, 2, match, 0);
    fork_lock_leave();
    return code;
}

/* leave() restores the host's locale of the thread. In glibc "C" needs no memory; in other C libraries it may. */
static bool enter(locale_t *ret_own, locale_t *ret_of_host)
{
    *ret_own = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (*ret_own == (locale_t)0)
        return false;
    *ret_of_host = uselocale(*ret_own);
    return true;
}

static void leave(locale_t own, locale_t of_host)
{
    uselocale(of_host);
    freelocale(own);
}

/*
 * What a pattern may cost, before regcomp() spends it. glibc copies what {m,n} and + repeat, so that thirty characters
 * can ask for gigabytes; it needs exponential time where what is repeated may be empty; and with a
 * back-reference a match tries all alternatives. It also copies what follows an anchor, for each of them: two hundred
 * "($)?" ask for gigabytes, two hundred "\b.?" for minutes. Syntax that regcomp() refuses is left to it.
 */
struct level {         /* of ( ), the outermost included */
    size_t size;       /* characters, classes and groups, each as often as it is copied */
    bool may_be_empty; /* one of its finished branches */
    bool branch_may_be_empty;
};

struct scan {
    const char *at;
    struct level levels[PATTERN_DEPTH_MAX + 1];
    size_t depth;
    size_t copied;    /* of the whole pattern */
    size_t atom_size; /* of what a repetition repeats; 0: there is nothing */
    bool atom_may_be_empty;
    bool atom_is_repeated;
    bool is_at_begin; /* of the pattern, or of a branch outside of all groups */
    int error;
};

static bool refuse_pattern(struct scan *scan, int error)
{
    scan->error = error;
    return false;
}

/* The atom is complete, with its repetition if it has one. */
static void end_atom(struct scan *scan)
{
    struct level *level = &scan->levels[scan->depth];

    if (scan->atom_size > 0)
        level->branch_may_be_empty = level->branch_may_be_empty && scan->atom_may_be_empty;
    scan->atom_size = 0;
}

static void end_branch(struct scan *scan)
{
    struct level *level = &scan->levels[scan->depth];

    end_atom(scan);
    level->may_be_empty = level->may_be_empty || level->branch_may_be_empty;
    level->branch_may_be_empty = true;
    scan->is_at_begin = scan->depth == 0;
}

static bool add_atom(struct scan *scan, size_t size, bool may_be_empty)
{
    end_atom(scan);
    scan->levels[scan->depth].size += size;
    scan->atom_size = size;
    scan->atom_may_be_empty = may_be_empty;
    scan->atom_is_repeated = false;
    scan->is_at_begin = false;
    return true;
}

/* The pattern matches a whole value, so only its ends need an anchor. */
static bool add_anchor(struct scan *scan, bool is_at_end)
{
    return is_at_end ? add_atom(scan, 1, true) : refuse_pattern(scan, PATTERN_INNER_ANCHOR);
}

static bool open_group(struct scan *scan)
{
    end_atom(scan);
    scan->is_at_begin = false;
    if (scan->depth == PATTERN_DEPTH_MAX)
        return refuse_pattern(scan, PATTERN_TOO_DEEP);
    scan->levels[++scan->depth] = (struct level){ .branch_may_be_empty = true };
    return true;
}

static bool close_group(struct scan *scan)
{
    struct level group;

    end_branch(scan);
    group = scan->levels[scan->depth--];
    return add_atom(scan, group.size + 1, group.may_be_empty);
}

/* From `least` times on; glibc makes so many copies of the atom. */
static bool repeat(struct scan *scan, size_t least, size_t copies)
{
    const bool is_optional = scan->at[-1] == '?'; /* which cannot loop */

    if (scan->atom_size == 0)
        return true; /* regcomp() refuses it */
    if (scan->atom_is_repeated)
        return refuse_pattern(scan, PATTERN_REPEATED_TWICE);
    if (scan->atom_may_be_empty && !is_optional)
        return refuse_pattern(scan, PATTERN_REPEATS_EMPTY);
    scan->copied += scan->atom_size * (copies - 1);
    if (scan->copied > PATTERN_COPIES_MAX)
        return refuse_pattern(scan, PATTERN_TOO_MANY_COPIES);
    scan->levels[scan->depth].size += scan->atom_size * (copies - 1);
    scan->atom_size *= copies;
    scan->atom_may_be_empty = least == 0;
    scan->atom_is_repeated = true;
    return true;
}

/* Stops at a number that is too large in any case, so that it cannot overflow. */
static size_t read_count(struct scan *scan)
{
    size_t number = 0;

    for (; *scan->at >= '0' && *scan->at <= '9'; scan->at++)
        if (number <= PATTERN_COPIES_MAX)
            number = number * 10 + (size_t)(*scan->at - '0');
    return number;
}

/* "{m}", "{m,}", "{m,n}" or, in glibc, "{,n}", after the brace. */
static bool read_interval(struct scan *scan)
{
    size_t least = read_count(scan), most = least;

    if (*scan->at == ',') {
        scan->at++;
        most = *scan->at == '}' ? least + 1 : read_count(scan);
    }
    if (*scan->at == '}')
        scan->at++;
    return repeat(scan, least, most > 0 ? most : 1);
}

/* [ ], after the opening bracket. As the first member "]" is a character; a class such as [:alpha:] has its own
 * brackets. */
static void skip_bracket(struct scan *scan)
{
    const char *end;

    if (*scan->at == '^')
        scan->at++;
    if (*scan->at == ']')
        scan->at++;
    while (*scan->at != '\0' && *scan->at != ']') {
        const char closing[] = { scan->at[1], ']', '\0' };

        end = scan->at[0] == '[' && scan->at[1] != '\0' && strchr(":.=", scan->at[1]) != NULL
            ? strstr(scan->at + 2, closing)
            : NULL;
        scan->at = end != NULL ? end + 2 : scan->at + 1;
    }
    if (*scan->at == ']')
        scan->at++;
}

static bool read_backslash(struct scan *scan)
{
    const char c = *scan->at;

    if (c >= '1' && c <= '9')
        return refuse_pattern(scan, PATTERN_BACK_REFERENCE);
    if (c != '\0')
        scan->at++;
    if (c != '\0' && strchr("<>bB`'", c) != NULL) /* of GNU: places between characters */
        return add_anchor(scan, false);
    return add_atom(scan, 1, false);
}

/* When the text ends within a group, regcomp() refuses it. */
static bool is_at_end(const struct scan *scan)
{
    return *scan->at == '\0' || (*scan->at == '|' && scan->depth == 0);
}

static bool read_token(struct scan *scan)
{
    switch (*scan->at++) {
    case '(':
        return open_group(scan);
    case ')':
        return scan->depth == 0 || close_group(scan);
    case '|':
        end_branch(scan);
        return true;
    case '*':
        return repeat(scan, 0, 1);
    case '+':
        return repeat(scan, 1, 2);
    case '?':
        return repeat(scan, 0, 1);
    case '{':
        return read_interval(scan);
    case '[':
        skip_bracket(scan);
        return add_atom(scan, 1, false);
    case '\\':
        return read_backslash(scan);
    case '^':
        return add_anchor(scan, scan->is_at_begin);
    case '$':
        return add_anchor(scan, is_at_end(scan));
    default:
        return add_atom(scan, 1, false);
    }
}

/* 0, or the error that makes the pattern cost too much. */
static int check_cost(const char *text)
{
    struct scan scan = { .at = text, .levels = { { .branch_may_be_empty = true } }, .is_at_begin = true };

    if (strlen(text) > PATTERN_TEXT_MAX)
        return PATTERN_TOO_LONG;
    while (*scan.at != '\0')
        if (!read_token(&scan))
            return scan.error;
    return 0;
}

int pattern_compile(const char *text, struct pattern *ret_pattern)
{
    const int error = check_cost(text);
    locale_t own, of_host;
    int code;

    if (error != 0)
        return error;
    if (!enter(&own, &of_host))
        return PATTERN_OUT_OF_MEMORY;
    code = regcomp(&ret_pattern->regex, text, REG_EXTENDED);
    leave(own, of_host);
    return code;
}

void pattern_free(struct pattern *pattern)
{
    regfree(&pattern->regex);
}

size_t pattern_group_count(const struct pattern *pattern)
{
    return pattern->regex.re_nsub;
}

bool pattern_match(const struct pattern *pattern, struct slice value, bool *ret_matches, struct slice *ret_capture)
{
    char text[PATTERN_VALUE_MAX + 1];
    regmatch_t match[2] = { { -1, -1 }, { -1, -1 } };
    locale_t own, of_host;
    int code;

    *ret_matches = false;
    *ret_capture = (struct slice){ NULL, 0 };
    if (value.len > PATTERN_VALUE_MAX)
        return true;
    if (!enter(&own, &of_host))
        return false;
    if (value.len > 0)
        memcpy(text, value.bytes, value.len);
    text[value.len] = '\0';
    code = match_guarded(&pattern->regex, text, match);
    leave(own, of_host);
    if (code != 0)
        return code == REG_NOMATCH;
    *ret_matches = match[0].rm_so == 0 && (size_t)match[0].rm_eo == value.len;
    if (*ret_matches && match[1].rm_so >= 0)
        *ret_capture = (struct slice){ value.bytes + match[1].rm_so, (size_t)(match[1].rm_eo - match[1].rm_so) };
    return true;
}
