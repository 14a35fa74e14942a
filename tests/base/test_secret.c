#include "tests/support/unit.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/secret.h"

/* In place of libcrypto's, so that a test sees what is wiped, and that it happens before free(). */
static struct {
    void *bytes;
    size_t len;
    char before[16];
    unsigned calls;
} wiped;

void OPENSSL_cleanse(void *ptr, size_t len)
{
    wiped.bytes = ptr;
    wiped.len = len;
    memcpy(wiped.before, ptr, len < sizeof wiped.before ? len : sizeof wiped.before);
    wiped.calls++;
    explicit_bzero(ptr, len);
}

/* Too much memory gives NULL, as malloc() does, and not the end of the test. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void a_copy_is_owned(void **state)
{
    char bytes[] = "key\0rest";
    struct secret secret = { NULL, 0 };

    (void)state;
    ROW("all bytes are copied, those behind a NUL too");
    assert_true(secret_copy((struct slice){ bytes, 8 }, &secret));
    assert_int_equal(secret.len, 8);
    assert_ptr_not_equal(secret.bytes, bytes);
    memset(bytes, 'x', sizeof bytes);
    assert_memory_equal(secret.bytes, "key\0rest", 8);
    secret_clear(&secret);

    ROW("the empty slice can be copied, with or without bytes");
    assert_true(secret_copy((struct slice){ NULL, 0 }, &secret));
    assert_int_equal(secret.len, 0);
    secret_clear(&secret);
}

#if defined __SANITIZE_ADDRESS__ /* whose mlock() does nothing */
#define MLOCK_LOCKS false
#else
#define MLOCK_LOCKS true
#endif

/* Whether /proc says so of the mapping that holds the address: "lo" is locked, "dd" is in no core file. */
static bool has_flag(const void *address, const char *flag)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[512];
    unsigned long begin = 0, end = 0, wanted = (unsigned long)address;
    bool found = false;

    assert_non_null(maps);
    while (!found && fgets(line, sizeof line, maps) != NULL) {
        sscanf(line, "%lx-%lx ", &begin, &end);
        found = begin <= wanted && wanted < end && strncmp(line, "VmFlags:", 8) == 0 && strstr(line, flag) != NULL;
    }
    fclose(maps);
    return found;
}

static void rule_33_what_lives_long_has_pages_of_its_own(void **state)
{
    struct secret first = { NULL, 0 }, second = { NULL, 0 };

    (void)state;
    assert_true(secret_copy_to_pages(LITERAL("one\0two"), &first));
    assert_int_equal(first.len, 7);
    assert_memory_equal(first.bytes, "one\0two", 7);
    ROW("locked, and in no core file");
    assert_true(has_flag(first.bytes, " dd"));
    assert_true(has_flag(first.bytes, " lo") == MLOCK_LOCKS);
    assert_false(has_flag(&first, " dd"));
    ROW("each its own: the end of one is not that of another");
    assert_true(secret_copy_to_pages(LITERAL("x"), &second));
    secret_clear_pages(&first);
    assert_null(first.bytes);
    assert_int_equal(first.len, 0);
    assert_true(has_flag(second.bytes, " lo") == MLOCK_LOCKS);
    secret_clear_pages(&second);
    secret_clear_pages(&second);
    ROW("nothing needs no pages");
    assert_true(secret_copy_to_pages((struct slice){ NULL, 0 }, &first));
    assert_null(first.bytes);
    secret_clear_pages(&first);
    ROW("more than an address space can hold");
    assert_false(secret_copy_to_pages((struct slice){ "x", PTRDIFF_MAX }, &first));
}

/* In a process that may lock nothing. */
static int copy_without_locks(void)
{
    const struct rlimit none = { 0, 0 };
    struct secret secret = { NULL, 0 };

    if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0))
        return 1;
    errno = 0;
    if (!secret_copy_to_pages(LITERAL("one"), &secret) || errno != 0)
        return 2;
    if (memcmp(secret.bytes, "one", 3) != 0 || has_flag(secret.bytes, " lo"))
        return 3;
    secret_clear_pages(&secret);
    return 0;
}

static void rule_32_a_host_that_may_lock_no_memory_is_served(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    assert_true(child >= 0);
    if (child == 0)
        _exit(copy_without_locks());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void rule_32_a_copy_without_memory_is_refused(void **state)
{
    struct secret secret = { NULL, 7 };

    (void)state;
    ROW("more than an address space can hold");
    assert_false(secret_copy((struct slice){ "x", PTRDIFF_MAX }, &secret));
    ROW("the output is untouched");
    assert_int_equal(secret.len, 7);
}

static void rule_33_a_cleared_secret_is_wiped_by_length(void **state)
{
    struct secret secret = { NULL, 0 };
    char *bytes;

    (void)state;
    assert_true(secret_copy(LITERAL("key\0rest"), &secret));
    bytes = secret.bytes;
    wiped.calls = 0;
    secret_clear(&secret);
    ROW("the bytes behind a NUL too");
    assert_int_equal(wiped.calls, 1);
    assert_ptr_equal(wiped.bytes, bytes);
    assert_int_equal(wiped.len, 8);
    ROW("before they are freed");
    assert_memory_equal(wiped.before, "key\0rest", 8);
    ROW("what is left is the empty secret, which may be cleared again");
    assert_null(secret.bytes);
    assert_int_equal(secret.len, 0);
    secret_clear(&secret);
}

static void rule_33_memory_is_wiped(void **state)
{
    char bytes[] = "0123456789";

    (void)state;
    ROW("as much as was said, and no more");
    secret_wipe(bytes + 2, 5);
    assert_memory_equal(bytes,
                        "01\0\0\0\0\0"
                        "789",
                        11);
    ROW("nothing at NULL");
    secret_wipe(NULL, 0);
}

static const struct {
    const char *name;
    struct slice a, b;
    bool equal;
} cases[] = {
    { "the same bytes", { "secret", 6 }, { "secret", 6 }, true },
    { "another first byte", { "secret", 6 }, { "Secret", 6 }, false },
    { "another last byte", { "secret", 6 }, { "secreT", 6 }, false },
    { "a shorter one", { "secret", 6 }, { "secret", 5 }, false },
    { "what follows a NUL counts", { "k\0a", 3 }, { "k\0b", 3 }, false },
    { "two empty ones", { NULL, 0 }, { "", 0 }, true },
    { "an empty one is not a prefix that fits", { NULL, 0 }, { "x", 1 }, false },
};

static void rule_33_secrets_are_compared(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_int_equal(secret_equal(cases[i].a, cases[i].b), cases[i].equal);
        assert_int_equal(secret_equal(cases[i].b, cases[i].a), cases[i].equal);
    }
}

/*
 * RFC 4231 §4.2 to §4.4, whose keys are shorter than ours: HMAC pads a key with zeros to 64 bytes (RFC 2104 §2), so
 * that the same key with zeros up to 32 bytes is the same key. The last two have a key of exactly 32 bytes, and come
 * from `printf DATA | openssl dgst -sha256 -mac HMAC -macopt key:0123456789abcdef0123456789abcdef`.
 */
static const struct {
    const char *name;
    unsigned char key[SECRET_HASH_LEN];
    struct slice data;
    unsigned char hash[SECRET_HASH_LEN];
} hashes[] = {
    { "RFC 4231, test case 1",
      { 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b,
        0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b },
      { "Hi There", 8 },
      { 0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53, 0x5c, 0xa8, 0xaf, 0xce, 0xaf, 0x0b, 0xf1, 0x2b,
        0x88, 0x1d, 0xc2, 0x00, 0xc9, 0x83, 0x3d, 0xa7, 0x26, 0xe9, 0x37, 0x6c, 0x2e, 0x32, 0xcf, 0xf7 } },
    { "RFC 4231, test case 2",
      "Jefe",
      { "what do ya want for nothing?", 28 },
      { 0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
        0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43 } },
    { "RFC 4231, test case 3",
      { 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
        0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa },
      { "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
        "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd",
        50 },
      { 0x77, 0x3e, 0xa9, 0x1e, 0x36, 0x80, 0x0e, 0x46, 0x85, 0x4d, 0xb8, 0xeb, 0xd0, 0x91, 0x81, 0xa7,
        0x29, 0x59, 0x09, 0x8b, 0x3e, 0xf8, 0xc1, 0x22, 0xd9, 0x63, 0x55, 0x14, 0xce, 0xd5, 0x65, 0xfe } },
    { "a key of 32 bytes, and data with a NUL",
      { '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f' },
      { "t-1\0sub-1\0key", 13 },
      { 0xd1, 0x2c, 0x32, 0x56, 0xe0, 0x5f, 0xac, 0x28, 0x12, 0x10, 0x5d, 0xd8, 0x4a, 0xbc, 0x70, 0x23,
        0xd1, 0x43, 0x39, 0x49, 0x81, 0x44, 0xd2, 0x8f, 0x7e, 0x49, 0xc5, 0xd0, 0x07, 0x9e, 0x5d, 0xea } },
    { "the same key, and no data",
      { '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f' },
      { "", 0 },
      { 0x79, 0x6c, 0xd3, 0x07, 0x8a, 0xf1, 0x46, 0x36, 0x75, 0x3d, 0x26, 0xb3, 0xb5, 0x55, 0x54, 0x22,
        0xff, 0x55, 0xa3, 0xe2, 0x61, 0xcf, 0x84, 0x7b, 0x48, 0xe9, 0x53, 0x71, 0xb9, 0xbd, 0x0a, 0xa2 } },
};

static void rule_26_a_keyed_hash_is_hmac_sha_256(void **state)
{
    unsigned char hash[SECRET_HASH_LEN];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(hashes); i++) {
        ROW(hashes[i].name);
        memset(hash, 0, sizeof hash);
        assert_true(secret_keyed_hash(hashes[i].key, hashes[i].data, hash));
        assert_memory_equal(hash, hashes[i].hash, sizeof hash);
    }
}

static void a_descriptor_is_read_to_its_end(void **state)
{
    struct secret content = { NULL, 0 };
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "secret", 6), 6);
    ROW("at most so many bytes, and the rest stays");
    assert_true(secret_read(ends[0], 2, &content));
    assert_int_equal(content.len, 2);
    assert_memory_equal(content.bytes, "se", 2);
    secret_clear(&content);
    ROW("to the end");
    close(ends[1]);
    assert_true(secret_read(ends[0], 100, &content));
    assert_int_equal(content.len, 4);
    assert_memory_equal(content.bytes, "cret", 4);
    secret_clear(&content);
    ROW("at the end");
    assert_true(secret_read(ends[0], 100, &content));
    assert_int_equal(content.len, 0);
    secret_clear(&content);
    close(ends[0]);
    ROW("a failure");
    assert_false(secret_read(-1, 100, &content));
    assert_int_equal(errno, EBADF);
    assert_null(content.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_owned),
        cmocka_unit_test(rule_33_what_lives_long_has_pages_of_its_own),
        cmocka_unit_test(rule_32_a_host_that_may_lock_no_memory_is_served),
        cmocka_unit_test(rule_32_a_copy_without_memory_is_refused),
        cmocka_unit_test(rule_33_a_cleared_secret_is_wiped_by_length),
        cmocka_unit_test(rule_33_memory_is_wiped),
        cmocka_unit_test(rule_33_secrets_are_compared),
        cmocka_unit_test(rule_26_a_keyed_hash_is_hmac_sha_256),
        cmocka_unit_test(a_descriptor_is_read_to_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
