/*
 * The server side of OAUTHBEARER and XOAUTH2: a message in, the core's verdict and libsasl's code out.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "verdict/log_line.h"
#include "verdict/reason.h"
#include "verdict/verdict.h"
#include "config/snapshot.h"
#include "login/authenticate.h"
#include "sasl/plugin.h"

#define EXPORT          __attribute__((visibility("default")))
#define ERROR_TEXT_MAX  2048
#define SCOPE_TEXT_MAX  1024
#define REMOTE_HOST_MAX 64
#define LDAP_SERVICE    "ldap" /* of RFC 4513 §5.2.1.1 */
#define LDAP_USER       "u:"
#define LDAP_DN         "dn:"

/* The property with the local groups: with a "*" before it of who proved to be somebody, without one of the authzid. */
#define GROUPS_NAME "latchkeyGroups"

#define X(id, name, pam, sasl, status, exit, told, sentence) [id] = { sasl, status },
static const struct {
    int code;
    const char *status; /* NULL: no error message, the exchange just fails */
} outcomes[] = { REASONS(X) };
#undef X

/* What one call of sasl_server_plug_init() made. Memory of libsasl's, ended with the last mechanism. */
struct server {
    sasl_server_plug_t plugs[MECHANISM_COUNT];
    struct server_mechanism {
        struct server *server;
        const struct mechanism *mechanism;
        char name[MECHANISM_NAME_MAX]; /* hosts are lent it */
    } mechanisms[MECHANISM_COUNT];
    unsigned in_use;
    char *config;  /* NULL: the default */
    char *service; /* NULL: the name that the host gives */
};

enum exchange_state { EXPECTS_MESSAGE, HAS_SENT_ERROR, IS_OVER };

struct exchange {
    const struct server_mechanism *of;
    enum exchange_state state;
    bool was_asked; /* the empty challenge was sent */
    int code;       /* after HAS_SENT_ERROR */
    char told[TOLD_MAX];
    char error[ERROR_TEXT_MAX];
};

static const char *service_of(const struct server *server, const sasl_server_params_t *params)
{
    return server->service != NULL ? server->service : params->service;
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
 * libsasl passes on errors alone unless it is told otherwise, and a refusal must not go unseen. A client that asks
 * where to get a token (RFC 7628 §4.3) has tried nothing.
 */
static int log_level(const struct verdict *verdict)
{
    return verdict->reason == REASON_OK || verdict->reason == REASON_CREDENTIAL_ABSENT ? SASL_LOG_NOTE : SASL_LOG_ERR;
}

static void log_verdict(const sasl_server_params_t *params, const struct verdict *verdict,
                        const struct attempt *attempt)
{
    struct attempt logged = *attempt;
    char line[LOG_LINE_MAX];

    logged.authzid = credential_user_for_log(attempt->authzid);
    verdict_log_line(verdict, &logged, line);
    params->utils->log(params->utils->conn, log_level(verdict), "latchkey: %s", line);
}

/*
 * The mechanism is offered where it could let somebody in. Whether the connection is one for plain-text passwords is
 * for libsasl to say, which knows from our flags that this is one: PLAIN and these stand or fall together.
 */
static int server_mech_avail(void *glob_context, sasl_server_params_t *params, void **conn_context)
{
    const struct server_mechanism *of = glob_context;
    CLEANUP(config_release) const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;

    (void)conn_context;
    if (config_acquire(&verdict, of->server->config, &config)
        && authenticate_is_possible(&verdict, config, service_of(of->server, params)))
        return SASL_OK;
    params->utils->log(params->utils->conn, SASL_LOG_DEBUG, "latchkey: %s is not offered: %s: %s", of->mechanism->name,
                       reason_name(verdict.reason), verdict.evidence);
    return SASL_NOMECH;
}

static int server_mech_new(void *glob_context, sasl_server_params_t *params, const char *challenge,
                           unsigned challenge_len, void **conn_context)
{
    struct exchange *exchange = params->utils->malloc(sizeof *exchange);

    (void)challenge;
    (void)challenge_len;
    if (exchange == NULL)
        return SASL_NOMEM;
    *exchange = (struct exchange){ .of = glob_context };
    *conn_context = exchange;
    return SASL_OK;
}

static void server_mech_dispose(void *conn_context, const sasl_utils_t *utils)
{
    utils->free(conn_context);
}

/* RFC 4513 §5.2.1.8: an authzid of LDAP is "u:" and a user's name, or "dn:" and what only the directory understands. */
static bool is_ldap_form(const struct attempt *attempt, const char *prefix)
{
    return attempt->is_directory && attempt->authzid != NULL
        && strncasecmp(attempt->authzid, prefix, strlen(prefix)) == 0;
}

static bool is_ldap_user(const struct attempt *attempt)
{
    return is_ldap_form(attempt, LDAP_USER);
}

/* Hosts that ask learn the groups; one that does not ask gets nothing, and that is no error. */
static void offer_groups(const sasl_server_params_t *params, const struct login *login)
{
    static const char *const names[] = { GROUPS_NAME, "*" GROUPS_NAME };
    size_t i, group;

    if (params->propctx == NULL)
        return;
    for (i = 0; i < 2; i++)
        params->utils->prop_erase(params->propctx, names[i]);
    /* Without the asterisk a property is the authzid's, and the groups are another one's where the two differ.
     * One by one, with their name: prop_setvals() reads on behind an empty list, and writes before the beginning of its
     * memory when a long one does not fit. */
    for (i = strcmp(login->authzid, login->identity.user) == 0 ? 0 : 1; i < 2; i++)
        for (group = 0; group < login->identity.group_count; group++)
            params->utils->prop_set(params->propctx, names[i], login->identity.groups[group], 0);
}

/*
 * authcid: the mapped user; authzid: whom it acts as, which the core has allowed, and the host may still refuse. Who is
 * only itself is told in one call: slapd takes no bare name as an authzid, and others would ask themselves whether
 * alice may act as alice.
 */
static int set_names(const sasl_server_params_t *params, const struct attempt *attempt, const struct login *login,
                     sasl_out_params_t *out)
{
    const bool is_itself = strcmp(login->authzid, login->identity.user) == 0;
    const unsigned authcid_is = SASL_CU_AUTHID | SASL_CU_EXTERNALLY_VERIFIED | (is_itself ? SASL_CU_AUTHZID : 0);
    char authzid[sizeof LDAP_USER + sizeof login->authzid];
    int result = params->canon_user(params->utils->conn, login->identity.user, 0, authcid_is, out);

    if (result != SASL_OK || is_itself)
        return result;
    snprintf(authzid, sizeof authzid, "%s%s", is_ldap_user(attempt) ? LDAP_USER : "", login->authzid);
    return params->canon_user(params->utils->conn, authzid, 0, SASL_CU_AUTHZID | SASL_CU_EXTERNALLY_VERIFIED, out);
}

static int establish(const sasl_server_params_t *params, const struct attempt *attempt, const struct login *login,
                     sasl_out_params_t *out)
{
    int result = set_names(params, attempt, login, out);

    if (result != SASL_OK)
        return result;
    offer_groups(params, login);
    out->doneflag = 1;
    out->mech_ssf = 0;
    out->maxoutbuf = 0;
    out->encode_context = out->decode_context = NULL;
    out->encode = NULL;
    out->decode = NULL;
    out->param_version = 0;
    return SASL_OK;
}

/*
 * The name in the server's own form, as PLAIN and LOGIN pass it on to saslauthd's protocol: Cyrus IMAP folds case,
 * libsasl drops blanks around it and adds the server's realm. So a name gets one verdict by all four mechanisms.
 *
 * Nothing of this may outlive the question. slapd keeps the first name that it is asked about with the connection's
 * properties, and would go on as the one whom the client named, not as the one whom the token names.
 */
static int canonicalize(sasl_server_params_t *params, const char *name, sasl_out_params_t *ret)
{
    struct propctx *const properties = params->propctx;
    struct propctx *scratch = NULL;
    int result;

    *ret = (sasl_out_params_t){ .doneflag = 0 };
    if (properties != NULL && (scratch = params->utils->prop_new(0)) == NULL)
        return SASL_NOMEM;
    params->propctx = scratch;
    result = params->canon_user(params->utils->conn, name, 0, SASL_CU_AUTHID | SASL_CU_EXTERNALLY_VERIFIED, ret);
    params->propctx = properties;
    if (scratch != NULL)
        params->utils->prop_dispose(&scratch);
    return result;
}

/* The account that the client names, in `room`; *ret_authzid is NULL where the client names none. A name that the
 * server itself refuses stays as it is, and *ret_is_refused is set. */
static bool find_authzid(sasl_server_params_t *params, const struct attempt *attempt, struct verdict *verdict,
                         char room[AUTHZID_MAX + 1], const char **ret_authzid, bool *ret_is_refused)
{
    const char *name = attempt->authzid;
    sasl_out_params_t form;
    int result;

    *ret_is_refused = false;
    *ret_authzid = name;
    if (name == NULL || is_ldap_form(attempt, LDAP_DN))
        return true;
    if (is_ldap_user(attempt))
        *ret_authzid = name += strlen(LDAP_USER);
    /* The core would judge it as a name of the directory, and the host goes on with it as a user's name. */
    if (is_ldap_user(attempt) && strncasecmp(name, LDAP_DN, strlen(LDAP_DN)) == 0)
        return verdict_reject(verdict, REASON_AUTHZID_NOT_ALLOWED, "a user's name that begins like a directory's");
    result = canonicalize(params, name, &form);
    if (result == SASL_OK && form.authid == NULL)
        return true; /* a host that leaves names as they are */
    if (result == SASL_NOMEM)
        return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "the name's form");
    if (result != SASL_OK) {
        *ret_is_refused = true;
        return true;
    }
    if (form.alen > AUTHZID_MAX)
        return verdict_reject(verdict, REASON_AUTHZID_NOT_ALLOWED, "it has %u bytes", form.alen);
    snprintf(room, AUTHZID_MAX + 1, "%.*s", (int)form.alen, form.authid);
    *ret_authzid = room;
    return true;
}

/* After the token was accepted: a client without a good one does not hear which names the server refuses. */
static bool refuse_name(struct verdict *verdict)
{
    verdict->reason = REASON_UNDECIDED;
    return verdict_reject(verdict, REASON_AUTHZID_NOT_ALLOWED, "the server itself refuses the name");
}

/* `attempt` is as the client made it; the core gets the name in the server's own form. */
static bool judge(const struct exchange *exchange, sasl_server_params_t *params, const struct attempt *attempt,
                  struct slice bearer, struct verdict *verdict, const struct config **config, struct login *login)
{
    const struct credential credential = credential_whole(bearer);
    struct attempt canonical = *attempt;
    char name[AUTHZID_MAX + 1];
    bool is_refused = false;

    if (!config_acquire(verdict, exchange->of->server->config, config))
        return false;
    if (credential.kind != CREDENTIAL_ABSENT
        && !find_authzid(params, attempt, verdict, name, &canonical.authzid, &is_refused))
        return false;
    if (!authenticate(verdict, *config, &canonical, &credential, login))
        return false;
    return !is_refused || refuse_name(verdict);
}

/* Whose tokens are wanted, when that is plain: the tenant that was meant, or the only one. */
static const struct tenant *tenant_of(const struct config *config, const struct verdict *verdict)
{
    const struct tenant *tenant = config != NULL ? config_tenant(config, slice_of(verdict->tenant)) : NULL;

    if (tenant == NULL && config != NULL && config->tenant_count == 1)
        tenant = &config->tenants[0];
    return tenant;
}

/* All that a token must have, or nothing when it does not fit. */
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

/* Some hosts, slapd among them, pass it on to the client. */
static void tell(const struct exchange *exchange, const sasl_server_params_t *params)
{
    if (exchange->told[0] != '\0')
        params->utils->seterror(params->utils->conn, SASL_NOLOG, "%s", exchange->told);
}

static int refuse(struct exchange *exchange, const sasl_server_params_t *params, const struct config *config,
                  const struct verdict *verdict, const char **serverout, unsigned *serveroutlen)
{
    const struct tenant *tenant = tenant_of(config, verdict);
    char scope[SCOPE_TEXT_MAX] = "";

    exchange->code = outcomes[verdict->reason].code;
    verdict_told(verdict, exchange->told);
    tell(exchange, params);
    if (outcomes[verdict->reason].status == NULL) {
        exchange->state = IS_OVER;
        return exchange->code;
    }
    exchange->state = HAS_SENT_ERROR;
    if (tenant != NULL)
        join_scopes(&tenant->claims.scopes, scope, sizeof scope);
    *serveroutlen = (unsigned)exchange->of->mechanism->error(outcomes[verdict->reason].status, scope,
                                                             tenant != NULL ? tenant->discovery : NULL, exchange->error,
                                                             sizeof exchange->error);
    *serverout = exchange->error;
    return SASL_CONTINUE;
}

static int take_message(struct exchange *exchange, sasl_server_params_t *params, struct slice in,
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
        .service = service_of(exchange->of->server, params),
        .rhost = remote_host(params, host),
        .authzid = message.has_user ? message.user : NULL,
        .is_directory = params->service != NULL && strcmp(params->service, LDAP_SERVICE) == 0,
        .now = time(NULL),
    };
    if (ok)
        ok = judge(exchange, params, &attempt, message.bearer, &verdict, &config, &login);
    else
        verdict_reject(&verdict, REASON_MESSAGE_MALFORMED, "%s", error);
    log_verdict(params, &verdict, &attempt);
    if (!ok)
        return refuse(exchange, params, config, &verdict, serverout, serveroutlen);
    exchange->state = IS_OVER;
    return establish(params, &attempt, &login, out);
}

static int server_mech_step(void *conn_context, sasl_server_params_t *params, const char *clientin,
                            unsigned clientinlen, const char **serverout, unsigned *serveroutlen,
                            sasl_out_params_t *out)
{
    struct exchange *exchange = conn_context;
    struct slice in = { clientin, clientin != NULL ? clientinlen : 0 };

    *serverout = NULL;
    *serveroutlen = 0;
    if (exchange == NULL) /* libsasl has ended it, and the host goes on */
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
        tell(exchange, params); /* once more: libsasl forgets it with every step */
        /* RFC 7628 §3.2.3 wants one %x01. Many clients send nothing, or the token again. Whatever it is, nothing is
         * judged, and the code tells the client why it was refused, not that its answer was wrong. */
        return exchange->code;
    default: /* one token an exchange */
        return SASL_FAIL;
    }
}

static void server_free(struct server *server, const sasl_utils_t *utils)
{
    if (server->config != NULL)
        utils->free(server->config);
    if (server->service != NULL)
        utils->free(server->service);
    utils->free(server);
}

static void server_mech_free(void *glob_context, const sasl_utils_t *utils)
{
    struct server *server = ((struct server_mechanism *)glob_context)->server;

    if (--server->in_use == 0)
        server_free(server, utils);
}

static const sasl_server_plug_t plug = {
    .max_ssf = 0,
    /* No SASL_SEC_NOPLAINTEXT: whoever reads a bearer token can use it, so libsasl must treat it as a password. */
    .security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS,
    .features = SASL_FEAT_WANT_CLIENT_FIRST | SASL_FEAT_ALLOWS_PROXY,
    .mech_new = server_mech_new,
    .mech_step = server_mech_step,
    .mech_dispose = server_mech_dispose,
    .mech_free = server_mech_free,
    .mech_avail = server_mech_avail,
};

/* A copy in libsasl's memory: what getopt lends may end with the host's configuration. */
static bool keep_option(const sasl_utils_t *utils, const char *name, char **ret)
{
    const char *value = plugin_option(utils, name);
    size_t size = value != NULL ? strlen(value) + 1 : 0;

    *ret = NULL;
    if (value == NULL)
        return true;
    *ret = utils->malloc(size);
    if (*ret != NULL)
        memcpy(*ret, value, size);
    return *ret != NULL;
}

/* The configuration is read before the host enters a chroot, and what it says is wrong with it is logged once. */
static void look_at_config(const sasl_utils_t *utils, const struct server *server)
{
    CLEANUP(config_release) const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;

    if (!config_acquire(&verdict, server->config, &config))
        utils->log(NULL, server->config != NULL ? SASL_LOG_ERR : SASL_LOG_DEBUG, "latchkey: nothing is offered: %s",
                   verdict.evidence);
}

EXPORT int sasl_server_plug_init(const sasl_utils_t *utils, int max_version, int *out_version,
                                 sasl_server_plug_t **pluglist, int *plugcount)
{
    struct server *server;
    size_t i;

    if (max_version < SASL_SERVER_PLUG_VERSION)
        return SASL_BADVERS;
    server = utils->malloc(sizeof *server);
    if (server == NULL)
        return SASL_NOMEM;
    *server = (struct server){ .in_use = MECHANISM_COUNT };
    if (!keep_option(utils, "latchkey_config", &server->config)
        || !keep_option(utils, "latchkey_service", &server->service)) {
        server_free(server, utils);
        return SASL_NOMEM;
    }
    for (i = 0; i < MECHANISM_COUNT; i++) {
        server->mechanisms[i] = (struct server_mechanism){ .server = server, .mechanism = &mechanisms[i] };
        memcpy(server->mechanisms[i].name, mechanisms[i].name, strlen(mechanisms[i].name) + 1);
        server->plugs[i] = plug;
        server->plugs[i].mech_name = server->mechanisms[i].name;
        server->plugs[i].glob_context = &server->mechanisms[i];
    }
    look_at_config(utils, server);
    *out_version = SASL_SERVER_PLUG_VERSION;
    *pluglist = server->plugs;
    *plugcount = MECHANISM_COUNT;
    return SASL_OK;
}
