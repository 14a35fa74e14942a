#include "account/revocation.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "base/text_index.h"

#define NUMBER_MAX    (UINT64_C(1) << 53) /* as for the dates of a token */
#define NUMBER_DIGITS 16

/* One kind of entry, sorted once all are read. */
struct entries {
    struct text_entry *items;
    size_t count, room;
};

enum kind { KIND_SUB, KIND_JTI, KIND_KID, KIND_SUB_BEFORE, KIND_COUNT };

struct revocation {
    struct entries kinds[KIND_COUNT];
    struct arena arena; /* the values that the text does not hold as they are */
    double *times;      /* of KIND_SUB_BEFORE; the value of an entry is its index */
    size_t time_room;
    bool has_before; /* issued-before for every subject */
    double before;
    size_t count;
};

static const struct text_entry *find(const struct revocation *list, enum kind kind, struct slice text)
{
    const struct entries *entries = &list->kinds[kind];
    size_t count;

    return text_index_find(entries->items, entries->count, text, &count);
}

/* The reading of one list. */
struct list_reading {
    struct verdict *verdict;
    struct revocation *list;
    size_t line;
};

static bool refuse(const struct list_reading *reading, const char *what)
{
    return verdict_reject(reading->verdict, REASON_REVOCATION_UNAVAILABLE, "line %zu: %s", reading->line, what);
}

static bool out_of_memory(const struct list_reading *reading)
{
    return verdict_reject(reading->verdict, REASON_OUT_OF_MEMORY, "revocation list");
}

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Whether each of eight bytes is from '-' to '~': ASCII without controls, blanks, commas, quotes and '#'. */
static bool are_plain(const char bytes[8])
{
    uint64_t x;

    memcpy(&x, bytes, sizeof x);
    return ((x | (x + EACH_BYTE(0x01)) | (x - EACH_BYTE('-'))) & EACH_BYTE(0x80)) == 0;
}

/* A value as most are: nothing in it needs a closer look. False for some others as well. */
static bool is_plain(struct slice value)
{
    size_t i;

    if (value.len < 8 || value.len > SUBJECT_MAX || value.bytes[value.len - 1] == ';')
        return false;
    for (i = 0; i + 8 <= value.len; i += 8)
        if (!are_plain(value.bytes + i))
            return false;
    return are_plain(value.bytes + value.len - 8);
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

/* An array of twice the room. NULL, with the old array left, when out of memory. */
static void *grow(void *array, size_t *room, size_t size)
{
    const size_t larger = *room == 0 ? 16 : *room * 2;
    void *new = reallocarray(array, larger, size);

    if (new != NULL)
        *room = larger;
    return new;
}

static bool add(const struct list_reading *reading, enum kind kind, struct slice value, double before)
{
    struct revocation *list = reading->list;
    struct entries *entries = &list->kinds[kind];
    struct text_entry *larger;
    double *more;

    if (entries->count == entries->room) {
        larger = grow(entries->items, &entries->room, sizeof *larger);
        if (larger == NULL)
            return out_of_memory(reading);
        entries->items = larger;
    }
    if (kind == KIND_SUB_BEFORE) {
        if (entries->count == list->time_room) {
            more = grow(list->times, &list->time_room, sizeof *more);
            if (more == NULL)
                return out_of_memory(reading);
            list->times = more;
        }
        list->times[entries->count] = before;
    }
    entries->items[entries->count] =
        (struct text_entry){ .bytes = value.bytes, .len = (uint32_t)value.len, .value = (uint32_t)entries->count };
    entries->count++;
    list->count++;
    return true;
}

/* Another format has a comment, a quote or a separator here. As a part of the value it would make a line that revokes
 * nothing. */
static bool is_doubtful(struct slice value)
{
    size_t i;

    for (i = 0; i < value.len; i++)
        if (value.bytes[i] == '"' || value.bytes[i] == '\''
            || (value.bytes[i] == '#' && (i == 0 || value.bytes[i - 1] == ' ' || value.bytes[i - 1] == '\t')))
            return true;
    return value.len > 0 && (value.bytes[value.len - 1] == ',' || value.bytes[value.len - 1] == ';');
}

/* A JSON string can hold what a line cannot: blanks at its ends. The value lies in the list's arena. */
static bool read_json_string(const struct list_reading *reading, struct slice text, struct slice *ret_value)
{
    CLEANUP(json_free) struct json *json = NULL;
    char wrapped[6 * SUBJECT_MAX + 8]; /* each byte may be written as a \u escape */
    struct slice value;
    enum json_error error;

    if (text.len + 2 > sizeof wrapped)
        return refuse(reading, "the value is too long");
    wrapped[0] = '[';
    memcpy(wrapped + 1, text.bytes, text.len);
    wrapped[text.len + 1] = ']';
    if (!json_parse((struct slice){ wrapped, text.len + 2 }, &json, &error) && error == JSON_OUT_OF_MEMORY)
        return out_of_memory(reading);
    if (json_length(json) != 1 || !json_string(json_at(json, 0), &value))
        return refuse(reading, "the value begins with a quote and is not a JSON string");
    *ret_value = (struct slice){ arena_copy(&reading->list->arena, value), value.len };
    return ret_value->bytes != NULL || out_of_memory(reading);
}

static bool add_value(const struct list_reading *reading, enum kind kind, struct slice text, double before)
{
    struct slice value = text;

    if (is_plain(text))
        return add(reading, kind, text, before);
    if (text.len > 0 && text.bytes[0] == '"') {
        if (!read_json_string(reading, text, &value))
            return false;
    } else if (is_doubtful(text)) {
        return refuse(reading, "a value with a quote, a comment or a final comma or semicolon must be a JSON string");
    }
    if (value.len == 0)
        return refuse(reading, "the value is missing");
    if (value.len > SUBJECT_MAX)
        return refuse(reading, "the value is longer than 256 bytes");
    if (!text_is_line(value))
        return refuse(reading, "the value holds control characters, or is not UTF-8");
    return add(reading, kind, value, before);
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

static bool read_issued_before(const struct list_reading *reading, struct slice rest)
{
    struct revocation *list = reading->list;
    double before;

    if (!parse_time(next_word(&rest), &before))
        return refuse(reading, "issued-before takes a time in seconds since 1970");
    if (rest.len > 0) {
        if (!slice_equal_string(next_word(&rest), "sub"))
            return refuse(reading, "only sub and its value may follow the time");
        return add_value(reading, KIND_SUB_BEFORE, rest, before);
    }
    if (!list->has_before || list->before < before)
        list->before = before;
    list->has_before = true;
    list->count++;
    return true;
}

static bool read_line(const struct list_reading *reading, struct slice line)
{
    static const struct {
        struct slice word;
        enum kind kind;
    } rows[] = { { { "sub", 3 }, KIND_SUB }, { { "jti", 3 }, KIND_JTI }, { { "kid", 3 }, KIND_KID } };
    struct slice word;
    size_t i;

    line = strip(line);
    if (line.len == 0 || line.bytes[0] == '#')
        return true;
    word = next_word(&line);
    for (i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (slice_equal(word, rows[i].word))
            return add_value(reading, rows[i].kind, line, 0);
    if (slice_equal_string(word, "issued-before"))
        return read_issued_before(reading, line);
    return refuse(reading, "it begins with none of sub, jti, kid, issued-before");
}

/* Sort; each text stays once, and of several times for one subject the latest. */
static void sort(struct revocation *list, enum kind kind)
{
    struct entries *entries = &list->kinds[kind];
    size_t kept = 0, i;

    text_index_sort(entries->items, entries->count);
    for (i = 1; i < entries->count; i++) {
        const struct text_entry *last = &entries->items[kept], *next = &entries->items[i];

        if (!text_index_is_same(last, next))
            entries->items[++kept] = *next;
        else if (kind == KIND_SUB_BEFORE && list->times[next->value] > list->times[last->value])
            list->times[last->value] = list->times[next->value];
    }
    if (entries->count > 0)
        entries->count = kept + 1;
}

bool revocation_parse(struct verdict *verdict, struct slice text, struct revocation **ret_list)
{
    CLEANUP(revocation_free) struct revocation *list = calloc(1, sizeof *list);
    struct list_reading reading = { .verdict = verdict, .list = list };
    struct slice line, rest = text;
    enum kind kind;

    if (list == NULL)
        return out_of_memory(&reading);
    if (text.len > REVOCATION_MAX_LEN)
        return verdict_reject(verdict, REASON_REVOCATION_UNAVAILABLE, "more than %u bytes", REVOCATION_MAX_LEN);
    while (rest.len > 0) {
        reading.line++;
        if (!slice_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest.len = 0;
        }
        if (!read_line(&reading, line))
            return false;
    }
    for (kind = 0; kind < KIND_COUNT; kind++)
        sort(list, kind);
    *ret_list = list;
    list = NULL;
    return true;
}

void revocation_free(struct revocation **list)
{
    enum kind kind;

    if (list == NULL || *list == NULL)
        return;
    for (kind = 0; kind < KIND_COUNT; kind++)
        free((*list)->kinds[kind].items);
    free((*list)->times);
    arena_free(&(*list)->arena);
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
    const struct text_entry *entry;

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
    if (entry != NULL && is_before(token, list->times[entry->value]))
        return verdict_reject(verdict, REASON_TOKEN_REVOKED, "issued to this sub before %.0f",
                              list->times[entry->value]);
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
    return text_entry_slice(&list->kinds[KIND_SUB].items[index]);
}
