/*
 * What was decided about one credential, and why. The core never logs: it fills in a verdict, and the front end writes
 * the one line of verdict_log_line() and translates the reason.
 *
 * Functions that can refuse return bool and end in verdict_reject(); only verdict_accept() ever writes REASON_OK.
 * Initialise with VERDICT_INIT; nothing in it needs to be freed.
 */
#ifndef LATCHKEY_VERDICT_H
#define LATCHKEY_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/names.h"
#include "base/slice.h"
#include "verdict/reason.h"

#define EVIDENCE_MAX 256 /* bytes with the NUL; longer evidence is cut */
#define CHECK_MAX    32  /* checks that an explanation holds; each of CHECKS is made at most once */

/* The checks in the order in which they are made. The names are an interface: `latchkey verify --json` prints them. */
/* clang-format off */
#define CHECKS(X) \
  X(CHECK_CONFIGURATION, "configuration", "the configuration, as far as it concerns this login, is sound") \
  X(CHECK_CREDENTIAL,    "credential",    "the service accepts this kind of credential") \
  X(CHECK_EXCHANGE,      "exchange",      "the tenant service gives a token for the API key") \
  X(CHECK_FORMAT,        "format",        "a JWS in compact serialization; its header requires no unsupported extension") \
  X(CHECK_TENANT,        "tenant",        "the token matches exactly one configured tenant") \
  X(CHECK_HEADER,        "header",        "typ and alg are known and allowed for the tenant") \
  X(CHECK_KEY,           "key",           "one key of the tenant fits") \
  X(CHECK_SIGNATURE,     "signature",     "the signature verifies") \
  X(CHECK_CLAIMS,        "claims",        "the claims are those of a login token, and have the right types and ranges") \
  X(CHECK_BINDING,       "binding",       "tenant claim, iss, aud, azp and scope are the configured ones") \
  X(CHECK_REVOCATION,    "revocation",    "the revocation list does not name it") \
  X(CHECK_USER,          "user",          "the subject maps to the local user") \
  X(CHECK_ACCOUNT,       "account",       "the local user exists, and is not uid 0 by a pattern") \
  X(CHECK_TIME,          "time",          "exp, nbf and iat fit the clock") \
  X(CHECK_SERVICE,       "service",       "the rules of the service: max_age, require_group, allow_authzid")
/* clang-format on */

#define X(id, name, meaning) id,
enum check { CHECKS(X) CHECK_COUNT };
#undef X

/* The record that `latchkey verify` prints; other callers leave it out and pay nothing for it. */
struct explanation {
    struct {
        enum check check;
        bool ok;
        char detail[EVIDENCE_MAX];
    } made[CHECK_MAX];
    size_t count;
};

struct verdict {
    enum reason reason;
    char evidence[EVIDENCE_MAX]; /* of the refusal: printable ASCII and UTF-8, no control byte, never token text */

    /* Facts about the credential as far as they became known; empty strings before. Printable like the evidence.
     * kid and jti come from the token: untrusted until the signature is verified. */
    const char *credential; /* "none", "jwt", "api_key"; static */
    char tenant[FACT_MAX];
    char subject[SUBJECT_MAX + 1];
    char kid[FACT_MAX];
    char jti[FACT_MAX];
    char user[USER_MAX + 1]; /* the mapped local user */
    bool has_expiry;
    int64_t expiry;      /* s since 1970, rounded down */
    int64_t expired_for; /* s, at least 0; with REASON_TOKEN_EXPIRED */

    struct explanation *explanation; /* borrowed from the caller; NULL: not asked for */
    bool check_is_open;              /* verdict_check() began one that neither passed nor failed yet */
};

#define VERDICT_INIT ((struct verdict){ .reason = REASON_UNDECIDED, .credential = "none" })

/* Begin a check. The check before it has then passed, unless it is the same one, which goes on. Nothing is added once
 * the verdict is decided. */
void verdict_check(struct verdict *verdict, enum check check);

/* What the open check found, for the explanation. Does nothing when no explanation is asked for. */
__attribute__((format(printf, 2, 3))) void verdict_detail(struct verdict *verdict, const char *format, ...);

/*
 * Refuse: set the reason and the evidence, unless a reason is set already (the first one is the cause); the open check
 * has failed. Control bytes and broken UTF-8 in the evidence become '?'. Always false, so that `return
 * verdict_reject(…)` is the whole refusal. REASON_OK is not a refusal: it becomes REASON_SYSTEM_ERROR.
 */
__attribute__((format(printf, 3, 4))) bool verdict_reject(struct verdict *verdict, enum reason reason,
                                                          const char *format, ...);

/* Append to the evidence of a refusal, as far as there is room: "; " and the text. */
__attribute__((format(printf, 2, 3))) void verdict_add(struct verdict *verdict, const char *format, ...);

/* Accept a verdict that was not refused. False when a reason is set already. */
bool verdict_accept(struct verdict *verdict);

/* "credential", "format", …; static. */
const char *check_name(enum check check);
/* What a pass of the check means; static. */
const char *check_meaning(enum check check);

#define TOLD_MAX 96
/* The sentence for the user; may be empty. Never says more than the `told` column of the reason. */
void verdict_told(const struct verdict *verdict, char told[TOLD_MAX]);

#endif
