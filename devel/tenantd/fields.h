/*
 * Names and values: headers, query parameters, forms. Values may be passwords and API keys, and are wiped.
 */
#ifndef LATCHKEY_TENANTD_FIELDS_H
#define LATCHKEY_TENANTD_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/secret.h"
#include "base/slice.h"

#define FIELDS_MAX 64

/* Zero-initialise it; end it with fields_clear(). */
struct fields {
    struct {
        struct secret name, value;
    } items[FIELDS_MAX];
    size_t count;
};

/* Copies. False when there are too many or when out of memory. */
bool fields_add(struct fields *fields, struct slice name, struct slice value);
bool fields_add_text(struct fields *fields, const char *name, const char *value);
void fields_clear(struct fields *fields);

/* Lent by the fields. False when the name is absent, and when it is there twice: of two values neither is the one
 * (RFC 6749 §3.1: parameters must not be included more than once). */
bool fields_find(const struct fields *fields, const char *name, struct slice *ret_value);
/* The same for headers, whose names have no case (RFC 9110 §5.1). */
bool fields_header(const struct fields *fields, const char *name, struct slice *ret_value);

/* Adds the pairs of an application/x-www-form-urlencoded text. False on a broken escape, and as fields_add(). */
bool fields_parse_form(struct fields *fields, struct slice text);

/* An object of names and values; what is not UTF-8 reads null, of two fields of one name the last one stays. NULL when
 * out of memory. */
struct json *fields_json(const struct fields *fields);

#endif
