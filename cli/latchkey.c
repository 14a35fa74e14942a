/*
 * latchkey: one sub-command a row.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const struct command {
    const char *name, *program;
    int (*run)(int argc, char **argv);
    const char *synopsis;
    const char *summary;
} commands[] = {
    { "verify", "latchkey verify", command_verify,
      "verify [--config FILE] [--service SERVICE] [--user USER] [--at UNIX_TIME] [--json] < credential",
      "say whether a credential is accepted, and why or why not, check by check" },
    { "check", "latchkey check", command_check, "check [--config FILE] [--pam-directory DIRECTORY] [--json]",
      "look for mistakes in the configuration, its files and the PAM stacks" },
    { "askpass", "latchkey askpass", command_askpass, "askpass [--token-file FILE] PROMPT",
      "answer a prompt of ssh or sudo with the part of a token that it asks for" },
};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void print_usage(FILE *stream)
{
    size_t i;

    fprintf(stream, "latchkey: tokens of a web tenant for the services of this host; see latchkey(1)\n\n");
    for (i = 0; i < COMMAND_COUNT; i++)
        fprintf(stream, "  latchkey %s\n      %s\n", commands[i].synopsis, commands[i].summary);
    fprintf(stream, "  latchkey --help | --version\n");
}

/* ssh and sudo run their askpass program by a bare path, without arguments of ours: a link with this name is one. */
static bool is_called_as_askpass(const char *program)
{
    const char *slash = strrchr(program, '/');

    return strcmp(slash != NULL ? slash + 1 : program, "latchkey-askpass") == 0;
}

int main(int argc, char **argv)
{
    size_t i;

    if (argc >= 1 && is_called_as_askpass(argv[0]))
        return command_askpass(argc, argv);
    if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
        print_usage(stdout);
        return STATUS_OK;
    }
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        printf("latchkey %s\n", LATCHKEY_VERSION);
        return STATUS_OK;
    }
    for (i = 0; argc >= 2 && i < COMMAND_COUNT; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            argv[1] = (char *)commands[i].program; /* what getopt_long() puts before its messages */
            return commands[i].run(argc - 1, argv + 1);
        }
    if (argc >= 2)
        fprintf(stderr, "latchkey: \"%s\" is no sub-command\n\n", argv[1]);
    print_usage(stderr);
    return STATUS_USAGE;
}
