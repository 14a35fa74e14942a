/*
 * latchkeyd --check.
 */
#ifndef LATCHKEY_SELF_CHECK_H
#define LATCHKEY_SELF_CHECK_H

/* Print what would keep latchkeyd from serving, a line each. 0: nothing; 2: something. */
int self_check(const char *config_path);

#endif
