/*
 * latchkey whoami: ask the tenant service for the user of a token.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/people.h"
#include "cli/remote.h"

struct whoami_options {
    const char *config;
    const char *tenant;
    const char *token_file;
    bool json;
};

static bool parse_options(int argc, char **argv, struct whoami_options *options)
{
    const struct known_option known[] = {
        { "config", .text = &options->config },
        { "tenant", .text = &options->tenant },
        { "token-file", .text = &options->token_file },
        { "json", .flag = &options->json },
        { NULL },
    };

    *options = (struct whoami_options){ .token_file = getenv("LATCHKEY_TOKEN_FILE") };
    return arguments_read("whoami", argc, argv, known,
                          "the token comes from a file or on standard input, never as an argument");
}

static bool ask(struct verdict *verdict, const struct remote *remote, struct json **ret_user)
{
    CLEANUP(tenant_request_clear) struct tenant_request request = { .ca = { NULL, 0 } };
    CLEANUP(http_reply_clear) struct http_reply reply = { .arrived = false };

    if (!tenant_user_request(verdict, remote->tenant, &remote->credential, slice_of("me"), remote_timeout_ms(remote),
                             &request))
        return false;
    remote_perform(remote, &request, &reply);
    return tenant_reply_read(verdict, &reply, ret_user);
}

static bool print_json(const struct remote *remote, const struct json *user)
{
    CLEANUP(json_free) struct json *object = person_json(user);

    return json_add(object, "tenant", json_new_string(slice_of(remote->tenant->id))) && print_object(object);
}

static void print_text(const struct remote *remote, const struct person *person)
{
    const struct {
        const char *what, *value;
    } lines[] = {
        { "user", person->id },
        { "e-mail", person->email },
        { "name", person->name },
        { "tenant", remote->tenant->id },
    };
    size_t i;

    for (i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (lines[i].value[0] != '\0')
            printf("%-7s %s\n", lines[i].what, lines[i].value);
}

static bool tell(struct remote *remote, bool json)
{
    CLEANUP(json_free) struct json *user = NULL;
    struct verdict verdict = VERDICT_INIT;
    struct person person;

    if (!ask(&verdict, remote, &user))
        return remote_refuse(remote, &verdict);
    if (!person_read(user, &person))
        return remote_reject(remote, REASON_TENANT_UNAVAILABLE, "the reply names no user");
    if (json)
        return print_json(remote, user) || remote_reject(remote, REASON_OUT_OF_MEMORY, "the answer");
    print_text(remote, &person);
    return true;
}

int command_whoami(int argc, char **argv)
{
    CLEANUP(remote_close) struct remote remote = { .command = "whoami" };
    struct whoami_options options;

    if (!parse_options(argc, argv, &options))
        return STATUS_USAGE;
    if (remote_open(&remote, options.config) && remote_choose_tenant(&remote, options.tenant)
        && remote_use_token(&remote, options.token_file) && tell(&remote, options.json))
        return flush_output("whoami");
    return remote.status;
}
