/*
 * The sub-commands of latchkey(1). Each takes the arguments from its own name on, and returns an exit status of cli.h.
 * Only the table in latchkey.c calls them.
 */
#ifndef LATCHKEY_COMMANDS_H
#define LATCHKEY_COMMANDS_H

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

#endif
