#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int usage_error(const char *command, const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "latchkey %s: ", command);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nTry \"latchkey --help\", or latchkey(1).\n");
    return STATUS_USAGE;
}

struct json *json_object_of(const struct json_member *members, size_t count)
{
    struct json *object = json_new_object();
    bool ok = true;
    size_t i;

    for (i = 0; i < count; i++) /* to the last one: each value is taken over */
        ok = json_add(object, members[i].name, members[i].value) && ok;
    if (!ok)
        json_free(&object);
    return object;
}

bool print_object(struct json *object)
{
    const char *text = object != NULL ? json_print_printable(object, true) : NULL;

    return text != NULL && puts(text) >= 0;
}

int flush_output(const char *command)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return STATUS_OK;
    fprintf(stderr, "latchkey %s: standard output: %s\n", command, strerror(errno));
    return STATUS_UNAVAILABLE;
}
