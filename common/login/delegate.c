#include "login/delegate.h"

#include <string.h>

struct json *delegate_login(const struct verdict *verdict, const struct login *login)
{
    struct json *object = json_new_object();
    struct login facts;

    if (object == NULL)
        return NULL;
    if (login == NULL) {
        login_take_facts(verdict, &facts);
        login = &facts;
    }
    if (!login_write(login, LOGIN_WHOLE, object))
        json_free(&object);
    return object;
}

static void take_refusal(struct verdict *verdict, const struct latchkeyd_answer *answer, struct login *login)
{
    verdict_reject(verdict, answer->reason, "%s", answer->detail);
    login_read_facts(answer->login, login);
    login_tell_facts(login, verdict);
}

void delegate_take(struct verdict *verdict, const struct latchkeyd_answer *answer, const struct attempt *attempt,
                   struct login *ret_login)
{
    const char *member;

    if (answer->reason != REASON_OK) {
        take_refusal(verdict, answer, ret_login);
        return;
    }
    if (!login_read(answer->login, ret_login, &member)) {
        verdict_reject(verdict, REASON_LATCHKEYD_UNAVAILABLE,
                       "the answer of latchkeyd: the login's \"%s\" is missing or not valid", member);
        return;
    }
    login_tell_facts(ret_login, verdict);
    /* latchkeyd decides, but not about another account than the one that was asked for. */
    if (attempt->user != NULL && strcmp(attempt->user, ret_login->identity.user) != 0)
        verdict_reject(verdict, REASON_USER_MISMATCH, "token maps to user %s", ret_login->identity.user);
    else
        verdict_accept(verdict);
}
