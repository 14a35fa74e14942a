/*
 * Scope exit: CLEANUP(jwt_free) struct jwt *jwt = NULL; calls jwt_free(&jwt) on every way out.
 */
#ifndef LATCHKEY_CLEANUP_H
#define LATCHKEY_CLEANUP_H

#define CLEANUP(f) __attribute__((cleanup(f)))

#endif
