#include "verdict/log_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* A log line under construction. LOG_LINE_MAX has room for all; should a fact too many come, it is left out whole. */
struct line {
    char *text;
    size_t len;
};

/* ASCII letters and digits, and "._:/@+-". */
static bool is_bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '@' && c <= 'Z') || (c >= '-' && c <= ':') || c == '_' || c == '+';
}

static bool needs_quotes(const char *value)
{
    size_t i = 0;

    while (is_bare(value[i]))
        i++;
    return i == 0 || value[i] != '\0';
}

static void line_add(struct line *line, const char *name, const char *value)
{
    char clean[SUBJECT_MAX + 1], *out = line->text + line->len;
    const size_t name_len = strlen(name);
    const char *c;

    text_copy_printable(clean, sizeof clean, slice_of(value));
    /* A blank, "=", two quotation marks, a NUL, and a backslash before each byte. */
    if (name_len + 2 * strlen(clean) + 5 > LOG_LINE_MAX - line->len)
        return;
    if (line->len > 0)
        *out++ = ' ';
    memcpy(out, name, name_len);
    out += name_len;
    *out++ = '=';
    if (needs_quotes(clean)) {
        *out++ = '"';
        for (c = clean; *c != '\0'; c++) {
            if (*c == '"' || *c == '\\')
                *out++ = '\\';
            *out++ = *c;
        }
        *out++ = '"';
    } else {
        memcpy(out, clean, strlen(clean));
        out += strlen(clean);
    }
    *out = '\0';
    line->len = (size_t)(out - line->text);
}

static void line_add_known(struct line *line, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0')
        line_add(line, name, value);
}

void verdict_log_line(const struct verdict *verdict, const struct attempt *attempt, char text[LOG_LINE_MAX])
{
    struct line line = { text, 0 };
    char number[32];

    text[0] = '\0';
    line_add(&line, "verdict", verdict->reason == REASON_OK ? "accept" : "reject");
    line_add(&line, "reason", reason_name(verdict->reason));
    line_add_known(&line, "service", attempt->service);
    line_add_known(&line, "user", attempt->user != NULL ? attempt->user : attempt->authzid);
    line_add_known(&line, "rhost", attempt->rhost);
    line_add(&line, "credential", verdict->credential);
    line_add_known(&line, "tenant", verdict->tenant);
    line_add_known(&line, "sub", verdict->subject);
    line_add_known(&line, "mapped", verdict->user);
    line_add_known(&line, "kid", verdict->kid);
    line_add_known(&line, "jti", verdict->jti);
    if (verdict->has_expiry) {
        snprintf(number, sizeof number, "%" PRId64, verdict->expiry);
        line_add(&line, "exp", number);
    }
    line_add_known(&line, "detail", verdict->evidence);
}
