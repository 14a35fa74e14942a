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

#define PROMPT_PARTS_MAX 64 /* a token of 16 KiB takes 33 prompts of sudo, which reads 511 bytes each */

/* What came from an earlier module and by prompts. The owner wipes it with prompted_clear() on every path. */
struct prompted {
    char bytes[CREDENTIAL_MAX_LEN + 1];
    size_t len;
    size_t heard;     /* bytes that came, with the line ends and repeated answers, which are not in `bytes` */
    size_t first_len; /* of the first answer, as it is in `bytes` */
    size_t answers;   /* prompts that were answered */
    size_t last_heard;
    struct timespec answered_at; /* CLOCK_MONOTONIC, of the last answer */
    bool was_asked;              /* the user was prompted, and so reads an answer */
    bool is_repeated;            /* the second answer was the first one again, see prompt_ask() */
    bool
        is_counted_raw; /* the host process hides users: prompts and limits count `heard`; otherwise they count `len` */
};

void prompted_clear(struct prompted *credential);

/* Lent by the credential. */
struct slice prompted_text(const struct prompted *credential);

/* Too few bytes for a token. The count includes the bytes of a hidden answer. */
bool prompted_is_short(const struct prompted *credential);

/*
 * An empty credential, and whether the host process may hide the answers from its modules (is_counted_raw). sshd does
 * so for a user who does not exist or may not log in this way: a module then gets as many bytes of a text with control
 * characters. There the prompts, the texts and the time that the client sees must depend on the lengths of the answers
 * only; otherwise they reveal which users exist. OpenSSH is recognized by PAM_TTY, "ssh", and by its service name.
 */
void prompt_begin(pam_handle_t *pamh, struct prompted *ret_credential);

/* Take PAM_AUTHTOK, where a module has set it, as the beginning of the credential. False with TOKEN_TOO_LONG or
 * SYSTEM_ERROR. */
bool prompt_first_pass(struct verdict *verdict, pam_handle_t *pamh, struct prompted *credential);

/*
 * Show one prompt and append its answer. The first prompt is the option prompt=. A further one says how many bytes have
 * arrived: those of the answers, line ends included, where the host process hides users, and those of the credential
 * elsewhere.
 *
 * A second answer that equals the first one is not appended: the program gives every prompt the same answer. A token
 * cannot have two equal parts at its beginning: the second one would repeat the header, or the beginning of it, in the
 * middle of a JSON text. A later part may equal a short first one: payloads begin like headers, with "eyJ".
 *
 * sudo fails the conversation when an answer is too long. There the module asks once more, by a prompt that names the
 * limit. After such a failure the first prompt of a later call names it, too.
 *
 * False with CONVERSATION_FAILED, TOKEN_TOO_LONG or OUT_OF_MEMORY.
 */
bool prompt_ask(struct verdict *verdict, pam_handle_t *pamh, const struct pam_options *options,
                struct prompted *credential);

/*
 * Ask until the credential is more than the beginning of a JWT (credential.h). An empty answer ends it, except after an
 * answer of exactly PAM_PROMPT_PART_MAX bytes: polkit-agent-helper-1 reads that much of a line, and gives the line end
 * to the next prompt.
 * False with ANSWER_REPEATED and the reasons of prompt_ask().
 */
bool prompt_complete(struct verdict *verdict, pam_handle_t *pamh, const struct pam_options *options,
                     const struct config *config, struct prompted *credential);

/* Wait until the time since the last answer is a multiple of PROMPT_STEP_MS. The client then cannot measure how long
 * the module worked on the answer. */
#define PROMPT_STEP_MS 20
void prompt_wait(const struct prompted *credential);

/*
 * The user has typed the beginning of a token, or a conversation has failed and the lost answer may have been one. A
 * later answer may be the rest of it. This is kept in the PAM handle.
 */
bool prompt_note_token(pam_handle_t *pamh); /* false when out of memory */
bool prompt_token_was_typed(pam_handle_t *pamh);

/* Fill `bytes` with the text that sshd gives its modules in place of a hidden answer of that length, and a NUL. */
void prompt_mask(char *bytes, size_t len);

#endif
