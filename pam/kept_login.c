#include "pam/kept_login.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "pam/subject.h"

#define DATA_NAME_MAX (PATH_MAX + 16)

static void data_name(const struct pam_call *call, char *name, size_t size)
{
    snprintf(name, size, "latchkey:%s", call->options.config != NULL ? call->options.config : "");
}

static void free_login(pam_handle_t *pamh, void *login, int status)
{
    (void)pamh;
    (void)status;
    free(login);
}

const struct login *kept_login_find(const struct pam_call *call)
{
    char name[DATA_NAME_MAX];
    const void *login = NULL;

    data_name(call, name, sizeof name);
    return pam_get_data(call->pamh, name, &login) == PAM_SUCCESS ? login : NULL;
}

void kept_login_drop(const struct pam_call *call)
{
    char name[DATA_NAME_MAX];

    if (kept_login_find(call) == NULL)
        return;
    data_name(call, name, sizeof name);
    pam_set_data(call->pamh, name, NULL, NULL);
    subject_forget(call->pamh);
}

bool kept_login_set(const struct pam_call *call, const struct login *login)
{
    char name[DATA_NAME_MAX];
    struct login *copy = malloc(sizeof *copy);

    if (copy == NULL)
        return false;
    *copy = *login;
    data_name(call, name, sizeof name);
    if (pam_set_data(call->pamh, name, copy, free_login) != PAM_SUCCESS) {
        free(copy);
        return false;
    }
    if ((call->attempt.user != NULL || pam_set_item(call->pamh, PAM_USER, login->identity.user) == PAM_SUCCESS)
        && subject_keep(call->pamh, login->subject))
        return true;
    kept_login_drop(call);
    return false;
}
