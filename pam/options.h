/*
 * The options of a line of pam.d that names pam_latchkey.so; pam_latchkey(8) is their manual. No PAM type in here:
 * `latchkey check` reads such lines too.
 */
#ifndef LATCHKEY_PAM_OPTIONS_H
#define LATCHKEY_PAM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define PAM_PROMPT_DEFAULT "Access token: "

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
