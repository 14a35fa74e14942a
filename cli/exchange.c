/*
 * latchkey exchange: exchange an API key for the JWT of a local user's subject.
 */
#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "login/verify.h"
#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/handover.h"
#include "cli/remote.h"

struct exchange_options {
    const char *config;
    const char *user;
    const char *api_key_file;
    const char *output;
};

static bool parse_options(int argc, char **argv, struct exchange_options *options)
{
    const struct known_option known[] = {
        { "config", .text = &options->config },
        { "user", .text = &options->user },
        { "api-key-file", .text = &options->api_key_file },
        { "output", .text = &options->output },
        { NULL },
    };

    *options = (struct exchange_options){ .config = NULL };
    if (!arguments_read("exchange", argc, argv, known, ARGUMENTS_NO_API_KEY))
        return false;
    if (options->user == NULL)
        usage_error("exchange", "--user is missing");
    return options->user != NULL;
}

/* As at a login, only the account's own block counts. */
static bool find_account(struct verdict *verdict, const struct config *config, const char *user,
                         const struct user_block **ret_block)
{
    *ret_block = identity_user_block(&config->identity, user);
    return (*ret_block != NULL && (*ret_block)->api_key)
        || verdict_reject(verdict, REASON_CREDENTIAL_NOT_ALLOWED, "no user block with api_key = true for \"%s\"", user);
}

static bool exchange(struct verdict *verdict, const struct remote *remote, const char *subject,
                     struct secret *ret_token)
{
    CLEANUP(tenant_request_clear) struct tenant_request request = { .ca = { NULL, 0 } };
    CLEANUP(http_reply_clear) struct http_reply reply = { .arrived = false };
    double expires;

    if (!tenant_exchange_request(verdict, remote->tenant, slice_of(subject), remote->credential.api_key,
                                 remote_timeout_ms(remote), &request))
        return false;
    remote_perform(remote, &request, &reply);
    /* The tenant service's word is not enough: the token must be one of the subject that was asked for. */
    return tenant_exchange_read(verdict, &reply, ret_token)
        && verify_exchanged(verdict, remote->config, remote->tenant, subject,
                            (struct slice){ ret_token->bytes, ret_token->len }, time(NULL), &expires);
}

static bool print_token(struct verdict *verdict, struct slice token)
{
    return (printf("%.*s\n", SLICE_ARG(token)) > 0 && fflush(stdout) == 0)
        || verdict_reject(verdict, REASON_SYSTEM_ERROR, "standard output");
}

static bool run(struct remote *remote, const struct exchange_options *options)
{
    CLEANUP(handover_end) struct handover handover = { .path = "" };
    CLEANUP(secret_clear) struct secret token = { NULL, 0 };
    struct verdict verdict = VERDICT_INIT;
    const struct user_block *account;
    const char *subject;

    if (!remote_open(remote, options->config))
        return false;
    if (!find_account(&verdict, remote->config, options->user, &account))
        return remote_refuse(remote, &verdict);
    /* The reader of the configuration made sure that there is exactly one tenant and one subject. */
    remote->tenant = config_exchange_tenant(remote->config, account);
    subject = account->subjects.items[0];
    if (options->output != NULL && !handover_prepare(&verdict, &handover, options->output, JWT_MAX_LEN))
        return remote_refuse(remote, &verdict);
    if (!remote_use_api_key(remote, options->api_key_file))
        return false;
    return (exchange(&verdict, remote, subject, &token)
            && (options->output != NULL ? handover_write(&verdict, &handover, (struct slice){ token.bytes, token.len })
                                        : print_token(&verdict, (struct slice){ token.bytes, token.len })))
        || remote_refuse(remote, &verdict);
}

int command_exchange(int argc, char **argv)
{
    CLEANUP(remote_close) struct remote remote = { .command = "exchange" };
    struct exchange_options options;

    if (!parse_options(argc, argv, &options))
        return STATUS_USAGE;
    return run(&remote, &options) ? STATUS_OK : remote.status;
}
