#include "config/snapshot.h"

#include <errno.h>
#include <inttypes.h>
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

/* File systems stamp changes with a coarse clock. What changed this shortly before it was read may change again and
 * keep its stamp, so it is read once more. */
#define SETTLED_AFTER 2 /* s */

struct watched_file {
    char *path;
    struct file_stamp stamp;
};

/* As whom the process looks at files. */
struct reader {
    uid_t uid;
    gid_t gid;
    int group_count; /* which a host gives up, or takes on, all at once */
};

/* A configuration with everything it names, or the failure to read it; either way with the stamps of the files. */
struct snapshot {
    struct config config;   /* first: a const struct config * is a snapshot's */
    struct verdict failure; /* REASON_UNDECIDED: the configuration is good */
    atomic_uint references;
    time_t begun;           /* before the first file was looked at; s since 1970 */
    bool is_settled;        /* reading it again would give the same */
    bool depends_on_reader; /* but not if somebody else read it */
    struct reader reader;
    struct watched_file *files;
    size_t file_count;
};

static const struct file_stamp no_file = { 0 };
static const struct verdict no_failure = { .reason = REASON_UNDECIDED, .credential = "none" };

static void snapshot_free(struct snapshot *snapshot)
{
    size_t i;

    config_file_clear(&snapshot->config);
    for (i = 0; i < snapshot->file_count; i++)
        free(snapshot->files[i].path);
    free(snapshot->files);
    free(snapshot);
}

static void snapshot_drop(struct snapshot *snapshot)
{
    if (snapshot != NULL && atomic_fetch_sub(&snapshot->references, 1) == 1)
        snapshot_free(snapshot);
}

/* Remember that what was read depends on this file. */
static bool watch(struct snapshot *snapshot, const char *path, const struct file_stamp *stamp)
{
    struct watched_file *larger = realloc(snapshot->files, (snapshot->file_count + 1) * sizeof *larger);

    if (larger == NULL)
        return false;
    snapshot->files = larger;
    larger[snapshot->file_count] = (struct watched_file){ strdup(path), *stamp };
    if (larger[snapshot->file_count].path == NULL)
        return false;
    snapshot->file_count++;
    if (snapshot->begun - stamp->changed.tv_sec < SETTLED_AFTER)
        snapshot->is_settled = false;
    return true;
}

/* None of these calls can fail. */
static struct reader reader_now(void)
{
    return (struct reader){ geteuid(), getegid(), getgroups(0, NULL) };
}

/* It says nothing about the files: the next login tries again. */
static bool is_passing(enum reason reason)
{
    return reason == REASON_OUT_OF_MEMORY || reason == REASON_SYSTEM_ERROR;
}

/* Whether NSS was asked who may own it: another answer leaves no trace in the stamp of the file. */
static bool depends_on_nss(const struct file_stamp *stamp, const char *also_by)
{
    return also_by != NULL && stamp->owner != 0 && stamp->owner != geteuid();
}

/*
 * Read a file and watch it, there or not. A fault of the file goes into `verdict` with the given reason. Short memory
 * and short resources have reasons of their own: whoever logs in can bring them about, by ulimit(1) before su(1), and
 * stacks go on without Latchkey when only a file is unavailable.
 */
static bool read_watched(struct snapshot *snapshot, struct verdict *verdict, enum reason reason, const char *path,
                         enum trusted_file_kind kind, const char *also_by, size_t max_len, struct secret *ret_content)
{
    struct file_stamp stamp = { 0 };
    char error[TRUSTED_FILE_ERROR_MAX];
    bool ok = trusted_file_read(path, kind, also_by, max_len, ret_content, &stamp, error);

    if (!ok && errno != 0)
        reason = errno == ENOMEM ? REASON_OUT_OF_MEMORY : REASON_SYSTEM_ERROR;
    if (!ok && (is_passing(reason) || depends_on_nss(&stamp, also_by))) /* the next login tries again */
        snapshot->is_settled = false;
    else if (!ok && !file_stamp_equal(&stamp, &no_file))
        snapshot->depends_on_reader = true;
    if (!watch(snapshot, path, &stamp)) {
        if (ok)
            secret_clear(ret_content);
        return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "%s", path);
    }
    return ok || verdict_reject(verdict, reason, "%s: %s", path, error);
}

/* Say which file a parser's complaint is about. */
static bool name_file(struct verdict *verdict, const struct verdict *complaint, const char *path)
{
    return verdict_reject(verdict, complaint->reason, "%s: %s", path, complaint->evidence);
}

static bool read_key_set(struct snapshot *snapshot, struct tenant *tenant, struct verdict *failure)
{
    CLEANUP(secret_clear) struct secret text = { NULL, 0 };
    struct verdict complaint = VERDICT_INIT;

    if (!read_watched(snapshot, failure, REASON_JWKS_UNAVAILABLE, tenant->keys_path, TRUSTED_PUBLIC,
                      snapshot->config.latchkeyd.user, JWKS_MAX_LEN, &text))
        return false;
    tenant->keys_confirmed = snapshot->files[snapshot->file_count - 1].stamp.modified.tv_sec;
    if (jwks_parse(&complaint, (struct slice){ text.bytes, text.len }, &tenant->jwks))
        return true;
    tenant->keys_are_withdrawn = jwks_is_withdrawal((struct slice){ text.bytes, text.len });
    if (tenant->keys_are_withdrawn)
        return verdict_reject(failure, complaint.reason, "%s: withdrawn by the tenant: %s", tenant->keys_path,
                              complaint.evidence);
    return name_file(failure, &complaint, tenant->keys_path);
}

/* The bytes of the file less one final newline, or "base64url:" and their encoding. */
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

static bool read_secret(struct snapshot *snapshot, struct tenant *tenant, struct verdict *failure)
{
    CLEANUP(secret_clear) struct secret text = { NULL, 0 };
    CLEANUP(secret_clear) struct secret secret = { NULL, 0 };

    return read_watched(snapshot, failure, REASON_JWKS_UNAVAILABLE, tenant->secret_path, TRUSTED_SECRET,
                        snapshot->config.latchkeyd.user, SECRET_FILE_MAX, &text)
        && decode_secret(failure, tenant->secret_path, (struct slice){ text.bytes, text.len }, &secret)
        && check_secret_len(failure, tenant, secret.len)
        && jwks_from_secret(failure, (struct slice){ secret.bytes, secret.len }, &tenant->jwks);
}

static bool reads_secrets = true;

void config_read_secrets(bool reads)
{
    reads_secrets = reads;
}

static void read_tenant_keys(struct snapshot *snapshot, struct tenant *tenant)
{
    tenant->keys_failure = no_failure;
    if (tenant->secret_path != NULL && !reads_secrets)
        verdict_reject(&tenant->keys_failure, REASON_JWKS_UNAVAILABLE, "%s: is not read by this process",
                       tenant->secret_path);
    else if (tenant->secret_path != NULL)
        read_secret(snapshot, tenant, &tenant->keys_failure);
    else
        read_key_set(snapshot, tenant, &tenant->keys_failure);
    if (is_passing(tenant->keys_failure.reason))
        snapshot->is_settled = false;
}

static void read_revocation(struct snapshot *snapshot)
{
    struct config *config = &snapshot->config;
    struct verdict *failure = &config->revocation_failure;
    CLEANUP(secret_clear) struct secret text = { NULL, 0 };
    struct verdict complaint = VERDICT_INIT;

    *failure = no_failure;
    /* Where it cannot be told whether it is there, reading it tells why. */
    if (!config->revocation_is_required && trusted_file_look(config->revocation_path) == FILE_ABSENT) {
        if (!watch(snapshot, config->revocation_path, &no_file))
            verdict_reject(failure, REASON_OUT_OF_MEMORY, "%s", config->revocation_path);
    } else if (read_watched(snapshot, failure, REASON_REVOCATION_UNAVAILABLE, config->revocation_path, TRUSTED_PUBLIC,
                            NULL, REVOCATION_MAX_LEN, &text)
               && !revocation_parse(&complaint, (struct slice){ text.bytes, text.len }, &config->revocation))
        name_file(failure, &complaint, config->revocation_path);
    if (is_passing(failure->reason))
        snapshot->is_settled = false;
}

static bool read_config(struct snapshot *snapshot, const char *path)
{
    CLEANUP(secret_clear) struct secret text = { NULL, 0 };
    size_t i;

    if (!read_watched(snapshot, &snapshot->failure, REASON_CONFIG_INVALID, path, TRUSTED_PUBLIC, NULL, CONFIG_MAX_LEN,
                      &text)
        || !config_file_parse(&snapshot->failure, path, (struct slice){ text.bytes, text.len }, &snapshot->config))
        return false;
    for (i = 0; i < snapshot->config.tenant_count; i++)
        read_tenant_keys(snapshot, &snapshot->config.tenants[i]);
    read_revocation(snapshot);
    return true;
}

/* NULL only when memory is short; a broken configuration is a snapshot with a failure. */
static struct snapshot *snapshot_read(const char *path)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);

    if (snapshot == NULL)
        return NULL;
    atomic_init(&snapshot->references, 1);
    snapshot->failure = no_failure;
    snapshot->is_settled = true;
    snapshot->begun = time(NULL);
    snapshot->reader = reader_now();
    read_config(snapshot, path);
    /* Memory may be back at the next login: this failure is no property of the files, and is not kept. */
    if (snapshot->failure.reason == REASON_OUT_OF_MEMORY) {
        snapshot_free(snapshot);
        return NULL;
    }
    return snapshot;
}

/* Of what the process remembers: its first root directory, and the snapshots. */
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

/* Of the process when it looked for a configuration first. */
static struct file_stamp first_root = { .size = TRUSTED_FILE_NOT_SEEN };

/* The first one that could be seen: `now`, which may be NULL, when there was none before. */
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

/* Looked at without the lock, for which a fork may wait. */
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
 * A host that has entered a chroot since, as Postfix does, sees none of the files. What lies in their places there may
 * be of the owner of the chroot: it is not read, whatever became of the files outside.
 */
static enum root look_at_root(void)
{
    const struct file_stamp first = remember_root(), now = trusted_file_stamp("/");

    if (first.size == TRUSTED_FILE_NOT_SEEN || now.size == TRUSTED_FILE_NOT_SEEN)
        return ROOT_CANNOT_TELL;
    return now.device == first.device && now.inode == first.inode ? ROOT_AS_BEFORE : ROOT_LEFT;
}

static bool is_reader(const struct reader *reader)
{
    const struct reader now = reader_now();

    return now.uid == reader->uid && now.gid == reader->gid && now.group_count == reader->group_count;
}

static bool are_files_as_read(const struct snapshot *snapshot)
{
    size_t i;

    for (i = 0; i < snapshot->file_count; i++) {
        struct file_stamp now = trusted_file_stamp(snapshot->files[i].path);

        if (!file_stamp_equal(&now, &snapshot->files[i].stamp))
            return false;
    }
    return true;
}

static bool is_current(const struct snapshot *snapshot)
{
    return snapshot->is_settled && (!snapshot->depends_on_reader || is_reader(&snapshot->reader))
        && are_files_as_read(snapshot);
}

/* The last snapshot of each path, the most recently read first. The cache holds one reference to each. */
static struct {
    char *path;
    struct snapshot *snapshot;
} cache[SNAPSHOTS_MAX];

/* With a reference for the caller; NULL when there is none. */
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

/* Put it in the first place; what stood there for the same path, or else the oldest, goes. */
static void cache_put(const char *path, struct snapshot *snapshot)
{
    char *copy = strdup(path), *old_path;
    struct snapshot *old;
    size_t i;

    if (copy == NULL)
        return; /* it will be read again */
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
    for (i = 0; i < SNAPSHOTS_MAX; i++) /* which enters the fork lock by itself */
        snapshot_drop(dropped[i]);
}

/* What is to be used of a path, with a reference for the caller, read when it must be. NULL with the reason. */
static struct snapshot *newest_snapshot(struct verdict *verdict, const char *path)
{
    struct snapshot *snapshot = cache_find(path);

    /* The root is looked at last: each look costs as much as a tenth of a verification, and most hosts keep theirs. */
    if (snapshot != NULL && is_current(snapshot))
        return snapshot;
    switch (look_at_root()) {
    case ROOT_LEFT:
        if (snapshot == NULL)
            verdict_reject(verdict, REASON_CONFIG_INVALID, "%s was not read before the process changed its root", path);
        return snapshot;
    case ROOT_AS_BEFORE:
        snapshot_drop(snapshot);
        snapshot = snapshot_read(path); /* without the lock: two threads may read, and the last one stays */
        if (snapshot == NULL)
            verdict_reject(verdict, REASON_OUT_OF_MEMORY, "%s", path);
        else
            cache_put(path, snapshot);
        return snapshot;
    default:
        snapshot_drop(snapshot);
        verdict_reject(verdict, REASON_SYSTEM_ERROR, "the root directory cannot be looked at now");
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
    if (snapshot->failure.reason != REASON_UNDECIDED) {
        verdict_reject(verdict, snapshot->failure.reason, "%s", snapshot->failure.evidence);
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
    return look_at_root() != ROOT_AS_BEFORE; /* where it cannot be told, latchkeyd knows better, too */
}
