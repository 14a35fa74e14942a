#include "prompt.h"

#include <stdlib.h>
#include <string.h>

#include <security/pam_ext.h>

void credential_clear(struct credential *credential)
{
    explicit_bzero(credential, sizeof *credential);
}

static struct slice so_far(const struct credential *credential)
{
    return (struct slice){ credential->bytes, credential->len };
}

static bool append(struct verdict *verdict, struct credential *credential, struct slice part)
{
    if (part.len > CREDENTIAL_MAX_LEN - credential->len)
        return verdict_reject(verdict, REASON_TOKEN_TOO_LONG, "more than %d bytes", CREDENTIAL_MAX_LEN);
    if (part.len > 0)
        memcpy(credential->bytes + credential->len, part.bytes, part.len);
    credential->len += part.len;
    return true;
}

/* One prompt, its answer appended. *ret_len is the answer's length. */
static bool ask(struct verdict *verdict, pam_handle_t *pamh, const char *prompt, struct credential *credential,
                size_t *ret_len)
{
    char *answer = NULL;
    struct slice part;
    bool ok;
    int error;

    if (credential->len == 0)
        error = pam_prompt(pamh, PAM_PROMPT_ECHO_OFF, &answer, "%s", prompt);
    else
        error = pam_prompt(pamh, PAM_PROMPT_ECHO_OFF, &answer, "%.*s" PAM_PROMPT_CONTINUED "%zu" PAM_PROMPT_SO_FAR,
                           (int)pam_prompt_stem_len(prompt), prompt, credential->len);
    credential->was_asked = true;
    part = credential_trim(slice_of(answer));
    *ret_len = part.len;
    ok = error == PAM_SUCCESS ? append(verdict, credential, part)
                              : verdict_reject(verdict, REASON_CONVERSATION_FAILED, "%s", pam_strerror(pamh, error));
    if (answer != NULL)
        explicit_bzero(answer, strlen(answer));
    free(answer);
    return ok;
}

static bool get_first_pass(struct verdict *verdict, pam_handle_t *pamh, struct credential *credential)
{
    const void *authtok = NULL;

    if (pam_get_item(pamh, PAM_AUTHTOK, &authtok) != PAM_SUCCESS)
        return verdict_reject(verdict, REASON_SYSTEM_ERROR, "PAM_AUTHTOK");
    return append(verdict, credential, credential_trim(slice_of(authtok)));
}

/*
 * Of a masked answer (authenticate.h) nobody can see whether it is the beginning of a token. Where it is as long as
 * what latchkey-askpass, ssh or a terminal bring at once, a known user would be asked for the rest.
 */
static bool is_masked_part(const struct credential *credential, size_t answer_len)
{
    return credential_is_masked(so_far(credential))
        && (answer_len == PAM_PROMPT_PART_MAX || answer_len == 1023 || answer_len == 4095);
}

bool credential_get(struct verdict *verdict, pam_handle_t *pamh, const struct pam_options *options,
                    const struct config *config, const char *service, struct credential *ret_credential)
{
    struct credential *credential = ret_credential;
    size_t answer_len = 0;
    int parts;

    *credential = (struct credential){ .len = 0 };
    if ((options->use_first_pass || options->try_first_pass) && !get_first_pass(verdict, pamh, credential))
        return false;
    if (options->use_first_pass)
        return credential->len > 0 || verdict_reject(verdict, REASON_CREDENTIAL_ABSENT, "PAM_AUTHTOK is empty");
    /* A password for another module, which this one would refuse: the person may have a token as well. */
    if (credential_kind(config, so_far(credential)) == CREDENTIAL_OTHER
        && (config_service(config, service)->credentials & CREDENTIALS_API_KEY) == 0)
        credential_clear(credential);
    for (parts = 0; parts < PROMPT_PARTS_MAX && (parts == 0 || answer_len > 0); parts++) {
        enum credential_kind kind = credential_kind(config, so_far(credential));

        if (kind != CREDENTIAL_ABSENT && kind != CREDENTIAL_JWT_PART && !is_masked_part(credential, answer_len))
            break;
        if (!ask(verdict, pamh, options->prompt, credential, &answer_len))
            return false;
    }
    return true;
}
