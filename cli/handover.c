#include "cli/handover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/secret.h"
#include "base/trusted_file.h"

#define ROOM_SUFFIX ".latchkey-room"

static bool refuse(struct verdict *verdict, const char *path, const char *why)
{
    return verdict_reject(verdict, REASON_SYSTEM_ERROR, "%s: %s", path, why);
}

/* The new file would replace a device such as /dev/stdout, a directory or a link, which is never intended. */
static bool check_place(struct verdict *verdict, const char *path)
{
    struct stat status;

    if (lstat(path, &status) != 0)
        return errno == ENOENT || refuse(verdict, path, strerror(errno));
    return S_ISREG(status.st_mode) || refuse(verdict, path, "exists, and is not a regular file");
}

static bool hold_room(struct verdict *verdict, struct handover *handover, size_t size)
{
    CLEANUP(secret_clear) struct secret filler = { calloc(1, size), size };
    struct file_error error;
    int len = snprintf(handover->room, sizeof handover->room, "%s" ROOM_SUFFIX, handover->path);

    if (filler.bytes == NULL) {
        filler.len = 0;
        handover->room[0] = '\0';
        return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "room for a secret");
    }
    if (len > 0 && (size_t)len < sizeof handover->room
        && trusted_file_replace(handover->room, TRUSTED_SECRET, (struct slice){ filler.bytes, size }, &error))
        return true;
    handover->room[0] = '\0';
    return refuse(verdict, handover->path, (size_t)len < sizeof handover->room ? error.text : "the path is too long");
}

bool handover_prepare(struct verdict *verdict, struct handover *handover, const char *path, size_t max)
{
    if (!path_make_absolute(path, handover->path))
        return refuse(verdict, path, strerror(errno));
    return check_place(verdict, handover->path) && hold_room(verdict, handover, max + 1);
}

void handover_end(struct handover *handover)
{
    if (handover->room[0] != '\0')
        unlink(handover->room);
    handover->room[0] = '\0';
}

bool handover_write(struct verdict *verdict, struct handover *handover, struct slice secret)
{
    CLEANUP(secret_clear) struct secret line = { malloc(secret.len + 1), secret.len + 1 };
    struct file_error error;

    if (line.bytes == NULL) {
        line.len = 0;
        return verdict_reject(verdict, REASON_OUT_OF_MEMORY, "%s", handover->path);
    }
    memcpy(line.bytes, secret.bytes, secret.len);
    line.bytes[secret.len] = '\n';
    handover_end(handover);
    return trusted_file_replace(handover->path, TRUSTED_SECRET, (struct slice){ line.bytes, line.len }, &error)
        || refuse(verdict, handover->path, error.text);
}

void handover_mask(struct slice secret, char masked[HANDOVER_MASKED_MAX])
{
    const int shown = secret.len >= 2 * HANDOVER_SHOWN + HANDOVER_HIDDEN_MIN ? HANDOVER_SHOWN : 0;

    snprintf(masked, HANDOVER_MASKED_MAX, "%.*s...%.*s", shown, secret.bytes, shown, secret.bytes + secret.len - shown);
}
