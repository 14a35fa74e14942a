#include "pam/subject.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/secret.h"
#include "base/text.h"
#include "verdict/verdict.h"

#define SUBJECT_VARIABLE "LATCHKEY_SUBJECT"
#define PROOF_VARIABLE   "LATCHKEY_PROOF"
#define SUBJECT_DATA     "latchkey:subject" /* under which pam_set_data() keeps it */

#define RANDOM_LEN    16 /* bytes behind AT_RANDOM, getauxval(3) */
#define PROOF_HEX_LEN (2 * SECRET_HASH_LEN)
#define PROVEN_MAX    4096 /* bytes of what is hashed; a longer user name has no proof */

static void free_subject(pam_handle_t *pamh, void *subject, int status)
{
    (void)pamh;
    (void)status;
    free(subject);
}

static const char *find_kept(pam_handle_t *pamh)
{
    const void *subject = NULL;

    return pam_get_data(pamh, SUBJECT_DATA, &subject) == PAM_SUCCESS ? subject : NULL;
}

/* The hash as hexadecimal digits. False where there is nothing to make it from. */
static bool prove(pam_handle_t *pamh, const char *subject, char ret_proof[PROOF_HEX_LEN + 1])
{
    const void *random = (const void *)getauxval(AT_RANDOM); /* NOLINT: the kernel's pointer */
    unsigned char key[SECRET_HASH_LEN] = { 0 }, hash[SECRET_HASH_LEN];
    char proven[PROVEN_MAX];
    const void *user = NULL;
    size_t i;
    int len;
    bool ok;

    if (random == NULL || pam_get_item(pamh, PAM_USER, &user) != PAM_SUCCESS || user == NULL)
        return false;
    len = snprintf(proven, sizeof proven, "%s %p %zu %s %s", PROOF_VARIABLE, (void *)pamh, strlen(user),
                   (const char *)user, subject);
    if (len < 0 || (size_t)len >= sizeof proven)
        return false;
    memcpy(key, random, RANDOM_LEN);
    ok = secret_keyed_hash(key, (struct slice){ proven, (size_t)len }, hash);
    secret_wipe(key, sizeof key);
    for (i = 0; ok && i < SECRET_HASH_LEN; i++)
        snprintf(ret_proof + 2 * i, 3, "%02x", hash[i]);
    return ok;
}

static bool set_variable(pam_handle_t *pamh, const char *name, const char *value)
{
    char variable[sizeof PROOF_VARIABLE + sizeof SUBJECT_VARIABLE + SUBJECT_MAX + PROOF_HEX_LEN];
    const int len = snprintf(variable, sizeof variable, "%s=%s", name, value);

    return len > 0 && (size_t)len < sizeof variable && pam_putenv(pamh, variable) == PAM_SUCCESS;
}

/* Once the environment of a child has proven it, this process knows. */
static const char *find_proven(pam_handle_t *pamh)
{
    const char *subject = pam_getenv(pamh, SUBJECT_VARIABLE), *told = pam_getenv(pamh, PROOF_VARIABLE);
    char proof[PROOF_HEX_LEN + 1];
    char *copy;

    if (subject == NULL || told == NULL || !prove(pamh, subject, proof)
        || !secret_equal(slice_of(told), slice_of(proof)))
        return NULL;
    copy = strdup(subject);
    if (copy == NULL || pam_set_data(pamh, SUBJECT_DATA, copy, free_subject) != PAM_SUCCESS) {
        free(copy);
        return NULL;
    }
    return copy;
}

static const char *find_subject(pam_handle_t *pamh)
{
    const char *kept = find_kept(pamh);

    return kept != NULL ? kept : find_proven(pamh);
}

bool subject_keep(pam_handle_t *pamh, const char *of_login)
{
    char proof[PROOF_HEX_LEN + 1], subject[SUBJECT_MAX + 1];
    char *copy;

    /* A terminal that shows the environment of the session must get no control sequence of the token's. */
    text_copy_printable(subject, sizeof subject, slice_of(of_login));
    copy = strdup(subject);
    if (copy == NULL || pam_set_data(pamh, SUBJECT_DATA, copy, free_subject) != PAM_SUCCESS) {
        free(copy);
        return false;
    }
    /* Without a proof only the parent of a child that authenticates does not know of the login. */
    if (set_variable(pamh, SUBJECT_VARIABLE, subject)
        && (!prove(pamh, subject, proof) || set_variable(pamh, PROOF_VARIABLE, proof)))
        return true;
    subject_forget(pamh);
    return false;
}

void subject_forget(pam_handle_t *pamh)
{
    if (find_kept(pamh) != NULL)
        pam_set_data(pamh, SUBJECT_DATA, NULL, NULL);
    if (pam_getenv(pamh, PROOF_VARIABLE) != NULL)
        pam_putenv(pamh, PROOF_VARIABLE);
    subject_settle(pamh);
}

bool subject_is_kept(pam_handle_t *pamh)
{
    return find_subject(pamh) != NULL;
}

void subject_settle(pam_handle_t *pamh)
{
    const char *subject = find_subject(pamh), *told = pam_getenv(pamh, SUBJECT_VARIABLE);

    if (subject != NULL) {
        if (told == NULL || strcmp(told, subject) != 0)
            set_variable(pamh, SUBJECT_VARIABLE, subject);
    } else if (getenv(SUBJECT_VARIABLE) != NULL) /* whether it is there; its value means nothing */
        set_variable(pamh, SUBJECT_VARIABLE, "");
    else if (told != NULL)
        pam_putenv(pamh, SUBJECT_VARIABLE);
}

void subject_settle_session(pam_handle_t *pamh)
{
    subject_settle(pamh);
    if (pam_getenv(pamh, PROOF_VARIABLE) != NULL)
        pam_putenv(pamh, PROOF_VARIABLE);
}
