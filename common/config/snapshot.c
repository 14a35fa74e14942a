#include "config/snapshot.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base64url.h"
#include "base/cleanup.h"
#include "base/fork_lock.h"
#include "base/secret.h"
#include "base/trusted_file.h"
#include "config/reader.h"

#define SNAPSHOTS_MAX   8    /* paths that a process remembers: lines of pam.d with different config= */
#define SECRET_FILE_MAX 8192 /* bytes */

/* File systems stamp changes with a coarse clock. A file that changed this shortly before it was read may change again
 * with the same stamp, so it is read once more. */
#define SETTLED_AFTER 2 /* s */

/* The identity with which the process reads files. */
struct file_viewer {
    uid_t uid;
    gid_t gid;
    int group_count; /* a host drops or sets all its groups at once */
};

/*
 * One file as it was read: its parsed content, or the failure to read it. Immutable. Snapshots share it, so that only a
 * changed file is read again.
 */
struct source {
    atomic_uint references;
    char *path; /* NULL: the process does not read it */
    struct file_stamp stamp;
    time_t begun;           /* time before the first stat(); s since 1970 */
    bool is_settled;        /* reading it again would give the same result */
    bool depends_on_viewer; /* the result may differ for another user */
    bool reads_secrets;     /* config_read_secrets() at that time */
    struct file_viewer viewer;
    struct verdict failure; /* REASON_UNDECIDED: none */

    struct config config;  /* of the configuration file, without the other files */
    struct secret content; /* of a revocation list, which points into it */
    struct revocation *revocation;
    struct jwks *jwks; /* of a key set or secret */
    int64_t confirmed; /* of a key set: its mtime */
    bool is_withdrawn;
};

/* A configuration with the files that it names. */
struct snapshot {
    struct config config; /* first: a const struct config * is a snapshot's */
    atomic_uint references;
    struct source *text, *revocation, *keys[CONFIG_TENANTS_MAX];
};

static const struct file_stamp no_file = { 0 };
static const struct verdict no_failure = { .reason = REASON_UNDECIDED, .credential = "none" };
static bool reads_secrets = true;

void config_read_secrets(bool reads)
{
    reads_secrets = reads;
}

static struct source *source_hold(struct source *source)
{
    atomic_fetch_add(&source->references, 1);
    return source;
}

static void source_drop(struct source *source)
{
    if (source == NULL || atomic_fetch_sub(&source->references, 1) != 1)
        return;
    config_file_clear(&source->config);
    revocation_free(&source->revocation);
    jwks_free(&source->jwks);
    secret_clear(&source->content);
    free(source->path);
    free(source);
}

static void snapshot_drop(struct snapshot *snapshot)
{
    size_t i;

    if (snapshot == NULL || atomic_fetch_sub(&snapshot->references, 1) != 1)
        return;
    for (i = 0; i < CONFIG_TENANTS_MAX; i++)
        source_drop(snapshot->keys[i]);
    source_drop(snapshot->revocation);
    source_drop(snapshot->text);
    free(snapshot->config.tenants);
    free(snapshot);
}

/* None of these calls can fail. */
static struct file_viewer viewer_now(void)
{
    return (struct file_viewer){ geteuid(), getegid(), getgroups(0, NULL) };
}

/* Nothing is read yet. NULL: out of memory. */
static struct source *source_new(const char *path)
{
    struct source *source = calloc(1, sizeof *source);

    if (source == NULL)
        return NULL;
    atomic_init(&source->references, 1);
    source->failure = no_failure;
    source->is_settled = true;
    source->begun = time(NULL);
    source->viewer = viewer_now();
    source->reads_secrets = reads_secrets;
    source->path = strdup(path);
    if (source->path != NULL)
        return source;
    free(source);
    return NULL;
}

static void set_stamp(struct source *source, const struct file_stamp *stamp)
{
    source->stamp = *stamp;
    if (source->begun - stamp->changed.tv_sec < SETTLED_AFTER)
        source->is_settled = false;
}

/* Such a failure is not the fault of the file: the next login tries again. */
static bool is_passing(enum reason reason)
{
    return reason == REASON_OUT_OF_MEMORY || reason == REASON_SYSTEM_ERROR;
}

/* Whether NSS was asked for the uid of `also_by`. A new answer of NSS does not change the stamp of the file. */
static bool depends_on_nss(const struct file_stamp *stamp, const char *also_by)
{
    return also_by != NULL && stamp->owner != 0 && stamp->owner != geteuid();
}

/*
 * Read the source's file. A fault of the file is a failure with the given reason. A lack of memory or of other
 * resources has a reason of its own: the user can cause it by ulimit(1) before su(1), and a PAM stack may continue
 * without Latchkey when only a file is unavailable.
 */
static bool read_file(struct source *source, enum reason reason, enum trusted_file_kind kind, const char *also_by,
                      size_t max_len, struct secret *ret_content)
{
    struct file_stamp stamp = { 0 };
    struct file_error error;
    bool ok = trusted_file_read(source->path, kind, also_by, max_len, ret_content, &stamp, &error);

    if (!ok && error.passing != 0)
        reason = error.passing == ENOMEM ? REASON_OUT_OF_MEMORY : REASON_SYSTEM_ERROR;
    if (!ok && depends_on_nss(&stamp, also_by))
        source->is_settled = false;
    else if (!ok && !is_passing(reason) && !file_stamp_equal(&stamp, &no_file))
        source->depends_on_viewer = true;
    set_stamp(source, &stamp);
    return ok || verdict_reject(&source->failure, reason, "%s: %s", source->path, error.text);
}

/* Take over the verdict of a parser, with the path in front. */
static bool name_file(struct source *source, const struct verdict *complaint)
{
    return verdict_reject(&source->failure, complaint->reason, "%s: %s%s", source->path,
                          source->is_withdrawn ? "withdrawn by the tenant: " : "", complaint->evidence);
}

static bool read_key_set(struct source *source, const char *also_by)
{
    CLEANUP(secret_clear) struct secret text = { NULL, 0 };
    struct verdict complaint = VERDICT_INIT;

    if (!read_file(source, REASON_JWKS_UNAVAILABLE, TRUSTED_PUBLIC, also_by, JWKS_MAX_LEN, &text))
        return false;
    source->confirmed = source->stamp.modified.tv_sec;
    if (jwks_parse(&complaint, (struct slice){ text.bytes, text.len }, &source->jwks))
        return true;
    source->is_withdrawn = jwks_is_withdrawal((struct slice){ text.bytes, text.len });
    return name_file(source, &complaint);
}

/* The secret is the content without one final newline. With the prefix "base64url:" it is decoded. */
static bool decode_secret(struct verdict *failure, const char *path, struct slice text, struct secret *ret)
{
    static const char prefix[] = "base64url:";
    const size_t prefix_len = sizeof prefix - 1;

    if (text.len > 0 && text.bytes[text.len - 1] == '\n')
        text.len--;
    if (text.len < prefix_len || memcmp(text.bytes, prefix, prefix_len) != 0)
        return secret_copy(text, ret) || verdict_reject(failure, REASON_OUT_OF_MEMORY, "%s", path);
    text.bytes += prefix_len;
    text.len -= prefix_len;
    ret->bytes = malloc(BASE64URL_DECODED_LEN(text.len) + 1);
    if (ret->bytes == NULL)
        return verdict_reject(failure, REASON_OUT_OF_MEMORY, "%s", path);
    ret->len = BASE64URL_DECODED_LEN(text.len);
    return base64url_decode(text, ret->bytes, &ret->len)
        || verdict_reject(failure, REASON_JWKS_INVALID, "%s: not strict base64url", path);
}

/* RFC 7518 §3.2: the secret is at least as long as the hash; here, as the shortest hash that the tenant allows. */
static bool check_secret_len(struct verdict *failure, const struct tenant *tenant, size_t len)
{
    size_t row, needed = SIZE_MAX;

    for (row = 0; row < ALGORITHM_ROWS; row++)
        if (tenant->algorithms[row] && algorithm_at(row)->digest_len < needed)
            needed = algorithm_at(row)->digest_len;
    return len >= needed
        || verdict_reject(failure, REASON_JWKS_INVALID, "%s: %zu bytes are too few, at least %zu are needed",
                          tenant->secret_path, len, needed);
}

static bool read_secret(struct source *source, const struct tenant *tenant, const char *also_by)
{
    CLEANUP(secret_clear) struct secret text = { NULL, 0 };
    CLEANUP(secret_clear) struct secret secret = { NULL, 0 };
    struct verdict *failure = &source->failure;

    return read_file(source, REASON_JWKS_UNAVAILABLE, TRUSTED_SECRET, also_by, SECRET_FILE_MAX, &text)
        && decode_secret(failure, source->path, (struct slice){ text.bytes, text.len }, &secret)
        && check_secret_len(failure, tenant, secret.len)
        && jwks_from_secret(failure, (struct slice){ secret.bytes, secret.len }, &source->jwks);
}

/* NULL: out of memory. A file that cannot be used is a source with a failure. The same holds for the next two. */
static struct source *read_keys(const struct tenant *tenant, const char *also_by)
{
    const bool is_secret = tenant->secret_path != NULL;
    struct source *source = source_new(is_secret ? tenant->secret_path : tenant->keys_path);

    if (source == NULL)
        return NULL;
    if (is_secret && !source->reads_secrets) {
        verdict_reject(&source->failure, REASON_JWKS_UNAVAILABLE, "%s: is not read by this process", source->path);
        free(source->path);
        source->path = NULL;
    } else if (is_secret) {
        read_secret(source, tenant, also_by);
    } else {
        read_key_set(source, also_by);
    }
    source->is_settled &= !is_passing(source->failure.reason);
    return source;
}

static struct source *read_revocation(const struct config *config)
{
    struct source *source = source_new(config->revocation_path);
    struct verdict complaint = VERDICT_INIT;

    if (source == NULL)
        return NULL;
    /* If it is unknown whether the file exists, the attempt to read it gives the cause. */
    if (!config->revocation_is_required && trusted_file_look(source->path) == FILE_ABSENT)
        return source;
    if (read_file(source, REASON_REVOCATION_UNAVAILABLE, TRUSTED_PUBLIC, NULL, REVOCATION_MAX_LEN, &source->content)
        && !revocation_parse(&complaint, (struct slice){ source->content.bytes, source->content.len },
                             &source->revocation))
        name_file(source, &complaint);
    source->is_settled &= !is_passing(source->failure.reason);
    return source;
}

static struct source *read_text(const char *path)
{
    CLEANUP(secret_clear) struct secret text = { NULL, 0 };
    struct source *source = source_new(path);

    if (source == NULL)
        return NULL;
    if (read_file(source, REASON_CONFIG_INVALID, TRUSTED_PUBLIC, NULL, CONFIG_MAX_LEN, &text))
        config_file_parse(&source->failure, path, (struct slice){ text.bytes, text.len }, &source->config);
    source->is_settled &= !is_passing(source->failure.reason);
    /* Not a failure of the file: the next login tries again. */
    if (source->failure.reason != REASON_OUT_OF_MEMORY)
        return source;
    source_drop(source);
    return NULL;
}

static bool is_viewer(const struct file_viewer *viewer)
{
    const struct file_viewer now = viewer_now();

    return now.uid == viewer->uid && now.gid == viewer->gid && now.group_count == viewer->group_count;
}

/* Whether reading the file again would give the same result. */
static bool is_source_current(const struct source *source)
{
    struct file_stamp now;

    if (!source->is_settled || source->reads_secrets != reads_secrets
        || (source->depends_on_viewer && !is_viewer(&source->viewer)))
        return false;
    if (source->path == NULL)
        return true;
    now = trusted_file_stamp(source->path);
    return file_stamp_equal(&now, &source->stamp);
}

static bool is_current(const struct snapshot *snapshot)
{
    size_t i;

    if (!is_source_current(snapshot->text))
        return false;
    for (i = 0; i < snapshot->config.tenant_count; i++)
        if (!is_source_current(snapshot->keys[i]))
            return false;
    return snapshot->revocation == NULL || is_source_current(snapshot->revocation);
}

/* The former source while it is current, else NULL. */
static struct source *keep(struct source *former)
{
    return former != NULL && is_source_current(former) ? source_hold(former) : NULL;
}

/* Read the keys and the revocation list. Those of `former` (or NULL) that are current are shared. */
static bool read_others(struct snapshot *snapshot, const struct snapshot *former)
{
    struct config *config = &snapshot->config;
    size_t i;

    for (i = 0; i < config->tenant_count; i++) {
        struct tenant *tenant = &config->tenants[i];
        struct source *keys = former != NULL ? keep(former->keys[i]) : NULL;

        snapshot->keys[i] = keys = keys != NULL ? keys : read_keys(tenant, config->latchkeyd.user);
        if (keys == NULL)
            return false;
        tenant->jwks = keys->jwks;
        tenant->keys_failure = keys->failure;
        tenant->keys_are_withdrawn = keys->is_withdrawn;
        tenant->keys_confirmed = keys->confirmed;
    }
    snapshot->revocation = former != NULL ? keep(former->revocation) : NULL;
    if (snapshot->revocation == NULL)
        snapshot->revocation = read_revocation(config);
    if (snapshot->revocation == NULL)
        return false;
    config->revocation = snapshot->revocation->revocation;
    config->revocation_failure = snapshot->revocation->failure;
    return true;
}

/* The tenants are copied, since each snapshot sets the keys in them. */
static bool copy_config(struct snapshot *snapshot)
{
    const struct config *config = &snapshot->text->config;
    const size_t size = config->tenant_count * sizeof *config->tenants;

    snapshot->config = *config;
    snapshot->config.tenants = malloc(size + 1);
    if (snapshot->config.tenants == NULL)
        return false;
    if (size > 0)
        memcpy(snapshot->config.tenants, config->tenants, size);
    return true;
}

/*
 * Read the files that have changed since `former` (NULL: all files). NULL: out of memory. An invalid configuration is a
 * snapshot with a failure.
 */
static struct snapshot *snapshot_read(const char *path, const struct snapshot *former)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    bool ok;

    if (snapshot == NULL)
        return NULL;
    atomic_init(&snapshot->references, 1);
    snapshot->text = former != NULL ? keep(former->text) : NULL;
    if (snapshot->text == NULL) {
        snapshot->text = read_text(path);
        former = NULL; /* the new text may name other files, or change how the same files are checked */
    }
    ok = snapshot->text != NULL && copy_config(snapshot);
    if (ok && snapshot->text->failure.reason == REASON_UNDECIDED)
        ok = read_others(snapshot, former);
    if (ok)
        return snapshot;
    snapshot_drop(snapshot);
    return NULL;
}

/* Protects first_root and the cache. */
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;

static void lock_cache(void)
{
    fork_lock_enter();
    pthread_mutex_lock(&cache_lock);
}

static void unlock_cache(void)
{
    pthread_mutex_unlock(&cache_lock);
    fork_lock_leave();
}

/* The root directory of the process at its first config_acquire(). */
static struct file_stamp first_root = { .size = TRUSTED_FILE_NOT_SEEN };

/* Store `now` (or NULL) if no root is stored yet. Returns the stored one. */
static struct file_stamp keep_root(const struct file_stamp *now)
{
    struct file_stamp first;

    lock_cache();
    if (first_root.size == TRUSTED_FILE_NOT_SEEN && now != NULL)
        first_root = *now;
    first = first_root;
    unlock_cache();
    return first;
}

/* The stat() is done without the lock, since a fork may wait for the lock. */
static struct file_stamp remember_root(void)
{
    struct file_stamp first = keep_root(NULL);

    if (first.size == TRUSTED_FILE_NOT_SEEN) {
        const struct file_stamp now = trusted_file_stamp("/");

        first = keep_root(&now);
    }
    return first;
}

enum root { ROOT_CANNOT_TELL, ROOT_AS_BEFORE, ROOT_LEFT };

/*
 * A host that has entered a chroot since, as Postfix does, cannot see the files. The owner of the chroot may have put
 * other files in their places: they are not read.
 */
static enum root look_at_root(void)
{
    const struct file_stamp first = remember_root(), now = trusted_file_stamp("/");

    if (first.size == TRUSTED_FILE_NOT_SEEN || now.size == TRUSTED_FILE_NOT_SEEN)
        return ROOT_CANNOT_TELL;
    return now.device == first.device && now.inode == first.inode ? ROOT_AS_BEFORE : ROOT_LEFT;
}

/* The last snapshot of each path, the newest first. The cache holds one reference to each. */
static struct {
    char *path;
    struct snapshot *snapshot;
} cache[SNAPSHOTS_MAX];

/* With a reference for the caller. NULL: the path has no snapshot. */
static struct snapshot *cache_find(const char *path)
{
    struct snapshot *found = NULL;
    size_t i;

    lock_cache();
    for (i = 0; i < SNAPSHOTS_MAX && found == NULL; i++)
        if (cache[i].path != NULL && strcmp(cache[i].path, path) == 0)
            found = cache[i].snapshot;
    if (found != NULL)
        atomic_fetch_add(&found->references, 1);
    unlock_cache();
    return found;
}

/* Insert the snapshot as the first one. It replaces that of the same path, or else the oldest one. */
static void cache_put(const char *path, struct snapshot *snapshot)
{
    char *copy = strdup(path), *old_path;
    struct snapshot *old;
    size_t i;

    if (copy == NULL)
        return; /* the next login reads the files again */
    atomic_fetch_add(&snapshot->references, 1);
    lock_cache();
    for (i = 0; i + 1 < SNAPSHOTS_MAX && cache[i].path != NULL && strcmp(cache[i].path, path) != 0; i++)
        ;
    old_path = cache[i].path;
    old = cache[i].snapshot;
    memmove(&cache[1], &cache[0], i * sizeof cache[0]);
    cache[0].path = copy;
    cache[0].snapshot = snapshot;
    unlock_cache();
    free(old_path);
    snapshot_drop(old);
}

void config_forget(void)
{
    struct snapshot *dropped[SNAPSHOTS_MAX];
    size_t i;

    lock_cache();
    for (i = 0; i < SNAPSHOTS_MAX; i++) {
        free(cache[i].path);
        dropped[i] = cache[i].snapshot;
        cache[i].path = NULL;
        cache[i].snapshot = NULL;
    }
    unlock_cache();
    for (i = 0; i < SNAPSHOTS_MAX; i++) /* without the lock: the release enters the fork lock itself */
        snapshot_drop(dropped[i]);
}

/* The current snapshot of a path, with a reference for the caller. NULL with a verdict. */
static struct snapshot *newest_snapshot(struct verdict *verdict, const char *path)
{
    struct snapshot *snapshot = cache_find(path), *newest;

    /* The root is checked last: the check costs a tenth of a verification, and most hosts never change their root. */
    if (snapshot != NULL && is_current(snapshot))
        return snapshot;
    switch (look_at_root()) {
    case ROOT_LEFT:
        if (snapshot == NULL)
            verdict_reject(verdict, REASON_CONFIG_INVALID, "%s was not read before the process changed its root", path);
        return snapshot;
    case ROOT_AS_BEFORE:
        newest =
            snapshot_read(path, snapshot); /* without the lock: two threads may read, and the last snapshot is kept */
        snapshot_drop(snapshot);
        if (newest == NULL)
            verdict_reject(verdict, REASON_OUT_OF_MEMORY, "%s", path);
        else
            cache_put(path, newest);
        return newest;
    default:
        snapshot_drop(snapshot);
        verdict_reject(verdict, REASON_SYSTEM_ERROR, "the root directory cannot be examined now");
        return NULL;
    }
}

bool config_acquire(struct verdict *verdict, const char *path, const struct config **ret_config)
{
    struct snapshot *snapshot;

    remember_root();
    snapshot = newest_snapshot(verdict, path != NULL ? path : CONFIG_PATH_DEFAULT);
    if (snapshot == NULL)
        return false;
    if (snapshot->text->failure.reason != REASON_UNDECIDED) {
        verdict_reject(verdict, snapshot->text->failure.reason, "%s", snapshot->text->failure.evidence);
        snapshot_drop(snapshot);
        return false;
    }
    *ret_config = &snapshot->config;
    return true;
}

const struct config *config_hold(const struct config *config)
{
    atomic_fetch_add(&((struct snapshot *)config)->references, 1); /* its first member */
    return config;
}

void config_release(const struct config **config)
{
    if (config == NULL || *config == NULL)
        return;
    snapshot_drop((struct snapshot *)*config); /* its first member */
    *config = NULL;
}

bool config_is_out_of_sight(void)
{
    return look_at_root() != ROOT_AS_BEFORE; /* if unknown, latchkeyd decides, too */
}
