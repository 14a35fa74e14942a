/*
 * What latchkeyd writes to the system's log (authpriv), one line each. Never a key, never a token.
 */
#ifndef LATCHKEY_LOG_H
#define LATCHKEY_LOG_H

#include <stdint.h>
#include <sys/types.h>

#include "verdict/log_line.h"
#include "verdict/verdict.h"

enum log_level { LOG_OF_ERROR, LOG_OF_NOTICE, LOG_OF_INFO };

/* Before anything is logged; the lines bear the name latchkeyd and the pid. */
void log_open(void);

/* At most LOG_LINE_MAX - 1 bytes. Values that came from elsewhere must be printable: text_copy_printable() makes them
 * so. */
__attribute__((format(printf, 2, 3))) void log_event(enum log_level level, const char *format, ...);

/* "latchkey: verdict=…": the line of verdict.h for an attempt of which latchkeyd itself is the door. */
void log_attempt(const struct verdict *verdict, const struct attempt *attempt);

/* "TEXT: verdict=… reason=… tenant=… detail=…": a trouble that has a verdict, quoted as everywhere. */
void log_trouble(const char *text, const struct verdict *verdict);

/* "asked=exchange uid=0 ms=12 verdict=…": the line of verdict.h for a question that was answered. */
void log_answer(const char *asked, uid_t uid, int64_t ms, const struct verdict *verdict);

#endif
