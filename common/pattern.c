#include "pattern.h"

#include <locale.h>
#include <string.h>

#include "fork_lock.h"

/* regerror() translates, and a fork while gettext holds its lock would leave a child waiting for it for ever. */
static const struct {
    int code;
    const char *sentence;
} errors[] = {
    { REG_ESPACE, PATTERN_MEMORY_IS_SHORT },
    { REG_ECOLLATE, "an unknown collating element" },
    { REG_ECTYPE, "an unknown character class" },
    { REG_EESCAPE, "a backslash at its end" },
    { REG_ESUBREG, "a reference to a group that is not there" },
    { REG_EBRACK, "[ without ]" },
    { REG_EPAREN, "( or ) without the other" },
    { REG_EBRACE, "{ without }" },
    { REG_BADBR, "something else than numbers in { }" },
    { REG_ERANGE, "a range in [ ] whose end comes before its beginning" },
    { REG_BADRPT, "a repetition of nothing" },
};

/* regexec() holds a lock of the compiled expression. */
static int match_guarded(const regex_t *regex, const char *text, regmatch_t match[2])
{
    int code;

    fork_lock_enter();
    code = regexec(regex, text, 2, match, 0);
    fork_lock_leave();
    return code;
}

/* The locale of the thread is the host's again after leave(). "C" needs no memory in glibc; elsewhere it may. */
static bool enter(locale_t *ret_own, locale_t *ret_of_host)
{
    *ret_own = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (*ret_own == (locale_t)0)
        return false;
    *ret_of_host = uselocale(*ret_own);
    return true;
}

static void leave(locale_t own, locale_t of_host)
{
    uselocale(of_host);
    freelocale(own);
}

static const char *sentence_of(int code)
{
    size_t i;

    for (i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].code == code)
            return errors[i].sentence;
    return "no extended regular expression";
}

bool pattern_compile(const char *text, struct pattern *ret_pattern, const char **ret_error)
{
    locale_t own, of_host;
    int code;

    if (!enter(&own, &of_host)) {
        *ret_error = PATTERN_MEMORY_IS_SHORT;
        return false;
    }
    code = regcomp(&ret_pattern->regex, text, REG_EXTENDED);
    leave(own, of_host);
    if (code != 0)
        *ret_error = sentence_of(code);
    return code == 0;
}

void pattern_free(struct pattern *pattern)
{
    regfree(&pattern->regex);
}

size_t pattern_group_count(const struct pattern *pattern)
{
    return pattern->regex.re_nsub;
}

bool pattern_match(const struct pattern *pattern, struct slice value, bool *ret_matches, struct slice *ret_capture)
{
    char text[PATTERN_VALUE_MAX + 1];
    regmatch_t match[2] = { { -1, -1 }, { -1, -1 } };
    locale_t own, of_host;
    int code;

    *ret_matches = false;
    *ret_capture = (struct slice){ NULL, 0 };
    if (value.len > PATTERN_VALUE_MAX)
        return true;
    if (!enter(&own, &of_host))
        return false;
    if (value.len > 0)
        memcpy(text, value.bytes, value.len);
    text[value.len] = '\0';
    code = match_guarded(&pattern->regex, text, match);
    leave(own, of_host);
    if (code != 0)
        return code == REG_NOMATCH;
    *ret_matches = match[0].rm_so == 0 && (size_t)match[0].rm_eo == value.len;
    if (*ret_matches && match[1].rm_so >= 0)
        *ret_capture = (struct slice){ value.bytes + match[1].rm_so, (size_t)(match[1].rm_eo - match[1].rm_so) };
    return true;
}
