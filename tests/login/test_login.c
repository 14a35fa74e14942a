#include "tests/support/unit.h"

#include "base/cleanup.h"
#include "login/login.h"

static struct login login, got; /* large */

/* One more than the greatest number that counts. */
#define BEYOND "9007199254740994"

static void set_login(void)
{
    memset(&login, 0, sizeof login);
    login.credential = "jwt";
    strcpy(login.tenant, "t-1");
    strcpy(login.subject, "sub-1");
    strcpy(login.identity.user, "alice");
    strcpy(login.authzid, "alice");
    login.has_expires = true;
    login.expires = 1000300;
}

/* Every character of SUBJECT_MAX bytes: quotes, backslashes and letters of other alphabets among them. */
static void fill(char *text, size_t len)
{
    static const char letters[] = "\"\\/a\xc3\xa4\xe2\x82\xac";
    size_t i;

    for (i = 0; i + sizeof letters - 1 <= len; i += sizeof letters - 1)
        memcpy(text + i, letters, sizeof letters - 1);
    memset(text + i, 'x', len - i);
    text[len] = '\0';
}

static void assert_same_date(bool has, double date, bool got_has, double got_date)
{
    assert_int_equal(got_has, has);
    assert_memory_equal(&got_date, &date, sizeof date); /* bit for bit */
}

static void assert_round_trip(void)
{
    CLEANUP(json_free) struct json *object = json_new_object(), *again = NULL;
    const char *text, *member = "";
    enum json_error error;
    size_t i;

    assert_true(login_write(&login, LOGIN_WHOLE, object));
    text = json_print(object, false);
    assert_non_null(text);
    if (!json_parse(slice_of(text), &again, &error))
        fail_msg("%s: %s", json_error_text(error), text);
    memset(&got, 0xa5, sizeof got);
    if (!login_read(again, &got, &member))
        fail_msg("%s is not read back: %s", member, text);
    assert_string_equal(got.credential, login.credential);
    assert_string_equal(got.tenant, login.tenant);
    assert_string_equal(got.subject, login.subject);
    assert_string_equal(got.jti, login.jti);
    assert_string_equal(got.kid, login.kid);
    assert_string_equal(got.authzid, login.authzid);
    assert_string_equal(got.identity.user, login.identity.user);
    assert_int_equal(got.identity.user_is_explicit, login.identity.user_is_explicit);
    assert_int_equal(got.identity.group_count, login.identity.group_count);
    for (i = 0; i < login.identity.group_count; i++)
        assert_string_equal(got.identity.groups[i], login.identity.groups[i]);
    assert_same_date(login.has_issued_at, login.issued_at, got.has_issued_at, got.issued_at);
    assert_same_date(login.has_auth_time, login.auth_time, got.has_auth_time, got.auth_time);
    assert_same_date(login.has_expires, login.expires, got.has_expires, got.expires);
}

static void the_least_login_is_read_back(void **state)
{
    (void)state;
    set_login();
    assert_round_trip();
}

static void the_greatest_login_is_read_back(void **state)
{
    size_t i;

    (void)state;
    set_login();
    login.credential = "api_key";
    fill(login.tenant, FACT_MAX - 1);
    fill(login.subject, SUBJECT_MAX);
    fill(login.jti, SUBJECT_MAX);
    fill(login.kid, SUBJECT_MAX);
    fill(login.authzid, SUBJECT_MAX);
    memset(login.identity.user, 'u', USER_MAX);
    login.identity.user_is_explicit = true;
    login.identity.group_count = IDENTITY_GROUPS_MAX;
    for (i = 0; i < IDENTITY_GROUPS_MAX; i++) {
        memset(login.identity.groups[i], 'g', USER_MAX);
        snprintf(login.identity.groups[i] + USER_MAX - 3, 4, "%03zu", i);
    }
    assert_round_trip();
}

static void a_date_is_read_back_bit_for_bit(void **state)
{
    static const double dates[] = { 0,
                                    0x1p-1074, /* the least of all */
                                    0.1,
                                    1764547200.123456789,
                                    1e9 + 1.0 / 3,
                                    2147483648.0,
                                    4294967296.5,
                                    9007199254740991.0,
                                    9007199254740992.0 };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(dates); i++) {
        set_login();
        login.expires = dates[i];
        login.has_issued_at = i % 2 == 0;
        login.issued_at = login.has_issued_at ? dates[COUNT(dates) - 1 - i] : 0;
        login.has_auth_time = i % 3 == 0;
        login.auth_time = login.has_auth_time ? dates[i] : 0;
        assert_round_trip();
    }
}

#define HEAD  "{\"credential\":\"jwt\",\"tenant\":\"t\",\"subject\":\"s\",\"user\":\"alice\","
#define TAIL  "\"groups\":[],\"authzid\":\"alice\",\"expires\":1}"
#define X64   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X256  X64 X64 X64 X64
#define NAMES "\"g\",\"g\",\"g\",\"g\",\"g\",\"g\",\"g\",\"g\",\"g\",\"g\",\"g\",\"g\",\"g\",\"g\",\"g\",\"g\""
#define G256                                                                                                  \
    NAMES "," NAMES "," NAMES "," NAMES "," NAMES "," NAMES "," NAMES "," NAMES "," NAMES "," NAMES "," NAMES \
          "," NAMES "," NAMES "," NAMES "," NAMES "," NAMES

static const struct {
    const char *name, *text;
    const char *member; /* that is named; NULL: it is a login */
} texts[] = {
    { "a whole one", HEAD TAIL, NULL },
    { "members that nobody knows", HEAD "\"more\":{\"a\":[1]}," TAIL, NULL },
    { "the longest jti", HEAD "\"jti\":\"" X256 "\"," TAIL, NULL },
    { "256 groups", HEAD "\"groups\":[" G256 "],\"authzid\":\"a\",\"expires\":1}", NULL },
    { "an array", "[]", "credential" },
    { "nothing", "{}", "credential" },
    { "another credential", "{\"credential\":\"none\",\"tenant\":\"t\",\"subject\":\"s\",\"user\":\"alice\"," TAIL,
      "credential" },
    { "a credential that is a number", "{\"credential\":1}", "credential" },
    { "no tenant", "{\"credential\":\"jwt\",\"subject\":\"s\",\"user\":\"alice\"," TAIL, "tenant" },
    { "an empty tenant", "{\"credential\":\"jwt\",\"tenant\":\"\"}", "tenant" },
    { "a tenant of 128 bytes", "{\"credential\":\"jwt\",\"tenant\":\"" X64 X64 "\"}", "tenant" },
    { "a tenant that is null", "{\"credential\":\"jwt\",\"tenant\":null}", "tenant" },
    { "no subject", "{\"credential\":\"jwt\",\"tenant\":\"t\"}", "subject" },
    { "a subject of 257 bytes", "{\"credential\":\"jwt\",\"tenant\":\"t\",\"subject\":\"" X256 "x\"}", "subject" },
    { "a NUL in the subject", "{\"credential\":\"jwt\",\"tenant\":\"t\",\"subject\":\"a\\u0000b\"}", "subject" },
    { "a line end in the subject", "{\"credential\":\"jwt\",\"tenant\":\"t\",\"subject\":\"a\\nb\"}", "subject" },
    { "no user", "{\"credential\":\"jwt\",\"tenant\":\"t\",\"subject\":\"s\"," TAIL, "user" },
    { "a user that no host has", "{\"credential\":\"jwt\",\"tenant\":\"t\",\"subject\":\"s\",\"user\":\"a b\"," TAIL,
      "user" },
    { "a user of 33 bytes",
      "{\"credential\":\"jwt\",\"tenant\":\"t\",\"subject\":\"s\",\"user\":\"abcdefghijklmnopqrstuvwxyzabcdefg\"," TAIL,
      "user" },
    { "a NUL behind the user",
      "{\"credential\":\"jwt\",\"tenant\":\"t\",\"subject\":\"s\",\"user\":\"root\\u0000\"," TAIL, "user" },
    { "by_user_block that is not true", HEAD "\"by_user_block\":false," TAIL, "by_user_block" },
    { "no groups", HEAD "\"authzid\":\"a\",\"expires\":1}", "groups" },
    { "groups that are a string", HEAD "\"groups\":\"ops\",\"authzid\":\"a\",\"expires\":1}", "groups" },
    { "a group that is not a name", HEAD "\"groups\":[\"ops\",\"a b\"],\"authzid\":\"a\",\"expires\":1}", "groups" },
    { "a group that is not a string", HEAD "\"groups\":[7],\"authzid\":\"a\",\"expires\":1}", "groups" },
    { "257 groups", HEAD "\"groups\":[\"g\"," G256 "],\"authzid\":\"a\",\"expires\":1}", "groups" },
    { "no authzid", HEAD "\"groups\":[],\"expires\":1}", "authzid" },
    { "an empty authzid", HEAD "\"groups\":[],\"authzid\":\"\",\"expires\":1}", "authzid" },
    { "DEL in the authzid", HEAD "\"groups\":[],\"authzid\":\"a\\u007f\",\"expires\":1}", "authzid" },
    { "an empty jti", HEAD "\"jti\":\"\"," TAIL, "jti" },
    { "a jti that is null", HEAD "\"jti\":null," TAIL, "jti" },
    { "a jti of 257 bytes", HEAD "\"jti\":\"" X256 "x\"," TAIL, "jti" },
    { "a kid that is a number", HEAD "\"kid\":1," TAIL, "kid" },
    { "iat that is a string", HEAD "\"iat\":\"1\"," TAIL, "iat" },
    { "iat before 1970", HEAD "\"iat\":-1," TAIL, "iat" },
    { "iat beyond all numbers", HEAD "\"iat\":1e400," TAIL, "iat" },
    { "auth_time that is null", HEAD "\"auth_time\":null," TAIL, "auth_time" },
    { "auth_time beyond 2^53", HEAD "\"auth_time\":" BEYOND "," TAIL, "auth_time" },
    { "no expires", HEAD "\"groups\":[],\"authzid\":\"a\"}", "expires" },
    { "expires that is true", HEAD "\"groups\":[],\"authzid\":\"a\",\"expires\":true}", "expires" },
    { "expires beyond 2^53", HEAD "\"groups\":[],\"authzid\":\"a\",\"expires\":" BEYOND "}", "expires" },
};

static struct json *parsed(const char *text)
{
    struct json *json = NULL;
    enum json_error error;

    if (!json_parse(slice_of(text), &json, &error))
        fail_msg("%s: %s", json_error_text(error), text);
    return json;
}

static void rule_23_a_login_that_is_not_complete_and_valid_is_none(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(texts); i++) {
        CLEANUP(json_free) struct json *json = parsed(texts[i].text);
        const char *member = NULL;

        ROW(texts[i].name);
        memset(&got, 0xa5, sizeof got);
        assert_int_equal(login_read(json, &got, &member), texts[i].member == NULL);
        if (texts[i].member == NULL)
            continue;
        assert_string_equal(member, texts[i].member);
        assert_int_equal((unsigned char)got.tenant[0], 0xa5); /* nothing was written */
    }
}

static void of_a_refused_login_what_is_valid_is_read(void **state)
{
    CLEANUP(json_free)
    struct json *json =
        parsed("{\"tenant\":\"t\",\"subject\":\"a\\nb\",\"user\":\"a b\",\"kid\":\"k\",\"expires\":7.5}");
    struct verdict verdict = VERDICT_INIT;

    (void)state;
    login_read_facts(json, &got);
    login_tell_facts(&got, &verdict);
    assert_string_equal(verdict.credential, "none");
    assert_string_equal(verdict.tenant, "t");
    assert_string_equal(verdict.subject, "");
    assert_string_equal(verdict.user, "");
    assert_string_equal(verdict.kid, "k");
    assert_true(verdict.has_expiry);
    assert_int_equal(verdict.expiry, 7);
    ROW("no object at all");
    login_read_facts(NULL, &got);
    assert_string_equal(got.tenant, "");
    assert_false(got.has_expires);
}

static void a_report_has_the_published_members(void **state)
{
    static const struct {
        const char *name;
        bool is_known;
        const char *want;
    } rows[] = {
        { "a login", true,
          "{\"tenant\":\"t-1\",\"subject\":\"sub-1\",\"user\":\"alice\",\"groups\":[\"ops\"],\"expires\":1000300}" },
        { "nothing that became known", false,
          "{\"tenant\":null,\"subject\":null,\"user\":null,\"groups\":[],\"expires\":null}" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        CLEANUP(json_free) struct json *object = json_new_object();

        ROW(rows[i].name);
        set_login();
        strcpy(login.kid, "k-1");
        strcpy(login.identity.groups[0], "ops");
        login.identity.group_count = 1;
        if (!rows[i].is_known)
            login = (struct login){ .credential = NULL };
        assert_true(login_write(&login, LOGIN_REPORT, object));
        assert_string_equal(json_print(object, false), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_login_is_read_back),
        cmocka_unit_test(the_greatest_login_is_read_back),
        cmocka_unit_test(a_date_is_read_back_bit_for_bit),
        cmocka_unit_test(rule_23_a_login_that_is_not_complete_and_valid_is_none),
        cmocka_unit_test(of_a_refused_login_what_is_valid_is_read),
        cmocka_unit_test(a_report_has_the_published_members),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
