/*
 * How a secret leaves the command: into a file of mode 0600, or, where that was asked for, onto standard output. A new
 * key may be the only one that works, so the file is made sure of before there is a key: its directory takes new files,
 * and as much room as a key needs is held until it is written.
 */
#ifndef LATCHKEY_HANDOVER_H
#define LATCHKEY_HANDOVER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"
#include "verdict/verdict.h"

/* Zero-initialise; end it with handover_end(). */
struct handover {
    char path[PATH_MAX]; /* absolute; empty: there is no file */
    char room[PATH_MAX]; /* the file beside it that holds the room; empty: none */
};

/*
 * Make sure of the file `path`, which must be a regular one or missing, and hold room for a secret of `max` bytes.
 * False with SYSTEM_ERROR or OUT_OF_MEMORY; nothing is left behind then.
 */
bool handover_prepare(struct verdict *verdict, struct handover *handover, const char *path, size_t max);

/* Put the secret and a line end in the file's place in one step; the old file stays when that fails. The room is used
 * up: prepare again for a further secret. False with SYSTEM_ERROR or OUT_OF_MEMORY. */
bool handover_write(struct verdict *verdict, struct handover *handover, struct slice secret);

/* Give the room back. */
void handover_end(struct handover *handover);

/*
 * A secret so that a person knows it again and nobody can use it: "1a2b...x9y0" when at least HANDOVER_HIDDEN_MIN bytes
 * stay hidden, else "...". Its characters are printable already.
 */
#define HANDOVER_SHOWN      4 /* bytes at each end */
#define HANDOVER_HIDDEN_MIN 16
#define HANDOVER_MASKED_MAX (2 * HANDOVER_SHOWN + sizeof "...")
void handover_mask(struct slice secret, char masked[HANDOVER_MASKED_MAX]);

#endif
