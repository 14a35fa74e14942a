/*
 * What is read and printed reads as the same again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *read_and_print(struct slice text)
{
    struct json *json;
    enum json_error error;
    const char *printed;
    char *copy;

    if (!json_parse(text, &json, &error))
        return NULL;
    printed = json_print(json, true);
    if (printed == NULL)
        abort();
    copy = strdup(printed);
    json_free(&json);
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *first = read_and_print((struct slice){ (const char *)data, size }), *second;

    if (first == NULL)
        return 0;
    second = read_and_print(slice_of(first));
    if (second == NULL || strcmp(first, second) != 0)
        abort();
    free(second);
    free(first);
    return 0;
}
