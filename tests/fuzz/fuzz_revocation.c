/*
 * A list that is accepted can be asked anything, and a second reading gives the same answers.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "account/revocation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool passes(const struct revocation *list, struct slice text, double issued_at)
{
    struct verdict verdict = VERDICT_INIT;
    const struct revocable token = {
        .subject = text, .jti = text, .kid = text, .has_issued_at = issued_at >= 0, .issued_at = issued_at
    };
    bool ok = revocation_check(&verdict, list, &token);

    if (verdict.reason != (ok ? REASON_UNDECIDED : REASON_TOKEN_REVOKED))
        abort();
    return ok;
}

/* The last word of the text, which the list may hold. */
static struct slice last_word(struct slice text)
{
    size_t begin = text.len;

    while (begin > 0 && memchr(" \t\n\r\"", text.bytes[begin - 1], 5) == NULL)
        begin--;
    return (struct slice){ text.bytes + begin, text.len - begin };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const double times[] = { -1, 0, 1000, 9007199254740992.0 };
    struct slice text = { (const char *)data, size }, word = last_word(text);
    struct verdict verdict = VERDICT_INIT, again = VERDICT_INIT;
    struct revocation *first = NULL, *second = NULL;
    bool ok = revocation_parse(&verdict, text, &first);
    size_t i;

    if (ok != revocation_parse(&again, text, &second) || strcmp(verdict.evidence, again.evidence) != 0)
        abort();
    if (!ok && (first != NULL || verdict.reason != REASON_REVOCATION_UNAVAILABLE))
        abort();
    for (i = 0; ok && i < sizeof times / sizeof times[0]; i++) {
        if (passes(first, word, times[i]) != passes(second, word, times[i]))
            abort();
        /* Whoever passes was issued later, and an even later one passes too. */
        if (i > 1 && passes(first, word, times[i - 1]) && !passes(first, word, times[i]))
            abort();
    }
    revocation_free(&first);
    revocation_free(&second);
    return 0;
}
