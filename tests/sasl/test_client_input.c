#include "tests/support/sasl_client_host.h"

static const struct {
    const char *name, *mechanism;
    struct known known;
    struct typed typed;
    const char *asked; /* a word for each round: U the authzid, A the authcid, P the token */
    int code;
    const char *message; /* or the error */
} prompted[] = {
    { "the token",
      OAUTH,
      { NULL, NULL, "?" },
      { NULL, NULL, TYPED_TOKEN },
      "P ",
      SASL_CONTINUE,
      "n,,\1" HOST_PAIR "auth=Bearer " TYPED_TOKEN "\1\1" },
    { "the token, of a known user",
      OAUTH,
      { "alice", NULL, "?" },
      { NULL, NULL, TYPED_TOKEN },
      "P ",
      SASL_CONTINUE,
      "n,a=alice,\1" HOST_PAIR "auth=Bearer " TYPED_TOKEN "\1\1" },
    { "everything that is sent",
      OAUTH,
      { "?", "?", "?" },
      { "typed-user", "typed-name", TYPED_TOKEN },
      "UP ",
      SASL_CONTINUE,
      "n,a=typed-user,\1" HOST_PAIR "auth=Bearer " TYPED_TOKEN "\1\1" },
    { "an optional one without an answer",
      OAUTH,
      { "?", "?", "?" },
      { NULL, NULL, TYPED_TOKEN },
      "UP ",
      SASL_CONTINUE,
      "n,,\1" HOST_PAIR "auth=Bearer " TYPED_TOKEN "\1\1" },
    { "an optional one with an empty answer",
      OAUTH,
      { "?", "?", "?" },
      { "", NULL, TYPED_TOKEN },
      "UP ",
      SASL_CONTINUE,
      "n,,\1" HOST_PAIR "auth=Bearer " TYPED_TOKEN "\1\1" },
    { "a token with a line end",
      OAUTH,
      { NULL, NULL, "?" },
      { NULL, NULL, TYPED_TOKEN "\n" },
      "P ",
      SASL_CONTINUE,
      "n,,\1" HOST_PAIR "auth=Bearer " TYPED_TOKEN "\1\1" },
    { "an API key, and then whose it is",
      OAUTH,
      { "?", "?", "?" },
      { "", "typed-name", API_KEY },
      "UP A ",
      SASL_CONTINUE,
      "n,a=typed-name,\1" HOST_PAIR "auth=Bearer " API_KEY "\1\1" },
    { "an API key of whom one acts as",
      OAUTH,
      { "?", "?", "?" },
      { "typed-user", "typed-name", API_KEY },
      "UP ",
      SASL_CONTINUE,
      "n,a=typed-user,\1" HOST_PAIR "auth=Bearer " API_KEY "\1\1" },
    { "an API key without an answer whose it is",
      OAUTH,
      { NULL, "?", API_KEY },
      { NULL, NULL, NULL },
      "A ",
      SASL_CONTINUE,
      "n,,\1" HOST_PAIR "auth=Bearer " API_KEY "\1\1" },
    { "whom one acts as, for XOAUTH2",
      XOAUTH,
      { "?", "?", "?" },
      { "typed-user", "typed-name", TYPED_TOKEN },
      "UP ",
      SASL_CONTINUE,
      "user=typed-user\1auth=Bearer " TYPED_TOKEN "\1\1" },
    { "who one is, for XOAUTH2",
      XOAUTH,
      { "?", "?", "?" },
      { "", "typed-name", TYPED_TOKEN },
      "UP A ",
      SASL_CONTINUE,
      "user=typed-name\1auth=Bearer " TYPED_TOKEN "\1\1" },
    { "who one is alone",
      XOAUTH,
      { NULL, "?", CLIENT_TOKEN },
      { NULL, "typed-name", NULL },
      "A ",
      SASL_CONTINUE,
      "user=typed-name\1auth=Bearer " CLIENT_TOKEN "\1\1" },
    { "whom one acts as alone",
      OAUTH,
      { "?", NULL, CLIENT_TOKEN },
      { "typed-user", NULL, NULL },
      "U ",
      SASL_CONTINUE,
      "n,a=typed-user,\1" HOST_PAIR "auth=Bearer " CLIENT_TOKEN "\1\1" },
    { "no token", OAUTH, { "?", "?", "?" }, { "alice", "alice", NULL }, "UP ", SASL_BADPARAM, "no token" },
    { "an empty token", OAUTH, { NULL, NULL, "?" }, { NULL, NULL, "" }, "P ", SASL_BADPARAM, "holds nothing" },
    { "a token with words before it",
      OAUTH,
      { NULL, NULL, "?" },
      { NULL, NULL, "Bearer " TYPED_TOKEN },
      "P ",
      SASL_BADPARAM,
      "an authorization header" },
    { "no user, for XOAUTH2",
      XOAUTH,
      { "?", "?", "?" },
      { NULL, NULL, TYPED_TOKEN },
      "UP A ",
      SASL_BADPARAM,
      "XOAUTH2 needs the name of the user" },
    { "an empty user, for XOAUTH2",
      XOAUTH,
      { NULL, "?", "?" },
      { NULL, "", TYPED_TOKEN },
      "P A ",
      SASL_BADPARAM,
      "XOAUTH2 needs the name of the user" },
};

/* What a host tells its user that asks nobody. */
static const char *missing_for(const char *mechanism, const sasl_interact_t *prompts)
{
    bool has_token = false, has_authcid = false;

    for (; prompts->id != SASL_CB_LIST_END; prompts++) {
        has_token = has_token || prompts->id == SASL_CB_PASS;
        has_authcid = has_authcid || prompts->id == SASL_CB_AUTHNAME;
    }
    if (has_token)
        return "latchkey: no token";
    if (!has_authcid)
        return "latchkey: the program does not name the user to act as";
    return strcmp(mechanism, XOAUTH) == 0 ? "latchkey: XOAUTH2 needs" : "latchkey: an API key needs";
}

static void check_prompted(size_t i, bool with_length)
{
    sasl_callback_t calls[4];
    sasl_conn_t *client = client_of(&prompted[i].known, calls);
    sasl_interact_t *prompts = NULL;
    const char *out = NULL, *mechanism;
    char asked[ASKED_SIZE] = "";
    unsigned len = 0;
    int code;

    while ((code = sasl_client_start(client, prompted[i].mechanism, &prompts, &out, &len, &mechanism))
           == SASL_INTERACT) {
        assert_non_null(prompts);
        assert_true(strlen(asked) < 10); /* it ends */
        ROW(sasl_errdetail(client));
        assert_non_null(strstr(sasl_errdetail(client), missing_for(prompted[i].mechanism, prompts)));
        assert_null(strstr(sasl_errdetail(client), "successful"));
        answer_prompts(prompts, &prompted[i].typed, with_length, asked);
    }
    assert_null(prompts);
    assert_int_equal(code, prompted[i].code);
    assert_string_equal(asked, prompted[i].asked);
    if (code == SASL_CONTINUE)
        assert_true(slice_equal_string((struct slice){ out, len }, prompted[i].message));
    else
        assert_non_null(strstr(sasl_errdetail(client), prompted[i].message));
    assert_not_logged(TYPED_TOKEN);
    sasl_dispose(&client);
}

/* As libsasl's own mechanisms, no prompt is shown twice; PHP's LDAP would go on for ever. */
static void a_client_prompts_once_for_what_is_not_known(void **state)
{
    size_t i;

    (void)state;
    start_client();
    for (i = 0; i < COUNT(prompted); i++) {
        ROW(prompted[i].name);
        check_prompted(i, true);
        ROW("the same, from a host that tells no lengths");
        check_prompted(i, false);
    }
}

static void a_host_that_does_not_hand_back_its_prompts_has_no_answers(void **state)
{
    const struct known known = { "?", NULL, "?" };
    sasl_callback_t calls[4];
    sasl_conn_t *client;
    sasl_interact_t *prompts = NULL;
    const char *out, *mechanism;
    unsigned len;

    (void)state;
    start_client();
    client = client_of(&known, calls);
    assert_int_equal(sasl_client_start(client, OAUTH, &prompts, &out, &len, &mechanism), SASL_INTERACT);
    assert_int_equal(sasl_client_step(client, NULL, 0, NULL, &out, &len), SASL_BADPARAM);
    assert_non_null(strstr(sasl_errdetail(client), "no token"));
    sasl_dispose(&client);
    ROW("one that hands back others has none either");
    prompts->id = SASL_CB_LIST_END;
    client = client_of(&known, calls);
    {
        sasl_interact_t *first = NULL;

        assert_int_equal(sasl_client_start(client, OAUTH, &first, &out, &len, &mechanism), SASL_INTERACT);
        free(first);
    }
    assert_int_equal(sasl_client_start(client, OAUTH, &prompts, &out, &len, &mechanism), SASL_BADPARAM);
    assert_null(prompts);
    sasl_dispose(&client);
}

static void a_host_that_cannot_prompt_is_told_what_is_missing(void **state)
{
    static const struct {
        const char *name, *mechanism;
        struct known known;
        const char *error;
    } rows[] = {
        { "the token", OAUTH, { "alice", "alice", "?" }, "no token" },
        { "the user", XOAUTH, { NULL, "?", CLIENT_TOKEN }, "XOAUTH2 needs the name of the user" },
        { "the user, whom nobody asks for",
          XOAUTH,
          { NULL, NULL, CLIENT_TOKEN },
          "XOAUTH2 needs the name of the user" },
        { "the user, with an empty name", XOAUTH, { "", "", CLIENT_TOKEN }, "XOAUTH2 needs the name of the user" },
        { "a token that is empty", OAUTH, { NULL, NULL, "" }, "what the program gives as the token holds nothing" },
        { "a token in quotes", OAUTH, { NULL, NULL, "'" CLIENT_TOKEN "'" }, "holds quotes around the token" },
        { "a user with a control character", OAUTH, { "a\1b", NULL, CLIENT_TOKEN }, "contains control characters" },
    };
    sasl_callback_t calls[4];
    sasl_conn_t *client;
    const char *out, *mechanism;
    unsigned len;
    size_t i;

    (void)state;
    start_client();
    for (i = 0; i < COUNT(rows); i++) {
        ROW(rows[i].name);
        client = client_of(&rows[i].known, calls);
        assert_int_equal(sasl_client_start(client, rows[i].mechanism, NULL, &out, &len, &mechanism), SASL_BADPARAM);
        assert_non_null(strstr(sasl_errdetail(client), rows[i].error));
        assert_null(strstr(sasl_errdetail(client), "Unable to find a callback"));
        sasl_dispose(&client);
    }
}

static void a_file_with_the_token_wins(void **state)
{
    static const struct {
        const char *name, *option, *variable; /* files of the directory */
        mode_t mode;
        const char *content;
        struct known known;
        int code;
        const char *sent; /* or a part of the error */
    } rows[] = {
        { "that of the option, over prompting",
          "t-option",
          NULL,
          0600,
          "file-token\n",
          { NULL, NULL, "?" },
          SASL_CONTINUE,
          "file-token" },
        { "that of the option, over the host's password",
          "t-option",
          NULL,
          0400,
          "file-token",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_CONTINUE,
          "file-token" },
        { "that of the option, over everything that a person could be asked",
          "t-option",
          NULL,
          0600,
          "file-token\r\n",
          { NULL, "?", "?" },
          SASL_CONTINUE,
          "file-token" },
        { "that of the environment, over prompting",
          NULL,
          "t-env",
          0600,
          "env-token\n",
          { NULL, NULL, "?" },
          SASL_CONTINUE,
          "env-token" },
        { "that of the environment, over everything that a person could be asked",
          NULL,
          "t-env",
          0600,
          "env-token",
          { NULL, "?", "?" },
          SASL_CONTINUE,
          "env-token" },
        { "the option's over the environment's",
          "t-option",
          "t-absent",
          0600,
          "file-token",
          { NULL, "?", "?" },
          SASL_CONTINUE,
          "file-token" },
        { "one that others can read",
          "t-option",
          NULL,
          0640,
          "file-token",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_FAIL,
          NULL },
        { "one that others can write",
          "t-option",
          NULL,
          0622,
          "file-token",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_FAIL,
          NULL },
        { "one of the environment that others can read",
          NULL,
          "t-env",
          0604,
          "env-token",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_FAIL,
          NULL },
        { "one that is not there", "t-absent", NULL, 0600, NULL, { NULL, NULL, CLIENT_TOKEN }, SASL_FAIL, NULL },
        { "an empty one", "t-option", NULL, 0600, "", { NULL, NULL, CLIENT_TOKEN }, SASL_BADPARAM, "holds nothing" },
        { "a blank one",
          "t-option",
          NULL,
          0600,
          " \n",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_BADPARAM,
          "holds nothing but blanks" },
        { "one of two lines",
          "t-option",
          NULL,
          0600,
          "a\nb\n",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_BADPARAM,
          "holds several lines" },
        { "one with a second line end",
          "t-option",
          NULL,
          0600,
          "file-token\n\n",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_BADPARAM,
          "holds blanks or more than one line end" },
        { "a header",
          "t-env",
          NULL,
          0600,
          "Bearer file-token\n",
          { NULL, NULL, CLIENT_TOKEN },
          SASL_BADPARAM,
          "holds an authorization header" },
        { "a reply",
          NULL,
          "t-env",
          0600,
          "{\"access_token\":\"file-token\"}\n",
          { NULL, "?", "?" },
          SASL_BADPARAM,
          "holds a JSON text" },
    };
    sasl_callback_t calls[4];
    sasl_conn_t *client;
    const char *out, *mechanism;
    char *want, *option = NULL, *variable = NULL;
    unsigned len;
    size_t i;

    (void)state;
    start_client();
    for (i = 0; i < COUNT(rows); i++) {
        const char *name = rows[i].option != NULL ? rows[i].option : rows[i].variable;

        ROW(rows[i].name);
        if (rows[i].content != NULL)
            assert_int_equal(chmod(write_file(name, rows[i].content), rows[i].mode), 0);
        if (rows[i].option != NULL)
            option = strdup(path_in_directory(rows[i].option));
        if (rows[i].variable != NULL) {
            variable = strdup(path_in_directory(rows[i].variable));
            setenv("LATCHKEY_TOKEN_FILE", variable, 1);
        }
        host_set(&client_host, "latchkey_token_file", option);
        if (rows[i].variable == NULL)
            setenv("LATCHKEY_TOKEN_FILE", "", 1); /* as good as none */
        client = client_of(&rows[i].known, calls);
        assert_int_equal(sasl_client_start(client, OAUTH, NULL, &out, &len, &mechanism), rows[i].code);
        if (rows[i].code == SASL_CONTINUE) {
            assert_true(asprintf(&want, "n,,\1" HOST_PAIR "auth=Bearer %s\1\1", rows[i].sent) > 0);
            assert_true(slice_equal_string((struct slice){ out, len }, want));
            free(want);
        } else {
            assert_non_null(strstr(sasl_errdetail(client), name));
            assert_non_null(strstr(sasl_errdetail(client), rows[i].sent != NULL ? rows[i].sent : "latchkey: "));
            assert_null(strstr(sasl_errdetail(client), "file-token"));
            assert_int_equal(strstr(sasl_errdetail(client), "the file /") != NULL, rows[i].code == SASL_BADPARAM);
        }
        assert_int_equal(lines_with("file-token", 0), 0);
        assert_int_equal(lines_with("env-token", 0), 0);
        sasl_dispose(&client);
        unsetenv("LATCHKEY_TOKEN_FILE");
        unlink(path_in_directory(name));
        free(option);
        free(variable);
        option = variable = NULL;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_prompts_once_for_what_is_not_known),
        TEST(a_host_that_does_not_hand_back_its_prompts_has_no_answers),
        TEST(a_host_that_cannot_prompt_is_told_what_is_missing),
        TEST(a_file_with_the_token_wins),
    };

    return cmocka_run_group_tests(tests, set_up, client_tear_down);
}
