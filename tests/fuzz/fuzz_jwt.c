/*
 * Whatever the bytes: nobody without the keys makes a token that is accepted. The private RSA and Ed25519 keys signed
 * the seeds and were thrown away.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "verdict/log_line.h"
#include "token/jwks.h"
#include "token/jwt.h"
#include "config/model.h"
#include "login/authenticate.h"
#include "login/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1000000

static const char key_set[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"k-rsa\",\"n\":\"vUiC3d4grduwWPH38QMx4W3T5Z_deZ_4ATn5Li00U0Zfz64iUknbqL9UKg-"
    "etUCMmPIannE97wB4Z6tABkB1JAzPeI_O0u54XWrXc7vqMaleFfnzHz4FH5vOoaywcq7j4Vb45cNMJ91UyldW_1z7A1RvU_MwPdT"
    "CiKUlGGWnb9tTVYh2LQ2S02gD0wGbkR-Vs-9qFGYEaUg7-Sx5QlYH_DZL2hyN170CLCx5aFqbyYozz88PcxNqvzRPaxA9qS8urfk"
    "NxZfAe3vy-LFpLL78DZhyRdjnJz67u3cW48BqG5DnLDWqxJqiCi-SthhEe_NtayBAn9lMxX5G8sR8rBonrQ\",\"e\":\"AQAB\"},{\"k"
    "ty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k-ed\",\"x\":\"pgcv0np2X0SobL3bh6973hLXyQzzVkDeIK4izfj6DH0\"}]}";
static const char good[] =
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6ImstZWQifQ.eyJzdWIiOiJzdWItYWxpY2UiLCJleHAiOjEwMDAzMDAsI"
    "mlhdCI6OTk5OTkwLCJuYmYiOjk5OTk5MCwiaXNzIjoiaHR0cHM6Ly9vcC5leGFtcGxlIiwiYXVkIjpbImxhdGNoa2V5IiwieCJdL"
    "CJ0ZW5hbnQiOiJ0LTEiLCJncm91cHMiOlsiZy1vcHMiXSwianRpIjoiai0xIiwiYXpwIjoiY2xpIiwic2NvcGUiOiJvcGVuaWQgb"
    "G9naW4ifQ.Nnar0lMNg-FfKkMEoS58bWXCWrdFmkQNhQzkCfOPpevhxDUcdd-oYZyMVQkrRY9bTWBEfybh9hKfeV2A_GrNBQ";

/* How the signatures of the seeds that are good end. */
static const char *const signatures[] = {
    "KFPAO0RQVzPPitAw", /* valid-rs256 */
    "bh9hKfeV2A_GrNBQ", /* valid-eddsa */
    "l9OxOOguFJOSyPpE", /* valid-hs256 */
    "bz2ZwEXRd034PQDQ", /* mapped */
    "P5vvuSBXz_3CP6CQ", /* group-string */
    "eOuWnDTfq87GzVOg", /* no-kid */
    "xLSJ2aLwUvwiNyCw", /* jku */
    "B1XihyODrC9GppBw", /* fraction-dates */
    "UGv9HZueqE-JwKCw", /* nested-arrays */
};

#define TEXT(text) ((char[]){ text })

static char *audiences[] = { TEXT("latchkey") }, *subjects[] = { TEXT("sub-alice") }, *values[] = { TEXT("g-ops") };
static struct user_block users[] = { { TEXT("alice"), { NULL, 0 }, { subjects, 1 }, false } };
static struct map_block maps[] = { { .claim = TEXT("email"), .pattern = TEXT("^([a-z]+)@example\\.com$") } };
static struct group_block groups[] = { { TEXT("ops"), { NULL, 0 }, { values, 1 }, false } };
static struct tenant tenants[] = {
    { .id = TEXT("t-1"),
      .claims = { .tenant_id = TEXT("t-1"),
                  .tenant_claim = TEXT("tenant"),
                  .issuer = TEXT("https://op.example"),
                  .audiences = { audiences, 1 },
                  .subject_claim = TEXT("sub"),
                  .groups_claim = TEXT("groups"),
                  .leeway = 30 } },
    { .id = TEXT("t-2"),
      .claims = { .tenant_id = TEXT("t-2"),
                  .tenant_claim = TEXT("tenant"),
                  .subject_claim = TEXT("sub"),
                  .groups_claim = TEXT("groups") } },
};
static struct config config = {
    .tenants = tenants,
    .tenant_count = 2,
    .identity = { .users = users, .user_count = 1, .maps = maps, .map_count = 1, .groups = groups, .group_count = 1 },
    .default_service = { .name = TEXT("*"), .credentials = CREDENTIALS_JWT, .max_age = 3600 },
};

static bool accepted(struct slice token, struct verdict *verdict)
{
    static struct login login;
    const struct attempt attempt = { .now = NOW };
    const struct verify_request request = { .attempt = &attempt, .skip_account = true };

    *verdict = VERDICT_INIT;
    return verify_token(verdict, &config, &request, token, &login);
}

static void set_up(void)
{
    struct verdict verdict = VERDICT_INIT;
    size_t row;

    if (tenants[0].jwks != NULL)
        return;
    for (row = 0; row < ALGORITHM_ROWS; row++)
        tenants[algorithm_at(row)->key_type == KEY_OCT].algorithms[row] = true;
    /* A fuzzer that could accept nothing would prove nothing. */
    if (!identity_index(&config.identity, &config.arena) || pattern_compile(maps[0].pattern, &maps[0].compiled) != 0
        || !jwks_parse(&verdict, slice_of(key_set), &tenants[0].jwks)
        || !jwks_from_secret(&verdict, slice_of("0123456789abcdef0123456789abcdef"), &tenants[1].jwks)
        || !accepted(slice_of(good), &verdict))
        abort();
}

static bool has_seed_signature(struct slice token)
{
    size_t i;

    for (i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
        size_t len = strlen(signatures[i]);

        if (token.len > len && memcmp(token.bytes + token.len - len, signatures[i], len) == 0)
            return true;
    }
    return false;
}

/* What a signature guards in earnest: whatever the claims, what comes out of them is fit for C strings. */
static void read_claims(const struct json *payload, const struct claims_policy *policy)
{
    static struct identity identity;
    struct verdict verdict = VERDICT_INIT;
    struct claims claims;

    if (!claims_read(&verdict, payload, policy, &claims) || !claims_check_binding(&verdict, &claims, policy)
        || !claims_check_time(&verdict, &claims, policy, NOW)
        || !identity_map(&verdict, &config.identity, &claims, policy, NULL, NULL, &identity)) {
        if (verdict.reason == REASON_UNDECIDED)
            abort();
        return;
    }
    if (claims.subject.len == 0 || claims.subject.len > SUBJECT_MAX || text_has_control(claims.subject)
        || claims.group_count > CLAIMS_GROUPS_MAX || !(claims.expires >= 0) || claims.expires < NOW - policy->leeway
        || !identity_is_valid_name(slice_of(identity.user)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice token = { (const char *)data, size };
    enum credential_kind kind;
    struct verdict verdict = VERDICT_INIT;
    struct jwt *jwt = NULL;
    char line[LOG_LINE_MAX];
    bool is_jwt;

    set_up();
    is_jwt = jwt_parse(&verdict, token, &jwt);
    if (is_jwt != (jwt != NULL) || is_jwt != (verdict.reason == REASON_UNDECIDED))
        abort();
    if (is_jwt) {
        read_claims(jwt_unverified_payload(jwt), &tenants[0].claims);
        read_claims(jwt_unverified_payload(jwt), &tenants[1].claims);
    }
    jwt_free(&jwt);
    kind = credential_so_far(&config, token).kind;
    if (is_jwt && kind != CREDENTIAL_JWT && kind != CREDENTIAL_JWT_PART)
        abort();
    if (accepted(token, &verdict) && (!is_jwt || kind != CREDENTIAL_JWT || !has_seed_signature(token)))
        abort();
    verdict_log_line(&verdict, &(struct attempt){ .service = NULL }, line);
    if (verdict.reason == REASON_UNDECIDED || text_has_control(slice_of(line)))
        abort();
    return 0;
}
