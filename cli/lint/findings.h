/*
 * What the lint of latchkey check finds.
 */
#ifndef LATCHKEY_FINDINGS_H
#define LATCHKEY_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#define FINDING_FILE_MAX    512 /* bytes with the NUL; longer ones are cut */
#define FINDING_MESSAGE_MAX 512

enum severity {
    SEVERITY_ERROR,   /* refuses logins, or accepts logins that should be refused */
    SEVERITY_WARNING, /* works, and is probably not intended */
    SEVERITY_NOTE,    /* no fault, and of interest to the administrator */
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
    bool is_incomplete; /* out of memory, or something could not be read: the list may lack findings */
};

/* Control bytes become '?'. A finding that is there already is not added again. */
__attribute__((format(printf, 5, 6))) void findings_add(struct findings *findings, enum severity severity,
                                                        const char *file, size_t line, const char *format, ...);
void findings_clear(struct findings *findings);

#endif
