/*
 * A PAM application for tests: runs the calls that it is told to, answers prompts well or badly, and prints what
 * happened, one NAME=VALUE a line. Return codes are printed as numbers (security/_pam_types.h).
 *
 *   pamhost [-u USER] [-r RHOST] [-t TTY] [-e NAME=VALUE] [-c CALL,CALL,…] [-m MODE] [-x PROGRAM] [-U USER]
 *           [-n CYCLES] [-w WARM_UP] [-sdi] SERVICE < answers
 *
 * -s sets PAM_SILENT, -d PAM_DISALLOW_NULL_AUTHTOK; -i makes the process an odd one (odd_process()). With -U the
 * conversation sets PAM_USER.
 *
 * Calls: authenticate, account, setcred, open, close, chauthtok, and
 *
 *   run      executes PROGRAM
 *   putenv   puts what -e says into the PAM environment
 *   rename   sets PAM_USER to bob
 *   carry    goes on with a new handle that has the PAM environment of the old one
 *   fork     authenticates in a child, of which only the PAM environment comes back, as sshd does
 *
 * Modes of the conversation:
 *
 *   lines    each prompt gets the next line of standard input, and PAM_CONV_ERR when there is none
 *   repeat   each prompt gets the first line
 *   hide     as lines, but as many bytes of another text, as sshd gives them for a user whom it does not know
 *   polkit   as lines, with the line ends and 511 bytes at most, so that a longer line is read in pieces
 *   fail     as lines; a line "!" fails the conversation
 *   forget   as lines, and no copy of a line is kept: what is left in memory then is the module's
 *   wait     as lines, and PROGRAM is executed while the prompt waits
 *   drip     the first prompt gets the first line, each further one a single byte for ever
 *   null     PAM_SUCCESS without a reply
 *   empty    a reply without a text
 *   refuse   PAM_CONV_ERR
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <security/pam_appl.h>

struct talk {
    pam_handle_t *pamh;
    const char *mode;
    const char *program;  /* NULL: none */
    const char *new_user; /* PAM_USER from the first prompt on; NULL: as it is */
    char **lines;
    size_t line_count;
    size_t asked;
    size_t read;          /* lines that read_piece() has taken */
    const char *variable; /* for the call putenv; NULL: none */
};

/* As our child, so that it knows us by its parent: the shell gives way to it. */
static void run_program(const struct talk *talk)
{
    char command[4096];

    snprintf(command, sizeof command, "exec %s", talk->program != NULL ? talk->program : "false");
    if (system(command) != 0) {
        fprintf(stderr, "the program fails\n");
        exit(2);
    }
}

/* Without stdio, whose buffers would keep it. */
static char *read_line(void)
{
    char *line = calloc(1, 4096);
    size_t len = 0;

    while (len < 4095 && read(STDIN_FILENO, &line[len], 1) == 1 && line[len] != '\n')
        len++;
    line[len] = '\0';
    return line;
}

/* sshd's fake_password(), auth-pam.c. */
static char *hidden(const char *line)
{
    static const char junk[] = "\b\n\r\177INCORRECT";
    char *text = strdup(line);
    size_t i;

    for (i = 0; text[i] != '\0'; i++)
        text[i] = junk[i % (sizeof junk - 1)];
    return text;
}

/* polkit-agent-helper-1: fgets() of 512 bytes, the line end included. */
static char *read_piece(struct talk *talk)
{
    static char *rest = "";
    static char all[65536];
    char *piece;
    size_t len;

    if (rest[0] == '\0') {
        if (talk->read == talk->line_count)
            return NULL;
        snprintf(all, sizeof all, "%s\n", talk->lines[talk->read++]);
        rest = all;
    }
    len = strcspn(rest, "\n") + 1;
    piece = strndup(rest, len < 511 ? len : 511);
    rest += strlen(piece);
    return piece;
}

static char *answer(struct talk *talk)
{
    size_t i = talk->asked++;

    if (strcmp(talk->mode, "forget") == 0)
        return read_line();

    if (talk->new_user != NULL)
        pam_set_item(talk->pamh, PAM_USER, talk->new_user);
    if (strcmp(talk->mode, "wait") == 0)
        run_program(talk);
    if (strcmp(talk->mode, "lines") == 0 || strcmp(talk->mode, "wait") == 0)
        return i < talk->line_count ? strdup(talk->lines[i]) : NULL;
    if (strcmp(talk->mode, "hide") == 0)
        return i < talk->line_count ? hidden(talk->lines[i]) : NULL;
    if (strcmp(talk->mode, "polkit") == 0)
        return read_piece(talk);
    if (strcmp(talk->mode, "fail") == 0)
        return i < talk->line_count && strcmp(talk->lines[i], "!") != 0 ? strdup(talk->lines[i]) : NULL;
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

/* The PAM environment of one handle into another one, or through a pipe. */
static void write_environment(pam_handle_t *pamh, FILE *to)
{
    char **env = pam_getenvlist(pamh);
    size_t i;

    for (i = 0; env != NULL && env[i] != NULL; i++) {
        fprintf(to, "%s\n", env[i]);
        free(env[i]);
    }
    free(env);
    fclose(to);
}

static void read_environment(pam_handle_t *pamh, FILE *from)
{
    char line[8192];

    while (fgets(line, sizeof line, from) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        pam_putenv(pamh, line);
    }
    fclose(from);
}

static void authenticate_in_child(const struct talk *talk, int flags)
{
    int ends[2], code, status;
    pid_t child;

    if (pipe(ends) != 0 || fflush(stdout) != 0 || (child = fork()) < 0)
        exit(2);
    if (child == 0) {
        close(ends[0]);
        code = pam_authenticate(talk->pamh, flags);
        fflush(stdout);
        write_environment(talk->pamh, fdopen(ends[1], "w"));
        _exit(code);
    }
    close(ends[1]);
    read_environment(talk->pamh, fdopen(ends[0], "r"));
    waitpid(child, &status, 0);
    printf("authenticate=%d\n", WEXITSTATUS(status));
}

/* A handle that knows of nothing but the environment of the one before. */
static void carry(struct talk *talk)
{
    const struct pam_conv conversation = { converse, talk };
    const void *service = NULL, *user = NULL;
    pam_handle_t *old = talk->pamh;
    FILE *file = tmpfile();

    pam_get_item(old, PAM_SERVICE, &service);
    pam_get_item(old, PAM_USER, &user);
    if (file == NULL || pam_start(service, user, &conversation, &talk->pamh) != PAM_SUCCESS)
        exit(2);
    write_environment(old, fdopen(dup(fileno(file)), "w"));
    rewind(file);
    read_environment(talk->pamh, file);
    pam_end(old, PAM_SUCCESS);
}

static void call(struct talk *talk, const char *name, int flags)
{
    static const struct {
        const char *name;
        int (*call)(pam_handle_t *, int);
        int flags;
    } calls[] = {
        { "authenticate", pam_authenticate, 0 },
        { "account", pam_acct_mgmt, 0 },
        { "setcred", pam_setcred, PAM_ESTABLISH_CRED },
        { "open", pam_open_session, 0 },
        { "close", pam_close_session, 0 },
        { "chauthtok", pam_chauthtok, 0 },
    };
    size_t i;

    if (strcmp(name, "run") == 0) {
        run_program(talk);
        return;
    }
    if (strcmp(name, "putenv") == 0) {
        pam_putenv(talk->pamh, talk->variable);
        return;
    }
    if (strcmp(name, "rename") == 0) {
        pam_set_item(talk->pamh, PAM_USER, "bob");
        return;
    }
    if (strcmp(name, "carry") == 0) {
        carry(talk);
        return;
    }
    if (strcmp(name, "fork") == 0) {
        authenticate_in_child(talk, flags);
        return;
    }
    for (i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strcmp(calls[i].name, name) == 0) {
            printf("%s=%d\n", name, calls[i].call(talk->pamh, calls[i].flags | flags));
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

/* Nothing here is as most hosts have it, so that a module which restores a usual value is seen too. */
static void odd_process(void)
{
    umask(0123);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGALRM, SIG_IGN);
    setlocale(LC_ALL, "C.UTF-8");
    setenv("TZ", "Pacific/Auckland", 1);
}

/* What of the whole process a module must leave alone, a line each. */
static void print_process(const char *when)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[4096], directory[4096];
    size_t i;

    while (fgets(line, sizeof line, status) != NULL)
        /* Not SigQ, which counts for all processes of the user. */
        if ((strncmp(line, "Sig", 3) == 0 && line[3] != 'Q') || strncmp(line, "Umask", 5) == 0
            || strncmp(line, "Threads", 7) == 0 || strncmp(line, "Uid", 3) == 0 || strncmp(line, "Gid", 3) == 0)
            printf("%s_process=%s", when, line);
    fclose(status);
    printf("%s_process=%s\n", when, setlocale(LC_ALL, NULL));
    printf("%s_process=%s\n", when, getcwd(directory, sizeof directory));
    for (i = 0; environ[i] != NULL; i++)
        printf("%s_process=%s\n", when, environ[i]);
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

static void run_cycle(struct talk *talk, const char *service, const char *user, const char *rhost, const char *tty,
                      const char *calls, int flags)
{
    struct pam_conv conversation = { converse, talk };
    char *list = strdup(calls), *rest = list, *name;

    talk->asked = 0;
    if (pam_start(service, user, &conversation, &talk->pamh) != PAM_SUCCESS)
        exit(2);
    if (rhost != NULL)
        pam_set_item(talk->pamh, PAM_RHOST, rhost);
    if (tty != NULL)
        pam_set_item(talk->pamh, PAM_TTY, tty);
    while ((name = strsep(&rest, ",")) != NULL)
        call(talk, name, flags);
    print_state(talk->pamh);
    pam_end(talk->pamh, PAM_SUCCESS);
    free(list);
}

int main(int argc, char **argv)
{
    const char *user = NULL, *rhost = NULL, *tty = NULL, *calls = "authenticate";
    struct talk talk = { .mode = "lines" };
    int option, flags = 0, cycles = 1, warm_up = 20, i; /* cycles until lazily made things are there */

    while ((option = getopt(argc, argv, "u:r:t:e:c:m:x:U:n:w:sdi")) != -1) {
        if (option == 'u')
            user = optarg;
        else if (option == 'r')
            rhost = optarg;
        else if (option == 't')
            tty = optarg;
        else if (option == 'e')
            talk.variable = optarg;
        else if (option == 'c')
            calls = optarg;
        else if (option == 'm')
            talk.mode = optarg;
        else if (option == 'x')
            talk.program = optarg;
        else if (option == 'U')
            talk.new_user = optarg;
        else if (option == 'n')
            cycles = atoi(optarg);
        else if (option == 'w')
            warm_up = atoi(optarg);
        else if (option == 's')
            flags |= PAM_SILENT;
        else if (option == 'd')
            flags |= PAM_DISALLOW_NULL_AUTHTOK;
        else if (option == 'i')
            odd_process();
        else
            return 2;
    }
    if (optind + 1 != argc)
        return 2;
    if (strcmp(talk.mode, "forget") != 0)
        read_lines(&talk);
    print_process("begin");
    for (i = 0; i < cycles; i++) {
        run_cycle(&talk, argv[optind], user, rhost, tty, calls, flags);
        if (i + 1 == warm_up)
            print_use("warm");
    }
    print_use("end");
    print_process("end");
    free_lines(&talk);
    return 0;
}
