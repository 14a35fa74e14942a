#!/usr/bin/env bash
# The manual pages name every sub-command, option, check, reason, return code, configuration option and algorithm that
# exists, and none that does not exist. The names come from the code.
# usage: tests/check_manual.sh BUILD_DIRECTORY [SOURCE_TREE]
set -euo pipefail

build=$(cd "${1:?usage: check_manual.sh BUILD_DIRECTORY [SOURCE_TREE]}" && pwd)
cd "${2:-$(dirname "$0")/..}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/names.c" <<'EOF'
#include <stdio.h>
#include "config/reader.h"
#include "pam/options.h"
#include "token/algorithm.h"
#define X(id, name, pam, sasl, status, exit, told, sentence) { name, #pam, status, exit },
static const struct { const char *name, *pam, *status; int exit; } reasons[] = { REASONS(X) };
#undef X
int main(void)
{
    enum block_kind kind;
    const char *name;
    size_t i;

    for (i = 0; i < REASON_COUNT; i++) {
        printf("reason %s %s %d\n", reasons[i].name, reasons[i].pam, reasons[i].exit);
        printf("code %s\n", reasons[i].pam);
        if (reasons[i].status != NULL)
            printf("status %s\n", reasons[i].status);
    }
    for (i = 0; i < CHECK_COUNT; i++)
        printf("check %s\n", check_name((enum check)i));
    for (i = 0; i < ALGORITHM_ROWS; i++)
        printf("algorithm %s\n", algorithm_at(i)->name);
    for (i = 0; (name = pam_options_name(i)) != NULL; i++)
        printf("pam %s\n", name);
    for (kind = BLOCK_TOP; kind < BLOCK_KINDS; kind++) {
        const struct block_row *row = block_row(kind);

        if (kind != BLOCK_TOP)
            printf("config %s\n", row->name);
        for (i = 0; i < row->option_count; i++)
            printf("config %s%s%s\n", row->name, kind != BLOCK_TOP ? "." : "", row->options[i].name);
    }
    return 0;
}
EOF
# shellcheck disable=SC2046
${CC:-cc} -std=c11 -D_GNU_SOURCE -Icommon -I. '-DLATCHKEY_SYSCONFDIR=""' '-DLATCHKEY_SBINDIR=""' '-DLATCHKEY_LOCALSTATEDIR=""' \
    "$work/names.c" pam/options.c "$build/.libs/libcommon.a" -o "$work/names" \
    $(pkg-config --libs libcrypto json-c) -pthread
"$work/names" >"$work/all"

exists() { # a kind of name, as the code has them
    sed -n "s/^$1 //p" "$work/all" | sort -u
}
section() { # page, section: its text
    awk -v wanted="$2" '/^\.Sh /{ title = substr($0, 5); gsub(/"/, "", title); inside = title == wanted; next } inside' "$1"
}
failures=0
compare() { # what, what exists, what is documented
    if [ -z "$2" ]; then
        echo "manual: found no $1 in the code"
        failures=$((failures + 1))
        return
    fi
    local difference
    difference=$(diff <(echo "$2") <(echo "$3") | sed -n 's/^< /  not documented: /p; s/^> /  does not exist: /p') || true
    [ -n "$difference" ] || return 0
    echo "manual: $1:"
    echo "$difference"
    failures=$((failures + 1))
}

page=cli/latchkey.1
compare "$page: reasons, with their PAM code and exit status" "$(exists reason)" \
    "$(section $page REASONS | awk '$1 == ".It" { print $3, $6, $9 }' | sort)"
compare "$page: checks" "$(exists check)" "$(section $page CHECKS | awk '$1 == ".It" { print $3 }' | sort)"

# Each command of the usage text has its file, whose tables name the long options: of a command with parts, one table a
# part, PART_options[].
commands=$("$build/latchkey" --help | sed -nE 's/^  latchkey ([a-z]+( [a-z]+)?)( .*)?$/\1/p' | sort)
compare "$page: commands" "$commands" \
    "$(section $page COMMANDS | awk '$2 == "Ic" { print $3 ($4 ? " " $4 : "") }' | sort)"
compare "$page: commands in the synopsis" "$commands" \
    "$(section $page SYNOPSIS | awk '$1 == ".Cm" { print $2 ($3 ~ /^[a-z]+$/ ? " " $3 : "") }' | sort)"
compare "$page: options of the commands" \
    "$({ echo "any help"; echo "any version"
        for file in $(echo "$commands" | cut -d' ' -f1 | sort -u); do
            perl -ne '$part = /option (\w+)_options\[\]/ ? " $1" : "" if /option \w+\[\] =/;
                print "'"$file"'$part $1\n" while /\{ "([a-z-]+)", \.(?:text|flag|take) = /g' \
                "cli/$file.c"
        done; } | sort)" \
    "$(section $page COMMANDS | awk '$1 == ".Pp" && !depth { command = "any" } $2 == "Ic" { command = $3 ($4 ? " " $4 : "") }
        $1 == ".Bl" { depth++ } $1 == ".El" { depth-- }
        $2 == "Fl" && $1 == ".It" { print command, substr($3, 2) }' | sort)"

compare "$page: environment" "$(grep -ohE 'getenv\("[A-Z_]+"\)' cli/*.c | cut -d'"' -f2 | sort -u)" \
    "$(section $page ENVIRONMENT | awk '$1 == ".It" { print $3 }' | sort)"

page=pam/pam_latchkey.8
compare "$page: options" "$(exists pam)" \
    "$(section $page OPTIONS | awk '$1 == ".It" { sub("=", "", $3); print $3 }' | sort)"
compare "$page: return codes" "$({ exists code; echo PAM_IGNORE; } | sort)" \
    "$(section $page "RETURN CODES" | awk '$1 == ".It" { print $3 }' | sort)"

compare "$page: services that do not run as root" \
    "$(grep -oE '^    \{ "[a-z0-9-]+", "' cli/lint/pam_callers.c | cut -d'"' -f2 | sort)" \
    "$(section $page "PROGRAMS THAT ARE NOT ROOT" | awk '/by the option$/ { inside = 1 } inside && /^\.Li / {
        gsub(/^\.Li | \.$/, ""); gsub(/ , /, "\n"); print; exit }' | sort)"

page=sasl/latchkey_sasl.5
compare "$page: options" "$(grep -ohE '"latchkey_[a-z_]+"' sasl/*.c | tr -d '"' | sort -u)" \
    "$(section $page OPTIONS | awk '$1 == ".It" { print $3 }' | sort)"
compare "$page: environment" "$(grep -ohE 'getenv\("[A-Z_]+"\)' sasl/*.c | cut -d'"' -f2 | sort -u)" \
    "$(section $page ENVIRONMENT | awk '$1 == ".It" { print $3 }' | sort)"
compare "$page: codes of the error message" "$(exists status)" \
    "$(section $page DESCRIPTION | awk '$1 == ".It" && $2 == "Li" { print $3 }' | sort)"

page=common/config/latchkey.conf.5
compare "$page: blocks and options" "$(exists config)" \
    "$(section $page OPTIONS | awk '$1 == ".Ss" && $2 == "Outside" { block = ""; next }
        $1 == ".Ss" { print $2; block = $2 "." } $1 == ".It" { print block $3 }' | sort)"
compare "$page: algorithms" "$(exists algorithm)" \
    "$(section $page OPTIONS | awk '$1 == ".It" { inside = $3 == "algorithms" } $1 == "The" && $2 == "default" { inside = 0 }
        inside && $1 == ".Ql" { print $2 }' | sort)"

[ "$failures" -eq 0 ] || exit 1
echo "manual: $(wc -l <"$work/all") names stand in their pages"
