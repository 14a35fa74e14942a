#include "cli/lint/check_revocation.h"

#include "base/text_index.h"
#include "account/revocation.h"
#include "cli/lint/check_paths.h"

void check_revocation_list(const struct lint *lint)
{
    const struct config *config = lint->config;

    check_directories_above(lint->findings, config->revocation_path, NULL);
    if (config->revocation_failure.reason != REASON_UNDECIDED)
        findings_add(lint->findings, SEVERITY_ERROR, config->revocation_path, 0, "%s, so every login is refused: %s",
                     reason_sentence(config->revocation_failure.reason), config->revocation_failure.evidence);
}

/* Only the token of a revoked subject tells the account that a map gives to it. So Latchkey cannot refuse other logins
 * of that account. */
void check_revoked_and_mapped(const struct lint *lint)
{
    const struct config *config = lint->config;
    struct slice first = { NULL, 0 };
    bool has_others = false;
    size_t i;

    for (i = 0; config->identity.map_count > 0 && i < revocation_subject_count(config->revocation); i++) {
        struct slice subject = revocation_subject(config->revocation, i);

        if (text_index_find(&config->identity.subjects, subject) != NULL)
            continue;
        if (first.bytes == NULL)
            first = subject;
        else if (!slice_equal(subject, first))
            has_others = true;
    }
    if (first.bytes != NULL)
        findings_add(
            lint->findings, SEVERITY_WARNING, config->revocation_path, 0,
            "sub \"%.*s\"%s in no user block: its tokens are refused, but an account that a map gives to it still accepts "
            "public keys and local passwords; expire the account (usermod -e 1) or add a user block for it",
            SLICE_ARG(first), has_others ? " and others of the list are" : " is");
}

/* A revoked subject in a user block looks as if it could log in. */
void check_revoked_subjects(const struct lint *lint, const struct user_block *block, bool is_root)
{
    size_t i, revoked = 0;

    for (i = 0; i < block->subjects.count; i++) {
        struct verdict verdict = VERDICT_INIT;

        if (revocation_check_subject(&verdict, lint->config->revocation, slice_of(block->subjects.items[i])))
            continue;
        revoked++;
        FOUND(lint, is_root ? SEVERITY_WARNING : SEVERITY_NOTE, BLOCK_USER, block->name, NULL,
              "user \"%s\"%s: sub \"%s\" is revoked and still in the block", block->name, is_root ? " (uid 0)" : "",
              block->subjects.items[i]);
    }
    if (revoked > 0 && revoked == block->subjects.count)
        FOUND(lint, SEVERITY_NOTE, BLOCK_USER, block->name, NULL,
              "user \"%s\": every sub is revoked: no token maps to the user", block->name);
}
