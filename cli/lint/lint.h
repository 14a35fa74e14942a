/*
 * latchkey check: one configuration under the lint.
 */
#ifndef LATCHKEY_LINT_H
#define LATCHKEY_LINT_H

#include "config/reader.h"
#include "cli/lint/findings.h"

struct lint {
    struct findings *findings;
    const struct config *config;
};

/* A finding about a block (its kind and title), or about an option of it (NULL: none), with its line. */
#define FOUND(lint, severity, kind, title, option, ...)              \
    findings_add((lint)->findings, (severity), (lint)->config->path, \
                 config_line((lint)->config, (kind), (title), (option)), __VA_ARGS__)

#endif
