#include "devel/tenantd/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/secret.h"

void text_free(char **text)
{
    if (*text != NULL)
        secret_wipe(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

char *path_in(const char *directory, const char *name)
{
    char *path;

    return asprintf(&path, "%s/%s", directory, name) >= 0 ? path : NULL;
}

static bool write_all(int fd, struct slice text)
{
    while (text.len > 0) {
        ssize_t put = write(fd, text.bytes, text.len);

        if (put < 0 && errno != EINTR)
            return false;
        if (put > 0)
            text = (struct slice){ text.bytes + put, text.len - (size_t)put };
    }
    return true;
}

/* So that the rename is on the disk too. */
static bool sync_directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(text_free) char *directory = slash != NULL ? strndup(path, (size_t)(slash - path)) : strdup(".");
    int fd = directory != NULL ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

bool replace_file(const char *path, mode_t mode, struct slice text)
{
    CLEANUP(text_free) char *draft = NULL;
    bool ok;
    int fd;

    if (asprintf(&draft, "%s.new", path) < 0) {
        draft = NULL;
        return false;
    }
    unlink(draft); /* of a start that was killed half-way; the directory is ours alone */
    fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return false;
    ok = write_all(fd, text) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
    return close(fd) == 0 && ok && rename(draft, path) == 0 && sync_directory_of(path);
}
