#include "pam/options.h"

#include <stdio.h>
#include <string.h>

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_PATH };

static const struct option {
    const char *name;
    enum option_kind kind;
    size_t offset;
} options[] = {
    { "config", OPTION_PATH, offsetof(struct pam_options, config) },
    { "service", OPTION_TEXT, offsetof(struct pam_options, service) },
    { "prompt", OPTION_TEXT, offsetof(struct pam_options, prompt) },
    { "use_first_pass", OPTION_FLAG, offsetof(struct pam_options, use_first_pass) },
    { "try_first_pass", OPTION_FLAG, offsetof(struct pam_options, try_first_pass) },
    { "debug", OPTION_FLAG, offsetof(struct pam_options, debug) },
};
#define OPTION_COUNT (sizeof options / sizeof options[0])

size_t pam_prompt_stem_len(const char *prompt)
{
    size_t len = strlen(prompt);

    while (len > 0 && (prompt[len - 1] == ' ' || prompt[len - 1] == ':'))
        len--;
    return len;
}

const char *pam_options_name(size_t index)
{
    return index < OPTION_COUNT ? options[index].name : NULL;
}

static const struct option *find_option(const char *argument, size_t name_len)
{
    size_t i;

    for (i = 0; i < OPTION_COUNT; i++)
        if (strlen(options[i].name) == name_len && memcmp(options[i].name, argument, name_len) == 0)
            return &options[i];
    return NULL;
}

/* NULL when the option was set; else the error, to follow the argument. */
static const char *set_pam_option(const char *argument, bool given[OPTION_COUNT], struct pam_options *values)
{
    size_t name_len = strcspn(argument, "=");
    const char *value = argument[name_len] == '=' ? argument + name_len + 1 : NULL;
    const struct option *option = find_option(argument, name_len);

    if (option == NULL)
        return "is not an option of pam_latchkey";
    if (given[option - options])
        return "is given twice";
    given[option - options] = true;
    if (option->kind == OPTION_FLAG) {
        if (value != NULL)
            return "takes no value";
        *(bool *)((char *)values + option->offset) = true;
        return NULL;
    }
    if (value == NULL || value[0] == '\0')
        return "needs a value";
    if (option->kind == OPTION_PATH && value[0] != '/')
        return "is not an absolute path";
    *(const char **)((char *)values + option->offset) = value;
    return NULL;
}

bool pam_options_parse(int argc, const char *const *argv, struct pam_options *ret_options,
                       char error[PAM_OPTIONS_ERROR_MAX])
{
    struct pam_options values = { .prompt = PAM_PROMPT_DEFAULT };
    bool given[OPTION_COUNT] = { false };
    const char *wrong;
    int i;

    for (i = 0; i < argc; i++) {
        wrong = set_pam_option(argv[i], given, &values);
        if (wrong != NULL) {
            snprintf(error, PAM_OPTIONS_ERROR_MAX, "\"%.60s\" %s", argv[i], wrong);
            return false;
        }
    }
    if (values.use_first_pass && values.try_first_pass) {
        snprintf(error, PAM_OPTIONS_ERROR_MAX, "use_first_pass and try_first_pass cannot be used together");
        return false;
    }
    *ret_options = values;
    return true;
}
