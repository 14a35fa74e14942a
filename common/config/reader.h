/*
 * The text of latchkey.conf(5) → struct config. The only user of libConfuse.
 *
 * libConfuse is lenient where an administrator would want to know: it expands ${NAME} from the environment, drops the
 * backslash of an escape that it does not know (so "\." in a pattern would match any character), lets the last of two
 * equal options win, takes 010 for 8, ends a string at a NUL, and miscounts the lines of comments. The text is looked
 * through for these first, and comments are blanked, so that only plain words, strings and marks reach it.
 */
#ifndef LATCHKEY_READER_H
#define LATCHKEY_READER_H

#include <stdbool.h>

#include "base/slice.h"
#include "verdict/verdict.h"
#include "config/model.h"

/*
 * Fill in everything but what other files hold (jwks, keys_failure, revocation, revocation_failure). `path` names the
 * text in messages and is copied. Thread-safe: libConfuse, whose scanner is not re-entrant, runs under a lock.
 * False with CONFIG_INVALID ("FILE:LINE: …") or OUT_OF_MEMORY; the config is then empty. End it with
 * config_file_clear(), which also ends the keys and lists in it.
 */
bool config_file_parse(struct verdict *verdict, const char *path, struct slice text, struct config *ret_config);
void config_file_clear(struct config *config);

/* What a configuration may hold, for the manual's test: every block and option, "tenant.leeway"; NULL ends it. */
const char *const *config_option_names(void);

#endif
