/*
 * latchkey askpass: SSH_ASKPASS and SUDO_ASKPASS for tokens longer than a prompt takes.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "authenticate.h"
#include "cleanup.h"
#include "cli.h"
#include "trusted_file.h"

/* Bytes of one answer: what PAM_MAX_RESP_SIZE allows. sudo fails the conversation for a longer one. */
#define PART_MAX 511

static const char *find_token_file(int argc, char **argv)
{
    static const struct option known[] = { { "token-file", required_argument, NULL, 't' }, { NULL, 0, NULL, 0 } };
    const char *path = getenv("LATCHKEY_TOKEN_FILE");
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option != 't')
            return NULL;
        path = optarg;
    }
    if (path == NULL)
        usage_error("askpass", "--token-file is not given and LATCHKEY_TOKEN_FILE is not set");
    return path;
}

/*
 * ssh asks its askpass program everything: also whether a host key is right, and for the passphrases of keys. Only a
 * question for a token gets one; an administrator who words the prompt otherwise says so in LATCHKEY_PROMPT.
 */
static bool asks_for_token(const char *prompt)
{
    const char *wording = getenv("LATCHKEY_PROMPT");
    const char *kind = getenv("SSH_ASKPASS_PROMPT"); /* "confirm" or "none": not a question for a secret */

    if (kind != NULL && kind[0] != '\0')
        return false;
    return strcasestr(prompt, "token") != NULL
        || (wording != NULL && wording[0] != '\0' && strstr(prompt, wording) != NULL);
}

/* How much has arrived: "(continued, 1023 so far)" asks for what follows byte 1023; a first prompt for all. */
static size_t offset_asked(const char *prompt)
{
    const char *mark = prompt, *last = NULL;
    size_t offset = 0;
    int end = 0;

    while ((mark = strstr(mark, "(continued, ")) != NULL)
        last = mark++;
    if (last == NULL || sscanf(last, "(continued, %5zu so far)%n", &offset, &end) != 1 || end == 0)
        return 0;
    return offset;
}

static int print_part(struct slice token, size_t offset)
{
    char line[PART_MAX + 1];
    size_t len = token.len - offset < PART_MAX ? token.len - offset : PART_MAX;
    ssize_t written;

    memcpy(line, token.bytes + offset, len);
    line[len] = '\n';
    written = write(STDOUT_FILENO, line, len + 1);
    secret_wipe(line, sizeof line);
    return written == (ssize_t)len + 1 ? STATUS_OK : STATUS_UNAVAILABLE;
}

int command_askpass(int argc, char **argv)
{
    CLEANUP(secret_clear) struct secret content = { NULL, 0 };
    char error[TRUSTED_FILE_ERROR_MAX];
    struct file_stamp stamp;
    struct slice token;
    const char *path = find_token_file(argc, argv);
    size_t offset;

    if (path == NULL)
        return STATUS_USAGE;
    if (optind + 1 != argc)
        return usage_error("askpass", "wants exactly one prompt");
    if (!asks_for_token(argv[optind])) {
        fprintf(stderr, "latchkey askpass: this is no question for a token (LATCHKEY_PROMPT names another wording)\n");
        return STATUS_REFUSED;
    }
    if (!trusted_file_read(path, TRUSTED_SECRET, CREDENTIAL_MAX_LEN + 2, &content, &stamp, error)) {
        fprintf(stderr, "latchkey askpass: %s: %s\n", path, error);
        return STATUS_UNAVAILABLE;
    }
    token = credential_trim((struct slice){ content.bytes, content.len });
    offset = offset_asked(argv[optind]);
    if (offset >= token.len) {
        fprintf(stderr, "latchkey askpass: %s: the token ends at byte %zu, and %zu have arrived\n", path, token.len,
                offset);
        return STATUS_REFUSED;
    }
    return print_part(token, offset);
}
