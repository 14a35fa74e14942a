/*
 * As fuzz_oauthbearer.c: what is read can be written and reads the same again, and the other way round.
 */
#include "tests/fuzz/fuzz_message.h"

static void check_same(const struct bearer_message *message)
{
    struct bearer_message again;
    struct secret text = { NULL, 0 };

    demand(message->has_user);
    if (xoauth2_write(slice_of(message->user), message->bearer, &text) != MESSAGE_WRITTEN) {
        demand(text.bytes == NULL);
        return;
    }
    demand(read_message(xoauth2_read, (struct slice){ text.bytes, text.len }, &again));
    demand(slice_equal(again.bearer, message->bearer) && strcmp(again.user, message->user) == 0);
    secret_clear(&text);
}

/* Lines: user, bearer, scope. */
static void write_lines(struct slice in)
{
    char user[400], bearer[300], scope[300], text[256];
    struct bearer_message message;
    struct secret written = { NULL, 0 };

    take_line(&in, user, sizeof user);
    take_line(&in, bearer, sizeof bearer);
    take_line(&in, scope, sizeof scope);
    if (xoauth2_write(slice_of(user), slice_of(bearer), &written) == MESSAGE_WRITTEN) {
        demand(read_message(xoauth2_read, (struct slice){ written.bytes, written.len }, &message));
        demand(strcmp(message.user, user) == 0 && slice_equal_string(message.bearer, bearer));
        secret_clear(&written);
    }
    check_error(text, xoauth2_error("insufficient_scope", scope, NULL, text, sizeof text), "403");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice input = { (const char *)data, size };
    struct bearer_message message;

    if (read_message(xoauth2_read, input, &message))
        check_same(&message);
    write_lines(input);
    return 0;
}
