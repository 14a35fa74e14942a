#include "account/revocation.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

#define NUMBER_MAX    (UINT64_C(1) << 53) /* as for the dates of a token */
#define NUMBER_DIGITS 16

/* One kind of entry: sorted texts, and for issued-before the time that goes with each. */
struct entry {
    char *text;
    size_t len;
    double before;
};

struct entries {
    struct entry *items;
    size_t count;
};

enum kind { KIND_SUB, KIND_JTI, KIND_KID, KIND_SUB_BEFORE, KIND_COUNT };

struct revocation {
    struct entries kinds[KIND_COUNT];
    bool has_before; /* issued-before for everybody */
    double before;
    size_t count;
};

static int compare_slices(struct slice a, struct slice b)
{
    int order = memcmp(a.bytes, b.bytes, a.len < b.len ? a.len : b.len);

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static struct slice text_of(const struct entry *entry)
{
    return (struct slice){ entry->text, entry->len };
}

static int compare_entries(const void *a, const void *b)
{
    return compare_slices(text_of(a), text_of(b));
}

static const struct entry *find(const struct revocation *list, enum kind kind, struct slice text)
{
    const struct entry key = { .text = (char *)text.bytes, .len = text.len };
    const struct entries *entries = &list->kinds[kind];

    if (text.len == 0 || entries->count == 0)
        return NULL;
    return bsearch(&key, entries->items, entries->count, sizeof key, compare_entries);
}

/* One line under way. */
struct reader {
    struct verdict *verdict;
    struct revocation *list;
    size_t line;
};

static bool refuse(const struct reader *reader, const char *what)
{
    return verdict_reject(reader->verdict, REASON_REVOCATION_UNAVAILABLE, "line %zu: %s", reader->line, what);
}

static bool out_of_memory(const struct reader *reader)
{
    return verdict_reject(reader->verdict, REASON_OUT_OF_MEMORY, "revocation list");
}

static struct slice strip(struct slice text)
{
    while (text.len > 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t'))
        text.bytes++, text.len--;
    while (text.len > 0
           && (text.bytes[text.len - 1] == ' ' || text.bytes[text.len - 1] == '\t' || text.bytes[text.len - 1] == '\r'))
        text.len--;
    return text;
}

/* The first word, and the stripped rest. */
static struct slice next_word(struct slice *text)
{
    struct slice word = *text;

    word.len = 0;
    while (word.len < text->len && text->bytes[word.len] != ' ' && text->bytes[word.len] != '\t')
        word.len++;
    *text = strip((struct slice){ text->bytes + word.len, text->len - word.len });
    return word;
}

static bool add(const struct reader *reader, enum kind kind, struct slice value, double before)
{
    struct entries *entries = &reader->list->kinds[kind];
    struct entry *larger = entries->items;
    char *copy = malloc(value.len + 1);

    /* Room doubles at each power of two. */
    if ((entries->count & (entries->count - 1)) == 0)
        larger = realloc(entries->items, (entries->count == 0 ? 1 : entries->count * 2) * sizeof *larger);
    if (larger != NULL)
        entries->items = larger;
    if (larger == NULL || copy == NULL) {
        free(copy);
        return out_of_memory(reader);
    }
    memcpy(copy, value.bytes, value.len);
    copy[value.len] = '\0';
    larger[entries->count++] = (struct entry){ copy, value.len, before };
    reader->list->count++;
    return true;
}

/* What other formats would take for a comment, a quote or a separator. Taken as a part of the value, it would make a
 * line that revokes nothing. */
static bool is_doubtful(struct slice value)
{
    size_t i;

    for (i = 0; i < value.len; i++)
        if (value.bytes[i] == '"' || value.bytes[i] == '\''
            || (value.bytes[i] == '#' && (i == 0 || value.bytes[i - 1] == ' ' || value.bytes[i - 1] == '\t')))
            return true;
    return value.len > 0 && (value.bytes[value.len - 1] == ',' || value.bytes[value.len - 1] == ';');
}

/* The rest of the line as it is, or a JSON string, which can hold what a line cannot: blanks at its ends. */
static bool add_value(const struct reader *reader, enum kind kind, struct slice text, double before)
{
    CLEANUP(json_free) struct json *json = NULL;
    char wrapped[6 * SUBJECT_MAX + 8]; /* each byte may be written as a \u escape */
    struct slice value = text;
    const char *error;

    if (text.len > 0 && text.bytes[0] == '"') {
        if (text.len + 2 > sizeof wrapped)
            return refuse(reader, "the value is too long");
        wrapped[0] = '[';
        memcpy(wrapped + 1, text.bytes, text.len);
        wrapped[text.len + 1] = ']';
        if (!json_parse((struct slice){ wrapped, text.len + 2 }, &json, &error)
            && strcmp(error, JSON_MEMORY_IS_SHORT) == 0)
            return out_of_memory(reader);
        if (json_length(json) != 1 || !json_string(json_at(json, 0), &value))
            return refuse(reader, "the value begins with a quote and is no JSON string");
    } else if (is_doubtful(text)) {
        return refuse(reader, "a value with a quote, a comment or a final comma or semicolon must be a JSON string");
    }
    if (value.len == 0)
        return refuse(reader, "the value is missing");
    if (value.len > SUBJECT_MAX)
        return refuse(reader, "the value is longer than 256 bytes");
    if (!text_is_line(value))
        return refuse(reader, "the value holds control characters, or is not UTF-8");
    return add(reader, kind, value, before);
}

/* s since 1970: digits only. */
static bool parse_time(struct slice text, double *ret)
{
    uint64_t value = 0; /* a double would round 2^53 + 1 down */
    size_t i;

    if (text.len == 0 || text.len > NUMBER_DIGITS)
        return false;
    for (i = 0; i < text.len; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    *ret = (double)value;
    return value <= NUMBER_MAX;
}

static bool read_issued_before(const struct reader *reader, struct slice rest)
{
    struct revocation *list = reader->list;
    struct slice number = next_word(&rest), who;
    double before;

    if (!parse_time(number, &before))
        return refuse(reader, "issued-before wants a time in seconds since 1970");
    if (rest.len > 0) {
        who = next_word(&rest);
        if (!slice_equal_string(who, "sub"))
            return refuse(reader, "after the time stands nothing, or sub and its value");
        return add_value(reader, KIND_SUB_BEFORE, rest, before);
    }
    if (!list->has_before || list->before < before)
        list->before = before;
    list->has_before = true;
    list->count++;
    return true;
}

static bool read_line(const struct reader *reader, struct slice line)
{
    static const struct {
        const char *word;
        enum kind kind;
    } rows[] = { { "sub", KIND_SUB }, { "jti", KIND_JTI }, { "kid", KIND_KID } };
    struct slice word;
    size_t i;

    line = strip(line);
    if (line.len == 0 || line.bytes[0] == '#')
        return true;
    if (memchr(line.bytes, '\0', line.len) != NULL)
        return refuse(reader, "a NUL byte");
    word = next_word(&line);
    if (slice_equal_string(word, "issued-before"))
        return read_issued_before(reader, line);
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (slice_equal_string(word, rows[i].word))
            return add_value(reader, rows[i].kind, line, 0);
    return refuse(reader, "it begins with none of sub, jti, kid, issued-before");
}

/* Sort; of several times for one subject the latest counts. */
static void sort(struct entries *entries)
{
    size_t kept = 0, i;

    if (entries->count == 0)
        return;
    qsort(entries->items, entries->count, sizeof entries->items[0], compare_entries);
    for (i = 1; i < entries->count; i++) {
        struct entry *last = &entries->items[kept], *next = &entries->items[i];

        if (compare_entries(last, next) != 0) {
            entries->items[++kept] = *next;
            continue;
        }
        if (next->before > last->before)
            last->before = next->before;
        free(next->text);
    }
    entries->count = kept + 1;
}

bool revocation_parse(struct verdict *verdict, struct slice text, struct revocation **ret_list)
{
    CLEANUP(revocation_free) struct revocation *list = calloc(1, sizeof *list);
    struct reader reader = { verdict, list, 0 };
    struct slice line, rest = text;
    size_t i;

    if (list == NULL)
        return out_of_memory(&reader);
    if (text.len > REVOCATION_MAX_LEN)
        return verdict_reject(verdict, REASON_REVOCATION_UNAVAILABLE, "more than %u bytes", REVOCATION_MAX_LEN);
    while (rest.len > 0) {
        reader.line++;
        if (!slice_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest.len = 0;
        }
        if (!read_line(&reader, line))
            return false;
    }
    for (i = 0; i < KIND_COUNT; i++)
        sort(&list->kinds[i]);
    *ret_list = list;
    list = NULL;
    return true;
}

void revocation_free(struct revocation **list)
{
    size_t kind, i;

    if (list == NULL || *list == NULL)
        return;
    for (kind = 0; kind < KIND_COUNT; kind++) {
        for (i = 0; i < (*list)->kinds[kind].count; i++)
            free((*list)->kinds[kind].items[i].text);
        free((*list)->kinds[kind].items);
    }
    free(*list);
    *list = NULL;
}

size_t revocation_count(const struct revocation *list)
{
    return list != NULL ? list->count : 0;
}

static bool is_before(const struct revocable *token, double before)
{
    return !token->has_issued_at || token->issued_at < before;
}

bool revocation_check(struct verdict *verdict, const struct revocation *list, const struct revocable *token)
{
    const struct entry *entry;

    if (list == NULL)
        return true;
    if (!revocation_check_subject(verdict, list, token->subject))
        return false;
    if (find(list, KIND_JTI, token->jti) != NULL)
        return verdict_reject(verdict, REASON_TOKEN_REVOKED, "by its jti");
    if (find(list, KIND_KID, token->kid) != NULL)
        return verdict_reject(verdict, REASON_TOKEN_REVOKED, "by its kid");
    if (list->has_before && is_before(token, list->before))
        return verdict_reject(verdict, REASON_TOKEN_REVOKED, "issued before %.0f", list->before);
    entry = find(list, KIND_SUB_BEFORE, token->subject);
    if (entry != NULL && is_before(token, entry->before))
        return verdict_reject(verdict, REASON_TOKEN_REVOKED, "issued to this sub before %.0f", entry->before);
    return true;
}

bool revocation_check_subject(struct verdict *verdict, const struct revocation *list, struct slice subject)
{
    if (list != NULL && find(list, KIND_SUB, subject) != NULL)
        return verdict_reject(verdict, REASON_TOKEN_REVOKED, "by its sub");
    return true;
}

size_t revocation_subject_count(const struct revocation *list)
{
    return list != NULL ? list->kinds[KIND_SUB].count : 0;
}

struct slice revocation_subject(const struct revocation *list, size_t index)
{
    return text_of(&list->kinds[KIND_SUB].items[index]);
}
