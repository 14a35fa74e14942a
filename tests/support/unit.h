/*
 * What every unit test includes: cmocka and the headers that it needs first.
 */
#ifndef LATCHKEY_UNIT_H
#define LATCHKEY_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A table row's sentence, printed before its check so that a failure tells which row it was. */
#define ROW(name) print_message("           %s\n", (name))

/* A C string literal, NULs inside it included, as a slice. */
#define LITERAL(text) ((struct slice){ (text), sizeof(text) - 1 })

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* TEST_FILTER=rule_20_*: only the cases whose names match are run. */
__attribute__((constructor)) static void unit_filter(void)
{
    cmocka_set_test_filter(getenv("TEST_FILTER"));
}

#endif
