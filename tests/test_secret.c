#include "unit.h"

#include <openssl/crypto.h>

#include "secret.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_owned),
        cmocka_unit_test(rule_32_a_copy_without_memory_is_refused),
        cmocka_unit_test(rule_33_a_cleared_secret_is_wiped_by_length),
        cmocka_unit_test(rule_33_memory_is_wiped),
        cmocka_unit_test(rule_33_secrets_are_compared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
