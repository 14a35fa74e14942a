/*
 * Whatever the tenant service replies, what is taken from it is what the headers promise. The first line of an input is
 * the Content-Type, the rest is the body.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "token/jwt.h"
#include "ipc/protocol.h"
#include "tenant/oidc.h"
#include "tenant/tenant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT(text) ((char[]){ text })

static struct tenant tenants[] = {
    { .id = TEXT("t-1"), .claims = { .issuer = TEXT("https://op.example") } },
    { .id = TEXT("waived") },
};

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void check_verdict(const struct verdict *verdict, bool ok)
{
    demand(ok == (verdict->reason == REASON_UNDECIDED));
    demand(!text_has_control(slice_of(verdict->evidence)));
}

/* A token can be handed on to whoever asked. */
static void read_exchange(const struct http_reply *reply)
{
    struct verdict verdict = VERDICT_INIT;
    struct secret token = { NULL, 0 }, text = { NULL, 0 };
    struct latchkeyd_answer answer = { .reason = REASON_OK };
    bool ok = tenant_exchange_read(&verdict, reply, &token);

    check_verdict(&verdict, ok);
    demand(ok == (token.bytes != NULL));
    if (!ok)
        return;
    demand(token.len > 0 && token.len <= JWT_MAX_LEN);
    answer.token = (struct slice){ token.bytes, token.len };
    demand(latchkeyd_answer_write(LATCHKEYD_EXCHANGE, &answer, &text));
    secret_clear(&text);
    secret_clear(&token);
}

static void read_new_key(const struct http_reply *reply)
{
    struct verdict verdict = VERDICT_INIT;
    struct secret key = { NULL, 0 };
    bool ok = tenant_new_key_read(&verdict, reply, &key);
    size_t i;

    check_verdict(&verdict, ok);
    demand(ok ? key.len > 0 && key.len <= CONFIG_API_KEY_MAX : key.bytes == NULL);
    for (i = 0; i < key.len; i++)
        demand(key.bytes[i] > ' ' && key.bytes[i] <= '~');
    secret_clear(&key);
}

static void read_users(const struct http_reply *reply)
{
    struct verdict verdict = VERDICT_INIT;
    struct json *json = NULL;
    bool ok = tenant_reply_read(&verdict, reply, &json);

    check_verdict(&verdict, ok);
    demand(ok ? json_type_of(json) == JSON_OBJECT : json == NULL);
    json_free(&json);
}

static void read_discovery(const struct tenant *tenant, const struct http_reply *reply)
{
    struct verdict verdict = VERDICT_INIT;
    char address[HTTP_URL_MAX] = "";
    bool ok = oidc_discovery_read(&verdict, tenant, reply, address);

    check_verdict(&verdict, ok);
    demand(ok == (strncmp(address, "https://", 8) == 0));
    demand(strpbrk(address, "@#\\\" ") == NULL && !text_has_control(slice_of(address)));
}

static void read_keys(const struct tenant *tenant, const struct http_reply *reply)
{
    struct verdict verdict = VERDICT_INIT;
    struct slice text = { NULL, 0 };
    bool is_withdrawn, ok = oidc_keys_read(&verdict, tenant, reply, &text, &is_withdrawn);

    check_verdict(&verdict, ok);
    demand(text.bytes == (ok ? reply->body.bytes : NULL) && text.len == (ok ? reply->body.len : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = { (const char *)data, size }, type, body;
    struct http_reply reply = { .arrived = true, .status = 200, .retry_after = -1 };
    size_t row, i;

    if (!slice_cut(input, '\n', &type, &body) || type.len >= sizeof reply.content_type || text_has_control(type)
        || !secret_copy(body, &reply.body))
        return 0;
    if (type.len > 0)
        memcpy(reply.content_type, type.bytes, type.len);
    for (row = 0; row < ALGORITHM_ROWS; row++)
        tenants[0].algorithms[row] = tenants[1].algorithms[row] = algorithm_at(row)->key_type != KEY_OCT;
    read_exchange(&reply);
    read_new_key(&reply);
    read_users(&reply);
    for (i = 0; i < sizeof tenants / sizeof tenants[0]; i++) {
        read_discovery(&tenants[i], &reply);
        read_keys(&tenants[i], &reply);
    }
    http_reply_clear(&reply);
    return 0;
}
