/*
 * JSON, the one user of json-c. What comes from outside is read strictly (RFC 8259, and RFC 8725 §2.4, §3.7):
 *   - UTF-8 only: no BOM, no overlong form, no surrogate, neither literal nor as a lone \u escape
 *   - an object or array at the top, nothing but white space after it
 *   - at most JSON_DEPTH_MAX levels and JSON_VALUES_MAX values
 *   - no member name twice in one object, compared after unescaping; no NUL in a member name
 *   - no extension that json-c knows (comments, NaN, Infinity, single quotes, raw control characters, `1.`)
 */
#ifndef LATCHKEY_JSON_H
#define LATCHKEY_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define JSON_DEPTH_MAX  16         /* levels of objects and arrays; the outermost is the first */
#define JSON_TEXT_MAX   (1U << 20) /* bytes */
#define JSON_VALUES_MAX 20000      /* objects, arrays and scalars together; a value takes up to 1 KiB of memory */

/* clang-format off */
#define JSON_ERRORS(X) \
  X(JSON_OUT_OF_MEMORY,     "out of memory") /* the only error that does not depend on the text alone */ \
  X(JSON_TOO_LONG,          "larger than 1 MiB") \
  X(JSON_TOO_DEEP,          "nested too deeply") \
  X(JSON_TOO_MANY_VALUES,   "too many values") \
  X(JSON_NO_CONTAINER,      "neither an object nor an array") \
  X(JSON_NO_VALUE,          "a value is missing or malformed") \
  X(JSON_NO_NAME,           "a member name is missing") \
  X(JSON_NO_COLON,          "a colon is missing") \
  X(JSON_NO_COMMA,          "a comma or a closing bracket is missing") \
  X(JSON_DUPLICATE_NAME,    "duplicate member name") \
  X(JSON_NUL_IN_NAME,       "a NUL in a member name") \
  X(JSON_BAD_NUMBER,        "a malformed number") \
  X(JSON_BAD_ESCAPE,        "a broken escape in a string") \
  X(JSON_LONE_SURROGATE,    "a lone surrogate in a string") \
  X(JSON_CONTROL_CHARACTER, "a control character in a string") \
  X(JSON_NOT_UTF8,          "not UTF-8") \
  X(JSON_TRUNCATED,         "the text ends too early") \
  X(JSON_TRAILING_TEXT,     "text after the end")
/* clang-format on */

#define X(code, text) code,
enum json_error { JSON_ERRORS(X) };
#undef X
const char *json_error_text(enum json_error error);

/* A value. What json_parse() gives is owned by the caller; what lies below it is lent by it. */
struct json;

enum json_type { JSON_NULL, JSON_BOOLEAN, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/*
 * Read one text. *ret_json is set on success only; free it with json_free(). False with *ret_error set.
 * Thread-safe.
 */
bool json_parse(struct slice text, struct json **ret_json, enum json_error *ret_error);

/* Wipes the strings. Accepts NULL and a pointer to NULL; leaves NULL. */
void json_free(struct json **json);

/* NULL (the C one) reads as JSON_NULL. */
enum json_type json_type_of(const struct json *json);

/* The member of an object, or NULL when it is absent or `object` is not an object. A present null is not NULL. */
const struct json *json_member(const struct json *object, const char *name);

/* False when it is not a string. The bytes are UTF-8 and may hold NUL (from \u0000). */
bool json_string(const struct json *json, struct slice *ret_string);
/* False when it is not a number. Too large numbers become infinity, what is beyond 2^53 loses precision, but is
 * never rounded to 2^53 itself, a limit of dates. */
bool json_number(const struct json *json, double *ret_number);
/* The literal true, and nothing else. */
bool json_is_true(const struct json *json);
/* 0 when it is not an array. */
size_t json_length(const struct json *array);
/* index < json_length(). */
const struct json *json_at(const struct json *array, size_t index);

/*
 * Build and print. Constructors return NULL when out of memory. json_add() and json_append() take ownership of the
 * value in every case, also of NULL values, which make them return false; so a chain may be built first and checked
 * once. Strings are sent as they are: the caller passes valid UTF-8.
 */
struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_string(struct slice string);
struct json *json_new_integer(int64_t number);
struct json *json_new_number(double number); /* finite; written so that json_number() gives it back bit for bit */
struct json *json_new_boolean(bool boolean);
struct json *json_new_null(void);
struct json *json_new_text(struct slice text); /* a string; null when the text is empty, for "there is none" */
bool json_add(struct json *object, const char *name, struct json *value);
bool json_append(struct json *array, struct json *value);

/* The text on one line, or indented. Lent until the next call on `json` or its end. NULL when out of memory, or when
 * the text could not be read back: invalid UTF-8, more than JSON_DEPTH_MAX levels or JSON_VALUES_MAX
 * values. */
const char *json_print(const struct json *json, bool indented);

/* The same for a terminal: what is not printable (base/text.h) is written as \u escapes, so that nothing is lost. */
const char *json_print_printable(struct json *json, bool indented);

#endif
