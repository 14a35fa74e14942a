#include "tests/support/unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <pwd.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config/reader.h"
#include "config/snapshot.h"
#include "devel/signer.h"
#include "tests/support/temporary.h"

/*
 * Each test writes files into a directory of its own and acquires them through the public door. In the texts below
 * "@" stands for that directory.
 */
static char directory[TEMPORARY_SIZE];
static char *key_set; /* a good one */

/* In place of the C library's: the file of this name cannot be opened, and why. */
static struct {
    const char *name; /* NULL: every file can */
    int cause;
} unopenable;
static char opened[256]; /* the names of the files that were opened, each with a blank behind it */

int open(const char *path, int flags, ...)
{
    const char *slash = strrchr(path, '/');
    va_list mode;
    int fd;

    if (unopenable.name != NULL && slash != NULL && strcmp(slash + 1, unopenable.name) == 0) {
        errno = unopenable.cause;
        return -1;
    }
    if (slash != NULL && strlen(opened) + strlen(slash) + 1 < sizeof opened)
        strcat(strcat(opened, slash + 1), " ");
    va_start(mode, flags);
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, (flags & O_CREAT) != 0 ? va_arg(mode, mode_t) : 0);
    va_end(mode);
    return fd;
}

/* Also in its place: NSS, what lies at a path, and the clock of the file system. */
static struct {
    int nss_failure;      /* 0: as it is */
    const char *new_user; /* who exists since a moment; the uid is daemon's */
    const char *unseen;   /* the file of this name cannot be looked at, and why */
    int cause;
    bool is_later;       /* by time(): no file has changed just now */
    bool has_real_clock; /* else every file has settled long ago, which spares each test a wait */
} fate;

typedef int user_look_up(const char *, struct passwd *, char *, size_t, struct passwd **);

int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size, struct passwd **ret)
{
    user_look_up *real = (user_look_up *)dlsym(RTLD_NEXT, "getpwnam_r");

    *ret = NULL;
    if (fate.nss_failure != 0)
        return fate.nss_failure;
    return real(fate.new_user != NULL && strcmp(name, fate.new_user) == 0 ? "daemon" : name, entry, buffer, size, ret);
}

int lstat(const char *path, struct stat *status)
{
    const char *slash = strrchr(path, '/');

    if (fate.unseen != NULL && slash != NULL && strcmp(slash + 1, fate.unseen) == 0) {
        errno = fate.cause;
        return -1;
    }
    return fstatat(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}

time_t time(time_t *ret)
{
    struct timespec now;

    (void)ret;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec + (fate.is_later ? 10 : 0);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int (*real)(clockid_t, struct timespec *) =
        (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const int result = real(clock, ret);

    if (clock == CLOCK_REALTIME_COARSE && !fate.has_real_clock)
        ret->tv_sec++;
    return result;
}

static const char *in_directory(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static void write_bytes(const char *name, struct slice text, mode_t mode)
{
    const char *path = in_directory(name);
    FILE *file;

    unlink(path);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.bytes, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* "@" becomes the directory, but not inside of a word, where it is an e-mail address. */
static void write_config(const char *text)
{
    char *full = malloc(strlen(text) * 40 + 1), *out = full;

    for (; *text != '\0'; text++)
        if (text[0] == '@' && text[1] == '/')
            out += sprintf(out, "%s", directory);
        else
            *out++ = *text;
    write_bytes("latchkey.conf", (struct slice){ full, (size_t)(out - full) }, 0644);
    free(full);
}

static const struct config *acquire(void)
{
    const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;

    if (!config_acquire(&verdict, in_directory("latchkey.conf"), &config))
        fail_msg("%s: %s", reason_name(verdict.reason), verdict.evidence);
    return config;
}

/* What a text is refused with, "" when it is not. */
static const char *refusal_of(struct slice text)
{
    static char evidence[EVIDENCE_MAX];
    struct verdict verdict = VERDICT_INIT;
    struct config config;

    if (config_file_parse(&verdict, "/c", text, &config)) {
        config_file_clear(&config);
        return "";
    }
    assert_int_equal(verdict.reason, REASON_CONFIG_INVALID);
    assert_null(config.path);
    memcpy(evidence, verdict.evidence, sizeof evidence);
    return evidence;
}

static void assert_refused(const char *name, struct slice text, const char *want)
{
    const char *evidence = refusal_of(text);

    ROW(name);
    if (strncmp(evidence, want, strlen(want)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", evidence, want);
}

#define TENANT "tenant \"t\" { url = \"https://a.example\" }\n"
#define GOOD   "tenant \"t1\" { url = \"https://auth.example.com\" keys = \"@/keys\" }\n"
#define PLAIN  "issuer = \"https://i.example.com\" audience = {\"a\"} keys = \"@/keys\" tenant_claim = \"\""

static void a_minimal_tenant_gets_everything_from_its_url_and_id(void **state)
{
    const struct config *config;
    const struct tenant *tenant;
    size_t row;

    (void)state;
    write_config("tenant \"t1\" { url = \"https://auth.example.com/\" }\n");
    config = acquire();
    assert_int_equal(config->tenant_count, 1);
    tenant = &config->tenants[0];
    assert_string_equal(tenant->id, "t1");
    assert_string_equal(tenant->url, "https://auth.example.com");
    assert_string_equal(tenant->claims.issuer, "https://auth.example.com/tenant/t1/v2.0/Auth");
    assert_string_equal(tenant->discovery,
                        "https://auth.example.com/tenant/t1/v2.0/Auth/.well-known/openid-configuration");
    assert_string_equal(tenant->keys_path, LATCHKEY_LOCALSTATEDIR "/lib/latchkey/t1.jwks");
    assert_int_equal(tenant->claims.audiences.count, 1);
    assert_string_equal(tenant->claims.audiences.items[0], "t1");
    assert_string_equal(tenant->claims.tenant_claim, "https://agglestone.com/tenantId");
    assert_string_equal(tenant->claims.subject_claim, "sub");
    assert_string_equal(tenant->claims.groups_claim, "groups");
    assert_int_equal(tenant->claims.leeway, 30);
    for (row = 0; row < ALGORITHM_ROWS; row++)
        assert_int_equal(tenant->algorithms[row],
                         strcmp(algorithm_at(row)->name, "RS256") == 0
                             || strcmp(algorithm_at(row)->name, "ES256") == 0);
    assert_int_equal(config->default_service.credentials, CREDENTIALS_JWT);
    assert_int_equal(config->default_service.max_age, 0);
    assert_int_equal(config->default_service.require_group.count, 0);
    assert_string_equal(config->revocation_path, LATCHKEY_SYSCONFDIR "/latchkey/revoked");
    config_release(&config);
    assert_null(config);
}

static void what_is_said_is_kept(void **state)
{
    const struct config *config;

    (void)state;
    write_config("# a comment\n// another\n/* and\n   a third: ${HOME} */\n"
                 "tenant \"t1\" {\n url = \"https://auth.example.com\"\n keys = '@/keys' # behind\n leeway = 300\n"
                 " issuer = \"\" audience = {}\n algorithms = {\"PS512\", \"EdDSA\"}\n type = \"at+jwt\"\n"
                 " azp = {\"p\"} scope = {\"a\", \"b\"} subject_claim = \"oid\" groups_claim = \"roles\"\n}\n"
                 "tenant \"t2\" { " PLAIN " }\n"
                 "user \"alice\" { tenant = {\"t1\"} sub = {\"s1\", \"s 2\"} }\n"
                 "user \"bob\" { tenant = {\"t1\", \"t2\"} sub = {\"s3\"} api_key = true }\n"
                 "map { tenant = {\"t1\"} claim = \"email\" pattern = \"^([a-z]+)@example\\\\.com$\" }\n"
                 "map { tenant = {\"t2\"} claim = \"name\" pattern = '^([a-z]+)\\.x$' }\n"
                 "group \"ops\" { tenant = {\"t1\"} claim = {\"g1\"} session = true }\n"
                 "group \"svc\" { tenant = {\"t2\"} claim = {} }\n");
    config = acquire();
    assert_null(config->tenants[0].claims.issuer);
    assert_int_equal(config->tenants[0].claims.audiences.count, 0);
    assert_int_equal(config->tenants[0].claims.leeway, 300);
    assert_string_equal(config->tenants[0].type, "at+jwt");
    assert_int_equal(config->tenants[0].claims.scopes.count, 2);
    assert_string_equal(config->tenants[0].claims.parties.items[0], "p");
    assert_string_equal(config->tenants[0].claims.subject_claim, "oid");
    assert_string_equal(config->tenants[0].claims.groups_claim, "roles");
    assert_true(config->tenants[0].algorithms[algorithm_row(algorithm_find(slice_of("EdDSA")))]);
    assert_false(config->tenants[0].algorithms[algorithm_row(algorithm_find(slice_of("RS256")))]);
    assert_non_null(config->tenants[0].jwks);
    assert_null(config->tenants[1].url);
    assert_null(config->tenants[1].discovery);
    assert_null(config->tenants[1].claims.tenant_claim);
    assert_int_equal(config->identity.user_count, 2);
    assert_string_equal(config->identity.users[0].subjects.items[1], "s 2");
    assert_int_equal(config->identity.users[1].subjects.count, 1);
    assert_true(config->identity.users[1].api_key);
    assert_string_equal(config->identity.maps[0].pattern, "^([a-z]+)@example\\.com$");
    assert_string_equal(config->identity.maps[1].pattern, "^([a-z]+)\\.x$");
    assert_true(config->identity.groups[0].session);
    assert_false(config->identity.groups[1].session);
    config_release(&config);
}

static void lists_may_be_empty(void **state)
{
    const struct config *config;

    (void)state;
    write_config("tenant \"t1\" { url = \"https://auth.example.com\" azp = {} scope = {} audience = {} }\n"
                 "user \"a\" { sub = {} }\ngroup \"g\" { claim = {} }\n"
                 "service \"login\" { credentials = {} require_group = {} }\n");
    config = acquire();
    assert_int_equal(config->tenants[0].claims.parties.count, 0);
    assert_int_equal(config->tenants[0].claims.scopes.count, 0);
    assert_int_equal(config->tenants[0].claims.audiences.count, 0);
    assert_int_equal(config_service(config, "login")->credentials, 0);
    assert_int_equal(config_service(config, "sshd")->credentials, CREDENTIALS_JWT);
    config_release(&config);
}

static void a_service_inherits_what_it_leaves_out(void **state)
{
    const struct service_rules *rules;
    const struct config *config;

    (void)state;
    write_config(GOOD "group \"ops\" { claim = {\"g\"} }\ngroup \"svc\" { claim = {\"h\"} }\n"
                      "service \"sudo\" { max_age = 60 }\n"
                      "service \"*\" { credentials = {\"jwt\", \"api_key\"} require_group = {\"ops\"} max_age = 600 }\n"
                      "service \"sshd\" { require_group = {} credentials = {\"api_key\"} }\n");
    config = acquire();
    rules = config_service(config, "sudo");
    assert_int_equal(rules->credentials, CREDENTIALS_JWT | CREDENTIALS_API_KEY);
    assert_int_equal(rules->max_age, 60);
    assert_string_equal(rules->require_group.items[0], "ops");
    rules = config_service(config, "sshd");
    assert_int_equal(rules->credentials, CREDENTIALS_API_KEY);
    assert_int_equal(rules->max_age, 600);
    assert_int_equal(rules->require_group.count, 0);
    assert_ptr_equal(config_service(config, "login"), &config->default_service);
    assert_ptr_equal(config_service(config, NULL), &config->default_service);
    assert_int_equal(config_service(config, "login")->max_age, 600);
    config_release(&config);
}

static void what_is_wrong_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *name, *text, *where;
    } cases[] = {
        { "an empty file", "", ":1: there is no tenant" },
        { "an unknown option", GOOD "user \"a\" {\n uid = 5 }\n", ":3: no such option 'uid'" },
        { "an unknown block", GOOD "users { }\n", ":2: no such block 'users'" },
        { "an unknown option outside of blocks", "leeway = 5\n" GOOD, ":1: no such option 'leeway'" },
        { "an option of another block", GOOD "user \"a\" { leeway = 1 }\n", ":2: no such option 'leeway'" },
        { "a missing title", "tenant { url = \"https://a\" }\n", ":1:" },
        { "an unclosed block", GOOD "user \"a\" {\n", ":3: a block or a list has no end" },
        { "an unclosed list", GOOD "user \"a\" { sub = {\"x\"\n", ":3: a block or a list has no end" },
        { "an unclosed string", GOOD "user \"a { }\n", ":2: a string has no end" },
        { "a string over two lines", GOOD "user \"a\nb\" { }\n", ":2: a string has no end" },
        { "a brace too many", GOOD "}\n", ":2:" },
        { "a NUL-free but foreign character", GOOD "; user \"a\" {}\n", ":2: the character ';'" },
        { "a function call", GOOD "include(\"/etc/passwd\")\n", ":2: the character '('" },
        { "an expansion in double quotes", GOOD "user \"${USER}\" {}\n", ":2: \"${\"" },
        { "an expansion in single quotes", GOOD "user '${USER}' {}\n", ":2: \"${\"" },
        { "an expansion without quotes", GOOD "user ${USER} {}\n", ":2: the character '$'" },
        { "an expansion behind a hash in a string", GOOD "user \"# ${USER}\" {}\n", ":2: \"${\"" },
        { "an expansion behind slashes in a string", GOOD "user \"// ${USER}\" {}\n", ":2: \"${\"" },
        { "an expansion behind a quoted quote", GOOD "user \"\\\"${USER}\" {}\n", ":2: \"${\"" },
        { "an expansion behind a comment", GOOD "/* \" */ user \"${USER}\" {}\n", ":2: \"${\"" },
        { "a backslash that would be dropped", GOOD "map { claim = \"e\"\n pattern = \"^(a)\\.b$\" }\n",
          ":3: a backslash" },
        { "a byte by escape", GOOD "user \"a\\x00b\" { }\n", ":2: a backslash" },
        { "a duplicate tenant", GOOD "\ntenant \"t1\" { url = \"https://b.example.com\" }\n",
          ":3: tenant \"t1\": a second block of this name" },
        { "a duplicate user", GOOD "user \"a\" {}\nuser \"a\" {}\n", ":3: user \"a\": a second block of this name" },
        { "of several duplicate users, the first in the text",
          GOOD "user \"b\" {}\nuser \"a\" {}\nuser \"b\" {}\nuser \"a\" {}\nuser \"b\" {}\n",
          ":4: user \"b\": a second block of this name" },
        { "a duplicate group", GOOD "group \"a\" {}\ngroup \"a\" {}\n",
          ":3: group \"a\": a second block of this name" },
        { "a duplicate service behind the default",
          GOOD "service \"a\" {}\nservice \"*\" {}\nservice \"b\" {}\nservice \"a\" {}\n",
          ":5: service \"a\": a second block of this name" },
        { "two commas behind the last value of a list", GOOD "user a {\n sub = {\"a\",, } }\n",
          ":3: expected a value" },
        { "a comma alone in a list", GOOD "user a {\n sub = {,} }\n", ":3: expected a value" },
        { "a list in a list", GOOD "user a {\n sub = {{\"a\"}} }\n", ":3: expected a value" },
        { "a comma between options", GOOD "user a {\n sub = \"a\", api_key = true }\n",
          ":3: expected the name of an option" },
        { "two values of an option", GOOD "user a {\n sub = a b }\n", ":3: no such option 'b'" },
        { "an option without a value", GOOD "user a {\n sub = }\n", ":3: expected a value" },
        { "an option without an equals sign", GOOD "user a {\n sub {\"a\"} }\n", ":3: expected =" },
        { "a value behind two equals signs", GOOD "user a {\n sub == a }\n", ":3: expected a value" },
        { "a block with an equals sign", GOOD "user a = { }\n", ":2: expected {" },
        { "a name alone", GOOD "\nuser", ":3: a block or a list has no end" },
        { "braces alone", GOOD "{ }\n", ":2: expected the name of an option or a block" },
        { "an issuer of two tenants, one without tenant_claim",
          "tenant \"t\" { url = \"https://a\"\n issuer = \"https://i\" }\n"
          "tenant \"u\" { audience = {\"a\"} keys = \"@/keys\" tenant_claim = \"\"\n issuer = \"https://i\" }\n",
          ":4: tenant \"u\": issuer: tenant \"t\" has the same, and not both have a tenant_claim" },
        { "a service in another case", GOOD "service \"Tee\" {}\nservice \"tee\" {}\n",
          ":3: service \"tee\": a second block of this name" },
        { "a duplicate service", GOOD "service \"*\" {}\nservice \"*\" {}\n",
          ":3: service \"*\": a second block of this name" },
        { "a scalar twice", "tenant \"t\" {\n leeway = 1\n leeway = 2\n url = \"https://a\" }\n",
          ":3: leeway is set twice in one block" },
        { "a list twice", GOOD "user \"a\" {\n sub = {\"x\"}\n sub = {\"y\"} }\n",
          ":4: sub is set twice in one block" },
        { "an option twice outside", "revocation_list = \"/a\"\nrevocation_list = \"/b\"\n" GOOD,
          ":2: revocation_list" },
        { "a word for a number", "tenant \"t\" { url = \"https://a\"\n leeway = soon }\n", ":2:" },
        { "a number with a unit", "tenant \"t\" { url = \"https://a\"\n leeway = 30s }\n", ":2:" },
        { "a negative leeway", "tenant \"t\" { url = \"https://a\"\n leeway = -1 }\n", ":2:" },
        { "a leeway beyond the limit", "tenant \"t\" { url = \"https://a\"\n leeway = 301 }\n",
          ":2: tenant \"t\": leeway: 301 is not" },
        { "a number beyond long", "tenant \"t\" { url = \"https://a\"\n leeway = 99999999999999999999 }\n", ":2:" },
        { "a word for a boolean", GOOD "user \"a\" {\n api_key = perhaps }\n", ":3:" },
        { "a list for a string", "tenant \"t\" {\n url = {\"https://a\"} }\n", ":2:" },
        { "a tenant without url and issuer", "tenant \"t\" { keys = \"@/keys\" audience = {\"a\"} }\n", "issuer" },
        { "a tenant without url and keys", "tenant \"t\" { issuer = \"i\" audience = {\"a\"} }\n", ":1: tenant \"t\"" },
        { "http", "tenant \"t\" {\n url = \"http://a.example.com\" }\n", ":2: tenant \"t\": url:" },
        { "no host", "tenant \"t\" {\n url = \"https://\" }\n", ":2: tenant \"t\": url:" },
        { "no host but a path", "tenant \"t\" {\n url = \"https:///x\" }\n", ":2: tenant \"t\": url:" },
        { "a user in the url", "tenant \"t\" {\n url = \"https://u@a\" }\n", ":2: tenant \"t\": url:" },
        { "a query in the url", "tenant \"t\" {\n url = \"https://a/?x\" }\n", ":2: tenant \"t\": url:" },
        { "a fragment in the url", "tenant \"t\" {\n url = \"https://a/#x\" }\n", ":2: tenant \"t\": url:" },
        { "a discovery without TLS", "tenant \"t\" { url = \"https://a\"\n discovery = \"http://a\" }\n", ":2:" },
        { "an id with a slash", "tenant \"../t\" { url = \"https://a\" }\n", ":1: tenant \"../t\"" },
        { "an id with a dot before it", "tenant \".t\" { url = \"https://a\" }\n", ":1: tenant \".t\"" },
        { "an empty id", "tenant \"\" { url = \"https://a\" }\n", ":1: tenant \"\"" },
        { "a relative path", "tenant \"t\" { url = \"https://a\"\n keys = \"keys\" }\n", ":2: tenant \"t\": keys:" },
        { "a relative revocation list", "revocation_list = \"revoked\"\n" GOOD, ":1:" },
        { "both a secret and keys", "tenant \"t\" { url = \"https://a\" keys = \"/k\"\n hmac_secret_file = \"/s\" }\n",
          ":2: tenant \"t\": hmac_secret_file:" },
        { "an unknown algorithm", "tenant \"t\" { url = \"https://a\"\n algorithms = {\"RS256\", \"none\"} }\n",
          ":2: tenant \"t\": algorithms: \"none\"" },
        { "an algorithm in lower case", "tenant \"t\" { url = \"https://a\"\n algorithms = {\"rs256\"} }\n", ":2:" },
        { "no algorithm", "tenant \"t\" { url = \"https://a\"\n algorithms = {} }\n", ":2:" },
        { "HMAC without a secret", "tenant \"t\" { url = \"https://a\"\n algorithms = {\"HS256\"} }\n", ":2:" },
        { "a public algorithm with a secret",
          "tenant \"t\" { url = \"https://a\" hmac_secret_file = \"/s\"\n algorithms = {\"RS256\"} }\n", ":2:" },
        { "a waived issuer without a tenant claim",
          "tenant \"t\" { url = \"https://a\" tenant_claim = \"\"\n issuer = \"\" }\n", ":2: tenant \"t\": issuer:" },
        { "a waived audience without a tenant claim",
          "tenant \"t\" { url = \"https://a\" tenant_claim = \"\"\n audience = {} }\n", ":2: tenant \"t\": audience:" },
        { "an empty type", "tenant \"t\" { url = \"https://a\"\n type = \"\" }\n", ":2: tenant \"t\": type:" },
        { "an empty audience string", "tenant \"t\" { url = \"https://a\"\n audience = {\"\"} }\n", ":2:" },
        { "a control character", "tenant \"t\" { url = \"https://a\"\n subject_claim = \"a\001b\" }\n", ":2:" },
        { "two plain tenants of one issuer", "tenant \"a\" { " PLAIN " }\ntenant \"b\" { " PLAIN " }\n",
          ":2: tenant \"b\": issuer:" },
        { "a user name with a slash", GOOD "user \"a/b\" {}\n", ":2: user \"a/b\"" },
        { "a user name of digits", GOOD "user \"1000\" {}\n", ":2: user \"1000\"" },
        { "an empty user name", GOOD "user \"\" {}\n", ":2: user \"\"" },
        { "a user name of 33 bytes", GOOD "user \"abcdefghijklmnopqrstuvwxyzabcdefg\" {}\n", ":2: user" },
        { "an empty subject", GOOD "user \"a\" {\n sub = {\"\"} }\n", ":3: user \"a\": sub:" },
        { "a pattern without ^", GOOD "map { claim = \"e\"\n pattern = \"(a)$\" }\n", ":3: map: pattern:" },
        { "a pattern without $", GOOD "map { claim = \"e\"\n pattern = \"^(a)\" }\n", ":3: map: pattern:" },
        { "a pattern with an escaped $", GOOD "map { claim = \"e\"\n pattern = \"^(a)\\\\$\" }\n",
          ":3: map: pattern:" },
        { "a pattern without a group", GOOD "map { claim = \"e\"\n pattern = \"^a$\" }\n", ":3: map: pattern:" },
        { "a broken pattern", GOOD "map { claim = \"e\"\n pattern = \"^(a$\" }\n", ":3: map: pattern:" },
        { "a pattern with a back-reference", GOOD "map { claim = \"e\"\n pattern = \"^(a*)\\\\1$\" }\n",
          ":3: map: pattern: a back-reference" },
        { "a pattern with a stacked repetition", GOOD "map { claim = \"e\"\n pattern = \"^(a**)$\" }\n",
          ":3: map: pattern: a repetition of a repetition" },
        { "a pattern with a repetition of what may be empty", GOOD "map { claim = \"e\"\n pattern = \"^((a*)*)$\" }\n",
          ":3: map: pattern: a repetition of what may be empty" },
        { "a pattern that would take gigabytes",
          GOOD "map { claim = \"e\"\n pattern = \"^(((a{1,255}){1,255}){1,255})$\" }\n",
          ":3: map: pattern: it repeats more than 256 characters" },
        { "a pattern without a claim", GOOD "map { pattern = \"^(a)$\" }\n", ":2: map: claim and pattern" },
        { "a claim without a pattern", GOOD "map { claim = \"e\" }\n", ":2: map: claim and pattern" },
        { "the second map", GOOD "map { claim = \"e\" pattern = \"^(a)$\" }\nmap { claim = \"e\"\n pattern = \"a\" }\n",
          ":4: map: pattern:" },
        { "root's group for a session", GOOD "group \"root\" { claim = {\"g\"}\n session = true }\n",
          ":3: group \"root\"" },
        { "a group that no block defines", GOOD "service \"x\" {\n require_group = {\"ops\"} }\n",
          ":3: service \"x\": require_group:" },
        { "a group that no block defines, in *", GOOD "service \"*\" {\n require_group = {\"ops\"} }\n",
          ":3: service \"*\"" },
        { "an unknown credential", GOOD "service \"x\" {\n credentials = {\"password\"} }\n", ":3: service \"x\"" },
        { "a keys_max_age below a minute", "tenant \"t\" { url = \"https://a\"\n keys_max_age = 59 }\n",
          ":2: tenant \"t\": keys_max_age: 59 is not from 60 to 316224000" },
        { "a keys_max_age above ten years", "tenant \"t\" { url = \"https://a\"\n keys_max_age = 316224001 }\n",
          ":2: tenant \"t\": keys_max_age: " },
        { "a keys_max_age of a secret",
          "tenant \"t\" { issuer = \"https://a\" tenant_claim = \"\" audience = {\"a\"} algorithms = {\"HS256\"}\n"
          " hmac_secret_file = \"/s\"\n keys_max_age = 3600 }\n",
          ":3: tenant \"t\": keys_max_age: it is for key sets" },
        { "a max_age of nothing", GOOD "service \"x\" {\n max_age = 0 }\n", ":3: service \"x\": max_age:" },
        { "an enormous max_age", GOOD "service \"x\" {\n max_age = 9223372036854775807 }\n", ":3: service \"x\"" },
        { "a block in a block", GOOD "user \"a\" {\n group \"b\" { } }\n", ":3: no such option 'group'" },
        { "a title for a map", GOOD "map \"m\" { }\n", ":2: expected {" },
        { "two titles", GOOD "user a b { }\n", ":2: expected {" },
        { "another case", GOOD "User \"a\" { }\n", ":2: no such block 'User'" },
        { "no comma in a list", GOOD "user a {\n sub = {\"a\" \"b\"} }\n", ":3: expected , or } in a list" },
        { "a quoted name, the second time", "tenant \"t\" {\n leeway = 1\n \"leeway\" = 300 }\n",
          ":3: the name of an option" },
        { "appending to a list", GOOD "user a {\n sub += {\"x\"} }\n", ":3: the character '+'" },
        { "a comment without an end", GOOD "\n/* user a { }\n\n", ":3: a comment has no end" },
        { "a comment that begins and does not end with its slash", GOOD "/*/ user a { }\n",
          ":2: a comment has no end" },
        { "a string continued by a backslash", GOOD "user a { sub = {'x\\\ny'} }\n", ":2: a string has no end" },
        { "a string that is not UTF-8", GOOD "user a { sub = {\"\xe9\"} }\n", ":2: a string is not UTF-8" },
        { "an overlong form", GOOD "user a { sub = {\"\xc0\xaf\"} }\n", ":2: a string is not UTF-8" },
        { "a byte order mark", "\xef\xbb\xbf" GOOD, ":1: the character" },
        { "a tab in a string", GOOD "user a {\n sub = {\"a\tb\"} }\n", ":3: user \"a\": sub: " },
        { "a number that could be octal", "tenant \"t\" { url = \"https://a\"\n leeway = 010 }\n", ":2: tenant \"t\"" },
        { "a hexadecimal number", "tenant \"t\" { url = \"https://a\"\n leeway = 0x10 }\n",
          ":2: tenant \"t\": leeway:" },
        { "an empty number", "tenant \"t\" { url = \"https://a\"\n leeway = \"\" }\n", ":2: tenant \"t\": leeway:" },
        { "a number in the place of a boolean", GOOD "user a {\n api_key = 1 }\n", ":3: user \"a\": api_key:" },
        { "a boolean in upper case", GOOD "group a {\n session = TRUE }\n", ":3: group \"a\": session:" },
        { "a path from the home directory", "tenant \"t\" { url = \"https://a\"\n keys = \"~/k\" }\n",
          ":2: tenant \"t\": keys:" },
        { "a host that is a port", "tenant \"t\" {\n url = \"https://:1\" }\n", ":2: tenant \"t\": url:" },
        { "an empty service", GOOD "service \"\" { }\n", ":2: service \"\"" },
        { "a relative ca_file", "tenant \"t\" { url = \"https://a\"\n ca_file = \"ca.pem\" }\n",
          ":2: tenant \"t\": ca_file:" },
        { "an empty ca_file", "tenant \"t\" { url = \"https://a\"\n ca_file = \"\" }\n", ":2: tenant \"t\": ca_file:" },
        { "API keys of no character", "tenant \"t\" { url = \"https://a\"\n api_key_characters = \"\" }\n",
          ":2: tenant \"t\": api_key_characters: it is empty" },
        { "API keys with blanks", "tenant \"t\" { url = \"https://a\"\n api_key_characters = \"ab c\" }\n",
          ":2: tenant \"t\": api_key_characters:" },
        { "API keys with a tab", "tenant \"t\" { url = \"https://a\"\n api_key_characters = \"ab\tc\" }\n",
          ":2: tenant \"t\": api_key_characters:" },
        { "API keys beyond ASCII", "tenant \"t\" { url = \"https://a\"\n api_key_characters = \"ab\xc3\xa4\" }\n",
          ":2: tenant \"t\": api_key_characters:" },
        { "API keys with a quotation mark, which a JSON text would have to escape",
          "tenant \"t\" { url = \"https://a\"\n api_key_characters = 'ab\"' }\n",
          ":2: tenant \"t\": api_key_characters:" },
        { "API keys with a backslash", "tenant \"t\" { url = \"https://a\"\n api_key_characters = 'ab\\\\' }\n",
          ":2: tenant \"t\": api_key_characters:" },
        { "API keys of no length", "tenant \"t\" { url = \"https://a\"\n api_key_min = 0 }\n",
          ":2: tenant \"t\": api_key_min: 0 is not from 1 to 1024" },
        { "API keys of more than 1024 bytes", "tenant \"t\" { url = \"https://a\"\n api_key_max = 1025 }\n",
          ":2: tenant \"t\": api_key_max: 1025 is not from 1 to 1024" },
        { "the shortest API key is longer than the longest",
          "tenant \"t\" { url = \"https://a\"\n api_key_min = 33 api_key_max = 32 }\n",
          ":2: tenant \"t\": api_key_min: api_key_min is above" },
        { "the longest API key is shorter than the usual shortest",
          "tenant \"t\" { url = \"https://a\"\n api_key_max = 15 }\n",
          ":2: tenant \"t\": api_key_max: api_key_min is above" },
        { "the shortest API key is longer than the usual longest",
          "tenant \"t\" { url = \"https://a\"\n api_key_min = 513 }\n",
          ":2: tenant \"t\": api_key_min: api_key_min is above" },
        { "a word for a length", "tenant \"t\" { url = \"https://a\"\n api_key_min = long }\n",
          ":2: tenant \"t\": api_key_min: " },
        { "a negative length", "tenant \"t\" { url = \"https://a\"\n api_key_max = -1 }\n",
          ":2: tenant \"t\": api_key_max: " },
        { "an API key for nobody", GOOD "user \"a\" {\n api_key = true }\n",
          ":3: user \"a\": api_key: it needs exactly one sub" },
        { "an API key for an empty list", GOOD "user \"a\" {\n sub = {} api_key = true }\n",
          ":3: user \"a\": api_key: it needs exactly one sub" },
        { "an API key for two subjects", GOOD "user \"a\" {\n sub = {\"s1\", \"s2\"}\n api_key = true }\n",
          ":4: user \"a\": api_key: it needs exactly one sub" },
        { "an API key and no tenant with a url",
          "tenant \"t\" { " PLAIN " }\n"
          "user \"a\" {\n sub = {\"s\"} api_key = true }\n",
          ":3: user \"a\": api_key: it needs exactly one tenant" },
        { "a user for none of two tenants", GOOD TENANT "user \"a\" {\n sub = {\"s\"} }\n",
          ":3: user \"a\": tenant: with 2 tenants the block must name those whose tokens it is for: add tenant = "
          "{\"t1\"}, or other ids" },
        { "a user of an empty list of two", GOOD TENANT "user \"a\" {\n sub = {\"s\"}\n tenant = {} }\n",
          ":5: user \"a\": tenant: with 2 tenants the block must name" },
        { "a user whom nobody is, for none of two", GOOD TENANT "user \"a\" { }\n",
          ":3: user \"a\": tenant: with 2 tenants the block must name" },
        { "a map for none of two", GOOD TENANT "\nmap { claim = \"c\" pattern = \"^(a)$\" }\n",
          ":4: map: tenant: with 2 tenants the block must name" },
        { "a group for none of two", GOOD TENANT "group \"g\" {\n claim = {\"x\"} }\n",
          ":3: group \"g\": tenant: with 2 tenants the block must name" },
        { "an API key and two tenants that are named",
          GOOD TENANT "user \"a\" {\n tenant = {\"t1\", \"t\"} sub = {\"s\"} api_key = true }\n",
          ":4: user \"a\": api_key: it needs exactly one tenant" },
        { "an API key and a tenant that is named and has no url",
          GOOD "tenant \"p\" { " PLAIN " }\n"
               "user \"a\" {\n tenant = {\"p\"} sub = {\"s\"} api_key = true }\n",
          ":4: user \"a\": api_key: it needs exactly one tenant" },
        { "the former name of the block of latchkeyd", GOOD "broker { timeout = 1 }\n",
          ":2: the block \"broker\" is now named \"latchkeyd\"" },
        { "an unknown option of latchkeyd", GOOD "latchkeyd {\n port = 1 }\n", ":3: no such option 'port'" },
        { "a second latchkeyd block", GOOD "latchkeyd { }\nlatchkeyd { }\n", ":3: more than 1 latchkeyd block" },
        { "a title for latchkeyd", GOOD "latchkeyd \"b\" { }\n", ":2: expected {" },
        { "a relative socket", GOOD "latchkeyd {\n socket = {\"latchkeyd.sock\"} }\n",
          ":3: latchkeyd: socket: \"latchkeyd.sock\" is not an absolute path" },
        { "a relative socket behind a good one", GOOD "latchkeyd {\n socket = {\"/a\", \"b\"} }\n",
          ":3: latchkeyd: socket: \"b\"" },
        { "an empty socket", GOOD "latchkeyd {\n socket = {\"\"} }\n", ":3: latchkeyd: socket: an empty string" },
        { "a relative program", GOOD "latchkeyd {\n program = \"latchkeyd\" }\n",
          ":3: latchkeyd: program: \"latchkeyd\" is not an absolute path" },
        { "an empty user", GOOD "latchkeyd {\n user = \"\" }\n", ":3: latchkeyd: user: it is empty" },
        { "an allowed user with a colon", GOOD "latchkeyd {\n allow = {\"a:b\"} }\n", ":3: latchkeyd: allow: \"a:b\"" },
        { "an allowed group without a name", GOOD "latchkeyd {\n allow = {\"@\"} }\n", ":3: latchkeyd: allow: \"@\"" },
        { "an allowed group behind two marks", GOOD "latchkeyd {\n allow = {\"@@wheel\"} }\n",
          ":3: latchkeyd: allow: \"@@wheel\"" },
        { "an allowed user who is a number", GOOD "latchkeyd {\n allow = {\"root\", \"1000\"} }\n",
          ":3: latchkeyd: allow: \"1000\"" },
        { "an allowed user without a name", GOOD "latchkeyd {\n allow = {\"\"} }\n",
          ":3: latchkeyd: allow: an empty string" },
        { "a timeout of 0", GOOD "latchkeyd {\n timeout = 0 }\n", ":3: latchkeyd: timeout: 0 is not from 1 to 60" },
        { "a timeout of 61", GOOD "latchkeyd {\n timeout = 61 }\n", ":3: latchkeyd: timeout: 61 is not from 1 to 60" },
        { "a timeout that is no number", GOOD "latchkeyd {\n timeout = 1m }\n",
          ":3: latchkeyd: timeout: \"1m\" is not a decimal number" },
        { "a timeout twice", GOOD "latchkeyd {\n timeout = 60\n timeout = 60 }\n",
          ":4: timeout is set twice in one block" },
        { "a api_key_cache of 3601", GOOD "latchkeyd {\n api_key_cache = 3601 }\n",
          ":3: latchkeyd: api_key_cache: 3601 is not from 0 to 3600" },
        { "a api_key_cache that is no number", GOOD "latchkeyd {\n api_key_cache = 1m }\n",
          ":3: latchkeyd: api_key_cache: \"1m\" is not a decimal number" },
        { "a api_key_cache twice", GOOD "latchkeyd {\n api_key_cache = 60\n api_key_cache = 60 }\n",
          ":4: api_key_cache is set twice in one block" },
        { "a peer_rate of 0", GOOD "latchkeyd {\n peer_rate = 0 }\n",
          ":3: latchkeyd: peer_rate: 0 is not from 1 to 100000" },
        { "a peer_rate of 100001", GOOD "latchkeyd {\n peer_rate = 100001 }\n",
          ":3: latchkeyd: peer_rate: 100001 is not from 1 to 100000" },
        { "a peer_rate that is no number", GOOD "latchkeyd {\n peer_rate = 1m }\n",
          ":3: latchkeyd: peer_rate: \"1m\" is not a decimal number" },
        { "a peer_rate twice", GOOD "latchkeyd {\n peer_rate = 60\n peer_rate = 60 }\n",
          ":4: peer_rate is set twice in one block" },
        { "a rate of 0", GOOD "latchkeyd {\n rate = 0 }\n", ":3: latchkeyd: rate: 0 is not from 1 to 100000" },
        { "a rate of 100001", GOOD "latchkeyd {\n rate = 100001 }\n",
          ":3: latchkeyd: rate: 100001 is not from 1 to 100000" },
        { "a rate that is no number", GOOD "latchkeyd {\n rate = 1m }\n",
          ":3: latchkeyd: rate: \"1m\" is not a decimal number" },
        { "a rate twice", GOOD "latchkeyd {\n rate = 60\n rate = 60 }\n", ":4: rate is set twice in one block" },
        { "a refresh of 59", GOOD "latchkeyd {\n refresh = 59 }\n",
          ":3: latchkeyd: refresh: 59 is not from 60 to 604800" },
        { "a refresh of 604801", GOOD "latchkeyd {\n refresh = 604801 }\n",
          ":3: latchkeyd: refresh: 604801 is not from 60 to 604800" },
        { "a refresh that is no number", GOOD "latchkeyd {\n refresh = 1m }\n",
          ":3: latchkeyd: refresh: \"1m\" is not a decimal number" },
        { "a refresh twice", GOOD "latchkeyd {\n refresh = 60\n refresh = 60 }\n",
          ":4: refresh is set twice in one block" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const struct config *config = NULL;
        struct verdict verdict = VERDICT_INIT;
        char where[256];

        ROW(cases[i].name);
        write_config(cases[i].text);
        if (config_acquire(&verdict, in_directory("latchkey.conf"), &config))
            fail_msg("it was accepted");
        assert_int_equal(verdict.reason, REASON_CONFIG_INVALID);
        snprintf(where, sizeof where, "%s%s", cases[i].where[0] == ':' ? in_directory("latchkey.conf") : "",
                 cases[i].where);
        if (strstr(verdict.evidence, where) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", verdict.evidence, where);
        assert_null(config);
    }
}

static void a_nul_byte_is_refused(void **state)
{
    const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;

    (void)state;
    write_bytes("latchkey.conf", LITERAL("tenant \"t\" { url = \"https://a\" }\n\0user \"a\" {}\n"), 0644);
    assert_false(config_acquire(&verdict, in_directory("latchkey.conf"), &config));
    assert_non_null(strstr(verdict.evidence, ":2: a NUL byte"));
}

/* Rule 28. */
/* All that a host shares with what it loads: locale, umask, environment. */
static char *shared_state(void)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    mode_t mask = umask(0);
    char **variable;

    umask(mask);
    assert_non_null(out);
    fprintf(out, "%s %04o\n", setlocale(LC_ALL, NULL), (unsigned)mask);
    for (variable = environ; *variable != NULL; variable++)
        fprintf(out, "%s\n", *variable);
    fclose(out);
    return text;
}

static void rule_28_the_environment_and_the_locale_have_no_say(void **state)
{
    static const char *const locales[] = { "C.utf8", "xx_YY.bogus" };
    const struct config *config;
    size_t i;

    (void)state;
    setenv("HOME", "/nowhere", 1);
    write_config(GOOD "user \"a\" { sub = {\"~/x\", \"$HOME\", \"$(id)\"} }\n");
    for (i = 0; i < COUNT(locales); i++) {
        char *before, *after;

        ROW(locales[i]);
        setenv("LC_ALL", locales[i], 1);
        setenv("LANG", locales[i], 1);
        before = shared_state();
        config = acquire();
        assert_string_equal(config->identity.users[0].subjects.items[0], "~/x");
        assert_string_equal(config->identity.users[0].subjects.items[1], "$HOME");
        assert_string_equal(config->identity.users[0].subjects.items[2], "$(id)");
        config_release(&config);
        after = shared_state();
        assert_string_equal(after, before);
        free(before);
        free(after);
    }
    unsetenv("LC_ALL");
    unsetenv("LANG");
}

static void rule_30_a_configuration_that_others_can_write_is_refused(void **state)
{
    static const struct {
        mode_t mode;
        bool ok;
    } cases[] = { { 0644, true }, { 0600, true }, { 0664, false }, { 0646, false }, { 0666, false } };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const struct config *config = NULL;
        struct verdict verdict = VERDICT_INIT;

        write_config(GOOD);
        assert_int_equal(chmod(in_directory("latchkey.conf"), cases[i].mode), 0);
        assert_int_equal(config_acquire(&verdict, in_directory("latchkey.conf"), &config), cases[i].ok);
        assert_int_equal(verdict.reason, cases[i].ok ? REASON_UNDECIDED : REASON_CONFIG_INVALID);
        config_release(&config);
    }
}

static void a_missing_configuration_is_refused_and_noticed_when_it_comes(void **state)
{
    const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;

    (void)state;
    unlink(in_directory("latchkey.conf"));
    assert_false(config_acquire(&verdict, in_directory("latchkey.conf"), &config));
    assert_int_equal(verdict.reason, REASON_CONFIG_INVALID);
    assert_non_null(strstr(verdict.evidence, in_directory("latchkey.conf")));
    write_config(GOOD);
    config = acquire();
    config_release(&config);
}

static void a_key_set_that_cannot_be_used_closes_its_own_tenant_only(void **state)
{
    static const struct {
        const char *name, *content;
        mode_t mode;
        enum reason reason;
    } cases[] = {
        { "absent", NULL, 0, REASON_JWKS_UNAVAILABLE },
        { "writable by others", "{\"keys\":[]}", 0666, REASON_JWKS_UNAVAILABLE },
        { "empty file", "", 0644, REASON_JWKS_INVALID },
        { "no keys", "{\"keys\":[]}", 0644, REASON_JWKS_INVALID },
        { "no JSON", "keys", 0644, REASON_JWKS_INVALID },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const struct config *config;

        ROW(cases[i].name);
        if (cases[i].content != NULL)
            write_bytes("other", slice_of(cases[i].content), cases[i].mode);
        else
            unlink(in_directory("other"));
        write_config(GOOD "tenant \"t2\" { url = \"https://b.example.com\" keys = \"@/other\" }\n");
        config = acquire();
        assert_non_null(config->tenants[0].jwks);
        assert_null(config->tenants[1].jwks);
        assert_int_equal(config->tenants[1].keys_failure.reason, cases[i].reason);
        assert_non_null(strstr(config->tenants[1].keys_failure.evidence, in_directory("other")));
        config_release(&config);
    }
}

static void rule_06_the_secret_is_at_least_as_long_as_the_hash(void **state)
{
    static const struct {
        const char *name, *content, *algorithms;
        mode_t mode;
        const char *type; /* NULL: not usable */
    } cases[] = {
        { "32 bytes for HS256", "0123456789abcdef0123456789abcdef", "\"HS256\"", 0600, "HMAC 32" },
        { "a final newline is not part of it", "0123456789abcdef0123456789abcdef\n", "\"HS256\"", 0600, "HMAC 32" },
        { "a second newline is", "0123456789abcdef0123456789abcdef\n\n", "\"HS256\"", 0600, "HMAC 33" },
        { "31 bytes", "0123456789abcdef0123456789abcde\n", "\"HS256\"", 0600, NULL },
        { "32 bytes for HS512 alone", "0123456789abcdef0123456789abcdef", "\"HS512\"", 0600, NULL },
        { "base64url", "base64url:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\n", "\"HS256\"", 0600, "HMAC 32" },
        { "padded base64url", "base64url:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n", "\"HS256\"", 0600, NULL },
        { "readable by others", "0123456789abcdef0123456789abcdef", "\"HS256\"", 0604, NULL },
        { "readable by the group", "0123456789abcdef0123456789abcdef", "\"HS256\"", 0640, NULL },
        { "an empty file", "", "\"HS256\"", 0600, NULL },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const struct config *config;
        char text[512];

        ROW(cases[i].name);
        write_bytes("secret", slice_of(cases[i].content), cases[i].mode);
        snprintf(text, sizeof text,
                 "tenant \"t\" { url = \"https://a\" hmac_secret_file = \"@/secret\" algorithms = {%s} }\n",
                 cases[i].algorithms);
        write_config(text);
        config = acquire();
        if (cases[i].type != NULL)
            assert_string_equal(jwks_type(config->tenants[0].jwks, 0), cases[i].type);
        else
            assert_null(config->tenants[0].jwks);
        config_release(&config);
    }
}

static void rule_19_a_list_that_cannot_be_used_is_a_failure(void **state)
{
    static const struct {
        const char *name, *content;
        mode_t mode;
        bool ok;
    } cases[] = {
        { "a good one", "sub s\n", 0644, true },          { "an empty one", "", 0644, true },
        { "absent though configured", NULL, 0, false },   { "writable by others", "sub s\n", 0666, false },
        { "not understood", "subject s\n", 0644, false },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const struct config *config;

        ROW(cases[i].name);
        unlink(in_directory("revoked"));
        if (cases[i].content != NULL)
            write_bytes("revoked", slice_of(cases[i].content), cases[i].mode);
        write_config("revocation_list = \"@/revoked\"\n" GOOD);
        config = acquire();
        assert_int_equal(config->revocation_failure.reason,
                         cases[i].ok ? REASON_UNDECIDED : REASON_REVOCATION_UNAVAILABLE);
        config_release(&config);
    }
}

/* "x" repeated between two texts. */
static char *stretched(const char *before, const char *part, size_t times, const char *after)
{
    size_t len = strlen(part), i;
    char *text = malloc(strlen(before) + times * len + strlen(after) + 1), *end;

    assert_non_null(text);
    end = stpcpy(text, before);
    for (i = 0; i < times; i++)
        end = stpcpy(end, part);
    strcpy(end, after);
    return text;
}

/* What stands in the way of the file `name`, which may be the configuration itself. */
static enum reason failure_of(const char *name, const char *path)
{
    const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;

    if (config_acquire(&verdict, path, &config)) {
        verdict = strcmp(name, "revoked") == 0 ? config->revocation_failure
            : strcmp(name, "secret") == 0      ? config->tenants[1].keys_failure
                                               : config->tenants[0].keys_failure;
        config_release(&config);
    }
    return verdict.reason;
}

/* ulimit(1) before su(1) must not do what a missing file does: stacks go on when a file is unavailable. */
static void rule_32_what_is_short_is_neither_a_fault_of_a_file_nor_kept(void **state)
{
    static const char *const names[] = { "latchkey.conf", "keys", "secret", "revoked" };
    static const struct {
        int cause;
        enum reason want;
    } causes[] = {
        { ENOMEM, REASON_OUT_OF_MEMORY },
        { EMFILE, REASON_SYSTEM_ERROR },
        { ENFILE, REASON_SYSTEM_ERROR },
        { EIO, REASON_SYSTEM_ERROR },
    };
    char other[128], path[160]; /* another spelling each time, which was not read yet */
    size_t i, j;

    (void)state;
    strcpy(other, directory);
    write_bytes("revoked", slice_of("sub s\n"), 0644);
    write_bytes("secret", slice_of("0123456789abcdef0123456789abcdef"), 0600);
    write_config("revocation_list = \"@/revoked\"\n" GOOD "tenant \"t2\" { issuer = \"https://i.example.com\" "
                 "audience = {\"a\"} hmac_secret_file = \"@/secret\" algorithms = {\"HS256\"} "
                 "tenant_claim = \"\" }\n");
    fate.is_later = true; /* the files have settled */
    for (i = 0; i < COUNT(names); i++)
        for (j = 0; j < COUNT(causes); j++) {
            ROW(names[i]);
            strcat(strcpy(path, other), "/latchkey.conf");
            strcat(other, "/.");
            unopenable.name = names[i];
            unopenable.cause = causes[j].cause;
            assert_int_equal(failure_of(names[i], path), causes[j].want);
            unopenable.name = NULL;
            assert_int_equal(failure_of(names[i], path), REASON_UNDECIDED);
        }
    fate.is_later = false;
}

#if !defined __SANITIZE_ADDRESS__ /* which needs an address space without a limit */
/* In a child of its own: 0 when the list asks for more than is left, and is read once there is enough. */
static int status_with_short_memory(void)
{
    const long page = sysconf(_SC_PAGESIZE);
    const char *path = in_directory("latchkey.conf");
    struct rlimit limit;
    unsigned long pages;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL || fscanf(file, "%lu", &pages) != 1 || fclose(file) != 0 || getrlimit(RLIMIT_AS, &limit) != 0
        || setrlimit(RLIMIT_AS, &(struct rlimit){ pages * (rlim_t)page + (1U << 20), limit.rlim_max }) != 0)
        return 2;
    if (failure_of("revoked", path) != REASON_OUT_OF_MEMORY)
        return 3;
    return setrlimit(RLIMIT_AS, &limit) == 0 && failure_of("revoked", path) == REASON_UNDECIDED ? 0 : 4;
}

static void rule_32_short_memory_does_not_make_the_list_vanish(void **state)
{
    char *text = stretched("# ", "x", REVOCATION_MAX_LEN - 3, "\n");
    int status;
    pid_t child;

    (void)state;
    write_bytes("revoked", slice_of(text), 0644);
    free(text);
    write_config("revocation_list = \"@/revoked\"\n" GOOD);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(status_with_short_memory());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}
#endif

static void a_changed_file_gives_a_new_snapshot_and_the_old_one_lives_on(void **state)
{
    const struct config *before, *after;

    (void)state;
    write_config("revocation_list = \"@/revoked\"\n" GOOD);
    write_bytes("revoked", slice_of("sub a\n"), 0644);
    before = acquire();
    write_bytes("revoked", slice_of("sub a\nsub b\n"), 0644);
    after = acquire();
    assert_int_equal(revocation_count(before->revocation), 1);
    assert_int_equal(revocation_count(after->revocation), 2);
    config_release(&after);
    write_bytes("revoked", slice_of("sub a\nsub c\n"), 0644); /* as long as before */
    after = acquire();
    {
        struct verdict verdict = VERDICT_INIT;

        assert_false(revocation_check_subject(&verdict, after->revocation, slice_of("c")));
    }
    config_release(&after);
    write_config("nonsense");
    {
        struct verdict verdict = VERDICT_INIT;

        assert_false(config_acquire(&verdict, in_directory("latchkey.conf"), &after));
    }
    assert_string_equal(before->tenants[0].id, "t1");
    config_release(&before);
}

/* Each login of a big host would read everything again whenever one tenant's keys are refreshed. */
static void what_changed_is_read_by_itself(void **state)
{
    static const struct {
        const char *changed, *content, *want;
    } cases[] = {
        { "revoked", "sub a\nsub b\n", "revoked " },
        { "other", NULL, "other " },
        { "secret", "0123456789abcdef0123456789abcdeg", "secret " },
        { "latchkey.conf", NULL, "latchkey.conf keys other secret revoked " },
    };
    const struct config *before, *after;
    size_t i;

    (void)state;
    write_bytes("other", slice_of(key_set), 0644);
    write_bytes("revoked", slice_of("sub a\n"), 0644);
    write_bytes("secret", slice_of("0123456789abcdef0123456789abcdef"), 0600);
    for (i = 0; i < COUNT(cases); i++) {
        const bool is_text = strcmp(cases[i].changed, "latchkey.conf") == 0;

        ROW(cases[i].changed);
        if (i == 0 || is_text)
            write_config("revocation_list = \"@/revoked\"\n" GOOD
                         "tenant \"t2\" { url = \"https://b.example.com\" keys = \"@/other\" }\n"
                         "tenant \"t3\" { url = \"https://c.example.com\" hmac_secret_file = \"@/secret\" }\n"
                         "user \"a\" { tenant = {\"t1\"} sub = {\"s\"} }\n");
        fate.is_later = true; /* the files have settled */
        before = acquire();
        if (is_text)
            assert_int_equal(utimensat(AT_FDCWD, in_directory("latchkey.conf"), NULL, 0), 0);
        else
            write_bytes(cases[i].changed, slice_of(cases[i].content != NULL ? cases[i].content : key_set),
                        strcmp(cases[i].changed, "secret") == 0 ? 0600 : 0644);
        opened[0] = '\0';
        after = acquire();
        assert_string_equal(opened, cases[i].want);
        assert_ptr_not_equal(before, after);
        assert_int_equal(before->identity.users == after->identity.users, !is_text);
        assert_int_equal(before->tenants[0].jwks == after->tenants[0].jwks, !is_text);
        assert_int_equal(before->tenants[1].jwks == after->tenants[1].jwks, i == 0 || i == 2);
        assert_int_equal(before->tenants[2].jwks == after->tenants[2].jwks, i < 2);
        assert_int_equal(before->revocation == after->revocation, i == 1 || i == 2);
        config_release(&before);
        ROW("and what is shared lives on when the former snapshot has gone");
        assert_string_equal(after->tenants[0].id, "t1");
        assert_non_null(identity_user_block(&after->identity, "a"));
        assert_int_equal(revocation_count(after->revocation), 2);
        config_release(&after);
    }
    fate.is_later = false;
}

static void lines_of_blocks_and_options_are_known(void **state)
{
    struct verdict verdict = VERDICT_INIT;
    struct config config;

    (void)state;
    assert_true(
        config_file_parse(&verdict, "/c",
                          LITERAL("revocation_list = '/r' tenant\n t {\n url = 'https://a' keys =\n\n'/k' }\n"
                                  "/*\n*/ user a {} user b { sub = s\n api_key = true }\nmap { claim = c pattern "
                                  "= '^(a)$' }"),
                          &config));
    assert_int_equal(config_line(&config, BLOCK_TOP, NULL, "revocation_list"), 1);
    assert_int_equal(config_line(&config, BLOCK_TENANT, "t", NULL), 1);
    assert_int_equal(config_line(&config, BLOCK_TENANT, "t", "url"), 3);
    assert_int_equal(config_line(&config, BLOCK_TENANT, "t", "keys"), 3);
    assert_int_equal(config_line(&config, BLOCK_TENANT, "t", "leeway"), 1);
    assert_int_equal(config_line(&config, BLOCK_USER, "a", "sub"), 7);
    assert_int_equal(config_line(&config, BLOCK_USER, "b", "sub"), 7);
    assert_int_equal(config_line(&config, BLOCK_USER, "b", "api_key"), 8);
    assert_int_equal(config_line(&config, BLOCK_MAP, NULL, "pattern"), 9);
    assert_int_equal(config_line(&config, BLOCK_USER, "c", NULL), 0);
    assert_int_equal(config_line(&config, BLOCK_LATCHKEYD, NULL, NULL), 0);
    config_file_clear(&config);
}

static void an_unchanged_configuration_is_read_once(void **state)
{
    const struct config *first, *second;
    struct verdict verdict = VERDICT_INIT;
    struct rlimit limit;
    char alias[128];

    (void)state;
    snprintf(alias, sizeof alias, "%s/./latchkey.conf", directory);
    write_config(GOOD);
    fate.is_later = true; /* the files have settled */
    first = acquire();
    second = acquire();
    assert_ptr_equal(first, second);
    config_release(&first);
    config_release(&second);
    ROW("what failed in passing is tried again, though no file changes");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 3, limit.rlim_max }), 0);
    assert_false(config_acquire(&verdict, alias, &first));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_non_null(strstr(verdict.evidence, "cannot be opened"));
    verdict = VERDICT_INIT;
    assert_true(config_acquire(&verdict, alias, &first));
    config_release(&first);
    ROW("what changed just now may change again within the same tick of the clock");
    fate.is_later = false;
    write_config(GOOD);
    first = acquire();
    second = acquire();
    assert_ptr_not_equal(first, second);
    config_release(&first);
    config_release(&second);
}

static void several_paths_stand_side_by_side(void **state)
{
    const struct config *configs[12];
    char name[32], text[256];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(configs); i++) {
        struct verdict verdict = VERDICT_INIT;

        snprintf(name, sizeof name, "conf-%zu", i);
        snprintf(text, sizeof text, "tenant \"n%zu\" { url = \"https://a\" }\n", i);
        write_bytes(name, slice_of(text), 0644);
        assert_true(config_acquire(&verdict, in_directory(name), &configs[i]));
    }
    for (i = 0; i < COUNT(configs); i++) {
        snprintf(name, sizeof name, "n%zu", i);
        assert_string_equal(configs[i]->tenants[0].id, name);
        config_release(&configs[i]);
        snprintf(name, sizeof name, "conf-%zu", i);
        unlink(in_directory(name));
    }
}

static void strings_have_limits(void **state)
{
    static const struct {
        const char *name, *before, *after;
        size_t limit;
        const char *want;
    } cases[] = {
        { "a tenant's id", "tenant \"", "\" { url = \"https://a\" }", 127, "/c:1: tenant \"" },
        { "any string", "tenant \"t\" { url = \"https://a\"\n issuer = \"", "\" }", 1024,
          "/c:2: tenant \"t\": issuer: " },
        { "a subject", TENANT "user a {\n sub = {\"", "\"} }", 256, "/c:3: user \"a\": sub: " },
        { "a user's name", TENANT "user \"", "\" { }", 32, "/c:2: user \"" },
        { "a group's name", TENANT "group \"", "\" { }", 32, "/c:2: group \"" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        char *text = stretched(cases[i].before, "x", cases[i].limit, cases[i].after);

        ROW(cases[i].name);
        assert_string_equal(refusal_of(slice_of(text)), "");
        free(text);
        text = stretched(cases[i].before, "x", cases[i].limit + 1, cases[i].after);
        assert_refused("and one byte more", slice_of(text), cases[i].want);
        free(text);
    }
}

/* `count` blocks with titles of their own. */
static char *numbered(const char *before, const char *block, size_t count, const char *content)
{
    char *text = malloc(strlen(before) + count * (strlen(block) + strlen(content) + 16) + 1), *end;
    size_t i;

    assert_non_null(text);
    end = stpcpy(text, before);
    for (i = 0; i < count; i++)
        end += sprintf(end, "%s x%zu %s\n", block, i, content);
    return text;
}

static void blocks_have_limits(void **state)
{
    static const struct {
        const char *name, *before, *block, *content;
        size_t limit;
        const char *want;
    } cases[] = {
        { "tenants", "", "tenant", "{ url = \"https://a\" }", CONFIG_TENANTS_MAX, "/c:65: more than 64 tenant blocks" },
        { "groups", TENANT, "group", "{}", IDENTITY_GROUPS_MAX, "/c:258: more than 256 group blocks" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        char *text = numbered(cases[i].before, cases[i].block, cases[i].limit, cases[i].content);

        ROW(cases[i].name);
        assert_string_equal(refusal_of(slice_of(text)), "");
        free(text);
        text = numbered(cases[i].before, cases[i].block, cases[i].limit + 1, cases[i].content);
        assert_refused("and one more", slice_of(text), cases[i].want);
        free(text);
    }
}

static void comments_are_skipped_and_their_lines_counted(void **state)
{
    static const struct {
        const char *name, *comment;
        unsigned lines;
    } cases[] = {
        { "none", "", 0 },
        { "an empty one", "#\n", 1 },
        { "slashes", "// x\n", 1 },
        { "slashes without a blank", "//x\n", 1 },
        { "many marks", "####### x\n/////// y\n", 2 },
        { "quotes in a comment", "# it's \"\n", 1 },
        { "a block on one line", "/* x */", 0 },
        { "a block over lines", "/* x\n * y\n **/\n", 3 },
        { "stars and slashes", "/***//**/ /* // # */\n", 1 },
        { "an expansion in a comment", "# ${HOME}\n/* ${HOME} */\n", 2 },
        { "bytes that are no text", "# \xff\xfe\x01\n", 1 },
        { "a comment after a word", "user a# x\n{}\n", 2 },
    };
    char text[256], want[64];
    size_t i, len;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        snprintf(text, sizeof text, "%s" TENANT, cases[i].comment);
        ROW(cases[i].name);
        assert_string_equal(refusal_of(slice_of(text)), "");
        snprintf(text, sizeof text, "%snonsense = 1\n", cases[i].comment);
        snprintf(want, sizeof want, "/c:%u: no such option 'nonsense'", cases[i].lines + 1);
        assert_refused("an error of the grammar after it", slice_of(text), want);
        snprintf(text, sizeof text, "%stenant \"t\" { url = \"x\" }\n", cases[i].comment);
        snprintf(want, sizeof want, "/c:%u: tenant \"t\": url: ", cases[i].lines + 1);
        assert_refused("an error of the content after it", slice_of(text), want);
    }
    ROW("of any length");
    for (len = 0; len < 140; len++) {
        snprintf(
            text, sizeof text, "#%.*s\n" TENANT, (int)len,
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        assert_string_equal(refusal_of(slice_of(text)), "");
    }
}

static void what_stands_on_this_side_of_a_limit_is_accepted(void **state)
{
    static const struct {
        const char *name, *text;
    } cases[] = {
        { "root as a group without session", TENANT "group root { }" },
        { "a max_age of 1", TENANT "service s { max_age = 1 }" },
        { "a max_age of ten years", TENANT "service s { max_age = 316224000 }" },
        { "a keys_max_age of a minute", "tenant \"t\" { url = \"https://a\" keys_max_age = 60 }" },
        { "a keys_max_age of ten years", "tenant \"t\" { url = \"https://a\" keys_max_age = 316224000 }" },
        { "a leeway of 300", "tenant \"t\" { url = \"https://a\" leeway = 300 }" },
        { "a leeway in quotes", "tenant \"t\" { url = \"https://a\" leeway = \"30\" }" },
        { "one subject in two blocks", TENANT "user a { sub = {\"s\"} }\nuser b { sub = {\"s\"} }" },
        { "two issuers",
          "tenant \"a\" { issuer = \"i\" keys = \"/k\" tenant_claim = \"\" }\n"
          "tenant \"b\" { issuer = \"j\" keys = \"/k\" tenant_claim = \"\" }" },
        { "one issuer, told apart by a claim",
          "tenant \"a\" { issuer = \"i\" keys = \"/k\" }\n"
          "tenant \"b\" { issuer = \"i\" keys = \"/k\" }" },
        { "a user and a group of one name", TENANT "user a {}\ngroup a {}\nservice a {}" },
        { "an option in two blocks", TENANT "user a { sub = {} }\nuser b { sub = {} }" },
        { "no line end", TENANT "user a {}" },
        { "line ends of another system", "tenant \"t\" {\r\n url = \"https://a\"\r\n}\r\n" },
        { "an escaped backslash before the anchor", TENANT "map { claim = \"c\" pattern = '^(a)\\\\\\\\$' }" },
        { "a list of one without braces", TENANT "user a { sub = \"s\" }" },
        { "a comma behind the last value of a list", TENANT "user a { sub = { \"s\", # one\n } }" },
        { "no blanks", "tenant't'{url='https://a'leeway=30}user'a'{sub={'s','t'}api_key=false}" },
        { "a dollar without a brace, and a brace without a dollar",
          TENANT "user a { sub = {\"$x\", \"$ {x}\", \"{$}\"} }" },
        { "API keys of one byte and one character",
          "tenant \"t\" { url = \"https://a\" api_key_characters = \"a\" api_key_min = 1 api_key_max = 1 }" },
        { "API keys of 1024 bytes", "tenant \"t\" { url = \"https://a\" api_key_min = 1024 api_key_max = 1024 }" },
        { "API keys without a url are of no use, and of no harm",
          "tenant \"t\" { issuer = \"i\" keys = \"/k\" tenant_claim = \"\" api_key_min = 20 }" },
        { "one tenant with a url, and one without",
          "tenant \"p\" { issuer = \"i\" keys = \"/k\" tenant_claim = \"\" }\n" TENANT
          "user a { tenant = {\"p\", \"t\"} sub = {\"s\"} api_key = true }" },
        { "two tenants with a url, of which one is named",
          "tenant \"u\" { url = \"https://a\" }\n" TENANT "user a { tenant = {\"t\"} sub = {\"s\"} api_key = true }" },
        { "two tenants with a url, and nobody has an API key",
          "tenant \"u\" { url = \"https://a\" }\n" TENANT
          "user a { tenant = {\"t\", \"u\"} sub = {\"s\"} api_key = false }" },
        { "an empty latchkeyd block", TENANT "latchkeyd { }" },
        { "the least of latchkeyd",
          TENANT "latchkeyd { timeout = 1 api_key_cache = 0 peer_rate = 1 rate = 1 refresh = 60 }" },
        { "the most of latchkeyd",
          TENANT "latchkeyd { timeout = 60 api_key_cache = 3600 peer_rate = 100000 rate = 100000 refresh = 604800 }" },
        { "latchkeyd before the tenants", "latchkeyd { timeout = 1 }\n" TENANT },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_string_equal(refusal_of(slice_of(cases[i].text)), "");
    }
}

static void a_broken_text_leaves_nothing_behind(void **state)
{
    static const char *const broken[] = {
        "tenant \"t\" { url = \"https://a.exam",
        "tenant 't",
        "/* ",
        "tenant \"t\" {",
        "tenant \"t\" { algorithms = {\"a\"",
        "tenant \"\\400\" {}",
        "tenant \"\\9\" {}",
    };
    int saved = dup(2), captured = open(in_directory("stderr"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct stat status;
    size_t i;

    (void)state;
    assert_true(saved >= 0 && captured >= 0);
    for (i = 0; i < COUNT(broken); i++) {
        ROW(broken[i]);
        dup2(captured, 2);
        assert_string_not_equal(refusal_of(slice_of(broken[i])), "");
        dup2(saved, 2);
        assert_string_equal(refusal_of(slice_of(TENANT)), "");
    }
    ROW("and nothing is printed");
    assert_int_equal(fstat(captured, &status), 0);
    assert_int_equal(status.st_size, 0);
    close(saved);
    close(captured);
}

static void the_option_names_are_these(void **state)
{
    static const char *const want[] = {
        "revocation_list",
        "tenant",
        "user",
        "map",
        "group",
        "service",
        "tenant.url",
        "tenant.issuer",
        "tenant.audience",
        "tenant.keys",
        "tenant.discovery",
        "tenant.algorithms",
        "tenant.tenant_claim",
        "tenant.leeway",
        "tenant.keys_max_age",
        "tenant.type",
        "tenant.hmac_secret_file",
        "tenant.azp",
        "tenant.scope",
        "tenant.groups_claim",
        "tenant.subject_claim",
        "user.tenant",
        "map.tenant",
        "group.tenant",
        "user.sub",
        "user.api_key",
        "map.claim",
        "map.pattern",
        "group.claim",
        "group.session",
        "service.credentials",
        "service.require_group",
        "service.max_age",
        "service.realm",
        "service.allow_authzid",
        "tenant.ca_file",
        "tenant.api_key_characters",
        "tenant.api_key_min",
        "tenant.api_key_max",
        "latchkeyd",
        "latchkeyd.socket",
        "latchkeyd.saslauthd_socket",
        "latchkeyd.saslauthd_mode",
        "latchkeyd.saslauthd_group",
        "latchkeyd.program",
        "latchkeyd.user",
        "latchkeyd.allow",
        "latchkeyd.timeout",
        "latchkeyd.api_key_cache",
        "latchkeyd.peer_rate",
        "latchkeyd.rate",
        "latchkeyd.refresh",
    };
    char names[COUNT(want)][64];
    size_t count = 0, i, j;
    enum block_kind kind;

    (void)state;
    for (kind = BLOCK_TOP; kind < BLOCK_KINDS; kind++) {
        const struct block_row *row = block_row(kind);

        for (i = 0; i < row->option_count + (kind != BLOCK_TOP); i++) {
            const char *option = i < row->option_count ? row->options[i].name : "";

            assert_true(count < COUNT(names));
            snprintf(names[count++], sizeof names[0], "%s%s%s", row->name,
                     kind != BLOCK_TOP && option[0] != '\0' ? "." : "", option);
        }
    }
    assert_int_equal(count, COUNT(want));
    for (i = 0; i < COUNT(want); i++) {
        for (j = 0; j < count && strcmp(names[j], want[i]) != 0; j++)
            ;
        ROW(want[i]);
        assert_true(j < count);
    }
}

/* A configuration that is good whatever the value of one option is, with that option. */
static void write_with(char text[512], enum block_kind kind, const struct option_row *option, const char *value)
{
    const char *min = strcmp(option->name, "api_key_min") == 0 ? "" : "api_key_min = 1 ";
    const char *max = strcmp(option->name, "api_key_max") == 0 ? "" : "api_key_max = 1024 ";

    if (kind == BLOCK_TENANT)
        snprintf(text, 512, "tenant t { url = \"https://a\" %s%s\n%s = %s }", min, max, option->name, value);
    else
        snprintf(text, 512, TENANT "%s %s {\n%s = %s }", block_row(kind)->name, block_row(kind)->has_title ? "t" : "",
                 option->name, value);
}

static void numbers_have_bounds(void **state)
{
    static const char *const broken[] = {
        "1m", "-1", "\"\"", "0x10", "010", "\"1.5\"", "\" 1\"", "99999999999999999999"
    };
    char text[512], value[64], want[128];
    enum block_kind kind;
    size_t i, j, rows = 0;

    (void)state;
    for (kind = BLOCK_TENANT; kind < BLOCK_KINDS; kind++)
        for (i = 0; i < block_row(kind)->option_count; i++) {
            const struct option_row *option = &block_row(kind)->options[i];
            const int line = kind == BLOCK_TENANT ? 2 : 3;
            int64_t number;

            if (option->kind != OPTION_NUMBER)
                continue;
            rows++;
            ROW(option->name);
            for (number = option->min - 1; number <= option->max + 1; number += option->max - option->min + 1) {
                snprintf(value, sizeof value, "%jd", (intmax_t)(number < 0 ? 0 : number));
                write_with(text, kind, option, value);
                if (number < option->min && option->min > 0) {
                    snprintf(want, sizeof want, "/c:%d: %s%s: %s: %s is not from %jd to %jd", line,
                             block_row(kind)->name, block_row(kind)->has_title ? " \"t\"" : "", option->name, value,
                             (intmax_t)option->min, (intmax_t)option->max);
                    assert_refused(value, slice_of(text), want);
                } else {
                    assert_string_equal(refusal_of(slice_of(text)), "");
                }
            }
            snprintf(value, sizeof value, "%jd", (intmax_t)option->max + 1);
            write_with(text, kind, option, value);
            assert_non_null(strstr(refusal_of(slice_of(text)), " is not from "));
            snprintf(value, sizeof value, "%jd", (intmax_t)option->min);
            write_with(text, kind, option, value);
            assert_string_equal(refusal_of(slice_of(text)), "");
            for (j = 0; j < COUNT(broken); j++) {
                ROW(broken[j]);
                write_with(text, kind, option, broken[j]);
                snprintf(want, sizeof want, "/c:%d: %s", line, block_row(kind)->name);
                assert_refused(option->name, slice_of(text), want);
            }
        }
    assert_int_equal(rows, 10);
}

/* Of every row: nothing is set twice, and a list stands only where one is taken. */
static void options_are_set_once(void **state)
{
    char text[512], want[128];
    enum block_kind kind;
    size_t i;

    (void)state;
    for (kind = BLOCK_TENANT; kind < BLOCK_KINDS; kind++)
        for (i = 0; i < block_row(kind)->option_count; i++) {
            const struct option_row *option = &block_row(kind)->options[i];

            snprintf(text, sizeof text, TENANT "%s %s { %s = \"1\"\n\n%s = 1 }", block_row(kind)->name,
                     block_row(kind)->has_title ? "t" : "", option->name, option->name);
            snprintf(want, sizeof want, "/c:4: %s is set twice in one block", option->name);
            assert_refused(option->name, slice_of(text), want);
        }
}

/* The same inode, the same size, the same tick of the clock. */
static void no_change_is_missed_however_fast(void **state)
{
    int fd, leeway;

    (void)state;
    fate.has_real_clock = true;
    write_config(TENANT);
    fd = open(in_directory("latchkey.conf"), O_WRONLY);
    assert_true(fd >= 0);
    for (leeway = 270; leeway <= 300; leeway++) {
        const struct config *config;
        char text[128];
        int len = snprintf(text, sizeof text, "tenant \"t\" { url = \"https://a.example\" leeway = %d }\n", leeway);

        assert_int_equal(pwrite(fd, text, (size_t)len, 0), len);
        config = acquire();
        assert_int_equal(config->tenants[0].claims.leeway, leeway);
        config_release(&config);
    }
    fate.has_real_clock = false;
    close(fd);
}

static void a_file_of_more_than_a_mebibyte_is_refused(void **state)
{
    struct verdict verdict = VERDICT_INIT;
    const struct config *config = NULL;
    char *text = stretched(TENANT "#", "x", CONFIG_MAX_LEN - strlen(TENANT) - 2, "\n");

    (void)state;
    assert_int_equal(strlen(text), CONFIG_MAX_LEN);
    write_config(text);
    config = acquire();
    config_release(&config);
    free(text);
    text = stretched(TENANT "#", "x", CONFIG_MAX_LEN - strlen(TENANT) - 1, "\n");
    write_config(text);
    assert_false(config_acquire(&verdict, in_directory("latchkey.conf"), &config));
    assert_non_null(strstr(verdict.evidence, "latchkey.conf: is larger than 1048576 bytes"));
    free(text);
}

/* sshd forks after it has loaded the module. */
static void a_forked_child_goes_on_by_itself(void **state)
{
    const struct config *config;
    int status;
    pid_t child;

    (void)state;
    write_config(TENANT);
    config = acquire();
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(20);
        write_config("tenant \"u\" { url = \"https://a.example\" }\n");
        config_release(&config);
        config = acquire();
        status = strcmp(config->tenants[0].id, "u") == 0 ? 0 : 1;
        config_release(&config);
        _exit(status);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_string_equal(config->tenants[0].id, "t");
    config_release(&config);
}

static atomic_bool stop;

/* The leeway and the group count were written together. */
static void *reader(void *path)
{
    uintptr_t reads = 0;

    while (!atomic_load(&stop)) {
        struct verdict verdict = VERDICT_INIT;
        const struct config *config = NULL;

        if (!config_acquire(&verdict, path, &config)
            || config->tenants[0].claims.leeway != (int64_t)config->identity.group_count)
            return NULL;
        config_release(&config);
        reads++;
    }
    return (void *)reads;
}

static void write_pair(const char *path, const char *new, int number)
{
    char content[64];
    char *text;
    int fd = open(new, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    snprintf(content, sizeof content, "tenant t { url = \"https://a\" leeway = %d }\n", number);
    text = numbered(content, "group", (size_t)number, "{}");
    if (write(fd, text, strlen(text)) < 0 || close(fd) != 0 || rename(new, path) != 0)
        abort();
    free(text);
}

static void rule_31_threads_share_snapshots(void **state)
{
    char path[128], new[128];
    pthread_t threads[4];
    void *reads;
    size_t i;
    int number;

    (void)state;
    snprintf(path, sizeof path, "%s", in_directory("threads.conf"));
    snprintf(new, sizeof new, "%s", in_directory("threads.new"));
    write_pair(path, new, 1);
    for (i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, path), 0);
    for (number = 1; number < 150; number++) {
        write_pair(path, new, number % 40);
        nanosleep(&(struct timespec){ .tv_nsec = 3000000 }, NULL);
    }
    atomic_store(&stop, true);
    for (i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &reads), 0);
        assert_non_null(reads);
    }
}

#if !defined __SANITIZE_ADDRESS__ /* whose allocator may be locked for ever in such a child */
/* slapd and others fork while their threads log people in. */
static void rule_31_a_child_of_a_threaded_host_does_not_hang(void **state)
{
    char path[128], new[128];
    pthread_t threads[3];
    void *reads;
    size_t i;
    int number, status;
    pid_t child;

    (void)state;
    snprintf(path, sizeof path, "%s", in_directory("threads.conf"));
    snprintf(new, sizeof new, "%s", in_directory("threads.new"));
    write_pair(path, new, 1);
    atomic_store(&stop, false);
    for (i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, path), 0);
    for (number = 1; number <= 100; number++) {
        write_pair(path, new, number % 40); /* so that everybody reads it again */
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct verdict verdict = VERDICT_INIT;
            const struct config *config;

            alarm(60);
            _exit(config_acquire(&verdict, path, &config) ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    atomic_store(&stop, true);
    for (i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &reads), 0);
        assert_non_null(reads);
    }
}

#endif

static void thousands_of_users_are_read(void **state)
{
    char *text = NULL;
    const struct config *config;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    int i;

    (void)state;
    fputs(GOOD, out);
    for (i = 0; i < 10000; i++)
        fprintf(out, "user \"u%d\" { sub = {\"s%d\"} }\n", i, i);
    fclose(out);
    write_config(text);
    config = acquire();
    assert_int_equal(config->identity.user_count, 10000);
    assert_string_equal(config->identity.users[4999].subjects.items[0], "s4999");
    for (i = 0; i < 10000; i++) {
        char name[32];

        snprintf(name, sizeof name, "u%d", i);
        assert_ptr_equal(identity_user_block(&config->identity, name), &config->identity.users[i]);
    }
    config_release(&config);
    free(text);
}

static void latchkeyd_has_defaults(void **state)
{
    static const char *const texts[] = { GOOD, GOOD "latchkeyd { }\n", GOOD "latchkeyd { allow = {} }\n" };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(texts); i++) {
        const struct config *config;

        write_config(texts[i]);
        config = acquire();
        assert_int_equal(config->latchkeyd.sockets.count, 1);
        assert_string_equal(config->latchkeyd.sockets.items[0], "/run/latchkey/latchkeyd.sock");
        assert_string_equal(config->latchkeyd.program, LATCHKEY_SBINDIR "/latchkeyd");
        assert_string_equal(config->latchkeyd.user, "latchkey");
        assert_int_equal(config->latchkeyd.allow.count, 0);
        assert_int_equal(config->latchkeyd.timeout, 5);
        assert_int_equal(config->latchkeyd.api_key_cache, 0);
        assert_int_equal(config->latchkeyd.peer_rate, 200);
        assert_int_equal(config->latchkeyd.rate, 400);
        assert_int_equal(config->latchkeyd.refresh, 3600);
        assert_null(config->tenants[0].ca_file);
        assert_int_equal(config->tenants[0].api_key_min, 16);
        assert_int_equal(config->tenants[0].api_key_max, 512);
        config_release(&config);
    }
}

static void what_is_said_of_latchkeyd_is_kept(void **state)
{
    const struct config *config;

    (void)state;
    write_config("tenant \"t1\" { url = \"https://a\" ca_file = \"/etc/ca.pem\"\n"
                 " api_key_characters = \"abc!\" api_key_min = 3 api_key_max = 5 }\n"
                 "latchkeyd {\n socket = {\"/run/a\", '/run/b'}\n program = \"\"\n user = \"keys\"\n"
                 " allow = {\"alice\", \"@wheel\"}\n timeout = 7\n api_key_cache = 30\n peer_rate = 8\n rate = 9\n"
                 " refresh = 61\n}\n");
    config = acquire();
    assert_int_equal(config->latchkeyd.sockets.count, 2);
    assert_string_equal(config->latchkeyd.sockets.items[0], "/run/a");
    assert_string_equal(config->latchkeyd.sockets.items[1], "/run/b");
    assert_null(config->latchkeyd.program);
    assert_string_equal(config->latchkeyd.user, "keys");
    assert_int_equal(config->latchkeyd.allow.count, 2);
    assert_string_equal(config->latchkeyd.allow.items[0], "alice");
    assert_string_equal(config->latchkeyd.allow.items[1], "@wheel");
    assert_int_equal(config->latchkeyd.timeout, 7);
    assert_int_equal(config->latchkeyd.api_key_cache, 30);
    assert_int_equal(config->latchkeyd.peer_rate, 8);
    assert_int_equal(config->latchkeyd.rate, 9);
    assert_int_equal(config->latchkeyd.refresh, 61);
    assert_string_equal(config->tenants[0].ca_file, "/etc/ca.pem");
    assert_string_equal(config->tenants[0].api_key_characters, "abc!");
    assert_int_equal(config->tenants[0].api_key_min, 3);
    assert_int_equal(config->tenants[0].api_key_max, 5);
    config_release(&config);
    ROW("a list of no sockets is no default");
    write_config(GOOD "latchkeyd { socket = {} }\n");
    config = acquire();
    assert_int_equal(config->latchkeyd.sockets.count, 0);
    config_release(&config);
}

static void a_socket_fits_its_address(void **state)
{
    const size_t max = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    char *text;

    (void)state;
    text = stretched(TENANT "latchkeyd {\n socket = {\"/", "s", max - 1, "\"} }");
    assert_string_equal(refusal_of(slice_of(text)), "");
    free(text);
    text = stretched(TENANT "latchkeyd {\n socket = {\"/", "s", max, "\"} }");
    assert_refused("and one byte more", slice_of(text), "/c:3: latchkeyd: socket: \"/sss");
    free(text);
}

static void rule_25_a_key_is_exchanged_with_the_one_tenant_that_has_a_url(void **state)
{
    static const struct {
        const char *name, *text, *tenant; /* NULL: none, or several */
    } cases[] = {
        { "the only one", GOOD "user a { }", "t1" },
        { "the only one with a url", GOOD "tenant \"p\" { " PLAIN " }\nuser a { tenant = {\"p\", \"t1\"} }", "t1" },
        { "none has a url", "tenant \"p\" { " PLAIN " }\nuser a { }", NULL },
        { "two have, and the block names one", GOOD TENANT "user a { tenant = {\"t\"} }", "t" },
        { "two have, and the block names both", GOOD TENANT "user a { tenant = {\"t\", \"t1\"} }", NULL },
        { "the block names one with a url and one without",
          GOOD TENANT "tenant \"p\" { " PLAIN " }\nuser a { tenant = {\"p\", \"t1\"} }", "t1" },
        { "the block names one without", GOOD "tenant \"p\" { " PLAIN " }\nuser a { tenant = {\"p\"} }", NULL },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        const struct config *config;
        const struct tenant *tenant;

        ROW(cases[i].name);
        write_config(cases[i].text);
        config = acquire();
        tenant = config_exchange_tenant(config, &config->identity.users[0]);
        if (cases[i].tenant != NULL) {
            assert_non_null(tenant);
            assert_string_equal(tenant->id, cases[i].tenant);
        } else {
            assert_null(tenant);
        }
        config_release(&config);
    }
}

static void rule_25_what_could_be_an_api_key(void **state)
{
    static const struct {
        const char *name, *options;
        struct slice credential;
        bool want;
    } cases[] = {
        { "every character of the default",
          "",
          { "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=", 69 },
          true },
        { "16 bytes", "", { "0123456789abcdef", 16 }, true },
        { "15 bytes", "", { "0123456789abcde", 15 }, false },
        { "a blank", "", { "0123456789 bcdef", 16 }, false },
        { "a quotation mark", "", { "0123456789\"bcdef", 16 }, false },
        { "a line end", "", { "0123456789abcde\n", 16 }, false },
        { "a NUL, which ends every list of characters", "", { "0123456789abcde\0", 16 }, false },
        { "beyond ASCII", "", { "0123456789abcd\xc3\xa4", 16 }, false },
        { "a password", "", { "correct horse battery staple", 28 }, false },
        { "nothing", "", { NULL, 0 }, false },
        { "nothing, where one byte would do", "api_key_min = 1", { "", 0 }, false },
        { "one byte, where that would do", "api_key_min = 1", { "k", 1 }, true },
        { "as long as can be", "api_key_min = 2 api_key_max = 4", { "abcd", 4 }, true },
        { "and one more", "api_key_min = 2 api_key_max = 4", { "abcde", 5 }, false },
        { "as short as can be", "api_key_min = 2 api_key_max = 4", { "ab", 2 }, true },
        { "and one less", "api_key_min = 2 api_key_max = 4", { "a", 1 }, false },
        { "other characters", "api_key_min = 2 api_key_characters = \"!%\"", { "%!!", 3 }, true },
        { "and none of the usual ones then", "api_key_min = 2 api_key_characters = \"!%\"", { "!a!", 3 }, false },
    };
    char text[256], longest[514];
    const struct config *config;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        snprintf(text, sizeof text, "tenant \"t\" { url = \"https://a\" %s }\n", cases[i].options);
        write_config(text);
        config = acquire();
        assert_int_equal(config_is_api_key(&config->tenants[0], cases[i].credential), cases[i].want);
        config_release(&config);
    }
    memset(longest, 'k', sizeof longest);
    write_config(TENANT);
    config = acquire();
    ROW("512 bytes");
    assert_true(config_is_api_key(&config->tenants[0], (struct slice){ longest, 512 }));
    ROW("513 bytes");
    assert_false(config_is_api_key(&config->tenants[0], (struct slice){ longest, 513 }));
    config_release(&config);
}

static void a_tenant_is_found_by_its_id(void **state)
{
    static const struct {
        const char *name;
        struct slice id;
        bool found;
    } cases[] = {
        { "its id", { "t1", 2 }, true },         { "another id", { "t2", 2 }, false },
        { "another case", { "T1", 2 }, false },  { "the beginning of it", { "t", 1 }, false },
        { "more than it", { "t11", 3 }, false }, { "a NUL behind it", { "t1\0", 3 }, false },
        { "nothing", { NULL, 0 }, false },
    };
    const struct config *config;
    size_t i;

    (void)state;
    write_config("tenant \"p\" { " PLAIN " }\n" GOOD);
    config = acquire();
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        assert_ptr_equal(config_tenant(config, cases[i].id), cases[i].found ? &config->tenants[1] : NULL);
    }
    config_release(&config);
}

static void a_snapshot_that_is_held_lives_on(void **state)
{
    const struct config *config, *held, *newer;

    (void)state;
    write_config(GOOD);
    config = acquire();
    held = config_hold(config);
    assert_ptr_equal(held, config);
    config_release(&config);
    write_config("tenant \"t2\" { url = \"https://b.example.com\" }\n");
    newer = acquire();
    assert_string_equal(newer->tenants[0].id, "t2");
    ROW("after its first holder and the cache have let go of it");
    assert_string_equal(held->tenants[0].id, "t1");
    assert_non_null(held->tenants[0].jwks);
    config_release(&held);
    assert_null(held);
    config_release(&held);
    config_release(&newer);
}

static void rule_30_latchkeyd_may_own_what_it_keeps(void **state)
{
    static const struct {
        const char *name, *file, *user;
        uid_t owner;
        bool ok;
    } cases[] = {
        { "its key set", "keys", "daemon", 1, true },
        { "its secret", "secret", "daemon", 1, true },
        { "the key set of somebody else", "keys", "daemon", 12345, false },
        { "the secret of somebody else", "secret", "daemon", 12345, false },
        { "its former user's key set", "keys", "bin", 1, false },
        { "its former user's secret", "secret", "bin", 1, false },
        { "not the revocation list", "revoked", "daemon", 1, false },
        { "nor the configuration", "latchkey.conf", "daemon", 1, false },
    };
    char text[512];
    size_t i;

    (void)state;
    if (geteuid() != 0)
        skip();
    for (i = 0; i < COUNT(cases); i++) {
        ROW(cases[i].name);
        write_bytes("keys", slice_of(key_set), 0644);
        write_bytes("revoked", slice_of("sub s\n"), 0644);
        write_bytes("secret", slice_of("0123456789abcdef0123456789abcdef"), 0600);
        snprintf(text, sizeof text,
                 "revocation_list = \"@/revoked\"\n" GOOD "tenant \"t2\" { issuer = \"https://i.example.com\" "
                 "audience = {\"a\"} hmac_secret_file = \"@/secret\" algorithms = {\"HS256\"} "
                 "tenant_claim = \"\" }\nlatchkeyd { user = \"%s\" }\n",
                 cases[i].user);
        write_config(text);
        assert_int_equal(chown(in_directory(cases[i].file), cases[i].owner, 0), 0);
        assert_int_equal(failure_of(cases[i].file, in_directory("latchkey.conf")) == REASON_UNDECIDED, cases[i].ok);
    }
    write_bytes("keys", slice_of(key_set), 0644);
}

/* The files do not change, so that nothing but time is needed. */
static void rule_32_an_owner_whom_nss_cannot_tell_now_is_asked_for_again(void **state)
{
    static const int failures[] = { EMFILE, EIO, ECONNREFUSED, ENOENT };
    char path[128];
    size_t i;

    (void)state;
    strcpy(path, in_directory("latchkey.conf"));
    if (geteuid() != 0)
        skip();
    write_config(GOOD "latchkeyd { user = \"daemon\" }\n");
    assert_int_equal(chown(in_directory("keys"), 1, 0), 0);
    fate.is_later = true; /* the files have settled: nothing is read again for their sake */
    for (i = 0; i < COUNT(failures); i++) {
        ROW(strerror(failures[i]));
        config_forget();
        fate.nss_failure = failures[i];
        assert_int_equal(failure_of("keys", path), REASON_SYSTEM_ERROR);
        assert_int_equal(failure_of("keys", path), REASON_SYSTEM_ERROR);
        fate.nss_failure = 0;
        assert_int_equal(failure_of("keys", path), REASON_UNDECIDED);
    }
    ROW("a user who is made later, with the uid that the key set has already");
    write_config(GOOD "latchkeyd { user = \"latecomer\" }\n");
    fate.is_later = true;
    assert_int_equal(failure_of("keys", path), REASON_JWKS_UNAVAILABLE);
    assert_int_equal(failure_of("keys", path), REASON_JWKS_UNAVAILABLE);
    fate.new_user = "latecomer";
    assert_int_equal(failure_of("keys", path), REASON_UNDECIDED);
    fate.new_user = NULL;
    write_bytes("keys", slice_of(key_set), 0644);
    memset(&fate, 0, sizeof fate);
}

static void rule_32_what_cannot_be_looked_at_is_not_absent(void **state)
{
    static const int failures[] = { EIO, ENOMEM, ESTALE, EACCES };
    char path[128];
    const struct config *config;
    size_t i;

    (void)state;
    strcpy(path, in_directory("latchkey.conf"));
    unlink(in_directory("revoked"));
    write_config("revocation_list = \"@/revoked\"\n" GOOD);
    fate.is_later = true;
    ROW("an absent list that must be there");
    assert_int_equal(failure_of("revoked", path), REASON_REVOCATION_UNAVAILABLE);
    for (i = 0; i < COUNT(failures); i++) {
        ROW("it has come, and whether it has cannot be told: then it is read");
        unlink(in_directory("revoked"));
        config_forget();
        assert_int_equal(failure_of("revoked", path), REASON_REVOCATION_UNAVAILABLE);
        write_bytes("revoked", slice_of("sub s\n"), 0644);
        fate.unseen = "revoked";
        fate.cause = failures[i];
        config = acquire();
        assert_int_equal(revocation_count(config->revocation), 1);
        config_release(&config);
        fate.unseen = NULL;
    }
    ROW("the root directory cannot be looked at: no verdict, and neither an old nor a new configuration");
    unlink(in_directory("revoked"));
    fate.unseen = "";
    fate.cause = EIO;
    assert_int_equal(failure_of("keys", path), REASON_SYSTEM_ERROR);
    assert_true(config_is_out_of_sight());
    fate.unseen = NULL;
    assert_int_equal(failure_of("revoked", path), REASON_REVOCATION_UNAVAILABLE);
    assert_false(config_is_out_of_sight());
    memset(&fate, 0, sizeof fate);
}

static void rule_33_a_process_may_read_no_secrets(void **state)
{
    const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;

    (void)state;
    write_bytes("secret", slice_of("0123456789abcdef0123456789abcdef"), 0600);
    write_config(GOOD "tenant \"t2\" { issuer = \"https://i.example.com\" audience = {\"a\"} "
                      "hmac_secret_file = \"@/secret\" algorithms = {\"HS256\"} tenant_claim = \"\" }\n");
    config_forget();
    config_read_secrets(false);
    assert_true(config_acquire(&verdict, in_directory("latchkey.conf"), &config));
    assert_null(config_tenant(config, LITERAL("t2"))->jwks);
    assert_int_equal(config_tenant(config, LITERAL("t2"))->keys_failure.reason, REASON_JWKS_UNAVAILABLE);
    ROW("the key sets of others it does");
    assert_non_null(config->tenants[0].jwks);
    config_release(&config);
    ROW("until it is told to");
    config_read_secrets(true);
    config_forget();
    assert_true(config_acquire(&verdict, in_directory("latchkey.conf"), &config));
    assert_non_null(config_tenant(config, LITERAL("t2"))->jwks);
    config_release(&config);
}

/* In a child of its own: 0 when a configuration in the chroot is not read. */
static int status_in_chroot(const char *outside, int cause)
{
    const struct config *config = NULL;
    struct verdict verdict = VERDICT_INIT;
    char root[160], command[512];

    config_forget(); /* the process is a new one */
    snprintf(root, sizeof root, "%s/root", directory);
    snprintf(command, sizeof command, "mkdir -p %s%s && cp %s/keys %s%s", root, directory, directory, root, directory);
    write_config(GOOD);
    if (system(command) != 0 || rename(in_directory("latchkey.conf"), in_directory("inside")) != 0)
        return 2;
    snprintf(command, sizeof command, "mv %s/inside %s%s/latchkey.conf", directory, root, directory);
    if (system(command) != 0)
        return 3;
    if (outside != NULL)
        write_config(outside);
    unopenable.name = cause != 0 ? "latchkey.conf" : NULL;
    unopenable.cause = cause;
    if (config_acquire(&verdict, in_directory("latchkey.conf"), &config))
        return 4;
    unopenable.name = NULL;
    if (chroot(root) != 0 || chdir("/") != 0)
        return 5;
    return config_acquire(&verdict, in_directory("latchkey.conf"), &config) ? 6 /* the attacker's */ : 0;
}

/* Whoever owns the chroot may have put it there, and waited for a start with a broken one. */
static void a_configuration_in_a_chroot_is_not_read_whatever_was_wrong_outside(void **state)
{
    static const struct {
        const char *name, *outside;
        int cause;
    } cases[] = {
        { "a broken one", "nonsense", 0 },
        { "none", NULL, 0 },
        { "one that memory was too short for", GOOD, ENOMEM },
        { "one that could not be read in passing", GOOD, EMFILE },
    };
    char command[200];
    size_t i;

    (void)state;
    if (geteuid() != 0)
        skip();
    for (i = 0; i < COUNT(cases); i++) {
        int status;
        pid_t child;

        ROW(cases[i].name);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(status_in_chroot(cases[i].outside, cases[i].cause));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        unlink(in_directory("latchkey.conf"));
        snprintf(command, sizeof command, "rm -r %s/root", directory);
        assert_int_equal(system(command), 0);
    }
}

/* A secret that is latchkeyd's alone must not make slapd read all files for every list of mechanisms. */
static void what_this_user_may_not_read_is_not_read_again_and_again(void **state)
{
    const struct config *first, *second;

    (void)state;
    if (geteuid() != 0)
        skip();
    write_bytes("secret", slice_of("0123456789abcdef0123456789abcdef"), 0600);
    write_config(GOOD "tenant \"t2\" { issuer = \"https://i.example.com\" audience = {\"a\"} "
                      "hmac_secret_file = \"@/secret\" algorithms = {\"HS256\"} tenant_claim = \"\" }\n");
    assert_int_equal(chmod(directory, 0755), 0);
    fate.is_later = true; /* the files have settled */
    assert_int_equal(seteuid(1), 0);
    first = acquire();
    second = acquire();
    assert_int_equal(first->tenants[1].keys_failure.reason, REASON_JWKS_UNAVAILABLE);
    assert_ptr_equal(first, second);
    config_release(&second);
    ROW("but when the process is somebody else");
    assert_int_equal(seteuid(0), 0);
    second = acquire();
    assert_ptr_not_equal(first, second);
    assert_int_equal(second->tenants[1].keys_failure.reason, REASON_UNDECIDED);
    config_release(&first);
    config_release(&second);
    fate.is_later = false;
}

static int set_up(void **state)
{
    struct signer *signer = signer_generate("ES256", 0);
    struct json *set = json_new_object(), *keys = json_new_array();

    (void)state;
    if (!temporary_make(directory, "test-config") || !json_append(keys, signer_jwk(signer, "k", "ES256"))
        || !json_add(set, "keys", keys))
        return -1;
    key_set = strdup(json_print(set, false));
    json_free(&set);
    signer_free(&signer);
    write_bytes("keys", slice_of(key_set), 0644);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {
        "keys", "latchkey.conf", "other", "secret", "revoked", "stderr", "threads.conf"
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(names); i++)
        unlink(in_directory(names[i]));
    free(key_set);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_33_a_process_may_read_no_secrets),
        cmocka_unit_test(a_minimal_tenant_gets_everything_from_its_url_and_id),
        cmocka_unit_test(what_is_said_is_kept),
        cmocka_unit_test(lists_may_be_empty),
        cmocka_unit_test(a_service_inherits_what_it_leaves_out),
        cmocka_unit_test(what_is_wrong_is_refused_with_its_line),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(rule_28_the_environment_and_the_locale_have_no_say),
        cmocka_unit_test(rule_30_a_configuration_that_others_can_write_is_refused),
        cmocka_unit_test(a_missing_configuration_is_refused_and_noticed_when_it_comes),
        cmocka_unit_test(a_key_set_that_cannot_be_used_closes_its_own_tenant_only),
        cmocka_unit_test(rule_06_the_secret_is_at_least_as_long_as_the_hash),
        cmocka_unit_test(rule_19_a_list_that_cannot_be_used_is_a_failure),
        cmocka_unit_test(rule_32_what_is_short_is_neither_a_fault_of_a_file_nor_kept),
#if !defined __SANITIZE_ADDRESS__
        cmocka_unit_test(rule_32_short_memory_does_not_make_the_list_vanish),
#endif
        cmocka_unit_test(a_changed_file_gives_a_new_snapshot_and_the_old_one_lives_on),
        cmocka_unit_test(an_unchanged_configuration_is_read_once),
        cmocka_unit_test(a_configuration_in_a_chroot_is_not_read_whatever_was_wrong_outside),
        cmocka_unit_test(what_this_user_may_not_read_is_not_read_again_and_again),
        cmocka_unit_test(several_paths_stand_side_by_side),
        cmocka_unit_test(strings_have_limits),
        cmocka_unit_test(blocks_have_limits),
        cmocka_unit_test(comments_are_skipped_and_their_lines_counted),
        cmocka_unit_test(what_stands_on_this_side_of_a_limit_is_accepted),
        cmocka_unit_test(a_broken_text_leaves_nothing_behind),
        cmocka_unit_test(the_option_names_are_these),
        cmocka_unit_test(numbers_have_bounds),
        cmocka_unit_test(options_are_set_once),
        cmocka_unit_test(lines_of_blocks_and_options_are_known),
        cmocka_unit_test(what_changed_is_read_by_itself),
        cmocka_unit_test(no_change_is_missed_however_fast),
        cmocka_unit_test(a_file_of_more_than_a_mebibyte_is_refused),
        cmocka_unit_test(a_forked_child_goes_on_by_itself),
        cmocka_unit_test(rule_31_threads_share_snapshots),
#if !defined __SANITIZE_ADDRESS__
        cmocka_unit_test(rule_31_a_child_of_a_threaded_host_does_not_hang),
#endif
        cmocka_unit_test(thousands_of_users_are_read),
        cmocka_unit_test(latchkeyd_has_defaults),
        cmocka_unit_test(what_is_said_of_latchkeyd_is_kept),
        cmocka_unit_test(a_socket_fits_its_address),
        cmocka_unit_test(rule_25_a_key_is_exchanged_with_the_one_tenant_that_has_a_url),
        cmocka_unit_test(rule_25_what_could_be_an_api_key),
        cmocka_unit_test(a_tenant_is_found_by_its_id),
        cmocka_unit_test(a_snapshot_that_is_held_lives_on),
        cmocka_unit_test(rule_30_latchkeyd_may_own_what_it_keeps),
        cmocka_unit_test(rule_32_an_owner_whom_nss_cannot_tell_now_is_asked_for_again),
        cmocka_unit_test(rule_32_what_cannot_be_looked_at_is_not_absent),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
