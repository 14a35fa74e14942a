/*
 * latchkey check: find mistakes in the configuration, in the files that it names and in the PAM stacks. The exit
 * statuses and the JSON member names are an interface. cli/lint/ holds the checks.
 */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "config/model.h"
#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/lint/check_configuration.h"
#include "cli/lint/check_pam.h"
#include "cli/lint/findings.h"

#define PAM_DIRECTORY_DEFAULT "/etc/pam.d"

struct check_options {
    const char *config;
    const char *pam_directory;
    bool json;
};

static bool parse_options(int argc, char **argv, struct check_options *options)
{
    const struct known_option known[] = {
        { "config", .text = &options->config },
        { "pam-directory", .text = &options->pam_directory },
        { "json", .flag = &options->json },
        { NULL },
    };

    *options = (struct check_options){ .config = CONFIG_PATH_DEFAULT, .pam_directory = PAM_DIRECTORY_DEFAULT };
    return arguments_read("check", argc, argv, known, ARGUMENTS_NONE);
}

static const char *const severity_names[SEVERITY_COUNT] = { "error", "warning", "note" };

static void print_text(const struct findings *findings)
{
    size_t i;

    for (i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];

        printf("%s: %s:", severity_names[finding->severity], finding->file);
        if (finding->line != 0)
            printf("%zu:", finding->line);
        printf(" %s\n", finding->message);
    }
    printf("%zu errors, %zu warnings\n", findings->of_severity[SEVERITY_ERROR],
           findings->of_severity[SEVERITY_WARNING]);
}

static struct json *finding_json(const struct finding *finding)
{
    return JSON_OBJECT({ "severity", json_new_string(slice_of(severity_names[finding->severity])) },
                       { "file", json_new_string(slice_of(finding->file)) },
                       { "line", finding->line != 0 ? json_new_integer((int64_t)finding->line) : json_new_null() },
                       { "message", json_new_string(slice_of(finding->message)) });
}

static struct json *list_json(const struct findings *findings)
{
    struct json *list = json_new_array();
    size_t i;

    for (i = 0; list != NULL && i < findings->count; i++)
        if (!json_append(list, finding_json(&findings->items[i])))
            json_free(&list);
    return list;
}

/* False when out of memory. */
static bool print_json(const struct findings *findings)
{
    CLEANUP(json_free)
    struct json *object =
        JSON_OBJECT({ "errors", json_new_integer((int64_t)findings->of_severity[SEVERITY_ERROR]) },
                    { "warnings", json_new_integer((int64_t)findings->of_severity[SEVERITY_WARNING]) },
                    { "findings", list_json(findings) });

    return print_object(object);
}

int command_check(int argc, char **argv)
{
    CLEANUP(findings_clear) struct findings findings = { .count = 0 };
    struct check_options options;
    bool is_loaded;

    if (!parse_options(argc, argv, &options))
        return STATUS_USAGE;
    is_loaded = check_configuration(&findings, options.config);
    check_pam(&findings, options.pam_directory, options.config);
    if (!options.json)
        print_text(&findings);
    else if (!print_json(&findings))
        return STATUS_UNAVAILABLE;
    if (flush_output("check") != STATUS_OK || findings.is_incomplete)
        return STATUS_UNAVAILABLE;
    if (!is_loaded)
        return STATUS_USAGE;
    return findings.of_severity[SEVERITY_ERROR] > 0 ? STATUS_REFUSED : STATUS_OK;
}
