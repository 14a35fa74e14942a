/*
 * A person as the tenant service tells of them, for whoami and users. The JSON member names are an interface.
 */
#ifndef LATCHKEY_PEOPLE_H
#define LATCHKEY_PEOPLE_H

#include <stdbool.h>

#include "base/json.h"
#include "verdict/verdict.h"

/* For a terminal: cut to size, control bytes replaced; empty: not said. */
struct person {
    char id[SUBJECT_MAX + 1];
    char email[SUBJECT_MAX + 1];
    char name[SUBJECT_MAX + 1]; /* as it is displayed */
    char type[FACT_MAX];
    bool is_enabled; /* unless the service says that they are not */
};

/* False when it is no object with a userId. */
bool person_read(const struct json *user, struct person *ret_person);

/* userId, email, displayName, userType and enabled, as the service has them; null: not said. NULL when memory is
 * short. */
struct json *person_json(const struct json *user);

#endif
