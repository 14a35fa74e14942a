#include "cli/people.h"

#include "base/text.h"
#include "cli/cli.h"

static void read_text(const struct json *user, const char *member, char *text, size_t size)
{
    struct slice value = { NULL, 0 };

    json_string(json_member(user, member), &value);
    text_copy_printable(text, size, value);
}

bool person_read(const struct json *user, struct person *ret_person)
{
    const struct json *enabled = json_member(user, "enabled");
    struct person person;

    read_text(user, "userId", person.id, sizeof person.id);
    read_text(user, "email", person.email, sizeof person.email);
    read_text(user, "displayName", person.name, sizeof person.name);
    read_text(user, "userType", person.type, sizeof person.type);
    person.is_enabled = json_type_of(enabled) != JSON_BOOLEAN || json_is_true(enabled);
    *ret_person = person;
    return person.id[0] != '\0';
}

static struct json *text_json(const struct json *user, const char *member)
{
    struct slice value;

    return json_string(json_member(user, member), &value) ? json_new_string(value) : json_new_null();
}

static struct json *boolean_json(const struct json *user, const char *member)
{
    const struct json *value = json_member(user, member);

    return json_type_of(value) == JSON_BOOLEAN ? json_new_boolean(json_is_true(value)) : json_new_null();
}

struct json *person_json(const struct json *user)
{
    return JSON_OBJECT({ "userId", text_json(user, "userId") }, { "email", text_json(user, "email") },
                       { "displayName", text_json(user, "displayName") }, { "userType", text_json(user, "userType") },
                       { "enabled", boolean_json(user, "enabled") });
}
