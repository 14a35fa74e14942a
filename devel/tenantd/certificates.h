/*
 * The service's own certification authority and its server certificate, good or not good enough on purpose.
 */
#ifndef LATCHKEY_TENANTD_CERTIFICATES_H
#define LATCHKEY_TENANTD_CERTIFICATES_H

#include <stdbool.h>

#include "base/slice.h"

/* clang-format off */
#define CERTIFICATES(X) \
  X(CERTIFICATE_GOOD,       "good",       "for localhost, 127.0.0.1 and ::1, by the authority of ca.pem") \
  X(CERTIFICATE_UNTRUSTED,  "untrusted",  "by an unknown authority") \
  X(CERTIFICATE_EXPIRED,    "expired",    "expired yesterday") \
  X(CERTIFICATE_WRONG_NAME, "wrong-name", "for another host")
/* clang-format on */

#define X(id, name, meaning) id,
enum certificate_kind { CERTIFICATES(X) CERTIFICATE_COUNT };
#undef X

bool certificate_kind_find(struct slice name, enum certificate_kind *ret_kind);
const char *certificate_name(enum certificate_kind kind);
const char *certificate_meaning(enum certificate_kind kind);

/*
 * A server certificate and its key in PEM, malloc'ed; wipe the key. The authority is DIRECTORY/ca.pem (0644) and ca.key
 * (0600), made on the first call and kept, so that clients go on trusting; the server's key is made each time
 * and never written. False with errno set, or 0 when OpenSSL failed.
 */
bool certificates_make(const char *directory, enum certificate_kind kind, char **ret_certificate, char **ret_key);

#endif
