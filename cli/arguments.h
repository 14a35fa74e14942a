/*
 * The options of a sub-command, as a table of its own. tests/check_manual.sh reads the tables' rows, and compares them
 * with latchkey(1).
 */
#ifndef LATCHKEY_CLI_ARGUMENTS_H
#define LATCHKEY_CLI_ARGUMENTS_H

#include <stdbool.h>

#define ARGUMENTS_OPTIONS_MAX 16 /* rows of a table */

/* What argv holds stands in the process list. */
#define ARGUMENTS_NO_API_KEY "the API key comes from a file or on standard input, never as an argument"

/* One of text, flag and take is set. */
struct known_option {
    const char *name;                            /* without its "--"; NULL after the last row */
    const char **text;                           /* where its value goes, lent by argv; the last one given holds */
    bool *flag;                                  /* becomes true; it has no value */
    bool (*take)(const char *value, void *into); /* reads its value; says so when it cannot, and returns false */
    void *into;
};

/*
 * Read the options. What `bare` says is for who gives an argument that belongs to no option; NULL: the command has
 * such, which then stand from argv[optind] on. False when something was wrong, which standard error then says.
 */
bool arguments_read(const char *command, int argc, char **argv, const struct known_option *known, const char *bare);

#endif
