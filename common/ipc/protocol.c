#include "ipc/protocol.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define URL_MAX 1024 /* bytes, as of any string of a configuration */

/* The texts of a question, by the bits that say which of them a kind of question has. */
enum { TENANT = 1, SUBJECT = 2, SERVICE = 4, USER = 8, AUTHZID = 16, URL = 32, CONFIG = 64 };

static const struct text_row {
    unsigned bit;
    const char *name;
    size_t offset; /* of a struct slice in struct latchkeyd_question */
    size_t max;    /* bytes */
    const char *fault;
} texts[] = {
    { TENANT, "tenant", offsetof(struct latchkeyd_question, tenant), FACT_MAX - 1, "no tenant, or none that could be" },
    { SUBJECT, "subject", offsetof(struct latchkeyd_question, subject), SUBJECT_MAX,
      "no subject, or none that could be" },
    { URL, "url", offsetof(struct latchkeyd_question, url), URL_MAX, "no url that could be one" },
    { CONFIG, "config", offsetof(struct latchkeyd_question, config), PATH_MAX - 1, "no config that could be a path" },
    { SERVICE, "service", offsetof(struct latchkeyd_question, service), SUBJECT_MAX, "no service that could be one" },
    { USER, "user", offsetof(struct latchkeyd_question, user), SUBJECT_MAX, "no user that could be one" },
    { AUTHZID, "authzid", offsetof(struct latchkeyd_question, authzid), SUBJECT_MAX, "no authzid that could be one" },
};
#define TEXT_COUNT (sizeof texts / sizeof texts[0])

/* What a question of each kind must bring, and what it may bring. */
static const struct ask_row {
    const char *name;
    unsigned must;
    unsigned may;
    const char *secret; /* the member that holds it; NULL: none */
} asks[] = {
    [LATCHKEYD_EXCHANGE] = { "exchange", TENANT | SUBJECT, URL, "api_key" },
    [LATCHKEYD_REFRESH] = { "refresh", TENANT, 0, NULL },
    [LATCHKEYD_SIGNATURE] = { "signature", TENANT, 0, "token" },
    [LATCHKEYD_AUTHENTICATE] = { "authenticate", 0, CONFIG | SERVICE | USER | AUTHZID, "credential" },
    [LATCHKEYD_STATUS] = { "status", 0, 0, NULL },
};
#define ASK_COUNT (sizeof asks / sizeof asks[0])

const char *latchkeyd_ask_name(enum latchkeyd_ask ask)
{
    return asks[ask].name;
}

static struct slice *text_of(const struct latchkeyd_question *question, const struct text_row *row)
{
    return (struct slice *)((char *)question + row->offset);
}

/* 1 … max bytes without control bytes. */
static bool is_text(struct slice value, size_t max)
{
    return value.len > 0 && value.len <= max && slice_is_utf8(value) && !slice_has_control(value);
}

/* What stands in a JSON string, and in a header, as it is. */
bool latchkeyd_is_plain(struct slice value)
{
    size_t i;

    for (i = 0; i < value.len; i++)
        if (value.bytes[i] <= ' ' || value.bytes[i] > '~' || value.bytes[i] == '"' || value.bytes[i] == '\\')
            return false;
    return value.len > 0;
}

/* NULL, or what is wrong with the question. */
static const char *find_fault(const struct latchkeyd_question *question)
{
    const struct ask_row *row = &asks[question->ask];
    size_t i;

    for (i = 0; i < TEXT_COUNT; i++) {
        struct slice text = *text_of(question, &texts[i]);
        bool is_needed = (row->must & texts[i].bit) != 0 || ((row->may & texts[i].bit) != 0 && text.len > 0);

        if (is_needed && !is_text(text, texts[i].max))
            return texts[i].fault;
    }
    if (row->secret != NULL && !latchkeyd_is_plain(question->secret))
        return "no credential, or none that could be";
    return NULL;
}

static void put(char **at, struct slice bytes)
{
    if (bytes.len > 0)
        memcpy(*at, bytes.bytes, bytes.len);
    *at += bytes.len;
}

/* `object`, with one more member behind the others whose value is written as it is: `"name":` open value close. */
static bool splice(struct json *object, const char *name, const char *quote, struct slice value,
                   struct secret *ret_text)
{
    struct slice text = slice_of(json_print(object, false));
    struct secret room = { NULL, 0 };
    char *at;

    if (text.len == 0)
        return false;
    if (name == NULL)
        return text.len <= LATCHKEYD_MESSAGE_MAX && secret_copy(text, ret_text);
    room.len = text.len + strlen(",\"\":") + strlen(name) + 2 * strlen(quote) + value.len;
    if (room.len > LATCHKEYD_MESSAGE_MAX || (room.bytes = malloc(room.len)) == NULL)
        return false;
    at = room.bytes;
    put(&at, (struct slice){ text.bytes, text.len - 1 });
    put(&at, slice_of(",\""));
    put(&at, slice_of(name));
    put(&at, slice_of("\":"));
    put(&at, slice_of(quote));
    put(&at, value);
    put(&at, slice_of(quote));
    put(&at, slice_of("}"));
    *ret_text = room;
    return true;
}

static bool add_texts(const struct latchkeyd_question *question, struct json *object)
{
    const struct ask_row *row = &asks[question->ask];
    size_t i;

    for (i = 0; i < TEXT_COUNT; i++) {
        struct slice text = *text_of(question, &texts[i]);

        if (((row->must | row->may) & texts[i].bit) != 0 && text.len > 0
            && !json_add(object, texts[i].name, json_new_string(text)))
            return false;
    }
    return true;
}

bool latchkeyd_question_write(const struct latchkeyd_question *question, struct secret *ret_text)
{
    const struct ask_row *row = &asks[question->ask];
    CLEANUP(json_free) struct json *object = json_new_object();

    return object != NULL && find_fault(question) == NULL
        && json_add(object, "ask", json_new_string(slice_of(row->name))) && add_texts(question, object)
        && (question->ask != LATCHKEYD_AUTHENTICATE || !question->is_directory
            || json_add(object, "directory", json_new_boolean(true)))
        && splice(object, row->secret, "\"", question->secret, ret_text);
}

static bool find_ask(struct slice name, enum latchkeyd_ask *ret)
{
    size_t i;

    for (i = 0; i < ASK_COUNT; i++)
        if (slice_equal_string(name, asks[i].name)) {
            *ret = (enum latchkeyd_ask)i;
            return true;
        }
    return false;
}

/* A member that is there and no string reads like one that is absent: find_fault() says which is missed. */
static struct slice text_member(const struct json *object, const char *name)
{
    struct slice value = { NULL, 0 };

    json_string(json_member(object, name), &value);
    return value;
}

/* An object, and nothing else. */
static bool parse_object(struct slice text, struct json **ret_json, const char **ret_error)
{
    if (text.len > LATCHKEYD_MESSAGE_MAX) {
        *ret_error = "longer than any message";
        return false;
    }
    if (!json_parse(text, ret_json, ret_error))
        return false;
    if (json_type_of(*ret_json) == JSON_OBJECT)
        return true;
    json_free(ret_json);
    *ret_error = "no JSON object";
    return false;
}

/* What may be left out must not be taken for left out because it is a number, or empty: without the user's name a
 * question for one account would be one for any. */
static const char *find_odd_text(const struct ask_row *row, const struct json *json)
{
    size_t i;

    for (i = 0; i < TEXT_COUNT; i++)
        if ((row->may & texts[i].bit) != 0 && json_member(json, texts[i].name) != NULL
            && text_member(json, texts[i].name).len == 0)
            return texts[i].fault;
    return NULL;
}

bool latchkeyd_question_read(struct slice text, struct json **ret_json, struct latchkeyd_question *ret_question,
                             const char **ret_error)
{
    CLEANUP(json_free) struct json *json = NULL;
    struct latchkeyd_question question = { .ask = LATCHKEYD_STATUS };
    const struct ask_row *row;
    size_t i;

    if (!parse_object(text, &json, ret_error))
        return false;
    if (!find_ask(text_member(json, "ask"), &question.ask)) {
        *ret_error = "asks for nothing that is known";
        return false;
    }
    row = &asks[question.ask];
    for (i = 0; i < TEXT_COUNT; i++)
        if (((row->must | row->may) & texts[i].bit) != 0)
            *text_of(&question, &texts[i]) = text_member(json, texts[i].name);
    question.is_directory = question.ask == LATCHKEYD_AUTHENTICATE && json_is_true(json_member(json, "directory"));
    if (row->secret != NULL)
        question.secret = text_member(json, row->secret);
    *ret_error = find_odd_text(row, json);
    if (*ret_error == NULL)
        *ret_error = find_fault(&question);
    if (*ret_error != NULL)
        return false;
    *ret_question = question;
    *ret_json = json;
    json = NULL;
    return true;
}

struct latchkeyd_answer latchkeyd_answer_of(enum reason reason, const char *detail)
{
    struct latchkeyd_answer answer = { .reason = reason };

    verdict_fact(answer.detail, sizeof answer.detail, slice_of(detail));
    return answer;
}

bool latchkeyd_answer_write(const struct latchkeyd_answer *answer, const char *name, struct json *more,
                            struct secret *ret_text)
{
    CLEANUP(json_free) struct json *object = json_new_object();
    struct slice text;

    if (object == NULL || !json_add(object, "answer", json_new_string(slice_of(reason_name(answer->reason)))))
        return false;
    if (answer->reason != REASON_OK && !json_add(object, "detail", json_new_string(slice_of(answer->detail))))
        return false;
    if (more != NULL) {
        text = slice_of(json_print(more, false));
        return text.len > 0 && splice(object, name, "", text, ret_text);
    }
    if (answer->reason == REASON_OK && answer->token.len > 0)
        return latchkeyd_is_plain(answer->token) && splice(object, "token", "\"", answer->token, ret_text);
    return splice(object, NULL, "", (struct slice){ NULL, 0 }, ret_text);
}

/* NULL, or what a success lacks. */
static const char *find_lack(enum latchkeyd_ask ask, const struct latchkeyd_answer *answer)
{
    if (ask == LATCHKEYD_EXCHANGE && !latchkeyd_is_plain(answer->token))
        return "no token in the answer";
    if (ask == LATCHKEYD_STATUS && json_type_of(answer->status) != JSON_OBJECT)
        return "no status in the answer";
    if (ask == LATCHKEYD_AUTHENTICATE && json_type_of(answer->login) != JSON_OBJECT)
        return "no login in the answer";
    return NULL;
}

bool latchkeyd_answer_read(enum latchkeyd_ask ask, struct slice text, struct json **ret_json,
                           struct latchkeyd_answer *ret_answer, const char **ret_error)
{
    CLEANUP(json_free) struct json *json = NULL;
    struct latchkeyd_answer answer = { .reason = REASON_UNDECIDED };
    struct slice name;

    if (!parse_object(text, &json, ret_error))
        return false;
    name = text_member(json, "answer");
    /* json.c ends strings with a NUL that is not counted. */
    if (name.len > 0 && strlen(name.bytes) == name.len)
        answer.reason = reason_find(name.bytes);
    if (answer.reason == REASON_UNDECIDED) {
        *ret_error = "no known answer";
        return false;
    }
    if (ask == LATCHKEYD_AUTHENTICATE)
        answer.login = json_member(json, "login");
    if (answer.reason == REASON_OK) {
        if (ask == LATCHKEYD_EXCHANGE)
            answer.token = text_member(json, "token");
        if (ask == LATCHKEYD_STATUS)
            answer.status = json_member(json, "status");
        *ret_error = find_lack(ask, &answer);
        if (*ret_error != NULL)
            return false;
    } else {
        verdict_fact(answer.detail, sizeof answer.detail, text_member(json, "detail"));
    }
    *ret_answer = answer;
    *ret_json = json;
    json = NULL;
    return true;
}
