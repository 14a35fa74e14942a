#include "tests/support/unit.h"

#include "base/text.h"
#include "verdict/log_line.h"
#include "verdict/verdict.h"

#define X(id, name, pam, sasl, status, exit, told, sentence) { id, name, #pam, #sasl, status, exit, told, sentence },
static const struct {
    enum reason reason;
    const char *name, *pam, *sasl, *status;
    int exit_status;
    const char *told, *sentence;
} reasons[] = { REASONS(X) };
#undef X

static void every_reason_has_a_whole_row(void **state)
{
    size_t i;

    (void)state;
    assert_int_equal(COUNT(reasons), REASON_COUNT);
    for (i = 0; i < COUNT(reasons); i++) {
        ROW(reasons[i].name);
        assert_int_equal(reasons[i].reason, i);
        assert_true(strlen(reasons[i].name) > 0);
        assert_int_equal(strspn(reasons[i].name, "abcdefghijklmnopqrstuvwxyz_"), strlen(reasons[i].name));
        assert_memory_equal(reasons[i].pam, "PAM_", 4);
        assert_memory_equal(reasons[i].sasl, "SASL_", 5);
        /* A client that reads an error throws its token away: only where the token is at fault. */
        assert_true(reasons[i].status == NULL || reasons[i].exit_status == 1);
        assert_in_range(reasons[i].exit_status, 0, 3);
        assert_true(strlen(reasons[i].sentence) > 0);
        assert_string_equal(reason_name(reasons[i].reason), reasons[i].name);
        assert_string_equal(reason_sentence(reasons[i].reason), reasons[i].sentence);
        assert_int_equal(reason_exit_status(reasons[i].reason), reasons[i].exit_status);
    }
}

static void names_of_reasons_are_unique(void **state)
{
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(reasons); i++)
        for (j = 0; j < i; j++)
            assert_string_not_equal(reasons[i].name, reasons[j].name);
}

static void only_ok_is_a_success(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(reasons); i++) {
        ROW(reasons[i].name);
        assert_int_equal(reasons[i].exit_status == 0, reasons[i].reason == REASON_OK);
        assert_int_equal(strcmp(reasons[i].pam, "PAM_SUCCESS") == 0, reasons[i].reason == REASON_OK);
        assert_string_not_equal(reasons[i].pam, "PAM_IGNORE");
    }
}

static void a_value_beside_the_table_reads_as_undecided(void **state)
{
    static const int values[] = { REASON_COUNT, REASON_COUNT + 1, -1, 1 << 20 };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(values); i++) {
        struct verdict verdict = VERDICT_INIT;
        char told[TOLD_MAX];

        verdict.reason = (enum reason)values[i];
        assert_string_equal(reason_name(verdict.reason), "undecided");
        assert_string_equal(reason_sentence(verdict.reason), "not verified");
        assert_int_equal(reason_exit_status(verdict.reason), 1);
        verdict_told(&verdict, told);
        assert_string_equal(told, "Token not accepted.");
    }
}

static void zero_is_undecided_and_denies(void **state)
{
    struct verdict verdict = VERDICT_INIT;
    const struct attempt nobody = { .service = NULL };
    char line[LOG_LINE_MAX];

    (void)state;
    assert_int_equal(REASON_UNDECIDED, 0);
    assert_int_equal(verdict.reason, REASON_UNDECIDED);
    verdict_log_line(&verdict, &nobody, line);
    assert_string_equal(line, "verdict=reject reason=undecided credential=none");
}

static void the_first_refusal_stands(void **state)
{
    struct verdict verdict = VERDICT_INIT;

    (void)state;
    ROW("a refusal is false");
    assert_false(verdict_reject(&verdict, REASON_KEY_UNKNOWN, "kid=%s", "a"));
    ROW("a second one is false and changes nothing");
    assert_false(verdict_reject(&verdict, REASON_SYSTEM_ERROR, "later"));
    assert_int_equal(verdict.reason, REASON_KEY_UNKNOWN);
    assert_string_equal(verdict.evidence, "kid=a");
    ROW("nobody accepts it any more");
    assert_false(verdict_accept(&verdict));
    assert_int_equal(verdict.reason, REASON_KEY_UNKNOWN);
}

static void an_acceptance_happens_once(void **state)
{
    struct verdict verdict = VERDICT_INIT;

    (void)state;
    assert_true(verdict_accept(&verdict));
    assert_int_equal(verdict.reason, REASON_OK);
    ROW("an accepted verdict is not accepted again");
    assert_false(verdict_accept(&verdict));
}

static void a_refusal_is_never_ok(void **state)
{
    static const int values[] = { REASON_OK, REASON_UNDECIDED, REASON_COUNT, -1 };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(values); i++) {
        struct verdict verdict = VERDICT_INIT;

        assert_false(verdict_reject(&verdict, (enum reason)values[i], "x"));
        assert_int_equal(verdict.reason, REASON_SYSTEM_ERROR);
    }
}

static const struct {
    const char *name;
    struct slice value;
    const char *want;
} fact_cases[] = {
    { "printable ASCII stays", { " Az09~", 6 }, " Az09~" },
    { "nothing", { NULL, 0 }, "" },
    { "a line end", { "a\nb", 3 }, "a?b" },
    { "a carriage return", { "a\rb", 3 }, "a?b" },
    { "a NUL does not end it", { "a\0b", 3 }, "a?b" },
    { "ESC of a terminal sequence", { "\x1b[2J", 4 }, "?[2J" },
    { "the last control character, 0x1f", { "\x1f ", 2 }, "? " },
    { "DEL", { "~\x7f", 2 }, "~?" },
    { "UTF-8 of two, three and four bytes",
      { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91", 9 },
      "\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91" },
    { "CSI, a control character of C1", { "\xc2\x9b", 2 }, "??" },
    { "the last of C1, U+009F", { "\xc2\x9f", 2 }, "??" },
    { "the one after C1, U+00A0", { "\xc2\xa0", 2 }, "\xc2\xa0" },
    { "right-to-left override, U+202E", { "a\xe2\x80\xaenimda", 9 }, "a???nimda" },
    { "the one after the overrides, U+202F", { "\xe2\x80\xaf", 3 }, "\xe2\x80\xaf" },
    { "line separator, U+2028", { "\xe2\x80\xa8", 3 }, "???" },
    { "the one before, U+2027", { "\xe2\x80\xa7", 3 }, "\xe2\x80\xa7" },
    { "the last mark of direction, U+200F", { "\xe2\x80\x8f", 3 }, "???" },
    { "the one after it, U+2010", { "\xe2\x80\x90", 3 }, "\xe2\x80\x90" },
    { "word joiner, U+2060", { "\xe2\x81\xa0", 3 }, "???" },
    { "the last isolate, U+2069", { "\xe2\x81\xa9", 3 }, "???" },
    { "the first annotation, U+FFF9", { "\xef\xbf\xb9", 3 }, "???" },
    { "the last annotation, U+FFFB", { "\xef\xbf\xbb", 3 }, "???" },
    { "the replacement character, U+FFFD", { "\xef\xbf\xbd", 3 }, "\xef\xbf\xbd" },
    { "zero-width space, U+200B", { "\xe2\x80\x8b", 3 }, "???" },
    { "the one before, U+200A", { "\xe2\x80\x8a", 3 }, "\xe2\x80\x8a" },
    { "isolate, U+2066", { "\xe2\x81\xa6", 3 }, "???" },
    { "Arabic letter mark, U+061C", { "\xd8\x9c", 2 }, "??" },
    { "byte order mark, U+FEFF", { "\xef\xbb\xbf", 3 }, "???" },
    { "overlong slash in two bytes", { "\xc0\xaf", 2 }, "??" },
    { "overlong NUL", { "\xc0\x80", 2 }, "??" },
    { "overlong in three bytes", { "\xe0\x9f\xbf", 3 }, "???" },
    { "the first that needs three bytes, U+0800", { "\xe0\xa0\x80", 3 }, "\xe0\xa0\x80" },
    { "overlong in four bytes", { "\xf0\x8f\xbf\xbf", 4 }, "????" },
    { "the first that needs four bytes, U+10000", { "\xf0\x90\x80\x80", 4 }, "\xf0\x90\x80\x80" },
    { "a surrogate, U+D800", { "\xed\xa0\x80", 3 }, "???" },
    { "the last surrogate, U+DFFF", { "\xed\xbf\xbf", 3 }, "???" },
    { "the one before the surrogates, U+D7FF", { "\xed\x9f\xbf", 3 }, "\xed\x9f\xbf" },
    { "the last of the third plane", { "\xf0\xaf\xbf\xbd", 4 }, "\xf0\xaf\xbf\xbd" },
    { "the last code point, U+10FFFF, is no character", { "\xf4\x8f\xbf\xbf", 4 }, "????" },
    { "a tag, U+E0041", { "\xf3\xa0\x81\x81", 4 }, "????" },
    { "private use, U+E000", { "\xee\x80\x80", 3 }, "???" },
    { "beyond the last character", { "\xf4\x90\x80\x80", 4 }, "????" },
    { "no UTF-8 at all", { "\xff\xfe", 2 }, "??" },
    { "a tail without its head", { "\x80", 1 }, "?" },
    { "a character that the end cuts", { "a\xe2\x82", 3 }, "a??" },
    { "a head before ASCII", { "\xc3(", 2 }, "?(" },
};

static void rule_34_values_are_stripped_of_control_bytes(void **state)
{
    char fact[64];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(fact_cases); i++) {
        ROW(fact_cases[i].name);
        text_copy_printable(fact, sizeof fact, fact_cases[i].value);
        assert_string_equal(fact, fact_cases[i].want);
    }
}

static void a_fact_is_cut_between_characters(void **state)
{
    char fact[8];

    (void)state;
    ROW("as long as fits");
    text_copy_printable(fact, sizeof fact, LITERAL("1234567"));
    assert_string_equal(fact, "1234567");
    ROW("one byte longer");
    text_copy_printable(fact, sizeof fact, LITERAL("12345678"));
    assert_string_equal(fact, "1234567");
    ROW("a character of two bytes that just fits");
    text_copy_printable(fact, sizeof fact, LITERAL("12345\xc3\xa4"));
    assert_string_equal(fact, "12345\xc3\xa4");
    ROW("a character of two bytes at the end is not halved");
    text_copy_printable(fact, sizeof fact, LITERAL("123456\xc3\xa4"));
    assert_string_equal(fact, "123456");
    ROW("a buffer for the NUL only");
    text_copy_printable(fact, 1, LITERAL("x"));
    assert_string_equal(fact, "");
}

static void evidence_is_stripped_and_cut(void **state)
{
    struct verdict verdict = VERDICT_INIT;
    char longer[2 * EVIDENCE_MAX];

    (void)state;
    ROW("control bytes");
    verdict_reject(&verdict, REASON_KEY_UNKNOWN, "kid=%s", "a\nverdict=accept\x1b[1m");
    assert_string_equal(verdict.evidence, "kid=a?verdict=accept?[1m");
    ROW("longer than its buffer");
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    verdict = VERDICT_INIT;
    verdict_reject(&verdict, REASON_KEY_UNKNOWN, "%s", longer);
    assert_int_equal(strlen(verdict.evidence), EVIDENCE_MAX - 1);
    ROW("a character that the cut would halve becomes '?'");
    longer[EVIDENCE_MAX - 2] = '\xc3';
    longer[EVIDENCE_MAX - 1] = '\xa4';
    verdict = VERDICT_INIT;
    verdict_reject(&verdict, REASON_KEY_UNKNOWN, "%s", longer);
    assert_int_equal(strlen(verdict.evidence), EVIDENCE_MAX - 1);
    assert_int_equal(verdict.evidence[EVIDENCE_MAX - 2], '?');
}

static void rule_34_remote_text_is_no_format(void **state)
{
    struct verdict verdict = VERDICT_INIT;
    const struct attempt attempt = { .service = "%s%n", .user = "%n%n%n", .rhost = "%x" };
    char line[LOG_LINE_MAX];

    (void)state;
    text_copy_printable(verdict.kid, sizeof verdict.kid, LITERAL("%s%n"));
    verdict_reject(&verdict, REASON_KEY_UNKNOWN, "kid=%s", "%s%n");
    verdict_log_line(&verdict, &attempt, line);
    assert_string_equal(line,
                        "verdict=reject reason=key_unknown service=\"%s%n\" user=\"%n%n%n\" rhost=\"%x\""
                        " credential=none kid=\"%s%n\" detail=\"kid=%s%n\"");
}

static void a_line_says_all_that_is_known(void **state)
{
    struct verdict verdict = VERDICT_INIT;
    const struct attempt attempt = { .service = "sshd", .user = "alice", .rhost = "192.0.2.7" };
    char line[LOG_LINE_MAX];

    (void)state;
    verdict.credential = "jwt";
    text_copy_printable(verdict.tenant, sizeof verdict.tenant, LITERAL("t-1"));
    text_copy_printable(verdict.subject, sizeof verdict.subject, LITERAL("auth0|alice"));
    text_copy_printable(verdict.user, sizeof verdict.user, LITERAL("alice"));
    text_copy_printable(verdict.kid, sizeof verdict.kid, LITERAL("key-1"));
    text_copy_printable(verdict.jti, sizeof verdict.jti, LITERAL("j+/@:._-1"));
    verdict.has_expiry = true;
    verdict.expiry = INT64_C(9007199254740992);
    verdict_reject(&verdict, REASON_TOKEN_EXPIRED, "exp=1 now=2");
    verdict_log_line(&verdict, &attempt, line);
    assert_string_equal(line,
                        "verdict=reject reason=token_expired service=sshd user=alice rhost=192.0.2.7 credential=jwt"
                        " tenant=t-1 sub=\"auth0|alice\" mapped=alice kid=key-1 jti=j+/@:._-1"
                        " exp=9007199254740992 detail=\"exp=1 now=2\"");
    ROW("accepted, and nothing known about who knocked");
    verdict = VERDICT_INIT;
    verdict_accept(&verdict);
    verdict_log_line(&verdict, &(struct attempt){ .user = "" }, line);
    assert_string_equal(line, "verdict=accept reason=ok credential=none");
}

static const struct {
    const char *name, *user, *want;
} forgeries[] = {
    { "a space and a pair of one's own", "alice verdict=accept", "user=\"alice verdict=accept\"" },
    { "an equals sign alone is quoted", "a=b", "user=\"a=b\"" },
    { "a quote", "a\" verdict=accept x=\"", "user=\"a\\\" verdict=accept x=\\\"\"" },
    { "a backslash before the closing quote", "a b\\", "user=\"a b\\\\\"" },
    { "a backslash alone is quoted", "\\", "user=\"\\\\\"" },
    { "a line end", "a\nlatchkey: verdict=accept", "user=\"a?latchkey: verdict=accept\"" },
    { "a terminal sequence", "\x1b[31mroot", "user=\"?[31mroot\"" },
    { "a right-to-left override",
      "a\xe2\x80\xae"
      "b",
      "user=\"a???b\"" },
    { "broken UTF-8", "a\xff\xc3", "user=\"a??\"" },
    { "UTF-8 stays, in quotes", "j\xc3\xb6rg", "user=\"j\xc3\xb6rg\"" },
};

static void rule_34_nobody_writes_a_line_of_their_own(void **state)
{
    char line[LOG_LINE_MAX], want[256];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(forgeries); i++) {
        struct verdict verdict = VERDICT_INIT;

        ROW(forgeries[i].name);
        verdict_log_line(&verdict, &(struct attempt){ .user = forgeries[i].user }, line);
        snprintf(want, sizeof want, "verdict=reject reason=undecided %s credential=none", forgeries[i].want);
        assert_string_equal(line, want);
    }
}

/* Whoever logs in chooses the user's name and much of the token: length must not push the evidence out of the line. */
static void no_length_pushes_a_fact_out_of_the_line(void **state)
{
    static const char *const names[] = { "verdict=reject", " reason=credential_not_allowed",
                                         " service=",      " user=",
                                         " rhost=",        " credential=api_key",
                                         " tenant=",       " sub=",
                                         " mapped=",       " kid=",
                                         " jti=",          " exp=9007",
                                         " detail=" };
    struct verdict verdict = VERDICT_INIT;
    char endless[10000], line[LOG_LINE_MAX];
    size_t i;

    (void)state;
    memset(endless, '"', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    verdict.credential = "api_key";
    text_copy_printable(verdict.tenant, sizeof verdict.tenant, slice_of(endless));
    text_copy_printable(verdict.subject, sizeof verdict.subject, slice_of(endless));
    text_copy_printable(verdict.user, sizeof verdict.user, slice_of(endless));
    text_copy_printable(verdict.kid, sizeof verdict.kid, slice_of(endless));
    text_copy_printable(verdict.jti, sizeof verdict.jti, slice_of(endless));
    verdict.has_expiry = true;
    verdict.expiry = INT64_C(9007199254740992);
    verdict_reject(&verdict, REASON_CREDENTIAL_NOT_ALLOWED, "%s", endless);
    memset(line, 'x', sizeof line);
    verdict_log_line(&verdict, &(struct attempt){ .service = endless, .user = endless, .rhost = endless }, line);
    assert_non_null(memchr(line, '\0', sizeof line));
    for (i = 0; i < COUNT(names); i++) {
        ROW(names[i]);
        assert_non_null(strstr(line, names[i]));
    }
    ROW("and the last value is closed");
    assert_string_equal(line + strlen(line) - 3, "\\\"\"");
}

static const struct {
    const char *name;
    int64_t seconds;
    const char *want;
} ages[] = {
    { "nothing", 0, "The token expired 0 seconds ago." },
    { "one second", 1, "The token expired 1 second ago." },
    { "the last of the seconds", 59, "The token expired 59 seconds ago." },
    { "one minute", 60, "The token expired 1 minute ago." },
    { "the last of one minute", 119, "The token expired 1 minute ago." },
    { "two minutes", 120, "The token expired 2 minutes ago." },
    { "the last of the minutes", 3599, "The token expired 59 minutes ago." },
    { "one hour", 3600, "The token expired 1 hour ago." },
    { "the last of the hours", 86399, "The token expired 23 hours ago." },
    { "one day", 86400, "The token expired 1 day ago." },
    { "as long as there are dates", INT64_C(9007199254740992), "The token expired 104249991374 days ago." },
};

static void an_expired_token_is_told_its_age(void **state)
{
    char told[TOLD_MAX];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(ages); i++) {
        struct verdict verdict = VERDICT_INIT;

        ROW(ages[i].name);
        verdict.expired_for = ages[i].seconds;
        verdict_reject(&verdict, REASON_TOKEN_EXPIRED, "x");
        verdict_told(&verdict, told);
        assert_string_equal(told, ages[i].want);
    }
}

/* What follows the signature and the mapping, and so can only be read by whom the token belongs to. */
static const struct {
    enum reason reason;
    const char *told;
} telling[] = {
    { REASON_TOKEN_EXPIRED, "The token expired 0 seconds ago." },
    { REASON_TOKEN_NOT_YET_VALID, "The token is not valid yet." },
    { REASON_TOKEN_FROM_FUTURE, "The token is not valid yet." },
    { REASON_TOKEN_TOO_OLD, "This service requires a more recent token." },
    { REASON_GROUP_MISSING, "You are not in a group that may use this service." },
    { REASON_LATCHKEYD_UNAVAILABLE, "Tokens cannot be checked at the moment." },
    /* nothing was refused, nobody listens, or another module asks next */
    { REASON_OK, "" },
    { REASON_CONVERSATION_FAILED, "" },
    { REASON_CREDENTIAL_ABSENT, "" },
    { REASON_CREDENTIAL_NOT_ALLOWED, "" },
    /* how the program answers */
    { REASON_ANSWER_REPEATED, "This program gives every prompt the same answer, and the token is too long for one." },
};

static const char *want_told(enum reason reason)
{
    size_t i;

    for (i = 0; i < COUNT(telling); i++)
        if (telling[i].reason == reason)
            return telling[i].told;
    return "Token not accepted.";
}

static void rule_36_nothing_is_revealed_before_the_signature_holds(void **state)
{
    char told[TOLD_MAX];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(reasons); i++) {
        struct verdict verdict = VERDICT_INIT;

        ROW(reasons[i].name);
        verdict.reason = reasons[i].reason;
        snprintf(verdict.evidence, sizeof verdict.evidence, "secret evidence");
        verdict_told(&verdict, told);
        assert_string_equal(told, want_told(reasons[i].reason));
    }
}

static void rule_37_only_what_follows_the_mapping_proves_the_users_own_token(void **state)
{
    static const enum reason proving[] = { REASON_TOKEN_EXPIRED, REASON_TOKEN_NOT_YET_VALID, REASON_TOKEN_FROM_FUTURE,
                                           REASON_TOKEN_TOO_OLD, REASON_GROUP_MISSING };
    size_t i, proofs = 0;

    (void)state;
    for (i = 0; i < COUNT(proving); i++)
        assert_true(reason_proves_own_token(proving[i]));
    for (i = 0; i < REASON_COUNT; i++)
        proofs += reason_proves_own_token((enum reason)i);
    assert_int_equal(proofs, COUNT(proving));
}

static void checks_have_names_and_meanings(void **state)
{
    size_t i, j;

    (void)state;
    for (i = 0; i < CHECK_COUNT; i++) {
        assert_true(strlen(check_meaning((enum check)i)) > 0);
        assert_true(strlen(check_name((enum check)i)) > 0);
        assert_int_equal(strspn(check_name((enum check)i), "abcdefghijklmnopqrstuvwxyz"),
                         strlen(check_name((enum check)i)));
        for (j = 0; j < i; j++)
            assert_string_not_equal(check_name((enum check)i), check_name((enum check)j));
    }
}

static void the_explanation_ends_with_the_check_that_refused(void **state)
{
    struct explanation explanation = { .count = 0 };
    struct verdict verdict = VERDICT_INIT;

    (void)state;
    verdict.explanation = &explanation;
    ROW("a check that another one follows has passed");
    verdict_check(&verdict, CHECK_FORMAT);
    verdict_detail(&verdict, "%s", "a\nb");
    verdict_check(&verdict, CHECK_KEY);
    assert_int_equal(explanation.count, 2);
    assert_true(explanation.made[0].ok);
    assert_string_equal(explanation.made[0].detail, "a?b");
    ROW("an open check is not ok");
    assert_false(explanation.made[1].ok);
    ROW("the same check goes on");
    verdict_check(&verdict, CHECK_KEY);
    assert_int_equal(explanation.count, 2);
    ROW("the refusal is its detail");
    verdict_detail(&verdict, "found");
    verdict_reject(&verdict, REASON_KEY_UNKNOWN, "kid=x");
    assert_int_equal(explanation.made[1].check, CHECK_KEY);
    assert_false(explanation.made[1].ok);
    assert_string_equal(explanation.made[1].detail, "kid=x");
    ROW("what is said after the refusal changes nothing");
    verdict_detail(&verdict, "later");
    verdict_check(&verdict, CHECK_SIGNATURE);
    verdict_reject(&verdict, REASON_SYSTEM_ERROR, "later");
    assert_int_equal(explanation.count, 2);
    assert_string_equal(explanation.made[1].detail, "kid=x");
}

static void accepting_passes_the_open_check(void **state)
{
    struct explanation explanation = { .count = 0 };
    struct verdict verdict = VERDICT_INIT;

    (void)state;
    verdict.explanation = &explanation;
    ROW("a detail before any check goes nowhere");
    verdict_detail(&verdict, "early");
    assert_int_equal(explanation.count, 0);
    verdict_check(&verdict, CHECK_SERVICE);
    verdict_accept(&verdict);
    assert_int_equal(explanation.count, 1);
    assert_true(explanation.made[0].ok);
    ROW("what is said after that changes nothing");
    verdict_detail(&verdict, "later");
    assert_string_equal(explanation.made[0].detail, "");
}

static void more_checks_than_fit_are_left_out(void **state)
{
    struct explanation explanation = { .count = 0 };
    struct verdict verdict = VERDICT_INIT;
    size_t i;

    (void)state;
    verdict.explanation = &explanation;
    for (i = 0; i < 2 * CHECK_MAX; i++)
        verdict_check(&verdict, i % 2 == 0 ? CHECK_KEY : CHECK_CLAIMS);
    assert_int_equal(explanation.count, CHECK_MAX);
}

/* The line of a user's name between the bytes before it and behind it. */
static void rule_34_every_character_is_bare_or_in_quotes(void **state)
{
    static const char bare[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/@+-";
    struct verdict verdict = VERDICT_INIT;
    char line[LOG_LINE_MAX], want[64];
    int c;

    (void)state;
    for (c = 1; c < 256; c++) {
        const char user[] = { 'x', (char)c, '\0' };
        const char shown[] = { c < 0x20 || c > 0x7e ? '?' : (char)c, '\0' };
        const bool is_bare = strchr(bare, c) != NULL;

        snprintf(want, sizeof want, is_bare ? " user=x%s%s " : " user=\"x%s%s\" ", c == '"' || c == '\\' ? "\\" : "",
                 shown);
        verdict_log_line(&verdict, &(struct attempt){ .user = user }, line);
        if (strstr(line, want) == NULL)
            fail_msg("%02x: %s", (unsigned)c, line);
    }
}

static void an_explanation_without_a_check_stays_empty(void **state)
{
    struct explanation *explanation = calloc(1, sizeof *explanation); /* a sanitizer sees what lies before it */
    struct verdict verdict = VERDICT_INIT;

    (void)state;
    assert_non_null(explanation);
    verdict.explanation = explanation;
    verdict_detail(&verdict, "nothing");
    verdict_reject(&verdict, REASON_SYSTEM_ERROR, "before any check");
    verdict_add(&verdict, "and more");
    assert_string_equal(verdict.evidence, "before any check; and more");
    assert_int_equal(explanation->count, 0);
    verdict = VERDICT_INIT;
    verdict.explanation = explanation;
    assert_true(verdict_accept(&verdict));
    assert_int_equal(explanation->count, 0);
    free(explanation);
}

static void what_is_added_stands_in_the_explanation_too(void **state)
{
    static struct explanation explanation;
    struct verdict verdict = VERDICT_INIT;

    (void)state;
    verdict.explanation = &explanation;
    verdict_check(&verdict, CHECK_KEY);
    verdict_reject(&verdict, REASON_KEY_UNKNOWN, "no key");
    verdict_add(&verdict, "nor a newer one");
    assert_string_equal(verdict.evidence, "no key; nor a newer one");
    assert_string_equal(explanation.made[0].detail, "no key; nor a newer one");
    ROW("without an explanation");
    verdict = VERDICT_INIT;
    verdict_reject(&verdict, REASON_KEY_UNKNOWN, "no key");
    verdict_add(&verdict, "nor a newer one");
    assert_string_equal(verdict.evidence, "no key; nor a newer one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_34_every_character_is_bare_or_in_quotes),
        cmocka_unit_test(an_explanation_without_a_check_stays_empty),
        cmocka_unit_test(what_is_added_stands_in_the_explanation_too),
        cmocka_unit_test(every_reason_has_a_whole_row),
        cmocka_unit_test(names_of_reasons_are_unique),
        cmocka_unit_test(only_ok_is_a_success),
        cmocka_unit_test(a_value_beside_the_table_reads_as_undecided),
        cmocka_unit_test(zero_is_undecided_and_denies),
        cmocka_unit_test(the_first_refusal_stands),
        cmocka_unit_test(an_acceptance_happens_once),
        cmocka_unit_test(a_refusal_is_never_ok),
        cmocka_unit_test(rule_34_values_are_stripped_of_control_bytes),
        cmocka_unit_test(a_fact_is_cut_between_characters),
        cmocka_unit_test(evidence_is_stripped_and_cut),
        cmocka_unit_test(rule_34_remote_text_is_no_format),
        cmocka_unit_test(a_line_says_all_that_is_known),
        cmocka_unit_test(rule_34_nobody_writes_a_line_of_their_own),
        cmocka_unit_test(no_length_pushes_a_fact_out_of_the_line),
        cmocka_unit_test(an_expired_token_is_told_its_age),
        cmocka_unit_test(rule_36_nothing_is_revealed_before_the_signature_holds),
        cmocka_unit_test(rule_37_only_what_follows_the_mapping_proves_the_users_own_token),
        cmocka_unit_test(checks_have_names_and_meanings),
        cmocka_unit_test(the_explanation_ends_with_the_check_that_refused),
        cmocka_unit_test(accepting_passes_the_open_check),
        cmocka_unit_test(more_checks_than_fit_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
