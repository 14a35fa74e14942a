#include "cli/lint/pam_stack.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"

#define BLANKS        " \t\n"
#define INCLUDES_MAX  16   /* libpam's own limit of nesting */
#define LINE_TEXT_MAX 1023 /* bytes: libpam up to 1.5 stops reading the file at a longer line */
#define LINES_MAX     4096 /* of one stack: nested includes multiply */
#define NO_RETURN     SIZE_MAX

static const char *const return_names[RETURN_COUNT] = {
    [RETURN_SUCCESS] = "success",
    [RETURN_AUTH_ERR] = "auth_err",
    [RETURN_AUTHINFO_UNAVAIL] = "authinfo_unavail",
    [RETURN_IGNORE] = "ignore",
    [RETURN_MODULE_UNKNOWN] = "module_unknown",
    [RETURN_NEW_AUTHTOK_REQD] = "new_authtok_reqd",
    [RETURN_PERM_DENIED] = "perm_denied",
    "open_err",
    "symbol_err",
    "service_err",
    "system_err",
    "buf_err",
    "cred_insufficient",
    "user_unknown",
    "maxtries",
    "acct_expired",
    "session_err",
    "cred_unavail",
    "cred_expired",
    "cred_err",
    "no_module_data",
    "conv_err",
    "authtok_err",
    "authtok_recover_err",
    "authtok_lock_busy",
    "authtok_disable_aging",
    "try_again",
    "abort",
    "authtok_expired",
    "bad_item",
    "conv_again",
    "incomplete",
};

static const char *const action_names[] = {
    [-ACTION_IGNORE] = "ignore", [-ACTION_OK] = "ok",   [-ACTION_DONE] = "done",
    [-ACTION_BAD] = "bad",       [-ACTION_DIE] = "die", [-ACTION_RESET] = "reset",
};

static const char *const type_names[STACK_TYPE_COUNT] = { "auth", "account", "session", "password" };

/* The control words of pam.conf(5). */
static const struct control {
    const char *name;
    int success, ignore, other;
} controls[] = {
    { "required", ACTION_OK, ACTION_IGNORE, ACTION_BAD },
    { "requisite", ACTION_OK, ACTION_IGNORE, ACTION_DIE },
    { "optional", ACTION_OK, ACTION_IGNORE, ACTION_IGNORE },
    { "sufficient", ACTION_DONE, ACTION_IGNORE, ACTION_IGNORE },
};

size_t return_code(const char *name)
{
    size_t code = 0;

    while (code < RETURN_COUNT && strcasecmp(return_names[code], name) != 0)
        code++;
    return code;
}

const char *return_name(size_t code)
{
    return return_names[code];
}

bool pam_file_read(const char *path, struct secret *ret_content, struct stat *ret_status)
{
    /* O_NONBLOCK: a FIFO in the folder must not block the lint. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), error;
    bool ok = fd >= 0 && fstat(fd, ret_status) == 0;

    if (ok && (!S_ISREG(ret_status->st_mode) || ret_status->st_size > (off_t)PAM_FILE_MAX)) {
        errno = S_ISREG(ret_status->st_mode) ? EFBIG : EINVAL;
        ok = false;
    }
    ok = ok && secret_read(fd, PAM_FILE_MAX, ret_content);
    error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return ok;
}

/* One reading of a service. */
struct stack_reader {
    const struct pam_system *system;
    struct pam_stack *stack;
    bool failed; /* out of memory, or too many lines */
};

/* How the lines of a file are read. */
struct stack_place {
    const char *path;
    bool is_of_all_types; /* else only lines of this type: */
    enum stack_type type; /* of a file that `auth include` names */
    unsigned depth, level;
};

static char *keep(struct stack_reader *reader, char *string)
{
    reader->failed = reader->failed || string == NULL;
    return string;
}

static bool remember_file(struct stack_reader *reader, const char *path)
{
    struct pam_stack *stack = reader->stack;
    char **larger;
    size_t i;

    for (i = 0; i < stack->file_count; i++)
        if (strcmp(stack->files[i], path) == 0)
            return true;
    larger = reallocarray(stack->files, stack->file_count + 1, sizeof *larger);
    if (larger == NULL) {
        reader->failed = true;
        return false;
    }
    stack->files = larger;
    stack->files[stack->file_count] = keep(reader, strdup(path));
    if (reader->failed)
        return false;
    stack->file_count++;
    return true;
}

/* NULL when out of memory. Borrowed, and valid until the next call. */
static struct pam_line *add_line(struct stack_reader *reader, const struct stack_place *place, size_t number,
                                 enum stack_type type)
{
    struct pam_stack *stack = reader->stack;
    struct pam_line *larger;

    if (!reader->failed && stack->count == LINES_MAX) {
        reader->failed = true;
        errno = E2BIG;
    }
    if (reader->failed)
        return NULL;
    larger = reallocarray(stack->lines, stack->count + 1, sizeof *larger);
    if (larger == NULL) {
        reader->failed = true;
        return NULL;
    }
    stack->lines = larger;
    stack->lines[stack->count] = (struct pam_line){ .number = number, .type = type, .level = place->level };
    stack->lines[stack->count].file = keep(reader, strdup(place->path));
    return &stack->lines[stack->count++];
}

/*
 * token = *blank ( "[" *( char / "\]" ) "]" / 1*non-blank ). The brackets are dropped. NULL at the end; else the text
 * is cut in place, and *text points behind the token. *ret_bracketed: the token is a list of returns, not a word.
 */
static char *next_token(char **text, bool *ret_bracketed)
{
    char *from = *text + strspn(*text, BLANKS), *to, *in;

    *ret_bracketed = *from == '[';
    if (*from == '\0')
        return NULL;
    if (!*ret_bracketed) {
        to = from + strcspn(from, BLANKS);
        *text = *to != '\0' ? to + 1 : to;
        *to = '\0';
        return from;
    }
    for (to = in = ++from; *in != '\0' && *in != ']'; in++) {
        if (*in == '\\' && in[1] == ']')
            in++;
        *to++ = *in;
    }
    *text = *in != '\0' ? in + 1 : in;
    *to = '\0';
    return from;
}

static void set_all(int actions[RETURN_COUNT], int action)
{
    size_t code;

    for (code = 0; code < RETURN_COUNT; code++)
        actions[code] = action;
}

/* The characters of a kind at *text, which then points behind them. */
static struct slice next_word(const char **text, const char *characters)
{
    struct slice word = { *text, strspn(*text, characters) };

    *text += word.len;
    return word;
}

/* action = name / 1*DIGIT, the number above 0; false when it is neither. */
static bool parse_action(const char **text, int *ret_action)
{
    struct slice word = next_word(text, "abcdefghijklmnopqrstuvwxyz");
    size_t i;
    char *end;
    long jump;

    for (i = 0; i < sizeof action_names / sizeof action_names[0]; i++)
        if (slice_equal_string(word, action_names[i])) {
            *ret_action = -(int)i;
            return true;
        }
    jump = word.len == 0 && isdigit((unsigned char)**text) ? strtol(*text, &end, 10) : 0;
    if (jump <= 0 || jump > LINES_MAX)
        return false;
    *text = end;
    *ret_action = (int)jump;
    return true;
}

static size_t parse_return(const char **text)
{
    struct slice word = next_word(text, "abcdefghijklmnopqrstuvwxyz_");
    size_t code = 0;

    while (code < RETURN_COUNT && !slice_equal_string(word, return_names[code]))
        code++;
    return code < RETURN_COUNT || slice_equal_string(word, "default") ? code : NO_RETURN;
}

/* controls = *( return *blank "=" *blank action *blank ). `default` sets the returns that no pair before it names, and
 * the rest is bad. False: libpam takes all returns as bad. */
static bool parse_returns(const char *text, int actions[RETURN_COUNT])
{
    bool given[RETURN_COUNT] = { false };
    int action;
    size_t code, i;

    set_all(actions, ACTION_BAD);
    for (text += strspn(text, BLANKS); *text != '\0'; text += strspn(text, BLANKS)) {
        code = parse_return(&text);
        text += strspn(text, BLANKS);
        if (code == NO_RETURN || *text != '=')
            return false;
        text += 1 + strspn(text + 1, BLANKS);
        if (!parse_action(&text, &action))
            return false;
        for (i = 0; i < RETURN_COUNT; i++)
            if (i == code || (code == RETURN_COUNT && !given[i])) {
                actions[i] = action;
                given[i] = true;
            }
    }
    return true;
}

static const char *parse_control(char *word, bool is_bracketed, int actions[RETURN_COUNT])
{
    size_t i;

    for (i = 0; !is_bracketed && i < sizeof controls / sizeof controls[0]; i++) {
        if (strcasecmp(word, controls[i].name) != 0)
            continue;
        set_all(actions, controls[i].other);
        actions[RETURN_SUCCESS] = actions[RETURN_NEW_AUTHTOK_REQD] = controls[i].success;
        actions[RETURN_IGNORE] = controls[i].ignore;
        return NULL;
    }
    if (is_bracketed && parse_returns(word, actions))
        return NULL;
    set_all(actions, ACTION_BAD);
    return "the control is not understood: every result counts as bad";
}

static void parse_arguments(struct stack_reader *reader, struct pam_line *line, char *text)
{
    bool is_bracketed;
    char *token;

    while (!reader->failed && (token = next_token(&text, &is_bracketed)) != NULL) {
        char **larger = reallocarray(line->argv, (size_t)line->argc + 1, sizeof *larger);

        if (larger == NULL) {
            reader->failed = true;
            return;
        }
        line->argv = larger;
        line->argv[line->argc] = keep(reader, strdup(token));
        if (!reader->failed)
            line->argc++;
    }
}

static void add_broken(struct stack_reader *reader, const struct stack_place *place, size_t number,
                       enum stack_type type, const char *why, bool spoils_all_types)
{
    struct pam_line *line = add_line(reader, place, number, type);

    if (line == NULL)
        return;
    set_all(line->actions, ACTION_BAD);
    line->broken = why;
    /* libpam replaces a line that it cannot read with a line of the same type that fails. It has no such line for all
     * types. */
    line->is_fatal = place->is_of_all_types && spoils_all_types;
    reader->stack->is_refused = reader->stack->is_refused || line->is_fatal;
}

static bool read_file(struct stack_reader *reader, const struct stack_place *place, const char *content, size_t len);

/* A file that a line names by its absolute path, or by its name in the directory. libpam does not look in the vendor's
 * directory. */
static bool read_included(const struct pam_system *system, const char *name, char path[PATH_MAX],
                          struct secret *ret_content)
{
    struct stat status;
    int len = 0;

    if (name[0] == '/')
        return pam_system_path(system, name, path) && pam_file_read(path, ret_content, &status);
    len = snprintf(path, PATH_MAX, "%s/%s", system->directory, name);
    return len >= 0 && len < PATH_MAX && pam_file_read(path, ret_content, &status);
}

static bool vendor_has(const struct pam_system *system, const char *name)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", system->vendor, name);

    return name[0] != '/' && system->vendor[0] != '\0' && len >= 0 && (size_t)len < sizeof path
        && access(path, F_OK) == 0;
}

/*
 * Read a file that a line names: all its lines for @include, else those of one type. An include that fails becomes one
 * line that fails, in the place of the include.
 */
static void include(struct stack_reader *reader, const struct stack_place *from, size_t number, const char *name,
                    struct stack_place *place)
{
    CLEANUP(secret_clear) struct secret content = { NULL, 0 };
    char path[PATH_MAX];
    const char *why = NULL;

    place->depth = from->depth + 1;
    place->path = path;
    if (name == NULL)
        why = "no file is given";
    else if (place->depth >= INCLUDES_MAX)
        why = "includes are nested too deeply";
    else if (!read_included(reader->system, name, path, &content))
        why = vendor_has(reader->system, name)
            ? "the included file is in /usr/lib/pam.d only, where libpam looks for services and not for includes"
            : "the included file cannot be read";
    else if (remember_file(reader, path) && !read_file(reader, place, content.bytes, content.len))
        why = "the included file cannot be read to its end";
    if (why != NULL)
        add_broken(reader, from, number, place->type, why, place->is_of_all_types);
}

/* `auth include FILE` and `auth substack FILE`; false when the control is another. */
static bool read_include(struct stack_reader *reader, const struct stack_place *place, size_t number,
                         enum stack_type type, const char *control, char *text)
{
    struct stack_place inner = { .type = type, .level = place->level };
    bool is_bracketed;

    if (strcasecmp(control, "substack") == 0) {
        inner.level++;
        if (add_line(reader, place, number, type) == NULL)
            return true;
    } else if (strcasecmp(control, "include") != 0) {
        return false;
    }
    include(reader, place, number, next_token(&text, &is_bracketed), &inner);
    return true;
}

/* libpam takes an unknown type for auth. */
static enum stack_type parse_type(const char *word, bool *ret_known)
{
    size_t type = 0;

    while (type < STACK_TYPE_COUNT && strcasecmp(word, type_names[type]) != 0)
        type++;
    *ret_known = type < STACK_TYPE_COUNT;
    return *ret_known ? (enum stack_type)type : STACK_AUTH;
}

/* line = [ "-" ] type control module *argument / "@include" file */
static void read_line(struct stack_reader *reader, const struct stack_place *place, size_t number, char *text)
{
    bool is_bracketed, is_known, is_silent;
    struct stack_place everything = { .is_of_all_types = place->is_of_all_types,
                                      .type = place->type,
                                      .level = place->level };
    char *word = next_token(&text, &is_bracketed), *module;
    struct pam_line *line;
    enum stack_type type;

    if (word == NULL)
        return;
    is_silent = word[0] == '-';
    if (is_silent)
        word++;
    if (strcasecmp(word, "@include") == 0) {
        include(reader, place, number, next_token(&text, &is_bracketed), &everything);
        return;
    }
    type = parse_type(word, &is_known);
    if (!is_known && !place->is_of_all_types)
        type = place->type;
    if (!place->is_of_all_types && type != place->type)
        return;
    word = next_token(&text, &is_bracketed);
    if (word == NULL || !is_known) {
        add_broken(reader, place, number, type, is_known ? "the control is missing" : "the type is unknown", false);
        return;
    }
    if (!is_bracketed && read_include(reader, place, number, type, word, text))
        return;
    line = add_line(reader, place, number, type);
    if (line == NULL)
        return;
    line->is_silent = is_silent;
    line->broken = parse_control(word, is_bracketed, line->actions);
    module = next_token(&text, &is_bracketed);
    line->module = keep(reader, strdup(module != NULL ? module : ""));
    if (module == NULL)
        line->broken = "the module is missing";
    parse_arguments(reader, line, text);
}

/* A line under assembly: a line that ends in a backslash continues in the next one. */
struct assembly {
    char text[LINE_TEXT_MAX + 1];
    size_t len;
    size_t number; /* of its first line; 0: it is empty */
};

/*
 * Add a line of the file. A `#` ends it everywhere, in brackets too. A comment or an empty line does not end a
 * continuation. True when the assembly is complete.
 */
static bool assemble(struct assembly *assembly, struct slice line, size_t number)
{
    const char *comment = line.len > 0 ? memchr(line.bytes, '#', line.len) : NULL;
    bool continues;

    if (comment != NULL)
        line.len = (size_t)(comment - line.bytes);
    while (line.len > 0 && strchr(BLANKS, line.bytes[line.len - 1]) != NULL && line.bytes[line.len - 1] != '\0')
        line.len--;
    if (line.len == 0 && (comment == NULL || assembly->number != 0))
        return false;
    continues = comment == NULL && line.len > 0 && line.bytes[line.len - 1] == '\\';
    if (continues)
        line.len--;
    if (assembly->number == 0)
        assembly->number = number;
    if (line.len + 1 > LINE_TEXT_MAX - assembly->len) {
        assembly->len = LINE_TEXT_MAX + 1;
        return true;
    }
    if (line.len > 0)
        memcpy(assembly->text + assembly->len, line.bytes, line.len);
    assembly->len += line.len;
    assembly->text[assembly->len++] = ' ';
    assembly->text[assembly->len] = '\0';
    return !continues;
}

/* False when libpam stops reading the file at a line. */
static bool read_file(struct stack_reader *reader, const struct stack_place *place, const char *content, size_t len)
{
    struct assembly assembly = { .number = 0 };
    struct slice rest = { content, len }, line;
    const char *why = NULL, *begin = content;
    size_t number = 0;

    while (!reader->failed && why == NULL && rest.len > 0) {
        number++;
        begin = assembly.number == 0 ? rest.bytes : begin;
        slice_next_line(&rest, &line);
        if (!assemble(&assembly, line, number))
            continue;
        if (assembly.len > LINE_TEXT_MAX) {
            why = "the line is too long for libpam";
            break;
        }
        read_line(reader, place, assembly.number, assembly.text);
        assembly = (struct assembly){ .number = 0 };
    }
    if (assembly.number != 0 && why == NULL)
        why = "the file ends within the line";
    if (why == NULL)
        return true;
    add_broken(reader, place, assembly.number, place->is_of_all_types ? STACK_AUTH : place->type, why, true);
    if (reader->stack->unread == NULL)
        reader->stack->unread = keep(reader, strndup(begin, len - (size_t)(begin - content)));
    return false;
}

/* The service's own file. */
static bool read_service(struct stack_reader *reader, const char *directory, const char *service)
{
    CLEANUP(secret_clear) struct secret content = { NULL, 0 };
    struct stack_place place = { .is_of_all_types = true };
    struct stat status;
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", directory, service);

    if (len < 0 || (size_t)len >= sizeof path) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (!pam_file_read(path, &content, &status))
        return false;
    place.path = path;
    if (remember_file(reader, path))
        read_file(reader, &place, content.bytes, content.len);
    return !reader->failed;
}

static bool read_of_system(const struct pam_system *system, const char *service, struct pam_stack *ret_stack)
{
    struct stack_reader reader = { .system = system, .stack = ret_stack };

    *ret_stack = (struct pam_stack){ .count = 0 };
    return read_service(&reader, system->directory, service)
        || (!reader.failed && errno == ENOENT && system->vendor[0] != '\0'
            && read_service(&reader, system->vendor, service));
}

/* Move the lines of `other` whose type the stack has no line of, and those that are fatal to every service. */
static bool take_from_other(struct pam_stack *stack, struct pam_stack *other)
{
    bool has[STACK_TYPE_COUNT] = { false };
    struct stack_reader reader = { .stack = stack };
    struct pam_line *larger;
    size_t own = stack->count, i;

    for (i = 0; i < own; i++)
        has[stack->lines[i].type] = true;
    larger = reallocarray(stack->lines, own + other->count + 1, sizeof *larger);
    if (larger == NULL)
        return false;
    stack->lines = larger;
    for (i = 0; i < other->count; i++)
        if (!has[other->lines[i].type] || other->lines[i].is_fatal) {
            stack->lines[stack->count++] = other->lines[i];
            other->lines[i] = (struct pam_line){ .file = NULL };
        }
    stack->is_refused = stack->is_refused || other->is_refused;
    for (i = 0; i < other->file_count && stack->count > own; i++)
        if (!remember_file(&reader, other->files[i]) && reader.failed)
            return false;
    return true;
}

bool pam_stack_read(const struct pam_system *system, const char *service, struct pam_stack *ret_stack)
{
    CLEANUP(pam_stack_free) struct pam_stack other = { .count = 0 };

    if (!read_of_system(system, service, ret_stack))
        return false;
    if (strcmp(service, PAM_SERVICE_OTHER) == 0)
        return true;
    if (!read_of_system(system, PAM_SERVICE_OTHER, &other))
        return errno != ENOMEM && errno != E2BIG; /* libpam then uses the service without it */
    return take_from_other(ret_stack, &other);
}

void pam_stack_free(struct pam_stack *stack)
{
    size_t i;
    int k;

    for (i = 0; i < stack->count; i++) {
        for (k = 0; k < stack->lines[i].argc; k++)
            free(stack->lines[i].argv[k]);
        free(stack->lines[i].argv);
        free(stack->lines[i].module);
        free(stack->lines[i].file);
    }
    for (i = 0; i < stack->file_count; i++)
        free(stack->files[i]);
    free(stack->files);
    free(stack->lines);
    free(stack->unread);
    *stack = (struct pam_stack){ .count = 0 };
}

bool pam_line_is(const struct pam_line *line, const char *module)
{
    return line->module != NULL && strcmp(path_name(line->module), module) == 0;
}

bool pam_line_has(const struct pam_line *line, const char *argument)
{
    int i;

    for (i = 0; i < line->argc; i++)
        if (strcmp(line->argv[i], argument) == 0)
            return true;
    return false;
}
