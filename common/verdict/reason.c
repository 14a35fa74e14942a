#include "verdict/reason.h"

#include <stddef.h>
#include <string.h>

#define X(id, name, pam, sasl, status, exit, told, sentence) { name, exit, sentence },
static const struct {
    const char *name;
    int exit_status;
    const char *sentence;
} rows[] = { REASONS(X) };
#undef X

static size_t row_of(enum reason reason)
{
    return (unsigned)reason < REASON_COUNT ? (size_t)reason : (size_t)REASON_UNDECIDED;
}

enum reason reason_find(const char *name)
{
    size_t i;

    for (i = 0; i < REASON_COUNT && strcmp(rows[i].name, name) != 0; i++)
        ;
    return i < REASON_COUNT ? (enum reason)i : REASON_UNDECIDED;
}

const char *reason_name(enum reason reason)
{
    return rows[row_of(reason)].name;
}

const char *reason_sentence(enum reason reason)
{
    return rows[row_of(reason)].sentence;
}

int reason_exit_status(enum reason reason)
{
    return rows[row_of(reason)].exit_status;
}

bool reason_proves_own_token(enum reason reason)
{
    switch (reason) {
    case REASON_TOKEN_EXPIRED:
    case REASON_TOKEN_NOT_YET_VALID:
    case REASON_TOKEN_FROM_FUTURE:
    case REASON_TOKEN_TOO_OLD:
    case REASON_GROUP_MISSING:
        return true;
    default:
        return false;
    }
}
