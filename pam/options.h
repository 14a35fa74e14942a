/*
 * The options of a line of pam.d that names pam_latchkey.so; pam_latchkey(8) is their manual. No PAM type in here:
 * `latchkey check` reads such lines too, and `latchkey askpass` the prompts.
 */
#ifndef LATCHKEY_PAM_OPTIONS_H
#define LATCHKEY_PAM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define PAM_PROMPT_DEFAULT "Access token: "

/*
 * A long token comes in parts. The module asks for the first one by the prompt, and for the others by its stem and how
 * many bytes have come: "Access token (continued, 1022 so far): ". latchkey-askpass knows its questions by that.
 */
#define PAM_PROMPT_CONTINUED " (continued, "
#define PAM_PROMPT_SO_FAR    " so far): "
#define PAM_PROMPT_LIMIT     " (at most 511 bytes at once)" /* behind the stem, where a longer answer has failed */
#define PAM_PROMPT_PART_MAX  511 /* bytes: PAM_MAX_RESP_SIZE without its NUL; sudo fails the conversation for more */

/* How much of a prompt is its text, without what ends it: of "Access token: " it is "Access token". */
size_t pam_prompt_stem_len(const char *prompt);

struct pam_options {
    const char *config;  /* path; NULL: the default configuration */
    const char *service; /* whose rules hold; NULL: PAM_SERVICE */
    const char *prompt;
    bool use_first_pass;
    bool try_first_pass;
    bool debug;
};

#define PAM_OPTIONS_ERROR_MAX 160
/*
 * Read a line's arguments. The strings are lent by argv. False, with a sentence in `error`, for an unknown option, one
 * without its value or with a needless one, one given twice, a relative path, and use_first_pass beside
 * try_first_pass.
 */
bool pam_options_parse(int argc, const char *const *argv, struct pam_options *ret_options,
                       char error[PAM_OPTIONS_ERROR_MAX]);

/* The names, for the manual's test; NULL after the last. */
const char *pam_options_name(size_t index);

#endif
