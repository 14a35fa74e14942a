#include "account/revocation.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "base/text_index.h"

#define NUMBER_MAX    (UINT64_C(1) << 53) /* as for the dates of a token */
#define NUMBER_DIGITS 16

/* One kind of entry, in the order of the lines. */
struct entries {
    struct text_entry *items;
    size_t count, room;
    struct text_index index; /* built once all are read */
};

enum kind { KIND_SUB, KIND_JTI, KIND_KID, KIND_SUB_BEFORE, KIND_COUNT };

struct revocation {
    struct entries kinds[KIND_COUNT];
    struct arena arena; /* the decoded JSON strings, and the slots of the indices */
    double *times;      /* of the entries of KIND_SUB_BEFORE */
    size_t time_room;
    bool has_before; /* an issued-before line for every subject */
    double before;
    size_t count;
};

static const struct text_entry *find(const struct revocation *list, enum kind kind, struct slice text)
{
    return text_index_find(&list->kinds[kind].index, text);
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

/* From '-' to '~': ASCII without control characters, blanks, commas, quotes and '#'. */
static bool is_plain(char byte)
{
    return byte >= '-' && byte <= '~';
}

/* How many plain bytes the text begins with. Eight bytes are tested at once: the first one that is not plain sets its
 * highest bit, and may change only bits of later bytes. */
static size_t count_plain(struct slice text)
{
    size_t len = 0;
    uint64_t x;

    for (; text.len - len >= sizeof x; len += sizeof x) {
        memcpy(&x, text.bytes + len, sizeof x);
        x = le64toh(x);
        x = (x | (x + EACH_BYTE(0x01)) | (x - EACH_BYTE('-'))) & EACH_BYTE(0x80);
        if (x != 0)
            return len + (size_t)__builtin_ctzll(x) / 8;
    }
    while (len < text.len && is_plain(text.bytes[len]))
        len++;
    return len;
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
    entries->items[entries->count++] = text_index_entry(&entries->index, value);
    list->count++;
    return true;
}

/* Other formats have a comment, a quote or a separator here. As a part of the value, it would make a line that revokes
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

/* Only a JSON string can have blanks at its ends. The value is put into the list's arena. */
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

/* The kinds whose lines are a word and a value. */
static const struct {
    struct slice word;
    enum kind kind;
} rows[] = { { { "sub", 3 }, KIND_SUB }, { { "jti", 3 }, KIND_JTI }, { { "kid", 3 }, KIND_KID } };

/* Most lines are such a word, one blank and a plain value. Take such a line off the text. False: the next line is
 * another one, and the text stays. */
static bool take_usual_line(struct slice *text, enum kind *ret_kind, struct slice *ret_value)
{
    const size_t begin = 4;
    struct slice value;
    size_t i;

    if (text->len <= begin || text->bytes[begin - 1] != ' ')
        return false;
    value = (struct slice){ text->bytes + begin, text->len - begin };
    value.len = count_plain(value);
    if (value.len == 0 || value.len > SUBJECT_MAX || value.bytes[value.len - 1] == ';')
        return false;
    if (begin + value.len < text->len && value.bytes[value.len] != '\n')
        return false;
    for (i = 0; i < sizeof rows / sizeof rows[0] && memcmp(text->bytes, rows[i].word.bytes, begin - 1) != 0; i++)
        ;
    if (i == sizeof rows / sizeof rows[0])
        return false;
    *ret_kind = rows[i].kind;
    *ret_value = value;
    if (begin + value.len == text->len)
        text->len = 0;
    else
        *text = (struct slice){ value.bytes + value.len + 1, text->len - begin - value.len - 1 };
    return true;
}

static bool read_line(const struct list_reading *reading, struct slice *text)
{
    struct slice word, value, line;
    enum kind kind;
    size_t i;

    if (take_usual_line(text, &kind, &value))
        return add(reading, kind, value, 0);
    if (!slice_cut(*text, '\n', &line, text)) {
        line = *text;
        text->len = 0;
    }
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

bool revocation_parse(struct verdict *verdict, struct slice text, struct revocation **ret_list)
{
    CLEANUP(revocation_free) struct revocation *list = calloc(1, sizeof *list);
    struct list_reading reading = { .verdict = verdict, .list = list };
    struct slice rest = text;
    enum kind kind;

    if (list == NULL)
        return out_of_memory(&reading);
    for (kind = 0; kind < KIND_COUNT; kind++)
        text_index_init(&list->kinds[kind].index);
    if (text.len > REVOCATION_MAX_LEN)
        return verdict_reject(verdict, REASON_REVOCATION_UNAVAILABLE, "more than %u bytes", REVOCATION_MAX_LEN);
    while (rest.len > 0) {
        reading.line++;
        if (!read_line(&reading, &rest))
            return false;
    }
    for (kind = 0; kind < KIND_COUNT; kind++) {
        struct entries *entries = &list->kinds[kind];

        if (!text_index_build(&entries->index, entries->items, entries->count, &list->arena))
            return out_of_memory(&reading);
    }
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

/* The latest of the times for the subject. False: it has none. */
static bool find_before(const struct revocation *list, struct slice subject, double *ret_before)
{
    const struct text_index *index = &list->kinds[KIND_SUB_BEFORE].index;
    const struct text_entry *entry, *first = text_index_find(index, subject);
    double time;

    *ret_before = 0;
    for (entry = first; entry != NULL; entry = text_index_next(index, entry)) {
        time = list->times[text_index_place(index, entry)];
        *ret_before = time > *ret_before ? time : *ret_before;
    }
    return first != NULL;
}

bool revocation_check(struct verdict *verdict, const struct revocation *list, const struct revocable *token)
{
    double before;

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
    if (find_before(list, token->subject, &before) && is_before(token, before))
        return verdict_reject(verdict, REASON_TOKEN_REVOKED, "issued to this sub before %.0f", before);
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
