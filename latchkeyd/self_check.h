/*
 * latchkeyd --check.
 */
#ifndef LATCHKEY_SELF_CHECK_H
#define LATCHKEY_SELF_CHECK_H

/* Print each fault that would keep latchkeyd from serving, one a line. 0: no fault; 2: at least one. */
int self_check(const char *config_path);

#endif
