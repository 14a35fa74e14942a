#include "tests/support/unit.h"

#include "latchkeyd/breaker.h"

#define T0 1000000

/* TELL_SPARE: down, and closed for everybody, as 503 says. */
enum step_kind { PASSES, IS_HELD, TELL_UP, TELL_DOWN, TELL_SPARE, IS_OPEN, IS_CLOSED };

/* A story: what is asked or told, when, and with TELL_DOWN and TELL_SPARE what Retry-After says. */
struct step {
    enum step_kind kind;
    int64_t at_ms;
    int retry_after;
};

#define FAIL(at)            \
    { PASSES, (at), 0 },    \
    {                       \
        TELL_DOWN, (at), -1 \
    }
#define FAIL_4(at) FAIL(at), FAIL(at), FAIL(at), FAIL(at)

static const struct {
    const char *name;
    struct step steps[24]; /* ends with one at 0 ms */
} stories[] = {
    { "one that was never used is closed", { { IS_CLOSED, T0, 0 }, { PASSES, T0, 0 } } },
    { "four failures in a row leave it closed", { FAIL_4(T0), { IS_CLOSED, T0, 0 }, { PASSES, T0, 0 } } },
    { "the fifth opens it", { FAIL_4(T0), FAIL(T0), { IS_OPEN, T0, 0 }, { IS_HELD, T0, 0 } } },
    { "a success in between begins the row anew",
      { FAIL_4(T0), { TELL_UP, T0, -1 }, FAIL_4(T0), { IS_CLOSED, T0, 0 }, { PASSES, T0, 0 } } },
    { "it is open for ten seconds", { FAIL_4(T0), FAIL(T0), { IS_HELD, T0 + 9999, 0 }, { PASSES, T0 + 10000, 0 } } },
    { "then one question tries, and no second one",
      { FAIL_4(T0), FAIL(T0), { PASSES, T0 + 10000, 0 }, { IS_HELD, T0 + 10000, 0 }, { IS_HELD, T0 + 60000, 0 } } },
    { "which fails: ten seconds more from then on",
      { FAIL_4(T0),
        FAIL(T0),
        { PASSES, T0 + 20000, 0 },
        { TELL_DOWN, T0 + 25000, -1 },
        { IS_OPEN, T0 + 25000, 0 },
        { IS_HELD, T0 + 34999, 0 },
        { PASSES, T0 + 35000, 0 } } },
    { "which succeeds: closed, and everybody passes",
      { FAIL_4(T0),
        FAIL(T0),
        { PASSES, T0 + 10000, 0 },
        { TELL_UP, T0 + 10100, -1 },
        { IS_CLOSED, T0 + 10100, 0 },
        { PASSES, T0 + 10100, 0 },
        { PASSES, T0 + 10100, 0 } } },
    { "after that a whole row of failures is needed again",
      { FAIL_4(T0), FAIL(T0), { TELL_UP, T0 + 10000, -1 }, FAIL_4(T0 + 10000), { IS_CLOSED, T0 + 10000, 0 } } },
    { "Retry-After opens it at once, for as long as it says",
      { { PASSES, T0, 0 },
        { TELL_SPARE, T0, 3 },
        { IS_OPEN, T0, 0 },
        { IS_HELD, T0 + 2999, 0 },
        { PASSES, T0 + 3000, 0 } } },
    { "Retry-After of more than ten seconds",
      { { TELL_SPARE, T0, 59 }, { IS_HELD, T0 + 58999, 0 }, { PASSES, T0 + 59000, 0 } } },
    { "but of no more than a minute",
      { { TELL_SPARE, T0, 86400 }, { IS_HELD, T0 + 59999, 0 }, { PASSES, T0 + 60000, 0 } } },
    { "Retry-After of the largest number", { { TELL_SPARE, T0, INT32_MAX }, { PASSES, T0 + 60000, 0 } } },
    { "Retry-After of nothing says nothing", { { TELL_SPARE, T0, 0 }, { IS_CLOSED, T0, 0 }, { PASSES, T0, 0 } } },
    { "Retry-After of an answer to one caller opens nothing alone",
      { { TELL_DOWN, T0, 30 }, { IS_CLOSED, T0, 0 }, { PASSES, T0, 0 } } },
    { "but says for how long, when it is the fifth",
      { FAIL_4(T0),
        { TELL_DOWN, T0, 30 },
        { IS_OPEN, T0, 0 },
        { IS_HELD, T0 + 29999, 0 },
        { PASSES, T0 + 30000, 0 } } },
    { "and nothing, when it is nothing",
      { FAIL_4(T0), { TELL_DOWN, T0, 0 }, { IS_OPEN, T0, 0 }, { IS_HELD, T0 + 9999, 0 }, { PASSES, T0 + 10000, 0 } } },
    { "a shorter time does not replace a longer one",
      { { TELL_SPARE, T0, 30 }, { TELL_SPARE, T0 + 1000, 1 }, { IS_HELD, T0 + 29999, 0 }, { PASSES, T0 + 30000, 0 } } },
    { "a late failure of a question from before prolongs it",
      { FAIL_4(T0), FAIL(T0), { TELL_DOWN, T0 + 4000, -1 }, { IS_HELD, T0 + 13999, 0 }, { PASSES, T0 + 14000, 0 } } },
    { "a late success of a question from before closes it",
      { FAIL_4(T0), FAIL(T0), { TELL_UP, T0 + 1000, -1 }, { IS_CLOSED, T0 + 1000, 0 }, { PASSES, T0 + 1000, 0 } } },
};

static bool holds(struct breaker *breaker, const struct step *step)
{
    switch (step->kind) {
    case PASSES:
        return breaker_passes(breaker, step->at_ms);
    case IS_HELD:
        return !breaker_passes(breaker, step->at_ms);
    case TELL_UP:
        breaker_tell(breaker, true, step->retry_after, false, step->at_ms);
        return true;
    case TELL_DOWN:
    case TELL_SPARE:
        breaker_tell(breaker, false, step->retry_after, step->kind == TELL_SPARE, step->at_ms);
        return true;
    case IS_OPEN:
        return breaker->is_open;
    default:
        return !breaker->is_open;
    }
}

static void rule_27_a_breaker_answers_at_once_for_a_while(void **state)
{
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(stories); i++) {
        struct breaker breaker = { .failures = 0 };

        ROW(stories[i].name);
        for (j = 0; stories[i].steps[j].at_ms != 0; j++)
            if (!holds(&breaker, &stories[i].steps[j]))
                fail_msg("step %zu", j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_27_a_breaker_answers_at_once_for_a_while),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
