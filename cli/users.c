/*
 * latchkey users: list the users of a tenant, page by page.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/people.h"
#include "cli/remote.h"

#define PAGE_MAX          1000000
#define PAGE_SIZE_MAX     1000
#define PAGE_SIZE_DEFAULT 100

struct users_options {
    struct remote_options remote;
    unsigned page;
    unsigned page_size;
    bool all;
    bool json;
};

/* 1 … max. */
static bool parse_count(const char *name, const char *text, unsigned max, unsigned *ret)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && value >= 1 && value <= max) {
        *ret = (unsigned)value;
        return true;
    }
    usage_error("users", "--%s takes a number from 1 to %u, not \"%s\"", name, max, text);
    return false;
}

static bool take_page(const char *text, void *into)
{
    return parse_count("page", text, PAGE_MAX, into);
}

static bool take_page_size(const char *text, void *into)
{
    return parse_count("page-size", text, PAGE_SIZE_MAX, into);
}

static bool parse_options(int argc, char **argv, struct users_options *options)
{
    const struct known_option known[] = {
        { "config", .text = &options->remote.config },
        { "tenant", .text = &options->remote.tenant },
        { "api-key-file", .text = &options->remote.api_key_file },
        { "token-file", .text = &options->remote.token_file },
        { "page", .take = take_page, .into = &options->page },
        { "page-size", .take = take_page_size, .into = &options->page_size },
        { "all", .flag = &options->all },
        { "json", .flag = &options->json },
        { NULL },
    };

    *options = (struct users_options){ .page = 1, .page_size = PAGE_SIZE_DEFAULT };
    return arguments_read("users", argc, argv, known,
                          "the credential comes from a file or on standard input, never as an argument");
}

/* A page as it arrived. Zero-initialise; end it with page_clear(). */
struct page {
    struct json *json;
    const struct json *users; /* lent by json */
    int64_t total;            /* of all pages */
};

static void page_clear(struct page *page)
{
    json_free(&page->json);
}

static bool read_page(struct verdict *verdict, const struct http_reply *reply, struct page *ret_page)
{
    double total;

    if (!tenant_reply_read(verdict, reply, &ret_page->json))
        return false;
    ret_page->users = json_member(ret_page->json, "data");
    if (json_type_of(ret_page->users) != JSON_ARRAY || !json_number(json_member(ret_page->json, "totalRecords"), &total)
        || !(total >= 0 && total <= INT32_MAX))
        return verdict_reject(verdict, REASON_TENANT_UNAVAILABLE, "the reply is not a page of users");
    ret_page->total = (int64_t)total;
    return true;
}

static bool get_page(struct remote *remote, unsigned number, unsigned size, struct page *ret_page)
{
    CLEANUP(tenant_request_clear) struct tenant_request request = { .ca = { NULL, 0 } };
    CLEANUP(http_reply_clear) struct http_reply reply = { .arrived = false };
    struct verdict verdict = VERDICT_INIT;

    if (!tenant_users_request(&verdict, remote->tenant, &remote->credential, number, size, remote_timeout_ms(remote),
                              &request))
        return remote_refuse(remote, &verdict);
    request.http.body_max = JSON_TEXT_MAX; /* a page may be large, and no login waits for it */
    remote_perform(remote, &request, &reply);
    return read_page(&verdict, &reply, ret_page) || remote_refuse(remote, &verdict);
}

/* An element of the array that list() writes: all users together may exceed one text of json.h. */
static bool print_json(const struct json *user, bool is_first)
{
    CLEANUP(json_free) struct json *object = person_json(user);
    const char *text = object != NULL ? json_print_printable(object, false) : NULL;

    return text != NULL && printf("%s%s", is_first ? "" : ",\n", text) > 0;
}

static void print_text(const struct person *person)
{
    printf("%-36s  %-8s  %-10s  %-32s  %s\n", person->id, person->is_enabled ? "enabled" : "disabled", person->type,
           person->email, person->name);
}

static bool print_page(struct remote *remote, const struct users_options *options, const struct page *page,
                       size_t printed)
{
    struct person person;
    size_t i;

    for (i = 0; i < json_length(page->users); i++) {
        const struct json *user = json_at(page->users, i);

        if (!person_read(user, &person))
            return remote_reject(remote, REASON_TENANT_UNAVAILABLE, "the page has an entry that is not a user");
        if (!options->json)
            print_text(&person);
        else if (!print_json(user, printed + i == 0))
            return remote_reject(remote, REASON_OUT_OF_MEMORY, "the answer");
    }
    return true;
}

/* Print the pages that the options select. An empty page ends the list, whatever the total says. */
static bool list(struct remote *remote, const struct users_options *options)
{
    unsigned number = options->all ? 1 : options->page;
    size_t printed = 0, got;
    int64_t total;

    if (options->json)
        printf("{\"users\":[\n");
    do {
        CLEANUP(page_clear) struct page page = { .json = NULL };

        if (!get_page(remote, number, options->page_size, &page) || !print_page(remote, options, &page, printed))
            return false;
        got = json_length(page.users);
        total = page.total;
        printed += got;
        number++;
    } while (options->all && got > 0 && (int64_t)printed < total);
    if (options->json)
        printf("\n],\"totalRecords\":%" PRId64 "}\n", total);
    else if (!options->all && (int64_t)(number - 1) * options->page_size < total)
        fprintf(stderr, "latchkey users: %zu of %" PRId64 "; --page %u shows the next page, --all shows all\n", printed,
                total, number);
    return true;
}

int command_users(int argc, char **argv)
{
    CLEANUP(remote_close) struct remote remote = { .command = "users" };
    struct users_options options;

    if (!parse_options(argc, argv, &options))
        return STATUS_USAGE;
    if (remote_begin(&remote, &options.remote) && list(&remote, &options))
        return flush_output("users");
    return remote.status;
}
