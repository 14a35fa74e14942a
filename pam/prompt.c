#include "pam/prompt.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <security/pam_ext.h>

#define STEP_NS         (PROMPT_STEP_MS * 1000000L)
#define SECOND_NS       1000000000L
#define TOKEN_WAS_TYPED "latchkey:a token was typed" /* the name for pam_set_data() */
#define SUDO_ADVICE \
    "sudo passes at most 511 bytes an answer; enter a longer token in parts, or use sudo -A and latchkey-askpass"

void prompted_clear(struct prompted *credential)
{
    explicit_bzero(credential, sizeof *credential);
}

struct slice prompted_text(const struct prompted *credential)
{
    return (struct slice){ credential->bytes, credential->len };
}

bool prompted_is_short(const struct prompted *credential)
{
    return credential->heard < JWT_MIN_LEN;
}

static const char *text_item(pam_handle_t *pamh, int type)
{
    const void *value = NULL;

    return pam_get_item(pamh, type, &value) == PAM_SUCCESS && value != NULL ? value : "";
}

static bool host_hides_users(pam_handle_t *pamh)
{
    /* sshd's service is the name of its program, and an administrator may run several under names of their own. */
    return strcmp(text_item(pamh, PAM_TTY), "ssh") == 0 || strncmp(text_item(pamh, PAM_SERVICE), "sshd", 4) == 0;
}

/* The conversation of sudo fails for an answer that is too long. "sudo-i" is another service. */
static bool host_is_sudo(pam_handle_t *pamh)
{
    return strncmp(text_item(pamh, PAM_SERVICE), "sudo", 4) == 0;
}

void prompt_begin(pam_handle_t *pamh, struct prompted *ret_credential)
{
    *ret_credential = (struct prompted){ .is_counted_raw = host_hides_users(pamh) };
}

bool prompt_note_token(pam_handle_t *pamh)
{
    static char yes;

    return pam_set_data(pamh, TOKEN_WAS_TYPED, &yes, NULL) == PAM_SUCCESS;
}

bool prompt_token_was_typed(pam_handle_t *pamh)
{
    const void *yes = NULL;

    return pam_get_data(pamh, TOKEN_WAS_TYPED, &yes) == PAM_SUCCESS;
}

void prompt_mask(char *bytes, size_t len)
{
    static const char junk[] = "\b\n\r\177INCORRECT";
    size_t i;

    for (i = 0; i < len; i++)
        bytes[i] = junk[i % (sizeof junk - 1)];
    bytes[len] = '\0';
}

static bool is_first_again(const struct prompted *credential, struct slice part)
{
    return credential->answers == 1 && part.len > 0
        && slice_equal(part, (struct slice){ credential->bytes, credential->first_len });
}

static bool append(struct verdict *verdict, struct prompted *credential, const char *answer)
{
    const struct slice typed = slice_of(answer);
    const struct slice part = credential_trim(typed);

    credential->last_heard = typed.len;
    if (credential->is_counted_raw ? typed.len > CREDENTIAL_MAX_LEN - credential->heard
                                   : part.len > CREDENTIAL_MAX_LEN - credential->len)
        return verdict_reject(verdict, REASON_TOKEN_TOO_LONG, "more than %d bytes", CREDENTIAL_MAX_LEN);
    credential->is_repeated = credential->is_repeated || is_first_again(credential, part);
    if (!credential->is_repeated) {
        if (part.len > 0)
            memcpy(credential->bytes + credential->len, part.bytes, part.len);
        credential->len += part.len;
    }
    if (credential->answers++ == 0)
        credential->first_len = part.len;
    credential->heard += typed.len;
    return true;
}

bool prompt_first_pass(struct verdict *verdict, pam_handle_t *pamh, struct prompted *credential)
{
    const void *authtok = NULL;

    if (pam_get_item(pamh, PAM_AUTHTOK, &authtok) != PAM_SUCCESS)
        return verdict_reject(verdict, REASON_SYSTEM_ERROR, "PAM_AUTHTOK");
    return authtok == NULL || append(verdict, credential, authtok);
}

/* Show one prompt and read its answer, which may be NULL. Returns PAM's code. */
static int show_prompt(pam_handle_t *pamh, const struct pam_options *options, const struct prompted *credential,
                       bool names_limit, char **ret_answer)
{
    const char *prompt = options->prompt;
    const int stem_len = (int)pam_prompt_stem_len(prompt);
    const size_t arrived = credential->is_counted_raw ? credential->heard : credential->len;

    *ret_answer = NULL;
    if (arrived > 0)
        return pam_prompt(pamh, PAM_PROMPT_ECHO_OFF, ret_answer, "%.*s" PAM_PROMPT_CONTINUED "%zu" PAM_PROMPT_SO_FAR,
                          stem_len, prompt, arrived);
    if (names_limit)
        return pam_prompt(pamh, PAM_PROMPT_ECHO_OFF, ret_answer, "%.*s" PAM_PROMPT_LIMIT ": ", stem_len, prompt);
    return pam_prompt(pamh, PAM_PROMPT_ECHO_OFF, ret_answer, "%s", prompt);
}

bool prompt_ask(struct verdict *verdict, pam_handle_t *pamh, const struct pam_options *options,
                struct prompted *credential)
{
    const bool is_sudo = host_is_sudo(pamh);
    char *answer;
    bool ok;
    int error;

    error = show_prompt(pamh, options, credential, is_sudo && prompt_token_was_typed(pamh), &answer);
    if (error != PAM_SUCCESS) {
        /* The lost answer may have been the beginning of a token. */
        prompt_note_token(pamh);
        if (is_sudo)
            error = show_prompt(pamh, options, credential, true, &answer);
    }
    clock_gettime(CLOCK_MONOTONIC, &credential->answered_at);
    credential->was_asked = true;
    if (error == PAM_SUCCESS)
        ok = append(verdict, credential, answer);
    else if (is_sudo)
        ok = verdict_reject(verdict, REASON_CONVERSATION_FAILED, "%s; " SUDO_ADVICE, pam_strerror(pamh, error));
    else
        ok = verdict_reject(verdict, REASON_CONVERSATION_FAILED, "%s", pam_strerror(pamh, error));
    if (answer != NULL)
        explicit_bzero(answer, strlen(answer));
    free(answer);
    if (!ok || !credential_whole(prompted_text(credential)).may_hold_token || prompt_note_token(pamh))
        return ok;
    return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "pam_set_data");
}

/* polkit-agent-helper-1 gives the line end after an answer of this length to the next prompt. */
static bool expects_line_end(size_t answer_len)
{
    return answer_len == PAM_PROMPT_PART_MAX;
}

bool prompt_complete(struct verdict *verdict, pam_handle_t *pamh, const struct pam_options *options,
                     const struct config *config, struct prompted *credential)
{
    size_t before = 0, added = 1, len, parts;

    for (parts = 0; parts < PROMPT_PARTS_MAX; parts++) {
        const enum credential_kind kind = credential_so_far(config, prompted_text(credential)).kind;

        if (kind != CREDENTIAL_ABSENT && kind != CREDENTIAL_JWT_PART)
            return true;
        if (added == 0 && !expects_line_end(before))
            return true;
        before = added;
        len = credential->len;
        if (!prompt_ask(verdict, pamh, options, credential))
            return false;
        if (credential->is_repeated)
            return verdict_reject(verdict, REASON_ANSWER_REPEATED, "the program repeated the same %zu bytes",
                                  credential->first_len);
        added = credential->len - len;
    }
    return true;
}

void prompt_wait(const struct prompted *credential)
{
    struct timespec now, end;
    int64_t passed;

    if (!credential->was_asked)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    passed = (int64_t)(now.tv_sec - credential->answered_at.tv_sec) * SECOND_NS + now.tv_nsec
        - credential->answered_at.tv_nsec;
    passed = (passed / STEP_NS + 1) * STEP_NS;
    end.tv_sec = credential->answered_at.tv_sec + (time_t)((credential->answered_at.tv_nsec + passed) / SECOND_NS);
    end.tv_nsec = (long)((credential->answered_at.tv_nsec + passed) % SECOND_NS);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
        ;
}
