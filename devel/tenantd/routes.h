/*
 * Which path is which endpoint.
 */
#ifndef LATCHKEY_TENANTD_ROUTES_H
#define LATCHKEY_TENANTD_ROUTES_H

#include "devel/tenantd/endpoints.h"
#include "devel/tenantd/handlers.h"
#include "devel/tenantd/http.h"
#include "devel/tenantd/service.h"

/* The function that answers a request. */
struct route {
    enum endpoint endpoint;
    handler *handle;  /* NULL: the path or the method does not exist */
    const char *rest; /* of the path, where the route ends in a star; lent by the path */
    char allow[16];   /* the methods of this path; empty: unknown path */
};

struct route route_find(const struct service *service, const char *method, const char *path);

#endif
