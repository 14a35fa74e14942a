/*
 * The running service: its options, and the state that all requests share.
 *
 * One lock guards the state, the faults and the counters, and is held while an endpoint works out its reply. That takes
 * no longer than a signature or an fsync, or making a key where one is asked for. What takes time on purpose, a fault,
 * happens outside of it while the reply is delivered, so a slow reply delays no other.
 */
#ifndef LATCHKEY_TENANTD_SERVICE_H
#define LATCHKEY_TENANTD_SERVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "devel/tenantd/endpoints.h"
#include "devel/tenantd/faults.h"
#include "devel/tenantd/state.h"

#define URL_SIZE 512 /* bytes with the NUL */

struct settings {
    int64_t access_lifetime;   /* s */
    int64_t exchange_lifetime; /* s */
    int64_t refresh_lifetime;  /* s */
    bool omit_issuer;          /* the tenant service may leave out these two claims */
    bool omit_audience;
};

/* What was asked up to now. */
struct counters {
    uint64_t connections; /* TCP */
    uint64_t sessions;    /* connections over which at least one request came, so TLS was agreed on */
    uint64_t requests[ENDPOINT_COUNT];
    struct json *last[ENDPOINT_COUNT]; /* method, status, query, headers, body; NULL: none yet */
};

#define CODES_MAX         64  /* authorization codes that wait; the oldest gives way */
#define REDIRECT_URI_SIZE 256 /* bytes with the NUL */
#define NONCE_SIZE        256 /* bytes with the NUL */

/* The grant of an authorization code (RFC 6749 §4.1, RFC 7636). It is not kept across a restart. */
struct authorization_code {
    char code[SECRET_SIZE]; /* empty: none */
    char user_id[UUID_SIZE];
    char redirect_uri[REDIRECT_URI_SIZE];
    char challenge[DIGEST_SIZE];
    char nonce[NONCE_SIZE]; /* empty: none */
    int64_t expires;        /* s since 1970 */
};

struct service {
    pthread_mutex_t lock;
    struct settings settings;
    int64_t started;       /* s since 1970 */
    char base[URL_SIZE];   /* {url}/tenant/{tenant} */
    char issuer[URL_SIZE]; /* BASE/v2.0/Auth */
    struct state *state;
    struct authorization_code codes[CODES_MAX];
    size_t next_code; /* the place of the next one, and of the oldest */
    struct faults faults;
    struct counters counters;
};

#endif
