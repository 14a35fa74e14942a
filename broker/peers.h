/*
 * Who may ask latchkeyd, and how often. The kernel says who it is (SO_PEERCRED), so nobody can claim to be another.
 */
#ifndef LATCHKEY_PEERS_H
#define LATCHKEY_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"

struct peers;

struct peers *peers_new(void); /* NULL when memory is short */
void peers_free(struct peers **peers);

/* Take the allow list and the rates of a configuration; names are looked up now. A name that does not exist allows
 * nobody; it is given to `unknown`, which may be NULL. False when memory is short: all stays as it was. */
bool peers_configure(struct peers *peers, const struct broker *broker, void (*unknown)(const char *name));

/* Whether the process at the other end may ask: root, our own uid and latchkeyd's user always, else who is listed, by
 * uid or by any of its groups. *ret_uid is set in either case; false also when the kernel does not say. */
bool peers_allow(const struct peers *peers, int socket, uid_t *ret_uid);

/* Count a question of a uid. False when it, or all together, ask too often: the rates are those of buckets that hold
 * two seconds' worth. A part of the common one is kept for root, so that others cannot shut sshd and sudo out. */
bool peers_count(struct peers *peers, uid_t uid, int64_t now_ms);

#endif
