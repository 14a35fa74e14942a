/*
 * A latchkeyd for unit tests that latchkeyd_spawn() starts: what it does is its name, the last part of argv[0]. It
 * takes the one question, writes what it finds itself to be into argv[0].report, and answers.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MAX 65536 /* LATCHKEYD_MESSAGE_MAX */

/* The two that glibc keeps for itself, and lets every child of posix_spawn(3) ignore. */
#define INTERNAL_SIGNALS 0x180000000ULL

static const char token[] = "{\"answer\":\"ok\",\"token\":\"of.the.child\"}",
                  refusal[] = "{\"answer\":\"credential_refused\",\"detail\":\"status 401\"}";

/* A line of /proc/self/status whose value is a mask of signals. */
static void report_mask(FILE *report, const char *name)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];

    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            fprintf(report, "%s%llx\n", name, strtoull(line + strlen(name), NULL, 16) & ~INTERNAL_SIGNALS);
    if (status != NULL)
        fclose(status);
}

/* The numbers that are open, and what they lead to. */
static void report_descriptors(FILE *report)
{
    char path[64], target[256];
    int fd;

    for (fd = 0; fd < 1024; fd++) {
        ssize_t len;

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        len = readlink(path, target, sizeof target - 1);
        if (len < 0 || fd == fileno(report))
            continue;
        target[len] = '\0';
        target[strcspn(target, ":")] = '\0'; /* "socket:[4711]" */
        fprintf(report, "%d %s\n", fd, target);
    }
}

static void write_report(int argc, char **argv)
{
    char path[256], temporary[272];
    FILE *report;
    int i, variables = 0;

    while (environ != NULL && environ[variables] != NULL)
        variables++;
    snprintf(path, sizeof path, "%s.report", argv[0]);
    snprintf(temporary, sizeof temporary, "%s.new", path);
    report = fopen(temporary, "we");
    if (report == NULL)
        return;
    for (i = 1; i < argc; i++)
        fprintf(report, "%s\n", argv[i]);
    fprintf(report, "variables %d\n", variables);
    fprintf(report, "session %s\n", getsid(0) == getpid() ? "own" : "shared");
    report_mask(report, "SigBlk:");
    report_mask(report, "SigIgn:");
    report_descriptors(report);
    fclose(report);
    rename(temporary, path);
}

static void receive_question(void)
{
    struct pollfd asking = { .fd = STDIN_FILENO, .events = POLLIN };
    char question[MESSAGE_MAX];

    if (poll(&asking, 1, 10000) != 1 || recv(STDIN_FILENO, question, sizeof question, 0) <= 0)
        _exit(1);
}

static void answer(const char *text, size_t len)
{
    if (send(STDIN_FILENO, text, len, MSG_NOSIGNAL) < 0)
        _exit(1);
}

/* Blanks behind an answer are JSON; one byte more than any message is none of ours. */
static void answer_too_long(void)
{
    char text[MESSAGE_MAX + 1];

    memset(text, ' ', sizeof text);
    memcpy(text, token, sizeof token - 1);
    answer(text, sizeof text);
}

static void wait_for_the_end(void)
{
    struct pollfd asking = { .fd = STDIN_FILENO };

    poll(&asking, 1, 10000);
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];

    if (strcmp(name, "exits") == 0)
        _exit(0);
    receive_question();
    write_report(argc, argv);
    if (strcmp(name, "answers") == 0)
        answer(token, sizeof token - 1);
    else if (strcmp(name, "refuses") == 0)
        answer(refusal, sizeof refusal - 1);
    else if (strcmp(name, "babbles") == 0)
        answer("hello", 5);
    else if (strcmp(name, "long") == 0)
        answer_too_long();
    else if (strcmp(name, "killed") == 0)
        raise(SIGKILL);
    if (strcmp(name, "silent") == 0)
        wait_for_the_end();
    if (strcmp(name, "stays") == 0) /* whoever asked is gone, and it does not mind */
        sleep(10);
    _exit(0);
}
