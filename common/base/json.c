#include "base/json.h"

#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

/* json-c has an enum of the same name as ours. */
#define json_type json_c_type
#include <json-c/json_object.h>
#include <json-c/json_object_iterator.h>
#include <json-c/linkhash.h>
#undef json_type

#include "base/text.h"

/*
 * Values are json-c's, but its tokener is not used: it accepts far more than RFC 8259 does, lets duplicate members
 * replace each other, and switches the thread's locale for each text. The reader below decides alone what is JSON, so
 * that a text has only one reading.
 */

#define EXACT_MAX 0x1p53 /* all integers up to it are doubles */

#define ARRAY_ROOM 4 /* members to begin with; json-c's default of 32 wastes memory for an audience */

/* An opaque type: a struct json_object, or null_value for JSON's null, which json-c represents as NULL. */
struct json {
    char unused;
};
static struct json null_value;

const char *json_error_text(enum json_error error)
{
#define X(code, text) [code] = text,
    static const char *const texts[] = { JSON_ERRORS(X) };
#undef X

    return texts[error];
}

static struct json *wrap(struct json_object *value)
{
    return value != NULL ? (struct json *)value : &null_value;
}

static struct json_object *unwrap(const struct json *json)
{
    return json != &null_value ? (struct json_object *)json : NULL;
}

struct json_reader {
    const char *at;
    const char *end;
    /* Room for the next string or number with its NUL. It starts a byte longer than the text, and only names use it
     * up, each less of it than of the text, which has quotation marks around them. So it never runs out. */
    char *scratch;
    int depth;
    unsigned values;
    enum json_error error;
};

static bool read_value(struct json_reader *reader, struct json_object **ret_value);

static bool fail(struct json_reader *reader, enum json_error error)
{
    reader->error = error;
    return false;
}

static bool made(struct json_reader *reader, const struct json_object *value)
{
    return value != NULL || fail(reader, JSON_OUT_OF_MEMORY);
}

/* The next byte, or -1 at the end. */
static int peek_byte(const struct json_reader *reader)
{
    return reader->at < reader->end ? (unsigned char)*reader->at : -1;
}

/* The next byte is not what the grammar requires. */
static bool fail_here(struct json_reader *reader, enum json_error error)
{
    return fail(reader, peek_byte(reader) < 0 ? JSON_TRUNCATED : error);
}

/* RFC 8259 §2: ws = *( %x20 / %x09 / %x0A / %x0D ). Gives the byte after it, or -1. */
static int skip_space(struct json_reader *reader)
{
    while (reader->at < reader->end
           && (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n' || *reader->at == '\r'))
        reader->at++;
    return peek_byte(reader);
}

/* RFC 3629 §3 */
static char *put_utf8(char *out, uint32_t code)
{
    static const unsigned char leads[] = { 0x00, 0xc0, 0xe0, 0xf0 };
    int more = (code >= 0x80) + (code >= 0x800) + (code >= 0x10000); /* bytes after the first */

    *out++ = (char)(leads[more] | code >> 6 * more);
    while (more-- > 0)
        *out++ = (char)(0x80 | (code >> 6 * more & 0x3f));
    return out;
}

/* RFC 8259 §7: %x75 4HEXDIG, from the "u" on. */
static bool read_code_unit(struct json_reader *reader, uint32_t *ret_unit)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *digit;
    int i;

    if (reader->end - reader->at < 5 || *reader->at != 'u')
        return fail(reader, JSON_BAD_ESCAPE);
    *ret_unit = 0;
    for (i = 1; i <= 4; i++) {
        digit = memchr(digits, reader->at[i], sizeof digits - 1);
        if (digit == NULL)
            return fail(reader, JSON_BAD_ESCAPE);
        *ret_unit = *ret_unit << 4 | (uint32_t)(digit - digits < 16 ? digit - digits : digit - digits - 6);
    }
    reader->at += 5;
    return true;
}

/* RFC 8259 §7: beyond the Basic Multilingual Plane, two escapes make one character. Neither may occur alone (§8.2). */
static bool read_unicode_escape(struct json_reader *reader, char **out)
{
    uint32_t code, low;

    if (!read_code_unit(reader, &code))
        return false;
    if (code >= 0xd800 && code <= 0xdfff) {
        if (code >= 0xdc00 || peek_byte(reader) != '\\')
            return fail(reader, JSON_LONE_SURROGATE);
        reader->at++;
        if (!read_code_unit(reader, &low))
            return false;
        if (low < 0xdc00 || low > 0xdfff)
            return fail(reader, JSON_LONE_SURROGATE);
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    *out = put_utf8(*out, code);
    return true;
}

static bool read_escape(struct json_reader *reader, char **out)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *letter;

    reader->at++;
    if (peek_byte(reader) == 'u')
        return read_unicode_escape(reader, out);
    letter = peek_byte(reader) >= 0 ? memchr(letters, peek_byte(reader), sizeof letters - 1) : NULL;
    if (letter == NULL)
        return fail(reader, JSON_BAD_ESCAPE);
    *(*out)++ = meanings[letter - letters];
    reader->at++;
    return true;
}

static bool read_utf8(struct json_reader *reader, char **out)
{
    uint32_t code;
    const size_t len = text_decode(reader->at, (size_t)(reader->end - reader->at), &code);

    if (len == 0)
        return fail(reader, JSON_NOT_UTF8);
    memcpy(*out, reader->at, len);
    *out += len;
    reader->at += len;
    return true;
}

/* Unescaped printable ASCII: nearly all of every string, so this loop decides the speed of reading. */
static void read_plain(struct json_reader *reader, char **out)
{
    const char *at = reader->at, *end = reader->end;
    char *to = *out;

    while (at < end && *at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' && *at != '\\')
        *to++ = *at++;
    reader->at = at;
    *out = to;
}

/* RFC 8259 §7, from the quotation mark on. The string is in the scratch buffer, with a NUL after it. */
static bool read_quoted(struct json_reader *reader, struct slice *ret_string)
{
    char *out = reader->scratch;

    reader->at++;
    for (;;) {
        read_plain(reader, &out);
        switch (peek_byte(reader)) {
        case '"':
            reader->at++;
            *out = '\0';
            *ret_string = (struct slice){ reader->scratch, (size_t)(out - reader->scratch) };
            return true;
        case '\\':
            if (!read_escape(reader, &out))
                return false;
            break;
        case -1:
            return fail(reader, JSON_TRUNCATED);
        default:
            if (peek_byte(reader) < 0x20)
                return fail(reader, JSON_CONTROL_CHARACTER);
            if (!read_utf8(reader, &out))
                return false;
        }
    }
}

static bool skip_digits(struct json_reader *reader)
{
    const char *begin = reader->at;

    while (peek_byte(reader) >= '0' && peek_byte(reader) <= '9')
        reader->at++;
    return reader->at > begin || fail(reader, JSON_BAD_NUMBER);
}

/* RFC 8259 §6: number = [ minus ] int [ frac ] [ exp ]. */
static bool skip_number(struct json_reader *reader, bool *ret_is_integer)
{
    *ret_is_integer = true;
    if (peek_byte(reader) == '-')
        reader->at++;
    if (peek_byte(reader) == '0') /* nothing may follow a leading zero */
        reader->at++;
    else if (!skip_digits(reader))
        return false;
    if (peek_byte(reader) == '.') {
        *ret_is_integer = false;
        reader->at++;
        if (!skip_digits(reader))
            return false;
    }
    if (peek_byte(reader) == 'e' || peek_byte(reader) == 'E') {
        *ret_is_integer = false;
        reader->at++;
        if (peek_byte(reader) == '+' || peek_byte(reader) == '-')
            reader->at++;
        if (!skip_digits(reader))
            return false;
    }
    return true;
}

/* False when it does not fit. */
static bool integer_of(const char *digits, const char *end, int64_t *ret_integer)
{
    bool is_negative = *digits == '-';
    int64_t integer = 0;

    for (digits += is_negative; digits < end; digits++)
        if (__builtin_mul_overflow(integer, 10, &integer)
            || __builtin_add_overflow(integer, is_negative ? '0' - *digits : *digits - '0', &integer))
            return false;
    *ret_integer = integer;
    return true;
}

/* 2^53 + 1 lies between two doubles and would be rounded to 2^53, which is still a date (RFC 7519 §2). */
static double keep_beyond(double number, bool is_beyond)
{
    if (!is_beyond || (number != EXACT_MAX && number != -EXACT_MAX))
        return number;
    return number < 0 ? -EXACT_MAX - 2 : EXACT_MAX + 2;
}

/* Texts hold keys and tokens, and free() wipes nothing. Strings only: other values are not secret. */
static void wipe_strings(struct json_object *value)
{
    struct json_object_iterator at, end;
    size_t i;

    switch (json_object_get_type(value)) {
    case json_type_string:
        explicit_bzero((char *)json_object_get_string(value), (size_t)json_object_get_string_len(value));
        break;
    case json_type_array:
        for (i = 0; i < json_object_array_length(value); i++)
            wipe_strings(json_object_array_get_idx(value, i));
        break;
    case json_type_object:
        at = json_object_iter_begin(value);
        end = json_object_iter_end(value);
        for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
            wipe_strings(json_object_iter_peek_value(&at));
        break;
    default:
        break;
    }
}

static void drop(struct json_object *value)
{
    wipe_strings(value);
    json_object_put(value);
}

/* A double that prints as it was written, also where it became infinite. */
static bool make_double(struct json_reader *reader, struct slice text, struct json_object **ret_value)
{
    /* strtod() would require a comma in some locales of the host. */
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    long double exact; /* where it has more digits than a double */
    double number;

    if (c_locale == (locale_t)0)
        return fail(reader, JSON_OUT_OF_MEMORY);
    memcpy(reader->scratch, text.bytes, text.len);
    reader->scratch[text.len] = '\0';
    exact = strtold_l(reader->scratch, NULL, c_locale);
    number = keep_beyond(strtod_l(reader->scratch, NULL, c_locale), exact > EXACT_MAX || exact < -EXACT_MAX);
    freelocale(c_locale);
    *ret_value = json_object_new_double_s(number, reader->scratch);
    return made(reader, *ret_value);
}

static bool read_number(struct json_reader *reader, struct json_object **ret_value)
{
    const char *begin = reader->at;
    bool is_integer;
    int64_t integer;

    if (!skip_number(reader, &is_integer))
        return false;
    if (!is_integer || !integer_of(begin, reader->at, &integer))
        return make_double(reader, (struct slice){ begin, (size_t)(reader->at - begin) }, ret_value);
    *ret_value = json_object_new_int64(integer);
    return made(reader, *ret_value);
}

/* Take the value in any case. */
static bool add_member(struct json_reader *reader, struct json_object *object, const char *name,
                       struct json_object *value)
{
    /* json-c lets a later member replace an earlier one, which it then frees as it is. */
    const bool is_twice = json_object_object_get_ex(object, name, NULL);

    if (!is_twice && json_object_object_add_ex(object, name, value, JSON_C_OBJECT_ADD_KEY_IS_NEW) == 0)
        return true;
    drop(value);
    return fail(reader, is_twice ? JSON_DUPLICATE_NAME : JSON_OUT_OF_MEMORY);
}

/* RFC 8259 §4: member = string name-separator value. */
static bool read_pair(struct json_reader *reader, struct json_object *object)
{
    struct json_object *value;
    struct slice name;

    if (skip_space(reader) != '"')
        return fail_here(reader, JSON_NO_NAME);
    if (!read_quoted(reader, &name))
        return false;
    /* json-c's names are C strings: "exp\u0000" would read as "exp". */
    if (memchr(name.bytes, '\0', name.len) != NULL)
        return fail(reader, JSON_NUL_IN_NAME);
    if (skip_space(reader) != ':')
        return fail_here(reader, JSON_NO_COLON);
    reader->at++;
    reader->scratch += name.len + 1; /* the name must outlive the reading of its value */
    return read_value(reader, &value) && add_member(reader, object, name.bytes, value);
}

static bool read_element(struct json_reader *reader, struct json_object *array)
{
    struct json_object *value;

    if (!read_value(reader, &value))
        return false;
    if (json_object_array_add(array, value) != 0) {
        drop(value);
        return fail(reader, JSON_OUT_OF_MEMORY);
    }
    return true;
}

typedef bool read_item(struct json_reader *reader, struct json_object *container);

/* RFC 8259 §4, §5: what objects and arrays have in common, from the opening bracket on. */
static bool read_items(struct json_reader *reader, struct json_object *container, read_item *read, int closing)
{
    reader->at++;
    if (skip_space(reader) != closing) {
        for (;;) {
            if (!read(reader, container))
                return false;
            if (skip_space(reader) != ',')
                break;
            reader->at++;
        }
    }
    if (peek_byte(reader) != closing)
        return fail_here(reader, JSON_NO_COMMA);
    reader->at++;
    return true;
}

static bool read_container(struct json_reader *reader, struct json_object **ret_value)
{
    bool is_object = peek_byte(reader) == '{', ok;
    struct json_object *container;

    if (reader->depth == JSON_DEPTH_MAX)
        return fail(reader, JSON_TOO_DEEP);
    container = is_object ? json_object_new_object() : json_object_new_array_ext(ARRAY_ROOM);
    if (!made(reader, container))
        return false;
    reader->depth++;
    ok = is_object ? read_items(reader, container, read_pair, '}') : read_items(reader, container, read_element, ']');
    reader->depth--;
    if (!ok) {
        drop(container);
        return false;
    }
    *ret_value = container;
    return true;
}

static bool read_word(struct json_reader *reader, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
        return fail(reader, JSON_NO_VALUE);
    reader->at += len;
    return true;
}

static bool read_boolean(struct json_reader *reader, bool boolean, struct json_object **ret_value)
{
    if (!read_word(reader, boolean ? "true" : "false"))
        return false;
    *ret_value = json_object_new_boolean(boolean);
    return made(reader, *ret_value);
}

static bool read_string_value(struct json_reader *reader, struct json_object **ret_value)
{
    struct slice string;

    if (!read_quoted(reader, &string))
        return false;
    *ret_value = json_object_new_string_len(string.bytes, (int)string.len);
    return made(reader, *ret_value);
}

/* RFC 8259 §3. *ret_value is set on success only; null is the null pointer. */
static bool read_value(struct json_reader *reader, struct json_object **ret_value)
{
    if (reader->values == JSON_VALUES_MAX)
        return fail(reader, JSON_TOO_MANY_VALUES);
    reader->values++;
    switch (skip_space(reader)) {
    case '{':
    case '[':
        return read_container(reader, ret_value);
    case '"':
        return read_string_value(reader, ret_value);
    case 't':
        return read_boolean(reader, true, ret_value);
    case 'f':
        return read_boolean(reader, false, ret_value);
    case 'n':
        *ret_value = NULL;
        return read_word(reader, "null");
    default:
        if (peek_byte(reader) != '-' && (peek_byte(reader) < '0' || peek_byte(reader) > '9'))
            return fail_here(reader, JSON_NO_VALUE);
        return read_number(reader, ret_value);
    }
}

/* RFC 8259 §2: JSON-text = ws value ws. */
static bool read_json_text(struct slice text, struct json_object **ret_value, enum json_error *ret_error)
{
    char *scratch = malloc(text.len + 1);
    struct json_reader reader = { .at = text.bytes, .end = text.bytes + text.len, .scratch = scratch };
    bool ok = false;

    if (scratch == NULL) {
        *ret_error = JSON_OUT_OF_MEMORY;
        return false;
    }
    if (read_value(&reader, ret_value)) {
        ok = skip_space(&reader) < 0 || fail(&reader, JSON_TRAILING_TEXT);
        if (!ok)
            drop(*ret_value);
    }
    explicit_bzero(scratch, text.len); /* the decoded strings: some texts hold a key or a token */
    free(scratch);
    if (!ok)
        *ret_error = reader.error;
    return ok;
}

bool json_parse(struct slice text, struct json **ret_json, enum json_error *ret_error)
{
    struct json_object *value;
    struct json_reader start = { .at = text.bytes, .end = text.bytes + text.len };
    int first;

    if (text.len > JSON_TEXT_MAX) {
        *ret_error = JSON_TOO_LONG;
        return false;
    }
    first = skip_space(&start);
    if (first != '{' && first != '[') {
        *ret_error = JSON_NO_CONTAINER;
        return false;
    }
    if (!read_json_text(text, &value, ret_error))
        return false;
    *ret_json = wrap(value);
    return true;
}

void json_free(struct json **json)
{
    if (json == NULL)
        return;
    drop(unwrap(*json));
    *json = NULL;
}

enum json_type json_type_of(const struct json *json)
{
    switch (json_object_get_type(unwrap(json))) {
    case json_type_boolean:
        return JSON_BOOLEAN;
    case json_type_int:
    case json_type_double:
        return JSON_NUMBER;
    case json_type_string:
        return JSON_STRING;
    case json_type_array:
        return JSON_ARRAY;
    case json_type_object:
        return JSON_OBJECT;
    case json_type_null:
    default:
        return JSON_NULL;
    }
}

const struct json *json_member(const struct json *object, const char *name)
{
    struct json_object *value;

    return json_object_object_get_ex(unwrap(object), name, &value) ? wrap(value) : NULL;
}

bool json_string(const struct json *json, struct slice *ret_string)
{
    struct json_object *value = unwrap(json);

    if (!json_object_is_type(value, json_type_string))
        return false;
    *ret_string = (struct slice){ json_object_get_string(value), (size_t)json_object_get_string_len(value) };
    return true;
}

bool json_number(const struct json *json, double *ret_number)
{
    struct json_object *value = unwrap(json);
    int64_t integer;

    if (json_type_of(json) != JSON_NUMBER)
        return false;
    *ret_number = json_object_get_double(value);
    if (json_object_is_type(value, json_type_int)) {
        integer = json_object_get_int64(value);
        *ret_number = keep_beyond(*ret_number, integer > (int64_t)EXACT_MAX || integer < -(int64_t)EXACT_MAX);
    }
    return true;
}

bool json_is_true(const struct json *json)
{
    return json_type_of(json) == JSON_BOOLEAN && json_object_get_boolean((struct json_object *)json);
}

size_t json_length(const struct json *array)
{
    return json_type_of(array) == JSON_ARRAY ? json_object_array_length(unwrap(array)) : 0;
}

const struct json *json_at(const struct json *array, size_t index)
{
    return wrap(json_object_array_get_idx(unwrap(array), index));
}

/* What a constructor of json-c gave: NULL means out of memory, and not null. */
static struct json *constructed(struct json_object *value)
{
    return (struct json *)value;
}

struct json *json_new_object(void)
{
    return constructed(json_object_new_object());
}

struct json *json_new_array(void)
{
    return constructed(json_object_new_array_ext(ARRAY_ROOM));
}

struct json *json_new_string(struct slice string)
{
    if (string.len > INT_MAX)
        return NULL;
    return constructed(json_object_new_string_len(string.len != 0 ? string.bytes : "", (int)string.len));
}

struct json *json_new_integer(int64_t number)
{
    return constructed(json_object_new_int64(number));
}

/* json-c writes 17 digits, and ".0" after a whole number. Numbers in the range of dates are written as integers. */
struct json *json_new_number(double number)
{
    if (number >= -EXACT_MAX && number <= EXACT_MAX && number == (double)(int64_t)number)
        return json_new_integer((int64_t)number);
    return constructed(json_object_new_double(number));
}

struct json *json_new_boolean(bool boolean)
{
    return constructed(json_object_new_boolean(boolean));
}

struct json *json_new_null(void)
{
    return &null_value;
}

struct json *json_new_text(struct slice text)
{
    return text.len > 0 ? json_new_string(text) : json_new_null();
}

bool json_add(struct json *object, const char *name, struct json *value)
{
    if (value != NULL && json_type_of(object) == JSON_OBJECT
        && json_object_object_add(unwrap(object), name, unwrap(value)) == 0)
        return true;
    json_free(&value);
    return false;
}

bool json_append(struct json *array, struct json *value)
{
    if (value != NULL && json_type_of(array) == JSON_ARRAY && json_object_array_add(unwrap(array), unwrap(value)) == 0)
        return true;
    json_free(&value);
    return false;
}

/* json-c 0.16 leaves out what its buffer cannot grow for and reports success; a text that lost a member or a part of
 * a string must not be sent. */
static bool is_complete(struct slice text, struct json_object *value)
{
    struct json_object *again;
    enum json_error error;
    bool is_equal;

    if (!read_json_text(text, &again, &error))
        return false;
    is_equal = json_object_equal(again, value);
    drop(again);
    return is_equal;
}

const char *json_print(const struct json *json, bool indented)
{
    int layout = indented ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED : JSON_C_TO_STRING_PLAIN;
    struct json_object *value = unwrap(json);
    struct slice text;

    if (json == NULL)
        return NULL;
    text.bytes = json_object_to_json_string_length(value, layout | JSON_C_TO_STRING_NOSLASHESCAPE, &text.len);
    return text.bytes != NULL && is_complete(text, value) ? text.bytes : NULL;
}

static bool is_escaped(uint32_t code)
{
    return code != '\n' && !text_code_is_printable(code); /* a line break occurs between values only */
}

/* RFC 8259 §7 */
static char *put_escape(char *out, uint32_t unit)
{
    static const char digits[] = "0123456789abcdef";
    int shift;

    *out++ = '\\';
    *out++ = 'u';
    for (shift = 12; shift >= 0; shift -= 4)
        *out++ = digits[unit >> shift & 0xf];
    return out;
}

/* `out` has room for 12 bytes: beyond the Basic Multilingual Plane a character takes two escapes. */
static char *put_printable(char *out, struct slice character, uint32_t code)
{
    if (!is_escaped(code)) {
        memcpy(out, character.bytes, character.len);
        return out + character.len;
    }
    if (code < 0x10000)
        return put_escape(out, code);
    out = put_escape(out, 0xd800 + ((code - 0x10000) >> 10));
    return put_escape(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
}

/* Of a text in valid UTF-8: how many bytes it has with escapes; written to `out` unless NULL. */
static size_t escape(struct slice text, char *out)
{
    char piece[12];
    size_t at, len, total = 0;
    uint32_t code;

    for (at = 0; at < text.len; at += len) {
        len = text_decode(text.bytes + at, text.len - at, &code);
        total += (size_t)(put_printable(piece, (struct slice){ text.bytes + at, len }, code) - piece);
        if (out != NULL)
            out = put_printable(out, (struct slice){ text.bytes + at, len }, code);
    }
    return total;
}

static void free_escaped(struct json_object *value, void *text)
{
    (void)value;
    explicit_bzero(text, strlen(text)); /* some texts hold a key or a token */
    free(text);
}

/* The value keeps the text where json-c keeps that of a number, which never needs escapes. */
static const char *keep_escaped(struct json_object *value, struct slice text, size_t len)
{
    char *escaped = malloc(len + 1);

    if (escaped == NULL)
        return NULL;
    escape(text, escaped);
    escaped[len] = '\0';
    json_object_set_userdata(value, escaped, free_escaped);
    return escaped;
}

const char *json_print_printable(struct json *json, bool indented)
{
    const struct slice text = slice_of(json_print(json, indented));
    const size_t len = text.bytes != NULL ? escape(text, NULL) : 0;

    return len == text.len ? text.bytes : keep_escaped(unwrap(json), text, len);
}
