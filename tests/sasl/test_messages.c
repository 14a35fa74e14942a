#include "tests/support/unit.h"

#include "sasl/messages.h"

/* RFC 7628 §4.1 and §4.2 (IMAP, SMTP), and what curl sends. */
#define TOKEN     "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
#define AUTH      "auth=Bearer " TOKEN "\1"
#define MESSAGE   "n,a=user@example.com,\1host=server.example.com\1port=143\1" AUTH "\1"
#define BYTES(of) ((struct slice){ (of), sizeof(of) - 1 })

#define A10           "aaaaaaaaaa"
#define A50           A10 A10 A10 A10 A10
#define A255          A50 A50 A50 A50 A50 "aaaaa"
#define E50           "=2C=3D=2C=3D=2C=3D=2C=3D=2C=3D=2C=3D=2C=3D=2C=3D=2C=3D=2C=3D" A10 A10 A10
#define E255          E50 E50 E50 E50 E50 "=2C=2C=2C=2C=2C"
#define C5            "=2C=2C=2C=2C=2C"
#define C50           C5 C5 C5 C5 C5 C5 C5 C5 C5 C5
#define C255          C50 C50 C50 C50 C50 C5
#define COMMAS5       ",,,,,"
#define COMMAS50      COMMAS5 COMMAS5 COMMAS5 COMMAS5 COMMAS5 COMMAS5 COMMAS5 COMMAS5 COMMAS5 COMMAS5
#define COMMAS255     COMMAS50 COMMAS50 COMMAS50 COMMAS50 COMMAS50 COMMAS5
#define NO_HEADER     "no gs2 header"
#define NO_END        "the key=value pairs have no end"
#define NO_AUTHZID    "the gs2 header has something other than an authzid"
#define BAD_LENGTH    "the authzid is empty or too long"
#define BAD_TEXT      "the authzid is not text"
#define BAD_ESCAPE    "\"=\" in the authzid is not followed by 2C or 3D"
#define NO_PAIR       "a part that is not key=value"
#define NO_BEARER     "the scheme is not Bearer"
#define NO_TOKEN      "the token is empty or has blanks"
#define NO_AUTH       "auth is missing"
#define TWICE         "auth is given twice"
#define FOLLOWED      "bytes after the end of the message"
#define NOT_USER      "the message does not begin with user="
#define HAS_NUL       "a NUL byte"
#define TOO_LONG      "longer than 64 KiB"
#define ONLY_HEADER   "only a gs2 header"
#define ENDLESS_AUTHZ "the gs2 header has no end"

struct row {
    const char *name;
    struct slice message;
    const char *user;   /* NULL: none */
    const char *bearer; /* NULL: TOKEN */
    const char *error;  /* NULL: it is read */
};

static const struct row oauthbearer[] = {
    { "RFC 7628 §4.1, over IMAP", BYTES(MESSAGE), "user@example.com", NULL, NULL },
    { "RFC 7628 §4.2, over SMTP", BYTES("n,a=user@example.com,\1host=server.example.com\1port=587\1" AUTH "\1"),
      "user@example.com", NULL, NULL },
    { "RFC 7628 §4.3, a failed exchange", BYTES("n,a=user@example.com,\1" AUTH "\1"), "user@example.com", NULL, NULL },
    { "curl's", BYTES("n,a=alice,\1host=mail.example.com\1port=993\1" AUTH "\1"), "alice", NULL, NULL },
    { "without host and port", BYTES("n,a=alice,\1" AUTH "\1"), "alice", NULL, NULL },
    { "host and port behind auth", BYTES("n,,\1" AUTH "port=1\1host=h\1\1"), NULL, NULL, NULL },
    { "a key that nobody knows", BYTES("n,,\1x=y\1" AUTH "\1"), NULL, NULL, NULL },
    { "the keys of OAUTH10A", BYTES("n,,\1post=x\1qs=a=b&c=d\1mthd=GET\1path=/\1" AUTH "\1"), NULL, NULL, NULL },
    { "host twice is nobody's business", BYTES("n,,\1host=a\1host=b\1" AUTH "\1"), NULL, NULL, NULL },
    { "a value without bytes", BYTES("n,,\1host=\1" AUTH "\1"), NULL, NULL, NULL },
    { "a value with an equals sign", BYTES("n,,\1x==a=\1" AUTH "\1"), NULL, NULL, NULL },
    { "a value with tab, CR and LF (§3.1)", BYTES("n,,\1x=\t\r\n \1" AUTH "\1"), NULL, NULL, NULL },
    { "keys in capitals", BYTES("n,,\1HOST=h\1" AUTH "\1"), NULL, NULL, NULL },

    { "gs2: the client could bind a channel", BYTES("y,,\1" AUTH "\1"), NULL, NULL, NULL },
    { "gs2: a channel is bound", BYTES("p=tls-unique,,\1" AUTH "\1"), NULL, NULL, NULL },
    { "gs2: an authzid behind y", BYTES("y,a=bob,\1" AUTH "\1"), "bob", NULL, NULL },
    { "gs2: an authzid behind p", BYTES("p=tls-exporter,a=bob,\1" AUTH "\1"), "bob", NULL, NULL },
    { "gs2: letters, digits, dots and hyphens in the binding's name", BYTES("p=A.b-9,,\1" AUTH "\1"), NULL, NULL,
      NULL },
    { "gs2: the first and the last letter and digit in the binding's name", BYTES("p=azAZ09,,\1" AUTH "\1"), NULL, NULL,
      NULL },
    { "gs2: a binding's name of one letter", BYTES("p=x,,\1" AUTH "\1"), NULL, NULL, NULL },
    { "gs2: what stands before 0", BYTES("p=a/,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: what stands behind 9", BYTES("p=a:,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: q in the place of p", BYTES("q=x,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: another sign in the place of =", BYTES("p-x,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: a binding without name", BYTES("p=,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: p without a name", BYTES("p,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: a blank in the binding's name", BYTES("p=tls unique,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: an underscore in the binding's name", BYTES("p=tls_unique,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: F is for mechanisms of GSS-API", BYTES("F,n,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: N in capitals", BYTES("N,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: Y in capitals", BYTES("Y,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: P in capitals", BYTES("P=tls-unique,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: another letter", BYTES("x,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: two letters", BYTES("nn,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: a value for n", BYTES("n=x,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: no flag", BYTES(",,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: a blank before it", BYTES(" n,,\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: none", BYTES("\1" AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: none, and not even the first separator", BYTES(AUTH "\1"), NULL, NULL, NO_HEADER },
    { "gs2: only its flag", BYTES("n"), NULL, NULL, NO_HEADER },
    { "gs2: only half of it", BYTES("n,"), NULL, NULL, ENDLESS_AUTHZ },
    { "gs2: the second comma is missing", BYTES("n,\1" AUTH "\1"), NULL, NULL, ENDLESS_AUTHZ },
    { "gs2: only it", BYTES("n,,"), NULL, NULL, ONLY_HEADER },
    { "gs2: no separator behind it", BYTES("n,," AUTH "\1"), NULL, NULL, ONLY_HEADER },
    { "gs2: a third part", BYTES("n,,,\1" AUTH "\1"), NULL, NULL, ONLY_HEADER },
    { "gs2: a third part behind an authzid", BYTES("n,a=bob,x,\1" AUTH "\1"), NULL, NULL, ONLY_HEADER },
    { "gs2: A in capitals", BYTES("n,A=bob,\1" AUTH "\1"), NULL, NULL, NO_AUTHZID },
    { "gs2: another attribute than a", BYTES("n,b=bob,\1" AUTH "\1"), NULL, NULL, NO_AUTHZID },
    { "gs2: a name without a=", BYTES("n,bob,\1" AUTH "\1"), NULL, NULL, NO_AUTHZID },
    { "gs2: only a", BYTES("n,a,\1" AUTH "\1"), NULL, NULL, NO_AUTHZID },

    { "authzid: an escaped comma", BYTES("n,a=a=2Cb,\1" AUTH "\1"), "a,b", NULL, NULL },
    { "authzid: an escaped equals sign", BYTES("n,a=a=3Db,\1" AUTH "\1"), "a=b", NULL, NULL },
    { "authzid: in lower case, too", BYTES("n,a==2c=3d,\1" AUTH "\1"), ",=", NULL, NULL },
    { "authzid: what is unescaped is not unescaped again", BYTES("n,a==3D2C,\1" AUTH "\1"), "=2C", NULL, NULL },
    { "authzid: UTF-8", BYTES("n,a=m\303\274ller,\1" AUTH "\1"), "m\303\274ller", NULL, NULL },
    { "authzid: a blank is text", BYTES("n,a=a b,\1" AUTH "\1"), "a b", NULL, NULL },
    { "authzid: 255 bytes", BYTES("n,a=" A255 ",\1" AUTH "\1"), A255, NULL, NULL },
    { "authzid: 256 bytes", BYTES("n,a=" A255 "x,\1" AUTH "\1"), NULL, NULL, BAD_LENGTH },
    { "authzid: 255 bytes when decoded", BYTES("n,a=" E255 ",\1" AUTH "\1"),
      ",=,=,=,=,=,=,=,=,=,=" A10 A10 A10 ",=,=,=,=,=,=,=,=,=,=" A10 A10 A10 ",=,=,=,=,=,=,=,=,=,=" A10 A10 A10
      ",=,=,=,=,=,=,=,=,=,=" A10 A10 A10 ",=,=,=,=,=,=,=,=,=,=" A10 A10 A10 ",,,,,",
      NULL, NULL },
    { "authzid: 256 bytes when decoded", BYTES("n,a=" E255 "=2C,\1" AUTH "\1"), NULL, NULL, BAD_LENGTH },
    { "authzid: 255 bytes, each of them escaped", BYTES("n,a=" C255 ",\1" AUTH "\1"), COMMAS255, NULL, NULL },
    { "authzid: one byte more than that", BYTES("n,a=" C255 "x,\1" AUTH "\1"), NULL, NULL, BAD_LENGTH },
    { "authzid: 256 bytes, each of them escaped", BYTES("n,a=" C255 "=2C,\1" AUTH "\1"), NULL, NULL, BAD_LENGTH },
    { "authzid: one byte", BYTES("n,a=x,\1" AUTH "\1"), "x", NULL, NULL },
    { "authzid: no bytes", BYTES("n,a=,\1" AUTH "\1"), NULL, NULL, BAD_LENGTH },
    { "authzid: another escape", BYTES("n,a=a=2Fb,\1" AUTH "\1"), NULL, NULL, BAD_ESCAPE },
    { "authzid: an escaped letter", BYTES("n,a==41,\1" AUTH "\1"), NULL, NULL, BAD_ESCAPE },
    { "authzid: an escaped NUL", BYTES("n,a=a=00,\1" AUTH "\1"), NULL, NULL, BAD_ESCAPE },
    { "authzid: a bare equals sign", BYTES("n,a=a=b,\1" AUTH "\1"), NULL, NULL, BAD_ESCAPE },
    { "authzid: a bare equals sign at its end", BYTES("n,a=ab=,\1" AUTH "\1"), NULL, NULL, BAD_ESCAPE },
    { "authzid: half of an escape at its end", BYTES("n,a=ab=2,\1" AUTH "\1"), NULL, NULL, BAD_ESCAPE },
    { "authzid: an escape that goes on behind the comma", BYTES("n,a=ab=2,C\1" AUTH "\1"), NULL, NULL, BAD_ESCAPE },
    { "authzid: a NUL", BYTES("n,a=root\0x,\1" AUTH "\1"), NULL, NULL, HAS_NUL },
    { "authzid: a control byte", BYTES("n,a=a\nb,\1" AUTH "\1"), NULL, NULL, BAD_TEXT },
    { "authzid: the separator", BYTES("n,a=a\1b,\1" AUTH "\1"), NULL, NULL, BAD_TEXT },
    { "authzid: DEL", BYTES("n,a=a\177b,\1" AUTH "\1"), NULL, NULL, BAD_TEXT },
    { "authzid: a byte that is not UTF-8", BYTES("n,a=a\377b,\1" AUTH "\1"), NULL, NULL, BAD_TEXT },
    { "authzid: half of a letter", BYTES("n,a=a\303,\1" AUTH "\1"), NULL, NULL, BAD_TEXT },
    { "authzid: an overlong slash", BYTES("n,a=\300\257,\1" AUTH "\1"), NULL, NULL, BAD_TEXT },
    { "authzid: a surrogate", BYTES("n,a=\355\240\200,\1" AUTH "\1"), NULL, NULL, BAD_TEXT },

    { "pairs: the last separator is missing", BYTES("n,,\1" AUTH), NULL, NULL, NO_END },
    { "pairs: both are", BYTES("n,,\1auth=Bearer " TOKEN), NULL, NULL, NO_END },
    { "pairs: the first and the last letter in a key", BYTES("n,,\1azAZ=x\1" AUTH "\1"), NULL, NULL, NULL },
    { "pairs: what stands before A", BYTES("n,,\1@=x\1" AUTH "\1"), NULL, NULL, NO_PAIR },
    { "pairs: what stands behind Z", BYTES("n,,\1[=x\1" AUTH "\1"), NULL, NULL, NO_PAIR },
    { "pairs: what stands before a", BYTES("n,,\1`=x\1" AUTH "\1"), NULL, NULL, NO_PAIR },
    { "pairs: what stands behind z", BYTES("n,,\1{=x\1" AUTH "\1"), NULL, NULL, NO_PAIR },
    { "pairs: the first and the last byte of a value", BYTES("n,,\1x= ~\1" AUTH "\1"), NULL, NULL, NULL },
    { "pairs: the byte before the first", BYTES("n,,\1x=\37\1" AUTH "\1"), NULL, NULL, NO_PAIR },
    { "pairs: a key with a digit", BYTES("n,,\1x1=y\1" AUTH "\1"), NULL, NULL, NO_PAIR },
    { "pairs: a key with a hyphen", BYTES("n,,\1x-y=z\1" AUTH "\1"), NULL, NULL, NO_PAIR },
    { "pairs: a key with a blank", BYTES("n,,\1 auth=Bearer x\1" AUTH "\1"), NULL, NULL, NO_PAIR },
    { "pairs: no key", BYTES("n,,\1=y\1" AUTH "\1"), NULL, NULL, NO_PAIR },
    { "pairs: no equals sign", BYTES("n,,\1host\1" AUTH "\1"), NULL, NULL, NO_PAIR },
    { "pairs: a control byte in a value", BYTES("n,,\1x=\33[0m\1" AUTH "\1"), NULL, NULL, NO_PAIR },
    { "pairs: a NUL in a value", BYTES("n,,\1x=\0\1" AUTH "\1"), NULL, NULL, HAS_NUL },
    { "pairs: DEL in a value", BYTES("n,,\1x=\177\1" AUTH "\1"), NULL, NULL, NO_PAIR },
    { "pairs: a value that is not ASCII", BYTES("n,,\1x=\303\274\1" AUTH "\1"), NULL, NULL, NO_PAIR },
    { "pairs: a NUL behind the end", BYTES("n,,\1" AUTH "\1\0"), NULL, NULL, HAS_NUL },
    { "pairs: a line end behind the end", BYTES("n,,\1" AUTH "\1\r\n"), NULL, NULL, FOLLOWED },
    { "pairs: one separator too many", BYTES("n,,\1" AUTH "\1\1"), NULL, NULL, FOLLOWED },
    { "pairs: a second message behind the end", BYTES("n,,\1" AUTH "\1n,,\1" AUTH "\1"), NULL, NULL, FOLLOWED },
    { "pairs: auth behind the end", BYTES("n,,\1\1" AUTH "\1"), NULL, NULL, FOLLOWED },
    { "pairs: none", BYTES("n,,\1\1"), NULL, NULL, NO_AUTH },
    { "pairs: all but auth", BYTES("n,,\1host=h\1port=1\1\1"), NULL, NULL, NO_AUTH },
    { "pairs: auth in capitals is another key", BYTES("n,,\1AUTH=Bearer x\1\1"), NULL, NULL, NO_AUTH },
    { "pairs: not even the first separator's fellow", BYTES("n,,\1"), NULL, NULL, NO_END },

    { "auth: the scheme in lower case", BYTES("n,,\1auth=bearer " TOKEN "\1\1"), NULL, NULL, NULL },
    { "auth: the scheme in any case", BYTES("n,,\1auth=bEaReR " TOKEN "\1\1"), NULL, NULL, NULL },
    { "auth: several blanks (RFC 6750 §2.1)", BYTES("n,,\1auth=Bearer    " TOKEN "\1\1"), NULL, NULL, NULL },
    { "auth: a token of one byte", BYTES("n,,\1auth=Bearer x\1\1"), NULL, "x", NULL },
    { "auth: every visible byte", BYTES("n,,\1auth=Bearer !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\1\1"), NULL,
      "!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~", NULL },
    { "auth: twice", BYTES("n,,\1" AUTH AUTH "\1"), NULL, NULL, TWICE },
    { "auth: twice, the second one bad", BYTES("n,,\1" AUTH "auth=\1\1"), NULL, NULL, TWICE },
    { "auth: twice, the first one empty", BYTES("n,,\1auth=\1" AUTH "\1"), NULL, NULL, TWICE },
    { "auth: twice, both empty", BYTES("n,,\1auth=\1auth=\1\1"), NULL, NULL, TWICE },
    { "auth: another scheme", BYTES("n,,\1auth=Basic " TOKEN "\1\1"), NULL, NULL, NO_BEARER },
    { "auth: the scheme of OAUTH10A", BYTES("n,,\1auth=OAuth realm=\"Example\"\1\1"), NULL, NULL, NO_BEARER },
    { "auth: a longer scheme", BYTES("n,,\1auth=Bearers " TOKEN "\1\1"), NULL, NULL, NO_BEARER },
    { "auth: no scheme", BYTES("n,,\1auth=" TOKEN "\1\1"), NULL, NULL, NO_BEARER },
    { "auth: a blank before the scheme", BYTES("n,,\1auth= Bearer " TOKEN "\1\1"), NULL, NULL, NO_BEARER },
    { "auth: a tab behind the scheme", BYTES("n,,\1auth=Bearer\t" TOKEN "\1\1"), NULL, NULL, NO_BEARER },
    { "auth: only the scheme", BYTES("n,,\1auth=Bearer\1\1"), NULL, NULL, NO_BEARER },
    { "auth: no value asks for the discovery (§4.3)",
      BYTES("n,a=user@example.com,\1host=server.example.com\1port=143\1auth=\1\1"), "user@example.com", "", NULL },
    { "auth: no value and nothing else, as of libpq", BYTES("n,,\1auth=\1\1"), NULL, "", NULL },
    { "auth: no value, before other keys", BYTES("n,,\1auth=\1host=h\1\1"), NULL, "", NULL },
    { "auth: no value and no end", BYTES("n,,\1auth=\1"), NULL, NULL, NO_END },
    { "auth: a blank is a value", BYTES("n,,\1auth= \1\1"), NULL, NULL, NO_BEARER },
    { "auth: no token", BYTES("n,,\1auth=Bearer \1\1"), NULL, NULL, NO_TOKEN },
    { "auth: only blanks", BYTES("n,,\1auth=Bearer    \1\1"), NULL, NULL, NO_TOKEN },
    { "auth: a blank in the token", BYTES("n,,\1auth=Bearer abc def\1\1"), NULL, NULL, NO_TOKEN },
    { "auth: a blank behind the token", BYTES("n,,\1auth=Bearer abc \1\1"), NULL, NULL, NO_TOKEN },
    { "auth: a tab in the token", BYTES("n,,\1auth=Bearer abc\tdef\1\1"), NULL, NULL, NO_TOKEN },
    { "auth: a line end behind the token", BYTES("n,,\1auth=Bearer abc\n\1\1"), NULL, NULL, NO_TOKEN },
    { "auth: a byte in the token that is not ASCII", BYTES("n,,\1auth=Bearer abc\200\1\1"), NULL, NULL, NO_PAIR },
    { "the answer to a refusal is no message", BYTES("\1"), NULL, NULL, NO_HEADER },
    { "nothing", { NULL, 0 }, NULL, NULL, NO_HEADER },
    { "XOAUTH2's message", BYTES("user=alice\1" AUTH "\1"), NULL, NULL, NO_HEADER },
};

static const struct row xoauth2[] = {
    { "what mail clients send", BYTES("user=someuser@example.com\1" AUTH "\1"), "someuser@example.com", NULL, NULL },
    { "a comma and an equals sign stand as they are", BYTES("user=a,b=c\1" AUTH "\1"), "a,b=c", NULL, NULL },
    { "what looks like an escape is none", BYTES("user=a=2Cb\1" AUTH "\1"), "a=2Cb", NULL, NULL },
    { "the scheme in any case, and several blanks", BYTES("user=a\1auth=BEARER  " TOKEN "\1\1"), "a", NULL, NULL },
    { "further keys", BYTES("user=a\1host=h\1" AUTH "port=1\1\1"), "a", NULL, NULL },
    { "a user of 255 bytes", BYTES("user=" A255 "\1" AUTH "\1"), A255, NULL, NULL },
    { "a user of 256 bytes", BYTES("user=" A255 "x\1" AUTH "\1"), NULL, NULL, BAD_LENGTH },
    { "no user", BYTES("user=\1" AUTH "\1"), NULL, NULL, BAD_LENGTH },
    { "a user with a NUL", BYTES("user=root\0x\1" AUTH "\1"), NULL, NULL, HAS_NUL },
    { "a user with a control byte", BYTES("user=a\tb\1" AUTH "\1"), NULL, NULL, BAD_TEXT },
    { "a user that is not UTF-8", BYTES("user=\377\1" AUTH "\1"), NULL, NULL, BAD_TEXT },
    { "user in capitals", BYTES("USER=a\1" AUTH "\1"), NULL, NULL, NOT_USER },
    { "user is not first", BYTES(AUTH "user=a\1\1"), NULL, NULL, NOT_USER },
    { "a blank before it", BYTES(" user=a\1" AUTH "\1"), NULL, NULL, NOT_USER },
    { "the user has no end", BYTES("user=a"), NULL, NULL, NOT_USER },
    { "only its beginning", BYTES("user"), NULL, NULL, NOT_USER },
    { "auth twice", BYTES("user=a\1" AUTH AUTH "\1"), NULL, NULL, TWICE },
    { "no auth", BYTES("user=a\1\1"), NULL, NULL, NO_AUTH },
    { "no end", BYTES("user=a\1" AUTH), NULL, NULL, NO_END },
    { "only the user", BYTES("user=a\1"), NULL, NULL, NO_END },
    { "something behind the end", BYTES("user=a\1" AUTH "\1x"), NULL, NULL, FOLLOWED },
    { "another scheme", BYTES("user=a\1auth=Basic x\1\1"), NULL, NULL, NO_BEARER },
    { "no token", BYTES("user=a\1auth=Bearer \1\1"), NULL, NULL, NO_TOKEN },
    { "no value of auth asks for the discovery", BYTES("user=a\1auth=\1\1"), "a", "", NULL },
    { "a token with a blank", BYTES("user=a\1auth=Bearer a b\1\1"), NULL, NULL, NO_TOKEN },
    { "nothing", { NULL, 0 }, NULL, NULL, NOT_USER },
    { "OAUTHBEARER's message", BYTES(MESSAGE), NULL, NULL, NOT_USER },
};

/* From memory of exactly its size, so that AddressSanitizer sees who reads on. */
static bool read_exactly(message_read *read, struct slice message, char **ret_copy, struct bearer_message *ret,
                         const char **error)
{
    char *copy = malloc(message.len > 0 ? message.len : 1);

    assert_non_null(copy);
    if (message.len > 0)
        memcpy(copy, message.bytes, message.len);
    *ret_copy = copy;
    *error = NULL;
    return read((struct slice){ message.len > 0 ? copy : NULL, message.len }, ret, error);
}

static void check_row(message_read *read, const struct row *row)
{
    struct bearer_message message;
    const char *error;
    char *copy;

    ROW(row->name);
    if (!read_exactly(read, row->message, &copy, &message, &error)) {
        assert_string_equal(error, row->error != NULL ? row->error : "(it can be read)");
    } else {
        assert_null(row->error);
        assert_int_equal(message.has_user, row->user != NULL);
        assert_string_equal(message.user, row->user != NULL ? row->user : "");
        assert_true(slice_equal_string(message.bearer, row->bearer != NULL ? row->bearer : TOKEN));
    }
    free(copy);
}

static void rule_38_an_oauthbearer_message_is_read_by_its_grammar(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(oauthbearer); i++)
        check_row(oauthbearer_read, &oauthbearer[i]);
}

static void an_xoauth2_message_is_read_by_its_grammar(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(xoauth2); i++)
        check_row(xoauth2_read, &xoauth2[i]);
}

/* Nothing that lacks its end is a message, and none is read beyond what there is. */
static void no_beginning_of_a_message_is_one(void **state)
{
    static const struct {
        message_read *read;
        struct slice message;
    } wholes[] = {
        { oauthbearer_read, BYTES(MESSAGE) },
        { oauthbearer_read, BYTES("p=tls-unique,a=a=2Cb=3D,\1x=\1" AUTH "\1") },
        { xoauth2_read, BYTES("user=alice\1" AUTH "host=h\1\1") },
    };
    struct bearer_message message;
    const char *error;
    size_t i, len;
    char *copy;

    (void)state;
    for (i = 0; i < COUNT(wholes); i++)
        for (len = 0; len <= wholes[i].message.len; len++) {
            assert_int_equal(
                read_exactly(wholes[i].read, (struct slice){ wholes[i].message.bytes, len }, &copy, &message, &error),
                len == wholes[i].message.len);
            free(copy);
        }
}

/* A message of so many bytes, filled up by its token. */
static struct slice long_message(char *room, const char *before, size_t len)
{
    size_t before_len = strlen(before);

    memcpy(room, before, before_len);
    memset(room + before_len, 'x', len - before_len - 2);
    memcpy(room + len - 2, "\1\1", 2);
    return (struct slice){ room, len };
}

static void rule_38_a_message_has_at_most_64_kib(void **state)
{
    static const struct {
        message_read *read;
        const char *before;
    } kinds[] = { { oauthbearer_read, "n,,\1auth=Bearer " }, { xoauth2_read, "user=a\1auth=Bearer " } };
    char *room = malloc(MESSAGE_MAX + 1), *copy;
    struct bearer_message message;
    const char *error;
    size_t i;

    (void)state;
    assert_non_null(room);
    for (i = 0; i < COUNT(kinds); i++) {
        ROW("65,536 bytes");
        assert_true(
            read_exactly(kinds[i].read, long_message(room, kinds[i].before, MESSAGE_MAX), &copy, &message, &error));
        free(copy);
        ROW("65,537 bytes");
        assert_false(
            read_exactly(kinds[i].read, long_message(room, kinds[i].before, MESSAGE_MAX + 1), &copy, &message, &error));
        assert_string_equal(error, TOO_LONG);
        free(copy);
    }
    free(room);
}

/* A client of ours is no worse than others. */
static enum message_written write_message(bool is_xoauth2, struct slice user, const char *host, struct slice bearer,
                                          struct secret *ret)
{
    *ret = (struct secret){ NULL, 0 };
    return is_xoauth2 ? xoauth2_write(user, bearer, ret) : oauthbearer_write(user, host, bearer, ret);
}

static const struct {
    const char *name;
    bool is_xoauth2;
    struct slice user;
    const char *host;
    struct slice bearer;
    enum message_written result;
    struct slice want;
} written[] = {
    { "RFC 7628 §4.1 without its port", false, BYTES("user@example.com"), "server.example.com", BYTES(TOKEN),
      MESSAGE_WRITTEN, BYTES("n,a=user@example.com,\1host=server.example.com\1" AUTH "\1") },
    { "nobody", false, { NULL, 0 }, "h", BYTES("x"), MESSAGE_WRITTEN, BYTES("n,,\1host=h\1auth=Bearer x\1\1") },
    { "no host", false, BYTES("a"), NULL, BYTES("x"), MESSAGE_WRITTEN, BYTES("n,a=a,\1auth=Bearer x\1\1") },
    { "an empty host", false, BYTES("a"), "", BYTES("x"), MESSAGE_WRITTEN, BYTES("n,a=a,\1auth=Bearer x\1\1") },
    { "a host", false, BYTES("a"), "h", BYTES("x"), MESSAGE_WRITTEN, BYTES("n,a=a,\1host=h\1auth=Bearer x\1\1") },
    { "a comma and an equals sign", false, BYTES("a,b=c"), NULL, BYTES("x"), MESSAGE_WRITTEN,
      BYTES("n,a=a=2Cb=3Dc,\1auth=Bearer x\1\1") },
    { "UTF-8", false, BYTES("m\303\274ller"), NULL, BYTES("x"), MESSAGE_WRITTEN,
      BYTES("n,a=m\303\274ller,\1auth=Bearer x\1\1") },
    { "255 bytes", false, BYTES(A255), NULL, BYTES("x"), MESSAGE_WRITTEN, BYTES("n,a=" A255 ",\1auth=Bearer x\1\1") },
    { "256 bytes", false, BYTES(A255 "x"), NULL, BYTES("x"), MESSAGE_USER_UNFIT, { NULL, 0 } },
    { "a user with the separator", false, BYTES("a\1b"), NULL, BYTES("x"), MESSAGE_USER_UNFIT, { NULL, 0 } },
    { "a user with a NUL", false, BYTES("a\0b"), NULL, BYTES("x"), MESSAGE_USER_UNFIT, { NULL, 0 } },
    { "a user that is not UTF-8", false, BYTES("a\377"), NULL, BYTES("x"), MESSAGE_USER_UNFIT, { NULL, 0 } },
    { "a host with the separator is left out", false, BYTES("a"), "h\1auth=Bearer y", BYTES("x"), MESSAGE_WRITTEN,
      BYTES("n,a=a,\1auth=Bearer x\1\1") },
    { "a host with a blank is left out", false, BYTES("a"), "h h", BYTES("x"), MESSAGE_WRITTEN,
      BYTES("n,a=a,\1auth=Bearer x\1\1") },
    { "no token", false, BYTES("a"), "h", { NULL, 0 }, MESSAGE_BEARER_UNFIT, { NULL, 0 } },
    { "a token with the separator", false, BYTES("a"), "h", BYTES("x\1host=y"), MESSAGE_BEARER_UNFIT, { NULL, 0 } },
    { "a token with a blank", false, BYTES("a"), "h", BYTES("x y"), MESSAGE_BEARER_UNFIT, { NULL, 0 } },
    { "a token with a line end", false, BYTES("a"), "h", BYTES("x\n"), MESSAGE_BEARER_UNFIT, { NULL, 0 } },
    { "a token with a NUL", false, BYTES("a"), "h", BYTES("x\0y"), MESSAGE_BEARER_UNFIT, { NULL, 0 } },
    { "XOAUTH2", true, BYTES("a,b=c"), NULL, BYTES("x"), MESSAGE_WRITTEN, BYTES("user=a,b=c\1auth=Bearer x\1\1") },
    { "XOAUTH2 without a user", true, { NULL, 0 }, NULL, BYTES("x"), MESSAGE_USER_UNFIT, { NULL, 0 } },
    { "XOAUTH2 for 256 bytes", true, BYTES(A255 "x"), NULL, BYTES("x"), MESSAGE_USER_UNFIT, { NULL, 0 } },
    { "XOAUTH2 for a user with the separator", true, BYTES("a\1b"), NULL, BYTES("x"), MESSAGE_USER_UNFIT, { NULL, 0 } },
    { "XOAUTH2 without a token", true, BYTES("a"), NULL, { NULL, 0 }, MESSAGE_BEARER_UNFIT, { NULL, 0 } },
    { "XOAUTH2 with a token with a blank", true, BYTES("a"), NULL, BYTES("x y"), MESSAGE_BEARER_UNFIT, { NULL, 0 } },
};

static void what_a_client_writes_a_server_reads_as_it_was_meant(void **state)
{
    struct bearer_message message;
    struct secret text;
    const char *error;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(written); i++) {
        ROW(written[i].name);
        assert_int_equal(
            write_message(written[i].is_xoauth2, written[i].user, written[i].host, written[i].bearer, &text),
            written[i].result);
        if (written[i].result != MESSAGE_WRITTEN) {
            assert_null(text.bytes);
            continue;
        }
        assert_int_equal(text.bytes[text.len], '\0');
        assert_true(slice_equal((struct slice){ text.bytes, text.len }, written[i].want));
        assert_true((written[i].is_xoauth2 ? xoauth2_read : oauthbearer_read)((struct slice){ text.bytes, text.len },
                                                                              &message, &error));
        assert_true(slice_equal(message.bearer, written[i].bearer));
        assert_true(slice_equal(slice_of(message.user), written[i].user));
        secret_clear(&text);
    }
}

/* Writing ends where reading does. */
static void a_client_writes_at_most_64_kib(void **state)
{
    static const struct {
        bool is_xoauth2;
        size_t around; /* bytes that are no token */
    } kinds[] = { { false, sizeof "n,,\1auth=Bearer \1\1" - 1 }, { true, sizeof "user=a\1auth=Bearer \1\1" - 1 } };
    char *token = malloc(MESSAGE_MAX);
    struct secret text;
    size_t i, len;

    (void)state;
    assert_non_null(token);
    memset(token, 'x', MESSAGE_MAX);
    for (i = 0; i < COUNT(kinds); i++) {
        struct slice user = kinds[i].is_xoauth2 ? LITERAL("a") : (struct slice){ NULL, 0 };

        len = MESSAGE_MAX - kinds[i].around;
        assert_int_equal(write_message(kinds[i].is_xoauth2, user, NULL, (struct slice){ token, len }, &text),
                         MESSAGE_WRITTEN);
        assert_int_equal(text.len, MESSAGE_MAX);
        secret_clear(&text);
        assert_int_equal(write_message(kinds[i].is_xoauth2, user, NULL, (struct slice){ token, len + 1 }, &text),
                         MESSAGE_TOO_LONG);
    }
    free(token);
}

static const struct {
    const char *name, *status, *scope, *discovery, *oauthbearer, *xoauth2;
} errors[] = {
    { "RFC 7628 §4.3", "invalid_token", "example_scope", "https://example.com/.well-known/openid-configuration",
      "{\"status\":\"invalid_token\",\"scope\":\"example_scope\","
      "\"openid-configuration\":\"https://example.com/.well-known/openid-configuration\"}",
      "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"example_scope\"}" },
    { "nothing is known", "invalid_token", NULL, NULL, "{\"status\":\"invalid_token\"}",
      "{\"status\":\"401\",\"schemes\":\"bearer\"}" },
    { "nothing that is empty is said", "invalid_token", "", "", "{\"status\":\"invalid_token\"}",
      "{\"status\":\"401\",\"schemes\":\"bearer\"}" },
    { "too little was allowed", "insufficient_scope", "a b", NULL,
      "{\"status\":\"insufficient_scope\",\"scope\":\"a b\"}",
      "{\"status\":\"403\",\"schemes\":\"bearer\",\"scope\":\"a b\"}" },
    { "no message of the mechanism", "invalid_request", NULL, "https://h/", //
      "{\"status\":\"invalid_request\",\"openid-configuration\":\"https://h/\"}",
      "{\"status\":\"400\",\"schemes\":\"bearer\"}" },
    { "what would need an escape is left out", "invalid_token", "a\"b", "https://h/\\",
      "{\"status\":\"invalid_token\"}", "{\"status\":\"401\",\"schemes\":\"bearer\"}" },
    { "as is what would not be ASCII", "invalid_token", "\303\274", "https://h/\n", "{\"status\":\"invalid_token\"}",
      "{\"status\":\"401\",\"schemes\":\"bearer\"}" },
};

static void rule_39_a_refusal_is_one_json_object(void **state)
{
    char text[512];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(errors); i++) {
        ROW(errors[i].name);
        assert_int_equal(oauthbearer_error(errors[i].status, errors[i].scope, errors[i].discovery, text, sizeof text),
                         strlen(errors[i].oauthbearer));
        assert_string_equal(text, errors[i].oauthbearer);
        assert_int_equal(xoauth2_error(errors[i].status, errors[i].scope, errors[i].discovery, text, sizeof text),
                         strlen(errors[i].xoauth2));
        assert_string_equal(text, errors[i].xoauth2);
    }
}

/* In memory of exactly that size. */
static void what_does_not_fit_into_a_refusal_is_left_out(void **state)
{
    static const char whole[] =
        "{\"status\":\"invalid_token\",\"scope\":\"sc\",\"openid-configuration\":\"https://h\"}";
    static const char brief[] = "{\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"sc\"}";
    size_t size, len;
    char *text;

    (void)state;
    for (size = 3; size <= sizeof whole; size++) {
        text = malloc(size);
        assert_non_null(text);
        len = oauthbearer_error("invalid_token", "sc", "https://h", text, size);
        assert_true(len < size);
        assert_int_equal(strlen(text), len);
        assert_true(text[0] == '{' && text[len - 1] == '}' && text[1] != ',');
        assert_int_equal(size == sizeof whole, strcmp(text, whole) == 0);
        len = xoauth2_error("invalid_token", "sc", NULL, text, size);
        assert_int_equal(strlen(text), len);
        assert_true(text[0] == '{' && text[len - 1] == '}' && text[1] != ',');
        assert_int_equal(size >= sizeof brief, strcmp(text, brief) == 0);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_38_an_oauthbearer_message_is_read_by_its_grammar),
        cmocka_unit_test(an_xoauth2_message_is_read_by_its_grammar),
        cmocka_unit_test(no_beginning_of_a_message_is_one),
        cmocka_unit_test(rule_38_a_message_has_at_most_64_kib),
        cmocka_unit_test(what_a_client_writes_a_server_reads_as_it_was_meant),
        cmocka_unit_test(a_client_writes_at_most_64_kib),
        cmocka_unit_test(rule_39_a_refusal_is_one_json_object),
        cmocka_unit_test(what_does_not_fit_into_a_refusal_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
