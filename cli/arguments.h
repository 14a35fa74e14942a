/*
 * The options of a sub-command, as a table. tests/check_manual.sh compares the rows of the tables with latchkey(1).
 */
#ifndef LATCHKEY_CLI_ARGUMENTS_H
#define LATCHKEY_CLI_ARGUMENTS_H

#include <stdbool.h>

#define ARGUMENTS_OPTIONS_MAX 16 /* rows of a table */

/* What arguments_read() says of an argument. Other users of the host see argv in the process list. */
#define ARGUMENTS_NONE       "takes no arguments"
#define ARGUMENTS_NO_API_KEY "the API key comes from a file or on standard input, never as an argument"

/* A row has one of text, flag and take. */
struct known_option {
    const char *name;                            /* without its "--"; NULL after the last row */
    const char **text;                           /* becomes the value, lent by argv; the last value given counts */
    bool *flag;                                  /* becomes true; the option has no value */
    bool (*take)(const char *value, void *into); /* reads the value; false after a message on standard error */
    void *into;
};

/*
 * Read the options. `bare` is the message for an argument that belongs to no option; NULL: the command takes such
 * arguments, and finds them from argv[optind] on. False after a message on standard error.
 */
bool arguments_read(const char *command, int argc, char **argv, const struct known_option *known, const char *bare);

#endif
