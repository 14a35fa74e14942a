/*
 * latchkey verify: the verdict on one credential, explained. The JSON member names are an interface.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/secret.h"
#include "verdict/verdict.h"
#include "config/snapshot.h"
#include "login/authenticate.h"
#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/commands.h"

#define CLOCK_MAX (INT64_C(1) << 53)          /* s: the claims' own limit */
#define INPUT_MAX (CREDENTIAL_MAX_LEN + 1024) /* enough to see that it is too long */

struct verify_options {
    const char *config;
    struct attempt attempt;
    bool json;
};

static bool take_time(const char *text, void *into)
{
    int64_t *ret = into;
    char *end;
    intmax_t value;

    errno = 0;
    value = strtoimax(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 0 || value > CLOCK_MAX) {
        usage_error("verify", "--at takes seconds since 1970, not \"%s\"", text);
        return false;
    }
    *ret = (int64_t)value;
    return true;
}

static bool parse_options(int argc, char **argv, struct verify_options *options)
{
    const struct known_option known[] = {
        { "config", .text = &options->config },     { "service", .text = &options->attempt.service },
        { "user", .text = &options->attempt.user }, { "at", .take = take_time, .into = &options->attempt.now },
        { "json", .flag = &options->json },         { NULL },
    };

    *options = (struct verify_options){ .attempt = { .now = time(NULL) } };
    /* Other users of the host see argv in the process list. */
    return arguments_read("verify", argc, argv, known, "the credential comes on standard input, never as an argument");
}

static void format_message(const struct verdict *verdict, char *message, size_t size)
{
    snprintf(message, size, "%s%s%s", reason_sentence(verdict->reason), verdict->evidence[0] != '\0' ? ": " : "",
             verdict->evidence);
}

static struct json *checks_json(const struct explanation *explanation)
{
    struct json *checks = json_new_array();
    size_t i;

    for (i = 0; checks != NULL && i < explanation->count; i++) {
        struct json *check = JSON_OBJECT({ "check", json_new_string(slice_of(check_name(explanation->made[i].check))) },
                                         { "ok", json_new_boolean(explanation->made[i].ok) },
                                         { "detail", json_new_string(slice_of(explanation->made[i].detail)) });

        if (!json_append(checks, check))
            json_free(&checks);
    }
    return checks;
}

/* The members of an object that says what was decided; NULL when out of memory. */
static struct json *report_json(const struct verdict *verdict, const struct login *login)
{
    struct json *object = json_new_object();
    const char *decision = verdict->reason == REASON_OK ? "accept" : "reject";
    char message[2 * EVIDENCE_MAX];

    format_message(verdict, message, sizeof message);
    if (!json_add(object, "verdict", json_new_string(slice_of(decision)))
        || !json_add(object, "reason", json_new_string(slice_of(reason_name(verdict->reason))))
        || !json_add(object, "message", json_new_string(slice_of(message))) || !login_write(login, LOGIN_REPORT, object)
        || !json_add(object, "checks", checks_json(verdict->explanation)))
        json_free(&object);
    return object;
}

/* `login` NULL: refused, and reported as far as it got. */
static bool print_json(const struct verdict *verdict, const struct login *login)
{
    CLEANUP(json_free) struct json *object = NULL;
    struct login facts;

    if (login == NULL)
        login_take_facts(verdict, &facts);
    object = report_json(verdict, login != NULL ? login : &facts);
    return print_object(object);
}

static void print_text(const struct verdict *verdict, const struct login *login)
{
    const struct explanation *explanation = verdict->explanation;
    char message[2 * EVIDENCE_MAX];
    size_t i;

    for (i = 0; i < explanation->count; i++) {
        const char *detail = explanation->made[i].detail;

        printf("  %-6s %-14s %s\n", explanation->made[i].ok ? "ok" : "FAILED", check_name(explanation->made[i].check),
               detail[0] != '\0' ? detail : check_meaning(explanation->made[i].check));
    }
    format_message(verdict, message, sizeof message);
    printf("%s: %s: %s\n", verdict->reason == REASON_OK ? "accepted" : "refused", reason_name(verdict->reason),
           message);
    if (verdict->subject[0] != '\0')
        printf("  subject %s of tenant %s\n", verdict->subject, verdict->tenant);
    if (login != NULL) {
        printf("  local user %s, groups:", login->identity.user);
        for (i = 0; i < login->identity.group_count; i++)
            printf(" %s", login->identity.groups[i]);
        printf("%s\n", login->identity.group_count == 0 ? " none" : "");
    }
}

static bool judge(struct verdict *verdict, const struct verify_options *options, const struct config **config,
                  struct login *login)
{
    CLEANUP(secret_clear) struct secret input = { NULL, 0 };
    struct credential credential;

    verdict_check(verdict, CHECK_CONFIGURATION);
    if (!config_acquire(verdict, options->config, config))
        return false;
    if (!secret_read(STDIN_FILENO, INPUT_MAX, &input)) {
        const int cause = errno;

        verdict_check(verdict, CHECK_CREDENTIAL);
        return verdict_reject(verdict, REASON_SYSTEM_ERROR, "standard input: %s", strerror(cause));
    }
    credential = credential_whole(credential_trim((struct slice){ input.bytes, input.len }));
    return authenticate(verdict, *config, &options->attempt, &credential, login);
}

int command_verify(int argc, char **argv)
{
    CLEANUP(config_release) const struct config *config = NULL;
    struct explanation explanation = { .count = 0 };
    struct verdict verdict = VERDICT_INIT;
    struct verify_options options;
    struct login login;
    bool accepted;

    verdict.explanation = &explanation;
    if (!parse_options(argc, argv, &options))
        return STATUS_USAGE;
    accepted = judge(&verdict, &options, &config, &login);
    if (!options.json)
        print_text(&verdict, accepted ? &login : NULL);
    else if (!print_json(&verdict, accepted ? &login : NULL))
        return STATUS_UNAVAILABLE;
    return flush_output("verify") == STATUS_OK ? reason_exit_status(verdict.reason) : STATUS_UNAVAILABLE;
}
