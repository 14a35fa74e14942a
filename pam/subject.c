#include "pam/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/secret.h"
#include "base/text.h"
#include "verdict/verdict.h"

#define SUBJECT_VARIABLE "LATCHKEY_SUBJECT"
#define PROOF_VARIABLE   "LATCHKEY_PROOF"
#define SUBJECT_DATA     "latchkey:subject" /* the name for pam_set_data() */

#define RANDOM_LEN    16 /* bytes that AT_RANDOM points to, getauxval(3) */
#define PROOF_HEX_LEN (2 * SECRET_HASH_LEN)
#define PROVEN_MAX    4096 /* bytes that are hashed; a longer user name has no proof */

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

/* The copy in the handle, or NULL. */
static const char *keep_copy(pam_handle_t *pamh, const char *subject)
{
    char *copy = strdup(subject);

    if (copy == NULL || pam_set_data(pamh, SUBJECT_DATA, copy, free_subject) != PAM_SUCCESS) {
        free(copy);
        return NULL;
    }
    return copy;
}

/* The hash as hexadecimal digits. False where AT_RANDOM or PAM_USER is missing, or the names are too long. */
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

/* The subject that a child kept, by its proof; from now on it is in the handle of this process, too. */
static const char *find_proven(pam_handle_t *pamh)
{
    const char *subject = pam_getenv(pamh, SUBJECT_VARIABLE), *told = pam_getenv(pamh, PROOF_VARIABLE);
    char proof[PROOF_HEX_LEN + 1];

    if (subject == NULL || told == NULL || !prove(pamh, subject, proof)
        || !secret_equal(slice_of(told), slice_of(proof)))
        return NULL;
    return keep_copy(pamh, subject);
}

static const char *find_subject(pam_handle_t *pamh)
{
    const char *kept = find_kept(pamh);

    return kept != NULL ? kept : find_proven(pamh);
}

bool subject_keep(pam_handle_t *pamh, const char *of_login)
{
    char proof[PROOF_HEX_LEN + 1], subject[SUBJECT_MAX + 1];

    /* A terminal may show the environment of the session, so the value must not have control bytes of the token. */
    text_copy_printable(subject, sizeof subject, slice_of(of_login));
    if (keep_copy(pamh, subject) == NULL)
        return false;
    /* Without a proof the login is known in this process only, not in the parent of a child. */
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
    } else if (getenv(SUBJECT_VARIABLE) != NULL) /* only whether it is set; the value is not used */
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
