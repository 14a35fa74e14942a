/*
 * latchkey check: what the services of a system say together, and the service blocks that are meant for them.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "config/snapshot.h"
#include "pam/options.h"
#include "cli/lint/check.h"
#include "cli/lint/check_pam.h"

#define NAME_LEN_MAX  64 /* bytes that are compared for their spelling */
#define MODULE_TYPOS  3  /* letters that differ, and a name still reads as the module's */
#define SERVICE_TYPOS 1

/*
 * Names under which servers with Cyrus SASL register (the GSSAPI/SASL service names of IANA, and what the servers of
 * latchkey_sasl(5) use). Such a service needs no file in /etc/pam.d.
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

/* How many letters must change, go or come to make one name of the other (Levenshtein), whatever their case. */
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
    const char *slash = strrchr(module, '/'), *name = slash != NULL ? slash + 1 : module;

    return strcmp(name, MODULE) != 0 && (strcasestr(name, "latchkey") != NULL || typos(name, MODULE) <= MODULE_TYPOS);
}

/* True when there was one. */
static bool check_spelling(const struct audit *audit, const struct pam_stack *stack)
{
    bool found = false;
    size_t i;

    for (i = 0; i < stack->count; i++) {
        const struct pam_line *line = &stack->lines[i];

        if (line->module == NULL || !reads_as_ours(line->module)
            || pam_system_module(audit->system, line->module) == MODULE_FOUND)
            continue;
        found = true;
        findings_add(audit->findings, SEVERITY_ERROR, line->file, line->number,
                     "%s: libpam finds no such module; if " MODULE " is meant, no token opens the service",
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

/* Whether servers with Cyrus SASL can load Latchkey, whatever service they are. */
static bool has_plugin(const struct audit *audit)
{
    char path[PATH_MAX];

    return pam_system_path(audit->system, LATCHKEY_SASLDIR "/liblatchkey.so", path) && access(path, F_OK) == 0;
}

static bool serves_sasl(const struct audit *audit, const struct config *config)
{
    return has_plugin(audit) || (config != NULL && config->latchkeyd.saslauthd_sockets.count > 0);
}

static void check_any_names_latchkey(const struct audit *audit, const struct config *config)
{
    bool is_misspelt = false, is_named = false;
    size_t i;

    for (i = 0; i < audit->count; i++) {
        const struct service *service = &audit->services[i];
        const struct pam_line *line;

        is_misspelt = check_spelling(audit, &service->stack) || is_misspelt;
        if (!names_latchkey(&service->stack))
            continue;
        is_named = true;
        line = find_latchkey(&service->stack, STACK_AUTH);
        if (!is_lower_case(service->name) && line != NULL)
            findings_add(audit->findings, SEVERITY_WARNING, line->file, line->number,
                         "service %s: libpam asks for services in lower case, and never reads this file",
                         service->name);
    }
    if (!is_named && !is_misspelt)
        findings_add(audit->findings, serves_sasl(audit, config) ? SEVERITY_NOTE : SEVERITY_WARNING,
                     audit->system->directory, 0, "no stack names " MODULE ": no PAM service takes tokens");
}

/* A line of Latchkey's for whose rules PAM's own name of the service is looked up (service == NULL), or `service`. */
static const struct pam_line *find_line_of_service(const struct pam_stack *stack, const char *service)
{
    size_t i;

    for (i = 0; i < stack->count; i++) {
        const struct pam_line *line = &stack->lines[i];
        struct pam_options options;
        char error[PAM_OPTIONS_ERROR_MAX];

        if (pam_line_is(line, MODULE) && pam_options_parse(line->argc, (const char *const *)line->argv, &options, error)
            && (service == NULL ? options.service == NULL
                                : options.service != NULL && strcasecmp(options.service, service) == 0))
            return line;
    }
    return NULL;
}

/* `su -` asks PAM for su-l and `sudo -i` for sudo-i: the block of the stem does not hold there. */
static void check_stem(const struct audit *audit, const struct service *service)
{
    const struct pam_line *line = service->is_part ? NULL : find_line_of_service(&service->stack, NULL);
    CLEANUP(config_release) const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;
    const char *dash = strrchr(service->name, '-');
    char stem[NAME_MAX + 1];

    if (line == NULL || dash == NULL || !config_acquire(&verdict, config_of(line, audit->config), &config)
        || config_service(config, service->name) != &config->default_service)
        return;
    snprintf(stem, sizeof stem, "%.*s", (int)(dash - service->name), service->name);
    if (config_service(config, stem) != &config->default_service)
        findings_add(audit->findings, SEVERITY_WARNING, line->file, line->number,
                     "service %s: the rules of \"*\" hold, not those of the block \"%s\"; service=%s would take them",
                     service->name, stem, stem);
}

/* Whether Latchkey judges any login by the rules of the block. A service without a file has the stack of `other`. */
static bool any_stack_asks_for(const struct audit *audit, const char *name)
{
    const struct service *other = find_service(audit, PAM_SERVICE_OTHER);
    bool has_file = false;
    size_t i;

    for (i = 0; i < audit->count; i++) {
        const struct service *service = &audit->services[i];
        const bool is_named_so = strcasecmp(service->name, name) == 0;

        has_file = has_file || is_named_so;
        if ((is_named_so && find_line_of_service(&service->stack, NULL) != NULL)
            || find_line_of_service(&service->stack, name) != NULL)
            return true;
    }
    return !has_file && other != NULL && find_line_of_service(&other->stack, NULL) != NULL;
}

/* A service whose stack names Latchkey and whose name the block's may have been meant for, or NULL. */
static const char *meant_service(const struct audit *audit, const char *name)
{
    size_t i;

    for (i = 0; i < audit->count; i++)
        if (find_line_of_service(&audit->services[i].stack, NULL) != NULL
            && typos(audit->services[i].name, name) <= SERVICE_TYPOS)
            return audit->services[i].name;
    return NULL;
}

static void check_block(const struct audit *audit, const struct config *config, const char *name)
{
    const char *meant;

    if (any_stack_asks_for(audit, name))
        return;
    meant = is_sasl_service(name) ? NULL : meant_service(audit, name);
    if (meant != NULL)
        findings_add(audit->findings, SEVERITY_WARNING, config->path, 0,
                     "service \"%s\": no stack asks for it; is \"%s\" meant, which names " MODULE "?", name, meant);
    else if (is_sasl_service(name) || serves_sasl(audit, config))
        findings_add(
            audit->findings, SEVERITY_NOTE, config->path, 0,
            "service \"%s\": no stack asks for it; it holds for a server with Cyrus SASL that has this name, by "
            "liblatchkey.so (%s) or by a socket of saslauthd_socket (%s)",
            name, has_plugin(audit) ? "which is installed" : "which is not in " LATCHKEY_SASLDIR,
            config->latchkeyd.saslauthd_sockets.count > 0 ? "which is set" : "which is not set");
    else
        findings_add(audit->findings, SEVERITY_WARNING, config->path, 0,
                     "service \"%s\": no stack in %s asks for it, and no line says service=%s: the block never holds",
                     name, audit->system->directory, name);
}

static bool stack_has(const struct pam_stack *stack, enum stack_type type, const char *module)
{
    const char *slash = strrchr(module, '/');
    size_t i;

    for (i = 0; i < stack->count; i++)
        if (stack->lines[i].type == type && pam_line_is(&stack->lines[i], slash != NULL ? slash + 1 : module))
            return true;
    return false;
}

/* Other services ask what pam-auth-update has put into common-account, of a directory for example. */
static void check_common_account(const struct audit *audit, const struct service *service)
{
    const struct service *common = find_service(audit, "common-account");
    const struct pam_line *auth = find_latchkey(&service->stack, STACK_AUTH);
    size_t i;

    if (common == NULL || auth == NULL || service->is_part)
        return;
    for (i = 0; i < common->stack.count; i++) {
        const struct pam_line *line = &common->stack.lines[i];

        if (line->type == STACK_ACCOUNT && line->module != NULL && !line->is_missing
            && !pam_line_is(line, "pam_permit.so") && !pam_line_is(line, "pam_deny.so")
            && !stack_has(&service->stack, STACK_ACCOUNT, line->module))
            findings_add(audit->findings, SEVERITY_WARNING, auth->file, auth->number,
                         "service %s: no account line names %s, which common-account has: an account that it refuses "
                         "elsewhere opens here",
                         service->name, line->module);
    }
}

void check_services(const struct audit *audit)
{
    CLEANUP(config_release) const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;
    size_t i;

    config_acquire(&verdict, audit->config, &config);
    check_any_names_latchkey(audit, config);
    for (i = 0; i < audit->count; i++) {
        check_stem(audit, &audit->services[i]);
        check_common_account(audit, &audit->services[i]);
    }
    for (i = 0; config != NULL && i < config->service_count; i++)
        if (strcmp(config->services[i].name, "*") != 0)
            check_block(audit, config, config->services[i].name);
}
