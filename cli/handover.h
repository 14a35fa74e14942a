/*
 * How a secret leaves the command: in a file of mode 0600 or, if the user asks for it, on standard output. A new key
 * may be the only one that works. So before the key is requested, handover_prepare() makes sure that the directory
 * takes new files, and reserves as much disk space as the key needs until it is written.
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
    char room[PATH_MAX]; /* the file beside it that reserves the space; empty: none */
};

/*
 * Prepare for the file `path`, which must be a regular one or missing, and reserve space for a secret of `max` bytes.
 * False with SYSTEM_ERROR or OUT_OF_MEMORY; no file is then left behind.
 */
bool handover_prepare(struct verdict *verdict, struct handover *handover, const char *path, size_t max);

/* Replace the file with the secret and a line end in one step; on failure the old file stays. The reserved space is
 * used: prepare again for another secret. False with SYSTEM_ERROR or OUT_OF_MEMORY. */
bool handover_write(struct verdict *verdict, struct handover *handover, struct slice secret);

/* Release the reserved space. */
void handover_end(struct handover *handover);

/*
 * The two ends of a secret, which identify it to its owner: "1a2b...x9y0" when at least HANDOVER_HIDDEN_MIN bytes stay
 * hidden, else "...". The secret is printable.
 */
#define HANDOVER_SHOWN      4 /* bytes at each end */
#define HANDOVER_HIDDEN_MIN 16
#define HANDOVER_MASKED_MAX (2 * HANDOVER_SHOWN + sizeof "...")
void handover_mask(struct slice secret, char masked[HANDOVER_MASKED_MAX]);

#endif
