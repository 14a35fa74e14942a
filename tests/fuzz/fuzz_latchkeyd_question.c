/*
 * A question that can be read can be written, and reads the same again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ipc/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* What its header promises of the parts that a question of this kind has; the others are empty. */
static void check_question(const struct latchkeyd_question *question)
{
    const bool has_secret = question->ask != LATCHKEYD_REFRESH && question->ask != LATCHKEYD_STATUS;
    const bool has_tenant = question->ask != LATCHKEYD_AUTHENTICATE && question->ask != LATCHKEYD_STATUS;
    size_t i;

    demand((question->tenant.len > 0) == has_tenant && question->tenant.len < FACT_MAX);
    demand((question->subject.len > 0) == (question->ask == LATCHKEYD_EXCHANGE)
           && question->subject.len <= SUBJECT_MAX);
    demand((question->secret.len > 0) == has_secret);
    demand(text_is_utf8(question->tenant) && !text_has_control(question->tenant));
    demand(text_is_utf8(question->subject) && !text_has_control(question->subject));
    for (i = 0; i < question->secret.len; i++)
        demand(question->secret.bytes[i] > ' ' && question->secret.bytes[i] <= '~'
               && strchr("\"\\", question->secret.bytes[i]) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct latchkeyd_question question, again;
    struct json *json = NULL, *json_again = NULL;
    struct secret text = { NULL, 0 };
    const char *error = NULL;

    if (!latchkeyd_question_read((struct slice){ (const char *)data, size }, &json, &question, &error)) {
        demand(json == NULL && error != NULL);
        return 0;
    }
    demand(size <= LATCHKEYD_MESSAGE_MAX);
    check_question(&question);
    demand(latchkeyd_question_write(&question, &text));
    demand(text.len <= LATCHKEYD_MESSAGE_MAX);
    demand(latchkeyd_question_read((struct slice){ text.bytes, text.len }, &json_again, &again, &error));
    demand(again.ask == question.ask && slice_equal(again.tenant, question.tenant)
           && slice_equal(again.subject, question.subject) && slice_equal(again.service, question.service)
           && slice_equal(again.user, question.user) && slice_equal(again.authzid, question.authzid)
           && slice_equal(again.config, question.config) && slice_equal(again.secret, question.secret)
           && slice_equal(again.url, question.url) && again.is_directory == question.is_directory);
    json_free(&json);
    json_free(&json_again);
    secret_clear(&text);
    return 0;
}
