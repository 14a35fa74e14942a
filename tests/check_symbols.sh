#!/usr/bin/env bash
# What the built module shows of itself, and what it brings into a host process.
# usage: tests/check_symbols.sh BUILD_DIRECTORY
set -euo pipefail

source=$(cd "$(dirname "$0")/.." && pwd)
module=${1:?usage: check_symbols.sh BUILD_DIRECTORY}/.libs/pam_latchkey.so
failures=0
fail() {
    echo "symbols: $*"
    failures=$((failures + 1))
}
same() { # what, wanted, got: the same lines in any order
    diff <(sort <<<"$2") <(sort <<<"$3") >/dev/null || fail "$1: wanted $(xargs <<<"$2"), got $(xargs <<<"$3")"
}
[ -e "$module" ] || { echo "symbols: $module does not exist"; exit 1; }

same "exports" "$(cat "$source/pam/pam_latchkey.sym")" "$(nm -D --defined-only "$module" | awk '{print $3}')"

# libcurl reads proxies and key log files from the environment of setuid hosts: it has no place here.
same "libraries" "$(printf '%s\n' libcrypto.so libjson-c.so libconfuse.so libpam.so libc.so)" \
    "$(readelf -dW "$module" | sed -n 's/.*(NEEDED).*\[\(.*\.so\).*\]/\1/p')"

dynamic=$(readelf -dW "$module")
segments=$(readelf -lW "$module")
undefined=$(nm -D --undefined-only "$module")
grep -q 'BIND_NOW\|FLAGS_1.*NOW' <<<"$dynamic" || fail "is not bound at loading (-z now)"
grep -q 'FLAGS_1.*NODELETE' <<<"$dynamic" || fail "may be unloaded (-z nodelete is missing)"
grep -q GNU_RELRO <<<"$segments" || fail "has no read-only relocations (-z relro)"
grep -q 'TEXTREL' <<<"$dynamic" && fail "relocates its code (TEXTREL)"
grep -q 'GNU_STACK.*RWE' <<<"$segments" && fail "wants an executable stack"
grep -q 'RPATH\|RUNPATH' <<<"$dynamic" && fail "looks for libraries in a path of its own"
grep -q '__stack_chk_fail' <<<"$undefined" || fail "has no stack protector"

[ "$failures" -eq 0 ] || exit 1
echo "symbols: pam_latchkey.so shows its entry points and nothing else"
