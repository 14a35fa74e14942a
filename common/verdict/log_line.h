/*
 * The one line that a front end writes to the system's log for a verdict.
 */
#ifndef LATCHKEY_LOG_LINE_H
#define LATCHKEY_LOG_LINE_H

#include "verdict/attempt.h"
#include "verdict/verdict.h"

/* Bytes with the NUL: room for every value at its longest, all of it escaped, so that no value can push another one out
 * of the line by a long name. */
#define LOG_LINE_MAX 4096
/*
 * "verdict=reject reason=token_expired service=sshd user=alice rhost=192.0.2.7 credential=jwt tenant=… sub=… mapped=…
 * kid=… jti=… exp=… detail=…". The user is that of the attempt, or else its authzid. Unknown facts are left out, and
 * values are cut to SUBJECT_MAX bytes. A value that holds anything but [A-Za-z0-9._:/@+-] is written in double quotes,
 * with
 * `"` and `\` escaped; it never holds a control byte, so no value can begin a line of its own.
 */
void verdict_log_line(const struct verdict *verdict, const struct attempt *attempt, char line[LOG_LINE_MAX]);

#endif
