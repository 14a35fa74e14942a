#include "pam/judge.h"

#include <string.h>
#include <time.h>

#include "verdict/reason.h"
#include "config/snapshot.h"
#include "login/authenticate.h"
#include "pam/kept_login.h"

/* The conversation belongs to the host process and may have set PAM_USER. The account of the login is then not known.
 */
static bool check_same_user(struct pam_call *call)
{
    const char *now = call_item(call, PAM_USER);

    if (now == NULL ? call->user == NULL : call->user != NULL && strcmp(now, call->user) == 0)
        return true;
    return verdict_reject(&call->verdict, REASON_USER_MISMATCH, "PAM_USER changed during the conversation");
}

/* Decide with the present configuration: the user may take minutes to answer, and the token may be revoked meanwhile.
 */
static bool decide(struct pam_call *call, const struct prompted *prompted, const struct credential *credential)
{
    struct login login;

    call_debug(call, "%zu bytes of credential %s", prompted->len,
               prompted->was_asked ? "by prompt" : "from an earlier module");
    config_release(&call->config);
    if (!check_same_user(call) || !call_config(call))
        return false;
    call->attempt.now = time(NULL);
    call->form = credential->form;
    if (!authenticate(&call->verdict, call->config, &call->attempt, credential, &login))
        return false;
    if (kept_login_set(call, &login))
        return true;
    call->verdict.reason = REASON_UNDECIDED;
    return verdict_reject(&call->verdict, REASON_OUT_OF_MEMORY, "cannot keep the login");
}

static bool service_takes_api_keys(const struct pam_call *call)
{
    return (config_service(call->config, call->attempt.service)->credentials & CREDENTIALS_API_KEY) != 0;
}

/* A part of a token needs no decision, nor does a text that cannot be an API key. */
static bool needs_decision(const struct pam_call *call, const struct prompted *prompted, enum credential_kind kind)
{
    if (prompted->is_repeated)
        return false;
    return kind == CREDENTIAL_JWT
        || (kind == CREDENTIAL_OTHER && prompted->answers == 1 && service_takes_api_keys(call));
}

/* A short answer where the host process hides users. It may be an API key; otherwise it is for another module. */
static bool judge_short(struct pam_call *call, struct prompted *credential)
{
    const struct credential whole = credential_whole(prompted_text(credential));

    if (whole.kind == CREDENTIAL_OTHER)
        return decide(call, credential, &whole);
    if (credential->heard == 0)
        return verdict_reject(&call->verdict, REASON_CREDENTIAL_ABSENT, "empty");
    return verdict_reject(&call->verdict, REASON_CREDENTIAL_NOT_ALLOWED, "%zu bytes are too few for a token",
                          credential->heard);
}

/* No more answers will come. The last verdict holds. A text without a verdict is decided about as it is: the token may
 * be shorter than expected. */
static bool judge_whole(struct pam_call *call, struct prompted *credential)
{
    const struct credential so_far = credential_so_far(call->config, prompted_text(credential));

    if (call->verdict.reason != REASON_UNDECIDED) {
        if (credential->is_repeated)
            verdict_add(&call->verdict, "the program repeated the same %zu bytes", credential->first_len);
        return false;
    }
    if (credential->is_repeated && so_far.kind == CREDENTIAL_JWT_PART)
        return verdict_reject(&call->verdict, REASON_ANSWER_REPEATED, "the program repeated the same %zu bytes",
                              credential->first_len);
    return decide(call, credential, &so_far);
}

/* Ask for one more part; false when there is none. The earlier verdict stays, unless the prompt itself failed. A
 * program that repeats its answer exceeds the length in the end; that is not a new reason. */
static bool ask_on(struct pam_call *call, struct prompted *credential)
{
    struct verdict asking = VERDICT_INIT;

    if (prompt_ask(&asking, call->pamh, &call->options, credential))
        return credential->last_heard > 0;
    if (!credential->is_repeated || asking.reason != REASON_TOKEN_TOO_LONG)
        call->verdict = asking;
    return false;
}

/*
 * Where the host process hides users. A short answer is for the next module. After a longer one the module keeps asking
 * until the token is accepted, the answer is empty, or the length limit is reached. So the client cannot distinguish a
 * refused token, the beginning of a token, another text and a hidden answer. Only a refusal that proves that the token
 * is the user's own ends it earlier.
 */
static bool judge_by_length(struct pam_call *call, struct prompted *credential)
{
    const struct verdict undecided = call->verdict;
    size_t parts;

    if (credential->heard == 0 && !prompt_ask(&call->verdict, call->pamh, &call->options, credential))
        return false;
    if (prompted_is_short(credential))
        return judge_short(call, credential);
    for (parts = 1;; parts++) {
        const struct credential so_far = credential_so_far(call->config, prompted_text(credential));

        if (needs_decision(call, credential, so_far.kind)) {
            call->verdict = undecided;
            if (decide(call, credential, &so_far) || reason_proves_own_token(call->verdict.reason))
                return call->verdict.reason == REASON_OK;
            if (call->config == NULL)
                return false;
        }
        if (call->options.use_first_pass || parts == PROMPT_PARTS_MAX)
            break;
        prompt_wait(credential);
        if (!ask_on(call, credential))
            break;
    }
    return judge_whole(call, credential);
}

static bool judge_by_content(struct pam_call *call, struct prompted *credential)
{
    struct credential whole;

    if (!call->options.use_first_pass
        && !prompt_complete(&call->verdict, call->pamh, &call->options, call->config, credential))
        return false;
    whole = credential_whole(prompted_text(credential));
    return decide(call, credential, &whole);
}

/* What an earlier module left is a password for another module, which this module would refuse. */
static bool is_password_of_other(const struct pam_call *call, const struct prompted *credential)
{
    if (service_takes_api_keys(call))
        return false;
    if (credential->is_counted_raw)
        return prompted_is_short(credential);
    return credential_whole(prompted_text(credential)).kind == CREDENTIAL_OTHER;
}

/* PAM_AUTHTOK, by the options use_first_pass and try_first_pass. */
static bool take_first_pass(struct pam_call *call, struct prompted *credential)
{
    if (!call->options.use_first_pass && !call->options.try_first_pass)
        return true;
    if (!prompt_first_pass(&call->verdict, call->pamh, credential))
        return false;
    if (call->options.use_first_pass)
        return credential->len > 0 || verdict_reject(&call->verdict, REASON_CREDENTIAL_ABSENT, "PAM_AUTHTOK is empty");
    if (is_password_of_other(call, credential)) { /* the user may have a token as well: ask */
        prompted_clear(credential);
        prompt_begin(call->pamh, credential);
    }
    return true;
}

bool judge_login(struct pam_call *call, struct prompted *credential)
{
    kept_login_drop(call);
    prompt_begin(call->pamh, credential);
    if (!call_config(call) || !authenticate_is_possible(&call->verdict, call->config, call->attempt.service))
        return false;
    if (!take_first_pass(call, credential))
        return false;
    return credential->is_counted_raw ? judge_by_length(call, credential) : judge_by_content(call, credential);
}
