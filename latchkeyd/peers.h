/*
 * The uids that may ask latchkeyd, and how often. The kernel tells the uid of a client (SO_PEERCRED), so it cannot be
 * forged.
 */
#ifndef LATCHKEY_PEERS_H
#define LATCHKEY_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/account_lookup.h"
#include "config/model.h"

struct peers;

struct peers *peers_new(void); /* NULL when out of memory */
void peers_free(struct peers **peers);

/*
 * Take the allow list and the rates of a configuration. The names are looked up now. `not_found`, which may be NULL, is
 * called for each name that is not found: with ACCOUNT_ABSENT the name allows no client; with ACCOUNT_CANNOT_TELL the
 * former answer about the name stays in force until NSS can tell. False when out of memory: nothing changes.
 */
typedef void peers_not_found(const char *name, enum account_answer answer);
bool peers_configure(struct peers *peers, const struct latchkeyd_options *latchkeyd, peers_not_found *not_found);

/*
 * Whether the client may ask: root, the uid of this process and latchkeyd's user always; other clients when their uid
 * or one of their groups is listed. Before a client is denied, names that NSS could not tell are looked up again: at
 * most once a second, and more rarely where NSS is slow. *ret_uid is set in either case. False also when the kernel
 * does not tell the uid.
 */
bool peers_allow(struct peers *peers, int socket, uid_t *ret_uid);

/* Count a question of a uid. False when the uid, or all uids together, exceed their rate. Each rate is a bucket that
 * holds two seconds' worth. A quarter of the common bucket is reserved for root, so that other uids cannot shut out
 * sshd and sudo. */
bool peers_count(struct peers *peers, uid_t uid, int64_t now_ms);

#endif
