#include "login/login.h"

#include <stddef.h>
#include <string.h>

#include "base/text.h"

#define DATE_MAX 9007199254740992.0 /* 2^53, as in claims.h */

struct login_member;
typedef struct json *write_member(const struct login *login, const struct login_member *member);
typedef bool read_member(const struct json *value, struct login *login, const struct login_member *member);

static write_member write_credential, write_text, write_flag, write_groups, write_date;
static read_member read_credential, read_text, read_user, read_flag, read_groups, read_date;

#define AT(field) offsetof(struct login, field)

/* The members in the order in which they are written. */
static const struct login_member {
    const char *name;
    write_member *write; /* the value; json_new_null() where the login has none */
    read_member *read;   /* from a value that is there */
    size_t at;           /* in struct login: the string, the number or the flag */
    size_t max;          /* bytes of a string */
    size_t has;          /* in struct login: whether the number is known */
    bool is_required;
    bool is_reported; /* of LOGIN_REPORT */
} members[] = {
    { "credential", write_credential, read_credential, AT(credential), 0, 0, true, false },
    { "tenant", write_text, read_text, AT(tenant), FACT_MAX - 1, 0, true, true },
    { "subject", write_text, read_text, AT(subject), SUBJECT_MAX, 0, true, true },
    { "user", write_text, read_user, AT(identity.user), USER_MAX, 0, true, true },
    { "by_user_block", write_flag, read_flag, AT(identity.user_is_explicit), 0, 0, false, false },
    { "groups", write_groups, read_groups, AT(identity.groups), 0, 0, true, true },
    { "authzid", write_text, read_text, AT(authzid), SUBJECT_MAX, 0, true, false },
    { "jti", write_text, read_text, AT(jti), SUBJECT_MAX, 0, false, false },
    { "kid", write_text, read_text, AT(kid), SUBJECT_MAX, 0, false, false },
    { "iat", write_date, read_date, AT(issued_at), 0, AT(has_issued_at), false, false },
    { "auth_time", write_date, read_date, AT(auth_time), 0, AT(has_auth_time), false, false },
    { "expires", write_date, read_date, AT(expires), 0, AT(has_expires), true, true },
};
#define MEMBER_COUNT (sizeof members / sizeof members[0])

static const void *in_login(const struct login *login, size_t at)
{
    return (const char *)login + at;
}

static void *into_login(struct login *login, size_t at)
{
    return (char *)login + at;
}

static struct json *write_credential(const struct login *login, const struct login_member *member)
{
    (void)member;
    return json_new_text(slice_of(login->credential));
}

static bool read_credential(const struct json *value, struct login *login, const struct login_member *member)
{
    static const char *const kinds[] = { "jwt", "api_key" };
    struct slice text;
    size_t i;

    (void)member;
    if (!json_string(value, &text))
        return false;
    for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (slice_equal_string(text, kinds[i])) {
            login->credential = kinds[i];
            return true;
        }
    return false;
}

static struct json *write_text(const struct login *login, const struct login_member *member)
{
    return json_new_text(slice_of(in_login(login, member->at)));
}

/* A NUL is a control character: the C string ends where the JSON string does. */
static bool read_text(const struct json *value, struct login *login, const struct login_member *member)
{
    struct slice text;
    char *into = into_login(login, member->at);

    if (!json_string(value, &text))
        return false;
    if (text.len == 0 || text.len > member->max || !text_is_line(text))
        return false;
    memcpy(into, text.bytes, text.len);
    into[text.len] = '\0';
    return true;
}

static bool read_user(const struct json *value, struct login *login, const struct login_member *member)
{
    struct slice name;

    return json_string(value, &name) && identity_is_valid_name(name) && read_text(value, login, member);
}

static struct json *write_flag(const struct login *login, const struct login_member *member)
{
    return *(const bool *)in_login(login, member->at) ? json_new_boolean(true) : json_new_null();
}

static bool read_flag(const struct json *value, struct login *login, const struct login_member *member)
{
    *(bool *)into_login(login, member->at) = json_is_true(value);
    return json_is_true(value);
}

static struct json *write_groups(const struct login *login, const struct login_member *member)
{
    struct json *groups = json_new_array();
    size_t i;

    (void)member;
    for (i = 0; groups != NULL && i < login->identity.group_count; i++)
        if (!json_append(groups, json_new_string(slice_of(login->identity.groups[i]))))
            json_free(&groups);
    return groups;
}

static bool read_groups(const struct json *value, struct login *login, const struct login_member *member)
{
    const size_t count = json_length(value);
    struct slice name;
    size_t i;

    (void)member;
    if (json_type_of(value) != JSON_ARRAY || count > IDENTITY_GROUPS_MAX)
        return false;
    for (i = 0; i < count; i++) {
        if (!json_string(json_at(value, i), &name) || !identity_is_valid_name(name))
            return false;
        memcpy(login->identity.groups[i], name.bytes, name.len);
        login->identity.groups[i][name.len] = '\0';
    }
    login->identity.group_count = count;
    return true;
}

static struct json *write_date(const struct login *login, const struct login_member *member)
{
    if (!*(const bool *)in_login(login, member->has))
        return json_new_null();
    return json_new_number(*(const double *)in_login(login, member->at));
}

static bool read_date(const struct json *value, struct login *login, const struct login_member *member)
{
    double date;

    if (!json_number(value, &date) || !(date >= 0 && date <= DATE_MAX))
        return false;
    *(double *)into_login(login, member->at) = date;
    *(bool *)into_login(login, member->has) = true;
    return true;
}

bool login_write(const struct login *login, enum login_members which, struct json *object)
{
    size_t i;

    for (i = 0; i < MEMBER_COUNT; i++) {
        struct json *value;

        if (which == LOGIN_REPORT && !members[i].is_reported)
            continue;
        value = members[i].write(login, &members[i]);
        if (which == LOGIN_WHOLE && value != NULL && json_type_of(value) == JSON_NULL)
            continue; /* json_new_null() is static */
        if (!json_add(object, members[i].name, value))
            return false;
    }
    return true;
}

bool login_read(const struct json *object, struct login *ret_login, const char **ret_member)
{
    struct login login = { .credential = NULL };
    size_t i;

    for (i = 0; i < MEMBER_COUNT; i++) {
        const struct json *value = json_member(object, members[i].name);

        if (value == NULL ? !members[i].is_required : members[i].read(value, &login, &members[i]))
            continue;
        *ret_member = members[i].name;
        return false;
    }
    *ret_login = login;
    return true;
}

void login_read_facts(const struct json *object, struct login *ret_login)
{
    size_t i;

    *ret_login = (struct login){ .credential = NULL };
    for (i = 0; i < MEMBER_COUNT; i++) {
        const struct json *value = json_member(object, members[i].name);

        if (value != NULL)
            members[i].read(value, ret_login, &members[i]);
    }
}

void login_tell_facts(const struct login *login, struct verdict *verdict)
{
    if (login->credential != NULL)
        verdict->credential = login->credential;
    text_copy_printable(verdict->tenant, sizeof verdict->tenant, slice_of(login->tenant));
    text_copy_printable(verdict->subject, sizeof verdict->subject, slice_of(login->subject));
    text_copy_printable(verdict->jti, sizeof verdict->jti, slice_of(login->jti));
    text_copy_printable(verdict->kid, sizeof verdict->kid, slice_of(login->kid));
    text_copy_printable(verdict->user, sizeof verdict->user, slice_of(login->identity.user));
    verdict->has_expiry = login->has_expires;
    verdict->expiry = login->has_expires ? (int64_t)login->expires : 0;
}

void login_take_facts(const struct verdict *verdict, struct login *ret_login)
{
    const bool is_known = strcmp(verdict->credential, "none") != 0;

    *ret_login = (struct login){
        .credential = is_known ? verdict->credential : NULL,
        .has_expires = verdict->has_expiry,
        .expires = (double)verdict->expiry,
    };
    memcpy(ret_login->tenant, verdict->tenant, sizeof verdict->tenant);
    memcpy(ret_login->subject, verdict->subject, sizeof verdict->subject);
    memcpy(ret_login->jti, verdict->jti, sizeof verdict->jti);
    memcpy(ret_login->kid, verdict->kid, sizeof verdict->kid);
    memcpy(ret_login->identity.user, verdict->user, sizeof verdict->user);
}
