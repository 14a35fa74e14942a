#!/usr/bin/env bash
# The symbols that the built modules export, and the libraries that they load into a host process.
# usage: tests/check_symbols.sh BUILD_DIRECTORY
set -euo pipefail

source=$(cd "$(dirname "$0")/.." && pwd)
build=${1:?usage: check_symbols.sh BUILD_DIRECTORY}
failures=0
fail() {
    echo "symbols: $*"
    failures=$((failures + 1))
}
same() { # what, wanted, got: the same lines in any order
    diff <(sort <<<"$2") <(sort <<<"$3") >/dev/null || fail "$1: wanted $(xargs <<<"$2"), got $(xargs <<<"$3")"
}

check_module() { # module, its list of exports, what it needs beside the core's libraries
    local name=$1 module=$build/.libs/$1 dynamic segments undefined
    [ -e "$module" ] || { fail "$module does not exist"; return; }

    same "$name: exports" "$(cat "$source/$2")" "$(nm -D --defined-only "$module" | awk '{print $3}')"

    # libcurl reads proxies and key log files from the environment of setuid hosts: the modules must not load it.
    same "$name: libraries" "$(printf '%s\n' libcrypto.so libjson-c.so libc.so "${@:3}")" \
        "$(readelf -dW "$module" | sed -n 's/.*(NEEDED).*\[\(.*\.so\).*\]/\1/p')"

    dynamic=$(readelf -dW "$module")
    segments=$(readelf -lW "$module")
    undefined=$(nm -D --undefined-only "$module")
    grep -q 'BIND_NOW\|FLAGS_1.*NOW' <<<"$dynamic" || fail "$name is not bound at loading (-z now)"
    grep -q 'FLAGS_1.*NODELETE' <<<"$dynamic" || fail "$name may be unloaded (-z nodelete is missing)"
    grep -q GNU_RELRO <<<"$segments" || fail "$name has no read-only relocations (-z relro)"
    grep -q 'TEXTREL' <<<"$dynamic" && fail "$name relocates its code (TEXTREL)"
    grep -q 'GNU_STACK.*RWE' <<<"$segments" && fail "$name requires an executable stack"
    grep -q 'RPATH\|RUNPATH' <<<"$dynamic" && fail "$name looks for libraries in a path of its own"
    grep -q '__stack_chk_fail' <<<"$undefined" || fail "$name has no stack protector"
    return 0
}

check_module pam_latchkey.so pam/pam_latchkey.sym libpam.so
check_module liblatchkey.so sasl/liblatchkey.sym # its host hands it libsasl's functions

[ "$failures" -eq 0 ] || exit 1
echo "symbols: the modules show their entry points and nothing else"
