/*
 * A user as the tenant service describes it, for whoami and users. The JSON member names are an interface.
 */
#ifndef LATCHKEY_PEOPLE_H
#define LATCHKEY_PEOPLE_H

#include <stdbool.h>

#include "base/json.h"
#include "verdict/verdict.h"

/* For a terminal: cut to size, control bytes replaced; empty: the service does not tell. */
struct person {
    char id[SUBJECT_MAX + 1];
    char email[SUBJECT_MAX + 1];
    char name[SUBJECT_MAX + 1]; /* the display name */
    char type[FACT_MAX];
    bool is_enabled; /* also when the service does not tell */
};

/* False when it is not an object with a userId. */
bool person_read(const struct json *user, struct person *ret_person);

/* userId, email, displayName, userType and enabled of the service; null: the service does not tell. NULL when out of
 * memory. */
struct json *person_json(const struct json *user);

#endif
