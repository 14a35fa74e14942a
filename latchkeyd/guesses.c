#include "latchkeyd/guesses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verdict/verdict.h"
#include "latchkeyd/bucket.h"

#define ACCOUNTS_MAX 256

struct guessed_account {
    char tenant_id[FACT_MAX];
    char subject[SUBJECT_MAX + 1];
    struct bucket bucket; /* at_ms 0: a free place */
};

struct guesses {
    struct guessed_account accounts[ACCOUNTS_MAX];
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

static double refill_account(struct guessed_account *account, int64_t now_ms)
{
    return bucket_refill(&account->bucket, GUESSES_PER_S, GUESSES_AT_ONCE, now_ms);
}

static struct guessed_account *find_account(struct guesses *guesses, const char *tenant_id, const char *subject)
{
    size_t i;

    for (i = 0; i < ACCOUNTS_MAX; i++) {
        struct guessed_account *account = &guesses->accounts[i];

        if (account->bucket.at_ms != 0 && strcmp(account->subject, subject) == 0
            && strcmp(account->tenant_id, tenant_id) == 0)
            return account;
    }
    return NULL;
}

/* A free place, or that of the account with most guesses left: forgetting it forgives the fewest. */
static struct guessed_account *free_place(struct guesses *guesses, int64_t now_ms)
{
    struct guessed_account *fullest = NULL;
    double most = 0;
    size_t i;

    for (i = 0; i < ACCOUNTS_MAX; i++) {
        struct guessed_account *account = &guesses->accounts[i];
        double left;

        if (account->bucket.at_ms == 0)
            return account;
        left = refill_account(account, now_ms);
        if (fullest == NULL || left > most) {
            fullest = account;
            most = left;
        }
    }
    return fullest;
}

unsigned guesses_left(struct guesses *guesses, const char *tenant_id, const char *subject, int64_t now_ms)
{
    struct guessed_account *account = find_account(guesses, tenant_id, subject);

    return account != NULL ? (unsigned)refill_account(account, now_ms) : GUESSES_AT_ONCE;
}

void guesses_count(struct guesses *guesses, const char *tenant_id, const char *subject, int64_t now_ms)
{
    struct guessed_account *account = find_account(guesses, tenant_id, subject);

    if (account == NULL) {
        account = free_place(guesses, now_ms);
        *account = (struct guessed_account){ .bucket = { .at_ms = 0 } };
        snprintf(account->tenant_id, sizeof account->tenant_id, "%s", tenant_id);
        snprintf(account->subject, sizeof account->subject, "%s", subject);
    }
    /* Keys that were sent together may be refused together, so more may be refused than are left. */
    account->bucket.left = refill_account(account, now_ms) >= 1 ? account->bucket.left - 1 : 0;
}

void guesses_reset(struct guesses *guesses)
{
    *guesses = (struct guesses){ .accounts = { { .tenant_id = "" } } };
}
