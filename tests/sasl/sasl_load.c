/*
 * Many exchanges through libsasl in one process, both sides by the plug-in, while configuration and key set are
 * replaced: for the tools that look for races and leaks.
 *
 *     sasl_load PLUGIN THREADS EXCHANGES MS      EXCHANGES by each thread, new files every MS milliseconds
 */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/support/sasl_site.h"

#define THREADS_MAX 64
#define NONSENSE    "n,,\1auth=Bearer\1\1"

static struct site site;
static struct host host;
static atomic_uint failures;
static atomic_bool is_over;

/* The kinds of exchanges, one after the other. */
static const struct {
    const char *mechanism;
    bool initially, is_good, is_nonsense;
    const char *user;
    int code;
} kinds[] = {
    { "OAUTHBEARER", true, true, false, NULL, SASL_OK },
    { "XOAUTH2", true, true, false, SITE_USER, SASL_OK },
    { "OAUTHBEARER", false, true, false, "bin", SASL_OK },
    { "OAUTHBEARER", true, true, false, "root", SASL_NOAUTHZ },
    { "OAUTHBEARER", true, false, false, NULL, SASL_BADAUTH },
    { "XOAUTH2", false, false, false, SITE_USER, SASL_BADAUTH },
    { "OAUTHBEARER", true, true, true, NULL, SASL_BADPROT },
};

/* Later by so much that no file has changed just now. Else each exchange would read the files again, and no two threads
 * would share a key set and what its keys have seen. */
__attribute__((visibility("default"))) time_t time(time_t *ret)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret != NULL)
        *ret = now.tv_sec + 10;
    return now.tv_sec + 10;
}

static void *make_mutex(void)
{
    pthread_mutex_t *mutex = malloc(sizeof *mutex);

    if (mutex != NULL)
        pthread_mutex_init(mutex, NULL);
    return mutex;
}

static int lock_mutex(void *mutex)
{
    return pthread_mutex_lock(mutex) == 0 ? SASL_OK : SASL_FAIL;
}

static int unlock_mutex(void *mutex)
{
    return pthread_mutex_unlock(mutex) == 0 ? SASL_OK : SASL_FAIL;
}

static void free_mutex(void *mutex)
{
    if (mutex != NULL)
        pthread_mutex_destroy(mutex);
    free(mutex);
}

/* A line must be there, and nobody reads it. */
static int drop_line(void *context, int level, const char *message)
{
    (void)context, (void)level;
    return message != NULL ? SASL_OK : SASL_FAIL;
}

/* Without a policy of the host libsasl lets nobody act as another. */
static int allow(sasl_conn_t *conn, void *context, const char *user, unsigned user_len, const char *authcid,
                 unsigned authcid_len, const char *realm, unsigned realm_len, struct propctx *properties)
{
    (void)conn, (void)context, (void)realm, (void)realm_len, (void)properties;
    return user_len > 0 && user != NULL && authcid_len > 0 && authcid != NULL ? SASL_OK : SASL_NOAUTHZ;
}

static int tell_user(void *context, int id, const char **name, unsigned *len)
{
    (void)id;
    *name = context;
    *len = (unsigned)strlen(*name);
    return SASL_OK;
}

static int tell_token(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret)
{
    (void)conn, (void)id;
    *secret = context;
    return SASL_OK;
}

static sasl_secret_t *secret_of(const char *token)
{
    sasl_secret_t *secret = malloc(sizeof *secret + strlen(token));

    if (secret == NULL)
        site_die("memory");
    secret->len = strlen(token);
    memcpy(secret->data, token, secret->len);
    return secret;
}

/* The code of the server. */
static int talk(sasl_conn_t *client, sasl_conn_t *server, size_t kind)
{
    const char *from_client = NULL, *from_server = NULL, *chosen;
    unsigned client_len = 0, server_len = 0;
    const bool initially = kinds[kind].initially;
    int client_code = sasl_client_start(client, kinds[kind].mechanism, NULL, initially ? &from_client : NULL,
                                        initially ? &client_len : NULL, &chosen);
    int code;

    if (client_code != SASL_OK && client_code != SASL_CONTINUE)
        return client_code;
    if (kinds[kind].is_nonsense) {
        from_client = NONSENSE;
        client_len = sizeof NONSENSE - 1;
    }
    code = sasl_server_start(server, kinds[kind].mechanism, from_client, client_len, &from_server, &server_len);
    while (code == SASL_CONTINUE) {
        client_code = sasl_client_step(client, from_server != NULL ? from_server : "", server_len, NULL, &from_client,
                                       &client_len);
        if (client_code != SASL_OK && client_code != SASL_CONTINUE)
            return client_code;
        code = sasl_server_step(server, from_client, client_len, &from_server, &server_len);
    }
    return code;
}

static int exchange(size_t kind, sasl_secret_t *secret)
{
    static const char *const groups[] = { "latchkeyGroups", "*latchkeyGroups", NULL };
    const sasl_callback_t calls[] = {
        { SASL_CB_USER, HOST_CALL(tell_user), (void *)(kinds[kind].user != NULL ? kinds[kind].user : "") },
        { SASL_CB_PASS, HOST_CALL(tell_token), secret },
        { SASL_CB_LIST_END, NULL, NULL },
    };
    sasl_conn_t *client = NULL, *server = NULL;
    int code = sasl_server_new("imap", "mail.example.com", NULL, "192.0.2.1;143", "192.0.2.7;50122", NULL, 0, &server);

    if (code == SASL_OK)
        code = sasl_client_new("imap", "mail.example.com", NULL, NULL, calls, 0, &client);
    if (code == SASL_OK)
        code = sasl_auxprop_request(server, (const char **)groups);
    if (code == SASL_OK)
        code = talk(client, server, kind);
    sasl_dispose(&client);
    sasl_dispose(&server);
    return code;
}

static void *exchange_often(void *context)
{
    const size_t count = *(const size_t *)context;
    sasl_secret_t *good = secret_of(site.good), *expired = secret_of(site.expired);
    size_t i;

    for (i = 0; i < count; i++) {
        const size_t kind = i % (sizeof kinds / sizeof kinds[0]);
        int code = exchange(kind, kinds[kind].is_good ? good : expired);

        if (code != kinds[kind].code && atomic_fetch_add(&failures, 1) < 10)
            fprintf(stderr, "kind %zu: %d (%s)\n", kind, code, sasl_errstring(code, NULL, NULL));
    }
    free(good);
    free(expired);
    return NULL;
}

static void *replace_often(void *context)
{
    const long pause_ms = *(const long *)context;
    const struct timespec tick = { .tv_nsec = 1000000 };
    unsigned version;
    long waited;

    for (version = 1; !atomic_load(&is_over); version++) {
        site_replace(&site, version);
        for (waited = 0; waited < pause_ms && !atomic_load(&is_over); waited++)
            nanosleep(&tick, NULL);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const sasl_callback_t calls[] = {
        { SASL_CB_GETOPT, HOST_CALL(host_getopt), &host },
        { SASL_CB_GETPATH, HOST_CALL(host_getpath), &host },
        { SASL_CB_LOG, HOST_CALL(drop_line), NULL },
        { SASL_CB_PROXY_POLICY, HOST_CALL(allow), NULL },
        { SASL_CB_LIST_END, NULL, NULL },
    };
    pthread_t threads[THREADS_MAX], replacer;
    size_t count, exchanges, i;
    long pause_ms;

    count = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
    exchanges = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;
    pause_ms = argc == 5 ? strtol(argv[4], NULL, 10) : 0;
    if (count == 0 || count > THREADS_MAX || exchanges == 0 || pause_ms <= 0) {
        fprintf(stderr, "usage: sasl_load PLUGIN THREADS EXCHANGES MS\n");
        return 2;
    }
    unsetenv("LATCHKEY_TOKEN_FILE");
    site_make(&site, "RS256", argv[1]);
    host.plugins = site.plugins;
    host_set(&host, "latchkey_config", site.config);
    sasl_set_mutex(make_mutex, lock_mutex, unlock_mutex, free_mutex);
    if (sasl_server_init(calls, "latchkey-load") != SASL_OK || sasl_client_init(calls) != SASL_OK)
        site_die("libsasl");
    pthread_create(&replacer, NULL, replace_often, &pause_ms);
    for (i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, exchange_often, &exchanges);
    for (i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&is_over, true);
    pthread_join(replacer, NULL);
    sasl_done();
    site_remove(&site);
    printf("%zu exchanges by %zu threads, %u with another result than they should have\n", count * exchanges, count,
           atomic_load(&failures));
    return atomic_load(&failures) == 0 ? 0 : 1;
}
