#include "latchkeyd/peers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/account_lookup.h"
#include "base/clock.h"
#include "latchkeyd/bucket.h"

#define UIDS_MAX        256  /* whose rates are remembered */
#define PEER_GROUPS_MAX 4096 /* NGROUPS_MAX is 65536; real users have far fewer */

#define ASK_PAUSE_MS 1000 /* between two look-ups of names that NSS could not tell */
#define SLOW_FACTOR  9    /* and the pause is at least so many times as long as the last look-up */

#define BURST_S 2 /* a bucket holds what comes back in so many seconds */

/* A name of the option allow, or that of latchkeyd's user. */
struct name {
    char *text;      /* a user, or "@" and a group */
    bool is_allowed; /* by the last answer of NSS */
    bool is_pending; /* NSS could not tell at the last look-up */
    id_t id;         /* the uid or the gid, when it is allowed */
};

struct peers {
    struct name *names;
    size_t name_count;
    int64_t ask_again_ms; /* when pending names are looked up again; 0: none is pending */
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

static void free_names(struct name *names, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        free(names[i].text);
    free(names);
}

void peers_free(struct peers **peers)
{
    if (peers == NULL || *peers == NULL)
        return;
    free_names((*peers)->names, (*peers)->name_count);
    free(*peers);
    *peers = NULL;
}

static bool is_group(const struct name *name)
{
    return name->text[0] == '@';
}

static enum account_answer look_up(struct name *name)
{
    struct account_entry account;
    const enum account_answer answer = is_group(name) ? account_lookup_group(name->text + 1, &account, NULL)
                                                      : account_lookup_user(name->text, &account, NULL);

    name->is_pending = answer == ACCOUNT_CANNOT_TELL;
    if (answer != ACCOUNT_CANNOT_TELL)
        name->is_allowed = answer == ACCOUNT_FOUND;
    if (answer == ACCOUNT_FOUND)
        name->id = is_group(name) ? account.gid : account.uid;
    return answer;
}

/* Look-ups block the loop, so a slow directory service gets at most a tenth of the time. */
static void schedule_look_up(struct peers *peers, int64_t begun_ms)
{
    const int64_t now_ms = clock_ms(), pause_ms = (now_ms - begun_ms) * SLOW_FACTOR;
    size_t i;

    peers->ask_again_ms = 0;
    for (i = 0; i < peers->name_count; i++)
        if (peers->names[i].is_pending)
            peers->ask_again_ms = now_ms + (pause_ms > ASK_PAUSE_MS ? pause_ms : ASK_PAUSE_MS);
}

/* Look up the pending names again. False when it is too early, or none is pending. */
static bool look_up_pending(struct peers *peers)
{
    const int64_t begun_ms = clock_ms();
    size_t i;

    if (peers->ask_again_ms == 0 || begun_ms < peers->ask_again_ms)
        return false;
    for (i = 0; i < peers->name_count; i++)
        if (peers->names[i].is_pending)
            look_up(&peers->names[i]);
    schedule_look_up(peers, begun_ms);
    return true;
}

/* latchkeyd's user, then the list. NULL when out of memory. */
static struct name *copy_names(const struct latchkeyd_options *latchkeyd, size_t count)
{
    struct name *names = calloc(count, sizeof *names);
    size_t i;

    for (i = 0; i < count && names != NULL; i++) {
        names[i].text = strdup(i == 0 ? latchkeyd->user : latchkeyd->allow.items[i - 1]);
        if (names[i].text == NULL) {
            free_names(names, i);
            names = NULL;
        }
    }
    return names;
}

/* Keep the former answer about the name, in case that NSS cannot tell now. */
static void keep_answer(const struct peers *peers, struct name *name)
{
    size_t i;

    for (i = 0; i < peers->name_count; i++)
        if (strcmp(peers->names[i].text, name->text) == 0) {
            name->is_allowed = peers->names[i].is_allowed;
            name->id = peers->names[i].id;
            return;
        }
}

bool peers_configure(struct peers *peers, const struct latchkeyd_options *latchkeyd, peers_not_found *not_found)
{
    const size_t count = latchkeyd->allow.count + 1;
    const int64_t begun_ms = clock_ms();
    struct name *names = copy_names(latchkeyd, count);
    size_t i;

    if (names == NULL)
        return false;
    for (i = 0; i < count; i++) {
        enum account_answer answer;

        keep_answer(peers, &names[i]);
        answer = look_up(&names[i]);
        /* Where latchkeyd runs as another user, its configured user may be missing. */
        if (i > 0 && answer != ACCOUNT_FOUND && not_found != NULL)
            not_found(names[i].text, answer);
    }
    free_names(peers->names, peers->name_count);
    peers->names = names;
    peers->name_count = count;
    schedule_look_up(peers, begun_ms);
    peers->peer_rate = latchkeyd->peer_rate;
    peers->rate = latchkeyd->rate;
    return true;
}

static bool has_id(const struct peers *peers, bool group, id_t id)
{
    size_t i;

    for (i = 0; i < peers->name_count; i++)
        if (peers->names[i].is_allowed && is_group(&peers->names[i]) == group && peers->names[i].id == id)
            return true;
    return false;
}

static bool has_group_of(const struct peers *peers, int socket)
{
    gid_t groups[PEER_GROUPS_MAX];
    socklen_t len = sizeof groups;
    size_t i;

    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
        return false;
    for (i = 0; i < len / sizeof groups[0]; i++)
        if (has_id(peers, true, groups[i]))
            return true;
    return false;
}

static bool is_listed(const struct peers *peers, const struct ucred *peer, int socket)
{
    return has_id(peers, false, peer->uid) || has_id(peers, true, peer->gid) || has_group_of(peers, socket);
}

bool peers_allow(struct peers *peers, int socket, uid_t *ret_uid)
{
    struct ucred peer = { .uid = (uid_t)-1 };
    socklen_t len = sizeof peer;
    bool is_known = getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0;

    *ret_uid = peer.uid;
    if (!is_known)
        return false;
    if (peer.uid == 0 || peer.uid == geteuid() || is_listed(peers, &peer, socket))
        return true;
    return look_up_pending(peers) && is_listed(peers, &peer, socket);
}

static double refill(struct bucket *bucket, int64_t rate, int64_t now_ms)
{
    return bucket_refill(bucket, (double)rate, (double)(rate * BURST_S), now_ms);
}

/* The bucket of a uid. A new uid takes the place of the one that has not asked for the longest time. */
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
