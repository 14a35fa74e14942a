#include "devel/tenantd/routes.h"

#include <stdio.h>
#include <string.h>

/* Below BASE. A star matches one last part of the path. Of two paths that match, the first one is used. */
static const struct {
    const char *method, *path;
    enum endpoint endpoint;
    handler *handle;
} rows[] = {
    { "GET", DISCOVERY_PATH, ENDPOINT_DISCOVERY, handle_discovery },
    { "GET", JWKS_PATH, ENDPOINT_JWKS, handle_jwks },
    { "GET", AUTHORIZE_PATH, ENDPOINT_AUTHORIZE, handle_authorize_page },
    { "POST", AUTHORIZE_PATH, ENDPOINT_AUTHORIZE, handle_authorize_form },
    { "POST", TOKEN_PATH, ENDPOINT_TOKEN, handle_token },
    { "POST", "/api/Auth/token", ENDPOINT_TOKEN, handle_refresh },
    { "POST", "/api/Auth/token-exchange", ENDPOINT_EXCHANGE, handle_exchange },
    { "POST", "/api/APIKeys", ENDPOINT_APIKEYS, handle_create_api_key },
    { "GET", "/api/APIKeys", ENDPOINT_APIKEYS, handle_read_api_keys },
    { "GET", "/api/Users/me", ENDPOINT_USERS, handle_me },
    { "GET", "/api/Users", ENDPOINT_USERS, handle_users },
    { "GET", "/api/Users/*", ENDPOINT_USERS, handle_user },
};

/* What the star matches, "" without a star, or NULL when the path does not match. */
static const char *rest_of(const char *pattern, const char *path)
{
    size_t len = strlen(pattern);

    if (pattern[len - 1] != '*')
        return strcmp(pattern, path) == 0 ? "" : NULL;
    if (strncmp(pattern, path, len - 1) != 0 || path[len - 1] == '\0' || strchr(path + len - 1, '/') != NULL)
        return NULL;
    return path + len - 1;
}

/* What follows "/tenant/{tenant}", or NULL. */
static const char *below_base(const struct service *service, const char *path)
{
    static const char before[] = "/tenant/";
    size_t len = strlen(service->state->tenant);

    if (strncmp(path, before, sizeof before - 1) != 0)
        return NULL;
    path += sizeof before - 1;
    return strncmp(path, service->state->tenant, len) == 0 ? path + len : NULL;
}

struct route route_find(const struct service *service, const char *method, const char *path)
{
    struct route route = { .endpoint = ENDPOINT_UNKNOWN, .rest = "" };
    const char *first = NULL, *rest;
    size_t i, len;

    path = below_base(service, path);
    for (i = 0; path != NULL && i < sizeof rows / sizeof rows[0]; i++) {
        rest = rest_of(rows[i].path, path);
        if (rest == NULL || (first != NULL && strcmp(first, rows[i].path) != 0))
            continue;
        first = rows[i].path;
        route.endpoint = rows[i].endpoint;
        route.rest = rest;
        len = strlen(route.allow);
        snprintf(route.allow + len, sizeof route.allow - len, "%s%s", len > 0 ? ", " : "", rows[i].method);
        if (strcmp(rows[i].method, method) == 0)
            route.handle = rows[i].handle;
    }
    return route;
}
