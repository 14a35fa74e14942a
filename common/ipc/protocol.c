#include "ipc/protocol.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

#define URL_MAX 1024 /* bytes, as of any string of a configuration */

/*
 * How the value of a member is read, checked and written. `slot` is the field of the struct that holds it. A value is
 * either added to the JSON object, or printed after the members that are already there: a secret must not be copied
 * into memory that is not wiped, and an object of an answer belongs to the caller.
 */
struct kind {
    bool (*read)(const struct json *json, void *slot); /* false: the value has another type, or is empty */
    bool (*is_set)(const void *slot);
    bool (*is_valid)(const void *slot, size_t max); /* of a value that is set; NULL: each value is valid */
    struct json *(*make)(const void *slot);         /* NULL: print() */
    struct slice (*print)(const void *slot);
    const char *quote; /* before and after what print() returns */
};

static bool read_string(const struct json *json, void *slot)
{
    struct slice *string = slot;

    return json_string(json, string) && string->len > 0;
}

static bool string_is_set(const void *slot)
{
    return ((const struct slice *)slot)->len > 0;
}

static bool is_text(const void *slot, size_t max)
{
    const struct slice *text = slot;

    return text->len <= max && text_is_utf8(*text) && !text_has_control(*text);
}

static struct json *make_string(const void *slot)
{
    return json_new_string(*(const struct slice *)slot);
}

static bool read_flag(const struct json *json, void *slot)
{
    *(bool *)slot = json_is_true(json);
    return json_type_of(json) == JSON_BOOLEAN;
}

static bool flag_is_set(const void *slot)
{
    return *(const bool *)slot;
}

static struct json *make_flag(const void *slot)
{
    return json_new_boolean(*(const bool *)slot);
}

bool latchkeyd_is_plain(struct slice value)
{
    return text_is_visible(value, "\"\\");
}

static bool is_secret(const void *slot, size_t max)
{
    const struct slice *secret = slot;

    return secret->len <= max && latchkeyd_is_plain(*secret);
}

static struct slice print_secret(const void *slot)
{
    return *(const struct slice *)slot;
}

static bool read_object(const struct json *json, void *slot)
{
    const struct json **object = slot;

    *object = json_type_of(json) == JSON_OBJECT ? json : NULL;
    return *object != NULL;
}

static bool object_is_set(const void *slot)
{
    return *(const struct json *const *)slot != NULL;
}

static bool is_object(const void *slot, size_t max)
{
    (void)max;
    return json_type_of(*(const struct json *const *)slot) == JSON_OBJECT;
}

static struct slice print_object(const void *slot)
{
    return slice_of(json_print(*(const struct json *const *)slot, false));
}

static const struct kind text_kind = { read_string, string_is_set, is_text, make_string, NULL, NULL };
static const struct kind flag_kind = { read_flag, flag_is_set, NULL, make_flag, NULL, NULL };
static const struct kind secret_kind = { read_string, string_is_set, is_secret, NULL, print_secret, "\"" };
static const struct kind object_kind = { read_object, object_is_set, is_object, NULL, print_object, "" };

struct member {
    unsigned bit; /* 0: of an answer */
    const char *name;
    const struct kind *kind;
    size_t offset; /* of the slot in struct latchkeyd_question or struct latchkeyd_answer */
    size_t max;    /* bytes of a text or a secret */
    const char *fault;
};

/* The members of questions, as bits. */
enum {
    TENANT = 1 << 0,
    SUBJECT = 1 << 1,
    URL = 1 << 2,
    CONFIG = 1 << 3,
    SERVICE = 1 << 4,
    USER = 1 << 5,
    AUTHZID = 1 << 6,
    DIRECTORY = 1 << 7,
    API_KEY = 1 << 8,
    TOKEN = 1 << 9,
    CREDENTIAL = 1 << 10,
};

#define SLOT(field)        offsetof(struct latchkeyd_question, field)
#define ANSWER_SLOT(field) offsetof(struct latchkeyd_answer, field)

/* In the order in which they are written. A question has at most one that is printed, and it is the last. */
static const struct member members[] = {
    { TENANT, "tenant", &text_kind, SLOT(tenant), FACT_MAX - 1, "tenant is missing or malformed" },
    { SUBJECT, "subject", &text_kind, SLOT(subject), SUBJECT_MAX, "subject is missing or malformed" },
    { URL, "url", &text_kind, SLOT(url), URL_MAX, "url is malformed" },
    { CONFIG, "config", &text_kind, SLOT(config), PATH_MAX - 1, "config is malformed" },
    { SERVICE, "service", &text_kind, SLOT(service), SUBJECT_MAX, "service is malformed" },
    { USER, "user", &text_kind, SLOT(user), SUBJECT_MAX, "user is malformed" },
    { AUTHZID, "authzid", &text_kind, SLOT(authzid), SUBJECT_MAX, "authzid is malformed" },
    { DIRECTORY, "directory", &flag_kind, SLOT(is_directory), 0, "directory is not a boolean" },
    { API_KEY, "api_key", &secret_kind, SLOT(secret), SIZE_MAX, "api_key is missing or malformed" },
    { TOKEN, "token", &secret_kind, SLOT(secret), SIZE_MAX, "token is missing or malformed" },
    { CREDENTIAL, "credential", &secret_kind, SLOT(secret), SIZE_MAX, "credential is missing or malformed" },
};
#define MEMBER_COUNT (sizeof members / sizeof members[0])

static const struct member token_answer = {
    0, "token", &secret_kind, ANSWER_SLOT(token), SIZE_MAX, "token is missing or malformed"
};
static const struct member login_answer = {
    0, "login", &object_kind, ANSWER_SLOT(login), 0, "login is missing or malformed"
};
static const struct member status_answer = {
    0, "status", &object_kind, ANSWER_SLOT(status), 0, "status is missing or malformed"
};

/* A question of each kind: the members that it must have and may have, and the member that its answer carries. */
static const struct ask_row {
    const char *name;
    unsigned must;
    unsigned may;
    const struct member *answer; /* which a success must have; NULL: none */
    bool is_of_refusals;         /* a refusal may have it, too */
    bool is_for_child;           /* a latchkeyd that is started for one question answers it */
} asks[] = {
    [LATCHKEYD_EXCHANGE] = { "exchange", TENANT | SUBJECT | API_KEY, URL, &token_answer, false, true },
    [LATCHKEYD_REFRESH] = { "refresh", TENANT, 0, NULL, false, false },
    [LATCHKEYD_SIGNATURE] = { "signature", TENANT | TOKEN, 0, NULL, false, false },
    [LATCHKEYD_AUTHENTICATE] = { "authenticate", CREDENTIAL, CONFIG | SERVICE | USER | AUTHZID | DIRECTORY,
                                 &login_answer, true, false },
    [LATCHKEYD_STATUS] = { "status", 0, 0, &status_answer, false, false },
};
_Static_assert(sizeof asks / sizeof asks[0] == LATCHKEYD_ASK_COUNT, "each kind of question has a row");

const char *latchkeyd_ask_name(enum latchkeyd_ask ask)
{
    return asks[ask].name;
}

bool latchkeyd_ask_is_for_child(enum latchkeyd_ask ask)
{
    return asks[ask].is_for_child;
}

static const void *slot_of(const void *message, const struct member *member)
{
    return (const char *)message + member->offset;
}

/* The next member of the row, from *index on; NULL: no more. */
static const struct member *next_member(const struct ask_row *row, size_t *index)
{
    while (*index < MEMBER_COUNT) {
        const struct member *member = &members[(*index)++];

        if (((row->must | row->may) & member->bit) != 0)
            return member;
    }
    return NULL;
}

/* NULL, or what is wrong with the value. */
static const char *find_fault(const void *message, const struct member *member, bool is_needed)
{
    const void *slot = slot_of(message, member);

    if (!member->kind->is_set(slot))
        return is_needed ? member->fault : NULL;
    return member->kind->is_valid == NULL || member->kind->is_valid(slot, member->max) ? NULL : member->fault;
}

/* The text of `object`, in memory that the caller wipes. */
static bool write_object(struct json *object, struct secret *ret_text)
{
    const struct slice text = slice_of(json_print(object, false));

    return text.len > 0 && text.len <= LATCHKEYD_MESSAGE_MAX && secret_copy(text, ret_text);
}

/* The same with one more member after the others: its value as print() returns it. */
static bool write_object_with(struct json *object, const struct member *member, const void *slot,
                              struct secret *ret_text)
{
    const struct slice text = slice_of(json_print(object, false)), value = member->kind->print(slot);
    const char *quote = member->kind->quote;
    struct secret room = { NULL, 0 };

    if (text.len == 0 || value.len == 0)
        return false;
    room.len = text.len + strlen(",\"\":") + strlen(member->name) + 2 * strlen(quote) + value.len;
    if (room.len > LATCHKEYD_MESSAGE_MAX)
        return false;
    room.bytes = malloc(room.len + 1); /* and a NUL */
    if (room.bytes == NULL)
        return false;
    snprintf(room.bytes, room.len + 1, "%.*s,\"%s\":%s%.*s%s}", (int)text.len - 1, text.bytes, member->name, quote,
             SLICE_ARG(value), quote);
    *ret_text = room;
    return true;
}

bool latchkeyd_question_write(const struct latchkeyd_question *question, struct secret *ret_text)
{
    const struct ask_row *row = &asks[question->ask];
    CLEANUP(json_free) struct json *object = json_new_object();
    const struct member *member, *printed = NULL;
    size_t index = 0;

    if (object == NULL || !json_add(object, "ask", json_new_string(slice_of(row->name))))
        return false;
    while ((member = next_member(row, &index)) != NULL) {
        const void *slot = slot_of(question, member);

        if (find_fault(question, member, (row->must & member->bit) != 0) != NULL)
            return false;
        if (!member->kind->is_set(slot))
            continue;
        if (member->kind->make == NULL)
            printed = member;
        else if (!json_add(object, member->name, member->kind->make(slot)))
            return false;
    }
    return printed != NULL ? write_object_with(object, printed, slot_of(question, printed), ret_text)
                           : write_object(object, ret_text);
}

static bool find_ask(struct slice name, enum latchkeyd_ask *ret)
{
    size_t i;

    for (i = 0; i < LATCHKEYD_ASK_COUNT; i++)
        if (slice_equal_string(name, asks[i].name)) {
            *ret = (enum latchkeyd_ask)i;
            return true;
        }
    return false;
}

/* Empty when the member is absent or not a string. */
static struct slice string_member(const struct json *object, const char *name)
{
    struct slice value = { NULL, 0 };

    json_string(json_member(object, name), &value);
    return value;
}

/* An object, and nothing else. */
static bool parse_object(struct slice text, struct json **ret_json, const char **ret_error)
{
    enum json_error error;

    if (text.len > LATCHKEYD_MESSAGE_MAX) {
        *ret_error = LATCHKEYD_TOO_LONG;
        return false;
    }
    if (!json_parse(text, ret_json, &error)) {
        *ret_error = json_error_text(error);
        return false;
    }
    if (json_type_of(*ret_json) == JSON_OBJECT)
        return true;
    json_free(ret_json);
    *ret_error = "not a JSON object";
    return false;
}

/*
 * NULL, or what is wrong with the value. A member that may be absent, but is there with a number or an empty string, is
 * a fault: a question for one account would become a question for any account without the user's name.
 */
static const char *read_member(const struct json *object, const struct member *member, void *message, bool is_needed)
{
    const struct json *json = json_member(object, member->name);

    if (json != NULL && !member->kind->read(json, (char *)message + member->offset))
        return member->fault;
    return find_fault(message, member, is_needed);
}

bool latchkeyd_question_read(struct slice text, struct json **ret_json, struct latchkeyd_question *ret_question,
                             const char **ret_error)
{
    CLEANUP(json_free) struct json *json = NULL;
    struct latchkeyd_question question = { .ask = LATCHKEYD_STATUS };
    const struct ask_row *row;
    const struct member *member;
    size_t index = 0;

    if (!parse_object(text, &json, ret_error))
        return false;
    if (!find_ask(string_member(json, "ask"), &question.ask)) {
        *ret_error = "unknown question";
        return false;
    }
    row = &asks[question.ask];
    while ((member = next_member(row, &index)) != NULL) {
        *ret_error = read_member(json, member, &question, (row->must & member->bit) != 0);
        if (*ret_error != NULL)
            return false;
    }
    *ret_question = question;
    *ret_json = json;
    json = NULL;
    return true;
}

struct latchkeyd_answer latchkeyd_answer_of(enum reason reason, const char *detail)
{
    struct latchkeyd_answer answer = { .reason = reason };

    text_copy_printable(answer.detail, sizeof answer.detail, slice_of(detail));
    return answer;
}

/* The member that an answer with this reason carries; NULL: none. */
static const struct member *member_of(enum latchkeyd_ask ask, enum reason reason)
{
    return reason == REASON_OK || asks[ask].is_of_refusals ? asks[ask].answer : NULL;
}

bool latchkeyd_answer_write(enum latchkeyd_ask ask, const struct latchkeyd_answer *answer, struct secret *ret_text)
{
    CLEANUP(json_free) struct json *object = json_new_object();
    const struct member *member = member_of(ask, answer->reason);

    if (object == NULL || !json_add(object, "answer", json_new_string(slice_of(reason_name(answer->reason)))))
        return false;
    if (answer->reason != REASON_OK && !json_add(object, "detail", json_new_string(slice_of(answer->detail))))
        return false;
    if (member != NULL && find_fault(answer, member, answer->reason == REASON_OK) != NULL)
        return false;
    return member != NULL && member->kind->is_set(slot_of(answer, member))
        ? write_object_with(object, member, slot_of(answer, member), ret_text)
        : write_object(object, ret_text);
}

bool latchkeyd_answer_read(enum latchkeyd_ask ask, struct slice text, struct json **ret_json,
                           struct latchkeyd_answer *ret_answer, const char **ret_error)
{
    CLEANUP(json_free) struct json *json = NULL;
    struct latchkeyd_answer answer = { .reason = REASON_UNDECIDED };
    const struct member *member;
    struct slice name;

    if (!parse_object(text, &json, ret_error))
        return false;
    name = string_member(json, "answer");
    /* json.c ends strings with a NUL that is not counted. */
    if (name.len > 0 && strlen(name.bytes) == name.len)
        answer.reason = reason_find(name.bytes);
    if (answer.reason == REASON_UNDECIDED) {
        *ret_error = "unknown answer";
        return false;
    }
    member = member_of(ask, answer.reason);
    *ret_error = member != NULL ? read_member(json, member, &answer, answer.reason == REASON_OK) : NULL;
    if (*ret_error != NULL)
        return false;
    if (answer.reason != REASON_OK)
        text_copy_printable(answer.detail, sizeof answer.detail, string_member(json, "detail"));
    *ret_answer = answer;
    *ret_json = json;
    json = NULL;
    return true;
}
