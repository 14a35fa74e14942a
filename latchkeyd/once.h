/*
 * latchkeyd --once: the core starts it for one question where no latchkeyd listens (ipc/spawn.h).
 */
#ifndef LATCHKEY_ONCE_H
#define LATCHKEY_ONCE_H

/* Answer one question on standard input, a connected SOCK_SEQPACKET socket, and return an exit status. The process
 * gives up root before it reads the question, and ends at the configuration's timeout. */
int once_run(const char *config_path);

#endif
