#include "devel/tenantd/certificates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/trusted_file.h"
#include "devel/tenantd/files.h"

#define DAY        (24L * 60 * 60) /* s */
#define LIFETIME   (825 * DAY)     /* s: what browsers take at most */
#define PEM_MAX    65536           /* bytes */
#define OTHER_HOST "DNS:elsewhere.example.com"
#define THIS_HOST  "DNS:localhost,IP:127.0.0.1,IP:::1"

static const struct {
    const char *name, *meaning;
} kinds[] = {
#define X(id, name, meaning) [id] = { name, meaning },
    CERTIFICATES(X)
#undef X
};

bool certificate_kind_find(struct slice name, enum certificate_kind *ret_kind)
{
    size_t i;

    for (i = 0; i < CERTIFICATE_COUNT; i++)
        if (slice_equal_string(name, kinds[i].name)) {
            *ret_kind = (enum certificate_kind)i;
            return true;
        }
    return false;
}

const char *certificate_name(enum certificate_kind kind)
{
    return kinds[kind].name;
}

const char *certificate_meaning(enum certificate_kind kind)
{
    return kinds[kind].meaning;
}

struct authority {
    X509 *certificate;
    EVP_PKEY *key;
};

static void authority_clear(struct authority *authority)
{
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
    *authority = (struct authority){ NULL, NULL };
}

static void certificate_free(X509 **certificate)
{
    X509_free(*certificate);
}

static void key_free(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX context;
    bool ok;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ok = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

/* Two certificates of one authority with one serial number would be the same to some clients (RFC 5280 §4.1.2.2). */
static bool set_serial(X509 *certificate)
{
    unsigned char bytes[8];
    uint64_t serial;

    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    memcpy(&serial, bytes, sizeof serial);
    return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1;
}

/* A certificate for `key`, not signed yet; valid from `start` until `end`, in s from now. */
static X509 *begin(EVP_PKEY *key, const char *name, long start, long end)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = certificate != NULL ? X509_get_subject_name(certificate) : NULL;
    bool ok;

    ok = subject != NULL && X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate);
    ok = ok && X509_gmtime_adj(X509_getm_notBefore(certificate), start) != NULL;
    ok = ok && X509_gmtime_adj(X509_getm_notAfter(certificate), end) != NULL;
    ok = ok && X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) == 1;
    ok = ok && X509_set_pubkey(certificate, key) == 1;
    if (ok)
        return certificate;
    X509_free(certificate);
    return NULL;
}

/* Rows of extensions: their number and their value as in openssl.cnf. */
struct extension {
    int nid;
    const char *value;
};

/* Name the issuer, add the extensions, and sign. */
static bool complete(X509 *certificate, X509 *issuer, EVP_PKEY *issuer_key, const struct extension *extensions,
                     size_t count)
{
    size_t i;

    if (X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) != 1)
        return false;
    for (i = 0; i < count; i++)
        if (!add_extension(certificate, issuer, extensions[i].nid, extensions[i].value))
            return false;
    return X509_sign(certificate, issuer_key, EVP_sha256()) > 0;
}

static bool make_authority(struct authority *authority)
{
    static const struct extension extensions[] = {
        { NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
        { NID_key_usage, "critical,keyCertSign,cRLSign" },
        { NID_subject_key_identifier, "hash" },
    };
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *certificate = key != NULL ? begin(key, "tenantd's own authority", -2 * DAY, 10 * LIFETIME) : NULL;

    *authority = (struct authority){ certificate, key };
    return certificate != NULL
        && complete(certificate, certificate, key, extensions, sizeof extensions / sizeof extensions[0]);
}

/* What a BIO has gathered; malloc'ed C string. */
static char *text_of(BIO *bio)
{
    char *bytes;
    long len = BIO_get_mem_data(bio, &bytes);

    return len > 0 ? strndup(bytes, (size_t)len) : NULL;
}

static char *certificate_text(X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = bio != NULL && PEM_write_bio_X509(bio, certificate) == 1 ? text_of(bio) : NULL;

    BIO_free(bio);
    return text;
}

static char *key_text(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text =
        bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 ? text_of(bio) : NULL;

    BIO_free(bio);
    return text;
}

static bool write_authority(const struct authority *authority, const char *certificate_path, const char *key_path)
{
    CLEANUP(text_free) char *certificate = certificate_text(authority->certificate);
    CLEANUP(text_free) char *key = key_text(authority->key);

    /* The certificate last: with it, the authority is there. */
    return certificate != NULL && key != NULL && replace_file(key_path, 0600, slice_of(key))
        && replace_file(certificate_path, 0644, slice_of(certificate));
}

static BIO *read_pem(const char *path, enum trusted_file_kind kind, struct secret *text)
{
    struct file_error error;
    struct file_stamp stamp;

    return trusted_file_read(path, kind, NULL, PEM_MAX, text, &stamp, &error)
        ? BIO_new_mem_buf(text->bytes, (int)text->len)
        : NULL;
}

static bool read_authority(struct authority *authority, const char *certificate_path, const char *key_path)
{
    CLEANUP(secret_clear) struct secret certificate_pem = { NULL, 0 }, key_pem = { NULL, 0 };
    BIO *certificate = read_pem(certificate_path, TRUSTED_PUBLIC, &certificate_pem);
    BIO *key = read_pem(key_path, TRUSTED_SECRET, &key_pem);

    if (certificate != NULL && key != NULL) {
        authority->certificate = PEM_read_bio_X509(certificate, NULL, NULL, NULL);
        authority->key = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
    }
    BIO_free(certificate);
    BIO_free(key);
    return authority->certificate != NULL && authority->key != NULL
        && X509_check_private_key(authority->certificate, authority->key) == 1;
}

static bool open_authority(const char *directory, struct authority *authority)
{
    CLEANUP(text_free) char *certificate_path = path_in(directory, "ca.pem");
    CLEANUP(text_free) char *key_path = path_in(directory, "ca.key");

    if (certificate_path == NULL || key_path == NULL)
        return false;
    if (access(certificate_path, F_OK) != 0 && errno == ENOENT)
        return make_authority(authority) && write_authority(authority, certificate_path, key_path);
    return read_authority(authority, certificate_path, key_path);
}

static bool make_server(const struct authority *authority, enum certificate_kind kind, X509 *certificate)
{
    const struct extension extensions[] = {
        { NID_basic_constraints, "critical,CA:FALSE" },
        { NID_key_usage, "critical,digitalSignature" },
        { NID_ext_key_usage, "serverAuth" },
        { NID_subject_alt_name, kind == CERTIFICATE_WRONG_NAME ? OTHER_HOST : THIS_HOST },
        { NID_authority_key_identifier, "keyid" },
    };

    return complete(certificate, authority->certificate, authority->key, extensions,
                    sizeof extensions / sizeof extensions[0]);
}

bool certificates_make(const char *directory, enum certificate_kind kind, char **ret_certificate, char **ret_key)
{
    CLEANUP(authority_clear) struct authority known = { NULL, NULL }, unknown = { NULL, NULL };
    CLEANUP(key_free) EVP_PKEY *key = NULL;
    CLEANUP(certificate_free) X509 *certificate = NULL;
    long end = kind == CERTIFICATE_EXPIRED ? -DAY : LIFETIME;
    char *text;

    errno = 0;
    if (!open_authority(directory, &known) || (kind == CERTIFICATE_UNTRUSTED && !make_authority(&unknown)))
        return false;
    key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    certificate = key != NULL ? begin(key, "tenantd", -2 * DAY, end) : NULL;
    if (certificate == NULL || !make_server(kind == CERTIFICATE_UNTRUSTED ? &unknown : &known, kind, certificate))
        return false;
    text = certificate_text(certificate);
    *ret_key = text != NULL ? key_text(key) : NULL;
    if (*ret_key == NULL) {
        free(text);
        return false;
    }
    *ret_certificate = text;
    return true;
}
