/*
 * Logins a second at a real server: a connection, an authentication, the end, and the next.
 *
 *   bench_logins CLIENTS ldap URI simple DN FILE           FILE: what is the password; an empty one is anonymous
 *   bench_logins CLIENTS ldap URI MECHANISM NAME FILE      a mechanism of SASL, with its client side in libsasl
 *   bench_logins CLIENTS saslauthd SOCKET SERVICE NAME FILE
 *
 * Prints the number. Each client is a thread; a login that fails ends everything.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ldap.h>
#include <sasl/sasl.h>

#include "tests/bench/bench.h"

#define CLIENTS_MAX 64
#define SECONDS     1
#define REQUEST_MAX 16384

static const char *address, *way, *name;
static char password[REQUEST_MAX];
static size_t password_len;
static atomic_bool is_over;

static void die(const char *what)
{
    fprintf(stderr, "bench_logins: %s\n", what);
    exit(1);
}

/* What libsasl's client asks for. The authzid is left out. */
static int answer(LDAP *ldap, unsigned flags, void *context, void *questions)
{
    sasl_interact_t *question;

    (void)ldap, (void)flags, (void)context;
    for (question = questions; question->id != SASL_CB_LIST_END; question++) {
        question->result = question->id == SASL_CB_PASS ? password : question->id == SASL_CB_AUTHNAME ? name : "";
        question->len = (unsigned)strlen(question->result);
    }
    return LDAP_SUCCESS;
}

static void log_in_ldap(void)
{
    struct berval credential = { .bv_len = password_len, .bv_val = password };
    const int version = LDAP_VERSION3;
    LDAP *ldap;
    int code;

    if (ldap_initialize(&ldap, address) != LDAP_SUCCESS
        || ldap_set_option(ldap, LDAP_OPT_PROTOCOL_VERSION, &version) != LDAP_SUCCESS)
        die(address);
    code = strcmp(way, "simple") == 0
        ? ldap_sasl_bind_s(ldap, name, LDAP_SASL_SIMPLE, &credential, NULL, NULL, NULL)
        : ldap_sasl_interactive_bind_s(ldap, NULL, way, NULL, NULL, LDAP_SASL_QUIET, answer, NULL);
    if (code != LDAP_SUCCESS)
        die(ldap_err2string(code));
    ldap_unbind_ext_s(ldap, NULL, NULL);
}

/* A counted string of saslauthd's protocol: two bytes of length, in network order, and the bytes. */
static size_t put_counted(char *request, size_t at, const char *bytes, size_t len)
{
    if (len > UINT16_MAX || at + 2 + len > REQUEST_MAX)
        die("too long for a request");
    request[at] = (char)(len >> 8);
    request[at + 1] = (char)(len & 0xff);
    memcpy(request + at + 2, bytes, len);
    return at + 2 + len;
}

static void log_in_saslauthd(void)
{
    struct sockaddr_un socket_address = { .sun_family = AF_UNIX };
    char request[REQUEST_MAX], reply[64];
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t len = 0;
    ssize_t got;

    snprintf(socket_address.sun_path, sizeof socket_address.sun_path, "%s", address);
    len = put_counted(request, len, name, strlen(name));
    len = put_counted(request, len, password, password_len);
    len = put_counted(request, len, way, strlen(way));
    len = put_counted(request, len, "", 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&socket_address, sizeof socket_address) != 0
        || write(fd, request, len) != (ssize_t)len)
        die(address);
    /* The length, and "OK" or "NO" with a reason. */
    for (len = 0; len < 4; len += (size_t)got) {
        got = read(fd, reply + len, sizeof reply - len);
        if (got <= 0)
            die("it hung up");
    }
    if (memcmp(reply + 2, "OK", 2) != 0)
        die("it said no");
    close(fd);
}

struct client {
    void (*log_in)(void);
    unsigned long count;
};

static void *work_until_over(void *context)
{
    struct client *client = context;

    while (!atomic_load(&is_over)) {
        client->log_in();
        client->count++;
    }
    return NULL;
}

static void read_password(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t len = fd < 0 ? -1 : read(fd, password, sizeof password - 1);

    if (len < 0)
        die(path);
    close(fd);
    password_len = (size_t)len;
}

int main(int argc, char **argv)
{
    struct client clients[CLIENTS_MAX];
    pthread_t threads[CLIENTS_MAX];
    const int count = argc > 1 ? atoi(argv[1]) : 0;
    unsigned long sum = 0;
    double start;
    int i;

    if (argc != 7 || count < 1 || count > CLIENTS_MAX)
        die("usage: see the head of its source");
    address = argv[3];
    way = argv[4];
    name = argv[5];
    read_password(argv[6]);
    for (i = 0; i < count; i++)
        clients[i] = (struct client){ strcmp(argv[2], "ldap") == 0 ? log_in_ldap : log_in_saslauthd, 0 };
    clients[0].log_in(); /* what is only loaded once */
    start = bench_now_us();
    for (i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, work_until_over, &clients[i]) != 0)
            die("pthread_create");
    sleep(SECONDS);
    atomic_store(&is_over, true);
    for (i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        sum += clients[i].count;
    }
    printf("%.1f\n", (double)sum * 1e6 / (bench_now_us() - start));
    return 0;
}
