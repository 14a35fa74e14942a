#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define TTY_LINE_MAX 4096 /* bytes of one line, with its end, that the kernel returns */

/* The descriptor, or -1 with errno. */
static int open_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

    if (fd < 0 && isatty(STDIN_FILENO))
        fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    return fd;
}

bool terminal_is_there(void)
{
    int fd = open_terminal();

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

/* One line without its end: its length, or -1 with errno. */
static ssize_t ask(int fd, const char *question, char line[TTY_LINE_MAX])
{
    ssize_t got = -1;

    if (dprintf(fd, "%s", question) < 0)
        return -1;
    do
        got = read(fd, line, TTY_LINE_MAX);
    while (got < 0 && errno == EINTR);
    return got > 0 && line[got - 1] == '\n' ? got - 1 : got;
}

bool terminal_confirms(const char *question)
{
    char line[TTY_LINE_MAX];
    int fd = open_terminal();
    ssize_t len;

    if (fd < 0)
        return false;
    tcflush(fd, TCIFLUSH); /* discard what was typed before the question */
    len = ask(fd, question, line);
    close(fd);
    return len == 3 && memcmp(line, "yes", 3) == 0;
}

/* Without echo, and without signals, which could end the process while echo is off: ^C is a byte of the line. */
static bool hide(int fd, struct termios *ret_before)
{
    struct termios hidden;

    if (tcgetattr(fd, ret_before) != 0)
        return false;
    hidden = *ret_before;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    return tcsetattr(fd, TCSAFLUSH, &hidden) == 0;
}

bool terminal_read_secret(const char *what, struct secret *ret_secret)
{
    char line[TTY_LINE_MAX], question[64];
    struct termios before;
    int fd = open_terminal();
    ssize_t len = -1;
    bool ok = false;

    if (fd < 0)
        return false;
    snprintf(question, sizeof question, "%s: ", what);
    if (hide(fd, &before)) {
        len = ask(fd, question, line);
        tcsetattr(fd, TCSAFLUSH, &before);
        dprintf(fd, "\n");
    }
    ok = len >= 0 && secret_copy((struct slice){ line, (size_t)len }, ret_secret);
    secret_wipe(line, sizeof line);
    close(fd);
    return ok;
}
