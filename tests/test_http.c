#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "http.h"

/* What can be known without a server: what is never sent, and that nobody waits for ever. */

/* A listener on the loopback interface that accepts and never says a word; its port. */
static int listen_silently(unsigned *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* How many came to the listener. */
static unsigned visitors(int listener)
{
    unsigned count = 0;
    int fd;

    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        close(fd);
        count++;
    }
    return count;
}

/* Of an address with the port in its middle. */
static struct http_request request_to(const char *before, unsigned port, const char *after)
{
    struct http_request request = { .method = "GET", .timeout_ms = 600, .api_key = { "the-key", 7 } };

    snprintf(request.url, sizeof request.url, "%s%u%s", before, port, after);
    return request;
}

static void rule_27_https_only(void **state)
{
    static const struct {
        const char *name, *before, *after;
    } cases[] = {
        { "http", "http://127.0.0.1:", "/" },
        { "no scheme, which some take for http", "127.0.0.1:", "/" },
        { "ftp", "ftp://127.0.0.1:", "/" },
        { "gopher, with which one says anything to anybody", "gopher://127.0.0.1:", "/_GET" },
        { "telnet", "telnet://127.0.0.1:", "/" },
        { "a file", "file:///etc/passwd?", "" },
        { "no address at all", "https://?", "" },
    };
    struct http *http = http_new(4);
    unsigned port;
    int listener = listen_silently(&port);
    size_t i;

    (void)state;
    assert_non_null(http);
    for (i = 0; i < COUNT(cases); i++) {
        struct http_request request = request_to(cases[i].before, port, cases[i].after);
        struct http_reply reply;

        ROW(cases[i].name);
        http_perform(http, &request, &reply);
        assert_false(reply.arrived);
        assert_int_not_equal(strlen(reply.error), 0);
        assert_int_equal(reply.status, 0);
        assert_int_equal(reply.body.len, 0);
        http_reply_clear(&reply);
    }
    ROW("and nobody was visited");
    assert_int_equal(visitors(listener), 0);
    close(listener);
    http_free(&http);
    assert_null(http);
    http_free(&http);
}

static void rule_27_nothing_from_the_environment(void **state)
{
    static const char *const names[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy" };
    struct http *http;
    struct http_request request;
    struct http_reply reply;
    char url[64];
    unsigned proxy_port, port;
    int proxy = listen_silently(&proxy_port), listener = listen_silently(&port);
    size_t i;

    (void)state;
    snprintf(url, sizeof url, "http://127.0.0.1:%u", proxy_port);
    for (i = 0; i < COUNT(names); i++)
        setenv(names[i], url, 1);
    setenv("SSLKEYLOGFILE", "/nowhere/keys", 1);
    http = http_new(4);
    request = request_to("https://127.0.0.1:", port, "/");
    http_perform(http, &request, &reply);
    ROW("the proxy is not asked, the service is");
    assert_int_equal(visitors(proxy), 0);
    assert_int_equal(visitors(listener), 1);
    assert_null(getenv("SSLKEYLOGFILE"));
    http_reply_clear(&reply);
    http_free(&http);
    for (i = 0; i < COUNT(names); i++)
        unsetenv(names[i]);
    close(proxy);
    close(listener);
}

static void rule_27_a_request_has_a_deadline(void **state)
{
    struct http *http = http_new(4);
    struct http_request request;
    struct http_reply reply;
    int64_t begun = clock_ms();
    unsigned port;
    int listener = listen_silently(&port);

    (void)state;
    ROW("a service that never begins TLS");
    request = request_to("https://127.0.0.1:", port, "/");
    http_perform(http, &request, &reply);
    assert_false(reply.arrived);
    assert_non_null(strstr(reply.error, "time"));
    assert_true(clock_ms() - begun >= 390 && clock_ms() - begun < 2000);
    http_reply_clear(&reply);
    close(listener);
    ROW("one that nobody listens for");
    http_perform(http, &request, &reply);
    assert_false(reply.arrived);
    assert_non_null(strstr(reply.error, "onnect"));
    http_reply_clear(&reply);
    http_free(&http);
}

static unsigned told;

static void count_reply(void *context, struct http_reply *reply)
{
    assert_ptr_equal(context, &told);
    assert_false(reply->arrived);
    assert_int_not_equal(strlen(reply->error), 0);
    told++;
}

static void whoever_waits_is_told_once(void **state)
{
    struct http *http = http_new(2);
    struct http_request request;
    unsigned port, i;
    int listener = listen_silently(&port);

    (void)state;
    told = 0;
    request = request_to("https://127.0.0.1:", port, "/");
    for (i = 0; i < 5; i++) /* more than there are connections */
        assert_true(http_start(http, &request, count_reply, &told));
    ROW("at the deadline");
    for (i = 0; i < 100 && told < 5; i++)
        assert_true(http_run(http, NULL, 0, 50));
    assert_int_equal(told, 5);
    ROW("or at the end");
    for (i = 0; i < 5; i++)
        assert_true(http_start(http, &request, count_reply, &told));
    assert_true(http_run(http, NULL, 0, 0));
    http_free(&http);
    assert_int_equal(told, 10);
    close(listener);
}

static void a_descriptor_of_the_caller_ends_the_wait(void **state)
{
    struct http *http = http_new(2);
    struct pollfd waiting[2] = { { .events = POLLIN }, { .events = POLLIN } };
    int64_t begun = clock_ms();
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    waiting[0].fd = pair[0];
    waiting[1].fd = pair[1];
    ROW("after its time, where nothing happens");
    assert_true(http_run(http, waiting, 2, 100));
    assert_int_equal(waiting[0].revents | waiting[1].revents, 0);
    assert_true(clock_ms() - begun >= 90);
    ROW("at once, where something has");
    assert_int_equal(send(pair[1], "x", 1, 0), 1);
    assert_true(http_run(http, waiting, 2, 10000));
    assert_int_equal(waiting[0].revents, POLLIN);
    assert_int_equal(waiting[1].revents, 0);
    assert_true(clock_ms() - begun < 5000);
    ROW("more than could be meant");
    assert_false(http_run(http, waiting, 4097, 0));
    assert_int_equal(errno, EINVAL);
    close(pair[0]);
    close(pair[1]);
    http_free(&http);
}

static void what_no_header_may_hold_is_not_sent(void **state)
{
    struct http *http = http_new(2);
    struct http_request request;
    char longest[20001];
    unsigned port;
    int listener = listen_silently(&port);

    (void)state;
    memset(longest, 'k', sizeof longest);
    request = request_to("https://127.0.0.1:", port, "/");
    request.api_key = (struct slice){ longest, sizeof longest };
    told = 0;
    ROW("a key that is longer than any line");
    assert_false(http_start(http, &request, count_reply, &told));
    http_free(&http);
    assert_int_equal(told, 0);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_27_https_only),
        cmocka_unit_test(rule_27_nothing_from_the_environment),
        cmocka_unit_test(rule_27_a_request_has_a_deadline),
        cmocka_unit_test(whoever_waits_is_told_once),
        cmocka_unit_test(a_descriptor_of_the_caller_ends_the_wait),
        cmocka_unit_test(what_no_header_may_hold_is_not_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
