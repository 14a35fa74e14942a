#include "tests/support/unit.h"

#include "base/base64url.h"

#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

/* Decode from and into memory of exactly the promised size, so that a sanitizer sees one byte too many. */
static bool decode(struct slice encoded, char **ret_bytes, size_t *ret_len)
{
    char *text = malloc(encoded.len + 1), *bytes = malloc(BASE64URL_DECODED_LEN(encoded.len) + 1);
    bool ok;

    assert_non_null(text);
    assert_non_null(bytes);
    if (encoded.len != 0)
        memcpy(text + 1, encoded.bytes, encoded.len);
    ok = base64url_decode((struct slice){ text + 1, encoded.len }, bytes + 1, ret_len);
    free(text);
    if (ok)
        memmove(bytes, bytes + 1, *ret_len);
    *ret_bytes = bytes;
    return ok;
}

static bool is_refused(struct slice encoded)
{
    char *bytes;
    size_t len = 12345;
    bool ok = decode(encoded, &bytes, &len);

    free(bytes);
    return !ok;
}

static const struct {
    const char *name;
    struct slice encoded, bytes;
} vectors[] = {
    { "RFC 4648 §10, nothing", { "", 0 }, { "", 0 } },
    { "RFC 4648 §10, f", { "Zg", 2 }, { "f", 1 } },
    { "RFC 4648 §10, fo", { "Zm8", 3 }, { "fo", 2 } },
    { "RFC 4648 §10, foo", { "Zm9v", 4 }, { "foo", 3 } },
    { "RFC 4648 §10, foob", { "Zm9vYg", 6 }, { "foob", 4 } },
    { "RFC 4648 §10, fooba", { "Zm9vYmE", 7 }, { "fooba", 5 } },
    { "RFC 4648 §10, foobar", { "Zm9vYmFy", 8 }, { "foobar", 6 } },
    { "RFC 7515 appendix C", { "A-z_4ME", 7 }, { "\x03\xec\xff\xe0\xc1", 5 } },
    { "RFC 7515 §3.3, the header",
      { "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", 40 },
      { "{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}", 30 } },
    { "the whole alphabet in its order",
      { ALPHABET, 64 },
      { "\x00\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93\x51\x55\x97\x61\x96\x9b\x71\xd7\x9f"
        "\x82\x18\xa3\x92\x59\xa7\xa2\x9a\xab\xb2\xdb\xaf\xc3\x1c\xb3\xd3\x5d\xb7\xe3\x9e\xbb\xf3\xdf\xbf",
        48 } },
    { "zeros", { "AAAA", 4 }, { "\0\0\0", 3 } },
    { "ones, one byte", { "_w", 2 }, { "\xff", 1 } },
    { "ones, two bytes", { "__8", 3 }, { "\xff\xff", 2 } },
};

static void published_vectors_decode(void **state)
{
    char *bytes;
    size_t i, len;

    (void)state;
    for (i = 0; i < COUNT(vectors); i++) {
        ROW(vectors[i].name);
        assert_true(decode(vectors[i].encoded, &bytes, &len));
        assert_int_equal(len, vectors[i].bytes.len);
        assert_memory_equal(bytes, vectors[i].bytes.bytes, len);
        free(bytes);
    }
}

static void published_vectors_encode(void **state)
{
    char *text;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(vectors); i++) {
        ROW(vectors[i].name);
        assert_int_equal(BASE64URL_ENCODED_LEN(vectors[i].bytes.len), vectors[i].encoded.len);
        assert_int_equal(BASE64URL_DECODED_LEN(vectors[i].encoded.len), vectors[i].bytes.len);
        text = malloc(vectors[i].encoded.len + 1);
        assert_non_null(text);
        text[vectors[i].encoded.len] = '!';
        base64url_encode(vectors[i].bytes, text);
        assert_memory_equal(text, vectors[i].encoded.bytes, vectors[i].encoded.len);
        assert_int_equal(text[vectors[i].encoded.len], '!');
        free(text);
    }
    ROW("nothing at NULL");
    base64url_encode((struct slice){ NULL, 0 }, NULL);
}

static const struct {
    const char *name;
    struct slice encoded;
} refused[] = {
    { "one character alone", { "A", 1 } },
    { "one character after a group of four", { "Zm9vY", 5 } },
    { "padding", { "Zg==", 4 } },
    { "half of the padding", { "Zg=", 3 } },
    { "padding of one", { "Zm8=", 4 } },
    { "padding after a full group", { "Zm9v====", 8 } },
    { "only padding", { "=", 1 } },
    { "the plus of plain base64", { "A+z_4ME", 7 } },
    { "the slash of plain base64", { "A-z/4ME", 7 } },
    { "a space within", { "Zm9 Ymx2", 8 } },
    { "a line end behind", { "Zm9v\n", 5 } },
    { "a line end as the fourth character", { "Zm9\n", 4 } },
    { "a tab before", { "\tZm9v", 5 } },
    { "a NUL within", { "Zm\0v", 4 } },
    { "a NUL at the end", { "Zm9vYmF\0", 8 } },
    { "a dot", { "Zm9.", 4 } },
    { "a byte beyond ASCII", { "Zm9\xc3", 4 } },
    { "the lowest trailing bit of two characters", { "Zh", 2 } },
    { "the highest trailing bit of two characters", { "Zo", 2 } },
    { "the lowest trailing bit of three characters", { "Zm9", 3 } },
    { "the highest trailing bit of three characters", { "Zm-", 3 } },
    { "a trailing bit after a group of four", { "Zm9vYh", 6 } },
};

static void rule_02_base64url_is_strict(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(refused); i++) {
        ROW(refused[i].name);
        assert_true(is_refused(refused[i].encoded));
    }
}

static void rule_02_only_the_alphabet_is_accepted_anywhere(void **state)
{
    /* "A" elsewhere: then the last character is the only one with trailing bits. */
    char text[8];
    size_t position, len;
    int byte;

    (void)state;
    ROW("each of 256 byte values at each of the 7 positions of a text of 7 or 8 characters");
    for (position = 0; position < 7; position++) {
        len = position < 4 ? 8 : 7;
        for (byte = 0; byte < 256; byte++) {
            bool has_trailing_bits = position == 6 && byte != 0 && strchr("AEIMQUYcgkosw048", byte) == NULL;
            bool is_fine = byte != 0 && strchr(ALPHABET, byte) != NULL && !has_trailing_bits;

            memset(text, 'A', sizeof text);
            text[position] = (char)byte;
            if (is_refused((struct slice){ text, len }) == is_fine)
                fail_msg("byte 0x%02x at %zu", (unsigned)byte, position);
        }
    }
}

static void rule_02_one_value_has_one_encoding(void **state)
{
    static const char last_of_two[] = "AQgw", last_of_three[] = "AEIMQUYcgkosw048";
    unsigned accepted_two = 0, accepted_three = 0;
    char text[3] = "AAA";
    size_t i;

    (void)state;
    for (i = 0; i < 64; i++) {
        text[1] = ALPHABET[i];
        if (!is_refused((struct slice){ text, 2 })) {
            assert_non_null(strchr(last_of_two, text[1]));
            accepted_two++;
        }
        text[1] = 'A';
        text[2] = ALPHABET[i];
        if (!is_refused((struct slice){ text, 3 })) {
            assert_non_null(strchr(last_of_three, text[2]));
            accepted_three++;
        }
        text[2] = 'A';
    }
    ROW("of 64 second characters of two, 4 leave no bit over");
    assert_int_equal(accepted_two, 4);
    ROW("of 64 third characters of three, 16 leave no bit over");
    assert_int_equal(accepted_three, 16);
}

static void lengths_are_exact(void **state)
{
    static const struct {
        const char *name;
        size_t bytes, characters;
    } lengths[] = {
        { "nothing", 0, 0 },
        { "one byte", 1, 2 },
        { "two bytes", 2, 3 },
        { "three bytes", 3, 4 },
        { "four bytes", 4, 6 },
        { "an Ed25519 key", 32, 43 },
        { "an ES256 signature", 64, 86 },
        { "an RS256 signature", 256, 342 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(lengths); i++) {
        ROW(lengths[i].name);
        assert_int_equal(BASE64URL_ENCODED_LEN(lengths[i].bytes), lengths[i].characters);
        assert_int_equal(BASE64URL_DECODED_LEN(lengths[i].characters), lengths[i].bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_decode),
        cmocka_unit_test(published_vectors_encode),
        cmocka_unit_test(rule_02_base64url_is_strict),
        cmocka_unit_test(rule_02_only_the_alphabet_is_accepted_anywhere),
        cmocka_unit_test(rule_02_one_value_has_one_encoding),
        cmocka_unit_test(lengths_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
