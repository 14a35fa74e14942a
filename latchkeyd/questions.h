/*
 * The door for the questions of the core: ipc/protocol.h on SOCK_SEQPACKET.
 */
#ifndef LATCHKEY_QUESTIONS_H
#define LATCHKEY_QUESTIONS_H

#include "latchkeyd/client.h"

extern const struct door questions_door;

#endif
