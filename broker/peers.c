#include "peers.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bucket.h"

#define UIDS_MAX        256  /* whose rates are remembered */
#define PEER_GROUPS_MAX 4096 /* what Linux's NGROUPS_MAX allows and people really have lie far apart */

/* So many may come at once as in two seconds of the rate. */
#define BURST_S 2

struct peers {
    uid_t *uids;
    gid_t *gids;
    size_t uid_count, gid_count;
    int64_t peer_rate, rate;
    struct bucket all;
    struct {
        uid_t uid;
        struct bucket bucket;
    } of_uid[UIDS_MAX];
};

struct peers *peers_new(void)
{
    return calloc(1, sizeof(struct peers));
}

void peers_free(struct peers **peers)
{
    if (peers == NULL || *peers == NULL)
        return;
    free((*peers)->uids);
    free((*peers)->gids);
    free(*peers);
    *peers = NULL;
}

static bool add_name(struct peers *peers, const char *name)
{
    const struct passwd *user = name[0] != '@' ? getpwnam(name) : NULL;
    const struct group *group = name[0] == '@' ? getgrnam(name + 1) : NULL;

    if (user != NULL)
        peers->uids[peers->uid_count++] = user->pw_uid;
    if (group != NULL)
        peers->gids[peers->gid_count++] = group->gr_gid;
    return user != NULL || group != NULL;
}

bool peers_configure(struct peers *peers, const struct broker *broker, void (*unknown)(const char *name))
{
    uid_t *uids = calloc(broker->allow.count + 1, sizeof *uids);
    gid_t *gids = calloc(broker->allow.count + 1, sizeof *gids);
    size_t i;

    if (uids == NULL || gids == NULL) {
        free(uids);
        free(gids);
        return false;
    }
    free(peers->uids);
    free(peers->gids);
    peers->uids = uids;
    peers->gids = gids;
    peers->uid_count = peers->gid_count = 0;
    add_name(peers, broker->user); /* need not exist where latchkeyd runs as somebody else */
    for (i = 0; i < broker->allow.count; i++)
        if (!add_name(peers, broker->allow.items[i]) && unknown != NULL)
            unknown(broker->allow.items[i]);
    peers->peer_rate = broker->peer_rate;
    peers->rate = broker->rate;
    return true;
}

static bool has_uid(const struct peers *peers, uid_t uid)
{
    size_t i;

    for (i = 0; i < peers->uid_count; i++)
        if (peers->uids[i] == uid)
            return true;
    return uid == 0 || uid == geteuid();
}

static bool has_gid(const struct peers *peers, gid_t gid)
{
    size_t i;

    for (i = 0; i < peers->gid_count; i++)
        if (peers->gids[i] == gid)
            return true;
    return false;
}

static bool has_group_of(const struct peers *peers, int socket)
{
    gid_t groups[PEER_GROUPS_MAX];
    socklen_t len = sizeof groups;
    size_t i;

    if (peers->gid_count == 0 || getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
        return false;
    for (i = 0; i < len / sizeof groups[0]; i++)
        if (has_gid(peers, groups[i]))
            return true;
    return false;
}

bool peers_allow(const struct peers *peers, int socket, uid_t *ret_uid)
{
    struct ucred peer = { .uid = (uid_t)-1 };
    socklen_t len = sizeof peer;
    bool is_known = getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0;

    *ret_uid = peer.uid;
    return is_known && (has_uid(peers, peer.uid) || has_gid(peers, peer.gid) || has_group_of(peers, socket));
}

static double refill(struct bucket *bucket, int64_t rate, int64_t now_ms)
{
    return bucket_refill(bucket, (double)rate, (double)(rate * BURST_S), now_ms);
}

/* The bucket of a uid; one that is not known yet takes the place of who was silent longest. */
static struct bucket *bucket_of(struct peers *peers, uid_t uid)
{
    size_t oldest = 0, i;

    for (i = 0; i < UIDS_MAX; i++) {
        if (peers->of_uid[i].bucket.at_ms != 0 && peers->of_uid[i].uid == uid)
            return &peers->of_uid[i].bucket;
        if (peers->of_uid[i].bucket.at_ms < peers->of_uid[oldest].bucket.at_ms)
            oldest = i;
    }
    peers->of_uid[oldest].uid = uid;
    peers->of_uid[oldest].bucket = (struct bucket){ .at_ms = 0 };
    return &peers->of_uid[oldest].bucket;
}

bool peers_count(struct peers *peers, uid_t uid, int64_t now_ms)
{
    const double reserve = uid != 0 ? (double)(peers->rate * BURST_S) / 4 : 0;
    struct bucket *of_uid = bucket_of(peers, uid);
    const double left = refill(of_uid, peers->peer_rate, now_ms),
                 left_of_all = refill(&peers->all, peers->rate, now_ms);

    if (left < 1 || left_of_all < 1 + reserve)
        return false;
    of_uid->left -= 1;
    peers->all.left -= 1;
    return true;
}
