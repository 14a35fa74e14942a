/*
 * What an authentication costs a server that uses libsasl, beside the bare check of the same token's signature and
 * beside SCRAM and PLAIN with sasldb. A new token is one that the server has not seen before, or so long ago that it
 * has forgotten it (token/seen.h).
 *
 *   bench_sasl PLUGIN FOLDERS SASLDB USER PASSWORD
 *       PLUGIN: liblatchkey.so; FOLDERS: where the other plug-ins are; USER with PASSWORD stands in SASLDB
 *
 * Only the server's calls are timed: a new connection, the exchange, and its end.
 */
#include <pthread.h>
#include <stdatomic.h>

#include <openssl/evp.h>

#include "base/base64url.h"
#include "token/jwks.h"
#include "token/jwt.h"
#include "config/snapshot.h"
#include "tests/support/sasl_site.h"
#include "tests/bench/bench.h"

#define ROUNDS       100
#define MILLISECONDS 500 /* of one measurement of throughput */
#define TRIES        9
#define TOKENS       (4 * SEEN_MAX + 1)

static struct site site;
static struct host host;
static const char *user, *password;
static char folders[4096];

static void die(const char *what)
{
    fprintf(stderr, "bench_sasl: %s\n", what);
    exit(1);
}

/* The best that libcrypto offers: everything fetched and made once. */
static struct {
    EVP_PKEY_CTX *key;
    EVP_MD *digest;
    struct slice input;
    unsigned char signature[512];
    size_t signature_len;
} raw;

static void raw_prepare(struct slice token)
{
    const struct config *config;
    struct verdict verdict = VERDICT_INIT;
    struct slice header, payload, rest, encoded;
    const struct jwk *key;
    struct jwt *jwt;

    if (!config_acquire(&verdict, site.config, &config) || !jwt_parse(&verdict, token, &jwt)
        || !jwks_find(&verdict, config->tenants[0].jwks, algorithm_find(slice_of("RS256")), jwt_header(jwt), &key)
        || !slice_cut(token, '.', &header, &rest) || !slice_cut(rest, '.', &payload, &encoded)
        || !base64url_decode(encoded, (char *)raw.signature, &raw.signature_len))
        die("the token");
    raw.input = (struct slice){ token.bytes, header.len + 1 + payload.len };
    raw.digest = EVP_MD_fetch(NULL, "SHA256", NULL);
    raw.key = EVP_PKEY_CTX_new(jwk_public_key(key), NULL);
    if (EVP_PKEY_verify_init(raw.key) != 1 || EVP_PKEY_CTX_set_signature_md(raw.key, raw.digest) != 1)
        die("EVP_PKEY_verify_init");
    jwt_free(&jwt);
}

static void raw_verify_with(EVP_PKEY_CTX *key)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned hash_len = sizeof hash;

    if (EVP_Digest(raw.input.bytes, raw.input.len, hash, &hash_len, raw.digest, NULL) != 1
        || EVP_PKEY_verify(key, raw.signature, raw.signature_len, hash, hash_len) != 1)
        die("the bare verification");
}

static double raw_verify(void)
{
    const double start = bench_now_us();

    raw_verify_with(raw.key);
    return bench_now_us() - start;
}

/* What an exchange does beside the signature so that a change holds from the next one on: twice it looks whether the
 * files are as they were, and once whether there is such an account. */
static double look_at_files(void)
{
    const double start = bench_now_us();
    struct verdict verdict = VERDICT_INIT;
    const struct config *config;

    if (!config_acquire(&verdict, site.config, &config))
        die("the configuration");
    config_release(&config);
    return bench_now_us() - start;
}

static double look_up_account(void)
{
    static const struct identity identity = { .user = SITE_USER };
    const double start = bench_now_us();
    struct verdict verdict = VERDICT_INIT;

    if (!identity_check_account(&verdict, &identity))
        die("the account");
    return bench_now_us() - start;
}

static sasl_conn_t *connect_one(void)
{
    sasl_conn_t *server = NULL;

    if (sasl_server_new("imap", "mail.example.com", NULL, NULL, NULL, NULL, 0, &server) != SASL_OK)
        die("sasl_server_new");
    return server;
}

static double connect_only(void)
{
    const double start = bench_now_us();
    sasl_conn_t *server = connect_one();

    sasl_dispose(&server);
    return bench_now_us() - start;
}

/* A mechanism of one message. */
static double send_one(const char *mechanism, const char *message, size_t len)
{
    const double start = bench_now_us();
    sasl_conn_t *server = connect_one();
    const char *out;
    unsigned out_len;

    if (sasl_server_start(server, mechanism, message, (unsigned)len, &out, &out_len) != SASL_OK)
        die(sasl_errdetail(server));
    sasl_dispose(&server);
    return bench_now_us() - start;
}

/* First messages, each with another token: so many that each is forgotten when its turn comes again. */
struct messages {
    const char *mechanism;
    char *texts[TOKENS];
    atomic_uint turn;
};

static struct messages rs256 = { .mechanism = "OAUTHBEARER" }, es256 = { .mechanism = "OAUTHBEARER" };
static struct messages xoauth2 = { .mechanism = "XOAUTH2" };
static char *plain;
static size_t plain_len;

static void make_messages(struct messages *messages, const struct signer *signer, const char *alg, const char *kid)
{
    const char *authzid = strcmp(messages->mechanism, "XOAUTH2") == 0 ? SITE_USER : NULL;
    unsigned i;

    for (i = 0; i < TOKENS; i++) {
        char *token = site_token_by(signer, alg, kid, 3600, i);

        messages->texts[i] = host_message(messages->mechanism, authzid, token);
        free(token);
    }
}

static void free_messages(struct messages *messages)
{
    size_t i;

    for (i = 0; i < TOKENS; i++)
        free(messages->texts[i]);
}

static double send_new(struct messages *messages)
{
    const char *text = messages->texts[1 + atomic_fetch_add(&messages->turn, 1) % (TOKENS - 1)];

    return send_one(messages->mechanism, text, strlen(text));
}

static double send_again(const struct messages *messages)
{
    return send_one(messages->mechanism, messages->texts[0], strlen(messages->texts[0]));
}

static double do_rs256_new(void)
{
    return send_new(&rs256);
}

static double do_rs256_again(void)
{
    return send_again(&rs256);
}

static double do_es256_new(void)
{
    return send_new(&es256);
}

static double do_es256_again(void)
{
    return send_again(&es256);
}

static double do_xoauth2(void)
{
    return send_new(&xoauth2);
}

static double do_plain(void)
{
    return send_one("PLAIN", plain, plain_len);
}

static int tell_name(void *context, int id, const char **name, unsigned *len)
{
    (void)context, (void)id;
    *name = user;
    if (len != NULL)
        *len = (unsigned)strlen(user);
    return SASL_OK;
}

static int tell_password(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret)
{
    (void)conn, (void)id;
    *secret = context;
    return SASL_OK;
}

/* Several messages: those of libsasl's client, whose time does not count. */
static double do_scram(void)
{
    static sasl_secret_t *secret;
    static const sasl_callback_t *calls;
    sasl_conn_t *client = NULL, *server;
    const char *from_client, *from_server, *chosen;
    unsigned client_len, server_len;
    double spent, start;
    int code;

    if (secret == NULL) {
        static sasl_callback_t known[4];

        secret = calloc(1, sizeof *secret + strlen(password));
        secret->len = strlen(password);
        memcpy(secret->data, password, secret->len);
        known[0] = (sasl_callback_t){ SASL_CB_AUTHNAME, HOST_CALL(tell_name), NULL };
        known[1] = (sasl_callback_t){ SASL_CB_USER, HOST_CALL(tell_name), NULL };
        known[2] = (sasl_callback_t){ SASL_CB_PASS, HOST_CALL(tell_password), secret };
        calls = known;
    }
    if (sasl_client_new("imap", "mail.example.com", NULL, NULL, calls, 0, &client) != SASL_OK
        || sasl_client_start(client, "SCRAM-SHA-256", NULL, &from_client, &client_len, &chosen) != SASL_CONTINUE)
        die("the client of SCRAM");
    start = bench_now_us();
    server = connect_one();
    code = sasl_server_start(server, "SCRAM-SHA-256", from_client, client_len, &from_server, &server_len);
    spent = bench_now_us() - start;
    while (code == SASL_CONTINUE) {
        if (sasl_client_step(client, from_server, server_len, NULL, &from_client, &client_len) < 0)
            die("the client of SCRAM");
        start = bench_now_us();
        code = sasl_server_step(server, from_client, client_len, &from_server, &server_len);
        spent += bench_now_us() - start;
    }
    if (code != SASL_OK)
        die(sasl_errdetail(server));
    start = bench_now_us();
    sasl_dispose(&server);
    spent += bench_now_us() - start;
    sasl_dispose(&client);
    return spent;
}

/* libsasl asks somebody about every user. sasldb is for the mechanisms that need it; for the others, one who knows
 * nobody, so that they are not charged for its file. */
static int know_nobody(void *context, sasl_server_params_t *params, unsigned flags, const char *name, unsigned len)
{
    (void)context, (void)params, (void)flags, (void)name, (void)len;
    return SASL_NOUSER;
}

static int add_nobody(const sasl_utils_t *utils, int max_version, int *version, sasl_auxprop_plug_t **ret,
                      const char *name)
{
    static char own_name[] = "nothing";
    static sasl_auxprop_plug_t plug = { .auxprop_lookup = know_nobody, .name = own_name };

    (void)utils, (void)max_version, (void)name;
    *version = SASL_AUXPROP_PLUG_VERSION;
    *ret = &plug;
    return SASL_OK;
}

static struct {
    const char *name;
    double (*run)(void);
    int repeat;
    const char *auxprop; /* who tells libsasl about the user */
    struct bench_row row;
} rows[] = {
    { "the signature alone", raw_verify, 50, "nothing", { .rounds = 0 } },
    { "OAUTHBEARER, RS256, new", do_rs256_new, 50, "nothing", { .rounds = 0 } },
    { "OAUTHBEARER, RS256, seen", do_rs256_again, 50, "nothing", { .rounds = 0 } },
    { "OAUTHBEARER, ES256, new", do_es256_new, 50, "nothing", { .rounds = 0 } },
    { "OAUTHBEARER, ES256, seen", do_es256_again, 50, "nothing", { .rounds = 0 } },
    { "XOAUTH2, RS256, new", do_xoauth2, 50, "nothing", { .rounds = 0 } },
    { "  a look at the files", look_at_files, 50, "nothing", { .rounds = 0 } },
    { "  a look-up of the account", look_up_account, 50, "nothing", { .rounds = 0 } },
    { "a connection without exchange", connect_only, 50, "nothing", { .rounds = 0 } },
    { "PLAIN, sasldb", do_plain, 10, "sasldb", { .rounds = 0 } },
    { "SCRAM-SHA-256, sasldb", do_scram, 1, "sasldb", { .rounds = 0 } },
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void compare_seen(const char *alg, struct bench_row *new, struct bench_row *again, double limit)
{
    printf("  %s: a token seen before costs %.2f x a new one (aim: at most %.2f)\n", alg,
           bench_median(again) / bench_median(new), limit);
}

static void compare(void)
{
    double bare, us;
    size_t i;
    int round, n;

    for (round = 0; round < ROUNDS; round++)
        for (i = 0; i < COUNT(rows); i++) {
            double sum = 0;

            host_set(&host, "auxprop_plugin", rows[i].auxprop);
            for (n = 0; n < rows[i].repeat; n++)
                sum += rows[i].run();
            bench_add(&rows[i].row, sum / rows[i].repeat);
        }
    bare = bench_median(&rows[0].row);
    for (i = 0; i < COUNT(rows); i++) {
        us = bench_median(&rows[i].row);
        printf("  %-30s %9.2f  %7.2f\n", rows[i].name, us, us / bare);
    }
    compare_seen("RS256", &rows[1].row, &rows[2].row, 0.75);
    compare_seen("ES256", &rows[3].row, &rows[4].row, 0.50);
}

static atomic_bool is_over;

/* What a thread does: exchanges, or bare verifications with a context of its own, which show what the machine has. */
static const struct work {
    const char *name;
    double (*run)(void); /* NULL: bare verifications */
    const char *aim;
} works[] = {
    { "exchanges", do_rs256_new, " (aim: at least 1.8)" },
    { "exchanges with one token", do_rs256_again, "" },
    { "bare verifications", NULL, ", all that the machine has" },
};

struct worker {
    const struct work *work;
    unsigned long count;
};

static void *work_until_over(void *context)
{
    struct worker *worker = context;
    EVP_PKEY_CTX *own = EVP_PKEY_CTX_dup(raw.key);

    while (!atomic_load(&is_over)) {
        if (worker->work->run == NULL)
            raw_verify_with(own);
        else
            worker->work->run();
        worker->count++;
    }
    EVP_PKEY_CTX_free(own);
    return NULL;
}

/* A second. */
static double throughput(const struct work *work, size_t thread_count)
{
    const struct timespec pause = { .tv_nsec = MILLISECONDS * 1000000L };
    struct worker workers[2] = { { work, 0 }, { work, 0 } };
    const double start = bench_now_us();
    pthread_t threads[2];
    size_t i;

    atomic_store(&is_over, false);
    for (i = 0; i < thread_count; i++)
        pthread_create(&threads[i], NULL, work_until_over, &workers[i]);
    nanosleep(&pause, NULL);
    atomic_store(&is_over, true);
    for (i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    return (double)(workers[0].count + workers[1].count) * 1e6 / (bench_now_us() - start);
}

static void compare_threads(void)
{
    static struct bench_row measured[COUNT(works)][2];
    size_t i, count;
    int try;

    for (try = 0; try < TRIES; try++)
        for (i = 0; i < COUNT(works); i++)
            for (count = 1; count <= 2; count++)
                bench_add(&measured[i][count - 1], throughput(&works[i], count));
    for (i = 0; i < COUNT(works); i++) {
        double one = bench_median(&measured[i][0]), two = bench_median(&measured[i][1]);

        printf("  %s a second: %.0f by one thread, %.0f by two: %.2f x%s\n", works[i].name, one, two, two / one,
               works[i].aim);
    }
}

int main(int argc, char **argv)
{
    const sasl_callback_t calls[] = {
        { SASL_CB_GETOPT, HOST_CALL(host_getopt), &host },
        { SASL_CB_GETPATH, HOST_CALL(host_getpath), &host },
        { SASL_CB_LIST_END, NULL, NULL },
    };
    const struct timespec settling = { .tv_sec = 3 };

    if (argc != 6)
        die("see the head of bench_sasl.c");
    user = argv[4];
    password = argv[5];
    unsetenv("LATCHKEY_TOKEN_FILE");
    site_make(&site, "RS256", argv[1]);
    snprintf(folders, sizeof folders, "%s:%s", site.plugins, argv[2]);
    host.plugins = folders;
    host_set(&host, "latchkey_config", site.config);
    host_set(&host, "sasldb_path", argv[3]);
    host_set(&host, "pwcheck_method", "auxprop");
    signer_free(&site.other_key);
    site.other_key = signer_generate("ES256", 0);
    site_replace(&site, 0);
    make_messages(&rs256, site.key, "RS256", "one");
    make_messages(&es256, site.other_key, "ES256", "other");
    make_messages(&xoauth2, site.key, "RS256", "one");
    plain_len = 2 + strlen(user) + strlen(password);
    plain = calloc(1, plain_len + 1);
    memcpy(plain + 1, user, strlen(user));
    memcpy(plain + 2 + strlen(user), password, strlen(password));
    if (sasl_server_init(calls, "latchkey-bench") != SASL_OK || sasl_client_init(calls) != SASL_OK)
        die("libsasl");
    if (sasl_auxprop_add_plugin("nothing", add_nobody) != SASL_OK)
        die("sasl_auxprop_add_plugin");
    nanosleep(&settling, NULL); /* files that have just changed are read again and again */
    raw_prepare(slice_of(site.good));
    printf("An authentication through libsasl, microseconds (medians of %d interleaved rounds; aim: at most 1.50 x)\n",
           ROUNDS);
    printf("  %-30s %9s  %7s\n", "", "us", "ratio");
    compare();
    compare_threads();
    sasl_done();
    site_remove(&site);
    free_messages(&rs256);
    free_messages(&es256);
    free_messages(&xoauth2);
    return 0;
}
