#include "token/seen.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PLACE_TOKENS 8
#define PLACES       (SEEN_MAX / PLACE_TOKENS)

/* A token has one place, which its digest names. The thread that sets `is_taken` has the rest to itself. */
struct place {
    atomic_bool is_taken;
    unsigned char count; /* digests that are set */
    unsigned char next;  /* the one that is overwritten next: the oldest */
    unsigned char digests[PLACE_TOKENS][SEEN_DIGEST_LEN];
};

struct seen {
    struct place places[PLACES];
};

struct seen *seen_new(void)
{
    return calloc(1, sizeof(struct seen)); /* all bits zero: no place is taken, none holds a digest */
}

void seen_free(struct seen **seen)
{
    if (seen == NULL)
        return;
    free(*seen);
    *seen = NULL;
}

/* NULL while another thread has it. A process that forks meanwhile has it taken for ever in its child, which costs
 * the child time and nothing else. */
static struct place *take_place(struct seen *seen, const unsigned char digest[SEEN_DIGEST_LEN])
{
    struct place *place = &seen->places[digest[0] % PLACES];

    return atomic_exchange_explicit(&place->is_taken, true, memory_order_acquire) ? NULL : place;
}

static void leave_place(struct place *place)
{
    atomic_store_explicit(&place->is_taken, false, memory_order_release);
}

static bool place_has(const struct place *place, const unsigned char digest[SEEN_DIGEST_LEN])
{
    unsigned i;

    for (i = 0; i < place->count; i++)
        if (memcmp(place->digests[i], digest, SEEN_DIGEST_LEN) == 0)
            return true;
    return false;
}

bool seen_has(struct seen *seen, const unsigned char digest[SEEN_DIGEST_LEN])
{
    struct place *place = take_place(seen, digest);
    bool has;

    if (place == NULL)
        return false;
    has = place_has(place, digest);
    leave_place(place);
    return has;
}

void seen_add(struct seen *seen, const unsigned char digest[SEEN_DIGEST_LEN])
{
    struct place *place = take_place(seen, digest);

    if (place == NULL)
        return;
    if (!place_has(place, digest)) { /* two threads may verify the same token at the same time */
        memcpy(place->digests[place->next], digest, SEEN_DIGEST_LEN);
        place->next = (unsigned char)((place->next + 1) % PLACE_TOKENS);
        if (place->count < PLACE_TOKENS)
            place->count++;
    }
    leave_place(place);
}
