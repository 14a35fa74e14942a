#include "tests/support/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/https_double.h"

#include "base/clock.h"
#include "tenant/http.h"

/* What can be known without a server: what is never sent, and that nobody waits for ever. Then, with one, what is sent
 * and what is taken of a reply. */

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

static struct https_double server;

/* A request to the server and its reply, which the caller clears. */
static struct http_reply exchange_with(struct http *http, struct http_request request)
{
    struct http_reply reply = { .arrived = false };

    snprintf(request.url, sizeof request.url, "https://localhost:%u/path", server.port);
    request.ca = slice_of(server.ca);
    request.timeout_ms = 5000;
    http_perform(http, &request, &reply);
    https_double_wait(&server);
    return reply;
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n"

static void what_is_sent_is_what_was_asked_for(void **state)
{
    struct http *http = http_new(1);
    struct http_reply reply;

    (void)state;
    server.reply = OK_HEAD "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    ROW("a GET");
    reply = exchange_with(http, (struct http_request){ .method = "GET" });
    assert_true(reply.arrived && reply.has_begun);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body.len, 2);
    assert_memory_equal(reply.body.bytes, "{}", 2);
    assert_string_equal(reply.content_type, "application/json");
    assert_int_equal(reply.retry_after, -1);
    http_reply_clear(&reply);
    assert_memory_equal(server.request, "GET /path HTTP/1.1\r\n", 20);
    assert_non_null(strstr(server.request, "\r\nAccept: application/json\r\n"));
    assert_null(strcasestr(server.request, "X-API-Key"));
    assert_null(strcasestr(server.request, "Authorization"));
    assert_null(strcasestr(server.request, "Cookie"));
    assert_null(strcasestr(server.request, "Accept-Encoding"));
    ROW("a POST with all that a request may have");
    reply = exchange_with(http,
                          (struct http_request){ .method = "POST",
                                                 .api_key = LITERAL("the-key"),
                                                 .bearer = LITERAL("the-token"),
                                                 .content_type = "application/json",
                                                 .body = LITERAL("{\"a\":1}"),
                                                 .etag = "\"e\"",
                                                 .last_modified = "yesterday" });
    assert_true(reply.arrived);
    http_reply_clear(&reply);
    assert_memory_equal(server.request, "POST /path HTTP/1.1\r\n", 21);
    assert_non_null(strstr(server.request, "\r\nX-API-Key: the-key\r\n"));
    assert_non_null(strstr(server.request, "\r\nAuthorization: Bearer the-token\r\n"));
    assert_non_null(strstr(server.request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(server.request, "\r\nIf-None-Match: \"e\"\r\n"));
    assert_non_null(strstr(server.request, "\r\nIf-Modified-Since: yesterday\r\n"));
    assert_non_null(strstr(server.request, "\r\n\r\n{\"a\":1}"));
    ROW("a POST without a body");
    reply = exchange_with(http, (struct http_request){ .method = "POST" });
    assert_true(reply.arrived);
    http_reply_clear(&reply);
    assert_non_null(strstr(server.request, "\r\nContent-Length: 0\r\n"));
    http_free(&http);
}

static void a_credential_has_a_limit(void **state)
{
    static const struct {
        const char *name;
        size_t len;
        bool is_sent;
    } cases[] = {
        { "as long as a token may be", 16384, true },
        { "the longest", 20000 - sizeof "Authorization: Bearer ", true },
        { "one byte more", 20000 - sizeof "Authorization: Bearer " + 1, false },
    };
    static char token[32768];
    struct http *http = http_new(1);
    size_t i;

    (void)state;
    memset(token, 'x', sizeof token);
    server.reply = OK_HEAD "Content-Length: 0\r\n\r\n";
    for (i = 0; i < COUNT(cases); i++) {
        struct http_reply reply;
        const unsigned before = server.requests;

        ROW(cases[i].name);
        reply = exchange_with(http, (struct http_request){ .method = "GET", .bearer = { token, cases[i].len } });
        assert_int_equal(reply.arrived, cases[i].is_sent);
        assert_int_equal(server.requests - before, cases[i].is_sent);
        http_reply_clear(&reply);
    }
    http_free(&http);
}

static void rule_27_a_reply_has_a_limit(void **state)
{
    static const struct {
        const char *name;
        size_t body_max, len; /* body_max 0: the usual limit */
        bool arrives;
    } cases[] = {
        { "none", 0, 0, true },
        { "one byte", 0, 1, true },
        { "as much as fits at first", 0, 4096, true },
        { "one more", 0, 4097, true },
        { "the longest", 0, 65536, true },
        { "one byte more", 0, 65537, false },
        { "many more", 0, 200000, false },
        { "a limit of the request's", 10, 10, true },
        { "one byte more than that", 10, 11, false },
        { "a larger limit of the request's", 1 << 20, 1 << 20, true },
        { "one byte more than the larger one", 1 << 20, (1 << 20) + 1, false },
    };
    struct http *http = http_new(1);
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        char head[] = OK_HEAD "\r\n"; /* the body ends with the connection */
        char *text = malloc(sizeof head + cases[i].len);
        struct http_reply reply;

        ROW(cases[i].name);
        memcpy(text, head, sizeof head - 1);
        for (j = 0; j < cases[i].len; j++)
            text[sizeof head - 1 + j] = (char)('a' + j % 23);
        server.reply = text;
        server.reply_len = sizeof head - 1 + cases[i].len;
        reply = exchange_with(http, (struct http_request){ .method = "GET", .body_max = cases[i].body_max });
        assert_int_equal(reply.arrived, cases[i].arrives);
        if (cases[i].arrives) {
            assert_int_equal(reply.body.len, cases[i].len);
            for (j = 0; j < cases[i].len; j++)
                assert_int_equal(reply.body.bytes[j], 'a' + j % 23);
        } else {
            assert_memory_equal(reply.error, "the reply is longer than ", 25);
        }
        http_reply_clear(&reply);
        server.reply_len = 0;
        free(text);
    }
    http_free(&http);
}

static void headers_of_a_reply_are_kept_within_limits(void **state)
{
    static const struct {
        const char *name, *headers, *etag;
        int retry_after;
    } cases[] = {
        { "none", "", "", -1 },
        { "an ETag", "ETag: \"e\"\r\n", "\"e\"", -1 },
        { "one with a control byte", "ETag: a\tb\r\n", "", -1 },
        { "seconds", "Retry-After: 7\r\n", "", 7 },
        { "no seconds", "Retry-After: 0\r\n", "", 0 },
        { "with a nine", "Retry-After: 99\r\n", "", 99 },
        { "a day", "Retry-After: 86400\r\n", "", 86400 },
        { "less", "Retry-After: 86399\r\n", "", 86399 },
        { "more is a day", "Retry-After: 86401\r\n", "", 86400 },
        { "more than any number", "Retry-After: 99999999999999999999\r\n", "", 86400 },
        { "a date", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n", "", -1 },
        { "a number and more", "Retry-After: 7 s\r\n", "", -1 },
        { "less than nothing", "Retry-After: -7\r\n", "", -1 },
        { "an odd sign", "Retry-After: +7\r\n", "", -1 },
        { "an empty one", "Retry-After:\r\n", "", -1 },
    };
    struct http *http = http_new(1);
    char text[1024], etag[300];
    struct http_reply reply;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        snprintf(text, sizeof text, OK_HEAD "%sContent-Length: 0\r\n\r\n", cases[i].headers);
        server.reply = text;
        reply = exchange_with(http, (struct http_request){ .method = "GET" });
        assert_true(reply.arrived);
        assert_string_equal(reply.etag, cases[i].etag);
        assert_int_equal(reply.retry_after, cases[i].retry_after);
        http_reply_clear(&reply);
    }
    for (i = HTTP_HEADER_MAX - 1; i <= HTTP_HEADER_MAX; i++) {
        ROW(i < HTTP_HEADER_MAX ? "the longest value" : "a longer one is left out");
        memset(etag, 'e', i);
        etag[i] = '\0';
        snprintf(text, sizeof text, OK_HEAD "ETag: %s\r\nContent-Length: 0\r\n\r\n", etag);
        server.reply = text;
        reply = exchange_with(http, (struct http_request){ .method = "GET" });
        assert_string_equal(reply.etag, i < HTTP_HEADER_MAX ? etag : "");
        http_reply_clear(&reply);
    }
    http_free(&http);
}

static void rule_27_what_is_not_followed_and_not_trusted(void **state)
{
    struct http *http = http_new(1);
    struct http_request request = { .method = "GET", .timeout_ms = 5000 };
    struct http_reply reply;
    unsigned before;
    char text[256];

    (void)state;
    ROW("a redirect");
    snprintf(text, sizeof text,
             "HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: https://localhost:%u/other\r\n"
             "Content-Length: 0\r\n\r\n",
             server.port);
    server.reply = text;
    before = server.requests;
    reply = exchange_with(http, request);
    assert_true(reply.arrived);
    assert_int_equal(reply.status, 302);
    assert_int_equal(server.requests, before + 1);
    http_reply_clear(&reply);
    ROW("an authority that the request does not name");
    snprintf(request.url, sizeof request.url, "https://localhost:%u/path", server.port);
    before = server.requests;
    http_perform(http, &request, &reply);
    https_double_wait(&server);
    assert_false(reply.arrived);
    assert_true(reply.has_begun);
    assert_true(reply.error[0] != '\0');
    assert_int_equal(server.requests, before);
    http_reply_clear(&reply);
    ROW("another name than that of the certificate");
    snprintf(request.url, sizeof request.url, "https://127.0.0.2:%u/path", server.port);
    request.ca = slice_of(server.ca);
    http_perform(http, &request, &reply);
    assert_false(reply.arrived);
    assert_int_equal(server.requests, before);
    http_reply_clear(&reply);
    http_free(&http);
}

static int set_up(void **state)
{
    (void)state;
    https_double_start(&server);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    https_double_stop(&server);
    return 0;
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
        cmocka_unit_test(what_is_sent_is_what_was_asked_for),
        cmocka_unit_test(a_credential_has_a_limit),
        cmocka_unit_test(rule_27_a_reply_has_a_limit),
        cmocka_unit_test(headers_of_a_reply_are_kept_within_limits),
        cmocka_unit_test(rule_27_what_is_not_followed_and_not_trusted),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
