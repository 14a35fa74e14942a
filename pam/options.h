/*
 * The options of a pam.d line that names pam_latchkey.so; pam_latchkey(8) is their manual. This header uses no PAM
 * type, because the command uses it too: `latchkey check` reads such lines, and `latchkey askpass` reads the prompts.
 */
#ifndef LATCHKEY_PAM_OPTIONS_H
#define LATCHKEY_PAM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define PAM_PROMPT_DEFAULT "Access token: "

/*
 * A long token comes in parts. The first prompt is the option prompt=. A further one is its stem and the number of
 * bytes that have arrived: "Access token (continued, 1022 so far): ". latchkey-askpass recognizes the prompts by this
 * form.
 */
#define PAM_PROMPT_CONTINUED " (continued, "
#define PAM_PROMPT_SO_FAR    " so far): "
#define PAM_PROMPT_LIMIT     " (at most 511 bytes at once)" /* after the stem, once a longer answer has failed */
#define PAM_PROMPT_PART_MAX  511 /* bytes: PAM_MAX_RESP_SIZE without its NUL; sudo fails the conversation for more */

/* Bytes of a prompt without the colon and spaces at its end: those of "Access token" in "Access token: ". */
size_t pam_prompt_stem_len(const char *prompt);

struct pam_options {
    const char *config;  /* path; NULL: the default configuration */
    const char *service; /* the rules of this service hold; NULL: those of PAM_SERVICE */
    const char *prompt;
    bool use_first_pass;
    bool try_first_pass;
    bool debug;
};

#define PAM_OPTIONS_ERROR_MAX 160
/*
 * Read a line's arguments. argv lends the strings. False, with a sentence in `error`, for an unknown option, a missing
 * or unexpected value, an option given twice, a relative path, and use_first_pass together with try_first_pass.
 */
bool pam_options_parse(int argc, const char *const *argv, struct pam_options *ret_options,
                       char error[PAM_OPTIONS_ERROR_MAX]);

/* The names, for the manual's test; NULL after the last. */
const char *pam_options_name(size_t index);

#endif
