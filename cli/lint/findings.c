#include "cli/lint/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "verdict/verdict.h"

static const char *const severity_names[SEVERITY_COUNT] = { "error", "warning", "note" };

static bool finding_equal(const struct finding *a, const struct finding *b)
{
    return a->severity == b->severity && a->line == b->line && strcmp(a->file, b->file) == 0
        && strcmp(a->message, b->message) == 0;
}

void findings_add(struct findings *findings, enum severity severity, const char *file, size_t line, const char *format,
                  ...)
{
    struct finding finding = { .severity = severity, .line = line }, *larger;
    char raw[FINDING_MESSAGE_MAX];
    va_list arguments;
    size_t i;

    va_start(arguments, format);
    if (vsnprintf(raw, sizeof raw, format, arguments) < 0)
        raw[0] = '\0';
    va_end(arguments);
    text_copy_printable(finding.message, sizeof finding.message, slice_of(raw));
    text_copy_printable(finding.file, sizeof finding.file, slice_of(file));
    for (i = 0; i < findings->count; i++)
        if (finding_equal(&findings->items[i], &finding))
            return;
    larger = reallocarray(findings->items, findings->count + 1, sizeof *larger);
    if (larger == NULL) {
        findings->is_incomplete = true;
        return;
    }
    findings->items = larger;
    findings->items[findings->count++] = finding;
    findings->of_severity[severity]++;
}

void findings_clear(struct findings *findings)
{
    free(findings->items);
    *findings = (struct findings){ .count = 0 };
}

bool findings_print_text(const struct findings *findings)
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
    return fflush(stdout) == 0 && !ferror(stdout);
}

static struct json *finding_json(const struct finding *finding)
{
    struct json *object = json_new_object();

    if (object == NULL || !json_add(object, "severity", json_new_string(slice_of(severity_names[finding->severity])))
        || !json_add(object, "file", json_new_string(slice_of(finding->file)))
        || !json_add(object, "line", finding->line != 0 ? json_new_integer((int64_t)finding->line) : json_new_null())
        || !json_add(object, "message", json_new_string(slice_of(finding->message))))
        json_free(&object);
    return object;
}

bool findings_print_json(const struct findings *findings)
{
    CLEANUP(json_free) struct json *object = json_new_object();
    struct json *list = json_new_array();
    const char *text;
    size_t i;

    for (i = 0; list != NULL && i < findings->count; i++)
        if (!json_append(list, finding_json(&findings->items[i])))
            json_free(&list);
    if (!json_add(object, "errors", json_new_integer((int64_t)findings->of_severity[SEVERITY_ERROR]))
        || !json_add(object, "warnings", json_new_integer((int64_t)findings->of_severity[SEVERITY_WARNING]))) {
        json_free(&list);
        return false;
    }
    if (!json_add(object, "findings", list))
        return false;
    text = json_print_printable(object, true);
    return text != NULL && puts(text) >= 0 && fflush(stdout) == 0;
}
