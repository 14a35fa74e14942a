/*
 * The plug-in through its entry points, with functions of our own in place of libsasl's: memory that ends at some point
 * and is counted, and a host that writes to what it is lent.
 */
#ifndef LATCHKEY_SASL_ENTRY_POINTS_H
#define LATCHKEY_SASL_ENTRY_POINTS_H

#include "tests/support/sasl_client_host.h"

#include <dlfcn.h>

/* The plug-in through its entry points, on memory that ends at some point. */
static struct {
    long left;        /* calls that still succeed; -1: all */
    long calls, live; /* blocks asked for, blocks not yet given back */
} heap;

FIXTURE void *fail_malloc(size_t size)
{
    void *block;

    heap.calls++;
    if (heap.left == 0)
        return NULL;
    if (heap.left > 0)
        heap.left--;
    block = malloc(size);
    assert_non_null(block);
    heap.live++;
    return block;
}

FIXTURE void count_free(void *block)
{
    heap.live -= block != NULL;
    free(block);
}

__attribute__((format(printf, 3, 4))) static void own_log(sasl_conn_t *conn, int level, const char *format, ...)
{
    char line[5000];
    va_list values;

    (void)conn;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    keep_line(NULL, level, line);
}

__attribute__((format(printf, 3, 4))) static void no_error(sasl_conn_t *conn, unsigned flags, const char *format, ...)
{
    (void)conn, (void)flags, (void)format;
}

static sasl_callback_t own_calls[4];

FIXTURE int own_getcallback(sasl_conn_t *conn, unsigned long id, sasl_callback_ft *call, void **context)
{
    const sasl_callback_t *own;

    (void)conn;
    for (own = own_calls; own->id != SASL_CB_LIST_END; own++)
        if (own->id == id) {
            *call = own->proc;
            *context = own->context;
            return own->proc != NULL ? SASL_OK : SASL_INTERACT;
        }
    return SASL_FAIL;
}

/* A host writes in place to what it is lent, as XDR does that encodes it: nothing of it may be a constant. */
FIXTURE void scribble(const char *lent, size_t len)
{
    volatile char *at = (volatile char *)(char *)lent;
    size_t i;

    for (i = 0; i < len; i++)
        at[i] = at[i];
}

static long names_left; /* calls of canon_user that still succeed; -1: all */

FIXTURE int own_canon_user(sasl_conn_t *conn, const char *name, unsigned len, unsigned flags, sasl_out_params_t *out)
{
    (void)conn;
    scribble(name, len > 0 ? len : strlen(name));
    if (names_left == 0)
        return SASL_NOMEM;
    if (names_left > 0)
        names_left--;
    if ((flags & SASL_CU_AUTHID) != 0) {
        out->authid = name;
        out->alen = len > 0 ? len : (unsigned)strlen(name);
    }
    return SASL_OK;
}

/* Properties that hold nothing, in memory that is counted. */
FIXTURE struct propctx *own_prop_new(unsigned size)
{
    (void)size;
    return fail_malloc(1);
}

FIXTURE void own_prop_dispose(struct propctx **properties)
{
    count_free(*properties);
    *properties = NULL;
}

FIXTURE void own_prop_erase(struct propctx *properties, const char *name)
{
    (void)properties, (void)name;
}

FIXTURE int own_prop_set(struct propctx *properties, const char *name, const char *value, int len)
{
    (void)properties, (void)name, (void)value, (void)len;
    return SASL_OK;
}

static const sasl_utils_t own_utils = {
    .version = SASL_UTILS_VERSION,
    .getopt_context = &server_host,
    .getopt = host_getopt,
    .malloc = fail_malloc,
    .free = count_free,
    .getcallback = own_getcallback,
    .log = own_log,
    .seterror = no_error,
    .prop_new = own_prop_new,
    .prop_dispose = own_prop_dispose,
    .prop_erase = own_prop_erase,
    .prop_set = own_prop_set,
};

static void *plugin;

FIXTURE sasl_server_plug_init_t *server_entry(void)
{
    sasl_server_plug_init_t *entry;

    *(void **)&entry = dlsym(plugin, "sasl_server_plug_init");
    assert_non_null(entry);
    return entry;
}

FIXTURE sasl_client_plug_init_t *client_entry(void)
{
    sasl_client_plug_init_t *entry;

    *(void **)&entry = dlsym(plugin, "sasl_client_plug_init");
    assert_non_null(entry);
    return entry;
}

FIXTURE int entry_set_up(void **state)
{
    const char *path = getenv("PLUGIN");

    plugin = path != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    return plugin != NULL ? set_up(state) : -1;
}

FIXTURE int entry_tear_down(void **state)
{
    dlclose(plugin);
    return client_tear_down(state);
}

#endif
