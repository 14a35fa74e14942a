/*
 * A message that is read can be written, and reads the same again; what is written can be read; a refusal is JSON,
 * whatever it names.
 */
#include "tests/fuzz/fuzz_message.h"

static void check_same(const struct bearer_message *message, const char *host)
{
    struct bearer_message again;
    struct secret text = { NULL, 0 };

    if (oauthbearer_write(slice_of(message->user), host, message->bearer, &text) != MESSAGE_WRITTEN) {
        demand(text.bytes == NULL);
        return;
    }
    demand(read_message(oauthbearer_read, (struct slice){ text.bytes, text.len }, &again));
    demand(slice_equal(again.bearer, message->bearer) && strcmp(again.user, message->user) == 0);
    secret_clear(&text);
}

/* Lines: user, host, bearer, scope, discovery. */
static void write_lines(struct slice in)
{
    char user[400], host[300], bearer[300], scope[300], discovery[300], text[256];
    struct bearer_message message;
    struct secret written = { NULL, 0 };

    take_line(&in, user, sizeof user);
    take_line(&in, host, sizeof host);
    take_line(&in, bearer, sizeof bearer);
    take_line(&in, scope, sizeof scope);
    take_line(&in, discovery, sizeof discovery);
    if (oauthbearer_write(slice_of(user), host, slice_of(bearer), &written) == MESSAGE_WRITTEN) {
        demand(read_message(oauthbearer_read, (struct slice){ written.bytes, written.len }, &message));
        demand(strcmp(message.user, user) == 0 && slice_equal_string(message.bearer, bearer));
        secret_clear(&written);
    }
    check_error(text, oauthbearer_error("invalid_token", scope, discovery, text, sizeof text), "invalid_token");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice input = { (const char *)data, size };
    struct bearer_message message;

    if (read_message(oauthbearer_read, input, &message)) {
        check_same(&message, NULL);
        check_same(&message, "mail.example.com");
    }
    write_lines(input);
    return 0;
}
