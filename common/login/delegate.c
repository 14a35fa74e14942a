#include "login/delegate.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static bool add_fact(struct json *object, const char *name, const char *fact)
{
    return fact[0] == '\0' || json_add(object, name, json_new_string(slice_of(fact)));
}

static struct json *groups_of(const struct login *login)
{
    struct json *groups = json_new_array();
    size_t i;

    for (i = 0; groups != NULL && i < login->identity.group_count; i++)
        if (!json_append(groups, json_new_string(slice_of(login->identity.groups[i]))))
            json_free(&groups);
    return groups;
}

struct json *delegate_login(const struct verdict *verdict, const struct login *login)
{
    struct json *object = json_new_object();

    if (object == NULL || !add_fact(object, "credential", verdict->credential)
        || !add_fact(object, "tenant", verdict->tenant) || !add_fact(object, "subject", verdict->subject)
        || !add_fact(object, "kid", verdict->kid) || !add_fact(object, "jti", verdict->jti)
        || !add_fact(object, "user", verdict->user)
        || (verdict->has_expiry && !json_add(object, "expires", json_new_integer(verdict->expiry)))
        || (login != NULL
            && (!add_fact(object, "authzid", login->authzid) || !json_add(object, "groups", groups_of(login)))))
        json_free(&object);
    return object;
}

static void read_fact(const struct json *object, const char *name, char *fact, size_t size)
{
    struct slice text;

    if (json_string(json_member(object, name), &text))
        text_copy_printable(fact, size, text);
}

static void read_facts(const struct json *object, struct verdict *verdict)
{
    double expires;
    struct slice credential;

    read_fact(object, "tenant", verdict->tenant, sizeof verdict->tenant);
    read_fact(object, "subject", verdict->subject, sizeof verdict->subject);
    read_fact(object, "kid", verdict->kid, sizeof verdict->kid);
    read_fact(object, "jti", verdict->jti, sizeof verdict->jti);
    read_fact(object, "user", verdict->user, sizeof verdict->user);
    if (json_string(json_member(object, "credential"), &credential))
        verdict->credential = slice_equal_string(credential, "api_key") ? "api_key" : "jwt";
    if (json_number(json_member(object, "expires"), &expires)) {
        verdict->has_expiry = true;
        verdict->expiry = (int64_t)expires;
    }
}

static bool read_groups(const struct json *groups, struct identity *identity)
{
    size_t i;

    for (i = 0; i < json_length(groups); i++) {
        struct slice name;

        if (i == IDENTITY_GROUPS_MAX || !json_string(json_at(groups, i), &name) || !identity_is_valid_name(name))
            return false;
        snprintf(identity->groups[i], sizeof identity->groups[i], "%.*s", SLICE_ARG(name));
    }
    identity->group_count = i;
    return true;
}

/* A login whose user is no name that could be one is none. */
static bool read_login(struct verdict *verdict, const struct json *object, struct login *login)
{
    struct slice authzid;

    *login = (struct login){ .credential = verdict->credential, .expires = (double)verdict->expiry };
    memcpy(login->tenant, verdict->tenant, sizeof login->tenant);
    memcpy(login->subject, verdict->subject, sizeof login->subject);
    memcpy(login->identity.user, verdict->user, sizeof login->identity.user);
    if (!identity_is_valid_name(slice_of(verdict->user)) || !json_string(json_member(object, "authzid"), &authzid)
        || authzid.len == 0 || authzid.len > SUBJECT_MAX || text_has_control(authzid)
        || !read_groups(json_member(object, "groups"), &login->identity))
        return verdict_reject(verdict, REASON_LATCHKEYD_UNAVAILABLE,
                              "the answer of latchkeyd: no login that could be one");
    memcpy(login->authzid, authzid.bytes, authzid.len);
    login->authzid[authzid.len] = '\0';
    return true;
}

/* latchkeyd decides, but not about another account than the one that was asked for. */
static bool is_for(struct verdict *verdict, const struct login *login, const char *user)
{
    if (user == NULL || strcmp(user, login->identity.user) == 0)
        return true;
    return verdict_reject(verdict, REASON_USER_MISMATCH, "token maps to user %s", login->identity.user);
}

void delegate_take(struct verdict *verdict, const struct latchkeyd_answer *answer, const struct attempt *attempt,
                   struct login *ret_login)
{
    if (answer->reason != REASON_OK)
        verdict_reject(verdict, answer->reason, "%s", answer->detail);
    read_facts(answer->login, verdict);
    if (answer->reason != REASON_OK || !read_login(verdict, answer->login, ret_login))
        return;
    if (is_for(verdict, ret_login, attempt->user))
        verdict_accept(verdict);
}
