/*
 * What a lint finds, collected and then printed for people or as JSON. latchkey(1) is the manual of the output.
 */
#ifndef LATCHKEY_FINDINGS_H
#define LATCHKEY_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#define FINDING_FILE_MAX    512 /* bytes with the NUL; longer ones are cut */
#define FINDING_MESSAGE_MAX 512

enum severity {
    SEVERITY_ERROR,   /* refuses logins, or lets in what should not come in */
    SEVERITY_WARNING, /* works, and is probably not what was meant */
    SEVERITY_NOTE,    /* good to know */
    SEVERITY_COUNT
};

struct finding {
    enum severity severity;
    size_t line; /* 0: the file as a whole */
    char file[FINDING_FILE_MAX];
    char message[FINDING_MESSAGE_MAX];
};

/* Zero-initialise it; end it with findings_clear(). */
struct findings {
    struct finding *items;
    size_t count;
    size_t of_severity[SEVERITY_COUNT];
    bool
        is_incomplete; /* memory was short, or something could not be looked at: the list must not pass for the whole */
};

/* Control bytes become '?'. The same finding is kept once. */
__attribute__((format(printf, 5, 6))) void findings_add(struct findings *findings, enum severity severity,
                                                        const char *file, size_t line, const char *format, ...);
void findings_clear(struct findings *findings);

/* To standard output. False when memory or the output fails. */
bool findings_print_text(const struct findings *findings);
bool findings_print_json(const struct findings *findings);

#endif
