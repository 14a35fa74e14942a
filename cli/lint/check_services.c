#include "cli/lint/check_services.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "config/snapshot.h"

#define NAME_LEN_MAX  64 /* bytes that are compared for their spelling */
#define MODULE_TYPOS  3  /* the largest Levenshtein distance of a misspelt name */
#define SERVICE_TYPOS 1

/*
 * Service names of servers with Cyrus SASL: the GSSAPI/SASL service names of IANA, and those that the servers of
 * latchkey_sasl(5) use. Such a service needs no file in /etc/pam.d.
 */
static const char *const sasl_services[] = {
    "acap",     "afpserver", "amqp", "cyrus", "ftp",     "host",     "http",      "imap",
    "imsp",     "ipp",       "irc",  "ldap",  "libvirt", "lmtp",     "memcached", "mongodb",
    "mupdate",  "news",      "nntp", "pop",   "pop3",    "postgres", "proxy",     "qemu",
    "rabbitmq", "sieve",     "sip",  "smtp",  "svn",     "vnc",      "xmpp",      "zookeeper",
};

static bool is_sasl_service(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof sasl_services / sizeof sasl_services[0]; i++)
        if (strcasecmp(sasl_services[i], name) == 0)
            return true;
    return false;
}

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The Levenshtein distance of two names, without regard to case. */
static size_t typos(const char *a, const char *b)
{
    size_t row[NAME_LEN_MAX + 1], a_len = strlen(a), b_len = strlen(b), i, k, diagonal, above;

    if (a_len > NAME_LEN_MAX || b_len > NAME_LEN_MAX)
        return NAME_LEN_MAX;
    for (k = 0; k <= b_len; k++)
        row[k] = k;
    for (i = 1; i <= a_len; i++) {
        diagonal = row[0];
        row[0] = i;
        for (k = 1; k <= b_len; k++) {
            const bool differ = tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[k - 1]);

            above = row[k];
            row[k] = min_of(min_of(above, row[k - 1]) + 1, diagonal + (differ ? 1 : 0));
            diagonal = above;
        }
    }
    return row[b_len];
}

static bool reads_as_ours(const char *module)
{
    const char *name = path_name(module);

    return strcmp(name, MODULE) != 0 && (strcasestr(name, "latchkey") != NULL || typos(name, MODULE) <= MODULE_TYPOS);
}

/* True when there was one. */
static bool check_spelling(const struct pam_lint *lint, const struct pam_stack *stack)
{
    bool found = false;
    size_t i;

    for (i = 0; i < stack->count; i++) {
        const struct pam_line *line = &stack->lines[i];

        if (line->module == NULL || !reads_as_ours(line->module)
            || pam_system_module(lint->system, line->module) == MODULE_FOUND)
            continue;
        found = true;
        findings_add(lint->findings, SEVERITY_ERROR, line->file, line->number,
                     "%s: libpam finds no such module; if " MODULE " is meant, the service refuses every token",
                     line->module);
    }
    return found;
}

static bool is_lower_case(const char *name)
{
    while (*name != '\0' && !isupper((unsigned char)*name))
        name++;
    return *name == '\0';
}

/* Whether servers with Cyrus SASL can load Latchkey. */
static bool has_plugin(const struct pam_lint *lint)
{
    char path[PATH_MAX];

    return pam_system_path(lint->system, LATCHKEY_SASLDIR "/liblatchkey.so", path) && access(path, F_OK) == 0;
}

static bool serves_sasl(const struct pam_lint *lint, const struct config *config)
{
    return has_plugin(lint) || (config != NULL && config->latchkeyd.saslauthd_sockets.count > 0);
}

static void check_any_names_latchkey(const struct pam_lint *lint, const struct config *config)
{
    bool is_misspelt = false, is_named = false;
    size_t i;

    for (i = 0; i < lint->count; i++) {
        const struct pam_service *service = &lint->services[i];
        const struct pam_line *line;

        is_misspelt = check_spelling(lint, &service->stack) || is_misspelt;
        if (!names_latchkey(&service->stack))
            continue;
        is_named = true;
        line = find_latchkey(&service->stack, STACK_AUTH);
        if (!is_lower_case(service->name) && line != NULL)
            pam_lint_add(lint->findings, SEVERITY_WARNING, service, line,
                         "libpam asks for services in lower case, and never reads this file");
    }
    if (!is_named && !is_misspelt)
        findings_add(lint->findings, serves_sasl(lint, config) ? SEVERITY_NOTE : SEVERITY_WARNING,
                     lint->system->directory, 0, "no stack names " MODULE ": no PAM service takes tokens");
}

/* A line of Latchkey that selects the rules by the option service=`service`, or, for NULL, by PAM's own name of the
 * service. */
static const struct pam_line *find_line_of_service(const struct pam_stack *stack, const char *service)
{
    size_t i;

    for (i = 0; i < stack->count; i++) {
        const struct pam_line *line = &stack->lines[i];
        struct pam_options options;

        if (read_latchkey(line, &options)
            && (service == NULL ? options.service == NULL
                                : options.service != NULL && strcasecmp(options.service, service) == 0))
            return line;
    }
    return NULL;
}

/* `su -` asks PAM for su-l and `sudo -i` for sudo-i: the blocks "su" and "sudo" do not apply there. */
static void check_stem(const struct pam_lint *lint, const struct pam_service *service)
{
    const struct pam_line *line = service->is_part ? NULL : find_line_of_service(&service->stack, NULL);
    CLEANUP(config_release) const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;
    const char *dash = strrchr(service->name, '-');
    char stem[NAME_MAX + 1];

    if (line == NULL || dash == NULL || !config_acquire(&verdict, config_of(line, lint->config), &config)
        || config_service(config, service->name) != &config->default_service)
        return;
    snprintf(stem, sizeof stem, "%.*s", (int)(dash - service->name), service->name);
    if (config_service(config, stem) != &config->default_service)
        pam_lint_add(lint->findings, SEVERITY_WARNING, service, line,
                     "the rules of \"*\" apply, not those of the block \"%s\"; service=%s selects that block", stem,
                     stem);
}

/* Whether the rules of the block apply to any login by PAM. A service without a file has the stack of `other`. */
static bool any_stack_uses(const struct pam_lint *lint, const char *name)
{
    const struct pam_service *other = pam_lint_find(lint, PAM_SERVICE_OTHER);
    bool has_file = false;
    size_t i;

    for (i = 0; i < lint->count; i++) {
        const struct pam_service *service = &lint->services[i];
        const bool is_named_so = strcasecmp(service->name, name) == 0;

        has_file = has_file || is_named_so;
        if ((is_named_so && find_line_of_service(&service->stack, NULL) != NULL)
            || find_line_of_service(&service->stack, name) != NULL)
            return true;
    }
    return !has_file && other != NULL && find_line_of_service(&other->stack, NULL) != NULL;
}

/* A service whose stack names Latchkey and whose name the block's name may misspell, or NULL. */
static const char *meant_service(const struct pam_lint *lint, const char *name)
{
    size_t i;

    for (i = 0; i < lint->count; i++)
        if (find_line_of_service(&lint->services[i].stack, NULL) != NULL
            && typos(lint->services[i].name, name) <= SERVICE_TYPOS)
            return lint->services[i].name;
    return NULL;
}

static void check_block(const struct pam_lint *lint, const struct config *config, const char *name)
{
    const char *meant;

    if (any_stack_uses(lint, name))
        return;
    meant = is_sasl_service(name) ? NULL : meant_service(lint, name);
    if (meant != NULL)
        findings_add(lint->findings, SEVERITY_WARNING, config->path, 0,
                     "service \"%s\": no stack uses the block; is \"%s\" meant, whose stack names " MODULE "?", name,
                     meant);
    else if (is_sasl_service(name) || serves_sasl(lint, config))
        findings_add(
            lint->findings, SEVERITY_NOTE, config->path, 0,
            "service \"%s\": no stack uses the block; it applies to a server with Cyrus SASL of this name, through "
            "liblatchkey.so (%s) or through a socket of saslauthd_socket (%s)",
            name, has_plugin(lint) ? "which is installed" : "which is not in " LATCHKEY_SASLDIR,
            config->latchkeyd.saslauthd_sockets.count > 0 ? "which is set" : "which is not set");
    else
        findings_add(
            lint->findings, SEVERITY_WARNING, config->path, 0,
            "service \"%s\": no stack in %s uses the block, and no line has service=%s: the block never applies", name,
            lint->system->directory, name);
}

static bool stack_has(const struct pam_stack *stack, enum stack_type type, const char *module)
{
    size_t i;

    for (i = 0; i < stack->count; i++)
        if (stack->lines[i].type == type && pam_line_is(&stack->lines[i], path_name(module)))
            return true;
    return false;
}

/* Other services ask the modules that pam-auth-update writes into common-account, those of a directory for example. */
static void check_common_account(const struct pam_lint *lint, const struct pam_service *service)
{
    const struct pam_service *common = pam_lint_find(lint, "common-account");
    const struct pam_line *auth = find_latchkey(&service->stack, STACK_AUTH);
    size_t i;

    if (common == NULL || auth == NULL || service->is_part)
        return;
    for (i = 0; i < common->stack.count; i++) {
        const struct pam_line *line = &common->stack.lines[i];

        if (line->type == STACK_ACCOUNT && line->module != NULL && !line->is_missing
            && !pam_line_is(line, "pam_permit.so") && !pam_line_is(line, "pam_deny.so")
            && !stack_has(&service->stack, STACK_ACCOUNT, line->module))
            pam_lint_add(lint->findings, SEVERITY_WARNING, service, auth,
                         "no account line names %s, which common-account has: accounts that this module refuses "
                         "elsewhere are accepted here",
                         line->module);
    }
}

void check_services(const struct pam_lint *lint)
{
    CLEANUP(config_release) const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;
    size_t i;

    config_acquire(&verdict, lint->config, &config);
    check_any_names_latchkey(lint, config);
    for (i = 0; i < lint->count; i++) {
        check_stem(lint, &lint->services[i]);
        check_common_account(lint, &lint->services[i]);
    }
    for (i = 0; config != NULL && i < config->service_count; i++)
        if (strcmp(config->services[i].name, "*") != 0)
            check_block(lint, config, config->services[i].name);
}
