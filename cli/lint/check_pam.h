/*
 * latchkey check: the services of a system, as the parts of the lint that look at stacks share them.
 */
#ifndef LATCHKEY_CHECK_PAM_H
#define LATCHKEY_CHECK_PAM_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/lint/findings.h"
#include "cli/lint/pam_callers.h"
#include "cli/lint/pam_stack.h"

#define MODULE "pam_latchkey.so"

/* A file that libpam reads for a service, or a part of one. */
struct service {
    char *name;
    struct pam_stack stack;
    bool is_part;                    /* another file includes it: it is no stack by itself */
    const struct pam_caller *caller; /* NULL: the program runs as root, or as the account that logs in */
};

struct audit {
    struct findings *findings;
    const struct pam_system *system;
    const char *config; /* of lines that name none */
    struct service *services;
    size_t count;
};

/* NULL when libpam has no file of that name. */
const struct service *find_service(const struct audit *audit, const char *name);

/* The first line of Latchkey of a type, or NULL. */
const struct pam_line *find_latchkey(const struct pam_stack *stack, enum stack_type type);
bool names_latchkey(const struct pam_stack *stack);

/* The configuration of a line of Latchkey, or `otherwise`. Lent. */
const char *config_of(const struct pam_line *line, const char *otherwise);

/* The program of a service, by its file's name or by the name that a line of Latchkey's gives it; NULL: none. */
const struct pam_caller *find_caller(const struct service *service);

/* Whether latchkeyd answers the user of a service's `caller`, and what the program loses otherwise. */
void check_caller(const struct audit *audit, const struct service *service);

bool has_argument(const struct pam_line *line, const char *argument);

/* What a line could answer at best, when Latchkey answers *latchkey_code (a size_t). For pam_stack_can_succeed(). */
return_set anything_is_possible(const struct pam_line *line, const void *latchkey_code);

/* Local accounts that a stack shuts tokens out of, though Latchkey accepts them. */
void check_accounts_of_services(const struct audit *audit);

/* All services together: whether any takes tokens, misspelt modules, and service blocks that no service follows. */
void check_services(const struct audit *audit);

#endif
