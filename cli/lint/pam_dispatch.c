#include "cli/lint/pam_dispatch.h"

#include <stddef.h>
#include <stdlib.h>

/*
 * libpam's dispatcher for all outcomes at once: before each line, the stack can be in a set of four states. Jumps only
 * lead forward, so one pass is enough.
 */
enum state { STATE_UNDECIDED, STATE_GOOD, STATE_NOT_GOOD /* positive, with another code than success */, STATE_BAD };
#define STATES(state) (1U << (state))

struct chain {
    const struct pam_line **lines; /* of one type, lent by the stack */
    size_t count;
    unsigned *states; /* before each line, and after the last */
};

/* The line after the level of line i: a decision skips the rest of its level, and all deeper lines. */
static size_t after_level(const struct chain *chain, size_t i)
{
    size_t next = i + 1;

    while (next < chain->count && chain->lines[next]->level >= chain->lines[i]->level)
        next++;
    return next;
}

/* A substack counts as one line. *ret_fits: the stack has enough lines for the jump. */
static size_t after_jump(const struct chain *chain, size_t i, int jump, bool *ret_fits)
{
    const unsigned level = chain->lines[i]->level;
    size_t at = i;

    while (jump > 0 && at + 1 < chain->count && chain->lines[at + 1]->level >= level) {
        do
            at++;
        while (at + 1 < chain->count && chain->lines[at + 1]->level > level);
        jump--;
    }
    *ret_fits = jump == 0;
    return at + 1;
}

/* The states at the head of the substack, which `reset` restores. */
static unsigned states_at_entry(const struct chain *chain, size_t i)
{
    const unsigned level = chain->lines[i]->level;

    while (level > 0 && i > 0 && chain->lines[i]->level >= level)
        i--;
    return level > 0 ? chain->states[i] : STATES(STATE_UNDECIDED);
}

static void step(struct chain *chain, size_t i, enum state state, size_t code)
{
    int action = chain->lines[i]->actions[code];
    size_t next = i + 1;
    bool fits = true;

    switch (action) {
    case ACTION_IGNORE:
        break;
    case ACTION_OK:
    case ACTION_DONE:
        if (state == STATE_UNDECIDED || state == STATE_GOOD)
            state = code == RETURN_SUCCESS ? STATE_GOOD : STATE_NOT_GOOD;
        if (action == ACTION_DONE && state != STATE_BAD)
            next = after_level(chain, i);
        break;
    case ACTION_BAD:
        state = STATE_BAD;
        break;
    case ACTION_DIE:
        state = STATE_BAD;
        next = after_level(chain, i);
        break;
    case ACTION_RESET:
        chain->states[next] |= states_at_entry(chain, i);
        return;
    default:
        next = after_jump(chain, i, action, &fits);
        state = fits ? state : STATE_BAD;
    }
    chain->states[next] |= STATES(state);
}

static void follow(struct chain *chain, size_t i, return_set returns)
{
    enum state state;
    size_t code;

    if (chain->lines[i]->module == NULL && chain->lines[i]->broken == NULL) {
        chain->states[i + 1] |= chain->states[i];
        return;
    }
    for (state = STATE_UNDECIDED; state <= STATE_BAD; state++)
        for (code = 0; code < RETURN_COUNT; code++)
            if ((chain->states[i] & STATES(state)) != 0 && (returns & RETURNS(code)) != 0)
                step(chain, i, state, code);
}

static return_set returns_of(const struct pam_line *line,
                             return_set (*returns)(const struct pam_line *line, const void *context),
                             const void *context)
{
    if (line->broken != NULL)
        return RETURNS(RETURN_PERM_DENIED);
    return line->is_missing ? RETURNS(RETURN_MODULE_UNKNOWN) : returns(line, context);
}

bool pam_dispatch_can_succeed(const struct pam_stack *stack, enum stack_type type,
                              return_set (*returns)(const struct pam_line *line, const void *context),
                              const void *context)
{
    struct chain chain = { calloc(stack->count + 1, sizeof *chain.lines), 0,
                           calloc(stack->count + 1, sizeof *chain.states) };
    bool can = false;
    size_t i;

    if (chain.lines != NULL && chain.states != NULL) {
        for (i = 0; i < stack->count; i++)
            if (stack->lines[i].type == type)
                chain.lines[chain.count++] = &stack->lines[i];
        chain.states[0] = STATES(STATE_UNDECIDED);
        for (i = 0; i < chain.count; i++)
            follow(&chain, i, returns_of(chain.lines[i], returns, context));
        can = !stack->is_refused && (chain.states[chain.count] & STATES(STATE_GOOD)) != 0;
    }
    free(chain.lines);
    free(chain.states);
    return can;
}
