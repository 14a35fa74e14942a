/*
 * What the sub-commands of latchkey(1) share. The exit statuses are an interface.
 */
#ifndef LATCHKEY_CLI_H
#define LATCHKEY_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

enum { STATUS_OK = 0, STATUS_REFUSED = 1, STATUS_USAGE = 2, STATUS_UNAVAILABLE = 3 };

/* "latchkey verify: …" on standard error; returns STATUS_USAGE. */
__attribute__((format(printf, 2, 3))) int usage_error(const char *command, const char *format, ...);

/*
 * A JSON object of these members, whose values it takes over. NULL when out of memory, also for a value that is NULL:
 *     JSON_OBJECT({ "line", json_new_integer(7) }, { "file", json_new_null() })
 */
struct json_member {
    const char *name;
    struct json *value;
};
#define JSON_OBJECT(...)                                        \
    json_object_of((const struct json_member[]){ __VA_ARGS__ }, \
                   sizeof((const struct json_member[]){ __VA_ARGS__ }) / sizeof(struct json_member))
struct json *json_object_of(const struct json_member *members, size_t count);

/* The object as text for a terminal, and a line end, on standard output. False when it is NULL, when out of memory, or
 * when the output fails. */
bool print_object(struct json *object);

/* A result that was not written was not reported. STATUS_OK when all of standard output is written, else
 * STATUS_UNAVAILABLE and a message on standard error. */
int flush_output(const char *command);

#endif
