/*
 * The credential of one attempt: from an earlier module of the stack or by prompt, a long one in parts.
 */
#ifndef LATCHKEY_PAM_PROMPT_H
#define LATCHKEY_PAM_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <security/pam_modules.h>

#include "verdict/verdict.h"
#include "config/model.h"
#include "login/credential.h"
#include "pam/options.h"

#define PROMPT_PARTS_MAX 64 /* sudo's conversation brings 511 bytes a prompt: a token of 16 KiB takes 33 */

/* What came from an earlier module and by prompts. Wiped by prompted_clear(), which every way out must pass. */
struct prompted {
    char bytes[CREDENTIAL_MAX_LEN + 1];
    size_t len;
    size_t heard;     /* bytes that came, with the line ends and repeated answers that are not in `bytes` */
    size_t first_len; /* of the first answer, as it stands in `bytes` */
    size_t answers;   /* prompts that were answered */
    size_t last_heard;
    struct timespec answered_at; /* CLOCK_MONOTONIC, of the last answer */
    bool was_asked;              /* somebody was prompted, so somebody reads an answer */
    bool is_repeated;            /* the second answer was the first one again, see prompt_ask() */
    bool is_counted_raw;         /* the host hides users: `heard` is what prompts and limits go by, and else `len` */
};

void prompted_clear(struct prompted *credential);

/*
 * An empty credential, and whether the host may hide from its modules what was typed (is_counted_raw). sshd does: for a
 * user who does not exist, or whom it does not let in this way, a module gets so many bytes of a text with control
 * characters. What such a host's client can see (prompts, texts, time) must then depend on the lengths of the answers
 * alone, or it tells who exists. OpenSSH is known by its PAM_TTY, "ssh", and by its service name.
 */
void prompt_begin(pam_handle_t *pamh, struct prompted *ret_credential);

/* PAM_AUTHTOK as the beginning of the credential; nothing where no module has set it. False with TOKEN_TOO_LONG or
 * SYSTEM_ERROR. */
bool prompt_first_pass(struct verdict *verdict, pam_handle_t *pamh, struct prompted *credential);

/*
 * One prompt; its answer is appended. The first prompt is the administrator's, a further one says how much has arrived:
 * the bytes that were heard, line ends included, where the host hides users, and else those of the credential.
 * A second answer that equals the first one is not appended: the program gives every prompt the same answer. No token
 * has two such parts: the second one would bring its header, or the beginning of it, again in the middle of a JSON
 * text. A later part may well equal a short first one: payloads begin like headers, with "eyJ". sudo fails the
 * conversation when an answer is too long, so it is asked once more there, by a prompt that names the limit; as does
 * the first prompt after a conversation that failed earlier in the attempt. False with CONVERSATION_FAILED,
 * TOKEN_TOO_LONG or OUT_OF_MEMORY.
 */
bool prompt_ask(struct verdict *verdict, pam_handle_t *pamh, const struct pam_options *options,
                struct prompted *credential);

/*
 * While what has come is only the beginning of a JWT (credential.h), ask for the rest. An empty answer ends it, but
 * not one behind an answer of exactly PAM_PROMPT_PART_MAX bytes: polkit-agent-helper-1 reads so much of a line, and
 * gives the line end that is left to the next prompt.
 * False with ANSWER_REPEATED and the reasons of prompt_ask().
 */
bool prompt_complete(struct verdict *verdict, pam_handle_t *pamh, const struct pam_options *options,
                     const struct config *config, struct prompted *credential);

/* Wait until the time since the last answer is a multiple of PROMPT_STEP_MS, so that the time which a look at the
 * answer took cannot be measured at the prompt or refusal that follows. */
#define PROMPT_STEP_MS 20
void prompt_wait(const struct prompted *credential);

/*
 * Something typed in this attempt (the PAM handle: it outlives failed conversations) was the beginning of a token, or
 * may have been: what a failed conversation lost. Whatever is typed from then on may be the rest of it.
 */
bool prompt_note_token(pam_handle_t *pamh); /* false when out of memory */
bool prompt_token_was_typed(pam_handle_t *pamh);

/* Fill `bytes` with what sshd gives its modules in place of a hidden answer of that length, and a NUL. */
void prompt_mask(char *bytes, size_t len);

#endif
