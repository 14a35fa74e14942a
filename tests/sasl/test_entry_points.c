#include "tests/support/sasl_entry_points.h"

/* Before there is a connection libsasl writes to syslog(3) and not to the host. */
static void what_is_wrong_is_said_when_the_plug_in_is_loaded(void **state)
{
    static const struct {
        const char *name, *config; /* NULL: no option */
        size_t errors, notes;
    } rows[] = {
        { "nothing", "main.conf", 0, 0 },
        { "no configuration is not worth an error", NULL, 0, 1 },
        { "one that is not there is", "absent.conf", 1, 0 },
        { "one that is broken is", "broken.conf", 1, 0 },
    };
    sasl_server_plug_t *plugs;
    int version, count, i;
    size_t row;

    (void)state;
    heap.left = -1;
    put_file("broken.conf", "nonsense\n");
    for (row = 0; row < COUNT(rows); row++) {
        ROW(rows[row].name);
        host_set(&server_host, "latchkey_config", rows[row].config != NULL ? config_path(rows[row].config) : NULL);
        heap.live = 0;
        line_count = 0;
        assert_int_equal(server_entry()(&own_utils, SASL_SERVER_PLUG_VERSION, &version, &plugs, &count), SASL_OK);
        assert_int_equal(lines_with("nothing is offered", SASL_LOG_ERR), rows[row].errors);
        assert_int_equal(lines_with("nothing is offered", SASL_LOG_DEBUG), rows[row].notes);
        assert_int_equal(line_count, rows[row].errors + rows[row].notes);
        for (i = 0; i < count; i++)
            plugs[i].mech_free(plugs[i].glob_context, &own_utils);
        assert_int_equal(heap.live, 0);
    }
}

/* One exchange of the row, from initialisation to the end; SASL_OK only if all of it went well. */
static int serve_on_failing_heap(size_t row, struct slice message)
{
    static char properties;
    sasl_server_params_t params = { .service = "imap",
                                    .utils = &own_utils,
                                    .canon_user = own_canon_user,
                                    .ipremoteport = "192.0.2.7;50122",
                                    .propctx = (struct propctx *)&properties };
    sasl_out_params_t out_params = { .doneflag = 0 };
    sasl_server_plug_t *plugs = NULL;
    void *exchange = NULL;
    const char *out = NULL;
    unsigned len = 0;
    int version = 0, count = 0, i;
    int code = server_entry()(&own_utils, SASL_SERVER_PLUG_VERSION, &version, &plugs, &count);

    if (code != SASL_OK)
        return code;
    code = plugs[row].mech_avail(plugs[row].glob_context, &params, NULL);
    if (code == SASL_OK)
        code = plugs[row].mech_new(plugs[row].glob_context, &params, NULL, 0, &exchange);
    if (code == SASL_OK) {
        code = plugs[row].mech_step(exchange, &params, message.bytes, (unsigned)message.len, &out, &len, &out_params);
        if (code == SASL_CONTINUE) {
            assert_true(len > 0);
            code = plugs[row].mech_step(exchange, &params, "\1", 1, &out, &len, &out_params);
        }
        assert_int_equal(out_params.doneflag, code == SASL_OK);
        assert_ptr_equal(params.propctx, &properties);
        plugs[row].mech_dispose(exchange, &own_utils);
    }
    for (i = 0; i < count; i++) /* of which the last one ends them all */
        plugs[i].mech_free(plugs[i].glob_context, &own_utils);
    return code;
}

static void rule_41_a_server_without_memory_refuses_and_gives_everything_back(void **state)
{
    static const struct {
        const char *name, *claim, *value;
        int code;
    } rows[] = { { "a good token", NULL, NULL, SASL_OK }, { "an expired one", "exp", "1", SASL_BADAUTH } };
    size_t i, m;
    long n;

    (void)state;
    host_set(&server_host, "latchkey_service", "imap"); /* so that each option is copied */
    for (i = 0; i < COUNT(rows); i++)
        for (m = 0; m < COUNT(mechanisms); m++) {
            char *token = rows[i].claim != NULL ? token_with(rows[i].claim, rows[i].value) : token_with(NULL, NULL);
            char *message = host_message(mechanisms[m], "daemon", token);
            int code;

            ROW(rows[i].name);
            names_left = -1;
            for (n = 0; n < 100; n++) {
                heap.left = n;
                heap.calls = heap.live = 0;
                code = serve_on_failing_heap(m, slice_of(message));
                assert_int_equal(heap.live, 0);
                if (heap.calls <= n)
                    break; /* nothing failed */
                assert_int_equal(code, SASL_NOMEM);
            }
            assert_true(n >= 4 && n < 100);
            assert_int_equal(code, rows[i].code);
            ROW("libsasl has no memory for the names");
            heap.left = -1;
            for (names_left = 0; rows[i].code == SASL_OK && names_left < 2; /* the name that came, and the user's */) {
                const long had = names_left;

                assert_int_equal(serve_on_failing_heap(m, slice_of(message)), SASL_NOMEM);
                assert_int_equal(heap.live, 0);
                names_left = had + 1;
            }
            free(message);
            free(token);
        }
}

static int ask_on_failing_heap(size_t row, bool is_prompted)
{
    sasl_client_params_t params = {
        .service = "imap", .serverFQDN = "mail.example.com", .utils = &own_utils, .canon_user = own_canon_user
    };
    sasl_out_params_t out_params = { .doneflag = 0 };
    sasl_client_plug_t *plugs = NULL;
    static const struct typed typed = { "", "typed-name", TYPED_TOKEN }; /* the user of XOAUTH2 in a second round */
    sasl_interact_t *prompts = NULL;
    void *exchange = NULL;
    const char *out = NULL;
    char asked[ASKED_SIZE] = "";
    unsigned len = 0;
    int version = 0, count = 0, i;
    int code = client_entry()(&own_utils, SASL_CLIENT_PLUG_VERSION, &version, &plugs, &count);

    if (code != SASL_OK)
        return code;
    code = plugs[row].mech_new(plugs[row].glob_context, &params, &exchange);
    if (code == SASL_OK)
        code = plugs[row].mech_step(exchange, &params, NULL, 0, &prompts, &out, &len, &out_params);
    while (code == SASL_INTERACT) {
        assert_true(is_prompted && prompts != NULL);
        answer_prompts(prompts, &typed, true, asked);
        code = plugs[row].mech_step(exchange, &params, NULL, 0, &prompts, &out, &len, &out_params);
    }
    assert_null(prompts);
    assert_int_equal(code == SASL_CONTINUE, len > 0);
    if (code == SASL_CONTINUE)
        assert_int_equal(
            plugs[row].mech_step(exchange, &params, REFUSED, sizeof REFUSED - 1, NULL, &out, &len, &out_params),
            SASL_CONTINUE);
    plugs[row].mech_dispose(exchange, &own_utils);
    for (i = 0; i < count; i++) /* of which the last one ends them all */
        plugs[i].mech_free(plugs[i].glob_context, &own_utils);
    return code;
}

static void rule_32_a_client_without_memory_refuses(void **state)
{
    static const struct known told = { "alice", "alice", CLIENT_TOKEN }, asked = { "?", "?", "?" };
    size_t m, way;
    long n;
    int code;

    (void)state;
    for (way = 0; way < 2; way++)
        for (m = 0; m < COUNT(mechanisms); m++) {
            const struct known *known = way == 0 ? &told : &asked;
            sasl_callback_t *at = own_calls;

            ROW(way == 0 ? "the host tells" : "the host prompts");
            add_call(&at, SASL_CB_USER, known->user, HOST_CALL(tell_name), known);
            add_call(&at, SASL_CB_AUTHNAME, known->authname, HOST_CALL(tell_name), known);
            add_call(&at, SASL_CB_PASS, known->pass, HOST_CALL(tell_pass), known);
            *at = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
            names_left = -1;
            for (n = 0; n < 100; n++) {
                heap.left = n;
                heap.calls = heap.live = 0;
                code = ask_on_failing_heap(m, way == 1);
                assert_int_equal(heap.live, 0);
                if (heap.calls <= n)
                    break;
                assert_int_equal(code, SASL_NOMEM);
            }
            assert_true(n >= 1 && n < 100);
            assert_int_equal(code, SASL_CONTINUE);
            ROW("libsasl has no memory for the names");
            heap.left = -1;
            for (n = 0; n < 2; n++) {
                names_left = n;
                assert_int_equal(ask_on_failing_heap(m, way == 1), SASL_NOMEM);
                assert_int_equal(heap.live, 0);
            }
        }
}

/* With the NUL that follows: those who treat it as a C string may write there, too. */
static void scribble_text(const char *lent, size_t len)
{
    assert_non_null(lent);
    scribble(lent, len + 1);
    assert_int_equal(lent[len], '\0');
}

static void check_success_data(const sasl_client_plug_t *client, sasl_client_params_t *params)
{
    static const struct known known = { NULL, NULL, CLIENT_TOKEN };
    sasl_out_params_t out_params = { .doneflag = 0 };
    sasl_callback_t *at = own_calls;
    void *exchange = NULL;
    const char *out = NULL;
    unsigned len = 0;

    add_call(&at, SASL_CB_PASS, known.pass, HOST_CALL(tell_pass), &known);
    *at = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
    assert_int_equal(client->mech_new(client->glob_context, params, &exchange), SASL_OK);
    assert_int_equal(client->mech_step(exchange, params, NULL, 0, NULL, &out, &len, &out_params), SASL_CONTINUE);
    assert_int_equal(out_params.doneflag, 0);
    assert_int_equal(client->mech_step(exchange, params, NULL, 0, NULL, &out, &len, &out_params), SASL_OK);
    assert_int_equal(out_params.doneflag, 1);
    assert_null(out);
    client->mech_dispose(exchange, &own_utils);
}

static void whatever_a_client_lends_may_be_written_to(void **state)
{
    static const struct typed typed = { "", "alice", CLIENT_TOKEN };
    static const struct known known = { "?", "?", "?" };
    sasl_client_params_t params = {
        .service = "imap", .serverFQDN = "mail.example.com", .utils = &own_utils, .canon_user = own_canon_user
    };
    sasl_out_params_t out_params = { .doneflag = 0 };
    sasl_client_plug_t *plugs;
    sasl_callback_t *at = own_calls;
    int version, count, accepted, i;

    (void)state;
    heap.left = names_left = -1;
    add_call(&at, SASL_CB_USER, known.user, HOST_CALL(tell_name), &known);
    add_call(&at, SASL_CB_AUTHNAME, known.authname, HOST_CALL(tell_name), &known);
    add_call(&at, SASL_CB_PASS, known.pass, HOST_CALL(tell_pass), &known);
    *at = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
    assert_int_equal(client_entry()(&own_utils, SASL_CLIENT_PLUG_VERSION, &version, &plugs, &count), SASL_OK);
    scribble((const char *)plugs, (size_t)count * sizeof *plugs);
    for (i = 0; i < count; i++)
        for (accepted = 0; accepted < 2; accepted++) {
            sasl_interact_t *prompts = NULL, *prompt;
            void *exchange = NULL;
            const char *out = NULL;
            char asked[ASKED_SIZE] = "";
            unsigned len = 0;
            int code;

            ROW(plugs[i].mech_name);
            scribble_text(plugs[i].mech_name, strlen(mechanisms[i]));
            assert_int_equal(plugs[i].mech_new(plugs[i].glob_context, &params, &exchange), SASL_OK);
            while ((code = plugs[i].mech_step(exchange, &params, NULL, 0, &prompts, &out, &len, &out_params))
                   == SASL_INTERACT) {
                for (prompt = prompts; prompt->id != SASL_CB_LIST_END; prompt++) {
                    scribble_text(prompt->prompt, strlen(prompt->prompt));
                    scribble_text(prompt->challenge, strlen(prompt->challenge));
                    if (prompt->defresult != NULL)
                        scribble_text(prompt->defresult, strlen(prompt->defresult));
                }
                answer_prompts(prompts, &typed, true, asked);
            }
            ROW("the message");
            assert_int_equal(code, SASL_CONTINUE);
            scribble_text(out, len);
            ROW(accepted ? "the last step after success" : "the answer to a refusal");
            code = plugs[i].mech_step(exchange, &params, accepted ? NULL : REFUSED, accepted ? 0 : sizeof REFUSED - 1,
                                      NULL, &out, &len, &out_params);
            assert_int_equal(code, accepted ? SASL_OK : SASL_CONTINUE);
            scribble_text(out, len);
            plugs[i].mech_dispose(exchange, &own_utils);
        }
    ROW("a host that may be sent data with success is not lent an empty answer");
    params.flags = SASL_SUCCESS_DATA;
    check_success_data(&plugs[0], &params);
    for (i = 0; i < count; i++)
        plugs[i].mech_free(plugs[i].glob_context, &own_utils);
}

static void whatever_a_server_lends_may_be_written_to(void **state)
{
    sasl_server_params_t params = {
        .service = "imap", .utils = &own_utils, .canon_user = own_canon_user, .ipremoteport = "192.0.2.7;50122"
    };
    sasl_out_params_t out_params = { .doneflag = 0 };
    sasl_server_plug_t *plugs;
    int version, count, i;

    (void)state;
    heap.left = names_left = -1;
    assert_int_equal(server_entry()(&own_utils, SASL_SERVER_PLUG_VERSION, &version, &plugs, &count), SASL_OK);
    scribble((const char *)plugs, (size_t)count * sizeof *plugs);
    for (i = 0; i < count; i++) {
        char *message = host_message(mechanisms[i], "daemon", "nonsense");
        void *exchange = NULL;
        const char *out = NULL;
        unsigned len = 0;

        ROW(plugs[i].mech_name);
        scribble_text(plugs[i].mech_name, strlen(mechanisms[i]));
        assert_int_equal(plugs[i].mech_new(plugs[i].glob_context, &params, NULL, 0, &exchange), SASL_OK);
        ROW("the empty challenge");
        assert_int_equal(plugs[i].mech_step(exchange, &params, NULL, 0, &out, &len, &out_params), SASL_CONTINUE);
        scribble_text(out, len);
        ROW("the error message");
        assert_int_equal(
            plugs[i].mech_step(exchange, &params, message, (unsigned)strlen(message), &out, &len, &out_params),
            SASL_CONTINUE);
        scribble_text(out, len);
        plugs[i].mech_dispose(exchange, &own_utils);
        free(message);
    }
    for (i = 0; i < count; i++)
        plugs[i].mech_free(plugs[i].glob_context, &own_utils);
}

/* libsasl ends an exchange that failed, and some hosts go on all the same. */
static void a_step_without_an_exchange_is_refused(void **state)
{
    sasl_server_params_t params = { .service = "imap", .utils = &own_utils, .canon_user = own_canon_user };
    sasl_out_params_t out_params = { .doneflag = 0 };
    sasl_server_plug_t *plugs = NULL;
    const char *out = NULL;
    unsigned len = 0;
    int version = 0, count = 0, i;

    (void)state;
    heap.left = -1;
    assert_int_equal(server_entry()(&own_utils, SASL_SERVER_PLUG_VERSION, &version, &plugs, &count), SASL_OK);
    for (i = 0; i < count; i++)
        assert_int_equal(plugs[i].mech_step(NULL, &params, "\1", 1, &out, &len, &out_params), SASL_BADPROT);
    for (i = 0; i < count; i++)
        plugs[i].mech_free(plugs[i].glob_context, &own_utils);
}

static void an_older_libsasl_is_told_so(void **state)
{
    sasl_server_plug_t *server_plugs;
    sasl_client_plug_t *client_plugs;
    int version, count;

    (void)state;
    heap.left = -1;
    heap.live = 0;
    assert_int_equal(server_entry()(&own_utils, SASL_SERVER_PLUG_VERSION - 1, &version, &server_plugs, &count),
                     SASL_BADVERS);
    assert_int_equal(client_entry()(&own_utils, SASL_CLIENT_PLUG_VERSION - 1, &version, &client_plugs, &count),
                     SASL_BADVERS);
    assert_int_equal(heap.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_wrong_is_said_when_the_plug_in_is_loaded),
        TEST(rule_41_a_server_without_memory_refuses_and_gives_everything_back),
        TEST(rule_32_a_client_without_memory_refuses),
        TEST(whatever_a_client_lends_may_be_written_to),
        TEST(whatever_a_server_lends_may_be_written_to),
        TEST(a_step_without_an_exchange_is_refused),
        TEST(an_older_libsasl_is_told_so),
    };

    return cmocka_run_group_tests(tests, entry_set_up, entry_tear_down);
}
