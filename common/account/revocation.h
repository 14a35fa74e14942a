/*
 * The local revocation list. Each line revokes tokens before they expire.
 *
 *     # comment; empty lines are skipped
 *     sub f3e89bb2-5827-4e4b-8b33-823b48327ec7              every token of this subject
 *     jti 7b0c…                                             one token
 *     kid key-2026-1                                        every token verified by the key of this kid
 *     issued-before 1764000000                              every token issued earlier, or without iat
 *     issued-before 1764000000 sub f3e89bb2-…               the same, of one subject
 *
 * The value is the rest of the line without the blanks around it. A value that begins with `"` is a JSON string. Any
 * other value with a quote, with `#` at its start or behind a blank, or with a comma or semicolon at its end is
 * refused: such a line is more likely a mistake that would revoke nothing. The kid is that of the key in the key set.
 * Entries apply to every tenant. The file is at most REVOCATION_MAX_LEN bytes. A parsed list never changes.
 */
#ifndef LATCHKEY_REVOCATION_H
#define LATCHKEY_REVOCATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "verdict/verdict.h"

#define REVOCATION_MAX_LEN (4U << 20)

struct revocation;

/* The list keeps pointers into the text: the text must live as long as the list. An invalid line refuses the whole
 * list: REVOCATION_UNAVAILABLE with "line 3: …", or OUT_OF_MEMORY. End with revocation_free(), which accepts NULL and a
 * pointer to NULL. The time is linear in the text, whatever the values are. */
bool revocation_parse(struct verdict *verdict, struct slice text, struct revocation **ret_list);
void revocation_free(struct revocation **list);
size_t revocation_count(const struct revocation *list);

/* The values by which a token can be revoked. Those that the token does not have are empty or false. */
struct revocable {
    struct slice subject;
    struct slice jti;
    struct slice kid;
    bool has_issued_at;
    double issued_at; /* s since 1970 */
};

/* True when no line revokes the token; else false with TOKEN_REVOKED. A NULL list is empty. The time does not depend on
 * the length of the list, but on the number of issued-before lines with this subject. */
bool revocation_check(struct verdict *verdict, const struct revocation *list, const struct revocable *token);

/*
 * For a login without a token (by public key, by password) to an account whose user block lists the subject. False with
 * TOKEN_REVOKED when a `sub` line has this subject.
 */
bool revocation_check_subject(struct verdict *verdict, const struct revocation *list, struct slice subject);

/* The subjects of the `sub` lines, in the order of the lines; `index` is below the count. Lent. */
size_t revocation_subject_count(const struct revocation *list);
struct slice revocation_subject(const struct revocation *list, size_t index);

#endif
