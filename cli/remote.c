#include "cli/remote.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/trusted_file.h"
#include "token/jwt.h"
#include "config/snapshot.h"
#include "login/authenticate.h"
#include "cli/cli.h"
#include "cli/terminal.h"

#define LINE_END_MAX 2 /* bytes of a line end after a credential */

bool remote_refuse(struct remote *remote, const struct verdict *verdict)
{
    fprintf(stderr, "latchkey %s: %s: %s%s%s\n", remote->command, reason_name(verdict->reason),
            reason_sentence(verdict->reason), verdict->evidence[0] != '\0' ? ": " : "", verdict->evidence);
    remote->status = reason_exit_status(verdict->reason);
    return false;
}

bool remote_reject(struct remote *remote, enum reason reason, const char *format, ...)
{
    struct verdict verdict = VERDICT_INIT;
    char evidence[EVIDENCE_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(evidence, sizeof evidence, format, arguments);
    va_end(arguments);
    verdict_reject(&verdict, reason, "%s", evidence);
    return remote_refuse(remote, &verdict);
}

bool remote_load(struct remote *remote, const char *config_path)
{
    struct verdict verdict = VERDICT_INIT;

    return config_acquire(&verdict, config_path, &remote->config) || remote_refuse(remote, &verdict);
}

bool remote_open(struct remote *remote, const char *config_path)
{
    if (!remote_load(remote, config_path))
        return false;
    remote->http = http_new(CONFIG_TENANTS_MAX);
    return remote->http != NULL || remote_reject(remote, REASON_OUT_OF_MEMORY, "libcurl cannot start");
}

void remote_close(struct remote *remote)
{
    http_free(&remote->http);
    config_release(&remote->config);
    remote->credential = (struct tenant_credential){ .api_key = { NULL, 0 } };
    secret_clear(&remote->secret);
}

__attribute__((format(printf, 2, 3))) static bool refuse_usage(struct remote *remote, const char *format, ...)
{
    char message[EVIDENCE_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    remote->status = usage_error(remote->command, "%s", message);
    return false;
}

bool remote_choose_tenant(struct remote *remote, const char *id)
{
    const struct config *config = remote->config;
    const struct tenant *found = NULL;
    size_t i;

    for (i = 0; i < config->tenant_count; i++) {
        const struct tenant *tenant = &config->tenants[i];

        if (id != NULL ? strcmp(tenant->id, id) != 0 : tenant->url == NULL)
            continue;
        if (found != NULL)
            return refuse_usage(remote, "several tenants of %s have a url: select one with --tenant", config->path);
        found = tenant;
    }
    if (found == NULL && id != NULL)
        return refuse_usage(remote, "--tenant: the configuration has no tenant \"%s\"", id);
    if (found == NULL)
        return refuse_usage(remote, "no tenant of %s has a url", config->path);
    remote->tenant = found;
    return true;
}

static bool read_credential_file(struct remote *remote, const char *path, size_t max)
{
    struct file_error error;
    struct file_stamp stamp;

    return trusted_file_read(path, TRUSTED_SECRET, NULL, max + LINE_END_MAX, &remote->secret, &stamp, &error)
        || remote_reject(remote, REASON_SYSTEM_ERROR, "%s: %s", path, error.text);
}

static bool read_standard_input(struct remote *remote, const char *what, size_t max)
{
    bool ok = isatty(STDIN_FILENO) ? terminal_read_secret(what, &remote->secret)
                                   : secret_read(STDIN_FILENO, max + LINE_END_MAX + 1, &remote->secret);

    return ok || remote_reject(remote, REASON_SYSTEM_ERROR, "standard input: %s", strerror(errno));
}

static bool read_credential(struct remote *remote, const char *file, const char *what, size_t max,
                            struct slice *ret_credential)
{
    secret_clear(&remote->secret);
    remote->credential = (struct tenant_credential){ .api_key = { NULL, 0 } };
    if (!(file != NULL ? read_credential_file(remote, file, max) : read_standard_input(remote, what, max)))
        return false;
    *ret_credential = credential_trim((struct slice){ remote->secret.bytes, remote->secret.len });
    return ret_credential->len > 0
        || remote_reject(remote, REASON_CREDENTIAL_ABSENT, "%s", file != NULL ? file : "standard input");
}

bool remote_use_api_key(struct remote *remote, const char *file)
{
    struct slice api_key;

    if (!read_credential(remote, file, "API key", CONFIG_API_KEY_MAX, &api_key))
        return false;
    if (!config_is_api_key(remote->tenant, api_key))
        return remote_reject(remote, REASON_CREDENTIAL_REFUSED, "not in the form of an API key of tenant %s",
                             remote->tenant->id);
    remote->credential.api_key = api_key;
    return true;
}

void remote_take_api_key(struct remote *remote, struct secret *api_key)
{
    secret_clear(&remote->secret);
    remote->secret = *api_key;
    *api_key = (struct secret){ NULL, 0 };
    remote->credential = (struct tenant_credential){ .api_key = { remote->secret.bytes, remote->secret.len } };
}

bool remote_use_token(struct remote *remote, const char *file)
{
    CLEANUP(jwt_free) struct jwt *jwt = NULL;
    struct verdict verdict = VERDICT_INIT;
    struct slice token;

    if (!read_credential(remote, file, "Access token", JWT_MAX_LEN, &token))
        return false;
    if (!jwt_parse(&verdict, token, &jwt))
        return remote_refuse(remote, &verdict);
    remote->credential.bearer = token;
    return true;
}

bool remote_begin(struct remote *remote, const struct remote_options *options)
{
    if (options->api_key_file != NULL && options->token_file != NULL)
        return refuse_usage(remote, "--api-key-file and --token-file exclude each other");
    return remote_open(remote, options->config) && remote_choose_tenant(remote, options->tenant)
        && (options->token_file != NULL ? remote_use_token(remote, options->token_file)
                                        : remote_use_api_key(remote, options->api_key_file));
}

int remote_timeout_ms(const struct remote *remote)
{
    return (int)remote->config->latchkeyd.timeout * 1000;
}

void remote_perform(const struct remote *remote, const struct tenant_request *request, struct http_reply *ret_reply)
{
    http_perform(remote->http, &request->http, ret_reply);
}
