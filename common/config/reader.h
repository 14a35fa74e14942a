/*
 * The text of latchkey.conf(5) → struct config.
 */
#ifndef LATCHKEY_READER_H
#define LATCHKEY_READER_H

#include <stdbool.h>

#include "base/slice.h"
#include "verdict/verdict.h"
#include "config/model.h"
#include "config/options.h"

/*
 * Fill in everything but what other files hold (jwks, keys_failure, revocation, revocation_failure). `path` names the
 * text in messages and is copied. Re-entrant; the time is linear in the text.
 * False with CONFIG_INVALID ("FILE:LINE: …") or OUT_OF_MEMORY; the config is then empty. End it with
 * config_file_clear(), which leaves the keys and lists in it to their owner.
 */
bool config_file_parse(struct verdict *verdict, const char *path, struct slice text, struct config *ret_config);
void config_file_clear(struct config *config);

/* The line of a block, by its title (NULL: the kind has none); or that of an option of it, when the block sets it. 0:
 * there is no such block. */
size_t config_line(const struct config *config, enum block_kind kind, const char *title, const char *option);

#endif
