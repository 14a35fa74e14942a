/*
 * What the tests of whole tokens share: keys, a configuration on disk, and tokens that begin valid and are changed in
 * one place.
 */
#ifndef LATCHKEY_FIXTURE_H
#define LATCHKEY_FIXTURE_H

#include "tests/support/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64url.h"
#include "base/json.h"
#include "base/slice.h"
#include "config/snapshot.h"
#include "devel/signer.h"
#include "tests/support/temporary.h"

#define FIXTURE __attribute__((unused)) static

/* A JSON member: the value is JSON text. Among changes, a NULL value leaves the member out. */
struct member {
    const char *name;
    const char *value;
};
#define CHANGES_MAX 3 /* unused ones have no name */

static const struct member *find_change(const struct member *changes, const char *name)
{
    size_t i;

    for (i = 0; changes != NULL && i < CHANGES_MAX && changes[i].name != NULL; i++)
        if (strcmp(changes[i].name, name) == 0)
            return &changes[i];
    return NULL;
}

static void print_member(FILE *out, const struct member *member, const char **comma)
{
    if (member->value == NULL)
        return;
    fprintf(out, "%s\"%s\":%s", *comma, member->name, member->value);
    *comma = ",";
}

/* An object of the members with the changes: another value, left out, or added. malloc'ed. */
FIXTURE char *object_text(const struct member *members, size_t count, const struct member *changes)
{
    char *text = NULL;
    size_t len, i, j;
    FILE *out = open_memstream(&text, &len);
    const char *comma = "";

    assert_non_null(out);
    fputc('{', out);
    for (i = 0; i < count; i++) {
        const struct member *change = find_change(changes, members[i].name);

        print_member(out, change != NULL ? change : &members[i], &comma);
    }
    for (i = 0; changes != NULL && i < CHANGES_MAX && changes[i].name != NULL; i++) {
        for (j = 0; j < count && strcmp(members[j].name, changes[i].name) != 0; j++)
            ;
        if (j == count)
            print_member(out, &changes[i], &comma);
    }
    fputc('}', out);
    fclose(out);
    return text;
}

/* C string, malloc'ed. */
FIXTURE char *encoded(struct slice bytes)
{
    char *text = malloc(BASE64URL_ENCODED_LEN(bytes.len) + 1);

    assert_non_null(text);
    base64url_encode(bytes, text);
    text[BASE64URL_ENCODED_LEN(bytes.len)] = '\0';
    return text;
}

/* A token over two parts that are taken as they are, base64url or not. malloc'ed. */
FIXTURE char *token_of_parts(const struct signer *signer, const char *alg, const char *header, const char *payload)
{
    char *token, *text, raw[SIGNER_SIGNATURE_MAX];
    size_t len;

    assert_true(asprintf(&token, "%s.%s", header, payload) > 0);
    assert_true(signer_sign(signer, alg, slice_of(token), raw, &len));
    text = encoded((struct slice){ raw, len });
    free(token);
    assert_true(asprintf(&token, "%s.%s.%s", header, payload, text) > 0);
    free(text);
    return token;
}

static char directory[TEMPORARY_SIZE];

/* A file in the directory of the test; the path is lent until the next call. */
FIXTURE const char *path_in_directory(const char *name)
{
    static char path[sizeof directory + 64];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

FIXTURE const char *write_file(const char *name, const char *text)
{
    const char *path = path_in_directory(name);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(file, 0600), 0);
    close(file);
    return path;
}

/* A configuration through the public door. `~` in the text stands for the directory. */
FIXTURE const struct config *config_of(const char *text)
{
    static unsigned number; /* a path of its own: nothing is left over from another configuration */
    struct verdict verdict = VERDICT_INIT;
    const struct config *config = NULL;
    char *written = NULL, name[32];
    size_t len;
    FILE *out = open_memstream(&written, &len);

    assert_non_null(out);
    for (; *text != '\0'; text++)
        fprintf(out, *text == '~' ? "%s" : "%.1s", *text == '~' ? directory : text);
    fclose(out);
    snprintf(name, sizeof name, "conf-%u", number++);
    if (!config_acquire(&verdict, write_file(name, written), &config))
        fail_msg("%s", verdict.evidence);
    free(written);
    return config;
}

/* Takes each jwk; the text is malloc'ed. */
FIXTURE char *key_set_of(struct json **keys, size_t count)
{
    struct json *set = json_new_object(), *array = json_new_array();
    char *text;
    size_t i;

    for (i = 0; i < count; i++)
        assert_true(json_append(array, keys[i]));
    assert_true(json_add(set, "keys", array));
    text = strdup(json_print(set, true));
    assert_non_null(text);
    json_free(&set);
    return text;
}

FIXTURE void write_key_set(const char *name, struct json **keys, size_t count)
{
    char *text = key_set_of(keys, count);

    write_file(name, text);
    free(text);
}

FIXTURE int directory_make(void)
{
    return temporary_make(directory, "fixture") ? 0 : -1;
}

FIXTURE int directory_remove(void)
{
    DIR *entries = opendir(directory);
    struct dirent *entry;

    if (entries == NULL)
        return -1;
    while ((entry = readdir(entries)) != NULL)
        unlinkat(dirfd(entries), entry->d_name, 0);
    closedir(entries);
    return rmdir(directory);
}

/* For a group of tests that needs nothing else. */
FIXTURE int directory_set_up(void **state)
{
    (void)state;
    return directory_make();
}

FIXTURE int directory_tear_down(void **state)
{
    (void)state;
    return directory_remove();
}

#endif
