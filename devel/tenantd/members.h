/*
 * C strings as members of JSON objects.
 */
#ifndef LATCHKEY_TENANTD_MEMBERS_H
#define LATCHKEY_TENANTD_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

/* json_add() of a string; valid UTF-8. */
bool json_add_text(struct json *object, const char *name, const char *text);
/* A string member that fits into `size` bytes with a NUL and holds no control byte. */
bool json_copy_text(const struct json *object, const char *name, char *text, size_t size);
/* A number member that is a time, in s since 1970; a fraction is cut. */
bool json_read_time(const struct json *object, const char *name, int64_t *ret_time);

#endif
