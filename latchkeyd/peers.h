/*
 * Who may ask latchkeyd, and how often. The kernel says who it is (SO_PEERCRED), so nobody can claim to be another.
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

struct peers *peers_new(void); /* NULL when memory is exhausted */
void peers_free(struct peers **peers);

/*
 * Take the allow list and the rates of a configuration. The names are looked up now. Each one that is not found is
 * given to `not_found`, which may be NULL: ACCOUNT_ABSENT, and it allows nobody; or ACCOUNT_CANNOT_TELL, and the former
 * answer about the name stays in force until NSS can tell. False when memory is exhausted: all stays as it was.
 */
typedef void peers_not_found(const char *name, enum account_answer answer);
bool peers_configure(struct peers *peers, const struct latchkeyd_options *latchkeyd, peers_not_found *not_found);

/*
 * Whether the process at the other end may ask: root, our own uid and latchkeyd's user always, else who is listed, by
 * uid or by any of its groups. Names that NSS could not tell are looked up again when a peer would be refused: at most
 * once a second, and more rarely where NSS takes long. *ret_uid is set in either case; false also when the kernel does
 * not say.
 */
bool peers_allow(struct peers *peers, int socket, uid_t *ret_uid);

/* Count a question of a uid. False when it, or all together, ask too often: the rates are those of buckets that hold
 * two seconds' worth. A part of the common one is kept for root, so that others cannot shut sshd and sudo out. */
bool peers_count(struct peers *peers, uid_t uid, int64_t now_ms);

#endif
