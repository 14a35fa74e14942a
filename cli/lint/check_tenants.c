#include "cli/lint/check_tenants.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/trusted_file.h"
#include "token/jwks.h"
#include "config/snapshot.h"
#include "cli/lint/check_paths.h"

#define LEEWAY_LARGE 60         /* s: more than synchronised clocks differ */
#define CA_FILE_MAX  (1U << 20) /* bytes */

static void check_waived(const struct lint *lint, const struct tenant *tenant)
{
    if (tenant->claims.issuer == NULL)
        FOUND(lint, SEVERITY_WARNING, BLOCK_TENANT, tenant->id, "issuer",
              "tenant \"%s\": the issuer is not checked; only tenant_claim binds a token to the tenant", tenant->id);
    if (tenant->claims.audiences.count == 0)
        FOUND(lint, SEVERITY_WARNING, BLOCK_TENANT, tenant->id, "audience",
              "tenant \"%s\": the audience is not checked: a token for any application of the tenant is accepted",
              tenant->id);
    if (tenant->claims.leeway > LEEWAY_LARGE)
        FOUND(lint, SEVERITY_WARNING, BLOCK_TENANT, tenant->id, "leeway",
              "tenant \"%s\": leeway = %jd: an expired token is accepted for that many more seconds", tenant->id,
              (intmax_t)tenant->claims.leeway);
}

/* Look a key up as for a token with its kid. REASON_KEY_AMBIGUOUS: several keys match. */
static enum reason find_key(const struct tenant *tenant, const struct algorithm *algorithm, size_t index,
                            const struct jwk **ret_key)
{
    struct verdict verdict = VERDICT_INIT;
    const struct jwt_header header = {
        .alg = slice_of(algorithm->name),
        .kid = jwks_kid(tenant->jwks, index),
        .has_kid = jwks_kid(tenant->jwks, index).len > 0,
    };

    return jwks_find(&verdict, tenant->jwks, algorithm, &header, ret_key) ? REASON_OK : verdict.reason;
}

static void check_secret(const struct lint *lint, const struct tenant *tenant)
{
    const struct jwk *key = NULL;
    size_t row;

    for (row = 0; row < ALGORITHM_ROWS; row++) {
        const struct algorithm *algorithm = algorithm_at(row);

        if (!tenant->algorithms[row] || algorithm->scheme != SCHEME_HMAC)
            continue;
        if (find_key(tenant, algorithm, 0, &key) == REASON_OK && jwk_secret(key).len >= algorithm->digest_len)
            continue;
        findings_add(lint->findings, SEVERITY_ERROR, tenant->secret_path, 0,
                     "tenant \"%s\": the secret is too short for %s, which requires %zu bytes (RFC 7518 section 3.2)",
                     tenant->id, algorithm->name, algorithm->digest_len);
    }
}

/* Also true when several keys match, which matters only for tokens without a kid. */
static bool any_key_fits(const struct tenant *tenant)
{
    const struct jwk *key = NULL;
    size_t row, i;

    for (row = 0; row < ALGORITHM_ROWS; row++)
        for (i = 0; tenant->algorithms[row] && i < jwks_count(tenant->jwks); i++) {
            enum reason reason = find_key(tenant, algorithm_at(row), i, &key);

            if (reason == REASON_OK || reason == REASON_KEY_AMBIGUOUS)
                return true;
        }
    return false;
}

static void check_kids(const struct lint *lint, const struct tenant *tenant, size_t index)
{
    struct slice kid = jwks_kid(tenant->jwks, index);
    size_t i;

    for (i = 0; kid.len > 0 && i < index; i++)
        if (slice_equal(jwks_kid(tenant->jwks, i), kid)) {
            findings_add(lint->findings, SEVERITY_WARNING, tenant->keys_path, 0,
                         "keys[%zu]: kid \"%.*s\" is in the set twice", index, SLICE_ARG(kid));
            return;
        }
}

static void check_key_set(const struct lint *lint, const struct tenant *tenant)
{
    size_t i;

    for (i = 0; i < jwks_count(tenant->jwks); i++) {
        struct slice kid = jwks_kid(tenant->jwks, i);

        if (jwks_note(tenant->jwks, i) != NULL)
            findings_add(lint->findings, SEVERITY_WARNING, tenant->keys_path, 0,
                         "keys[%zu] (kid \"%.*s\", %s) is never used: %s", i, SLICE_ARG(kid),
                         jwks_type(tenant->jwks, i), jwks_note(tenant->jwks, i));
        check_kids(lint, tenant, i);
    }
    if (!any_key_fits(tenant))
        findings_add(lint->findings, SEVERITY_ERROR, tenant->keys_path, 0,
                     "tenant \"%s\": no key is suitable for an algorithm that the tenant allows", tenant->id);
}

/* The certificate authorities for connections to the tenant service, which exchanges API keys and publishes key sets.
 */
static void check_authorities(const struct lint *lint, const struct tenant *tenant)
{
    static const char certificate[] = "-----BEGIN CERTIFICATE-----";
    CLEANUP(secret_clear) struct secret content = { NULL, 0 };
    struct file_error error;
    struct file_stamp stamp;

    if (tenant->ca_file == NULL)
        return;
    check_directories_above(lint->findings, tenant->ca_file, NULL);
    if (!trusted_file_read(tenant->ca_file, TRUSTED_PUBLIC, NULL, CA_FILE_MAX, &content, &stamp, &error))
        findings_add(lint->findings, SEVERITY_ERROR, tenant->ca_file, 0,
                     "tenant \"%s\": latchkeyd cannot connect to the tenant service: %s", tenant->id, error.text);
    else if (memmem(content.bytes, content.len, certificate, sizeof certificate - 1) == NULL)
        findings_add(
            lint->findings, SEVERITY_ERROR, tenant->ca_file, 0,
            "tenant \"%s\": latchkeyd cannot connect to the tenant service: the file has no certificate in PEM",
            tenant->id);
}

static void check_tenant(const struct lint *lint, const struct tenant *tenant)
{
    const char *file = tenant->secret_path != NULL ? tenant->secret_path : tenant->keys_path;
    struct verdict verdict = VERDICT_INIT;

    check_waived(lint, tenant);
    check_authorities(lint, tenant);
    check_directories_above(lint->findings, file, lint->config->latchkeyd.user); /* latchkeyd refreshes the key set */
    if (tenant->keys_max_age != 0 && tenant->keys_max_age < 2 * lint->config->latchkeyd.refresh)
        FOUND(lint, SEVERITY_WARNING, BLOCK_TENANT, tenant->id, "keys_max_age",
              "tenant \"%s\": keys_max_age %" PRId64
              " is less than twice the refresh interval of latchkeyd (refresh %" PRId64
              "): one failed refresh makes the host refuse every token",
              tenant->id, tenant->keys_max_age, lint->config->latchkeyd.refresh);
    if (!config_check_keys(&verdict, tenant, time(NULL)))
        FOUND(lint, SEVERITY_ERROR, BLOCK_TENANT, tenant->id, tenant->secret_path != NULL ? "hmac_secret_file" : "keys",
              "tenant \"%s\": %s: %s", tenant->id, reason_sentence(verdict.reason), verdict.evidence);
    else if (tenant->secret_path != NULL)
        check_secret(lint, tenant);
    else
        check_key_set(lint, tenant);
}

void check_tenants(const struct lint *lint)
{
    size_t i;

    for (i = 0; i < lint->config->tenant_count; i++)
        check_tenant(lint, &lint->config->tenants[i]);
}
