/*
 * mint: makes keys, key sets and tokens for trials of Latchkey. A person who has such a key can log in as every user of
 * the tenant, so never add one to the key set of a real tenant.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base64url.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/program.h"
#include "base/secret.h"
#include "base/slice.h"
#include "base/trusted_file.h"
#include "devel/signer.h"

#define PAD_MAX    (1 << 20)          /* bytes; more than any verifier takes */
#define SECOND_MAX (INT64_C(1) << 50) /* of --age and --lifetime; far from where sums of them overflow */

struct mint_options {
    const char *alg;
    const char *key;
    const char *out;
    const char *kid;
    const char *jwks;
    const char *typ;
    const char *claims;
    unsigned bits;
    int64_t age;      /* s */
    int64_t lifetime; /* s; 0: the claims are not changed */
    size_t pad_to;    /* bytes; 0: no padding */
};

__attribute__((format(printf, 1, 2))) static bool fail(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "mint: ");
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    return false;
}

static void text_free(char **text)
{
    if (*text != NULL)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

static bool read_file(const char *path, enum trusted_file_kind kind, struct secret *ret_content)
{
    struct file_error error;
    struct file_stamp stamp;

    return trusted_file_read(path, kind, NULL, JSON_TEXT_MAX, ret_content, &stamp, &error)
        || fail("%s: %s", path, error.text);
}

static bool write_all(int fd, struct slice text)
{
    while (text.len > 0) {
        ssize_t put = write(fd, text.bytes, text.len);

        if (put < 0 && errno != EINTR)
            return false;
        if (put > 0)
            text = (struct slice){ text.bytes + put, text.len - (size_t)put };
    }
    return true;
}

/* By rename: a server that reads the file meanwhile sees the old one or the new one, never a part. */
static bool write_file(const char *path, mode_t mode, struct slice text)
{
    CLEANUP(text_free) char *draft = NULL;
    bool ok;
    int fd;

    if (asprintf(&draft, "%s.%ld", path, (long)getpid()) < 0) {
        draft = NULL;
        return fail("out of memory");
    }
    fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return fail("%s: %s", draft, strerror(errno));
    ok = write_all(fd, text) && write_all(fd, slice_of("\n")) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    if (close(fd) == 0 && ok && rename(draft, path) == 0)
        return true;
    fail("%s: %s", path, strerror(errno));
    unlink(draft);
    return false;
}

/* The key set at the path, or an empty one when there is none yet. */
static struct json *open_set(const char *path)
{
    CLEANUP(secret_clear) struct secret text = { NULL, 0 };
    struct json *set = NULL;
    enum json_error error;

    if (access(path, F_OK) != 0 && errno == ENOENT) {
        set = json_new_object();
        if (set != NULL && !json_add(set, "keys", json_new_array()))
            json_free(&set);
        return set;
    }
    if (!read_file(path, TRUSTED_PUBLIC, &text))
        return NULL;
    if (!json_parse((struct slice){ text.bytes, text.len }, &set, &error))
        fail("%s: %s", path, json_error_text(error));
    return set;
}

static bool add_to_set(const struct signer *signer, const struct mint_options *options)
{
    CLEANUP(json_free) struct json *set = open_set(options->jwks);
    const char *text;
    struct json *keys;

    if (set == NULL)
        return false;
    keys = (struct json *)json_member(set, "keys"); /* part of a set that this process owns, so it may be changed */
    if (json_type_of(keys) != JSON_ARRAY)
        return fail("%s holds no array \"keys\"", options->jwks);
    if (!json_append(keys, signer_jwk(signer, options->kid, options->alg)))
        return fail("there is no public key to add");
    text = json_print(set, true);
    return text != NULL ? write_file(options->jwks, 0644, slice_of(text)) : fail("the key set cannot be printed");
}

static bool mint_key(const struct mint_options *options)
{
    CLEANUP(signer_free) struct signer *signer = signer_generate(options->alg, options->bits);
    struct secret text = { NULL, 0 };
    bool ok;

    if (signer == NULL)
        return fail("no key for \"%s\" of %u bits can be made", options->alg, options->bits);
    text.bytes = signer_private_text(signer, &text.len);
    ok = text.bytes != NULL ? write_file(options->out, 0600, (struct slice){ text.bytes, text.len })
                            : fail("the key cannot be printed");
    secret_clear(&text);
    return ok && (options->jwks == NULL || add_to_set(signer, options));
}

/* HS* takes the file's bytes, less one final newline, as the tenant's hmac_secret_file does. */
static struct signer *open_key(const struct mint_options *options)
{
    CLEANUP(secret_clear) struct secret text = { NULL, 0 };
    struct signer *signer;
    struct slice key;

    if (!read_file(options->key, TRUSTED_SECRET, &text))
        return NULL;
    key = (struct slice){ text.bytes, text.len };
    if (strncmp(options->alg, "HS", 2) != 0) {
        signer = signer_from_pem(key);
    } else {
        if (key.len > 0 && key.bytes[key.len - 1] == '\n')
            key.len--;
        signer = signer_from_secret(key);
    }
    if (signer == NULL)
        fail("%s holds no private key", options->key);
    return signer;
}

/* The claims as an argument, or from a file named after `@`. */
static struct json *read_claims(const char *argument)
{
    CLEANUP(secret_clear) struct secret file = { NULL, 0 };
    struct slice text = slice_of(argument);
    struct json *claims = NULL;
    enum json_error error;

    if (argument[0] == '@') {
        if (!read_file(argument + 1, TRUSTED_PUBLIC, &file))
            return NULL;
        text = (struct slice){ file.bytes, file.len };
    }
    if (!json_parse(text, &claims, &error)) {
        fail("the claims: %s", json_error_text(error));
    } else if (json_type_of(claims) != JSON_OBJECT) {
        fail("the claims are not an object");
        json_free(&claims);
    }
    return claims;
}

static bool add_times(struct json *claims, const struct mint_options *options)
{
    int64_t issued_at = (int64_t)time(NULL) - options->age;

    if (options->lifetime == 0)
        return true;
    if (json_member(claims, "iat") != NULL || json_member(claims, "exp") != NULL)
        return fail("--lifetime sets iat and exp, which the claims hold already");
    return json_add(claims, "iat", json_new_integer(issued_at))
        && json_add(claims, "exp", json_new_integer(issued_at + options->lifetime));
}

static bool add_filler(struct json *claims, size_t len)
{
    struct secret filler = { malloc(len + 1), len };
    bool ok = filler.bytes != NULL;

    if (ok) {
        memset(filler.bytes, 'x', len);
        ok = json_add(claims, "filler", json_new_string((struct slice){ filler.bytes, len }));
    }
    secret_clear(&filler);
    return ok;
}

static struct json *make_header(const struct mint_options *options)
{
    struct json *header = json_new_object();
    bool ok = header != NULL && json_add(header, "alg", json_new_string(slice_of(options->alg)))
        && (options->typ == NULL || json_add(header, "typ", json_new_string(slice_of(options->typ))))
        && (options->kid == NULL || json_add(header, "kid", json_new_string(slice_of(options->kid))));

    if (!ok)
        json_free(&header);
    return header;
}

static char *sign(const struct signer *signer, const struct mint_options *options, struct json *claims)
{
    CLEANUP(json_free) struct json *header = make_header(options);
    const char *header_text = header != NULL ? json_print(header, false) : NULL;
    const char *payload_text = json_print(claims, false);

    if (header_text == NULL || payload_text == NULL)
        return NULL;
    return signer_token(signer, options->alg, slice_of(header_text), slice_of(payload_text));
}

/*
 * Sign, measure, and sign again with a claim that fills the rest. One in four lengths is impossible in base64url; then
 * the token is one byte longer.
 */
static char *sign_padded(const struct signer *signer, const struct mint_options *options, struct json *claims)
{
    char *token = sign(signer, options, claims);
    const char *payload = json_print(claims, false);
    size_t target, len;

    if (token == NULL || payload == NULL || strlen(token) >= options->pad_to)
        return token;
    len = strlen(payload);
    target = BASE64URL_ENCODED_LEN(len) + options->pad_to - strlen(token);
    target = BASE64URL_DECODED_LEN(target % 4 == 1 ? target + 1 : target);
    text_free(&token);
    len += strlen(",\"filler\":\"\"");
    if (add_filler(claims, target > len ? target - len : 0))
        token = sign(signer, options, claims);
    return token;
}

static bool mint_token(const struct mint_options *options)
{
    CLEANUP(signer_free) struct signer *signer = open_key(options);
    CLEANUP(json_free) struct json *claims = read_claims(options->claims);
    CLEANUP(text_free) char *token = NULL;

    if (signer == NULL || claims == NULL || !add_times(claims, options))
        return false;
    token = sign_padded(signer, options, claims);
    if (token == NULL)
        return fail("%s cannot sign with %s", options->key, options->alg);
    return (puts(token) >= 0 && fflush(stdout) == 0) || fail("standard output: %s", strerror(errno));
}

static bool usage(void)
{
    fprintf(stderr,
            "mint key   --alg ALG --out KEY [--bits BITS] [--kid KID] [--jwks SET]\n"
            "      a new private key (PEM, or an HMAC secret), its public key added to the key set\n"
            "mint token --alg ALG --key KEY --claims JSON|@FILE [--kid KID] [--typ TYP]\n"
            "           [--lifetime SECONDS [--age SECONDS]] [--pad-to BYTES]\n"
            "      a token on standard output; --lifetime sets iat (--age ago) and exp\n");
    return false;
}

static bool parse_number(const char *text, int64_t max, int64_t *ret)
{
    char *end;
    intmax_t value;

    errno = 0;
    value = strtoimax(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 0 || value > max)
        return fail("\"%s\" is not a number of 0 … %" PRId64, text, max);
    *ret = (int64_t)value;
    return true;
}

static bool set_option(struct mint_options *options, int letter)
{
    int64_t number = 0;
    bool ok = true;

    switch (letter) {
    case 'a':
        options->alg = optarg;
        break;
    case 'k':
        options->key = optarg;
        break;
    case 'o':
        options->out = optarg;
        break;
    case 'i':
        options->kid = optarg;
        break;
    case 'j':
        options->jwks = optarg;
        break;
    case 't':
        options->typ = optarg;
        break;
    case 'c':
        options->claims = optarg;
        break;
    case 'b':
        ok = parse_number(optarg, 8192, &number);
        options->bits = (unsigned)number;
        break;
    case 'g':
        ok = parse_number(optarg, SECOND_MAX, &options->age);
        break;
    case 'l':
        ok = parse_number(optarg, SECOND_MAX, &options->lifetime);
        break;
    case 'p':
        ok = parse_number(optarg, PAD_MAX, &number);
        options->pad_to = (size_t)number;
        break;
    default:
        ok = usage();
    }
    return ok;
}

static bool parse_options(int argc, char **argv, struct mint_options *options)
{
    static const struct option known[] = {
        { "alg", required_argument, NULL, 'a' },    { "key", required_argument, NULL, 'k' },
        { "out", required_argument, NULL, 'o' },    { "kid", required_argument, NULL, 'i' },
        { "jwks", required_argument, NULL, 'j' },   { "typ", required_argument, NULL, 't' },
        { "claims", required_argument, NULL, 'c' }, { "bits", required_argument, NULL, 'b' },
        { "age", required_argument, NULL, 'g' },    { "lifetime", required_argument, NULL, 'l' },
        { "pad-to", required_argument, NULL, 'p' }, { NULL, 0, NULL, 0 },
    };
    int letter;

    *options = (struct mint_options){ .bits = 2048, .typ = "JWT" };
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1)
        if (!set_option(options, letter))
            return false;
    return (optind == argc && options->alg != NULL) || usage();
}

int main(int argc, char **argv)
{
    struct mint_options options;
    bool ok = false;

    program_protect();
    if (argc < 2)
        usage();
    else if (!parse_options(argc - 1, argv + 1, &options))
        return 2;
    else if (strcmp(argv[1], "key") == 0 && options.out != NULL)
        ok = mint_key(&options);
    else if (strcmp(argv[1], "token") == 0 && options.key != NULL && options.claims != NULL)
        ok = mint_token(&options);
    else
        usage();
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
