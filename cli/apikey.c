/*
 * latchkey apikey: show, create and rotate the API keys of a tenant.
 *
 * A new key of a type invalidates the former one at once and for every client, and only the reply holds the new key. So
 * the command renews a key only when it has made sure that it can store the new one. rotate never renews the last key
 * that is known to work: it renews the key that it was not given, tries the new key and stores it, and only then renews
 * the other key.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/handover.h"
#include "cli/remote.h"
#include "cli/terminal.h"

enum api_key_type { KEY_PRIMARY, KEY_SECONDARY, KEY_TYPES };

static const struct {
    const char *name;   /* in the API and in the command */
    const char *member; /* of the API's reply */
} types[] = {
    [KEY_PRIMARY] = { "primary", "primaryApiKey" },
    [KEY_SECONDARY] = { "secondary", "secondaryApiKey" },
};

struct apikey_options {
    struct remote_options remote;
    const char *output;
    bool is_revealed;
    bool is_confirmed;
};

/* The keys of a tenant. Zero-initialise; end it with api_keys_clear(). */
struct api_keys {
    struct secret of[KEY_TYPES]; /* empty: there is none of the type */
};

static void api_keys_clear(struct api_keys *keys)
{
    size_t i;

    for (i = 0; i < KEY_TYPES; i++)
        secret_clear(&keys->of[i]);
}

static struct slice key_of(const struct api_keys *keys, enum api_key_type type)
{
    return (struct slice){ keys->of[type].bytes, keys->of[type].len };
}

/* Printable, so that it fits into a header, a file and a terminal. */
static bool is_presentable(struct slice key)
{
    return key.len <= CONFIG_API_KEY_MAX && text_is_visible(key, "");
}

static bool read_key(struct verdict *verdict, const struct json *json, const char *member, struct secret *ret_key)
{
    const struct json *value = json_member(json, member);
    struct slice key;

    if (json_type_of(value) == JSON_NULL)
        return true;
    if (!json_string(value, &key) || !is_presentable(key))
        return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE, "the reply's \"%s\" is not a key", member);
    return secret_copy(key, ret_key) || verdict_reject(verdict, REASON_OUT_OF_MEMORY, "an API key");
}

/* A reply about another tenant is refused. */
static bool read_keys(struct verdict *verdict, const struct tenant *tenant, const struct http_reply *reply,
                      struct api_keys *ret_keys)
{
    CLEANUP(json_free) struct json *json = NULL;
    struct slice id;
    size_t i;

    if (!tenant_reply_read(verdict, reply, &json))
        return false;
    if (!json_string(json_member(json, "tenantId"), &id) || !slice_equal_string(id, tenant->id))
        return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE, "the reply is about another tenant");
    for (i = 0; i < KEY_TYPES; i++)
        if (!read_key(verdict, json, types[i].member, &ret_keys->of[i]))
            return false;
    return true;
}

/* This also tries a key: only a key that works may read the keys. */
static bool get_keys(struct remote *remote, struct api_keys *ret_keys)
{
    CLEANUP(tenant_request_clear) struct tenant_request request = { .ca = { NULL, 0 } };
    CLEANUP(http_reply_clear) struct http_reply reply = { .arrived = false };
    struct verdict verdict = VERDICT_INIT;

    api_keys_clear(ret_keys);
    if (!tenant_keys_request(&verdict, remote->tenant, &remote->credential, remote_timeout_ms(remote), &request))
        return remote_refuse(remote, &verdict);
    remote_perform(remote, &request, &reply);
    return read_keys(&verdict, remote->tenant, &reply, ret_keys) || remote_refuse(remote, &verdict);
}

static bool renew(struct remote *remote, enum api_key_type type, struct secret *ret_key)
{
    CLEANUP(tenant_request_clear) struct tenant_request request = { .ca = { NULL, 0 } };
    CLEANUP(http_reply_clear) struct http_reply reply = { .arrived = false };
    struct verdict verdict = VERDICT_INIT;

    if (!tenant_new_key_request(&verdict, remote->tenant, &remote->credential, types[type].name,
                                remote_timeout_ms(remote), &request))
        return remote_refuse(remote, &verdict);
    remote_perform(remote, &request, &reply);
    if (tenant_new_key_read(&verdict, &reply, ret_key))
        return true;
    remote_refuse(remote, &verdict);
    if (verdict.reason == REASON_TENANT_UNAVAILABLE)
        fprintf(stderr, "latchkey %s: the %s key may have been renewed: see \"latchkey apikey show\"\n",
                remote->command, types[type].name);
    return false;
}

static void print_key(enum api_key_type type, struct slice key, bool is_revealed)
{
    char masked[HANDOVER_MASKED_MAX];

    handover_mask(key, masked);
    printf("%-10s %.*s\n", types[type].name, SLICE_ARG(is_revealed ? key : slice_of(masked)));
}

/* Write the key to the file, and print it, masked unless --reveal is given. */
static bool hand_over(struct remote *remote, const struct apikey_options *options, struct handover *handover,
                      enum api_key_type type, struct slice key)
{
    struct verdict verdict = VERDICT_INIT;

    if (options->output != NULL && !handover_write(&verdict, handover, key))
        return remote_refuse(remote, &verdict);
    print_key(type, key, options->is_revealed);
    remote->status = flush_output(remote->command);
    return remote->status == STATUS_OK || options->output != NULL;
}

static bool prepare(struct remote *remote, const struct apikey_options *options, struct handover *handover)
{
    struct verdict verdict = VERDICT_INIT;

    return options->output == NULL || handover_prepare(&verdict, handover, options->output, CONFIG_API_KEY_MAX)
        || remote_refuse(remote, &verdict);
}

/* Ask before a key that exists becomes invalid. */
static bool confirm(struct remote *remote, const struct apikey_options *options, const struct api_keys *keys,
                    enum api_key_type type)
{
    char masked[HANDOVER_MASKED_MAX], question[256];

    if (options->is_confirmed || keys->of[type].len == 0)
        return true;
    if (!terminal_is_there()) {
        remote->status = usage_error(remote->command,
                                     "the %s key becomes invalid, and there is no terminal to ask: confirm with --yes",
                                     types[type].name);
        return false;
    }
    handover_mask(key_of(keys, type), masked);
    snprintf(question, sizeof question,
             "This makes the %s key %s invalid, at once and for every client.\nType yes to continue: ",
             types[type].name, masked);
    if (terminal_confirms(question))
        return true;
    fprintf(stderr, "latchkey %s: the %s key is unchanged\n", remote->command, types[type].name);
    remote->status = STATUS_REFUSED;
    return false;
}

static bool show(struct remote *remote, const struct apikey_options *options)
{
    CLEANUP(api_keys_clear) struct api_keys keys = { .of = { { NULL, 0 } } };
    size_t i;

    if (!get_keys(remote, &keys))
        return false;
    for (i = 0; i < KEY_TYPES; i++) {
        if (keys.of[i].len > 0)
            print_key((enum api_key_type)i, key_of(&keys, (enum api_key_type)i), options->is_revealed);
        else
            printf("%-10s none\n", types[i].name);
    }
    return true;
}

/* From the request for a new key until the key is stored, no signal may interrupt, nor a closed pipe. The signals stay
 * blocked for the rest of the process, which the time limit of a request bounds. */
static void hold_signals(void)
{
    static const int interrupting[] = { SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM };
    sigset_t held;
    size_t i;

    sigemptyset(&held);
    for (i = 0; i < sizeof interrupting / sizeof interrupting[0]; i++)
        sigaddset(&held, interrupting[i]);
    sigprocmask(SIG_BLOCK, &held, NULL);
}

static bool create(struct remote *remote, const struct apikey_options *options, enum api_key_type type)
{
    CLEANUP(handover_end) struct handover handover = { .path = "" };
    CLEANUP(api_keys_clear) struct api_keys keys = { .of = { { NULL, 0 } } };
    CLEANUP(secret_clear) struct secret key = { NULL, 0 };

    if (!prepare(remote, options, &handover) || !get_keys(remote, &keys) || !confirm(remote, options, &keys, type))
        return false;
    hold_signals();
    if (!renew(remote, type, &key))
        return false;
    if (hand_over(remote, options, &handover, type, (struct slice){ key.bytes, key.len }))
        return true;
    fprintf(stderr, "latchkey %s: the former %s key is invalid, and the new key would be lost: %.*s\n", remote->command,
            types[type].name, (int)key.len, key.bytes);
    return false;
}

/* The type of the given key. */
static bool find_type(struct remote *remote, const struct api_keys *keys, struct slice key, enum api_key_type *ret_type)
{
    size_t i;

    for (i = 0; i < KEY_TYPES; i++)
        if (secret_equal(key_of(keys, (enum api_key_type)i), key)) {
            *ret_type = (enum api_key_type)i;
            return true;
        }
    return remote_reject(remote, REASON_TENANT_UNAVAILABLE,
                         "the key works, and is neither the primary nor the secondary key");
}

/* Renew one key with the other, continue with the new key, and store it only after it has worked. */
static bool replace(struct remote *remote, const struct apikey_options *options, enum api_key_type type)
{
    CLEANUP(handover_end) struct handover handover = { .path = "" };
    CLEANUP(api_keys_clear) struct api_keys keys = { .of = { { NULL, 0 } } };
    CLEANUP(secret_clear) struct secret key = { NULL, 0 };

    if (!prepare(remote, options, &handover) || !renew(remote, type, &key))
        return false;
    remote_take_api_key(remote, &key);
    return get_keys(remote, &keys) && hand_over(remote, options, &handover, type, remote->credential.api_key);
}

/* Store the given key: the file may hold the other key, which is renewed first. */
static bool write_given(struct remote *remote, const struct apikey_options *options)
{
    CLEANUP(handover_end) struct handover handover = { .path = "" };
    struct verdict verdict = VERDICT_INIT;

    if (!prepare(remote, options, &handover))
        return false;
    return options->output == NULL || handover_write(&verdict, &handover, remote->credential.api_key)
        || remote_refuse(remote, &verdict);
}

/*
 * At each moment the user has a key that works, and once a key has become invalid, the file of --output holds one:
 *     the other key is renewed, tried and stored       the given key works, and is in the file
 *     the given key is renewed, tried and stored       the new other key works, and is in the file
 */
static bool rotate(struct remote *remote, const struct apikey_options *options)
{
    CLEANUP(api_keys_clear) struct api_keys keys = { .of = { { NULL, 0 } } };
    enum api_key_type given = KEY_PRIMARY, other;

    if (!get_keys(remote, &keys) || !find_type(remote, &keys, remote->credential.api_key, &given))
        return false;
    other = given == KEY_PRIMARY ? KEY_SECONDARY : KEY_PRIMARY;
    if (!confirm(remote, options, &keys, other) || !write_given(remote, options) || !replace(remote, options, other)) {
        fprintf(stderr, "latchkey %s: the given key (%s) is still valid\n", remote->command, types[given].name);
        return false;
    }
    if (confirm(remote, options, &keys, given) && replace(remote, options, given))
        return true;
    fprintf(stderr, "latchkey %s: the new %s key is valid and stored\n", remote->command, types[other].name);
    return false;
}

/* Without an output the new key would be lost, and the former one is invalid. */
static bool check_receiver(const char *command, const struct apikey_options *options)
{
    if (options->output != NULL || options->is_revealed)
        return true;
    usage_error(command, "no output for the new key: write it to a file with --output, or show it with --reveal");
    return false;
}

int command_apikey_show(int argc, char **argv)
{
    struct apikey_options options = { .output = NULL };
    const struct known_option show_options[] = {
        { "config", .text = &options.remote.config },
        { "tenant", .text = &options.remote.tenant },
        { "api-key-file", .text = &options.remote.api_key_file },
        { "token-file", .text = &options.remote.token_file },
        { "reveal", .flag = &options.is_revealed },
        { NULL },
    };
    CLEANUP(remote_close) struct remote remote = { .command = "apikey show" };

    if (!arguments_read(remote.command, argc, argv, show_options, ARGUMENTS_NO_API_KEY))
        return STATUS_USAGE;
    if (remote_begin(&remote, &options.remote) && show(&remote, &options))
        return flush_output(remote.command);
    return remote.status;
}

static bool find_type_name(const char *name, enum api_key_type *ret_type)
{
    size_t i;

    for (i = 0; i < KEY_TYPES; i++)
        if (strcmp(types[i].name, name) == 0) {
            *ret_type = (enum api_key_type)i;
            return true;
        }
    return false;
}

int command_apikey_create(int argc, char **argv)
{
    struct apikey_options options = { .output = NULL };
    const struct known_option create_options[] = {
        { "config", .text = &options.remote.config },
        { "tenant", .text = &options.remote.tenant },
        { "api-key-file", .text = &options.remote.api_key_file },
        { "token-file", .text = &options.remote.token_file },
        { "output", .text = &options.output },
        { "reveal", .flag = &options.is_revealed },
        { "yes", .flag = &options.is_confirmed },
        { NULL },
    };
    CLEANUP(remote_close) struct remote remote = { .command = "apikey create" };
    enum api_key_type type;

    if (!arguments_read(remote.command, argc, argv, create_options, NULL))
        return STATUS_USAGE;
    if (argc - optind != 1 || !find_type_name(argv[optind], &type))
        return usage_error(remote.command, "takes one argument: primary or secondary");
    if (!check_receiver(remote.command, &options))
        return STATUS_USAGE;
    return remote_begin(&remote, &options.remote) && create(&remote, &options, type) ? STATUS_OK : remote.status;
}

int command_apikey_rotate(int argc, char **argv)
{
    struct apikey_options options = { .output = NULL };
    const struct known_option rotate_options[] = {
        { "config", .text = &options.remote.config },
        { "tenant", .text = &options.remote.tenant },
        { "api-key-file", .text = &options.remote.api_key_file },
        { "output", .text = &options.output },
        { "reveal", .flag = &options.is_revealed },
        { "yes", .flag = &options.is_confirmed },
        { NULL },
    };
    CLEANUP(remote_close) struct remote remote = { .command = "apikey rotate" };

    if (!arguments_read(remote.command, argc, argv, rotate_options, ARGUMENTS_NO_API_KEY))
        return STATUS_USAGE;
    if (!check_receiver(remote.command, &options))
        return STATUS_USAGE;
    if (!options.is_confirmed && !terminal_is_there())
        return usage_error(remote.command,
                           "both keys become invalid, and there is no terminal to ask: confirm with --yes");
    return remote_begin(&remote, &options.remote) && rotate(&remote, &options) ? STATUS_OK : remote.status;
}
