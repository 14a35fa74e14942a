/*
 * A site for programs without cmocka: a directory with a configuration, a key set that can be replaced, the plug-in,
 * and tokens.
 */
#ifndef LATCHKEY_SASL_SITE_H
#define LATCHKEY_SASL_SITE_H

#include <time.h>

#include "base/json.h"
#include "base/slice.h"
#include "devel/signer.h"
#include "tests/support/sasl_host.h"
#include "tests/support/temporary.h"

#define SITE_TENANT  "3f40cd7a-16d1-414a-b15d-b97158d31de9"
#define SITE_SUBJECT "f3e89bb2-5827-4e4b-8b33-823b48327ec7"
#define SITE_USER    "daemon" /* an account of every host */

struct site {
    char directory[TEMPORARY_SIZE];
    char config[96]; /* the path of latchkey.conf */
    char plugins[96];
    struct signer *key, *other_key;
    char *good, *expired; /* tokens */
};

static inline void site_die(const char *what)
{
    fprintf(stderr, "site: %s\n", what);
    exit(1);
}

/* Put a file in the place of an old one in one step. */
static inline void site_put(const struct site *site, const char *name, const char *text)
{
    char path[128], beside[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", site->directory, name);
    snprintf(beside, sizeof beside, "%s/.new", site->directory);
    file = fopen(beside, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0 || chmod(beside, 0644) != 0
        || rename(beside, path) != 0)
        site_die(path);
}

/* Another configuration and another key set, by which the same tokens are good. */
static inline void site_replace(const struct site *site, unsigned version)
{
    struct json *set = json_new_object(), *keys = json_new_array();
    char text[1024];
    unsigned i;

    for (i = 0; i < 2; i++)
        if (!json_append(keys,
                         (i + version) % 2 == 0 ? signer_jwk(site->key, "one", NULL)
                                                : signer_jwk(site->other_key, "other", NULL)))
            site_die("the key set");
    if (!json_add(set, "keys", keys))
        site_die("the key set");
    site_put(site, "keys.json", json_print(set, version % 3 == 0));
    json_free(&set);
    snprintf(text, sizeof text,
             "# version %u\n"
             "tenant \"" SITE_TENANT "\" {\n url = \"https://auth.example.com\"\n keys = \"%s/keys.json\"\n}\n"
             "user \"" SITE_USER "\" { sub = {\"" SITE_SUBJECT "\"} }\n"
             "group \"ops\" { claim = {\"501b38ea-16af-4cd2-9f20-35675d2c001e\"} }\n"
             "service \"imap\" { require_group = {\"ops\"} max_age = 86400 allow_authzid = {\"" SITE_USER "\"} }\n"
             "revocation_list = \"%s/revoked\"\n"
             "latchkeyd { socket = {\"%s/latchkeyd\"} program = \"\" }\n",
             version, site->directory, site->directory, site->directory);
    site_put(site, "latchkey.conf", text);
}

/* Of about 700 bytes, another one for each number. malloc'ed. */
static inline char *site_token_by(const struct signer *signer, const char *alg, const char *kid, long lifetime,
                                  unsigned number)
{
    char header[128], payload[1024], *token;
    const long now = (long)time(NULL);

    snprintf(header, sizeof header, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}", alg, kid);
    snprintf(payload, sizeof payload,
             "{\"iss\":\"https://auth.example.com/tenant/" SITE_TENANT "/v2.0/Auth\",\"aud\":\"" SITE_TENANT "\","
             "\"sub\":\"" SITE_SUBJECT "\",\"https://agglestone.com/tenantId\":\"" SITE_TENANT "\",\"jti\":\"%u\","
             "\"groups\":[\"501b38ea-16af-4cd2-9f20-35675d2c001e\"],\"iat\":%ld,\"exp\":%ld}",
             number, now, now + lifetime);
    token = signer_token(signer, alg, slice_of(header), slice_of(payload));
    if (token == NULL)
        site_die("a token");
    return token;
}

static inline void site_make(struct site *site, const char *alg, const char *plugin)
{
    if (!temporary_make(site->directory, "site"))
        site_die("mkdtemp");
    snprintf(site->config, sizeof site->config, "%s/latchkey.conf", site->directory);
    snprintf(site->plugins, sizeof site->plugins, "%s/plugins", site->directory);
    site->key = signer_generate(alg, 2048);
    site->other_key = signer_generate(alg, 2048);
    if (site->key == NULL || site->other_key == NULL || !host_plugin_folder(site->plugins, plugin))
        site_die("the plug-in or a key");
    site->good = site_token_by(site->key, alg, "one", 3600, 0);
    site->expired = site_token_by(site->key, alg, "one", -3600, 0);
    site_put(site, "revoked", "jti nobody\n");
    site_replace(site, 0);
}

static inline void site_remove(struct site *site)
{
    static const char *const names[] = { "latchkey.conf", "keys.json", "revoked" };
    char path[128];
    size_t i;

    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", site->directory, names[i]);
        unlink(path);
    }
    host_plugin_folder_remove(site->plugins);
    rmdir(site->directory);
    free(site->good);
    free(site->expired);
    signer_free(&site->key);
    signer_free(&site->other_key);
}

#endif
