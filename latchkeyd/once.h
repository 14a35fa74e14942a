/*
 * latchkeyd for one question, started by the core where no latchkeyd listens (latchkeyd_spawn.h).
 */
#ifndef LATCHKEY_ONCE_H
#define LATCHKEY_ONCE_H

/* Answer the one question on standard input, a connected SOCK_SEQPACKET socket, and return an exit status. Gives up
 * root before the question is read, and lives no longer than the configuration's timeout. */
int once_run(const char *config_path);

#endif
