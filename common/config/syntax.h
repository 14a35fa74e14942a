/*
 * The text of latchkey.conf(5) → blocks and their settings, each with its line. Names are those of the rows of
 * options.h; what the values mean is not known here.
 *
 *     text    = *( setting / block )
 *     block   = name [ title ] "{" *setting "}"
 *     setting = name "=" ( value / "{" [ value *( "," value ) [ "," ] ] "}" )
 *     title   = value
 *     name    = 1*( ALPHA / DIGIT / "_" / "-" )
 *     value   = name / DQUOTE *char DQUOTE / "'" *char "'"
 *
 * Strict where an administrator would want to know: an escape that is not defined, a name that has no row, a setting
 * that a block has already, and "${", which nothing expands.
 */
#ifndef LATCHKEY_SYNTAX_H
#define LATCHKEY_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "verdict/verdict.h"
#include "config/options.h"

struct setting {
    const struct option_row *option;
    char **values;
    size_t count; /* 1, unless it is a list */
    int line;
    struct setting *next;
};

struct block {
    enum block_kind kind;
    int line;
    uint32_t given; /* the options that are set: bit n is that of row n of the kind */
    char *title;    /* NULL: the kind has none */
    struct setting *settings, **end;
    struct block *next; /* of the same kind */
};

/* Everything that the text says, by kind and then in the order of the text. The settings outside of blocks are those of
 * the only block of BLOCK_TOP, which is always there. */
struct config_text {
    struct block *blocks[BLOCK_KINDS];
    size_t counts[BLOCK_KINDS];
};

/*
 * Read the text into `arena`. `path` names the text in messages.
 * False with CONFIG_INVALID ("FILE:LINE: …") or OUT_OF_MEMORY.
 */
bool syntax_read(struct verdict *verdict, const char *path, struct slice text, struct arena *arena,
                 struct config_text *ret_text);

/* What a block sets an option to; NULL: nothing. Lent. */
const struct setting *syntax_find(const struct block *block, const char *option);

/* The line of the setting; without it, or with NULL, that of the block. */
int syntax_line(const struct block *block, const char *option);

/* Refuse the configuration for what a block says, or for an option of it (NULL: none), with its place in the text:
 * "FILE:LINE: tenant "t1": leeway: …". Always false. */
bool syntax_refuse(struct verdict *verdict, const char *path, const struct block *block, const char *option,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
