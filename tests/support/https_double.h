/*
 * A tenant service for unit tests of http.c: a thread that speaks TLS with a certificate of its own for localhost,
 * keeps the head and the body of the last request, and sends the reply that the test wrote, byte for byte.
 */
#ifndef LATCHKEY_HTTPS_DOUBLE_H
#define LATCHKEY_HTTPS_DOUBLE_H

#include "tests/support/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct https_double {
    int listener;
    unsigned port;
    pthread_t thread;
    pthread_mutex_t busy; /* held while a connection is served */
    SSL_CTX *context;
    char ca[4096]; /* PEM: its own certificate */
    /* Of the last request, whole. */
    char request[65536];
    size_t request_len;
    unsigned requests, connections;
    /* What it is answered, whole; after it the connection ends. */
    const char *reply;
    size_t reply_len; /* 0: that of the C string */
};

static inline X509 *https_double_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(certificate, key, EVP_sha256());
    return certificate;
}

/* A request whose head ends, and whose body is as long as that says. */
static inline bool https_double_is_whole(const struct https_double *server)
{
    const char *end = strstr(server->request, "\r\n\r\n"), *length = strcasestr(server->request, "\r\nContent-Length:");

    return end != NULL
        && (length == NULL || length > end
            || server->request_len >= (size_t)(end + 4 - server->request) + strtoul(length + 17, NULL, 10));
}

static void *https_double_serve(void *context)
{
    struct https_double *server = context;
    int fd, got;

    while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
        SSL *tls;

        pthread_mutex_lock(&server->busy);
        tls = SSL_new(server->context);
        server->connections++;
        SSL_set_fd(tls, fd);
        if (SSL_accept(tls) == 1) {
            server->request_len = 0;
            server->request[0] = '\0';
            while (!https_double_is_whole(server)
                   && (got = SSL_read(tls, server->request + server->request_len,
                                      (int)(sizeof server->request - server->request_len - 1)))
                       > 0) {
                server->request_len += (size_t)got;
                server->request[server->request_len] = '\0';
            }
            server->requests++;
            SSL_write(tls, server->reply, (int)(server->reply_len > 0 ? server->reply_len : strlen(server->reply)));
            SSL_shutdown(tls);
        }
        SSL_free(tls);
        close(fd);
        pthread_mutex_unlock(&server->busy);
    }
    return NULL;
}

/* Until it has served a client that has got as far as TLS: the client may have left in the middle of the reply. */
static inline void https_double_wait(struct https_double *server)
{
    pthread_mutex_lock(&server->busy);
    pthread_mutex_unlock(&server->busy);
}

static inline void https_double_start(struct https_double *server)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof address;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = https_double_certificate(key);
    BIO *text = BIO_new(BIO_s_mem());
    int read;

    *server = (struct https_double){ .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .reply = "" };
    pthread_mutex_init(&server->busy, NULL);
    signal(SIGPIPE, SIG_IGN); /* of a client that leaves in the middle of the reply */
    PEM_write_bio_X509(text, certificate);
    read = BIO_read(text, server->ca, sizeof server->ca - 1);
    assert_true(read > 0);
    BIO_free(text);
    server->context = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(server->context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server->context, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    assert_int_equal(bind(server->listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, https_double_serve, server), 0);
}

static inline void https_double_stop(struct https_double *server)
{
    shutdown(server->listener, SHUT_RDWR); /* which ends accept() */
    pthread_join(server->thread, NULL);
    close(server->listener);
    pthread_mutex_destroy(&server->busy);
    SSL_CTX_free(server->context);
}

#endif
