#include "tests/support/unit.h"

#include "latchkeyd/saslauthd.h"

/* Counted strings by hand: what a client of libsasl's writes. */
#define ALICE "\0\5alice"
#define TOKEN "\0\5a.b.c"
#define IMAP  "\0\4imap"
#define NONE  "\0\0"
#define WHOLE ALICE TOKEN IMAP NONE
#define TEXT(literal)                \
    {                                \
        literal, sizeof(literal) - 1 \
    }

static const struct {
    const char *name;
    struct slice text;
    enum saslauthd_extent extent;
    const char *realm; /* of a whole one */
} requests[] = {
    { "a request", TEXT(WHOLE), SASLAUTHD_WHOLE, "" },
    { "with a realm", TEXT(ALICE TOKEN IMAP "\0\7realm.x"), SASLAUTHD_WHOLE, "realm.x" },
    { "with the client's address behind it",
      TEXT(WHOLE "\0\7"
                 "192.0.2"),
      SASLAUTHD_WHOLE, "" },
    { "and a part of it", TEXT(WHOLE "\0\7\61"), SASLAUTHD_WHOLE, "" },
    { "an address of a name that is not UTF-8 is not looked at", TEXT(WHOLE "\0\1\377"), SASLAUTHD_WHOLE, "" },
    { "nothing", TEXT(""), SASLAUTHD_PART, NULL },
    { "half a count", TEXT("\0"), SASLAUTHD_PART, NULL },
    { "a count alone", TEXT("\0\5"), SASLAUTHD_PART, NULL },
    { "no login", TEXT(NONE TOKEN IMAP NONE), SASLAUTHD_BROKEN, NULL },
    { "no password", TEXT(ALICE NONE IMAP NONE), SASLAUTHD_BROKEN, NULL },
    { "no service", TEXT(ALICE TOKEN NONE NONE), SASLAUTHD_BROKEN, NULL },
    { "a login with a NUL", TEXT("\0\6root\0x" TOKEN IMAP NONE), SASLAUTHD_BROKEN, NULL },
    { "a login with a line end", TEXT("\0\6alice\n" TOKEN IMAP NONE), SASLAUTHD_BROKEN, NULL },
    { "a login that is not UTF-8", TEXT("\0\2\300\257" TOKEN IMAP NONE), SASLAUTHD_BROKEN, NULL },
    { "a password with a NUL", TEXT(ALICE "\0\3a\0b" IMAP NONE), SASLAUTHD_BROKEN, NULL },
    { "a service with a NUL", TEXT(ALICE TOKEN "\0\5su\0do" NONE), SASLAUTHD_BROKEN, NULL },
    { "a realm with an escape", TEXT(ALICE TOKEN IMAP "\0\2\033["), SASLAUTHD_BROKEN, NULL },
    { "a login that is too long", TEXT("\1\1"), SASLAUTHD_BROKEN, NULL },
    { "a password that is too long", TEXT(ALICE "\100\1"), SASLAUTHD_BROKEN, NULL },
    { "a service that is too long", TEXT(ALICE TOKEN "\1\1"), SASLAUTHD_BROKEN, NULL },
    { "a realm that is too long", TEXT(ALICE TOKEN IMAP "\377\377"), SASLAUTHD_BROKEN, NULL },
};

static void a_request_is_read_strictly(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(requests); i++) {
        struct saslauthd_request request = { .login = { NULL, 0 } };
        char *exact = malloc(requests[i].text.len + 1); /* a byte to spare, which a sanitizer does not see as ours */

        assert_non_null(exact);
        memcpy(exact, requests[i].text.bytes, requests[i].text.len);
        ROW(requests[i].name);
        assert_int_equal(saslauthd_read((struct slice){ exact, requests[i].text.len }, &request), requests[i].extent);
        if (requests[i].extent == SASLAUTHD_WHOLE) {
            assert_true(slice_equal_string(request.login, "alice"));
            assert_true(slice_equal_string(request.password, "a.b.c"));
            assert_true(slice_equal_string(request.service, "imap"));
            assert_true(slice_equal_string(request.realm, requests[i].realm));
        }
        free(exact);
    }
}

static void every_beginning_of_a_request_is_a_part(void **state)
{
    struct saslauthd_request request;
    size_t len;

    (void)state;
    for (len = 0; len < sizeof WHOLE - 1; len++)
        assert_int_equal(saslauthd_read((struct slice){ WHOLE, len }, &request), SASLAUTHD_PART);
}

static void the_longest_request_fits(void **state)
{
    char *text = calloc(1, SASLAUTHD_REQUEST_MAX), *at = text;
    static const size_t lens[] = { SASLAUTHD_LOGIN_MAX, SASLAUTHD_PASSWORD_MAX, SASLAUTHD_LOGIN_MAX,
                                   SASLAUTHD_LOGIN_MAX };
    struct saslauthd_request request;
    size_t i;

    (void)state;
    assert_non_null(text);
    for (i = 0; i < COUNT(lens); i++) {
        *at++ = (char)(lens[i] >> 8);
        *at++ = (char)(lens[i] & 0xff);
        memset(at, 'a', lens[i]);
        at += lens[i];
    }
    assert_int_equal(at - text, SASLAUTHD_REQUEST_MAX);
    assert_int_equal(saslauthd_read((struct slice){ text, SASLAUTHD_REQUEST_MAX }, &request), SASLAUTHD_WHOLE);
    assert_int_equal(request.password.len, SASLAUTHD_PASSWORD_MAX);
    free(text);
}

static void the_replies(void **state)
{
    (void)state;
    assert_memory_equal(saslauthd_reply(true).bytes, "\0\2OK", 4);
    assert_memory_equal(saslauthd_reply(false).bytes, "\0\2NO", 4);
    assert_int_equal(saslauthd_reply(true).len, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_read_strictly),
        cmocka_unit_test(every_beginning_of_a_request_is_a_part),
        cmocka_unit_test(the_longest_request_fits),
        cmocka_unit_test(the_replies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
