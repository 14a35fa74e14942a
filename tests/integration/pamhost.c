/*
 * A PAM application for tests: runs the calls that it is told to, answers prompts well or badly, and prints what
 * happened, one NAME=VALUE a line. Return codes are printed as numbers (security/_pam_types.h).
 *
 *   pamhost [-u USER] [-r RHOST] [-c CALL,CALL,…] [-m MODE] [-n CYCLES] [-s] SERVICE < answers
 *
 * Calls: authenticate, account, setcred, chauthtok. -s sets PAM_SILENT. Modes of the conversation:
 *   lines    each prompt gets the next line of standard input, and PAM_CONV_ERR when there is none
 *   repeat   each prompt gets the first line
 *   drip     the first prompt gets the first line, each further one a single byte for ever
 *   null     PAM_SUCCESS without a reply
 *   empty    a reply without a text
 *   refuse   PAM_CONV_ERR
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <security/pam_appl.h>

#define WARM_UP 20 /* cycles until lazily made things are there */

struct talk {
    const char *mode;
    char **lines;
    size_t line_count;
    size_t asked;
};

static char *answer(struct talk *talk)
{
    size_t i = talk->asked++;

    if (strcmp(talk->mode, "lines") == 0)
        return i < talk->line_count ? strdup(talk->lines[i]) : NULL;
    if (strcmp(talk->mode, "repeat") == 0)
        return strdup(talk->lines[0]);
    return strdup(i == 0 ? talk->lines[0] : "A");
}

static int reply(struct talk *talk, const struct pam_message *message, struct pam_response *response)
{
    if (message->msg_style == PAM_ERROR_MSG || message->msg_style == PAM_TEXT_INFO) {
        printf("%s=%s\n", message->msg_style == PAM_ERROR_MSG ? "error" : "info", message->msg);
        return PAM_SUCCESS;
    }
    printf("prompt=%s\n", message->msg);
    if (strcmp(talk->mode, "empty") == 0)
        return PAM_SUCCESS;
    if (strcmp(talk->mode, "refuse") == 0)
        return PAM_CONV_ERR;
    response->resp = answer(talk);
    return response->resp != NULL ? PAM_SUCCESS : PAM_CONV_ERR;
}

static int converse(int count, const struct pam_message **messages, struct pam_response **ret_responses, void *data)
{
    struct talk *talk = data;
    struct pam_response *responses = calloc((size_t)count, sizeof *responses);
    int i, error = responses != NULL ? PAM_SUCCESS : PAM_BUF_ERR;

    for (i = 0; i < count && error == PAM_SUCCESS; i++)
        error = reply(talk, messages[i], &responses[i]);
    if (error == PAM_SUCCESS && strcmp(talk->mode, "null") != 0) {
        *ret_responses = responses;
        return PAM_SUCCESS;
    }
    for (i = 0; responses != NULL && i < count; i++)
        free(responses[i].resp);
    free(responses);
    *ret_responses = NULL;
    return error;
}

static void call(pam_handle_t *pamh, const char *name, int flags)
{
    static const struct {
        const char *name;
        int (*call)(pam_handle_t *, int);
        int flags;
    } calls[] = {
        { "authenticate", pam_authenticate, 0 },
        { "account", pam_acct_mgmt, 0 },
        { "setcred", pam_setcred, PAM_ESTABLISH_CRED },
        { "chauthtok", pam_chauthtok, 0 },
    };
    size_t i;

    for (i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strcmp(calls[i].name, name) == 0) {
            printf("%s=%d\n", name, calls[i].call(pamh, calls[i].flags | flags));
            return;
        }
    fprintf(stderr, "no call \"%s\"\n", name);
    exit(2);
}

static void print_state(pam_handle_t *pamh)
{
    const void *user = NULL;
    char **env = pam_getenvlist(pamh);
    size_t i;

    pam_get_item(pamh, PAM_USER, &user);
    printf("user=%s\n", user != NULL ? (const char *)user : "");
    for (i = 0; env != NULL && env[i] != NULL; i++) {
        printf("env=%s\n", env[i]);
        free(env[i]);
    }
    free(env);
}

static void print_use(const char *when)
{
    DIR *directory = opendir("/proc/self/fd");
    int descriptors = -1; /* the directory's own */

    while (readdir(directory) != NULL)
        descriptors++;
    closedir(directory);
    printf("%s_descriptors=%d\n%s_heap=%zu\n", when, descriptors, when, mallinfo2().uordblks);
}

static void read_lines(struct talk *talk)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    talk->lines = calloc(1024, sizeof *talk->lines);
    while (talk->line_count < 1024 && (len = getline(&line, &size, stdin)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        talk->lines[talk->line_count++] = strdup(line);
    }
    free(line);
}

static void free_lines(struct talk *talk)
{
    size_t i;

    for (i = 0; i < talk->line_count; i++)
        free(talk->lines[i]);
    free(talk->lines);
}

int main(int argc, char **argv)
{
    const char *user = NULL, *rhost = NULL, *calls = "authenticate";
    struct talk talk = { .mode = "lines" };
    struct pam_conv conversation = { converse, &talk };
    int option, flags = 0, cycles = 1, i;

    while ((option = getopt(argc, argv, "u:r:c:m:n:s")) != -1) {
        if (option == 'u')
            user = optarg;
        else if (option == 'r')
            rhost = optarg;
        else if (option == 'c')
            calls = optarg;
        else if (option == 'm')
            talk.mode = optarg;
        else if (option == 'n')
            cycles = atoi(optarg);
        else if (option == 's')
            flags = PAM_SILENT;
        else
            return 2;
    }
    if (optind + 1 != argc)
        return 2;
    read_lines(&talk);
    for (i = 0; i < cycles; i++) {
        pam_handle_t *pamh = NULL;
        char *list = strdup(calls), *rest = list, *name;

        talk.asked = 0;
        if (pam_start(argv[optind], user, &conversation, &pamh) != PAM_SUCCESS)
            return 2;
        if (rhost != NULL)
            pam_set_item(pamh, PAM_RHOST, rhost);
        while ((name = strsep(&rest, ",")) != NULL)
            call(pamh, name, flags);
        print_state(pamh);
        pam_end(pamh, PAM_SUCCESS);
        free(list);
        if (i + 1 == WARM_UP)
            print_use("warm");
    }
    print_use("end");
    free_lines(&talk);
    return 0;
}
