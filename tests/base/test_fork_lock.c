#include "tests/support/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include <openssl/crypto.h>

#include "base/cleanup.h"
#include "base/fork_lock.h"
#include "base/pattern.h"
#include "base/secret.h"
#include "token/signature.h"

#define FEW      20  /* forks, each of which would meet a thread that is inside */
#define MANY     400 /* forks: one in some hundred would meet a lock that is held */
#define HANGS_AT 20  /* s: what a child does takes milliseconds */
#define NOW      1000000
#define KEYS     24 /* of the set */

static atomic_bool is_over;

/* 0, or how the child ended. Its work is done in a process that has only the thread that forked. */
static int status_of_child(int (*work)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        alarm(HANGS_AT);
        _exit(work());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void start(pthread_t *threads, size_t count, void *(*work)(void *))
{
    size_t i;

    atomic_store(&is_over, false);
    for (i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
}

static void join(pthread_t *threads, size_t count)
{
    size_t i;

    atomic_store(&is_over, true);
    for (i = 0; i < count; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static atomic_int inside;

static void *be_inside_until_over(void *unused)
{
    while (!atomic_load(&is_over)) {
        fork_lock_enter();
        atomic_fetch_add(&inside, 1);
        nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
        atomic_fetch_sub(&inside, 1);
        fork_lock_leave();
    }
    return unused;
}

static int enter_alone(void)
{
    const int found = atomic_load(&inside);

    fork_lock_enter();
    fork_lock_leave();
    return found;
}

/* The threads are inside one after the other without a gap, which must not keep the fork waiting for ever either. */
static void rule_31_a_fork_waits_until_no_thread_is_inside(void **state)
{
    pthread_t threads[6];
    int n;

    (void)state;
    start(threads, COUNT(threads), be_inside_until_over);
    for (n = 0; n < FEW; n++)
        assert_int_equal(status_of_child(enter_alone), 0);
    join(threads, COUNT(threads));
}

static int fork_again(void)
{
    int status;
    pid_t child;

    fork_lock_enter();
    fork_lock_leave();
    child = fork();
    if (child == 0) {
        fork_lock_enter();
        fork_lock_leave();
        _exit(0);
    }
    return child < 0 || waitpid(child, &status, 0) != child || status != 0;
}

static void rule_31_a_child_forks_again(void **state)
{
    pthread_t threads[2];
    int n;

    (void)state;
    start(threads, COUNT(threads), be_inside_until_over);
    for (n = 0; n < 20; n++)
        assert_int_equal(status_of_child(fork_again), 0);
    join(threads, COUNT(threads));
}

/* As a handler of a signal does that interrupts a verification. */
static void rule_31_the_only_thread_of_a_process_may_fork_inside(void **state)
{
    int status;
    pid_t child;

    (void)state;
    child = fork(); /* of this child, which has no other thread and never had one */
    assert_true(child >= 0);
    if (child == 0) {
        pid_t grandchild;

        alarm(HANGS_AT);
        fork_lock_enter();
        grandchild = fork();
        fork_lock_leave();
        fork_lock_enter();
        fork_lock_leave();
        if (grandchild == 0)
            _exit(0);
        _exit(grandchild < 0 || waitpid(grandchild, &status, 0) != grandchild || status != 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static struct {
    char *key_set, *good, *forged;
    struct pattern pattern;
} site;

static bool verifies(const struct jwks *jwks, const char *token)
{
    struct verdict verdict = VERDICT_INIT;
    CLEANUP(jwt_free) struct jwt *jwt = NULL;
    const struct algorithm *algorithm;
    const struct jwk *key;
    const struct json *payload;

    if (!jwt_parse(&verdict, slice_of(token), &jwt))
        return false;
    algorithm = algorithm_find(jwt_header(jwt)->alg);
    return jwks_find(&verdict, jwks, algorithm, jwt_header(jwt), &key)
        && signature_verify(&verdict, jwt, algorithm, key, &payload);
}

static void make_site(void)
{
    static const char header[] = "{\"alg\":\"EdDSA\",\"kid\":\"0\"}", claims[] = "{}";
    struct json *keys[KEYS];
    size_t i;

    for (i = 0; i < COUNT(keys); i++) {
        struct signer *signer = signer_generate(i % 4 == 3 ? "ES256" : "EdDSA", 0);
        char kid[16];

        snprintf(kid, sizeof kid, "%zu", i);
        keys[i] = signer_jwk(signer, kid, NULL);
        if (i == 0)
            site.good = signer_token(signer, "EdDSA", slice_of(header), slice_of(claims));
        if (i == 1)
            site.forged = signer_token(signer, "EdDSA", slice_of(header), slice_of(claims));
        signer_free(&signer);
    }
    site.key_set = key_set_of(keys, COUNT(keys));
    assert_int_equal(pattern_compile("^(([a-z]+[.]?)+)@corp$", &site.pattern), 0);
}

static int make_site_once(void **state)
{
    (void)state;
    make_site();
    return 0;
}

static int drop_site(void **state)
{
    (void)state;
    free(site.key_set);
    free(site.good);
    free(site.forged);
    pattern_free(&site.pattern);
    return 0;
}

static atomic_bool is_watched;
static atomic_int in_openssl;

/* OpenSSL is at work whenever it asks for memory or gives it back: stay there for a while. */
static void note_openssl(void)
{
    if (!atomic_load(&is_watched))
        return;
    atomic_fetch_add(&in_openssl, 1);
    nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
    atomic_fetch_sub(&in_openssl, 1);
}

static void *allocate(size_t len, const char *file, int line)
{
    (void)file, (void)line;
    note_openssl();
    return malloc(len);
}

static void *reallocate(void *bytes, size_t len, const char *file, int line)
{
    (void)file, (void)line;
    note_openssl();
    return realloc(bytes, len);
}

static void release(void *bytes, const char *file, int line)
{
    (void)file, (void)line;
    note_openssl();
    free(bytes);
}

static struct jwks *parse(void)
{
    struct verdict verdict = VERDICT_INIT;
    struct jwks *jwks = NULL;

    if (!jwks_parse(&verdict, slice_of(site.key_set), &jwks))
        abort();
    return jwks;
}

/* Each with the part of OpenSSL that it is about watched, and the other parts not. */

static void parse_watched(void)
{
    struct jwks *jwks;

    atomic_store(&is_watched, true);
    jwks = parse();
    atomic_store(&is_watched, false);
    jwks_free(&jwks);
}

static void free_watched(void)
{
    struct jwks *jwks = parse();

    atomic_store(&is_watched, true);
    jwks_free(&jwks);
    atomic_store(&is_watched, false);
}

static void verify_watched(void)
{
    struct jwks *jwks = parse();

    atomic_store(&is_watched, true);
    if (!verifies(jwks, site.good))
        abort();
    atomic_store(&is_watched, false);
    jwks_free(&jwks);
}

static void hash_watched(void)
{
    static const unsigned char key[SECRET_HASH_LEN] = { 1 };
    unsigned char hash[SECRET_HASH_LEN];

    atomic_store(&is_watched, true);
    if (!secret_keyed_hash(key, LITERAL("x"), hash))
        abort();
    atomic_store(&is_watched, false);
}

static void (*watched)(void);

static void *work_watched(void *unused)
{
    while (!atomic_load(&is_over))
        watched();
    return unused;
}

static int count_in_openssl(void)
{
    return atomic_load(&in_openssl);
}

static void rule_31_no_fork_meets_a_thread_in_openssl(void **state)
{
    static const struct {
        const char *name;
        void (*work)(void);
    } rows[] = {
        { "reading a key set", parse_watched },
        { "freeing it", free_watched },
        { "verifying a signature", verify_watched },
        { "hashing a secret", hash_watched },
    };
    pthread_t thread;
    size_t i;
    int n, found;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        ROW(rows[i].name);
        watched = rows[i].work;
        start(&thread, 1, work_watched);
        for (n = 0, found = 0; n < FEW && found == 0; n++)
            found = status_of_child(count_in_openssl);
        join(&thread, 1);
        assert_int_equal(found, 0);
    }
}

#if !defined __SANITIZE_ADDRESS__ /* whose allocator may be locked for ever in such a child */
/* Everything that the lock is for. */
static bool judges_right(void)
{
    static const unsigned char key[SECRET_HASH_LEN] = { 1 };
    CLEANUP(jwks_free) struct jwks *jwks = NULL;
    struct verdict verdict = VERDICT_INIT;
    unsigned char hash[SECRET_HASH_LEN];
    struct slice capture;
    bool matches;

    if (!jwks_parse(&verdict, slice_of(site.key_set), &jwks) || !verifies(jwks, site.good)
        || verifies(jwks, site.forged))
        return false;
    return secret_keyed_hash(key, LITERAL("x"), hash)
        && pattern_match(&site.pattern, LITERAL("alice.example@corp"), &matches, &capture) && matches;
}

static void *judge_until_over(void *unused)
{
    while (!atomic_load(&is_over))
        if (!judges_right())
            abort();
    return unused;
}

static int judge_alone(void)
{
    return judges_right() ? 0 : 1;
}

/* OpenSSL guards what all keys share by locks, and regexec() a pattern: in a child in which another thread's lock was
 * copied it would never be unlocked. */
static void rule_31_a_child_of_a_host_whose_threads_verify_does_not_hang(void **state)
{
    pthread_t threads[4];
    int n;

    (void)state;
    assert_true(judges_right());
    start(threads, COUNT(threads), judge_until_over);
    for (n = 0; n < MANY; n++)
        assert_int_equal(status_of_child(judge_alone), 0);
    join(threads, COUNT(threads));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_31_the_only_thread_of_a_process_may_fork_inside),
        cmocka_unit_test(rule_31_a_fork_waits_until_no_thread_is_inside),
        cmocka_unit_test(rule_31_a_child_forks_again),
        cmocka_unit_test(rule_31_no_fork_meets_a_thread_in_openssl),
#if !defined __SANITIZE_ADDRESS__
        cmocka_unit_test(rule_31_a_child_of_a_host_whose_threads_verify_does_not_hang),
#endif
    };

    if (CRYPTO_set_mem_functions(allocate, reallocate, release) != 1)
        return 1;
    return cmocka_run_group_tests(tests, make_site_once, drop_site);
}
