/*
 * Counts the API keys that a tenant service refused, for the account that they were tried for. The kernel tells
 * latchkeyd only the uid of the program that asks, and su(1) and sshd(8) ask as root for every user. So guesses cannot
 * be counted for the user who makes them. Every answer with status 4xx is a refusal, also 429.
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

/* Count a refused key. 256 accounts are known; a further one takes the place of the account with most guesses left. */
void guesses_count(struct guesses *guesses, const char *tenant_id, const char *subject, int64_t now_ms);

/* Every account has all its guesses again. */
void guesses_reset(struct guesses *guesses);

#endif
