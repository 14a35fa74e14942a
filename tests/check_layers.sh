#!/usr/bin/env bash
# Proves the layers: who includes whom, which foreign library is behind which door, which calls nobody makes.
# usage: tests/check_layers.sh [SOURCE_TREE]
set -euo pipefail

cd "${1:-$(dirname "$0")/..}"
failures=0
fail() {
    echo "layers: $*"
    failures=$((failures + 1))
}

# A file of common/ includes its own header, files of the rows above its own, and those to its left. Names joined by a
# slash are one part in several files.
rows=(
    "cleanup clock fork_lock utf8 slice secret reason verdict program"
    "algorithm base64url json pattern account_lookup trusted_file trusted_program"
    "jwt jwks claims identity revocation config/config_file"
    "signature credential_form broker_protocol broker_spawn"
    "verify broker_client delegate"
    "authenticate"
)
declare -A rank
next=0
for row in "${rows[@]}"; do
    for part in $row; do
        for name in ${part//\// }; do
            rank[$name]=$next
        done
        next=$((next + 1))
    done
done

# Each door: a pattern of foreign headers, and the pattern of the files that may include them.
doors=(
    'openssl/            ^(common/(jwks|signature|secret)\.c|tenant/http\.c|(examples|tests)/.*)$'
    'json(-c/|\.h|_)     ^common/json\.c$'
    'regex\.h            ^common/pattern\.h$'
    'confuse\.h          ^common/config_file\.c$'
    'security/           ^(pam/.*|tests/.*)$'
    'syslog\.h           ^(pam/.*|broker/log\.c)$'
    'curl/               ^tenant/http\.c$'
    'sasl/               ^(sasl/.*|tests/.*)$'
    'microhttpd\.h       ^examples/tenantd/server\.c$'
)

# Calls that only some files make: a pattern of names, and the pattern of the files that may.
lost='strcpy|stpcpy|strcat|sprintf|vsprintf|gets|strtok|mktemp|tmpnam|alloca'
environment='getenv|secure_getenv|setenv|putenv|unsetenv|clearenv'
signals='signal|sigaction|sigprocmask|pthread_sigmask|alarm|setitimer'
of_the_host='setlocale|umask|chdir|exit|_exit|abort|fork|vfork|system|popen|pthread_create|atexit'
output='printf|vprintf|puts|putchar|fprintf|vfprintf|fputs|dprintf|perror|openlog|syslog|vsyslog|pam_syslog'
ours='(cli|examples|tests)/.*' # which are programs of their own
calls=(
    "$lost                   ^tests/test_.*$" # which run under AddressSanitizer
    "$environment            ^($ours|tenant/http\.c|broker/listener\.c|sasl/client(_input)?\.c|pam/subject\.c)$"
    "$signals                ^($ours|broker/(server|once)\.c)$"
    "$of_the_host            ^($ours|broker/(latchkeyd|listener)\.c)$"
    "$output                 ^($ours|pam/pam_latchkey\.c|broker/(log|latchkeyd|self_check)\.c)$"
    'prctl|setrlimit         ^(common/program\.c|broker/(privileges|server)\.c|tests/.*)$'
    "program_protect(_again)? ^($ours|common/program\.[ch]|broker/(latchkeyd|privileges)\.c)$"
    'json_print              ^(common|tenant|examples|tests)/.*$' # cli/ prints to terminals: json_print_printable()
    'jwt_unverified_payload  ^common/(jwt|verify|signature)\.[ch]$|^tests/.*$'
)

# The text without comments; strings stay, since a header's name is one.
code() {
    perl -0777 -pe 's{("(?:\\.|[^"\\\n])*"|\x27(?:\\.|[^\x27\\\n])*\x27)|/\*.*?\*/|//[^\n]*}{defined $1 ? $1 : " "}gse' "$1"
}
included() { # the headers that a file includes with the quotes of $2
    code "$1" | sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*'"$2"'\([^">]*\)[">].*/\1/p'
}

check_common() {
    local file=$1 own header name
    own=$(basename "${file%.*}")
    if [ -z "${rank[$own]-}" ]; then
        fail "$file: has no row"
        return
    fi
    for header in $(included "$file" '"'); do
        name=${header%.h}
        if [ -z "${rank[$name]-}" ]; then
            fail "$file: includes \"$header\", which is not of common/"
        elif [ "${rank[$name]}" -gt "${rank[$own]}" ]; then
            fail "$file: includes \"$header\", which stands above it"
        fi
    done
}
check_folder() { # $2: the headers it may see beside its own folder's
    local file=$1 header
    for header in $(included "$file" '"'); do
        [ -e "$(dirname "$file")/$header" ] || [[ " $2 " == *" $header "* ]] \
            || fail "$file: includes \"$header\", which its folder does not see"
    done
}

shopt -s nullglob
sources=({common,tenant,broker,pam,sasl,cli,examples,tests}/*.[ch] {examples,tests}/*/*.[ch])
[ "${#sources[@]}" -gt 0 ] || fail "there are no sources in $PWD"
everything_of_common=$(cd common && echo *.h)
everything_of_tenant=$(cd tenant && echo *.h)
for file in "${sources[@]}"; do
    case $file in
    common/*) check_common "$file" ;;
    tenant/*) check_folder "$file" "$everything_of_common" ;;
    broker/*) check_folder "$file" "$everything_of_common $everything_of_tenant" ;;
    pam/*) check_folder "$file" "authenticate.h credential_form.h config.h verdict.h reason.h cleanup.h secret.h" ;;
    sasl/*) check_folder "$file" "authenticate.h credential_form.h config.h jwt.h verdict.h reason.h cleanup.h slice.h secret.h trusted_file.h" ;;
    cli/*) check_folder "$file" "$everything_of_common $everything_of_tenant options.h" ;;
    esac
    for door in "${doors[@]}"; do
        read -r foreign allowed <<<"$door"
        for header in $(included "$file" '<'); do
            [[ $header =~ ^$foreign ]] && ! [[ $file =~ $allowed ]] && fail "$file: includes <$header>"
        done
    done
    for row in "${calls[@]}"; do
        read -r names allowed <<<"$row"
        [[ $file =~ $allowed ]] && continue
        while read -r call; do
            fail "$file: calls $call"
        done < <(code "$file" | grep -oP "(?<![\w.>])(?:$names)(?=\s*\()" | sort -u)
    done
done
# A row that names a file which is gone proves nothing.
for name in "${!rank[@]}"; do
    [ -e "common/$name.h" ] || fail "common/$name.h: has a row and does not exist"
done

[ "$failures" -eq 0 ] || exit 1
echo "layers: ${#sources[@]} files keep to them"
