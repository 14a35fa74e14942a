/*
 * The door for saslauthd's protocol: saslauthd.h on SOCK_STREAM.
 */
#ifndef LATCHKEY_PASSWORDS_H
#define LATCHKEY_PASSWORDS_H

#include "latchkeyd/client.h"

extern const struct door passwords_door;

#endif
