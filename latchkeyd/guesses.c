#include "latchkeyd/guesses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verdict/verdict.h"
#include "latchkeyd/bucket.h"

#define ACCOUNTS_MAX 256

struct account {
    char tenant_id[FACT_MAX];
    char subject[SUBJECT_MAX + 1];
    struct bucket bucket; /* at_ms 0: a free place */
};

struct guesses {
    struct account accounts[ACCOUNTS_MAX];
};

struct guesses *guesses_new(void)
{
    return calloc(1, sizeof(struct guesses));
}

void guesses_free(struct guesses **guesses)
{
    if (guesses == NULL)
        return;
    free(*guesses);
    *guesses = NULL;
}

static double left_of(struct account *account, int64_t now_ms)
{
    return bucket_refill(&account->bucket, GUESSES_PER_S, GUESSES_AT_ONCE, now_ms);
}

static struct account *find(struct guesses *guesses, const char *tenant_id, const char *subject)
{
    size_t i;

    for (i = 0; i < ACCOUNTS_MAX; i++) {
        struct account *account = &guesses->accounts[i];

        if (account->bucket.at_ms != 0 && strcmp(account->subject, subject) == 0
            && strcmp(account->tenant_id, tenant_id) == 0)
            return account;
    }
    return NULL;
}

/* A free place, or that of the account that has most left now: least is forgotten. */
static struct account *make_room(struct guesses *guesses, int64_t now_ms)
{
    struct account *fullest = NULL;
    double most = 0;
    size_t i;

    for (i = 0; i < ACCOUNTS_MAX; i++) {
        struct account *account = &guesses->accounts[i];
        double left;

        if (account->bucket.at_ms == 0)
            return account;
        left = left_of(account, now_ms);
        if (fullest == NULL || left > most) {
            fullest = account;
            most = left;
        }
    }
    return fullest;
}

unsigned guesses_left(struct guesses *guesses, const char *tenant_id, const char *subject, int64_t now_ms)
{
    struct account *account = find(guesses, tenant_id, subject);

    return account != NULL ? (unsigned)left_of(account, now_ms) : GUESSES_AT_ONCE;
}

void guesses_count(struct guesses *guesses, const char *tenant_id, const char *subject, int64_t now_ms)
{
    struct account *account = find(guesses, tenant_id, subject);

    if (account == NULL) {
        account = make_room(guesses, now_ms);
        *account = (struct account){ .bucket = { .at_ms = 0 } };
        snprintf(account->tenant_id, sizeof account->tenant_id, "%s", tenant_id);
        snprintf(account->subject, sizeof account->subject, "%s", subject);
    }
    /* Keys that were under way together may be refused together: there is nothing below nothing. */
    account->bucket.left = left_of(account, now_ms) >= 1 ? account->bucket.left - 1 : 0;
}

void guesses_reset(struct guesses *guesses)
{
    *guesses = (struct guesses){ .accounts = { { .tenant_id = "" } } };
}
