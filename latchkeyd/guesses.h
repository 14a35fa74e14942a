/*
 * API keys that a tenant service has refused, by the account that they were tried for. The kernel tells latchkeyd only
 * which program asks, and su(1) and sshd(8) ask as root for every user; so what a user guesses is counted for the
 * account that the guesses are for. Every answer with a status of 4xx is a refusal, also 429.
 */
#ifndef LATCHKEY_GUESSES_H
#define LATCHKEY_GUESSES_H

#include <stdint.h>

#define GUESSES_AT_ONCE 32
#define GUESSES_PER_S   1.0 /* after that */

struct guesses;

struct guesses *guesses_new(void); /* NULL when out of memory */
void guesses_free(struct guesses **guesses);

/* How many more keys may be tried for the account of this subject now: 0 … GUESSES_AT_ONCE. Times are those of
 * clock_ms(). */
unsigned guesses_left(struct guesses *guesses, const char *tenant_id, const char *subject, int64_t now_ms);

/* One was refused. 256 accounts are told apart; the next one takes the place of the account that has most left. */
void guesses_count(struct guesses *guesses, const char *tenant_id, const char *subject, int64_t now_ms);

/* Every account has all of them again. */
void guesses_reset(struct guesses *guesses);

#endif
