/*
 * latchkey askpass: SSH_ASKPASS and SUDO_ASKPASS for tokens longer than a prompt takes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/trusted_file.h"
#include "verdict/verdict.h"
#include "login/authenticate.h"
#include "login/credential.h"
#include "pam/options.h"
#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/commands.h"

#define OFFSET_DIGITS_MAX 5   /* CREDENTIAL_MAX_LEN has 5 digits */
#define PROMPT_SHOWN_MAX  512 /* bytes with the NUL of a prompt that a message quotes */

static const char *find_token_file(int argc, char **argv)
{
    const char *path = getenv("LATCHKEY_TOKEN_FILE");
    const struct known_option known[] = { { "token-file", .text = &path }, { NULL } };

    if (!arguments_read("askpass", argc, argv, known, NULL))
        return NULL;
    if (path == NULL)
        usage_error("askpass", "--token-file is not given and LATCHKEY_TOKEN_FILE is not set");
    return path;
}

static struct slice token_stem(void)
{
    const char *prompt = getenv("LATCHKEY_PROMPT");
    size_t len = prompt != NULL ? pam_prompt_stem_len(prompt) : 0;

    if (len == 0)
        return (struct slice){ PAM_PROMPT_DEFAULT, pam_prompt_stem_len(PAM_PROMPT_DEFAULT) };
    return (struct slice){ prompt, len };
}

/* Skip the "(user@host) " that OpenSSH's client writes before a prompt of the server. *ret_host is that host. */
static const char *skip_asker(const char *prompt, struct slice *ret_host)
{
    const char *name = prompt + 1;
    size_t len = strcspn(name, " \t()");
    const char *at = memrchr(name, '@', len);

    if (at == NULL || name[0] == '@' || at == name + len - 1 || strncmp(name + len, ") ", 2) != 0)
        return prompt;
    *ret_host = (struct slice){ at + 1, (size_t)(name + len - at - 1) };
    return name + len + 2;
}

/* The server chooses the text of its prompts, but not what the client writes before them. */
static bool is_listed_host(struct slice host)
{
    const char *names = getenv("LATCHKEY_HOSTS");
    size_t len;

    if (names == NULL)
        return true;
    for (; names[0] != '\0'; names += len + strspn(names + len, ", ")) {
        len = strcspn(names, ", ");
        if (len == host.len && strncasecmp(names, host.bytes, len) == 0)
            return true;
    }
    return false;
}

static bool skip_text(const char **rest, struct slice text)
{
    if (strncmp(*rest, text.bytes, text.len) != 0)
        return false;
    *rest += text.len;
    return true;
}

/* The text after the stem of a prompt for a token. *ret_offset: how many bytes have arrived. */
static bool asks_for_part(const char *rest, size_t *ret_offset)
{
    size_t digits;

    *ret_offset = 0;
    skip_text(&rest, slice_of(PAM_PROMPT_LIMIT));
    if (strcmp(rest, ":") == 0 || strcmp(rest, ": ") == 0)
        return true;
    if (!skip_text(&rest, slice_of(PAM_PROMPT_CONTINUED)))
        return false;
    digits = strspn(rest, "0123456789");
    if (digits == 0 || digits > OFFSET_DIGITS_MAX || rest[0] == '0')
        return false;
    *ret_offset = strtoul(rest, NULL, 10);
    return strcmp(rest + digits, PAM_PROMPT_SO_FAR) == 0;
}

/* Skip the text that sudo-rs and its su write before every prompt. */
static const char *skip_sudo(const char *prompt)
{
    static const char *const prefixes[] = { "[sudo: authenticate] ", "[su: authenticate] " };
    size_t i;

    for (i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(prompt, prefixes[i], strlen(prefixes[i])) == 0)
            return prompt + strlen(prefixes[i]);
    return prompt;
}

/*
 * ssh and git send every prompt to their askpass program: the confirmation of a host key, passphrases of keys and
 * passwords of other hosts, whose names may contain "token". Only the prompt of the module is answered with the token.
 * The prompt is the last line. sshd writes the messages of other modules before it, one on each line, and OpenSSH's
 * client writes "(user@host) " before all of this. So only the very beginning names the host that asks. The server
 * chooses the lines after it, and they may contain another name. Several lines without a name come from an old ssh:
 * when LATCHKEY_HOSTS is set, they are refused. *ret_host is empty when no host is named. *ret_offset is the number of
 * bytes that have arrived: "(continued, 1022 so far)" asks for the part after byte 1022.
 */
static bool asks_for_token(const char *prompt, size_t *ret_offset, struct slice *ret_host)
{
    const char *kind = getenv("SSH_ASKPASS_PROMPT"); /* "confirm" or "none": the prompt is not for a secret */
    const char *rest = prompt;
    const char *end = strrchr(prompt, '\n');

    *ret_host = (struct slice){ "", 0 };
    if (prompt[0] == '(')
        rest = skip_asker(prompt, ret_host);
    if (end != NULL && ret_host->len == 0 && (prompt[0] == '(' || getenv("LATCHKEY_HOSTS") != NULL))
        return false;
    if (end != NULL)
        rest = end + 1;
    if (ret_host->len == 0)
        rest = skip_sudo(rest);
    return (kind == NULL || kind[0] == '\0') && skip_text(&rest, token_stem()) && asks_for_part(rest, ret_offset);
}

/* Show the prompt, so that the user sees whether LATCHKEY_PROMPT must be set. */
static int refuse_prompt(const char *prompt)
{
    char quoted[PROMPT_SHOWN_MAX];

    text_copy_printable(quoted, sizeof quoted, slice_of(prompt));
    fprintf(
        stderr,
        "latchkey askpass: the prompt does not ask for a token (LATCHKEY_PROMPT sets another prompt text): \"%s\"\n",
        quoted);
    return STATUS_REFUSED;
}

static int print_part(struct slice token, size_t offset)
{
    char line[PAM_PROMPT_PART_MAX + 1];
    size_t len = token.len - offset < PAM_PROMPT_PART_MAX ? token.len - offset : PAM_PROMPT_PART_MAX;
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
    struct file_error error;
    struct file_stamp stamp;
    struct credential credential;
    struct slice token, host;
    const char *path = find_token_file(argc, argv);
    size_t offset;

    if (path == NULL)
        return STATUS_USAGE;
    if (optind + 1 != argc)
        return usage_error("askpass", "takes exactly one prompt");
    if (!asks_for_token(argv[optind], &offset, &host))
        return refuse_prompt(argv[optind]);
    if (host.len > 0 && !is_listed_host(host)) {
        char shown[PROMPT_SHOWN_MAX];

        text_copy_printable(shown, sizeof shown, host);
        fprintf(stderr, "latchkey askpass: %s is not in LATCHKEY_HOSTS\n", shown);
        return STATUS_REFUSED;
    }
    if (!trusted_file_read(path, TRUSTED_SECRET, NULL, CREDENTIAL_MAX_LEN + 2, &content, &stamp, &error)) {
        fprintf(stderr, "latchkey askpass: %s: %s\n", path, error.text);
        return STATUS_UNAVAILABLE;
    }
    token = credential_trim((struct slice){ content.bytes, content.len });
    credential = credential_whole(token);
    if (credential.form != CREDENTIAL_FORM_BARE) {
        fprintf(stderr, "latchkey askpass: %s: the file holds %s\n", path, credential_form_sentence(credential.form));
        return STATUS_REFUSED;
    }
    if (offset > token.len) {
        fprintf(stderr, "latchkey askpass: %s: the token ends at byte %zu, and %zu have arrived\n", path, token.len,
                offset);
        return STATUS_REFUSED;
    }
    /* After the last byte the module asks once more, and an empty line is the end. */
    return print_part(token, offset);
}
