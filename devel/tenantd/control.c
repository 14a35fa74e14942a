#include "devel/tenantd/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/text.h"
#include "devel/tenantd/files.h"
#include "devel/tenantd/members.h"

#define COMMAND_MAX 4096 /* bytes */
#define BACKLOG     16

/* The reply of a command: an object that already holds "ok", to be added to; or an error. */
struct answer {
    struct json *body;
    char error[FAULTS_ERROR_MAX]; /* empty: none */
};

static void fail(struct answer *answer, const char *error)
{
    snprintf(answer->error, sizeof answer->error, "%s", error);
}

static void command_fault(struct service *service, struct slice words, struct answer *answer)
{
    faults_plan(&service->faults, words, answer->error);
}

static void command_clear(struct service *service, struct slice words, struct answer *answer)
{
    struct slice endpoint = { NULL, 0 };

    next_word(&words, &endpoint);
    if (!faults_clear(&service->faults, endpoint))
        fail(answer, "there is no such endpoint");
}

static void command_rotate(struct service *service, struct slice words, struct answer *answer)
{
    struct keyring *keyring = &service->state->keyring;
    struct slice word = { NULL, 0 };

    if (next_word(&words, &word) && !slice_equal_string(word, "drop"))
        fail(answer, "rotate takes \"drop\" or nothing");
    else if (!keyring_rotate(keyring, keyring->current.alg, word.len == 0, (int64_t)time(NULL))
             || !state_save(service->state))
        fail(answer, "the new key cannot be made or kept");
    else if (!json_add_text(answer->body, "kid", keyring->current.kid))
        fail(answer, json_error_text(JSON_OUT_OF_MEMORY));
}

static void command_stats(struct service *service, struct slice words, struct answer *answer)
{
    const struct counters *counters = &service->counters;
    struct json *requests = json_new_object();
    bool ok = requests != NULL;
    size_t i;

    (void)words;
    for (i = ENDPOINT_CONNECTION + 1; ok && i < ENDPOINT_COUNT; i++)
        ok = json_add(requests, endpoint_name((enum endpoint)i), json_new_integer((int64_t)counters->requests[i]));
    if (!json_add(answer->body, "requests", requests) || !ok
        || !json_add(answer->body, "connections", json_new_integer((int64_t)counters->connections))
        || !json_add(answer->body, "sessions", json_new_integer((int64_t)counters->sessions)))
        fail(answer, json_error_text(JSON_OUT_OF_MEMORY));
}

static void command_last(struct service *service, struct slice words, struct answer *answer)
{
    struct slice word = { NULL, 0 };
    enum endpoint endpoint;
    struct json **last;

    next_word(&words, &word);
    if (!endpoint_find(word, &endpoint) || endpoint == ENDPOINT_CONNECTION) {
        fail(answer, "there is no such endpoint");
        return;
    }
    last = &service->counters.last[endpoint];
    if (!json_add(answer->body, "request", *last != NULL ? *last : json_new_null()))
        fail(answer, json_error_text(JSON_OUT_OF_MEMORY));
    *last = NULL; /* the answer owns it now */
}

static void set_enabled(struct service *service, struct slice words, struct answer *answer, bool enabled)
{
    struct slice word = { NULL, 0 };
    struct user *user;

    next_word(&words, &word);
    user = state_user(service->state, word);
    if (user == NULL) {
        fail(answer, "there is no such user");
        return;
    }
    user->enabled = enabled;
    if (!state_save(service->state))
        fail(answer, "the state cannot be written");
}

static void command_enable(struct service *service, struct slice words, struct answer *answer)
{
    set_enabled(service, words, answer, true);
}

static void command_disable(struct service *service, struct slice words, struct answer *answer)
{
    set_enabled(service, words, answer, false);
}

static const struct {
    const char *name;
    void (*run)(struct service *service, struct slice words, struct answer *answer);
    const char *synopsis, *meaning;
} commands[] = {
    { "fault", command_fault, "fault ENDPOINT|* FAULT [NAME=VALUE …]",
      "plan a fault for the next count= requests, or until it is cleared" },
    { "clear", command_clear, "clear [ENDPOINT|*]", "end the fault of an endpoint, or all of them" },
    { "rotate", command_rotate, "rotate [drop]",
      "sign with a new key from now on; the former one stays published until the next time, or is dropped" },
    { "stats", command_stats, "stats",
      "requests of each endpoint, TCP connections, and sessions: those that brought one" },
    { "last", command_last, "last ENDPOINT", "the last request with its headers and body, once" },
    { "disable", command_disable, "disable SUB", "shut a user out" },
    { "enable", command_enable, "enable SUB", "let the user in again" },
};
#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

void control_print_help(FILE *out)
{
    size_t i;

    fprintf(out, "Commands:\n");
    for (i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %s\n      %s\n", commands[i].synopsis, commands[i].meaning);
    fprintf(out, "Endpoints, of which * is every one but connection:\n");
    for (i = 0; i < ENDPOINT_COUNT; i++)
        fprintf(out, "  %-16s %s\n", endpoint_name((enum endpoint)i), endpoint_meaning((enum endpoint)i));
    fprintf(out, "Faults:\n");
    for (i = FAULT_NONE + 1; i < FAULT_COUNT; i++) {
        enum fault_kind kind = (enum fault_kind)i;

        fprintf(out, "  %-16s %s", fault_name(kind), fault_meaning(kind));
        if (fault_status(kind) != 0)
            fprintf(out, " (%d)", fault_status(kind));
        fprintf(out, "\n");
    }
}

/* Serving */

int control_open(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd;

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* Before listen(), so that no client connects before the mode is set. */
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && chmod(path, 0600) == 0
        && listen(fd, BACKLOG) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The first line, without its end; at most COMMAND_MAX bytes. */
static bool read_line(int fd, char *buffer, struct slice *ret_line)
{
    size_t len = 0;
    struct slice rest;
    ssize_t got = 1;

    while (len < COMMAND_MAX && got > 0) {
        got = recv(fd, buffer + len, COMMAND_MAX - len, 0);
        len += got > 0 ? (size_t)got : 0;
        *ret_line = (struct slice){ buffer, len };
        if (slice_cut(*ret_line, '\n', ret_line, &rest))
            return true;
    }
    return got == 0 && len > 0; /* the end of the line may be the end of all */
}

static void run_command(struct service *service, struct slice line, struct answer *answer)
{
    struct slice name = { NULL, 0 };
    size_t i;

    if (!text_is_line(line)) {
        fail(answer, "the command is not a line of text");
        return;
    }
    next_word(&line, &name);
    for (i = 0; i < COMMAND_COUNT && !slice_equal_string(name, commands[i].name); i++)
        ;
    if (i == COMMAND_COUNT) {
        fail(answer, "there is no such command");
        return;
    }
    pthread_mutex_lock(&service->lock);
    commands[i].run(service, line, answer);
    pthread_mutex_unlock(&service->lock);
}

static struct json *error_json(const char *error)
{
    struct json *body = json_new_object();

    if (body != NULL && (!json_add(body, "ok", json_new_boolean(false)) || !json_add_text(body, "error", error)))
        json_free(&body);
    return body;
}

static bool send_all(int fd, struct slice text)
{
    ssize_t sent;

    while (text.len > 0) {
        sent = send(fd, text.bytes, text.len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return false;
        if (sent > 0)
            text = (struct slice){ text.bytes + sent, text.len - (size_t)sent };
    }
    return true;
}

static void answer_client(int fd, struct service *service)
{
    struct answer answer = { .body = json_new_object() };
    char buffer[COMMAND_MAX];
    struct slice line;
    const char *text;

    if (!json_add(answer.body, "ok", json_new_boolean(true)))
        fail(&answer, json_error_text(JSON_OUT_OF_MEMORY));
    else if (read_line(fd, buffer, &line))
        run_command(service, line, &answer);
    else
        fail(&answer, "there is no command");
    if (answer.error[0] != '\0') {
        json_free(&answer.body);
        answer.body = error_json(answer.error);
    }
    while (recv(fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0) /* what is left unread would make the end a reset */
        ;
    text = json_print(answer.body, false);
    if (text != NULL && send_all(fd, slice_of(text)))
        send_all(fd, slice_of("\n"));
    json_free(&answer.body);
    secret_wipe(buffer, sizeof buffer);
}

void control_serve(int listening, struct service *service)
{
    const struct timeval second = { .tv_sec = 1 };
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second) == 0
        && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second) == 0)
        answer_client(fd, service);
    close(fd);
}

/* Telling */

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Print the reply until the other side closes; *ret_ok is set when it begins like a success. */
static bool print_reply(int fd, bool *ret_ok)
{
    static const char success[] = "{\"ok\":true";
    char buffer[COMMAND_MAX];
    ssize_t got;
    bool is_first = true;

    while ((got = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        if (is_first)
            *ret_ok = (size_t)got >= sizeof success - 1 && memcmp(buffer, success, sizeof success - 1) == 0;
        is_first = false;
        fwrite(buffer, 1, (size_t)got, stdout);
    }
    return got == 0 && !is_first && fflush(stdout) == 0;
}

bool control_tell(const char *path, const char *const *words)
{
    bool ok = true, is_success = false;
    int fd = connect_to(path);

    if (fd < 0) {
        fprintf(stderr, "tenantd: %s: %s\n", path, strerror(errno));
        return false;
    }
    for (; ok && *words != NULL; words++)
        ok = send_all(fd, slice_of(*words)) && send_all(fd, slice_of(words[1] != NULL ? " " : "\n"));
    ok = ok && print_reply(fd, &is_success);
    if (!ok)
        fprintf(stderr, "tenantd: %s: no answer\n", path);
    close(fd);
    return ok && is_success;
}
