/*
 * The one table of outcomes. A row says everything about one, so that the log, PAM, the command and the manual cannot
 * drift apart. `name` is an interface that operators match on and never changes; the sentences may improve.
 *
 *   PAM     what the PAM module answers; a bare word here, expanded only where <security/pam_modules.h> is
 *           included. PAM_AUTHINFO_UNAVAIL means "Latchkey could not decide", so that a stack can go on to local
 *           passwords; PAM_CRED_INSUFFICIENT means "no credential for Latchkey came", likewise.
 *   SASL    what the SASL plug-in answers, likewise, for <sasl/sasl.h>.
 *   status  what an OAUTHBEARER client reads in the error message (RFC 7628 §3.2.2, with the codes of RFC 6750 §3.1);
 *           NULL: the exchange just fails, since the token may be a good one.
 *   exit    the exit status of `latchkey verify`: 0 accepted, 1 refused, 2 usage or configuration, 3 unavailable.
 *   told    what the user reads. Everything that is not proven by a signature, and everything about
 *           the mapping, reads "Token not accepted." alike; "" says nothing, since the next module will ask.
 *           TOLD_UNAVAILABLE is shown where latchkeyd does not serve a process, whatever the credential and the
 * account. sentence  what an administrator reads; the evidence of the verdict follows it.
 *
 * REASON_UNDECIDED is zero: a verdict that no code has filled in denies.
 */
#ifndef LATCHKEY_REASON_H
#define LATCHKEY_REASON_H

#include <stdbool.h>

#define TOLD_REFUSED     "Token not accepted."
#define TOLD_EXPIRED     "The token expired %s ago."
#define TOLD_UNAVAILABLE "Tokens cannot be checked at the moment."
#define TOLD_REPEATED    "This program gives every prompt the same answer, and the token is too long for one."

/* clang-format off */
#define REASONS(X) \
  /* id                           name                       PAM                    SASL          RFC 7628 status     exit told           sentence */ \
  X(REASON_UNDECIDED,              "undecided",               PAM_SYSTEM_ERR,        SASL_FAIL,    NULL,                 1, TOLD_REFUSED,       "not verified") \
  X(REASON_OK,                     "ok",                      PAM_SUCCESS,           SASL_OK,      NULL,                 0, "",                 "accepted") \
  /* the credential as such */ \
  X(REASON_CREDENTIAL_ABSENT,      "credential_absent",       PAM_CRED_INSUFFICIENT, SASL_BADAUTH, "invalid_token",      1, "",                 "no credential was given") \
  X(REASON_CREDENTIAL_NOT_ALLOWED, "credential_not_allowed",  PAM_CRED_INSUFFICIENT, SASL_BADAUTH, "invalid_token",      1, "",                 "this service does not accept this kind of credential") \
  X(REASON_MESSAGE_MALFORMED,      "message_malformed",       PAM_CONV_ERR,          SASL_BADPROT, "invalid_request",    1, TOLD_REFUSED,       "not a message of the mechanism") \
  X(REASON_CONVERSATION_FAILED,    "conversation_failed",     PAM_CONV_ERR,          SASL_BADPROT, NULL,                 1, "",                 "the conversation for the token failed") \
  X(REASON_ANSWER_REPEATED,        "answer_repeated",         PAM_CONV_ERR,          SASL_BADPROT, NULL,                 1, TOLD_REPEATED,      "every prompt got the same answer, which is only the beginning of a token") \
  X(REASON_TOKEN_TOO_LONG,         "token_too_long",          PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "the token is longer than any accepted one") \
  X(REASON_TOKEN_MALFORMED,        "token_malformed",         PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "not a JWS in compact serialization") \
  X(REASON_HEADER_UNSUPPORTED,     "header_unsupported",      PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "the header requires an unsupported extension") \
  X(REASON_TYPE_UNSUPPORTED,       "type_unsupported",        PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "typ or a claim names another kind of token") \
  X(REASON_TENANT_UNKNOWN,         "tenant_unknown",          PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "the token matches no configured tenant, or several") \
  X(REASON_ALGORITHM_UNSUPPORTED,  "algorithm_unsupported",   PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "alg is not a known signature algorithm") \
  X(REASON_ALGORITHM_NOT_ALLOWED,  "algorithm_not_allowed",   PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "the tenant does not allow this alg") \
  /* the key and the signature */ \
  X(REASON_KEY_UNKNOWN,            "key_unknown",             PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "no key of the key set fits") \
  X(REASON_KEY_AMBIGUOUS,          "key_ambiguous",           PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "the token names no key and several fit") \
  X(REASON_KEY_UNSUITABLE,         "key_unsuitable",          PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "the key may not verify this algorithm") \
  X(REASON_SIGNATURE_INVALID,      "signature_invalid",       PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "the signature does not verify") \
  /* the claims of a token with a good signature */ \
  X(REASON_CLAIM_MISSING,          "claim_missing",           PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "a required claim is absent") \
  X(REASON_CLAIM_INVALID,          "claim_invalid",           PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "a claim has the wrong type or range") \
  X(REASON_PROOF_REQUIRED,         "proof_required",          PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "the token is bound to a key, and no proof of its possession came with it") \
  X(REASON_TENANT_MISMATCH,        "tenant_mismatch",         PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "the tenant claim names another tenant") \
  X(REASON_ISSUER_UNTRUSTED,       "issuer_untrusted",        PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "iss is not the tenant's issuer") \
  X(REASON_AUDIENCE_MISMATCH,      "audience_mismatch",       PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "aud names none of the configured audiences") \
  X(REASON_PARTY_UNTRUSTED,        "party_untrusted",         PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "azp is not a configured party") \
  X(REASON_SCOPE_MISSING,          "scope_missing",           PAM_PERM_DENIED,       SASL_NOAUTHZ, "insufficient_scope", 1, TOLD_REFUSED,       "a required scope is absent") \
  X(REASON_TOKEN_REVOKED,          "token_revoked",           PAM_PERM_DENIED,       SASL_NOAUTHZ, "invalid_token",      1, TOLD_REFUSED,       "the revocation list names it") \
  /* the local identity */ \
  X(REASON_USER_UNMAPPED,          "user_unmapped",           PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "no user block and no map gives a local user") \
  X(REASON_USER_AMBIGUOUS,         "user_ambiguous",          PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "several user blocks fit and no user was named") \
  X(REASON_USER_NAME_INVALID,      "user_name_invalid",       PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "the mapped name is not a valid user name") \
  X(REASON_USER_MISMATCH,          "user_mismatch",           PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "the token belongs to another local user") \
  X(REASON_USER_UNKNOWN,           "user_unknown",            PAM_USER_UNKNOWN,      SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "the mapped user does not exist on this host") \
  X(REASON_USER_FORBIDDEN,         "user_forbidden",          PAM_PERM_DENIED,       SASL_NOAUTHZ, "insufficient_scope", 1, TOLD_REFUSED,       "only an explicit user block maps to uid 0") \
  X(REASON_REALM_UNKNOWN,          "realm_unknown",           PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "the service knows no such realm") \
  X(REASON_AUTHZID_NOT_ALLOWED,    "authzid_not_allowed",     PAM_PERM_DENIED,       SASL_NOAUTHZ, "insufficient_scope", 1, TOLD_REFUSED,       "the user may not act as that other user") \
  /* the time: checked after all else in the token, so that telling it reveals nothing of a token that was never good */ \
  X(REASON_TOKEN_EXPIRED,          "token_expired",           PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_EXPIRED,       "exp has passed") \
  X(REASON_TOKEN_NOT_YET_VALID,    "token_not_yet_valid",     PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, "The token is not valid yet.", "nbf is in the future") \
  X(REASON_TOKEN_FROM_FUTURE,      "token_from_future",       PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, "The token is not valid yet.", "iat is in the future") \
  X(REASON_TOKEN_TOO_OLD,          "token_too_old",           PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, "This service requires a more recent token.", "the token is older than the service's max_age") \
  X(REASON_GROUP_MISSING,          "group_missing",           PAM_PERM_DENIED,       SASL_NOAUTHZ, "insufficient_scope", 1, "You are not in a group that may use this service.", "the token has none of the groups that the service requires") \
  /* the exchange of an API key */ \
  X(REASON_CREDENTIAL_REFUSED,     "credential_refused",      PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "the tenant service refuses the API key or token") \
  X(REASON_EXCHANGE_MISMATCH,      "exchange_mismatch",       PAM_AUTH_ERR,          SASL_BADAUTH, "invalid_token",      1, TOLD_REFUSED,       "the API key was exchanged for a token of another user") \
  /* Latchkey itself: nothing was decided about the credential */ \
  X(REASON_OPTION_INVALID,         "option_invalid",          PAM_AUTHINFO_UNAVAIL,  SASL_UNAVAIL, NULL,                 2, TOLD_REFUSED,       "an option of the PAM line is wrong") \
  X(REASON_CONFIG_INVALID,         "config_invalid",          PAM_AUTHINFO_UNAVAIL,  SASL_UNAVAIL, NULL,                 2, TOLD_REFUSED,       "the configuration is broken") \
  X(REASON_JWKS_UNAVAILABLE,       "jwks_unavailable",        PAM_AUTHINFO_UNAVAIL,  SASL_UNAVAIL, NULL,                 3, TOLD_REFUSED,       "no key set or secret can be read") \
  X(REASON_JWKS_INVALID,           "jwks_invalid",            PAM_AUTHINFO_UNAVAIL,  SASL_UNAVAIL, NULL,                 3, TOLD_REFUSED,       "the key set or the secret is not usable") \
  X(REASON_REVOCATION_UNAVAILABLE, "revocation_unavailable",  PAM_AUTHINFO_UNAVAIL,  SASL_UNAVAIL, NULL,                 3, TOLD_REFUSED,       "the revocation list cannot be used") \
  X(REASON_LATCHKEYD_UNAVAILABLE,     "latchkeyd_unavailable",      PAM_AUTHINFO_UNAVAIL,  SASL_UNAVAIL, NULL,                 3, TOLD_UNAVAILABLE,   "no latchkeyd answers") \
  X(REASON_TENANT_UNAVAILABLE,     "tenant_unavailable",      PAM_AUTHINFO_UNAVAIL,  SASL_UNAVAIL, NULL,                 3, TOLD_REFUSED,       "the tenant service gives no usable answer") \
  X(REASON_OUT_OF_MEMORY,          "out_of_memory",           PAM_BUF_ERR,           SASL_NOMEM,   NULL,                 3, TOLD_REFUSED,       "out of memory") \
  X(REASON_SYSTEM_ERROR,           "system_error",            PAM_SYSTEM_ERR,        SASL_FAIL,    NULL,                 3, TOLD_REFUSED,       "a system call or library call failed")
/* clang-format on */

#define X(id, name, pam, sasl, status, exit, told, sentence) id,
enum reason { REASONS(X) REASON_COUNT };
#undef X

/* The reason of a name, as one program tells it to another. REASON_UNDECIDED when the name is not of the table. */
enum reason reason_find(const char *name);

/* Each never NULL; a value outside the table reads as REASON_UNDECIDED. Static strings. */
const char *reason_name(enum reason reason);
const char *reason_sentence(enum reason reason);
int reason_exit_status(enum reason reason);

/*
 * Whether the refusal itself proves that the token was otherwise good and is the asked user's: these checks come after
 * the signature and the mapping. Only then may an answer differ from that to a user who does not exist.
 */
bool reason_proves_own_token(enum reason reason);

#endif
