#include "cli/lint/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

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
