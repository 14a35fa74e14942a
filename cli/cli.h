/*
 * What the sub-commands of latchkey(1) share. The exit statuses are an interface.
 */
#ifndef LATCHKEY_CLI_H
#define LATCHKEY_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/secret.h"

enum { STATUS_OK = 0, STATUS_REFUSED = 1, STATUS_USAGE = 2, STATUS_UNAVAILABLE = 3 };

/* Each takes the arguments from its own name on, and returns an exit status. */
int command_verify(int argc, char **argv);
int command_check(int argc, char **argv);
int command_askpass(int argc, char **argv);
int command_keys_fetch(int argc, char **argv);
int command_keys_list(int argc, char **argv);
int command_exchange(int argc, char **argv);
int command_apikey_show(int argc, char **argv);
int command_apikey_create(int argc, char **argv);
int command_apikey_rotate(int argc, char **argv);
int command_whoami(int argc, char **argv);
int command_users(int argc, char **argv);

/* "latchkey verify: …" on standard error; returns STATUS_USAGE. */
__attribute__((format(printf, 2, 3))) int usage_error(const char *command, const char *format, ...);

/*
 * Read a descriptor to its end, at most max bytes; what comes beyond is left unread, and *ret_content then holds
 * max bytes. False with errno set. End the content with secret_clear().
 */
bool read_input(int fd, size_t max, struct secret *ret_content);

/* What nobody could read was not said: STATUS_OK when all of standard output has got out, else STATUS_UNAVAILABLE, and
 * says so. */
int flush_output(const char *command);

#endif
