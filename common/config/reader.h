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
 * Fill in the config, except jwks, keys_failure, revocation and revocation_failure, which come from other files. `path`
 * is copied; messages name it. Re-entrant. The time is linear in the text.
 * False with CONFIG_INVALID ("FILE:LINE: …") or OUT_OF_MEMORY; the config is then empty. End it with
 * config_file_clear(), which does not free the keys and the revocation list.
 */
bool config_file_parse(struct verdict *verdict, const char *path, struct slice text, struct config *ret_config);
void config_file_clear(struct config *config);

/* The line of a block, found by its title (NULL: blocks of this kind have no title). When the block sets `option`, the
 * line of the option. 0: there is no such block. */
size_t config_line(const struct config *config, enum block_kind kind, const char *title, const char *option);

#endif
