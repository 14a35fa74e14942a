/*
 * One attempt to log in: the account that is asked for, the service, and the client's host. Every door fills it in
 * once; the decision (login/) and the log line (log_line.h) read it.
 */
#ifndef LATCHKEY_ATTEMPT_H
#define LATCHKEY_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

/* Borrowed C strings; each may be NULL. */
struct attempt {
    const char *service; /* its rules hold; NULL: those of "*" */
    const char *user;    /* the account that the host asks for; NULL: the mapping names it */
    const char *rhost;   /* the client's host; only logged */
    /* SASL: the name that the client asks to act as, perhaps with a realm behind an @; NULL: the user itself. With
     * `user` NULL it also selects among several accounts of one subject, and names the account of an API key. */
    const char *authzid;
    bool
        is_directory; /* the host is an LDAP server: an authzid "dn:…" is a name of the directory (RFC 4513 §5.2.1.8) */
    int64_t now;      /* s since 1970 */
};

#endif
