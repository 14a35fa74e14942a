#include "sasl/server_exchange.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "verdict/log_line.h"
#include "verdict/reason.h"
#include "verdict/verdict.h"
#include "config/snapshot.h"
#include "login/authenticate.h"
#include "sasl/server_names.h"

#define ERROR_TEXT_MAX  2048
#define SCOPE_TEXT_MAX  1024
#define REMOTE_HOST_MAX 64
#define LDAP_SERVICE    "ldap" /* RFC 4513 §5.2.1.1 */

#define X(id, name, pam, sasl, status, exit, told, sentence) [id] = { sasl, status },
static const struct {
    int code;
    const char *status; /* NULL: the exchange fails without an error message */
} outcomes[] = { REASONS(X) };
#undef X

enum server_state { EXPECTS_MESSAGE, HAS_SENT_ERROR, IS_OVER };

struct server_exchange {
    const struct plugin_mechanism *of;
    enum server_state state;
    bool was_asked; /* the empty challenge was sent */
    int code;       /* after HAS_SENT_ERROR */
    char told[TOLD_MAX];
    char error[ERROR_TEXT_MAX];
};

const char *server_service(const struct plugin *plugin, const sasl_server_params_t *params)
{
    return plugin->service != NULL ? plugin->service : params->service;
}

int server_mech_new(void *glob_context, sasl_server_params_t *params, const char *challenge, unsigned challenge_len,
                    void **conn_context)
{
    struct server_exchange *exchange = params->utils->malloc(sizeof *exchange);

    (void)challenge;
    (void)challenge_len;
    if (exchange == NULL)
        return SASL_NOMEM;
    *exchange = (struct server_exchange){ .of = glob_context };
    *conn_context = exchange;
    return SASL_OK;
}

void server_mech_dispose(void *conn_context, const sasl_utils_t *utils)
{
    utils->free(conn_context);
}

/* "192.0.2.7;50122" without the port. */
static const char *remote_host(const sasl_server_params_t *params, char host[REMOTE_HOST_MAX])
{
    if (params->ipremoteport == NULL)
        return NULL;
    snprintf(host, REMOTE_HOST_MAX, "%.*s", (int)strcspn(params->ipremoteport, ";"), params->ipremoteport);
    return host;
}

/*
 * By default libsasl logs errors only, so a refusal is logged as an error. A client that asks where to get a token
 * (RFC 7628 §4.3) has not tried to log in.
 */
static int log_level(const struct verdict *verdict)
{
    return verdict->reason == REASON_OK || verdict->reason == REASON_CREDENTIAL_ABSENT ? SASL_LOG_NOTE : SASL_LOG_ERR;
}

static void log_attempt(const sasl_server_params_t *params, const struct verdict *verdict,
                        const struct attempt *attempt)
{
    struct attempt logged = *attempt;
    char line[LOG_LINE_MAX];

    logged.authzid = credential_user_for_log(attempt->authzid);
    verdict_log_line(verdict, &logged, line);
    params->utils->log(params->utils->conn, log_level(verdict), "latchkey: %s", line);
}

/* A client without a good token must not learn which names the server refuses, so this comes after the verdict. */
static bool check_account_name(struct verdict *verdict, bool is_refused)
{
    if (!is_refused)
        return true;
    verdict->reason = REASON_UNDECIDED;
    return verdict_reject(verdict, REASON_AUTHZID_NOT_ALLOWED, "the server itself refuses the name");
}

/* `attempt` has the name as the client sent it; the core gets the name in the server's own form. */
static bool judge_bearer(const struct server_exchange *exchange, sasl_server_params_t *params,
                         const struct attempt *attempt, struct slice bearer, struct verdict *verdict,
                         const struct config **config, struct login *login)
{
    const struct credential credential = credential_whole(bearer);
    struct attempt canonical = *attempt;
    char name[AUTHZID_MAX + 1];
    bool is_refused = false;

    if (!config_acquire(verdict, exchange->of->plugin->config, config))
        return false;
    if (credential.kind != CREDENTIAL_ABSENT
        && !server_canonical_authzid(params, attempt, verdict, name, &canonical.authzid, &is_refused))
        return false;
    if (!authenticate(verdict, *config, &canonical, &credential, login))
        return false;
    return check_account_name(verdict, is_refused);
}

/* The tenant that the error message describes: that of the token, else the only one. */
static const struct tenant *find_tenant(const struct config *config, const struct verdict *verdict)
{
    const struct tenant *tenant = config != NULL ? config_tenant(config, slice_of(verdict->tenant)) : NULL;

    if (tenant == NULL && config != NULL && config->tenant_count == 1)
        tenant = &config->tenants[0];
    return tenant;
}

/* All the scopes that a token needs; empty when they do not fit. */
static void join_scopes(const struct string_list *scopes, char *text, size_t size)
{
    size_t i, len = 0;

    text[0] = '\0';
    for (i = 0; i < scopes->count; i++) {
        len += (size_t)snprintf(text + len, size - len, "%s%s", i > 0 ? " " : "", scopes->items[i]);
        if (len >= size) {
            text[0] = '\0';
            return;
        }
    }
}

/* Some host processes, such as slapd, pass this text on to the client. */
static void tell_host(const struct server_exchange *exchange, const sasl_server_params_t *params)
{
    if (exchange->told[0] != '\0')
        params->utils->seterror(params->utils->conn, SASL_NOLOG, "%s", exchange->told);
}

static int refuse_message(struct server_exchange *exchange, const sasl_server_params_t *params,
                          const struct config *config, const struct verdict *verdict, const char **serverout,
                          unsigned *serveroutlen)
{
    const struct tenant *tenant = find_tenant(config, verdict);
    const char *status = outcomes[verdict->reason].status;
    char scope[SCOPE_TEXT_MAX] = "";

    exchange->code = outcomes[verdict->reason].code;
    verdict_told(verdict, exchange->told);
    tell_host(exchange, params);
    if (status == NULL) {
        exchange->state = IS_OVER;
        return exchange->code;
    }
    exchange->state = HAS_SENT_ERROR;
    if (tenant != NULL)
        join_scopes(&tenant->claims.scopes, scope, sizeof scope);
    *serveroutlen = (unsigned)exchange->of->mechanism->error(status, scope, tenant != NULL ? tenant->discovery : NULL,
                                                             exchange->error, sizeof exchange->error);
    *serverout = exchange->error;
    return SASL_CONTINUE;
}

static int take_message(struct server_exchange *exchange, sasl_server_params_t *params, struct slice in,
                        const char **serverout, unsigned *serveroutlen, sasl_out_params_t *out)
{
    CLEANUP(config_release) const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;
    struct bearer_message message;
    struct attempt attempt;
    struct login login;
    char host[REMOTE_HOST_MAX];
    const char *error;
    bool ok = exchange->of->mechanism->read(in, &message, &error);

    attempt = (struct attempt){
        .service = server_service(exchange->of->plugin, params),
        .rhost = remote_host(params, host),
        .authzid = message.has_user ? message.user : NULL,
        .is_directory = params->service != NULL && strcmp(params->service, LDAP_SERVICE) == 0,
        .now = time(NULL),
    };
    if (ok)
        ok = judge_bearer(exchange, params, &attempt, message.bearer, &verdict, &config, &login);
    else
        verdict_reject(&verdict, REASON_MESSAGE_MALFORMED, "%s", error);
    log_attempt(params, &verdict, &attempt);
    if (!ok)
        return refuse_message(exchange, params, config, &verdict, serverout, serveroutlen);
    exchange->state = IS_OVER;
    return server_establish(params, &attempt, &login, out);
}

int server_mech_step(void *conn_context, sasl_server_params_t *params, const char *clientin, unsigned clientinlen,
                     const char **serverout, unsigned *serveroutlen, sasl_out_params_t *out)
{
    struct server_exchange *exchange = conn_context;
    struct slice in = { clientin, clientin != NULL ? clientinlen : 0 };

    *serverout = NULL;
    *serveroutlen = 0;
    if (exchange == NULL) /* libsasl has disposed of it, and the host process steps once more */
        return SASL_BADPROT;
    switch (exchange->state) {
    case EXPECTS_MESSAGE:
        if (in.len == 0 && !exchange->was_asked) { /* no initial response: RFC 4422 §5.1 */
            exchange->was_asked = true;
            exchange->error[0] = '\0';
            *serverout = exchange->error;
            return SASL_CONTINUE;
        }
        return take_message(exchange, params, in, serverout, serveroutlen, out);
    case HAS_SENT_ERROR:
        exchange->state = IS_OVER;
        tell_host(exchange, params); /* again: libsasl clears the text at each step */
        /* RFC 7628 §3.2.3 requires one %x01, but many clients send nothing, or the token again. The answer is not
         * judged, and the code stays that of the refusal. */
        return exchange->code;
    default: /* one token an exchange */
        return SASL_FAIL;
    }
}
