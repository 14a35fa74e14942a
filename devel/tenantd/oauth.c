#include "devel/tenantd/handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "base/text.h"
#include "devel/tenantd/files.h"
#include "devel/tenantd/identifiers.h"
#include "devel/tenantd/members.h"
#include "devel/tenantd/tokens.h"

#define CODE_LIFETIME 60  /* s */
#define PARAMETER_MAX 512 /* bytes of state, nonce, scope */

/* RFC 7636 §4.1: code-verifier = 43*128unreserved. */
#define VERIFIER_MIN 43
#define VERIFIER_MAX 128

/* The redirect URIs that are registered: those of an application on the person's own machine (RFC 8252 §7.3), which
 * takes whatever port is free. The text before the port, and the text after it. */
static const struct {
    const char *before, *after;
} redirect_uris[] = {
    { "http://127.0.0.1:", "/callback" }, { "http://[::1]:", "/callback" }, { "http://localhost:", "/callback" },
    { "http://127.0.0.1:", "/" },         { "http://[::1]:", "/" },         { "http://localhost:", "/" },
};

static bool is_registered(struct slice uri)
{
    size_t row, before, after, i;

    for (row = 0; row < sizeof redirect_uris / sizeof redirect_uris[0]; row++) {
        before = strlen(redirect_uris[row].before);
        after = strlen(redirect_uris[row].after);
        if (uri.len <= before + after || uri.len > before + after + strlen("65535")
            || memcmp(uri.bytes, redirect_uris[row].before, before) != 0
            || memcmp(uri.bytes + uri.len - after, redirect_uris[row].after, after) != 0)
            continue;
        for (i = before; i < uri.len - after && uri.bytes[i] >= '0' && uri.bytes[i] <= '9'; i++)
            ;
        if (i == uri.len - after)
            return true;
    }
    return false;
}

/* Writing HTML and URLs */

/* Text and attribute values; nothing else of HTML is made of what comes from outside. */
static void put_html(FILE *out, struct slice text)
{
    size_t i;

    for (i = 0; i < text.len; i++)
        if (strchr("<>&\"'", text.bytes[i]) != NULL) /* finds NUL too, which has no place in HTML */
            fprintf(out, "&#%d;", text.bytes[i]);
        else
            fputc(text.bytes[i], out);
}

/* RFC 3986 §2.3: everything but the unreserved is escaped. */
static void put_escaped(FILE *out, struct slice text)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t i;

    for (i = 0; i < text.len; i++)
        if (memchr(unreserved, text.bytes[i], sizeof unreserved - 1) != NULL)
            fputc(text.bytes[i], out);
        else
            fprintf(out, "%%%02X", (unsigned char)text.bytes[i]);
}

/* The parameters that the page hands on to the form, and what was asked for. */
static const char *const handed_on[] = { "response_type", "client_id",      "redirect_uri",          "scope",
                                         "state",         "code_challenge", "code_challenge_method", "nonce" };

static void write_page(FILE *out, const struct fields *parameters, const char *complaint)
{
    struct slice value, email = { NULL, 0 };
    size_t i;

    fields_find(parameters, "login_hint", &email);
    fields_find(parameters, "email", &email);
    fprintf(out,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Log in</title></head>\n<body>\n"
            "<h1>Log in</h1>\n");
    if (complaint != NULL)
        fprintf(out, "<p role=\"alert\">%s</p>\n", complaint);
    fprintf(out, "<form method=\"post\" action=\"authorize\">\n");
    for (i = 0; i < sizeof handed_on / sizeof handed_on[0]; i++)
        if (fields_find(parameters, handed_on[i], &value)) {
            fprintf(out, "<input type=\"hidden\" name=\"%s\" value=\"", handed_on[i]);
            put_html(out, value);
            fprintf(out, "\">\n");
        }
    fprintf(out, "<label>E-mail <input type=\"email\" name=\"email\" autocomplete=\"username\" required value=\"");
    put_html(out, email);
    fprintf(out,
            "\"></label>\n"
            "<label>Password <input type=\"password\" name=\"password\" autocomplete=\"current-password\" "
            "required></label>\n<button>Log in</button>\n</form>\n</body></html>\n");
}

static void reply_page(struct reply *reply, unsigned status, const struct fields *parameters, const char *complaint)
{
    CLEANUP(text_free) char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (out == NULL) {
        reply_text(reply, 500, NULL, slice_of(NULL));
        return;
    }
    write_page(out, parameters, complaint);
    if (fclose(out) == 0)
        reply_text(reply, status, "text/html; charset=utf-8", (struct slice){ text, len });
    else
        reply_text(reply, 500, NULL, slice_of(NULL));
    reply_header(reply, "Cache-Control", "no-store");
    reply_header(reply, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    reply_header(reply, "Referrer-Policy", "no-referrer");
}

/* RFC 6749 §4.1.2: back to the application with code= or error=, and the state as it came. */
static void reply_redirect(struct reply *reply, const struct fields *parameters, const char *name, const char *value)
{
    CLEANUP(text_free) char *text = NULL;
    struct slice uri = { NULL, 0 }, state;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    reply_text(reply, 302, NULL, slice_of(NULL));
    if (out == NULL) {
        reply->status = 500;
        return;
    }
    fields_find(parameters, "redirect_uri", &uri);
    fprintf(out, "%.*s?%s=", SLICE_ARG(uri), name);
    put_escaped(out, slice_of(value));
    if (fields_find(parameters, "state", &state)) {
        fprintf(out, "&state=");
        put_escaped(out, state);
    }
    if (fclose(out) == 0)
        reply_header(reply, "Location", text);
    else
        reply->status = 500;
    reply_header(reply, "Cache-Control", "no-store");
}

/* Authorization */

/* RFC 6749 §4.1.2.1: with an unknown client, or an address that is not the client's, the error is shown here and the
 * browser is not redirected. */
static bool check_client(const struct service *service, const struct fields *parameters, struct reply *reply)
{
    struct slice client = { NULL, 0 }, uri = { NULL, 0 };

    fields_find(parameters, "client_id", &client);
    fields_find(parameters, "redirect_uri", &uri);
    if (!slice_equal_string(client, service->state->tenant))
        reply_error(reply, 400, "invalid_request", "client_id must be the tenant's id");
    else if (!is_registered(uri))
        reply_error(reply, 400, "invalid_request", "redirect_uri is not registered");
    else
        return true;
    return false;
}

static bool check_parameters(const struct fields *parameters, struct reply *reply)
{
    struct slice type = { NULL, 0 }, method = { NULL, 0 }, challenge = { NULL, 0 }, nonce = { NULL, 0 };

    fields_find(parameters, "response_type", &type);
    fields_find(parameters, "code_challenge_method", &method);
    fields_find(parameters, "code_challenge", &challenge);
    fields_find(parameters, "nonce", &nonce);
    if (!slice_equal_string(type, "code"))
        reply_redirect(reply, parameters, "error", "unsupported_response_type");
    /* RFC 7636 §4.4.1. `plain` would show the verifier to everyone who reads this request. */
    else if (!slice_equal_string(method, "S256") || challenge.len != DIGEST_SIZE - 1 || nonce.len >= NONCE_SIZE
             || !text_is_utf8(nonce))
        reply_redirect(reply, parameters, "error", "invalid_request");
    else
        return true;
    return false;
}

void handle_authorize_page(struct service *service, const struct request *request, struct reply *reply)
{
    if (check_client(service, &request->query, reply) && check_parameters(&request->query, reply))
        reply_page(reply, 200, &request->query, NULL);
}

static void copy(char *text, size_t size, struct slice value)
{
    size_t len = value.len < size ? value.len : size - 1;

    if (len > 0)
        memcpy(text, value.bytes, len);
    text[len] = '\0';
}

static const char *new_code(struct service *service, const struct user *user, const struct fields *parameters,
                            int64_t now)
{
    struct authorization_code *code = &service->codes[service->next_code];
    struct slice uri = { NULL, 0 }, challenge = { NULL, 0 }, nonce = { NULL, 0 };

    service->next_code = (service->next_code + 1) % CODES_MAX;
    fields_find(parameters, "redirect_uri", &uri);
    fields_find(parameters, "code_challenge", &challenge);
    fields_find(parameters, "nonce", &nonce);
    random_secret("ac_", code->code);
    copy(code->user_id, sizeof code->user_id, slice_of(user->id));
    copy(code->redirect_uri, sizeof code->redirect_uri, uri);
    copy(code->challenge, sizeof code->challenge, challenge);
    copy(code->nonce, sizeof code->nonce, nonce);
    code->expires = now + CODE_LIFETIME;
    return code->code;
}

/* The form of a request; answers itself when it is none. */
static bool read_form(const struct request *request, struct fields *form, struct reply *reply)
{
    if (request_has_type(request, "application/x-www-form-urlencoded")
        && fields_parse_form(form, (struct slice){ request->body.bytes, request->body.len }))
        return true;
    reply_error(reply, 400, "invalid_request", "the body must be application/x-www-form-urlencoded");
    return false;
}

static const struct user *log_in(const struct service *service, const struct fields *form)
{
    struct slice email = { NULL, 0 }, password = { NULL, 0 };
    const struct user *user;

    fields_find(form, "email", &email);
    fields_find(form, "password", &password);
    user = state_user_by_email(service->state, email);
    return user != NULL && user->enabled && secret_equal(password, slice_of(user->password)) ? user : NULL;
}

void handle_authorize_form(struct service *service, const struct request *request, struct reply *reply)
{
    CLEANUP(fields_clear) struct fields form = { .count = 0 };
    const struct user *user;

    if (!read_form(request, &form, reply) || !check_client(service, &form, reply) || !check_parameters(&form, reply))
        return;
    user = log_in(service, &form);
    if (user != NULL)
        reply_redirect(reply, &form, "code", new_code(service, user, &form, request->now));
    else
        reply_page(reply, 401, &form, "This e-mail and password do not belong together.");
}

/* Tokens */

static void reply_tokens(struct service *service, const struct user *user, struct slice nonce,
                         const struct request *request, struct reply *reply)
{
    int64_t lifetime = service->settings.access_lifetime;
    CLEANUP(text_free) char *access_token = NULL;
    CLEANUP(text_free) char *id_token = NULL;
    const char *refresh =
        state_new_refresh_token(service->state, user, request->now + service->settings.refresh_lifetime);
    struct json *body = json_new_object();
    bool ok;

    access_token = token_issue(service, user, lifetime, request->now, slice_of(NULL), request->spoil);
    id_token = token_issue(service, user, lifetime, request->now, nonce, request->spoil);
    if (!state_save(service->state)) {
        json_free(&body);
        reply_error(reply, 500, "server_error", "the state cannot be written");
        return;
    }
    ok = access_token != NULL && id_token != NULL;
    if (ok) {
        ok &= json_add_text(body, "access_token", access_token);
        ok &= json_add_text(body, "token_type", "Bearer");
        ok &= json_add(body, "expires_in", json_new_integer(lifetime));
        ok &= json_add_text(body, "refresh_token", refresh);
        ok &= json_add_text(body, "id_token", id_token);
    }
    if (!ok)
        json_free(&body);
    reply_json(reply, 200, body);
    reply_header(reply, "Cache-Control", "no-store");
}

/* A code works once, whatever comes of it (RFC 6749 §4.1.2). */
static bool take_code(struct service *service, struct slice text, int64_t now, struct authorization_code *ret_code)
{
    size_t i;

    for (i = 0; i < CODES_MAX; i++) {
        struct authorization_code *code = &service->codes[i];

        if (code->code[0] == '\0' || !secret_equal(text, slice_of(code->code)))
            continue;
        *ret_code = *code;
        *code = (struct authorization_code){ .code = "" };
        return now < ret_code->expires;
    }
    return false;
}

/* RFC 7636 §4.6. */
static bool verifier_fits(struct slice verifier, const char *challenge)
{
    char digest[DIGEST_SIZE];

    if (verifier.len < VERIFIER_MIN || verifier.len > VERIFIER_MAX)
        return false;
    digest_text(verifier, digest);
    return secret_equal(slice_of(digest), slice_of(challenge));
}

static void redeem_code(struct service *service, const struct request *request, const struct fields *form,
                        struct reply *reply)
{
    struct slice text = { NULL, 0 }, uri = { NULL, 0 }, verifier = { NULL, 0 };
    struct authorization_code code;
    const struct user *user = NULL;

    fields_find(form, "code", &text);
    fields_find(form, "redirect_uri", &uri);
    fields_find(form, "code_verifier", &verifier);
    if (take_code(service, text, request->now, &code) && slice_equal_string(uri, code.redirect_uri)
        && verifier_fits(verifier, code.challenge))
        user = state_user(service->state, slice_of(code.user_id));
    if (user != NULL && user->enabled)
        reply_tokens(service, user, slice_of(code.nonce), request, reply);
    else
        reply_error(reply, 400, "invalid_grant", "the code, its verifier or its redirect_uri is wrong");
}

static void redeem_refresh_token(struct service *service, const struct request *request, const struct fields *form,
                                 struct reply *reply)
{
    struct slice token = { NULL, 0 };
    const struct user *user;

    fields_find(form, "refresh_token", &token);
    user = state_take_refresh_token(service->state, token, request->now);
    if (user != NULL && user->enabled)
        reply_tokens(service, user, slice_of(NULL), request, reply);
    else
        reply_error(reply, 400, "invalid_grant", "the refresh token is unknown, used or expired");
}

static void grant(struct service *service, const struct request *request, struct reply *reply, bool takes_codes)
{
    CLEANUP(fields_clear) struct fields form = { .count = 0 };
    struct slice type = { NULL, 0 }, client = { NULL, 0 };

    if (!read_form(request, &form, reply))
        return;
    fields_find(&form, "grant_type", &type);
    fields_find(&form, "client_id", &client);
    if (!slice_equal_string(client, service->state->tenant))
        reply_error(reply, 401, "invalid_client", "client_id must be the tenant's id");
    else if (slice_equal_string(type, "refresh_token"))
        redeem_refresh_token(service, request, &form, reply);
    else if (takes_codes && slice_equal_string(type, "authorization_code"))
        redeem_code(service, request, &form, reply);
    else
        reply_error(reply, 400, "unsupported_grant_type", "there is no such grant here");
}

void handle_token(struct service *service, const struct request *request, struct reply *reply)
{
    grant(service, request, reply, true);
}

void handle_refresh(struct service *service, const struct request *request, struct reply *reply)
{
    grant(service, request, reply, false);
}
