#include "cli/arguments.h"

#include <getopt.h>
#include <stddef.h>

#include "cli/cli.h"

/* The table of getopt_long(), which returns the index of an option's row. */
static void fill(const struct known_option *known, struct option options[ARGUMENTS_OPTIONS_MAX + 1])
{
    int i;

    for (i = 0; i < ARGUMENTS_OPTIONS_MAX && known[i].name != NULL; i++)
        options[i] = (struct option){ .name = known[i].name,
                                      .has_arg = known[i].flag != NULL ? no_argument : required_argument,
                                      .val = i };
    options[i] = (struct option){ .name = NULL };
}

static bool set(const struct known_option *option, const char *value)
{
    if (option->take != NULL)
        return option->take(value, option->into);
    if (option->flag != NULL)
        *option->flag = true;
    else
        *option->text = value;
    return true;
}

bool arguments_read(const char *command, int argc, char **argv, const struct known_option *known, const char *bare)
{
    struct option options[ARGUMENTS_OPTIONS_MAX + 1];
    int row;

    fill(known, options);
    while ((row = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (row == '?' /* getopt_long() has printed the message */ || !set(&known[row], optarg))
            return false;
    if (bare == NULL || optind == argc)
        return true;
    usage_error(command, "%s", bare);
    return false;
}
