/*
 * What a configuration may hold: one row for each block, and one for each option. latchkey.conf(5) has a paragraph for
 * each row, and the tests of bounds and of the manual go through the rows.
 *
 * A new option is one row, one field in its struct (model.h, identity.h), and one paragraph of the manual. Only what
 * depends on other options is code in reader.c.
 */
#ifndef LATCHKEY_OPTIONS_H
#define LATCHKEY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum block_kind {
    BLOCK_TOP, /* outside of blocks */
    BLOCK_TENANT,
    BLOCK_USER,
    BLOCK_MAP,
    BLOCK_GROUP,
    BLOCK_SERVICE,
    BLOCK_LATCHKEYD,
    BLOCK_KINDS
};

enum option_kind {
    OPTION_STRING,      /* char * */
    OPTION_PATH,        /* char *: absolute */
    OPTION_URL,         /* char *: https, without user, query and fragment */
    OPTION_LIST,        /* struct string_list: no string is empty */
    OPTION_SOCKETS,     /* the same, of absolute paths that fit into the address of a socket */
    OPTION_NUMBER,      /* int64_t: from min to max */
    OPTION_BOOLEAN,     /* bool */
    OPTION_MODE,        /* unsigned: the mode of a socket */
    OPTION_ALGORITHMS,  /* bool[ALGORITHM_ROWS] */
    OPTION_CREDENTIALS, /* unsigned, of enum credential_set */
};

struct option_row {
    const char *name;
    enum option_kind kind;
    size_t offset;        /* of the field in the block's struct */
    const char *fallback; /* the default, as an administrator would write it; NULL: none, or reader.c derives it */
    int64_t min, max;     /* of an OPTION_NUMBER */
    bool may_be_empty;    /* a string or path: "" is allowed and makes the field NULL */
};

struct block_row {
    const char *name; /* "" for BLOCK_TOP */
    bool has_title;
    size_t max; /* blocks of the kind; 0: no limit but the size of the file */
    const struct option_row *options;
    size_t option_count; /* at most 32 */
};

/* Lent; for every kind below BLOCK_KINDS. */
const struct block_row *block_row(enum block_kind kind);

/* By its name; NULL: there is none. Lent. */
const struct option_row *option_find(enum block_kind kind, struct slice name);

#endif
