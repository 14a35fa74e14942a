/*
 * latchkey: one row for each sub-command.
 */
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "base/program.h"
#include "cli/cli.h"
#include "cli/commands.h"

#define CREDENTIAL_OPTIONS "[--config FILE] [--tenant ID] [--api-key-file FILE | --token-file FILE]"

static const struct command {
    const char *name, *part; /* the words that name it; the second may be NULL */
    const char *program;
    int (*run)(int argc, char **argv);
    const char *synopsis;
    const char *summary;
} commands[] = {
    { "verify", NULL, "latchkey verify", command_verify,
      "verify [--config FILE] [--service SERVICE] [--user USER] [--at UNIX_TIME] [--json] < credential",
      "tell whether a credential is accepted, and why, check by check" },
    { "check", NULL, "latchkey check", command_check, "check [--config FILE] [--pam-directory DIRECTORY] [--json]",
      "find mistakes in the configuration, its files and the PAM stacks, and show the state of latchkeyd" },
    { "askpass", NULL, "latchkey askpass", command_askpass, "askpass [--token-file FILE] PROMPT",
      "answer a prompt of ssh or sudo with the part of a token that the prompt asks for" },
    { "keys", "fetch", "latchkey keys fetch", command_keys_fetch, "keys fetch [--config FILE] [--tenant ID]",
      "replace the key sets with those that the tenants publish now" },
    { "keys", "list", "latchkey keys list", command_keys_list, "keys list [--config FILE] [--tenant ID] [--json]",
      "show the keys of the key sets" },
    { "exchange", NULL, "latchkey exchange", command_exchange,
      "exchange --user USER [--config FILE] [--api-key-file FILE] [--output FILE]",
      "exchange an API key for the token of a local user" },
    { "apikey", "show", "latchkey apikey show", command_apikey_show, "apikey show " CREDENTIAL_OPTIONS " [--reveal]",
      "show the API keys of a tenant" },
    { "apikey", "create", "latchkey apikey create", command_apikey_create,
      "apikey create primary|secondary " CREDENTIAL_OPTIONS "\n      [--output FILE] [--reveal] [--yes]",
      "create an API key, which replaces the former one of its type" },
    { "apikey", "rotate", "latchkey apikey rotate", command_apikey_rotate,
      "apikey rotate [--config FILE] [--tenant ID] [--api-key-file FILE] [--output FILE] [--reveal] [--yes]",
      "replace both API keys, so that one of them works at each moment" },
    { "whoami", NULL, "latchkey whoami", command_whoami,
      "whoami [--config FILE] [--tenant ID] [--token-file FILE] [--json]", "show the user of a token" },
    { "users", NULL, "latchkey users", command_users,
      "users " CREDENTIAL_OPTIONS "\n      [--page N] [--page-size N] [--all] [--json]", "list the users of a tenant" },
};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void print_usage(FILE *stream)
{
    size_t i;

    fprintf(stream, "latchkey: accept tokens of a web tenant in the services of this host; see latchkey(1)\n\n");
    for (i = 0; i < COMMAND_COUNT; i++)
        fprintf(stream, "  latchkey %s\n      %s\n", commands[i].synopsis, commands[i].summary);
    fprintf(stream, "  latchkey --help | --version\n");
}

/* ssh and sudo run their askpass program with the prompt as its only argument, so a link of this name is the
 * sub-command. */
static bool is_called_as_askpass(const char *program)
{
    return strcmp(path_name(program), "latchkey-askpass") == 0;
}

/* How many words of the command line name the command; 0: they name another. */
static int words_of(const struct command *command, int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], command->name) != 0)
        return 0;
    if (command->part == NULL)
        return 1;
    return argc >= 3 && strcmp(argv[2], command->part) == 0 ? 2 : 0;
}

int main(int argc, char **argv)
{
    size_t i;

    program_protect();
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
    for (i = 0; i < COMMAND_COUNT; i++) {
        int words = words_of(&commands[i], argc, argv);

        if (words > 0) {
            argv[words] = (char *)commands[i].program; /* getopt_long() begins its messages with it */
            return commands[i].run(argc - words, argv + words);
        }
    }
    if (argc >= 2)
        fprintf(stderr, "latchkey: \"%s\" is not a sub-command\n\n", argv[1]);
    print_usage(stderr);
    return STATUS_USAGE;
}
