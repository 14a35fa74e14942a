#include "devel/tenantd/members.h"

#include <string.h>

#include "base/slice.h"
#include "base/text.h"

#define TIME_LIMIT 9007199254740992.0 /* 2^53: what a double counts exactly */

bool json_add_text(struct json *object, const char *name, const char *text)
{
    return json_add(object, name, json_new_string(slice_of(text)));
}

bool json_copy_text(const struct json *object, const char *name, char *text, size_t size)
{
    struct slice value;

    if (!json_string(json_member(object, name), &value) || value.len >= size || text_has_control(value))
        return false;
    memcpy(text, value.bytes, value.len);
    text[value.len] = '\0';
    return true;
}

bool json_read_time(const struct json *object, const char *name, int64_t *ret_time)
{
    double number;

    if (!json_number(json_member(object, name), &number) || !(number >= 0 && number < TIME_LIMIT))
        return false;
    *ret_time = (int64_t)number;
    return true;
}
