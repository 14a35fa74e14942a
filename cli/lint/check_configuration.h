/*
 * latchkey check: a configuration and everything that it names.
 */
#ifndef LATCHKEY_CHECK_CONFIGURATION_H
#define LATCHKEY_CHECK_CONFIGURATION_H

#include <stdbool.h>

#include "cli/lint/findings.h"

/* False when the configuration does not load, which is an error among the findings. */
bool check_configuration(struct findings *findings, const char *path);

#endif
