#include "sasl/server_names.h"

#include <stdio.h>
#include <string.h>

#include "sasl/plugin.h"

#define LDAP_USER "u:"
#define LDAP_DN   "dn:"

/* The property with the local groups. With "*" before its name it is that of the authcid, without that of the authzid.
 */
#define GROUPS_NAME "latchkeyGroups"

/* RFC 4513 §5.2.1.8: in LDAP an authzid is "u:" and a user's name, or "dn:" and a name of the directory. */
static bool is_ldap_form(const struct attempt *attempt, const char *prefix)
{
    return attempt->is_directory && attempt->authzid != NULL
        && strncasecmp(attempt->authzid, prefix, strlen(prefix)) == 0;
}

static bool is_ldap_user(const struct attempt *attempt)
{
    return is_ldap_form(attempt, LDAP_USER);
}

/*
 * The name in the server's own form.
 *
 * The properties of the connection must not keep it. slapd keeps the first name that it is asked about with the
 * connection's properties, and would then log in the user whom the client named instead of the one whom the token
 * names.
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

bool server_canonical_authzid(sasl_server_params_t *params, const struct attempt *attempt, struct verdict *verdict,
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
    /* "u:dn:…": the core would judge it as a name of the directory, but the host process takes it as a user's name. */
    if (is_ldap_user(attempt) && strncasecmp(name, LDAP_DN, strlen(LDAP_DN)) == 0)
        return verdict_reject(verdict, REASON_AUTHZID_NOT_ALLOWED, "a user's name that begins with " LDAP_DN);
    result = canonicalize(params, name, &form);
    if (result == SASL_OK && form.authid == NULL)
        return true; /* this host process does not change names */
    if (result == SASL_NOMEM)
        return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "canonical form of the name");
    if (result != SASL_OK) {
        *ret_is_refused = true;
        return true;
    }
    if (form.alen > AUTHZID_MAX)
        return verdict_reject(verdict, REASON_AUTHZID_NOT_ALLOWED, "the name has %u bytes", form.alen);
    snprintf(room, AUTHZID_MAX + 1, "%.*s", (int)form.alen, form.authid);
    *ret_authzid = room;
    return true;
}

/* A host process that does not request these properties gets none; that is not an error. */
static void set_groups(const sasl_server_params_t *params, const struct login *login)
{
    static const char *const names[] = { GROUPS_NAME, "*" GROUPS_NAME };
    size_t i, group;

    if (params->propctx == NULL)
        return;
    for (i = 0; i < 2; i++)
        params->utils->prop_erase(params->propctx, names[i]);
    /* The property without an asterisk belongs to the authzid. Where the authzid is another user, these groups are not
     * that user's.
     * Each value is set alone, with the name of the property: prop_setvals() reads past an empty list, and writes
     * before the beginning of its memory when a long list does not fit. */
    for (i = strcmp(login->authzid, login->identity.user) == 0 ? 0 : 1; i < 2; i++)
        for (group = 0; group < login->identity.group_count; group++)
            params->utils->prop_set(params->propctx, names[i], login->identity.groups[group], 0);
}

/*
 * authcid: the mapped user. authzid: the account to act as; the core has allowed it, and the host process may refuse
 * it. Where both are one user one call sets both: slapd does not take a bare name as an authzid, and other host
 * processes would check whether alice may act as alice.
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

int server_establish(const sasl_server_params_t *params, const struct attempt *attempt, const struct login *login,
                     sasl_out_params_t *out)
{
    int result = set_names(params, attempt, login, out);

    if (result != SASL_OK)
        return result;
    set_groups(params, login);
    plugin_end_exchange(out);
    return SASL_OK;
}
