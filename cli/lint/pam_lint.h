/*
 * latchkey check: the services of a system under the lint, each with its stack.
 */
#ifndef LATCHKEY_PAM_LINT_H
#define LATCHKEY_PAM_LINT_H

#include <stdbool.h>
#include <stddef.h>

#include "pam/options.h"
#include "cli/lint/findings.h"
#include "cli/lint/pam_callers.h"
#include "cli/lint/pam_stack.h"
#include "cli/lint/pam_system.h"

#define MODULE "pam_latchkey.so"

/* A file that libpam reads for a service, or a part of such a file. */
struct pam_service {
    char *name;
    struct pam_stack stack;
    bool is_part;                    /* another file includes it: it is not a stack by itself */
    const struct pam_caller *caller; /* NULL: the program runs as root, or as the account that logs in */
};

/* Zero-initialise it; end it with pam_lint_clear(). */
struct pam_lint {
    struct findings *findings;
    const struct pam_system *system;
    const char *config; /* of lines that name none */
    struct pam_service *services;
    size_t count;
};

/*
 * Read the services of lint->system. A service that cannot be read is an error among the findings. False when the
 * system's directory cannot be read, which is an error among the findings, too.
 */
bool pam_lint_read(struct pam_lint *lint);
void pam_lint_clear(struct pam_lint *lint);

/* A finding about a line of a service's stack: "service NAME: …". */
__attribute__((format(printf, 5, 6))) void pam_lint_add(struct findings *findings, enum severity severity,
                                                        const struct pam_service *service, const struct pam_line *line,
                                                        const char *format, ...);

/* NULL when libpam has no file of that name. */
const struct pam_service *pam_lint_find(const struct pam_lint *lint, const char *name);

/* The first line of a type that names Latchkey, or NULL. */
const struct pam_line *find_latchkey(const struct pam_stack *stack, enum stack_type type);
bool names_latchkey(const struct pam_stack *stack);

/* The options of a line that names Latchkey. False when it names another module, or when the options are wrong. */
bool read_latchkey(const struct pam_line *line, struct pam_options *ret_options);

/* The configuration of a line that names Latchkey, or `otherwise`. Lent. */
const char *config_of(const struct pam_line *line, const char *otherwise);

#endif
