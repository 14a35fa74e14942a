#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

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

bool read_input(int fd, size_t max, struct secret *ret_content)
{
    struct secret content = { malloc(max + 1), 0 };
    int error;

    while (content.bytes != NULL && content.len < max) {
        ssize_t got = read(fd, content.bytes + content.len, max - content.len);

        if (got == 0)
            break;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            error = errno;
            secret_clear(&content);
            errno = error;
            return false;
        }
        content.len += (size_t)got;
    }
    if (content.bytes == NULL)
        return false;
    *ret_content = content;
    return true;
}

int flush_output(const char *command)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return STATUS_OK;
    fprintf(stderr, "latchkey %s: standard output: %s\n", command, strerror(errno));
    return STATUS_UNAVAILABLE;
}
