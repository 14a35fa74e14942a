/*
 * The lines of latchkeyd in the system's log (authpriv). They never contain an API key or a token.
 */
#ifndef LATCHKEY_LOG_H
#define LATCHKEY_LOG_H

#include <stdint.h>
#include <sys/types.h>

#include "verdict/log_line.h"
#include "verdict/verdict.h"

enum log_level { LOG_OF_ERROR, LOG_OF_NOTICE, LOG_OF_INFO };

/* Call before the first line. Each line has the name latchkeyd and the pid. */
void log_open(void);

/* At most LOG_LINE_MAX - 1 bytes. Values from outside must be printable: text_copy_printable() makes them so. */
__attribute__((format(printf, 2, 3))) void log_event(enum log_level level, const char *format, ...);

/* "latchkey: verdict=…": the line of verdict.h for a login by saslauthd's protocol. */
void log_attempt(const struct verdict *verdict, const struct attempt *attempt);

/* "TEXT: verdict=… reason=… tenant=… detail=…": a fault with its verdict. */
void log_trouble(const char *text, const struct verdict *verdict);

/* "asked=exchange uid=0 ms=12 verdict=…": the line of verdict.h for a question. */
void log_answer(const char *asked, uid_t uid, int64_t ms, const struct verdict *verdict);

#endif
