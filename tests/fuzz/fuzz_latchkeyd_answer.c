/*
 * An answer that can be read can be written, and reads the same again, for each kind of question.
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

static void check_answer(enum latchkeyd_ask ask, const struct latchkeyd_answer *answer)
{
    size_t i;

    demand(answer->reason != REASON_UNDECIDED && answer->reason < REASON_COUNT);
    demand((answer->token.len > 0) == (ask == LATCHKEYD_EXCHANGE && answer->reason == REASON_OK));
    demand((answer->status != NULL) == (ask == LATCHKEYD_STATUS && answer->reason == REASON_OK));
    demand(answer->status == NULL || json_type_of(answer->status) == JSON_OBJECT);
    demand(answer->login == NULL || (ask == LATCHKEYD_AUTHENTICATE && json_type_of(answer->login) == JSON_OBJECT));
    demand(answer->login != NULL || ask != LATCHKEYD_AUTHENTICATE || answer->reason != REASON_OK);
    demand(strlen(answer->detail) < EVIDENCE_MAX && !text_has_control(slice_of(answer->detail)));
    demand(text_is_utf8(slice_of(answer->detail)));
    for (i = 0; i < answer->token.len; i++)
        demand(answer->token.bytes[i] > ' ' && answer->token.bytes[i] <= '~'
               && strchr("\"\\", answer->token.bytes[i]) == NULL);
}

static void check_same(struct latchkeyd_answer *a, struct latchkeyd_answer *b)
{
    const struct json *of_a = a->login != NULL ? a->login : a->status;
    const struct json *of_b = b->login != NULL ? b->login : b->status;
    char *more = NULL;

    demand(a->reason == b->reason && strcmp(a->detail, b->detail) == 0 && slice_equal(a->token, b->token));
    demand((of_a != NULL) == (of_b != NULL));
    if (of_a == NULL)
        return;
    more = strdup(json_print(of_a, false));
    demand(more != NULL && strcmp(more, json_print(of_b, false)) == 0);
    free(more);
}

static void read_answer(enum latchkeyd_ask ask, struct slice text)
{
    struct latchkeyd_answer answer, again;
    struct json *json = NULL, *json_again = NULL;
    struct secret written = { NULL, 0 };
    const char *error = NULL;

    if (!latchkeyd_answer_read(ask, text, &json, &answer, &error)) {
        demand(json == NULL && error != NULL);
        return;
    }
    demand(text.len <= LATCHKEYD_MESSAGE_MAX);
    check_answer(ask, &answer);
    demand(latchkeyd_answer_write(ask, &answer, &written));
    demand(written.len <= LATCHKEYD_MESSAGE_MAX);
    demand(latchkeyd_answer_read(ask, (struct slice){ written.bytes, written.len }, &json_again, &again, &error));
    check_same(&answer, &again);
    json_free(&json);
    json_free(&json_again);
    secret_clear(&written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum latchkeyd_ask ask;

    for (ask = LATCHKEYD_EXCHANGE; ask < LATCHKEYD_ASK_COUNT; ask++)
        read_answer(ask, (struct slice){ (const char *)data, size });
    return 0;
}
